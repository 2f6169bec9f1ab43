//! The Horizontal Pod Autoscaler as a pure state machine: what it would set, sync by sync.
//!
//! Written from the Kubernetes documentation ("Horizontal Pod Autoscaling": algorithm details, configurable
//! scaling behavior) and from what `pkg/controller/podautoscaler/{replica_calculator,horizontal}.go` does. A sync
//! has three parts: the metric's word ([`proposed`]), the highest and lowest proposals of the stabilisation
//! windows, and the policies that bound the pace. The tests name the case of the source that each row is from.

use std::collections::VecDeque;

/// Seconds between syncs (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_S: i64 = 15;

/// The settings of an HPA on one metric, with the defaults of `autoscaling/v2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Target utilisation, 1 is 100 % of what a pod requests.
    pub target: f64,
    /// `minReplicas`.
    pub min: u32,
    /// `maxReplicas`.
    pub max: u32,
    /// How far the ratio may be from 1 before anything is done (`--horizontal-pod-autoscaler-tolerance`).
    pub tolerance: f64,
    /// `behavior.scaleUp`.
    pub up: Rules,
    /// `behavior.scaleDown`.
    pub down: Rules,
}

impl Settings {
    /// An HPA with the default behaviour.
    #[must_use]
    pub fn new(target: f64, min: u32, max: u32) -> Self {
        Self {
            target,
            min,
            max,
            tolerance: 0.1,
            up: Rules::default_up(),
            down: Rules::default_down(),
        }
    }
}

/// How fast one direction may go (`HPAScalingRules`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The most cautious proposal of this many seconds counts.
    pub stabilization_s: i64,
    /// The bounds on the pace; none is "no bound".
    pub policies: Vec<Pace>,
    /// Which of them counts.
    pub select: Select,
}

impl Rules {
    /// Doubling or four pods every 15 s, whichever is more, at once.
    #[must_use]
    pub fn default_up() -> Self {
        let pods = Pace { limit: Limit::Pods(4), period_s: 15 };
        let percent = Pace { limit: Limit::Percent(100), period_s: 15 };
        Self { stabilization_s: 0, policies: vec![pods, percent], select: Select::Max }
    }

    /// Any number every 15 s, but never below the highest proposal of the last five minutes.
    #[must_use]
    pub fn default_down() -> Self {
        let percent = Pace { limit: Limit::Percent(100), period_s: 15 };
        Self { stabilization_s: 300, policies: vec![percent], select: Select::Max }
    }
}

/// A bound on the change within a period (`HPAScalingPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How much.
    pub limit: Limit,
    /// Within how many seconds.
    pub period_s: i64,
}

/// How much may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A number of pods.
    Pods(u32),
    /// A share of the pods at the period's start, in percent.
    Percent(u32),
}

/// Which of several policies counts (`selectPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: the direction is closed.
    Disabled,
}

/// What the metrics API and the pod list say at a sync.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Pods that are ready and have a metric.
    pub measured: u32,
    /// The sum of their utilisations: 1.0 each at 100 % of the request.
    pub usage: f64,
    /// Pods that are not ready yet: their metric is set aside.
    pub unready: u32,
    /// Ready pods without a metric.
    pub missing: u32,
}

/// The count that the metric alone asks for; `None` where no ready pod has a metric: nothing is changed then.
///
/// Pods without a word are assumed to speak against the change: missing ones use all of their request on the way
/// down and nothing on the way up; unready ones use nothing on the way up.
#[must_use]
pub fn proposed(current: u32, reading: &Reading, target: f64, tolerance: f64) -> Option<u32> {
    let Reading { measured, usage, unready, missing } = *reading;
    if measured == 0 {
        return None;
    }
    let ratio_of = |usage: f64, pods: u32| usage / (f64::from(pods) * target);
    let within = |ratio: f64| (1.0 - ratio).abs() <= tolerance;
    let ratio = ratio_of(usage, measured);
    let add_unready = unready > 0 && ratio > 1.0;
    if !add_unready && missing == 0 {
        return Some(if within(ratio) { current } else { whole(ratio * f64::from(measured)) });
    }
    let assumed = if ratio < 1.0 { f64::from(missing) * target.max(1.0) } else { 0.0 };
    let counted = measured + missing + if add_unready { unready } else { 0 };
    let cautious = ratio_of(usage + assumed, counted);
    let turned = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
    if within(cautious) || turned {
        return Some(current);
    }
    let wanted = whole(cautious * f64::from(counted));
    let backwards = (cautious < 1.0 && wanted > current) || (cautious > 1.0 && wanted < current);
    Some(if backwards { current } else { wanted })
}

/// An HPA at work: its settings, and what it remembers between syncs.
#[derive(Debug, Clone)]
pub struct Hpa {
    /// Its settings; they may be changed between syncs.
    pub settings: Settings,
    proposals: VecDeque<(i64, u32)>,
    raised: VecDeque<(i64, u32)>,
    lowered: VecDeque<(i64, u32)>,
}

