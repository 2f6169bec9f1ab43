//! The floor of a component at one moment: how many pods the next minutes ask for by the nowcast that `replay` plays,
//! what speaks against taking a raised floor back, and the step that follows from both.
//!
//! Nothing is kept from one moment to the next: the last days of the load are gone through anew each time. A loop that
//! was started a minute ago says what one says that runs for a month.

use jiff::SignedDuration;

use crate::Assessment;
use crate::advise::decide::{stepped, unstepped};
use crate::advise::evidence;
use crate::advise::plan::{Code, Reason};
use crate::advise::reporting::{Spans, fewer};
use crate::advise::sizing::Sizing;
use crate::history::{self, History, MarkKind, SeriesKey, Signal};
use crate::replay::{self, Pods, Scenario};
use crate::service::Component;
use crate::units::{Period, Ratio};

/// How far back the load is gone through: the nowcast remembers seven days, and needs one before to grade itself.
const MEMORY: Period = Period(8 * Period::DAY.0);
/// The days of which the same hours are looked at: all weekdays once.
const DAYS: usize = 7;
/// Less of the quietest of them than this is unlike all of them: the quietest hours of a service differ by less.
const UNLIKE: f64 = 0.1;
/// Steps that the newest sample may be old where a floor is taken back; raising goes by `policy.maxAge`.
const FRESH_STEPS: i64 = 2;

/// What the next minutes ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    /// The fewest pods to have now.
    pub asked: u32,
    /// The most that was asked for within the hold time: no floor is taken back below it.
    pub held: u32,
    /// What forbids to take a floor back; `None`: nothing.
    pub doubt: Option<Reason>,
}

/// The bounds of an autoscaler as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What was in force before the loop raised it; the floor where it did not.
    pub base: u32,
    /// The floor in force.
    pub floor: u32,
    /// The most pods.
    pub ceiling: u32,
}

/// The floor of a component of what was assessed.
///
/// # Errors
///
/// The reason why nothing can be said: then the floor stays as it is.
pub fn floor(a: &Assessment, component: &Component, hold: Period) -> Result<Floor, Reason> {
    let load = load(a)?;
    let recent = seen(load);
    let capacity = a.capacity.get(&component.name).filter(|capacity| capacity.saturated);
    let sizing = Sizing { table: &a.service.tiers, component: &component.name, capacity };
    let each = capacity
        .map(|capacity| capacity.per_replica)
        .or_else(|| by_table(&sizing))
        .ok_or_else(|| Reason {
            code: Code::Capacity,
            message: "neither the table nor a measurement says what a pod serves".to_owned(),
        })?;
    let pods = Pods::at_ease(each, component.start_up, recent.values.first().map_or(0.0, |v| *v));
    let scenario =
        Scenario { load: &recent, calendar: &a.calendar, pods, sizing, scored_from: recent.start };
    let floors = replay::floors(&scenario);
    let too_little = || Reason {
        code: Code::TooLittleHistory,
        message: "too little load was seen to say what comes next".to_owned(),
    };
    let asked = floors.last().copied().flatten().ok_or_else(too_little)?;
    let back = hold.steps(load.step).max(1);
    let most = floors.iter().rev().take(back).flatten().copied().max().unwrap_or(asked);
    Ok(Floor { asked, held: most, doubt: doubt(a, load, hold).err() })
}

/// The load, where it is fresh enough to raise by.
pub(super) fn load(a: &Assessment) -> Result<&History, Reason> {
    let load = evidence(&a.history, &SeriesKey::service(Signal::Load))?;
    let age = a.at.duration_since(load.newest).as_secs();
    let allowed = a.policy.max_age;
    if age <= allowed.0 + load.step.0 {
        return Ok(load);
    }
    let message = format!(
        "the newest sample of `load` is {} old, {allowed} allowed (`policy.maxAge`)",
        Period(age)
    );
    Err(Reason { code: Code::Stale, message })
}

