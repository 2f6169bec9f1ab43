//! Faults in what a series holds, cases 19 to 37: the real binary, or the pipeline, on a history that is not what it
//! seems. What is wrong is named and left out; never a smaller number.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, dead_code, missing_docs)]
#![allow(clippy::cast_precision_loss, clippy::float_cmp)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/liar.rs"]
mod liar;
#[path = "support/real.rs"]
mod real;

use plimsoll::advise::plan::{Action, Setting, Severity};
use plimsoll::history::{Evidence, MarkKind, Samples, SeriesKey, Signal};
use plimsoll::past::floor::floor;
use plimsoll::source::prometheus::{Access, Client, Range, queries};
use plimsoll::units::Period;

use liar::{
    DAY, Desk, Fault, NOW, STEP, Sample, Source, World, advice, assessed, days_ago, find, finding,
    held, load, lowered, never_lower, plan, samples, settings,
};
use real::{OpenMetrics, Prometheus, available};

const THE_LOAD: &[&str] = &["load"];
const HEALTH_AND_LOAD: &[&str] = &["load", "errorRate", "p99"];

#[test]
fn case_19_an_empty_result_is_no_series_and_no_zero() {
    held(&Fault::Series(""), 3, &["NO_SERIES", "no series for `load`; this is not zero"]);
    // a series without a sample is another thing
    held(
        &Fault::Series(r#"{"metric":{},"values":[]}"#),
        3,
        &["NO_SAMPLES", "`load` has no sample in the window"],
    );
}

#[test]
fn case_19_no_series_no_samples_and_zero_stay_three_things_up_to_the_report() {
    let report = |fault: Fault| {
        let desk = Desk::new(&Source::telling(World::Quiet, fault).url);
        desk.run(&["report", "--out", "out"]);
        std::fs::read_to_string(desk.path("out/report.md")).unwrap()
    };
    let zero =
        |samples: Vec<Sample>| samples.into_iter().map(|(at, _)| (at, "0".to_owned())).collect();
    let sentences = [
        (Fault::Loses(THE_LOAD), "For load, no: no series matches. No series is not zero."),
        (
            Fault::Rewrites(THE_LOAD, |_| Vec::new()),
            "For load, no: its series has no sample in the window.",
        ),
        (Fault::Rewrites(THE_LOAD, zero), "For load, yes: 100 % complete and current."),
    ];
    for (fault, sentence) in sentences {
        let text = report(fault);
        assert!(text.contains(sentence), "`{sentence}` is not in\n{text}");
    }
}

#[test]
fn case_20_a_week_of_zeros_is_taken_for_what_it_may_be_and_lowers_nothing() {
    let stopped = |samples: Vec<Sample>| {
        let zero = |(at, value): Sample| {
            (at, if at > (NOW - 8 * DAY) as f64 { "0".to_owned() } else { value })
        };
        samples.into_iter().map(zero).collect()
    };
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, Fault::Rewrites(THE_LOAD, stopped));
        let advised = told.plan().unwrap();
        assert_eq!(lowered(&advised), 0, "{advised:#?}");
        if world == World::Quiet {
            told.says(0, &["`load` was 0 throughout the last 7d: a metric that stopped counting looks the same"]);
        }
        // zero is a sample: it is not reported as missing
        assert!(finding(&advised, "complete").is_none());
    }
    // a latency of zero is a metric that stopped, and no ready pod is an outage: neither is health
    let quiet: [(&[&str], &str); 2] = [
        (&["p99"], "`p99` was 0 throughout the last 7d"),
        (&["api.replicas"], "`api.replicas` is 0: no pod is ready"),
    ];
    for (signal, why) in quiet {
        let told = plan(World::Quiet, Fault::Rewrites(signal, stopped));
        assert_eq!(lowered(&told.plan().unwrap()), 0, "{signal:?}");
        told.says(0, &[why]);
    }
    // the same week without samples is stale, and not zero
    let silent = |samples: Vec<Sample>| {
        samples.into_iter().filter(|(at, _)| *at < (NOW - 8 * DAY) as f64).collect()
    };
    held(&Fault::Rewrites(THE_LOAD, silent), 3, &["STALE", "the newest sample of `load` is 8d"]);
}

