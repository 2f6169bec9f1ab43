//! `patch`: what `kubectl` takes, printed or written.

use std::collections::BTreeSet;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::{PatchArgs, PatchForm};
use crate::commands::gather::{Run, gather};
use crate::commands::{Exit, Hinted, Talk, tiers};
use crate::config;
use crate::files;
use crate::past::windows;
use crate::render::objects::{left_out, patched};
use crate::render::patch::cron::{self, Clocks};
use crate::render::patch::whole::{self, Refused, Whole};
use crate::render::patch::{Judged, Patch};
use crate::render::values_file::Fault;
use crate::render::{helm, patch};
use crate::service::Service;
use crate::service::live::Scaler;
use crate::units::acts;

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

/// The overlay for a file, which carries on an earlier one that is there. Refuses one that was not written here: somebody's
/// values would be lost; `hint` says what to do. What is empty holds none, and what is no file is only written to.
pub(super) fn overlay(out: &Path, run: &Run, hint: String) -> Result<String> {
    let (plan, services, live) = (&run.plan, &run.settings.services, &run.live);
    let holds = !files::is_descriptor(out)
        && std::fs::metadata(out).is_ok_and(|there| there.is_file() && there.len() > 0);
    if !holds {
        return Ok(helm::overlay(plan, services, live));
    }
    if !head(out).is_ok_and(|text| helm::is_ours(&text)) {
        let message = format!("`{}` is there, and no overlay that plimsoll wrote", out.display());
        return Err(Hinted { message, hint }.into());
    }
    let earlier = config::read_text(out, &out.display().to_string(), None, &hint);
    let earlier = earlier.map_err(|problem| tiers::hinted(problem.into()))?;
    let overlay = helm::carried_on(&earlier, plan, services, live);
    Ok(overlay.map_err(|fault| refused(out, &fault))?)
}

/// Why a values file is left alone, with its line.
pub(super) fn refused(file: &Path, fault: &Fault) -> Hinted {
    let line = fault.line().map(|line| format!(", line {line}")).unwrap_or_default();
    // what a file says must do nothing to the line or the terminal that shows it
    let plain = |text: String| text.replace(acts, " ");
    Hinted {
        message: plain(format!("{fault} (`{}`{line})", file.display())),
        hint: plain(fault.hint()),
    }
}

/// Prints the patches as one stream of YAML documents, or writes each to a file in `--out DIR`. Their
/// inverses are written only to files: in one stream they would undo what stands before them.
///
/// # Errors
///
/// Whatever [`gather`] fails with, or a file that cannot be written.
pub async fn patches(args: &PatchArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    if args.form == PatchForm::Kustomize && args.out.is_none() {
        return Err(Hinted {
            message: "`--form kustomize` makes folders, and they are not printed".to_owned(),
            hint: "name the folder for them with `--out DIR`".to_owned(),
        }
        .into());
    }
    let run = gather(&args.run, talk).await?;
    let (clocks, no_clock) = clocks(&run);
    let whole = written(args.form, &run, &clocks);
    say_what_is_left(args.form, &run, &whole, *talk);
    for Refused { kind, object: (namespace, name), why, .. } in &no_clock {
        talk.say(&format!(
            "no cron windows for `{}/{name}` in namespace `{namespace}`: {why}",
            kind.1
        ));
    }
    if args.form == PatchForm::Ssa && clocks.values().any(|laid| !laid.windows.is_empty()) {
        talk.say("no cron windows here: the triggers are one list to a server-side apply, and not all ours\nhint: the other forms add to it");
    }
    let exit = if whole.refused.is_empty() { run.exit(false) } else { Exit::Skipped };
    if let Some(folder) = &args.out {
        let judged = judged(&run, &whole.refused, &no_clock);
        write(folder, args.form, &whole, &judged, *talk)?;
        return Ok(exit);
    }
    let forward = whole.files.iter().filter(|patch| patch.way == patch::Way::Forward);
    let documents: Vec<&str> = forward.map(|patch| patch.content.as_str()).collect();
    out.write_all(documents.join("---\n").as_bytes())?;
    Ok(exit)
}

