//! The past lived again under other policies: what each would have cost, and what it would have left unserved.
//!
//! [`replay`] runs every policy over one load, sync by sync ([`simulate()`]), with the autoscaler as Kubernetes has
//! it ([`hpa`]). What a policy decides, it decides from what lay before: it is handed the steps that are over and
//! the load of the last 15 seconds, and nothing else. Forecasts and sizes are those of `forecast` and
//! `advise::sizing`; the weekly advice comes in as the changes that the shipped pipeline made ([`Change`]).

mod coming;
mod floor;
mod holt_winters;
pub mod hpa;
mod nowcast;
pub mod policy;
mod scaler;
pub mod simulate;
pub mod verdict;

use jiff::Timestamp;

use crate::advise::sizing::Sizing;
use crate::capacity::Capacity;
use crate::history::History;
use crate::service::{Calendar, Current};
use crate::tiers::{Size, Tier, TierTable};
use crate::units::{Period, Ratio};

use self::nowcast::Nowcast;
pub use self::policy::Policy;
use self::scaler::Scaler;
pub use self::simulate::{Course, Pods, Row, Scores, simulate};
use self::verdict::Verdict;

/// What is replayed, and under which rules.
#[derive(Debug, Clone, Copy)]
pub struct Scenario<'a> {
    /// The load, gaps as NaN.
    pub load: &'a History,
    /// Clock and events.
    pub calendar: &'a Calendar,
    /// The pods that serve it.
    pub pods: Pods,
    /// The replicas that a load asks for.
    pub sizing: Sizing<'a>,
    /// The first moment that is scored; before it there is too little to learn from.
    pub scored_from: Timestamp,
}

/// Settings of a component from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first moment.
    pub from: Timestamp,
    /// What is then in force.
    pub current: Current,
}

/// A policy and how it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// The policy.
    pub policy: Policy,
    /// Its course and scores.
    pub course: Course,
}

/// A replay with its terms: what the renderers read.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// What was replayed: a series, or a service and its component.
    pub name: String,
    /// The load.
    pub load: History,
    /// The pods that served it.
    pub pods: Pods,
    /// The first moment scored.
    pub scored_from: Timestamp,
    /// Largest share of the time that may be short of pods.
    pub risk: Ratio,
    /// What an hour of a pod costs, where that is known, in any money.
    pub price: Option<f64>,
    /// Every policy and how it did.
    pub played: Vec<Played>,
    /// What is recommended.
    pub verdict: Verdict,
}

/// What a replay is asked for beyond what the data say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// What a pod serves at 100 %, in rps; `None`: as measured.
    pub capacity: Option<f64>,
    /// From asking for a pod until it serves; `None`: as the settings say.
    pub start_up: Option<Period>,
    /// How much of the load is learnt from before scores are kept.
    pub warm_up: Period,
    /// Largest share of the time that may be short of pods.
    pub risk: Ratio,
    /// What an hour of a pod costs.
    pub price: Option<f64>,
}

/// The replay of a bare trace: capacity alone says how many pods a load needs, and no settings are in force.
#[must_use]
pub fn of_trace(
    name: &str,
    load: &History,
    calendar: &Calendar,
    pods: Pods,
    terms: &Terms,
    done: impl FnMut(&Policy),
) -> Replay {
    let (table, capacity) = (any_load(), given(pods.capacity));
    let sizing = Sizing { table: &table, component: ANY, capacity: Some(&capacity) };
    let scored_from = scored_from(load, terms.warm_up);
    let scenario = Scenario { load, calendar, pods, sizing, scored_from };
    judged(name, &scenario, &Policy::for_all(), terms, done)
}

/// Plays every policy and judges them.
#[must_use]
pub fn judged(
    name: &str,
    scenario: &Scenario<'_>,
    policies: &[Policy],
    terms: &Terms,
    done: impl FnMut(&Policy),
) -> Replay {
    let played = replay(scenario, policies, done);
    Replay { price: terms.price, ..Replay::of(name, scenario, played, terms.risk) }
}

impl Replay {
    /// What was played over a scenario, with the verdict on it; without a price.
    #[must_use]
    pub fn of(name: &str, scenario: &Scenario<'_>, played: Vec<Played>, risk: Ratio) -> Self {
        Self {
            name: name.to_owned(),
            load: scenario.load.clone(),
            pods: scenario.pods,
            scored_from: scenario.scored_from,
            risk,
            price: None,
            verdict: verdict::verdict(&played, risk),
            played,
        }
    }
}

/// The end of the warm-up, or the middle of a load that is shorter than twice that.
#[must_use]
pub fn scored_from(load: &History, warm_up: Period) -> Timestamp {
    load.time(warm_up.steps(load.step).min(load.values.len() / 2))
}

/// Every policy over the scenario, in the order given. `done` is told after each.
#[must_use]
pub fn replay(
    scenario: &Scenario<'_>,
    policies: &[Policy],
    mut done: impl FnMut(&Policy),
) -> Vec<Played> {
    let play = |policy: &Policy| {
        let played = Played { policy: policy.clone(), course: course(scenario, policy) };
        done(policy);
        played
    };
    policies.iter().map(play).collect()
}

/// The course of one policy.
#[must_use]
pub fn course(scenario: &Scenario<'_>, policy: &Policy) -> Course {
    let Scenario { load, pods, scored_from, .. } = scenario;
    simulate(load, pods, *scored_from, &mut Scaler::new(scenario, policy))
}

/// The floors that the nowcast of [`Policy::NOWCAST`] asks for at the end of each step of the scenario's load; `None`
/// while it has too little to go by. The newest is what the loop sets: it has seen the same, and is the same code.
#[must_use]
pub fn floors(scenario: &Scenario<'_>) -> Vec<Option<u32>> {
    let Policy::Nowcast { level, headroom, .. } = Policy::NOWCAST else { return Vec::new() };
    Nowcast::new(scenario, level, headroom).after_each_step(scenario.load)
}

/// The name of the only component in [`any_load`].
pub const ANY: &str = "pods";

/// A table without tiers: what a bare trace is sized by, where capacity alone says how many.
#[must_use]
pub fn any_load() -> TierTable {
    let sizes = vec![(ANY.to_owned(), Size::Replicas { min: 1, max: policy::COUNT_MAX })];
    TierTable { rows: vec![Tier { name: "any".to_owned(), from: 0.0, below: None, sizes }] }
}

/// A capacity that is given and not measured, in rps per pod.
#[must_use]
pub fn given(per_replica: f64) -> Capacity {
    Capacity { per_replica, low: per_replica, high: per_replica, steps: 0, saturated: true }
}
