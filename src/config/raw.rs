//! `plimsoll.yaml` as it is written: keys and shapes, values still text, each with its line.
//!
//! The JSON Schema that editors read is derived from these very structs, so that it cannot say
//! anything else than what is read. Values stay text here because a quantity must be judged as it was
//! spelled: `512M` is not `512Mi`, and YAML would have turned `1e3` into a float already.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line it stands on, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// A scalar as it is spelled in the file.
pub(super) type Text = At<String>;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            line: usize::try_from(spanned.referenced.line()).unwrap_or_default(),
            value: spanned.value,
        })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A mapping whose keys the user chooses, in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct Entries<T>(pub(super) Vec<(Text, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}

/// A number or a quantity: what the schema says where either spelling is read.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands for its schema only")]
enum NumberOrText {
    Number(f64),
    Text(String),
}

/// Settings of Plimsoll, the capacity-planning advisor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "plimsoll.yaml")]
pub(super) struct File {
    /// The version of this format: 1.
    #[schemars(with = "u32", range(min = 1, max = 1))]
    pub(super) version: Text,
    /// IANA zone in which days begin and reports are dated; UTC unless set.
    #[schemars(with = "Option<String>")]
    pub(super) timezone: Option<Text>,
    /// Where history comes from and where it is kept.
    #[serde(default)]
    pub(super) history: Option<History>,
    /// The services to advise on.
    pub(super) services: At<Vec<Service>>,
    /// Risk, horizon and bounds of every change.
    #[serde(default)]
    pub(super) policy: Option<Policy>,
    /// What is known to change the load for a while, ahead or in the past.
    #[serde(default)]
    pub(super) events: Option<Vec<Event>>,
    /// The same from iCalendar files: holidays, a team's own calendar.
    #[serde(default)]
    pub(super) calendars: Option<Vec<CalendarFile>>,
    /// What `plimsoll apply` is allowed, and where it keeps its record.
    #[serde(default)]
    pub(super) apply: Option<Apply>,
    /// Where `plimsoll pr` proposes what is advised.
    #[serde(default)]
    pub(super) pull_request: Option<PullRequest>,
    /// What `plimsoll run` does, and how often.
    #[serde(default)]
    pub(super) run: Option<Run>,
}

/// Where `plimsoll pr` proposes what is advised. The token stands in a file or in the environment, never here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PullRequest {
    /// The forge that opens pull requests; without one the branch is pushed and the text printed.
    #[schemars(with = "Option<ForgeName>")]
    pub(super) forge: Option<Text>,
    /// Base address of its API, where it is not the public one: `https://github.example.com/api/v3`,
    /// `https://gitlab.example.com/api/v4`.
    #[schemars(with = "Option<String>", url)]
    pub(super) url: Option<Text>,
    /// The repository as `owner/name`; as the remote's address says unless set.
    #[schemars(with = "Option<String>")]
    pub(super) repository: Option<Text>,
    /// The remote to push to; `origin`, or the only one, unless set.
    #[schemars(with = "Option<String>")]
    pub(super) remote: Option<Text>,
    /// The branch to be changed; the remote's default branch unless set.
    #[schemars(with = "Option<String>")]
    pub(super) base: Option<Text>,
    /// The branch that carries the change, which is rewritten by every run; `plimsoll/capacity` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) branch: Option<Text>,
    /// File that holds the token, relative to this file; the variable `GITHUB_TOKEN` or `GITLAB_TOKEN` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) token_file: Option<Text>,
}

/// The forges whose API is spoken.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it stands for its schema only")]
enum ForgeName {
    GitHub,
    GitLab,
}

/// What `plimsoll run` does, and how often.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Run {
    /// From the begin of one turn to that of the next; `1m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) every: Option<Text>,
    /// How long less must have done, and a floor have stood, before it is taken back; `30m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) hold: Option<Text>,
    /// Whether everything that is advised is applied too, as `plimsoll apply --yes` does it; `false` unless set: only
    /// floors move.
    #[schemars(with = "Option<bool>")]
    pub(super) apply: Option<Text>,
}

/// What `plimsoll apply` is allowed, and where it keeps its record.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Apply {
    /// Managers whose fields may be taken over, as `managedFields` names them, such as `helm`; only the fields that are
    /// advised, and nobody's unless named.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) take_over: Option<Vec<Text>>,
    /// The record of what was changed, relative to this file; `.plimsoll/audit.jsonl` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) audit: Option<Text>,
    /// How long rollout and objectives are watched after a change, which is taken back where they fail; `0` does not;
    /// `10m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) watch: Option<Text>,
}

