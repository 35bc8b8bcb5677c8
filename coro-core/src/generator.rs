//! Generators: functions that run on a stack of their own and can yield (PEP 342, PEP 380).
//!
//! Floor 2. A generator that has started owns what it uses (`'static`), since a value that can be moved can be
//! forgotten, and a forgotten stack keeps what it borrowed. One that borrows is lent to a closure by
//! [`Generator::lend`], or runs as a hidden local of `async for` and `yield_from!`.
#![allow(unsafe_code)] // starts fibers whose bodies may borrow, see `Core::start`

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::panic::resume_unwind;
use std::rc::Rc;

use crate::definition::{Definition, Origin};
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopIteration, TypeError, ValueError};
use crate::fiber::{self, Fiber, Kind, Resumed, Suspender};
use crate::report;
use crate::stack::DEFAULT_STACK_SIZE;

/// Where a generator or coroutine is in its life; `inspect.getgeneratorstate`.
///
/// ```
/// use coro_core::FrameState;
/// let mut numbers = coro_core::generator(|y: &coro_core::Yielder<u32>| { y.yield_(1)?; Ok(()) });
/// assert_eq!(numbers.state(), FrameState::Created);
/// numbers.start()?;
/// assert_eq!(numbers.state(), FrameState::Suspended);
/// # Ok::<(), coro_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameState {
    /// Made, and nothing of it has run.
    Created,
    /// Running now.
    Running,
    /// Suspended at a yield or an await.
    Suspended,
    /// Ended: returned, raised or closed.
    Closed,
}

/// What a step of a generator gave.
///
/// ```
/// use coro_core::GeneratorState;
/// let mut one = coro_core::generator(|y: &coro_core::Yielder<u32>| { y.yield_(1)?; Ok("end") });
/// assert_eq!(one.start()?, GeneratorState::Yielded(1));
/// assert_eq!(one.send(())?, GeneratorState::Returned("end"));
/// # Ok::<(), coro_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneratorState<Y, R> {
    /// It yielded this and is suspended.
    Yielded(Y),
    /// It returned this and has ended.
    Returned(R),
}

/// The inside of a generator: its body yields through this.
///
/// It is `&Yielder` everywhere: the value belongs to the stack of the generator.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Yielder, generator};
/// fn count(y: &Yielder<u32>) -> Result<&'static str> { // any function may yield through it
///     for n in 0..3 { y.yield_(n)?; }
///     Ok("done")
/// }
/// assert_eq!(generator(count).collect::<Result<Vec<_>>>()?, [0, 1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub struct Yielder<Y, S = ()> {
    suspender: *const Suspender<Result<S>, Y>,
}

impl<Y, S> Yielder<Y, S> {
    /// Suspends the generator with `value`; gives what is sent in next. `yield!` in the DSL.
    ///
    /// # Errors
    /// What is thrown in; [`RuntimeError`] if a scope or timeout is open in the generator, or while unwinding.
    ///
    /// ```
    /// let mut echo = coro_core::generator(|y: &coro_core::Yielder<u32, u32>| y.yield_(1));
    /// echo.start()?;
    /// assert_eq!(echo.send(7)?, coro_core::GeneratorState::Returned(7));
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn yield_(&self, value: Y) -> Result<S> {
        // SAFETY: the suspender lives at the bottom of the generator's stack as long as the body runs.
        let suspender = unsafe { &*self.suspender };
        suspender.check_may_yield()?;
        suspender.suspend(value)
    }

    /// Delegates to `inner` until it ends: what comes in goes to `inner`, what it yields goes out (PEP 380).
    ///
    /// Gives what `inner` returns. `yield_from!` in the DSL.
    ///
    /// # Errors
    /// What `inner` raises. A `GeneratorExit` closes `inner` first.
    ///
    /// ```
    /// use coro_core::{Yielder, generator};
    /// let inner = || generator(|y: &Yielder<u32>| { y.yield_(1)?; Ok("inner") });
    /// let outer = generator(move |y: &Yielder<u32>| y.yield_from(inner()));
    /// assert_eq!(outer.collect::<coro_core::Result<Vec<_>>>()?, [1]);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn yield_from<R, F>(&self, inner: Generator<Y, S, R, F>) -> Result<R>
    where
        F: FnOnce(&Yielder<Y, S>) -> Result<R>,
    {
        let mut inner = inner;
        inner.pin();
        let mut step = inner.core.start();
        loop {
            let value = match step? {
                GeneratorState::Yielded(value) => value,
                GeneratorState::Returned(value) => return Ok(value),
            };
            step = match self.yield_(value) {
                Ok(sent) => inner.core.send(sent),
                Err(error) if error.is::<GeneratorExit>() => {
                    inner.core.close()?;
                    return Err(error);
                }
                Err(error) => inner.core.throw(error),
            };
        }
    }
}

