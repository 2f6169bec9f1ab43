//! What holds for any service, table and history: small random worlds through the whole pipeline, ten thousand a
//! property in CI. Each world is six days or less of hours and looks a day ahead, so that a run of all takes minutes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll::Assessment;
use plimsoll::advise::plan::{
    Action, Amount, Code, Plan, Reason, Recommendation, SCHEMA_VERSION, SeenObject, ServicePlan,
    Setting, Status,
};
use plimsoll::history::{Evidence, Observed, Samples, SeriesKey, Signal, Window};
use plimsoll::render::json::json;
use plimsoll::service::live::{Keeper, Least};
use plimsoll::service::{
    Calendar, Component, Current, LoadSource, Objectives, Policy, Service, Target,
};
use plimsoll::tiers::{Size, Tier, TierTable};
use plimsoll::units::{Bytes, Millicores, Period, Ratio};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const AT: &str = "2026-11-23T01:00:00Z";

/// In CI ten thousand, the same ones each time, so that a change is judged by itself; on a person's machine fewer, and
/// others each time.
fn cases() -> ProptestConfig {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let (cases, rng_seed) =
        if ci { (10_000, RngSeed::Fixed(1876)) } else { (200, RngSeed::Random) };
    ProptestConfig { failure_persistence: None, rng_seed, ..ProptestConfig::with_cases(cases) }
}

/// A service with its history and what is in force.
#[derive(Debug, Clone)]
struct World {
    service: Service,
    observed: Observed,
    live: BTreeMap<String, Current>,
}

fn at() -> Timestamp {
    AT.parse().unwrap()
}

/// Two to four rows with rising boundaries; sizes rise, and touch or leave gaps between rows.
fn table() -> impl Strategy<Value = TierTable> {
    prop::collection::vec((1.2..4.0f64, 0..3u32, 0..5u32, 1..4u64), 2..5).prop_map(|steps| {
        let (mut from, mut replicas, mut mebi) = (0.0, 1, 128);
        let mut next = 5.0;
        let last = steps.len() - 1;
        let row = |(i, (factor, apart, wide, more)): (usize, (f64, u32, u32, u64))| {
            let (min, max) = (replicas + apart, replicas + apart + wide);
            let sizes = vec![
                ("api".to_owned(), Size::Replicas { min, max }),
                ("worker".to_owned(), Size::Replicas { min, max: min }),
                ("redis".to_owned(), Size::Memory(Bytes(mebi << 20))),
            ];
            let row =
                Tier { name: format!("T{i}"), from, below: (i < last).then_some(next), sizes };
            (from, next, replicas, mebi) = (next, next * factor, max, mebi * more);
            row
        };
        TierTable { rows: steps.into_iter().enumerate().map(row).collect() }
    })
}

fn component(name: &str, memory: bool) -> Component {
    Component {
        name: name.to_owned(),
        target: Target { kind: "Deployment".to_owned(), name: format!("shop-{name}") },
        memory,
        helm: Some(name.to_owned()),
        container: None,
        current: Current::default(),
        start_up: Period(120),
    }
}

fn service(tiers: TierTable) -> Service {
    Service {
        name: "shop".to_owned(),
        namespace: "shop".to_owned(),
        load: LoadSource::Query("load".to_owned()),
        queries: BTreeMap::new(),
        objectives: Objectives {
            error_rate: Ratio(0.01),
            p99_s: 2.0,
            severity2_error_rate: Ratio(0.05),
            severity2_p99_s: 5.0,
        },
        tiers,
        components: vec![
            component("api", false),
            component("worker", false),
            component("redis", true),
        ],
        volumes: Vec::new(),
    }
}

/// What a history is made of: hours, level, daily swing, roughness, growth a day, and its seed.
type Shape = (usize, f64, f64, f64, f64, u64);

/// Hours of load with a day's rhythm; the noise is a hash of hour and seed.
fn load((hours, level, swing, rough, growth, seed): Shape) -> Vec<f64> {
    let noise = |hour: usize| {
        let mut mixed = (hour as u64 ^ seed.rotate_left(17)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^= mixed >> 29;
        mixed = mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed >> 40) as f64 / f64::from(1 << 24)
    };
    let value = |hour: usize| {
        let day = (hour as f64 / 24.0 * std::f64::consts::TAU).sin();
        let trend = 1.0 + growth * hour as f64 / 24.0;
        (level * trend * (1.0 + swing * day) * (1.0 + rough * (noise(hour) - 0.5))).max(0.0)
    };
    (0..hours).map(value).collect()
}

