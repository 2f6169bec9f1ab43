//! A day of the loop in simulated time, on a real API server and a real Prometheus that holds the four weeks before it and
//! the day itself: it is asked for each moment as it comes. Nothing else runs in this process, so its memory is the loop's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "support/cluster.rs"]
#[allow(dead_code)]
mod cluster;
#[path = "support/day.rs"]
mod day;
#[path = "support/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "support/harbour.rs"]
mod harbour;
#[path = "support/real.rs"]
#[allow(dead_code)]
mod real;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use cluster::{Cluster, available};
use day::load;
use jiff::Timestamp;
use plimsoll::cli::{ClusterArgs, LoopArgs};
use plimsoll::commands::Talk;
use plimsoll::commands::run::{Memory, turn};
use real::{OpenMetrics, Prometheus};
use serde_json::{Value, json};

const NAMESPACE: &str = "soak";
const HPA: &str = "hpa/front-scaler";
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const SCRAPE: i64 = 60;
/// From one turn to the next.
const EVERY: i64 = 900;
const HOLD: i64 = 1_800;
/// What stands in the manifest.
const BASE: u64 = 3;
/// A Monday that is over, so that everything of it may be asked for: 2025-11-24T00:00:00Z.
const MIDNIGHT: i64 = 1_763_942_400;
/// The faults of the day, in hours: each while the load is low and the floor is not.
const VANISHED: (i64, i64) = (45_000, 48_600);
const AWAY: (i64, i64) = (48_600, 52_200);
const FROZEN: (i64, i64) = (72_600, 74_400);
/// How much larger the process may be after four times as many turns, in KiB. It is some 2 MiB, in steps where a fault is
/// met for the first time; turns that each kept the load of five weeks, 80 KiB, would be at 6 MiB.
const GROWTH_MAX: u64 = 4 << 10;

fn within(at: i64, (from, to): (i64, i64)) -> bool {
    (MIDNIGHT + from..MIDNIGHT + to).contains(&at)
}

