//! Which policy to take: the front of cost against shortfall, and the cheapest within a stated risk.

use super::{Played, Scores};
use crate::units::Ratio;

/// The places of the policies that nothing else beats: cheaper than all that serve as well. Cheapest first.
#[must_use]
pub fn front(played: &[Played]) -> Vec<usize> {
    let scores = |at: &usize| played[*at].course.scores;
    let mut places: Vec<usize> = (0..played.len()).collect();
    places.sort_by(|a, b| {
        let (a, b) = (scores(a), scores(b));
        a.pod_hours.total_cmp(&b.pod_hours).then(a.unmet.total_cmp(&b.unmet))
    });
    let mut best = f64::INFINITY;
    places.retain(|at| {
        let better = scores(at).unmet < best;
        best = best.min(scores(at).unmet);
        better
    });
    places
}

/// What is recommended at a risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The place of the cheapest policy within the risk that any cluster can run; `None` where none keeps it.
    pub take: Option<usize>,
    /// The place of a cheaper one within the risk that needs more than an HPA.
    pub cheaper: Option<usize>,
}

/// The cheapest policies that are short of pods for at most `risk` of the time.
#[must_use]
pub fn verdict(played: &[Played], risk: Ratio) -> Verdict {
    let hours = |at: &usize| played[*at].course.scores.pod_hours;
    let within = |at: &usize| played[*at].course.scores.short_share() <= risk.0;
    let cheapest = |anywhere: bool| {
        (0..played.len())
            .filter(|at| within(at) && played[*at].policy.needs().anywhere() == anywhere)
            .min_by(|a, b| hours(a).total_cmp(&hours(b)))
    };
    let take = cheapest(true);
    let cheaper = cheapest(false).filter(|at| take.is_none_or(|take| hours(at) < hours(&take)));
    Verdict { take, cheaper }
}

/// What a front of scores leaves unmet and how often it changes the count, at exactly `pod_hours`: straight
/// between the two neighbours, and at its ends no better than the end. `None` where the front begins above.
#[must_use]
pub fn at_cost(front: &[Scores], pod_hours: f64) -> Option<(f64, f64)> {
    let mut front: Vec<&Scores> = front.iter().collect();
    front.sort_by(|a, b| a.pod_hours.total_cmp(&b.pod_hours));
    let above = front.partition_point(|scores| scores.pod_hours <= pod_hours);
    let below = front.get(above.checked_sub(1)?)?;
    let Some(next) = front.get(above) else {
        return Some((below.unmet, f64::from(below.events)));
    };
    let share = (pod_hours - below.pod_hours) / (next.pod_hours - below.pod_hours);
    let between = |a: f64, b: f64| a + share * (b - a);
    let events = between(f64::from(below.events), f64::from(next.events));
    Some((between(below.unmet, next.unmet), events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::{Course, Policy};

    fn played(policy: Policy, pod_hours: f64, unmet: f64) -> Played {
        let scores = Scores {
            pod_hours,
            hours: 100.0,
            requests: 1e6,
            unmet,
            short_s: unmet,
            busy_hours: 0.0,
            events: 10,
        };
        Played { policy, course: Course { rows: Vec::new(), scores } }
    }

    fn four() -> Vec<Played> {
        vec![
            played(Policy::LastWeekMax, 400.0, 0.0),
            played(Policy::Hpa { target: 0.7 }, 200.0, 900.0),
            played(Policy::Hpa { target: 0.5 }, 280.0, 300.0),
            played(Policy::NOWCAST, 190.0, 300.0),
        ]
    }

    #[test]
    fn the_front_holds_what_nothing_cheaper_serves_as_well() {
        // the HPAs are beaten by the nowcast on both counts
        assert_eq!(front(&four()), [3, 0]);
    }

    #[test]
    fn the_cheapest_within_the_risk_is_taken_and_a_cheaper_one_put_up_for_decision() {
        // 300 s of 100 h are 0.083 %, 900 s are 0.25 %
        let verdict = |risk| verdict(&four(), Ratio(risk));
        assert_eq!(verdict(0.001), Verdict { take: Some(2), cheaper: Some(3) });
        assert_eq!(verdict(0.01), Verdict { take: Some(1), cheaper: Some(3) });
        assert_eq!(verdict(0.0), Verdict { take: Some(0), cheaper: None });
        let without = &four()[1..];
        assert_eq!(super::verdict(without, Ratio(0.0)), Verdict { take: None, cheaper: None });
    }

    #[test]
    fn between_two_rungs_of_a_front_both_figures_are_straight() {
        let front = [(100.0, 8.0), (200.0, 4.0)]
            .map(|(hours, unmet)| played(Policy::NOWCAST, hours, unmet).course.scores);
        assert_eq!(at_cost(&front, 150.0), Some((6.0, 10.0)));
        assert_eq!(at_cost(&front, 200.0), Some((4.0, 10.0)));
        // dearer than the last rung: no better than that; cheaper than the first: nothing is known
        assert_eq!(at_cost(&front, 900.0), Some((4.0, 10.0)));
        assert_eq!(at_cost(&front, 50.0), None);
    }
}
