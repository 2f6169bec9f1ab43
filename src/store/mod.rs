//! Local history in Parquet: it outlives the retention of Prometheus, and `--offline` needs nothing else.
//!
//! ```text
//! <store>/lock                                  held while a run writes
//! <store>/v1/<service>/<series>/2026-11.parquet columns `timestamp` (ms, UTC) and `value` (f64)
//! <store>/v1/<service>/<series>/manifest.json   the query, what was asked, what kind of absence
//! <store>/v1/<service>/<series>~1/              set aside, because the query or step changed
//! <store>/v1/<service>/<series>/2026-11.parquet~1   set aside, because it was damaged; its month is asked for again
//! ```
//!
//! Every file is written whole beside its place, synced, and renamed. A new series begins with a manifest that says
//! which query it answers and that nothing was asked; then come samples, and what was asked is noted after them, so
//! that an interrupted run leaves a whole store that only asks again for what it already has; writing a sample
//! twice is writing it once. An append touches only the months that it has samples for.
//!
//! The manifest keeps "asked, and there was nothing" apart from "not asked", so that a gap is not asked
//! for again for ever; and "no series" apart from "no samples", neither of which is zero.

mod columns;
mod error;
mod manifest;
mod writer;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::history::{Evidence, Observed, Samples, SeriesKey, Signal};
use crate::service::Service;

pub use error::StoreError;
pub use manifest::{Manifest, Spans};
pub use writer::{Answer, Writer};

/// The version of the layout above; a change that older programs would misread raises it.
const FORMAT: &str = "v1";

/// A folder of history. Reading needs no lock: files are replaced whole.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The store at `root`, which need not exist yet.
    ///
    /// # Errors
    ///
    /// A folder that cannot be read, or one that a newer version has written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for entry in list(&root)? {
            let newer = entry.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
            if newer.is_some_and(|version| version > 1) {
                return Err(StoreError::Newer { path: root.join(entry) });
            }
        }
        Ok(Self { root })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes the lock that writing needs.
    ///
    /// # Errors
    ///
    /// Another run holds it, or the folder cannot be written.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        Writer::lock(self.clone())
    }

    /// What is known of one series from `from` to `to`, both inclusive, in Unix seconds; `None` where it was never asked for.
    ///
    /// # Errors
    ///
    /// A file that cannot be read; the error names it.
    pub fn scan(
        &self,
        service: &str,
        key: &SeriesKey,
        from: i64,
        to: i64,
    ) -> Result<Option<Evidence<Samples>>, StoreError> {
        let folder = self.folder(service, key);
        let Some(manifest) = manifest::read(&folder)?.filter(Manifest::is_answered) else {
            return Ok(None);
        };
        let mut samples = Samples::default();
        let (first, last) = (columns::month(from), columns::month(to));
        for name in list(&folder)? {
            if name
                .strip_suffix(".parquet")
                .is_some_and(|month| *first <= *month && *month <= *last)
            {
                let month = columns::read(&folder.join(&name))?;
                let inside = month.at.partition_point(|at| *at < from)
                    ..month.at.partition_point(|at| *at <= to);
                samples.at.extend_from_slice(&month.at[inside.clone()]);
                samples.value.extend_from_slice(&month.value[inside]);
            }
        }
        Ok(Some(if !samples.at.is_empty() {
            Evidence::Series(samples)
        } else if manifest.series {
            Evidence::NoSamples
        } else {
            Evidence::NoSeries
        }))
    }

    /// What was asked for one series, and how; `None` where it never was.
    ///
    /// # Errors
    ///
    /// A manifest that cannot be read; the error names it.
    pub fn manifest(&self, service: &str, key: &SeriesKey) -> Result<Option<Manifest>, StoreError> {
        manifest::read(&self.folder(service, key))
    }

    /// Everything known of `service` from `from` to `to`, both inclusive, in Unix seconds. A series that was never asked for is absent.
    ///
    /// # Errors
    ///
    /// A file that cannot be read; the error names it. One that is damaged fails its series alone.
    pub fn observe(&self, service: &Service, from: i64, to: i64) -> Result<Observed, StoreError> {
        let mut observed = Observed::new();
        for name in list(&self.root.join(FORMAT).join(encode(&service.name)))? {
            let Some(key) = key_of(&name, service) else {
                continue;
            };
            let known = match self.scan(&service.name, &key, from, to) {
                // one damaged file must not silence all the others
                Err(error @ StoreError::Damaged { .. }) => {
                    Some(Evidence::Failed(error.to_string()))
                }
                known => known?,
            };
            observed.extend(known.map(|evidence| (key, evidence)));
        }
        Ok(observed)
    }

    /// What was noted for `service` under `name`, such as the preset that matched.
    ///
    /// # Errors
    ///
    /// A note that cannot be read; the error names it.
    pub fn note<T: serde::de::DeserializeOwned>(
        &self,
        service: &str,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        manifest::read_json(&self.note_path(service, name))
    }

    fn note_path(&self, service: &str, name: &str) -> PathBuf {
        self.root.join(FORMAT).join(encode(service)).join(format!("{name}.json"))
    }

    fn folder(&self, service: &str, key: &SeriesKey) -> PathBuf {
        self.root.join(FORMAT).join(encode(service)).join(encode(&key.to_string()))
    }
}

