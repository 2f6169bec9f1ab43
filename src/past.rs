//! The pipeline as it would have run at past moments: the weeks behind the scorecard, and the advice that a replay
//! follows. Nothing here decides; it only turns the clock back.

pub mod floor;
pub mod windows;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::advise::plan::{Amount, Code, Reason, Recommendation, Setting};
use crate::advise::sizing::Sizing;
use crate::advise::utilization::Trial;
use crate::capacity::Capacity;
use crate::forecast::Forecast;
use crate::history::{self, Evidence, History, MarkKind, Observed, SeriesKey, Signal, Window};
use crate::replay::{self, Change, Pods, Replay, Scenario, Terms};
use crate::service::{Calendar, Component, Current, Policy, Service};
use crate::units::{Millicores, Period, Ratio};
use crate::{Assessment, advise, assess, peaks_ahead};

/// Past weeks that the scorecard grades.
const SCORED_WEEKS: i32 = 5;

/// One past week: what would have been planned at its start, and what came.
#[derive(Debug, Clone, PartialEq)]
pub struct WeekScore {
    /// The moment the week began, which is the origin of its forecast.
    pub from: Timestamp,
    /// The planning load at that moment, in rps.
    pub planned: f64,
    /// The week's highest step, in rps; NaN when no sample came.
    pub seen: f64,
    /// Share of hours inside the central 80 % interval.
    pub inside80: f64,
    /// Share of hours inside the central 95 % interval.
    pub inside95: f64,
    /// Names of events and marks that fell into the week.
    pub notes: Vec<String>,
}

/// One component of one service, with all that a replay of its past goes by.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The service as its team describes it.
    pub service: &'a Service,
    /// The component whose pods are replayed.
    pub component: &'a Component,
    /// The clock and events.
    pub calendar: &'a Calendar,
    /// The policy of the advice.
    pub policy: &'a Policy,
    /// The window of history.
    pub window: &'a Window,
    /// Every series asked for.
    pub observed: &'a Observed,
    /// The cluster's word on what is in force.
    pub live: Option<Current>,
}

/// A component's past under every policy, with the weekly advice made by [`assess`] as it was known then.
///
/// # Errors
///
/// The reason where the load cannot be replayed, or nobody knows what a pod serves.
pub fn replayed(
    case: &Case<'_>,
    terms: &Terms,
    done: impl FnMut(&replay::Policy),
) -> Result<Replay, Reason> {
    let name = case.component.name.as_str();
    let now = case.assess(case.window.at, case.live);
    let load = advise::evidence(&now.history, &SeriesKey::service(Signal::Load))?;
    let measured = now.capacity.get(name).copied().filter(|capacity| capacity.saturated);
    let capacity = terms.capacity.map(replay::given).or(measured).ok_or_else(|| Reason {
        code: Code::Capacity,
        message: "what a pod serves was never measured; give `--capacity`".to_owned(),
    })?;
    let scored_from = replay::scored_from(load, terms.warm_up);
    let changes = case.weekly_advice(scored_from);
    let in_force = now.current.get(name).copied().unwrap_or_default();
    let first = load.values.iter().copied().find(|value| value.is_finite()).unwrap_or_default();
    let pods = Pods {
        request: requested(&now.history, name, in_force.cpu_request)
            .unwrap_or(capacity.per_replica),
        ..Pods::at_ease(
            capacity.per_replica,
            terms.start_up.unwrap_or(case.component.start_up),
            first,
        )
    };
    let sizing = Sizing { table: &case.service.tiers, component: name, capacity: Some(&capacity) };
    let scenario = Scenario { load, calendar: case.calendar, pods, sizing, scored_from };
    let mut policies = vec![
        replay::Policy::AsToday(Box::new(Change { from: load.start, current: in_force })),
        replay::Policy::Advised(changes),
    ];
    policies.extend(replay::Policy::for_all());
    Ok(replay::judged(&format!("{} {name}", case.service.name), &scenario, &policies, terms, done))
}

impl Case<'_> {
    /// The pipeline as it would have run at `at`, with `current` in force.
    fn assess(&self, at: Timestamp, current: Option<Current>) -> Assessment {
        let window = Window { at, ..*self.window };
        let live = current.map(|current| (self.component.name.clone(), current));
        let live = live.into_iter().collect();
        assess(self.service, self.calendar, self.policy, &window, self.observed, &live)
    }

    /// The settings week by week from `from` on, each as the advice of its Monday, had it been followed.
    fn weekly_advice(&self, from: Timestamp) -> Vec<Change> {
        let name = self.component.name.as_str();
        let mut changes: Vec<Change> = Vec::new();
        let mut at = from;
        while at < self.window.at {
            // a sample stamped with the very moment is about what comes
            let known = at - SignedDuration::from_secs(1);
            let before = changes.last().map(|change| change.current);
            let then = self.assess(known, before);
            let in_force = then.current.get(name).copied().unwrap_or_default();
            let advised = then.plan.recommendations.iter().filter(|one| one.component == name);
            changes.push(Change { from: at, current: advised.fold(in_force, followed) });
            at += SignedDuration::from_secs(Period::WEEK.0);
        }
        changes
    }
}

