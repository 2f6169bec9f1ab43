//! Memory of a component that the table sizes by memory: what was used against its limits.

use jiff::{Timestamp, ToSpan};

use super::axes::{self, Frame, Scale, TimeScale};
use super::palette::Ink;
use super::series;
use super::sketch::{Anchor, Sketch};
use crate::Assessment;
use crate::advise::plan::{Amount, Setting};
use crate::history::{History, Signal};
use crate::render::wording as w;

/// How much history is drawn, in days.
const DAYS: i64 = 21;
const MI: f64 = 1_048_576.0;

/// What is known of a component's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// The highest use of the last seven days.
    pub peak: Option<f64>,
    /// Redis' own `maxmemory`; `None` where it is not known or unlimited.
    pub maxmemory: Option<f64>,
    /// The container's limit.
    pub limit: Option<f64>,
    /// The limit advised, where it differs.
    pub advised: Option<f64>,
}

/// The series of use: what Redis says, else the container's working set.
pub fn used<'a>(a: &'a Assessment, component: &str) -> Option<&'a History> {
    [Signal::RedisUsed, Signal::Memory]
        .into_iter()
        .find_map(|signal| series::history(a, Some(component), signal))
}

/// What is known of a component's memory.
pub fn memory(a: &Assessment, component: &str) -> Memory {
    let newest = |signal| series::history(a, Some(component), signal).and_then(series::newest);
    let advice = a
        .plan
        .recommendations
        .iter()
        .find(|r| r.component == component && r.setting == Setting::Memory);
    let bytes = |amount: Option<Amount>| match amount {
        Some(Amount::Bytes(bytes)) => Some(bytes.mebibytes() * MI),
        _ => None,
    };
    let current = advice.and_then(|r| bytes(r.current));
    let at = a.at.as_second();
    Memory {
        peak: used(a, component)
            .and_then(|h| series::highest(h, at - 604_800, at + 1))
            .map(|p| p.1),
        maxmemory: newest(Signal::RedisMax).filter(|bytes| *bytes > 0.0),
        limit: current.or_else(|| newest(Signal::MemoryLimit)),
        advised: advice.and_then(|r| bytes(r.target)).filter(|target| Some(*target) != current),
    }
}

/// The chart of one component in one of its two layouts; `None` without a series of use.
pub fn sketch(a: &Assessment, component: &str, wide: bool) -> Option<Sketch> {
    let history = used(a, component)?;
    let known = memory(a, component);
    let today = a.at.to_zoned(a.calendar.zone.clone()).date();
    let from = axes::midnight(today.checked_sub(DAYS.days()).ok()?, &a.calendar.zone)?;
    let frame = if wide {
        Frame { left: 92, top: 60, right: 1520, bottom: 460 }
    } else {
        Frame { left: 84, top: 60, right: 708, bottom: 424 }
    };
    let hours = series::hourly_max(history, from, a.at);
    let seen = hours.values().copied();
    let high = seen
        .chain([known.maxmemory, known.limit, known.advised].into_iter().flatten())
        .fold(MI, f64::max);
    let step = binary_step(high / MI);
    let end = (high / MI / step).ceil() * step;
    let title = format!(
        "Memory of {}, {} to {}",
        w::component(component),
        w::date(a, from),
        w::date(a, a.at)
    );
    let (width, height) = if wide { (1824, 520) } else { (716, 484) };
    let mut s = Sketch::new(width, height, title, story(&known));
    let time = TimeScale::new(from, a.at, frame, &a.calendar.zone);
    let scale = Scale::new((0.0, end), (frame.bottom, frame.top));
    ground(&mut s, frame, &scale, (end, step));
    for mark in
        history.marks.iter().filter(|m| m.kind == crate::history::MarkKind::Gap && m.to > from)
    {
        let right = time.at(mark.to).max(time.at(mark.from) + 3);
        s.rect((time.at(mark.from), frame.top), (right, frame.bottom), Ink::Gap);
    }
    axes::weeks(&mut s, frame, &time, &a.calendar.zone);
    for run in series::runs(&hours) {
        let points = run.into_iter().map(|(at, bytes)| (time.at_second(at), scale.at(bytes / MI)));
        s.path(points.collect(), 3, Ink::Load);
    }
    limits(&mut s, frame, &scale, &known, wide);
    peak(&mut s, history, a.at, &time, &scale);
    Some(s)
}

/// A grid of powers of two: memory is bought in them.
fn binary_step(high: f64) -> f64 {
    (high / 4.0).log2().ceil().exp2().max(1.0)
}

fn ground(s: &mut Sketch, frame: Frame, scale: &Scale, (end, step): (f64, f64)) {
    let mut value = 0.0;
    while value <= end {
        let y = scale.at(value);
        if value > 0.0 {
            s.line((frame.left, y), (frame.right, y), 1, Ink::Rule);
        }
        let text = if value > 0.0 { w::bytes(value * MI) } else { "0".to_owned() };
        s.label(text, (frame.left - 12, y), Anchor::End, Ink::Muted);
        value += step;
    }
}

/// The limits as dashed lines with their names at the right; where two are near, the lower one's name moves down.
fn limits(s: &mut Sketch, frame: Frame, scale: &Scale, known: &Memory, wide: bool) {
    let words = ["maxmemory", "limit today", "recommended"];
    let mut lines: Vec<(f64, &str, Ink)> = [
        (known.maxmemory, words[0], Ink::Muted),
        (known.limit, words[1], Ink::Muted),
        (known.advised, words[2], Ink::Plan),
    ]
    .into_iter()
    .filter_map(|(bytes, word, ink)| Some((bytes?, word, ink)))
    .collect();
    lines.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut below = i32::MIN;
    for (bytes, word, ink) in lines {
        let y = scale.at(bytes / MI);
        s.dashed((frame.left, y), (frame.right, y), if ink == Ink::Plan { 4 } else { 2 }, ink);
        // on a phone the name stands on its line, elsewhere beside it
        let label = if wide { y } else { y - 18 }.max(below);
        let (at, anchor) = if wide {
            ((frame.right + 16, label), Anchor::Start)
        } else {
            ((frame.right, label), Anchor::End)
        };
        let text = format!("{word} {}", w::bytes(bytes));
        if ink == Ink::Plan {
            s.advice(text, at, anchor);
        } else {
            s.label(text, at, anchor, ink);
        }
        below = label + 34;
    }
}

fn peak(s: &mut Sketch, history: &History, at: Timestamp, time: &TimeScale, scale: &Scale) {
    let now = at.as_second();
    if let Some((when, bytes)) = series::highest(history, now - 604_800, now + 1) {
        let (x, y) = (time.at_second(when - when.rem_euclid(3_600)), scale.at(bytes / MI));
        s.disc((x, y), 7, Ink::Text);
        s.bold(w::bytes(bytes), (x - 16, y - 10), Anchor::End, Ink::Text);
    }
}

fn story(known: &Memory) -> String {
    let mut parts = Vec::new();
    for (what, bytes) in [
        ("Most used in the last week", known.peak),
        ("maxmemory", known.maxmemory),
        ("Limit today", known.limit),
        ("Limit recommended", known.advised),
    ] {
        if let Some(bytes) = bytes {
            parts.push(format!("{what}: {}.", w::bytes(bytes)));
        }
    }
    parts.join(" ")
}
