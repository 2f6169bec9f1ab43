//! `values --in` in the hands of the real binary: what becomes of the file itself, case 81 and its neighbours.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const BEFORE: &str = "# ours\r\nweb: &web\r\n  autoscaling: {minReplicas: 2, maxReplicas: 4}   # two zones\r\n\r\nworker:\r\n  <<: *web\r\n  autoscaling: {}";

/// A folder with settings that advise 3 to 5 pods where 2 to 4 are in force, and a values file.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(values: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/verbs.in");
        for name in ["plimsoll.yaml", "load.csv"] {
            fs::copy(from.join(name), desk.path(name)).unwrap();
        }
        fs::write(desk.path("values.yaml"), values).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, standard output, standard error.
    fn values(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(["values", "--at", "2026-11-23", "--in"]).args(args);
        let out =
            command.current_dir(self.0.path()).env("KUBECONFIG", "/nonexistent").output().unwrap();
        let [stdout, stderr] =
            [out.stdout, out.stderr].map(|text| String::from_utf8(text).unwrap());
        (out.status.code(), stdout, stderr)
    }

    /// What is told apart of the file: its bytes, its place on the disk, and when it was written.
    fn file(&self) -> (String, u64, SystemTime) {
        let path = self.path("values.yaml");
        let meta = fs::metadata(&path).unwrap();
        (fs::read_to_string(&path).unwrap(), meta.ino(), meta.modified().unwrap())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn case_81_a_file_with_comments_anchors_and_foreign_line_ends_keeps_them_and_its_permissions() {
    let desk = Desk::new(BEFORE);
    fs::rename(desk.path("values.yaml"), desk.path("real.yaml")).unwrap();
    symlink("real.yaml", desk.path("values.yaml")).unwrap();
    fs::set_permissions(desk.path("real.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    let (code, stdout, stderr) = desk.values(&["values.yaml"]);
    let list = "web.autoscaling.maxReplicas 4 -> 5\nweb.autoscaling.minReplicas 2 -> 3\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", list));
    let after = BEFORE.replace("minReplicas: 2, maxReplicas: 4", "minReplicas: 3, maxReplicas: 5");
    assert_eq!(desk.file().0, after);
    assert!(desk.path("values.yaml").is_symlink());
    assert_eq!(fs::metadata(desk.path("real.yaml")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(desk.names(), ["load.csv", "plimsoll.yaml", "real.yaml", "values.yaml"]);
}

#[test]
fn a_second_edit_a_dry_run_and_a_refusal_do_not_touch_the_file() {
    let desk = Desk::new(BEFORE);
    assert_eq!(desk.values(&["values.yaml"]).0, Some(0));
    let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    let age = || {
        let file = fs::File::options().append(true).open(desk.path("values.yaml")).unwrap();
        file.set_modified(hour_ago).unwrap();
        desk.file()
    };
    let edited = age();
    let (code, stdout, stderr) = desk.values(&["values.yaml", "--exit-code"]);
    let said = "`values.yaml` holds the advised values already\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", said));
    assert!(desk.file() == edited);
    fs::write(desk.path("values.yaml"), BEFORE).unwrap();
    let before = age();
    let (code, stdout, _) = desk.values(&["values.yaml", "--dry-run", "--exit-code"]);
    assert_eq!(code, Some(2));
    assert!(
        stdout.contains("-  autoscaling: {minReplicas: 2, maxReplicas: 4}   # two zones\r\n"),
        "{stdout}"
    );
    assert!(desk.file() == before);
    fs::write(desk.path("values.yaml"), format!("{BEFORE}\r\nweb: {{}}\r\n")).unwrap();
    let twice = age();
    let (code, _, stderr) = desk.values(&["values.yaml"]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(
            "error: `web` stands a second time, after line 2 (`values.yaml`, line 8)\nhint: "
        ),
        "{stderr}"
    );
    assert!(desk.file() == twice);
}

#[test]
fn a_file_that_nobody_may_write_or_that_is_none_is_an_error_with_a_hint() {
    let desk = Desk::new(BEFORE);
    fs::set_permissions(desk.path("values.yaml"), fs::Permissions::from_mode(0o444)).unwrap();
    let before = desk.file();
    let (code, _, stderr) = desk.values(&["values.yaml"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("error: cannot write `values.yaml`: "), "{stderr}");
    assert!(stderr.contains("\nhint: let this user write there"), "{stderr}");
    assert!(desk.file() == before);
    // to look at it needs no more than to read it
    assert_eq!(desk.values(&["values.yaml", "--dry-run"]).0, Some(0));
    fs::write(desk.path("latin.yaml"), b"# caf\xe9\n").unwrap();
    for (file, why) in [
        (".", "cannot read `.`: it is a folder"),
        ("/dev/null", "cannot read `/dev/null`: it is no file, but a device or a FIFO"),
        ("latin.yaml", "cannot read `latin.yaml`: not UTF-8 at line 1"),
        ("nothing.yaml", "cannot read `nothing.yaml`: there is no such file"),
    ] {
        let (code, _, stderr) = desk.values(&[file]);
        assert_eq!(code, Some(1), "{file}");
        assert!(
            stderr.starts_with(&format!("error: {why}\nhint: name the chart's values file")),
            "{stderr}"
        );
    }
}

#[test]
fn an_overlay_that_is_there_is_carried_on_and_absent_data_takes_nothing_out_of_it() {
    let desk = Desk::new("{}\n");
    let run = |verb: &str, out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args([verb, "--at", "2026-11-23", "--out", out]).current_dir(desk.0.path());
        let done = command.env("KUBECONFIG", "/nonexistent").output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let overlays = ["overlay.yaml", "review/values-capacity.yaml"];
    let both = || [run("values", overlays[0]), run("report", "review")].map(|(code, _)| code);
    let held = || overlays.map(|name| fs::read_to_string(desk.path(name)).unwrap());
    assert_eq!(both(), [Some(0); 2]);
    assert!(held().iter().all(|text| text.contains("maxReplicas: 5    # was 4  TIER_ROW\n")));
    // it is rolled out, and nothing more is advised
    let edit = |name: &str, old: &str, new: &str| {
        let text = fs::read_to_string(desk.path(name)).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(desk.path(name), text.replacen(old, new, 1)).unwrap();
    };
    edit("plimsoll.yaml", "minReplicas: 2, maxReplicas: 4", "minReplicas: 3, maxReplicas: 5");
    assert_eq!(both(), [Some(0); 2]);
    for text in held() {
        assert!(text.contains("    maxReplicas: 5    # kept  TIER_ROW\n"), "{text}");
        assert!(text.contains("    minReplicas: 3    # kept  TIER_ROW\n"), "{text}");
    }
    // the load is not there any more
    fs::write(desk.path("load.csv"), "timestamp,series,value\n").unwrap();
    assert_eq!(both(), [Some(3); 2]);
    for text in held() {
        assert!(text.contains("    maxReplicas: 5    # kept  as it was here\n"), "{text}");
    }
    // what cannot be read is not thrown away
    edit("overlay.yaml", "web:", "web: [");
    let broken = fs::read_to_string(desk.path("overlay.yaml")).unwrap();
    let (code, said) = run("values", "overlay.yaml");
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: it is not YAML: "), "{said}");
    assert_eq!(fs::read_to_string(desk.path("overlay.yaml")).unwrap(), broken);
}

#[test]
fn a_key_that_two_components_have_otherwise_is_left_and_the_exit_code_says_so() {
    let desk = Desk::new(BEFORE);
    let text = fs::read_to_string(desk.path("plimsoll.yaml")).unwrap();
    let site = "      site:  {target: Deployment/shop-site, helm: web, current: {minReplicas: 2, maxReplicas: 8}}\n      cache:";
    let mut text = text.replace("      cache:", site);
    for (web, site) in [("web: 2,", "2"), ("web: 3-5,", "4-9"), ("web: 6-12,", "9-20")] {
        text = text.replace(web, &format!("{web} site: {site},"));
    }
    fs::write(desk.path("plimsoll.yaml"), text).unwrap();
    let (code, _, stderr) = desk.values(&["values.yaml"]);
    assert_eq!(code, Some(3), "{stderr}");
    let both = ["web minReplicas 2 -> 3", "site minReplicas 2 -> 4"];
    for one in both {
        let named = format!("warning: not in `values.yaml`: {one}: another component has `web.");
        assert!(stderr.contains(&named), "{stderr}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["values", "--at", "2026-11-23", "--exit-code"]).current_dir(desk.0.path());
    let printed = command.env("KUBECONFIG", "/nonexistent").output().unwrap();
    assert_eq!(printed.status.code(), Some(3));
}

#[test]
fn a_count_of_nothing_in_the_file_is_left_and_shows_in_the_exit_code() {
    let desk = Desk::new("web: {autoscaling: {minReplicas: 0, maxReplicas: 5}}\n");
    let before = desk.file();
    let (code, _, stderr) = desk.values(&["values.yaml"]);
    assert_eq!(code, Some(3), "{stderr}");
    let left = "left: web.autoscaling.minReplicas 2 -> 3: the file says 0, and what somebody scaled to nothing is theirs to wake";
    assert!(stderr.contains(left), "{stderr}");
    assert!(desk.file() == before);
}

#[test]
fn the_diff_of_a_file_with_a_blank_in_its_name_applies() {
    let desk = Desk::new(BEFORE);
    fs::rename(desk.path("values.yaml"), desk.path("my values.yaml")).unwrap();
    let (code, stdout, _) = desk.values(&["my values.yaml", "--dry-run"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("--- my values.yaml\t\n+++ my values.yaml\t\n"), "{stdout}");
    fs::write(desk.path("d.diff"), &stdout).unwrap();
    // git reads it by the same rule, and is there wherever this is built
    let mut git = Command::new("git");
    git.args(["apply", "-p0", "d.diff"]).current_dir(desk.0.path());
    assert!(git.env("GIT_CEILING_DIRECTORIES", "/").status().unwrap().success());
    let after = BEFORE.replace("minReplicas: 2, maxReplicas: 4", "minReplicas: 3, maxReplicas: 5");
    assert_eq!(fs::read_to_string(desk.path("my values.yaml")).unwrap(), after);
}
