//! The Prometheus edge, the store and `pull` together: against a real Prometheus where behaviour counts, and
//! against a server that misbehaves on purpose where failure does. Case numbers are those of the project's
//! list of faults that a trustworthy advisor survives.
#![allow(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs
)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/real.rs"]
mod real;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use plimsoll::commands::pull::{bring_up_to_date, gather};
use plimsoll::commands::{Exit, Hinted, Talk, check, failure};
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Samples, SeriesKey, Signal};
use plimsoll::service::LoadSource;
use plimsoll::source::prometheus::{Access, Client, PrometheusError, Range};
use plimsoll::store::Store;

use fake::{Fake, answer, json};
use real::{OpenMetrics, Prometheus, available};

/// 2025-11-20T00:00:00Z, a multiple of every step used here.
const NOON: i64 = 1_763_596_800;
const STEP: i64 = 300;

fn settings(url: &str, store: &Path) -> Settings {
    let text = format!(
        r#"
version: 1
history:
  prometheus: {{url: "{url}"}}
  step: 5m
  lookback: 1d
  store: {}
services:
  - name: shop
    namespace: shop
    load: {{selector: {{service: shop-api}}}}
    tiers:
      - {{name: Low, below: 10, api: 2}}
      - {{name: High, api: 4}}
    components:
      api: {{target: Deployment/shop-api}}
    volumes: [data-0]
"#,
        store.display()
    );
    config::parse(&text, "test", Path::new(".")).unwrap()
}

fn time(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap()
}

fn load() -> SeriesKey {
    SeriesKey::service(Signal::Load)
}

fn series(evidence: Option<Evidence<Samples>>) -> Samples {
    match evidence {
        Some(Evidence::Series(samples)) => samples,
        other => panic!("{other:?}"),
    }
}

fn empty_matrix() -> Vec<u8> {
    json("200 OK", r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#)
}

fn vector_of_one() -> Vec<u8> {
    json(
        "200 OK",
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"60"]}]}}"#,
    )
}

