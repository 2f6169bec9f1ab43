//! Plan -> patches for HPAs, KEDA's `ScaledObject`s, Deployments and StatefulSets, each with its inverse.
//!
//! Every file is a strategic merge patch that names its object, which `kubectl patch --patch-file` and
//! Kustomize both take. Where a cluster was asked, an HPA and a container have the names that it told; else
//! they are taken to be named like the object, and the file says so. An HPA gets its bounds and never a count beside them. Its metrics are a list
//! that a patch replaces as a whole: it is written where the cluster told that CPU is all there is in it, and else
//! left to the values overlay. The bounds of a VPA are such a list too. [`cron`] adds to the triggers of a `ScaledObject`; [`whole`] holds the forms that
//! state a value again which stays as it is.

pub mod cron;
mod file;
mod settled;
mod vpa;
pub mod whole;

pub(in crate::render) use file::is_signed;
pub use file::{UNDO, is_ours};
pub use settled::Judged;

use file::{File, Form, UNDOES, file_part, head, stem};

use serde_json::Value;

use crate::advise::plan::{Amount, Plan, Setting};
use crate::render::changes::{Change, ComponentChanges, changes};
use crate::render::yaml::{Scalar, Tree};
use crate::service::live::{Live, Scaler, Workload};
use crate::service::{Service, pod};
use crate::units::{Bytes, Millicores};

/// A patch as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The file's name: `jarvis.jarvis-api.hpa.yaml`, its inverse `jarvis.jarvis-api.hpa.undo.yaml`.
    pub file_name: String,
    /// API version, kind and short name of what it patches.
    pub kind: Names,
    /// The namespace of what it patches, and its name.
    pub object: (String, String),
    /// Whether it sets the new values or brings the old ones back.
    pub way: Way,
    /// The YAML.
    pub content: String,
}

/// API version, kind, and the short name in files and on the command line.
pub type Names = (&'static str, &'static str, &'static str);

/// The kinds that are patched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `autoscaling/v2` HorizontalPodAutoscaler.
    HorizontalPodAutoscaler,
    /// `keda.sh/v1alpha1` `ScaledObject`.
    ScaledObject,
    /// `apps/v1` StatefulSet.
    StatefulSet,
}

/// The two directions of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Sets the new values.
    Forward,
    /// Brings the old ones back.
    Undo,
}

impl Kind {
    /// The kind of a component's object; `None` for one that is not sized.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "Deployment" => Some(Self::Deployment),
            "StatefulSet" => Some(Self::StatefulSet),
            _ => None,
        }
    }

    /// As manifests write it: `HorizontalPodAutoscaler`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().1
    }

    /// Its API group and version: `apps/v1`.
    #[must_use]
    pub fn version(self) -> &'static str {
        self.names().0
    }

    /// API version, kind, and the short name in files.
    #[must_use]
    pub fn names(self) -> Names {
        match self {
            Self::Deployment => ("apps/v1", "Deployment", "deployment"),
            Self::HorizontalPodAutoscaler => ("autoscaling/v2", "HorizontalPodAutoscaler", "hpa"),
            Self::ScaledObject => ("keda.sh/v1alpha1", "ScaledObject", "scaledobject"),
            Self::StatefulSet => ("apps/v1", "StatefulSet", "statefulset"),
        }
    }
}

/// The objects of one component as patches name them.
pub(super) struct Objects<'a> {
    /// What holds the bounds of the count, and its name.
    pub scaler: (Kind, &'a str),
    pub container: &'a str,
    /// Whether the cluster told, rather than we guessed.
    pub scaler_told: bool,
    container_told: bool,
    /// The `spec` of the pods' template, where the cluster told.
    pod: Option<&'a Value>,
}

