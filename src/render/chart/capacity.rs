//! P99 against load per pod: where the objective is met, and what each row of the table asks for.

use super::axes::{self, Frame, Scale};
use super::palette::Ink;
use super::sketch::{Anchor, Sketch, TEXT, breadth};
use crate::Assessment;
use crate::capacity::{self, Bin, Capacity};
use crate::render::wording as w;

/// The scale ends at this multiple of what a pod sustains; a row that asks for more is named at the edge.
const REACH: f64 = 2.2;
/// Room above the objective, as a multiple of it: what lies higher is long past it.
const ABOVE: f64 = 1.5;

/// What a row asks of each of its pods.
struct Ask {
    row: String,
    per_pod: f64,
}

/// The chart of one component; `None` where its capacity could not be measured.
pub fn sketch(a: &Assessment, component: &str) -> Option<Sketch> {
    let measured = a.capacity.get(component)?;
    let known = a.service.components.iter().find(|known| known.name == component)?;
    let bins = capacity::profile(known, &a.history);
    let objective = a.service.objectives.p99_s;
    let asks = asks(a, component);
    let title = format!("P99 latency against load per {} pod", w::component(component));
    let mut s = Sketch::new(860, 524, title, story(measured, objective, &asks));
    let frame = Frame { left: 68, top: 92, right: 820, bottom: 448 };
    let widest = asks.iter().map(|ask| ask.per_pod).fold(bins.last()?.per_replica, f64::max) * 1.04;
    let end = axes::nice(widest.min(measured.per_replica * REACH));
    let high = axes::nice(objective * ABOVE);
    let (x, y) = (
        Scale::new((0.0, end.0), (frame.left, frame.right)),
        Scale::new((0.0, high.0), (frame.bottom, frame.top)),
    );
    s.rect(
        (x.at(measured.low) - 3, frame.top),
        (x.at(measured.high) + 3, frame.bottom),
        Ink::Fan95,
    );
    axes::grid(&mut s, frame, high, &[]);
    s.line((frame.left, frame.bottom), (frame.right, frame.bottom), 2, Ink::Muted);
    loads(&mut s, frame, &x, end);
    row_lines(&mut s, frame, &x, &asks, end.0);
    s.dashed((frame.left, y.at(objective)), (frame.right, y.at(objective)), 2, Ink::Muted);
    s.label("P99, s", (frame.left - 12, 25), Anchor::Start, Ink::Muted);
    cloud(&mut s, &x, &y, &bins);
    mark(&mut s, frame, (x.at(measured.per_replica), y.at(objective)), measured);
    Some(s)
}

/// The rows with a top, by what they ask of a pod.
fn asks(a: &Assessment, component: &str) -> Vec<Ask> {
    let rows = a.rows.get(component).map(Vec::as_slice).unwrap_or_default();
    let ask = |row: &capacity::RowVerdict| {
        let per_pod = row.promised? / f64::from(row.replicas.max(1));
        Some(Ask { row: row.tier.clone(), per_pod })
    };
    rows.iter().filter_map(ask).collect()
}

/// The labels under the axis of load per pod.
fn loads(s: &mut Sketch, frame: Frame, x: &Scale, (end, step): (f64, f64)) {
    let mut value = 0.0;
    while value <= end * 1.000_1 {
        s.label(axes::tick(value), (x.at(value), frame.bottom + 26), Anchor::Middle, Ink::Muted);
        value += step;
    }
    s.label("rps per pod", (frame.right, frame.bottom + 58), Anchor::End, Ink::Muted);
}

/// A load line for every row, named above it; a name that finds no room is left to the table beside.
fn row_lines(s: &mut Sketch, frame: Frame, x: &Scale, asks: &[Ask], end: f64) {
    let mut free_from = 0;
    for ask in asks.iter().filter(|ask| ask.per_pod <= end) {
        let at = x.at(ask.per_pod);
        s.line((at, frame.top), (at, frame.bottom), 2, Ink::Text);
        let name = format!("{} {}", ask.row, axes::tick(ask.per_pod));
        let half = breadth(&name, true) / 2;
        let middle = at.clamp(half, 852 - half);
        if middle - half >= free_from {
            s.bold(name, (middle, frame.top - 26), Anchor::Middle, Ink::Text);
            free_from = middle + half + TEXT / 2;
        }
    }
}

/// Medians with their central 90 %, and the rising fit through them.
fn cloud(s: &mut Sketch, x: &Scale, y: &Scale, bins: &[Bin]) {
    for bin in bins {
        let [low, median, high] = bin.p99.map(|p99| y.at(p99));
        s.rect((x.at(bin.per_replica) - 2, low), (x.at(bin.per_replica) + 2, high), Ink::Fan80);
        s.disc((x.at(bin.per_replica), median), 5, Ink::Load);
    }
    let fit = bins.iter().map(|bin| (x.at(bin.per_replica), y.at(bin.fit))).collect();
    s.path(fit, 4, Ink::Median);
}

/// The measured capacity, where the fit meets the objective, with its name on the side that has room.
fn mark(s: &mut Sketch, frame: Frame, at: (i32, i32), measured: &Capacity) {
    s.disc(at, 10, Ink::Median);
    let (text, interval) = (
        format!("measured {}", w::rps(measured.per_replica)),
        format!("95\u{202f}%: {}–{}", w::rps(measured.low), w::rps(measured.high)),
    );
    let right = at.0 + 24 + breadth(&text, true) < frame.right;
    let (x, anchor) = if right { (at.0 + 24, Anchor::Start) } else { (at.0 - 24, Anchor::End) };
    s.bold(text, (x, at.1 + 36), anchor, Ink::Median);
    s.label(interval, (x, at.1 + 70), anchor, Ink::Muted);
}

fn story(measured: &Capacity, objective: f64, asks: &[Ask]) -> String {
    let asks: Vec<String> = asks
        .iter()
        .map(|ask| format!("{} asks {} of a pod", ask.row, w::rps(ask.per_pod)))
        .collect();
    let limit = if measured.saturated { "sustains" } else { "was never asked for more than" };
    format!(
        "One pod {limit} {} rps at a P99 of {} s (95 % interval {} to {}); {}.",
        w::rps(measured.per_replica),
        axes::tick(objective),
        w::rps(measured.low),
        w::rps(measured.high),
        asks.join("; ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::fixture;

    #[test]
    fn the_fit_meets_the_objective_up_to_the_measured_capacity_and_no_further() {
        let a = fixture::assessment();
        let measured = a.capacity["api"];
        let api = a.service.components.iter().find(|one| one.name == "api").unwrap();
        let bins = capacity::profile(api, &a.history);
        assert!(bins.len() > 20, "{}", bins.len());
        assert!(bins.iter().all(|bin| bin.p99.is_sorted()));
        assert!(bins.is_sorted_by(|a, b| a.per_replica < b.per_replica && a.fit <= b.fit));
        for bin in &bins {
            let meets = bin.fit <= a.service.objectives.p99_s;
            assert_eq!(meets, bin.per_replica <= measured.per_replica, "{bin:?}");
        }
        assert!(sketch(&a, "api").is_some());
        assert!(sketch(&a, "worker").is_none(), "a worker's count says nothing of P99");
    }
}
