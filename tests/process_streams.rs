//! Child processes in asyncio's manner: `create_subprocess_exec`, `Process`, `SubprocessProtocol`.
//!
//! What CPython prints too is in `tests/parity`.
#![cfg(unix)]

mod common;

use std::cell::{Cell, RefCell};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{assert_well, at_each_moment, direct, ended, event_loop, in_child, reported, run};
use coro_core::prelude::*;
use coro_core::process::{
    DEVNULL, PIPE, Process, ProcessLookupError, STDOUT, SubprocessProtocol, SubprocessTransport,
    create_subprocess_exec, create_subprocess_shell,
};
use coro_core::signal::SignalKind;
use coro_core::{Future, RuntimeError, ValueError};

const NONE: [&str; 0] = [];

/// Runs a test as loops wait on Linux, and as they do elsewhere.
fn both_ways(test: impl Fn(bool) -> Result<()>) {
    for in_thread in [false, true] {
        if let Err(error) = run(|| test(in_thread)) {
            panic!("in a thread: {in_thread}: {error:?}");
        }
    }
}

/// Whether there is a process of this number, a zombie too.
fn exists(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

/// The children of this process, zombies too.
fn children() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let files = tasks.map(|task| task.unwrap().path().join("children"));
    files.map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect()
}

/// Lets the loop run until `f` says so.
fn until(what: &str, mut f: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !f() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        sleep(millis(1)).co_await()?;
    }
    Ok(())
}

#[test]
fn much_goes_through_all_pipes_at_once() {
    both_ways(|in_thread| {
        let line = "head -c 500000 /dev/zero >&2; cat; echo end >&2";
        let builder = create_subprocess_shell(line).stdin(PIPE).stdout(PIPE).stderr(PIPE);
        let mut process = builder.wait_in_thread(in_thread).co_await()?;
        let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (output, errors) = process.communicate(Some(&input)).co_await()?;
        assert!(output.unwrap() == input);
        assert_eq!(errors.unwrap().len(), 500_004);
        assert_eq!((process.returncode(), process.wait().co_await()?), (Some(0), 0));
        Ok(())
    });
}

