//! Hours of the day in which more pods are asked for than the floor: what a clock, such as KEDA's cron, can lay down
//! ahead of a ramp.
//!
//! Every quarter of an hour of the week asks by the larger of what is forecast there, at [`LEVEL`], and of what the last
//! week had there. Days that ask for much the same share their windows; where two sets of days (working days and
//! weekends, whichever those are) lay down a fifth fewer pod-hours than one, there are two. A window takes in its
//! neighbour where that costs little, so that at most [`MOST`] a day are left.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::advise::plan::Reason;
use crate::advise::sizing::Sizing;
use crate::forecast::Forecast;
use crate::history::History;
use crate::units::Period;

/// The level of the forecast by which a floor is laid down ahead, here and in a replay.
pub const LEVEL: f64 = 0.9;
/// The most windows of one day; one of a whole day counts once and is written as two.
pub const MOST: usize = 4;
/// Pod-hours a day that one window less is worth.
const WORTH: f64 = 1.0;
/// Share of the pod-hours that a second set of days must save.
const SECOND_SET: f64 = 0.2;
/// Nobody is asked for earlier than this before the load.
const LEAD_MOST: i64 = 6 * 60;

/// Quarters of an hour: the finest distance between a time zone and UTC that is in use.
const SLOT: Period = Period(900);
const SLOTS: usize = 96;
const SLOT_MINUTES: i64 = 15;
const DAY_MINUTES: i64 = 24 * 60;

/// A span of some days of the week, and the pods to have in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The days it begins on.
    pub days: Days,
    /// The minute of the day that it begins at.
    pub from: i64,
    /// The minute of the same day that it ends at, past 1440 on the next one.
    pub to: i64,
    /// The pods to have, above the floor and at most the maximum.
    pub pods: u32,
    /// The pods that the load asks for, whatever the maximum is.
    pub asked: u32,
    /// The highest load in it, in rps.
    pub load: f64,
}

/// Days of the week, a bit each, Monday the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// All seven.
    pub const ALL: Self = Self(127);

    /// These days, 0 for Monday.
    #[must_use]
    pub fn of(days: impl IntoIterator<Item = usize>) -> Self {
        Self(days.into_iter().fold(0, |all, day| all | 1 << day))
    }

    /// Those that are in it, 0 for Monday.
    pub fn each(self) -> impl Iterator<Item = usize> {
        (0..7).filter(move |day| self.0 & (1 << day) != 0)
    }

    /// The same, so many days later.
    #[must_use]
    pub fn later(self, days: i64) -> Self {
        let turn = |day: usize| {
            (0..7_usize)
                .find(|to| i64::try_from(*to + 7 - day).is_ok_and(|by| (by - days) % 7 == 0))
        };
        Self::of(self.each().filter_map(turn))
    }
}

/// What a clock is to lay down.
#[derive(Debug, Clone, PartialEq)]
pub struct Laid {
    /// The windows.
    pub windows: Vec<Window>,
    /// The IANA name of the time zone that they are told in.
    pub zone: String,
    /// What forbids to take earlier ones away; `None`: nothing.
    pub doubt: Option<Reason>,
}

/// What a component's windows follow from.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a> {
    /// The load that is expected, in hourly peaks.
    pub forecast: &'a Forecast,
    /// The load that was seen.
    pub load: &'a History,
    /// The pods that a load asks for.
    pub sizing: Sizing<'a>,
    /// The clock.
    pub zone: &'a TimeZone,
    /// The fewest and the most pods that the autoscaler gives.
    pub bounds: (u32, u32),
    /// How long a new pod takes until it serves.
    pub start_up: Period,
}