impl Hpa {
    /// An HPA that has seen nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let [proposals, raised, lowered] = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
        Self { settings, proposals, raised, lowered }
    }

    /// The count to set at `now_s` (seconds, rising from call to call), where `current` is set.
    pub fn sync(&mut self, now_s: i64, current: u32, reading: &Reading) -> u32 {
        let Settings { target, min, max, tolerance, .. } = self.settings;
        // as in the source: first things first, and neither proposals nor the pace are asked
        let wanted = if current == 0 && min > 0 {
            return 0;
        } else if current > max {
            max
        } else if current < min {
            min
        } else {
            let Some(proposal) = proposed(current, reading, target, tolerance) else {
                return current;
            };
            let stable = self.stabilized(now_s, current, proposal);
            self.paced(now_s, current, stable)
        };
        self.remember(now_s, current, wanted);
        wanted
    }

    /// The nearest count to `current` that lies between the lowest and the highest proposal of the windows.
    fn stabilized(&mut self, now_s: i64, current: u32, proposal: u32) -> u32 {
        let (up, down) = (self.settings.up.stabilization_s, self.settings.down.stabilization_s);
        if self.proposals.is_empty() {
            // a controller that starts takes the count it finds for its first proposal
            self.proposals.push_back((now_s, current));
        }
        forget(&mut self.proposals, now_s - up.max(down));
        let within = |window_s: i64| {
            let recent = self.proposals.iter().filter(move |(at, _)| *at > now_s - window_s);
            recent.map(|(_, count)| *count).chain([proposal])
        };
        let lowest = within(up).min().unwrap_or(proposal);
        let highest = within(down).max().unwrap_or(proposal);
        self.proposals.push_back((now_s, proposal));
        current.max(lowest).min(highest)
    }

    /// `wanted` as far as the policies and the bounds let it go.
    fn paced(&self, now_s: i64, current: u32, wanted: u32) -> u32 {
        let Settings { min, max, up, down, .. } = &self.settings;
        if wanted > current {
            let bound = self.bound(now_s, current, up, true).max(i64::from(current));
            return wanted.min(clamped(bound)).min(*max);
        }
        if wanted < current {
            let bound = self.bound(now_s, current, down, false).min(i64::from(current));
            return wanted.max(clamped(bound)).max(*min);
        }
        wanted
    }

    /// The furthest count that the policies of one direction allow.
    fn bound(&self, now_s: i64, current: u32, rules: &Rules, rising: bool) -> i64 {
        if rules.select == Select::Disabled {
            return i64::from(current);
        }
        let allowed = rules.policies.iter().map(|pace| {
            let within = |events: &VecDeque<(i64, u32)>| {
                let recent = events.iter().filter(|(at, _)| *at > now_s - pace.period_s);
                recent.map(|(_, change)| i64::from(*change)).sum::<i64>()
            };
            let before = i64::from(current) - within(&self.raised) + within(&self.lowered);
            match (pace.limit, rising) {
                (Limit::Pods(pods), true) => before + i64::from(pods),
                (Limit::Pods(pods), false) => before - i64::from(pods),
                // up is rounded up, or one pod could never become two by half; down is cut, as the source does
                (Limit::Percent(share), true) => {
                    (before * (100 + i64::from(share))).div_euclid(100)
                        + i64::from((before * (100 + i64::from(share))).rem_euclid(100) > 0)
                }
                (Limit::Percent(share), false) => before * (100 - i64::from(share)) / 100,
            }
        });
        let largest = (rules.select == Select::Max) == rising;
        let bound = if largest { allowed.max() } else { allowed.min() };
        bound.unwrap_or(if rising { i64::MAX } else { 0 })
    }

    fn remember(&mut self, now_s: i64, current: u32, wanted: u32) {
        let longest = |rules: &Rules| rules.policies.iter().map(|pace| pace.period_s).max();
        let longest = longest(&self.settings.up).max(longest(&self.settings.down)).unwrap_or(0);
        forget(&mut self.raised, now_s - longest);
        forget(&mut self.lowered, now_s - longest);
        if wanted > current {
            self.raised.push_back((now_s, wanted - current));
        } else if wanted < current {
            self.lowered.push_back((now_s, current - wanted));
        }
    }
}

fn forget(events: &mut VecDeque<(i64, u32)>, before_s: i64) {
    while events.front().is_some_and(|(at, _)| *at <= before_s) {
        events.pop_front();
    }
}

fn clamped(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

/// Rounded up, with a billionth of slack: 4.9 of arithmetic over 0.7 is 7 pods and not 8.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32"
)]
fn whole(count: f64) -> u32 {
    (count - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}
