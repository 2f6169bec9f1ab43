//! Guards of the object: there, not paused, as the plan saw it, nobody else's, and at rest.

use serde_json::Value;

use super::{Checked, Situation, no};
use crate::advise::plan::Setting;
use crate::apply::{Found, Write, annotation, field, floor};
use crate::render::objects::Kind;
use crate::service::live::{Scaler, Targets, Workload};
use crate::service::object::Path;
use crate::service::owner;
use crate::service::rules::Rules;

pub(super) fn is_gone() -> (String, String) {
    (
        "it is not there any more: deleted, or renamed".to_owned(),
        "set `components.<name>.target`, and plan again".to_owned(),
    )
}

pub(super) fn gone(s: &Situation<'_>) -> Checked {
    let (Some(object), Some(workload)) = (s.object(), &s.found.workload) else {
        return Err(is_gone());
    };
    // what waits for a finalizer can still be written, and to no use
    if [object, workload].iter().any(|one| !one["metadata"]["deletionTimestamp"].is_null()) {
        return no("it is being deleted", "plan again when it is gone");
    }
    let namespace = s.found.namespace.as_ref();
    if namespace.is_some_and(|one| !one["metadata"]["deletionTimestamp"].is_null()) {
        return no("its namespace is being deleted", "plan again when it is gone");
    }
    Ok(())
}

pub(super) fn paused(s: &Situation<'_>) -> Checked {
    pause_of(s.found)
}

/// Anything but `false` pauses: who set it meant it.
pub(super) fn pause_of(found: &Found) -> Checked {
    let Some(namespace) = &found.namespace else {
        return no(
            "whether its namespace is paused cannot be read",
            "allow `get` on the namespace",
        );
    };
    let places = [
        ("its namespace", Some(namespace)),
        ("the object", found.object.as_ref()),
        ("what it scales", found.workload.as_ref()),
    ];
    for (what, place) in places {
        let value = place
            .map_or(&Value::Null, |place| &place["metadata"]["annotations"][annotation::PAUSE]);
        if !value.is_null() && value != "false" {
            return no(
                format!("the kill switch is set on {what}: `{}: {value}`", annotation::PAUSE),
                format!("remove the annotation `{}` once it may change again", annotation::PAUSE),
            );
        }
    }
    Ok(())
}

/// `resourceVersion` moves with every status; where it moved, what the object asks for must be the same still.
pub(super) fn live_changed(s: &Situation<'_>) -> Checked {
    let hint = "plan again: somebody's change is not overwritten";
    let Some(object) = s.object() else { return Ok(()) };
    let Some(seen) = s.seen else {
        return no(
            "the plan did not see this object",
            "make the plan with the cluster: `plimsoll plan -o json --context NAME`",
        );
    };
    let metadata = &object["metadata"];
    if metadata["uid"] != seen.uid.as_str() {
        return no("it was deleted and made again since the plan", hint);
    }
    // the loop moves what is there, advice what people set
    let held = if s.floor.is_some() { field::amount } else { floor::in_force };
    for field in s.fields() {
        let now = held(object, s.change.kind, field.setting, &field.path);
        if now != Some(field.from) {
            let now = now.map_or_else(|| "not set".to_owned(), |now| now.to_string());
            return no(format!("`{}` is {now}, the plan saw {}", field.path, field.from), hint);
        }
    }
    let same = metadata["resourceVersion"] == seen.resource_version.as_str()
        || field::digest(s.change.kind, object).as_deref() == Some(&seen.spec);
    if same { Ok(()) } else { no("its `spec` was changed since the plan", hint) }
}

pub(super) fn owned(s: &Situation<'_>) -> Checked {
    s.object().map_or(Ok(()), |object| owners_allow(object, s.writes, s.rules))
}

/// Whether every other owner of what is written may be taken over by a person's word.
pub(super) fn owners_allow(object: &Value, writes: &[Write], rules: &Rules) -> Checked {
    if object["metadata"]["managedFields"].as_array().is_none_or(Vec::is_empty) {
        return no(
            "whose its fields are is not told: `metadata.managedFields` was emptied",
            "`plimsoll values` or `patch` for a pull request",
        );
    }
    let forced = writes.iter().any(|write| !owner::others(object, &write.path).is_empty());
    // what is forced is forced as a whole: our notes would be taken with the fields. Without it the server sees to that
    let notes = annotation::NOTES.map(|key| Path::keys(&["metadata", "annotations", key]));
    let notes = notes.iter().filter(|_| forced);
    for path in writes.iter().map(|write| &write.path).chain(notes) {
        let owners = owner::others(object, path);
        let mut kept = owners.iter().filter(|owner| !rules.take_over.contains(owner));
        if let Some(owner) = kept.next() {
            let tracked = application(object);
            let tracked =
                tracked.map(|by| format!(", and {by} keeps the object")).unwrap_or_default();
            return no(
                format!("`{path}` belongs to `{owner}`{tracked}"),
                format!(
                    "`plimsoll values` or `patch` for a pull request, or `apply: {{takeOver: [{owner}]}}` in the settings"
                ),
            );
        }
    }
    Ok(())
}

