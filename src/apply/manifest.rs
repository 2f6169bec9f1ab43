//! What is sent, and whether the server's answer changes that and nothing else.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::advise::plan::Setting;
use crate::apply::audit::Changed;
use crate::apply::{Write, annotation, changes, field, floor};
use crate::render::objects::Kind;
use crate::service::floor::Raised;
use crate::service::object::{Path, at};
use crate::service::owner;

/// What the annotations say after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// We change something; the run's name, which is its time, and until when the loop watches it.
    Applied(&'a str, Option<Timestamp>),
    /// We undo what we changed; the floor of the loop that stays above what is brought back.
    RolledBack(&'a str, &'a [Changed], Option<Raised>),
    /// The loop moves a floor; `None`: it is back at its base.
    Floor(Option<Raised>),
}

/// The manifest of a server-side apply: what we own already, the fields to write, and a note of what they replace.
/// It holds the `uid` and `resourceVersion` of `object`, so that it fits no other.
#[must_use]
pub fn manifest(kind: Kind, object: &Value, writes: &[Write], note: Note<'_>) -> Value {
    let mut manifest = owner::applied(object);
    manifest["apiVersion"] = json!(kind.version());
    manifest["kind"] = json!(kind.name());
    for key in ["name", "namespace", "uid", "resourceVersion"] {
        manifest["metadata"][key] = object["metadata"][key].clone();
    }
    for write in writes {
        field::put(&mut manifest, &write.path, field::json(write.sent()));
    }
    let annotations = &mut manifest["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    let left = left_of_last(kind, object, writes);
    if let Some(annotations) = annotations.as_object_mut() {
        // of what we noted, each verb replaces its own; who sets a floor makes it the new base
        let floors = writes.iter().any(|write| write.setting == Setting::MinReplicas);
        let of_the_loop = matches!(note, Note::Floor(_));
        annotations.retain(|key, _| match key.as_str() {
            annotation::FLOOR => !floors,
            key => of_the_loop || !key.starts_with("plimsoll.dev/"),
        });
        match note {
            Note::Floor(None) => {}
            Note::Floor(Some(raised)) => {
                annotations.insert(annotation::FLOOR.to_owned(), json!(raised.text()));
            }
            Note::Applied(run, until) => {
                let replaced: Vec<Changed> = writes.iter().map(Changed::of).collect();
                annotations.insert(annotation::APPLIED_AT.to_owned(), json!(run));
                annotations.insert(annotation::PREVIOUS.to_owned(), json!(bare(&replaced)));
                let until = until.map(|until| json!(format!("{until:.0}")));
                annotations.extend(until.map(|at| (annotation::WATCHED_UNTIL.to_owned(), at)));
                let floor = writes.iter().find_map(Write::held).map(|held| json!(held.text()));
                annotations.extend(floor.map(|floor| (annotation::FLOOR.to_owned(), floor)));
            }
            Note::RolledBack(run, undone, floor) => {
                annotations.insert(annotation::ROLLED_BACK_AT.to_owned(), json!(run));
                annotations.insert(annotation::TAKEN_BACK.to_owned(), json!(bare(undone)));
                annotations.extend(left);
                let floor = floor.map(|raised| json!(raised.text()));
                annotations.extend(floor.map(|floor| (annotation::FLOOR.to_owned(), floor)));
            }
        }
    }
    manifest
}

/// The note of what our last change replaced, without the fields that are written now; none where nothing is left.
fn left_of_last(kind: Kind, object: &Value, writes: &[Write]) -> Vec<(String, Value)> {
    let notes = &object["metadata"]["annotations"];
    let mut left = changes(object, annotation::PREVIOUS);
    left.retain(|one| {
        let path = Path::read(&one.field);
        let is = floor::in_force(object, kind, one.setting, &path);
        is.is_some_and(|is| field::json(is) == one.to) && !writes.iter().any(|of| of.path == path)
    });
    if left.is_empty() {
        return Vec::new();
    }
    let kept = |key: &str, value: Value| (key.to_owned(), value);
    let text = serde_json::to_string(&left).unwrap_or_default();
    let at = notes[annotation::APPLIED_AT].clone();
    vec![kept(annotation::APPLIED_AT, at), kept(annotation::PREVIOUS, json!(text))]
}

/// Changes as an annotation holds them.
fn bare(changes: &[Changed]) -> String {
    let of = |one: &Changed| {
        let Changed { setting, field, from, floor, to, sent, .. } = one;
        let to = sent.as_ref().unwrap_or(to);
        let mut bare = json!({"setting": setting.name(), "field": field, "from": from, "to": to});
        if let Some(floor) = floor {
            bare["floor"] = json!(floor);
        }
        bare
    };
    Value::Array(changes.iter().map(of).collect()).to_string()
}

/// Whether `after` differs from `before` in the fields to write and in our own annotations, has the values and the notes that
/// were `sent`, and differs in nothing else that an object says of itself.
///
/// # Errors
///
/// The places that differ and should not, or do not and should.
pub fn only_ours(
    before: &Value,
    after: &Value,
    writes: &[Write],
    sent: &Value,
) -> Result<(), Vec<String>> {
    let mut wrong = notes_lost(sent, after);
    let mut expected = before.clone();
    for write in writes {
        let Some(answered) = at(after, &write.path) else {
            wrong.push(write.path.to_string());
            continue;
        };
        if crate::advise::plan::Amount::read(write.setting, answered) != Ok(write.sent()) {
            wrong.push(write.path.to_string());
        }
        field::put(&mut expected, &write.path, answered.clone());
    }
    differences(&stated(&expected), &stated(after), "", &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The notes that were sent and are not there: without them nobody knows what to go back to.
fn notes_lost(sent: &Value, after: &Value) -> Vec<String> {
    let notes = |object: &Value| object["metadata"]["annotations"].clone();
    let (sent, after) = (notes(sent), notes(after));
    let sent = sent.as_object().into_iter().flatten();
    let ours = sent.filter(|(key, _)| annotation::NOTES.contains(&key.as_str()));
    let lost = ours.filter(|(key, value)| after[key.as_str()] != **value);
    lost.map(|(key, _)| format!("metadata.annotations.{key}")).collect()
}

/// What an object states of itself: no status, none of the server's book-keeping, none of our notes.
fn stated(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(key);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with("plimsoll.dev/"));
        }
        if metadata.get("annotations").is_some_and(|all| *all == json!({})) {
            metadata.remove("annotations");
        }
    }
    object
}

