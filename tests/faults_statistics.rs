//! Histories that tempt a statistician, cases 38 to 52: too short, constant, shifted, wild, shaped by holidays, limits or
//! our own hand. The pipeline itself, in memory: it abstains, widens, or says why, and lowers nothing that whole data
//! would not.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, missing_docs)]
#![allow(clippy::cast_precision_loss, clippy::float_cmp)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/liar.rs"]
mod liar;

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::advise::plan::{Action, Amount, Code, ServicePlan, Setting, Severity, Status};
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Observed, Samples, SeriesKey, Signal, Window};
use plimsoll::service::Current;
use plimsoll::service::live::{Keeper, Least};

use liar::{
    AT, DAY, NOW, STEP, World, advice, assessed, days_ago, find, finding, load, lowered,
    never_lower, samples, settings, settings_text, with_live,
};

/// A world whose load, and what follows from it, is another at each moment.
fn with_load(world: World, change: impl Fn(i64, f64) -> f64) -> Observed {
    let mut observed = world.observed();
    let all = load(&mut observed);
    for (at, value) in all.at.iter().zip(&mut all.value) {
        *value = change(*at, *value);
    }
    observed
}

/// Only what was seen in the last so many days.
fn only(world: World, days: i64) -> Observed {
    let mut observed = world.observed();
    for evidence in observed.values_mut() {
        if let Evidence::Series(samples) = evidence {
            *samples = samples.within(days_ago(days), NOW);
        }
    }
    observed
}

fn settings_with(events: &str) -> Settings {
    let text = format!("{}events:\n{events}", settings_text("http://localhost"));
    config::parse(&text, "test", Path::new(".")).unwrap()
}

/// Every number of a plan that is a load is one.
fn finite(plan: &ServicePlan) {
    let load = plan.load.as_ref().unwrap();
    for figure in [load.current, load.observed_peak, load.planning] {
        assert!(figure.is_finite() && figure >= 0.0, "{load:?}");
    }
}

fn planning(plan: &ServicePlan) -> f64 {
    plan.load.as_ref().unwrap().planning
}

fn target(plan: &ServicePlan, component: &str, setting: Setting) -> u64 {
    find(plan, component, setting).unwrap().target.map(Amount::figure).unwrap()
}

#[test]
fn case_38_less_than_a_cycle_is_skipped_with_the_date_of_enough_and_less_than_four_lowers_nothing()
{
    for world in [World::Quiet, World::Busy] {
        let few = advice(&only(world, 4));
        assert_eq!(few.status, Status::Skipped);
        assert_eq!(few.reasons[0].code, Code::TooLittleHistory);
        assert!(few.reasons[0].message.contains("; enough on 2025-11-2"), "{:?}", few.reasons);
        never_lower(world, &few);
        let some = advice(&only(world, 12));
        assert_eq!(lowered(&some), 0);
        never_lower(world, &some);
    }
    let some = advice(&only(World::Quiet, 12));
    let kept = find(&some, "worker", Setting::Replicas).unwrap();
    assert_eq!(kept.action, Action::Keep);
    assert!(
        kept.reasons[0].message.contains("lowering needs 4w of history, 12d is there"),
        "{kept:?}"
    );
    // nor does one sample of long ago make four weeks of twelve days
    for days in [29, 35, 55] {
        let mut observed = only(World::Quiet, 12);
        let whole = World::Quiet.observed();
        for (key, evidence) in &mut observed {
            let (Evidence::Series(samples), Some(Evidence::Series(whole))) =
                (evidence, whole.get(key))
            else {
                continue;
            };
            let old = whole.within(days_ago(days), days_ago(days) + STEP - 1);
            samples.at.splice(0..0, old.at);
            samples.value.splice(0..0, old.value);
        }
        let plan = advice(&observed);
        assert_eq!(lowered(&plan), 0, "{days} days: {plan:#?}");
    }
}

#[test]
fn a_gap_at_the_same_hour_of_every_day_lowers_nothing() {
    // seventy minutes at noon: less than five hundredths of the time, and all of the peak
    let mut observed = World::Quiet.observed();
    for evidence in observed.values_mut() {
        let Evidence::Series(samples) = evidence else { continue };
        let seen = |at: i64| !(12 * 3600..13 * 3600 + 600).contains(&at.rem_euclid(DAY));
        let kept: Vec<bool> = samples.at.iter().map(|at| seen(*at)).collect();
        let mut keep = kept.iter();
        samples.at.retain(|_| *keep.next().unwrap());
        let mut keep = kept.iter();
        samples.value.retain(|_| *keep.next().unwrap());
    }
    assert!(lowered(World::Quiet.whole()) > 0);
    let plan = advice(&observed);
    assert_eq!(lowered(&plan), 0, "{plan:#?}");
    let worker = find(&plan, "worker", Setting::Replicas).unwrap();
    assert!(worker.reasons[0].message.contains("mostly missing at 12:00 UTC"), "{worker:?}");
}

/// The settings that follow use.
fn by_use(plan: &ServicePlan) -> impl Iterator<Item = &plimsoll::advise::plan::Recommendation> {
    let of_use = [Setting::CpuRequest, Setting::MemoryLimit, Setting::MemoryRequest];
    plan.recommendations.iter().filter(move |one| of_use.contains(&one.setting))
}

/// What is lowered holds so many times the use of [`idle`], a fifth of the requests.
fn holds(plan: &ServicePlan, times: f64) {
    let whole = World::Quiet.whole();
    for one in by_use(plan).filter(|one| one.component != "redis" && one.action == Action::Lower) {
        let requested = match one.setting {
            Setting::MemoryLimit => Setting::MemoryRequest,
            other => other,
        };
        let request = find(whole, &one.component, requested).unwrap().current.unwrap().figure();
        let target = one.target.unwrap().figure() as f64;
        assert!(target >= times * 0.2 * request as f64, "{times} times: {one:#?}");
    }
}

