//! Plimsoll: how deep a service may be loaded, and what to change before it is.
//!
//! ```text
//! source ──► store ──► history ──► forecast ─┐
//! (Prometheus, (Parquet) (clean, mask,       ├─► advise ──► render ──► files
//!  files, demo)           censor)   capacity ┤   (pure)     (pure)
//! kubernetes ────────────────── live state ──┤               └─────► apply
//! tiers (the table) ─────────────────────────┘
//! ```
//!
//! [`assess`] is that picture as code. The modules stand in the order of the pipeline.

// in tests a float is compared with the one it was copied from
#![cfg_attr(test, allow(clippy::float_cmp))]

// the pure stages: no IO, no clock, no environment; each knows only those before it
pub mod advise;
pub mod capacity;
pub mod forecast;
pub mod history;
pub mod render;
pub mod replay;
pub mod service;
pub mod tiers;
pub mod units;

// the edges: they never import each other
pub mod apply;
pub mod config;
pub mod files;
pub mod forge;
pub mod source;
pub mod store;

// the stages once more, at past moments
pub mod past;

// the verbs: they join edges and stages
pub mod cli;
pub mod commands;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::advise::plan::{Action, Code, Plan, Reason, SCHEMA_VERSION, ServicePlan, Status};
use crate::advise::utilization::Rehearsal;
use crate::advise::{Known, current};
use crate::capacity::{Capacity, RowVerdict};
use crate::forecast::Forecast;
use crate::history::{Evidence, History, Observed, SeriesKey, Signal, Window};
use crate::service::{Calendar, Current, Policy, Service};
use crate::units::Period;

pub use crate::past::{Case, WeekScore, replayed};

/// Seed of the sampled paths: any would do, one keeps the bytes the same.
const PATHS_SEED: u64 = 1876;

/// Everything that one run knows and says of one service: what the renderers read.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The service as its team describes it.
    pub service: Service,
    /// The clock and events it was assessed under.
    pub calendar: Calendar,
    /// The policy it was assessed under.
    pub policy: Policy,
    /// The moment it was assessed for.
    pub at: Timestamp,
    /// Every series asked for: cleaned, or the kind of its absence.
    pub history: BTreeMap<SeriesKey, Evidence<History>>,
    /// The load's forecast in hourly peaks over the outlook, or the reason why there is none.
    pub forecast: Result<Forecast, Reason>,
    /// What is in force by component and volume, from the cluster, the metrics, or the settings.
    pub current: BTreeMap<String, Current>,
    /// Measured capacity by component.
    pub capacity: BTreeMap<String, Capacity>,
    /// The table's rows against the measurement, by component.
    pub rows: BTreeMap<String, Vec<RowVerdict>>,
    /// What earlier weeks would have been planned at, and what came, oldest first.
    pub scorecard: Vec<WeekScore>,
    /// The advice.
    pub plan: ServicePlan,
}

/// The pipeline for one service: from what was observed to the advice.
///
/// `live` is the cluster's word on what is in force, by component and volume; it may be empty.
#[must_use]
pub fn assess(
    service: &Service,
    calendar: &Calendar,
    policy: &Policy,
    window: &Window,
    observed: &Observed,
    live: &BTreeMap<String, Current>,
) -> Assessment {
    let history = history::clean(observed, service, calendar, window);
    let scorecard = past::scorecard(&history, calendar, policy, window.at);
    let calendar = &told(calendar, &history);
    let forecast = expected_load(&history, calendar, policy.outlook);
    let capacity = capacity::measure(service, &history);
    let rows = rows(service, &capacity);
    let oldest = window.at - SignedDuration::from_secs(policy.max_age.0 + window.step.0);
    let current = current::in_force(service, &history, live, oldest);
    let plan = advise::advise(&Known {
        service,
        calendar,
        policy,
        at: window.at,
        lookback: window.lookback,
        history: &history,
        forecast: &forecast,
        capacity: &capacity,
        rows: &rows,
        current: &current,
        rehearsal: Rehearsal(&past::rehearsal(service, calendar, policy, &history, &capacity)),
    });
    Assessment {
        service: service.clone(),
        calendar: calendar.clone(),
        policy: *policy,
        at: window.at,
        history,
        forecast,
        current,
        capacity,
        rows,
        scorecard,
        plan,
    }
}

/// The advice of one run over all services, by name.
#[must_use]
pub fn plan(at: Timestamp, settings: &str, assessments: &[Assessment]) -> Plan {
    let mut services: Vec<ServicePlan> = assessments.iter().map(|one| one.plan.clone()).collect();
    services.sort_by(|a, b| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
    let count = |wanted: &[Action]| -> usize {
        let of = |service: &ServicePlan| {
            service.recommendations.iter().filter(|one| wanted.contains(&one.action)).count()
        };
        services.iter().map(of).sum()
    };
    // a service that was skipped before any setting was looked at counts as one
    let bare = services
        .iter()
        .filter(|one| one.status == Status::Skipped && one.recommendations.is_empty())
        .count();
    Plan {
        schema_version: SCHEMA_VERSION,
        version: concat!("plimsoll ", env!("CARGO_PKG_VERSION")).to_owned(),
        at,
        settings: settings.to_owned(),
        skipped: count(&[Action::Skipped]) + bare,
        changes: count(&[Action::Raise, Action::Lower]),
        services,
    }
}

/// The forecast of the load's hourly peaks over the outlook.
fn expected_load(
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    calendar: &Calendar,
    outlook: Period,
) -> Result<Forecast, Reason> {
    peaks_ahead(advise::evidence(history, &SeriesKey::service(Signal::Load))?, calendar, outlook)
}

fn peaks_ahead(load: &History, calendar: &Calendar, outlook: Period) -> Result<Forecast, Reason> {
    let hourly = load.tempered().peaks(Period::HOUR);
    forecast::forecast(&hourly, calendar, outlook.steps(Period::HOUR), PATHS_SEED).map_err(
        |too_little| {
            let enough = too_little.enough_at.map(|at| at.to_zoned(calendar.zone.clone()).date());
            let enough = enough.map(|date| format!("; enough on {date}")).unwrap_or_default();
            Reason { code: Code::TooLittleHistory, message: format!("{too_little}{enough}") }
        },
    )
}

/// The calendar with the factors that the load of past events tells.
fn told(calendar: &Calendar, history: &BTreeMap<SeriesKey, Evidence<History>>) -> Calendar {
    match history.get(&SeriesKey::service(Signal::Load)) {
        Some(Evidence::Series(load)) => history::as_last_time(calendar, load),
        _ => calendar.clone(),
    }
}

/// The rows of the table against every measured capacity.
fn rows(
    service: &Service,
    capacity: &BTreeMap<String, Capacity>,
) -> BTreeMap<String, Vec<RowVerdict>> {
    let verdicts = |(component, capacity): (&String, &Capacity)| {
        (component.clone(), capacity::verdicts(&service.tiers, component, capacity))
    };
    capacity.iter().map(verdicts).collect()
}
