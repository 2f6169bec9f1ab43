//! The objects of a namespace that run components, and what is set on each.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{self, PodTemplateSpec};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, ManagedFieldsEntry, ObjectMeta,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::core::{Selector, SelectorExt};
use serde::Serialize;
use serde_json::json;

use super::cluster::{Cluster, Operator};
use super::error::KubernetesError;
use super::{Quantities, quantity, scaler, whole};
use crate::service::floor;
use crate::service::live::{
    self, Amounts, Budget, Container, Kept, LAST_APPLIED, MANIFEST_MANAGER, PodClaim, SeenObject,
    Share, Vpa, Workload,
};
use crate::service::{Service, Target};
use crate::units::Bytes;

const VPAS: Operator = Operator {
    group: "autoscaling.k8s.io",
    version: "v1",
    kind: "VerticalPodAutoscaler",
    plural: "verticalpodautoscalers",
};

/// Everything in a namespace that has a say in its components; `None`: not told.
pub(super) struct Listed {
    deployments: Option<Vec<Found>>,
    stateful_sets: Option<Vec<Found>>,
    hpas: Option<Vec<HorizontalPodAutoscaler>>,
    keda: Option<Vec<DynamicObject>>,
    vpas: Option<Vec<DynamicObject>>,
    budgets: Option<Vec<PodDisruptionBudget>>,
}

/// What a Deployment and a StatefulSet have in common.
struct Found {
    name: String,
    seen: SeenObject,
    kept: Kept,
    replicas: Option<u32>,
    /// Whether its rollout is paused.
    paused: bool,
    template: PodTemplateSpec,
    /// Whether the volume claims of pods that end are deleted with them.
    claims_go: bool,
    /// The volume claims that each pod gets.
    claims: Vec<PodClaim>,
}

impl Listed {
    /// Lists the kinds of workload that are `wanted`, and each kind that has a say in them, once.
    pub async fn list(
        cluster: &mut Cluster,
        namespace: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, KubernetesError> {
        let hpas = cluster.list(namespace).await?;
        let deployments: Option<Vec<Deployment>> =
            if wanted("Deployment") { cluster.list(namespace).await? } else { Some(Vec::new()) };
        let stateful_sets: Option<Vec<StatefulSet>> =
            if wanted("StatefulSet") { cluster.list(namespace).await? } else { Some(Vec::new()) };
        Ok(Self {
            hpas,
            deployments: deployments.map(|all| all.into_iter().map(Found::from).collect()),
            stateful_sets: stateful_sets.map(|all| all.into_iter().map(Found::from).collect()),
            keda: cluster.list_of(&scaler::SCALED_OBJECTS, namespace).await?,
            vpas: cluster.list_of(&VPAS, namespace).await?,
            budgets: cluster.list(namespace).await?,
        })
    }

    /// Every workload that was listed.
    pub fn targets(&self) -> Vec<Target> {
        let of = |kind: &'static str, all: &Option<Vec<Found>>| -> Vec<Target> {
            let named = |found: &Found| Target { kind: kind.to_owned(), name: found.name.clone() };
            all.iter().flatten().map(named).collect()
        };
        let mut all = of("Deployment", &self.deployments);
        all.extend(of("StatefulSet", &self.stateful_sets));
        all
    }

    /// Whether all was told of workloads and of what sets their counts.
    pub fn is_whole(&self) -> bool {
        let workloads = self.deployments.is_some() && self.stateful_sets.is_some();
        workloads && self.hpas.is_some() && self.keda.is_some()
    }

    /// What runs there and is of a kind that is not sized, as far as it is told.
    pub async fn others(
        &self,
        cluster: &mut Cluster,
        namespace: &str,
    ) -> Result<Vec<String>, KubernetesError> {
        let mut all = scaler::on_other_kinds(self.hpas.as_deref(), self.keda.as_deref());
        let daemons: Option<Vec<DaemonSet>> = cluster.list(namespace).await?;
        let daemons = daemons.into_iter().flatten();
        all.extend(daemons.map(|one| format!("DaemonSet/{}", one.name_any())));
        let jobs: Option<Vec<CronJob>> = cluster.list(namespace).await?;
        all.extend(jobs.into_iter().flatten().map(|one| format!("CronJob/{}", one.name_any())));
        Ok(all)
    }

