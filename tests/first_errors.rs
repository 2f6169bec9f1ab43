//! The first troubles with a Prometheus, through the real binary: refused, nothing there, nothing lately.
//! What needs no server is in `tests/cmd/first-errors.trycmd`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
const NOTHING_LISTED: &str = r#"{"status":"success","data":[]}"#;
const ONE_LISTED: &str =
    r#"{"status":"success","data":[{"__name__":"requests_total","service":"shop"}]}"#;

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

/// `plimsoll plan` in a folder of its own, against the address.
fn plan(url: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        include_str!("cmd/no-history.in/plimsoll.yaml").replace("http://127.0.0.1:1", url);
    std::fs::write(folder.path().join("plimsoll.yaml"), settings).unwrap();
    let output = run(folder.path());
    let text = String::from_utf8_lossy(&output.stderr).replace(url, "URL");
    (output, text)
}

fn run(folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["plan", "--at", "2026-11-23T01:00:00Z"]).current_dir(folder).env("NO_COLOR", "1");
    command.output().unwrap()
}

#[test]
fn a_refusal_ends_the_run_and_names_the_key_to_look_at() {
    let (output, stderr) = plan(&serving(|_| (401, "Unauthorized")));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let mut lines = stderr.lines();
    let error = lines.next().unwrap();
    assert!(
        error.starts_with("error: ") && error.contains("401") && error.contains("URL"),
        "{stderr}"
    );
    let hint = lines.next().unwrap();
    assert!(hint.starts_with("hint: ") && hint.contains("bearerTokenFile"), "{stderr}");
}

#[test]
fn an_empty_result_is_no_series_and_changes_nothing() {
    let url = serving(|path| (200, if path.contains("/query") { EMPTY } else { NOTHING_LISTED }));
    let (output, _) = plan(&url);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout.contains("NO_SERIES"), "{stdout}");
    assert!(stdout.contains("0 changes, 0 kept,"), "{stdout}");
}

#[test]
fn a_series_without_samples_in_the_window_is_not_the_same_as_none() {
    let url = serving(|path| (200, if path.contains("/query") { EMPTY } else { ONE_LISTED }));
    let (output, _) = plan(&url);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout.contains("NO_SAMPLES"), "{stdout}");
    assert!(stdout.contains("0 changes, 0 kept,"), "{stdout}");
}

#[test]
fn a_server_that_is_no_prometheus_is_an_error() {
    let (output, stderr) = plan(&serving(|_| (200, "<!doctype html><title>Grafana</title>")));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.starts_with("error: `URL`") && stderr.contains("not the Prometheus API"),
        "{stderr}"
    );
}
