//! `wrap_future`: the result of one loop as a future of another, and cancellations both ways.

mod common;

use std::sync::mpsc;

use common::{event_loop, next_round, quiet_panics, run};
use coro_core::prelude::*;
use coro_core::{Future, LoopHandle, ThreadsafeFuture, wait, wrap_future};

/// Runs a loop in a thread until `f`, which gets its handle, is done.
fn beside<T>(f: impl FnOnce(LoopHandle) -> T) -> T {
    let (give, take) = mpsc::channel();
    std::thread::scope(|threads| {
        let running = threads.spawn(move || {
            coro_core::run(coroutine(move || {
                let open = Future::<()>::new();
                let (close, closed) = (get_running_loop()?.handle(), open.clone());
                let key = REMOTE.with_borrow_mut(|open| {
                    open.push(closed);
                    open.len() - 1
                });
                give.send((close, key)).map_err(|_| Error::msg("nobody asked"))?;
                open.co_await()
            }))
        });
        let (handle, key) = take.recv().unwrap();
        let value = f(handle.clone());
        let end = move || REMOTE.with_borrow(|open| open[key].set_result(())).unwrap();
        handle.call_soon_threadsafe(end).unwrap();
        running.join().unwrap().unwrap();
        value
    })
}

thread_local! {
    static REMOTE: std::cell::RefCell<Vec<Future<()>>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[test]
fn the_result_of_another_loop_arrives() {
    let sum = beside(|handle| {
        run(move || {
            let six = handle.run_coroutine_threadsafe(|| coroutine(|| next_round().map(|()| 6)));
            let seven = handle.run_coroutine_threadsafe(|| coroutine(|| Ok(7)));
            let (six, seven) = gather((wrap_future(six), wrap_future(seven))).co_await()?;
            Ok(six + seven)
        })
    });
    assert_eq!(sum.unwrap(), 13);
}

#[test]
fn what_is_raised_there_is_raised_here() {
    quiet_panics();
    beside(|handle| {
        run(move || {
            let burnt = handle.run_coroutine_threadsafe(|| coroutine(|| Err::<u32, _>(Error::msg("burnt"))));
            assert_eq!(wrap_future(burnt).co_await().unwrap_err().to_string(), "burnt");
            let panics =
                handle.run_coroutine_threadsafe(|| coroutine(|| -> Result<u32> { panic!("meant: there") }));
            assert!(wrap_future(panics).co_await().unwrap_err().is_panic());
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn cancelling_the_wrapped_one_cancels_the_coroutine_there() {
    beside(|handle| {
        let (began, begun) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        run(move || {
            let nap = handle.run_coroutine_threadsafe(move || {
                coroutine(move || {
                    began.send(()).map_err(|_| Error::msg("nobody asked"))?;
                    let slept = sleep(secs(3600)).co_await();
                    ended
                        .send(slept.as_ref().is_err_and(Error::is_cancelled))
                        .map_err(|_| Error::msg("nobody"))?;
                    slept
                })
            });
            let wrapped = wrap_future(nap.clone());
            begun.recv().unwrap();
            assert!(wrapped.cancel());
            assert!(wrapped.co_await().unwrap_err().is_cancelled());
            next_round()?; // its callbacks run
            assert!(end.recv().unwrap(), "it was cancelled there");
            assert!(wrap_future(nap).co_await().unwrap_err().is_cancelled());
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn cancelling_the_coroutine_there_cancels_the_wrapped_one() {
    beside(|handle| {
        run(move || {
            let nap = handle.run_coroutine_threadsafe(|| sleep(secs(3600)));
            let wrapped = wrap_future(nap.clone());
            std::thread::spawn(move || nap.cancel()).join().unwrap();
            assert!(wait([&wrapped]).co_await()?.0[0].cancelled());
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_wrapped_one_that_is_dropped_leaves_the_coroutine_alone() {
    run(|| {
        let six =
            get_running_loop()?.handle().run_coroutine_threadsafe(|| coroutine(|| next_round().map(|()| 6)));
        drop(wrap_future(six.clone()));
        sleep(secs(1)).co_await()?;
        assert!(six.done() && !six.cancelled());
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_first_who_takes_has_the_result() {
    run(|| {
        let handle = get_running_loop()?.handle();
        let six: ThreadsafeFuture<u32> = handle.run_coroutine_threadsafe(|| coroutine(|| Ok(6)));
        let (first, second) = (wrap_future(six.clone()), wrap_future(six.clone()));
        let both = gather_return_exceptions([first, second]).co_await()?;
        assert_eq!(both.iter().filter(|result| result.as_ref().is_ok_and(|six| *six == 6)).count(), 1);
        let late = both.into_iter().find_map(Result::err).unwrap();
        assert_eq!(late.to_string(), "the result was taken");
        assert_eq!(wrap_future(six).co_await().unwrap_err().to_string(), "the result was taken");
        Ok(())
    })
    .unwrap();
}

#[test]
fn each_handle_that_is_awaited_is_woken() {
    run(|| {
        let nap = get_running_loop()?.handle().run_coroutine_threadsafe(|| sleep(secs(1)));
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                create_task(coroutine({
                    let nap = nap.clone();
                    move || nap.co_await()?
                }))
            })
            .collect();
        drop(nap);
        let (done, _) = wait(&waiters).co_await()?;
        assert_eq!(
            done.iter().filter(|waiter| waiter.exception().is_ok_and(|raised| raised.is_none())).count(),
            1
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn without_a_running_loop_it_has_failed_and_a_closed_one_settles_it() {
    let other = event_loop();
    let nap = other.handle().run_coroutine_threadsafe(|| sleep(secs(1)));
    assert_eq!(wrap_future(nap.clone()).exception().unwrap().unwrap().to_string(), "no running event loop");
    run(move || {
        let wrapped = wrap_future(nap);
        other.close()?;
        assert_eq!(wrapped.co_await().unwrap_err().to_string(), "Event loop is closed");
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_that_was_settled_by_hand_stays_so() {
    run(|| {
        let six = get_running_loop()?.handle().run_coroutine_threadsafe(|| coroutine(|| Ok(6)));
        let wrapped = wrap_future(six.clone());
        wrapped.set_result(7)?;
        sleep(secs(1)).co_await()?;
        assert_eq!(wrapped.co_await()?, 7);
        assert_eq!(six.co_await()??, 6);
        Ok(())
    })
    .unwrap();
}
