//! async for with else, break, continue and nested loops; comprehensions of every kind.

use crate::harness::{python_name, run, trace, type_of};
use coro_core::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

async_fn! {
    async fn count(n: u32, delay: u64) yields u32 {
        for i in 0..n {
            await!(sleep(secs(delay)));
            yield!(i);
        }
    }

    async fn squares() yields u32 {
        async for x in count(3, 1) {
            yield!(x * x);
        }
    }

    async fn ten() -> u32 {
        await!(sleep(secs(1)));
        10
    }

    async fn main() {
        let mut full = true;
        async for i in count(3, 1) {
            if i == 1 {
                continue;
            }
            trace!("i {i}");
            full &= i < 3;
        }
        if full {
            trace!("else of a full loop");
        }
        async for i in count(5, 1) {
            if i == 2 {
                break;
            }
        }
        let mut list = Vec::new();
        async for x in count(3, 1) {
            list.push(x);
        }
        let mut set = BTreeSet::new();
        async for x in count(4, 1) {
            set.insert(x % 2);
        }
        trace!("{list:?} {set:?}");
        let mut map = BTreeMap::new();
        async for x in count(2, 1) {
            async for y in count(2, 0) {
                map.insert(x, y);
            }
        }
        trace!("{map:?}");
        let mut sums = Vec::new();
        async for x in count(2, 1) {
            if x != 0 {
                sums.push(x + await!(ten()));
            }
        }
        trace!("{sums:?}");
        let lazy = squares();
        let name = python_name(type_of(&lazy));
        let mut all = Vec::new();
        async for x in lazy {
            all.push(x);
        }
        trace!("{name} {all:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
