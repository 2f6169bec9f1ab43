//! What is in force: the cluster's word first, then the newest metric, then the settings' `current:`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::history::{Evidence, History, SeriesKey, Signal};
use crate::service::{Component, Current, Service};
use crate::units::{Bytes, Millicores};

/// The settings in force by component, each field from the best source that knows it. A metric whose newest
/// sample is before `oldest` knows nothing of today: a target held against it could lower what is in force.
#[must_use]
pub fn in_force(
    service: &Service,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
    live: &BTreeMap<String, Current>,
    oldest: Timestamp,
) -> BTreeMap<String, Current> {
    let of = |component: &Component| {
        let live = live.get(&component.name).copied().unwrap_or_default();
        let known = live.or(by_metrics(&component.name, histories, oldest)).or(component.current);
        (component.name.clone(), known)
    };
    service.components.iter().map(of).collect()
}

/// The newest values of the metrics that report settings and are still reported.
fn by_metrics(
    component: &str,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
    oldest: Timestamp,
) -> Current {
    let newest = |signal| match histories.get(&SeriesKey::of(component, signal)) {
        Some(Evidence::Series(history)) if history.newest >= oldest => history.newest_value(),
        _ => None,
    };
    let count = |signal| newest(signal).map(count);
    let bytes = |signal| newest(signal).map(|value| Bytes::at_least(value, Bytes(1)));
    let cpu =
        |signal| newest(signal).map(|cores| Millicores(u64::from(self::count(cores * 1000.0))));
    // an HPA that was seen and is not seen now may still own the count: silence is not "there is none"
    let owner_unclear = match histories.get(&SeriesKey::of(component, Signal::HpaMax)) {
        Some(Evidence::Series(history)) => history.newest < oldest,
        Some(Evidence::NoSamples | Evidence::Failed(_)) => true,
        Some(Evidence::NoSeries) | None => false,
    };
    Current {
        replicas: count(Signal::Replicas).filter(|_| !owner_unclear),
        min_replicas: count(Signal::HpaMin),
        max_replicas: count(Signal::HpaMax),
        target_utilization: None,
        cpu_request: cpu(Signal::CpuRequest),
        memory_request: bytes(Signal::MemoryRequest),
        memory_limit: bytes(Signal::MemoryLimit),
    }
}

/// A metric that counts, as a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32"
)]
fn count(value: f64) -> u32 {
    value.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::units::Period;

    #[test]
    fn an_hpa_that_went_silent_leaves_the_count_unknown() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let seen = |newest, value| {
            let values = vec![value];
            Evidence::Series(History {
                start,
                step: Period(300),
                values,
                marks: Vec::new(),
                newest,
            })
        };
        let now: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        let replicas = (SeriesKey::of("api", Signal::Replicas), seen(now, 4.0));
        let silent = [replicas.clone(), (SeriesKey::of("api", Signal::HpaMax), seen(start, 5.0))];
        assert_eq!(by_metrics("api", &BTreeMap::from(silent), now).replicas, None);
        let none = [replicas, (SeriesKey::of("api", Signal::HpaMax), Evidence::NoSeries)];
        assert_eq!(by_metrics("api", &BTreeMap::from(none), now).replicas, Some(4));
    }

    #[test]
    fn a_metric_that_went_silent_does_not_say_what_is_in_force() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let step = Period(300);
        let history =
            History { start, step, values: vec![3.0, f64::NAN], marks: Vec::new(), newest: start };
        let histories =
            BTreeMap::from([(SeriesKey::of("api", Signal::HpaMin), Evidence::Series(history))]);
        assert_eq!(by_metrics("api", &histories, start).min_replicas, Some(3));
        let later: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        assert_eq!(by_metrics("api", &histories, later).min_replicas, None);
    }
}
