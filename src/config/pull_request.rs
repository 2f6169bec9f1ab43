//! The `pullRequest:` part: the forge, the repository, the branches.

use std::path::PathBuf;

use super::raw::{self, Text};
use super::read::{Reader, at};

/// The branch that carries the advice, where the settings name none.
const BRANCH: &str = "plimsoll/capacity";

/// Where `pr` proposes what is advised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestSettings {
    /// The forge to ask; `None` pushes the branch and opens nothing.
    pub forge: Option<ForgeKind>,
    /// Base address of its API, without a slash at its end; `None`: the public one.
    pub url: Option<String>,
    /// `owner/name`; `None`: as the remote's address says.
    pub repository: Option<String>,
    /// The remote to push to; `None`: `origin`, or the only one.
    pub remote: Option<String>,
    /// The branch to be changed; `None`: the remote's default branch.
    pub base: Option<String>,
    /// The branch that carries the change; it is ours, and rewritten.
    pub branch: String,
    /// File that holds the token; `None`: an environment variable.
    pub token_file: Option<PathBuf>,
}

impl Default for PullRequestSettings {
    fn default() -> Self {
        Self {
            forge: None,
            url: None,
            repository: None,
            remote: None,
            base: None,
            branch: BRANCH.to_owned(),
            token_file: None,
        }
    }
}

/// The forges whose API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub and GitHub Enterprise.
    GitHub,
    /// GitLab, public or one's own.
    GitLab,
}

impl Reader<'_> {
    pub(super) fn pull_request(&mut self, raw: Option<&raw::PullRequest>) -> PullRequestSettings {
        let mut settings = PullRequestSettings::default();
        let Some(raw) = raw else { return settings };
        let here = |key: &str| at("pullRequest", key);
        settings.forge = self.forge(&here("forge"), raw.forge.as_ref());
        settings.url = self.secure_url(&here("url"), raw.url.as_ref());
        settings.repository = self.repository(&here("repository"), raw.repository.as_ref());
        settings.remote = self.git_name(&here("remote"), raw.remote.as_ref());
        settings.base = self.git_name(&here("base"), raw.base.as_ref());
        if let Some(branch) = self.git_name(&here("branch"), raw.branch.as_ref()) {
            settings.branch = branch;
        }
        settings.token_file = self.path(&here("tokenFile"), raw.token_file.as_ref());
        if settings.base.as_deref() == Some(settings.branch.as_str()) {
            let line = raw.branch.as_ref().or(raw.base.as_ref()).map_or(0, |raw| raw.line);
            let message = "`pullRequest`: `branch` and `base` are the same";
            self.problem(
                line,
                message,
                "`branch` carries the change, and is rewritten: name another",
            );
        }
        settings
    }

    fn forge(&mut self, path: &str, raw: Option<&Text>) -> Option<ForgeKind> {
        let raw = raw?;
        match raw.value.as_str() {
            "github" => Some(ForgeKind::GitHub),
            "gitlab" => Some(ForgeKind::GitLab),
            other => {
                let message = format!("`{path}`: `{other}` is not a forge that is known");
                self.problem(raw.line, message, "write `github` or `gitlab`, or leave it away");
                None
            }
        }
    }

    /// An address to which a token may be sent: nobody in between reads it.
    fn secure_url(&mut self, path: &str, raw: Option<&Text>) -> Option<String> {
        let raw = raw?;
        let text = self.url(path, raw)?;
        let url = reqwest::Url::parse(&text).ok()?;
        let own = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() == "https" || own {
            return Some(text);
        }
        let message = format!("`{path}`: `{text}` would send the token in clear text");
        self.problem(raw.line, message, "write `https://`");
        None
    }

    fn repository(&mut self, path: &str, raw: Option<&Text>) -> Option<String> {
        let raw = raw?;
        if is_repository(&raw.value) {
            return Some(raw.value.clone());
        }
        let message =
            format!("`{path}`: `{}` is not a repository", super::read::printable(&raw.value));
        self.problem(raw.line, message, "write `owner/name`");
        None
    }

    /// A branch or a remote: nothing that git would take for a flag, a range or another ref.
    fn git_name(&mut self, path: &str, raw: Option<&Text>) -> Option<String> {
        let raw = raw?;
        if is_git_name(&raw.value) {
            return Some(raw.value.clone());
        }
        let message =
            format!("`{path}`: `{}` is not a name for git", super::read::printable(&raw.value));
        self.problem(raw.line, message, "write a branch such as `main`, without `refs/heads/`");
        None
    }
}

/// `owner/name`, or with groups in between as GitLab has them.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty()
            && part.chars().all(plain)
            && !part.starts_with('-')
            && part != "."
            && part != ".."
    };
    text.len() <= 255 && text.split('/').count() >= 2 && text.split('/').all(part)
}

/// The rules of git-check-ref-format(1), and no `-` in front.
#[must_use]
pub fn is_git_name(text: &str) -> bool {
    let odd = |c: char| crate::units::acts(c) || " ~^:?*[\\".contains(c);
    let part = |part: &str| {
        let lock = std::path::Path::new(part).extension().is_some_and(|end| end == "lock");
        !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !lock
    };
    !text.starts_with('-')
        && !text.starts_with("refs/")
        && text != "@"
        && text != "HEAD"
        && text.len() <= 200
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(odd)
        && text.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_flag_range_or_other_ref() {
        for good in ["main", "plimsoll/capacity", "release-1.2", "本番", "a@b"] {
            assert!(is_git_name(good), "{good}");
        }
        let bad = [
            "",
            "-f",
            "--mirror",
            "a..b",
            "a b",
            "a:b",
            "refs/heads/main",
            "HEAD",
            "@",
            "a/",
            "/a",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "a~1",
            "a^",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "a@{1}",
            "a\nb",
        ];
        for bad in bad {
            assert!(!is_git_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_repository_is_owner_and_name() {
        for good in ["acme/deploy", "group/sub/deploy", "a.b/c_d-e"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in [
            "",
            "deploy",
            "acme/",
            "/deploy",
            "acme/../x",
            "acme/a b",
            "acme/x?y",
            "acme/-x",
            "a/b#c",
        ] {
            assert!(!is_repository(bad), "{bad}");
        }
    }
}
