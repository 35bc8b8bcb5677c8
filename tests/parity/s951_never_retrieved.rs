//! Which errors are reported as never retrieved: of futures, tasks, gather, shield, wait, groups.

use crate::harness::{repr, run, show, trace};
use coro_core::{Future, ValueError, gather_return_exceptions, prelude::*, wait};

fn failed(text: &'static str) -> Result<Future<u32>> {
    let future = Future::new();
    future.set_exception(ValueError::new(text))?;
    Ok(future)
}

fn shown(exception: Option<Error>) -> String {
    exception.as_ref().map_or_else(|| "None".to_owned(), show)
}

async_fn! {
    async fn fails(text: &'static str) -> u32 {
        raise!(ValueError::new(text));
    }

    async fn works() -> u32 {
        1
    }

    async fn group() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails("13"));
        }
    }

    async fn main() {
        get_running_loop()?.set_exception_handler(|_, c| {
            trace!("handler: {} | {}", c.message, shown(c.exception.clone()));
        });
        trace!("-- future dropped");
        drop(failed("1")?);
        trace!("-- future looked at");
        failed("2")?.exception()?;
        trace!("-- future with a callback that does not look");
        let f = Future::<u32>::new();
        f.add_done_callback(|_| trace!("called"));
        f.set_exception(ValueError::new("3"))?;
        drop(f);
        await!(sleep(secs(0)));
        trace!("-- future with a callback that looks");
        let f = Future::<u32>::new();
        f.add_done_callback(|f| trace!("{}", shown(f.exception().ok().flatten())));
        f.set_exception(ValueError::new("4"))?;
        drop(f);
        await!(sleep(secs(0)));
        trace!("-- future cancelled");
        Future::<u32>::new().cancel();
        trace!("-- task dropped");
        let t = create_task(fails("5"));
        await!(sleep(secs(0)));
        drop(t);
        trace!("-- task by wait");
        drop(await!(wait([create_task(fails("6"))])));
        trace!("-- task by wait, looked at");
        let (done, _) = await!(wait([create_task(fails("7"))]));
        trace!("{}", shown(done[0].exception()?));
        drop(done);
        trace!("-- gather: the first is raised, the second is lost");
        match try_await!(gather([fails("8"), fails("9")])) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        trace!("-- gather that nobody awaits");
        let g = gather((fails("10"), works()));
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        drop(g);
        trace!("-- gather with errors as results");
        let results = await!(gather_return_exceptions([fails("11").boxed(), works().boxed()]));
        let texts: Vec<_> = results.into_iter().map(|r| r.map_or_else(|e| repr(&e), |n| n.to_string())).collect();
        trace!("[{}]", texts.join(", "));
        trace!("-- shield");
        let s = shield(fails("12"));
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        drop(s);
        await!(sleep(secs(0)));
        trace!("-- group");
        match try_await!(group()) {
            Err(e) if e.is::<ErrorGroup>() => trace!("{:?}", e.errors().iter().map(show).collect::<Vec<_>>()),
            other => other?,
        }
        trace!("-- wait_for of a task");
        match try_await!(wait_for(create_task(fails("14")), secs(1))) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        trace!("-- end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
