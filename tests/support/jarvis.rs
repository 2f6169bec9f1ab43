//! The built-in JARVIS as its exporters would have shown it to a Prometheus: rates as counters, the P99 as a
//! histogram, usage by pod.

use plimsoll::history::{Evidence, Observed, Samples, SeriesKey, Signal};

use crate::real::OpenMetrics;

/// Distance between scrapes, in seconds.
const SCRAPE: i64 = 60;
const STEP: i64 = plimsoll::source::demo::STEP_S;
/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, f64::INFINITY];

/// Everything in `observed`, as `OpenMetrics`.
pub fn metrics(observed: &Observed) -> OpenMetrics {
    let mut out = OpenMetrics::default();
    requests(&mut out, observed);
    latencies(&mut out, observed);
    processor(&mut out, observed);
    for (key, evidence) in observed {
        if let (Evidence::Series(samples), Some(series)) = (evidence, gauge(key)) {
            for (at, value) in samples.at.iter().zip(&samples.value) {
                out.sample(&series, *value, *at);
            }
        }
    }
    quiet_counters(&mut out, observed);
    out
}

fn samples(observed: &Observed, key: SeriesKey) -> &Samples {
    match &observed[&key] {
        Evidence::Series(samples) => samples,
        other => panic!("{key}: {other:?}"),
    }
}

/// A counter that rises by `rate(i)` a second during the step that ends with sample `i`.
fn counter(out: &mut OpenMetrics, series: &str, at: &[i64], rate: impl Fn(usize) -> f64) {
    let mut total = 0.0;
    for (i, end) in at.iter().enumerate() {
        let mut now = end - STEP + SCRAPE;
        while now <= *end {
            total += rate(i) * SCRAPE as f64;
            out.sample(series, total, now);
            now += SCRAPE;
        }
    }
}