/// The last days, up to the newest sample: steps that are not over, or were not scraped yet, are no gap.
fn seen(load: &History) -> History {
    let mut recent = load.since(load.end() - SignedDuration::from_secs(MEMORY.0));
    let known =
        recent.values.iter().rposition(|value| value.is_finite()).map_or(0, |last| last + 1);
    recent.values.truncate(known);
    let first = recent.values.iter().position(|value| value.is_finite()).unwrap_or(0);
    recent.start = recent.time(first);
    recent.values.drain(..first);
    recent
}

/// What a pod serves by the last row of the table that ends: the load at its end over its most pods.
fn by_table(sizing: &Sizing<'_>) -> Option<f64> {
    let last = sizing.table.rows.iter().filter_map(|row| row.below).next_back()?;
    let most = sizing.replicas(last * (1.0 - 1e-9))?.row_max;
    Some(last / f64::from(most.max(1))).filter(|each| *each > 0.0)
}

/// Whether what was seen shows that less will do: load that is whole, fresh and nobody's limit, and health.
pub(super) fn doubt(a: &Assessment, load: &History, hold: Period) -> Result<(), Reason> {
    // what is shorter than a step shows nothing
    let hold = hold.max(load.step);
    whole(a, load, "load", hold)?;
    let message = match history::peak(load.last(hold)) {
        None => Some(format!("`load` has no sample within the last {hold}")),
        Some(peak) if peak <= 0.0 => Some(format!(
            "`load` was 0 throughout the last {hold}: a metric that stopped counting looks the same"
        )),
        Some(_) => None,
    };
    if let Some(message) = message {
        return Err(Reason { code: Code::Coverage, message });
    }
    if let Some(message) = unlike_all_days(load, hold) {
        return Err(Reason { code: Code::Coverage, message });
    }
    let spans = Spans { recent: hold, whole: Period(Period::DAY.0.max(2 * hold.0)) };
    if let Some(message) = fewer(&a.service, &a.history, spans, a.policy.min_coverage) {
        return Err(Reason { code: Code::Coverage, message });
    }
    let from = load.end() - SignedDuration::from_secs(hold.max(Period::HOUR).0);
    if let Some(mark) = load.marked(MarkKind::Censored, from, load.end()).next() {
        let message = format!("{}: demand may have been higher", mark.why);
        return Err(Reason { code: Code::Censored, message });
    }
    let objectives = &a.service.objectives;
    for (signal, most) in
        [(Signal::ErrorRate, objectives.error_rate.0), (Signal::P99, objectives.p99_s)]
    {
        let health = evidence(&a.history, &SeriesKey::service(signal))?;
        whole(a, health, signal.name(), hold)?;
        let span = hold.max(Period::HOUR);
        if health.last(span).iter().any(|value| *value > most) {
            let message =
                format!("`{}` missed its objective within the last {span}", signal.name());
            return Err(Reason { code: Code::Objectives, message });
        }
    }
    Ok(())
}

/// The sentence that the load is a small part of what it was on every day in the same hours: most of it may not be
/// counted any more. Where it is true it is one of the usual days tomorrow.
fn unlike_all_days(load: &History, hold: Period) -> Option<String> {
    let now = history::peak(load.last(hold))?;
    let (steps, day) = (hold.steps(load.step).max(1), Period::DAY.steps(load.step));
    let before = (1..=DAYS).filter_map(|days| {
        let end = load.values.len().checked_sub(days * day)?;
        history::peak(&load.values[end.saturating_sub(steps)..end])
    });
    // a day on which it stopped is none to go by
    let before = before.filter(|peak| *peak > 0.0);
    let least = before.min_by(f64::total_cmp)?;
    (now < UNLIKE * least).then(|| {
        format!(
            "`load` is {now:.3} rps at most in the last {hold}, and was {least:.1} in the same hours of its quietest of {DAYS} days: a metric that is counted in part looks the same"
        )
    })
}