#[test]
fn a_child_that_is_not_read_waits() {
    run(|| {
        let builder = create_subprocess_shell("head -c 1000000 /dev/zero; echo end").stdout(PIPE).limit(1000);
        let mut process = builder.co_await()?;
        let late = wait_for(process.wait(), millis(30)).co_await();
        assert!(late.unwrap_err().is_timeout());
        assert_eq!(process.stdout.as_mut().unwrap().read_to_end().co_await()?.len(), 1_000_004);
        assert_eq!(process.wait().co_await()?, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn drain_waits_for_a_child_that_does_not_read() {
    run(|| {
        let line = "read go; head -c 2000000 >/dev/null; echo done";
        let mut process = create_subprocess_shell(line).stdin(PIPE).stdout(PIPE).co_await()?;
        let stdin = process.stdin.take().unwrap();
        // The shell reads byte by byte, up to the end of the line.
        stdin.write(&vec![b'x'; 1_000_000])?;
        let late = wait_for(stdin.drain(), millis(1)).co_await();
        assert!(late.is_err_and(|error| error.is_timeout()));
        stdin.write(b"\n")?;
        stdin.write(&vec![b'x'; 2_000_000])?;
        stdin.drain().co_await()?;
        assert_eq!(process.stdout.as_mut().unwrap().readline().co_await()?, b"done\n");
        assert_eq!(process.wait().co_await()?, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn files_are_inputs_and_outputs() {
    run(|| {
        let mut input = tempfile::tempfile()?;
        input.write_all(b"six eggs\n")?;
        input.rewind()?;
        let mut output = tempfile::tempfile()?;
        let builder = create_subprocess_shell("cat; echo burnt >&2").stdin(input);
        let process = builder.stdout(output.try_clone()?).stderr(STDOUT).co_await()?;
        assert_eq!(process.wait().co_await()?, 0);
        assert!(process.stdin.is_none() && process.stdout.is_none() && process.stderr.is_none());
        output.rewind()?;
        let mut text = String::new();
        output.read_to_string(&mut text)?;
        assert_eq!(text, "six eggs\nburnt\n");
        let quiet = create_subprocess_shell("echo out; echo err >&2").stdout(DEVNULL).stderr(STDOUT);
        assert_eq!(quiet.co_await()?.communicate(None).co_await()?, (None, None));
        Ok(())
    })
    .unwrap();
}

#[test]
fn without_a_word_the_streams_are_those_of_this_process() {
    let child = in_child("without_a_word_the_streams_are_those_of_this_process", || {
        run(|| {
            let process =
                create_subprocess_shell("echo to-out; echo to-err >&2").stderr(STDOUT).co_await()?;
            process.wait().co_await()?;
            create_subprocess_shell("echo apart >&2").co_await()?.wait().co_await()?;
            Ok(())
        })
        .unwrap();
    });
    if let Some(output) = child {
        assert_well(&output);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(out.contains("to-out\nto-err\n"), "{out}");
        assert!(err.contains("apart\n"), "{err}");
    }
}

#[test]
fn the_surroundings_of_the_child_can_be_set() {
    run(|| {
        let builder =
            create_subprocess_exec("/usr/bin/env", NONE).env("LOST", "1").env_clear().env("EGGS", "6");
        let mut process = builder.stdout(PIPE).co_await()?;
        assert_eq!(process.communicate(None).co_await()?.0.unwrap(), b"EGGS=6\n");
        let mut builder = create_subprocess_shell("echo $0 $1").stdout(PIPE);
        builder.as_std_mut().args(["zero", "one"]);
        assert_eq!(builder.co_await()?.communicate(None).co_await()?.0.unwrap(), b"zero one\n");
        Ok(())
    })
    .unwrap();
}

#[test]
fn wrong_options_are_told_and_start_nothing() {
    let child = in_child("wrong_options_are_told_and_start_nothing", || {
        run(|| {
            let wrong = [
                create_subprocess_exec("sleep", ["600"]).stdout(STDOUT),
                create_subprocess_exec("sleep", ["600"]).stdin(STDOUT),
                create_subprocess_exec("sleep", ["600"]).stdout(PIPE).limit(0),
            ];
            for builder in wrong {
                assert!(builder.co_await().unwrap_err().is::<ValueError>());
            }
            let missing =
                create_subprocess_exec("no-such-program", NONE).stdout(PIPE).stderr(STDOUT).co_await();
            assert!(missing.unwrap_err().to_string().starts_with("no-such-program: "));
            assert_eq!(children(), "");
            Ok(())
        })
        .unwrap();
        let off = create_subprocess_exec("sleep", ["600"]).co_await().unwrap_err();
        assert_eq!(off.to_string(), "no running event loop");
        let event_loop = event_loop();
        let failure = Rc::new(RefCell::new(None));
        event_loop.call_soon({
            let (event_loop, failure) = (event_loop.clone(), Rc::clone(&failure));
            move || {
                failure.replace(create_subprocess_exec("sleep", ["600"]).co_await().err());
                event_loop.stop();
            }
        });
        event_loop.run_forever().unwrap();
        assert!(failure.take().unwrap().is::<RuntimeError>());
        assert_eq!(children(), "");
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

#[test]
fn a_start_that_is_cancelled_at_any_moment_leaves_no_child() {
    let child = in_child("a_start_that_is_cancelled_at_any_moment_leaves_no_child", || {
        for in_thread in [false, true] {
            at_each_moment(|moment| {
                let task = create_task(coroutine(move || {
                    let builder = create_subprocess_exec("sleep", ["600"]).stdin(PIPE).stdout(PIPE);
                    let process = builder.wait_in_thread(in_thread).co_await()?;
                    process.kill()?;
                    process.wait().co_await()
                }));
                direct(&task.any_task(), moment, |_| {})?;
                let result = task.co_await();
                ended(result);
                // One that was started is killed, or asked to end, or its loop is closed.
                Ok(())
            });
            let start = Instant::now();
            while !children().is_empty() {
                assert!(start.elapsed() < Duration::from_secs(30), "a child stays");
                std::thread::yield_now();
            }
        }
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

#[test]
fn what_is_cancelled_can_be_waited_for_again() {
    both_ways(|in_thread| {
        let mut process = create_subprocess_exec("cat", NONE)
            .stdin(PIPE)
            .stdout(PIPE)
            .wait_in_thread(in_thread)
            .co_await()?;
        let waiting = create_task(process.wait());
        let late = wait_for(process.stdout.as_mut().unwrap().read(1), millis(5)).co_await();
        assert!(late.unwrap_err().is_timeout());
        waiting.cancel();
        assert!(waiting.co_await().unwrap_err().is_cancelled());
        assert_eq!(process.returncode(), None);
        assert_eq!(process.communicate(Some(b"egg")).co_await()?.0.unwrap(), b"egg");
        assert_eq!(process.wait().co_await()?, 0);
        Ok(())
    });
}

#[test]
fn a_process_that_is_dropped_goes_on_and_its_input_ends() {
    both_ways(|in_thread| {
        let process = create_subprocess_exec("cat", NONE).stdin(PIPE).wait_in_thread(in_thread).co_await()?;
        let id = process.pid();
        drop(process);
        until("a zombie stays", || !exists(id))?;
        let process = create_subprocess_exec("sleep", ["600"]).wait_in_thread(in_thread).co_await()?;
        let id = process.pid();
        drop(process);
        sleep(millis(5)).co_await()?;
        assert!(exists(id));
        std::process::Command::new("kill").arg(id.to_string()).status()?;
        until("a zombie stays", || !exists(id))
    });
}

#[test]
fn a_loop_that_is_closed_kills_its_children() {
    for in_thread in [false, true] {
        let (id, reports) = reported(|| {
            let event_loop = event_loop();
            event_loop.set_debug(true);
            let start = create_subprocess_exec("sleep", ["600"]).stdout(PIPE).wait_in_thread(in_thread);
            let process = event_loop.run_until_complete(start).unwrap();
            let id = process.pid();
            event_loop.close().unwrap();
            assert!(process.kill().unwrap_err().is::<ProcessLookupError>());
            id
        });
        let start = Instant::now();
        while exists(id) {
            assert!(start.elapsed() < Duration::from_secs(30), "the child stays");
            std::thread::yield_now();
        }
        let told = reports.iter().filter(|report| report.contains("<SubprocessTransport"));
        assert!(told.count() > 0, "{reports:?}");
    }
}

#[test]
fn a_hundred_processes_at_once_leave_neither_zombies_nor_files() {
    let child = in_child("a_hundred_processes_at_once_leave_neither_zombies_nor_files", || {
        let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let rounds = |amount: u32| {
            both_ways(|in_thread| {
                let echo = move |n: u32| {
                    coroutine(move || {
                        let builder =
                            create_subprocess_exec("cat", NONE).stdin(PIPE).stdout(PIPE).stderr(PIPE);
                        let mut process = builder.wait_in_thread(in_thread).co_await()?;
                        let text = n.to_string();
                        let output = process.communicate(Some(text.as_bytes())).co_await()?;
                        assert_eq!(output, (Some(text.into_bytes()), Some(Vec::new())));
                        Ok(())
                    })
                };
                gather((0..amount).map(echo)).co_await()?;
                Ok(())
            });
        };
        rounds(1);
        let before = count();
        rounds(100);
        assert_eq!(children(), "");
        // Threads that have waited may be about to end, now and before.
        let start = Instant::now();
        while count() > before {
            assert!(start.elapsed() < Duration::from_secs(30), "files stay open");
            std::thread::yield_now();
        }
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

/// What a process has that ignores SIGCHLD.
#[test]
#[allow(unsafe_code)]
fn a_status_that_somebody_else_took_is_255() {
    let child = in_child("a_status_that_somebody_else_took_is_255", || {
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        let ((), reports) = reported(|| {
            both_ways(|in_thread| {
                let process = create_subprocess_exec("true", NONE).wait_in_thread(in_thread).co_await()?;
                assert_eq!(process.wait().co_await()?, 255);
                Ok(())
            });
        });
        assert!(reports.iter().any(|report| report.contains("will report returncode 255")), "{reports:?}");
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

/// Panics where it is told to.
struct Panics {
    place: &'static str,
    told: Cell<u32>,
}

impl SubprocessProtocol for Panics {
    fn connection_made(&self, _: &SubprocessTransport) {
        assert!(self.place != "made", "meant: made");
    }
    fn pipe_data_received(&self, _: u32, _: &[u8]) {
        assert!(self.place != "data", "meant: data");
    }
    fn process_exited(&self) {
        assert!(self.place != "exited", "meant: exited");
    }
    fn connection_lost(&self, _: Option<Error>) {
        self.told.set(self.told.get() + 1);
        assert!(self.place != "lost", "meant: lost");
    }
}

#[test]
fn a_protocol_that_panics_is_told_and_nothing_else_changes() {
    common::quiet_panics();
    run(|| {
        for place in ["made", "data", "exited", "lost"] {
            let told = Rc::new(RefCell::new(Vec::new()));
            let event_loop = get_running_loop()?;
            event_loop.set_exception_handler({
                let told = Rc::clone(&told);
                move |_, context| told.borrow_mut().push(context.exception.as_ref().unwrap().to_string())
            });
            let protocol = || Panics { place, told: Cell::new(0) };
            let (transport, protocol) = event_loop.subprocess_exec(protocol, "echo", ["egg"]).co_await()?;
            until("it does not end", || protocol.told.get() > 0)?;
            sleep(Duration::ZERO).co_await()?;
            assert_eq!(*told.borrow(), [format!("panicked: meant: {place}")]);
            assert_eq!((protocol.told.get(), transport.get_returncode()), (1, Some(0)));
            assert!(transport.get_protocol().is_none());
        }
        Ok(())
    })
    .unwrap();
}

/// Closes the transport, and all else, in a callback.
struct Closes {
    lost: Future<()>,
    transport: RefCell<Option<SubprocessTransport>>,
}

impl SubprocessProtocol for Closes {
    fn connection_made(&self, transport: &SubprocessTransport) {
        self.transport.replace(Some(transport.clone()));
    }
    fn pipe_data_received(&self, _: u32, _: &[u8]) {
        let transport = self.transport.take().unwrap();
        transport.close();
        transport.close();
        transport.send_signal(SignalKind::terminate()).unwrap(); // it is on its way out
    }
    fn connection_lost(&self, _: Option<Error>) {
        self.lost.set_result(()).unwrap();
    }
}

#[test]
fn a_transport_can_be_closed_in_its_own_callbacks() {
    both_ways(|in_thread| {
        let closes = || Closes { lost: Future::new(), transport: RefCell::default() };
        let line = "echo egg; exec sleep 600";
        let start = get_running_loop()?.subprocess_shell(closes, line).wait_in_thread(in_thread);
        let (transport, protocol) = start.co_await()?;
        (&protocol.lost).co_await()?;
        assert_eq!(transport.get_returncode(), Some(-9));
        Ok(())
    });
}

#[test]
fn a_std_future_may_await_it() {
    run(|| {
        let future = async {
            let mut process: Process = create_subprocess_exec("echo", ["egg"]).stdout(PIPE).await?;
            Ok(process.communicate(None).await?.0.unwrap())
        };
        let task: Task<Result<Vec<u8>>> = create_task(future);
        assert_eq!(task.co_await()??, b"egg\n");
        Ok(())
    })
    .unwrap();
}
