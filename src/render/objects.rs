//! Plan -> the objects that change, field by field: what `apply` sends, from the same changes as the patches.

use std::fmt;

use crate::advise::plan::{Action, Amount, Plan, Reason, Setting};
use crate::render::changes::changes;
pub use crate::render::patch::Kind;
use crate::render::patch::{Objects, Place, edit, holds_target, place};
use crate::service::Service;
use crate::service::live::Live;

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

/// A place in an object: keys, and the container by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Part>);

/// A step into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A key of a mapping.
    Key(String),
    /// The item of a list with this `name`.
    Named(String),
}

impl Path {
    /// The keys one after the other.
    #[must_use]
    pub fn keys(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Part::Key((*key).to_owned())).collect())
    }

    /// The path that [`std::fmt::Display`] wrote; keys hold no `.`, and names of containers no `[`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut parts = Vec::new();
        for key in text.split('.') {
            let (key, named) = key
                .split_once('[')
                .map_or((key, None), |(key, rest)| (key, rest.strip_suffix(']')));
            parts.push(Part::Key(key.to_owned()));
            parts.extend(named.map(|name| Part::Named(name.to_owned())));
        }
        Self(parts)
    }

    /// Whether this is where a kind holds a setting: what a record or an annotation names may be anything.
    #[must_use]
    pub fn holds(&self, kind: Kind, setting: Setting) -> bool {
        let name = self.0.iter().find_map(|part| match part {
            Part::Named(name) => Some(name.as_str()),
            Part::Key(_) => None,
        });
        match place(kind, setting) {
            None | Some(Place::Metrics) => false,
            Some(Place::Spec(key)) => *self == Self::keys(&["spec", key]),
            Some(Place::Container(keys)) => {
                name.is_some_and(|name| *self == Self::container(name, keys))
            }
        }
    }

    fn container(name: &str, keys: [&str; 2]) -> Self {
        let mut path = Self::keys(&["spec", "template", "spec", "containers"]);
        path.0.push(Part::Named(name.to_owned()));
        path.0.extend(Self::keys(&["resources", keys[0], keys[1]]).0);
        path
    }
}

impl fmt::Display for Path {
    /// `spec.template.spec.containers[server].resources.limits.memory`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if i == 0 => write!(f, "{key}")?,
                Part::Key(key) => write!(f, ".{key}")?,
                Part::Named(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

/// The objects of the plan that change, in its order, an autoscaler before what it scales.
#[must_use]
pub fn objects(plan: &Plan, services: &[Service], live: &Live) -> Vec<ObjectChange> {
    let mut all = Vec::new();
    for of in changes(plan, services) {
        let Some(workload) = Kind::of(&of.component.target.kind) else { continue };
        let names = Objects::of(&of, live.workload(&of.service.name, &of.component.name));
        let target = of.component.target.name.as_str();
        for (kind, name) in [names.scaler, (workload, target)] {
            let mut fields: Vec<FieldChange> = Vec::new();
            let edits = of.changes.iter().filter_map(|change| edit(kind, change));
            for edit in edits {
                let path = match edit.place {
                    Place::Spec(key) => Path::keys(&["spec", key]),
                    Place::Container(keys) => Path::container(names.container, keys),
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

/// What the patches hold: the [`objects`], and the target of an HPA that goes by CPU alone, which is no field of its
/// own to `apply`.
#[must_use]
pub fn patched(plan: &Plan, services: &[Service], live: &Live) -> Vec<ObjectChange> {
    let mut all = objects(plan, services, live);
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

/// What is advised and stands in none of `objects`: volumes, and targets of an HPA, which is a list that would be
/// replaced as a whole.
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
                left.push(format!("{} {}{target}", one.object, one.setting.name()));
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
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
            assert!(object.fields.iter().all(|field| field.path.holds(object.kind, field.setting)));
        }
        let odd = "spec.template.spec.containers[a].resources.limits.cpu";
        for (kind, path) in [
            (Kind::Deployment, odd),
            (Kind::Deployment, "spec.paused"),
            (Kind::HorizontalPodAutoscaler, "spec.replicas"),
        ] {
            assert!(!Path::read(path).holds(kind, Setting::MemoryLimit), "{path}");
        }
        assert_eq!(left_out(&plan, &all), Vec::<String>::new());
        assert_eq!(left_out(&plan, &all[1..]).len(), 2);
    }
}