impl<'a> Objects<'a> {
    pub fn of(of: &ComponentChanges<'a>, live: Option<&'a Workload>) -> Self {
        let like_object = of.component.target.name.as_str();
        let told = live.and_then(|live| match live.scaler.as_ref()? {
            Scaler::Nobody => None,
            Scaler::Hpa(hpa) => Some((Kind::HorizontalPodAutoscaler, hpa.name.as_str())),
            Scaler::Keda(scaled) => Some((Kind::ScaledObject, scaled.name.as_str())),
        });
        let seen = live.and_then(|live| live.container.as_ref()).map(|seen| seen.name.as_str());
        let container = of.component.container.as_deref().or(seen);
        Self {
            scaler: told.unwrap_or((Kind::HorizontalPodAutoscaler, like_object)),
            container: container.unwrap_or(like_object),
            scaler_told: told.is_some(),
            container_told: container.is_some(),
            pod: live.map(|live| &live.pod),
        }
    }

    /// The containers that stand before the one that is sized, in their order; `None`: the cluster did not tell.
    fn before(&self) -> Option<Vec<&'a str>> {
        let names: Vec<&str> =
            pod::containers(self.pod?).filter_map(|one| one["name"].as_str()).collect();
        let mine = names.iter().position(|name| *name == self.container)?;
        Some(names[..mine].to_vec())
    }

    /// What is in force at the place of an edit, as the object spells it: `214748364800m` of memory is no whole number
    /// of bytes, and what brings it back or leaves it as it is must not round it.
    fn in_force(&self, edit: &Edit<'_>) -> Scalar {
        let spelt = match edit.place {
            Place::Container(place) => {
                self.pod.and_then(|pod| pod::spelt(pod, self.container, place))
            }
            Place::Spec(_) | Place::Metrics => None,
        };
        let same = |text: &&str| match edit.current {
            Amount::Bytes(bytes) => text.parse().is_ok_and(|said: Bytes| said == bytes),
            Amount::Cpu(cpu) => text.parse().is_ok_and(|said: Millicores| said == cpu),
            Amount::Count(_) => false,
        };
        spelt.filter(same).map_or_else(|| edit.current.into(), Scalar::from)
    }
}

/// The patches of the plan, each followed by its inverse. A change whose value today is not known has
/// no inverse and is left out, and so is a component of another kind.
#[must_use]
pub fn patches(plan: &Plan, services: &[Service], live: &Live) -> Vec<Patch> {
    let mut all = Vec::new();
    for of in changes(plan, services) {
        let Some(kind) = Kind::of(&of.component.target.kind) else { continue };
        let workload = live.workload(&of.service.name, &of.component.name);
        let objects = Objects::of(&of, workload);
        for kind in [objects.scaler.0, kind] {
            let mut edits = edits(kind, &of, workload);
            // sent once, it would end a floor; a whole set states what is to be, as a manifest does
            edits.retain(|edit| held_up(edit.change, workload).is_none());
            if !edits.is_empty() {
                all.extend([Way::Forward, Way::Undo].map(|way| {
                    let form = Form::Patch;
                    file(&of, &objects, (kind, &edits), (way, form)).write(plan, form)
                }));
            }
        }
        if let Some(bounds) = vpa::bounds(plan, &of, workload, objects.container) {
            let files = [(Way::Forward, &bounds.after), (Way::Undo, &bounds.before)];
            let changed = files.into_iter().filter(|_| bounds.before != bounds.after);
            all.extend(
                changed.map(|(way, held)| bounds.file(&of, way, held).write(plan, Form::Patch)),
            );
        }
    }
    all
}

/// What a kind holds of the changes.
fn edits<'a>(
    kind: Kind,
    of: &'a ComponentChanges<'_>,
    workload: Option<&Workload>,
) -> Vec<Edit<'a>> {
    let metrics = |change: &'a Change<'a>| {
        let held = kind == Kind::HorizontalPodAutoscaler && holds_target(change.setting, workload);
        let current = change.current.filter(|_| held)?;
        Some(Edit { change, current, place: Place::Metrics })
    };
    of.changes.iter().filter_map(|change| edit(kind, change).or_else(|| metrics(change))).collect()
}

/// The floor of the loop that a new minimum would end.
fn held_up(change: &Change<'_>, workload: Option<&Workload>) -> Option<u32> {
    let (_, floor) = workload?.scaler.as_ref()?.raised()?;
    let ends = change.setting == Setting::MinReplicas && change.target.figure() < floor.into();
    ends.then_some(floor)
}