/// A world that has had as few pods as it needs: where fewer may do, no size is lowered.
fn with_few_pods(mut observed: Observed) -> Observed {
    let counts = [
        ("api", Setting::MinReplicas, Signal::HpaMin),
        ("api", Setting::MaxReplicas, Signal::HpaMax),
        ("worker", Setting::Replicas, Signal::SpecReplicas),
    ];
    while let Some((component, signal, count)) = {
        let plan = advice(&observed);
        counts.into_iter().find_map(|(component, setting, signal)| {
            let one = find(&plan, component, setting)?;
            let lowered = one.target.filter(|_| one.action == Action::Lower)?;
            Some((component, signal, lowered.figure()))
        })
    } {
        let set = samples(&mut observed, &SeriesKey::of(component, signal));
        set.value.fill(count as f64);
    }
    observed
}

/// A world in which every request could be halved.
fn idle() -> Observed {
    let mut observed = World::Quiet.observed();
    for (signal, share) in [(Signal::CpuMax, 0.2), (Signal::Memory, 0.2)] {
        let requested =
            if signal == Signal::Memory { Signal::MemoryRequest } else { Signal::CpuRequest };
        for component in ["api", "worker"] {
            let Some(Evidence::Series(request)) =
                observed.get(&SeriesKey::of(component, requested)).cloned()
            else {
                continue;
            };
            let request = request.value.iter().copied().fold(0.0, f64::max);
            let used = samples(&mut observed, &SeriesKey::of(component, signal));
            used.value.iter_mut().for_each(|value| *value = share * request);
        }
    }
    with_few_pods(observed)
}

#[test]
fn a_level_of_use_that_is_days_old_is_held_by_what_is_lowered() {
    let whole = advice(&idle());
    assert!(by_use(&whole).any(|one| one.action == Action::Lower), "{whole:#?}");
    for days in 1..=4 {
        let mut observed = idle();
        for component in ["api", "worker"] {
            for signal in [Signal::CpuMax, Signal::Memory] {
                let used = samples(&mut observed, &SeriesKey::of(component, signal));
                for (at, value) in used.at.iter().zip(&mut used.value) {
                    *value *= if *at > days_ago(days) { 3.5 } else { 1.0 };
                }
            }
        }
        holds(&advice(&observed), 3.5);
    }
}

#[test]
fn a_count_without_a_limit_of_memory_goes_down_and_one_whose_memory_would_not_fit_stays() {
    let limit = || SeriesKey::of("worker", Signal::MemoryLimit);
    let worker = |observed: &Observed| {
        let plan = advice(observed);
        let one = find(&plan, "worker", Setting::Replicas).unwrap().clone();
        (one.action, one.reasons[0].message.clone())
    };
    let mut observed = World::Quiet.observed();
    assert_eq!(worker(&observed).0, Action::Lower);
    observed.insert(limit(), Evidence::NoSeries);
    assert_eq!(worker(&observed).0, Action::Lower, "{}", worker(&observed).1);
    // nearly all of the limit, and all of it moves with the load
    let mut full = World::Quiet.observed();
    let most = samples(&mut full, &limit()).value.iter().copied().fold(0.0, f64::max);
    let key = SeriesKey::of("worker", Signal::Memory);
    let grid = samples(&mut full, &limit()).at.clone();
    let at_most = |share: f64, least: f64| {
        let value = grid.iter().map(|at| most * if at % DAY == 0 { share } else { least });
        Evidence::Series(Samples { at: grid.clone(), value: value.collect() })
    };
    full.insert(key.clone(), at_most(0.95, 0.05));
    let (action, said) = worker(&full);
    assert_eq!((action, said.contains("the memory of fewer pods")), (Action::Keep, true), "{said}");
    // what does not move is no reason
    full.insert(key, at_most(0.6, 0.55));
    assert_eq!(worker(&full).0, Action::Lower, "{}", worker(&full).1);
}

#[test]
fn a_cpu_request_is_not_lowered_to_where_the_hpa_would_ask_for_more_pods_than_it_may() {
    let mut observed = idle();
    let request = |observed: &Observed| {
        let one = find(&advice(observed), "api", Setting::CpuRequest).unwrap().clone();
        (one.action, one.target.map(Amount::figure).unwrap(), one.reasons[0].message.clone())
    };
    let (action, low, _) = request(&observed);
    assert_eq!(action, Action::Lower);
    // all pods together use what the most of them have at the target of today's request
    let today = find(&advice(&observed), "api", Setting::CpuRequest).unwrap().current.unwrap();
    let most = target(&advice(&observed), "api", Setting::MaxReplicas);
    let all = samples(&mut observed, &SeriesKey::of("api", Signal::Cpu));
    all.value.fill(0.7 * most as f64 * today.figure() as f64 / 1000.0);
    let (_, held, said) = request(&observed);
    assert!(held > low && said.contains("its HPA would ask for more pods"), "{held} {said}");
    observed.insert(SeriesKey::of("api", Signal::Cpu), Evidence::NoSeries);
    let (action, held, said) = request(&observed);
    assert_eq!((action, held), (Action::Keep, today.figure()), "{said}");
}

