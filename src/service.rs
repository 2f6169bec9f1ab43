//! What a team says of its service: names, objectives, the table, the policy. Plain data, already
//! validated; `config` reads it from `plimsoll.yaml`.

pub mod floor;
pub mod live;
pub mod needs;
pub mod object;
pub mod owner;
pub mod placing;
pub mod pod;
pub mod rules;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::live::{Least, Ranges};
use crate::tiers::TierTable;
use crate::units::{Bytes, Millicores, Period, Ratio};

/// One service with its components.
#[derive(Debug, Clone)]
pub struct Service {
    /// The name by which the team knows it.
    pub name: String,
    /// The Kubernetes namespace it runs in.
    pub namespace: String,
    /// Where its load is measured.
    pub load: LoadSource,
    /// The user's own PromQL by signal (`p99`, `api.cpu`), before any preset.
    pub queries: BTreeMap<String, String>,
    /// When the service counts as healthy, and when as a Severity 2.
    pub objectives: Objectives,
    /// The scaling-tier table.
    pub tiers: TierTable,
    /// What the table sizes, in the table's column order.
    pub components: Vec<Component>,
    /// Names of the persistent volume claims to watch.
    pub volumes: Vec<String>,
}

/// Where the load of a service is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadSource {
    /// The user's own PromQL; must give one series in rps.
    Query(String),
    /// A named preset with the labels that select this service.
    Preset {
        /// The preset's name; `None` tries all.
        name: Option<String>,
        /// Label and value pairs.
        selector: BTreeMap<String, String>,
    },
}

/// The limits inside which a service is healthy, and past which it is in a Severity 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objectives {
    /// Highest healthy share of failed requests.
    pub error_rate: Ratio,
    /// Highest healthy 99th percentile of latency, in seconds.
    pub p99_s: f64,
    /// Share of failed requests above which the service is in a Severity 2.
    pub severity2_error_rate: Ratio,
    /// 99th percentile of latency, in seconds, above which the service is in a Severity 2.
    pub severity2_p99_s: f64,
}

/// A part of the service that the table sizes.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its name, a column of the table.
    pub name: String,
    /// The Kubernetes object that runs it.
    pub target: Target,
    /// Whether the table gives it memory rather than replicas.
    pub memory: bool,
    /// The path of its keys in the chart's values (`redis.master`); `None` keeps it out of the overlay.
    pub helm: Option<String>,
    /// Its container, where it is not named like the component's object.
    pub container: Option<String>,
    /// What it has today by the settings' word, where nothing better knows.
    pub current: Current,
    /// How long a new replica takes until it serves.
    pub start_up: Period,
}

/// A Kubernetes object by kind and name: `Deployment/jarvis-api`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// The settings of a component or a volume in force, as far as they are known; `None` is "not known", never zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Current {
    /// `spec.replicas`.
    pub replicas: Option<u32>,
    /// `minReplicas` of its HPA. Both HPA fields known means that an HPA owns the count.
    pub min_replicas: Option<u32>,
    /// `maxReplicas` of its HPA.
    pub max_replicas: Option<u32>,
    /// The HPA's CPU target, in percent of the request.
    pub target_utilization: Option<u32>,
    /// The HPA's memory target, in percent of the request.
    pub memory_utilization: Option<u32>,
    /// CPU that the other containers of a pod request: the HPA's target is a share of all of it.
    pub cpu_beside: Millicores,
    /// CPU request per container.
    pub cpu_request: Option<Millicores>,
    /// CPU limit per container: held to, and not advised.
    pub cpu_limit: Option<Millicores>,
    /// Memory request per container.
    pub memory_request: Option<Bytes>,
    /// Memory limit per container.
    pub memory_limit: Option<Bytes>,
    /// What the cluster was asked and did not tell, so that nobody else is believed on it.
    pub doubt: Option<Doubt>,
    /// What the cluster told of requests and limits; `None`: it was not asked, or not told.
    pub resources: Option<Resources>,
    /// Whether the cluster told that its pods are of the class `Guaranteed`.
    pub guaranteed: bool,
    /// Whether the cluster told that nobody scales it.
    pub alone: bool,
    /// The fewest pods that the cluster lets the count be lowered to.
    pub least: Option<Least>,
    /// What the limit ranges of its namespace say of its container.
    pub ranges: Ranges,
    /// What a volume claim asks for, or has where that is more.
    pub storage: Option<Bytes>,
    /// What a volume claim has: less than it asks for while it is expanded.
    pub capacity: Option<Bytes>,
}

