//! What is measured, and whose: the names by which all else finds a series.

/// A measured quantity of a service, one of its components, or one of its volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Requests per second of the service.
    Load,
    /// Failed requests as a share of all, 0 to 1.
    ErrorRate,
    /// 99th percentile of latency, in seconds.
    P99,
    /// Targets that report the load: the service's pods, or those of its ingress. Fewer look like less load.
    Reporting,
    /// Ready replicas: what serves the load.
    Replicas,
    /// Replicas that the object asks for: what is in force. In an outage few of them are ready.
    SpecReplicas,
    /// `minReplicas` of the HPA.
    HpaMin,
    /// `maxReplicas` of the HPA.
    HpaMax,
    /// CPU target of the HPA, in percent of the request.
    HpaTarget,
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
    pub const NAMES: [(Signal, &'static str); 23] = [
        (Signal::Load, "load"),
        (Signal::ErrorRate, "errorRate"),
        (Signal::P99, "p99"),
        (Signal::Reporting, "reporting"),
        (Signal::Replicas, "replicas"),
        (Signal::SpecReplicas, "specReplicas"),
        (Signal::HpaMin, "hpaMin"),
        (Signal::HpaMax, "hpaMax"),
        (Signal::HpaTarget, "hpaTarget"),
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
        Self::NAMES.iter().find(|(signal, _)| *signal == self).map_or("", |(_, name)| name)
    }

    /// The signal of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(signal, _)| *signal)
    }

    /// Whether it is a setting of an HPA, which not every component has.
    #[must_use]
    pub fn of_hpa(self) -> bool {
        matches!(self, Self::HpaMin | Self::HpaMax | Self::HpaTarget)
    }

    /// Whether the signal belongs to the whole service rather than to a component or volume.
    #[must_use]
    pub fn of_service(self) -> bool {
        matches!(self, Self::Load | Self::ErrorRate | Self::P99 | Self::Reporting)
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
        Self { subject: None, signal }
    }

    /// A series of one of its components or volumes.
    #[must_use]
    pub fn of(subject: &str, signal: Signal) -> Self {
        Self { subject: Some(subject.to_owned()), signal }
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
