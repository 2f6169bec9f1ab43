//! What can go wrong on the way to a cluster that is written to, or with the record of it.

use std::path::PathBuf;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No answer: what was sent may have been done or not.
    #[error("the cluster cannot be reached for {what}: {why}")]
    Lost {
        /// What was asked for.
        what: String,
        /// The innermost cause.
        why: String,
    },
    /// 401: it does not know us, or not any more.
    #[error("the cluster refuses our credentials: {message}")]
    Unauthenticated {
        /// The server's words.
        message: String,
    },
    /// 403: it knows us, and says no.
    #[error("may not {what}: {message}")]
    Denied {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: String,
    },
    /// 409: a field belongs to somebody else, or the object was changed meanwhile.
    #[error("{what} met a conflict: {message}")]
    Conflict {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: String,
    },
    /// Any other no: invalid, refused by a webhook or a policy, not there.
    #[error("the server refuses {what}: {message}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The server's words.
        message: String,
    },
}

impl CallError {
    /// A failed call in these terms.
    pub(super) fn of(what: &str, error: kube::Error) -> Self {
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => {
                let message = status.message.clone();
                // what a webhook or a policy says, in words and a code of its own, is no matter of our rights
                let rights =
                    message.contains(r#"forbidden: User ""#) && message.contains(" cannot ");
                match status.code {
                    _ if is_of_a_webhook(&message) => Self::Refused { what, message },
                    401 => Self::Unauthenticated { message },
                    403 if rights => Self::Denied { what, message },
                    409 => Self::Conflict { what, message },
                    // nobody knows what became of it
                    501.. => Self::Lost { what, why: message },
                    _ => Self::Refused { what, message },
                }
            }
            error => Self::Lost { what, why: innermost(&error) },
        }
    }

    /// The same of a call that changes something: an error of the server may come after it was done, a webhook's word comes
    /// before.
    pub(super) fn of_change(what: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 500 && !is_of_a_webhook(&status.message) => {
                Self::Lost { what: what.to_owned(), why: status.message.clone() }
            }
            error => Self::of(what, error),
        }
    }

    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Lost { .. } => {
                "see whether the API server is up and may be reached from here (`kubectl version`; of a pod, its NetworkPolicy); then run it again, as the loop does by itself: it reads what was done and goes on from there"
            }
            Self::Unauthenticated { .. } => {
                "log in again, or choose another context with `--context`; what was done stays done, and the next run goes on"
            }
            Self::Denied { .. } => "see which rights `plimsoll apply` needs in the README",
            Self::Conflict { .. } => "run it again: it plans on what is there now",
            Self::Refused { .. } => "the server's own words say what it wants",
        }
    }

    /// Whether nothing else of this cluster can be done either.
    #[must_use]
    pub fn is_of_the_cluster(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Unauthenticated { .. })
    }
}

/// Whether a webhook said no, or could not be asked: either way nothing was stored (Kubernetes, "Dynamic Admission Control").
fn is_of_a_webhook(message: &str) -> bool {
    [r#"admission webhook ""#, r#"Internal error occurred: failed calling webhook ""#]
        .iter()
        .any(|words| message.starts_with(words))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        // what the kubeconfig's plugin printed, a credential too, may stand in it
        if next.is::<kube::client::AuthError>() {
            return "the kubeconfig gives no new credential".to_owned();
        }
        cause = next;
    }
    cause.to_string()
}

/// Why the record cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It cannot be read or written.
    #[error("cannot keep the record `{}`: {source}", path.display())]
    File {
        /// The record.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another run writes it.
    #[error("another run applies right now: it holds `{}`", path.display())]
    InUse {
        /// The record.
        path: PathBuf,
    },
    /// A whole line is none of ours.
    #[error("`{}`, line {line}, is no line of the record: {why}", path.display())]
    Line {
        /// The record.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// A line is no whole JSON: the end of its run, or of the disk, came in between.
    #[error("`{}`, line {line}, is {}", path.display(), if *cut { "cut short" } else { "no JSON" })]
    Torn {
        /// The record.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Whether its end is missing; else it is no JSON from somewhere on.
        cut: bool,
    },
}

impl AuditError {
    /// Whether it is a line that began and did not end: nothing was sent for it, since a line comes first.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Torn { cut: true, .. })
    }

    /// Whether it is a line that nobody can read, and not one that says something else.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        matches!(self, Self::Torn { .. })
    }

    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => {
                "nothing is changed that cannot be recorded: name another place with `apply: {audit: FILE}`"
            }
            Self::InUse { .. } => {
                "wait until it is done, or stop it while it watches (Ctrl-C): what it applied stays"
            }
            Self::Torn { .. } => {
                "all other lines count; what this one said stands on its object (`plimsoll.dev/previous`): look there, then delete the line"
            }
            Self::Line { .. } => "move the file away: objects hold what their last change replaced",
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status::failure(message, "").with_code(code)))
    }

    #[test]
    fn what_a_webhook_says_is_of_one_object_whatever_its_code_and_its_words() {
        let down = r#"Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post "https://a": dial tcp: connection refused"#;
        let denies =
            r#"admission webhook "a.example.com" denied the request: user cannot touch this"#;
        for code in [401, 403, 409, 500, 503] {
            for words in [down, denies] {
                for error in [
                    CallError::of("change it", api(code, words)),
                    CallError::of_change("change it", api(code, words)),
                ] {
                    assert!(matches!(error, CallError::Refused { .. }), "{code} {error}");
                }
            }
        }
        let policy = r#"deployments.apps "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: who is new cannot do this"#;
        assert!(matches!(CallError::of("", api(403, policy)), CallError::Refused { .. }));
        let rights = r#"deployments.apps "a" is forbidden: User "ann" cannot patch resource "deployments" in API group "apps" in the namespace "n""#;
        assert!(matches!(CallError::of("", api(403, rights)), CallError::Denied { .. }));
    }

    #[test]
    fn an_error_of_the_server_is_an_answer_unless_something_may_have_been_done() {
        let error = || api(500, "Internal error occurred: etcdserver: request timed out");
        assert!(!CallError::of("get it", error()).is_of_the_cluster());
        assert!(CallError::of_change("change it", error()).is_of_the_cluster());
        for code in [502, 503, 504] {
            assert!(CallError::of("get it", api(code, "")).is_of_the_cluster());
        }
    }
}
