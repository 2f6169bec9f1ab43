//! Everything known -> recommendations. Pure, and the only place where a number is decided.
//!
//! One idea runs through it: a setting is a rising function of load ([`sizing`]), the planning load may
//! only raise it, and only observed load may lower it ([`decide`]).

mod coupled;
pub mod current;
pub mod decide;
pub mod feasible;
pub mod findings;
pub mod health;
pub mod lowering;
mod memory;
pub mod plan;
mod pods;
mod replicas;
pub mod reporting;
mod requests;
pub mod sizing;
mod trend;
pub mod utilization;
mod volumes;
pub mod windows;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::advise::lowering::Lowering;
use crate::advise::plan::{
    Action, Code, Crossing, Finding, LoadFigures, Reason, Recommendation, Runway, ServicePlan,
    Status, TierFigures,
};
use crate::advise::utilization::Rehearsal;
use crate::capacity::{Capacity, RowVerdict};
use crate::forecast::{Forecast, Peak};
use crate::history::{self, Evidence, History, SeriesKey, Signal};
use crate::service::{Calendar, Component, Current, Policy, Service};
use crate::units::{Period, Ratio};

/// Chance at which a runway is called "1 in 10".
const ONE_IN_TEN: f64 = 0.1;
/// Chance at which a runway is called "even odds".
const EVEN_ODDS: f64 = 0.5;
/// Share of the newest week below which the load carries no advice: with fewer steps its peaks are rather missed than seen.
const SEEN_SHARE_MIN: f64 = 0.5;
/// Quantiles of the window's peak that bound a recommendation: even odds, and 1 in 100.
const BOUND_LEVELS: (f64, f64) = (0.5, 0.99);

/// All that is known of one service when it is advised on.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The service as its team describes it.
    pub service: &'a Service,
    /// Clock and events.
    pub calendar: &'a Calendar,
    /// Risk and bounds.
    pub policy: &'a Policy,
    /// The moment of the advice.
    pub at: Timestamp,
    /// How far back history was asked for.
    pub lookback: Period,
    /// Every series asked for.
    pub history: &'a BTreeMap<SeriesKey, Evidence<History>>,
    /// The load's forecast in hourly peaks, or the reason why there is none.
    pub forecast: &'a Result<Forecast, Reason>,
    /// Measured capacity by component.
    pub capacity: &'a BTreeMap<String, Capacity>,
    /// The table's rows against the measurement.
    pub rows: &'a BTreeMap<String, Vec<RowVerdict>>,
    /// What is in force, by component and volume; see [`current::in_force`].
    pub current: &'a BTreeMap<String, Current>,
    /// Lives the recent past again under other settings.
    pub rehearsal: Rehearsal<'a>,
}

/// The load that settings are sized for.
#[derive(Debug, Clone)]
pub struct Outlook<'a> {
    /// The forecast itself.
    pub forecast: &'a Forecast,
    /// The peak of the horizon.
    pub peak: Peak,
    /// The newest load, in rps.
    pub current: f64,
    /// The highest load of the last seven days, in rps.
    pub observed_peak: f64,
    /// The load that may raise settings: the planning load, or today's where that is higher, in rps.
    pub planning: f64,
    /// Whether observed load may lower settings, and for which load they must then still do.
    pub lowering: Lowering,
}

/// The advice for one service.
#[must_use]
pub fn advise(known: &Known<'_>) -> ServicePlan {
    let outlook = outlook(known);
    let mut recommendations: Vec<Recommendation> = known
        .service
        .components
        .iter()
        .flat_map(|component| of_component(known, component, outlook.as_ref()))
        .collect();
    recommendations
        .extend(known.service.volumes.iter().map(|volume| volumes::storage(known, volume)));
    let (aims, decisions) = aims(known, outlook.as_ref().ok(), &recommendations);
    recommendations.extend(aims);
    recommendations.sort_by(|a, b| (&a.component, a.setting).cmp(&(&b.component, b.setting)));
    let reasons = outlook.as_ref().err().cloned().into_iter().collect();
    let outlook = outlook.ok();
    ServicePlan {
        name: known.service.name.clone(),
        namespace: known.service.namespace.clone(),
        status: status(&recommendations, outlook.is_some()),
        reasons,
        load: outlook.as_ref().map(|outlook| load_figures(known, outlook)),
        tier: outlook.as_ref().map(|outlook| tier_figures(known, outlook)),
        crossings: outlook.as_ref().map(|outlook| crossings(known, outlook)).unwrap_or_default(),
        findings: findings::all(known, outlook.as_ref(), &recommendations, decisions),
        recommendations,
        objects: Vec::new(),
    }
}