fn series(values: Vec<f64>) -> Evidence<Samples> {
    let last = at().as_second();
    let n = i64::try_from(values.len()).unwrap();
    Evidence::Series(Samples {
        at: (0..n).map(|i| last - 3600 * (n - 1 - i)).collect(),
        value: values,
    })
}

fn world() -> impl Strategy<Value = World> {
    let shape =
        (60..150usize, 0.5..120.0f64, 0.0..0.9f64, 0.0..0.8f64, -0.01..0.02f64, any::<u64>());
    let health = (prop_oneof![Just(0.001), Just(0.03)], prop_oneof![Just(0.3), Just(3.0)]);
    let uses = (0.05..2.0f64, 30.0..900.0f64, 30.0..3000.0f64, 0.0..2.0f64);
    let counts = (1..30u32, 0..30u32, any::<bool>(), 1..40u64, 1..40u64, 1..=4u64);
    // what zones keep, and whether a minimum has a past
    let kept = (0..9u32, prop::bool::weighted(0.8));
    let all = (table(), shape, health, uses, counts, kept);
    all.prop_map(|(tiers, shape, health, uses, counts, (kept, told))| {
        let load = load(shape);
        let hours = load.len();
        let flat = |value: f64| series(vec![value; hours]);
        let mebi = f64::from(1 << 20);
        let redis = series(load.iter().map(|l| (uses.2 * 0.3 + l * uses.3) * mebi).collect());
        let most = f64::from(counts.0 + counts.1);
        let hpa_max = if counts.2 { flat(most) } else { Evidence::NoSeries };
        let (count, more, hpa, cpu, memory, quarters) = counts;
        let bytes = |figure: u64| Some(Bytes(figure << 24));
        let (limit, request) = (bytes(memory * 4), bytes(memory * quarters));
        let stated = |bytes: Option<Bytes>| flat(bytes.unwrap().0 as f64);
        let hpa_min = if hpa && told { flat(f64::from(count)) } else { Evidence::NoSeries };
        let observed = Observed::from([
            (SeriesKey::service(Signal::ErrorRate), flat(health.0)),
            (SeriesKey::service(Signal::P99), flat(health.1)),
            (SeriesKey::service(Signal::Reporting), flat(f64::from(counts.0))),
            (SeriesKey::of("api", Signal::Replicas), flat(f64::from(counts.0))),
            (SeriesKey::of("api", Signal::Throttled), flat(0.0)),
            (SeriesKey::of("api", Signal::OomKills), flat(0.0)),
            (SeriesKey::of("api", Signal::HpaMax), hpa_max),
            (SeriesKey::of("api", Signal::HpaMin), hpa_min),
            (SeriesKey::of("api", Signal::SpecReplicas), flat(f64::from(count))),
            (SeriesKey::of("api", Signal::CpuRequest), flat(cpu as f64 * 0.05)),
            (SeriesKey::of("api", Signal::MemoryLimit), stated(limit)),
            (SeriesKey::of("api", Signal::MemoryRequest), stated(request)),
            (SeriesKey::of("redis", Signal::MemoryLimit), stated(limit)),
            (SeriesKey::of("redis", Signal::MemoryRequest), stated(request)),
            (SeriesKey::of("worker", Signal::SpecReplicas), flat(f64::from(counts.1 + 1))),
            (SeriesKey::of("worker", Signal::HpaMax), Evidence::NoSeries),
            (SeriesKey::of("worker", Signal::CpuLimit), Evidence::NoSeries),
            (SeriesKey::of("redis", Signal::RedisEvictions), flat(0.0)),
            (SeriesKey::of("redis", Signal::OomKills), flat(0.0)),
            (SeriesKey::of("api", Signal::CpuMax), flat(uses.0)),
            (SeriesKey::of("api", Signal::Memory), flat(uses.1 * mebi)),
            (SeriesKey::of("redis", Signal::Memory), redis.clone()),
            (SeriesKey::of("redis", Signal::RedisUsed), redis),
            (SeriesKey::of("redis", Signal::RedisMax), flat(uses.2 * mebi)),
            (SeriesKey::service(Signal::Load), series(load)),
        ]);
        let api = Current {
            replicas: Some(count),
            min_replicas: hpa.then_some(count),
            max_replicas: hpa.then_some(count + more),
            cpu_request: Some(Millicores(cpu * 50)),
            memory_limit: limit,
            memory_request: request,
            least: (kept > 1).then_some(Least { pods: kept.min(count), kept_by: Keeper::Zone }),
            ..Current::default()
        };
        let worker = Current { replicas: Some(more + 1), ..Current::default() };
        let redis = Current { memory_limit: limit, memory_request: request, ..Current::default() };
        let live = [("api", api), ("worker", worker), ("redis", redis)];
        let live = live.map(|(name, current)| (name.to_owned(), current)).into();
        World { service: service(tiers), observed, live }
    })
}

