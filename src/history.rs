//! Samples -> History: a regular series with its gaps, marks and coverage.
//!
//! "No series", "no samples" and "zero" are three different things and stay so: a series that the
//! source does not have is [`Evidence::NoSeries`], one without a sample in the window is
//! [`Evidence::NoSamples`], and a step without a sample is NaN, never 0.

mod censored;
mod events;
mod outlier;
pub mod settings;
mod signal;
mod unit;

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use self::censored::censored_spans;
pub use self::events::as_last_time;
pub use self::outlier::Outlier;
pub use self::signal::{SeriesKey, Signal};
use crate::service::{Calendar, Service};
use crate::units::Period;

/// The largest value that can be a measurement: no volume holds more bytes than Kubernetes can write (2^63),
/// and every other signal stays far below. Past it a sum of squares would leave the range of `f64`.
pub const MEASURABLE_MAX: f64 = 9.3e18;

/// Raw samples of one series as a source gave them: rising times, no duplicates, values finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Unix seconds, strictly rising.
    pub at: Vec<i64>,
    /// One value per time, in the signal's unit.
    pub value: Vec<f64>,
}

impl Samples {
    /// Those from `from` to `to`, both inclusive, in Unix seconds.
    #[must_use]
    pub fn within(&self, from: i64, to: i64) -> Self {
        let first = self.at.partition_point(|at| *at < from);
        let end = self.at.partition_point(|at| *at <= to).max(first);
        Self { at: self.at[first..end].to_vec(), value: self.value[first..end].to_vec() }
    }

    /// Those that can be measurements: the others are no samples to any judgement.
    #[must_use]
    pub fn measurable(&self) -> Self {
        let pairs = self.at.iter().copied().zip(self.value.iter().copied());
        let (at, value) = pairs.filter(|(_, value)| is_measurable(*value)).unzip();
        Self { at, value }
    }
}

/// Whether a value can be one of a signal: none is negative.
fn is_measurable(value: f64) -> bool {
    (0.0..=MEASURABLE_MAX).contains(&value)
}

/// What a source knows of one series. Absence has a kind, and none of the kinds is zero.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence<T> {
    /// There is a series with at least one sample.
    Series(T),
    /// The series exists, but has no sample in the window.
    NoSamples,
    /// No series matches the query.
    NoSeries,
    /// The source refused or failed for this series; the text says why.
    Failed(String),
}

/// Whether there is no such series, as far as anybody asked: an answer, unlike a series that is silent.
#[must_use]
pub fn absent<T>(evidence: Option<&Evidence<T>>) -> bool {
    matches!(evidence, None | Some(Evidence::NoSeries))
}

/// All that a source knows of one service; a key that is absent was not asked for.
pub type Observed = BTreeMap<SeriesKey, Evidence<Samples>>;

/// A regular series: one value per step, NaN where nothing is known.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The time of the first value.
    pub start: Timestamp,
    /// The distance between values.
    pub step: Period,
    /// One value per step, NaN for a gap.
    pub values: Vec<f64>,
    /// Spans with a meaning of their own, by start.
    pub marks: Vec<Mark>,
    /// Time of the newest sample.
    pub newest: Timestamp,
}

/// A span of history that is not plain demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// First moment.
    pub from: Timestamp,
    /// First moment after it.
    pub to: Timestamp,
    /// What is the matter with it.
    pub kind: MarkKind,
    /// A sentence for people.
    pub why: String,
}

/// What a mark says of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// No samples.
    Gap,
    /// Real, but not the rule: campaign, incident, load test, roll-out. Not learnt from.
    Masked,
    /// Served load under a limit of our own (HPA at max, throttled, shedding): demand may be higher.
    Censored,
    /// The step at which a setting was changed: what was seen before and after it are two things.
    Changed,
}

/// The window that is looked at, and its grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The moment looked from; nothing after it exists.
    pub at: Timestamp,
    /// How far back.
    pub lookback: Period,
    /// Distance between values.
    pub step: Period,
}

