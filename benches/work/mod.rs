//! The operations that are measured: `hot_path` takes their time, `budgets` lets their instructions be counted.

use std::cell::Cell;
use std::fmt;
use std::hint::black_box;
use std::rc::Rc;

use coro_core::{Awaited, EventLoop, Queue, RunBuilder, Yielder, generator, prelude::*, suspend};

/// Does an operation so many times.
pub type Repeat = Box<dyn FnMut(usize) -> Result<()>>;

/// One thing that programs do again and again.
pub struct Operation {
    pub name: &'static str,
    /// Its timers run by a virtual clock: by a real one, how many are due at a time would depend on the machine.
    virtual_clock: bool,
    /// What comes before the first time. It is called by a task.
    prepare: fn() -> Result<Repeat>,
}

impl Operation {
    const fn new(name: &'static str, prepare: fn() -> Result<Repeat>) -> Self {
        Self { name, virtual_clock: false, prepare }
    }

    const fn on_a_virtual_clock(self) -> Self {
        Self { virtual_clock: true, ..self }
    }

    /// Runs `main` in a loop, with what does the operation. The tasks that take part in it end with the loop.
    ///
    /// The clock is virtual if that is asked for, or if the operation needs it.
    pub fn run(&self, virtual_clock: bool, main: impl FnOnce(Repeat)) {
        let builder = match virtual_clock || self.virtual_clock {
            true => RunBuilder::new().virtual_clock(),
            false => RunBuilder::new(),
        };
        let outcome = builder.run(coroutine(|| {
            main((self.prepare)()?);
            Ok(())
        }));
        outcome.expect("an operation that is measured does not fail");
    }
}

/// How the benchmarks are called in the table.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

pub const OPERATIONS: &[Operation] = &[
    Operation::new("switch", bare_switch),
    Operation::new("yield-1", || yields(1)),
    Operation::new("yield-10", || yields(10)),
    Operation::new("yield-100", || yields(100)),
    Operation::new("yield-1k", || yields(1_000)),
    Operation::new("yield-10k", || yields(10_000)),
    Operation::new("yield-100k", || yields(100_000)),
    Operation::new("yield-below-100-awaits", yields_below_100_awaits),
    Operation::new("yield-in-a-call", yields_in_a_call),
    Operation::new("queue-round-trip", queue_round_trips),
    Operation::new("lock-of-100", contended_lock),
    Operation::new("event", events),
    Operation::new("create-await", create_and_await),
    Operation::new("create-all-await-all", create_all_then_await),
    Operation::new("create-all-park-await-all", create_all_that_park_then_await),
    Operation::new("create-await-std-future", create_and_await_std_futures),
    Operation::new("await-unstarted", await_unstarted),
    Operation::new("gather-10", gathers),
    Operation::new("sleep-of-1k", sleeps),
    Operation::new("timer-of-1k", || timers(1_000)).on_a_virtual_clock(),
    Operation::new("timer-of-1m", || timers(1_000_000)).on_a_virtual_clock(),
    Operation::new("generator-item", generator_items),
    Operation::new("generator-of-one", one_item_generators),
    #[cfg(unix)]
    Operation::new("read-ready", reads),
];

/// Does `operation` in a loop.
fn repeat(mut operation: impl FnMut() -> Result<()> + 'static) -> Result<Repeat> {
    Ok(Box::new(move |times| {
        for _ in 0..times {
            operation()?;
        }
        Ok(())
    }))
}

/// A task that does `operation` until the loop ends.
fn meanwhile(mut operation: impl FnMut() -> Result<()> + 'static) {
    let _: Task<()> = create_task(coroutine(move || {
        loop {
            operation()?;
        }
    }));
}

/// Reference: to a coroutine of corosensei and back, without anything of this library.
fn bare_switch() -> Result<Repeat> {
    let mut bare = corosensei::Coroutine::<(), (), ()>::new(|yielder, ()| {
        loop {
            yielder.suspend(());
        }
    });
    repeat(move || {
        bare.resume(());
        Ok(())
    })
}

/// Inlined: what returns after a switch costs time of its own, see `yield-in-a-call`.
#[inline(always)]
fn yield_now() -> Result<()> {
    suspend(Awaited::Yield).map(drop)
}

/// The yields of so many tasks: one of this task is one of each.
fn yields(tasks: usize) -> Result<Repeat> {
    for _ in 1..tasks {
        meanwhile(yield_now);
    }
    yield_now()?; // they have begun
    Ok(Box::new(move |times| {
        for _ in 0..times / tasks {
            yield_now()?;
        }
        Ok(())
    }))
}

#[inline(never)]
fn yield_now_in_a_call() -> Result<()> {
    yield_now()
}

/// A function that suspends, and returns after it was resumed: the processor has seen other calls meanwhile, and
/// expects another return.
fn yields_in_a_call() -> Result<Repeat> {
    repeat(yield_now_in_a_call)
}

fn descend(depth: usize, at_the_bottom: &dyn Fn() -> Result<()>) -> Result<()> {
    match depth {
        0 => at_the_bottom(),
        _ => coroutine(|| descend(black_box(depth - 1), at_the_bottom)).co_await(),
    }
}

fn yields_below_100_awaits() -> Result<Repeat> {
    Ok(Box::new(|times| {
        descend(100, &|| {
            for _ in 0..times {
                yield_now()?;
            }
            Ok(())
        })
    }))
}

