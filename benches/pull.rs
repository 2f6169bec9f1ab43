//! `pull` of the whole demo from a real Prometheus, against what curl needs for the same answers, one after
//! another as curl is used. The pull runs in a process of its own, so that its peak memory is its own.
#![allow(
    clippy::float_cmp,
    clippy::needless_pass_by_value,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    missing_docs
)]

#[path = "../tests/support/fake.rs"]
mod fake;
#[path = "../tests/support/jarvis.rs"]
mod jarvis;
#[path = "../tests/support/real.rs"]
mod real;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use plimsoll::commands::{Talk, pull};
use plimsoll::config::{self, Settings};
use plimsoll::source::demo;

/// Set for the child: the address to pull from.
const CHILD: &str = "PLIMSOLL_BENCH_PULL_FROM";
const ROUNDS: usize = 5;

fn main() {
    if let Ok(url) = std::env::var(CHILD) {
        child(&url);
        return;
    }
    if !real::available("bench pull") {
        return;
    }
    let prometheus = real::Prometheus::with(&jarvis::metrics(&demo::observed(at(), demo::SEED)));
    let recorder = fake::Fake::recording(&prometheus.url);
    pull_in_child(&recorder.url);
    let targets: Vec<String> =
        recorder.requests().iter().map(|request| request.target.clone()).collect();
    // caches of Prometheus and of the disk are warm for both; rounds alternate
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| (curl(&prometheus.url, &targets), pull_in_child(&prometheus.url)))
        .collect();
    let curl = rounds.iter().map(|(curl, _)| *curl).min().unwrap();
    let ours = rounds.iter().map(|(_, ours)| ours.0).min().unwrap();
    let peak = rounds.iter().map(|(_, ours)| ours.1).max().unwrap();
    println!("pull: {} requests: ours {ours:?}, curl {curl:?}, our peak {peak} kB", targets.len());
    println!(
        "ratio pull ours/curl {:.2} (at most 1.3), peak {:.0} MB (below 100)",
        ours.as_secs_f64() / curl.as_secs_f64(),
        peak as f64 / 1024.0
    );
}

fn at() -> Timestamp {
    demo::AT.parse::<Timestamp>().unwrap().min(Timestamp::now())
}

fn settings(url: &str, store: &Path) -> Settings {
    let mut settings =
        config::parse(include_str!("../data/plimsoll.yaml"), "plimsoll.yaml", Path::new("."))
            .unwrap();
    let prometheus = settings.history.prometheus.as_mut().unwrap();
    prometheus.url = url.to_owned();
    prometheus.bearer_token_file = None;
    prometheus.headers.clear();
    settings.history.store = store.to_owned();
    settings
}

/// Pulls, and prints the time in microseconds and the peak in kB.
fn child(url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(url, folder.path());
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let summary =
        runtime.block_on(pull::bring_up_to_date(&settings, at(), Talk::silent())).unwrap();
    assert!(summary.failures.is_empty(), "{:?}", summary.failures);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{} {}", started.elapsed().as_micros(), peak.split_whitespace().next().unwrap());
}

fn pull_in_child(url: &str) -> (Duration, u64) {
    let output = Command::new(std::env::current_exe().unwrap()).env(CHILD, url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    (Duration::from_micros(numbers.next().unwrap()), numbers.next().unwrap())
}

/// All requests by one curl over one connection.
fn curl(url: &str, targets: &[String]) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("requests");
    let lines =
        targets.iter().map(|target| format!("url = \"{url}{target}\"\noutput = /dev/null\n"));
    std::fs::write(&config, lines.collect::<String>()).unwrap();
    let started = Instant::now();
    let status =
        Command::new("curl").args(["-s", "--compressed", "-K"]).arg(&config).status().unwrap();
    assert!(status.success());
    started.elapsed()
}
