//! Transcripts: what is typed, and everything that the real binary then says, with its exit code.
//!
//! `TRYCMD=overwrite cargo test --test cmd` writes what it says now; the diff is then to be read.

#![allow(missing_docs)]

use std::path::Path;

#[test]
fn transcripts_are_what_the_binary_says() {
    let cases = trycmd::TestCases::new();
    // the same terminal on every machine: no colour, 100 columns, UTC where the settings name no zone
    cases.env("NO_COLOR", "1").env("COLUMNS", "100").env("TZ", "UTC").case("tests/cmd/*.trycmd");
    if Path::new("README.md").exists() {
        cases.case("README.md");
    }
}
