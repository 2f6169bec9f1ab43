//! `pr` end to end: the real binary, real git against a bare repository on the disk, and a forge on a real socket.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/fake.rs"]
mod fake;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{Fake, Request, answer, json};
use plimsoll::forge::ForgeError;
use plimsoll::forge::api::{Access, Client, Draft, Kind, Token};
use serde_json::{Value, json};

const TOKEN: &str = "s3cret-token";
const BRANCH: &str = "plimsoll/capacity";
const VALUES: &str = "# ours\r\nweb: &web\r\n  autoscaling: {minReplicas: 2, maxReplicas: 4}   # two zones\r\n\r\nworker:\r\n  <<: *web\r\n  autoscaling: {}";

/// A bare repository with a values file on `main`, a clone of it, and settings beside it that advise 3 to 5 pods where 2
/// to 4 are in force.
struct Desk(tempfile::TempDir);

struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Told {
    fn says(&self, code: i32, words: &[&str]) {
        let text = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{text}");
        for word in words {
            assert!(text.contains(word), "`{word}` is not in\n{text}");
        }
        assert!(!text.contains(TOKEN) && !text.contains("panicked"), "{text}");
    }
}

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/verbs.in");
        for name in ["plimsoll.yaml", "load.csv"] {
            fs::copy(from.join(name), desk.path(name)).unwrap();
        }
        desk.git(".", &["init", "-q", "--bare", "-b", "main", "bare"]);
        desk.git(".", &["clone", "-q", "bare", "clone"]);
        desk.commit("clone", "values.yaml", VALUES);
        desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
        desk
    }

    /// The same with a forge in the settings.
    fn with(forge: &Fake) -> Self {
        Self::with_kind("github", &forge.url)
    }

    fn with_kind(kind: &str, url: &str) -> Self {
        let desk = Self::new();
        fs::write(desk.path("token"), format!("{TOKEN}\n")).unwrap();
        let settings = fs::read_to_string(desk.path("plimsoll.yaml")).unwrap();
        let forge = format!(
            "pullRequest: {{forge: {kind}, url: \"{url}\", repository: acme/deploy, tokenFile: token}}\n"
        );
        fs::write(desk.path("plimsoll.yaml"), settings + &forge).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path("plimsoll.yaml")).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(self.path("plimsoll.yaml"), text.replace(old, new)).unwrap();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("KUBECONFIG", "/nonexistent")
            .env("NO_COLOR", "1");
        for name in ["GITHUB_TOKEN", "GITLAB_TOKEN", "KUBERNETES_SERVICE_HOST", "GIT_DIR"] {
            command.env_remove(name);
        }
        command
    }

    /// What git says, and it must succeed.
    fn git(&self, folder: &str, args: &[&str]) -> String {
        let mut command = self.command("git");
        let name = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
        let done = command.arg("-C").arg(self.path(folder)).args(name).args(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end_matches('\n').to_owned()
    }

    fn commit(&self, folder: &str, file: &str, content: &str) {
        fs::write(self.path(folder).join(file), content).unwrap();
        self.git(folder, &["add", file]);
        self.git(folder, &["commit", "-q", "-m", "by hand"]);
    }

    fn pr(&self, args: &[&str]) -> Told {
        self.pr_with(args, |_| {})
    }

    fn pr_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Told {
        self.pr_at("2026-11-23", args, change)
    }

    fn pr_at(&self, at: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Told {
        let mut command = self.command(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(["pr", "--repo", "clone", "--at", at]).args(args);
        change(&mut command);
        let out = command.output().unwrap();
        let [stdout, stderr] =
            [out.stdout, out.stderr].map(|text| String::from_utf8(text).unwrap());
        Told { code: out.status.code(), stdout, stderr }
    }

    /// A file as a branch of the bare repository has it, with its last line break.
    fn file(&self, branch: &str, path: &str) -> String {
        self.git("bare", &["cat-file", "blob", &format!("{branch}:{path}")])
    }

    fn tip(&self, branch: &str) -> String {
        self.git("bare", &["rev-parse", branch])
    }

    /// Everything of the clone that is the user's: branches, index, files.
    fn users(&self) -> (String, Vec<u8>, String, String) {
        (
            // a push moves what the clone knows of the remote, as any push does
            self.git("clone", &["for-each-ref", "refs/heads", "refs/tags", "refs/stash"]),
            fs::read(self.path("clone/.git/index")).unwrap(),
            self.git("clone", &["status", "--porcelain", "--branch"]),
            fs::read_to_string(self.path("clone/.git/HEAD")).unwrap(),
        )
    }

    fn branches(&self) -> String {
        self.git("bare", &["for-each-ref", "--format=%(refname)"])
    }
}

/// A forge that keeps its pull requests: GitHub's answers as far as they are read.
fn github() -> (Fake, Arc<Mutex<Vec<Value>>>) {
    let all: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&all);
    let fake = Fake::serve(move |request, _| {
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return json_of("401 Unauthorized", &json!({"message": "Bad credentials"}));
        }
        let mut all = kept.lock().unwrap();
        let path = "/repos/acme/deploy/pulls";
        match request.method.as_str() {
            "GET" if request.path() == path => {
                let state = request.param("state").unwrap();
                let mine = |one: &&Value| {
                    one["state"] == state
                        && request.param("head")
                            == Some(format!("acme:{}", one["head"]["ref"].as_str().unwrap()))
                        && request.param("base").as_deref() == one["base"]["ref"].as_str()
                };
                json_of("200 OK", &all.iter().filter(mine).cloned().collect())
            }
            "POST" if request.path() == path => {
                let wanted: Value = serde_json::from_str(&request.body).unwrap();
                if all
                    .iter()
                    .any(|one| one["state"] == "open" && one["head"]["ref"] == wanted["head"])
                {
                    return json_of("422 Unprocessable Entity", &exists());
                }
                let number = all.len() + 1;
                all.push(json!({
                    "number": number, "state": "open", "html_url": format!("https://forge/acme/deploy/pull/{number}"),
                    "title": wanted["title"], "body": wanted["body"], "merged_at": null,
                    "head": {"ref": wanted["head"], "repo": {"full_name": "Acme/deploy"}}, "base": {"ref": wanted["base"]},
                }));
                json_of("201 Created", &all[number - 1])
            }
            "PATCH" => {
                let number: usize =
                    request.path().strip_prefix(path).unwrap()[1..].parse().unwrap();
                let wanted: Value = serde_json::from_str(&request.body).unwrap();
                for key in ["title", "body"] {
                    all[number - 1][key] = wanted[key].clone();
                }
                json_of("200 OK", &all[number - 1])
            }
            _ => json_of("404 Not Found", &json!({"message": "Not Found"})),
        }
    });
    (fake, all)
}

