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