/// What else would bring an object back to what it says.
fn application(object: &Value) -> Option<String> {
    let (labels, annotations) = (&object["metadata"]["labels"], &object["metadata"]["annotations"]);
    let argo = annotations["argocd.argoproj.io/tracking-id"]
        .as_str()
        .or(labels["argocd.argoproj.io/instance"].as_str());
    let flux = labels["kustomize.toolkit.fluxcd.io/name"].as_str();
    let helm = annotations["meta.helm.sh/release-name"].as_str();
    argo.map(|name| format!("Argo CD application `{name}`"))
        .or(flux.map(|name| format!("Flux kustomization `{name}`")))
        .or(helm.map(|name| format!("Helm release `{name}`")))
}

pub(super) fn scaler(s: &Situation<'_>) -> Checked {
    let Some(object) = s.object() else { return Ok(()) };
    if let Some(owner) = object["metadata"]["ownerReferences"][0].as_object() {
        let named = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        return no(
            format!("it belongs to `{}/{}`, which writes it", named("kind"), named("name")),
            "change it there",
        );
    }
    let asleep =
        s.found.workload.as_ref().is_some_and(|workload| workload["spec"]["replicas"] == 0);
    // a floor that goes back to its base wakes nothing
    if asleep && (s.floor.is_none() || s.only_raises_counts()) {
        return no("it is scaled to zero: somebody put it to sleep", "wake it first");
    }
    for key in ["autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"] {
        let value = &object["metadata"]["annotations"][key];
        if !value.is_null() && value != "false" {
            return no(format!("it is paused: `{key}: {value}`"), "wake it first");
        }
    }
    let disabled = object["status"]["conditions"].as_array().into_iter().flatten().any(|one| {
        one["type"] == "ScalingActive"
            && one["status"] == "False"
            && one["reason"] == "ScalingDisabled"
    });
    if disabled {
        return no("it is paused: `ScalingActive` is `False`, `ScalingDisabled`", "wake it first");
    }
    one_hand_on_the_count(s)
}

/// A count is never set beside an autoscaler, nor bounds on one that does not scale the component any more.
fn one_hand_on_the_count(s: &Situation<'_>) -> Checked {
    let workload = s.live.workload(&s.change.service, &s.change.component);
    let scaler = workload.and_then(|workload| workload.scaler.as_ref());
    let plain = s.writes.iter().any(|write| write.setting == Setting::Replicas);
    let agrees = match scaler {
        None => false,
        Some(Scaler::Nobody) => !s.scales(),
        Some(Scaler::Hpa(hpa)) => {
            !plain
                && (!s.scales()
                    || (s.change.kind, &s.change.name)
                        == (Kind::HorizontalPodAutoscaler, &hpa.name))
        }
        Some(Scaler::Keda(keda)) => {
            !plain
                && (!s.scales()
                    || (s.change.kind, &s.change.name) == (Kind::ScaledObject, &keda.name))
        }
    };
    if agrees || !(s.scales() || plain) {
        return Ok(());
    }
    no("who scales the component is not known, or not what the plan saw", "plan again")
}

/// What an autoscaler measures itself by: twice the request is half the use of it, and half the pods.
pub(super) fn coupled(s: &Situation<'_>) -> Checked {
    let workload = s.live.workload(&s.change.service, &s.change.component);
    let requests = [Setting::CpuRequest, Setting::MemoryRequest];
    let moves = |write: &Write, setting| {
        let follows = setting == Setting::MemoryRequest
            && workload.is_some_and(Workload::requests_its_memory_limit);
        write.setting == setting || follows && write.setting.is_memory_limit()
    };
    let moves = requests.map(|setting| s.writes.iter().any(|write| moves(write, setting)));
    if moves == [false; 2] {
        return Ok(());
    }
    let Some(scaler) = workload.and_then(|workload| workload.scaler.as_ref()) else {
        return no("who scales the component is not known", "plan again");
    };
    let Targets { cpu, memory, .. } = scaler.targets();
    let counted = [cpu, memory].into_iter().zip(moves).find_map(|(of, moves)| of.filter(|_| moves));
    match scaler.object().zip(counted) {
        None => Ok(()),
        Some((object, target)) => no(
            format!("`{object}` counts pods by {target} % of the request that would change"),
            "change request and target together in a pull request: `plimsoll values`",
        ),
    }
}

pub(super) fn vpa(s: &Situation<'_>) -> Checked {
    if !s.resizes() {
        return Ok(());
    }
    let workload = s.live.workload(&s.change.service, &s.change.component);
    match workload.and_then(|workload| workload.vpas.as_ref()) {
        None => no("whether a VPA sets its size cannot be read", "allow `list` on VPAs"),
        Some(vpas) => match vpas.iter().find(|vpa| vpa.mode != "Off") {
            None => Ok(()),
            Some(vpa) => no(
                format!("VPA `{}` sets its size (mode `{}`)", vpa.name, vpa.mode),
                "let one of the two do it: set its `updateMode` to `Off`, or leave the size to it",
            ),
        },
    }
}

