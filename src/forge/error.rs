//! What can go wrong with a repository or its forge, and what to do about it.

use std::time::Duration;

use crate::units::acts;

/// Why `git` could not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No program of that name.
    #[error("`git` cannot be run: {why}")]
    NoGit {
        /// The system's word.
        why: String,
    },
    /// Not inside of a working tree.
    #[error("`{folder}` is no clone of a repository")]
    NoRepository {
        /// The folder.
        folder: String,
    },
    /// Nowhere to push to, or too many places.
    #[error("{what}")]
    NoRemote {
        /// What is missing.
        what: String,
    },
    /// No branch to change.
    #[error("`{remote}` has no branch {}", base.as_ref().map_or("that goes without saying: its HEAD is none".to_owned(), |base| format!("`{base}`")))]
    NoBase {
        /// The remote.
        remote: String,
        /// The branch that was asked for.
        base: Option<String>,
    },
    /// One branch for both.
    #[error("`{branch}` is the base, and cannot carry the change to itself")]
    Same {
        /// The branch.
        branch: String,
    },
    /// A file outside of the repository, or no file at all.
    #[error("`{path}` {why}")]
    Path {
        /// As it was typed.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The user's own work on the file.
    #[error(
        "`{path}` has changes that are not committed, and the pull request would not hold them"
    )]
    Dirty {
        /// The file.
        path: String,
    },
    /// A branch with commits that are not ours.
    #[error("`{branch}` holds a commit that plimsoll did not make: {commit}")]
    Foreign {
        /// The branch.
        branch: String,
        /// Abbreviated, with its author.
        commit: String,
    },
    /// The branch holds our proposal for another file.
    #[error("`{branch}` proposes `{other}`, which making it anew for `{path}` would drop")]
    Another {
        /// The branch.
        branch: String,
        /// The file that is to be proposed.
        path: String,
        /// The file that stands there.
        other: String,
    },
    /// History is cut off before the point that is needed.
    #[error("this clone is shallow: where `{branch}` left its base cannot be seen")]
    Shallow {
        /// The branch.
        branch: String,
    },
    /// The remote does not take the push.
    #[error("the remote does not take `{branch}`: {words}")]
    Rejected {
        /// The branch.
        branch: String,
        /// The remote's own words.
        words: String,
    },
    /// Another failure.
    #[error("`git {verb}` failed: {words}")]
    Failed {
        /// The subcommand.
        verb: String,
        /// Its own words.
        words: String,
    },
    /// No end in time.
    #[error("`git {verb}` did not end within {}s", after.as_secs())]
    TimedOut {
        /// The subcommand.
        verb: String,
        /// The time it was given.
        after: Duration,
    },
}

impl GitError {
    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoGit { .. } => {
                "install git, or let `PATH` name its folder; the image has it where it is built with `--target with-git`"
            }
            Self::NoRepository { .. } => {
                "run it in a clone of the repository that holds the values, or name one with `--repo`"
            }
            Self::NoRemote { .. } => {
                "name it with `pullRequest.remote`, or add one with `git remote add`"
            }
            Self::NoBase { .. } => "name a branch that is there with `pullRequest.base`",
            Self::Same { .. } => "name another with `pullRequest.branch` or `pullRequest.base`",
            Self::Path { .. } => "name a file of the repository, relative to `--repo`",
            Self::Dirty { .. } => "commit or stash them, then run it again",
            Self::Foreign { .. } => {
                "merge that work, or move it away and delete the branch; or name another with `pullRequest.branch`"
            }
            Self::Another { .. } => {
                "let `pullRequest.branch` name a branch of its own for each file; or merge or close that proposal and delete the branch"
            }
            Self::Shallow { .. } => {
                "fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` in CI"
            }
            Self::Rejected { .. } => {
                "let this account force-push the branch, or name another with `pullRequest.branch`; where it moved meanwhile, run it again"
            }
            Self::Failed { verb, .. } if verb == "push" => {
                "a `pre-push` hook or `push.gpgSign` of this clone may refuse it: run the same with `git` itself; nothing asks for a password here"
            }
            Self::Failed { .. } => {
                "run the same with `git` itself; nothing asks for a password here"
            }
            Self::TimedOut { .. } => {
                "see whether the remote can be reached without a password being typed"
            }
        }
    }
}

