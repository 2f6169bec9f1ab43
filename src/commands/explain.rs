//! `explain`: every step from samples to number for one component.

use std::io::Write;

use anyhow::Result;

use crate::cli::ExplainArgs;
use crate::commands::gather::gather;
use crate::commands::{Exit, Hinted, Talk, demo};
use crate::render::explain::explain;
use crate::source::demo::SEED;

/// Prints the way of one component through the pipeline.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a component that no service has.
pub async fn run(args: &ExplainArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = if args.demo {
        demo::assessed(args.run.at, SEED)?
    } else {
        gather(&args.run, talk).await?
    };
    let wanted = |name: &str| args.service.as_ref().is_none_or(|service| service == name);
    let asked = run.assessments.iter().filter(|one| wanted(&one.service.name));
    let texts: Vec<String> = asked.filter_map(|one| explain(one, &args.component)).collect();
    if texts.is_empty() {
        let known: Vec<&str> = run
            .plan
            .services
            .iter()
            .flat_map(|one| &one.recommendations)
            .map(|one| one.component.as_str())
            .collect();
        let mut known: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
        known.dedup();
        let message = format!("no component or volume `{}`", args.component);
        return Err(Hinted { message, hint: format!("there are {}", known.join(", ")) }.into());
    }
    out.write_all(texts.join("\n").as_bytes())?;
    Ok(if args.demo { Exit::Done } else { run.exit(false) })
}
