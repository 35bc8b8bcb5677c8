//! Awaitables of the library inside `async` blocks, and `async` blocks as stackless tasks.

use coro_core::{gather, prelude::*, race, wait};

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
async fn dropping_what_is_awaited_in_an_async_block_cancels_its_task() -> Result<()> {
    let block = create_task(async { sleep(secs(60)).await });
    sleep(secs(1)).await;
    let left = coro_core::all_tasks()?.len();
    block.cancel();
    assert!(block.co_await().unwrap_err().is_cancelled());
    sleep(secs(1)).await;
    assert_eq!((left, coro_core::all_tasks()?.len()), (3, 1));
    Ok(())
}
