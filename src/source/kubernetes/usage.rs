//! What pods use at this moment, by `metrics.k8s.io`: something to hold the words of a Prometheus against, never history
//! and never a reason for advice.
//!
//! The pods of a component are those that its object selects. What a Prometheus is asked for are pods by name and
//! namespace: where the two are far apart, one of them is about other pods.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;

use super::access::connect_once;
use super::cluster::{Cluster, Operator};
use super::error::KubernetesError;
use super::{ClusterOptions, in_time, workload};
use crate::service::live::{Amounts, Gap, Use};
use crate::service::{Component, Service};
use crate::units::{Bytes, Millicores, Period};

/// What the metrics server tells of running pods.
const METRICS: Operator =
    Operator { group: "metrics.k8s.io", version: "v1beta1", kind: "PodMetrics", plural: "pods" };

/// What the pods of each component use, and what was asked for and not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// By service and component; one that is not here was not told.
    pub of: BTreeMap<(String, String), Use>,
    /// What was asked for and not told.
    pub gaps: Vec<Gap>,
}

/// Reads what the pods of every component use at `now`; a figure older than `oldest` is none.
///
/// # Errors
///
/// Where the cluster cannot be reached at all, or does not know us.
pub async fn usage(
    services: &[Service],
    (now, oldest): (Timestamp, Period),
    options: &ClusterOptions,
) -> Result<Usage, KubernetesError> {
    let mut cluster = Cluster::new(connect_once(options).await?);
    let since = now - SignedDuration::from_secs(oldest.0);
    let of = in_time(read(&mut cluster, services, since)).await?;
    Ok(Usage { of, gaps: cluster.gaps() })
}

async fn read(
    cluster: &mut Cluster,
    services: &[Service],
    since: Timestamp,
) -> Result<BTreeMap<(String, String), Use>, KubernetesError> {
    let mut all = BTreeMap::new();
    if cluster.serves(METRICS.group).await? == Some(false) {
        cluster.note(KubernetesError::NotServed { group: METRICS.group });
        return Ok(all);
    }
    for service in services {
        let selectors = workload::selectors(cluster, service).await?;
        for component in &service.components {
            let Some(selector) = selectors.get(&component.target) else { continue };
            let pods = cluster.select(&METRICS, &service.namespace, selector).await?;
            if let Some(seen) = pods.and_then(|pods| used(&pods, component, since)) {
                all.insert((service.name.clone(), component.name.clone()), seen);
            }
        }
    }
    Ok(all)
}

/// The most that one of the pods uses; `None` where there is none with a fresh figure.
fn used(pods: &[DynamicObject], component: &Component, since: Timestamp) -> Option<Use> {
    let fresh = |pod: &&DynamicObject| {
        let at = pod.data["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        at.is_some_and(|at| at >= since)
    };
    let each =
        pods.iter().filter(fresh).filter_map(|pod| of_pod(pod, component.container.as_deref()));
    each.fold(None, |most: Option<Use>, one| {
        let most = most.unwrap_or(Use { pods: 0, most: Amounts::default() });
        let (cpu, memory) = (most.most.cpu.max(one.cpu), most.most.memory.max(one.memory));
        Some(Use { pods: most.pods + 1, most: Amounts { cpu, memory } })
    })
}

/// The sum over the containers of a pod, or the one that is sized, as the queries have it.
fn of_pod(pod: &DynamicObject, container: Option<&str>) -> Option<Amounts> {
    let containers = pod.data["containers"].as_array()?;
    let wanted = containers.iter().filter(|one| container.is_none_or(|name| one["name"] == name));
    let mut sum = Amounts::default();
    for one in wanted {
        let cpu: Millicores = one["usage"]["cpu"].as_str()?.parse().ok()?;
        let memory: Bytes = one["usage"]["memory"].as_str()?.parse().ok()?;
        sum.cpu.get_or_insert(Millicores(0)).0 += cpu.0;
        sum.memory.get_or_insert(Bytes(0)).0 += memory.0;
    }
    sum.memory.map(|_| sum)
}
