//! What people type and what they are told, through the real binary and without a network.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const AT: &str = "2026-11-23";

/// What came of one run.
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Told {
    /// The exit code, and words that stand in either output.
    fn says(&self, code: i32, words: &[&str]) {
        let all = format!("{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{all}");
        for word in words {
            assert!(all.contains(word), "no `{word}` in:\n{all}");
        }
    }
}

/// A folder with the settings and the history of a shop.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/verbs.in");
        for name in ["plimsoll.yaml", "load.csv"] {
            fs::copy(from.join(name), desk.path(name)).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        let command = command.args(args).current_dir(self.0.path());
        let out = command.env("NO_COLOR", "1").env("KUBECONFIG", "/nonexistent").output().unwrap();
        let [stdout, stderr] =
            [out.stdout, out.stderr].map(|text| String::from_utf8(text).unwrap());
        Told { code: out.status.code(), stdout, stderr }
    }

    /// The same history in a file that two services of two namespaces share; the other one has a series that only its
    /// own components know.
    fn shared(&self) {
        let mut shared = "service,timestamp,series,value\n".to_owned();
        for row in self.read("load.csv").lines().skip(1) {
            let _ = write!(shared, "shop,{row}\nbank,{}\n", row.replace(",load,", ",till.cpu,"));
        }
        self.write("load.csv", &shared);
        let settings = self.read("plimsoll.yaml");
        let (before, shop) = settings.split_once("  - name: shop\n").unwrap();
        let bank = shop
            .replace("namespace: shop", "namespace: bank")
            .replace("shop-", "bank-")
            .replace("web:", "till:");
        self.write(
            "plimsoll.yaml",
            &format!("{before}  - name: shop\n{shop}  - name: bank\n{bank}"),
        );
    }
}

#[test]
fn one_namespace_of_a_shared_history_is_advised_as_if_it_were_alone() {
    let (alone, shared) = (Desk::new(), Desk::new());
    shared.shared();
    for verb in [["plan", "-o", "csv"], ["values", "--exit-code", "-q"], ["explain", "web", "-q"]] {
        let of = |desk: &Desk| {
            let told = desk.run(&[&verb[..], &["--namespace", "shop", "--at", AT]].concat());
            // the settings are another file, and only their hash tells
            let lines = told.stdout.lines().filter(|line| !line.contains(", settings "));
            (told.code, lines.collect::<Vec<_>>().join("\n"), told.stderr)
        };
        assert_eq!(of(&shared), of(&alone));
    }
    // what no service of the settings is called stays an error, in whatever namespace
    let rows = shared.read("load.csv").replace("bank,", "bnak,");
    shared.write("load.csv", &rows);
    let told = shared.run(&["plan", "--namespace", "shop", "--at", AT]);
    told.says(1, &["line 3: `bnak` is not a service of the settings", "`bank`, `shop`"]);
    // rows without a name belong to nobody as soon as there are two services
    let rows = Desk::new().read("load.csv");
    shared.write("load.csv", &rows);
    shared.run(&["plan", "--namespace", "shop", "--at", AT]).says(1, &["line 2: `` is not"]);
}

