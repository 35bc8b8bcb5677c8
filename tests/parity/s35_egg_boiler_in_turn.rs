//! An async iterator whose items are coroutines, awaited one by one.

use crate::harness::{run, trace};
use coro_core::prelude::*;

struct EggBoiler {
    eggs: std::ops::RangeInclusive<u32>,
}

impl EggBoiler {
    fn new(amount: u32) -> Self {
        Self { eggs: 1..=amount }
    }
}

impl AsyncIterator for EggBoiler {
    type Item = BoxCoroutine<()>;

    fn anext(&mut self) -> Result<Option<Self::Item>> {
        Ok(self.eggs.next().map(|egg| boil(egg).boxed()))
    }
}

async_fn! {
    async fn boil(egg: u32) {
        await!(sleep(secs([3, 2, 5, 4][egg as usize - 1])));
        trace!("Egg #{egg} is boiling");
    }

    async fn main() {
        async for egg in EggBoiler::new(4) {
            await!(egg);
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
