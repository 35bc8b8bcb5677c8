//! Every operation that waits is cancelled at each of its suspension points, and in the round of its wake-up, before it
//! and after it: no wake-up, item, permit or error is lost.
//!
//! [`OPERATIONS`] is the list of them. Each entry checks what its operation promises once the cancellation has come; that
//! all types which can be awaited have an entry is a test of its own. Last come random mixes of the same.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use common::{Moment, ROUNDS, direct, next_round, run};
use coro_core::prelude::*;
use coro_core::{
    AsyncExitStack, Barrier, BaseQueue, BoundedSemaphore, CapacityLimiter, Condition, FrameState, Future,
    InvalidState, LifoQueue, Notify, OnceCell, PriorityQueue, Queue, RwLock, Storage, ValueError, Yielder,
    as_completed, async_generator, broadcast, current_task, ensure_future, interval, move_on_after, oneshot,
    race, wait, watch,
};

/// In this round comes what the operation waits for. Whatever the order within the rounds, it has begun before.
const WAKE: u32 = 2;

struct Operation {
    name: &'static str,
    /// The types that are awaited, by their files in `coro-core/src`.
    types: &'static [&'static str],
    /// Whether the operation ended as cancelled.
    cancelled: fn(Moment) -> Result<bool>,
}

/// `name [types] => closure` for each.
macro_rules! operations {
    ($($name:ident [$($of:literal)*] => $cancelled:expr;)*) => {
        &[$(Operation { name: stringify!($name), types: &[$($of),*], cancelled: $cancelled }),*]
    };
}

