//! The forms that stand for themselves: manifests for server-side apply, and components of Kustomize.
//!
//! Both are the whole word of Plimsoll on an object. What a manager of server-side apply leaves out of its manifest it
//! gives up, and a field that nobody holds any more falls back to its default; a component of Kustomize that leaves
//! out what last week's set falls back to the base; and an object whose file is gone from a repository may be taken for
//! one to delete. So a value that stays is stated again, also where all of an object stays, and an object of which one is
//! not known is refused: it would be lowered without a word. The manifests have a manager of their own, [`MANAGER`]:
//! under that of `apply` they would give up what it notes on the object.

use std::fmt::Write;

use super::{Edit, File, Form, Kind, Names, Objects, Patch, Place, Way, edits, file, place, vpa};
use crate::advise::plan::{Amount, Plan, ServicePlan, Setting};
use crate::render::changes::{self, Change, ComponentChanges, changes};
use crate::render::yaml::{Tree, comment, quoted};
use crate::service::Service;
use crate::service::live::{Kept, Live, MANIFEST_MANAGER, Scaler, Workload};

/// The field manager under which the manifests are sent.
pub const MANAGER: &str = MANIFEST_MANAGER;

/// What was written, and what was not and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The files.
    pub files: Vec<Patch>,
    /// Objects of which a value is not known, or that another way keeps, each with what to do.
    pub refused: Vec<Refused>,
}

/// An object of which nothing is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// API version, kind and short name.
    pub kind: Names,
    /// Its namespace and its name.
    pub object: (String, String),
    /// Why, and what to do.
    pub why: String,
    /// Whether that is because a value of it is not known.
    pub is_unknown: bool,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (namespace, name) = &self.object;
        write!(f, "{}/{name} in namespace `{namespace}`: {}", self.kind.1, self.why)
    }
}

/// A manifest for `kubectl apply --server-side` of each object that is advised: our fields and no others.
#[must_use]
pub fn manifests(plan: &Plan, services: &[Service], live: &Live) -> Whole {
    all(plan, services, live, Form::Manifest)
}

/// The patches of a Kustomize component for each namespace, in a folder of its own, of each object that is advised.
#[must_use]
pub fn kustomize(plan: &Plan, services: &[Service], live: &Live) -> Whole {
    all(plan, services, live, Form::Kustomize)
}

/// The `kustomization.yaml` of each folder, with its path. Objects are found by kind and name: a base seldom names
/// its namespace before the overlay does. Where another namespace of the run has an object of that name, its patch is
/// for the one namespace alone, and Kustomize refuses it where the `resources` do not say theirs.
#[must_use]
pub fn kustomizations(plan: &Plan, files: &[Patch]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for file in files {
        let Some((folder, name)) = file.file_name.split_once('/') else { continue };
        let path = format!("{folder}/kustomization.yaml");
        if all.last().is_none_or(|(last, _)| *last != path) {
            let mut head = super::head(plan, Way::Forward);
            head += &comment(
                "in an overlay of this namespace, beside its `resources`: `components: [PATH TO THIS FOLDER]`",
            );
            head += "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n";
            all.push((path, head));
        }
        let (namespace, object) = &file.object;
        let has_twin = files.iter().any(|other| {
            (other.kind, &other.object.1) == (file.kind, object) && other.object.0 != *namespace
        });
        if let Some((_, text)) = all.last_mut() {
            let _ = writeln!(text, "  - path: {}", quoted(name));
            *text += &target(file, has_twin);
        }
    }
    all
}

/// What a patch is for. A patch of an object says so itself, with its namespace; a list of changes cannot.
fn target(file: &Patch, has_twin: bool) -> String {
    let is_list = file.content.lines().any(|line| line.starts_with("- "));
    if has_twin && !is_list {
        return String::new();
    }
    let (version, kind, _) = file.kind;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let (namespace, name) = &file.object;
    let mut text = format!(
        "    target:\n      group: {}\n      kind: {kind}\n      name: {}\n",
        quoted(group),
        quoted(&pattern(name))
    );
    if has_twin {
        let _ = writeln!(text, "      namespace: {}", quoted(&pattern(namespace)));
    }
    text
}