/// Two pods at 3 and 4 rps, 1 % of the second's failing, as counters scraped every minute for a day and a half.
fn shop() -> OpenMetrics {
    let mut metrics = OpenMetrics::default();
    let (from, to) = (NOON - 36 * 3600, NOON + 7200);
    for (pod, code, rate) in [("a", "200", 3.0), ("b", "200", 3.96), ("b", "500", 0.04)] {
        let name = format!(
            r#"http_requests_total{{namespace="shop",service="shop-api",pod="{pod}",code="{code}"}}"#
        );
        metrics.series(&name, from, to, 60, |at| rate * (at - from) as f64);
    }
    metrics.series(
        r#"http_requests_total{namespace="other",service="shop-api",pod="c",code="200"}"#,
        from,
        to,
        60,
        |at| 100.0 * (at - from) as f64,
    );
    metrics.series(
        r#"kube_deployment_status_replicas_ready{namespace="shop",deployment="shop-api"}"#,
        from,
        to,
        60,
        |_| 2.0,
    );
    let hpa = r#"namespace="shop",horizontalpodautoscaler="keda-hpa-shop""#;
    metrics.series(
        &format!("kube_horizontalpodautoscaler_spec_min_replicas{{{hpa}}}"),
        from,
        to,
        60,
        |_| 2.0,
    );
    metrics.series(
        &format!("kube_horizontalpodautoscaler_spec_max_replicas{{{hpa}}}"),
        from,
        to,
        60,
        |_| 6.0,
    );
    metrics.series(
        &format!(r#"kube_horizontalpodautoscaler_info{{{hpa},scaletargetref_kind="Deployment",scaletargetref_name="shop-api"}}"#),
        from,
        to,
        60,
        |_| 1.0,
    );
    pods(&mut metrics, from, to);
    let claim = r#"namespace="shop",persistentvolumeclaim="data-0""#;
    metrics.series(&format!("kubelet_volume_stats_used_bytes{{{claim}}}"), from, to, 60, |_| 1e9);
    metrics.series(
        &format!("kubelet_volume_stats_capacity_bytes{{{claim}}}"),
        from,
        to,
        60,
        |_| 5e9,
    );
    metrics
}

/// Two pods of the Deployment, with what would be counted twice beside them: the pod as a whole, its sandbox, a
/// restarted container, and a pod of another workload whose name begins alike.
fn pods(metrics: &mut OpenMetrics, from: i64, to: i64) {
    let mut cpu = |pod: &str, container: &str, id: &str, cores: f64| {
        let name = format!(
            r#"container_cpu_usage_seconds_total{{namespace="shop",pod="{pod}",container="{container}",id="{id}"}}"#
        );
        metrics.series(&name, from, to, 60, |at| cores * (at - from) as f64);
    };
    cpu("shop-api-7d9c8b6f5-bcdfg", "api", "1", 0.5);
    cpu("shop-api-7d9c8b6f5-bcdfg", "api", "2", 0.4);
    cpu("shop-api-7d9c8b6f5-bcdfg", "", "3", 0.5);
    cpu("shop-api-7d9c8b6f5-bcdfg", "POD", "4", 0.1);
    cpu("shop-api-7d9c8b6f5-hjklm", "api", "5", 0.25);
    cpu("shop-api-canary-7d9c8b6f5-hjklm", "api", "6", 9.0);
    cpu("shop-api-agent-hjklm", "api", "7", 9.0);
    let pod = r#"namespace="shop",pod="shop-api-7d9c8b6f5-bcdfg",container="api""#;
    // one kill for memory 90 minutes before the end, which the pod's status remembers from then on
    let killed = NOON - 5400;
    metrics.series(
        &format!("kube_pod_container_status_restarts_total{{{pod}}}"),
        from,
        to,
        60,
        |at| if at < killed { 0.0 } else { 1.0 },
    );
    metrics.series(
        &format!(r#"kube_pod_container_status_last_terminated_reason{{{pod},reason="OOMKilled"}}"#),
        killed,
        to,
        60,
        |_| 1.0,
    );
    let memory = format!("container_memory_working_set_bytes{{{pod}}}");
    // a peak of one minute between two steps
    metrics.series(&memory, from, to, 60, |at| if at == NOON - 120 { 9e8 } else { 1e8 });
    metrics.series(
        &format!(r#"kube_pod_container_resource_requests{{{pod},resource="cpu"}}"#),
        from,
        to,
        60,
        |_| 0.6,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pull_reads_a_real_prometheus_and_then_asks_only_for_what_is_new() {
    if !available("pull_reads_a_real_prometheus_and_then_asks_only_for_what_is_new") {
        return;
    }
    let prometheus = Prometheus::with(&shop());
    let proxy = Fake::recording(&prometheus.url);
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&proxy.url, folder.path());

    let first = bring_up_to_date(&settings, time(NOON + 90), Talk::silent()).await.unwrap();
    assert_eq!(first.failures, []);
    assert_eq!(first.choices["shop"].preset, "http_requests_total");
    assert_eq!(first.choices["shop"].error_label.as_deref(), Some("code"));
    assert_eq!(first.choices["shop"].scrape_s, 60);
    let ranges = ranges(&proxy);
    assert!(ranges.iter().all(|range| *range == (NOON - 86_400, NOON)), "{ranges:?}");

    // the second pull, an hour later, begins one step after the end of the first
    proxy.forget();
    let second = bring_up_to_date(&settings, time(NOON + 3690), Talk::silent()).await.unwrap();
    assert_eq!(second.failures, []);
    let ranges = self::ranges(&proxy);
    // series that exist; those without one are hoped for, for an hour
    let new = ranges.iter().filter(|range| **range == (NOON + STEP, NOON + 3600)).count();
    assert_eq!(new, 13, "{ranges:?}");
    assert!(ranges.iter().all(|range| range.0 > NOON - 3900), "{ranges:?}");
    // and finds out nothing again: one greeting, and the ranges
    assert_eq!(proxy.requests().len(), ranges.len() + 1);

    // the third, at once, has nothing to ask for where there are samples
    proxy.forget();
    bring_up_to_date(&settings, time(NOON + 3695), Talk::silent()).await.unwrap();
    assert!(
        self::ranges(&proxy).iter().all(|range| range.0 > NOON - 300),
        "{:?}",
        self::ranges(&proxy)
    );

    let past = gather(&settings, time(NOON + 3690), true, Talk::silent()).await.unwrap();
    let observed = past.of(&settings.services[0]).unwrap();
    let value = |key: SeriesKey| match &observed[&key] {
        Evidence::Series(samples) => *samples.value.last().unwrap(),
        other => panic!("{key}: {other:?}"),
    };
    let close = |key: SeriesKey, expected: f64| {
        let found = value(key.clone());
        assert!(
            (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
            "{key}: {found} is not {expected}"
        );
    };
    let api = |signal| SeriesKey::of("api", signal);
    close(load(), 7.0);
    close(SeriesKey::service(Signal::ErrorRate), 0.04 / 7.0);
    close(api(Signal::Replicas), 2.0);
    close(api(Signal::HpaMin), 2.0);
    close(api(Signal::HpaMax), 6.0);
    // 0.5 of the first pod (its restarted container once, not twice) and 0.25 of the second
    close(api(Signal::Cpu), 0.75);
    close(api(Signal::CpuMax), 0.5);
    close(api(Signal::CpuRequest), 0.6);
    close(SeriesKey::of("data-0", Signal::VolumeUsed), 1e9);
    close(SeriesKey::of("data-0", Signal::VolumeCapacity), 5e9);
    let Evidence::Series(memory) = &observed[&api(Signal::Memory)] else { panic!() };
    assert_eq!(
        memory.value[memory.at.binary_search(&NOON).unwrap()],
        9e8,
        "the peak between two steps is seen"
    );
    assert_eq!(
        memory.value.iter().filter(|value| **value > 1e8).count(),
        1,
        "and only in its step"
    );
    let Evidence::Series(kills) = &observed[&api(Signal::OomKills)] else { panic!() };
    let killed: Vec<i64> = kills
        .at
        .iter()
        .zip(&kills.value)
        .filter(|(_, value)| **value > 0.0)
        .map(|(at, _)| *at)
        .collect();
    assert!(killed.contains(&(NOON - 5400)), "{killed:?}");
    assert!(killed.iter().all(|at| (NOON - 5400..=NOON - 4800).contains(at)), "{killed:?}");
    // three kinds of absence stay apart
    assert_eq!(observed[&api(Signal::CpuLimit)], Evidence::NoSeries);
    assert_eq!(kills.value[0], 0.0);
    assert_eq!(observed[&SeriesKey::service(Signal::P99)], Evidence::NoSeries);
}

/// First and last step of every range asked for.
fn ranges(proxy: &Fake) -> Vec<(i64, i64)> {
    let requests = proxy.requests();
    let ranges = requests.iter().filter(|request| request.path().ends_with("query_range"));
    let number = |text: Option<String>| text.unwrap().parse().unwrap();
    ranges.map(|request| (number(request.param("start")), number(request.param("end")))).collect()
}

#[tokio::test]
async fn case_64_a_name_with_quotes_reaches_prometheus_as_that_name() {
    if !available("case_64_a_name_with_quotes_reaches_prometheus_as_that_name") {
        return;
    }
    let mut metrics = OpenMetrics::default();
    // what OpenMetrics escapes is what PromQL escapes
    metrics.series(
        r#"http_requests_total{namespace="shop",service="a\"}|b\\c"}"#,
        NOON - 7200,
        NOON,
        60,
        |at| (at - NOON + 7200) as f64,
    );
    metrics.series(
        r#"http_requests_total{namespace="shop",service="a"}"#,
        NOON - 7200,
        NOON,
        60,
        |at| 50.0 * (at - NOON + 7200) as f64,
    );
    let prometheus = Prometheus::with(&metrics);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&prometheus.url, folder.path());
    let selector = [("service".to_owned(), r#"a"}|b\c"#.to_owned())].into();
    settings.services[0].load = LoadSource::Preset { name: None, selector };
    let summary = bring_up_to_date(&settings, time(NOON), Talk::silent()).await.unwrap();
    assert_eq!(summary.failures, []);
    let store = Store::open(folder.path()).unwrap();
    let samples = series(store.scan("shop", &load(), NOON, NOON).unwrap());
    assert!((samples.value[0] - 1.0).abs() < 1e-9, "{samples:?}");
}

#[tokio::test]
async fn case_01_a_refused_connection_ends_the_run_at_once_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    // port 9 is `discard`, which nobody runs
    let settings = settings("http://127.0.0.1:9", folder.path());
    let started = std::time::Instant::now();
    let error = bring_up_to_date(&settings, time(NOON), Talk::silent()).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(2));
    let text = failure(&error);
    assert!(
        text.starts_with("error: `http://127.0.0.1:9` cannot be reached: Connection refused"),
        "{text}"
    );
    assert!(
        text.contains("hint: check `history.prometheus.url` (or `--prometheus-url`)"),
        "{text}"
    );
}

#[tokio::test]
async fn case_02_a_source_that_dies_midway_is_given_up_once_and_for_all() {
    // one answer, and from then on closed connections
    let fake = Fake::serve(|_, number| if number == 0 { empty_matrix() } else { Vec::new() });
    let access = Access { patience: Duration::from_millis(700), ..Access::to(&fake.url) };
    let client = Client::new(&access).unwrap();
    let range = Range { from: NOON, to: NOON, step: STEP };
    client.range("x", range).await.unwrap();
    let error = client.range("x", range).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Unreachable { .. }), "{error:?}");
    assert_eq!(fake.requests().len(), 3, "asked twice before it was given up");
    // nobody else waits or asks
    let started = std::time::Instant::now();
    client.range("y", range).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_millis(100));
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn case_03_refusals_tell_401_from_403() {
    for (status, words) in
        [("401 Unauthorized", "refuses us with 401"), ("403 Forbidden", "refuses us with 403")]
    {
        let fake = Fake::serve(move |_, _| answer(status, &["Content-Type: text/plain"], "no"));
        let folder = tempfile::tempdir().unwrap();
        let error =
            bring_up_to_date(&settings(&fake.url, folder.path()), time(NOON), Talk::silent())
                .await
                .unwrap_err();
        let text = failure(&error);
        assert!(text.contains(words), "{text}");
        assert_eq!(fake.requests().len(), 1, "a refusal is not asked again");
    }
}

#[tokio::test]
async fn case_03_a_token_is_read_anew_for_every_request() {
    let fake = Fake::serve(|_, _| vector_of_one());
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let headers = [("X-Scope-OrgID".to_owned(), "a|b:c".to_owned())].into();
    let client = Client::new(&Access {
        bearer_token_file: Some(token.clone()),
        headers,
        ..Access::to(&format!("{}/prometheus/", fake.url))
    })
    .unwrap();
    client.greet(NOON).await.unwrap();
    std::fs::write(&token, "second").unwrap();
    client.greet(NOON).await.unwrap();
    let requests = fake.requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer first"));
    assert_eq!(requests[1].header("authorization"), Some("Bearer second"));
    assert_eq!(requests[0].header("x-scope-orgid"), Some("a|b:c"));
    assert_eq!(requests[0].path(), "/prometheus/api/v1/query");
    std::fs::remove_file(&token).unwrap();
    let error = client.greet(NOON).await.unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
}

#[tokio::test]
async fn basic_authentication_takes_its_password_from_a_file() {
    let fake = Fake::serve(|_, _| vector_of_one());
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "open sesame\n").unwrap();
    let client = Client::new(&Access {
        username: Some("Aladdin".to_owned()),
        password_file: Some(password),
        ..Access::to(&fake.url)
    })
    .unwrap();
    client.greet(NOON).await.unwrap();
    // RFC 7617, section 2
    assert_eq!(
        fake.requests()[0].header("authorization"),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    );
}

#[tokio::test]
async fn case_04_a_busy_source_is_asked_again_after_the_time_it_names() {
    let fake = Fake::serve(|_, number| match number {
        0 => answer("503 Service Unavailable", &["Retry-After: 1"], "starting"),
        1 => answer("429 Too Many Requests", &[], ""),
        _ => empty_matrix(),
    });
    let client = Client::new(&Access::to(&fake.url)).unwrap();
    let started = std::time::Instant::now();
    let answer = client.range("x", Range { from: NOON, to: NOON, step: STEP }).await.unwrap();
    assert!(!answer.series);
    assert_eq!(fake.requests().len(), 3);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn case_04_patience_has_an_end() {
    let fake =
        Fake::serve(|_, _| answer("503 Service Unavailable", &["Retry-After: 3600"], "busy"));
    let client = Client::new(&Access::to(&fake.url)).unwrap();
    let error = client.range("x", Range { from: NOON, to: NOON, step: STEP }).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert_eq!(fake.requests().len(), 1, "an hour is more than we wait");
}

#[tokio::test]
async fn case_05_a_page_of_html_is_not_an_answer() {
    let fake = Fake::serve(|_, _| {
        answer("200 OK", &["Content-Type: text/html"], "<!doctype html>\n<title>Sign in</title>")
    });
    let folder = tempfile::tempdir().unwrap();
    let error = bring_up_to_date(&settings(&fake.url, folder.path()), time(NOON), Talk::silent())
        .await
        .unwrap_err();
    let text = failure(&error);
    assert!(text.contains("answers 200 with something that is not the Prometheus API: <!doctype html> <title>Sign in</title>"), "{text}");
    assert!(text.contains("login of a proxy"), "{text}");
}

#[tokio::test]
async fn case_06_a_cut_answer_keeps_nothing() {
    let whole = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"2"]]}]}}"#;
    let half = &whole[..whole.len() / 2];
    // cut by a proxy that closes it properly: read, and refused
    let closed = json("200 OK", half);
    let fake = Fake::serve(move |_, _| closed.clone());
    let client =
        Client::new(&Access { patience: Duration::from_millis(600), ..Access::to(&fake.url) })
            .unwrap();
    let error = client.range("x", Range { from: 1, to: 2, step: 1 }).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Garbled { .. }), "{error:?}");
    // cut by a lost connection: asked again, then given up
    let lost =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{half}", whole.len()).into_bytes();
    let fake = Fake::serve(move |_, _| lost.clone());
    let client =
        Client::new(&Access { patience: Duration::from_millis(600), ..Access::to(&fake.url) })
            .unwrap();
    let error = client.range("x", Range { from: 1, to: 2, step: 1 }).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Unreachable { .. }), "{error:?}");
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_08_a_partial_answer_is_a_failure_and_is_asked_for_again() {
    let fake = Fake::serve(|request, _| {
        if request.path().ends_with("query_range") {
            json(
                "200 OK",
                r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["store 3 is away"]}"#,
            )
        } else {
            vector_of_one()
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&fake.url, folder.path());
    let summary = bring_up_to_date(&settings, time(NOON), Talk::silent()).await.unwrap();
    assert_eq!(summary.series, 0);
    assert!(
        summary
            .failures
            .iter()
            .all(|failure| failure.message == "the answer is partial: store 3 is away"),
        "{:?}",
        summary.failures
    );
    let past = gather(&settings, time(NOON), false, Talk::silent()).await.unwrap();
    let observed = past.of(&settings.services[0]).unwrap();
    assert!(
        matches!(&observed[&load()], Evidence::Failed(why) if why.contains("store 3")),
        "{observed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn case_10_what_is_too_much_is_asked_for_in_halves() {
    let fake = Fake::serve(|request, _| {
        let number = |name| request.param(name).unwrap().parse::<i64>().unwrap();
        if !request.path().ends_with("query_range") {
            return vector_of_one();
        }
        let (from, to) = (number("start"), number("end"));
        if to - from > 30_000 {
            return json(
                "422 Unprocessable Entity",
                r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}"#,
            );
        }
        let values: Vec<String> =
            (from..=to).step_by(300).map(|at| format!(r#"[{at},"1"]"#)).collect();
        json(
            "200 OK",
            &format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
                values.join(",")
            ),
        )
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&fake.url, folder.path());
    let summary = bring_up_to_date(&settings, time(NOON + 90), Talk::silent()).await.unwrap();
    assert_eq!(summary.failures, []);
    let store = Store::open(folder.path()).unwrap();
    let samples = series(store.scan("shop", &load(), 0, i64::MAX).unwrap());
    // a day of five-minute steps, both ends
    assert_eq!(samples.at.len(), 289);
    assert!(samples.at.windows(2).all(|pair| pair[1] - pair[0] == 300));
}

#[tokio::test]
async fn case_11_a_long_query_is_posted() {
    let fake = Fake::serve(|_, _| empty_matrix());
    let client = Client::new(&Access::to(&fake.url)).unwrap();
    let long = format!("sum(x{{pod=~\"{}\"}})", "a|".repeat(5_000));
    client.range(&long, Range { from: NOON, to: NOON, step: STEP }).await.unwrap();
    let request = &fake.requests()[0];
    assert_eq!(request.method, "POST");
    assert!(request.target.len() < 100);
    assert_eq!(request.param("query").as_deref(), Some(long.as_str()));
}

#[tokio::test]
async fn case_12_a_redirect_to_another_host_is_refused_before_it_learns_anything() {
    let other = Fake::serve(|_, _| vector_of_one());
    // another host by name, though it is this machine: a token must not follow
    let target = other.url.replace("127.0.0.1", "localhost");
    let location = format!("Location: {target}/api/v1/query?secret=1");
    let fake = Fake::serve(move |_, _| answer("307 Temporary Redirect", &[&location], ""));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "hush").unwrap();
    let headers = [("X-Api-Key".to_owned(), "hush".to_owned())].into();
    let client =
        Client::new(&Access { bearer_token_file: Some(token), headers, ..Access::to(&fake.url) })
            .unwrap();
    let error = client.greet(NOON).await.unwrap_err();
    assert!(
        matches!(&error, PrometheusError::Redirected { to, .. } if to.starts_with(&target) && !to.contains("secret")),
        "{error:?}"
    );
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn case_14_an_answer_without_end_is_cut_off() {
    // 64 MiB where 8 are the limit
    let huge = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{{{}", " ".repeat(64 << 20))
        .into_bytes();
    let fake = Fake::serve(move |_, _| huge.clone());
    let client = Client::new(&Access::to(&fake.url)).unwrap();
    let error = client.range("x", Range { from: 1, to: 2, step: 1 }).await.unwrap_err();
    assert!(error.is_too_expensive(), "{error:?}");
}

#[tokio::test]
async fn case_15_a_slow_drip_ends_at_the_deadline() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut stream = listener.accept().unwrap().0;
        // an answer before its question would be another fault
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{").unwrap();
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let client = Client::new(&Access {
        timeout: Duration::from_millis(400),
        patience: Duration::from_millis(300),
        ..Access::to(&url)
    })
    .unwrap();
    let started = std::time::Instant::now();
    let error = client.range("x", Range { from: 1, to: 2, step: 1 }).await.unwrap_err();
    assert!(matches!(error, PrometheusError::TimedOut { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn case_13_a_file_that_is_no_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "not a certificate").unwrap();
    let error = Client::new(&Access { ca_file: Some(ca), ..Access::to("https://localhost") })
        .err()
        .unwrap();
    assert!(error.to_string().contains("ca.pem"), "{error}");
    assert!(error.hint().contains("history.prometheus"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_is_known_before_it_is_spent() {
    let fake = Fake::serve(|request, _| {
        if request.path().ends_with("query_range") { empty_matrix() } else { vector_of_one() }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&fake.url, folder.path());
    settings.history.prometheus.as_mut().unwrap().max_samples = 1_000;
    let error = bring_up_to_date(&settings, time(NOON), Talk::silent()).await.unwrap_err();
    let hinted = error.downcast_ref::<Hinted>().unwrap();
    // 20 series of a day and its first step
    assert_eq!(
        hinted.message,
        "this pull would ask for 5780 samples of 20 series; at most 1000 are allowed"
    );
    assert!(hinted.hint.contains("history.prometheus.maxSamples"));
    assert!(fake.requests().iter().all(|request| !request.path().ends_with("query_range")));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_77_two_runs_at_once_are_told_apart() {
    let fake = Fake::serve(|_, _| vector_of_one());
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&fake.url, folder.path());
    let _held = Store::open(folder.path()).unwrap().writer().unwrap();
    let error = bring_up_to_date(&settings, time(NOON), Talk::silent()).await.unwrap_err();
    let text = failure(&error);
    assert!(text.contains("is in use by another run (process "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_77_a_run_that_is_through_in_a_moment_is_waited_for() {
    let fake = Fake::serve(|request, _| {
        if request.path().ends_with("query_range") { empty_matrix() } else { vector_of_one() }
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&fake.url, folder.path());
    let held = Store::open(folder.path()).unwrap().writer().unwrap();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        drop(held);
    });
    bring_up_to_date(&settings, time(NOON), Talk::silent()).await.unwrap();
    ends.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn case_26_what_is_still_to_come_is_not_absent() {
    let fake = Fake::serve(|request, _| {
        if request.path().ends_with("query_range") { empty_matrix() } else { vector_of_one() }
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&fake.url, folder.path());
    let now = Timestamp::now().as_second();
    let year = 365 * 86_400;
    bring_up_to_date(&settings, time(now + year), Talk::silent()).await.unwrap();
    assert!(!ranges(&fake).is_empty());
    assert!(ranges(&fake).iter().all(|range| range.1 <= now + 60), "{:?}", ranges(&fake));
}

/// An authority, a certificate for `127.0.0.1` and one for us, made by openssl; `None` where there is no openssl.
fn certificates(folder: &Path) -> Option<()> {
    let script = r"
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.pem
for name in server client; do
  openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
  printf 'subjectAltName=IP:127.0.0.1\n' > ext
  openssl x509 -req -days 30 -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out $name.pem
done";
    let made =
        std::process::Command::new("sh").args(["-c", script]).current_dir(folder).output().ok()?;
    made.status.success().then_some(())
}

#[tokio::test]
async fn case_13_a_real_prometheus_behind_mutual_tls_and_a_base_path_is_reached_with_the_right_files_alone()
 {
    let name = "case_13_a_real_prometheus_behind_mutual_tls_and_a_base_path_is_reached_with_the_right_files_alone";
    let folder = tempfile::tempdir().unwrap();
    if !available(name) {
        return;
    }
    certificates(folder.path()).expect("openssl makes certificates");
    let path = |name: &str| folder.path().join(name);
    let web = "tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}\n";
    std::fs::write(path("web.yml"), web).unwrap();
    let prometheus = Prometheus::behind(&path("web.yml"), "/metrics-store");
    let url = format!("{}/metrics-store", prometheus.url.replace("http:", "https:"));
    let right = Access {
        ca_file: Some(path("ca.pem")),
        cert_file: Some(path("client.pem")),
        key_file: Some(path("client.key")),
        ..Access::to(&url)
    };
    Client::new(&right).unwrap().greet(NOON).await.unwrap();
    assert!(Client::new(&right).unwrap().version().await.is_some());
    // an authority we do not know
    let stranger = Access { ca_file: None, ..right.clone() };
    let error = Client::new(&stranger).unwrap().greet(NOON).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Tls { .. }), "{error:?}");
    assert!(error.hint().contains("caFile"));
    // nobody the server knows
    let nobody = Access { cert_file: None, key_file: None, ..right };
    let error = Client::new(&nobody).unwrap().greet(NOON).await.unwrap_err();
    // in TLS 1.3 the server refuses after the handshake is done, and its close may overtake its alert
    let refused =
        matches!(error, PrometheusError::Tls { .. } | PrometheusError::Unreachable { .. });
    assert!(refused, "{error:?}");
}

#[tokio::test]
async fn check_says_which_label_is_wrong_and_what_values_there_are() {
    if !available("check_says_which_label_is_wrong_and_what_values_there_are") {
        return;
    }
    let prometheus = Prometheus::with(&shop());
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&prometheus.url, folder.path());
    let selector = [("service".to_owned(), "shop-apo".to_owned())].into();
    settings.services[0].load = LoadSource::Preset { name: None, selector };
    let mut text = Vec::new();
    let exit = check::run(&settings, time(NOON), (false, None), &mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    // without its line breaks
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(exit, Exit::Skipped);
    for line in [
        "load by no preset: none has series for it",
        "`http_requests_total` has no series with {service=\"shop-apo\"}; there is shop-api load, errorRate, reporting ",
        "but there is `http_requests_total` (preset `http_requests_total`); compare `load.selector`",
        "no series of `http_request_duration_seconds_bucket` p99 ",
        "no series of `kube_pod_container_resource_limits`: is kube-state-metrics scraped? api.cpuLimit, api.memoryLimit",
        // the series of a day and its first step
        "a pull now asks for 5780 samples of ",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    // and it changed nothing
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
