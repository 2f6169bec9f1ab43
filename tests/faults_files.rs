//! Faults of the disk, case 83, and what they leave: full, read-only, somebody else's, in use, damaged, or left in the
//! middle of anything. What stood there stays whole, what is damaged is named and asked for again, and the next run
//! finishes the work.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, dead_code, missing_docs)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/liar.rs"]
mod liar;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use plimsoll::history::{Evidence, Observed};
use plimsoll::store::Store;

use liar::{Desk, Fault, NOW, Source, Told, World, lowered, never_lower, settings, told};

#[test]
fn case_83_what_is_no_file_is_named_and_neither_waited_for_nor_read_without_end() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = filled(&source);
    assert!(Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap().success());
    let text = fs::read_to_string(desk.path("plimsoll.yaml")).unwrap();
    for place in ["pipe", "/dev/zero"] {
        let files = format!("history: {{files: [{place}], ");
        let files = text.replacen("history: {", &files, 1).replacen(
            "history:\n",
            &format!("history:\n  files: [{place}]\n"),
            1,
        );
        assert_ne!(files, text);
        fs::write(desk.path("plimsoll.yaml"), files).unwrap();
        let why = format!("{place}`: it is no file, but a device or a FIFO");
        desk.run(&["plan", "--offline"]).says(1, &[&why, "hint: correct `history.files`"]);
    }
    fs::write(desk.path("plimsoll.yaml"), text).unwrap();
    for folds in ["pipe", "/dev/zero"] {
        let told = desk.command(&["backtest", "--file", folds]).output().unwrap();
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(said.contains("it is no file, but a device or a FIFO"), "{said}");
    }
}

/// A desk whose store holds the whole history.
fn filled(source: &Source) -> Desk {
    let desk = Desk::new(&source.url);
    desk.run(&["pull"]).says(0, &[]);
    desk
}

/// The same command where no file may grow past so many blocks of 512 or 1024 bytes, which is what a full disk says too.
fn cramped(desk: &Desk, blocks: u32, args: &[&str]) -> Told {
    // the signal that comes with it is ignored, so that the program hears of it as an error
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_plimsoll")])
        .args(args)
        .args(["--at", liar::AT]);
    told(command.current_dir(&desk.0).env("NO_COLOR", "1"))
}

/// Every file under a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    all.sort();
    all
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn observed(desk: &Desk) -> Observed {
    let store = Store::open(desk.path("history")).unwrap();
    store.observe(&settings().services[0], NOW - 60 * liar::DAY, NOW).unwrap()
}

#[test]
fn case_83_a_full_disk_names_the_file_leaves_what_was_there_and_the_next_run_finishes() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = Desk::new(&source.url);
    let full = cramped(&desk, 2, &["pull"]);
    full.says(
        1,
        &[
            "error: cannot write `history/v1/jarvis/",
            "File too large",
            "\nhint: check the permissions of `history.store`, and the space left on its disk",
        ],
    );
    assert!(!full.text().contains(".tmp"), "{}", full.text());
    desk.run(&["pull"]).says(0, &[]);
    assert!(observed(&desk) == observed(&filled(&source)), "the samples are others");
    // a report that does not fit leaves the one of last week as it was
    desk.run(&["report", "--offline", "--out", "out"]).says(0, &[]);
    let before = contents(&desk.path("out"));
    fs::write(desk.path("out/plan.json"), "last week's").unwrap();
    let full = cramped(&desk, 8, &["report", "--offline", "--out", "out"]);
    full.says(1, &["error: cannot write `out/", "\nhint: make room there, or name another place"]);
    assert!(!full.text().contains(".tmp"), "{}", full.text());
    for (path, content) in before.iter().filter(|(path, _)| !path.ends_with("plan.json")) {
        assert!(&fs::read(path).unwrap() == content, "{}", path.display());
    }
    assert_eq!(files(&desk.path("out")).len(), before.len(), "nothing unfinished is left");
    // and standard output may be a full disk too
    let mut command = desk.command(&["plan", "--offline", "--at", liar::AT]);
    let sink = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdout(sink).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
}

