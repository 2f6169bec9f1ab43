//! Samples to Parquet and back: one file a month, two columns, through polars.
//!
//! Parquet's pages carry no check of their own here, and a flipped bit may decode into other numbers; so each file
//! has one over its samples in its metadata: FNV-1a of 64 bits (Fowler, Noll, Vo; IETF draft `draft-eastlake-fnv`).

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use polars::prelude::{
    Column, DataFrame, DataType, Int64Chunked, IntoColumn, KeyValueMetadata, NamedFrom,
    ParallelStrategy, ParquetCompression, ParquetReader, ParquetWriter, PolarsResult, SerReader,
    Series, TimeUnit,
};

use super::StoreError;
use crate::history::Samples;

/// The key of the check in a file's metadata. A file without one was written before there were any.
const CHECK: &str = "plimsoll.fnv1a";

/// The month of a time in UTC, as files are called: `2026-11`. Times outside the range of a timestamp get its ends.
pub(super) fn month(at: i64) -> String {
    let edge = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let date = Timestamp::from_second(at).unwrap_or(edge).to_zoned(TimeZone::UTC).date();
    format!("{:04}-{:02}", date.year(), date.month())
}

/// The first and the last second of a month that is called so; `None` for what is no month.
pub(super) fn seconds(month: &str) -> Option<(i64, i64)> {
    let (year, number) = month.split_once('-')?;
    let first = jiff::civil::Date::new(year.parse().ok()?, number.parse().ok()?, 1).ok()?;
    let start =
        |date: jiff::civil::Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second());
    Some((start(first)?, start(first.last_of_month().tomorrow().ok()?)? - 1))
}

/// The samples by month, in order.
pub(super) fn by_month(samples: &Samples) -> Vec<(String, Samples)> {
    let mut months: Vec<(String, Samples)> = Vec::new();
    let mut rest = 0;
    while rest < samples.at.len() {
        let name = month(samples.at[rest]);
        let end = rest + samples.at[rest..].partition_point(|at| month(*at) == name);
        let part = Samples {
            at: samples.at[rest..end].to_vec(),
            value: samples.value[rest..end].to_vec(),
        };
        months.push((name, part));
        rest = end;
    }
    months
}

/// Both together, in order; where both have a time, the newer value holds.
pub(super) fn merge(old: &Samples, new: &Samples) -> Samples {
    let mut merged = Samples {
        at: Vec::with_capacity(old.at.len() + new.at.len()),
        value: Vec::with_capacity(old.at.len() + new.at.len()),
    };
    let mut push = |samples: &Samples, i: usize| {
        merged.at.push(samples.at[i]);
        merged.value.push(samples.value[i]);
    };
    let mut kept = 0;
    for (i, at) in new.at.iter().enumerate() {
        while kept < old.at.len() && old.at[kept] < *at {
            push(old, kept);
            kept += 1;
        }
        kept += usize::from(old.at.get(kept) == Some(at));
        push(new, i);
    }
    (kept..old.at.len()).for_each(|i| push(old, i));
    merged
}

/// The samples of a month as the bytes of its file.
pub(super) fn encode(samples: &Samples) -> PolarsResult<Vec<u8>> {
    let millis: Vec<i64> = samples.at.iter().map(|at| at * 1000).collect();
    let time = Int64Chunked::new("timestamp".into(), &millis)
        .into_datetime(TimeUnit::Milliseconds, Some(polars::prelude::TimeZone::UTC));
    let value = Series::new("value".into(), &samples.value);
    let mut frame =
        DataFrame::new(samples.at.len(), vec![time.into_column(), value.into_column()])?;
    let mut bytes = Vec::new();
    // a month is small: one row group, and threads would only cost
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![(
            CHECK.to_owned(),
            check(samples),
        )])))
        .set_parallel(false)
        .finish(&mut frame)?;
    Ok(bytes)
}

