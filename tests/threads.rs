//! Other threads and a loop: wakers from anywhere at any time, results that are waited for elsewhere, closed doors.

mod common;

use std::future::Future as _;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context as PollContext, Poll, Wake, Waker};
use std::thread;

#[cfg(target_os = "linux")]
use common::{assert_well, in_child, next_round};
use common::{event_loop, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{Elapsed, LoopHandle, RuntimeError, ThreadsafeFuture};

/// Hands its waker to whoever holds the other end, and is ready when that one says so.
struct Handed {
    wakers: Sender<Waker>,
    ready: Arc<Mutex<bool>>,
}

fn handed() -> (Handed, Receiver<Waker>, Arc<Mutex<bool>>) {
    let (wakers, receiver) = channel();
    let ready = Arc::new(Mutex::new(false));
    (Handed { wakers, ready: ready.clone() }, receiver, ready)
}

impl std::future::Future for Handed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<()> {
        if *self.ready.lock().unwrap() {
            return Poll::Ready(());
        }
        let _ = self.wakers.send(context.waker().clone());
        Poll::Pending
    }
}

#[test]
fn a_waker_wakes_from_another_thread_on_a_stack_and_without_one() {
    run(|| {
        for stackless in [false, true] {
            let (future, wakers, ready) = handed();
            let waking = thread::spawn(move || {
                let waker = wakers.recv().unwrap();
                *ready.lock().unwrap() = true;
                for _ in 0..1_000 {
                    waker.wake_by_ref();
                }
                waker
            });
            match stackless {
                true => create_task(future).co_await()?,
                false => future.co_await()?,
            }
            let waker = waking.join().unwrap();
            waker.wake_by_ref(); // after the end of what it woke
            thread::spawn(move || waker.wake()).join().unwrap();
            sleep(secs(0)).co_await()?;
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_waker_outlives_its_task_its_loop_and_its_thread() {
    let wakers: Vec<Waker> = thread::spawn(|| {
        let event_loop = event_loop();
        let (stackless, first, _) = handed();
        let (on_a_stack, second, _) = handed();
        event_loop.create_task(stackless);
        event_loop.create_task(coroutine(move || on_a_stack.co_await()));
        event_loop.run_until_complete(sleep(secs(0))).unwrap();
        let wakers = vec![first.recv().unwrap(), second.recv().unwrap()];
        reported(|| event_loop.close().unwrap());
        wakers.iter().for_each(Waker::wake_by_ref); // on the loop's own thread, after its close
        wakers
    })
    .join()
    .unwrap();
    wakers.iter().for_each(Waker::wake_by_ref);
    // Later threads must not be taken for that one, whatever their thread-locals' addresses.
    for _ in 0..8 {
        let wakers = wakers.clone();
        thread::spawn(move || {
            run(move || {
                let (future, own, ready) = handed();
                let task = create_task(future);
                sleep(millis(1)).co_await()?; // it has begun by then
                let own = own.recv().unwrap();
                wakers.iter().for_each(Waker::wake_by_ref);
                sleep(secs(0)).co_await()?;
                assert!(!task.done());
                *ready.lock().unwrap() = true;
                own.wake();
                task.co_await()
            })
            .unwrap();
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_waker_of_a_task_that_has_ended_does_not_poll_the_one_that_came_after_it() {
    run(|| {
        let (first, wakers, ready) = handed();
        let first = create_task(first);
        sleep(millis(1)).co_await()?; // it has begun by then
        let stale = wakers.recv().unwrap();
        *ready.lock().unwrap() = true;
        stale.wake_by_ref();
        first.co_await()?;
        let (second, wakers, _) = handed();
        let second = create_task(second);
        sleep(secs(0)).co_await()?;
        stale.wake();
        sleep(secs(1)).co_await()?;
        assert_eq!(wakers.try_iter().count(), 1, "it was polled once, at its start");
        second.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn many_threads_wake_one_task_at_once() {
    run(|| {
        let (future, wakers, ready) = handed();
        let waking = thread::spawn(move || {
            let waker = wakers.recv().unwrap();
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let waker = waker.clone();
                    thread::spawn(move || (0..500).for_each(|_| waker.wake_by_ref()))
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            *ready.lock().unwrap() = true;
            waker.wake();
        });
        future.co_await()?;
        waking.join().unwrap();
        Ok(())
    })
    .unwrap();
}

/// Runs a loop in a thread until it is told to end; gives its handle.
fn loop_in_thread() -> (LoopHandle, thread::JoinHandle<()>, Sender<()>) {
    let (handle, handles) = channel();
    let (end, ended) = channel::<()>();
    let thread = thread::spawn(move || {
        coro_core::run(coroutine(move || {
            handle.send(get_running_loop()?.handle()).unwrap();
            to_thread(move || {
                let _ = ended.recv();
            })
            .co_await()
        }))
        .unwrap();
    });
    (handles.recv().unwrap(), thread, end)
}

#[test]
fn a_threadsafe_future_is_waited_for_by_blocking_or_polling_once() {
    let (handle, thread, end) = loop_in_thread();
    let future = handle.run_coroutine_threadsafe(|| coroutine(|| Ok(1)));
    assert_eq!(future.result(secs(60)).unwrap(), 1);
    assert!(future.done());
    assert_eq!(future.result(secs(60)).unwrap_err().to_string(), "the result was taken");
    let failing = handle.run_coroutine_threadsafe(|| coroutine(|| Err::<u32, _>(Error::msg("no"))));
    assert_eq!(failing.result(secs(60)).unwrap_err().to_string(), "no");
    // On another loop, in the middle of a task.
    let other = handle.clone();
    run(move || {
        let future = other.run_coroutine_threadsafe(|| coroutine(|| Ok(2)));
        assert_eq!(future.co_await()??, 2);
        Ok(())
    })
    .unwrap();
    drop(handle.run_coroutine_threadsafe(|| coroutine(|| Ok(3)))); // dropping changes nothing
    end.send(()).unwrap();
    thread.join().unwrap();
    let late = handle.run_coroutine_threadsafe(|| coroutine(|| Ok(4)));
    assert_eq!(late.result(secs(60)).unwrap_err().to_string(), "Event loop is closed");
    assert!(handle.call_soon_threadsafe(|| unreachable!()).unwrap_err().is::<RuntimeError>());
}

#[test]
fn a_threadsafe_future_is_cancelled_before_during_and_after() {
    let (handle, thread, end) = loop_in_thread();
    let forever = |handle: &LoopHandle| handle.run_coroutine_threadsafe(|| sleep(secs(3600)));
    let before = forever(&handle);
    before.cancel(); // most likely before it has started
    assert!(before.result(secs(60)).unwrap_err().is_cancelled());
    let during = forever(&handle);
    // A second one in the same queue: when it is done, the first has started.
    handle.run_coroutine_threadsafe(|| sleep(millis(1))).result(secs(60)).unwrap();
    assert!(during.result(millis(1)).unwrap_err().is::<Elapsed>());
    during.cancel();
    assert!(during.result(secs(60)).unwrap_err().is_cancelled());
    during.cancel();
    end.send(()).unwrap();
    thread.join().unwrap();
    during.cancel();
}

#[test]
fn a_threadsafe_future_ends_when_its_loop_is_closed_by_force() {
    let (futures, received) = channel::<ThreadsafeFuture<()>>();
    let thread = thread::spawn(move || {
        let event_loop = event_loop();
        let handle = event_loop.handle();
        futures.send(handle.run_coroutine_threadsafe(|| sleep(secs(60)))).unwrap();
        event_loop.run_until_complete(sleep(secs(1))).unwrap(); // it is parked now
        futures.send(handle.run_coroutine_threadsafe(|| sleep(secs(60)))).unwrap(); // this one is still in the door
        reported(|| drop(event_loop));
    });
    for _ in 0..2 {
        let future = received.recv().unwrap();
        assert_eq!(future.result(secs(60)).unwrap_err().to_string(), "Event loop is closed");
    }
    thread.join().unwrap();
}

#[test]
fn a_waker_of_another_executor_may_look_at_the_future_that_it_wakes() {
    struct Looks(Mutex<Option<Arc<Mutex<ThreadsafeFuture<u32>>>>>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            if let Some(future) = self.0.get_mut().unwrap().take() {
                let _ = format!("{:?}", future.try_lock());
            }
        }
    }
    let (handle, thread, end) = loop_in_thread();
    let future = Arc::new(Mutex::new(handle.run_coroutine_threadsafe(|| {
        coroutine(|| {
            sleep(millis(1)).co_await()?;
            Ok(1)
        })
    })));
    for _ in 0..3 {
        // Each poll drops the waker of the poll before.
        let waker = Waker::from(Arc::new(Looks(Mutex::new(Some(future.clone())))));
        let mut future = future.lock().unwrap();
        if Pin::new(&mut *future).poll(&mut PollContext::from_waker(&waker)).is_ready() {
            break;
        }
    }
    end.send(()).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_job_in_a_thread_outlives_a_loop_that_is_closed_by_force() {
    let (release, released) = channel::<()>();
    let event_loop = event_loop();
    let job = event_loop.run_in_executor(move || released.recv().is_ok());
    event_loop.close().unwrap();
    release.send(()).unwrap();
    assert!(!job.done());
    // The thread's loops after it are not disturbed by its end.
    assert_eq!(run(|| to_thread(|| 1).co_await()).unwrap(), 1);
}

#[test]
fn closing_a_loop_drops_the_result_of_a_job_that_nobody_was_told_of() {
    struct Result(Sender<()>);
    impl Drop for Result {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let event_loop = event_loop();
    event_loop.set_default_executor(|job: Box<dyn FnOnce() + Send>| thread::spawn(job).join().unwrap());
    let (dropped, drops) = channel();
    let job = event_loop.run_in_executor(move || Result(dropped));
    assert!(drops.try_recv().is_err());
    event_loop.close().unwrap();
    drops.try_recv().unwrap();
    assert!(!job.done());
}

#[cfg(target_os = "linux")]
#[test]
fn a_loop_that_is_closed_while_a_job_runs_is_freed_when_that_ends() {
    let child = in_child("a_loop_that_is_closed_while_a_job_runs_is_freed_when_that_ends", || {
        event_loop().close().unwrap(); // the first one opens what stays open
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        let (release, released) = channel::<()>();
        let released = Arc::new(Mutex::new(released));
        for by_task in [false, true] {
            let event_loop = event_loop();
            let waiting = released.clone();
            let job = move || waiting.lock().unwrap().recv();
            let begun = move || {
                match by_task {
                    true => drop(create_task(to_thread(job))),
                    false => drop(get_running_loop()?.run_in_executor(job)),
                }
                next_round()
            };
            event_loop.run_until_complete(coroutine(begun)).unwrap();
            reported(|| event_loop.close().unwrap());
        }
        assert!(descriptors() > before, "the jobs may tell the loops still");
        drop(release);
        let patience = std::time::Instant::now() + secs(20);
        while descriptors() > before {
            assert!(std::time::Instant::now() < patience, "{} of {before} descriptors", descriptors());
            thread::yield_now();
        }
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

/// Calls `f` where the system gives no more threads: there is no memory for another stack.
#[cfg(all(target_os = "linux", not(feature = "sanitizer")))]
fn without_new_threads<T>(f: impl FnOnce() -> T) -> T {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let before = getrlimit(Resource::As);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kilobytes: u64 = size.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    let limit = Rlimit { current: Some((kilobytes + 1_000) * 1024), ..before };
    setrlimit(Resource::As, limit).unwrap();
    thread::Builder::new().spawn(|| ()).unwrap_err();
    let result = f();
    setrlimit(Resource::As, before).unwrap();
    result
}

#[cfg(all(target_os = "linux", not(feature = "sanitizer")))]
#[test]
fn where_no_thread_can_be_made_there_is_an_error_and_later_all_is_well() {
    #[track_caller]
    fn refused<T>(result: Result<T>) {
        let error = result.err().unwrap();
        assert!(error.is::<RuntimeError>());
        assert_eq!(error.to_string(), "can't start new thread");
        assert!(error.cause().unwrap().is::<std::io::Error>());
    }

    let child = in_child("where_no_thread_can_be_made_there_is_an_error_and_later_all_is_well", || {
        run(|| {
            let event_loop = get_running_loop()?;
            without_new_threads(|| {
                refused(to_thread(|| 5).co_await());
                refused(wait_for(to_thread(|| 5), secs(3)).co_await());
                refused(event_loop.run_in_executor(|| 5).co_await());
                let by_name = coro_core::dns::resolve("localhost", 80).unwrap_err();
                let of_a_file = coro_core::fs::read("/proc/self/statm").unwrap_err();
                let of_input = std::io::Read::read(&mut coro_core::stdio::stdin(), &mut [0]).unwrap_err();
                for error in [by_name, of_a_file, of_input] {
                    assert_eq!(error.kind(), std::io::ErrorKind::Other);
                    assert!(error.to_string().contains("can't start new thread"), "{error}");
                }
            });
            assert_eq!(to_thread(|| 5).co_await()?, 5);
            assert!(!coro_core::fs::read("/proc/self/statm")?.is_empty());
            event_loop.shutdown_default_executor(None).co_await() // nothing is counted that has not begun
        })
        .unwrap();
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

#[cfg(all(target_os = "linux", not(feature = "sanitizer")))]
#[test]
fn a_job_for_which_no_thread_can_be_made_waits_for_one_at_work() {
    let child = in_child("a_job_for_which_no_thread_can_be_made_waits_for_one_at_work", || {
        run(|| {
            let event_loop = get_running_loop()?;
            let gated = || {
                let (begun, begins) = channel();
                let (open, gate) = channel::<()>();
                let job = event_loop.run_in_executor(move || {
                    begun.send(()).unwrap();
                    gate.recv().unwrap_err();
                    thread::current().id()
                });
                (open, job, begins)
            };
            let (first_gate, first, begins) = gated();
            begins.recv().unwrap(); // a thread that is about to begin needs memory itself
            let ((second_gate, second, _begins), (third_gate, third, _begins_too)) =
                without_new_threads(|| (gated(), gated()));
            // The thread takes the second when the first has ended; by then there may be one for the third.
            drop(first_gate);
            let of_the_first = first.co_await()?;
            drop(third_gate);
            let of_the_third = third.co_await()?;
            drop(second_gate);
            assert_eq!(second.co_await()?, of_the_first);
            assert_ne!(of_the_third, of_the_first);
            Ok(())
        })
        .unwrap();
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

#[test]
fn a_callback_from_another_thread_that_panics_is_reported() {
    quiet_panics();
    let (result, reports) = reported(|| {
        run(|| {
            let handle = get_running_loop()?.handle();
            to_thread(move || handle.call_soon_threadsafe(|| panic!("meant: from afar"))).co_await()??;
            sleep(secs(1)).co_await()
        })
    });
    result.unwrap();
    assert!(reports.iter().any(|report| report.contains("meant: from afar")), "{reports:?}");
}

#[test]
fn only_the_doors_are_send() {
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<LoopHandle>();
    send_and_sync::<ThreadsafeFuture<u32>>();
    send_and_sync::<Error>();
    send_and_sync::<coro_core::ContextVar<u32>>();
}
