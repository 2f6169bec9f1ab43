//! `check`: what works, what is missing and why, and what a pull would cost. It changes nothing.

mod cause;
mod objects;
mod present;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use self::cause::exists;
use super::pull::{self, CHOICE};
use super::{Exit, Hinted};
use crate::config::{PrometheusSettings, Settings};
use crate::history::{Evidence, Observed, Samples, SeriesKey, Signal};
use crate::render::text::wrap;
use crate::service::{LoadSource, Service};
use crate::source::kubernetes::ClusterOptions;
use crate::source::prometheus::presets::{Needs, PRESETS};
use crate::source::prometheus::promql::Matchers;
use crate::source::prometheus::{Choice, Client, SignalQuery, queries};
use crate::store::{Store, StoreError};
use crate::units::{Period, counted};

/// Columns that no explanation exceeds.
const COLUMNS: usize = 100;

/// What one run of `check` works with.
struct Check<'a> {
    settings: &'a Settings,
    at: i64,
    store: Store,
    /// `None` where nobody is asked.
    client: Option<Client>,
    /// What the files of the settings say, by service: it stands before the store's word.
    files: BTreeMap<String, Observed>,
    /// Whether something needs a person.
    troubled: bool,
}

/// `plimsoll check`.
///
/// # Errors
///
/// A Prometheus that cannot be reached or refuses us, a store that cannot be read, settings that name no query.
pub async fn run(
    settings: &Settings,
    at: Timestamp,
    (offline, cluster): (bool, Option<&ClusterOptions>),
    out: &mut impl Write,
) -> Result<Exit> {
    let at = at.min(Timestamp::now()).as_second();
    let store = pull::open(settings)?;
    writeln!(
        out,
        "settings    ok, {} with {}",
        counted(settings.services.len(), "service"),
        names(settings)
    )?;
    for odd in &settings.warnings {
        writeln!(out, "  odd: {odd}; {}", odd.hint)?;
    }
    writeln!(out, "store       {}", store.root().display())?;
    if settings.history.prometheus.is_none() && settings.history.files.is_empty() {
        return Err(Hinted {
            message: "no source: nobody can be asked, and there is no file to read".to_owned(),
            hint: "add `history.prometheus.url` or `history.files`, or give `--prometheus-url`"
                .to_owned(),
        }
        .into());
    }
    let client = match &settings.history.prometheus {
        Some(prometheus) if !offline => Some(connect(prometheus, at, out).await?),
        Some(_) => None,
        None => {
            writeln!(out, "prometheus  none in the settings")?;
            None
        }
    };
    let files = pull::files(settings)?;
    let (usage, mut troubled) = present::usage(settings, at, cluster, out).await?;
    // whoever could not be reached a moment ago is not asked again
    if let Some(cluster) = cluster.filter(|_| !troubled) {
        troubled = objects::told(settings, cluster, out).await?;
    }
    let mut check = Check { settings, at, store, client, files, troubled };
    let mut cost = 0;
    for service in &settings.services {
        let (text, points, list) = check.service(service).await?;
        write!(out, "\n{text}{}", check.present(service, &list, &usage).await?)?;
        cost += points;
    }
    if let Some(prometheus) = &settings.history.prometheus {
        writeln!(out, "\n{}", check.cost(cost, prometheus))?;
    }
    Ok(if check.troubled { Exit::Skipped } else { Exit::Done })
}

async fn connect(prometheus: &PrometheusSettings, at: i64, out: &mut impl Write) -> Result<Client> {
    let client = pull::connect(prometheus, at).await?;
    let version = client.version().await.map_or_else(
        || "does not tell its version".to_owned(),
        |version| format!("version {version}"),
    );
    writeln!(out, "prometheus  {} answers, {version}", client.url())?;
    Ok(client)
}

