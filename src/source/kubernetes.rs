//! What is in force, read from the cluster: replica counts, containers, whoever sets a count (HPA, KEDA), and
//! what a change must fit into. Nothing is written, and `list` is the only right it takes.
//!
//! Every kind is listed once a namespace, page by page. What may not be read is a [`Gap`], never taken for
//! absent: with HPAs denied, a Deployment's count is not given either, since an HPA that we cannot see may own it.

mod access;
mod cluster;
mod error;
mod place;
mod plugin;
mod proxy;
mod scaler;
#[cfg(test)]
mod tests;
mod usage;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

pub use self::access::{connect, namespace, proxy};
use self::cluster::Cluster;
pub use self::error::KubernetesError;
pub use self::proxy::Proxy;
pub use self::usage::{Usage, usage};
use crate::service::live::{Gap, Live, Scaler, Workload};
use crate::service::{Service, Target};

/// How to reach the cluster: where neither is given, that of the pod that this runs in, else the kubeconfig's current one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// The kubeconfig's context; `None`: its current one.
    pub context: Option<String>,
    /// The kubeconfig file; `None`: `KUBECONFIG`, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
}

impl ClusterOptions {
    /// Whether it is the cluster of the pod that this runs in, asked as the pod's account.
    #[must_use]
    pub fn is_the_pods(&self) -> bool {
        self.context.is_none() && self.kubeconfig.is_none() && in_a_pod()
    }
}

/// Where a pod tells what runs in it that there is an API server, as every client of Kubernetes looks for it.
const POD_SERVER: &str = "KUBERNETES_SERVICE_HOST";
/// Where a pod has what its account is, unless it is told to mount none.
pub const POD_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whether this runs in a pod that has an account.
#[must_use]
pub fn in_a_pod() -> bool {
    of_a_pod() == Some(true)
}

/// Whether the pod that this runs in has a token of an account; `None`: this is no pod.
#[must_use]
pub fn of_a_pod() -> Option<bool> {
    std::env::var_os(POD_SERVER)
        .is_some_and(|host| !host.is_empty())
        .then(|| Path::new(POD_ACCOUNT).join("token").exists())
}

/// The namespace of the pod that this runs in.
#[must_use]
pub fn namespace_of_the_pod() -> Option<String> {
    let text = std::fs::read_to_string(Path::new(POD_ACCOUNT).join("namespace")).ok()?;
    Some(text.trim().to_owned()).filter(|name| in_a_pod() && !name.is_empty())
}

/// Advice is not worth waiting for a cluster longer than this.
const CONNECT: Duration = Duration::from_secs(5);
/// See [`CONNECT`]: silence on an open connection.
const READ: Duration = Duration::from_secs(20);
/// See [`CONNECT`]: everything together, of a fleet too.
const PATIENCE: Duration = Duration::from_secs(120);

/// Reads what is in force for every component of every service, and what their namespaces and nodes allow.
///
/// # Errors
///
/// Where the cluster cannot be reached at all, or does not know us. What goes wrong with one object or kind
/// is one of the [`Live::gaps`].
pub async fn live_state(
    services: &[Service],
    options: &ClusterOptions,
) -> Result<Live, KubernetesError> {
    let mut cluster = Cluster::new(connect(options).await?);
    let live = in_time(read(&mut cluster, services)).await?;
    Ok(Live { gaps: cluster.gaps(), ..live })
}

/// A cluster that answers, but never comes to an end, is one that cannot be reached.
async fn in_time<T>(
    reading: impl Future<Output = Result<T, KubernetesError>>,
) -> Result<T, KubernetesError> {
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| {
        Err(KubernetesError::Unreachable {
            what: "all that was asked".to_owned(),
            why: format!("not done after {} s", PATIENCE.as_secs()),
        })
    })
}

