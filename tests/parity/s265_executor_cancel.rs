//! Cancelling the future of a job that already runs does not stop the thread.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

const LIMIT: Duration = secs(10);

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let (started, wait_started) = mpsc::channel();
        let (go_on, wait_go_on) = mpsc::channel();
        let (tell_end, wait_end) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&ended);
        let job = move || {
            started.send(())?;
            wait_go_on.recv_timeout(LIMIT)?;
            set.store(true, Ordering::SeqCst);
            Ok::<(), Error>(tell_end.send(())?)
        };
        let future = event_loop.run_in_executor(job);
        wait_started.recv_timeout(LIMIT)?;
        trace!("cancel {}", future.cancel());
        match try_await!(future) {
            Err(e) if e.is_cancelled() => {
                trace!("cancelled for the loop; job ended: {}", ended.load(Ordering::SeqCst));
            }
            other => other??,
        }
        go_on.send(())?;
        wait_end.recv_timeout(LIMIT)?;
        trace!("job ended: {}", ended.load(Ordering::SeqCst));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