#[test]
fn an_overlay_is_written_over_an_overlay_and_over_nothing_else() {
    let desk = Desk::new();
    let out = |name| desk.run(&["values", "--at", AT, "--out", name]);
    let theirs = "# our own values\nweb:\n  image: shop:1.2\n";
    desk.write("values.yaml", theirs);
    let told = out("values.yaml");
    told.says(1, &["`values.yaml` is there, and no overlay that plimsoll wrote"]);
    told.says(1, &["hint: `--in values.yaml` edits a values file of your own"]);
    assert_eq!(desk.read("values.yaml"), theirs);
    // nor over a patch, which is ours and says something else
    let patch = "# set by plimsoll 0.1.0 at 2026-11-22T23:00:00Z, settings cc43a38915ca\n{}\n";
    desk.write("patch.yaml", patch);
    out("patch.yaml").says(1, &["no overlay that plimsoll wrote"]);
    out("new.yaml").says(0, &["wrote new.yaml"]);
    let new = desk.read("new.yaml");
    out("new.yaml").says(0, &["wrote new.yaml"]);
    assert_eq!(desk.read("new.yaml"), new);
    // what an earlier one holds beside it stays
    desk.write("old.yaml", &format!("{new}old: true\n"));
    out("old.yaml").says(0, &["wrote old.yaml"]);
    let body = |text: &str| text.split_once("\nweb:").unwrap().1.to_owned();
    let old = desk.read("old.yaml");
    assert!(old.contains("\nold: true\n") && body(&old) == body(&new), "{old}");
    // what the shell appends to is replaced by nobody
    let log = fs::File::options().append(true).open(desk.path("values.yaml")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    let command = command.args(["values", "--at", AT, "--out", "/dev/stdout"]).stdout(log);
    assert!(command.current_dir(desk.0.path()).status().unwrap().success());
    assert!(desk.read("values.yaml").starts_with(theirs));
    desk.write("empty.yaml", "");
    out("empty.yaml").says(0, &["wrote empty.yaml"]);
}

#[test]
fn case_24_rows_that_contradict_each_other_are_a_finding_with_their_count_and_the_first() {
    let desk = Desk::new();
    let plain = desk.run(&["plan", "--at", AT, "-o", "json"]);
    plain.says(0, &[]);
    let rows = desk.read("load.csv");
    let first = rows.lines().nth(1).unwrap();
    // the same row again is no contradiction
    desk.write("load.csv", &format!("{rows}{first}\n"));
    assert_eq!(desk.run(&["plan", "--at", AT, "-o", "json"]).stdout, plain.stdout);
    let at = first.split(',').next().unwrap();
    desk.write("load.csv", &format!("{rows}{at},load,1.5\n2026-11-20T03:00:00Z,load,0.1\n"));
    let told = desk.run(&["plan", "--at", AT, "-o", "csv"]);
    told.says(0, &[]);
    let told = desk.run(&["plan", "--at", AT]);
    let said = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = format!(
        "warning COVERAGE `load.csv` contradicts itself on `load` at 2 times, first at {at}: 1.5 and 6.19; the largest value counts"
    );
    assert!(said.contains(&wanted), "{}", told.stdout);
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for args in [&["--help"][..], &["plan", "--help"], &["--version"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        let out = command.args(args).stdout(Stdio::from(full)).output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.starts_with("error: cannot write to standard output: "), "{stderr}");
    }
}

#[test]
fn a_negative_value_is_named_with_its_flag() {
    let desk = Desk::new();
    for (args, words) in [
        ("plan --at -3d", "invalid value '-3d' for '--at <TIME>': write a date such as"),
        ("demo --at -3d", "invalid value '-3d' for '--at <TIME>'"),
        ("backtest --at -1", "invalid value '-1' for '--at <TIME>'"),
        ("replay --capacity -3", "error: `--capacity -3` is not above zero"),
        ("replay --price -1", "error: `--price -1` is not above zero"),
        ("replay --start-up -2m", "`-2m` is not a duration such as `5m`"),
        ("replay --warm-up -1d", "`-1d` is not a duration such as `5m`"),
        ("replay --risk -1%", "`-1%` is not a share such as `5%`"),
        ("replay --start-up 0s", "`0s` is not a duration above zero, such as `5m`"),
        ("apply --watch -5m", "invalid value '-5m' for '--watch <DURATION>'"),
        ("tiers check --table -1", "invalid value '-1' for '--table <N>'"),
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        desk.run(&args).says(1, &[words, "hint: "]);
    }
}

#[test]
fn a_moment_that_no_history_reaches_is_refused_with_its_span() {
    let desk = Desk::new();
    for at in ["2035-01-01", "2020-01-01"] {
        for verb in [&["plan"][..], &["explain", "web"], &["replay"], &["backtest"]] {
            let told = desk.run(&[verb, &["--at", at]].concat());
            told.says(
                1,
                &["error: no sample of `load` in the 4w before 20", "hint: name a moment"],
            );
            told.says(1, &["the history goes from 2026-10-26T01:00:00Z to 2026-11-23T01:00:00Z"]);
            assert_eq!(told.stdout, "");
        }
    }
    // the last moment that still sees a sample is answered, if only with why nothing can be said
    desk.run(&["plan", "--at", "2026-12-20"]).says(3, &["STALE"]);
}

#[test]
fn what_comes_next_is_said_with_what_was_typed() {
    let desk = Desk::new();
    fs::rename(desk.path("plimsoll.yaml"), desk.path("shop.yaml")).unwrap();
    let told = desk.run(&["plan", "-f", "shop.yaml", "-n", "shop", "--at", AT]);
    let typed = "--file shop.yaml --at 2026-11-23 --namespace shop";
    told.says(
        0,
        &[&format!("`plimsoll values {typed}`"), &format!("`plimsoll explain web {typed}`")],
    );
    // and the words themselves can be typed
    let next = told.stdout.lines().find(|line| line.contains("plimsoll explain")).unwrap();
    let args: Vec<&str> = next.trim().trim_matches('`').split(' ').skip(1).collect();
    desk.run(&args).says(0, &["web of shop"]);
}

#[test]
fn one_of_a_kind_is_not_said_as_several() {
    let desk = Desk::new();
    let told = desk.run(&["explain", "web", "--at", AT]);
    told.says(0, &[", 1 gap\n"]);
    assert!(!told.stdout.contains(" 0 %  "), "{}", told.stdout);
    told.says(0, &["2 other models did worse on this load, and weigh next to nothing"]);
    // a row of one pod
    let settings = desk.read("plimsoll.yaml").replace("web: 3-5,", "web: 1,");
    desk.write("plimsoll.yaml", &settings.replace("web: 2, ", "web: 1, "));
    let told = desk.run(&["plan", "--at", AT]);
    told.says(0, &["is Mid (10-40): 1 pod\n"]);
}

#[test]
fn the_demo_is_replayed_without_settings_and_a_warm_up_that_is_cut_says_so() {
    let desk = Desk::new();
    let told = desk.run(&["replay", "--demo", "--component", "api", "--warm-up", "7w"]);
    told.says(0, &["jarvis api: ", "take: "]);
    told.says(0, &["the first 4w are learnt from and not the 7w of `--warm-up`"]);
    desk.run(&["replay", "--demo", "--offline"]).says(1, &["cannot be used with"]);
}