#[test]
fn sizes_wait_while_counts_go_down() {
    let mut observed = idle();
    assert!(by_use(&advice(&observed)).any(|one| one.action == Action::Lower));
    for (component, signal) in [("api", Signal::HpaMin), ("worker", Signal::SpecReplicas)] {
        samples(&mut observed, &SeriesKey::of(component, signal)).value.fill(6.0);
    }
    let plan = advice(&observed);
    for (component, count) in [("api", Setting::MinReplicas), ("worker", Setting::Replicas)] {
        assert_eq!(find(&plan, component, count).unwrap().action, Action::Lower, "{plan:#?}");
        for one in by_use(&plan).filter(|one| one.component == component) {
            assert_ne!(one.action, Action::Lower, "{one:#?}");
        }
    }
    let request = find(&plan, "worker", Setting::CpuRequest).unwrap();
    let said = "less would do, but fewer pods may do too, and each has more to do then";
    assert!(request.reasons[0].message.starts_with(said), "{request:#?}");
}

#[test]
fn a_count_goes_no_lower_than_what_the_cluster_keeps_and_sizes_do_not_wait_for_it() {
    let worker = |observed: &Observed, least: Option<Least>| {
        let live = [("worker".to_owned(), Current { least, ..Current::default() })].into();
        let plan = with_live(&settings(), observed, &live).plan;
        let one = find(&plan, "worker", Setting::Replicas).unwrap().clone();
        let sizes = by_use(&plan).filter(|one| one.component == "worker");
        (one, sizes.map(|one| one.action).collect::<Vec<_>>())
    };
    let mut observed = idle();
    samples(&mut observed, &SeriesKey::of("worker", Signal::SpecReplicas)).value.fill(6.0);
    let (one, sizes) = worker(&observed, None);
    assert_eq!(one.action, Action::Lower);
    assert!(!sizes.contains(&Action::Lower));
    let free = one.target.unwrap().figure();
    for kept_by in [Keeper::Zone, Keeper::Budget, Keeper::Claims] {
        let (one, sizes) = worker(&observed, Some(Least { pods: 6, kept_by }));
        let said = (one.action, one.reasons[0].code, one.reasons[0].message.as_str());
        assert!(said.0 == Action::Keep && said.1 == Code::Room, "{one:?}");
        assert!(said.2.ends_with(kept_by.words()), "{one:?}");
        assert!(sizes.contains(&Action::Lower), "{sizes:?}");
        // no reason to have more, nor where it goes no lower by itself
        let (one, sizes) = worker(&observed, Some(Least { pods: 2, kept_by }));
        assert_eq!((one.action, one.target.unwrap().figure()), (Action::Lower, free));
        assert!(!sizes.contains(&Action::Lower));
    }
}

#[test]
fn what_was_changed_since_the_newest_sample_is_not_lowered() {
    let action = |observed: &Observed, current: Current, setting| {
        let live = [("worker".to_owned(), current)].into();
        let one =
            find(&with_live(&settings(), observed, &live).plan, "worker", setting).unwrap().clone();
        (one.action, one.reasons[0].code)
    };
    let mut many = idle();
    samples(&mut many, &SeriesKey::of("worker", Signal::SpecReplicas)).value.fill(6.0);
    let counted = |replicas| {
        let current = Current { replicas: Some(replicas), alone: true, ..Current::default() };
        action(&many, current, Setting::Replicas)
    };
    assert_eq!(counted(6).0, Action::Lower);
    // by a person, a moment ago, up or down
    assert_eq!([8, 5].map(counted), [(Action::Keep, Code::NotLowered); 2]);
    let few = idle();
    let whole = advice(&few);
    let one = by_use(&whole).find(|one| one.component == "worker" && one.action == Action::Lower);
    let one = one.unwrap();
    let (setting, Some(today)) = (one.setting, one.current) else { panic!("{one:?}") };
    let sized = |times: u64| {
        let bytes = Some(plimsoll::units::Bytes(today.figure() * times));
        let cpu = Some(plimsoll::units::Millicores(today.figure() * times));
        let current = match setting {
            Setting::CpuRequest => Current { cpu_request: cpu, ..Current::default() },
            Setting::MemoryRequest => Current { memory_request: bytes, ..Current::default() },
            _ => Current { memory_limit: bytes, ..Current::default() },
        };
        action(&few, current, setting).0
    };
    assert_eq!([sized(1), sized(2)], [Action::Lower, Action::Keep], "{setting:?}");
}

#[test]
fn a_size_is_not_lowered_where_fewer_pods_may_run_than_did_while_its_use_was_seen() {
    let all = [Setting::CpuRequest, Setting::MemoryRequest, Setting::MemoryLimit];
    let lowered = |observed: &Observed, [least, most]: [u32; 2]| {
        let (min_replicas, max_replicas) = (Some(least), Some(most));
        let current = Current { min_replicas, max_replicas, ..Current::default() };
        let plan = with_live(&settings(), observed, &[("api".to_owned(), current)].into()).plan;
        all.map(|setting| find(&plan, "api", setting).unwrap().action == Action::Lower)
    };
    let whole = advice(&idle());
    let today = |setting| find(&whole, "api", setting).unwrap().current.unwrap().figure();
    let bounds = [Setting::MinReplicas, Setting::MaxReplicas].map(today);
    let [least, most] = bounds.map(|bound| u32::try_from(bound).unwrap());
    let usual = lowered(&idle(), [least, most]);
    let with_floor = |is_up: fn(usize, usize) -> bool| {
        let mut observed = idle();
        let bound = samples(&mut observed, &SeriesKey::of("api", Signal::HpaMin));
        let all = bound.value.len();
        let one = |i| f64::from(u8::from(is_up(i, all)));
        (0..).zip(&mut bound.value).for_each(|(i, value)| *value += one(i));
        observed
    };
    assert!(usual.contains(&true), "{usual:?}");
    // a person, or we, lowered the minimum a moment ago: no sample tells of it
    assert!(least > 1);
    assert_eq!(lowered(&idle(), [least - 1, most]), [false; 3]);
    // a floor of the loop that goes up and down each day is no change of it: CPU waits all the same, as before
    let memory = |of: [bool; 3]| [of[1], of[2]];
    let by_day = with_floor(|i, _| i % 288 < 100);
    assert_eq!(memory(lowered(&by_day, [least, most])), memory(usual));
    // who lowered it within the dwell time is waited for, to the hour
    let until: [fn(usize, usize) -> bool; 2] =
        [|i, all| i + 6 * 288 + 270 < all, |i, all| i + 8 * 288 + 20 < all];
    let [lately, before] = until.map(|up| memory(lowered(&with_floor(up), [least, most])));
    assert_eq!((lately, before), ([false; 2], memory(usual)));
    // and one that is up all day is not known to leave as few
    assert_eq!(lowered(&with_floor(|_, _| true), [least, most]), [false; 3]);
}

