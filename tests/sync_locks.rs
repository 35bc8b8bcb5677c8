//! `RwLock`, `Notify`, `CapacityLimiter` and `OnceCell`: who comes first, and that a cancellation at any moment loses
//! neither a turn, nor a notification, nor a token.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{
    Log, at_each_moment, direct, ended, event_loop, next_round, quiet_panics, reported, run, run_ordered,
};
use coro_core::prelude::*;
use coro_core::{Awaited, Borrower, CapacityLimiter, Notify, OnceCell, RuntimeError, RwLock, Step};

#[test]
fn readers_share_and_a_waiting_writer_holds_later_readers_back() {
    let log = Log::new();
    run_ordered(|| {
        let lock = RwLock::new(0);
        TaskGroup::scope(|group| {
            let (lock, log) = (&lock, &log);
            let read = |name: &'static str| {
                coroutine(move || {
                    let guard = lock.read().co_await()?;
                    log.push(format!("{name} reads {}", *guard));
                    sleep(secs(1)).co_await()
                })
            };
            let write = |name: &'static str| {
                coroutine(move || {
                    *lock.write().co_await()? += 1;
                    log.push(format!("{name} wrote"));
                    Ok(())
                })
            };
            group.create_task(read("a"));
            group.create_task(read("b"));
            group.create_task(write("c"));
            group.create_task(read("d"));
            group.create_task(read("e"));
            group.create_task(write("f"));
            group.create_task(read("g"));
            next_round()?;
            assert!(lock.try_read().is_none(), "a writer waits");
            assert_eq!(format!("{lock:?}"), "<RwLock [readers:2, waiters:5]>");
            Ok(())
        })?;
        assert_eq!(get_running_loop()?.time(), secs(3), "a and b, then d and e, then g");
        assert_eq!(format!("{lock:?}"), "<RwLock [unlocked]>");
        Ok(())
    })
    .unwrap();
    let order = ["a reads 0", "b reads 0", "c wrote", "d reads 1", "e reads 1", "f wrote", "g reads 2"];
    assert_eq!(log.take(), order);
}

