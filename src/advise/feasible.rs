//! Whether the cluster has room for what is advised: quotas, limit ranges, nodes, disruption budgets, zones.
//!
//! What a table asks for is advised whether it fits or not: a smaller number would hide what is missing. So each limit
//! that binds is a finding that says how much fits. What nobody told is no limit here; that it was not told is said
//! where the cluster is read.

use std::collections::BTreeSet;

use crate::advise::findings;
use crate::advise::plan::{Amount, Code, Finding, ServicePlan, Setting, Severity};
use crate::service::live::{Amounts, Container, Live, Node, Quota, Share, Workload};
use crate::service::{Component, Service};
use crate::units::{Bytes, Millicores, counted};

/// Adds what the cluster has no room for to the findings of a plan.
pub fn add(plan: &mut ServicePlan, service: &Service, live: &Live) {
    let mut found = Vec::new();
    for component in &service.components {
        let Some(workload) = live.workload(&service.name, &component.name) else { continue };
        let Some(advised) = Advised::of(plan, component, workload) else { continue };
        let namespace = live.namespaces.get(&service.namespace);
        let quotas = namespace.and_then(|namespace| namespace.quotas.as_ref());
        for quota in quotas.into_iter().flatten().filter(|quota| !quota.scoped) {
            found.extend(over_quota(&advised, quota));
        }
        for range in namespace.and_then(|namespace| namespace.limits.as_ref()).into_iter().flatten()
        {
            let outside = range.of == "Container"
                && (above(advised.limits, range.max)
                    || above(advised.requests, range.max)
                    || above(range.min, advised.requests));
            if outside {
                let message = format!(
                    "{}: its advised size is outside of limit range `{}`",
                    advised.name, range.name
                );
                found.push(warning(message, "change the limit range in the same change"));
            }
        }
        if let Some(nodes) = &live.nodes {
            found.extend(over_nodes(&advised, nodes));
            found.extend(fewer_than_zones(&advised, nodes));
        }
        found.extend(over_budget(&advised, workload));
    }
    findings::add(plan, found);
}

/// What a component would be with every target taken over.
struct Advised<'a> {
    name: &'a str,
    /// Pods that are asked for now.
    running: u64,
    /// The fewest and the most pods.
    least: u64,
    most: u64,
    /// What one pod asked for, and is to ask for: of the container that is sized.
    now: Amounts,
    requests: Amounts,
    limits: Amounts,
}

impl<'a> Advised<'a> {
    /// `None`: what runs is not known.
    fn of(plan: &ServicePlan, component: &'a Component, workload: &Workload) -> Option<Self> {
        let running = u64::from(workload.replicas?);
        let Container { requests, limits, .. } = workload.container.as_ref()?;
        let target = |setting: Setting| {
            let mut all = plan.recommendations.iter();
            let one = all.find(|one| one.component == component.name && one.setting == setting)?;
            one.target.or(one.current)
        };
        let count = |setting| target(setting).map(Amount::figure);
        let bytes = |setting| count(setting).map(Bytes);
        let (count_of, memory) = (count(Setting::Replicas), bytes(Setting::MemoryLimit));
        Some(Self {
            name: &component.name,
            running,
            least: count(Setting::MinReplicas).or(count_of).unwrap_or(running),
            most: count(Setting::MaxReplicas).or(count_of).unwrap_or(running).max(running),
            now: *requests,
            requests: Amounts {
                cpu: count(Setting::CpuRequest).map(Millicores).or(requests.cpu),
                memory: bytes(Setting::MemoryRequest).or(requests.memory),
            },
            limits: Amounts {
                cpu: limits.cpu,
                memory: memory.or(bytes(Setting::Memory)).or(limits.memory),
            },
        })
    }
}

fn warning(message: String, remedy: &str) -> Finding {
    Finding { severity: Severity::Warning, code: Code::Room, message, remedy: remedy.to_owned() }
}

/// Whether an amount that is stated passes one that is stated.
fn above(of: Amounts, most: Amounts) -> bool {
    of.cpu.zip(most.cpu).is_some_and(|(of, most)| of > most)
        || of.memory.zip(most.memory).is_some_and(|(of, most)| of > most)
}

