//! `gather`: many awaitables at once, results in the order of the arguments.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::coroutine::Awaitable;
use crate::error::{Error, Result, ValueError};
use crate::events::{AnyFuture, LoopCore, Runnable, running_core};
use crate::future::{Future, OnceFuture};
use crate::task::{EnsuredFuture, ensure_future};

/// What [`gather`] accepts: an iterator of awaitables of one type, or a tuple of up to eight of different types.
///
/// `M` only tells the two apart; it is always inferred.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let all = gather((1..=3).map(|n| coroutine(move || Ok(n)))).co_await()?; // an iterator gives a Vec
/// let both = gather((coroutine(|| Ok(1)), coroutine(|| Ok("two")))).co_await()?; // a tuple gives a tuple
/// assert_eq!((all, both), (vec![1, 2, 3], (1, "two")));
/// # Ok(())
/// # })).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be gathered",
    label = "neither an iterator of awaitables nor a tuple of them",
    note = "pass an iterator, a `Vec` or an array of awaitables of one type, or a tuple of awaitables"
)]
pub trait IntoGather<M> {
    /// A `Vec` of results, or a tuple of them.
    type Output: 'static;
    /// The same with a `Result` for each.
    type Settled: 'static;

    /// Makes a task of each that is none yet.
    #[doc(hidden)]
    fn into_gathered(self) -> Gathered<Self::Output, Self::Settled>;
}

type Collect<O> = Box<dyn FnOnce() -> Result<O>>;

/// A child, and whether it was done when its turn came: an eager one after it may have ended it since.
struct Taken {
    future: AnyFuture,
    was_done: bool,
}

impl Taken {
    fn now<T>(future: &EnsuredFuture<T>) -> Self {
        Self { future: (**future).clone(), was_done: future.done() }
    }
}

/// Hidden: the children, and how their results are put together once all are done.
#[doc(hidden)]
pub struct Gathered<O, S> {
    children: Vec<Taken>,
    results: Collect<O>,
    settled: Box<dyn FnOnce() -> S>,
}

/// Tells an iterator from a tuple in [`IntoGather`].
///
/// ```
/// # use coro_core::prelude::*;
/// fn all<I: coro_core::IntoGather<coro_core::Iterated>>(eggs: I) -> coro_core::OnceFuture<I::Output> {
///     gather(eggs)
/// }
/// # coro_core::run(coroutine(|| {
/// assert_eq!(all([coroutine(|| Ok(1))]).co_await()?, [1]);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Debug)]
pub struct Iterated;

impl<I, A> IntoGather<Iterated> for I
where
    I: IntoIterator<Item = A>,
    A: Awaitable + 'static,
    A::Output: 'static,
{
    type Output = Vec<A::Output>;
    type Settled = Vec<Result<A::Output>>;

    fn into_gathered(self) -> Gathered<Self::Output, Self::Settled> {
        // All of them are there before the first becomes a task: the iterator may make tasks too.
        let awaitables: Vec<A> = self.into_iter().collect();
        let mut children = Vec::with_capacity(awaitables.len());
        let mut take = |awaitable| {
            let future = ensure_future(awaitable);
            children.push(Taken::now(&future));
            future
        };
        let futures: Vec<EnsuredFuture<A::Output>> = awaitables.into_iter().map(&mut take).collect();
        let futures = Rc::new(Cell::new(futures));
        let again = Rc::clone(&futures);
        Gathered {
            children,
            results: Box::new(move || futures.take().into_iter().map(EnsuredFuture::into_result).collect()),
            settled: Box::new(move || again.take().into_iter().map(EnsuredFuture::into_result).collect()),
        }
    }
}

