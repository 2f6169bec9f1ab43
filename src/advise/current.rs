//! What is in force: the cluster's word first, then the newest metric, then the settings' `current:`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::advise::plan::{Code, Reason, Recommendation, Setting};
use crate::history::{self, Evidence, History, SeriesKey, Signal};
use crate::service::{Component, Current, Doubt, Resources, Service};
use crate::units::{Bytes, Millicores};

/// The settings in force by component and volume, each field from the best source that knows it. A metric whose newest
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
        let no_hpa = component.current.replicas.is_some() && !component.current.has_hpa();
        let others = by_metrics(&component.name, histories, oldest, no_hpa);
        let others = others.or(unseen(component, histories));
        (component.name.clone(), believed(live.or(unasked(live, others))))
    };
    let claims = service.volumes.iter().filter_map(|name| Some((name.clone(), *live.get(name)?)));
    claims.chain(service.components.iter().map(of)).collect()
}

/// The settings' word, but for what a metric once told of: where that is silent now, the newer word is lost, and
/// holding a target against an older one could lower what is in force.
fn unseen(component: &Component, histories: &BTreeMap<SeriesKey, Evidence<History>>) -> Current {
    let said = component.current;
    let never = |signal| history::absent(histories.get(&SeriesKey::of(&component.name, signal)));
    Current {
        replicas: said.replicas.filter(|_| never(Signal::SpecReplicas)),
        min_replicas: said.min_replicas.filter(|_| never(Signal::HpaMin)),
        max_replicas: said.max_replicas.filter(|_| never(Signal::HpaMax)),
        target_utilization: said.target_utilization.filter(|_| never(Signal::HpaTarget)),
        cpu_request: said.cpu_request.filter(|_| never(Signal::CpuRequest)),
        cpu_limit: said.cpu_limit.filter(|_| never(Signal::CpuLimit)),
        memory_request: said.memory_request.filter(|_| never(Signal::MemoryRequest)),
        memory_limit: said.memory_limit.filter(|_| never(Signal::MemoryLimit)),
        ..said
    }
}

/// Why a setting in force is not known, and what makes it known: the `key` of the settings, unless a cluster
/// has left the matter in doubt.
#[must_use]
pub fn unknown(doubt: Option<Doubt>, key: &str) -> String {
    let why = match doubt {
        None => &format!("set `{key}`, or let a cluster or kube-state-metrics say"),
        Some(Doubt::Count) => {
            "the cluster does not tell who sets the count; denied is not none, and several are not one"
        }
        Some(Doubt::Idle) => return "it is scaled to 0, and whoever did that wakes it".to_owned(),
        Some(Doubt::Object) => "the cluster has no such object; see the component's `target`",
    };
    format!("what is in force is not known: {why}")
}

/// What others are believed on: only what the cluster was not asked. It has looked for an HPA where it gives a count,
/// and at the container where it tells of that; an older word of a bound or a limit that is not there is no longer true.
fn unasked(live: Current, others: Current) -> Current {
    let counted = live.replicas.is_some() || live.has_hpa();
    let others = if counted { without_counts(others) } else { others };
    match live.resources {
        None => others,
        Some(_) => Current {
            cpu_request: None,
            cpu_limit: None,
            memory_request: None,
            memory_limit: None,
            ..others
        },
    }
}

fn without_counts(current: Current) -> Current {
    let none = Current::default();
    Current {
        replicas: none.replicas,
        min_replicas: none.min_replicas,
        max_replicas: none.max_replicas,
        target_utilization: none.target_utilization,
        ..current
    }
}

