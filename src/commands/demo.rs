//! `demo`: the whole pipeline on built-in synthetic history, with no cluster and no network.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;

use crate::cli::{DemoArgs, Format, Moment};
use crate::commands::gather::Run;
use crate::commands::output::{self, Review};
use crate::commands::{Exit, Talk, plan};
use crate::config::{self, Settings};
use crate::service::live::Live;
use crate::source::demo;

/// The built-in settings.
const SETTINGS: &str = include_str!("../../data/plimsoll.yaml");

/// Advises on the built-in service and writes everything that `report`, `values` and `patch` would.
///
/// # Errors
///
/// Where `--out` cannot be written.
pub fn run(args: &DemoArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    output::prepare(&args.out)?;
    let run = assessed(args.at, args.seed)?;
    let at = run.at;
    talk.say(&format!(
        "demo: built-in JARVIS, seed {}, 8 weeks x 5 minutes, at {at} (synthetic)\ndemo: no cluster, no network",
        args.seed
    ));
    // what comes next after a plan needs settings of one's own; what comes next here stands at the end
    let table = plan::text(&run, Format::Table, talk, "")?;
    for line in table.lines().filter(|line| !line.starts_with("next: ")) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let review = Review {
        run: &run,
        synthetic: true,
        command: command(args, at),
        png: args.png,
        talk: *talk,
    };
    let written = review.write(&args.out)?;
    write!(out, "{}", output::listing(&args.out, &written))?;
    writeln!(
        out,
        "\nnext: `plimsoll explain api --demo` for the way to a number, `plimsoll init` for your own service"
    )?;
    // the built-in history holds things to skip, for show: that is no reason for `cargo run` to say "error"
    Ok(if args.exit_code && run.plan.changes > 0 { Exit::Changes } else { Exit::Done })
}

/// The advice on the built-in service.
///
/// # Errors
///
/// None that a built-in file could cause.
pub fn assessed(at: Option<Moment>, seed: u64) -> Result<Run> {
    let settings = settings()?;
    let at = moment(at, &settings)?;
    Run::over(settings, at, Live::default(), None, |_| Ok((demo::observed(at, seed), Vec::new())))
}

/// The built-in settings.
///
/// # Errors
///
/// None that a built-in file could cause.
pub fn settings() -> Result<Settings> {
    Ok(config::parse(SETTINGS, "the built-in plimsoll.yaml", Path::new("."))?)
}

/// The moment that was typed, or the built-in Monday.
///
/// # Errors
///
/// None that a built-in moment could cause.
pub fn moment(at: Option<Moment>, settings: &Settings) -> Result<Timestamp> {
    let zone = &settings.calendar.zone;
    Ok(at.map_or_else(|| demo::AT.parse(), |at| Ok(at.within(zone)))?)
}

/// The command that makes the same bytes again.
fn command(args: &DemoArgs, at: Timestamp) -> String {
    let at = args.at.map(|_| format!(" --at {at}")).unwrap_or_default();
    let seed =
        if args.seed == demo::SEED { String::new() } else { format!(" --seed {}", args.seed) };
    format!("plimsoll demo{at}{seed}")
}
