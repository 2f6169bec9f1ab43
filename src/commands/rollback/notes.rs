//! What objects say of themselves where the record is lost: what our last change replaced, by the newest of our notes.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::asked::Asked;
use crate::apply::audit::{Changed, Happened, Line, Verb};
use crate::apply::floor;
use crate::apply::guard::Refusal;
use crate::apply::server::Place;
use crate::apply::{annotation, noted, scaled};
use crate::commands::apply::session::{Session, called, kind_and_name, plain};
use crate::commands::gather::{Ask, live_of};
use crate::commands::{Hinted, Talk};
use crate::config::Settings;
use crate::render::objects::Kind;
use crate::service::object::Path as Field;
use crate::service::owner;
use crate::source::kubernetes::ClusterOptions;

/// What the objects of the services say that the last run replaced, those with the newest note of ours, and those whose
/// note cannot be read.
///
/// # Errors
///
/// A cluster that is lost, and where nothing could be read.
pub(super) async fn told(
    session: &Session<'_>,
    settings: &Settings,
    options: &ClusterOptions,
    talk: Talk,
) -> Result<Asked> {
    let live = live_of(settings, options, Ask::Always, &talk).await?;
    let (lines, odd, floors) = (Vec::new(), Vec::new(), Vec::new());
    let mut all = Asked { lines, odd, floors, complete: !live.is_partial() };
    let mut read = 0;
    let mut denied = live.gaps.iter().find(|gap| gap.of_settings).map(|gap| Hinted {
        message: format!("nothing could be read: {}", gap.message),
        hint: gap.hint.clone(),
    });
    for service in &settings.services {
        for seen in live.objects(service) {
            let Some((kind, name)) = kind_and_name(&seen.object) else { continue };
            let place = Place { namespace: &service.namespace, kind, name };
            match session.server.find(place, (kind, name)).await {
                Ok(found) => {
                    read += 1;
                    let Some(object) = found.object else { continue };
                    let workload = scaled(&object).unwrap_or_else(|| seen.object.clone());
                    let of = session.line(Verb::Apply, place, workload);
                    all.take(kind, Line { uid: seen.uid.clone(), ..of }, &object);
                }
                Err(error) if error.is_of_the_cluster() => return Err(called(error).into()),
                Err(error) => {
                    let Hinted { message, hint } = called(error);
                    talk.say(&format!("warning: {message}\nhint: {hint}"));
                    all.complete = false;
                    let message = format!("nothing could be read: {message}");
                    denied = denied.or(Some(Hinted { message, hint }));
                }
            }
        }
    }
    let newest = all.lines.iter().map(|one| one.run.clone()).max();
    all.lines.retain(|one| Some(&one.run) == newest.as_ref());
    match denied.filter(|_| read == 0) {
        Some(denied) => Err(denied.into()),
        None => Ok(all),
    }
}

impl Asked {
    fn take(&mut self, kind: Kind, line: Line, object: &Value) {
        if let Ok(Some(raised)) = floor::raised(object, kind) {
            self.floors.push((Line { verb: Verb::Floor, whole: None, ..line.clone() }, raised));
        }
        match note(object) {
            Ok(None) => {}
            Ok(Some((run, changes))) => self.lines.push(Line { run, changes, ..line }),
            Err((key, why)) => {
                let refusal = Refusal {
                    code: "LIVE_CHANGED",
                    message: format!("what we replaced cannot be read: {why}"),
                    hint: format!("set it by hand, and remove the annotation `{key}`"),
                };
                self.odd.push((line, refusal));
            }
        }
    }
}

/// Refuses where an object was changed by a later run than all that the record knows: that one would be left, and what came before
/// it undone.
///
/// # Errors
///
/// The later run, and what it changed.
pub(super) fn is_the_last(told: &Asked, known: &[Line], record: &Path) -> Result<(), Hinted> {
    let Some(newest) = told.lines.first() else { return Ok(()) };
    // floors and rollbacks leave no such note: a later one of them says nothing of runs of others
    let is_one = |line: &&Line| (line.happened, line.verb) == (Happened::Done, Verb::Apply);
    let last = known.iter().filter(is_one).map(|line| &line.run);
    if last.max().is_some_and(|last| *last >= newest.run) {
        return Ok(());
    }
    let objects = told.lines.iter().map(|one| format!("{} in {}", one.object, one.namespace));
    let objects = plain(&objects.collect::<Vec<_>>().join(", "));
    Err(Hinted {
        message: format!("a later run, of {}, which `{}` does not know, changed {objects}", newest.run, record.display()),
        hint: "roll back where its record is; or move this record away, and what the objects say of themselves is taken".to_owned(),
    })
}

