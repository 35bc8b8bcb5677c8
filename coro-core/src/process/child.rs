//! [`Child`]: a child process, and the wait for its end.

use std::fmt::{self, Debug};
use std::io::{self, Read};
use std::process::{self, ExitStatus, Output};
use std::sync::Arc;

use crate::error::Error;
use crate::signal::SignalKind;

use super::ProcessLookupError;
use super::pipes::{ChildStderr, ChildStdin, ChildStdout, read_both};
use super::running::Running;

/// A child process; made by [`Command::spawn`](super::Command::spawn).
///
/// Its status is taken when it ends, also of one that was dropped: none stays as a zombie as long as this process lives. A
/// child that is dropped goes on, unless it was made with [`kill_on_drop`](super::Command::kill_on_drop).
///
/// It is `Send` and `Sync`. Several tasks, on whichever loops, may wait for one child; each gets its status.
///
/// ```
/// use coro_core::{prelude::*, process::{Child, Command}};
/// coro_core::run(coroutine(|| {
///     let child: Child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
///     assert_eq!(child.wait()?.code(), Some(3)); // other tasks run meanwhile
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct Child {
    running: Arc<Running>,
    kill_on_drop: bool,
    /// Its standard input, if that was `piped()`. Dropping it tells the child that there is no more.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that was `piped()`.
    pub stdout: Option<ChildStdout>,
    /// Its standard error output, if that was `piped()`.
    pub stderr: Option<ChildStderr>,
}

impl Child {
    pub(super) fn new(mut child: process::Child, kill_on_drop: bool, in_thread: bool) -> Self {
        let stdin = child.stdin.take().map(ChildStdin::from);
        let stdout = child.stdout.take().map(ChildStdout::from);
        let stderr = child.stderr.take().map(ChildStderr::from);
        Self { running: Running::new(child, in_thread), kill_on_drop, stdin, stdout, stderr }
    }

    /// The number of the process. When it has ended the system may give it to another one.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("true").spawn()?;
    /// assert_ne!(child.id(), std::process::id());
    /// # child.wait()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Waits until it has ended. Its standard input is closed first, as std does, unless it was taken out of
    /// [`stdin`](Self::stdin).
    ///
    /// # Errors
    /// Those of std: of the system's number `ECHILD` if somebody else took the status, as a handler of SIGCHLD can.
    ///
    /// # Cancellation
    /// The child goes on, and can be waited for again.
    ///
    /// ```
    /// use coro_core::{prelude::*, process::Command};
    /// async_fn! {
    ///     async fn program() {
    ///         let child = Command::new("sleep").arg("60").spawn()?;
    ///         let waiting = coroutine(|| Ok(child.wait()?));
    ///         if let Err(error) = try_await!(wait_for(waiting, millis(10))) {
    ///             assert!(error.is_timeout());
    ///             child.kill()?;
    ///         }
    ///         assert!(!child.wait()?.success());
    ///     }
    /// }
    /// coro_core::run(program())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait(&self) -> io::Result<ExitStatus> {
        if let Some(stdin) = &self.stdin {
            stdin.close()?;
        }
        self.running.wait()
    }

    /// Its status if it has ended, without waiting.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// assert!(child.try_wait()?.is_none());
    /// child.kill()?;
    /// child.wait()?;
    /// assert!(child.try_wait()?.is_some());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.running.try_wait()
    }

    /// Waits until it has ended and gives what it wrote: to its standard output and its standard error output, where
    /// they were `piped()` and not taken out. Its standard input is closed first.
    ///
    /// # Errors
    /// Those of reading and of [`wait`](Self::wait). Within a loop, that there is no task.
    ///
    /// # Cancellation
    /// The child is dropped, and what was read is lost.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::{Command, Stdio}};
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("echo").arg("six eggs").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output()?.stdout, b"six eggs\n");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        match (self.stdout.take(), self.stderr.take()) {
            (Some(out), Some(err)) => (stdout, stderr) = read_both(out, err)?,
            (Some(mut out), None) => drop(out.read_to_end(&mut stdout)?),
            (None, Some(mut err)) => drop(err.read_to_end(&mut stderr)?),
            (None, None) => {}
        }
        Ok(Output { status: self.wait()?, stdout, stderr })
    }

    /// Ends it at once, by SIGKILL; one that has ended is left alone. As in std it is still to be waited for.
    ///
    /// # Errors
    /// Those of the system: a child that has become another user's may not be killed.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// use std::os::unix::process::ExitStatusExt;
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.wait()?.signal(), Some(9));
    /// child.kill()?; // does nothing
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn kill(&self) -> io::Result<()> {
        self.running.signal(libc::SIGKILL, false).map(drop)
    }

    /// Asks it to end, by SIGTERM. It may take its time, or do something else.
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// use std::os::unix::process::ExitStatusExt;
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.terminate()?;
    /// assert_eq!(child.wait()?.signal(), Some(15));
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(SignalKind::terminate())
    }

    /// Sends it a signal. No other process is ever hit: one that has ended is not signalled.
    ///
    /// # Errors
    /// One that leads to a [`ProcessLookupError`], if it has ended; those of the system.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::{Command, ProcessLookupError}, signal::SignalKind};
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("sleep").arg("60").spawn()?;
    /// child.send_signal(SignalKind::hangup())?;
    /// child.wait()?;
    /// let error = child.send_signal(SignalKind::hangup()).unwrap_err();
    /// assert!(Error::new(error).is::<ProcessLookupError>());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_signal(&self, signal: SignalKind) -> io::Result<()> {
        self.signal(signal, false)
    }

    /// Sends a signal to it and to all of its group, where it leads one:
    /// [`Command::process_group`](super::Command::process_group) of 0 makes it do so.
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal): also when the child has ended and others of its group have not.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command, signal::SignalKind};
    /// # coro_core::run(coroutine(|| {
    /// let mut shell = Command::new("sh");
    /// let child = shell.args(["-c", "sleep 60 | cat"]).process_group(0).spawn()?;
    /// child.send_signal_to_group(SignalKind::terminate())?; // to the shell, `sleep` and `cat`
    /// child.wait()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_signal_to_group(&self, signal: SignalKind) -> io::Result<()> {
        self.signal(signal, true)
    }

    fn signal(&self, signal: SignalKind, group: bool) -> io::Result<()> {
        match self.running.signal(signal.as_raw(), group)? {
            true => Ok(()),
            false => Err(Error::new(ProcessLookupError { id: self.id() }).into()),
        }
    }
}

impl Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { running, kill_on_drop, stdin, stdout, stderr } = self;
        f.debug_struct("Child")
            .field("id", running)
            .field("kill_on_drop", kill_on_drop)
            .field("stdin", stdin)
            .field("stdout", stdout)
            .field("stderr", stderr)
            .finish()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // It may have ended, or belong to another user by now.
            let _ = self.kill();
        }
        Arc::clone(&self.running).abandon();
    }
}
