//! What can go wrong at the cluster's edge. Every variant names its object, and says in
//! [`KubernetesError::hint`] what to change.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use kube::Resource;
use kube::config::KubeconfigError;

use super::access;
use super::plugin::words;
use super::proxy::Proxy;
use super::{ClusterOptions, POD_ACCOUNT, of_a_pod};

/// Why the cluster, or something in it, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubernetesError {
    /// No usable way to a cluster is configured.
    #[error("no cluster to ask: {why}")]
    Kubeconfig {
        /// What is wrong with the kubeconfig.
        why: String,
    },
    /// The program that says who we are does not.
    #[error(
        "`{command}`, which context `{context}` is to get its credential from, gives none: {why}"
    )]
    Plugin {
        /// The program.
        command: String,
        /// The kubeconfig's context.
        context: String,
        /// What went wrong; nothing of what it printed for us alone.
        why: String,
        /// How to get it, in the kubeconfig's words, where it is not there.
        install: Option<String>,
    },
    /// What no proxy is to be asked for is not clear.
    #[error("`NO_PROXY` cannot be read: {why}")]
    Except {
        /// What is wrong with it.
        why: String,
    },
    /// A proxy that nobody can speak with.
    #[error("the proxy {proxy} cannot be used: {why}")]
    Proxy {
        /// The proxy.
        proxy: Proxy,
        /// What is wrong with it.
        why: String,
    },
    /// The pod that this runs in has no usable account.
    #[error("the cluster of this pod cannot be asked: {why}")]
    Account {
        /// What is wrong with what is mounted.
        why: String,
    },
    /// No connection, or it was lost.
    #[error("the cluster cannot be reached for {what}: {why}")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// The innermost cause.
        why: String,
    },
    /// 401: it does not know us.
    #[error("the cluster refuses our credentials: {message}")]
    Unauthenticated {
        /// The server's words.
        message: String,
    },
    /// 403: it knows us, and says no to this.
    #[error("cannot list {listing}: {message}")]
    Denied {
        /// What was to be listed.
        listing: Listing,
        /// The server's words.
        message: String,
    },
    /// An answer that is no list.
    #[error("cannot list {listing}: {message}")]
    Failed {
        /// What was to be listed.
        listing: Listing,
        /// The server's words, or those of the decoder.
        message: String,
    },
    /// The cluster has no such API.
    #[error("the cluster serves no `{group}`: its server is not there, or does not answer")]
    NotServed {
        /// The API group.
        group: &'static str,
    },
    /// The object is not in the cluster.
    #[error("{what} does not exist")]
    NotFound {
        /// The object.
        what: String,
    },
    /// A kind that Plimsoll does not size.
    #[error("{what} is of kind `{kind}`, which is not sized")]
    Kind {
        /// The kind in the settings.
        kind: String,
        /// The object.
        what: String,
    },
    /// Two of them pull at one object.
    #[error("{what} is scaled by several {of}: {}", names.join(", "))]
    SeveralScalers {
        /// The object.
        what: String,
        /// `HPAs`, `ScaledObjects`, or `autoscalers` where it is one of each.
        of: &'static str,
        /// Their names.
        names: Vec<String>,
    },
    /// What is named prepares the pod, or stays beside its containers as one of those.
    #[error("`{wanted}` of component `{component}` is an init container, which is not sized; its containers are {}", names.join(", "))]
    InitContainer {
        /// The component.
        component: String,
        /// The container that is named.
        wanted: String,
        /// The containers proper.
        names: Vec<String>,
    },
    /// The pod has no such container.
    #[error("component `{component}` has no container `{wanted}`, only {}", names.join(", "))]
    NoContainer {
        /// The component.
        component: String,
        /// The container looked for.
        wanted: String,
        /// Those that are there.
        names: Vec<String>,
    },
}

/// A kind in a namespace, as RBAC names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// `horizontalpodautoscalers`.
    plural: String,
    /// `autoscaling`; empty for the core.
    group: String,
    /// `None`: the kind belongs to no namespace.
    namespace: Option<String>,
}

/// The kinds that say what is in force.
const OF_SETTINGS: [&str; 4] =
    ["deployments", "statefulsets", "horizontalpodautoscalers", "scaledobjects"];

