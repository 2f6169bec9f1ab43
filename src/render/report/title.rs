//! The verdict of a review in words: its title, and the sentences under it.

use jiff::civil::Date;

use super::verdict::{acted, components, first_need};
use crate::Assessment;
use crate::advise::plan::{Action, Code, Setting};
use crate::render::wording as w;
use crate::tiers::Tier;

/// The verdict, a sentence somebody can say aloud.
#[must_use]
pub fn title(a: &Assessment) -> String {
    let name = &a.service.name;
    let Some(load) = &a.plan.load else {
        return format!("No advice for {name}: its load is not known.");
    };
    if a.plan.findings.iter().any(|finding| finding.code == Code::BeyondTable) {
        return format!("Extend the table of {name}: the load goes past its last row.");
    }
    let (raises, lowers) = (acted(a, Action::Raise), acted(a, Action::Lower));
    if !raises.is_empty() {
        let by = |date: Option<Date>| {
            date.map_or_else(String::new, |date| format!(" {}", w::deadline(a, date)))
        };
        let tiers = &a.service.tiers;
        if tiers.index(load.planning) > tiers.index(load.observed_peak) {
            let row = &tiers.row(load.planning).name;
            // the day the row is entered; what is too small today already is said beside it
            let entered = a.plan.crossings.iter().find(|next| next.tier == *row);
            return format!("Move {name} up to the {row} row{}.", by(entered.and_then(|c| c.p90)));
        }
        let by = by(first_need(&raises));
        return match components(&raises).as_slice() {
            few @ ([_] | [_, _]) => format!("Raise {} of {name}{by}.", w::list(few)),
            _ => format!("Give {name} more room{by}."),
        };
    }
    if !lowers.is_empty() {
        return format!("Lower {} of {name}.", w::list(&components(&lowers)));
    }
    let skipped = acted(a, Action::Skipped).len();
    if skipped == a.plan.recommendations.len() {
        return format!("No advice for {name} this week.");
    }
    format!("Leave {name} as it is this week.")
}

/// Two or three sentences under the title: the planning load, and what it goes over or stays under.
#[must_use]
pub fn lead(a: &Assessment) -> String {
    let Some(load) = &a.plan.load else {
        let reasons: Vec<String> = a.plan.reasons.iter().map(|r| w::sentence(&r.message)).collect();
        let why = if reasons.is_empty() {
            a.forecast.as_ref().err().map(|why| why.message.clone()).unwrap_or_default()
        } else {
            reasons.join(". ")
        };
        return format!(
            "{}. Every setting stays as it is; nothing is lowered for want of data.",
            w::sentence(&why)
        );
    };
    let what = match a.policy.horizon.0 {
        604_800 => "This week’s peak".to_owned(),
        seconds => format!("The peak of the next {}", w::window(seconds)),
    };
    let row = a.service.tiers.row(load.planning);
    let over = over(a, load.planning);
    let place = if over.is_empty() {
        format!("That is inside {} ({}).", row.name, range(row))
    } else {
        format!("That is over {}.", w::list(&over))
    };
    let risk = w::odds(a.policy.risk);
    let late = too_small(a);
    let late = match late.len() {
        0 => String::new(),
        1 => format!(" {} is too small today already.", late[0]),
        _ => format!(" {} are too small today already.", w::list(&late)),
    };
    format!(
        "{what} is planned at **{} rps**, with a {risk} chance of more. {place}{late}",
        w::rps(load.planning)
    )
}

/// The settings that are too small today already: `API minReplicas of 2`.
#[must_use]
pub fn too_small(a: &Assessment) -> Vec<String> {
    let raises = acted(a, Action::Raise).into_iter();
    let late = raises.filter(|r| r.lasts_until.is_some_and(|dates| w::already(a, dates)));
    late.filter_map(|r| {
        Some(format!("{} {} of {}", w::component(&r.component), r.setting.name(), r.current?))
    })
    .collect()
}

/// What the planning load is over: a line of the table that last week did not cross, and what today's pods sustain.
fn over(a: &Assessment, planning: f64) -> Vec<String> {
    let mut over = Vec::new();
    let seen = a.plan.load.as_ref().map_or(planning, |load| load.observed_peak);
    let row = a.service.tiers.row(planning);
    if a.service.tiers.index(planning) > a.service.tiers.index(seen) {
        over.push(format!("the {} rps line into {}", w::boundary(row.from), row.name));
    }
    for (component, most) in largest(a) {
        // the highest load that was seen is no limit
        let Some(capacity) = a.capacity.get(component).filter(|one| one.saturated) else {
            continue;
        };
        let sustained = capacity.per_replica * f64::from(most);
        if planning > sustained {
            let name = w::component(component);
            let kind = if has_hpa(a, component) { "today’s maximum of " } else { "today’s " };
            over.push(format!(
                "the {} rps that {kind}{} sustains",
                w::rps(sustained),
                w::counted(most, &format!("{name} pod"))
            ));
        }
    }
    over
}

/// The most pods that each component may have today, where that is known.
#[must_use]
pub fn largest(a: &Assessment) -> Vec<(&str, u32)> {
    let count = |component: &str, setting| {
        let known = a
            .plan
            .recommendations
            .iter()
            .find(|r| r.component == component && r.setting == setting)?;
        u32::try_from(known.current?.figure()).ok()
    };
    a.service
        .components
        .iter()
        .filter(|component| !component.memory)
        .filter_map(|component| {
            let name = component.name.as_str();
            Some((
                name,
                count(name, Setting::MaxReplicas).or_else(|| count(name, Setting::Replicas))?,
            ))
        })
        .collect()
}

fn has_hpa(a: &Assessment, component: &str) -> bool {
    a.plan
        .recommendations
        .iter()
        .any(|r| r.component == component && r.setting == Setting::MaxReplicas)
}

/// A row's range of load with an en dash.
#[must_use]
pub fn range(row: &Tier) -> String {
    match (row.from, row.below) {
        (from, Some(below)) if from <= 0.0 => format!("under {} rps", w::boundary(below)),
        (from, Some(below)) => format!("{}–{} rps", w::boundary(from), w::boundary(below)),
        (from, None) => format!("from {} rps", w::boundary(from)),
    }
}
