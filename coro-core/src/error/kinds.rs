//! The errors of the library: what an [`Error`](super::Error) holds when coro itself raised it.
//!
//! Floor 0. Those that say more than their name are messages, made by `message_error!`; the others are one sentence.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Debug, Display};
use std::sync::{Mutex, PoisonError};

/// Defines an error that is a message: what in Python is a subclass with a text.
macro_rules! message_error {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            message: Cow<'static, str>,
        }

        impl $name {
            /// The error with this message.
            ///
            /// ```
            #[doc = concat!("let error = coro_core::", stringify!($name), "::new(\"burnt\");")]
            /// assert_eq!(error.to_string(), "burnt");
            /// ```
            pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
                Self { message: message.into() }
            }

            /// The message alone.
            ///
            /// ```
            #[doc = concat!("assert_eq!(coro_core::", stringify!($name), "::new(\"burnt\").message(), \"burnt\");")]
            /// ```
            pub fn message(&self) -> &str {
                &self.message
            }
        }

        impl Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.message).finish()
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.message)
            }
        }

        impl StdError for $name {}
    };
}

message_error! {
    /// The loop, a task or a generator was used in a state that does not allow it; asyncio's `RuntimeError`.
    ///
    /// ```
    /// assert_eq!(coro_core::get_running_loop().unwrap_err().to_string(), "no running event loop");
    /// ```
    RuntimeError
}

message_error! {
    /// An argument of the right type with a value that cannot be used; Python's `ValueError`.
    ///
    /// ```
    /// assert_eq!(coro_core::ValueError::new("-1").message(), "-1");
    /// ```
    ValueError
}

message_error! {
    /// A value was given where none can be; Python's `TypeError`.
    ///
    /// ```
    /// assert_eq!(coro_core::TypeError::new("no").to_string(), "no");
    /// ```
    TypeError
}

message_error! {
    /// A future was asked for what its state does not have; asyncio's `InvalidStateError`.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// coro_core::run(coroutine(|| {
    ///     let future = coro_core::Future::<u32>::new();
    ///     assert!(future.result().unwrap_err().is::<coro_core::InvalidState>());
    ///     Ok(())
    /// })).unwrap();
    /// ```
    InvalidState
}

/// A cancellation on its way; asyncio's `CancelledError`.
///
/// ```
/// use coro_core::Cancelled;
/// assert_eq!(Cancelled::with_message("too late").message(), Some("too late"));
/// assert_eq!(Cancelled::new().to_string(), "cancelled");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cancelled {
    message: Option<String>,
}

impl Cancelled {
    /// A cancellation without a message.
    ///
    /// ```
    /// use coro_core::Cancelled;
    /// assert_eq!(Cancelled::new().message(), None);
    /// assert_eq!(Cancelled::new().to_string(), "cancelled");
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// A cancellation that says why: `task.cancel(msg)`.
    ///
    /// ```
    /// assert_eq!(coro_core::Cancelled::with_message("too late").to_string(), "too late");
    /// ```
    pub fn with_message(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()) }
    }

    /// What [`with_message`](Self::with_message) was given; `error.args[0]`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(1)));
    /// task.cancel_with("too late");
    /// let error = task.co_await().unwrap_err();
    /// assert_eq!(error.downcast_ref::<coro_core::Cancelled>().unwrap().message(), Some("too late"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => f.debug_tuple("Cancelled").field(message).finish(),
            None => f.write_str("Cancelled()"),
        }
    }
}

impl Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or("cancelled"))
    }
}

impl StdError for Cancelled {}

/// A time limit was reached; Python's `TimeoutError`.
///
/// ```
/// assert_eq!(coro_core::Elapsed.to_string(), "timed out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

/// A generator is asked to end; Python's `GeneratorExit`.
///
/// ```
/// assert_eq!(coro_core::GeneratorExit.to_string(), "generator is being closed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("generator is being closed")]
pub struct GeneratorExit;

/// A generator that has ended was asked for more; Python's `StopIteration`.
///
/// ```
/// assert_eq!(coro_core::StopIteration.to_string(), "generator has ended");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("generator has ended")]
pub struct StopIteration;

/// An asynchronous iterator that has ended was asked for more; Python's `StopAsyncIteration`.
///
/// ```
/// assert_eq!(coro_core::StopAsyncIteration.to_string(), "asynchronous iterator has ended");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("asynchronous iterator has ended")]
pub struct StopAsyncIteration;

/// A queue without items was asked for one; asyncio's `QueueEmpty`.
///
/// ```
/// assert_eq!(coro_core::QueueEmpty.to_string(), "the queue is empty");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is empty")]
pub struct QueueEmpty;

/// A queue without room was given an item; asyncio's `QueueFull`.
///
/// ```
/// assert_eq!(coro_core::QueueFull.to_string(), "the queue is full");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;

/// A queue was shut down; asyncio's `QueueShutDown`.
///
/// ```
/// assert_eq!(coro_core::QueueShutDown.to_string(), "the queue was shut down");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue was shut down")]
pub struct QueueShutDown;

message_error! {
    /// A barrier was aborted or reset under those who waited; asyncio's `BrokenBarrierError`.
    ///
    /// ```
    /// assert_eq!(coro_core::BrokenBarrier::new("Barrier aborted").message(), "Barrier aborted");
    /// ```
    BrokenBarrier
}

