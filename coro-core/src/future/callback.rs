//! Done callbacks: added to a future, taken back, and scheduled when it settles.
//!
//! Floor 4. Tasks that wait for the future stand in the same list, as waiters.

use std::cell::Cell;
use std::panic::Location;
use std::rc::Rc;

use super::Future;
use crate::context::Context;
use crate::events::{self, LoopCore, Runnable};

pub(super) enum Callback<T> {
    Waiter(Rc<dyn Runnable>),
    Call(DoneCall<T>),
}

pub(super) struct DoneCall<T> {
    id: u64,
    call: Box<dyn FnOnce(Future<T>)>,
    context: Context,
    name: &'static str,
    location: &'static Location<'static>,
}

impl<T> Callback<T> {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Waiter(waiter) => waiter.callback_name(),
            Self::Call(DoneCall { name, location, .. }) => {
                format!("{name}() at {}:{}", location.file(), location.line())
            }
        }
    }
}

/// All that a future tells of its end, in the order in which they were added.
pub(super) struct Callbacks<T> {
    /// The first, if it is a waiter: a future with one takes no more memory.
    pub(super) first: Option<Rc<dyn Runnable>>,
    pub(super) others: Option<Box<Others<T>>>,
}

pub(super) type Others<T> = Vec<Callback<T>>;

impl<T> Default for Callbacks<T> {
    fn default() -> Self {
        Self { first: None, others: None }
    }
}

impl<T> Callbacks<T> {
    #[inline]
    pub(super) fn push(&mut self, callback: Callback<T>) {
        match callback {
            Callback::Waiter(waiter) if self.first.is_none() && self.others().is_empty() => {
                self.first = Some(waiter);
            }
            callback => self.others.get_or_insert_default().push(callback),
        }
    }

    pub(super) fn remove_waiter(&mut self, waiter: &Rc<dyn Runnable>) -> Option<Callback<T>> {
        if let Some(first) = self.first.take_if(|first| Rc::ptr_eq(first, waiter)) {
            return Some(Callback::Waiter(first));
        }
        self.remove(|callback| matches!(callback, Callback::Waiter(other) if Rc::ptr_eq(other, waiter)))
    }

    fn remove(&mut self, is_it: impl Fn(&Callback<T>) -> bool) -> Option<Callback<T>> {
        let others = self.others.as_deref_mut()?;
        let index = others.iter().position(is_it)?;
        Some(others.remove(index))
    }

    fn others(&self) -> &[Callback<T>] {
        self.others.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(super) fn waiters(&self) -> Vec<Rc<dyn Runnable>> {
        let waiter = |callback: &Callback<T>| match callback {
            Callback::Waiter(waiter) => Some(Rc::clone(waiter)),
            Callback::Call(_) => None,
        };
        self.first.iter().cloned().chain(self.others().iter().filter_map(waiter)).collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let first = self.first.iter().map(|waiter| waiter.callback_name());
        first.chain(self.others().iter().map(Callback::name)).collect()
    }
}

/// What takes a done callback back: [`Future::remove_done_callback`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let future = coro_core::Future::<u32>::new();
/// let id: coro_core::CallbackId = future.add_done_callback(|_| unreachable!());
/// assert_eq!(future.remove_done_callback(id), 1);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackId(u64);

impl<T: 'static> Future<T> {
    /// Calls `callback` with this future when it is done: from the loop, in the next round.
    ///
    /// The number it gives is for [`remove_done_callback`](Self::remove_done_callback).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let future = coro_core::Future::new();
    /// future.add_done_callback(move |future| said.send(future.result().unwrap()).unwrap());
    /// future.set_result(6)?;
    /// assert!(heard.try_recv().is_err()); // in the next round
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(heard.try_recv().unwrap(), 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn add_done_callback<F>(&self, callback: F) -> CallbackId
    where
        F: FnOnce(Future<T>) + 'static,
    {
        self.add_done_callback_in(&Context::copied(), callback)
    }

    /// As [`add_done_callback`](Self::add_done_callback), with `context` in force during the call;
    /// `context=context`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let context = coro_core::Context::new();
    /// let future = coro_core::Future::new();
    /// future.add_done_callback_in(&context, |_| { USER.set("ada"); });
    /// future.set_result(6)?;
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn add_done_callback_in<F>(&self, context: &Context, callback: F) -> CallbackId
    where
        F: FnOnce(Future<T>) + 'static,
    {
        self.add_named_callback(context, callback_name::<F>(), callback)
    }

    #[track_caller]
    pub(crate) fn add_named_callback(
        &self,
        context: &Context,
        name: &'static str,
        callback: impl FnOnce(Future<T>) + 'static,
    ) -> CallbackId {
        thread_local!(static MADE: Cell<u64> = const { Cell::new(0) });
        let state = self.state();
        let id = MADE.replace(MADE.get() + 1);
        let call = Callback::Call(DoneCall {
            id,
            call: Box::new(callback),
            context: context.clone(),
            name,
            location: Location::caller(),
        });
        match state.is_done() {
            true => self.schedule(call),
            false => state.with_callbacks(|callbacks| callbacks.push(call)),
        }
        CallbackId(id)
    }

    /// Takes back a callback that has not been scheduled yet. Gives how many that were: one or none.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// let id = future.add_done_callback(|_| unreachable!());
    /// assert_eq!((future.remove_done_callback(id), future.remove_done_callback(id)), (1, 0));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn remove_done_callback(&self, id: CallbackId) -> usize {
        let is_it = |callback: &Callback<T>| matches!(callback, Callback::Call(call) if call.id == id.0);
        let removed = self.state().with_callbacks(|callbacks| callbacks.remove(is_it));
        usize::from(removed.is_some())
    }

    #[cold]
    pub(super) fn schedule_all(&self, callbacks: Others<T>) {
        callbacks.into_iter().for_each(|callback| self.schedule(callback));
    }

    pub(super) fn schedule(&self, callback: Callback<T>) {
        let Some(core) = self.state().core() else { return };
        match callback {
            Callback::Waiter(waiter) => core.push(waiter),
            Callback::Call(DoneCall { call, context, location, .. }) => {
                let future = self.clone();
                schedule_call(core, context, location, move || call(future));
            }
        }
    }
}

/// Runs a done callback from the loop, where nothing can suspend.
fn schedule_call(
    core: &Rc<LoopCore>,
    context: Context,
    location: &'static Location<'static>,
    call: impl FnOnce() + 'static,
) {
    core.push(events::callback(core, context, location, call));
}

pub(crate) fn callback_name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let path = path.split('<').next().unwrap_or(path).trim_end_matches("::{{closure}}");
    path.rsplit("::").next().unwrap_or(path)
}