/// The life of one generator, without the question of who may hold it.
pub(crate) struct Core<Y, S, R, F> {
    origin: Origin,
    body: Option<F>,
    fiber: Option<Fiber<Result<S>, Y, Result<R>>>,
    state: FrameState,
    stack_size: usize,
    /// Set where it runs pinned in a frame, since its body may borrow from there: it cannot be leaked then.
    pinned: bool,
}

impl<Y, S, R, F> Drop for Core<Y, S, R, F> {
    /// Closes a suspended generator, or unwinds it: while its thread unwinds already, and when it will not end.
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else { return };
        let name = self.origin.name();
        if self.state == FrameState::Suspended && !std::thread::panicking() && !fiber::is_unwinding() {
            match fiber.resume(Err(GeneratorExit.into())) {
                Resumed::Suspended(value) => {
                    drop(value);
                    report::unraisable(format_args!("generator '{name}' ignored GeneratorExit"));
                }
                Resumed::Returned(Err(error))
                    if !error.is::<GeneratorExit>() && !error.is::<StopIteration>() =>
                {
                    return report::unraisable(format_args!("closing generator '{name}' raised {error:?}"));
                }
                Resumed::Returned(_) => return,
                Resumed::Panicked(payload) => resume_unwind(payload),
            }
        }
        let Err(why) = fiber.unwind() else { return };
        if self.pinned {
            // What is on the stack may have lent what it borrows, to a thread say, and would never take it back.
            report::error(format_args!(
                "generator '{name}' borrows from its caller and cannot end: {why}: aborting"
            ));
            std::process::abort();
        }
        report::error(format_args!("the stack of generator '{name}' was leaked: {why}"));
    }
}
impl<Y, S, R, F> Core<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    fn start(&mut self) -> Result<GeneratorState<Y, R>> {
        let Some(body) = self.body.take() else {
            return Err(match self.state {
                FrameState::Suspended => {
                    RuntimeError::new("the generator has started already: use send()").into()
                }
                _ => self.ended(),
            });
        };
        self.state = FrameState::Closed; // stays so if there is no stack to be had
        let run = move |suspender: &Suspender<Result<S>, Y>| body(&Yielder { suspender });
        // SAFETY: whoever owns this core either demands that the body is 'static (the methods of `Generator`) or
        // keeps the core in a frame that cannot be forgotten (`lend`, `yield_from`, `InFrame`) and sets `pinned`:
        // the stack is empty before that frame goes, or the process ends.
        let fiber = self.fiber.insert(unsafe { Fiber::new(Kind::Generator, self.stack_size, run) }?);
        self.state = FrameState::Running;
        let resumed = fiber.start();
        self.after(resumed)
    }

    fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
        match self.state {
            FrameState::Created if size_of::<S>() > 0 => {
                Err(TypeError::new("can't send a value to a just-started generator: call start() first")
                    .into())
            }
            FrameState::Created => self.start(),
            FrameState::Suspended => self.resume(Ok(value)),
            FrameState::Running | FrameState::Closed => Err(self.ended()),
        }
    }

    fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
        match self.state {
            FrameState::Suspended => self.resume(Err(error)),
            FrameState::Running => Err(self.ended()),
            FrameState::Created | FrameState::Closed => {
                self.state = FrameState::Closed;
                drop(self.body.take());
                Err(error)
            }
        }
    }

    fn close(&mut self) -> Result<Option<R>> {
        match self.state {
            FrameState::Created | FrameState::Closed => {
                self.state = FrameState::Closed;
                drop(self.body.take());
                return Ok(None);
            }
            FrameState::Running => return Err(self.ended()),
            FrameState::Suspended => {}
        }
        match self.resume(Err(GeneratorExit.into())) {
            Ok(GeneratorState::Returned(value)) => Ok(Some(value)),
            Ok(GeneratorState::Yielded(value)) => {
                drop(value);
                Err(RuntimeError::new("generator ignored GeneratorExit").into())
            }
            Err(error) if error.is::<GeneratorExit>() || error.is::<StopIteration>() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn resume(&mut self, input: Result<S>) -> Result<GeneratorState<Y, R>> {
        let Some(fiber) = &mut self.fiber else { return Err(self.ended()) };
        self.state = FrameState::Running;
        let resumed = fiber.resume(input);
        self.after(resumed)
    }

    fn after(&mut self, resumed: Resumed<Y, Result<R>>) -> Result<GeneratorState<Y, R>> {
        if let Resumed::Suspended(value) = resumed {
            self.state = FrameState::Suspended;
            return Ok(GeneratorState::Yielded(value));
        }
        self.state = FrameState::Closed;
        self.fiber = None; // the stack goes back to the pool now
        match resumed {
            Resumed::Returned(Ok(value)) => Ok(GeneratorState::Returned(value)),
            Resumed::Returned(Err(error)) if error.is::<StopIteration>() => {
                Err(Error::caused_by(RuntimeError::new("generator raised StopIteration"), error))
            }
            Resumed::Returned(Err(error)) => Err(error),
            Resumed::Panicked(payload) => resume_unwind(payload),
            Resumed::Suspended(_) => unreachable!("handled above"),
        }
    }

    fn ended(&self) -> Error {
        match self.state {
            FrameState::Running => ValueError::new("generator already executing").into(),
            _ => StopIteration.into(),
        }
    }
}

/// A function that can yield; made by [`generator`], by [`Generator::named`] and by `fn … yields …` in the DSL.
///
/// `Y` is what it yields, `S` what is sent in, `R` what it returns. With `S = ()` it is an `Iterator` of results,
/// so that `for value in generator { let value = value?; … }` and `generator.collect::<Result<Vec<_>>>()?` work.
///
/// Dropping a suspended generator closes it: `GeneratorExit` is raised at its yield.
///
/// A generator stays on its thread:
/// ```compile_fail
/// let numbers = coro_core::generator(|y: &coro_core::Yielder<u32>| { y.yield_(1)?; Ok(()) });
/// std::thread::spawn(move || drop(numbers));
/// ```
/// One that borrows cannot be started while it can be moved and forgotten; [`lend`](Self::lend) it instead:
/// ```compile_fail
/// let text = String::from("borrowed");
/// let text = &text;
/// let mut letters = coro_core::generator(move |y: &coro_core::Yielder<usize>| { y.yield_(text.len())?; Ok(()) });
/// letters.start().unwrap();
/// ```
pub struct Generator<Y, S, R, F> {
    core: Core<Y, S, R, F>,
    returned: Option<R>,
}

/// Makes a generator from a closure. Nothing of it runs before the first [`start`](Generator::start).
///
/// ```
/// use coro_core::{Yielder, generator};
/// let numbers = generator(|y: &Yielder<u32>| { for n in 0..3 { y.yield_(n)?; } Ok(()) });
/// assert_eq!(numbers.collect::<coro_core::Result<Vec<_>>>()?, [0, 1, 2]);
/// # Ok::<(), coro_core::Error>(())
/// ```
#[track_caller]
pub fn generator<Y, S, R, F>(body: F) -> Generator<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    Generator::with_origin(Origin::closure("generator"), body)
}