const OPERATIONS: &[Operation] = operations! {
    sleep_with_result ["combinators/sleep.rs SleepThen"] => sleeping;
    sleep_without_time ["combinators/sleep.rs Sleep"] => |at| {
        let rounds = Rc::new(Cell::new(0));
        let count = Rc::clone(&rounds);
        let end = victim(
            at,
            move || {
                for _ in 0..=WAKE {
                    sleep(secs(0)).co_await()?;
                    count.set(count.get() + 1);
                }
                Ok(())
            },
            |_| {},
        )?;
        assert_eq!(end.is_some(), rounds.get() == WAKE + 1);
        Ok(end.is_none())
    };
    future ["future/mod.rs Future"] => |at| through(at, Ends, |future| future.co_await());
    future_by_reference [] => |at| through(at, Ends, |future| (&future).co_await());
    once_future ["future/once.rs OnceFuture"] => |at| through(at, Ends, |future| future.once().co_await());
    ensured_future ["task/mod.rs EnsuredFuture"] => |at| through(at, Ends, |future| ensure_future(future).co_await());
    coroutine_plain ["coroutine/object.rs Coroutine"] => |at| through(at, Ends, |future| waits(future).co_await());
    coroutine_shared ["coroutine/shared.rs SharedCoroutine"] => |at| through(at, Ends, |future| {
        let shared = waits(future).shared();
        let result = shared.clone().co_await();
        assert_eq!(shared.state(), FrameState::Closed);
        result
    });
    task ["task/mod.rs Task"] => |at| through(at, Ends, |future| create_task(waits(future)).co_await());
    task_by_reference [] => |at| through(at, Ends, |future| {
        let task = create_task(waits(future));
        let result = (&task).co_await();
        assert!(task.done());
        assert!(result.is_err() || task.result().is_ok_and(|value| value == 7));
        result
    });
    std_future ["compat/mod.rs F"] => |at| through(at, Ends, |future| async { future.await }.co_await()?);
    std_future_as_task [] => |at| through(at, Ends, |future| create_task(async { future.await }).co_await()?);
    threadsafe_future [] => |at| through(at, Ends, from_another_thread);
    gather_one [] => |at| through(at, Ends, |future| gather([future]).co_await().map(|all| all[0]));
    gather_tuple [] => |at| through(at, Ends, |future| gather((future, waits_for_nothing())).co_await().map(|all| all.0));
    wait_for_all ["combinators/wait.rs Wait"] => |at| through(at, Stays, |future| {
        let (done, pending) = wait([&future]).co_await()?;
        assert_eq!((done.len(), pending.len()), (1, 0));
        future.result()
    });
    wait_for_with_limit ["combinators/timeout.rs WaitFor"] =>
        |at| through(at, Ends, |future| wait_for(future, secs(60)).co_await());
    timeout_around [] => |at| through(at, Ends, |future| timeout(secs(60), || future.co_await()));
    timeout_strikes [] => limit_strikes;
    cancel_scope_around [] => |at| through(at, Ends, |future| {
        move_on_after(secs(60), |_| future.co_await()).map(|value| value.unwrap_or_default())
    });
    shield_of_a_future [] => |at| through(at, Stays, |future| shield(future).co_await());
    shield_of_a_task [] => |at| through(at, Stays, |future| shield(waits(future)).co_await());
    as_completed_plain ["combinators/as_completed.rs NextCompleted"] => |at| through(at, Stays, |future| {
        let mut all = as_completed([future]);
        Iterator::next(&mut all).expect("one was given").co_await()
    });
    as_completed_async [] => |at| through(at, Stays, |future| {
        let mut all = as_completed([future]);
        AsyncIterator::anext(&mut all)?.expect("one was given").co_await()
    });
    race_of_two ["combinators/race.rs Race"] => |at| through(at, Ends, |future| race([future, Future::new()]).co_await());
    race_of_getters [] => race_of_getters;
    interval_tick [] => interval_tick;
    group_exit [] => |at| through(at, Ends, |future| {
        let task = Rc::new(RefCell::new(None));
        let mut group = TaskGroup::new();
        let inside = group.aenter()?;
        *task.borrow_mut() = Some(inside.create_task(waits(future)));
        let left = group.aexit(None);
        let task = task.take().expect("it was made");
        assert!(task.done(), "a child outlives its group");
        left?;
        task.result()
    });
    group_scope ["task_group/scope.rs ScopedTask"] => |at| through(at, Ends, |future| {
        TaskGroup::scope(|group| group.create_task(coroutine(|| future.co_await())).co_await())
    });
    group_scope_exit [] => |at| through(at, Ends, |future| {
        let got = Cell::new(0);
        TaskGroup::scope(|group| {
            group.create_task(coroutine(|| (&future).co_await().map(|value| got.set(value))));
            Ok(())
        })?;
        Ok(got.get())
    });
    group_start ["task_group/start.rs Starting"] => |at| through(at, Ends, |future| {
        TaskGroup::scope(|group| {
            group.start(|started| coroutine(move || future.co_await().map(|value| started.send(value)))).co_await()
        })
    });
    cleanup_of_a_block [] => |at| through(at, Stays, |future| cleanup(|| future.co_await()));
    exit_stack_aclose [] => |at| through(at, Ends, |future| {
        let (ran, got) = (Cell::new(0), Cell::new(0));
        let stack = AsyncExitStack::new();
        let count = || {
            ran.set(ran.get() + 1);
            Ok(())
        };
        stack.callback(count);
        stack.callback(|| future.co_await().map(|value| got.set(value)));
        stack.callback(count);
        let closed = stack.aclose();
        assert_eq!(ran.get(), 2, "a cancellation skips no callback");
        closed.map(|()| got.get())
    });
    context_manager_enter [] => |at| through(at, Ends, |future| {
        let mut manager = context_manager(async_generator(move |y: &Yielder<u32>| y.yield_(future.co_await()?)));
        let value = manager.aenter()?;
        manager.aexit(None).map(|_| value)
    });
    context_manager_exit [] => |at| through(at, Ends, |future| {
        let got = Rc::new(Cell::new(0));
        let inside = Rc::clone(&got);
        let mut manager = context_manager(async_generator(move |y: &Yielder<()>| {
            y.yield_(())?;
            future.co_await().map(|value| inside.set(value))
        }));
        manager.aenter()?;
        manager.aexit(None).map(|_| got.get())
    });
    generator_anext [] => |at| through(at, Ends, |future| {
        let mut items = async_generator(move |y: &Yielder<u32>| y.yield_(future.co_await()?));
        let item = AsyncIterator::anext(&mut items);
        assert_eq!(items.state() == FrameState::Suspended, item.is_ok());
        item.map(Option::unwrap_or_default)
    });
    generator_asend [] => |at| through(at, Ends, |future| {
        let mut items = async_generator(move |y: &Yielder<u32, u32>| {
            let sent = y.yield_(0)?;
            y.yield_(sent + future.co_await()?).map(drop)
        });
        items.start()?;
        items.asend(0).map(Option::unwrap_or_default)
    });
    generator_athrow [] => |at| through(at, Ends, |future| {
        let mut items = async_generator(move |y: &Yielder<u32>| match y.yield_(0) {
            Err(_) => y.yield_(future.co_await()?),
            Ok(()) => Ok(()),
        });
        items.start()?;
        items.athrow(Error::msg("thrown in")).map(Option::unwrap_or_default)
    });
    generator_aclose [] => |at| through(at, Ends, |future| {
        let got = Rc::new(Cell::new(0));
        let inside = Rc::clone(&got);
        let mut items = async_generator(move |y: &Yielder<u32>| {
            let closed = y.yield_(0);
            inside.set(future.co_await()?);
            closed
        });
        items.start()?;
        let closed = items.aclose();
        assert_eq!(items.state(), FrameState::Closed);
        closed.map(|()| got.get())
    });
    generator_gets_items [] => generator_gets_items;
    lock ["sync/lock.rs Locking"] => |at| {
        let lock = Rc::new(Lock::new(()));
        let held = lock.try_lock();
        let taken = Rc::clone(&lock);
        let take = move || { let _guard = taken.lock().co_await()?; next_round() };
        let cancelled = served(at, take, || drop(held))?;
        assert!(!lock.locked());
        Ok(cancelled)
    };
    rwlock_read ["sync/rwlock.rs RwLockReading"] => |at| {
        let lock = Rc::new(RwLock::new(()));
        let held = lock.try_write();
        let taken = Rc::clone(&lock);
        let take = move || { let _guard = taken.read().co_await()?; next_round() };
        let cancelled = served(at, take, || drop(held))?;
        assert!(lock.try_write().is_some());
        Ok(cancelled)
    };
    rwlock_write ["sync/rwlock.rs RwLockWriting"] => |at| {
        let lock = Rc::new(RwLock::new(()));
        let held = lock.try_read();
        let taken = Rc::clone(&lock);
        let take = move || { let _guard = taken.write().co_await()?; next_round() };
        let cancelled = served(at, take, || drop(held))?;
        assert!(lock.try_write().is_some());
        Ok(cancelled)
    };
    rwlock_read_behind_a_writer [] => |at| {
        let lock = Rc::new(RwLock::new(()));
        let (held, writer) = (lock.try_read(), Rc::clone(&lock));
        // The victim is a writer that readers wait behind: if it goes, they go on.
        let readers = [0, 1].map(|_| {
            let lock = Rc::clone(&lock);
            create_task(coroutine(move || { sleep(secs(0)).co_await()?; lock.read().co_await().map(drop) }))
        });
        let write = move || writer.write().co_await().map(drop);
        let cancelled = victim(at, write, at_wake(|| drop(held)))?.is_none();
        readers.into_iter().try_for_each(Task::co_await)?;
        assert!(lock.try_write().is_some());
        Ok(cancelled)
    };
    semaphore ["sync/semaphore.rs Acquire"] => |at| {
        let semaphore = Rc::new(Semaphore::new(0));
        let (taken, given) = (Rc::clone(&semaphore), Rc::clone(&semaphore));
        let take = move || { let _permit = taken.acquire().co_await()?; next_round() };
        let cancelled = served(at, take, move || given.release())?;
        assert!(!semaphore.locked(), "the permit is back");
        semaphore.acquire().co_await()?.forget();
        assert!(semaphore.locked(), "and only one");
        Ok(cancelled)
    };
    bounded_semaphore [] => |at| {
        let semaphore = Rc::new(BoundedSemaphore::new(1));
        semaphore.acquire().co_await()?.forget();
        let (taken, given) = (Rc::clone(&semaphore), Rc::clone(&semaphore));
        let take = move || { let _permit = taken.acquire().co_await()?; next_round() };
        let cancelled = served(at, take, move || given.release().expect("it was taken"))?;
        assert!(semaphore.release().is_err(), "all permits are back");
        Ok(cancelled)
    };
    capacity_limiter ["sync/limiter.rs CapacityAcquire"] => |at| {
        let limiter = Rc::new(CapacityLimiter::new(1));
        let held = limiter.try_acquire()?;
        let taken = Rc::clone(&limiter);
        let take = move || { let _token = taken.acquire().co_await()?; next_round() };
        let cancelled = served(at, take, || drop(held))?;
        assert_eq!((limiter.available_tokens(), limiter.borrowed_tokens()), (1, 0));
        Ok(cancelled)
    };
    event ["sync/event.rs EventWait"] => |at| {
        let event = Rc::new(Event::new());
        let awaited = Rc::clone(&event);
        served(at, move || awaited.wait().co_await(), || event.set())
    };
    condition_lock ["sync/condition.rs ConditionLocking"] => |at| {
        let condition = Rc::new(Condition::new(()));
        let held = condition.lock().co_await()?;
        let taken = Rc::clone(&condition);
        let take = move || { let _guard = taken.lock().co_await()?; next_round() };
        let cancelled = served(at, take, || drop(held))?;
        assert!(!condition.locked());
        Ok(cancelled)
    };
    condition_wait ["sync/condition.rs ConditionWait"] => condition_wait;
    condition_wait_for ["sync/condition.rs ConditionWaitFor"] => condition_wait_for;
    barrier ["sync/barrier.rs BarrierWait"] => barrier;
    notify ["sync/notify.rs Notified"] => notify;
    once_cell ["sync/once_cell.rs OnceCellInit"] => |at| {
        let (cell, gate) = (Rc::new(OnceCell::new()), Rc::new(Event::new()));
        let (made, opened) = (Rc::clone(&cell), Rc::clone(&gate));
        let make = move || {
            let value = made.get_or_try_init(|| opened.wait().co_await().map(|()| 7)).co_await()?;
            assert_eq!(*value, 7);
            Ok(())
        };
        let cancelled = served(at, make, || gate.set())?;
        assert_eq!(cell.get(), Some(&7));
        Ok(cancelled)
    };
    watch_changed ["sync/watch.rs Changed"] => |at| {
        let (sender, receiver) = watch::channel(0);
        let receiver = Rc::new(receiver);
        let seen = Rc::clone(&receiver);
        let end = victim(at, move || seen.changed().co_await(), at_wake(|| sender.send(7).expect("it is received")))?;
        assert_eq!((receiver.has_changed(), receiver.get()), (Ok(end.is_none()), 7), "seen, or to be seen");
        Ok(end.is_none())
    };
    watch_wait_for ["sync/watch.rs WaitFor"] => |at| {
        let (sender, receiver) = watch::channel(0);
        let receiver = Rc::new(receiver);
        let seen = Rc::clone(&receiver);
        let end = victim(at, move || seen.wait_for(|value| *value == 7).co_await().map(drop), at_wake(|| {
            sender.send(7).expect("it is received");
        }))?;
        receiver.wait_for(|value| *value == 7).co_await()?;
        Ok(end.is_none())
    };
    watch_closed ["sync/watch.rs Closed"] => |at| {
        let (sender, receiver) = watch::channel(0);
        let sender = Rc::new(sender);
        let told = Rc::clone(&sender);
        served(at, move || told.closed().co_await(), || drop(receiver))
    };
    broadcast_recv ["sync/broadcast.rs Recv"] => |at| {
        let (sender, receiver) = broadcast::channel(4);
        let receiver = Rc::new(receiver);
        let inside = Rc::clone(&receiver);
        let end = victim(at, move || inside.recv().co_await(), at_wake(|| {
            for item in [7, 8] {
                sender.send(item).expect("it is received");
            }
        }))?;
        let mut all: Vec<u32> = end.into_iter().collect();
        let cancelled = all.is_empty();
        all.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(all, [7, 8]);
        Ok(cancelled)
    };
    oneshot_by_reference ["sync/oneshot.rs Receiver"] => |at| {
        let (sender, receiver) = oneshot::channel();
        let receiver = Rc::new(receiver);
        let inside = Rc::clone(&receiver);
        let end = victim(at, move || (&*inside).co_await(), at_wake(|| sender.send(7).expect("it is received")))?;
        assert_eq!(end.or_else(|| receiver.try_recv().ok()), Some(7));
        Ok(end.is_none())
    };
    oneshot_by_value [] => |at| {
        let ((sender, receiver), mut back) = (oneshot::channel(), None);
        let value = Rc::new(());
        let sent = Rc::clone(&value);
        let end = victim(at, move || receiver.co_await(), at_wake(|| back = sender.send(sent).err()))?;
        let cancelled = end.is_none();
        assert!(back.is_none() || cancelled, "who sends to nobody has it back");
        drop((end, back));
        assert_eq!(Rc::strong_count(&value), 1);
        Ok(cancelled)
    };
    oneshot_closed ["sync/oneshot.rs Closed"] => |at| {
        let (sender, receiver) = oneshot::channel::<u32>();
        let sender = Rc::new(sender);
        let told = Rc::clone(&sender);
        let end = victim(at, move || told.closed().co_await(), at_wake(|| drop(receiver)))?;
        assert!(sender.is_closed());
        sender.closed().co_await()?;
        Ok(end.is_none())
    };
    queue_get ["queue.rs Get"] => |at| queue_get(at, Queue::unbounded());
    lifo_get [] => |at| queue_get(at, LifoQueue::unbounded());
    priority_get [] => |at| queue_get(at, PriorityQueue::unbounded());
    queue_put ["queue.rs Put"] => |at| queue_put(at, Queue::bounded(1));
    lifo_put [] => |at| queue_put(at, LifoQueue::bounded(1));
    priority_put [] => |at| queue_put(at, PriorityQueue::bounded(1));
    queue_get_and_shutdown [] => |at| {
        let queue = Rc::new(Queue::unbounded());
        let inside = Rc::clone(&queue);
        let end = victim(at, move || inside.get().co_await(), at_wake(|| {
            queue.put_nowait(7).expect("it is open");
            queue.shutdown(false);
        }))?;
        assert_eq!(end.or_else(|| queue.get_nowait().ok()), Some(7));
        Ok(end.is_none())
    };
    queue_join [] => |at| {
        let queue = Rc::new(Queue::unbounded());
        queue.put_nowait(())?;
        let inside = Rc::clone(&queue);
        served(at, move || inside.join().co_await(), || queue.task_done().expect("there was one"))
    };
    to_thread_job ["thread/mod.rs ToThread"] => |at| job(at, |work| to_thread(work).co_await());
    executor_job [] => |at| job(at, |work| get_running_loop()?.run_in_executor(work).co_await());
    executor_shutdown [] => executor_shutdown;
};