pub(super) fn rollout(s: &Situation<'_>) -> Checked {
    let Some(workload) = &s.found.workload else { return Ok(()) };
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let hint = "wait for `kubectl rollout status`, and run it again";
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    if spec["paused"] == true {
        return no("its rollout is paused", "`kubectl rollout resume` it first");
    }
    let Some(observed) = status["observedGeneration"].as_u64() else {
        return no("whether a rollout is in progress cannot be read from its status", hint);
    };
    if observed < count(&workload["metadata"]["generation"]) {
        return no("a rollout is in progress: its controller has not seen it yet", hint);
    }
    let failed = status["conditions"].as_array().into_iter().flatten();
    if failed.into_iter().any(|one| one["type"] == "Progressing" && one["status"] == "False") {
        return no("its last rollout failed: `Progressing` is `False`", "mend or undo it first");
    }
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let updated = count(&status["updatedReplicas"]);
    let revisions = (&status["currentRevision"], &status["updateRevision"]);
    if updated < wanted || revisions.0 != revisions.1 {
        return no(
            format!(
                "a rollout is in progress: {updated} of {wanted} pods are of the newest version"
            ),
            hint,
        );
    }
    Ok(())
}

/// Why a container waits when it will not come by itself.
pub(in crate::apply) const STUCK: [&str; 7] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Pods that crash speak against everything; pods that are not ready, against all but a higher count: under too much
/// load they are not.
pub(super) fn pods(s: &Situation<'_>) -> Checked {
    let Some(workload) = &s.found.workload else { return Ok(()) };
    let Some(pods) = &s.found.pods else {
        return no("whether its pods run cannot be read", "allow `list` on pods");
    };
    for pod in pods {
        let containers = ["initContainerStatuses", "containerStatuses"]
            .into_iter()
            .flat_map(|key| pod["status"][key].as_array().into_iter().flatten());
        for container in containers {
            let why = container["state"]["waiting"]["reason"].as_str().unwrap_or_default();
            if STUCK.contains(&why) {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                return no(format!("pod `{name}` is in `{why}`"), "mend that first");
            }
        }
    }
    let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    let ready = workload["status"]["readyReplicas"].as_u64().unwrap_or(0);
    if s.only_raises_counts() || ready >= wanted {
        return Ok(());
    }
    no(format!("{ready} of {wanted} pods are ready"), "wait until all are")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apply::guard::scene::Scene;
    use crate::service::live::{Amounts, Container, ScaledObject};
    use crate::units::Bytes;

    #[test]
    fn a_request_that_moves_the_count_is_refused_whatever_else_moves_with_it() {
        let says = |scaler: Scaler, moved: &[Setting], limit_alone: bool| {
            let mut scene = Scene::redis();
            let write = scene.writes.remove(0);
            scene.writes = moved.iter().map(|of| Write { setting: *of, ..write.clone() }).collect();
            let memory = |mebi: u64| Amounts { memory: Some(Bytes(mebi << 20)), cpu: None };
            let container = Container {
                name: "redis".to_owned(),
                requests: if limit_alone { Amounts::default() } else { memory(256) },
                limits: memory(512),
            };
            for workload in scene.live.workloads.values_mut() {
                workload.scaler = Some(scaler.clone());
                workload.container = Some(container.clone());
            }
            scene.says(coupled)
        };
        let by = |cpu, memory| {
            Scaler::Keda(ScaledObject {
                targets: Targets { cpu, memory, of_pods: true },
                ..ScaledObject::example("api", 3, 5)
            })
        };
        let both = [Setting::CpuRequest, Setting::MemoryRequest];
        let told = |percent| {
            Some(format!(
                "`ScaledObject/api` counts pods by {percent} % of the request that would change"
            ))
        };
        assert_eq!(says(by(Some(70), None), &both, false), told(70));
        assert_eq!(says(by(None, Some(80)), &both, false), told(80));
        // its triggers count by something else
        assert_eq!(says(by(None, None), &both, false), None);
        assert_eq!(says(by(Some(70), None), &both[1..], false), None);
        // a limit without a request is its request too
        assert_eq!(says(by(None, Some(80)), &[Setting::MemoryLimit], true), told(80));
        assert_eq!(says(by(None, Some(80)), &[Setting::MemoryLimit], false), None);
        assert_eq!(says(Scaler::Nobody, &both, false), None);
    }

    #[test]
    fn nothing_is_written_to_what_goes_with_its_namespace() {
        let mut scene = Scene::workers(2, 3);
        assert_eq!(scene.says(gone), None);
        let going = json!({"metadata": {"deletionTimestamp": "2026-11-23T01:00:00Z"}});
        scene.found.namespace = Some(going.clone());
        assert_eq!(scene.says(gone).as_deref(), Some("its namespace is being deleted"));
        scene.found.namespace = None;
        assert_eq!(scene.says(gone), None, "what cannot be read is said by another guard");
        scene.found.workload = Some(going);
        assert_eq!(scene.says(gone).as_deref(), Some("it is being deleted"));
    }
}
