//! One file as a table of text: where its cells are, what they say, and whose a row is.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use polars::prelude::{
    Column, CsvReadOptions, DataFrame, DataType, ParquetReader, PolarsError, PolarsResult,
    SerReader, StringChunked, TimeUnit,
};

use super::FileError;
use crate::files;
use crate::history::{SeriesKey, Signal};
use crate::service::Service;

/// Whose a row is.
pub(super) type Owner = Option<(usize, SeriesKey)>;

/// The columns of a file as text, in the shape that polars read them: a `String` a cell would be ten times as much.
pub(super) struct Table {
    path: PathBuf,
    /// What comes before the first row: the header, in a CSV file.
    lines_before: usize,
    at: StringChunked,
    value: StringChunked,
    pub(super) series: Option<StringChunked>,
    service: Option<StringChunked>,
    /// The names of all columns, in backticks.
    columns: String,
}

/// One row; `None` where a cell is empty or its column is not there.
pub(super) struct Row<'a> {
    number: usize,
    at: Option<&'a str>,
    value: Option<&'a str>,
    pub(super) series: Option<&'a str>,
    pub(super) service: Option<&'a str>,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, FileError> {
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

    pub(super) fn missing(&self, column: &'static str) -> FileError {
        without(&self.path, column, &self.columns)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
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

    pub(super) fn time(&self, row: &Row<'_>) -> Result<i64, FileError> {
        let text = row.at.unwrap_or_default().trim();
        let second = text.parse::<f64>().ok().and_then(whole_seconds);
        let second = second.or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second));
        second.ok_or_else(|| {
            self.wrong(row, text, "a time such as `2026-11-23T01:00:00Z` or Unix seconds")
        })
    }

    pub(super) fn value(&self, row: &Row<'_>) -> Result<f64, FileError> {
        match row.value.map(str::trim) {
            None | Some("") => Ok(f64::NAN),
            Some(text) => text.parse().map_err(|_| self.wrong(row, text, NUMBER)),
        }
    }

    /// Whose the row is; `None` where that service was not asked for.
    pub(super) fn owner(
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
pub(super) const NUMBER: &str = "a number";
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

pub(super) fn is_milliseconds(text: &str) -> bool {
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
