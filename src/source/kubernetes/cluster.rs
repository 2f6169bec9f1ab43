//! A connection that lists, and keeps what it may not list.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::core::{NamespaceResourceScope, Selector};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::error::{KubernetesError, Listing};
use crate::service::live::Gap;

/// Objects asked for in one page: what `kubectl` asks for.
const PAGE: u32 = 500;

/// What a server answers that does not know any more where a list was left.
const EXPIRED: u16 = 410;

/// See [`Cluster::patience`]: a quarter of that for everything, so that one kind does not take all of it.
const PAGE_PATIENCE: Duration = Duration::from_secs(30);

/// The API server of one cluster.
pub(super) struct Cluster {
    client: Client,
    /// The API groups it serves; `None`: not asked yet, or not told.
    groups: Option<BTreeSet<String>>,
    asked_for_groups: bool,
    problems: Vec<KubernetesError>,
    /// How long one page may take: a server that puts it off is asked again and again meanwhile.
    pub patience: Duration,
}

/// A kind that a cluster may not have, since it comes with an operator.
pub(super) struct Operator {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
}

impl Cluster {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            groups: None,
            asked_for_groups: false,
            problems: Vec::new(),
            patience: PAGE_PATIENCE,
        }
    }

    /// What went wrong, for people, each once.
    pub fn gaps(self) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        for problem in &self.problems {
            let gap = Gap {
                message: problem.to_string(),
                hint: problem.hint_among(&self.problems),
                of_settings: problem.is_of_settings(),
                namespace: problem.namespace().map(str::to_owned),
            };
            if !gaps.contains(&gap) {
                gaps.push(gap);
            }
        }
        gaps
    }

    /// Leaves out what the caller tells in its own way.
    pub fn overlook(&mut self, is_told: impl Fn(&KubernetesError) -> bool) {
        self.problems.retain(|problem| !is_told(problem));
    }

    pub fn note(&mut self, problem: KubernetesError) {
        self.problems.push(problem);
    }

    /// All objects of a kind in a namespace; `None`: not told, and noted.
    pub async fn list<K>(&mut self, namespace: &str) -> Result<Option<Vec<K>>, KubernetesError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let listing = Listing::of::<K>(&(), Some(namespace));
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let listed = pages(&api, &listing, None, self.patience).await;
        self.contained(listed)
    }

    /// All objects of a kind that belongs to no namespace; `None`: not told, and noted.
    pub async fn list_all<K>(&mut self) -> Result<Option<Vec<K>>, KubernetesError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let listing = Listing::of::<K>(&(), None);
        let api: Api<K> = Api::all(self.client.clone());
        let listed = pages(&api, &listing, None, self.patience).await;
        self.contained(listed)
    }

    /// All objects of an operator's kind in a namespace: none where the cluster does not serve its group.
    pub async fn list_of(
        &mut self,
        operator: &Operator,
        namespace: &str,
    ) -> Result<Option<Vec<DynamicObject>>, KubernetesError> {
        if self.serves(operator.group).await? == Some(false) {
            return Ok(Some(Vec::new()));
        }
        self.selected(operator, namespace, None).await
    }

    /// Those of an operator's objects in a namespace that the selector picks; `None`: not told, and noted.
    pub async fn select(
        &mut self,
        operator: &Operator,
        namespace: &str,
        selector: &Selector,
    ) -> Result<Option<Vec<DynamicObject>>, KubernetesError> {
        self.selected(operator, namespace, Some(selector)).await
    }

    async fn selected(
        &mut self,
        operator: &Operator,
        namespace: &str,
        selector: Option<&Selector>,
    ) -> Result<Option<Vec<DynamicObject>>, KubernetesError> {
        let kind = GroupVersionKind::gvk(operator.group, operator.version, operator.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, operator.plural);
        let listing = Listing::of::<DynamicObject>(&resource, Some(namespace));
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let listed = pages(&api, &listing, selector, self.patience).await;
        self.contained(listed)
    }

    /// Whether the cluster serves an API group; `None`: it does not say what it serves.
    pub async fn serves(&mut self, group: &str) -> Result<Option<bool>, KubernetesError> {
        if !self.asked_for_groups {
            self.asked_for_groups = true;
            let answer = self.client.list_api_groups();
            self.groups = match tokio::time::timeout(self.patience, answer).await {
                Ok(Ok(list)) => Some(list.groups.into_iter().map(|group| group.name).collect()),
                // then each list answers for itself
                Err(_) => None,
                Ok(Err(kube::Error::Api(status))) if status.code != 401 => None,
                Ok(Err(error)) => return Err(KubernetesError::lost("its API groups", error)),
            };
        }
        Ok(self.groups.as_ref().map(|groups| groups.contains(group)))
    }

    /// Keeps a failure that concerns one kind with that kind; a lost cluster ends the run.
    fn contained<T>(
        &mut self,
        result: Result<T, KubernetesError>,
    ) -> Result<Option<T>, KubernetesError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_of_the_cluster() => Err(error),
            Err(error) => {
                self.note(error);
                Ok(None)
            }
        }
    }
}

async fn pages<K>(
    api: &Api<K>,
    listing: &Listing,
    selector: Option<&Selector>,
    patience: Duration,
) -> Result<Vec<K>, KubernetesError>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut page = ListParams::default().limit(PAGE);
    if let Some(selector) = selector {
        page = page.labels_from(selector);
    }
    let mut all = Vec::new();
    let mut began_anew = false;
    loop {
        let list = match tokio::time::timeout(patience, api.list(&page)).await {
            Ok(Ok(list)) => list,
            // its place among the pages was forgotten meanwhile
            Ok(Err(kube::Error::Api(status)))
                if status.code == EXPIRED && page.continue_token.is_some() && !began_anew =>
            {
                (began_anew, page.continue_token) = (true, None);
                all.clear();
                continue;
            }
            Ok(Err(error)) => return Err(KubernetesError::listing(listing, error)),
            Err(_) => return Err(KubernetesError::put_off(listing, patience)),
        };
        all.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}
