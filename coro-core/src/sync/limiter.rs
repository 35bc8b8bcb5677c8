//! `CapacityLimiter`: so many at a time, and it is known who.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::rc::Rc;

use super::Waiters;
use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result, RuntimeError};
use crate::task::{AnyTask, current_task};

/// Lends out so many tokens at a time, and knows to whom; trio's `CapacityLimiter`.
///
/// It is a [`Semaphore`](crate::Semaphore) whose mistakes are found: a borrower, which is the current task unless
/// another is named, can have one token only. How many there are can change while it is used.
///
/// ```
/// use coro_core::{CapacityLimiter, prelude::*};
/// coro_core::run(coroutine(|| {
///     let pans = CapacityLimiter::new(2);
///     TaskGroup::scope(|group| {
///         for _ in 0..4 {
///             group.create_task(coroutine(|| {
///                 let _pan = pans.acquire().co_await()?;
///                 assert!(pans.borrowed_tokens() <= 2);
///                 sleep(millis(1)).co_await()
///             }));
///         }
///         Ok(())
///     })
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let limiter = coro_core::CapacityLimiter::new(1);
/// std::thread::scope(|scope| { scope.spawn(|| limiter.borrowed_tokens()); });
/// ```
pub struct CapacityLimiter {
    total: Cell<usize>,
    /// Who holds a token, and who was given one but has not run yet.
    borrowers: RefCell<BTreeMap<Borrower, Held>>,
    waiters: Waiters<Borrower>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    ByGuard,
    /// The guard was forgotten: `release` gives it back.
    Forgotten,
}

/// Who borrows a token of a [`CapacityLimiter`]: a task, or something else that is told apart from all others.
///
/// ```
/// # use coro_core::{Borrower, prelude::*};
/// # coro_core::run(coroutine(|| {
/// let me = coro_core::current_task().unwrap();
/// assert_eq!(Borrower::current()?, Borrower::from(&me));
/// assert_ne!(Borrower::new(), Borrower::new());
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Borrower {
    identity: Identity,
    /// The numbers are of one thread.
    not_send: PhantomData<Rc<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    Task(u64),
    Other(u64),
}

impl Borrower {
    /// A borrower that is no task, and no other one.
    ///
    /// ```
    /// # use coro_core::Borrower;
    /// assert_ne!(Borrower::new(), Borrower::new());
    /// ```
    #[expect(clippy::new_without_default, reason = "each call gives another one")]
    pub fn new() -> Self {
        thread_local!(static MADE: Cell<u64> = const { Cell::new(0) });
        Self::of(Identity::Other(MADE.replace(MADE.get() + 1)))
    }

    /// The current task.
    ///
    /// # Errors
    /// [`RuntimeError`] in a callback and outside a loop.
    ///
    /// ```
    /// assert!(coro_core::Borrower::current().is_err()); // no task here
    /// ```
    pub fn current() -> Result<Self> {
        match current_task() {
            Some(task) => Ok(Self::from(&task)),
            None => Err(RuntimeError::new("there is no current task to borrow a token").into()),
        }
    }

    fn of(identity: Identity) -> Self {
        Self { identity, not_send: PhantomData }
    }
}

impl From<&AnyTask> for Borrower {
    fn from(task: &AnyTask) -> Self {
        Self::of(Identity::Task(task.number()))
    }
}

impl Debug for Borrower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.identity {
            Identity::Task(number) => write!(f, "<Borrower task {number}>"),
            Identity::Other(number) => write!(f, "<Borrower {number}>"),
        }
    }
}

/// What [`CapacityLimiter::statistics`] tells.
///
/// ```
/// let statistics: coro_core::CapacityStatistics = coro_core::CapacityLimiter::new(2).statistics();
/// assert_eq!((statistics.total_tokens, statistics.borrowed_tokens, statistics.tasks_waiting), (2, 0, 0));
/// assert!(statistics.borrowers.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapacityStatistics {
    /// How many tokens are lent out.
    pub borrowed_tokens: usize,
    /// How many tokens there are.
    pub total_tokens: usize,
    /// Who has a token: tasks first, the oldest first.
    pub borrowers: Vec<Borrower>,
    /// How many wait for one.
    pub tasks_waiting: usize,
}

