//! `rollback`: what the last apply replaced is brought back, by the record or by what the objects say of themselves.

mod asked;
pub(super) mod floors;
mod notes;

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use self::asked::{Asked, asked};
use crate::advise::plan::{Amount, Setting};
use crate::apply::audit::{Changed, Line, Verb};
use crate::apply::guard::{self, Refusal};
use crate::apply::manifest::Note;
use crate::apply::server::Place;
use crate::apply::{Found, Write as FieldWrite, bounds, field, floor, scaled};
use crate::cli::{RollbackArgs, RunArgs};
use crate::commands::apply::session::{Outcome, Passed, Session, called, kind_and_name, plain};
use crate::commands::apply::{Ended, restless};
use crate::commands::gather::{moment, options, settings};
use crate::commands::{Exit, Talk};
use crate::config::Settings;
use crate::render::objects::{Kind, holds};
use crate::service::floor::Raised;
use crate::service::object::{Path, at, last_applied};
use crate::service::owner;
use crate::service::rules::Rules;
use crate::source::kubernetes::ClusterOptions;
use crate::units::counted;

/// Shows what would be brought back, and with `--yes` brings it back.
///
/// # Errors
///
/// Wrong settings, a cluster that is lost, a record that cannot be kept.
pub async fn run(args: &RollbackArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let yes = args.on.yes;
    let run = RunArgs { offline: true, ..args.on.run() };
    let settings = settings(&run)?;
    let now = moment(&run, &settings);
    let options = options(&run);
    let mut session = Session::open(&options, &settings.audit, (now, yes), talk, out).await?;
    session.settle().await?;
    let mut ended = Ended::default();
    let complete = if args.floors {
        let namespace = args.on.namespace.as_deref();
        floors::down(&mut session, &settings, (&options, namespace), &mut ended).await?
    } else {
        last(&mut session, &settings, &options, &mut ended).await?
    };
    let refused = match ended.refused {
        0 => String::new(),
        count => format!(", {count} refused"),
    };
    let seen = if complete { "" } else { " of what could be read" };
    let text = match (yes, ended.changed) {
        (_, 0) => format!("nothing to bring back{seen}{refused}"),
        (true, changed) => format!("{} brought back{refused}", counted(changed, "object")),
        (false, changed) => format!(
            "{} would be brought back{refused}; a dry run: `--yes` does it",
            counted(changed, "object")
        ),
    };
    writeln!(session.out, "{text}")?;
    Ok(if complete && !session.amiss && ended.refused == 0 { Exit::Done } else { Exit::Skipped })
}

/// What the last run changed; whether everything could be asked.
async fn last(
    session: &mut Session<'_>,
    settings: &Settings,
    options: &ClusterOptions,
    ended: &mut Ended,
) -> Result<bool> {
    let Asked { lines, odd, floors, complete } = asked(session, settings, options).await?;
    for (line, refusal) in odd {
        ended.count(session.refuse(line, &[refusal])?);
    }
    for line in &lines {
        ended.count(one(session, line, &settings.rules, ("ROLLBACK", None)).await?);
    }
    if lines.is_empty() {
        floors::say(session, &floors)?;
    }
    Ok(complete)
}

