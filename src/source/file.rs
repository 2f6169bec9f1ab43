//! History from files: CSV and Parquet with the columns `timestamp` and `value`, and where there is more
//! than the load, `series` (or `signal`): `load`, `p99`, `api.cpu`. A column `service` tells services apart.
//!
//! Times are RFC 3339 or Unix seconds. Rows may come in any order; of several at one time the largest value is
//! kept, and where they differ that is told ([`Dispute`]); a value that is empty, NaN or infinite is no sample. Errors
//! name the file and the line.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::table::{NUMBER, Table, is_milliseconds};
use crate::history::{Evidence, MEASURABLE_MAX, Observed, Samples, SeriesKey};
use crate::service::Service;

/// Why a file gives no history.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is neither CSV nor Parquet, or damaged.
    #[error("`{path}` cannot be read as {format}: {why}")]
    Format {
        /// The file.
        path: PathBuf,
        /// "CSV" or "Parquet".
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A column is missing.
    #[error("`{path}` has no column `{column}`; it has {found}")]
    Column {
        /// The file.
        path: PathBuf,
        /// The name looked for.
        column: &'static str,
        /// The names found.
        found: String,
    },
    /// A row says something that is not understood.
    #[error("`{path}`, line {line}: `{text}` is not {expected}")]
    Row {
        /// The file.
        path: PathBuf,
        /// The line in a CSV file, counted from 1; in a Parquet file the row.
        line: usize,
        /// What stands there.
        text: String,
        /// What should.
        expected: String,
    },
}

impl FileError {
    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "correct `history.files`; paths are relative to the settings file",
            Self::Format { .. } => {
                "files are CSV with a header, or Parquet when their name ends in `.parquet`"
            }
            Self::Column { .. } => {
                "the columns are `timestamp,value`, and `series` (such as `load` or `api.cpu`) where there is more than the load"
            }
            Self::Row { text, .. } if is_milliseconds(text) => {
                "that looks like milliseconds: divide by 1000, or write RFC 3339"
            }
            Self::Row { expected, .. } if expected == NUMBER => {
                "leave the cell empty where there is no sample"
            }
            Self::Row { expected, .. } if expected.contains(": no component or volume") => {
                "name it in `components:` or `volumes:` of the service, or take its rows out"
            }
            Self::Row { expected, .. } if expected.starts_with("a series") => {
                "of the service: `load` `errorRate` `p99`; of a component, as `api.replicas`: `hpaMin` `hpaMax` `hpaTarget` `cpuMax` `memory` `cpuRequest` `memoryLimit` `redisUsed` and others; of a volume: `volumeUsed` `volumeCapacity`"
            }
            Self::Row { .. } => "correct the row, or take it out",
        }
    }
}

/// What a file knows.
#[derive(Debug, Default)]
pub struct Found {
    /// Its series, by service.
    pub observed: BTreeMap<String, Observed>,
    /// Series that say several things of one time, by service.
    pub disputes: BTreeMap<String, Vec<Dispute>>,
}

impl Found {
    /// Takes what another file knows: a series may go on from file to file, and rows of two are as those of one.
    pub fn add(&mut self, other: Self) {
        for (service, disputes) in other.disputes {
            self.disputes.entry(service).or_default().extend(disputes);
        }
        for (service, observed) in other.observed {
            let known = self.observed.entry(service.clone()).or_default();
            for (key, evidence) in observed {
                let (Some(Evidence::Series(one)), Evidence::Series(more)) =
                    (known.get(&key), &evidence)
                else {
                    if !matches!((known.get(&key), &evidence), (Some(_), Evidence::NoSamples)) {
                        known.insert(key, evidence);
                    }
                    continue;
                };
                let rows = [one, more]
                    .map(|samples| samples.at.iter().copied().zip(samples.value.iter().copied()));
                let (samples, dispute) = in_order(
                    rows.into_iter().flatten().collect(),
                    Path::new("history.files"),
                    &key,
                );
                if let Some(dispute) = dispute {
                    self.disputes.entry(service.clone()).or_default().push(dispute);
                }
                known.insert(key, evidence_of(samples));
            }
        }
    }
}

/// Rows of one series that contradict each other: the larger value counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// The file, or the key of the settings that names several.
    pub path: PathBuf,
    /// The series.
    pub key: SeriesKey,
    /// At how many times.
    pub times: usize,
    /// The first of them, in Unix seconds.
    pub at: i64,
    /// The smallest and the largest value there.
    pub values: (f64, f64),
}

