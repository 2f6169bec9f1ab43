//! The peak of each day ahead: median, 80 % and 95 % of outcomes.

use super::axes::{self, Frame, Scale};
use super::palette::Ink;
use super::series::{DayAhead, days_ahead};
use super::sketch::{Anchor, Sketch, breadth};
use crate::Assessment;
use crate::render::wording as w;

/// The chart; `None` without a forecast.
pub fn sketch(a: &Assessment) -> Option<Sketch> {
    let forecast = a.forecast.as_ref().ok()?;
    let mut days = days_ahead(forecast, a.policy.horizon.0, &a.calendar.zone);
    // the rest of the last, broken day belongs to the next review
    days.truncate(usize::try_from(a.policy.horizon.0 / 86_400).unwrap_or(7).max(1));
    let (first, last) = (days.first()?, days.last()?);
    let planned = a.plan.load.as_ref().map(|load| load.planning);
    let title =
        format!("Expected peak of each day, {} to {}", w::day(first.date), w::day(last.date));
    let mut s = Sketch::new(860, 524, title, story(&days, planned));
    let frame = Frame { left: 68, top: 56, right: 740, bottom: 468 };
    let high = days.iter().map(|day| day.peak[4]).chain(planned).fold(0.0, f64::max);
    let end = axes::nice(high * 1.04);
    let scale = Scale::new((0.0, end.0), (frame.bottom, frame.top));
    let table = &a.service.tiers;
    axes::bands(&mut s, frame, &scale, table, end.0);
    axes::grid(&mut s, frame, end, &table.boundaries().collect::<Vec<_>>());
    axes::load_lines(&mut s, frame, &scale, table, end.0);
    s.line((frame.left, frame.bottom), (frame.right, frame.bottom), 2, Ink::Muted);
    s.label("rps", (frame.left - 12, 25), Anchor::End, Ink::Muted);
    if let Some(planned) = planned {
        let y = scale.at(planned);
        s.dashed((frame.left, y), (frame.right, y), 3, Ink::Plan);
    }
    bars(&mut s, frame, &scale, &days);
    let x = axes::staff(&mut s, frame, &scale, table, end.0);
    if let Some(planned) = planned {
        s.plimsoll((x, scale.at(planned)), 14, 24);
        s.advice(w::rps(planned), (frame.right + 56, scale.at(planned)), Anchor::Start);
    }
    Some(s)
}

fn bars(s: &mut Sketch, frame: Frame, scale: &Scale, days: &[DayAhead]) {
    let count = i32::try_from(days.len()).unwrap_or(1);
    let slot = (frame.right - frame.left) / count;
    let half = (slot * 23 / 100).clamp(3, 24);
    let mut free_from = i32::MIN;
    for (index, day) in (0..).zip(days) {
        let x = frame.left + slot / 2 + slot * index;
        let [low95, low80, median, high80, high95] = day.peak.map(|value| scale.at(value));
        s.rect((x - half / 2, low95), (x + half / 2, high95), Ink::Fan95);
        s.rect((x - half, low80), (x + half, high80), Ink::Fan80);
        s.rect((x - half, median - 2), (x + half, median + 2), Ink::Median);
        // the first day carries its date, the others where there is room
        let long = day.date.strftime("%a %-d").to_string();
        let short = index > 0 && breadth(&long, false) + 12 > slot;
        let name = if short { day.date.strftime("%a").to_string() } else { long };
        let width = breadth(&name, false) / 2;
        if x - width >= free_from {
            s.label(name, (x, frame.bottom + 30), Anchor::Middle, Ink::Muted);
            free_from = x + width;
        }
    }
}

fn story(days: &[DayAhead], planned: Option<f64>) -> String {
    let mut story: Vec<String> = days
        .iter()
        .map(|day| {
            format!(
                "{}: 95 % interval {} to {}, median {}",
                day.date.strftime("%a"),
                w::rps(day.peak[0]),
                w::rps(day.peak[4]),
                w::rps(day.peak[2])
            )
        })
        .collect();
    if let Some(planned) = planned {
        story.push(format!("planning load of the whole window: {}", w::rps(planned)));
    }
    story.join("; ") + "."
}