impl Listing {
    fn resource(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.plural, self.group)
    }

    pub(super) fn of<K: Resource>(kind: &K::DynamicType, namespace: Option<&str>) -> Self {
        Self {
            plural: K::plural(kind).into_owned(),
            group: K::group(kind).into_owned(),
            namespace: namespace.map(str::to_owned),
        }
    }

    /// What gives an account the right to list these kinds in one place. What it may already stays, also where this was
    /// pasted before: roles are created once, and reconciled as often as one likes.
    fn right(&self, resources: &BTreeSet<String>, account: &str) -> String {
        let (place, role) = match &self.namespace {
            Some(namespace) => (format!(" -n {namespace}"), "role"),
            None => (String::new(), "clusterrole"),
        };
        let resources = resources.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let made = "--dry-run=client -o yaml | kubectl auth reconcile -f -";
        format!(
            "`kubectl create {role} plimsoll-read{place} --verb=list --resource={resources} {made}`, and bind it \
             with `kubectl create {role}binding plimsoll-read{place} --{role}=plimsoll-read --user={account} {made}`"
        )
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the pods of the metrics server are no pods
        match self.plural.as_str() {
            "pods" => write!(f, "{}", self.resource())?,
            plural => write!(f, "{plural}")?,
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace `{namespace}`"),
            None => Ok(()),
        }
    }
}

