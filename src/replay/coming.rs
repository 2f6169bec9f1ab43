//! What a policy that looks ahead has to go by: the steps as they become known, and how far a pod asked for now
//! must look.

use super::hpa::SYNC_S;
use super::simulate::{Pods, View};
use crate::units::Period;

/// The steps of a load as they become known to a policy.
#[derive(Debug, Clone)]
pub(super) struct Coming {
    /// Steps after the newest known one that pods asked for now will serve before any asked for later can.
    pub(super) lead: usize,
    known: usize,
}

impl Coming {
    pub(super) fn new(step: Period, pods: &Pods) -> Self {
        let delay = Period(pods.start_up.0 + SYNC_S);
        Self { lead: delay.steps(step) + 1, known: 0 }
    }

    /// The load of a step that was not known at the last sync; NaN where it has no sample.
    pub(super) fn news(&mut self, view: &View<'_>) -> Option<f64> {
        let known = view.past.len() + usize::from(view.running);
        if known == self.known {
            return None;
        }
        self.known = known;
        if view.running { Some(view.seen) } else { view.past.last().copied() }
    }
}
