//! What to ask of a Prometheus for one service: one query per series, each of which gives exactly one.
//!
//! Metric names are those of the exporters' own documentation: Prometheus client libraries,
//! ingress-nginx, `OpenTelemetry` semantic conventions for HTTP, Linkerd, Istio, Traefik, Envoy; those of the
//! insides of a cluster are in `kubernetes`.
//!
//! Three rules hold for every query here:
//!
//! * it aggregates without `by`, so that it gives one series however many pods, replicas of Prometheus
//!   or restarts there were; usage is first the maximum per pod and container, because a container that
//!   restarted is there twice for a while, and so is everything behind two HA replicas;
//! * it keeps "nothing failed" apart from "nobody counts failures": zero is written only where the
//!   counter that would show otherwise exists;
//! * it looks at every sample: a rate covers at least the whole step, and a gauge that peaks (memory)
//!   is taken at its maximum over the step.

use crate::history::{SeriesKey, Signal};
use crate::service::{LoadSource, Service};
use crate::units::Period;

use super::kubernetes::{component_queries, volume_queries};
use super::promql::{Match, Matchers, is_label_name};

/// One query for one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalQuery {
    /// The series that the answer is.
    pub key: SeriesKey,
    /// What is asked.
    pub promql: String,
    /// Who says so: `settings`, or the name of a preset.
    pub origin: &'static str,
    /// What must exist for the query to have an answer; `None` for a user's own query.
    pub needs: Option<Needs>,
}

/// The series that a preset's query rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs {
    /// The metric's name.
    pub metric: String,
    /// The labels it is selected by.
    pub matchers: Matchers,
}

/// What was found out about a Prometheus once, and holds from then on so that the queries stay the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// The load preset that has series for the service.
    pub preset: String,
    /// The label that holds the status of a request; `None` where there is none.
    pub error_label: Option<String>,
    /// Distance between scrapes, in seconds.
    pub scrape_s: i64,
}

/// Why the queries of a service cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresetError {
    /// No preset of that name.
    #[error("service `{service}`: no load preset is called `{name}`")]
    Unknown {
        /// The service.
        service: String,
        /// The name in the settings.
        name: String,
    },
    /// The selector names something that cannot be a label.
    #[error("service `{service}`: `{label}` is not a label name of Prometheus")]
    Label {
        /// The service.
        service: String,
        /// The name in the settings.
        label: String,
    },
    /// A query for something that is not a signal of this service.
    #[error("service `{service}`: `queries.{key}` is no signal of it")]
    Signal {
        /// The service.
        service: String,
        /// The key in the settings.
        key: String,
    },
}

impl PresetError {
    /// What to change in the settings.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { name, .. } => {
                let near = PRESETS.iter().max_by(|a, b| {
                    strsim::jaro_winkler(a.name, name).total_cmp(&strsim::jaro_winkler(b.name, name))
                });
                let near = near.map_or("", |preset| preset.name);
                let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
                format!("did you mean `{near}`? `load.preset` knows {}, or write your own `load.query`", names.join(", "))
            }
            Self::Label { .. } => "write it in `load.selector` as Prometheus shows it: letters, digits and `_`, so `app.kubernetes.io/name` is `app_kubernetes_io_name`".to_owned(),
            Self::Signal { .. } => {
                let names: Vec<_> = Signal::NAMES.iter().map(|(_, name)| *name).collect();
                format!("write `errorRate`, or a component or volume and a signal such as `api.cpu`; signals are {}", names.join(", "))
            }
        }
    }
}

