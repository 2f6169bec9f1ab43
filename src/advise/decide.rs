//! Raise, keep or lower: the rules that every setting goes through.
//!
//! The planning load may raise. Lowering needs observed load: complete, fresh, uncensored, healthy, and
//! under the boundary less the hysteresis for the whole dwell time. One run moves a setting by at most
//! the policy's largest step.

use crate::advise::Known;
use crate::advise::plan::{Action, Code, Reason};
use crate::advise::series;
use crate::history::{self, History, MarkKind, SeriesKey, Signal};
use crate::service::Policy;
use crate::units::{Period, Ratio};

/// Whether anything may be lowered, and what must still be served then.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowering {
    /// The load that a lowered setting must still do for, in rps: the larger of the planning load and
    /// what was observed over the dwell time plus the hysteresis.
    pub load: f64,
    /// Why nothing may be lowered; `None` when it may.
    pub forbidden: Option<Reason>,
}

/// What was decided of one setting, in its bare figure (replicas, bytes, millicores).
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The value to set.
    pub target: u64,
    /// Why it is not simply what was asked for.
    pub reason: Option<Reason>,
}

impl Lowering {
    /// What the load's history allows.
    #[must_use]
    pub fn from(known: &Known<'_>, load: &History, planning: f64) -> Self {
        let observed = history::peak(load.last(known.policy.dwell)).unwrap_or(f64::INFINITY);
        let load_kept = planning.max(observed / (1.0 - known.policy.hysteresis.0));
        Self { load: load_kept, forbidden: forbidden(known, load).err() }
    }

    /// The same, forbidden too where `evidence` is not there.
    #[must_use]
    pub fn and(self, evidence: Result<(), Reason>) -> Self {
        Self { forbidden: self.forbidden.or(evidence.err()), ..self }
    }
}

/// The first thing that forbids lowering.
fn forbidden(known: &Known<'_>, load: &History) -> Result<(), Reason> {
    seen_long_enough(known, load)?;
    let dwell = whole(known, &SeriesKey::service(Signal::Load))?.last(known.policy.dwell);
    if history::peak(dwell) <= Some(0.0) {
        let message = format!(
            "`load` was 0 throughout the last {}: a metric that stopped counting looks the same",
            known.policy.dwell
        );
        return Err(Reason { code: Code::Coverage, message });
    }
    let from = load.time(load.values.len() - dwell.len());
    if let Some(mark) = load.marked(MarkKind::Censored, from, load.end()).next() {
        return Err(Reason {
            code: Code::Censored,
            message: format!("{}: demand may have been higher", mark.why),
        });
    }
    healthy(known, Signal::ErrorRate, known.service.objectives.error_rate.0)?;
    healthy(known, Signal::P99, known.service.objectives.p99_s)
}

/// The history behind `key` if it is fresh and covers the whole dwell time: nothing is lowered by less.
///
/// # Errors
///
/// The kind of its absence, or how much of it there is.
pub fn whole<'a>(known: &Known<'a>, key: &SeriesKey) -> Result<&'a History, Reason> {
    let history = series(known, key)?;
    let Policy { dwell, min_coverage, .. } = known.policy;
    let steps = dwell.steps(history.step);
    let seen = history.last(*dwell).iter().filter(|value| value.is_finite()).count();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = seen as f64 / steps.max(1) as f64;
    if share >= min_coverage.0 {
        return Ok(history);
    }
    let share = Ratio((share * 1000.0).floor() / 1000.0);
    let message =
        format!("lowering needs {min_coverage} of the last {dwell} of `{key}`, {share} is there");
    Err(Reason { code: Code::Coverage, message })
}

/// Whether the load was watched for long enough: a retention of two weeks has forgotten the peak of the month.
fn seen_long_enough(known: &Known<'_>, load: &History) -> Result<(), Reason> {
    let least = known.policy.min_history;
    let seen = load.end().duration_since(load.start).as_secs();
    if seen >= least.0 {
        return Ok(());
    }
    let days = Period((seen / Period::DAY.0).max(1) * Period::DAY.0);
    let message =
        format!("lowering needs {least} of history, {days} is there (`policy.minHistory`)");
    Err(Reason { code: Code::TooLittleHistory, message })
}

/// Whether a health signal is known and stayed inside its objective over the dwell time but for 1 % of it.
fn healthy(known: &Known<'_>, signal: Signal, objective: f64) -> Result<(), Reason> {
    /// Share of steps that may miss an objective: one bad scrape is not an unhealthy week.
    const TOLERATED: f64 = 0.01;
    let dwell = whole(known, &SeriesKey::service(signal))?.last(known.policy.dwell);
    let misses = dwell.iter().filter(|value| **value > objective).count();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = misses as f64 / dwell.len().max(1) as f64;
    if share > TOLERATED {
        let message = format!(
            "`{}` missed its objective in {misses} steps of the last {}",
            signal.name(),
            known.policy.dwell
        );
        return Err(Reason { code: Code::Objectives, message });
    }
    Ok(())
}

