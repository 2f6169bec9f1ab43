//! `plimsoll.yaml` -> validated [`Settings`]. Every key is checked; an unknown one is an error with a
//! suggestion and its line.

mod calendar;
mod component;
mod error;
mod history;
mod place;
mod policy;
mod pull_request;
mod raw;
mod read;
mod rules;
mod service;
mod shape;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use self::error::{ConfigError, Problem, nearest};
pub use self::pull_request::{ForgeKind, PullRequestSettings, is_git_name, is_repository};
use self::read::Reader;
use crate::files;
use crate::service::rules::{Rounds, Rules};
use crate::service::{Calendar, Policy, Service};
use crate::units::Period;

/// A whole `plimsoll.yaml`, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// First 12 hex digits of the SHA-256 of the file's bytes, and of the runbooks' that it names.
    pub hash: String,
    /// Where history comes from and where it is kept.
    pub history: HistorySettings,
    /// Zone and events.
    pub calendar: Calendar,
    /// Services, by name.
    pub services: Vec<Service>,
    /// The names of the services that were not chosen; see [`Settings::choose`].
    pub elsewhere: Vec<String>,
    /// Risk, horizon, bounds.
    pub policy: Policy,
    /// What `apply` is allowed.
    pub rules: Rules,
    /// What `run` does, and how often.
    pub rounds: Rounds,
    /// Where `apply` keeps its record; relative to the settings file.
    pub audit: PathBuf,
    /// Where `pr` proposes what is advised.
    pub pull_request: PullRequestSettings,
    /// What is odd but can be used: a tier row that gives less than the row before it.
    pub warnings: Vec<Problem>,
}

/// Where history comes from and where it is kept.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// The Prometheus to pull from; `None` works from files or the store alone.
    pub prometheus: Option<PrometheusSettings>,
    /// CSV and Parquet files to read beside or instead of it; relative to the settings file.
    pub files: Vec<PathBuf>,
    /// Distance between samples.
    pub step: Period,
    /// How far back history is wanted.
    pub lookback: Period,
    /// The store's folder; relative to the settings file.
    pub store: PathBuf,
}

/// How to reach a Prometheus, or anything that speaks its HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// Base address, with path if there is one: `https://mimir.example/prometheus`.
    pub url: String,
    /// File that holds a bearer token; read anew before each request round, since tokens rotate.
    pub bearer_token_file: Option<PathBuf>,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// File that holds its password; may be empty.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our own certificate and key, for mutual TLS.
    pub cert_file: Option<PathBuf>,
    /// See `cert_file`.
    pub key_file: Option<PathBuf>,
    /// Headers sent with each request: `X-Scope-OrgID`.
    pub headers: BTreeMap<String, String>,
    /// Highest number of samples that one run may ask for.
    pub max_samples: u64,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// Time that one request may take, retries not counted.
    pub timeout: Period,
    /// Time that a run may lose to a source that is away or busy, from one answer to the next.
    pub patience: Period,
}

impl Settings {
    /// Leaves the services of one namespace. The names of the others are kept: files that all share speak of them too.
    pub fn choose(&mut self, namespace: &str) {
        let (chosen, others): (Vec<_>, Vec<_>) =
            self.services.drain(..).partition(|service| service.namespace == namespace);
        self.services = chosen;
        self.elsewhere.extend(others.into_iter().map(|service| service.name));
    }

    /// Pulls from another Prometheus than the file names, or from one where it names none.
    ///
    /// # Errors
    ///
    /// Where `url` is no base address.
    pub fn set_prometheus_url(&mut self, url: &str) -> Result<(), ConfigError> {
        let raw = raw::Prometheus {
            url: raw::Text { value: url.to_owned(), line: 0 },
            ..raw::Prometheus::default()
        };
        let mut reader = Reader::new("--prometheus-url", Path::new(""));
        let given = reader.prometheus(&raw);
        if let Some(error) = ConfigError::of(reader.problems) {
            return Err(error);
        }
        let Some(given) = given else { return Ok(()) };
        match &mut self.history.prometheus {
            Some(known) => known.url = given.url,
            none => *none = Some(given),
        }
        Ok(())
    }
}

