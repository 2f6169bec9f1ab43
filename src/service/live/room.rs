//! What there is room for: quotas, limit ranges, claims, nodes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Amounts;
use crate::units::Bytes;

/// What a namespace allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its quotas.
    pub quotas: Option<Vec<Quota>>,
    /// Its limits for single containers and pods.
    pub limits: Option<Vec<LimitRange>>,
    /// The claims that the settings name, by name; one that is not here does not exist.
    pub claims: Option<BTreeMap<String, Claim>>,
}

/// A resource quota. One with scopes holds for a part of the pods only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// `metadata.name`.
    pub name: String,
    /// What limits it to some pods: it counts those that are in all of them.
    pub scopes: Vec<Scope>,
    /// The most that is allowed.
    pub hard: QuotaAmounts,
    /// What is taken of it.
    pub used: QuotaAmounts,
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

/// What a quota counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaAmounts {
    /// Sum of all requests.
    pub requests: Amounts,
    /// Sum of all limits.
    pub limits: Amounts,
    /// Number of pods.
    pub pods: Option<u32>,
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
    /// What keeps pods away that do not tolerate it: `spec.taints` as they stand.
    pub taints: Vec<Value>,
    /// Whether new pods may come at all.
    pub schedulable: bool,
}
