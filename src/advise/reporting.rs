//! Whether as many targets report the load as did before: a sum over half of the pods looks like half of the load.
//!
//! Pods that come and go with an HPA report in proportion to those that are ready, and an ingress reports with as many
//! targets as ever. So the targets are held against the ready pods where they are a component's pods, else against
//! their own number in the weeks before.

use std::collections::BTreeMap;

use crate::advise::lowering::whole;
use crate::advise::plan::{Code, Reason};
use crate::advise::{Known, evidence, series};
use crate::history::{Evidence, History, SeriesKey, Signal};
use crate::service::Service;
use crate::units::{Period, Ratio};

/// How far the targets may be off a whole multiple of a component's ready pods and still be taken for them: a sidecar
/// makes two targets of each, and a roll-out or a scrape that failed moves the mean a little.
const OFF_MAX: f64 = 0.1;

/// Two spans of history, both up to its end.
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    /// Who may have fallen silent in it.
    pub recent: Period,
    /// What it is held against, the recent span left out.
    pub whole: Period,
}

/// Mean over the recent span, and over what is before it.
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
    if means(whole(known, &key)?, of_policy(known)).is_none() {
        let message = format!("`{key}` is not known before the last {}", known.policy.dwell);
        return Err(Reason { code: Code::TooLittleHistory, message });
    }
    lately(known).map_or(Ok(()), |message| Err(Reason { code: Code::Coverage, message }))
}

/// The sentence that fewer targets reported over the dwell time than should.
pub(super) fn lately(known: &Known<'_>) -> Option<String> {
    series(known, &SeriesKey::service(Signal::Reporting)).ok()?;
    fewer(known.service, known.history, of_policy(known), known.policy.min_coverage)
}

/// The dwell time within the least history; where that is no longer, within two dwell times.
fn of_policy(known: &Known<'_>) -> Spans {
    let recent = known.policy.dwell;
    Spans { recent, whole: Period(known.policy.min_history.0.max(2 * recent.0)) }
}

/// The sentence that less than `least` of the targets report the load that should.
#[must_use]
pub fn fewer(
    service: &Service,
    history: &BTreeMap<SeriesKey, Evidence<History>>,
    spans: Spans,
    least: Ratio,
) -> Option<String> {
    let targets = evidence(history, &SeriesKey::service(Signal::Reporting)).ok()?;
    let seen = means(targets, spans)?;
    let replicated = service.components.iter().filter(|component| !component.memory);
    let pods = replicated.filter_map(|component| {
        let ready = SeriesKey::of(&component.name, Signal::Replicas);
        let ready = evidence(history, &ready).ok()?;
        (off(targets, ready, spans)? <= OFF_MAX)
            .then_some((component.name.as_str(), means(ready, spans)?))
    });
    // of several, the one that would have most of them report; of equals, the first of the settings
    let pods =
        pods.rev().max_by(|(_, a), (_, b)| (a.now / a.before).total_cmp(&(b.now / b.before)));
    let (expected, whose) = match pods {
        Some((name, ready)) => {
            (seen.before * ready.now / ready.before, format!("go with its ready pods of `{name}`"))
        }
        None => (seen.before, "were there before".to_owned()),
    };
    let enough = seen.now >= least.0 * expected;
    (!enough).then(|| {
        let (now, recent) = (seen.now, spans.recent);
        format!(
            "`load` is summed over {now:.1} targets in the last {recent}, {expected:.1} {whose}"
        )
    })
}

/// How far the targets were off a whole multiple of the ready pods, step by step before the recent span, as a share.
fn off(targets: &History, ready: &History, spans: Spans) -> Option<f64> {
    let both = || {
        let pairs =
            targets.last(spans.whole).iter().rev().zip(ready.last(spans.whole).iter().rev());
        let pairs = pairs.skip(spans.recent.steps(targets.step));
        pairs.filter(|(targets, ready)| targets.is_finite() && ready.is_finite())
    };
    let (all, pods) = both().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let each = (all / pods).round().max(1.0);
    let apart: f64 = both().map(|(targets, ready)| (targets - each * ready).abs()).sum();
    (all > 0.0 && pods > 0.0).then_some(apart / all)
}

fn means(history: &History, spans: Spans) -> Option<Means> {
    let all = history.last(spans.whole);
    let (before, now) = all.split_at(all.len().saturating_sub(history.last(spans.recent).len()));
    let mean = |values: &[f64]| {
        let seen: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        #[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
        let count = seen.len() as f64;
        (count > 0.0).then(|| seen.iter().sum::<f64>() / count)
    };
    Some(Means { now: mean(now)?, before: mean(before)? })
}
