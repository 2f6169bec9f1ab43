//! What is ahead: the events that the settings name, and how long the recommended values hold.

use std::cmp::Ordering;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::Assessment;
use crate::advise::plan::{Action, Amount, Runway, Setting};
use crate::advise::reached;
use crate::advise::sizing::Sizing;
use crate::forecast::Forecast;
use crate::render::wording as w;
use crate::service::{Component, Event};

/// An event inside the outlook, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// Its name.
    pub name: String,
    /// Its days and its factor.
    pub when: String,
    /// Its peak at even odds, in rps.
    pub expected: String,
    /// The load that its peak stays under in 95 % of futures, in rps.
    pub high: String,
    /// Whether the recommended values are enough for that load.
    pub holds: String,
}

/// The events inside the outlook, soonest first; empty without a forecast.
#[must_use]
pub fn events(a: &Assessment) -> Vec<Ahead> {
    let Ok(forecast) = &a.forecast else {
        return Vec::new();
    };
    let mut events: Vec<&Event> = ahead(a).collect();
    events.sort_by_key(|event| event.from);
    events.into_iter().filter_map(|event| of(a, forecast, event)).collect()
}

fn ahead(a: &Assessment) -> impl Iterator<Item = &Event> {
    let end = a.at + SignedDuration::from_secs(a.policy.outlook.0);
    a.calendar.events.iter().filter(move |event| event.to > a.at && event.from < end)
}

fn of(a: &Assessment, forecast: &Forecast, event: &Event) -> Option<Ahead> {
    let step = |at: Timestamp| {
        let steps = at.duration_since(forecast.start).as_secs() / forecast.step.0;
        usize::try_from(steps).unwrap_or(0).min(forecast.quantiles.len())
    };
    let (first, end) = (step(event.from), step(event.to));
    if first >= end {
        return None;
    }
    let peak = forecast.peak(first..end);
    let day = |at: Timestamp| w::day(at.to_zoned(a.calendar.zone.clone()).date());
    let (from, to) = (day(event.from), day(event.to - SignedDuration::from_secs(1)));
    let days = if from == to { from } else { format!("{from} to {to}") };
    Some(Ahead {
        name: w::sentence(&event.name),
        when: format!("{days}, {}", event.effect(&a.calendar.zone)),
        expected: w::rps(peak.quantile(0.5)),
        high: w::rps(peak.quantile(0.95)),
        holds: holds(a, peak.quantile(0.95)),
    })
}

/// What the next event is expected to bring, for the first screen.
#[must_use]
pub fn lead(a: &Assessment) -> Option<String> {
    let next = events(a).into_iter().next()?;
    let then = if next.holds.is_empty() {
        String::new()
    } else {
        format!(" Of what is recommended, {}.", next.holds)
    };
    Some(format!(
        "{} ({}) is expected to peak at **{} rps**; 95\u{202f}% of futures stay under {}.{then}",
        next.name, next.when, next.expected, next.high
    ))
}

/// The event in which a date falls, as words behind it: `, when product launch begins`; else nothing.
#[must_use]
pub fn cause(a: &Assessment, date: Date) -> String {
    let local = |at: Timestamp| at.to_zoned(a.calendar.zone.clone()).date();
    let found = ahead(a).filter(|event| event.multiply > 1.0).find(|event| {
        (local(event.from)..=local(event.to - SignedDuration::from_secs(1))).contains(&date)
    });
    match found {
        Some(event) if local(event.from) == date => format!(", when {} begins", event.name),
        Some(event) => format!(", in {}", event.name),
        None => String::new(),
    }
}

/// The value of a setting that the load moves once the advice is followed: the target, else what is in force.
fn advised(a: &Assessment, component: &Component) -> Option<Amount> {
    let wanted = if component.memory {
        [Setting::Memory].as_slice()
    } else {
        [Setting::MaxReplicas, Setting::Replicas].as_slice()
    };
    let found = wanted.iter().find_map(|setting| {
        let of = |r: &&crate::advise::plan::Recommendation| {
            r.component == component.name && r.setting == *setting
        };
        a.plan.recommendations.iter().find(of)
    })?;
    if found.action == Action::Skipped { found.current } else { found.target }
}

fn sizing<'a>(a: &'a Assessment, component: &'a Component) -> Sizing<'a> {
    Sizing {
        table: &a.service.tiers,
        component: &component.name,
        capacity: a.capacity.get(&component.name),
    }
}

/// What `load` rps asks of a component, in the unit of its advised value.
fn asked(sizing: &Sizing<'_>, load: f64, value: Amount) -> Option<Amount> {
    match value {
        Amount::Count(_) => sizing.replicas(load).map(|asked| Amount::Count(asked.need)),
        Amount::Bytes(_) => sizing.memory(load).map(Amount::Bytes),
        Amount::Cpu(_) => None,
    }
}

