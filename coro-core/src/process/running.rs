//! [`Running`]: a child process until its status is known, and the wait for that.
//!
//! 1. The status is taken from the system once, under the lock, and kept. A process is signalled under the same lock and
//!    only before that: its number cannot have gone to another process.
//! 2. Each wait has a file descriptor of its own that is readable when the child has ended: a pidfd of Linux, or the
//!    end of a pipe that a thread closes. Waits on several loops do not take it from each other.
//! 3. Whoever takes the status closes that pipe. The thread only waits, and then looks as everybody does.
//! 4. What nobody holds any more ends as well: a thread takes its status, so that no zombie stays.
#![allow(unsafe_code)] // sends signals

use std::fmt::{self, Debug};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{self, ExitStatus};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::in_place::place;
use crate::io::{Endpoint, Hold, Io, Side};

/// A thread that only waits needs little.
const STACK: usize = 64 * 1024;

/// Children without a handle for whom no thread could be made: they are looked at now and then.
static ABANDONED: Mutex<Vec<Arc<Running>>> = Mutex::new(Vec::new());

/// A child process, which may have ended.
pub(super) struct Running {
    id: u32,
    state: Mutex<State>,
    /// Whether a thread waits even where a pidfd can be had.
    in_thread: bool,
}

struct State {
    child: process::Child,
    ended: Option<Ended>,
    /// Once there is a thread: at its end when the status was taken.
    thread: Option<PipeReader>,
    writer: Option<PipeWriter>,
}

/// How it ended; the number of the system's error if the status is lost, since somebody else took it.
type Ended = Result<ExitStatus, i32>;

impl State {
    /// Asks the system.
    fn look(&mut self) -> io::Result<Option<Ended>> {
        if self.ended.is_none() {
            self.ended = match self.child.try_wait() {
                Ok(status) => status.map(Ok),
                Err(error) => match error.raw_os_error() {
                    Some(libc::ECHILD) => Some(Err(libc::ECHILD)),
                    _ => return Err(error),
                },
            };
            if self.ended.is_some() {
                self.writer = None;
            }
        }
        Ok(self.ended)
    }
}

/// Readable, or at its end, when a child has ended.
pub(super) struct End(OwnedFd);

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Endpoint for End {
    fn hold(&self) -> Hold {
        Hold::RealTime
    }
}

impl Running {
    /// The streams of `child` were taken out.
    pub(super) fn new(child: process::Child, in_thread: bool) -> Arc<Self> {
        look_after_abandoned();
        let state = State { ended: None, thread: None, writer: None, child };
        Arc::new(Self { id: state.child.id(), state: Mutex::new(state), in_thread })
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// How it ended, if it has.
    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let ended = self.state.lock().look()?;
        ended.map(|ended| ended.map_err(io::Error::from_raw_os_error)).transpose()
    }

    /// Waits until it has ended.
    pub(super) fn wait(self: &Arc<Self>) -> io::Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        place()?;
        let ended = |_: &End| self.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
        self.end()?.run(Side::Read, ended, |_| false)
    }

    /// What is ready when it has ended.
    pub(super) fn end(self: &Arc<Self>) -> io::Result<Io<End>> {
        let fd = match self.in_thread {
            true => self.pipe()?,
            false => self.pidfd().map_or_else(|| self.pipe(), Ok)?,
        };
        Ok(Io::new(End(fd)))
    }

    /// A pidfd, where the system has them and allows it.
    #[cfg(target_os = "linux")]
    fn pidfd(&self) -> Option<OwnedFd> {
        let state = self.state.lock();
        if state.ended.is_some() {
            return None;
        }
        rustix::process::pidfd_open(pid(self.id)?, rustix::process::PidfdFlags::empty()).ok()
    }

    #[cfg(not(target_os = "linux"))]
    fn pidfd(&self) -> Option<OwnedFd> {
        None
    }

    /// A pipe that is at its end when a thread has seen the child end.
    fn pipe(self: &Arc<Self>) -> io::Result<OwnedFd> {
        self.watch()?;
        let state = self.state.lock();
        let pipe = state.thread.as_ref().expect("a thread was made just now").try_clone()?;
        Ok(pipe.into())
    }

    /// Makes a thread that takes the status.
    fn watch(self: &Arc<Self>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.thread.is_some() {
            return Ok(());
        }
        let (reader, writer) = io::pipe()?;
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name(format!("coro-child-{}", self.id)).stack_size(STACK);
        thread.spawn(move || {
            if let Some(pid) = pid(this.id) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                // What goes wrong here goes wrong below, and is kept there.
                while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
            }
            let mut state = this.state.lock();
            if let Err(error) = state.look() {
                state.ended = Some(Err(error.raw_os_error().unwrap_or(libc::ECHILD)));
                state.writer = None;
            }
        })?;
        state.thread = Some(reader);
        state.writer = state.ended.is_none().then_some(writer);
        Ok(())
    }

    /// Sends a signal, to its group if `group`. Whether it was there: one that has ended is left alone.
    pub(super) fn signal(&self, signal: i32, group: bool) -> io::Result<bool> {
        let mut state = self.state.lock();
        let ended = state.look()?;
        let number = libc::pid_t::try_from(self.id).ok().filter(|_| ended.is_none());
        let Some(number) = number else { return Ok(false) };
        // SAFETY: it only sends a signal: to a child of this process, whose status is taken under the lock alone.
        match unsafe { libc::kill(if group { -number } else { number }, signal) } {
            0 => Ok(true),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Lets go of it: its status is taken whenever it ends.
    pub(super) fn abandon(self: Arc<Self>) {
        let lives = matches!(self.try_wait(), Ok(None));
        if lives && self.watch().is_err() {
            ABANDONED.lock().push(self);
        }
    }
}

impl Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// Takes the status of those that have ended meanwhile and have no thread.
fn look_after_abandoned() {
    ABANDONED.lock().retain(|running| matches!(running.try_wait(), Ok(None)));
}