/// One object: it must hold what we put there, or what was there before. `why` is a code, and what was seen.
pub(super) async fn one(
    session: &mut Session<'_>,
    undone: &Line,
    rules: &Rules,
    (code, why): (&str, Option<&str>),
) -> Result<Outcome> {
    let Some((kind, name)) = kind_and_name(&undone.object) else {
        return session
            .refuse(undone.clone(), &[changed_since("its kind is not known".to_owned())]);
    };
    let place = Place { namespace: &undone.namespace, kind, name };
    let Some(workload) = kind_and_name(&undone.workload) else {
        let line = session.line(Verb::Rollback, place, undone.workload.clone());
        return session.refuse(line, &[unknown(&undone.workload)]);
    };
    for _ in 0..2 {
        let mut line = session.line(Verb::Rollback, place, undone.workload.clone());
        line.undoes = Some(undone.run.clone());
        line.said = why.map(str::to_owned).into_iter().collect();
        let Some(found) = session.find(place, workload, &line).await? else {
            return Ok(Outcome::Refused);
        };
        let Back { writes, floor } = match back(kind, undone, &found, rules, code) {
            Ok(back) => back,
            Err(refusal) => return session.refuse(line, &[refusal]),
        };
        if writes.is_empty() {
            let object = plain(&line.object);
            writeln!(session.out, "same     {object} in {} is as it was before", line.namespace)?;
            return Ok(Outcome::Same);
        }
        if let Some(refusal) = beside_a_scaler(session, place, &writes).await? {
            return session.refuse(line, &[refusal]);
        }
        let pods = pods_to_end(&writes, found.workload.as_ref());
        let (words, said) = of_pods(&line, floor, pods);
        line.said.extend(said);
        line.guards = asked_of(&writes);
        let (object, stamp) = (found.object.unwrap_or_default(), session.run.clone());
        let note = Note::RolledBack(&stamp, &undone.changes, floor);
        let passed = Passed { place, object: &object, writes: &writes, note, line };
        match session.deliver_saying(passed, &words).await? {
            Outcome::Again => {}
            outcome => return Ok(outcome),
        }
    }
    let line = session.line(Verb::Rollback, place, undone.workload.clone());
    session.refuse(line, &[restless()])
}

/// What brings an object back, where no guard refuses it; no writes: it is as it was before.
fn back(
    kind: Kind,
    undone: &Line,
    found: &Found,
    rules: &Rules,
    code: &str,
) -> Result<Back, Refusal> {
    let mut back = Back::default();
    if let Some(object) = &found.object {
        if object["metadata"]["uid"] != *undone.uid {
            let message = "it was made again since, or is of another cluster".to_owned();
            return Err(changed_since(message));
        }
        back = backwards(kind, (&undone.changes, undone.at), object).map_err(changed_since)?;
        if back.writes.is_empty() {
            return Ok(back);
        }
        still_scales(kind, object, &undone.workload)?;
        let since = undone.run.parse().unwrap_or(undone.at);
        for write in &mut back.writes {
            if let Some(who) = says_it_too(object, write, since) {
                let (path, from) = (&write.path, write.from);
                return Err(changed_since(format!("`{path}` is {from} by {who} too")));
            }
            write.reasons = vec![code.to_owned()];
        }
    }
    guard::rollback(found, &back.writes, rules)?;
    Ok(back)
}

/// Who says what we put there. Our change left nobody else an owner of it: whoever is one came later, and means it.
fn says_it_too(object: &Value, write: &FieldWrite, since: Timestamp) -> Option<String> {
    let owner = owner::others(object, &write.path).into_iter().next();
    let manifest = || "the manifest of the last `kubectl apply`".to_owned();
    owner
        .map(|owner| format!("`{owner}`"))
        .or_else(|| is_confirmed(object, write, since).then(manifest))
}

/// Whether a manifest says what we put there: who applies a value that is there already becomes no owner of it, and means it.
fn is_confirmed(object: &Value, write: &FieldWrite, since: Timestamp) -> bool {
    let said = last_applied(object).filter(|_| owner::applied_since(object, since));
    let said = said.as_ref().and_then(|said| at(said, &write.path));
    said.is_some_and(|said| Amount::read(write.setting, said) == Ok(write.from))
        && write.from != write.to
}

/// The codes of the guards that are asked, for the record: who scales it is asked for a count alone.
fn asked_of(writes: &[FieldWrite]) -> Vec<String> {
    let sets_count = writes.iter().any(|write| write.setting == Setting::Replicas);
    let always = ["GONE", "PAUSED", "LIVE_CHANGED", "DISRUPTION", "OWNED"];
    always.into_iter().chain(sets_count.then_some("SCALER")).map(str::to_owned).collect()
}

