//! From samples to number, for one component: every step in the order of the pipeline, as plain text.

use std::fmt::Write;

use jiff::civil::Date;

use crate::Assessment;
use crate::advise::plan::{Action, Amount, Code, Recommendation, Setting};
use crate::forecast::{Forecast, MemberWeight};
use crate::history::{Evidence, History, MarkKind, SeriesKey};
use crate::render::need::why_table;
use crate::render::table::action;
use crate::render::text::{width, wrap};
use crate::render::wording;
use crate::units::{Period, counted, sustaining};

/// Quantiles of the horizon's peak that are shown.
const SHOWN: [f64; 4] = [0.5, 0.8, 0.95, 0.99];

/// The whole way for `component`; `None` where the plan does not know it.
#[must_use]
pub fn explain(assessment: &Assessment, component: &str) -> Option<String> {
    let mine: Vec<&Recommendation> =
        assessment.plan.recommendations.iter().filter(|one| one.component == component).collect();
    if mine.is_empty() {
        return None;
    }
    let mut text = format!("{component} of {}\n", assessment.service.name);
    samples(&mut text, assessment, component);
    // a volume is sized by its own growth, not by load
    if assessment.service.components.iter().any(|one| one.name == component) {
        forecast(&mut text, assessment);
        planning(&mut text, assessment);
        capacity(&mut text, assessment, component);
    }
    for one in mine {
        decision(&mut text, one, wording::today(assessment));
    }
    Some(text)
}

/// Columns of a line: what a terminal and a comment in a review show without scrolling.
const COLUMNS: usize = 100;

/// A heading and its lines, long ones wrapped; writing to a `String` cannot fail.
fn section(text: &mut String, title: &str, lines: &[String]) {
    let _ = writeln!(text, "\n{title}");
    for line in lines {
        // columns that were aligned stay so where the line fits
        if width(line) + 2 <= COLUMNS {
            let _ = writeln!(text, "  {line}");
            continue;
        }
        for (at, part) in wrap(line, COLUMNS - 4).into_iter().enumerate() {
            let _ = writeln!(text, "{}{part}", if at == 0 { "  " } else { "    " });
        }
    }
}

fn samples(text: &mut String, assessment: &Assessment, component: &str) {
    let of_it =
        |key: &&SeriesKey| key.subject.is_none() || key.subject.as_deref() == Some(component);
    let keys: Vec<&SeriesKey> = assessment.history.keys().filter(of_it).collect();
    let width = keys.iter().map(|key| key.to_string().len()).max().unwrap_or(0);
    let line = |key: &&SeriesKey| {
        format!("{:<width$}  {}", key.to_string(), seen(&assessment.history[*key]))
    };
    section(text, "Samples: what was seen", &keys.iter().map(line).collect::<Vec<_>>());
}

fn seen(evidence: &Evidence<History>) -> String {
    match evidence {
        Evidence::Series(history) => history_words(history),
        Evidence::NoSamples => "no samples in the window".to_owned(),
        Evidence::NoSeries => "no series (this is not zero)".to_owned(),
        Evidence::Failed(why) => format!("failed: {why}"),
    }
}

fn history_words(history: &History) -> String {
    let count = |kind| history.marks.iter().filter(|mark| mark.kind == kind).count();
    let gap = if count(MarkKind::Gap) == 1 { "gap" } else { "gaps" };
    let marks = [
        (MarkKind::Gap, gap),
        (MarkKind::Masked, "masked"),
        (MarkKind::Censored, "censored"),
        (MarkKind::Changed, "changed"),
    ]
    .map(|(kind, word)| (count(kind), word));
    let marks: String = marks
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!(", {count} {word}"))
        .collect();
    format!(
        "{} of {}, {:.1} % complete, newest {}{marks}",
        counted(history.values.len(), "step"),
        history.step,
        history.coverage() * 100.0,
        history.newest
    )
}

fn forecast(text: &mut String, assessment: &Assessment) {
    let lines = match &assessment.forecast {
        Err(reason) => vec![format!("none: {}", reason.message)],
        Ok(forecast) => {
            let score = &forecast.score;
            let backtest = format!(
                "backtest over {}: MASE {:.2}{}, bias {:+.1} %, {:.0} % inside the 80 % band, {:.0} % inside the 95 % band",
                counted(score.origins, "origin"),
                score.mase,
                if score.mase > 1.0 { " (repeating last week did better)" } else { "" },
                score.bias * 100.0,
                score.inside80 * 100.0,
                score.inside95 * 100.0
            );
            members(forecast).into_iter().chain([backtest]).collect()
        }
    };
    section(text, "Forecast: hourly peaks, as a weighted mean of", &lines);
}