impl Check<'_> {
    /// The report on one service, how many points a pull of it would ask for now, and its queries.
    async fn service(&mut self, service: &Service) -> Result<(String, u64, Vec<SignalQuery>)> {
        let choice = self.choice(service).await?;
        let list = queries(service, self.settings.history.step, choice.as_ref())
            .map_err(|error| Hinted::because(&error, &error.hint()))?;
        let mut text =
            format!("{}\n  load by {}\n", service.name, self.origin(service, choice.as_ref()));
        let width = list.iter().map(|query| query.key.to_string().len()).max().unwrap_or(0);
        let _ = writeln!(
            text,
            "  {:<width$} {:>10} {:>8} {:>7} {:>14}  asked by",
            "series", "since", "coverage", "newest", "longest gap"
        );
        let mut causes = Causes::new();
        let mut points = 0;
        for query in &list {
            let (known, origin) = self.known(service, query)?;
            let (known, none) = measurable(known);
            if none > 0 {
                self.troubled = true;
                let samples = counted(none, "sample");
                let cause = format!("{samples} below 0 or past any measurement: left out");
                note(&mut causes, query.key.to_string(), cause);
            }
            if known.is_none() && self.settings.history.prometheus.is_none() {
                continue;
            }
            let _ = writeln!(
                text,
                "  {:<width$} {}  {origin}",
                query.key.to_string(),
                self.state(known.as_ref()),
            );
            points += pull::missing_points(&self.store, service, query, self.settings, self.at)?;
            if let Some(cause) = self.cause(query, known.as_ref()).await {
                self.troubled |= !may_be_absent(query.key.signal);
                note(&mut causes, query.key.to_string(), cause);
            }
            if query.key == SeriesKey::service(Signal::Load) {
                let more = self.of_load(query, known.as_ref()).await;
                for cause in more {
                    note(&mut causes, query.key.to_string(), cause);
                }
            }
        }
        if choice.is_none()
            && matches!(service.load, LoadSource::Preset { .. })
            && self.client.is_some()
        {
            self.troubled = true;
            note(&mut causes, "load".to_owned(), self.other_loads().await);
        }
        Ok((text + &missing(&causes), points, list))
    }

    /// What is known of one series, and by whose word.
    fn known(
        &self,
        service: &Service,
        query: &SignalQuery,
    ) -> Result<(Option<Evidence<Samples>>, &'static str)> {
        let from = self.at - self.settings.history.lookback.0;
        let in_files = self.files.get(&service.name).and_then(|files| files.get(&query.key));
        if let Some(evidence) = in_files {
            let evidence = match evidence {
                Evidence::Series(samples) => match samples.within(from, self.at) {
                    none if none.at.is_empty() => Evidence::NoSamples,
                    some => Evidence::Series(some),
                },
                absent => absent.clone(),
            };
            return Ok((Some(evidence), "a file"));
        }
        let known = match self.store.scan(&service.name, &query.key, from, self.at) {
            Err(error @ StoreError::Damaged { .. }) => Some(Evidence::Failed(error.to_string())),
            known => known.map_err(|error| Hinted::because(&error, error.hint()))?,
        };
        Ok((known, query.origin))
    }

    /// What is known of the load, or can be found out now.
    async fn choice(&self, service: &Service) -> Result<Option<Choice>> {
        let known: Option<Choice> = match self.store.note(&service.name, CHOICE) {
            Err(StoreError::Damaged { .. }) => None,
            known => known.map_err(|error| Hinted::because(&error, error.hint()))?,
        };
        let Some(client) = self.client.as_ref().filter(|_| known.is_none()) else {
            return Ok(known);
        };
        let found = pull::discover(client, service, self.at, &mut 0).await;
        Ok(found.map_err(|error| pull::hinted(&error))?.map(|found| found.choice))
    }

    /// Coverage, age and longest gap of what the store has.
    fn state(&self, known: Option<&Evidence<Samples>>) -> String {
        match known {
            Some(Evidence::Series(samples)) => {
                let step = self.settings.history.step;
                // of a source that began four weeks ago nothing is missing before that
                let first = samples.at.first().copied().unwrap_or(self.at);
                let expected = (self.at - first) / step.0 + 1;
                #[expect(clippy::cast_precision_loss, reason = "counts of samples")]
                let coverage = (samples.at.len() as f64 / expected as f64).min(1.0) * 100.0;
                let since = Timestamp::from_second(first).unwrap_or_default();
                let since = since.to_zoned(self.settings.calendar.zone.clone()).date();
                let newest = samples.at.last().map_or(0, |newest| self.at - newest);
                let gap = samples.at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                let gap = if gap > step.0 { Period(gap).to_string() } else { "none".to_owned() };
                format!("{since:>10} {coverage:>6.1} % {:>7} {gap:>14}", age(newest))
            }
            Some(Evidence::NoSamples) => absent("0 %", "no samples"),
            Some(Evidence::Failed(_)) => absent("-", "damaged"),
            Some(Evidence::NoSeries) => absent("-", "no series"),
            None => absent("-", "not pulled yet"),
        }
    }

    /// Why a series has no fresh sample, as far as the source can tell; `None` where it has, or nobody is asked.
    async fn cause(
        &self,
        query: &SignalQuery,
        known: Option<&Evidence<Samples>>,
    ) -> Option<String> {
        let client = self.client.as_ref()?;
        let fresh = |samples: &Samples| {
            samples
                .at
                .last()
                .is_some_and(|newest| self.at - newest <= self.settings.policy.max_age.0)
        };
        if matches!(known, Some(Evidence::Series(samples)) if fresh(samples)) {
            return None;
        }
        let found = match &query.needs {
            Some(needs) => cause::of_preset(client, needs, self.at).await,
            None => cause::of_own_query(client, query, self.at).await,
        };
        found.unwrap_or_else(|error| Some(error.to_string()))
    }

    /// What is odd about the load: it went silent while another metric has samples, it is of several clusters, or it
    /// begins later than history is wanted from.
    async fn of_load(
        &mut self,
        query: &SignalQuery,
        known: Option<&Evidence<Samples>>,
    ) -> Vec<String> {
        let mut odd = Vec::new();
        let (Some(client), Some(needs)) = (&self.client, &query.needs) else { return odd };
        let found = pull::scrapes_an_hour(client, needs, self.at, &mut 0).await.ok().flatten();
        if let Some((_, clusters)) = found.as_ref().filter(|(_, clusters)| clusters.len() > 1) {
            self.troubled = true;
            odd.push(format!(
                "is added up over the clusters {}; name one in `load.selector`: `cluster: {}`",
                clusters.join(", "),
                clusters[0]
            ));
        }
        if let Some(Evidence::Series(samples)) = known {
            if let (None, Some(newest)) = (&found, samples.at.last()) {
                odd.push(format!("silent since {}; {}", time(*newest), self.other_loads().await));
            }
            self.troubled |= !odd.is_empty();
            // a young service is no trouble
            let asked = self.at - self.settings.history.lookback.0;
            if let Some(first) = samples.at.first().filter(|first| **first - asked > Period::DAY.0)
            {
                odd.push(format!("wanted from {}, the first sample is of {}: the source keeps less (its retention), or the service is younger", time(asked), time(*first)));
            }
        }
        odd
    }

    /// Whose word the load is: a file's stands before anyone's who is asked.
    fn origin(&self, service: &Service, choice: Option<&Choice>) -> String {
        let load = SeriesKey::service(Signal::Load);
        if self.files.get(&service.name).is_some_and(|files| files.contains_key(&load)) {
            return "a file".to_owned();
        }
        origin(service, choice)
    }

    /// Which load metrics there are, whatever they are labelled with.
    async fn other_loads(&self) -> String {
        let mut there = Vec::new();
        if let Some(client) = &self.client {
            for preset in &PRESETS {
                let needs =
                    Needs { metric: preset.requests().to_owned(), matchers: Matchers::new() };
                if exists(client, &needs, self.at).await.unwrap_or(false) {
                    there.push(format!("`{}` (preset `{}`)", needs.metric, preset.name));
                }
            }
        }
        if there.is_empty() && !self.shows_anything().await {
            return "the source shows nothing at all, not even `up`: is `X-Scope-OrgID` (or what names the tenant) right in `history.prometheus.headers`?".to_owned();
        }
        if there.is_empty() {
            return "no metric of any preset has series; write your own `load.query`".to_owned();
        }
        format!(
            "no preset has series for this service, but there is {}; compare `load.selector` and `namespace` with their labels",
            there.join(", ")
        )
    }

    /// Whether the source has any target at all: every Prometheus has `up` of what it scrapes.
    async fn shows_anything(&self) -> bool {
        let Some(client) = &self.client else { return false };
        let up = Needs { metric: "up".to_owned(), matchers: Matchers::new() };
        exists(client, &up, self.at).await.unwrap_or(true)
    }

    /// What a pull would ask for.
    fn cost(&mut self, points: u64, prometheus: &PrometheusSettings) -> String {
        let allowed = prometheus.max_samples;
        let verdict = if points > allowed {
            self.troubled = true;
            "too many: raise `history.prometheus.maxSamples`, or shorten `history.lookback`"
        } else {
            "within it"
        };
        format!("a pull now asks for {points} samples of {allowed} allowed: {verdict}")
    }
}

