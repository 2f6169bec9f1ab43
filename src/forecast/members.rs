//! The members of the ensemble: cheap closed forms, each a line of arithmetic over what has been seen so far.
//!
//! [`Memory`] walks the series once and keeps what the members need: the last value, recency-weighted
//! means and medians per slot of day and week, levels, and recent deviations. At any step it can
//! [`Memory::expect`] every member's forecast, so that a backtest costs one walk and not one per origin.
//!
//! Sources: seasonal naive and exponential smoothing as in Hyndman & Athanasopoulos, *Forecasting:
//! Principles and Practice* (3rd ed.), sections 5.2 and 8.1.

use super::slots::{Fading, Rings, Smoothed};
use super::stats::{count, median};

/// The seasons of a series, in steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seasons {
    /// Steps in a day.
    pub day: usize,
    /// Length of one step, in hours.
    pub hours: f64,
}

impl Seasons {
    /// Seasons of a series with `day` steps in a day.
    pub(super) fn new(day: usize) -> Self {
        Self { day, hours: 24.0 / count(day) }
    }

    /// Length of `steps`, in hours.
    pub(super) fn hours_in(self, steps: usize) -> f64 {
        self.hours * count(steps)
    }

    /// Steps in a week.
    pub(super) fn week(self) -> usize {
        7 * self.day
    }

    /// Steps in an hour; none where a step is longer.
    fn within_an_hour(self) -> usize {
        self.day / 24
    }

    /// Forgetting per step that amounts to `per_hour` over an hour.
    fn hourly(self, per_hour: f64) -> f64 {
        per_hour.powf(self.hours)
    }

    /// Forgetting per step that amounts to `per_day` over a day.
    fn daily(self, per_day: f64) -> f64 {
        per_day.powf(self.hours / 24.0)
    }
}

/// Number of members.
pub(super) const COUNT: usize = 16;

/// Stable name of each member, and what it says in words.
pub(super) const MEMBERS: [(&str, &str); COUNT] = [
    ("last-day", "yesterday again"),
    ("last-week", "the same hours of last week again"),
    ("last-week-level", "last week's shape at the current level"),
    ("weekly-profile", "the usual week, recent weeks counting most"),
    ("daily-median", "the median of the last seven days"),
    ("weekly-median", "the median of the last eight weeks"),
    ("weekly-median-smooth", "the median week, each hour with its neighbours"),
    (
        "weekly-median-shift",
        "the smoothed median week, moved by how far the last hours lay from it",
    ),
    ("weekly-and-daily-median", "half the smoothed median week, half the smoothed median day"),
    ("day-by-hour", "the median hour of day, scaled to what this day of the week brings"),
    ("weekly-profile-shift", "the usual week, moved by how far the last hours lay from it"),
    ("weekly-profile-ratio", "the usual week, scaled to the level of the last days"),
    ("daily-profile-shift", "the usual day, moved by how far the last hours lay from it"),
    ("level", "a smoothed level, the same at all hours"),
    ("recent-median", "the median of the last three days"),
    ("last-value", "the last value again"),
];

/// Days kept for the median of a slot of day.
const DAYS_KEPT: usize = 7;
/// Weeks kept for the median of a slot of week.
const WEEKS_KEPT: usize = 8;
/// Days of the median that knows no hour.
const RECENT_D: usize = 3;
/// Weight of a day against the one after it in the usual day.
const DAY_FADE: f64 = 0.7;
/// Weight of a week against the one after it in the usual week.
const WEEK_FADE: f64 = 0.6;
/// Smoothing constants tried for the level; the one with the least error so far is used.
const LEVEL_ALPHAS: [f64; 3] = [0.05, 0.2, 0.5];