/// A quota that ends before the most pods are there; one finding, for the resource of which the fewest fit.
fn over_quota(advised: &Advised<'_>, quota: &Quota) -> Option<Finding> {
    let cpu = |of: Amounts| of.cpu.map(|cpu| cpu.0);
    let memory = |of: Amounts| of.memory.map(|memory| memory.0);
    let (hard, used) = (&quota.hard, &quota.used);
    let resources = [
        (
            "CPU requests",
            cpu(hard.requests),
            cpu(used.requests),
            cpu(advised.requests),
            cpu(advised.now),
        ),
        (
            "memory requests",
            memory(hard.requests),
            memory(used.requests),
            memory(advised.requests),
            memory(advised.now),
        ),
        ("pods", hard.pods.map(u64::from), used.pods.map(u64::from), Some(1), Some(1)),
    ];
    let fit = |(what, hard, used, each, now): (
        &'static str,
        Option<u64>,
        Option<u64>,
        Option<u64>,
        Option<u64>,
    )| {
        let (hard, each) = (hard?, each.filter(|each| *each > 0)?);
        // what others take of it; our pods of today give theirs back
        let others = used.unwrap_or(0).saturating_sub(now.unwrap_or(0) * advised.running);
        Some((hard.saturating_sub(others) / each, what))
    };
    let (fits, what) = resources.into_iter().filter_map(fit).min()?;
    (fits < advised.most).then(|| {
        warning(
            format!(
                "{}: {} pods are advised at most, and {what} of quota `{}` are enough for {fits}",
                advised.name, advised.most, quota.name
            ),
            "raise the quota before the pods are needed: the server refuses them one by one",
        )
    })
}

/// Nodes that could not hold the most pods even if nothing else ran on them.
fn over_nodes(advised: &Advised<'_>, nodes: &[Node]) -> Option<Finding> {
    let schedulable: Vec<&Node> = nodes.iter().filter(|node| node.schedulable).collect();
    let times = |all: Option<u64>, each: Option<u64>| match (all, each) {
        (Some(all), Some(each)) if each > 0 => all / each,
        _ => u64::MAX,
    };
    let holds = |node: &&Node| {
        let (all, each) = (node.allocatable, advised.requests);
        times(all.cpu.map(|cpu| cpu.0), each.cpu.map(|cpu| cpu.0))
            .min(times(all.memory.map(|of| of.0), each.memory.map(|of| of.0)))
            .min(node.pods.map_or(u64::MAX, u64::from))
    };
    // with no node to look at, nodes are made on demand
    if schedulable.is_empty() {
        return None;
    }
    let fits = schedulable.iter().map(holds).fold(0, u64::saturating_add);
    (fits < advised.most).then(|| {
        warning(
            format!(
                "{}: {} pods of this size are advised at most, and the {} nodes of today hold {fits} of them, if nothing else runs there",
                advised.name,
                advised.most,
                schedulable.len()
            ),
            "add nodes, or let a cluster autoscaler do it",
        )
    })
}

/// A minimum at which a zone would be left without a pod.
fn fewer_than_zones(advised: &Advised<'_>, nodes: &[Node]) -> Option<Finding> {
    let zones: BTreeSet<&str> = nodes.iter().filter_map(|node| node.zone.as_deref()).collect();
    let few = advised.least < advised.running && advised.least < zones.len() as u64;
    few.then(|| {
        warning(
            format!(
                "{}: {} {} fewer than the {} zones",
                advised.name,
                counted(advised.least, "pod"),
                if advised.least == 1 { "is" } else { "are" },
                zones.len()
            ),
            "`plimsoll apply` will not lower it; lower it by hand, if that is meant",
        )
    })
}