/// The windows of a week, by their days and then by time; empty where the floor is enough at every hour.
#[must_use]
pub fn windows(ahead: &Ahead<'_>) -> Vec<Window> {
    let week = week(ahead);
    let one = Set::of(&week, Days::ALL, ahead);
    let two = (1..64_u8).map(|days| [Days(days), Days(127 - days)]);
    let two = two.map(|days| days.map(|days| Set::of(&week, days, ahead)));
    let best = two.min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let sets = match best {
        Some(two) if cost(&two) < (1.0 - SECOND_SET) * one.hours => two.to_vec(),
        _ => vec![one],
    };
    let mut all: Vec<Window> = sets.iter().flat_map(|set| set.windows(ahead)).collect();
    all.sort_by_key(|window| (window.days.each().next(), window.from));
    all
}

fn cost(sets: &[Set; 2]) -> f64 {
    sets.iter().map(|set| set.hours).sum()
}

/// The load of every quarter of an hour of a week, NaN where nothing is known of it.
fn week(ahead: &Ahead<'_>) -> [[f64; SLOTS]; 7] {
    let mut week = [[f64::NAN; SLOTS]; 7];
    let mut put = |at: Timestamp, length: Period, load: f64| {
        for part in 0..(length.0 / SLOT.0).max(1) {
            let at = at + SignedDuration::from_secs(part * SLOT.0);
            let local = at.to_zoned(ahead.zone.clone());
            let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
            let slot = usize::try_from(minute / SLOT_MINUTES).unwrap_or(0).min(SLOTS - 1);
            let day = local.weekday().to_monday_zero_offset();
            let held = &mut week[usize::try_from(day).unwrap_or(0)][slot];
            *held = held.max(load);
        }
    };
    let Ahead { forecast, load, .. } = ahead;
    let level = forecast.levels.iter().position(|known| (known - LEVEL).abs() < 1e-9);
    let steps = Period::WEEK.steps(forecast.step).min(forecast.quantiles.len());
    for step in 0..steps {
        if let Some(load) = level.and_then(|level| forecast.quantiles[step].get(level)) {
            put(forecast.time(step), forecast.step, *load);
        }
    }
    // one spike that stands alone is no habit
    let seen = load.tempered();
    let seen = seen.since(seen.end() - SignedDuration::from_secs(Period::WEEK.0));
    for (step, load) in seen.values.iter().enumerate().filter(|(_, load)| load.is_finite()) {
        put(seen.time(step), seen.step, *load);
    }
    week
}

/// Days that share their windows.
#[derive(Clone)]
struct Set {
    days: Days,
    spans: Vec<Span>,
    /// Pod-hours a week above the floor.
    hours: f64,
}

/// Neighbouring slots that get the same.
#[derive(Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    pods: u32,
    load: f64,
}

impl Span {
    fn hours(&self) -> f64 {
        quarters(self.to - self.from) / 4.0
    }
}

impl Set {
    fn of(week: &[[f64; SLOTS]; 7], days: Days, ahead: &Ahead<'_>) -> Self {
        let (floor, most) = ahead.bounds;
        let span = |slot: usize| {
            let load = days.each().map(|day| week[day][slot]).fold(f64::NAN, f64::max);
            let asked = Some(load).filter(|load| load.is_finite());
            let asked = asked.and_then(|load| ahead.sizing.replicas(load));
            let pods = asked.map_or(floor, |asked| asked.capped().min(most).max(floor));
            Span { from: slot, to: slot + 1, pods, load }
        };
        let spans = merged((0..SLOTS).map(span).collect(), floor);
        let above = |span: &Span| f64::from(span.pods - floor) * span.hours();
        let hours = spans.iter().map(above).sum::<f64>() * quarters(days.each().count());
        Self { days, spans, hours }
    }

    fn windows(&self, ahead: &Ahead<'_>) -> Vec<Window> {
        let lead = ((ahead.start_up.0 + 59) / 60).clamp(0, LEAD_MOST);
        let minute = |slot: usize| i64::try_from(slot).unwrap_or(0) * SLOT_MINUTES;
        let mut all = Vec::new();
        for span in self.spans.iter().filter(|span| span.pods > ahead.bounds.0) {
            let (from, to) = (minute(span.from) - lead, minute(span.to));
            // a clock that begins again before it has ended is one that has not begun
            let noon = (to - from >= DAY_MINUTES).then_some(DAY_MINUTES / 2);
            let parts = [(from, noon.unwrap_or(to)), (noon.unwrap_or(to), to)];
            for (from, to) in parts.into_iter().filter(|(from, to)| from < to) {
                let back = i64::from(from < 0);
                let asked = ahead.sizing.replicas(span.load).map_or(span.pods, |asked| asked.need);
                all.push(Window {
                    days: self.days.later(-back),
                    from: from + back * DAY_MINUTES,
                    to: to + back * DAY_MINUTES,
                    pods: span.pods,
                    asked,
                    load: span.load,
                });
            }
        }
        all
    }
}

