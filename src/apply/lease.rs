//! Who of several replicas acts: a Lease of `coordination.k8s.io/v1`, as Kubernetes' own controllers hold one.
//!
//! A holder renews it every few seconds and acts only while its last renewal is young. Another takes it over only after
//! it saw no renewal for the whole of its duration, by its own clock: clocks of two machines are never compared. What
//! is written carries the `resourceVersion` that was read, so that two who want it at once do not both get it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::apply::error::CallError;

/// How long a lease holds without a renewal, in seconds; as `kube-controller-manager` has it.
pub const DURATION_S: u16 = 15;
/// How long a holder acts after it asked for its last renewal: shorter, so that what it sent has arrived before
/// another begins.
pub const ACTS: Duration = Duration::from_secs(10);
/// From one renewal, or one try to get it, to the next.
pub const RENEWAL: Duration = Duration::from_secs(3);

/// A lease that this process wants.
pub struct Lease {
    api: Api<Object>,
    name: String,
    namespace: String,
    me: String,
    /// What another holder wrote last, and when we first saw it.
    seen: Option<(Option<LeaseSpec>, Instant)>,
}

impl Lease {
    /// The lease `name`, in the namespace named or that of the connection, wanted as `me`.
    #[must_use]
    pub fn new(client: Client, namespace: Option<&str>, name: &str, me: String) -> Self {
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        let api = Api::namespaced(client, &namespace);
        Self { api, name: name.to_owned(), namespace, me, seen: None }
    }

    /// Namespace and name.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Gets it or renews it; whether it is ours now.
    ///
    /// # Errors
    ///
    /// Where the server says no, or is lost: then nobody knows, and an older renewal counts until it is too old.
    pub async fn hold(&mut self, (wall, now): (Timestamp, Instant)) -> Result<bool, CallError> {
        let what = format!("hold lease `{}`", self.place());
        let failed = |error| CallError::of(&what, error);
        let Some(mut object) = self.api.get_opt(&self.name).await.map_err(failed)? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let object = Object { metadata, spec: Some(self.spec(wall, None)) };
            return won(self.api.create(&PostParams::default(), &object).await).map_err(failed);
        };
        let before = object.spec.clone();
        let holder = before.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        let free = holder.is_none_or(str::is_empty) || holder == Some(&self.me);
        if !free && !self.ran_out(before.as_ref(), now) {
            return Ok(false);
        }
        object.spec = Some(self.spec(wall, before.as_ref()));
        let written = self.api.replace(&self.name, &PostParams::default(), &object).await;
        won(written).map_err(failed)
    }

    /// Whether another holder was not seen to renew it for as long as it holds.
    fn ran_out(&mut self, spec: Option<&LeaseSpec>, now: Instant) -> bool {
        match &self.seen {
            Some((known, since)) if known.as_ref() == spec => {
                let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
                let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
                let holds = Duration::from_secs(seconds.unwrap_or(DURATION_S.into()));
                now.duration_since(*since) > holds
            }
            _ => {
                self.seen = Some((spec.cloned(), now));
                false
            }
        }
    }

    fn spec(&self, wall: Timestamp, before: Option<&LeaseSpec>) -> LeaseSpec {
        let ours = |spec: &&LeaseSpec| spec.holder_identity.as_ref() == Some(&self.me);
        let turns = before.and_then(|spec| spec.lease_transitions);
        let since = before.filter(ours).and_then(|spec| spec.acquire_time.clone());
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(DURATION_S.into()),
            lease_transitions: match before {
                None => Some(0),
                Some(_) if since.is_some() => turns,
                Some(_) => Some(turns.unwrap_or(0).saturating_add(1)),
            },
            acquire_time: since.or(Some(MicroTime(wall))),
            renew_time: Some(MicroTime(wall)),
            ..LeaseSpec::default()
        }
    }

    /// Gives it up where it is ours, so that another need not wait.
    ///
    /// # Errors
    ///
    /// Where the server says no, or is lost: then it runs out by itself.
    pub async fn release(&self) -> Result<(), CallError> {
        let failed = |error| CallError::of(&format!("release lease `{}`", self.place()), error);
        let Some(mut object) = self.api.get_opt(&self.name).await.map_err(failed)? else {
            return Ok(());
        };
        let Some(spec) = object.spec.as_mut() else { return Ok(()) };
        if spec.holder_identity.as_ref() != Some(&self.me) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        let written = self.api.replace(&self.name, &PostParams::default(), &object).await;
        won(written).map(drop).map_err(failed)
    }
}

/// A write that somebody else's came before is lost, and no failure.
fn won<T>(written: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
