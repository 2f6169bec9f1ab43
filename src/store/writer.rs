//! Writing: under a lock, each file whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::manifest::{self, Manifest};
use super::{FORMAT, Store, StoreError, columns, encode, list};
use crate::files::{UNFINISHED, write_whole};
use crate::history::{Samples, SeriesKey};

/// The right to write to a store, for as long as it lives.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    /// The lock goes with the file.
    _lock: File,
}

/// What a source answered for one series over one span.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The samples, in order.
    pub samples: &'a Samples,
    /// Whether there was a series, with or without samples.
    pub series: bool,
    /// The steps that need not be asked for again, first and last; an empty span where the last is before the first.
    pub settled: (i64, i64),
}

impl Writer {
    pub(super) fn lock(store: Store) -> Result<Self, StoreError> {
        let root = &store.root;
        fs::create_dir_all(root.join(FORMAT)).map_err(|source| failed(root, source))?;
        let path = root.join("lock");
        let options =
            File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut lock = options.map_err(|source| failed(&path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let holder =
                    lock.read_to_string(&mut holder).ok().map(|_| holder.trim().to_owned());
                return Err(StoreError::InUse {
                    path: root.clone(),
                    holder: holder.filter(|pid| !pid.is_empty()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(&path, source)),
        }
        // who holds it is a help for people; the lock itself is the operating system's
        let signed = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        signed.map_err(|source| failed(&path, source))?;
        sweep(&root.join(FORMAT))?;
        Ok(Self { store, _lock: lock })
    }

    /// The store that is written to.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The manifest to go on from. Where the query or the step is another than before, what there is is set aside and a new one begins.
    ///
    /// # Errors
    ///
    /// A manifest that cannot be read, or a folder that cannot be renamed.
    pub fn begin(
        &self,
        service: &str,
        key: &SeriesKey,
        query: &str,
        step_s: i64,
    ) -> Result<Manifest, StoreError> {
        let folder = self.store.folder(service, key);
        match manifest::read(&folder)? {
            Some(manifest) if manifest.query == query && manifest.step_s == step_s => {
                return Ok(manifest);
            }
            Some(_) => set_aside(&folder)?,
            None => {}
        }
        // before any sample: those that a killed run leaves are known by their query, and never taken for another's
        let manifest = Manifest::new(query, step_s);
        write_json(&folder.join(manifest::FILE), &manifest)?;
        Ok(manifest)
    }

    /// Sets aside what is damaged of a series from `from` to `to`, in Unix seconds, so that it is asked for again; says what that was.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or renamed for another reason.
    pub fn mend(
        &self,
        service: &str,
        key: &SeriesKey,
        from: i64,
        to: i64,
    ) -> Result<Vec<String>, StoreError> {
        let folder = self.store.folder(service, key);
        let mut manifest = match manifest::read(&folder) {
            Err(error @ StoreError::Damaged { .. }) => {
                set_aside(&folder)?;
                return Ok(vec![told(&error)]);
            }
            known => known?,
        };
        let mut damaged = Vec::new();
        for name in list(&folder)? {
            let Some((first, last)) = name.strip_suffix(".parquet").and_then(columns::seconds)
            else {
                continue;
            };
            let path = folder.join(&name);
            let inside = first <= to && last >= from;
            if let Some(Err(error @ StoreError::Damaged { .. })) =
                inside.then(|| columns::read(&path))
            {
                // first that it is missing, then that it is gone: a run that is killed in between does both again
                if let Some(manifest) = &mut manifest {
                    manifest.asked.remove(first, last, manifest.step_s);
                    write_json(&folder.join(manifest::FILE), manifest)?;
                }
                set_aside(&path)?;
                damaged.push(told(&error));
            }
        }
        Ok(damaged)
    }

    /// What was noted for `service` under `name`; a note that is damaged is set aside, and that is said.
    ///
    /// # Errors
    ///
    /// A note that cannot be read or renamed for another reason.
    pub fn note_or_set_aside<T: serde::de::DeserializeOwned>(
        &self,
        service: &str,
        name: &str,
    ) -> Result<(Option<T>, Option<String>), StoreError> {
        match self.store.note(service, name) {
            Err(error @ StoreError::Damaged { .. }) => {
                set_aside(&self.store.note_path(service, name))?;
                Ok((None, Some(told(&error))))
            }
            known => Ok((known?, None)),
        }
    }

    /// Keeps an answer: its samples first, then in `manifest` that it was given. Keeping it twice is keeping it once.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written.
    pub fn append(
        &self,
        service: &str,
        key: &SeriesKey,
        manifest: &mut Manifest,
        answer: Answer<'_>,
    ) -> Result<(), StoreError> {
        let folder = self.store.folder(service, key);
        fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        for (month, new) in columns::by_month(answer.samples) {
            let path = folder.join(format!("{month}.parquet"));
            let merged =
                if path.exists() { columns::merge(&columns::read(&path)?, &new) } else { new };
            let content = columns::encode(&merged)
                .map_err(|error| failed(&path, std::io::Error::other(error)))?;
            replace(&path, &content)?;
        }
        manifest.series |= answer.series;
        manifest.asked.add(answer.settled.0, answer.settled.1, manifest.step_s);
        write_json(&folder.join(manifest::FILE), manifest)
    }

    /// Keeps `note` for `service` under `name`.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn set_note<T: serde::Serialize>(
        &self,
        service: &str,
        name: &str,
        note: &T,
    ) -> Result<(), StoreError> {
        let folder = self.store.root.join(FORMAT).join(encode(service));
        fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        write_json(&self.store.note_path(service, name), note)
    }
}

fn failed(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { what: "write", path: path.to_owned(), source }
}

fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| failed(path, error.into()))?;
    text.push(b'\n');
    replace(path, &text)
}

fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    write_whole(path, content).map_err(|error| failed(&error.path, error.source))
}

/// Removes what killed runs were writing. Under the lock nobody else is.
fn sweep(services: &Path) -> Result<(), StoreError> {
    for service in list(services)? {
        let service = services.join(service);
        for name in within(&service)? {
            for left in within(&name)?.into_iter().chain([name]).filter(|path| unfinished(path)) {
                fs::remove_file(&left).map_err(|source| failed(&left, source))?;
            }
        }
    }
    Ok(())
}

/// What is in a folder; nothing in a file.
fn within(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let names = if folder.is_dir() { list(folder)? } else { Vec::new() };
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// No series and no note is called so: a name of ours never begins with a dot.
fn unfinished(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED));
    named && path.is_file()
}

/// What is said of a damaged file that was set aside.
fn told(error: &StoreError) -> String {
    format!("{error}; it is set aside and asked for again")
}

/// Renames a file or folder to the first free `<name>~<number>`.
fn set_aside(folder: &Path) -> Result<(), StoreError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let free = (1..=u32::MAX)
        .map(|number| folder.with_file_name(format!("{name}~{number}")))
        .find(|path| !path.exists());
    match free {
        Some(free) => fs::rename(folder, &free).map_err(|source| failed(folder, source)),
        None => Ok(()),
    }
}
