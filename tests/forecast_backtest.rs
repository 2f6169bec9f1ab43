//! `backtest` on files: a fold sees nothing after its origin, the output is what the scorer reads, errors name
//! the line.
#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, clippy::float_cmp)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use plimsoll::commands::backtest::run;

const HOURS: usize = 21 * 24;

/// Three weeks of one series in `dir`; from `changed` on every value is a thousand times what it was.
fn series_file(dir: &Path, changed: usize) -> PathBuf {
    let start: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let mut text = String::from("dataset,series,timestamp,value\n");
    for hour in 0..HOURS {
        let at = start + SignedDuration::from_hours(i64::try_from(hour).unwrap());
        let load = 100.0 + 10.0 * (hour % 24) as f64 + (hour * 7 % 11) as f64;
        let factor = if hour >= changed { 1000.0 } else { 1.0 };
        writeln!(text, "web,shop,{at},{}", load * factor).unwrap();
    }
    write(dir, "series.csv", &text)
}

fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn emitted(changed: usize) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let series = series_file(dir.path(), changed);
    let folds = write(
        dir.path(),
        "folds.csv",
        "series,fold,origin,horizon\nshop,0,400,24\nshop,1,300,24\n",
    );
    let out = dir.path().join("out.csv");
    let outcome = run(&series, Some(&folds), Some(&out), &TimeZone::UTC).unwrap();
    assert_eq!((outcome.text.as_str(), outcome.skipped.len()), ("", 0));
    std::fs::read_to_string(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_fold_sees_only_what_lies_before_its_origin() {
    let (plain, changed) = (emitted(HOURS), emitted(400));
    // both folds begin at or before hour 400, so a thousandfold load from there on must not show
    assert_eq!(plain, changed);
    // and the comparison is able to fail: a change before the first fold's origin shows in that fold alone
    let earlier = emitted(399);
    let of_fold = |lines: &[String], fold: &str| -> Vec<String> {
        lines.iter().filter(|line| line.starts_with(&format!("shop,{fold},"))).cloned().collect()
    };
    assert_ne!(of_fold(&plain, "0"), of_fold(&earlier, "0"));
    assert_eq!(of_fold(&plain, "1"), of_fold(&earlier, "1"));
}

#[test]
fn forecasts_are_written_as_the_scorer_reads_them() {
    let lines = emitted(HOURS);
    assert_eq!(lines[0], "series,fold,step,mean,q0.025,q0.1,q0.5,q0.9,q0.95,q0.975,q0.99");
    assert_eq!(lines.len(), 1 + 2 * 24);
    assert!(
        lines[1].starts_with("shop,0,1,")
            && lines[24].starts_with("shop,0,24,")
            && lines[25].starts_with("shop,1,1,")
    );
    let numbers = |line: &str| -> Vec<f64> {
        line.split(',').skip(4).map(|cell| cell.parse().unwrap()).collect()
    };
    assert!(lines[1..].iter().all(|line| numbers(line).is_sorted()));
}

#[test]
fn without_folds_every_model_is_scored_in_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = run(&series_file(dir.path(), HOURS), None, None, &TimeZone::UTC).unwrap();
    assert_eq!(outcome.skipped, Vec::<String>::new());
    assert!(outcome.text.contains("origins in 1 series"), "{}", outcome.text);
    let rows = outcome.text.lines().skip(3).take_while(|line| !line.is_empty());
    let models: Vec<&str> = rows.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(models.len(), 17);
    assert_eq!(models[0], "ensemble");
}

#[test]
fn a_series_that_is_too_short_is_named_and_not_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let folds =
        write(dir.path(), "folds.csv", "series,fold,origin,horizon\nshop,0,30,24\nshop,1,300,24\n");
    let outcome = run(&series_file(dir.path(), HOURS), Some(&folds), None, &TimeZone::UTC).unwrap();
    assert_eq!(outcome.skipped, ["shop fold 0: 30 hours of history seen, 2 days needed"]);
    assert_eq!(outcome.text.lines().count(), 1 + 24);
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let series = series_file(dir.path(), HOURS);
    let fails = |name: &str, text: &str| {
        let path = write(dir.path(), name, text);
        let error = match name {
            "folds.csv" => run(&series, Some(&path), None, &TimeZone::UTC),
            _ => run(&path, None, None, &TimeZone::UTC),
        };
        format!("{:#}", error.unwrap_err())
    };
    let cases = [
        (
            "folds.csv",
            "series,fold,origin,horizon\nshop,0,x,24\n",
            "line 2: `x` is not a number of steps",
        ),
        (
            "folds.csv",
            "series,fold,origin,horizon\nshoe,0,1,24\n",
            "line 2: there is no series `shoe`",
        ),
        ("folds.csv", "series,fold,origin\nshop,0,1\n", "has no column `horizon`"),
        (
            "values.csv",
            "series,timestamp,value\na,yesterday,1\n",
            "line 2: `yesterday` is not a time such as",
        ),
        (
            "values.csv",
            "series,timestamp,value\na,2026-01-05T00:00:00Z,many\n",
            "line 2: `many` is not a number",
        ),
        (
            "values.csv",
            "series,timestamp,value\na,2026-01-05T00:00:00Z,1,2\n",
            "a row has more cells than the header",
        ),
        ("values.csv", "series,timestamp,value\n", "has a header and no rows"),
        ("values.csv", "timestamp,value\n2026-01-05T00:00:00Z,1\n", "has no column `series`"),
        (
            "values.csv",
            "series,timestamp,value\na,2026-01-05T00:00:00Z,1\na,2026-01-05T00:00:00Z,2\n",
            "series `a` has two values at 2026-01-05T00:00:00Z",
        ),
    ];
    for (name, text, expected) in cases {
        let seen = fails(name, text);
        assert!(seen.contains(expected), "{seen}\nlacks {expected}");
    }
}

#[test]
fn a_wrong_year_is_named_and_not_filled_with_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let series = std::fs::read_to_string(series_file(dir.path(), HOURS)).unwrap();
    for year in ["1970", "2062", "9000"] {
        let wrong =
            write(dir.path(), "wrong.csv", &format!("{series}web,shop,{year}-01-01T00:00:00Z,3\n"));
        let error = format!("{:#}", run(&wrong, None, None, &TimeZone::UTC).unwrap_err());
        assert!(
            error.contains("series `shop` has nothing from ") && error.contains(year),
            "{error}"
        );
    }
}

#[test]
fn a_trace_may_be_written_as_a_history_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let plain = std::fs::read_to_string(series_file(dir.path(), HOURS)).unwrap();
    let quoted = |line: &str| format!("\"{}\"\r\n", line.replace(',', "\",\""));
    let spreadsheet: String = plain.lines().map(quoted).collect();
    let in_seconds = |line: &str| -> String {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if let Ok(at) = cells[2].parse::<Timestamp>() {
            cells[2] = at.as_second().to_string();
        }
        cells.join(",") + "\n"
    };
    let expected = run(&write(dir.path(), "a.csv", &plain), None, None, &TimeZone::UTC).unwrap();
    assert!(expected.text.contains("ensemble"));
    for text in [format!("\u{feff}{spreadsheet}"), plain.lines().map(in_seconds).collect()] {
        let same = run(&write(dir.path(), "b.csv", &text), None, None, &TimeZone::UTC).unwrap();
        assert_eq!(same.text, expected.text);
    }
}
