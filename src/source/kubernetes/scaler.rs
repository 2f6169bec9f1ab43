//! Who sets a replica count: found by the object that it scales, never by its name.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec, MetricTarget};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::json;

use super::cluster::Operator;
use super::error::KubernetesError;
use super::whole;
use crate::service::Target;
use crate::service::floor::Raised;
use crate::service::live::{FLOOR_NOTE, Hpa, ScaledObject, Scaler};
use crate::service::object::Path;

/// KEDA's objects on Deployments and StatefulSets.
pub(super) const SCALED_OBJECTS: Operator = Operator {
    group: "keda.sh",
    version: "v1alpha1",
    kind: "ScaledObject",
    plural: "scaledobjects",
};

/// KEDA's own bounds where its object gives none.
const KEDA_BOUNDS: (u64, u64) = (0, 100);
/// The annotations that make KEDA hold still.
const KEDA_PAUSES: [&str; 2] =
    ["autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"];

/// Who scales the target; `None`: somebody may whom we cannot see.
///
/// # Errors
///
/// Where several do that do not belong together.
pub(super) fn of(
    hpas: Option<&[HorizontalPodAutoscaler]>,
    scaled_objects: Option<&[DynamicObject]>,
    target: &Target,
    what: &str,
) -> Result<Option<Scaler>, KubernetesError> {
    let hpa = only(hpas.map(|all| hpas_on(all, target)).as_deref(), "HPAs", what)?;
    let keda = scaled_objects.map(|all| scaled_objects_on(all, target));
    let keda = only(keda.as_deref(), "ScaledObjects", what)?;
    Ok(match (hpa, keda) {
        (Seen::One(hpa), Seen::One(keda)) if owned_by_keda(hpa) => {
            Some(Scaler::Keda(scaled_object(keda, Some(hpa))))
        }
        (Seen::One(hpa), Seen::One(keda)) => {
            return Err(KubernetesError::SeveralScalers {
                what: what.to_owned(),
                of: "autoscalers",
                names: vec![
                    format!("HorizontalPodAutoscaler/{}", hpa.name_any()),
                    format!("{}/{}", SCALED_OBJECTS.kind, keda.name_any()),
                ],
            });
        }
        (_, Seen::One(keda)) => Some(Scaler::Keda(scaled_object(keda, None))),
        // the HPA of a ScaledObject follows it, and that one was not seen
        (Seen::One(hpa), _) if owned_by_keda(hpa) => None,
        (Seen::One(hpa), _) => Some(Scaler::Hpa(bounds(hpa))),
        (Seen::Nothing, Seen::Nothing) => Some(Scaler::Nobody),
        (Seen::NotTold, _) | (_, Seen::NotTold) => None,
    })
}

/// What is scaled and of a kind that is not sized, each with who scales it.
pub(super) fn on_other_kinds(
    hpas: Option<&[HorizontalPodAutoscaler]>,
    keda: Option<&[DynamicObject]>,
) -> Vec<String> {
    let hpas = hpas.into_iter().flatten().filter(|hpa| !owned_by_keda(hpa));
    let hpas = hpas.filter_map(|hpa| {
        let of = &hpa.spec.as_ref()?.scale_target_ref;
        Some((of.kind.clone(), of.name.clone(), format!("HPA {}", hpa.name_any())))
    });
    let keda = keda.into_iter().flatten().filter_map(|object| {
        let of = &object.data["spec"]["scaleTargetRef"];
        let (kind, name) = (of["kind"].as_str()?, of["name"].as_str()?);
        Some((kind.to_owned(), name.to_owned(), format!("KEDA {}", object.name_any())))
    });
    let others =
        hpas.chain(keda).filter(|(kind, ..)| kind != "Deployment" && kind != "StatefulSet");
    others.map(|(kind, name, by)| format!("{kind}/{name}, scaled by {by}")).collect()
}

/// What was seen of one kind.
enum Seen<'a, K> {
    NotTold,
    Nothing,
    One(&'a K),
}

fn only<'a, K: ResourceExt>(
    found: Option<&[&'a K]>,
    of: &'static str,
    what: &str,
) -> Result<Seen<'a, K>, KubernetesError> {
    match found {
        None => Ok(Seen::NotTold),
        Some([]) => Ok(Seen::Nothing),
        Some([one]) => Ok(Seen::One(one)),
        Some(several) => Err(KubernetesError::SeveralScalers {
            what: what.to_owned(),
            of,
            names: several.iter().map(|one| one.name_any()).collect(),
        }),
    }
}

fn hpas_on<'a>(
    all: &'a [HorizontalPodAutoscaler],
    target: &Target,
) -> Vec<&'a HorizontalPodAutoscaler> {
    let on_it = |hpa: &&HorizontalPodAutoscaler| {
        let of = hpa.spec.as_ref().map(|spec| &spec.scale_target_ref);
        of.is_some_and(|of| of.kind == target.kind && of.name == target.name)
    };
    all.iter().filter(on_it).collect()
}

