//! `run`, `await!` and `create_task` in one program.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn log() {
        trace!("log runs");
    }

    async fn download() {
        trace!("download starts");
        await!(sleep(secs(1)));
        trace!("download ends");
    }

    async fn main() {
        let task = create_task(log());
        trace!("before await");
        await!(download());
        trace!("log done: {}", task.done());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
