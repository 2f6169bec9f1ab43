//! Plan -> the objects that change, field by field: what `apply` sends, from the same changes as the patches.

use crate::advise::plan::{Action, Amount, Plan, Reason, ServicePlan, Setting};
use crate::render::changes::{ComponentChanges, changes};
pub use crate::render::patch::Kind;
use crate::render::patch::{Objects, Place, edit, holds_target, place};
use crate::service::Service;
use crate::service::live::{Live, Scaler};
use crate::service::object::{Part, Path};

/// An object that the plan changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChange {
    /// The service.
    pub service: String,
    /// The component.
    pub component: String,
    /// The namespace.
    pub namespace: String,
    /// The kind of the object.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What runs the component: the object itself, or what it scales.
    pub workload: (Kind, String),
    /// What changes; never empty.
    pub fields: Vec<FieldChange>,
}

/// A field of an object with a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The setting.
    pub setting: Setting,
    /// Where the object holds it.
    pub path: Path,
    /// Its value when the plan was made.
    pub from: Amount,
    /// The new value.
    pub to: Amount,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl ObjectChange {
    /// Kind and name: `HorizontalPodAutoscaler/jarvis-api`.
    #[must_use]
    pub fn object(&self) -> String {
        format!("{}/{}", self.kind.name(), self.name)
    }
}

/// The objects of the plan that change, in its order, an autoscaler before what it scales. What may scale to nothing is let
/// sleep.
#[must_use]
pub fn objects(plan: &Plan, services: &[Service], live: &Live) -> Vec<ObjectChange> {
    let mut all = advised(plan, services, live);
    for object in &mut all {
        object.fields.retain(|field| !may_sleep(field.setting, Some(field.from)));
    }
    all.retain(|object| !object.fields.is_empty());
    all
}

/// Whether a setting is a minimum of none: to wake it is a decision of its own.
fn may_sleep(setting: Setting, from: Option<Amount>) -> bool {
    setting == Setting::MinReplicas && from == Some(Amount::Count(0))
}

/// Whether a path is where a kind holds a setting: what a record or an annotation names may be anything.
#[must_use]
pub fn holds(path: &Path, kind: Kind, setting: Setting) -> bool {
    let name = path.0.iter().find_map(|part| match part {
        Part::Named(name) => Some(name.as_str()),
        Part::Key(_) => None,
    });
    match place(kind, setting) {
        None | Some(Place::Metrics) => false,
        Some(Place::Spec(key)) => *path == Path::keys(&["spec", key]),
        Some(Place::Container(keys)) => name.is_some_and(|name| *path == in_container(name, keys)),
    }
}

fn in_container(name: &str, keys: [&str; 2]) -> Path {
    let mut path = Path::keys(&["spec", "template", "spec", "containers"]);
    path.0.push(Part::Named(name.to_owned()));
    path.0.extend(Path::keys(&["resources", keys[0], keys[1]]).0);
    path
}

fn advised(plan: &Plan, services: &[Service], live: &Live) -> Vec<ObjectChange> {
    let mut all = Vec::new();
    for of in changes(plan, services) {
        let Some(workload) = Kind::of(&of.component.target.kind) else { continue };
        let names = Objects::of(&of, live.workload(&of.service.name, &of.component.name));
        let target = of.component.target.name.as_str();
        let seen = seen_scaler(plan, &of, live).filter(|_| !names.scaler_told);
        for (kind, name) in [seen.unwrap_or(names.scaler), (workload, target)] {
            let mut fields: Vec<FieldChange> = Vec::new();
            let edits = of.changes.iter().filter_map(|change| edit(kind, change));
            for edit in edits {
                let path = match edit.place {
                    Place::Spec(key) => Path::keys(&["spec", key]),
                    Place::Container(keys) => in_container(names.container, keys),
                    Place::Metrics => continue,
                };
                let field = FieldChange {
                    setting: edit.change.setting,
                    path,
                    from: edit.current,
                    to: edit.change.target,
                    reasons: edit.change.reasons.to_vec(),
                };
                push(&mut fields, field);
            }
            if !fields.is_empty() {
                all.push(ObjectChange {
                    service: of.service.name.clone(),
                    component: of.component.name.clone(),
                    namespace: of.service.namespace.clone(),
                    kind,
                    name: name.to_owned(),
                    workload: (workload, target.to_owned()),
                    fields,
                });
            }
        }
    }
    all
}

