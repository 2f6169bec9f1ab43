//! Transcripts: what is typed, and everything that the real binary then says, with its exit code; those of
//! the README are transcripts too.
//!
//! `TRYCMD=overwrite cargo test --test cmd` writes what it says now; the diff is then to be read.

#![allow(clippy::unwrap_used, missing_docs)]

use trycmd::TestCases;

/// The same terminal on every machine: no colour, 100 columns, UTC where the settings name no zone, no cluster.
fn terminal() -> TestCases {
    let cases = TestCases::new();
    cases
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("TZ", "UTC")
        .env("KUBECONFIG", "/nonexistent")
        .env("KUBERNETES_SERVICE_HOST", "");
    cases
}

#[test]
fn transcripts_are_what_the_binary_says() {
    let transcripts = std::fs::read_dir("tests/cmd").unwrap().flatten();
    let transcripts =
        transcripts.filter(|entry| entry.path().extension().is_some_and(|name| name == "trycmd"));
    assert!(transcripts.count() >= 8, "the transcripts were not found");
    terminal().case("tests/cmd/*.trycmd");
}

#[test]
fn every_example_of_the_readme_is_what_the_binary_says() {
    // a copy with the files that it names, so that what it writes is not written here
    let folder = tempfile::tempdir().unwrap();
    let readme = folder.path().join("README.md");
    std::fs::copy("README.md", &readme).unwrap();
    let data = folder.path().join("README.in/data");
    std::fs::create_dir_all(&data).unwrap();
    for file in std::fs::read_dir("data").unwrap().flatten().filter(|file| file.path().is_file()) {
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    // a folder of what should come out makes trycmd work in a sandbox; nothing in particular is asked of it
    std::fs::create_dir(folder.path().join("README.out")).unwrap();
    terminal().case(&readme);
    if std::env::var("TRYCMD").is_ok_and(|mode| mode == "overwrite") {
        std::fs::copy(&readme, "README.md").unwrap();
    }
}
