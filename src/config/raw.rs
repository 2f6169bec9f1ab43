//! `plimsoll.yaml` as it is written: keys and shapes, values still text, each with its line.
//!
//! The JSON Schema that editors read is derived from these very structs, so that it cannot say
//! anything else than what is read. Values stay text here because a quantity must be judged as it was
//! spelled: `512M` is not `512Mi`, and YAML would have turned `1e3` into a float already.

mod service;
mod spelled;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::service::{Component, Current, Load, Markdown, Objectives, Service, Tiers};
use self::spelled::NumberOrText;
pub(super) use self::spelled::{At, Entries, Text};

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
