//! A broken exception handler does not break the loop; the default one is used for what follows.

use crate::harness::{run, set_log_filter, trace};
use coro_core::{ExceptionContext, ValueError, prelude::*};

fn first_line(text: String) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn report(message: &str, exception: Option<Error>) -> ExceptionContext {
    ExceptionContext { message: message.to_owned(), exception, future: None, handle: None }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_exception_handler(|_, _| {
            trace!("handler called");
            panic!("broken handler")
        });
        event_loop.call_exception_handler(&report("report", None));
        trace!("still running");
        event_loop.reset_exception_handler();
        let exception = Some(ValueError::new("v").into());
        event_loop.call_exception_handler(&report("to the default handler", exception));
    }
}

pub fn scenario() -> Result<()> {
    set_log_filter(first_line);
    run(main())
}
