//! What the pool promises, on this machine's kernel and as an old kernel would have it.

use std::time::Instant;

use super::super::guard::Budget;
use super::super::list::{EPOCH, FLOOR, HIGH_WATER, LOOK_EVERY};
use super::super::{DEFAULT_STACK_SIZE, MIN_STACK_SIZE, class_of, stats, take};
use super::*;

/// A pool of its own, as on a kernel that knows mprotect alone.
struct OldKernel {
    pool: NonNull<Pool>,
    budget: &'static Budget,
}

impl OldKernel {
    fn new(max_map_count: usize) -> Self {
        let budget: &Budget = Box::leak(Box::new(Budget::with_max_map_count(max_map_count)));
        OldKernel { pool: Pool::create(Guards::Protect(budget)), budget }
    }

    fn take(&self) -> Result<PooledStack, StackError> {
        // SAFETY: alive until the drop of this value.
        unsafe { self.pool.as_ref() }.take(class_of(DEFAULT_STACK_SIZE).unwrap())
    }

    fn stats(&self) -> PoolStats {
        // SAFETY: as above.
        unsafe { self.pool.as_ref() }.stats()
    }
}

impl Drop for OldKernel {
    fn drop(&mut self) {
        // SAFETY: alive, and nobody takes from it after this.
        unsafe { Pool::orphan(self.pool) };
    }
}

fn take_many(count: usize) -> Vec<PooledStack> {
    (0..count).map(|_| take(DEFAULT_STACK_SIZE).unwrap()).collect()
}

/// Writes a byte just below the base, as a coroutine's first frame does.
fn touch(stack: &PooledStack) {
    // SAFETY: inside the usable part of a stack that nothing runs on.
    unsafe { stack.base.sub(1).write_volatile(1) };
}

#[cfg(target_os = "linux")]
fn topmost_byte(stack: &PooledStack) -> u8 {
    // SAFETY: as in `touch`.
    unsafe { stack.base.sub(1).read_volatile() }
}

/// Whether the kernel can read a byte at this address: false in a guard.
#[cfg(target_os = "linux")]
fn is_readable(address: usize) -> bool {
    let mut ends = [0; 2];
    // SAFETY: the kernel checks the address; the descriptors are ours and closed here.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let count = libc::write(ends[1], ptr::without_provenance(address), 1);
        libc::close(ends[0]);
        libc::close(ends[1]);
        count == 1
    }
}

#[cfg(target_os = "linux")]
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

#[cfg(target_os = "linux")]
fn check_guard(stack: &PooledStack) {
    let (limit, base) = (stack.limit().get(), stack.base().get());
    let usable = stack.slab().usable(stack.base);
    assert!(usable >= DEFAULT_STACK_SIZE);
    for guarded in [limit, limit + 4096, base - usable - 1] {
        assert!(!is_readable(guarded), "{guarded:#x} should be in the guard");
    }
    for free in [base - usable, base - 1] {
        assert!(is_readable(free), "{free:#x} should be usable");
    }
}

#[test]
fn the_last_one_given_back_is_the_next_one_taken() {
    let mut stacks = take_many(3);
    let last = stacks.remove(1);
    let base = last.base();
    drop(stacks);
    drop(last);
    assert_eq!(take(DEFAULT_STACK_SIZE).unwrap().base(), base);
    assert_eq!((stats().pooled, stats().in_use, stats().slabs), (3, 0, 1));
}

#[test]
fn every_size_gets_at_least_what_was_asked_and_is_aligned() {
    for size in [MIN_STACK_SIZE, 20_000, 64 * 1024, 100_000, DEFAULT_STACK_SIZE, 3 << 20, 1 << 28] {
        let stacks: Vec<_> = (0..20).map(|_| take(size).unwrap()).collect();
        for stack in &stacks {
            assert!(stack.slab().usable(stack.base) >= size);
            assert_eq!(stack.base().get() % corosensei::stack::STACK_ALIGNMENT, 0);
            touch(stack);
        }
    }
}

#[test]
fn stacks_do_not_overlap() {
    let mut ranges: Vec<_> =
        take_many(100).iter().map(|stack| (stack.limit().get(), stack.base().get())).collect();
    ranges.sort_unstable();
    assert!(ranges.is_sorted_by(|low, high| low.1 <= high.0));
}

#[cfg(target_os = "linux")]
#[test]
fn the_guard_is_out_of_reach_and_the_rest_is_not() {
    take_many(20).iter().for_each(check_guard);
    let old = OldKernel::new(65_530);
    let stacks: Vec<_> = (0..20).map(|_| old.take().unwrap()).collect();
    stacks.iter().for_each(check_guard);
}

#[cfg(target_os = "linux")]
#[test]
fn guards_survive_that_pages_go_back() {
    let old = OldKernel::new(65_530);
    let both = take_many(5).into_iter().chain((0..5).map(|_| old.take().unwrap()));
    for stack in both {
        touch(&stack);
        assert_eq!(topmost_byte(&stack), 1);
        // SAFETY: nothing runs on this stack.
        unsafe { stack.slab().release(stack.base, 1) };
        assert_eq!(topmost_byte(&stack), 0, "the page should be a new one");
        check_guard(&stack);
    }
}

#[test]
fn an_idle_thread_keeps_a_small_stock_and_unmaps_cold_slabs() {
    let count = 3 * IDLE_KEEP;
    take_many(count).iter().for_each(touch);
    let before = stats();
    assert_eq!((before.pooled, before.released), (count, 0));
    idle();
    let after = stats();
    assert_eq!(after.pooled - after.released, IDLE_KEEP);
    assert!(after.slabs < before.slabs && after.mapped < before.mapped, "{before:?} {after:?}");
    // Nothing is taken twice, whatever list it comes from.
    let mut bases: Vec<_> = take_many(count).iter().map(PooledStack::base).collect();
    bases.sort_unstable();
    bases.dedup();
    assert_eq!(bases.len(), count);
}