/// A way to count the requests of a service.
#[derive(Debug)]
pub struct LoadPreset {
    /// Its name in the settings.
    pub name: &'static str,
    /// The counter of requests.
    requests: &'static str,
    /// Conditions that keep a request from being counted twice, once at each end (case 35).
    fixed: &'static [(&'static str, &'static str)],
    /// The label that holds the namespace of the service; `None` where the exporter knows none.
    namespace: Option<&'static str>,
    /// The counter of failed requests.
    failures: &'static str,
    /// Labels that tell a failed request, by expression; the first that exists counts.
    failed: &'static [(&'static str, &'static str)],
    /// The histogram of latencies, and how many of its units make a second.
    latency: (&'static str, u32),
}

/// Server errors, by status code.
const STATUS_5XX: &str = "5..";

/// Every known way, the most specific name first where several could exist side by side: what a mesh or
/// an ingress counts is a subset or a copy of what the service counts itself.
pub const PRESETS: [LoadPreset; 7] = [
    LoadPreset {
        name: "http_requests_total",
        requests: "http_requests_total",
        fixed: &[],
        namespace: Some("namespace"),
        failures: "http_requests_total",
        failed: &[("code", STATUS_5XX), ("status", STATUS_5XX), ("status_code", STATUS_5XX)],
        latency: ("http_request_duration_seconds_bucket", 1),
    },
    LoadPreset {
        name: "opentelemetry",
        requests: "http_server_request_duration_seconds_count",
        fixed: &[],
        // the namespace is a resource attribute, and whether it becomes a label is up to the exporter
        namespace: None,
        failures: "http_server_request_duration_seconds_count",
        failed: &[("http_response_status_code", STATUS_5XX), ("http_status_code", STATUS_5XX)],
        latency: ("http_server_request_duration_seconds_bucket", 1),
    },
    LoadPreset {
        name: "linkerd",
        requests: "response_total",
        fixed: &[("direction", "inbound")],
        namespace: Some("namespace"),
        failures: "response_total",
        failed: &[("classification", "failure")],
        latency: ("response_latency_ms_bucket", 1000),
    },
    LoadPreset {
        name: "istio",
        requests: "istio_requests_total",
        fixed: &[("reporter", "destination")],
        namespace: Some("destination_service_namespace"),
        failures: "istio_requests_total",
        failed: &[("response_code", STATUS_5XX)],
        latency: ("istio_request_duration_milliseconds_bucket", 1000),
    },
    LoadPreset {
        name: "ingress-nginx",
        requests: "nginx_ingress_controller_requests",
        fixed: &[],
        namespace: Some("namespace"),
        failures: "nginx_ingress_controller_requests",
        failed: &[("status", STATUS_5XX)],
        latency: ("nginx_ingress_controller_request_duration_seconds_bucket", 1),
    },
    LoadPreset {
        name: "traefik",
        requests: "traefik_service_requests_total",
        fixed: &[],
        // Traefik writes the namespace into `service`: `jarvis-api-80@kubernetes`
        namespace: None,
        failures: "traefik_service_requests_total",
        failed: &[("code", STATUS_5XX)],
        latency: ("traefik_service_request_duration_seconds_bucket", 1),
    },
    LoadPreset {
        name: "envoy",
        requests: "envoy_cluster_upstream_rq_total",
        fixed: &[],
        namespace: None,
        failures: "envoy_cluster_upstream_rq_xx",
        failed: &[("envoy_response_code_class", "5")],
        latency: ("envoy_cluster_upstream_rq_time_bucket", 1000),
    },
];

impl LoadPreset {
    /// The preset of that name; the name of its counter does as well.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name || preset.requests == name)
    }

    /// The counter of requests.
    #[must_use]
    pub fn requests(&self) -> &'static str {
        self.requests
    }

    /// Whether its series tell the namespace of the service.
    #[must_use]
    pub fn knows_namespace(&self) -> bool {
        self.namespace.is_some()
    }

    /// The series that count the requests of `service`.
    ///
    /// # Errors
    ///
    /// A selector with something that is no label name.
    pub fn needs(&self, service: &Service) -> Result<Needs, PresetError> {
        let matchers = self.matchers(service)?;
        Ok(Needs { metric: self.requests.to_owned(), matchers })
    }

    /// The series that tell a failed request of `service`, by label, in order of preference.
    ///
    /// # Errors
    ///
    /// A selector with something that is no label name.
    pub fn failure_needs(
        &self,
        service: &Service,
    ) -> Result<Vec<(&'static str, Needs)>, PresetError> {
        let matchers = self.matchers(service)?;
        let needs = |(label, _): &(&'static str, &str)| {
            let matchers = matchers.clone().and(label, Match::NotEqual, "");
            (*label, Needs { metric: self.failures.to_owned(), matchers })
        };
        Ok(self.failed.iter().map(needs).collect())
    }

    /// The conditions that select `service`: the user's, the preset's own, and its namespace unless the
    /// user names one (`namespace: ""` is for metrics without such a label).
    fn matchers(&self, service: &Service) -> Result<Matchers, PresetError> {
        let LoadSource::Preset { selector, .. } = &service.load else {
            return Ok(Matchers::new());
        };
        let mut matchers = Matchers::new();
        if let Some(label) =
            self.namespace.filter(|_| !selector.keys().any(|key| key.contains("namespace")))
        {
            matchers = matchers.equal(label, &service.namespace);
        }
        for (label, value) in self.fixed.iter().filter(|(label, _)| !selector.contains_key(*label))
        {
            matchers = matchers.equal(label, value);
        }
        for (label, value) in selector {
            if !is_label_name(label) {
                return Err(PresetError::Label {
                    service: service.name.clone(),
                    label: label.clone(),
                });
            }
            matchers = matchers.equal(label, value);
        }
        Ok(matchers)
    }
}