/// Every observed series as a [`History`], the load's with its marks.
#[must_use]
pub fn clean(
    observed: &Observed,
    service: &Service,
    calendar: &Calendar,
    window: &Window,
) -> BTreeMap<SeriesKey, Evidence<History>> {
    let mut histories: BTreeMap<_, _> = observed
        .iter()
        .map(|(key, evidence)| (key.clone(), unit::kept(key.signal, regular(evidence, window))))
        .collect();
    mark_changes(&mut histories);
    let censored = censored_spans(&histories, service);
    if let Some(Evidence::Series(load)) = histories.get_mut(&SeriesKey::service(Signal::Load)) {
        load.marks.extend(calendar.past_events(window.at));
        load.marks.extend(censored);
        load.marks.sort_by_key(|mark| (mark.from, mark.kind));
    }
    histories
}

/// Marks the changes of settings on the series that report them.
fn mark_changes(histories: &mut BTreeMap<SeriesKey, Evidence<History>>) {
    let changes = |(key, evidence): (&SeriesKey, &Evidence<History>)| {
        let Evidence::Series(history) = evidence else { return None };
        let hpa = SeriesKey { signal: Signal::HpaMax, ..key.clone() };
        Some((key.clone(), settings::changes(key, history, histories.get(&hpa))))
    };
    let found: Vec<(SeriesKey, Vec<Mark>)> = histories.iter().filter_map(changes).collect();
    for (key, marks) in found {
        if let Some(Evidence::Series(history)) = histories.get_mut(&key) {
            history.marks.extend(marks);
            history.marks.sort_by_key(|mark| (mark.from, mark.kind));
        }
    }
}

/// Samples on a regular grid that ends with the step that holds `window.at`; later samples do not exist.
///
/// Several samples in one step leave their maximum: averaging would hide the peak that capacity is for.
fn regular(evidence: &Evidence<Samples>, window: &Window) -> Evidence<History> {
    let samples = match evidence {
        Evidence::Series(samples) => samples,
        Evidence::NoSamples => return Evidence::NoSamples,
        Evidence::NoSeries => return Evidence::NoSeries,
        Evidence::Failed(why) => return Evidence::Failed(why.clone()),
    };
    let step = window.step.0;
    let end = window.at.as_second().div_euclid(step);
    let usable = |(at, value): &(&i64, &f64)| {
        // not even the rest of the step that is going on
        **at <= window.at.as_second()
            && at.div_euclid(step) > end - window.lookback.0 / step - 1
            && is_measurable(**value)
    };
    let usable = || samples.at.iter().zip(&samples.value).filter(usable);
    let Some((first, _)) = usable().next() else {
        return Evidence::NoSamples;
    };
    let first = first.div_euclid(step);
    let mut values = vec![f64::NAN; index(end - first) + 1];
    let mut newest = 0;
    for (at, value) in usable() {
        let slot = &mut values[index(at.div_euclid(step) - first)];
        *slot = slot.max(*value);
        newest = newest.max(*at);
    }
    let start = second(first * step);
    let mut history =
        History { start, step: window.step, values, marks: Vec::new(), newest: second(newest) };
    history.marks = history.gaps();
    Evidence::Series(history)
}

/// A timestamp from whole seconds; the range of `Timestamp` is wider than any sample that passed the window.
fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap_or(Timestamp::MIN)
}

/// A distance in steps as an index; negative distances are before the first value, which is 0.
fn index(steps: i64) -> usize {
    usize::try_from(steps).unwrap_or(0)
}

impl History {
    /// The time of the value at `index`.
    #[expect(clippy::cast_possible_wrap, reason = "a history has far fewer than 2^63 steps")]
    #[must_use]
    pub fn time(&self, index: usize) -> Timestamp {
        self.start + SignedDuration::from_secs(self.step.0 * index as i64)
    }

