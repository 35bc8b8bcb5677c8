//! The repr of a future names its first and last callback and counts those between.

use crate::harness::{run, trace};
use coro_core::{Future, prelude::*};

fn callback(_future: Future<()>) {}

async_fn! {
    async fn main() {
        let future = get_running_loop()?.create_future();
        for _ in 0..4 {
            future.add_done_callback(callback);
            trace!("{future:?}");
        }
        future.cancel();
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
