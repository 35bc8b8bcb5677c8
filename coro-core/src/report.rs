//! Reports: what asyncio would log, or warn about, or only print as "ignored".
//!
//! Floor 0. Everything goes through `tracing` with the target `coro`. Where no subscriber was ever set, warnings
//! and errors go to standard error, as Python's logging does: nothing is lost silently.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::OnceLock;

use crate::error::Error;

/// The `tracing` target of every report of this library; Python's logger `asyncio`.
///
/// ```
/// // In a filter of tracing-subscriber: `coro=debug`.
/// assert_eq!(coro_core::REPORT_TARGET, "coro");
/// ```
pub const TARGET: &str = "coro";

/// Runs a report where nothing may suspend: a subscriber that awaits would do it in the middle of a destructor, and
/// while `tracing` has its own thread-locals borrowed.
static QUIET: OnceLock<fn(&mut dyn FnMut())> = OnceLock::new();

/// Says how to run something where nothing may suspend; the floor that knows it sets it once.
pub(crate) fn set_quiet(quiet: fn(&mut dyn FnMut())) {
    // A second call would set the same function.
    let _ = QUIET.set(quiet);
}

fn quietly(mut report: impl FnMut()) {
    match QUIET.get() {
        Some(quiet) => quiet(&mut report),
        None => report(),
    }
}

/// Writes a line to standard error. What cannot be written there is lost: the disk may be full, and who reads may be gone.
pub(crate) fn tell(text: fmt::Arguments<'_>) {
    // `eprintln!` would panic then, and most reports are made in destructors.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Something that went wrong where nobody could be told by a return value.
pub(crate) fn error(message: impl Display) {
    quietly(|| {
        if nobody_listens() {
            tell(format_args!("coro: error: {message}"));
        } else {
            tracing::error!(target: TARGET, "{message}");
        }
    });
}

/// The same with the exception that it is about: fields `exception_type` and `exception` are set.
pub(crate) fn exception(message: impl Display, exception: &Error) {
    quietly(|| {
        if nobody_listens() {
            tell(format_args!("coro: error: {message}\n{exception:?}"));
        } else {
            let exception_type = exception.type_name();
            tracing::error!(target: TARGET, exception_type, %exception, "{message}");
        }
    });
}

/// Something that is most likely a mistake: a step that took too long, a task destroyed while pending.
pub(crate) fn warning(message: impl Display) {
    quietly(|| {
        if nobody_listens() {
            tell(format_args!("coro: warning: {message}"));
        } else {
            tracing::warn!(target: TARGET, "{message}");
        }
    });
}

/// A mistake in the program that Python reports by its `warnings` module: field `category` is set.
pub(crate) fn runtime_warning(message: impl Display, file: &str, line: u32) {
    quietly(|| {
        if nobody_listens() {
            tell(format_args!("{file}:{line}: RuntimeWarning: {message}"));
        } else {
            tracing::warn!(target: TARGET, category = "RuntimeWarning", file, line, "{message}");
        }
    });
}

/// Something that should have been closed was dropped instead, which closes it: Python's `ResourceWarning`. A destructor
/// says so through `LoopCore::report_unclosed`, which is silent without debug mode.
pub(crate) fn unclosed(what: impl Display) {
    quietly(|| {
        if nobody_listens() {
            tell(format_args!("ResourceWarning: unclosed {what}"));
        } else {
            tracing::warn!(target: TARGET, category = "ResourceWarning", "unclosed {what}");
        }
    });
}

/// An error in a place that can only ignore it, such as a destructor.
pub(crate) fn unraisable(error: impl Display) {
    quietly(|| {
        if nobody_listens() {
            tell(format_args!("coro: ignored: {error}"));
        } else {
            tracing::error!(target: TARGET, category = "Unraisable", "{error}");
        }
    });
}

/// What debug mode tells of the loop's own life.
pub(crate) fn debug(message: impl Display) {
    quietly(|| tracing::debug!(target: TARGET, "{message}"));
}

fn nobody_listens() -> bool {
    tracing::dispatcher::get_default(|dispatch| dispatch.is::<tracing::subscriber::NoSubscriber>())
}
