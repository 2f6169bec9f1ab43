//! What pods and the volume claims that come with them ask of quotas (Kubernetes, "Resource Quotas").

use std::collections::BTreeMap;

use serde_json::Value;

use crate::service::live::{Counted, LimitRange, PodClaim};
use crate::service::pod::asks;

/// By what a quota may count; what is not here is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs(BTreeMap<Counted, u64>);

impl Needs {
    /// Those of one pod of this `spec`.
    #[must_use]
    pub fn of_pod(pod: &Value, ranges: &[LimitRange]) -> Self {
        let (requests, limits) = asks(pod, ranges);
        let all = [
            (Counted::CpuRequests, requests.cpu.map(|cpu| cpu.0)),
            (Counted::MemoryRequests, requests.memory.map(|memory| memory.0)),
            (Counted::CpuLimits, limits.cpu.map(|cpu| cpu.0)),
            (Counted::MemoryLimits, limits.memory.map(|memory| memory.0)),
            (Counted::Pods, Some(1)),
        ];
        Self(all.into_iter().filter_map(|(what, needs)| Some((what, needs?))).collect())
    }

    /// Those of the claims that one pod gets.
    #[must_use]
    pub fn of_claims(claims: &[PodClaim]) -> Self {
        let mut all = Self::default();
        for claim in claims {
            let named = claim.class.clone().map(Some);
            for class in named.into_iter().chain([None]) {
                *all.0.entry(Counted::Claims(class.clone())).or_default() += 1;
                let storage = all.0.entry(Counted::Storage(class)).or_default();
                *storage = storage.saturating_add(claim.request.0);
            }
        }
        all
    }

    /// How much of one thing.
    #[must_use]
    pub fn of(&self, what: &Counted) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// The two together.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        for (what, needs) in &more.0 {
            let all = self.0.entry(what.clone()).or_default();
            *all = all.saturating_add(*needs);
        }
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.0.values_mut().for_each(|needs| *needs = needs.saturating_mul(count));
        self
    }

    /// What it is more than another.
    #[must_use]
    pub fn beyond(mut self, less: &Self) -> Self {
        self.0.iter_mut().for_each(|(what, needs)| *needs = needs.saturating_sub(less.of(what)));
        self
    }
}
