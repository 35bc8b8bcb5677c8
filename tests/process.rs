//! Child processes in std's manner: `process::Command` and `Child`.
//!
//! Children end, or say that they are ready, before anything is concluded: no test waits for a time to pass.
#![cfg(unix)]

mod common;

use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write, read_to_string};
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{assert_well, event_loop, in_child, run};
use coro_core::prelude::*;
use coro_core::process::{Child, Command, ExitStatus, ProcessLookupError, Stdio};
use coro_core::signal::SignalKind;
use coro_core::{Cancelled, Future, RuntimeError};

const MEGABYTE: usize = 1 << 20;

/// A shell that runs `script`.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A child that lives until it is killed.
fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600").kill_on_drop(true);
    command
}

/// Runs a test as loops wait on Linux, and as they do elsewhere.
fn both_ways(test: impl Fn(bool) -> Result<()>) {
    for in_thread in [false, true] {
        if let Err(error) = run(|| test(in_thread)) {
            panic!("in a thread: {in_thread}: {error:?}");
        }
    }
}

fn waiting(child: &Rc<Child>) -> Task<ExitStatus> {
    let child = Rc::clone(child);
    create_task(coroutine(move || Ok(child.wait()?)))
}

/// Whether there is a process of this number, a zombie too.
fn exists(id: u32) -> bool {
    std::path::Path::new(&format!("/proc/{id}")).exists()
}

/// Goes on when `f` says so.
fn until(what: &str, mut f: impl FnMut() -> bool) {
    let start = Instant::now();
    while !f() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn exit_codes_and_signals_are_told() {
    both_ways(|in_thread| {
        for code in [0, 1, 3, 255] {
            let status = shell(&format!("exit {code}")).wait_in_thread(in_thread).status()?;
            assert_eq!((status.code(), status.success()), (Some(code), code == 0));
        }
        let status = shell("kill -USR1 $$").wait_in_thread(in_thread).status()?;
        assert_eq!((status.code(), status.signal()), (None, Some(libc::SIGUSR1)));
        Ok(())
    });
}

#[test]
fn others_run_while_a_child_is_waited_for() {
    both_ways(|in_thread| {
        let mut cat = Command::new("cat");
        let mut child = cat.stdin(Stdio::piped()).wait_in_thread(in_thread).spawn()?;
        let stdin = child.stdin.take();
        let other = create_task(coroutine(move || {
            drop(stdin); // ends it
            Ok(())
        }));
        assert!(child.wait()?.success());
        other.co_await()
    });
}

#[test]
fn a_child_that_ignores_the_request_to_end_is_killed() {
    both_ways(|in_thread| {
        let mut child = shell("trap '' TERM; echo ready; exec sleep 600")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .wait_in_thread(in_thread)
            .spawn()?;
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 6])?;
        child.terminate()?;
        let status = wait_for(coroutine(|| Ok(child.wait()?)), millis(20)).co_await();
        assert!(status.unwrap_err().is_timeout());
        assert!(child.try_wait()?.is_none());
        child.kill()?;
        assert_eq!(child.wait()?.signal(), Some(libc::SIGKILL));
        Ok(())
    });
}

#[test]
fn what_has_ended_is_not_signalled() {
    both_ways(|in_thread| {
        let child = Command::new("true").wait_in_thread(in_thread).spawn()?;
        child.wait()?;
        for signal in [SignalKind::terminate(), SignalKind::from_raw(0)] {
            let error = Error::new(child.send_signal(signal).unwrap_err());
            assert_eq!(error.downcast_ref::<ProcessLookupError>().unwrap().id(), child.id());
        }
        assert!(child.send_signal_to_group(SignalKind::terminate()).is_err());
        child.kill()?; // as in std
        Ok(())
    });
}

