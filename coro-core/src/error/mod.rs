//! Exceptions as values: [`Error`], the errors of the library, and how they travel through foreign code.
//!
//! Floor 0. An [`Error`] is what Python would raise. It holds any `std::error::Error`, is one pointer wide and
//! is cloned by counting, so that one failure can be delivered to every task that waits for it.
//!
//! Through `std::io` an error travels inside an `io::Error`: [`Carrier`] is the payload, its `source()` is the
//! original error, so that code which only follows sources (as `serde_json::Error` does) still finds it.

mod about;
mod group;
mod kinds;
mod sources;

use std::error::Error as StdError;
use std::fmt::{self, Debug, Display, Write};
use std::io;
use std::ops::Deref;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

pub(crate) use about::io_context;
pub use group::ErrorGroup;
pub use kinds::{
    BrokenBarrier, Cancelled, Elapsed, GeneratorExit, IncompleteRead, InvalidState, KeyboardInterrupt,
    LimitOverrun, Panicked, QueueEmpty, QueueFull, QueueShutDown, RuntimeError, StopAsyncIteration,
    StopIteration, SystemExit, TypeError, ValueError,
};
use sources::{inside, source_of};

/// The result of everything that may raise: `Result<T>` is `Result<T, coro_core::Error>`.
///
/// ```
/// # use coro_core::prelude::*;
/// fn boil(minutes: &str) -> Result<u32> {
///     Ok(minutes.parse::<u32>()?) // any error converts
/// }
/// assert_eq!(boil("6")?, 6);
/// assert!(boil("six").is_err());
/// # Ok::<(), Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = dyn StdError + Send + Sync + 'static;

/// The dynamic exception: any error, cheap to clone, with the place where it was raised.
///
/// Every `std::error::Error + Send + Sync + 'static` converts into it by `?`; it converts back into
/// [`std::io::Error`] and into boxed errors. `Debug`, which `main` prints, reads like a traceback.
///
/// ```
/// use coro_core::prelude::*;
///
/// fn parse(text: &str) -> Result<u32> {
///     Ok(text.parse::<u32>()?)
/// }
/// let error = parse("x").unwrap_err();
/// assert!(error.is::<std::num::ParseIntError>());
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// ```
#[derive(Clone)]
pub struct Error {
    raised: Arc<Raised>,
}

struct Raised {
    error: Box<Source>,
    /// Gives the name of its type.
    kind: fn() -> &'static str,
    location: &'static Location<'static>,
    cause: Option<Error>,
}

/// How many groups are described one in the other, as in Python's tracebacks.
const GROUP_DEPTH: usize = 10;

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(cause) = self.cause.take() {
            drop_all(vec![cause]);
        }
    }
}

/// Drops errors, their causes and what is in their groups one by one, not one in the other: they may be nested deeper than
/// a stack allows.
#[cold]
fn drop_all(mut errors: Vec<Error>) {
    while let Some(error) = errors.pop() {
        let Some(mut raised) = Arc::into_inner(error.raised) else { continue };
        errors.extend(raised.cause.take());
        if let Some(group) = raised.error.downcast_mut::<ErrorGroup>() {
            errors.append(&mut group.errors);
        }
    }
}

