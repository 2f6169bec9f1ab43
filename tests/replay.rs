//! A service's past under its own weekly advice: the shipped pipeline decides, and only from what lay before.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use plimsoll::advise::plan::{Action, Amount, Code, Recommendation, ServicePlan, Setting};
use plimsoll::advise::utilization::{Rehearsal, Trial};
use plimsoll::advise::{Known, advise};
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Observed, SeriesKey, Signal, Window};
use plimsoll::replay::{Change, Policy, Replay, Terms};
use plimsoll::service::{Component, Current};
use plimsoll::source::demo;
use plimsoll::tiers::Size;
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

/// The advice on the demo with a past that is told rather than lived again: served where `served` says so, and the
/// pod-hours fall as the target rises.
fn told(max_step: f64, served: impl Fn(Current) -> bool) -> ServicePlan {
    let (settings, at, observed) = jarvis();
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let (service, live) = (&settings.services[0], BTreeMap::new());
    let policy = plimsoll::service::Policy { max_step, ..settings.policy };
    let a = assess(service, &settings.calendar, &policy, &window, &observed, &live);
    let past = |_: &Component, settings: Current, _: f64| {
        let percent = f64::from(settings.target_utilization.unwrap());
        let short = if served(settings) { 0.04 } else { 0.06 };
        Some(Trial {
            span: Period(4 * Period::WEEK.0),
            pod_hours: 1e5 / percent + f64::from(settings.min_replicas.unwrap()),
            short: Ratio(short),
            unmet: Ratio(0.0),
        })
    };
    advise(&Known {
        service,
        calendar: &settings.calendar,
        policy: &policy,
        at,
        lookback: window.lookback,
        history: &a.history,
        forecast: &a.forecast,
        capacity: &a.capacity,
        rows: &a.rows,
        current: &a.current,
        rehearsal: Rehearsal(&past),
    })
}

fn aim(plan: &ServicePlan) -> &Recommendation {
    let aims = &plan.recommendations;
    aims.iter().find(|one| one.setting == Setting::TargetUtilization).unwrap()
}

fn said(plan: &ServicePlan) -> Vec<&str> {
    let replayed = plan.findings.iter().filter(|one| one.code == Code::Replay);
    replayed.map(|one| one.remedy.as_str()).collect()
}

#[test]
fn the_highest_cpu_target_under_which_the_past_is_served_is_advised_one_step_at_a_time() {
    let up_to = |percent: u32| move |tried: Current| tried.target_utilization <= Some(percent);
    let plan = told(2.0, up_to(57));
    // 55 is the highest of the targets tried, 5 apart, that is not above 57
    assert_eq!((aim(&plan).action, aim(&plan).target), (Action::Lower, Some(Amount::Count(55))));
    assert!(said(&plan).is_empty());
    // 70 over 1.1 is 63.6, and a lower target is the change: rounded up
    let stepped = told(1.1, up_to(57));
    assert_eq!(aim(&stepped).target, Some(Amount::Count(64)));
    assert_eq!(aim(&stepped).uncapped_target, Some(Amount::Count(55)));
    let kept = told(2.0, up_to(90));
    // the demo's week may not lower anything: that more would be saved by a higher target is not said either
    assert_eq!((aim(&kept).action, aim(&kept).target), (Action::Keep, Some(Amount::Count(70))));
    assert!(said(&kept).is_empty());
}

#[test]
fn where_no_cpu_target_serves_the_floor_that_would_is_put_up_for_decision() {
    let plan = told(2.0, |tried| tried.min_replicas >= Some(8));
    assert_eq!((aim(&plan).action, aim(&plan).target), (Action::Keep, Some(Amount::Count(70))));
    // 100000 / 70 and the pods of the floor: 1429 + 8 against 1429 + 5
    let would = "a `minReplicas` of 8 at 70 % would have, for 1437 pod-hours instead of 1434; \
                 `plimsoll replay` holds other ways to scale against it";
    assert_eq!(said(&plan), [would]);
    let none = told(2.0, |_| false);
    assert!(said(&none)[0].starts_with("no `minReplicas` up to 10 would have served it either"));
}

#[test]
fn pods_that_start_slowly_under_a_load_that_jumps_get_a_lower_cpu_target_and_that_is_enough() {
    let (mut settings, at, mut observed) = jarvis();
    let api = settings.services[0].components.iter_mut().find(|one| one.name == COMPONENT);
    api.unwrap().start_up = Period(1_200);
    // rows that begin with one pod leave the whole morning to the HPA
    for (component, size) in
        settings.services[0].tiers.rows.iter_mut().flat_map(|row| &mut row.sizes)
    {
        if let (COMPONENT, Size::Replicas { min, .. }) = (component.as_str(), size) {
            *min = 1;
        }
    }
    let targets = observed.get_mut(&SeriesKey::of(COMPONENT, Signal::HpaTarget));
    let Some(Evidence::Series(series)) = targets else { panic!("the demo has an HPA target") };
    series.value.fill(95.0);
    settings.policy.risk = Ratio(0.005);
    let aim = |in_force: Option<u32>| {
        let current = Current { target_utilization: in_force, ..Current::default() };
        planned(&settings, at, &observed, current)[&Setting::TargetUtilization]
    };
    // half of 95, the largest step; then what the past asks for, which is enough once it is in force
    assert_eq!((aim(None), aim(Some(48)), aim(Some(30))), (48, 30, 30));
    // pods that are there at once ask for no room: the same past is served as it is
    let api = settings.services[0].components.iter_mut().find(|one| one.name == COMPONENT);
    api.unwrap().start_up = Period(1);
    let at_once = planned(&settings, at, &observed, Current::default());
    assert!(at_once[&Setting::TargetUtilization] > 48, "{at_once:?}");
}
