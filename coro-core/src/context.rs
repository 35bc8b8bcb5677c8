//! Context variables: values that follow a chain of calls, one copy of the set per task.
//!
//! Floor 1. A [`Context`] is a mutable set of values; copying one is a count. The values are `Send + Sync`, so
//! that a snapshot can follow a job into a thread.
//!
//! 1. Each task has a [`Slot`]: the values that its context begins with, and the context itself once somebody asks for
//!    it. Most tasks never do, and cost nothing but the snapshot.
//! 2. `CURRENT` points to the slot of the task that runs, or is null: then it is the thread's own.
//! 3. What [`Context::run`] puts in force is kept in the slot, so that it stays with the task while that is suspended.
#![allow(unsafe_code)] // follows `CURRENT`

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Result, ValueError};

/// `None` stands for no values.
type Values = Option<Arc<BTreeMap<u64, Arc<dyn Any + Send + Sync>>>>;

thread_local! {
    static CURRENT: Cell<*const Slot> = const { Cell::new(ptr::null()) };

    /// What is in force where no task runs.
    static OWN: Slot = const { Slot::new() };
}

/// Where a task keeps its context.
pub(crate) struct Slot {
    /// What the context begins with.
    inherited: Values,
    /// The context, once somebody has asked for it.
    own: OnceCell<Context>,
    /// The one that [`Context::run`] has put in force.
    entered: Cell<Option<Context>>,
}

impl Slot {
    const fn new() -> Self {
        Self { inherited: None, own: OnceCell::new(), entered: Cell::new(None) }
    }

    /// One whose context is a copy of the present one.
    #[inline]
    pub(crate) fn inheriting() -> Self {
        Self { inherited: with_current(Self::snapshot).flatten(), ..Self::new() }
    }

    /// One whose context is `context` itself.
    pub(crate) fn of(context: Context) -> Self {
        Self { own: OnceCell::from(context), ..Self::new() }
    }

    /// The context of the task, whatever is in force.
    pub(crate) fn own(&self) -> &Context {
        self.own.get_or_init(|| Context::from_snapshot(self.inherited.clone()))
    }

    /// The context in force.
    fn current(&self) -> Context {
        self.entered().unwrap_or_else(|| self.own().clone())
    }

    fn entered(&self) -> Option<Context> {
        let entered = self.entered.take();
        self.entered.set(entered.clone());
        entered
    }

    /// The values in force.
    #[inline]
    fn snapshot(&self) -> Values {
        match (self.entered(), self.own.get()) {
            (Some(context), _) => context.snapshot(),
            (None, Some(context)) => context.snapshot(),
            (None, None) => self.inherited.clone(),
        }
    }

    /// Makes it the current one until the guard is dropped. Where another one may be, [`leave_slot`] comes first.
    #[inline(always)]
    pub(crate) fn enter(&self) -> InSlot<'_> {
        debug_assert!(CURRENT.get().is_null(), "a step in a step");
        CURRENT.set(self);
        InSlot(PhantomData)
    }
}

/// Lets go of the current slot.
pub(crate) struct InSlot<'a>(PhantomData<&'a Slot>);

impl Drop for InSlot<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
    }
}

/// Makes no slot the current one until the guard is dropped.
pub(crate) fn leave_slot() -> OutOfSlot {
    OutOfSlot { before: CURRENT.replace(ptr::null()) }
}

/// Makes the former slot the current one again.
pub(crate) struct OutOfSlot {
    before: *const Slot,
}

impl Drop for OutOfSlot {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// Calls `f` with the current slot. `None` at the end of the thread, when its own is gone.
#[inline]
fn with_current<T>(f: impl FnOnce(&Slot) -> T) -> Option<T> {
    // SAFETY: it is null, or points to a slot that is borrowed by the guard `InSlot` that was made when it was set. That
    // guard has not been dropped: it would have made it null. (It and `OutOfSlot`, which sets it again, live in frames that
    // never suspend, and are dropped last in, first out.)
    match unsafe { CURRENT.get().as_ref() } {
        Some(slot) => Some(f(slot)),
        None => OWN.try_with(f).ok(),
    }
}

/// A set of values of context variables; `contextvars.Context`.
///
/// A clone is a second handle on the same set; [`copy`](Self::copy) makes another set with the same values.
///
/// ```
/// use coro_core::{Context, ContextVar};
/// static USER: ContextVar<&str> = ContextVar::with_default("user", || "nobody");
///
/// let context = Context::current().copy();
/// context.run(|| { USER.set("ada"); });
/// assert_eq!(context.get(&USER), Some("ada"));
/// assert_eq!(USER.get().unwrap(), "nobody");
/// ```
#[derive(Clone)]
pub struct Context {
    values: Rc<RefCell<Values>>,
}

impl Context {
    /// A set without values; `contextvars.Context()`.
    ///
    /// ```
    /// use coro_core::{Context, ContextVar};
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    /// USER.set("ada");
    /// assert!(Context::new().run(|| USER.get()).is_err());
    /// ```
    pub fn new() -> Self {
        Self::from_snapshot(None)
    }