#[test]
fn case_44_a_launch_ahead_leaves_room_in_the_requests_too() {
    let settings = settings_with(
        "  - {name: launch, from: 2025-11-26T00:00:00Z, to: 2025-11-27T00:00:00Z, multiply: 5}\n",
    );
    let quiet = advice(&idle());
    assert!(by_use(&quiet).any(|one| one.action == Action::Lower), "{quiet:#?}");
    holds(&quiet, 1.0);
    holds(&assessed(&settings, &idle()).plan, 5.0);
}

#[test]
fn case_44_a_launch_within_a_dwell_time_after_the_horizon_holds_the_bounds() {
    let counts = |plan: &ServicePlan| {
        let of = |component, setting| {
            let one = find(plan, component, setting).unwrap();
            (one.action, one.target.map(Amount::figure), one.reasons[0].message.clone())
        };
        [
            of("api", Setting::MinReplicas),
            of("api", Setting::MaxReplicas),
            of("worker", Setting::Replicas),
            of("redis", Setting::Memory),
        ]
    };
    let at = |from: &str, to: &str| {
        let launch = format!("  - {{name: launch, from: {from}, to: {to}, multiply: 60}}\n");
        counts(&assessed(&settings_with(&launch), &World::Quiet.observed()).plan)
    };
    let whole = counts(World::Quiet.whole());
    assert!(whole.iter().all(|(action, ..)| *action == Action::Lower), "{whole:#?}");
    // the horizon ends on 1 December, and a dwell time after it on the 8th
    for (action, _, why) in at("2025-12-04", "2025-12-05") {
        assert_eq!(action, Action::Keep);
        assert!(
            why.starts_with("less would do by the forecast, but launch from Thu 4 Dec may bring "),
            "{why}"
        );
    }
    // where the forecast ends with the horizon the factor says what comes
    let short = |multiply: f64| {
        let launch = "  - {name: launch, from: 2025-12-04, to: 2025-12-05, multiply: ";
        let mut settings = settings_with(&format!("{launch}{multiply}}}\n"));
        settings.policy.outlook = settings.policy.horizon;
        counts(&assessed(&settings, &World::Quiet.observed()).plan)
    };
    assert!(short(60.0).iter().all(|(action, ..)| *action == Action::Keep), "{:#?}", short(60.0));
    assert!(short(1.01).iter().all(|(action, ..)| *action == Action::Lower), "{:#?}", short(1.01));
    // what is later leaves the time to lower and raise again
    assert_eq!(at("2025-12-09", "2025-12-10"), whole);
}

#[test]
fn case_25_half_a_working_day_that_is_missing_lowers_nothing_until_it_is_past() {
    let without = |hours: i64, day: i64| {
        let mut observed = World::Quiet.observed();
        let gap = days_ago(day)..days_ago(day) + hours * 3600;
        for evidence in observed.values_mut() {
            let Evidence::Series(samples) = evidence else { continue };
            let kept = samples.at.iter().zip(&samples.value).filter(|(at, _)| !gap.contains(at));
            let (at, value) = kept.unzip();
            *samples = Samples { at, value };
        }
        advice(&observed)
    };
    // 8 of 168 hours are less than five hundredths, and all of one day's peak
    for day in [2, 6] {
        let plan = without(8, day);
        assert_eq!(lowered(&plan), 0, "{day} days ago: {plan:#?}");
        let kept = find(&plan, "worker", Setting::Replicas).unwrap();
        let why = &kept.reasons[0].message;
        assert!(why.contains("over 4h of `load` are missing in the day up to"), "{why}");
        never_lower(World::Quiet, &plan);
    }
    assert!(lowered(&without(3, 2)) > 0);
    assert!(lowered(&without(8, 8)) > 0);
}

#[test]
fn case_20_a_load_of_nothing_for_days_is_a_doubt_where_it_never_was_so() {
    let silent =
        |from: i64| with_load(World::Quiet, move |at, load| if at < from { load } else { 0.0 });
    for days in [6, 3] {
        let plan = advice(&silent(days_ago(days)));
        assert_eq!(lowered(&plan), 0, "{days} days: {plan:#?}");
        let kept = find(&plan, "worker", Setting::Replicas).unwrap();
        let hours = 24 * days;
        assert!(
            kept.reasons[0]
                .message
                .contains(&format!("`load` was 0 for {hours} h that reach into the last 7d")),
            "{kept:#?}"
        );
    }
    // one that began before the dwell time is as long as it is
    let (from, to) = (days_ago(11), days_ago(1));
    let back = move |at, load| if (from..to).contains(&at) { 0.0 } else { load };
    let plan = advice(&with_load(World::Quiet, back));
    assert_eq!(lowered(&plan), 0, "{plan:#?}");
    // a service that sleeps two days of each week does so now too
    let sleeper =
        |at: i64, load: f64| if at.div_euclid(DAY).rem_euclid(7) < 2 { 0.0 } else { load };
    let plan = advice(&with_load(World::Quiet, sleeper));
    assert!(lowered(&plan) > 0, "{plan:#?}");
}

