//! For the tests of this folder: JARVIS's Redis and workers as they are judged, all at rest, before something is changed in
//! the scene.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Booked, Checked, Situation};
use crate::advise::plan::{Amount, ServicePlan, Setting};
use crate::apply::floor::Moved;
use crate::apply::{Found, Write};
use crate::history::{Evidence, History, SeriesKey};
use crate::render::example;
use crate::render::objects::{Kind, ObjectChange};
use crate::service::live::{Live, Namespace, Workload};
use crate::service::object::Path;
use crate::service::rules::Rules;
use crate::service::{Policy, Service};

pub struct Scene {
    pub now: Timestamp,
    pub change: ObjectChange,
    pub found: Found,
    pub writes: Vec<Write>,
    pub service: Service,
    pub history: BTreeMap<SeriesKey, Evidence<History>>,
    pub fresh: ServicePlan,
    pub live: Live,
    pub floor: Option<Moved>,
    pub booked: Vec<Booked>,
    rules: Rules,
    policy: Policy,
}

impl Scene {
    fn of(component: &str, kind: Kind, name: &str, object: Value, write: Write) -> Self {
        let change = ObjectChange {
            service: "jarvis".to_owned(),
            component: component.to_owned(),
            namespace: "jarvis".to_owned(),
            kind,
            name: name.to_owned(),
            workload: (kind, name.to_owned()),
            fields: Vec::new(),
        };
        let (object, workload) = (Some(object.clone()), Some(object));
        let namespace = Namespace {
            quotas: Some(Vec::new()),
            limits: Some(Vec::new()),
            ..Namespace::default()
        };
        let workloads = BTreeMap::from([(
            ("jarvis".to_owned(), component.to_owned()),
            Workload { budgets: Some(Vec::new()), ..Workload::default() },
        )]);
        let mut fresh = example::service_plan(Vec::new());
        fresh.findings.clear();
        Self {
            now: Timestamp::constant(1_795_395_600, 0),
            change,
            found: Found { object, workload, namespace: Some(json!({})), pods: Some(Vec::new()) },
            writes: vec![write],
            service: example::service(),
            history: BTreeMap::new(),
            fresh,
            live: Live {
                workloads,
                namespaces: BTreeMap::from([("jarvis".to_owned(), namespace)]),
                nodes: Some(Vec::new()),
                ..Live::default()
            },
            floor: None,
            booked: Vec::new(),
            rules: Rules::default(),
            policy: Policy::default(),
        }
    }

    /// Redis, whose memory is raised from 512Mi to 1Gi; its exporter has 64Mi.
    pub fn redis() -> Self {
        let container = |name: &str, memory: &str| json!({"name": name, "resources": {"limits": {"memory": memory}}});
        let pod =
            json!({"containers": [container("redis", "512Mi"), container("exporter", "64Mi")]});
        let object = json!({"metadata": {}, "spec": {"replicas": 1, "template": {"spec": pod}}});
        let path = Path::read("spec.template.spec.containers[redis].resources.limits.memory");
        let moved = [512, 1024].map(|mi| example::mebibytes(mi).unwrap_or(Amount::Count(0)));
        let write = Write::new(Setting::Memory, path, moved.into());
        Self::of("redis", Kind::StatefulSet, "redis", object, write)
    }

    /// The workers, whose count goes from one number to another.
    pub fn workers(from: u32, to: u32) -> Self {
        let object = json!({"metadata": {}, "spec": {"replicas": from}});
        let moved = (Amount::Count(from), Amount::Count(to));
        let write = Write::new(Setting::Replicas, Path::keys(&["spec", "replicas"]), moved);
        Self::of("worker", Kind::Deployment, "worker", object, write)
    }

    /// What one guard says: nothing, or the message of its refusal.
    pub fn says(&self, check: fn(&Situation<'_>) -> Checked) -> Option<String> {
        self.with(check).err().map(|(message, _)| message)
    }

    /// What is made of the situation.
    pub fn with<T>(&self, ask: fn(&Situation<'_>) -> T) -> T {
        ask(&Situation {
            now: self.now,
            zone: &TimeZone::UTC,
            rules: &self.rules,
            policy: &self.policy,
            plan: (self.now, ""),
            settings: "",
            change: &self.change,
            seen: None,
            found: &self.found,
            writes: &self.writes,
            fresh: Some(&self.fresh),
            watched: Some((&self.service, &self.history)),
            live: &self.live,
            last_change: None,
            floor: self.floor.as_ref(),
            booked: &self.booked,
            unattended: false,
        })
    }
}
