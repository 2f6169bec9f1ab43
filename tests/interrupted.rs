//! Runs that do not get to their end: killed at twenty moments, or left alone by their source half-way. What came is
//! whole, what did not come is asked for again, and the end is the same as if nothing had happened.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, dead_code, missing_docs)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/real.rs"]
mod real;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Observed, Samples, SeriesKey, Signal};
use plimsoll::service::{LoadSource, Service};
use plimsoll::source::prometheus::presets::{Needs, PRESETS};
use plimsoll::source::prometheus::{Access, Choice, Client, PrometheusError, Range, queries};
use plimsoll::store::Store;
use plimsoll::units::Period;
use polars::prelude::{ParquetReader, SerReader};

use fake::{Fake, Request, answer, json};
use real::{OpenMetrics, Prometheus, available};

/// 2025-11-20T00:00:00Z, a multiple of every step used here.
const END: i64 = 1_763_596_800;
const STEP: i64 = 300;
const DAY: i64 = 86_400;
const LOOKBACK: i64 = 40 * DAY;

/// A folder with settings for the address, and a store in it.
fn folder(url: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
version: 1
history:
  prometheus: {{url: "{url}"}}
  step: 5m
  lookback: 40d
  store: history
services:
  - name: shop
    namespace: shop
    load: {{selector: {{service: shop-api}}}}
    tiers:
      - {{name: Low, below: 10, api: 2, cache: 256Mi}}
      - {{name: High, api: 4, cache: 512Mi}}
    components:
      api: {{target: Deployment/shop-api}}
      cache: {{target: StatefulSet/shop-redis, memory: true}}
    volumes: [data-0]
"#
    );
    std::fs::write(folder.path().join("plimsoll.yaml"), text).unwrap();
    folder
}

fn settings(folder: &Path) -> Settings {
    config::load(&folder.join("plimsoll.yaml")).unwrap()
}

fn store(folder: &Path) -> Store {
    Store::open(folder.join("history")).unwrap()
}

fn plimsoll(folder: &Path, args: &[&str], at: i64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    // a minute and a half after the step: its samples have settled
    let at = Timestamp::from_second(at + 90).unwrap().to_string();
    command.args(args).args(["--at", &at]).current_dir(folder).env("NO_COLOR", "1");
    command
}

fn run(folder: &Path, args: &[&str], at: i64) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = plimsoll(folder, args, at).output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

/// What the source has for `query` at `at`: every query has its own values and gaps, and what speaks of limits has no series.
fn truth(query: &str) -> impl Fn(i64) -> Option<f64> + use<> {
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    let own = i64::try_from(hasher.finish() >> 40).unwrap();
    let series = !query.contains("limit");
    move |at| {
        let step = at / STEP + own;
        let value = f64::from(i32::try_from((step * 7919) % 9973).unwrap());
        (series && step % 97 > 4).then_some(value)
    }
}