/// Where history comes from and where it is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct History {
    /// The Prometheus, or anything that speaks its HTTP API, to pull from.
    pub(super) prometheus: Option<Prometheus>,
    /// CSV and Parquet files to read, relative to this file. Columns: `timestamp` (RFC 3339 or Unix seconds), `value`,
    /// and where there is more than the load, `series` (`load` in rps, `errorRate` as a share, `p99` in seconds,
    /// `api.replicas`, …) and `service`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) files: Option<Vec<Text>>,
    /// Distance between samples; divides an hour; `5m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) step: Option<Text>,
    /// How far back history is wanted; `8w` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) lookback: Option<Text>,
    /// The store's folder, relative to this file; `.plimsoll/history` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) store: Option<Text>,
}

/// How to reach a Prometheus. Secrets stand in files, never here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Prometheus {
    /// Base address, with its path if there is one.
    #[schemars(with = "String", url)]
    pub(super) url: Text,
    /// File that holds a bearer token.
    #[schemars(with = "Option<String>")]
    pub(super) bearer_token_file: Option<Text>,
    /// User name for basic authentication.
    #[schemars(with = "Option<String>")]
    pub(super) username: Option<Text>,
    /// File that holds its password.
    #[schemars(with = "Option<String>")]
    pub(super) password_file: Option<Text>,
    /// PEM file of the authority that signed the server's certificate.
    #[schemars(with = "Option<String>")]
    pub(super) ca_file: Option<Text>,
    /// PEM file of our own certificate, for mutual TLS.
    #[schemars(with = "Option<String>")]
    pub(super) cert_file: Option<Text>,
    /// PEM file of its key.
    #[schemars(with = "Option<String>")]
    pub(super) key_file: Option<Text>,
    /// Headers sent with each request, such as `X-Scope-OrgID`.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(super) headers: Option<Entries<Text>>,
    /// Highest number of samples that one run may ask for; ten million unless set.
    #[schemars(with = "Option<u64>", range(min = 1))]
    pub(super) max_samples: Option<Text>,
    /// How many requests are under way at once; 4 unless set.
    #[schemars(with = "Option<u32>", range(min = 1, max = 32))]
    pub(super) concurrency: Option<Text>,
    /// Time that one request may take; `30s` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) timeout: Option<Text>,
    /// Time that a run may lose to a source that is away or busy before it is given up; `1m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) patience: Option<Text>,
}

/// One service with its table and components.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Service {
    /// The name by which the team knows it.
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// The Kubernetes namespace it runs in.
    #[schemars(with = "String")]
    pub(super) namespace: Text,
    /// Where its load is measured: a preset with the labels that select it, or a query. May be left out where
    /// `history.files` are the only source.
    #[serde(default)]
    pub(super) load: Option<At<Load>>,
    /// PromQL by signal, before any preset: `p99`, `api.cpu`.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(super) queries: Option<Entries<Text>>,
    /// When it counts as healthy, and when as a Severity 2.
    #[serde(default)]
    pub(super) objectives: Option<Objectives>,
    /// The scaling-tier table, or the runbook that holds it.
    pub(super) tiers: At<Tiers>,
    /// What the table sizes, by the name of its column.
    pub(super) components: At<Entries<At<Component>>>,
    /// Names of the persistent volume claims to watch.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) volumes: Option<Vec<Text>>,
}

/// Where the load of a service is measured: `preset` and `selector`, or `query`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Load {
    /// The preset's name; without one all are tried.
    #[schemars(with = "Option<String>")]
    pub(super) preset: Option<Text>,
    /// Labels that select this service, and their values.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(super) selector: Option<Entries<Text>>,
    /// PromQL that gives one series in requests per second.
    #[schemars(with = "Option<String>")]
    pub(super) query: Option<Text>,
}

/// The limits inside which a service is healthy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Objectives {
    /// Highest healthy share of failed requests; `1%` unless set.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) error_rate: Option<Text>,
    /// Highest healthy 99th percentile of latency, such as `800ms`; `2s` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) p99: Option<Text>,
    /// The limits past which the service is in a Severity 2; five times the error rate and two and
    /// a half times the latency unless set.
    pub(super) severity2: Option<Severity2>,
}

/// The limits past which a service is in a Severity 2.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Severity2 {
    /// Share of failed requests.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) error_rate: Option<Text>,
    /// 99th percentile of latency.
    #[schemars(with = "Option<String>")]
    pub(super) p99: Option<Text>,
}

