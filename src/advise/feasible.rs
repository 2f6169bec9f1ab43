//! Whether the cluster has room for what is advised: quotas, limit ranges, nodes, disruption budgets, zones.
//!
//! What a table asks for is advised whether it fits or not: a smaller number would hide what is missing. So each limit
//! that binds is a finding that says how much fits. What nobody told is no limit here, and a finding of its own:
//! a review is read where nobody sees what was said when it was made.

mod hands;
mod nodes;
mod quota;
mod storage;

use serde_json::{Value, json};

use crate::advise::findings;
use crate::advise::plan::{
    Action, Amount, Code, Finding, Reason, Recommendation, ServicePlan, Setting, Severity,
};
use crate::service::live::{Amounts, Gap, Live, Namespace, Workload};
use crate::service::needs::Needs;
use crate::service::pod::{asks, contradiction, outside};
use crate::service::{Component, Service};
use crate::units::counted;

/// Adds what the cluster has no room for to the findings of each plan. What the components of one namespace ask for
/// together is found once, with the first service that has a part in it.
pub fn add(plans: &mut [(&mut ServicePlan, &Service)], live: &Live) {
    let mut all: Vec<(&str, Advised<'_>)> = Vec::new();
    for (i, (plan, service)) in plans.iter_mut().enumerate() {
        let of_all = |gap: &&Gap| gap.namespace.is_none() && i == 0;
        let hidden = live.gaps.iter().filter(|gap| {
            !gap.of_settings && (of_all(gap) || gap.namespace.as_ref() == Some(&service.namespace))
        });
        findings::add(plan, hidden.map(not_told).collect());
        let advised = alone(plan, service, live);
        all.extend(advised.into_iter().map(|one| (service.namespace.as_str(), one)));
    }
    if let (Some(nodes), Some((plan, _))) = (&live.nodes, plans.first_mut()) {
        let all: Vec<&Advised<'_>> = all.iter().map(|(_, advised)| advised).collect();
        findings::add(plan, nodes::too_few_for_all(&all, nodes).into_iter().collect());
    }
    for (name, namespace) in &live.namespaces {
        let here = all.iter().filter(|(of, _)| of == name);
        let here: Vec<&Advised<'_>> = here.map(|(_, advised)| advised).collect();
        let ranges = namespace.limits.as_deref().unwrap_or_default();
        let quotas = namespace.quotas.iter().flatten();
        let mut found: Vec<_> =
            quotas.flat_map(|quota| quota::over(&here, quota, ranges)).collect();
        found.extend(storage::over(plans, (name, namespace), &here));
        for (service, found) in found {
            let is_it = |one: &Service| one.name == service && one.namespace == *name;
            if let Some((plan, _)) = plans.iter_mut().find(|(_, one)| is_it(one)) {
                findings::add(plan, vec![found]);
            }
        }
    }
}

/// What the cluster did not tell.
fn not_told(gap: &Gap) -> Finding {
    let (message, remedy) = (gap.message.clone(), gap.hint.clone());
    Finding { severity: Severity::Warning, code: Code::SourceFailed, message, remedy }
}

/// Adds what there is to say of each component alone, and gives what each would be.
fn alone<'a>(plan: &mut ServicePlan, service: &'a Service, live: &Live) -> Vec<Advised<'a>> {
    let mut found = Vec::new();
    let mut all = Vec::new();
    let namespace = live.namespaces.get(&service.namespace);
    let ranges = namespace.and_then(|namespace| namespace.limits.as_deref()).unwrap_or_default();
    for component in &service.components {
        let Some(workload) = live.workload(&service.name, &component.name) else { continue };
        let Some(advised) = Advised::of(plan, (service, component), workload, namespace) else {
            continue;
        };
        let quotas = namespace.iter().flat_map(|namespace| namespace.quotas.iter().flatten());
        found.extend(quotas.filter_map(|quota| quota::not_counted(&advised, quota, ranges)));
        if let Some(why) = contradiction(&advised.pod, ranges) {
            let message = format!("{}: {why}: the server makes no such pod", advised.name);
            let remedy = "state the larger limit in the same change: of the container, of its pod, or of the limit range that gives one";
            found.push(warning(message, remedy));
        }
        if let Some((range, _)) = outside(&advised.pod, ranges) {
            let message = format!(
                "{}: its advised size is outside of limit range `{}` ({})",
                advised.name,
                range.name,
                range.words()
            );
            found.push(warning(message, "change the limit range in the same change"));
        }
        if let Some(nodes) = &live.nodes {
            found.extend(nodes::too_few(&advised, nodes));
        }
        found.extend(over_budget(&advised, workload));
        found.extend(hands::on(plan, &advised, workload));
        all.push(advised);
    }
    for one in plan.recommendations.iter_mut().filter(|one| one.setting == Setting::Storage) {
        found.extend(not_expandable(one, namespace));
    }
    findings::add(plan, found);
    all
}

