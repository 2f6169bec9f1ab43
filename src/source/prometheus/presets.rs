//! What to ask of a Prometheus for one service: one query per series, each of which gives exactly one.
//!
//! Metric names are those of the exporters' own documentation: Prometheus client libraries,
//! ingress-nginx, OpenTelemetry semantic conventions for HTTP, Linkerd, Istio, Traefik, Envoy, cAdvisor,
//! kube-state-metrics, redis_exporter, and the kubelet.
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
use crate::service::{Component, LoadSource, Service};
use crate::units::Period;

use super::promql::{Match, Matchers, is_label_name, literal};

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

/// Spans that queries look back over, in whole seconds, as PromQL writes them.
struct Window {
    /// For rates. At least the step, so that no request falls between two samples, and four scrapes, so that
    /// one lost scrape leaves a rate. A longer one would smooth the peaks that capacity is for.
    rate: String,
    /// For events that must not be lost: two scrapes longer than the rate's. Prometheus 3 leaves out the sample
    /// at the left edge, and an event between that one and the next would belong to no window; counted in
    /// two windows it does no harm.
    events: String,
    /// For maxima: one second shorter than the step, which is the same set of samples whether the left edge
    /// belongs to the range (Prometheus 2) or not (Prometheus 3).
    step: String,
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
    Ok(list)
}

/// Requests per second over all pods. Two HA replicas of Prometheus that nobody de-duplicates differ in
/// `prometheus_replica`, the label that the Prometheus operator sets (case 17).
fn requests(metric: &str, matchers: &Matchers, window: &Window) -> String {
    format!("sum(max without (prometheus_replica) (rate({metric}{matchers}[{}])))", window.rate)
}

/// Kubernetes makes pod and template hashes of these letters alone (`k8s.io/apimachinery` `rand.SafeEncodeString`):
/// without vowels, so that `api-[…]+-[…]{5}` does not match a pod of the DaemonSet `api-node`.
const HASH: &str = "[bcdfghjklmnpqrstvwxz2456789]";

/// The expression that matches the pods of `component` and of no other object.
fn pods(component: &Component) -> String {
    let name = literal(&component.target.name);
    match component.target.kind.as_str() {
        "StatefulSet" => format!("{name}-[0-9]+"),
        "DaemonSet" => format!("{name}-{HASH}{{5}}"),
        _ => format!("{name}-{HASH}{{1,10}}-{HASH}{{5}}"),
    }
}

/// What all queries about the insides of a cluster are selected by. A `cluster` label in the load's selector
/// holds for them too: without it two clusters behind one store would be added (case 33).
fn in_namespace(service: &Service) -> Matchers {
    let matchers = Matchers::new().equal("namespace", &service.namespace);
    match &service.load {
        LoadSource::Preset { selector, .. } => match selector.get("cluster") {
            Some(cluster) => matchers.equal("cluster", cluster),
            None => matchers,
        },
        LoadSource::Query(_) => matchers,
    }
}

/// The queries of one component.
fn component_queries(
    service: &Service,
    component: &Component,
    window: &Window,
) -> Vec<SignalQuery> {
    let mut parts = replica_queries(service, component);
    parts.extend(container_queries(service, component, window));
    if component.memory {
        parts.extend(redis_queries(service, component, window));
    }
    let query = |(signal, metric, matchers, promql): Part| SignalQuery {
        key: SeriesKey::of(&component.name, signal),
        promql,
        origin: "kubernetes",
        needs: Some(Needs { metric: metric.to_owned(), matchers }),
    };
    // what a memory component is sized by is its memory: its processor and its HPA are not asked for
    let unwanted = |signal| {
        component.memory
            && matches!(
                signal,
                Signal::Cpu
                    | Signal::CpuMax
                    | Signal::CpuRequest
                    | Signal::CpuLimit
                    | Signal::Throttled
                    | Signal::HpaMin
                    | Signal::HpaMax
            )
    };
    parts.into_iter().filter(|part| !unwanted(part.0)).map(query).collect()
}