/// The names in a folder, sorted; none where there is no folder.
fn list(folder: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::Io { what: "read", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// A name as a file name that means the same everywhere: what is not a letter, digit, `-`, `_` or a `.` inside
/// becomes `%XX`. So no name leaves its folder, and none looks like one set aside.
fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (i, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && i > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The series whose folder is called `name`, if it belongs to a part that `service` still has.
fn key_of(name: &str, service: &Service) -> Option<SeriesKey> {
    let components = service.components.iter().map(|component| component.name.as_str());
    let mut subjects = components.chain(service.volumes.iter().map(String::as_str));
    match name.rsplit_once('.') {
        None => Signal::from_name(name).map(SeriesKey::service),
        Some((subject, signal)) => {
            let signal = Signal::from_name(signal)?;
            subjects
                .find(|known| encode(known) == subject)
                .map(|known| SeriesKey::of(known, signal))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2026-11-30T23:00:00Z, an hour before a month ends.
    const START: i64 = 1_796_079_600;

    fn key() -> SeriesKey {
        SeriesKey::of("api", Signal::Cpu)
    }

    fn samples(from: i64, count: i64, value: f64) -> Samples {
        let at: Vec<i64> = (0..count).map(|i| from + i * 300).collect();
        Samples { value: vec![value; at.len()], at }
    }

    fn append(store: &Store, query: &str, samples: &Samples, series: bool, settled: (i64, i64)) {
        let writer = store.writer().unwrap();
        let mut manifest = writer.begin("shop", &key(), query, 300).unwrap();
        let answer = Answer { samples, series, settled };
        writer.append("shop", &key(), &mut manifest, answer).unwrap();
    }

    fn scan(store: &Store) -> Option<Evidence<Samples>> {
        store.scan("shop", &key(), START, START + 86_400).unwrap()
    }

    #[test]
    fn what_is_appended_is_scanned_across_the_end_of_a_month_and_twice_is_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let written = samples(START, 24, 1.5);
        for _ in 0..2 {
            append(&store, "q", &written, true, (START, START + 23 * 300));
            assert_eq!(scan(&store), Some(Evidence::Series(written.clone())));
        }
        let months = list(&store.folder("shop", &key())).unwrap();
        assert_eq!(months, ["2026-11.parquet", "2026-12.parquet", "manifest.json"]);
        // and only what is inside the span asked for
        let some = store.scan("shop", &key(), START + 300, START + 600).unwrap();
        assert_eq!(some, Some(Evidence::Series(samples(START + 300, 2, 1.5))));
    }

    #[test]
    fn an_append_leaves_other_months_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        append(&store, "q", &samples(START, 24, 1.0), true, (START, START + 23 * 300));
        let november = store.folder("shop", &key()).join("2026-11.parquet");
        let before = fs::metadata(&november).unwrap().modified().unwrap();
        append(
            &store,
            "q",
            &samples(START + 24 * 300, 12, 2.0),
            true,
            (START + 24 * 300, START + 35 * 300),
        );
        assert_eq!(fs::metadata(&november).unwrap().modified().unwrap(), before);
        let Some(Evidence::Series(all)) = scan(&store) else { unreachable!() };
        assert_eq!(all.at.len(), 36);
    }

    #[test]
    fn three_kinds_of_absence_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(scan(&store), None, "never asked");
        append(&store, "q", &Samples::default(), false, (START, START + 300));
        assert_eq!(scan(&store), Some(Evidence::NoSeries));
        append(&store, "q", &Samples::default(), true, (START, START + 300));
        assert_eq!(scan(&store), Some(Evidence::NoSamples));
        append(&store, "q", &samples(START, 1, 0.0), true, (START, START + 300));
        assert_eq!(scan(&store), Some(Evidence::Series(samples(START, 1, 0.0))));
    }

    #[test]
    fn a_changed_query_starts_anew_and_keeps_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        append(&store, "old", &samples(START, 3, 1.0), true, (START, START + 600));
        append(&store, "new", &samples(START + 300, 1, 2.0), true, (START + 300, START + 300));
        assert_eq!(scan(&store), Some(Evidence::Series(samples(START + 300, 1, 2.0))));
        let manifest = store.manifest("shop", &key()).unwrap().unwrap();
        assert_eq!(manifest.asked.bounds(), Some((START + 300, START + 300)));
        let aside = store.folder("shop", &key()).with_file_name("api.cpu~1");
        assert_eq!(columns::read(&aside.join("2026-11.parquet")).unwrap(), samples(START, 3, 1.0));
    }

    #[test]
    fn samples_without_their_manifest_are_asked_for_again_and_merged() {
        // a run that died between the two files
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        append(&store, "q", &samples(START, 3, 1.0), true, (START, START + 600));
        fs::remove_file(store.folder("shop", &key()).join(manifest::FILE)).unwrap();
        assert_eq!(scan(&store), None);
        append(&store, "q", &samples(START, 4, 1.0), true, (START, START + 900));
        assert_eq!(scan(&store), Some(Evidence::Series(samples(START, 4, 1.0))));
    }

    #[test]
    fn what_a_killed_run_left_is_neither_read_nor_taken_for_another_querys() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        // a run that died when it had written samples, and was writing its manifest
        let series = store.folder("shop", &key());
        store.writer().unwrap().begin("shop", &key(), "old", 300).unwrap();
        let month = columns::encode(&samples(START, 3, 1.0)).unwrap();
        fs::write(series.join("2026-11.parquet"), month).unwrap();
        fs::write(series.join(".tmpAbC123"), "{").unwrap();
        fs::write(series.with_file_name(".tmpDeF456"), "{").unwrap();
        assert_eq!(scan(&store), None);
        // the next one asks something else, and has fewer samples
        append(&store, "new", &samples(START + 300, 1, 2.0), true, (START, START + 600));
        assert_eq!(scan(&store), Some(Evidence::Series(samples(START + 300, 1, 2.0))));
        assert_eq!(list(&series).unwrap(), ["2026-11.parquet", "manifest.json"]);
        let service = series.parent().unwrap();
        assert_eq!(list(service).unwrap(), ["api.cpu", "api.cpu~1"]);
        assert_eq!(list(&service.join("api.cpu~1")).unwrap(), ["2026-11.parquet", "manifest.json"]);
    }

    #[test]
    fn a_damaged_file_is_named_whatever_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        append(&store, "q", &samples(START, 12, 1.0), true, (START, START + 3300));
        let path = store.folder("shop", &key()).join("2026-11.parquet");
        let whole = fs::read(&path).unwrap();
        let mut damaged: Vec<Vec<u8>> =
            (0..whole.len()).step_by(7).map(|end| whole[..end].to_vec()).collect();
        damaged.push(b"not parquet at all".to_vec());
        for bytes in damaged {
            fs::write(&path, &bytes).unwrap();
            let error = store.scan("shop", &key(), START, START + 3600).unwrap_err();
            assert!(
                matches!(&error, StoreError::Damaged { path: named, .. } if *named == path),
                "{error}"
            );
        }
        fs::write(&path, &whole).unwrap();
        fs::write(store.folder("shop", &key()).join(manifest::FILE), "{").unwrap();
        let error = store.scan("shop", &key(), START, START + 3600).unwrap_err();
        assert!(error.to_string().contains("manifest.json"), "{error}");
    }

    #[test]
    fn only_one_run_writes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let first = store.writer().unwrap();
        let error = store.writer().unwrap_err();
        let expected = format!(
            "the store `{}` is in use by another run (process {})",
            folder.path().display(),
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
        drop(first);
        store.writer().unwrap();
    }

    #[test]
    fn a_store_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("v2")).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Newer { .. })));
    }

    #[test]
    fn case_64_no_name_leaves_the_store() {
        assert_eq!(encode("../../etc"), "%2E.%2F..%2Fetc");
        assert_eq!(encode("api~1"), "api%7E1");
        assert_eq!(encode("."), "%2E");
        assert_eq!(encode("data-0.volumeUsed"), "data-0.volumeUsed");
    }
}
