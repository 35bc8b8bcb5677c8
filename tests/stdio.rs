//! The standard streams, in child processes whose pipes the test holds. A child runs the test of the same name, in this
//! very program.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use common::{next_round, run, run_ordered};
use coro_core::prelude::*;
use coro_core::{AsyncIterator, Cancelled, RuntimeError, stdio};

/// What a child prints of its own stands behind this; the lines of the test harness do not.
const MARK: &str = "> ";

fn is_child() -> bool {
    std::env::var_os("CORO_TEST_CHILD").is_some()
}

fn start(test: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env("CORO_TEST_CHILD", "1");
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    child.spawn().unwrap()
}

/// Tells the parent something, as it stands.
fn say(text: impl std::fmt::Display) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{MARK}{text}").unwrap();
}

/// Waits until the child has said something.
fn heard(stderr: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the child has ended");
        if let Some((_, text)) = line.trim_end_matches('\n').split_once(MARK) {
            return text.to_owned();
        }
    }
}

/// The child ends well; what it still says.
fn finished(mut child: Child, mut stderr: impl BufRead) -> Vec<String> {
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status:?}\n{rest}");
    rest.lines().filter_map(|line| line.split_once(MARK)).map(|(_, text)| text.to_owned()).collect()
}

fn stderr_of(child: &mut Child) -> BufReader<std::process::ChildStderr> {
    BufReader::new(child.stderr.take().unwrap())
}

#[test]
fn lines_are_read_up_to_the_end_of_the_input() {
    if is_child() {
        return run(|| {
            let timer = create_task(sleep(secs(3600)));
            let mut lines = stdio::stdin().lines();
            for line in lines.by_ref() {
                say(line?);
            }
            assert!(lines.anext()?.is_none());
            assert!(!timer.done(), "who reads holds the virtual clock");
            timer.cancel();
            Ok(())
        })
        .unwrap();
    }
    let mut child = start("lines_are_read_up_to_the_end_of_the_input");
    let (mut stdin, mut stderr) = (child.stdin.take().unwrap(), stderr_of(&mut child));
    stdin.write_all(b"one\ntw").unwrap();
    assert_eq!(heard(&mut stderr), "one");
    stdin.write_all(b"o\r\n\nlast").unwrap();
    assert_eq!(heard(&mut stderr), "two");
    assert_eq!(heard(&mut stderr), "");
    drop(stdin);
    assert_eq!(finished(child, stderr), ["last"]);
}

#[test]
fn other_tasks_run_while_one_waits_for_input() {
    if is_child() {
        return run_ordered(|| {
            let event = Event::new();
            TaskGroup::scope(|group| {
                group.create_task(coroutine(|| {
                    let mut text = String::new();
                    stdio::stdin().read_to_string(&mut text)?;
                    say(text);
                    event.set();
                    Ok(())
                }));
                group.create_task(coroutine(|| {
                    say("the loop is free");
                    event.wait().co_await()
                }));
                Ok(())
            })
        })
        .unwrap();
    }
    let mut child = start("other_tasks_run_while_one_waits_for_input");
    let (mut stdin, mut stderr) = (child.stdin.take().unwrap(), stderr_of(&mut child));
    assert_eq!(heard(&mut stderr), "the loop is free");
    stdin.write_all(b"six eggs").unwrap();
    drop(stdin);
    assert_eq!(finished(child, stderr), ["six eggs"]);
}

#[test]
fn what_arrives_for_a_cancelled_read_is_kept() {
    if is_child() {
        return run_ordered(|| {
            for whole in [false, true] {
                let victim = create_task(coroutine(move || {
                    let mut text = String::new();
                    match whole {
                        true => stdio::stdin().read_to_string(&mut text)?,
                        false => stdio::stdin().read_line(&mut text)?,
                    };
                    Ok(())
                }));
                next_round()?;
                next_round()?;
                victim.cancel();
                let error = victim.co_await().unwrap_err();
                assert!(error.is::<Cancelled>(), "{error:?}");
            }
            say("cancelled");
            let mut stdin = stdio::stdin();
            let mut two = [0; 2];
            stdin.read_exact(&mut two)?;
            say(String::from_utf8_lossy(&two));
            let mut line = String::from("line: ");
            assert_eq!(stdin.read_line(&mut line)?, 5);
            say(line.trim_end());
            let mut rest = Vec::new();
            (&stdin).read_to_end(&mut rest)?;
            say(String::from_utf8_lossy(&rest));
            Ok(())
        })
        .unwrap();
    }
    let mut child = start("what_arrives_for_a_cancelled_read_is_kept");
    let (mut stdin, mut stderr) = (child.stdin.take().unwrap(), stderr_of(&mut child));
    assert_eq!(heard(&mut stderr), "cancelled");
    stdin.write_all(b"a line\nand the rest").unwrap();
    drop(stdin);
    assert_eq!(finished(child, stderr), ["a ", "line: line", "and the rest"]);
}

#[test]
fn a_read_that_never_returns_delays_neither_the_end_of_run_nor_that_of_the_process() {
    if is_child() {
        run(|| {
            let reading = create_task(coroutine(|| Ok(stdio::stdin().read_line(&mut String::new())?)));
            next_round()?;
            next_round()?;
            assert!(!reading.done());
            Ok(()) // the end of `run` cancels it
        })
        .unwrap();
        return say("run has returned");
    }
    let mut child = start("a_read_that_never_returns_delays_neither_the_end_of_run_nor_that_of_the_process");
    let (stdin, stderr) = (child.stdin.take().unwrap(), stderr_of(&mut child));
    assert_eq!(finished(child, stderr), ["run has returned"]);
    drop(stdin); // was open until now
}

