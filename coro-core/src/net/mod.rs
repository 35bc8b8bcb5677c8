//! Sockets and pipes that suspend the task where std's would block the thread.
//!
//! They have std's names and methods, and implement `std::io::{Read, Write}`, on references too: what is written
//! against those traits works on them unchanged.
//!
//! They are `Send` and `Sync`. A socket belongs to the loop that waited for it last, and moves to another one with its
//! first wait there. Where no loop runs, it blocks as std's does. On a loop's thread but outside of a task, in a callback
//! or in a future that is polled, what would have to wait is an error that leads to a
//! [`RuntimeError`](crate::RuntimeError). Futures poll the streams through
//! `futures_io::{AsyncRead, AsyncWrite}`.
//!
//! Several tasks may use one socket. Those that read take turns, in the order of coming, and so do those that write.
//!
//! # Errors
//! `std::io::Error`, with std's kind; where an address or a path was given, it begins the message, and `source()` is the
//! system's own error. A socket that was closed is `NotConnected`.
//!
//! # Cancellation
//! Raised as an `io::Error` that leads to [`Cancelled`](crate::Cancelled). It comes while a task waits, never after
//! the system has moved bytes: none are lost.
//!
//! ```
//! use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
//! use std::io::{Read, Write};
//!
//! async_fn! {
//!     async fn serve(listener: TcpListener) {
//!         for stream in listener.incoming() {
//!             write!(stream?, "six eggs")?;
//!         }
//!     }
//!
//!     async fn program() {
//!         let listener = TcpListener::bind("127.0.0.1:0")?;
//!         let address = listener.local_addr()?;
//!         let server = create_task(serve(listener));
//!         let mut order = String::new();
//!         TcpStream::connect(address)?.read_to_string(&mut order)?;
//!         assert_eq!(order, "six eggs");
//!         server.cancel();
//!     }
//! }
//! coro_core::run(program())?;
//! # Ok::<(), Error>(())
//! ```

pub(crate) mod attempts;
pub(crate) mod connect;
mod macros;
mod options;
pub(crate) mod patience;
#[cfg(unix)]
mod pipe;
mod polled;
#[cfg(unix)]
mod sendfile;
mod tcp;
mod udp;
#[cfg(unix)]
mod unix;

pub use options::SocketOptions;
#[cfg(unix)]
pub use pipe::{PipeReader, PipeWriter, pipe};
#[cfg(unix)]
pub use sendfile::sendfile;
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{IncomingUnix, UnixDatagram, UnixListener, UnixStream};