/// A name as the regular expression that Kustomize takes it for.
fn pattern(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '-' | '_') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn all(plan: &Plan, services: &[Service], live: &Live, form: Form) -> Whole {
    let mut whole = Whole { files: Vec::new(), refused: Vec::new() };
    let known = changes(plan, services);
    for advised in &plan.services {
        let mine = |one: &&Service| one.name == advised.name && one.namespace == advised.namespace;
        let Some(service) = services.iter().find(mine) else { continue };
        for component in &service.components {
            let of = known.iter().find(|of| {
                of.service.name == service.name
                    && of.service.namespace == service.namespace
                    && of.component.name == component.name
            });
            let changes = of.map(|of| of.changes.clone()).unwrap_or_default();
            let mut of = ComponentChanges { service, component, changes };
            keep(advised, &mut of);
            component_files(plan, advised, &of, live, form, &mut whole);
        }
    }
    // the files of a folder stand together
    whole.files.sort_by(|a, b| a.object.0.cmp(&b.object.0));
    whole
}

/// Adds what stays as it is, after what changes: of two settings behind one key, the first stands. A count of 0 is left to
/// whoever put it there, and may be woken: nobody ever gets one from us.
fn keep<'a>(advised: &'a ServicePlan, of: &mut ComponentChanges<'a>) {
    let said = changes::of(advised, of.component);
    let has_hpa = changes::has_hpa(&said, of.component);
    for one in said {
        let known = of.changes.iter().any(|change| change.setting == one.setting);
        let beside = has_hpa && one.setting == Setting::Replicas;
        let asleep = one.current == Some(Amount::Count(0)) && one.setting == Setting::Replicas;
        if let Some(current) = one.current.filter(|_| !known && !beside && !asleep) {
            let (setting, reasons) = (one.setting, &one.reasons);
            let target = current;
            of.changes.push(Change { setting, current: Some(current), target, reasons });
        }
    }
}

fn component_files(
    plan: &Plan,
    advised: &ServicePlan,
    of: &ComponentChanges<'_>,
    live: &Live,
    form: Form,
    whole: &mut Whole,
) {
    let workload = live.workload(&of.service.name, &of.component.name);
    let Some(kind) = Kind::of(&of.component.target.kind) else { return };
    let objects = Objects::of(of, workload);
    for kind in [objects.scaler.0, kind] {
        let edits = without_doubles(edits(kind, of, workload));
        if edits.is_empty() {
            continue;
        }
        let [made, back] =
            [Way::Forward, Way::Undo].map(|way| file(of, &objects, (kind, &edits), (way, form)));
        let changes = edits.iter().any(|edit| edit.change.target != edit.current);
        let states_count = edits.iter().any(|edit| edit.place == Place::Spec("replicas"));
        let unknown = unknown(advised, of, workload, kind);
        let is_unknown = unknown.is_some();
        let why = unknown.map(|setting| {
            format!(
                "today's `{setting}` is not known, and what a whole manifest leaves out is given up"
            )
        });
        let scaler = workload.and_then(|workload| workload.scaler.as_ref());
        let base = scaler.and_then(Scaler::base).filter(|_| made.kind == objects.scaler.0.names());
        let otherwise = || kept_otherwise(live, &made, (states_count, base));
        let why = why.or_else(|| (form == Form::Manifest).then(otherwise).flatten());
        whole.take(plan, form, [&made, &back], changes, why.map(|why| (why, is_unknown)));
    }
    vpa_files(plan, of, (live, workload), objects.container, form, whole);
}