/// Whether a series is fresh, and whole over the hold time and over the last day.
fn whole(a: &Assessment, series: &History, name: &str, hold: Period) -> Result<(), Reason> {
    let age = a.at.duration_since(series.newest).as_secs();
    if age > FRESH_STEPS * series.step.0 {
        let message = format!("the newest sample of `{name}` is {} old", Period(age));
        return Err(Reason { code: Code::Stale, message });
    }
    let known = seen(series);
    for span in [hold, Period::DAY] {
        let steps = span.steps(series.step).max(1);
        let there = known.values.iter().rev().take(steps).filter(|value| value.is_finite()).count();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = there as f64 / steps as f64;
        if share < a.policy.min_coverage.0 {
            let (share, least) = (Ratio((share * 1000.0).floor() / 1000.0), a.policy.min_coverage);
            let message =
                format!("{least} of the last {span} of `{name}` is needed, {share} is there");
            return Err(Reason { code: Code::Coverage, message });
        }
    }
    Ok(())
}

/// The floor to set next: up as far as one step goes, and down towards the base where nothing speaks against it.
///
/// Never below the base, never above the ceiling, and never down where the loop raised nothing.
#[must_use]
pub fn next(floor: &Floor, bounds: Bounds, max_step: f64) -> u32 {
    let Bounds { base, floor: now, ceiling } = bounds;
    let within = |count: u32| count.min(ceiling).max(base);
    let (asked, held) = (within(floor.asked), within(floor.held.max(floor.asked)));
    let capped = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    if asked > now {
        return asked.min(capped(stepped(now.into(), max_step)));
    }
    if held < now && base < now && floor.doubt.is_none() {
        return held.max(capped(unstepped(now.into(), max_step)));
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(asked: u32, held: u32, doubt: bool) -> Floor {
        let doubt = doubt.then(|| Reason { code: Code::Stale, message: "old".to_owned() });
        Floor { asked, held, doubt }
    }

    fn bounds(base: u32, floor: u32, ceiling: u32) -> Bounds {
        Bounds { base, floor, ceiling }
    }

    #[test]
    fn a_floor_goes_up_at_once_and_no_further_than_a_step_and_the_ceiling() {
        assert_eq!(next(&asks(5, 5, true), bounds(3, 3, 10), 2.0), 5);
        // twice three is six
        assert_eq!(next(&asks(9, 9, false), bounds(3, 3, 10), 2.0), 6);
        assert_eq!(next(&asks(9, 9, false), bounds(3, 6, 8), 2.0), 8);
    }

    #[test]
    fn a_floor_goes_down_only_without_doubt_and_only_to_what_was_asked_for_within_the_hold() {
        assert_eq!(next(&asks(3, 3, true), bounds(3, 6, 10), 2.0), 6);
        assert_eq!(next(&asks(3, 5, false), bounds(3, 6, 10), 2.0), 5);
        // half of nine, rounded up
        assert_eq!(next(&asks(1, 1, false), bounds(3, 9, 10), 2.0), 5);
    }

    #[test]
    fn nothing_goes_below_the_base_and_nothing_that_somebody_else_set_goes_down() {
        assert_eq!(next(&asks(1, 1, false), bounds(3, 4, 10), 2.0), 3);
        assert_eq!(next(&asks(1, 1, false), bounds(7, 7, 10), 2.0), 7);
        // a ceiling below the base is somebody's mistake, and not mended here
        assert_eq!(next(&asks(9, 9, false), bounds(7, 7, 5), 2.0), 7);
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        for asked in 1..12 {
            for base in 1..9 {
                for now in base..12 {
                    let step = |now| next(&asks(asked, asked, false), bounds(base, now, 9), 1e9);
                    assert_eq!(step(step(now)), step(now), "{asked} {base} {now}");
                }
            }
        }
    }
}