/// The members with a say that shows, heaviest first, and how many have none.
fn members(forecast: &Forecast) -> Vec<String> {
    /// A weight below it is written as 0 %.
    const SHOWN_MIN: f64 = 0.005;
    let (shown, silent): (Vec<_>, Vec<_>) =
        forecast.members.iter().partition(|member| member.weight >= SHOWN_MIN);
    let line =
        |member: &&MemberWeight| format!("{:>4.0} %  {}", member.weight * 100.0, member.means);
    let mut lines: Vec<String> = shown.iter().map(line).collect();
    if !silent.is_empty() {
        let others = counted(silent.len(), "other model");
        lines.push(format!("{others} did worse on this load, and weigh next to nothing"));
    }
    lines
}

fn planning(text: &mut String, assessment: &Assessment) {
    let lines = match (&assessment.forecast, &assessment.plan.load, &assessment.plan.tier) {
        (Ok(forecast), Some(load), Some(tier)) => {
            let peak = forecast.peak(0..assessment.policy.horizon.steps(Period::HOUR));
            let quantiles: Vec<String> = SHOWN
                .iter()
                .map(|level| format!("{:.0} %: {:.1}", level * 100.0, peak.quantile(*level)))
                .collect();
            vec![
                format!(
                    "now {:.1} rps ({}), last week's peak {:.1}",
                    load.current, tier.current, load.observed_peak
                ),
                format!(
                    "peak of the next {} stays under, in rps: {}",
                    load.horizon,
                    quantiles.join(", ")
                ),
                format!(
                    "planning load at {} risk: {:.1} rps, which is {}",
                    assessment.policy.risk, load.planning, tier.planning
                ),
            ]
        }
        _ => assessment
            .plan
            .reasons
            .iter()
            .map(|reason| format!("{}: {}", reason.code.name(), reason.message))
            .collect(),
    };
    section(text, "Planning load: from sampled futures", &lines);
}

fn capacity(text: &mut String, assessment: &Assessment, component: &str) {
    let mut lines = Vec::new();
    match assessment.capacity.get(component) {
        Some(capacity) if capacity.saturated => lines.push(format!(
            "{:.1} rps a pod ({:.1}-{:.1}) keep P99 at {} s, from {}",
            capacity.per_replica,
            capacity.low,
            capacity.high,
            assessment.service.objectives.p99_s,
            counted(capacity.steps, "step")
        )),
        Some(capacity) => lines.push(format!(
            "never seen at its limit: P99 kept its objective at up to {:.1} rps a pod; the table alone decides",
            capacity.per_replica
        )),
        None => {
            let why = why_table(assessment, component);
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            lines.push(format!("not measured{why}: the table alone decides"));
        }
    }
    let rows = assessment.rows.get(component).into_iter().flatten();
    lines.extend(rows.map(|row| {
        let promised = row.promised.map_or_else(|| "open".to_owned(), |load| format!("{load} rps"));
        format!(
            "{:<10} {} {:.0} rps; the row goes to {promised}",
            row.tier,
            sustaining(row.replicas),
            row.sustained
        )
    }));
    section(text, "Capacity: what one pod sustains, and whether the table is true", &lines);
}

fn decision(text: &mut String, one: &Recommendation, today: Date) {
    let shown =
        |amount: Option<Amount>| amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
    let mut lines = match (one.action, one.target) {
        (Action::Skipped, _) | (_, None) => vec![match one.current {
            Some(current) => format!("today {current}; no advice"),
            None => "today's value is not known; no advice".to_owned(),
        }],
        (kind, Some(target)) => {
            vec![format!("today {}, recommended {target}: {}", shown(one.current), action(kind))]
        }
    };
    if one.uncapped_target.is_some() && one.uncapped_target != one.target {
        lines.push(format!("without steps and bounds it would be {}", shown(one.uncapped_target)));
    }
    if let (Some(low), Some(high)) = (one.lower_bound, one.upper_bound)
        && low != high
    {
        lines.push(format!("{low} if the peak is as high as not, {high} at 1 in 100"));
    }
    let by_row = one.reasons.iter().any(|reason| reason.code == Code::TierRow);
    if by_row && one.setting == Setting::Replicas && one.target.is_some() {
        lines.push(
            "inside a row the count goes from its lower number, where the row begins, to its upper number, where it ends, in a straight line, and is rounded up"
                .to_owned(),
        );
    }
    lines.extend(
        one.reasons.iter().map(|reason| format!("{}: {}", reason.code.name(), reason.message)),
    );
    if let Some(lasts) = one.lasts_until {
        let already = lasts.p50.is_some_and(|even| even <= today);
        let date = |date: Option<Date>| {
            date.map_or_else(
                || "after the outlook".to_owned(),
                |date| date.strftime("%a %-d %b %Y").to_string(),
            )
        };
        lines.push(if already {
            "too small today already".to_owned()
        } else {
            format!(
                "today's value lasts until {} (1 in 10), {} (even odds)",
                date(lasts.p90),
                date(lasts.p50)
            )
        });
    }
    section(text, &format!("Decision: {} of {}", one.setting.name(), one.object), &lines);
}
