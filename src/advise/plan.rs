//! The plan as data: what `plan -o json` prints and every renderer reads.
//!
//! Keys and words are an interface that others script against; see `schemaVersion`.

mod amount;
mod reason;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use self::amount::{Amount, Setting};
pub use self::reason::{Code, Finding, Reason, Severity};
pub use crate::service::live::SeenObject;

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
