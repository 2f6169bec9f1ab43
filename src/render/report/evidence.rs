//! The evidence in words: where the load goes, pods, memory, runway.

use crate::Assessment;
use crate::advise::plan::{Action, Amount};
use crate::history::Signal;
use crate::render::chart::memory::{self, Memory};
use crate::render::chart::series;
use crate::render::need::{Need, why_table};
use crate::render::wording as w;
use crate::tiers::Size;

use super::{ahead, title, verdict};

const WEEK_S: i64 = 604_800;
/// Use below this share of the smallest limit counts as room.
const ROOM: f64 = 0.9;

/// Whether the mean load rose, and when the next line is crossed.
#[must_use]
pub fn load_answer(a: &Assessment) -> String {
    let mut parts = Vec::new();
    if let Some(growth) = weekly_growth(a) {
        let way = match growth {
            g if g >= 0.005 => format!("{} above", w::percent(g)),
            g if g <= -0.005 => format!("{} below", w::percent(-g)),
            _ => "level with".to_owned(),
        };
        parts.push(format!("Last week’s mean load was {way} the week before."));
    }
    if let Err(why) = &a.forecast {
        parts.push(format!("There is no forecast: {}.", why.message));
    }
    if let Some(next) = a.plan.crossings.first() {
        let line = format!("the {} rps line into {}", w::boundary(next.boundary), next.tier);
        parts.push(match (next.p50, next.p90) {
            (Some(even), _) if even <= w::today(a) => {
                format!("The load is over {line} today, at even odds.")
            }
            (Some(even), _) => format!(
                "The load has even odds of crossing {line} by {}{}.",
                w::day(even),
                ahead::cause(a, even)
            ),
            (None, Some(early)) => format!(
                "The load crosses {line} with a chance of 1 in 10 by {}{}.",
                w::day_or_after(a, Some(early)),
                ahead::cause(a, early)
            ),
            (None, None) => {
                format!("The load stays under {line} until {}, at 9 in 10.", w::outlook_end(a))
            }
        });
    }
    parts.join(" ")
}

/// How last week's mean load stands to that of the week before, over the hours that both have and that no
/// mark touches; `None` where that is less than half a week.
#[expect(clippy::cast_precision_loss, reason = "hours of a week")]
fn weekly_growth(a: &Assessment) -> Option<f64> {
    let history = series::history(a, None, Signal::Load)?;
    let now = a.at.as_second();
    let plain = |at: i64| {
        !history.marks.iter().any(|m| (m.from.as_second()..m.to.as_second()).contains(&at))
    };
    let last: std::collections::BTreeMap<i64, f64> =
        series::steps(history, now - WEEK_S, now).filter(|s| plain(s.0)).collect();
    let pairs: Vec<(f64, f64)> = series::steps(history, now - 2 * WEEK_S, now - WEEK_S)
        .filter(|s| plain(s.0))
        .filter_map(|(at, before)| Some((before, *last.get(&(at + WEEK_S))?)))
        .collect();
    let (before, after) =
        pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let covered = pairs.len() as f64 * history.step.0 as f64;
    (before > 0.0 && covered > 0.5 * WEEK_S as f64).then(|| after / before - 1.0)
}

/// Loads worth naming, what each is, and the chance that the window's peak reaches it.
#[must_use]
pub fn chances(a: &Assessment) -> Vec<(String, String, String)> {
    let Ok(forecast) = &a.forecast else {
        return Vec::new();
    };
    let peaks = forecast.peak(0..series::within(forecast, a.policy.horizon.0));
    let mut loads: Vec<(f64, String, String)> = Vec::new();
    for row in a.service.tiers.rows.iter().filter(|row| row.from > 0.0) {
        loads.push((
            row.from,
            format!("{} rps", w::boundary(row.from)),
            format!("the {} tier", row.name),
        ));
    }
    for (component, capacity) in a.capacity.iter().filter(|(_, one)| one.saturated) {
        for pods in pods_of_interest(a, component) {
            let load = capacity.per_replica * f64::from(pods);
            let what = format!(
                "what {} sustain{}",
                w::counted(pods, &format!("{} pod", w::component(component))),
                if pods == 1 { "s" } else { "" }
            );
            loads.push((load, format!("{} rps", w::rps(load)), what));
        }
    }
    if let Some(load) = &a.plan.load {
        loads.push((
            load.planning,
            format!("{} rps", w::rps(load.planning)),
            "the planning load".to_owned(),
        ));
    }
    loads.sort_by(|a, b| a.0.total_cmp(&b.0));
    // what is certain, or further past what any future reaches than the next load, says nothing
    let chance = |load: f64| peaks.chance_above(load);
    if loads.is_empty() {
        return Vec::new();
    }
    let first = loads.iter().position(|row| chance(row.0) < 1.0).unwrap_or(loads.len() - 1);
    let last = loads.iter().position(|row| chance(row.0) <= 0.0).unwrap_or(loads.len());
    loads[first..(last + 1).min(loads.len())]
        .iter()
        .map(|(load, name, what)| {
            (name.clone(), what.clone(), w::chance(chance(*load), forecast.paths.len()))
        })
        .collect()
}

/// The most pods today and the most pods recommended.
fn pods_of_interest(a: &Assessment, component: &str) -> Vec<u32> {
    use crate::advise::plan::Setting;
    let most = [Setting::MaxReplicas, Setting::Replicas].into_iter().find_map(|setting| {
        a.plan.recommendations.iter().find(|r| r.component == component && r.setting == setting)
    });
    let mut pods: Vec<u32> = most
        .into_iter()
        .flat_map(|r| [r.current, r.target])
        .filter_map(|amount| u32::try_from(amount?.figure()).ok())
        .collect();
    pods.dedup();
    pods
}

