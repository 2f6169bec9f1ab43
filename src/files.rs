//! Whole files or none: a file is written beside its place and moved there once it is on the disk.

use std::io::Write;
use std::path::{Path, PathBuf};

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

/// Writes `content` to `path`, making its folder; what stood there stays whole until the new file is.
///
/// # Errors
///
/// Where the folder cannot be made or the file cannot be written, with the path.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    try_write(path, content).map_err(|source| WriteError { path: path.to_owned(), source })
}

fn try_write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(UNFINISHED).permissions(readable()).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
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
