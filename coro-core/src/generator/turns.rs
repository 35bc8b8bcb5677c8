//! Taking turns: what several hold is stepped by one at a time, which is known when another one tries.
//!
//! Floor 2. Behind `SharedGenerator`, `SharedAsyncGenerator` and `SharedCoroutine`.

use std::cell::Cell;

use crate::error::{Result, ValueError};

/// What is stepped in turns. It is taken out while a step runs, so that nothing is borrowed meanwhile.
pub(crate) struct Turns<T: ?Sized> {
    /// What it is, for the error.
    kind: &'static str,
    /// Empty while a step runs.
    at_rest: Cell<Option<Box<T>>>,
}

/// Puts it back, also when a panic passes.
struct Turn<'a, T: ?Sized> {
    turns: &'a Turns<T>,
    taken: Option<Box<T>>,
}

impl<T: ?Sized> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.turns.at_rest.set(self.taken.take());
    }
}

impl<T: ?Sized> Turns<T> {
    pub(crate) fn new(kind: &'static str, stepped: Box<T>) -> Self {
        Self { kind, at_rest: Cell::new(Some(stepped)) }
    }

    /// Runs `f` on it.
    ///
    /// # Errors
    /// What `f` raises; [`ValueError`] if a step runs already.
    pub(crate) fn step<R>(&self, f: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        self.turn(f)
            .unwrap_or_else(|| Err(ValueError::new(format!("{} already executing", self.kind)).into()))
    }

    /// What `f` sees of it; nothing while a step runs.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.turn(|stepped| f(stepped))
    }

    /// What `f` gives, run on it; nothing while a step runs.
    pub(crate) fn turn<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut turn = Turn { turns: self, taken: Some(self.at_rest.take()?) };
        turn.taken.as_deref_mut().map(f)
    }
}
