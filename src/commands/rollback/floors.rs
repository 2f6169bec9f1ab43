//! `rollback --floors`: who takes the loop away, or wants its floors down, takes each to what people set.

use anyhow::Result;

use super::notes;
use crate::advise::plan::{Amount, Setting};
use crate::apply::audit::{self, Line, Stands, Verb};
use crate::apply::floor;
use crate::apply::guard;
use crate::apply::manifest::Note;
use crate::apply::server::Place;
use crate::apply::{Write, bounds};
use crate::commands::apply::session::{Outcome, Passed, Session, kind_and_name, plain};
use crate::commands::apply::{Ended, restless};
use crate::config::Settings;
use crate::service::floor::Raised;
use crate::service::owner;
use crate::service::rules::Rules;
use crate::source::kubernetes::ClusterOptions;

/// Takes all of them down; whether everything could be asked.
///
/// # Errors
///
/// A cluster that is lost, a record that cannot be kept.
pub(super) async fn down(
    session: &mut Session<'_>,
    settings: &Settings,
    (options, namespace): (&ClusterOptions, Option<&str>),
    ended: &mut Ended,
) -> Result<bool> {
    let told = notes::told(session, settings, options, *session.talk).await?;
    let mut lines: Vec<Line> = told.floors.into_iter().map(|(line, _)| line).collect();
    lines.extend(recorded(session, namespace, &lines));
    for line in &lines {
        ended.count(one(session, line, &settings.rules).await?);
    }
    Ok(told.complete)
}

/// What else the record names: a component may be in the settings no more, and its floor is up.
fn recorded(session: &Session<'_>, namespace: Option<&str>, known: &[Line]) -> Vec<Line> {
    let is_asked_for = |line: &Line| namespace.is_none_or(|name| name == line.namespace);
    let is_known = |line: &Line| {
        let place = |line: &Line| (line.namespace.clone(), line.object.clone());
        known.iter().any(|other| place(other) == place(line))
    };
    let all = audit::floors(&session.lines).into_iter();
    let others = all.filter(|line| is_asked_for(line) && !is_known(line));
    let afresh = |line: Line| {
        let (kind, name) = kind_and_name(&line.object)?;
        let place = Place { namespace: &line.namespace, kind, name };
        let made = session.line(Verb::Floor, place, line.workload.clone());
        Some(Line { uid: line.uid, at: line.at, ..made })
    };
    others.filter_map(afresh).collect()
}

/// One floor: read, judged, rehearsed, taken down; not that of a namesake of the object in another cluster.
///
/// # Errors
///
/// A cluster that is lost, a record that cannot be kept.
pub(in crate::commands) async fn one(
    session: &mut Session<'_>,
    line: &Line,
    rules: &Rules,
) -> Result<Outcome> {
    let Some((kind, name)) = kind_and_name(&line.object) else { return Ok(Outcome::Same) };
    let Some(behind) = kind_and_name(&line.workload) else {
        return session.refuse(line.clone(), &[super::unknown(&line.workload)]);
    };
    let place = Place { namespace: &line.namespace, kind, name };
    for _ in 0..2 {
        let Some(found) = session.find(place, behind, line).await? else {
            return Ok(Outcome::Refused);
        };
        let object = found.object.as_ref();
        let object = object.filter(|object| audit::stands(line, object) == Stands::Here);
        let raised = object.map(|object| floor::raised(object, kind));
        let Some(Ok(Some(Raised { base, set, .. }))) = raised else { return Ok(Outcome::Same) };
        let [path, _] = bounds(kind);
        let object = found.object.clone().unwrap_or_default();
        if let Err(refusal) = super::still_scales(kind, &object, &line.workload) {
            return session.refuse(line.clone(), &[refusal]);
        }
        let moved = (Amount::Count(set), Amount::Count(base));
        let writes = [Write {
            took_over: owner::others(&object, &path),
            reasons: vec!["ROLLBACK".to_owned()],
            ..Write::new(Setting::MinReplicas, path, moved)
        }];
        if let Err(refusal) = guard::rollback(&found, &writes, rules) {
            return session.refuse(line.clone(), &[refusal]);
        }
        let line = line.clone();
        let passed =
            Passed { place, object: &object, writes: &writes, note: Note::Floor(None), line };
        match session.deliver(passed).await? {
            Outcome::Again => {}
            outcome => return Ok(outcome),
        }
    }
    session.refuse(line.clone(), &[restless()])
}

/// Names them, where there is nothing else to bring back.
///
/// # Errors
///
/// Where it cannot be written.
pub(super) fn say(session: &mut Session<'_>, floors: &[(Line, Raised)]) -> Result<()> {
    for (line, Raised { base, set, .. }) in floors {
        let object = plain(&format!("{} in {}", line.object, line.namespace));
        let way = "`plimsoll rollback --floors` takes it down";
        writeln!(
            session.out,
            "floor    {object}: the loop holds {set}, its base is {base}; {way}"
        )?;
    }
    Ok(())
}