#[test]
fn case_21_values_that_are_no_numbers_are_gaps_and_are_counted() {
    let odd = |samples: Vec<Sample>| {
        let words = ["NaN", "+Inf", "-Inf", "null"];
        let spoil = |(i, (at, value)): (usize, Sample)| {
            (at, if i % 5 == 0 { words[i / 5 % 4].to_owned() } else { value })
        };
        samples.into_iter().enumerate().map(spoil).collect()
    };
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, Fault::Rewrites(HEALTH_AND_LOAD, odd));
        told.says(0, &["`load` is 80.0 % complete"]);
        let advised = told.plan().unwrap();
        assert_eq!(lowered(&advised), 0, "a fifth is missing");
        never_lower(world, &advised);
    }
    let source = Source::telling(World::Quiet, Fault::Rewrites(HEALTH_AND_LOAD, odd));
    Desk::new(&source.url)
        .run(&["pull"])
        .says(0, &[" samples were no numbers, or of another time"]);
    let nothing =
        |samples: Vec<Sample>| samples.into_iter().map(|(at, _)| (at, "NaN".to_owned())).collect();
    held(&Fault::Rewrites(THE_LOAD, nothing), 3, &["`load` has no sample in the window"]);
}

#[test]
fn case_22_a_negative_rate_is_no_measurement() {
    let below = |samples: Vec<Sample>| {
        let negate = |(i, (at, value)): (usize, Sample)| {
            (at, if i % 3 == 0 { format!("-{value}") } else { value })
        };
        samples.into_iter().enumerate().map(negate).collect()
    };
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, Fault::Rewrites(HEALTH_AND_LOAD, below));
        told.says(0, &["`load` is 66.6 % complete"]);
        assert_eq!(lowered(&told.plan().unwrap()), 0);
        never_lower(world, &told.plan().unwrap());
    }
}

#[test]
fn case_23_counters_that_begin_again_at_a_roll_out_keep_the_rate() {
    if !available("case_23_counters_that_begin_again_at_a_roll_out_keep_the_rate") {
        return;
    }
    let mut metrics = OpenMetrics::default();
    let (from, reset) = (NOW - 8 * DAY, NOW - 3 * 3600);
    metrics.series(
        r#"http_requests_total{namespace="jarvis",service="jarvis-api",pod="x",code="200"}"#,
        from,
        NOW,
        60,
        |at| 7.0 * (at - if at < reset { from } else { reset }) as f64,
    );
    let prometheus = Prometheus::with(&metrics);
    let desk = Desk::new(&prometheus.url);
    let told = desk.plan();
    let seen = told.plan().unwrap().load.unwrap();
    // a difference without the reset would be a minute at minus ten million, or a peak of thousands
    assert!(
        (seen.observed_peak - 7.0).abs() < 0.05 && (seen.current - 7.0).abs() < 0.05,
        "{seen:?}"
    );
    let store = plimsoll::store::Store::open(desk.path("history")).unwrap();
    let kept = store.scan("jarvis", &SeriesKey::service(Signal::Load), NOW - DAY, NOW).unwrap();
    let Some(Evidence::Series(kept)) = kept else { panic!("{kept:?}") };
    // the minute of the reset itself counts as nothing: 7 * 4 / 5 is the least that a rate over 5 minutes may show
    assert!(kept.value.iter().all(|rate| (5.5..7.1).contains(rate)), "{kept:?}");
}

#[test]
fn case_24_samples_out_of_order_are_put_in_order_and_doubled_ones_refused() {
    let backwards = |samples: Vec<Sample>| samples.into_iter().rev().collect();
    let told = plan(World::Quiet, Fault::Rewrites(&[], backwards));
    told.says(0, &[]);
    assert_eq!(&told.plan().unwrap(), World::Quiet.whole());
    // more than was asked for is no answer to the question
    let doubled =
        |samples: Vec<Sample>| samples.into_iter().flat_map(|one| [one.clone(), one]).collect();
    held(&Fault::Rewrites(&[], doubled), 3, &["it has more samples than were asked for"]);
    // of two values of one time the larger is kept: every other time has a second, smaller one in place of its neighbour
    let replaced = |samples: Vec<Sample>| {
        let twin = |(i, one): (usize, &Sample)| {
            if i % 2 == 1 { (samples[i - 1].0, "0".to_owned()) } else { one.clone() }
        };
        samples.iter().enumerate().map(twin).collect()
    };
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, Fault::Rewrites(THE_LOAD, replaced));
        never_lower(world, &told.plan().unwrap());
        assert_eq!(lowered(&told.plan().unwrap()), 0, "half the steps are missing");
    }
}

