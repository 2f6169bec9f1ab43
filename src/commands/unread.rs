//! Standard output of a verb that may act: where nobody reads it any more, what was begun is brought to its end.

use std::io::{self, ErrorKind, Write};

use crate::commands::Talk;

/// Writes on, into nothing where nobody reads, and says so once.
pub struct Unread<'a> {
    out: &'a mut dyn Write,
    talk: Talk,
    acts: bool,
    lost: bool,
}

impl<'a> Unread<'a> {
    /// Around an output; who does not act has nothing to end, and stops there.
    #[must_use]
    pub fn new(out: &'a mut dyn Write, talk: Talk, acts: bool) -> Self {
        Self { out, talk, acts, lost: false }
    }

    fn take<T>(&mut self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == ErrorKind::BrokenPipe && self.acts => {
                if !std::mem::replace(&mut self.lost, true) {
                    self.talk.say("warning: nobody reads the output any more: what was begun goes on, and the record says what came of it");
                }
                Ok(instead)
            }
            done => done,
        }
    }
}

impl Write for Unread<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = if self.lost { Ok(bytes.len()) } else { self.out.write(bytes) };
        self.take(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = if self.lost { Ok(()) } else { self.out.flush() };
        self.take(done, ())
    }
}
