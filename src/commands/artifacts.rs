//! `patch`: what `kubectl` takes, printed or written.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::PatchArgs;
use crate::commands::gather::{Run, gather};
use crate::commands::{Exit, Hinted, Talk};
use crate::files;
use crate::render::objects::{left_out, objects};
use crate::render::patch;

/// Refuses to write over the settings or the history that the run was made from, by whatever name; `hint` says what to do.
pub(super) fn not_an_input(out: &Path, settings: &Path, run: &Run, hint: &str) -> Result<()> {
    let Ok(place) = out.canonicalize() else { return Ok(()) };
    let mut inputs = run.settings.history.files.iter().map(PathBuf::as_path).chain([settings]);
    if inputs.any(|input| input.canonicalize().is_ok_and(|input| input == place)) {
        let message =
            format!("`{}` is what this run reads, and is not written over", out.display());
        return Err(Hinted { message, hint: hint.to_owned() }.into());
    }
    Ok(())
}

/// Prints the patches as one stream of YAML documents, or writes each to a file in `--out DIR`. Their
/// inverses are written only to files: in one stream they would undo what stands before them.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a file that cannot be written.
pub async fn patches(args: &PatchArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = gather(&args.run, talk).await?;
    let patches = patch::patches(&run.plan, &run.settings.services, &run.live);
    let held = objects(&run.plan, &run.settings.services, &run.live);
    let left = left_out(&run.plan, &held);
    for left in &left {
        talk.say(&format!(
            "not here: {left}: a list, or a size, that no merge patch changes alone"
        ));
    }
    if !left.is_empty() {
        talk.say(
            "hint: `values` holds the targets of HPAs; `kubectl edit` changes the object itself",
        );
    } else if patches.is_empty() {
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
