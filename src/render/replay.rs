//! Replay -> what people and machines read: a table, Markdown, JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::render::text::{left, right, visible, wrap};
use crate::replay::policy::Policy;
use crate::replay::{Played, Replay, verdict};
use crate::units::{Period, Ratio};

/// Columns that no line exceeds.
const COLUMNS: usize = 100;
/// Version of the JSON.
const SCHEMA_VERSION: u32 = 1;
const HEADS: [&str; 7] =
    ["policy", "pod-hours vs HPA", "unmet", "short", "over 90 %", "changes", "needs"];
/// The policy that pod-hours are held against.
const AGAINST: Policy = Policy::Hpa { target: 0.7 };

/// The replay for a terminal.
#[must_use]
pub fn table(replay: &Replay) -> String {
    let rows: Vec<[String; 7]> = shown(replay).iter().map(|at| row(replay, *at)).collect();
    let heads = heads(replay);
    let width = |i: usize| {
        let cells = rows.iter().chain([&heads]).map(|row| row[i].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().enumerate().map(|(i, cell)| match i {
            0 | 6 => left(cell, widths[i]),
            _ => right(cell, widths[i]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = wrap(&opening(replay), COLUMNS);
    lines.push(String::new());
    lines.push(line(&heads));
    lines.extend(rows.iter().map(line));
    lines.push(String::new());
    for sentence in advice(replay) {
        lines.extend(wrap(&sentence, COLUMNS));
    }
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// The replay for a pull request or a chat.
#[must_use]
pub fn markdown(replay: &Replay) -> String {
    let line = |cells: &[String; 7]| format!("| {} |\n", cells.join(" | "));
    let rows = shown(replay).into_iter().map(|at| {
        let mut cells = row(replay, at);
        if replay.verdict.take == Some(at) {
            cells[0] = format!("**{}**", cells[0]);
        }
        line(&cells)
    });
    let rows: String = rows.collect();
    format!(
        "## Policies, replayed: {}\n\n{}\n\n{}| --- | ---: | ---: | ---: | ---: | ---: | --- |\n{rows}\n{}",
        visible(&replay.name),
        opening(replay),
        line(&heads(replay)),
        advice(replay).iter().map(|said| format!("- {said}\n")).collect::<String>(),
    )
}

/// The replays as JSON, keys sorted, one newline at the end.
///
/// # Errors
///
/// None in practice: a figure that is not a number becomes null.
pub fn json(replays: &[Replay]) -> Result<String, serde_json::Error> {
    let replays: Vec<Value> = replays.iter().map(document).collect();
    let mut value = json!({ "schemaVersion": SCHEMA_VERSION, "replays": replays });
    value.sort_all_objects();
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn document(replay: &Replay) -> Value {
    let front = verdict::front(&replay.played);
    let name = |at: Option<usize>| at.map(|at| replay.played[at].policy.name());
    let policies = replay.played.iter().enumerate().map(|(at, played)| {
        let scores = &played.course.scores;
        json!({
            "name": played.policy.name(),
            "label": played.policy.label(),
            "needs": played.policy.needs().words(),
            "podHours": rounded(scores.pod_hours, 3),
            "cost": replay.price.map(|price| rounded(scores.pod_hours * price, 2)),
            "requests": rounded(scores.requests, 0),
            "unmetRequests": rounded(scores.unmet, 0),
            "unmetShare": rounded(scores.unmet_share(), 9),
            "shortSeconds": scores.short_s,
            "shortShare": rounded(scores.short_share(), 9),
            "hoursAbove90": rounded(scores.busy_hours, 3),
            "scaleEvents": scores.events,
            "onFront": front.contains(&at),
        })
    });
    json!({
        "name": replay.name,
        "capacity": replay.pods.capacity,
        "startUpSeconds": replay.pods.start_up.0,
        "stepSeconds": replay.load.step.0,
        "from": replay.scored_from,
        "to": replay.load.end(),
        "risk": replay.risk.0,
        "policies": policies.collect::<Vec<_>>(),
        "recommended": name(replay.verdict.take),
        "cheaperWithMore": name(replay.verdict.cheaper),
    })
}

/// Without digits that arithmetic made up.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

/// The places of the policies that the table shows: of the nowcast's many settings only the usual one and those
/// that are spoken of.
fn shown(replay: &Replay) -> Vec<usize> {
    let spoken = [replay.verdict.take, replay.verdict.cheaper];
    let show = |at: &usize| {
        let policy = &replay.played[*at].policy;
        !policy.is_nowcast() || *policy == Policy::NOWCAST || spoken.contains(&Some(*at))
    };
    let mut shown: Vec<usize> = (0..replay.played.len()).filter(show).collect();
    let hours = |at: &usize| replay.played[*at].course.scores.pod_hours;
    shown.sort_by(|a, b| hours(a).total_cmp(&hours(b)));
    shown
}

fn heads(replay: &Replay) -> [String; 7] {
    let mut heads = HEADS.map(str::to_owned);
    if replay.price.is_some() {
        heads[1] = "pod-hours, money".to_owned();
    }
    heads
}

fn row(replay: &Replay, at: usize) -> [String; 7] {
    let Played { policy, course } = &replay.played[at];
    let scores = &course.scores;
    [
        policy.label(),
        hours(replay, scores.pod_hours),
        share(scores.unmet_share()),
        duration(scores.short_s),
        duration(scores.busy_hours * 3_600.0),
        scores.events.to_string(),
        policy.needs().brief().to_owned(),
    ]
}

/// Pod-hours, and what they cost or how they stand against the HPA at 70 %.
fn hours(replay: &Replay, pod_hours: f64) -> String {
    if let Some(price) = replay.price {
        return format!("{pod_hours:.0} = {:.2}", pod_hours * price);
    }
    let against = replay.played.iter().find(|played| played.policy == AGAINST);
    match against.map(|played| played.course.scores.pod_hours) {
        Some(against) if against > 0.0 => {
            let more = (100.0 * (pod_hours / against - 1.0)).round();
            let more = if more == 0.0 { "0%".to_owned() } else { format!("{more:+.0}%") };
            format!("{pod_hours:.0} {more:>6}")
        }
        _ => format!("{pod_hours:.0}"),
    }
}

/// A share with as many digits as small ones need.
fn share(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.001 => "< 0.001 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.3} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// A share as it was typed: `0.1 %`.
fn percent(share: Ratio) -> String {
    format!("{} %", (share.0 * 10_000.0).round() / 100.0)
}

/// Seconds as people say them: `45 s`, `12 min`, `3.5 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds if seconds < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 360_000.0 => format!("{:.1} h", seconds / 3_600.0),
        seconds => format!("{:.0} h", seconds / 3_600.0),
    }
}

fn opening(replay: &Replay) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    format!(
        "{}: {} to {} in steps of {}; a pod serves {} rps at 100 % and takes {} to start",
        visible(&replay.name),
        day(replay.scored_from),
        day(replay.load.end()),
        replay.load.step,
        rounded(replay.pods.capacity, 2),
        replay.pods.start_up,
    )
}

/// What is recommended, and why.
fn advice(replay: &Replay) -> Vec<String> {
    let label = |at: usize| replay.played[at].policy.label();
    let scores = |at: usize| replay.played[at].course.scores;
    let terms = format!(
        "{} of the time short of pods ({} a week)",
        percent(replay.risk),
        duration(weekly(replay.risk))
    );
    let mut said = vec![match replay.verdict.take {
        Some(take) => format!(
            "take: {}, the cheapest that any cluster can run within {terms}: {}",
            label(take),
            share(scores(take).short_share()),
        ),
        None => format!("none of the policies that any cluster can run stays within {terms}"),
    }];
    if let Some(cheaper) = replay.verdict.cheaper {
        let less = replay.verdict.take.map_or_else(String::new, |take| {
            let less = 1.0 - scores(cheaper).pod_hours / scores(take).pod_hours;
            format!(" for {:.0} % fewer pod-hours", 100.0 * less)
        });
        said.push(format!(
            "to decide: {} stays within it too{less}, and needs {}",
            label(cheaper),
            replay.played[cheaper].policy.needs().words(),
        ));
    }
    said
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a week")]
fn weekly(risk: Ratio) -> f64 {
    risk.0 * Period::WEEK.0 as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::history::History;
    use crate::replay::{self, Pods, Terms};
    use crate::service::Calendar;
    use jiff::tz::TimeZone;

    /// Three days of a level that doubles every noon.
    fn example() -> Replay {
        let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let values = (0..864).map(|i| if i % 288 < 144 { 20.0 } else { 40.0 }).collect();
        let load = History { start, step: Period(300), values, marks: Vec::new(), newest: start };
        let terms = Terms {
            capacity: None,
            start_up: None,
            warm_up: Period::DAY,
            risk: Ratio(0.001),
            price: None,
        };
        let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
        let pods = Pods::at_ease(10.0, Period(120), 20.0);
        replay::of_trace("a|b", &load, &calendar, pods, &terms, |_| ())
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_a_terminal() {
        let text = table(&example());
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.contains("HPA at 70 %") && text.contains("\ntake: "), "{text}");
    }

    #[test]
    fn the_json_names_a_policy_that_it_lists() {
        let value: Value = serde_json::from_str(&json(&[example()]).unwrap()).unwrap();
        let replay = &value["replays"][0];
        let names: Vec<&Value> =
            replay["policies"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names.len(), Policy::for_all().len());
        assert!(names.contains(&&replay["recommended"]), "{}", replay["recommended"]);
        assert_eq!(replay["startUpSeconds"], 120);
    }

    #[test]
    fn the_recommended_row_is_bold_in_markdown_and_only_that() {
        let text = markdown(&example());
        assert_eq!(text.matches("| **").count(), 1, "{text}");
    }

    #[test]
    fn small_figures_keep_their_digits() {
        assert_eq!(share(0.0), "0 %");
        assert_eq!(share(0.000_001), "< 0.001 %");
        assert_eq!(share(0.000_45), "0.045 %");
        assert_eq!(share(0.12), "12.0 %");
        assert_eq!(duration(45.0), "45 s");
        assert_eq!(duration(5_400.0), "90 min");
        assert_eq!(percent(Ratio(0.001)), "0.1 %");
    }
}
