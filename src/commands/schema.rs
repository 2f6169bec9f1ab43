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
    serde_json::to_writer_pretty(&mut *out, &schema)?;
    writeln!(out)?;
    Ok(())
}
