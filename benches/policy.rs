//! The policy goal on real traces, and the speed of a replay: `cargo bench --bench policy`.
//!
//! Every 1- and 5-minute series of `../shared/datasets` (crane, cloudcluster, nab), its last eight weeks, with pods
//! that take 120 s to start and a capacity at which the load's 99.9 % quantile needs 40 of them at 100 %. The first
//! week is learnt from and not scored. The goal: at the pod-hours of an HPA at 70 %, at most a third of its unmet
//! requests and fewer changes of the count; at the pod-hours of a Holt-Winters predictive HPA at 80 %, at most half.
//!
//! Policies are compared at equal pod-hours in two ways. *One setting for all*: every rung of `Policy::LADDER` (the
//! nowcast's own knob: the quantile, then headroom on top) is run on all traces as it stands; cost is pod-hours
//! over those of an oracle that sees two minutes ahead, and cost, unmet share and changes are means over the traces,
//! read off the line between the two rungs beside the other's mean cost. This is the goal: a policy is set once, and
//! may spend on wild traces what it saves on calm ones. *Trace by trace*: the rungs are chosen for each trace so that
//! its own pod-hours are equal; past the last rung nothing better is assumed. A trace on which the other
//! leaves nothing unmet counts as held where ours leaves nothing either. Where the goal is missed the line says so.
//!
//! `cargo bench --bench policy -- NAME` keeps to series whose name holds NAME.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::advise::sizing::Sizing;
use plimsoll::history::History;
use plimsoll::replay::hpa::SYNC_S;
use plimsoll::replay::verdict::at_cost;
use plimsoll::replay::{ANY, Pods, Policy, Scenario, Scores, any_load, course, given, scored_from};
use plimsoll::service::Calendar;
use plimsoll::units::Period;

const FILES: [(&str, i64); 4] = [
    ("crane/1min.csv", 60),
    ("crane/5min.csv", 300),
    ("cloudcluster/5min.csv", 300),
    ("nab/5min.csv", 300),
];
const START_UP: Period = Period(120);
/// Pods that the 99.9 % quantile of the load needs.
const PODS_AT_PEAK: f64 = 40.0;
const HPA: Policy = Policy::Hpa { target: 0.7 };
const HOLT_WINTERS: Policy = Policy::HoltWinters { target: 0.8 };

fn main() {
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let traces: Vec<_> = traces().into_iter().filter(|(name, _)| name.contains(&only)).collect();
    if traces.is_empty() {
        println!("no trace found below ../shared/datasets: the goal was not measured");
    } else {
        goal(&traces);
    }
    speed();
}

/// The series of all files, as `name, step`.
fn traces() -> Vec<(String, History)> {
    let mut found = Vec::new();
    for (file, step) in FILES {
        let Ok(text) = std::fs::read_to_string(Path::new("../shared/datasets").join(file)) else {
            continue;
        };
        let mut series: BTreeMap<&str, Vec<(i64, f64)>> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let mut cells = line.split(',');
            let (name, at) = (cells.next().unwrap(), cells.next().unwrap());
            let value = cells.next().unwrap().parse().unwrap_or(f64::NAN);
            let at: Timestamp = at.parse().unwrap();
            series.entry(name).or_default().push((at.as_second(), value));
        }
        let named = |(name, samples): (&str, Vec<(i64, f64)>)| {
            (format!("{name}, {}", Period(step)), regular(&samples, step))
        };
        found.extend(series.into_iter().map(named));
    }
    found
}

fn regular(samples: &[(i64, f64)], step: i64) -> History {
    let last = samples.last().unwrap().0;
    let first = samples[0].0.max(last - 8 * Period::WEEK.0);
    let mut values = vec![f64::NAN; ((last - first) / step) as usize + 1];
    for (at, value) in samples.iter().filter(|(at, _)| *at >= first) {
        values[((at - first) / step) as usize] = *value;
    }
    let start = Timestamp::from_second(first).unwrap();
    History { start, step: Period(step), values, marks: Vec::new(), newest: start }
}

fn capacity(load: &History) -> f64 {
    let mut seen: Vec<f64> =
        load.values.iter().copied().filter(|value| value.is_finite()).collect();
    seen.sort_by(f64::total_cmp);
    seen[(seen.len() as f64 * 0.999) as usize] / PODS_AT_PEAK
}

