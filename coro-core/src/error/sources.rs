//! The sources of errors, also of those that do not tell them.

use std::any::TypeId;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use parking_lot::RwLock;

use super::Error;

/// What is inside an error, if it is of the type this was made for.
type Look = Arc<dyn for<'a> Fn(&'a Source) -> Option<&'a Source> + Send + Sync>;
type Source = dyn StdError + 'static;

/// Of the process. A copy is taken to look at: what a look does is the user's.
static LOOKS: RwLock<Vec<(TypeId, Look)>> = RwLock::new(Vec::new());

/// The source of `error`, or what a look for its type finds inside it.
pub(super) fn source_of(error: &Source) -> Option<&Source> {
    if let Some(source) = error.source() {
        return Some(source);
    }
    let looks: Vec<Look> = LOOKS.read().iter().map(|(_, look)| Arc::clone(look)).collect();
    let error = payload_of(error).unwrap_or(error);
    looks.iter().find_map(|look| look(error))
}

/// The next error inwards. An `io::Error` says the same as its payload, and passes it over as a source.
pub(super) fn inside(error: &Source) -> Option<&Source> {
    payload_of(error).or_else(|| source_of(error))
}

fn payload_of(error: &Source) -> Option<&Source> {
    error.downcast_ref::<io::Error>()?.get_ref().map(|payload| payload as &Source)
}

impl Error {
    /// Says what is inside errors of a type that has no `source()`, for the whole process: without it a cancellation or
    /// a timeout in there is lost. [`is_cancelled`](Self::is_cancelled) and [`is_timeout`](Self::is_timeout) find it
    /// then, and with them tasks, time limits and groups. A second call for the same type takes the place of the first.
    ///
    /// ```
    /// use coro_core::prelude::*;
    ///
    /// /// As an error of ureq: what it says is what the inner one says, and it has no source.
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("no eggs: {0}")]
    /// struct NoEggs(std::io::Error);
    ///
    /// fn fetch() -> Result<(), NoEggs> {
    ///     sleep(secs(60)).co_await().map_err(|error| NoEggs(error.into()))
    /// }
    /// coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    ///     Error::see_into::<NoEggs>(|error| Some(&error.0));
    ///     let late = wait_for(coroutine(|| Ok(fetch()?)), secs(1)).co_await().unwrap_err();
    ///     assert!(late.is_timeout());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn see_into<E: StdError + 'static>(look: for<'a> fn(&'a E) -> Option<&'a (dyn StdError + 'static)>) {
        let seen: Look = Arc::new(move |error| error.downcast_ref().and_then(look));
        let mut looks = LOOKS.write();
        match looks.iter_mut().find(|(id, _)| *id == TypeId::of::<E>()) {
            Some((_, old)) => *old = seen,
            None => looks.push((TypeId::of::<E>(), seen)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{self, Display};

    use super::*;
    use crate::error::{Cancelled, Elapsed};

    #[derive(Debug)]
    struct Mute(io::Error);

    impl Display for Mute {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "mute: {}", self.0)
        }
    }

    impl StdError for Mute {}

    fn cancelled() -> Error {
        Error::new(Mute(Error::new(Cancelled::new()).into()))
    }

    #[test]
    fn a_type_without_sources_is_seen_into_once_it_is_said_how() {
        assert!(!cancelled().is_cancelled());
        Error::see_into::<Mute>(|_| Some(&Elapsed));
        assert!(cancelled().is_timeout() && !cancelled().is_cancelled());
        Error::see_into::<Mute>(|error| Some(&error.0)); // in place of the first
        assert!(cancelled().is_cancelled() && !cancelled().is_timeout());
        let wrapped = io::Error::other(Mute(Error::new(Cancelled::new()).into()));
        assert!(Error::new(wrapped).is_cancelled());
        assert!(format!("{:?}", cancelled()).contains("because: cancelled"));
    }

    #[test]
    fn the_payload_of_an_io_error_is_seen() {
        assert!(Error::new(io::Error::other(Elapsed)).is_timeout());
        assert!(Error::new(io::Error::other(io::Error::other(Cancelled::new()))).is_cancelled());
        let text = format!("{:?}", Error::new(io::Error::other("burnt")));
        assert!(!text.contains("because"), "{text}");
    }
}
