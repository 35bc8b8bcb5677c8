//! Signals: handlers of a loop, streams, and what is left of them in the process. Ctrl-C under `run` is in
//! `interrupt.rs`.
//!
//! Dispositions belong to the process, so each test runs in one of its own.
#![cfg(unix)]

mod common;

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use common::{Log, assert_well, event_loop, in_child, quiet_panics, run, run_ordered};
use coro_core::prelude::*;
use coro_core::signal::{SignalKind, Signals, ctrl_c, signal};
use coro_core::{ContextVar, Deadlock, EventLoop, RuntimeError, ValueError};

/// Runs the test in a process of its own, which does not hang for ever. `None` in that process.
fn alone(test: &str, f: impl FnOnce()) -> Option<Output> {
    in_child(test, || {
        give_up_after_a_minute();
        f();
    })
}

/// Tests that run in a process of their own and end well.
macro_rules! alone {
    ($($(#[$($attribute:tt)*])* fn $name:ident() $body:block)+) => {$(
        $(#[$($attribute)*])*
        fn $name() {
            if let Some(output) = alone(stringify!($name), || $body) {
                assert_well(&output);
            }
        }
    )+};
}

#[allow(unsafe_code)]
fn give_up_after_a_minute() {
    // SAFETY: it only sets a timer; its signal ends the process.
    unsafe { libc::alarm(60) };
}

/// Sends it to this very thread: it has arrived when this returns.
#[allow(unsafe_code)]
fn raise(kind: SignalKind) {
    // SAFETY: it only raises a signal, whose handlers are the library's or those of this file.
    unsafe { libc::raise(kind.as_raw()) };
}

/// Sends it to the process: any thread may take it.
#[allow(unsafe_code)]
fn kill(kind: SignalKind) {
    // SAFETY: as above.
    unsafe { libc::kill(libc::getpid(), kind.as_raw()) };
}

#[allow(unsafe_code)]
fn set_disposition(kind: SignalKind, handler: libc::sighandler_t) {
    // SAFETY: `handler` is SIG_IGN, SIG_DFL or `does_nothing`.
    unsafe { libc::signal(kind.as_raw(), handler) };
}

fn disposition(kind: SignalKind) -> libc::sighandler_t {
    action(kind).sa_sigaction
}

#[allow(unsafe_code)]
fn action(kind: SignalKind) -> libc::sigaction {
    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: it only asks for the present action.
    assert_eq!(unsafe { libc::sigaction(kind.as_raw(), std::ptr::null(), &raw mut action) }, 0);
    action
}

extern "C" fn does_nothing(_signal: libc::c_int) {}

fn foreign_handler() -> libc::sighandler_t {
    does_nothing as extern "C" fn(libc::c_int) as *const () as libc::sighandler_t
}

fn rounds(count: u32) -> Result<()> {
    (0..count).try_for_each(|_| sleep(secs(0)).co_await())
}

const USR1: SignalKind = SignalKind::user_defined1();
const USR2: SignalKind = SignalKind::user_defined2();

alone! {
    #[test]
    fn handlers_run_in_the_order_of_the_signals_two_rounds_after_the_step_in_which_they_came() {
        static EGGS: ContextVar<u32> = ContextVar::new("eggs");
        let log = Log::new();
        run_ordered(|| {
            EGGS.set(10);
            for (kind, name) in [(USR1, "one"), (USR2, "two")] {
                let log = log.clone();
                get_running_loop()?.add_signal_handler(kind, move || {
                    log.push(format!("{name} {}", EGGS.get().unwrap()));
                    EGGS.set(EGGS.get().unwrap() + 1);
                })?;
            }
            EGGS.set(20);
            [USR2, USR1, USR1, USR2].into_iter().for_each(raise);
            log.push("sent");
            rounds(1)?;
            log.push("one round later");
            rounds(1)?;
            log.push("two rounds later");
            rounds(1)
        })
        .unwrap();
        // As asyncio prints it; each handler has a context of its own.
        let expected =
            ["sent", "one round later", "two rounds later", "two 10", "one 10", "one 11", "two 11"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn a_second_handler_replaces_the_first() {
        let log = Log::new();
        run(|| {
            for name in ["first", "second"] {
                let log = log.clone();
                get_running_loop()?.add_signal_handler(USR1, move || log.push(name))?;
            }
            raise(USR1);
            rounds(3)
        })
        .unwrap();
        assert_eq!(log.take(), ["second"]);
    }

    #[test]
    fn a_signal_that_was_not_read_when_its_handler_is_removed_is_dropped() {
        let log = Log::new();
        run(|| {
            let event_loop = get_running_loop()?;
            let handler = log.clone();
            event_loop.add_signal_handler(USR1, move || handler.push("called"))?;
            raise(USR1);
            assert!(event_loop.remove_signal_handler(USR1));
            assert!(!event_loop.remove_signal_handler(USR1));
            rounds(3)
        })
        .unwrap();
        assert!(log.take().is_empty());
    }

    #[test]
    fn a_handler_may_make_tasks() {
        let log = Log::new();
        run(|| {
            let handler = log.clone();
            get_running_loop()?.add_signal_handler(USR1, move || {
                let log = handler.clone();
                create_task(coroutine(move || {
                    sleep(secs(1)).co_await()?;
                    log.push("task");
                    Ok(())
                }));
            })?;
            raise(USR1);
            sleep(secs(2)).co_await()
        })
        .unwrap();
        assert_eq!(log.take(), ["task"]);
    }

    #[test]
    fn a_panic_of_a_handler_is_told_and_the_handler_stays() {
        quiet_panics();
        let log = Log::new();
        run(|| {
            let event_loop = get_running_loop()?;
            let told = log.clone();
            event_loop.set_exception_handler(move |_, context| {
                assert!(context.exception.as_ref().unwrap().is_panic());
                told.push("told");
            });
            let called = log.clone();
            event_loop.add_signal_handler(USR1, move || {
                called.push("called");
                panic!("expected");
            })?;
            for _ in 0..2 {
                raise(USR1);
                rounds(3)?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["called", "told", "called", "told"]);
    }

    #[test]
    fn a_handler_may_remove_and_replace_itself() {
        let log = Log::new();
        run(|| {
            let event_loop = get_running_loop()?;
            let (own, flag, first) = (event_loop.clone(), log.flag("first dropped"), log.clone());
            event_loop.add_signal_handler(USR1, move || {
                let second = first.clone();
                own.add_signal_handler(USR1, move || second.push("second")).unwrap();
                first.push("first");
                let _ = &flag;
            })?;
            raise(USR1);
            rounds(3)?;
            raise(USR1);
            rounds(3)?;
            let (own, last) = (event_loop.clone(), log.clone());
            event_loop.add_signal_handler(USR1, move || {
                assert!(own.remove_signal_handler(USR1));
                last.push("last");
            })?;
            raise(USR1);
            rounds(3)?;
            assert_eq!(disposition(USR1), libc::SIG_DFL);
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["first", "first dropped", "second", "last"]);
    }

    #[test]
    fn the_former_disposition_comes_back_with_the_end_of_the_last_handler() {
        for before in [libc::SIG_DFL, libc::SIG_IGN, foreign_handler()] {
            set_disposition(USR1, before);
            let (one, other) = (event_loop(), event_loop());
            one.add_signal_handler(USR1, || ()).unwrap();
            let ours = disposition(USR1);
            assert_ne!(ours, before);
            other.add_signal_handler(USR1, || ()).unwrap();
            assert!(one.remove_signal_handler(USR1));
            assert_eq!(disposition(USR1), ours);
            other.close().unwrap();
            assert!(!other.remove_signal_handler(USR1));
            assert_eq!(disposition(USR1), before);
        }
    }

    #[test]
    fn the_signal_handler_does_not_run_on_the_stack_of_a_task() {
        let event_loop = event_loop();
        event_loop.add_signal_handler(USR1, || ()).unwrap();
        assert_ne!(action(USR1).sa_flags & libc::SA_ONSTACK, 0);
    }

    #[test]
    fn what_others_have_installed_meanwhile_stays() {
        let event_loop = event_loop();
        event_loop.add_signal_handler(USR1, || ()).unwrap();
        set_disposition(USR1, foreign_handler());
        assert!(event_loop.remove_signal_handler(USR1));
        assert_eq!(disposition(USR1), foreign_handler());
    }

    #[test]
    fn a_signal_wakes_an_idle_loop() {
        let started = Instant::now();
        EventLoop::new()
            .unwrap()
            .run_until_complete(coroutine(move || {
                let stop = Rc::new(Event::new());
                let handler = stop.clone();
                get_running_loop()?.add_signal_handler(USR1, move || handler.set())?;
                let sender = thread::spawn(|| kill(USR1));
                wait_for(stop.wait(), secs(3600)).co_await()?;
                sender.join().unwrap();
                Ok(())
            }))
            .unwrap();
        assert!(started.elapsed() < secs(30));
    }

    #[test]
    fn a_signal_that_comes_in_a_long_step_is_handled_after_it() {
        let log = Log::new();
        run(|| {
            let handler = log.clone();
            get_running_loop()?.add_signal_handler(USR1, move || handler.push("handled"))?;
            // It returns when the signal was delivered, to whatever thread.
            thread::spawn(|| raise(USR1)).join().unwrap();
            log.push("end of the step");
            rounds(3)
        })
        .unwrap();
        assert_eq!(log.take(), ["end of the step", "handled"]);
    }

    #[test]
    fn loops_of_several_threads_are_all_told() {
        let (ready, all_ready) = mpsc::channel();
        let threads = [(); 3].map(|()| {
            let ready = ready.clone();
            thread::spawn(move || {
                coro_core::run(coroutine(|| {
                    let mut signals = signal(USR1)?;
                    ready.send(()).unwrap();
                    signals.anext()
                }))
            })
        });
        (0..3).for_each(|_| all_ready.recv().unwrap());
        kill(USR1);
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap(), Some(USR1));
        }
        assert_eq!(disposition(USR1), libc::SIG_DFL);
    }

    #[test]
    fn threads_that_come_and_go_under_a_storm_of_signals_do_no_harm() {
        set_disposition(USR1, libc::SIG_IGN); // by default those between two subscriptions would end the process
        let (stop, stopped) = mpsc::channel::<()>();
        let sender = thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                kill(USR1);
            }
        });
        let threads = [(); 2].map(|()| {
            thread::spawn(|| {
                for _ in 0..200 {
                    let event_loop = event_loop();
                    event_loop.add_signal_handler(USR1, || ()).unwrap();
                    event_loop.run_until_complete(sleep(secs(0))).unwrap();
                    event_loop.close().unwrap();
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(stop);
        sender.join().unwrap();
    }

    #[test]
    fn a_child_process_that_ends_is_told_by_its_signal() {
        EventLoop::new()
            .unwrap()
            .run_until_complete(coroutine(|| {
                let mut signals = signal(SignalKind::child())?;
                let mut child = Command::new("true").spawn()?;
                assert_eq!(signals.anext()?, Some(SignalKind::child()));
                assert!(child.wait()?.success());
                Ok(())
            }))
            .unwrap();
    }

    #[test]
    #[allow(unsafe_code)]
    fn in_a_fork_the_signal_does_what_it_did_before_and_the_parent_hears_nothing() {
        let calls = Rc::new(Cell::new(0));
        run(|| {
            let handler = calls.clone();
            get_running_loop()?.add_signal_handler(USR1, move || handler.set(handler.get() + 1))?;
            // SAFETY: the child only raises a signal and exits.
            let child = unsafe { libc::fork() };
            if child == 0 {
                raise(USR1);
                // SAFETY: it ends the child at once.
                unsafe { libc::_exit(0) };
            }
            let mut status = 0;
            // SAFETY: it waits for the child of just now.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(libc::WTERMSIG(status), libc::SIGUSR1);
            rounds(3)?;
            assert_eq!(calls.get(), 0);
            raise(USR1); // here it is handled as before
            rounds(3)
        })
        .unwrap();
        assert_eq!(calls.get(), 1);
    }

    #[test]
    #[allow(unsafe_code)]
    fn a_fork_may_have_handlers_of_its_own_and_leaves_its_parents_alone() {
        let event_loop_of_the_parent = event_loop();
        event_loop_of_the_parent.add_signal_handler(USR1, || panic!("it is the parent's")).unwrap();
        // SAFETY: no other thread of this process holds a lock that the child needs: the test harness only waits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let own = event_loop();
            own.add_signal_handler(USR2, || ()).unwrap();
            let calls = Rc::new(Cell::new(0));
            let handler = calls.clone();
            own.add_signal_handler(USR1, move || handler.set(handler.get() + 1)).unwrap();
            raise(USR1);
            own.run_until_complete(coroutine(|| rounds(3))).unwrap();
            own.close().unwrap();
            let restored = disposition(USR1) == libc::SIG_DFL && disposition(USR2) == libc::SIG_DFL;
            // SAFETY: it ends the child at once.
            unsafe { libc::_exit(if calls.get() == 1 && restored { 7 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: it waits for the child of just now.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status), "{status}");
        assert_eq!(libc::WEXITSTATUS(status), 7);
    }

    #[test]
    fn what_only_a_signal_could_wake_is_no_deadlock() {
        let woken = run(|| {
            let stop = Rc::new(Event::new());
            let handler = stop.clone();
            get_running_loop()?.add_signal_handler(USR1, move || handler.set())?;
            let sender = thread::spawn(|| kill(USR1));
            stop.wait().co_await()?;
            sender.join().unwrap();
            assert!(get_running_loop()?.remove_signal_handler(USR1));
            Event::new().wait().co_await()
        });
        assert!(woken.unwrap_err().is::<Deadlock>());
    }

    #[test]
    fn a_virtual_clock_does_not_wait_for_signals() {
        run(|| {
            get_running_loop()?.add_signal_handler(USR1, || ())?;
            sleep(secs(3600)).co_await()
        })
        .unwrap();
    }

    #[test]
    fn a_stream_gives_each_kind_once_in_the_order_of_their_first() {
        run(|| {
            let mut signals = Signals::new([USR1, USR2, USR1])?;
            assert_eq!(format!("{signals:?}"), "Signals([SIGUSR1, SIGUSR2])");
            [USR2, USR1, USR2, USR2].into_iter().for_each(raise);
            assert_eq!(signals.anext()?, Some(USR2));
            assert_eq!(signals.anext()?, Some(USR1));
            let nothing = wait_for(coroutine(|| signals.anext()), secs(1)).co_await();
            assert!(nothing.unwrap_err().is_timeout());
            raise(USR2);
            assert_eq!(signals.anext()?, Some(USR2));
            drop(signals);
            assert_eq!((disposition(USR1), disposition(USR2)), (libc::SIG_DFL, libc::SIG_DFL));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn streams_and_a_handler_are_told_of_the_same_signal() {
        let log = Log::new();
        run(|| {
            let event_loop = get_running_loop()?;
            let handler = log.clone();
            event_loop.add_signal_handler(USR1, move || handler.push("handler"))?;
            let (mut one, mut other) = (signal(USR1)?, signal(USR1)?);
            raise(USR1);
            assert_eq!((one.anext()?, other.anext()?), (Some(USR1), Some(USR1)));
            drop(one);
            assert!(event_loop.remove_signal_handler(USR1));
            raise(USR1);
            assert_eq!(other.anext()?, Some(USR1));
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take(), ["handler"]);
    }

    #[test]
    fn a_cancelled_wait_loses_no_signal() {
        run(|| {
            let mut signals = signal(USR1)?;
            TaskGroup::scope(|group| {
                let waiter = group.create_task(coroutine(|| signals.anext()));
                sleep(secs(1)).co_await()?;
                raise(USR1);
                rounds(1)?; // it is read now
                waiter.cancel();
                assert!(waiter.co_await().unwrap_err().is_cancelled());
                Ok(())
            })?;
            assert_eq!(signals.anext()?, Some(USR1));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_stream_belongs_to_its_loop() {
        let (one, other) = (event_loop(), event_loop());
        let mut signals = one.run_until_complete(coroutine(|| signal(USR1))).unwrap();
        let elsewhere = other.run_until_complete(coroutine(move || {
            let error = signals.anext().unwrap_err();
            Ok((signals, error.to_string()))
        }));
        let (mut signals, error) = elsewhere.unwrap();
        assert_eq!(error, "the signals come to a different event loop");
        one.close().unwrap();
        assert_eq!(disposition(USR1), libc::SIG_DFL);
        assert_eq!(signals.anext().unwrap_err().to_string(), "Event loop is closed");
    }

    #[test]
    fn ctrl_c_listens_while_it_is_awaited() {
        set_disposition(SignalKind::interrupt(), libc::SIG_DFL); // who is started in the background ignores it
        run(|| {
            let pressed = ctrl_c();
            assert_eq!(disposition(SignalKind::interrupt()), libc::SIG_DFL);
            get_running_loop()?.call_later(secs(1), || raise(SignalKind::interrupt()));
            pressed.co_await()?;
            assert_eq!(disposition(SignalKind::interrupt()), libc::SIG_DFL);
            assert!(wait_for(ctrl_c(), secs(1)).co_await().unwrap_err().is_timeout());
            assert_eq!(disposition(SignalKind::interrupt()), libc::SIG_DFL);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn signals_that_cannot_be_handled_are_refused_by_name() {
        let event_loop = event_loop();
        let add = |signal| event_loop.add_signal_handler(SignalKind::from_raw(signal), || ()).unwrap_err();
        for (signal, name) in [(libc::SIGKILL, "SIGKILL"), (libc::SIGSTOP, "SIGSTOP"), (libc::SIGSEGV, "SIGSEGV")] {
            assert!(add(signal).is::<RuntimeError>());
            assert_eq!(add(signal).to_string(), format!("{name} cannot be caught"));
            assert!(!event_loop.remove_signal_handler(SignalKind::from_raw(signal)));
        }
        for signal in [-1, 0, 200, 100_000] {
            assert!(add(signal).is::<ValueError>());
            assert_eq!(add(signal).to_string(), format!("invalid signal number {signal}"));
        }
        event_loop.close().unwrap();
        assert_eq!(add(libc::SIGUSR1).to_string(), "Event loop is closed");
    }

    #[test]
    fn a_refused_stream_gives_back_what_it_had() {
        run(|| {
            let refused = Signals::new([USR1, SignalKind::from_raw(libc::SIGKILL)]);
            assert_eq!(refused.unwrap_err().to_string(), "SIGKILL cannot be caught");
            assert_eq!(disposition(USR1), libc::SIG_DFL);
            Ok(())
        })
        .unwrap();
        assert_eq!(signal(USR1).unwrap_err().to_string(), "no running event loop");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn real_time_signals_have_no_names_but_work() {
        run(|| {
            let kind = SignalKind::from_raw(libc::SIGRTMAX());
            assert_eq!(kind.to_string(), "signal 64");
            let mut signals = signal(kind)?;
            raise(kind);
            assert_eq!(signals.anext()?, Some(kind));
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn after_the_loop_is_closed_the_signal_ends_the_process() {
    let output = alone("after_the_loop_is_closed_the_signal_ends_the_process", || {
        let event_loop = event_loop();
        event_loop.add_signal_handler(SignalKind::terminate(), || ()).unwrap();
        raise(SignalKind::terminate());
        event_loop.close().unwrap();
        eprintln!("closed");
        raise(SignalKind::terminate());
        eprintln!("never");
    });
    if let Some(output) = output {
        assert_eq!(output.status.signal(), Some(libc::SIGTERM), "{}", common::stderr(&output));
        assert!(common::stderr(&output).contains("closed") && !common::stderr(&output).contains("never"));
    }
}
