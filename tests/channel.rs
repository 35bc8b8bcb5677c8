//! The channel between threads: what is sent arrives once, whoever waits and however a wait ends.

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{at_each_moment, direct, ended, next_round, run};
use coro_core::prelude::*;
use coro_core::{QueueEmpty, RuntimeError, channel};

#[test]
fn its_ends_go_to_other_threads() {
    fn send_and_sync<T: Send + Sync>(_: &T) {}
    let (sender, receiver) = channel::unbounded::<std::cell::Cell<u32>>();
    send_and_sync(&sender);
    send_and_sync(&receiver);
}

#[test]
fn a_cancelled_receive_takes_nothing() {
    at_each_moment(|at| {
        let (sender, receiver) = channel::bounded(4);
        let got = Rc::new(RefCell::new(Vec::new()));
        let victim = create_task(coroutine({
            let (receiver, got) = (receiver.clone(), got.clone());
            move || {
                got.borrow_mut().push(receiver.recv()?);
                Ok(())
            }
        }));
        direct(&victim.any_task(), at, |round| match round {
            1 | 3 => sender.try_send(round).unwrap(),
            _ => {}
        })?;
        ended(victim.co_await());
        while let Ok(value) = receiver.try_recv() {
            got.borrow_mut().push(value);
        }
        assert_eq!(*got.borrow(), [1, 3]);
        Ok(())
    });
}

#[test]
fn a_cancelled_receiver_that_was_notified_passes_that_on() {
    at_each_moment(|at| {
        let (sender, receiver) = channel::bounded(2);
        let take = |receiver: channel::Receiver<u32>| create_task(coroutine(move || receiver.recv()));
        let (victim, next) = (take(receiver.clone()), take(receiver.clone()));
        next_round()?;
        direct(&victim.any_task(), at, |round| {
            if round < 2 {
                sender.try_send(round).unwrap();
            }
        })?;
        drop(sender);
        // Two values were sent, at most one of them to the victim; or it gave way, and `next` is served.
        ended(victim.co_await());
        next.co_await().map(drop)
    });
}

#[test]
fn a_cancelled_send_gives_the_value_back() {
    at_each_moment(|at| {
        let (sender, receiver) = channel::bounded(1);
        sender.try_send("first")?;
        let (back, began) = (Rc::new(RefCell::new(None)), Rc::new(Event::new()));
        let victim = create_task(coroutine({
            let (sender, back, began) = (sender.clone(), back.clone(), began.clone());
            move || {
                began.set();
                sender.send("second").map_err(|refused| {
                    *back.borrow_mut() = Some(refused.value);
                    refused.reason
                })
            }
        }));
        began.wait().co_await()?;
        let mut got = Vec::new();
        direct(&victim.any_task(), at, |round| {
            if round == 2 {
                got.extend(receiver.try_recv());
            }
        })?;
        ended(victim.co_await());
        got.extend(receiver.try_recv());
        got.extend(back.take());
        assert_eq!(got, ["first", "second"]);
        Ok(())
    });
}

#[test]
fn a_timeout_goes_by_the_clock_of_the_loop() -> Result<()> {
    run(|| {
        let (sender, receiver) = channel::bounded(1);
        assert!(receiver.recv_timeout(secs(60)).unwrap_err().is_timeout());
        sender.send(1)?;
        let late = sender.send_timeout(2, secs(60)).unwrap_err();
        assert!(late.reason.is_timeout() && late.value == 2);
        assert_eq!(get_running_loop()?.time(), secs(120));
        Ok(())
    })
}

#[test]
fn where_nothing_can_wait_only_waiting_is_refused() -> Result<()> {
    run(|| {
        let (sender, receiver) = channel::bounded(1);
        let (results, called) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Event::new()));
        get_running_loop()?.call_soon({
            let (results, called) = (results.clone(), called.clone());
            move || {
                called.set();
                results.borrow_mut().push(receiver.recv());
                sender.send(1).unwrap();
                results.borrow_mut().push(sender.send(2).map(|()| 0).map_err(Error::from));
                results.borrow_mut().push(receiver.recv());
            }
        });
        called.wait().co_await()?;
        let results = results.take();
        assert!(results[0].as_ref().unwrap_err().is::<RuntimeError>());
        assert!(results[1].as_ref().unwrap_err().is::<RuntimeError>());
        assert!(matches!(results[2], Ok(1)));
        Ok(())
    })
}

