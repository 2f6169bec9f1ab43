//! The files that a review leaves behind, and the list of them.

use std::path::Path;

use anyhow::Result;

use crate::Assessment;
use crate::cli::PatchForm;
use crate::commands::gather::Run;
use crate::commands::{Talk, artifacts};
use crate::files::{self, WriteError};
use crate::past;
use crate::render::report::{self, Page, Reviewed};
use crate::render::{chart, helm, json, patch};
use crate::service::Service;

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
    /// Who is told what was removed.
    pub talk: Talk,
}

/// A file or folder of the review, and what it is for.
pub type Written = (&'static str, String);

/// The overlay of a review.
const OVERLAY: &str = "values-capacity.yaml";

/// Makes the folder before any work is done, so that a bad path fails at once.
///
/// # Errors
///
/// Where the folder cannot be made.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(out).map_err(|source| WriteError { path: out.to_owned(), source })?;
    files::sweep(out);
    Ok(())
}

/// The list of what was written, for people.
#[must_use]
pub fn listing(out: &Path, written: &[Written]) -> String {
    let width = written.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: String =
        written.iter().map(|(name, what)| format!("  {name:<width$}  {what}\n")).collect();
    format!("wrote {}\n{lines}", out.display())
}

impl Review<'_> {
    /// Writes everything into `out`; the page that people open comes last, when all it speaks of is there.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written, with its path, or the folder holds somebody else's overlay.
    pub fn write(&self, out: &Path) -> Result<Vec<Written>> {
        let hint = "name a folder of its own with `--out`".to_owned();
        let run = self.run;
        let overlay = artifacts::overlay(&out.join(OVERLAY), run, hint)?;
        let (plan, services, live) = (&run.plan, &run.settings.services, &run.live);
        let mut patches = patch::patches(plan, services, live);
        let (clocks, no_windows) = artifacts::clocks(run);
        patches.extend(patch::cron::patches(plan, services, live, &clocks));
        let page = self.page();
        files::write_whole(&out.join("plan.json"), json::json(&run.plan)?.as_bytes())?;
        files::write_whole(&out.join(OVERLAY), overlay.as_bytes())?;
        for patch in &patches {
            files::write_whole(
                &out.join("patches").join(&patch.file_name),
                patch.content.as_bytes(),
            )?;
        }
        let folder = out.join("patches");
        let files = patches.iter().map(|patch| folder.join(&patch.file_name)).collect();
        let (form, judged) = (PatchForm::Strategic, artifacts::judged(run, &[], &no_windows));
        let earlier = artifacts::earlier(&folder, form, &judged, &files, self.talk);
        artifacts::remove(&earlier.gone, form, self.talk)?;
        let charts = self.write_charts(&out.join("charts"))?;
        files::write_whole(&out.join("report.md"), report::markdown(&page).as_bytes())?;
        files::write_whole(&out.join("report.html"), report::html(&page).as_bytes())?;
        let mut written = vec![
            ("report.html", "the weekly review: open this first".to_owned()),
            ("report.md", "the same, for a pull request or a chat".to_owned()),
            ("charts/", format!("its {charts} charts, each a file of its own")),
            ("plan.json", format!("the advice as data, schemaVersion {}", run.plan.schema_version)),
            (OVERLAY, "Helm overlay: pass it last".to_owned()),
        ];
        if !(patches.is_empty() && earlier.kept.is_empty()) {
            written.push(("patches/", "for `kubectl`, each with its inverse".to_owned()));
        }
        Ok(written)
    }

    fn page(&self) -> Page<'_> {
        let run = self.run;
        let overlay = |one: &Assessment| {
            let is_it = |known: &&Service| {
                (&known.name, &known.namespace) == (&one.service.name, &one.service.namespace)
            };
            let services: Vec<_> = run.settings.services.iter().filter(is_it).cloned().collect();
            helm::overlay(&run.plan, &services, &run.live)
        };
        let reviewed = |one| Reviewed {
            assessment: one,
            overlay: overlay(one),
            policies: past::candidates(one),
        };
        Page {
            services: run.assessments.iter().map(reviewed).collect(),
            plan: &run.plan,
            history: run.history_hash.clone(),
            samples: run.samples,
            queries: run.queries,
            command: self.command.clone(),
            synthetic: self.synthetic,
        }
    }

    /// Writes the charts, in a folder per service where there are several, and counts them.
    fn write_charts(&self, folder: &Path) -> Result<usize> {
        let mut written = 0;
        for one in &self.run.assessments {
            let folder = if self.run.assessments.len() > 1 {
                folder.join(&one.service.name)
            } else {
                folder.to_owned()
            };
            for chart in chart::charts(one) {
                files::write_whole(
                    &folder.join(format!("{}.svg", chart.name)),
                    chart.svg.as_bytes(),
                )?;
                written += 1;
            }
            let pngs =
                if self.png { chart::pngs(one).map_err(anyhow::Error::msg)? } else { Vec::new() };
            for (name, png) in pngs {
                files::write_whole(&folder.join(format!("{name}.png")), &png)?;
            }
        }
        Ok(written)
    }
}
