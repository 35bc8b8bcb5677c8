//! Ending a task group early with `TaskGroup::cancel`.

use std::cell::Cell;
use std::rc::Rc;

use coro_core::prelude::*;

async_fn! {
    async fn naps(cancelled: Rc<Cell<u32>>) {
        if let Err(error) = try_await!(sleep(secs(60))) {
            cancelled.set(cancelled.get() + 1);
            raise!(error);
        }
    }

    async fn cancelled_from(place: &'static str, cancelled: Rc<Cell<u32>>) -> Duration {
        let clock = get_running_loop()?;
        let group = TaskGroup::new();
        if place == "before" {
            group.cancel();
        }
        async with group.clone() {
            group.create_task(naps(Rc::clone(&cancelled)));
            match place {
                "block" => {
                    await!(sleep(secs(1)));
                    group.cancel();
                    group.cancel();
                    await!(sleep(secs(60)));
                }
                "end of block" => {
                    await!(sleep(secs(1)));
                    group.cancel();
                }
                "callback" => {
                    let group = group.clone();
                    clock.call_later(secs(1), move || group.cancel());
                }
                _ => await!(sleep(secs(60))),
            }
        }
        group.cancel(); // after the end it changes nothing
        assert_eq!(coro_core::current_task().map(|task| task.cancelling()), Some(0));
        assert!(group.create_task(sleep(secs(1))).result().unwrap_err().to_string().contains("is finished"));
        await!(sleep(secs(1)));
        clock.time()
    }
}

#[coro_core::test]
async fn a_cancelled_group_is_left_without_an_error_wherever_it_is_cancelled() -> Result<()> {
    for (place, seconds, naps) in
        [("block", 2, 1), ("end of block", 2, 1), ("callback", 2, 1), ("before", 1, 0)]
    {
        let started = get_running_loop()?.time();
        let cancelled = Rc::new(Cell::new(0));
        let ended = cancelled_from(place, Rc::clone(&cancelled)).await;
        assert_eq!((ended - started, cancelled.get()), (secs(seconds), naps), "{place}");
    }
    Ok(())
}

#[coro_core::test]
async fn a_cancellation_from_outside_goes_on_past_a_cancelled_group() -> Result<()> {
    let task = create_task(cancelled_from("block", Rc::default()));
    sleep(secs(1)).await;
    sleep(secs(0)).await; // the group has just been cancelled
    task.cancel();
    assert!(task.co_await().unwrap_err().is_cancelled());
    Ok(())
}
