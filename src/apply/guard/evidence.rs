//! Guards of evidence, asked of the advice of this moment and not of the plan's: health, lowering, the step.

use super::{Checked, Situation, no};
use crate::advise::decide::within_step;
use crate::advise::health;
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
    let said = missed.or(blind).map(|finding| finding.message.clone());
    // a finding wants all of the last minutes to be bad; who would touch a service wants them to be good
    let unwell = || s.watched.and_then(|(service, history)| health::unwell(service, history));
    match said.or_else(unwell) {
        Some(why) if !s.only_raises_counts() => no(why, "only counts are raised while this holds"),
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::apply::guard::scene::Scene;
    use crate::history::{Evidence, History, SeriesKey, Signal};
    use crate::units::Period;

    #[test]
    fn nothing_is_started_anew_while_requests_fail_however_they_come_and_go_and_counts_are_raised()
    {
        let failing = |mut scene: Scene, values: &[f64]| {
            let history = History {
                start: Timestamp::UNIX_EPOCH,
                step: Period(300),
                values: values.to_vec(),
                marks: Vec::new(),
                newest: Timestamp::UNIX_EPOCH,
            };
            let key = SeriesKey::service(Signal::ErrorRate);
            scene.history.insert(key, Evidence::Series(history));
            scene.says(objectives)
        };
        assert_eq!(failing(Scene::redis(), &[0.001, 0.001, 0.001]), None);
        // for ten minutes; for hours, with one good sample or a gap
        for values in [[0.001, 0.4, 0.4], [0.4, 0.001, 0.4], [0.4, 0.4, f64::NAN]] {
            let said = failing(Scene::redis(), &values);
            assert_eq!(said.as_deref(), Some("the error rate is 40%, 1% is the objective"));
            assert!(failing(Scene::workers(3, 2), &values).is_some());
            assert_eq!(failing(Scene::workers(3, 4), &values), None);
        }
        assert!(failing(Scene::redis(), &[0.4, 0.4, 0.001]).is_some());
    }
}
