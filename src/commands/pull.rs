//! `pull`: brings the store up to date, asking only for what is new.
//!
//! The cost is known before anything is sent: every series is asked for in steps of a grid, in slices
//! under the 11,000 points that Prometheus allows, and the points of a whole run are held against
//! `history.prometheus.maxSamples`. A series that fails becomes a [`Failure`]; only a source that cannot
//! be reached, or refuses us, at the very start ends the run.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::{Exit, Hinted};
use crate::config::{PrometheusSettings, Settings};
use crate::history::{Evidence, Observed, Samples, SeriesKey};
use crate::service::{LoadSource, Service};
use crate::source::file;
use crate::source::prometheus::presets::{LoadPreset, Needs, PRESETS, USUAL_SCRAPE_S};
use crate::source::prometheus::{
    Access, Choice, Client, PrometheusError, Range, RangeAnswer, SignalQuery, queries,
};
use crate::store::{Answer, Manifest, Store, Writer};

/// Points of one slice. Prometheus refuses more than 11,000; others count a little differently.
pub const SLICE_POINTS: i64 = 10_000;
/// A slice of this many points is not halved again: if that is too much, the query itself is.
const SMALLEST_SLICE: usize = 64;
/// Samples younger than this may still change, because a scrape under way belongs to them: they are kept
/// for now and asked for once more next time.
const SETTLE_S: i64 = 60;
/// How long missing samples at the end are still hoped for: agents that write remotely, and Thanos, deliver late.
const LATE_S: i64 = 3_600;
/// The note in the store that holds a service's [`Choice`].
const CHOICE: &str = "choice";

/// What a pull did.
#[derive(Debug, Clone, Default)]
pub struct PullSummary {
    /// How many queries were sent, those that found out what to ask included.
    pub queries: usize,
    /// How many series were brought up to date.
    pub series: usize,
    /// How many samples came.
    pub samples: usize,
    /// How many values were left out because they were no numbers.
    pub dropped: usize,
    /// What was found out about each service's load; a service that counts its requests in no known way is absent.
    pub choices: BTreeMap<String, Choice>,
    /// Services whose load no preset found.
    pub unmatched: Vec<String>,
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

/// History from everywhere: the store, the files of the settings, and what failed on the way.
#[derive(Debug)]
pub struct Past {
    store: Store,
    files: BTreeMap<String, Observed>,
    at: Timestamp,
    from: i64,
    /// The oldest that a series may be which could not be brought up to date just now.
    max_age_s: i64,
    /// What the pull before it did; `None` where nobody was asked.
    pub pull: Option<PullSummary>,
}

/// `plimsoll pull`.
///
/// # Errors
///
/// No Prometheus in the settings, or whatever [`bring_up_to_date`] fails with.
pub async fn run(
    settings: &Settings,
    at: Timestamp,
    quiet: bool,
    out: &mut impl Write,
) -> Result<Exit> {
    if settings.history.prometheus.is_none() {
        return Err(Hinted {
            message: "there is no Prometheus to pull from".to_owned(),
            hint: "set `history.prometheus.url`, or give `--prometheus-url`".to_owned(),
        }
        .into());
    }
    let summary = bring_up_to_date(settings, at, quiet).await?;
    write!(out, "{}", summary.text())?;
    Ok(if summary.failures.is_empty() && summary.unmatched.is_empty() {
        Exit::Done
    } else {
        Exit::Skipped
    })
}

/// History for all services at `at`: from the store, brought up to date first unless `offline`, and from files.
///
/// # Errors
///
/// Whatever [`bring_up_to_date`] fails with, or a file that cannot be read.
pub async fn gather(
    settings: &Settings,
    at: Timestamp,
    offline: bool,
    quiet: bool,
) -> Result<Past> {
    let pull = match settings.history.prometheus {
        Some(_) if !offline => Some(bring_up_to_date(settings, at, quiet).await?),
        _ => None,
    };
    let mut files: BTreeMap<String, Observed> = BTreeMap::new();
    for path in &settings.history.files {
        let found = file::read(path, &settings.services)
            .map_err(|error| Hinted::because(&error, error.hint()))?;
        for (service, observed) in found {
            files.entry(service).or_default().extend(observed);
        }
    }
    Ok(Past {
        store: open(settings)?,
        files,
        at,
        from: at.as_second() - settings.history.lookback.0 - settings.history.step.0,
        max_age_s: settings.policy.max_age.0,
        pull,
    })
}

impl Past {
    /// Everything known of `service`; a file's word on a series stands before the store's.
    ///
    /// # Errors
    ///
    /// A file of the store that cannot be read; the error names it.
    pub fn of(&self, service: &Service) -> Result<Observed> {
        let at = self.at.as_second();
        let observed = self.store.observe(service, self.from, at);
        let mut observed = observed.map_err(|error| Hinted::because(&error, error.hint()))?;
        let failures = self.pull.iter().flat_map(|pull| &pull.failures);
        for failure in failures.filter(|failure| failure.service == service.name) {
            let fresh = matches!(observed.get(&failure.key), Some(Evidence::Series(Samples { at: times, .. })) if times.last() >= Some(&(at - self.max_age_s)));
            if !fresh {
                observed.insert(failure.key.clone(), Evidence::Failed(failure.message.clone()));
            }
        }
        if let Some(files) = self.files.get(&service.name) {
            observed.extend(files.clone());
        }
        Ok(observed)
    }