impl<Y, S, R, F> Generator<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    /// A generator whose name and place are known.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Definition, Yielder};
    /// static COUNT: Definition = Definition::new("count", file!(), line!());
    /// let count = Generator::named(&COUNT, |y: &Yielder<u32>| y.yield_(1));
    /// assert_eq!(count.name(), "count");
    /// ```
    pub fn named(definition: &'static Definition, body: F) -> Self {
        Self::with_origin(Origin::Function(definition), body)
    }

    pub(crate) fn with_origin(origin: Origin, body: F) -> Self {
        let core = Core {
            origin,
            body: Some(body),
            fiber: None,
            state: FrameState::Created,
            stack_size: DEFAULT_STACK_SIZE,
            pinned: false,
        };
        Self { core, returned: None }
    }

    /// Address space for its stack, in bytes; 256 KiB if nothing is said.
    ///
    /// A size that no stack can have is an error of the first step.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let deep = |y: &coro_core::Yielder<usize>| y.yield_(std::hint::black_box([0_u8; 512 * 1024]).len());
    /// let mut deep = coro_core::generator(deep).stack_size(1 << 20);
    /// assert_eq!(deep.start()?, GeneratorState::Yielded(512 * 1024));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.core.stack_size = bytes;
        self
    }

    /// Where it is in its life; `inspect.getgeneratorstate`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let mut one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
    /// assert_eq!(one.state(), FrameState::Created);
    /// one.start()?;
    /// one.close()?;
    /// assert_eq!(one.state(), FrameState::Closed);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.core.state
    }

    /// The name of the function it was made by; `__name__`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     fn count() yields u32 { yield!(1); }
    /// }
    /// assert_eq!(count().name(), "count");
    /// ```
    pub fn name(&self) -> &'static str {
        self.core.origin.name()
    }

    /// What it returned, once it has been run to its end as an iterator; the value of Python's
    /// `StopIteration`.
    ///
    /// [`send`](Self::send) and [`start`](Self::start) hand the value over instead, as `Returned`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut one = coro_core::generator(|y: &coro_core::Yielder<u32>| { y.yield_(1)?; Ok("end") });
    /// for number in &mut one { assert_eq!(number?, 1); }
    /// assert_eq!(one.returned(), Some(&"end"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn returned(&self) -> Option<&R> {
        self.returned.as_ref()
    }

    /// Runs `f` with this generator, which may borrow; it is closed before `lend` returns.
    ///
    /// ```
    /// use coro_core::{Yielder, generator};
    /// let text = String::from("abc");
    /// let letters = generator(|y: &Yielder<char>| { for c in text.chars() { y.yield_(c)?; } Ok(()) });
    /// let first = letters.lend(|mut letters| letters.next()).unwrap()?;
    /// assert_eq!(first, 'a');
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn lend<T>(mut self, f: impl FnOnce(Lent<'_, Y, S, R>) -> T) -> T {
        self.pin();
        f(Lent { steps: &mut self.core })
    }

    /// Notes that it stays in a frame that cannot be forgotten, and may borrow from there.
    pub(crate) fn pin(&mut self) {
        self.core.pinned = true;
    }

    pub(crate) fn next_borrowed(&mut self) -> Option<Result<Y>>
    where
        S: Default,
    {
        let step = match self.core.state {
            FrameState::Created => self.core.start(),
            FrameState::Closed => return None,
            _ => self.core.send(S::default()),
        };
        match step {
            Ok(GeneratorState::Yielded(value)) => Some(Ok(value)),
            Ok(GeneratorState::Returned(value)) => {
                self.returned = Some(value);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    pub(crate) fn throw_borrowed(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
        self.core.throw(error)
    }
}

/// The four steps that a generator can be asked for, on the types that offer them.
macro_rules! steps {
    ($generator:ident => $steps:expr) => {
        /// Runs it to its first yield; `next(generator)` on a fresh one.
        ///
        /// # Errors
        /// What it raises; [`RuntimeError`] if it has started already; [`StopIteration`] if it has ended.
        ///
        /// # Panics
        /// With the panic of the generator, which has ended then.
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let mut one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
        /// assert_eq!(one.start()?, GeneratorState::Yielded(1));
        /// assert!(one.start().is_err()); // has started
        /// # Ok::<(), Error>(())
        /// ```
        pub fn start(&mut self) -> Result<GeneratorState<Y, R>> {
            let $generator = self;
            $steps.start()
        }

        /// Resumes it: the yield it stands at gives `value`.
        ///
        /// # Errors
        /// What it raises; [`TypeError`] if it has not started (`S = ()` starts it); [`StopIteration`] if it has ended.
        ///
        /// # Panics
        /// As [`start`](Self::start).
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let mut echo = coro_core::generator(|y: &coro_core::Yielder<&str, u32>| y.yield_("ready"));
        /// assert_eq!(echo.start()?, GeneratorState::Yielded("ready"));
        /// assert_eq!(echo.send(7)?, GeneratorState::Returned(7));
        /// assert!(echo.send(8).unwrap_err().is::<coro_core::StopIteration>());
        /// # Ok::<(), Error>(())
        /// ```
        pub fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
            let $generator = self;
            $steps.send(value)
        }

        /// Resumes it: the yield it stands at raises `error`. One that has not started ends without having run.
        ///
        /// # Errors
        /// `error` itself if the generator does not catch it, or what it raises instead.
        ///
        /// # Panics
        /// As [`start`](Self::start).
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let patient = |y: &coro_core::Yielder<u32>| Ok(y.yield_(1).unwrap_err().to_string());
        /// let mut patient = coro_core::generator(patient);
        /// patient.start()?;
        /// assert_eq!(patient.throw(Error::msg("burnt"))?, GeneratorState::Returned("burnt".to_owned()));
        /// # Ok::<(), Error>(())
        /// ```
        pub fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
            let $generator = self;
            $steps.throw(error)
        }

        /// Ends it: raises [`GeneratorExit`] at its yield. Gives what it returns then, if it returns.
        ///
        /// # Errors
        /// What it raises instead; [`RuntimeError`] "generator ignored GeneratorExit" if it yields.
        ///
        /// # Panics
        /// As [`start`](Self::start).
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let tidy = |y: &coro_core::Yielder<u32>| {
        ///     let ended = y.yield_(1).unwrap_err();
        ///     Ok(ended.is::<GeneratorExit>())
        /// };
        /// let mut tidy = coro_core::generator(tidy);
        /// tidy.start()?;
        /// assert_eq!(tidy.close()?, Some(true));
        /// assert_eq!(tidy.close()?, None); // closing twice is fine
        /// # Ok::<(), Error>(())
        /// ```
        pub fn close(&mut self) -> Result<Option<R>> {
            let $generator = self;
            $steps.close()
        }
    };
}

impl<Y: 'static, S: 'static, R: 'static, F> Generator<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R> + 'static, // one that borrows runs within `lend`
{
    steps!(this => this.core);

    /// A handle that can be cloned, also into the generator itself.
    ///
    /// ```
    /// use coro_core::{Yielder, generator};
    /// let numbers = generator(|y: &Yielder<u32>| { y.yield_(1)?; Ok(()) }).shared();
    /// let other = numbers.clone();
    /// numbers.start()?;
    /// other.close()?;
    /// assert!(numbers.send(()).is_err());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn shared(self) -> SharedGenerator<Y, S, R> {
        let state = Cell::new(self.core.state);
        SharedGenerator { inner: Rc::new(Shared { steps: Cell::new(Some(Box::new(self.core))), state }) }
    }
}

impl<Y: 'static, R: 'static, F> Iterator for Generator<Y, (), R, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<R> + 'static,
{
    type Item = Result<Y>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_borrowed()
    }
}

