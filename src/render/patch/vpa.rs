//! The bounds of a VPA: between them it may set a container's requests.
//!
//! The lower one is the request that is advised: below it, pods lack at the planning load what they were sized by.
//! The upper one is the limit that is advised, and stands for memory alone, since no CPU limit is: a request above it
//! would be one that the pod may never use. A bound that is there already is raised and never lowered.
//! `containerPolicies` is a list that a patch replaces as a whole, so what the cluster told of it is written again
//! with the one container changed.

use serde_json::{Map, Value, json};

use super::{File, Names, Tree, UNDOES, Way};
use crate::advise::plan::{Action, Amount, Plan, Recommendation, Setting};
use crate::render::changes::{self, ComponentChanges};
use crate::render::yaml::ascii;
use crate::service::live::{Vpa, Workload};
use crate::units::{Bytes, Millicores};

pub(super) const NAMES: Names =
    ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "verticalpodautoscaler");

/// The policy of a component's VPA, as it is and as it should be.
pub(super) struct Bounds<'a> {
    vpa: &'a Vpa,
    /// What undoes it: what stands there now, null where there is nothing.
    pub before: Value,
    pub after: Value,
    /// Which bounds move, in words.
    moved: Vec<String>,
}

/// The bounds that the advice gives to the only VPA of a component; `None` where there is none, where there are
/// several, or where none is advised and none stands.
pub(super) fn bounds<'a>(
    plan: &Plan,
    of: &ComponentChanges<'_>,
    workload: Option<&'a Workload>,
    container: &str,
) -> Option<Bounds<'a>> {
    let workload = workload?;
    // a name that the cluster did not tell could add a policy for a container that is not there
    workload.container.as_ref().filter(|seen| seen.name == container)?;
    let [vpa] = workload.vpas.as_deref()? else { return None };
    let service = plan
        .services
        .iter()
        .find(|one| one.name == of.service.name && one.namespace == of.service.namespace)?;
    let advised = changes::of(service, of.component);
    let before = vpa.policy["containerPolicies"].clone();
    let mut policies = before.as_array().cloned().unwrap_or_default();
    let mine = policies.iter().position(|one| one["containerName"] == container);
    let mut policy = match mine {
        Some(at) => policies[at].as_object().cloned()?,
        // the policy for all others stands for it until now, and must not be lost to it
        None => policies
            .iter()
            .find(|one| one["containerName"] == "*")
            .and_then(|one| one.as_object().cloned())
            .unwrap_or_default(),
    };
    policy.insert("containerName".to_owned(), json!(container));
    let is_off = policy.get("mode").is_some_and(|mode| mode == "Off");
    let moved = if is_off { Vec::new() } else { bound(&mut policy, &advised) };
    if moved.is_empty() {
        // what stands there is all there is to state
        let after = before.clone();
        return before.is_array().then_some(Bounds { vpa, before, after, moved });
    }
    match mine {
        Some(at) => policies[at] = Value::Object(policy),
        None => policies.push(Value::Object(policy)),
    }
    Some(Bounds { vpa, before, after: Value::Array(policies), moved })
}

/// Writes what is advised into a policy, and tells which bounds move, in words. A bound that is there goes up and never
/// down: what the VPA gave the pods by it is not what the object says, by which the advice goes.
fn bound(policy: &mut Map<String, Value>, advised: &[&Recommendation]) -> Vec<String> {
    let asked = |wanted: &[Setting]| {
        let of = advised.iter().filter(|one| wanted.contains(&one.setting));
        of.filter_map(|one| Some((one, one.target?))).max_by_key(|(_, amount)| amount.figure())
    };
    let mut moved = Vec::new();
    let bounds = [
        ("minAllowed", "maxAllowed", "cpu", asked(&[Setting::CpuRequest])),
        ("minAllowed", "maxAllowed", "memory", asked(&[Setting::MemoryRequest])),
        ("maxAllowed", "minAllowed", "memory", asked(&[Setting::Memory, Setting::MemoryLimit])),
    ];
    for (group, other, resource, asked) in bounds {
        let Some((one, amount)) = asked else { continue };
        let held = |group: &str| figure(resource, policy.get(group)?.get(resource)?);
        let (there, across) = (held(group), held(other));
        // a new upper bound holds down what pods may have by now: it wants what was seen, and room for the lower one
        let holds_down = group == "maxAllowed"
            && there.is_none()
            && (one.action == Action::Keep || across.is_some_and(|least| least > amount.figure()));
        if holds_down || there.is_some_and(|there| there >= amount.figure()) {
            continue;
        }
        let code = one.reasons.first().map(|reason| reason.code.name()).unwrap_or_default();
        let mut put = |group: &str| moved.push(put(policy, group, resource, amount) + &code);
        put(group);
        if group == "minAllowed" && across.is_some_and(|most| most < amount.figure()) {
            put(other);
        }
    }
    moved
}

