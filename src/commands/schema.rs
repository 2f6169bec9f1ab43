//! `plimsoll schema`: the JSON Schema of the settings, or of the plan.

use std::io::Write;

use anyhow::Result;

use crate::advise::plan::Plan;
use crate::config;

/// The documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `plimsoll.yaml`.
    Config,
    /// What `plan -o json` prints.
    Plan,
}

/// Prints the JSON Schema of `document`.
///
/// # Errors
///
/// Where nothing can be written.
pub fn run(document: Document, out: &mut dyn Write) -> Result<()> {
    let schema = match document {
        Document::Config => config::schema(),
        Document::Plan => schemars::schema_for!(Plan),
    };
    serde_json::to_writer_pretty(&mut *out, &schema)?;
    writeln!(out)?;
    Ok(())
}
