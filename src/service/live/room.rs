//! What there is room for: quotas, limit ranges, claims, nodes.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::Amounts;
use crate::service::{Current, Doubt};
use crate::units::{Bytes, Millicores};

/// What a namespace allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its quotas.
    pub quotas: Option<Vec<Quota>>,
    /// Its limits for single containers and pods.
    pub limits: Option<Vec<LimitRange>>,
    /// Its claims by name, where one matters; one that is not here does not exist.
    pub claims: Option<BTreeMap<String, Claim>>,
}

/// A resource quota. One with scopes holds for a part of the pods only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// `metadata.name`.
    pub name: String,
    /// What limits it to some pods: it counts those that are in all of them.
    pub scopes: Vec<Scope>,
    /// What it counts.
    pub counts: BTreeMap<Counted, Taken>,
}

/// How much of something is allowed, and taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The most that is allowed.
    pub hard: u64,
    /// What is taken of it.
    pub used: u64,
}

/// What a quota counts: thousandths of cores, bytes, numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Sum of all CPU requests.
    CpuRequests,
    /// Sum of all memory requests.
    MemoryRequests,
    /// Sum of all CPU limits.
    CpuLimits,
    /// Sum of all memory limits.
    MemoryLimits,
    /// Number of pods.
    Pods,
    /// Number of volume claims, of one storage class or of all.
    Claims(Option<String>),
    /// Sum of what volume claims request, of one storage class or of all.
    Storage(Option<String>),
}

/// How a quota names what it counts of one storage class, behind its name.
const OF_A_CLASS: &str = ".storageclass.storage.k8s.io/";

impl Counted {
    /// What a quota counts by one of its names; `None`: nothing that pods are advised with.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (class, name) = match name.split_once(OF_A_CLASS) {
            Some((class, name)) => (Some(class.to_owned()), name),
            None => (None, name),
        };
        match name {
            "persistentvolumeclaims" | "count/persistentvolumeclaims" => Some(Self::Claims(class)),
            "requests.storage" => Some(Self::Storage(class)),
            _ if class.is_some() => None,
            "cpu" | "requests.cpu" => Some(Self::CpuRequests),
            "memory" | "requests.memory" => Some(Self::MemoryRequests),
            "limits.cpu" => Some(Self::CpuLimits),
            "limits.memory" => Some(Self::MemoryLimits),
            "pods" | "count/pods" => Some(Self::Pods),
            _ => None,
        }
    }

    /// So much of it, as Kubernetes writes it.
    #[must_use]
    pub fn amount(&self, figure: u64) -> String {
        match self {
            Self::CpuRequests | Self::CpuLimits => Millicores(figure).to_string(),
            Self::MemoryRequests | Self::MemoryLimits | Self::Storage(_) => {
                Bytes(figure).to_string()
            }
            Self::Pods | Self::Claims(_) => figure.to_string(),
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, class) = match self {
            Self::CpuRequests => ("CPU requests", &None),
            Self::MemoryRequests => ("memory requests", &None),
            Self::CpuLimits => ("CPU limits", &None),
            Self::MemoryLimits => ("memory limits", &None),
            Self::Pods => ("pods", &None),
            Self::Claims(class) => ("volume claims", class),
            Self::Storage(class) => ("storage requests", class),
        };
        f.write_str(what)?;
        class.as_ref().map_or(Ok(()), |class| write!(f, " of class `{class}`"))
    }
}

/// Pods that a quota may be limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those with an `activeDeadlineSeconds`, or (`false`) those without.
    Terminating(bool),
    /// Those of the class `BestEffort`, or (`false`) of another.
    BestEffort(bool),
    /// Those of these priority classes.
    Priority(Vec<String>),
    /// Those that mind the pods of other namespaces.
    Affinity,
    /// Others, of which it is not known which they are.
    Other,
}

/// One rule of a limit range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRange {
    /// `metadata.name` of its object.
    pub name: String,
    /// `Container` or `Pod`.
    pub of: String,
    /// The least that a request may be.
    pub min: Amounts,
    /// The most that a limit may be.
    pub max: Amounts,
    /// How many times its request a limit may be at most, in thousandths: of CPU, of memory.
    pub max_ratio: [Option<u64>; 2],
    /// The limit of who states none.
    pub default: Amounts,
    /// The request of who states none.
    pub default_request: Amounts,
}

/// What the limit ranges of a namespace say of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ranges {
    /// The least that it may request, and be limited to.
    pub least: Amounts,
    /// The limits that it is given where it states none.
    pub limits: Amounts,
}