/// Writes a bound; what it is and was, in words.
fn put(policy: &mut Map<String, Value>, group: &str, resource: &str, amount: Amount) -> String {
    let held = policy.entry(group).or_insert_with(|| json!({}));
    if !held.is_object() {
        *held = json!({});
    }
    let was = match &held[resource] {
        Value::Null => "not there".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    held[resource] = json!(amount.to_string());
    format!("{group}.{resource}: {amount}, was {was}  ")
}

/// An amount as an object holds it: a quantity as text, or a bare number.
fn figure(resource: &str, value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match resource {
        "cpu" => text.parse::<Millicores>().ok().map(|cpu| cpu.0),
        _ => text.parse::<Bytes>().ok().map(|bytes| bytes.0),
    }
}

/// Whether what stands in the component's VPA is what an inverse says that it undoes.
pub(super) fn is_undone_by(workload: &Workload, back: &str) -> bool {
    let Some([vpa]) = workload.vpas.as_deref() else { return false };
    let undone = back.lines().filter_map(|line| line.strip_prefix("# ")?.strip_prefix(UNDOES));
    let mut undone = undone.filter_map(|text| text.parse::<Value>().ok());
    undone.any(|policies| policies == vpa.policy["containerPolicies"])
}

impl Bounds<'_> {
    pub fn file<'f>(
        &'f self,
        of: &'f ComponentChanges<'_>,
        way: Way,
        policies: &Value,
    ) -> File<'f> {
        let whole = if policies.is_null() && self.vpa.policy.is_null() {
            Tree::Json(Value::Null)
        } else {
            Tree::map([("containerPolicies", Tree::Json(policies.clone()))])
        };
        let mut notes = vec![
            "the list is replaced as a whole: it holds what the cluster told of the others"
                .to_owned(),
        ];
        match way {
            Way::Forward => notes.extend(self.moved.iter().cloned()),
            Way::Undo => notes.push(format!("{UNDOES}{}", ascii(&self.after.to_string()))),
        }
        File {
            kind: NAMES,
            name: &self.vpa.name,
            namespace: &of.service.namespace,
            way,
            spec: Tree::map([("resourcePolicy", whole)]),
            patch_type: " --type merge",
            notes,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::advise::plan::Code;
    use crate::render::changes::changes;
    use crate::render::example::{self, REDIS};
    use crate::service::live::{Amounts, Container};

    fn workload(policy: Value) -> Workload {
        let container = Container {
            name: "redis".to_owned(),
            requests: Amounts::default(),
            limits: Amounts::default(),
        };
        let vpa = Vpa { name: "sizes".to_owned(), mode: "Auto".to_owned(), policy };
        Workload { container: Some(container), vpas: Some(vec![vpa]), ..Workload::default() }
    }

    /// What stands there after the patch and after its inverse.
    fn ways(workload: &Workload) -> Option<[Value; 2]> {
        let (plan, services) = (example::plan(), [example::service()]);
        let all = changes(&plan, &services);
        let of = all.iter().find(|of| of.component.name == REDIS.0).unwrap();
        let bounds = bounds(&plan, of, Some(workload), "redis")?;
        Some([(Way::Forward, &bounds.after), (Way::Undo, &bounds.before)].map(|(way, held)| {
            let file = bounds.file(of, way, held).write(&plan, super::super::Form::Patch);
            let read: Value = serde_saphyr::from_str(&file.content).unwrap();
            read["spec"]["resourcePolicy"].clone()
        }))
    }

    #[test]
    fn a_vpa_without_a_policy_gets_one_and_loses_it_again() {
        let limit = json!({"containerPolicies": [{"containerName": "redis", "maxAllowed": {"memory": "1Gi"}}]});
        assert_eq!(ways(&workload(Value::Null)), Some([limit.clone(), Value::Null]));
        let empty = ways(&workload(json!({}))).unwrap();
        assert_eq!(empty, [limit, json!({"containerPolicies": null})]);
    }

    #[test]
    fn the_policy_for_all_is_kept_and_is_what_the_container_begins_with() {
        let all = json!({"containerName": "*", "mode": "Auto", "minAllowed": {"cpu": 1, "memory": "2Gi"}});
        let [after, before] = ways(&workload(json!({"containerPolicies": [all]}))).unwrap();
        assert_eq!(before["containerPolicies"], json!([all]));
        assert_eq!(after["containerPolicies"][0], all);
        // the lower bound is more than the 1Gi that is advised: no upper one
        assert_eq!(after, before);
        let less = json!({"containerName": "*", "minAllowed": {"cpu": 1, "memory": "512Mi"}});
        let [after, _] = ways(&workload(json!({"containerPolicies": [less]}))).unwrap();
        assert_eq!(after["containerPolicies"][0], less);
        let mine = json!({"containerName": "redis", "minAllowed": {"cpu": 1, "memory": "512Mi"},
            "maxAllowed": {"memory": "1Gi"}});
        assert_eq!(after["containerPolicies"][1], mine);
    }

    #[test]
    fn a_bound_that_is_there_goes_up_and_never_down() {
        let with = |policy: Value| json!({"containerPolicies": [policy]});
        let max =
            |held: &str| with(json!({"containerName": "redis", "maxAllowed": {"memory": held}}));
        assert_eq!(ways(&workload(max("512Mi"))).unwrap()[0], max("1Gi"));
        assert_eq!(ways(&workload(max("4Gi"))).unwrap()[0], max("4Gi"));
        let off = with(json!({"containerName": "redis", "mode": "Off"}));
        assert_eq!(ways(&workload(off.clone())).unwrap()[0], off);
        // a lower bound that goes up takes an upper one below it along
        let request = |action, target| {
            let why = vec![example::because(Code::Usage, "peak")];
            let current = example::mebibytes(256);
            let one = example::setting(
                REDIS,
                Setting::MemoryRequest,
                current,
                example::mebibytes(target),
                why,
            );
            Recommendation { action, ..one }
        };
        let moved = |policy: Value, one: &Recommendation| {
            let mut policy = policy.as_object().unwrap().clone();
            let said = bound(&mut policy, &[one]);
            (Value::Object(policy), said)
        };
        let (policy, said) = moved(
            json!({"minAllowed": {"memory": "128Mi"}, "maxAllowed": {"memory": "300Mi"}}),
            &request(Action::Raise, 512),
        );
        assert_eq!(
            policy,
            json!({"minAllowed": {"memory": "512Mi"}, "maxAllowed": {"memory": "512Mi"}})
        );
        assert_eq!(said[0], "minAllowed.memory: 512Mi, was 128Mi  USAGE");
        let above = json!({"minAllowed": {"memory": "2Gi"}});
        assert_eq!(moved(above.clone(), &request(Action::Raise, 512)), (above, Vec::new()));
        // what is kept for want of evidence is no reason for an upper bound
        let limit = Recommendation { setting: Setting::MemoryLimit, ..request(Action::Keep, 256) };
        assert_eq!(moved(json!({}), &limit), (json!({}), Vec::new()));
    }

    #[test]
    fn of_two_vpas_or_a_container_that_was_not_told_nothing_is_said() {
        let mut two = workload(Value::Null);
        two.vpas.iter_mut().for_each(|all| all.extend(all.clone()));
        let untold = Workload { container: None, ..workload(Value::Null) };
        assert_eq!((ways(&two), ways(&untold)), (None, None));
    }
}
