//! Asynchronous iterators: their adaptors, those that run several at once, and generators that several hold. What they
//! close, what a cancellation loses, what a hostile closure can do to them.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{
    Log, Moment, at_each_moment, direct, ended, event_loop, next_round, quiet_panics, reported, run,
};
use coro_core::prelude::*;
use coro_core::{
    Aiter, FrameState, Future, RuntimeError, SharedAsyncGenerator, StopAsyncIteration, ValueError, Yielder,
    all_tasks, async_generator, current_task, merge,
};

/// Gives 1 to `last`, and says when it is closed. Its cleanup awaits.
fn numbers(last: u32, log: &Log) -> Aiter<impl AsyncIterator<Item = u32> + use<>> {
    let log = log.clone();
    async_generator(move |y: &Yielder<u32>| {
        for n in 1..=last {
            sleep(millis(1)).co_await()?;
            if let Err(error) = y.yield_(n) {
                sleep(millis(1)).co_await()?;
                log.push(format!("closed at {n}"));
                return Err(error);
            }
        }
        log.push("ended");
        Ok(())
    })
    .aiter()
}

/// Gives what it is told to, errors included, and counts how often it is closed.
struct Script {
    items: std::vec::IntoIter<Result<u32>>,
    closed: Rc<Cell<u32>>,
}

fn script(
    items: impl IntoIterator<Item = std::result::Result<u32, &'static str>>,
) -> (Aiter<Script>, Rc<Cell<u32>>) {
    let closed = Rc::new(Cell::new(0));
    let items: Vec<Result<u32>> = items.into_iter().map(|item| item.map_err(Error::msg)).collect();
    (Script { items: items.into_iter(), closed: closed.clone() }.aiter(), closed)
}

impl AsyncIterator for Script {
    type Item = u32;

    fn anext(&mut self) -> Result<Option<u32>> {
        next_round()?;
        self.items.next().transpose()
    }

    fn aclose(&mut self) -> Result<()> {
        self.closed.set(self.closed.get() + 1);
        self.items = Vec::new().into_iter();
        next_round()
    }
}

fn text<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string())
}

#[test]
fn what_ends_early_by_its_own_rule_closes_what_it_reads() {
    let log = Log::new();
    run(|| {
        let eggs = || numbers(9, &log);
        assert_eq!(eggs().take(2).collect::<Vec<_>>()?, [1, 2]);
        assert_eq!(eggs().take_while(|n| Ok(*n < 3)).collect::<Vec<_>>()?, [1, 2]);
        assert_eq!(eggs().find(|n| Ok(*n == 4))?, Some(4));
        assert!(eggs().any(|n| Ok(n == 5))? && !eggs().all(|n| Ok(n < 6))?);
        assert_eq!(eggs().nth(6)?, Some(7));
        Ok(())
    })
    .unwrap();
    let closed = ["closed at 2", "closed at 3", "closed at 4", "closed at 5", "closed at 6", "closed at 7"];
    assert_eq!(log.take(), closed);
}

#[test]
fn zip_closes_the_one_that_is_left_and_chain_closes_both() {
    let log = Log::new();
    run(|| {
        let pairs = numbers(2, &log).zip(numbers(9, &log)).collect::<Vec<_>>()?;
        assert_eq!(pairs, [(1, 1), (2, 2)]);
        assert_eq!(log.take(), ["ended", "closed at 2"]);
        let mut both = numbers(1, &log).chain(numbers(9, &log));
        assert_eq!([both.anext()?, both.anext()?], [Some(1), Some(1)]);
        both.aclose()?;
        assert_eq!(both.anext()?, None);
        assert_eq!(log.take(), ["ended", "closed at 1"]);
        let mut nested = numbers(3, &log).flat_map(|_| Ok(numbers(3, &log)));
        nested.anext()?;
        nested.aclose()
    })
    .unwrap();
    assert_eq!(log.take(), ["closed at 1", "closed at 1"]);
}

