//! Reading and writing one field of an object.

use k8s_openapi::api::apps::v1::{DeploymentSpec, StatefulSetSpec};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::advise::plan::{Amount, Setting};
use crate::render::objects::Kind;
use crate::service::object::{Part, Path, at};
use crate::service::{floor, live};

/// The amount at a place, an absent count by the default of its kind; `None`: not set, or not readable.
#[must_use]
pub fn amount(object: &Value, kind: Kind, setting: Setting, path: &Path) -> Option<Amount> {
    match at(object, path) {
        None | Some(Value::Null) => {
            let default = match (kind, setting) {
                (Kind::ScaledObject, Setting::MinReplicas) => 0,
                (Kind::ScaledObject, Setting::MaxReplicas) => 100,
                (_, Setting::MinReplicas | Setting::Replicas) => 1,
                _ => return None,
            };
            Some(Amount::Count(default))
        }
        Some(value) => Amount::read(setting, value).ok(),
    }
}

/// Puts a value at a place, making what leads to it; a list's item is made with its `name`.
pub fn put(object: &mut Value, path: &Path, value: Value) {
    let mut here = object;
    for part in &path.0 {
        here = match part {
            Part::Key(key) => {
                if !here.is_object() {
                    *here = Value::Object(Map::new());
                }
                &mut here[key.as_str()]
            }
            Part::Named(name) => item(here, name),
        };
    }
    *here = value;
}

fn item<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let found = list.as_array().into_iter().flatten().position(|item| item["name"] == name);
    let at = found.unwrap_or_else(|| {
        let items = list.as_array_mut();
        items.map_or(0, |items| {
            items.push(serde_json::json!({ "name": name }));
            items.len() - 1
        })
    });
    &mut list[at]
}

/// An amount as manifests hold it.
#[must_use]
pub fn json(amount: Amount) -> Value {
    match amount {
        Amount::Count(count) => Value::from(count),
        Amount::Bytes(_) | Amount::Cpu(_) => Value::from(amount.to_string()),
    }
}

/// The [`live::digest`] of an object's `spec`, through the types by which the plan's was made.
#[must_use]
pub fn digest(kind: Kind, object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let typed = match kind {
        Kind::Deployment => through::<DeploymentSpec>(spec)?,
        Kind::StatefulSet => through::<StatefulSetSpec>(spec)?,
        Kind::HorizontalPodAutoscaler => {
            through::<HorizontalPodAutoscalerSpec>(&floor::lowered(object, "minReplicas"))?
        }
        Kind::ScaledObject => floor::lowered(object, "minReplicaCount"),
    };
    Some(live::digest(&typed))
}

fn through<T: DeserializeOwned + Serialize>(spec: &Value) -> Option<Value> {
    serde_json::to_value(serde_json::from_value::<T>(spec.clone()).ok()?).ok()
}