async fn read(cluster: &mut Cluster, services: &[Service]) -> Result<Live, KubernetesError> {
    let mut live = Live::default();
    let namespaces: BTreeSet<&str> =
        services.iter().map(|service| service.namespace.as_str()).collect();
    for namespace in namespaces {
        let here: Vec<&Service> =
            services.iter().filter(|service| service.namespace == namespace).collect();
        let components = || here.iter().flat_map(|service| &service.components);
        let wanted = |kind: &str| components().any(|component| component.target.kind == kind);
        let listed = workload::Listed::list(cluster, namespace, wanted).await?;
        for service in &here {
            for component in &service.components {
                let named = (component.name.as_str(), component.container.as_deref());
                let workload = listed.workload(cluster, namespace, &component.target, named);
                live.workloads.insert((service.name.clone(), component.name.clone()), workload);
            }
        }
        live.objects.insert(namespace.to_owned(), listed.objects());
        live.kept.extend(listed.kept(namespace));
        let volumes = here.iter().any(|service| !service.volumes.is_empty());
        let here = |(service, _): &(String, String)| here.iter().any(|one| one.name == *service);
        let mut workloads = live.workloads.iter().filter(|(of, _)| here(of));
        let claims = (volumes, workloads.any(|(_, workload)| !workload.claims.is_empty()));
        let allowed = place::namespace(cluster, namespace, claims).await?;
        live.namespaces.insert(namespace.to_owned(), allowed);
    }
    live.nodes = place::nodes(cluster).await?;
    place::classes(cluster, &mut live).await?;
    Ok(live)
}

/// What runs in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its Deployments and StatefulSets: those that something scales first, then by kind and name.
    pub found: Vec<(Target, Workload)>,
    /// What is of a kind that is not sized: a `DaemonSet`, a `CronJob`, and what else something scales.
    pub others: Vec<String>,
    /// Whether all was told of what may be sized and what scales it.
    pub whole: bool,
    /// What was asked for and not told.
    pub gaps: Vec<Gap>,
}

/// Reads every Deployment and StatefulSet of a namespace, and who scales it.
///
/// # Errors
///
/// As [`live_state`].
pub async fn discover(
    namespace: &str,
    options: &ClusterOptions,
) -> Result<Discovered, KubernetesError> {
    let mut cluster = Cluster::new(connect(options).await?);
    let (listed, others) = in_time(async {
        let listed = workload::Listed::list(&mut cluster, namespace, |_| true).await?;
        let others = listed.others(&mut cluster, namespace).await?;
        Ok((listed, others))
    })
    .await?;
    let mut found = Vec::new();
    for target in listed.targets() {
        let workload = listed.workload(&mut cluster, namespace, &target, (&target.name, None));
        found.push((target, workload));
    }
    // who makes settings of it says so of the component as it is named there
    cluster.overlook(|problem| matches!(problem, KubernetesError::NoContainer { .. }));
    let scaled =
        |workload: &Workload| matches!(workload.scaler, Some(Scaler::Hpa(_) | Scaler::Keda(_)));
    found.sort_by(|(a, one), (b, other)| (!scaled(one), a).cmp(&(!scaled(other), b)));
    Ok(Discovered { found, others, whole: listed.is_whole(), gaps: cluster.gaps() })
}

/// Those of the namespaces that the cluster has not. One that this account may not get is not among them.
///
/// # Errors
///
/// As [`live_state`].
pub async fn missing_namespaces(
    names: &BTreeSet<&str>,
    options: &ClusterOptions,
) -> Result<Vec<String>, KubernetesError> {
    let api: Api<Namespace> = Api::all(connect(options).await?);
    let mut missing = Vec::new();
    for name in names {
        match api.get_opt(name).await {
            Ok(None) => missing.push((*name).to_owned()),
            Ok(Some(_)) => {}
            Err(kube::Error::Api(status)) if status.code != 401 => {}
            Err(error) => return Err(KubernetesError::lost("its namespaces", error)),
        }
    }
    Ok(missing)
}

fn whole(count: Option<i32>) -> Option<u32> {
    count.and_then(|count| u32::try_from(count).ok())
}

/// The quantities of one group (`requests`, `hard`, …) by name.
type Quantities = BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// A quantity by its name; `None` where it is not set, or is none that Kubernetes would write.
fn quantity<T: std::str::FromStr>(of: Option<&Quantities>, name: &str) -> Option<T> {
    of?.get(name)?.0.parse().ok()
}
