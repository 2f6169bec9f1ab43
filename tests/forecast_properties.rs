//! What must hold of every forecast, whatever the series: bounds ordered, nothing below zero, no NaN, units
//! that carry through, the future never looked at, and the same bytes for the same seed.
#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, clippy::float_cmp)]

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use plimsoll::forecast::{Forecast, forecast};
use plimsoll::history::{History, Mark, MarkKind};
use plimsoll::service::{Calendar, Event};
use plimsoll::units::Period;
use proptest::prelude::*;

const DAY: usize = 24;

fn at(hour: usize) -> Timestamp {
    let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_hours(i64::try_from(hour).unwrap())
}

fn hourly(values: Vec<f64>) -> History {
    History {
        start: at(0),
        step: Period::HOUR,
        newest: at(values.len()),
        values,
        marks: Vec::new(),
    }
}

fn utc() -> Calendar {
    Calendar { zone: TimeZone::UTC, events: Vec::new() }
}

fn ahead(values: Vec<f64>, steps: usize) -> Forecast {
    forecast(&hourly(values), &utc(), steps, 7).unwrap()
}

/// A day that swings between 50 and 150, weekends at 60 %, and a little noise that repeats after 17 hours.
fn office(hour: usize) -> f64 {
    let angle = std::f64::consts::TAU * (hour % DAY) as f64 / DAY as f64;
    let week = if (hour / DAY) % 7 >= 5 { 0.6 } else { 1.0 };
    week * (100.0 - 50.0 * angle.cos()) + (hour * 7 % 17) as f64 / 4.0
}

fn weeks(n: usize) -> Vec<f64> {
    (0..n * 7 * DAY).map(office).collect()
}

fn assert_sound(forecast: &Forecast, steps: usize) {
    assert_eq!(forecast.quantiles.len(), steps);
    assert_eq!(forecast.mean.len(), steps);
    assert!(forecast.paths.iter().all(|path| path.len() == steps));
    for row in &forecast.quantiles {
        assert!(row.iter().all(|q| q.is_finite() && *q >= 0.0), "{row:?}");
        assert!(row.is_sorted(), "{row:?}");
    }
    assert!(forecast.mean.iter().all(|mean| mean.is_finite() && *mean >= 0.0));
    assert!(forecast.paths.iter().flatten().all(|load| load.is_finite() && *load >= 0.0));
    let weights: f64 = forecast.members.iter().map(|member| member.weight).sum();
    assert!((weights - 1.0).abs() < 1e-9, "weights sum to {weights}");
    assert!(forecast.members.is_sorted_by(|a, b| a.weight >= b.weight));
    let score = forecast.score;
    assert!(
        [score.mase, score.bias, score.inside80, score.inside95].iter().all(|x| x.is_finite()),
        "{score:?}"
    );
}

