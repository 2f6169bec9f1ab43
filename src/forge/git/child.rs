//! A child process from its start to its end, which comes in time.

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::forge::error::GitError;

/// How long one call may take: a fetch of a large repository over a slow line.
const PATIENCE: Duration = Duration::from_secs(300);

/// How it ended.
pub(super) struct Done {
    pub(super) ok: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Done {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }
}

/// Runs it to its end, or ends it where it takes too long.
pub(super) fn run(
    command: &mut Command,
    args: &[&str],
    input: Option<&[u8]>,
) -> Result<Done, GitError> {
    let failed = |error: std::io::Error| GitError::NoGit { why: error.to_string().to_lowercase() };
    let mut child = command.spawn().map_err(failed)?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // who does not read to the end has ended, and says so by its exit code
        let _ = stdin.write_all(input);
    }
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            return Err(GitError::TimedOut { verb: verb(args), after: PATIENCE });
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let joined = |thread: std::thread::JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
    let stderr = String::from_utf8_lossy(&joined(stderr)).into_owned();
    Ok(Done { ok: status.success(), stdout: joined(stdout), stderr })
}

/// Reads a pipe beside the other, so that neither fills up.
fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

pub(super) fn verb(args: &[&str]) -> String {
    args.first().copied().unwrap_or_default().to_owned()
}