/// Every query that `service` needs, in the order of its parts; a user's own query stands before a preset's.
///
/// A series that neither the settings nor a preset can ask for is not in the list.
///
/// # Errors
///
/// An unknown preset, a label name that is none, or a query of the settings for a signal that the service has not.
pub fn queries(
    service: &Service,
    step: Period,
    choice: Option<&Choice>,
) -> Result<Vec<SignalQuery>, PresetError> {
    let window = Window::of(step, choice.map_or(USUAL_SCRAPE_S, |choice| choice.scrape_s));
    let mut list = Vec::new();
    if let LoadSource::Query(query) = &service.load {
        list.push(own(SeriesKey::service(Signal::Load), query));
    } else {
        list.extend(load_queries(service, &window, choice)?);
    }
    for component in &service.components {
        list.extend(component_queries(service, component, &window));
    }
    for volume in &service.volumes {
        list.extend(volume_queries(service, volume));
    }
    for (key, query) in &service.queries {
        let key = key_of(service, key)?;
        list.retain(|preset| preset.key != key);
        list.push(own(key, query));
    }
    Ok(list)
}

fn own(key: SeriesKey, promql: &str) -> SignalQuery {
    SignalQuery { key, promql: promql.to_owned(), origin: "settings", needs: None }
}

/// The series that a key of `queries` names: `p99`, `api.cpu`, `data-0.volumeUsed`.
fn key_of(service: &Service, key: &str) -> Result<SeriesKey, PresetError> {
    let known = |subject: &str| {
        service.components.iter().any(|component| component.name == subject)
            || service.volumes.iter().any(|volume| volume == subject)
    };
    let parsed = match key.rsplit_once('.') {
        None => Signal::from_name(key).filter(|signal| signal.of_service()).map(SeriesKey::service),
        Some((subject, signal)) => {
            let signal = Signal::from_name(signal).filter(|signal| !signal.of_service());
            signal.filter(|_| known(subject)).map(|signal| SeriesKey::of(subject, signal))
        }
    };
    parsed.ok_or_else(|| PresetError::Signal { service: service.name.clone(), key: key.to_owned() })
}

/// Distance between scrapes unless it was measured, in seconds: the default of Prometheus itself, and the widest in common use.
pub const USUAL_SCRAPE_S: i64 = 60;

/// Spans that queries look back over, in whole seconds, as `PromQL` writes them.
pub(super) struct Window {
    /// For rates. At least the step, so that no request falls between two samples, and four scrapes, so that
    /// one lost scrape leaves a rate. A longer one would smooth the peaks that capacity is for.
    pub(super) rate: String,
    /// For events that must not be lost: two scrapes longer than the rate's. Prometheus 3 leaves out the sample
    /// at the left edge, and an event between that one and the next would belong to no window; counted in
    /// two windows it does no harm.
    pub(super) events: String,
    /// For maxima: one second shorter than the step, which is the same set of samples whether the left edge
    /// belongs to the range (Prometheus 2) or not (Prometheus 3).
    pub(super) step: String,
}

impl Window {
    fn of(step: Period, scrape_s: i64) -> Self {
        let rate = step.0.max(4 * scrape_s);
        Self {
            rate: Period(rate).to_string(),
            events: Period(rate + 2 * scrape_s).to_string(),
            step: Period((step.0 - 1).max(scrape_s)).to_string(),
        }
    }
}

