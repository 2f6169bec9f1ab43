//! Charts that sit in a table's cell or beside one: runway bars, coverage strips, the scorecard.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::axes::{self, Frame, Scale, TimeScale};
use super::palette::Ink;
use super::sketch::{Anchor, Sketch};
use crate::advise::plan::Runway;
use crate::history::{Mark, MarkKind};
use crate::render::wording as w;
use crate::{Assessment, WeekScore};

/// Width of a chart in a cell.
const CELL: i32 = 720;

/// The outlook as a time axis of cell charts, with room for the arrow that says "after".
fn outlook(a: &Assessment) -> Option<(TimeScale, Frame)> {
    let frame = Frame { left: 4, top: 0, right: 696, bottom: 32 };
    let to = Timestamp::from_second(a.at.as_second() + a.policy.outlook.0).ok()?;
    Some((TimeScale::new(a.at, to, frame, &a.calendar.zone), frame))
}

/// A bar from today over the outlook: pale until the 1-in-10 date, dark from there to even odds.
pub fn runway(a: &Assessment, what: &str, dates: Runway) -> Option<Sketch> {
    let (time, frame) = outlook(a)?;
    let (early, even) = w::dates(a, dates);
    let story = format!("1 in 10: {early}; even odds: {even}.");
    let mut s = Sketch::new(CELL, 32, what, story);
    for event in &a.calendar.events {
        if event.to > time.from && event.from < time.to {
            s.rect((time.at(event.from), 0), (time.at(event.to), 32), Ink::MaskWash);
        }
    }
    s.line((frame.left, 16), (frame.right, 16), 2, Ink::Rule);
    let place = |date: Option<Date>| {
        date.and_then(|date| axes::midnight(date, &a.calendar.zone)).map(|moment| time.at(moment))
    };
    let (early, even) = (place(dates.p90), place(dates.p50));
    s.rect((frame.left, 8), (early.unwrap_or(frame.right), 24), Ink::Fan95);
    if let Some(early) = early {
        s.rect((early, 6), (even.unwrap_or(frame.right).max(early + 6), 26), Ink::Load);
    }
    if let Some(even) = even {
        s.rect((even - 2, 0), (even + 4, 32), Ink::Text);
        return Some(s);
    }
    let (ink, top, bottom) = if early.is_some() { (Ink::Load, 6, 26) } else { (Ink::Fan95, 8, 24) };
    let arrow = vec![(frame.right, top), (frame.right + 16, 16), (frame.right, bottom)];
    s.between(arrow, Vec::new(), ink);
    Some(s)
}

/// The axis under the runway bars: a label a week.
pub fn runway_axis(a: &Assessment) -> Option<Sketch> {
    let (time, frame) = outlook(a)?;
    let title = format!("Time axis, {} to {}", w::date(a, time.from), w::date(a, time.to));
    let mut s = Sketch::new(CELL, 44, title, "One label a week.");
    let weeks = (a.policy.outlook.0 / 604_800).max(1);
    let every = (weeks / 4).max(1);
    for week in (0..=weeks).step_by(usize::try_from(every).unwrap_or(1)) {
        let Ok(moment) = Timestamp::from_second(a.at.as_second() + week * 604_800) else {
            break;
        };
        let x = time.at(moment);
        s.line((x, 0), (x, 8), 2, Ink::Muted);
        let anchor = match week {
            0 => Anchor::Start,
            _ if x >= frame.right => Anchor::End,
            _ => Anchor::Middle,
        };
        let date = moment.to_zoned(a.calendar.zone.clone()).date();
        let x = if week == 0 { 0 } else { x };
        s.label(date.strftime("%-d %b").to_string(), (x, 28), anchor, Ink::Muted);
    }
    Some(s)
}

