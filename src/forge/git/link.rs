//! Links on the way to a file: a commit holds them as links, so that nothing stands behind them by the way that leads
//! through one, as it does on a disk.

use super::{GitError, Repository, plain};

impl Repository {
    /// Refuses a path that leads through a link of the commit, by the way that does not.
    pub(super) fn leads_through_no_link(&self, commit: &str, path: &str) -> Result<(), GitError> {
        let parts: Vec<&str> = path.split('/').collect();
        for end in 1..=parts.len() {
            let way = parts[..end].join("/");
            let listed = self.ask(&["ls-tree", "-z", "--full-tree", commit, "--", &way])?;
            let Some(link) = listed.strip_prefix("120000 blob ") else { continue };
            let id = link.split('\t').next().unwrap_or_default();
            let to = self.ask(&["cat-file", "blob", id])?;
            let real = behind(&parts[..end - 1], &to, &parts[end..]);
            let real = real.map_or_else(
                || "which leads out of the repository".to_owned(),
                |real| format!("from the root, the file is `{}`", plain(&real)),
            );
            let why = format!("leads through the link `{way}`: {real}");
            return Err(GitError::Path { path: path.to_owned(), why });
        }
        Ok(())
    }
}

/// The path of `rest` behind a link in `folder`; `None`: it is not in the repository.
fn behind(folder: &[&str], link: &str, rest: &[&str]) -> Option<String> {
    if link.starts_with('/') {
        return None;
    }
    let mut parts = folder.to_vec();
    for part in link.split('/').chain(rest.iter().copied()) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
