//! What the common operations cost, in nanoseconds, beside corosensei alone in the same run.
//!
//! `cargo bench --bench hot_path`. Each figure is the median of several interleaved rounds.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use coro_core::{Awaited, Yielder, generator, prelude::*, suspend};

const ROUNDS: usize = 7;

type Case = (&'static str, fn() -> f64);

/// Nanoseconds for each of `times` operations.
fn per_operation(times: usize, work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_nanos() as f64 / times as f64
}

fn in_loop(times: usize, main: impl FnOnce() -> Result<()>) -> f64 {
    per_operation(times, || coro_core::run(coroutine(main)).expect("a benchmark does not fail"))
}

fn yields(tasks: usize, each: usize) -> f64 {
    in_loop(tasks * each, move || {
        let spin = move || {
            for _ in 0..each {
                suspend(Awaited::Yield)?;
            }
            Ok(())
        };
        gather((0..tasks).map(|_| coroutine(spin))).co_await().map(drop)
    })
}

fn bare_switch() -> f64 {
    let mut bare: corosensei::Coroutine<(), (), ()> = corosensei::Coroutine::new(|yielder, ()| {
        for _ in 0..1_000_000 {
            yielder.suspend(());
        }
    });
    per_operation(1_000_000, || while bare.resume(()).as_yield().is_some() {})
}

fn spawn_one_by_one() -> f64 {
    in_loop(200_000, || {
        for n in 0..200_000 {
            black_box(create_task(coroutine(move || Ok(n))).co_await()?);
        }
        Ok(())
    })
}

fn spawn_many_then_await() -> f64 {
    in_loop(100_000, || {
        let tasks: Vec<_> = (0..100_000).map(|n| create_task(coroutine(move || Ok(n)))).collect();
        for task in tasks {
            black_box(task.co_await()?);
        }
        Ok(())
    })
}

fn descend(depth: usize, at_the_bottom: &dyn Fn() -> Result<()>) -> Result<()> {
    match depth {
        0 => at_the_bottom(),
        _ => coroutine(|| descend(black_box(depth - 1), at_the_bottom)).co_await(),
    }
}

fn yield_below_100_awaits() -> f64 {
    in_loop(1_000_000, || {
        descend(100, &|| {
            for _ in 0..1_000_000 {
                suspend(Awaited::Yield)?;
            }
            Ok(())
        })
    })
}

fn await_unstarted() -> f64 {
    in_loop(1_000_000, || {
        for n in 0..1_000_000 {
            black_box(coroutine(move || Ok(black_box(n))).co_await()?);
        }
        Ok(())
    })
}

fn contended_lock() -> f64 {
    in_loop(100 * 1_000, || {
        let lock = Rc::new(Lock::new(0_u64));
        let work = |lock: Rc<Lock<u64>>| {
            coroutine(move || {
                for _ in 0..1_000 {
                    let mut guard = lock.lock().co_await()?;
                    *guard += 1;
                    suspend(Awaited::Yield)?;
                }
                Ok(())
            })
        };
        gather((0..100).map(|_| work(Rc::clone(&lock)))).co_await().map(drop)
    })
}

fn sleeps() -> f64 {
    in_loop(1_000 * 20, || {
        let nap = |n: u64| {
            coroutine(move || {
                for _ in 0..20 {
                    sleep(Duration::from_micros(100 + n % 100)).co_await()?;
                }
                Ok(())
            })
        };
        gather((0..1_000).map(nap)).co_await().map(drop)
    })
}

fn generator_items() -> f64 {
    let mut numbers = generator(|yielder: &Yielder<u64>| {
        for n in 0..1_000_000 {
            yielder.yield_(n)?;
        }
        Ok(())
    });
    per_operation(1_000_000, || {
        for item in numbers.by_ref() {
            black_box(item.ok());
        }
    })
}

fn one_item_generators() -> f64 {
    per_operation(200_000, || {
        for n in 0..200_000_u64 {
            black_box(generator(move |yielder: &Yielder<u64>| yielder.yield_(n)).next());
        }
    })
}

fn main() {
    let cases: [Case; 13] = [
        ("switch to corosensei's coroutine and back", bare_switch),
        ("yield to the loop, 1 task", || yields(1, 1_000_000)),
        ("yield to the loop, 100 tasks", || yields(100, 10_000)),
        ("yield to the loop, 10,000 tasks", || yields(10_000, 100)),
        ("yield below 100 nested awaits", yield_below_100_awaits),
        ("await of an unstarted coroutine", await_unstarted),
        ("spawn a task and await it", spawn_one_by_one),
        ("spawn 100,000, then await all", spawn_many_then_await),
        ("contended lock, 100 tasks, a yield inside", contended_lock),
        ("sleep of 0.1 to 0.2 ms, 1,000 tasks (wall clock)", sleeps),
        ("generator item", generator_items),
        ("generator of one item", one_item_generators),
        ("run() of nothing", || {
            per_operation(1_000, || (0..1_000).for_each(|_| drop(coro_core::run(coroutine(|| Ok(()))))))
        }),
    ];
    let mut figures = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (figures, (_, case)) in figures.iter_mut().zip(&cases) {
            figures.push(case());
        }
    }
    println!("{:<52} {:>10} {:>10}", "operation", "median ns", "least ns");
    for (figures, (name, _)) in figures.iter_mut().zip(&cases) {
        figures.sort_by(f64::total_cmp);
        println!("{name:<52} {:>10.1} {:>10.1}", figures[ROUNDS / 2], figures[0]);
    }
}
