//! What the exception handler is told: by callbacks, futures, tasks, groups, and by hand; set, replaced, reset.

use crate::harness::{KeyError, OSError, run, show, trace};
use coro_core::{ExceptionContext, Future, ValueError, prelude::*};

fn told(context: &ExceptionContext) -> String {
    let message = context.message.split(" <").next().unwrap_or_default();
    let exception = context.exception.as_ref().map_or_else(|| "no exception".to_owned(), show);
    format!("{message} | {exception}")
}

fn context(message: &str, exception: Option<Error>) -> ExceptionContext {
    ExceptionContext { message: message.to_owned(), exception, future: None, handle: None }
}

/// Tells the handler of the running loop.
fn tell(message: &str, exception: Option<Error>) {
    let event_loop = get_running_loop().expect("one is running");
    event_loop.call_exception_handler(&context(message, exception));
}

async_fn! {
    async fn fails(text: &'static str) {
        raise!(ValueError::new(text));
    }

    async fn late() {
        let slept = try_await!(sleep(secs(10)));
        slept.map_err(|_| OSError::new("late"))?;
    }

    async fn parent() {
        async with TaskGroup::new() as tg {
            tg.create_task(late());
            raise!(ValueError::new("early"));
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let own = event_loop.clone();
        event_loop.set_exception_handler(move |l, c| trace!("first: {} {}", told(c), l.same(&own)));
        tell("by hand", None);
        tell("with an exception", Some(KeyError::new("k").into()));
        event_loop.set_exception_handler(|_, c| trace!("second: {}", told(c)));
        let task = create_task(fails("of a task"));
        await!(sleep(secs(0)));
        drop(task);
        let f = Future::<()>::new();
        f.set_exception(ValueError::new("of a future"))?;
        drop(f);
        // A handler that sets another one, and one that calls the default.
        event_loop.set_exception_handler(|l, c| {
            trace!("once: {}", told(c));
            l.set_exception_handler(|_, c| trace!("then: {}", told(c)));
        });
        tell("1", None);
        tell("2", None);
        event_loop.set_exception_handler(|l, c| l.default_exception_handler(c));
        tell("to the default one", None);
        event_loop.reset_exception_handler();
        tell("without any", None);
        tell("with an error", Some(ValueError::new("v").into()));
        // In a callback: the loop runs on, and other callbacks too.
        event_loop.set_exception_handler(|_, c| trace!("third: {}", told(c)));
        event_loop.call_soon(|| tell("in a callback", None));
        event_loop.call_later(secs(1), || tell("in a timer", None));
        await!(sleep(secs(2)));
        // A child that has not begun when its group fails is cancelled before it could raise.
        match try_await!(parent()) {
            Err(e) if e.is::<ErrorGroup>() => trace!("{:?}", e.errors().iter().map(show).collect::<Vec<_>>()),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