/// A bare figure as people write it.
pub type Show = fn(u64) -> String;

/// Raise, keep or lower `current`, given what the planning load asks for (`wanted`) and what would still
/// do for the load that lowering must leave room for (`enough`, at least `wanted`).
#[must_use]
pub fn decide(
    current: u64,
    wanted: u64,
    enough: u64,
    lowering: &Lowering,
    max_step: f64,
    show: Show,
) -> Decision {
    if wanted > current {
        let step = stepped(current, max_step);
        let target = wanted.min(step);
        let reason = (target < wanted).then(|| Reason {
            code: Code::StepLimit,
            message: format!(
                "{} asked for; one step goes from {} to {} at most (`policy.maxStep`)",
                show(wanted),
                show(current),
                show(step)
            ),
        });
        return Decision { action: Action::Raise, target, reason };
    }
    let keep = |reason| Decision { action: Action::Keep, target: current, reason };
    let enough = enough.max(wanted);
    if enough >= current {
        let reason = (wanted < current).then(|| Reason {
            code: Code::NotLowered,
            message: "less would do by the forecast, but observed load was too near".to_owned(),
        });
        return keep(reason);
    }
    match &lowering.forbidden {
        Some(why) => keep(Some(Reason {
            code: Code::NotLowered,
            message: format!("less would do, but {}", why.message),
        })),
        None => lowered(current, enough, max_step, show),
    }
}

fn lowered(current: u64, enough: u64, max_step: f64, show: Show) -> Decision {
    let target = enough.max(unstepped(current, max_step));
    let message = if target > enough {
        format!(
            "observed load allows {}; one step goes from {} to {} at most (`policy.maxStep`)",
            show(enough),
            show(current),
            show(target)
        )
    } else {
        "observed load stayed under the boundary less hysteresis for the dwell time".to_owned()
    };
    Decision {
        action: Action::Lower,
        target,
        reason: Some(Reason { code: Code::ObservedLow, message }),
    }
}

/// The largest value that one step may raise `current` to, at least one more.
fn stepped(current: u64, max_step: f64) -> u64 {
    scaled(current, max_step).max(current.saturating_add(1))
}

/// The smallest value that one step may lower `current` to.
fn unstepped(current: u64, max_step: f64) -> u64 {
    scaled(current, 1.0 / max_step).min(current)
}

/// `current * factor`, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "replicas, bytes and millicores lie far below 2^53; a float above u64 saturates"
)]
fn scaled(current: u64, factor: f64) -> u64 {
    (current as f64 * factor - 1e-9).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Lowering = Lowering { load: 0.0, forbidden: None };

    fn forbidden() -> Lowering {
        Lowering {
            load: 0.0,
            forbidden: Some(Reason { code: Code::Stale, message: "old".to_owned() }),
        }
    }

    fn target(current: u64, wanted: u64, enough: u64, lowering: &Lowering) -> (Action, u64) {
        let decision = decide(current, wanted, enough, lowering, 2.0, |n| n.to_string());
        (decision.action, decision.target)
    }

    #[test]
    fn the_planning_load_raises_by_at_most_one_step() {
        assert_eq!(target(3, 5, 5, &FREE), (Action::Raise, 5));
        // twice three is six
        assert_eq!(target(3, 9, 9, &FREE), (Action::Raise, 6));
        // from nothing the step is still one replica
        assert_eq!(target(0, 9, 9, &FREE), (Action::Raise, 1));
    }

    #[test]
    fn a_forecast_alone_never_lowers() {
        // 3 would do by the forecast, but the observed load less hysteresis still asks for 5
        assert_eq!(target(5, 3, 5, &FREE), (Action::Keep, 5));
    }

    #[test]
    fn observed_load_lowers_by_at_most_one_step() {
        assert_eq!(target(8, 3, 5, &FREE), (Action::Lower, 5));
        // half of nine, rounded up
        assert_eq!(target(9, 1, 1, &FREE), (Action::Lower, 5));
    }

    #[test]
    fn what_forbids_lowering_never_forbids_raising() {
        assert_eq!(target(8, 3, 5, &forbidden()), (Action::Keep, 8));
        assert_eq!(target(3, 5, 5, &forbidden()), (Action::Raise, 5));
    }

    #[test]
    fn deciding_again_after_the_change_changes_nothing() {
        for (current, wanted, enough) in [(3, 5, 6), (8, 3, 5), (5, 5, 5), (6, 4, 9)] {
            let once = decide(current, wanted, enough, &FREE, 2.0, |n| n.to_string()).target;
            assert_eq!(decide(once, wanted, enough, &FREE, 2.0, |n| n.to_string()).target, once);
        }
    }
}
