//! Generators: functions that run on a stack of their own and can yield (PEP 342, PEP 380).
//!
//! Floor 2. A generator that has started owns what it uses (`'static`), since a value that can be moved can be
//! forgotten, and a forgotten stack keeps what it borrowed. One that borrows is lent to a closure by
//! [`Generator::lend`], or runs as a hidden local of `async for` and `yield_from!`.

mod core;
mod lent;
mod shared;
mod turns;
mod yielder;

use std::fmt::{self, Debug};

pub use lent::Lent;
pub use shared::SharedGenerator;
pub(crate) use turns::Turns;
pub use yielder::{YieldFrom, Yielder};

use self::core::{Core, steps};
use crate::definition::{Definition, Origin};
use crate::error::{Error, Result};

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
    /// Running now. Only a handle that can be cloned tells it, since a step borrows what it steps.
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
    Generator::with_origin(Origin::closure(|| "generator"), body)
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
        Self { core: Core::new(origin, body), returned: None }
    }

    /// Address space for its stack, in bytes; 256 KiB if nothing is said.
    ///
    /// A size that no stack can have is an error of the first step.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let deep = |y: &coro_core::Yielder<usize>| y.yield_(std::hint::black_box([0_u8; 300 * 1024]).len());
    /// let mut deep = coro_core::generator(deep).stack_size(1 << 20);
    /// assert_eq!(deep.start()?, GeneratorState::Yielded(300 * 1024));
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

    #[inline]
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
        SharedGenerator::new(Box::new(self.core))
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