fn vpa_files(
    plan: &Plan,
    of: &ComponentChanges<'_>,
    (live, workload): (&Live, Option<&Workload>),
    container: &str,
    form: Form,
    whole: &mut Whole,
) {
    let Some(bounds) = vpa::bounds(plan, of, workload, container) else { return };
    let files = [(Way::Forward, &bounds.after), (Way::Undo, &bounds.before)];
    let [made, mut back] = files.map(|(way, held)| bounds.file(of, way, held));
    if bounds.before.is_null() {
        // what a manifest leaves out it gives up
        back.spec = Tree::default();
    }
    let changes = bounds.before != bounds.after;
    let otherwise = || kept_otherwise(live, &made, (true, None));
    let why = (form == Form::Manifest).then(otherwise).flatten();
    whole.take(plan, form, [&made, &back], changes, why.map(|why| (why, false)));
}

impl Whole {
    /// Takes the files of an object: a component of Kustomize goes back with the commit that it is in, a manifest by
    /// another one.
    fn take(
        &mut self,
        plan: &Plan,
        form: Form,
        [made, back]: [&File<'_>; 2],
        changes: bool,
        refused: Option<(String, bool)>,
    ) {
        let Some((why, is_unknown)) = refused else {
            self.files.push(made.write(plan, form));
            let back = Some(back).filter(|_| changes && form == Form::Manifest);
            self.files.extend(back.map(|back| back.write(plan, form)));
            return;
        };
        let object = (made.namespace.to_owned(), made.name.to_owned());
        self.refused.push(Refused { kind: made.kind, object, why, is_unknown });
    }
}

/// Why a manifest for server-side apply would take more than it states, give up a count, or end a floor of the loop over `base`.
fn kept_otherwise(
    live: &Live,
    made: &File<'_>,
    (states_count, base): (bool, Option<u32>),
) -> Option<String> {
    if let Some(base) = base {
        return Some(format!(
            "the loop holds its minimum above {base} for now: make it again when the floor is back"
        ));
    }
    let object = (made.namespace.to_owned(), format!("{}/{}", made.kind.1, made.name));
    let Kept { by_kubectl_apply, count_by_manifest } = live.kept.get(&object).copied()?;
    if by_kubectl_apply {
        return Some("it is kept by `kubectl apply`, and kubectl would hand all of it over to a manifest of some fields, which then cannot be sent again: `--form strategic` or `kustomize`".to_owned());
    }
    (count_by_manifest && !states_count).then(|| {
        format!("an earlier manifest of `{MANAGER}` holds its count, and without it the count falls to 1: let who scales it now have it first (Kubernetes, \"Transferring ownership\")")
    })
}

/// What changes stands before what is kept behind the same key.
fn without_doubles(mut edits: Vec<Edit<'_>>) -> Vec<Edit<'_>> {
    let changed: Vec<Place> = edits
        .iter()
        .filter(|edit| edit.change.target != edit.current)
        .map(|edit| edit.place)
        .collect();
    edits.retain(|edit| edit.change.target != edit.current || !changed.contains(&edit.place));
    edits
}

/// A setting that the object may hold, and nobody knows what of; one that the cluster told to be unset is known.
fn unknown(
    advised: &ServicePlan,
    of: &ComponentChanges<'_>,
    workload: Option<&Workload>,
    kind: Kind,
) -> Option<&'static str> {
    let said = changes::of(advised, of.component);
    let has_hpa = changes::has_hpa(&said, of.component);
    let told = workload.is_some_and(|workload| workload.container.is_some());
    let one = said.into_iter().find(|one| {
        one.current.is_none()
            && match place(kind, one.setting) {
                None | Some(Place::Metrics) => false,
                Some(Place::Container(_)) => !told,
                Some(Place::Spec(key)) => !(has_hpa && key == "replicas"),
            }
    });
    one.map(|one| one.setting.name())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example::{self, API, WORKER, count};

    fn read(patch: &Patch) -> Value {
        serde_saphyr::from_str(&patch.content).unwrap()
    }

    #[test]
    fn an_object_of_which_a_value_is_not_known_is_refused_and_the_others_are_written() {
        // nothing is known of the worker's CPU request
        let whole = manifests(&example::plan(), &[example::service()], &Live::default());
        let names: Vec<&str> = whole.files.iter().map(|file| file.file_name.as_str()).collect();
        let written = [
            "jarvis.jarvis-api.hpa.ssa.yaml",
            "undo/jarvis.jarvis-api.hpa.ssa.yaml",
            "jarvis.jarvis-redis-master.statefulset.ssa.yaml",
            "undo/jarvis.jarvis-redis-master.statefulset.ssa.yaml",
        ];
        assert_eq!(names, written);
        let back = serde_json::json!({"maxReplicas": 5, "minReplicas": 3});
        assert_eq!(read(&whole.files[1])["spec"], back);
        assert_eq!(whole.refused.len(), 1);
        let said = whole.refused[0].to_string();
        assert!(said.contains("Deployment/jarvis-worker"), "{said}");
        assert!(said.contains("`cpuRequest`"), "{said}");
    }

    #[test]
    fn what_stays_is_stated_again_but_never_a_count_beside_an_hpa() {
        let why = || vec![example::because(Code::TierRow, "High")];
        let one =
            |of, setting, now, then| example::setting(of, setting, count(now), count(then), why());
        let plan = example::plan_of(vec![example::service_plan(vec![
            one(API, Setting::Replicas, 3, 3),
            one(API, Setting::MinReplicas, 3, 3),
            one(API, Setting::MaxReplicas, 5, 10),
            one(WORKER, Setting::Replicas, 4, 4),
        ])]);
        let services = [example::service()];
        let mut ssa = manifests(&plan, &services, &Live::default());
        // what stays needs no way back
        let back = |file: &Patch| file.way == Way::Undo;
        assert_eq!(ssa.files.iter().filter(|file| back(file)).count(), 1);
        ssa.files.retain(|file| !back(file));
        assert_eq!(ssa.files.len(), 2);
        let expected = serde_json::json!({"maxReplicas": 10, "minReplicas": 3});
        assert_eq!(read(&ssa.files[0])["spec"], expected);
        assert!(
            ssa.files[0].content.contains("minReplicas: 3     # kept"),
            "{}",
            ssa.files[0].content
        );
        // both hold the object that stays, too
        assert_eq!(read(&ssa.files[1])["spec"], serde_json::json!({"replicas": 4}));
        let all = kustomize(&plan, &services, &Live::default());
        let objects = |whole: &Whole| -> Vec<_> {
            whole.files.iter().map(|file| (file.kind, file.object.clone())).collect()
        };
        assert_eq!(objects(&all), objects(&ssa));
        assert_eq!(read(&all.files[1])["spec"], serde_json::json!({"replicas": 4}));
        let [(path, text)] = kustomizations(&plan, &all.files).try_into().unwrap();
        assert_eq!(path, "jarvis/kustomization.yaml");
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read["patches"][1]["path"], "jarvis-worker.deployment.yaml");
        assert_eq!(read["patches"][1]["target"]["group"], "apps");
    }

