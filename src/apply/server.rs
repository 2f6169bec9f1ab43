//! The calls: reading one object and what is around it, server-side apply, Events.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{Event, Namespace, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use kube::api::{
    ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    ValidationDirective,
};
use kube::core::Selector;
use kube::{Api, Client};
use serde_json::Value;

use crate::apply::error::CallError;
use crate::apply::{Found, MANAGER, scaled};
use crate::render::objects::Kind;

/// The API server that is written to.
pub struct Server {
    client: Client,
}

/// An object's place.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}/{}` in namespace `{}`", self.kind.name(), self.name, self.namespace)
    }
}

/// Whether the server is to do it or to say what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What would come out: nothing is stored.
    DryRun,
    /// For real.
    Real,
}

impl Server {
    /// Over this connection.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Whom the server takes us for; `None` where it does not say.
    ///
    /// # Errors
    ///
    /// Where it cannot be reached or does not know us.
    pub async fn who(&self) -> Result<Option<String>, CallError> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        match api.create(&PostParams::default(), &SelfSubjectReview::default()).await {
            Ok(review) => {
                Ok(review.status.and_then(|status| status.user_info).and_then(|user| user.username))
            }
            Err(error) => match CallError::of("our own name", error) {
                error if error.is_of_the_cluster() => Err(error),
                _ => Ok(None),
            },
        }
    }

    /// An object, the workload behind it, its namespace and its pods.
    ///
    /// # Errors
    ///
    /// Where the object or the workload may not be read or the cluster is lost; what else is not told is `None`.
    pub async fn find(&self, place: Place<'_>, workload: (Kind, &str)) -> Result<Found, CallError> {
        let object = self.object(place).await?;
        let behind = Place { kind: workload.0, name: workload.1, ..place };
        let same = (place.kind, place.name) == workload;
        let workload = if same { object.clone() } else { self.object(behind).await? };
        let pods = match &workload {
            Some(workload) => told(self.pods(place.namespace, workload).await)?,
            None => None,
        };
        let namespace = told(self.namespace(place.namespace).await)?;
        Ok(Found { object, workload, namespace, pods })
    }

    /// The autoscaler that scales a workload; `None`: there is none.
    ///
    /// # Errors
    ///
    /// Where HPAs or `ScaledObject`s may not be listed, or the cluster is lost.
    pub async fn scaler_on(&self, workload: Place<'_>) -> Result<Option<String>, CallError> {
        let target = format!("{}/{}", workload.kind.name(), workload.name);
        // KEDA's first: it makes an HPA of each, which may not be there yet
        for kind in [Kind::ScaledObject, Kind::HorizontalPodAutoscaler] {
            let place = Place { kind, ..workload };
            if kind == Kind::ScaledObject && !self.serves_kedas().await? {
                continue;
            }
            let what = format!("list {}s in namespace `{}`", kind.name(), workload.namespace);
            let all = self.api(place).list(&ListParams::default()).await;
            let all = all.map_err(|error| CallError::of(&what, error))?.items.into_iter();
            let mut all = all.filter_map(|one| serde_json::to_value(one).ok());
            let on_it = |one: &Value| scaled(one).as_ref() == Some(&target);
            if let Some(one) = all.find(on_it) {
                let name = one["metadata"]["name"].as_str().unwrap_or_default();
                return Ok(Some(format!("{}/{name}", kind.name())));
            }
        }
        Ok(None)
    }

    /// Whether KEDA's kind may be there; a cluster that does not say what it serves is asked for it.
    async fn serves_kedas(&self) -> Result<bool, CallError> {
        let group = Kind::ScaledObject.version().split('/').next().unwrap_or_default();
        let groups = told(
            self.client.list_api_groups().await.map_err(|error| CallError::of("its groups", error)),
        )?;
        Ok(groups.is_none_or(|list| list.groups.iter().any(|one| one.name == group)))
    }

    async fn object(&self, place: Place<'_>) -> Result<Option<Value>, CallError> {
        let found = self.api(place).get_opt(place.name).await;
        let found = found.map_err(|error| CallError::of(&format!("get {place}"), error))?;
        Ok(found.and_then(|object| serde_json::to_value(object).ok()))
    }

    async fn namespace(&self, name: &str) -> Result<Value, CallError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let what = format!("get namespace `{name}`");
        let found = api.get(name).await.map_err(|error| CallError::of(&what, error))?;
        Ok(serde_json::to_value(found).unwrap_or_default())
    }

    async fn pods(&self, namespace: &str, workload: &Value) -> Result<Vec<Value>, CallError> {
        let what = format!("list pods in namespace `{namespace}`");
        let selector: Option<LabelSelector> =
            serde_json::from_value(workload["spec"]["selector"].clone()).ok();
        let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
        let Some(selector) = selector else {
            return Err(CallError::Refused { what, message: "no selector".to_owned() });
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let list = api.list(&ListParams::default().labels_from(&selector)).await;
        let list = list.map_err(|error| CallError::of(&what, error))?;
        Ok(list.items.iter().filter_map(|pod| serde_json::to_value(pod).ok()).collect())
    }

    /// Server-side apply of a manifest; what then stands there, or would.
    ///
    /// # Errors
    ///
    /// Whatever the server says, or that it is lost.
    pub async fn apply(
        &self,
        place: Place<'_>,
        manifest: &Value,
        mode: Mode,
        force: bool,
    ) -> Result<Value, CallError> {
        let parameters = PatchParams {
            dry_run: mode == Mode::DryRun,
            force,
            field_manager: Some(MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let sent = self.api(place).patch(place.name, &parameters, &Patch::Apply(manifest)).await;
        let failed = if mode == Mode::Real { CallError::of_change } else { CallError::of };
        let sent = sent.map_err(|error| failed(&format!("change {place}"), error))?;
        Ok(serde_json::to_value(sent).unwrap_or_default())
    }

    /// Puts an Event on an object.
    ///
    /// # Errors
    ///
    /// Where the server does not take it.
    pub async fn event(
        &self,
        place: Place<'_>,
        object: &Value,
        (reason, message): (&str, &str),
        at: jiff::Timestamp,
    ) -> Result<(), CallError> {
        let text = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
        let event = Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}.", place.name)),
                namespace: Some(place.namespace.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(place.kind.version().to_owned()),
                kind: Some(place.kind.name().to_owned()),
                name: Some(place.name.to_owned()),
                namespace: Some(place.namespace.to_owned()),
                uid: text("uid"),
                resource_version: text("resourceVersion"),
                field_path: None,
            },
            reason: Some(reason.to_owned()),
            // the API takes 1,024 bytes
            message: Some(message.chars().take(250).collect()),
            type_: Some("Normal".to_owned()),
            first_timestamp: Some(Time(at)),
            last_timestamp: Some(Time(at)),
            count: Some(1),
            reporting_component: Some("plimsoll.dev/apply".to_owned()),
            ..Event::default()
        };
        let api: Api<Event> = Api::namespaced(self.client.clone(), place.namespace);
        let sent = api.create(&PostParams::default(), &event).await;
        sent.map(drop).map_err(|error| CallError::of("create an Event", error))
    }

    fn api(&self, place: Place<'_>) -> Api<DynamicObject> {
        let (group, version) = place.kind.version().split_once('/').unwrap_or_default();
        let kind = GroupVersionKind::gvk(group, version, place.kind.name());
        let plural = format!("{}s", place.kind.name().to_lowercase());
        let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
        Api::namespaced_with(self.client.clone(), place.namespace, &resource)
    }
}

/// Keeps what may not be read apart from a cluster that is lost.
fn told<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_of_the_cluster() => Err(error),
        Err(_) => Ok(None),
    }
}
