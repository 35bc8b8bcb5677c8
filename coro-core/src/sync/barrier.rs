//! `Barrier`: so many tasks meet, then all go on.

use std::fmt::{self, Debug};

use super::condition::{Condition, ConditionGuard};
use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{BrokenBarrier, Error, Result, ValueError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Filling,
    Draining,
    Resetting,
    Broken,
}

struct State {
    phase: Phase,
    waiting: usize,
}

/// A point at which so many tasks wait for one another; `asyncio.Barrier`. It can be used again and again.
///
/// ```
/// use coro_core::{Barrier, prelude::*};
/// use std::rc::Rc;
/// coro_core::run(coroutine(|| {
///     let barrier = Rc::new(Barrier::new(3)?);
///     let meet = |barrier: Rc<Barrier>| coroutine(move || barrier.wait().co_await());
///     let mut places = gather((0..3).map(|_| meet(barrier.clone()))).co_await()?;
///     places.sort();
///     assert_eq!(places, [0, 1, 2]);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct Barrier {
    parties: usize,
    state: Condition<State>,
}

impl Barrier {
    /// A barrier for so many tasks.
    ///
    /// # Errors
    /// [`ValueError`] for none.
    ///
    /// ```
    /// assert_eq!(coro_core::Barrier::new(0).unwrap_err().to_string(), "parties must be > 0");
    /// ```
    pub fn new(parties: usize) -> Result<Self> {
        if parties == 0 {
            return Err(ValueError::new("parties must be > 0").into());
        }
        Ok(Self { parties, state: Condition::new(State { phase: Phase::Filling, waiting: 0 }) })
    }

    /// How many tasks must come.
    ///
    /// ```
    /// assert_eq!(coro_core::Barrier::new(2)?.parties(), 2);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many wait now.
    ///
    /// ```
    /// assert_eq!(coro_core::Barrier::new(2)?.n_waiting(), 0);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn n_waiting(&self) -> usize {
        self.state.peek(|state| if state.phase == Phase::Filling { state.waiting } else { 0 }).unwrap_or(0)
    }

    /// Whether it was [aborted](Self::abort).
    ///
    /// ```
    /// assert!(!coro_core::Barrier::new(2)?.broken());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn broken(&self) -> bool {
        self.state.peek(|state| state.phase == Phase::Broken).unwrap_or(false)
    }

    /// Waits until all have come; gives the place at which this task came, from 0.
    ///
    /// # Errors
    /// When awaited: [`BrokenBarrier`] if the barrier is aborted or reset meanwhile, or was aborted before.
    ///
    /// # Cancellation
    /// The task counts as gone: the others wait for one more.
    ///
    /// ```
    /// use coro_core::{Barrier, prelude::*};
    /// let place = coro_core::run(coroutine(|| Barrier::new(1)?.wait().co_await()))?;
    /// assert_eq!(place, 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { barrier: self }
    }

    /// Sends all who wait away with [`BrokenBarrier`], and makes it as new; `await barrier.reset()`.
    ///
    /// # Errors
    /// Those of an await; a cancellation that comes while its lock is waited for.
    ///
    /// ```
    /// use coro_core::{Barrier, prelude::*};
    /// coro_core::run(coroutine(|| Barrier::new(2)?.reset()))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reset(&self) -> Result<()> {
        let mut state = self.state.lock().co_await()?;
        state.phase = if state.waiting > 0 { Phase::Resetting } else { Phase::Filling };
        state.notify_all();
        Ok(())
    }

    /// Breaks it: all who wait, and all who come, get [`BrokenBarrier`]; `await barrier.abort()`.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    ///
    /// ```
    /// use coro_core::{Barrier, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let barrier = Barrier::new(2)?;
    ///     barrier.abort()?;
    ///     assert_eq!(barrier.wait().co_await().unwrap_err().to_string(), "Barrier aborted");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn abort(&self) -> Result<()> {
        let mut state = self.state.lock().co_await()?;
        state.phase = Phase::Broken;
        state.notify_all();
        Ok(())
    }

    fn meet(&self) -> Result<usize> {
        let mut state = self.state.lock().co_await()?;
        state.wait_for(|state| !matches!(state.phase, Phase::Draining | Phase::Resetting)).co_await()?;
        if state.phase == Phase::Broken {
            return Err(BrokenBarrier::new("Barrier aborted").into());
        }
        let place = state.waiting;
        state.waiting += 1;
        let met = self.fill(&mut state, place);
        state.waiting -= 1;
        if state.waiting == 0 {
            if matches!(state.phase, Phase::Resetting | Phase::Draining) {
                state.phase = Phase::Filling;
            }
            state.notify_all();
        }
        met.map(|()| place)
    }

    fn fill(&self, state: &mut ConditionGuard<'_, State>, place: usize) -> Result<()> {
        if place + 1 == self.parties {
            state.phase = Phase::Draining;
            state.notify_all();
            return Ok(());
        }
        state.wait_for(|state| state.phase != Phase::Filling).co_await()?;
        match state.phase {
            Phase::Broken | Phase::Resetting => Err(BrokenBarrier::new("Abort or reset of barrier").into()),
            Phase::Filling | Phase::Draining => Ok(()),
        }
    }
}

/// What [`Barrier::wait`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let alone = coro_core::Barrier::new(1)?;
/// let waiting: coro_core::BarrierWait<'_> = alone.wait(); // has not begun
/// assert_eq!(waiting.co_await()?, 0);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct BarrierWait<'a> {
    barrier: &'a Barrier,
}

impl Awaitable for BarrierWait<'_> {
    type Output = usize;

    fn co_await(self) -> Result<usize> {
        self.barrier.meet()
    }
}

/// `async with &barrier as place { … }`.
impl AsyncContextManager for &Barrier {
    type Value = usize;

    fn aenter(&mut self) -> Result<usize> {
        self.meet()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

impl Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.state.peek(|state| format!("{:?}", state.phase).to_lowercase()).unwrap_or_default();
        match self.broken() {
            true => write!(f, "<Barrier [{phase}]>"),
            false => write!(f, "<Barrier [{phase}, waiters:{}/{}]>", self.n_waiting(), self.parties),
        }
    }
}