    /// How many queries were sent; `None` where nobody was asked.
    #[must_use]
    pub fn queries(&self) -> Option<usize> {
        self.pull.as_ref().map(|pull| pull.queries)
    }
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
    quiet: bool,
) -> Result<PullSummary> {
    let Some(prometheus) = &settings.history.prometheus else {
        return Ok(PullSummary::default());
    };
    // what is still to come is not absent
    let at = at.min(Timestamp::now()).as_second();
    let client = connect(prometheus, at).await?;
    let writer = open(settings)?.writer().map_err(|error| Hinted::because(&error, error.hint()))?;
    let mut summary = PullSummary { queries: 1, ..PullSummary::default() };
    let mut jobs = Vec::new();
    for service in &settings.services {
        let choice = choose(&client, &writer, service, at, &mut summary).await?;
        let list = queries(service, settings.history.step, choice.as_ref())
            .map_err(|error| Hinted::because(&error, &error.hint()))?;
        for query in list {
            jobs.push(Job::plan(&writer, service, query, settings, at)?);
        }
        summary.choices.extend(choice.map(|choice| (service.name.clone(), choice)));
    }
    within_budget(&jobs, prometheus.max_samples)?;
    let progress = progress(&jobs, quiet);
    let shared = Arc::new(Shared { client, writer, at });
    let mut outcomes = futures::stream::iter(
        jobs.into_iter().map(|job| job.run(Arc::clone(&shared), progress.clone())),
    )
    .buffer_unordered(prometheus.concurrency.max(1));
    while let Some(outcome) = outcomes.next().await {
        summary.take(outcome?);
    }
    drop(outcomes);
    progress.finish_and_clear();
    summary.failures.sort_by(|a, b| (&a.service, &a.key).cmp(&(&b.service, &b.key)));
    Ok(summary)
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

fn access(settings: &PrometheusSettings) -> Access {
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
        ..Access::to(&settings.url)
    }
}

/// What is known of the load of `service`, found out if it is not: which preset has series, which label holds
/// the status, how often is scraped. It is found out once, so that the queries stay the same from run to run.
async fn choose(
    client: &Client,
    writer: &Writer,
    service: &Service,
    at: i64,
    summary: &mut PullSummary,
) -> Result<Option<Choice>> {
    let LoadSource::Preset { name, .. } = &service.load else {
        return Ok(None);
    };
    let known: Option<Choice> = writer
        .store()
        .note(&service.name, CHOICE)
        .map_err(|error| Hinted::because(&error, error.hint()))?;
    let stands = |choice: &Choice| {
        name.as_deref().is_none_or(|name| {
            LoadPreset::named(name).is_some_and(|preset| preset.name == choice.preset)
        })
    };
    if let Some(known) = known.filter(stands) {
        return Ok(Some(known));
    }
    let found = discover(client, service, at, &mut summary.queries)
        .await
        .map_err(|error| hinted(&error))?;
    match &found {
        // without a status label it is looked for again next time: the first failure may bring it
        Some(choice) if choice.error_label.is_some() => {
            writer
                .set_note(&service.name, CHOICE, choice)
                .map_err(|error| Hinted::because(&error, error.hint()))?;
        }
        Some(_) => {}
        None => summary.unmatched.push(service.name.clone()),
    }
    Ok(found)
}

/// Asks which load preset has series for `service`; the first that has is it. Counts its queries.
pub(super) async fn discover(
    client: &Client,
    service: &Service,
    at: i64,
    asked: &mut usize,
) -> Result<Option<Choice>, PrometheusError> {
    for preset in candidates(service) {
        // a selector that is no label name is reported where the queries are written
        let Ok(needs) = preset.needs(service) else {
            return Ok(None);
        };
        let Some(scrapes) = scrapes_an_hour(client, &needs, at, asked).await? else {
            continue;
        };
        let mut error_label = None;
        for (label, needs) in preset.failure_needs(service).unwrap_or_default() {
            if scrapes_an_hour(client, &needs, at, asked).await?.is_some() {
                error_label = Some(label.to_owned());
                break;
            }
        }
        return Ok(Some(Choice {
            preset: preset.name.to_owned(),
            error_label,
            scrape_s: scrape_interval(scrapes),
        }));
    }
    Ok(None)
}

/// The presets to try. One that knows no namespace counts the whole cluster unless something selects the service.
fn candidates(service: &Service) -> Vec<&'static LoadPreset> {
    match &service.load {
        LoadSource::Query(_) => Vec::new(),
        LoadSource::Preset { name: Some(name), .. } => {
            LoadPreset::named(name).into_iter().collect()
        }
        LoadSource::Preset { name: None, selector } => PRESETS
            .iter()
            .filter(|preset| preset.knows_namespace() || !selector.is_empty())
            .collect(),
    }
}