#[test]
fn memory_that_a_source_rounds_is_advised_as_people_write_it() {
    for world in [World::Quiet, World::Busy] {
        let mut observed = world.observed();
        for (key, evidence) in &mut observed {
            let Evidence::Series(samples) = evidence else { continue };
            if matches!(key.signal, Signal::MemoryLimit | Signal::MemoryRequest) {
                // six digits, as `%g` writes them: 1.07374e+09
                let rounded = |value: f64| format!("{value:.5e}").parse::<f64>().unwrap();
                samples.value.iter_mut().for_each(|value| *value = rounded(*value));
            }
        }
        let plan = advice(&observed);
        let mut told = 0;
        for (one, exact) in plan.recommendations.iter().zip(&world.whole().recommendations) {
            assert_eq!((one.action, one.current), (exact.action, exact.current), "{one:#?}");
            for amount in [one.current, one.target].into_iter().flatten() {
                let text = amount.to_string();
                let bytes = matches!(amount, Amount::Bytes(_));
                assert!(!bytes || text.ends_with("Mi") || text.ends_with("Gi"), "{one:#?}");
                told += usize::from(bytes);
            }
        }
        assert!(told > 8, "{told}");
    }
}

#[test]
fn use_in_another_unit_is_no_use() {
    let mut observed = idle();
    for component in ["api", "worker"] {
        // mebibytes where bytes are meant
        let used = samples(&mut observed, &SeriesKey::of(component, Signal::Memory));
        used.value.iter_mut().for_each(|value| *value = 250.0);
    }
    let plan = advice(&observed);
    for setting in [Setting::MemoryLimit, Setting::MemoryRequest] {
        let one = find(&plan, "api", setting).unwrap();
        assert_eq!(one.action, Action::Skipped, "{one:#?}");
        assert!(one.reasons[0].message.contains("another unit"), "{one:#?}");
    }
}

#[test]
fn case_39_a_constant_load_is_planned_for_as_it_is() {
    let constant = advice(&with_load(World::Quiet, |_, _| 30.0));
    finite(&constant);
    assert_eq!(constant.status, Status::Advised);
    assert!((planning(&constant) - 30.0).abs() < 0.5, "{:?}", constant.load);
    never_lower(World::Quiet, &constant);
}

#[test]
fn case_40_a_new_level_is_planned_for_and_a_lower_one_is_believed_only_after_the_dwell_time() {
    // three times the load for the last nine days: a migration that doubled, and stays
    let up = advice(&with_load(
        World::Quiet,
        |at, load| if at > days_ago(9) { 3.0 * load } else { load },
    ));
    finite(&up);
    let load = up.load.as_ref().unwrap();
    assert!(load.planning >= load.observed_peak, "{load:?}");
    never_lower(World::Quiet, &up);
    // a third for the last three days
    for world in [World::Quiet, World::Busy] {
        let down =
            advice(&with_load(world, |at, load| if at > days_ago(3) { load / 3.0 } else { load }));
        finite(&down);
        never_lower(world, &down);
        let needed = down.load.as_ref().unwrap().observed_peak;
        assert!(needed > 4.0, "the week before still counts");
    }
}

#[test]
fn case_41_one_wild_sample_is_named_and_does_not_carry_the_plan_away() {
    for world in [World::Quiet, World::Busy] {
        // five minutes of a hundred times the load, ten days ago
        let observed =
            with_load(
                world,
                |at, load| if at == days_ago(10) + 3 * 3600 { 100.0 * load } else { load },
            );
        let plan = advice(&observed);
        finite(&plan);
        never_lower(world, &plan);
        let found = plan.findings.iter().find(|one| one.code == Code::Outlier);
        assert!(found.is_some_and(|one| one.message.contains("14 Nov")), "{:#?}", plan.findings);
        // it stands alone: it raises what is planned for, and not to a hundred times the load
        let (wild, whole) = (planning(&plan), planning(world.whole()));
        assert!(wild >= whole && wild < 5.0 * whole, "{wild} after {whole}");
    }
}

#[test]
fn case_42_the_hours_of_a_service_are_those_of_its_clock_also_when_that_changes() {
    // Sunday 26 October 2025, 01:00 UTC: Berlin's clocks went back an hour, and people with them
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let settings = config::parse(
        &settings_text("http://localhost").replace("Asia/Tokyo", "Europe/Berlin"),
        "test",
        Path::new("."),
    )
    .unwrap();
    for (at, morning) in [
        ("2025-10-26T22:00:00Z", "2025-10-27T09:30:00[Europe/Berlin]"),
        // Sunday 30 March 2025: forward
        ("2025-03-30T21:00:00Z", "2025-03-31T09:30:00[Europe/Berlin]"),
        // and a day that most years have not
        ("2028-02-28T22:00:00Z", "2028-02-29T09:30:00[Europe/Berlin]"),
    ] {
        let at: Timestamp = at.parse().unwrap();
        let morning: jiff::Zoned = morning.parse().unwrap();
        let expected = |hours: i64| {
            let (history, when) =
                (office(at, &zone), morning.timestamp() + jiff::SignedDuration::from_hours(hours));
            at_moment(&settings, at, &history, when)
        };
        // closed until nine: 5 rps; then 40
        assert!(expected(0) > 30.0, "{at}: {}", expected(0));
        assert!(expected(-1) < 15.0, "{at}: {}", expected(-1));
    }
}

