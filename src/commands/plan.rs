//! `plan`: the advice, in the form asked for.

use std::io::Write;

use anyhow::Result;

use crate::cli::{Format, PlanArgs};
use crate::commands::gather::{Run, gather};
use crate::commands::{Exit, Talk};
use crate::render::table::{Style, table};
use crate::render::{csv, json, markdown_plan, yaml};

/// Prints the plan.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or standard output.
pub async fn run(args: &PlanArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = gather(&args.run, talk).await?;
    out.write_all(text(&run, args.output, talk, &args.run.typed())?.as_bytes())?;
    Ok(run.exit(args.exit_code))
}

/// The plan in one of its forms; `typed` are the options that the verbs it names are to be given too.
///
/// # Errors
///
/// Where the plan cannot be serialised, which no plan of ours does.
pub fn text(run: &Run, format: Format, talk: &Talk, typed: &str) -> Result<String> {
    let zone = &run.settings.calendar.zone;
    Ok(match format {
        Format::Table => {
            table(&run.plan, zone, Style { color: talk.color, ..Style::default() }, typed)
        }
        Format::Json => json::json(&run.plan)?,
        Format::Yaml => yaml::yaml(&run.plan)?,
        Format::Csv => csv::csv(&run.plan),
        Format::Markdown => markdown_plan::markdown(&run.plan, zone),
    })
}