impl<Y, S, R, F> Debug for Generator<Y, S, R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<generator object {} at {:p}>", self.core.origin.name(), self)
    }
}

/// The steps of a generator whose body is not named.
trait Steps<Y, S, R> {
    fn start(&mut self) -> Result<GeneratorState<Y, R>>;
    fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>>;
    fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>>;
    fn close(&mut self) -> Result<Option<R>>;
    fn state(&self) -> FrameState;
}

impl<Y, S, R, F> Steps<Y, S, R> for Core<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    fn start(&mut self) -> Result<GeneratorState<Y, R>> {
        Core::start(self)
    }

    fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
        Core::send(self, value)
    }

    fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
        Core::throw(self, error)
    }

    fn close(&mut self) -> Result<Option<R>> {
        Core::close(self)
    }

    fn state(&self) -> FrameState {
        self.state
    }
}

/// A generator lent to a closure by [`Generator::lend`]: it may borrow, since it cannot be taken away.
///
/// ```
/// # use coro_core::prelude::*;
/// let text = String::from("eggs");
/// let letters = coro_core::generator(|y: &coro_core::Yielder<char>| {
///     for letter in text.chars() { y.yield_(letter)?; }
///     Ok(())
/// });
/// let first = letters.lend(|mut letters| letters.start())?;
/// assert_eq!(first, GeneratorState::Yielded('e'));
/// # Ok::<(), Error>(())
/// ```
pub struct Lent<'g, Y, S, R> {
    steps: &'g mut dyn Steps<Y, S, R>,
}

