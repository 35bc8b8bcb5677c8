//! Pipes.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::macros::{AT_ONCE, reads, writes};
use crate::io::{Endpoint, Hold, Io, Side};

/// One end, with what a wait for it means to a virtual clock.
#[derive(Debug)]
pub(crate) struct End<T> {
    pipe: T,
    hold: Hold,
}

impl<T: AsFd> AsFd for End<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl<T: AsRawFd> AsRawFd for End<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}

impl<T: AsFd + AsRawFd> Endpoint for End<T> {
    fn hold(&self) -> Hold {
        self.hold
    }
}

impl Read for &End<io::PipeReader> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.pipe).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.pipe).read_vectored(buffers)
    }
}

impl Write for &End<io::PipeWriter> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&self.pipe).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.pipe).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn set_blocking(fd: impl AsFd, on: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(&fd)?;
    flags.set(OFlags::NONBLOCK, !on);
    Ok(fcntl_setfl(&fd, flags)?)
}

/// A pipe: what is written into one end is read from the other; std's.
///
/// # Errors
/// The system's.
///
/// ```
/// use coro_core::{net::pipe, prelude::*};
/// use std::io::{Read, Write};
/// coro_core::run(coroutine(|| {
///     let (mut reader, mut writer) = pipe()?;
///     let eggs = create_task(coroutine(move || {
///         let mut eggs = String::new();
///         reader.read_to_string(&mut eggs)?;
///         Ok(eggs)
///     }));
///     writer.write_all(b"six")?;
///     drop(writer);
///     assert_eq!(eggs.co_await()?, "six");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((PipeReader::over(reader, Hold::Moment)?, PipeWriter::over(writer, Hold::Moment)?))
}

/// The end of a pipe that is read; std's.
///
/// Made from a descriptor, its other end counts as foreign: a virtual clock stands still while it is waited for.
///
/// # Errors
/// The system's.
///
/// # Cancellation
/// Nothing is lost: what was not given to a reader waits for the next one.
///
/// ```
/// use coro_core::{net::{PipeReader, pipe}, prelude::*};
/// use std::io::{Read, Write};
/// let (mut reader, mut writer): (PipeReader, _) = pipe()?; // off a loop it blocks
/// writer.write_all(b"six")?;
/// assert_eq!(reader.read(&mut [0; 10])?, 3);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct PipeReader {
    pub(super) io: Io<End<io::PipeReader>>,
}

/// The end of a pipe that is written; std's.
///
/// Made from a descriptor, its other end counts as foreign: a virtual clock stands still while it is waited for.
///
/// # Errors
/// The system's; of kind `BrokenPipe` when nobody can read any more.
///
/// # Cancellation
/// Nothing is lost: [`write`](Write::write) has told of all that was written.
///
/// ```
/// use coro_core::{net::{PipeWriter, pipe}, prelude::*};
/// use std::io::Write;
/// let (reader, mut writer): (_, PipeWriter) = pipe()?;
/// drop(reader);
/// assert_eq!(writer.write(b"six").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct PipeWriter {
    pub(super) io: Io<End<io::PipeWriter>>,
}

reads!(PipeReader, &PipeReader);
writes!(PipeWriter, &PipeWriter);

/// What both ends have.
macro_rules! end {
    ($type:ident) => {
        impl $type {
            /// `hold`: what a wait for it means to a virtual clock.
            pub(crate) fn over(pipe: io::$type, hold: Hold) -> io::Result<Self> {
                set_blocking(&pipe, false)?;
                Ok(Self { io: Io::new(End { pipe, hold }) })
            }

            /// Takes a pipe of std, whatever its mode is.
            ///
            /// # Errors
            /// The system's, of setting the mode.
            ///
            /// ```
            /// # use coro_core::prelude::*;
            /// let (reader, writer) = std::io::pipe()?;
            /// let reader = coro_core::net::PipeReader::from_std(reader)?;
            /// let writer = coro_core::net::PipeWriter::from_std(writer)?;
            /// # Ok::<(), Error>(())
            /// ```
            pub fn from_std(pipe: io::$type) -> io::Result<Self> {
                Self::over(pipe, Hold::RealTime)
            }

            /// The pipe of std, which blocks. So do the clones of this one then.
            ///
            /// # Errors
            /// The system's, of setting the mode.
            ///
            /// ```
            /// # use coro_core::prelude::*;
            /// let (reader, writer) = coro_core::net::pipe()?;
            /// let (reader, writer) = (reader.into_std()?, writer.into_std()?);
            /// # Ok::<(), Error>(())
            /// ```
            pub fn into_std(self) -> io::Result<io::$type> {
                let End { pipe, .. } = self.io.into_inner();
                set_blocking(&pipe, true)?;
                Ok(pipe)
            }

            /// Another handle on the same end.
            ///
            /// # Errors
            /// The system's.
            ///
            /// ```
            /// # use coro_core::prelude::*;
            /// let (reader, writer) = coro_core::net::pipe()?;
            /// let clones = (reader.try_clone()?, writer.try_clone()?);
            /// # Ok::<(), Error>(())
            /// ```
            pub fn try_clone(&self) -> io::Result<Self> {
                let End { pipe, hold } = self.io.get();
                Ok(Self { io: Io::new(End { pipe: pipe.try_clone()?, hold: *hold }) })
            }

            /// Closes it under all who use it: who waits for it gets an error at once.
            ///
            /// # Errors
            /// The system's.
            ///
            /// ```
            /// # use coro_core::prelude::*;
            /// use std::io::{Read, Write};
            /// let (mut reader, mut writer) = coro_core::net::pipe()?;
            /// writer.close()?;
            /// assert!(writer.write(b"eggs").is_err());
            /// assert_eq!(reader.read(&mut [0; 10])?, 0);
            /// reader.close()?;
            /// assert!(reader.read(&mut [0; 10]).is_err());
            /// # Ok::<(), Error>(())
            /// ```
            pub fn close(&self) -> io::Result<()> {
                self.io.close()
            }
        }

        /// The same as [`from_std`](Self::from_std).
        impl TryFrom<io::$type> for $type {
            type Error = io::Error;

            fn try_from(pipe: io::$type) -> io::Result<Self> {
                Self::from_std(pipe)
            }
        }

        /// The same as `into_std`.
        impl TryFrom<$type> for io::$type {
            type Error = io::Error;

            fn try_from(pipe: $type) -> io::Result<Self> {
                pipe.into_std()
            }
        }

        impl TryFrom<OwnedFd> for $type {
            type Error = io::Error;

            fn try_from(fd: OwnedFd) -> io::Result<Self> {
                Self::from_std(fd.into())
            }
        }

        impl TryFrom<$type> for OwnedFd {
            type Error = io::Error;

            fn try_from(pipe: $type) -> io::Result<Self> {
                pipe.into_std().map(Into::into)
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.io.get().as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.io.get().as_raw_fd()
            }
        }
    };
}

end!(PipeReader);
end!(PipeWriter);
