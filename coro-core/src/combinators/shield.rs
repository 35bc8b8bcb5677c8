//! `shield`: what is awaited goes on when the one who awaits is cancelled.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::coroutine::Awaitable;
use crate::error::{Cancelled, Result};
use crate::events::{AnyFuture, LoopCore, Runnable};
use crate::future::{Future, OnceFuture};
use crate::task::{EnsuredFuture, ensure_future};

/// Protects what it is given from the cancellation of the one who awaits it; `asyncio.shield()`.
///
/// It starts at the call; a coroutine becomes a task.
///
/// # Errors
/// When awaited: what `awaitable` raises; its cancellation, if it was cancelled itself.
///
/// # Cancellation
/// Only the waiting is cancelled. `awaitable` goes on; keep a handle if its result matters.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let inner = create_task(coroutine(|| { sleep(millis(20)).co_await()?; Ok("saved") }));
///     let outer = create_task(shield(inner.future()));
///     sleep(millis(5)).co_await()?;
///     outer.cancel();
///     assert!(outer.co_await().unwrap_err().is_cancelled());
///     assert_eq!(inner.co_await()?, "saved");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn shield<A>(awaitable: A) -> OnceFuture<A::Output>
where
    A: Awaitable + 'static,
    A::Output: 'static,
{
    let inner = ensure_future(awaitable);
    let outer = inner.0.event_loop().map_or_else(Future::new, Future::on);
    if inner.done() {
        // As if it were awaited itself: a cancellation keeps its message.
        match inner.into_result() {
            Err(error) if error.is::<Cancelled>() => {
                let message = error.downcast_ref::<Cancelled>().and_then(Cancelled::message);
                outer.settle_cancelled(message.map(str::to_owned));
            }
            result => settle(&outer, result),
        }
        return OnceFuture(outer);
    }
    let any = (*inner).clone();
    let done = InnerDone { inner: any.clone(), result: Cell::new(Some(inner)), outer: outer.clone() };
    let waiter: Rc<dyn Runnable> = Rc::new(done);
    any.0.add_waiter(Rc::clone(&waiter));
    outer.any().0.add_waiter(Rc::new(OuterDone { inner: any, waiter }));
    OnceFuture(outer)
}

fn settle<T: 'static>(outer: &Future<T>, result: Result<T>) {
    let settled = match result {
        Ok(value) => outer.settle_value(value),
        Err(error) if error.is::<Cancelled>() => {
            outer.cancel();
            Ok(())
        }
        Err(error) => outer.settle_failed(error),
    };
    debug_assert!(settled.is_ok() || outer.done(), "an outer future that is done stays as it is");
}

/// The done callback of what is shielded.
struct InnerDone<T> {
    inner: AnyFuture,
    result: Cell<Option<EnsuredFuture<T>>>,
    outer: Future<T>,
}

impl<T: 'static> Runnable for InnerDone<T> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        // Counts as looked at, also when the outer future was cancelled and nobody asks any more.
        drop(self.inner.exception());
        let result = self.result.take();
        if let Some(result) = result.filter(|_| !self.outer.cancelled()) {
            settle(&self.outer, result.into_result());
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shield()")
    }

    fn callback_name(&self) -> String {
        format!("shield() at {}:{}", file!(), line!())
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        Some(self.outer.any())
    }
}

/// The done callback of the outer future: nobody waits for the inner one any more.
struct OuterDone {
    inner: AnyFuture,
    waiter: Rc<dyn Runnable>,
}

impl Runnable for OuterDone {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if !self.inner.done() {
            self.inner.0.remove_waiter(&self.waiter);
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shield()")
    }
}
