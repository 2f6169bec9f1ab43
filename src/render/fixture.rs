//! An assessment for the tests of this folder: the built-in history, a simple fan, and advice by hand.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, clippy::cast_possible_truncation)]

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::advise::plan::{
    Action, Amount, Code, Crossing, Finding, LoadFigures, Plan, Reason, Recommendation, Runway, SCHEMA_VERSION,
    ServicePlan, Setting, Severity, Status, TierFigures,
};
use crate::forecast::{Forecast, MemberWeight, Score};
use crate::history::{self, Evidence, History, Signal, Window};
use crate::service::{
    Calendar, Component, Current, Event, LoadSource, Objectives, Policy, Service, Target,
};
use crate::source::demo;
use crate::tiers::{Size, Tier, TierTable};
use crate::units::{Bytes, Period, Ratio};
use crate::{Assessment, WeekScore, capacity};

pub fn at() -> Timestamp {
    demo::AT.parse().unwrap()
}

fn table() -> TierTable {
    let row = |name: &str, from, below, api: (u32, u32), worker: (u32, u32), redis: u64| Tier {
        name: name.to_owned(),
        from,
        below,
        sizes: vec![
            ("api".to_owned(), Size::Replicas { min: api.0, max: api.1 }),
            ("worker".to_owned(), Size::Replicas { min: worker.0, max: worker.1 }),
            ("redis".to_owned(), Size::Memory(Bytes(redis << 20))),
        ],
    };
    TierTable {
        rows: vec![
            row("Low", 0.0, Some(10.0), (2, 2), (1, 1), 256),
            row("Medium", 10.0, Some(50.0), (3, 5), (2, 3), 512),
            row("High", 50.0, Some(200.0), (5, 10), (3, 5), 1024),
            row("Peak", 200.0, None, (10, 20), (5, 10), 2048),
        ],
    }
}

fn service() -> Service {
    let component = |name: &str, kind: &str, memory| Component {
        name: name.to_owned(),
        target: Target { kind: kind.to_owned(), name: format!("jarvis-{name}") },
        memory,
        helm: Some(name.to_owned()),
        container: None,
        current: Current::default(),
        start_up: Period(600),
    };
    Service {
        name: "jarvis".to_owned(),
        namespace: "jarvis".to_owned(),
        load: LoadSource::Query("sum(rate(http_requests_total[5m]))".to_owned()),
        queries: BTreeMap::new(),
        objectives: Objectives {
            error_rate: Ratio(0.01),
            p99_s: 2.0,
            severity2_error_rate: Ratio(0.05),
            severity2_p99_s: 5.0,
        },
        tiers: table(),
        components: vec![
            component("api", "Deployment", false),
            component("worker", "Deployment", false),
            component("redis", "StatefulSet", true),
        ],
        volumes: vec!["data-jarvis-postgresql-0".to_owned()],
    }
}

fn calendar() -> Calendar {
    let zone = TimeZone::get("Asia/Tokyo").unwrap();
    let event = |name: &str, from: jiff::civil::Date, days: i64, multiply| Event {
        name: name.to_owned(),
        from: from.to_zoned(zone.clone()).unwrap().timestamp(),
        to: from.checked_add(days.days()).unwrap().to_zoned(zone.clone()).unwrap().timestamp(),
        multiply,
    };
    let events = vec![
        event("campaign", date(2026, 11, 4), 2, 1.0),
        event("product launch", date(2026, 12, 1), 3, 1.8),
    ];
    Calendar { zone, events }
}