/// Whom the server names in a refusal, as a shell takes it.
fn account(message: &str) -> String {
    let named = message.split_once("User \"").and_then(|(_, rest)| rest.split_once('"'));
    let name = named.map_or("NAME", |(name, _)| name);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    if name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

impl KubernetesError {
    /// The namespace in which something could not be listed; `None`: it is of none, or of no listing.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Denied { listing, .. } | Self::Failed { listing, .. } => {
                listing.namespace.as_deref()
            }
            _ => None,
        }
    }

    /// What to change, with all that was denied in the same place.
    pub(super) fn hint_among(&self, all: &[Self]) -> String {
        let Self::Denied { listing, message } = self else { return self.hint() };
        let denied = all.iter().filter_map(|one| match one {
            Self::Denied { listing, .. } => Some(listing),
            _ => None,
        });
        let here = denied.filter(|one| one.namespace == listing.namespace);
        let resources = here.chain([listing]).map(Listing::resource).collect();
        let right = listing.right(&resources, &account(message));
        format!("denied is not taken for none; allow it with {right}")
    }

    /// What to change.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Kubeconfig { .. } => {
                let named = "name the kubeconfig with `--kubeconfig FILE` and its context with `--context NAME`";
                match of_a_pod() {
                    Some(false) => format!("let the pod mount it (`automountServiceAccountToken`), or {named}"),
                    _ => named.to_owned(),
                }
            }
            Self::Plugin { install: Some(install), .. } => install.trim().to_owned(),
            Self::Plugin { command, .. } => {
                format!("see what `{command}` says by itself, or choose another context with `--context`")
            }
            Self::Proxy { proxy, .. } => proxy.hint(),
            Self::Except { .. } => {
                "leave hosts, addresses and networks in it alone, with one comma between two of them".to_owned()
            }
            Self::Account { .. } => {
                format!("see what is mounted at `{POD_ACCOUNT}`, or leave the cluster alone with `--no-cluster`")
            }
            Self::Unreachable { .. } => {
                "check `kubectl version`, or leave out `--context` and give `current:` in the settings".to_owned()
            }
            Self::Unauthenticated { .. } => "log in again, or choose another context with `--context`".to_owned(),
            Self::Denied { .. } => self.hint_among(&[]),
            Self::NotFound { .. } | Self::Kind { .. } => {
                "set `components.<name>.target` to a `Deployment/NAME` or `StatefulSet/NAME` of this namespace"
                    .to_owned()
            }
            Self::NotServed { .. } => {
                "`kubectl get apiservices` shows whether metrics-server is there and answers; nothing else asks it".to_owned()
            }
            Self::Failed { .. } => "ask again; `kubectl get` shows whether the API server is well".to_owned(),
            Self::SeveralScalers { .. } => "delete all but one: they undo each other".to_owned(),
            Self::NoContainer { component, .. } | Self::InitContainer { component, .. } => {
                format!("set `components.{component}.container`")
            }
        }
    }

    /// The same for who asks by these options: a pod has no context to choose.
    #[must_use]
    pub fn hint_by(&self, options: &ClusterOptions) -> String {
        let pods = options.is_the_pods();
        let hint = match self {
            Self::Unreachable { .. } if pods => {
                "let the pod reach the API server (see its NetworkPolicy)"
            }
            Self::Unauthenticated { .. } if pods => "give the pod a token of this cluster",
            Self::Unreachable { .. } => {
                return access::proxy(options).map_or_else(|| self.hint(), |proxy| proxy.hint());
            }
            _ => return self.hint(),
        };
        format!(
            "{hint}, or leave the cluster alone with `--no-cluster` and give `current:` in the settings"
        )
    }

    /// The same for who changes something there, and has no other source for what is in force.
    #[must_use]
    pub fn hint_to_act(&self, options: &ClusterOptions) -> String {
        let pods = options.is_the_pods();
        match self {
            Self::Unreachable { .. } if pods => {
                "see whether the API server is up, and let the pod reach it (see its NetworkPolicy)"
                    .to_owned()
            }
            Self::Unreachable { .. } => {
                "see whether the API server is up and may be reached from here: `kubectl version`"
                    .to_owned()
            }
            Self::Unauthenticated { .. } if pods => {
                "give the pod an account of this cluster, and see whether its token is valid still"
                    .to_owned()
            }
            Self::Account { .. } => format!("see what is mounted at `{POD_ACCOUNT}`"),
            _ => self.hint(),
        }
    }

    /// Whether nothing else of this cluster can be read either.
    #[must_use]
    pub fn is_of_the_cluster(&self) -> bool {
        matches!(
            self,
            Self::Kubeconfig { .. }
                | Self::Plugin { .. }
                | Self::Proxy { .. }
                | Self::Except { .. }
                | Self::Account { .. }
                | Self::Unreachable { .. }
                | Self::Unauthenticated { .. }
        )
    }

    /// Whether it hides what is in force, rather than what a change must fit into.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        match self {
            Self::Denied { listing, .. } | Self::Failed { listing, .. } => {
                OF_SETTINGS.contains(&listing.plural.as_str())
            }
            Self::NotServed { .. } => false,
            _ => true,
        }
    }

    /// No way to a cluster; kube's own texts hold their causes already.
    pub(super) fn kubeconfig(error: &(dyn std::error::Error + 'static)) -> Self {
        let why = match error.downcast_ref::<KubeconfigError>() {
            Some(KubeconfigError::ReadConfig(cause, path)) => {
                format!("`{}` cannot be read: {cause}", path.display())
            }
            Some(KubeconfigError::ParseNoProxy(cause)) => {
                return Self::Except { why: cause.to_string() };
            }
            _ => error.to_string(),
        };
        let tokenless = (of_a_pod() == Some(false))
            .then(|| format!("; nor does this pod mount a token at `{POD_ACCOUNT}`"));
        Self::Kubeconfig { why: why + &tokenless.unwrap_or_default() }
    }

    /// No account to ask by; kube's own texts hold their causes already.
    pub(super) fn account(error: &dyn std::error::Error) -> Self {
        Self::Account { why: error.to_string() }
    }

    /// The failure of a list.
    pub(super) fn listing(listing: &Listing, error: kube::Error) -> Self {
        let listing = listing.clone();
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                Self::Denied { listing, message: status.message }
            }
            kube::Error::Api(status) if status.code != 401 => {
                Self::Failed { listing, message: status.message }
            }
            kube::Error::SerdeError(error) => Self::Failed { listing, message: error.to_string() },
            error => Self::lost(&listing.to_string(), error),
        }
    }

    /// A list that a server does not come to.
    pub(super) fn put_off(listing: &Listing, patience: Duration) -> Self {
        let message =
            format!("the server puts it off (429, 503 or 504), for {} s now", patience.as_secs());
        Self::Failed { listing: listing.clone(), message }
    }

    /// The failure of asking for something that the run can do without, unless the cluster is lost.
    pub(super) fn lost(what: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 401 => {
                Self::Unauthenticated { message: status.message }
            }
            error => Self::Unreachable { what: what.to_owned(), why: innermost(&error) },
        }
    }
}

/// The last cause in the chain: what the others only wrap.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        // a credential that ended, and the plugin was run for another
        if let Some(why) = next.downcast_ref().and_then(words) {
            return format!("the kubeconfig's plugin gives no credential: {why}");
        }
        cause = next;
    }
    cause.to_string()
}
