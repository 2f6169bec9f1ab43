//! The process edge: parse, run, print the error once, exit with what happened.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use plimsoll::cli::Cli;
use plimsoll::commands;

#[tokio::main]
async fn main() -> ExitCode {
    match commands::run(Cli::parse()).await {
        Ok(exit) => exit.into(),
        // whoever reads our output has heard enough
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // standard error may be closed too; the exit code still says it
            let _ = std::io::stderr().write_all(commands::failure(&error).as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter().any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
