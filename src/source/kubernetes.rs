//! The settings in force, read from the cluster: replica counts, container resources, and the HPA that
//! owns a count. Nothing is written, and `get` and `list` are all the rights it takes.
//!
//! What may not be read is reported, never taken for absent: with HPAs denied, a Deployment's count is
//! not given either, since an HPA that we cannot see may own it.

mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

pub use self::error::KubernetesError;
use crate::service::{Component, Current, Service, Target};

/// How to reach the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// The kubeconfig's context; `None`: its current one.
    pub context: Option<String>,
    /// The kubeconfig file; `None`: `KUBECONFIG`, `~/.kube/config`, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
}

/// What the cluster says of one component.
#[derive(Debug, Default)]
pub struct Reading {
    /// What is in force; `None` is "not known", never zero and never "there is none".
    pub current: Current,
    /// What could not be read, and why.
    pub problems: Vec<KubernetesError>,
}

/// Objects asked for in one page: what `kubectl` asks for.
const PAGE: u32 = 500;
/// Advice is not worth waiting for a cluster longer than this.
const CONNECT: Duration = Duration::from_secs(5);
/// See [`CONNECT`].
const READ: Duration = Duration::from_secs(20);

/// Reads what is in force for every component of every service, by service and component name.
///
/// # Errors
///
/// Where the cluster cannot be reached at all. What goes wrong with one object or kind is a
/// [`Reading::problems`] of the components that it concerns.
pub async fn live_state(
    services: &[Service],
    options: &ClusterOptions,
) -> Result<BTreeMap<(String, String), Reading>, KubernetesError> {
    let client = connect(options).await?;
    let mut hpas: BTreeMap<&str, Result<Vec<HorizontalPodAutoscaler>, KubernetesError>> =
        BTreeMap::new();
    let mut readings = BTreeMap::new();
    for service in services {
        let namespace = service.namespace.as_str();
        if !hpas.contains_key(namespace) {
            hpas.insert(namespace, contained(list_hpas(&client, namespace).await)?);
        }
        for component in &service.components {
            let workload = contained(workload(&client, namespace, &component.target).await)?;
            let reading = reading(component, namespace, workload, &hpas[namespace]);
            readings.insert((service.name.clone(), component.name.clone()), reading);
        }
    }
    Ok(readings)
}

/// Keeps a failure that concerns one object with that object; a lost cluster ends the run.
fn contained<T>(
    result: Result<T, KubernetesError>,
) -> Result<Result<T, KubernetesError>, KubernetesError> {
    match result {
        Err(error) if error.is_of_the_cluster() => Err(error),
        result => Ok(result),
    }
}

async fn connect(options: &ClusterOptions) -> Result<Client, KubernetesError> {
    let choice =
        KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let config = match (&options.kubeconfig, &options.context) {
        (Some(path), _) => match Kubeconfig::read_from(path) {
            Ok(file) => Config::from_custom_kubeconfig(file, &choice).await,
            Err(error) => Err(error),
        },
        (None, Some(_)) => Config::from_kubeconfig(&choice).await,
        (None, None) => {
            return client(
                Config::infer().await.map_err(|error| KubernetesError::kubeconfig(&error))?,
            );
        }
    };
    client(config.map_err(|error| KubernetesError::kubeconfig(&error))?)
}

fn client(mut config: Config) -> Result<Client, KubernetesError> {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    Client::try_from(config).map_err(|error| KubernetesError::kubeconfig(&error))
}

