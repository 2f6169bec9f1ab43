//! The local clock: history and forecast laid out so that a day always has the same number of steps.
//!
//! People live by the clock on the wall, and so does load. A series is therefore laid out by local
//! time: where the clock is put forward a step of the grid stays empty, where it is put back two
//! values meet on one step and the higher stays. On this grid "yesterday" is simply one day of
//! steps ago, and daylight saving is no concern of any member.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::members::Seasons;
use crate::history::{History, Mark, MarkKind};
use crate::service::{Calendar, Event};
use crate::units::Period;

/// A history on the local clock.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    pub seasons: Seasons,
    /// Position within the week of the first step.
    pub phase: usize,
    /// What may be learnt from; NaN elsewhere.
    pub seen: Vec<f64>,
    /// Lower bounds of demand at censored steps; NaN elsewhere.
    pub bounds: Vec<f64>,
    /// For each forecast step of real time, its distance from the end of the grid.
    pub ahead: Vec<usize>,
}

impl Grid {
    /// Lays out `load` and the `steps` after its end.
    pub(super) fn new(load: &History, calendar: &Calendar, steps: usize) -> Self {
        let seasons = Seasons::new(Period::DAY.steps(load.step).max(1));
        let n = load.values.len();
        let clock = local_steps(load, &calendar.zone, n + steps);
        let first = clock.first().copied().unwrap_or(0);
        let at = |i: usize| usize::try_from(clock[i] - first).unwrap_or(0);
        let length = (0..n).map(at).max().map_or(0, |last| last + 1);
        let mut seen = vec![f64::NAN; length];
        let mut bounds = seen.clone();
        for (i, kind) in kinds(load, calendar).into_iter().enumerate() {
            match kind {
                // `f64::max` prefers the number to NaN
                Lesson::Demand => seen[at(i)] = seen[at(i)].max(load.values[i]),
                Lesson::Bound => bounds[at(i)] = bounds[at(i)].max(load.values[i]),
                Lesson::None => {}
            }
        }
        let week = i64::try_from(seasons.week()).unwrap_or(1);
        Self {
            seasons,
            phase: usize::try_from(first.rem_euclid(week)).unwrap_or(0),
            seen,
            bounds,
            ahead: (n..n + steps).map(|i| at(i).saturating_sub(length)).collect(),
        }
    }

    /// Steps of the grid to forecast so that every step of real time finds its own.
    pub(super) fn reach(&self) -> usize {
        self.ahead.iter().max().map_or(0, |last| last + 1)
    }
}

/// What a step of history teaches.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lesson {
    Demand,
    Bound,
    None,
}

/// The values of `load` that are plain demand; NaN for gaps and whatever a mark or an event explains.
pub(super) fn demand(load: &History, calendar: &Calendar) -> Vec<f64> {
    let plain = |(kind, &value)| {
        if kind == Lesson::Demand { value } else { f64::NAN }
    };
    kinds(load, calendar).into_iter().zip(&load.values).map(plain).collect()
}

fn kinds(load: &History, calendar: &Calendar) -> Vec<Lesson> {
    let mut kinds = vec![Lesson::Demand; load.values.len()];
    let mut set = |from: Timestamp, to: Timestamp, lesson| {
        for kind in &mut kinds[touched(load, from, to)] {
            // nothing is learnt where one mark says so, whatever the others say
            if *kind != Lesson::None {
                *kind = lesson;
            }
        }
    };
    for Mark { from, to, kind, .. } in &load.marks {
        match kind {
            MarkKind::Masked => set(*from, *to, Lesson::None),
            MarkKind::Censored => set(*from, *to, Lesson::Bound),
            MarkKind::Gap | MarkKind::Changed => {}
        }
    }
    for Event { from, to, .. } in &calendar.events {
        set(*from, *to, Lesson::None);
    }
    kinds
}

