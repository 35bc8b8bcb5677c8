//! From another thread there is no `call_soon`; `call_soon_threadsafe` works.

use crate::harness::{run_debug, show, trace};
use coro_core::{Future, prelude::*};
use std::cell::RefCell;
use std::thread;

thread_local! {
    /// The future stays on its thread: what another thread hands in finds it here.
    static DONE: RefCell<Option<Future<()>>> = const { RefCell::new(None) };
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let done = event_loop.create_future();
        DONE.set(Some(done.clone()));
        let handle = event_loop.handle();
        let worker = thread::spawn(move || {
            let set = || DONE.take().expect("it waits").set_result(()).expect("it is pending");
            handle.call_soon_threadsafe(set).err()
        });
        await!(&done);
        let errors: Vec<String> = worker.join().expect("no panic").iter().map(show).collect();
        trace!("{errors:?}");
    }
}

pub fn scenario() -> Result<()> {
    run_debug(main())
}
