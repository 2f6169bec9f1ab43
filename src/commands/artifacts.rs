//! `values` and `patch`: what a pull request or `kubectl` takes, printed or written.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::OutputArgs;
use crate::commands::run::{Run, gather};
use crate::commands::{Exit, Hinted, Talk};
use crate::files;
use crate::render::{helm, patch};

/// Prints the Helm overlay, or writes it to `--out FILE`.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a file that cannot be written.
pub async fn values(args: &OutputArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = gather(&args.run, talk).await?;
    args.out.iter().try_for_each(|out| not_an_input(out, &args.run.file, &run))?;
    let overlay = helm::overlay(&run.plan, &run.settings.services);
    for change in helm::left_out(&run.plan, &run.settings.services) {
        talk.say(&format!("warning: not in the overlay: {change}"));
    }
    match &args.out {
        Some(path) => files::write_whole(path, overlay.as_bytes())?,
        None => out.write_all(overlay.as_bytes())?,
    }
    Ok(run.exit(false))
}

/// Refuses to write over the settings or the history that the run was made from, by whatever name.
fn not_an_input(out: &Path, settings: &Path, run: &Run) -> Result<()> {
    let Ok(place) = out.canonicalize() else { return Ok(()) };
    let mut inputs = run.settings.history.files.iter().map(PathBuf::as_path).chain([settings]);
    if inputs.any(|input| input.canonicalize().is_ok_and(|input| input == place)) {
        let message =
            format!("`{}` is what this run reads, and is not written over", out.display());
        let hint = "name another file, such as `--out values-capacity.yaml`".to_owned();
        return Err(Hinted { message, hint }.into());
    }
    Ok(())
}

/// Prints the patches as one stream of YAML documents, or writes each to a file in `--out DIR`. Their
/// inverses are written only to files: in one stream they would undo what stands before them.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a file that cannot be written.
pub async fn patches(args: &OutputArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = gather(&args.run, talk).await?;
    let patches = patch::patches(&run.plan, &run.settings.services, &run.live);
    if patches.is_empty() {
        talk.say("no patch: nothing to change");
    }
    if let Some(folder) = &args.out {
        for patch in &patches {
            files::write_whole(&folder.join(&patch.file_name), patch.content.as_bytes())?;
        }
        return Ok(run.exit(false));
    }
    let forward = patches.iter().filter(|patch| patch.way == patch::Way::Forward);
    let documents: Vec<&str> = forward.map(|patch| patch.content.as_str()).collect();
    out.write_all(documents.join("---\n").as_bytes())?;
    Ok(run.exit(false))
}
