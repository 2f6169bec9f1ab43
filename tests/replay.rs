//! A service's past under its own weekly advice: the shipped pipeline decides, and only from what lay before.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use plimsoll::advise::plan::{Amount, Setting};
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Observed, Signal, Window};
use plimsoll::replay::{Change, Policy, Replay, Terms};
use plimsoll::service::Current;
use plimsoll::source::demo;
use plimsoll::units::{Period, Ratio};
use plimsoll::{Case, assess, replayed};

const COMPONENT: &str = "api";

/// The demo's settings, the moment it looks at, and its history.
fn jarvis() -> (Settings, Timestamp, Observed) {
    let text = include_str!("../data/plimsoll.yaml");
    let settings = config::parse(text, "plimsoll.yaml", Path::new("data")).unwrap();
    let at: Timestamp = demo::AT.parse().unwrap();
    let observed = demo::observed(at, demo::SEED);
    (settings, at, observed)
}

/// Three weeks of warm-up leave five weeks of advice.
const TERMS: Terms = Terms {
    capacity: Some(12.0),
    start_up: None,
    warm_up: Period(3 * Period::WEEK.0),
    risk: Ratio(0.001),
    price: None,
};

fn replay(settings: &Settings, at: Timestamp, observed: &Observed) -> Replay {
    let service = &settings.services[0];
    let component = service.components.iter().find(|one| one.name == COMPONENT).unwrap();
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let case = Case {
        service,
        component,
        calendar: &settings.calendar,
        policy: &settings.policy,
        window: &window,
        observed,
        live: None,
    };
    replayed(&case, &TERMS, |_| ()).unwrap()
}

fn advised(replay: &Replay) -> &[Change] {
    let changes = replay.played.iter().find_map(|played| match &played.policy {
        Policy::Advised(changes) => Some(changes),
        _ => None,
    });
    changes.unwrap()
}

/// The targets of the plan that `assess` makes at a moment with some settings in force.
fn planned(
    settings: &Settings,
    at: Timestamp,
    observed: &Observed,
    current: Current,
) -> BTreeMap<Setting, u32> {
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let live = BTreeMap::from([(COMPONENT.to_owned(), current)]);
    let (service, policy) = (&settings.services[0], &settings.policy);
    let plan = assess(service, &settings.calendar, policy, &window, observed, &live).plan;
    let targets = plan.recommendations.iter().filter(|one| one.component == COMPONENT);
    let counts = targets.filter_map(|one| match one.target {
        Some(Amount::Count(count)) => Some((one.setting, count)),
        _ => None,
    });
    counts.collect()
}

#[test]
fn the_advice_of_a_past_week_is_the_plan_of_that_moment() {
    let (settings, at, observed) = jarvis();
    let replay = replay(&settings, at, &observed);
    let changes = advised(&replay);
    assert_eq!(changes.len(), 5);
    assert_eq!(changes[0].from, replay.scored_from);
    for pair in changes.windows(2) {
        let known = pair[1].from - SignedDuration::from_secs(1);
        let plan = planned(&settings, known, &observed, pair[0].current);
        assert_eq!(pair[1].current.min_replicas, plan.get(&Setting::MinReplicas).copied());
        assert_eq!(pair[1].current.max_replicas, plan.get(&Setting::MaxReplicas).copied());
    }
    assert!(changes.windows(2).any(|pair| pair[0].current != pair[1].current), "{changes:?}");
}

#[test]
fn what_comes_later_changes_no_earlier_advice_and_no_earlier_pod() {
    let (settings, at, before) = jarvis();
    let one = replay(&settings, at, &before);
    let turn = one.scored_from + SignedDuration::from_secs(2 * Period::WEEK.0 + 36_000);
    let mut after = before;
    // what the service went through, not what its pods are: their capacity and requests are the simulation's own
    let demand = [Signal::Load, Signal::Cpu, Signal::CpuMax, Signal::P99, Signal::ErrorRate];
    for (key, evidence) in &mut after {
        if let Evidence::Series(samples) = evidence
            && demand.contains(&key.signal)
        {
            let later = samples.at.partition_point(|at| *at < turn.as_second());
            samples.value[later..].iter_mut().for_each(|value| *value *= 1.7);
        }
    }
    let other = replay(&settings, at, &after);
    let until = |replay: &Replay| -> Vec<Change> {
        advised(replay).iter().copied().filter(|change| change.from <= turn).collect()
    };
    assert_eq!(until(&one).len(), 3);
    assert_eq!(until(&one), until(&other));
    let rows = one.load.span(one.load.start, turn).end;
    for (mine, theirs) in one.played.iter().zip(&other.played) {
        // today's settings are known from the end of the history, which has changed
        if !matches!(mine.policy, Policy::AsToday(_)) {
            let name = mine.policy.name();
            assert!(mine.course.rows[..rows] == theirs.course.rows[..rows], "{name}");
        }
    }
}

#[test]
fn todays_settings_bound_every_count() {
    let (settings, at, observed) = jarvis();
    let replay = replay(&settings, at, &observed);
    let today = replay.played.iter().find(|one| matches!(one.policy, Policy::AsToday(_))).unwrap();
    let Policy::AsToday(change) = &today.policy else { unreachable!() };
    let (min, max) = (change.current.min_replicas.unwrap(), change.current.max_replicas.unwrap());
    // the first sync may find other pods there
    assert!(today.course.rows[1..].iter().all(|row| (min..=max).contains(&row.desired)));
}
