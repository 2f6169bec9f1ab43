//! Guards of fit: bounds and limits among themselves, disruption budgets and zones, quota and nodes.

use serde_json::Value;

use super::{Checked, Situation, no};
use crate::advise::plan::Setting;
use crate::apply::{Found, field};
use crate::render::objects::Kind;
use crate::service::live::{Amounts, Budget, Counted, LimitRange, Namespace, Quota, Share, Taken};
use crate::service::needs::Needs;
use crate::service::placing::may_come_to;
use crate::service::pod::{asks, class, contradiction, is_counted, outside, unstated};

/// The object with the new values in it.
fn after(s: &Situation<'_>) -> Option<Value> {
    let mut after = s.object()?.clone();
    s.writes
        .iter()
        .for_each(|write| field::put(&mut after, &write.path, field::json(write.sent())));
    Some(after)
}

pub(super) fn bounds(s: &Situation<'_>) -> Checked {
    let (Some(before), Some(after)) = (s.object(), after(s)) else { return Ok(()) };
    let none = s.writes.iter().find(|write| write.to.figure() == 0);
    if let Some(write) = none {
        return no(format!("`{}` would be nothing at all", write.path), "see `plimsoll explain`");
    }
    let (low, high) = match s.change.kind {
        Kind::ScaledObject => ("minReplicaCount", "maxReplicaCount"),
        _ => ("minReplicas", "maxReplicas"),
    };
    let bound = |key: &str, default| after["spec"][key].as_u64().unwrap_or(default);
    if s.scales() && bound(low, 0) > bound(high, 100) {
        return no(
            format!("`{low}` {} would be above `{high}` {}", bound(low, 0), bound(high, 100)),
            "apply both, or plan again",
        );
    }
    let (before, after) = (template(before), template(&after));
    let namespace = s.live.namespaces.get(&s.change.namespace);
    if let Some(why) = contradiction(after, ranges(namespace)) {
        return no(why, "raise that limit first");
    }
    if class(before) != class(after) {
        return no(
            format!("its pods would become {} from {}", class(after), class(before)),
            "change request and limit together in a pull request",
        );
    }
    Ok(())
}

pub(super) fn disruption(s: &Situation<'_>) -> Checked {
    let running = s.found.workload.as_ref().and_then(|of| of["spec"]["replicas"].as_u64());
    let cut = s.writes.iter().find(|write| {
        write.setting == Setting::MaxReplicas
            && write.to.figure() < write.from.figure()
            && running.is_none_or(|running| write.to.figure() < running)
    });
    if let Some(write) = cut {
        return no(
            format!("`{}` {} would end pods that run now", write.path, write.to),
            "wait until fewer run",
        );
    }
    let counts = [Setting::Replicas, Setting::MinReplicas];
    let lowered = s
        .writes
        .iter()
        .find(|write| counts.contains(&write.setting) && write.to.figure() < write.from.figure());
    let Some(lowered) = lowered else { return Ok(()) };
    // a floor of the loop goes back to what a person set
    if s.floor.is_none() {
        claims_stay(s.found)?;
    }
    let to = lowered.to.figure();
    let workload = s.live.workload(&s.change.service, &s.change.component);
    let told = workload.and_then(|workload| Some((workload, workload.budgets.as_ref()?)));
    let Some((workload, budgets)) = told else {
        return no(
            "whether a disruption budget holds cannot be read",
            "allow `list` on poddisruptionbudgets",
        );
    };
    if let Some(why) = budgets.iter().find_map(|one| drained(one, lowered.from.figure(), to)) {
        return no(why, "lower the budget first");
    }
    let Some(zones) = s.live.zones(workload) else {
        return no("how many zones there are cannot be read", "allow `list` on nodes");
    };
    if to < u64::from(zones) {
        return no(
            format!("{to} replicas would leave some of the {zones} zones without one"),
            "lower it by hand, if that is meant",
        );
    }
    Ok(())
}

