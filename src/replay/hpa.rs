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
    // exactly on target the source fills in nothing for them
    let filled_in = if (ratio - 1.0).abs() > 0.0 { missing } else { 0 };
    let counted = measured + filled_in + if add_unready { unready } else { 0 };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Usage in thousandths of a pod's request, as the source's tests write it.
    fn asks(current: u32, milli: &[u32], unready: u32, missing: u32, percent: u32) -> Option<u32> {
        let usage = milli.iter().map(|milli| f64::from(*milli) / 1e3).sum();
        let measured = u32::try_from(milli.len()).unwrap_or(0);
        let reading = Reading { measured, usage, unready, missing };
        proposed(current, &reading, f64::from(percent) / 100.0, 0.1)
    }

    #[test]
    fn the_metrics_word_is_that_of_replica_calculator_test_go() {
        // the case, current, milli per measured pod, unready, missing, target in percent, wanted
        type Case<'a> = (&'a str, u32, &'a [u32], u32, u32, u32, Option<u32>);
        let cases: [Case<'_>; 14] = [
            ("ReplicaCalcScaleUp", 3, &[300, 500, 700], 0, 0, 30, Some(5)),
            ("ReplicaCalcScaleUpUnreadyLessScale", 3, &[500, 700], 1, 0, 30, Some(4)),
            ("ReplicaCalcScaleUpUnreadyNoScale", 3, &[400], 2, 0, 30, Some(3)),
            ("ReplicaCalcScaleDown", 5, &[100, 300, 500, 250, 250], 0, 0, 50, Some(3)),
            ("ReplicaCalcToleranceCM", 3, &[1_000, 1_050, 1_050], 0, 0, 100, Some(3)),
            ("ReplicaCalcMissingMetrics", 4, &[400, 95], 0, 2, 100, Some(3)),
            ("ReplicaCalcEmptyMetrics", 4, &[], 0, 4, 100, None),
            ("ReplicaCalcMissingMetricsNoChangeEq", 2, &[1_000], 0, 1, 100, Some(2)),
            ("ReplicaCalcMissingMetricsNoChangeGt", 2, &[1_900], 0, 1, 100, Some(2)),
            ("ReplicaCalcMissingMetricsNoChangeLt", 2, &[600], 0, 1, 100, Some(2)),
            ("ReplicaCalcMissingMetricsUnreadyChange", 3, &[450], 1, 1, 50, Some(3)),
            ("ReplicaCalcMissingMetricsUnreadyScaleUp", 3, &[2_000], 1, 1, 50, Some(4)),
            ("ReplicaCalcMissingMetricsUnreadyScaleDown", 4, &[100, 100], 1, 1, 50, Some(3)),
            // documentation, "algorithm details": 200m against 100m wanted doubles, 50m halves
            ("docs, algorithm details", 4, &[200, 200, 200, 200], 0, 0, 10, Some(8)),
        ];
        for (case, current, milli, unready, missing, percent, wanted) in cases {
            assert_eq!(asks(current, milli, unready, missing, percent), wanted, "Test{case}");
        }
    }

    #[test]
    fn within_a_tenth_of_the_target_nothing_changes() {
        // docs, algorithm details: "within a globally-configurable tolerance, 0.1 by default"
        for (milli, wanted) in [(770, 10), (780, 12), (630, 10), (620, 9)] {
            assert_eq!(asks(10, &[milli; 10], 0, 0, 70), Some(wanted), "{milli}");
        }
    }

    fn pods(count: u32, period_s: i64) -> Pace {
        Pace { limit: Limit::Pods(count), period_s }
    }

    fn percent(share: u32, period_s: i64) -> Pace {
        Pace { limit: Limit::Percent(share), period_s }
    }

    fn rules(policies: &[Pace], select: Select) -> Rules {
        Rules { stabilization_s: 0, policies: policies.to_vec(), select }
    }

    /// The count after the policies, with what was raised and lowered within the periods.
    fn paced(
        (current, wanted): (u32, u32),
        up: Rules,
        down: Rules,
        (raised, lowered): (u32, u32),
        (min, max): (u32, u32),
    ) -> u32 {
        let mut hpa = Hpa::new(Settings { up, down, ..Settings::new(0.7, min, max) });
        hpa.raised.extend([(999, raised)].into_iter().filter(|event| event.1 > 0));
        hpa.lowered.extend([(999, lowered)].into_iter().filter(|event| event.1 > 0));
        hpa.paced(1_000, current, wanted)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn the_pace_is_that_of_test_scaling_with_rules() {
        let free = || rules(&[percent(100, 15)], Select::Max);
        let up = |policies: &[Pace], select| (rules(policies, select), free());
        let down = |policies: &[Pace], select| (free(), rules(policies, select));
        // horizontal_test.go, TestScalingWithRules, by name; the others from the documentation
        let cases = [
            (
                "percent and earlier rises: (100 - 15) + 200 %",
                (100, 500),
                up(&[percent(200, 120)], Select::Max),
                (15, 0),
                255,
            ),
            (
                "percent, earlier rises and falls: 6 - 4 + 2, + 300 %",
                (6, 24),
                up(&[percent(300, 300)], Select::Max),
                (4, 2),
                16,
            ),
            (
                "pods and earlier falls: 100 + 15 - 5 is above 100",
                (100, 2),
                down(&[pods(5, 120)], Select::Max),
                (0, 15),
                100,
            ),
            (
                "percent and earlier falls: (100 + 12) - 50 %",
                (100, 0),
                down(&[percent(50, 120)], Select::Max),
                (0, 12),
                56,
            ),
            (
                "percent, rises and falls: 10 - 2 + 4, - 50 %",
                (10, 1),
                down(&[percent(50, 180)], Select::Max),
                (2, 4),
                6,
            ),
            (
                "earlier falls prevent more: (100 + 30) - 10 %",
                (100, 0),
                down(&[percent(10, 120)], Select::Max),
                (0, 30),
                100,
            ),
            (
                "more than everything: (10 + 30) - 1000 %",
                (10, 5),
                down(&[percent(1000, 120)], Select::Max),
                (0, 30),
                5,
            ),
            // docs, "default behavior": 100 % or 4 pods every 15 s, whichever is more
            ("docs, default up, few pods", (2, 50), (Rules::default_up(), free()), (0, 0), 6),
            ("docs, default up, many pods", (10, 50), (Rules::default_up(), free()), (0, 0), 20),
            (
                "docs, default down: all of them",
                (50, 3),
                (free(), Rules::default_down()),
                (0, 0),
                3,
            ),
            // docs, "scaling policies": 4 pods or 10 %, the larger change counts unless `Min` is selected
            (
                "docs, policies, 80 pods lose 10 %",
                (80, 10),
                down(&[pods(4, 60), percent(10, 60)], Select::Max),
                (0, 0),
                72,
            ),
            (
                "docs, policies, 20 pods lose 4",
                (20, 10),
                down(&[pods(4, 60), percent(10, 60)], Select::Max),
                (0, 0),
                16,
            ),
            (
                "docs, selectPolicy Min, 80 pods lose 4",
                (80, 10),
                down(&[pods(4, 60), percent(10, 60)], Select::Min),
                (0, 0),
                76,
            ),
            (
                "docs, selectPolicy Min, 80 pods gain 4",
                (80, 900),
                up(&[pods(4, 60), percent(10, 60)], Select::Min),
                (0, 0),
                84,
            ),
            (
                "docs, selectPolicy Disabled, down",
                (80, 10),
                down(&[pods(4, 60)], Select::Disabled),
                (0, 0),
                80,
            ),
            (
                "docs, selectPolicy Disabled, up",
                (80, 90),
                up(&[pods(4, 60)], Select::Disabled),
                (0, 0),
                80,
            ),
            (
                "source: a percentage up is rounded up",
                (1, 9),
                up(&[percent(50, 60)], Select::Max),
                (0, 0),
                2,
            ),
        ];
        for (case, counts, (up, down), events, wanted) in cases {
            assert_eq!(paced(counts, up, down, events, (1, 1_000)), wanted, "{case}");
        }
    }

    #[test]
    fn neither_bound_is_passed_whatever_is_wanted() {
        // TestScalingWithRules: TooManyReplicas and TooFewReplicas
        let free = || rules(&[], Select::Max);
        assert_eq!(paced((5, 50), free(), free(), (0, 0), (2, 7)), 7);
        assert_eq!(paced((5, 0), free(), free(), (0, 0), (2, 7)), 2);
    }

    fn steady(load: f64, ready: u32) -> Reading {
        Reading { measured: ready, usage: load, unready: 0, missing: 0 }
    }

    #[test]
    fn fewer_pods_wait_for_the_highest_proposal_of_five_minutes() {
        // docs, "stabilization window"; horizontal.go, stabilizeRecommendationWithBehaviors
        let mut hpa = Hpa::new(Settings::new(0.7, 1, 100));
        assert_eq!(hpa.sync(0, 10, &steady(7.0, 10)), 10);
        // at 3.5 pods' load five would do
        for now_s in (15..300).step_by(15) {
            assert_eq!(hpa.sync(now_s, 10, &steady(3.5, 10)), 10, "{now_s} s");
        }
        assert_eq!(hpa.sync(300, 10, &steady(3.5, 10)), 5);
    }

    #[test]
    fn more_pods_wait_for_the_lowest_proposal_where_a_window_says_so() {
        let mut settings = Settings::new(0.7, 1, 100);
        settings.up.stabilization_s = 60;
        let mut hpa = Hpa::new(settings);
        assert_eq!(hpa.sync(0, 5, &steady(3.5, 5)), 5);
        for now_s in [15, 30, 45] {
            assert_eq!(hpa.sync(now_s, 5, &steady(7.0, 5)), 5, "{now_s} s");
        }
        assert_eq!(hpa.sync(60, 5, &steady(7.0, 5)), 10);
    }

    #[test]
    fn bounds_that_moved_are_obeyed_at_once() {
        // horizontal.go, reconcileAutoscaler: current above max or below min goes before metrics
        let mut hpa = Hpa::new(Settings::new(0.7, 1, 100));
        assert_eq!(hpa.sync(0, 5, &steady(3.5, 5)), 5);
        hpa.settings.min = 40;
        assert_eq!(hpa.sync(15, 5, &steady(3.5, 5)), 40);
        hpa.settings.max = 4;
        assert_eq!(hpa.sync(30, 40, &steady(3.5, 40)), 4);
        // at zero replicas autoscaling is off
        assert_eq!(hpa.sync(45, 0, &steady(0.0, 0)), 0);
    }

    #[test]
    fn without_any_metric_the_count_stays() {
        let mut hpa = Hpa::new(Settings::new(0.7, 1, 100));
        let silent = Reading { measured: 0, usage: f64::NAN, unready: 0, missing: 8 };
        assert_eq!(hpa.sync(0, 8, &silent), 8);
    }
}