impl CapacityLimiter {
    /// A limiter with so many tokens; `usize::MAX` for any number.
    ///
    /// ```
    /// assert_eq!(coro_core::CapacityLimiter::new(2).available_tokens(), 2);
    /// ```
    pub fn new(total_tokens: usize) -> Self {
        Self { total: Cell::new(total_tokens), borrowers: RefCell::default(), waiters: Waiters::default() }
    }

    /// How many tokens there are.
    ///
    /// ```
    /// assert_eq!(coro_core::CapacityLimiter::new(2).total_tokens(), 2);
    /// ```
    pub fn total_tokens(&self) -> usize {
        self.total.get()
    }

    /// Changes how many tokens there are. More of them wake who waits; with fewer, tokens that are lent out stay
    /// so, and nobody gets one until enough are back.
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(1);
    /// let token = limiter.acquire().co_await()?;
    /// limiter.set_total_tokens(0);
    /// assert_eq!((limiter.borrowed_tokens(), limiter.available_tokens()), (1, 0));
    /// # drop(token);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_total_tokens(&self, total_tokens: usize) {
        self.total.set(total_tokens);
        self.advance();
    }

    /// How many tokens are lent out; may be more than there are, after their number was lowered.
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(2);
    /// let token = limiter.acquire().co_await()?;
    /// assert_eq!(limiter.borrowed_tokens(), 1);
    /// # drop(token);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn borrowed_tokens(&self) -> usize {
        self.borrowers.borrow().len()
    }

    /// How many tokens could be lent out now.
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(2);
    /// let token = limiter.acquire().co_await()?;
    /// assert_eq!(limiter.available_tokens(), 1);
    /// # drop(token);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn available_tokens(&self) -> usize {
        self.total.get().saturating_sub(self.borrowed_tokens())
    }

    /// Who has a token, and how many wait for one.
    ///
    /// ```
    /// # use coro_core::{Borrower, CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(2);
    /// let token = limiter.acquire().co_await()?;
    /// assert_eq!(limiter.statistics().borrowers, [Borrower::current()?]);
    /// # drop(token);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn statistics(&self) -> CapacityStatistics {
        CapacityStatistics {
            borrowed_tokens: self.borrowed_tokens(),
            total_tokens: self.total.get(),
            borrowers: self.borrowers.borrow().keys().copied().collect(),
            tasks_waiting: self.waiters.len(),
        }
    }

    /// Waits for a token, for the task that awaits it. Dropping the [`CapacityToken`] gives it back.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if the task has a token of this limiter, or there is no task, or it must
    /// wait where nothing can suspend.
    ///
    /// # Cancellation
    /// The place in the queue is lost; a token that came at the same moment goes to the next.
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(2);
    /// let token = limiter.acquire().co_await()?;
    /// assert!(limiter.acquire().co_await().is_err()); // a second one could wait for itself
    /// drop(token);
    /// let _token = limiter.acquire().co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn acquire(&self) -> CapacityAcquire<'_> {
        CapacityAcquire { limiter: self, borrower: None }
    }

    /// Waits for a token, for `borrower`; what one that outlives the task is for.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if `borrower` has a token of this limiter or waits for one, or it must wait
    /// where nothing can suspend.
    ///
    /// # Cancellation
    /// As that of [`acquire`](Self::acquire).
    ///
    /// ```
    /// # use coro_core::{Borrower, CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (limiter, connection) = (CapacityLimiter::new(2), Borrower::new());
    /// let _mine = limiter.acquire().co_await()?;
    /// let _its = limiter.acquire_on_behalf_of(connection).co_await()?;
    /// assert_eq!(limiter.available_tokens(), 0);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn acquire_on_behalf_of(&self, borrower: Borrower) -> CapacityAcquire<'_> {
        CapacityAcquire { limiter: self, borrower: Some(borrower) }
    }

    /// A token for the current task, if one is free; `acquire_nowait()`.
    ///
    /// # Errors
    /// As those of [`acquire`](Self::acquire).
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert!(CapacityLimiter::new(1).try_acquire()?.is_some());
    /// assert!(CapacityLimiter::new(0).try_acquire()?.is_none());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn try_acquire(&self) -> Result<Option<CapacityToken<'_>>> {
        self.try_acquire_on_behalf_of(Borrower::current()?)
    }

    /// A token for `borrower`, if one is free; `acquire_on_behalf_of_nowait()`. Works outside a
    /// loop as well.
    ///
    /// # Errors
    /// [`RuntimeError`] if `borrower` has a token of this limiter or waits for one.
    ///
    /// ```
    /// use coro_core::{Borrower, CapacityLimiter};
    /// let (limiter, me) = (CapacityLimiter::new(2), Borrower::new());
    /// let token = limiter.try_acquire_on_behalf_of(me)?;
    /// assert!(token.is_some());
    /// assert!(limiter.try_acquire_on_behalf_of(me).is_err());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn try_acquire_on_behalf_of(&self, borrower: Borrower) -> Result<Option<CapacityToken<'_>>> {
        if self.borrowers.borrow().contains_key(&borrower) {
            let message = "this borrower is already holding one of this CapacityLimiter's tokens";
            return Err(RuntimeError::new(message).into());
        }
        if self.waiters.any(|other| *other == borrower) {
            let message = "this borrower is already waiting for one of this CapacityLimiter's tokens";
            return Err(RuntimeError::new(message).into());
        }
        // Where one is free, nobody waits: `advance` has seen to that.
        Ok((self.available_tokens() > 0).then(|| {
            self.borrowers.borrow_mut().insert(borrower, Held::ByGuard);
            CapacityToken { limiter: self, borrower }
        }))
    }

    /// Gives back the token of the current task, after its [`CapacityToken`] was [forgotten](CapacityToken::forget).
    ///
    /// # Errors
    /// [`RuntimeError`] if the task has none, or it is in a [`CapacityToken`]; if there is no task.
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(1);
    /// limiter.acquire().co_await()?.forget();
    /// limiter.release()?;
    /// assert!(limiter.release().is_err());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn release(&self) -> Result<()> {
        self.release_on_behalf_of(Borrower::current()?)
    }

    /// Gives back the token of `borrower`, after its [`CapacityToken`] was [forgotten](CapacityToken::forget).
    ///
    /// # Errors
    /// [`RuntimeError`] if `borrower` has none, or it is in a [`CapacityToken`].
    ///
    /// ```
    /// use coro_core::{Borrower, CapacityLimiter};
    /// let (limiter, me) = (CapacityLimiter::new(1), Borrower::new());
    /// limiter.try_acquire_on_behalf_of(me)?.unwrap().forget();
    /// limiter.release_on_behalf_of(me)?;
    /// assert_eq!(limiter.borrowed_tokens(), 0);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn release_on_behalf_of(&self, borrower: Borrower) -> Result<()> {
        let held = self.borrowers.borrow().get(&borrower).copied();
        let message = match held {
            Some(Held::Forgotten) => {
                self.give_back(borrower);
                return Ok(());
            }
            Some(Held::ByGuard) => "the token of this borrower is given back by dropping its CapacityToken",
            None => "this borrower isn't holding any of this CapacityLimiter's tokens",
        };
        Err(RuntimeError::new(message).into())
    }

    fn give_back(&self, borrower: Borrower) {
        self.borrowers.borrow_mut().remove(&borrower);
        self.advance();
    }

    /// Gives the free tokens to the first who wait. They have them before they run.
    fn advance(&self) {
        let give = |borrower: &Borrower| {
            self.borrowers.borrow_mut().insert(*borrower, Held::ByGuard);
        };
        while self.available_tokens() > 0 && self.waiters.wake_first(give) {}
    }
}

