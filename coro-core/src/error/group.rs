//! [`ErrorGroup`]: several errors at once, and parting them as `except*` does.
//!
//! Floor 0.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Debug, Display};

use super::{Error, GROUP_DEPTH, drop_all};

/// Several errors at once; Python's `ExceptionGroup`.
///
/// ```
/// use coro_core::{Error, ErrorGroup};
/// let group = ErrorGroup::new("two things went wrong", vec![Error::msg("a"), Error::msg("b")]);
/// assert_eq!(group.to_string(), "two things went wrong (2 sub-exceptions)");
/// ```
#[derive(Clone)]
pub struct ErrorGroup {
    message: Cow<'static, str>,
    pub(super) errors: Vec<Error>,
}

impl ErrorGroup {
    /// A group with a message for all.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let group = ErrorGroup::new("the kitchen burnt", vec![Error::msg("eggs")]);
    /// assert_eq!(group.to_string(), "the kitchen burnt (1 sub-exception)");
    /// ```
    pub fn new(message: impl Into<Cow<'static, str>>, errors: Vec<Error>) -> Self {
        Self { message: message.into(), errors }
    }

    /// The errors, in the order in which they came; `group.exceptions`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let group = ErrorGroup::new("two", vec![Error::msg("a"), Error::msg("b")]);
    /// assert_eq!(group.errors()[1].to_string(), "b");
    /// ```
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }

    /// Parts the errors into those for which `matches` is true and the others, as `except*` does;
    /// `group.split(condition)`. A group, this one first, is asked about as a whole, and parted if it does not match.
    /// `None` stands for no errors.
    ///
    /// ```
    /// use coro_core::{Error, ErrorGroup, ValueError};
    /// let group = ErrorGroup::new("two", vec![Error::new(ValueError::new("a")), Error::msg("b")]);
    /// let (values, rest) = group.split(|error| error.is::<ValueError>());
    /// assert_eq!(values.unwrap().errors()[0].to_string(), "a");
    /// assert_eq!(rest.unwrap().errors()[0].to_string(), "b");
    /// ```
    pub fn split(&self, mut matches: impl FnMut(&Error) -> bool) -> (Option<Self>, Option<Self>) {
        match matches(&Error::new(self.clone())) {
            true => (Some(self.clone()), None),
            false => self.part(&mut matches),
        }
    }

    /// The errors for which `matches` is true, with the groups that they are in; `group.subgroup(condition)`.
    ///
    /// ```
    /// use coro_core::{Error, ErrorGroup, ValueError};
    /// let group = ErrorGroup::new("one", vec![Error::msg("b")]);
    /// assert!(group.subgroup(|error| error.is::<ValueError>()).is_none());
    /// ```
    pub fn subgroup(&self, matches: impl FnMut(&Error) -> bool) -> Option<Self> {
        self.split(matches).0
    }

    fn part(&self, matches: &mut dyn FnMut(&Error) -> bool) -> (Option<Self>, Option<Self>) {
        let (mut matching, mut rest) = (Vec::new(), Vec::new());
        for error in &self.errors {
            match error.downcast_ref::<ErrorGroup>() {
                _ if matches(error) => matching.push(error.clone()),
                Some(group) => {
                    let (inner, other) = group.part(matches);
                    matching.extend(inner.map(Error::new));
                    rest.extend(other.map(Error::new));
                }
                None => rest.push(error.clone()),
            }
        }
        let group =
            |errors: Vec<Error>| (!errors.is_empty()).then(|| Self { message: self.message.clone(), errors });
        (group(matching), group(rest))
    }

    /// Its `Debug` output, where it is the `depth`th of groups that are one in the other.
    fn fmt_repr(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "ErrorGroup({:?}, [", self.message)?;
        for (number, error) in self.errors.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { ", " })?;
            match error.downcast_ref::<ErrorGroup>() {
                Some(_) if depth == GROUP_DEPTH => f.write_str("...")?,
                Some(group) => group.fmt_repr(f, depth + 1)?,
                None => error.fmt_repr(f)?,
            }
        }
        f.write_str("])")
    }
}

impl Drop for ErrorGroup {
    fn drop(&mut self) {
        drop_all(std::mem::take(&mut self.errors));
    }
}

impl Debug for ErrorGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_repr(f, 1)
    }
}

impl Display for ErrorGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.errors.len() == 1 { "" } else { "s" };
        write!(f, "{} ({} sub-exception{plural})", self.message, self.errors.len())
    }
}

impl StdError for ErrorGroup {}
