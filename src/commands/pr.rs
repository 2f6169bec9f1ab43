//! `pr`: what is advised, as a pull request on the repository that holds the values.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::cli::PrArgs;
use crate::commands::artifacts::refused;
use crate::commands::gather::{self, Run, gather};
use crate::commands::values::ended;
use crate::commands::{Exit, Hinted, Talk};
use crate::config::{ForgeKind, PullRequestSettings, is_git_name, is_repository};
use crate::forge::api::{Access, Client, Draft, Kind, Token};
use crate::forge::git::{Blob, Change, Repository, TRAILER, Tips};
use crate::forge::{ForgeError, GitError};
use crate::render::helm;
use crate::render::pull_request::{Proposal, advice, marker, overlay_again, same};
use crate::render::values_file::{self, Edit};

/// Time that one request to the forge may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time that is waited where a forge is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Proposes what is advised, or says that there is nothing to propose.
///
/// # Errors
///
/// Whatever [`fn@gather`] fails with, a repository or forge that does not do its part, a file that cannot be edited without
/// doubt.
pub async fn run(args: &PrArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let settings = gather::settings(&args.run)?;
    let asked = &settings.pull_request;
    // what cannot be pushed or opened fails before the work for it
    let site = Site::open(args, asked).map_err(by_git)?;
    let forge = if args.dry_run { None } else { client(&site, asked)? };
    let tips = site.repository.tips(&site.remote, &site.base, &site.branch).map_err(by_git)?;
    let there = site.repository.blob(&tips.base, &site.path).map_err(by_git)?;
    if args.values_file.is_some() && there.is_none() {
        return Err(by_git(site.missing()).into());
    }
    let run = gather(&args.run, talk).await?;
    let edit = edited(args, &site, there.as_ref(), &run)?;
    say_what_is_not_in_it(&site, &run, &edit, *talk);
    let ended = ended(&run, &edit.edits, &edit.left, args.exit_code);
    if edit.edits.is_empty() {
        site.say_of_an_old_branch(&tips, there.as_ref(), *talk).map_err(by_git)?;
        return Ok(ended);
    }
    let standing = site.standing(&tips, &edit).map_err(by_git)?;
    let work = Work { site: &site, run: &run, edit: &edit, tips: &tips };
    if args.dry_run {
        work.show(&standing, there.as_ref(), out)?;
    } else {
        work.propose(standing, forge, *talk, out).await?;
    }
    Ok(ended)
}

/// Where it is proposed.
struct Site {
    repository: Repository,
    remote: String,
    base: String,
    branch: String,
    /// The file, from the root of the repository.
    path: String,
}

/// The file as it is to be.
struct NewFile {
    text: String,
    mode: String,
    edits: Vec<Edit>,
    left: Vec<String>,
}

/// What becomes of our branch on the remote.
enum Standing {
    /// It holds this already, in a commit whose content has this id.
    Holds(String),
    /// It is made, or made anew in place of the commit that was seen.
    Rewrite,
}

impl Site {
    fn open(args: &PrArgs, asked: &PullRequestSettings) -> Result<Self, GitError> {
        let token = asked.forge.and_then(|kind| token_for(kind, asked).ok());
        let repository = Repository::open(&args.repo)?.hiding(token);
        let file = args.values_file.as_deref().unwrap_or(&args.out);
        let path = repository.path(file)?;
        repository.clean(&path)?;
        let remote = repository.remote(asked.remote.as_deref())?;
        let base = match &asked.base {
            Some(base) => base.clone(),
            None => repository.default_branch(&remote)?,
        };
        let branch = asked.branch.clone();
        if base == branch {
            return Err(GitError::Same { branch });
        }
        if !is_git_name(&base) {
            return Err(GitError::NoBase { remote, base: Some(base) });
        }
        Ok(Self { repository, remote, base, branch, path })
    }

    fn missing(&self) -> GitError {
        let why = format!("is not on `{}` of `{}`", self.base, self.remote);
        GitError::Path { path: self.path.clone(), why }
    }