    #[test]
    fn under_a_floor_of_the_loop_a_component_states_the_minimum_all_the_same() {
        let why = || vec![example::because(Code::TierRow, "High")];
        let services = [example::service()];
        let workload = example::scaled_by("front-scaler", (8, 9), Some(3));
        let key = (services[0].name.clone(), API.0.to_owned());
        let live = Live { workloads: [(key, workload)].into(), ..Live::default() };
        // what is left out of it falls back to what the base of the overlay says
        for target in [3, 5] {
            let plan = example::plan_of(vec![example::service_plan(vec![
                example::setting(API, Setting::MinReplicas, count(3), count(target), why()),
                example::setting(API, Setting::MaxReplicas, count(9), count(10), why()),
            ])]);
            let whole = kustomize(&plan, &services, &live);
            let expected = serde_json::json!({"maxReplicas": 10, "minReplicas": target});
            assert_eq!(read(&whole.files[0])["spec"], expected);
            assert_eq!(manifests(&plan, &services, &live).files, vec![]);
        }
    }

    #[test]
    fn a_count_that_somebody_took_to_nothing_is_not_stated() {
        let why = || vec![example::because(Code::NotInForce, "it is scaled to 0")];
        let asleep = example::setting(WORKER, Setting::Replicas, count(0), count(0), why());
        let plan = example::plan_of(vec![example::service_plan(vec![asleep])]);
        for form in [manifests, kustomize] {
            let whole = form(&plan, &[example::service()], &Live::default());
            assert_eq!((whole.files, whole.refused), (vec![], vec![]));
        }
    }

