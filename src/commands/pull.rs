//! `pull`: brings the store up to date, asking only for what is new.
//!
//! The cost is known before anything is sent: every series is asked for in steps of a grid, in slices
//! under the 11,000 points that Prometheus allows, and the points of a whole run are held against
//! `history.prometheus.maxSamples`. A series that fails becomes a [`Failure`]; only a source that cannot
//! be reached, or refuses us, at the very start ends the run.

mod choice;
mod job;
mod past;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use self::job::{Job, Outcome, Shared};
use super::{Exit, Hinted, Talk};
use crate::config::{PrometheusSettings, Settings};
use crate::history::SeriesKey;
use crate::service::Service;
use crate::source::prometheus::{Access, Choice, Client, PrometheusError, SignalQuery, queries};
use crate::store::{Store, StoreError, Writer};
use crate::units::counted;

pub(super) use self::choice::{CHOICE, discover, scrapes_an_hour};
pub use self::past::{Past, files, gather};

/// How long a store that another run writes to is waited for: longer than a pull of what is new takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two tries to get it.
const AGAIN: Duration = Duration::from_millis(200);

/// What a pull did.
#[derive(Debug, Clone, Default)]
pub struct PullSummary {
    /// How many queries were sent, those that found out what to ask included.
    pub queries: usize,
    /// How many series were brought up to date.
    pub series: usize,
    /// How many samples came.
    pub samples: usize,
    /// How many samples were left out because they were no numbers, or of another time than asked for.
    pub dropped: usize,
    /// What was found out about each service's load; a service that counts its requests in no known way is absent.
    pub choices: BTreeMap<String, Choice>,
    /// Services whose load no preset found.
    pub unmatched: Vec<String>,
    /// Damaged files of the store, each with what was done about it.
    pub set_aside: Vec<String>,
    /// Series that could not be brought up to date.
    pub failures: Vec<Failure>,
}

/// A series that could not be brought up to date, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The service.
    pub service: String,
    /// The series.
    pub key: SeriesKey,
    /// What went wrong.
    pub message: String,
    /// What to change.
    pub hint: String,
}

/// `plimsoll pull`.
///
/// # Errors
///
/// No Prometheus in the settings, or whatever [`bring_up_to_date`] fails with.
pub async fn run(
    settings: &Settings,
    at: Timestamp,
    talk: Talk,
    out: &mut impl Write,
) -> Result<Exit> {
    if settings.history.prometheus.is_none() {
        return Err(Hinted {
            message: "there is no Prometheus to pull from".to_owned(),
            hint: "set `history.prometheus.url`, or give `--prometheus-url`".to_owned(),
        }
        .into());
    }
    let summary = bring_up_to_date(settings, at, talk).await?;
    write!(out, "{}", summary.text())?;
    Ok(if summary.failures.is_empty() && summary.unmatched.is_empty() {
        Exit::Done
    } else {
        Exit::Skipped
    })
}

/// Asks the Prometheus of `settings` for what the store does not have yet, up to `at` or now, whichever is earlier.
///
/// # Errors
///
/// A source that cannot be reached or refuses us at the start, a run that would cost more than the settings
/// allow, settings that name no query, or a store that cannot be written.
pub async fn bring_up_to_date(
    settings: &Settings,
    at: Timestamp,
    talk: Talk,
) -> Result<PullSummary> {
    let Some(prometheus) = &settings.history.prometheus else {
        return Ok(PullSummary::default());
    };
    // what is still to come is not absent
    let at = at.min(Timestamp::now()).as_second();
    let client = connect(prometheus, at).await?;
    let writer = writer(&open(settings)?).await?;
    let mut summary = PullSummary { queries: 1, ..PullSummary::default() };
    let mut jobs = Vec::new();
    for service in &settings.services {
        let choice = choice::choose(&client, &writer, service, at, &mut summary).await?;
        if summary.failures.iter().any(|failure| failure.service == service.name) {
            continue;
        }
        let list = queries(service, settings.history.step, choice.as_ref())
            .map_err(|error| Hinted::because(&error, &error.hint()))?;
        for query in list {
            summary.set_aside.extend(mended(&writer, service, &query.key, settings, at)?);
            jobs.push(Job::plan(writer.store(), service, query, settings, at)?);
        }
        summary.choices.extend(choice.map(|choice| (service.name.clone(), choice)));
    }
    within_budget(&jobs, prometheus.max_samples)?;
    let progress = progress(&jobs, talk);
    let shared = Arc::new(Shared { client, writer, at, talk });
    let mut outcomes = futures::stream::iter(
        jobs.into_iter().map(|job| job.run(Arc::clone(&shared), progress.clone())),
    )
    .buffer_unordered(prometheus.concurrency.max(1));
    while let Some(outcome) = outcomes.next().await {
        summary.take(outcome?);
    }
    drop(outcomes);
    progress.finish_and_clear();
    for service in &settings.services {
        choice::notice_silence(
            &shared.client,
            shared.writer.store(),
            settings,
            service,
            at,
            &mut summary,
        )
        .await?;
    }
    summary.failures.sort_by(|a, b| (&a.service, &a.key).cmp(&(&b.service, &b.key)));
    Ok(summary)
}