macro_rules! tuples {
    ($($name:ident),+) => {
        impl<$($name),+> IntoGather<($($name,)+)> for ($($name,)+)
        where
            $($name: Awaitable + 'static, $name::Output: 'static),+
        {
            type Output = ($($name::Output,)+);
            type Settled = ($(Result<$name::Output>,)+);

            #[expect(non_snake_case, reason = "variables are named after their types")]
            fn into_gathered(self) -> Gathered<Self::Output, Self::Settled> {
                let ($($name,)+) = self;
                let mut children = Vec::new();
                let futures = ($({
                    let future = ensure_future($name);
                    children.push(Taken::now(&future));
                    future
                },)+);
                let futures = Rc::new(Cell::new(Some(futures)));
                let again = Rc::clone(&futures);
                Gathered {
                    children,
                    results: Box::new(move || {
                        let Some(($($name,)+)) = futures.take() else { unreachable!("results are taken once") };
                        Ok(($($name.into_result()?,)+))
                    }),
                    settled: Box::new(move || {
                        let Some(($($name,)+)) = again.take() else { unreachable!("results are taken once") };
                        ($($name.into_result(),)+)
                    }),
                }
            }
        }
    };
}

tuples!(A);
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);
tuples!(A, B, C, D, E);
tuples!(A, B, C, D, E, F);
tuples!(A, B, C, D, E, F, G);
tuples!(A, B, C, D, E, F, G, H);

/// Runs all at once and gives their results in the order of the arguments; `asyncio.gather()`.
///
/// It starts at the call; coroutines become tasks. So the loop must run by then: called outside a loop, it gives a
/// future whose tasks have failed, with "no running event loop". It takes an
/// iterator of awaitables of one type, which gives a `Vec`, or a tuple of different ones, which gives a tuple.
///
/// # Errors
/// When awaited: the first exception of a child, a child's cancellation included. The other children go on.
/// [`ValueError`] if the children belong to different loops.
///
/// # Cancellation
/// Cancelling the gathered future, or the task that awaits it, cancels all children.
///
/// ```
/// use coro_core::prelude::*;
///
/// async_fn! {
///     async fn boil(egg: u64) -> u64 {
///         await!(sleep(millis(10 * egg)));
///         egg
///     }
/// }
/// coro_core::run(coroutine(|| {
///     assert_eq!(gather((1..=3).map(boil)).co_await()?, [1, 2, 3]);
///     assert_eq!(gather((boil(1), coroutine(|| Ok("toast")))).co_await()?, (1, "toast"));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn gather<G, M>(awaitables: G) -> OnceFuture<G::Output>
where
    G: IntoGather<M>,
{
    let gathered = awaitables.into_gathered();
    start(gathered.children, false, gathered.results)
}

