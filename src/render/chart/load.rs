//! Where the load is going: three weeks of history and the forecast's fan over the rows of the table.

#![expect(clippy::format_push_string, reason = "a few short texts, written once")]

use jiff::{Timestamp, ToSpan};

use super::axes::{self, Frame, Scale, TimeScale};
use super::palette::Ink;
use super::series::{self, level, times, within};
use super::sketch::{Anchor, Sketch, breadth};
use crate::Assessment;
use crate::forecast::Forecast;
use crate::history::{History, Mark, MarkKind, Signal};
use crate::render::wording::{self as w};

/// How much history stands before the forecast, in days.
const HISTORY_DAYS: i64 = 21;

/// The chart in one of its two layouts; `None` without a usable load.
pub fn sketch(a: &Assessment, wide: bool) -> Option<Sketch> {
    let history = series::history(a, None, Signal::Load)?;
    let view = View::new(a, history, wide)?;
    let (width, height) = if wide { (1824, 800) } else { (716, 660) };
    let mut s = Sketch::new(width, height, view.title(), view.story());
    view.ground(&mut s);
    view.fan(&mut s);
    view.seen(&mut s);
    view.now(&mut s);
    view.plan(&mut s);
    view.marks(&mut s);
    view.peaks(&mut s);
    Some(s)
}

struct View<'a> {
    a: &'a Assessment,
    history: &'a History,
    forecast: Option<&'a Forecast>,
    ahead: usize,
    frame: Frame,
    time: TimeScale,
    load: Scale,
    end: (f64, f64),
    wide: bool,
}

impl<'a> View<'a> {
    fn new(a: &'a Assessment, history: &'a History, wide: bool) -> Option<Self> {
        let frame = if wide {
            Frame { left: 68, top: 52, right: 1520, bottom: 740 }
        } else {
            Frame { left: 56, top: 52, right: 572, bottom: 604 }
        };
        let zone = &a.calendar.zone;
        let today = a.at.to_zoned(zone.clone()).date();
        let first = axes::midnight(today.checked_sub(HISTORY_DAYS.days()).ok()?, zone)?;
        let forecast = a.forecast.as_ref().ok();
        let to = a.at.as_second() + if forecast.is_some() { a.policy.horizon.0 } else { 0 };
        let time = TimeScale::new(first, Timestamp::from_second(to).ok()?, frame, zone);
        let ahead = forecast.map_or(0, |f| within(f, a.policy.horizon.0));
        let seen = series::highest(history, first.as_second(), a.at.as_second() + 1).map(|p| p.1);
        let fan = forecast.map(|f| (0..ahead).map(|i| level(f, i, 0.975)).fold(0.0, f64::max));
        let planned = a.plan.load.as_ref().map(|load| load.planning);
        let high = [seen, fan, planned].into_iter().flatten().fold(0.0, f64::max);
        // room above the planning load for the name of its row
        let end = axes::nice(high * 1.12);
        Some(Self {
            a,
            history,
            forecast,
            ahead,
            frame,
            time,
            load: Scale::new((0.0, end.0), (frame.bottom, frame.top)),
            end,
            wide,
        })
    }

    fn title(&self) -> String {
        format!(
            "Load of {} over the rows of its table, {} to {}",
            self.a.service.name,
            w::date(self.a, self.time.from),
            w::date(self.a, self.time.to)
        )
    }

    fn story(&self) -> String {
        let mut story = String::from("Requests per second. ");
        if let Some(load) = &self.a.plan.load {
            story += &format!(
                "Now {}; highest load of the last week {}; planning load {}. ",
                w::rps(load.current),
                w::rps(load.observed_peak),
                w::rps(load.planning)
            );
        }
        let boundaries: Vec<String> = self.a.service.tiers.boundaries().map(axes::tick).collect();
        story += &format!("Load lines of the table at {}.", w::list(&boundaries));
        // a limit that binds often is told once, with how often
        let mut told: Vec<(String, usize)> = Vec::new();
        for mark in self.visible_marks() {
            let text = format!("{}: {}", mark_word(mark.kind), w::named(self.a, &mark.why));
            match told.iter_mut().find(|known| known.0 == text) {
                Some(known) => known.1 += 1,
                None => told.push((text, 1)),
            }
        }
        for (text, times) in told {
            story += &match times {
                1 => format!(" {text}."),
                times => format!(" {text}, {times} times."),
            };
        }
        story
    }

