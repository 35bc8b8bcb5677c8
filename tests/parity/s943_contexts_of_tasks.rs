//! Context variables in tasks, gather, groups, as_completed, to_thread, callbacks, generators and timers.

use crate::harness::{run, trace};
use coro_core::{
    Context, ContextVar, Future, TaskBuilder, Token, ValueError, as_completed, prelude::*, wait,
};

static VAR: ContextVar<String> = ContextVar::with_default("var", || "default".to_owned());

fn var() -> String {
    VAR.get().unwrap_or_default()
}

fn set(value: &str) -> Token<String> {
    VAR.set(value.to_owned())
}

async_fn! {
    async fn show_and_set(name: &'static str, value: &'static str) -> String {
        trace!("{name} sees {}", var());
        set(value);
        await!(sleep(secs(0)));
        trace!("{name} has {}", var());
        var()
    }

    async fn numbers() yields u32 {
        for i in 0..3 {
            trace!("generator sees {}", var());
            set(&format!("generator {i}"));
            yield!(i);
        }
    }

    async fn main(start: Token<String>) {
        let event_loop = get_running_loop()?;
        set("main");
        await!(show_and_set("awaited", "by awaited"));
        trace!("main after await {}", var());
        let task = create_task(show_and_set("task", "by task"));
        set("main after create");
        await!(task);
        trace!("main after task {}", var());
        let all = await!(gather([show_and_set("g1", "1"), show_and_set("g2", "2")]));
        trace!("{all:?} {}", var());
        async with TaskGroup::new() as tg {
            tg.create_task(show_and_set("tg", "by tg"));
            set("main in group");
        }
        trace!("main after group {}", var());
        for nearest in as_completed([show_and_set("ac", "by ac")]) {
            await!(nearest);
        }
        await!(wait_for(show_and_set("wait_for", "by wait_for"), secs(1)));
        trace!("main after wait_for {}", var());
        await!(shield(show_and_set("shield", "by shield")));
        trace!("main after shield {}", var());
        let seen = await!(to_thread(|| {
            let seen = var();
            set("thread");
            seen
        }));
        trace!("to_thread {seen} {}", var());
        async for _ in numbers() {
            trace!("main in loop {}", var());
            set("by main");
        }
        // One context for several tasks.
        let shared = Context::current().copy();
        let start_in = |task| TaskBuilder::new().context(&shared).create(task);
        let both = [start_in(show_and_set("a", "by a")), start_in(show_and_set("b", "by b"))];
        await!(wait(&both));
        trace!("shared {} main {}", shared.get(&VAR).unwrap_or_default(), var());
        // Callbacks run in the context of their making, also those of timers and of futures.
        let future = Future::new();
        let callback = |name: &'static str| {
            trace!("{name} {}", var());
            set(name);
        };
        set("at call_later");
        event_loop.call_later(secs(1), move || callback("call_later"));
        set("at callback");
        future.add_done_callback(move |_| callback("done"));
        future.add_done_callback_in(&shared, move |_| callback("done in shared"));
        event_loop.call_soon_in(&shared, move || callback("call_soon in shared"));
        set("afterwards");
        event_loop.call_later(secs(1), move || future.set_result(()).expect("it is pending"));
        await!(sleep(secs(2)));
        trace!("main {} shared {}", var(), shared.get(&VAR).unwrap_or_default());
        // Tokens.
        let token = set("token");
        VAR.reset(token)?;
        trace!("reset {}", var());
        let other = Context::current().copy();
        match other.run(|| VAR.reset(start)) {
            Err(e) if e.is::<ValueError>() => trace!("of another context"),
            other => other?,
        }
    }

    async fn start() {
        let token = set("start");
        await!(main(token));
    }
}

pub fn scenario() -> Result<()> {
    run(start())?;
    trace!("outside {}", var());
    Ok(())
}