/// Eight weeks of an office that opens at nine by its own clock and closes at five.
fn office(at: Timestamp, zone: &TimeZone) -> Observed {
    let now = at.as_second();
    let steps: Vec<i64> = (now - 56 * DAY..=now).step_by(usize::try_from(STEP).unwrap()).collect();
    let value = steps.iter().map(|at| {
        let local = Timestamp::from_second(*at).unwrap().to_zoned(zone.clone());
        let wobble = f64::from(local.minute() % 3) * 0.1;
        wobble + if (9..17).contains(&local.hour()) { 40.0 } else { 5.0 }
    });
    let samples = Samples { value: value.collect(), at: steps };
    [(SeriesKey::service(Signal::Load), Evidence::Series(samples))].into()
}

/// The median that is expected at a moment.
fn at_moment(settings: &Settings, at: Timestamp, observed: &Observed, when: Timestamp) -> f64 {
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let (service, live) = (&settings.services[0], std::collections::BTreeMap::new());
    let assessed =
        plimsoll::assess(service, &settings.calendar, &settings.policy, &window, observed, &live);
    let forecast = assessed.forecast.unwrap();
    let hour = (when.as_second() - forecast.start.as_second()).div_euclid(forecast.step.0);
    let median = forecast.levels.iter().position(|level| (level - 0.5).abs() < 1e-9).unwrap();
    forecast.quantiles[usize::try_from(hour).unwrap()][median]
}

#[test]
fn case_43_a_holiday_in_history_is_no_quiet_week() {
    // Thursday and Friday of last week at a fifth
    let closed = |at: i64| (days_ago(4)..days_ago(2)).contains(&(at - 3600));
    for world in [World::Quiet, World::Busy] {
        let observed = with_load(world, |at, load| if closed(at) { load / 5.0 } else { load });
        never_lower(world, &advice(&observed));
        // said as an event it is not learnt from at all
        let said =
            settings_with("  - {name: holiday, from: 2025-11-20, to: 2025-11-23, multiply: 1}\n");
        let assessed = assessed(&said, &observed);
        never_lower(world, &assessed.plan);
        let Evidence::Series(history) = &assessed.history[&SeriesKey::service(Signal::Load)] else {
            panic!()
        };
        assert!(history.marks.iter().any(|mark| mark.why == "holiday"));
    }
}

#[test]
fn case_43_events_that_hide_the_busy_hours_lower_nothing_and_are_named() {
    let observed = World::Quiet.observed();
    let lowers = |plan: &ServicePlan| {
        plan.recommendations.iter().filter(|one| one.action == Action::Lower).count()
    };
    assert!(lowers(&advice(&observed)) > 0, "or this proves nothing");
    let hours = |day: i64| {
        let day = (days_ago(day) - days_ago(0)) / DAY;
        let at = |hour: i64| Timestamp::from_second(NOW + day * DAY + hour * 3600).unwrap();
        format!("  - {{name: office hours, from: {}, to: {}}}\n", at(0), at(10))
    };
    let said: String = (1..28).map(hours).collect();
    let hidden = assessed(&settings_with(&said), &observed).plan;
    assert_eq!(lowers(&hidden), 0, "{hidden:#?}");
    assert!(finding(&hidden, "events hide ").is_some(), "{:#?}", hidden.findings);
}

#[test]
fn a_maximum_stays_above_the_pods_that_ran() {
    let mut observed = World::Quiet.observed();
    let max = |observed: &Observed| {
        let plan = advice(observed);
        let one = plan.recommendations.into_iter();
        one.filter(|one| one.component == "api").find(|one| one.setting == Setting::MaxReplicas)
    };
    assert_eq!(max(&observed).unwrap().action, Action::Lower, "or this proves nothing");
    // one day with eleven of at most twelve
    let key = SeriesKey::of("api", Signal::Replicas);
    for key in [key, SeriesKey::service(Signal::Reporting)] {
        let ran = samples(&mut observed, &key);
        let day = ran.value.len() - 500..ran.value.len() - 212;
        ran.value[day].fill(11.0);
    }
    let kept = max(&observed).unwrap();
    assert_eq!(kept.action, Action::Keep);
    let why = &kept.reasons[0].message;
    assert!(why.contains("up to 11 pods ran in the last 7d"), "{why}");
}

#[test]
fn case_44_an_event_ahead_raises_and_one_that_calms_lowers_nothing_that_was_seen() {
    let next = "from: 2025-11-25, to: 2025-11-28";
    let launch = settings_with(&format!("  - {{name: launch, {next}, multiply: 3}}\n"));
    let quiet = assessed(&launch, &World::Quiet.observed()).plan;
    assert!(planning(&quiet) > 2.0 * planning(World::Quiet.whole()), "{:?}", quiet.load);
    never_lower(World::Quiet, &quiet);
    assert!(finding(&quiet, "launch, from Tue 25 Nov: load × 3").is_some());
    // everybody is away next week: a forecast alone lowers nothing under what was seen last week
    let away = settings_with("  - {name: away, from: 2025-11-24, to: 2025-12-02, multiply: 0.2}\n");
    let observed = with_load(World::Quiet, |_, load| 10.0 * load);
    let seen = advice(&observed);
    let calm = assessed(&away, &observed).plan;
    assert!(planning(&calm) < planning(&seen));
    let peak = calm.load.as_ref().unwrap().observed_peak;
    assert!(peak > 40.0, "{peak}");
    // Medium, 3-5 pods, holds up to 50 rps; the last week reached into it
    assert!(target(&calm, "api", Setting::MinReplicas) >= 3);
    assert!(target(&calm, "worker", Setting::Replicas) >= 3);
}

