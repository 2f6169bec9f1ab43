//! Why: the codes that scripts match on, and what people read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