    /// The first moment after the last value's step.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.time(self.values.len())
    }

    /// The indices of the values whose time lies in the span, cut to what there is.
    #[must_use]
    pub fn span(&self, from: Timestamp, to: Timestamp) -> Range<usize> {
        let ceil = |at: Timestamp| {
            let seconds = at.as_second() - self.start.as_second();
            index(seconds.div_euclid(self.step.0) + i64::from(seconds.rem_euclid(self.step.0) > 0))
                .min(self.values.len())
        };
        let (from, to) = (ceil(from), ceil(to));
        from..to.max(from)
    }

    /// The values of the last `period` up to the end.
    #[must_use]
    pub fn last(&self, period: Period) -> &[f64] {
        &self.values[self.values.len().saturating_sub(period.steps(self.step))..]
    }

    /// The newest value there is; `None` where every step is a gap.
    #[must_use]
    pub fn newest_value(&self) -> Option<f64> {
        self.values.iter().rev().copied().find(|value| value.is_finite())
    }

    /// Share of steps that have a value, 0 to 1.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        coverage(&self.values)
    }

    /// The history as it was known at `at`: later values and marks do not exist, an ongoing mark ends there.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Self {
        let keep = self.span(self.start, at).end;
        let marks = self.marks.iter().filter(|mark| mark.from < at);
        Self {
            values: self.values[..keep].to_vec(),
            marks: marks.map(|mark| Mark { to: mark.to.min(at), ..mark.clone() }).collect(),
            newest: self.newest.min(at),
            ..*self
        }
    }

    /// Share of the steps from `from` on that lie in events, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn masked(&self, from: Timestamp) -> f64 {
        let steps = self.span(from, self.end());
        let all = steps.len().max(1);
        let masks = || self.marks.iter().filter(|mark| mark.kind == MarkKind::Masked);
        let hidden = steps.filter(|step| {
            let at = self.time(*step);
            masks().any(|mark| mark.from <= at && at < mark.to)
        });
        hidden.count() as f64 / all as f64
    }

    /// What came from `at` on.
    #[must_use]
    pub fn since(&self, at: Timestamp) -> Self {
        let from = self.span(at, self.end()).start;
        let marks = self.marks.iter().filter(|mark| mark.to > at);
        Self {
            start: self.time(from),
            values: self.values[from..].to_vec(),
            marks: marks.cloned().collect(),
            ..*self
        }
    }

    /// The highest value of every `grain` (UTC aligned): a service is sized for its peaks. A grain that
    /// has not ended yet is left out: its peak is still to come.
    #[must_use]
    pub fn peaks(&self, grain: Period) -> Self {
        let slot = |at: Timestamp| at.as_second().div_euclid(grain.0);
        let first = slot(self.start);
        let mut values = vec![f64::NAN; index(slot(self.end()) - first)];
        for (i, value) in self.values.iter().enumerate() {
            if let Some(highest) = values.get_mut(index(slot(self.time(i)) - first)) {
                *highest = highest.max(*value);
            }
        }
        let start = second(first * grain.0);
        Self { start, step: grain, values, marks: self.marks.clone(), newest: self.newest }
    }

    /// Whether a mark of this kind touches the span.
    pub fn marked(
        &self,
        kind: MarkKind,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |mark| mark.kind == kind && mark.from < to && mark.to > from)
    }

    fn gaps(&self) -> Vec<Mark> {
        let why = |steps: usize| format!("{steps} steps without a sample");
        runs(&self.values, f64::is_nan)
            .into_iter()
            .map(|run| self.mark(&run, MarkKind::Gap, why(run.len())))
            .collect()
    }

    fn mark(&self, run: &Range<usize>, kind: MarkKind, why: String) -> Mark {
        Mark { from: self.time(run.start), to: self.time(run.end), kind, why }
    }
}

/// Share of values that are there, 0 for none at all.
#[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
#[must_use]
pub fn coverage(values: &[f64]) -> f64 {
    let seen = values.iter().filter(|value| value.is_finite()).count();
    seen as f64 / values.len().max(1) as f64
}

/// The largest value that is there; `None` where none is.
#[must_use]
pub fn peak(values: &[f64]) -> Option<f64> {
    values.iter().copied().filter(|value| value.is_finite()).max_by(f64::total_cmp)
}