#[test]
fn a_full_pipe_suspends_the_one_who_writes_and_nobody_else() {
    const BIG: usize = 1_000_000;
    if is_child() {
        return run_ordered(|| {
            let mut stdout = stdio::stdout();
            let writing = create_task(coroutine(move || {
                stdout.write_all(&[b'x'; BIG])?;
                writeln!(stdout)?;
                stdout.flush()?;
                Ok(())
            }));
            let after = create_task(coroutine(|| Ok(writeln!(stdio::stdout(), "after it")?)));
            for _ in 0..3 {
                next_round()?;
            }
            assert!(!writing.done() && !after.done());
            say("the loop is free");
            writing.co_await()?;
            after.co_await()?;
            writeln!(stdio::stderr(), "{MARK}written")?;
            stdio::stderr().flush()?;
            Ok(())
        })
        .unwrap();
    }
    let mut child = start("a_full_pipe_suspends_the_one_who_writes_and_nobody_else");
    let mut stderr = stderr_of(&mut child);
    assert_eq!(heard(&mut stderr), "the loop is free"); // nothing has been read yet
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(stdout.matches('x').count(), BIG);
    assert!(stdout.contains("after it\n"), "it was written once the first had its chunk");
    assert_eq!(finished(child, stderr), ["written"]);
}

#[test]
fn a_write_that_never_ends_delays_neither_the_end_of_run_nor_that_of_the_process() {
    if is_child() {
        run_ordered(|| {
            let writing = create_task(coroutine(|| Ok(stdio::stdout().write_all(&[b'x'; 1_000_000])?)));
            next_round()?;
            next_round()?;
            writing.cancel();
            assert!(writing.co_await().unwrap_err().is::<Cancelled>());
            Ok(())
        })
        .unwrap();
        say("run has returned");
        std::process::exit(0); // the harness would print into the full pipe
    }
    let mut child = start("a_write_that_never_ends_delays_neither_the_end_of_run_nor_that_of_the_process");
    let (stdout, stderr) = (child.stdout.take(), stderr_of(&mut child));
    assert_eq!(finished(child, stderr), ["run has returned"]);
    drop(stdout); // was open until now, and nobody has read
}

#[test]
fn writes_come_out_in_the_order_of_coming_and_after_what_was_printed_before() {
    if is_child() {
        return run_ordered(|| {
            println!("{MARK}first");
            let (stdout, dot) = (Rc::new(stdio::stdout()), ".");
            gather((0..20).map(|number| {
                let stdout = stdout.clone();
                coroutine(move || Ok(writeln!(&*stdout, "{MARK}{number}{}", dot)?))
            }))
            .co_await()?;
            println!("{MARK}last");
            Ok(())
        })
        .unwrap();
    }
    let output = start("writes_come_out_in_the_order_of_coming_and_after_what_was_printed_before");
    let output = output.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(MARK)).map(|(_, text)| text).collect();
    let mut expected = vec!["first".to_owned()];
    expected.extend((0..20).map(|number| format!("{number}.")));
    expected.push("last".to_owned());
    assert_eq!(said, expected);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_an_error_of_the_next_write_or_flush() {
    if is_child() {
        say("begun"); // and the harness has printed what it prints before
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap(); // the pipe is closed by then
        run(|| {
            let mut stdout = stdio::stdout();
            // A child of another test, forked just now, may hold the other end until it has become another program.
            let refused = loop {
                match writeln!(stdout, "six eggs").and_then(|()| stdout.flush()) {
                    Ok(()) => std::thread::sleep(std::time::Duration::from_millis(1)),
                    Err(error) => break error,
                }
            };
            let error = Error::new(refused);
            let io = error.downcast_ref::<std::io::Error>().unwrap();
            say(io.kind());
            Ok(())
        })
        .unwrap();
        std::process::exit(0); // the harness would print into the closed pipe
    }
    let mut child = start("a_closed_pipe_is_an_error_of_the_next_write_or_flush");
    let mut stderr = stderr_of(&mut child);
    assert_eq!(heard(&mut stderr), "begun");
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(heard(&mut stderr), "broken pipe");
    finished(child, stderr);
}

#[test]
fn where_nothing_can_suspend_there_is_an_error() {
    run(|| {
        let check = || {
            let errors = [
                stdio::stdin().read(&mut [0]).unwrap_err(),
                stdio::stdout().write(b"x").unwrap_err(),
                stdio::stderr().flush().unwrap_err(),
                stdio::stdin().lines().next().unwrap().unwrap_err(),
            ];
            errors.into_iter().for_each(|error| assert!(Error::new(error).is::<RuntimeError>()));
        };
        coro_core::no_suspend(check);
        let done = coro_core::Future::new();
        let seen = done.clone();
        get_running_loop()?.call_soon(move || {
            check();
            seen.set_result(()).unwrap();
        });
        done.co_await()?;
        create_task(async move { check() }).co_await()
    })
    .unwrap();
}

#[test]
fn off_any_loop_the_streams_block() {
    if is_child() {
        let mut line = String::new();
        stdio::stdin().read_line(&mut line).unwrap();
        writeln!(stdio::stderr(), "{MARK}{}", line.trim_end()).unwrap();
        writeln!(stdio::stdout(), "{MARK}{}", line.trim_end()).unwrap();
        return;
    }
    let mut child = start("off_any_loop_the_streams_block");
    let (mut stdin, stderr) = (child.stdin.take().unwrap(), stderr_of(&mut child));
    stdin.write_all(b"six eggs\n").unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(stdout.contains("> six eggs\n"), "{stdout}");
    assert_eq!(finished(child, stderr), ["six eggs"]);
}
