//! A policy at work: what it says at a sync, and the HPA that hears it.

use super::floor::{ByForecast, LastWeekMax, Schedule};
use super::holt_winters::HoltWinters;
use super::hpa::{self, Hpa, Reading};
use super::nowcast::Nowcast;
use super::policy::COUNT_MAX;
use super::simulate::View;
use super::{Change, Policy, Scenario};

/// The HPA's target where the settings name none, as `autoscaling/v2` has it for CPU.
const TARGET_DEFAULT: f64 = 0.8;
/// Target of the HPA that stands in until a policy has seen enough to speak.
const TARGET_MEANWHILE: f64 = 0.7;

/// The state of one policy between syncs.
pub struct Scaler<'a> {
    rule: Rule<'a>,
    hpa: Hpa,
    /// The HPA's target while the rule speaks.
    target: f64,
    /// The load at which the HPA sees a pod at 100 %, in rps.
    request: f64,
}

/// Who speaks beside the HPA.
enum Rule<'a> {
    Nobody,
    Settings(&'a [Change]),
    LastWeekMax(LastWeekMax<'a>),
    Schedule(Schedule<'a>),
    Forecast(Box<ByForecast<'a>>),
    HoltWinters(HoltWinters),
    Nowcast(Box<Nowcast<'a>>),
}

/// What is said at a sync.
enum Say {
    /// Too little was seen to say anything.
    Nothing,
    /// The count itself; no HPA is asked.
    Count(u32),
    /// `minReplicas` of the HPA.
    Floor(u32),
    /// Its bounds, and its target where it is known.
    Bounds(u32, u32, Option<f64>),
}

impl<'a> Scaler<'a> {
    /// A policy that has seen nothing yet.
    #[must_use]
    pub fn new(scenario: &'a Scenario<'a>, policy: &'a Policy) -> Self {
        let (rule, target) = match policy {
            Policy::AsToday(change) => {
                (Rule::Settings(std::slice::from_ref(change)), TARGET_DEFAULT)
            }
            Policy::Advised(changes) => (Rule::Settings(changes), TARGET_DEFAULT),
            Policy::LastWeekMax => {
                (Rule::LastWeekMax(LastWeekMax::new(scenario)), TARGET_MEANWHILE)
            }
            Policy::Schedule => (Rule::Schedule(Schedule::new(scenario)), TARGET_MEANWHILE),
            Policy::Hpa { target } => (Rule::Nobody, *target),
            Policy::HoltWinters { target } => {
                (Rule::HoltWinters(HoltWinters::new(scenario, *target)), *target)
            }
            Policy::Floor { target, level } => {
                (Rule::Forecast(Box::new(ByForecast::new(scenario, *level))), *target)
            }
            Policy::Nowcast { target, level, headroom } => {
                (Rule::Nowcast(Box::new(Nowcast::new(scenario, *level, *headroom))), *target)
            }
        };
        let hpa = Hpa::new(hpa::Settings::new(target, 1, COUNT_MAX));
        Self { rule, hpa, target, request: scenario.pods.request }
    }

    /// The count to set at this sync.
    pub fn desired(&mut self, view: &View<'_>) -> u32 {
        let settings = &mut self.hpa.settings;
        (settings.min, settings.max) = (1, COUNT_MAX);
        settings.target = self.target;
        match self.rule.say(view) {
            Say::Count(count) => return count,
            Say::Floor(floor) => settings.min = floor.max(1),
            Say::Bounds(min, max, target) => {
                (settings.min, settings.max) = (min, max);
                settings.target = target.unwrap_or(self.target);
            }
            Say::Nothing if matches!(self.rule, Rule::Nobody) => {}
            Say::Nothing => settings.target = self.target.min(TARGET_MEANWHILE),
        }
        // without a sample no ready pod has a metric, and an HPA leaves the count alone
        let measured = if view.seen.is_nan() { 0 } else { view.ready };
        let reading = Reading {
            measured,
            usage: view.seen / self.request,
            unready: view.current - view.ready,
            missing: view.ready - measured,
        };
        self.hpa.sync(view.now_s, view.current, &reading)
    }
}

impl Rule<'_> {
    fn say(&mut self, view: &View<'_>) -> Say {
        let count = |count: Option<u32>| count.map_or(Say::Nothing, Say::Count);
        let floor = |floor: Option<u32>| floor.map_or(Say::Nothing, Say::Floor);
        match self {
            Self::Nobody => Say::Nothing,
            Self::Settings(changes) => in_force(changes, view),
            Self::LastWeekMax(rule) => count(rule.count(view)),
            Self::Schedule(rule) => count(rule.count(view)),
            Self::Forecast(rule) => floor(rule.floor(view)),
            Self::HoltWinters(rule) => floor(rule.floor(view)),
            Self::Nowcast(rule) => floor(rule.floor(view)),
        }
    }
}

/// The newest settings that have come into force; before the first of them, the first.
fn in_force(changes: &[Change], view: &View<'_>) -> Say {
    let newest = changes.iter().rev().find(|change| change.from.as_second() <= view.now_s);
    let Some(Change { current, .. }) = newest.or(changes.first()) else {
        return Say::Nothing;
    };
    let target = current.target_utilization.map(|percent| f64::from(percent) / 100.0);
    match (current.max_replicas, current.replicas) {
        (Some(max), _) => Say::Bounds(current.min_replicas.unwrap_or(1).max(1), max, target),
        (None, Some(count)) => Say::Count(count),
        (None, None) => Say::Nothing,
    }
}
