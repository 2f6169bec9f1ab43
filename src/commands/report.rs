//! `report`: the weekly review as a folder of files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::cli::ReportArgs;
use crate::commands::gather::gather;
use crate::commands::output::{self, Review};
use crate::commands::{Exit, Talk};

/// Writes the review and says where it is.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a folder that cannot be written.
pub async fn run(args: &ReportArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    if let Some(folder) = &args.out {
        output::prepare(folder)?;
    }
    let run = gather(&args.run, talk).await?;
    let date = run.at.to_zoned(run.settings.calendar.zone.clone()).date();
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("reports/{date}")));
    let command =
        format!("plimsoll report --offline --at {} -f {}", run.at, args.run.file.display());
    let review = Review { run: &run, synthetic: false, command, png: args.png, talk: *talk };
    let written = review.write(&folder)?;
    write!(out, "{}", output::listing(&folder, &written))?;
    Ok(match run.exit(false) {
        Exit::Skipped if args.allow_skipped => Exit::Done,
        exit => exit,
    })
}
