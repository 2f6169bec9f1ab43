//! Whole files or none: a file is written beside its place and moved there once it is on the disk.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the name of a file begins that is not whole yet. One that stays was left by a run that was killed.
pub const UNFINISHED: &str = ".tmp";

/// A file or folder that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct WriteError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl WriteError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        use std::io::ErrorKind::{
            FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        match self.source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => {
                "make room there, or name another place; what stood there before is whole"
            }
            PermissionDenied | ReadOnlyFilesystem => {
                "let this user write there, or name another place; what stood there before is whole"
            }
            _ => "name another place, or make this one writable",
        }
    }
}

/// Writes `content` to `path`, making its folder; what stood there stays whole until the new file is.
///
/// # Errors
///
/// Where the folder cannot be made or the file cannot be written, with the path.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    try_write(path, content).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Whether a file can be made at `path`, before the work that is to fill it; what stands there is not touched.
///
/// # Errors
///
/// Where the folder cannot be made or written to, with the path.
pub fn try_place(path: &Path) -> Result<(), WriteError> {
    let refused = |source| WriteError { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(refused(std::io::ErrorKind::IsADirectory.into()));
    }
    let folder = folder(path);
    std::fs::create_dir_all(folder).map_err(refused)?;
    let made = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder);
    made.map(drop).map_err(|error| refused(error.kind().into()))
}

/// The folder that a path is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn try_write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    // a link keeps pointing where it does, and what it points to is replaced
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        // a device or a pipe is written to, not replaced
        return std::fs::File::options().write(true).open(path)?.write_all(content);
    }
    let folder = folder(path);
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    // errors name the file that was asked for, not the one that is being made beside it
    let made = builder.prefix(UNFINISHED).permissions(readable()).tempfile_in(folder);
    let mut file = made.map_err(|error| std::io::Error::from(error.kind()))?;
    file.as_file_mut().write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// How old a file must be that is not whole before nobody can still be writing it.
const ABANDONED: Duration = Duration::from_secs(600);

/// Removes what killed runs left unfinished in `folder` and the folders in it. What cannot be removed is in nobody's way.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let old = || {
            entry
                .metadata()
                .and_then(|meta| meta.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED))
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => sweep(&entry.path()),
            Ok(kind)
                if kind.is_file()
                    && entry.file_name().to_string_lossy().starts_with(UNFINISHED)
                    && old() =>
            {
                let _ = std::fs::remove_file(entry.path());
            }
            _ => {}
        }
    }
}

/// What a shell's `>` would give before the umask; temporary files are private by default.
fn readable() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_device_stays_a_device_and_a_link_a_link() {
        let error = write_whole(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(error.source.kind(), std::io::ErrorKind::StorageFull);
        assert!(error.hint().starts_with("make room there"));
        write_whole(Path::new("/dev/null"), b"x").unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
        let folder = tempfile::tempdir().unwrap();
        let [target, link] = ["target", "link"].map(|name| folder.path().join(name));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_a_killed_run_left_is_swept_once_nobody_can_be_writing_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("charts");
        std::fs::create_dir(&inner).unwrap();
        let [young, old, whole] = [".tmpA", ".tmpB", "load.svg"].map(|name| inner.join(name));
        for path in [&young, &old, &whole] {
            std::fs::write(path, "x").unwrap();
        }
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
        for path in [&old, &whole] {
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(hour_ago)
                .unwrap();
        }
        sweep(folder.path());
        assert!(young.exists() && whole.exists() && !old.exists());
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write_whole(&path, b"old").unwrap();
        // a folder cannot be replaced by a file
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        let error = write_whole(&taken, b"new").unwrap_err();
        assert!(error.to_string().contains("taken"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        // and no temporary file is left behind
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
