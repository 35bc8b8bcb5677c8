//! Readiness callbacks of file descriptors: when they run, what ends them, what is not a deadlock because of them.
#![cfg(unix)]

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Instant;

use common::{Log, event_loop, quiet_panics, run};
use coro_core::prelude::*;
use coro_core::{ContextVar, Deadlock, Future, RuntimeError};

fn pair() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (Rc::new(near), Rc::new(far))
}

fn read(socket: &UnixStream) -> String {
    let mut buffer = [0; 100];
    let length = (&*socket).read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn write(socket: &UnixStream, text: &str) {
    (&*socket).write_all(text.as_bytes()).unwrap();
}

fn rounds(count: u32) -> Result<()> {
    (0..count).try_for_each(|_| sleep(secs(0)).co_await())
}

#[test]
fn a_reader_is_called_once_in_each_round_while_there_is_something_to_read() {
    run(|| {
        let (near, far) = pair();
        let calls = Rc::new(Cell::new(0));
        let count = calls.clone();
        get_running_loop()?.add_reader(&near, move || count.set(count.get() + 1))?;
        rounds(5)?;
        assert_eq!(calls.get(), 0);
        write(&far, "eggs");
        rounds(40)?;
        // Nearly: a wait may be interrupted.
        assert!((25..=40).contains(&calls.get()), "{}", calls.get());
        assert_eq!(read(&near), "eggs");
        let before = calls.get();
        rounds(5)?;
        assert!(calls.get() <= before + 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_busy_loop_on_the_real_clock_looks_at_what_it_watches() {
    let main = coroutine(|| {
        let (near, far) = pair();
        let seen = Rc::new(Cell::new(false));
        let see = seen.clone();
        get_running_loop()?.add_reader(&near, move || see.set(true))?;
        write(&far, "eggs");
        rounds(40)?; // the ready queue is never empty
        assert!(seen.get());
        Ok(())
    });
    coro_core::RunBuilder::new().handle_interrupts(false).run(main).unwrap();
}

#[test]
fn readers_and_writers_of_one_socket_are_apart_and_can_be_replaced() {
    run(|| {
        let event_loop = get_running_loop()?;
        let (near, far) = pair();
        let log = Log::new();
        let say = |what: &'static str| {
            let log = log.clone();
            move || log.push(what)
        };
        event_loop.add_reader(&near, say("replaced"))?;
        event_loop.add_reader(&near, say("read"))?;
        event_loop.add_writer(&near, say("write"))?;
        write(&far, "eggs");
        rounds(20)?;
        assert!(event_loop.remove_writer(&near));
        let mut first = log.take();
        first.sort();
        first.dedup();
        assert_eq!(first, ["read", "write"]);
        rounds(2)?;
        assert!(event_loop.remove_reader(&near));
        assert!(log.take().iter().all(|what| what == "read"));
        rounds(2)?;
        assert_eq!(log.take(), Vec::<String>::new());
        assert!(!event_loop.remove_reader(&near) && !event_loop.remove_writer(&near));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_callback_removes_or_replaces_itself_and_others_that_are_due() {
    run(|| {
        let event_loop = get_running_loop()?;
        let ((one, far_one), (two, far_two)) = (pair(), pair());
        let log = Log::new();
        // Whichever is called first takes the other back, and puts another in its own place.
        for (mine, other) in [(&one, &two), (&two, &one)] {
            let (event_loop, log, mine2, other) =
                (event_loop.clone(), log.clone(), mine.clone(), other.clone());
            let flag = log.flag("dropped");
            get_running_loop()?.add_reader(mine, move || {
                let _flag = &flag;
                log.push("called");
                assert!(event_loop.remove_reader(&other));
                let (event_loop2, log, mine3) = (event_loop.clone(), log.clone(), mine2.clone());
                event_loop
                    .add_reader(&mine2, move || {
                        log.push("new");
                        assert!(event_loop2.remove_reader(&mine3));
                    })
                    .unwrap();
            })?;
        }
        write(&far_one, "eggs");
        write(&far_two, "eggs");
        rounds(6)?;
        let mut log = log.take();
        log.sort();
        assert_eq!(log, ["called", "dropped", "dropped", "new"]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_closed_original_is_still_watched_and_its_number_can_be_used_again() {
    run(|| {
        let event_loop = get_running_loop()?;
        let log = Log::new();
        let (near, far) = pair();
        let number = near.as_raw_fd();
        let (said, reader) = (log.clone(), near.try_clone()?);
        event_loop.add_reader(&near, move || said.push(read(&reader)))?;
        drop(near);
        write(&far, "eggs");
        rounds(3)?;
        assert_eq!(log.take(), ["eggs"]);
        assert!(event_loop.remove_reader(&number));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_panic_is_told_and_the_reader_stays() {
    quiet_panics();
    run(|| {
        let event_loop = get_running_loop()?;
        let log = Log::new();
        let told = log.clone();
        event_loop.set_exception_handler(move |_, context| told.push(context.message.clone()));
        let (near, far) = pair();
        let (said, reader) = (log.clone(), near.clone());
        event_loop.add_reader(&near, move || {
            let text = read(&reader);
            said.push(text.clone());
            assert!(text != "burnt", "meant: burnt");
        })?;
        write(&far, "burnt");
        sleep(secs(1)).co_await()?;
        write(&far, "eggs");
        sleep(secs(1)).co_await()?;
        let log = log.take();
        assert_eq!((log[0].as_str(), log[2].as_str()), ("burnt", "eggs"));
        assert!(log[1].starts_with("Exception in callback at tests/watch.rs"), "{log:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_reader_runs_in_the_context_it_was_added_in() {
    static EGGS: ContextVar<u32> = ContextVar::new("eggs");
    run(|| {
        let (near, far) = pair();
        let got = Future::new();
        EGGS.set(6);
        get_running_loop()?.add_reader(&near, {
            let (near, got) = (near.clone(), got.clone());
            move || {
                read(&near);
                got.set_result(EGGS.get().unwrap()).unwrap();
            }
        })?;
        EGGS.set(7);
        write(&far, "eggs");
        assert_eq!(got.co_await()?, 6);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_only_a_reader_could_wake_is_no_deadlock() {
    run(|| {
        let (near, far) = pair();
        let got = Future::new();
        get_running_loop()?.add_reader(&near, {
            let (near, got) = (near.clone(), got.clone());
            move || got.set_result(read(&near)).unwrap()
        })?;
        let far = far.try_clone()?;
        let writer = thread::spawn(move || {
            thread::sleep(millis(30));
            write(&far, "eggs");
        });
        assert_eq!(got.co_await()?, "eggs");
        writer.join().unwrap();
        assert!(get_running_loop()?.remove_reader(&near));
        let error = Future::<u32>::new().co_await().unwrap_err();
        assert!(error.is::<Deadlock>());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_virtual_clock_jumps_though_something_is_watched_but_not_while_it_is_ready() {
    let before = Instant::now();
    run(|| {
        let (near, far) = pair();
        let event_loop = get_running_loop()?;
        let log = Log::new();
        event_loop.add_reader(&near, {
            let (near, log, event_loop) = (near.clone(), log.clone(), event_loop.clone());
            move || log.push(format!("{} {:?}", read(&near), event_loop.time()))
        })?;
        sleep(secs(3600)).co_await()?;
        write(&far, "eggs");
        sleep(secs(3600)).co_await()?;
        assert_eq!(log.take(), ["eggs 3600s"]);
        Ok(())
    })
    .unwrap();
    assert!(before.elapsed() < secs(60));
}

#[test]
fn closing_the_loop_drops_readers_and_refuses_new_ones() {
    let log = Log::new();
    let event_loop = event_loop();
    let (near, far) = pair();
    let (flag, held) = (log.flag("dropped"), event_loop.clone());
    let again = near.clone();
    event_loop
        .add_reader(&near, move || {
            let _ = (&flag, &held, &again);
        })
        .unwrap();
    event_loop.close().unwrap();
    assert_eq!(log.take(), ["dropped"]);
    let error = event_loop.add_reader(&near, || ()).unwrap_err();
    assert!(error.is::<RuntimeError>());
    assert_eq!(error.to_string(), "Event loop is closed");
    assert!(!event_loop.remove_reader(&near) && !event_loop.remove_writer(&near));
    // The duplicate is closed too: the other side sees the end.
    drop(near);
    assert_eq!(read(&far), "");
}

#[test]
fn a_destructor_of_a_callback_may_use_the_loop() {
    struct Readd(coro_core::EventLoop, Rc<UnixStream>, Log);
    impl Drop for Readd {
        fn drop(&mut self) {
            let refused = self.0.add_reader(&self.1, || ()).is_err();
            self.2.push(format!("{refused} {}", self.0.remove_reader(&self.1)));
        }
    }
    let (log, event_loop) = (Log::new(), event_loop());
    let (near, _far) = pair();
    for _ in 0..2 {
        let readd = Readd(event_loop.clone(), near.clone(), log.clone());
        event_loop
            .add_reader(&near, move || {
                let _ = &readd;
            })
            .unwrap();
    }
    // The one that was replaced has replaced the one that came after it.
    assert_eq!(log.take(), ["false true", "false false"]);
    let readd = Readd(event_loop.clone(), near.clone(), log.clone());
    event_loop
        .add_reader(&near, move || {
            let _ = &readd;
        })
        .unwrap();
    event_loop.close().unwrap();
    assert_eq!(log.take(), ["true false"]);
}

#[test]
fn a_pipe_and_the_end_of_the_other_side_are_ready_too() {
    run(|| {
        let (reader, writer) = std::io::pipe()?;
        let ended = Future::new();
        get_running_loop()?.add_reader(&reader, {
            let (mut reader, ended) = (reader.try_clone()?, ended.clone());
            move || {
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).unwrap();
                let _ = ended.set_result(rest);
            }
        })?;
        let writable = Future::new();
        let set = writable.clone();
        get_running_loop()?.add_writer(&writer, move || {
            let _ = set.set_result(());
        })?;
        writable.co_await()?;
        get_running_loop()?.remove_writer(&writer);
        (&writer).write_all(b"eggs")?;
        drop(writer);
        assert_eq!(ended.co_await()?, b"eggs");
        Ok(())
    })
    .unwrap();
}
