//! The objectives of a service, read from the Prometheus of the settings again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::apply::watch::{Streak, lasted};
use crate::commands::apply::session::plain;
use crate::commands::pull::{self, CHOICE};
use crate::config::{PrometheusSettings, Settings};
use crate::history::{SeriesKey, Signal};
use crate::service::{LoadSource, Service};
use crate::source::prometheus::{Choice, Client, PrometheusError, Range, queries};
use crate::units::{Period, Ratio};

/// The longest that an answer is waited for: the next question comes soon.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an objective is not known that nobody asks for.
const UNCOUNTED: &str = "nothing in the settings or the metrics counts it";

/// What is known of a service's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing of it.
    Unknown,
    /// One of two may be missing; what is known is below the limits of a Severity 2.
    Below,
    /// One of two is above.
    Severity2,
}

/// One service under watch.
pub(super) struct Gauge {
    pub service: String,
    client: Client,
    needles: Vec<Needle>,
    /// For how long it has been in a Severity 2.
    pub severe: Streak,
    /// Whether that was acted on: it is once.
    pub handled: bool,
    last: Option<Health>,
}

/// One objective.
struct Needle {
    signal: Signal,
    limit: f64,
    /// `None`: nothing asks for it.
    promql: Option<String>,
    reading: Result<f64, String>,
}

/// A gauge for a service.
pub(super) async fn gauge(
    settings: &Settings,
    prometheus: &PrometheusSettings,
    service: &Service,
) -> Result<Gauge, PrometheusError> {
    let mut access = pull::access(prometheus);
    access.timeout = access.timeout.min(PATIENCE);
    let client = Client::new(&access)?;
    let choice = chosen(settings, service, &client).await;
    let asked = queries(service, settings.history.step, choice.as_ref()).unwrap_or_default();
    let objectives = &service.objectives;
    let needle = |signal, limit| {
        let key = SeriesKey::service(signal);
        let promql = asked.iter().find(|query| query.key == key).map(|query| query.promql.clone());
        Needle { signal, limit, promql, reading: Err("not asked yet".to_owned()) }
    };
    let needles = vec![
        needle(Signal::ErrorRate, objectives.severity2_error_rate.0),
        needle(Signal::P99, objectives.severity2_p99_s),
    ];
    let (service, severe) = (service.name.clone(), Streak::default());
    Ok(Gauge { service, client, needles, severe, handled: false, last: None })
}

/// How its requests are counted, as the last pull found out, or as can be found out now.
async fn chosen(settings: &Settings, service: &Service, client: &Client) -> Option<Choice> {
    if matches!(service.load, LoadSource::Query(_)) {
        return None;
    }
    let noted = pull::open(settings).ok()?.note::<Choice>(&service.name, CHOICE).ok().flatten();
    if noted.is_some() {
        return noted;
    }
    let now = Timestamp::now().as_second();
    let mut asked = 0;
    let found = pull::discover(client, service, now, &mut asked);
    tokio::time::timeout(PATIENCE, found).await.ok()?.ok().flatten().map(|found| found.choice)
}

impl Gauge {
    /// Whether there is anything to ask for.
    pub(super) fn asks(&self) -> bool {
        self.needles.iter().any(|needle| needle.promql.is_some())
    }

    /// One reading; what there is to say where it is another kind than the last.
    pub(super) async fn read(&mut self) -> Option<String> {
        let at = Timestamp::now();
        for needle in &mut self.needles {
            needle.reading = needle.read(&self.client, at).await;
        }
        let health = self.health();
        self.severe.take(health == Health::Severity2, Timestamp::now());
        let news = self.last != Some(health);
        self.last = Some(health);
        news.then(|| format!("{}: {}", self.service, self.words()))
    }

    /// What it was in a time in which nobody looked: a Severity 2 that lasted for `hold`, and the worst that was read.
    pub(super) async fn look_back(&mut self, range: Range, hold: Period) -> (Health, String) {
        let mut told: BTreeMap<i64, bool> = BTreeMap::new();
        for needle in &mut self.needles {
            let samples = needle.over(&self.client, range).await;
            for (at, value) in samples.iter().flatten() {
                *told.entry(*at).or_default() |= *value > needle.limit;
            }
            let worst =
                |all: Vec<(i64, f64)>| all.into_iter().map(|(_, value)| value).reduce(f64::max);
            needle.reading = samples.and_then(|all| worst(all).ok_or("no samples".to_owned()));
        }
        self.last = None;
        let step = usize::try_from(range.step).unwrap_or(1).max(1);
        let moments = (range.from..=range.to).step_by(step);
        let severe = |at: i64| told.get(&at).copied().unwrap_or(false);
        let readings =
            moments.filter_map(|at| Some((Timestamp::from_second(at).ok()?, severe(at))));
        let health = match told.len() {
            0 => Health::Unknown,
            _ if lasted(readings, hold) => Health::Severity2,
            _ => Health::Below,
        };
        let of = format!("{} of {} readings", told.len(), range.points());
        (health, format!("looked back on {of}, at the worst {}", self.words()))
    }

    pub(super) fn health(&self) -> Health {
        let mut known =
            self.needles.iter().filter_map(|one| Some((one.limit, one.reading.as_ref().ok()?)));
        if known.clone().any(|(limit, value)| *value > limit) {
            Health::Severity2
        } else if known.next().is_some() {
            Health::Below
        } else {
            Health::Unknown
        }
    }

    /// What was read last.
    pub(super) fn words(&self) -> String {
        self.needles.iter().map(Needle::words).collect::<Vec<_>>().join(", ")
    }
}

impl Needle {
    async fn read(&self, client: &Client, at: Timestamp) -> Result<f64, String> {
        let Some(promql) = &self.promql else { return Err(UNCOUNTED.to_owned()) };
        let answer = client.look(promql, at.as_second()).await;
        let answer = answer.map_err(|error| plain(&error.to_string()))?;
        match answer.as_slice() {
            [] => Err("no samples".to_owned()),
            [one] if one.value().is_finite() => Ok(one.value()),
            [_] => Err("no number".to_owned()),
            several => Err(format!("{} series instead of one", several.len())),
        }
    }

    /// What it was at the steps of a range; steps without a sample are left out.
    async fn over(&self, client: &Client, range: Range) -> Result<Vec<(i64, f64)>, String> {
        let Some(promql) = &self.promql else { return Err(UNCOUNTED.to_owned()) };
        let answer = client.range(promql, range).await;
        let samples = answer.map_err(|error| plain(&error.to_string()))?.samples;
        Ok(samples.at.into_iter().zip(samples.value).collect())
    }

    fn words(&self) -> String {
        match (self.signal, &self.reading) {
            (Signal::ErrorRate, Ok(value)) => {
                format!(
                    "{} of requests fail ({} is a Severity 2)",
                    Ratio(*value),
                    Ratio(self.limit)
                )
            }
            (_, Ok(value)) => format!("P99 is {value:.2} s ({:.2} s is a Severity 2)", self.limit),
            (signal, Err(why)) => {
                let name = if signal == Signal::ErrorRate { "the error rate" } else { "P99" };
                format!("{name} is not known: {why}")
            }
        }
    }
}