/// An advised value with its component: `10 API pods`, `Redis memory of 1Gi`.
fn named(component: &Component, value: Amount) -> String {
    let name = w::component(&component.name);
    match value {
        Amount::Count(count) => w::counted(count, &format!("{name} pod")),
        other => format!("{name} memory of {other}"),
    }
}

/// Whether the advised values are what `load` asks for, component by component.
fn holds(a: &Assessment, load: f64) -> String {
    let said = a.service.components.iter().filter_map(|component| {
        let value = advised(a, component)?;
        let asked = asked(&sizing(a, component), load, value)?;
        let verb = if matches!(value, Amount::Count(2..)) { "are" } else { "is" };
        let verdict = match asked.figure().cmp(&value.figure()) {
            Ordering::Greater => format!("**{verb} not enough ({asked} needed)**"),
            Ordering::Equal => format!("{verb} just enough"),
            Ordering::Less => format!("{verb} enough ({asked} needed)"),
        };
        Some(format!("{} {verdict}", named(component, value)))
    });
    w::list(&said.collect::<Vec<_>>())
}

/// How long the raised values last, by the load alone; `None` where none is raised.
#[must_use]
pub fn recommended(a: &Assessment) -> Option<String> {
    let forecast = a.forecast.as_ref().ok()?;
    let raised = |component: &&Component| {
        let of = |r: &crate::advise::plan::Recommendation| {
            r.component == component.name
                && r.action == Action::Raise
                && r.setting != Setting::MinReplicas
        };
        a.plan.recommendations.iter().any(of)
    };
    let ends = a.service.components.iter().filter(raised).filter_map(|component| {
        let value = advised(a, component)?;
        let sizing = sizing(a, component);
        let fits =
            |load| asked(&sizing, load, value).is_none_or(|asked| asked.figure() <= value.figure());
        let dates = sizing
            .lasts_to(fits)
            .map_or(Runway { p50: None, p90: None }, |level| dates(a, forecast, level));
        Some((dates, named(component, value)))
    });
    let mut ends: Vec<(Runway, String)> = ends.collect();
    ends.sort_by_key(|(dates, _)| (dates.p90.unwrap_or(Date::MAX), dates.p50.unwrap_or(Date::MAX)));
    let (first, name) = ends.first()?;
    Some(match first.p90 {
        None => format!(
            "With what is recommended, nothing that the load moves runs out before {}, at 9 in 10.",
            w::outlook_end(a)
        ),
        Some(early) => format!(
            "With what is recommended, {name} would be the first to be too small: 1 in 10 by {}{}, even odds {}.",
            w::day_or_after(a, Some(early)),
            cause(a, early),
            w::day_or_after(a, first.p50)
        ),
    })
}

/// The dates at which the load reaches `level` rps.
#[must_use]
pub fn dates(a: &Assessment, forecast: &Forecast, level: f64) -> Runway {
    let peak = forecast.peak(0..a.policy.horizon.steps(forecast.step));
    let end = a.at + SignedDuration::from_secs(a.policy.horizon.0);
    reached(forecast, (&peak, end), &a.calendar.zone, level)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::fixture;

    #[test]
    fn the_launch_is_told_with_its_peak_and_whether_the_advice_holds() {
        let a = fixture::assessment();
        let [launch] = events(&a).try_into().unwrap();
        assert_eq!(launch.name, "Product launch");
        assert_eq!(launch.when, "Tue 1 Dec to Thu 3 Dec, load × 1.8");
        // last week peaked at 46 rps; 1.8 times that is over the 50 rps of High and under its 200
        let [expected, high] = [&launch.expected, &launch.high].map(|s| s.parse::<f64>().unwrap());
        assert!((60.0..high).contains(&expected) && high < 200.0, "{launch:?}");
        assert!(launch.holds.contains("10 API pods are enough"), "{launch:?}");
    }

    #[test]
    fn fewer_pods_than_the_launch_needs_are_called_not_enough() {
        let mut a = fixture::assessment();
        for r in a.plan.recommendations.iter_mut().filter(|r| r.setting == Setting::MaxReplicas) {
            (r.target, r.action) = (Some(Amount::Count(5)), Action::Keep);
        }
        assert!(
            holds(&a, 90.0).starts_with("5 API pods **are not enough ("),
            "{}",
            holds(&a, 90.0)
        );
    }

    #[test]
    fn a_date_inside_an_event_names_it_and_no_other_does() {
        use jiff::civil::date;
        let a = fixture::assessment();
        assert_eq!(cause(&a, date(2026, 12, 1)), ", when product launch begins");
        assert_eq!(cause(&a, date(2026, 12, 3)), ", in product launch");
        assert_eq!(cause(&a, date(2026, 12, 4)), "");
        // the campaign is past
        assert_eq!(cause(&a, date(2026, 11, 4)), "");
    }

    #[test]
    fn without_a_forecast_nothing_is_said_of_events() {
        assert_eq!(events(&fixture::empty()), []);
        assert_eq!((lead(&fixture::empty()), recommended(&fixture::empty())), (None, None));
    }
}