fn close(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * a.abs().max(b.abs()).max(1e-9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bounds_are_ordered_and_finite_for_any_series_with_gaps_and_spikes(
        values in prop::collection::vec(prop_oneof![
            6 => 0.0..1e3f64, 1 => Just(0.0), 1 => Just(f64::NAN), 1 => 1e6..1e9f64
        ], 240..800),
        steps in 1usize..200,
    ) {
        assert_sound(&ahead(values, steps), steps);
    }

    #[test]
    fn a_series_in_other_units_gives_the_same_forecast_in_those_units(scale in prop_oneof![1e-6..1e-3f64, 1e3..1e9f64]) {
        let plain = ahead(weeks(3), 168);
        let scaled = ahead(weeks(3).iter().map(|load| load * scale).collect(), 168);
        for (a, b) in plain.quantiles.iter().flatten().zip(scaled.quantiles.iter().flatten()) {
            prop_assert!(close(a * scale, *b, 1e-6), "{a} * {scale} is not {b}");
        }
        let (a, b) = (plain.peak(0..168).quantile(0.95), scaled.peak(0..168).quantile(0.95));
        prop_assert!(close(a * scale, b, 1e-5));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_only_other_paths() {
    let (one, two) = (ahead(weeks(4), 168), ahead(weeks(4), 168));
    assert_eq!(one, two);
    let other = forecast(&hourly(weeks(4)), &utc(), 168, 8).unwrap();
    assert_ne!(one.paths, other.paths);
    assert_eq!(one.quantiles, other.quantiles);
}

#[test]
fn what_comes_after_the_origin_changes_nothing() {
    let origin = 4 * 7 * DAY;
    let mut known: Vec<f64> = weeks(5);
    let before = forecast(&hourly(known.clone()).until(at(origin)), &utc(), 168, 7).unwrap();
    for value in &mut known[origin..] {
        *value *= 1000.0;
    }
    let after = forecast(&hourly(known).until(at(origin)), &utc(), 168, 7).unwrap();
    assert_eq!(before, after);
}

#[test]
fn paths_are_distributed_as_the_quantiles_say() {
    let forecast = ahead(weeks(4), 168);
    for step in [0, 30, 100, 167] {
        for (level, bound) in forecast.levels.iter().zip(&forecast.quantiles[step]) {
            let below = forecast
                .paths
                .iter()
                .filter(|path| f64::from(path[step]) <= bound * (1.0 + 1e-6))
                .count();
            let share = below as f64 / forecast.paths.len() as f64;
            // three standard deviations of a share of 1,000
            assert!(
                (share - level).abs() < 0.05,
                "step {step}: {share} of the paths below the {level} quantile"
            );
        }
    }
}

#[test]
fn a_window_peaks_no_lower_than_any_window_inside_it() {
    let forecast = ahead(weeks(4), 168);
    let (day, week) = (forecast.peak(0..24), forecast.peak(0..168));
    for level in [0.05, 0.5, 0.95] {
        assert!(day.quantile(level) <= week.quantile(level));
    }
    assert!(week.quantile(0.5) >= forecast.quantiles.iter().map(|row| row[2]).fold(0.0, f64::max));
    assert!(close(week.chance_above(week.quantile(0.9)), 0.1, 1e-9));
}

#[test]
fn a_level_is_reached_no_later_at_a_smaller_chance() {
    let growing: Vec<f64> =
        (0..8 * 7 * DAY).map(|hour| office(hour) * (1.0 + 0.01 * hour as f64 / 24.0)).collect();
    let forecast = ahead(growing.clone(), 672);
    let top = growing.iter().copied().fold(0.0, f64::max);
    let (p50, p90) = (
        forecast.first_reaching(1.1 * top, 0.5).unwrap(),
        forecast.first_reaching(1.1 * top, 0.1).unwrap(),
    );
    assert!(p90 <= p50);
    assert_eq!(forecast.first_reaching(100.0 * top, 0.1), None);
    assert_eq!(forecast.first_reaching(0.0, 1.0), Some(forecast.start));
}

#[test]
fn a_constant_series_is_forecast_as_that_constant() {
    let forecast = ahead(vec![42.0; 14 * DAY], 168);
    assert_sound(&forecast, 168);
    assert!(forecast.quantiles.iter().flatten().all(|q| close(*q, 42.0, 1e-9)));
    assert!(close(forecast.growth_per_day, 0.0, 1e-9));
}

#[test]
fn a_constant_added_to_the_series_is_added_to_the_forecast() {
    let plain = ahead(weeks(4), 168);
    let raised = ahead(weeks(4).iter().map(|load| load + 1000.0).collect(), 168);
    // the two multiplicative members and the growth of noise with the level keep this from being exact
    for (a, b) in plain.mean.iter().zip(&raised.mean) {
        assert!((a + 1000.0 - b).abs() < 3.0, "{a} + 1000 is not {b}");
    }
}

#[test]
fn no_load_at_all_is_forecast_as_none() {
    let forecast = ahead(vec![0.0; 14 * DAY], 168);
    assert_sound(&forecast, 168);
    assert!(forecast.quantiles.iter().flatten().all(|q| *q == 0.0));
}

#[test]
fn one_outlier_of_a_hundredfold_hardly_moves_the_forecast() {
    let clean = ahead(weeks(4), 168);
    let mut values = weeks(4);
    values[20 * DAY + 3] *= 100.0;
    let spiked = ahead(values, 168);
    for (a, b) in clean.mean.iter().zip(&spiked.mean) {
        assert!(close(*a, *b, 0.1), "{a} became {b}");
    }
}

#[test]
fn half_of_the_samples_missing_leaves_the_shape() {
    let values = weeks(8)
        .into_iter()
        .enumerate()
        .map(|(i, load)| if i * 7919 % 13 < 6 { f64::NAN } else { load });
    let forecast = ahead(values.collect(), 168);
    assert_sound(&forecast, 168);
    let truth = |h: usize| office(8 * 7 * DAY + h);
    let missed: f64 =
        forecast.mean.iter().enumerate().map(|(h, mean)| (mean - truth(h)).abs()).sum();
    assert!(missed < 0.12 * (0..168).map(truth).sum::<f64>(), "{missed}");
}

#[test]
fn steady_growth_is_carried_on_and_dampened() {
    // 1 % of today's level a day: at 56 days 1.56, so 0.64 % of that per day
    let grown = |hour: usize| office(hour) * (1.0 + 0.01 * hour as f64 / 24.0);
    let forecast = ahead((0..8 * 7 * DAY).map(grown).collect(), 672);
    assert!((0.0045..0.0075).contains(&forecast.growth_per_day), "{}", forecast.growth_per_day);
    let week = |n: usize| forecast.mean[n * 168..(n + 1) * 168].iter().sum::<f64>();
    let truth = |n: usize| (0..168).map(|h| grown((8 + n) * 168 + h)).sum::<f64>();
    for n in 0..4 {
        assert!(close(week(n), truth(n), 0.07), "week {n}: {} for {}", week(n), truth(n));
    }
    assert!(week(3) > 1.05 * week(0));
    assert!(week(3) - week(2) <= week(2) - week(1) + 0.02 * week(0));
}

#[test]
fn steady_decline_never_goes_below_zero() {
    let forecast = ahead(
        (0..8 * 7 * DAY).map(|hour| office(hour) * (1.0 - 0.017 * hour as f64 / 24.0)).collect(),
        672,
    );
    assert_sound(&forecast, 672);
    assert!(forecast.growth_per_day < 0.0);
}

#[test]
fn steady_growth_and_decline_are_followed() {
    for (per_day, allowed) in [(0.01_f64, 0.06), (0.02, 0.04), (0.03, 0.04), (-0.03, 0.08)] {
        let load = |hour: usize| office(hour) * (per_day * hour as f64 / 24.0).exp();
        let n = 8 * 7 * DAY;
        let said: f64 = ahead((0..n).map(load).collect(), 168).mean.iter().sum();
        let came: f64 = (n..n + 168).map(load).sum();
        let off = said / came - 1.0;
        assert!(off.abs() < allowed, "{per_day} a day: {off:+.3}");
    }
}

#[test]
fn a_load_that_shrinks_by_a_share_each_day_is_not_promised_the_peaks_of_its_start() {
    // errors and peaks of the first weeks are ten to ten thousand times what is left
    for (per_day, weeks) in [(0.85_f64, 4), (0.85, 8), (0.93, 8)] {
        let shrunk = |hour: usize| office(hour) * per_day.powf(hour as f64 / 24.0);
        let n = weeks * 7 * DAY;
        let forecast = ahead((0..n).map(shrunk).collect(), 672);
        let top = (n - 168..n).map(shrunk).fold(0.0, f64::max);
        for week in 0..4 {
            let stated = forecast.peak(week * 168..(week + 1) * 168).quantile(0.99);
            assert!(stated <= 3.5 * top, "{per_day}: {stated}, the last week had {top}");
        }
    }
}

#[test]
fn a_new_level_is_taken_up_within_days() {
    let mut values = weeks(4);
    let shift = values.len() - 3 * DAY;
    for value in &mut values[shift..] {
        *value *= 3.0;
    }
    let forecast = ahead(values, 24);
    let (seen, truth): (f64, f64) =
        (forecast.mean.iter().sum(), (0..DAY).map(|h| 3.0 * office(28 * DAY + h)).sum());
    assert!(close(seen, truth, 0.1), "{seen} of {truth}");
}

fn span(from: usize, to: usize, kind: MarkKind) -> Mark {
    Mark { from: at(from), to: at(to), kind, why: "HPA at its maximum".to_owned() }
}

#[test]
fn load_that_was_cut_off_by_a_limit_does_not_pull_the_forecast_down() {
    let full = ahead(weeks(4), 168);
    let mut load = hourly(weeks(4));
    for day in 14..28 {
        // capped at 80 in the busy hours of the last two weeks
        let (from, to) = (day * DAY + 8, day * DAY + 17);
        for value in &mut load.values[from..to] {
            *value = value.min(80.0);
        }
        load.marks.push(span(from, to, MarkKind::Censored));
    }
    let marked = forecast(&load, &utc(), 168, 7).unwrap();
    let sum = |forecast: &Forecast| forecast.mean.iter().sum::<f64>();
    assert!(sum(&marked) > 0.95 * sum(&full), "{} of {}", sum(&marked), sum(&full));
    load.marks.clear();
    let unmarked = forecast(&load, &utc(), 168, 7).unwrap();
    assert!(sum(&unmarked) < 0.9 * sum(&full), "the cap would have pulled it down");
}

#[test]
fn a_campaign_that_is_marked_is_not_learnt_from() {
    let clean = ahead(weeks(4), 168);
    let mut load = hourly(weeks(4));
    let (from, to) = (24 * DAY, 26 * DAY);
    for value in &mut load.values[from..to] {
        *value *= 5.0;
    }
    load.marks.push(span(from, to, MarkKind::Masked));
    let masked = forecast(&load, &utc(), 168, 7).unwrap();
    for (a, b) in clean.mean.iter().zip(&masked.mean) {
        assert!(close(*a, *b, 0.1), "{a} became {b}");
    }
}

#[test]
fn an_event_ahead_multiplies_its_own_steps_and_no_others() {
    let (from, to) = (28 * DAY + 24, 28 * DAY + 48);
    let calendar = Calendar {
        events: vec![Event {
            name: "launch".to_owned(),
            from: at(from),
            to: at(to),
            multiply: 2.0,
            like: None,
        }],
        ..utc()
    };
    let plain = ahead(weeks(4), 72);
    let lifted = forecast(&hourly(weeks(4)), &calendar, 72, 7).unwrap();
    for step in 0..72 {
        let factor = if (24..48).contains(&step) { 2.0 } else { 1.0 };
        assert!(close(plain.mean[step] * factor, lifted.mean[step], 1e-9));
        assert!(close(plain.quantiles[step][5] * factor, lifted.quantiles[step][5], 1e-9));
        assert!(close(
            f64::from(plain.paths[9][step]) * factor,
            f64::from(lifted.paths[9][step]),
            1e-5
        ));
    }
}

#[test]
fn the_morning_keeps_its_hour_when_the_clock_changes() {
    // Berlin: from 2026-03-29 01:00 UTC local time is UTC+2 instead of UTC+1; load peaks at 09:00 local
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let start: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    let step = |i: usize| start + SignedDuration::from_hours(i64::try_from(i).unwrap());
    let local = |at: Timestamp| usize::try_from(at.to_zoned(zone.clone()).hour()).unwrap();
    let load = |at: Timestamp| if local(at) == 9 { 100.0 } else { 10.0 };
    let n = 27 * DAY; // up to 2026-03-29 00:00 UTC
    let values = (0..n).map(|i| load(step(i))).collect();
    let history = History { start, step: Period::HOUR, values, marks: Vec::new(), newest: step(n) };
    let forecast =
        forecast(&history, &Calendar { zone: zone.clone(), events: Vec::new() }, 72, 7).unwrap();
    for (i, mean) in forecast.mean.iter().enumerate() {
        assert!(close(*mean, load(step(n + i)), 0.01), "{} local: {mean}", local(step(n + i)));
    }
}

#[test]
fn minutes_and_five_minutes_are_forecast_as_hours_are() {
    for (seconds, per_hour) in [(300, 12), (60, 60)] {
        let n = 9 * DAY * per_hour;
        let history = History {
            start: at(0),
            step: Period(seconds),
            values: (0..n).map(|i| office(i / per_hour)).collect(),
            marks: Vec::new(),
            newest: at(9 * DAY),
        };
        let steps = DAY * per_hour;
        let forecast = forecast(&history, &utc(), steps, 7).unwrap();
        assert_sound(&forecast, steps);
        for (i, mean) in forecast.mean.iter().enumerate() {
            // nine days: Monday to the second Tuesday, so a Wednesday is asked for
            assert!(close(*mean, office(9 * DAY + i / per_hour), 0.2), "step {i}: {mean}");
        }
    }
}

#[test]
fn two_days_are_needed_for_a_day_and_seven_for_a_week() {
    let missing = |hours: usize, steps: usize| {
        forecast(&hourly(weeks(2)[..hours].to_vec()), &utc(), steps, 7).err()
    };
    assert_eq!(missing(2 * DAY, 24), None);
    assert_eq!(missing(7 * DAY, 672), None);
    let short = missing(30, 24).unwrap();
    assert_eq!(short.to_string(), "30 hours of history seen, 2 days needed");
    assert_eq!(short.enough_at, Some(at(48)));
    assert_eq!(missing(6 * DAY, 168).unwrap().to_string(), "6 days of history seen, 7 days needed");
}

#[test]
fn nothing_but_gaps_is_too_little() {
    assert!(forecast(&hourly(vec![f64::NAN; 14 * DAY]), &utc(), 24, 7).is_err());
    assert!(forecast(&hourly(Vec::new()), &utc(), 24, 7).is_err());
}
