//! Assessments for the tests of this folder: the built-in history through the whole pipeline.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::Assessment;
use crate::advise::plan::Plan;
use crate::history::{Evidence, Observed, SeriesKey, Signal, Window};
use crate::service::{
    Calendar, Component, Current, Event, LoadSource, Objectives, Policy, Service, Target,
};
use crate::source::demo;
use crate::tiers::{Size, Tier, TierTable};
use crate::units::{Bytes, Period, Ratio};

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
        like: None,
    };
    let events = vec![
        event("campaign", date(2026, 11, 4), 2, 1.0),
        event("product launch", date(2026, 12, 1), 3, 1.8),
    ];
    Calendar { zone, events }
}

fn assess(observed: &Observed) -> Assessment {
    let window = Window { at: at(), lookback: Period(8 * 604_800), step: Period(300) };
    crate::assess(&service(), &calendar(), &Policy::default(), &window, observed, &BTreeMap::new())
}

/// The built-in service on its Monday; one series is refused.
pub fn assessment() -> Assessment {
    static FULL: LazyLock<Assessment> = LazyLock::new(|| {
        let mut observed = demo::observed(at(), demo::SEED);
        let refused = Evidence::Failed("422: query needs too many samples".to_owned());
        observed.insert(SeriesKey::of("redis", Signal::RedisEvictions), refused);
        assess(&observed)
    });
    FULL.clone()
}

/// A service of which nothing is known.
pub fn empty() -> Assessment {
    let names = demo::observed(at(), demo::SEED).into_keys();
    assess(&names.map(|key| (key, Evidence::NoSeries)).collect())
}

pub fn whole_plan(services: &[&Assessment]) -> Plan {
    let services: Vec<Assessment> = services.iter().map(|a| (*a).clone()).collect();
    crate::plan(at(), "0353b09d2456", &services)
}
