//! What the sockets have in common. Each macro is told a piece of code that makes a `socket`, for the examples.

/// An example in the documentation, in which there is a `socket`.
macro_rules! example {
    ($make:literal, $($line:expr),+ $(,)?) => {
        concat!(
            "```\n# use coro_core::prelude::*;\n# coro_core::run(coroutine(|| {\n",
            $make, "\n", $($line, "\n",)+
            "# Ok(())\n# }))?;\n# Ok::<(), Error>(())\n```"
        )
    };
}
pub(super) use example;

/// Limits on the waiting.
macro_rules! limits {
    ($type:ident, $make:literal) => {
        impl $type {
            /// How long a read may wait.
            ///
            /// # Errors
            /// None: it is a `Result` because std's is.
            ///
            #[doc = example!($make, "assert_eq!(socket.read_timeout()?, None);")]
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.io.limit(Side::Read))
            }

            /// Sets how long a read may wait, by the clock of the loop: `None` for as long as it takes. What takes longer
            /// is an error of kind `TimedOut`. The limit is of this handle, not of its clones.
            ///
            /// # Errors
            /// Of kind `InvalidInput` for a limit of zero.
            ///
            #[doc = example!($make,
                                                "socket.set_read_timeout(Some(millis(5)))?;",
                                                "assert_eq!(socket.read_timeout()?, Some(millis(5)));"
                                            )]
            pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                self.io.set_limit(Side::Read, limit)
            }

            /// How long a write may wait.
            ///
            /// # Errors
            /// None: it is a `Result` because std's is.
            ///
            #[doc = example!($make, "assert_eq!(socket.write_timeout()?, None);")]
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                Ok(self.io.limit(Side::Write))
            }

            /// Sets how long a write may wait, as [`set_read_timeout`](Self::set_read_timeout) does for reads.
            ///
            /// # Errors
            /// Of kind `InvalidInput` for a limit of zero.
            ///
            #[doc = example!($make,
                                                "socket.set_write_timeout(Some(millis(5)))?;",
                                                "assert!(socket.set_write_timeout(Some(secs(0))).is_err());",
                                                "assert_eq!(socket.write_timeout()?, Some(millis(5)));"
                                            )]
            pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                self.io.set_limit(Side::Write, limit)
            }
        }
    };
}
pub(super) use limits;

/// Options that sockets of all kinds have.
macro_rules! buffers {
    ($type:ident, $make:literal) => {
        impl $type {
            /// The size of the system's buffer for what has come and was not read yet.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make, "assert!(socket.recv_buffer_size()? > 0);")]
            pub fn recv_buffer_size(&self) -> io::Result<usize> {
                SockRef::from(self).recv_buffer_size()
            }

            /// Asks for a size of the buffer for what comes. The system may round it, Linux doubles it.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make,
                                                        "socket.set_recv_buffer_size(20_000)?;",
                                                        "assert!(socket.recv_buffer_size()? >= 20_000);"
                                                    )]
            pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
                SockRef::from(self).set_recv_buffer_size(size)
            }

            /// The size of the system's buffer for what was written and is not sent yet.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make, "assert!(socket.send_buffer_size()? > 0);")]
            pub fn send_buffer_size(&self) -> io::Result<usize> {
                SockRef::from(self).send_buffer_size()
            }

            /// Asks for a size of the buffer for what is sent. The system may round it, Linux doubles it.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make,
                                                        "socket.set_send_buffer_size(20_000)?;",
                                                        "assert!(socket.send_buffer_size()? >= 20_000);"
                                                    )]
            pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
                SockRef::from(self).set_send_buffer_size(size)
            }
        }
    };
}
pub(super) use buffers;