/// What [`CapacityLimiter::acquire`] and [`CapacityLimiter::acquire_on_behalf_of`] return.
///
/// ```
/// # use coro_core::{CapacityLimiter, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let limiter = CapacityLimiter::new(1);
/// let acquiring: coro_core::CapacityAcquire<'_> = limiter.acquire(); // has not begun
/// assert_eq!(limiter.borrowed_tokens(), 0);
/// let _token = acquiring.co_await()?;
/// assert_eq!(limiter.borrowed_tokens(), 1);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it acquires only when it is awaited"]
pub struct CapacityAcquire<'a> {
    limiter: &'a CapacityLimiter,
    /// `None` is the task that awaits it.
    borrower: Option<Borrower>,
}

impl<'a> CapacityAcquire<'a> {
    fn acquire(&self) -> Result<CapacityToken<'a>> {
        let limiter = self.limiter;
        let borrower = self.borrower.map_or_else(Borrower::current, Ok)?;
        if let Some(token) = limiter.try_acquire_on_behalf_of(borrower)? {
            return Ok(token);
        }
        limiter.waiters.wait_as(borrower, |borrower| limiter.give_back(borrower))?;
        Ok(CapacityToken { limiter, borrower })
    }
}

impl<'a> Awaitable for CapacityAcquire<'a> {
    type Output = CapacityToken<'a>;

