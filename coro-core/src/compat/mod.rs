//! std futures on this loop, and this library's awaitables in `async` blocks.
//!
//! Every `std::future::Future` is an [`Awaitable`]: it is polled on the stack of the one who
//! awaits it. An awaitable of this library is `IntoFuture`: in an `async` block, `.await` on a sleep, a future or a task
//! waits without a stack; anything else runs as a task.
//!
//! ```
//! use coro_core::prelude::*;
//! let both = coro_core::run(coroutine(|| {
//!     let six = async { 2 * 3 }.co_await()?;
//!     let seven = async { sleep(millis(1)).result(7).await }.co_await()??;
//!     Ok((six, seven))
//! }))?;
//! assert_eq!(both, (6, 7));
//! # Ok::<(), Error>(())
//! ```
//!
//! `compat::smol` has what the smol family of crates adds to std futures (feature `smol-timeout`, on by default), and
//! `compat::hyper` what hyper asks of a runtime (feature `hyper`).
//
// Floor 6, above tasks.

#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "smol-timeout")]
pub mod smol;

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::future::Future as StdFuture;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as PollContext, Poll, Waker};

use crate::coroutine::{Awaitable, Coroutine, Origins, Polled, Polls, SharedCoroutine, Stackless, suspend};
use crate::definition::Origin;
use crate::error::{Result, RuntimeError};
use crate::events::{AnyFuture, LoopCore, Runnable, Waitable, Wakeup, running_core};
use crate::fiber::Awaited;
use crate::future::{Future, OnceFuture};
use crate::task::{EnsuredFuture, Task, ensure_future};
use crate::waker::{KeptWaker, WakeSlot, Woken};

#[diagnostic::do_not_recommend]
impl<F: StdFuture> Awaitable for F {
    type Output = F::Output;

    fn co_await(self) -> Result<F::Output> {
        let mut future = pin!(self);
        // Many futures are ready at once: no loop is needed for those.
        let Ok(core) = running_core() else {
            return match future.as_mut().poll(&mut PollContext::from_waker(Waker::noop())) {
                Poll::Ready(value) => Ok(value),
                Poll::Pending => running_core().map(|_| unreachable!("looked at above")),
            };
        };
        let wake_up = Rc::new(WakeUp { wait: RefCell::new(Wakeup::new(&core)) });
        let slot = WakeSlot::new(&core, Rc::clone(&wake_up) as Rc<dyn Woken>);
        loop {
            let mut context = PollContext::from_waker(slot.waker());
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return Ok(value);
            }
            let wait = Rc::clone(&wake_up.wait.borrow());
            suspend(Awaited::Future(AnyFuture(wait as Rc<dyn Waitable>)))?;
            wake_up.renew(&core);
        }
    }

    fn __stackless(self) -> Stackless<Self>
    where
        Self: 'static,
    {
        Stackless::Yes(Box::pin(self))
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::of_type::<F>())
    }
}

/// What a waker of a future that is polled on a stack ends.
struct WakeUp {
    wait: RefCell<Rc<Wakeup>>,
}

impl WakeUp {
    /// Begins the next wait.
    fn renew(&self, core: &Rc<LoopCore>) {
        let next = Wakeup::new(core);
        self.wait.replace(next).give_back();
    }
}

impl Woken for WakeUp {
    fn wake(self: Rc<Self>) {
        // A second wake before the next poll finds it ended, which is as good.
        self.wait.borrow().wake();
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        Some(AnyFuture(Rc::clone(&self.wait.borrow()) as Rc<dyn Waitable>))
    }
}

impl Drop for WakeUp {
    fn drop(&mut self) {
        self.wait.get_mut().give_back();
    }
}

/// One of this library's awaitables as a std future, polled on the running loop.
///
/// A sleep, a future and a task are waited for as they are. Whatever else it is runs as a task: it needs a stack.
///
/// # Errors
/// Its output is a `Result`: what the awaitable raises, and [`RuntimeError`] "no running
/// event loop" where it would have to wait outside a loop.
///
/// # Cancellation
/// Dropping it, once it was polled, cancels the task or future; a sleep's timer is cancelled.
///
/// # Panics
/// When it is polled after it was ready.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::AsStdFuture;
/// let nap: AsStdFuture<_> = sleep(secs(1)).into_future(); // what `.await` calls
/// let both = async { nap.await?; Ok::<_, Error>(create_task(coroutine(|| Ok(6))).await?) };
/// assert_eq!(both.co_await()??, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct AsStdFuture<A: Awaitable> {
    state: Cell<State<A>>,
}

enum State<A: Awaitable> {
    New(A),
    /// The result is due at the next poll.
    Next(A::Output),
    Waits(Rc<dyn Polled<A::Output>>),
    Done,
}

