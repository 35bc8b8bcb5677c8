//! Child processes, in two manners: that of [`std::process`], and asyncio's.
//!
//! [`Command`] and [`Child`] have the names and methods of std, and suspend the task where those block the thread. Off any
//! loop they block; in a callback, or in a task made from a std future, what would have to wait is an error.
//! On Linux the loop itself waits for the end of a child, by a pidfd; elsewhere, and where those are forbidden, a thread
//! does, for each child that is waited for.
//!
//! [`create_subprocess_exec`] and [`create_subprocess_shell`] are asyncio's: they give a [`Process`] with a
//! [`StreamWriter`](crate::StreamWriter) and [`StreamReader`](crate::StreamReader)s. Below them are
//! [`EventLoop::subprocess_exec`](crate::EventLoop::subprocess_exec) and [`SubprocessProtocol`].
//!
//! A child that is waited for, or whose pipes are, holds a virtual clock to real time.
//!
//! They are here on Unix only. On Windows a program starts its children by [`std::process`], in
//! [`to_thread`](crate::to_thread).
//!
//! ```
//! use coro_core::{prelude::*, process::Command};
//! async_fn! {
//!     async fn program() {
//!         let both = await!(gather(["one", "two"].map(|word| coroutine(move || {
//!             Ok(Command::new("echo").arg(word).output()?) // the other one runs meanwhile
//!         }))));
//!         assert_eq!(both[0].stdout, b"one\n");
//!         assert_eq!(both[1].stdout, b"two\n");
//!     }
//! }
//! coro_core::run(program())?;
//! # Ok::<(), Error>(())
//! ```
//
// Floor: above streams.

mod child;
mod command;
mod pipes;
mod running;
mod spawn;
mod subprocess;
mod transport;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
pub use spawn::{DEVNULL, PIPE, Redirect, STDOUT, StartSubprocess};
pub use subprocess::{CreateSubprocess, Process, create_subprocess_exec, create_subprocess_shell};
pub use transport::{SubprocessProtocol, SubprocessTransport};

/// A signal for a process that has ended; Python's `ProcessLookupError`.
///
/// ```
/// use coro_core::{prelude::*, process::{Command, ProcessLookupError}};
/// coro_core::run(coroutine(|| {
///     let child = Command::new("true").spawn()?;
///     child.wait()?;
///     let error = Error::new(child.terminate().unwrap_err());
///     assert_eq!(error.downcast_ref::<ProcessLookupError>().unwrap().id(), child.id());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("process {id} has ended")]
pub struct ProcessLookupError {
    id: u32,
}

impl ProcessLookupError {
    /// The number that the process had.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::{Command, ProcessLookupError}};
    /// # coro_core::run(coroutine(|| {
    /// # let child = Command::new("true").spawn()?;
    /// # child.wait()?;
    /// let error = Error::new(child.terminate().unwrap_err());
    /// assert_eq!(error.downcast_ref::<ProcessLookupError>().unwrap().id(), child.id());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn id(&self) -> u32 {
        self.id
    }
}