fn assessed(world: &World) -> Assessment {
    let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
    let day = Period::DAY;
    let policy = Policy {
        horizon: day,
        outlook: day,
        dwell: Period(2 * day.0),
        min_history: Period(2 * day.0),
        ..Policy::default()
    };
    let window = Window { at: at(), lookback: Period(2 * Period::WEEK.0), step: Period::HOUR };
    let World { service, observed, live } = world;
    plimsoll::assess(service, &calendar, &policy, &window, observed, live)
}

fn advice(world: &World) -> ServicePlan {
    assessed(world).plan
}

/// What is done to one series.
#[derive(Debug, Clone, Copy)]
enum Damage {
    NoSeries,
    NoSamples,
    Failed,
    /// The newest hours are lost: at least two, so that the series is stale.
    Stale(usize),
    /// One sample in so many is lost.
    Partial(usize),
    /// One sample in so many cannot be a measurement.
    Garbage(usize),
    /// Everything but the newest hours is lost: fewer than the 95 % of two days that count as complete.
    Young(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::NoSeries),
        Just(Damage::NoSamples),
        Just(Damage::Failed),
        (2..60usize).prop_map(Damage::Stale),
        (2..15usize).prop_map(Damage::Partial),
        (2..15usize).prop_map(Damage::Garbage),
        (1..45usize).prop_map(Damage::Young),
    ]
}

fn damaged(evidence: &Evidence<Samples>, damage: Damage) -> Evidence<Samples> {
    let Evidence::Series(Samples { at, value }) = evidence else { return evidence.clone() };
    let keep = |keep: &dyn Fn(usize) -> bool| {
        let (at, value) = (0..at.len()).filter(|i| keep(*i)).map(|i| (at[i], value[i])).unzip();
        Evidence::Series(Samples { at, value })
    };
    match damage {
        Damage::NoSeries => Evidence::NoSeries,
        Damage::NoSamples => Evidence::NoSamples,
        Damage::Failed => Evidence::Failed("503 Service Unavailable".to_owned()),
        Damage::Stale(hours) => keep(&|i| i + hours < at.len()),
        Damage::Partial(every) => keep(&|i| i % every != 0),
        Damage::Young(hours) => keep(&|i| i + hours >= at.len()),
        Damage::Garbage(every) => {
            let bad = [f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY];
            let spoilt = value.iter().enumerate();
            let value = spoilt.map(|(i, v)| if i % every == 0 { bad[i / every % 4] } else { *v });
            Evidence::Series(Samples { at: at.clone(), value: value.collect() })
        }
    }
}

fn figure(amount: Option<Amount>) -> Option<u64> {
    amount.map(Amount::figure)
}

/// The same recommendation in another plan.
fn same<'a>(plan: &'a ServicePlan, one: &Recommendation) -> Option<&'a Recommendation> {
    plan.recommendations.iter().find(|r| r.component == one.component && r.setting == one.setting)
}

