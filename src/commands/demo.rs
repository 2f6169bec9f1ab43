//! `demo`: the whole pipeline on built-in synthetic history, with no cluster and no network.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::cli::{DemoArgs, Format};
use crate::commands::output::{self, Review};
use crate::commands::run::{Live, Run};
use crate::commands::{Exit, Talk, plan};
use crate::config;
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
    let at = args.at.map_or_else(|| demo::AT.parse(), Ok)?;
    let settings = config::parse(SETTINGS, "the built-in plimsoll.yaml", Path::new("."))?;
    talk.say(&format!(
        "demo: built-in JARVIS, seed {}, 8 weeks x 5 minutes, at {at} (synthetic)\ndemo: no cluster, no network",
        args.seed
    ));
    let run = Run::over(settings, at, &Live::new(), None, |_| Ok(demo::observed(at, args.seed)))?;
    writeln!(out, "{}", plan::text(&run, Format::Table, talk)?)?;
    let review = Review { run: &run, synthetic: true, command: command(args), png: args.png };
    let written = review.write(&args.out)?;
    write!(out, "{}", output::listing(&args.out, &written))?;
    writeln!(out, "\nyour own service next: `plimsoll init`")?;
    // the built-in history holds things to skip, for show: that is no reason for `cargo run` to say "error"
    Ok(if args.exit_code && run.plan.changes > 0 { Exit::Changes } else { Exit::Done })
}

/// The command that makes the same bytes again.
fn command(args: &DemoArgs) -> String {
    let at = args.at.map(|at| format!(" --at {at}")).unwrap_or_default();
    let seed =
        if args.seed == demo::SEED { String::new() } else { format!(" --seed {}", args.seed) };
    format!("plimsoll demo{at}{seed}")
}