/// The minimums that no patch holds, since the loop holds them up for now.
#[must_use]
pub fn under_floors(plan: &Plan, services: &[Service], live: &Live) -> Vec<String> {
    let mut all = Vec::new();
    for of in changes(plan, services) {
        let workload = live.workload(&of.service.name, &of.component.name);
        for change in &of.changes {
            let Some(floor) = held_up(change, workload) else { continue };
            let (name, target) = (&of.component.name, change.target);
            all.push(format!(
                "{name} minReplicas {target}: the loop holds {floor} while the load asks for it, and a patch would end that: `plimsoll apply` sets it below the floor"
            ));
        }
    }
    all
}

/// Whether a setting is the CPU target of an HPA that goes by nothing else.
pub(super) fn holds_target(setting: Setting, workload: Option<&Workload>) -> bool {
    let scaler = workload.and_then(|workload| workload.scaler.as_ref());
    setting == Setting::TargetUtilization
        && matches!(scaler, Some(Scaler::Hpa(hpa)) if hpa.only_cpu)
}

/// A change with the place where its kind holds it.
pub(super) struct Edit<'a> {
    pub change: &'a Change<'a>,
    pub current: Amount,
    pub place: Place,
}

/// Where an object holds a setting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Spec(&'static str),
    Container([&'static str; 2]),
    /// The list of an HPA's metrics, as a whole: no place of `apply`.
    Metrics,
}

pub(super) fn edit<'a>(kind: Kind, change: &'a Change<'a>) -> Option<Edit<'a>> {
    Some(Edit { change, current: change.current?, place: place(kind, change.setting)? })
}

/// Where a kind holds a setting; `None`: it does not.
pub(super) fn place(kind: Kind, setting: Setting) -> Option<Place> {
    Some(match (kind, setting) {
        (Kind::HorizontalPodAutoscaler, Setting::MinReplicas) => Place::Spec("minReplicas"),
        (Kind::HorizontalPodAutoscaler, Setting::MaxReplicas) => Place::Spec("maxReplicas"),
        (Kind::ScaledObject, Setting::MinReplicas) => Place::Spec("minReplicaCount"),
        (Kind::ScaledObject, Setting::MaxReplicas) => Place::Spec("maxReplicaCount"),
        (Kind::HorizontalPodAutoscaler | Kind::ScaledObject, _) => return None,
        (_, Setting::Replicas) => Place::Spec("replicas"),
        (_, Setting::Memory | Setting::MemoryLimit) => Place::Container(["limits", "memory"]),
        (_, Setting::MemoryRequest) => Place::Container(["requests", "memory"]),
        (_, Setting::CpuRequest) => Place::Container(["requests", "cpu"]),
        _ => return None,
    })
}

/// The file of a Deployment, a StatefulSet or what scales it.
fn file<'a>(
    of: &'a ComponentChanges<'_>,
    objects: &Objects<'a>,
    (kind, edits): (Kind, &[Edit<'_>]),
    (way, form): (Way, Form),
) -> File<'a> {
    let is_scaler = kind == objects.scaler.0;
    let sizes = edits.iter().any(|edit| matches!(edit.place, Place::Container(_)));
    let before = objects.before();
    let taken = taken_for_granted(objects, kind, edits).map(str::to_owned);
    let order = (form == Form::Kustomize && sizes).then(|| order(objects, before.as_deref()));
    let before = before.filter(|_| form == Form::Kustomize).unwrap_or_default();
    File {
        kind: kind.names(),
        name: if is_scaler { objects.scaler.1 } else { &of.component.target.name },
        namespace: &of.service.namespace,
        way,
        spec: spec(objects, &before, way, edits),
        patch_type: kind.patch_type(),
        notes: taken.into_iter().chain(order.flatten()).collect(),
    }
}

/// What is to be known of the order in which Kustomize leaves the containers: it puts those that a patch names before all
/// others, and the kubelet starts them in their order. (`$setElementOrder` it does not know, and writes out as a key.)
fn order(objects: &Objects<'_>, before: Option<&[&str]>) -> Option<String> {
    match before {
        Some([]) => None,
        Some(_) => Some("a container without `resources` is named to keep its place: take it out where the base does not have it".to_owned()),
        None => Some(format!(
            "Kustomize puts `{}` first: which containers stand before it is not known, name those here before it (`- name: …`)",
            objects.container
        )),
    }
}

/// A name that the settings do not give: a wrong one is refused by the API server, and then easy to mend.
fn taken_for_granted(
    objects: &Objects<'_>,
    kind: Kind,
    edits: &[Edit<'_>],
) -> Option<&'static str> {
    let container = edits.iter().any(|edit| matches!(edit.place, Place::Container(_)));
    if edits.iter().any(|edit| edit.place == Place::Metrics) {
        Some(
            "the list of metrics is replaced as a whole: CPU is all that the cluster told to be in it",
        )
    } else if kind == objects.scaler.0 {
        (!objects.scaler_told).then_some("the HPA is taken to be named like the object it scales")
    } else if container && !objects.container_told {
        Some(
            "the container is taken to be named like its object; `container:` in the settings names another",
        )
    } else {
        None
    }
}

impl Kind {
    /// kubectl's default is the strategic merge, which knows the containers of a pod by name.
    fn patch_type(self) -> &'static str {
        match self {
            Self::HorizontalPodAutoscaler | Self::ScaledObject => " --type merge",
            Self::Deployment | Self::StatefulSet => "",
        }
    }
}

