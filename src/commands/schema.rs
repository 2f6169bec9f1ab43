//! `plimsoll schema`: the JSON Schema of the settings, or of the plan.

use std::io::Write;

use anyhow::Result;

use crate::advise::plan::Plan;
use crate::cli::SchemaOf;
use crate::config;

/// Prints the JSON Schema of `document`.
///
/// # Errors
///
/// Where nothing can be written.
pub fn run(document: SchemaOf, out: &mut dyn Write) -> Result<()> {
    let schema = match document {
        SchemaOf::Config => config::schema(),
        SchemaOf::Plan => schemars::schema_for!(Plan),
    };
    // as text first: an error of the writer must stay one, so that a closed pipe is known as such
    let text = serde_json::to_string_pretty(&schema)?;
    Ok(writeln!(out, "{text}")?)
}
