//! `watch`, `broadcast` and `oneshot`: what arrives, how they close, that a cancellation at any moment loses nothing,
//! and that the user's `Clone`, `Drop` and closures may use the same channel.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{Log, at_each_moment, direct, ended, event_loop, next_round, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{InvalidState, RuntimeError, broadcast, oneshot, watch};

type Call = Rc<RefCell<Option<Rc<dyn Fn()>>>>;

/// Calls what it holds when it is cloned and when it is dropped.
struct Hostile {
    number: u32,
    on_clone: Call,
    on_drop: Call,
}

impl Hostile {
    fn new(number: u32) -> Self {
        Self { number, on_clone: Call::default(), on_drop: Call::default() }
    }

    /// The same value, which calls back as this one does.
    fn with(&self, number: u32) -> Self {
        Self { number, on_clone: self.on_clone.clone(), on_drop: self.on_drop.clone() }
    }
}

fn call(what: &Call) {
    let what = what.borrow().clone();
    if let Some(what) = what {
        what();
    }
}

impl Clone for Hostile {
    fn clone(&self) -> Self {
        call(&self.on_clone);
        self.with(self.number)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        call(&self.on_drop);
    }
}

/// How often `f` runs; calls within calls do nothing, so that it ends.
fn once_at_a_time(f: impl Fn() + 'static) -> (Rc<dyn Fn()>, Rc<Cell<u32>>) {
    let (running, calls) = (Cell::new(false), Rc::new(Cell::new(0)));
    let count = calls.clone();
    let call = move || {
        if !running.replace(true) {
            f();
            count.set(count.get() + 1);
            running.set(false);
        }
    };
    (Rc::new(call), calls)
}

// watch

#[test]
fn a_watcher_sees_the_latest_value_once() {
    run(|| {
        let (sender, receiver) = watch::channel(0);
        sender.send(1)?;
        sender.send(2)?;
        receiver.changed().co_await()?;
        assert_eq!(receiver.get(), 2);
        assert!(wait_for(receiver.changed(), secs(1)).co_await().unwrap_err().is_timeout());
        let late = sender.subscribe();
        assert_eq!((late.has_changed(), sender.receiver_count()), (Ok(false), 2));
        sender.send(3)?;
        assert_eq!((late.get_and_update(), late.has_changed()), (3, Ok(false)));
        assert_eq!(receiver.clone().has_changed(), Ok(true), "a clone has seen what its origin has");
        Ok(())
    })
    .unwrap();
}

