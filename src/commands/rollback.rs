//! `rollback`: what the last apply replaced is brought back, by the record or by what the objects say of themselves.

use std::io::Write;

use anyhow::Result;
use serde_json::Value;

use crate::apply::audit::{self, Changed, Happened, Line, Verb};
use crate::apply::guard::{self, Refusal};
use crate::apply::manifest::Note;
use crate::apply::server::Place;
use crate::apply::{Write as FieldWrite, annotation, field, noted, owner};
use crate::cli::RollbackArgs;
use crate::commands::apply::session::{
    Outcome, Passed, Session, called, kind_and_name, plain, refused,
};
use crate::commands::apply::{Ended, restless};
use crate::commands::gather::{live_of, moment, options, settings};
use crate::commands::{Exit, Talk};
use crate::config::Settings;
use crate::render::objects::{Kind, Path};

/// Shows what would be brought back, and with `--yes` brings it back.
///
/// # Errors
///
/// Wrong settings, a cluster that is lost, a record that cannot be kept.
pub async fn run(args: &RollbackArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let run = args.run();
    let settings = settings(&run)?;
    let now = moment(&run, &settings);
    let options = options(&run);
    let mut session = Session::open(&options, &settings.audit, (now, args.yes), talk, out).await?;
    session.settle().await?;
    let done = session.lines.iter().any(|line| line.happened == Happened::Done);
    let mut lines = if done {
        audit::to_undo(&session.lines)
    } else {
        talk.say("the record is empty: what the objects say of themselves is taken");
        of_annotations(&session, &settings, &live_of(&settings, &options, talk).await?).await?
    };
    let mine = |line: &Line| settings.services.iter().any(|one| one.namespace == line.namespace);
    lines.retain(mine);
    let mut ended = Ended::default();
    for line in &lines {
        ended.count(one(&mut session, line, &settings, ("ROLLBACK", None)).await?);
    }
    let objects =
        |count| if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
    let refused = match ended.refused {
        0 => String::new(),
        count => format!(", {count} refused"),
    };
    let text = match (args.yes, ended.changed) {
        (_, 0) => format!("nothing to bring back{refused}"),
        (true, changed) => format!("{} brought back{refused}", objects(changed)),
        (false, changed) => format!(
            "{} would be brought back{refused}; a dry run: `--yes` does it",
            objects(changed)
        ),
    };
    writeln!(session.out, "{text}")?;
    Ok(if ended.refused == 0 { Exit::Done } else { Exit::Skipped })
}

/// One object: it must hold what we put there, or what was there before. `why` is a code, and what was seen.
pub(super) async fn one(
    session: &mut Session<'_>,
    undone: &Line,
    settings: &Settings,
    (code, why): (&str, Option<&str>),
) -> Result<Outcome> {
    let Some((kind, name)) = kind_and_name(&undone.object) else { return Ok(Outcome::Same) };
    let Some(workload) = kind_and_name(&undone.workload) else { return Ok(Outcome::Same) };
    let place = Place { namespace: &undone.namespace, kind, name };
    for _ in 0..2 {
        let mut line = session.line(Verb::Rollback, place, undone.workload.clone());
        line.undoes = Some(undone.run.clone());
        line.said = why.map(str::to_owned).into_iter().collect();
        let found = match session.server.find(place, workload).await {
            Ok(found) => found,
            Err(error) if error.is_of_the_cluster() => return Err(called(error).into()),
            Err(error) => return session.refuse(line, &[refused(&error)]),
        };
        let object = found.object.clone().unwrap_or(Value::Null);
        if found.object.is_some() && object["metadata"]["uid"] != *undone.uid {
            let message = "it was made again since, or is of another cluster".to_owned();
            return session.refuse(line, &[changed_since(message)]);
        }
        let writes = match backwards(kind, &undone.changes, |write| {
            field::amount(&object, kind, write.setting, &write.path)
        }) {
            Ok(writes) => writes,
            Err(message) if found.object.is_some() => {
                return session.refuse(line, &[changed_since(message)]);
            }
            Err(_) => Vec::new(),
        };
        if found.object.is_some() && writes.is_empty() {
            writeln!(
                session.out,
                "same     {} in {} is as it was before",
                plain(&line.object),
                line.namespace
            )?;
            return Ok(Outcome::Same);
        }
        let writes: Vec<FieldWrite> = writes
            .into_iter()
            .map(|write| FieldWrite {
                took_over: owner::others(&object, &write.path),
                reasons: vec![code.to_owned()],
                ..write
            })
            .collect();
        if let Err(refusal) = guard::rollback(&found, &writes, &settings.rules) {
            return session.refuse(line, &[refusal]);
        }
        line.guards = ["GONE", "PAUSED", "LIVE_CHANGED", "OWNED"].map(str::to_owned).to_vec();
        let stamp = session.run.clone();
        let note = Note::RolledBack(&stamp);
        let passed = Passed { place, object: &object, writes: &writes, note, line };
        match session.deliver(passed).await? {
            Outcome::Again => {}
            outcome => return Ok(outcome),
        }
    }
    let line = session.line(Verb::Rollback, place, undone.workload.clone());
    session.refuse(line, &[restless()])
}