#[test]
fn what_is_lent_is_not_closed() {
    let log = Log::new();
    run(|| {
        let mut eggs = numbers(4, &log);
        assert_eq!((&mut eggs).aiter().take(2).collect::<Vec<_>>()?, [1, 2]);
        assert_eq!(eggs.collect::<Vec<_>>()?, [3, 4]);
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["ended"]);
}

#[test]
fn an_error_passes_and_the_rest_can_still_be_read() {
    run(|| {
        let (eggs, closed) = script([Ok(1), Err("burnt"), Ok(2)]);
        let mut eggs = eggs.map(|n| Ok(10 * n)).filter(|_| Ok(true)).skip(0).step_by(1).fuse().take(9);
        assert_eq!(eggs.anext()?, Some(10));
        assert_eq!(text(eggs.anext()), "burnt");
        assert_eq!((eggs.anext()?, eggs.anext()?), (Some(20), None));
        drop(eggs);
        assert_eq!(closed.get(), 0, "it has ended by itself");
        // One that a closure raises.
        let (eggs, _) = script([Ok(1), Ok(2), Ok(3)]);
        let mut eggs = eggs.map(|n| if n == 2 { raise!("cracked") } else { Ok(n) });
        let two = (eggs.anext()?, text(eggs.anext()), eggs.anext()?);
        assert_eq!(two, (Some(1), "cracked".to_owned(), Some(3)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_first_error_ends_what_reads_to_the_end_and_closes_it() {
    run(|| {
        for way in 0..4 {
            let (eggs, closed) = script([Ok(1), Err("burnt"), Ok(2)]);
            let error = match way {
                0 => eggs.collect::<Vec<_>>().map(drop),
                1 => eggs.for_each(|_| Ok(())),
                2 => eggs.last().map(drop),
                _ => eggs.into_iter().collect::<Result<Vec<_>>>().map(drop),
            };
            assert_eq!(text(error), "burnt");
            assert_eq!(closed.get(), u32::from(way < 3), "an ordinary iterator is only dropped");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_of_closing_comes_out_and_keeps_the_first_one_as_its_cause() {
    let sour = || {
        async_generator(|y: &Yielder<u32>| match y.yield_(1) {
            Ok(()) => y.yield_(2),
            Err(_) => raise!("sour"),
        })
        .aiter()
    };
    assert_eq!(text(sour().nth(0)), "sour");
    let error = sour().for_each(|_| raise!("cracked")).unwrap_err();
    assert_eq!((error.to_string(), error.cause().unwrap().to_string()), ("sour".into(), "cracked".into()));
    let mut kept = sour().take(1);
    assert_eq!(kept.anext().unwrap(), Some(1));
    assert_eq!(text(kept.anext()), "sour"); // `take` closes it here
    assert_eq!(kept.anext().unwrap(), None);
}

#[test]
fn an_item_of_zip_waits_for_its_partner_through_an_error() {
    run(|| {
        let (left, _) = script([Ok(1), Ok(2)]);
        let (right, _) = script([Err("burnt"), Ok(10), Ok(20)]);
        let mut pairs = left.zip(right);
        assert_eq!(text(pairs.anext()), "burnt");
        assert_eq!((pairs.anext()?, pairs.anext()?, pairs.anext()?), (Some((1, 10)), Some((2, 20)), None));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_look_at_the_next_item_takes_nothing() {
    run(|| {
        let (eggs, closed) = script([Ok(1), Err("burnt"), Ok(2)]);
        let mut eggs = eggs.peekable();
        assert_eq!(
            (eggs.peek()?.copied(), eggs.peek()?.copied(), eggs.anext()?),
            (Some(1), Some(1), Some(1))
        );
        assert_eq!(text(eggs.peek().map(drop)), "burnt"); // is not kept
        assert_eq!(text(eggs.next_if(|_| raise!("cracked"))), "cracked");
        assert_eq!((eggs.next_if(|n| Ok(*n > 2))?, eggs.peek()?.copied()), (None, Some(2)));
        eggs.aclose()?;
        assert_eq!((eggs.anext()?, closed.get()), (None, 1));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_step_of_zero_is_refused() {
    quiet_panics();
    let panic = catch_unwind(AssertUnwindSafe(|| numbers(1, &Log::new()).step_by(0)));
    assert!(panic.is_err());
}

#[test]
fn a_plain_for_loop_suspends_the_task_and_gives_errors_as_items() {
    run(|| {
        let beside = create_task(sleep(millis(2)));
        let (eggs, _) = script([Ok(1), Err("burnt"), Ok(2)]);
        let mut seen = Vec::new();
        for egg in eggs.map(|n| sleep(millis(1)).co_await().map(|()| n)) {
            seen.push(egg.map_err(|error| error.to_string()));
        }
        assert_eq!(seen, [Ok(1), Err("burnt".to_owned()), Ok(2)]);
        assert!(beside.done(), "the loop ran meanwhile");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancellation_in_an_adaptor_closes_what_it_reads() {
    at_each_moment(|at: Moment| {
        let log = Log::new();
        let victim = create_task(coroutine({
            let log = log.clone();
            move || {
                let (eggs, closed) = script([Ok(1), Ok(2), Ok(3)]);
                let result = eggs.map(|n| next_round().map(|()| n)).take(2).collect::<Vec<_>>();
                log.push(format!("closed {}", closed.get()));
                result
            }
        }));
        direct(&victim.any_task(), at, |_| ())?;
        let result = victim.co_await();
        let said = log.take();
        let closed = said.first().is_some_and(|said| said != "closed 0");
        assert!(closed || at.0 < 2 && said.is_empty(), "{at:?}: {said:?}");
        ended(result);
        Ok(())
    });
}

#[test]
fn a_user_type_that_panics_leaves_the_others_alone() {
    quiet_panics();
    let log = Log::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let eggs = async_generator({
            let log = log.clone();
            move |y: &Yielder<u32>| {
                let _flag = log.flag("unwound");
                y.yield_(1)
            }
        });
        eggs.aiter().for_each(|_| panic!("meant: in a closure"))
    }));
    assert!(panicked.is_err());
    assert_eq!(log.take(), ["unwound"]);
}

// Several at once.

/// An awaitable that counts how many of its kind run.
fn counted(n: u64, running: &Rc<Cell<(u32, u32)>>) -> BoxCoroutine<u64> {
    struct Leave(Rc<Cell<(u32, u32)>>);
    impl Drop for Leave {
        fn drop(&mut self) {
            let (now, most) = self.0.get();
            self.0.set((now - 1, most));
        }
    }
    let running = running.clone();
    coroutine(move || {
        let (now, most) = running.get();
        running.set((now + 1, most.max(now + 1)));
        let _leave = Leave(running);
        sleep(millis(n)).co_await()?;
        Ok(n)
    })
    .boxed()
}

fn source<T: 'static>(items: Vec<T>) -> Aiter<impl AsyncIterator<Item = T>> {
    async_generator(move |y: &Yielder<T>| items.into_iter().try_for_each(|item| y.yield_(item))).aiter()
}

#[test]
fn no_more_than_the_limit_run_at_once() {
    run(|| {
        for limit in 1..5 {
            let running = Rc::new(Cell::new((0, 0)));
            let jobs = || source([5, 1, 4, 2, 3].map(|n| counted(n, &running)).into());
            assert_eq!(jobs().buffered(limit).collect::<Vec<_>>()?, [5, 1, 4, 2, 3]);
            assert_eq!(running.get(), (0, u32::try_from(limit).unwrap()));
            let mut any_order = jobs().buffer_unordered(limit).collect::<Vec<_>>()?;
            any_order.sort_unstable();
            assert_eq!((any_order, running.get().1), (vec![1, 2, 3, 4, 5], u32::try_from(limit).unwrap()));
            assert_eq!(all_tasks()?.len(), 1);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_done_first_comes_first_without_an_order() {
    run(|| {
        let running = Rc::default();
        let jobs = source([5, 1, 4].map(|n| counted(n, &running)).into());
        assert_eq!(jobs.buffer_unordered(3).collect::<Vec<_>>()?, [1, 4, 5]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_slow_source_holds_up_nothing_that_is_done() {
    run(|| {
        let slow = source(vec![1, 60]).map(|n| {
            sleep(secs(n)).co_await()?;
            Ok(coroutine(move || Ok(n)))
        });
        let mut slow = slow.buffered(2);
        assert_eq!(slow.anext()?, Some(1));
        assert_eq!(get_running_loop()?.time(), secs(1)); // not after the second one
        slow.aclose()
    })
    .unwrap();
}

#[test]
fn an_error_comes_in_its_place_and_the_others_go_on() {
    let ((), reports) = reported(|| {
        run(|| {
            let jobs = || {
                source(vec![2_u64, 0, 1]).map(|n| {
                    Ok(coroutine(move || {
                        sleep(millis(n)).co_await()?;
                        if n == 0 { raise!("burnt") } else { Ok(n) }
                    }))
                })
            };
            let mut in_order = jobs().buffered(3);
            assert_eq!(in_order.anext()?, Some(2));
            assert_eq!(text(in_order.anext()), "burnt");
            assert_eq!((in_order.anext()?, in_order.anext()?), (Some(1), None));
            let mut any_order = jobs().buffer_unordered(3);
            assert_eq!(text(any_order.anext()), "burnt");
            assert_eq!(
                (any_order.anext()?, any_order.anext()?, any_order.anext()?),
                (Some(1), Some(2), None)
            );
            Ok(())
        })
        .unwrap();
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn an_error_of_the_source_ends_it_after_what_was_begun() {
    run(|| {
        let (eggs, closed) = script([Ok(1), Err("burnt"), Ok(2)]);
        let mut eggs =
            eggs.map(|n| Ok(coroutine(move || sleep(millis(9)).co_await().map(|()| n)))).buffered(4);
        assert_eq!(eggs.anext()?, Some(1));
        assert_eq!(text(eggs.anext()), "burnt");
        assert_eq!((eggs.anext()?, closed.get()), (None, 1));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_panic_of_the_source_or_of_a_task_is_an_error_of_the_reader() {
    quiet_panics();
    run(|| {
        let mut eggs = source(vec![0]).map(|_| -> Result<Task<u32>> { panic!("meant: source") }).buffered(1);
        assert!(eggs.anext().unwrap_err().is_panic());
        assert!(eggs.anext()?.is_none());
        let jobs = source(vec![0]).map(|_| Ok(coroutine(|| -> Result<u32> { panic!("meant: task") })));
        assert!(jobs.buffer_unordered(1).anext().unwrap_err().is_panic());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_buffer_without_room_and_one_without_a_loop_are_errors() {
    let job = || source(vec![coroutine(|| Ok(1)).boxed()]);
    let (_, reports) = reported(|| assert_eq!(text(job().buffered(1).anext()), "no running event loop"));
    assert!(reports.iter().all(|report| report.contains("was never awaited")), "{reports:?}");
    run(|| {
        let mut none = source(Vec::<Task<u32>>::new()).buffered(0);
        assert_eq!(text(none.anext()), "a buffer needs room for one at least");
        assert_eq!(text(merge([source(vec![1])]).aiter().nth(0)), "no error");
        Ok(())
    })
    .unwrap();
    assert_eq!(text(merge([source(vec![1])]).anext()), "no running event loop");
}

#[test]
fn dropping_cancels_the_rest_and_waits_for_it() {
    let log = Log::new();
    run(|| {
        let said = log.clone();
        let job = move |n: u64| {
            let log = said.clone();
            coroutine(move || {
                let slept = sleep(secs(n)).co_await();
                if slept.is_err() {
                    sleep(secs(1)).co_await()?; // its cleanup is waited for
                    log.push(format!("{n} cancelled"));
                }
                slept
            })
        };
        let eggs = numbers(9, &log).map(move |n| Ok(job(60 * u64::from(n) - 59)));
        let mut eggs = eggs.buffered(3);
        eggs.anext()?;
        drop(eggs);
        assert_eq!(all_tasks()?.len(), 1, "{:?}", all_tasks()?);
        Ok(())
    })
    .unwrap();
    let mut said = log.take();
    said.sort_unstable();
    let cancelled = said.iter().filter(|line| line.ends_with("cancelled")).count();
    let closed = said.iter().filter(|line| line.starts_with("closed at")).count();
    assert_eq!((cancelled, closed, said.len()), (2, 1, 3), "{said:?}");
}

#[test]
fn a_cancelled_reader_loses_nothing() {
    at_each_moment(|at: Moment| {
        let eggs = Rc::new(RefCell::new(
            source(vec![1_u64, 2, 3])
                .map(|n| Ok(coroutine(move || next_round().and_then(|()| next_round()).map(|()| n))))
                .buffered(2),
        ));
        let got = Log::new();
        let victim = create_task(coroutine({
            let (eggs, got) = (eggs.clone(), got.clone());
            move || {
                while let Some(n) = eggs.borrow_mut().anext()? {
                    got.push(n.to_string());
                }
                Ok(())
            }
        }));
        direct(&victim.any_task(), at, |_| ())?;
        ended(victim.co_await());
        while let Some(n) = eggs.borrow_mut().anext()? {
            got.push(n.to_string());
        }
        assert_eq!(got.take(), ["1", "2", "3"], "{at:?}");
        Ok(())
    });
}

#[test]
fn a_cancelled_owner_ends_what_it_began() {
    at_each_moment(|at: Moment| {
        let ran = Rc::new(Cell::new((0, 0)));
        let victim = create_task(coroutine({
            let ran = ran.clone();
            move || {
                let jobs = source([1, 2, 3].map(|n| counted(n, &ran)).into());
                let others = source(vec![4_u64]).map(|n| next_round().map(|()| n));
                jobs.buffer_unordered(2).merge(others).collect::<Vec<_>>()
            }
        }));
        direct(&victim.any_task(), at, |_| ())?;
        ended(victim.co_await());
        assert_eq!((ran.get().0, all_tasks()?.len()), (0, 1), "{at:?}");
        Ok(())
    });
}

#[test]
fn a_timeout_around_a_reader_leaves_nothing_behind() {
    run(|| {
        let naps = source(vec![1, 3600, 7200]).map(|n| Ok(sleep(secs(n))));
        let error = timeout(secs(5), || naps.buffered(2).count()).unwrap_err();
        assert!(error.is_timeout());
        assert_eq!((all_tasks()?.len(), get_running_loop()?.time()), (1, secs(5)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn closing_gives_the_error_that_a_task_raises_then_and_dropping_reports_it() {
    let job = || {
        coroutine(|| {
            let slept = sleep(secs(60)).co_await();
            if slept.is_err() { raise!("sour") } else { Ok(()) }
        })
    };
    let ((), reports) = reported(|| {
        run(|| {
            let begun = || -> Result<_> {
                let mut jobs = source(vec![coroutine(|| Ok(())).boxed(), job().boxed()]).buffered(2);
                jobs.anext()?;
                sleep(secs(1)).co_await()?;
                Ok(jobs)
            };
            assert_eq!(text(begun()?.aclose()), "sour");
            drop(begun()?);
            Ok(())
        })
        .unwrap();
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("raised an exception when it was cancelled"), "{reports:?}");
}

#[test]
fn a_source_that_swallows_its_cancellation_is_read_no_further() {
    run(|| {
        let stubborn = async_generator(|y: &Yielder<u64>| {
            for n in 0.. {
                drop(sleep(secs(1)).co_await()); // whatever it says
                y.yield_(n)?;
            }
            Ok(())
        });
        let mut jobs = stubborn.aiter().map(|_| Ok(sleep(secs(1)))).buffered(3);
        jobs.anext()?;
        drop(jobs);
        assert_eq!(all_tasks()?.len(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_of_its_own_tasks_may_drop_it() {
    run(|| {
        let kept: Rc<RefCell<Option<Box<dyn AsyncIterator<Item = ()>>>>> = Rc::default();
        let job = {
            let kept = kept.clone();
            coroutine(move || {
                sleep(secs(1)).co_await()?;
                let own = kept.take();
                drop(own);
                next_round() // is cancelled with the others
            })
        };
        let mut jobs = source(vec![coroutine(|| Ok(())).boxed(), job.boxed()]).buffered(2);
        jobs.anext()?;
        kept.replace(Some(Box::new(jobs)));
        sleep(secs(2)).co_await()?;
        assert!(kept.borrow().is_none());
        assert_eq!(all_tasks()?.len(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_that_outlives_its_loop_is_dropped_in_peace() {
    let (first, second) = (event_loop(), event_loop());
    let begin = || {
        let mut naps = source(vec![1, 60]).map(|n| Ok(sleep(secs(n)))).buffered(2);
        naps.anext()?;
        Ok(naps)
    };
    let naps = first.run_until_complete(coroutine(begin)).unwrap();
    let other = first.run_until_complete(coroutine(begin)).unwrap();
    // On another loop nobody can wait for them; nor without one.
    let drop_there = coroutine(move || {
        drop(naps);
        Ok(())
    });
    second.run_until_complete(drop_there).unwrap();
    drop(other);
    first.run_until_complete(sleep(secs(1))).unwrap();
    first.close().unwrap();
}

#[test]
fn merge_gives_items_as_they_come_and_closes_what_is_left() {
    let log = Log::new();
    run(|| {
        let every = |period, log: &Log| {
            numbers(3, log).map(move |n| sleep(secs(period)).co_await().map(|()| u64::from(n) * period))
        };
        let all = every(3, &log).merge(every(2, &log)).collect::<Vec<_>>()?;
        assert_eq!(all, [2, 3, 4, 6, 6, 9]);
        assert_eq!(log.take(), ["ended", "ended"]);
        let mut some = merge([3, 2].map(|period| every(period, &log)));
        assert_eq!(some.anext()?, Some(2));
        some.aclose()?;
        assert_eq!((some.anext()?, all_tasks()?.len()), (None, 1));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take().len(), 2);
}

#[test]
fn an_error_of_one_merged_iterator_ends_that_one_alone() {
    run(|| {
        let (bad, closed) = script([Err("burnt"), Ok(7)]);
        let (good, _) = script([Ok(1), Ok(2)]);
        let mut both = bad.merge(good);
        let mut seen = Vec::new();
        loop {
            match both.anext() {
                Ok(None) => break,
                Ok(Some(n)) => seen.push(n.to_string()),
                Err(error) => seen.push(error.to_string()),
            }
        }
        seen.sort_unstable();
        assert_eq!((seen, closed.get()), (vec!["1".to_owned(), "2".into(), "burnt".into()], 1));
        assert_eq!(merge(Vec::<Aiter<Script>>::new()).anext()?, None);
        Ok(())
    })
    .unwrap();
}

// Generators that several hold.

#[test]
fn a_step_that_waits_shuts_out_the_others_and_they_may_come_later() {
    run(|| {
        let future = Future::new();
        let waiting = {
            let future = future.clone();
            move |y: &Yielder<u32>| y.yield_(future.co_await()?)
        };
        let mut one: SharedAsyncGenerator<u32> = async_generator(waiting).shared();
        let first = create_task(coroutine({
            let mut one = one.clone();
            move || one.anext()
        }));
        sleep(secs(1)).co_await()?; // it stands in its step now
        assert!(one.ag_running() && one.state() == FrameState::Running);
        for (call, result) in [
            ("anext", one.start().map(drop)),
            ("anext", one.anext().map(drop)),
            ("athrow", one.athrow(Error::msg("burnt")).map(drop)),
            ("aclose", one.aclose()),
        ] {
            let error = result.unwrap_err();
            assert!(error.is::<RuntimeError>());
            assert_eq!(error.to_string(), format!("{call}(): asynchronous generator is already running"));
        }
        future.set_result(6)?;
        assert_eq!(first.co_await()?, Some(6));
        assert_eq!((one.anext()?, one.state()), (None, FrameState::Closed));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancelled_step_ends_a_shared_generator_for_all() {
    run(|| {
        let mut one = async_generator(|y: &Yielder<u32>| {
            sleep(secs(60)).co_await()?;
            y.yield_(1)
        })
        .shared();
        let first = create_task(coroutine({
            let mut one = one.clone();
            move || one.anext()
        }));
        sleep(secs(1)).co_await()?; // it stands in its step now
        first.cancel();
        assert!(first.co_await().unwrap_err().is_cancelled());
        assert_eq!((one.anext()?, one.state()), (None, FrameState::Closed));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_shared_generator_is_closed_with_its_last_handle() {
    let log = Log::new();
    let flag = log.clone();
    let mut one = async_generator(move |y: &Yielder<u32>| {
        let _flag = flag.flag("gone");
        y.yield_(1)
    })
    .shared();
    one.anext().unwrap();
    let other = one.clone();
    drop(one);
    assert_eq!(log.take().len(), 0);
    drop(other);
    assert_eq!(log.take(), ["gone"]);
}

#[test]
fn a_generator_that_steps_itself_gets_an_error() {
    let me: Rc<RefCell<Option<SharedAsyncGenerator<u32>>>> = Rc::default();
    let inside = me.clone();
    let one = async_generator(move |y: &Yielder<u32>| {
        let own = inside.take();
        assert!(text(own.unwrap().aclose()).starts_with("aclose()"));
        y.yield_(1)
    });
    let mut one = one.shared();
    me.replace(Some(one.clone()));
    assert_eq!((one.anext().unwrap(), one.anext().unwrap()), (Some(1), None));
}

#[test]
fn one_that_ignores_its_closing_is_told_once() {
    let (log, stubborn) = (Log::default(), Log::default());
    let ignoring = |log: &Log| {
        let log = log.clone();
        async_generator(move |y: &Yielder<u32>| {
            while let Err(error) = y.yield_(1) {
                log.push(error.to_string());
            }
            Ok(())
        })
    };
    let mut generator = ignoring(&log);
    generator.anext().unwrap();
    assert_eq!(generator.aclose().unwrap_err().to_string(), "async generator ignored GeneratorExit");
    assert!(generator.aclose().unwrap_err().is::<StopAsyncIteration>());
    assert!(generator.athrow(ValueError::new("v").into()).unwrap_err().is::<StopAsyncIteration>());
    generator.lend(|mut lent| {
        assert!(lent.aclose().unwrap_err().is::<StopAsyncIteration>());
        assert_eq!(log.take(), ["generator is being closed"]);
        assert_eq!(lent.anext().unwrap(), None); // it can be read on, and so ends
        lent.aclose().unwrap();
    });
    ignoring(&stubborn).lend(|mut lent| {
        lent.anext().unwrap();
        assert!(lent.aclose().unwrap_err().is::<RuntimeError>());
        assert!(lent.aclose().unwrap_err().is::<StopAsyncIteration>());
        assert_eq!(lent.anext().unwrap(), None);
    });
    assert_eq!(stubborn.take(), ["generator is being closed"]);
}

#[test]
fn a_panic_of_a_shared_generator_ends_it() {
    quiet_panics();
    let mut one = async_generator(|_: &Yielder<u32>| panic!("meant: body")).shared();
    let mut other = one.clone();
    assert!(catch_unwind(AssertUnwindSafe(move || one.anext())).is_err());
    assert_eq!((other.state(), other.anext().unwrap()), (FrameState::Closed, None));
    assert!(current_task().is_none());
}

// Generators that borrow.

async_fn! {
    async fn letters(text: &str, log: &Log) yields char {
        for letter in text.chars() {
            await!(sleep(millis(1)));
            let read = try_yield!(letter);
            if read.is_err() {
                await!(sleep(millis(1)));
                log.push(format!("closed at {letter}"));
            }
            read?;
        }
    }
}

#[test]
fn one_that_borrows_is_lent_to_the_adaptors_and_closed_afterwards() {
    let (log, egg) = (Log::new(), String::from("egg"));
    let shouted = run(|| {
        let shouted = letters(&egg, &log).lend(|letters| {
            letters
                .aiter()
                .map(|letter| next_round().map(|()| letter.to_ascii_uppercase()))
                .take(2)
                .collect::<String>()
        })?;
        assert_eq!(log.take(), ["closed at g"]); // by `take`
        let first = letters(&egg, &log).lend(|mut letters| letters.anext())?;
        assert_eq!((first, log.take()), (Some('e'), vec!["closed at e".to_owned()])); // by `lend`
        let through = letters(&egg, &log).lend(|mut letters| {
            letters.start()?;
            Ok((text(letters.athrow(Error::msg("burnt"))), letters.anext()?, letters.state()))
        });
        through.map(|through| {
            assert_eq!(through, ("burnt".to_owned(), None, FrameState::Closed));
            shouted
        })
    });
    assert_eq!(shouted.unwrap(), "EG");
}

#[test]
fn a_cancelled_borrower_is_closed_before_what_it_borrows_is_gone() {
    at_each_moment(|at: Moment| {
        let log = Log::new();
        let victim = create_task(coroutine({
            let log = log.clone();
            move || {
                let text = String::from("eggs");
                letters(&text, &log).lend(|letters| letters.aiter().for_each(|_| next_round()))
            }
        }));
        direct(&victim.any_task(), at, |_| ())?;
        ended(victim.co_await());
        assert!(log.take().len() <= 1);
        Ok(())
    });
}