/// Two targets that share the load, as counters and a histogram; the second is not scraped for an hour and begins anew.
#[allow(clippy::cast_precision_loss)]
fn metrics() -> OpenMetrics {
    let mut out = OpenMetrics::default();
    let labels = |instance: &str, more: &str| {
        format!(r#"{{namespace="{NAMESPACE}",service="front",instance="{instance}",{more}}}"#)
    };
    for (instance, vanishes) in [("a:8080", false), ("b:8080", true)] {
        let parts = [
            ("http_requests_total", r#"code="200""#, 0.999),
            ("http_requests_total", r#"code="500""#, 0.001),
            ("http_request_duration_seconds_bucket", r#"le="0.25""#, 0.98),
            ("http_request_duration_seconds_bucket", r#"le="0.5""#, 1.0),
            ("http_request_duration_seconds_bucket", r#"le="+Inf""#, 1.0),
        ];
        for (metric, more, part) in parts {
            let series = format!("{metric}{}", labels(instance, more));
            let mut total = 0.0;
            for at in (MIDNIGHT - 28 * DAY..=MIDNIGHT + DAY).step_by(60) {
                if vanishes && within(at, VANISHED) {
                    total = 0.0;
                    continue;
                }
                total += load(at) / 2.0 * part * SCRAPE as f64;
                out.sample(&series, total, at);
            }
        }
    }
    out
}

fn settings(url: &str) -> String {
    format!(
        "version: 1
history: {{prometheus: {{url: '{url}', timeout: 5s, patience: 1s}}, step: 5m, lookback: 5w, store: history}}
apply: {{takeOver: [kubectl-client-side-apply, kubectl-patch]}}
run: {{every: 15m, hold: 30m}}
services:
  - name: {NAMESPACE}
    namespace: {NAMESPACE}
    load: {{preset: http_requests_total, selector: {{service: front}}}}
    tiers:
      - {{name: Low,    below: 10,  api: 2}}
      - {{name: Medium, below: 50,  api: 3-5}}
      - {{name: High,   below: 200, api: 5-10}}
      - {{name: Peak,               api: 10-20}}
    components:
      api: {{target: Deployment/jarvis-api, startUp: 15m}}
"
    )
}

fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    let said = cluster.kubectl(&[&["-n", NAMESPACE], args].concat());
    assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

/// A cluster with JARVIS at rest.
fn cluster() -> Cluster {
    let cluster = Cluster::start();
    cluster.apply(NAMESPACE, harbour::JARVIS);
    let max = json!({"spec": {"maxReplicas": 12}}).to_string();
    kubectl(&cluster, &["patch", HPA, "--type=merge", "-p", &max]);
    let live = kubectl(&cluster, &["get", "deployment/jarvis-api", "-o", "json"]);
    let live: Value = serde_json::from_str(&live).unwrap();
    let count = &live["spec"]["replicas"];
    let status = json!({"status": {
        "observedGeneration": live["metadata"]["generation"], "replicas": count,
        "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count,
    }});
    let status = status.to_string();
    let patch = ["patch", "deployment/jarvis-api", "--subresource=status", "--type=merge", "-p"];
    kubectl(&cluster, &[&patch[..], &[&status]].concat());
    cluster
}

fn floor(cluster: &Cluster) -> u64 {
    let path = "jsonpath={.spec.minReplicas}";
    kubectl(cluster, &["get", HPA, "-o", path]).parse().unwrap()
}

/// What this process holds in memory, in KiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn args(cluster: &Cluster, folder: &Path) -> LoopArgs {
    LoopArgs {
        on: ClusterArgs {
            file: folder.join("plimsoll.yaml"),
            namespace: None,
            context: Some("admin".to_owned()),
            kubeconfig: Some(cluster.path("admin.kubeconfig")),
            yes: true,
        },
        prometheus_url: None,
        once: false,
        listen: "127.0.0.1:0".parse().unwrap(),
        lease: "plimsoll".to_owned(),
    }
}

/// Moves of the floor: when, from, to.
type Moves = Vec<(i64, u64, u64)>;

/// Up again within the hold time of an earlier raise, with a lowering in between.
fn flaps(moves: &Moves) -> bool {
    let up = |one: &&(i64, u64, u64)| one.2 > one.1;
    moves.iter().enumerate().filter(|(_, one)| !up(one)).any(|(i, _)| {
        let before = moves[..i].iter().rev().find(up);
        let after = moves[i..].iter().find(up);
        before.zip(after).is_some_and(|(before, after)| after.0 - before.0 < HOLD)
    })
}

#[test]
fn a_day_on_a_real_prometheus_does_not_flap_lowers_nothing_on_a_fault_and_keeps_its_memory() {
    let name = "a_day_on_a_real_prometheus";
    if !available(name) || !real::available(name) {
        return;
    }
    let mut prometheus = Prometheus::with(&metrics());
    let cluster = cluster();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plimsoll.yaml"), settings(&prometheus.url)).unwrap();
    let args = args(&cluster, folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut memory = Memory::default();
    let (mut now, mut moves, mut log) = (BASE, Moves::new(), String::new());
    let (mut held, mut sizes) = ([0; 3], Vec::new());
    for at in (MIDNIGHT..MIDNIGHT + DAY).step_by(900) {
        let faults = [AWAY, VANISHED, FROZEN].map(|span| within(at, span));
        let [away, _, frozen] = faults;
        if away && !within(at - EVERY, AWAY) {
            prometheus.stop();
        }
        if !away && within(at - EVERY, AWAY) {
            prometheus.start_again();
        }
        if frozen {
            cluster.freeze_server();
        }
        let mut out = Vec::new();
        let moment = Timestamp::from_second(at).unwrap();
        let quiet = Talk::silent();
        let one = turn(&args, moment, &mut memory, &quiet, &mut out);
        // who cannot renew the lease leaves the turn off
        let patience = Duration::from_secs(if frozen { 2 } else { 120 });
        let turned = runtime.block_on(async { tokio::time::timeout(patience, one).await });
        if frozen {
            cluster.thaw_server();
        }
        let failed = !matches!(turned, Ok(Ok(_)));
        assert_eq!(failed, away || frozen, "{turned:?}\n{log}");
        // what the object holds is looked at after every move and fault, and now and then
        let still = matches!(&turned, Ok(Ok(one)) if one.raised + one.taken_back == 0);
        let look = !still || faults.contains(&true) || at % HOUR == 0;
        let seen = if look { floor(&cluster) } else { now };
        let before = std::mem::replace(&mut now, seen);
        let clock = moment.strftime("%H:%M");
        let said = String::from_utf8(out).unwrap();
        let _ = writeln!(log, "{clock} {:.1} rps {faults:?} {before} -> {now} {said}", load(at));
        assert!((BASE..=12).contains(&now), "out of bounds\n{log}");
        assert!(now >= before || !faults.contains(&true), "lowered on a fault\n{log}");
        if now != before {
            moves.push((at, before, now));
        }
        for (count, fault) in held.iter_mut().zip(faults) {
            *count += u32::from(fault && now > BASE && load(at) < 20.0);
        }
        sizes.push(resident());
    }
    // at 8:10 there are 16 rps, and three pods do: the floor moved while they still did
    let first = moves.first().unwrap();
    assert!((7 * HOUR..8 * HOUR + 900).contains(&(first.0 - MIDNIGHT)), "{moves:?}\n{log}");
    assert!(held.iter().all(|count| *count >= 2), "{held:?}: a fault met no raised floor\n{log}");
    assert_eq!(now, BASE, "{log}");
    // twice up and down, in steps
    assert!((4..=20).contains(&moves.len()) && !flaps(&moves), "{moves:?}\n{log}");
    let [early, late] = [24, 96].map(|turns| sizes[turns - 1]);
    eprintln!("{} moves; {early} KiB after 24 turns, {late} after 96", moves.len());
    assert!(late <= early + GROWTH_MAX, "{early} KiB after 24 turns, {late} after 96");
}
