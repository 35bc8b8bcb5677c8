//! The stacks that coroutines run on: their sizes, and figures of those there are.
//!
//! A stack is taken from the pool of its thread when a task or generator takes its first step, and given back at its end.
//!
//! A stack as its coroutine sees it, addresses growing upwards:
//!
//! ```text
//!   limit                                                                base     top
//!     |  guard, 16 KiB   |  usable, at least what was asked                |  colour |
//!     |  touching it ends |  <------------------------- frames grow this way|         |
//!     |  the process      |                                                 |         |
//! ```
//!
//! `colour` is a few cache lines that differ from stack to stack, so that the busy tops of many
//! stacks do not all fall into the same cache sets (figures in `slab.rs`).
//!
//! Sizes are powers of two from [`MIN_STACK_SIZE`] to [`MAX_STACK_SIZE`]. It is address space that
//! is taken: a page becomes resident when it is first touched.
//
// Floor 0. A coroutine needs a stack that is big enough, has a guard below it, and costs nothing to come by. This folder
// hands such stacks out:
//
//   mod.rs        sizes, errors, figures: what the floors above see
//   pool.rs       the stacks of a thread: taken, given back, left behind when it ends
//   list.rs       the free ones of a size, and when their pages go back to the kernel
//   slab.rs       one mapping, carved into many stacks
//   guard.rs      how a guard is made: by advice to the kernel, or by mprotect within a budget
//   overflow.rs   what is said when a guard is hit
//   fallback.rs   systems without mmap: one stack at a time, pooled as well

use std::sync::Arc;

#[cfg(any(not(unix), test))]
#[cfg_attr(unix, allow(dead_code, reason = "on unix it is built for its tests only"))]
mod fallback;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod list;
#[cfg(unix)]
mod overflow;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod slab;

#[cfg(not(unix))]
use fallback as pool;

#[cfg(unix)]
pub(crate) use overflow::set_describe;
pub(crate) use pool::PooledStack;

/// The stack that a task or generator gets when nobody says otherwise: 256 KiB of address space.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::stack::DEFAULT_STACK_SIZE;
/// // Four times as much for everything that runs here:
/// coro_core::RunBuilder::new().stack_size(4 * DEFAULT_STACK_SIZE).run(coroutine(|| Ok(())))?;
/// # Ok::<(), Error>(())
/// ```
pub const DEFAULT_STACK_SIZE: usize = 256 * 1024;

/// The smallest stack that can be asked for: 16 KiB.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::stack::MIN_STACK_SIZE;
/// assert!(coro_core::LoopBuilder::new().stack_size(MIN_STACK_SIZE - 1).build().is_err());
/// ```
pub const MIN_STACK_SIZE: usize = 16 * 1024;

/// The largest stack that can be asked for: 1 GiB, or 64 MiB where pointers have 32 bits.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::stack::MAX_STACK_SIZE;
/// assert!(coro_core::LoopBuilder::new().stack_size(MAX_STACK_SIZE + 1).build().is_err());
/// ```
pub const MAX_STACK_SIZE: usize = if usize::BITS >= 64 { 1 << 30 } else { 1 << 26 };

/// How many sizes there are: one for each power of two.
const CLASSES: usize = (MAX_STACK_SIZE.trailing_zeros() - MIN_STACK_SIZE.trailing_zeros() + 1) as usize;

/// Why there is no stack of the size that was asked for.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::stack::StackError;
/// let error = coro_core::LoopBuilder::new().stack_size(1000).build().unwrap_err();
/// assert!(matches!(error.downcast_ref(), Some(StackError::TooSmall { asked: 1000 })));
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The size is below [`MIN_STACK_SIZE`].
    #[error("a stack of {asked} bytes is too small: the smallest is {MIN_STACK_SIZE} bytes (16 KiB)")]
    TooSmall {
        /// The size that was asked for, in bytes.
        asked: usize,
    },
    /// The size is above [`MAX_STACK_SIZE`].
    #[error("a stack of {asked} bytes is too large: the largest is {MAX_STACK_SIZE} bytes ({} MiB)", MAX_STACK_SIZE >> 20)]
    TooLarge {
        /// The size that was asked for, in bytes.
        asked: usize,
    },
    /// The kernel refused to give memory.
    #[error("the kernel refused memory for a stack of {size} bytes: {source}")]
    Refused {
        /// The size of the stack, in bytes.
        size: usize,
        /// What the kernel answered.
        source: Arc<std::io::Error>,
    },
    /// The kernel cannot put guards inside a mapping, so that each stack costs two mappings, and
    /// one more would leave too few for the rest of the process.
    #[error(
        "no guard for one more stack: {in_use} stacks have one made by mprotect, the limit is {limit} \
         (40 % of vm.max_map_count = {max_map_count}); raise vm.max_map_count or use Linux 6.13+, \
         where guards need no mapping of their own"
    )]
    TooManyGuards {
        /// How many stacks of this process have such a guard now.
        in_use: usize,
        /// How many may.
        limit: usize,
        /// What `/proc/sys/vm/max_map_count` says.
        max_map_count: usize,
    },
}

