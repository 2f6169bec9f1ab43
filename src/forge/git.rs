//! `git` as a child process: arguments never go through a shell, nothing asks for a password, everything ends in time.

mod child;
mod link;

use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use self::child::{Done, run, verb};
use super::api::Token;
use super::error::{GitError, plain};

/// The line of a commit of ours that names the blob it was made with: who amends it is told apart by it.
pub const TRAILER: &str = "Plimsoll-Content: ";
/// More commits than that on our branch are not only ours.
const COMMITS_MAX: usize = 100;

/// A clone of a repository.
#[derive(Debug, Clone)]
pub struct Repository {
    folder: PathBuf,
    /// From the root to the folder, with a slash at its end where it is not empty.
    prefix: String,
    /// What git may say again of what it was given, and nobody is to read.
    secret: Option<Token>,
}

/// The branches of the remote as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tips {
    /// The commit of the base.
    pub base: String,
    /// The commit of our branch; `None`: there is none.
    pub branch: Option<String>,
}

/// A file in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// `100644` or `100755`.
    pub mode: String,
    /// Its id.
    pub id: String,
    /// Its bytes as they are stored.
    pub content: Vec<u8>,
}

/// What a commit holds.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The file, from the root.
    pub path: &'a str,
    /// Its mode.
    pub mode: &'a str,
    /// The id of its blob.
    pub blob: &'a str,
    /// The message, trailer included.
    pub message: &'a str,
}

impl Repository {
    /// The clone that `folder` is in.
    ///
    /// # Errors
    ///
    /// No `git`, or no clone with a working tree.
    pub fn open(folder: &Path) -> Result<Self, GitError> {
        let none = || GitError::NoRepository { folder: folder.display().to_string() };
        if !folder.is_dir() {
            return Err(none());
        }
        let here = Self { folder: folder.to_owned(), prefix: String::new(), secret: None };
        let found = here.git(&["rev-parse", "--is-inside-work-tree", "--show-prefix"])?;
        let text = found.text();
        let (inside, prefix) = text.split_once('\n').unwrap_or((&text, ""));
        if !found.ok || inside != "true" {
            return Err(none());
        }
        Ok(Self { prefix: prefix.to_owned(), ..here })
    }

    /// The same, whose words never hold this token: it may stand in what git is configured with, and in what it says.
    #[must_use]
    pub fn hiding(self, secret: Option<Token>) -> Self {
        Self { secret, ..self }
    }

    /// The words of git or the remote, on one line.
    fn words(&self, text: &str) -> String {
        match &self.secret {
            Some(Token(secret)) => plain(&text.replace(secret, "…")),
            None => plain(text),
        }
    }

    /// The remote to push to: the one named, else `origin`, else the only one.
    ///
    /// # Errors
    ///
    /// None, another, or several.
    pub fn remote(&self, wanted: Option<&str>) -> Result<String, GitError> {
        let all = self.ask(&["remote"])?;
        let all: Vec<&str> = all.lines().collect();
        let refused = |what: String| Err(GitError::NoRemote { what });
        match (wanted, all.as_slice()) {
            (Some(wanted), all) if all.contains(&wanted) => Ok(wanted.to_owned()),
            (Some(wanted), _) => refused(format!("this clone has no remote `{}`", plain(wanted))),
            (None, []) => refused("this clone has no remote to push to".to_owned()),
            (None, all) if all.contains(&"origin") => Ok("origin".to_owned()),
            (None, [one]) if !one.starts_with('-') => Ok((*one).to_owned()),
            (None, _) => refused("this clone has several remotes, and none is `origin`".to_owned()),
        }
    }

    /// The address that a push goes to; it may hold a password.
    ///
    /// # Errors
    ///
    /// Where git does not say.
    pub fn address(&self, remote: &str) -> Result<String, GitError> {
        self.ask(&["remote", "get-url", "--push", remote])
    }

    /// The branch that the remote's HEAD is.
    ///
    /// # Errors
    ///
    /// Where the remote cannot be asked, or its HEAD is no branch.
    pub fn default_branch(&self, remote: &str) -> Result<String, GitError> {
        let told = self.ask(&["ls-remote", "--symref", "--", remote, "HEAD"])?;
        let branch = told
            .lines()
            .find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        branch
            .map(str::to_owned)
            .ok_or_else(|| GitError::NoBase { remote: remote.to_owned(), base: None })
    }