/// A disruption budget that would leave no pod to be evicted, so that no node could be drained.
fn over_budget(advised: &Advised<'_>, workload: &Workload) -> Option<Finding> {
    let stuck = |least: &Option<Share>, gone: &Option<Share>| {
        matches!(least, Some(Share::Pods(least)) if advised.least <= u64::from(*least))
            || matches!(least, Some(Share::Percent(100..)))
            || matches!(gone, Some(Share::Pods(0) | Share::Percent(0)))
    };
    let budgets = workload.budgets.iter().flatten();
    let budget = budgets.into_iter().find(|one| stuck(&one.min_available, &one.max_unavailable))?;
    Some(warning(
        format!(
            "{}: with {} the disruption budget `{}` lets none be evicted: no node can be drained",
            advised.name,
            counted(advised.least, "pod"),
            budget.name
        ),
        "let the budget allow one pod less than `minReplicas`",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::example;
    use crate::service::live::{Budget, LimitRange, Namespace, QuotaAmounts};

    /// The example's `api`: 3 to 5 pods today, 5 to 10 advised, each of 600m and 384Mi.
    fn found(change: impl Fn(&mut Live, &mut Workload)) -> Vec<String> {
        let (mut plan, service) = (example::plan().services.remove(0), example::service());
        plan.findings.clear();
        let amounts = |cpu, memory: u64| Amounts {
            cpu: Some(Millicores(cpu)),
            memory: Some(Bytes(memory << 20)),
        };
        let container = Container {
            name: "api".to_owned(),
            requests: amounts(600, 384),
            limits: amounts(1000, 512),
        };
        let mut workload = Workload {
            exists: Some(true),
            replicas: Some(3),
            container: Some(container),
            ..Workload::default()
        };
        let mut live = Live::default();
        change(&mut live, &mut workload);
        live.workloads.insert((service.name.clone(), "api".to_owned()), workload);
        add(&mut plan, &service, &live);
        assert!(plan.findings.iter().all(|one| one.code == Code::Room));
        plan.findings.into_iter().map(|one| one.message).collect()
    }

    fn quota(hard: u64, used: u64) -> Quota {
        let cpu = |cpu| QuotaAmounts {
            requests: Amounts { cpu: Some(Millicores(cpu)), memory: None },
            ..QuotaAmounts::default()
        };
        Quota { name: "team".to_owned(), scoped: false, hard: cpu(hard), used: cpu(used) }
    }

    #[test]
    fn a_quota_that_is_enough_for_fewer_pods_is_named_with_their_number() {
        let of = |quota: Quota| {
            found(|live, _| {
                let namespace =
                    Namespace { quotas: Some(vec![quota.clone()]), ..Namespace::default() };
                live.namespaces.insert(example::service().namespace, namespace);
            })
        };
        // 6 cores, of which 2.2 are taken, 1.8 of those by our three pods: 5.6 are left for pods of 0.6
        let said = of(quota(6000, 2200));
        assert_eq!(
            said,
            ["api: 10 pods are advised at most, and CPU requests of quota `team` are enough for 9"]
        );
        assert_eq!(of(quota(6400, 2200)), Vec::<String>::new());
        assert_eq!(of(Quota { scoped: true, ..quota(6000, 2200) }), Vec::<String>::new());
    }

    #[test]
    fn nodes_that_hold_fewer_pods_and_a_limit_range_that_is_narrower_are_named() {
        let node = |cpu| Node {
            name: "n".to_owned(),
            allocatable: Amounts { cpu: Some(Millicores(cpu)), memory: None },
            pods: Some(110),
            zone: None,
            schedulable: true,
        };
        // three pods of 600m on a node of 2 cores, six on one of 3.9
        let said = found(|live, _| live.nodes = Some(vec![node(2000), node(3900)]));
        assert!(said[0].contains("the 2 nodes of today hold 9 of them"), "{said:?}");
        assert_eq!(found(|live, _| live.nodes = Some(Vec::new())), Vec::<String>::new());
        let said = found(|live, _| {
            let max = Amounts { cpu: None, memory: Some(Bytes(256 << 20)) };
            let range = LimitRange {
                name: "small".to_owned(),
                of: "Container".to_owned(),
                min: Amounts::default(),
                max,
                default: Amounts::default(),
                default_request: Amounts::default(),
            };
            let namespace = Namespace { limits: Some(vec![range]), ..Namespace::default() };
            live.namespaces.insert(example::service().namespace, namespace);
        });
        assert_eq!(said, ["api: its advised size is outside of limit range `small`"]);
    }

    #[test]
    fn a_budget_that_lets_no_pod_go_is_named() {
        let with = |least: u32| {
            found(|_, workload| {
                let budget = Budget {
                    name: "api".to_owned(),
                    min_available: Some(Share::Pods(least)),
                    max_unavailable: None,
                };
                workload.budgets = Some(vec![budget]);
            })
        };
        // five is advised
        assert_eq!(with(4), Vec::<String>::new());
        assert!(
            with(5)[0].contains("with 5 pods the disruption budget `api` lets none be evicted")
        );
    }
}
