//! What a policy costs against what it leaves unserved: a dot each, and the line of the nowcast's settings.

use super::axes::{self, Frame, Scale};
use super::palette::Ink;
use super::sketch::{Anchor, Sketch, TEXT, breadth};
use crate::replay::{Played, Policy, Replay, Scores};

/// Policies further out than this many times the HPA's figure stand at the chart's edge.
const REACH: f64 = 1.6;

/// The chart of a replay.
pub fn sketch(replay: &Replay) -> Sketch {
    let title = format!("{}: pod-hours against unmet requests", replay.name);
    let mut s = Sketch::new(1_440, 800, title, story(replay));
    let frame = Frame { left: 110, top: 64, right: 1_400, bottom: 700 };
    let (end, high) = ends(replay);
    let across = Scale::new((0.0, end.0), (frame.left, frame.right));
    let up = Scale::new((0.0, high.0), (frame.bottom, frame.top));
    axes::grid(&mut s, frame, high, &[]);
    hours(&mut s, frame, &across, end);
    s.label("% of requests unmet", (frame.left - 96, 25), Anchor::Start, Ink::Muted);
    let place =
        |scores: &Scores| (across.at(scores.pod_hours), up.at(100.0 * scores.unmet_share()));
    let mut ladder: Vec<&Scores> = replay
        .played
        .iter()
        .filter(|played| played.policy.is_nowcast())
        .map(|played| &played.course.scores)
        .collect();
    ladder.sort_by(|a, b| a.pod_hours.total_cmp(&b.pod_hours));
    s.path(ladder.into_iter().map(place).collect(), 5, Ink::Load);
    dots(&mut s, frame, replay, place);
    s
}

/// Round ends and steps of both axes: pod-hours, and percent unmet.
fn ends(replay: &Replay) -> ((f64, f64), (f64, f64)) {
    let all = || replay.played.iter().map(|played| &played.course.scores);
    let hpa = replay.played.iter().find(|played| played.policy == Policy::Hpa { target: 0.7 });
    let most = |of: fn(&Scores) -> f64| {
        let highest = all().map(of).fold(0.0, f64::max);
        hpa.map_or(highest, |hpa| highest.min(REACH * of(&hpa.course.scores)))
    };
    let unmet = most(|scores| 100.0 * scores.unmet_share());
    (axes::nice(most(|scores| scores.pod_hours) * 1.04), axes::nice(unmet.max(1e-6) * 1.04))
}

fn hours(s: &mut Sketch, frame: Frame, across: &Scale, (end, step): (f64, f64)) {
    s.line((frame.left, frame.bottom), (frame.right, frame.bottom), 2, Ink::Muted);
    let mut value = 0.0;
    while value <= end * 1.000_1 {
        let x = across.at(value);
        s.line((x, frame.bottom), (x, frame.bottom + 10), 2, Ink::Muted);
        s.label(axes::tick(value), (x, frame.bottom + 32), Anchor::Middle, Ink::Muted);
        value += step;
    }
    s.label("pod-hours", (frame.right, frame.bottom + 72), Anchor::End, Ink::Muted);
}

/// A dot for each policy, the recommended one in our colour, with names where there is room for them.
fn dots(s: &mut Sketch, frame: Frame, replay: &Replay, place: impl Fn(&Scores) -> (i32, i32)) {
    // no name stands on a dot
    let dot = |played: &Played| {
        let (x, y) = place(&played.course.scores);
        [x - 10, y - 10, x + 10, y + 10]
    };
    let mut taken: Vec<[i32; 4]> = replay.played.iter().map(dot).collect();
    let take = replay.verdict.take;
    // what is advised is named first, then the rest from the cheapest on
    let mut order: Vec<usize> = (0..replay.played.len()).collect();
    let hours = |at: &usize| replay.played[*at].course.scores.pod_hours;
    order.sort_by(|a, b| hours(a).total_cmp(&hours(b)));
    order.sort_by_key(|at| Some(*at) != take);
    for at in order {
        let Played { policy, course } = &replay.played[at];
        let (x, y) = place(&course.scores);
        let advised = Some(at) == take;
        let ink = match (advised, policy.is_nowcast()) {
            (true, _) => Ink::Plan,
            (false, true) => Ink::Load,
            (false, false) => Ink::Text,
        };
        s.disc((x, y), if advised { 11 } else { 7 }, ink);
        if policy.is_nowcast() && *policy != Policy::NOWCAST && !advised {
            continue;
        }
        let label = policy.label();
        let wide = breadth(&label, advised);
        let right = x + 18 + wide <= frame.right;
        let from = if right { x + 18 } else { x - 18 - wide };
        let free = |top: i32| {
            let spot = [from, top, from + wide, top + TEXT];
            let apart = |t: &[i32; 4]| {
                spot[2] <= t[0] || spot[0] >= t[2] || spot[3] <= t[1] || spot[1] >= t[3]
            };
            taken.iter().all(apart) && top >= frame.top - TEXT && top + TEXT <= frame.bottom
        };
        let tops = [0, -1, 1, -2, 2].map(|lines| y - TEXT / 2 + lines * (TEXT + 2));
        let Some(top) = tops.into_iter().find(|top| free(*top)) else { continue };
        taken.push([from, top, from + wide, top + TEXT]);
        let (spot, anchor) = if right {
            ((x + 18, top + TEXT / 2), Anchor::Start)
        } else {
            ((x - 18, top + TEXT / 2), Anchor::End)
        };
        if advised {
            s.advice(label, spot, anchor);
        } else {
            s.label(label, spot, anchor, ink);
        }
    }
}

fn story(replay: &Replay) -> String {
    let told = replay.played.iter().map(|Played { policy, course }| {
        let scores = &course.scores;
        format!(
            "{}: {:.0} pod-hours, {:.3} % unmet",
            policy.label(),
            scores.pod_hours,
            100.0 * scores.unmet_share()
        )
    });
    told.collect::<Vec<_>>().join("; ") + "."
}
