//! The pipes to and from a child: [`ChildStdin`], [`ChildStdout`], [`ChildStderr`].

use std::fmt::{self, Debug};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::process::{self, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::coroutine::coroutine;
use crate::in_place::{Place, place};
use crate::io::{Endpoint, Hold, Io, Side};
use crate::task_group::TaskGroup;

/// This process's end of a pipe.
pub(super) struct Pipe(OwnedFd);

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Endpoint for Pipe {
    /// The other end belongs to another process.
    fn hold(&self) -> Hold {
        Hold::RealTime
    }
}

/// Whether its system calls block is a property of a pipe's end, and the child has the other one.
fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(fd)?;
    flags.set(OFlags::NONBLOCK, nonblocking);
    Ok(fcntl_setfl(fd, flags)?)
}

/// Takes an end. A file descriptor that can be open cannot fail here.
fn adopt(fd: OwnedFd) -> Io<Pipe> {
    let _ = set_nonblocking(fd.as_fd(), true);
    Io::new(Pipe(fd))
}

/// Gives an end away, as std would have it.
fn give_away(io: Io<Pipe>) -> OwnedFd {
    let fd = io.into_inner().0;
    let _ = set_nonblocking(fd.as_fd(), false);
    fd
}

/// What the three have in common.
macro_rules! pipes {
    ($($(#[$doc:meta])* $type:ident;)*) => {$(
        $(#[$doc])*
        pub struct $type {
            io: Io<Pipe>,
        }

        impl Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($type)).field(&self.as_raw_fd()).finish()
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.io.get().as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        /// The pipe must be one; it does not block from now on.
        impl From<OwnedFd> for $type {
            fn from(fd: OwnedFd) -> Self {
                Self { io: adopt(fd) }
            }
        }

        impl From<process::$type> for $type {
            fn from(pipe: process::$type) -> Self {
                Self::from(OwnedFd::from(pipe))
            }
        }

        /// It blocks again.
        impl From<$type> for OwnedFd {
            fn from(pipe: $type) -> Self {
                give_away(pipe.io)
            }
        }

        /// It blocks again.
        impl From<$type> for process::$type {
            fn from(pipe: $type) -> Self {
                OwnedFd::from(pipe).into()
            }
        }

        /// It blocks again, and is the input or output of the next child.
        impl From<$type> for Stdio {
            fn from(pipe: $type) -> Self {
                OwnedFd::from(pipe).into()
            }
        }

        /// It blocks again.
        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }
    )*};
}

/// Reading, where it is the child that writes.
macro_rules! readers {
    ($($type:ident)*) => {$(
        impl Read for &$type {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.io.transfer(Side::Read, buffer.len(), |pipe| Ok(rustix::io::read(pipe, &mut *buffer)?))
            }

            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                let wanted = buffers.iter().map(|buffer| buffer.len()).sum();
                self.io.transfer(Side::Read, wanted, |pipe| Ok(rustix::io::readv(pipe, buffers)?))
            }
        }

        impl Read for $type {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buffer)
            }

            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(buffers)
            }
        }
    )*};
}

pipes! {
    /// The standard input of a [`Child`](super::Child). It implements `Write`, on `&ChildStdin` too; dropping it ends the
    /// child's input.
    ///
    /// # Errors
    /// Those of std; of kind `BrokenPipe` when the child has closed its end.
    ///
    /// # Cancellation
    /// It comes as an `io::Error`, and what a `write` has written then it has counted: nothing. `write_all` does not tell
    /// how much of its data had been written before.
    ///
    /// ```
    /// use coro_core::{prelude::*, process::{ChildStdin, Command, Stdio}};
    /// use std::io::{Read, Write};
    /// coro_core::run(coroutine(|| {
    ///     let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let mut stdin: ChildStdin = cat.stdin.take().unwrap();
    ///     stdin.write_all(b"six eggs")?; // other tasks run while the pipe is full
    ///     drop(stdin);
    ///     let mut text = String::new();
    ///     cat.stdout.take().unwrap().read_to_string(&mut text)?;
    ///     assert_eq!(text, "six eggs");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    ChildStdin;

    /// The standard output of a [`Child`](super::Child). It implements `Read`, on `&ChildStdout` too.
    ///
    /// # Errors
    /// Those of std.
    ///
    /// # Cancellation
    /// It comes as an `io::Error`. No byte is lost: what was not read stays in the pipe.
    ///
    /// ```
    /// use coro_core::{prelude::*, process::{ChildStdout, Command, Stdio}};
    /// use std::io::{BufRead, BufReader};
    /// coro_core::run(coroutine(|| {
    ///     let mut child = Command::new("sh").args(["-c", "echo one; echo two"]).stdout(Stdio::piped()).spawn()?;
    ///     let stdout: ChildStdout = child.stdout.take().unwrap();
    ///     let lines: std::io::Result<Vec<String>> = BufReader::new(stdout).lines().collect();
    ///     assert_eq!(lines?, ["one", "two"]); // other tasks ran while it waited for each
    ///     child.wait()?;
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    ChildStdout;

    /// The standard error output of a [`Child`](super::Child). It implements `Read`, on `&ChildStderr` too.
    ///
    /// # Errors
    /// Those of std.
    ///
    /// # Cancellation
    /// It comes as an `io::Error`. No byte is lost: what was not read stays in the pipe.
    ///
    /// ```
    /// use coro_core::{prelude::*, process::{ChildStderr, Command, Stdio}};
    /// coro_core::run(coroutine(|| {
    ///     let mut child = Command::new("sh").args(["-c", "echo burnt >&2"]).stderr(Stdio::piped()).spawn()?;
    ///     let stderr: ChildStderr = child.stderr.take().unwrap();
    ///     assert_eq!(std::io::read_to_string(stderr)?, "burnt\n");
    ///     child.wait()?;
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    ChildStderr;
}

readers!(ChildStdout ChildStderr);

impl ChildStdin {
    /// Ends the child's input, whoever holds this still.
    pub(super) fn close(&self) -> io::Result<()> {
        self.io.close()
    }
}

impl Write for &ChildStdin {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.io.transfer(Side::Write, buffer.len(), |pipe| Ok(rustix::io::write(pipe, buffer)?))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let wanted = buffers.iter().map(|buffer| buffer.len()).sum();
        self.io.transfer(Side::Write, wanted, |pipe| Ok(rustix::io::writev(pipe, buffers)?))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for ChildStdin {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads both to their ends at once: who reads one only after the other may wait for a child that waits for it.
pub(super) fn read_both(mut stdout: ChildStdout, mut stderr: ChildStderr) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (read_out, read_err) = match place()? {
        Place::Thread => std::thread::scope(|scope| {
            let other = scope.spawn(|| stderr.read_to_end(&mut err));
            let read = stdout.read_to_end(&mut out);
            let other = other.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
            (read, other)
        }),
        Place::Task(_) => {
            let mut other = Ok(0);
            let read = TaskGroup::scope(|scope| {
                scope.create_task(coroutine(|| {
                    other = stderr.read_to_end(&mut err);
                    Ok(())
                }));
                let read = stdout.read_to_end(&mut out);
                if read.is_err() {
                    scope.cancel();
                }
                Ok(read)
            })?;
            (read, other)
        }
    };
    read_out?;
    read_err?;
    Ok((out, err))
}
