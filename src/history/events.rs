//! Events whose factor is what it was last time: the load in the newest earlier event of the series, as a share of
//! what the same hours of the weeks around it brought.

use super::History;
use crate::service::{Calendar, Event, Like};
use crate::units::Period;

/// How many weeks away from an event is looked for what is usual.
const WEEKS: usize = 4;
/// Share of an event's steps that must have been seen, with what is usual for them, for it to tell a factor.
const TOLD_MIN: f64 = 0.5;

/// The calendar with the factors of its series filled in, as far as `load` tells; a factor that nothing tells stays 1.
#[must_use]
pub fn as_last_time(calendar: &Calendar, load: &History) -> Calendar {
    let told = |event: &Event| {
        let like = event.like.as_ref()?;
        let last = last(calendar, &like.series, event)?;
        let multiply = factor(load, calendar, last)?;
        let like = Like { last: Some((last.name.clone(), last.from)), ..like.clone() };
        Some(Event { multiply, like: Some(like), ..event.clone() })
    };
    let events = calendar.events.iter().map(|event| told(event).unwrap_or(event.clone()));
    Calendar { events: events.collect(), ..calendar.clone() }
}

/// The newest event of the same name that is over when `event` begins, else the newest of the same series.
fn last<'a>(calendar: &'a Calendar, series: &str, event: &Event) -> Option<&'a Event> {
    let same = |other: &&Event| {
        other.name == series || other.like.as_ref().is_some_and(|like| like.series == series)
    };
    let over = || calendar.events.iter().filter(|other| other.to <= event.from).filter(same);
    let namesake = over().filter(|other| other.name == event.name).max_by_key(|other| other.to);
    namesake.or_else(|| over().max_by_key(|other| other.to))
}

/// How the load in an event stood to that of the same hours in the weeks around it; `None` where too little was seen.
#[expect(clippy::cast_precision_loss, reason = "a share")]
fn factor(load: &History, calendar: &Calendar, event: &Event) -> Option<f64> {
    // an event that is not over tells nothing yet
    if event.to > load.end() {
        return None;
    }
    let steps = load.span(event.from, event.to);
    let all = steps.len();
    let pairs: Vec<(f64, f64)> = steps
        .filter_map(|step| Some((load.values[step], usual(load, calendar, step)?)))
        .filter(|(seen, _)| seen.is_finite())
        .collect();
    if all == 0 || (pairs.len() as f64) < TOLD_MIN * all as f64 {
        return None;
    }
    let (seen, usual) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    // as people write a factor, and inside what they may
    (usual > 0.0).then(|| ((seen / usual * 100.0).round() / 100.0).clamp(0.01, 100.0))
}

/// The same moment in the nearest weeks without an event: before and after it, so that growth tells nothing of the
/// event, or where it is too young for that, before it alone.
fn usual(load: &History, calendar: &Calendar, step: usize) -> Option<f64> {
    let week = Period::WEEK.steps(load.step);
    let plain = |step: usize| {
        let at = load.time(step);
        let value = load.values.get(step).copied().filter(|value| value.is_finite())?;
        calendar.events.iter().all(|event| at < event.from || event.to <= at).then_some(value)
    };
    let before = |weeks: usize| plain(step.checked_sub(weeks * week)?);
    let around = |weeks: usize| Some(f64::midpoint(before(weeks)?, plain(step + weeks * week)?));
    (1..=WEEKS).find_map(around).or_else(|| (1..=WEEKS).find_map(before))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss)]
    use super::*;
    use jiff::tz::TimeZone;
    use jiff::{SignedDuration, Timestamp};

    const DAY: i64 = 86_400;

    fn day(number: i64) -> Timestamp {
        let first: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        first + SignedDuration::from_secs(number * DAY)
    }

    /// Five weeks in hours: 10 by night and 30 by day, three times that on day 30.
    fn load() -> History {
        let value = |hour: i64| {
            let usual = if hour % 24 < 8 { 10.0 } else { 30.0 };
            if hour / 24 == 30 { 3.0 * usual } else { usual }
        };
        History {
            start: day(0),
            step: Period::HOUR,
            values: (0..35 * 24).map(value).collect(),
            marks: Vec::new(),
            newest: day(35),
        }
    }

    fn sale(number: i64, series: Option<&str>) -> Event {
        let like = series.map(|series| Like { series: series.to_owned(), last: None });
        Event {
            name: "sale".to_owned(),
            from: day(number),
            to: day(number + 1),
            multiply: 1.0,
            like,
        }
    }

    /// The factor of the last event.
    fn told(events: Vec<Event>, load: &History) -> f64 {
        let calendar = Calendar { zone: TimeZone::UTC, events };
        as_last_time(&calendar, load).events.last().unwrap().multiply
    }

    #[test]
    fn an_event_is_expected_to_be_what_the_last_of_its_name_was() {
        assert!((told(vec![sale(30, None), sale(40, Some("sale"))], &load()) - 3.0).abs() < 1e-12);
        // a week before it with a sale in it says nothing of what is usual
        let twice = vec![sale(23, None), sale(30, None), sale(40, Some("sale"))];
        let mut busy = load();
        busy.values[23 * 24..24 * 24].iter_mut().for_each(|value| *value *= 5.0);
        assert!((told(twice, &busy) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn growth_is_no_event() {
        let mut growing = load();
        let grown = |hour: usize| 1.0 + 0.01 * hour as f64 / 24.0;
        growing.values.iter_mut().enumerate().for_each(|(hour, value)| *value *= grown(hour));
        let events = vec![sale(25, None), sale(40, Some("sale"))];
        // a straight line is at a moment what it is on average a week before and after it
        assert!((told(events, &growing) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_nothing_tells_stays_one() {
        assert_eq!(told(vec![sale(40, Some("sale"))], &load()), 1.0);
        assert_eq!(told(vec![sale(30, None), sale(40, Some("fair"))], &load()), 1.0);
        // an event that is still going on, and one of which most was not seen
        assert_eq!(told(vec![sale(34, None), sale(40, Some("sale"))], &load().until(day(34))), 1.0);
        let mut gone = load();
        gone.values[30 * 24..30 * 24 + 13].fill(f64::NAN);
        assert_eq!(told(vec![sale(30, None), sale(40, Some("sale"))], &gone), 1.0);
    }
}