fn exists() -> Value {
    json!({"message": "Validation Failed", "errors": [{"message": "A pull request already exists for acme:plimsoll/capacity."}]})
}

fn json_of(status: &str, value: &Value) -> Vec<u8> {
    json(status, &value.to_string())
}

fn verbs(forge: &Fake) -> Vec<String> {
    forge.requests().iter().map(|request| request.method.clone()).collect()
}

#[test]
fn a_change_is_committed_pushed_and_opened_with_its_reasons_and_twice_is_once() {
    let (forge, all) = github();
    let desk = Desk::with(&forge);
    let before = desk.users();
    desk.pr(&[]).says(
        0,
        &[
            "web.autoscaling.minReplicas 3",
            "pull request 1: opened",
            "https://forge/acme/deploy/pull/1",
        ],
    );
    assert!(desk.users() == before, "the user's clone was touched");
    let overlay = desk.file(BRANCH, "values-capacity.yaml");
    assert!(
        overlay.contains("    maxReplicas: 5    # was 4") && overlay.contains("    minReplicas: 3"),
        "{overlay}"
    );
    // one commit on the base, one file in it, with the reasons
    assert_eq!(desk.git("bare", &["rev-list", "--count", &format!("main..{BRANCH}")]), "1");
    assert_eq!(desk.git("bare", &["diff", "--name-only", "main", BRANCH]), "values-capacity.yaml");
    let message = desk.git("bare", &["show", "--no-patch", "--format=%an <%ae>%n%B", BRANCH]);
    assert!(
        message.starts_with("plimsoll <plimsoll@localhost>\ncapacity: raise web of shop\n"),
        "{message}"
    );
    assert!(message.contains("TIER_ROW"), "{message}");
    let body = all.lock().unwrap()[0]["body"].as_str().unwrap().to_owned();
    for part in [
        "| web.autoscaling.minReplicas | – | **3** | TIER",
        "## shop: ",
        "## How to undo",
        "helm rollback shop -n shop",
    ] {
        assert!(body.contains(part), "`{part}` is not in\n{body}");
    }
    let tip = desk.tip(BRANCH);
    forge.forget();
    // at the same moment, and at another
    for at in ["2026-11-23", "2026-11-22T22:30:00Z"] {
        desk.pr_at(at, &["--exit-code"], |_| {}).says(2, &["pull request 1: holds this already"]);
    }
    assert_eq!((desk.tip(BRANCH), all.lock().unwrap().len()), (tip, 1));
    assert_eq!(verbs(&forge), ["GET", "GET"]);
}

