//! Replicas against need: last week as it was, the coming week as it is forecast.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::axes::{self, Frame, Scale, TimeScale};
use super::palette::Ink;
use super::series::{self, level, times, within};
use super::sketch::{Anchor, Sketch};
use crate::Assessment;
use crate::advise::plan::{Action, Amount, Setting};
use crate::forecast::Forecast;
use crate::history::Signal;
use crate::render::need::Need;
use crate::render::wording as w;

const WEEK_S: i64 = 604_800;

/// The chart of one component in one of its two layouts; `None` where neither its replicas nor its need
/// is known.
pub fn sketch(a: &Assessment, component: &str, wide: bool) -> Option<Sketch> {
    let view = View::new(a, component, wide)?;
    let (width, height) = if wide { (1824, 580) } else { (716, 540) };
    let title = format!(
        "{} pods against need, {} to {}",
        w::component(component),
        w::date(a, view.time.from),
        w::date(a, view.time.to)
    );
    let mut s = Sketch::new(width, height, title, view.story());
    view.ground(&mut s);
    view.need(&mut s);
    view.planned(&mut s);
    view.range(&mut s);
    view.ready(&mut s);
    view.labels(&mut s);
    Some(s)
}

/// A range of replicas, lowest and highest.
type Range = (u32, u32);

struct View<'a> {
    a: &'a Assessment,
    ready: BTreeMap<i64, f64>,
    seen: BTreeMap<i64, f64>,
    /// Time and need at even odds and at 95 %.
    ahead: Vec<(i64, u32, u32)>,
    /// Pods at the planning load.
    planned: Option<u32>,
    today: Option<Range>,
    target: Option<Range>,
    frame: Frame,
    time: TimeScale,
    pods: Scale,
    end: (f64, f64),
    wide: bool,
}

const WIDE: Frame = Frame { left: 68, top: 60, right: 1520, bottom: 520 };
const NARROW: Frame = Frame { left: 48, top: 60, right: 608, bottom: 484 };

/// Time and need of the coming week, at even odds and at 95 %.
fn ahead(f: &Forecast, need: &Need<'_>) -> Vec<(i64, u32, u32)> {
    let steps = times(f).take(within(f, WEEK_S)).enumerate();
    let both = |(i, t)| Some((t, need.at(level(f, i, 0.5))?, need.at(level(f, i, 0.95))?));
    steps.filter_map(both).collect()
}

impl<'a> View<'a> {
    fn new(a: &'a Assessment, component: &'a str, wide: bool) -> Option<Self> {
        let frame = if wide { WIDE } else { NARROW };
        let need = Need::of(a, component)?;
        let from = Timestamp::from_second(a.at.as_second() - WEEK_S).ok()?;
        let history = |subject, signal| {
            series::history(a, subject, signal)
                .map(|h| series::hourly_max(h, from, a.at))
                .unwrap_or_default()
        };
        let ready = history(Some(component), Signal::Replicas);
        let seen = history(None, Signal::Load).into_iter();
        let seen: BTreeMap<i64, f64> =
            seen.filter_map(|(at, load)| Some((at, f64::from(need.at(load)?)))).collect();
        let ahead = a.forecast.as_ref().map(|f| ahead(f, &need)).unwrap_or_default();
        if ready.is_empty() && seen.is_empty() {
            return None;
        }
        let (today, target) = ranges(a, component);
        let planned = a.plan.load.as_ref().and_then(|load| need.at(load.planning));
        let known = ready.values().chain(seen.values()).copied();
        let high = known
            .chain(ahead.iter().map(|step| f64::from(step.2)))
            .chain(today.into_iter().chain(target).map(|range| f64::from(range.1)))
            .chain(planned.map(f64::from))
            .fold(1.0, f64::max);
        let step = (high / 6.0).ceil().max(1.0);
        let end = ((high / step).ceil() * step, step);
        let to = a.at.as_second() + if ahead.is_empty() { 0 } else { WEEK_S };
        Some(Self {
            a,
            ready,
            seen,
            ahead,
            planned,
            today,
            target,
            frame,
            time: TimeScale::new(from, Timestamp::from_second(to).ok()?, frame, &a.calendar.zone),
            pods: Scale::new((0.0, end.0), (frame.bottom, frame.top + 30)),
            end,
            wide,
        })
    }

