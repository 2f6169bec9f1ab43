//! What changed since the review a week ago: the load, what it is planned at, and the settings in force.

use jiff::{SignedDuration, Timestamp};

use crate::Assessment;
use crate::history::settings::{SETTINGS, same, shown};
use crate::history::{self, History, SeriesKey, Signal};
use crate::render::chart::series;
use crate::render::wording as w;
use crate::units::Period;

/// The moment of the review a week ago.
#[must_use]
pub fn last_review(a: &Assessment) -> Timestamp {
    a.at - SignedDuration::from_secs(Period::WEEK.0)
}

/// A sentence for each thing that changed; empty where no earlier week is known.
#[must_use]
pub fn since(a: &Assessment) -> Vec<String> {
    let load = load(a);
    let settings = a.service.components.iter().flat_map(|component| settings(a, &component.name));
    load.into_iter().chain(settings).collect()
}

/// How the week's peak and the planning load moved.
fn load(a: &Assessment) -> Option<String> {
    let planned = a.plan.load.as_ref()?.planning;
    let [.., before, last] = a.scorecard.as_slice() else {
        return None;
    };
    if !before.seen.is_finite() || !last.seen.is_finite() {
        return None;
    }
    let tiers = &a.service.tiers;
    let (from, to) = (&tiers.row(last.planned).name, &tiers.row(planned).name);
    let row = if from == to { String::new() } else { format!(": out of {from}, into {to}") };
    Some(format!(
        "The weekly peak {}, the planning load {}{row}.",
        moved(before.seen, last.seen),
        moved(last.planned, planned)
    ))
}

/// `rose from 41.4 to 46.4 rps`.
fn moved(from: f64, to: f64) -> String {
    let (from, to) = (w::rps(from), w::rps(to));
    if from == to {
        return format!("stayed at {to} rps");
    }
    // compared as they are written, so that nothing falls from 10.0 to 10.0
    let rose = to.parse::<f64>().unwrap_or(0.0) > from.parse::<f64>().unwrap_or(0.0);
    format!("{} from {from} to {to} rps", if rose { "rose" } else { "fell" })
}

/// Settings of a component that are not what they were.
fn settings(a: &Assessment, component: &str) -> Vec<String> {
    let of = |signal| series::history(a, Some(component), signal);
    // a count that an HPA moves is no setting of anybody
    let hpa = a.history.get(&SeriesKey::of(component, Signal::HpaMax));
    let nobodys = |signal| signal == Signal::SpecReplicas && !history::absent(hpa);
    let settings = SETTINGS.into_iter().filter(|(signal, _)| !nobodys(*signal));
    let found = settings.filter_map(|(signal, name)| {
        let (from, to, at) = change(of(signal)?, last_review(a))?;
        Some(format!(
            "{} {name} went from {} to {}, live since {}.",
            w::component(component),
            shown(signal, from),
            shown(signal, to),
            w::moment(a, at)
        ))
    });
    found.collect()
}

/// The value at `since`, the newest value, and the moment from which on it held; `None` where nothing changed.
fn change(history: &History, since: Timestamp) -> Option<(f64, f64, Timestamp)> {
    let first = history.span(since, history.end()).start;
    let values = &history.values[first..];
    let from = values.iter().copied().find(|value| value.is_finite())?;
    let to = history.newest_value()?;
    let last_other = values.iter().rposition(|value| value.is_finite() && !same(*value, to))?;
    (!same(from, to)).then(|| (from, to, history.time(first + last_other + 1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::fixture;

    #[test]
    fn a_setting_that_changed_says_from_what_to_what_and_since_when() {
        let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let history = |values: &[f64]| History {
            start,
            step: Period(300),
            values: values.to_vec(),
            marks: Vec::new(),
            newest: start,
        };
        let at = |steps: i64| start + SignedDuration::from_secs(300 * steps);
        assert_eq!(change(&history(&[2.0, 2.0, f64::NAN, 3.0]), start), Some((2.0, 3.0, at(2))));
        // what was back before today is no change, and what changed before the last review is none either
        assert_eq!(change(&history(&[2.0, 4.0, 2.0]), start), None);
        assert_eq!(change(&history(&[2.0, 3.0, 3.0]), at(1)), None);
        assert_eq!(change(&history(&[f64::NAN]), start), None);
    }

    #[test]
    fn the_demo_tells_of_the_load_and_of_the_worker_that_was_raised() {
        let said = since(&fixture::assessment());
        assert!(said[0].starts_with("The weekly peak rose from "), "{said:?}");
        assert!(said[0].ends_with(" rps."), "{said:?}");
        assert!(
            said.iter().any(|line| line.starts_with("Worker replicas went from 2 to 3")),
            "{said:?}"
        );
        assert_eq!(since(&fixture::empty()), Vec::<String>::new());
    }
}