/// The settings after a recommendation on a count or its HPA was followed; one that abstains changes nothing.
fn followed(current: Current, advised: &Recommendation) -> Current {
    let Some(Amount::Count(count)) = advised.target else {
        return current;
    };
    match advised.setting {
        Setting::MinReplicas => Current { min_replicas: Some(count), ..current },
        Setting::MaxReplicas => Current { max_replicas: Some(count), ..current },
        Setting::Replicas => Current { replicas: Some(count), ..current },
        Setting::TargetUtilization => Current { target_utilization: Some(count), ..current },
        _ => current,
    }
}

/// A way to live a component's recent past again with the HPA of the replay; see [`planned`].
pub(crate) fn rehearsal<'a>(
    service: &'a Service,
    calendar: &'a Calendar,
    policy: &'a Policy,
    history: &'a BTreeMap<SeriesKey, Evidence<History>>,
    capacity: &'a BTreeMap<String, Capacity>,
) -> impl Fn(&Component, Current, f64) -> Option<Trial> + 'a {
    move |component, settings, peak| {
        let capacity = limit(capacity, &component.name)?;
        let load = planned(history, policy, peak)?;
        let pods = pods(history, component, capacity, settings, &load)?;
        let sizing =
            Sizing { table: &service.tiers, component: &component.name, capacity: Some(capacity) };
        let scenario = Scenario { load: &load, calendar, pods, sizing, scored_from: load.start };
        let settings =
            replay::Policy::AsToday(Box::new(Change { from: load.start, current: settings }));
        let scores = replay::course(&scenario, &settings).scores;
        Some(Trial {
            span: Period(load.end().duration_since(load.start).as_secs()),
            pod_hours: scores.pod_hours,
            short: Ratio(scores.short_share()),
            unmet: Ratio(scores.unmet_share()),
        })
    }
}

/// The ways to run each component that has a measured limit, over one past, lifted to peak at the planning load: as
/// today, as advised, and what else there is.
#[must_use]
pub fn candidates(a: &Assessment) -> BTreeMap<String, Replay> {
    let peak = a.plan.load.as_ref().map(|load| load.planning);
    let Some(load) = peak.and_then(|peak| planned(&a.history, &a.policy, peak)) else {
        return BTreeMap::new();
    };
    let of = |component: &Component| {
        let today = *a.current.get(&component.name)?;
        let capacity = limit(&a.capacity, &component.name)?;
        let pods = pods(&a.history, component, capacity, today, &load)?;
        let advised = a.plan.recommendations.iter().filter(|one| one.component == component.name);
        let from = |current| Change { from: load.start, current };
        let mut policies = vec![
            replay::Policy::AsToday(Box::new(from(today))),
            replay::Policy::Advised(vec![from(advised.fold(today, followed))]),
        ];
        policies.extend(replay::Policy::beside_settings());
        let sizing = Sizing {
            table: &a.service.tiers,
            component: &component.name,
            capacity: Some(capacity),
        };
        let scenario =
            Scenario { load: &load, calendar: &a.calendar, pods, sizing, scored_from: load.start };
        // to an HPA the request is the measure: a new one moves the load at which it adds a pod
        let request = a.plan.recommendations.iter().find_map(|one| match one.target {
            Some(Amount::Cpu(cpu)) if one.component == component.name => Some(cpu),
            _ => None,
        });
        let then = Current { cpu_request: request.or(today.cpu_request), ..today };
        let resized = self::pods(&a.history, component, capacity, then, &load)?;
        let play = |policy: replay::Policy| {
            let pods = if matches!(policy, replay::Policy::Advised(_)) { resized } else { pods };
            let course = replay::course(&Scenario { pods, ..scenario }, &policy);
            replay::Played { policy, course }
        };
        let played: Vec<replay::Played> = policies.into_iter().map(play).collect();
        let replay = Replay::of(&component.name, &scenario, played, a.policy.risk);
        Some((component.name.clone(), replay))
    };
    a.service.components.iter().filter(|component| !component.memory).filter_map(of).collect()
}

