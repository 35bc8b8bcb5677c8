//! Floor 0: stacks where there is no mmap (Windows): corosensei's own, kept for reuse.
//!
//! The system makes and guards each of them, and reports an overflow itself. A thread keeps the last
//! [`KEEP`] of each size that came back; the others are freed.
#![allow(unsafe_code, reason = "corosensei's Stack is an unsafe trait")]

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use corosensei::stack::{DefaultStack, Stack, StackPointer};

use super::{CLASSES, PoolStats, StackError, class_size};

/// The free stacks of one size that a thread keeps.
const KEEP: usize = 256;

thread_local! {
    static FREE: [RefCell<Vec<DefaultStack>>; CLASSES] = const { [const { RefCell::new(Vec::new()) }; CLASSES] };
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

/// A guarded stack for one coroutine. Dropped, it goes back to the pool of its thread.
pub(crate) struct PooledStack {
    stack: ManuallyDrop<DefaultStack>,
    class: usize,
    /// It belongs to the thread that took it.
    _not_send: std::marker::PhantomData<*mut ()>,
}

/// Takes a stack of this class from the calling thread's pool.
pub(super) fn take(class: usize) -> Result<PooledStack, StackError> {
    let free = FREE.try_with(|free| free[class].borrow_mut().pop()).ok().flatten();
    let stack = match free {
        Some(stack) => stack,
        None => {
            let size = class_size(class);
            DefaultStack::new(size).map_err(|answer| StackError::refused(size, answer))?
        }
    };
    IN_USE.set(IN_USE.get() + 1);
    Ok(PooledStack { stack: ManuallyDrop::new(stack), class, _not_send: std::marker::PhantomData })
}

/// The figures of the calling thread.
pub(super) fn stats() -> PoolStats {
    let in_use = IN_USE.get();
    let lengths = FREE.try_with(|free| free.iter().map(|list| list.borrow().len()).sum());
    let pooled = lengths.unwrap_or(0);
    PoolStats { in_use, pooled, slabs: in_use + pooled, ..PoolStats::default() }
}

/// Frees the stacks that an idle thread need not hold.
pub(super) fn idle() {
    let _ = FREE.try_with(|free| {
        for list in free {
            list.borrow_mut().truncate(KEEP / 4);
        }
    });
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        IN_USE.set(IN_USE.get().saturating_sub(1));
        // SAFETY: taken out once, here, where the value ends.
        let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
        // At the end of the thread the list is gone, and the stack is dropped with the closure.
        let _ = FREE.try_with(|free| {
            let mut list = free[self.class].borrow_mut();
            if list.len() < KEEP {
                list.push(stack);
            }
        });
    }
}

// SAFETY: all of it is passed on to a stack that keeps the contract.
unsafe impl Stack for PooledStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.stack.base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.stack.limit()
    }

    #[cfg(windows)]
    #[inline]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.stack.teb_fields()
    }

    #[cfg(windows)]
    #[inline]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.stack.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_given_back_is_the_next_one_taken() {
        let (first, second) = (take(4).unwrap(), take(4).unwrap());
        let base = first.base();
        drop(second);
        drop(first);
        assert_eq!(stats().pooled, 2);
        assert_eq!(take(4).unwrap().base(), base);
        idle();
        assert_eq!(stats().in_use, 0);
    }
}
