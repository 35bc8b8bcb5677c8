//! What is known of a function without running it: its name, and where it stands.
//!
//! Floor 0.

use std::panic::Location;

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

/// A definition, or the place of a closure that stands for one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Function(&'static Definition),
    Closure(&'static str, &'static Location<'static>),
    /// A value that is no call: the name of its type.
    Type(&'static str),
}

impl Origin {
    #[track_caller]
    pub(crate) fn closure(kind: &'static str) -> Self {
        Self::Closure(kind, Location::caller())
    }

    /// A value that is no call of a function: its type stands for it.
    pub(crate) fn of_type<T: ?Sized>() -> Self {
        let path = std::any::type_name::<T>();
        let path = path.split('<').next().unwrap_or(path);
        Self::Type(path.rsplit("::").next().unwrap_or(path))
    }

    /// The same; for a value that is no call, the caller's place says where it was made into a task.
    #[track_caller]
    pub(crate) fn or_here(self) -> Self {
        match self {
            Self::Type(name) => Self::closure(name),
            known => known,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Function(definition) => definition.name(),
            Self::Closure(name, _) | Self::Type(name) => name,
        }
    }

    pub(crate) fn place(&self) -> (&'static str, u32) {
        match self {
            Self::Function(definition) => (definition.file(), definition.line()),
            Self::Closure(_, place) => (place.file(), place.line()),
            Self::Type(_) => ("?", 0),
        }
    }
}