fn differences(a: &Value, b: &Value, path: &str, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |all: &serde_json::Map<String, Value>| {
                    all.get(key).cloned().unwrap_or_default()
                };
                differences(&of(one), &of(other), &path, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (i, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{path}[{i}]"), found);
            }
        }
        _ if a == b => {}
        _ => found.push(path.to_owned()),
    }
}

/// The change of an object as `kubectl diff` shows one.
#[must_use]
pub fn diff(title: &str, before: &Value, after: &Value) -> String {
    let text = |object: &Value| {
        let mut shown = object.clone();
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("status");
        }
        if let Some(metadata) = shown["metadata"].as_object_mut() {
            for key in
                ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"]
            {
                metadata.remove(key);
            }
            // the whole manifest once more, on one line
            if let Some(Value::Object(notes)) = metadata.get_mut("annotations") {
                notes.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
        shown.sort_all_objects();
        serde_saphyr::to_string(&shown).unwrap_or_default()
    };
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    let diff = diff
        .unified_diff()
        .context_radius(3)
        .header(&format!("{title} (live)"), &format!("{title} (after)"))
        .to_string();
    // what an object says must do nothing to the terminal that shows it
    let plain = |line: &str| line.replace(crate::units::acts, " ");
    diff.lines().map(|line| plain(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::advise::plan::Amount;
    use crate::service::object::Path;

    fn hpa() -> Value {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "managedFields": [
                {"manager": "plimsoll", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:plimsoll.dev/rolled-back-at": {}}}, "f:spec": {"f:minReplicas": {}}}}],
                "annotations": {"plimsoll.dev/rolled-back-at": "t0"}},
            "spec": {"minReplicas": 3, "maxReplicas": 5}, "status": {"currentReplicas": 3}})
    }

    fn write() -> Write {
        let path = Path::keys(&["spec", "maxReplicas"]);
        Write::new(Setting::MaxReplicas, path, (Amount::Count(5), Amount::Count(8)))
    }

    #[test]
    fn what_we_own_stays_in_what_we_send() {
        let sent =
            manifest(Kind::HorizontalPodAutoscaler, &hpa(), &[write()], Note::Applied("t1", None));
        // left out, `minReplicas` would fall to 1
        assert_eq!(sent["spec"], json!({"minReplicas": 3, "maxReplicas": 8}));
        assert_eq!(
            sent["metadata"],
            json!({"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "annotations": {
                "plimsoll.dev/applied-at": "t1",
                "plimsoll.dev/previous": r#"[{"field":"spec.maxReplicas","from":5,"setting":"maxReplicas","to":8}]"#}})
        );
        let back = manifest(
            Kind::HorizontalPodAutoscaler,
            &hpa(),
            &[write()],
            Note::RolledBack("t2", &[], None),
        );
        assert_eq!(
            back["metadata"]["annotations"],
            json!({"plimsoll.dev/rolled-back-at": "t2", "plimsoll.dev/taken-back": "[]"})
        );
    }

    #[test]
    fn the_note_of_a_floor_outlives_all_but_who_sets_the_floor() {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let raised = Raised { base: 3, set: 6, at, again: false };
        let kind = Kind::HorizontalPodAutoscaler;
        let mut object = hpa();
        object["metadata"]["annotations"] =
            json!({annotation::APPLIED_AT: "t0", annotation::FLOOR: raised.text()});
        object["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"] =
            json!({"f:plimsoll.dev/applied-at": {}, "f:plimsoll.dev/floor": {}});
        let notes = |writes: &[Write], note| {
            manifest(kind, &object, writes, note)["metadata"]["annotations"].clone()
        };
        let floor = [Write {
            setting: Setting::MinReplicas,
            path: Path::keys(&["spec", "minReplicas"]),
            ..write()
        }];
        assert_eq!(notes(&[write()], Note::Applied("t1", None))[annotation::FLOOR], raised.text());
        assert_eq!(notes(&floor, Note::Applied("t1", None))[annotation::FLOOR], Value::Null);
        assert_eq!(
            notes(&floor, Note::RolledBack("t1", &[], None))[annotation::FLOOR],
            Value::Null
        );
        // and the loop leaves what `rollback` goes by
        let higher = Raised { set: 8, ..raised };
        let of_the_loop = notes(&floor, Note::Floor(Some(higher)));
        assert_eq!(
            of_the_loop,
            json!({annotation::APPLIED_AT: "t0", annotation::FLOOR: higher.text()})
        );
        let back = notes(&floor, Note::Floor(None));
        assert_eq!(back, json!({annotation::APPLIED_AT: "t0"}));
    }

    #[test]
    fn an_answer_that_changes_anything_else_is_not_taken() {
        let mut after = hpa();
        after["spec"]["maxReplicas"] = json!(8);
        after["status"] = json!({});
        after["metadata"]["annotations"] = json!({"plimsoll.dev/applied-at": "t1"});
        let sent =
            json!({"metadata": {"annotations": {"plimsoll.dev/applied-at": "t1", "team": "a"}}});
        let only_ours = |after: &Value| only_ours(&hpa(), after, &[write()], &sent);
        assert_eq!(only_ours(&after), Ok(()));
        after["spec"]["minReplicas"] = json!(1);
        assert_eq!(only_ours(&after), Err(vec!["spec.minReplicas".to_owned()]));
        // nor one that changes less than was asked for, or drops what it is to be known by
        let lost = "metadata.annotations.plimsoll.dev/applied-at".to_owned();
        assert_eq!(only_ours(&hpa()), Err(vec![lost, "spec.maxReplicas".to_owned()]));
    }
}
