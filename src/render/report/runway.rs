//! When limits are reached, in words: the lines of the table, what was measured, and the values of today.

use jiff::civil::Date;

use super::{ahead, title};
use crate::Assessment;
use crate::advise::plan::{Action, Code, Crossing, Recommendation, Runway};
use crate::render::wording as w;

/// A limit and when it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The limit, as people say it.
    pub name: String,
    /// What it is, and which values of today end with it.
    pub note: String,
    /// The dates.
    pub dates: Runway,
    /// Whether a value of today ends there.
    pub todays: bool,
}

/// Every limit with its dates, soonest first. Values of today that end where a row of the table ends stand in its
/// line: they have one cause and one date.
#[must_use]
pub fn limits(a: &Assessment) -> Vec<Limit> {
    let ending: Vec<(&Recommendation, Runway)> = a
        .plan
        .recommendations
        .iter()
        .filter(|r| r.action != Action::Skipped && r.current.is_some())
        .filter_map(|r| Some((r, r.lasts_until?)))
        .collect();
    let mut limits: Vec<Limit> =
        a.plan.crossings.iter().map(|crossing| line(crossing, &ending)).collect();
    limits.extend(measured(a));
    let alone = ending.iter().filter(|end| !a.plan.crossings.iter().any(|c| ends_with(c, end)));
    limits.extend(alone.map(|(r, dates)| Limit {
        name: value(r),
        note: "today’s value".to_owned(),
        dates: *dates,
        todays: true,
    }));
    limits.sort_by_key(|limit| {
        (limit.dates.p90.unwrap_or(Date::MAX), limit.dates.p50.unwrap_or(Date::MAX))
    });
    limits
}

/// Whether a value of today ends because the row does: sized by the table, and on the row's own dates.
fn ends_with(crossing: &Crossing, (r, dates): &(&Recommendation, Runway)) -> bool {
    let by_row = r.reasons.iter().any(|reason| reason.code == Code::TierRow);
    let inside = crossing.p90.is_some() || crossing.p50.is_some();
    by_row && inside && (crossing.p50, crossing.p90) == (dates.p50, dates.p90)
}

fn value(r: &Recommendation) -> String {
    let current = r.current.map_or_else(String::new, |current| format!(", {current}"));
    format!("{} {}{current}", w::component(&r.component), r.setting.name())
}

fn line(crossing: &Crossing, ending: &[(&Recommendation, Runway)]) -> Limit {
    let with: Vec<String> = ending
        .iter()
        .filter(|end| ends_with(crossing, end))
        .map(|(r, _)| value(r).replace(", ", "\u{a0}"))
        .collect();
    let note = if with.is_empty() {
        "line of the table".to_owned()
    } else {
        format!("line of the table; it asks for more than today’s {}", w::list(&with))
    };
    Limit {
        name: format!("{} tier, from {} rps", crossing.tier, w::boundary(crossing.boundary)),
        note,
        dates: Runway { p50: crossing.p50, p90: crossing.p90 },
        todays: !with.is_empty(),
    }
}

/// What the pods of today sustain by measurement.
fn measured(a: &Assessment) -> Vec<Limit> {
    let Ok(forecast) = &a.forecast else {
        return Vec::new();
    };
    let most = title::largest(a).into_iter();
    let known = most.filter_map(|(component, most)| {
        let capacity = a.capacity.get(component).filter(|capacity| capacity.saturated)?;
        let sustained = capacity.per_replica * f64::from(most);
        Some(Limit {
            name: format!("Today’s maximum, {} rps", w::rps(sustained)),
            note: format!(
                "what {} sustain, measured",
                w::counted(most, &format!("{} pod", w::component(component)))
            ),
            dates: ahead::dates(a, forecast, sustained),
            todays: true,
        })
    });
    known.collect()
}

/// What runs out first, and how long what is recommended lasts.
#[must_use]
pub fn answer(a: &Assessment, limits: &[Limit]) -> String {
    let Some(first) = limits.first() else {
        return "No limit has a date: there is no forecast to hold it against.".to_owned();
    };
    if !limits.iter().any(|limit| limit.todays) {
        return format!(
            "No limit of today is known. The next line of the table is {}: {}.",
            first.name,
            said(a, first.dates)
        );
    }
    let Some(early) = first.dates.p90 else {
        return format!("Nothing runs out before {}, at odds of 9 in 10.", w::outlook_end(a));
    };
    let now = if w::already(a, first.dates) {
        format!("Already: {}.", first.name)
    } else {
        let day = w::capital(&w::day_or_after(a, Some(early)));
        let even = limits.iter().filter_map(|limit| limit.dates.p50).min();
        let even = even.map_or_else(
            || format!("At even odds nothing runs out before {}.", w::outlook_end(a)),
            |even| {
                format!("At even odds the first date is {}{}.", w::day(even), ahead::cause(a, even))
            },
        );
        format!("First {day}, at odds of 1 in 10: {}. {even}", first.name)
    };
    ahead::recommended(a).map_or(now.clone(), |then| format!("{now} {then}"))
}

fn said(a: &Assessment, dates: Runway) -> String {
    let (early, even) = w::dates(a, dates);
    if early == even { early } else { format!("1 in 10 {early}, even odds {even}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::fixture;

    #[test]
    fn what_ends_with_a_row_stands_in_its_line_and_what_was_measured_in_one_of_its_own() {
        let a = fixture::assessment();
        let limits = limits(&a);
        let high = limits.iter().find(|limit| limit.name.starts_with("High tier")).unwrap();
        for value in ["API minReplicas\u{a0}3", "Redis memory\u{a0}512Mi", "Worker replicas\u{a0}3"]
        {
            assert!(high.note.contains(value), "{}", high.note);
        }
        let pods = limits.iter().find(|limit| limit.name.starts_with("Today’s maximum")).unwrap();
        // 5 pods sustain more than the 50 rps at which the row ends, so they last at least as long
        assert!(pods.dates.p90.unwrap_or(Date::MAX) >= high.dates.p90.unwrap(), "{pods:?}");
        assert_eq!(limits.iter().filter(|limit| limit.dates == high.dates).count(), 1);
    }

    #[test]
    fn without_a_value_of_today_the_page_does_not_say_that_nothing_runs_out() {
        let mut a = fixture::assessment();
        for r in &mut a.plan.recommendations {
            (r.action, r.current, r.lasts_until) = (Action::Skipped, None, None);
        }
        let said = answer(&a, &limits(&a));
        assert!(said.starts_with("No limit of today is known. "), "{said}");
    }

    #[test]
    fn a_limit_that_is_reached_today_is_reached_already() {
        let mut a = fixture::assessment();
        let today = Some(w::today(&a));
        a.plan.crossings[0].p90 = today;
        a.plan.crossings[0].p50 = today;
        assert!(answer(&a, &limits(&a)).starts_with("Already: High tier, from 50 rps."));
        assert_eq!(w::dates(&a, Runway { p50: today, p90: today }).0, "already");
        assert_eq!(w::dates(&a, Runway { p50: None, p90: today }).0, "today");
    }
}
