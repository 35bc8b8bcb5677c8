//! An eager task that suspends: the first part runs in create_task, the rest in turn with the others.

use crate::harness::{run, trace};
use coro_core::{TaskBuilder, prelude::*};

async_fn! {
    async fn work(name: &'static str) -> &'static str {
        trace!("{name} first part");
        await!(sleep(secs(0)));
        trace!("{name} second part");
        await!(sleep(secs(1)));
        trace!("{name} third part");
        name
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_eager_tasks(true);
        let lazy = |name| TaskBuilder::new().eager_start(false).create(work(name));
        let mut tasks = vec![lazy("lazy a")];
        trace!("one lazy task made");
        let eager = create_task(work("eager b"));
        trace!("one eager task made; done: {}", eager.done());
        tasks.push(eager);
        tasks.push(lazy("lazy c"));
        tasks.push(create_task(work("eager d")));
        event_loop.call_soon(|| trace!("a callback"));
        trace!("main waits");
        for task in tasks {
            trace!("result {}", await!(task));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