/// One signal's days: the share of each that was seen, 0 to 1, with a lane for masked and censored spans.
pub fn coverage(
    name: &str,
    share: &str,
    days: &[f64],
    marks: &[Mark],
    span: (Timestamp, Timestamp),
) -> Sketch {
    let lane = marks.iter().any(|mark| mark.kind != MarkKind::Gap);
    let title = format!("Coverage of {name}, {}", w::counted(days.len(), "day"));
    let mut s = Sketch::new(CELL, if lane { 44 } else { 32 }, title, share);
    s.rect((0, 0), (CELL, 32), Ink::Gap);
    let count = days.len().max(1);
    let edge = |day: usize| i32::try_from(day * 720 / count).unwrap_or(CELL);
    let height = |share: f64| Scale::new((0.0, 1.0), (0, 32)).at(share);
    let mut from = 0;
    for day in 1..=days.len() {
        let same = days.get(day).is_some_and(|next| height(*next) == height(days[from]));
        if !same {
            // a share that rounds to nothing is drawn as a hair: something was seen
            let tall = if days[from] > 0.0 { height(days[from]).max(1) } else { 0 };
            s.rect((edge(from), 32 - tall), (edge(day), 32), Ink::Load);
            from = day;
        }
    }
    comb(&mut s, (1..days.len()).map(edge).collect());
    for week in (7..days.len()).step_by(7) {
        s.line((edge(week), 0), (edge(week), 32), 4, Ink::Paper);
    }
    #[expect(clippy::cast_precision_loss, reason = "unix seconds fit")]
    let scale = Scale::new((span.0.as_second() as f64, span.1.as_second() as f64), (0, CELL));
    for mark in marks.iter().filter(|mark| mark.kind != MarkKind::Gap && mark.to > span.0) {
        let ink = if mark.kind == MarkKind::Masked { Ink::Mask } else { Ink::Censored };
        #[expect(clippy::cast_precision_loss, reason = "unix seconds fit")]
        let (left, right) =
            (scale.at(mark.from.as_second() as f64), scale.at(mark.to.as_second() as f64));
        s.rect((left, 36), (right.max(left + 6), 44), ink);
    }
    s
}

/// Hairs between days as one line that turns outside the strip: a line for each would weigh as much as the page.
fn comb(s: &mut Sketch, edges: Vec<i32>) {
    let teeth = edges.into_iter().enumerate().flat_map(|(index, x)| {
        let (from, to) = if index % 2 == 0 { (-3, 34) } else { (34, -3) };
        [(x, from), (x, to)]
    });
    s.path(teeth.collect(), 1, Ink::Paper);
}

/// Weeks of the scorecard: what was planned, as a bar of our colour, and what came, as a dot.
pub fn scorecard(a: &Assessment) -> Option<Sketch> {
    let weeks: Vec<&WeekScore> = a.scorecard.iter().rev().take(8).rev().collect();
    let high = weeks
        .iter()
        .flat_map(|week| [week.planned, week.seen])
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max);
    if weeks.is_empty() || high <= 0.0 {
        return None;
    }
    let story: Vec<String> = weeks
        .iter()
        .map(|week| {
            format!(
                "{}: planned {}, seen {}",
                w::date(a, week.from),
                w::rps(week.planned),
                w::seen(week.seen)
            )
        })
        .collect();
    let mut s =
        Sketch::new(860, 460, "Planned and highest load of each past week", story.join("; ") + ".");
    let frame = Frame { left: 68, top: 56, right: 840, bottom: 404 };
    let end = axes::nice(high * 1.06);
    let scale = Scale::new((0.0, end.0), (frame.bottom, frame.top));
    axes::grid(&mut s, frame, end, &[]);
    s.line((frame.left, frame.bottom), (frame.right, frame.bottom), 2, Ink::Muted);
    s.label("rps", (frame.left - 12, 25), Anchor::End, Ink::Muted);
    let slot = (frame.right - frame.left) / i32::try_from(weeks.len()).unwrap_or(1);
    let half = (slot * 30 / 100).clamp(6, 44);
    for (index, week) in (0..).zip(&weeks) {
        let x = frame.left + slot / 2 + slot * index;
        let y = scale.at(week.planned);
        s.rect((x - half, y - 3), (x + half, y + 3), Ink::Plan);
        if week.seen.is_finite() {
            s.line((x, y), (x, scale.at(week.seen)), 3, Ink::Fan80);
            s.disc((x, scale.at(week.seen)), 9, Ink::Text);
        } else {
            s.label("no data", (x, frame.bottom - 20), Anchor::Middle, Ink::Muted);
        }
        let date = week.from.to_zoned(a.calendar.zone.clone()).date();
        s.label(
            date.strftime("%-d %b").to_string(),
            (x, frame.bottom + 30),
            Anchor::Middle,
            Ink::Muted,
        );
    }
    Some(s)
}

/// The local days of a window, oldest first.
pub fn days(a: &Assessment, from: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let zone = &a.calendar.zone;
    let mut date = from.to_zoned(zone.clone()).date();
    let mut days = Vec::new();
    while let (Some(start), Ok(next)) = (axes::midnight(date, zone), date.checked_add(1.day())) {
        if start >= a.at {
            break;
        }
        let end = axes::midnight(next, zone).unwrap_or(a.at);
        days.push((start.max(from), end.min(a.at)));
        date = next;
    }
    days
}
