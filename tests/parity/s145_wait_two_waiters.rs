//! Two waiters on overlapping sets; callbacks of the first do not disturb the second.

use crate::harness::{run, trace};
use coro_core::{AnyFuture, ReturnWhen, prelude::*, wait};

async_fn! {
    async fn waiter(name: &'static str, tasks: Vec<AnyFuture>, when: ReturnWhen) {
        let (done, pending) = await!(wait(tasks).return_when(when));
        trace!("{name} done {} pending {}", done.len(), pending.len());
    }

    async fn main() {
        let tasks: Vec<AnyFuture> = [1, 2, 3].map(|d| create_task(sleep(secs(d))).any()).into();
        await!(gather((
            waiter("first", tasks.clone(), ReturnWhen::FirstCompleted),
            waiter("all", tasks.clone(), ReturnWhen::AllCompleted),
            waiter("pair", tasks[..2].to_vec(), ReturnWhen::AllCompleted),
        )));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
