//! Signals for tasks: [`ctrl_c`] waits for one, [`Signals`] gives one after the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::rc::{Rc, Weak};

use super::SignalKind;
use super::handlers::{listen, unlisten};
use crate::async_iter::AsyncIterator;
use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::Origin;
use crate::error::{Result, RuntimeError};
use crate::events::{LoopCore, SignalListener, running_core};
use crate::sync::Notify;

/// The signals of some kinds, as they come. They are listened to from when this is made until it is dropped.
///
/// It never ends. A kind that comes several times before it is asked for is given once. While it lives, the
/// signals do nothing else, as with [`add_signal_handler`](crate::EventLoop::add_signal_handler); several that listen
/// to the same kind are all told.
///
/// # Errors
/// Of the items: [`RuntimeError`] where another loop runs than the one it was made on, or that one is closed.
///
/// # Cancellation
/// No signal is lost: the next call gives it.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::signal::{SignalKind, Signals};
///
/// async_fn! {
///     async fn serve() -> Vec<String> {
///         let mut seen = Vec::new();
///         async for kind in Signals::new([SignalKind::interrupt(), SignalKind::terminate()])? {
///             seen.push(kind.to_string());
///             if kind == SignalKind::terminate() { break; }
///             # raise(15);
///         }
///         seen
///     }
/// }
/// # unsafe extern "C" { safe fn raise(signal: i32) -> i32; }
/// # let main = coroutine(|| { get_running_loop()?.call_soon(|| { raise(2); }); serve().co_await() });
/// # let seen = coro_core::run(main)?;
/// assert_eq!(seen, ["SIGINT", "SIGTERM"]);
/// # Ok::<(), Error>(())
/// ```
///
/// It stays on the thread of its loop:
/// ```compile_fail
/// fn send(_: impl Send) {}
/// send(coro_core::signal::Signals::new([]).unwrap());
/// ```
pub struct Signals {
    core: Weak<LoopCore>,
    kinds: Vec<SignalKind>,
    mailbox: Rc<Mailbox>,
}

#[derive(Default)]
struct Mailbox {
    heard: RefCell<VecDeque<SignalKind>>,
    news: Notify,
}

impl SignalListener for Mailbox {
    fn heard(&self, signal: u8) {
        let kind = SignalKind::from_raw(i32::from(signal));
        let mut heard = self.heard.borrow_mut();
        if !heard.contains(&kind) {
            heard.push_back(kind);
        }
        drop(heard);
        self.news.notify_one();
    }
}

impl Signals {
    /// Listens to these kinds from now on.
    ///
    /// # Errors
    /// [`ValueError`](crate::ValueError) for a number that is no signal; [`RuntimeError`] for one that cannot be caught,
    /// as with [`add_signal_handler`](crate::EventLoop::add_signal_handler), and "no running event loop".
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::signal::{SignalKind, Signals};
    /// coro_core::run(coroutine(|| {
    ///     let mut ends = Signals::new([SignalKind::interrupt(), SignalKind::terminate()])?;
    ///     # unsafe extern "C" { safe fn raise(signal: i32) -> i32; }
    ///     raise(15);
    ///     assert_eq!(ends.anext()?, Some(SignalKind::terminate()));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(kinds: impl IntoIterator<Item = SignalKind>) -> Result<Self> {
        let wanted: Vec<SignalKind> = kinds.into_iter().collect();
        let core = running_core()?;
        // Those of before the error are given back by the drop.
        let mut signals =
            Self { core: Rc::downgrade(&core), kinds: Vec::new(), mailbox: Rc::new(Mailbox::default()) };
        for kind in wanted {
            if !signals.kinds.contains(&kind) {
                listen(&core, kind.checked()?, Rc::clone(&signals.mailbox) as Rc<dyn SignalListener>)?;
                signals.kinds.push(kind);
            }
        }
        Ok(signals)
    }
}

impl AsyncIterator for Signals {
    type Item = SignalKind;

    fn anext(&mut self) -> Result<Option<SignalKind>> {
        loop {
            let kind = self.mailbox.heard.borrow_mut().pop_front();
            if kind.is_some() {
                return Ok(kind);
            }
            match self.core.upgrade() {
                Some(core) if core.closed.get() => core.check_open()?,
                Some(core) if Rc::ptr_eq(&core, &running_core()?) => {}
                _ => return Err(RuntimeError::new("the signals come to a different event loop").into()),
            }
            self.mailbox.news.notified().co_await()?;
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let Some(core) = self.core.upgrade() else { return };
        let mailbox = Rc::clone(&self.mailbox) as Rc<dyn SignalListener>;
        for signal in self.kinds.drain(..).filter_map(|kind| kind.checked().ok()) {
            unlisten(&core, signal, &mailbox);
        }
    }
}

impl Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.kinds).finish()
    }
}

/// Listens to one kind of signal: [`Signals::new`] with that alone.
///
/// # Errors
/// As [`Signals::new`].
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::signal::{SignalKind, signal};
/// coro_core::run(coroutine(|| {
///     let mut ends = signal(SignalKind::terminate())?;
///     # unsafe extern "C" { safe fn raise(signal: i32) -> i32; }
///     raise(15);
///     assert_eq!(ends.anext()?, Some(SignalKind::terminate()));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn signal(kind: SignalKind) -> Result<Signals> {
    Signals::new([kind])
}

/// What [`ctrl_c`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// let pressed: coro_core::signal::CtrlC = coro_core::signal::ctrl_c(); // has not begun
/// # drop(pressed);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it waits only when it is awaited"]
pub struct CtrlC {
    _private: (),
}

/// Waits for the next Ctrl-C: a SIGINT. While it is awaited it takes the place of what [`run`](crate::run) does then.
///
/// Between two awaits a Ctrl-C does what `run` makes of it: who wants them all uses [`signal`].
///
/// # Errors
/// When awaited: [`RuntimeError`] "no running event loop".
///
/// # Cancellation
/// Nothing is kept.
///
/// ```
/// use coro_core::{prelude::*, signal::ctrl_c};
/// # unsafe extern "C" { safe fn raise(signal: i32) -> i32; }
/// coro_core::run(coroutine(|| {
///     let server = create_task(sleep(secs(3600)));
///     # get_running_loop()?.call_later(millis(1), || { raise(2); });
///     ctrl_c().co_await()?; // until somebody presses it
///     server.cancel();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn ctrl_c() -> CtrlC {
    CtrlC { _private: () }
}

impl Awaitable for CtrlC {
    type Output = ();

    fn co_await(self) -> Result<()> {
        signal(SignalKind::interrupt())?.anext().map(drop)
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "ctrl_c"))
    }
}

into_future! { [] CtrlC => (); }