/// What every socket can do: be made of one of std and become one again, be cloned, be closed.
macro_rules! common {
    ($type:ident of $std:ty, $make:literal, make $new:expr) => {
        impl $type {
            /// Takes a socket of std, whatever its mode is.
            ///
            /// # Errors
            /// The system's, of setting the mode.
            ///
            #[doc = example!($make,
                concat!("let socket = coro_core::net::", stringify!($type), "::from_std(socket.into_std()?)?;"),
                "drop(socket);"
            )]
            pub fn from_std(socket: $std) -> io::Result<Self> {
                socket.set_nonblocking(true)?;
                Ok($new(socket))
            }

            /// The socket of std, which blocks. So do the clones of this one then, wherever they are used.
            ///
            /// # Errors
            /// The system's, of setting the mode.
            ///
            #[doc = example!($make, concat!("let socket: ", stringify!($std), " = socket.into_std()?;"))]
            pub fn into_std(self) -> io::Result<$std> {
                let socket = self.io.into_inner();
                socket.set_nonblocking(false)?;
                Ok(socket)
            }

            /// Another handle on the same socket. To share one, a reference or an `Rc` is cheaper.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make,
                "let clone = socket.try_clone()?;",
                "drop((clone, socket));"
            )]
            pub fn try_clone(&self) -> io::Result<Self> {
                Ok($new(self.io.get().try_clone()?))
            }

            /// The error that the system keeps for this socket, if there is one. It is kept no longer then.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make, "assert!(socket.take_error()?.is_none());")]
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.io.get().take_error()
            }

            /// Closes it under all who use it: who waits for it, on any loop, gets an error at once, and so does who uses it
            /// later. Clones stay open.
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!($make, "socket.close()?;")]
            pub fn close(&self) -> io::Result<()> {
                self.io.close()
            }
        }

        /// The same as [`from_std`](Self::from_std).
        impl TryFrom<$std> for $type {
            type Error = io::Error;

            fn try_from(socket: $std) -> io::Result<Self> {
                Self::from_std(socket)
            }
        }

        /// The same as `into_std`.
        impl TryFrom<$type> for $std {
            type Error = io::Error;

            fn try_from(socket: $type) -> io::Result<Self> {
                socket.into_std()
            }
        }

        #[cfg(unix)]
        const _: () = {
            use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

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

            impl TryFrom<OwnedFd> for $type {
                type Error = io::Error;

                fn try_from(fd: OwnedFd) -> io::Result<Self> {
                    Self::from_std(fd.into())
                }
            }

            impl TryFrom<$type> for OwnedFd {
                type Error = io::Error;

                fn try_from(socket: $type) -> io::Result<Self> {
                    socket.into_std().map(Into::into)
                }
            }
        };
    };
}
pub(super) use common;

/// What only systems with Winsock know.
macro_rules! windows {
    ($($type:ident),+) => {$(
        #[cfg(windows)]
        const _: () = {
            use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, OwnedSocket, RawSocket};

            impl AsSocket for $type {
                fn as_socket(&self) -> BorrowedSocket<'_> {
                    self.io.get().as_socket()
                }
            }

            impl AsRawSocket for $type {
                fn as_raw_socket(&self) -> RawSocket {
                    self.io.get().as_raw_socket()
                }
            }

            impl TryFrom<OwnedSocket> for $type {
                type Error = io::Error;

                fn try_from(socket: OwnedSocket) -> io::Result<Self> {
                    Self::from_std(socket.into())
                }
            }
        };
    )+};
}
pub(super) use windows;

/// How many buffers the system takes in one call: what moves less than those hold is short.
pub(super) const AT_ONCE: usize = 1024;

/// `Read` and `Write` for a type and its references.
macro_rules! reads {
    ($($type:ty),+) => {$(
        impl Read for $type {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.io.transfer(Side::Read, buffer.len(), |mut io| io.read(buffer))
            }

            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                let wanted = buffers.iter().take(AT_ONCE).map(|buffer| buffer.len()).sum();
                self.io.transfer(Side::Read, wanted, |mut io| io.read_vectored(buffers))
            }
        }
    )+};
}
pub(super) use reads;

macro_rules! writes {
    ($($type:ty),+) => {$(
        impl Write for $type {
            fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
                self.io.transfer(Side::Write, buffer.len(), |mut io| io.write(buffer))
            }

            fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                let wanted = buffers.iter().take(AT_ONCE).map(|buffer| buffer.len()).sum();
                self.io.transfer(Side::Write, wanted, |mut io| io.write_vectored(buffers))
            }

            /// There is nothing to flush.
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )+};
}
pub(super) use writes;