impl<A: Awaitable> AsStdFuture<A> {
    pub(crate) fn new(awaitable: A) -> Self {
        Self { state: Cell::new(State::New(awaitable)) }
    }
}

// Nothing in it is pinned: what it holds is moved into a task, or is a handle.
impl<A: Awaitable> Unpin for AsStdFuture<A> {}

impl<A> StdFuture for AsStdFuture<A>
where
    A: Awaitable + 'static,
    A::Output: 'static,
{
    type Output = Result<A::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<Self::Output> {
        let waits = match self.state.replace(State::Done) {
            State::New(awaitable) => match awaitable.__poll()? {
                Polls::Waits(waits) => waits,
                Polls::No(awaitable) => match Waiting::begin(ensure_future(awaitable)) {
                    Ok(waiting) => waiting,
                    Err(result) => return Poll::Ready(result),
                },
                Polls::Next(result) => {
                    self.state.set(State::Next(result));
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
            State::Next(result) => return Poll::Ready(Ok(result)),
            State::Waits(waits) => waits,
            State::Done => panic!("a future was polled after it was ready"),
        };
        let polled = waits.poll(context);
        if polled.is_pending() {
            self.state.set(State::Waits(waits));
        }
        polled
    }
}

impl<A: Awaitable> Drop for AsStdFuture<A> {
    fn drop(&mut self) {
        if let State::Waits(waits) = self.state.replace(State::Done) {
            waits.cancel();
        }
    }
}

/// A wait for a future or a task, in its list of callbacks.
struct Waiting<T> {
    future: AnyFuture,
    result: Cell<Option<EnsuredFuture<T>>>,
    waker: Cell<Option<KeptWaker>>,
}

impl<T: 'static> Waiting<T> {
    /// What it waits for, or the result, if that is there.
    fn begin(ensured: EnsuredFuture<T>) -> std::result::Result<Rc<dyn Polled<T>>, Result<T>> {
        if ensured.done() {
            return Err(ensured.into_result());
        }
        let core = running_core().map_err(Err)?;
        if !ensured.0.is_of(&core) {
            let message = format!("got Future {:?} attached to a different loop", *ensured);
            return Err(Err(RuntimeError::new(message).into()));
        }
        let waiting = Rc::new(Self {
            future: (*ensured).clone(),
            result: Cell::new(Some(ensured)),
            waker: Cell::default(),
        });
        waiting.future.0.add_waiter(Rc::clone(&waiting) as Rc<dyn Runnable>);
        Ok(waiting)
    }
}

impl<T: 'static> Polled<T> for Waiting<T> {
    fn poll(&self, context: &mut PollContext<'_>) -> Poll<Result<T>> {
        if self.future.done() {
            let ensured = self.result.take();
            return Poll::Ready(ensured.map_or_else(
                || unreachable!("who took the result, or cancelled it, polls no more"),
                EnsuredFuture::into_result,
            ));
        }
        let old = self.waker.replace(Some(KeptWaker::new(context.waker())));
        drop(old);
        Poll::Pending
    }

    fn cancel(self: Rc<Self>) {
        let waker = self.waker.take();
        let this = Rc::clone(&self) as Rc<dyn Runnable>;
        self.future.0.remove_waiter(&this);
        self.future.cancel();
        drop((waker, self.result.take()));
    }
}

impl<T: 'static> Runnable for Waiting<T> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker::wake()")
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        let waker = self.waker.take();
        let awaiter = waker.as_ref().and_then(KeptWaker::awaiter);
        self.waker.set(waker);
        awaiter
    }
}

impl<A: Awaitable> Debug for AsStdFuture<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<AsStdFuture>")
    }
}

/// `.await` in an `async` block, for awaitables that own what they use. `[…]` are the parameters with their bounds.
macro_rules! into_future {
    ($([$($parameters:tt)*] $awaitable:ty => $output:ty;)+) => {$(
        impl<$($parameters)*> IntoFuture for $awaitable {
            type Output = $crate::Result<$output>;
            type IntoFuture = $crate::compat::AsStdFuture<Self>;

            fn into_future(self) -> Self::IntoFuture {
                $crate::compat::AsStdFuture::new(self)
            }
        }
    )+};
}
pub(crate) use into_future;

into_future! {
    [T: Clone + 'static] Future<T> => T;
    [T: 'static] OnceFuture<T> => T;
    [T: 'static] Task<T> => T;
    [T: 'static] EnsuredFuture<T> => T;
    [T: 'static] SharedCoroutine<T> => T;
    [F: FnOnce() -> Result<T> + 'static, T: 'static] Coroutine<F> => T;
}
