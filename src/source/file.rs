//! History from files: CSV and Parquet with the columns `timestamp` and `value`, and where there is more
//! than the load, `series` (or `signal`): `load`, `p99`, `api.cpu`. A column `service` tells services apart.
//!
//! Times are RFC 3339 or Unix seconds. Rows may come in any order; of several at one time the largest value is
//! kept, and where they differ that is told ([`Dispute`]); a value that is empty, NaN or infinite is no sample. Errors
//! name the file and the line.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use polars::prelude::{
    Column, CsvReadOptions, DataFrame, DataType, ParquetReader, PolarsError, PolarsResult,
    SerReader, StringChunked, TimeUnit,
};

use crate::files;
use crate::history::{Evidence, MEASURABLE_MAX, Observed, Samples, SeriesKey, Signal};
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

/// Rows of one series that contradict each other: the larger value counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// The file.
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

/// Whose a row is.
type Owner = Option<(usize, SeriesKey)>;

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
        let (at, value): (Vec<i64>, Vec<f64>) = samples.into_iter().unzip();
        let evidence = if at.is_empty() {
            Evidence::NoSamples
        } else {
            Evidence::Series(Samples { at, value })
        };
        found.observed.entry(service.clone()).or_default().insert(key, evidence);
    }
    Ok(found)
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

/// The columns of a file as text, in the shape that polars read them: a `String` a cell would be ten times as much.
struct Table {
    path: PathBuf,
    /// What comes before the first row: the header, in a CSV file.
    lines_before: usize,
    at: StringChunked,
    value: StringChunked,
    series: Option<StringChunked>,
    service: Option<StringChunked>,
    /// The names of all columns, in backticks.
    columns: String,
}

/// One row; `None` where a cell is empty or its column is not there.
struct Row<'a> {
    number: usize,
    at: Option<&'a str>,
    value: Option<&'a str>,
    series: Option<&'a str>,
    service: Option<&'a str>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, FileError> {
        let parquet =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
        let file =
            files::open(path).map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let format = if parquet { "Parquet" } else { "CSV" };
        let unreadable = |why: String| FileError::Format { path: path.to_owned(), format, why };
        // on some damaged files polars panics instead of failing
        let frame = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if parquet { ParquetReader::new(file).finish() } else { csv(file) }
        }));
        let frame = frame
            .map_err(|_| unreadable("it is damaged".to_owned()))?
            .map_err(|error| unreadable(in_our_words(&error)))?;
        let text = |names: [&str; 2]| -> Result<Option<StringChunked>, FileError> {
            let column =
                frame.columns().iter().find(|column| names.contains(&column.name().trim()));
            column.map(as_text).transpose().map_err(|error| unreadable(in_our_words(&error)))
        };
        let names: Vec<_> =
            frame.get_column_names().iter().map(|name| format!("`{name}`")).collect();
        let columns = names.join(", ");
        let missing = |column| without(path, column, &columns);
        Ok(Self {
            path: path.to_owned(),
            lines_before: usize::from(!parquet),
            at: text(["timestamp", "time"])?.ok_or_else(|| missing("timestamp"))?,
            value: text(["value", "value"])?.ok_or_else(|| missing("value"))?,
            series: text(["series", "signal"])?,
            service: text(["service", "service"])?,
            columns,
        })
    }

    fn missing(&self, column: &'static str) -> FileError {
        without(&self.path, column, &self.columns)
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut series = self.series.as_ref().map(StringChunked::iter);
        let mut service = self.service.as_ref().map(StringChunked::iter);
        let cells = self.at.iter().zip(self.value.iter()).enumerate();
        cells.map(move |(number, (at, value))| Row {
            number,
            at,
            value,
            series: series.as_mut().and_then(Iterator::next).flatten(),
            service: service.as_mut().and_then(Iterator::next).flatten(),
        })
    }

    fn wrong(&self, row: &Row<'_>, text: &str, expected: impl Into<String>) -> FileError {
        FileError::Row {
            path: self.path.clone(),
            line: row.number + 1 + self.lines_before,
            text: shortened(text),
            expected: expected.into(),
        }
    }

    fn time(&self, row: &Row<'_>) -> Result<i64, FileError> {
        let text = row.at.unwrap_or_default().trim();
        let second = text.parse::<f64>().ok().and_then(whole_seconds);
        let second = second.or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second));
        second.ok_or_else(|| {
            self.wrong(row, text, "a time such as `2026-11-23T01:00:00Z` or Unix seconds")
        })
    }

    fn value(&self, row: &Row<'_>) -> Result<f64, FileError> {
        match row.value.map(str::trim) {
            None | Some("") => Ok(f64::NAN),
            Some(text) => text.parse().map_err(|_| self.wrong(row, text, NUMBER)),
        }
    }

    /// Whose the row is; `None` where that service was not asked for.
    fn owner(
        &self,
        row: &Row<'_>,
        services: &[Service],
        elsewhere: &[String],
    ) -> Result<Owner, FileError> {
        let found = match row.service {
            Some(name) => services.iter().position(|service| service.name == name),
            // without a name it is the only service that the settings have, chosen or not
            None if services.len() == 1 && elsewhere.is_empty() => Some(0),
            None => None,
        };
        if let Some(service) = found {
            return Ok(Some((service, self.key(row, &services[service])?)));
        }
        if row.service.is_some_and(|name| elsewhere.iter().any(|other| other == name)) {
            return Ok(None);
        }
        let all = services.iter().map(|service| &service.name).chain(elsewhere);
        let mut names: Vec<String> = all.map(|name| format!("`{name}`")).collect();
        names.sort();
        let expected =
            format!("a service of the settings in the column `service`: {}", names.join(", "));
        Err(self.wrong(row, row.service.unwrap_or_default(), expected))
    }

    fn key(&self, row: &Row<'_>, service: &Service) -> Result<SeriesKey, FileError> {
        if self.series.is_none() {
            return Ok(SeriesKey::service(Signal::Load));
        }
        let text = row.series.unwrap_or_default().trim();
        let known = |subject: &str| {
            service.components.iter().any(|one| one.name == subject)
                || service.volumes.iter().any(|one| one == subject)
        };
        if let Some((subject, _)) = text.rsplit_once('.').filter(|(subject, _)| !known(subject)) {
            let nobody = format!(
                "a series of `{}`: no component or volume there is called `{}`",
                service.name,
                shortened(subject)
            );
            return Err(self.wrong(row, text, nobody));
        }
        let key = match text.rsplit_once('.') {
            None => {
                Signal::from_name(text).filter(|signal| signal.of_service()).map(SeriesKey::service)
            }
            Some((subject, signal)) => {
                let signal = Signal::from_name(signal).filter(|signal| !signal.of_service());
                signal.map(|signal| SeriesKey::of(subject, signal))
            }
        };
        key.ok_or_else(|| {
            self.wrong(
                row,
                text,
                format!("a series of `{}` such as `load` or `api.cpu`", service.name),
            )
        })
    }
}

