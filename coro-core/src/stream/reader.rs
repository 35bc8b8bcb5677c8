//! [`StreamReader`]: bytes that came, and those who wait for more.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::io::{self, BufRead, Read};
use std::rc::{Rc, Weak};

use memchr::memmem;

use super::DEFAULT_LIMIT;
use crate::async_iter::AsyncIterator;
use crate::coroutine::{Awaitable, Coroutine};
use crate::definition::Definition;
use crate::error::{Error, IncompleteRead, LimitOverrun, Result, RuntimeError, ValueError};
use crate::events::running_core;
use crate::future::Future;
use crate::in_place::Unread;
use crate::transport::Transport;

/// Reads what comes over a connection; `asyncio.StreamReader`. A clone is another handle on it.
///
/// [`open_connection`](crate::open_connection) and its like give one. As an [`AsyncIterator`] it gives the lines, each
/// with its end. [`as_std`](Self::as_std) gives it as a [`BufRead`].
///
/// One at a time can wait for what comes: a second one gets a [`RuntimeError`].
///
/// # Cancellation
/// Of every method: no byte is lost, what was not returned is read next.
///
/// ```
/// use coro_core::{StreamReader, prelude::*};
/// coro_core::run(coroutine(|| {
///     let mut reader = StreamReader::new();
///     let feeder = reader.clone();
///     get_running_loop()?.call_later(millis(5), move || {
///         feeder.feed_data(b"one\ntwo\nthr").unwrap();
///         feeder.feed_eof();
///     });
///     assert_eq!(reader.readline().co_await()?, b"one\n");
///     assert_eq!(reader.readexactly(3).co_await()?, b"two");
///     assert_eq!(reader.read_to_end().co_await()?, b"\nthr");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct StreamReader {
    pub(super) inner: Rc<Incoming>,
}

/// What a reader, its protocol and its writer share.
pub(super) struct Incoming {
    limit: usize,
    buffer: RefCell<Unread>,
    eof: Cell<bool>,
    waiter: RefCell<Option<Future<()>>>,
    pub(super) exception: RefCell<Option<Error>>,
    transport: RefCell<Option<Transport>>,
    paused: Cell<bool>,
}

/// Where a separator was found.
struct Found {
    start: usize,
    end: usize,
}

