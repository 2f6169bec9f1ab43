//! Raise, keep or lower: the rules that every setting goes through.
//!
//! The planning load may raise. Only observed load may lower, where [`Lowering`] allows it. One run moves a
//! setting by at most the policy's largest step.

use crate::advise::lowering::Lowering;
use crate::advise::plan::{Action, Code, Reason};
use crate::units::{Bytes, Millicores};

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

/// How people write the bare figures of a setting.
#[derive(Debug, Clone, Copy)]
pub struct Unit {
    /// A figure in words.
    pub show: fn(u64) -> String,
    /// A step of the policy ends at a multiple of this: half of an odd limit is no quantity that anybody writes.
    grain: u64,
}

impl Unit {
    /// Replicas.
    pub const COUNT: Self = Self { show: |count| count.to_string(), grain: 1 };
    /// Millicores.
    pub const CPU: Self = Self { show: |cpu| Millicores(cpu).to_string(), grain: 1 };
    /// Bytes.
    pub const BYTES: Self = Self { show: |bytes| Bytes(bytes).to_string(), grain: 1 << 20 };
}

/// What a lowered setting must still do for.
#[derive(Debug, Clone, Copy)]
pub struct Enough<'a> {
    /// The bare figure, at least what is wanted.
    pub figure: u64,
    /// Why no less would be: a code, and what follows "less would do by the forecast, but".
    pub why: (Code, &'a str),
}

impl<'a> Enough<'a> {
    /// By the load that was observed and that may still come.
    #[must_use]
    pub fn by_load(figure: u64, lowering: &'a Lowering) -> Self {
        Self::new(figure, lowering.held_by.as_deref().unwrap_or("observed load was too near"))
    }

    /// By what was observed.
    #[must_use]
    pub fn new(figure: u64, why: &'a str) -> Self {
        Self { figure, why: (Code::NotLowered, why) }
    }

    /// Why no less would be.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let (code, why) = self.why;
        Reason { code, message: format!("less would do by the forecast, but {why}") }
    }
}

/// Raise, keep or lower `current`, given what the planning load asks for (`wanted`) and what would still
/// do for the load that lowering must leave room for (`enough`, at least `wanted`).
#[must_use]
pub fn decide(
    current: u64,
    wanted: u64,
    enough: Enough<'_>,
    lowering: &Lowering,
    max_step: f64,
    unit: Unit,
) -> Decision {
    let show = unit.show;
    if wanted > current {
        let step = stepped(current, max_step);
        // down to the grain: up would be past the step
        let whole = step - step % unit.grain;
        let step = if whole > current { whole } else { step };
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
    let least = enough.figure.max(wanted);
    if least >= current {
        return keep((wanted < current).then(|| enough.reason()));
    }
    match &lowering.forbidden {
        Some(why) => keep(Some(Reason {
            code: Code::NotLowered,
            message: format!("less would do, but {}", why.message),
        })),
        None => lowered(current, least, max_step, unit),
    }
}

fn lowered(current: u64, enough: u64, max_step: f64, unit: Unit) -> Decision {
    let show = unit.show;
    let step = unstepped(current, max_step);
    let whole = step.next_multiple_of(unit.grain);
    let target = enough.max(if whole < current { whole } else { step });
    if target == current {
        let message = format!(
            "observed load allows {}; a step that small cannot leave {} (`policy.maxStep`)",
            show(enough),
            show(current)
        );
        let reason = Some(Reason { code: Code::StepLimit, message });
        return Decision { action: Action::Keep, target, reason };
    }
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

/// Whether a change is no larger than one step of the policy.
#[must_use]
pub fn within_step(from: u64, to: u64, max_step: f64) -> bool {
    (unstepped(from, max_step)..=stepped(from, max_step)).contains(&to)
}

/// The largest value that one step may raise `current` to, at least one more.
#[must_use]
pub fn stepped(current: u64, max_step: f64) -> u64 {
    scaled(current, max_step).max(current.saturating_add(1))
}

/// The smallest value that one step may lower `current` to.
#[must_use]
pub fn unstepped(current: u64, max_step: f64) -> u64 {
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

    const FREE: Lowering = Lowering { load: 0.0, held_by: None, forbidden: None };

    fn forbidden() -> Lowering {
        Lowering {
            load: 0.0,
            held_by: None,
            forbidden: Some(Reason { code: Code::Stale, message: "old".to_owned() }),
        }
    }

    fn target(current: u64, wanted: u64, enough: u64, lowering: &Lowering) -> (Action, u64) {
        let enough = Enough::by_load(enough, lowering);
        let decision = decide(current, wanted, enough, lowering, 2.0, Unit::COUNT);
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
    fn a_step_too_small_to_leave_a_count_keeps_it_and_says_so() {
        // four over 1.2 is still four whole pods
        let decision = decide(4, 2, Enough::by_load(3, &FREE), &FREE, 1.2, Unit::COUNT);
        assert_eq!((decision.action, decision.target), (Action::Keep, 4));
        assert_eq!(decision.reason.map(|reason| reason.code), Some(Code::StepLimit));
    }

    #[test]
    fn a_step_of_memory_ends_at_a_quantity_that_people_write_and_is_no_larger_for_it() {
        const MEBI: u64 = 1 << 20;
        // 512 million bytes are 488.28Mi: a step of two ends between 244.14Mi and 976.56Mi
        let odd = 512_000_000;
        let step = |wanted| {
            let enough = Enough::by_load(wanted, &FREE);
            decide(odd, wanted, enough, &FREE, 2.0, Unit::BYTES).target
        };
        assert_eq!((step(1), step(4 << 30)), (245 * MEBI, 976 * MEBI));
        assert!(within_step(odd, step(1), 2.0) && within_step(odd, step(4 << 30), 2.0));
        // what is smaller than the grain still moves
        let tiny = decide(MEBI / 2, 4 * MEBI, Enough::by_load(0, &FREE), &FREE, 1.5, Unit::BYTES);
        assert_eq!((tiny.action, tiny.target), (Action::Raise, MEBI / 4 * 3));
    }

    #[test]
    fn what_forbids_lowering_never_forbids_raising() {
        assert_eq!(target(8, 3, 5, &forbidden()), (Action::Keep, 8));
        assert_eq!(target(3, 5, 5, &forbidden()), (Action::Raise, 5));
    }

    #[test]
    fn deciding_again_after_the_change_changes_nothing() {
        for (current, wanted, enough) in [(3, 5, 6), (8, 3, 5), (5, 5, 5), (6, 4, 9)] {
            let once = target(current, wanted, enough, &FREE).1;
            assert_eq!(target(once, wanted, enough, &FREE).1, once);
        }
    }
}
