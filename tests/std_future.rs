//! Awaitables of the library inside `async` blocks, and `async` blocks as stackless tasks.

use std::future::{Future as StdFuture, IntoFuture};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as PollContext, Poll, Wake, Waker};

use coro_core::{Future, gather, prelude::*, race, wait};

#[coro_core::test]
async fn awaitables_that_own_what_they_use_can_be_awaited_in_async_blocks() -> Result<()> {
    let block = async {
        let limited = wait_for(sleep(secs(1)).result("in time"), secs(5)).await?;
        let first = race([3, 2].map(|n| sleep(secs(n)).result(n))).await?;
        let (done, pending) = wait([create_task(sleep(secs(1)))]).await?;
        let both = gather((coroutine(|| Ok(1)), sleep(secs(1)).result(2))).await?;
        Ok::<_, Error>((limited, first, done.len(), pending.len(), both))
    };
    let started = get_running_loop()?.time();
    assert_eq!(create_task(block).co_await()??, ("in time", 2, 1, 0, (1, 2)));
    assert_eq!(get_running_loop()?.time() - started, secs(5));
    Ok(())
}

#[coro_core::test]
async fn sleeps_futures_and_tasks_are_awaited_in_an_async_block_without_another_task() -> Result<()> {
    let future = Future::new();
    let task = create_task(sleep(secs(60)).result("task"));
    let blocks = [
        create_task({
            let future = future.clone();
            async move { future.await }
        }),
        create_task(async { sleep(secs(60)).result("sleep").await }),
        create_task(async move { task.await }),
        create_task(async { coro_core::ensure_future(Future::new()).await }),
    ];
    sleep(secs(1)).await;
    assert_eq!(coro_core::all_tasks()?.len(), 1 + 1 + blocks.len()); // main, the task, the blocks
    future.set_result("future")?;
    blocks[3].cancel();
    let mut said = Vec::new();
    for block in blocks {
        said.push(block.co_await().and_then(|said| said).ok());
    }
    assert_eq!(said, [Some("future"), Some("sleep"), Some("task"), None]);
    Ok(())
}

#[coro_core::test]
async fn dropping_what_is_awaited_in_an_async_block_cancels_its_task() -> Result<()> {
    let block = create_task(async { coroutine(|| sleep(secs(60)).co_await()).await });
    sleep(secs(1)).await;
    let left = coro_core::all_tasks()?.len();
    block.cancel();
    assert!(block.co_await().unwrap_err().is_cancelled());
    sleep(secs(1)).await;
    assert_eq!((left, coro_core::all_tasks()?.len()), (3, 1));
    Ok(())
}

#[coro_core::test]
async fn dropping_it_cancels_the_future_or_task_that_is_awaited() -> Result<()> {
    let (future, task) = (Future::<u32>::new(), create_task(sleep(secs(60))));
    let watched = task.any();
    let both = [
        create_task({
            let future = future.clone();
            async move { future.await.map(drop) }
        }),
        create_task(async move { task.await }),
    ];
    sleep(secs(1)).await;
    both.iter().for_each(|block| assert!(block.cancel()));
    sleep(secs(1)).await;
    assert!(future.cancelled() && watched.cancelled());
    Ok(())
}

#[test]
fn a_block_that_waits_for_what_nobody_can_settle_is_a_deadlock() {
    let deadlock = |result: Result<Result<u32>>| {
        let error = result.unwrap_err();
        assert!(error.is::<coro_core::Deadlock>(), "{error:?}");
    };
    deadlock(coro_core::run(async { Future::new().await }));
    deadlock(coro_core::run(async { create_task(async { Future::new().await }).await? }));
    // Polled on the stack of the one who awaits it, a second time after it was woken.
    let slept_before = async {
        sleep(millis(1)).await?;
        Future::new().await
    };
    deadlock(coro_core::run(coroutine(|| slept_before.co_await())));
}

/// Wakes another.
struct Forward(Waker);

impl Wake for Forward {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

#[coro_core::test]
async fn what_is_awaited_may_be_polled_with_a_waker_of_somebody_else() -> Result<()> {
    let future = Future::new();
    let mut waiting = future.clone().into_future();
    let block = create_task(std::future::poll_fn(move |context| {
        let waker = Waker::from(Arc::new(Forward(context.waker().clone())));
        Pin::new(&mut waiting).poll(&mut PollContext::from_waker(&waker))
    }));
    sleep(secs(1)).await;
    future.set_result("set")?;
    assert_eq!(block.co_await()??, "set");
    Ok(())
}

#[coro_core::test]
async fn what_was_never_polled_cancels_nothing() -> Result<()> {
    let future = Future::<u32>::new();
    drop(future.clone().into_future());
    assert!(!future.done());
    Ok(())
}

#[coro_core::test]
async fn dropping_a_sleep_cancels_its_timer_and_drops_its_result() -> Result<()> {
    let result = Rc::new(());
    let block = create_task({
        let result = Rc::clone(&result);
        async move { sleep(secs(60)).result(result).await.map(drop) }
    });
    sleep(secs(1)).await;
    block.cancel();
    assert!(block.co_await().unwrap_err().is_cancelled());
    assert_eq!(Rc::strong_count(&result), 1);
    Ok(())
}

#[test]
fn a_loop_does_not_wait_for_the_timer_of_a_sleep_that_was_dropped() -> Result<()> {
    let event_loop = coro_core::LoopBuilder::new().virtual_clock().build()?;
    event_loop.run_until_complete(coroutine(|| {
        let block = create_task(async { sleep(secs(60)).await });
        sleep(secs(1)).co_await()?;
        block.cancel();
        sleep(Duration::ZERO).co_await()
    }))?;
    // The clock jumps to what is left: nothing.
    let error = event_loop.run_until_complete(event_loop.create_future::<u32>()).unwrap_err();
    assert!(error.is::<coro_core::Deadlock>());
    assert_eq!(event_loop.time(), secs(1));
    event_loop.close()
}

#[coro_core::test]
async fn a_cancellation_of_what_is_awaited_is_its_result() -> Result<()> {
    let future = Future::<u32>::new();
    let block = create_task({
        let future = future.clone();
        async move { future.await }
    });
    sleep(secs(1)).await;
    future.cancel_with("too late");
    let error = block.co_await()?.unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.to_string(), "too late");
    Ok(())
}

