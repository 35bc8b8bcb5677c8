//! Errors of the system, with what they are about: a path, an address.

use std::error::Error as StdError;
use std::fmt::{self, Debug, Display};
use std::io;

use super::carried_by;

/// An error of the system, after what it is about: `eggs.txt: No such file or directory (os error 2)`.
struct About {
    what: String,
    error: io::Error,
}

impl Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

impl StdError for About {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}

/// `error` with what it is about. The kind stays; `source()` is `error` itself, which has the number of the system.
/// An exception that travels in an `io::Error`, such as a cancellation, stays as it is.
pub(crate) fn io_context(error: io::Error, what: impl Display) -> io::Error {
    match carried_by(&error) {
        Some(_) => error,
        None => io::Error::new(error.kind(), About { what: what.to_string(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cancelled, Error};

    #[test]
    fn the_kind_and_the_number_of_the_system_are_kept() {
        let error = io_context(io::Error::from_raw_os_error(2), "eggs.txt");
        assert_eq!(error.kind(), io::Error::from_raw_os_error(2).kind());
        assert!(error.to_string().starts_with("eggs.txt: "));
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.raw_os_error(), Some(2));
    }

    #[test]
    fn a_cancellation_stays_what_it_is() {
        let error = io_context(Error::new(Cancelled::new()).into(), "eggs.txt");
        assert_eq!(error.to_string(), "cancelled");
        assert!(Error::new(error).is::<Cancelled>());
    }
}
