//! Wakers for std futures: any thread may wake, the loop's own thread then looks up who is meant.
//!
//! Floor 1. What is woken stays on its thread, in a slab; the waker carries only the key.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{RawWakerVTable, Wake, Waker};

use slab::Slab;

use crate::events::{AnyFuture, Doors, LoopCore};

/// What a waker wakes.
pub(crate) trait Woken {
    fn wake(self: Rc<Self>);

    /// As that of [`Runnable`](crate::events::Runnable).
    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        None
    }
}

struct Entry {
    generation: u64,
    target: Rc<dyn Woken>,
    waker: Weak<SlotWaker>,
}

#[derive(Default)]
struct Entries {
    slab: Slab<Entry>,
    generation: u64,
}

thread_local! {
    static ENTRIES: RefCell<Entries> = RefCell::default();
    /// This thread's number; 0 before it is asked for.
    static MARK: Cell<u64> = const { Cell::new(0) };
    /// The slot whose waker was given out last, for a poll that may be going on.
    static POLLED: Cell<Option<Polled>> = const { Cell::new(None) };
}

/// A slot that is there still, and what its waker is told by: no other one has that address meanwhile.
#[derive(Clone, Copy)]
struct Polled {
    key: usize,
    generation: u64,
    data: *const (),
    vtable: &'static RawWakerVTable,
}

/// Tells threads apart, cheaply. No number is given twice, so that a waker which outlives its thread is a stranger
/// to every later one.
fn thread_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    match MARK.get() {
        0 => {
            MARK.set(NEXT.fetch_add(1, Ordering::Relaxed));
            MARK.get()
        }
        mark => mark,
    }
}

/// Keeps a target reachable for its wakers until it is dropped.
pub(crate) struct WakeSlot {
    key: usize,
    generation: u64,
    waker: Waker,
}

impl WakeSlot {
    pub(crate) fn new(core: &LoopCore, target: Rc<dyn Woken>) -> Self {
        let made = ENTRIES.try_with(|entries| {
            let entries = &mut *entries.borrow_mut();
            entries.generation += 1;
            let generation = entries.generation;
            let key = entries.slab.insert(Entry { generation, target, waker: Weak::new() });
            let doors = Arc::clone(&core.doors);
            let waker = Arc::new(SlotWaker { key, generation, thread: thread_mark(), doors });
            entries.slab[key].waker = Arc::downgrade(&waker);
            Self { key, generation, waker: waker.into() }
        });
        // At the end of the thread nobody will be woken any more.
        made.unwrap_or_else(|_| Self { key: usize::MAX, generation: 0, waker: Waker::noop().clone() })
    }

    /// The waker, to be asked for at each poll.
    pub(crate) fn waker(&self) -> &Waker {
        let (data, vtable) = (self.waker.data(), self.waker.vtable());
        POLLED.set(Some(Polled { key: self.key, generation: self.generation, data, vtable }));
        &self.waker
    }
}

/// A waker that stays on this thread, beside what will wake it. One of a slot is kept as its key: what can be woken by
/// nobody else counts as idle.
pub(crate) enum KeptWaker {
    Slot { key: usize, generation: u64 },
    Other(Waker),
}

impl KeptWaker {
    pub(crate) fn new(waker: &Waker) -> Self {
        Self::of_slot(waker).unwrap_or_else(|| Self::Other(waker.clone()))
    }

    /// The slot that is polled now, if this is its waker: the same pointer, and the same functions.
    fn of_slot(waker: &Waker) -> Option<Self> {
        let Polled { key, generation, data, vtable } = POLLED.get()?;
        let is_it = ptr::eq(data, waker.data()) && ptr::eq(vtable, waker.vtable());
        is_it.then_some(Self::Slot { key, generation })
    }

    /// Wakes if that runs no code of a user.
    ///
    /// # Errors
    /// The waker, if it is somebody else's.
    pub(crate) fn wake_own(self) -> Result<(), Self> {
        match self {
            Self::Slot { key, generation } => {
                wake_slot(key, generation);
                Ok(())
            }
            Self::Other(_) => Err(self),
        }
    }

    pub(crate) fn wake(self) {
        match self {
            Self::Slot { key, generation } => wake_slot(key, generation),
            Self::Other(waker) => waker.wake(),
        }
    }

    /// Who waits by it; of somebody else's waker nobody knows.
    pub(crate) fn awaiter(&self) -> Option<AnyFuture> {
        match self {
            Self::Slot { key, generation } => target(*key, *generation)?.awaiter(),
            Self::Other(_) => None,
        }
    }
}

/// How many slots of a loop have a waker that nobody but the slot holds: it can wake nobody.
pub(crate) fn idle_slots(doors: &Arc<Doors>) -> usize {
    let is_idle = |entry: &Entry| {
        entry.waker.strong_count() == 1
            && entry.waker.upgrade().is_some_and(|waker| Arc::ptr_eq(&waker.doors, doors))
    };
    let count =
        |entries: &RefCell<Entries>| entries.borrow().slab.iter().filter(|(_, entry)| is_idle(entry)).count();
    ENTRIES.try_with(count).unwrap_or(0)
}

impl Drop for WakeSlot {
    fn drop(&mut self) {
        if POLLED.get().is_some_and(|polled| ptr::eq(polled.data, self.waker.data())) {
            POLLED.set(None);
        }
        // At the end of the thread the slab may be gone already.
        let entry = ENTRIES.try_with(|entries| entries.borrow_mut().slab.try_remove(self.key));
        drop(entry);
    }
}

struct SlotWaker {
    key: usize,
    generation: u64,
    thread: u64,
    doors: Arc<Doors>,
}

fn target(key: usize, generation: u64) -> Option<Rc<dyn Woken>> {
    let found = ENTRIES.try_with(|entries| {
        let entries = entries.borrow();
        entries
            .slab
            .get(key)
            .filter(|entry| entry.generation == generation)
            .map(|entry| Rc::clone(&entry.target))
    });
    found.ok().flatten()
}

fn wake_slot(key: usize, generation: u64) {
    if let Some(target) = target(key, generation) {
        target.wake();
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let (key, generation) = (self.key, self.generation);
        if self.thread == thread_mark() {
            wake_slot(key, generation);
        } else {
            // A closed loop has nobody left to wake.
            let _ = self.doors.send(Box::new(move || wake_slot(key, generation)));
        }
    }
}