/// A count is not set beside an autoscaler, which came since.
async fn beside_a_scaler(
    session: &Session<'_>,
    place: Place<'_>,
    writes: &[FieldWrite],
) -> Result<Option<Refusal>> {
    if writes.iter().all(|write| write.setting != Setting::Replicas) {
        return Ok(None);
    }
    let refusal = |message: String, hint: &str| {
        Ok(Some(Refusal { code: "SCALER", message, hint: hint.to_owned() }))
    };
    match session.server.scaler_on(place).await {
        Ok(None) => Ok(None),
        Ok(Some(scaler)) => refusal(
            format!("`{scaler}` has the count by now"),
            "leave the count to it; its bounds are yours to set",
        ),
        Err(error) if error.is_of_the_cluster() => Err(called(error).into()),
        Err(error) => refusal(error.to_string(), error.hint()),
    }
}

/// An autoscaler that scales something else by now has other pods, and another kill switch, than were looked at.
///
/// # Errors
///
/// What it scales now.
fn still_scales(kind: Kind, object: &Value, workload: &str) -> Result<(), Refusal> {
    let now = match kind {
        Kind::HorizontalPodAutoscaler | Kind::ScaledObject => scaled(object),
        _ => return Ok(()),
    };
    match now {
        Some(now) if now == workload => Ok(()),
        Some(now) => Err(changed_since(format!("it scales `{now}` now, and not `{workload}`"))),
        None => Err(changed_since(format!("it does not say that it scales `{workload}`"))),
    }
}

/// The kill switch may be set on what cannot be asked.
fn unknown(workload: &str) -> Refusal {
    Refusal {
        code: "PAUSED",
        message: format!("whether what it scales is paused is not known: `{workload}`"),
        hint: "set it by hand".to_owned(),
    }
}

fn changed_since(message: String) -> Refusal {
    Refusal {
        code: "LIVE_CHANGED",
        message,
        hint: "set it by hand: somebody's change is not overwritten".to_owned(),
    }
}

/// Which floor of the loop stays, and which pods end: for people, and for the record.
fn of_pods(
    line: &Line,
    floor: Option<Raised>,
    pods: Option<(u64, u64)>,
) -> (Vec<String>, Vec<String>) {
    let object = plain(&format!("{} in {}", line.object, line.namespace));
    let (mut words, mut said) = (Vec::new(), Vec::new());
    if let Some(Raised { base, set, .. }) = floor {
        let stays = "of its pods while the load asks for them; its base is";
        words.push(format!("floor    {object}: the loop keeps {set} {stays} {base} again"));
        said.push(format!("base {base}"));
    }
    if let Some((run, end)) = pods {
        let ends = format!("{run} run now: {end} will be ended");
        words.push(format!("ends     {object}: {ends}"));
        said.push(ends);
    }
    (words, said)
}

/// What brings the old values back.
#[derive(Debug, Default)]
struct Back {
    /// The writes, without what is back already.
    writes: Vec<FieldWrite>,
    /// The floor of the loop that then stands above its base, as the note says it.
    floor: Option<Raised>,
}

/// What brings the old values back of what was changed at a time.
///
/// # Errors
///
/// Where a field is none that we write, or holds neither what was put there nor what was there before.
fn backwards(
    kind: Kind,
    (changes, at): (&[Changed], Timestamp),
    object: &Value,
) -> Result<Back, String> {
    let raised = floor::raised(object, kind)?;
    let mut base = raised.map(|raised| raised.base);
    let mut writes = Vec::new();
    for change in changes {
        let write = backward(kind, change)?;
        let under = base.filter(|_| write.setting == Setting::MinReplicas);
        match floor::in_force(object, kind, write.setting, &write.path) {
            Some(value) if value == write.to => {}
            Some(value) if value == write.from && under.is_some() => base = count(write.to),
            Some(value) if value == write.from => writes.push(write),
            value => {
                let value = value.map_or_else(|| "not set".to_owned(), |value| value.to_string());
                return Err(format!("`{}` is {value}, we put {} there", change.field, write.from));
            }
        }
    }
    if let Some((raised, base)) = raised.zip(base) {
        return Ok(under_a_floor(kind, object, writes, (raised, base)));
    }
    let floor = put_back(changes, &mut writes, at);
    Ok(Back { writes, floor })
}