/// Why the forge did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// No token to be had.
    #[error("no token for the forge: {why}")]
    NoToken {
        /// What was looked for.
        why: String,
    },
    /// The address is none, or no connection can be prepared.
    #[error("`{url}` cannot be asked: {why}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// No connection, or it was lost.
    #[error("`{url}` cannot be reached: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// No whole answer in time.
    #[error("`{url}` gave no whole answer within {}s", after.as_secs_f64())]
    TimedOut {
        /// The address.
        url: String,
        /// The time it was given.
        after: Duration,
    },
    /// It sends us elsewhere.
    #[error("`{url}` sends us on to `{to}`, and the token goes to nobody else")]
    Redirected {
        /// The address.
        url: String,
        /// Where to.
        to: String,
    },
    /// 401: the token is none.
    #[error("`{url}` does not know the token (401){said}")]
    Unknown {
        /// The address.
        url: String,
        /// Its words.
        said: String,
    },
    /// 403: the token may not.
    #[error("`{url}` does not allow it (403){said}")]
    Forbidden {
        /// The address.
        url: String,
        /// Its words.
        said: String,
    },
    /// 404: not there, or not shown to this token.
    #[error("`{repository}` is not at `{url}`, or not shown to this token (404)")]
    NotFound {
        /// The address.
        url: String,
        /// `owner/name`.
        repository: String,
    },
    /// Too many requests, for longer than we wait.
    #[error("`{url}` asks to be left alone for {}s", wait.as_secs())]
    Busy {
        /// The address.
        url: String,
        /// How long.
        wait: Duration,
    },
    /// 400, 409, 422 and others: it does not want what was sent.
    #[error("`{url}` refuses it ({status}){said}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// Its words.
        said: String,
    },
    /// 5xx.
    #[error("`{url}` is not well ({status}){said}")]
    Unwell {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// Its words.
        said: String,
    },
    /// An answer that is none of this API.
    #[error("`{url}` answers, but not as a forge does: {start}")]
    NotAForge {
        /// The address.
        url: String,
        /// How it begins.
        start: String,
    },
}

impl ForgeError {
    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoToken { .. } => "set the variable, or name a file with `pullRequest.tokenFile`",
            Self::Url { .. } | Self::NotAForge { .. } => {
                "`pullRequest.url` is the address of the API, such as `https://github.example.com/api/v3`"
            }
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Unwell { .. } => {
                "run it again: what is pushed stays, and the next run opens the pull request"
            }
            Self::Redirected { .. } => {
                "set `pullRequest.url` or `pullRequest.repository` to where it is now"
            }
            Self::Unknown { .. } => "see whether the token is whole and has not expired",
            Self::Forbidden { .. } | Self::NotFound { .. } => {
                "let the token read and write pull requests of this repository; `pullRequest.repository` names it"
            }
            Self::Busy { .. } => {
                "run it again after that: what is pushed stays, and the next run opens the pull request"
            }
            Self::Refused { .. } => {
                "see `pullRequest.base` and `pullRequest.branch`, and what the forge says"
            }
        }
    }
}

/// Somebody else's words on one line: nothing that a terminal acts on, no password of an address, not more than 300
/// characters.
pub(super) fn plain(text: &str) -> String {
    let flat = text.split_whitespace().map(without_login).collect::<Vec<_>>().join(" ");
    let flat: String = flat.chars().map(|c| if acts(c) { ' ' } else { c }).collect();
    if flat.chars().count() <= 300 {
        return flat;
    }
    flat.chars().take(300).chain(['…']).collect()
}

/// The word without what stands between `://` and the last `@` in it: a password may hold a slash.
fn without_login(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_holds_no_password_and_moves_no_cursor() {
        let said = "fatal: unable to access\n'https://me:sec@ret@host/x.git/': \u{1b}[2Jno";
        assert_eq!(plain("http://me:hun/ter2@host/x.git"), "http://host/x.git");
        assert_eq!(plain(said), "fatal: unable to access 'https://host/x.git/':  [2Jno");
    }
}