impl<Y, S, R> Lent<'_, Y, S, R> {
    steps!(this => this.steps);

    /// Where it is in its life.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
    /// one.lend(|mut one| {
    ///     assert_eq!(one.state(), FrameState::Created);
    ///     one.start()?;
    ///     assert_eq!(one.state(), FrameState::Suspended);
    ///     Ok::<(), Error>(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.steps.state()
    }
}

impl<Y, R> Iterator for Lent<'_, Y, (), R> {
    type Item = Result<Y>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state() == FrameState::Closed {
            return None;
        }
        match self.send(()) {
            Ok(GeneratorState::Yielded(value)) => Some(Ok(value)),
            Ok(GeneratorState::Returned(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

type BoxedSteps<Y, S, R> = Box<dyn Steps<Y, S, R>>;

/// A generator that several hold; made by [`Generator::shared`].
///
/// Stepping it while it runs is the error [`ValueError`] "generator already executing".
///
/// ```
/// # use coro_core::prelude::*;
/// use std::{cell::RefCell, rc::Rc};
/// let me: Rc<RefCell<Option<coro_core::SharedGenerator<u32, (), ()>>>> = Rc::default();
/// let inside = Rc::clone(&me);
/// let one = coro_core::generator(move |y: &coro_core::Yielder<u32>| {
///     let error = inside.take().unwrap().start().unwrap_err();
///     assert_eq!(error.to_string(), "generator already executing");
///     y.yield_(1)
/// });
/// let one = one.shared();
/// me.replace(Some(one.clone()));
/// assert_eq!(one.start()?, GeneratorState::Yielded(1));
/// # Ok::<(), Error>(())
/// ```
pub struct SharedGenerator<Y, S, R> {
    inner: Rc<Shared<Y, S, R>>,
}

struct Shared<Y, S, R> {
    /// Taken out while a step runs.
    steps: Cell<Option<BoxedSteps<Y, S, R>>>,
    state: Cell<FrameState>,
}

impl<Y, S, R> Clone for SharedGenerator<Y, S, R> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<Y, S, R> SharedGenerator<Y, S, R> {
    fn step<T>(&self, f: impl FnOnce(&mut dyn Steps<Y, S, R>) -> Result<T>) -> Result<T> {
        /// Puts the generator back, also when a panic passes.
        struct PutBack<'a, Y, S, R>(&'a Shared<Y, S, R>, Option<BoxedSteps<Y, S, R>>);
        impl<Y, S, R> Drop for PutBack<'_, Y, S, R> {
            fn drop(&mut self) {
                if let Some(steps) = self.1.take() {
                    self.0.state.set(steps.state());
                    self.0.steps.set(Some(steps));
                }
            }
        }
        let Some(steps) = self.inner.steps.take() else {
            return Err(ValueError::new("generator already executing").into());
        };
        self.inner.state.set(FrameState::Running);
        let mut steps = PutBack(&self.inner, Some(steps));
        match &mut steps.1 {
            Some(steps) => f(&mut **steps),
            None => unreachable!("filled above"),
        }
    }

    /// Where it is in its life.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// assert_eq!(one.state(), FrameState::Created);
    /// one.start()?;
    /// assert_eq!(one.clone().state(), FrameState::Suspended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.inner.state.get()
    }

    /// As [`Generator::start`].
    ///
    /// # Errors
    /// As there; and [`ValueError`] while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// assert_eq!(one.start()?, GeneratorState::Yielded(1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn start(&self) -> Result<GeneratorState<Y, R>> {
        self.step(|steps| steps.start())
    }

    /// As [`Generator::send`].
    ///
    /// # Errors
    /// As there; and [`ValueError`] while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let echo = coro_core::generator(|y: &coro_core::Yielder<u32, u32>| y.yield_(1)).shared();
    /// echo.start()?;
    /// assert_eq!(echo.clone().send(7)?, GeneratorState::Returned(7));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send(&self, value: S) -> Result<GeneratorState<Y, R>> {
        self.step(|steps| steps.send(value))
    }

    /// As [`Generator::throw`].
    ///
    /// # Errors
    /// As there; and [`ValueError`] while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// one.start()?;
    /// assert_eq!(one.throw(Error::msg("burnt")).unwrap_err().to_string(), "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn throw(&self, error: Error) -> Result<GeneratorState<Y, R>> {
        self.step(|steps| steps.throw(error))
    }

    /// As [`Generator::close`].
    ///
    /// # Errors
    /// As there; and [`ValueError`] while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// one.start()?;
    /// assert_eq!(one.close()?, None);
    /// assert_eq!(one.state(), coro_core::FrameState::Closed);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) -> Result<Option<R>> {
        self.step(|steps| steps.close())
    }
}

impl<Y, S, R> Debug for SharedGenerator<Y, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<shared generator {:?}>", self.state())
    }
}