#[test]
fn above_the_high_water_mark_half_of_the_warm_ones_give_their_pages_back() {
    drop(take_many(HIGH_WATER));
    assert_eq!(stats().released, 0);
    drop(take_many(HIGH_WATER + 1));
    let after = stats();
    assert!(after.pooled - after.released <= HIGH_WATER / 2, "{after:?}");
}

#[test]
fn a_bottom_that_a_whole_epoch_did_not_need_is_halved() {
    let give_back = || (0..LOOK_EVERY).for_each(|_| drop(take(DEFAULT_STACK_SIZE).unwrap()));
    let class = class_of(DEFAULT_STACK_SIZE).unwrap();
    drop(take_many(500));
    give_back();
    // SAFETY: the pool of this thread, which has been used above.
    let list = unsafe { &(*POOL.get()).lists[class] };
    let set_back = || {
        let mut list = list.borrow_mut();
        list.epoch = Instant::now().checked_sub(2 * EPOCH);
    };
    give_back();
    assert_eq!(stats().released, 0, "the epoch is not over");
    set_back();
    give_back();
    set_back();
    give_back();
    let warm = stats().pooled - stats().released;
    assert!((FLOOR..400).contains(&warm), "{:?}", stats());
}

#[test]
fn the_steady_state_gives_nothing_back_to_the_kernel() {
    for _ in 0..100 {
        take_many(1_000).iter().for_each(touch);
    }
    assert_eq!((stats().pooled, stats().released), (1_000, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_stacks_need_few_mappings() {
    let before = mappings();
    let stacks = take_many(100_000);
    let grown = mappings().saturating_sub(before);
    let stats = stats();
    assert_eq!(stats.in_use, 100_000);
    assert!(stats.slabs <= 110, "{stats:?}");
    // The tests beside this one map as well; a mapping for each stack would show all the same.
    assert!(grown < 2_000, "{grown} mappings more");
    drop(stacks);
}

#[test]
fn an_old_kernel_stops_at_two_fifths_with_a_clear_error_and_goes_on_when_stacks_come_back() {
    let old = OldKernel::new(50);
    let mut stacks: Vec<_> = (0..20).map(|_| old.take().unwrap()).collect();
    let error = old.take().err().unwrap();
    assert!(matches!(error, StackError::TooManyGuards { in_use: 20, limit: 20, max_map_count: 50 }));
    assert_eq!(old.stats().in_use, 20);
    stacks.pop();
    stacks.push(old.take().unwrap());
    let budget = old.budget;
    drop(old);
    assert_eq!(budget.used(), 20, "stacks that are out keep their guards");
    drop(stacks);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_stack_may_come_back_after_the_end_of_the_pool() {
    let old = OldKernel::new(65_530);
    let budget = old.budget;
    let stacks: Vec<_> = (0..40).map(|_| old.take().unwrap()).collect();
    drop(old);
    stacks.iter().for_each(touch);
    for (index, stack) in stacks.into_iter().enumerate() {
        drop(stack);
        assert_eq!(
            budget.used(),
            if index < 15 {
                40
            } else if index < 31 {
                24
            } else if index < 39 {
                8
            } else {
                0
            }
        );
    }
}

#[test]
fn a_leaked_stack_stays_mapped_when_its_thread_has_ended() {
    let base = std::thread::spawn(|| {
        let stack = take(DEFAULT_STACK_SIZE).unwrap();
        touch(&stack);
        let base = stack.base.addr().get();
        mem::forget(stack);
        base
    });
    let base = base.join().unwrap();
    // SAFETY: a leaked stack is never unmapped, and its thread has ended.
    let byte = unsafe { ptr::with_exposed_provenance::<u8>(base - 1).read_volatile() };
    assert_eq!(byte, 1);
}

#[test]
fn stacks_are_given_out_and_back_while_the_thread_ends() {
    struct Late(RefCell<Option<PooledStack>>);
    impl Drop for Late {
        fn drop(&mut self) {
            // Whichever destructor runs first, neither of these may meet a pool that is gone.
            touch(self.0.borrow().as_ref().unwrap());
            let another = take(DEFAULT_STACK_SIZE).unwrap();
            touch(&another);
            drop(self.0.take());
            drop(another);
        }
    }
    thread_local!(static LATE: Late = const { Late(RefCell::new(None)) });
    for late_first in [true, false] {
        std::thread::spawn(move || {
            if late_first {
                LATE.with(|late| late.0.borrow().is_none());
            }
            let stack = take(DEFAULT_STACK_SIZE).unwrap();
            LATE.with(|late| late.0.replace(Some(stack)));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_coroutine_runs_on_it() {
    for _ in 0..100 {
        let stack = take(MIN_STACK_SIZE).unwrap();
        let mut coroutine = corosensei::Coroutine::with_stack(stack, |yielder, mut sum: u64| {
            for _ in 0..10 {
                sum += yielder.suspend(sum);
            }
            sum
        });
        let sums: Vec<u64> = (0..11).filter_map(|n| coroutine.resume(n).as_yield()).collect();
        assert_eq!(sums, [0, 1, 3, 6, 10, 15, 21, 28, 36, 45]);
    }
    assert_eq!((stats().pooled, stats().in_use), (1, 0));
}