    /// The set that is in force here: the task's own, inside a task. It is the set itself, no copy.
    ///
    /// ```
    /// use coro_core::{Context, ContextVar};
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    /// USER.set("ada");
    /// assert_eq!(Context::current().get(&USER), Some("ada"));
    /// ```
    pub fn current() -> Self {
        with_current(Slot::current).unwrap_or_default() // empty at the end of the thread
    }

    /// Another set with the same values: `contextvars.copy_context()` is `Context::current().copy()`.
    ///
    /// ```
    /// use coro_core::{Context, ContextVar};
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    /// let before = Context::current().copy();
    /// USER.set("ada");
    /// assert_eq!(before.get(&USER), None);
    /// ```
    pub fn copy(&self) -> Self {
        Self::from_snapshot(self.snapshot())
    }

    pub(crate) fn snapshot(&self) -> Values {
        self.values.borrow().clone()
    }

    pub(crate) fn from_snapshot(values: Values) -> Self {
        Self { values: Rc::new(RefCell::new(values)) }
    }

    /// A copy of the present one.
    pub(crate) fn copied() -> Self {
        Self::from_snapshot(with_current(Slot::snapshot).flatten())
    }

    /// Calls `f` with this set in force; what `f` sets stays in this set; `context.run(f)`. A set that is in
    /// force already may be entered again.
    ///
    /// # Panics
    /// What `f` panics with; the former set is in force again.
    ///
    /// ```
    /// use coro_core::{Context, ContextVar};
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    /// let context = Context::new();
    /// context.run(|| { USER.set("ada"); });
    /// assert_eq!(context.run(|| USER.get())?, "ada");
    /// assert!(USER.get().is_err());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        let _entered = self.enter();
        f()
    }

    /// Puts this set in force until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        Entered { before: with_current(|slot| slot.entered.replace(Some(self.clone()))) }
    }

    /// The value that `var` has in this set; `context.get(var)`. The default of `var` does not count.
    ///
    /// ```
    /// use coro_core::{Context, ContextVar};
    /// static USER: ContextVar<&str> = ContextVar::with_default("user", || "nobody");
    /// assert_eq!(Context::current().get(&USER), None);
    /// USER.set("ada");
    /// assert_eq!(Context::current().get(&USER), Some("ada"));
    /// ```
    pub fn get<T: Clone + Send + Sync + 'static>(&self, var: &ContextVar<T>) -> Option<T> {
        let value = self.value(var.id());
        value.and_then(|value| value.downcast_ref::<T>().cloned())
    }

    /// Whether both are the same set; Python's `is`.
    ///
    /// ```
    /// use coro_core::Context;
    /// let context = Context::current();
    /// assert!(context.same(&Context::current()) && !context.same(&context.copy()));
    /// ```
    pub fn same(&self, other: &Context) -> bool {
        Rc::ptr_eq(&self.values, &other.values)
    }

    fn value(&self, id: u64) -> Option<Arc<dyn Any + Send + Sync>> {
        self.values.borrow().as_ref()?.get(&id).cloned()
    }

    fn replace(&self, id: u64, value: Option<Arc<dyn Any + Send + Sync>>) {
        let mut values = self.values.borrow_mut();
        let map = Arc::make_mut(values.get_or_insert_default());
        let old = match value {
            Some(value) => map.insert(id, value),
            None => map.remove(&id),
        };
        drop(values);
        drop(old); // the value's destructor is the user's: nothing is borrowed now
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Context with {} values>", self.values.borrow().as_ref().map_or(0, |values| values.len()))
    }
}

/// Puts what was in force before in force again.
pub(crate) struct Entered {
    /// `None` at the end of the thread.
    before: Option<Option<Context>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            drop(with_current(|slot| slot.entered.replace(before)));
        }
    }
}