/// Whether volume claims outlive the pods that end: what they hold would be lost, and no rollback brings it back.
pub(super) fn claims_stay(found: &Found) -> Checked {
    let spec = found.workload.as_ref().map_or(&Value::Null, |workload| &workload["spec"]);
    let has_claims = spec["volumeClaimTemplates"].as_array().is_some_and(|all| !all.is_empty());
    let retention = &spec["persistentVolumeClaimRetentionPolicy"];
    if !has_claims || retention["whenScaled"] != "Delete" {
        return Ok(());
    }
    no(
        "the volume claims of the pods that end would be deleted with them (`whenScaled: Delete`)",
        "set `persistentVolumeClaimRetentionPolicy.whenScaled: Retain` first, or lower it by hand",
    )
}

/// What a budget says to fewer pods, where it then lets none be evicted.
fn drained(budget: &Budget, from: u64, to: u64) -> Option<String> {
    let wants = match budget.min_available? {
        Share::Pods(least) => format!("{least} pods"),
        Share::Percent(least) => format!("{least} % of its pods"),
    };
    budget.is_drained(from, to).then(|| {
        format!(
            "budget `{}` wants {wants} at all times: with {to} no node could be drained",
            budget.name
        )
    })
}

pub(super) fn room(s: &Situation<'_>) -> Checked {
    let Some(workload) = &s.found.workload else { return Ok(()) };
    let namespace = s.live.namespaces.get(&s.change.namespace);
    if s.resizes() {
        let Some(after) = after(s) else { return Ok(()) };
        limits_fit(namespace, &after)?;
        nodes_fit(s, &after)?;
        return quotas_fit(s, namespace, workload, Some(&after));
    }
    quotas_fit(s, namespace, workload, None)
}

/// Whether what is asked for in addition fits what every quota has left. A count that a quota does not let in is
/// refused by the server pod by pod; a size that does not fit stops a rollout half-way, so there not to know refuses.
fn quotas_fit(
    s: &Situation<'_>,
    namespace: Option<&Namespace>,
    workload: &Value,
    resized: Option<&Value>,
) -> Checked {
    let Some(quotas) = namespace.and_then(|namespace| namespace.quotas.as_ref()) else {
        return match resized {
            None => Ok(()),
            Some(_) => no("what its quotas leave cannot be read", "allow `list` on resourcequotas"),
        };
    };
    let ranges = ranges(namespace);
    let after = template(resized.unwrap_or(workload));
    let made = made(s, after);
    let extra = extra(s, workload, resized, ranges);
    let mut mine = quotas.iter().filter(|quota| is_counted(&made, &quota.scopes, ranges));
    let new_pods = resized.is_some() || extra.of(&Counted::Pods) > 0;
    let unstated = |quota| Some((quota, unstated(after, quota, ranges).filter(|_| new_pods)?));
    if let Some((Quota { name, .. }, (container, what))) = mine.clone().find_map(unstated) {
        return no(
            format!(
                "quota `{name}` counts {what}, and container `{container}` states none: no such pod would be made"
            ),
            "state it for every container in a pull request",
        );
    }
    let short = mine.find_map(|quota| {
        let booked = booked(s, quota, ranges);
        lacking(quota, &extra, &booked).map(|what| (quota, what))
    });
    match short {
        None => Ok(()),
        Some((quota, what)) => no(
            format!("quota `{}` has no room for that: {what}", quota.name),
            "raise the quota first",
        ),
    }
}

/// What is asked for in addition to what is there.
fn extra(
    s: &Situation<'_>,
    workload: &Value,
    resized: Option<&Value>,
    ranges: &[LimitRange],
) -> Needs {
    let running = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    let (now, after) = (template(workload), template(resized.unwrap_or(workload)));
    let (now, each) = (Needs::of_pod(now, ranges), Needs::of_pod(after, ranges));
    let counts = [Setting::Replicas, Setting::MinReplicas];
    let counts = s.writes.iter().filter(|write| counts.contains(&write.setting));
    let more = counts.map(|write| write.to.figure().saturating_sub(running)).max().unwrap_or(0);
    // one pod more than there are is there while a rollout goes on
    let pods = more + u64::from(resized.is_some() && s.change.kind == Kind::Deployment);
    let larger = each.clone().beyond(&now).times(running);
    larger.and(&each.times(pods)).and(&claims(s, running, more))
}