/// A run, and what it changed.
type Note = (String, Vec<Changed>);

/// The run and the changes that an object notes; `None`: it notes none.
///
/// # Errors
///
/// The annotation that is none of ours, and what is wrong with it.
fn note(object: &Value) -> Result<Option<Note>, (&'static str, String)> {
    use annotation::{APPLIED_AT, PREVIOUS, ROLLED_BACK_AT};
    let notes = &object["metadata"]["annotations"];
    let (run, previous) = match (notes[APPLIED_AT].as_str(), notes[PREVIOUS].as_str()) {
        (None, None) => return Ok(None),
        // of what was undone, a part may be somebody else's too
        (Some(_), None) | (None, Some(_)) if notes[ROLLED_BACK_AT].is_string() => return Ok(None),
        (Some(_), None) => return Err((APPLIED_AT, format!("`{PREVIOUS}` is not there"))),
        (None, Some(_)) => return Err((PREVIOUS, format!("`{APPLIED_AT}` is not there"))),
        (Some(run), Some(previous)) => (run, previous),
    };
    for key in [APPLIED_AT, PREVIOUS] {
        let path = Field::keys(&["metadata", "annotations", key]);
        if let Some(owner) = owner::others(object, &path).first() {
            return Err((
                key,
                format!("`{key}` was written by `{owner}`: it may be a copy of another object's"),
            ));
        }
    }
    noted(object, APPLIED_AT).map_err(|why| (APPLIED_AT, why))?;
    match serde_json::from_str::<Vec<Changed>>(previous) {
        Ok(changes) if !changes.is_empty() => Ok(Some((run.to_owned(), changes))),
        _ => Err((PREVIOUS, format!("`{PREVIOUS}: {previous}` is no note of ours"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_the_record_does_not_know_is_later_than_its_applies_whatever_came_after() {
        let line = |verb, run: &str| {
            let line = Line::example(run, Vec::new());
            Line { happened: Happened::Done, verb, ..line }
        };
        let told = |run: &str| {
            let lines = vec![line(Verb::Apply, run)];
            Asked { lines, odd: Vec::new(), floors: Vec::new(), complete: true }
        };
        let known = [line(Verb::Apply, "1"), line(Verb::Floor, "3"), line(Verb::Rollback, "4")];
        let is_last = |run: &str| is_the_last(&told(run), &known, Path::new("record")).is_ok();
        assert_eq!(["0", "1", "2", "5"].map(is_last), [true, true, false, false]);
    }

    #[test]
    fn a_note_that_cannot_be_read_is_named_and_is_not_none() {
        let ours =
            r#"[{"setting": "minReplicas", "field": "spec.minReplicas", "from": 3, "to": 5}]"#;
        let at = "2026-11-23T01:00:00.000Z";
        let noted = |at: Option<&str>, previous: Option<&str>| {
            let mut notes = json!({});
            let keys = [(annotation::APPLIED_AT, at), (annotation::PREVIOUS, previous)];
            for (key, value) in keys.into_iter().filter_map(|(key, value)| Some((key, value?))) {
                notes[key] = json!(value);
            }
            note(&json!({"metadata": {"annotations": notes}}))
        };
        assert_eq!(noted(None, None).unwrap(), None);
        assert_eq!(noted(Some(at), Some(ours)).unwrap().unwrap().0, at);
        for (at, previous, key) in [
            (Some(at), Some("xx"), annotation::PREVIOUS),
            (Some(at), Some("[]"), annotation::PREVIOUS),
            (Some("zzz"), Some(ours), annotation::APPLIED_AT),
            (Some(at), None, annotation::APPLIED_AT),
            (None, Some(ours), annotation::PREVIOUS),
        ] {
            assert_eq!(noted(at, previous).unwrap_err().0, key, "{at:?} {previous:?}");
        }
        // who copies an object copies its notes
        let copied = json!({"metadata": {
            "annotations": {annotation::APPLIED_AT: at, annotation::PREVIOUS: ours},
            "managedFields": [{"manager": "kubectl-create", "operation": "Update", "fieldsV1": {
                "f:metadata": {"f:annotations": {"f:plimsoll.dev/previous": {}}}}}]}});
        let (key, why) = note(&copied).unwrap_err();
        assert!(key == annotation::PREVIOUS && why.contains("`kubectl-create`"), "{why}");
        let undone = json!({annotation::PREVIOUS: ours, annotation::ROLLED_BACK_AT: at});
        assert_eq!(note(&json!({"metadata": {"annotations": undone}})).unwrap(), None);
    }
}