/// A stream ended before all that was asked for had come; asyncio's `IncompleteReadError`.
///
/// ```
/// use coro_core::{IncompleteRead, StreamReader, prelude::*};
/// coro_core::run(coroutine(|| {
///     let mut reader = StreamReader::new();
///     reader.feed_data(b"eg")?;
///     reader.feed_eof();
///     let error = reader.readexactly(3).co_await().unwrap_err();
///     assert_eq!(error.to_string(), "2 bytes read on a total of 3 expected bytes");
///     assert_eq!(error.downcast_ref::<IncompleteRead>().unwrap().partial(), b"eg");
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncompleteRead {
    partial: Vec<u8>,
    expected: Option<usize>,
}

impl IncompleteRead {
    /// The error of a stream that ended after `partial`.
    ///
    /// ```
    /// let error = coro_core::IncompleteRead::new(b"eg".to_vec(), None);
    /// assert_eq!(error.to_string(), "2 bytes read on a total of undefined expected bytes");
    /// ```
    pub fn new(partial: Vec<u8>, expected: Option<usize>) -> Self {
        Self { partial, expected }
    }

    /// What has come.
    ///
    /// ```
    /// assert_eq!(coro_core::IncompleteRead::new(b"eg".to_vec(), Some(3)).partial(), b"eg");
    /// ```
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// How many bytes were asked for, if that was a number.
    ///
    /// ```
    /// assert_eq!(coro_core::IncompleteRead::new(b"eg".to_vec(), Some(3)).expected(), Some(3));
    /// ```
    pub fn expected(&self) -> Option<usize> {
        self.expected
    }
}

impl Display for IncompleteRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes read on a total of ", self.partial.len())?;
        match self.expected {
            Some(expected) => write!(f, "{expected}")?,
            None => f.write_str("undefined")?,
        }
        f.write_str(" expected bytes")
    }
}

impl StdError for IncompleteRead {}

/// A separator did not come within the limit of a stream; asyncio's `LimitOverrunError`. What came can still be read.
///
/// ```
/// use coro_core::{LimitOverrun, StreamReader, prelude::*};
/// coro_core::run(coroutine(|| {
///     let mut reader = StreamReader::with_limit(4)?;
///     reader.feed_data(b"a long line\n")?;
///     let error = reader.readuntil("\n").co_await().unwrap_err();
///     assert_eq!(error.to_string(), "Separator is found, but chunk is longer than limit");
///     assert_eq!(error.downcast_ref::<LimitOverrun>().unwrap().consumed(), 11);
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LimitOverrun {
    message: Cow<'static, str>,
    consumed: usize,
}

impl LimitOverrun {
    /// The error after so many bytes.
    ///
    /// ```
    /// assert_eq!(coro_core::LimitOverrun::new("too long", 9).to_string(), "too long");
    /// ```
    pub fn new(message: impl Into<Cow<'static, str>>, consumed: usize) -> Self {
        Self { message: message.into(), consumed }
    }

    /// The message alone.
    ///
    /// ```
    /// assert_eq!(coro_core::LimitOverrun::new("too long", 9).message(), "too long");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How many bytes are no part of a separator.
    ///
    /// ```
    /// assert_eq!(coro_core::LimitOverrun::new("too long", 9).consumed(), 9);
    /// ```
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

/// Ctrl-C ended the run; Python's `KeyboardInterrupt`. `#[coro_core::main]` turns it into exit status 130.
///
/// Raised in a task, it breaks out of the loop as [`SystemExit`] does.
///
/// ```
/// assert_eq!(coro_core::KeyboardInterrupt.to_string(), "interrupted");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct KeyboardInterrupt;

/// The program is to end with this exit status; Python's `SystemExit`. `#[coro_core::main]` ends it so.
///
/// A task that raises it breaks out of the loop: the round ends there, and the run raises the error at once, whatever
/// else its main waits for. [`run`](crate::run) then cancels what is left, as always at its end. A task group raises it
/// as it is, in no [`ErrorGroup`](crate::ErrorGroup).
///
/// ```
/// use coro_core::{SystemExit, prelude::*};
/// let main = coroutine(|| {
///     let _exits = create_task(coroutine(|| -> Result<()> { Err(SystemExit(3).into()) }));
///     sleep(secs(3600)).co_await() // is cancelled
/// });
/// let error = coro_core::run(main).unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&SystemExit(3)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SystemExit(pub i32);

/// A task panicked. The payload is kept until somebody takes it up again.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let task = create_task(coroutine(|| -> Result<()> { panic!("burnt") }));
///     let error = task.co_await().unwrap_err();
///     assert!(error.is_panic());
///     assert_eq!(error.to_string(), "panicked: burnt");
///     Ok(())
/// })).unwrap();
/// ```
pub struct Panicked {
    message: String,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Panicked {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a value that is no text".to_owned(),
        };
        Self { message, payload: Mutex::new(Some(payload)) }
    }

    /// What the panic said; a fixed text if its payload is no string.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::run(coroutine(|| {
    /// let task = create_task(coroutine(|| -> Result<()> { panic!("burnt") }));
    /// let error = task.co_await().unwrap_err();
    /// assert_eq!(error.downcast_ref::<coro_core::Panicked>().unwrap().message(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panicked").field(&self.message).finish()
    }
}

impl Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl StdError for Panicked {}