    /// Every object that can be changed, as it is now.
    pub fn objects(&self) -> Vec<SeenObject> {
        let workloads = self.deployments.iter().chain(&self.stateful_sets).flatten();
        let mut all: Vec<SeenObject> = workloads.map(|found| found.seen.clone()).collect();
        let hpas = self.hpas.iter().flatten();
        all.extend(hpas.map(|hpa| {
            seen(
                "HorizontalPodAutoscaler",
                &hpa.metadata,
                &floor::lowered(&json!(hpa), "minReplicas"),
            )
        }));
        let keda = self.keda.iter().flatten();
        all.extend(keda.map(|scaled| {
            seen(
                scaler::SCALED_OBJECTS.kind,
                &scaled.metadata,
                &floor::lowered(&json!(scaled), "minReplicaCount"),
            )
        }));
        all
    }

    /// How each of them is kept, and each VPA.
    pub fn kept(&self, namespace: &str) -> Vec<((String, String), Kept)> {
        let workloads = self.deployments.iter().chain(&self.stateful_sets).flatten();
        let workloads = workloads.map(|found| (found.seen.object.clone(), found.kept));
        let hpas = self.hpas.iter().flatten().map(|hpa| ("HorizontalPodAutoscaler", &hpa.metadata));
        let operators = [(scaler::SCALED_OBJECTS.kind, &self.keda), (VPAS.kind, &self.vpas)];
        let operators = operators
            .into_iter()
            .flat_map(|(kind, all)| all.iter().flatten().map(move |one| (kind, &one.metadata)));
        let scalers = hpas.chain(operators).map(|(kind, metadata)| {
            let name = metadata.name.as_deref().unwrap_or_default();
            (format!("{kind}/{name}"), kept(metadata))
        });
        let all = workloads.chain(scalers);
        all.map(|(object, kept)| ((namespace.to_owned(), object), kept)).collect()
    }

    /// What is told of the component of this name, whose container the settings may name.
    pub fn workload(
        &self,
        cluster: &mut Cluster,
        namespace: &str,
        target: &Target,
        (component, container): (&str, Option<&str>),
    ) -> Workload {
        let what = format!("`{target}` in namespace `{namespace}`");
        let all = match target.kind.as_str() {
            "Deployment" => self.deployments.as_deref(),
            "StatefulSet" => self.stateful_sets.as_deref(),
            kind => {
                cluster.note(KubernetesError::Kind { kind: kind.to_owned(), what });
                return Workload::default();
            }
        };
        let found = all.map(|all| all.iter().find(|found| found.name == target.name));
        if matches!(found, Some(None)) {
            cluster.note(KubernetesError::NotFound { what });
            return Workload { exists: Some(false), ..Workload::default() };
        }
        let found = found.flatten();
        let container = found.map(|found| found.container(component, container)).transpose();
        let sized = container.as_ref().ok().and_then(|one| Some(one.as_ref()?.name.as_str()));
        let scalers = (self.hpas.as_deref(), self.keda.as_deref());
        let scaler = scaler::of(scalers, (target, sized), &what);
        let rivals = match &scaler {
            Err(KubernetesError::SeveralScalers { names, .. }) => names.clone(),
            _ => Vec::new(),
        };
        Workload {
            exists: found.map(|_| true),
            replicas: found.and_then(|found| found.replicas),
            rivals,
            scaler: scaler.unwrap_or_else(|problem| noted(cluster, problem)),
            container: container.unwrap_or_else(|problem| noted(cluster, problem)),
            pod: found.map(Found::pod).unwrap_or_default(),
            apart: found.is_some_and(Found::are_apart),
            paused: found.is_some_and(|found| found.paused),
            vpas: self.vpas.as_ref().map(|all| vpas(all, target)),
            budgets: found.zip(self.budgets.as_ref()).map(|(found, all)| found.budgets(all)),
            claims_go: found.is_some_and(|found| found.claims_go),
            claims: found.map(|found| found.claims.clone()).unwrap_or_default(),
        }
    }
}