/// What the members remember of the series up to a step.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    seasons: Seasons,
    fades: Fades,
    days: Rings,
    weeks: Rings,
    day_profile: Vec<Fading>,
    week_profile: Vec<Fading>,
    /// Seen minus last week, the median week, the usual day and the usual week: each over the last hours.
    week_shift: Fading,
    week_median_shift: Fading,
    day_profile_shift: Fading,
    week_profile_shift: Fading,
    /// Seen, and the usual week at the same steps, over the last days: their quotient is the level ratio.
    ratio_seen: f64,
    ratio_usual: f64,
    plain: Smoothed<3>,
    /// The values of the last days, newest overwriting oldest.
    recent: Vec<f64>,
    seen: usize,
    last: f64,
}

/// Forgetting per step, worked out once.
#[derive(Debug, Clone, Copy)]
struct Fades {
    /// 0.93 per hour: a deviation counts for the better part of a day.
    shift: f64,
    /// 0.85 per day: the level ratio looks back about a week.
    ratio: f64,
    /// 0.97 per hour of lead: a day's deviation is gone after about two days.
    lead_fast: f64,
    /// 0.97 per day of lead: a week's deviation stays for the horizon.
    lead_slow: f64,
}

impl Memory {
    pub(super) fn new(seasons: Seasons) -> Self {
        let week = seasons.week();
        Self {
            seasons,
            fades: Fades {
                shift: seasons.hourly(0.93),
                ratio: seasons.daily(0.85),
                lead_fast: seasons.hourly(0.97),
                lead_slow: seasons.daily(0.97),
            },
            days: Rings::new(seasons.day, DAYS_KEPT),
            weeks: Rings::new(week, WEEKS_KEPT),
            day_profile: vec![Fading::default(); seasons.day],
            week_profile: vec![Fading::default(); week],
            week_shift: Fading::default(),
            week_median_shift: Fading::default(),
            day_profile_shift: Fading::default(),
            week_profile_shift: Fading::default(),
            ratio_seen: 0.0,
            ratio_usual: 0.0,
            plain: Smoothed::new(LEVEL_ALPHAS),
            recent: vec![0.0; RECENT_D * seasons.day],
            seen: 0,
            last: 0.0,
        }
    }

    /// Takes in the value of one step of local time; NaN teaches nothing.
    pub(super) fn see(&mut self, step: usize, value: f64) {
        if value.is_nan() {
            return;
        }
        let (day, week) = (step % self.seasons.day, step % self.seasons.week());
        let usual_day = self.usual_day(day);
        let usual_week = self.usual_week(week);
        let fades = self.fades;
        self.week_shift.add(value - self.last_week(week).unwrap_or(value), fades.shift);
        let median = self.weeks.median(week).or_else(|| self.days.median(day));
        self.week_median_shift.add(value - median.unwrap_or(value), fades.shift);
        self.day_profile_shift.add(value - usual_day.unwrap_or(value), fades.shift);
        self.week_profile_shift.add(value - usual_week.unwrap_or(value), fades.shift);
        self.ratio_seen = self.ratio_seen * fades.ratio + value;
        self.ratio_usual = self.ratio_usual * fades.ratio + usual_week.unwrap_or(value);
        self.days.add(day, value);
        self.weeks.add(week, value);
        self.day_profile[day].add(value, DAY_FADE);
        self.week_profile[week].add(value, WEEK_FADE);
        self.plain.add(value);
        let oldest = self.seen % self.recent.len();
        self.recent[oldest] = value;
        self.seen += 1;
        self.last = value;
    }

    fn usual_day(&self, day: usize) -> Option<f64> {
        self.day_profile[day].mean()
    }

    /// The usual week at a slot; the usual day where that slot of the week was never seen.
    fn usual_week(&self, week: usize) -> Option<f64> {
        self.week_profile[week].mean().or_else(|| self.usual_day(week % self.seasons.day))
    }

    fn last_week(&self, week: usize) -> Option<f64> {
        self.weeks.last(week).or_else(|| self.days.last(week % self.seasons.day))
    }

    /// The level ratio, kept within a factor of five either way.
    fn ratio(&self) -> f64 {
        if self.ratio_usual > 0.0 {
            (self.ratio_seen / self.ratio_usual).clamp(0.2, 5.0)
        } else {
            1.0
        }
    }

