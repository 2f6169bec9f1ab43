//! The load of the next minutes, with its quantiles: what pods that are asked for now will have to serve.
//!
//! Unmet requests cost least, for a given number of pods, where the chance that the load passes capacity is the
//! same at every moment: the newsvendor's rule (Arrow, Harris & Marschak 1951). So the count is one quantile
//! of the next minutes' peak, and all the work is in knowing its distribution sharply: nine cheap
//! members say what they expect, weighted by their recent errors; the errors that their combination made in
//! the last hours, at this time of day in the last week, and now and then in that week, are laid around it.
//! The first know how wild the load is now, the second catch what comes by the clock (cron jobs, ramps), the third
//! keep rare jumps in mind.

use std::collections::VecDeque;

use super::Scenario;
use super::coming::Coming;
use super::holt_winters::HoltWinters;
use super::simulate::View;
use crate::advise::sizing::Sizing;
use crate::history::History;
use crate::units::Period;

const MEMBERS: usize = 9;
/// Smoothing of the level members, per step.
const LEVELS: [f64; 3] = [0.5, 0.2, 0.05];
/// Smoothing of today's distance from yesterday (twice) and from the mean day, per step.
const SHIFTS: [f64; 3] = [0.5, 0.1, 0.2];
/// Power of a member's error in its weight: flat between 2 and 6.
const POWER: i32 = 3;
/// Days after which a member's error counts half.
const HALF_LIFE_DAYS: f64 = 2.0;
/// Days that the clock remembers.
const DAYS: usize = 7;
/// How far around this time of day errors of earlier days are taken from.
const SLOT: Period = Period(300);
/// How far back errors count as those of now.
const RECENT: Period = Period(6 * 3_600);
/// Errors from all over the last week.
const SAMPLED: usize = 150;
/// What the errors of now, of this time of day, and of the week weigh together.
const WEIGHTS: [f64; 3] = [1.0, 1.5, 0.3];
/// Errors without which nothing is said.
const ERRORS_MIN: usize = 12;
/// How long a higher count is held: a step of a minute or less that was wrong is not followed.
const HOLD_S: i64 = 60;
/// A count is lowered by this share at least, or not at all: each change starts or stops pods. It is the tolerance of
/// an HPA.
const FALL_MIN: f64 = 0.1;
/// And by this share of the headroom that it holds above the expected load: where the load is wild the counts are wide,
/// and within them a little less is no news. Of what was tried (falls of 5 to 30 %, 0 to 100 % of the headroom, holds of
/// 60 to 600 s, rises of 0 to 20 %), narrow falls everywhere serve best and change the count most; this gives up a
/// few percent of the gain for a quarter fewer changes.
const FALL_OF_HEADROOM: f64 = 0.6;
/// A count is raised by this share at least, so that a ramp is climbed in few steps.
const RISE_MIN: f64 = 0.1;

/// The nowcast as a floor under an HPA.
pub(super) struct Nowcast<'a> {
    sizing: Sizing<'a>,
    level: f64,
    headroom: f64,
    coming: Coming,
    day: usize,
    slot: usize,
    recent: usize,
    fade: f64,
    /// A load below which errors are no longer taken to shrink with it, in rps: half a pod's.
    small: f64,
    seasonal: HoltWinters,
    known: Vec<f64>,
    levels: [f64; 3],
    shifts: [f64; 3],
    errors: [f64; MEMBERS],
    /// What the members, and their combination, said at each step of the peak after it.
    said: Vec<[f64; MEMBERS]>,
    combined: Vec<f64>,
    /// The peak that came after each step, and how far off the combination was, in its own scale.
    peaks: Vec<f64>,
    misses: Vec<f64>,
    around: Vec<(f64, f64)>,
    wanted: u32,
    /// What of the wanted count lies above the expected load, as a share.
    spare: f64,
    held: VecDeque<(i64, u32)>,
    floor: u32,
}

