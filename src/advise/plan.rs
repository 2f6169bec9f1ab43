//! The plan as data: what `plan -o json` prints and every renderer reads.
//!
//! Keys and words are an interface that others script against; see `schemaVersion`.

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use crate::service::live::SeenObject;
use crate::units::{Bytes, Millicores};

/// The version of the keys and words below.
pub const SCHEMA_VERSION: u32 = 1;

/// The advice of one run over all services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of this format.
    pub schema_version: u32,
    /// The program that wrote it: `plimsoll 0.1.0`.
    pub version: String,
    /// The moment the plan was made for, RFC 3339 UTC.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The first 12 hex digits of the SHA-256 of the settings file, by which a plan names what it was made from.
    pub settings: String,
    /// The services, by name.
    pub services: Vec<ServicePlan>,
    /// How many recommendations and services were skipped.
    pub skipped: usize,
    /// How many recommendations raise or lower something.
    pub changes: usize,
}

/// Whether a service was advised on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Status {
    /// Every recommendation has a target.
    Advised,
    /// Some recommendations were skipped.
    Partial,
    /// Nothing could be said.
    Skipped,
}

/// The advice for one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePlan {
    /// The service's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether it was advised on.
    pub status: Status,
    /// Why not, where it was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// The load figures; null without a usable load.
    pub load: Option<LoadFigures>,
    /// The rows of the table; null without a usable load.
    pub tier: Option<TierFigures>,
    /// When the next boundaries are crossed.
    pub crossings: Vec<Crossing>,
    /// The settings looked at, by component and setting.
    pub recommendations: Vec<Recommendation>,
    /// What else there is to know, worst first.
    pub findings: Vec<Finding>,
    /// The objects as the cluster had them, by name; empty where no cluster was read. `apply` refuses where one of
    /// them is another now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<SeenObject>,
}

/// The load of a service, in rps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadFigures {
    /// The newest sample.
    pub current: f64,
    /// The highest step of the last seven days.
    pub observed_peak: f64,
    /// The load that the horizon's peak stays under with probability 1 - `risk`.
    pub planning: f64,
    /// The chance of a higher peak.
    pub risk: f64,
    /// The window planned for, as a Prometheus duration.
    pub horizon: String,
}

/// Where the load stands in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TierFigures {
    /// The row that holds now.
    pub current: String,
    /// The row that holds at the planning load.
    pub planning: String,
}

/// The dates at which the load enters a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Crossing {
    /// The row that is entered.
    pub tier: String,
    /// Where it begins, in rps.
    pub boundary: f64,
    /// The local date by which it is entered at even odds; null: not inside the outlook.
    #[schemars(with = "Option<String>")]
    pub p50: Option<Date>,
    /// The local date by which it is entered with a chance of 1 in 10; null: not inside the outlook.
    #[schemars(with = "Option<String>")]
    pub p90: Option<Date>,
}

/// A setting that Plimsoll has an opinion on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// CPU request per container.
    CpuRequest,
    /// `maxReplicas` of the HPA.
    MaxReplicas,
    /// Memory of a component that the table sizes by memory: the container's limit.
    Memory,
    /// Memory limit per container.
    MemoryLimit,
    /// Memory request per container.
    MemoryRequest,
    /// `minReplicas` of the HPA.
    MinReplicas,
    /// `spec.replicas`, where no HPA owns it.
    Replicas,
    /// Size of a volume.
    Storage,
    /// The HPA's CPU target, in percent of the request; a lower one gives more pods.
    TargetUtilization,
}

impl Setting {
    /// The name as it stands in the plan: `minReplicas`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuRequest => "cpuRequest",
            Self::MaxReplicas => "maxReplicas",
            Self::Memory => "memory",
            Self::MemoryLimit => "memoryLimit",
            Self::MemoryRequest => "memoryRequest",
            Self::MinReplicas => "minReplicas",
            Self::Replicas => "replicas",
            Self::Storage => "storage",
            Self::TargetUtilization => "targetUtilization",
        }
    }
}

/// A value of a setting: a count, or a quantity as Kubernetes writes it.
///
/// `1` is a core, a byte, or a replica: only its setting says which, so it is read with that ([`Amount::read`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// Replicas, or percent for `targetUtilization`.
    Count(u32),
    /// Memory or storage.
    Bytes(#[schemars(with = "String")] Bytes),
    /// CPU.
    Cpu(#[schemars(with = "String")] Millicores),
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Cpu(cpu) => write!(f, "{cpu}"),
        }
    }
}

impl Amount {
    /// An amount of `setting` as JSON holds it: a count as a number, a quantity as text.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn read(setting: Setting, value: &serde_json::Value) -> Result<Self, String> {
        use serde_json::Value;
        let wrong = || format!("`{value}` is no amount of `{}`", setting.name());
        match (setting, value) {
            (Setting::CpuRequest, Value::String(text)) => {
                text.parse().map(Self::Cpu).map_err(|_| wrong())
            }
            (
                Setting::Memory | Setting::MemoryLimit | Setting::MemoryRequest | Setting::Storage,
                Value::String(text),
            ) => text.parse().map(Self::Bytes).map_err(|_| wrong()),
            (
                Setting::MaxReplicas
                | Setting::MinReplicas
                | Setting::Replicas
                | Setting::TargetUtilization,
                Value::Number(count),
            ) => {
                let count = count.as_u64().and_then(|count| u32::try_from(count).ok());
                count.map(Self::Count).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// The bare figure, for comparing amounts of one setting: replicas, bytes, or millicores.
    #[must_use]
    pub fn figure(self) -> u64 {
        match self {
            Self::Count(count) => u64::from(count),
            Self::Bytes(bytes) => bytes.0,
            Self::Cpu(cpu) => cpu.0,
        }
    }
}

/// What to do with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Set it higher.
    Raise,
    /// Set it lower.
    Lower,
    /// Checked, and right as it is.
    Keep,
    /// Nothing can be said; `target` is null.
    Skipped,
}

/// One setting of one object: what it is, what it should be, and why.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// The component or volume.
    pub component: String,
    /// The Kubernetes object: `Deployment/jarvis-api`.
    pub object: String,
    /// The setting.
    pub setting: Setting,
    /// Its value today; null: not known.
    pub current: Option<Amount>,
    /// The value advised; null: skipped.
    pub target: Option<Amount>,
    /// The value before step, table and ceiling bounded it.
    pub uncapped_target: Option<Amount>,
    /// The lowest value that would do at even odds.
    pub lower_bound: Option<Amount>,
    /// The highest value that might be needed, 1 in 100.
    pub upper_bound: Option<Amount>,
    /// What to do.
    pub action: Action,
    /// Why, most important first; never empty.
    pub reasons: Vec<Reason>,
    /// When today's value stops being enough; null: not inside the outlook, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_until: Option<Runway>,
}

