//! Whether a run judged what a file of an earlier one states: only then may the file go. Who sends a folder whose file is
//! gone falls back to what was before it, and a right that was denied or a load that is absent is no reason for that.

use serde_json::Value;

use super::whole::Refused;
use super::{Kind, Objects, Patch, Place, UNDO, Way, place, stem, vpa};
use crate::advise::plan::{Action, Plan, Recommendation, Setting};
use crate::render::changes::{self, ComponentChanges};
use crate::service::live::{Live, Workload};
use crate::service::{Component, Service};

/// What a run judged.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Its advice.
    pub plan: &'a Plan,
    /// What it looked at.
    pub services: &'a [Service],
    /// What the cluster told.
    pub live: &'a Live,
    /// Objects of which nothing is written.
    pub refused: &'a [Refused],
    /// Objects of KEDA of which the windows are not known.
    pub no_windows: &'a [Refused],
}

/// Settings of the count, which stand for one another: an HPA's bounds for a count, and back.
const COUNTS: [Setting; 4] =
    [Setting::MinReplicas, Setting::MaxReplicas, Setting::Replicas, Setting::TargetUtilization];
/// Settings of a container.
const SIZES: [Setting; 4] =
    [Setting::CpuRequest, Setting::Memory, Setting::MemoryLimit, Setting::MemoryRequest];

impl Judged<'_> {
    /// Whether all that a file of ours states was judged; `name` is its name in the folder, `jarvis/api.hpa.yaml` or
    /// `jarvis.api.hpa.undo.yaml`.
    #[must_use]
    pub fn is_settled(&self, name: &str, content: &str) -> bool {
        let undo = name.strip_prefix(UNDO).and_then(|name| name.strip_prefix('/'));
        // a namespace may have the name of that folder
        let name = undo.filter(|name| name.ends_with(".ssa.yaml")).unwrap_or(name);
        let stem = name.strip_suffix(".yaml").unwrap_or(name).replacen('/', ".", 1);
        let stem = stem.strip_suffix(".undo").or(stem.strip_suffix(".ssa")).unwrap_or(&stem);
        let (stem, is_cron) = stem.strip_suffix("-cron").map_or((stem, false), |stem| (stem, true));
        let not_known = if is_cron { self.no_windows } else { self.refused };
        if not_known.iter().any(|one| is(stem, one.kind.2, &one.object)) {
            return false;
        }
        let content: Value = serde_saphyr::from_str(content).unwrap_or_default();
        match stem.rsplit('.').next().and_then(kind) {
            Some(kind @ (Kind::HorizontalPodAutoscaler | Kind::ScaledObject)) => {
                self.scaler_is_settled(kind, stem, is_cron, &content)
            }
            Some(kind) => self.components(stem).all(|(service, component)| {
                let target = (service.namespace.clone(), component.target.name.clone());
                !is(stem, kind.names().2, &target)
                    || self.judged(service, component, &stated(kind, &content))
            }),
            // bounds of a VPA
            None => self.components(stem).all(|(service, component)| {
                let Some(vpas) =
                    self.workload(service, component).and_then(|one| one.vpas.as_ref())
                else {
                    return false;
                };
                let object = |name: &str| (service.namespace.clone(), name.to_owned());
                let mine = vpas.iter().any(|vpa| is(stem, vpa::NAMES.2, &object(&vpa.name)));
                !mine || self.judged(service, component, &SIZES)
            }),
        }
    }

    /// A file of an earlier run that stays, as if this one had written it.
    #[must_use]
    pub fn kept(&self, name: &str, content: String) -> Patch {
        let stem = name.strip_suffix(".yaml").unwrap_or(name).replacen('/', ".", 1);
        let stem = stem.strip_suffix("-cron").unwrap_or(&stem);
        let (namespace, object) = stem.split_once('.').unwrap_or_default();
        let (object, short) = object.rsplit_once('.').unwrap_or_default();
        let read: Value = serde_saphyr::from_str(&content).unwrap_or_default();
        let said = |key: &str| read["metadata"][key].as_str();
        // a list of changes does not name its object
        let mut told = self.refused.iter().chain(self.no_windows);
        let told = told.find(|one| is(stem, one.kind.2, &one.object)).map(|one| &one.object);
        let named = || {
            let namespace = said("namespace").unwrap_or(namespace);
            (namespace.to_owned(), said("name").unwrap_or(object).to_owned())
        };
        Patch {
            file_name: name.to_owned(),
            kind: kind(short).map_or(vpa::NAMES, Kind::names),
            object: told.cloned().unwrap_or_else(named),
            way: Way::Forward,
            content,
        }
    }

    /// What scales a component may have any name: while it is not told, any file may be of it.
    fn scaler_is_settled(&self, kind: Kind, stem: &str, is_cron: bool, content: &Value) -> bool {
        let all: Vec<_> = self.components(stem).collect();
        let owner = all.iter().find(|(service, component)| {
            let changes = Vec::new();
            let of = ComponentChanges { service, component, changes };
            let (mine, name) = Objects::of(&of, self.workload(service, component)).scaler;
            mine == kind && is(stem, kind.names().2, &(service.namespace.clone(), name.to_owned()))
        });
        match owner {
            Some(_) if is_cron => true,
            Some((service, component)) => self.judged(service, component, &stated(kind, content)),
            None => all.iter().all(|(service, component)| {
                self.workload(service, component).is_some_and(|one| one.scaler.is_some())
            }),
        }
    }

    fn workload(&self, service: &Service, component: &Component) -> Option<&Workload> {
        self.live.workload(&service.name, &component.name)
    }

    /// The components of the namespace that a file is of.
    fn components(&self, stem: &str) -> impl Iterator<Item = (&Service, &Component)> {
        let namespace = stem.split('.').next().unwrap_or_default().to_owned();
        let mine =
            self.services.iter().filter(move |one| super::file_part(&one.namespace) == namespace);
        mine.flat_map(|service| service.components.iter().map(move |one| (service, one)))
    }

    /// Whether each setting was judged, or, where nothing is said of it any more, one that stands for it.
    fn judged(&self, service: &Service, component: &Component, stated: &[Setting]) -> bool {
        let advised = self.plan.services.iter();
        let mut advised =
            advised.filter(|one| one.name == service.name && one.namespace == service.namespace);
        let said = advised.next().map(|one| changes::of(one, component)).unwrap_or_default();
        // without today's value there is no patch, whatever is advised
        let is_judged = |one: &&Recommendation| {
            one.action != Action::Skipped && one.current.is_some() || one.is_not_in_force()
        };
        stated.iter().all(|setting| {
            let of: Vec<_> = said.iter().copied().filter(|one| one.setting == *setting).collect();
            if !of.is_empty() {
                return of.iter().all(is_judged);
            }
            let group = if COUNTS.contains(setting) { COUNTS } else { SIZES };
            said.iter().filter(|one| group.contains(&one.setting)).any(&is_judged)
        })
    }
}

