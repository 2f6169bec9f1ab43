//! Guards of time: the plan's age, its settings, freezes, the cool-down.

use jiff::Timestamp;

use super::{Checked, Situation, no};
use crate::apply::floor::Moved;
use crate::apply::{Write, annotation, changes, noted};
use crate::service::owner;
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
    let last = past(s, last);
    if s.now.duration_since(last).as_secs() >= floor.hold.0 {
        return Ok(());
    }
    no(
        format!("the loop moved it at {last}, and keeps it for {}", floor.hold),
        "wait, or set `run.hold`",
    )
}

/// A time of ours that is yet to come was written by a clock that was wrong, and would hold an object for as long: then
/// the server's word counts on when we wrote it last, and where there is none, now.
fn past(s: &Situation<'_>, at: Timestamp) -> Timestamp {
    if at <= s.now {
        return at;
    }
    s.object().and_then(owner::written).map_or(s.now, |written| written.min(s.now))
}

/// What failed once, or a person undid, the loop leaves to people: it would go on for ever otherwise.
pub(super) fn taken_back(s: &Situation<'_>) -> Checked {
    let Some(object) = s.object().filter(|_| s.unattended && s.floor.is_none()) else {
        return Ok(());
    };
    for one in changes(object, annotation::TAKEN_BACK) {
        let Ok((from, to)) = one.amounts() else { continue };
        let (from, to) = (from.figure(), to.figure());
        let as_far = |now: u64| if to > from { now >= to } else { now <= to };
        let again = |write: &&Write| write.path.to_string() == one.field;
        if s.writes.iter().find(again).is_some_and(|write| as_far(write.to.figure())) {
            let at = object["metadata"]["annotations"][annotation::ROLLED_BACK_AT].as_str();
            let at = at.unwrap_or("some time");
            return no(
                format!("`{}` was {} and taken back at {at}", one.field, one.to),
                format!(
                    "`plimsoll apply --yes` does it by your word; or remove the annotation `{}`",
                    annotation::TAKEN_BACK
                ),
            );
        }
    }
    Ok(())
}

/// A count may be raised within it during a Severity 2, and a floor by the loop at any time: then waiting is what harms.
pub(super) fn cooldown(s: &Situation<'_>) -> Checked {
    if (s.in_severity2() || s.floor.is_some()) && s.only_raises_counts() {
        return Ok(());
    }
    let mut last = s.last_change;
    for key in [annotation::APPLIED_AT, annotation::ROLLED_BACK_AT] {
        match s.object().map_or(Ok(None), |object| noted(object, key)) {
            Ok(at) => last = last.max(at),
            Err(why) => return no(why, format!("remove the annotation `{key}`")),
        }
    }
    if let Some(floor) = s.floor {
        held(s, floor)?;
    }
    let Some(last) = last.map(|last| past(s, last)) else { return Ok(()) };
    let (age, alone) = (s.now.duration_since(last).as_secs(), s.rules.cooldown);
    if age >= alone.0 {
        return Ok(());
    }
    let until = last + jiff::SignedDuration::from_secs(alone.0);
    no(
        format!("it was changed by us at {last:.0}, and is left alone for {alone}"),
        format!("run it again after {until:.0}, or set `policy.cooldown`"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apply::guard::scene::Scene;

    #[test]
    fn the_loop_raises_a_floor_within_the_cool_down_and_lowers_none() {
        let within = |from, to, is_floor: bool| {
            let mut scene = Scene::workers(from, to);
            let ago = scene.now - jiff::SignedDuration::from_mins(5);
            if let Some(object) = &mut scene.found.object {
                object["metadata"]["annotations"] =
                    json!({annotation::APPLIED_AT: ago.to_string()});
            }
            let long_ago = Some(ago - jiff::SignedDuration::from_hours(2));
            let moved = Moved { base: 2, last: long_ago, hold: Period(60), doubt: None };
            scene.floor = Some(moved).filter(|_| is_floor);
            scene.says(cooldown)
        };
        assert_eq!(within(3, 6, true), None);
        for (from, to, is_floor) in [(6, 3, true), (3, 6, false), (6, 3, false)] {
            let said = within(from, to, is_floor).unwrap_or_default();
            assert!(said.contains("left alone for 30m"), "{from} -> {to}: {said}");
        }
    }
}