/// The autoscaler that the plan saw, for where the cluster tells of none: the only one that is of no other component.
fn seen_scaler<'a>(
    plan: &'a Plan,
    of: &ComponentChanges<'_>,
    live: &Live,
) -> Option<(Kind, &'a str)> {
    let mine = |one: &&ServicePlan| {
        (&one.name, &one.namespace) == (&of.service.name, &of.service.namespace)
    };
    let others = of.service.components.iter().filter(|one| one.name != of.component.name);
    let taken = |name: &str| {
        let mut scalers = others
            .clone()
            .filter_map(|one| live.workload(&of.service.name, &one.name)?.scaler.as_ref());
        scalers.any(|scaler| match scaler {
            Scaler::Nobody => false,
            Scaler::Hpa(hpa) => hpa.name == name,
            Scaler::Keda(keda) => keda.name == name,
        })
    };
    let kinds = [Kind::HorizontalPodAutoscaler, Kind::ScaledObject];
    let seen = plan.services.iter().find(mine)?.objects.iter();
    let mut left = seen.filter_map(|seen| {
        let (kind, name) = seen.object.split_once('/')?;
        let kind = kinds.into_iter().find(|one| one.name() == kind)?;
        (!taken(name)).then_some((kind, name))
    });
    left.next().filter(|_| left.next().is_none())
}

/// What the patches hold: all objects, those that may scale to nothing too, and the target of an HPA that goes by CPU alone, which is no field of its
/// own to `apply`.
#[must_use]
pub fn patched(plan: &Plan, services: &[Service], live: &Live) -> Vec<ObjectChange> {
    let mut all = advised(plan, services, live);
    for of in changes(plan, services) {
        let workload = live.workload(&of.service.name, &of.component.name);
        let names = Objects::of(&of, workload);
        let mut targets = of.changes.iter().filter(|one| holds_target(one.setting, workload));
        let kind = Kind::of(&of.component.target.kind);
        if let (Some((change, from)), Some(kind)) =
            (targets.find_map(|change| Some((change, change.current?))), kind)
        {
            all.push(ObjectChange {
                service: of.service.name.clone(),
                component: of.component.name.clone(),
                namespace: of.service.namespace.clone(),
                kind: names.scaler.0,
                name: names.scaler.1.to_owned(),
                workload: (kind, of.component.target.name.clone()),
                fields: vec![FieldChange {
                    setting: change.setting,
                    path: Path::keys(&["spec", "metrics"]),
                    from,
                    to: change.target,
                    reasons: change.reasons.to_vec(),
                }],
            });
        }
    }
    all
}

/// Of two settings behind one field the larger stands, as in the patches.
fn push(fields: &mut Vec<FieldChange>, field: FieldChange) {
    match fields.iter_mut().find(|other| other.path == field.path) {
        Some(other) if other.to.figure() >= field.to.figure() => {}
        Some(other) => *other = field,
        None => fields.push(field),
    }
}

