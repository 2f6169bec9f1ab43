//! Whether a service is well, for who is about to touch it.
//!
//! A finding speaks of what is certain: an objective is missed when every one of the last steps says so. Who would start
//! pods anew wants the opposite: nothing may say that it is not well, and most must say that it is.

use std::collections::BTreeMap;

use crate::advise::findings::{NOW, latency};
use crate::history::{Evidence, History, SeriesKey, Signal};
use crate::service::Service;
use crate::units::Ratio;

/// Of this many of the last steps one may lie above an objective while the service counts as well: three of 15 steps of a
/// minute, and none of three steps of five minutes.
const SPIKES: usize = 5;

/// What speaks against it that the objectives are met now; `None`: nothing does. Whether the signals are there at all, and
/// are fresh, is a finding of its own.
#[must_use]
pub fn unwell(
    service: &Service,
    history: &BTreeMap<SeriesKey, Evidence<History>>,
) -> Option<String> {
    let limits = &service.objectives;
    let share = |value: f64| Ratio(value).to_string();
    let errors = || ill(history, Signal::ErrorRate, ("the error rate", limits.error_rate.0, share));
    errors().or_else(|| ill(history, Signal::P99, ("P99", limits.p99_s, latency)))
}

/// What the newest steps of a signal that have samples behind them say, a gap among them counting as unknown.
fn ill(
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    signal: Signal,
    (what, limit, told): (&str, f64, impl Fn(f64) -> String),
) -> Option<String> {
    let Some(Evidence::Series(history)) = history.get(&SeriesKey::service(signal)) else {
        return None;
    };
    let last = history.values.iter().rposition(|value| value.is_finite())?;
    let steps = NOW.steps(history.step).max(1);
    let newest = &history.values[(last + 1).saturating_sub(steps)..=last];
    let (value, limit_told) = (newest[newest.len() - 1], told(limit));
    if value > limit {
        return Some(format!("{what} is {}, {limit_told} is the objective", told(value)));
    }
    let above = newest.iter().filter(|value| **value > limit).count();
    let well = newest.iter().filter(|value| **value <= limit).count();
    if above * SPIKES > steps {
        return Some(format!("{what} was above {limit_told} in {above} of the last {steps} steps"));
    }
    (well * 2 < steps).then(|| {
        format!(
            "{what} was at or below {limit_told} in no more than {well} of the last {steps} steps"
        )
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::render::example;
    use crate::units::Period;

    /// P99 in steps of so many seconds.
    fn said(step: i64, values: &[f64]) -> Option<String> {
        let history = History {
            start: Timestamp::UNIX_EPOCH,
            step: Period(step),
            values: values.to_vec(),
            marks: Vec::new(),
            newest: Timestamp::UNIX_EPOCH,
        };
        let all = BTreeMap::from([(SeriesKey::service(Signal::P99), Evidence::Series(history))]);
        unwell(&example::service(), &all)
    }

    const GAP: f64 = f64::NAN;

    #[test]
    fn the_newest_sample_above_an_objective_is_enough_whatever_was_before() {
        let newest = Some("P99 is 20 s, 2 s is the objective".to_owned());
        assert_eq!(said(300, &[0.3, 0.3, 20.0]), newest);
        assert_eq!(said(300, &[20.0, 0.3, 20.0]), newest);
        // a step that has not come yet hides nothing
        assert_eq!(said(300, &[0.3, 0.3, 20.0, GAP, GAP]), newest);
        assert_eq!(said(3_600, &[0.3, 20.0]), newest);
        assert_eq!(said(300, &[0.3, 0.3, 2.0]), None);
    }

    #[test]
    fn one_good_sample_in_the_middle_of_an_outage_is_no_end_of_it() {
        let often = Some("P99 was above 2 s in 1 of the last 3 steps".to_owned());
        assert_eq!(said(300, &[20.0, 20.0, 0.3, 20.0, 0.3]), often);
        assert!(said(300, &[20.0, GAP, 0.3]).is_some());
        // and a lone spike of a minute does not hold a change up
        let mut minutes = vec![0.3; 15];
        minutes[9] = 20.0;
        assert_eq!(said(60, &minutes), None);
        minutes[10..13].fill(20.0);
        assert!(said(60, &minutes).is_some());
        // what is over is over
        assert_eq!(said(300, &[20.0, 20.0, 0.3, 0.3, 0.3]), None);
    }

    #[test]
    fn what_is_mostly_a_gap_is_not_well() {
        assert_eq!(said(300, &[0.3, GAP, 0.3]), None);
        let few = "P99 was at or below 2 s in no more than 1 of the last 3 steps";
        assert_eq!(said(300, &[GAP, GAP, 0.3]), Some(few.to_owned()));
        assert_eq!(said(300, &[0.3]), Some(few.to_owned()));
        assert_eq!(said(300, &[GAP]), None);
    }
}
