//! Local history in Parquet: it outlives the retention of Prometheus, and `--offline` needs nothing else.
//!
//! ```text
//! <store>/lock                                  held while a run writes
//! <store>/v1/<service>/<series>/2026-11.parquet columns `timestamp` (ms, UTC) and `value` (f64)
//! <store>/v1/<service>/<series>/manifest.json   the query, what was asked, what kind of absence
//! <store>/v1/<service>/<series>~1/              set aside, because the query or step changed
//! ```
//!
//! Every file is written whole beside its place, synced, and renamed. Samples come first and the manifest
//! second, so that an interrupted run leaves a whole store that only asks again for what it already has;
//! writing a sample twice is writing it once. An append touches only the months that it has samples for.
//!
//! The manifest keeps "asked, and there was nothing" apart from "not asked", so that a gap is not asked
//! for again for ever; and "no series" apart from "no samples", neither of which is zero.

mod columns;
mod error;
mod manifest;
mod writer;

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
        let Some(manifest) = manifest::read(&folder)? else {
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
    /// A file that cannot be read; the error names it.
    pub fn observe(&self, service: &Service, from: i64, to: i64) -> Result<Observed, StoreError> {
        let mut observed = Observed::new();
        for name in list(&self.root.join(FORMAT).join(encode(&service.name)))? {
            let Some(key) = key_of(&name, service) else {
                continue;
            };
            if let Some(evidence) = self.scan(&service.name, &key, from, to)? {
                observed.insert(key, evidence);
            }
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
            out.push_str(&format!("%{byte:02X}"));
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