/// What is in force with every target taken over.
fn applied(plan: &ServicePlan, live: &BTreeMap<String, Current>) -> BTreeMap<String, Current> {
    let mut next = live.clone();
    for one in &plan.recommendations {
        let current = next.get_mut(&one.component).unwrap();
        match (one.setting, one.target) {
            (Setting::MinReplicas, Some(Amount::Count(count))) => {
                current.min_replicas = Some(count);
            }
            (Setting::MaxReplicas, Some(Amount::Count(count))) => {
                current.max_replicas = Some(count);
            }
            (Setting::Replicas, Some(Amount::Count(count))) => current.replicas = Some(count),
            (Setting::CpuRequest, Some(Amount::Cpu(cpu))) => current.cpu_request = Some(cpu),
            (Setting::Memory | Setting::MemoryLimit, Some(Amount::Bytes(bytes))) => {
                current.memory_limit = Some(bytes);
            }
            (Setting::MemoryRequest, Some(Amount::Bytes(bytes))) => {
                current.memory_request = Some(bytes);
            }
            (_, None) => {}
            (setting, target) => panic!("{setting:?} of {target:?}"),
        }
    }
    next
}

/// Whether a setting moved as far as one step may, so that another step may follow.
fn bound_by_a_step(one: &Recommendation) -> bool {
    one.reasons.iter().any(|reason| reason.message.contains("policy.maxStep"))
}

/// Whether a size is kept since fewer pods may do, or a count since the memory of fewer pods would be too little: that one
/// moves when the other has stood for a dwell time, which no second advice on the same history waits for.
fn waits_for_another(one: &Recommendation) -> bool {
    let codes = [Code::CountsFirst, Code::MemoryPerPod];
    one.reasons.iter().any(|reason| codes.contains(&reason.code))
}

