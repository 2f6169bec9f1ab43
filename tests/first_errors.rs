//! The first troubles with a Prometheus, through the real binary: refused, nothing there, nothing lately.
//! What needs no server is in `tests/cmd/first-errors.trycmd`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
/// One sample on 9 November, 23:00 UTC.
const EARLIER: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1794265200,"12.5"]]}]}}"#;
const EARLIER_NOW: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1794265200,"12.5"]}]}}"#;
const LISTED: &str = r#"{"status":"success","data":[]}"#;

/// A server that gives every request the status and body that `answer` has for its path; its address.
fn serving(answer: fn(&str) -> (u16, &'static str)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || reply(&stream, answer));
        }
    });
    format!("http://{address}")
}

fn reply(mut stream: &TcpStream, answer: fn(&str) -> (u16, &'static str)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.split('?').next()?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let (status, body) = answer(&path);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .ok()
}

/// A folder with settings for the address.
fn folder(url: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        include_str!("cmd/no-history.in/plimsoll.yaml").replace("http://127.0.0.1:1", url);
    let settings = settings.replace("lookback: 8w", "lookback: 1d");
    std::fs::write(folder.path().join("plimsoll.yaml"), settings).unwrap();
    folder
}

/// `plimsoll plan` in the folder: its exit code, standard output and standard error.
fn plan(folder: &Path, at: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["plan", "--at", at]).current_dir(folder).env("NO_COLOR", "1");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const MONDAY: &str = "2026-11-23T01:00:00Z";

#[test]
fn a_refusal_ends_the_run_and_names_the_key_to_look_at() {
    let url = serving(|_| (401, "Unauthorized"));
    let (code, stdout, stderr) = plan(folder(&url).path(), MONDAY);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let (error, hint) = stderr.split_once('\n').unwrap();
    assert!(
        error.starts_with("error: ") && error.contains("401") && error.contains(&url),
        "{stderr}"
    );
    assert!(hint.starts_with("hint: ") && hint.contains("bearerTokenFile"), "{stderr}");
}

#[test]
fn an_empty_result_is_no_series_and_changes_nothing() {
    let url = serving(|path| (200, if path.contains("/query") { EMPTY } else { LISTED }));
    let (code, stdout, _) = plan(folder(&url).path(), MONDAY);
    assert_eq!(code, Some(3));
    assert!(stdout.contains("NO_SERIES  no series for `load`"), "{stdout}");
    assert!(stdout.contains("0 changes, 0 kept,"), "{stdout}");
}

#[test]
fn a_series_that_went_silent_is_not_the_same_as_none() {
    let url = serving(|path| match path.rsplit('/').next() {
        Some("query_range") => (200, EARLIER),
        Some("query") => (200, EARLIER_NOW),
        _ => (200, LISTED),
    });
    let folder = folder(&url);
    let (_, before, stderr) = plan(folder.path(), "2026-11-10T00:00:00Z");
    assert!(before.contains("the newest sample of `load`"), "{before}{stderr}");
    let settings = std::fs::read_to_string(folder.path().join("plimsoll.yaml")).unwrap();
    let silent = serving(|path| (200, if path.contains("/query") { EMPTY } else { LISTED }));
    std::fs::write(folder.path().join("plimsoll.yaml"), settings.replace(&url, &silent)).unwrap();
    let (code, stdout, _) = plan(folder.path(), MONDAY);
    assert_eq!(code, Some(3));
    assert!(stdout.contains("NO_SAMPLES  `load` has no sample in the window"), "{stdout}");
    assert!(stdout.contains("0 changes, 0 kept,"), "{stdout}");
}

#[test]
fn a_server_that_is_no_prometheus_is_an_error() {
    let url = serving(|_| (200, "<!doctype html><title>Grafana</title>"));
    let (code, _, stderr) = plan(folder(&url).path(), MONDAY);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(&format!("error: `{url}`")) && stderr.contains("not the Prometheus API"),
        "{stderr}"
    );
}