#[test]
fn case_44_an_event_that_is_to_be_what_it_was_last_time_is_and_without_a_last_time_says_so() {
    // a sale on Thursday the 6th that tripled the load, and the next one ahead
    let sale: (Timestamp, Timestamp) =
        ("2025-11-05T15:00:00Z".parse().unwrap(), "2025-11-06T15:00:00Z".parse().unwrap());
    let during = |at: i64| (sale.0.as_second()..sale.1.as_second()).contains(&at);
    let observed = with_load(World::Quiet, |at, load| if during(at) { 3.0 * load } else { load });
    let last = "  - {name: sale, from: 2025-11-06, to: 2025-11-07}\n";
    let next = "  - {name: sale, from: 2025-11-25, to: 2025-11-26, multiply: last}\n";
    let told = assessed(&settings_with(&format!("{last}{next}")), &observed).plan;
    let said = finding(&told, "sale, from Tue 25 Nov: load × ").unwrap();
    let factor = said.message.split(" × ").nth(1).unwrap().split(',').next().unwrap();
    let factor: f64 = factor.parse().unwrap();
    assert!((2.7..3.3).contains(&factor), "{}", said.message);
    assert!(said.message.ends_with(", as on Thu 6 Nov"), "{}", said.message);
    // as much is planned for as where somebody writes the factor
    let written = next.replace("last", &factor.to_string());
    let by_hand = assessed(&settings_with(&format!("{last}{written}")), &observed).plan;
    assert_eq!(planning(&told), planning(&by_hand));
    let untold = assessed(&settings_with(next), &observed).plan;
    let said = finding(&untold, "nothing tells what the last one did").unwrap();
    assert_eq!(said.severity, Severity::Warning);
}

#[test]
fn case_45_a_trend_ends_neither_below_zero_nor_at_infinity() {
    let days = |at: i64| (NOW - at) as f64 / DAY as f64;
    // a thirtieth less every day for eight weeks, and a tenth more
    for (world, per_day) in [(World::Busy, 0.97f64), (World::Quiet, 1.10)] {
        let observed = with_load(world, |at, load| load * per_day.powf(-days(at)));
        let assessed = assessed(&settings(), &observed);
        finite(&assessed.plan);
        let forecast = assessed.forecast.unwrap();
        let all = forecast.quantiles.iter().flatten();
        assert!(all.clone().all(|load| load.is_finite() && *load >= 0.0), "{per_day}");
        let highest = all.fold(0.0f64, |a, b| a.max(*b));
        let peak = assessed.plan.load.as_ref().unwrap().observed_peak;
        // four weeks of a tenth a day would be fourteenfold; nobody knows that it goes on
        assert!(highest < 30.0 * peak, "{per_day}: {highest} after {peak}");
    }
}

#[test]
fn case_46_nights_of_zero_break_no_product() {
    let night = |at: i64| (at / 3600 + 9) % 24 < 8;
    for world in [World::Quiet, World::Busy] {
        let assessed =
            assessed(&settings(), &with_load(world, |at, load| if night(at) { 0.0 } else { load }));
        finite(&assessed.plan);
        assert_eq!(assessed.plan.status, Status::Advised);
        let forecast = assessed.forecast.unwrap();
        assert!(forecast.quantiles.iter().flatten().all(|load| load.is_finite() && *load >= 0.0));
        never_lower(world, &assessed.plan);
    }
}

#[test]
fn case_47_load_under_a_limit_of_our_own_is_a_lower_bound_of_demand() {
    // the HPA stood at its maximum on two afternoons of the last week
    let mut observed = World::Quiet.observed();
    let all = samples(&mut observed, &SeriesKey::of("api", Signal::Replicas));
    for (at, value) in all.at.iter().zip(&mut all.value) {
        if (days_ago(4)..days_ago(2)).contains(at) {
            *value = 12.0;
        }
    }
    let held = advice(&observed);
    assert_eq!(lowered(&held), 0);
    never_lower(World::Quiet, &held);
    assert!(finding(&held, "api at maxReplicas").is_some(), "{:#?}", held.findings);
    // CPU was throttled
    let mut observed = World::Quiet.observed();
    samples(&mut observed, &SeriesKey::of("api", Signal::Throttled))
        .value
        .iter_mut()
        .rev()
        .take(100)
        .for_each(|share| *share = 0.6);
    let throttled = advice(&observed);
    assert_eq!(lowered(&throttled), 0);
    assert!(finding(&throttled, "api throttled in more than 25% of CFS periods").is_some());
}

#[test]
fn case_48_a_load_test_that_is_said_to_be_one_changes_nothing_and_one_that_is_not_lowers_nothing() {
    let test = |at: i64| (days_ago(10)..days_ago(10) + 6 * 3600).contains(&at);
    for world in [World::Quiet, World::Busy] {
        let observed = with_load(world, |at, load| if test(at) { 4.0 * load + 20.0 } else { load });
        never_lower(world, &advice(&observed));
        let said =
            settings_with("  - {name: load test, from: 2025-11-14, to: 2025-11-15, multiply: 1}\n");
        let masked = assessed(&said, &observed).plan;
        let without = assessed(&said, &world.observed()).plan;
        assert_eq!(planning(&masked), planning(&without));
        never_lower(world, &masked);
    }
}

