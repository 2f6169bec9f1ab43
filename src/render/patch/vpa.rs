//! The bounds of a VPA: between them it may set a container's requests.
//!
//! The lower one is the request that is advised: below it, pods lack at the planning load what they were sized by.
//! The upper one is the limit that is advised, and stands for memory alone, since no CPU limit is: a request above it
//! would be one that the pod may never use. A bound that is there already gives way where the two would cross.
//! `containerPolicies` is a list that a patch replaces as a whole, so what the cluster told of it is written again
//! with the one container changed.

use serde_json::{Map, Value, json};

use super::{File, Names, Tree, Way};
use crate::advise::plan::{Amount, Plan, Recommendation, Setting};
use crate::render::changes::{self, ComponentChanges};
use crate::service::live::{Vpa, Workload};
use crate::units::{Bytes, Millicores};

const NAMES: Names = ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "verticalpodautoscaler");

/// The policy of a component's VPA, as it is and as it should be.
pub(super) struct Bounds<'a> {
    vpa: &'a Vpa,
    /// What undoes it: what stands there now, null where there is nothing.
    pub before: Value,
    pub after: Value,
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
    if !bound(&mut policy, &advised) {
        // what stands there is all there is to state
        let after = before.clone();
        return before.is_array().then_some(Bounds { vpa, before, after });
    }
    match mine {
        Some(at) => policies[at] = Value::Object(policy),
        None => policies.push(Value::Object(policy)),
    }
    Some(Bounds { vpa, before, after: Value::Array(policies) })
}

/// Writes what is advised into a policy; whether anything is.
fn bound(policy: &mut Map<String, Value>, advised: &[&Recommendation]) -> bool {
    let amount = |wanted: &[Setting]| {
        let of = advised.iter().filter(|one| wanted.contains(&one.setting));
        of.filter_map(|one| one.target).max_by_key(|amount| amount.figure())
    };
    let bounds = [
        ("minAllowed", "cpu", amount(&[Setting::CpuRequest])),
        ("minAllowed", "memory", amount(&[Setting::MemoryRequest])),
        ("maxAllowed", "memory", amount(&[Setting::Memory, Setting::MemoryLimit])),
    ];
    for (group, resource, amount) in bounds {
        let Some(amount) = amount else { continue };
        put(policy, group, resource, amount);
        let other = if group == "minAllowed" { "maxAllowed" } else { "minAllowed" };
        let there = policy.get(other).and_then(|held| figure(resource, held.get(resource)?));
        let crossed = there.is_some_and(|there| match group {
            "minAllowed" => there < amount.figure(),
            _ => there > amount.figure(),
        });
        if crossed {
            put(policy, other, resource, amount);
        }
    }
    bounds.iter().any(|(_, _, amount)| amount.is_some())
}

fn put(policy: &mut Map<String, Value>, group: &str, resource: &str, amount: Amount) {
    let held = policy.entry(group).or_insert_with(|| json!({}));
    if !held.is_object() {
        *held = json!({});
    }
    held[resource] = json!(amount.to_string());
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
        File {
            kind: NAMES,
            name: &self.vpa.name,
            namespace: &of.service.namespace,
            way,
            spec: Tree::map([("resourcePolicy", whole)]),
            patch_type: " --type merge",
            note: Some(
                "the list is replaced as a whole: it holds what the cluster told of the others",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
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
        // the lower bound gave way: above the upper one it would be refused
        let mine = json!({"containerName": "redis", "mode": "Auto",
            "minAllowed": {"cpu": 1, "memory": "1Gi"}, "maxAllowed": {"memory": "1Gi"}});
        assert_eq!(after["containerPolicies"][1], mine);
    }

    #[test]
    fn of_two_vpas_or_a_container_that_was_not_told_nothing_is_said() {
        let mut two = workload(Value::Null);
        two.vpas.iter_mut().for_each(|all| all.extend(all.clone()));
        let untold = Workload { container: None, ..workload(Value::Null) };
        assert_eq!((ways(&two), ways(&untold)), (None, None));
    }
}