fn scores(load: &History, policies: &[Policy]) -> Vec<Scores> {
    let per_pod = capacity(load);
    let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
    let (table, capacity) = (any_load(), given(per_pod));
    let scenario = Scenario {
        load,
        calendar: &calendar,
        pods: Pods::at_ease(per_pod, START_UP, load.values[0]),
        sizing: Sizing { table: &table, component: ANY, capacity: Some(&capacity) },
        scored_from: scored_from(load, Period::WEEK),
    };
    policies.iter().map(|policy| course(&scenario, policy).scores).collect()
}

/// Pod-hours of an oracle: at every sync as many pods as the highest load within the start-up needs.
fn oracle(load: &History) -> f64 {
    let (per_pod, step) = (capacity(load), load.step.0);
    let first = load.span(scored_from(load, Period::WEEK), load.end()).start;
    let needed = |step_at: usize, sync: i64| {
        let last = step_at + ((sync * SYNC_S + START_UP.0) / step) as usize;
        let coming = &load.values[step_at..=last.min(load.values.len() - 1)];
        let highest = coming.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        (highest / per_pod).ceil().max(1.0) * SYNC_S as f64 / 3_600.0
    };
    (first..load.values.len())
        .flat_map(|at| (0..step / SYNC_S).map(move |sync| (at, sync)))
        .map(|(at, sync)| needed(at, sync))
        .sum()
}

/// One policy at one setting over all traces: means of cost and unmet share, and all changes.
fn over_all(scores: impl Iterator<Item = Scores>, oracles: &[f64]) -> Scores {
    let n = oracles.len() as f64;
    let mut mean = Scores { requests: 1.0, ..Scores::default() };
    for (scores, oracle) in scores.zip(oracles) {
        mean.pod_hours += scores.pod_hours / oracle / n;
        mean.unmet += scores.unmet_share() / n;
        mean.events += scores.events;
    }
    mean
}

/// The goal: one setting for all traces.
fn overall(traces: &[(String, History)], policies: &[Policy], all: &[Vec<Scores>]) {
    let oracles: Vec<f64> = traces.iter().map(|(_, load)| oracle(load)).collect();
    let means: Vec<Scores> = (0..policies.len())
        .map(|at| over_all(all.iter().map(|scores| scores[at]), &oracles))
        .collect();
    println!("one setting for all {} traces; cost is pod-hours over an oracle's\n", traces.len());
    println!("{:<28} {:>6} {:>8} {:>8}", "policy", "cost", "unmet", "changes");
    for (policy, mean) in policies.iter().zip(&means) {
        let Scores { pod_hours, unmet, events, .. } = mean;
        println!("{:<28} {pod_hours:>6.3} {} {events:>8}", policy.label(), percent(*unmet));
    }
    println!();
    for (theirs, name, share) in [(0, "HPA 70", 1.0 / 3.0), (1, "Holt-Winters 80", 0.5)] {
        let row = against(&means[theirs], &means[2..], share);
        println!(
            "at the cost of {name}: {:.2} of its unmet requests (goal {share:.2}: {}), {:.2} of its changes",
            row.ours / row.theirs,
            mark(row.held),
            row.events / f64::from(means[theirs].events),
        );
    }
    println!();
}

/// Ours at the pod-hours of another policy.
struct Against {
    theirs: f64,
    ours: f64,
    held: bool,
    fewer: bool,
    events: f64,
}

fn against(theirs: &Scores, front: &[Scores], share: f64) -> Against {
    // where even the cheapest rung costs more, the most that any rung leaves unmet is charged
    let worst = front.iter().map(|scores| scores.unmet).fold(0.0, f64::max);
    let (unmet, events) = at_cost(front, theirs.pod_hours).unwrap_or((worst, f64::INFINITY));
    Against {
        theirs: theirs.unmet_share(),
        ours: unmet / theirs.requests,
        held: unmet <= share * theirs.unmet,
        fewer: events < f64::from(theirs.events),
        events,
    }
}