    /// Holds our branch against the file as it is to be.
    fn standing(&self, tips: &Tips, wanted: &NewFile) -> Result<Standing, GitError> {
        let Some(tip) = &tips.branch else { return Ok(Standing::Rewrite) };
        let fork = self.repository.ours(&tips.base, tip, &self.branch, &self.path)?;
        let [old, base, ours] =
            [&fork, &tips.base, tip].map(|commit| self.repository.blob(commit, &self.path));
        let (old, base, ours) = (old?, base?, ours?);
        let id = |blob: &Option<Blob>| blob.as_ref().map(|blob| blob.id.clone());
        // where the base moved under the file, a merge of the two may not be what is wanted
        let moved = id(&old) != id(&base);
        Ok(match ours {
            Some(ours) if !moved && same(&String::from_utf8_lossy(&ours.content), &wanted.text) => {
                Standing::Holds(ours.id)
            }
            _ => Standing::Rewrite,
        })
    }

    /// Our branch with something that is not advised any more, or is somebody's to merge.
    fn say_of_an_old_branch(
        &self,
        tips: &Tips,
        there: Option<&Blob>,
        talk: Talk,
    ) -> Result<(), GitError> {
        let Some(tip) = tips.branch.as_ref().filter(|tip| **tip != tips.base) else {
            return Ok(());
        };
        let ours = self.repository.ours(&tips.base, tip, &self.branch, &self.path);
        let Ok(fork) = ours else { return Ok(()) };
        let [ours, old] = [tip, &fork].map(|commit| self.repository.blob(commit, &self.path));
        let (ours, old) = (ours?, old?);
        let id = |blob: Option<&Blob>| blob.map(|blob| blob.id.clone());
        if id(ours.as_ref()) != id(there) && id(ours.as_ref()) != id(old.as_ref()) {
            talk.say(&format!(
                "warning: `{}` still proposes an older advice\nhint: close its pull request and delete the branch, or merge it knowingly",
                self.branch
            ));
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn by_git(error: GitError) -> Hinted {
    let hint = error.hint();
    Hinted::because(&error, hint)
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn by_forge(error: ForgeError) -> Hinted {
    let hint = error.hint();
    Hinted::because(&error, hint)
}

/// The file as the base has it with what is advised in it.
fn edited(args: &PrArgs, site: &Site, there: Option<&Blob>, run: &Run) -> Result<NewFile> {
    let (plan, services, live) = (&run.plan, &run.settings.services, &run.live);
    let own = args.values_file.is_some();
    let wanted = if own { helm::wanted } else { helm::wanted_of_overlay };
    let wanted = wanted(plan, services, live);
    let mode = there.map_or_else(|| "100644".to_owned(), |blob| blob.mode.clone());
    let text = match there {
        Some(blob) => text_of(&site.path, blob)?,
        None => String::new(),
    };
    if !own && (there.is_none() || helm::is_empty(&text)) {
        let edits = wanted.iter().map(|one| Edit {
            path: one.path.join("."),
            before: None,
            after: one.target,
        });
        return Ok(NewFile {
            text: helm::overlay(plan, services, live),
            mode,
            edits: edits.collect(),
            left: Vec::new(),
        });
    }
    let done = values_file::edit(&text, &wanted)
        .map_err(|fault| refused(Path::new(&site.path), &fault))?;
    let after = if own || done.edits.is_empty() {
        done.text
    } else {
        overlay_again(&text, &done.text, &helm::head(plan))
    };
    let left = [done.left, helm::behind(&text, plan, services, live)].concat();
    Ok(NewFile { text: after, mode, edits: done.edits, left })
}

fn text_of(path: &str, blob: &Blob) -> Result<String, Hinted> {
    String::from_utf8(blob.content.clone()).map_err(|_| Hinted {
        message: format!("`{path}` is not UTF-8"),
        hint: "name the chart's values file with `--in`, in UTF-8".to_owned(),
    })
}

fn say_what_is_not_in_it(site: &Site, run: &Run, edit: &NewFile, talk: Talk) {
    let (plan, services, live) = (&run.plan, &run.settings.services, &run.live);
    for change in helm::left_out(plan, services, live) {
        talk.say(&format!("warning: not in `{}`: {change}", site.path));
    }
    edit.left.iter().for_each(|left| talk.say(&format!("left: {left}")));
    if edit.edits.is_empty() {
        let advised = !helm::wanted(plan, services, live).is_empty();
        let holds = advised && edit.left.is_empty();
        let how = if holds { "holds the advised values already" } else { "stays as it is" };
        talk.say(&format!("nothing to propose: `{}` on `{}` {how}", site.path, site.base));
    }
    if run.plan.skipped > 0 {
        talk.say(&format!("{} skipped: `plimsoll plan` says what and why", run.plan.skipped));
    }
}

/// A file that is to be proposed.
struct Work<'a> {
    site: &'a Site,
    run: &'a Run,
    edit: &'a NewFile,
    tips: &'a Tips,
}

impl Work<'_> {
    /// Title, text, and the commit's message, for a content of that id.
    fn texts(&self, content: &str) -> (Draft, String) {
        let (plan, services) = (&self.run.plan, &self.run.settings.services);
        let left = helm::left_out(plan, services, &self.run.live);
        let mut left: Vec<String> = left.into_iter().map(|one| one.text).collect();
        left.extend(self.edit.left.iter().cloned());
        let proposal = Proposal {
            plan,
            zone: &self.run.settings.calendar.zone,
            file: &self.site.path,
            edits: &self.edit.edits,
            reasons: &helm::reasons(plan, services, &self.run.live),
            left: &left,
            undo: &helm::rollbacks(plan, services),
            branch: &self.site.branch,
            content,
        };
        let draft = Draft { title: proposal.title(), body: proposal.body() };
        (draft, proposal.message(&format!("{TRAILER}{content}")))
    }

    fn show(&self, standing: &Standing, there: Option<&Blob>, out: &mut dyn Write) -> Result<()> {
        let before = there
            .map(|blob| String::from_utf8_lossy(&blob.content).into_owned())
            .unwrap_or_default();
        let diff = values_file::diff(&self.site.path, &before, &self.edit.text);
        let (draft, _) = self.texts("0");
        let (branch, base) = (&self.site.branch, &self.site.base);
        let becomes = match standing {
            Standing::Holds(_) => "holds this already",
            Standing::Rewrite if self.tips.branch.is_some() => "would be rewritten",
            Standing::Rewrite => "would be made",
        };
        write!(out, "{diff}\n{}\n\n{}\n", draft.title, draft.body)?;
        writeln!(
            out,
            "a dry run: `{branch}`, to be merged into `{base}`, {becomes}; nothing was sent"
        )?;
        Ok(())
    }

    /// Pushes where there is something to push, and opens or updates the pull request.
    async fn propose(
        &self,
        standing: Standing,
        forge: Option<Client>,
        talk: Talk,
        out: &mut dyn Write,
    ) -> Result<()> {
        let Some(forge) = forge else { return self.push_alone(&standing, talk, out) };
        let Site { branch, base, .. } = self.site;
        let open = forge.find(branch, base).await.map_err(by_forge)?;
        if open.is_none() {
            // a person's no holds until something else is advised, also where the branch or its base moved since; it is
            // looked for before the push, which would bring back a branch that was deleted with it
            let advice = advice(&self.edit.edits);
            if let Some(closed) = forge.closed(branch, base, &advice).await.map_err(by_forge)? {
                talk.say(&format!(
                    "pull request {} was closed with the same change: left at that",
                    closed.number
                ));
                return Ok(());
            }
        }
        let content = match standing {
            Standing::Holds(content) => content,
            Standing::Rewrite => self.push(talk).map_err(by_git)?,
        };
        let (draft, _) = self.texts(&content);
        let (word, open) = match open {
            Some(open) if open.body.contains(&marker(&content)) => ("holds this already", open),
            Some(open) => ("updated", forge.update(open, &draft).await.map_err(by_forge)?),
            None => ("opened", forge.create(branch, base, &draft).await.map_err(by_forge)?),
        };
        talk.say(&format!("pull request {}: {word}", open.number));
        writeln!(out, "{}", open.url)?;
        Ok(())
    }

    /// Pushes, and prints the text for a pull request that somebody else opens.
    fn push_alone(&self, standing: &Standing, talk: Talk, out: &mut dyn Write) -> Result<()> {
        if let Standing::Holds(_) = standing {
            let Site { branch, remote, .. } = self.site;
            talk.say(&format!("`{branch}` of `{remote}` holds this already"));
            return Ok(());
        }
        let (draft, _) = self.texts(&self.push(talk).map_err(by_git)?);
        write!(out, "{}\n\n{}", draft.title, draft.body)?;
        let hint =
            "open it there with this text, or let `pullRequest.forge` name the forge that does";
        talk.say(&format!("no forge is named, so no pull request is opened\nhint: {hint}"));
        Ok(())
    }

    /// The id of the content that the branch holds then.
    fn push(&self, talk: Talk) -> Result<String, GitError> {
        let Site { repository, remote, branch, path, .. } = self.site;
        let blob = repository.store(self.edit.text.as_bytes())?;
        let (_, message) = self.texts(&blob);
        let change = Change { path, mode: &self.edit.mode, blob: &blob, message: &message };
        let commit = repository.commit(&self.tips.base, &change)?;
        repository.push(remote, branch, self.tips.branch.as_deref(), &commit)?;
        self.edit.edits.iter().for_each(|edit| talk.say(&edit.to_string()));
        let short: String = commit.chars().take(8).collect();
        talk.say(&format!("pushed {short} to `{branch}` of `{remote}`"));
        Ok(blob)
    }
}

/// The forge that the settings name, ready to be asked.
fn client(site: &Site, asked: &PullRequestSettings) -> Result<Option<Client>, Hinted> {
    let Some(kind) = asked.forge else { return Ok(None) };
    let repository = if let Some(repository) = &asked.repository {
        repository.clone()
    } else {
        let address = site.repository.address(&site.remote).map_err(by_git)?;
        repository_of(&address).ok_or_else(|| Hinted {
            message: format!("the address of `{}` does not say `owner/name`", site.remote),
            hint: "set `pullRequest.repository`".to_owned(),
        })?
    };
    let token = token_for(kind, asked).map_err(by_forge)?;
    let kind = match kind {
        ForgeKind::GitHub => Kind::GitHub,
        ForgeKind::GitLab => Kind::GitLab,
    };
    let url = asked.url.clone();
    let access = Access { kind, url, repository, token, timeout: TIMEOUT, patience: PATIENCE };
    Client::new(access).map(Some).map_err(by_forge)
}

fn token_for(kind: ForgeKind, asked: &PullRequestSettings) -> Result<Token, ForgeError> {
    let variable = match kind {
        ForgeKind::GitHub => "GITHUB_TOKEN",
        ForgeKind::GitLab => "GITLAB_TOKEN",
    };
    token(asked.token_file.as_deref(), variable)
}

fn token(file: Option<&Path>, variable: &str) -> Result<Token, ForgeError> {
    let (text, place) = match file {
        Some(file) => {
            let place = format!("`{}`", file.display());
            let text = std::fs::read_to_string(file);
            (
                text.map_err(|error| ForgeError::NoToken {
                    why: format!("{place}: {}", error.to_string().to_lowercase()),
                })?,
                place,
            )
        }
        None => (std::env::var(variable).unwrap_or_default(), format!("`{variable}`")),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(ForgeError::NoToken { why: format!("{place} holds none") });
    }
    Ok(Token(text.to_owned()))
}

/// `owner/name` of an address such as `https://github.com/owner/name.git` or `git@github.com:owner/name.git`.
fn repository_of(address: &str) -> Option<String> {
    let path = match address.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?.1,
        None => address.split_once(':')?.1,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    is_repository(path).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_remote_says_owner_and_name() {
        for address in [
            "https://github.com/acme/deploy.git",
            "https://me:secret@github.com/acme/deploy/",
            "git@github.com:acme/deploy.git",
            "ssh://git@github.example.com:2222/acme/deploy.git",
        ] {
            assert_eq!(repository_of(address).as_deref(), Some("acme/deploy"), "{address}");
        }
        let group = repository_of("git@gitlab.com:group/sub/deploy.git");
        assert_eq!(group.as_deref(), Some("group/sub/deploy"));
        for address in [
            "/srv/git/deploy.git",
            "../deploy",
            "file:///srv/git/deploy.git",
            "git@host:deploy.git",
        ] {
            assert_eq!(repository_of(address), None, "{address}");
        }
    }
}