/// Holds a volume whose class is not there or does not let it grow: the server refuses the larger claim.
fn not_expandable(one: &mut Recommendation, namespace: Option<&Namespace>) -> Option<Finding> {
    let claim = namespace?.claims.as_ref()?.get(&one.component)?;
    let (today, target) = (one.current?, one.target?);
    if one.action != Action::Raise || claim.expandable != Some(false) {
        return None;
    }
    let class = claim.class.as_deref().unwrap_or_default();
    let (why, remedy) = match claim.has_class {
        Some(false) if class.is_empty() => (
            "has no storage class that would let it expand".to_owned(),
            "make a new, larger claim of a class that can expand, and move the data",
        ),
        Some(false) => (
            format!("is of storage class `{class}`, which the cluster does not have"),
            "make the storage class again, with `allowVolumeExpansion`, or a new, larger claim of another one, and move the data",
        ),
        _ => (
            format!("is of storage class `{class}`, which does not let it expand"),
            "make a new, larger claim and move the data, or set `allowVolumeExpansion` where the driver can do it",
        ),
    };
    let message = format!("{target} by its growth; it {why}");
    // how to make it larger is no way here
    one.reasons.truncate(1);
    one.reasons.insert(0, Reason { code: Code::Room, message });
    (one.action, one.target) = (Action::Keep, Some(today));
    Some(warning(format!("{}: {target} is needed, and it {why}", one.component), remedy))
}

/// What a component would be with every target taken over.
struct Advised<'a> {
    service: &'a str,
    name: &'a str,
    /// The fewest and the most pods.
    least: u64,
    most: u64,
    /// One pod as it would be.
    pod: Value,
    /// Whether no two of them may be on one node.
    apart: bool,
    /// What one pod requests then.
    requests: Amounts,
    /// What one pod and its claims ask of quotas then.
    then: Needs,
    /// What the pods of now and their claims take of them.
    held: Needs,
}

impl<'a> Advised<'a> {
    /// `None`: what runs is not known.
    fn of(
        plan: &ServicePlan,
        (service, component): (&'a Service, &'a Component),
        workload: &Workload,
        namespace: Option<&Namespace>,
    ) -> Option<Self> {
        let ranges = namespace.and_then(|one| one.limits.as_deref()).unwrap_or_default();
        let running = u64::from(workload.replicas?);
        let container = workload.container.as_ref().map(|one| one.name.as_str());
        let target = |setting: Setting| {
            let one = of_component(plan, &component.name).find(|one| one.setting == setting)?;
            one.target.or(one.current)
        };
        let count = |setting| target(setting).map(Amount::figure);
        let replicas = count(Setting::Replicas);
        let mut pod = workload.pod.clone();
        // a pod that was not told stays so
        let all = pod.get_mut("containers").and_then(Value::as_array_mut);
        let mut all = all.into_iter().flatten();
        if let Some(sized) = all.find(|one| container.is_some_and(|name| one["name"] == name)) {
            let limit = target(Setting::MemoryLimit).or(target(Setting::Memory));
            for (group, key, amount) in [
                ("requests", "cpu", target(Setting::CpuRequest)),
                ("requests", "memory", target(Setting::MemoryRequest)),
                ("limits", "memory", limit),
            ] {
                if let Some(amount) = amount {
                    sized["resources"][group][key] = json!(amount.to_string());
                }
            }
        }
        let claims = Needs::of_claims(&workload.claims);
        let left = namespace.map_or(0, |namespace| {
            namespace.claims_left(&component.target.name, &workload.claims, running)
        });
        let now = Needs::of_pod(&workload.pod, ranges).times(running);
        Some(Self {
            service: &service.name,
            name: &component.name,
            least: count(Setting::MinReplicas).or(replicas).unwrap_or(running),
            most: count(Setting::MaxReplicas).or(replicas).unwrap_or(running).max(running),
            requests: asks(&pod, ranges).0,
            then: Needs::of_pod(&pod, ranges).and(&claims),
            held: now.and(&claims.times(running.saturating_add(left))),
            apart: workload.apart,
            pod,
        })
    }
}

fn of_component<'a>(
    plan: &'a ServicePlan,
    name: &'a str,
) -> impl Iterator<Item = &'a Recommendation> + Clone {
    plan.recommendations.iter().filter(move |one| one.component == name)
}

