//! Reports: what asyncio would log, or warn about, or only print as "ignored".
//!
//! Floor 0. Everything goes through `tracing` with the target `coro`. Where no subscriber was ever set, warnings
//! and errors go to standard error, as Python's logging does: nothing is lost silently.

use std::fmt::Display;

use crate::error::Error;

/// The `tracing` target of every report of this library.
pub const TARGET: &str = "coro";

/// Something that went wrong where nobody could be told by a return value.
pub(crate) fn error(message: impl Display) {
    if nobody_listens() {
        eprintln!("coro: error: {message}");
    } else {
        tracing::error!(target: TARGET, "{message}");
    }
}

/// The same with the exception that it is about: fields `exception_type` and `exception` are set.
pub(crate) fn exception(message: impl Display, exception: &Error) {
    if nobody_listens() {
        eprintln!("coro: error: {message}\n{exception:?}");
    } else {
        let exception_type = exception.type_name();
        tracing::error!(target: TARGET, exception_type, %exception, "{message}");
    }
}

/// Something that is most likely a mistake: a step that took too long, a task destroyed while pending.
pub(crate) fn warning(message: impl Display) {
    if nobody_listens() {
        eprintln!("coro: warning: {message}");
    } else {
        tracing::warn!(target: TARGET, "{message}");
    }
}

/// A mistake in the program that Python reports by its `warnings` module: field `category` is set.
pub(crate) fn runtime_warning(message: impl Display, file: &str, line: u32) {
    if nobody_listens() {
        eprintln!("{file}:{line}: RuntimeWarning: {message}");
    } else {
        tracing::warn!(target: TARGET, category = "RuntimeWarning", file, line, "{message}");
    }
}

/// An error in a place that can only ignore it, such as a destructor.
pub(crate) fn unraisable(error: impl Display) {
    if nobody_listens() {
        eprintln!("coro: ignored: {error}");
    } else {
        tracing::error!(target: TARGET, category = "Unraisable", "{error}");
    }
}

/// What debug mode tells of the loop's own life.
pub(crate) fn debug(message: impl Display) {
    tracing::debug!(target: TARGET, "{message}");
}

fn nobody_listens() -> bool {
    tracing::dispatcher::get_default(|dispatch| dispatch.is::<tracing::subscriber::NoSubscriber>())
}
