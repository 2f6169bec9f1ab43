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
                // an admission policy says no with 422, a webhook with any code: only RBAC is a matter of rights
                let rights = status.code == 403 && message.contains(" cannot ");
                match status.code {
                    401 => Self::Unauthenticated { message },
                    403 if rights => Self::Denied { what, message },
                    409 => Self::Conflict { what, message },
                    // nobody knows what became of it
                    500.. => Self::Lost { what, why: message },
                    _ => Self::Refused { what, message },
                }
            }
            error => Self::Lost { what, why: innermost(&error) },
        }
    }

    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Lost { .. } => {
                "check `kubectl version`; run it again: it reads what was done and goes on from there"
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

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
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
            Self::InUse { .. } => "wait until it is done, and run it again",
            Self::Torn { .. } => {
                "all other lines count; what this one said stands on its object (`plimsoll.dev/previous`): look there, then delete the line"
            }
            Self::Line { .. } => "move the file away: objects hold what their last change replaced",
        }
    }
}