/// What is advised and stands in none of `objects`, and why: volumes, targets of an HPA, which is a list that would be
/// replaced as a whole, and the minimum of what may scale to nothing.
#[must_use]
pub fn left_out(plan: &Plan, objects: &[ObjectChange]) -> Vec<String> {
    let mut left = Vec::new();
    for service in &plan.services {
        let wanted = service.recommendations.iter();
        for one in wanted.filter(|one| matches!(one.action, Action::Raise | Action::Lower)) {
            let held = objects.iter().any(|object| {
                object.service == service.name
                    && object.namespace == service.namespace
                    && object.component == one.component
                    && object.fields.iter().any(|field| {
                        field.setting == one.setting
                            // both are the container's limit
                            || [field.setting, one.setting]
                                .iter()
                                .all(|s| matches!(s, Setting::Memory | Setting::MemoryLimit))
                    })
            });
            if !held {
                let target = one.target.map_or_else(String::new, |to| format!(" {to}"));
                let why = if may_sleep(one.setting, one.current) {
                    "it may scale to nothing, and is let sleep"
                } else {
                    "not a field that is applied"
                };
                left.push(format!("{} {}{target}: {why}", one.object, one.setting.name()));
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::plan::SeenObject;
    use crate::render::example;

    #[test]
    fn each_object_holds_its_own_fields_and_nothing_else() {
        let (plan, services) = (example::plan(), [example::service()]);
        let all = objects(&plan, &services, &Live::default());
        let shown: Vec<String> = all
            .iter()
            .flat_map(|object| {
                object.fields.iter().map(|field| {
                    format!("{} {} {}->{}", object.object(), field.path, field.from, field.to)
                })
            })
            .collect();
        let expected = [
            "HorizontalPodAutoscaler/jarvis-api spec.maxReplicas 5->10",
            "HorizontalPodAutoscaler/jarvis-api spec.minReplicas 3->5",
            "Deployment/jarvis-worker spec.replicas 3->4",
            "StatefulSet/jarvis-redis-master spec.template.spec.containers[jarvis-redis-master].resources.limits.memory 512Mi->1Gi",
        ];
        assert_eq!(shown, expected);
        for field in all.iter().flat_map(|object| &object.fields) {
            assert_eq!(Path::read(&field.path.to_string()), field.path);
        }
        for object in &all {
            assert!(object.fields.iter().all(|field| holds(
                &field.path,
                object.kind,
                field.setting
            )));
        }
        let odd = "spec.template.spec.containers[a].resources.limits.cpu";
        for (kind, path) in [
            (Kind::Deployment, odd),
            (Kind::Deployment, "spec.paused"),
            (Kind::HorizontalPodAutoscaler, "spec.replicas"),
        ] {
            assert!(!holds(&Path::read(path), kind, Setting::MemoryLimit), "{path}");
        }
        assert_eq!(left_out(&plan, &all), Vec::<String>::new());
        assert_eq!(left_out(&plan, &all[1..]).len(), 2);
    }

    #[test]
    fn an_autoscaler_that_is_not_there_any_more_is_called_what_the_plan_saw() {
        let (mut plan, services) = (example::plan(), [example::service()]);
        let seen = |object: &str| SeenObject {
            object: object.to_owned(),
            resource_version: String::new(),
            spec: String::new(),
            uid: String::new(),
        };
        let first = |plan: &Plan| objects(plan, &services, &Live::default())[0].object();
        plan.services[0].objects =
            vec![seen("Deployment/jarvis-api"), seen("HorizontalPodAutoscaler/front-scaler")];
        assert_eq!(first(&plan), "HorizontalPodAutoscaler/front-scaler");
        // of two nobody knows whose they are
        plan.services[0].objects.push(seen("ScaledObject/by-queue"));
        assert_eq!(first(&plan), "HorizontalPodAutoscaler/jarvis-api");
    }

    #[test]
    fn what_may_scale_to_nothing_is_let_sleep_and_named() {
        let (mut plan, services) = (example::plan(), [example::service()]);
        let all = &mut plan.services[0].recommendations;
        let of = all.iter_mut().find(|one| one.setting == Setting::MinReplicas);
        if let Some(of) = of {
            of.current = Some(Amount::Count(0));
        }
        let all = objects(&plan, &services, &Live::default());
        // its maximum is another matter
        assert_eq!((all[0].fields.len(), all[0].fields[0].setting), (1, Setting::MaxReplicas));
        let left = left_out(&plan, &all);
        assert_eq!(left.len(), 1);
        assert!(
            left[0].ends_with("minReplicas 5: it may scale to nothing, and is let sleep"),
            "{left:?}"
        );
        assert_eq!(patched(&plan, &services, &Live::default())[0].fields.len(), 2);
    }
}
