//! The objectives of a service, read from the Prometheus of the settings again and again.

use std::time::Duration;

use jiff::Timestamp;

use crate::apply::watch::Streak;
use crate::commands::apply::session::plain;
use crate::commands::pull::{self, CHOICE};
use crate::config::{PrometheusSettings, Settings};
use crate::history::{SeriesKey, Signal};
use crate::service::{LoadSource, Service};
use crate::source::prometheus::{Choice, Client, PrometheusError, queries};
use crate::units::Ratio;

/// The longest that an answer is waited for: the next question comes soon.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let Some(promql) = &self.promql else {
            return Err("nothing in the settings or the metrics counts it".to_owned());
        };
        let answer = client.look(promql, at.as_second()).await;
        let answer = answer.map_err(|error| plain(&error.to_string()))?;
        match answer.as_slice() {
            [] => Err("no samples".to_owned()),
            [one] if one.value().is_finite() => Ok(one.value()),
            [_] => Err("no number".to_owned()),
            several => Err(format!("{} series instead of one", several.len())),
        }
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
