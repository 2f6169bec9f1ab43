//! Who sets a replica count: found by the object that it scales, never by its name.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec, MetricTarget};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::cluster::Operator;
use super::error::KubernetesError;
use super::whole;
use crate::service::Target;
use crate::service::floor::Raised;
use crate::service::live::{FLOOR_NOTE, Hpa, ScaledObject, Scaler, Targets};
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

/// Who scales the target, of which one `container` is sized; `None`: somebody may whom we cannot see.
///
/// # Errors
///
/// Where several do that do not belong together.
pub(super) fn of(
    (hpas, scaled_objects): (Option<&[HorizontalPodAutoscaler]>, Option<&[DynamicObject]>),
    (target, container): (&Target, Option<&str>),
    what: &str,
) -> Result<Option<Scaler>, KubernetesError> {
    let hpa = only(hpas.map(|all| hpas_on(all, target)).as_deref(), "HPAs", what)?;
    let keda = scaled_objects.map(|all| scaled_objects_on(all, target));
    let keda = only(keda.as_deref(), "ScaledObjects", what)?;
    Ok(match (hpa, keda) {
        (Seen::One(hpa), Seen::One(keda)) if owned_by_keda(hpa) => {
            Some(Scaler::Keda(scaled_object(keda, Some(hpa), container)))
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
        (_, Seen::One(keda)) => Some(Scaler::Keda(scaled_object(keda, None, container))),
        // the HPA of a ScaledObject follows it, and that one was not seen
        (Seen::One(hpa), _) if owned_by_keda(hpa) => None,
        (Seen::One(hpa), _) => Some(Scaler::Hpa(bounds(hpa, container))),
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
        let (kind, name) = (kind_of(of), of["name"].as_str()?);
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
        kind_of(of) == target.kind && of["name"] == target.name.as_str()
    };
    all.iter().filter(on_it).collect()
}

/// The kind that a `ScaledObject` scales: absent or empty it is a Deployment by KEDA's own default.
fn kind_of(target: &Value) -> &str {
    target["kind"].as_str().filter(|kind| !kind.is_empty()).unwrap_or("Deployment")
}

fn owned_by_keda(hpa: &HorizontalPodAutoscaler) -> bool {
    hpa.owner_references().iter().any(|owner| owner.kind == SCALED_OBJECTS.kind)
}

fn bounds(hpa: &HorizontalPodAutoscaler, container: Option<&str>) -> Hpa {
    let spec = hpa.spec.as_ref();
    // absent `minReplicas` is 1 by the API's own default
    let min = whole(spec.and_then(|spec| spec.min_replicas).or(Some(1)));
    Hpa {
        name: hpa.name_any(),
        min,
        base: base(&hpa.metadata, "minReplicas", min),
        max: whole(spec.map(|spec| spec.max_replicas)),
        targets: targets(hpa, container),
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

/// The lowest targets among its metrics, of pods or of the container that is sized; of another container is no matter here.
fn targets(hpa: &HorizontalPodAutoscaler, container: Option<&str>) -> Targets {
    let percent = |target: &MetricTarget| whole(target.average_utilization);
    let of_it = |metric: &MetricSpec| {
        let pods = metric.resource.as_ref();
        let pods = pods.and_then(|of| Some((of.name.clone(), percent(&of.target)?, true)));
        let one = metric.container_resource.as_ref();
        let one = one.filter(|of| container.is_none_or(|name| name == of.container));
        pods.or(one.and_then(|of| Some((of.name.clone(), percent(&of.target)?, false))))
    };
    lowest(hpa.spec.iter().flat_map(|spec| spec.metrics.iter().flatten()).filter_map(of_it))
}

/// The same by the triggers of a `ScaledObject`, of which KEDA makes these metrics: its HPA may be denied, or not there yet.
fn aims(triggers: &Value, container: Option<&str>) -> Targets {
    let all = triggers.as_array().into_iter().flatten();
    lowest(all.filter_map(|trigger| {
        let metadata = &trigger["metadata"];
        // older objects say it among the metadata
        let kind = trigger["metricType"].as_str().or(metadata["type"].as_str())?;
        let percent = metadata["value"].as_str()?.parse().ok()?;
        let of = metadata["containerName"].as_str().filter(|of| !of.is_empty());
        let mine = of.is_none_or(|of| container.is_none_or(|name| name == of));
        (mine && kind == "Utilization").then(|| {
            (trigger["type"].as_str().unwrap_or_default().to_owned(), percent, of.is_none())
        })
    }))
}

/// The lowest of targets, each with its resource and whether it is a share of the whole pod.
fn lowest(all: impl Iterator<Item = (String, u32, bool)>) -> Targets {
    let mut targets = Targets::default();
    for (resource, percent, of_pods) in all {
        let least = match resource.as_str() {
            "cpu" => &mut targets.cpu,
            "memory" => &mut targets.memory,
            _ => continue,
        };
        if least.is_none_or(|least| percent < least) {
            *least = Some(percent);
            if resource == "cpu" {
                targets.of_pods = of_pods;
            }
        }
    }
    targets
}

fn scaled_object(
    object: &DynamicObject,
    hpa: Option<&HorizontalPodAutoscaler>,
    container: Option<&str>,
) -> ScaledObject {
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
        targets: hpa.map_or_else(
            || aims(&object.data["spec"]["triggers"], container),
            |hpa| targets(hpa, container),
        ),
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
    fn a_target_is_that_of_the_container_that_is_sized_or_of_all_of_them() {
        let hpa = |metrics: Value| -> Targets {
            let spec = json!({"maxReplicas": 5, "metrics": metrics,
                "scaleTargetRef": {"kind": "Deployment", "name": "api"}});
            let hpa = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
            targets(&hpa, Some("api"))
        };
        let target = |percent: u32| json!({"type": "Utilization", "averageUtilization": percent});
        let of_pods = |name: &str, percent: u32| json!({"type": "Resource", "resource": {"name": name, "target": target(percent)}});
        let of_one = |container: &str, percent: u32| {
            json!({"type": "ContainerResource", "containerResource":
                {"name": "cpu", "container": container, "target": target(percent)}})
        };
        let cpu = |percent, of_pods| Targets { cpu: Some(percent), memory: None, of_pods };
        assert_eq!(hpa(json!([of_pods("cpu", 70)])), cpu(70, true));
        assert_eq!(hpa(json!([of_one("mesh", 90)])), Targets::default());
        assert_eq!(hpa(json!([of_one("mesh", 50), of_one("api", 60)])), cpu(60, false));
        let both = Targets { memory: Some(80), ..cpu(70, true) };
        assert_eq!(hpa(json!([of_pods("memory", 80), of_pods("cpu", 70)])), both);
    }

    #[test]
    fn the_triggers_of_keda_say_what_its_hpa_aims_at_and_an_empty_kind_is_a_deployment() {
        let of = |triggers: Value| aims(&triggers, Some("api"));
        let cpu = |percent, of_pods| Targets { cpu: Some(percent), memory: None, of_pods };
        let told =
            json!([{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "20"}}]);
        assert_eq!(of(told), cpu(20, true));
        let older = json!([{"type": "cpu", "metadata": {"type": "Utilization", "value": "30", "containerName": "api"}}]);
        assert_eq!(of(older), cpu(30, false));
        for other in [
            json!([{"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "20"}}]),
            json!([{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "20", "containerName": "mesh"}}]),
            json!([{"type": "prometheus", "metadata": {"threshold": "20"}}]),
            Value::Null,
        ] {
            assert_eq!(of(other), Targets::default());
        }
        let kinds = [json!({"kind": "", "name": "a"}), json!({"name": "a"})];
        assert_eq!(kinds.each_ref().map(kind_of), ["Deployment"; 2]);
    }

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