impl Error {
    /// An exception that holds `error`.
    ///
    /// An `io::Error` that carries an exception of this library gives back that very exception.
    ///
    /// ```
    /// use coro_core::{Error, Cancelled};
    /// let error = Error::new(Cancelled::new());
    /// assert!(error.is_cancelled());
    /// assert!(Error::new(std::io::Error::from(error)).is::<Cancelled>());
    /// ```
    #[track_caller]
    pub fn new<E: StdError + Send + Sync + 'static>(error: E) -> Self {
        if let Some(carried) = carried_by(&error) {
            return carried;
        }
        Self::build(Box::new(error), short_name::<E>, None)
    }

    /// An exception that is only a message; `raise!("text {x}")` makes one too.
    ///
    /// ```
    /// assert_eq!(coro_core::Error::msg("no eggs left").to_string(), "no eggs left");
    /// ```
    #[track_caller]
    pub fn msg(message: impl Display) -> Self {
        Self::build(Box::new(Message(message.to_string())), || "Error", None)
    }

    /// An exception from an error that is boxed already.
    ///
    /// ```
    /// let boxed: Box<dyn std::error::Error + Send + Sync> = "from elsewhere".into();
    /// assert_eq!(coro_core::Error::from_boxed(boxed).to_string(), "from elsewhere");
    /// ```
    #[track_caller]
    pub fn from_boxed(error: Box<dyn StdError + Send + Sync + 'static>) -> Self {
        match error.downcast::<Carrier>() {
            Ok(carrier) => carrier.0,
            Err(error) => carried_by(&*error).unwrap_or_else(|| Self::build(error, || "Error", None)),
        }
    }

    /// An error from a box that may not leave its thread: what it says is kept, and an [`Error`] in it as such.
    #[track_caller]
    pub(crate) fn from_local_box(error: Box<dyn StdError + 'static>) -> Self {
        match error.downcast::<Carrier>() {
            Ok(carrier) => carrier.0,
            Err(other) => Self::msg(other),
        }
    }

    #[track_caller]
    fn build(error: Box<Source>, kind: fn() -> &'static str, cause: Option<Error>) -> Self {
        Self { raised: Arc::new(Raised { error, kind, location: Location::caller(), cause }) }
    }

    /// The same kind of raise, with the error it came from: Python's `raise X from cause`.
    ///
    /// ```
    /// use coro_core::{Error, Cancelled, Elapsed};
    /// let error = Error::caused_by(Elapsed, Error::new(Cancelled::new()));
    /// assert!(error.is_timeout() && !error.is_cancelled());
    /// assert!(error.cause().unwrap().is_cancelled());
    /// ```
    #[track_caller]
    pub fn caused_by<E: StdError + Send + Sync + 'static>(error: E, cause: Error) -> Self {
        Self::build(Box::new(error), short_name::<E>, Some(cause))
    }

    /// The exception that this one was raised from: Python's `__cause__`.
    ///
    /// ```
    /// assert!(coro_core::Error::msg("alone").cause().is_none());
    /// ```
    pub fn cause(&self) -> Option<&Error> {
        self.raised.cause.as_ref()
    }

    /// This very raise, with `cause` if it has none yet and nobody else holds it; what Python keeps in `__context__`.
    pub(crate) fn or_cause(mut self, cause: Error) -> Self {
        match Arc::get_mut(&mut self.raised) {
            Some(Raised { cause: empty @ None, .. }) => *empty = Some(cause),
            _ => drop(cause),
        }
        self
    }

    /// Whether the error held is an `E`: Python's `isinstance`, for one type.
    ///
    /// ```
    /// use coro_core::{Error, ValueError};
    /// assert!(Error::new(ValueError::new("-1 eggs")).is::<ValueError>());
    /// ```
    pub fn is<E: StdError + 'static>(&self) -> bool {
        self.raised.error.is::<E>()
    }

    /// The error held, if it is an `E`.
    ///
    /// ```
    /// use coro_core::{Error, ValueError};
    /// let error = Error::new(ValueError::new("-1 eggs"));
    /// assert_eq!(error.downcast_ref::<ValueError>().unwrap().message(), "-1 eggs");
    /// ```
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.raised.error.downcast_ref()
    }

    /// Whether this is a cancellation, also when foreign code wrapped it: the chain of sources is walked.
    ///
    /// ```
    /// use coro_core::{Cancelled, Error};
    /// let wrapped = std::io::Error::from(Error::new(Cancelled::new()));
    /// assert!(Error::from_boxed(Box::new(wrapped)).is_cancelled());
    /// assert!(!Error::msg("other").is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        chain_has::<Cancelled>(&*self.raised.error)
    }

    /// Whether a time limit ended the work: Python's `TimeoutError`.
    ///
    /// An `io::Error` of kind `TimedOut` counts as well.
    ///
    /// ```
    /// use coro_core::{Elapsed, Error};
    /// assert!(Error::new(Elapsed).is_timeout());
    /// assert!(Error::new(std::io::Error::from(std::io::ErrorKind::TimedOut)).is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        chain_has::<Elapsed>(&*self.raised.error)
            || self.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)
    }

    /// The errors of an [`ErrorGroup`]; of any other error, none.
    ///
    /// ```
    /// use coro_core::{Error, ErrorGroup};
    /// let group = Error::new(ErrorGroup::new("two", vec![Error::msg("a"), Error::msg("b")]));
    /// assert_eq!(group.errors().len(), 2);
    /// assert!(Error::msg("alone").errors().is_empty());
    /// ```
    pub fn errors(&self) -> &[Error] {
        self.downcast_ref::<ErrorGroup>().map_or(&[], ErrorGroup::errors)
    }

    /// Whether a panic was caught on the way.
    ///
    /// ```
    /// assert!(!coro_core::Error::msg("calm").is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        self.is::<Panicked>()
    }

    /// Whether it breaks out of the loop when a task raises it.
    pub(crate) fn breaks_out(&self) -> bool {
        self.is::<SystemExit>() || self.is::<KeyboardInterrupt>()
    }

    /// The short name of the type of the error held, such as `"ValueError"`.
    ///
    /// ```
    /// assert_eq!(coro_core::Error::new(coro_core::Elapsed).type_name(), "Elapsed");
    /// ```
    pub fn type_name(&self) -> &'static str {
        (self.raised.kind)()
    }

    /// Where it was raised.
    ///
    /// ```
    /// assert!(coro_core::Error::msg("here").location().line() > 0);
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.raised.location
    }

    /// Whether both are the same raise: Python's `is`.
    ///
    /// ```
    /// let error = coro_core::Error::msg("one");
    /// assert!(error.same(&error.clone()));
    /// assert!(!error.same(&coro_core::Error::msg("one")));
    /// ```
    pub fn same(&self, other: &Error) -> bool {
        Arc::ptr_eq(&self.raised, &other.raised)
    }

    /// It and its causes, where `depth` groups are around them.
    fn fmt_chain(&self, out: &mut dyn fmt::Write, depth: usize) -> fmt::Result {
        let mut next = Some(self);
        while let Some(raise) = next {
            let Raised { error, kind, location, cause } = &*raise.raised;
            if !ptr::eq(raise, self) {
                out.write_str("\nraised from ")?;
            }
            write!(out, "{}: {error}\n  raised at {location}", kind())?;
            let mut source = source_of(&**error);
            while let Some(error) = source {
                write!(out, "\n  because: {error}")?;
                source = source_of(error);
            }
            let group = raise.downcast_ref::<ErrorGroup>();
            for (number, error) in group.map_or(&[][..], ErrorGroup::errors).iter().enumerate() {
                let mut text = String::new();
                match depth < GROUP_DEPTH {
                    true => error.fmt_chain(&mut text, depth + 1)?,
                    false => write!(text, "... (max_group_depth is {GROUP_DEPTH})")?,
                }
                let text = text.replace('\n', "\n  | ");
                write!(out, "\n  +- {} -\n  | {text}", number + 1)?;
            }
            next = cause.as_ref();
        }
        Ok(())
    }

    /// The error as it stands in `exception=...` of a task's `Debug` output.
    pub(crate) fn fmt_repr(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.raised.error, f)
    }
}