/// What the cluster tells of a container goes before what is derived from its history: what is not set there is not
/// introduced, and a container that is not there is left alone.
#[must_use]
pub fn as_told(component: &Component, current: Current, one: Recommendation) -> Recommendation {
    use Setting::{CpuRequest, Memory, MemoryLimit, MemoryRequest};
    let of_container = matches!(one.setting, CpuRequest | Memory | MemoryLimit | MemoryRequest);
    let Some(told) = current.resources.filter(|_| of_container && one.current.is_none()) else {
        return one;
    };
    let asked = one.uncapped_target.map(|asked| format!("{asked} asked for; ")).unwrap_or_default();
    let reason = match told {
        Resources::Told => Reason {
            code: Code::NotInForce,
            message: format!("{asked}its container sets none, and none is introduced"),
        },
        Resources::Unclear => Reason {
            code: Code::CurrentUnknown,
            message: format!(
                "{asked}which container of its pod is meant is not known: see `components.{}.container`",
                component.name
            ),
        },
    };
    Recommendation { reasons: vec![reason], ..one }
}

/// What is left of the settings in force where the cluster left something in doubt. Counts whose owner may not be
/// seen, or is one of several, are not known, whoever else speaks of them: an object of that name may not be there.
fn believed(known: Current) -> Current {
    match known.doubt {
        None | Some(Doubt::Idle) => known,
        Some(Doubt::Count) => without_counts(known),
        Some(Doubt::Object) => Current { doubt: known.doubt, ..Current::default() },
    }
}