/// Joins neighbours, the cheapest first, until no more than [`MOST`] stand above the floor and each is worth it.
fn merged(mut spans: Vec<Span>, floor: u32) -> Vec<Span> {
    loop {
        let cost = |pair: &[Span]| {
            let lower = if pair[0].pods < pair[1].pods { &pair[0] } else { &pair[1] };
            f64::from(pair[0].pods.abs_diff(pair[1].pods)) * lower.hours()
        };
        let cheapest = (1..spans.len()).map(|at| (at, cost(&spans[at - 1..=at])));
        let Some((at, cost)) = cheapest.min_by(|a, b| a.1.total_cmp(&b.1)) else { return spans };
        if cost > WORTH && spans.iter().filter(|span| span.pods > floor).count() <= MOST {
            return spans;
        }
        let next = spans.remove(at);
        let held = &mut spans[at - 1];
        let (pods, load) = (held.pods.max(next.pods), held.load.max(next.load));
        *held = Span { from: held.from, to: next.to, pods, load };
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most the quarters of a day")]
fn quarters(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::forecast::{self, LEVELS};
    use crate::service::Calendar;
    use crate::tiers::{Size, Tier, TierTable};

    /// Ten rps a pod, up to twenty of them.
    fn table() -> TierTable {
        let sizes = vec![("api".to_owned(), Size::Replicas { min: 1, max: 20 })];
        let row = |name: &str, from, below| Tier {
            name: name.to_owned(),
            from,
            below,
            sizes: sizes.clone(),
        };
        let mut rows = vec![row("All", 0.0, Some(190.0)), row("More", 190.0, None)];
        rows[1].sizes = vec![("api".to_owned(), Size::Replicas { min: 20, max: 20 })];
        TierTable { rows }
    }

    /// A week ahead, and a week behind that had `seen`, of a load by local day (0: Monday) and hour.
    fn laid(
        zone: &str,
        bounds: (u32, u32),
        start_up: Period,
        load: impl Fn(usize, i8) -> f64,
        seen: impl Fn(usize, i8) -> f64,
    ) -> Vec<Window> {
        let zone = TimeZone::get(zone).unwrap();
        let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let at = |hour: i64| (start + SignedDuration::from_hours(hour)).to_zoned(zone.clone());
        let of = |hour: i64, load: &dyn Fn(usize, i8) -> f64| {
            let at = at(hour);
            load(usize::try_from(at.weekday().to_monday_zero_offset()).unwrap(), at.hour())
        };
        let past = History {
            start: start - SignedDuration::from_hours(168 * 2),
            step: Period::HOUR,
            values: (-168 * 2..0).map(|hour| of(hour, &seen)).collect(),
            marks: Vec::new(),
            newest: start,
        };
        let calendar = Calendar { zone: zone.clone(), events: Vec::new() };
        let mut ahead = forecast::forecast(&past, &calendar, 168, 1).unwrap();
        for (hour, row) in ahead.quantiles.iter_mut().enumerate() {
            row.fill(of(i64::try_from(hour).unwrap(), &load));
        }
        assert_eq!((ahead.start, ahead.quantiles[0].len()), (start, LEVELS.len()));
        let table = table();
        let sizing = Sizing { table: &table, component: "api", capacity: None };
        windows(&Ahead { forecast: &ahead, load: &past, sizing, zone: &zone, bounds, start_up })
    }

    fn shown(windows: &[Window]) -> Vec<(Vec<usize>, i64, i64, u32)> {
        windows.iter().map(|one| (one.days.each().collect(), one.from, one.to, one.pods)).collect()
    }

    /// 8 to 18 o'clock on working days.
    fn office(day: usize, hour: i8) -> f64 {
        if day < 5 && (8..18).contains(&hour) { 79.0 } else { 9.0 }
    }

    #[test]
    fn working_days_have_one_window_that_opens_a_start_up_before_the_load() {
        let all = laid("Asia/Kolkata", (2, 15), Period(90), office, office);
        // 79 rps are 1 + 19 * 79 / 190 = 8.9 pods; an hour of UTC begins at half past in India, and 8 o'clock lies in one
        let workdays = vec![0, 1, 2, 3, 4];
        assert_eq!(shown(&all), [(workdays, 8 * 60 + 30 - 2, 18 * 60 + 30, 9)]);
        assert!((all[0].load - 79.0).abs() < 1e-9);
        let all = laid("Asia/Tokyo", (2, 15), Period(90), office, office);
        assert_eq!(shown(&all), [(vec![0, 1, 2, 3, 4], 8 * 60 - 2, 18 * 60, 9)]);
    }

    #[test]
    fn a_flat_load_and_one_that_the_floor_serves_have_no_window() {
        assert_eq!(laid("UTC", (9, 15), Period(60), office, office), []);
        assert_eq!(laid("UTC", (4, 15), Period(60), |_, _| 20.0, |_, _| 20.0), []);
    }

    #[test]
    fn no_window_passes_the_maximum_or_is_below_the_floor_and_a_day_has_few() {
        // every hour another load
        let load = |_: usize, hour: i8| f64::from(i32::from(hour) * 37 % 24) * 8.0;
        let all = laid("UTC", (3, 12), Period(60), load, load);
        assert!((1..=MOST).contains(&all.len()), "{all:?}");
        for one in &all {
            assert!(3 < one.pods && one.pods <= 12 && one.from < one.to, "{one:?}");
        }
        // and no hour gets less than it asks for
        for hour in 0..24_i8 {
            let at = i64::from(hour) * 60;
            let held = all.iter().filter(|one| one.from <= at && at < one.to).map(|one| one.pods);
            let asked = (1.0 + 19.0 * load(0, hour) / 190.0 - 1e-9).ceil().min(12.0);
            assert!(f64::from(held.max().unwrap_or(3)) >= asked, "{hour} {all:?}");
        }
        // what lies past the maximum is told
        assert!(all.iter().any(|one| one.asked > 12), "{all:?}");
    }

    #[test]
    fn what_the_last_week_had_is_held_where_the_forecast_asks_for_less() {
        let all = laid("UTC", (2, 15), Period(60), |_, _| 9.0, office);
        assert_eq!(shown(&all), [(vec![0, 1, 2, 3, 4], 479, 18 * 60, 9)]);
    }

    #[test]
    fn a_window_that_opens_before_midnight_opens_on_the_day_before() {
        let night = |day: usize, hour: i8| if day == 0 && hour < 6 { 79.0 } else { 9.0 };
        let all = laid("UTC", (2, 15), Period(1_800), night, night);
        assert_eq!(shown(&all), [(vec![6], 23 * 60 + 30, 30 * 60, 9)]);
    }

    #[test]
    fn a_whole_day_is_two_windows_neither_of_which_begins_again_before_it_ends() {
        let workdays = |day: usize, _: i8| if day < 5 { 79.0 } else { 9.0 };
        let all = laid("UTC", (2, 15), Period(60), workdays, workdays);
        let (open, on) = (vec![0, 1, 2, 3, 6], vec![0, 1, 2, 3, 4]);
        assert_eq!(shown(&all), [(on, 720, 1440, 9), (open, 1439, 2160, 9)]);
        let all = laid("UTC", (2, 15), Period(60), |_, _| 79.0, |_, _| 79.0);
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|one| one.to - one.from < DAY_MINUTES), "{all:?}");
    }
}