/// The fields of an object; the containers of `before` are only named.
fn spec(objects: &Objects<'_>, before: &[&str], way: Way, edits: &[Edit<'_>]) -> Tree {
    let mut spec = Tree::default();
    let mut container = Tree::default();
    // the larger first: of two settings behind one key it stands, as in the overlay
    let mut edits: Vec<&Edit<'_>> = edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.change.target.figure()));
    for edit in edits {
        let value = leaf(objects, edit, way);
        match edit.place {
            Place::Spec(key) => spec.put(&[key], value),
            Place::Container([group, key]) => container.put(&["resources", group, key], value),
            Place::Metrics => spec.put(&["metrics"], cpu_alone(value)),
        }
    }
    if !container.is_empty() {
        container.put(&["name"], Tree::leaf(objects.container));
        let before = before.iter().map(|name| Tree::map([("name", Tree::leaf(*name))]));
        let all = before.chain([container]).collect();
        spec.put(&["template", "spec", "containers"], Tree::List(all));
    }
    spec
}

/// The metrics of an HPA that goes by the CPU of its pods alone.
fn cpu_alone(percent: Tree) -> Tree {
    let target = Tree::map([("averageUtilization", percent), ("type", Tree::leaf("Utilization"))]);
    let resource = Tree::map([("name", Tree::leaf("cpu")), ("target", target)]);
    Tree::List(vec![Tree::map([("type", Tree::leaf("Resource")), ("resource", resource)])])
}

