//! Tasks may join while the group waits, not after; a failure cancels the rest.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, ValueError, prelude::*};

async_fn! {
    async fn late() {
        await!(sleep(secs(1)));
        trace!("late joiner ends");
    }

    async fn joins(tg: TaskGroup) {
        await!(sleep(secs(1)));
        tg.create_task(late());
        trace!("joined");
    }

    async fn fails() {
        await!(sleep(secs(1)));
        raise!(ValueError::new("bad"));
    }

    async fn long() {
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => {
                trace!("long is cancelled");
                raise!(e)
            }
            other => other?,
        }
    }

    async fn two_of_which_one_fails() {
        async with TaskGroup::new() as tg {
            tg.create_task(long());
            tg.create_task(fails());
        }
    }

    async fn main() {
        let tg = TaskGroup::new();
        async with tg.clone() {
            tg.create_task(joins(tg.clone()));
        }
        trace!("block left");
        match tg.create_task(late()).result() {
            Err(e) if e.is::<RuntimeError>() => {
                let text = show(&e);
                trace!("{} {}", &text[..12], &text[text.len() - 12..]);
            }
            other => other?,
        }
        let Err(e) = try_await!(two_of_which_one_fails()) else { return };
        let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
        let errors: Vec<String> = group.errors().iter().map(show).collect();
        trace!("{} {errors:?}", show(&e));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