/// Whether that there is no series is an answer: not every object has an HPA or a limit.
fn may_be_absent(signal: Signal) -> bool {
    signal.of_hpa() || matches!(signal, Signal::CpuLimit | Signal::Throttled)
}

/// Why series are missing, and which.
type Causes = Vec<(String, Vec<String>)>;

/// Notes a cause; series that are missing for the same one share a line.
fn note(causes: &mut Causes, series: String, cause: String) {
    match causes.iter_mut().find(|(known, _)| *known == cause) {
        Some((_, all)) => all.push(series),
        None => causes.push((cause, vec![series])),
    }
}

/// One cause, then all that it costs: the same names are never said twice.
fn missing(causes: &Causes) -> String {
    let mut text = String::new();
    if !causes.is_empty() {
        text.push_str("  missing\n");
    }
    for (cause, series) in causes {
        for (at, line) in wrap(cause, COLUMNS - 4).iter().enumerate() {
            let _ = writeln!(text, "{}{line}", if at == 0 { "    " } else { "      " });
        }
        for line in wrap(&series.join(", "), COLUMNS - 6) {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

/// What every judgement goes by, and how many samples are none.
fn measurable(known: Option<Evidence<Samples>>) -> (Option<Evidence<Samples>>, usize) {
    let samples = match known {
        Some(Evidence::Series(samples)) => samples,
        other => return (other, 0),
    };
    let whole = samples.measurable();
    let none = samples.at.len() - whole.at.len();
    let known = if whole.at.is_empty() { Evidence::NoSamples } else { Evidence::Series(whole) };
    (Some(known), none)
}

fn absent(coverage: &str, why: &str) -> String {
    format!("{:>10} {coverage:>8} {:>7} {why:>14}", "-", "-")
}

fn origin(service: &Service, choice: Option<&Choice>) -> String {
    match (&service.load, choice) {
        (LoadSource::Query(_), _) => "its own query".to_owned(),
        (_, Some(choice)) => {
            let label = choice.error_label.as_ref().map_or_else(
                || "no label with a status".to_owned(),
                |label| format!("status in `{label}`"),
            );
            format!(
                "preset `{}`, {label}, scraped every {}",
                choice.preset,
                Period(choice.scrape_s)
            )
        }
        (LoadSource::Preset { name: Some(name), .. }, None) => {
            format!("preset `{name}`, which has no series for it")
        }
        (_, None) => "no preset: none has series for it".to_owned(),
    }
}

fn names(settings: &Settings) -> String {
    let parts: usize = settings.services.iter().map(|service| service.components.len()).sum();
    counted(parts, "component")
}

/// A moment for people, in UTC.
fn time(at: i64) -> String {
    Timestamp::from_second(at).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// An age in its largest unit: `3m`, `2h`, `5d`.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
