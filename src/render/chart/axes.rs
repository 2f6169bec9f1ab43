//! Scales, ticks and the parts that every load chart shares: bands, load lines, the staff.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;

use super::palette::Ink;
use super::sketch::{Anchor, Sketch, TEXT, breadth};
use crate::tiers::{Size, Tier, TierTable};
use crate::units::counted;

/// The rectangle that data is drawn in.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Left edge.
    pub left: i32,
    /// Upper edge.
    pub top: i32,
    /// Right edge.
    pub right: i32,
    /// Lower edge.
    pub bottom: i32,
}

/// A linear scale on one axis of a frame.
pub struct Scale {
    range: RangedCoordf64,
    ends: (i32, i32),
}

impl Scale {
    /// A scale from `low` at pixel `from` to `high` at pixel `to`.
    pub fn new((low, high): (f64, f64), (from, to): (i32, i32)) -> Self {
        Self { range: (low..high).into(), ends: (from, to) }
    }

    /// The pixel of a value; values outside stay at the end of the scale.
    pub fn at(&self, value: f64) -> i32 {
        let ends = self.range.range();
        self.range.map(&value.clamp(ends.start, ends.end), self.ends)
    }
}

/// Time along a frame, in the reader's zone.
pub struct TimeScale {
    scale: Scale,
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub to: Timestamp,
    zone: TimeZone,
}

impl TimeScale {
    /// Time from the left to the right edge of a frame.
    #[expect(clippy::cast_precision_loss, reason = "unix seconds fit")]
    pub fn new(from: Timestamp, to: Timestamp, frame: Frame, zone: &TimeZone) -> Self {
        let ends = (from.as_second() as f64, to.as_second() as f64);
        Self { scale: Scale::new(ends, (frame.left, frame.right)), from, to, zone: zone.clone() }
    }

    /// The pixel of a moment.
    #[expect(clippy::cast_precision_loss, reason = "unix seconds fit")]
    pub fn at(&self, moment: Timestamp) -> i32 {
        self.scale.at(moment.as_second() as f64)
    }

    /// The pixel of a moment in unix seconds.
    #[expect(clippy::cast_precision_loss, reason = "unix seconds fit")]
    pub fn at_second(&self, second: i64) -> i32 {
        self.scale.at(second as f64)
    }

    /// The local midnights inside the scale, with their dates.
    pub fn midnights(&self) -> Vec<(Date, Timestamp)> {
        let mut date = self.from.to_zoned(self.zone.clone()).date();
        let mut days = Vec::new();
        while let Some(moment) = midnight(date, &self.zone) {
            if moment > self.to {
                break;
            }
            if moment >= self.from {
                days.push((date, moment));
            }
            let Ok(next) = date.checked_add(1.day()) else {
                break;
            };
            date = next;
        }
        days
    }
}

/// The first moment of a local day.
pub fn midnight(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok().map(|day| day.timestamp())
}

/// A round end for a scale that holds `high`, and the distance of its grid lines: at most seven of them.
pub fn nice(high: f64) -> (f64, f64) {
    let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
    let power = 10f64.powf(high.log10().floor());
    let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
        .iter()
        .map(|factor| factor * power)
        .find(|step| high / step <= 7.0)
        .unwrap_or(10.0 * power);
    ((high / step).ceil() * step, step)
}