/// A variable whose value belongs to the current [`Context`]; `contextvars.ContextVar`.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::ContextVar;
///
/// static REQUEST: ContextVar<u32> = ContextVar::new("request");
///
/// assert!(REQUEST.get().is_err());
/// let token = REQUEST.set(7);
/// assert_eq!(REQUEST.get()?, 7);
/// REQUEST.reset(token)?;
/// assert!(REQUEST.get().is_err());
/// # Ok::<(), Error>(())
/// ```
pub struct ContextVar<T> {
    name: &'static str,
    default: Option<fn() -> T>,
    id: OnceLock<u64>,
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    /// A variable that has no value until one is set. Variables are told apart by identity, not by `name`.
    ///
    /// ```
    /// static USER: coro_core::ContextVar<String> = coro_core::ContextVar::new("user");
    /// assert!(USER.get().is_err());
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self { name, default: None, id: OnceLock::new() }
    }

    /// A variable with a value for contexts in which none was set.
    ///
    /// ```
    /// use coro_core::ContextVar;
    /// static TRIES: ContextVar<u32> = ContextVar::with_default("tries", || 3);
    /// assert_eq!(TRIES.get()?, 3);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub const fn with_default(name: &'static str, default: fn() -> T) -> Self {
        Self { name, default: Some(default), id: OnceLock::new() }
    }

    fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        *self.id.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The name it was made with.
    ///
    /// ```
    /// static USER: coro_core::ContextVar<u32> = coro_core::ContextVar::new("user");
    /// assert_eq!(USER.name(), "user");
    /// ```
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The value in the current context, cloned; else the default.
    ///
    /// # Errors
    /// [`ValueError`], with the variable's name, if none was set and there is no default (Python's `LookupError`).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// assert!(USER.get().is_err());
    /// USER.set("ada");
    /// // A task begins with a copy of the context that it was made in.
    /// assert_eq!(coro_core::run(coroutine(|| USER.get()))?, "ada");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get(&self) -> Result<T> {
        match (Context::current().get(self), self.default) {
            (Some(value), _) => Ok(value),
            (None, Some(default)) => Ok(default()),
            (None, None) => Err(ValueError::new(format!("no value was set for {self:?}")).into()),
        }
    }

    /// Sets the value in the current context. The token takes it back.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// coro_core::run(coroutine(|| {
    ///     create_task(coroutine(|| { USER.set("ada"); Ok(()) })).co_await()?;
    ///     assert!(USER.get().is_err()); // the other task set it in its own context
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set(&self, value: T) -> Token<T> {
        let context = Context::current();
        let before = context.value(self.id());
        context.replace(self.id(), Some(Arc::new(value)));
        Token { context, id: self.id(), before, marker: PhantomData }
    }

    /// Takes one [`set`](Self::set) back: the value is what it was before that.
    ///
    /// # Errors
    /// [`ValueError`] if the token is another variable's, or was made in another context.
    ///
    /// ```
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// USER.set("ada");
    /// let token = USER.set("grace");
    /// USER.reset(token)?;
    /// assert_eq!(USER.get()?, "ada");
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn reset(&self, token: Token<T>) -> Result<()> {
        if token.id != self.id() {
            return Err(
                ValueError::new(format!("the token was made by another variable than {self:?}")).into()
            );
        }
        if !token.context.same(&Context::current()) {
            return Err(ValueError::new(format!("the token of {self:?} was made in another context")).into());
        }
        token.context.replace(token.id, token.before);
        Ok(())
    }
}

impl<T> Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<ContextVar name='{}'>", self.name)
    }
}

/// What takes one [`ContextVar::set`] back; `contextvars.Token`.
///
/// ```
/// use coro_core::{ContextVar, Token};
/// static DEPTH: ContextVar<u32> = ContextVar::with_default("depth", || 0);
/// let token: Token<u32> = DEPTH.set(1); // dropping it would change nothing
/// DEPTH.reset(token)?;
/// assert_eq!(DEPTH.get()?, 0);
/// # Ok::<(), coro_core::Error>(())
/// ```
pub struct Token<T> {
    context: Context,
    id: u64,
    before: Option<Arc<dyn Any + Send + Sync>>,
    marker: PhantomData<fn(T)>,
}

impl<T> Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Token>")
    }
}