    #[test]
    fn a_component_keeps_the_order_of_the_containers_or_says_that_it_cannot() {
        let (plan, services) = (example::plan(), [example::service()]);
        let written = |containers: &[&str], form: fn(&Plan, &[Service], &Live) -> Whole| {
            let pod: Vec<Value> =
                containers.iter().map(|name| serde_json::json!({"name": name})).collect();
            let pod = serde_json::json!({"containers": pod});
            let redis = Workload { pod, ..Workload::default() };
            let workloads = [(("jarvis".to_owned(), "redis".to_owned()), redis)].into();
            let whole = form(&plan, &services, &Live { workloads, ..Live::default() });
            let file = whole.files.into_iter().find(|file| file.kind.2 == "statefulset").unwrap();
            let containers = read(&file)["spec"]["template"]["spec"]["containers"].clone();
            let all = containers.as_array().unwrap().iter();
            let names: Vec<String> =
                all.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            (names, file.content)
        };
        let redis = "jarvis-redis-master";
        let (names, text) = written(&["mesh", "proxy", redis, "logs"], kustomize);
        assert_eq!(names, ["mesh", "proxy", redis]);
        assert!(text.contains("take it out where the base does not have it"), "{text}");
        let (names, text) = written(&[redis, "logs"], kustomize);
        assert_eq!(names, [redis]);
        assert!(!text.contains("first") && !text.contains("take it out"), "{text}");
        let (names, text) = written(&[], kustomize);
        assert_eq!(names, [redis]);
        let unknown = format!(
            "Kustomize puts `{redis}` first: which containers stand before it is not known"
        );
        assert!(text.contains(&unknown), "{text}");
        // a merge and a server-side apply leave the order as it is
        let (names, text) = written(&["mesh", redis], manifests);
        assert_eq!(names, [redis]);
        assert!(!text.contains("take it out"), "{text}");
    }

    #[test]
    fn a_name_is_no_pattern() {
        assert_eq!(pattern("front-api.v2"), r"front-api\.v2");
        assert_eq!(pattern("a|.*"), r"a\|\.\*");
    }

    #[test]
    fn a_value_that_is_lowered_is_not_held_up_by_one_that_stays() {
        let why = || vec![example::because(Code::TierRow, "High")];
        let of = |setting, now: u64, then: u64| {
            let bytes = example::mebibytes;
            example::setting(example::REDIS, setting, bytes(now), bytes(then), why())
        };
        let plan = example::plan_of(vec![example::service_plan(vec![
            of(Setting::Memory, 1024, 512),
            of(Setting::MemoryLimit, 1024, 1024),
        ])]);
        let ssa = manifests(&plan, &[example::service()], &Live::default());
        let container = &read(&ssa.files[0])["spec"]["template"]["spec"]["containers"][0];
        let wanted = example::mebibytes(512).as_ref().map(Amount::to_string).unwrap();
        assert_eq!(container["resources"]["limits"]["memory"], wanted.as_str());
    }
}
