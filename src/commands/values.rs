//! `values`: the overlay printed or written, or a team's own values file edited in its place.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::cli::ValuesArgs;
use crate::commands::artifacts::{self, not_an_input, refused};
use crate::commands::gather::{Run, gather};
use crate::commands::{Exit, Hinted, Talk, tiers};
use crate::config;
use crate::files;
use crate::render::helm;
use crate::render::values_file::{self, Edit, Edited};

/// Prints the Helm overlay, writes it to `--out FILE`, or edits `--in FILE`.
///
/// # Errors
///
/// Whatever [`gather`] fails with, a file that cannot be read or written, or one that cannot be edited without doubt.
pub async fn run(args: &ValuesArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    if let Some(file) = &args.values_file {
        return in_place(args, file, talk, out).await;
    }
    let run = gather(&args.run, talk).await?;
    let instead = "name another file, such as `--out values-capacity.yaml`";
    let overlay = if let Some(out) = &args.out {
        not_an_input(out, &args.run.file, &run, instead)?;
        let hint = format!(
            "`--in {}` edits a values file of your own; or name another with `--out`",
            out.display()
        );
        artifacts::overlay(out, &run, hint)?
    } else {
        helm::overlay(&run.plan, &run.settings.services, &run.live)
    };
    let left_out = helm::left_out(&run.plan, &run.settings.services, &run.live);
    for change in &left_out {
        talk.say(&format!("warning: not in the overlay: {change}"));
    }
    match &args.out {
        Some(path) => {
            files::write_whole(path, overlay.as_bytes())?;
            talk.say(&format!("wrote {}", path.display()));
        }
        None => out.write_all(overlay.as_bytes())?,
    }
    let is_open = left_out.iter().any(|one| one.is_open);
    Ok(if is_open { Exit::Skipped } else { run.exit(args.exit_code) })
}

/// How the edit of a values file ended: what was advised and is left for somebody to see to is the worse surprise.
pub(super) fn ended(run: &Run, edits: &[Edit], left: &[String], exit_code: bool) -> Exit {
    let left_out = helm::left_out(&run.plan, &run.settings.services, &run.live);
    let is_open = left_out.iter().any(|one| one.is_open) || !left.is_empty();
    match run.exit(false) {
        Exit::Skipped => Exit::Skipped,
        _ if is_open => Exit::Skipped,
        _ if exit_code && !edits.is_empty() => Exit::Changes,
        _ => Exit::Done,
    }
}

async fn in_place(
    args: &ValuesArgs,
    file: &Path,
    talk: &Talk,
    out: &mut dyn Write,
) -> Result<Exit> {
    // a bad file fails before the work for it
    let text = text_of(file)?;
    if !args.dry_run {
        files::check_over(file)?;
    }
    let run = gather(&args.run, talk).await?;
    not_an_input(file, &args.run.file, &run, "name the chart's values file with `--in`")?;
    let wanted = helm::wanted(&run.plan, &run.settings.services, &run.live);
    let mut edited = values_file::edit(&text, &wanted).map_err(|fault| refused(file, &fault))?;
    edited.left.extend(helm::behind(&text, &run.plan, &run.settings.services, &run.live));
    if args.dry_run {
        let diff = values_file::diff(&file.display().to_string(), &text, &edited.text);
        out.write_all(diff.as_bytes())?;
    } else if !edited.edits.is_empty() {
        unchanged(file, &text)?;
        files::write_over(file, edited.text.as_bytes())?;
        edited.edits.iter().for_each(|edit| talk.say(&edit.to_string()));
    }
    say_what_is_not_in_it(file, &run, &edited, !wanted.is_empty(), *talk);
    Ok(ended(&run, &edited.edits, &edited.left, args.exit_code))
}

/// What was advised and is not done, and why nothing was: silence would read as "all is well".
fn say_what_is_not_in_it(file: &Path, run: &Run, edited: &Edited, advised: bool, talk: Talk) {
    let file = file.display();
    for change in helm::left_out(&run.plan, &run.settings.services, &run.live) {
        talk.say(&format!("warning: not in `{file}`: {change}"));
    }
    for left in &edited.left {
        talk.say(&format!("left: {left}"));
    }
    if edited.edits.is_empty() {
        let held = advised && edited.left.is_empty();
        let how = if held { "holds the advised values already" } else { "is as it was" };
        talk.say(&format!("`{file}` {how}"));
    }
    if run.plan.skipped > 0 {
        talk.say(&format!("{} skipped: `plimsoll plan` says what and why", run.plan.skipped));
    }
}

/// The text of a values file.
fn text_of(file: &Path) -> Result<String> {
    let hint = "name the chart's values file with `--in`, in UTF-8; without it `plimsoll values` prints an overlay";
    let text = config::read_text(file, &file.display().to_string(), None, hint);
    Ok(text.map_err(|problem| tiers::hinted(problem.into()))?)
}

/// Refuses where somebody wrote the file while the advice was made: their work would be lost.
fn unchanged(file: &Path, text: &str) -> Result<(), Hinted> {
    if std::fs::read(file).is_ok_and(|now| now == text.as_bytes()) {
        return Ok(());
    }
    Err(Hinted {
        message: format!("`{}` was changed by somebody else meanwhile", file.display()),
        hint: "run it again".to_owned(),
    })
}