/// Without the samples of the load from so many days ago to so many.
fn without(world: World, from: i64, to: i64) -> plimsoll::history::Observed {
    let mut observed = world.observed();
    let all = load(&mut observed);
    let kept = |at: &i64| !(days_ago(from)..days_ago(to)).contains(at);
    let (at, value) = all
        .at
        .iter()
        .zip(&all.value)
        .filter(|(at, _)| kept(at))
        .map(|(at, value)| (*at, *value))
        .unzip();
    *all = Samples { at, value };
    observed
}

#[test]
fn case_25_gaps_of_minutes_days_and_a_weekend_are_gaps_and_not_quiet() {
    for world in [World::Quiet, World::Busy] {
        // a weekend (AT is a Monday), three days a month ago, nearly all of the last week
        for (from, to, reason) in
            [(2, 0, None), (31, 28, None), (7, 1, Some("of `load` is there, 50% is needed"))]
        {
            let assessed = assessed(&settings(), &without(world, from, to));
            never_lower(world, &assessed.plan);
            match reason {
                Some(reason) => assert!(
                    assessed.plan.reasons[0].message.contains(reason),
                    "{:?}",
                    assessed.plan.reasons
                ),
                None => assert!(finding(&assessed.plan, "complete: ").is_some()),
            }
            if from < 20 {
                assert_eq!(lowered(&assessed.plan), 0, "{from} to {to} days ago");
            }
            let Evidence::Series(history) = &assessed.history[&SeriesKey::service(Signal::Load)]
            else {
                panic!()
            };
            let gap = history.marks.iter().find(|mark| mark.kind == MarkKind::Gap).unwrap();
            assert_eq!(gap.to.duration_since(gap.from).as_secs(), (from - to) * DAY);
        }
    }
    // ten minutes are within what a complete week may miss
    let mut observed = World::Quiet.observed();
    let all = load(&mut observed);
    for _ in 0..2 {
        all.at.remove(1000);
        all.value.remove(1000);
    }
    assert_eq!(lowered(&advice(&observed)), lowered(World::Quiet.whole()));
}

#[test]
fn case_25_pods_that_fell_silent_do_not_look_like_less_load() {
    // three of six pods are not scraped for the last week: half of the load is in no sum
    let half = |samples: Vec<Sample>| {
        let halved = |(at, value): Sample| {
            let value: f64 = value.parse().unwrap();
            (at, if at > (NOW - 7 * DAY) as f64 { value / 2.0 } else { value }.to_string())
        };
        samples.into_iter().map(halved).collect()
    };
    let told = plan(World::Quiet, Fault::Rewrites(&["load", "reporting"], half));
    let advised = told.plan().unwrap();
    assert_eq!(lowered(&advised), 0, "{advised:#?}");
    let why =
        "`load` is summed over 3.0 targets in the last 7d, 6.0 go with its ready pods of `api`";
    told.says(0, &[why]);
    assert!(finding(&advised, why).is_some_and(|one| one.remedy.contains("`up`")), "{advised:#?}");
    // pods that an HPA ended report no more and are no longer ready
    let advised = plan(
        World::Quiet,
        Fault::Rewrites(&["load", "reporting", "api.replicas", "worker.replicas"], half),
    );
    assert!(lowered(&advised.plan().unwrap()) > 0);
    // an ingress whose targets are not the service's pods is held against itself
    let two =
        |samples: Vec<Sample>| samples.into_iter().map(|(at, _)| (at, "20".to_owned())).collect();
    let one = |samples: Vec<Sample>| {
        let value = |at| if at > (NOW - 7 * DAY) as f64 { "10" } else { "20" };
        samples.into_iter().map(|(at, _)| (at, value(at).to_owned())).collect()
    };
    let lowers = |fault| lowered(&plan(World::Quiet, fault).plan().unwrap());
    assert!(lowers(Fault::Rewrites(&["reporting"], two)) > 0);
    assert_eq!(lowers(Fault::Rewrites(&["reporting"], one)), 0);
}