/// The newest values of the metrics that report settings and are still reported.
fn by_metrics(
    component: &str,
    histories: &BTreeMap<SeriesKey, Evidence<History>>,
    oldest: Timestamp,
    said_to_be_alone: bool,
) -> Current {
    let newest = |signal| match histories.get(&SeriesKey::of(component, signal)) {
        Some(Evidence::Series(history)) if history.newest >= oldest => history.newest_value(),
        _ => None,
    };
    // "no limit" is written as 0 by some, and no count, request or limit in force is 0
    let newest = |signal| newest(signal).filter(|value| *value > 0.0 || signal == Signal::HpaMin);
    let count = |signal| newest(signal).map(count);
    let bytes = |signal| newest(signal).map(Bytes::of);
    let cpu = |signal| newest(signal).map(Millicores::of);
    // only an HPA that was asked for and is not there leaves the count to itself: silence is not "there is none",
    // but where nobody asked the settings may say it
    let hpa = |signal| histories.get(&SeriesKey::of(component, signal));
    let none = |told: Option<&Evidence<History>>| match told {
        None => said_to_be_alone,
        Some(told) => *told == Evidence::NoSeries,
    };
    let owner_unclear = !none(hpa(Signal::HpaMax)) || !history::absent(hpa(Signal::HpaMin));
    Current {
        replicas: count(Signal::SpecReplicas).filter(|_| !owner_unclear),
        min_replicas: count(Signal::HpaMin),
        max_replicas: count(Signal::HpaMax),
        target_utilization: count(Signal::HpaTarget),
        cpu_request: cpu(Signal::CpuRequest),
        cpu_limit: cpu(Signal::CpuLimit),
        memory_request: bytes(Signal::MemoryRequest),
        memory_limit: bytes(Signal::MemoryLimit),
        ..Current::default()
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
    use crate::service::Target;
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
        let replicas = (SeriesKey::of("api", Signal::SpecReplicas), seen(now, 4.0));
        let silent = [replicas.clone(), (SeriesKey::of("api", Signal::HpaMax), seen(start, 5.0))];
        assert_eq!(by_metrics("api", &BTreeMap::from(silent), now, false).replicas, None);
        let none = [replicas, (SeriesKey::of("api", Signal::HpaMax), Evidence::NoSeries)];
        assert_eq!(by_metrics("api", &BTreeMap::from(none.clone()), now, false).replicas, Some(4));
        // never asked is not "there is none", and a minimum alone shows that there is one
        let [replicas, none] = none;
        assert_eq!(
            by_metrics("api", &BTreeMap::from([replicas.clone()]), now, false).replicas,
            None
        );
        let minimum = (SeriesKey::of("api", Signal::HpaMin), seen(now, 2.0));
        let odd = by_metrics("api", &BTreeMap::from([replicas, none, minimum]), now, false);
        assert_eq!((odd.replicas, odd.min_replicas, odd.max_replicas), (None, Some(2), None));
    }

    #[test]
    fn what_the_cluster_leaves_in_doubt_nobody_else_is_believed_on() {
        let told =
            Current { replicas: Some(4), memory_limit: Some(Bytes(1)), ..Current::default() };
        let owner = believed(Current { doubt: Some(Doubt::Count), ..told });
        assert_eq!((owner.replicas, owner.memory_limit), (None, Some(Bytes(1))));
        // nor a metric that knows the bounds: whose they are is not known
        let seen = believed(Current { max_replicas: Some(9), doubt: Some(Doubt::Count), ..told });
        assert_eq!((seen.max_replicas, seen.memory_limit), (None, Some(Bytes(1))));
        let gone = believed(Current { doubt: Some(Doubt::Object), ..told });
        assert_eq!((gone.replicas, gone.memory_limit), (None, None));
    }

    #[test]
    fn what_the_cluster_was_asked_no_older_word_is_believed_on() {
        let old = Current {
            min_replicas: Some(2),
            max_replicas: Some(9),
            cpu_request: Some(Millicores(500)),
            cpu_limit: Some(Millicores(1000)),
            memory_limit: Some(Bytes(1)),
            ..Current::default()
        };
        let set = |live: Current| live.or(unasked(live, old));
        let told = Current {
            replicas: Some(4),
            memory_request: Some(Bytes(2)),
            resources: Some(Resources::Told),
            ..Current::default()
        };
        assert_eq!(set(told), told);
        // who gives no count was not told of an HPA, and who tells of no container was not asked of it
        assert_eq!(set(Current { replicas: None, ..told }).max_replicas, Some(9));
        assert_eq!(set(Current { resources: None, ..told }).memory_limit, Some(Bytes(1)));
        let unclear = Current { resources: Some(Resources::Unclear), ..Current::default() };
        assert_eq!(set(unclear).memory_limit, None);
    }

    #[test]
    fn a_limit_of_zero_is_no_limit_and_not_one_byte() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let history = History {
            start,
            step: Period(300),
            values: vec![0.0],
            marks: Vec::new(),
            newest: start,
        };
        let keys = [Signal::MemoryLimit, Signal::CpuRequest, Signal::HpaMax];
        let zero =
            keys.map(|signal| (SeriesKey::of("api", signal), Evidence::Series(history.clone())));
        let current = by_metrics("api", &BTreeMap::from(zero), start, false);
        assert_eq!(current, Current::default());
    }

    #[test]
    fn where_a_metric_went_silent_an_older_word_of_the_settings_is_not_believed() {
        let told = Current { memory_limit: Some(Bytes(512 << 20)), ..Current::default() };
        let component = Component {
            name: "api".to_owned(),
            target: Target { kind: "Deployment".to_owned(), name: "api".to_owned() },
            memory: false,
            helm: None,
            container: None,
            current: told,
            start_up: Period(60),
        };
        let key = SeriesKey::of("api", Signal::MemoryLimit);
        let known = |evidence: Option<Evidence<History>>| {
            let histories = evidence.map(|evidence| (key.clone(), evidence)).into_iter().collect();
            unseen(&component, &histories).memory_limit
        };
        assert_eq!(known(None), told.memory_limit);
        assert_eq!(known(Some(Evidence::NoSeries)), told.memory_limit);
        assert_eq!(known(Some(Evidence::NoSamples)), None);
        assert_eq!(known(Some(Evidence::Failed("503".to_owned()))), None);
    }

    #[test]
    fn a_metric_that_went_silent_does_not_say_what_is_in_force() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let step = Period(300);
        let history =
            History { start, step, values: vec![3.0, f64::NAN], marks: Vec::new(), newest: start };
        let histories =
            BTreeMap::from([(SeriesKey::of("api", Signal::HpaMin), Evidence::Series(history))]);
        assert_eq!(by_metrics("api", &histories, start, false).min_replicas, Some(3));
        let later: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        assert_eq!(by_metrics("api", &histories, later, false).min_replicas, None);
    }
}
