//! What is in force: the cluster's word first, then the newest metric, then the settings' `current:`.

use std::collections::BTreeMap;

use crate::history::{Evidence, History, SeriesKey, Signal};
use crate::service::{Component, Current, Service};
use crate::units::{Bytes, Millicores};

/// The settings in force by component, each field from the best source that knows it.
#[must_use]
pub fn in_force(
    service: &Service,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
    live: &BTreeMap<String, Current>,
) -> BTreeMap<String, Current> {
    let of = |component: &Component| {
        let live = live.get(&component.name).copied().unwrap_or_default();
        let known = live.or(by_metrics(&component.name, histories)).or(component.current);
        (component.name.clone(), known)
    };
    service.components.iter().map(of).collect()
}

/// The newest values of the metrics that report settings.
fn by_metrics(component: &str, histories: &BTreeMap<SeriesKey, Evidence<History>>) -> Current {
    let newest = |signal| match histories.get(&SeriesKey::of(component, signal)) {
        Some(Evidence::Series(history)) => history.newest_value(),
        _ => None,
    };
    let count = |signal| newest(signal).map(count);
    let bytes = |signal| newest(signal).map(|value| Bytes::at_least(value, Bytes(1)));
    let cpu =
        |signal| newest(signal).map(|cores| Millicores(u64::from(self::count(cores * 1000.0))));
    Current {
        replicas: count(Signal::Replicas),
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
