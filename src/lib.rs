//! Plimsoll: how deep a service may be loaded, and what to change before it is.
//!
//! ```text
//! source ──► store ──► history ──► forecast ─┐
//! (Prometheus, (Parquet) (clean, mask,       ├─► advise ──► render ──► files
//!  files, demo)           censor)   capacity ┤   (pure)     (pure)
//! kubernetes ────────────────── live state ──┤
//! tiers (the table) ─────────────────────────┘
//! ```
//!
//! [`assess`] is that picture as code. The modules stand in the order of the pipeline.

// the pure stages: no IO, no clock, no environment; each knows only those before it
pub mod advise;
pub mod capacity;
pub mod forecast;
pub mod history;
pub mod render;
pub mod service;
pub mod tiers;
pub mod units;

// the edges: they never import each other
pub mod config;
pub mod source;
pub mod store;

// the verbs: they join edges and stages
pub mod cli;
pub mod commands;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::advise::plan::ServicePlan;
use crate::capacity::{Capacity, RowVerdict};
use crate::forecast::Forecast;
use crate::history::{Evidence, History, Observed, SeriesKey};
use crate::service::{Calendar, Current, Policy, Service};

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
    /// The load's forecast in hourly peaks over the outlook; `Err` says in a sentence why there is none.
    pub forecast: Result<Forecast, String>,
    /// Measured capacity by component.
    pub capacity: BTreeMap<String, Capacity>,
    /// The table's rows against the measurement, by component.
    pub rows: BTreeMap<String, Vec<RowVerdict>>,
    /// What earlier weeks would have been planned at, and what came, oldest first.
    pub scorecard: Vec<WeekScore>,
    /// The advice.
    pub plan: ServicePlan,
}

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
