//! What a change must fit into: quotas, limits and claims of a namespace, and the nodes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

use super::cluster::Cluster;
use super::error::KubernetesError;
use super::workload::amounts;
use super::{Quantities, quantity};
use crate::service::live::{
    Amounts, Claim, LimitRange, Namespace, Node, Quota, QuotaAmounts, Scope,
};
use crate::units::Millicores;

/// The label by which a node says its zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// What a namespace allows, and its claims of these names.
pub(super) async fn namespace(
    cluster: &mut Cluster,
    name: &str,
    volumes: &BTreeSet<&str>,
) -> Result<Namespace, KubernetesError> {
    let quotas = cluster.list::<v1::ResourceQuota>(name).await?;
    let limits = cluster.list::<v1::LimitRange>(name).await?;
    let claims = if volumes.is_empty() {
        Some(Vec::new())
    } else {
        cluster.list::<v1::PersistentVolumeClaim>(name).await?
    };
    let named = |claim: &v1::PersistentVolumeClaim| volumes.contains(claim.name_any().as_str());
    Ok(Namespace {
        quotas: quotas.map(|all| all.iter().map(quota).collect()),
        limits: limits.map(|all| all.iter().flat_map(limit_ranges).collect()),
        claims: claims.map(|all| {
            all.into_iter().filter(named).map(|one| (one.name_any(), claim(&one))).collect()
        }),
    })
}

/// Says of every claim whether its class allows expansion; the classes are asked for where there are claims.
pub(super) async fn classes(
    cluster: &mut Cluster,
    namespaces: &mut BTreeMap<String, Namespace>,
) -> Result<(), KubernetesError> {
    let claims = || namespaces.values().flat_map(|one| one.claims.iter().flatten());
    if claims().next().is_none() {
        return Ok(());
    }
    let Some(classes) = cluster.list_all::<StorageClass>().await? else { return Ok(()) };
    // absent `allowVolumeExpansion` is false by the API's own default
    let allows: BTreeMap<String, bool> = classes
        .into_iter()
        .map(|class| (class.name_any(), class.allow_volume_expansion.unwrap_or(false)))
        .collect();
    for claim in namespaces.values_mut().flat_map(|one| one.claims.iter_mut().flatten()) {
        let class = claim.1.class.as_ref();
        claim.1.expandable = class.and_then(|class| allows.get(class)).copied();
    }
    Ok(())
}

/// All nodes.
pub(super) async fn nodes(cluster: &mut Cluster) -> Result<Option<Vec<Node>>, KubernetesError> {
    let nodes = cluster.list_all::<v1::Node>().await?;
    Ok(nodes.map(|all| all.iter().map(node).collect()))
}

fn node(of: &v1::Node) -> Node {
    let allocatable = of.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let refuses = of.spec.as_ref().and_then(|spec| spec.unschedulable);
    let taints = of.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    Node {
        name: of.name_any(),
        allocatable: amounts(allocatable),
        pods: pods(allocatable),
        zone: of.labels().get(ZONE).cloned(),
        taints: taints.filter_map(|taint| serde_json::to_value(taint).ok()).collect(),
        schedulable: !refuses.unwrap_or(false),
    }
}

fn quota(of: &v1::ResourceQuota) -> Quota {
    let spec = of.spec.as_ref();
    let named = spec.iter().flat_map(|spec| spec.scopes.iter().flatten());
    let selector = spec.and_then(|spec| spec.scope_selector.as_ref()?.match_expressions.as_ref());
    let named = named.map(|name| scope(name, "Exists", &[]));
    let selected = selector
        .into_iter()
        .flatten()
        .map(|of| scope(&of.scope_name, &of.operator, of.values.as_deref().unwrap_or_default()));
    Quota {
        name: of.name_any(),
        scopes: named.chain(selected).collect(),
        hard: quota_amounts(spec.and_then(|spec| spec.hard.as_ref())),
        used: quota_amounts(of.status.as_ref().and_then(|status| status.used.as_ref())),
    }
}

fn scope(name: &str, operator: &str, values: &[String]) -> Scope {
    match (name, operator) {
        ("Terminating" | "NotTerminating", "Exists") => Scope::Terminating(name == "Terminating"),
        ("BestEffort" | "NotBestEffort", "Exists") => Scope::BestEffort(name == "BestEffort"),
        ("PriorityClass", "In") => Scope::Priority(values.to_vec()),
        ("CrossNamespacePodAffinity", "Exists") => Scope::Affinity,
        _ => Scope::Other,
    }
}

/// A quota's `cpu` and `memory` are its `requests.cpu` and `requests.memory`.
fn quota_amounts(of: Option<&Quantities>) -> QuotaAmounts {
    let plain = amounts(of);
    QuotaAmounts {
        requests: Amounts {
            cpu: quantity(of, "requests.cpu").or(plain.cpu),
            memory: quantity(of, "requests.memory").or(plain.memory),
        },
        limits: Amounts { cpu: quantity(of, "limits.cpu"), memory: quantity(of, "limits.memory") },
        pods: pods(of).or_else(|| quantity(of, "count/pods")),
    }
}

fn pods(of: Option<&Quantities>) -> Option<u32> {
    quantity(of, "pods")
}

fn limit_ranges(of: &v1::LimitRange) -> Vec<LimitRange> {
    let rules = of.spec.iter().flat_map(|spec| &spec.limits);
    let on_pods = rules.filter(|rule| ["Container", "Pod"].contains(&rule.type_.as_str()));
    let one = |rule: &v1::LimitRangeItem| LimitRange {
        name: of.name_any(),
        of: rule.type_.clone(),
        min: amounts(rule.min.as_ref()),
        max: amounts(rule.max.as_ref()),
        max_ratio: ["cpu", "memory"].map(|resource| {
            // thousandths, as those of a core
            quantity(rule.max_limit_request_ratio.as_ref(), resource).map(|Millicores(of)| of)
        }),
        default: amounts(rule.default.as_ref()),
        default_request: amounts(rule.default_request.as_ref()),
    };
    on_pods.map(one).collect()
}

fn claim(of: &v1::PersistentVolumeClaim) -> Claim {
    let spec = of.spec.as_ref();
    let request = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    let capacity = of.status.as_ref().and_then(|status| status.capacity.as_ref());
    Claim {
        request: quantity(request, "storage"),
        capacity: quantity(capacity, "storage"),
        class: spec.and_then(|spec| spec.storage_class_name.clone()),
        expandable: None,
    }
}