fn leaf(objects: &Objects<'_>, edit: &Edit<'_>, way: Way) -> Tree {
    let (change, kept) = (edit.change, edit.change.target == edit.current);
    let value =
        if kept || way == Way::Undo { objects.in_force(edit) } else { Scalar::from(change.target) };
    match way {
        Way::Forward => Tree::Leaf(value, vec![change.was(), change.codes()]),
        Way::Undo if kept => Tree::leaf(value),
        // what the forward file stated, by which a later run knows whether this one is still the way back
        Way::Undo => Tree::Leaf(value, vec![format!("{UNDOES}{}", Scalar::from(change.target))]),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example::{self, API, count};
    use crate::service::live::{Amounts, Container, ScaledObject};

    fn read(patch: &Patch) -> Value {
        serde_saphyr::from_str(&patch.content).unwrap()
    }

    #[test]
    fn an_hpa_gets_its_bounds_and_the_file_says_how_to_send_it() {
        let patches = patches(&example::plan(), &[example::service()], &Live::default());
        let expected = "\
# set by plimsoll 0.1.0 at 2026-11-23T01:00:00Z, settings 0353b09d2456
# kubectl patch hpa jarvis-api -n jarvis --patch-file jarvis.jarvis-api.hpa.yaml --type merge
# the HPA is taken to be named like the object it scales
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: jarvis-api
  namespace: jarvis
spec:
  maxReplicas: 10    # was 5  TIER_ROW, CAPACITY
  minReplicas: 5     # was 3  TIER_ROW
";
        assert_eq!(patches[0].content, expected);
        assert!(patches.iter().all(|patch| is_ours(&patch.content)));
        for foreign in ["", "apiVersion: v1\n", "# set by plimsoll at night\n", "# set by hand\n"] {
            assert!(!is_ours(foreign), "{foreign}");
        }
        assert_eq!(patches[0].file_name, "jarvis.jarvis-api.hpa.yaml");
    }

    #[test]
    fn every_patch_is_followed_by_its_inverse() {
        let patches = patches(&example::plan(), &[example::service()], &Live::default());
        let names: Vec<&str> = patches.iter().map(|patch| patch.file_name.as_str()).collect();
        let expected = [
            "jarvis.jarvis-api.hpa.yaml",
            "jarvis.jarvis-api.hpa.undo.yaml",
            "jarvis.jarvis-worker.deployment.yaml",
            "jarvis.jarvis-worker.deployment.undo.yaml",
            "jarvis.jarvis-redis-master.statefulset.yaml",
            "jarvis.jarvis-redis-master.statefulset.undo.yaml",
        ];
        assert_eq!(names, expected);
        assert_eq!(read(&patches[1])["spec"], json!({"maxReplicas": 5, "minReplicas": 3}));
        assert_eq!(read(&patches[3])["spec"], json!({"replicas": 3}));
        assert!(
            patches[3].content.contains("  replicas: 3    # undoes 4\n"),
            "{}",
            patches[3].content
        );
        let container =
            json!([{"name": "jarvis-redis-master", "resources": {"limits": {"memory": "512Mi"}}}]);
        assert_eq!(read(&patches[5])["spec"]["template"]["spec"]["containers"], container);
    }

    #[test]
    fn a_patch_ends_no_floor_of_the_loop() {
        for (floor, is_left) in [(7, true), (5, false), (4, false)] {
            let (plan, services) = (example::plan(), [example::service()]);
            let workload = example::scaled_by("front-scaler", (floor, 8), Some(3));
            let key = (services[0].name.clone(), API.0.to_owned());
            let live = Live { workloads: [(key, workload)].into(), ..Live::default() };
            let all = patches(&plan, &services, &live);
            let spec = read(&all[0])["spec"].clone();
            assert_eq!(spec["minReplicas"].is_null(), is_left, "{floor}: {spec}");
            assert_eq!(spec["maxReplicas"], 10);
            assert_eq!(under_floors(&plan, &services, &live).len(), usize::from(is_left));
        }
    }

    #[test]
    fn the_names_that_a_cluster_told_are_used_and_nothing_is_taken_for_granted() {
        let container = Container {
            name: "server".to_owned(),
            requests: Amounts::default(),
            limits: Amounts::default(),
        };
        let api = example::scaled_by("front-scaler", (3, 5), None);
        let redis = Workload { container: Some(container), ..Workload::default() };
        let of = |name: &str| ("jarvis".to_owned(), name.to_owned());
        let workloads = [(of(API.0), api), (of("redis"), redis)].into();
        let live = Live { workloads, ..Live::default() };
        let patches = patches(&example::plan(), &[example::service()], &live);
        assert_eq!(patches[0].file_name, "jarvis.front-scaler.hpa.yaml");
        assert_eq!(read(&patches[0])["metadata"]["name"], "front-scaler");
        assert!(patches[0].content.contains("kubectl patch hpa front-scaler -n jarvis"));
        let containers = &read(&patches[4])["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["name"], "server");
        assert!(patches.iter().all(|patch| !patch.content.contains("taken to be")));
    }

    #[test]
    fn what_was_there_is_brought_back_as_it_was_spelt() {
        // 214748364.8 bytes are reckoned with as the next whole number
        let now = Some(Amount::Bytes(Bytes(214_748_365)));
        let plan = |then: Option<Amount>| {
            let why = vec![example::because(Code::TierRow, "High")];
            let limit = example::setting(example::REDIS, Setting::MemoryLimit, now, then, why);
            example::plan_of(vec![example::service_plan(vec![limit])])
        };
        let live = |told: &str| {
            let resources = json!({"limits": {"memory": told}});
            let container = json!({"name": "jarvis-redis-master", "resources": resources});
            let pod = json!({"containers": [container]});
            let redis = Workload { pod, ..Workload::default() };
            let workloads = [(("jarvis".to_owned(), "redis".to_owned()), redis)].into();
            Live { workloads, ..Live::default() }
        };
        let limit = |patch: &Patch| {
            let spec = &read(patch)["spec"]["template"]["spec"];
            spec["containers"][0]["resources"]["limits"]["memory"].clone()
        };
        let services = [example::service()];
        let fraction = "214748364800m";
        let raised = plan(example::mebibytes(512));
        let both = patches(&raised, &services, &live(fraction));
        assert_eq!([limit(&both[0]), limit(&both[1])], ["512Mi", fraction]);
        // what the plan did not see is not brought back
        assert_eq!(limit(&patches(&raised, &services, &live("1Gi"))[1]), "214748365");
        // nor is what stays rounded where it is stated again
        let kept = whole::manifests(&plan(now), &services, &live(fraction));
        assert_eq!(limit(&kept.files[0]), fraction);
    }

    #[test]
    fn bounds_that_keda_owns_are_patched_on_its_own_object() {
        let scaled = ScaledObject::example("api-by-queue", 3, 5);
        let api = Workload { scaler: Some(Scaler::Keda(scaled)), ..Workload::default() };
        let workloads = [(("jarvis".to_owned(), API.0.to_owned()), api)].into();
        let live = Live { workloads, ..Live::default() };
        let patches = patches(&example::plan(), &[example::service()], &live);
        assert_eq!(patches[0].kind, Kind::ScaledObject.names());
        assert_eq!(patches[0].file_name, "jarvis.api-by-queue.scaledobject.yaml");
        assert_eq!(read(&patches[1])["spec"], json!({"maxReplicaCount": 5, "minReplicaCount": 3}));
        assert!(patches.iter().all(|patch| patch.kind != Kind::HorizontalPodAutoscaler.names()));
    }

    #[test]
    fn no_inverse_no_patch() {
        let mut plan = example::plan();
        plan.services[0].recommendations.iter_mut().for_each(|one| one.current = None);
        assert_eq!(patches(&plan, &[example::service()], &Live::default()), []);
    }

    #[test]
    fn a_count_and_an_hpa_never_stand_in_one_plan_of_patches() {
        let why = || vec![example::because(Code::TierRow, "High")];
        let plan = example::plan_of(vec![example::service_plan(vec![
            example::setting(API, Setting::Replicas, count(3), count(6), why()),
            example::setting(API, Setting::MinReplicas, count(3), count(5), why()),
        ])]);
        let patches = patches(&plan, &[example::service()], &Live::default());
        assert!(patches.iter().all(|patch| patch.kind == Kind::HorizontalPodAutoscaler.names()));
        assert_eq!(patches.len(), 2);
    }

    #[test]
    fn names_that_are_too_long_for_a_file_are_cut_and_told_apart() {
        let long = |end: &str| format!("{}{end}", "a".repeat(251));
        let [(_, one), (_, other)] =
            ["xx", "yy"].map(|end| stem("jarvis", &long(end), "verticalpodautoscaler"));
        assert_eq!(format!("jarvis.{one}-cron.undo.yaml").len(), 255);
        assert_ne!(one, other);
        assert_eq!(stem("jarvis", "api", "hpa").1, "api.hpa");
    }

    #[test]
    fn names_cannot_leave_the_folder_or_the_line() {
        let mut plan = example::plan();
        let mut service = example::service();
        service.namespace = "../../etc".to_owned();
        plan.services[0].namespace.clone_from(&service.namespace);
        service.components[0].target.name = "x\nspec: {replicas: 0}\n#$(reboot)".to_owned();
        for patch in patches(&plan, &[service], &Live::default()) {
            assert!(
                !patch.file_name.contains(['/', '$', '\n', '('])
                    && !patch.file_name.starts_with('.')
            );
            let read = read(&patch);
            assert_eq!(read.as_object().unwrap().len(), 4, "{}", patch.content);
            assert_eq!(read["metadata"]["namespace"], "../../etc");
        }
    }
}