/// What a file knows of the services. Rows of those `elsewhere` were not asked for.
///
/// # Errors
///
/// A file that cannot be read, lacks a column, or has a row that is not understood.
pub fn read(path: &Path, services: &[Service], elsewhere: &[String]) -> Result<Found, FileError> {
    let table = Table::read(path)?;
    let mut series: BTreeMap<(usize, SeriesKey), Vec<(i64, f64)>> = BTreeMap::new();
    // rows mostly stand in the order of their series: what the cells mean is worked out once a run of them
    let mut of_cells = None;
    for row in table.rows() {
        let cells = (row.service, row.series);
        let owner = match of_cells.take() {
            Some((known, owner)) if known == cells => owner,
            _ => table.owner(&row, services, elsewhere)?,
        };
        if let Some(of) = &owner {
            let (at, value) = (table.time(&row)?, table.value(&row)?);
            let samples = match series.get_mut(of) {
                Some(samples) => samples,
                None => series.entry(of.clone()).or_default(),
            };
            if value.is_finite() {
                samples.push((at, value));
            }
        }
        of_cells = Some((cells, owner));
    }
    drop(table);
    let mut found = Found::default();
    for ((service, key), samples) in series {
        let service = &services[service].name;
        let (samples, dispute) = in_order(samples, path, &key);
        if let Some(dispute) = dispute {
            found.disputes.entry(service.clone()).or_default().push(dispute);
        }
        found.observed.entry(service.clone()).or_default().insert(key, evidence_of(samples));
    }
    Ok(found)
}

fn evidence_of(samples: Vec<(i64, f64)>) -> Evidence<Samples> {
    let (at, value): (Vec<i64>, Vec<f64>) = samples.into_iter().unzip();
    if at.is_empty() { Evidence::NoSamples } else { Evidence::Series(Samples { at, value }) }
}

/// The samples of every series of a file, whatever its name, in the order of the rows; NaN where a cell is empty or holds
/// no load: one below zero, or not a number.
///
/// # Errors
///
/// A file that cannot be read, lacks one of the columns `series`, `timestamp` and `value`, or has a row that is not understood.
pub fn read_traces(path: &Path) -> Result<BTreeMap<String, Vec<(i64, f64)>>, FileError> {
    let table = Table::read(path)?;
    if table.series.is_none() {
        return Err(table.missing("series"));
    }
    let mut traces: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for row in table.rows() {
        let (at, value) = (table.time(&row)?, table.value(&row)?);
        let value = if (0.0..MEASURABLE_MAX).contains(&value) { value } else { f64::NAN };
        let name = row.series.unwrap_or_default();
        match traces.get_mut(name) {
            Some(samples) => samples.push((at, value)),
            None => drop(traces.insert(name.to_owned(), vec![(at, value)])),
        }
    }
    Ok(traces)
}