/// Signal, metric it rests on, how that is selected, query.
type Part = (Signal, &'static str, Matchers, String);

/// kube-state-metrics on replicas and HPAs. An HPA is found by what it scales, not by its name: KEDA calls its own `keda-hpa-…`.
fn replica_queries(service: &Service, component: &Component) -> Vec<Part> {
    let base = in_namespace(service);
    let target = &component.target;
    let (metric, fallback, label) = match target.kind.as_str() {
        "StatefulSet" => ("kube_statefulset_status_replicas_ready", None, "statefulset"),
        "DaemonSet" => ("kube_daemonset_status_number_ready", None, "daemonset"),
        _ => (
            "kube_deployment_status_replicas_ready",
            Some("kube_deployment_status_replicas_available"),
            "deployment",
        ),
    };
    let matchers = base.clone().equal(label, &target.name);
    // before version 2 of kube-state-metrics only the available replicas of a Deployment were counted
    let fallback = fallback.map_or(String::new(), |older| format!(" or {older}{matchers}"));
    let replicas = format!("max({metric}{matchers}{fallback})");
    let info = base
        .clone()
        .equal("scaletargetref_kind", &target.kind)
        .equal("scaletargetref_name", &target.name);
    let hpa = |metric: &str| {
        let joined = format!(
            "on (namespace, horizontalpodautoscaler) group_left () max by (namespace, horizontalpodautoscaler) (kube_horizontalpodautoscaler_info{info})"
        );
        format!("max({metric}{base} * {joined})")
    };
    const INFO: &str = "kube_horizontalpodautoscaler_info";
    vec![
        (Signal::Replicas, metric, matchers, replicas),
        (Signal::HpaMin, INFO, info.clone(), hpa("kube_horizontalpodautoscaler_spec_min_replicas")),
        (Signal::HpaMax, INFO, info.clone(), hpa("kube_horizontalpodautoscaler_spec_max_replicas")),
    ]
}

/// cAdvisor and kube-state-metrics on containers.
fn container_queries(service: &Service, component: &Component, window: &Window) -> Vec<Part> {
    let pods = in_namespace(service).and("pod", Match::Regex, &pods(component));
    // cAdvisor also reports the pod as a whole (no container) and its sandbox (`POD`): both would count twice (case 28)
    let used = match &component.container {
        Some(name) => pods.clone().equal("container", name),
        None => pods.clone().and("container", Match::NotEqual, "").and(
            "container",
            Match::NotEqual,
            "POD",
        ),
    };
    let stated = match &component.container {
        Some(name) => pods.equal("container", name),
        None => pods,
    };
    let Window { rate, events, step } = window;
    let each = |inner: String| format!("max by (pod, container) ({inner})");
    let per_pod = |inner: String| format!("sum by (pod) ({})", each(inner));
    let cpu = format!("rate(container_cpu_usage_seconds_total{used}[{rate}])");
    let memory = format!("max_over_time(container_memory_working_set_bytes{used}[{step}])");
    let spec = |kind: &str, resource: &str| {
        let matchers = stated.clone().equal("resource", resource);
        format!("max({})", per_pod(format!("kube_pod_container_resource_{kind}{matchers}")))
    };
    let throttled =
        |metric: &str| format!("sum({})", each(format!("rate({metric}{used}[{rate}])")));
    let restarts = format!("changes(kube_pod_container_status_restarts_total{stated}[{events}])");
    let killed = format!(
        "kube_pod_container_status_last_terminated_reason{}",
        stated.clone().equal("reason", "OOMKilled")
    );
    let kills = format!("sum({} * on (pod, container) {})", each(restarts), each(killed));
    let none = format!("0 * sum(kube_pod_container_status_restarts_total{stated})");
    const REQUESTS: &str = "kube_pod_container_resource_requests";
    const LIMITS: &str = "kube_pod_container_resource_limits";
    vec![
        (
            Signal::Cpu,
            "container_cpu_usage_seconds_total",
            used.clone(),
            format!("sum({})", each(cpu.clone())),
        ),
        (
            Signal::CpuMax,
            "container_cpu_usage_seconds_total",
            used.clone(),
            format!("max({})", per_pod(cpu)),
        ),
        (Signal::CpuRequest, REQUESTS, stated.clone(), spec("requests", "cpu")),
        (Signal::CpuLimit, LIMITS, stated.clone(), spec("limits", "cpu")),
        (
            Signal::Throttled,
            "container_cpu_cfs_periods_total",
            used.clone(),
            format!(
                "{} / {}",
                throttled("container_cpu_cfs_throttled_periods_total"),
                throttled("container_cpu_cfs_periods_total")
            ),
        ),
        (
            Signal::Memory,
            "container_memory_working_set_bytes",
            used.clone(),
            format!("max({})", per_pod(memory)),
        ),
        (Signal::MemoryRequest, REQUESTS, stated.clone(), spec("requests", "memory")),
        (Signal::MemoryLimit, LIMITS, stated.clone(), spec("limits", "memory")),
        (
            Signal::OomKills,
            "kube_pod_container_status_restarts_total",
            stated,
            format!("{kills} or {none}"),
        ),
    ]
}

/// redis_exporter as a sidecar, the way the Bitnami chart runs it: its series carry the pod of the Redis itself.
fn redis_queries(service: &Service, component: &Component, window: &Window) -> Vec<Part> {
    let pods = in_namespace(service).and("pod", Match::Regex, &pods(component));
    let Window { rate, step, .. } = window;
    vec![
        (
            Signal::RedisUsed,
            "redis_memory_used_bytes",
            pods.clone(),
            format!("max(max_over_time(redis_memory_used_bytes{pods}[{step}]))"),
        ),
        (
            Signal::RedisMax,
            "redis_memory_max_bytes",
            pods.clone(),
            format!("max(redis_memory_max_bytes{pods})"),
        ),
        (
            Signal::RedisEvictions,
            "redis_evicted_keys_total",
            pods.clone(),
            format!("sum(max by (pod) (rate(redis_evicted_keys_total{pods}[{rate}])))"),
        ),
    ]
}

/// The kubelet on one persistent volume claim.
fn volume_queries(service: &Service, volume: &str) -> [SignalQuery; 2] {
    let matchers = in_namespace(service).equal("persistentvolumeclaim", volume);
    [
        (Signal::VolumeUsed, "kubelet_volume_stats_used_bytes"),
        (Signal::VolumeCapacity, "kubelet_volume_stats_capacity_bytes"),
    ]
    .map(|(signal, metric)| SignalQuery {
        key: SeriesKey::of(volume, signal),
        promql: format!("max({metric}{matchers})"),
        origin: "kubernetes",
        needs: Some(Needs { metric: metric.to_owned(), matchers: matchers.clone() }),
    })
}
