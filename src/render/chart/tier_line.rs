//! The load line: where the service stands on its table, on a logarithmic scale.

use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::ranged1d::Ranged;

use super::axes;
use super::palette::Ink;
use super::sketch::{Anchor, Sketch, breadth};
use crate::Assessment;
use crate::advise::plan::LoadFigures;
use crate::render::wording as w;

/// Top and bottom of the bar.
const BAR: (i32, i32) = (60, 120);
/// Middle of the labels above and below it.
const ABOVE: i32 = 29;
const BELOW: i32 = 157;

/// The chart in one of its two layouts; `None` without a usable load.
pub fn sketch(a: &Assessment, wide: bool) -> Option<Sketch> {
    let load = a.plan.load.as_ref()?;
    let boundaries: Vec<f64> = a.service.tiers.boundaries().filter(|b| *b > 0.0).collect();
    let width = if wide { 1824 } else { 716 };
    let story = format!(
        "A scale of load in requests per second, logarithmic, with lines at {}. Now {}, in {}. Highest load of the last week {}. Planning load {}, in {}.",
        w::list(&boundaries.iter().map(|b| axes::tick(*b)).collect::<Vec<_>>()),
        w::rps(load.current),
        a.service.tiers.row(load.current).name,
        w::rps(load.observed_peak),
        w::rps(load.planning),
        a.service.tiers.row(load.planning).name,
    );
    let title = format!("Where {} stands on its table", a.service.name);
    let mut s = Sketch::new(width, 180, title, story);
    let scale = Log::new(load, &boundaries, width);
    rows(&mut s, a, &scale, wide);
    figures(&mut s, load, &boundaries, &scale, wide);
    Some(s)
}

/// Load to pixel; the ends lie past the outer boundaries and figures by the same factor.
struct Log {
    range: LogCoord<f64>,
    ends: (f64, f64),
    width: i32,
}

impl Log {
    fn new(load: &LoadFigures, boundaries: &[f64], width: i32) -> Self {
        let first = boundaries.first().copied().unwrap_or(load.planning);
        let last = boundaries.last().copied().unwrap_or(load.planning);
        // zero has no place on a logarithmic scale: a load below a quarter of the first line stands at the edge
        let low = first / 4.0;
        let high = (last * 2.2).max(load.planning.max(load.observed_peak) * 1.25);
        let ends = if low > 0.0 && low < high { (low, high) } else { (1.0, 10.0) };
        Self { range: (ends.0..ends.1).log_scale().into(), ends, width }
    }

    fn at(&self, value: f64) -> i32 {
        let value = value.clamp(self.ends.0, self.ends.1);
        self.range.map(&value, (0, self.width))
    }
}

/// The rows with their names, the lines between them with their figures.
fn rows(s: &mut Sketch, a: &Assessment, scale: &Log, wide: bool) {
    let rows = &a.service.tiers.rows;
    for (index, row) in rows.iter().enumerate() {
        let left = if row.from > 0.0 { scale.at(row.from) } else { 0 };
        let right = row.below.map_or(s.width, |below| scale.at(below));
        s.rect((left, BAR.0), (right, BAR.1), axes::band(index, rows.len()));
        let busy = [&a.plan.load].into_iter().flatten().map(|load| scale.at(load.planning));
        let half = breadth(&row.name, true) / 2;
        let free = |x: &i32| busy.clone().all(|other| (other - x).abs() > half + 40);
        let middle = i32::midpoint(left, right);
        let places = [middle, right - half - 24, left + half + 24];
        if let Some(x) = places.into_iter().find(free)
            && 2 * half + 16 < right - left
        {
            s.bold(&*row.name, (x, 90), Anchor::Middle, Ink::Text);
        }
    }
    for boundary in a.service.tiers.boundaries() {
        let x = scale.at(boundary);
        s.rect((x - 2, BAR.0 - 12), (x + 3, BAR.1 + 12), Ink::Text);
        let unit = if wide { " rps" } else { "" };
        s.bold(format!("{}{unit}", axes::tick(boundary)), (x, BELOW), Anchor::Middle, Ink::Text);
    }
}

/// Now, last week's peak, and the planning load: labels above and below, none over another.
fn figures(s: &mut Sketch, load: &LoadFigures, boundaries: &[f64], scale: &Log, wide: bool) {
    let (now, peak, plan) =
        (scale.at(load.current), scale.at(load.observed_peak), scale.at(load.planning));
    s.rect((now - 2, BAR.0 - 10), (now + 2, BAR.1), Ink::Load);
    s.rect((peak - 2, BAR.0), (peak + 2, BAR.1 + 12), Ink::Load);

    let planned = format!(
        "{} {}",
        if wide { "planned for this week" } else { "planned" },
        w::rps(load.planning)
    );
    // the loud label is a little larger than the quiet ones
    let planned_width = breadth(&planned, true) * 28 / 26;
    let left = (plan - 12).min(s.width - planned_width).max(0);
    let current = format!("now {}", w::rps(load.current));
    let half = breadth(&current, true) / 2;
    let current_right = (now + half).min(left - 20);
    if current_right >= 2 * half {
        s.bold(current, (current_right, ABOVE), Anchor::End, Ink::Load);
    }
    s.advice(planned, (left, ABOVE), Anchor::Start);

    let text = format!(
        "{} {}",
        if wide { "last week’s peak" } else { "peak" },
        w::rps(load.observed_peak)
    );
    let breadth = breadth(&text, true);
    let taken: Vec<(i32, i32)> =
        boundaries.iter().map(|b| (scale.at(*b) - 62, scale.at(*b) + 62)).collect();
    let clear = |from: i32| {
        from >= 0
            && from + breadth <= s.width
            && taken.iter().all(|(left, right)| from + breadth <= *left || from >= *right)
    };
    let places =
        (0..40).flat_map(|shift| [peak - breadth / 2 - 8 * shift, peak - breadth / 2 + 8 * shift]);
    if let Some(from) = places.into_iter().find(|from| clear(*from)) {
        s.bold(text, (from, BELOW), Anchor::Start, Ink::Load);
    }
    s.plimsoll((plan, 90), 16, 28);
}