/// The scaling-tier table: its rows, or the runbook that holds it.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Tiers {
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
pub(super) struct Markdown {
    /// The Markdown file, relative to this file.
    #[schemars(with = "String")]
    #[expect(clippy::struct_field_names, reason = "the key is called so")]
    pub(super) markdown: Text,
    /// Which of the scaling tables in it, from 1, where there are several.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) table: Option<Text>,
    /// Component by column header, where the header does not name it.
    #[serde(default)]
    #[schemars(with = "Option<Entries<String>>")]
    pub(super) columns: Option<Entries<Text>>,
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
pub(super) struct Component {
    /// The Kubernetes object that runs it: `Deployment/NAME` or `StatefulSet/NAME`.
    #[schemars(with = "String", regex(pattern = "^(Deployment|StatefulSet)/[a-z0-9.-]+$"))]
    pub(super) target: Text,
    /// Whether the table gives it memory rather than replicas.
    #[schemars(with = "Option<bool>")]
    pub(super) memory: Option<Text>,
    /// The path of its keys in the chart's values, such as `redis.master`.
    #[schemars(with = "Option<String>")]
    pub(super) helm: Option<Text>,
    /// Its container, where it is not named like the component.
    #[schemars(with = "Option<String>")]
    pub(super) container: Option<Text>,
    /// How long a new replica takes until it serves; `1m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) start_up: Option<Text>,
    /// What it has today, where nothing better knows.
    pub(super) current: Option<Current>,
}

/// The settings in force; what is absent is not known.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Current {
    /// `spec.replicas`.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) replicas: Option<Text>,
    /// `minReplicas` of its HPA.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) min_replicas: Option<Text>,
    /// `maxReplicas` of its HPA.
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(super) max_replicas: Option<Text>,
    /// The HPA's CPU target, in percent of the request.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    pub(super) target_utilization: Option<Text>,
    /// CPU request per container.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) cpu_request: Option<Text>,
    /// CPU limit per container: no request is advised above it.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) cpu_limit: Option<Text>,
    /// Memory request per container.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) memory_request: Option<Text>,
    /// Memory limit per container.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) memory_limit: Option<Text>,
    /// Short for `memoryLimit`, for a component that the table sizes by memory.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) memory: Option<Text>,
}

/// How much risk is taken, how far is looked, how far one change may go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Policy {
    /// The chance that the window's peak exceeds the planning load; `5%` unless set.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) risk: Option<Text>,
    /// The window that is planned for; `7d` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) horizon: Option<Text>,
    /// How far crossings are looked for; `28d` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) outlook: Option<Text>,
    /// How far below a boundary observed load must stay before a setting is lowered; `10%` unless set.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) hysteresis: Option<Text>,
    /// How long it must stay there; `7d` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) dwell: Option<Text>,
    /// The largest change of a replica count in one step, as a multiple of today's; 2 unless set.
    #[schemars(with = "Option<f64>", range(min = 1))]
    pub(super) max_step: Option<Text>,
    /// Share of expected samples that the load must have before anything is lowered; `95%` unless set.
    #[schemars(with = "Option<NumberOrText>")]
    pub(super) min_coverage: Option<Text>,
    /// How long the load must have been watched before anything is lowered; `4w` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) min_history: Option<Text>,
    /// The oldest that the newest sample may be before the data counts as stale; `30m` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) max_age: Option<Text>,
    /// The oldest plan that `apply` takes; `1h` unless set.
    #[schemars(with = "Option<String>")]
    pub(super) max_plan_age: Option<Text>,
    /// How long `apply` leaves an object alone after a change of its own; `30m` unless set. A count may be raised within
    /// it during a Severity 2.
    #[schemars(with = "Option<String>")]
    pub(super) cooldown: Option<Text>,
    /// When `apply` changes nothing.
    pub(super) freeze: Option<Vec<Freeze>>,
}

/// A time in which `apply` changes nothing: once, or with `days` every week by the clock of `timezone`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Freeze {
    /// What people call it.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Text>,
    /// The days on which it begins: `[Fri, Sat]`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) days: Option<Vec<Text>>,
    /// Its first moment: a date or RFC 3339; with `days` a time such as `18:00`.
    #[schemars(with = "String")]
    pub(super) from: Text,
    /// The first moment after it: a date or RFC 3339; with `days` a time, `24:00` too, of the next day where it is not
    /// later than `from`.
    #[schemars(with = "String")]
    pub(super) to: Text,
}

/// Something that changes the load for a while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Event {
    /// Its name, as people will read it.
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// Its first moment: a local date (its midnight), or RFC 3339.
    #[schemars(with = "String")]
    pub(super) from: Text,
    /// The first moment after it: a local date (its midnight), or RFC 3339.
    #[schemars(with = "String")]
    pub(super) to: Text,
    /// The factor on the load, or `last`: what it was when an event of this name was last. Without one the span is
    /// masked in history and changes nothing ahead.
    #[schemars(with = "Option<Factor>")]
    pub(super) multiply: Option<Text>,
}

/// A file of events (RFC 5545); a day in it is one of `timezone`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CalendarFile {
    /// The iCalendar file, relative to this file.
    #[schemars(with = "String")]
    pub(super) file: Text,
    /// The factor on the load in each of its events, or `last`: what it was in the newest earlier one. Without one
    /// they are masked in history and change nothing ahead.
    #[schemars(with = "Option<Factor>")]
    pub(super) multiply: Option<Text>,
}

/// A factor on the load.
#[derive(JsonSchema)]
#[serde(untagged, rename_all = "camelCase")]
#[expect(dead_code, reason = "it stands for its schema only")]
enum Factor {
    /// Times the usual load.
    Times(f64),
    /// As it was last time.
    Last(Last),
}

/// As it was last time.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it stands for its schema only")]
enum Last {
    Last,
}
