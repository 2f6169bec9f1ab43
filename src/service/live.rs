//! What a cluster says of the services at one moment: plain data that `source::kubernetes` reads.
//!
//! Everywhere `None` is "not told" (no right to it, no answer, nobody asked), and an empty list is "there is
//! none". The two never stand for each other: who may not see the HPAs does not know that there is none.

mod least;
mod room;
mod scaler;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::least::{Keeper, Least};
pub use self::room::{
    Claim, Counted, LimitRange, Namespace, Node, PodClaim, Quota, Ranges, Scope, Taken,
};
pub use self::scaler::{Hpa, ScaledObject, Scaler, Targets, Vpa};
use crate::service::{Current, Doubt, Resources, Service, pod};
use crate::units::{Bytes, Millicores};

/// The cluster's word; empty where no cluster was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// What runs each component, by service and component.
    pub workloads: BTreeMap<(String, String), Workload>,
    /// What a namespace allows, by its name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// All nodes.
    pub nodes: Option<Vec<Node>>,
    /// The objects that can be changed, by namespace.
    pub objects: BTreeMap<String, Vec<SeenObject>>,
    /// How they are kept, by namespace, and kind and name.
    pub kept: BTreeMap<(String, String), Kept>,
    /// What was asked for and not told.
    pub gaps: Vec<Gap>,
}

/// How an object is kept: what a manifest for server-side apply must know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether by `kubectl apply` of a whole manifest: the first server-side apply by kubectl takes all of it over.
    pub by_kubectl_apply: bool,
    /// Whether an earlier manifest of ours alone holds `spec.replicas`: one that leaves it out gives it up.
    pub count_by_manifest: bool,
}

/// The field manager under which `apply` and the loop write.
pub const MANAGER: &str = "plimsoll";

/// The annotation by which the loop notes a floor that it raised, and what was there before.
pub const FLOOR_NOTE: &str = "plimsoll.dev/floor";

/// The annotation in which `kubectl apply` keeps the manifest that it sent: who applies a value that is there already becomes no
/// owner of it, and is known by this alone.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The field manager under which manifests of `patch --form ssa` are sent.
pub const MANIFEST_MANAGER: &str = "plimsoll-patch";

/// An object at the moment of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenObject {
    /// Its kind and name: `HorizontalPodAutoscaler/jarvis-api`.
    pub object: String,
    /// `metadata.resourceVersion`: every write moves it, those of its status too.
    pub resource_version: String,
    /// The first 12 hex digits of the SHA-256 of its `spec` without what moves with the load: the replica count, and a floor of
    /// the loop, for which its base stands.
    pub spec: String,
    /// `metadata.uid`: an object that was deleted and made again has another.
    pub uid: String,
}

/// The first 12 hex digits of the SHA-256 of a `spec`, its replica count left out and its keys in order.
#[must_use]
pub fn digest(spec: &Value) -> String {
    let mut spec = spec.clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("replicas");
    }
    spec.sort_all_objects();
    let digest = Sha256::digest(spec.to_string());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Something that was asked for and not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What, and why: `cannot list horizontalpodautoscalers in namespace …`.
    pub message: String,
    /// What to change.
    pub hint: String,
    /// Whether it hides what is in force, so that the run is not whole without it.
    pub of_settings: bool,
    /// The namespace it is of; `None`: of all.
    pub namespace: Option<String>,
}

impl Gap {
    /// The message of each, and its hint; where several have the same hint, with the last of them.
    #[must_use]
    pub fn told<'a>(gaps: &[&'a Self]) -> Vec<(&'a str, Option<&'a str>)> {
        let comes_again = |at: usize| gaps[at + 1..].iter().any(|one| one.hint == gaps[at].hint);
        let hint = |(at, gap): (usize, &&'a Self)| {
            (gap.message.as_str(), Some(gap.hint.as_str()).filter(|_| !comes_again(at)))
        };
        gaps.iter().enumerate().map(hint).collect()
    }

    /// The same as warnings, a line each.
    #[must_use]
    pub fn warnings(gaps: &[&Self]) -> Vec<String> {
        let hint =
            |hint: Option<&str>| hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        let told = Self::told(gaps).into_iter();
        told.map(|(message, of)| format!("warning: {message}{}", hint(of))).collect()
    }
}

