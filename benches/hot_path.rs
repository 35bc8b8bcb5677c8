//! What the common operations cost, in time, beside corosensei alone.
//!
//! `cargo bench --bench hot_path`, and `cargo bench --bench hot_path -- yield` for those with `yield` in their names.
//! Each time in the table is that of **one operation**: where it says `13.1 ns` for `yield-100`, one yield of one of 100
//! tasks takes so long. A sample is 100,000 operations, so `iters` counts operations. What comes before the first, such
//! as the making of tasks that yield, is not in it. `work/mod.rs` has the operations.
//!
//! Compare by ratios, within one run, and look at the median.

mod work;

use divan::Bencher;
use work::{OPERATIONS, Operation};

/// A number that has room for each of the 100,000 tasks of `yield-100k`.
const OPERATIONS_IN_A_SAMPLE: u32 = 100_000;

#[divan::bench(args = OPERATIONS, sample_size = OPERATIONS_IN_A_SAMPLE, sample_count = 50)]
fn operation(bencher: Bencher, operation: &Operation) {
    operation.run(false, |mut repeat| {
        // divan divides by the number of calls, and subtracts what its loop around them takes: the first call of a
        // sample does the work of all of them.
        let mut left = 0;
        bencher.bench_local(|| {
            if left == 0 {
                repeat(OPERATIONS_IN_A_SAMPLE as usize).expect("an operation that is measured does not fail");
                left = OPERATIONS_IN_A_SAMPLE;
            }
            left -= 1;
        });
    });
}

#[divan::bench]
fn run_of_nothing() {
    coro_core::run(coro_core::coroutine(|| Ok(()))).expect("nothing does not fail");
}

fn main() {
    divan::main();
}