impl Incoming {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: RefCell::default(),
            eof: Cell::new(false),
            waiter: RefCell::default(),
            exception: RefCell::default(),
            transport: RefCell::default(),
            paused: Cell::new(false),
        }
    }

    pub(super) fn set_transport(&self, transport: &Transport) {
        let old = self.transport.replace(Some(transport.clone()));
        drop(old);
    }

    /// Takes what was not read, so that reading can go on by another transport.
    #[cfg(feature = "tls")]
    pub(super) fn take_unread(&self) -> Vec<u8> {
        let mut buffer = self.buffer.borrow_mut();
        let count = buffer.len();
        self.paused.set(false);
        buffer.take(count)
    }

    /// The connection is over: nothing more will come.
    pub(super) fn forget_transport(&self) {
        let old = self.transport.take();
        drop(old);
    }

    pub(super) fn check(&self) -> Result<()> {
        self.exception.borrow().clone().map_or(Ok(()), Err)
    }

    pub(super) fn set_exception(&self, error: Error) {
        let old = self.exception.replace(Some(error.clone()));
        drop(old);
        let waiter = self.waiter.take();
        if let Some(waiter) = waiter {
            let _ = waiter.settle_failed(error); // who waited may have been cancelled
        }
    }

    fn wake(&self) {
        let waiter = self.waiter.take();
        if let Some(waiter) = waiter {
            let _ = waiter.settle_value(()); // as above
        }
    }

    pub(super) fn feed_eof(&self) {
        self.eof.set(true);
        self.wake();
    }

    pub(super) fn feed_data(&self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let mut buffer = self.buffer.borrow_mut();
        buffer.extend(data);
        let buffered = buffer.len();
        drop(buffer);
        self.wake();
        let transport = self.transport.borrow().clone();
        if let Some(transport) =
            transport.filter(|_| !self.paused.get() && buffered > self.limit.saturating_mul(2))
        {
            transport.pause_reading();
            self.paused.set(true);
        }
    }

    fn resume(&self) {
        if self.paused.replace(false) {
            let transport = self.transport.borrow().clone();
            if let Some(transport) = transport {
                transport.resume_reading();
            }
        }
    }

    fn maybe_resume(&self) {
        if self.buffer.borrow().len() <= self.limit {
            self.resume();
        }
    }

    fn len(&self) -> usize {
        self.buffer.borrow().len()
    }

    fn take(&self, count: usize) -> Vec<u8> {
        let taken = self.buffer.borrow_mut().take(count);
        self.maybe_resume();
        taken
    }

    /// Waits until something comes, or the end.
    fn wait(&self, who: &str) -> Result<()> {
        if self.waiter.borrow().is_some() {
            let message =
                format!("{who}() called while another coroutine is already waiting for incoming data");
            return Err(RuntimeError::new(message).into());
        }
        // While it is paused nothing would ever come.
        self.resume();
        let waiter = Future::on(running_core()?);
        self.waiter.replace(Some(waiter.clone()));
        let result = waiter.wait_done();
        let mut waiting = self.waiter.borrow_mut();
        if waiting.as_ref().is_some_and(|waiting| waiting.same(&waiter)) {
            *waiting = None;
        }
        drop(waiting);
        result
    }

    fn read(&self, count: usize) -> Result<Vec<u8>> {
        self.check()?;
        if count == 0 {
            return Ok(Vec::new());
        }
        self.wait_any("read")?;
        Ok(self.take(count))
    }

    /// Waits until there is something to read, unless there is, or it has ended.
    fn wait_any(&self, who: &str) -> Result<()> {
        match self.len() == 0 && !self.eof.get() {
            true => self.wait(who),
            false => Ok(()),
        }
    }

    fn read_to_end(&self) -> Result<Vec<u8>> {
        /// What was read so far goes back if it cannot be returned.
        struct Parts<'a>(&'a Incoming, Vec<u8>);
        impl Drop for Parts<'_> {
            fn drop(&mut self) {
                self.0.buffer.borrow_mut().put_back(&self.1);
            }
        }
        let mut all = Parts(self, Vec::new());
        loop {
            let part = self.read(self.limit)?;
            match (part.is_empty(), all.1.is_empty()) {
                (true, _) => return Ok(std::mem::take(&mut all.1)),
                (false, true) => all.1 = part,
                (false, false) => all.1.extend_from_slice(&part),
            }
        }
    }

    fn readexactly(&self, count: usize) -> Result<Vec<u8>> {
        self.check()?;
        while self.len() < count {
            if self.eof.get() {
                let partial = self.take(usize::MAX);
                return Err(IncompleteRead::new(partial, Some(count)).into());
            }
            self.wait("readexactly")?;
        }
        Ok(self.take(count))
    }

    fn readuntil(&self, separators: &[Vec<u8>]) -> Result<Vec<u8>> {
        let lengths = || separators.iter().map(Vec::len);
        let (Some(shortest), Some(longest)) = (lengths().min(), lengths().max()) else {
            return Err(ValueError::new("Separator should contain at least one element").into());
        };
        if shortest == 0 {
            return Err(ValueError::new("Separator should be at least one-byte string").into());
        }
        self.check()?;
        let mut searched = 0;
        loop {
            let length = self.len();
            if length - searched >= shortest {
                if let Some(found) = self.find(separators, searched) {
                    return self.take_found(found);
                }
                // The last bytes may be the beginning of a separator.
                searched = (length + 1).saturating_sub(longest);
                if searched > self.limit {
                    let message = "Separator is not found, and chunk exceed the limit";
                    return Err(LimitOverrun::new(message, searched).into());
                }
            }
            if self.eof.get() {
                let partial = self.take(usize::MAX);
                return Err(IncompleteRead::new(partial, None).into());
            }
            self.wait("readuntil")?;
            // Somebody else may have read meanwhile.
            searched = searched.min(self.len());
        }
    }

    /// The separator that ends first, from `from` on.
    fn find(&self, separators: &[Vec<u8>], from: usize) -> Option<Found> {
        let buffer = self.buffer.borrow();
        let bytes = &buffer.as_slice()[from..];
        let one = |separator: &Vec<u8>| {
            let start = match separator[..] {
                [byte] => memchr::memchr(byte, bytes),
                _ => memmem::find(bytes, separator),
            }?;
            Some(Found { start: from + start, end: from + start + separator.len() })
        };
        // Of two that end at the same place the shorter one counts.
        separators.iter().filter_map(one).min_by_key(|found| (found.end, std::cmp::Reverse(found.start)))
    }

    fn take_found(&self, found: Found) -> Result<Vec<u8>> {
        if found.start > self.limit {
            let message = "Separator is found, but chunk is longer than limit";
            return Err(LimitOverrun::new(message, found.start).into());
        }
        Ok(self.take(found.end))
    }

    fn readline(&self) -> Result<Vec<u8>> {
        let error = match self.readuntil(&[b"\n".to_vec()]) {
            Ok(line) => return Ok(line),
            Err(error) => error,
        };
        if let Some(incomplete) = error.downcast_ref::<IncompleteRead>() {
            return Ok(incomplete.partial().to_vec());
        }
        let Some(overrun) = error.downcast_ref::<LimitOverrun>() else { return Err(error) };
        let mut buffer = self.buffer.borrow_mut();
        let dropped = match buffer.as_slice().get(overrun.consumed()) {
            Some(b'\n') => overrun.consumed() + 1,
            _ => buffer.len(),
        };
        buffer.skip(dropped);
        drop(buffer);
        self.maybe_resume();
        Err(ValueError::new(overrun.message().to_owned()).into())
    }
}

