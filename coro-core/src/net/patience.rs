//! Waiting for what the system has no event for: until a file descriptor is free, until an unconnected peer takes more.

use std::io;
use std::time::Duration;

#[cfg(unix)]
use crate::combinators::millis;
use crate::combinators::{secs, sleep};
use crate::coroutine::Awaitable;
use crate::error::{Error, Result};
use crate::events::{ExceptionContext, running_core};
use crate::in_place::{Place, place};

/// How long a listener rests when the system has no room for one more socket; `ACCEPT_RETRY_DELAY` of asyncio.
pub(crate) const REST: Duration = secs(1);

/// Sleeps: the task, or the thread where no loop runs.
fn pause(time: Duration) -> Result<()> {
    match place()? {
        Place::Thread => std::thread::sleep(time),
        Place::Task(_) => sleep(time).co_await()?,
    }
    Ok(())
}

/// Tries `operation` again and again as long as it would block, within `limit`.
#[cfg(unix)]
pub(super) fn retry<R>(
    limit: Option<Duration>,
    mut operation: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    let (mut next, mut paused) = (millis(1), Duration::ZERO);
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if limit.is_some_and(|limit| paused >= limit) {
                    return Err(crate::io::timed_out());
                }
                next = limit.map_or(next, |limit| next.min(limit - paused));
                pause(next)?;
                paused += next;
                next = (2 * next).min(millis(50));
            }
            result => return result,
        }
    }
}

/// Whether the system has no room for one more socket, now.
pub(crate) fn is_out_of_room(error: &io::Error) -> bool {
    #[cfg(unix)]
    const NUMBERS: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    #[cfg(not(unix))]
    const NUMBERS: [i32; 2] = [10_024, 10_055]; // WSAEMFILE, WSAENOBUFS
    error.raw_os_error().is_some_and(|number| NUMBERS.contains(&number))
}

/// Does `accept`; where the system has no room, the loop's exception handler is told, and the listener rests before it
/// tries again.
pub(super) fn accept<R>(mut accept: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    let mut told = false;
    loop {
        match accept() {
            Err(error) if is_out_of_room(&error) => {
                if let (Ok(core), false) = (running_core(), std::mem::replace(&mut told, true)) {
                    core.call_exception_handler(&ExceptionContext {
                        message: "socket.accept() out of system resource".to_owned(),
                        exception: Some(Error::new(error)),
                        future: None,
                        handle: None,
                    });
                }
                pause(REST)?;
            }
            result => return result,
        }
    }
}