/// What the volume claims of so many more pods ask for; those of pods that were there before are there still.
fn claims(s: &Situation<'_>, running: u64, more: u64) -> Needs {
    let workload = s.live.workload(&s.change.service, &s.change.component);
    let claims = workload.map_or(&[][..], |workload| &workload.claims);
    let namespace = s.live.namespaces.get(&s.change.namespace);
    let left = namespace.map_or(0, |one| one.claims_left(&s.change.workload.1, claims, running));
    Needs::of_claims(claims).times(more.saturating_sub(left))
}

/// What a change of this run asks of the quotas of its namespace.
#[derive(Debug)]
pub struct Booked {
    namespace: String,
    pod: Value,
    needs: Needs,
}

/// What a change asks of quotas; `None`: it makes no pods.
#[must_use]
pub fn books(s: &Situation<'_>) -> Option<Booked> {
    let workload = s.found.workload.as_ref()?;
    let resized = after(s).filter(|_| s.resizes());
    let ranges = ranges(s.live.namespaces.get(&s.change.namespace));
    let needs = extra(s, workload, resized.as_ref(), ranges);
    let pod = made(s, template(resized.as_ref().unwrap_or(workload)));
    Some(Booked { namespace: s.change.namespace.clone(), pod, needs })
}

/// The pod as it is made: its priority class may be given to it by the cluster, and those that run tell.
fn made(s: &Situation<'_>, pod: &Value) -> Value {
    let mut made = pod.clone();
    let told = s.found.pods.iter().flatten().map(|pod| &pod["spec"]["priorityClassName"]);
    if let Some(class) = told.into_iter().find(|class| class.is_string())
        && made["priorityClassName"].is_null()
    {
        made["priorityClassName"] = class.clone();
    }
    made
}

/// What other changes of the run ask of a quota, which has not counted their pods yet.
fn booked(s: &Situation<'_>, quota: &Quota, ranges: &[LimitRange]) -> Needs {
    let here = s.booked.iter().filter(|one| one.namespace == s.change.namespace);
    let mine = here.filter(|one| is_counted(&one.pod, &quota.scopes, ranges));
    mine.fold(Needs::default(), |all, one| all.and(&one.needs))
}

/// What a quota is short of for what is asked for in addition, beside what is `booked` already.
fn lacking<'a>(quota: &'a Quota, extra: &Needs, booked: &Needs) -> Option<&'a Counted> {
    let short = |(what, taken): &(&Counted, &Taken)| {
        let all = extra.of(what).saturating_add(booked.of(what));
        extra.of(what) > 0 && taken.used.saturating_add(all) > taken.hard
    };
    quota.counts.iter().find(short).map(|(what, _)| what)
}

/// Whether its pods stay within what the namespace allows for a pod and for a container.
fn limits_fit(namespace: Option<&Namespace>, after: &Value) -> Checked {
    let Some(ranges) = namespace.and_then(|namespace| namespace.limits.as_ref()) else {
        return no("what its limit ranges allow cannot be read", "allow `list` on limitranges");
    };
    match outside(template(after), ranges) {
        None => Ok(()),
        Some((range, what)) => no(
            format!("{what} would be outside of limit range `{}`", range.name),
            "change the limit range first",
        ),
    }
}

/// Whether some node could ever hold such a pod.
fn nodes_fit(s: &Situation<'_>, after: &Value) -> Checked {
    let Some(nodes) = &s.live.nodes else {
        return no("how large the nodes are cannot be read", "allow `list` on nodes");
    };
    let namespace = s.live.namespaces.get(&s.change.namespace);
    let (needs, _) = asks(template(after), ranges(namespace));
    let holds = |of: &Amounts| {
        of.cpu.is_none_or(|cpu| needs.cpu.is_none_or(|needs| cpu >= needs))
            && of.memory.is_none_or(|memory| needs.memory.is_none_or(|needs| memory >= needs))
    };
    let schedulable: Vec<_> = nodes.iter().filter(|node| node.schedulable).collect();
    // with no node to look at, nodes are made on demand
    let pod = template(after);
    let mut taking = schedulable.iter().filter(|node| may_come_to(pod, node));
    if schedulable.is_empty() || taking.any(|node| holds(&node.allocatable)) {
        return Ok(());
    }
    if !schedulable.iter().any(|node| may_come_to(pod, node)) {
        return no(
            "no node takes its pods: none that they select has only taints that they tolerate",
            "add a node that does",
        );
    }
    no("its pods would fit on no node", "add a larger node first")
}