/// Samples by time, of several at one time the largest; and where they are not the same, what they dispute.
fn in_order(
    mut samples: Vec<(i64, f64)>,
    path: &Path,
    key: &SeriesKey,
) -> (Vec<(i64, f64)>, Option<Dispute>) {
    samples.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut dispute: Option<Dispute> = None;
    for same in samples.chunk_by(|a, b| a.0 == b.0) {
        let (at, (largest, smallest)) = (same[0].0, (same[0].1, same[same.len() - 1].1));
        if largest > smallest {
            let first = || Dispute {
                path: path.to_owned(),
                key: key.clone(),
                times: 0,
                at,
                values: (smallest, largest),
            };
            dispute.get_or_insert_with(first).times += 1;
        }
    }
    samples.dedup_by_key(|sample| sample.0);
    (samples, dispute)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use polars::prelude::{
        Column, DataFrame, Int64Chunked, IntoColumn, NamedFrom, ParquetWriter, TimeUnit,
    };

    use super::*;
    use crate::history::Signal;
    use crate::service::{Component, Current, LoadSource, Objectives, Target};
    use crate::tiers::TierTable;
    use crate::units::{Period, Ratio};

    fn service(name: &str) -> Service {
        let target = Target { kind: "Deployment".to_owned(), name: "api".to_owned() };
        let component = Component {
            name: "api".to_owned(),
            target,
            memory: false,
            helm: None,
            container: None,
            current: Current::default(),
            start_up: Period(60),
        };
        Service {
            name: name.to_owned(),
            namespace: name.to_owned(),
            load: LoadSource::Query("x".to_owned()),
            queries: BTreeMap::new(),
            objectives: Objectives {
                error_rate: Ratio(0.01),
                p99_s: 2.0,
                severity2_error_rate: Ratio(0.05),
                severity2_p99_s: 5.0,
            },
            tiers: TierTable { rows: Vec::new() },
            components: vec![component],
            volumes: vec!["data-0".to_owned()],
        }
    }

    fn csv_of(text: &str, services: &[Service]) -> Result<BTreeMap<String, Observed>, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, services, &[]).map(|found| found.observed)
    }

    fn line_of(text: &str) -> usize {
        match csv_of(text, &[service("shop")]) {
            Err(FileError::Row { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn two_columns_are_the_load() {
        let text = "timestamp,value\n2026-11-23T01:00:00Z,1.5\n1795395900,2\n2026-11-23T10:10:00+09:00,\n1795395900,3\n";
        let observed = csv_of(text, &[service("shop")]).unwrap();
        // 01:00:00Z is 1,795,395,600; the empty value is no sample, and of two at one time the larger is kept
        let expected = Samples { at: vec![1_795_395_600, 1_795_395_900], value: vec![1.5, 3.0] };
        assert_eq!(observed["shop"][&SeriesKey::service(Signal::Load)], Evidence::Series(expected));
    }

    #[test]
    fn a_series_column_tells_series_apart_and_a_service_column_services() {
        let text =
            "service,series,timestamp,value\na,api.cpu,0,1\nb,p99,0,2\nb,data-0.volumeUsed,0,NaN\n";
        let observed = csv_of(text, &[service("a"), service("b")]).unwrap();
        let one = |value| Evidence::Series(Samples { at: vec![0], value: vec![value] });
        assert_eq!(observed["a"][&SeriesKey::of("api", Signal::Cpu)], one(1.0));
        assert_eq!(observed["b"][&SeriesKey::service(Signal::P99)], one(2.0));
        assert_eq!(
            observed["b"][&SeriesKey::of("data-0", Signal::VolumeUsed)],
            Evidence::NoSamples
        );
    }

    #[test]
    fn rows_of_a_service_elsewhere_are_not_asked_for_and_rows_without_a_name_stay_unclear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        let of = |text: &str, elsewhere: &[String]| {
            std::fs::write(&path, text).unwrap();
            read(&path, &[service("a")], elsewhere).map(|found| found.observed)
        };
        let other = ["b".to_owned()];
        let shared =
            "service,series,timestamp,value\nb,no.such,never,many\na,api.cpu,0,1\nb,load,0,2\n";
        let observed = of(shared, &other).unwrap();
        assert_eq!(observed.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(observed["a"].len(), 1);
        assert!(of(shared, &[]).is_err());
        // whose these are the chosen namespace does not tell
        let error = of("timestamp,value\n0,1\n", &other).unwrap_err();
        assert!(error.to_string().ends_with("in the column `service`: `a`, `b`"), "{error}");
    }

    #[test]
    fn rows_that_contradict_each_other_are_counted_and_the_first_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        let rows = "timestamp,value\n600,7\n0,1\n0,1\n300,5\n300,2\n300,3\n600,8\n900,\n900,4\n";
        std::fs::write(&path, rows).unwrap();
        let found = read(&path, &[service("shop")], &[]).unwrap();
        let key = SeriesKey::service(Signal::Load);
        let expected = Dispute { path, key: key.clone(), times: 2, at: 300, values: (2.0, 5.0) };
        assert_eq!(found.disputes["shop"], [expected]);
        let kept = Samples { at: vec![0, 300, 600, 900], value: vec![1.0, 5.0, 8.0, 4.0] };
        assert_eq!(found.observed["shop"][&key], Evidence::Series(kept));
    }

    #[test]
    fn a_series_goes_on_from_file_to_file_and_where_two_disagree_the_larger_value_counts() {
        let folder = tempfile::tempdir().unwrap();
        let services = [service("jarvis")];
        let mut all = Found::default();
        for (name, rows) in
            [("a.csv", "0,1\n300,2\n600,3\n"), ("b.csv", "600,5\n900,4\n"), ("c.csv", "")]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("timestamp,value\n{rows}")).unwrap();
            all.add(read(&path, &services, &[]).unwrap());
        }
        let Evidence::Series(load) = &all.observed["jarvis"][&SeriesKey::service(Signal::Load)]
        else {
            panic!()
        };
        assert_eq!(
            (&load.at[..], &load.value[..]),
            (&[0, 300, 600, 900][..], &[1.0, 2.0, 5.0, 4.0][..])
        );
        let [Dispute { path, times: 1, at: 600, values: (3.0, 5.0), .. }] =
            &all.disputes["jarvis"][..]
        else {
            panic!("{:?}", all.disputes)
        };
        assert_eq!(path, Path::new("history.files"));
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(line_of("timestamp,value\n0,1\nyesterday,2\n"), 3);
        assert_eq!(line_of("timestamp,value\n0,many\n"), 2);
        // milliseconds would be the year 58,000
        assert_eq!(line_of("timestamp,value\n0,1\n1795395600000,1\n"), 3);
        assert_eq!(line_of("series,timestamp,value\nload,0,1\napi.nonsense,0,1\n"), 3);
        assert_eq!(line_of("service,timestamp,value\nother,0,1\n"), 2);
        let nobody = "series,timestamp,value\nredis.replicas,0,1\n";
        let error = csv_of(nobody, &[service("shop")]).unwrap_err();
        let why = "is not a series of `shop`: no component or volume there is called `redis`";
        assert!(error.to_string().ends_with(why), "{error}");
        assert!(error.hint().starts_with("name it in `components:`"), "{}", error.hint());
        let error = csv_of("time,load\n0,1\n", &[service("shop")]).unwrap_err();
        assert!(
            error.to_string().ends_with("has no column `value`; it has `time`, `load`"),
            "{error}"
        );
        assert!(csv_of("", &[service("shop")]).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_in_our_words() {
        let said = |text: &str| csv_of(text, &[service("shop")]).unwrap_err().to_string();
        let ragged = said("timestamp,value\n0,1\n1,2,3\n");
        assert!(ragged.ends_with("a row has more cells than the header"), "{ragged}");
        assert!(said("").ends_with("it is empty"), "{}", said(""));
        // a cell that holds half a file is shown by its beginning
        let long = said(&format!("timestamp,value\n0,{}\n", "x".repeat(5_000)));
        assert!(long.len() < 300, "{} characters", long.len());
    }

    #[test]
    fn milliseconds_are_told_from_other_nonsense() {
        let hint = |at: &str| {
            let text = format!("timestamp,value\n{at},1\n");
            csv_of(&text, &[service("shop")]).unwrap_err().hint()
        };
        assert!(hint("1795395600000").starts_with("that looks like milliseconds"));
        assert_eq!(hint("yesterday"), "correct the row, or take it out");
    }

    /// Writes the columns to a file called `history.parquet` and reads it for the service `shop`.
    fn parquet_of(columns: Vec<Column>) -> Result<Observed, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.parquet");
        let mut frame = DataFrame::new(columns[0].len(), columns).unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        let found = read(&path, &[service("shop")], &[])?;
        Ok(found.observed.get("shop").cloned().unwrap_or_default())
    }

    fn times<const N: usize>(seconds: [i64; N], a_second: i64, unit: TimeUnit) -> Column {
        let ticks: Vec<i64> = seconds.iter().map(|second| second * a_second).collect();
        let time = Int64Chunked::new("timestamp".into(), &ticks);
        time.into_datetime(unit, Some(polars::prelude::TimeZone::UTC)).into_column()
    }

    #[test]
    fn parquet_comes_back_as_it_was_written_whatever_unit_its_times_have() {
        // the second value is none, the third is no number, and the rows are in no order
        let at = [1_795_396_200, 1_795_395_900, 1_795_396_500, 1_795_395_600];
        let values = [Some(1.0 / 3.0), None, Some(f64::NAN), Some(1e-9)];
        let text: Vec<String> = at.iter().map(ToString::to_string).collect();
        for time in [
            times(at, 1_000, TimeUnit::Milliseconds),
            times(at, 1_000_000, TimeUnit::Microseconds),
            times(at, 1_000_000_000, TimeUnit::Nanoseconds),
            Column::new("timestamp".into(), at),
            Column::new("timestamp".into(), text),
        ] {
            let kind = time.dtype().clone();
            let series = Column::new("series".into(), ["api.cpu"; 4]);
            let observed =
                parquet_of(vec![time, series, Column::new("value".into(), values)]).unwrap();
            let expected =
                Samples { at: vec![1_795_395_600, 1_795_396_200], value: vec![1e-9, 1.0 / 3.0] };
            let found = &observed[&SeriesKey::of("api", Signal::Cpu)];
            assert_eq!(*found, Evidence::Series(expected), "{kind}");
            assert_eq!(observed.len(), 1);
        }
    }

    #[test]
    fn errors_in_parquet_name_the_row_and_a_file_that_is_none_is_named() {
        let value = || Column::new("value".into(), [1.0, 2.0]);
        let text = Column::new("timestamp".into(), ["2026-11-23T01:00:00Z", "yesterday"]);
        let error = parquet_of(vec![text, value()]).unwrap_err();
        // there is no header to count
        assert!(matches!(error, FileError::Row { line: 2, .. }), "{error}");
        let error = parquet_of(vec![value()]).unwrap_err();
        assert!(
            error.to_string().ends_with("has no column `timestamp`; it has `value`"),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.PARQUET");
        std::fs::write(&path, "timestamp,value\n0,1\n").unwrap();
        let error = read(&path, &[service("shop")], &[]).unwrap_err();
        assert!(matches!(error, FileError::Format { format: "Parquet", .. }), "{error}");
    }
}
