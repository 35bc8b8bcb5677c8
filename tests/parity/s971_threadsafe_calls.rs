//! `run_coroutine_threadsafe` and `call_soon_threadsafe`: results, errors, cancellation; errors of threads.

use crate::harness::{KeyError, run, show, trace};
use coro_core::{LoopHandle, RuntimeError, ValueError, prelude::*};
use std::sync::{Arc, Mutex};
use std::thread;

/// No test waits longer for a thread.
const LIMIT: Duration = secs(60);

async_fn! {
    async fn work(delay: u64, error: Option<Error>) -> String {
        try_await!(sleep(secs(delay))).inspect_err(|_| trace!("work cancelled"))?;
        error.map_or(Ok(()), Err)?;
        format!("after {delay}")
    }

    /// What `f` gives in a thread of its own.
    async fn in_thread<F: FnOnce(LoopHandle) -> String + Send + 'static>(f: F) -> String {
        let handle = get_running_loop()?.handle();
        await!(to_thread(move || thread::spawn(|| f(handle)).join().expect("it did not panic")))
    }

    async fn fails() {
        match try_await!(to_thread(|| Err::<(), _>(Error::from(KeyError::new("in the thread"))))) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
            other => match other? {
                Err(e) if e.is::<KeyError>() => trace!("{}", show(&e)),
                other => other?,
            },
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let result = |handle: &LoopHandle, delay, error: Option<Error>| {
            let result = handle.run_coroutine_threadsafe(move || work(delay, error)).result(LIMIT);
            result.unwrap_or_else(|e| show(&e))
        };
        trace!("{}", await!(in_thread(move |handle| result(&handle, 0, None))));
        trace!("{}", await!(in_thread(move |handle| result(&handle, 0, Some(ValueError::new("v").into())))));
        let cancels = move |handle: LoopHandle| {
            let future = handle.run_coroutine_threadsafe(|| work(1_000, None));
            let started = result(&handle, 0, None);
            future.cancel();
            let cancelled = future.result(LIMIT).is_err_and(|e| e.is_cancelled());
            format!("(true, {cancelled}, '{started}')")
        };
        trace!("{}", await!(in_thread(cancels)));
        trace!("{}", await!(to_thread(|| "of a thread")));
        await!(fails());
        let order = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::clone(&order);
        let call = move |handle: LoopHandle| {
            for i in 0..5 {
                let order = Arc::clone(&calls);
                let push = move || order.lock().expect("no panic").push(i);
                handle.call_soon_threadsafe(push).expect("the loop is open");
            }
            "called".to_owned()
        };
        let called = await!(in_thread(call));
        trace!("{called} {:?}", order.lock().expect("no panic"));
        // Several at once, each in a thread of its own.
        let squares = await!(gather((0..4).map(|i| to_thread(move || i * i))));
        trace!("{squares:?}");
        let id = await!(event_loop.run_in_executor(|| thread::current().id()));
        trace!("{}", id != thread::current().id());
        await!(event_loop.shutdown_default_executor(None));
        await!(fails());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