#[test]
fn all_watchers_are_woken_by_one_change() {
    run(|| {
        let (sender, receiver) = watch::channel(0);
        let watchers = (0..3).map(|_| {
            let receiver = receiver.clone();
            create_task(coroutine(move || {
                receiver.changed().co_await()?;
                Ok(receiver.get())
            }))
        });
        let watchers: Vec<Task<i32>> = watchers.collect();
        next_round()?;
        sender.send(6)?;
        for watcher in watchers {
            assert_eq!(watcher.co_await()?, 6);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_watch_without_senders_gives_its_last_change_and_then_is_closed() {
    run(|| {
        let (sender, receiver) = watch::channel(0);
        let another = sender.clone();
        sender.send(1)?;
        drop(sender);
        receiver.changed().co_await()?;
        let waiting = create_task(coroutine(move || {
            let closed = receiver.changed().co_await().unwrap_err();
            assert!(closed.is::<watch::RecvError>());
            assert_eq!(receiver.has_changed(), Err(watch::RecvError));
            assert!(receiver.wait_for(|n| *n == 1).co_await().is_ok(), "what is there can be looked at");
            assert!(receiver.wait_for(|n| *n == 2).co_await().unwrap_err().is::<watch::RecvError>());
            Ok(receiver.get())
        }));
        next_round()?;
        drop(another);
        assert_eq!(waiting.co_await()?, 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_watch_without_receivers_gives_the_value_back() {
    run(|| {
        let (sender, receiver) = watch::channel(String::from("first"));
        let closed = create_task(coroutine({
            let sender = sender.clone();
            move || sender.closed().co_await()
        }));
        next_round()?;
        drop(receiver);
        closed.co_await()?;
        let watch::SendError(value) = sender.send(String::from("second")).unwrap_err();
        assert_eq!((value.as_str(), sender.get().as_str()), ("second", "first"));
        sender.send_modify(|value| value.push('!'))?;
        assert_eq!(sender.subscribe().get(), "first!");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancelled_watcher_loses_no_change() {
    at_each_moment(|at| {
        let (sender, receiver) = watch::channel(0);
        let receiver = Rc::new(receiver);
        let seen = Rc::new(Cell::new(0));
        let victim = create_task(coroutine({
            let (receiver, seen) = (receiver.clone(), seen.clone());
            move || {
                receiver.changed().co_await()?;
                seen.set(receiver.get());
                Ok(())
            }
        }));
        let wait_until = create_task(coroutine({
            let receiver = receiver.as_ref().clone();
            move || receiver.wait_for(|n| *n == 1).co_await()
        }));
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                sender.send(1).unwrap();
            }
        })?;
        ended(victim.co_await());
        assert_eq!(receiver.has_changed(), Ok(seen.get() == 0), "seen by the victim, or there for the next");
        wait_until.co_await()
    });
}

#[test]
fn a_cancelled_wait_for_the_end_of_a_watch_changes_nothing() {
    at_each_moment(|at| {
        let (sender, receiver) = watch::channel(0);
        let sender = Rc::new(sender);
        let wait = || {
            let sender = sender.clone();
            create_task(coroutine(move || sender.closed().co_await()))
        };
        let (victim, other) = (wait(), wait());
        let mut receiver = Some(receiver);
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                receiver.take();
            }
        })?;
        ended(victim.co_await());
        other.co_await()
    });
}

#[test]
fn a_look_at_a_watched_value_may_await_and_send() {
    run(|| {
        let (sender, receiver) = watch::channel(vec![1]);
        let length = receiver.with(|value| {
            sender.send(vec![1, 2]).unwrap();
            sleep(secs(1)).co_await().unwrap();
            let error = sender.send_modify(|value| value.clear());
            assert!(error.is_ok(), "the value looked at is an older one");
            value.len()
        });
        assert_eq!((length, receiver.get().len()), (1, 0));
        let refused = receiver.with(|_| sender.send_modify(|value| value.push(1)));
        assert!(refused.unwrap_err().is::<RuntimeError>());
        assert!(receiver.get().is_empty());
        Ok(())
    })
    .unwrap();
}

#[test]
fn nothing_awaits_in_a_modification_and_a_panic_in_it_leaves_the_value() {
    quiet_panics();
    run(|| {
        let (sender, receiver) = watch::channel(vec![1]);
        sender.send_modify(|_| assert!(sleep(secs(1)).co_await().is_err()))?;
        receiver.mark_unchanged();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            sender.send_modify(|value| {
                value.push(2);
                panic!("meant: in a modification");
            })
        }));
        assert!(caught.is_err());
        assert_eq!((receiver.get(), receiver.has_changed()), (vec![1, 2], Ok(false)));
        sender.send_modify(|value| {
            assert!(sender.send_modify(|_| ()).is_err());
            sender.send(vec![7]).unwrap();
            value.clear();
        })?;
        assert_eq!(receiver.get(), [7], "what was sent in it is newer");
        Ok(())
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "cannot be read by the code that modifies its value")]
fn reading_a_watched_value_in_its_modification_panics() {
    let (sender, receiver) = watch::channel(1);
    sender.send_modify(|own| *own = receiver.with(|value| *value)).ok();
}

#[test]
fn clones_and_destructors_of_the_user_may_use_the_same_watch() {
    run(|| {
        let value = Hostile::new(0);
        let (on_clone, on_drop) = (value.on_clone.clone(), value.on_drop.clone());
        let template = value.with(0);
        let (sender, receiver) = watch::channel(value);
        let (sender, receiver) = (Rc::new(sender), Rc::new(receiver));
        let (calls, count) = once_at_a_time({
            let (sender, receiver) = (sender.clone(), receiver.clone());
            move || {
                sender.send(template.with(100)).ok().unwrap();
                assert_eq!(receiver.with(|value| value.number), 100);
                receiver.get();
                sender.send_if_modified(|_| false).unwrap();
                next_round().unwrap();
                drop((sender.subscribe(), receiver.clone(), sender.clone()));
            }
        });
        *on_clone.borrow_mut() = Some(calls.clone());
        assert_eq!(receiver.get().number, 0, "the clone is of the value as it was");
        assert_eq!((receiver.with(|value| value.number), count.get()), (100, 1));
        on_clone.take();
        *on_drop.borrow_mut() = Some(calls);
        sender.send(receiver.with(|value| value.with(7))).ok().unwrap();
        assert_eq!((receiver.with(|value| value.number), count.get()), (100, 2));
        on_drop.take();
        Ok(())
    })
    .unwrap();
}

// broadcast

#[test]
fn every_receiver_gets_every_message_since_it_came() {
    let log = Log::new();
    run(|| {
        let (sender, first) = broadcast::channel(4);
        let listen = |name: &'static str, receiver: broadcast::Receiver<u32>| {
            let log = log.clone();
            create_task(coroutine(move || {
                while let Ok(message) = receiver.recv().co_await() {
                    log.push(format!("{name}{message}"));
                }
                Ok(())
            }))
        };
        let a = listen("a", first);
        next_round()?;
        assert_eq!(sender.send(1), Ok(1));
        let b = listen("b", sender.subscribe());
        assert_eq!(sender.send(2), Ok(2));
        next_round()?;
        drop(sender.clone()); // not the last
        assert_eq!(sender.send(3), Ok(2));
        drop(sender);
        a.co_await()?;
        b.co_await()
    })
    .unwrap();
    let (a, b): (Vec<_>, Vec<_>) = log.take().into_iter().partition(|got| got.starts_with('a'));
    assert_eq!((a.join(" "), b.join(" ")), ("a1 a2 a3".to_owned(), "b2 b3".to_owned()));
}

#[test]
fn a_slow_receiver_is_told_how_much_it_lost_and_goes_on_with_the_oldest() {
    run(|| {
        let (sender, slow) = broadcast::channel(3);
        for n in 0..10 {
            sender.send(n)?;
        }
        assert_eq!(slow.len(), 10);
        let error = slow.recv().co_await().unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&broadcast::RecvError::Lagged(7)));
        assert_eq!((slow.recv().co_await()?, slow.try_recv(), slow.try_recv()), (7, Ok(8), Ok(9)));
        assert_eq!(slow.try_recv(), Err(broadcast::TryRecvError::Empty));
        drop(sender);
        assert_eq!(slow.try_recv(), Err(broadcast::TryRecvError::Closed));
        let closed = slow.recv().co_await().unwrap_err();
        assert_eq!(closed.downcast_ref(), Some(&broadcast::RecvError::Closed));
        assert_eq!(slow.resubscribe().try_recv(), Err(broadcast::TryRecvError::Closed));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_broadcast_without_receivers_gives_the_message_back() {
    let (sender, receiver) = broadcast::channel(1);
    drop(receiver);
    assert_eq!(sender.send("egg").unwrap_err().0, "egg");
    let receiver = sender.subscribe();
    assert_eq!((sender.send("toast"), receiver.try_recv()), (Ok(1), Ok("toast")));
}

#[test]
#[should_panic(expected = "keeps one message at least")]
fn a_broadcast_channel_keeps_something() {
    drop(broadcast::channel::<u32>(0));
}

#[test]
fn a_message_is_dropped_when_the_last_receiver_has_got_it_or_is_gone() {
    let message = Rc::new(());
    let (sender, one) = broadcast::channel(2);
    let two = sender.subscribe();
    sender.send(message.clone()).unwrap();
    drop(one.try_recv());
    assert_eq!(Rc::strong_count(&message), 2, "kept for the other");
    drop(two.try_recv());
    assert_eq!(Rc::strong_count(&message), 1);
    for _ in 0..3 {
        sender.send(message.clone()).unwrap();
    }
    assert_eq!(Rc::strong_count(&message), 3);
    drop(one);
    assert_eq!(Rc::strong_count(&message), 3);
    drop(two);
    assert_eq!(Rc::strong_count(&message), 1);
}

#[test]
fn the_last_receiver_gets_the_message_itself() {
    let clones = Rc::new(Cell::new(0));
    let message = Hostile::new(6);
    let count = clones.clone();
    *message.on_clone.borrow_mut() = Some(Rc::new(move || count.set(count.get() + 1)));
    let (sender, one) = broadcast::channel(2);
    let two = sender.subscribe();
    sender.send(message).ok().unwrap();
    assert_eq!((one.try_recv().unwrap().number, clones.get()), (6, 1));
    assert_eq!((two.try_recv().unwrap().number, clones.get()), (6, 1));
}

#[test]
fn a_cancelled_receiver_loses_no_message() {
    at_each_moment(|at| {
        let (sender, receiver) = broadcast::channel(8);
        let receiver = Rc::new(receiver);
        let got = Rc::new(RefCell::new(Vec::new()));
        let victim = create_task(coroutine({
            let (receiver, got) = (receiver.clone(), got.clone());
            move || {
                for _ in 0..2 {
                    let message = receiver.recv().co_await()?;
                    got.borrow_mut().push(message);
                }
                Ok(())
            }
        }));
        direct(&victim.any_task(), at, |round| {
            if round == 1 || round == 3 {
                sender.send(round).unwrap();
            }
        })?;
        ended(victim.co_await());
        let mut all = got.take();
        while let Ok(message) = receiver.try_recv() {
            all.push(message);
        }
        assert_eq!(all, [1, 3]);
        Ok(())
    });
}

#[test]
fn tasks_that_share_a_receiver_share_its_messages() {
    at_each_moment(|at| {
        let (sender, receiver) = broadcast::channel(8);
        let receiver = Rc::new(receiver);
        let got = Rc::new(RefCell::new(Vec::new()));
        let take_one = || {
            let (receiver, got) = (receiver.clone(), got.clone());
            create_task(coroutine(move || {
                let message = receiver.recv().co_await()?;
                got.borrow_mut().push(message);
                Ok(())
            }))
        };
        let victim = take_one();
        let others = [take_one(), take_one()];
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                sender.send(1).unwrap();
                sender.send(2).unwrap();
            }
        })?;
        let mut got_by_all = got.take();
        got_by_all.extend(std::iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(got_by_all, [1, 2]);
        drop(sender);
        for task in [victim].into_iter().chain(others) {
            let result = task.co_await();
            let closed = |error: &Error| error.downcast_ref() == Some(&broadcast::RecvError::Closed);
            assert!(result.as_ref().err().is_none_or(|error| error.is_cancelled() || closed(error)));
        }
        Ok(())
    });
}

#[test]
fn async_for_goes_over_a_broadcast_until_it_is_closed_and_raises_a_lag() {
    async_fn! {
        async fn all(receiver: broadcast::Receiver<u32>) -> Vec<u32> {
            let mut all = Vec::new();
            async for message in receiver { all.push(message); }
            all
        }
    }
    run(|| {
        let (sender, receiver) = broadcast::channel(2);
        let task = create_task(all(receiver));
        let lagging = create_task(all(sender.subscribe()));
        sender.send(1)?;
        sender.send(2)?;
        sleep(millis(1)).co_await()?;
        sender.send(3)?;
        drop(sender);
        assert_eq!(task.co_await()?, [1, 2, 3]);
        assert_eq!(lagging.co_await()?, [1, 2, 3]);

        let (sender, receiver) = broadcast::channel(1);
        sender.send(1)?;
        sender.send(2)?;
        let error = all(receiver).co_await().unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&broadcast::RecvError::Lagged(1)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn clones_and_destructors_of_the_user_may_use_the_same_broadcast() {
    run(|| {
        let first = Hostile::new(0);
        let (on_clone, on_drop) = (first.on_clone.clone(), first.on_drop.clone());
        let template = first.with(0);
        let (sender, receiver) = broadcast::channel(2);
        let sender = Rc::new(sender);
        let keeps_the_messages = sender.subscribe();
        let (calls, count) = once_at_a_time({
            let sender = sender.clone();
            move || {
                let another = sender.subscribe();
                for number in 100..103 {
                    sender.send(template.with(number)).ok().unwrap(); // overwrites what is being cloned
                }
                assert!(another.try_recv().is_err()); // has lagged
                assert_eq!(another.try_recv().ok().unwrap().number, 101);
                next_round().unwrap();
                drop(another.resubscribe());
            }
        });
        sender.send(first).ok().unwrap();
        *on_clone.borrow_mut() = Some(calls.clone());
        assert_eq!(receiver.try_recv().ok().unwrap().number, 0);
        assert_eq!(count.get(), 1);
        on_clone.take();
        // What is overwritten is dropped, and so is what the receiver has not got.
        *on_drop.borrow_mut() = Some(calls);
        sender.send(Hostile::new(7)).ok().unwrap();
        assert_eq!(count.get(), 2);
        drop(receiver);
        assert_eq!(count.get(), 2, "another has not got them either");
        drop(keeps_the_messages);
        assert!(count.get() > 2);
        on_drop.take();
        Ok(())
    })
    .unwrap();
}

// oneshot

#[test]
fn a_oneshot_gives_its_value_to_who_waits_or_comes_later() {
    run(|| {
        let (sender, receiver) = oneshot::channel();
        let waiting = create_task(receiver);
        next_round()?;
        assert_eq!(sender.send("egg"), Ok(()));
        assert_eq!(waiting.co_await()?, "egg");

        let (sender, receiver) = oneshot::channel();
        assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Empty));
        sender.send("toast").unwrap();
        assert_eq!((&receiver).co_await()?, "toast");
        assert!((&receiver).co_await().unwrap_err().is::<InvalidState>());
        assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Closed));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_oneshot_whose_sender_is_gone_is_an_error() {
    run(|| {
        let (sender, receiver) = oneshot::channel::<u32>();
        let waiting = create_task(coroutine(move || {
            assert!((&receiver).co_await().unwrap_err().is::<oneshot::RecvError>());
            assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Closed));
            assert!(receiver.co_await().unwrap_err().is::<oneshot::RecvError>());
            Ok(())
        }));
        next_round()?;
        drop(sender);
        waiting.co_await()
    })
    .unwrap();
}

#[test]
fn a_oneshot_whose_receiver_is_gone_gives_the_value_back() {
    run(|| {
        let (sender, receiver) = oneshot::channel();
        assert!(!sender.is_closed());
        drop(receiver);
        sender.closed().co_await()?;
        assert_eq!((sender.is_closed(), sender.send("egg")), (true, Err("egg")));

        let (sender, receiver) = oneshot::channel::<&str>();
        let closed = create_task(coroutine(move || {
            sender.closed().co_await()?;
            Ok(sender.send("egg"))
        }));
        let waiting = create_task(coroutine(move || {
            sleep(secs(1)).co_await()?;
            receiver.close();
            (&receiver).co_await()
        }));
        assert_eq!(closed.co_await()?, Err("egg"));
        assert!(waiting.co_await().unwrap_err().is::<oneshot::RecvError>());

        let (sender, receiver) = oneshot::channel();
        sender.send("egg").unwrap();
        receiver.close();
        assert_eq!(receiver.co_await()?, "egg", "what was sent before is there");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancelled_wait_for_a_oneshot_loses_no_value() {
    at_each_moment(|at| {
        let (sender, receiver) = oneshot::channel();
        let receiver = Rc::new(receiver);
        let got = Rc::new(Cell::new(None));
        let victim = create_task(coroutine({
            let (receiver, got) = (receiver.clone(), got.clone());
            move || {
                got.set(Some((&*receiver).co_await()?));
                Ok(())
            }
        }));
        let mut sender = Some(sender);
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                sender.take().unwrap().send("egg").unwrap();
            }
        })?;
        ended(victim.co_await());
        assert_eq!(got.get().or(receiver.try_recv().ok()), Some("egg"));
        Ok(())
    });
}

#[test]
fn a_cancelled_wait_by_value_closes_a_oneshot() {
    at_each_moment(|at| {
        let (sender, receiver) = oneshot::channel();
        let victim = create_task(receiver);
        let (mut sender, mut sent) = (Some(sender), None);
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                sent = sender.take().map(|sender| sender.send("egg"));
            }
        })?;
        match victim.co_await() {
            Ok(value) => assert_eq!((value, sent), ("egg", Some(Ok(())))),
            Err(error) => assert!(error.is_cancelled() && sent.is_some()),
        }
        Ok(())
    });
}

