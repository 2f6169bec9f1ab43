//! Every load preset on the metrics of its own exporter, read back through a real Prometheus: the label names and
//! units are those of each exporter's documentation, the numbers are known beforehand.
#![allow(clippy::cast_precision_loss, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "support/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "support/real.rs"]
mod real;

use std::path::Path;

use jiff::Timestamp;
use plimsoll::commands::Talk;
use plimsoll::commands::pull::{bring_up_to_date, gather};
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, SeriesKey, Signal};
use plimsoll::source::prometheus::presets::PRESETS;

use real::{OpenMetrics, Prometheus, available};

/// 2025-11-20T00:00:00Z.
const END: i64 = 1_763_596_800;
const START: i64 = END - 6 * 3600;

/// What one exporter writes for a service that is called like the preset.
struct Exporter {
    preset: &'static str,
    requests: &'static str,
    /// Labels of its series, without the outcome.
    labels: &'static str,
    /// Metric and label of what succeeded and of what failed.
    outcomes: [(&'static str, &'static str); 2],
    /// Histogram of latencies, and how many of its units make a second.
    latency: (&'static str, f64),
    /// The selector that a team would write.
    selector: &'static str,
}

const EXPORTERS: [Exporter; 7] = [
    Exporter {
        preset: "http_requests_total",
        requests: "http_requests_total",
        labels: r#"namespace="shop",service="shop-api""#,
        outcomes: [
            ("http_requests_total", r#"code="200""#),
            ("http_requests_total", r#"code="503""#),
        ],
        latency: ("http_request_duration_seconds_bucket", 1.0),
        selector: "{service: shop-api}",
    },
    Exporter {
        preset: "opentelemetry",
        requests: "http_server_request_duration_seconds_count",
        labels: r#"service_name="shop-otel",http_route="/pay""#,
        outcomes: [
            ("http_server_request_duration_seconds_count", r#"http_response_status_code="200""#),
            ("http_server_request_duration_seconds_count", r#"http_response_status_code="500""#),
        ],
        latency: ("http_server_request_duration_seconds_bucket", 1.0),
        selector: "{service_name: shop-otel}",
    },
    Exporter {
        preset: "linkerd",
        requests: "response_total",
        labels: r#"namespace="shop",deployment="shop-api",direction="inbound""#,
        outcomes: [
            ("response_total", r#"classification="success""#),
            ("response_total", r#"classification="failure""#),
        ],
        latency: ("response_latency_ms_bucket", 1000.0),
        selector: "{deployment: shop-api}",
    },
    Exporter {
        preset: "istio",
        requests: "istio_requests_total",
        labels: r#"destination_service_namespace="shop",destination_workload="shop-api",reporter="destination""#,
        outcomes: [
            ("istio_requests_total", r#"response_code="200""#),
            ("istio_requests_total", r#"response_code="503""#),
        ],
        latency: ("istio_request_duration_milliseconds_bucket", 1000.0),
        selector: "{destination_workload: shop-api}",
    },
    Exporter {
        preset: "ingress-nginx",
        requests: "nginx_ingress_controller_requests",
        labels: r#"namespace="shop",ingress="shop""#,
        outcomes: [
            ("nginx_ingress_controller_requests", r#"status="200""#),
            ("nginx_ingress_controller_requests", r#"status="502""#),
        ],
        latency: ("nginx_ingress_controller_request_duration_seconds_bucket", 1.0),
        selector: "{ingress: shop}",
    },
    Exporter {
        preset: "traefik",
        requests: "traefik_service_requests_total",
        labels: r#"service="shop-api-80@kubernetes",protocol="http""#,
        outcomes: [
            ("traefik_service_requests_total", r#"code="200""#),
            ("traefik_service_requests_total", r#"code="500""#),
        ],
        latency: ("traefik_service_request_duration_seconds_bucket", 1.0),
        selector: r#"{service: "shop-api-80@kubernetes"}"#,
    },
    Exporter {
        preset: "envoy",
        requests: "envoy_cluster_upstream_rq_total",
        labels: r#"envoy_cluster_name="shop""#,
        outcomes: [
            ("envoy_cluster_upstream_rq_xx", r#"envoy_response_code_class="2""#),
            ("envoy_cluster_upstream_rq_xx", r#"envoy_response_code_class="5""#),
        ],
        latency: ("envoy_cluster_upstream_rq_time_bucket", 1000.0),
        selector: "{envoy_cluster_name: shop}",
    },
];

/// Requests per second of the exporter at this place: each its own, so that none is taken for another.
fn rate(place: usize) -> f64 {
    10.0 * (place + 1) as f64
}

/// 2 % of the requests fail; 90 % take at most 100 ms, all at most a second.
fn metrics() -> OpenMetrics {
    let mut metrics = OpenMetrics::default();
    for (place, exporter) in EXPORTERS.iter().enumerate() {
        let labels = exporter.labels;
        let mut counter = |name: &str, labels: &str, per_second: f64| {
            for (target, share) in [("10.0.0.1:80", 0.6), ("10.0.0.2:80", 0.4)] {
                let series = format!(r#"{name}{{{labels},instance="{target}"}}"#);
                let value = |at: i64| share * per_second * (at - START) as f64;
                metrics.series(&series, START, END, 60, value);
            }
        };
        for ((name, outcome), share) in exporter.outcomes.iter().zip([0.98, 0.02]) {
            counter(name, &format!("{labels},{outcome}"), share * rate(place));
        }
        if exporter.outcomes[0].0 != exporter.requests {
            counter(exporter.requests, labels, rate(place));
        }
        let (histogram, per_second) = exporter.latency;
        for (bound, share) in [("0.1", 0.9), ("1", 1.0), ("+Inf", 1.0)] {
            let bound =
                bound.parse::<f64>().map_or(bound.to_owned(), |s| (s * per_second).to_string());
            counter(histogram, &format!(r#"{labels},le="{bound}""#), share * rate(place));
        }
    }
    // the other end of the mesh, which counts the same requests again
    for name in [
        r#"istio_requests_total{destination_service_namespace="shop",destination_workload="shop-api",reporter="source",response_code="200"}"#,
        r#"response_total{namespace="shop",deployment="shop-api",direction="outbound",classification="success"}"#,
    ] {
        metrics.series(name, START, END, 60, |at| 1000.0 * (at - START) as f64);
    }
    metrics
}

fn settings(url: &str, store: &Path) -> Settings {
    let service = |exporter: &Exporter| {
        format!(
            "  - name: {}\n    namespace: shop\n    load: {{selector: {}}}\n    tiers:\n      - {{name: All, api: 2}}\n    components:\n      api: {{target: Deployment/api-{}}}\n",
            exporter.preset.replace('_', "-"),
            exporter.selector,
            exporter.preset.replace('_', "-"),
        )
    };
    let services: String = EXPORTERS.iter().map(service).collect();
    let text = format!(
        "version: 1\nhistory:\n  prometheus: {{url: \"{url}\"}}\n  step: 5m\n  lookback: 1d\n  store: {}\nservices:\n{services}",
        store.display()
    );
    config::parse(&text, "test", Path::new(".")).unwrap()
}

/// No preset is named in the settings: which one matches is found out.
#[tokio::test(flavor = "multi_thread")]
async fn every_preset_is_found_and_gives_load_errors_latency_and_its_targets() {
    if !available("every_preset_is_found_and_gives_load_errors_latency_and_its_targets") {
        return;
    }
    assert_eq!(EXPORTERS.map(|exporter| exporter.preset), PRESETS.map(|preset| preset.name));
    let prometheus = Prometheus::with(&metrics());
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&prometheus.url, folder.path());
    let at = Timestamp::from_second(END).unwrap();
    let summary = bring_up_to_date(&settings, at, Talk::silent()).await.unwrap();
    assert_eq!(summary.failures, []);
    let past = gather(&settings, at, true, Talk::silent()).await.unwrap();
    for (place, exporter) in EXPORTERS.iter().enumerate() {
        let name = exporter.preset.replace('_', "-");
        let service = settings.services.iter().find(|service| service.name == name).unwrap();
        assert_eq!(summary.choices[&service.name].preset, exporter.preset);
        let observed = past.of(service).unwrap();
        let close = |signal, expected: f64| {
            let Evidence::Series(samples) = &observed[&SeriesKey::service(signal)] else {
                panic!(
                    "{} {signal:?}: {:?}",
                    exporter.preset,
                    observed[&SeriesKey::service(signal)]
                )
            };
            let newest = *samples.value.last().unwrap();
            let off = (newest - expected).abs() / expected;
            assert!(off < 1e-6, "{} {signal:?}: {newest} is not {expected}", exporter.preset);
        };
        close(Signal::Load, rate(place));
        close(Signal::ErrorRate, 0.02);
        close(Signal::Reporting, 2.0);
        // the 99th of 100 lies nine tenths into the bucket from 0.1 s to 1 s
        close(Signal::P99, 0.1 + 0.9 * 0.9);
    }
}