    /// What the usual week at today's level would say of one step; `None` before anything was seen.
    pub(super) fn usual(&self, step: usize) -> Option<f64> {
        self.usual_week(step % self.seasons.week()).map(|usual| usual * self.ratio())
    }

    /// Every member's forecast for `steps` steps from `origin` on, one row per member, never negative.
    pub(super) fn expect(&self, origin: usize, steps: usize) -> Vec<Vec<f64>> {
        let mut rows: Vec<Vec<f64>> = (0..COUNT).map(|_| Vec::with_capacity(steps)).collect();
        let plain = self.plain.level();
        let recent = self.recent_median().unwrap_or(plain);
        let ratio = self.ratio();
        let [week_shift, week_median_shift, day_profile_shift, week_profile_shift] = [
            self.week_shift,
            self.week_median_shift,
            self.day_profile_shift,
            self.week_profile_shift,
        ]
        .map(|shift| shift.mean().unwrap_or(0.0));
        let medians = self.medians(plain);
        let (mut fast, mut slow) = (1.0, 1.0);
        for step in origin..origin + steps {
            let (day, week) = (step % self.seasons.day, step % self.seasons.week());
            fast *= self.fades.lead_fast;
            slow *= self.fades.lead_slow;
            let last_week = self.last_week(week).unwrap_or(plain);
            let usual_day = self.usual_day(day).unwrap_or(plain);
            let usual_week = self.usual_week(week).unwrap_or(plain);
            let smooth_week = smooth(&medians.week, week, medians.hour);
            let smooth_day = smooth(&medians.day, day, medians.hour);
            let values: [f64; COUNT] = [
                self.days.last(day).unwrap_or(plain),
                last_week,
                last_week + slow * week_shift,
                usual_week,
                medians.day[day],
                medians.week[week],
                smooth_week,
                smooth_week + slow * week_median_shift,
                0.5 * (smooth_week + smooth_day),
                medians.by_hour[day] * medians.by_day[week / self.seasons.day],
                usual_week + slow * week_profile_shift,
                usual_week * ratio,
                usual_day + fast * day_profile_shift,
                plain,
                recent,
                self.last,
            ];
            for (row, value) in rows.iter_mut().zip(values) {
                row.push(value.max(0.0));
            }
        }
        rows
    }

    /// The medians of every slot; `plain` where nothing was seen.
    fn medians(&self, plain: f64) -> Medians {
        let n = self.seasons.day;
        let day: Vec<f64> = (0..n).map(|slot| self.days.median(slot).unwrap_or(plain)).collect();
        let week: Vec<f64> = (0..self.seasons.week())
            .map(|slot| self.weeks.median(slot).unwrap_or(day[slot % n]))
            .collect();
        let overall = mean(week.iter());
        let share = |level: f64| if overall > 0.0 { level / overall } else { 1.0 };
        Medians {
            by_hour: (0..n).map(|slot| mean(week.iter().skip(slot).step_by(n))).collect(),
            by_day: week.chunks_exact(n).map(|day| share(mean(day.iter()))).collect(),
            hour: self.seasons.within_an_hour(),
            day,
            week,
        }
    }

    fn recent_median(&self) -> Option<f64> {
        let have = self.seen.min(self.recent.len());
        let mut buffer = self.recent[..have].to_vec();
        median(&mut buffer)
    }
}

/// The median day and the median week, and the median week told apart by hour and by day.
struct Medians {
    /// By slot of day.
    day: Vec<f64>,
    /// By slot of week.
    week: Vec<f64>,
    /// Mean of the median week by slot of day.
    by_hour: Vec<f64>,
    /// Mean of the median week by day, over that of all days.
    by_day: Vec<f64>,
    /// Steps from a slot to the neighbours it is smoothed with.
    hour: usize,
}

/// A slot with its neighbours `apart` before and after, in a season that begins again at its end.
fn smooth(season: &[f64], slot: usize, apart: usize) -> f64 {
    let n = season.len();
    (season[(slot + n - apart) % n] + season[slot] + season[(slot + apart) % n]) / 3.0
}

