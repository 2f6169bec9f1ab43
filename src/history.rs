//! Samples -> History: a regular series with its gaps, marks and coverage.
//!
//! "No series", "no samples" and "zero" are three different things and stay so: a series that the
//! source does not have is [`Evidence::NoSeries`], one without a sample in the window is
//! [`Evidence::NoSamples`], and a step without a sample is NaN, never 0.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::units::Period;

/// A measured quantity of a service, one of its components, or one of its volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Requests per second of the service.
    Load,
    /// Failed requests as a share of all, 0 to 1.
    ErrorRate,
    /// 99th percentile of latency, in seconds.
    P99,
    /// Ready replicas.
    Replicas,
    /// `minReplicas` of the HPA.
    HpaMin,
    /// `maxReplicas` of the HPA.
    HpaMax,
    /// CPU in use, in cores: the sum over the component's pods.
    Cpu,
    /// CPU in use by the busiest pod, in cores.
    CpuMax,
    /// CPU request of one pod, in cores.
    CpuRequest,
    /// CPU limit of one pod, in cores.
    CpuLimit,
    /// Share of CFS periods in which the component was throttled, 0 to 1.
    Throttled,
    /// Working set of the largest pod, in bytes.
    Memory,
    /// Memory request of one pod, in bytes.
    MemoryRequest,
    /// Memory limit of one pod, in bytes.
    MemoryLimit,
    /// Containers killed for memory within the step.
    OomKills,
    /// Redis: `used_memory`, in bytes.
    RedisUsed,
    /// Redis: `maxmemory`, in bytes; 0 is unlimited.
    RedisMax,
    /// Redis: keys evicted per second.
    RedisEvictions,
    /// Bytes used on a volume.
    VolumeUsed,
    /// Size of a volume, in bytes.
    VolumeCapacity,
}

impl Signal {
    /// Every signal with its stable name, as it stands in settings, file names and reports.
    pub const NAMES: [(Signal, &'static str); 20] = [
        (Signal::Load, "load"),
        (Signal::ErrorRate, "errorRate"),
        (Signal::P99, "p99"),
        (Signal::Replicas, "replicas"),
        (Signal::HpaMin, "hpaMin"),
        (Signal::HpaMax, "hpaMax"),
        (Signal::Cpu, "cpu"),
        (Signal::CpuMax, "cpuMax"),
        (Signal::CpuRequest, "cpuRequest"),
        (Signal::CpuLimit, "cpuLimit"),
        (Signal::Throttled, "throttled"),
        (Signal::Memory, "memory"),
        (Signal::MemoryRequest, "memoryRequest"),
        (Signal::MemoryLimit, "memoryLimit"),
        (Signal::OomKills, "oomKills"),
        (Signal::RedisUsed, "redisUsed"),
        (Signal::RedisMax, "redisMax"),
        (Signal::RedisEvictions, "redisEvictions"),
        (Signal::VolumeUsed, "volumeUsed"),
        (Signal::VolumeCapacity, "volumeCapacity"),
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(signal, _)| *signal == self)
            .map_or("", |(_, name)| name)
    }

    /// The signal of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(signal, _)| *signal)
    }

    /// Whether the signal belongs to the whole service rather than to a component or volume.
    #[must_use]
    pub fn of_service(self) -> bool {
        matches!(self, Self::Load | Self::ErrorRate | Self::P99)
    }
}

/// One series of one service: whose it is, and what it measures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The component or volume; `None` for the service itself.
    pub subject: Option<String>,
    /// What is measured.
    pub signal: Signal,
}

impl SeriesKey {
    /// A series of the service itself.
    #[must_use]
    pub fn service(signal: Signal) -> Self {
        Self {
            subject: None,
            signal,
        }
    }

    /// A series of one of its components or volumes.
    #[must_use]
    pub fn of(subject: &str, signal: Signal) -> Self {
        Self {
            subject: Some(subject.to_owned()),
            signal,
        }
    }
}

impl std::fmt::Display for SeriesKey {
    /// `load`, `api.cpu`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{subject}.{}", self.signal.name()),
            None => f.write_str(self.signal.name()),
        }
    }
}

/// Raw samples of one series as a source gave them: rising times, no duplicates, values finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Unix seconds, strictly rising.
    pub at: Vec<i64>,
    /// One value per time, in the signal's unit.
    pub value: Vec<f64>,
}

/// What a source knows of one series. Absence has a kind, and none of the kinds is zero.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence<T> {
    /// There is a series with at least one sample.
    Series(T),
    /// The series exists, but has no sample in the window.
    NoSamples,
    /// No series matches the query.
    NoSeries,
    /// The source refused or failed for this series; the text says why.
    Failed(String),
}

/// All that a source knows of one service; a key that is absent was not asked for.
pub type Observed = BTreeMap<SeriesKey, Evidence<Samples>>;

/// A regular series: one value per step, NaN where nothing is known.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The time of the first value.
    pub start: Timestamp,
    /// The distance between values.
    pub step: Period,
    /// One value per step, NaN for a gap.
    pub values: Vec<f64>,
    /// Spans with a meaning of their own, by start.
    pub marks: Vec<Mark>,
    /// Time of the newest sample.
    pub newest: Timestamp,
}

/// A span of history that is not plain demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub to: Timestamp,
    /// What is the matter with it.
    pub kind: MarkKind,
    /// A sentence for people.
    pub why: String,
}

/// What a mark says of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// No samples.
    Gap,
    /// Real, but not the rule: campaign, incident, load test, roll-out. Not learnt from.
    Masked,
    /// Served load under a limit of our own (HPA at max, throttled, shedding): demand may be higher.
    Censored,
}