impl<'a> Nowcast<'a> {
    pub(super) fn new(scenario: &Scenario<'a>, level: f64, headroom: f64) -> Self {
        let step = scenario.load.step;
        let day = Period::DAY.steps(step).max(1);
        #[expect(clippy::cast_precision_loss, reason = "steps of a day")]
        let fade = 0.5f64.powf(1.0 / (HALF_LIFE_DAYS * day as f64));
        Self {
            sizing: scenario.sizing,
            level,
            headroom,
            coming: Coming::new(step, &scenario.pods),
            day,
            slot: SLOT.steps(step),
            recent: RECENT.steps(step).max(ERRORS_MIN),
            fade,
            small: 0.5 * scenario.pods.capacity,
            seasonal: HoltWinters::new(scenario, 1.0),
            known: Vec::new(),
            levels: [0.0; 3],
            shifts: [0.0; 3],
            errors: [0.0; MEMBERS],
            said: Vec::new(),
            combined: Vec::new(),
            peaks: Vec::new(),
            misses: Vec::new(),
            around: Vec::new(),
            wanted: 0,
            spare: 0.0,
            held: VecDeque::new(),
            floor: 0,
        }
    }

    /// The fewest pods to have at this sync; `None` while there is too little to go by.
    pub(super) fn floor(&mut self, view: &View<'_>) -> Option<u32> {
        if let Some(load) = self.coming.news(view) {
            self.see(load);
            if self.misses.len() >= ERRORS_MIN {
                let expected = self.combined.last().copied().unwrap_or_default();
                let load = self.quantile(expected) * (1.0 + self.headroom);
                self.spare = if load > expected { 1.0 - expected / load } else { 0.0 };
                self.wanted = self.sizing.replicas(load)?.capped();
            }
        }
        (self.misses.len() >= ERRORS_MIN).then(|| self.steady(view.now_s))
    }

    /// The wanted count without its flutter: up at once, down after a while and by a step worth taking.
    fn steady(&mut self, now_s: i64) -> u32 {
        self.held.push_back((now_s, self.wanted));
        while self.held.front().is_some_and(|(at, _)| *at <= now_s - HOLD_S) {
            self.held.pop_front();
        }
        let highest = self.held.iter().map(|(_, count)| *count).max().unwrap_or(self.wanted);
        let floor = f64::from(self.floor);
        let fall = FALL_MIN.max(FALL_OF_HEADROOM * self.spare);
        if highest > self.floor {
            self.floor = highest.max(rounded(floor * (1.0 + RISE_MIN)));
        } else if f64::from(highest) <= floor * (1.0 - fall) {
            self.floor = highest;
        }
        self.floor
    }

    /// What is asked for at the end of each step of the scenario's load, when that step is known and no later one.
    pub(super) fn after_each_step(mut self, load: &History) -> Vec<Option<u32>> {
        let of = |step: usize| {
            let now_s = load.time(step + 1).as_second();
            let past = &load.values[..=step];
            let view = View { now_s, past, seen: f64::NAN, running: false, current: 0, ready: 0 };
            self.floor(&view)
        };
        (0..load.values.len()).map(of).collect()
    }

    fn see(&mut self, load: f64) {
        // a gap is bridged with the last load: it is neither zero nor news
        let Some(load) = Some(load).filter(|load| load.is_finite()).or(self.known.last().copied())
        else {
            return;
        };
        if self.known.is_empty() {
            self.levels = [load; 3];
        }
        self.known.push(load);
        self.seasonal.see(load);
        self.grade();
        let said = self.members(load);
        self.combined.push(combination(&said, &self.errors));
        self.said.push(said);
    }

    /// The newest peak that is now whole, and how far off everyone was.
    fn grade(&mut self) {
        let lead = self.coming.lead;
        let Some(of) = self.known.len().checked_sub(lead + 1) else {
            return;
        };
        let peak = self.known[of + 1..].iter().copied().fold(0.0, f64::max);
        for (error, said) in self.errors.iter_mut().zip(self.said[of]) {
            // who has nothing to say yet is kept out by an error above all others
            let missed =
                if said.is_nan() { 10.0 * peak.max(self.small) } else { (said - peak).abs() };
            *error = *error * self.fade + missed;
        }
        self.peaks.push(peak);
        self.misses.push((peak - self.combined[of]) / self.scale(self.combined[of]));
    }