fn mean<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    sum / count(n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    fn after(values: impl IntoIterator<Item = f64>) -> Memory {
        let mut memory = Memory::new(Seasons::new(24));
        for (step, value) in values.into_iter().enumerate() {
            memory.see(step, value);
        }
        memory
    }

    fn row(memory: &Memory, origin: usize, steps: usize, name: &str) -> Vec<f64> {
        let member = MEMBERS.iter().position(|(known, _)| *known == name).unwrap();
        memory.expect(origin, steps)[member].clone()
    }

    #[test]
    fn the_naive_members_repeat_what_was_seen() {
        // the value names its step, so that a forecast shows where it comes from
        let memory = after((0..400).map(f64::from));
        assert_eq!(row(&memory, 400, 3, "last-day"), [376.0, 377.0, 378.0]);
        assert_eq!(row(&memory, 400, 3, "last-week"), [232.0, 233.0, 234.0]);
        assert_eq!(row(&memory, 400, 2, "last-value"), [399.0, 399.0]);
        // beyond a week last week comes again
        assert_eq!(row(&memory, 400, 169, "last-week")[168], 232.0);
        // the last seven days at hour 16: 232, 256, ..., 376
        assert_eq!(row(&memory, 400, 1, "daily-median"), [304.0]);
        // 64 and 232 at the same hour of the two weeks before
        assert_eq!(row(&memory, 400, 1, "weekly-median"), [148.0]);
    }

    #[test]
    fn the_usual_week_weighs_each_week_by_six_tenths_of_the_next() {
        let memory = after((0..504).map(|t| f64::from(t / 168)));
        // (0 * 0.36 + 1 * 0.6 + 2) / (0.36 + 0.6 + 1) = 2.6 / 1.96
        assert!((row(&memory, 504, 1, "weekly-profile")[0] - 2.6 / 1.96).abs() < 1e-12);
    }

    #[test]
    fn the_usual_day_weighs_each_day_by_seven_tenths_of_the_next() {
        // (0 * 0.49 + 1 * 0.7 + 2) / (0.49 + 0.7 + 1) = 2.7 / 2.19
        let memory = after((0..72).map(|t| f64::from(t / 24)));
        assert!((memory.usual_day(0).unwrap() - 2.7 / 2.19).abs() < 1e-12);
    }

    #[test]
    fn the_median_week_is_smoothed_and_told_apart_by_hour_and_day() {
        // two weeks the same: hours 100 to 123, the sixth and seventh day half of that
        let load = |t: u32| f64::from(100 + t % 24) * if t / 24 % 7 >= 5 { 0.5 } else { 1.0 };
        let memory = after((0..336).map(load));
        // hour 10 with its neighbours: (109 + 110 + 111) / 3; at midnight the day before ends at 61.5
        let smooth = row(&memory, 336, 11, "weekly-median-smooth");
        assert!((smooth[10] - 110.0).abs() < 1e-9);
        assert!((smooth[0] - (61.5 + 100.0 + 101.0) / 3.0).abs() < 1e-9);
        // what is a product of hour and day is found again
        let product = row(&memory, 336, 168, "day-by-hour");
        for (t, value) in (0..168).zip(product) {
            assert!((value - load(t)).abs() < 1e-9, "{value} for {}", load(t));
        }
    }

    #[test]
    fn a_gap_teaches_nothing() {
        let with_gap = after(
            (0..100).map(|t| if (40..50).contains(&t) { f64::NAN } else { f64::from(t % 24) }),
        );
        assert_eq!(row(&with_gap, 100, 1, "last-day"), [4.0]);
        assert!(with_gap.expect(100, 48).iter().flatten().all(|value| value.is_finite()));
    }

    #[test]
    fn nothing_seen_is_nothing_expected() {
        assert!(after([]).expect(0, 5).iter().flatten().all(|value| *value == 0.0));
        assert_eq!(after([]).usual(3), None);
    }
}