/// A figure on an axis: no digits that say nothing.
pub fn tick(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The grid and labels of a linear axis from 0 to `end`; boundaries get their own, bold label.
pub fn grid(sketch: &mut Sketch, frame: Frame, (end, step): (f64, f64), boundaries: &[f64]) {
    let scale = Scale::new((0.0, end), (frame.bottom, frame.top));
    let near =
        |value: f64| boundaries.iter().any(|b| (scale.at(*b) - scale.at(value)).abs() < TEXT);
    let mut value = 0.0;
    while value <= end * 1.000_1 {
        let y = scale.at(value);
        if value > 0.0 && value < end * 0.999 && !boundaries.contains(&value) {
            sketch.line((frame.left, y), (frame.right, y), 1, Ink::Rule);
        }
        if !near(value) {
            sketch.label(tick(value), (frame.left - 12, y), Anchor::End, Ink::Muted);
        }
        value += step;
    }
    for boundary in boundaries.iter().filter(|b| **b < end) {
        let at = (frame.left - 12, scale.at(*boundary));
        sketch.bold(tick(*boundary), at, Anchor::End, Ink::Text);
    }
}

/// The ground of each row of the table up to `end`.
pub fn bands(sketch: &mut Sketch, frame: Frame, scale: &Scale, table: &TierTable, end: f64) {
    for (index, row) in table.rows.iter().enumerate() {
        // the first row stays on the page's own ground, so that night lies on paper
        if index == 0 || row.from >= end {
            continue;
        }
        let top = row.below.map_or(end, |below| below.min(end));
        sketch.rect(
            (frame.left, scale.at(top)),
            (frame.right, scale.at(row.from)),
            band(index, table.rows.len()),
        );
    }
}

/// The ground of the row at `index`: deeper is more load.
pub fn band(index: usize, rows: usize) -> Ink {
    match rows.saturating_sub(index) {
        1 => Ink::Band3,
        2 => Ink::Band2,
        _ => Ink::Band1,
    }
}

/// The load lines: thin across the plot, bold ticks on a staff beside it.
pub fn load_lines(sketch: &mut Sketch, frame: Frame, scale: &Scale, table: &TierTable, end: f64) {
    for boundary in table.boundaries().filter(|b| *b < end) {
        let y = scale.at(boundary);
        sketch.line((frame.left, y), (frame.right, y), 2, Ink::Text);
    }
}

/// The staff at the right with its ticks; gives the x of its middle.
pub fn staff(sketch: &mut Sketch, frame: Frame, scale: &Scale, table: &TierTable, end: f64) -> i32 {
    let x = frame.right + 26;
    sketch.rect((x - 2, frame.top), (x + 2, frame.bottom), Ink::Text);
    for boundary in table.boundaries().filter(|b| *b < end) {
        let y = scale.at(boundary);
        sketch.rect((x - 26, y - 2), (x + 26, y + 3), Ink::Text);
    }
    x
}

/// What stands beside the staff: boundaries, row names and their pods, none of it over another, and
/// none over the label of the planning load at pixel `planned`.
pub fn staff_labels(
    sketch: &mut Sketch,
    frame: Frame,
    scale: &Scale,
    table: &TierTable,
    (end, planned, wide): (f64, Option<i32>, bool),
) {
    let x = frame.right + if wide { 64 } else { 60 };
    let mut taken: Vec<(i32, i32)> = planned.map(|y| (y - 24, y + 24)).into_iter().collect();
    let mut free = |top: i32, bottom: i32| {
        let is_free = taken.iter().all(|(from, to)| bottom <= *from || top >= *to);
        if is_free {
            taken.push((top, bottom));
        }
        is_free
    };
    for boundary in table.boundaries().filter(|b| *b < end) {
        let y = scale.at(boundary);
        if free(y - 15, y + 15) {
            let unit = if wide { " rps" } else { "" };
            sketch.bold(format!("{}{unit}", tick(boundary)), (x, y), Anchor::Start, Ink::Text);
        }
    }
    for row in table.rows.iter().filter(|row| row.from < end) {
        let top = scale.at(row.below.map_or(end, |below| below.min(end)));
        let bottom = scale.at(row.from).min(frame.bottom);
        let pods = wide.then(|| pods(row)).flatten();
        let height = if pods.is_some() { 64 } else { 32 };
        let middles = (top + 16 + height / 2..=bottom - 16 - height / 2).step_by(4);
        let mut middles: Vec<i32> = middles.collect();
        middles.sort_by_key(|y| (y - i32::midpoint(top, bottom)).abs());
        if let Some(y) = middles.into_iter().find(|y| free(y - height / 2, y + height / 2)) {
            let first = if pods.is_some() { y - 16 } else { y };
            let (x, anchor) = if wide { (x, Anchor::Start) } else { (sketch.width, Anchor::End) };
            sketch.bold(&*row.name, (x, first), anchor, Ink::Text);
            if let Some(pods) = pods {
                sketch.label(pods, (x, y + 17), Anchor::Start, Ink::Muted);
            }
        }
    }
}

/// What a row gives its first component, in words: `5–10 pods`.
fn pods(row: &Tier) -> Option<String> {
    row.sizes.iter().find_map(|(_, size)| match size {
        Size::Replicas { min, max } if min == max => Some(counted(*min, "pod")),
        Size::Replicas { min, max } => Some(format!("{min}–{max} pods")),
        Size::Memory(_) => None,
    })
}

/// The axis of weeks below a frame: a tick and a date every seven days, as far as they have room.
pub fn weeks(sketch: &mut Sketch, frame: Frame, time: &TimeScale, zone: &TimeZone) {
    let first = time.from.to_zoned(zone.clone()).weekday();
    let mut free_from = i32::MIN;
    for (date, moment) in time.midnights() {
        if date.weekday() != first {
            continue;
        }
        let x = time.at(moment);
        sketch.line((x, frame.bottom), (x, frame.bottom + 10), 2, Ink::Muted);
        let at_edge = x < frame.left + 40;
        let text = date.strftime(if at_edge { "%a %-d %b" } else { "%-d %b" }).to_string();
        let half = breadth(&text, false) / 2;
        let (left, anchor) = if at_edge { (x, Anchor::Start) } else { (x - half, Anchor::Middle) };
        if left >= free_from && x + half <= sketch.width {
            sketch.label(text, (x, frame.bottom + 30), anchor, Ink::Muted);
            free_from = left + 2 * half + 16;
        }
    }
    sketch.line((frame.left, frame.bottom), (frame.right, frame.bottom), 2, Ink::Muted);
}

/// The axis of single days: a tick at each midnight, the label under noon.
pub fn days(sketch: &mut Sketch, frame: Frame, time: &TimeScale) {
    let mut free_from = i32::MIN;
    for (date, moment) in time.midnights() {
        let x = time.at(moment);
        sketch.line((x, frame.bottom), (x, frame.bottom + 8), 2, Ink::Muted);
        let noon = time.at_second(moment.as_second() + 43_200);
        let text = date.strftime("%a %-d").to_string();
        let half = breadth(&text, false) / 2;
        if noon - half >= free_from && noon + half <= frame.right + 30 {
            sketch.label(text, (noon, frame.bottom + 30), Anchor::Middle, Ink::Muted);
            free_from = noon + half + 8;
        }
    }
    sketch.line((frame.left, frame.bottom), (frame.right, frame.bottom), 2, Ink::Muted);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_figure_with_few_grid_lines() {
        assert_eq!(nice(62.0), (70.0, 10.0));
        assert_eq!(nice(7.0), (7.0, 1.0));
        assert_eq!(nice(0.031), (0.035, 0.005));
        // nothing known is still an axis
        assert_eq!(nice(f64::NAN), nice(1.0));
    }

    #[test]
    fn a_value_outside_the_scale_stays_at_its_end() {
        let scale = Scale::new((0.0, 10.0), (100, 0));
        assert_eq!((scale.at(-3.0), scale.at(5.0), scale.at(99.0)), (100, 50, 0));
    }
}