fn load_queries(
    service: &Service,
    window: &Window,
    choice: Option<&Choice>,
) -> Result<Vec<SignalQuery>, PresetError> {
    let LoadSource::Preset { name, .. } = &service.load else {
        return Ok(Vec::new());
    };
    let name =
        name.as_deref().or(choice.map(|choice| choice.preset.as_str())).unwrap_or(PRESETS[0].name);
    let preset = LoadPreset::named(name).ok_or_else(|| PresetError::Unknown {
        service: service.name.clone(),
        name: name.to_owned(),
    })?;
    let matchers = preset.matchers(service)?;
    let query = |signal, metric: &str, promql| SignalQuery {
        key: SeriesKey::service(signal),
        promql,
        origin: preset.name,
        needs: Some(Needs { metric: metric.to_owned(), matchers: matchers.clone() }),
    };
    let load = requests(preset.requests, &matchers, window);
    let mut list = vec![query(Signal::Load, preset.requests, load.clone())];
    let label = choice.map_or(Some(preset.failed[0].0), |choice| choice.error_label.as_deref());
    if let Some((label, failed)) = preset.failed.iter().find(|(name, _)| Some(*name) == label) {
        let failures =
            requests(preset.failures, &matchers.clone().and(label, Match::Regex, failed), window);
        let counted =
            requests(preset.failures, &matchers.clone().and(label, Match::NotEqual, ""), window);
        list.push(query(
            Signal::ErrorRate,
            preset.failures,
            format!("({failures} or 0 * {counted}) / {load}"),
        ));
    }
    let (histogram, per_second) = preset.latency;
    let scale = if per_second == 1 { String::new() } else { format!(" / {per_second}") };
    let p99 = format!(
        "histogram_quantile(0.99, sum by (le) (rate({histogram}{matchers}[{}]))){scale}",
        window.rate
    );
    list.push(query(Signal::P99, histogram, p99));
    list.push(query(Signal::Reporting, preset.requests, reporting(preset.requests, &matchers)));
    Ok(list)
}

/// Requests per second over all pods. Two HA replicas of Prometheus that nobody de-duplicates differ in
/// `prometheus_replica`, the label that the Prometheus operator sets (case 17).
fn requests(metric: &str, matchers: &Matchers, window: &Window) -> String {
    format!("sum(max without (prometheus_replica) (rate({metric}{matchers}[{}])))", window.rate)
}