/// How often the best-scraped of the series was scraped within the last hour; `None` where there is none.
pub(super) async fn scrapes_an_hour(
    client: &Client,
    needs: &Needs,
    at: i64,
    asked: &mut usize,
) -> Result<Option<f64>, PrometheusError> {
    *asked += 1;
    let Needs { metric, matchers } = needs;
    let answer =
        client.instant(&format!("max(count_over_time({metric}{matchers}[1h]))"), at).await?;
    Ok(answer.first().map(crate::source::prometheus::decode::Element::value))
}

/// The scrape interval, in seconds, from the number of scrapes an hour: one of a few, so that a lost scrape does not change it.
fn scrape_interval(scrapes: f64) -> i64 {
    const USUAL: [i64; 5] = [USUAL_SCRAPE_S, 120, 300, 600, 900];
    // up to a quarter of the scrapes may have been lost
    let fits = |interval: &&i64| {
        scrapes >= 0.75 * 3_600.0 / f64::from(i32::try_from(**interval).unwrap_or(i32::MAX))
    };
    *USUAL.iter().find(fits).unwrap_or(&1_800)
}

/// What all jobs share.
struct Shared {
    client: Client,
    writer: Writer,
    at: i64,
}

/// One series to bring up to date.
struct Job {
    service: String,
    query: SignalQuery,
    step: i64,
    slices: Vec<Range>,
}

/// What became of a job.
struct Outcome {
    queries: usize,
    samples: usize,
    dropped: usize,
    failure: Option<Failure>,
}

