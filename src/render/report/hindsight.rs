//! Hindsight in words: whether last week's advice held, and whether the table does.

use crate::render::wording as w;
use crate::tiers::Size;
use crate::{Assessment, WeekScore};

/// Whether last week's planning load held.
#[must_use]
pub fn score_answer(a: &Assessment) -> String {
    let Some(last) = a.scorecard.last() else {
        return "There is no earlier week with enough history to judge by.".to_owned();
    };
    let verdict = match held(last) {
        None => "Not known: no sample came that week.".to_owned(),
        Some(true) => format!(
            "Yes. The peak was {} rps against {} planned.",
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
    format!(
        "{verdict} Of the last {}, {kept} held; at {} risk about one in {:.0} should not.",
        w::counted(known.len(), "week"),
        w::percent(a.policy.risk.0),
        1.0 / a.policy.risk.0
    )
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
    /// Whether it holds.
    pub holds: bool,
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
                None => (
                    "open row".to_owned(),
                    format!("{} pods sustain {} rps", verdict.replicas, w::rps(verdict.sustained)),
                    true,
                ),
                Some(promised) => {
                    let asked = promised / f64::from(verdict.replicas.max(1));
                    let spare = verdict.sustained / promised - 1.0;
                    let against = match spare {
                        s if s < 0.0 => {
                            let enough = (promised / capacity.per_replica).ceil();
                            format!(
                                "too small above {} rps; {enough:.0} pods would hold",
                                w::rps(verdict.sustained)
                            )
                        }
                        s if s < 0.005 => "holds, with nothing to spare".to_owned(),
                        s => format!("holds, {} to spare", w::percent(s)),
                    };
                    (
                        format!(
                            "{} ÷ {} = {}",
                            w::boundary(promised),
                            verdict.replicas,
                            w::rps(asked)
                        ),
                        against,
                        spare >= 0.0,
                    )
                }
            };
            RowCheck { row: format!("{}, {pods}", verdict.tier), asks, against, holds }
        })
        .collect()
}

/// Whether the table is still true for one component.
#[must_use]
pub fn table_answer(a: &Assessment, component: &str) -> String {
    let name = w::component(component);
    let Some((rows, capacity)) = a.rows.get(component).zip(a.capacity.get(component)) else {
        return format!("Not known for {name}: its capacity could not be measured.");
    };
    let closed = || rows.iter().filter_map(|row| Some((row, row.promised?)));
    let holding: Vec<&str> = closed()
        .filter(|(row, promised)| row.sustained >= *promised)
        .map(|(row, _)| row.tier.as_str())
        .collect();
    let failing: Vec<String> = closed()
        .filter(|(row, promised)| row.sustained < *promised)
        .map(|(row, promised)| {
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
    let more = if capacity.saturated {
        ""
    } else {
        " The objectives were never reached, so a pod may sustain more."
    };
    format!("{held}{}{more}", failing.join(" ")).trim().to_owned()
}
