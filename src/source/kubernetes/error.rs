//! What can go wrong at the cluster's edge. Every variant names its object, and says in
//! [`KubernetesError::hint`] what to change.

use kube::config::KubeconfigError;

/// Why the cluster, or one of its objects, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubernetesError {
    /// No usable way to a cluster is configured.
    #[error("no cluster to ask: {why}")]
    Kubeconfig {
        /// What is wrong with the kubeconfig.
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
    #[error("{what} may not be read: {message}")]
    Denied {
        /// The kind and namespace, or the object.
        what: String,
        /// The server's words.
        message: String,
    },
    /// 404.
    #[error("{what} does not exist")]
    NotFound {
        /// The object.
        what: String,
    },
    /// Any other answer.
    #[error("{what} could not be read: {message}")]
    Failed {
        /// The kind and namespace, or the object.
        what: String,
        /// The server's words, or those of the decoder.
        message: String,
    },
    /// A kind that Plimsoll does not size.
    #[error("{what} is of kind `{kind}`, which is not sized")]
    Kind {
        /// The kind in the settings.
        kind: String,
        /// The object.
        what: String,
    },
    /// Two HPAs pull at one object.
    #[error("{what} is scaled by several HPAs: {}", names.join(", "))]
    SeveralHpas {
        /// The object.
        what: String,
        /// The HPAs.
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

impl KubernetesError {
    /// What to change.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Kubeconfig { .. } => {
                "name the kubeconfig with `--kubeconfig FILE` and its context with `--context NAME`".to_owned()
            }
            Self::Unreachable { .. } => {
                "check `kubectl version`, or leave out `--context` and give `current:` in the settings".to_owned()
            }
            Self::Unauthenticated { .. } => "log in again, or choose another context with `--context`".to_owned(),
            Self::Denied { .. } => {
                "grant `get` and `list` on deployments, statefulsets and horizontalpodautoscalers".to_owned()
            }
            Self::NotFound { .. } | Self::Kind { .. } => {
                "set `components.<name>.target` to a `Deployment/NAME` or `StatefulSet/NAME` of this namespace"
                    .to_owned()
            }
            Self::Failed { .. } => "ask again; `kubectl get` shows whether the API server is well".to_owned(),
            Self::SeveralHpas { .. } => "delete all but one: HPAs on one object undo each other".to_owned(),
            Self::NoContainer { .. } => "set `components.<name>.container`".to_owned(),
        }
    }

    /// Whether nothing else of this cluster can be read either.
    #[must_use]
    pub fn is_of_the_cluster(&self) -> bool {
        matches!(
            self,
            Self::Kubeconfig { .. } | Self::Unreachable { .. } | Self::Unauthenticated { .. }
        )
    }

    /// No way to a cluster; kube's own texts hold their causes already.
    pub(super) fn kubeconfig(error: &(dyn std::error::Error + 'static)) -> Self {
        let why = match error.downcast_ref::<KubeconfigError>() {
            Some(KubeconfigError::ReadConfig(cause, path)) => {
                format!("`{}` cannot be read: {cause}", path.display())
            }
            _ => error.to_string(),
        };
        Self::Kubeconfig { why }
    }

    /// The failure of asking for `what`.
    pub(super) fn of(what: &str, error: kube::Error) -> Self {
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Self::Unauthenticated { message: status.message },
                403 => Self::Denied { what, message: status.message },
                404 => Self::NotFound { what },
                _ => Self::Failed { what, message: status.message },
            },
            kube::Error::SerdeError(error) => Self::Failed { what, message: error.to_string() },
            error => Self::Unreachable { what, why: innermost(&error) },
        }
    }
}

/// The last cause in the chain: what the others only wrap.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
