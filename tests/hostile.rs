//! User code that the library calls (`Clone`, `Drop`, `Debug`, `Display`, iterators, wakers, subscribers, handlers)
//! and that suspends, calls back in, or panics. Nothing of the library is borrowed then, and nobody else suffers.

mod common;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as PollContext, Poll, Wake, Waker};

use common::{Log, assert_well, event_loop, in_child, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{AnyFuture, AsFuture, ContextVar, Future, wait};

/// Calls a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

type BoxedOnDrop = OnDrop<Box<dyn FnMut()>>;

/// Calls a closure at each clone.
struct OnClone(Rc<dyn Fn()>);

impl Clone for OnClone {
    fn clone(&self) -> Self {
        (self.0)();
        Self(self.0.clone())
    }
}

/// Calls a closure when it is formatted.
struct OnFormat(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for OnFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)();
        f.write_str("formatted")
    }
}

impl fmt::Display for OnFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for OnFormat {}

/// An innocent task that runs beside the hostile one and must not notice anything.
fn innocent() -> Task<u32> {
    create_task(coroutine(|| {
        let future = Future::new();
        let mut sum = 0;
        for n in 0..10 {
            sleep(millis(100)).co_await()?;
            sum += create_task(coroutine(move || Ok(n))).co_await()?;
        }
        future.set_result(sum)?;
        (&future).co_await()
    }))
}