#[test]
fn case_25_a_plan_that_lowers_says_where_nobody_counts_who_reports() {
    let counted = World::Quiet.observed();
    let mut uncounted = World::Quiet.observed();
    uncounted.remove(&SeriesKey::service(Signal::Reporting));
    let words = "`reporting` was never asked for";
    let advised = advice(&uncounted);
    assert!(lowered(&advised) > 0, "or this proves nothing");
    let one = finding(&advised, words).unwrap();
    assert_eq!(one.severity, Severity::Warning);
    assert!(one.remedy.contains("`reporting`, the number of targets"), "{one:#?}");
    assert!(finding(&advice(&counted), words).is_none());
    let mut busy = World::Busy.observed();
    busy.remove(&SeriesKey::service(Signal::Reporting));
    assert!(finding(&advice(&busy), words).is_none(), "nothing is lowered there");
}

#[test]
fn case_25_the_loop_takes_no_floor_back_while_pods_are_silent() {
    let settings = settings();
    let api = &settings.services[0].components[0];
    let within = |observed: &plimsoll::history::Observed, hold: i64| {
        floor(&assessed(&settings, observed), api, Period(hold)).unwrap().doubt
    };
    let doubt = |observed: &plimsoll::history::Observed| within(observed, 1_800);
    let mut observed = World::Quiet.observed();
    assert_eq!(doubt(&observed), None, "or this proves nothing");
    // for half an hour, three of six pods are not scraped
    for signal in [Signal::Load, Signal::Reporting] {
        let seen = samples(&mut observed, &SeriesKey::service(signal));
        let at = seen.at.partition_point(|at| *at <= NOW - 1_800);
        seen.value[at..].iter_mut().for_each(|value| *value /= 2.0);
    }
    let why = doubt(&observed).unwrap().message;
    assert!(why.contains("`load` is summed over 3.0 targets in the last 30m"), "{why}");
    // a hold time that is shorter than a step shows no less
    let why = within(&observed, 60).unwrap().message;
    assert!(why.contains("`load` is summed over 3.0 targets in the last 5m"), "{why}");
}

#[test]
fn case_25_the_loop_takes_no_floor_back_on_a_small_part_of_the_usual_load() {
    let settings = settings();
    let api = &settings.services[0].components[0];
    let doubt = |observed: &plimsoll::history::Observed| {
        floor(&assessed(&settings, observed), api, Period(1_800)).unwrap().doubt
    };
    for (part, refused) in [(0.001, true), (0.01, true), (0.3, false)] {
        let mut observed = World::Quiet.observed();
        // nobody counts who reports it
        observed.remove(&SeriesKey::service(Signal::Reporting));
        let load = samples(&mut observed, &SeriesKey::service(Signal::Load));
        let at = load.at.partition_point(|at| *at <= NOW - 3_600);
        load.value[at..].iter_mut().for_each(|value| *value *= part);
        let doubt = doubt(&observed);
        assert_eq!(doubt.is_some(), refused, "{part} {doubt:?}");
        let said =
            doubt.is_none_or(|why| why.message.contains("in the same hours of its quietest"));
        assert!(said, "{part}");
    }
}

#[test]
fn case_25_a_request_is_not_raised_past_a_limit_that_fell_silent() {
    let request = |plan: &plimsoll::advise::plan::ServicePlan| {
        let one = plan
            .recommendations
            .iter()
            .find(|one| one.component == "worker" && one.setting == Setting::MemoryRequest);
        one.unwrap().clone()
    };
    let mut observed = World::Busy.observed();
    let use_of_it = samples(&mut observed, &SeriesKey::of("worker", Signal::Memory));
    use_of_it.value.fill(900.0 * f64::from(1 << 20));
    assert_eq!(request(&advice(&observed)).action, Action::Raise, "or this proves nothing");
    let key = SeriesKey::of("worker", Signal::MemoryLimit);
    let limit = samples(&mut observed, &key);
    let kept = limit.at.iter().filter(|at| **at < NOW - DAY).count();
    limit.at.truncate(kept);
    limit.value.truncate(kept);
    let skipped = request(&advice(&observed));
    assert_eq!((skipped.action, skipped.target), (Action::Skipped, None), "{skipped:#?}");
    assert!(skipped.uncapped_target.is_some());
    assert!(skipped.reasons[0].message.contains("its limit is not known"), "{skipped:#?}");
}

