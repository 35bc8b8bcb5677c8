//! Leaving what was entered, in reverse order, when only the run of the program tells what that is.
//!
//! The steps are those of CPython's `contextlib`.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::async_context::AsyncContextManager;
use crate::async_iter::AsyncGenerator;
use crate::error::{Error, Panicked, Result};
use crate::fiber::is_unwinding;
use crate::generator::Yielder;
use crate::report;
use crate::unwind;

/// Context managers that are entered one by one and left together, the last first; `contextlib.AsyncExitStack`.
///
/// It serves where their number is known only at run time, or where they outlive the block that enters them. What
/// each of them makes of an error counts for those that are left after it, as if the blocks were nested: it may
/// swallow the error, or put another in its place, whose cause is the first then if it has no other.
///
/// A clone is another handle on the same stack. A stack that is dropped before it was left, by `async with` or
/// [`aclose`](Self::aclose), is reported: what it holds is dropped, the last first, but not left.
///
/// ```
/// use coro_core::{AsyncExitStack, prelude::*};
/// async_fn! {
///     async fn program(pans: &[Lock<u32>]) -> u32 {
///         let mut eggs = 0;
///         async with AsyncExitStack::new() as stack {
///             for pan in pans {
///                 let mut pan = stack.enter(pan)?;
///                 *pan += 1;
///                 eggs += *pan;
///             }
///             stack.callback(|| { println!("washing up"); Ok(()) });
///         }
///         eggs
///     }
/// }
/// assert_eq!(coro_core::run(coroutine(|| program(&[Lock::new(1), Lock::new(2)]).co_await()))?, 5);
/// # Ok::<(), Error>(())
/// ```
///
/// What is entered outlives the stack:
/// ```compile_fail
/// use coro_core::prelude::*;
/// let stack = coro_core::AsyncExitStack::new();
/// let lock = Lock::new(1);
/// let guard = stack.enter(&lock);
/// ```
#[derive(Clone)]
#[must_use = "what was entered is left by `aclose`, or by an `async with`"]
pub struct AsyncExitStack<'a> {
    inner: Rc<Inner<'a>>,
}

type Exit<'a> = Box<dyn FnOnce(Option<&Error>) -> Result<bool> + 'a>;

struct Inner<'a> {
    exits: RefCell<Vec<Exit<'a>>>,
    made_at: &'static Location<'static>,
}

impl Default for AsyncExitStack<'_> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> AsyncExitStack<'a> {
    /// A stack with nothing on it.
    ///
    /// ```
    /// let stack = coro_core::AsyncExitStack::new();
    /// assert!(stack.is_empty());
    /// ```
    #[track_caller]
    pub fn new() -> Self {
        Self { inner: Rc::new(Inner { exits: RefCell::default(), made_at: Location::caller() }) }
    }

    /// Whether there is nothing to be left.
    ///
    /// ```
    /// # use coro_core::{AsyncExitStack, prelude::*};
    /// let stack = AsyncExitStack::new();
    /// stack.callback(|| Ok(()));
    /// assert!(!stack.is_empty());
    /// stack.aclose()?;
    /// assert!(stack.is_empty());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.inner.exits.borrow().is_empty()
    }

    /// Enters `manager`, which is left with the stack, and gives its value; `await stack.enter_async_context(manager)`.
    ///
    /// # Errors
    /// If it cannot be entered; it is not on the stack then.
    ///
    /// # Cancellation
    /// As that of [`AsyncContextManager::aenter`]; what is on the stack already stays there.
    ///
    /// ```
    /// # use coro_core::{AsyncExitStack, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let lock = Lock::new(1);
    /// let stack = AsyncExitStack::new();
    /// let guard = stack.enter(&lock)?;
    /// assert_eq!(*guard, 1);
    /// stack.aclose()
    /// # })).unwrap();
    /// ```
    pub fn enter<M>(&self, manager: M) -> Result<M::Value>
    where
        M: AsyncContextManager + 'a,
    {
        let mut manager = Box::new(manager); // stays where it is entered
        let value = manager.aenter()?;
        self.push(move |error| manager.aexit(error));
        Ok(value)
    }

    /// Puts an exit on the stack, which may suspend: it gets the error that leaves the block, and swallows it with
    /// `true`; `stack.push(exit)`, `stack.push_async_exit(exit)`.
    ///
    /// ```
    /// # use coro_core::{AsyncExitStack, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut stack = AsyncExitStack::new();
    /// stack.push(|error| { sleep(secs(1)).co_await()?; Ok(error.is_some()) });
    /// assert!(stack.aexit(Some(&Error::msg("burnt")))?); // is swallowed
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn push(&self, exit: impl FnOnce(Option<&Error>) -> Result<bool> + 'a) {
        self.inner.exits.borrow_mut().push(Box::new(exit));
    }

    /// Puts a function on the stack that does not care for errors, and may suspend; `stack.callback(f)`,
    /// `stack.push_async_callback(f)`.
    ///
    /// ```
    /// # use coro_core::{AsyncExitStack, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let stack = AsyncExitStack::new();
    /// stack.callback(|| sleep(secs(1)).co_await());
    /// stack.aclose()?;
    /// assert_eq!(get_running_loop()?.time(), secs(1));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn callback(&self, callback: impl FnOnce() -> Result<()> + 'a) {
        self.push(move |_| callback().map(|()| false));
    }

    /// Moves everything to a new stack; nothing is left. What was entered can so outlive the block.
    ///
    /// ```
    /// # use coro_core::{AsyncExitStack, prelude::*};
    /// async_fn! {
    ///     async fn open() -> AsyncExitStack<'static> {
    ///         let mut opened = AsyncExitStack::new();
    ///         async with AsyncExitStack::new() as stack {
    ///             stack.callback(|| Ok(()));
    ///             opened = stack.pop_all(); // all went well: it stays open
    ///         }
    ///         opened
    ///     }
    /// }
    /// # coro_core::run(coroutine(|| {
    /// let opened = open().co_await()?;
    /// assert!(!opened.is_empty());
    /// opened.aclose()
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn pop_all(&self) -> Self {
        let stack = Self::new();
        stack.inner.exits.replace(self.inner.exits.take());
        stack
    }

    /// Leaves everything now, as after a block without an error; `await stack.aclose()`.
    ///
    /// # Errors
    /// The last error that an exit raised and no later one swallowed. All are left in any case.
    ///
    /// # Cancellation
    /// It is raised in the exit that awaits just then; the later ones get what that makes of it.
    ///
    /// # Panics
    /// With the panic of an exit, after the others have been left with a [`Panicked`] error.
    ///
    /// ```
    /// # use coro_core::{AsyncExitStack, prelude::*};
    /// let stack = AsyncExitStack::new();
    /// stack.push(|error| { assert!(error.is_some()); Ok(false) });
    /// stack.callback(|| raise!("burnt")); // comes first
    /// assert_eq!(stack.aclose().unwrap_err().to_string(), "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn aclose(&self) -> Result<()> {
        self.leave(None).map(drop)
    }

    /// Leaves everything, the last first. `true` if `received` was swallowed.
    fn leave(&self, received: Option<&Error>) -> Result<bool> {
        let mut error = received.cloned();
        // Whether `error` was raised by an exit, and whether one was swallowed.
        let (mut raised, mut swallowed) = (false, false);
        let mut panic = None;
        loop {
            let Some(exit) = self.inner.exits.borrow_mut().pop() else { break };
            let left = guarded(|| exit(error.as_ref()));
            match left {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => (error, raised, swallowed) = (None, false, true),
                Ok(Err(new)) => (error, raised) = (Some(replacing(new, error)), true),
                Err(payload) => {
                    let new = Error::new(Panicked::new(payload));
                    panic = Some(new.clone());
                    (error, raised) = (Some(new), true);
                }
            }
        }
        if let Some(panic) = panic {
            go_on(&panic);
        }
        match error {
            Some(error) if raised => Err(error),
            _ => Ok(received.is_some() && swallowed),
        }
    }
}