#[coro_core::test(ordered)]
async fn a_sleep_of_zero_lets_every_ready_task_run_once() -> Result<()> {
    let (said, heard) = std::sync::mpsc::channel();
    let turns = |name| {
        let said = said.clone();
        async move {
            for turn in 1..=2 {
                said.send((name, turn)).unwrap();
                sleep(Duration::ZERO).await?;
            }
            sleep(Duration::ZERO).result(name).await
        }
    };
    let both = [create_task(turns("a")), create_task(turns("b"))];
    for task in both {
        task.co_await()??;
    }
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
    Ok(())
}

#[coro_core::test(ordered)]
async fn a_block_that_sleeps_goes_on_in_the_round_in_which_a_stack_would() -> Result<()> {
    let (said, heard) = std::sync::mpsc::channel();
    let (first, second) = (said.clone(), said);
    let stackful = create_task(coroutine(move || {
        sleep(secs(1)).co_await()?;
        first.send("stackful").unwrap();
        Ok(())
    }));
    let stackless = create_task(async move {
        sleep(secs(1)).await?;
        second.send("stackless").unwrap();
        Ok::<_, Error>(())
    });
    sleep(secs(1)).await; // wakes in the same round, before both
    sleep(Duration::ZERO).await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["stackful", "stackless"]);
    stackful.co_await()?;
    stackless.co_await()?
}

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[coro_core::test]
async fn the_waker_of_the_last_poll_is_the_one_that_is_woken() -> Result<()> {
    let future = Future::new();
    let mut sleeping = sleep(secs(1)).result("slept").into_future();
    let mut waiting = future.clone().into_future();
    let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
    let mut poll = |count: &Arc<Count>| {
        let waker = Waker::from(Arc::clone(count));
        let mut context = PollContext::from_waker(&waker);
        (Pin::new(&mut sleeping).poll(&mut context), Pin::new(&mut waiting).poll(&mut context))
    };
    assert!(matches!(poll(&counts[0]), (Poll::Pending, Poll::Pending)));
    assert!(matches!(poll(&counts[1]), (Poll::Pending, Poll::Pending)));
    assert_eq!(Arc::strong_count(&counts[0]), 1); // is let go of
    future.set_result("set")?;
    sleep(secs(2)).await;
    assert_eq!(counts.each_ref().map(|count| count.0.load(Ordering::SeqCst)), [0, 2]);
    let (Poll::Ready(slept), Poll::Ready(set)) = poll(&counts[0]) else { panic!("both are over") };
    assert_eq!((slept?, set?), ("slept", "set"));
    Ok(())
}

#[test]
fn outside_a_loop_what_would_wait_has_failed_and_what_is_done_has_its_result() {
    let mut context = PollContext::from_waker(Waker::noop());
    let failed = |poll: Poll<Result<()>>| match poll {
        Poll::Ready(Err(error)) => assert_eq!(error.to_string(), "no running event loop"),
        other => panic!("{other:?}"),
    };
    for duration in [Duration::ZERO, secs(1)] {
        failed(Pin::new(&mut sleep(duration).into_future()).poll(&mut context));
    }
    let event_loop = coro_core::LoopBuilder::new().virtual_clock().build().unwrap();
    let (pending, done) = (event_loop.create_future::<()>(), event_loop.create_future::<()>());
    done.set_result(()).unwrap();
    failed(Pin::new(&mut pending.into_future()).poll(&mut context));
    assert!(matches!(Pin::new(&mut done.into_future()).poll(&mut context), Poll::Ready(Ok(()))));
    event_loop.close().unwrap();
}

#[test]
fn a_future_of_another_loop_is_refused() -> Result<()> {
    let other = coro_core::LoopBuilder::new().virtual_clock().build()?;
    let future = other.create_future::<()>();
    let error = coro_core::run(coroutine(move || async { future.await }.co_await()?)).unwrap_err();
    assert_eq!(error.to_string(), "got Future <Future pending> attached to a different loop");
    other.close()
}

#[coro_core::test]
async fn a_task_that_cancels_itself_in_its_own_poll_ends_though_nothing_would_wake_it() -> Result<()> {
    let task = create_task(async {
        coro_core::current_task().unwrap().cancel_with("by itself");
        std::future::pending::<()>().await;
    });
    assert_eq!(task.co_await().unwrap_err().to_string(), "by itself");
    Ok(())
}