/// The right to write, waited for: who holds it is most often through in a moment, as a turn of the loop is.
async fn writer(store: &Store) -> Result<Writer> {
    let begun = Instant::now();
    loop {
        match store.writer() {
            Err(StoreError::InUse { .. }) if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(AGAIN).await;
            }
            taken => return Ok(taken.map_err(|error| Hinted::because(&error, error.hint()))?),
        }
    }
}

/// Sets aside what is damaged of a series within the window, so that it is asked for again.
fn mended(
    writer: &Writer,
    service: &Service,
    key: &SeriesKey,
    settings: &Settings,
    at: i64,
) -> Result<Vec<String>> {
    let from = at - settings.history.lookback.0 - settings.history.step.0;
    let damaged = writer.mend(&service.name, key, from, at);
    Ok(damaged.map_err(|error| Hinted::because(&error, error.hint()))?)
}

/// How many points a pull would ask for one series now.
pub(super) fn missing_points(
    store: &Store,
    service: &Service,
    query: &SignalQuery,
    settings: &Settings,
    at: i64,
) -> Result<u64> {
    Ok(Job::plan(store, service, query.clone(), settings, at)?.points())
}

/// The settings' Prometheus, greeted.
pub(super) async fn connect(settings: &PrometheusSettings, at: i64) -> Result<Client> {
    let client = Client::new(&access(settings)).map_err(|error| hinted(&error))?;
    client.greet(at).await.map_err(|error| hinted(&error))?;
    Ok(client)
}

pub(super) fn open(settings: &Settings) -> Result<Store> {
    Store::open(&settings.history.store)
        .map_err(|error| Hinted::because(&error, error.hint()).into())
}

pub(super) fn hinted(error: &PrometheusError) -> Hinted {
    Hinted::because(error, error.hint())
}

pub(super) fn access(settings: &PrometheusSettings) -> Access {
    Access {
        url: settings.url.clone(),
        bearer_token_file: settings.bearer_token_file.clone(),
        username: settings.username.clone(),
        password_file: settings.password_file.clone(),
        ca_file: settings.ca_file.clone(),
        cert_file: settings.cert_file.clone(),
        key_file: settings.key_file.clone(),
        headers: settings.headers.clone(),
        timeout: Duration::from_secs(settings.timeout.0.unsigned_abs()),
        patience: Duration::from_secs(settings.patience.0.unsigned_abs()),
    }
}

/// The cost is known before it is spent.
fn within_budget(jobs: &[Job], max_samples: u64) -> Result<()> {
    let samples: u64 = jobs.iter().map(Job::points).sum();
    if samples <= max_samples {
        return Ok(());
    }
    Err(Hinted {
        message: format!("this pull would ask for {samples} samples of {} series; at most {max_samples} are allowed", jobs.len()),
        hint: "raise `history.prometheus.maxSamples`, or shorten `history.lookback`, or lengthen `history.step`".to_owned(),
    }
    .into())
}

/// A bar on standard error, when that is a terminal and nobody asked for silence.
fn progress(jobs: &[Job], talk: Talk) -> ProgressBar {
    // lines and a bar would write over each other
    let hidden = talk.quiet || talk.verbose;
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(jobs.iter().map(Job::points).sum()), target);
    if let Ok(style) = ProgressStyle::with_template(
        "pulling {bar:40} {percent}% of {human_len} samples, {eta} left",
    ) {
        bar.set_style(style);
    }
    bar
}

impl PullSummary {
    fn take(&mut self, outcome: Outcome) {
        self.queries += outcome.queries;
        self.samples += outcome.samples;
        self.dropped += outcome.dropped;
        self.series += usize::from(outcome.failure.is_none());
        self.failures.extend(outcome.failure);
    }

    /// What happened, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (service, choice) in &self.choices {
            let _ = writeln!(text, "{service}: load by preset `{}`", choice.preset);
        }
        for damaged in &self.set_aside {
            let _ = writeln!(text, "{damaged}");
        }
        for service in &self.unmatched {
            let _ = writeln!(
                text,
                "{service}: no preset found its load; `plimsoll check` says what there is"
            );
        }
        let Self { series, samples, queries, dropped, .. } = self;
        let of = if *queries == 1 { "query" } else { "queries" };
        let _ = writeln!(
            text,
            "{series} series up to date: {} in {queries} {of}",
            counted(*samples, "sample")
        );
        if *dropped > 0 {
            let _ = writeln!(
                text,
                "{dropped} samples were no numbers, or of another time than asked for, and are left out"
            );
        }
        for Failure { service, key, message, hint } in &self.failures {
            let _ = writeln!(text, "{service}: `{key}` failed: {message}\n  hint: {hint}");
        }
        text
    }
}