/// Last week's hourly peaks with growth, spread by a factor per path and some noise per hour.
fn forecast(load: &History, at: Timestamp) -> Forecast {
    let hours = load.peaks(Period::HOUR);
    let week: Vec<f64> = hours.last(Period::WEEK).iter().map(|v| if v.is_finite() { *v } else { 10.0 }).collect();
    let wave = |path: usize, hour: usize| {
        let slow = ((path as f64 * 0.618_034).fract() - 0.5) * 0.30;
        let daily = (((path * 31 + hour / 24 * 17) as f64 * 0.754_877).fract() - 0.5) * 0.22;
        1.02 * (1.0 + slow + daily) * (1.0 + 0.0009 * hour as f64 / 2.0)
    };
    let paths: Vec<Vec<f32>> = (0..600)
        .map(|path| (0..672).map(|hour| (week[hour % week.len()] * wave(path, hour)) as f32).collect())
        .collect();
    let levels = vec![0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975];
    let quantiles: Vec<Vec<f64>> = (0..672)
        .map(|hour| {
            let mut values: Vec<f64> = paths.iter().map(|path| f64::from(path[hour])).collect();
            values.sort_by(f64::total_cmp);
            levels.iter().map(|p| values[(p * 599.0) as usize]).collect()
        })
        .collect();
    Forecast {
        start: at,
        step: Period::HOUR,
        levels,
        mean: quantiles.iter().map(|q| q[4]).collect(),
        quantiles,
        paths,
        members: vec![
            MemberWeight { name: "last-week", means: "last week's shape", weight: 0.62 },
            MemberWeight { name: "daily-profile", means: "the profile of all weeks", weight: 0.38 },
        ],
        score: Score { origins: 5, mase: 0.81, bias: -0.02, inside80: 0.82, inside95: 0.96 },
    }
}

fn reason(code: Code, message: &str) -> Reason {
    Reason { code, message: message.to_owned() }
}

fn recommendation(component: &str, setting: Setting, (current, target): (Amount, Amount), reasons: Vec<Reason>) -> Recommendation {
    let action = if target.figure() > current.figure() { Action::Raise } else { Action::Keep };
    Recommendation {
        component: component.to_owned(),
        object: format!("Deployment/jarvis-{component}"),
        setting,
        current: Some(current),
        target: Some(target),
        uncapped_target: Some(target),
        lower_bound: Some(target),
        upper_bound: Some(target),
        action,
        reasons,
        lasts_until: Some(Runway { p90: Some(date(2026, 11, 27)), p50: Some(date(2026, 12, 1)) }),
    }
}

fn plan() -> ServicePlan {
    let count = |a, b| (Amount::Count(a), Amount::Count(b));
    let bytes = |a: u64, b: u64| (Amount::Bytes(Bytes(a << 20)), Amount::Bytes(Bytes(b << 20)));
    let row = "58.2 rps at 5% risk is High (50-200): 5-10 pods";
    let mut storage = recommendation(
        "data-jarvis-postgresql-0",
        Setting::Storage,
        bytes(51_200, 51_200),
        vec![reason(Code::Runway, "33.6Gi used; 80% is not reached inside 28 days at even odds")],
    );
    storage.lasts_until = Some(Runway { p90: Some(date(2026, 12, 19)), p50: None });
    let skipped = Recommendation {
        current: None,
        target: None,
        uncapped_target: None,
        lower_bound: None,
        upper_bound: None,
        action: Action::Skipped,
        lasts_until: None,
        ..recommendation(
            "worker",
            Setting::CpuRequest,
            count(1, 1),
            vec![reason(Code::NoSeries, "no series for container `worker`; this is not the same as zero")],
        )
    };
    ServicePlan {
        name: "jarvis".to_owned(),
        namespace: "jarvis".to_owned(),
        status: Status::Partial,
        reasons: vec![],
        load: Some(LoadFigures { current: 31.4, observed_peak: 47.9, planning: 58.2, risk: 0.05, horizon: "1w".to_owned() }),
        tier: Some(TierFigures { current: "Medium".to_owned(), planning: "High".to_owned() }),
        crossings: vec![
            Crossing { tier: "High".to_owned(), boundary: 50.0, p50: Some(date(2026, 12, 1)), p90: Some(date(2026, 11, 27)) },
            Crossing { tier: "Peak".to_owned(), boundary: 200.0, p50: None, p90: None },
        ],
        recommendations: vec![
            recommendation("api", Setting::MinReplicas, count(3, 5), vec![reason(Code::TierRow, row)]),
            recommendation(
                "api",
                Setting::MaxReplicas,
                count(5, 10),
                vec![
                    reason(Code::TierRow, "the High row ends at 10 pods"),
                    reason(Code::Capacity, "the peak needs 6 pods at 11.4 rps a pod; 5 sustain 57.0"),
                ],
            ),
            storage,
            recommendation(
                "redis",
                Setting::Memory,
                bytes(512, 1024),
                vec![
                    reason(Code::TierRow, "High is 1Gi"),
                    reason(Code::RedisMaxmemory, "381Mi of 384Mi would be used at the planning load"),
                ],
            ),
            skipped,
            recommendation("worker", Setting::Replicas, count(3, 4), vec![reason(Code::TierRow, "High is 3-5 pods; 5% into the row is 3.11, rounded up")]),
        ],
        findings: vec![
            Finding {
                severity: Severity::Warning,
                code: Code::TableRowTooSmall,
                message: "the High row promises 200 rps with 10 api pods, which sustain 114".to_owned(),
                remedy: "split the row or raise its pods to 18".to_owned(),
            },
            Finding {
                severity: Severity::Warning,
                code: Code::Event,
                message: "product launch, 1 to 3 Dec, times 1.8, is past the horizon".to_owned(),
                remedy: "plan it with `--horizon 2w`".to_owned(),
            },
            Finding {
                severity: Severity::Info,
                code: Code::Coupled,
                message: "redis keeps `maxmemory` in its own configuration".to_owned(),
                remedy: "raise it to 768mb in the same merge, or the new memory stays unused".to_owned(),
            },
        ],
    }
}