/// Types that wait for the outside, and the files of the tests that cancel them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("process/spawn.rs StartSubprocess", "tests/process_streams.rs"),
    ("process/subprocess.rs CreateSubprocess", "tests/process_streams.rs"),
    ("signal/stream.rs CtrlC", "tests/signals.rs"),
    ("stream/mod.rs OpenConnection", "tests/stream_connections.rs"),
    ("stream/mod.rs StartServer", "tests/stream_connections.rs"),
    ("task/step.rs NoBody", "tests/std_future.rs"), // nobody can have one
    ("tls/connect.rs ConnectTls", "tests/tls.rs"),
    ("transport/connect.rs CreateConnection", "tests/transport_protocols.rs"),
    ("transport/connect.rs CreateServer", "tests/transport_protocols.rs"),
    ("transport/endpoint.rs CreateDatagramEndpoint", "tests/transport_protocols.rs"),
];

// What the entries have in common

/// Runs `f` in a task that is cancelled `at` that moment. `None` if it ended so.
fn victim<T: 'static>(
    at: Moment,
    f: impl FnOnce() -> Result<T> + 'static,
    mut act: impl FnMut(u32),
) -> Result<Option<T>> {
    let task = create_task(coroutine(f));
    direct(&task.any_task(), at, &mut act)?;
    if !task.done() && task.cancelling() == 0 {
        act(ROUNDS); // others were served in its place: now it is its turn
    }
    match task.co_await() {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_cancelled() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls `f` when it is time for the wake-up.
fn at_wake(f: impl FnOnce()) -> impl FnMut(u32) {
    let mut f = Some(f);
    move |round| {
        if let Some(f) = f.take_if(|_| round == WAKE) {
            f();
        }
    }
}

/// As [`victim`], with another task that does `other` and waits behind it.
fn victim_before<T: 'static, U: 'static>(
    at: Moment,
    f: impl FnOnce() -> Result<T> + 'static,
    other: impl FnOnce() -> Result<U> + 'static,
    mut act: impl FnMut(u32),
) -> Result<(Option<T>, Task<U>)> {
    let (mut other, mut task) = (Some(coroutine(other)), None);
    let end = victim(at, f, |round| {
        task = task.take().or_else(|| other.take().map(create_task));
        act(round);
    })?;
    Ok((end, task.expect("it was made in the first round")))
}

fn waits(future: Future<u32>) -> BoxCoroutine<u32> {
    coroutine(move || future.co_await()).boxed()
}

fn waits_for_nothing() -> BoxCoroutine<()> {
    coroutine(next_round).boxed()
}

/// What becomes of a future whose waiter is cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is cancelled too.
    Ends,
    /// It goes on.
    Stays,
}
use Fate::{Ends, Stays};

fn is_seven(error: &Error) -> bool {
    error.is::<ValueError>() || error.errors().iter().any(is_seven)
}

/// The victim waits by `f` for a future. The future keeps the value or the error that it is given, whatever happens to
/// who waits; only a pending one may be cancelled, if that is its fate.
fn through(at: Moment, fate: Fate, f: fn(Future<u32>) -> Result<u32>) -> Result<bool> {
    let [ended, _] = [false, true].map(|fails| {
        let (future, mut set) = (Future::new(), false);
        let given = future.clone();
        // An error is a value here, since `victim` is for cancellations.
        let wait = move || match f(given) {
            Err(error) if is_seven(&error) => Ok(Err(error)),
            other => other.map(Ok),
        };
        let end = victim(at, wait, |round| {
            if round == WAKE && !future.done() {
                set = true;
                match fails {
                    false => future.set_result(7).expect("it is pending"),
                    true => future.set_exception(ValueError::new("seven")).expect("it is pending"),
                }
            }
        })?;
        assert!(set || fate == Ends, "a future that was to stay was cancelled");
        match (set, fails) {
            (false, _) => assert!(future.cancelled()),
            // Some take the result, but only to give it.
            (true, false) => match future.result() {
                Err(error) => assert!(error.is::<InvalidState>() && end.is_some(), "{error:?}"),
                Ok(value) => assert_eq!(value, 7),
            },
            (true, true) => assert!(future.exception()?.is_some_and(|error| is_seven(&error))),
        }
        match &end {
            None => {}
            Some(Ok(value)) => assert_eq!((*value, fails), (7, false)),
            Some(Err(_)) => assert!(fails),
        }
        Ok(end.is_none())
    });
    ended
}

/// The victim and two others do the same, which waits until `let_go` is called: the others are served.
fn served(
    at: Moment,
    f: impl FnOnce() -> Result<()> + Clone + 'static,
    let_go: impl FnOnce(),
) -> Result<bool> {
    let both = {
        let f = f.clone();
        move || gather([f.clone(), f].map(coroutine)).co_await().map(drop)
    };
    let (end, others) = victim_before(at, f, both, at_wake(let_go))?;
    others.co_await()?;
    Ok(end.is_none())
}

// Entries that need more

fn sleeping(at: Moment) -> Result<bool> {
    let (clock, kept) = (get_running_loop()?, Rc::new(()));
    let given = Rc::clone(&kept);
    let nap = move || sleep(secs(1)).result(given).co_await();
    let end = victim(at, nap, at_wake(|| clock.advance_time(secs(1)).expect("the clock is virtual")))?;
    let cancelled = end.is_none();
    assert_eq!(Rc::strong_count(&kept), if cancelled { 1 } else { 2 }, "its result went where it should");
    let before = clock.time();
    sleep(secs(1)).co_await()?;
    assert_eq!(clock.time(), before + secs(1), "timers still come in time");
    Ok(cancelled)
}

fn limit_strikes(at: Moment) -> Result<bool> {
    let clock = get_running_loop()?;
    let limited = || match timeout(secs(1), || (&Future::<()>::new()).co_await()) {
        Err(error) if error.is_timeout() => Ok(current_task().map(|me| me.cancelling())),
        other => other.map(|()| None),
    };
    let end = victim(at, limited, at_wake(|| clock.advance_time(secs(1)).expect("the clock is virtual")))?;
    assert!(end.is_none_or(|left| left == Some(0)), "a cancellation from outside goes before the limit");
    Ok(end.is_none())
}

fn interval_tick(at: Moment) -> Result<bool> {
    let clock = get_running_loop()?;
    let start = clock.time();
    let ticks = move || {
        let mut ticks = interval(secs(1));
        ticks.anext()?;
        match ticks.anext() {
            Err(error) if error.is_cancelled() => {
                assert_eq!(cleanup(|| ticks.anext())?, Some(start + secs(1)), "the tick comes again");
                Err(error)
            }
            other => other,
        }
    };
    let end = victim(at, ticks, at_wake(|| clock.advance_time(secs(1)).expect("the clock is virtual")))?;
    assert!(end.is_none_or(|tick| tick == Some(start + secs(1))));
    Ok(end.is_none())
}

fn race_of_getters(at: Moment) -> Result<bool> {
    let queues: [Rc<Queue<u32>>; 2] = [0, 1].map(|_| Rc::new(Queue::unbounded()));
    let get = queues.clone();
    let both = move || race(get.map(|queue| coroutine(move || queue.get().co_await()))).co_await();
    let end = victim(at, both, at_wake(|| queues[0].put_nowait(7).expect("there is room")))?;
    // Who loses gives nothing away; an item that the race had taken when it was cancelled is gone with its result.
    assert!(queues[1].empty());
    let left = queues[0].get_nowait().ok();
    assert!(end.is_none() || left.is_none(), "the item came twice");
    assert!(end.or(left).is_none_or(|item| item == 7));
    Ok(end.is_none())
}

fn generator_gets_items(at: Moment) -> Result<bool> {
    let (queue, taken) = (Rc::new(Queue::unbounded()), Rc::new(RefCell::new(Vec::new())));
    let (inside, log) = (Rc::clone(&queue), Rc::clone(&taken));
    let items = move || {
        let mut items = async_generator(move |y: &Yielder<u32>| {
            loop {
                y.yield_(inside.get().co_await()?)?;
            }
        });
        for _ in 0..2 {
            log.borrow_mut().extend(AsyncIterator::anext(&mut items)?);
        }
        items.aclose()
    };
    let end = victim(at, items, |round| {
        if round == WAKE || round == WAKE + 1 {
            queue.put_nowait(round).expect("there is room");
        }
    })?;
    let mut all = taken.take();
    all.extend(std::iter::from_fn(|| queue.get_nowait().ok()));
    assert_eq!(all, [WAKE, WAKE + 1]);
    Ok(end.is_none())
}

fn condition_wait(at: Moment) -> Result<bool> {
    let condition = Rc::new(Condition::new(()));
    let waiter = || {
        let condition = Rc::clone(&condition);
        move || {
            let mut guard = condition.lock().co_await()?;
            let waited = guard.wait().co_await();
            assert!(condition.locked(), "it was taken back");
            waited
        }
    };
    let mut held = None;
    let (end, other) = victim_before(at, waiter(), waiter(), |round| match round {
        WAKE => {
            let guard = condition.lock().co_await().expect("nobody holds it for long");
            guard.notify(1);
            held = Some(guard);
        }
        3 => held = None,
        ROUNDS => condition.lock().co_await().expect("nobody holds it for long").notify_all(),
        _ => {}
    })?;
    drop(held);
    if end.is_some() {
        condition.lock().co_await()?.notify_all();
    }
    other.co_await()?; // a notification that the victim did not use was handed on
    assert!(!condition.locked());
    Ok(end.is_none())
}

fn condition_wait_for(at: Moment) -> Result<bool> {
    let condition = Rc::new(Condition::new(0));
    let waiter = || {
        let condition = Rc::clone(&condition);
        move || {
            let mut guard = condition.lock().co_await()?;
            guard.wait_for(|eggs| *eggs > 0).co_await()?;
            *guard -= 1;
            Ok(())
        }
    };
    let mut held = None;
    let (end, other) = victim_before(at, waiter(), waiter(), |round| match round {
        WAKE => {
            let mut guard = condition.lock().co_await().expect("nobody holds it for long");
            *guard += 2;
            guard.notify_all();
            held = Some(guard);
        }
        3 => held = None,
        _ => {}
    })?;
    drop(held);
    other.co_await()?;
    assert_eq!(*condition.lock().co_await()?, u32::from(end.is_none()), "each took one");
    Ok(end.is_none())
}

fn barrier(at: Moment) -> Result<bool> {
    let barrier = Rc::new(Barrier::new(2)?);
    let meet = || {
        let barrier = Rc::clone(&barrier);
        move || barrier.wait().co_await().map(drop)
    };
    let mut partner = None;
    let end = victim(at, meet(), at_wake(|| partner = Some(create_task(coroutine(meet())))))?;
    let partner = partner.expect("it was its time");
    next_round()?;
    next_round()?;
    // A victim that had arrived still counts if all were there; else the partner waits for somebody else.
    if !partner.done() {
        assert!(end.is_none());
        create_task(coroutine(meet())).co_await()?;
    }
    partner.co_await()?;
    assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
    gather([meet(), meet()].map(coroutine)).co_await()?;
    Ok(end.is_none())
}

fn notify(at: Moment) -> Result<bool> {
    let notify = Rc::new(Notify::new());
    let waiter = || {
        let notify = Rc::clone(&notify);
        move || notify.notified().co_await()
    };
    let (end, other) = victim_before(at, waiter(), waiter(), |round| {
        if round == WAKE || round == ROUNDS {
            notify.notify_one();
        }
    })?;
    if end.is_some() && !other.done() {
        notify.notify_one();
    }
    other.co_await()?;
    if end.is_some() {
        return Ok(false);
    }
    assert!(
        wait_for(notify.notified(), secs(1)).co_await().is_err_and(|error| error.is_timeout()),
        "it came twice"
    );
    Ok(true)
}

fn queue_get<S: Storage<u32>>(
    at: Moment,
    queue: impl Deref<Target = BaseQueue<u32, S>> + 'static,
) -> Result<bool> {
    let queue = Rc::new(queue);
    let get = || {
        let queue = Rc::clone(&queue);
        move || queue.get().co_await()
    };
    let put = || {
        for item in [7, 8] {
            queue.put_nowait(item).expect("there is room");
        }
    };
    let (end, other) = victim_before(at, get(), get(), at_wake(put))?;
    let mut all: Vec<u32> = end.into_iter().collect();
    all.push(other.co_await()?);
    all.extend(std::iter::from_fn(|| queue.get_nowait().ok()));
    all.sort_unstable();
    assert_eq!(all, [7, 8]);
    Ok(end.is_none())
}

fn queue_put<S: Storage<u32>>(
    at: Moment,
    queue: impl Deref<Target = BaseQueue<u32, S>> + 'static,
) -> Result<bool> {
    let queue = Rc::new(queue);
    queue.put_nowait(1)?;
    let put = |item| {
        let queue = Rc::clone(&queue);
        move || queue.put(item).co_await()
    };
    let mut all = Vec::new();
    let (end, other) = victim_before(at, put(3), put(2), |round| {
        if round == WAKE || round == ROUNDS {
            all.extend(queue.get_nowait());
        }
    })?;
    while all.len() < 2 + usize::from(end.is_some()) {
        all.push(queue.get().co_await()?);
    }
    other.co_await()?;
    assert!(queue.empty());
    all.sort_unstable();
    assert_eq!(
        all,
        if end.is_some() { vec![1, 2, 3] } else { vec![1, 2] },
        "a put that failed has put nothing"
    );
    Ok(end.is_none())
}

thread_local! {
    /// What a coroutine finds that was handed in by another thread.
    static HANDED_IN: RefCell<Option<Future<u32>>> = const { RefCell::new(None) };
}

fn from_another_thread(future: Future<u32>) -> Result<u32> {
    HANDED_IN.set(Some(future));
    let handle = get_running_loop()?.handle();
    let make = || waits(HANDED_IN.take().expect("it was left there"));
    handle.run_coroutine_threadsafe(make).co_await()?
}

type Job = Box<dyn FnOnce() + Send>;

/// An executor whose jobs are run when the test wants it.
fn jobs_by_hand() -> Result<impl Fn()> {
    let jobs: Rc<RefCell<Vec<Job>>> = Rc::default();
    let taken = Rc::clone(&jobs);
    get_running_loop()?.set_default_executor(move |job| taken.borrow_mut().push(job));
    Ok(move || jobs.take().into_iter().for_each(|job| job()))
}

fn job(at: Moment, f: fn(fn() -> u32) -> Result<u32>) -> Result<bool> {
    let run_jobs = jobs_by_hand()?;
    let end = victim(at, move || f(|| 7), at_wake(&run_jobs))?;
    assert!(end.is_none_or(|value| value == 7));
    let another = create_task(to_thread(|| 8));
    next_round()?;
    next_round()?;
    run_jobs();
    assert_eq!(another.co_await()?, 8);
    Ok(end.is_none())
}

fn executor_shutdown(at: Moment) -> Result<bool> {
    let (run_jobs, event_loop) = (jobs_by_hand()?, get_running_loop()?);
    let work = event_loop.run_in_executor(|| 7);
    let closing = event_loop.clone();
    let end = victim(at, move || closing.shutdown_default_executor(None).co_await(), at_wake(run_jobs))?;
    assert_eq!(work.co_await()?, 7, "the job was not lost");
    event_loop.shutdown_default_executor(None).co_await()?;
    assert!(event_loop.run_in_executor(|| 8).co_await().is_err());
    Ok(end.is_none())
}

// The tests

#[test]
fn nothing_is_lost_when_any_operation_is_cancelled_at_any_moment() {
    let mut failures = Vec::new();
    for operation in OPERATIONS {
        let moments = (0..ROUNDS).flat_map(|round| [(round, true), (round, false)]);
        // The last one never comes.
        for at in moments.chain([(ROUNDS, true)]) {
            let end = Cell::new(None);
            let scenario = || (operation.cancelled)(at).map(|cancelled| end.set(Some(cancelled)));
            let why = match catch_unwind(AssertUnwindSafe(|| run(scenario))) {
                Ok(Ok(())) => match (at, end.get()) {
                    // Before the wake-up the victim waits, whatever the order of the tasks is.
                    ((WAKE, true), Some(false)) => "it was not cancelled".to_owned(),
                    ((ROUNDS, _), Some(true)) => "it was cancelled".to_owned(),
                    _ => continue,
                },
                Ok(Err(error)) => format!("{error:?}"),
                Err(_) => "see the panic above".to_owned(),
            };
            failures.push(format!("{} at {at:?}: {why}", operation.name));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The names of the types in a file that can be awaited.
fn awaitables(text: &str) -> BTreeSet<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.filter_map(|line| {
        let of = line.trim_start().strip_prefix("impl")?.split_once("Awaitable for ")?.1;
        let name = of.trim_start_matches('&').trim_start_matches("'_ ");
        Some(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name))
    })
    .collect()
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => Vec::from_iter((path.extension() == Some("rs".as_ref())).then_some(path)),
        })
        .collect()
}

