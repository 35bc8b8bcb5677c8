//! `race`: the first to end wins, the others are cancelled and waited for.

use crate::combinators::wait::{ReturnWhen, wait};
use crate::compat::into_future;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result, ValueError};
use crate::events::{ExceptionContext, running_core};
use crate::task::{EnsuredFuture, cleanup, ensure_future};

/// What [`race`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let race: coro_core::Race<_> = coro_core::race([secs(2), secs(1)].map(sleep)); // has not begun
/// race.co_await()?;
/// assert_eq!(get_running_loop()?.time(), secs(1));
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "a race begins only when it is awaited"]
pub struct Race<A> {
    runners: Vec<A>,
}

/// Awaits several at once and gives what the first to end gives, be it a result or an error.
///
/// The others are cancelled, and have ended when it returns. An error that one of them raises then is told to
/// the loop's exception handler. asyncio has no such function; it is `wait(FIRST_COMPLETED)` with the tidying
/// up.
///
/// # Errors
/// When awaited: what the winner raises; [`ValueError`] if there is nobody to race.
///
/// # Cancellation
/// All are cancelled, and waited for.
///
/// ```
/// use coro_core::{prelude::*, race};
/// async_fn! {
///     async fn boil(minutes: u64) -> u64 {
///         await!(sleep(millis(5 * minutes)));
///         minutes
///     }
/// }
/// assert_eq!(coro_core::run(race([3, 1, 2].map(boil)))?, 1);
/// # Ok::<(), Error>(())
/// ```
pub fn race<I>(awaitables: I) -> Race<I::Item>
where
    I: IntoIterator,
    I::Item: Awaitable,
{
    Race { runners: awaitables.into_iter().collect() }
}

impl<A> Awaitable for Race<A>
where
    A: Awaitable + 'static,
    A::Output: 'static,
{
    type Output = A::Output;

    fn co_await(self) -> Result<A::Output> {
        if self.runners.is_empty() {
            return Err(ValueError::new("there is nobody to race").into());
        }
        let mut runners: Vec<EnsuredFuture<A::Output>> =
            self.runners.into_iter().map(ensure_future).collect();
        let first = wait(&runners).return_when(ReturnWhen::FirstCompleted).co_await().map(drop);
        let winner = runners.iter().position(|runner| runner.done());
        let winner = first.map(|()| winner.map(|index| runners.remove(index)));
        let ended = end(&runners);
        match winner? {
            Some(winner) => winner.into_result().and_then(|value| ended.map(|()| value)),
            None => unreachable!("the wait ended because one was done"),
        }
    }
}

/// Cancels those that are left and waits for their end, whatever comes meanwhile.
fn end<T>(losers: &[EnsuredFuture<T>]) -> Result<()> {
    for loser in losers {
        loser.cancel();
    }
    let left: Vec<&EnsuredFuture<T>> = losers.iter().filter(|loser| !loser.done()).collect();
    if !left.is_empty() {
        cleanup(|| wait(left).co_await().map(drop))?;
    }
    for loser in losers {
        let error: Option<Error> = loser.exception().filter(|error| !error.is_cancelled());
        if error.is_some() {
            running_core()?.call_exception_handler(&ExceptionContext {
                message: "one that lost a race raised an exception when it was cancelled".to_owned(),
                exception: error,
                future: Some(format!("{loser:?}")),
                handle: None,
            });
        }
    }
    Ok(())
}

into_future! {
    [A: Awaitable<Output = T> + 'static, T: 'static] Race<A> => T;
}