#[test]
fn case_26_samples_of_a_clock_that_is_ahead_are_not_taken_for_those_asked_for() {
    let ahead = |samples: Vec<Sample>| {
        samples.into_iter().map(|(at, value)| (at + (60 * DAY) as f64, value)).collect()
    };
    held(&Fault::Rewrites(&[], ahead), 3, &["`load` has no sample in the window"]);
    let source = Source::telling(World::Quiet, Fault::Rewrites(&[], ahead));
    let desk = Desk::new(&source.url);
    desk.run(&["pull"])
        .says(0, &["0 samples in ", "or of another time than asked for, and are left out"]);
    // and none of them waits in the store for its time to come
    let later = "2025-12-24T01:00:00Z";
    desk.run_at(later, &["plan", "--offline"]).says(3, &["NO_SAMPLES"]);
}

#[test]
fn case_27_several_series_of_ones_own_query_are_refused_with_the_labels_that_differ() {
    let two = r#"{"metric":{"pod":"a"},"values":[[1763946000,"1"]]},{"metric":{"pod":"b"},"values":[[1763946000,"2"]]}"#;
    let source = Source::telling(World::Quiet, Fault::Series(two));
    let desk = Desk::new(&source.url).edit(
        "load: {selector: {service: jarvis-api}}",
        "load: {query: 'sum by (pod) (rate(x[5m]))'}",
    );
    desk.run(&["pull"]).says(3, &[
        "jarvis: `load` failed: the query gives several series; they differ in `pod` (a, b); it was `sum by (pod) (rate(x[5m]))`",
        "hint: aggregate the query to one series, for example with `sum(…)`",
    ]);
    let told = desk.plan();
    told.says(3, &["SOURCE_FAILED"]);
    never_lower(World::Quiet, &told.plan().unwrap());
}

/// What `key` is by a real Prometheus that has these metrics.
async fn asked(prometheus: &Prometheus, key: SeriesKey) -> f64 {
    let service = &settings().services[0];
    let query = queries(service, Period(STEP), None)
        .unwrap()
        .into_iter()
        .find(|query| query.key == key)
        .unwrap();
    let client = Client::new(&Access::to(&prometheus.url)).unwrap();
    let answer =
        client.range(&query.promql, Range { from: NOW, to: NOW, step: STEP }).await.unwrap();
    answer.samples.value[0]
}

