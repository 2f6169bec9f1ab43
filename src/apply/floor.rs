//! The floor of an autoscaler: the loop's, or of those who set it.

use jiff::Timestamp;
use serde_json::Value;

use crate::advise::plan::{Amount, Setting};
use crate::apply::{annotation, bounds, field};
use crate::render::objects::Kind;
use crate::service::floor::Raised;
use crate::service::object::Path;
use crate::service::owner;

/// The note on an object of a kind, where its floor is what was put there, and ours; `None`: it is not.
///
/// # Errors
///
/// As [`Raised::noted`].
pub fn raised(object: &Value, kind: Kind) -> Result<Option<Raised>, String> {
    let [path, _] = bounds(kind);
    let now = field::amount(object, kind, Setting::MinReplicas, &path);
    let is_there = |note: &Raised| now == Some(Amount::Count(note.set));
    Ok(Raised::noted(object, &path)?.filter(is_there))
}

/// The note of a floor of ours that another manager put back since, and who did. Who replaces the whole object takes the
/// note away: then the floor that was `sent` last counts.
#[must_use]
pub fn put_back(object: &Value, kind: Kind, sent: Option<Raised>) -> Option<(Raised, String)> {
    let [path, _] = bounds(kind);
    let note = match object["metadata"]["annotations"][annotation::FLOOR].as_str() {
        Some(note) => serde_json::from_str(note).ok()?,
        None => sent?,
    };
    let now = field::amount(object, kind, Setting::MinReplicas, &path)?;
    let lowered = now.figure() < u64::from(note.set);
    Some((note, owner::others(object, &path).pop()?)).filter(|_| lowered)
}

/// The amount that people set at a place: of a minimum that the loop holds up, its base.
#[must_use]
pub fn in_force(object: &Value, kind: Kind, setting: Setting, path: &Path) -> Option<Amount> {
    match raised(object, kind) {
        Ok(Some(raised)) if setting == Setting::MinReplicas => Some(Amount::Count(raised.base)),
        _ => field::amount(object, kind, setting, path),
    }
}

/// A move of a floor, as the guards are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// No lower does the loop go.
    pub base: u32,
    /// When the loop moved it last; `None`: the floor is not the loop's.
    pub last: Option<Timestamp>,
    /// How long a floor must have stood before it is taken back.
    pub hold: crate::units::Period,
    /// What forbids to take it back.
    pub doubt: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::service::live::LAST_APPLIED;

    #[test]
    fn a_floor_that_somebody_changed_is_theirs() {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let note = Raised { base: 3, set: 6, at, again: false };
        let with = |note: &str, floor: u32| json!({"metadata": {"annotations": {annotation::FLOOR: note}}, "spec": {"minReplicas": floor}});
        let kind = Kind::HorizontalPodAutoscaler;
        let ours = |object: &Value| raised(object, kind);
        let mut object = with(&note.text(), 6);
        assert_eq!(ours(&object), Ok(Some(note)));
        assert_eq!(ours(&with(&note.text(), 5)), Ok(None));
        assert_eq!(ours(&json!({"spec": {"minReplicas": 6}})), Ok(None));
        assert!(ours(&with("6", 6)).is_err());
        // whatever its value
        object["metadata"]["managedFields"] = json!([{"manager": "kubectl-edit", "operation": "Update",
            "fieldsV1": {"f:spec": {"f:minReplicas": {}}}}]);
        let [least, _] = bounds(kind);
        assert_eq!([ours(&object), Raised::noted(&object, &least)], [Ok(None), Ok(None)]);
        // who applies what is there already is no owner, and means it
        for (said, is_theirs) in [(3, false), (5, false), (6, true)] {
            let mut object = with(&note.text(), 6);
            let said = json!({"spec": {"minReplicas": said}}).to_string();
            object["metadata"]["annotations"][LAST_APPLIED] = json!(said);
            assert_eq!(ours(&object), Ok((!is_theirs).then_some(note)), "{said}");
            let set = in_force(&object, kind, Setting::MinReplicas, &least);
            assert_eq!(set, Some(Amount::Count(if is_theirs { 6 } else { 3 })));
            // what they applied before says nothing of it
            for (applied, is_later) in
                [("2026-11-23T00:59:59Z", false), ("2026-11-23T01:00:00Z", true)]
            {
                object["metadata"]["managedFields"] = json!([{"manager": "kubectl-client-side-apply",
                    "operation": "Update", "time": applied, "fieldsV1": {"f:metadata": {"f:annotations": {
                    "f:kubectl.kubernetes.io/last-applied-configuration": {}}}}}]);
                assert_eq!(
                    ours(&object),
                    Ok((!(is_theirs && is_later)).then_some(note)),
                    "{applied}"
                );
            }
        }
    }

    #[test]
    fn a_floor_that_was_put_back_with_its_note_is_known_by_what_was_sent() {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let [noted, sent] = [6, 9].map(|set| Raised { base: 3, set, at, again: false });
        let kind = Kind::HorizontalPodAutoscaler;
        let mut object = json!({"spec": {"minReplicas": 3}, "metadata": {"managedFields": [{
            "manager": "kubectl-replace", "operation": "Update",
            "fieldsV1": {"f:spec": {"f:minReplicas": {}}}}]}});
        let who = "kubectl-replace".to_owned();
        assert_eq!(put_back(&object, kind, None), None);
        assert_eq!(put_back(&object, kind, Some(sent)), Some((sent, who.clone())));
        // what the object says itself goes first
        object["metadata"]["annotations"] = json!({annotation::FLOOR: noted.text()});
        assert_eq!(put_back(&object, kind, Some(sent)), Some((noted, who)));
        // nobody lowered it, or nobody else's it is
        object["metadata"]["annotations"] = json!({});
        object["spec"]["minReplicas"] = json!(9);
        assert_eq!(put_back(&object, kind, Some(sent)), None);
        let ours = json!({"spec": {"minReplicas": 3}});
        assert_eq!(put_back(&ours, kind, Some(sent)), None);
    }

    #[test]
    fn what_the_server_did_not_do_is_asked_for_in_vain_and_less_of_it_is_not() {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let sent = |set| Raised { base: 3, set, at, again: false };
        // it made 4 of 6
        assert_eq!([5, 6, 7].map(|to| sent(6).is_vain(4, to)), [false, true, true]);
        assert!(!sent(6).is_vain(4, 3));
        // it made 6 of 4
        assert_eq!([3, 4, 5, 7].map(|to| sent(4).is_vain(6, to)), [true, true, false, false]);
        assert!(!sent(6).is_vain(6, 7));
    }
}