    fn ground(&self, s: &mut Sketch) {
        let table = &self.a.service.tiers;
        axes::bands(s, self.frame, &self.load, table, self.end.0);
        for event in &self.a.calendar.events {
            let (from, to) = (event.from.max(self.time.from), event.to.min(self.time.to));
            if from < to && event.from >= self.a.at {
                self.span(s, from, to, Ink::MaskWash);
            }
        }
        for mark in self.visible_marks() {
            let ink = if mark.kind == MarkKind::Gap { Ink::Gap } else { Ink::MaskWash };
            if mark.kind != MarkKind::Censored {
                self.span(s, mark.from, mark.to, ink);
            }
        }
        let boundaries: Vec<f64> = table.boundaries().collect();
        axes::grid(s, self.frame, self.end, &boundaries);
        axes::weeks(s, self.frame, &self.time, &self.a.calendar.zone);
        axes::load_lines(s, self.frame, &self.load, table, self.end.0);
        s.label("rps", (self.frame.left - 12, 25), Anchor::End, Ink::Muted);
    }

    /// A span over the whole height, at least a hair wide.
    fn span(&self, s: &mut Sketch, from: Timestamp, to: Timestamp, ink: Ink) {
        let left = self.time.at(from);
        let right = self.time.at(to).max(left + 3);
        s.rect((left, self.frame.top), (right, self.frame.bottom), ink);
    }

    fn visible_marks(&self) -> impl Iterator<Item = &Mark> {
        let (from, to) = (self.time.from, self.time.to);
        self.history.marks.iter().filter(move |m| m.to > from && m.from < to)
    }

    fn fan(&self, s: &mut Sketch) {
        let Some(forecast) = self.forecast else {
            return;
        };
        let line = |at: f64| -> Vec<(i32, i32)> {
            times(forecast)
                .take(self.ahead)
                .enumerate()
                .map(|(i, t)| (self.time.at_second(t), self.load.at(level(forecast, i, at))))
                .collect()
        };
        s.between(line(0.975), line(0.025), Ink::Fan95);
        s.between(line(0.9), line(0.1), Ink::Fan80);
        s.path(line(0.5), 3, Ink::Median);
    }

    fn seen(&self, s: &mut Sketch) {
        let hours = series::hourly_max(self.history, self.time.from, self.a.at);
        for run in series::runs(&hours) {
            let points =
                run.into_iter().map(|(at, value)| (self.time.at_second(at), self.load.at(value)));
            s.path(points.collect(), 3, Ink::Load);
        }
        // what our own limit held down is drawn over in its own colour, with a lane above
        for mark in self.history.marks.iter().filter(|m| m.kind == MarkKind::Censored) {
            if mark.to > self.time.from {
                let (left, right) = (self.time.at(mark.from), self.time.at(mark.to));
                s.rect(
                    (left, self.frame.top),
                    (right.max(left + 6), self.frame.top + 8),
                    Ink::Censored,
                );
            }
        }
    }

    fn now(&self, s: &mut Sketch) {
        let x = self.time.at(self.a.at);
        s.line((x, self.frame.top), (x, self.frame.bottom), 2, Ink::Text);
        if self.forecast.is_some() {
            s.label(
                "forecast",
                (x + if self.wide { 12 } else { 8 }, 25),
                Anchor::Start,
                Ink::Muted,
            );
        }
        if self.wide {
            s.label("history", (x - 12, 25), Anchor::End, Ink::Muted);
        }
    }

    fn plan(&self, s: &mut Sketch) {
        let table = &self.a.service.tiers;
        let x = axes::staff(s, self.frame, &self.load, table, self.end.0);
        let planned = self.a.plan.load.as_ref().map(|load| load.planning);
        let y = planned.map(|load| self.load.at(load));
        axes::staff_labels(s, self.frame, &self.load, table, (self.end.0, y, self.wide));
        if let (Some(load), Some(y)) = (planned, y) {
            s.dashed((self.time.at(self.a.at), y), (self.frame.right, y), 3, Ink::Plan);
            s.plimsoll((x, y), 16, 26);
            let text = if self.wide { format!("{} planned", w::rps(load)) } else { w::rps(load) };
            s.advice(text, (self.frame.right + if self.wide { 64 } else { 60 }, y), Anchor::Start);
        }
        if let Some(next) = table.rows.iter().find(|row| row.from >= self.end.0) {
            let text = if self.wide {
                format!("{} from {} ↑", next.name, axes::tick(next.from))
            } else {
                format!("{} ↑", axes::tick(next.from))
            };
            s.label(text, (s.width, 25), Anchor::End, Ink::Muted);
        }
    }

