//! The files that a review leaves behind, and what is printed of a run.

use std::path::Path;

use anyhow::Result;

use crate::commands::Talk;
use crate::commands::run::Run;
use crate::files::{self, WriteError};

/// A run with what its report has to say of itself.
#[derive(Debug)]
pub struct Review<'a> {
    /// The run.
    pub run: &'a Run,
    /// Whether the history is made up.
    pub synthetic: bool,
    /// The command that makes the same bytes again.
    pub command: String,
    /// Whether charts are written as PNG too.
    pub png: bool,
}

/// Makes the folder before any work is done, so that a bad path fails at once.
///
/// # Errors
///
/// Where the folder cannot be made.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(out).map_err(|source| WriteError {
        path: out.to_owned(),
        source,
    })
}

/// temporary
pub fn table(run: &Run, _talk: &Talk) -> String {
    use crate::render::explain::explain;
    let mut s = String::new();
    for a in &run.assessments {
        for c in [
            "api",
            "worker",
            "redis",
            "data-jarvis-postgresql-0",
            "qdrant-storage-jarvis-qdrant-0",
        ] {
            s += &explain(a, c).unwrap_or_default();
        }
        for f in &a.plan.findings {
            s += &format!(
                "{:?} {} {} | {}\n",
                f.severity,
                f.code.name(),
                f.message,
                f.remedy
            );
        }
        for w in &a.scorecard {
            s += &format!("{w:?}\n");
        }
        s += &format!("{:?}", a.plan.crossings);
    }
    s
}

/// temporary
pub fn listing(_out: &Path, _w: &[String]) -> String {
    String::new()
}

impl Review<'_> {
    /// temporary
    pub fn write(&self, out: &Path) -> Result<Vec<String>> {
        files::write_whole(
            &out.join("plan.json"),
            serde_json::to_string_pretty(&serde_json::to_value(&self.run.plan)?)?.as_bytes(),
        )?;
        Ok(vec![])
    }
}