#[test]
fn a_clone_that_suspends_holds_nobody_up() {
    run(|| {
        let beside = innocent();
        let future = Future::new();
        future.set_result(OnClone(Rc::new(|| sleep(secs(1)).co_await().unwrap())))?;
        let cloning = create_task(coroutine({
            let future = future.clone();
            move || future.co_await().map(drop)
        }));
        sleep(millis(1)).co_await()?;
        assert_eq!(future.take_result().err().unwrap().to_string(), "the result is being cloned");
        let second = create_task(coroutine({
            let future = future.clone();
            move || future.co_await().map(drop)
        }));
        cloning.co_await()?;
        second.co_await()?;
        drop(future.take_result()?);
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_clone_that_calls_back_in_finds_the_result_being_cloned() {
    run(|| {
        let future = Future::new();
        let log = Log::new();
        let (own, inner) = (future.clone(), log.clone());
        future.set_result(OnClone(Rc::new(move || {
            inner.push(own.take_result().map(drop).unwrap_err().to_string());
            inner.push(format!("{} {}", own.done(), own.set_result(OnClone(Rc::new(|| {}))).is_err()));
            assert!(own.remove_done_callback(own.add_done_callback(|_| {})) == 0);
        })))?;
        drop((&future).co_await()?);
        assert_eq!(log.take(), ["the result is being cloned", "true true"]);
        drop(future.take_result()?);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_clone_that_panics_in_gather_does_not_end_the_loop() {
    quiet_panics();
    let (result, reports) = reported(|| {
        run(|| {
            let beside = innocent();
            let future = Future::new();
            let all = gather([future.clone()]);
            future.set_result(OnClone(Rc::new(|| panic!("meant: in a clone"))))?;
            let waiting = timeout(secs(1), || all.co_await().map(drop));
            assert!(waiting.is_err());
            assert_eq!(beside.co_await()?, 45);
            Ok(())
        })
    });
    result.unwrap();
    assert!(reports.iter().any(|report| report.contains("meant: in a clone")), "{reports:?}");
}

#[test]
fn a_debug_output_that_suspends_or_calls_back_in_disturbs_nobody() {
    run(|| {
        let beside = innocent();
        let future = Future::new();
        future.set_result(OnFormat(Box::new(|| {
            sleep(secs(1)).co_await().unwrap();
            let _ = format!("{:?}", coro_core::all_tasks().unwrap());
        })))?;
        assert_eq!(format!("{future:?}"), "<Future finished result=formatted>");
        let failed = Future::<u32>::new();
        failed.set_exception(OnFormat(Box::new(|| sleep(secs(1)).co_await().unwrap())))?;
        assert_eq!(format!("{failed:?}"), "<Future finished exception=formatted>");
        assert_eq!(beside.co_await()?, 45);
        drop(failed.exception());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_whose_display_suspends_is_reported_without_suspending() {
    let refused = Arc::new(std::sync::Mutex::new(0));
    let counter = refused.clone();
    let (result, reports) = reported(|| {
        run(|| {
            let beside = innocent();
            let error = OnFormat(Box::new(move || {
                if sleep(secs(1)).co_await().is_err() {
                    *counter.lock().unwrap() += 1;
                }
            }));
            drop(create_task(coroutine(move || Err::<(), _>(error.into())))); // nobody will retrieve it
            sleep(secs(1)).co_await()?;
            assert_eq!(beside.co_await()?, 45);
            Ok(())
        })
    });
    result.unwrap();
    assert!(*refused.lock().unwrap() > 0);
    assert!(reports.iter().any(|report| report.contains("never retrieved")), "{reports:?}");
}

#[test]
fn a_subscriber_that_suspends_or_calls_back_in_gets_an_error() {
    struct Hostile(Arc<std::sync::Mutex<Vec<String>>>);
    impl tracing::Subscriber for Hostile {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
            tracing::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            if let Err(error) = sleep(secs(1)).co_await() {
                self.0.lock().unwrap().push(error.to_string());
            }
            drop(create_task(coroutine(|| Ok(()))));
            let _ = coro_core::all_tasks();
        }
        fn enter(&self, _: &tracing::Id) {}
        fn exit(&self, _: &tracing::Id) {}
    }
    let errors = Arc::new(std::sync::Mutex::new(Vec::new()));
    tracing::subscriber::with_default(Hostile(errors.clone()), || {
        run(|| {
            let beside = innocent();
            drop(coroutine(|| Ok(()))); // "was never awaited", from the stack of a task
            let failed = Future::<u32>::new();
            failed.set_exception(Error::msg("lost"))?;
            drop(failed);
            assert_eq!(beside.co_await()?, 45);
            Ok(())
        })
        .unwrap();
    });
    let errors = errors.lock().unwrap();
    assert!(errors.iter().any(|error| error == "cannot await in a tracing subscriber"), "{errors:?}");
}

#[test]
fn destructors_of_results_may_suspend_and_call_back_in() {
    let log = Log::new();
    run(|| {
        let beside = innocent();
        let inner = log.clone();
        let hostile = move |name: &'static str| {
            let log = inner.clone();
            OnDrop(move || {
                let waited = sleep(secs(1)).co_await().is_ok();
                drop(create_task(coroutine(|| Ok(()))));
                let _ = coro_core::all_tasks();
                log.push(format!("{name}: {waited}"));
            })
        };
        let task = create_task({
            let value = hostile("taken");
            coroutine(move || Ok(value))
        });
        drop(task.co_await()?); // on a task's stack
        let future = Future::new();
        future.set_result(hostile("in a future"))?;
        drop(future);
        drop(create_task({
            let value = hostile("unclaimed");
            coroutine(move || Ok(value))
        })); // on the loop's own stack
        let cancelled = create_task({
            let value = hostile("captured");
            coroutine(move || {
                let _value = value;
                Ok(())
            })
        });
        cancelled.cancel();
        sleep(secs(1)).co_await()?;
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
    let mut said = log.take();
    said[2..].sort(); // these come in one round
    assert_eq!(said, ["taken: true", "in a future: true", "captured: false", "unclaimed: false"]);
}

#[test]
fn a_destructor_that_panics_on_the_loops_own_stack_is_reported_and_nobody_else_suffers() {
    quiet_panics();
    let lent = String::from("main borrows this");
    let (result, reports) = reported(|| {
        run(|| {
            let beside = innocent();
            let bomb = || OnDrop(|| panic!("meant: a bomb"));
            // An unclaimed result.
            let value = bomb();
            drop(create_task(coroutine(move || Ok(value))));
            // What a task had captured that was cancelled before its start.
            let value = bomb();
            let cancelled = create_task(coroutine(move || {
                let _value = value;
                Ok(())
            }));
            cancelled.cancel();
            assert!(cancelled.co_await().unwrap_err().is_panic());
            // The result of a task that was cancelled in its last step.
            let value = bomb();
            let late = create_task(coroutine(move || {
                coro_core::current_task().unwrap().cancel();
                Ok(value)
            }));
            sleep(secs(0)).co_await()?;
            sleep(secs(0)).co_await()?;
            assert!(late.cancelled());
            // A std future that is cancelled, and one that is ready.
            let value = bomb();
            let polled = create_task(async move {
                let _value = value;
                std::future::pending::<()>().await;
            });
            sleep(secs(0)).co_await()?;
            polled.cancel();
            assert!(polled.co_await().unwrap_err().is_panic());
            // A callback that never runs.
            let value = bomb();
            let handle = get_running_loop()?.call_soon(move || drop(value));
            assert!(catch_unwind(AssertUnwindSafe(|| handle.cancel())).is_err());
            // A command that no loop knows.
            let refused = coro_core::suspend(coro_core::Awaited::Command(Box::new(bomb())));
            assert!(refused.is_err());
            assert_eq!(beside.co_await()?, 45);
            assert_eq!(lent, "main borrows this");
            Ok(())
        })
    });
    result.unwrap();
    let bombs = reports.iter().filter(|report| report.contains("meant: a bomb")).count();
    assert!(bombs >= 3, "{reports:?}");
}

#[test]
fn an_iterator_given_to_gather_may_suspend_and_make_tasks() {
    run(|| {
        let beside = innocent();
        let numbers = (0..3).map(|n| {
            sleep(secs(1)).co_await().unwrap();
            drop(create_task(coroutine(|| Ok(()))));
            coroutine(move || Ok(n))
        });
        assert_eq!(gather(numbers).co_await()?, [0, 1, 2]);
        let tasks = (0..3).map(|n| {
            sleep(secs(1)).co_await().unwrap();
            create_task(sleep(secs(n)))
        });
        let (done, pending) = wait(tasks).timeout(secs(60)).co_await()?;
        assert_eq!((done.len(), pending.len()), (3, 0));
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_an_iterator_gave_to_gather_before_it_panicked_does_not_run() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let inner = log.clone();
        let numbers = (0..3).map(move |n| {
            assert!(n < 2, "meant: in an iterator");
            let log = inner.clone();
            coroutine(move || {
                log.push(format!("{n}"));
                Ok(())
            })
        });
        let (caught, reports) = reported(|| catch_unwind(AssertUnwindSafe(|| gather(numbers))).is_err());
        assert!(caught);
        assert_eq!(reports.len(), 2, "coroutines that were never awaited: {reports:?}");
        sleep(secs(1)).co_await()
    })
    .unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn the_result_of_a_gather_that_somebody_sets_himself_stays() {
    run(|| {
        let future = Future::<u32>::new();
        let all = gather([future.clone()]);
        all.set_result(vec![7])?;
        future.set_result(1)?;
        sleep(secs(1)).co_await()?;
        assert_eq!(all.co_await()?, [7]);
        // The same in the middle of putting the results together.
        let (own, slot) = (Future::new(), Rc::new(RefCell::new(None)));
        let all = gather([own.clone()]);
        *slot.borrow_mut() = Some((*all).clone());
        own.set_result(OnClone(Rc::new(move || {
            if let Some(all) = slot.take() {
                let _: Result<()> = all.set_exception(Error::msg("set in a clone"));
            }
        })))?;
        assert_eq!(all.co_await().err().unwrap().to_string(), "set in a clone");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_handle_type_given_to_wait_may_suspend_and_lie() {
    struct Lying(Cell<u32>, AnyFuture, AnyFuture);
    impl AsFuture for Lying {
        fn as_any(&self) -> AnyFuture {
            sleep(secs(1)).co_await().unwrap();
            self.0.set(self.0.get() + 1);
            if self.0.get() == 1 { self.1.clone() } else { self.2.clone() }
        }
    }
    run(|| {
        let (done, pending) = (create_task(sleep(secs(1))), Future::<u32>::new());
        let lying = Lying(Cell::new(0), done.any(), pending.any());
        let (done, pending) = wait([lying]).co_await()?;
        assert_eq!((done.len(), pending.len()), (0, 1));
        Ok(())
    })
    .unwrap();
}

/// Wakes as often as it is asked to, also when it is dropped.
struct Restless {
    wakes: u32,
    waker: Option<Waker>,
}

impl std::future::Future for Restless {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<u32> {
        for _ in 0..100 {
            context.waker().wake_by_ref();
        }
        self.waker = Some(context.waker().clone());
        self.wakes += 1;
        if self.wakes < 5 { Poll::Pending } else { Poll::Ready(self.wakes) }
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            let late = waker.clone();
            waker.wake();
            // Long after its task has ended.
            let _ = get_running_loop().map(|event_loop| event_loop.call_later(secs(1), move || late.wake()));
        }
    }
}

#[test]
fn a_future_that_wakes_many_times_and_after_its_end_disturbs_nobody() {
    run(|| {
        let beside = innocent();
        let restless = || Restless { wakes: 0, waker: None };
        assert_eq!(restless().co_await()?, 5);
        assert_eq!(create_task(restless()).co_await()?, 5);
        let dropped = create_task(restless());
        sleep(secs(0)).co_await()?;
        dropped.cancel();
        assert!(dropped.co_await().unwrap_err().is_cancelled());
        let parked = create_task(coroutine(move || restless().co_await()));
        sleep(secs(0)).co_await()?;
        parked.cancel();
        assert!(parked.co_await().unwrap_err().is_cancelled());
        sleep(secs(2)).co_await()?;
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_waker_that_panics_or_calls_back_in_does_not_end_the_loop() {
    quiet_panics();
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            drop(create_task(coroutine(|| Ok(()))));
            assert!(sleep(secs(1)).co_await().is_err());
            panic!("meant: in a waker");
        }
    }
    let (result, reports) = reported(|| {
        run(|| {
            let beside = innocent();
            let mut future = sleep(millis(10)).into_future();
            let waker = Waker::from(Arc::new(Bomb));
            assert!(Pin::new(&mut future).poll(&mut PollContext::from_waker(&waker)).is_pending());
            assert_eq!(beside.co_await()?, 45);
            assert!(Pin::new(&mut future).poll(&mut PollContext::from_waker(&waker)).is_ready());
            Ok(())
        })
    });
    result.unwrap();
    assert_eq!(
        reports.iter().filter(|report| report.contains("meant: in a waker")).count(),
        1,
        "{reports:?}"
    );
}

use std::future::{Future as _, IntoFuture as _};

#[test]
fn an_exception_handler_may_panic_suspend_and_replace_itself() {
    quiet_panics();
    let log = Log::new();
    let (result, reports) = reported(|| {
        run(|| {
            let beside = innocent();
            let own = get_running_loop()?;
            let inner = log.clone();
            own.set_exception_handler(move |event_loop: &coro_core::EventLoop, _: &_| {
                inner.push(format!("suspends: {}", sleep(secs(1)).co_await().is_ok()));
                event_loop.reset_exception_handler();
                panic!("meant: in a handler");
            });
            own.call_soon(|| panic!("meant: first callback"));
            sleep(secs(1)).co_await()?;
            own.call_soon(|| panic!("meant: second callback"));
            sleep(secs(1)).co_await()?;
            assert_eq!(beside.co_await()?, 45);
            Ok(())
        })
    });
    result.unwrap();
    assert_eq!(log.take(), ["suspends: false"]);
    assert!(reports[0].starts_with("Unhandled error in exception handler"), "{reports:?}");
    assert!(reports[1].contains("meant: second callback"), "{reports:?}");
}

#[test]
fn a_context_value_may_use_its_variable_in_its_destructor() {
    static VALUE: ContextVar<Arc<Restores>> = ContextVar::new("value");
    struct Restores(bool);
    impl Drop for Restores {
        fn drop(&mut self) {
            if self.0 {
                VALUE.set(Arc::new(Restores(false)));
                let _ = VALUE.get();
            }
        }
    }
    run(|| {
        drop(VALUE.set(Arc::new(Restores(true))));
        drop(VALUE.set(Arc::new(Restores(false))));
        let token = VALUE.set(Arc::new(Restores(true)));
        VALUE.reset(token)?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn callbacks_may_cancel_themselves_and_each_other_from_their_destructors() {
    // Each destructor calls the next: that many calls are inside each other.
    let main = coro_core::RunBuilder::new().virtual_clock().stack_size(4 << 20).handle_interrupts(false);
    main.run(coroutine(|| {
        let own = get_running_loop()?;
        let slot: Rc<RefCell<Vec<coro_core::TimerHandle>>> = Rc::default();
        for _ in 0..300 {
            // Enough cancelled timers that the queue is swept, which drops them, which cancels more.
            let others = slot.clone();
            let on_drop = OnDrop(move || {
                let next = others.borrow_mut().pop();
                if let Some(next) = next {
                    next.cancel();
                }
            });
            let timer = own.call_later(secs(60), move || drop(on_drop));
            slot.borrow_mut().push(timer);
        }
        let first = slot.borrow_mut().pop().unwrap();
        first.cancel();
        assert!(slot.borrow().is_empty());
        sleep(secs(120)).co_await()
    }))
    .unwrap();
}

#[test]
fn the_data_of_a_lock_may_use_the_lock_when_it_is_replaced_or_dropped() {
    run(|| {
        let beside = innocent();
        let lock: Rc<Lock<Option<BoxedOnDrop>>> = Rc::new(Lock::new(None));
        let weak = Rc::downgrade(&lock);
        *lock.lock().co_await()? = Some(OnDrop(Box::new(move || {
            if let Some(lock) = weak.upgrade() {
                assert!(lock.locked() && lock.try_lock().is_none());
            }
            sleep(millis(1)).co_await().unwrap();
        })));
        let waiting = create_task(coroutine({
            let lock = lock.clone();
            move || lock.lock().co_await().map(|data| data.is_none())
        }));
        let mut guard = lock.lock().co_await()?;
        *guard = None;
        drop(guard);
        assert!(waiting.co_await()?);
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_awaitable_that_suspends_in_its_destructor_may_be_dropped_anywhere() {
    struct Slow(Log);
    impl Drop for Slow {
        fn drop(&mut self) {
            let waited = sleep(secs(1)).co_await().is_ok();
            self.0.push(format!("waited: {waited}"));
        }
    }
    impl Awaitable for Slow {
        type Output = ();
        fn co_await(self) -> Result<()> {
            Ok(())
        }
    }
    let log = Log::new();
    run(|| {
        drop(Slow(log.clone()));
        Slow(log.clone()).co_await()?;
        create_task(Slow(log.clone())).co_await()?;
        let cancelled = create_task(Slow(log.clone()));
        cancelled.cancel();
        let _ = cancelled.co_await();
        drop(wait_for(Slow(log.clone()), secs(1)));
        Ok(())
    })
    .unwrap();
    let event_loop = event_loop();
    event_loop.create_task(Slow(log.clone()));
    reported(|| event_loop.close().unwrap());
    let (ok, refused) = ("waited: true", "waited: false");
    assert_eq!(log.take(), [ok, ok, ok, refused, ok, refused]);
}

/// Calls a closure when it is compared.
struct OnCompare(u32, Rc<dyn Fn()>);

impl PartialEq for OnCompare {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for OnCompare {}

impl PartialOrd for OnCompare {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OnCompare {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.1)();
        self.0.cmp(&other.0)
    }
}

#[test]
fn a_comparison_in_a_priority_queue_that_suspends_or_uses_the_queue_gets_an_error() {
    run(|| {
        let beside = innocent();
        let queue = Rc::new(coro_core::PriorityQueue::unbounded());
        let refused = Rc::new(Cell::new(0));
        let compare: Rc<dyn Fn()> = {
            let (queue, refused) = (Rc::downgrade(&queue), refused.clone());
            Rc::new(move || {
                let queue: Rc<coro_core::PriorityQueue<OnCompare>> = queue.upgrade().unwrap();
                let own = [
                    sleep(secs(1)).co_await().is_err(),
                    queue.get_nowait().is_err(),
                    queue.put_nowait(OnCompare(9, Rc::new(|| {}))).is_err(),
                    queue.get().co_await().is_err(),
                ];
                assert_eq!(own, [true; 4]);
                let _ = (queue.qsize(), queue.empty(), format!("{queue:?}"));
                refused.set(refused.get() + 1);
            })
        };
        for n in [3, 1, 2] {
            queue.put_nowait(OnCompare(n, compare.clone()))?;
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(queue.get().co_await()?.0);
        }
        assert_eq!(order, [1, 2, 3]);
        assert!(refused.get() > 0);
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

impl std::fmt::Debug for OnCompare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Calls a closure when it is printed.
struct OnPrint(Box<dyn Fn()>);

impl std::fmt::Debug for OnPrint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.0)();
        f.write_str("printed")
    }
}

#[test]
fn an_item_that_suspends_or_uses_its_queue_when_it_is_printed_gets_an_error() {
    run(|| {
        let beside = innocent();
        let queue: Rc<coro_core::Queue<OnPrint>> = Rc::new(coro_core::Queue::unbounded());
        let own = Rc::downgrade(&queue);
        queue.put_nowait(OnPrint(Box::new(move || {
            let queue = own.upgrade().unwrap();
            let refused = [
                sleep(secs(1)).co_await().is_err(),
                queue.get_nowait().is_err(),
                queue.put_nowait(OnPrint(Box::new(|| {}))).is_err(),
                queue.get().co_await().is_err(),
            ];
            assert_eq!(refused, [true; 4]);
            queue.shutdown(true); // drops nothing while the items are in use
        })))?;
        assert_eq!(format!("{queue:?}"), "<Queue maxsize=0 _queue=[printed] tasks=1 shutdown>");
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_comparison_that_panics_loses_no_item() {
    quiet_panics();
    run(|| {
        let queue = coro_core::PriorityQueue::unbounded();
        let armed = Rc::new(Cell::new(false));
        let compare: Rc<dyn Fn()> = {
            let armed = armed.clone();
            Rc::new(move || assert!(!armed.get(), "meant: in a comparison"))
        };
        queue.put_nowait(OnCompare(1, compare.clone()))?;
        armed.set(true);
        assert!(catch_unwind(AssertUnwindSafe(|| queue.put_nowait(OnCompare(2, compare.clone())))).is_err());
        armed.set(false);
        let count = queue.qsize();
        for left in (0..count).rev() {
            drop(timeout(secs(1), || queue.get().co_await())?);
            assert_eq!(queue.qsize(), left);
        }
        assert!(queue.get_nowait().is_err(), "the count is what there is");
        Ok(())
    })
    .unwrap();
}

#[test]
fn destructors_of_queued_items_may_use_the_queue() {
    run(|| {
        let beside = innocent();
        let queue: Rc<coro_core::Queue<BoxedOnDrop>> = Rc::new(coro_core::Queue::unbounded());
        let dropped = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let (own, dropped) = (Rc::downgrade(&queue), dropped.clone());
            queue.put_nowait(OnDrop(Box::new(move || {
                dropped.set(dropped.get() + 1);
                let _ = sleep(millis(1)).co_await();
                if let Some(queue) = own.upgrade() {
                    let _ = (queue.qsize(), queue.get_nowait().is_ok());
                    let _ = queue.put_nowait(OnDrop(Box::new(|| {})));
                }
            })))?;
        }
        queue.shutdown(true);
        assert_eq!(dropped.get(), 3);
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_predicate_of_a_condition_may_suspend_and_panic() {
    quiet_panics();
    run(|| {
        let beside = innocent();
        let condition = coro_core::Condition::new(0);
        let mut guard = condition.lock().co_await()?;
        let mut asked = 0;
        guard
            .wait_for(|value| {
                sleep(millis(1)).co_await().unwrap();
                *value += 1;
                asked += 1;
                true
            })
            .co_await()?;
        let wait = guard.wait_for(|_| panic!("meant: in a predicate"));
        assert!(catch_unwind(AssertUnwindSafe(|| wait.co_await())).is_err());
        drop(guard);
        assert_eq!((asked, *condition.lock().co_await()?), (1, 1), "the lock is free again");
        assert_eq!(beside.co_await()?, 45);
        Ok(())
    })
    .unwrap();
}

#[test]
fn errors_may_be_nested_deeper_than_a_stack_is() {
    const DEPTH: usize = 100_000;
    let nested = || {
        let causes = (0..DEPTH).fold(Error::msg("first"), |cause, _| Error::caused_by(fmt::Error, cause));
        let grouped = (0..DEPTH).fold(Error::msg("innermost"), |error, _| {
            Error::new(coro_core::ErrorGroup::new("group", vec![error]))
        });
        (causes, grouped)
    };
    run(|| {
        let (causes, grouped) = nested();
        assert_eq!(format!("{causes:?}").matches("\nraised from ").count(), DEPTH);
        assert_eq!(format!("{grouped:?}").matches("group (1 sub-exception)").count(), 10);
        assert!(format!("{grouped:?}").ends_with("... (max_group_depth is 10)"));
        let group = grouped.downcast_ref::<coro_core::ErrorGroup>().unwrap();
        assert_eq!(format!("{group:?}").matches("ErrorGroup(").count(), 10);
        let kept = causes.cause().unwrap().clone();
        drop((causes, grouped));
        assert_eq!(kept.cause().unwrap().to_string(), fmt::Error.to_string());
        let (causes, grouped) = nested();
        drop(coro_core::ErrorGroup::new("both", vec![causes, grouped]));
        Ok(())
    })
    .unwrap();
}

#[cfg(unix)]
#[test]
#[allow(unsafe_code)]
fn reports_that_cannot_be_written_are_lost_and_nothing_else() {
    use std::os::fd::AsRawFd;

    let child = in_child("reports_that_cannot_be_written_are_lost_and_nothing_else", || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        // SAFETY: both are descriptors of this process; its standard error becomes a pipe that nobody reads.
        assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), 2) }, 2);
        let ended = run(|| {
            let fail = || -> Result<()> { raise!("nobody looks") };
            create_task(coroutine(fail)); // never retrieved
            drop(coroutine(fail)); // never awaited
            let event_loop = get_running_loop()?;
            event_loop.call_soon(|| panic!("in a callback"));
            let exception = Some(coro_core::ValueError::new("told").into());
            let context = coro_core::ExceptionContext {
                message: "for the handler".into(),
                exception,
                future: None,
                handle: None,
            };
            event_loop.call_exception_handler(&context);
            let server = coro_core::start_server(move |_, _| coroutine(fail), "127.0.0.1:0").co_await()?;
            let (mut reader, _writer) = coro_core::open_connection(server.local_addrs()[0]).co_await()?;
            assert_eq!(reader.read_to_end().co_await()?, b"");
            coro_core::current_task().unwrap().print_stack();
            sleep(secs(1)).co_await()?;
            Ok(6)
        });
        assert_eq!(ended.unwrap(), 6);
    });
    if let Some(output) = child {
        assert_well(&output);
        assert!(common::stderr(&output).is_empty());
    }
}
