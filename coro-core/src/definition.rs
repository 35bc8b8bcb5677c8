//! What is known of a function without running it: its name, and where it stands.
//!
//! Floor 1.

use std::panic::Location;

use crate::error::short_name;

/// The name and the place of a coroutine or generator function; Python's `cr_code`.
///
/// ```
/// static BOIL: coro_core::Definition = coro_core::Definition::new("boil", "kitchen.rs", 7);
/// assert_eq!((BOIL.name(), BOIL.file(), BOIL.line()), ("boil", "kitchen.rs", 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    name: &'static str,
    file: &'static str,
    line: u32,
}

impl Definition {
    /// A definition from its parts.
    ///
    /// ```
    /// static BOIL: coro_core::Definition = coro_core::Definition::new("boil", file!(), line!());
    /// assert_eq!(BOIL.name(), "boil");
    /// ```
    pub const fn new(name: &'static str, file: &'static str, line: u32) -> Self {
        Self { name, file, line }
    }

    /// The name of the function; `co_name`.
    ///
    /// ```
    /// assert_eq!(coro_core::Definition::new("boil", "kitchen.rs", 7).name(), "boil");
    /// ```
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The source file it stands in; `co_filename`.
    ///
    /// ```
    /// assert_eq!(coro_core::Definition::new("boil", "kitchen.rs", 7).file(), "kitchen.rs");
    /// ```
    pub const fn file(&self) -> &'static str {
        self.file
    }

    /// The line it stands at, counted from 1; `co_firstlineno`.
    ///
    /// ```
    /// assert_eq!(coro_core::Definition::new("boil", "kitchen.rs", 7).line(), 7);
    /// ```
    pub const fn line(&self) -> u32 {
        self.line
    }
}

/// A definition, or what stands for one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Function(&'static Definition),
    /// A closure, with its place; or a value that is no call, and has none.
    Other(Name, Option<&'static Location<'static>>),
}

/// Looked for when somebody asks: the short name of a type takes longer to find than a task takes to be made.
type Name = fn() -> &'static str;

impl Origin {
    #[track_caller]
    pub(crate) fn closure(kind: Name) -> Self {
        Self::Other(kind, Some(Location::caller()))
    }

    /// A value that is no call of a function.
    pub(crate) fn named(name: Name) -> Self {
        Self::Other(name, None)
    }

    /// The same: its type stands for it.
    pub(crate) fn of_type<T: ?Sized>() -> Self {
        Self::named(short_name::<T>)
    }

    /// The same; for a value that is no call, the caller's place says where it was made into a task.
    #[track_caller]
    pub(crate) fn or_here(self) -> Self {
        match self {
            Self::Other(name, None) => Self::closure(name),
            known => known,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Function(definition) => definition.name(),
            Self::Other(name, _) => name(),
        }
    }

    pub(crate) fn place(&self) -> (&'static str, u32) {
        match self {
            Self::Function(definition) => (definition.file(), definition.line()),
            Self::Other(_, Some(place)) => (place.file(), place.line()),
            Self::Other(_, None) => ("?", 0),
        }
    }
}