/// A coroutine of a method of the reader.
macro_rules! method {
    ($self:ident.$name:literal, $body:expr) => {{
        static DEFINITION: Definition = Definition::new(concat!("StreamReader.", $name), file!(), line!());
        let inner = Rc::clone(&$self.inner);
        Coroutine::named(&DEFINITION, move || $body(&inner))
    }};
}

impl StreamReader {
    /// A reader with the usual limit of 64 KiB, to be fed by [`feed_data`](Self::feed_data) or by a
    /// [`StreamReaderProtocol`](crate::StreamReaderProtocol).
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"egg")?;
    /// assert_eq!(reader.read(9).co_await()?, b"egg");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[expect(clippy::new_without_default, reason = "asyncio's constructor, beside `with_limit`")]
    pub fn new() -> Self {
        Self::sized(DEFAULT_LIMIT)
    }

    /// A reader with a limit of its own: for the length of a line, or of what [`readuntil`](Self::readuntil) gives. When
    /// twice as much waits to be read, the transport is paused.
    ///
    /// # Errors
    /// [`ValueError`] for 0.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::with_limit(4)?;
    /// reader.feed_data(b"a long line\n")?;
    /// assert!(reader.readline().co_await().unwrap_err().is::<coro_core::ValueError>());
    /// assert!(StreamReader::with_limit(0).is_err());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn with_limit(limit: usize) -> Result<Self> {
        match limit {
            0 => Err(ValueError::new("Limit cannot be <= 0").into()),
            limit => Ok(Self::sized(limit)),
        }
    }

    pub(super) fn sized(limit: usize) -> Self {
        Self { inner: Rc::new(Incoming::new(limit)) }
    }

    /// Reads at most `count` bytes: waits until there is one, and gives what there is. Nothing means that the other side
    /// has ended; or that `count` is 0.
    ///
    /// # Errors
    /// When awaited: what ended the connection; [`RuntimeError`] if somebody else waits.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"eggs")?;
    /// assert_eq!(reader.read(3).co_await()?, b"egg");
    /// assert_eq!(reader.read(3).co_await()?, b"s");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn read(&mut self, count: usize) -> Coroutine<impl FnOnce() -> Result<Vec<u8>> + use<>> {
        method!(self."read", |inner: &Incoming| inner.read(count))
    }

    /// Reads until the other side ends; `read()`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancellation
    /// Nothing is lost: what came until then can be read.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"all of it")?;
    /// reader.feed_eof();
    /// assert_eq!(reader.read_to_end().co_await()?, b"all of it");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn read_to_end(&mut self) -> Coroutine<impl FnOnce() -> Result<Vec<u8>> + use<>> {
        method!(self."read", |inner: &Incoming| inner.read_to_end())
    }

    /// Reads a line, with its `\n`. At the end, what is left; then nothing.
    ///
    /// # Errors
    /// When awaited: as [`read`](Self::read); [`ValueError`] for a line that is longer than the limit: it is dropped, or,
    /// if its end has not come yet, everything that has.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"one\nlast")?;
    /// reader.feed_eof();
    /// assert_eq!(reader.readline().co_await()?, b"one\n");
    /// assert_eq!(reader.readline().co_await()?, b"last");
    /// assert_eq!(reader.readline().co_await()?, b"");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn readline(&mut self) -> Coroutine<impl FnOnce() -> Result<Vec<u8>> + use<>> {
        method!(self."readline", Incoming::readline)
    }

    /// Reads exactly `count` bytes, whatever the limit.
    ///
    /// # Errors
    /// When awaited: as [`read`](Self::read); [`IncompleteRead`] if the other side ends before that, with what there was.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{IncompleteRead, StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"eggs")?;
    /// reader.feed_eof();
    /// assert_eq!(reader.readexactly(3).co_await()?, b"egg");
    /// let error = reader.readexactly(3).co_await().unwrap_err();
    /// assert_eq!(error.downcast_ref::<IncompleteRead>().unwrap().partial(), b"s");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn readexactly(&mut self, count: usize) -> Coroutine<impl FnOnce() -> Result<Vec<u8>> + use<>> {
        method!(self."readexactly", |inner: &Incoming| inner.readexactly(count))
    }

    /// Reads until `separator` has come, and gives all, the separator included.
    ///
    /// # Errors
    /// When awaited: as [`read`](Self::read); [`IncompleteRead`] if the other side ends before that, with what there was;
    /// [`LimitOverrun`] if it is longer than the limit: it can still be read. [`ValueError`] for an empty separator.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"a: 1\r\nb: 2\r\n\r\nbody")?;
    /// assert_eq!(reader.readuntil("\r\n\r\n").co_await()?, b"a: 1\r\nb: 2\r\n\r\n");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn readuntil<S: AsRef<[u8]>>(
        &mut self,
        separator: S,
    ) -> Coroutine<impl FnOnce() -> Result<Vec<u8>> + use<S>> {
        let separators = [separator.as_ref().to_vec()];
        method!(self."readuntil", |inner: &Incoming| inner.readuntil(&separators))
    }

    /// Reads until one of several separators has come; `readuntil((one, two))`. Of those that have, the one that ends
    /// first counts.
    ///
    /// # Errors
    /// As [`readuntil`](Self::readuntil); [`ValueError`] for no separators.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"one; two. three")?;
    /// assert_eq!(reader.readuntil_any([";", "."]).co_await()?, b"one;");
    /// assert_eq!(reader.readuntil_any([";", "."]).co_await()?, b" two.");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn readuntil_any<I>(&mut self, separators: I) -> Coroutine<impl FnOnce() -> Result<Vec<u8>> + use<I>>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let separators: Vec<Vec<u8>> =
            separators.into_iter().map(|separator| separator.as_ref().to_vec()).collect();
        method!(self."readuntil", |inner: &Incoming| inner.readuntil(&separators))
    }

    /// Whether everything was read, and the other side has ended.
    ///
    /// ```
    /// # use coro_core::StreamReader;
    /// let reader = StreamReader::new();
    /// assert!(!reader.at_eof());
    /// reader.feed_eof();
    /// assert!(reader.at_eof());
    /// ```
    pub fn at_eof(&self) -> bool {
        self.inner.eof.get() && self.inner.len() == 0
    }

    /// What was set by [`set_exception`](Self::set_exception), or has ended the connection.
    ///
    /// ```
    /// # use coro_core::StreamReader;
    /// assert!(StreamReader::new().exception().is_none());
    /// ```
    pub fn exception(&self) -> Option<Error> {
        self.inner.exception.borrow().clone()
    }

    /// Raises `error` in the one who waits, and in all later reads.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.set_exception(Error::msg("burnt"));
    /// assert_eq!(reader.readline().co_await().unwrap_err().to_string(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_exception(&self, error: impl Into<Error>) {
        self.inner.set_exception(error.into());
    }

    /// Adds to what can be read, as a protocol does.
    ///
    /// # Errors
    /// [`RuntimeError`] after [`feed_eof`](Self::feed_eof).
    ///
    /// ```
    /// # use coro_core::StreamReader;
    /// let reader = StreamReader::new();
    /// reader.feed_data(b"egg")?;
    /// reader.feed_eof();
    /// assert!(reader.feed_data(b"more").is_err());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn feed_data(&self, data: &[u8]) -> Result<()> {
        if self.inner.eof.get() {
            return Err(RuntimeError::new("feed_data after feed_eof").into());
        }
        self.inner.feed_data(data);
        Ok(())
    }

    /// Ends what can be read, as a protocol does.
    ///
    /// ```
    /// # use coro_core::StreamReader;
    /// let reader = StreamReader::new();
    /// reader.feed_eof();
    /// assert!(reader.at_eof());
    /// ```
    pub fn feed_eof(&self) {
        self.inner.feed_eof();
    }

    /// The transport that is paused when too much waits to be read.
    ///
    /// # Errors
    /// [`RuntimeError`] if there is one already.
    ///
    /// ```
    /// use coro_core::{Protocol, StreamReader, Transport};
    /// /// Feeds a reader.
    /// struct Feed { reader: StreamReader }
    /// impl Protocol for Feed {
    ///     fn connection_made(&self, transport: &Transport) {
    ///         self.reader.set_transport(transport).unwrap();
    ///     }
    ///     fn data_received(&self, data: &[u8]) {
    ///         self.reader.feed_data(data).unwrap();
    ///     }
    /// }
    /// ```
    pub fn set_transport(&self, transport: &Transport) -> Result<()> {
        if self.inner.transport.borrow().is_some() {
            return Err(RuntimeError::new("Transport already set").into());
        }
        self.inner.set_transport(transport);
        Ok(())
    }

    /// This reader as std's [`Read`] and [`BufRead`], which suspend the task where others block: for `read_to_string`,
    /// `lines` and code that was written against those.
    ///
    /// What it has taken and not read goes back when it is dropped.
    ///
    /// ```
    /// # use coro_core::{StreamReader, prelude::*};
    /// use std::io::BufRead;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut reader = StreamReader::new();
    /// reader.feed_data(b"one\ntwo\n")?;
    /// let mut line = String::new();
    /// reader.as_std().read_line(&mut line)?;
    /// assert_eq!(line, "one\n");
    /// assert_eq!(reader.readline().co_await()?, b"two\n");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn as_std(&mut self) -> StdReader<'_> {
        StdReader { reader: self, taken: Vec::new(), read: 0 }
    }

    pub(super) fn downgrade(&self) -> Weak<Incoming> {
        Rc::downgrade(&self.inner)
    }
}

