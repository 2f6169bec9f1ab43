//! Hindsight in words: whether last week's advice held, and whether the table does.

use crate::capacity::{Capacity, RowVerdict};
use crate::history::{MarkKind, Signal};
use crate::render::chart::series;
use crate::render::need::why_table;
use crate::render::wording as w;
use crate::tiers::Size;
use crate::units::{Period, sustaining};
use crate::{Assessment, WeekScore};

/// What the scorecard's plans are made from.
pub const BASIS: &str = "What this version would have planned at the start of each week, from the samples known then and the events that the settings name now. “Cut off” is how long a limit held demand down: what was served then is only the least that was wanted.";

/// A plan over this many times what came had much to spare.
const MUCH: f64 = 1.4;

/// Whether last week's planning load held.
#[must_use]
pub fn score_answer(a: &Assessment) -> String {
    let Some(last) = a.scorecard.last() else {
        return "There is no earlier week with enough history to judge by.".to_owned();
    };
    let verdict = match held(last) {
        None => "Not known: no sample came that week.".to_owned(),
        Some(true) if cut_off_s(a, last) > 0 => format!(
            "Not certain. The peak was {} rps against {} planned, but demand was cut off for {}: it may have been higher.",
            w::rps(last.seen),
            w::rps(last.planned),
            w::span(cut_off_s(a, last))
        ),
        Some(true) => format!(
            "Yes{}. The peak was {} rps against {} planned.",
            if last.planned > MUCH * last.seen { ", with much to spare" } else { "" },
            w::rps(last.seen),
            w::rps(last.planned)
        ),
        Some(false) => format!(
            "No. The peak was {} rps, over the {} planned.",
            w::rps(last.seen),
            w::rps(last.planned)
        ),
    };
    let known: Vec<bool> = a.scorecard.iter().filter_map(held).collect();
    let kept = known.iter().filter(|held| **held).count();
    let cut = a.scorecard.iter().filter(|week| held(week) == Some(true) && cut_off_s(a, week) > 0);
    let cut = match cut.count() {
        0 => String::new(),
        cut => format!(" ({cut} of them while demand was cut off)"),
    };
    format!(
        "{verdict} Of the last {}, {kept} held{cut}; at {} risk about one in {:.0} should not.",
        w::counted(known.len(), "week"),
        w::percent(a.policy.risk.0),
        1.0 / a.policy.risk.0
    )
}

/// The result of a week in words. What was served under a limit says only that demand was at least that.
#[must_use]
pub fn result(a: &Assessment, week: &WeekScore) -> String {
    match (held(week), cut_off_s(a, week)) {
        (None, _) => "not known".to_owned(),
        (Some(false), _) => "missed".to_owned(),
        (Some(true), 0) => {
            format!("held, {} to spare", w::percent(week.planned / week.seen - 1.0))
        }
        (Some(true), seconds) => {
            format!("held, cut off {}", w::span(seconds).replace(' ', "\u{a0}"))
        }
    }
}

/// Seconds of the week in which the load was served under a limit; marks may overlap.
fn cut_off_s(a: &Assessment, week: &WeekScore) -> i64 {
    let Some(load) = series::history(a, None, Signal::Load) else {
        return 0;
    };
    let (from, to) = (week.from.as_second(), week.from.as_second() + Period::WEEK.0);
    let mut spans: Vec<(i64, i64)> = load
        .marks
        .iter()
        .filter(|mark| mark.kind == MarkKind::Censored)
        .map(|mark| (mark.from.as_second().max(from), mark.to.as_second().min(to)))
        .filter(|span| span.0 < span.1)
        .collect();
    spans.sort_unstable();
    let mut end = from;
    spans.into_iter().fold(0, |sum, span| {
        let fresh = span.1 - span.0.max(end);
        end = end.max(span.1);
        sum + fresh.max(0)
    })
}

/// What fell into the weeks that are shown, a sentence a week: `2 Nov: campaign`.
#[must_use]
pub fn score_notes(a: &Assessment) -> Vec<String> {
    let mut notes = Vec::new();
    for week in a.scorecard.iter().rev().take(8).rev() {
        let mut causes: Vec<&str> =
            week.notes.iter().flat_map(|note| note.split(" and ")).collect();
        let mut seen = std::collections::BTreeSet::new();
        causes.retain(|cause| seen.insert(*cause));
        if !causes.is_empty() {
            let date = week.from.to_zoned(a.calendar.zone.clone()).strftime("%-d %b").to_string();
            let causes: Vec<String> = causes.iter().map(|cause| w::spoken(a, cause)).collect();
            notes.push(format!("{date}: {}", w::list(&causes)));
        }
    }
    notes
}