/// The steps that share at least a moment with the span.
fn touched(load: &History, from: Timestamp, to: Timestamp) -> std::ops::Range<usize> {
    let seconds = |at: Timestamp| at.as_second() - load.start.as_second();
    let clamp =
        |step: i64| usize::try_from(step.max(0)).unwrap_or(usize::MAX).min(load.values.len());
    let begin = clamp(seconds(from).div_euclid(load.step.0));
    let end = clamp((seconds(to) + load.step.0 - 1).div_euclid(load.step.0));
    begin..end.max(begin)
}

/// For `count` steps from the start of `load`: whole steps of local time since the epoch.
fn local_steps(load: &History, zone: &TimeZone, count: usize) -> Vec<i64> {
    let (start, step) = (load.start.as_second(), load.step.0);
    let mut changes = zone.following(load.start).peekable();
    let mut offset = i64::from(zone.to_offset(load.start).seconds());
    let mut at = start;
    (0..count)
        .map(|_| {
            while let Some(change) = changes.next_if(|change| change.timestamp().as_second() <= at)
            {
                offset = i64::from(change.offset().seconds());
            }
            let local = (at + offset).div_euclid(step);
            at += step;
            local
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hourly(start: &str, values: Vec<f64>) -> History {
        let start: Timestamp = start.parse().unwrap();
        History { start, step: Period::HOUR, values, marks: Vec::new(), newest: start }
    }

    fn berlin(events: Vec<Event>) -> Calendar {
        Calendar { zone: TimeZone::get("Europe/Berlin").unwrap(), events }
    }

    #[test]
    fn the_hour_that_spring_skips_stays_empty() {
        // 2026-03-29 01:00 UTC: local 02:00 becomes 03:00
        let grid =
            Grid::new(&hourly("2026-03-29T00:00:00Z", vec![1.0, 2.0, 3.0]), &berlin(vec![]), 2);
        assert_eq!(grid.seen.len(), 4);
        assert!(grid.seen[1].is_nan());
        assert_eq!([grid.seen[0], grid.seen[2], grid.seen[3]], [1.0, 2.0, 3.0]);
        assert_eq!(grid.ahead, [0, 1]);
    }

    #[test]
    fn the_hour_that_autumn_repeats_keeps_its_higher_value() {
        // 2026-10-25 01:00 UTC: local 03:00 becomes 02:00 again
        let grid =
            Grid::new(&hourly("2026-10-25T00:00:00Z", vec![7.0, 2.0, 3.0]), &berlin(vec![]), 1);
        assert_eq!(grid.seen, [7.0, 3.0]);
    }

    #[test]
    fn a_forecast_over_the_repeated_hour_uses_the_same_step_twice() {
        let grid = Grid::new(&hourly("2026-10-24T23:00:00Z", vec![1.0]), &berlin(vec![]), 4);
        // local 01:00 seen; then 02:00, 02:00 again, 03:00, 04:00
        assert_eq!(grid.ahead, [0, 0, 1, 2]);
        assert_eq!(grid.reach(), 3);
    }

    #[test]
    fn a_mark_within_a_step_covers_that_step() {
        let mut load = hourly("2026-01-05T00:00:00Z", vec![1.0, 2.0, 3.0]);
        load.marks = vec![Mark {
            from: "2026-01-05T01:20:00Z".parse().unwrap(),
            to: "2026-01-05T01:40:00Z".parse().unwrap(),
            kind: MarkKind::Censored,
            why: String::new(),
        }];
        let grid = Grid::new(&load, &berlin(vec![]), 1);
        assert!(grid.seen[1].is_nan());
        assert_eq!(grid.bounds[1], 2.0);
        assert_eq!([grid.seen[0], grid.seen[2]], [1.0, 3.0]);
    }

    #[test]
    fn a_past_event_is_not_learnt_from_even_where_load_was_censored() {
        let mut load = hourly("2026-01-05T00:00:00Z", vec![1.0, 2.0]);
        let (from, to) = (load.start, load.end());
        load.marks = vec![Mark { from, to, kind: MarkKind::Censored, why: String::new() }];
        let event = Event { name: "launch".to_owned(), from, to, multiply: 2.0, like: None };
        let grid = Grid::new(&load, &berlin(vec![event]), 1);
        assert!(grid.seen.iter().chain(&grid.bounds).all(|value| value.is_nan()));
    }
}