/// The record of `apply`, where the settings name none.
const AUDIT: &str = ".plimsoll/audit.jsonl";

/// Settings files are written by people; past this size it is another file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads and validates a settings file.
///
/// # Errors
///
/// Where the file cannot be read, or where anything in it is wrong: with the key, the line and the remedy.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    let name = path.display().to_string();
    let hint = "name it with `--file FILE`, or write a first one with `plimsoll init`";
    let text = read_text(path, &name, None, hint)?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&text, &name, base)
}

/// Validates settings given as `text`; `name` is the file's name in messages, and paths in it are
/// relative to `base`.
///
/// # Errors
///
/// Where anything in it is wrong: with the key, the line and the remedy.
pub fn parse(text: &str, name: &str, base: &Path) -> Result<Settings, ConfigError> {
    let file = shape::parse(text, name)?;
    let mut reader = Reader::new(name, base);
    reader.version(&file.version);
    let zone = reader.zone(file.timezone.as_ref());
    let history = reader.history(file.history.as_ref());
    reader.only_files = history.prometheus.is_none() && !history.files.is_empty();
    let mut events = reader.events(file.events.as_deref().unwrap_or_default(), &zone);
    events.extend(reader.calendars(file.calendars.as_deref().unwrap_or_default(), &zone));
    // what stands in two calendars, or is written here too, happens once: the largest factor is kept
    events.sort_by(|a, b| {
        let key = |event: &crate::service::Event| (event.from, event.to, event.name.clone());
        key(a).cmp(&key(b)).then(b.multiply.total_cmp(&a.multiply))
    });
    events.dedup_by(|b, a| (a.from, a.to, &a.name) == (b.from, b.to, &b.name));
    let services = reader.services(&file.services);
    let policy = reader.policy(file.policy.as_ref(), history.step);
    let rules = reader.rules(file.policy.as_ref(), file.apply.as_ref(), &zone);
    let rounds = reader.rounds(file.run.as_ref());
    let audit = file.apply.as_ref().and_then(|apply| apply.audit.as_ref());
    let audit = reader.path("apply.audit", audit).unwrap_or_else(|| base.join(AUDIT));
    let pull_request = reader.pull_request(file.pull_request.as_ref());
    let Reader { problems, warnings, runbooks, .. } = reader;
    match ConfigError::of(problems) {
        Some(error) => Err(error),
        None => Ok(Settings {
            hash: hash(text, &runbooks),
            history,
            calendar: Calendar { zone, events },
            services,
            elsewhere: Vec::new(),
            policy,
            rules,
            rounds,
            audit,
            pull_request,
            warnings,
        }),
    }
}

/// The JSON Schema of `plimsoll.yaml`.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(raw::File)
}

fn hash(text: &str, runbooks: &[String]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(text);
    for runbook in runbooks {
        hasher.update(runbook);
    }
    let digest = hasher.finalize();
    let hex = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    let digits = digest.iter().take(6);
    digits.flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect()
}

/// The text of a file; `line` is where a settings file names it.
pub(crate) fn read_text(
    path: &Path,
    name: &str,
    line: Option<usize>,
    hint: &str,
) -> Result<String, Problem> {
    let problem =
        |message: String| Problem { file: name.to_owned(), line, message, hint: hint.to_owned() };
    let shown = path.display();
    files::regular(path).map_err(|error| problem(format!("cannot read `{shown}`: {error}")))?;
    let large = std::fs::metadata(path).is_ok_and(|meta| meta.len() > FILE_BYTES_MAX);
    if large {
        return Err(problem(format!("cannot read `{shown}`: larger than 4 MiB")));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| problem(format!("cannot read `{shown}`: {}", reason(&error))))?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count();
        problem(format!("cannot read `{shown}`: not UTF-8 at line {line}"))
    })
}

/// Why a file cannot be read, in words that are the same on every system.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests;