/// The name of a type without its path and parameters.
pub(crate) fn short_name<T: ?Sized>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// The exception inside an `io::Error` that this library made, if `error` is one.
fn carried_by(error: &(dyn StdError + 'static)) -> Option<Error> {
    let payload = error.downcast_ref::<io::Error>()?.get_ref()?;
    payload.downcast_ref::<Carrier>().map(|carrier| carrier.0.clone())
}

fn chain_has<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return true;
        }
        next = inside(error);
    }
    false
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl Deref for Error {
    type Target = dyn StdError + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.raised.error
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.raised.error, f)
    }
}

impl Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_chain(f, 1)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        // Never of kind `Interrupted`: `read_exact` and its like would swallow it and try again.
        let kind = match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::Interrupted) | None if error.is_timeout() => io::ErrorKind::TimedOut,
            Some(io::ErrorKind::Interrupted) | None => io::ErrorKind::Other,
            Some(kind) => kind,
        };
        io::Error::new(kind, Carrier(error))
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync + 'static> {
    fn from(error: Error) -> Self {
        Box::new(Carrier(error))
    }
}

impl From<Error> for Box<dyn StdError + 'static> {
    fn from(error: Error) -> Self {
        Box::new(Carrier(error))
    }
}

/// What an [`Error`] becomes where a `std::error::Error` is asked for. Its source is the error itself.
struct Carrier(Error);

impl Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl StdError for Carrier {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0.raised.error)
    }
}

struct Message(String);

impl Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0).finish()
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Message {}

/// Raises an error: leaves the function, closure or coroutine with it, as Python's `raise` does.
///
/// `raise!(error)` takes any error, `raise!("text {x}")` makes one from a message.
///
/// ```
/// use coro_core::prelude::*;
///
/// fn boil(eggs: u32) -> Result<u32> {
///     if eggs == 0 {
///         raise!("{eggs} eggs");
///     }
///     Ok(eggs)
/// }
/// assert_eq!(boil(0).unwrap_err().to_string(), "0 eggs");
/// ```
#[macro_export]
macro_rules! raise {
    ($text:literal $($arguments:tt)*) => {
        return ::core::result::Result::Err(::core::convert::From::from($crate::Error::msg(::std::format!($text $($arguments)*))))
    };
    ($error:expr $(,)?) => {
        return ::core::result::Result::Err(::core::convert::From::from($crate::Error::from($error)))
    };
}