fn goal(traces: &[(String, History)]) {
    let mut policies = vec![HPA, HOLT_WINTERS];
    policies.extend(Policy::ladder());
    let half = traces.len().div_ceil(2).max(1);
    // two threads: a trace is worked on alone
    let all: Vec<Vec<Scores>> = std::thread::scope(|scope| {
        let run = |part: &[(String, History)]| -> Vec<Vec<Scores>> {
            part.iter().map(|(_, load)| scores(load, &policies)).collect()
        };
        let threads: Vec<_> =
            traces.chunks(half).map(|part| scope.spawn(move || run(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    overall(traces, &policies, &all);
    println!(
        "trace by trace, unmet requests at equal pod-hours; x is ours over theirs; changes of the count at the HPA's pod-hours\n"
    );
    println!(
        "{:<31} {:>8} {:>8} {:>5}     | {:>6} {:>8} {:>8} {:>5}     | {:>6} {:>6}",
        "trace", "HPA 70", "ours", "x", "cost", "HW 80", "ours", "x", "HPA 70", "ours"
    );
    let mut rows = Vec::new();
    for ((name, _), scores) in traces.iter().zip(&all) {
        let (hpa, winters) = (&scores[0], &scores[1]);
        let (a, b) = (against(hpa, &scores[2..], 1.0 / 3.0), against(winters, &scores[2..], 0.5));
        println!(
            "{name:<31} {} {} {} {:<3} | {:>6.2} {} {} {} {:<3} | {:>6} {:>6.0} {}",
            percent(a.theirs),
            percent(a.ours),
            ratio(a.ours, a.theirs),
            mark(a.held),
            winters.pod_hours / hpa.pod_hours,
            percent(b.theirs),
            percent(b.ours),
            ratio(b.ours, b.theirs),
            mark(b.held),
            hpa.events,
            a.events,
            mark(a.fewer),
        );
        rows.push((a, b));
    }
    summary(&rows);
}

fn summary(rows: &[(Against, Against)]) {
    let n = rows.len();
    let mean =
        |of: &dyn Fn(&(Against, Against)) -> f64| rows.iter().map(of).sum::<f64>() / n as f64;
    let (hpa, at_hpa) = (mean(&|row| row.0.theirs), mean(&|row| row.0.ours));
    let (winters, at_winters) = (mean(&|row| row.1.theirs), mean(&|row| row.1.ours));
    println!(
        "{:<31} {} {} {}     | {:>6} {} {} {}",
        "mean",
        percent(hpa),
        percent(at_hpa),
        ratio(at_hpa, hpa),
        "",
        percent(winters),
        percent(at_winters),
        ratio(at_winters, winters),
    );
    let held = |of: &dyn Fn(&(Against, Against)) -> bool| rows.iter().filter(|row| of(row)).count();
    println!(
        "\nheld: a third of HPA 70 on {} of {n} traces, half of Holt-Winters 80 on {} of {n}, fewer changes than HPA 70 on {} of {n}",
        held(&|row| row.0.held),
        held(&|row| row.1.held),
        held(&|row| row.0.fewer),
    );
    println!();
}

fn percent(share: f64) -> String {
    format!("{:>7.3}%", 100.0 * share)
}

fn ratio(ours: f64, theirs: f64) -> String {
    if theirs > 0.0 { format!("{:>5.2}", ours / theirs) } else { format!("{:>5}", "-") }
}

fn mark(held: bool) -> &'static str {
    if held { "yes" } else { "no" }
}

/// Eight weeks at five minutes, every policy alone, on one core; forecasts are made anew every day.
fn speed() {
    let day = |i: usize| std::f64::consts::TAU * (i % 288) as f64 / 288.0;
    let mut noise = 1u64;
    let values = (0..56 * 288).map(|i| {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        100.0 - 50.0 * day(i).cos() + (noise >> 40) as f64 / 1e6
    });
    let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let load = History {
        start,
        step: Period(300),
        values: values.collect(),
        marks: Vec::new(),
        newest: start,
    };
    println!("eight weeks at five minutes, one core");
    for policy in Policy::baselines() {
        let begun = Instant::now();
        let scores = scores(&load, std::slice::from_ref(&policy));
        let took = begun.elapsed().as_secs_f64();
        println!("{:<28} {took:>6.3} s  ({:.0} pod-hours)", policy.label(), scores[0].pod_hours);
    }
}
