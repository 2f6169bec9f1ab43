//! Whether as many targets report the load as did before: a sum over half of the pods looks like half of the load.
//!
//! Pods that come and go with an HPA report in proportion to those that are ready, and an ingress reports with as many
//! targets as ever. So the targets are held against the ready pods where they are a component's pods, else against
//! their own number in the weeks before.

use crate::advise::lowering::whole;
use crate::advise::plan::{Code, Reason};
use crate::advise::{Known, series};
use crate::history::{History, SeriesKey, Signal};
use crate::units::Period;

/// How far the targets may be off a whole multiple of a component's ready pods and still be taken for them: a sidecar
/// makes two targets of each, and a roll-out or a scrape that failed moves the mean a little.
const OFF_MAX: f64 = 0.1;

/// Mean over the dwell time, and over what is left of the least history before it.
struct Means {
    now: f64,
    before: f64,
}

/// Whether nobody fell silent, as far as somebody counts: what comes from files or from a query of one's own is counted
/// where a series `reporting` says so.
///
/// # Errors
///
/// That fewer report, or what is missing to know it.
pub(super) fn as_before(known: &Known<'_>) -> Result<(), Reason> {
    let key = SeriesKey::service(Signal::Reporting);
    if !known.history.contains_key(&key) {
        return Ok(());
    }
    if means(known, whole(known, &key)?).is_none() {
        let message = format!("`{key}` is not known before the last {}", known.policy.dwell);
        return Err(Reason { code: Code::TooLittleHistory, message });
    }
    fewer(known).map_or(Ok(()), |message| Err(Reason { code: Code::Coverage, message }))
}

/// The sentence that fewer targets report the load than should.
pub(super) fn fewer(known: &Known<'_>) -> Option<String> {
    let key = SeriesKey::service(Signal::Reporting);
    let history = series(known, &key).ok()?;
    let targets = means(known, history)?;
    let dwell = known.policy.dwell;
    let (expected, whose) = match pods(known, history) {
        Some((name, ready)) => (
            targets.before * ready.now / ready.before,
            format!("go with its ready pods of `{name}`"),
        ),
        None => (targets.before, "were there in the weeks before".to_owned()),
    };
    let enough = targets.now >= known.policy.min_coverage.0 * expected;
    (!enough).then(|| {
        format!(
            "`load` is summed over {:.1} targets in the last {dwell}, {expected:.1} {whose}",
            targets.now
        )
    })
}

/// The component whose pods the targets were before, with its ready pods.
fn pods<'a>(known: &Known<'a>, targets: &History) -> Option<(&'a str, Means)> {
    let replicated = known.service.components.iter().filter(|component| !component.memory);
    let matching = replicated.filter_map(|component| {
        let ready = series(known, &SeriesKey::of(&component.name, Signal::Replicas)).ok()?;
        (off(known, targets, ready)? <= OFF_MAX)
            .then_some((component.name.as_str(), means(known, ready)?))
    });
    // of several, the one that would have most of them report; of equals, the first of the settings
    matching.rev().max_by(|(_, a), (_, b)| (a.now / a.before).total_cmp(&(b.now / b.before)))
}

/// How far the targets were off a whole multiple of the ready pods, step by step before the dwell time, as a share.
fn off(known: &Known<'_>, targets: &History, ready: &History) -> Option<f64> {
    let both = || {
        let pairs =
            targets.last(span(known)).iter().rev().zip(ready.last(span(known)).iter().rev());
        let pairs = pairs.skip(known.policy.dwell.steps(targets.step));
        pairs.filter(|(targets, ready)| targets.is_finite() && ready.is_finite())
    };
    let (all, pods) = both().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let each = (all / pods).round().max(1.0);
    let apart: f64 = both().map(|(targets, ready)| (targets - each * ready).abs()).sum();
    (all > 0.0 && pods > 0.0).then_some(apart / all)
}

/// How far back is looked: over the least history; where that is no longer than the dwell time, over two of those.
fn span(known: &Known<'_>) -> Period {
    Period(known.policy.min_history.0.max(2 * known.policy.dwell.0))
}

fn means(known: &Known<'_>, history: &History) -> Option<Means> {
    let all = history.last(span(known));
    let (before, now) =
        all.split_at(all.len().saturating_sub(history.last(known.policy.dwell).len()));
    let mean = |values: &[f64]| {
        let seen: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        #[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
        let count = seen.len() as f64;
        (count > 0.0).then(|| seen.iter().sum::<f64>() / count)
    };
    Some(Means { now: mean(now)?, before: mean(before)? })
}
