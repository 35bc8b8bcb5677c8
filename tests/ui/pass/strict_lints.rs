//! What the macros emit passes the strictest lints of its user's crate.
#![forbid(unsafe_code)]
#![deny(missing_docs, unused, unreachable_pub, unused_qualifications, elided_lifetimes_in_paths)]
#![deny(unused_lifetimes, trivial_casts, trivial_numeric_casts, single_use_lifetimes, let_underscore_drop)]
#![deny(unused_results, variant_size_differences, missing_debug_implementations, keyword_idents)]
#![deny(rust_2018_idioms, rust_2021_compatibility, rust_2024_compatibility, future_incompatible)]

use coro_core::prelude::*;

async_fn! {
    /// Boils.
    async fn boil(egg: u32, _unused: u32) -> u32 {
        await!(sleep(millis(1)));
        egg
    }

    /// A generator.
    async fn eggs(amount: u32) yields u32 {
        for egg in 1..=amount { yield!(egg); }
    }

    /// Never falls through.
    async fn fails() -> u32 { raise!("no eggs"); }

    /// All ways return.
    async fn picks(lock: &Lock<u32>, first: bool) -> Result<u32> {
        if first { return Ok(0); }
        async with lock as guard { return Ok(*guard); }
        Err(Error::msg("unreachable"))
    }

    async fn cook() {
        let lock = Lock::new(1);
        let mut sum = 0;
        async for egg in eggs(3) { sum += await!(boil(egg, 0)); }
        loop { async with &lock as mut guard { *guard += sum; if *guard > 3 { break; } } }
        assert_eq!((await!(picks(&lock, false)), await!(picks(&lock, true))), (7, 0));
        assert!(try_await!(fails()).is_err());
    }
}

#[coro_core::main(debug, stack_size = 128 * 1024)]
async fn main() -> Result<()> {
    cook().await;
    Ok(())
}
