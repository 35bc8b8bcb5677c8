//! [`File`].
//!
//! 1. One operation at a time, in the order of coming, whoever uses the file: [`Shared`].
//! 2. The file's own place in the system is ahead by what is unread, and only by that. Who writes, seeks or changes the
//!    length goes back first.
//! 3. A write that has begun writes all that its thread was given. An error that nobody waits for is raised by the
//!    next operation.

use std::fmt::{self, Arguments};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Metadata, OpenOptions, Permissions};
use crate::error::Result;
use crate::in_place::{self, CHUNK, Failure, Shared, Source, Turn, Unread, in_thread, write_out};

/// An open file; `std::fs::File`.
///
/// It implements `Read`, `Write` and `Seek`, on `&File` too, and can be used by several tasks: what each of them does
/// is done one after the other, in the order in which they asked. Each operation takes a trip to a thread, so small
/// ones belong behind a `BufReader` or a `BufWriter`; one write takes at most 256 KiB.
///
/// Dropping it closes it, when the operation under way has ended.
///
/// # Errors
/// Operations give std's errors as they are; [`File::open`] and its like name the path.
///
/// # Cancellation
/// Nothing is lost. Bytes that a cancelled read had taken are what the next read gives, and count as unread for a
/// seek. [`read_to_end`](Read::read_to_end) and [`read_to_string`](Read::read_to_string) give all or nothing. A write
/// that a thread has begun goes on to its end, and if it fails, the next operation raises its error; if there is
/// none, the error is reported.
///
/// ```
/// use coro_core::{fs::File, prelude::*};
/// use std::io::{BufRead, BufReader, Write};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs.txt");
/// coro_core::run(coroutine(|| {
///     File::create(&path)?.write_all(b"six\nbrown\n")?;
///     let lines: Vec<_> = BufReader::new(File::open(&path)?).lines().collect::<Result<_, _>>()?;
///     assert_eq!(lines, ["six", "brown"]);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct File {
    file: Arc<std::fs::File>,
    state: Shared<State>,
}

struct State {
    file: Arc<std::fs::File>,
    unread: Unread,
    failure: Failure,
}

impl State {
    /// Goes back to where the reader is. What has no place, such as a pipe, keeps what is unread.
    fn go_back(&mut self) -> io::Result<()> {
        if self.unread.len() == 0 {
            return Ok(());
        }
        match self.seek(SeekFrom::Current(0)) {
            Err(error) if error.kind() == ErrorKind::NotSeekable => Ok(()),
            result => result.map(drop),
        }
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Current(by) => {
                let unread = i64::try_from(self.unread.len()).unwrap_or(i64::MAX);
                let by = by.checked_sub(unread).ok_or(ErrorKind::InvalidInput)?;
                SeekFrom::Current(by)
            }
            place => place,
        };
        let place = (&*self.file).seek(to)?;
        self.unread.clear();
        Ok(place)
    }

    fn write(&mut self, data: &[u8]) -> usize {
        match self.go_back() {
            Ok(()) => write_out(&*self.file, data, &mut self.failure),
            Err(error) => {
                self.failure.set(error);
                0
            }
        }
    }
}

impl Source for State {
    fn unread(&mut self) -> &mut Unread {
        &mut self.unread
    }

    fn refill(&mut self, limit: usize) -> io::Result<usize> {
        self.unread.fill(&*self.file, limit)
    }

    fn in_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        in_thread(job)
    }
}

