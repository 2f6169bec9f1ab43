//! The committed example review is what the program writes today, byte for byte, and twice the same.
//!
//! After a change that is meant to show: `PLIMSOLL_BLESS=1 cargo test --test example`, then look at
//! `reports/example/report.html` before committing it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/example");

fn demo(out: &Path) {
    let run = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["demo", "--quiet", "--out"])
        .arg(out)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// Every file below `folder` by its path within it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in
            std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

#[test]
fn the_example_is_what_the_demo_writes() {
    let out = tempfile::tempdir().unwrap();
    demo(out.path());
    let written = files(out.path());
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        let _ = std::fs::remove_dir_all(EXAMPLE);
        for (name, content) in &written {
            let path = Path::new(EXAMPLE).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
    let committed = files(Path::new(EXAMPLE));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&committed));
    for (name, content) in &written {
        assert!(content == &committed[name], "`{}` differs from reports/example", name.display());
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    demo(one.path());
    demo(two.path());
    assert!(files(one.path()) == files(two.path()));
}