/// The floor that the loop held before a change that went above it: it is the loop's again.
fn put_back(changes: &[Changed], writes: &mut [FieldWrite], at: Timestamp) -> Option<Raised> {
    let of_minimum = changes.iter().find(|one| one.setting == Setting::MinReplicas)?;
    let set = of_minimum.floor.filter(|floor| of_minimum.to.as_u64() >= Some((*floor).into()))?;
    let write = writes.iter_mut().find(|write| write.setting == Setting::MinReplicas)?;
    let base = count(write.to).filter(|base| (1..set).contains(base))?;
    write.to = Amount::Count(set);
    Some(Raised { base, set, at, again: false })
}

/// The write that undoes a change.
///
/// # Errors
///
/// Where its field is none that we write.
fn backward(kind: Kind, change: &Changed) -> Result<FieldWrite, String> {
    let (to, from) = change.amounts()?;
    let (setting, path) = (change.setting, Path::read(&change.field));
    if !holds(&path, kind, setting) {
        return Err(format!("`{}` is no place of ours for `{}`", change.field, setting.name()));
    }
    if to.figure() == 0 && kind != Kind::ScaledObject {
        return Err(format!("`{}` would be nothing at all", change.field));
    }
    Ok(FieldWrite::new(setting, path, (from, to)))
}

/// What the load asks for stays: only what the floor goes back to, and a ceiling below it, are brought back.
fn under_a_floor(
    kind: Kind,
    object: &Value,
    mut writes: Vec<FieldWrite>,
    (raised, base): (Raised, u32),
) -> Back {
    let [path, most] = bounds(kind);
    let ceiling = writes.iter().find(|write| write.setting == Setting::MaxReplicas);
    let ceiling =
        ceiling.map(|write| write.to).or(field::amount(object, kind, Setting::MaxReplicas, &most));
    let set = raised.set.min(ceiling.and_then(count).unwrap_or(u32::MAX)).max(base);
    if (base, set) == (raised.base, raised.set) {
        return Back { writes, floor: None };
    }
    let moved = (Amount::Count(raised.set), Amount::Count(set));
    writes.push(FieldWrite::new(Setting::MinReplicas, path, moved));
    Back { writes, floor: (set > base).then_some(Raised { base, set, ..raised }) }
}

fn count(amount: Amount) -> Option<u32> {
    match amount {
        Amount::Count(count) => Some(count),
        _ => None,
    }
}