/// What selects the pods of each object that runs a component of the service.
pub(super) async fn selectors(
    cluster: &mut Cluster,
    service: &Service,
) -> Result<BTreeMap<Target, Selector>, KubernetesError> {
    let mut all = BTreeMap::new();
    let wanted = |kind: &str| service.components.iter().any(|one| one.target.kind == kind);
    let mut add = |kind: &str, name: String, selector: LabelSelector| {
        let selector = Selector::try_from(selector).ok().filter(|all| !all.selects_all());
        all.extend(selector.map(|selector| (Target { kind: kind.to_owned(), name }, selector)));
    };
    if wanted("Deployment") {
        let listed: Option<Vec<Deployment>> = cluster.list(&service.namespace).await?;
        for one in listed.into_iter().flatten() {
            add("Deployment", one.name_any(), one.spec.unwrap_or_default().selector);
        }
    }
    if wanted("StatefulSet") {
        let listed: Option<Vec<StatefulSet>> = cluster.list(&service.namespace).await?;
        for one in listed.into_iter().flatten() {
            add("StatefulSet", one.name_any(), one.spec.unwrap_or_default().selector);
        }
    }
    Ok(all)
}

fn seen(kind: &str, metadata: &ObjectMeta, spec: &impl Serialize) -> SeenObject {
    SeenObject {
        object: format!("{kind}/{}", metadata.name.as_deref().unwrap_or_default()),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        spec: live::digest(&serde_json::to_value(spec).unwrap_or_default()),
        uid: metadata.uid.clone().unwrap_or_default(),
    }
}

fn kept(metadata: &ObjectMeta) -> Kept {
    let counts = owners(metadata, &["f:spec", "f:replicas"]);
    let notes = owners(metadata, &["f:metadata", "f:annotations", &format!("f:{LAST_APPLIED}")]);
    Kept {
        // kubectl hands over what those hold who updated its note
        by_kubectl_apply: notes.iter().any(|(_, operation)| *operation == "Update"),
        count_by_manifest: !counts.is_empty()
            && counts.iter().all(|of| *of == (MANIFEST_MANAGER, "Apply")),
    }
}

/// Who owns a field, by manager and operation.
fn owners<'a>(metadata: &'a ObjectMeta, path: &[&str]) -> Vec<(&'a str, &'a str)> {
    let entries = metadata.managed_fields.iter().flatten();
    let owns = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.and_then(|fields| path.iter().try_fold(fields, |at, key| at.get(key))).is_some()
    };
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    entries.filter(owns).map(|entry| (text(&entry.manager), text(&entry.operation))).collect()
}

fn noted<T>(cluster: &mut Cluster, problem: KubernetesError) -> Option<T> {
    cluster.note(problem);
    None
}

impl From<Deployment> for Found {
    fn from(one: Deployment) -> Self {
        let name = one.name_any();
        let seen = seen("Deployment", &one.metadata, &one.spec);
        let spec = one.spec.unwrap_or_default();
        // absent `replicas` is 1 by the API's own default
        let (kept, replicas) = (kept(&one.metadata), whole(spec.replicas.or(Some(1))));
        let paused = spec.paused.unwrap_or(false);
        let (template, claims_go, claims) = (spec.template, false, Vec::new());
        Self { name, seen, kept, replicas, paused, template, claims_go, claims }
    }
}

impl From<StatefulSet> for Found {
    fn from(one: StatefulSet) -> Self {
        let name = one.name_any();
        let seen = seen("StatefulSet", &one.metadata, &one.spec);
        let spec = one.spec.unwrap_or_default();
        let retention = spec.persistent_volume_claim_retention_policy.and_then(|of| of.when_scaled);
        let claims = spec.volume_claim_templates.into_iter().flatten();
        let claims: Vec<PodClaim> = claims.map(|one| pod_claim(&one)).collect();
        let claims_go = !claims.is_empty() && retention.as_deref() == Some("Delete");
        let (kept, replicas) = (kept(&one.metadata), whole(spec.replicas.or(Some(1))));
        let (paused, template) = (false, spec.template);
        Self { name, seen, kept, replicas, paused, template, claims_go, claims }
    }
}

impl Found {
    /// The container that the settings name, else the one named like the object, else the only one.
    fn container(
        &self,
        component: &str,
        given: Option<&str>,
    ) -> Result<Container, KubernetesError> {
        let pod = self.template.spec.as_ref();
        let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
        let by_name = |name: &str| containers.iter().find(|container| container.name == name);
        let found = match given {
            Some(name) => by_name(name),
            None => by_name(&self.name).or(match containers {
                [only] => Some(only),
                _ => None,
            }),
        };
        found.map(container).ok_or_else(|| {
            let component = component.to_owned();
            let wanted = given.unwrap_or(&self.name).to_owned();
            let names = containers.iter().map(|container| container.name.clone()).collect();
            let mut first = pod.iter().flat_map(|pod| pod.init_containers.iter().flatten());
            if first.any(|container| container.name == wanted) {
                return KubernetesError::InitContainer { component, wanted, names };
            }
            KubernetesError::NoContainer { component, wanted, names }
        })
    }