/// As [`gather`], with a `Result` for each child in place of the first error;
/// `asyncio.gather(..., return_exceptions=True)`.
///
/// # Errors
/// When awaited: [`ValueError`] if the children belong to different loops.
///
/// # Cancellation
/// As [`gather`].
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let all = coro_core::gather_return_exceptions([1, 0].map(|n| coroutine(move || {
///         if n == 0 { raise!("none") }
///         Ok(n)
///     })));
///     let results = all.co_await()?;
///     assert!(results[0].is_ok() && results[1].is_err());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn gather_return_exceptions<G, M>(awaitables: G) -> OnceFuture<G::Settled>
where
    G: IntoGather<M>,
{
    let gathered = awaitables.into_gathered();
    let settled = gathered.settled;
    start(gathered.children, true, Box::new(move || Ok(settled())))
}

/// One `gather` that is under way.
struct Gathering<O> {
    outer: RefCell<Option<Future<O>>>,
    left: Cell<usize>,
    return_exceptions: bool,
    cancel_requested: Rc<Cell<bool>>,
    collect: Cell<Option<Collect<O>>>,
    last: Option<AnyFuture>,
}

/// The done callback of one child.
struct Child<O> {
    gathering: Rc<Gathering<O>>,
    child: AnyFuture,
}

impl<O: 'static> Runnable for Child<O> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.gathering.child_done(&self.child);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gather()")
    }

    fn callback_name(&self) -> String {
        format!("gather() at {}:{}", file!(), line!())
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        self.gathering.outer.borrow().as_ref().map(Future::any)
    }
}

fn start<O: 'static>(taken: Vec<Taken>, return_exceptions: bool, collect: Collect<O>) -> OnceFuture<O> {
    let children: Vec<AnyFuture> = taken.iter().map(|taken| taken.future.clone()).collect();
    let core = match children.iter().find_map(|child| child.0.event_loop()).map_or_else(running_core, Ok) {
        Ok(core) => core,
        Err(error) => return OnceFuture(Future::failed(error)),
    };
    let is_elsewhere =
        |child: &AnyFuture| child.0.event_loop().is_some_and(|other| !Rc::ptr_eq(&other, &core));
    if children.iter().any(is_elsewhere) {
        let message = "The future belongs to a different loop than the one specified as the loop argument";
        return OnceFuture(Future::failed(ValueError::new(message).into()));
    }
    let cancel_requested = Rc::new(Cell::new(false));
    let gathering = Rc::new(Gathering {
        outer: RefCell::default(),
        left: Cell::new(children.len()),
        return_exceptions,
        cancel_requested: Rc::clone(&cancel_requested),
        collect: Cell::new(Some(collect)),
        last: children.last().cloned(),
    });
    let mut done = Vec::new();
    for Taken { future: child, was_done } in taken {
        match was_done {
            true => done.push(child),
            false => Rc::clone(&child.0)
                .add_waiter(Rc::new(Child { gathering: Rc::clone(&gathering), child: child.clone() })),
        }
    }
    let outer = outer_future(core, children, cancel_requested);
    *gathering.outer.borrow_mut() = Some(outer.clone());
    if gathering.left.get() == 0 {
        gathering.finish(&outer);
    }
    for child in done {
        gathering.child_done(&child);
    }
    OnceFuture(outer)
}

/// The future of the results: cancelling it cancels the children.
fn outer_future<O: 'static>(
    core: Rc<LoopCore>,
    children: Vec<AnyFuture>,
    requested: Rc<Cell<bool>>,
) -> Future<O> {
    Future::with_cancel_hook(core, move |message| {
        let mut any = false;
        for child in &children {
            any |= Rc::clone(&child.0).cancel(message.clone());
        }
        requested.set(requested.get() || any);
        any
    })
}

impl<O: 'static> Gathering<O> {
    fn child_done(&self, child: &AnyFuture) {
        self.left.set(self.left.get() - 1);
        let error = child.exception();
        let outer = self.outer.borrow().clone();
        let Some(outer) = outer.filter(|outer| !outer.done()) else { return };
        match error {
            Some(error) if !self.return_exceptions => self.fail(&outer, error),
            _ if self.left.get() > 0 => {}
            _ if self.cancel_requested.get() => self.fail(&outer, self.cancellation()),
            _ => self.finish(&outer),
        }
    }

    /// What a cancelled `gather` raises where exceptions are results: the cancellation of the last child, or one with
    /// the message of what the child got over.
    fn cancellation(&self) -> Error {
        let Some(last) = &self.last else { return crate::future::cancelled_error(None) };
        let cancellation = last.exception().filter(|_| last.cancelled());
        cancellation.unwrap_or_else(|| crate::future::cancelled_error(last.0.cancel_message()))
    }

    /// The outer future fails, and is not cancelled, even where the error is a cancellation.
    fn fail(&self, outer: &Future<O>, error: Error) {
        // One that a user has settled himself meanwhile stays as it is.
        let _ = outer.settle_failed(error);
        drop(self.collect.take());
    }

    fn finish(&self, outer: &Future<O>) {
        let Some(collect) = self.collect.take() else { return };
        let _ = match collect() {
            Ok(results) => outer.settle_value(results),
            Err(error) => outer.settle_failed(error),
        };
    }
}
