//! What the tests of the libraries share: a loop, a server beside a client, and what must hold for every library.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use coro_core::{Elapsed, RunBuilder, all_tasks};

/// How long the servers of the tests take over an answer, and the tests wait for an end, by the clock of the loop.
pub const PAUSE: Duration = millis(100);

/// Runs `main` on one loop. Its clock is virtual: where all tasks wait for a time, that time has come.
pub fn run<T>(main: impl FnOnce() -> Result<T>) -> T {
    RunBuilder::new().virtual_clock().run(coroutine(main)).unwrap()
}

/// As [`run`], with stacks of this size.
pub fn run_with_stacks_of<T>(size: usize, main: impl FnOnce() -> Result<T>) -> T {
    RunBuilder::new().virtual_clock().stack_size(size).run(coroutine(main)).unwrap()
}

/// Runs `client` beside a server that has a task for each connection. The server must not fail.
pub fn with_server<T>(
    serve: impl Fn(TcpStream) -> Result<()> + 'static,
    client: impl FnOnce(SocketAddr) -> Result<T>,
) -> Result<T> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = create_task(coroutine(move || {
        let serve = &serve;
        TaskGroup::scope(|connections| {
            for stream in listener.incoming() {
                let stream = stream?;
                connections.create_task(coroutine(move || serve(stream)));
            }
            Ok(())
        })
    }));
    let result = client(address)?;
    server.cancel();
    let end = server.co_await().unwrap_err();
    assert!(end.is_cancelled(), "{end:?}");
    Ok(result)
}

/// A server that never answers, and ends with its client.
pub fn say_nothing(mut stream: TcpStream) -> Result<()> {
    match io::copy(&mut stream, &mut io::sink()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        result => result.map(drop).map_err(Error::from),
    }
}

/// Has `many` tasks do the same at once, each with its number.
pub fn at_once<T: 'static>(
    many: usize,
    client: impl Fn(usize) -> Result<T> + Clone + 'static,
) -> Result<Vec<T>> {
    let clients = (0..many).map(|number| {
        let client = client.clone();
        coroutine(move || client(number))
    });
    gather(clients).co_await()
}

/// Says five texts of different lengths to a server that says all again.
pub fn is_echoed(stream: &mut (impl Read + Write), number: usize) -> Result<()> {
    for round in 0..5 {
        let text = vec![number as u8; 1 + number * round * 50];
        stream.write_all(&text)?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer)?;
        assert!(answer == text);
    }
    Ok(())
}

/// What `f` gives, which waits for a [`PAUSE`] at least. Meanwhile another task counts the milliseconds: it could not if
/// `f` blocked the thread.
pub fn beside_another_task<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    let steps = Rc::new(Cell::new(0));
    let counted = steps.clone();
    let other = create_task(coroutine(move || -> Result<()> {
        loop {
            sleep(millis(1)).co_await()?;
            counted.set(counted.get() + 1);
        }
    }));
    let result = f()?;
    other.cancel();
    let _ = other.co_await();
    assert!(steps.get() >= 90, "the other task came to {} only", steps.get());
    Ok(result)
}

/// Does `f`, which waits for long, in a task that is cancelled, and under a limit: both end it.
pub fn ends_when_broken_off<T: 'static>(f: impl Fn() -> Result<T> + Clone + 'static) -> Result<()> {
    ends_when_cancelled(f.clone())?;
    ends_at_a_limit(f)
}

/// Cancels a task that does `f` while it waits. It ends as cancelled, and neither of it nor of its server anything is left.
fn ends_when_cancelled<T: 'static>(f: impl FnOnce() -> Result<T> + 'static) -> Result<()> {
    let before = all_tasks()?.len();
    let held = Rc::new(());
    let alive = Rc::downgrade(&held);
    let task = create_task(coroutine(move || {
        let _held = held;
        f().map(drop)
    }));
    sleep(PAUSE).co_await()?;
    assert!(!task.done(), "it does not wait");
    task.cancel();
    sleep(PAUSE).co_await()?;
    assert!(task.cancelled(), "{task:?}");
    drop(task);
    assert!(alive.upgrade().is_none(), "its stack was not unwound");
    assert_eq!(all_tasks()?.len(), before, "{:?}", all_tasks()?);
    Ok(())
}

/// Does `f`, which waits for longer than the limit around it. What comes is the error of the limit.
fn ends_at_a_limit<T>(f: impl FnOnce() -> Result<T>) -> Result<()> {
    let before = all_tasks()?.len();
    let event_loop = get_running_loop()?;
    let began = event_loop.time();
    let error = timeout(PAUSE, f).err().expect("it waits for longer");
    assert!(error.is_timeout() && error.is::<Elapsed>(), "{error:?}");
    assert!(event_loop.time() - began >= PAUSE);
    drop(error); // it may have the connection in it
    sleep(PAUSE).co_await()?;
    assert_eq!(all_tasks()?.len(), before, "{:?}", all_tasks()?);
    Ok(())
}

/// Says that a test did not run. The harness keeps what `eprintln` says to itself.
pub fn did_not_run(why: &str) {
    let _ = writeln!(io::stderr(), "DID NOT RUN: {why}");
}

/// The error of type `E` that `result` is.
#[track_caller]
pub fn error_of<E: std::error::Error + 'static, T>(result: &Result<T>) -> &E {
    let error = result.as_ref().err().expect("it fails");
    error.downcast_ref().unwrap_or_else(|| panic!("another error: {error:?}"))
}