impl Job {
    /// Finds out what is missing in the store, without changing it.
    fn plan(
        writer: &Writer,
        service: &Service,
        query: SignalQuery,
        settings: &Settings,
        at: i64,
    ) -> Result<Self> {
        let step = settings.history.step.0;
        let to = at.div_euclid(step) * step;
        let from = to - settings.history.lookback.0.div_euclid(step) * step;
        let manifest = writer
            .store()
            .manifest(&service.name, &query.key)
            .map_err(|error| Hinted::because(&error, error.hint()))?;
        let missing = match manifest {
            Some(manifest) if manifest.query == query.promql && manifest.step_s == step => {
                manifest.asked.missing(from, to, step)
            }
            _ => vec![(from, to)],
        };
        let slices = missing.into_iter().flat_map(|(from, to)| sliced(from, to, step)).collect();
        Ok(Self { service: service.name.clone(), query, step, slices })
    }

    fn points(&self) -> u64 {
        self.slices.iter().map(|slice| slice.points() as u64).sum()
    }

    /// Asks slice by slice and keeps what came, even when a later slice fails.
    async fn run(self, shared: Arc<Shared>, progress: ProgressBar) -> Result<Outcome> {
        let mut outcome = Outcome { queries: 0, samples: 0, dropped: 0, failure: None };
        let mut answers = Vec::new();
        // the last slice is on top
        let mut rest: Vec<Range> = self.slices.iter().rev().copied().collect();
        while let Some(slice) = rest.pop() {
            outcome.queries += 1;
            match shared.client.range(&self.query.promql, slice).await {
                Ok(answer) => {
                    progress.inc(slice.points() as u64);
                    outcome.samples += answer.samples.at.len();
                    outcome.dropped += answer.dropped;
                    answers.push((slice, answer));
                }
                Err(error) => match slice
                    .halves()
                    .filter(|_| error.is_too_expensive() && slice.points() > SMALLEST_SLICE)
                {
                    Some([first, second]) => rest.extend([second, first]),
                    None => {
                        outcome.failure = Some(self.failure(&error));
                        break;
                    }
                },
            }
        }
        let kept = tokio::task::spawn_blocking(move || self.keep(&shared, &answers));
        kept.await.context("the store's thread ended early")??;
        Ok(outcome)
    }

    fn failure(&self, error: &PrometheusError) -> Failure {
        Failure {
            service: self.service.clone(),
            key: self.query.key.clone(),
            message: error.to_string(),
            hint: error.hint().to_owned(),
        }
    }

    /// Writes all answers at once: neighbouring slices share a month, which is then written once.
    fn keep(&self, shared: &Shared, answers: &[(Range, RangeAnswer)]) -> Result<()> {
        let failed = |error: crate::store::StoreError| {
            anyhow::Error::from(Hinted::because(&error, error.hint()))
        };
        if answers.is_empty() {
            return Ok(());
        }
        let mut manifest = shared
            .writer
            .begin(&self.service, &self.query.key, &self.query.promql, self.step)
            .map_err(failed)?;
        let mut samples = Samples::default();
        for (slice, answer) in answers {
            samples.at.extend_from_slice(&answer.samples.at);
            samples.value.extend_from_slice(&answer.samples.value);
            let (from, to) = settled(*slice, answer.samples.at.last().copied(), shared.at);
            manifest.asked.add(from, to, self.step);
        }
        let series = answers.iter().any(|(_, answer)| answer.series);
        // the spans are in the manifest already, which is written after the samples
        let nothing_more = (0, -1);
        let answer = Answer { samples: &samples, series, settled: nothing_more };
        shared.writer.append(&self.service, &self.query.key, &mut manifest, answer).map_err(failed)
    }
}

/// A span of steps in slices under the limit.
fn sliced(from: i64, to: i64, step: i64) -> impl Iterator<Item = Range> {
    let length = (SLICE_POINTS - 1) * step;
    std::iter::successors(Some(from), move |start| Some(start + length + step))
        .take_while(move |start| *start <= to)
        .map(move |start| Range { from: start, to: to.min(start + length), step })
}

