//! Whether a run judged what a file of an earlier one states: only then may the file go. Who sends a folder whose file is
//! gone falls back to what was before it, and a right that was denied or a load that is absent is no reason for that.

use serde_json::Value;

use super::cron;
use super::whole::Refused;
use super::{Kind, Objects, Patch, Place, UNDO, UNDOES, Way, place, stem, vpa};
use crate::advise::plan::{Action, Amount, Plan, Recommendation, Setting};
use crate::render::changes::{self, ComponentChanges};
use crate::service::live::{Live, Workload};
use crate::service::{Component, Service, pod};

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
        let (stem, is_cron) = parts(name);
        let stem = stem.as_str();
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

    /// Whether an inverse of ours is still the way back: what is in force now is what the file stated that it undoes.
    #[must_use]
    pub fn is_way_back(&self, name: &str, content: &str) -> bool {
        let (stem, is_cron) = parts(name);
        let stem = stem.as_str();
        let back: Value = serde_saphyr::from_str(content).unwrap_or_default();
        let kind = stem.rsplit('.').next().and_then(kind);
        let mine = self.components(stem).find(|(service, component)| {
            let changes = Vec::new();
            let of = ComponentChanges { service, component, changes };
            let workload = self.workload(service, component);
            let (scaler, scaler_name) = Objects::of(&of, workload).scaler;
            let target = component.target.name.as_str();
            let vpas = workload.and_then(|one| one.vpas.as_deref()).unwrap_or_default();
            let object = |name: &str| (service.namespace.clone(), name.to_owned());
            match kind {
                Some(kind) if kind == scaler => is(stem, kind.names().2, &object(scaler_name)),
                Some(kind) => is(stem, kind.names().2, &object(target)),
                None => vpas.iter().any(|vpa| is(stem, vpa::NAMES.2, &object(&vpa.name))),
            }
        });
        let Some((service, component)) = mine else { return false };
        let workload = self.workload(service, component);
        match kind {
            _ if is_cron => workload.is_some_and(|one| cron::is_undone_by(one, &back)),
            Some(kind) => stated_before(content)
                .is_some_and(|stated| self.is_in_force(service, component, kind, &stated)),
            None => workload.is_some_and(|one| vpa::is_undone_by(one, content)),
        }
    }

    /// Whether each setting that a file states has that value today.
    fn is_in_force(
        &self,
        service: &Service,
        component: &Component,
        kind: Kind,
        content: &Value,
    ) -> bool {
        let said = self.said(service, component);
        // two settings may stand behind one key, and one of them is not said then
        let known = stated(kind, content).into_iter().filter_map(|setting| {
            let one = said.iter().find(|one| one.setting == setting)?;
            Some((one.current, value(kind, setting, content)))
        });
        let known: Vec<_> = known.collect();
        !known.is_empty() && known.iter().all(|(today, of)| today.is_some() && today == of)
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

    /// What the plan says of a component.
    fn said(&self, service: &Service, component: &Component) -> Vec<&Recommendation> {
        let mut advised = self.plan.services.iter();
        let mine =
            advised.find(|one| one.name == service.name && one.namespace == service.namespace);
        mine.map(|one| changes::of(one, component)).unwrap_or_default()
    }

    /// Whether each setting was judged, or, where nothing is said of it any more, one that stands for it.
    fn judged(&self, service: &Service, component: &Component, stated: &[Setting]) -> bool {
        let said = self.said(service, component);
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

/// What a file's name begins with, as [`stem`] makes it, and whether it is of triggers.
fn parts(name: &str) -> (String, bool) {
    let undo = name.strip_prefix(UNDO).and_then(|name| name.strip_prefix('/'));
    // a namespace may have the name of that folder
    let name = undo.filter(|name| name.ends_with(".ssa.yaml")).unwrap_or(name);
    let stem = name.strip_suffix(".yaml").unwrap_or(name).replacen('/', ".", 1);
    let stem = stem.strip_suffix(".undo").or(stem.strip_suffix(".ssa")).unwrap_or(&stem);
    let (stem, is_cron) = stem.strip_suffix("-cron").map_or((stem, false), |stem| (stem, true));
    (stem.to_owned(), is_cron)
}

/// What the file stated that an inverse undoes; `None`: the inverse does not say it.
fn stated_before(back: &str) -> Option<Value> {
    let mark = format!("# {UNDOES}");
    let mut says = false;
    let line = |line: &str| {
        // the head of the file begins so, too
        let undone = line.split_once(&mark).filter(|(text, _)| !text.is_empty());
        let Some((text, value)) = undone else { return line.to_owned() };
        let Some((key, _)) = text.split_once(": ") else { return line.to_owned() };
        says = true;
        format!("{key}: {value}")
    };
    let text: Vec<String> = back.lines().map(line).collect();
    serde_saphyr::from_str(&text.join("\n")).ok().filter(|_| says)
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
    let holds = |setting: &Setting| !at(kind, *setting, content).is_null();
    COUNTS.into_iter().chain(SIZES).filter(holds).collect()
}

/// What a file has at the place of a setting.
fn at(kind: Kind, setting: Setting, content: &Value) -> &Value {
    let spec = &content["spec"];
    match place(kind, setting) {
        Some(Place::Spec(key)) => &spec[key],
        Some(Place::Container([group, key])) => {
            // those before it are only named
            let mut all = pod::containers(&spec["template"]["spec"]);
            all.find(|one| one["resources"].is_object())
                .map_or(&Value::Null, |one| &one["resources"][group][key])
        }
        Some(Place::Metrics) | None if setting == Setting::TargetUtilization => {
            &spec["metrics"][0]["resource"]["target"]["averageUtilization"]
        }
        Some(Place::Metrics) | None => &Value::Null,
    }
}

/// The value that a file states of a setting.
fn value(kind: Kind, setting: Setting, content: &Value) -> Option<Amount> {
    let stated = at(kind, setting, content);
    match (setting, stated) {
        (Setting::CpuRequest, Value::String(text)) => text.parse().ok().map(Amount::Cpu),
        (_, Value::String(text)) => text.parse().ok().map(Amount::Bytes),
        (_, count) => count.as_u64()?.try_into().ok().map(Amount::Count),
    }
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
    fn an_inverse_is_the_way_back_while_what_it_undoes_is_in_force() {
        let services = [example::service()];
        let forms = [
            patches(&example::plan(), &services, &Live::default()),
            super::super::whole::manifests(&example::plan(), &services, &Live::default()).files,
        ];
        let ways_back = |now: [u32; 2], memory: u64| {
            let plan = example::plan_of(vec![example::service_plan(vec![
                kept(API, Setting::MinReplicas, count(now[0])),
                kept(API, Setting::MaxReplicas, count(now[1])),
                kept(WORKER, Setting::Replicas, None),
                kept(REDIS, Setting::Memory, mebibytes(memory)),
            ])]);
            let live = Live::default();
            let judged = Judged {
                plan: &plan,
                services: &services,
                live: &live,
                refused: &[],
                no_windows: &[],
            };
            let of = |files: &Vec<Patch>| -> Vec<String> {
                let back = files.iter().filter(|file| file.way == Way::Undo);
                let back = back.filter(|file| judged.is_way_back(&file.file_name, &file.content));
                back.map(|file| file.object.1.clone()).collect()
            };
            let [strategic, ssa] = forms.each_ref().map(of);
            assert_eq!(strategic, ssa);
            strategic
        };
        let [api, redis] = ["jarvis-api", "jarvis-redis-master"];
        assert_eq!(ways_back([5, 10], 1024), [api, redis]);
        // one was taken back, of the other only one bound is as it was advised; of the worker nothing is known
        assert_eq!(ways_back([3, 5], 1024), [redis]);
        assert_eq!(ways_back([5, 12], 512), Vec::<String>::new());
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
