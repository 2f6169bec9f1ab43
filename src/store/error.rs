//! What can go wrong with the store. Every variant names its file.

use std::path::PathBuf;

/// Why history could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("cannot {what} `{path}`")]
    Io {
        /// "read", "write".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file that is not what this program wrote.
    #[error("`{path}` is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another run writes.
    #[error("the store `{path}` is in use by another run{}", .holder.as_ref().map_or(String::new(), |pid| format!(" (process {pid})")))]
    InUse {
        /// The store.
        path: PathBuf,
        /// The process that holds it, if it could say so.
        holder: Option<String>,
    },
    /// A newer version of Plimsoll wrote here.
    #[error("`{path}` was written by a newer version of plimsoll")]
    Newer {
        /// The folder or file.
        path: PathBuf,
    },
}

impl StoreError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "check the permissions of `history.store`, and the space left on its disk; `--offline` reads without writing"
            }
            Self::Damaged { .. } => {
                "run `plimsoll pull`: it sets the file aside and asks for it again"
            }
            Self::InUse { .. } => {
                "wait until it ends, or give this one another `history.store`; `--offline` reads without writing"
            }
            Self::Newer { .. } => "use that version, or another folder in `history.store`",
        }
    }
}
