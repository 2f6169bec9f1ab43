//! Guards of time: the plan's age, its settings, freezes, the cool-down.

use super::{Checked, Situation, no};
use crate::apply::floor::Moved;
use crate::apply::{annotation, noted};
use crate::units::Period;

/// How far the clock of who made the plan may be ahead of ours.
const AHEAD: Period = Period(120);

pub(super) fn plan_age(s: &Situation<'_>) -> Checked {
    let (age, most) = (s.now.duration_since(s.plan.0).as_secs(), s.rules.max_plan_age);
    if age < -AHEAD.0 {
        return no(
            format!("the plan is of {}, which is yet to come", s.plan.0),
            "make it again with `plimsoll plan -o json`",
        );
    }
    if age > most.0 {
        let message = format!("the plan is {} old, {most} is allowed", Period(age));
        return no(message, "make it again, or set `policy.maxPlanAge`");
    }
    Ok(())
}

pub(super) fn settings(s: &Situation<'_>) -> Checked {
    if s.plan.1 == s.settings {
        return Ok(());
    }
    let message = format!("the plan was made with settings {}, these are {}", s.plan.1, s.settings);
    no(message, "make the plan again with `plimsoll plan -o json`")
}

pub(super) fn freeze(s: &Situation<'_>) -> Checked {
    match s.rules.freeze.iter().find(|freeze| freeze.when.holds(s.now, s.zone)) {
        None => Ok(()),
        Some(freeze) => no(
            format!("changes are frozen: {}", freeze.name),
            "wait for its end, or change `policy.freeze`",
        ),
    }
}

/// A floor that the loop raised stands for a while before it is taken back.
fn held(s: &Situation<'_>, floor: &Moved) -> Checked {
    let Some(last) = floor.last else {
        return no("the loop did not raise this floor", "set it by hand");
    };
    if s.now.duration_since(last).as_secs() >= floor.hold.0 {
        return Ok(());
    }
    no(
        format!("the loop moved it at {last}, and keeps it for {}", floor.hold),
        "wait, or set `run.hold`",
    )
}

/// A count may be raised within it during a Severity 2: then waiting is what harms.
pub(super) fn cooldown(s: &Situation<'_>) -> Checked {
    if s.in_severity2() && s.only_raises_counts() {
        return Ok(());
    }
    let mut last = s.last_change;
    for key in [annotation::APPLIED_AT, annotation::ROLLED_BACK_AT] {
        match s.object().map_or(Ok(None), |object| noted(object, key)) {
            Ok(at) => last = last.max(at),
            Err(why) => return no(why, format!("remove the annotation `{key}`")),
        }
    }
    if let Some(floor) = s.floor
        && !s.only_raises_counts()
    {
        held(s, floor)?;
    }
    let Some(last) = last else { return Ok(()) };
    let (age, alone) = (s.now.duration_since(last).as_secs(), s.rules.cooldown);
    if age >= alone.0 {
        return Ok(());
    }
    let until = last + jiff::SignedDuration::from_secs(alone.0);
    no(
        format!("it was changed by us at {last}, and is left alone for {alone}"),
        format!("run it again after {until}, or set `policy.cooldown`"),
    )
}