impl StackError {
    /// The kernel's last answer, for a stack of `size` bytes.
    fn refused(size: usize, answer: std::io::Error) -> Self {
        StackError::Refused { size, source: Arc::new(answer) }
    }
}

/// Figures of the calling thread's stacks, as [`stats`] returns them.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let before = coro_core::stack::stats();
/// let nap = create_task(sleep(secs(1)));
/// sleep(Duration::ZERO).co_await()?; // it has begun, on a stack of its own
/// assert_eq!(coro_core::stack::stats().in_use, before.in_use + 1);
/// nap.co_await()?;
/// assert_eq!(coro_core::stack::stats().in_use, before.in_use);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Stacks that coroutines hold.
    pub in_use: usize,
    /// Free stacks, ready to be handed out again.
    pub pooled: usize,
    /// Those of the free ones whose pages went back to the kernel.
    pub released: usize,
    /// Mappings that the stacks are carved from.
    pub slabs: usize,
    /// Address space of those mappings, in bytes. Only touched pages of it are resident.
    pub mapped: usize,
}

/// Figures of the calling thread's stacks: zero throughout until it has used one.
///
/// They are counted when asked for, slab by slab.
///
/// ```
/// # use coro_core::prelude::*;
/// coro_core::run(coroutine(|| Ok(())))?;
/// let stats = coro_core::stack::stats();
/// assert_eq!(stats.in_use, 0);
/// assert!(stats.pooled >= 1 && stats.mapped >= coro_core::stack::DEFAULT_STACK_SIZE);
/// # Ok::<(), Error>(())
/// ```
pub fn stats() -> PoolStats {
    pool::stats()
}

/// Takes a stack of at least `size` bytes from the calling thread's pool.
///
/// Dropped, it goes back to that pool. A free one of its size is there in a few nanoseconds.
///
/// # Errors
///
/// [`StackError`], if the size is out of range or the kernel has no memory or mapping to give.
#[inline]
pub(crate) fn take(size: usize) -> Result<PooledStack, StackError> {
    pool::take(class_of(size)?)
}

/// Tells the pool that this thread is about to wait for a while (say 100 ms or more): the pages of
/// free stacks beyond a small stock go back to the kernel. Costs a few loads if there is nothing to do.
pub(crate) fn idle() {
    pool::idle();
}

/// Whether a stack of `size` bytes could be asked for: what [`take`] would say of the size alone.
///
/// # Errors
///
/// [`StackError::TooSmall`] or [`StackError::TooLarge`].
pub(crate) fn check_size(size: usize) -> Result<(), StackError> {
    class_of(size).map(drop)
}

/// The number of the smallest class that holds `size` bytes.
#[inline]
fn class_of(size: usize) -> Result<usize, StackError> {
    if size < MIN_STACK_SIZE {
        return Err(StackError::TooSmall { asked: size });
    }
    if size > MAX_STACK_SIZE {
        return Err(StackError::TooLarge { asked: size });
    }
    let bits = (size - 1).ilog2() + 1;
    Ok((bits - MIN_STACK_SIZE.trailing_zeros()) as usize)
}

/// The size of the stacks of a class, in bytes.
#[inline]
fn class_size(class: usize) -> usize {
    MIN_STACK_SIZE << class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_was_asked_and_not_twice_as_much() {
        for size in [MIN_STACK_SIZE, MIN_STACK_SIZE + 1, 100_000, DEFAULT_STACK_SIZE, MAX_STACK_SIZE] {
            let given = class_size(class_of(size).unwrap());
            assert!(given >= size && given < 2 * size, "{size} got {given}");
        }
        assert_eq!(class_size(class_of(DEFAULT_STACK_SIZE).unwrap()), DEFAULT_STACK_SIZE);
        assert_eq!(class_of(MAX_STACK_SIZE).unwrap(), CLASSES - 1);
    }

    #[test]
    fn sizes_out_of_range_are_refused_with_the_value_and_what_was_expected() {
        assert_eq!(
            take(1000).err().unwrap().to_string(),
            "a stack of 1000 bytes is too small: the smallest is 16384 bytes (16 KiB)"
        );
        let text = take(usize::MAX).err().unwrap().to_string();
        assert!(text.contains(&format!("{} bytes is too large", usize::MAX)), "{text}");
        assert!(text.contains(&format!("the largest is {MAX_STACK_SIZE} bytes")), "{text}");
    }

    #[test]
    fn the_limit_of_guards_says_how_to_raise_it() {
        let error = StackError::TooManyGuards { in_use: 26_212, limit: 26_212, max_map_count: 65_530 };
        let text = error.to_string();
        for part in ["26212 stacks", "40 % of vm.max_map_count = 65530", "Linux 6.13+"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_error_can_be_kept_copied_and_sent() {
        fn check<T: std::error::Error + Clone + Send + Sync + 'static>() {}
        check::<StackError>();
    }
}