pub fn assessment() -> Assessment {
    let (at, service, calendar) = (at(), service(), calendar());
    let window = Window { at, lookback: Period(8 * 604_800), step: Period(300) };
    let mut histories = history::clean(&demo::observed(at, demo::SEED), &service, &calendar, &window);
    histories.insert(
        crate::history::SeriesKey::of("redis", Signal::RedisEvictions),
        Evidence::Failed("422: query needs too many samples".to_owned()),
    );
    let load = match &histories[&crate::history::SeriesKey::service(Signal::Load)] {
        Evidence::Series(load) => load.clone(),
        _ => panic!("the demo has a load"),
    };
    let capacity = capacity::measure(&service, &histories);
    let rows = capacity
        .iter()
        .map(|(name, capacity)| (name.clone(), capacity::verdicts(&service.tiers, name, capacity)))
        .collect();
    let week = |ago: i64, planned, seen, notes: &[&str]| WeekScore {
        from: Timestamp::from_second(at.as_second() - ago * 604_800).unwrap(),
        planned,
        seen,
        inside80: 0.83,
        inside95: 0.961,
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
    };
    Assessment {
        forecast: Ok(forecast(&load, at)),
        scorecard: vec![
            week(5, 38.9, 30.5, &[]),
            week(4, 40.8, 32.9, &[]),
            week(3, 44.2, 50.8, &["campaign"]),
            week(2, 49.2, 38.2, &[]),
            week(1, 49.9, 47.9, &[]),
        ],
        service,
        calendar,
        policy: Policy::default(),
        at,
        history: histories,
        capacity,
        rows,
        plan: plan(),
    }
}

/// A service of which nothing is known.
pub fn empty() -> Assessment {
    let full = assessment();
    let histories = full.history.keys().map(|key| (key.clone(), Evidence::NoSeries)).collect();
    Assessment {
        history: histories,
        forecast: Err("0 days of history seen, 14 days needed".to_owned()),
        capacity: BTreeMap::new(),
        rows: BTreeMap::new(),
        scorecard: vec![],
        plan: ServicePlan {
            status: Status::Skipped,
            reasons: vec![reason(Code::NoSeries, "no series matches the load; this is not the same as zero")],
            load: None,
            tier: None,
            crossings: vec![],
            recommendations: vec![],
            findings: vec![],
            ..full.plan.clone()
        },
        ..full
    }
}

pub fn whole_plan(services: &[&Assessment]) -> Plan {
    Plan {
        schema_version: SCHEMA_VERSION,
        version: "plimsoll 0.1.0".to_owned(),
        at: at(),
        settings: "0353b09d2456".to_owned(),
        services: services.iter().map(|a| a.plan.clone()).collect(),
        skipped: 1,
        changes: 4,
    }
}