/// How many pods run, and how many of them a lower count or ceiling ends at once; `None`: none.
fn pods_to_end(writes: &[FieldWrite], workload: Option<&Value>) -> Option<(u64, u64)> {
    let counts = [Setting::MaxReplicas, Setting::Replicas];
    let counts = writes.iter().filter(|write| counts.contains(&write.setting));
    let most = counts.map(|write| write.to.figure()).min()?;
    let run = workload?["status"]["replicas"].as_u64()?;
    (run > most).then(|| (run, run - most))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::apply::annotation;

    const HPA: Kind = Kind::HorizontalPodAutoscaler;

    fn change(setting: Setting, from: u32, to: u32) -> Changed {
        let field = format!("spec.{}", setting.name());
        let (from, to) = (Value::from(from), Value::from(to));
        let (reasons, took_over) = (Vec::new(), Vec::new());
        Changed { setting, field, from, floor: None, to, sent: None, reasons, took_over }
    }

    /// An autoscaler of ours alone, whose floor the loop raised from `base`.
    fn raised(base: u32, floor: u32, most: u32) -> Value {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let note = Raised { base, set: floor, at, again: false }.text();
        json!({"metadata": {"annotations": {annotation::FLOOR: note}},
            "spec": {"minReplicas": floor, "maxReplicas": most}})
    }

    /// Fields with what they hold and get, and base and floor of the note.
    type Undone = (Vec<(String, u64, u64)>, Option<(u32, u32)>);

    fn back(changes: &[Changed], object: &Value) -> Result<Undone, String> {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let Back { writes, floor } = backwards(HPA, (changes, at), object)?;
        let of = |one: &FieldWrite| (one.path.to_string(), one.from.figure(), one.to.figure());
        Ok((writes.iter().map(of).collect(), floor.map(|floor| (floor.base, floor.set))))
    }

    #[test]
    fn under_a_floor_of_the_loop_its_base_is_brought_back_and_the_floor_stays() {
        let least = || "spec.minReplicas".to_owned();
        let min = [change(Setting::MinReplicas, 3, 5)];
        assert_eq!(back(&min, &raised(5, 8, 10)), Ok((vec![(least(), 8, 8)], Some((3, 8)))));
        // once more is nothing
        assert_eq!(back(&min, &raised(3, 8, 10)), Ok((Vec::new(), None)));
        // a base that was lowered comes back above the floor
        let lowered = [change(Setting::MinReplicas, 9, 5)];
        assert_eq!(back(&lowered, &raised(5, 8, 10)), Ok((vec![(least(), 8, 9)], None)));
        // a base of somebody else is theirs
        assert!(back(&min, &raised(4, 8, 10)).is_err());
    }

    #[test]
    fn a_floor_that_the_loop_held_before_is_the_loop_s_again() {
        let least = || "spec.minReplicas".to_owned();
        let over =
            |floor, to| Changed { floor: Some(floor), ..change(Setting::MinReplicas, 3, to) };
        let plain = |floor: u32| json!({"spec": {"minReplicas": floor, "maxReplicas": 10}});
        let floor_put_back = Ok((vec![(least(), 9, 7)], Some((3, 7))));
        assert_eq!(back(&[over(7, 9)], &plain(9)), floor_put_back);
        // the loop went on above what was applied: it goes back to what stood there before both
        let (higher, same) = (raised(9, 10, 10), raised(5, 7, 10));
        assert_eq!(back(&[over(7, 9)], &higher), Ok((vec![(least(), 10, 10)], Some((3, 10)))));
        assert_eq!(back(&[over(7, 5)], &same), Ok((vec![(least(), 7, 7)], Some((3, 7)))));
        assert_eq!(back(&[over(7, 9)], &raised(3, 7, 10)), Ok((Vec::new(), None)));
        // the load asks for it no longer
        assert_eq!(back(&[over(7, 5)], &plain(5)), Ok((vec![(least(), 5, 3)], None)));
        // a floor that is none is not believed
        for floor in [0, 3] {
            assert_eq!(back(&[over(floor, 9)], &plain(9)), Ok((vec![(least(), 9, 3)], None)));
        }
    }

    #[test]
    fn a_floor_of_the_loop_goes_no_higher_than_a_ceiling_that_is_brought_back() {
        let (least, most) = ("spec.minReplicas".to_owned(), "spec.maxReplicas".to_owned());
        let max = change(Setting::MaxReplicas, 5, 10);
        let alone = std::slice::from_ref(&max);
        let both = [change(Setting::MinReplicas, 3, 4), max.clone()];
        let writes = vec![(most.clone(), 10, 5), (least.clone(), 8, 5)];
        assert_eq!(back(&both, &raised(4, 8, 10)), Ok((writes.clone(), Some((3, 5)))));
        assert_eq!(back(alone, &raised(3, 8, 10)), Ok((writes, Some((3, 5)))));
        assert_eq!(back(alone, &raised(3, 5, 10)), Ok((vec![(most, 10, 5)], None)));
    }

    #[test]
    fn pods_above_a_count_that_comes_back_are_ended_and_no_others() {
        let back = |setting, to| {
            FieldWrite::new(
                setting,
                Path::keys(&["spec", "x"]),
                (Amount::Count(10), Amount::Count(to)),
            )
        };
        let nine = json!({"status": {"replicas": 9}});
        let of = |setting, to| pods_to_end(&[back(setting, to)], Some(&nine));
        assert_eq!(of(Setting::MaxReplicas, 5), Some((9, 4)));
        assert_eq!(of(Setting::Replicas, 8), Some((9, 1)));
        assert_eq!(of(Setting::MaxReplicas, 9), None);
        // whom a lower minimum ends, the autoscaler decides
        assert_eq!(of(Setting::MinReplicas, 2), None);
    }
}
