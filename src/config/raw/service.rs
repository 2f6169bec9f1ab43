//! A service as it is written: where its load is measured, its table, its components.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::spelled::{At, Entries, NumberOrText, Text};

/// One service with its table and components.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Service {
    /// The name by which the team knows it.
    #[schemars(with = "String")]
    pub(in crate::config) name: Text,
    /// The Kubernetes namespace it runs in.
    #[schemars(with = "String")]
    pub(in crate::config) namespace: Text,
    /// Where its load is measured: a preset with the labels that select it, or a query. May be left out where
    /// `history.files` are the only source.
    #[serde(default)]
    pub(in crate::config) load: Option<At<Load>>,
    /// PromQL by signal, before any preset: `p99`, `api.cpu`.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(in crate::config) queries: Option<Entries<Text>>,
    /// When it counts as healthy, and when as a Severity 2.
    #[serde(default)]
    pub(in crate::config) objectives: Option<Objectives>,
    /// The scaling-tier table, or the runbook that holds it.
    pub(in crate::config) tiers: At<Tiers>,
    /// What the table sizes, by the name of its column.
    pub(in crate::config) components: At<Entries<At<Component>>>,
    /// Names of the persistent volume claims to watch.
    #[schemars(with = "Option<Vec<String>>")]
    pub(in crate::config) volumes: Option<Vec<Text>>,
}

/// Where the load of a service is measured: `preset` and `selector`, or `query`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Load {
    /// The preset's name; without one all are tried.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) preset: Option<Text>,
    /// Labels that select this service, and their values.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(in crate::config) selector: Option<Entries<Text>>,
    /// PromQL that gives one series in requests per second.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) query: Option<Text>,
}

/// The limits inside which a service is healthy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Objectives {
    /// Highest healthy share of failed requests; `1%` unless set.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) error_rate: Option<Text>,
    /// Highest healthy 99th percentile of latency, such as `800ms`; `2s` unless set.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) p99: Option<Text>,
    /// The limits past which the service is in a Severity 2; five times the error rate and two and
    /// a half times the latency unless set.
    pub(in crate::config) severity2: Option<Severity2>,
}

/// The limits past which a service is in a Severity 2.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Severity2 {
    /// Share of failed requests.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) error_rate: Option<Text>,
    /// 99th percentile of latency.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) p99: Option<Text>,
}

/// The scaling-tier table: its rows, or the runbook that holds it.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Tiers {
    /// The rows, from the least load to the most.
    Rows(#[schemars(with = "Vec<Row>")] Vec<At<Entries<Text>>>),
    /// The runbook that holds the table.
    Markdown(Markdown),
}

/// One row: `name`, `below` (rps, not included; absent in the last row), `from` where it is to be said,
/// and a size for each component: `3`, `3-5`, or `512Mi`.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = {"type": ["integer", "string"]}))]
#[expect(
    dead_code,
    reason = "it stands for its schema only; rows are read in the order of their keys"
)]
struct Row {
    /// The row's name, as the team says it.
    name: String,
    /// The load at which the next row begins, in rps; absent in the last row.
    below: Option<f64>,
    /// The load at which the row begins, in rps; where it is absent, the end of the row before.
    from: Option<f64>,
}

/// The runbook that holds the table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Markdown {
    /// The Markdown file, relative to this file.
    #[schemars(with = "String")]
    #[expect(clippy::struct_field_names, reason = "the key is called so")]
    pub(in crate::config) markdown: Text,
    /// Which of the scaling tables in it, from 1, where there are several.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(in crate::config) table: Option<Text>,
    /// Component by column header, where the header does not name it.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(in crate::config) columns: Option<Entries<Text>>,
}

impl<'de> Deserialize<'de> for Tiers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Tiers;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of rows, or `{markdown: FILE}`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Tiers, A::Error> {
                let mut all = Vec::new();
                while let Some(row) = rows.next_element()? {
                    all.push(row);
                }
                Ok(Tiers::Rows(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tiers, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Markdown::deserialize(map).map(Tiers::Markdown)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// A part of the service that the table sizes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Component {
    /// The Kubernetes object that runs it: `Deployment/NAME` or `StatefulSet/NAME`.
    #[schemars(with = "String", regex(pattern = "^(Deployment|StatefulSet)/[a-z0-9.-]+$"))]
    pub(in crate::config) target: Text,
    /// Whether the table gives it memory rather than replicas.
    #[schemars(with = "Option<bool>")]
    pub(in crate::config) memory: Option<Text>,
    /// The path of its keys in the chart's values, such as `redis.master`; `.` where they stand at the root.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) helm: Option<Text>,
    /// Its container, where it is not named like the component.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) container: Option<Text>,
    /// How long a new replica takes until it serves; `1m` unless set.
    #[schemars(with = "Option<String>")]
    pub(in crate::config) start_up: Option<Text>,
    /// What it has today, where nothing better knows.
    pub(in crate::config) current: Option<Current>,
}

/// The settings in force; what is absent is not known.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Current {
    /// `spec.replicas`.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(in crate::config) replicas: Option<Text>,
    /// `minReplicas` of its HPA.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(in crate::config) min_replicas: Option<Text>,
    /// `maxReplicas` of its HPA.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(in crate::config) max_replicas: Option<Text>,
    /// The HPA's CPU target, in percent of the request.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    pub(in crate::config) target_utilization: Option<Text>,
    /// CPU request per container.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) cpu_request: Option<Text>,
    /// CPU limit per container: no request is advised above it.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) cpu_limit: Option<Text>,
    /// Memory request per container.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) memory_request: Option<Text>,
    /// Memory limit per container.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) memory_limit: Option<Text>,
    /// Short for `memoryLimit`, for a component that the table sizes by memory.
    #[schemars(with = "Option<NumberOrText>")]
    pub(in crate::config) memory: Option<Text>,
}