#[test]
fn a_writer_that_downgrades_lets_readers_in_and_no_writer() {
    let log = Log::new();
    run_ordered(|| {
        let lock = RwLock::new(0);
        TaskGroup::scope(|group| {
            let (lock, log) = (&lock, &log);
            let mut guard = lock.write().co_await()?;
            group.create_task(coroutine(|| {
                log.push(format!("first reads {}", *lock.read().co_await()?));
                Ok(())
            }));
            group.create_task(coroutine(|| {
                *lock.write().co_await()? += 1;
                log.push("wrote");
                Ok(())
            }));
            group.create_task(coroutine(|| {
                log.push(format!("second reads {}", *lock.read().co_await()?));
                Ok(())
            }));
            next_round()?;
            *guard += 10;
            let reader = guard.downgrade();
            sleep(secs(1)).co_await()?;
            log.push(format!("downgraded reads {}", *reader));
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(log.take(), ["first reads 10", "downgraded reads 10", "wrote", "second reads 11"]);
}

#[test]
fn nobody_comes_between_a_turn_that_was_given_and_its_task() {
    run(|| {
        let lock = RwLock::new(0);
        TaskGroup::scope(|group| {
            let held = lock.write().co_await()?;
            let writer = group.create_task(coroutine(|| lock.write().co_await().map(drop)));
            sleep(millis(1)).co_await()?;
            drop(held); // the writer is woken, and has not run
            assert!(lock.try_read().is_none() && lock.try_write().is_none());
            let late = lock.read().co_await()?;
            assert!(writer.done());
            drop(late);
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_cancelled_waiter_of_a_rwlock_loses_no_turn() {
    for (held_for_writing, victim_writes) in [(true, true), (true, false), (false, true)] {
        at_each_moment(|at| {
            let lock = RwLock::new(0);
            TaskGroup::scope(|group| {
                let lock = &lock;
                let mut writer = held_for_writing.then(|| lock.try_write().unwrap());
                let mut reader = (!held_for_writing).then(|| lock.try_read().unwrap());
                let victim = group.create_task(coroutine(move || {
                    match victim_writes {
                        true => *lock.write().co_await()? += 100,
                        false => drop(lock.read().co_await()?),
                    }
                    next_round()
                }));
                let reads = || coroutine(|| lock.read().co_await().map(drop));
                let before = [group.create_task(reads()), group.create_task(reads())];
                let middle = group.create_task(coroutine(|| {
                    *lock.write().co_await()? += 1;
                    Ok(())
                }));
                let after = group.create_task(reads());
                direct(&victim.any_task(), at, |round| {
                    if round == 2 {
                        writer.take();
                        reader.take();
                    }
                })?;
                ended(victim.co_await());
                for other in before.into_iter().chain([middle, after]) {
                    other.co_await()?;
                }
                Ok(())
            })?;
            assert!(lock.try_write().is_some(), "nothing is left behind: {lock:?}");
            assert_eq!(lock.into_inner() % 100, 1);
            Ok(())
        });
    }
}

#[test]
fn readers_behind_a_writer_that_is_cancelled_go_on_beside_the_others() {
    run(|| {
        let lock = RwLock::new(0);
        TaskGroup::scope(|group| {
            let reading = lock.read().co_await()?;
            let writer = group.create_task(coroutine(|| lock.write().co_await().map(drop)));
            let reader = group.create_task(coroutine(|| lock.read().co_await().map(drop)));
            next_round()?;
            writer.cancel();
            reader.co_await()?; // while we still read
            drop(reading);
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_reader_that_panics_gives_the_lock_back() {
    quiet_panics();
    let lock = RwLock::new(0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _guard = lock.try_write().unwrap();
        panic!("meant: while it writes");
    }));
    assert!(caught.is_err() && lock.try_write().is_some());
}

#[test]
fn async_with_takes_a_rwlock_either_way() {
    async_fn! {
        async fn program(lock: &RwLock<u32>) -> u32 {
            async with lock.write() as mut eggs { *eggs += 1; }
            let mut seen = 0;
            async with lock.read() as eggs { seen = *eggs; }
            seen
        }
    }
    run(|| {
        let lock = RwLock::new(1);
        assert_eq!(program(&lock).co_await()?, 2);
        assert!(lock.try_write().is_some());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_driver_by_hand_that_cancels_what_is_waited_for_gets_no_lock() {
    run(|| {
        let (lock, plain) = (Rc::new(RwLock::new(0)), Rc::new(Lock::new(0)));
        let held = (lock.try_write().unwrap(), plain.try_lock().unwrap());
        let (a, b) = (lock.clone(), plain.clone());
        let mut waits = [
            coroutine(move || a.read().co_await().map(drop)).boxed(),
            coroutine(move || b.lock().co_await().map(drop)).boxed(),
        ];
        for waiting in &mut waits {
            let Step::Suspended(Awaited::Future(future)) = waiting.send(None)? else { unreachable!() };
            future.cancel();
            assert!(waiting.send(None).unwrap_err().is_cancelled());
        }
        drop(held);
        assert!(lock.try_write().is_some() && plain.try_lock().is_some());
        Ok(())
    })
    .unwrap();
}

#[test]
fn notifications_go_to_who_came_first_and_one_is_kept() {
    let log = Log::new();
    run_ordered(|| {
        let notify = Notify::new();
        TaskGroup::scope(|group| {
            for name in ["a", "b", "c"] {
                let (notify, log) = (&notify, &log);
                group.create_task(coroutine(move || {
                    notify.notified().co_await()?;
                    log.push(name);
                    Ok(())
                }));
            }
            next_round()?;
            for expected in ["a", "b", "c"] {
                notify.notify_one();
                sleep(secs(1)).co_await()?;
                assert_eq!(log.take(), [expected]);
            }
            Ok(())
        })?;
        notify.notify_one();
        notify.notify_one();
        assert_eq!(format!("{notify:?}"), "<Notify [notified]>");
        notify.notified().co_await()?;
        assert!(wait_for(notify.notified(), secs(1)).co_await().unwrap_err().is_timeout());
        Ok(())
    })
    .unwrap();
}

#[test]
fn two_notifications_in_one_round_wake_two() {
    run(|| {
        let notify = Notify::new();
        TaskGroup::scope(|group| {
            let waiters = [(); 3].map(|()| group.create_task(notify.notified()));
            sleep(millis(1)).co_await()?;
            notify.notify_one();
            notify.notify_one();
            sleep(secs(1)).co_await()?;
            assert_eq!(waiters.iter().filter(|waiter| waiter.done()).count(), 2);
            notify.notify_one();
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn notifying_all_reaches_who_has_only_announced_itself_and_keeps_nothing() {
    run(|| {
        let notify = Notify::new();
        let announced = notify.notified();
        notify.notify_one();
        notify.notify_waiters();
        announced.co_await()?;
        notify.notified().co_await()?; // what was kept for one is still there
        assert!(wait_for(notify.notified(), secs(1)).co_await().unwrap_err().is_timeout());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_notification_for_one_that_comes_after_one_for_all_is_not_spent_on_who_was_woken() {
    run(|| {
        let notify = Notify::new();
        TaskGroup::scope(|group| {
            let waiter = group.create_task(notify.notified());
            next_round()?;
            notify.notify_waiters();
            notify.notify_one();
            waiter.co_await()?;
            notify.notified().co_await() // was kept
        })
    })
    .unwrap();
}

#[test]
fn a_cancelled_waiter_passes_its_notification_on() {
    for others in 0..2 {
        at_each_moment(|at| {
            let (notify, got) = (Notify::new(), Cell::new(0));
            TaskGroup::scope(|group| {
                let wait = || {
                    coroutine(|| {
                        notify.notified().co_await()?;
                        got.set(got.get() + 1);
                        Ok(())
                    })
                };
                let victim = group.create_task(wait());
                let others: Vec<_> = (0..others).map(|_| group.create_task(wait())).collect();
                direct(&victim.any_task(), at, |round| {
                    if round == 2 {
                        notify.notify_one();
                    }
                })?;
                let kept = usize::from(format!("{notify:?}").starts_with("<Notify [notified"));
                assert_eq!(got.get() + kept, 1, "one notification, neither lost nor doubled");
                notify.notify_waiters();
                ended(victim.co_await());
                others.into_iter().try_for_each(|other| other.co_await())
            })
        });
    }
}

#[test]
fn a_cancelled_waiter_does_not_pass_on_what_all_got() {
    run(|| {
        let notify = Notify::new();
        TaskGroup::scope(|group| {
            let victim = group.create_task(notify.notified());
            next_round()?;
            notify.notify_waiters();
            victim.cancel();
            ended(victim.co_await());
            assert_eq!(format!("{notify:?}"), "<Notify [idle]>");
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_limiter_lends_in_order_and_knows_to_whom() {
    let log = Log::new();
    run_ordered(|| {
        let limiter = CapacityLimiter::new(2);
        TaskGroup::scope(|group| {
            for name in ["a", "b", "c", "d"] {
                let (limiter, log) = (&limiter, &log);
                group.create_task(coroutine(move || {
                    let token = limiter.acquire().co_await()?;
                    assert_eq!(token.borrower(), Borrower::current()?);
                    log.push(name);
                    sleep(secs(1)).co_await()
                }));
            }
            next_round()?;
            let statistics = limiter.statistics();
            assert_eq!((statistics.borrowed_tokens, statistics.tasks_waiting), (2, 2));
            assert_eq!(statistics.borrowers.len(), 2);
            assert_eq!(format!("{limiter:?}"), "<CapacityLimiter [borrowed:2/2, waiters:2]>");
            Ok(())
        })?;
        assert_eq!((limiter.borrowed_tokens(), get_running_loop()?.time()), (0, secs(2)));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["a", "b", "c", "d"]);
}

#[test]
fn a_borrower_has_one_token_and_waits_for_one_only() {
    run(|| {
        let (limiter, other) = (CapacityLimiter::new(1), Borrower::new());
        let token = limiter.acquire().co_await()?;
        let twice = limiter.acquire().co_await().unwrap_err();
        assert!(twice.is::<RuntimeError>());
        assert!(limiter.try_acquire().is_err());
        assert!(limiter.release().unwrap_err().to_string().contains("dropping its CapacityToken"));
        TaskGroup::scope(|group| {
            let waiting = group.create_task(coroutine(|| {
                let token = limiter.acquire_on_behalf_of(other).co_await()?;
                assert_eq!(token.borrower(), other);
                token.forget();
                Ok(())
            }));
            sleep(millis(1)).co_await()?;
            let error = limiter.acquire_on_behalf_of(other).co_await().unwrap_err();
            assert!(error.to_string().contains("already waiting"));
            drop(token);
            waiting.co_await()
        })?;
        assert_eq!(limiter.statistics().borrowers, [other]);
        assert!(limiter.release().unwrap_err().to_string().contains("isn't holding"));
        limiter.release_on_behalf_of(other)?;
        assert_eq!(limiter.available_tokens(), 1);
        Ok(())
    })
    .unwrap();
    assert!(CapacityLimiter::new(1).try_acquire().is_err(), "there is no task here");
}

#[test]
fn the_number_of_tokens_changes_while_they_are_lent_out() {
    run(|| {
        let limiter = CapacityLimiter::new(0);
        TaskGroup::scope(|group| {
            let begun = Rc::new(Cell::new(0));
            for _ in 0..5 {
                let (limiter, begun) = (&limiter, begun.clone());
                group.create_task(coroutine(move || {
                    let _token = limiter.acquire().co_await()?;
                    begun.set(begun.get() + 1);
                    sleep(secs(10)).co_await()
                }));
            }
            sleep(secs(1)).co_await()?;
            assert_eq!(begun.get(), 0);
            limiter.set_total_tokens(3);
            sleep(secs(1)).co_await()?;
            assert_eq!(begun.get(), 3);
            limiter.set_total_tokens(1);
            assert_eq!((limiter.borrowed_tokens(), limiter.available_tokens()), (3, 0));
            sleep(secs(10)).co_await()?;
            assert_eq!((begun.get(), limiter.borrowed_tokens()), (4, 1), "one at a time now");
            limiter.set_total_tokens(usize::MAX);
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_cancelled_borrower_passes_its_token_on() {
    at_each_moment(|at| {
        let limiter = CapacityLimiter::new(1);
        TaskGroup::scope(|group| {
            let mut held = limiter.try_acquire()?;
            let wait = || {
                coroutine(|| {
                    let _token = limiter.acquire().co_await()?;
                    assert_eq!(limiter.borrowed_tokens(), 1);
                    next_round()
                })
            };
            let victim = group.create_task(wait());
            let others = [group.create_task(wait()), group.create_task(wait())];
            direct(&victim.any_task(), at, |round| {
                if round == 2 {
                    held.take();
                }
            })?;
            ended(victim.co_await());
            others.into_iter().try_for_each(|other| other.co_await())
        })?;
        assert_eq!((limiter.borrowed_tokens(), limiter.statistics().tasks_waiting), (0, 0));
        Ok(())
    });
}

#[test]
fn what_was_given_to_a_task_that_is_ended_by_force_comes_back() {
    let limiter = Rc::new(CapacityLimiter::new(1));
    let lock = Rc::new(RwLock::new(0));
    let notify = Rc::new(Notify::new());
    let event_loop = event_loop();
    let held = limiter.try_acquire_on_behalf_of(Borrower::new()).unwrap();
    let writing = lock.try_write();
    for _ in 0..2 {
        let (limiter, lock, notify) = (limiter.clone(), lock.clone(), notify.clone());
        event_loop.create_task(coroutine(move || limiter.acquire().co_await().map(drop)));
        event_loop.create_task(coroutine(move || lock.write().co_await().map(drop)));
        event_loop.create_task(coroutine(move || notify.notified().co_await()));
    }
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    drop((held, writing));
    notify.notify_one();
    assert_eq!(limiter.borrowed_tokens(), 1, "it was given to the first who waits");
    let ((), _reports) = reported(|| drop(event_loop));
    assert_eq!((limiter.borrowed_tokens(), limiter.statistics().tasks_waiting), (0, 0));
    assert!(lock.try_write().is_some());
    run(|| notify.notified().co_await()).unwrap();
}

#[test]
fn a_once_cell_is_made_by_the_first_while_the_others_wait() {
    run(|| {
        let (cell, made) = (OnceCell::new(), Cell::new(0));
        TaskGroup::scope(|group| {
            let tasks = [(); 3].map(|()| {
                group.create_task(coroutine(|| {
                    let init = || {
                        made.set(made.get() + 1);
                        sleep(secs(1)).co_await()?;
                        Ok(String::from("made"))
                    };
                    Ok(cell.get_or_try_init(init).co_await()?.as_ptr())
                }))
            });
            sleep(millis(1)).co_await()?;
            assert_eq!(cell.get(), None);
            assert_eq!(cell.set(String::from("other")).unwrap_err(), "other");
            let values = tasks.map(|task| task.co_await().unwrap());
            assert!(values.iter().all(|value| *value == values[0]));
            Ok(())
        })?;
        assert_eq!((made.get(), get_running_loop()?.time()), (1, secs(1)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_once_cell_that_could_not_be_made_is_made_by_the_next_in_order() {
    quiet_panics();
    let log = Log::new();
    run_ordered(|| {
        let cell = OnceCell::new();
        let attempt = |name: &'static str| {
            let (cell, log) = (&cell, &log);
            coroutine(move || {
                let init = || {
                    log.push(name);
                    sleep(secs(1)).co_await()?;
                    match name {
                        "error" => raise!("burnt"),
                        "panic" => panic!("meant: burnt"),
                        _ => Ok(name),
                    }
                };
                cell.get_or_try_init(init).co_await().copied()
            })
        };
        let result: Result<()> = TaskGroup::scope(|group| {
            let error = group.create_task(coroutine(|| {
                assert_eq!(attempt("error").co_await().unwrap_err().to_string(), "burnt");
                Ok(())
            }));
            let cancelled = group.create_task(attempt("cancelled"));
            let panic = group.create_task(coroutine(|| {
                assert!(catch_unwind(AssertUnwindSafe(|| attempt("panic").co_await())).is_err());
                Ok(())
            }));
            let good = group.create_task(attempt("good"));
            let late = group.create_task(attempt("late"));
            sleep(millis(1500)).co_await()?;
            cancelled.cancel();
            error.co_await()?;
            panic.co_await()?;
            assert_eq!((good.co_await()?, late.co_await()?), ("good", "good"));
            Ok(())
        });
        result?;
        assert_eq!(cell.into_inner(), Some("good"));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["error", "cancelled", "panic", "good"]);
}

#[test]
fn a_cancellation_at_any_moment_leaves_a_once_cell_to_the_next() {
    for victim_first in [true, false] {
        at_each_moment(|at| {
            let (cell, begun) = (&OnceCell::new(), &Cell::new(false));
            TaskGroup::scope(|group| {
                let attempt = |fails: bool| {
                    coroutine(move || {
                        let init = || {
                            begun.set(true);
                            for _ in 0..if fails { 3 } else { 1 } {
                                next_round()?;
                            }
                            if fails { raise!("burnt") } else { Ok(6) }
                        };
                        cell.get_or_try_init(init).co_await().copied()
                    })
                };
                // Where the victim waits, it is woken to make the value itself.
                let failing = (!victim_first).then(|| {
                    group.create_task(coroutine(move || {
                        assert_eq!(attempt(true).co_await().unwrap_err().to_string(), "burnt");
                        Ok(())
                    }))
                });
                while !victim_first && !begun.get() {
                    next_round()?;
                }
                let victim = group.create_task(attempt(false));
                let others = [group.create_task(attempt(false)), group.create_task(attempt(false))];
                direct(&victim.any_task(), at, |_| ())?;
                ended(victim.co_await());
                failing.map_or(Ok(()), |failing| failing.co_await())?;
                for other in others {
                    assert_eq!(other.co_await()?, 6);
                }
                Ok(())
            })
        });
    }
}

#[test]
fn an_initialiser_that_asks_for_its_own_value_gets_an_error_and_a_value_can_be_set_after() {
    run(|| {
        let cell = OnceCell::new();
        let inner = || cell.get_or_try_init(|| Ok(1)).co_await().copied();
        let error = cell.get_or_try_init(inner).co_await().unwrap_err();
        assert!(error.is::<RuntimeError>());
        assert_eq!(cell.set(6), Ok(()));
        assert_eq!(cell.get_or_try_init(|| unreachable!()).co_await()?, &6);
        Ok(())
    })
    .unwrap();
    // Outside a loop it works as well, while nothing suspends.
    assert_eq!(OnceCell::new().get_or_try_init(|| Ok(6)).co_await().unwrap(), &6);
}

#[test]
fn a_value_that_is_set_before_a_woken_task_runs_is_what_it_gets() {
    run(|| {
        let cell = OnceCell::new();
        TaskGroup::scope(|group| {
            let first = group.create_task(coroutine(|| {
                let failed: Result<&u32> = cell
                    .get_or_try_init(|| {
                        sleep(secs(1)).co_await()?;
                        raise!("burnt")
                    })
                    .co_await();
                assert!(failed.is_err());
                assert_eq!(cell.set(6), Ok(())); // the second was woken, and has not run
                Ok(())
            }));
            sleep(millis(1)).co_await()?;
            let second = group.create_task(coroutine(|| cell.get_or_try_init(|| Ok(7)).co_await().copied()));
            first.co_await()?;
            assert_eq!(second.co_await()?, 6);
            Ok(())
        })
    })
    .unwrap();
}

/// Uses what it holds when it is dropped.
struct OnDrop(Rc<dyn Fn()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn destructors_of_the_user_may_use_the_same_lock_or_cell() {
    run(|| {
        let lock = Rc::new(RwLock::new(None::<OnDrop>));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let hostile = OnDrop(Rc::new({
            let (lock, seen) = (lock.clone(), seen.clone());
            move || seen.borrow_mut().push(lock.try_read().is_some())
        }));
        *lock.write().co_await()? = Some(hostile);
        let taken = lock.write().co_await()?.take();
        drop(taken);
        let mut guard = lock.write().co_await()?;
        *guard = Some(OnDrop(Rc::new({
            let (lock, seen) = (lock.clone(), seen.clone());
            move || seen.borrow_mut().push(lock.try_read().is_some())
        })));
        *guard = None;
        drop(guard);
        assert_eq!(*seen.borrow(), [true, false]);

        let cell = Rc::new(OnceCell::<u32>::new());
        let unused = OnDrop(Rc::new({
            let cell = cell.clone();
            move || assert_eq!(cell.set(7), Err(7), "it is dropped in the initialiser")
        }));
        let init = {
            let cell = cell.clone();
            move || {
                let _unused = unused;
                next_round()?;
                assert_eq!(cell.set(8), Err(8));
                raise!("burnt")
            }
        };
        assert!(cell.get_or_try_init(init).co_await().is_err());
        assert!(cell.get().is_none());
        Ok(())
    })
    .unwrap();
}

#[coro_core::test]
async fn a_permit_dropped_after_an_extra_release_does_not_pass_the_bound() -> Result<()> {
    let one = coro_core::BoundedSemaphore::new(1);
    let permit = one.acquire().await;
    one.release()?;
    drop(permit); // reported, since a destructor cannot raise
    let _held = one.acquire().await;
    assert!(one.locked());
    Ok(())
}

#[test]
fn a_semaphore_has_no_more_permits_than_can_be_counted() {
    run(|| {
        let unlimited = Semaphore::new(usize::MAX);
        unlimited.release();
        assert_eq!(format!("{unlimited:?}"), format!("<Semaphore [unlocked, value:{}]>", usize::MAX));
        drop(unlimited.acquire().co_await()?);
        assert!(!unlimited.locked());
        Ok(())
    })
    .unwrap();
}
