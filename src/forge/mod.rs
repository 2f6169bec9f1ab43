//! The edge to a repository: `git` as a child process, and the HTTP API of the forge that opens pull requests.
//!
//! Commits are made of objects alone (`hash-object`, `write-tree`, `commit-tree`): no working tree, index or branch of the
//! user's clone is touched. A branch is rewritten only where every commit on it changes our file, to what its message names.

pub mod api;
mod error;
pub mod git;

pub use self::error::{ForgeError, GitError};