/// Writes every file, says which, and removes what an earlier run left and this one does not advise any more.
fn write(
    folder: &Path,
    form: PatchForm,
    whole: &Whole,
    judged: &Judged<'_>,
    talk: Talk,
) -> Result<()> {
    let mut written: BTreeSet<PathBuf> =
        whole.files.iter().map(|file| folder.join(&file.file_name)).collect();
    let Earlier { kept, mut gone } = earlier(folder, form, judged, &written, talk);
    let mut all: Vec<Patch> = whole.files.iter().cloned().chain(kept).collect();
    // the files of a folder stand together
    all.sort_by(|a, b| a.object.0.cmp(&b.object.0));
    let patches = whole.files.iter().map(|file| (file.file_name.clone(), file.content.clone()));
    let mut lines = format!("wrote {}", folder.display());
    let lists = form == PatchForm::Kustomize;
    let lists = if lists { whole::kustomizations(judged.plan, &all) } else { Vec::new() };
    for (name, text) in patches.chain(lists) {
        files::write_whole(&folder.join(&name), text.as_bytes())?;
        lines += &format!("\n  {name}");
        written.insert(folder.join(name));
    }
    if !whole.files.is_empty() {
        talk.say(&lines);
    }
    gone.retain(|path| !written.contains(path));
    remove(&gone, form, talk)
}

/// What an earlier run left in a folder of patches, and this one does not write.
pub(super) struct Earlier {
    /// What could not be judged now.
    pub kept: Vec<Patch>,
    /// What is not advised any more: whoever sends the folder would send that too.
    pub gone: Vec<PathBuf>,
}

/// What an earlier run left there beside what is `written`. Other people's files are not among it, nor those of namespaces
/// that this run did not look at: other settings may write to the same folder.
pub(super) fn earlier(
    folder: &Path,
    form: PatchForm,
    judged: &Judged<'_>,
    written: &BTreeSet<PathBuf>,
    talk: Talk,
) -> Earlier {
    // a component has a folder of its own, which its `kustomization.yaml` makes one
    let is_folder = |path: &Path| begins_as_ours(&path.join(KUSTOMIZATION));
    let of_form = |path: &Path| is_of(form, path) && begins_as_ours(path);
    let all = match form {
        PatchForm::Kustomize => ours(folder, is_folder),
        PatchForm::Strategic => ours(folder, of_form),
        PatchForm::Ssa => {
            [ours(folder, of_form), ours(&folder.join(patch::UNDO), of_form)].concat()
        }
    };
    let files = looked_at(all, folder, judged, talk)
        .into_iter()
        .flat_map(|path| if path.is_dir() { ours(&path, of_form) } else { vec![path] });
    let mut earlier = Earlier { kept: Vec::new(), gone: Vec::new() };
    for path in files.filter(|path| !written.contains(path)) {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let lists = path.file_name().is_some_and(|name| name == KUSTOMIZATION);
        let content = std::fs::read_to_string(&path).unwrap_or_default();
        let is_stale = forward(&path).is_some_and(|path| written.contains(&path));
        if forward(&path).is_some() && judged.is_way_back(&name, &content) {
            talk.say(&format!(
                "kept `{}`: the way back from what an earlier run changed, which is in force",
                path.display()
            ));
        } else if lists || is_stale || judged.is_settled(&name, &content) {
            earlier.gone.push(path);
        } else {
            talk.say(&format!(
                "kept `{}`: of an earlier run, and what it states could not be judged now",
                path.display()
            ));
            earlier.kept.push(judged.kept(&name, content));
        }
    }
    earlier
}