/// The steps of an answered slice that need not be asked for again: not those that may still change, and
/// not a missing end that may still come.
fn settled(slice: Range, newest: Option<i64>, at: i64) -> (i64, i64) {
    let grid = |second: i64| second.div_euclid(slice.step) * slice.step;
    let final_to = slice.to.min(grid(at - SETTLE_S));
    let given_up = final_to.min(grid(at - LATE_S));
    let newest = newest.map_or(i64::MIN, grid);
    (slice.from, final_to.min(given_up.max(newest)))
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
fn progress(jobs: &[Job], quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
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
            text.push_str(&format!("{service}: load by preset `{}`\n", choice.preset));
        }
        for service in &self.unmatched {
            text.push_str(&format!(
                "{service}: no preset found its load; `plimsoll check` says what there is\n"
            ));
        }
        text.push_str(&format!(
            "{} series up to date: {} samples in {} queries\n",
            self.series, self.samples, self.queries
        ));
        if self.dropped > 0 {
            text.push_str(&format!("{} values were no numbers and are left out\n", self.dropped));
        }
        for failure in &self.failures {
            text.push_str(&format!(
                "{}: `{}` failed: {}\n  hint: {}\n",
                failure.service, failure.key, failure.message, failure.hint
            ));
        }
        text
    }
}

/// The manifest of a series as it stands, for those who only look.
pub(super) fn manifest(store: &Store, service: &str, key: &SeriesKey) -> Result<Option<Manifest>> {
    store.manifest(service, key).map_err(|error| Hinted::because(&error, error.hint()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_09_slices_stay_under_the_limit_and_cover_every_step_once() {
        let slices: Vec<Range> = sliced(0, 25_000 * 300, 300).collect();
        assert!(slices.iter().all(|slice| slice.points() <= 10_000));
        assert_eq!(slices.iter().map(|slice| slice.points()).sum::<usize>(), 25_001);
        assert!(slices.windows(2).all(|pair| pair[0].to + 300 == pair[1].from));
        assert_eq!(sliced(300, 0, 300).count(), 0);
        assert_eq!(sliced(300, 300, 300).count(), 1);
    }

    #[test]
    fn the_newest_step_is_asked_for_again_while_it_may_change() {
        let slice = Range { from: 0, to: 36_000, step: 300 };
        // 30 s after the step: its last scrape may be under way
        assert_eq!(settled(slice, Some(36_000), 36_030), (0, 35_700));
        // 60 s after it
        assert_eq!(settled(slice, Some(36_000), 36_060), (0, 36_000));
    }

    #[test]
    fn a_missing_end_is_hoped_for_for_an_hour() {
        let slice = Range { from: 0, to: 36_000, step: 300 };
        // the last 20 minutes are missing
        assert_eq!(settled(slice, Some(34_800), 36_100), (0, 34_800));
        // the last three hours are missing: two are given up (36,100 - 3,600 on the grid is 32,400)
        assert_eq!(settled(slice, Some(25_200), 36_100), (0, 32_400));
        assert_eq!(settled(slice, None, 36_100), (0, 32_400));
        // a day later all of it is
        assert_eq!(settled(slice, None, 122_400), (0, 36_000));
        // nothing at all yet
        let new = Range { from: 35_700, to: 36_000, step: 300 };
        assert!(settled(new, None, 36_100).1 < new.from);
    }

    #[test]
    fn a_lost_scrape_does_not_change_the_interval() {
        // every 15 s, every 60 s, the same with a few lost, every 2, every 5 minutes
        for (scrapes, interval) in [
            (240.0, 60),
            (60.0, 60),
            (46.0, 60),
            (30.0, 120),
            (29.0, 120),
            (12.0, 300),
            (1.0, 1_800),
        ] {
            assert_eq!(scrape_interval(scrapes), interval, "{scrapes}");
        }
    }
}