#[test]
fn case_82_a_pull_request_that_is_open_is_updated_in_its_place() {
    let (forge, all) = github();
    let desk = Desk::with(&forge);
    desk.pr(&[]).says(0, &["opened"]);
    let first = all.lock().unwrap()[0]["body"].clone();
    desk.edit("web: 3-5", "web: 4-6");
    forge.forget();
    desk.pr(&[]).says(0, &["pull request 1: updated"]);
    assert_eq!(verbs(&forge), ["GET", "PATCH"]);
    assert_eq!(all.lock().unwrap().len(), 1);
    assert_ne!(all.lock().unwrap()[0]["body"], first);
    assert!(desk.file(BRANCH, "values-capacity.yaml").contains("maxReplicas: 6"));
    assert_eq!(desk.git("bare", &["rev-list", "--count", &format!("main..{BRANCH}")]), "1");
}

#[test]
fn case_82_a_base_that_moved_is_followed_where_it_touches_the_file_and_only_there() {
    let (forge, _) = github();
    let desk = Desk::with(&forge);
    desk.pr(&["--in", "values.yaml"]).says(0, &["opened"]);
    let tip = desk.tip(BRANCH);
    desk.commit("clone", "other.txt", "x");
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    desk.pr(&["--in", "values.yaml"]).says(0, &["holds this already"]);
    assert_eq!(desk.tip(BRANCH), tip);
    let moved = VALUES.replace("# ours", "# ours, and more");
    desk.commit("clone", "values.yaml", &moved);
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    desk.pr(&["--in", "values.yaml"]).says(0, &["pushed", "pull request 1"]);
    assert_eq!(desk.git("bare", &["merge-base", "main", BRANCH]), desk.tip("main"));
    let after = moved.replace("minReplicas: 2, maxReplicas: 4", "minReplicas: 3, maxReplicas: 5");
    assert_eq!(desk.file(BRANCH, "values.yaml"), after);
}