/// Those of the namespaces that this run looked at; the others are named.
fn looked_at(all: Vec<PathBuf>, folder: &Path, judged: &Judged<'_>, talk: Talk) -> Vec<PathBuf> {
    let looked_at =
        |path: &PathBuf| judged.services.iter().any(|one| one.namespace == namespace_of(path));
    let (mine, others): (Vec<PathBuf>, Vec<PathBuf>) = all.into_iter().partition(looked_at);
    let others: BTreeSet<String> =
        others.iter().map(|path| format!("`{}`", namespace_of(path))).collect();
    if !others.is_empty() {
        let others: Vec<String> = others.into_iter().collect();
        talk.say(&format!(
            "left in `{}` what is of namespaces that this run did not look at: {}",
            folder.display(),
            others.join(", ")
        ));
    }
    mine
}

/// Whether a file is of a form by its name: several may write to one folder, and each leaves the others' alone.
fn is_of(form: PatchForm, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".ssa.yaml") == (form == PatchForm::Ssa)
}

/// The file that an inverse undoes: it goes with what that one was.
fn forward(undo: &Path) -> Option<PathBuf> {
    let (folder, name) = (undo.parent()?, undo.file_name()?.to_string_lossy());
    match name.strip_suffix(".undo.yaml") {
        Some(stem) => Some(folder.join(format!("{stem}.yaml"))),
        None if folder.ends_with(patch::UNDO) => Some(folder.parent()?.join(&*name)),
        None => None,
    }
}

/// What makes a folder a component of Kustomize.
const KUSTOMIZATION: &str = "kustomization.yaml";

pub(super) fn remove(gone: &[PathBuf], form: PatchForm, talk: Talk) -> Result<()> {
    for path in gone {
        std::fs::remove_file(path)
            .map_err(|source| files::WriteError { path: path.clone(), source })?;
        talk.say(&format!("removed `{}`: of an earlier run, and not advised now", path.display()));
        // a component without a file is none, and a folder of inverses for nothing; what is not empty stays
        let is_ours = |folder: &&Path| {
            form == PatchForm::Kustomize
                || folder.file_name().is_some_and(|name| name == patch::UNDO)
        };
        let emptied = path.parent().filter(is_ours);
        let _ = emptied.map(std::fs::remove_dir);
    }
    Ok(())
}

/// Files are named by their namespace and what follows it, folders by it alone; it has no dot.
fn namespace_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// What a folder holds that is `wanted`, in order; nothing where there is no such folder.
fn ours(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| wanted(path)).collect();
    all.sort();
    all
}

/// Whether a file, and no link to one, begins as ours do.
fn begins_as_ours(path: &Path) -> bool {
    let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
    is_file && is_yaml && head(path).is_ok_and(|text| patch::is_ours(&text))
}

/// The beginning of a file: enough to tell who wrote it.
fn head(path: &Path) -> std::io::Result<String> {
    let mut head = Vec::new();
    files::open(path)?.take(256).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn written(form: PatchForm, run: &Run, clocks: &Clocks) -> Whole {
    let (plan, services, live) = (&run.plan, &run.settings.services, &run.live);
    match form {
        PatchForm::Strategic => {
            let mut files = patch::patches(plan, services, live);
            files.extend(cron::patches(plan, services, live, clocks));
            Whole { files, refused: Vec::new() }
        }
        PatchForm::Ssa => whole::manifests(plan, services, live),
        PatchForm::Kustomize => {
            let mut whole = whole::kustomize(plan, services, live);
            whole.files.extend(cron::kustomize(plan, services, live, clocks));
            // the files of a folder stand together
            whole.files.sort_by(|a, b| a.object.0.cmp(&b.object.0));
            whole
        }
    }
}

/// What a run judged, for the files of an earlier one.
pub(super) fn judged<'a>(
    run: &'a Run,
    refused: &'a [Refused],
    no_windows: &'a [Refused],
) -> Judged<'a> {
    let (plan, services, live) = (&run.plan, &run.settings.services, &run.live);
    Judged { plan, services, live, refused, no_windows }
}