proptest! {
    #![proptest_config(cases())]

    /// Load and health are what lowering rests on: damage to any of them forbids it for all settings.
    #[test]
    fn damage_to_load_or_health_lowers_nothing(
        mut world in world(),
        damage in damage(),
        which in prop::sample::select(vec![Signal::Load, Signal::ErrorRate, Signal::P99]),
    ) {
        let key = SeriesKey::service(which);
        let worse = damaged(&world.observed[&key], damage);
        world.observed.insert(key, worse);
        for one in advice(&world).recommendations {
            prop_assert!(one.action != Action::Lower, "{damage:?} of {which:?}: {one:?}");
            prop_assert!(one.target.is_none() || figure(one.target) >= figure(one.current), "{one:?}");
        }
    }

    /// Pods that are not scraped for the whole dwell time lower nothing, however quiet it looks.
    #[test]
    fn pods_that_fall_silent_lower_nothing(mut world in world(), share in 0.01..0.94f64) {
        for signal in [Signal::Load, Signal::Reporting] {
            let Some(Evidence::Series(seen)) = world.observed.get_mut(&SeriesKey::service(signal)) else { unreachable!() };
            let before = seen.value.len() - 48;
            seen.value[before..].iter_mut().for_each(|value| *value *= share);
        }
        for one in advice(&world).recommendations {
            prop_assert!(one.action != Action::Lower, "{share} of the pods: {one:?}");
        }
    }

    /// Damage to any series lowers no setting that whole data would not lower as far.
    #[test]
    fn damage_to_any_series_lowers_nothing_further(mut world in world(), damage in damage(), pick in any::<prop::sample::Index>()) {
        let whole = advice(&world);
        let keys: Vec<SeriesKey> = world.observed.keys().cloned().collect();
        let key = pick.get(&keys).clone();
        let worse = damaged(&world.observed[&key], damage);
        world.observed.insert(key.clone(), worse);
        for one in advice(&world).recommendations {
            if one.action == Action::Lower {
                let before = same(&whole, &one).unwrap();
                prop_assert!(figure(one.target) >= figure(before.target), "{damage:?} of {key}: {one:?} was {before:?}");
            }
        }
    }

    /// The same week with more of everything that load brings never asks for fewer replicas or less memory, but for the size
    /// that was kept for fewer pods.
    #[test]
    fn more_load_never_gives_fewer_replicas_or_less_memory(mut world in world(), factor in 1.0..5.0f64) {
        let less = advice(&world);
        let Some(Evidence::Series(load)) = world.observed.get_mut(&SeriesKey::service(Signal::Load)) else { unreachable!() };
        load.value.iter_mut().for_each(|value| *value *= factor);
        for one in advice(&world).recommendations {
            let before = same(&less, &one).unwrap();
            prop_assert!(one.target.is_none() == before.target.is_none());
            let less = figure(one.target) < figure(before.target);
            prop_assert!(!less || waits_for_another(before), "x {factor}: {one:?} was {before:?}");
        }
    }

    /// Bounds are ordered and hold the target; the range of an HPA is one; no request is above its limit; every
    /// recommendation says why.
    #[test]
    fn bounds_are_ordered_and_hold_the_target(world in world()) {
        let plan = advice(&world);
        for one in &plan.recommendations {
            prop_assert!(!one.reasons.is_empty(), "{one:?}");
            prop_assert_eq!(one.target.is_none(), one.action == Action::Skipped);
            prop_assert!(figure(one.lower_bound) <= figure(one.target), "{one:?}");
            prop_assert!(figure(one.target) <= figure(one.upper_bound), "{one:?}");
            prop_assert!(one.action != Action::Raise || figure(one.target) > figure(one.current), "{one:?}");
            prop_assert!(one.action != Action::Lower || figure(one.target) < figure(one.current), "{one:?}");
            prop_assert!(one.action != Action::Keep || one.target == one.current, "{one:?}");
        }
        let count = |setting| plan.recommendations.iter().find(|one| one.setting == setting).and_then(|one| figure(one.target));
        prop_assert!(count(Setting::MinReplicas) <= count(Setting::MaxReplicas));
        for (name, next) in applied(&plan, &world.live) {
            let (request, limit) = (next.memory_request, next.memory_limit);
            prop_assert!(request <= limit, "{name}: {request:?} of {limit:?} by {plan:?}");
        }
    }

    /// What somebody changed within the dwell time is not lowered, and nothing else is lowered further for it.
    #[test]
    fn what_was_changed_lately_is_not_lowered(mut world in world(), hours in 1..47usize, which in 0..7usize) {
        let (component, signal, setting) = [
            ("api", Signal::HpaMin, Setting::MinReplicas),
            ("api", Signal::HpaMax, Setting::MaxReplicas),
            ("worker", Signal::SpecReplicas, Setting::Replicas),
            ("api", Signal::CpuRequest, Setting::CpuRequest),
            ("api", Signal::MemoryLimit, Setting::MemoryLimit),
            ("api", Signal::MemoryRequest, Setting::MemoryRequest),
            ("redis", Signal::MemoryLimit, Setting::Memory),
        ][which];
        let whole = advice(&world);
        if let Some(Evidence::Series(samples)) = world.observed.get_mut(&SeriesKey::of(component, signal)) {
            let before = samples.value.len() - hours;
            samples.value[..before].iter_mut().for_each(|value| *value *= 1.25);
            for one in advice(&world).recommendations {
                let before = same(&whole, &one).unwrap();
                prop_assert!(one.action != Action::Lower || figure(one.target) >= figure(before.target), "{one:?} was {before:?}");
                let changed = one.component == component && one.setting == setting;
                prop_assert!(!changed || one.action != Action::Lower, "{one:?}");
            }
        }
    }

    /// The same input gives the same bytes.
    #[test]
    fn the_same_input_gives_the_same_bytes(world in world()) {
        let bytes = || json(&plimsoll::plan(at(), "settings", &[assessed(&world)])).unwrap();
        prop_assert_eq!(bytes(), bytes());
    }

    /// Following the advice settles: what neither a step limit nor another setting held back does not move again.
    #[test]
    fn advising_again_after_applying_changes_nothing(mut world in world()) {
        let first = advice(&world);
        world.live = applied(&first, &world.live);
        let second = advice(&world);
        for one in &second.recommendations {
            let before = same(&first, one).unwrap();
            let moves = matches!(one.action, Action::Raise | Action::Lower);
            let held = bound_by_a_step(before) || waits_for_another(before);
            prop_assert!(!moves || held, "{one:?} after {before:?}");
        }
    }

    /// Replicas are within the table unless a reason says otherwise.
    #[test]
    fn replicas_stay_within_the_table_unless_a_reason_says_otherwise(world in world()) {
        let of = |name: &str| {
            let sizes = world.service.tiers.rows.iter().filter_map(|row| row.size(name));
            let ranges: Vec<(u32, u32)> = sizes.filter_map(|size| match size {
                Size::Replicas { min, max } => Some((min, max)),
                Size::Memory(_) => None,
            }).collect();
            (ranges.iter().map(|range| range.0).min(), ranges.iter().map(|range| range.1).max())
        };
        for one in advice(&world).recommendations {
            let Some(Amount::Count(target)) = one.target else { continue };
            let (fewest, most) = of(&one.component);
            let inside = Some(target) >= fewest && Some(target) <= most;
            let says_why = one.action == Action::Keep
                || bound_by_a_step(&one)
                || waits_for_another(&one)
                || one.reasons.iter().any(|reason| matches!(reason.code, Code::BeyondTable | Code::Room | Code::Coupled));
            prop_assert!(inside || says_why, "{fewest:?}-{most:?}: {one:?}");
        }
    }
}

