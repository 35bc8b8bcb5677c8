//! What several test files need: drop flags, reports as text, and tests that run in a child process.
#![allow(dead_code)] // no file uses all of it

use std::cell::RefCell;
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coro_core::net::{TcpListener, TcpStream};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Says its name in a shared list when it is dropped.
pub struct Flag {
    name: &'static str,
    log: Log,
}

impl Drop for Flag {
    fn drop(&mut self) {
        self.log.push(self.name);
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    pub fn flag(&self, name: &'static str) -> Flag {
        Flag { name, log: self.clone() }
    }

    /// Everything so far; the list is empty then.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Collects the messages of the library's reports.
#[derive(Clone, Default)]
pub struct Reports(Arc<Mutex<Vec<String>>>);

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == coro_core::REPORT_TARGET && *metadata.level() < tracing::Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                match field.name() {
                    "message" => self.0.push_str(&format!("{value:?}")),
                    "exception" => self.0.push_str(&format!(" [{value:?}]")),
                    _ => {}
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
}

/// What `f` gives, and what the library reported meanwhile on this thread.
pub fn reported<T>(f: impl FnOnce() -> T) -> (T, Vec<String>) {
    let reports = Reports::default();
    let value = tracing::subscriber::with_default(reports.clone(), f);
    let messages = std::mem::take(&mut *reports.0.lock().unwrap());
    (value, messages)
}

/// Runs `f` in a child process: the test of that name of this very program. `None` in the child itself.
///
/// For what ends a process, or would end it if it went wrong.
pub fn in_child(test: &str, f: impl FnOnce()) -> Option<Output> {
    if std::env::var_os("CORO_TEST_CHILD").is_some() {
        f();
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env("CORO_TEST_CHILD", "1");
    Some(child.output().unwrap())
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The child ended well, and said so.
#[track_caller]
pub fn assert_well(output: &Output) {
    assert!(output.status.success(), "{:?}\n{}", output.status, stderr(output));
}

/// The child was aborted, with this on its standard error.
#[cfg(unix)]
#[track_caller]
pub fn assert_aborted(output: &Output, text: &str) {
    use std::os::unix::process::ExitStatusExt;
    let stderr = stderr(output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{:?}\n{stderr}", output.status);
    assert!(stderr.contains(text), "{stderr}");
}

/// A panic of a test that is meant to happen prints nothing.
pub fn quiet_panics() {
    use std::sync::Once;
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.starts_with("meant:") {
                before(info);
            }
        }));
    });
}

/// Runs `main` under the virtual clock.
pub fn run<T>(main: impl FnOnce() -> coro_core::Result<T>) -> coro_core::Result<T> {
    run_with(false, main)
}

/// As [`run`], for a test of the order itself: no seed shuffles it.
pub fn run_ordered<T>(main: impl FnOnce() -> coro_core::Result<T>) -> coro_core::Result<T> {
    run_with(true, main)
}

fn run_with<T>(ordered: bool, main: impl FnOnce() -> coro_core::Result<T>) -> coro_core::Result<T> {
    let options = coro_core::__private::TestOptions {
        real_clock: false,
        debug: false,
        seed: None,
        ordered,
        stack_size: None,
    };
    let mut result = None;
    let main = coro_core::coroutine(|| main().map(|value| result = Some(value)));
    coro_core::__private::test(options, main).map(|()| result.expect("main has ended well"))
}

/// A loop on the virtual clock.
pub fn event_loop() -> coro_core::EventLoop {
    coro_core::LoopBuilder::new().virtual_clock().build().unwrap()
}

/// Lets every task that is ready run once.
pub fn next_round() -> coro_core::Result<()> {
    coro_core::Awaitable::co_await(coro_core::sleep(Duration::ZERO))
}

/// A listener that takes no more, since its queue is full and nobody accepts; and who is in the queue. Who connects to it
/// waits.
pub fn silent() -> std::io::Result<(TcpListener, Vec<TcpStream>)> {
    let listener = coro_core::net::SocketOptions::new().backlog(0).listen("127.0.0.1:0")?;
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_millis(20)) {
        clients.push(client);
    }
    Ok((listener, clients))
}

/// A round, and whether the cancellation comes before what else happens in that round, or after it.
pub type Moment = (u32, bool);

/// How many rounds a victim is followed through.
pub const ROUNDS: u32 = 6;

/// Runs `scenario` once for each moment at which its victim can be cancelled.
pub fn at_each_moment(scenario: impl Fn(Moment) -> coro_core::Result<()>) {
    for moment in (0..ROUNDS).flat_map(|round| [(round, true), (round, false)]) {
        if let Err(error) = run(|| scenario(moment)) {
            panic!("cancelled at {moment:?}: {error:?}");
        }
    }
}

/// Goes through the rounds, does what `act` does in them, and cancels the victim at its moment.
pub fn direct(victim: &coro_core::AnyTask, at: Moment, mut act: impl FnMut(u32)) -> coro_core::Result<()> {
    for round in 0..ROUNDS {
        if at == (round, true) {
            victim.cancel();
        }
        act(round);
        if at == (round, false) {
            victim.cancel();
        }
        next_round()?;
    }
    Ok(())
}

/// The victim ended with its result or with its cancellation, nothing else.
#[track_caller]
pub fn ended<T>(result: coro_core::Result<T>) {
    assert!(result.as_ref().err().is_none_or(coro_core::Error::is_cancelled), "{:?}", result.err());
}