/// What a cluster leaves in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Who sets the replica count: an HPA that may not be seen can own it, and of several none does.
    Count,
    /// Whether it is to run at all: it is scaled to nothing, and not by KEDA, which does that by itself.
    Idle,
    /// The object itself: it is not there.
    Object,
}

/// What a cluster tells of a container's requests and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resources {
    /// All of them: what is `None` beside it is not set.
    Told,
    /// Which container is meant: none has the name, or several might.
    Unclear,
}

impl Current {
    /// Whether a cluster told that the container has no memory limit, so that none holds its request.
    #[must_use]
    pub fn is_unlimited(self) -> bool {
        self.resources == Some(Resources::Told) && self.memory_limit.is_none()
    }

    /// Takes from `other` what is not known here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            replicas: self.replicas.or(other.replicas),
            min_replicas: self.min_replicas.or(other.min_replicas),
            max_replicas: self.max_replicas.or(other.max_replicas),
            target_utilization: self.target_utilization.or(other.target_utilization),
            memory_utilization: self.memory_utilization.or(other.memory_utilization),
            cpu_beside: self.cpu_beside.max(other.cpu_beside),
            cpu_request: self.cpu_request.or(other.cpu_request),
            cpu_limit: self.cpu_limit.or(other.cpu_limit),
            memory_request: self.memory_request.or(other.memory_request),
            memory_limit: self.memory_limit.or(other.memory_limit),
            doubt: self.doubt.or(other.doubt),
            resources: self.resources.or(other.resources),
            guaranteed: self.guaranteed || other.guaranteed,
            alone: self.alone || other.alone,
            least: self.least.or(other.least),
            ranges: if self.ranges == Ranges::default() { other.ranges } else { self.ranges },
            storage: self.storage.or(other.storage),
            capacity: self.capacity.or(other.capacity),
        }
    }

    /// Whether an HPA owns the replica count.
    #[must_use]
    pub fn has_hpa(self) -> bool {
        self.max_replicas.is_some() || self.min_replicas.is_some()
    }
}

/// How much risk is taken, how far is looked, how far one change may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The chance that the window's peak exceeds the planning load.
    pub risk: Ratio,
    /// The window that is planned for.
    pub horizon: Period,
    /// How far crossings are looked for.
    pub outlook: Period,
    /// How far below a boundary observed load must stay before a setting is lowered.
    pub hysteresis: Ratio,
    /// How long it must stay there.
    pub dwell: Period,
    /// The largest change of a replica count in one step, as a multiple of today's.
    pub max_step: f64,
    /// Share of expected samples that the load must have before anything is lowered.
    pub min_coverage: Ratio,
    /// How long the load must have been watched before anything is lowered.
    pub min_history: Period,
    /// The oldest that the newest sample may be before the data counts as stale.
    pub max_age: Period,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            risk: Ratio(0.05),
            horizon: Period::WEEK,
            outlook: Period(4 * Period::WEEK.0),
            hysteresis: Ratio(0.10),
            dwell: Period::WEEK,
            max_step: 2.0,
            min_coverage: Ratio(0.95),
            min_history: Period(4 * Period::WEEK.0),
            max_age: Period(1_800),
        }
    }
}

/// Something known in advance, or known afterwards, to change the load for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name, as people will read it.
    pub name: String,
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// The factor on the load; 1 masks the span in history and changes nothing ahead.
    pub multiply: f64,
    /// Where the factor is not said but is to be what it was last time; see [`crate::history::as_last_time`].
    pub like: Option<Like>,
}

/// The events that tell what one of them does to the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    /// A name, or the calendar's file.
    pub series: String,
    /// The name and first moment of the event that told; `None`: nothing has.
    pub last: Option<(String, Timestamp)>,
}

impl Event {
    /// What it does to the load: `load × 1.8`, and where that is from.
    #[must_use]
    pub fn effect(&self, zone: &TimeZone) -> String {
        let times = format!("load × {}", self.multiply);
        match &self.like {
            None => times,
            Some(Like { last: Some((name, from)), .. }) => {
                let day = from.to_zoned(zone.clone()).strftime("%a %-d %b").to_string();
                let other = if *name == self.name { String::new() } else { format!(" in {name}") };
                format!("{times}, as{other} on {day}")
            }
            Some(Like { last: None, .. }) => {
                format!("{times}: nothing tells what the last one did")
            }
        }
    }
}

/// The user's clock and calendar.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// IANA zone in which days begin and reports are dated.
    pub zone: TimeZone,
    /// Events, past and future, by start.
    pub events: Vec<Event>,
}