impl Recommendation {
    /// Whether it abstains because nothing is in force to advise on, which is no gap in what is known.
    #[must_use]
    pub fn is_not_in_force(&self) -> bool {
        let code = self.reasons.first().map(|reason| reason.code);
        self.action == Action::Skipped && code == Some(Code::NotInForce)
    }
}

impl<'de> Deserialize<'de> for Recommendation {
    /// As it is written, with each amount read as one of its setting.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            component: String,
            object: String,
            setting: Setting,
            current: Option<serde_json::Value>,
            target: Option<serde_json::Value>,
            uncapped_target: Option<serde_json::Value>,
            lower_bound: Option<serde_json::Value>,
            upper_bound: Option<serde_json::Value>,
            action: Action,
            reasons: Vec<Reason>,
            #[serde(default)]
            lasts_until: Option<Runway>,
        }
        let written = Written::deserialize(deserializer)?;
        let amount = |value: &Option<serde_json::Value>| {
            let read = value.as_ref().map(|value| Amount::read(written.setting, value));
            read.transpose().map_err(serde::de::Error::custom)
        };
        Ok(Self {
            current: amount(&written.current)?,
            target: amount(&written.target)?,
            uncapped_target: amount(&written.uncapped_target)?,
            lower_bound: amount(&written.lower_bound)?,
            upper_bound: amount(&written.upper_bound)?,
            component: written.component,
            object: written.object,
            setting: written.setting,
            action: written.action,
            reasons: written.reasons,
            lasts_until: written.lasts_until,
        })
    }
}

/// The local dates at which a limit is reached; null: not inside the outlook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Runway {
    /// At even odds.
    #[schemars(with = "Option<String>")]
    pub p50: Option<Date>,
    /// With a chance of 1 in 10.
    #[schemars(with = "Option<String>")]
    pub p90: Option<Date>,
}

/// A stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What scripts match on.
    pub code: Code,
    /// What people read: figures and nouns, no full stop.
    pub message: String,
}

/// How much a finding matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Severity {
    /// Act now.
    Critical,
    /// Act soon, or trust the advice less.
    Warning,
    /// Good to know.
    Info,
}

/// Something to know beside the recommendations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What scripts match on.
    pub code: Code,
    /// What people read.
    pub message: String,
    /// What to do about it, or empty.
    pub remedy: String,
}

/// The stable codes of reasons and findings. A code is never given a new meaning.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The row of the table at the planning load.
    TierRow,
    /// Measured load per replica.
    Capacity,
    /// The planning load is past what the last row is known to serve.
    BeyondTable,
    /// A change was cut to the largest step.
    StepLimit,
    /// Lower would do by the forecast, but only observed load may lower.
    NotLowered,
    /// Observed load stayed under the boundary for the dwell time.
    ObservedLow,
    /// Redis memory against `maxmemory`, fork and evictions.
    RedisMaxmemory,
    /// Usage of CPU or memory over the history.
    Usage,
    /// A container was killed for memory.
    OomKilled,
    /// CPU was throttled: usage is a lower bound.
    Throttled,
    /// Date at which a volume is full.
    Runway,
    /// The source has no such series.
    NoSeries,
    /// The series has no sample in the window.
    NoSamples,
    /// The source refused or failed for this signal.
    SourceFailed,
    /// Fewer cycles were seen than the statistics need.
    TooLittleHistory,
    /// The value in force is not known.
    CurrentUnknown,
    /// Nothing is in force there, and advice introduces nothing: a limit that is not set, a count that somebody took to 0.
    NotInForce,
    /// The newest sample is too old.
    Stale,
    /// Samples are missing.
    Coverage,
    /// History shows served load under a limit, not demand.
    Censored,
    /// A setting was changed within the dwell time.
    Changed,
    /// A row of the table promises more than was measured.
    TableRowTooSmall,
    /// A row of the table gives more than is needed.
    TableRowGenerous,
    /// An objective is violated.
    Objectives,
    /// The runbook's Severity 2 holds.
    Severity2,
    /// The interval of the planning load spans several rows.
    Uncertain,
    /// A spike stands alone and does not count in full.
    Outlier,
    /// An event ahead changes the load.
    Event,
    /// A change of one setting that needs another beside it.
    Coupled,
    /// A size waits, since fewer pods may do too and each would have more to do.
    CountsFirst,
    /// A count is held where fewer pods would each have more memory to hold than their limit.
    MemoryPerPod,
    /// The cluster has no room for what is advised.
    Room,
    /// The component's own past, lived again under other settings.
    Replay,
}

impl Code {
    /// The code as it stands in the plan: `TIER_ROW`.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}