#[test]
fn case_49_an_interval_over_three_rows_is_said_and_lowers_nothing() {
    // no week is like another: their peaks are at two, at twenty, at two hundred
    let factors = [0.5, 30.0, 1.0, 4.0, 60.0, 0.7, 10.0, 2.0, 1.0, 1.0];
    let wild = |at: i64| factors[usize::try_from((NOW - at) / (7 * DAY)).unwrap()];
    let wide = advice(&with_load(World::Quiet, |at, load| wild(at) * load));
    finite(&wide);
    assert!(finding(&wide, "the peak may lie anywhere from").is_some(), "{:#?}", wide.findings);
    assert_eq!(lowered(&wide), 0, "{wide:#?}");
    never_lower(World::Quiet, &wide);
}

#[test]
fn case_50_a_service_that_sleeps_keeps_a_replica() {
    let mut observed =
        with_load(World::Quiet, |at, load| if at / DAY % 2 == 0 { 0.0 } else { load });
    for component in ["api", "worker"] {
        let all = samples(&mut observed, &SeriesKey::of(component, Signal::Replicas));
        for (at, value) in all.at.iter().zip(&mut all.value) {
            *value = if at / DAY % 2 == 0 { 0.0 } else { *value };
        }
    }
    let asleep = advice(&observed);
    finite(&asleep);
    for one in asleep.recommendations.iter().filter(|one| {
        matches!(one.setting, Setting::Replicas | Setting::MinReplicas | Setting::MaxReplicas)
    }) {
        assert!(
            one.target.map(Amount::figure) >= Some(1) || one.action == Action::Skipped,
            "{one:?}"
        );
    }
}

#[test]
fn case_51_a_weekly_peak_of_minutes_is_planned_for() {
    // ten minutes every Friday morning: 20 of 16,000 steps, past every percentile
    let batch = |at: i64| (at + 9 * 3600).rem_euclid(7 * DAY) / 600 == (DAY + 9 * 3600) / 600;
    let observed = with_load(World::Quiet, |at, load| if batch(at) { 60.0 } else { load });
    let plan = advice(&observed);
    let seen = with_load(World::Quiet, |at, _| if batch(at) { 1.0 } else { 0.0 });
    let mut seen = seen;
    assert!(load(&mut seen).value.iter().sum::<f64>() >= 8.0, "eight weeks have eight");
    assert!(planning(&plan) >= 57.0, "{:?}", plan.load);
    never_lower(World::Quiet, &plan);
}

#[test]
fn case_52_what_our_own_advice_changed_is_no_evidence_of_demand() {
    // the advice was followed ten days ago: half the pods, and half the CPU request of each
    let mut observed = World::Quiet.observed();
    let halve = |observed: &mut Observed, component: &str, signal, days: i64| {
        let all = samples(observed, &SeriesKey::of(component, signal));
        for (at, value) in all.at.iter().zip(&mut all.value) {
            *value = if *at > days_ago(days) { (*value / 2.0).max(1.0) } else { *value };
        }
    };
    halve(&mut observed, "worker", Signal::Replicas, 10);
    halve(&mut observed, "api", Signal::HpaMin, 10);
    let after = advice(&observed);
    assert_eq!(
        after.load,
        World::Quiet.whole().load,
        "demand is what people asked for, not what we ran"
    );
    let figure = |plan: &ServicePlan, component, setting| {
        find(plan, component, setting).unwrap().uncapped_target
    };
    for (component, setting) in [("worker", Setting::Replicas), ("api", Setting::MinReplicas)] {
        assert_eq!(
            figure(&after, component, setting),
            figure(World::Quiet.whole(), component, setting)
        );
    }
    let _ = AT;
    // three days ago: a week that shows two counts is no evidence for a third
    halve(&mut observed, "worker", Signal::SpecReplicas, 3);
    let soon = advice(&observed);
    let worker = find(&soon, "worker", Setting::Replicas).unwrap();
    assert_eq!(worker.action, Action::Keep, "{worker:?}");
    let said = &worker.reasons[0].message;
    assert!(said.contains("worker replicas from 6 to 3 on 2025-11-2"), "{said}");
    assert!(said.contains("lowering waits until 2025-11-2"), "{said}");
}

/// What becomes of a sample, by its time; `None`: it is lost.
type Damage = fn(i64, f64) -> Option<f64>;

#[test]
fn use_that_is_zero_or_young_or_ended_in_a_kill_lowers_no_memory() {
    let lowers =
        |plan: &ServicePlan, setting| find(plan, "api", setting).unwrap().action == Action::Lower;
    let few = with_few_pods(World::Quiet.observed());
    for setting in [Setting::MemoryRequest, Setting::MemoryLimit] {
        assert!(lowers(&advice(&few), setting), "{setting:?}");
    }
    let key = |signal| SeriesKey::of("api", signal);
    let damages: [(&str, Signal, Damage); 4] = [
        ("a week of zeros", Signal::Memory, |at, value| {
            Some(if at > days_ago(8) { 0.0 } else { value })
        }),
        ("ten days of it", Signal::Memory, |at, value| (at > days_ago(10)).then_some(value)),
        ("ten days of kills", Signal::OomKills, |at, value| (at > days_ago(10)).then_some(value)),
        ("a kill", Signal::OomKills, |at, value| {
            Some(if (days_ago(3)..days_ago(3) + 3600).contains(&at) { 1.0 } else { value })
        }),
    ];
    for (what, signal, damage) in damages {
        let mut observed = few.clone();
        let all = samples(&mut observed, &key(signal));
        let kept = all.at.iter().zip(&all.value);
        let kept = kept.filter_map(|(at, value)| Some((*at, damage(*at, *value)?)));
        (all.at, all.value) = kept.collect::<Vec<_>>().into_iter().unzip();
        let plan = advice(&observed);
        for setting in [Setting::MemoryRequest, Setting::MemoryLimit] {
            assert!(!lowers(&plan, setting), "{what}: {:?}", find(&plan, "api", setting));
        }
    }
}
