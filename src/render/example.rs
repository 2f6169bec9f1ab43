//! A plan for the tests of this folder, made by hand: JARVIS on the Monday before its launch.

#![expect(clippy::unnecessary_wraps, reason = "amounts of a recommendation may be absent")]

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::advise::plan::{
    Action, Amount, Code, Crossing, Finding, LoadFigures, Plan, Reason, Recommendation, Runway,
    SCHEMA_VERSION, ServicePlan, Setting, Severity, Status, TierFigures,
};
use crate::service::live::{Hpa, Scaler, Targets, Workload};
use crate::service::{Component, Current, LoadSource, Objectives, Service, Target};
use crate::tiers::TierTable;
use crate::units::{Bytes, Period, Ratio};

pub fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap_or(TimeZone::UTC)
}

pub fn because(code: Code, message: &str) -> Reason {
    Reason { code, message: message.to_owned() }
}

pub fn count(value: u32) -> Option<Amount> {
    Some(Amount::Count(value))
}

pub fn mebibytes(value: u64) -> Option<Amount> {
    Some(Amount::Bytes(Bytes(value << 20)))
}

/// A recommendation; its action follows from the two amounts.
pub fn setting(
    (component, object): (&str, &str),
    setting: Setting,
    current: Option<Amount>,
    target: Option<Amount>,
    reasons: Vec<Reason>,
) -> Recommendation {
    let action = match (current, target) {
        (_, None) => Action::Skipped,
        (None, Some(_)) => Action::Raise,
        (Some(now), Some(then)) if now.figure() < then.figure() => Action::Raise,
        (Some(now), Some(then)) if now.figure() > then.figure() => Action::Lower,
        _ => Action::Keep,
    };
    Recommendation {
        component: component.to_owned(),
        object: object.to_owned(),
        setting,
        current,
        target,
        uncapped_target: target,
        lower_bound: target,
        upper_bound: target,
        action,
        reasons,
        lasts_until: None,
    }
}

pub const API: (&str, &str) = ("api", "Deployment/jarvis-api");
pub const WORKER: (&str, &str) = ("worker", "Deployment/jarvis-worker");
pub const REDIS: (&str, &str) = ("redis", "StatefulSet/jarvis-redis-master");
const POSTGRESQL: (&str, &str) =
    ("data-jarvis-postgresql-0", "PersistentVolumeClaim/data-jarvis-postgresql-0");

pub fn recommendations() -> Vec<Recommendation> {
    let row = |message: &str| because(Code::TierRow, message);
    let mut min = setting(
        API,
        Setting::MinReplicas,
        count(3),
        count(5),
        vec![row("High (50-200): 5-10 pods")],
    );
    min.lasts_until = Some(Runway { p50: Some(date(2026, 12, 1)), p90: Some(date(2026, 11, 27)) });
    let needed = because(Code::Capacity, "6 needed at 11.4 rps a pod");
    let full = because(Code::RedisMaxmemory, "381Mi of 384Mi at 58.2 rps");
    let unseen = because(Code::NoSeries, "no series for `worker.cpu`; this is not zero");
    vec![
        min,
        setting(
            API,
            Setting::MaxReplicas,
            count(5),
            count(10),
            vec![row("High ends at 10 pods"), needed],
        ),
        setting(
            WORKER,
            Setting::Replicas,
            count(3),
            count(4),
            vec![row("High: 3-5, 3.11 rounded up")],
        ),
        setting(
            REDIS,
            Setting::Memory,
            mebibytes(512),
            mebibytes(1024),
            vec![row("High: 1Gi"), full],
        ),
        setting(
            POSTGRESQL,
            Setting::Storage,
            mebibytes(50 << 10),
            mebibytes(50 << 10),
            vec![because(Code::Runway, "80 % after 21 Dec")],
        ),
        setting(WORKER, Setting::CpuRequest, None, None, vec![unseen]),
    ]
}

pub fn service_plan(recommendations: Vec<Recommendation>) -> ServicePlan {
    let load = LoadFigures {
        current: 31.4,
        observed_peak: 47.9,
        planning: 58.2,
        risk: 0.05,
        horizon: "1w".to_owned(),
    };
    let day = |year, month, day| Some(Date::constant(year, month, day));
    ServicePlan {
        name: "jarvis".to_owned(),
        namespace: "jarvis".to_owned(),
        status: Status::Partial,
        reasons: Vec::new(),
        load: Some(load),
        tier: Some(TierFigures { current: "Medium".to_owned(), planning: "High".to_owned() }),
        crossings: vec![
            Crossing {
                tier: "High".to_owned(),
                boundary: 50.0,
                p50: day(2026, 12, 1),
                p90: day(2026, 11, 27),
            },
            Crossing { tier: "Peak".to_owned(), boundary: 200.0, p50: None, p90: None },
        ],
        recommendations,
        findings: vec![Finding {
            severity: Severity::Warning,
            code: Code::TableRowTooSmall,
            message: "api, High: 10 pods sustain 114 rps, not 200".to_owned(),
            remedy: "see `plimsoll tiers fit`".to_owned(),
        }],
        objects: Vec::new(),
    }
}

pub fn plan_of(services: Vec<ServicePlan>) -> Plan {
    let count = |wanted: &[Action]| {
        let all = services.iter().flat_map(|service| &service.recommendations);
        all.filter(|one| wanted.contains(&one.action)).count()
    };
    Plan {
        schema_version: SCHEMA_VERSION,
        version: "plimsoll 0.1.0".to_owned(),
        at: jiff::Timestamp::constant(1_795_395_600, 0),
        settings: "0353b09d2456".to_owned(),
        skipped: count(&[Action::Skipped]),
        changes: count(&[Action::Raise, Action::Lower]),
        services,
    }
}

/// Four changes, one kept, one skipped.
pub fn plan() -> Plan {
    plan_of(vec![service_plan(recommendations())])
}

pub fn component(name: &str, target: &str, helm: Option<&str>) -> Component {
    let (kind, object) = target.split_once('/').unwrap_or(("Deployment", target));
    Component {
        name: name.to_owned(),
        target: Target { kind: kind.to_owned(), name: object.to_owned() },
        memory: false,
        helm: helm.map(str::to_owned),
        container: None,
        current: Current::default(),
        start_up: Period(600),
    }
}

pub fn service_of(components: Vec<Component>) -> Service {
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
        tiers: TierTable { rows: Vec::new() },
        components,
        volumes: Vec::new(),
    }
}

/// What is known of an object that this HPA scales; `base` is what the loop raised its minimum from.
pub fn scaled_by(name: &str, (min, max): (u32, u32), base: Option<u32>) -> Workload {
    let hpa = Hpa {
        name: name.to_owned(),
        min: Some(min),
        base,
        max: Some(max),
        targets: Targets::default(),
        only_cpu: false,
    };
    Workload { scaler: Some(Scaler::Hpa(hpa)), ..Workload::default() }
}

/// API, worker and Redis with their paths in the chart.
pub fn service() -> Service {
    service_of(vec![
        component(API.0, API.1, Some("api")),
        component(WORKER.0, WORKER.1, Some("worker")),
        component(REDIS.0, REDIS.1, Some("redis.master")),
    ])
}
