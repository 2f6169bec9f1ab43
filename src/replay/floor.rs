//! Counts that are laid down ahead: last week's maximum, a schedule by the clock, the forecast's floor.

use jiff::Timestamp;

use super::Scenario;
use super::simulate::View;
use crate::advise::sizing::Sizing;
use crate::forecast::{Forecast, forecast};
use crate::history::{self, History};
use crate::service::Calendar;
use crate::units::Period;

/// The most history that a forecast is given.
const LOOKBACK: Period = Period(8 * Period::WEEK.0);
/// Weeks that a schedule looks back on.
const SCHEDULE_WEEKS: usize = 4;
/// Hours that are forecast at a time: a day, and the hour in which the next forecast is made.
const AHEAD_HOURS: usize = 25;
/// Seed of the sampled paths, which a floor by quantiles does not ask: any would do.
const SEED: u64 = 1;

/// Pods for a load by capacity alone, at 100 %; at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32"
)]
pub(super) fn pods_for(load: f64, capacity: f64) -> u32 {
    (load / capacity - 1e-9).ceil().clamp(1.0, f64::from(u32::MAX)) as u32
}

/// Every week from the end of the warm-up on, the pods that the highest load of the week before needs.
pub(super) struct LastWeekMax<'a> {
    scenario: &'a Scenario<'a>,
    set: Option<(usize, u32)>,
}

impl<'a> LastWeekMax<'a> {
    pub(super) fn new(scenario: &'a Scenario<'a>) -> Self {
        Self { scenario, set: None }
    }

    pub(super) fn count(&mut self, view: &View<'_>) -> Option<u32> {
        let Scenario { load, scored_from, pods, .. } = self.scenario;
        let week = Period::WEEK.steps(load.step).max(1);
        let begun = load.span(load.start, *scored_from).end;
        let weeks = view.past.len().checked_sub(begun)? / week;
        if self.set.is_none_or(|(set, _)| set < weeks) {
            let last = &view.past[view.past.len().saturating_sub(week)..];
            let highest = history::peak(last)?;
            self.set = Some((weeks, pods_for(highest, pods.capacity)));
        }
        self.set.map(|(_, count)| count)
    }
}

/// For every hour the highest load of the same hour of the last four weeks, or of the last days in the first week.
pub(super) struct Schedule<'a> {
    scenario: &'a Scenario<'a>,
    set: Option<(i64, u32)>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(scenario: &'a Scenario<'a>) -> Self {
        Self { scenario, set: None }
    }

    pub(super) fn count(&mut self, view: &View<'_>) -> Option<u32> {
        // the hour in which a pod that is asked for now will serve
        let hour = (view.now_s + self.scenario.pods.start_up.0).div_euclid(Period::HOUR.0);
        if self.set.is_none_or(|(set, _)| set < hour) {
            let highest = self.highest(hour, view)?;
            let pods = pods_for(highest, self.scenario.pods.capacity);
            // nobody takes pods away before the hour has ended
            let leaving = view.now_s.div_euclid(Period::HOUR.0) < hour;
            if leaving && pods < view.current {
                return Some(view.current);
            }
            self.set = Some((hour, pods));
        }
        self.set.map(|(_, count)| count)
    }

    fn highest(&self, hour: i64, view: &View<'_>) -> Option<f64> {
        let step = self.scenario.load.step;
        let start_s = self.scenario.load.start.as_second();
        let of_hour = |hour: i64| {
            let place = |at: i64| usize::try_from((at - start_s).div_euclid(step.0)).ok();
            let from = place(hour * Period::HOUR.0)?;
            history::peak(view.past.get(from..from + Period::HOUR.steps(step).max(1))?)
        };
        let back = |hours: i64, times: usize| {
            (1..).take(times).filter_map(|k| of_hour(hour - hours * k)).reduce(f64::max)
        };
        back(168, SCHEDULE_WEEKS).or_else(|| back(24, 7))
    }
}

/// For every hour what the forecast of the day asks for, by the sizes that the advice uses. A forecast is made anew
/// every 24 hours from what lay before.
pub(super) struct ByForecast<'a> {
    load: &'a History,
    calendar: &'a Calendar,
    sizing: Sizing<'a>,
    level: f64,
    start_up_s: i64,
    ahead: Option<Forecast>,
    renew_at_s: i64,
}

impl<'a> ByForecast<'a> {
    pub(super) fn new(scenario: &'a Scenario<'a>, level: f64) -> Self {
        let Scenario { load, calendar, sizing, pods, .. } = *scenario;
        let (start_up_s, renew_at_s) = (pods.start_up.0, i64::MIN);
        Self { load, calendar, sizing, level, start_up_s, ahead: None, renew_at_s }
    }

    pub(super) fn floor(&mut self, view: &View<'_>) -> Option<u32> {
        if view.now_s >= self.renew_at_s {
            self.renew(view);
        }
        let ahead = self.ahead.as_ref()?;
        let level = ahead.levels.iter().position(|known| (known - self.level).abs() < 1e-9)?;
        let pods_at = |at_s: i64| {
            let hour = (at_s - ahead.start.as_second()).div_euclid(ahead.step.0);
            let quantiles = ahead.quantiles.get(usize::try_from(hour).ok()?)?;
            Some(self.sizing.replicas(quantiles[level])?.capped())
        };
        // before the hour begins, so that the pods serve when it does; and until it has ended
        pods_at(view.now_s).max(pods_at(view.now_s + self.start_up_s))
    }

    fn renew(&mut self, view: &View<'_>) {
        let hour = Period::HOUR.0;
        let keep = LOOKBACK.steps(self.load.step).min(view.past.len());
        let from = view.past.len() - keep;
        let now = Timestamp::from_second(view.now_s).unwrap_or(self.load.start);
        let known = History {
            start: self.load.time(from),
            step: self.load.step,
            values: view.past[from..].to_vec(),
            marks: self.load.until(now).marks,
            newest: now,
        };
        self.ahead = forecast(&known.peaks(Period::HOUR), self.calendar, AHEAD_HOURS, SEED).ok();
        // at the next full hour of tomorrow, or in an hour where there was too little to learn from
        let wait = if self.ahead.is_some() { 24 * hour } else { hour };
        self.renew_at_s = view.now_s.div_euclid(hour) * hour + wait;
    }
}
