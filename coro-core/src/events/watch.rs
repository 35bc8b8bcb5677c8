//! Readiness callbacks: `add_reader` and its like.
//!
//! Floor 1. A watch is an entry of the ready queue that is used again and again: the reactor puts it there whenever it
//! finds the file descriptor ready.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::{Rc, Weak};

use super::{EventLoop, ExceptionContext, LoopCore, Runnable};
use crate::context::Context;
use crate::error::{Error, Panicked, Result};
use crate::reactor::{Direction, Registration, Source};
use crate::unwind;

/// All watches of a loop, by the number that the user gave and the direction.
pub(crate) type Watches = RefCell<BTreeMap<(RawFd, Direction), Rc<Watch>>>;

/// A callback, and what it waits for. Dropping it ends it.
pub(crate) struct Watch {
    /// Not there while it runs, and after the end.
    callback: Cell<Option<Box<dyn FnMut()>>>,
    ended: Cell<bool>,
    registration: RefCell<Option<Registration>>,
    context: Context,
    core: Weak<LoopCore>,
    location: &'static Location<'static>,
}

impl Watch {
    fn end(&self) {
        self.ended.set(true);
        let registration = self.registration.take();
        let callback = self.callback.take();
        drop((registration, callback));
    }
}

impl Source for Watch {
    fn ready(self: Rc<Self>) {
        if let Some(registration) = &*self.registration.borrow() {
            registration.rearm();
        }
        if let Some(core) = self.core.upgrade() {
            core.push(self);
        }
    }
}

impl Runnable for Watch {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let Some(mut callback) = self.callback.take() else { return };
        let entered = self.context.enter();
        let result = catch_unwind(AssertUnwindSafe(&mut callback));
        drop(entered);
        // It may have ended meanwhile.
        match self.ended.get() {
            true => drop(callback),
            false => self.callback.set(Some(callback)),
        }
        if let (Err(payload), Some(core)) = (result, self.core.upgrade()) {
            unwind::pass_on(&*payload);
            core.call_exception_handler(&ExceptionContext {
                message: format!("Exception in callback at {}", self.location),
                exception: Some(Error::new(Panicked::new(payload))),
                future: None,
                handle: Some(format!("<Handle closure() at {}>", self.location)),
            });
        }
    }

    fn is_cancelled(&self) -> bool {
        self.ended.get()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = if self.ended.get() { " cancelled" } else { "" };
        write!(f, "<Handle{cancelled} closure() at {}>", self.location)
    }
}

impl EventLoop {
    /// Runs `callback` in every round that finds `fd` ready to be read, at its end, or broken; `loop.add_reader(fd,
    /// callback)`. A reader that `fd` has already is replaced.
    ///
    /// `fd` is duplicated and the duplicate is watched: closing the original does not end the watch, and the other
    /// side sees no end until the watch has ended. [`remove_reader`](Self::remove_reader) ends it, by the number that
    /// `fd` has now; so does closing the loop.
    ///
    /// The callback cannot await, should not block, and runs in a copy of the present context. One that panics is
    /// told to the exception handler, and is called again.
    ///
    /// Under a virtual clock time does not jump while something is ready. A loop that waits for a reader is not
    /// deadlocked.
    ///
    /// # Errors
    /// [`RuntimeError`](crate::RuntimeError) "Event loop is closed"; what the operating system says if `fd` cannot
    /// be duplicated or watched, as a file on a disk. A reader that `fd` had stays then.
    ///
    /// ```
    /// use coro_core::{Future, prelude::*};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (mut near, mut far) = UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// coro_core::run(coroutine(move || {
    ///     let event_loop = get_running_loop()?;
    ///     let got = Future::new();
    ///     let (reader, result) = (near.try_clone()?, got.clone());
    ///     event_loop.add_reader(&near, move || {
    ///         let mut text = String::new();
    ///         let _ = (&reader).take(4).read_to_string(&mut text);
    ///         let _ = result.set_result(text);
    ///     })?;
    ///     far.write_all(b"eggs")?;
    ///     assert_eq!(got.co_await()?, "eggs");
    ///     assert!(event_loop.remove_reader(&near));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn add_reader(&self, fd: &impl AsFd, callback: impl FnMut() + 'static) -> Result<()> {
        self.watch(fd.as_fd(), Direction::Read, Location::caller(), Box::new(callback))
    }

    /// Ends what [`add_reader`](Self::add_reader) began. Whether there was a reader; on a closed loop there is none.
    ///
    /// `fd` is a file, a socket, or the bare number that it had.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use std::os::fd::AsRawFd;
    /// let event_loop = get_running_loop()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let number = near.as_raw_fd();
    /// event_loop.add_reader(&near, || ())?;
    /// drop(near);
    /// assert!(event_loop.remove_reader(&number));
    /// assert!(!event_loop.remove_reader(&number));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn remove_reader(&self, fd: &impl AsRawFd) -> bool {
        self.unwatch(fd.as_raw_fd(), Direction::Read)
    }

    /// Runs `callback` in every round that finds that `fd` can be written to, or is broken;
    /// `loop.add_writer(fd, callback)`. Otherwise as [`add_reader`](Self::add_reader), and independent of it.
    ///
    /// A socket can be written to nearly always: remove the writer when nothing is left to be written, or the
    /// loop never rests.
    ///
    /// # Errors
    /// As [`add_reader`](Self::add_reader).
    ///
    /// ```
    /// use coro_core::{Future, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let event_loop = get_running_loop()?;
    /// let writable = Future::new();
    /// let result = writable.clone();
    /// event_loop.add_writer(&near, move || {
    ///     let _ = result.set_result(());
    /// })?;
    /// writable.co_await()?;
    /// event_loop.remove_writer(&near);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn add_writer(&self, fd: &impl AsFd, callback: impl FnMut() + 'static) -> Result<()> {
        self.watch(fd.as_fd(), Direction::Write, Location::caller(), Box::new(callback))
    }

    /// Ends what [`add_writer`](Self::add_writer) began. Whether there was a writer; on a closed loop there is none.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// event_loop.add_writer(&near, || ())?;
    /// assert!(!event_loop.remove_reader(&near) && event_loop.remove_writer(&near));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn remove_writer(&self, fd: &impl AsRawFd) -> bool {
        self.unwatch(fd.as_raw_fd(), Direction::Write)
    }

    fn watch(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        location: &'static Location<'static>,
        callback: Box<dyn FnMut()>,
    ) -> Result<()> {
        self.core.check_open()?;
        let watch = Rc::new(Watch {
            callback: Cell::new(Some(callback)),
            ended: Cell::new(false),
            registration: RefCell::default(),
            context: Context::copied(),
            core: Rc::downgrade(&self.core),
            location,
        });
        let source = Rc::downgrade(&watch);
        let registration = self.core.reactor.watch(fd, direction, source)?;
        *watch.registration.borrow_mut() = Some(registration);
        let old = self.core.watches.borrow_mut().insert((fd.as_raw_fd(), direction), watch);
        if let Some(old) = old {
            old.end();
        }
        Ok(())
    }

    fn unwatch(&self, fd: RawFd, direction: Direction) -> bool {
        let watch = self.core.watches.borrow_mut().remove(&(fd, direction));
        watch.inspect(|watch| watch.end()).is_some()
    }
}