impl Ranges {
    /// Those of a namespace: of several minimums the largest holds, and of several limits the first is given.
    #[must_use]
    pub fn of(all: &[LimitRange]) -> Self {
        let mut ranges = Self::default();
        for one in all.iter().filter(|one| one.of == "Container") {
            let Self { least, limits } = &mut ranges;
            *least = Amounts {
                cpu: least.cpu.max(one.min.cpu),
                memory: least.memory.max(one.min.memory),
            };
            *limits = Amounts {
                cpu: limits.cpu.or(one.default.cpu),
                memory: limits.memory.or(one.default.memory),
            };
        }
        ranges
    }
}

impl LimitRange {
    /// What it allows, in words: `memory 64Mi to 1Gi, CPU at most 2`.
    #[must_use]
    pub fn words(&self) -> String {
        let cpu = |of: Amounts| of.cpu.map(|cpu| cpu.to_string());
        let memory = |of: Amounts| of.memory.map(|memory| memory.to_string());
        let bounds = |what: &str, least: Option<String>, most: Option<String>| match (least, most) {
            (Some(least), Some(most)) => Some(format!("{what} {least} to {most}")),
            (Some(least), None) => Some(format!("{what} at least {least}")),
            (None, Some(most)) => Some(format!("{what} at most {most}")),
            (None, None) => None,
        };
        let ratio = |what: &str, most: Option<u64>| {
            #[expect(clippy::cast_precision_loss, reason = "a ratio of amounts")]
            most.map(|most| format!("a {what} limit of {} times its request", most as f64 / 1000.0))
        };
        let all = [
            bounds("CPU", cpu(self.min), cpu(self.max)),
            bounds("memory", memory(self.min), memory(self.max)),
            ratio("CPU", self.max_ratio[0]),
            ratio("memory", self.max_ratio[1]),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A persistent volume claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it asks for.
    pub request: Option<Bytes>,
    /// What it has.
    pub capacity: Option<Bytes>,
    /// Its storage class.
    pub class: Option<String>,
    /// Whether its class allows expansion.
    pub expandable: Option<bool>,
    /// Whether the cluster has its class.
    pub has_class: Option<bool>,
}

impl Claim {
    /// What is in force for a claim that was looked for.
    #[must_use]
    pub fn current(found: Option<&Self>) -> Current {
        let Some(claim) = found else {
            return Current { doubt: Some(Doubt::Object), ..Current::default() };
        };
        let Self { request, capacity, .. } = *claim;
        Current { storage: request.max(capacity), capacity, ..Current::default() }
    }
}

/// A claim that every pod of a StatefulSet gets for its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodClaim {
    /// What it is called in the template, in front of the pod.
    pub name: String,
    /// What it asks for.
    pub request: Bytes,
    /// Its storage class; `None`: the usual one, and it is not told which that is.
    pub class: Option<String>,
}

impl Namespace {
    /// For how many pods that are gone the claims of `object` are still there, when so many run: who comes back finds them.
    #[must_use]
    pub fn claims_left(&self, object: &str, of: &[PodClaim], running: u64) -> u64 {
        let there = |template: &PodClaim| {
            let named = format!("{}-{object}-", template.name);
            let is_a_number = |rest: &str| rest.parse::<u32>().is_ok();
            let all = self.claims.iter().flatten();
            all.filter(|(name, _)| name.strip_prefix(&named).is_some_and(is_a_number)).count()
        };
        let all = of.iter().map(|template| there(template) as u64).min().unwrap_or(0);
        all.saturating_sub(running)
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// What pods may take of it.
    pub allocatable: Amounts,
    /// How many pods it takes.
    pub pods: Option<u32>,
    /// Its zone, where it is labelled with one.
    pub zone: Option<String>,
    /// What pods select it by.
    pub labels: BTreeMap<String, String>,
    /// What keeps pods away that do not tolerate it: `spec.taints` as they stand.
    pub taints: Vec<Value>,
    /// Whether new pods may come at all.
    pub schedulable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_pods_that_are_gone_wait_for_those_that_come_back() {
        let claim = || Claim {
            request: None,
            capacity: None,
            class: None,
            expandable: None,
            has_class: None,
        };
        let names = [
            "data-redis-0",
            "data-redis-1",
            "data-redis-2",
            "log-redis-0",
            "log-redis-1",
            "data-redis-ha-7",
        ];
        let claims = names.into_iter().map(|name| (name.to_owned(), claim())).collect();
        let namespace = Namespace { claims: Some(claims), ..Namespace::default() };
        let of = |name: &str| PodClaim { name: name.to_owned(), request: Bytes(1), class: None };
        assert_eq!(namespace.claims_left("redis", &[of("data")], 1), 2);
        assert_eq!(namespace.claims_left("redis", &[of("data"), of("log")], 1), 1);
        assert_eq!(namespace.claims_left("redis", &[of("data")], 5), 0);
        assert_eq!(Namespace::default().claims_left("redis", &[of("data")], 0), 0);
    }
}