    fn story(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(low), Some(high)) = (lowest(&self.ready), highest(&self.ready)) {
            parts.push(format!("Last week between {low} and {high} pods were ready."));
        }
        if let Some(high) = highest(&self.seen) {
            parts.push(format!("The need was at most {high}."));
        }
        if let Some(high) = self.ahead.iter().map(|step| step.2).max() {
            parts.push(format!(
                "In the coming week it is at most {high} at the 95 % quantile of any hour."
            ));
        }
        if let Some(planned) = self.planned {
            parts.push(format!("The planning load needs {planned}."));
        }
        if let Some((min, max)) = self.target {
            parts.push(format!("Recommended: {}.", w::range(min, max)));
        }
        if let Some((min, max)) = self.today {
            parts.push(format!("Today: {}.", w::range(min, max)));
        }
        parts.join(" ")
    }

    fn ground(&self, s: &mut Sketch) {
        let now = self.time.at(self.a.at);
        if let Some((min, max)) = self.target
            && min < max
        {
            let (low, high) = (self.y(min), self.y(max));
            s.rect((now, high), (self.frame.right, low), Ink::PlanWash);
        }
        let mut value = 0.0;
        while value <= self.end.0 {
            let y = self.pods.at(value);
            if value > 0.0 {
                s.line((self.frame.left, y), (self.frame.right, y), 1, Ink::Rule);
            }
            s.label(axes::tick(value), (self.frame.left - 12, y), Anchor::End, Ink::Muted);
            value += self.end.1;
        }
        s.label("pods", (4, 25), Anchor::Start, Ink::Muted);
    }

    fn y(&self, pods: u32) -> i32 {
        self.pods.at(f64::from(pods))
    }

    fn need(&self, s: &mut Sketch) {
        let seen = self.seen.iter().map(|(at, pods)| (*at, *pods));
        self.steps(s, seen, Ink::Fan80);
        self.steps(s, self.ahead.iter().map(|step| (step.0, f64::from(step.2))), Ink::Fan95);
        self.steps(s, self.ahead.iter().map(|step| (step.0, f64::from(step.1))), Ink::Fan80);
        axes::days(s, self.frame, &self.time);
    }

    /// Bars of an hour each; neighbours of one height are one rectangle.
    fn steps(&self, s: &mut Sketch, hours: impl Iterator<Item = (i64, f64)>, ink: Ink) {
        let mut run: Option<(i64, i64, f64)> = None;
        for (at, pods) in hours {
            run = match run {
                Some((from, to, height)) if to == at && (height - pods).abs() < 0.5 => {
                    Some((from, at + 3_600, height))
                }
                previous => {
                    self.bar(s, previous, ink);
                    Some((at, at + 3_600, pods))
                }
            };
        }
        self.bar(s, run, ink);
    }

    fn bar(&self, s: &mut Sketch, run: Option<(i64, i64, f64)>, ink: Ink) {
        if let Some((from, to, pods)) = run {
            let corner = (self.time.at_second(from), self.pods.at(pods));
            s.rect(corner, (self.time.at_second(to), self.frame.bottom), ink);
        }
    }

    fn range(&self, s: &mut Sketch) {
        let now = self.time.at(self.a.at);
        if let Some((min, max)) = self.today {
            for pods in if min == max { vec![min] } else { vec![min, max] } {
                s.dashed((self.frame.left, self.y(pods)), (now, self.y(pods)), 2, Ink::Muted);
            }
        }
        if let Some((min, max)) = self.target {
            for pods in if min == max { vec![min] } else { vec![min, max] } {
                s.dashed((now, self.y(pods)), (self.frame.right, self.y(pods)), 4, Ink::Plan);
            }
        }
    }

    fn ready(&self, s: &mut Sketch) {
        for run in series::runs(&self.ready) {
            let mut points: Vec<(i32, i32)> = Vec::new();
            for (at, pods) in run {
                let y = self.pods.at(pods);
                if points.last().is_none_or(|last| last.1 != y) {
                    if let Some(last) = points.last().copied() {
                        points.push((self.time.at_second(at), last.1));
                    }
                    points.push((self.time.at_second(at), y));
                }
                let end = (self.time.at_second(at + 3_600), y);
                match points.as_mut_slice() {
                    [.., before, last] if before.1 == y && last.1 == y => *last = end,
                    _ => points.push(end),
                }
            }
            s.path(points, 4, Ink::Text);
        }
        let x = self.time.at(self.a.at);
        s.line((x, self.frame.top), (x, self.frame.bottom), 2, Ink::Text);
    }

    fn labels(&self, s: &mut Sketch) {
        let now = self.time.at(self.a.at);
        s.label("last week", (now - 12, 25), Anchor::End, Ink::Muted);
        if !self.ahead.is_empty() {
            s.label("coming week", (now + 12, 25), Anchor::Start, Ink::Muted);
        }
        if let Some((min, max)) = self.today {
            let text = if min == max {
                format!("today {min}")
            } else {
                format!("today {}", w::range(min, max))
            };
            s.label(text, (now - 14, self.y(max) - 20), Anchor::End, Ink::Muted);
        }
        let x = self.frame.right + if self.wide { 20 } else { 10 };
        if let Some((min, max)) = self.target {
            let words = if self.wide { ("minimum", "maximum") } else { ("min", "max") };
            if min == max {
                s.advice(w::counted(min, "pod"), (x, self.y(min)), Anchor::Start);
            } else {
                s.advice(format!("{} {max}", words.1), (x, self.y(max)), Anchor::Start);
                s.advice(format!("{} {min}", words.0), (x, self.y(min)), Anchor::Start);
                if self.wide && self.y(min) - self.y(max) > 80 {
                    let middle = i32::midpoint(self.y(min), self.y(max));
                    s.label("recommended", (x, middle), Anchor::Start, Ink::Plan);
                }
            }
        }
        if let (Some(planned), false) = (self.planned, self.ahead.is_empty()) {
            let at = (i32::midpoint(now, self.frame.right), self.y(planned) - 20);
            s.bold(format!("{planned} needed as planned"), at, Anchor::Middle, Ink::Median);
        }
    }

    /// The need at the planning load: of the whole window's peak, so above any one hour's band.
    fn planned(&self, s: &mut Sketch) {
        if let (Some(planned), false) = (self.planned, self.ahead.is_empty()) {
            let now = self.time.at(self.a.at);
            s.line((now, self.y(planned)), (self.frame.right, self.y(planned)), 3, Ink::Median);
        }
    }
}

/// The range in force and the range advised; a fixed count is a range of one. A kept setting counts as advised.
fn ranges(a: &Assessment, component: &str) -> (Option<Range>, Option<Range>) {
    let amount = |setting: Setting, target: bool| {
        let found = a
            .plan
            .recommendations
            .iter()
            .find(|r| r.component == component && r.setting == setting)?;
        let value =
            if target && found.action != Action::Skipped { found.target } else { found.current };
        match value {
            Some(Amount::Count(count)) => Some(count),
            _ => None,
        }
    };
    let range = |target: bool| {
        let fixed = amount(Setting::Replicas, target).map(|count| (count, count));
        amount(Setting::MinReplicas, target).zip(amount(Setting::MaxReplicas, target)).or(fixed)
    };
    (range(false), range(true))
}

fn lowest(hours: &BTreeMap<i64, f64>) -> Option<f64> {
    hours.values().copied().min_by(f64::total_cmp)
}

fn highest(hours: &BTreeMap<i64, f64>) -> Option<f64> {
    hours.values().copied().max_by(f64::total_cmp)
}
