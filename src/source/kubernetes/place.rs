//! What a change must fit into: quotas, limits and claims of a namespace, and the nodes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

use super::cluster::Cluster;
use super::error::KubernetesError;
use super::workload::amounts;
use super::{Quantities, quantity};
use crate::service::live::{
    Claim, Counted, LimitRange, Live, Namespace, Node, Quota, Scope, Taken,
};
use crate::units::{Bytes, Millicores};

/// The label by which a node says its zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// The annotation by which a storage class says that it is the usual one.
const USUAL: &str = "storageclass.kubernetes.io/is-default-class";

/// What a namespace allows, and its claims where the settings name some, or where its pods come with claims and a quota
/// counts them.
pub(super) async fn namespace(
    cluster: &mut Cluster,
    name: &str,
    (volumes, pods_have_claims): (bool, bool),
) -> Result<Namespace, KubernetesError> {
    let quotas = cluster.list::<v1::ResourceQuota>(name).await?;
    let limits = cluster.list::<v1::LimitRange>(name).await?;
    let quotas: Option<Vec<Quota>> = quotas.map(|all| all.iter().map(quota).collect());
    let of_claims = |what: &Counted| matches!(what, Counted::Claims(_) | Counted::Storage(_));
    let counted = quotas.iter().flatten().flat_map(|quota| quota.counts.keys()).any(of_claims);
    let claims = if volumes || pods_have_claims && counted {
        cluster.list::<v1::PersistentVolumeClaim>(name).await?
    } else {
        Some(Vec::new())
    };
    Ok(Namespace {
        quotas,
        limits: limits.map(|all| all.iter().flat_map(limit_ranges).collect()),
        claims: claims
            .map(|all| all.into_iter().map(|one| (one.name_any(), claim(&one))).collect()),
    })
}

/// Says of every claim whether its class allows expansion, and which class is meant where a pod's claim names none; the
/// classes are asked for where that matters.
pub(super) async fn classes(cluster: &mut Cluster, live: &mut Live) -> Result<(), KubernetesError> {
    let Live { namespaces, workloads, .. } = live;
    let of_a_class =
        |what: &Counted| matches!(what, Counted::Claims(Some(_)) | Counted::Storage(Some(_)));
    let quotas = namespaces.values().flat_map(|one| one.quotas.iter().flatten());
    let counted = quotas.flat_map(|quota| quota.counts.keys()).any(of_a_class);
    let unnamed = workloads.values_mut().flat_map(|one| &mut one.claims);
    let unnamed = unnamed.filter(|claim| counted && claim.class.is_none());
    let mut unnamed = unnamed.peekable();
    let claims = namespaces.values_mut().flat_map(|one| one.claims.iter_mut().flatten());
    let mut claims = claims.peekable();
    if claims.peek().is_none() && unnamed.peek().is_none() {
        return Ok(());
    }
    let Some(classes) = cluster.list_all::<StorageClass>().await? else { return Ok(()) };
    let is_usual =
        |class: &&StorageClass| class.annotations().get(USUAL).is_some_and(|is| is == "true");
    // of several the newest counts
    let usual =
        classes.iter().filter(is_usual).max_by_key(|class| &class.metadata.creation_timestamp);
    for claim in unnamed {
        claim.class = usual.map(ResourceExt::name_any);
    }
    // absent `allowVolumeExpansion` is false by the API's own default
    let allows: BTreeMap<String, bool> = classes
        .iter()
        .map(|class| (class.name_any(), class.allow_volume_expansion.unwrap_or(false)))
        .collect();
    for (_, claim) in claims {
        let allows = claim.class.as_ref().map(|class| allows.get(class).copied());
        claim.has_class = allows.map(|allows| allows.is_some());
        claim.expandable = allows.map(Option::unwrap_or_default);
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
        labels: of.labels().clone(),
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
        counts: counts(
            spec.and_then(|spec| spec.hard.as_ref()),
            of.status.as_ref().and_then(|status| status.used.as_ref()),
        ),
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

/// What a quota counts. One thing may have two names (`cpu` and `requests.cpu`), and both hold: that which leaves less is kept.
fn counts(hard: Option<&Quantities>, used: Option<&Quantities>) -> BTreeMap<Counted, Taken> {
    let mut counts = BTreeMap::new();
    for name in hard.into_iter().flat_map(BTreeMap::keys) {
        let Some(what) = Counted::named(name) else { continue };
        let figure = |of| match what {
            Counted::CpuRequests | Counted::CpuLimits => {
                quantity(of, name).map(|Millicores(of)| of)
            }
            _ => quantity(of, name).map(|Bytes(of)| of),
        };
        let Some(hard) = figure(hard) else { continue };
        let taken = Taken { hard, used: figure(used).unwrap_or(0) };
        let left = |of: &Taken| of.hard.saturating_sub(of.used);
        let kept = counts.entry(what).or_insert(taken);
        if left(&taken) < left(kept) {
            *kept = taken;
        }
    }
    counts
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
        has_class: None,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    use super::*;

    #[test]
    fn what_a_quota_counts_by_two_names_is_bounded_by_the_narrower() {
        let of = |all: &[(&str, &str)]| -> Quantities {
            let all = all
                .iter()
                .map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned())));
            all.collect()
        };
        let counted =
            |hard: &[(&str, &str)], used: &[(&str, &str)]| counts(Some(&of(hard)), Some(&of(used)));
        let taken = |hard, used| Taken { hard, used };
        let used = [("pods", "7"), ("count/pods", "7")];
        for hard in [[("pods", "100"), ("count/pods", "8")], [("pods", "8"), ("count/pods", "100")]]
        {
            assert_eq!(counted(&hard, &used), [(Counted::Pods, taken(8, 7))].into());
        }
        let hard = [
            ("cpu", "4500m"),
            ("requests.cpu", "100"),
            ("memory", "2Gi"),
            ("requests.memory", "1Gi"),
        ];
        let narrower =
            [(Counted::CpuRequests, taken(4500, 0)), (Counted::MemoryRequests, taken(1 << 30, 0))];
        assert_eq!(counted(&hard, &[]), narrower.into());
        let class = || Some("fast".to_owned());
        let hard = [
            ("persistentvolumeclaims", "4"),
            ("requests.storage", "4Gi"),
            ("fast.storageclass.storage.k8s.io/persistentvolumeclaims", "3"),
            ("fast.storageclass.storage.k8s.io/requests.storage", "3Gi"),
            ("count/jobs.batch", "3"),
        ];
        let all = [
            (Counted::Claims(None), taken(4, 0)),
            (Counted::Claims(class()), taken(3, 0)),
            (Counted::Storage(None), taken(4 << 30, 0)),
            (Counted::Storage(class()), taken(3 << 30, 0)),
        ];
        assert_eq!(counted(&hard, &[]), all.into());
    }
}
