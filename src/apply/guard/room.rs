//! Guards of fit: bounds and limits among themselves, disruption budgets and zones, quota and nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checked, Situation, no};
use crate::advise::plan::Setting;
use crate::apply::field;
use crate::render::objects::Kind;
use crate::service::live::{Amounts, Namespace, Quota, Share};
use crate::units::{Bytes, Millicores};

/// The object with the new values in it.
fn after(s: &Situation<'_>) -> Option<Value> {
    let mut after = s.object()?.clone();
    s.writes.iter().for_each(|write| field::put(&mut after, &write.path, field::json(write.to)));
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
    for container in containers(&after) {
        let name = container["name"].as_str().unwrap_or_default();
        let (requests, limits) = amounts(container);
        let over = |request: Option<u64>, limit: Option<u64>| {
            request.zip(limit).is_some_and(|(request, limit)| request > limit)
        };
        if over(requests.cpu.map(|cpu| cpu.0), limits.cpu.map(|cpu| cpu.0))
            || over(requests.memory.map(|of| of.0), limits.memory.map(|of| of.0))
        {
            return no(
                format!("container `{name}` would request more than its limit"),
                "raise its limit first",
            );
        }
    }
    if class(before) != class(&after) {
        return no(
            format!("its pods would become {} from {}", class(&after), class(before)),
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
    let to = lowered.to.figure();
    let workload = s.live.workload(&s.change.service, &s.change.component);
    let Some(budgets) = workload.and_then(|workload| workload.budgets.as_ref()) else {
        return no(
            "whether a disruption budget holds cannot be read",
            "allow `list` on poddisruptionbudgets",
        );
    };
    for budget in budgets {
        if let Some(Share::Pods(least)) = budget.min_available
            && to <= u64::from(least)
        {
            return no(
                format!(
                    "budget `{}` wants {least} pods at all times: with {to} no node could be drained",
                    budget.name
                ),
                "lower the budget first",
            );
        }
    }
    let Some(nodes) = &s.live.nodes else {
        return no("how many zones there are cannot be read", "allow `list` on nodes");
    };
    let zones: BTreeSet<&str> = nodes.iter().filter_map(|node| node.zone.as_deref()).collect();
    if to < zones.len() as u64 {
        return no(
            format!("{to} replicas would leave some of the {} zones without one", zones.len()),
            "lower it by hand, if that is meant",
        );
    }
    Ok(())
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
    let running = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    let (now, each) = (pod(workload), pod(resized.unwrap_or(workload)));
    let more = s
        .writes
        .iter()
        .filter(|write| matches!(write.setting, Setting::Replicas | Setting::MinReplicas))
        .map(|write| write.to.figure().saturating_sub(running))
        .max()
        .unwrap_or(0);
    // one pod more than there are is there while a rollout goes on
    let surge = u64::from(resized.is_some() && s.change.kind == Kind::Deployment);
    let extra = |now: u64, each: u64| each.saturating_sub(now) * running + each * (more + surge);
    let extra = Needs {
        requests: [
            extra(now.requests[0], each.requests[0]),
            extra(now.requests[1], each.requests[1]),
        ],
        limits: [extra(now.limits[0], each.limits[0]), extra(now.limits[1], each.limits[1])],
        pods: more + surge,
    };
    let short = quotas
        .iter()
        .filter(|quota| !quota.scoped)
        .find_map(|quota| lacking(quota, &extra).map(|what| (quota, what)));
    match short {
        None => Ok(()),
        Some((quota, what)) => no(
            format!("quota `{}` has no room for that: {what}", quota.name),
            "raise the quota first",
        ),
    }
}

/// CPU and memory, of requests and limits, as bare figures, and pods.
#[derive(Debug, Default)]
struct Needs {
    requests: [u64; 2],
    limits: [u64; 2],
    pods: u64,
}

/// What a pod of the workload asks for.
fn pod(workload: &Value) -> Needs {
    let mut needs = Needs::default();
    for container in containers(workload) {
        let (requests, limits) = amounts(container);
        for (sum, of) in [(&mut needs.requests, requests), (&mut needs.limits, limits)] {
            sum[0] += of.cpu.map_or(0, |cpu| cpu.0);
            sum[1] += of.memory.map_or(0, |memory| memory.0);
        }
    }
    needs
}

fn lacking(quota: &Quota, extra: &Needs) -> Option<&'static str> {
    let short = |hard: Option<u64>, used: Option<u64>, extra: u64| {
        extra > 0 && hard.is_some_and(|hard| used.unwrap_or(0) + extra > hard)
    };
    let (hard, used) = (&quota.hard, &quota.used);
    let cpu = |of: &Amounts| of.cpu.map(|cpu| cpu.0);
    let memory = |of: &Amounts| of.memory.map(|memory| memory.0);
    [
        (cpu(&hard.requests), cpu(&used.requests), extra.requests[0], "CPU requests"),
        (memory(&hard.requests), memory(&used.requests), extra.requests[1], "memory requests"),
        (cpu(&hard.limits), cpu(&used.limits), extra.limits[0], "CPU limits"),
        (memory(&hard.limits), memory(&used.limits), extra.limits[1], "memory limits"),
        (hard.pods.map(u64::from), used.pods.map(u64::from), extra.pods, "pods"),
    ]
    .into_iter()
    .find_map(|(hard, used, extra, what)| short(hard, used, extra).then_some(what))
}

/// Whether each container stays within what the namespace allows for one.
fn limits_fit(namespace: Option<&Namespace>, after: &Value) -> Checked {
    let Some(ranges) = namespace.and_then(|namespace| namespace.limits.as_ref()) else {
        return no("what its limit ranges allow cannot be read", "allow `list` on limitranges");
    };
    for range in ranges.iter().filter(|range| range.of == "Container") {
        for container in containers(after) {
            let (requests, limits) = amounts(container);
            let above = |of: Amounts| {
                of.memory.zip(range.max.memory).is_some_and(|(of, most)| of > most)
                    || of.cpu.zip(range.max.cpu).is_some_and(|(of, most)| of > most)
            };
            let below = requests.memory.zip(range.min.memory).is_some_and(|(of, least)| of < least)
                || requests.cpu.zip(range.min.cpu).is_some_and(|(of, least)| of < least);
            if above(limits) || above(requests) || below {
                let name = container["name"].as_str().unwrap_or_default();
                return no(
                    format!("container `{name}` would be outside of limit range `{}`", range.name),
                    "change the limit range first",
                );
            }
        }
    }
    Ok(())
}

/// Whether some node could ever hold such a pod.
fn nodes_fit(s: &Situation<'_>, after: &Value) -> Checked {
    let Some(nodes) = &s.live.nodes else {
        return no("how large the nodes are cannot be read", "allow `list` on nodes");
    };
    let needs = pod(after);
    let holds = |of: &Amounts| {
        of.cpu.is_none_or(|cpu| cpu.0 >= needs.requests[0])
            && of.memory.is_none_or(|memory| memory.0 >= needs.requests[1])
    };
    let schedulable: Vec<_> = nodes.iter().filter(|node| node.schedulable).collect();
    // with no node to look at, nodes are made on demand
    if schedulable.is_empty() || schedulable.iter().any(|node| holds(&node.allocatable)) {
        return Ok(());
    }
    no("its pods would fit on no node", "add a larger node first")
}

fn containers(workload: &Value) -> impl Iterator<Item = &Value> {
    workload["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten()
}

/// Requests and limits; what is not requested is requested as much as it is limited.
fn amounts(container: &Value) -> (Amounts, Amounts) {
    let of = |group: &str| {
        let group = &container["resources"][group];
        let cpu = group["cpu"].as_str().and_then(|cpu| cpu.parse::<Millicores>().ok());
        let memory = group["memory"].as_str().and_then(|memory| memory.parse::<Bytes>().ok());
        Amounts { cpu, memory }
    };
    let (requests, limits) = (of("requests"), of("limits"));
    let requests =
        Amounts { cpu: requests.cpu.or(limits.cpu), memory: requests.memory.or(limits.memory) };
    (requests, limits)
}

/// The class of service of its pods (Kubernetes, "Pod Quality of Service Classes").
fn class(workload: &Value) -> &'static str {
    let all: Vec<(Amounts, Amounts)> = containers(workload).map(amounts).collect();
    let whole = |(requests, limits): &(Amounts, Amounts)| {
        limits.cpu.is_some() && limits.memory.is_some() && requests == limits
    };
    if all.is_empty() || all.iter().all(|(requests, _)| *requests == Amounts::default()) {
        "BestEffort"
    } else if all.iter().all(whole) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
