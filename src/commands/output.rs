//! The files that a review leaves behind, and the list of them.

use std::path::Path;

use anyhow::Result;

use crate::commands::run::Run;
use crate::files::{self, WriteError};
use crate::render::{helm, json, patch};

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

/// A file or folder of the review, and what it is for.
pub type Written = (&'static str, String);

/// Makes the folder before any work is done, so that a bad path fails at once.
///
/// # Errors
///
/// Where the folder cannot be made.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(out).map_err(|source| WriteError { path: out.to_owned(), source })
}

/// The list of what was written, for people.
#[must_use]
pub fn listing(out: &Path, written: &[Written]) -> String {
    let width = written.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: String = written.iter().map(|(name, what)| format!("  {name:<width$}  {what}\n")).collect();
    format!("wrote {}\n{lines}", out.display())
}

impl Review<'_> {
    /// Writes everything into `out`.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written, with its path.
    pub fn write(&self, out: &Path) -> Result<Vec<Written>> {
        let overlay = helm::overlay(&self.run.plan, &self.run.settings.services);
        let patches = patch::patches(&self.run.plan, &self.run.settings.services);
        files::write_whole(&out.join("plan.json"), json::json(&self.run.plan)?.as_bytes())?;
        files::write_whole(&out.join("values-capacity.yaml"), overlay.as_bytes())?;
        for patch in &patches {
            files::write_whole(&out.join("patches").join(&patch.file_name), patch.content.as_bytes())?;
        }
        Ok(vec![
            ("plan.json", "the advice as data".to_owned()),
            ("values-capacity.yaml", "a Helm overlay with the advised settings".to_owned()),
            ("patches/", format!("{} patches, each with its inverse", patches.len() / 2)),
        ])
    }
}
