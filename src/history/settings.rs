//! Settings that a metric reports, and the moments at which somebody changed them: ourselves, or a person.
//!
//! What a component used, and how many of it there were, follows from its settings as much as from demand. So a change
//! is marked, and nothing is lowered by a time in which there was one.

use super::{Evidence, History, Mark, MarkKind, SeriesKey, Signal, absent};
use crate::units::{Bytes, Millicores};

/// The signals that report a setting, with its name as it stands in the plan.
pub const SETTINGS: [(Signal, &str); 7] = [
    (Signal::SpecReplicas, "replicas"),
    (Signal::HpaMin, "minReplicas"),
    (Signal::HpaMax, "maxReplicas"),
    (Signal::HpaTarget, "targetUtilization"),
    (Signal::CpuRequest, "cpuRequest"),
    (Signal::MemoryRequest, "memoryRequest"),
    (Signal::MemoryLimit, "memoryLimit"),
];

/// Whether two values of a setting are the same but for rounding.
#[must_use]
pub fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// A setting's value as people write it: `3`, `600m`, `512Mi`.
#[must_use]
pub fn shown(signal: Signal, value: f64) -> String {
    match signal {
        Signal::MemoryRequest | Signal::MemoryLimit => Bytes::at_least(value, Bytes(1)).to_string(),
        Signal::CpuRequest => Millicores::of(value).to_string(),
        _ => format!("{value:.0}"),
    }
}

/// A mark at every change of a setting; none for a count that an HPA moves, which is nobody's setting.
pub(super) fn changes(
    key: &SeriesKey,
    history: &History,
    hpa: Option<&Evidence<History>>,
) -> Vec<Mark> {
    let name = SETTINGS.iter().find(|(signal, _)| *signal == key.signal).map(|(_, name)| *name);
    let fixed = absent(hpa);
    let (Some(name), Some(component)) = (name, &key.subject) else { return Vec::new() };
    if key.signal == Signal::SpecReplicas && !fixed {
        return Vec::new();
    }
    let seen = history.values.iter().copied().enumerate().filter(|(_, value)| value.is_finite());
    let seen: Vec<(usize, f64)> = seen.collect();
    let changed = seen.windows(2).filter(|pair| !same(pair[0].1, pair[1].1));
    let mark = |pair: &[(usize, f64)]| {
        let (from, (at, to)) = (pair[0].1, pair[1]);
        let (from, to) = (shown(key.signal, from), shown(key.signal, to));
        let why = format!("{component} {name} from {from} to {to}");
        history.mark(&(at..at + 1), MarkKind::Changed, why)
    };
    changed.map(mark).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::history::second;
    use crate::units::Period;

    fn history(values: &[f64]) -> History {
        let values = values.to_vec();
        History {
            start: second(0),
            step: Period(300),
            values,
            marks: Vec::new(),
            newest: second(0),
        }
    }

    #[test]
    fn a_change_is_marked_where_the_new_value_begins_also_behind_a_gap() {
        let limits =
            history(&[512.0, 512.0, f64::NAN, 1024.0, 1024.0].map(|mebi| mebi * 1_048_576.0));
        let found = changes(&SeriesKey::of("api", Signal::MemoryLimit), &limits, None);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].kind), (second(900), MarkKind::Changed));
        assert_eq!(found[0].why, "api memoryLimit from 512Mi to 1Gi");
    }

    #[test]
    fn a_count_that_an_hpa_moves_is_nobodys_setting() {
        let counts = history(&[3.0, 4.0]);
        let key = SeriesKey::of("api", Signal::SpecReplicas);
        let hpa = Evidence::Series(history(&[9.0, 9.0]));
        assert_eq!(changes(&key, &counts, Some(&hpa)), []);
        assert_eq!(changes(&key, &counts, Some(&Evidence::NoSamples)), []);
        assert_eq!(changes(&key, &counts, Some(&Evidence::NoSeries)).len(), 1);
        // what is in use is no setting either
        assert_eq!(changes(&SeriesKey::of("api", Signal::Cpu), &counts, None), []);
    }
}
