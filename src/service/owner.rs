//! Whose a field is, by `metadata.managedFields` (Kubernetes, "Server-Side Apply": the `FieldsV1` format).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::service::live::{LAST_APPLIED, MANAGER};
use crate::service::object::{Part, Path};

/// The managers other than ourselves that own the field at `path`, or all of what it lies in, each once.
#[must_use]
pub fn others(object: &Value, path: &Path) -> Vec<String> {
    let mut names: Vec<String> = entries(object)
        .filter(|entry| entry["subresource"] != "status" && !is_ours(entry))
        .filter(|entry| owns(object, entry, &path.0))
        .map(|entry| entry["manager"].as_str().unwrap_or("unknown").to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What we applied last, as far as it is still ours: a server-side apply that left any of it out would take it away.
#[must_use]
pub fn applied(object: &Value) -> Value {
    let ours = entries(object).find(|entry| is_ours(entry));
    ours.map_or_else(|| json!({}), |entry| project(&entry["fieldsV1"], object))
}

/// Who else wrote the template of a workload's pods after a time, by the server's own clock, to the second.
#[must_use]
pub fn rewritten(workload: &Value, after: Timestamp) -> Option<String> {
    let template = Path::keys(&["spec", "template"]);
    let later = |entry: &&Value| {
        let at = entry["time"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        at.is_some_and(|at| at.as_second() > after.as_second())
    };
    let writes = |entry: &&Value| below(&entry["fieldsV1"], &template.0).is_some();
    let mut entries = entries(workload).filter(|entry| !is_ours(entry)).filter(writes);
    entries.find(later).map(|entry| entry["manager"].as_str().unwrap_or("unknown").to_owned())
}

/// Whether the manifest of the last `kubectl apply` came no earlier than a time, to the second; who is not told takes it so.
#[must_use]
pub fn applied_since(object: &Value, after: Timestamp) -> bool {
    let place = Path::keys(&["metadata", "annotations", LAST_APPLIED]);
    let mut entries = entries(object).filter(|entry| below(&entry["fieldsV1"], &place.0).is_some());
    let earlier = |entry: &Value| {
        let at = entry["time"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        at.is_some_and(|at| at.as_second() < after.as_second())
    };
    !entries.any(earlier)
}

/// When we changed the object last, by the server's own clock; `None`: not told.
#[must_use]
pub fn written(object: &Value) -> Option<Timestamp> {
    entries(object).find(|entry| is_ours(entry))?["time"].as_str()?.parse().ok()
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["managedFields"].as_array().into_iter().flatten()
}

fn is_ours(entry: &Value) -> bool {
    entry["manager"] == MANAGER && entry["operation"] == "Apply" && entry["subresource"].is_null()
}

/// Whether an entry holds the place itself, or a part of the way to it as a whole: a leaf, where nobody holds anything below.
/// Where somebody does, it says only that the mapping is there.
fn owns(object: &Value, entry: &Value, path: &[Part]) -> bool {
    let held = |entry: &Value, depth: usize| below(&entry["fieldsV1"], &path[..depth]).cloned();
    (1..=path.len()).any(|depth| match held(entry, depth) {
        None => false,
        Some(_) if depth == path.len() => true,
        Some(fields) => {
            let is_leaf = |fields: &Value| fields.as_object().is_some_and(Map::is_empty);
            let holds_below = |other: &Value| held(other, depth).is_some_and(|of| !is_leaf(&of));
            is_leaf(&fields) && !entries(object).any(holds_below)
        }
    })
}

/// What a set of fields holds below a place; `None`: it does not hold the place.
fn below<'a>(fields: &'a Value, path: &[Part]) -> Option<&'a Value> {
    path.iter().try_fold(fields, |fields, part| {
        let fields = fields.as_object()?;
        match part {
            Part::Key(key) => fields.get(&format!("f:{key}")),
            Part::Named(name) => fields.iter().find(|(key, _)| named(key, name)).map(|(_, of)| of),
        }
    })
}

/// Whether `k:{"name":"server"}` is the item of this name.
fn named(key: &str, name: &str) -> bool {
    let keys = key.strip_prefix("k:").and_then(|keys| serde_json::from_str::<Value>(keys).ok());
    keys.is_some_and(|keys| keys["name"] == name)
}

/// The part of `value` that a set of fields names.
fn project(fields: &Value, value: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return value.clone();
    };
    if let Some(items) = value.as_array() {
        let kept = fields.iter().filter_map(|(key, below)| {
            let keys: Map<String, Value> = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
            let is_it = |item: &&Value| keys.iter().all(|(key, value)| item[key] == *value);
            let item = items.iter().find(is_it)?;
            let mut kept = project_keys(below, item);
            keys.into_iter().for_each(|(key, value)| kept[key] = value);
            Some(kept)
        });
        return Value::Array(kept.collect());
    }
    project_keys(&Value::Object(fields.clone()), value)
}

fn project_keys(fields: &Value, value: &Value) -> Value {
    let mut kept = json!({});
    for (key, below) in fields.as_object().into_iter().flatten() {
        let Some(name) = key.strip_prefix("f:") else { continue };
        if let Some(value) = value.get(name) {
            kept[name] = project(below, value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Value {
        json!({
            "metadata": {"annotations": {"plimsoll.dev/applied-at": "x", "other": "y"}, "managedFields": [
                {"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {},
                    "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"server\"}": {".": {}, "f:name": {},
                        "f:resources": {"f:requests": {"f:cpu": {}}}}}}}}}},
                {"manager": "plimsoll", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:annotations": {"f:plimsoll.dev/applied-at": {}}},
                    "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"server\"}": {
                        ".": {}, "f:name": {}, "f:resources": {"f:limits": {"f:memory": {}}}}}}}}}},
                {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            ]},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "mesh", "image": "a"},
                {"name": "server", "image": "b", "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}}}]}}}
        })
    }

    fn in_server(keys: &[&str]) -> Path {
        let mut path = Path::keys(&["spec", "template", "spec", "containers"]);
        path.0.push(Part::Named("server".to_owned()));
        path.0.extend(Path::keys(keys).0);
        path
    }

    #[test]
    fn a_field_has_the_owners_that_the_server_notes_and_its_status_owns_nothing() {
        let object = object();
        let replicas = others(&object, &Path::keys(&["spec", "replicas"]));
        assert_eq!(replicas, ["helm", "kube-controller-manager"]);
        assert_eq!(others(&object, &in_server(&["resources", "requests", "cpu"])), ["helm"]);
        // ours, and not theirs
        let none: [String; 0] = [];
        assert_eq!(others(&object, &in_server(&["resources", "limits", "memory"])), none);
        // whose field was taken keeps the mapping around it, and nothing in it
        let mut taken = object.clone();
        let containers = &mut taken["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]
            ["f:spec"]["f:containers"];
        containers["k:{\"name\":\"server\"}"]["f:resources"]["f:limits"] = json!({});
        assert_eq!(others(&taken, &in_server(&["resources", "limits", "memory"])), none);
        // who owns a mapping as one value owns all of it
        let mut whole = object;
        whole["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"] = json!({});
        whole["metadata"]["managedFields"][1] = json!({});
        assert_eq!(others(&whole, &in_server(&["resources", "limits", "memory"])), ["helm"]);
    }

    #[test]
    fn what_is_ours_is_kept_with_the_keys_that_name_its_place_and_nothing_else() {
        let expected = json!({
            "metadata": {"annotations": {"plimsoll.dev/applied-at": "x"}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "server", "resources": {"limits": {"memory": "1Gi"}}}]}}}
        });
        assert_eq!(applied(&object()), expected);
        assert_eq!(applied(&json!({"metadata": {}})), json!({}));
    }
}