fn scaled_objects_on<'a>(all: &'a [DynamicObject], target: &Target) -> Vec<&'a DynamicObject> {
    let on_it = |object: &&DynamicObject| {
        let of = &object.data["spec"]["scaleTargetRef"];
        // absent it is a Deployment by KEDA's own default
        of["kind"].as_str().unwrap_or("Deployment") == target.kind
            && of["name"] == target.name.as_str()
    };
    all.iter().filter(on_it).collect()
}

fn owned_by_keda(hpa: &HorizontalPodAutoscaler) -> bool {
    hpa.owner_references().iter().any(|owner| owner.kind == SCALED_OBJECTS.kind)
}

fn bounds(hpa: &HorizontalPodAutoscaler) -> Hpa {
    let spec = hpa.spec.as_ref();
    // absent `minReplicas` is 1 by the API's own default
    let min = whole(spec.and_then(|spec| spec.min_replicas).or(Some(1)));
    Hpa {
        name: hpa.name_any(),
        min,
        base: base(&hpa.metadata, "minReplicas", min),
        max: whole(spec.map(|spec| spec.max_replicas)),
        target_utilization: utilization(hpa, "cpu"),
        memory_utilization: utilization(hpa, "memory"),
        only_cpu: only_cpu(hpa),
    }
}

/// What the loop raised a minimum from, where that is still what it put there.
fn base(metadata: &ObjectMeta, key: &str, min: Option<u32>) -> Option<u32> {
    metadata.annotations.as_ref().filter(|notes| notes.contains_key(FLOOR_NOTE))?;
    let noted = Raised::noted(&json!({ "metadata": metadata }), &Path::keys(&["spec", key]));
    let raised = noted.ok()?.filter(|note| Some(note.set) == min && note.base < note.set)?;
    Some(raised.base)
}

/// Whether its list of metrics is one utilisation of its pods' CPU, and holds nothing that we would not write.
fn only_cpu(hpa: &HorizontalPodAutoscaler) -> bool {
    let metrics = hpa.spec.as_ref().and_then(|spec| spec.metrics.as_deref());
    let Some([only]) = metrics else { return false };
    only.type_ == "Resource"
        && only.resource.as_ref().is_some_and(|of| {
            of.name == "cpu"
                && of.target.type_ == "Utilization"
                && of.target.average_utilization.is_some()
        })
}

/// The lowest target for a resource among its metrics, of pods or of one container.
fn utilization(hpa: &HorizontalPodAutoscaler, resource: &str) -> Option<u32> {
    let percent = |target: &MetricTarget| target.average_utilization;
    let of_it = |metric: &MetricSpec| {
        let pods = metric.resource.as_ref().filter(|of| of.name == resource);
        let one = metric.container_resource.as_ref().filter(|of| of.name == resource);
        pods.and_then(|of| percent(&of.target)).or(one.and_then(|of| percent(&of.target)))
    };
    whole(hpa.spec.iter().flat_map(|spec| spec.metrics.iter().flatten()).filter_map(of_it).min())
}

fn scaled_object(object: &DynamicObject, hpa: Option<&HorizontalPodAutoscaler>) -> ScaledObject {
    let count = |key: &str, default: u64| {
        let value = &object.data["spec"][key];
        let value = if value.is_null() { Some(default) } else { value.as_u64() };
        value.and_then(|value| u32::try_from(value).ok())
    };
    let told = |key: &&str| object.annotations().get(*key).is_some_and(|value| value != "false");
    let min = count("minReplicaCount", KEDA_BOUNDS.0);
    ScaledObject {
        name: object.name_any(),
        min,
        base: base(&object.metadata, "minReplicaCount", min),
        max: count("maxReplicaCount", KEDA_BOUNDS.1),
        idles: object.data["spec"]["idleReplicaCount"].is_number(),
        paused: KEDA_PAUSES.iter().any(told),
        target_utilization: hpa.and_then(|hpa| utilization(hpa, "cpu")),
        triggers: object.data["spec"]["triggers"].clone(),
        composed: object.data["spec"]["advanced"]["scalingModifiers"]["formula"].is_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_floor_is_the_loop_s_while_it_is_what_it_put_there_and_nobody_else_wrote_it() {
        let of = |note: &str, owner: [&str; 2]| {
            let metadata = json!({"annotations": {FLOOR_NOTE: note}, "managedFields": [
                {"manager": owner[0], "operation": owner[1], "fieldsV1": {"f:spec": {"f:minReplicas": {}}}}]});
            let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
            base(&metadata, "minReplicas", Some(7))
        };
        let note = |base: &str, set: u32| {
            format!(r#"{{"base":{base},"set":{set},"at":"2026-11-23T01:00:00Z"}}"#)
        };
        let (seven, ours) = (note("3", 7), ["plimsoll", "Apply"]);
        assert_eq!(of(&seven, ours), Some(3));
        // what a person set, to another value or the same
        assert_eq!(of(&note("3", 6), ours), None);
        assert_eq!(of(&seven, ["kubectl-edit", "Update"]), None);
        let odd = ["0", "7", "9", "1e99"].map(|base| note(base, 7));
        for odd in odd.iter().map(String::as_str).chain(["", "7", r#"{"base":3,"set":7}"#]) {
            assert_eq!(of(odd, ours), None, "{odd}");
        }
    }
}