/// The object that runs a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// Whether the cluster has it; `Some(false)`: it was deleted, renamed, or never there.
    pub exists: Option<bool>,
    /// `spec.replicas`.
    pub replicas: Option<u32>,
    /// The container that is sized.
    pub container: Option<Container>,
    /// The `spec` of its pods' template as it stands; null where nobody told.
    pub pod: Value,
    /// Whether no two of its pods may be on one node.
    pub apart: bool,
    /// Whether its rollout is paused: its pods stay as they are whatever it says of them.
    pub paused: bool,
    /// Who sets the replica count.
    pub scaler: Option<Scaler>,
    /// Those that pull at the count, where they are several; then none of them is its scaler.
    pub rivals: Vec<String>,
    /// The VPAs on it.
    pub vpas: Option<Vec<Vpa>>,
    /// The disruption budgets that select its pods.
    pub budgets: Option<Vec<Budget>>,
    /// Whether the volume claims of pods that end are deleted with them.
    pub claims_go: bool,
    /// The volume claims that each of its pods gets.
    pub claims: Vec<PodClaim>,
}

/// A container by its real name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// What it asks for.
    pub requests: Amounts,
    /// What it may not exceed.
    pub limits: Amounts,
}

/// CPU and memory; in a request, limit, quota or bound, `None` is "not set".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// CPU.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
}

/// What the pods of a component use at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// How many pods were seen.
    pub pods: usize,
    /// The CPU of the busiest, and the memory of the largest.
    pub most: Amounts,
}

/// A disruption budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// `metadata.name`.
    pub name: String,
    /// `minAvailable`.
    pub min_available: Option<Share>,
    /// `maxUnavailable`.
    pub max_unavailable: Option<Share>,
}

impl Budget {
    /// How many of so many pods may be evicted while all are well: shares are rounded up (Kubernetes, "Specifying a
    /// Disruption Budget").
    #[must_use]
    pub fn allows(&self, pods: u64) -> u64 {
        let of = |share| match share {
            Share::Pods(count) => u64::from(count),
            Share::Percent(percent) => (pods * u64::from(percent)).div_ceil(100),
        };
        let least = self.min_available.map(of);
        let gone = self.max_unavailable.map(|gone| pods.saturating_sub(of(gone)));
        pods.saturating_sub(least.or(gone).unwrap_or(0))
    }
}

/// A number of pods, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Pods.
    Pods(u32),
    /// Percent of the pods.
    Percent(u32),
}

impl Live {
    /// What is in force for the components and volumes of a service, as far as the cluster told.
    #[must_use]
    pub fn current(&self, service: &Service) -> BTreeMap<String, Current> {
        let mine = self.workloads.iter().filter(|((of, _), _)| *of == service.name);
        let namespace = self.namespaces.get(&service.namespace);
        let limits = namespace.and_then(|namespace| namespace.limits.as_deref());
        let current = |workload: &Workload| {
            let current = workload.current();
            let now = current.min_replicas.or(current.replicas);
            let least = now.and_then(|now| workload.least(now, self.zones(workload)));
            Current { least, ranges: Ranges::of(limits.unwrap_or_default()), ..current }
        };
        let components = mine.map(|((_, name), workload)| (name.clone(), current(workload)));
        let claims = namespace.and_then(|namespace| namespace.claims.as_ref());
        let of_claim =
            |volume: &String| Some((volume.clone(), Claim::current(claims?.get(volume))));
        let volumes = service.volumes.iter().filter_map(of_claim);
        volumes.chain(components).collect()
    }

    /// What runs a component.
    #[must_use]
    pub fn workload(&self, service: &str, component: &str) -> Option<&Workload> {
        self.workloads.get(&(service.to_owned(), component.to_owned()))
    }

    /// The objects of a service as they were seen, by name; empty where no cluster was asked.
    #[must_use]
    pub fn objects(&self, service: &Service) -> Vec<SeenObject> {
        let mine = service.components.iter().flat_map(|component| {
            let workload = self.workload(&service.name, &component.name);
            let scaler = workload.and_then(|workload| workload.scaler.as_ref()?.object());
            [Some(component.target.to_string()), scaler].into_iter().flatten()
        });
        let mine: BTreeSet<String> = mine.collect();
        let here = self.objects.get(&service.namespace).into_iter().flatten();
        let mut seen: Vec<SeenObject> =
            here.filter(|seen| mine.contains(&seen.object)).cloned().collect();
        seen.sort_by(|a, b| a.object.cmp(&b.object));
        seen
    }

    /// Whether something hides what is in force.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.gaps.iter().any(|gap| gap.of_settings)
    }
}

