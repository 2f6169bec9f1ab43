//! `values` and `patch`: what a pull request or `kubectl` takes, printed or written.

use std::io::Write;

use anyhow::Result;

use crate::cli::OutputArgs;
use crate::commands::run::gather;
use crate::commands::{Exit, Talk};
use crate::files;
use crate::render::{helm, patch};

/// Prints the Helm overlay, or writes it to `--out FILE`.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a file that cannot be written.
pub async fn values(args: &OutputArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = gather(&args.run, talk).await?;
    let overlay = helm::overlay(&run.plan, &run.settings.services);
    match &args.out {
        Some(path) => files::write_whole(path, overlay.as_bytes())?,
        None => out.write_all(overlay.as_bytes())?,
    }
    Ok(run.exit(false))
}

/// Prints the patches as one stream of YAML documents, or writes each to a file in `--out DIR`. Their
/// inverses are written only to files: in one stream they would undo what stands before them.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a file that cannot be written.
pub async fn patches(args: &OutputArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = gather(&args.run, talk).await?;
    let patches = patch::patches(&run.plan, &run.settings.services);
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