impl File {
    /// Opens a file to be read.
    ///
    /// # Errors
    /// As the [module](super) says.
    ///
    /// # Cancellation
    /// Nothing stays open.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let error = File::open("no such file").unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path)
    }

    /// Makes a file to be written, or empties the one that is there.
    ///
    /// # Errors
    /// As the [module](super) says.
    ///
    /// # Cancellation
    /// The file may have been made, or emptied.
    ///
    /// ```
    /// use coro_core::{fs, fs::File, prelude::*};
    /// use std::io::Write;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     File::create(&path)?.write_all(b"six")?;
    ///     assert_eq!(fs::read(&path)?, b"six");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file that is not there yet, to be read and written.
    ///
    /// # Errors
    /// As the [module](super) says; of kind `AlreadyExists`.
    ///
    /// # Cancellation
    /// The file may have been made.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     File::create_new(&path)?;
    ///     let again = File::create_new(&path).unwrap_err();
    ///     assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// The same as [`OpenOptions::new`].
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     let file = File::options().append(true).create(true).open(&path)?;
    ///     assert_eq!(file.metadata()?.len(), 0);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// A file that std has opened. Whoever else uses it changes the place where it is read and written.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// # std::fs::write(&path, "six")?;
    /// let file = File::from_std(std::fs::File::open(&path)?);
    /// coro_core::run(coroutine(|| {
    ///     assert_eq!(std::io::read_to_string(&file)?, "six");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_std(file: std::fs::File) -> Self {
        let file = Arc::new(file);
        let state = State { file: Arc::clone(&file), unread: Unread::default(), failure: Failure::default() };
        Self { file, state: Shared::new(state) }
    }

    /// The file of std, once what is under way has ended. It is read and written where this one was.
    ///
    /// If there are clones of this one, it is another descriptor of the same file.
    ///
    /// # Errors
    /// That of a write that was cancelled; that of going back to the place of the reader.
    ///
    /// # Cancellation
    /// The file is closed.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// use std::io::Read;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// # std::fs::write(&path, "six")?;
    /// let mut file: std::fs::File = coro_core::run(coroutine(|| {
    ///     let mut file = File::open(&path)?;
    ///     file.read_exact(&mut [0])?;
    ///     Ok(file.into_std()?)
    /// }))?;
    /// assert_eq!(std::io::read_to_string(&mut file)?, "ix");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn into_std(self) -> io::Result<std::fs::File> {
        self.with(State::go_back)?;
        let Self { file, state } = self;
        drop(state);
        Arc::try_unwrap(file).or_else(|file| file.try_clone())
    }

    /// Another handle on the same open file: both are read and written at the same place.
    ///
    /// # Errors
    /// None: it is a `Result` because std's is.
    ///
    /// ```
    /// use coro_core::{fs, fs::File, prelude::*};
    /// use std::io::Write;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     let mut one = File::create(&path)?;
    ///     let mut two = one.try_clone()?;
    ///     one.write_all(b"six ")?;
    ///     two.write_all(b"eggs")?;
    ///     assert_eq!(fs::read(&path)?, b"six eggs");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: Arc::clone(&self.file), state: self.state.clone() })
    }

    /// Waits until what came before is done. What failed without anybody to tell is told now.
    fn turn(&self) -> io::Result<Turn<State>> {
        let mut turn = self.state.turn()?;
        turn.failure.check()?;
        Ok(turn)
    }

    /// Does `f` in a thread.
    fn with<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut State) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut turn = self.turn()?;
        let (turn, result) = in_thread(move || {
            let result = f(&mut turn);
            (turn, result)
        })?;
        drop(turn);
        result
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     assert_eq!(File::create(&path)?.metadata()?.len(), 0);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.with(|state| state.file.metadata())
    }

    /// Cuts it off, or fills it up with zeros. The place where it is read and written stays.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled: it may have happened, or happen yet.
    ///
    /// ```
    /// use coro_core::{fs, fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     File::create(&path)?.set_len(2)?;
    ///     assert_eq!(fs::read(&path)?, [0, 0]);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        self.with(move |state| {
            state.go_back()?;
            state.file.set_len(size)
        })
    }

    /// Changes who may do what with it.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled: it may have happened, or happen yet.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     let file = File::create(&path)?;
    ///     let mut permissions = file.metadata()?.permissions();
    ///     permissions.set_readonly(true);
    ///     file.set_permissions(permissions)?;
    ///     assert!(file.metadata()?.permissions().readonly());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.with(|state| state.file.set_permissions(permissions))
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled: it may have happened, or happen yet.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// use std::io::Write;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     let mut file = File::create(&path)?;
    ///     file.write_all(b"six")?;
    ///     file.sync_all()?;
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn sync_all(&self) -> io::Result<()> {
        self.with(|state| state.file.sync_all())
    }

    /// As [`sync_all`](Self::sync_all), but for what is known of the file, such as its times.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled: it may have happened, or happen yet.
    ///
    /// ```
    /// use coro_core::{fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     File::create(&path)?.sync_data()?;
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn sync_data(&self) -> io::Result<()> {
        self.with(|state| state.file.sync_data())
    }

    /// Reads at `offset`; the place of other reads and writes stays.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// Nothing has happened.
    ///
    /// ```
    /// use coro_core::{fs, fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     fs::write(&path, "six eggs")?;
    ///     let mut word = [0; 4];
    ///     assert_eq!(File::open(&path)?.read_at(&mut word, 4)?, 4);
    ///     assert_eq!(&word, b"eggs");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = buffer.len().min(CHUNK);
        let read = self.with(move |state| {
            let mut bytes = vec![0; length];
            let count = std::os::unix::fs::FileExt::read_at(&*state.file, &mut bytes, offset)?;
            bytes.truncate(count);
            Ok(bytes)
        })?;
        buffer[..read.len()].copy_from_slice(&read);
        Ok(read.len())
    }

    /// Writes at `offset`; the place of other reads and writes stays.
    ///
    /// # Errors
    /// The system's, and that of a write that was cancelled.
    ///
    /// # Cancellation
    /// As a write: it goes on to its end.
    ///
    /// ```
    /// use coro_core::{fs, fs::File, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("eggs");
    /// coro_core::run(coroutine(|| {
    ///     let file = File::create(&path)?;
    ///     file.write_at(b"eggs", 4)?;
    ///     file.write_at(b"six ", 0)?;
    ///     assert_eq!(fs::read(&path)?, b"six eggs");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        struct At<'a>(&'a std::fs::File, u64);
        impl Write for At<'_> {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                let count = std::os::unix::fs::FileExt::write_at(self.0, data, self.1)?;
                self.1 += count as u64;
                Ok(count)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        self.write_chunk(chunk(&[IoSlice::new(data)]), move |state, data| {
            if let Err(error) = state.go_back() {
                state.failure.set(error);
                return 0;
            }
            write_out(At(&state.file, offset), data, &mut state.failure)
        })
    }

    /// Has a thread write `data`. How many bytes were written.
    fn write_chunk(
        &self,
        data: Vec<u8>,
        write: impl FnOnce(&mut State, &[u8]) -> usize + Send + 'static,
    ) -> io::Result<usize> {
        let mut turn = self.turn()?;
        if data.is_empty() {
            return Ok(0);
        }
        let (mut turn, written) = in_thread(move || {
            let written = write(&mut turn, &data);
            (turn, written)
        })?;
        turn.failure.after(written)
    }
}

