//! run and Runner take a factory for the loop; main is started lazily even with eager tasks.

use crate::harness::{set_log_level, trace};
use coro_core::{EventLoop, LoopBuilder, RunBuilder, Runner, prelude::*};
use std::cell::RefCell;
use tracing::Level;

thread_local! {
    /// The loops that main has run on.
    static MADE: RefCell<Vec<EventLoop>> = const { RefCell::new(Vec::new()) };
}

/// What makes the loops: that one is made is told by the log.
fn factory() -> LoopBuilder {
    LoopBuilder::new().virtual_clock().eager_tasks(true)
}

/// Only a virtual clock can be moved.
fn is_of_the_factory(event_loop: &EventLoop) -> bool {
    event_loop.advance_time(Duration::ZERO).is_ok()
}

fn last_made() -> EventLoop {
    MADE.with_borrow(|made| made.last().cloned()).expect("main has run")
}

async_fn! {
    async fn child() {
        trace!("child runs");
    }

    async fn main(name: &'static str) -> &'static str {
        let event_loop = get_running_loop()?;
        MADE.with_borrow_mut(|made| {
            if !made.iter().any(|other| other.same(&event_loop)) {
                made.push(event_loop.clone());
            }
        });
        trace!("{name} on the loop of the factory: {}", is_of_the_factory(&event_loop));
        let task = create_task(child());
        trace!("created; done: {}", task.done());
        name
    }
}

pub fn scenario() -> Result<()> {
    set_log_level(Level::DEBUG);
    let name = RunBuilder::new().event_loop(factory()).run(main("run"))?;
    trace!("{name} closed: {}", last_made().is_closed());
    let mut runner = Runner::with(RunBuilder::new().event_loop(factory()));
    trace!("a runner makes its loop late");
    let (first, second) = (runner.run(main("first"))?, runner.run(main("second"))?);
    trace!("{first} {second} same loop: {}", runner.get_loop()?.same(&last_made()));
    runner.close()?;
    trace!("closed: {} loops made: {}", last_made().is_closed(), MADE.with_borrow(Vec::len));
    let event_loop = factory().build()?;
    let task = event_loop.create_task(child());
    trace!("no loop running: not started, done: {}", task.done());
    event_loop.run_until_complete(task)?;
    event_loop.close()
}
