//! Bare traces: files with the columns `series,timestamp,value` and no settings beside them, each series on its own regular grid.
//!
//! They are read as history files are. The step is the smallest distance of two rows; a step without a row, or with an
//! empty value, is a gap.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::file::{FileError, read_traces};
use crate::history::History;
use crate::units::Period;

/// Most steps without a sample for each that has one: more are a wrong year, and would fill the memory.
const GAPS_PER_SAMPLE: i64 = 20;

/// Why a file gives no traces.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It has no rows.
    #[error("`{0}` has a header and no rows")]
    Empty(PathBuf),
    /// A series has two values at one time.
    #[error("`{path}`: series `{series}` has two values at {at}")]
    Twice {
        /// The file.
        path: PathBuf,
        /// The series.
        series: String,
        /// When.
        at: Timestamp,
    },
    /// A series has far more gaps than samples.
    #[error(
        "`{path}`: series `{series}` has nothing from {from} to {to}, and a value every {step} elsewhere"
    )]
    Sparse {
        /// The file.
        path: PathBuf,
        /// The series.
        series: String,
        /// The last sample before the widest gap.
        from: Timestamp,
        /// The first after it.
        to: Timestamp,
        /// The smallest distance of two samples.
        step: Period,
    },
    /// A time that no calendar has.
    #[error("`{path}`: series `{series}` has a time that no calendar has")]
    Time {
        /// The file.
        path: PathBuf,
        /// The series.
        series: String,
        /// The cause.
        source: jiff::Error,
    },
}

impl TraceError {
    /// Whether there is no such file, or no leave to read it.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::File(FileError::Io { .. }))
    }

    /// What to change.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File(error) => error.hint(),
            Self::Empty(_) => "give it rows of `series,timestamp,value`",
            Self::Twice { .. } | Self::Sparse { .. } | Self::Time { .. } => {
                "correct that row, or take it out"
            }
        }
    }
}

/// Every series of a file, by name.
///
/// # Errors
///
/// A file that cannot be read or has no rows, and a series that has no regular grid.
pub fn read(path: &Path) -> Result<BTreeMap<String, History>, TraceError> {
    let traces = read_traces(path)?;
    if traces.is_empty() {
        return Err(TraceError::Empty(path.to_owned()));
    }
    let laid_out =
        |(series, samples)| Ok((String::clone(&series), regular(path, series, samples)?));
    traces.into_iter().map(laid_out).collect()
}

/// Lays samples out at their smallest distance.
fn regular(
    path: &Path,
    series: String,
    mut samples: Vec<(i64, f64)>,
) -> Result<History, TraceError> {
    samples.sort_unstable_by_key(|sample| sample.0);
    let path = || path.to_owned();
    let time = |second: i64| {
        Timestamp::from_second(second).map_err(|source| TraceError::Time {
            path: path(),
            series: series.clone(),
            source,
        })
    };
    let (Some(&(first, _)), Some(&(last, _))) = (samples.first(), samples.last()) else {
        return Err(TraceError::Empty(path()));
    };
    let apart = |pair: &[(i64, f64)]| pair[1].0 - pair[0].0;
    if let Some(pair) = samples.windows(2).find(|pair| apart(pair) == 0) {
        let at = time(pair[0].0)?;
        return Err(TraceError::Twice { path: path(), series, at });
    }
    let step = samples.windows(2).map(apart).min().unwrap_or(Period::HOUR.0);
    let seen = i64::try_from(samples.len()).unwrap_or(i64::MAX);
    if (last - first) / step > seen.saturating_mul(GAPS_PER_SAMPLE) {
        let widest = samples.windows(2).max_by_key(|pair| apart(pair));
        let (from, to) = widest.map_or((first, last), |pair| (pair[0].0, pair[1].0));
        let (from, to) = (time(from)?, time(to)?);
        return Err(TraceError::Sparse { path: path(), series, from, to, step: Period(step) });
    }
    let place = |at: i64| usize::try_from((at - first) / step).unwrap_or(0);
    let mut values = vec![f64::NAN; place(last) + 1];
    for &(at, value) in &samples {
        values[place(at)] = value;
    }
    let (start, newest) = (time(first)?, time(last)?);
    Ok(History { start, step: Period(step), values, marks: Vec::new(), newest })
}