/// Whether a file's name is that of an object's files.
fn is(of_file: &str, short: &str, (namespace, name): &(String, String)) -> bool {
    let (namespace, name) = stem(namespace, name, short);
    of_file == format!("{namespace}.{name}")
}

/// The kind that a file's name ends with.
fn kind(short: &str) -> Option<Kind> {
    let all =
        [Kind::Deployment, Kind::HorizontalPodAutoscaler, Kind::ScaledObject, Kind::StatefulSet];
    all.into_iter().find(|kind| kind.names().2 == short)
}

/// The settings that a file states.
fn stated(kind: Kind, content: &Value) -> Vec<Setting> {
    let spec = &content["spec"];
    let container = &spec["template"]["spec"]["containers"][0]["resources"];
    let holds = |setting: &Setting| match place(kind, *setting) {
        Some(Place::Spec(key)) => !spec[key].is_null(),
        Some(Place::Container([group, key])) => !container[group][key].is_null(),
        Some(Place::Metrics) | None => {
            *setting == Setting::TargetUtilization && !spec["metrics"].is_null()
        }
    };
    COUNTS.into_iter().chain(SIZES).filter(holds).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example::{self, API, REDIS, WORKER, count, mebibytes};
    use crate::render::patch::patches;
    use crate::service::live::{Scaler, Vpa};

    /// Which files of last week's patches may go, by the advice of this week.
    fn gone(now: &[Recommendation], live: &Live, refused: &[Refused]) -> Vec<String> {
        let services = [example::service()];
        let plan = example::plan_of(vec![example::service_plan(now.to_vec())]);
        let judged = Judged { plan: &plan, services: &services, live, refused, no_windows: &[] };
        let files = patches(&example::plan(), &services, &Live::default());
        let gone = files.iter().filter(|file| judged.is_settled(&file.file_name, &file.content));
        gone.map(|file| file.file_name.clone()).collect()
    }

    fn kept(
        of: (&str, &str),
        setting: Setting,
        now: Option<crate::advise::plan::Amount>,
    ) -> Recommendation {
        example::setting(of, setting, now, now, vec![example::because(Code::TierRow, "High")])
    }

    #[test]
    fn a_file_goes_only_where_all_that_it_states_was_judged() {
        let live = Live::default();
        // no word of anything
        assert_eq!(gone(&[], &live, &[]), Vec::<String>::new());
        // one of the two bounds is not known, the size of redis was judged, and of the worker another setting was not
        let now = [
            kept(API, Setting::MinReplicas, count(5)),
            kept(API, Setting::MaxReplicas, None),
            kept(WORKER, Setting::Replicas, count(4)),
            kept(WORKER, Setting::CpuRequest, None),
            kept(REDIS, Setting::Memory, mebibytes(1024)),
        ];
        let of = |name: &str| ["yaml", "undo.yaml"].map(|end| format!("jarvis.{name}.{end}"));
        let worker = of("jarvis-worker.deployment");
        let redis = of("jarvis-redis-master.statefulset");
        assert_eq!(gone(&now, &live, &[]), [worker.clone(), redis.clone()].concat());
        // what is advised and has no value today is in no patch, and still wanted
        let mut unknown = now.clone();
        unknown[2].current = None;
        assert_eq!(gone(&unknown, &live, &[]), redis);
        // a whole manifest of which another field is not known
        let object = ("jarvis".to_owned(), "jarvis-redis-master".to_owned());
        let why = "it is not known".to_owned();
        let refused = Refused { kind: Kind::StatefulSet.names(), object, why, is_unknown: true };
        assert_eq!(gone(&now, &live, &[refused]), worker);
    }

    #[test]
    fn a_file_of_a_scaler_or_vpa_that_nobody_told_stays() {
        let services = [example::service()];
        let now = vec![
            kept(API, Setting::MinReplicas, count(5)),
            kept(API, Setting::MaxReplicas, count(10)),
        ];
        let plan = example::plan_of(vec![example::service_plan(now)]);
        let live = |told: bool| {
            let scaler = |name: &str| match name {
                "api" => example::scaled_by("front", (5, 10), None).scaler,
                _ => told.then_some(Scaler::Nobody),
            };
            let vpas = |name: &str| {
                let vpa =
                    Vpa { name: "sizes".to_owned(), mode: "Auto".to_owned(), policy: Value::Null };
                (told || name == "api").then(|| if name == "api" { vec![vpa] } else { vec![] })
            };
            let workload = |name: &str| Workload {
                scaler: scaler(name),
                vpas: vpas(name),
                ..Workload::default()
            };
            let of = |name: &str| (("jarvis".to_owned(), name.to_owned()), workload(name));
            Live { workloads: ["api", "worker", "redis"].map(of).into(), ..Live::default() }
        };
        let hpas = "spec: {minReplicas: 4}";
        let settled = |told: bool, name: &str| {
            let live = live(told);
            let judged = Judged {
                plan: &plan,
                services: &services,
                live: &live,
                refused: &[],
                no_windows: &[],
            };
            judged.is_settled(name, hpas)
        };
        assert!(settled(false, "jarvis.front.hpa.yaml"));
        assert!(!settled(false, "jarvis.other.hpa.yaml"), "it may be the worker's");
        assert!(settled(true, "jarvis.other.hpa.yaml"));
        assert!(!settled(false, "undo/jarvis.other.hpa.ssa.yaml"));
        assert!(settled(true, "undo/jarvis.other.hpa.ssa.yaml"));
        assert!(settled(true, "jarvis/by-queue.scaledobject-cron.yaml"));
        assert!(!settled(false, "jarvis/by-queue.scaledobject-cron.yaml"));
        assert!(!settled(false, "jarvis.gone.verticalpodautoscaler.yaml"));
        assert!(settled(true, "jarvis.gone.verticalpodautoscaler.yaml"));
        assert!(!settled(true, "jarvis.sizes.verticalpodautoscaler.yaml"), "no size was judged");
    }
}
