//! What to ask about the insides of a cluster: replicas, HPAs, containers, Redis, volumes.
//!
//! Metric names are those of `cAdvisor`, kube-state-metrics 2, `redis_exporter` and the kubelet. The rules that all
//! queries follow stand in [`presets`](super::presets).

use super::presets::{Needs, SignalQuery, Window};
use super::promql::{Match, Matchers, literal};
use crate::history::{SeriesKey, Signal};
use crate::service::{Component, LoadSource, Service};

/// Kubernetes makes pod and template hashes of these letters alone (`k8s.io/apimachinery` `rand.SafeEncodeString`):
/// without vowels, so that `api-[…]+-[…]{5}` does not match a pod of the `DaemonSet` `api-node`.
pub const HASH: &str = "[bcdfghjklmnpqrstvwxz2456789]";

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
pub(super) fn component_queries(
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
    let unwanted = |signal: Signal| {
        component.memory
            && (signal.of_hpa()
                || matches!(
                    signal,
                    Signal::Cpu
                        | Signal::CpuMax
                        | Signal::CpuRequest
                        | Signal::CpuLimit
                        | Signal::Throttled
                        | Signal::SpecReplicas
                ))
    };
    parts.into_iter().filter(|part| !unwanted(part.0)).map(query).collect()
}

/// Tells which object an HPA scales.
const INFO: &str = "kube_horizontalpodautoscaler_info";
/// What an HPA aims at, by metric.
const TARGET: &str = "kube_horizontalpodautoscaler_spec_target_metric";
/// What containers request.
const REQUESTS: &str = "kube_pod_container_resource_requests";
/// What containers are limited to.
const LIMITS: &str = "kube_pod_container_resource_limits";

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
    let wanted = match target.kind.as_str() {
        "StatefulSet" => "kube_statefulset_replicas",
        "DaemonSet" => "kube_daemonset_status_desired_number_scheduled",
        _ => "kube_deployment_spec_replicas",
    };
    let in_force = format!("max({wanted}{matchers})");
    let info = base
        .clone()
        .equal("scaletargetref_kind", &target.kind)
        .equal("scaletargetref_name", &target.name);
    let hpa = |metric: &str, matchers: &Matchers| {
        let joined = format!(
            "on (namespace, horizontalpodautoscaler) group_left () max by (namespace, horizontalpodautoscaler) (kube_horizontalpodautoscaler_info{info})"
        );
        format!("max({metric}{matchers} * {joined})")
    };
    let bound =
        |which: &str| hpa(&format!("kube_horizontalpodautoscaler_spec_{which}_replicas"), &base);
    let on_cpu =
        base.clone().equal("metric_name", "cpu").equal("metric_target_type", "utilization");
    vec![
        (Signal::Replicas, metric, matchers.clone(), replicas),
        (Signal::SpecReplicas, wanted, matchers, in_force),
        (Signal::HpaMin, INFO, info.clone(), bound("min")),
        (Signal::HpaMax, INFO, info.clone(), bound("max")),
        (Signal::HpaTarget, INFO, info.clone(), hpa(TARGET, &on_cpu)),
    ]
}

/// The containers of a component as cAdvisor tells them, and as kube-state-metrics does.
fn containers(service: &Service, component: &Component) -> (Matchers, Matchers) {
    let pods = in_namespace(service).and("pod", Match::Regex, &pods(component));
    if let Some(name) = &component.container {
        let one = pods.equal("container", name);
        return (one.clone(), one);
    }
    // cAdvisor also reports the pod as a whole (no container) and its sandbox (`POD`): both would count twice (case 28)
    let no_pod = pods.clone().and("container", Match::NotEqual, "");
    (no_pod.and("container", Match::NotEqual, "POD"), pods)
}

/// `cAdvisor` and kube-state-metrics on containers.
fn container_queries(service: &Service, component: &Component, window: &Window) -> Vec<Part> {
    const CPU: &str = "container_cpu_usage_seconds_total";
    const MEMORY: &str = "container_memory_working_set_bytes";
    const PERIODS: &str = "container_cpu_cfs_periods_total";
    const THROTTLED: &str = "container_cpu_cfs_throttled_periods_total";
    const RESTARTS: &str = "kube_pod_container_status_restarts_total";
    const ENDED: &str = "kube_pod_container_status_last_terminated_reason";
    let (used, stated) = containers(service, component);
    let Window { rate, events, step } = window;
    let each = |inner: String| format!("max by (pod, container) ({inner})");
    let per_pod = |inner: String| format!("sum by (pod) ({})", each(inner));
    let rate_of = |metric: &str| format!("rate({metric}{used}[{rate}])");
    let sum_of = |metric: &str| format!("sum({})", each(rate_of(metric)));
    let memory = format!("max_over_time({MEMORY}{used}[{step}])");
    let spec = |kind: &str, resource: &str| {
        let matchers = stated.clone().equal("resource", resource);
        format!("max({})", per_pod(format!("kube_pod_container_resource_{kind}{matchers}")))
    };
    let restarts = format!("changes({RESTARTS}{stated}[{events}])");
    let killed = format!("{ENDED}{}", stated.clone().equal("reason", "OOMKilled"));
    let kills = format!("sum({} * on (pod, container) {})", each(restarts), each(killed));
    let none = format!("0 * sum({RESTARTS}{stated})");
    let throttled = format!("{} / {}", sum_of(THROTTLED), sum_of(PERIODS));
    vec![
        (Signal::Cpu, CPU, used.clone(), sum_of(CPU)),
        (Signal::CpuMax, CPU, used.clone(), format!("max({})", per_pod(rate_of(CPU)))),
        (Signal::CpuRequest, REQUESTS, stated.clone(), spec("requests", "cpu")),
        (Signal::CpuLimit, LIMITS, stated.clone(), spec("limits", "cpu")),
        (Signal::Throttled, PERIODS, used.clone(), throttled),
        (Signal::Memory, MEMORY, used.clone(), format!("max({})", per_pod(memory))),
        (Signal::MemoryRequest, REQUESTS, stated.clone(), spec("requests", "memory")),
        (Signal::MemoryLimit, LIMITS, stated.clone(), spec("limits", "memory")),
        (Signal::OomKills, RESTARTS, stated, format!("{kills} or {none}")),
    ]
}

/// `redis_exporter` as a sidecar, the way the Bitnami chart runs it: its series carry the pod of the Redis itself.
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
pub(super) fn volume_queries(service: &Service, volume: &str) -> [SignalQuery; 2] {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Current, Target};
    use crate::units::Period;

    #[test]
    fn pods_are_those_of_the_object_alone() {
        let component = |kind: &str, name: &str| Component {
            name: "x".to_owned(),
            target: Target { kind: kind.to_owned(), name: name.to_owned() },
            memory: false,
            helm: None,
            container: None,
            current: Current::default(),
            start_up: Period(60),
        };
        assert_eq!(
            pods(&component("Deployment", "shop.api")),
            format!(r"shop\.api-{HASH}{{1,10}}-{HASH}{{5}}")
        );
        assert_eq!(pods(&component("StatefulSet", "redis")), "redis-[0-9]+");
        assert_eq!(pods(&component("DaemonSet", "agent")), format!("agent-{HASH}{{5}}"));
    }
}