#[test]
fn a_cancelled_wait_for_the_end_of_a_oneshot_changes_nothing() {
    at_each_moment(|at| {
        let (sender, receiver) = oneshot::channel();
        let sender = Rc::new(sender);
        let wait = || {
            let sender = sender.clone();
            create_task(coroutine(move || sender.closed().co_await()))
        };
        let (victim, other) = (wait(), wait());
        let mut receiver = Some(receiver);
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                receiver.take();
            }
        })?;
        ended(victim.co_await());
        other.co_await()?;
        assert_eq!(Rc::into_inner(sender).unwrap().send("egg"), Err("egg"));
        Ok(())
    });
}

#[test]
fn destructors_of_the_user_may_use_the_same_oneshot() {
    run(|| {
        let (sender, receiver) = oneshot::channel();
        let receiver = Rc::new(RefCell::new(Some(receiver)));
        let value = Hostile::new(6);
        let (calls, count) = once_at_a_time({
            let receiver = receiver.clone();
            move || {
                assert!(receiver.borrow().is_none());
                next_round().unwrap();
            }
        });
        *value.on_drop.borrow_mut() = Some(calls);
        sender.send(value).ok().unwrap();
        let taken = receiver.take();
        drop(taken); // and with it the value, which nobody received
        assert_eq!(count.get(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn channels_survive_a_loop_that_ends_by_force() {
    let (watched, watcher) = watch::channel(0);
    let (broadcaster, listener) = broadcast::channel(2);
    let (one, shot) = oneshot::channel();
    let event_loop = event_loop();
    let (watcher, listener, shot) = (Rc::new(watcher), Rc::new(listener), Rc::new(shot));
    let (a, b, c) = (watcher.clone(), listener.clone(), shot.clone());
    event_loop.create_task(coroutine(move || a.changed().co_await()));
    event_loop.create_task(coroutine(move || b.recv().co_await()));
    event_loop.create_task(coroutine(move || (&*c).co_await()));
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    watched.send(1).unwrap();
    broadcaster.send(2).unwrap();
    one.send(3).unwrap();
    let ((), _reports) = reported(|| drop(event_loop));
    assert_eq!((watcher.has_changed(), listener.try_recv(), shot.try_recv()), (Ok(true), Ok(2), Ok(3)));
}