/// The source's answer to any request.
fn reply(request: &Request) -> Vec<u8> {
    if !request.path().ends_with("query_range") {
        return json(
            "200 OK",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"60"]}]}}"#,
        );
    }
    let number = |name| request.param(name).unwrap().parse::<i64>().unwrap();
    let (value, (from, to)) =
        (truth(&request.param("query").unwrap()), (number("start"), number("end")));
    let mut values = String::new();
    for at in (from..=to).step_by(usize::try_from(STEP).unwrap()) {
        if let Some(value) = value(at) {
            write!(values, r#"{}[{at},"{value}"]"#, if values.is_empty() { "" } else { "," })
                .unwrap();
        }
    }
    let result = if values.is_empty() {
        String::new()
    } else {
        format!(r#"{{"metric":{{}},"values":[{values}]}}"#)
    };
    json(
        "200 OK",
        &format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#),
    )
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every Parquet file is whole, and every step that a manifest says was asked for has what the source has there.
/// How many series have everything up to `to`.
fn whole(folder: &Path, to: i64) -> usize {
    for path in files(&folder.join("history")) {
        if path.extension().is_some_and(|kind| kind == "parquet") {
            let read = ParquetReader::new(std::fs::File::open(&path).unwrap()).finish();
            assert!(read.unwrap().height() > 0, "{}", path.display());
        }
    }
    let (store, settings) = (store(folder), settings(folder));
    let service = &settings.services[0];
    let from = to - LOOKBACK;
    let mut complete = 0;
    for (key, evidence) in store.observe(service, from, to).unwrap() {
        let manifest = store.manifest("shop", &key).unwrap().unwrap();
        let missing = manifest.asked.missing(from, to, STEP);
        let asked = |at: i64| !missing.iter().any(|(first, last)| (*first..=*last).contains(&at));
        let found: Vec<(i64, f64)> = pairs(&evidence).filter(|(at, _)| asked(*at)).collect();
        let value = truth(&manifest.query);
        let steps = (from..=to).step_by(usize::try_from(STEP).unwrap()).filter(|at| asked(*at));
        let expected: Vec<(i64, f64)> = steps.filter_map(|at| Some((at, value(at)?))).collect();
        assert!(found == expected, "{key}: {} samples, not {}", found.len(), expected.len());
        complete += usize::from(missing.is_empty());
    }
    complete
}

fn pairs(evidence: &Evidence<Samples>) -> impl Iterator<Item = (i64, f64)> {
    let samples = match evidence {
        Evidence::Series(samples) => samples.clone(),
        _ => Samples::default(),
    };
    samples.at.into_iter().zip(samples.value)
}

fn observed(folder: &Path, to: i64) -> Observed {
    store(folder).observe(&settings(folder).services[0], to - LOOKBACK, to).unwrap()
}

/// Kills `pull` once the source has had `requests` of it and `pause` has passed; whether it was still alive.
fn kill(mut pull: Child, source: &Fake, requests: usize, pause: Duration) -> bool {
    let started = Instant::now();
    while source.requests().len() < requests && pull.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "neither asks nor ends");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(pause);
    pull.kill().unwrap();
    let status = pull.wait().unwrap();
    // one that was done before must have found a store that it could read
    assert!(status.signal() == Some(9) || matches!(status.code(), Some(0 | 3)), "{status}");
    status.signal() == Some(9)
}

/// Every run looks a day further than the one before, so that each has something to add to what is there. The moments
/// are spread by what the run has asked for so far, and by milliseconds after that: a slow machine dies in the same places.
#[test]
fn an_interrupted_pull_leaves_a_whole_store() {
    const KILLS: i64 = 20;
    // four at a time, so that 26 requests take longer than the longest pause however fast the machine is
    let source = Fake::serve(|request, _| {
        std::thread::sleep(Duration::from_millis(20));
        reply(request)
    });
    let folder = folder(&source.url);
    let (mut killed, mut half_way) = (0, 0);
    for i in 0..KILLS {
        let at = END - (KILLS - i) * DAY;
        source.forget();
        let pull = plimsoll(folder.path(), &["pull", "--quiet"], at)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // 0 to 23 requests, 1 to 20 ms: all different, in no order
        let requests = usize::try_from(i * 7 % KILLS * 5 / 4).unwrap();
        let pause = Duration::from_millis(u64::try_from(1 + i * 11 % KILLS).unwrap());
        killed += usize::from(kill(pull, &source, requests, pause));
        let complete = whole(folder.path(), at);
        eprintln!("kill {i}: after {requests} requests and {pause:?}: {complete} series complete");
        half_way += usize::from((1..observed(folder.path(), at).len()).contains(&complete));
        let (code, text) = run(folder.path(), &["plan", "--offline"], at);
        assert!(matches!(code, Some(0 | 3)), "{code:?}: {text}");
    }
    assert!(
        killed >= 10 && half_way >= 3,
        "{killed} were killed, {half_way} half-way: this proves little"
    );

    // the lock of the dead holds nobody up, and their unfinished files are gone
    let (code, text) = run(folder.path(), &["pull"], END);
    assert_eq!(code, Some(0), "{text}");
    let names: Vec<PathBuf> = files(&folder.path().join("history"));
    let known = |path: &&PathBuf| {
        path.extension().is_some_and(|kind| kind == "parquet" || kind == "json")
            || path.ends_with("lock")
    };
    assert_eq!(names.iter().find(|path| !known(path)), None);

    let never = self::folder(&source.url);
    assert_eq!(run(never.path(), &["pull"], END).0, Some(0));
    let expected = observed(never.path(), END);
    // a series that is not there is hoped for, for an hour, in both
    assert_eq!(whole(folder.path(), END), whole(never.path(), END));
    assert_eq!(expected.len(), 28);
    assert!(observed(folder.path(), END) == expected, "the samples are others");
}

/// Services of every kind of workload, by every preset with every label that may hold the status, over every width
/// of window: Prometheus understands whatever may be asked. It has nothing, so that no answer is only by chance one.
#[tokio::test]
async fn every_preset_is_valid_promql() {
    if !available("every_preset_is_valid_promql") {
        return;
    }
    let prometheus = Prometheus::with(&OpenMetrics::default());
    let client = Client::new(&Access::to(&prometheus.url)).unwrap();
    let mut asked: BTreeMap<String, SeriesKey> = BTreeMap::new();
    for preset in &PRESETS {
        let service = every_kind(preset.name);
        let failures = preset.failure_needs(&service).unwrap();
        let labels = failures.iter().map(|(label, _)| Some((*label).to_owned())).chain([None]);
        for (error_label, step, scrape_s) in
            labels.flat_map(|label| WINDOWS.map(|(step, scrape)| (label.clone(), step, scrape)))
        {
            let choice = Choice { preset: preset.name.to_owned(), error_label, scrape_s };
            let list = queries(&service, Period(step), Some(&choice)).unwrap();
            asked.extend(list.into_iter().map(|query| (query.promql, query.key)));
        }
        // and what finds out which preset it is
        let needs = failures.into_iter().map(|(_, needs)| needs);
        for Needs { metric, matchers } in needs.chain([preset.needs(&service).unwrap()]) {
            let query = format!("max by (cluster) (count_over_time({metric}{matchers}[1h]))");
            assert!(client.instant(&query, END).await.unwrap().is_empty(), "{query}");
        }
    }
    let signals: BTreeSet<&str> = asked.values().map(|key| key.signal.name()).collect();
    assert_eq!(
        signals,
        Signal::NAMES.iter().map(|(_, name)| *name).collect(),
        "not all are asked for"
    );
    for (query, key) in &asked {
        let range = Range { from: END - DAY, to: END, step: STEP };
        let answer = client.range(query, range).await;
        let answer = answer.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(!answer.series, "{key}: {query}");
    }
    // the judge can tell: what is no PromQL is refused
    let range = Range { from: END, to: END, step: STEP };
    let error = client.range("sum(rate(x[5m])", range).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Refused { .. }), "{error:?}");
}