fn without(path: &Path, column: &'static str, columns: &str) -> FileError {
    FileError::Column { path: path.to_owned(), column, found: columns.to_owned() }
}

/// What the column `value` holds.
const NUMBER: &str = "a number";
/// Characters of a cell that a message shows.
const SHOWN: usize = 60;

/// The beginning of a cell: one that holds half a file must not be printed whole.
fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn is_milliseconds(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|at| (1e11..1e14).contains(&at))
}

/// Whole seconds; `None` for what can only be milliseconds (beyond the year 5000) or is no time at all.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn whole_seconds(at: f64) -> Option<i64> {
    (at.abs() < 1e11).then_some(at.floor() as i64)
}

/// What is wrong with a file, without what the library that reads it would have its callers do.
fn in_our_words(error: &PolarsError) -> String {
    let text = error.to_string();
    let says = |word: &str| text.contains(word);
    let why = match error {
        PolarsError::NoData(_) => "it is empty",
        _ if says("truncate_ragged_lines") => "a row has more cells than the header",
        _ if says("decompress") => "it is compressed: unpack it first",
        _ if says("quote") || says("field is not properly escaped") => "a quote is not closed",
        _ if says("utf-8") || says("utf8") || says("UTF-8") => "it is not UTF-8",
        _ if says("duplicate") => "a column stands twice",
        _ => "it is damaged, or of another kind",
    };
    why.to_owned()
}

/// Every column as text: what a cell means is decided here, with its line, not guessed per column.
fn csv(file: File) -> PolarsResult<DataFrame> {
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(Some(0))
        .into_reader_with_file_handle(file)
        .finish()
}

fn as_text(column: &Column) -> PolarsResult<StringChunked> {
    let column = match column.dtype() {
        // Unix seconds, whatever unit the file has
        DataType::Datetime(..) => {
            column
                .cast(&DataType::Datetime(TimeUnit::Milliseconds, None))?
                .cast(&DataType::Int64)?
                / 1000
        }
        _ => column.clone(),
    };
    Ok(column.cast(&DataType::String)?.str()?.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use polars::prelude::{Int64Chunked, IntoColumn, NamedFrom, ParquetWriter};

    use super::*;
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
        ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
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
