//! Whole files or none: a file is written beside its place and moved there once it is on the disk. What is no
//! file of its own (a device, a FIFO) is written into, never replaced; a symbolic link stays one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

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
            AlreadyExists, FileTooLarge, IsADirectory, NotADirectory, PermissionDenied,
            QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        match self.source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => {
                "make room there, or name another place; what stood there before is whole"
            }
            PermissionDenied | ReadOnlyFilesystem => {
                "let this user write there, or name another place; what stood there before is whole"
            }
            IsADirectory => "a folder stands there: name a file",
            AlreadyExists | NotADirectory => {
                "a file stands where a folder is needed: name another place"
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

/// Writes `content` over the file at `path`, which keeps its permissions and, where this user may give it, its
/// owner; what stood there stays whole until then. A link to it stays one.
///
/// # Errors
///
/// Where no file is there, this user may not write it, or its folder cannot be written, with the path.
pub fn write_over(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    try_over(path, content).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Opens the file at `path` to read it, and nothing that is no file: a FIFO that nobody writes to would be waited for, and
/// a device read, without end.
///
/// # Errors
///
/// Where it cannot be opened, or is a device, a FIFO or a socket.
pub fn open(path: &Path) -> std::io::Result<std::fs::File> {
    regular(path)?;
    std::fs::File::open(path)
}

/// Whether what stands at `path` is a file or a folder, behind links too.
///
/// # Errors
///
/// Where it is a device, a FIFO or a socket; that nothing is there is said by who opens it.
pub fn regular(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            Err(std::io::Error::other("it is no file, but a device or a FIFO"))
        }
        _ => Ok(()),
    }
}

/// Whether the file at `path` can be written over, before the work that is to do it; it is not touched.
///
/// # Errors
///
/// As [`write_over`].
pub fn check_over(path: &Path) -> Result<(), WriteError> {
    writable(path).map(drop).map_err(|source| WriteError { path: path.to_owned(), source })
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
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => return Err(std::io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() || is_descriptor(path) => return append(path, content),
        _ => {}
    }
    let path = &behind_links(path)?;
    std::fs::create_dir_all(folder(path))?;
    let mut file = beside(path, readable())?;
    file.as_file_mut().write_all(content)?;
    put(file, path)
}

fn try_over(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let path = &behind_links(path)?;
    let there = writable(path)?;
    let mut file = beside(path, there.permissions())?;
    file.as_file_mut().write_all(content)?;
    // only root can give a file away; where this user cannot, it is theirs from now on
    let _ = chown(file.path(), Some(there.uid()), Some(there.gid()));
    // once more, without the umask
    file.as_file().set_permissions(there.permissions())?;
    put(file, path)
}

/// Puts a finished file into its place, so that a power cut leaves the one or the other.
fn put(file: tempfile::NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path)?;
    // the name lies in the folder; file systems that cannot sync one keep the old or the new by themselves
    let _ = std::fs::File::open(folder(path)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// What is known of a file that this user may write: to move another into its place takes no more than the folder.
fn writable(path: &Path) -> std::io::Result<std::fs::Metadata> {
    let there = std::fs::metadata(path)?;
    if there.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    // root may write what nobody should
    if there.permissions().readonly() {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    std::fs::File::options().write(true).open(path)?;
    Ok(there)
}

/// A file that is not whole yet, beside the place that it is for.
fn beside(path: &Path, permissions: std::fs::Permissions) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // errors name the file that was asked for, not the one that is being made beside it
    let made = builder.prefix(UNFINISHED).permissions(permissions).tempfile_in(folder(path));
    made.map_err(|error| std::io::Error::from(error.kind()))
}

/// Whether a path is another name of what a process holds open, such as `/dev/stdout`: replacing the file
/// behind it would leave that process writing into nothing.
#[must_use]
pub fn is_descriptor(path: &Path) -> bool {
    let named = ["/dev/stdout", "/dev/stderr"].map(Path::new).contains(&path);
    named || path.starts_with("/dev/fd") || path.starts_with("/proc")
}

fn append(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::fs::File::options().append(true).open(path)?.write_all(content)
}

/// Links that one path may run through, as on Linux (`path_resolution(7)`).
const LINKS_MAX: usize = 40;

/// The place that a path's last part stands for, though no file may be there yet.
fn behind_links(path: &Path) -> std::io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&place) else { return Ok(place) };
        place = place.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(std::io::ErrorKind::InvalidInput.into())
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
    fn a_fifo_is_written_into_and_stays_a_fifo() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let reader = std::thread::spawn({
            let path = path.clone();
            move || std::fs::read(path).unwrap()
        });
        write_whole(&path, b"values").unwrap();
        assert_eq!(reader.join().unwrap(), b"values");
        assert!(std::fs::metadata(&path).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_link_stays_a_link_and_the_file_behind_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling] =
            ["file", "link", "dangling"].map(|name| folder.path().join(name));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        std::os::unix::fs::symlink("not-yet", &dangling).unwrap();
        write_whole(&link, b"new").unwrap();
        write_whole(&dangling, b"first").unwrap();
        assert!(link.is_symlink() && dangling.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read(folder.path().join("not-yet")).unwrap(), b"first");
        // a ring of links is an error, not a loop
        let ring = folder.path().join("ring");
        std::os::unix::fs::symlink("ring", &ring).unwrap();
        assert!(write_whole(&ring, b"x").is_err());
    }

    #[test]
    fn a_file_that_is_written_over_keeps_its_permissions_and_its_links() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        std::fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        // 0o646 is not what any usual umask would leave
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o646)).unwrap();
        let given = chown(&file, Some(1_234), Some(1_234)).is_ok();
        write_over(&link, b"new").unwrap();
        let there = std::fs::metadata(&file).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(there.mode() & 0o777, 0o646);
        assert!(!given || (there.uid(), there.gid()) == (1_234, 1_234));
        // what nobody may write stays, though its folder could be written
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
        for error in [write_over(&link, b"x").unwrap_err(), check_over(&file).unwrap_err()] {
            assert_eq!(error.source.kind(), std::io::ErrorKind::PermissionDenied);
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(write_over(&folder.path().join("nothing"), b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
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