#[test]
fn every_type_that_can_be_awaited_is_in_the_list() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("coro-core/src");
    let mut found = BTreeSet::new();
    for path in rust_files(&source) {
        let text = std::fs::read_to_string(&path).expect("a source file");
        let file = path.strip_prefix(&source).expect("it is in there").to_str().expect("a plain name");
        found.extend(awaitables(&text).into_iter().map(|name| format!("{file} {name}")));
    }
    let elsewhere = ELSEWHERE.iter().map(|(name, test)| {
        let test = Path::new(env!("CARGO_MANIFEST_DIR")).join(test);
        assert!(std::fs::read_to_string(&test).is_ok_and(|text| text.contains("cancel")), "{test:?}");
        name
    });
    let here = OPERATIONS.iter().flat_map(|operation| operation.types);
    let listed: BTreeSet<String> = here.chain(elsewhere).map(|name| (*name).to_owned()).collect();
    assert!(found.len() > 30, "the search finds too little: {found:?}");
    assert_eq!(found.difference(&listed).collect::<Vec<_>>(), <[&String; 0]>::default(), "without an entry");
    assert_eq!(listed.difference(&found).collect::<Vec<_>>(), <[&String; 0]>::default(), "gone");
}

// Random mixes

/// Numbers from a linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Runs `body` as several tasks that begin at random times, and cancels some of them at random times. What `body` is
/// given are its number and a time to hold what it takes.
fn mix(
    random: &mut Random,
    tasks: u64,
    body: impl Fn(u64, Duration) -> Result<()> + Clone + 'static,
) -> Result<()> {
    let mut all = Vec::new();
    for number in 0..tasks {
        let (start, hold) = (millis(random.below(6)), millis(random.below(4)));
        let body = body.clone();
        let task = create_task(coroutine(move || {
            sleep(start).co_await()?;
            body(number, hold)
        }));
        if random.below(2) == 0 {
            let (victim, after) = (task.any_task(), millis(random.below(12)));
            // Sometimes from a task, a round later than from a timer.
            match random.below(2) {
                0 => drop(get_running_loop()?.call_later(after, move || {
                    victim.cancel();
                })),
                _ => drop(create_task(coroutine(move || {
                    sleep(after).co_await()?;
                    next_round()?;
                    victim.cancel();
                    Ok(())
                }))),
            }
        }
        all.push(task);
    }
    all.into_iter().try_for_each(|task| match task.co_await() {
        Err(error) if !error.is_cancelled() => Err(error),
        _ => Ok(()),
    })
}

