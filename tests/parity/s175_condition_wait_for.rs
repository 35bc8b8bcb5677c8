//! wait_for checks its predicate at once and again after each notify.

use crate::harness::{run, trace};
use coro_core::{Condition, prelude::*};
use std::rc::Rc;

fn check(stock: &[u32], result: &mut &str) -> bool {
    trace!("check {}", stock.len());
    if stock.len() >= 2 {
        *result = "enough";
    }
    !result.is_empty()
}

async_fn! {
    async fn consumer(cond: Rc<Condition<Vec<u32>>>) {
        async with &*cond as mut stock {
            let mut result = "";
            await!(stock.wait_for(|stock| check(stock, &mut result)));
            trace!("consumer goes on with {result}");
        }
    }

    async fn main() {
        let cond = Rc::new(Condition::new(Vec::new()));
        let task = create_task(consumer(Rc::clone(&cond)));
        for i in 0..3 {
            await!(sleep(secs(1)));
            async with &*cond as mut stock {
                stock.push(i);
                stock.notify(1);
            }
        }
        await!(task);
        async with &*cond as mut stock {
            let mut result = "";
            await!(stock.wait_for(|_| {
                result = "at once";
                true
            }));
            trace!("{result}");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