/// An item to another task and one back, over queues that have room for one each.
fn queue_round_trips() -> Result<Repeat> {
    let (there, back) = (Rc::new(Queue::bounded(1)), Rc::new(Queue::bounded(1)));
    meanwhile({
        let (there, back) = (Rc::clone(&there), Rc::clone(&back));
        move || back.put(there.get().co_await()?).co_await()
    });
    repeat(move || {
        there.put(black_box(6)).co_await()?;
        black_box(back.get().co_await()?);
        Ok(())
    })
}

/// 100 tasks want the same lock. Who has it yields once.
fn contended_lock() -> Result<Repeat> {
    let lock = Rc::new(Lock::new(0_u64));
    Ok(Box::new(move |times| {
        let work = |_| {
            let lock = Rc::clone(&lock);
            coroutine(move || {
                for _ in 0..times / 100 {
                    let mut count = lock.lock().co_await()?;
                    yield_now()?;
                    *count += 1;
                }
                Ok(())
            })
        };
        gather((0..100).map(work)).co_await().map(drop)
    }))
}

/// A task waits for an event, which another one sets; that one then yields.
fn events() -> Result<Repeat> {
    let event = Rc::new(Event::new());
    meanwhile({
        let event = Rc::clone(&event);
        move || {
            event.set();
            yield_now()
        }
    });
    repeat(move || {
        event.clear();
        event.wait().co_await().map(drop)
    })
}

fn number(n: usize) -> impl Awaitable<Output = usize> + 'static {
    coroutine(move || Ok(n))
}

fn create_and_await() -> Result<Repeat> {
    repeat(|| {
        black_box(create_task(number(black_box(6))).co_await()?);
        Ok(())
    })
}

/// Makes all tasks, then awaits each.
fn burst(body: fn(usize) -> Task<usize>) -> Result<Repeat> {
    Ok(Box::new(move |times| {
        let tasks: Vec<_> = (0..times).map(body).collect();
        for task in tasks {
            black_box(task.co_await()?);
        }
        Ok(())
    }))
}

fn create_all_then_await() -> Result<Repeat> {
    burst(|n| create_task(number(n)))
}

/// All of them are begun and alive at once.
fn create_all_that_park_then_await() -> Result<Repeat> {
    burst(|n| {
        create_task(coroutine(move || {
            yield_now()?;
            Ok(n)
        }))
    })
}

fn create_and_await_std_futures() -> Result<Repeat> {
    repeat(|| {
        black_box(create_task(std::future::ready(black_box(6))).co_await()?);
        Ok(())
    })
}

fn await_unstarted() -> Result<Repeat> {
    repeat(|| {
        black_box(number(black_box(6)).co_await()?);
        Ok(())
    })
}

/// Ten tasks that return at once, and their results in order.
fn gathers() -> Result<Repeat> {
    repeat(|| {
        black_box(gather((0..10).map(number)).co_await()?);
        Ok(())
    })
}

/// 1,000 tasks sleep again and again, too short for the loop ever to have nothing to do.
fn sleeps() -> Result<Repeat> {
    Ok(Box::new(|times| {
        let nap = |n: u64| {
            coroutine(move || {
                for _ in 0..times / 1_000 {
                    sleep(Duration::from_micros(10 + n % 10)).co_await()?;
                }
                Ok(())
            })
        };
        gather((0..1_000).map(nap)).co_await().map(drop)
    }))
}

/// Timers that are made again when they have struck, each time for another moment.
struct Timers {
    event_loop: EventLoop,
    /// The longest delay.
    span: u64,
    random: Cell<u64>,
    /// How many are still to strike.
    left: Cell<usize>,
    done: Event,
}

impl Timers {
    fn set(self: &Rc<Self>) {
        // Marsaglia's xorshift.
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        let timers = Rc::clone(self);
        drop(self.event_loop.call_later(Duration::from_micros(random % self.span), move || timers.strike()));
    }

    fn strike(self: &Rc<Self>) {
        let left = self.left.get().wrapping_sub(1);
        self.left.set(left);
        if left == 0 {
            self.done.set();
        }
        self.set();
    }
}

/// The earliest of so many timers strikes, and is made again.
fn timers(alive: u64) -> Result<Repeat> {
    let timers = Rc::new(Timers {
        event_loop: get_running_loop()?,
        span: 2 * alive,
        random: Cell::new(6),
        left: Cell::new(usize::MAX),
        done: Event::new(),
    });
    for _ in 0..alive {
        timers.set();
    }
    Ok(Box::new(move |times| {
        timers.left.set(times);
        timers.done.clear();
        timers.done.wait().co_await().map(drop)
    }))
}

fn generator_items() -> Result<Repeat> {
    let mut numbers = generator(|yielder: &Yielder<usize>| -> Result<()> {
        for n in 0.. {
            yielder.yield_(n)?;
        }
        Ok(())
    });
    repeat(move || {
        black_box(numbers.next().transpose()?);
        Ok(())
    })
}

/// A generator is made, yields one item and is dropped.
fn one_item_generators() -> Result<Repeat> {
    repeat(|| {
        black_box(generator(|yielder: &Yielder<usize>| yielder.yield_(black_box(6))).next().transpose()?);
        Ok(())
    })
}

/// One byte is read, of those that are there already.
#[cfg(unix)]
fn reads() -> Result<Repeat> {
    use std::io::{Read, Write};

    const AT_ONCE: usize = 4096;
    let (near, far) = coro_core::net::UnixStream::pair()?;
    Ok(Box::new(move |times| {
        for begun in (0..times).step_by(AT_ONCE) {
            let count = AT_ONCE.min(times - begun);
            (&far).write_all(&[6; AT_ONCE][..count])?;
            for _ in 0..count {
                (&near).read_exact(black_box(&mut [0]))?;
            }
        }
        Ok(())
    }))
}