/// How many targets the load is summed over. Prometheus itself puts `instance` on every series that it scrapes.
fn reporting(metric: &str, matchers: &Matchers) -> String {
    format!("count(group by (instance) ({metric}{matchers}))")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::service::{Component, Current, Objectives, Target};
    use crate::tiers::TierTable;
    use crate::units::Ratio;

    fn component(name: &str, kind: &str, memory: bool) -> Component {
        let target = Target { kind: kind.to_owned(), name: format!("shop-{name}") };
        Component {
            name: name.to_owned(),
            target,
            memory,
            helm: None,
            container: None,
            current: Current::default(),
            start_up: Period(60),
        }
    }

    fn service(name: Option<&str>, selector: &[(&str, &str)]) -> Service {
        let selector = selector
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        Service {
            name: "shop".to_owned(),
            namespace: "shop".to_owned(),
            load: LoadSource::Preset { name: name.map(str::to_owned), selector },
            queries: BTreeMap::new(),
            objectives: Objectives {
                error_rate: Ratio(0.01),
                p99_s: 2.0,
                severity2_error_rate: Ratio(0.05),
                severity2_p99_s: 5.0,
            },
            tiers: TierTable { rows: Vec::new() },
            components: vec![
                component("api", "Deployment", false),
                component("redis", "StatefulSet", true),
            ],
            volumes: vec!["data-0".to_owned()],
        }
    }

    fn promql(service: &Service, choice: Option<&Choice>, key: &str) -> String {
        let list = queries(service, Period(300), choice).unwrap();
        let found = list.into_iter().find(|query| query.key.to_string() == key);
        found.unwrap_or_else(|| panic!("no query for {key}")).promql
    }

    #[test]
    fn the_load_is_one_sum_selected_by_namespace_and_labels() {
        let service = service(None, &[("service", "shop-api")]);
        assert_eq!(
            promql(&service, None, "load"),
            r#"sum(max without (prometheus_replica) (rate(http_requests_total{namespace="shop",service="shop-api"}[5m])))"#
        );
    }

    #[test]
    fn every_series_is_asked_for_once() {
        for preset in &PRESETS {
            let service = service(Some(preset.name), &[("x", "y")]);
            let keys: Vec<String> = queries(&service, Period(300), None)
                .unwrap()
                .iter()
                .map(|query| query.key.to_string())
                .collect();
            let unique: std::collections::BTreeSet<_> = keys.iter().collect();
            assert_eq!(unique.len(), keys.len(), "{keys:?}");
            // load, errors, P99, targets; fourteen of api; eight of redis; two of the volume
            assert_eq!(keys.len(), 4 + 14 + 8 + 2, "{keys:?}");
        }
    }

    #[test]
    fn case_35_a_mesh_is_counted_at_one_end() {
        let istio =
            promql(&service(Some("istio"), &[("destination_workload", "api")]), None, "load");
        assert!(istio.contains(r#"{destination_service_namespace="shop",reporter="destination",destination_workload="api"}"#), "{istio}");
        let linkerd = promql(&service(Some("linkerd"), &[]), None, "load");
        assert!(linkerd.contains(r#"direction="inbound""#), "{linkerd}");
    }

    #[test]
    fn no_failures_are_zero_only_where_failures_are_counted() {
        let choice = Choice {
            preset: "http_requests_total".to_owned(),
            error_label: Some("status".to_owned()),
            scrape_s: 60,
        };
        let service = service(None, &[]);
        let rate = promql(&service, Some(&choice), "errorRate");
        assert!(
            rate.contains(r#"status=~"5..""#)
                && rate.contains(r"or 0 * sum(")
                && rate.contains(r#"status!="""#),
            "{rate}"
        );
        // without such a label nothing is asked, and nothing is zero
        let choice = Choice { error_label: None, ..choice };
        let list = queries(&service, Period(300), Some(&choice)).unwrap();
        assert!(list.iter().all(|query| query.key.signal != Signal::ErrorRate));
    }

    #[test]
    fn a_rate_covers_the_step_and_four_scrapes() {
        let service = service(None, &[]);
        let choice = |scrape_s| Choice {
            preset: "http_requests_total".to_owned(),
            error_label: None,
            scrape_s,
        };
        // 5 minutes hold four scrapes of a minute; of five minutes four are twenty
        assert!(promql(&service, Some(&choice(60)), "load").contains("[5m]"));
        assert!(promql(&service, Some(&choice(300)), "load").contains("[20m]"));
        // the same samples, whether the left edge belongs to the range or not
        assert!(promql(&service, Some(&choice(60)), "api.memory").contains("[4m59s]"));
        // two scrapes more, so that no kill falls between two windows
        assert!(promql(&service, Some(&choice(60)), "api.oomKills").contains("[7m]"));
    }

    #[test]
    fn ones_own_query_stands_before_a_preset() {
        let mut service = service(None, &[]);
        service.queries.insert("api.cpu".to_owned(), "my_cpu".to_owned());
        service.queries.insert("redis.volumeUsed".to_owned(), "my_disk".to_owned());
        assert_eq!(promql(&service, None, "api.cpu"), "my_cpu");
        assert_eq!(promql(&service, None, "redis.volumeUsed"), "my_disk");
        service.load = LoadSource::Query("my_load".to_owned());
        assert_eq!(promql(&service, None, "load"), "my_load");
        for wrong in ["cpu", "api.load", "nobody.cpu", "api.nonsense", ""] {
            service.queries = [(wrong.to_owned(), "x".to_owned())].into();
            let error = queries(&service, Period(300), None).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("service `shop`: `queries.{wrong}` is no signal of it")
            );
        }
    }

    #[test]
    fn a_preset_or_label_that_is_none_is_refused_with_a_suggestion() {
        let error =
            queries(&service(Some("http_request_total"), &[]), Period(300), None).unwrap_err();
        assert!(
            error.hint().starts_with("did you mean `http_requests_total`?"),
            "{}",
            error.hint()
        );
        let error = queries(&service(None, &[("app.kubernetes.io/name", "x")]), Period(300), None)
            .unwrap_err();
        assert!(error.to_string().contains("`app.kubernetes.io/name` is not a label name"));
    }

    #[test]
    fn case_33_the_cluster_of_the_load_holds_for_everything() {
        let service = service(None, &[("cluster", "east")]);
        let list = queries(&service, Period(300), None).unwrap();
        assert!(list.iter().all(|query| query.promql.contains(r#"cluster="east""#)));
    }
}