/// What one write takes of `buffers`.
fn chunk(buffers: &[IoSlice<'_>]) -> Vec<u8> {
    let mut data = Vec::new();
    for buffer in buffers {
        data.extend_from_slice(&buffer[..buffer.len().min(CHUNK - data.len())]);
    }
    data
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        in_place::read(self.turn()?, buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        in_place::read_vectored(self.turn()?, buffers)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        in_place::read_to_end(self.turn()?, bytes)
    }

    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        in_place::read_to_string(self.turn()?, text)
    }
}

impl Write for &File {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(data)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_chunk(chunk(buffers), State::write)
    }

    /// Waits for a write that was cancelled, and tells of its failure. Written bytes are in no buffer here.
    fn flush(&mut self) -> io::Result<()> {
        self.turn().map(drop)
    }

    fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
        self.write_all(text.to_string().as_bytes()) // one trip to a thread, not one for each part
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.with(move |state| state.seek(to))
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(bytes)
    }

    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(text)
    }
}

impl Write for File {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }

    fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
        (&*self).write_fmt(text)
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&*self).seek(to)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> Self {
        Self::from_std(file)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for File {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for File {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.file.as_raw_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsHandle for File {
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.file.as_handle()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsRawHandle for File {
    fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
        self.file.as_raw_handle()
    }
}