/// Reads the samples of a month.
pub(super) fn read(path: &Path) -> Result<Samples, StoreError> {
    let file = File::open(path).map_err(|source| StoreError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let damaged = |why: String| StoreError::Damaged { path: path.to_owned(), why };
    // on some damaged files polars panics instead of failing
    let samples = catch_unwind(AssertUnwindSafe(|| decode(file)));
    let samples = samples.map_err(|_| damaged("not a readable Parquet file".to_owned()))?;
    let samples = samples.map_err(|error| damaged(error.to_string()))?;
    if !samples.at.is_sorted_by(|a, b| a < b)
        || !samples.value.iter().all(|value| value.is_finite())
    {
        return Err(damaged("its samples are not in order, or not all finite".to_owned()));
    }
    Ok(samples)
}

fn decode(file: File) -> PolarsResult<Samples> {
    let mut reader = ParquetReader::new(file);
    let noted = reader.get_metadata()?.key_value_metadata().iter().flatten();
    let noted = noted.filter(|pair| pair.key == CHECK).find_map(|pair| pair.value.clone());
    let frame = reader.read_parallel(ParallelStrategy::None).finish()?;
    let time = frame
        .column("timestamp")?
        .cast(&DataType::Datetime(TimeUnit::Milliseconds, None))?
        .cast(&DataType::Int64)?;
    let at = numbers(&time, |column| {
        Ok(column.i64()?.into_no_null_iter().map(|millis| millis.div_euclid(1000)).collect())
    })?;
    let value =
        numbers(frame.column("value")?, |column| Ok(column.f64()?.into_no_null_iter().collect()))?;
    let samples = Samples { at, value };
    let sound = noted.is_none_or(|noted| noted == check(&samples));
    polars::prelude::polars_ensure!(sound, ComputeError: "its samples are not those that were written");
    Ok(samples)
}

/// A check over times and values, as 16 hexadecimal digits.
fn check(samples: &Samples) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let times = samples.at.iter().map(|at| at.to_le_bytes());
    let values = samples.value.iter().map(|value| value.to_le_bytes());
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    format!("{:016x}", times.chain(values).flatten().fold(OFFSET, mix))
}

fn numbers<T>(
    column: &Column,
    collect: impl Fn(&Column) -> PolarsResult<Vec<T>>,
) -> PolarsResult<Vec<T>> {
    polars::prelude::polars_ensure!(column.null_count() == 0, ComputeError: "column `{}` has gaps", column.name());
    collect(column)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn samples(pairs: &[(i64, f64)]) -> Samples {
        let (at, value) = pairs.iter().copied().unzip();
        Samples { at, value }
    }

    #[test]
    fn a_month_has_its_first_and_its_last_second() {
        let (first, last) = seconds("2026-11").unwrap();
        assert_eq!((month(first - 1).as_str(), month(last + 1).as_str()), ("2026-10", "2026-12"));
        // 30 days
        assert_eq!(last - first + 1, 30 * 86_400);
        assert_eq!(seconds("manifest"), None);
        assert_eq!(seconds("2026-13"), None);
    }

    #[test]
    fn months_are_those_of_utc() {
        // 2026-11-30T23:59:59Z and the second after it
        assert_eq!(month(1_796_083_199), "2026-11");
        assert_eq!(month(1_796_083_200), "2026-12");
        let parts =
            by_month(&samples(&[(1_796_083_199, 1.0), (1_796_083_200, 2.0), (1_796_083_201, 3.0)]));
        assert_eq!(parts[0], ("2026-11".to_owned(), samples(&[(1_796_083_199, 1.0)])));
        assert_eq!(parts[1].1.value, [2.0, 3.0]);
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn every_flipped_byte_of_a_file_is_found() {
        let pairs: Vec<(i64, f64)> =
            (0u32..40).map(|i| (i64::from(i) * 300, f64::from(i).sqrt())).collect();
        let written = samples(&pairs);
        let file = encode(&written).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-11.parquet");
        let mut silent = 0;
        for place in 0..file.len() {
            let mut flipped = file.clone();
            flipped[place] ^= 0xa5;
            std::fs::write(&path, &flipped).unwrap();
            // what is read at all is what was written: some bytes of the metadata mean nothing
            if let Ok(found) = read(&path) {
                assert_eq!(found, written, "byte {place}");
                silent += 1;
            }
        }
        assert!(silent < file.len() / 2, "{silent} of {}", file.len());
    }

    #[test]
    fn the_newer_value_of_a_time_holds() {
        let old = samples(&[(1, 1.0), (3, 3.0), (5, 5.0), (9, 9.0)]);
        let new = samples(&[(0, 0.5), (3, 3.5), (6, 6.5)]);
        let merged = merge(&old, &new);
        assert_eq!(merged, samples(&[(0, 0.5), (1, 1.0), (3, 3.5), (5, 5.0), (6, 6.5), (9, 9.0)]));
        assert_eq!(merge(&merged, &new), merged, "twice is once");
    }
}
