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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss)]
    use super::super::{ANY, Policy, Scenario, any_load, course, given};
    use super::*;
    use crate::advise::sizing::Sizing;
    use crate::service::Calendar;
    use jiff::tz::TimeZone;

    fn trace(step_s: i64, values: Vec<f64>) -> History {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        History { start, step: Period(step_s), values, marks: Vec::new(), newest: start }
    }

    /// The course of a policy over a load from its first step on, pods of 1 rps that start within two minutes.
    fn played(load: &History, policy: &Policy, initial: u32) -> Course {
        let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
        let (table, capacity) = (any_load(), given(1.0));
        let pods = Pods { capacity: 1.0, request: 1.0, start_up: Period(120), initial };
        let sizing = Sizing { table: &table, component: ANY, capacity: Some(&capacity) };
        let scenario =
            Scenario { load, calendar: &calendar, pods, sizing, scored_from: load.start };
        course(&scenario, policy)
    }

    #[test]
    fn a_step_up_is_short_until_new_pods_have_started() {
        // one step at rest, then 14 rps for an hour: seen after 15 s, served 120 s later
        let values = std::iter::once(7.0).chain([14.0; 12]).collect();
        let Course { rows, scores } = played(&trace(300, values), &Policy::Hpa { target: 0.7 }, 10);
        assert_eq!(scores.short_s, 135.0);
        // four rps above ten pods for 135 s
        assert_eq!(scores.unmet, 4.0 * 135.0);
        assert_eq!(scores.events, 1);
        assert_eq!(rows[1], Row { desired: 10, ready: 10 });
        assert_eq!(rows[2], Row { desired: 20, ready: 20 });
        // ten pods for 315 s, twenty for the rest of 3900 s: starting pods are paid
        assert!((scores.pod_hours - (3_150.0 + 71_700.0) / 3_600.0).abs() < 1e-9);
    }

    #[test]
    fn a_minute_trace_shows_pods_that_start() {
        let values = std::iter::once(7.0).chain([14.0; 9]).collect();
        let rows = played(&trace(60, values), &Policy::Hpa { target: 0.7 }, 10).rows;
        // asked for at 75 s, ready at 195 s: at the minutes two and three still starting
        assert_eq!(rows[2], Row { desired: 20, ready: 10 });
        assert_eq!(rows[3], Row { desired: 20, ready: 10 });
        assert_eq!(rows[4], Row { desired: 20, ready: 20 });
    }

    #[test]
    fn a_gap_is_neither_served_nor_short_and_changes_nothing() {
        let values = vec![7.0, f64::NAN, f64::NAN, f64::NAN, 7.0];
        let Course { rows, scores } = played(&trace(300, values), &Policy::Hpa { target: 0.7 }, 10);
        assert!(rows.iter().all(|row| *row == Row { desired: 10, ready: 10 }), "{rows:?}");
        assert_eq!((scores.unmet, scores.events), (0.0, 0));
        // two of five steps were seen, all five were paid
        assert!((scores.hours - 600.0 / 3_600.0).abs() < 1e-9);
        assert!((scores.pod_hours - 10.0 * 1_500.0 / 3_600.0).abs() < 1e-9);
    }

    #[test]
    fn starting_pods_are_the_first_to_go() {
        let mut fleet = Fleet { ready: 5, starting: VecDeque::new() };
        fleet.scale(9, 120);
        fleet.scale(7, 135);
        assert_eq!((fleet.ready, fleet.asked()), (5, 7));
        fleet.scale(4, 150);
        assert_eq!((fleet.ready, fleet.asked()), (4, 4));
    }

    /// Three weeks of days with noise and a job every night at two.
    fn lively(step_s: i64) -> Vec<f64> {
        let day = 86_400 / step_s;
        let mut noise = 7u64;
        let value = |i: i64| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let part = (i % day) as f64 / day as f64;
            let job = if (2 * day / 24..2 * day / 24 + 600 / step_s).contains(&(i % day)) {
                12.0
            } else {
                0.0
            };
            10.0 - 6.0 * (std::f64::consts::TAU * part).cos() + job + (noise >> 40) as f64 / 6e6
        };
        (0..21 * day).map(value).collect()
    }

    #[test]
    fn no_policy_sees_the_future() {
        let before = trace(300, lively(300));
        // in the middle of a day of the third week everything changes
        let turn = 16 * 288 + 131;
        let mut after = before.clone();
        after.values[turn..].iter_mut().for_each(|value| *value = 3.0 * *value + 20.0);
        let mut policies = Policy::baselines();
        policies.extend(Policy::variants());
        for policy in &policies {
            let [one, other] = [&before, &after].map(|load| played(load, policy, 10).rows);
            // the row at the turn was decided before its load was seen
            assert_eq!(one[..=turn], other[..=turn], "{}", policy.name());
        }
        // and the change is not lost on them: what reacts has other pods by the end of the day
        let rows = |load| played(load, &Policy::NOWCAST, 10).rows;
        assert_ne!(rows(&before)[turn + 2], rows(&after)[turn + 2]);
    }

    #[test]
    fn a_job_by_the_clock_is_met_by_the_nowcast_and_not_by_the_hpa() {
        let load = trace(300, lively(300));
        let short = |policy: &Policy| {
            let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
            let (table, capacity) = (any_load(), given(1.0));
            let sizing = Sizing { table: &table, component: ANY, capacity: Some(&capacity) };
            let pods = Pods { capacity: 1.0, request: 1.0, start_up: Period(120), initial: 10 };
            let scored_from = load.time(7 * 288);
            let scenario = Scenario { load: &load, calendar: &calendar, pods, sizing, scored_from };
            course(&scenario, policy).scores
        };
        let hpa = short(&Policy::Hpa { target: 0.7 });
        let nowcast = short(&Policy::NOWCAST);
        assert!(nowcast.pod_hours < 1.05 * hpa.pod_hours, "{nowcast:?} {hpa:?}");
        assert!(3.0 * nowcast.unmet < hpa.unmet, "{nowcast:?} {hpa:?}");
    }

    #[test]
    fn the_floor_of_the_loop_is_the_floor_of_the_replay() {
        let load = trace(300, lively(300));
        let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
        let (table, capacity) = (any_load(), given(1.0));
        let sizing = Sizing { table: &table, component: ANY, capacity: Some(&capacity) };
        let pods = Pods { capacity: 1.0, request: 1.0, start_up: Period(120), initial: 10 };
        let scenario =
            Scenario { load: &load, calendar: &calendar, pods, sizing, scored_from: load.start };
        let floors = super::super::floors(&scenario);
        // an HPA that never asks for more than one pod leaves the floor alone to decide
        let (level, headroom) = (0.97, 0.0);
        assert_eq!(Policy::Nowcast { target: 0.9, level, headroom }, Policy::NOWCAST);
        let alone = Policy::Nowcast { target: 1e9, level, headroom };
        let rows = course(&scenario, &alone).rows;
        // at the begin of a step the replay has heard of the one before it, as the loop has at that one's end; only a
        // count that is to fall waits there for its hold of a minute
        let (mut same, mut all) = (0, 0);
        for (row, floor) in rows[1..].iter().zip(&floors).skip(8 * 288) {
            same += u32::from(Some(row.desired) == *floor);
            all += 1;
        }
        assert_eq!(same, all);
    }

    #[test]
    fn more_pods_at_the_same_time_never_leave_more_unmet() {
        let load = trace(300, lively(300));
        let scores =
            [0.5, 0.7, 0.9].map(|target| played(&load, &Policy::Hpa { target }, 20).scores);
        for pair in scores.windows(2) {
            assert!(
                pair[0].pod_hours > pair[1].pod_hours && pair[0].unmet <= pair[1].unmet,
                "{pair:?}"
            );
        }
    }

    #[test]
    fn the_same_load_gives_the_same_course() {
        let load = trace(300, lively(300)[..1_000].to_vec());
        for policy in Policy::for_all() {
            assert_eq!(played(&load, &policy, 5), played(&load, &policy, 5), "{}", policy.name());
        }
    }
}