    /// What its pods are made from.
    fn pod(&self) -> serde_json::Value {
        serde_json::to_value(&self.template.spec).unwrap_or_default()
    }

    /// Whether no two of its pods may be on one node: they keep each other away, or take a port of it.
    fn are_apart(&self) -> bool {
        let pod = self.template.spec.as_ref();
        let all = pod.into_iter().flat_map(|pod| &pod.containers);
        let mut ports = all.flat_map(|one| one.ports.iter().flatten());
        let takes_a_port = ports.any(|port| port.host_port.is_some_and(|port| port > 0));
        let none = BTreeMap::new();
        let labels = self.template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
        let of_its_own = |term: &v1::PodAffinityTerm| {
            let selector = term.label_selector.clone();
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            term.topology_key == "kubernetes.io/hostname"
                && selector.is_some_and(|of| of.matches(labels.unwrap_or(&none)))
        };
        let anti = pod.and_then(|pod| pod.affinity.as_ref()?.pod_anti_affinity.as_ref());
        let required =
            anti.and_then(|anti| anti.required_during_scheduling_ignored_during_execution.as_ref());
        takes_a_port || required.is_some_and(|all| all.iter().any(of_its_own))
    }

    /// The disruption budgets that select its pods. One without a selector selects none; an empty one, all.
    fn budgets(&self, all: &[PodDisruptionBudget]) -> Vec<Budget> {
        let none = BTreeMap::new();
        let metadata = self.template.metadata.as_ref();
        let labels = metadata.and_then(|metadata| metadata.labels.as_ref()).unwrap_or(&none);
        let selects = |budget: &&PodDisruptionBudget| {
            let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            selector.is_some_and(|selector| selector.matches(labels))
        };
        all.iter().filter(selects).map(budget).collect()
    }
}

fn container(of: &v1::Container) -> Container {
    let resources = of.resources.as_ref();
    Container {
        name: of.name.clone(),
        requests: amounts(resources.and_then(|resources| resources.requests.as_ref())),
        limits: amounts(resources.and_then(|resources| resources.limits.as_ref())),
    }
}

/// CPU and memory by their plain names.
pub(super) fn amounts(of: Option<&Quantities>) -> Amounts {
    Amounts { cpu: quantity(of, "cpu"), memory: quantity(of, "memory") }
}

fn pod_claim(of: &v1::PersistentVolumeClaim) -> PodClaim {
    let spec = of.spec.as_ref();
    let requests = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    PodClaim {
        name: of.name_any(),
        request: quantity(requests, "storage").unwrap_or(Bytes(0)),
        class: spec.and_then(|spec| spec.storage_class_name.clone()),
    }
}

fn budget(of: &PodDisruptionBudget) -> Budget {
    let spec = of.spec.as_ref();
    let share = |of: Option<&IntOrString>| match of? {
        IntOrString::Int(count) => whole(Some(*count)).map(Share::Pods),
        IntOrString::String(text) => text.strip_suffix('%')?.parse().ok().map(Share::Percent),
    };
    Budget {
        name: of.name_any(),
        min_available: share(spec.and_then(|spec| spec.min_available.as_ref())),
        max_unavailable: share(spec.and_then(|spec| spec.max_unavailable.as_ref())),
    }
}

fn vpas(all: &[DynamicObject], target: &Target) -> Vec<Vpa> {
    let on_it = |vpa: &&DynamicObject| {
        let of = &vpa.data["spec"]["targetRef"];
        of["kind"] == target.kind.as_str() && of["name"] == target.name.as_str()
    };
    let one = |vpa: &DynamicObject| Vpa {
        name: vpa.name_any(),
        // absent it is `Auto` by its own default
        mode: vpa.data["spec"]["updatePolicy"]["updateMode"].as_str().unwrap_or("Auto").to_owned(),
        policy: vpa.data["spec"]["resourcePolicy"].clone(),
    };
    all.iter().filter(on_it).map(one).collect()
}
