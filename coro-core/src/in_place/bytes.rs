//! Bytes between the tasks and the threads that read and write for them.
//!
//! What a thread has read stays in an [`Unread`] until somebody takes it: a read that is cancelled loses nothing. What
//! a thread could not write is a [`Failure`] until somebody is told.

use std::io::{self, ErrorKind, IoSliceMut, Read, Write};

use super::Turn;
use crate::error::Result;
use crate::report;

/// So many bytes go to a thread, or come from it, at a time.
pub(crate) const CHUNK: usize = 256 * 1024;

/// Bytes that were read and that nobody has taken yet: those of `bytes` from `start` on.
#[derive(Default)]
pub(crate) struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.bytes.clear();
        if self.bytes.capacity() > CHUNK {
            self.bytes = Vec::new();
        }
    }

    /// Reads once, at most `limit` bytes, and adds what comes. How many came.
    pub(crate) fn fill(&mut self, mut source: impl Read, limit: usize) -> io::Result<usize> {
        self.bytes.drain(..std::mem::take(&mut self.start));
        let before = self.bytes.len();
        self.bytes.resize(before + limit, 0);
        let result = loop {
            match source.read(&mut self.bytes[before..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.bytes.truncate(before + *result.as_ref().unwrap_or(&0));
        result
    }

    /// Moves as many as there are, and fit, to `buffer`. How many.
    pub(crate) fn take_into(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.as_slice()[..count]);
        self.skip(count);
        count
    }

    /// Adds what came.
    pub(crate) fn extend(&mut self, data: &[u8]) {
        // What was read makes room, when it is more than what must be moved for it.
        if self.start > self.len() && self.bytes.len() + data.len() > self.bytes.capacity() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(data);
    }

    /// Puts back what was taken.
    pub(crate) fn put_back(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.bytes.splice(..self.start, data.iter().copied());
            self.start = 0;
        }
    }

    /// The first `count`, or all if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.len());
        if self.start == 0 && count == self.bytes.len() {
            return std::mem::take(&mut self.bytes);
        }
        let taken = self.as_slice()[..count].to_vec();
        self.skip(count);
        taken
    }

    /// Forgets the first `count`.
    pub(crate) fn skip(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.clear();
        }
    }
}

/// Something that a thread reads.
pub(crate) trait Source: Sized + Send + 'static {
    fn unread(&mut self) -> &mut Unread;

    /// Reads once, at most `limit` bytes, and adds them to those unread. Runs in a thread.
    fn refill(&mut self, limit: usize) -> io::Result<usize>;

    /// Runs `job` in the thread that may block for it.
    fn in_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T>;
}

/// Has a thread read once. How many bytes came.
pub(crate) fn more<S: Source>(mut turn: Turn<S>, limit: usize) -> io::Result<(Turn<S>, usize)> {
    let (turn, count) = S::in_thread(move || {
        let count = turn.refill(limit);
        (turn, count)
    })?;
    Ok((turn, count?))
}

/// `Read::read`.
pub(crate) fn read<S: Source>(turn: Turn<S>, buffer: &mut [u8]) -> io::Result<usize> {
    read_vectored(turn, &mut [IoSliceMut::new(buffer)])
}

/// `Read::read_vectored`.
pub(crate) fn read_vectored<S: Source>(
    mut turn: Turn<S>,
    buffers: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    let wanted: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    if wanted > 0 && turn.unread().len() == 0 {
        turn = more(turn, wanted.min(CHUNK))?.0;
    }
    Ok(buffers.iter_mut().map(|buffer| turn.unread().take_into(buffer)).sum())
}

/// Reads up to the end. What was read is all there, or all unread still.
fn whole<S: Source>(mut turn: Turn<S>) -> io::Result<Turn<S>> {
    loop {
        let (next, count) = more(turn, CHUNK)?;
        turn = next;
        if count == 0 {
            return Ok(turn);
        }
    }
}

/// `Read::read_to_end`.
pub(crate) fn read_to_end<S: Source>(turn: Turn<S>, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut turn = whole(turn)?;
    let unread = turn.unread();
    let count = unread.len();
    let taken = unread.take(count);
    drop(turn);
    match bytes.is_empty() {
        true => *bytes = taken,
        false => bytes.extend(taken),
    }
    Ok(count)
}

/// `Read::read_to_string`.
pub(crate) fn read_to_string<S: Source>(turn: Turn<S>, text: &mut String) -> io::Result<usize> {
    let mut taken = Vec::new();
    let count = read_to_end(turn, &mut taken)?;
    text.push_str(&into_text(taken)?);
    Ok(count)
}

/// # Errors
/// As std says it: of kind `InvalidData`.
pub(crate) fn into_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// What went wrong in a write whose end nobody has seen yet.
#[derive(Default)]
pub(crate) struct Failure(Option<io::Error>);

impl Failure {
    /// # Errors
    /// The failure, which is told by that.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), Err)
    }

    pub(crate) fn set(&mut self, error: io::Error) {
        self.0 = Some(error);
    }

    /// The result of a write that was waited for: the next one tells of an error that came after some bytes.
    pub(crate) fn after(&mut self, written: usize) -> io::Result<usize> {
        match written {
            0 => self.check().map(|()| 0),
            _ => Ok(written),
        }
    }
}

impl Drop for Failure {
    fn drop(&mut self) {
        if let Some(error) = self.0.take() {
            report::error(format_args!("a write that was cancelled has failed later: {error}"));
        }
    }
}

/// Writes all of `data`, or up to the `failure`. How many bytes were written. Runs in a thread.
pub(crate) fn write_out(mut sink: impl Write, data: &[u8], failure: &mut Failure) -> usize {
    let mut written = 0;
    while written < data.len() {
        match sink.write(&data[written..]) {
            Ok(0) => {
                failure.set(io::Error::new(ErrorKind::WriteZero, "failed to write whole buffer"));
                break;
            }
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                failure.set(error);
                break;
            }
        }
    }
    written
}