impl Workload {
    /// What is in force, and what nobody else is to be believed on.
    #[must_use]
    pub fn current(&self) -> Current {
        if self.exists == Some(false) {
            return Current { doubt: Some(Doubt::Object), ..Current::default() };
        }
        let current = self.resources();
        let replicas = self.replicas;
        // an HPA holds still there, and a count of one's own would wake it
        let idle = (replicas == Some(0)).then_some(Doubt::Idle);
        let current = Current { doubt: idle, ..current };
        match &self.scaler {
            None => Current { doubt: Some(Doubt::Count), ..current },
            Some(Scaler::Nobody) => Current { replicas, alone: true, ..current },
            Some(
                Scaler::Hpa(Hpa { min, max, targets, .. })
                | Scaler::Keda(ScaledObject { min, max, targets, .. }),
            ) => Current {
                replicas,
                // what the loop holds up for now is no setting of anybody
                min_replicas: self.scaler.as_ref().and_then(Scaler::base).or(*min),
                max_replicas: *max,
                target_utilization: targets.cpu,
                memory_utilization: targets.memory,
                cpu_beside: if targets.of_pods { self.cpu_beside() } else { Millicores(0) },
                // KEDA scales to nothing and back by itself
                doubt: idle.filter(|_| !matches!(self.scaler, Some(Scaler::Keda(_)))),
                ..current
            },
        }
    }

    /// Whether its container states a limit of its memory alone: the server makes that its request.
    #[must_use]
    pub fn requests_its_memory_limit(&self) -> bool {
        let container = self.container.as_ref();
        container.is_some_and(|one| one.requests.memory.is_none() && one.limits.memory.is_some())
    }

    /// What the containers beside the one that is sized request of CPU.
    fn cpu_beside(&self) -> Millicores {
        let all = pod::asks(&self.pod, &[]).0.cpu.map_or(0, |cpu| cpu.0);
        let own = self.container.as_ref().and_then(|container| container.requests.cpu);
        Millicores(all.saturating_sub(own.map_or(all, |cpu| cpu.0)))
    }

    /// The requests and limits in force, as far as it is clear whose.
    fn resources(&self) -> Current {
        let guaranteed = pod::class(&self.pod) == "Guaranteed";
        match &self.container {
            Some(Container { requests, limits, .. }) => Current {
                cpu_request: requests.cpu,
                cpu_limit: limits.cpu,
                memory_request: requests.memory,
                memory_limit: limits.memory,
                resources: Some(Resources::Told),
                guaranteed,
                ..Current::default()
            },
            None => {
                Current { resources: self.exists.map(|_| Resources::Unclear), ..Current::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four(scaler: Option<Scaler>) -> Current {
        Workload { exists: Some(true), replicas: Some(4), scaler, ..Workload::default() }.current()
    }

    #[test]
    fn a_count_is_in_force_only_where_it_is_known_who_sets_it() {
        assert_eq!(four(Some(Scaler::Nobody)).replicas, Some(4));
        assert_eq!(four(None).replicas, None);
        assert_eq!(four(None).doubt, Some(Doubt::Count));
    }

    #[test]
    fn what_somebody_scaled_to_nothing_is_idle_unless_keda_did_it() {
        let idle = |scaler| {
            let none = Workload { exists: Some(true), replicas: Some(0), ..Workload::default() };
            Workload { scaler, ..none }.current().doubt
        };
        assert_eq!(idle(Some(Scaler::Nobody)), Some(Doubt::Idle));
        let (name, min, max) = ("api".to_owned(), Some(2), Some(9));
        let hpa = Hpa {
            name: name.clone(),
            min,
            base: None,
            max,
            targets: Targets::default(),
            only_cpu: false,
        };
        assert_eq!(idle(Some(Scaler::Hpa(hpa))), Some(Doubt::Idle));
        let keda = ScaledObject::example("api", 0, 9);
        assert_eq!(idle(Some(Scaler::Keda(keda))), None);
        assert_eq!(four(Some(Scaler::Nobody)).doubt, None);
    }

    #[test]
    fn keda_may_scale_to_nothing() {
        let scaled = ScaledObject::example("api", 0, 9);
        let current = four(Some(Scaler::Keda(scaled)));
        assert_eq!((current.min_replicas, current.max_replicas), (Some(0), Some(9)));
    }

    #[test]
    fn pods_are_guaranteed_only_where_all_of_theirs_is_limited_to_what_it_requests() {
        let told = |resources: Value| {
            let pod = serde_json::json!({"containers": [{"name": "api", "resources": resources}]});
            let [requests, limits] = [Amounts::default(); 2];
            let container = Some(Container { name: "api".to_owned(), requests, limits });
            Workload { pod, container, exists: Some(true), ..Workload::default() }.current()
        };
        let memory = serde_json::json!({"memory": "512Mi"});
        let burstable = serde_json::json!({"requests": memory, "limits": memory});
        assert!(!told(burstable).guaranteed);
        let both = serde_json::json!({"limits": {"cpu": "1", "memory": "512Mi"}});
        assert!(told(both).guaranteed);
        assert!(!four(None).guaranteed, "nobody told of its pods");
    }

    #[test]
    fn nothing_is_in_force_for_an_object_that_is_not_there() {
        let gone = Workload { exists: Some(false), replicas: Some(4), ..Workload::default() };
        assert_eq!(gone.current(), Current { doubt: Some(Doubt::Object), ..Current::default() });
    }
}