#[tokio::test]
async fn case_28_a_pod_its_sandbox_and_a_container_that_began_again_are_counted_once() {
    if !available("case_28_a_pod_its_sandbox_and_a_container_that_began_again_are_counted_once") {
        return;
    }
    let mut metrics = OpenMetrics::default();
    let from = NOW - 3600;
    let pod = r#"namespace="jarvis",pod="jarvis-api-7d9c8b6f5-bcdfg""#;
    for (container, id, cores, bytes) in [
        ("api", "1", 0.5, 1e8),
        ("api", "2", 0.4, 9e7),
        ("", "3", 0.5, 1e8),
        ("POD", "4", 0.1, 1e6),
    ] {
        let labels = format!(r#"{{{pod},container="{container}",id="{id}"}}"#);
        metrics.series(
            &format!("container_cpu_usage_seconds_total{labels}"),
            from,
            NOW,
            60,
            |at| cores * (at - from) as f64,
        );
        metrics.series(
            &format!("container_memory_working_set_bytes{labels}"),
            from,
            NOW,
            60,
            |_| bytes,
        );
    }
    let prometheus = Prometheus::with(&metrics);
    for (signal, expected) in [(Signal::Cpu, 0.5), (Signal::CpuMax, 0.5), (Signal::Memory, 1e8)] {
        let found = asked(&prometheus, SeriesKey::of("api", signal)).await;
        assert!((found - expected).abs() < 1e-6 * expected, "{signal:?}: {found}");
    }
}

#[test]
fn case_29_a_label_of_another_name_is_named_by_check_and_nothing_is_read_from_it() {
    if !available("case_29_a_label_of_another_name_is_named_by_check_and_nothing_is_read_from_it") {
        return;
    }
    let mut metrics = OpenMetrics::default();
    // as before Kubernetes 1.16
    metrics.series(
        r#"container_cpu_usage_seconds_total{namespace="jarvis",pod_name="jarvis-api-7d9c8b6f5-bcdfg",container_name="api"}"#,
        NOW - 7200,
        NOW,
        60,
        |at| (at - NOW + 7200) as f64,
    );
    let prometheus = Prometheus::with(&metrics);
    let desk = Desk::new(&prometheus.url);
    desk.run(&["check"]).says(3, &[
        "the series of `container_cpu_usage_seconds_total` have no label `pod` and no label `container`: another exporter may call it otherwise (`pod_name` for `pod`), write your own `queries`",
    ]);
    let told = desk.plan();
    told.says(3, &["no series for `api.cpuMax`; this is not zero"]);
    assert_eq!(lowered(&told.plan().unwrap()), 0);
}

#[test]
fn case_30_a_metric_of_another_name_is_found_and_the_last_sample_of_the_old_one_said() {
    let before = Source::telling(World::Quiet, Fault::None);
    let desk = Desk::new(&before.url);
    desk.run_at("2025-11-23T01:00:00Z", &["pull"]).says(0, &[]);
    let after = Source::telling(World::Quiet, Fault::Renamed);
    let desk = desk.edit(&before.url, &after.url);
    let words = "`http_requests_total` has had no sample since 2025-11-23T01:00:00Z, but `response_total` (preset `linkerd`) has samples now";
    desk.run(&["pull"])
        .says(3, &[words, "hint: if the metric was renamed, set `load.preset: linkerd`"]);
    let told = desk.plan();
    told.says(3, &[words]);
    never_lower(World::Quiet, &told.plan().unwrap());
    assert_eq!(lowered(&told.plan().unwrap()), 0);
}

#[test]
fn case_30_a_histogram_that_became_a_native_one_is_named_by_check() {
    let lost = Fault::Knows(&[
        ("http_request_duration_seconds_bucket", ""),
        ("(http_request_duration_seconds[", r#"{"metric":{},"value":[1,"1"]}"#),
        ("(http_request_duration_seconds{}[", r#"{"metric":{},"value":[1,"1"]}"#),
    ]);
    let source = Source::telling(World::Quiet, lost);
    Desk::new(&source.url).run(&["check"]).says(3, &[
        "no series of `http_request_duration_seconds_bucket`, but there is the native histogram `http_request_duration_seconds`: write your own `queries.p99`",
    ]);
}

#[test]
fn case_31_a_unit_that_changes_is_noticed_and_the_series_not_read() {
    // KiB for bytes, for two days: nobody needs a thousandth of the memory
    let kibi = |samples: Vec<Sample>| {
        let less = |(at, value): Sample| {
            let bytes: f64 = value.parse().unwrap();
            (at, if at > (NOW - 2 * DAY) as f64 { bytes / 1024.0 } else { bytes }.to_string())
        };
        samples.into_iter().map(less).collect()
    };
    let fault =
        Fault::Rewrites(&["redis.redisUsed", "redis.memory", "api.memory", "worker.memory"], kibi);
    held(
        &fault,
        3,
        &[
            "its values jump by a factor of about 10",
            "as if the unit changed; nothing is read from it",
        ],
    );
    // seconds for milliseconds: a P99 that looks healthy is no reason to lower
    let seconds = |samples: Vec<Sample>| {
        let less = |(at, value): Sample| {
            let found: f64 = value.parse().unwrap();
            (at, if at > (NOW - 2 * DAY) as f64 { found / 1000.0 } else { found }.to_string())
        };
        samples.into_iter().map(less).collect()
    };
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, Fault::Rewrites(&["p99"], seconds));
        told.says(0, &["a factor of about 10"]);
        assert_eq!(lowered(&told.plan().unwrap()), 0);
        never_lower(world, &told.plan().unwrap());
    }
}

#[test]
fn case_32_samples_that_come_less_often_than_before_are_gaps() {
    // every half hour for the last two weeks: a sixth of the steps
    let rare = |samples: Vec<Sample>| {
        let kept = |at: f64| at < (NOW - 14 * DAY) as f64 || at % 1800.0 == 0.0;
        samples.into_iter().filter(|(at, _)| kept(*at)).collect()
    };
    held(
        &Fault::Rewrites(&[], rare),
        3,
        &["of the last 7d of `load` is there, 50% is needed: peaks may be missing"],
    );
}

const TWO_CLUSTERS: &str = r#"{"metric":{"cluster":"east"},"value":[1,"60"]},{"metric":{"cluster":"west"},"value":[1,"60"]}"#;

#[test]
fn case_33_two_clusters_in_one_store_are_not_added_up() {
    let shared =
        Fault::Knows(&[("by (cluster) (count_over_time(http_requests_total{", TWO_CLUSTERS)]);
    held(
        &shared,
        3,
        &["2 clusters have series for it (east, west): their loads would be added up"],
    );
    let source = Source::telling(World::Quiet, shared);
    let desk = Desk::new(&source.url);
    desk.run(&["pull"]).says(3, &["hint: name one in `load.selector`, such as `cluster: east`"]);
    desk.run(&["check"]).says(
        3,
        &["is added up over the clusters east, west; name one in `load.selector`: `cluster: east`"],
    );
}

#[test]
fn case_34_the_same_name_in_two_clusters_is_told_apart_by_the_selector_everywhere() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk =
        Desk::new(&source.url).edit("service: jarvis-api", "service: jarvis-api, cluster: east");
    desk.run(&["pull"]);
    let ranges = source.ranges();
    assert!(ranges.len() > 30);
    for request in ranges {
        let query = request.param("query").unwrap();
        // in every selector of every query
        assert_eq!(
            query.matches(r#"cluster="east""#).count(),
            query.matches("{namespace=").count(),
            "{query}"
        );
    }
}

#[test]
fn case_35_a_mesh_that_reports_at_both_ends_is_one_load() {
    if !available("case_35_a_mesh_that_reports_at_both_ends_is_one_load") {
        return;
    }
    let mut metrics = OpenMetrics::default();
    let from = NOW - 8 * DAY;
    for end in ["source", "destination"] {
        let name = format!(
            r#"istio_requests_total{{reporter="{end}",destination_service_namespace="jarvis",destination_workload="jarvis-api",response_code="200"}}"#
        );
        metrics.series(&name, from, NOW, 60, |at| 7.0 * (at - from) as f64);
    }
    let prometheus = Prometheus::with(&metrics);
    let desk =
        Desk::new(&prometheus.url).edit("service: jarvis-api", "destination_workload: jarvis-api");
    let seen = desk.plan().plan().unwrap().load.unwrap();
    assert!((seen.current - 7.0).abs() < 0.05, "{seen:?}");
}

#[test]
fn case_36_probes_count_as_load_and_ones_own_query_leaves_them_out() {
    for world in [World::Quiet, World::Busy] {
        let mut observed = world.observed();
        load(&mut observed).value.iter_mut().for_each(|value| *value += 1.5);
        never_lower(world, &advice(&observed));
    }
    let source = Source::telling(World::Quiet, Fault::None);
    let own = r#"sum(rate(http_requests_total{handler!="/healthz"}[5m]))"#;
    let desk = Desk::new(&source.url)
        .edit("load: {selector: {service: jarvis-api}}", &format!("load: {{query: '{own}'}}"));
    desk.run(&["pull"]);
    assert!(source.ranges().iter().any(|request| request.param("query").as_deref() == Some(own)));
}

#[test]
fn case_37_retries_in_an_outage_are_marked_and_lower_nothing() {
    for world in [World::Quiet, World::Busy] {
        let mut observed = world.observed();
        // three hours two days ago: everything is asked three times, and most of it fails
        let outage = |at: i64| (days_ago(2)..days_ago(2) + 3 * 3600).contains(&at);
        for (key, worse) in [(Signal::Load, 3.0), (Signal::ErrorRate, 200.0)] {
            let all = samples(&mut observed, &SeriesKey::service(key));
            for (at, value) in all.at.iter().zip(&mut all.value).filter(|(at, _)| outage(**at)) {
                let _ = at;
                *value *= worse;
            }
        }
        let assessed = assessed(&settings(), &observed);
        never_lower(world, &assessed.plan);
        assert_eq!(lowered(&assessed.plan), 0);
        assert!(
            finding(&assessed.plan, "more than 1% of requests failed").is_some()
                || world == World::Busy
        );
        let Evidence::Series(history) = &assessed.history[&SeriesKey::service(Signal::Load)] else {
            panic!()
        };
        let marked = history.marked(MarkKind::Censored, liar::day(2), liar::day(1)).count();
        assert!(marked > 0);
        if world == World::Quiet {
            let kept = find(&assessed.plan, "api", Setting::MinReplicas).unwrap();
            assert!(matches!(kept.action, Action::Keep | Action::Raise), "{kept:?}");
        }
    }
}