fn warning(message: String, remedy: &str) -> Finding {
    Finding { severity: Severity::Warning, code: Code::Room, message, remedy: remedy.to_owned() }
}

/// A disruption budget that would leave no pod to be evicted, so that no node could be drained.
fn over_budget(advised: &Advised<'_>, workload: &Workload) -> Option<Finding> {
    let mut budgets = workload.budgets.iter().flatten();
    // where no pod is, none keeps a node from being drained
    let budget = budgets.find(|one| advised.least > 0 && one.allows(advised.least) == 0)?;
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
    use crate::service::live::{
        Budget, Claim, Container, Counted, LimitRange, Node, Quota, Scope, Share, Taken,
    };
    use crate::units::{Bytes, Millicores};

    /// The example's `api`: 3 to 5 pods today, 5 to 10 advised, each of 600m and 384Mi.
    fn found(change: impl Fn(&mut Live, &mut Workload)) -> Vec<String> {
        let findings = of(example::plan().services.remove(0), change).findings;
        assert!(findings.iter().all(|one| one.code == Code::Room));
        findings.into_iter().map(|one| one.message).collect()
    }

    pub(super) fn of(
        mut plan: ServicePlan,
        change: impl Fn(&mut Live, &mut Workload),
    ) -> ServicePlan {
        let service = example::service();
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
            pod: json!({"containers": [{"name": "mesh", "resources": {"limits": {"cpu": "0", "memory": "0"}}}, {"name": "api", "resources": {
                "requests": {"cpu": "600m", "memory": "384Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}}]}),
            ..Workload::default()
        };
        let mut live = Live::default();
        change(&mut live, &mut workload);
        live.workloads.insert((service.name.clone(), "api".to_owned()), workload);
        add(&mut [(&mut plan, &service)], &live);
        plan
    }

    /// `data-0` of 50Gi, of which 80Gi are advised.
    fn grown(change: impl Fn(&mut Claim), quotas: Option<&[Quota]>) -> ServicePlan {
        let why = vec![example::because(Code::TierRow, "Low")];
        let name = ("data-0", "PersistentVolumeClaim/data-0");
        let [now, then] = [50, 80].map(|gibibytes| example::mebibytes(gibibytes << 10));
        let one = example::setting(name, Setting::Storage, now, then, why);
        of(example::service_plan(vec![one]), |live, _| {
            let mut claim = Claim {
                request: Some(Bytes(50 << 30)),
                capacity: None,
                class: Some("slow".to_owned()),
                expandable: Some(true),
                has_class: Some(true),
            };
            change(&mut claim);
            let claims = Some([("data-0".to_owned(), claim)].into());
            let quotas = quotas.map(<[Quota]>::to_vec);
            let namespace = Namespace { quotas, claims, ..Namespace::default() };
            live.namespaces.insert(example::service().namespace, namespace);
        })
    }

    #[test]
    fn a_volume_whose_class_does_not_expand_or_is_not_there_is_kept_and_named() {
        let held = |change: fn(&mut Claim), why: &str| {
            let held = grown(change, None);
            let one = &held.recommendations[0];
            assert_eq!((one.action, one.target), (Action::Keep, one.current));
            assert_eq!(one.reasons[0].message, format!("80Gi by its growth; it {why}"));
            assert_eq!(held.findings[0].message, format!("data-0: 80Gi is needed, and it {why}"));
        };
        held(
            |claim| claim.expandable = Some(false),
            "is of storage class `slow`, which does not let it expand",
        );
        held(
            |claim| (claim.has_class, claim.expandable) = (Some(false), Some(false)),
            "is of storage class `slow`, which the cluster does not have",
        );
        held(
            |claim| {
                (claim.has_class, claim.expandable) = (Some(false), Some(false));
                claim.class = Some(String::new());
            },
            "has no storage class that would let it expand",
        );
        for expandable in [Some(true), None] {
            let grown = grown(|claim| claim.expandable = expandable, None);
            let then = example::mebibytes(80 << 10);
            assert_eq!((grown.recommendations[0].target, grown.findings.len()), (then, 0));
        }
    }

    #[test]
    fn a_quota_that_has_less_than_a_volume_grows_by_is_named() {
        // 30Gi more are advised
        let says = |what: Counted, hard: u64| {
            let quota = counting([(what, hard << 30, 50 << 30)]);
            let found = grown(|_| {}, Some(&[quota])).findings;
            found.into_iter().map(|one| one.message).collect::<Vec<_>>()
        };
        let of = |class: &str| Counted::Storage(Some(class.to_owned()));
        let all = "data-0: 30Gi more is advised, and storage requests of quota `team` leave 29Gi";
        assert_eq!(says(Counted::Storage(None), 79), [all]);
        let of_class = "data-0: 30Gi more is advised, and storage requests of class `slow` of quota `team` leave 0";
        assert_eq!(says(of("slow"), 50), [of_class]);
        for (what, hard) in [(Counted::Storage(None), 80), (of("slow"), 80), (of("fast"), 50)] {
            assert_eq!(says(what, hard), Vec::<String>::new());
        }
        // what does not grow asks for nothing
        let quota = [counting([(Counted::Storage(None), 50 << 30, 50 << 30)])];
        let held = grown(|claim| claim.expandable = Some(false), Some(&quota));
        assert_eq!(held.findings.len(), 1);
    }

    fn counting<const N: usize>(counts: [(Counted, u64, u64); N]) -> Quota {
        let counts = counts.map(|(what, hard, used)| (what, Taken { hard, used }));
        Quota { name: "team".to_owned(), scopes: Vec::new(), counts: counts.into() }
    }

    fn quota(hard: u64, used: u64) -> Quota {
        counting([(Counted::CpuRequests, hard, used)])
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
        // a scope that our pods are in is no way out, one that they are not in is
        let scoped = |scope| Quota { scopes: vec![scope], ..quota(6000, 2200) };
        assert_eq!(of(scoped(Scope::Terminating(false))), said);
        assert_eq!(of(scoped(Scope::Terminating(true))), Vec::<String>::new());
        let of_limits = of(counting([(Counted::MemoryLimits, 4096 << 20, 1536 << 20)]));
        assert!(
            of_limits[0].contains("memory limits of quota `team` are enough for 8"),
            "{of_limits:?}"
        );
    }

    #[test]
    fn nodes_that_hold_fewer_pods_and_a_limit_range_that_is_narrower_are_named() {
        let node = |cpu| Node {
            name: "n".to_owned(),
            allocatable: Amounts { cpu: Some(Millicores(cpu)), memory: None },
            pods: Some(110),
            zone: None,
            labels: [("pool".to_owned(), format!("{cpu}"))].into(),
            taints: Vec::new(),
            schedulable: true,
        };
        // three pods of 600m on a node of 2 cores, six on one of 3.9
        let said = found(|live, _| live.nodes = Some(vec![node(2000), node(3900)]));
        assert!(said[0].contains("the 2 nodes of today that take them hold 9"), "{said:?}");
        let gpu = json!({"key": "gpu", "effect": "NoSchedule"});
        let tainted = Node { taints: vec![gpu], ..node(9000) };
        let said = found(|live, _| live.nodes = Some(vec![node(2000), tainted.clone()]));
        assert!(said[0].contains("the 1 node of today that take them hold 3"), "{said:?}");
        let said = found(|live, workload| {
            live.nodes = Some(vec![node(2000), node(64_000)]);
            workload.pod["nodeSelector"] = json!({"pool": "2000"});
        });
        assert!(said[0].contains("the 1 node of today that take them hold 3"), "{said:?}");
        assert_eq!(found(|live, _| live.nodes = Some(Vec::new())), Vec::<String>::new());
        let ranged = |of: &str, max: u64| {
            found(|live, _| {
                let max = Amounts { cpu: None, memory: Some(Bytes(max << 20)) };
                let range = LimitRange {
                    name: "small".to_owned(),
                    of: of.to_owned(),
                    min: Amounts::default(),
                    max,
                    default: Amounts::default(),
                    max_ratio: [None; 2],
                    default_request: Amounts::default(),
                };
                let namespace = Namespace { limits: Some(vec![range]), ..Namespace::default() };
                live.namespaces.insert(example::service().namespace, namespace);
            })
        };
        let outside =
            ["api: its advised size is outside of limit range `small` (memory at most 256Mi)"];
        assert_eq!(ranged("Container", 256), outside);
        assert_eq!(ranged("Pod", 256), outside);
        assert_eq!(ranged("Pod", 512), Vec::<String>::new());
    }

    #[test]
    fn a_budget_that_lets_no_pod_go_is_named() {
        let with = |least: Share| {
            found(|_, workload| {
                let budget = Budget {
                    name: "api".to_owned(),
                    min_available: Some(least),
                    max_unavailable: None,
                };
                workload.budgets = Some(vec![budget]);
            })
        };
        // five is advised
        assert_eq!(with(Share::Pods(4)), Vec::<String>::new());
        let said = with(Share::Pods(5));
        assert!(said[0].contains("with 5 pods the disruption budget `api` lets none be evicted"));
        // four fifths of five are four; 81 % are five, for a share is rounded up
        assert_eq!(with(Share::Percent(80)), Vec::<String>::new());
        assert_eq!(with(Share::Percent(81)), said);
    }
}