/// Opens a folder and all in it to everybody for reading, and to nobody but its owner for writing.
fn readable(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    for path in files(folder) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

#[test]
fn case_83_what_belongs_to_somebody_else_is_read_and_not_written() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = filled(&source);
    readable(desk.0.path());
    let root = fs::metadata(desk.0.path()).unwrap().uid() == 0;
    if !root {
        for path in ["", "history", "history/v1", "history/v1/jarvis"] {
            fs::set_permissions(desk.path(path), fs::Permissions::from_mode(0o555)).unwrap();
        }
        fs::set_permissions(desk.path("history/lock"), fs::Permissions::from_mode(0o444)).unwrap();
    }
    let as_another = |args: &[&str]| {
        let mut command = desk.command(args);
        if root {
            // nobody
            command.uid(65_534).gid(65_534);
        }
        told(command.args(["--at", liar::AT]))
    };
    as_another(&["plan"]).says(1, &[
        "error: cannot write `history",
        "ermission denied",
        "hint: check the permissions of `history.store`, and the space left on its disk; `--offline` reads without writing",
    ]);
    as_another(&["plan", "--offline"]).says(0, &[]);
    let denied = as_another(&["report", "--offline", "--out", "out"]);
    denied.says(
        1,
        &["error: cannot write `out`", "\nhint: let this user write there, or name another place"],
    );
    fs::set_permissions(desk.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for path in ["history", "history/v1", "history/v1/jarvis"] {
        fs::set_permissions(desk.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn case_83_a_second_run_is_told_who_writes_and_may_read() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = filled(&source);
    let held = Store::open(desk.path("history")).unwrap().writer().unwrap();
    let process = format!("is in use by another run (process {})", std::process::id());
    desk.run(&["pull"])
        .says(1, &[&process, "hint: wait until it ends, or give this one another `history.store`"]);
    desk.run(&["plan", "--offline"]).says(0, &[]);
    drop(held);
    desk.run(&["pull"]).says(0, &[]);
}

#[test]
fn case_83_a_damaged_file_is_named_set_aside_and_asked_for_again() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = filled(&source);
    let whole = observed(&desk);
    let series = desk.path("history/v1/jarvis");
    let month = series.join("load/2025-11.parquet");
    let bytes = fs::read(&month).unwrap();
    // half of it, nothing of it, a flipped middle, another file
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle..middle + 64].fill(0xa5);
    for damage in [&bytes[..bytes.len() / 2], b"", flipped.as_slice(), b"hello"] {
        fs::write(&month, damage).unwrap();
        // without a source to ask, the series has failed, and nothing is lowered
        let told = desk.run(&["plan", "--offline", "-o", "json"]);
        told.says(3, &["SOURCE_FAILED", "load/2025-11.parquet` is damaged: "]);
        never_lower(World::Quiet, &told.plan().unwrap());
        assert_eq!(lowered(&told.plan().unwrap()), 0);
        desk.run(&["check", "--offline"]).says(0, &["damaged"]);
        desk.run(&["pull"]).says(
            0,
            &["load/2025-11.parquet` is damaged: ", "; it is set aside and asked for again"],
        );
        assert!(observed(&desk) == whole, "the samples are others");
    }
    assert!(series.join("load/2025-11.parquet~4").exists());

    // manifests and notes: whoever plans is told, and all other series stand
    fs::write(series.join("load/manifest.json"), "{").unwrap();
    fs::write(series.join("api.cpu/manifest.json"), r#"{"query": 7}"#).unwrap();
    fs::write(series.join("choice.json"), "\0").unwrap();
    desk.run(&["plan", "--offline"]).says(3, &["load/manifest.json` is damaged: "]);
    let told = desk.run(&["plan", "-o", "json"]);
    told.says(
        0,
        &[
            "warning: `history/v1/jarvis/load/manifest.json` is damaged: ",
            "warning: `history/v1/jarvis/api.cpu/manifest.json` is damaged: ",
            "warning: `history/v1/jarvis/choice.json` is damaged: ",
        ],
    );
    assert_eq!(&told.plan().unwrap(), World::Quiet.whole());
    assert!(observed(&desk) == whole, "the samples are others");
    assert!(series.join("load~1/manifest.json").exists() && series.join("choice.json~1").exists());
}

#[test]
fn case_83_a_store_of_a_newer_version_is_left_alone() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = Desk::new(&source.url);
    fs::create_dir_all(desk.path("history/v2/jarvis")).unwrap();
    desk.run(&["pull"]).says(
        1,
        &[
            "error: `history/v2` was written by a newer version of plimsoll",
            "hint: use that version, or another folder in `history.store`",
        ],
    );
    assert_eq!(files(&desk.path("history")).len(), 0);
}

/// Whatever a report left behind, all of it is whole; only what was being written may not be.
fn whole_report(folder: &Path) {
    for path in files(folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let ends = |with: &str| assert!(text.trim_end().ends_with(with), "{}", path.display());
        match path.extension().and_then(|kind| kind.to_str()) {
            _ if name.starts_with(plimsoll::files::UNFINISHED) => {}
            Some("html") => ends("</html>"),
            Some("svg") => ends("</svg>"),
            Some("json") => drop(serde_json::from_str::<serde_json::Value>(&text).unwrap()),
            _ => assert!(!text.is_empty(), "{}", path.display()),
        }
    }
}

/// Numbers that look like chance, and are the same in every run (Knuth, "MMIX").
struct Chance(u64);

impl Chance {
    fn of(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// `pull` and `report` in turn, each an hour later than the one before, so that each has something to add; each killed at
/// a moment of its own, from its start to a little after its end.
#[test]
fn case_83_two_hundred_kills_leave_every_file_whole() {
    let kills: i64 = if std::env::var("CI").is_ok_and(|value| value == "true") { 200 } else { 30 };
    let source = Source::telling(World::Quiet, Fault::None);
    let shorter = |desk: Desk| desk.edit("lookback: 8w", "lookback: 10d");
    let desk = shorter(Desk::new(&source.url));
    let time = |at: i64| Timestamp::from_second(at).unwrap().to_string();
    let verbs: [&[&str]; 2] = [&["pull"], &["report", "--out", "out"]];
    // how long they take when nobody disturbs them
    let never = shorter(Desk::new(&source.url));
    let mut lasts = verbs.map(|args| {
        let started = Instant::now();
        assert!(never.run_at(&time(NOW - (kills + 1) * 3600), args).code.is_some());
        started.elapsed()
    });
    let (mut chance, mut killed) = (Chance(1876), 0);
    for i in 0..kills {
        let turn = usize::try_from(i % 2).unwrap();
        let at = time(NOW - (kills - i) * 3600);
        let mut command = desk.command(verbs[turn]);
        let command =
            command.args(["--quiet", "--at", &at]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut run = command.spawn().unwrap();
        let most = u64::try_from(lasts[turn].as_micros()).unwrap().max(20_000);
        std::thread::sleep(Duration::from_micros(chance.of(most)));
        run.kill().unwrap();
        let status = run.wait().unwrap();
        assert!(status.signal() == Some(9) || matches!(status.code(), Some(0 | 3)), "{status}");
        let alive = status.signal() == Some(9);
        killed += usize::from(alive);
        // a busy machine measures too long, an idle one too short: the bound follows what is met
        lasts[turn] = if alive { lasts[turn] * 21 / 20 } else { lasts[turn] * 4 / 5 };
        let failed =
            observed(&desk).into_iter().find(|(_, known)| matches!(known, Evidence::Failed(_)));
        assert_eq!(failed, None, "kill {i}");
        whole_report(&desk.path("out"));
    }
    assert!(
        2 * killed > usize::try_from(kills).unwrap(),
        "{killed} of {kills} were killed: this proves little"
    );
    eprintln!("{killed} of {kills} were killed");
    // and the end is that of a run that nobody disturbed
    let never = shorter(Desk::new(&source.url));
    for desk in [&desk, &never] {
        assert!(matches!(desk.run(&["report", "--out", "out"]).code, Some(0 | 3)));
    }
    let since = NOW - 10 * liar::DAY;
    let [ended, expected] = [&desk, &never].map(|desk| {
        let store = Store::open(desk.path("history")).unwrap();
        store.observe(&settings().services[0], since, NOW).unwrap()
    });
    assert!(ended == expected, "the samples are others");
    for file in ["out/plan.json", "out/values-capacity.yaml"] {
        let [ended, expected] = [&desk, &never].map(|desk| fs::read(desk.path(file)).unwrap());
        assert!(ended == expected, "{file}");
    }
}
