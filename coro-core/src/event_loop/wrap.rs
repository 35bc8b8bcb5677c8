//! `wrap_future`: the result of another loop as a future of this one.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::ThreadsafeFuture;
use crate::error::Cancelled;
use crate::events::{LoopCore, Runnable, running_core};
use crate::future::{Future, OnceFuture};
use crate::waker::{WakeSlot, Woken};

/// A thread-safe future as a future of the running loop; `asyncio.wrap_future()`.
///
/// To await it once no wrapping is needed: it is a std future. Wrapped, it can be gathered, waited for with others, and
/// be cancelled as any future of the loop. The result is taken by the wrapped one.
///
/// # Errors
/// When awaited: what the coroutine raised; [`RuntimeError`](crate::RuntimeError) without a running loop, and if the result
/// was taken before.
///
/// # Cancellation
/// Cancelling one cancels the other: the coroutine on its loop, and the future on this one.
///
/// ```
/// use coro_core::{prelude::*, wrap_future};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let nap = get_running_loop()?.handle().run_coroutine_threadsafe(|| sleep(secs(3600)));
/// let wrapped = wrap_future(nap.clone());
/// assert!(wait_for(wrapped, secs(1)).co_await().unwrap_err().is_timeout());
/// sleep(secs(1)).co_await()?;
/// assert!(nap.cancelled());
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn wrap_future<T: Send + 'static>(future: ThreadsafeFuture<T>) -> OnceFuture<T> {
    let core = match running_core() {
        Ok(core) => core,
        Err(error) => return OnceFuture(Future::failed(error)),
    };
    let wrapped = Future::on(Rc::clone(&core));
    let chain = Rc::new(Chain { source: future, wrapped: wrapped.clone(), slot: RefCell::default() });
    let slot = WakeSlot::new(&core, Rc::clone(&chain) as Rc<dyn Woken>);
    chain.slot.replace(Some(slot));
    wrapped.any().0.add_waiter(Rc::new(Settled(Rc::clone(&chain))));
    chain.wake();
    OnceFuture(wrapped)
}

/// Both futures. The slot holds it, and so does the callback of `wrapped`.
struct Chain<T> {
    source: ThreadsafeFuture<T>,
    wrapped: Future<T>,
    /// Until one of them is done.
    slot: RefCell<Option<WakeSlot>>,
}

impl<T: Send + 'static> Woken for Chain<T> {
    fn wake(self: Rc<Self>) {
        let Some(waker) = self.slot.borrow().as_ref().map(|slot| slot.waker().clone()) else { return };
        let Some(result) = self.source.take_or_wake(&waker) else { return };
        let slot = self.slot.take();
        drop(slot);
        // One that was settled meanwhile stays as it is.
        let _ = match result {
            Ok(value) => self.wrapped.settle_value(value),
            Err(error) if error.is_cancelled() => {
                let message = error.downcast_ref::<Cancelled>().and_then(Cancelled::message);
                self.wrapped.settle_cancelled(message.map(str::to_owned));
                Ok(())
            }
            Err(error) => self.wrapped.settle_failed(error),
        };
    }
}

/// The done callback of the wrapped one.
struct Settled<T>(Rc<Chain<T>>);

impl<T: Send + 'static> Runnable for Settled<T> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let slot = self.0.slot.take();
        drop(slot);
        if self.0.wrapped.cancelled() {
            self.0.source.cancel();
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrap_future()")
    }

    fn callback_name(&self) -> String {
        format!("wrap_future() at {}:{}", file!(), line!())
    }
}