#[test]
fn a_signal_that_does_not_exist_is_an_error() {
    run(|| {
        let child = sleeper().spawn()?;
        let error = child.send_signal(SignalKind::from_raw(1000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        child.send_signal(SignalKind::from_raw(0))?; // it lives
        Ok(())
    })
    .unwrap();
}

#[test]
fn much_data_goes_through_in_both_directions() {
    run(|| {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let data: Vec<u8> = (0..4 * MEGABYTE).map(|n| (n % 251) as u8).collect();
        let sent = data.clone();
        let writer = create_task(coroutine(move || Ok(stdin.write_all(&sent)?)));
        let mut received = Vec::new();
        stdout.read_to_end(&mut received)?;
        writer.co_await()?;
        assert!(received == data);
        assert!(child.wait()?.success());
        Ok(())
    })
    .unwrap();
}

#[test]
fn both_outputs_are_read_at_once() {
    let script = "head -c 1000000 /dev/zero >&2; head -c 2000000 /dev/zero; echo end >&2";
    let check = |output: std::process::Output| {
        assert_eq!(output.stdout.len(), 2_000_000);
        assert_eq!(output.stderr.len(), 1_000_004);
        assert!(output.status.success());
    };
    check(run(|| Ok(shell(script).output()?)).unwrap());
    check(shell(script).output().unwrap()); // off any loop
}

#[test]
fn output_has_no_input_and_what_was_given_is_left() {
    run(|| {
        assert_eq!(Command::new("cat").output()?.stdout, b"");
        let mut command = shell("echo out; echo err >&2; exit 2");
        let output = command.stdout(Stdio::null()).output()?;
        assert_eq!((output.stdout, output.stderr), (vec![], b"err\n".to_vec()));
        assert_eq!(output.status.code(), Some(2));
        // The streams that `output` has set are not those of the next child.
        let child = Command::new("true").stdin(Stdio::null()).spawn()?;
        assert!(child.stdout.is_none() && child.stderr.is_none());
        let mut again = shell("exit 0");
        again.output()?;
        assert!(again.spawn()?.stdout.is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn waiting_closes_the_input_that_was_not_taken() {
    both_ways(|in_thread| {
        let mut cat = Command::new("cat");
        let child = cat.stdin(Stdio::piped()).wait_in_thread(in_thread).spawn()?;
        assert!(child.wait()?.success());
        let error = child.stdin.as_ref().unwrap().write(b"late").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        Ok(())
    });
}

#[test]
fn writing_to_a_child_that_has_closed_its_input_is_a_broken_pipe() {
    run(|| {
        let mut child = shell("exec <&-; echo closed; exec sleep 600")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        child.stdout.take().unwrap().read_exact(&mut [0; 7])?;
        let error = child.stdin.as_ref().unwrap().write(b"egg").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_full_pipe_suspends_the_writer_until_it_is_cancelled() {
    run(|| {
        let mut child = sleeper().stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().unwrap();
        let task = create_task(coroutine(move || Ok(stdin.write_all(&vec![0; MEGABYTE])?)));
        // Other tasks run, and the clock is held to real time meanwhile.
        sleep(millis(10)).co_await()?;
        assert!(!task.done());
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert!(child.try_wait()?.is_none());
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_output_that_is_closed_early_is_not_the_end() {
    both_ways(|in_thread| {
        let mut command = shell("exec >&-; exec sleep 600");
        let mut child =
            command.stdout(Stdio::piped()).kill_on_drop(true).wait_in_thread(in_thread).spawn()?;
        assert_eq!(child.stdout.take().unwrap().read(&mut [0; 8])?, 0);
        assert!(child.try_wait()?.is_none());
        child.kill()?;
        child.wait()?;
        Ok(())
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    run(|| {
        let mut command = shell("read line; echo $line; read line");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let read = wait_for(coroutine(|| Ok(lines.read_line(&mut line)?)), millis(10)).co_await();
        assert!(read.unwrap_err().is_timeout());
        child.stdin.as_ref().unwrap().write_all(b"egg\n")?;
        lines.read_line(&mut line)?;
        assert_eq!(line, "egg\n");
        child.wait()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    run(|| {
        let error = Command::new("no-such-program").arg("x").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("no-such-program: "), "{error}");
        let error = Command::new("/dev/null").status().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().starts_with("/dev/null: "), "{error}");
        let error = Command::new("true").current_dir("/no/such/folder").output().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/no/such/folder: "), "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_environment_the_folder_and_the_arguments_are_the_childs() {
    run(|| {
        let mut command = shell("echo $EGGS-$SALT-$PWD-$0-$1");
        command.args(["zero", "one"]).env("EGGS", "6").env("SALT", "1").env_remove("SALT");
        assert_eq!(command.current_dir("/").output()?.stdout, b"6--/-zero-one\n");
        assert_eq!((command.get_program().to_str(), command.get_args().count()), (Some("sh"), 4));
        let output = Command::new("/usr/bin/env").env_clear().envs([("A", "1"), ("B", "2")]).output()?;
        assert_eq!(output.stdout, b"A=1\nB=2\n");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_pipe_of_one_child_is_the_input_of_the_next() {
    run(|| {
        let mut first = shell("echo one; echo two").stdout(Stdio::piped()).spawn()?;
        let output = Command::new("wc").arg("-l").stdin(first.stdout.take().unwrap()).output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2");
        assert!(first.wait()?.success());
        // std's own types, there and back.
        let mut child = Command::new("echo").stdout(Stdio::piped()).spawn()?;
        let std = std::process::ChildStdout::from(child.stdout.take().unwrap());
        assert_eq!(read_to_string(coro_core::process::ChildStdout::from(std))?, "\n");
        child.wait()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn several_tasks_may_wait_for_one_child() {
    both_ways(|in_thread| {
        let child = Rc::new(sleeper().wait_in_thread(in_thread).spawn()?);
        let tasks = [waiting(&child), waiting(&child), waiting(&child)];
        sleep(Duration::ZERO).co_await()?;
        tasks[1].cancel();
        child.terminate()?;
        let [first, second, third] = tasks;
        assert_eq!(first.co_await()?.signal(), Some(libc::SIGTERM));
        assert!(second.co_await().unwrap_err().is_cancelled());
        assert_eq!(third.co_await()?.signal(), Some(libc::SIGTERM));
        assert_eq!(child.wait()?.signal(), Some(libc::SIGTERM)); // and later
        assert_eq!(child.try_wait()?.unwrap().signal(), Some(libc::SIGTERM));
        Ok(())
    });
}

#[test]
fn who_looks_first_does_not_take_the_status_from_who_waits() {
    both_ways(|in_thread| {
        let child = Rc::new(sleeper().wait_in_thread(in_thread).spawn()?);
        let task = waiting(&child);
        sleep(Duration::ZERO).co_await()?;
        child.kill()?;
        until("it does not end", || child.try_wait().unwrap().is_some());
        assert_eq!(task.co_await()?.signal(), Some(libc::SIGKILL));
        Ok(())
    });
}

#[test]
fn tasks_of_several_loops_may_wait_for_one_child() {
    for in_thread in [false, true] {
        let child = Arc::new(sleeper().wait_in_thread(in_thread).spawn().unwrap());
        let (said, heard) = std::sync::mpsc::channel();
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let (child, said) = (Arc::clone(&child), said.clone());
                std::thread::spawn(move || match n {
                    0 => {
                        said.send(()).unwrap();
                        child.wait().unwrap() // off any loop
                    }
                    _ => run(|| {
                        said.send(())?;
                        Ok(child.wait()?)
                    })
                    .unwrap(),
                })
            })
            .collect();
        (0..3).for_each(|_| heard.recv().unwrap());
        child.kill().unwrap();
        for thread in threads {
            assert_eq!(thread.join().unwrap().signal(), Some(libc::SIGKILL));
        }
    }
}

#[test]
fn a_cancelled_wait_leaves_the_status_to_the_next() {
    both_ways(|in_thread| {
        let child = Rc::new(sleeper().wait_in_thread(in_thread).spawn()?);
        for rounds in 0..4 {
            let task = waiting(&child);
            for _ in 0..rounds {
                sleep(Duration::ZERO).co_await()?;
            }
            task.cancel();
            assert!(task.co_await().unwrap_err().is::<Cancelled>());
        }
        let task = waiting(&child);
        sleep(Duration::ZERO).co_await()?;
        child.kill()?;
        until("it does not end", || child.try_wait().unwrap().is_some());
        task.cancel(); // the end has not been noticed yet
        let _ = task.co_await();
        assert_eq!(child.wait()?.signal(), Some(libc::SIGKILL));
        Ok(())
    });
}

#[test]
fn a_cancelled_output_drops_the_child() {
    both_ways(|in_thread| {
        for script in ["echo $$; exec sleep 600", "echo $$; exec sleep 600 >&- 2>&-"] {
            for kill in [true, false] {
                let id = Rc::new(Cell::new(0));
                let task = create_task(coroutine({
                    let id = Rc::clone(&id);
                    move || {
                        let mut child = shell(script)
                            .stdout(Stdio::piped())
                            .stderr(Stdio::piped())
                            .kill_on_drop(kill)
                            .wait_in_thread(in_thread)
                            .spawn()?;
                        let mut lines = BufReader::new(child.stdout.take().unwrap());
                        lines.read_line(&mut String::new())?;
                        child.stdout = Some(lines.into_inner());
                        id.set(child.id());
                        Ok(child.wait_with_output()?)
                    }
                }));
                while id.get() == 0 {
                    sleep(millis(1)).co_await()?;
                }
                sleep(millis(5)).co_await()?;
                task.cancel();
                assert!(task.co_await().unwrap_err().is_cancelled());
                if !kill {
                    assert!(exists(id.get()));
                    std::process::Command::new("kill").arg(id.get().to_string()).status()?;
                }
                until("a zombie stays", || !exists(id.get()));
            }
        }
        Ok(())
    });
}

#[test]
fn a_child_that_is_dropped_goes_on_and_leaves_no_zombie() {
    both_ways(|in_thread| {
        let mut child = shell("read line; exit 1").stdin(Stdio::piped()).wait_in_thread(in_thread).spawn()?;
        let (id, stdin) = (child.id(), child.stdin.take());
        drop(child);
        assert!(exists(id));
        drop(stdin); // it ends
        until("a zombie stays", || !exists(id));
        let child = sleeper().wait_in_thread(in_thread).spawn()?;
        let id = child.id();
        drop(child); // it is killed
        until("a zombie stays", || !exists(id));
        let child = Command::new("true").wait_in_thread(in_thread).spawn()?;
        let id = child.id();
        until("it does not end", || {
            std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap().contains(") Z ")
        });
        drop(child); // it has ended already
        assert!(!exists(id));
        Ok(())
    });
}

#[test]
fn two_hundred_children_at_once_leave_neither_zombies_nor_files() {
    let child = in_child("two_hundred_children_at_once_leave_neither_zombies_nor_files", || {
        let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let children = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let files = tasks.map(|task| task.unwrap().path().join("children"));
            files.map(|file| std::fs::read_to_string(file).unwrap_or_default()).collect::<String>()
        };
        both_ways(|in_thread| {
            Command::new("true").wait_in_thread(in_thread).status()?;
            Ok(())
        });
        let before = count();
        both_ways(|in_thread| {
            let echo = move |n: u32| {
                coroutine(move || {
                    let output = shell(&format!("cat; echo {n}")).wait_in_thread(in_thread).output()?;
                    assert_eq!(output.stdout, format!("{n}\n").as_bytes());
                    Ok(())
                })
            };
            gather((0..200).map(echo)).co_await()?;
            // And so many that nobody waits for.
            let dropped: std::io::Result<Vec<Child>> =
                (0..50).map(|_| sleeper().wait_in_thread(in_thread).spawn()).collect();
            drop(dropped?);
            Ok(())
        });
        until("zombies stay", || children().is_empty());
        until("files stay open", || count() <= before); // threads may have been about to end before
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

#[test]
fn a_signal_to_the_group_reaches_all_of_it() {
    run(|| {
        let mut child = shell("sleep 600 & echo ready; wait")
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 6])?;
        child.send_signal_to_group(SignalKind::terminate())?;
        assert_eq!(stdout.read(&mut [0])?, 0); // nobody of the group has it any more
        assert_eq!(child.wait()?.signal(), Some(libc::SIGTERM));
        Ok(())
    })
    .unwrap();
}

#[test]
fn off_the_loop_everything_blocks() {
    for in_thread in [false, true] {
        let mut cat = Command::new("cat");
        let mut child =
            cat.stdin(Stdio::piped()).stdout(Stdio::piped()).wait_in_thread(in_thread).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"egg").unwrap();
        assert_eq!(read_to_string(child.stdout.take().unwrap()).unwrap(), "egg");
        assert!(child.wait().unwrap().success());
        let status = shell("exit 4").wait_in_thread(in_thread).status().unwrap();
        assert_eq!(status.code(), Some(4));
    }
}

#[test]
fn what_would_wait_in_a_callback_is_an_error() {
    both_ways(|in_thread| {
        let mut command = sleeper();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).wait_in_thread(in_thread);
        let result = Future::new();
        get_running_loop()?.call_soon({
            let result = result.clone();
            move || {
                let child = command.spawn().unwrap();
                assert!(child.try_wait().unwrap().is_none());
                let read = child.stdout.as_ref().unwrap().read(&mut [0]).map(drop);
                let wait = child.wait().map(drop);
                let all = child.wait_with_output().map(drop);
                let errors = [read, wait, all].map(|result| Error::new(result.unwrap_err()));
                result.set_result(errors.to_vec()).unwrap();
            }
        });
        for error in result.co_await()? {
            assert!(error.is::<RuntimeError>(), "{error:?}");
        }
        Ok(())
    });
}

#[test]
fn a_child_outlives_the_loop_it_was_made_on() {
    for in_thread in [false, true] {
        let event_loop = event_loop();
        let child = event_loop
            .run_until_complete(coroutine(move || {
                let child = Rc::new(sleeper().wait_in_thread(in_thread).spawn()?);
                let task = waiting(&child); // is still waiting when the loop is closed
                sleep(millis(1)).co_await()?;
                drop(task);
                Ok(child)
            }))
            .unwrap();
        event_loop.close().unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}

#[test]
fn a_child_that_is_awaited_holds_the_virtual_clock() {
    both_ways(|in_thread| {
        let event_loop = get_running_loop()?;
        let early = create_task(sleep(secs(3600)));
        let start = event_loop.time();
        assert!(shell("sleep 0.02").wait_in_thread(in_thread).status()?.success());
        assert!(event_loop.time() - start < secs(3600));
        assert!(!early.done());
        // One that nobody waits for does not.
        let child = sleeper().wait_in_thread(in_thread).spawn()?;
        early.co_await()?;
        assert!(child.try_wait()?.is_none());
        Ok(())
    });
}

#[test]
#[allow(unsafe_code)]
fn a_wait_that_is_interrupted_holds_the_virtual_clock_still() {
    extern "C" fn nothing(_: libc::c_int) {}
    let child = in_child("a_wait_that_is_interrupted_holds_the_virtual_clock_still", || {
        let handler = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGUSR1, handler) };
        // SAFETY: it asks for the name of this thread.
        let thread = unsafe { libc::pthread_self() };
        let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let interrupts = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    // SAFETY: that thread waits for this one.
                    unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
                    std::thread::yield_now();
                }
            }
        });
        both_ways(|in_thread| {
            let early = create_task(sleep(secs(3600)));
            assert!(shell("sleep 0.05").wait_in_thread(in_thread).status()?.success());
            assert!(!early.done() && get_running_loop()?.time() < secs(3600));
            Ok(())
        });
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        interrupts.join().unwrap();
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}

/// What a process has that ignores SIGCHLD.
#[test]
#[allow(unsafe_code)]
fn a_status_that_the_system_has_thrown_away_is_an_error() {
    let child = in_child("a_status_that_the_system_has_thrown_away_is_an_error", || {
        // SAFETY: no handler is installed.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        both_ways(|in_thread| {
            let child = Command::new("true").wait_in_thread(in_thread).spawn()?;
            let error = child.wait().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            assert!(child.terminate().is_err()); // its number is anybody's
            Ok(())
        });
    });
    if let Some(output) = child {
        assert_well(&output);
    }
}