/// Each of 250 mixes on the virtual clock.
fn each_mix(scenario: impl Fn(&mut Random) -> Result<()>) {
    for seed in 0..250 {
        if let Err(error) = run(|| scenario(&mut Random(seed))) {
            panic!("mix {seed}: {error:?}");
        }
    }
}

/// Counts who is inside.
#[derive(Clone, Default)]
struct Inside(Rc<Cell<usize>>);

impl Inside {
    fn enter(&self, at_most: usize) -> impl Drop + use<> {
        struct Leave(Inside);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.0.set(self.0.0.get() - 1);
            }
        }
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() <= at_most, "{} are inside", self.0.get());
        Leave(self.clone())
    }
}

#[test]
fn a_lock_is_free_after_any_mix() {
    each_mix(|random| {
        let (lock, inside) = (Rc::new(Lock::new(())), Inside::default());
        let taken = Rc::clone(&lock);
        mix(random, 7, move |_, hold| {
            let _guard = taken.lock().co_await()?;
            let _inside = inside.enter(1);
            sleep(hold).co_await()
        })?;
        assert!(!lock.locked());
        Ok(())
    });
}

#[test]
fn readers_and_writers_keep_apart_in_any_mix() {
    each_mix(|random| {
        let (lock, readers, writers) = (Rc::new(RwLock::new(())), Inside::default(), Inside::default());
        let taken = Rc::clone(&lock);
        mix(random, 9, move |number, hold| {
            if number % 3 == 0 {
                let _guard = taken.write().co_await()?;
                let _inside = writers.enter(1);
                assert_eq!(readers.0.get(), 0);
                sleep(hold).co_await()
            } else {
                let _guard = taken.read().co_await()?;
                let _inside = readers.enter(9);
                assert_eq!(writers.0.get(), 0);
                sleep(hold).co_await()
            }
        })?;
        assert!(lock.try_write().is_some());
        Ok(())
    });
}