/// The worlds hold what the properties speak of: raises, keeps, lowers and skips.
#[test]
fn the_worlds_are_of_all_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..600 {
        let world = world().new_tree(&mut runner).unwrap().current();
        for one in advice(&world).recommendations {
            *seen.entry(format!("{:?} {:?}", one.setting, one.action)).or_default() += 1;
        }
    }
    for setting in [
        Setting::Replicas,
        Setting::MinReplicas,
        Setting::MaxReplicas,
        Setting::Memory,
        Setting::CpuRequest,
        Setting::MemoryLimit,
        Setting::MemoryRequest,
    ] {
        for action in [Action::Raise, Action::Keep, Action::Lower] {
            let times = seen.get(&format!("{setting:?} {action:?}")).copied().unwrap_or(0);
            assert!(times >= 3, "{setting:?} {action:?}: {times} times in {seen:#?}");
        }
    }
}

/// An amount of a setting out of any number.
fn amount(setting: Setting, figure: u32) -> Amount {
    match setting {
        Setting::CpuRequest => Amount::Cpu(Millicores(u64::from(figure))),
        Setting::Memory | Setting::MemoryLimit | Setting::MemoryRequest | Setting::Storage => {
            Amount::Bytes(Bytes(u64::from(figure)))
        }
        _ => Amount::Count(figure),
    }
}

proptest! {
    #![proptest_config(cases())]

    /// `1` is a core, a byte or a replica: its setting says which, and a plan is read as it was written.
    #[test]
    fn a_plan_reads_back_as_it_was_written(
        which in 0_usize..9,
        figures in proptest::collection::vec(proptest::option::of(0_u32..), 5),
        version in "[0-9]{1,9}",
    ) {
        let settings = [
            Setting::CpuRequest, Setting::MaxReplicas, Setting::Memory, Setting::MemoryLimit, Setting::MemoryRequest,
            Setting::MinReplicas, Setting::Replicas, Setting::Storage, Setting::TargetUtilization,
        ];
        let setting = settings[which];
        let of = |i: usize| figures[i].map(|figure| amount(setting, figure));
        let one = Recommendation {
            component: "api".to_owned(),
            object: "Deployment/api".to_owned(),
            setting,
            current: of(0),
            target: of(1),
            uncapped_target: of(2),
            lower_bound: of(3),
            upper_bound: of(4),
            action: Action::Raise,
            reasons: vec![Reason { code: Code::TierRow, message: "High".to_owned() }],
            lasts_until: None,
        };
        let seen = SeenObject {
            object: "Deployment/api".to_owned(),
            resource_version: version,
            spec: "0353b09d2456".to_owned(),
            uid: "u".to_owned(),
        };
        let service = ServicePlan {
            name: "shop".to_owned(),
            namespace: "shop".to_owned(),
            status: Status::Advised,
            reasons: Vec::new(),
            load: None,
            tier: None,
            crossings: Vec::new(),
            recommendations: vec![one],
            findings: Vec::new(),
            objects: vec![seen],
        };
        let plan = Plan {
            schema_version: SCHEMA_VERSION,
            version: "plimsoll".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            settings: "0353b09d2456".to_owned(),
            services: vec![service],
            skipped: 0,
            changes: 1,
        };
        let text = json(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