#[test]
fn closing_wakes_all_who_wait_and_keeps_what_is_there() -> Result<()> {
    run(|| {
        let (sender, receiver) = channel::bounded(1);
        let receivers = [(); 3].map(|()| {
            let receiver = receiver.clone();
            create_task(coroutine(move || receiver.recv()))
        });
        next_round()?;
        sender.try_send("eggs")?;
        let full = create_task(coroutine({
            let sender = sender.clone();
            move || Ok(sender.send("more")?)
        }));
        sender.close();
        let results = receivers.map(|task| task.co_await());
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|e| e.is::<channel::Closed>()));
        assert!(full.co_await().unwrap_err().is::<channel::Closed>());
        assert!(receiver.try_recv().unwrap_err().is::<channel::Closed>());
        Ok(())
    })
}

#[test]
fn the_last_receiver_takes_what_is_left_with_it() {
    let (sender, receiver) = channel::unbounded();
    let value = Arc::new(());
    sender.send(Arc::clone(&value)).unwrap();
    let other = receiver.clone();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(other);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(sender.send(value).unwrap_err().reason.is::<channel::Closed>());
}

#[test]
fn an_empty_channel_that_is_open_is_told_from_a_closed_one() {
    let (sender, receiver) = channel::bounded::<u32>(1);
    assert!(receiver.try_recv().unwrap_err().is::<QueueEmpty>());
    drop(sender);
    assert!(receiver.try_recv().unwrap_err().is::<channel::Closed>());
}

#[test]
fn a_panicking_receiver_loses_no_wake_up() -> Result<()> {
    common::quiet_panics();
    run(|| {
        let (sender, receiver) = channel::bounded(1);
        let first = create_task(coroutine({
            let receiver = receiver.clone();
            move || -> Result<u32> {
                let _ = wait_for(coroutine(|| receiver.recv()), secs(1)).co_await();
                panic!("meant: gone")
            }
        }));
        let second = create_task(coroutine({
            let receiver = receiver.clone();
            move || receiver.recv()
        }));
        sleep(secs(2)).co_await()?;
        sender.send(7)?;
        assert_eq!(second.co_await()?, 7);
        assert!(first.co_await().is_err());
        Ok(())
    })
}

/// Two loops in two threads hand values back and forth, each waiting for the other.
#[test]
fn loops_in_two_threads_play_ping_pong() {
    let (ping, pinged) = channel::bounded(1);
    let (pong, ponged) = channel::bounded(1);
    let other = thread::spawn(move || {
        coro_core::run(coroutine(move || {
            while let Ok(value) = pinged.recv() {
                pong.send(value + 1)?;
            }
            Ok(())
        }))
    });
    let last = coro_core::run(coroutine(move || {
        let mut value = 0;
        while value < 2000 {
            ping.send(value)?;
            value = ponged.recv()?;
        }
        Ok(value)
    }));
    assert_eq!(last.unwrap(), 2000);
    other.join().unwrap().unwrap();
}

/// Threads and loops on both sides of a small channel: each value arrives exactly once.
#[test]
fn every_value_arrives_once_between_many_threads_and_tasks() {
    const EACH: usize = 500;
    let (sender, receiver) = channel::bounded(3);
    let mut sending = Vec::new();
    for number in 0..4 {
        let sender = sender.clone();
        sending.push(thread::spawn(move || {
            let send = move |task: usize| {
                let sender = sender.clone();
                coroutine(move || {
                    (0..EACH)
                        .try_for_each(|n| sender.send((number * 2 + task) * EACH + n))
                        .map_err(Error::from)
                })
            };
            match number % 2 {
                0 => [0, 1].into_iter().try_for_each(|task| send(task).co_await()),
                _ => coro_core::run(coroutine(|| gather([0, 1].map(send)).co_await())).map(drop),
            }
        }));
    }
    drop(sender);
    let count = Arc::new(AtomicUsize::new(0));
    let receiving: Vec<_> = (0..3)
        .map(|number| {
            let (receiver, count) = (receiver.clone(), count.clone());
            let take = move || {
                let mut got = Vec::new();
                while let Ok(value) = receiver.recv() {
                    got.push(value);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(got)
            };
            thread::spawn(move || match number {
                0 => take(),
                _ => coro_core::run(coroutine(take)),
            })
        })
        .collect();
    drop(receiver);
    sending.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    let all: Vec<usize> = receiving.into_iter().flat_map(|thread| thread.join().unwrap().unwrap()).collect();
    assert_eq!((all.len(), count.load(Ordering::Relaxed)), (8 * EACH, 8 * EACH));
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 8 * EACH);
}