/// The windows of every component whose count KEDA has, and of which there are none and why.
pub(super) fn clocks(run: &Run) -> (Clocks, Vec<Refused>) {
    let (mut clocks, mut left) = (Clocks::new(), Vec::new());
    for a in &run.assessments {
        let Service { name: service, namespace, components, .. } = &a.service;
        for component in components {
            let workload = run.live.workload(service, &component.name);
            let scaler = workload.and_then(|workload| workload.scaler.as_ref());
            let Some(Scaler::Keda(keda)) = scaler else { continue };
            let laid = match (cron::refusal(keda), keda.min.zip(keda.max)) {
                (Some(why), _) => Err(why.to_owned()),
                (None, None) => Err("its bounds are not known".to_owned()),
                (None, Some(bounds)) => {
                    windows::laid(a, component, bounds).map_err(|reason| reason.message)
                }
            };
            match laid {
                Ok(laid) => {
                    clocks.insert((service.clone(), component.name.clone()), laid);
                }
                Err(why) => left.push(Refused {
                    kind: patch::Kind::ScaledObject.names(),
                    object: (namespace.clone(), keda.name.clone()),
                    why,
                    is_unknown: false,
                }),
            }
        }
    }
    (clocks, left)
}

/// What was advised and stands in no file.
fn say_what_is_left(form: PatchForm, run: &Run, whole: &Whole, talk: Talk) {
    let held = patched(&run.plan, &run.settings.services, &run.live);
    let left = left_out(&run.plan, &held);
    for left in &left {
        talk.say(&format!(
            "not here: {left}: a list, or a size, that no merge patch changes alone"
        ));
    }
    for refused in &whole.refused {
        talk.say(&format!("not here: {refused}"));
    }
    // a component states them all the same, and of a manifest the whole object is refused
    let held = patch::under_floors(&run.plan, &run.settings.services, &run.live);
    for held in held.into_iter().filter(|_| form == PatchForm::Strategic) {
        talk.say(&format!("not here: {held}"));
    }
    if whole.refused.iter().any(|one| one.is_unknown) {
        talk.say(&hint_for_the_unknown(!run.live.workloads.is_empty()));
    }
    if !left.is_empty() {
        talk.say(
            "hint: `values` holds the targets of HPAs; `kubectl edit` changes the object itself",
        );
    } else if whole.files.is_empty() && whole.refused.is_empty() {
        talk.say("no patch: nothing to change");
    }
}

/// What to do where today's value is not known; who asked the cluster was told why it did not say it.
fn hint_for_the_unknown(cluster_was_asked: bool) -> String {
    let way = if cluster_was_asked {
        "mend what keeps the cluster from telling it, which `plimsoll check` names"
    } else {
        "`--context NAME` asks the cluster, `current:` in the settings states it"
    };
    format!("hint: {way}; `--form strategic` holds only what changes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_goes_with_the_file_that_it_undoes() {
        let of = |undo: &str| forward(Path::new(undo)).map(|path| path.display().to_string());
        let hpa = |path: &str| Some(path.to_owned());
        assert_eq!(of("out/jarvis.api.hpa.undo.yaml"), hpa("out/jarvis.api.hpa.yaml"));
        assert_eq!(of("out/undo/jarvis.api.hpa.ssa.yaml"), hpa("out/jarvis.api.hpa.ssa.yaml"));
        assert_eq!(of("out/jarvis.api.hpa.yaml"), None);
    }

    #[test]
    fn each_form_knows_its_own_files() {
        for (name, form) in
            [("api.hpa.yaml", false), ("api.hpa.undo.yaml", false), ("api.hpa.ssa.yaml", true)]
        {
            let path = Path::new("out").join(name);
            assert_eq!(is_of(PatchForm::Ssa, &path), form, "{name}");
            for other in [PatchForm::Strategic, PatchForm::Kustomize] {
                assert_eq!(is_of(other, &path), !form, "{name}");
            }
        }
    }

    #[test]
    fn who_asked_the_cluster_is_not_told_to_ask_it() {
        assert!(hint_for_the_unknown(false).contains("`--context NAME`"));
        let asked = hint_for_the_unknown(true);
        assert!(asked.contains("`plimsoll check`") && !asked.contains("--context"), "{asked}");
    }
}