#[test]
fn case_82_a_protected_branch_is_left_with_the_words_of_the_remote() {
    use std::os::unix::fs::PermissionsExt;
    let (forge, all) = github();
    let desk = Desk::with(&forge);
    let hook = desk.path("bare/hooks/update");
    fs::write(&hook, "#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
        .unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let (before, main) = (desk.users(), desk.tip("main"));
    let told = desk.pr(&[]);
    told.says(
        1,
        &[
            "error: the remote does not take `plimsoll/capacity`: ",
            "GH006: Protected branch",
            "\nhint: ",
        ],
    );
    assert!(desk.users() == before);
    assert_eq!((desk.branches().as_str(), desk.tip("main")), ("refs/heads/main", main));
    // it was looked for, and nothing was opened
    assert!(all.lock().unwrap().is_empty() && verbs(&forge) == ["GET", "GET"]);
}

#[test]
fn a_push_that_a_hook_of_the_clone_refuses_is_told_without_the_token() {
    use std::os::unix::fs::PermissionsExt;
    let (forge, all) = github();
    let desk = Desk::with(&forge);
    let hook = desk.path("clone/.git/hooks/pre-push");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho \"not on a Friday, $(cat ../token)\" >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let said = ["error: `git push` failed: not on a Friday, …", "`pre-push` hook", "push.gpgSign"];
    desk.pr(&[]).says(1, &said);
    assert!(all.lock().unwrap().is_empty());
}

#[test]
fn a_proposal_for_another_file_is_not_dropped() {
    let (forge, _) = github();
    let desk = Desk::with(&forge);
    desk.pr(&[]).says(0, &["opened"]);
    let tip = desk.tip(BRANCH);
    for more in [&["--dry-run"][..], &[]] {
        let args = [&["--out", "other.yaml"], more].concat();
        let expected = ["proposes `values-capacity.yaml`", "`other.yaml`", "`pullRequest.branch`"];
        desk.pr(&args).says(1, &expected);
    }
    assert_eq!(desk.tip(BRANCH), tip);
    desk.edit("tokenFile: token", "branch: plimsoll/other, tokenFile: token");
    desk.pr(&["--out", "other.yaml"]).says(0, &["pushed"]);
    assert_eq!(desk.tip(BRANCH), tip);
    assert!(!desk.file("plimsoll/other", "other.yaml").is_empty());
}

#[test]
fn case_82_somebody_else_s_commit_on_the_branch_is_never_overwritten() {
    let (forge, _) = github();
    let desk = Desk::with(&forge);
    desk.pr(&[]).says(0, &["opened"]);
    desk.git("clone", &["fetch", "-q", "origin"]);
    desk.git("clone", &["checkout", "-q", "--detach", "origin/plimsoll/capacity"]);
    let ours = desk.tip(BRANCH);
    let push = |desk: &Desk| {
        desk.git("clone", &["push", "-q", "--force", "origin", &format!("HEAD:{BRANCH}")]);
        desk.tip(BRANCH)
    };
    let refuses = |desk: &Desk, tip: String| {
        desk.edit("web: 3-5", "web: 4-6");
        desk.pr(&[]).says(1, &["holds a commit that plimsoll did not make", "of Ada", "\nhint: "]);
        assert_eq!(desk.tip(BRANCH), tip);
        desk.edit("web: 4-6", "web: 3-5");
    };
    // another commit, our own one amended, and a merge that brought something in
    desk.commit("clone", "notes.md", "x");
    let tip = push(&desk);
    refuses(&desk, tip);
    desk.git("clone", &["reset", "-q", "--hard", &ours]);
    let text = fs::read_to_string(desk.path("clone/values-capacity.yaml")).unwrap();
    fs::write(
        desk.path("clone/values-capacity.yaml"),
        text.replace("maxReplicas: 5", "maxReplicas: 50"),
    )
    .unwrap();
    desk.git("clone", &["commit", "-q", "--amend", "--reset-author", "--no-edit", "-a"]);
    let tip = push(&desk);
    refuses(&desk, tip);
    desk.git("clone", &["reset", "-q", "--hard", &ours]);
    desk.git("clone", &["merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "origin/main"]);
    fs::write(desk.path("clone/evil.txt"), "x").unwrap();
    desk.git("clone", &["add", "evil.txt"]);
    desk.git("clone", &["commit", "-q", "-m", "Merge", "--allow-empty"]);
    let tip = push(&desk);
    refuses(&desk, tip);
    // a merge that put the file back
    desk.git("clone", &["reset", "-q", "--hard", "origin/main"]);
    desk.commit("clone", "notes.md", "x");
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    desk.git("clone", &["reset", "-q", "--hard", &ours]);
    desk.git("clone", &["fetch", "-q", "origin"]);
    desk.git("clone", &["merge", "-q", "--no-ff", "--no-commit", "origin/main"]);
    desk.git("clone", &["rm", "-q", "--cached", "values-capacity.yaml"]);
    fs::remove_file(desk.path("clone/values-capacity.yaml")).unwrap();
    desk.git("clone", &["commit", "-q", "-m", "we say no"]);
    let tip = push(&desk);
    refuses(&desk, tip);
}

#[test]
fn nothing_is_sent_where_nothing_changes() {
    let (forge, _) = github();
    let desk = Desk::with(&forge);
    desk.pr(&[]).says(0, &["opened"]);
    // merged, as the button does it, and the branch left there
    desk.git("bare", &["update-ref", "refs/heads/main", BRANCH]);
    let (before, branches) = (desk.users(), desk.git("bare", &["for-each-ref"]));
    forge.forget();
    for args in [&["--exit-code"][..], &["--dry-run"]] {
        let told = desk.pr(args);
        told.says(0, &["nothing to propose: `values-capacity.yaml` on `main` holds the advised values already"]);
        assert_eq!(told.stdout, "");
        assert!(!told.stderr.contains("older advice"), "{}", told.stderr);
    }
    assert!(desk.users() == before && desk.git("bare", &["for-each-ref"]) == branches);
    assert!(forge.requests().is_empty());
}

#[test]
fn an_overlay_that_is_there_keeps_what_it_holds() {
    let desk = Desk::new();
    desk.edit("maxReplicas: 4", "maxReplicas: 5");
    let overlay = "# written by plimsoll 0.0.9 at 2026-01-01T00:00:00Z, settings 0\nweb:\n  autoscaling:\n    maxReplicas: 5    # was 4  TIER_ROW\n    minReplicas: 2    # was 1  TIER_ROW\n";
    desk.commit("clone", "values-capacity.yaml", overlay);
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    desk.pr(&[]).says(0, &["web.autoscaling.minReplicas 2 -> 3"]);
    let after = desk.file(BRANCH, "values-capacity.yaml");
    assert!(
        after.contains("\n    maxReplicas: 5    # was 4  TIER_ROW\n    minReplicas: 3"),
        "{after}"
    );
    assert!(!after.contains("# was 1") && !after.contains("0.0.9"), "{after}");
}

#[test]
fn case_81_a_values_file_with_anchors_and_foreign_line_ends_keeps_its_bytes_in_the_commit() {
    let desk = Desk::new();
    // what a checkout would do to line ends does not reach the commit
    desk.git("clone", &["config", "core.autocrlf", "input"]);
    let told = desk.pr(&["--in", "values.yaml"]);
    told.says(0, &["pushed", "no forge is named", "capacity: raise web of shop"]);
    let after = VALUES.replace("minReplicas: 2, maxReplicas: 4", "minReplicas: 3, maxReplicas: 5");
    assert_eq!(desk.file(BRANCH, "values.yaml"), after);
    assert_eq!(fs::read_to_string(desk.path("clone/values.yaml")).unwrap(), VALUES);
    desk.pr(&["--in", "values.yaml"])
        .says(0, &["`plimsoll/capacity` of `origin` holds this already"]);
    // what cannot be edited without doubt is refused by its line, and nothing is pushed
    let tip = desk.tip(BRANCH);
    desk.commit("clone", "values.yaml", &format!("{VALUES}\r\nweb: {{}}\r\n"));
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    desk.pr(&["--in", "values.yaml"])
        .says(1, &["`web` stands a second time", "(`values.yaml`, line 8)", "\nhint: "]);
    assert_eq!(desk.tip(BRANCH), tip);
}

#[test]
fn a_dry_run_shows_the_edit_and_the_text_and_sends_nothing() {
    let (forge, _) = github();
    let desk = Desk::with(&forge);
    let told = desk.pr(&["--in", "values.yaml", "--dry-run", "--exit-code"]);
    told.says(
        2,
        &[
            "+  autoscaling: {minReplicas: 3, maxReplicas: 5}   # two zones",
            "## How to undo",
            "would be made; nothing was sent",
        ],
    );
    assert_eq!(desk.branches(), "refs/heads/main");
    assert!(forge.requests().is_empty());
}

#[test]
fn a_run_that_ended_between_push_and_pull_request_is_finished_by_the_next() {
    let (forge, all) = github();
    let broken = Fake::serve(|request, _| match request.method.as_str() {
        "GET" => json_of("200 OK", &json!([])),
        _ => json_of("500 Internal Server Error", &json!({"message": "oops"})),
    });
    let desk = Desk::with(&broken);
    desk.pr(&[])
        .says(1, &["pushed", "is not well (500): oops", "the next run opens the pull request"]);
    let tip = desk.tip(BRANCH);
    desk.edit(&broken.url, &forge.url);
    let told = desk.pr(&[]);
    told.says(0, &["pull request 1: opened"]);
    assert!(!told.stderr.contains("pushed"), "{}", told.stderr);
    assert_eq!((desk.tip(BRANCH), all.lock().unwrap().len()), (tip, 1));
}

#[test]
fn what_a_person_closed_is_not_opened_again_until_something_else_is_advised() {
    let (forge, all) = github();
    let desk = Desk::with(&forge);
    desk.pr(&[]).says(0, &["opened"]);
    all.lock().unwrap()[0]["state"] = "closed".into();
    desk.pr(&[]).says(0, &["pull request 1 was closed with the same change: left at that"]);
    assert_eq!(all.lock().unwrap().len(), 1);
    // also where the branch was deleted with it, or the base moved elsewhere in the file
    desk.git("bare", &["update-ref", "-d", &format!("refs/heads/{BRANCH}")]);
    desk.pr(&[]).says(0, &["was closed with the same change"]);
    assert_eq!(desk.branches(), "refs/heads/main");
    desk.edit("web: 3-5", "web: 4-6");
    desk.pr(&[]).says(0, &["pull request 2: opened"]);

    let (forge, all) = github();
    let desk = Desk::with(&forge);
    desk.pr(&["--in", "values.yaml"]).says(0, &["opened"]);
    all.lock().unwrap()[0]["state"] = "closed".into();
    desk.commit("clone", "values.yaml", &format!("# by hand\n{VALUES}"));
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    let tip = desk.tip(BRANCH);
    desk.pr(&["--in", "values.yaml"]).says(0, &["was closed with the same change"]);
    assert_eq!(desk.tip(BRANCH), tip);
}

#[test]
fn what_a_forge_may_answer_is_named_and_the_token_stays_at_home() {
    let elsewhere = Fake::serve(|_, _| json_of("200 OK", &json!([])));
    let to = format!(
        "Location: {}/repos/acme/deploy/pulls?x=1",
        elsewhere.url.replace("127.0.0.1", "localhost")
    );
    let cases: Vec<(Vec<u8>, &'static str)> = vec![
        (
            json_of("401 Unauthorized", &json!({"message": "Bad credentials"})),
            "does not know the token (401): Bad credentials",
        ),
        (
            json_of("403 Forbidden", &json!({"message": "Resource not accessible"})),
            "does not allow it (403): Resource not",
        ),
        (
            json_of("404 Not Found", &json!({"message": "Not Found"})),
            "`acme/deploy` is not at `http",
        ),
        (
            answer("429 Too Many Requests", &["Retry-After: 1800"], ""),
            "asks to be left alone for 1800s",
        ),
        (
            answer(
                "403 Forbidden",
                &["X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 4102444800"],
                "{}",
            ),
            "asks to be left alone for ",
        ),
        (
            answer("200 OK", &["Content-Type: text/html"], "<html>Sign in</html>"),
            "answers, but not as a forge does: `<html>Sign in</html>`",
        ),
        (json_of("200 OK", &json!({"message": "hi"})), "answers, but not as a forge does"),
        // whoever says again what it was sent
        (
            json_of("401 Unauthorized", &json!({"message": format!("Bearer {TOKEN}")})),
            "does not know the token (401): Bearer …",
        ),
        (
            json_of("422 Unprocessable Entity", &json!({"errors": [format!("no {TOKEN}")]})),
            "refuses it (422): no …",
        ),
        (
            answer("200 OK", &["Content-Type: text/html"], &format!("<b>{TOKEN}</b>")),
            "answers, but not as a forge does: `<b>…</b>`",
        ),
        (json_of("200 OK", &json!({"a": TOKEN})), "not as a forge does: `{\"a\":\"…\"}`"),
        (
            answer(
                "403 Forbidden",
                &["X-RateLimit-Remaining: 0", "X-RateLimit-Reset: -9223372036854775808"],
                "{}",
            ),
            "asks to be left alone for 1s",
        ),
        (answer("302 Found", &[&to], ""), "the token goes to nobody else"),
    ];
    for (bytes, words) in cases {
        let forge = Fake::serve(move |_, _| bytes.clone());
        let desk = Desk::with(&forge);
        desk.pr(&[]).says(1, &[words, "\nhint: "]);
        // who cannot be asked whether it was closed is not pushed to either
        assert!(!desk.branches().contains(BRANCH), "{words}");
        assert!(forge.requests().iter().all(|request| request.method == "GET"), "{words}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_forge_that_is_busy_for_a_moment_is_waited_for() {
    let (forge, all) = github();
    let upstream = forge.url.trim_start_matches("http://").to_owned();
    let first = Mutex::new(true);
    let busy = Fake::serve(move |request: &Request, _| {
        if request.method == "POST" && std::mem::take(&mut *first.lock().unwrap()) {
            return answer("403 Forbidden", &["Retry-After: 1"], "{}");
        }
        relay(&upstream, request)
    });
    let desk = Desk::with(&busy);
    desk.pr(&[]).says(0, &["pull request 1: opened"]);
    assert_eq!(all.lock().unwrap().len(), 1);
}

fn relay(upstream: &str, request: &Request) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(upstream).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        head += &format!("{name}: {value}\r\n");
    }
    write!(stream, "{head}connection: close\r\n\r\n{}", request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

fn access(kind: Kind, url: &str, timeout: Duration) -> Access {
    Access {
        kind,
        url: Some(url.to_owned()),
        repository: "acme/deploy".to_owned(),
        token: Token(TOKEN.to_owned()),
        timeout,
        patience: Duration::from_secs(60),
    }
}

fn ask<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn case_82_a_pull_request_that_appears_meanwhile_is_updated_and_not_doubled() {
    let (forge, all) = github();
    let client = Client::new(access(Kind::GitHub, &forge.url, Duration::from_secs(120))).unwrap();
    let draft = |body: &str| Draft { title: "capacity".to_owned(), body: body.to_owned() };
    let first = ask(client.create(BRANCH, "main", &draft("one"))).unwrap();
    // the run that did not find it opens it a second time, and is told that it is there
    let second = ask(client.create(BRANCH, "main", &draft("two"))).unwrap();
    assert_eq!((first.number, second.number, second.body.as_str()), (1, 1, "two"));
    assert_eq!(all.lock().unwrap().len(), 1);
    assert_eq!(verbs(&forge), ["POST", "POST", "GET", "PATCH"]);
}

#[test]
fn a_forge_that_never_answers_is_given_up_and_no_secret_is_printed() {
    let hanging = Fake::serve(|_, _| {
        loop {
            std::thread::park();
        }
    });
    let access = access(Kind::GitHub, &hanging.url, Duration::from_millis(500));
    assert!(!format!("{access:?}").contains(TOKEN));
    let error = ask(Client::new(access).unwrap().find(BRANCH, "main")).unwrap_err();
    assert!(matches!(error, ForgeError::TimedOut { .. }), "{error}");
    // nobody there
    let access = self::access(Kind::GitHub, "http://127.0.0.1:1", Duration::from_secs(120));
    let error = ask(Client::new(access).unwrap().find(BRANCH, "main")).unwrap_err();
    assert!(matches!(error, ForgeError::Unreachable { .. }), "{error}");
}

#[test]
fn gitlab_is_asked_in_its_own_words() {
    let forge = Fake::serve(|request, _| {
        assert_eq!(request.header("private-token"), Some(TOKEN));
        assert!(
            request.path().starts_with("/api/v4/projects/acme%2Fdeploy/merge_requests"),
            "{}",
            request.target
        );
        let one = json!({
            "iid": 7, "web_url": "https://gitlab/acme/deploy/-/merge_requests/7", "description": "older",
            "source_branch": BRANCH, "target_branch": "main", "source_project_id": 1, "target_project_id": 1,
        });
        match request.method.as_str() {
            "GET" => json_of("200 OK", &json!([one])),
            "PUT" if request.path().ends_with("/7") => json_of("200 OK", &one),
            _ => json_of("405 Method Not Allowed", &json!({"error": "no"})),
        }
    });
    let desk = Desk::with_kind("gitlab", &format!("{}/api/v4", forge.url));
    desk.pr(&[])
        .says(0, &["pull request 7: updated", "https://gitlab/acme/deploy/-/merge_requests/7"]);
    assert_eq!(verbs(&forge), ["GET", "PUT"]);
    let sent: Value = serde_json::from_str(&forge.requests()[1].body).unwrap();
    assert!(sent["description"].as_str().unwrap().contains("## How to undo"));
}

#[test]
fn what_cannot_be_proposed_is_refused_before_anything_is_asked() {
    let (forge, _) = github();
    let refused = |change: &dyn Fn(&Desk), args: &[&str], words: &str| {
        let desk = Desk::with(&forge);
        change(&desk);
        desk.pr(args).says(1, &["error: ", words, "\nhint: "]);
        assert!(!desk.branches().contains(BRANCH), "{words}");
    };
    let nothing = |_: &Desk| {};
    let remove = |desk: &Desk| {
        desk.git("clone", &["remote", "remove", "origin"]);
    };
    refused(&remove, &[], "this clone has no remote to push to");
    let folder = |desk: &Desk| fs::remove_dir_all(desk.path("clone/.git")).unwrap();
    refused(&folder, &[], "`clone` is no clone of a repository");
    let headless = |desk: &Desk| fs::write(desk.path("bare/HEAD"), desk.tip("main")).unwrap();
    refused(&headless, &[], "`origin` has no branch that goes without saying");
    let other = |desk: &Desk| desk.edit("tokenFile: token", "base: release, tokenFile: token");
    refused(&other, &[], "`origin` has no branch `release`");
    let twin = |desk: &Desk| desk.edit("tokenFile: token", "base: x, branch: x, tokenFile: token");
    refused(&twin, &[], "`branch` and `base` are the same");
    let flag = |desk: &Desk| desk.edit("tokenFile: token", "branch: --mirror, tokenFile: token");
    refused(&flag, &[], "`--mirror` is not a name for git");
    let clear = |desk: &Desk| desk.edit(&forge.url, "http://forge.example.com");
    refused(&clear, &[], "would send the token in clear text");
    let no_token = |desk: &Desk| fs::write(desk.path("token"), "\n").unwrap();
    refused(&no_token, &[], "no token for the forge");
    let dirty = |desk: &Desk| fs::write(desk.path("clone/values.yaml"), "web: {}\n").unwrap();
    refused(&dirty, &["--in", "values.yaml"], "`values.yaml` has changes that are not committed");
    let untracked = |desk: &Desk| {
        fs::write(desk.path("clone/values-capacity.yaml"), "web: {}\n").unwrap();
    };
    refused(&untracked, &[], "`values-capacity.yaml` has changes that are not committed");
    let base = |desk: &Desk| desk.edit("tokenFile: token", "branch: main, tokenFile: token");
    refused(&base, &[], "`main` is the base");
    let absent = |desk: &Desk| desk.edit("tokenFile: token", "tokenFile: No/Token");
    refused(&absent, &[], "No/Token`: no such file");
    refused(&nothing, &["--in", "nothing.yaml"], "`nothing.yaml` is not on `main` of `origin`");
    refused(&nothing, &["--in", "../plimsoll.yaml"], "`../plimsoll.yaml` is not in the repository");
    let linked = |desk: &Desk| {
        fs::create_dir_all(desk.path("clone/envs/eu")).unwrap();
        for (to, link) in [("eu", "link"), ("../values.yaml", "one.yaml"), ("/etc", "etc")] {
            std::os::unix::fs::symlink(to, desk.path("clone/envs").join(link)).unwrap();
        }
        fs::write(desk.path("clone/envs/eu/values.yaml"), VALUES).unwrap();
        desk.git("clone", &["add", "envs"]);
        desk.commit("clone", "other.txt", "x");
        desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    };
    for (args, words) in [
        (
            ["--in", "envs/link/values.yaml"],
            "link `envs/link`: from the root, the file is `envs/eu/values.yaml`",
        ),
        (
            ["--out", "envs/link/new.yaml"],
            "link `envs/link`: from the root, the file is `envs/eu/new.yaml`",
        ),
        (
            ["--in", "envs/one.yaml"],
            "link `envs/one.yaml`: from the root, the file is `values.yaml`",
        ),
        (
            ["--in", "envs/etc/x.yaml"],
            "`envs/etc/x.yaml` leads through the link `envs/etc`: which leads out of the",
        ),
    ] {
        refused(&linked, &args, words);
    }
    refused(&nothing, &["--out", ".git/config"], "cannot be a file of a repository");
    assert!(forge.requests().is_empty());
    let desk = Desk::with(&forge);
    dirty(&desk);
    desk.pr_with(&["--in", "values.yaml"], |command| {
        command.env("GIT_LITERAL_PATHSPECS", "1").env("GIT_NAMESPACE", "elsewhere");
    })
    .says(1, &["`values.yaml` has changes that are not committed"]);
    let desk = Desk::new();
    desk.pr_with(&[], |command| {
        command.env("PATH", "/nonexistent");
    })
    .says(1, &["`git` cannot be run", "hint: install git"]);
}

#[test]
fn nothing_but_the_clone_is_written_to() {
    let (forge, _) = github();
    let desk = Desk::with(&forge);
    let told = desk.pr_with(&[], |command| {
        command.env("TMPDIR", "/nonexistent").env("HOME", "/nonexistent");
    });
    told.says(0, &[]);
    assert!(desk.branches().contains("refs/heads/plimsoll"), "{}", desk.branches());
    let left = fs::read_dir(desk.path("clone/.git")).unwrap();
    let left = left.map(|one| one.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with("plimsoll-")).count(), 0);
}

#[test]
fn a_shallow_clone_makes_a_branch_and_says_when_it_cannot_judge_one() {
    let desk = Desk::new();
    for n in 0..3 {
        desk.commit("clone", "other.txt", &n.to_string());
    }
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    fs::remove_dir_all(desk.path("clone")).unwrap();
    let bare = format!("file://{}", desk.path("bare").display());
    desk.git(".", &["clone", "-q", "--depth", "1", &bare, "clone"]);
    desk.pr(&[]).says(0, &["pushed"]);
    desk.pr(&[]).says(0, &["holds this already"]);
    let tip = desk.tip(BRANCH);
    // the base goes on, and a new clone sees only its end
    desk.commit("clone", "values-capacity.yaml", "web: {}\n");
    desk.git("clone", &["push", "-q", "origin", "HEAD:main"]);
    fs::remove_dir_all(desk.path("clone")).unwrap();
    desk.git(".", &["clone", "-q", "--depth", "1", &bare, "clone"]);
    desk.pr(&[]).says(1, &["this clone is shallow", "fetch-depth: 0"]);
    assert_eq!(desk.tip(BRANCH), tip);
}

#[test]
fn the_author_is_who_git_says_where_it_says_so() {
    let desk = Desk::new();
    desk.git("clone", &["config", "user.name", "Grace"]);
    desk.git("clone", &["config", "user.email", "grace@example.com"]);
    desk.pr(&[]).says(0, &["pushed"]);
    let who = desk.git("bare", &["show", "--no-patch", "--format=%an %ae %cn", BRANCH]);
    assert_eq!(who, "Grace grace@example.com Grace");
}
