//! A service under a policy: load in, pods started and stopped, and what that cost and left unserved.
//!
//! Time goes in syncs of 15 s. Within a step of the trace load stands still. What a policy sees at a sync is the
//! load of the 15 s before it, so that nothing sees the load it is about to serve. A pod that is asked for is
//! paid from then on and serves after the start-up delay; a pod that is taken away is gone at once, starting ones
//! first. Load above what ready pods serve is unmet; it is not queued and does not come back. A policy is told
//! the load offered and not the load served: real CPU metrics end at 100 %, which is kind to every policy
//! that reacts.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::floor::pods_for;
use super::hpa::SYNC_S;
use super::scaler::Scaler;
use crate::history::History;
use crate::units::Period;

/// Share of capacity above which a pod is called busy.
const BUSY: f64 = 0.9;

/// What a policy scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pods {
    /// What one pod serves at 100 %, in rps.
    pub capacity: f64,
    /// The load at which a pod uses all that it requests, in rps: 100 % to an HPA.
    pub request: f64,
    /// From asking for a pod until it serves.
    pub start_up: Period,
    /// Ready pods at the start.
    pub initial: u32,
}

impl Pods {
    /// Pods whose request is their capacity, as many as serve `load` rps at 70 %.
    #[must_use]
    pub fn at_ease(capacity: f64, start_up: Period, load: f64) -> Self {
        let initial = pods_for(load, 0.7 * capacity);
        Self { capacity, request: capacity, start_up, initial }
    }
}

/// What a policy knows at a sync.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Now, in Unix seconds.
    pub now_s: i64,
    /// The steps of the trace that are over, in rps; NaN for a gap.
    pub past: &'a [f64],
    /// The load of the last 15 s, in rps; NaN where it is not known.
    pub seen: f64,
    /// Whether `seen` belongs to the running step; in its first 15 s nothing is known of it.
    pub running: bool,
    /// The count that is set.
    pub current: u32,
    /// Pods that serve.
    pub ready: u32,
}

/// The pods at the beginning of a step, after the policy has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Pods asked for.
    pub desired: u32,
    /// Pods that serve.
    pub ready: u32,
}

/// What a policy cost and left unserved. Steps without a sample count for pod-hours and events alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scores {
    /// Hours of pods asked for.
    pub pod_hours: f64,
    /// Hours that were scored.
    pub hours: f64,
    /// Requests that came.
    pub requests: f64,
    /// Requests above what ready pods could serve.
    pub unmet: f64,
    /// Seconds in which some were unmet.
    pub short_s: f64,
    /// Hours above 90 % utilisation.
    pub busy_hours: f64,
    /// Changes of the count.
    pub events: u32,
}

impl Scores {
    /// Unmet requests as a share of all, 0 to 1.
    #[must_use]
    pub fn unmet_share(&self) -> f64 {
        if self.requests > 0.0 { self.unmet / self.requests } else { 0.0 }
    }

    /// Share of the time in which some requests were unmet, 0 to 1.
    #[must_use]
    pub fn short_share(&self) -> f64 {
        if self.hours > 0.0 { self.short_s / 3_600.0 / self.hours } else { 0.0 }
    }
}

/// A policy's course over a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// One row per step of the trace.
    pub rows: Vec<Row>,
    /// The scores from the first scored step on.
    pub scores: Scores,
}

/// Runs `scaler` over `load`, scored from the moment `scored_from` on.
#[must_use]
pub fn simulate(
    load: &History,
    pods: &Pods,
    scored_from: Timestamp,
    scaler: &mut Scaler,
) -> Course {
    let ticks = (load.step.0 / SYNC_S).max(1);
    let first_scored = load.span(scored_from, load.end()).start;
    let start_s = load.start.as_second();
    let mut fleet = Fleet { ready: pods.initial, starting: VecDeque::new() };
    let mut course =
        Course { rows: Vec::with_capacity(load.values.len()), scores: Scores::default() };
    let mut seen = f64::NAN;
    let mut step_start_s = start_s;
    for (step, &offered) in load.values.iter().enumerate() {
        for tick in 0..ticks {
            let now_s = step_start_s + tick * load.step.0 / ticks;
            fleet.settle(now_s);
            let (current, ready) = (fleet.asked(), fleet.ready);
            let past = &load.values[..step];
            let view = View { now_s, past, seen, running: tick > 0, current, ready };
            let desired = scaler.desired(&view);
            fleet.scale(desired, now_s + pods.start_up.0);
            if tick == 0 {
                course.rows.push(Row { desired, ready: fleet.ready });
            }
            if step >= first_scored {
                let seconds = (tick + 1) * load.step.0 / ticks - tick * load.step.0 / ticks;
                course.scores.events += u32::from(desired != current);
                course.scores.tally(offered, pods.capacity, &fleet, seconds);
            }
            seen = offered;
        }
        step_start_s += load.step.0;
    }
    course
}

impl Scores {
    #[expect(clippy::cast_precision_loss, reason = "seconds of a step")]
    fn tally(&mut self, offered: f64, capacity: f64, fleet: &Fleet, seconds: i64) {
        let seconds = seconds as f64;
        self.pod_hours += f64::from(fleet.asked()) * seconds / 3_600.0;
        if offered.is_nan() {
            return;
        }
        let served = f64::from(fleet.ready) * capacity;
        self.hours += seconds / 3_600.0;
        self.requests += offered * seconds;
        if offered > served {
            self.unmet += (offered - served) * seconds;
            self.short_s += seconds;
        }
        if offered > BUSY * served {
            self.busy_hours += seconds / 3_600.0;
        }
    }
}

/// The pods of a service: those that serve, and those that will, in the order in which they were asked for.
struct Fleet {
    ready: u32,
    /// The second from which they serve, and how many.
    starting: VecDeque<(i64, u32)>,
}

impl Fleet {
    fn asked(&self) -> u32 {
        self.ready + self.starting.iter().map(|(_, pods)| pods).sum::<u32>()
    }

    fn settle(&mut self, now_s: i64) {
        while let Some(&(from_s, pods)) = self.starting.front()
            && from_s <= now_s
        {
            self.ready += pods;
            self.starting.pop_front();
        }
    }

    fn scale(&mut self, desired: u32, serves_from_s: i64) {
        let asked = self.asked();
        if desired > asked {
            self.starting.push_back((serves_from_s, desired - asked));
        }
        let mut surplus = asked.saturating_sub(desired);
        // the newest go first, as the ReplicaSet controller chooses them
        while surplus > 0
            && let Some((_, pods)) = self.starting.back_mut()
        {
            let gone = surplus.min(*pods);
            *pods -= gone;
            surplus -= gone;
            if *pods == 0 {
                self.starting.pop_back();
            }
        }
        self.ready -= surplus;
    }
}
