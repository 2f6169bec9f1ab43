//! The ways to run a component, each lived through over its own recent past: what a week of each costs, and how long
//! it is short of pods.

use crate::Assessment;
use crate::render::wording as w;
use crate::replay::policy::Needs;
use crate::replay::{Change, Played, Policy, Replay, Scores};
use crate::service::Current;

/// A week, in seconds.
const WEEK_S: f64 = 604_800.0;

/// One way to run the pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `HPA 5-10 at 70 %, as advised`.
    pub policy: String,
    /// Pod-hours a week.
    pub hours: String,
    /// The same against the settings of today; a dash for those themselves.
    pub against: String,
    /// Time with too few pods, a week.
    pub short: String,
    /// What there is to say of it.
    pub note: &'static str,
    /// Whether it is what the plan recommends.
    pub advised: bool,
}

/// What the table shows, for its caption.
pub fn caption(a: &Assessment, replay: &Replay) -> String {
    format!(
        "Ways to run the {}, replayed over {} as if they had peaked as planned; an average week. “Short” is the time with fewer pods than the load needs: {} of it at most, at {} risk, and {} of the requests.",
        w::component(&replay.name),
        w::between(a, replay.scored_from, replay.load.end()),
        w::span(seconds(replay.risk.0 * WEEK_S)),
        w::percent(replay.risk.0),
        w::percent(a.service.objectives.error_rate.0),
    )
}

/// The candidates, cheapest first.
pub fn rows(a: &Assessment, replay: &Replay) -> Vec<Candidate> {
    let today = replay.played.first().map(|played| weekly(replay, &played.course.scores).0);
    let advised = replay.played.iter().find_map(|one| match &one.policy {
        Policy::Advised(changes) => changes.last().copied(),
        _ => None,
    });
    let cheapest = is_cheapest(a, replay, advised);
    let mut played: Vec<&Played> = replay.played.iter().collect();
    played.sort_by(|a, b| a.course.scores.pod_hours.total_cmp(&b.course.scores.pod_hours));
    let row = |one: &&Played| {
        let (hours, short) = weekly(replay, &one.course.scores);
        let against = match (&one.policy, today) {
            (Policy::AsToday(_), _) | (_, None) => "–".to_owned(),
            (_, Some(today)) => signed(hours - today),
        };
        let late = !served(a, replay, &one.course.scores);
        Candidate {
            policy: w::typeset(&one.policy.label()),
            hours: w::thousands(hours.round()),
            against,
            short: if short > 0.0 { w::span(seconds(short)) } else { "0".to_owned() },
            note: note(one, late, advised, cheapest),
            advised: matches!(one.policy, Policy::Advised(_)),
        }
    };
    played.iter().map(row).collect()
}

/// What a cheaper way would save that needs more than the cluster has today, for people to decide; empty where there
/// is none.
pub fn decision(a: &Assessment, replay: &Replay) -> String {
    let advised = replay.played.iter().find(|one| matches!(one.policy, Policy::Advised(_)));
    let others = replay.played.iter().filter(|one| !one.policy.needs().anywhere());
    let cheaper = others
        .filter(|one| served(a, replay, &one.course.scores))
        .min_by(|a, b| a.course.scores.pod_hours.total_cmp(&b.course.scores.pod_hours));
    let (Some(advised), Some(cheaper)) = (advised, cheaper) else { return String::new() };
    let saved = weekly(replay, &advised.course.scores).0 - weekly(replay, &cheaper.course.scores).0;
    if saved < 1.0 {
        return String::new();
    }
    format!(
        "To decide: {} would save {} pod-hours a week against what is advised, and needs {}.",
        w::typeset(&cheaper.policy.label()),
        w::thousands(saved.round()),
        cheaper.policy.needs().words(),
    )
}

/// What there is to say of a way that was played; `cheapest`: nothing that keeps the table costs less than the advice.
fn note(one: &Played, late: bool, advised: Option<Change>, cheapest: bool) -> &'static str {
    match (&one.policy, late) {
        (Policy::Advised(_), false) if cheapest => {
            "recommended: the cheapest that keeps table and risk without more than an HPA"
        }
        (Policy::Advised(_), false) => "recommended",
        (Policy::Advised(_), true) => "recommended, and still too often short",
        (_, true) => "too often short, or of too many requests",
        (policy, false) => match policy.needs() {
            Needs::Manifest | Needs::Hpa if advised.is_some_and(|then| less(one, &then)) => {
                "less than the table asks for"
            }
            Needs::Manifest | Needs::Hpa => "",
            Needs::Clock => "needs a clock that scales, such as KEDA’s cron",
            Needs::Loop => "needs a loop that moves `minReplicas`",
            Needs::Predictor => "needs a predictive autoscaler",
        },
    }
}

/// Whether no other way that serves, keeps the table and runs in any cluster costs less than what is advised.
fn is_cheapest(a: &Assessment, replay: &Replay, advised: Option<Change>) -> bool {
    let hours = |one: &Played| one.course.scores.pod_hours;
    let Some(then) = advised else { return false };
    let ours = replay.played.iter().find(|one| matches!(one.policy, Policy::Advised(_)));
    let others = replay.played.iter().filter(|one| {
        one.policy.needs().anywhere() && served(a, replay, &one.course.scores) && !less(one, &then)
    });
    ours.is_some_and(|ours| others.map(hours).all(|other| other >= hours(ours)))
}

/// Whether that is within the risk and within the errors that the service allows itself, as `advise` has it.
fn served(a: &Assessment, replay: &Replay, scores: &Scores) -> bool {
    scores.short_share() <= replay.risk.0
        && scores.unmet_share() <= a.service.objectives.error_rate.0
}

/// Whether a way gives less than the counts of `then`: by a bound of its settings, or at some time by what it asked for.
fn less(one: &Played, then: &Change) -> bool {
    let Current { min_replicas, max_replicas, replicas, .. } = then.current;
    if let Policy::AsToday(today) = &one.policy {
        let today = today.current;
        let today = [today.min_replicas, today.max_replicas, today.replicas];
        return today.iter().zip([min_replicas, max_replicas, replicas]).any(|(a, b)| *a < b);
    }
    let fewest = one.course.rows.iter().map(|row| row.desired).min();
    fewest.is_some() && fewest < min_replicas.or(replicas)
}

/// Pod-hours, and seconds short of pods, of an average week. Pods are paid in gaps too; who was short then is not known.
#[expect(clippy::cast_precision_loss, reason = "seconds of some weeks")]
fn weekly(replay: &Replay, scores: &Scores) -> (f64, f64) {
    let paid_s = replay.load.end().duration_since(replay.scored_from).as_secs() as f64;
    let seen_s = scores.hours * 3_600.0;
    (scores.pod_hours * WEEK_S / paid_s, scores.short_s * WEEK_S / seen_s)
}

fn signed(hours: f64) -> String {
    let figure = w::thousands(hours.abs().round());
    if hours.round() < 0.0 { format!("−{figure}") } else { format!("+{figure}") }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a week")]
fn seconds(seconds: f64) -> i64 {
    seconds.round() as i64
}