/// The load of the time that lowering looks back on, lifted so that it peaks at the planning load: how load moves is
/// learnt from the past, how high it goes is planned for.
fn planned(
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    policy: &Policy,
    peak: f64,
) -> Option<History> {
    let load = advise::evidence(history, &SeriesKey::service(Signal::Load)).ok()?;
    let mut load = load.since(load.end() - SignedDuration::from_secs(policy.min_history.0));
    let seen = history::peak(&load.values).filter(|seen| *seen > 0.0)?;
    let lift = (peak / seen).max(1.0);
    load.values.iter_mut().for_each(|value| *value *= lift);
    Some(load)
}

/// What a pod of a component serves, where its limit was ever seen.
fn limit<'a>(capacity: &'a BTreeMap<String, Capacity>, name: &str) -> Option<&'a Capacity> {
    capacity.get(name).filter(|capacity| capacity.saturated)
}

/// The pods of a component under `settings`; `None` where nobody knows what CPU a request costs.
fn pods(
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    component: &Component,
    capacity: &Capacity,
    settings: Current,
    load: &History,
) -> Option<Pods> {
    let first = load.values.iter().copied().find(|value| value.is_finite())?;
    let request = requested(history, &component.name, settings.cpu_request)?;
    Some(Pods { request, ..Pods::at_ease(capacity.per_replica, component.start_up, first) })
}

/// The load at which a pod of `component` uses the CPU that it requests, in rps: the request over the
/// middle CPU per request served.
fn requested(
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    component: &str,
    request: Option<Millicores>,
) -> Option<f64> {
    let series = |key: SeriesKey| advise::evidence(history, &key).ok();
    let (load, cpu) =
        (series(SeriesKey::service(Signal::Load))?, series(SeriesKey::of(component, Signal::Cpu))?);
    let request = f64::from(u32::try_from(request?.0).ok()?) / 1e3;
    let shift = load.span(load.start, cpu.start).end;
    let pairs = load.values.iter().skip(shift).zip(&cpu.values);
    let mut each: Vec<f64> = pairs
        .map(|(load, cpu)| cpu / load)
        .filter(|each| each.is_finite() && *each > 0.0)
        .collect();
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 2).map(|each| request / each)
}

/// What each of the last weeks would have been planned at, by the same forecast from what was known then.
pub(crate) fn scorecard(
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    calendar: &Calendar,
    policy: &Policy,
    at: Timestamp,
) -> Vec<WeekScore> {
    let Some(Evidence::Series(load)) = history.get(&SeriesKey::service(Signal::Load)) else {
        return Vec::new();
    };
    let week = SignedDuration::from_secs(Period::WEEK.0);
    let origins = (1..=SCORED_WEEKS).rev().map(|weeks| at - week * weeks);
    origins.filter_map(|origin| week_score(load, calendar, policy, origin, origin + week)).collect()
}

fn week_score(
    load: &History,
    calendar: &Calendar,
    policy: &Policy,
    from: Timestamp,
    to: Timestamp,
) -> Option<WeekScore> {
    let known = load.until(from);
    let calendar = &history::as_last_time(calendar, &known);
    let forecast = peaks_ahead(&known, calendar, Period::WEEK).ok()?;
    let planned = forecast.peak(0..forecast.quantiles.len()).quantile(1.0 - policy.risk.0);
    let seen = load.until(to).peaks(Period::HOUR);
    let values = &seen.values[seen.span(forecast.start, to)];
    let inside = |low: f64, high: f64| share_inside(&forecast, values, low, high);
    let marks = load
        .marks
        .iter()
        .filter(|mark| mark.kind != MarkKind::Gap && mark.from < to && mark.to > from);
    let mut notes: Vec<String> = marks.map(|mark| mark.why.clone()).collect();
    notes.dedup();
    Some(WeekScore {
        from,
        planned,
        seen: history::peak(values).unwrap_or(f64::NAN),
        inside80: inside(0.1, 0.9),
        inside95: inside(0.025, 0.975),
        notes,
    })
}

/// Share of seen values between two quantiles of the forecast.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share_inside(forecast: &Forecast, values: &[f64], low: f64, high: f64) -> f64 {
    let at = |level: f64| forecast.levels.iter().position(|known| (known - level).abs() < 1e-9);
    let (Some(low), Some(high)) = (at(low), at(high)) else {
        return f64::NAN;
    };
    let pairs = forecast.quantiles.iter().zip(values).filter(|(_, seen)| seen.is_finite());
    let (inside, all) = pairs.fold((0usize, 0usize), |(inside, all), (quantiles, seen)| {
        (inside + usize::from((quantiles[low]..=quantiles[high]).contains(seen)), all + 1)
    });
    inside as f64 / all.max(1) as f64
}