/// Whether the week's load stayed under what was planned; `None` without samples.
#[must_use]
pub fn held(week: &WeekScore) -> Option<bool> {
    week.seen.is_finite().then_some(week.seen <= week.planned)
}

/// A row of the table against the measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCheck {
    /// Row and pods: `High, 5–10`.
    pub row: String,
    /// What it asks of a pod.
    pub asks: String,
    /// How that stands to the measurement.
    pub against: String,
    /// Whether it holds; `None`: so much was never seen.
    pub holds: Option<bool>,
}

/// The rows of the table for one component.
#[must_use]
pub fn row_checks(a: &Assessment, component: &str) -> Vec<RowCheck> {
    let Some((rows, capacity)) = a.rows.get(component).zip(a.capacity.get(component)) else {
        return Vec::new();
    };
    rows.iter()
        .map(|verdict| {
            let row = a.service.tiers.rows.iter().find(|row| row.name == verdict.tier);
            let pods = match row.and_then(|row| row.size(component)) {
                Some(Size::Replicas { min, max }) => w::range(min, max),
                _ => verdict.replicas.to_string(),
            };
            let (asks, against, holds) = match verdict.promised {
                None => ("open row".to_owned(), open_row(verdict, capacity), Some(true)),
                Some(promised) => {
                    let asked = promised / f64::from(verdict.replicas.max(1));
                    let spare = verdict.sustained / promised - 1.0;
                    let against = match spare {
                        s if s < 0.0 && !capacity.saturated => {
                            format!("not seen yet: {}", open_row(verdict, capacity))
                        }
                        s if s < 0.0 => {
                            let enough = (promised / capacity.per_replica).ceil();
                            format!(
                                "too small above {} rps; {enough:.0} pods would hold",
                                w::rps(verdict.sustained)
                            )
                        }
                        _ => format!(
                            "holds, at {} of a pod",
                            w::percent(asked / capacity.per_replica)
                        ),
                    };
                    (
                        format!(
                            "{} ÷ {} = {}",
                            w::boundary(promised),
                            verdict.replicas,
                            w::rps(asked)
                        ),
                        against,
                        (spare >= 0.0 || capacity.saturated).then_some(spare >= 0.0),
                    )
                }
            };
            RowCheck { row: format!("{}, {pods}", verdict.tier), asks, against, holds }
        })
        .collect()
}

/// What the pods of a row do by the measurement.
fn open_row(verdict: &RowVerdict, capacity: &Capacity) -> String {
    let load = w::rps(verdict.sustained);
    if capacity.saturated {
        format!("{} {load} rps", sustaining(verdict.replicas))
    } else {
        format!("{load} rps by the most that one pod served")
    }
}

/// Whether the table is still true for one component.
#[must_use]
pub fn table_answer(a: &Assessment, component: &str) -> String {
    let name = w::component(component);
    let Some((rows, capacity)) = a.rows.get(component).zip(a.capacity.get(component)) else {
        let why = why_table(a, component).map_or_else(String::new, |why| format!(": {why}"));
        return format!("Not known for {name}: its capacity could not be measured{why}.");
    };
    let closed = || rows.iter().filter_map(|row| Some((row, row.promised?)));
    let holding: Vec<&str> = closed()
        .filter(|(row, promised)| row.sustained >= *promised)
        .map(|(row, _)| row.tier.as_str())
        .collect();
    let failing: Vec<String> = closed()
        .filter(|(row, promised)| row.sustained < *promised)
        .map(|(row, promised)| {
            if !capacity.saturated {
                let (tier, load) = (&row.tier, w::rps(row.sustained));
                return format!(
                    "Whether {tier} does is not known: its {} {name} pods would have served {load} rps by what was seen, and no pod was at its limit.",
                    row.replicas
                );
            }
            format!(
                "{} promises more than its pods can give: {} {name} pods sustain {} rps, not {}.",
                row.tier,
                row.replicas,
                w::rps(row.sustained),
                w::boundary(promised)
            )
        })
        .collect();
    let held = match holding.len() {
        0 => String::new(),
        1 => format!("{} holds. ", holding[0]),
        _ => format!("{} hold. ", w::list(&holding)),
    };
    let more = if capacity.saturated || !failing.is_empty() {
        ""
    } else {
        " The objectives were never reached, so a pod may sustain more."
    };
    format!("{held}{}{more}", failing.join(" ")).trim().to_owned()
}
