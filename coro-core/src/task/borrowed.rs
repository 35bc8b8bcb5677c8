//! Tasks that borrow from whoever made them: the children of a scope, and the main coroutine of `run`.
//!
//! Floor 5. A task is `'static` for the loop. Here the lifetime is taken out of the type, and the one who calls
//! promises what the type no longer says.
#![allow(unsafe_code)] // takes a lifetime out of a type

use std::cell::Cell;
use std::rc::Rc;

use super::{Task, TaskBuilder};
use crate::coroutine::{Awaitable, Coroutine};
use crate::definition::Origin;
use crate::error::Result;
use crate::events::LoopCore;

/// What the body of one task owns. `borrower` goes last: as a field when the body never runs, as the local that
/// was bound first when it does.
struct Job<A: Awaitable> {
    awaitable: Quiet<A>,
    slot: Rc<Cell<Option<A::Output>>>,
    borrower: Borrower,
}

/// Counts the tasks that still borrow.
#[derive(Clone, Default)]
pub(crate) struct Borrowers(Rc<Cell<usize>>);

impl Borrowers {
    pub(crate) fn any(&self) -> bool {
        self.0.get() > 0
    }
}

/// Drops an awaitable without a report: its task ended before it began.
pub(super) struct Quiet<A: Awaitable>(pub(super) Option<A>);

impl<A: Awaitable> Drop for Quiet<A> {
    fn drop(&mut self) {
        if let Some(awaitable) = self.0.take() {
            awaitable.__discard();
        }
    }
}

/// Goes with the body of one task; is dropped after everything else that the body owns.
struct Borrower {
    borrowers: Borrowers,
    on_gone: Option<Box<dyn FnOnce()>>,
}

impl Drop for Borrower {
    fn drop(&mut self) {
        self.borrowers.0.set(self.borrowers.0.get() - 1);
        if let Some(on_gone) = self.on_gone.take() {
            on_gone();
        }
    }
}

/// Runs `awaitable` as a task; its result goes to `slot`. `on_gone` is called when it no longer borrows anything.
///
/// # Safety
/// The caller stays in the frame that owns what `awaitable` borrows, neither returning nor unwinding past it, until
/// `borrowers.any()` is false. A stack that is leaked instead counts as borrowing for ever.
#[track_caller]
pub(crate) unsafe fn spawn_borrowed<'a, A>(
    builder: TaskBuilder,
    core: Result<Rc<LoopCore>>,
    awaitable: A,
    slot: Rc<Cell<Option<A::Output>>>,
    borrowers: &Borrowers,
    on_gone: Option<Box<dyn FnOnce()>>,
) -> Task<()>
where
    A: Awaitable + 'a,
    A::Output: 'a,
{
    let origin: Origin = awaitable.__origin().0.or_here();
    borrowers.0.set(borrowers.0.get() + 1);
    let borrower = Borrower { borrowers: borrowers.clone(), on_gone };
    let job = Job { awaitable: Quiet(Some(awaitable)), slot, borrower };
    let body: Box<dyn FnOnce() -> Result<()> + 'a> = Box::new(move || {
        let job = job; // the whole of it, so that its fields are dropped in their order
        let Job { borrower: _borrower, mut awaitable, slot } = job;
        if let Some(awaitable) = awaitable.0.take() {
            slot.set(Some(awaitable.co_await()?));
        }
        Ok(())
    });
    // SAFETY: only the lifetime changes. The caller keeps what it names alive until the borrower is dropped, which
    // happens after everything else in the closure, and on its stack, is gone.
    let body: Box<dyn FnOnce() -> Result<()>> = unsafe { std::mem::transmute(body) };
    builder.create_on(core, Coroutine::with_origin(origin, body))
}