    /// Where base and branch are on the remote, with their commits brought here; no ref of this clone moves by it.
    ///
    /// # Errors
    ///
    /// Where the remote cannot be asked, or has no such base.
    pub fn tips(&self, remote: &str, base: &str, branch: &str) -> Result<Tips, GitError> {
        let refs = [base, branch].map(|name| format!("refs/heads/{name}"));
        let told = self.ask(&["ls-remote", "--", remote, &refs[0], &refs[1]])?;
        let tip = |name: &String| {
            let line =
                told.lines().find(|line| line.split_once('\t').is_some_and(|(_, of)| of == name));
            line.and_then(|line| Some(line.split_once('\t')?.0.to_owned()))
        };
        let none = || GitError::NoBase { remote: remote.to_owned(), base: Some(base.to_owned()) };
        let tips = Tips { base: tip(&refs[0]).ok_or_else(none)?, branch: tip(&refs[1]) };
        let mut fetch = vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        ];
        fetch.extend(["--refmap=", "--no-auto-maintenance", "--", remote, &refs[0]]);
        if tips.branch.is_some() {
            fetch.push(&refs[1]);
        }
        self.ask(&fetch)?;
        Ok(tips)
    }

    /// The path from the root of a file that was named relative to the folder.
    ///
    /// # Errors
    ///
    /// Where it leaves the repository, or cannot be a file in it.
    pub fn path(&self, file: &Path) -> Result<String, GitError> {
        let refused =
            |why: &str| GitError::Path { path: file.display().to_string(), why: why.to_owned() };
        let mut parts: Vec<&str> = self.prefix.split('/').filter(|part| !part.is_empty()).collect();
        for part in file.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir if parts.pop().is_some() => {}
                Component::Normal(part) => {
                    parts.push(part.to_str().ok_or_else(|| refused("is not UTF-8"))?);
                }
                _ => return Err(refused("is not in the repository")),
            }
        }
        let odd =
            |part: &&str| part.eq_ignore_ascii_case(".git") || part.contains(crate::units::acts);
        if parts.is_empty() || parts.iter().any(odd) {
            return Err(refused("cannot be a file of a repository"));
        }
        Ok(parts.join("/"))
    }

    /// Refuses where the user is at work on the file.
    ///
    /// # Errors
    ///
    /// Where it differs from what is committed.
    pub fn clean(&self, path: &str) -> Result<(), GitError> {
        let top = format!(":(top,literal){path}");
        let changed = self.ask(&[
            "status",
            "--porcelain",
            "--untracked-files=all",
            "--ignore-submodules",
            "--",
            &top,
        ])?;
        if changed.is_empty() { Ok(()) } else { Err(GitError::Dirty { path: path.to_owned() }) }
    }

    /// A file as a commit has it; `None`: it has none there.
    ///
    /// # Errors
    ///
    /// Where a folder, a link or a submodule stands there, or a link on the way.
    pub fn blob(&self, commit: &str, path: &str) -> Result<Option<Blob>, GitError> {
        let listed = self.ask(&["ls-tree", "-z", "--full-tree", commit, "--", path])?;
        let Some(entry) = listed
            .split('\0')
            .find(|entry| entry.split_once('\t').is_some_and(|(_, of)| of == path))
        else {
            self.leads_through_no_link(commit, path)?;
            return Ok(None);
        };
        let words: Vec<&str> = entry.split(['\t', ' ']).collect();
        let [mode @ ("100644" | "100755"), "blob", id, ..] = words.as_slice() else {
            self.leads_through_no_link(commit, path)?;
            let why = "is a folder or a submodule in the repository".to_owned();
            return Err(GitError::Path { path: path.to_owned(), why });
        };
        let content = self.must(&["cat-file", "blob", id], None, &[])?.stdout;
        Ok(Some(Blob { mode: (*mode).to_owned(), id: (*id).to_owned(), content }))
    }

    /// Where our branch left its base, if every commit on it holds what ours put there, and `path` alone.
    ///
    /// # Errors
    ///
    /// Where somebody else has work on it, another file of ours is proposed on it, or that cannot be seen.
    pub fn ours(
        &self,
        base: &str,
        tip: &str,
        branch: &str,
        path: &str,
    ) -> Result<String, GitError> {
        let fork = self.git(&["merge-base", base, tip])?;
        if !fork.ok {
            let shallow = self.ask(&["rev-parse", "--is-shallow-repository"])? == "true";
            let branch = branch.to_owned();
            return Err(if shallow {
                GitError::Shallow { branch }
            } else {
                self.foreign(tip, branch)?
            });
        }
        let fork = fork.text();
        let most = format!("--max-count={}", COMMITS_MAX + 1);
        let list = self.ask(&["rev-list", "--no-merges", &most, &format!("{base}..{tip}")])?;
        let commits: Vec<&str> = list.lines().collect();
        for (i, commit) in commits.iter().enumerate() {
            if i >= COMMITS_MAX || !self.is_ours(commit)? {
                return Err(self.foreign(commit, branch.to_owned())?);
            }
        }
        // what a merge brought in beside its parents, or put back, is somebody's work too
        let whole = self.entries(&[&fork, tip])?;
        let newest =
            commits.first().map(|commit| self.entries(&[commit])).transpose()?.unwrap_or_default();
        if whole != newest {
            return Err(self.foreign(tip, branch.to_owned())?);
        }
        if let Some((_, other)) = whole.iter().find(|(_, changed)| changed != path) {
            let (branch, path, other) = (branch.to_owned(), path.to_owned(), plain(other));
            return Err(GitError::Another { branch, path, other });
        }
        Ok(fork)
    }

    fn foreign(&self, commit: &str, branch: String) -> Result<GitError, GitError> {
        let commit = self.ask(&["show", "--no-patch", "--format=%h of %an", commit])?;
        Ok(GitError::Foreign { branch, commit: plain(&commit) })
    }

    /// Whether a commit changes one file, and to the very content that its message names.
    fn is_ours(&self, commit: &str) -> Result<bool, GitError> {
        let message = self.ask(&["show", "--no-patch", "--format=%B", commit])?;
        let named = message.lines().rev().find_map(|line| line.strip_prefix(TRAILER));
        let entries = self.entries(&[commit])?;
        Ok(matches!(entries.as_slice(), [(blob, _)] if named == Some(blob.as_str())))
    }

    /// The blobs that a commit, or the way between two, changes, with their paths.
    fn entries(&self, of: &[&str]) -> Result<Vec<(String, String)>, GitError> {
        let mut args = vec!["diff-tree", "-r", "-z", "--no-renames", "--no-commit-id", "--root"];
        args.extend(of);
        let told = self.ask(&args)?;
        let mut fields = told.split('\0');
        let mut entries = Vec::new();
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            let blob = meta.split(' ').nth(3).unwrap_or_default();
            entries.push((blob.to_owned(), path.to_owned()));
        }
        Ok(entries)
    }

    /// Stores bytes as they are; returns their id.
    ///
    /// # Errors
    ///
    /// Where they cannot be stored.
    pub fn store(&self, content: &[u8]) -> Result<String, GitError> {
        Ok(self.must(&["hash-object", "-w", "--no-filters", "--stdin"], Some(content), &[])?.text())
    }

    /// A commit on `base` that changes one file.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub fn commit(&self, base: &str, change: &Change<'_>) -> Result<String, GitError> {
        let failed = |error: std::io::Error| GitError::Failed {
            verb: "commit-tree".to_owned(),
            words: error.to_string(),
        };
        // an index of its own, which ends with this function; beside the objects, since nothing else need be writable
        let own = self.must(&["rev-parse", "--absolute-git-dir"], None, &[])?.text();
        let folder = tempfile::Builder::new().prefix("plimsoll-").tempdir_in(own);
        let folder = folder.map_err(failed)?;
        let index = folder.path().join("index");
        let own = [("GIT_INDEX_FILE", index.to_string_lossy().into_owned())];
        self.must(&["read-tree", base], None, &own)?;
        let entry = format!("{},{},{}", change.mode, change.blob, change.path);
        self.must(&["update-index", "--add", "--cacheinfo", &entry], None, &own)?;
        let tree = self.must(&["write-tree"], None, &own)?.text();
        let mut args = vec!["commit-tree", &tree, "-p", base, "-F", "-"];
        if self.git(&["config", "--type=bool", "commit.gpgSign"])?.text() == "true" {
            args.push("-S");
        }
        Ok(self.must(&args, Some(change.message.as_bytes()), &self.author()?)?.text())
    }

    /// Who signs where git's own settings name nobody.
    fn author(&self) -> Result<Vec<(&'static str, String)>, GitError> {
        let mut missing = Vec::new();
        for (ident, name, email) in [
            ("GIT_AUTHOR_IDENT", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"),
            ("GIT_COMMITTER_IDENT", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"),
        ] {
            if !self.git(&["-c", "user.useConfigOnly=true", "var", ident])?.ok {
                missing.extend([
                    (name, "plimsoll".to_owned()),
                    (email, "plimsoll@localhost".to_owned()),
                ]);
            }
        }
        Ok(missing)
    }

    /// Puts a commit where `branch` was seen last, and nowhere else.
    ///
    /// # Errors
    ///
    /// Where the remote does not take it, or the branch moved meanwhile.
    pub fn push(
        &self,
        remote: &str,
        branch: &str,
        seen: Option<&str>,
        commit: &str,
    ) -> Result<(), GitError> {
        let lease = format!("--force-with-lease=refs/heads/{branch}:{}", seen.unwrap_or_default());
        let what = format!("{commit}:refs/heads/{branch}");
        let args = [
            "push",
            "--porcelain",
            "--no-follow-tags",
            "--recurse-submodules=no",
            &lease,
            "--",
            remote,
            &what,
        ];
        let done = self.git(&args)?;
        if done.ok {
            return Ok(());
        }
        let text = done.text();
        let Some(line) = text.lines().find(|line| line.starts_with('!')) else {
            return Err(GitError::Failed {
                verb: "push".to_owned(),
                words: self.words(&done.stderr),
            });
        };
        let why = line.rsplit('\t').next().unwrap_or_default();
        let said = done.stderr.lines().filter_map(|line| line.strip_prefix("remote: "));
        let said = said.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ");
        Err(GitError::Rejected {
            branch: branch.to_owned(),
            words: self.words(&format!("{why} {said}")),
        })
    }

    /// The output of a call that must succeed.
    fn ask(&self, args: &[&str]) -> Result<String, GitError> {
        Ok(self.must(args, None, &[])?.text())
    }

    fn must(
        &self,
        args: &[&str],
        input: Option<&[u8]>,
        env: &[(&str, String)],
    ) -> Result<Done, GitError> {
        let done = self.call(args, input, env)?;
        if done.ok {
            return Ok(done);
        }
        Err(GitError::Failed { verb: verb(args), words: self.words(&done.stderr) })
    }

    fn git(&self, args: &[&str]) -> Result<Done, GitError> {
        self.call(args, None, &[])
    }

    fn call(
        &self,
        args: &[&str],
        input: Option<&[u8]>,
        env: &[(&str, String)],
    ) -> Result<Done, GitError> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).args(["-c", "log.showSignature=false"]).args(args);
        // a hook or an alias that calls us has these set for its own repository
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(speaks_of_a_repository) {
                command.env_remove(name);
            }
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
        command.envs(env.iter().map(|(name, value)| (*name, value)));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), args, input)
    }
}

/// Whether a variable tells git where to look, or how to read what it is asked for: all but who signs, and how a remote
/// is reached.
fn speaks_of_a_repository(name: &str) -> bool {
    const REACH: [&str; 9] = [
        "AUTHOR_",
        "COMMITTER_",
        "CONFIG_",
        "SSH",
        "SSL_",
        "HTTP_",
        "PROXY_",
        "ASKPASS",
        "EXEC_PATH",
    ];
    let rest = name.strip_prefix("GIT_");
    rest.is_some_and(|rest| !REACH.iter().any(|kept| rest.starts_with(kept)))
}
