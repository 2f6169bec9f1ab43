//! Guards of evidence, asked of the advice of this moment and not of the plan's: health, lowering, the step.

use super::{Checked, Situation, no};
use crate::advise::decide::within_step;
use crate::advise::plan::{Action, Code, Setting};
use crate::apply::floor::Moved;

/// Where objectives are missed, or nobody knows whether they are, more replicas may help and nothing else may be touched.
pub(super) fn objectives(s: &Situation<'_>) -> Checked {
    let Some(fresh) = s.fresh else {
        return no("the health of the service is not known", "see `plimsoll plan`");
    };
    let missed = fresh
        .findings
        .iter()
        .find(|finding| matches!(finding.code, Code::Severity2 | Code::Objectives));
    let unknown = [Code::NoSeries, Code::NoSamples, Code::SourceFailed, Code::Stale];
    let blind = fresh.findings.iter().find(|finding| unknown.contains(&finding.code));
    match missed.or(blind) {
        Some(finding) if !s.only_raises_counts() => {
            no(finding.message.clone(), "only counts are raised while this holds")
        }
        _ => Ok(()),
    }
}

/// A plan may be an hour old, or written by hand: what it lowers must be what is lowered now.
///
/// What the loop takes back was never advised: it goes by the load of the last minutes, and no lower than what stood
/// there before.
pub(super) fn evidence(s: &Situation<'_>) -> Checked {
    if let Some(floor) = s.floor
        && !s.only_raises_counts()
    {
        return taken_back(s, floor);
    }
    for write in s.writes.iter().filter(|write| write.to.figure() < write.from.figure()) {
        let now = s.fresh.and_then(|fresh| {
            fresh
                .recommendations
                .iter()
                .find(|one| one.component == s.change.component && one.setting == write.setting)
        });
        let target = now.filter(|one| one.action == Action::Lower).and_then(|one| one.target);
        if target.is_some_and(|target| target.figure() <= write.to.figure()) {
            continue;
        }
        let why = now.and_then(|one| one.reasons.last());
        let why = why.map(|reason| format!(": {}", reason.message)).unwrap_or_default();
        return no(
            format!(
                "`{}` would be lowered to {}, and what is observed now does not allow it{why}",
                write.path, write.to
            ),
            "see `plimsoll explain`: only observed load lowers",
        );
    }
    Ok(())
}

fn taken_back(s: &Situation<'_>, floor: &Moved) -> Checked {
    if let Some(doubt) = &floor.doubt {
        return no(doubt.clone(), "the floor stays where it is until the evidence is whole");
    }
    let floors = |write: &crate::apply::Write| {
        write.setting == Setting::MinReplicas && write.to.figure() >= u64::from(floor.base)
    };
    if s.writes.iter().all(floors) {
        return Ok(());
    }
    no(format!("the loop takes a floor back to {} and no lower", floor.base), "set it by hand")
}

pub(super) fn step(s: &Situation<'_>) -> Checked {
    let most = s.policy.max_step;
    let far =
        s.writes.iter().find(|write| !within_step(write.from.figure(), write.to.figure(), most));
    match far {
        None => Ok(()),
        Some(write) => no(
            format!(
                "`{}` would move from {} to {}, further than {most} times",
                write.path, write.from, write.to
            ),
            "go there in several steps, or set `policy.maxStep`",
        ),
    }
}