#[test]
fn permits_and_tokens_are_all_back_after_any_mix() {
    each_mix(|random| {
        let semaphore = Rc::new(BoundedSemaphore::new(2));
        let (taken, inside) = (Rc::clone(&semaphore), Inside::default());
        mix(random, 8, move |_, hold| {
            let _permit = taken.acquire().co_await()?;
            let _inside = inside.enter(2);
            sleep(hold).co_await()
        })?;
        assert!(semaphore.release().is_err(), "all are back");
        let limiter = Rc::new(CapacityLimiter::new(2));
        let (taken, inside) = (Rc::clone(&limiter), Inside::default());
        mix(random, 8, move |_, hold| {
            let _token = taken.acquire().co_await()?;
            let _inside = inside.enter(2);
            sleep(hold).co_await()
        })?;
        assert_eq!(limiter.available_tokens(), 2);
        Ok(())
    });
}

#[test]
fn items_are_conserved_in_any_mix() {
    each_mix(|random| {
        let queue = Rc::new(Queue::bounded(2));
        let (put, got) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
        let (used, did_put, did_get) = (Rc::clone(&queue), Rc::clone(&put), Rc::clone(&got));
        mix(random, 12, move |number, _| {
            if number % 2 == 0 {
                let limited = wait_for(used.put(number), millis(8)).co_await();
                match limited {
                    Err(error) if error.is_timeout() => {}
                    other => other.map(|()| did_put.borrow_mut().push(number))?,
                }
            } else {
                let limited = wait_for(used.get(), millis(8)).co_await();
                match limited {
                    Err(error) if error.is_timeout() => {}
                    other => did_get.borrow_mut().push(other?),
                }
            }
            Ok(())
        })?;
        let mut all = got.take();
        all.extend(std::iter::from_fn(|| queue.get_nowait().ok()));
        let mut put = put.take();
        all.sort_unstable();
        put.sort_unstable();
        assert_eq!(all, put);
        Ok(())
    });
}