fn of_component(
    known: &Known<'_>,
    component: &Component,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Vec<Recommendation> {
    let current = known.current.get(&component.name).copied().unwrap_or_default();
    let mut all = if component.memory {
        memory::of_component(known, component, current, outlook)
    } else {
        let mut all = replicas::of_table(known, component, current, outlook);
        coupled::bounds_in_order(&mut all);
        all.extend(requests::of_usage(known, component, current, outlook));
        if replicas::fewer_may_do(known, component, current, outlook) {
            coupled::counts_before_sizes(&mut all);
        }
        coupled::request_within_bounds(known, current, requests::growth(known, outlook), &mut all);
        all
    };
    coupled::request_in_doubt(&mut all, current);
    coupled::within_ranges(&mut all, current.ranges);
    all.into_iter().map(|one| current::as_told(component, current, one)).collect()
}

/// The CPU targets of the HPAs, under the bounds that are advised, and what they leave to decide.
fn aims(
    known: &Known<'_>,
    outlook: Option<&Outlook<'_>>,
    advised: &[Recommendation],
) -> (Vec<Recommendation>, Vec<Finding>) {
    let components = outlook.iter().flat_map(|outlook| {
        let of = |component| utilization::of_hpa(known, outlook, component, advised);
        known.service.components.iter().filter(|component| !component.memory).filter_map(of)
    });
    let (aims, decisions): (Vec<_>, Vec<_>) = components.unzip();
    (aims, decisions.into_iter().flatten().collect())
}

fn status(recommendations: &[Recommendation], has_load: bool) -> Status {
    let skipped = recommendations.iter().filter(|one| one.action == Action::Skipped).count();
    match skipped {
        0 if has_load => Status::Advised,
        _ if skipped == recommendations.len() || !has_load => Status::Skipped,
        _ => Status::Partial,
    }
}

/// The loads that the service is sized for; the reason where its load cannot carry advice.
fn outlook<'a>(known: &Known<'a>) -> Result<Outlook<'a>, Reason> {
    let load = load(known)?;
    let forecast = known.forecast.as_ref().map_err(Clone::clone)?;
    seen_enough(load, "load")?;
    let current = load.newest_value().unwrap_or_default();
    let observed_peak = history::peak(load.last(Period::WEEK)).unwrap_or(current);
    let peak = forecast.peak(0..known.policy.horizon.steps(forecast.step));
    let planning = peak.quantile(1.0 - known.policy.risk.0).max(current);
    // what is lowered must still do for the peak that one future in a hundred brings, however wide they lie
    let lowering = Lowering::from(known, load, planning.max(peak.quantile(BOUND_LEVELS.1)))
        .with_room_for_events(known, forecast);
    Ok(Outlook { forecast, peak, current, observed_peak, planning, lowering })
}

/// The load's history, if it is there and fresh.
fn load<'a>(known: &Known<'a>) -> Result<&'a History, Reason> {
    series(known, &SeriesKey::service(Signal::Load))
}

/// Whether the newest week was seen well enough to speak of its peaks (cases 18, 25 and 32).
fn seen_enough(history: &History, name: &str) -> Result<(), Reason> {
    let share = history::coverage(history.last(Period::WEEK));
    if share >= SEEN_SHARE_MIN {
        return Ok(());
    }
    let message = format!(
        "{} of the last {} of `{name}` is there, {} is needed: peaks may be missing",
        Ratio((share * 1000.0).floor() / 1000.0),
        Period::WEEK,
        Ratio(SEEN_SHARE_MIN)
    );
    Err(Reason { code: Code::Coverage, message })
}

/// The history behind `key` if it is there and fresh; otherwise the kind of its absence as a reason.
fn series<'a>(known: &Known<'a>, key: &SeriesKey) -> Result<&'a History, Reason> {
    let history = evidence(known.history, key)?;
    let stale = |how| Reason {
        code: Code::Stale,
        message: format!("the newest sample of `{key}` is {how}"),
    };
    stale_by(known, history).map_or(Ok(history), |how| Err(stale(how)))
}