fn changed_since(message: String) -> Refusal {
    Refusal {
        code: "LIVE_CHANGED",
        message,
        hint: "set it by hand: somebody's change is not overwritten".to_owned(),
    }
}

/// The writes that bring the old values back; what is back already is left out.
///
/// # Errors
///
/// Where a field is none that we write, or holds neither what was put there nor what was there before.
fn backwards(
    kind: Kind,
    changes: &[Changed],
    now: impl Fn(&FieldWrite) -> Option<crate::advise::plan::Amount>,
) -> Result<Vec<FieldWrite>, String> {
    let mut writes = Vec::new();
    for change in changes {
        let (before, applied) = change.amounts()?;
        let write = FieldWrite {
            setting: change.setting,
            path: Path::read(&change.field),
            from: applied,
            to: before,
            reasons: Vec::new(),
            took_over: Vec::new(),
        };
        if !write.path.holds(kind, write.setting) {
            return Err(format!(
                "`{}` is no place of ours for `{}`",
                change.field,
                change.setting.name()
            ));
        }
        if before.figure() == 0 && kind != Kind::ScaledObject {
            return Err(format!("`{}` would be nothing at all", change.field));
        }
        match now(&write) {
            Some(value) if value == before => {}
            Some(value) if value == applied => writes.push(write),
            value => {
                let value = value.map_or_else(|| "not set".to_owned(), |value| value.to_string());
                return Err(format!("`{}` is {value}, we put {applied} there", change.field));
            }
        }
    }
    Ok(writes)
}

/// What the objects say that the last run replaced: those with the newest note of ours.
async fn of_annotations(
    session: &Session<'_>,
    settings: &Settings,
    live: &crate::service::live::Live,
) -> Result<Vec<Line>> {
    let mut told: Vec<Line> = Vec::new();
    for service in &settings.services {
        for seen in live.objects(service) {
            let Some((kind, name)) = kind_and_name(&seen.object) else { continue };
            let place = Place { namespace: &service.namespace, kind, name };
            let found = session.server.find(place, (kind, name)).await.map_err(called)?;
            let Some(object) = found.object else { continue };
            let Ok(Some(_)) = noted(&object, annotation::APPLIED_AT) else { continue };
            let text = |key: &str| object["metadata"]["annotations"][key].as_str();
            let changes = text(annotation::PREVIOUS).map(serde_json::from_str::<Vec<Changed>>);
            let (Some(run), Some(Ok(changes))) = (text(annotation::APPLIED_AT), changes) else {
                continue;
            };
            let made = session.line(Verb::Apply, place, seen.object.clone());
            told.push(Line { run: run.to_owned(), uid: seen.uid.clone(), changes, ..made });
        }
    }
    let newest = told.iter().map(|one| one.run.clone()).max();
    told.retain(|one| Some(&one.run) == newest.as_ref());
    Ok(told)
}