/// Calls code of the user, and catches its panic; a forced unwind goes through.
fn guarded<T>(f: impl FnOnce() -> T) -> std::result::Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f)).inspect_err(|payload| unwind::pass_on(&**payload))
}

/// Lets a panic go on: it is no exception, and nobody can swallow it.
fn go_on(panic: &Error) -> ! {
    let payload = panic.downcast_ref::<Panicked>().and_then(Panicked::take_payload);
    resume_unwind(payload.unwrap_or_else(|| Box::new("a panic whose payload was taken")))
}

/// The error that takes the place of `old`.
fn replacing(new: Error, old: Option<Error>) -> Error {
    match old {
        Some(old) => new.or_cause(old),
        None => new,
    }
}

impl Drop for Inner<'_> {
    fn drop(&mut self) {
        let exits = std::mem::take(self.exits.get_mut());
        if !exits.is_empty() && !std::thread::panicking() && !is_unwinding() {
            report::runtime_warning(
                format_args!("an AsyncExitStack was dropped with {} exits that were never left", exits.len()),
                self.made_at.file(),
                self.made_at.line(),
            );
        }
        exits.into_iter().rev().for_each(drop);
    }
}

/// `async with AsyncExitStack::new() as stack { … }`: the block gets a handle on the stack.
impl<'a> AsyncContextManager for AsyncExitStack<'a> {
    type Value = AsyncExitStack<'a>;

    fn aenter(&mut self) -> Result<AsyncExitStack<'a>> {
        Ok(self.clone())
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        self.leave(error)
    }
}

impl Debug for AsyncExitStack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<AsyncExitStack [exits:{}]>", self.inner.exits.borrow().len())
    }
}

/// Calls `f` with an asynchronous generator, and closes that afterwards whatever comes of it;
/// `async with contextlib.aclosing(generator)`.
///
/// Dropping a generator closes it too, but nobody gets the errors of its cleanup then.
///
/// # Errors
/// What `f` raises, and what closing raises; if both do, the latter, whose cause is the former if it has no other.
///
/// # Cancellation
/// One in `f` is an error as others: the generator is closed. One that comes while it is closed is raised at the
/// await that its cleanup stands at.
///
/// # Panics
/// With the panic of `f`, after the generator was closed.
///
/// ```
/// use coro_core::{Yielder, aclosing, async_generator, prelude::*};
/// coro_core::run(coroutine(|| {
///     let eggs = async_generator(|y: &Yielder<u32>| {
///         let result = (1..).try_for_each(|egg| y.yield_(egg));
///         sleep(millis(1)).co_await()?; // its cleanup is waited for
///         result
///     });
///     let first = aclosing(eggs, |eggs| eggs.anext())?;
///     assert_eq!(first, Some(1));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn aclosing<Y, S, F, T>(
    mut generator: AsyncGenerator<Y, S, F>,
    f: impl FnOnce(&mut AsyncGenerator<Y, S, F>) -> Result<T>,
) -> Result<T>
where
    Y: 'static,
    S: 'static,
    F: FnOnce(&Yielder<Y, S>) -> Result<()> + 'static,
{
    let result = guarded(|| f(&mut generator));
    let closed = generator.aclose();
    match (result, closed) {
        (Ok(result), Ok(())) => result,
        (Ok(result), Err(error)) => Err(replacing(error, result.err())),
        (Err(payload), _) => resume_unwind(payload),
    }
}