    fn co_await(self) -> Result<CapacityToken<'a>> {
        self.acquire()
    }
}

/// One token that is lent out; dropping it gives it back.
///
/// ```
/// # use coro_core::{CapacityLimiter, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let limiter = CapacityLimiter::new(1);
/// let token: coro_core::CapacityToken<'_> = limiter.acquire().co_await()?;
/// drop(token);
/// assert_eq!(limiter.borrowed_tokens(), 0);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct CapacityToken<'a> {
    limiter: &'a CapacityLimiter,
    borrower: Borrower,
}

impl CapacityToken<'_> {
    /// Whose it is.
    ///
    /// ```
    /// # use coro_core::{Borrower, CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(1);
    /// assert_eq!(limiter.acquire().co_await()?.borrower(), Borrower::current()?);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn borrower(&self) -> Borrower {
        self.borrower
    }

    /// Keeps the token beyond this value: [`CapacityLimiter::release_on_behalf_of`] gives it back.
    ///
    /// ```
    /// # use coro_core::{CapacityLimiter, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let limiter = CapacityLimiter::new(1);
    /// limiter.acquire().co_await()?.forget();
    /// assert_eq!(limiter.borrowed_tokens(), 1);
    /// limiter.release()
    /// # })).unwrap();
    /// ```
    pub fn forget(self) {
        self.limiter.borrowers.borrow_mut().insert(self.borrower, Held::Forgotten);
        std::mem::forget(self);
    }
}

impl Drop for CapacityToken<'_> {
    fn drop(&mut self) {
        self.limiter.give_back(self.borrower);
    }
}

impl Debug for CapacityToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CapacityToken of {:?}>", self.borrower)
    }
}

/// `async with &limiter { … }`.
impl<'a> AsyncContextManager for &'a CapacityLimiter {
    type Value = CapacityToken<'a>;

    fn aenter(&mut self) -> Result<CapacityToken<'a>> {
        self.acquire().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

/// `async with limiter.acquire_on_behalf_of(borrower) { … }`.
impl<'a> AsyncContextManager for CapacityAcquire<'a> {
    type Value = CapacityToken<'a>;

    fn aenter(&mut self) -> Result<CapacityToken<'a>> {
        self.acquire()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

impl Debug for CapacityLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (borrowed, total) = (self.borrowed_tokens(), self.total.get());
        match self.waiters.len() {
            0 => write!(f, "<CapacityLimiter [borrowed:{borrowed}/{total}]>"),
            waiting => write!(f, "<CapacityLimiter [borrowed:{borrowed}/{total}, waiters:{waiting}]>"),
        }
    }
}
