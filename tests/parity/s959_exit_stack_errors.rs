//! `AsyncExitStack`: order, errors that are swallowed, replaced and raised by exits.

use crate::harness::{KeyError, OSError, run, show, trace};
use coro_core::{AsyncExitStack, Cancelled, ValueError, prelude::*, wait};

#[derive(Default)]
struct Manager {
    name: &'static str,
    swallow: bool,
    error: Option<Error>,
    enter_error: Option<Error>,
}

impl Manager {
    fn swallowing(mut self) -> Self {
        self.swallow = true;
        self
    }

    fn raising(mut self, error: impl Into<Error>) -> Self {
        self.error = Some(error.into());
        self
    }

    fn failing(mut self, error: impl Into<Error>) -> Self {
        self.enter_error = Some(error.into());
        self
    }
}

fn seen(error: Option<&Error>) -> String {
    error.map_or_else(|| "None".to_owned(), show)
}

impl AsyncContextManager for Manager {
    type Value = &'static str;

    fn aenter(&mut self) -> Result<&'static str> {
        sleep(secs(0)).co_await()?;
        self.enter_error.take().map_or(Ok(()), Err)?;
        trace!("enter {}", self.name);
        Ok(self.name)
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        sleep(secs(0)).co_await()?;
        trace!("exit {} sees {}", self.name, seen(error));
        self.error.take().map_or(Ok(self.swallow), Err)
    }
}

fn told(result: Result<()>) {
    match result {
        Ok(()) => trace!("left well"),
        Err(e) => trace!("raised {}", show(&e)),
    }
}

async_fn! {
    async fn entered(managers: Vec<Manager>, body: Option<Error>) {
        async with AsyncExitStack::new() as stack {
            for manager in managers {
                stack.enter(manager)?;
            }
            body.map_or(Ok(()), Err)?;
        }
    }

    async fn callback(name: &'static str, error: Option<Error>) {
        trace!("callback {name}");
        error.map_or(Ok(()), Err)?;
    }

    async fn callbacks() {
        async with AsyncExitStack::new() as stack {
            stack.callback(|| callback("1", None).co_await());
            stack.callback(|| callback("2", Some(ValueError::new("of 2").into())).co_await());
            stack.push(|error| {
                trace!("pushed sees {}", seen(error));
                Ok(true)
            });
            stack.callback(|| callback("3", Some(KeyError::new("of 3").into())).co_await());
        }
    }

    async fn slow() {
        async with AsyncExitStack::new() as stack {
            stack.callback(|| callback("outer", None).co_await());
            stack.callback(|| sleep(secs(10)).co_await());
            stack.callback(|| callback("inner", None).co_await());
        }
    }

    async fn main() {
        let attempt = |name: &str, managers: Vec<Manager>, body: Option<Error>| {
            trace!("-- {name}");
            told(entered(managers, body).co_await());
        };
        let m = |name| Manager { name, ..Manager::default() };
        let value_error = || Some(ValueError::new("v").into());
        let key_error = || KeyError::new("b");
        attempt("plain", vec![m("a"), m("b")], None);
        attempt("error", vec![m("a"), m("b")], value_error());
        attempt("swallowed by the inner", vec![m("a"), m("b").swallowing()], value_error());
        attempt("swallowed by the outer", vec![m("a").swallowing(), m("b")], value_error());
        attempt("an exit raises", vec![m("a"), m("b").raising(key_error())], None);
        let both = vec![m("a").swallowing(), m("b").raising(key_error())];
        attempt("an exit raises and the outer swallows", both, None);
        let both = vec![m("a").raising(OSError::new("a")), m("b").raising(key_error())];
        attempt("replaced twice", both, value_error());
        let both = vec![m("a").raising(OSError::new("a")), m("b").swallowing()];
        attempt("raised after a swallow", both, value_error());
        attempt("an enter fails", vec![m("a"), m("b").failing(key_error())], None);
        let all = vec![m("a").swallowing(), m("b").failing(key_error()), m("c")];
        attempt("an enter fails, swallowed", all, None);
        attempt("cancelled", vec![m("a"), m("b")], Some(Cancelled::with_message("m").into()));
        trace!("-- callbacks");
        told(callbacks().co_await());
        trace!("-- pop_all");
        let mut other = AsyncExitStack::new();
        async with AsyncExitStack::new() as stack {
            stack.enter(m("x"))?;
            other = stack.pop_all();
            stack.enter(m("y"))?;
        }
        trace!("left");
        other.aclose()?;
        other.aclose()?;
        trace!("-- cancelled from outside in an exit");
        let task = create_task(slow());
        await!(sleep(secs(1)));
        task.cancel();
        await!(wait([&task]));
        trace!("{}", task.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
