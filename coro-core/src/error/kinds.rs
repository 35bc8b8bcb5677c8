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

/// Ctrl-C ended the run; Python's `KeyboardInterrupt`. `#[coro_core::main]` turns it into exit status 130.
///
/// ```
/// assert_eq!(coro_core::KeyboardInterrupt.to_string(), "interrupted");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct KeyboardInterrupt;

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