    /// Errors grow with the root of the load, as those of independent requests do.
    fn scale(&self, load: f64) -> f64 {
        load.max(self.small).sqrt()
    }

    /// What each member expects of the coming peak; NaN where it has nothing to go by.
    fn members(&mut self, load: f64) -> [f64; MEMBERS] {
        let now = self.known.len() - 1;
        for (level, alpha) in self.levels.iter_mut().zip(LEVELS) {
            *level += alpha * (load - *level);
        }
        let days = (1..=DAYS).filter_map(|back| {
            let then = now.checked_sub(back * self.day)?;
            Some((self.known[then], *self.peaks.get(then)?))
        });
        let (mut seen, mut peaks, mut count) = (0.0, 0.0, 0.0);
        let mut yesterday = None;
        for (then, peak) in days {
            yesterday = yesterday.or(Some((then, peak)));
            (seen, peaks, count) = (seen + then, peaks + peak, count + 1.0);
        }
        let [fast, middle, slow] = self.levels;
        let Some((then, peak)) = yesterday else {
            let nothing = f64::NAN;
            return [load, fast, middle, slow, nothing, nothing, nothing, nothing, nothing];
        };
        let distances = [load - then, load - then, load - seen / count];
        for ((shift, alpha), distance) in self.shifts.iter_mut().zip(SHIFTS).zip(distances) {
            *shift += alpha * (distance - *shift);
        }
        let [quick, calm, mean] = self.shifts;
        let usual = peaks / count;
        let smoothed = self.seasonal.peak().unwrap_or(f64::NAN);
        [load, fast, middle, slow, peak + quick, peak + calm, usual + mean, usual, smoothed]
    }

    /// The quantile of the coming peak, around what is expected of it.
    fn quantile(&mut self, expected: f64) -> f64 {
        let (now, have) = (self.known.len() - 1, self.misses.len());
        let (slot, day) = (self.slot, self.day);
        let by_clock = (1..=DAYS).filter_map(|back| {
            let middle = now.checked_sub(back * day)?;
            Some(middle.saturating_sub(slot)..(middle + slot + 1).min(have))
        });
        let week = have.min(DAYS * day);
        let stride = week.div_ceil(SAMPLED).max(1);
        let groups: [Vec<usize>; 3] = [
            (have.saturating_sub(self.recent)..have).collect(),
            by_clock.flatten().collect(),
            (have - week..have).skip(now % stride).step_by(stride).collect(),
        ];
        self.around.clear();
        for (group, weight) in groups.iter().zip(WEIGHTS) {
            #[expect(clippy::cast_precision_loss, reason = "a few hundred errors")]
            let each = weight / group.len() as f64;
            self.around.extend(group.iter().map(|&at| (self.misses[at], each)));
        }
        (expected + weighted_quantile(&mut self.around, self.level) * self.scale(expected)).max(0.0)
    }
}

/// The members' weighted mean, weights falling with their errors.
fn combination(said: &[f64; MEMBERS], errors: &[f64; MEMBERS]) -> f64 {
    let speaking = || said.iter().zip(errors).filter(|(said, _)| said.is_finite());
    let least = speaking().map(|(_, error)| *error).fold(f64::INFINITY, f64::min);
    let (sum, weights) = speaking().fold((0.0, 0.0), |(sum, weights), (said, error)| {
        let weight = if *error > 0.0 { (least / error).powi(POWER) } else { 1.0 };
        (sum + weight * said, weights + weight)
    });
    // where one was never wrong, and others were, only the former have a weight
    if weights > 0.0 { (sum / weights).max(0.0) } else { 0.0 }
}

/// The least value at or below which a share `level` of the weight lies; reorders the pairs. 0 without pairs.
fn weighted_quantile(pairs: &mut [(f64, f64)], level: f64) -> f64 {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = pairs.iter().map(|pair| pair.1).sum();
    let mut below = 0.0;
    let reached = pairs.iter().find(|pair| {
        below += pair.1;
        below >= level * total - 1e-12
    });
    reached.or(pairs.last()).map_or(0.0, |pair| pair.0)
}

/// A count of pods to the nearest whole one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive count"
)]
fn rounded(count: f64) -> u32 {
    count.round() as u32
}
