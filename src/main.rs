//! The process edge: parse, run, print the error once, exit with what happened.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use plimsoll::cli::Cli;
use plimsoll::commands;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return explained(&usage),
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let ended = runtime.block_on(commands::run(cli));
    // a kubeconfig's plugin that hangs keeps nobody waiting
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // whoever reads our output has heard enough
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    // standard error may be closed too; the exit code still says it
    let _ = std::io::stderr().write_all(commands::failure(error).as_bytes());
    ExitCode::FAILURE
}

/// Help and version are answers; anything else is a command line that could not run, which is 1 and not
/// clap's 2: that one means "changes recommended".
fn explained(usage: &clap::Error) -> ExitCode {
    if !usage.use_stderr() {
        let said = usage.print().and_then(|()| std::io::stdout().flush());
        return said.map_or_else(|error| failed(&error.into()), |()| ExitCode::SUCCESS);
    }
    let text = usage.render().to_string();
    let text = text
        .replace("For more information, try '--help'.", "hint: `--help` lists what can be typed");
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter().any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
