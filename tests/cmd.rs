//! Transcripts: what is typed, and everything that the real binary then says, with its exit code.
//!
//! `TRYCMD=overwrite cargo test --test cmd` writes what it says now; the diff is then to be read.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

#[test]
fn transcripts_are_what_the_binary_says() {
    let transcripts = std::fs::read_dir("tests/cmd").unwrap().flatten();
    let transcripts =
        transcripts.filter(|entry| entry.path().extension().is_some_and(|name| name == "trycmd"));
    assert!(transcripts.count() >= 7, "the transcripts were not found");

    let cases = trycmd::TestCases::new();
    // the same terminal on every machine: no colour, 100 columns, UTC where the settings name no zone
    cases
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("TZ", "UTC")
        .env("KUBECONFIG", "/nonexistent");
    cases.case("tests/cmd/*.trycmd");
    if Path::new("README.md").exists() {
        cases.case("README.md");
    }
}