    /// Labels above the plot, none over another: by kind, longest spans first.
    fn marks(&self, s: &mut Sketch) {
        let now = self.time.at(self.a.at);
        let mut taken =
            vec![(now - if self.wide { 110 } else { 4 }, now + 130), (0, self.frame.left + 4)];
        let mut marks: Vec<&Mark> = self.visible_marks().collect();
        marks.sort_by_key(|mark| (mark.kind, mark.from.as_second() - mark.to.as_second()));
        let mut censored = false;
        for mark in marks {
            let (text, ink) = match mark.kind {
                MarkKind::Gap => ("no data".to_owned(), Ink::Muted),
                MarkKind::Masked if self.wide => {
                    (format!("{}, masked", short(&mark.why)), Ink::Mask)
                }
                MarkKind::Masked => ("masked".to_owned(), Ink::Mask),
                MarkKind::Censored => ("censored".to_owned(), Ink::Censored),
                MarkKind::Changed => ("changed".to_owned(), Ink::Muted),
            };
            let half = breadth(&text, false) / 2;
            let middle =
                i32::midpoint(self.time.at(mark.from.max(self.time.from)), self.time.at(mark.to));
            let middle = middle.max(self.frame.left + half + 6);
            let place = (middle - half - 8, middle + half + 8);
            // a limit that binds often is named once
            let again = mark.kind == MarkKind::Censored && censored;
            if !again && taken.iter().all(|(from, to)| place.1 <= *from || place.0 >= *to) {
                censored |= mark.kind == MarkKind::Censored;
                s.label(text, (middle, 25), Anchor::Middle, ink);
                taken.push(place);
            }
        }
    }

    /// The figures that the words name: last week's peak, now, and the median forecast's highest hour.
    fn peaks(&self, s: &mut Sketch) {
        let at = self.a.at.as_second();
        let mut ys: Vec<i32> = Vec::new();
        let peak = series::highest(self.history, at - 7 * 86_400, at + 1);
        if let Some((when, value)) = peak {
            let (x, y) = (self.time.at_second(when - when.rem_euclid(3_600)), self.load.at(value));
            s.disc((x, y), 7, Ink::Text);
            s.bold(w::rps(value), (x - 16, y - 6), Anchor::End, Ink::Text);
            ys.push(y);
        }
        if let (Some(load), true) = (&self.a.plan.load, self.wide) {
            let (x, y) = (self.time.at(self.a.at), self.load.at(load.current));
            s.disc((x, y), 7, Ink::Text);
            let near = ys.iter().any(|other| (other - y).abs() < 40);
            if !near || peak.is_some_and(|(when, _)| at - when > 2 * 86_400) {
                s.bold(
                    format!("now {}", w::rps(load.current)),
                    (x - 14, y - 20),
                    Anchor::End,
                    Ink::Text,
                );
            }
        }
        if let (Some(forecast), true) = (self.forecast, self.wide) {
            let medians = times(forecast).take(self.ahead).enumerate();
            let highest = medians
                .map(|(i, t)| (t, level(forecast, i, 0.5)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((when, value)) = highest {
                let (x, y) = (self.time.at_second(when), self.load.at(value));
                s.disc((x, y), 7, Ink::Median);
                // at the right edge its figure would stand on the names of the rows
                let room = x + 18 + breadth(&w::rps(value), true) < self.frame.right;
                let (x, anchor) =
                    if room { (x + 18, Anchor::Start) } else { (x - 18, Anchor::End) };
                s.bold(w::rps(value), (x, y), anchor, Ink::Median);
            }
        }
    }
}

fn mark_word(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Gap => "Missing",
        MarkKind::Masked => "Masked",
        MarkKind::Censored => "Censored",
        MarkKind::Changed => "Changed",
    }
}

/// The first words of a mark's sentence: what fits above a chart.
fn short(why: &str) -> &str {
    why.split([',', ':', ';', '(']).next().unwrap_or(why).trim()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sketch::Shape;
    use super::*;
    use crate::render::fixture;

    #[test]
    fn a_limit_that_binds_often_is_told_once_and_counted() {
        let story = sketch(&fixture::assessment(), true).unwrap().story;
        assert_eq!(story.matches("Censored: API at maxReplicas").count(), 1, "{story}");
        assert!(story.contains("Censored: API at maxReplicas, "), "{story}");
    }

    #[test]
    fn a_peak_at_the_right_edge_is_not_written_over_the_names_of_the_rows() {
        let mut a = fixture::assessment();
        // the highest hour is the last one of the horizon
        let horizon = a.policy.horizon.steps(crate::units::Period::HOUR);
        let forecast = a.forecast.as_mut().unwrap();
        forecast.quantiles[horizon - 1].iter_mut().for_each(|value| *value = 57.5);
        let drawn = sketch(&a, true).unwrap();
        let figure = drawn.shapes.iter().find_map(|shape| match shape {
            Shape::Text(label) if label.text == "57.5" => Some(label),
            _ => None,
        });
        let figure = figure.unwrap();
        assert_eq!(figure.anchor, Anchor::End);
        assert!(figure.at.0 < 1520, "{}", figure.at.0);
    }
}