/// Whether a component had and will have enough pods; `None` where neither is known.
#[must_use]
pub fn pods_answer(a: &Assessment, component: &str) -> Option<String> {
    let need = Need::of(a, component)?;
    let name = w::component(component);
    let planned = a.plan.load.as_ref().and_then(|load| need.at(load.planning));
    let most =
        title::largest(a).into_iter().find(|(known, _)| *known == component).map(|(_, most)| most);
    let mut parts = Vec::new();
    if matches!(need, Need::Measured(_))
        && let Some(short) = short_of_pods(a, component, &need)
    {
        parts.push(match short {
            0 => format!("Last week yes: {name} was never short of pods."),
            seconds => format!("Last week {name} was short of pods for {}.", w::span(seconds)),
        });
    }
    if let Some((most, seconds)) = at_maximum(a, component) {
        parts.push(format!(
            "The HPA stood at its maximum of {most} for {} of the last 7 days.",
            w::span(seconds)
        ));
    }
    if let Some(planned) = planned {
        let verb = if planned == 1 { "is" } else { "are" };
        let whose = if matches!(need, Need::Table(..)) { " by the table" } else { "" };
        let today = most
            .filter(|most| *most < planned)
            .map_or_else(String::new, |most| format!("; today there are at most {most}"));
        parts
            .push(format!("If this week peaks as planned, {planned} {verb} needed{whose}{today}."));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// How the need in a chart is reckoned.
#[must_use]
pub fn need_note(a: &Assessment, component: &str) -> String {
    let name = w::component(component);
    match Need::of(a, component) {
        Some(Need::Measured(per_replica)) => format!(
            "{name} pods. Needed = load ÷ {} rps, the measured capacity of one pod, rounded up; the highest of each hour. The line is the peak of the whole window, which is higher than any one hour’s 95\u{202f}%.",
            w::rps(per_replica)
        ),
        _ => format!(
            "{name} pods. Capacity could not be measured{}. So needed is what the table asks: from a row’s lower number where it begins to its upper number where it ends, in a straight line, rounded up.",
            why_table(a, component).map_or_else(String::new, |why| format!(": {why}"))
        ),
    }
}

/// Seconds of the last seven days in which fewer pods were ready than the load needed.
fn short_of_pods(a: &Assessment, component: &str, need: &Need) -> Option<i64> {
    let (ready, load) = (
        series::history(a, Some(component), Signal::Replicas)?,
        series::history(a, None, Signal::Load)?,
    );
    let now = a.at.as_second();
    let ready: std::collections::BTreeMap<i64, f64> =
        series::steps(ready, now - WEEK_S, now).collect();
    if ready.is_empty() {
        return None;
    }
    let short = series::steps(load, now - WEEK_S, now).filter(|(at, load)| {
        ready.get(at).zip(need.at(*load)).is_some_and(|(ready, need)| *ready < f64::from(need))
    });
    Some(i64::try_from(short.count()).unwrap_or(0) * load.step.0)
}

/// The HPA's maximum and how long of the last seven days the component stood at it.
fn at_maximum(a: &Assessment, component: &str) -> Option<(f64, i64)> {
    let ready = series::history(a, Some(component), Signal::Replicas)?;
    let most = series::newest(series::history(a, Some(component), Signal::HpaMax)?)?;
    let now = a.at.as_second();
    let at_most = series::steps(ready, now - WEEK_S, now).filter(|(_, pods)| *pods >= most).count();
    let seconds = i64::try_from(at_most).ok()? * ready.step.0;
    (seconds > 0).then_some((most, seconds))
}

/// How much memory was used, against its limits.
#[must_use]
pub fn memory_answer(a: &Assessment, component: &str) -> Option<String> {
    let Memory { peak, maxmemory, limit, advised } = memory::memory(a, component);
    let peak = peak?;
    let name = w::component(component);
    let share = |of: f64, what: &str| {
        format!("{} of its {what} of {}", w::percent(peak / of), w::bytes(of))
    };
    let shares: Vec<String> =
        [maxmemory.map(|of| share(of, "`maxmemory`")), limit.map(|of| share(of, "limit"))]
            .into_iter()
            .flatten()
            .collect();
    let shares = if shares.is_empty() { String::new() } else { format!(": {}", w::list(&shares)) };
    let most = [maxmemory, limit].into_iter().flatten().reduce(f64::min);
    let enough = match most {
        Some(most) if peak < ROOM * most => "Yes, for last week: ",
        Some(_) => "Barely: ",
        None => "",
    };
    let advised = advised.map_or_else(String::new, |to| {
        let policy = enough.starts_with("Yes") && limit.is_some_and(|limit| to > limit);
        let whose = if policy { by_table(a, component) } else { String::new() };
        format!(" Recommended: {}{whose}.", w::bytes(to))
    });
    Some(format!("{enough}{name} used at most {}{shares}.{advised}", w::bytes(peak)))
}

/// Says that the row asks for a raise, where it does.
fn by_table(a: &Assessment, component: &str) -> String {
    let planning = a.plan.tier.as_ref().map(|tier| tier.planning.as_str());
    let row = a.service.tiers.rows.iter().find(|row| Some(row.name.as_str()) == planning);
    let target = verdict::acted(a, Action::Raise)
        .into_iter()
        .find(|r| r.component == component)
        .and_then(|r| r.target);
    match (row, row.and_then(|row| row.size(component)), target) {
        (Some(row), Some(Size::Memory(asks)), Some(Amount::Bytes(target))) if asks == target => {
            format!(
                ", because the {} row of the table asks for it; last week’s use did not",
                row.name
            )
        }
        _ => String::new(),
    }
}
