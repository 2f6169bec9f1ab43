//! Spans in which limits of the service, and not its users, shaped what was served: demand may have been higher.

use std::collections::BTreeMap;

use super::{Evidence, History, Mark, MarkKind, SeriesKey, Signal, runs};
use crate::service::{Objectives, Service};
use crate::units::Ratio;

/// Share of throttled CFS periods above which CPU is taken to have limited the service, as in the kubernetes-mixin alert.
const THROTTLED_SHARE: f64 = 0.25;

/// Spans in which the service's own limits shaped what was served.
pub(super) fn censored_spans(
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
    service: &Service,
) -> Vec<Mark> {
    let series = |key: &SeriesKey| match histories.get(key) {
        Some(Evidence::Series(history)) => Some(history),
        _ => None,
    };
    let mut marks = Vec::new();
    for component in &service.components {
        let name = &component.name;
        let of = |signal| series(&SeriesKey::of(name, signal));
        if let (Some(replicas), Some(max)) = (of(Signal::Replicas), of(Signal::HpaMax)) {
            marks.extend(at_maximum(name, replicas, max, of(Signal::HpaMin)));
        }
        if let Some(throttled) = of(Signal::Throttled) {
            let why =
                format!("{name} throttled in more than {} of CFS periods", Ratio(THROTTLED_SHARE));
            marks.extend(
                runs(&throttled.values, |share| share > THROTTLED_SHARE)
                    .iter()
                    .map(|run| throttled.mark(run, MarkKind::Censored, why.clone())),
            );
        }
    }
    marks.extend(
        series(&SeriesKey::service(Signal::ErrorRate))
            .into_iter()
            .flat_map(|errors| shedding(errors, &service.objectives)),
    );
    marks
}

/// Spans in which the replicas stood at the HPA's maximum, where that is more than its minimum.
fn at_maximum(name: &str, replicas: &History, max: &History, min: Option<&History>) -> Vec<Mark> {
    let limit = |i: usize| {
        let at = |history: &History| {
            history.values.get(history.span(history.start, replicas.time(i)).end).copied()
        };
        let max = at(max).filter(|max| max.is_finite())?;
        let fixed = min.and_then(at).is_some_and(|min| min >= max);
        (!fixed).then_some(max)
    };
    let full: Vec<f64> = (0..replicas.values.len())
        .map(|i| limit(i).map_or(f64::NAN, |max| replicas.values[i] - max))
        .collect();
    let why = format!("{name} at maxReplicas");
    runs(&full, |over| over >= 0.0)
        .iter()
        .map(|run| replicas.mark(run, MarkKind::Censored, why.clone()))
        .collect()
}

/// Spans in which more requests failed than the objectives allow.
fn shedding(errors: &History, objectives: &Objectives) -> Vec<Mark> {
    let why = format!("more than {} of requests failed", objectives.error_rate);
    runs(&errors.values, |share| share > objectives.error_rate.0)
        .iter()
        .map(|run| errors.mark(run, MarkKind::Censored, why.clone()))
        .collect()
}
