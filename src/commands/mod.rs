//! One file per verb: reads the clock, joins the edges to the pure stages, writes what comes out.

pub mod apply;
pub mod artifacts;
pub mod backtest;
pub mod check;
pub mod demo;
pub mod explain;
pub mod gather;
pub mod init;
pub mod output;
pub mod plan;
pub mod pr;
pub mod pull;
pub mod replay;
pub mod report;
pub mod rollback;
pub mod run;
pub mod schema;
pub mod tiers;
mod unread;
pub mod values;

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory;

use self::unread::Unread;
use crate::cli::{BacktestArgs, Cli, Command, TiersCommand};
use crate::files::WriteError;

/// How a run that could run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, and changes are recommended (only where `--exit-code` asks for it).
    Changes,
    /// Ran, but something was skipped or refused.
    Skipped,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Changes => 2,
            Exit::Skipped => 3,
        })
    }
}

/// What to change so that the run can go on; printed after the error as `hint: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Hinted {
    /// The error's own text.
    pub message: String,
    /// The flag, key or file to change.
    pub hint: String,
}

impl Hinted {
    /// The text of `error` with its causes, and what to do about it.
    #[must_use]
    pub fn because(error: &(dyn std::error::Error + 'static), hint: &str) -> Self {
        let causes = std::iter::successors(Some(error), |cause| cause.source());
        let causes: Vec<String> = causes.map(ToString::to_string).collect();
        Self { message: causes.join(": "), hint: hint.to_owned() }
    }
}

/// Runs the command that was typed.
///
/// # Errors
///
/// Whatever kept it from running; [`Hinted`] in the chain carries the hint.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let talk = Talk::from(&cli);
    let out = &mut std::io::stdout().lock();
    match cli.command {
        Command::Demo(args) => demo::run(&args, &talk, out),
        Command::Init(args) => init::command(&args, &talk, out).await,
        Command::Check(args) => {
            let settings = gather::settings(&args)?;
            let at = gather::moment(&args, &settings);
            let cluster = gather::cluster(&args);
            check::run(&settings, at, (args.offline, cluster.as_ref()), out).await
        }
        Command::Pull(args) => {
            let settings = gather::settings(&args)?;
            pull::run(&settings, gather::moment(&args, &settings), talk, out).await
        }
        Command::Plan(args) => plan::run(&args, &talk, out).await,
        Command::Report(args) => report::run(&args, &talk, out).await,
        Command::Values(args) => values::run(&args, &talk, out).await,
        Command::Pr(args) => pr::run(&args, &talk, out).await,
        Command::Patch(args) => artifacts::patches(&args, &talk, out).await,
        Command::Apply(args) => {
            apply::run(&args, &talk, &mut Unread::new(out, talk, args.yes)).await
        }
        Command::Rollback(args) => {
            rollback::run(&args, &talk, &mut Unread::new(out, talk, args.on.yes)).await
        }
        Command::Run(args) => {
            run::run(&args, &talk, &mut Unread::new(out, talk, args.on.yes)).await
        }
        Command::Explain(args) => explain::run(&args, &talk, out).await,
        Command::Tiers(args) => tiers(args.command, out).map(done),
        Command::Backtest(args) => backtested(&args, &talk, out).await,
        Command::Replay(args) => replay::run(&args, &talk, out).await,
        Command::Schema(args) => schema::run(args.of, out).map(done),
        Command::Completions { shell } => {
            // into memory first: the generator panics where it cannot write
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "plimsoll", &mut script);
            out.write_all(&script)?;
            Ok(Exit::Done)
        }
    }
}

async fn backtested(
    args: &BacktestArgs,
    talk: &Talk,
    out: &mut dyn std::io::Write,
) -> anyhow::Result<Exit> {
    let own = args.file.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    });
    let outcome = if own && args.folds.is_none() && args.emit.is_none() {
        backtest::own_history(&args.run(), talk).await?
    } else {
        let zone = jiff::tz::TimeZone::UTC;
        backtest::run(&args.file, args.folds.as_deref(), args.emit.as_deref(), &zone)?
    };
    out.write_all(outcome.text.as_bytes())?;
    outcome.skipped.iter().for_each(|skipped| talk.say(&format!("skipped: {skipped}")));
    Ok(if outcome.skipped.is_empty() { Exit::Done } else { Exit::Skipped })
}

fn done((): ()) -> Exit {
    Exit::Done
}

fn tiers(command: TiersCommand, out: &mut dyn std::io::Write) -> anyhow::Result<()> {
    match command {
        TiersCommand::Show { file } => tiers::show(&file, out),
        TiersCommand::Check { file, table } => tiers::check(&file, table, out),
        TiersCommand::Import { file, table } => tiers::import(&file, table, out),
    }
}

/// The text of a failure: `error: …` with its causes, then `hint: …` where one is known.
#[must_use]
pub fn failure(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    // an error of the system that names no file is one of standard output: all others are given a context
    if error.chain().next().is_some_and(<dyn std::error::Error>::is::<std::io::Error>) {
        let why = causes.join(": ");
        return format!(
            "error: cannot write to standard output: {why}\nhint: see where the output goes\n"
        );
    }
    let hint = error.chain().find_map(hint);
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("error: {}\n{hint}", causes.join(": "))
}

/// The hint that an error of ours carries.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let by_writing = || cause.downcast_ref::<WriteError>().map(|error| error.hint().to_owned());
    cause.downcast_ref::<Hinted>().map(|hinted| hinted.hint.clone()).or_else(by_writing)
}

/// What is said on standard error, and how standard output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Talk {
    /// `--quiet`: errors only.
    pub quiet: bool,
    /// `--verbose`: each query too.
    pub verbose: bool,
    /// Whether standard output is a terminal that wants colour.
    pub color: bool,
}

impl Talk {
    /// Who says nothing but errors, in no colour.
    #[must_use]
    pub const fn silent() -> Self {
        Self { quiet: true, verbose: false, color: false }
    }

    fn from(cli: &Cli) -> Self {
        use std::io::IsTerminal;
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let color = wanted && std::io::stdout().is_terminal();
        Self { quiet: cli.quiet, verbose: cli.verbose, color }
    }

    /// A line on standard error, unless told to be quiet. A closed standard error is nobody's loss.
    pub fn say(self, line: &str) {
        if !self.quiet {
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
        }
    }
}