/// The maximal runs of values that satisfy `is`.
fn runs(values: &[f64], is: impl Fn(f64) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (i, _) in values.iter().enumerate().filter(|(_, value)| is(**value)) {
        match runs.last_mut() {
            Some(run) if run.end == i => run.end = i + 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

impl Calendar {
    /// Events that have begun by `at` and changed the load, as masks.
    fn past_events(&self, at: Timestamp) -> impl Iterator<Item = Mark> {
        let mask = |event: &crate::service::Event| Mark {
            from: event.from,
            to: event.to,
            kind: MarkKind::Masked,
            why: event.name.clone(),
        };
        self.events.iter().filter(move |event| event.from <= at).map(mask)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn window(at: i64) -> Window {
        Window { at: second(at), lookback: Period(3600), step: Period(300) }
    }

    fn series(at: &[i64], value: &[f64]) -> Evidence<Samples> {
        Evidence::Series(Samples { at: at.to_vec(), value: value.to_vec() })
    }

    fn history(evidence: &Evidence<Samples>, at: i64) -> History {
        match regular(evidence, &window(at)) {
            Evidence::Series(history) => history,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_step_without_a_sample_is_a_gap_and_not_zero() {
        let history = history(&series(&[0, 300, 900], &[1.0, 0.0, 3.0]), 900);
        assert!(history.values[2].is_nan());
        assert_eq!(history.values[1].to_bits(), 0f64.to_bits());
        // three of four steps are there
        assert!((history.coverage() - 0.75).abs() < 1e-12);
        assert_eq!(history.marks.len(), 1);
        assert_eq!((history.marks[0].from, history.marks[0].to), (second(600), second(900)));
    }

    #[test]
    fn what_is_below_nothing_or_past_any_measurement_is_no_sample() {
        let samples = Samples { at: vec![1, 2, 3, 4], value: vec![-1.0, 0.0, 1e300, 7.0] };
        assert_eq!(samples.measurable(), Samples { at: vec![2, 4], value: vec![0.0, 7.0] });
    }

    #[test]
    fn samples_after_the_moment_do_not_exist() {
        let history = history(&series(&[0, 300, 600], &[1.0, 2.0, 99.0]), 300);
        assert_eq!(history.values, [1.0, 2.0]);
    }

    #[test]
    fn what_cannot_be_a_measurement_is_a_gap() {
        let bad = series(&[0, 300, 600, 900, 1200], &[1.0, -5.0, f64::INFINITY, f64::NAN, 1e308]);
        assert_eq!(history(&bad, 1200).values.iter().filter(|v| v.is_finite()).count(), 1);
        assert_eq!(regular(&series(&[0], &[f64::NAN]), &window(0)), Evidence::NoSamples);
    }

    #[test]
    fn absence_keeps_its_kind() {
        assert_eq!(regular(&Evidence::NoSeries, &window(0)), Evidence::NoSeries);
        assert_eq!(regular(&Evidence::NoSamples, &window(0)), Evidence::NoSamples);
        // the only sample is older than the hour looked back
        assert_eq!(regular(&series(&[0], &[1.0]), &window(7200)), Evidence::NoSamples);
    }

    #[test]
    fn hourly_peaks_keep_the_highest_five_minutes() {
        let at: Vec<i64> = (0..24).map(|i| i * 300).collect();
        let mut value = vec![1.0; 24];
        value[7] = 9.0;
        let mut wide = window(23 * 300);
        wide.lookback = Period(7200);
        let Evidence::Series(history) = regular(&series(&at, &value), &wide) else { panic!() };
        // step 7 is 00:35, in the first hour
        assert_eq!(history.peaks(Period::HOUR).values, [9.0, 1.0]);
    }

    #[test]
    fn history_cut_at_a_moment_knows_nothing_later() {
        let whole = history(&series(&[0, 300, 600, 900], &[1.0, 2.0, 3.0, 4.0]), 900);
        assert_eq!(whole.until(second(600)).values, [1.0, 2.0]);
    }
}
