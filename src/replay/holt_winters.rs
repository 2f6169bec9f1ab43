//! Holt-Winters with an additive day, as a predictive autoscaler runs it: the peer that ours is held against.
//!
//! Source: Holt 1957 and Winters 1960; Hyndman & Athanasopoulos, *Forecasting: Principles and Practice* (3rd ed.),
//! section 8.3. predictive-horizontal-pod-autoscaler leaves the three constants to the user; here sixteen settings
//! run side by side and the one with the least recent error speaks, which is kinder than any one of them.

use std::collections::VecDeque;

use super::Scenario;
use super::coming::Coming;
use super::floor::pods_for;
use super::simulate::View;
use crate::units::Period;

const ALPHAS: [f64; 4] = [0.1, 0.3, 0.6, 0.9];
const BETAS: [f64; 2] = [0.0, 0.01];
const GAMMAS: [f64; 2] = [0.1, 0.3];
/// What an error still counts a step later: half a day of five minutes.
const FADE: f64 = 0.995;
/// The highest count of this many seconds is set, as the HPA's own stabilisation does.
const HOLD_S: i64 = 300;

/// The predictive autoscaler's forecast.
pub(super) struct HoltWinters {
    day: usize,
    coming: Coming,
    /// Rps that a pod is to be loaded with.
    per_pod: f64,
    first_day: Vec<f64>,
    models: Vec<Model>,
    seen: usize,
    wanted: u32,
    held: VecDeque<(i64, u32)>,
}

struct Model {
    constants: [f64; 3],
    level: f64,
    trend: f64,
    season: Vec<f64>,
    error: f64,
}

impl HoltWinters {
    pub(super) fn new(scenario: &Scenario<'_>, target: f64) -> Self {
        Self {
            day: Period::DAY.steps(scenario.load.step).max(1),
            coming: Coming::new(scenario.load.step, &scenario.pods),
            per_pod: scenario.pods.request * target,
            first_day: Vec::new(),
            models: Vec::new(),
            seen: 0,
            wanted: 0,
            held: VecDeque::new(),
        }
    }

    pub(super) fn floor(&mut self, view: &View<'_>) -> Option<u32> {
        if let Some(load) = self.coming.news(view) {
            self.see(load);
            self.wanted = pods_for(self.peak()?, self.per_pod);
        }
        self.held.push_back((view.now_s, self.wanted));
        while self.held.front().is_some_and(|(at, _)| *at <= view.now_s - HOLD_S) {
            self.held.pop_front();
        }
        let highest = self.held.iter().map(|(_, count)| *count).max();
        highest.filter(|_| !self.models.is_empty())
    }

    /// The highest load expected of the coming steps, in rps; `None` before a day was seen.
    pub(super) fn peak(&self) -> Option<f64> {
        let best = self.models.iter().min_by(|a, b| a.error.total_cmp(&b.error))?;
        let ahead = (1..=self.coming.lead).map(|lead| best.ahead(self.seen, lead));
        Some(ahead.fold(0.0, f64::max))
    }

    /// Takes in a step's load; NaN where it has no sample.
    #[expect(clippy::cast_precision_loss, reason = "steps of a day")]
    pub(super) fn see(&mut self, load: f64) {
        if self.first_day.len() < self.day {
            self.first_day.push(if load.is_nan() { 0.0 } else { load });
            if self.first_day.len() == self.day {
                let mean = self.first_day.iter().sum::<f64>() / self.day as f64;
                let season: Vec<f64> = self.first_day.iter().map(|value| value - mean).collect();
                let all = ALPHAS.iter().flat_map(|a| BETAS.iter().map(move |b| (*a, *b)));
                let all = all.flat_map(|(a, b)| GAMMAS.iter().map(move |g| [a, b, *g]));
                self.models = all.map(|constants| Model::new(constants, mean, &season)).collect();
            }
            return;
        }
        for model in &mut self.models {
            model.see(load, self.seen);
        }
        self.seen += 1;
    }
}

impl Model {
    fn new(constants: [f64; 3], level: f64, season: &[f64]) -> Self {
        Self { constants, level, trend: 0.0, season: season.to_vec(), error: 0.0 }
    }

    /// One step of the recursions; without a sample the model runs on as it expects.
    fn see(&mut self, load: f64, seen: usize) {
        let slot = seen % self.season.len();
        let expected = self.level + self.trend;
        if load.is_nan() {
            self.level = expected;
            return;
        }
        let [alpha, beta, gamma] = self.constants;
        self.error = FADE * self.error + (load - expected - self.season[slot]).abs();
        let before = self.level;
        self.level = alpha * (load - self.season[slot]) + (1.0 - alpha) * expected;
        self.trend = beta * (self.level - before) + (1.0 - beta) * self.trend;
        self.season[slot] = gamma * (load - self.level) + (1.0 - gamma) * self.season[slot];
    }

    #[expect(clippy::cast_precision_loss, reason = "a few steps")]
    fn ahead(&self, seen: usize, lead: usize) -> f64 {
        self.level + lead as f64 * self.trend + self.season[(seen + lead - 1) % self.season.len()]
    }
}