impl AsyncIterator for StreamReader {
    type Item = Vec<u8>;

    /// The next line.
    fn anext(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.readline().co_await()?;
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}

impl Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        f.write_str("<StreamReader")?;
        match inner.len() {
            0 => {}
            length => write!(f, " {length} bytes")?,
        }
        if inner.eof.get() {
            f.write_str(" eof")?;
        }
        if inner.limit != DEFAULT_LIMIT {
            write!(f, " limit={}", inner.limit)?;
        }
        if let Some(waiter) = &*inner.waiter.borrow() {
            write!(f, " waiter={waiter:?}")?;
        }
        if let Some(exception) = &*inner.exception.borrow() {
            f.write_str(" exception=")?;
            exception.fmt_repr(f)?;
        }
        if let Some(transport) = &*inner.transport.borrow() {
            write!(f, " transport={transport:?}")?;
        }
        if inner.paused.get() {
            f.write_str(" paused")?;
        }
        f.write_str(">")
    }
}

/// What [`StreamReader::as_std`] gives.
///
/// ```
/// # use coro_core::{StdReader, StreamReader, prelude::*};
/// use std::io::Read;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let mut reader = StreamReader::new();
/// reader.feed_data(b"egg")?;
/// reader.feed_eof();
/// let mut text = String::new();
/// let mut plain: StdReader<'_> = reader.as_std();
/// plain.read_to_string(&mut text)?;
/// assert_eq!(text, "egg");
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Debug)]
pub struct StdReader<'a> {
    reader: &'a mut StreamReader,
    taken: Vec<u8>,
    read: usize,
}

impl Read for StdReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for StdReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.taken.len() {
            self.taken = self.reader.inner.read(usize::MAX)?;
            self.read = 0;
        }
        Ok(&self.taken[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read = (self.read + count).min(self.taken.len());
    }
}

impl Drop for StdReader<'_> {
    fn drop(&mut self) {
        self.reader.inner.buffer.borrow_mut().put_back(&self.taken[self.read..]);
    }
}