/// All HPAs of a namespace, page by page.
async fn list_hpas(
    client: &Client,
    namespace: &str,
) -> Result<Vec<HorizontalPodAutoscaler>, KubernetesError> {
    let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let what = format!("HorizontalPodAutoscalers in namespace `{namespace}`");
    let mut page = ListParams::default().limit(PAGE);
    let mut all = Vec::new();
    loop {
        let list = api.list(&page).await.map_err(|error| KubernetesError::of(&what, error))?;
        all.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

/// What a Deployment and a StatefulSet have in common.
struct Workload {
    replicas: Option<i32>,
    containers: Vec<Container>,
}

impl Workload {
    fn new(replicas: Option<i32>, pod: Option<PodSpec>) -> Self {
        Self { replicas, containers: pod.map(|pod| pod.containers).unwrap_or_default() }
    }
}

async fn workload(
    client: &Client,
    namespace: &str,
    target: &Target,
) -> Result<Workload, KubernetesError> {
    let what = format!("`{target}` in namespace `{namespace}`");
    let failed = |error| KubernetesError::of(&what, error);
    let absent = || KubernetesError::NotFound { what: what.clone() };
    match target.kind.as_str() {
        "Deployment" => {
            let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
            let found = api.get_opt(&target.name).await.map_err(failed)?.ok_or_else(absent)?;
            let spec = found.spec.unwrap_or_default();
            Ok(Workload::new(spec.replicas, spec.template.spec))
        }
        "StatefulSet" => {
            let api: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
            let found = api.get_opt(&target.name).await.map_err(failed)?.ok_or_else(absent)?;
            let spec = found.spec.unwrap_or_default();
            Ok(Workload::new(spec.replicas, spec.template.spec))
        }
        kind => Err(KubernetesError::Kind { kind: kind.to_owned(), what }),
    }
}

fn reading(
    component: &Component,
    namespace: &str,
    workload: Result<Workload, KubernetesError>,
    hpas: &Result<Vec<HorizontalPodAutoscaler>, KubernetesError>,
) -> Reading {
    let mut reading = Reading::default();
    let workload = match workload {
        Ok(workload) => workload,
        Err(problem) => {
            reading.problems.push(problem);
            return reading;
        }
    };
    let owner = match hpas {
        Ok(hpas) => owner(hpas, &component.target, namespace),
        Err(problem) => Err(problem.clone()),
    };
    match owner {
        Ok(Some(hpa)) => {
            reading.current = bounds(hpa);
            reading.current.replicas = whole(workload.replicas);
        }
        // absent `replicas` is 1 by the API's own default
        Ok(None) => reading.current.replicas = whole(workload.replicas.or(Some(1))),
        Err(problem) => reading.problems.push(problem),
    }
    match container(component, &workload.containers) {
        Ok(container) => resources(container.resources.as_ref(), &mut reading.current),
        Err(problem) => reading.problems.push(problem),
    }
    reading
}

/// The HPA that scales the target, if there is one.
fn owner<'a>(
    hpas: &'a [HorizontalPodAutoscaler],
    target: &Target,
    namespace: &str,
) -> Result<Option<&'a HorizontalPodAutoscaler>, KubernetesError> {
    let scales = |hpa: &&HorizontalPodAutoscaler| {
        let of = hpa.spec.as_ref().map(|spec| &spec.scale_target_ref);
        of.is_some_and(|of| of.kind == target.kind && of.name == target.name)
    };
    let found: Vec<&HorizontalPodAutoscaler> = hpas.iter().filter(scales).collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(KubernetesError::SeveralHpas {
            what: format!("`{target}` in namespace `{namespace}`"),
            names: several.iter().filter_map(|hpa| hpa.metadata.name.clone()).collect(),
        }),
    }
}

fn bounds(hpa: &HorizontalPodAutoscaler) -> Current {
    let Some(spec) = &hpa.spec else { return Current::default() };
    let cpu = spec.metrics.iter().flatten().filter_map(|metric| {
        let resource = metric.resource.as_ref().filter(|resource| resource.name == "cpu")?;
        resource.target.average_utilization
    });
    Current {
        // absent `minReplicas` is 1 by the API's own default
        min_replicas: whole(spec.min_replicas.or(Some(1))),
        max_replicas: whole(Some(spec.max_replicas)),
        target_utilization: whole(cpu.min()),
        ..Current::default()
    }
}

/// The container that the settings name, else the one named like the object, else the only one.
fn container<'a>(
    component: &Component,
    containers: &'a [Container],
) -> Result<&'a Container, KubernetesError> {
    let by_name = |name: &str| containers.iter().find(|container| container.name == name);
    let found = match &component.container {
        Some(name) => by_name(name),
        None => by_name(&component.target.name).or(match containers {
            [only] => Some(only),
            _ => None,
        }),
    };
    found.ok_or_else(|| KubernetesError::NoContainer {
        component: component.name.clone(),
        wanted: component.container.clone().unwrap_or_else(|| component.target.name.clone()),
        names: containers.iter().map(|container| container.name.clone()).collect(),
    })
}

fn resources(of: Option<&ResourceRequirements>, current: &mut Current) {
    let Some(of) = of else { return };
    let find = |group: &Option<BTreeMap<String, Quantity>>, name: &str| {
        group.as_ref().and_then(|group| group.get(name)).map(|quantity| quantity.0.clone())
    };
    current.cpu_request = find(&of.requests, "cpu").and_then(|text| text.parse().ok());
    current.memory_request = find(&of.requests, "memory").and_then(|text| text.parse().ok());
    current.memory_limit = find(&of.limits, "memory").and_then(|text| text.parse().ok());
}

fn whole(count: Option<i32>) -> Option<u32> {
    count.and_then(|count| u32::try_from(count).ok())
}