/// What the pods of a workload are made from.
fn template(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

fn ranges(namespace: Option<&Namespace>) -> &[LimitRange] {
    namespace.and_then(|namespace| namespace.limits.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::apply::guard::scene::Scene;
    use crate::service::live::{Claim, PodClaim, Scope, Workload};
    use crate::units::Bytes;

    fn memory(mebibytes: u64) -> Amounts {
        Amounts { cpu: None, memory: Some(Bytes(mebibytes << 20)) }
    }

    fn counting(what: Counted, hard: u64, used: u64) -> Quota {
        let counts = [(what, Taken { hard, used })].into();
        Quota { name: "team".to_owned(), scopes: Vec::new(), counts }
    }

    fn refused(mut scene: Scene, change: impl Fn(&mut Namespace)) -> Option<String> {
        scene.live.namespaces.values_mut().for_each(change);
        scene.says(room)
    }

    #[test]
    fn a_limit_range_of_pods_holds_what_its_containers_come_to() {
        let with = |most: u64| {
            refused(Scene::redis(), |namespace| {
                let range = LimitRange {
                    name: "sizes".to_owned(),
                    of: "Pod".to_owned(),
                    min: Amounts::default(),
                    max: memory(most),
                    default: Amounts::default(),
                    max_ratio: [None; 2],
                    default_request: Amounts::default(),
                };
                namespace.limits = Some(vec![range]);
            })
        };
        // 1Gi and 64Mi
        assert_eq!(with(1088), None);
        let said = with(1087).unwrap_or_default();
        assert!(said.ends_with("would be outside of limit range `sizes`"), "{said}");
        assert!(with(768).is_some());
    }

    #[test]
    fn a_quota_of_a_scope_holds_the_pods_that_are_in_it() {
        let with = |scene: Scene, scopes: &[Scope]| {
            refused(scene, |namespace| {
                let quota = counting(Counted::MemoryLimits, 900 << 20, 576 << 20);
                namespace.quotas = Some(vec![Quota { scopes: scopes.to_vec(), ..quota }]);
            })
        };
        let full = Some("quota `team` has no room for that: memory limits".to_owned());
        let high = || Scope::Priority(vec!["high".to_owned()]);
        for scopes in [vec![], vec![Scope::Terminating(false)], vec![Scope::BestEffort(false)]] {
            assert_eq!(with(Scene::redis(), &scopes), full, "{scopes:?}");
        }
        assert_eq!(with(Scene::redis(), &[Scope::Terminating(true)]), None);
        // what is not known holds, and a pod that runs tells its class
        assert_eq!(with(Scene::redis(), &[Scope::Other]), full);
        assert_eq!(with(Scene::redis(), &[high()]), full);
        let mut scene = Scene::redis();
        scene.found.pods = Some(vec![json!({"spec": {"priorityClassName": "low"}})]);
        assert_eq!(with(scene, &[high()]), None);
    }

    #[test]
    fn what_another_change_of_the_run_asks_for_is_no_room_any_more() {
        let mut scene = Scene::workers(2, 3);
        let pod = json!({"containers": [{"name": "worker", "resources": {"limits": {"memory": "64Mi"}}}]});
        scene.found.workload = Some(json!({"spec": {"replicas": 2, "template": {"spec": pod}}}));
        let quota = counting(Counted::Pods, 4, 3);
        scene.live.namespaces.values_mut().for_each(|one| one.quotas = Some(vec![quota.clone()]));
        assert_eq!(scene.says(room), None);
        scene.booked.extend(scene.with(books));
        let full = "quota `team` has no room for that: pods";
        assert_eq!(scene.says(room).as_deref(), Some(full));
    }

    #[test]
    fn a_pod_for_whose_claim_a_quota_has_no_room_is_not_asked_for() {
        let with = |hard, there: &[&str]| {
            let mut scene = Scene::workers(2, 4);
            let request = Bytes(1 << 30);
            let claims = vec![PodClaim { name: "data".to_owned(), request, class: None }];
            for workload in scene.live.workloads.values_mut() {
                workload.claims.clone_from(&claims);
            }
            let claim = Claim {
                request: None,
                capacity: None,
                class: None,
                expandable: None,
                has_class: None,
            };
            let there = there.iter().map(|name| ((*name).to_owned(), claim.clone())).collect();
            refused(scene, |one| {
                one.quotas = Some(vec![counting(Counted::Claims(None), hard, 2)]);
                one.claims = Some(BTreeMap::clone(&there));
            })
        };
        let full = "quota `team` has no room for that: volume claims";
        assert_eq!(with(3, &[]).as_deref(), Some(full));
        assert_eq!(with(4, &[]), None);
        // the third pod was there before, and its claim still is
        assert_eq!(with(3, &["data-worker-0", "data-worker-1", "data-worker-2"]), None);
    }

    #[test]
    fn a_count_is_not_lowered_where_volume_claims_end_with_the_pods() {
        let says = |when: &str, claims: Value, to| {
            let mut scene = Scene::workers(3, to);
            let spec = json!({"replicas": 3, "volumeClaimTemplates": claims,
                "persistentVolumeClaimRetentionPolicy": {"whenScaled": when, "whenDeleted": "Retain"}});
            let workload = json!({"kind": "StatefulSet", "metadata": {}, "spec": spec});
            scene.found.workload = Some(workload);
            scene.says(disruption).unwrap_or_default()
        };
        let one = || json!([{"metadata": {"name": "data"}}]);
        let lost = "the volume claims of the pods that end would be deleted";
        assert!(says("Delete", one(), 2).starts_with(lost));
        for said in
            [says("Retain", one(), 2), says("Delete", json!([]), 2), says("Delete", one(), 4)]
        {
            assert!(!said.contains("claims"), "{said}");
        }
    }

    #[test]
    fn a_quota_that_wants_what_a_container_does_not_state_holds_a_change_that_makes_new_pods() {
        let quota = counting(Counted::CpuRequests, 9000, 0);
        let said = refused(Scene::redis(), |one| one.quotas = Some(vec![quota.clone()]));
        let said = said.unwrap_or_default();
        assert!(said.starts_with("quota `team` counts CPU requests, and container `"), "{said}");
        assert!(said.ends_with("states none: no such pod would be made"), "{said}");
    }

    #[test]
    fn a_count_is_not_lowered_to_where_a_share_lets_no_pod_be_evicted() {
        let says = |from, to, min_available, max_unavailable| {
            let mut scene = Scene::workers(from, to);
            let budget = Budget { name: "w".to_owned(), min_available, max_unavailable };
            let budgets = Some(vec![budget]);
            let workload = Workload { budgets, ..Workload::default() };
            scene.live.workloads.values_mut().for_each(|one| one.clone_from(&workload));
            scene.says(disruption)
        };
        let half = Some(Share::Percent(50));
        // of one pod a half is one
        let said = says(2, 1, half, None).unwrap_or_default();
        let wanted =
            "budget `w` wants 50 % of its pods at all times: with 1 no node could be drained";
        assert_eq!(said, wanted);
        assert_eq!(says(3, 2, half, None), None);
        assert!(says(5, 4, Some(Share::Percent(76)), None).is_some());
        assert_eq!(says(5, 4, Some(Share::Percent(75)), None), None);
        assert!(says(3, 2, Some(Share::Pods(2)), None).is_some());
        // shares of those that may be gone are rounded up too: of one pod, one
        assert_eq!(says(2, 1, None, half), None);
        // where no node could be drained before, it is not the lowering that does it
        assert_eq!(says(3, 2, Some(Share::Percent(100)), None), None);
        assert_eq!(says(3, 2, None, Some(Share::Pods(0))), None);
    }
}