/// Steps and distances between scrapes, in seconds: the usual, the finest, a step that is no round number of minutes, and scrapes
/// wider than the step.
const WINDOWS: [(i64, i64); 5] = [(300, 60), (15, 60), (90, 60), (300, 1_800), (3_600, 120)];

/// A service with a component of every kind, and names with what PromQL would have to escape.
fn every_kind(preset: &str) -> Service {
    let text = format!(
        r"
version: 1
services:
  - name: shop
    namespace: shop
    load: {{preset: {preset}, selector: {{cluster: east}}}}
    tiers:
      - {{name: Low, below: 10, api: 2, db: 1, agent: 1, cache: 256Mi}}
      - {{name: High, api: 4, db: 1, agent: 1, cache: 512Mi}}
    components:
      api: {{target: Deployment/shop.api-1, container: web}}
      db: {{target: StatefulSet/shop-db}}
      agent: {{target: Deployment/shop-agent}}
      cache: {{target: StatefulSet/shop-redis, memory: true}}
    volumes: [data-0, data.1]
"
    );
    let mut service = config::parse(&text, "test", Path::new(".")).unwrap().services.remove(0);
    // what the settings do not let through yet must not break a query either
    service.components[2].target.kind = "DaemonSet".to_owned();
    if let LoadSource::Preset { selector, .. } = &mut service.load {
        selector.insert("service".to_owned(), "a\"}|b\\c.*\n".to_owned());
    }
    service
}

/// What was asked for by range: the query, the first step and the last.
fn asked(requests: &[Request]) -> Vec<(String, i64, i64)> {
    let ranges = requests.iter().filter(|request| request.path().ends_with("query_range"));
    let number = |request: &Request, name| request.param(name).unwrap().parse().unwrap();
    ranges
        .map(|one| (one.param("query").unwrap(), number(one, "start"), number(one, "end")))
        .collect()
}

/// The source answers so many requests of a run and is busy from then on, for longer than anyone would wait.
#[test]
fn a_source_that_dies_midway_leaves_what_came() {
    let alive = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&alive);
    let source = Fake::serve(move |request, number| {
        if number < left.load(Ordering::SeqCst) {
            reply(request)
        } else {
            answer("503 Service Unavailable", &["Retry-After: 3600"], "going down")
        }
    });
    let folder = folder(&source.url);
    // the greeting, or one of the two questions that find out what to ask, has no answer: there is nothing to begin with
    for answered in 0..3 {
        source.forget();
        alive.store(answered, Ordering::SeqCst);
        let (code, text) = run(folder.path(), &["pull"], END);
        assert_eq!(code, Some(1), "{answered} answers: {text}");
        assert!(text.contains("answers 503: going down\nhint: "), "{text}");
        assert_eq!(whole(folder.path(), END), 0);
    }

    // ten slices come, of two each
    source.forget();
    alive.store(13, Ordering::SeqCst);
    let (code, text) = run(folder.path(), &["pull"], END);
    assert_eq!(code, Some(3), "{text}");
    let answered = asked(&source.requests()[..13]);
    assert_eq!(answered.len(), 10);
    let complete = whole(folder.path(), END);
    let named = text.matches("` failed: ").count();
    assert!(complete >= 1 && named >= 1, "{complete} came, {named} failed");
    assert!(text.contains(&format!("\n{complete} series up to date")), "{text}");
    // every series is one or the other, and the half that came of some is kept
    let total = queries(&settings(folder.path()).services[0], Period(STEP), None).unwrap().len();
    assert_eq!(complete + named, total, "{text}");
    let (code, text) = run(folder.path(), &["plan", "--offline"], END);
    assert!(matches!(code, Some(0 | 3)), "{text}");

    // the source is back: what came is not asked for again, and the end is that of a run that lost nothing
    source.forget();
    alive.store(usize::MAX, Ordering::SeqCst);
    let (code, text) = run(folder.path(), &["pull"], END);
    assert_eq!(code, Some(0), "{text}");
    let again: Vec<_> = asked(&source.requests());
    assert_eq!(again.len(), 2 * total - 10, "{again:?}");
    assert!(again.iter().all(|range| !answered.contains(range)), "{again:?}");
    let never = self::folder(&source.url);
    assert_eq!(run(never.path(), &["pull"], END).0, Some(0));
    assert!(observed(folder.path(), END) == observed(never.path(), END), "the samples are others");
}