/// The history behind `key` if it is there; otherwise the kind of its absence as a reason.
///
/// # Errors
///
/// The kind of absence: never asked for, no series, no samples, or failed. None of them is zero.
pub fn evidence<'a>(
    histories: &'a BTreeMap<SeriesKey, Evidence<History>>,
    key: &SeriesKey,
) -> Result<&'a History, Reason> {
    let (code, message) = match histories.get(key) {
        Some(Evidence::Series(history)) => return Ok(history),
        Some(Evidence::NoSamples) => {
            (Code::NoSamples, format!("`{key}` has no sample in the window"))
        }
        Some(Evidence::Failed(why)) => (Code::SourceFailed, format!("`{key}`: {why}")),
        Some(Evidence::NoSeries) => {
            (Code::NoSeries, format!("no series for `{key}`; this is not zero"))
        }
        None => (Code::NoSeries, format!("`{key}` was never asked for; this is not zero")),
    };
    Err(Reason { code, message })
}

/// How old the newest sample is, where that is too old.
fn stale_by(known: &Known<'_>, history: &History) -> Option<String> {
    let age = known.at.duration_since(history.newest).as_secs();
    let allowed = known.policy.max_age;
    (age > allowed.0 + history.step.0)
        .then(|| format!("{} old, {allowed} allowed (`policy.maxAge`)", Period(age)))
}

fn load_figures(known: &Known<'_>, outlook: &Outlook<'_>) -> LoadFigures {
    LoadFigures {
        current: rounded(outlook.current),
        observed_peak: rounded(outlook.observed_peak),
        planning: rounded(outlook.planning),
        risk: known.policy.risk.0,
        horizon: known.policy.horizon.to_string(),
    }
}

/// Three decimals: far below what any load figure is good for, and short in the file.
fn rounded(load: f64) -> f64 {
    (load * 1000.0).round() / 1000.0
}

fn tier_figures(known: &Known<'_>, outlook: &Outlook<'_>) -> TierFigures {
    let name = |load| known.service.tiers.row(load).name.clone();
    TierFigures { current: name(outlook.current), planning: name(outlook.planning) }
}

/// When each row above today's is entered.
fn crossings(known: &Known<'_>, outlook: &Outlook<'_>) -> Vec<Crossing> {
    let above = known.service.tiers.rows.iter().filter(|row| row.from > outlook.current);
    let crossing = |row: &crate::tiers::Tier| {
        let Runway { p50, p90 } = runway(known, outlook, row.from);
        Crossing { tier: row.name.clone(), boundary: row.from, p50, p90 }
    };
    above.map(crossing).collect()
}

fn runway(known: &Known<'_>, outlook: &Outlook<'_>, level: f64) -> Runway {
    let horizon_end = known.at + SignedDuration::from_secs(known.policy.horizon.0);
    reached(outlook.forecast, (&outlook.peak, horizon_end), &known.calendar.zone, level)
}

/// The local dates by which a load reaches `level` rps: from the sampled paths, and no later than the end
/// of the horizon where the distribution of its peak, which knows of rare records too, says so sooner.
#[must_use]
pub fn reached(
    forecast: &Forecast,
    (peak, horizon_end): (&Peak, Timestamp),
    zone: &TimeZone,
    level: f64,
) -> Runway {
    let in_horizon = peak.chance_above(level);
    let date = |chance| {
        let by_peak = (in_horizon >= chance).then_some(horizon_end);
        let by_paths = forecast.first_reaching(level, chance);
        by_peak.into_iter().chain(by_paths).min().map(|at| at.to_zoned(zone.clone()).date())
    };
    Runway { p50: date(EVEN_ODDS), p90: date(ONE_IN_TEN) }
}

fn local_date(known: &Known<'_>, at: Timestamp) -> Date {
    at.to_zoned(known.calendar.zone.clone()).date()
}

/// A recommendation that abstains, with its reason.
fn skipped(
    component: &str,
    object: String,
    setting: plan::Setting,
    reason: Reason,
) -> Recommendation {
    Recommendation {
        component: component.to_owned(),
        object,
        setting,
        current: None,
        target: None,
        uncapped_target: None,
        lower_bound: None,
        upper_bound: None,
        action: Action::Skipped,
        reasons: vec![reason],
        lasts_until: None,
    }
}