#[test]
fn who_waits_for_a_condition_gets_its_turn_in_any_mix() {
    each_mix(|random| {
        let (condition, taken) = (Rc::new(Condition::new(0_u32)), Rc::new(Cell::new(0)));
        let (used, count) = (Rc::clone(&condition), Rc::clone(&taken));
        let cook = Rc::clone(&condition);
        // As many eggs as there are tasks, one notification each: whoever is not cancelled eats.
        let cook = create_task(coroutine(move || {
            for _ in 0..8 {
                sleep(millis(1)).co_await()?;
                let mut eggs = cook.lock().co_await()?;
                *eggs += 1;
                eggs.notify(1);
            }
            Ok(())
        }));
        mix(random, 8, move |_, _| {
            let mut eggs = used.lock().co_await()?;
            eggs.wait_for(|eggs| *eggs > 0).co_await()?;
            *eggs -= 1;
            count.set(count.get() + 1);
            Ok(())
        })?;
        cook.co_await()?;
        assert_eq!(*condition.lock().co_await()? + taken.get(), 8);
        Ok(())
    });
}

#[test]
fn notifications_are_conserved_in_any_mix() {
    each_mix(|random| {
        let (notify, heard) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
        let (used, count) = (Rc::clone(&notify), Rc::clone(&heard));
        let bell = Rc::clone(&notify);
        let bell = create_task(coroutine(move || {
            for _ in 0..8 {
                sleep(millis(1)).co_await()?;
                bell.notify_one();
            }
            Ok(())
        }));
        // Each that hears of it passes it on, so that one is enough for all.
        mix(random, 8, move |_, _| {
            used.notified().co_await()?;
            count.set(count.get() + 1);
            used.notify_one();
            Ok(())
        })?;
        bell.co_await()?;
        wait_for(notify.notified(), secs(1)).co_await() // the last one that was passed on is still there
    });
}

#[test]
fn counts_of_cancellations_are_right_after_any_mix_of_limits_and_groups() {
    each_mix(|random| {
        let (short, long) = (millis(random.below(5)), millis(random.below(9)));
        mix(random, 6, move |number, hold| {
            let me = current_task().expect("it runs in a task");
            let inner = || timeout(short, || sleep(hold + millis(number % 3)).co_await());
            let limited = timeout(long, || match number % 2 {
                0 => inner(),
                _ => TaskGroup::scope(|group| {
                    group.create_task(coroutine(inner));
                    sleep(hold).co_await()
                }),
            });
            let from_outside = me.cancelling();
            match limited {
                Err(error) if error.is_cancelled() => {
                    assert_eq!(from_outside, 1, "the limits and the group took back what they asked for");
                    Err(error)
                }
                Err(error) if error.is_timeout() || error.errors().iter().all(Error::is_timeout) => {
                    // A group's error goes before a cancellation, which then stays asked for.
                    assert!(from_outside == 0 || !error.errors().is_empty(), "{from_outside} {error:?}");
                    Ok(())
                }
                other => other.map(|()| assert_eq!(from_outside, 0)),
            }
        })
    });
}
