//! What charts need of histories and forecasts: hourly maxima, quantiles at any level, peaks by day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::Assessment;
use crate::forecast::Forecast;
use crate::history::{Evidence, History, SeriesKey, Signal};

const HOUR_S: i64 = 3_600;

/// The history of a series, where there is one.
pub fn history<'a>(
    a: &'a Assessment,
    subject: Option<&str>,
    signal: Signal,
) -> Option<&'a History> {
    let key = SeriesKey { subject: subject.map(str::to_owned), signal };
    match a.history.get(&key) {
        Some(Evidence::Series(history)) => Some(history),
        _ => None,
    }
}

/// The steps of a history with a value, as unix seconds and value, inside `[from, to)`.
pub fn steps(history: &History, from: i64, to: i64) -> impl Iterator<Item = (i64, f64)> + '_ {
    let (start, step) = (history.start.as_second(), history.step.0);
    (start..)
        .step_by(usize::try_from(step).unwrap_or(1).max(1))
        .zip(&history.values)
        .map(|(at, value)| (at, *value))
        .filter(move |(at, value)| (from..to).contains(at) && value.is_finite())
}

/// The newest value of a series.
pub fn newest(history: &History) -> Option<f64> {
    history.values.iter().rev().copied().find(|value| value.is_finite())
}

/// The highest value of each hour inside `[from, to)` by its start; hours without a value are absent.
pub fn hourly_max(history: &History, from: Timestamp, to: Timestamp) -> BTreeMap<i64, f64> {
    let mut hours = BTreeMap::new();
    for (at, value) in steps(history, from.as_second(), to.as_second()) {
        let highest = hours.entry(at - at.rem_euclid(HOUR_S)).or_insert(value);
        *highest = value.max(*highest);
    }
    hours
}

/// Runs of hours without a hole, each as points of time and value: what a line may join.
pub fn runs(hours: &BTreeMap<i64, f64>) -> Vec<Vec<(i64, f64)>> {
    let mut runs: Vec<Vec<(i64, f64)>> = Vec::new();
    for (at, value) in hours {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|(last, _)| at - last <= HOUR_S) => {
                run.push((*at, *value));
            }
            _ => runs.push(vec![(*at, *value)]),
        }
    }
    runs
}

/// The highest step inside `[from, to)` and its time.
pub fn highest(history: &History, from: i64, to: i64) -> Option<(i64, f64)> {
    steps(history, from, to).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Times of the forecast's steps, in unix seconds.
pub fn times(forecast: &Forecast) -> impl Iterator<Item = i64> + '_ {
    (0..forecast.quantiles.len()).map(|index| {
        forecast.start.as_second() + i64::try_from(index).unwrap_or(0) * forecast.step.0
    })
}

/// The forecast's quantile of one step at any level, between the levels it holds by straight line.
pub fn level(forecast: &Forecast, step: usize, level: f64) -> f64 {
    let (levels, values) = (&forecast.levels, &forecast.quantiles[step]);
    let above = levels.partition_point(|known| *known < level);
    match (above.checked_sub(1), levels.get(above)) {
        (Some(below), Some(high)) => {
            let share = (level - levels[below]) / (high - levels[below]);
            values[below] + share * (values[above] - values[below])
        }
        (Some(below), None) => values[below],
        (None, _) => values.first().copied().unwrap_or(f64::NAN),
    }
}

/// How many of the forecast's steps lie inside a window from its start.
pub fn within(forecast: &Forecast, seconds: i64) -> usize {
    let steps = usize::try_from(seconds / forecast.step.0.max(1)).unwrap_or(0);
    steps.min(forecast.quantiles.len())
}

/// One day ahead and the spread of its peak.
#[derive(Debug, Clone, PartialEq)]
pub struct DayAhead {
    /// The local day.
    pub date: Date,
    /// The peak's quantiles at 2.5, 10, 50, 90 and 97.5 %.
    pub peak: [f64; 5],
}

/// The days of the coming window with the spread of their peaks.
pub fn days_ahead(forecast: &Forecast, seconds: i64, zone: &TimeZone) -> Vec<DayAhead> {
    let mut days: BTreeMap<Date, (usize, usize)> = BTreeMap::new();
    for (index, at) in times(forecast).take(within(forecast, seconds)).enumerate() {
        let Ok(moment) = Timestamp::from_second(at) else {
            continue;
        };
        let steps = days.entry(moment.to_zoned(zone.clone()).date()).or_insert((index, index));
        steps.1 = index;
    }
    days.into_iter()
        .filter_map(|(date, steps)| {
            let peak = forecast.peak(steps.0..steps.1 + 1);
            let peak = [0.025, 0.1, 0.5, 0.9, 0.975].map(|p| peak.quantile(p));
            peak[0].is_finite().then_some(DayAhead { date, peak })
        })
        .collect()
}