fn requests(out: &mut OpenMetrics, observed: &Observed) {
    let load = samples(observed, SeriesKey::service(Signal::Load));
    let errors = samples(observed, SeriesKey::service(Signal::ErrorRate));
    let series = |code| {
        format!(r#"http_requests_total{{namespace="jarvis",service="jarvis-api",code="{code}"}}"#)
    };
    counter(out, &series("200"), &load.at, |i| load.value[i] * (1.0 - errors.value[i]));
    counter(out, &series("500"), &load.at, |i| load.value[i] * errors.value[i]);
}

/// Counts that `histogram_quantile(0.99, …)` interpolates back to the P99: of n requests, c up to the bound below
/// the P99 and the rest up to the bound above it, where 0.99 n = c + share (n - c).
fn latencies(out: &mut OpenMetrics, observed: &Observed) {
    let load = samples(observed, SeriesKey::service(Signal::Load));
    let p99 = samples(observed, SeriesKey::service(Signal::P99));
    let at_most = |i: usize, bound: f64| {
        let above = BOUNDS.iter().position(|bound| *bound >= p99.value[i]).unwrap();
        let below = if above == 0 { 0.0 } else { BOUNDS[above - 1] };
        let share = ((p99.value[i] - below) / (BOUNDS[above] - below)).min(0.989);
        let fast = load.value[i] * (0.99 - share) / (1.0 - share);
        if bound >= BOUNDS[above] {
            load.value[i]
        } else if bound == below {
            fast
        } else {
            0.0
        }
    };
    for bound in BOUNDS {
        let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
        let series = format!(
            r#"http_request_duration_seconds_bucket{{namespace="jarvis",service="jarvis-api",le="{le}"}}"#
        );
        counter(out, &series, &load.at, |i| at_most(i, bound));
    }
}

/// Five pods: the busiest, and four that share the rest.
fn processor(out: &mut OpenMetrics, observed: &Observed) {
    let all = samples(observed, SeriesKey::of("api", Signal::Cpu));
    let busiest = samples(observed, SeriesKey::of("api", Signal::CpuMax));
    for pod in 0..5 {
        let series = format!(
            r#"container_cpu_usage_seconds_total{{namespace="jarvis",pod="{}",container="jarvis-api"}}"#,
            api_pod(pod)
        );
        counter(out, &series, &all.at, |i| {
            if pod == 0 { busiest.value[i] } else { (all.value[i] - busiest.value[i]) / 4.0 }
        });
    }
}

fn api_pod(number: usize) -> String {
    format!("jarvis-api-7d9c8b6f5-{}", ["bcdfg", "hjklm", "npqrs", "tvwxz", "24567"][number])
}

/// The series of a gauge; `None` for what is a counter, or is made elsewhere.
fn gauge(key: &SeriesKey) -> Option<String> {
    let subject = key.subject.as_deref()?;
    let (pod, container) = match subject {
        "api" => (api_pod(0), "jarvis-api"),
        "redis" => ("jarvis-redis-master-0".to_owned(), "redis"),
        _ => (String::new(), ""),
    };
    let pod = format!(r#"namespace="jarvis",pod="{pod}",container="{container}""#);
    let stated = |kind: &str, resource: &str| {
        format!(r#"kube_pod_container_resource_{kind}{{{pod},resource="{resource}"}}"#)
    };
    let hpa = |bound: &str| {
        format!(
            r#"kube_horizontalpodautoscaler_spec_{bound}_replicas{{namespace="jarvis",horizontalpodautoscaler="jarvis-api"}}"#
        )
    };
    let claim = |what: &str| {
        format!(
            r#"kubelet_volume_stats_{what}_bytes{{namespace="jarvis",persistentvolumeclaim="{subject}"}}"#
        )
    };
    Some(match key.signal {
        Signal::Replicas if subject == "redis" => r#"kube_statefulset_status_replicas_ready{namespace="jarvis",statefulset="jarvis-redis-master"}"#.to_owned(),
        Signal::Replicas => format!(r#"kube_deployment_status_replicas_ready{{namespace="jarvis",deployment="jarvis-{subject}"}}"#),
        Signal::SpecReplicas => format!(r#"kube_deployment_spec_replicas{{namespace="jarvis",deployment="jarvis-{subject}"}}"#),
        Signal::HpaMin => hpa("min"),
        Signal::HpaMax => hpa("max"),
        Signal::HpaTarget => r#"kube_horizontalpodautoscaler_spec_target_metric{namespace="jarvis",horizontalpodautoscaler="jarvis-api",metric_name="cpu",metric_target_type="utilization"}"#.to_owned(),
        Signal::Memory => format!("container_memory_working_set_bytes{{{pod}}}"),
        Signal::CpuRequest => stated("requests", "cpu"),
        Signal::CpuLimit => stated("limits", "cpu"),
        Signal::MemoryRequest => stated("requests", "memory"),
        Signal::MemoryLimit => stated("limits", "memory"),
        Signal::RedisUsed => format!("redis_memory_used_bytes{{{pod}}}"),
        Signal::RedisMax => format!("redis_memory_max_bytes{{{pod}}}"),
        Signal::VolumeUsed => claim("used"),
        Signal::VolumeCapacity => claim("capacity"),
        _ => return None,
    })
}

/// What stays at zero, and what says of the HPA whose it is.
fn quiet_counters(out: &mut OpenMetrics, observed: &Observed) {
    let at = &samples(observed, SeriesKey::service(Signal::Load)).at;
    let pod = |pod: &str, container: &str| {
        format!(r#"namespace="jarvis",pod="{pod}",container="{container}""#)
    };
    let (api, redis) = (pod(&api_pod(0), "jarvis-api"), pod("jarvis-redis-master-0", "redis"));
    counter(out, &format!("container_cpu_cfs_periods_total{{{api}}}"), at, |_| 10.0);
    counter(out, &format!("container_cpu_cfs_throttled_periods_total{{{api}}}"), at, |_| 0.0);
    counter(out, &format!("redis_evicted_keys_total{{{redis}}}"), at, |_| 0.0);
    counter(out, &format!("kube_pod_container_status_restarts_total{{{api}}}"), at, |_| 0.0);
    counter(out, &format!("kube_pod_container_status_restarts_total{{{redis}}}"), at, |_| 0.0);
    let info = r#"kube_horizontalpodautoscaler_info{namespace="jarvis",horizontalpodautoscaler="jarvis-api",scaletargetref_kind="Deployment",scaletargetref_name="jarvis-api"}"#;
    for at in at {
        out.sample(info, 1.0, *at);
    }
}
