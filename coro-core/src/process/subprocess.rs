//! [`create_subprocess_exec`] and [`Process`]: a child with streams; `asyncio.subprocess`.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::fmt::{self, Debug};
use std::io;
use std::path::Path;
use std::rc::Rc;

use crate::combinators::gather;
use crate::compat::into_future;
use crate::coroutine::{Awaitable, Coroutine, Origins};
use crate::definition::{Definition, Origin};
use crate::error::{Error, Result};
use crate::events::{LoopCore, running_core};
use crate::report;
use crate::signal::SignalKind;
use crate::stream::{StreamReader, StreamReaderProtocol, StreamWriter};
use crate::transport::Protocol;

use super::Redirect;
use super::spawn::{Plan, check_place, example, options};
use super::transport::{SubprocessProtocol, SubprocessTransport};

/// Starts a program; `asyncio.create_subprocess_exec(program, *args)`. Its standard streams are those of this process where
/// nothing else is said.
///
/// # Errors
/// When awaited: those of [`Command::spawn`](super::Command::spawn); [`ValueError`](crate::ValueError) for
/// [`STDOUT`](super::STDOUT) in a wrong place, and for a limit of zero; [`RuntimeError`](crate::RuntimeError) outside of a
/// loop's tasks.
///
/// # Cancellation
/// The child is killed and waited for.
///
/// ```
/// use coro_core::process::{PIPE, create_subprocess_exec};
/// use coro_core::prelude::*;
/// async_fn! {
///     async fn program() {
///         let mut process = await!(create_subprocess_exec("cat", ["-n"]).stdin(PIPE).stdout(PIPE));
///         let (output, _) = await!(process.communicate(Some(b"egg\n")));
///         assert_eq!(String::from_utf8(output.unwrap())?.trim(), "1\tegg");
///         assert_eq!(process.returncode(), Some(0));
///     }
/// }
/// coro_core::run(program())?;
/// # Ok::<(), Error>(())
/// ```
pub fn create_subprocess_exec(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item: AsRef<OsStr>>,
) -> CreateSubprocess {
    CreateSubprocess { plan: Plan::exec(program, arguments), limit: None }
}

/// Runs a line of the shell `/bin/sh`; `asyncio.create_subprocess_shell(cmd)`. All else is said at
/// [`create_subprocess_exec`].
///
/// What comes from elsewhere does not belong into the line: the shell would obey it.
///
/// # Errors
/// When awaited: as [`create_subprocess_exec`]. That the line cannot be run is no error here, but of the shell.
///
/// # Cancellation
/// As there: the shell is killed and waited for.
///
/// ```
/// use coro_core::process::{PIPE, create_subprocess_shell};
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let mut process = create_subprocess_shell("echo six | tr a-z A-Z; exit 3").stdout(PIPE).co_await()?;
///     assert_eq!(process.communicate(None).co_await()?.0.unwrap(), b"SIX\n");
///     assert_eq!(process.returncode(), Some(3));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn create_subprocess_shell(line: impl AsRef<OsStr>) -> CreateSubprocess {
    CreateSubprocess { plan: Plan::shell(line), limit: None }
}

/// What [`create_subprocess_exec`] and [`create_subprocess_shell`] return.
///
/// ```
/// use coro_core::process::{CreateSubprocess, create_subprocess_exec};
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let creating: CreateSubprocess = create_subprocess_exec("true", [""; 0]); // nothing has happened
///     assert_eq!(creating.co_await()?.wait().co_await()?, 0);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the child is started only when this is awaited"]
pub struct CreateSubprocess {
    plan: Plan,
    limit: Option<usize>,
}

impl CreateSubprocess {
    options!(
        "let builder = create_subprocess_exec(\"true\", [\"\"; 0]);",
        "assert_eq!(builder.co_await()?.wait().co_await()?, 0);"
    );

    /// How much a reader keeps at most before it lets the child wait, twice over, and how long a line can be; `limit=`. It
    /// is 64 KiB if nothing is said.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # use coro_core::process::*;
    /// # coro_core::run(coroutine(|| {
    /// let mut process = create_subprocess_exec("echo", ["too many eggs"]).stdout(PIPE).limit(4).co_await()?;
    /// let error = process.stdout.as_mut().unwrap().readline().co_await().unwrap_err();
    /// assert!(error.is::<coro_core::ValueError>());
    /// # process.wait().co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl Awaitable for CreateSubprocess {
    type Output = Process;

    fn co_await(self) -> Result<Process> {
        let core = running_core()?;
        check_place(&core)?;
        let protocol = Rc::new(StreamProtocol::new(self.limit)?);
        let told = Rc::clone(&protocol) as Rc<dyn SubprocessProtocol>;
        let transport = SubprocessTransport::start(&core, self.plan.spawn()?, told)?;
        let reader = |fd: usize| protocol.readers.borrow()[fd - 1].clone();
        Ok(Process {
            stdin: protocol.stdin.take(),
            stdout: reader(1),
            stderr: reader(2),
            handle: Handle { core, transport },
        })
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "create_subprocess_exec"))
    }
}

into_future! {
    [] CreateSubprocess => Process;
}

impl Debug for CreateSubprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CreateSubprocess {:?}>", self.plan.command)
    }
}

/// Feeds the readers; `SubprocessStreamProtocol`.
struct StreamProtocol {
    limit: Option<usize>,
    transport: RefCell<Option<SubprocessTransport>>,
    /// Of the output and the error output.
    readers: RefCell<[Option<StreamReader>; 2]>,
    /// Which of them have not ended.
    open: Cell<[bool; 2]>,
    /// Until the process has it.
    stdin: RefCell<Option<StreamWriter>>,
    /// What the writer waits for.
    flow: Rc<StreamReaderProtocol>,
    exited: Cell<bool>,
}

impl StreamProtocol {
    fn new(limit: Option<usize>) -> Result<Self> {
        let this = Self {
            limit,
            transport: RefCell::default(),
            readers: RefCell::default(),
            open: Cell::new([false; 2]),
            stdin: RefCell::default(),
            flow: Rc::new(StreamReaderProtocol::without_reader()),
            exited: Cell::new(false),
        };
        this.reader()?; // says what is wrong with the limit
        Ok(this)
    }

    fn reader(&self) -> Result<StreamReader> {
        self.limit.map_or_else(|| Ok(StreamReader::new()), StreamReader::with_limit)
    }

    /// The reader of this pipe of the child.
    fn reader_of(&self, fd: u32) -> Option<StreamReader> {
        self.readers.borrow().get((fd as usize).checked_sub(1)?)?.clone()
    }

    /// Closes the transport when the child has ended and its outputs too.
    fn maybe_close(&self) {
        if self.exited.get() && self.open.get() == [false; 2] {
            let transport = self.transport.take();
            if let Some(transport) = transport {
                transport.close();
            }
        }
    }
}

impl SubprocessProtocol for StreamProtocol {
    fn connection_made(&self, transport: &SubprocessTransport) {
        self.transport.replace(Some(transport.clone()));
        let mut open = [false; 2];
        for (fd, open) in (1..).zip(&mut open) {
            let (Some(pipe), Ok(reader)) = (transport.get_pipe_transport(fd), self.reader()) else {
                continue;
            };
            // It is a new one, which has no transport.
            let _ = reader.set_transport(&pipe);
            self.readers.borrow_mut()[fd as usize - 1] = Some(reader);
            *open = true;
        }
        self.open.set(open);
        if let Some(pipe) = transport.get_pipe_transport(0) {
            self.stdin.replace(Some(StreamWriter::new(&pipe, &self.flow, None)));
        }
    }

    fn pipe_data_received(&self, fd: u32, data: &[u8]) {
        if let Some(reader) = self.reader_of(fd) {
            // After its end nothing comes.
            let _ = reader.feed_data(data);
        }
    }

    fn pipe_connection_lost(&self, fd: u32, error: Option<Error>) {
        if fd == 0 {
            return self.flow.connection_lost(error);
        }
        if let Some(reader) = self.reader_of(fd) {
            match error {
                None => reader.feed_eof(),
                Some(error) => reader.set_exception(error),
            }
        }
        let mut open = self.open.get();
        open[fd as usize - 1] = false;
        self.open.set(open);
        self.maybe_close();
    }

    fn process_exited(&self) {
        self.exited.set(true);
        self.maybe_close();
    }

    fn pause_writing(&self) {
        self.flow.pause_writing();
    }

    fn resume_writing(&self) {
        self.flow.resume_writing();
    }
}

/// A child process with streams; `asyncio.subprocess.Process`. Made by [`create_subprocess_exec`] and
/// [`create_subprocess_shell`].
///
/// Dropping it closes its standard input, if that is a pipe; the child itself goes on as long as its loop is open. A loop
/// that is closed kills it.
///
/// ```
/// use coro_core::process::{PIPE, Process, create_subprocess_shell};
/// use coro_core::prelude::*;
/// async_fn! {
///     async fn talk(mut process: Process) -> i32 {
///         let stdin = process.stdin.take().unwrap();
///         stdin.write(b"egg\n")?;
///         await!(stdin.drain());
///         assert_eq!(await!(process.stdout.as_mut().unwrap().readline()), b"got egg\n");
///         stdin.close();
///         await!(process.wait())
///     }
///     async fn program() -> i32 {
///         let line = "while read word; do echo got $word; done; exit 3";
///         await!(talk(await!(create_subprocess_shell(line).stdin(PIPE).stdout(PIPE))))
///     }
/// }
/// assert_eq!(coro_core::run(program())?, 3);
/// # Ok::<(), Error>(())
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// fn elsewhere(process: coro_core::process::Process) {
///     std::thread::spawn(move || drop(process));
/// }
/// ```
pub struct Process {
    /// Its standard input, if that is a [`PIPE`](super::PIPE).
    pub stdin: Option<StreamWriter>,
    /// Its standard output, if that is a [`PIPE`](super::PIPE).
    pub stdout: Option<StreamReader>,
    /// Its standard error output, if that is a [`PIPE`](super::PIPE).
    pub stderr: Option<StreamReader>,
    handle: Handle,
}

/// The process without its streams.
#[derive(Clone)]
struct Handle {
    core: Rc<LoopCore>,
    transport: SubprocessTransport,
}

/// An example with a `process` that reads until it is ended.
macro_rules! process_example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::prelude::*;\n# use coro_core::process::*;\n# use coro_core::signal::SignalKind;\n",
            "# coro_core::run(coroutine(|| {\n",
            "# let mut process = create_subprocess_exec(\"cat\", [\"\"; 0]).stdin(PIPE).stdout(PIPE).co_await()?;\n",
            $($line, "\n",)+
            "# let _ = process.kill();\n# process.wait().co_await()?;\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}

impl Process {
    /// The number of the process.
    ///
    #[doc = process_example!("assert_ne!(process.pid(), std::process::id());")]
    pub fn pid(&self) -> u32 {
        self.handle.transport.get_pid()
    }

    /// How it ended: its exit code, or the number of the signal that ended it, negative. `None` as long as it has not; 255
    /// if somebody else took the status.
    ///
    #[doc = process_example!("assert_eq!(process.returncode(), None);", "process.kill()?;", "process.wait().co_await()?;",
        "assert_eq!(process.returncode(), Some(-9));")]
    pub fn returncode(&self) -> Option<i32> {
        self.handle.transport.get_returncode()
    }

    /// Waits until it has ended and its pipes are closed, and gives its [`returncode`](Self::returncode). Any number of tasks
    /// may wait.
    ///
    /// A child that writes more than its pipe holds, and is not read, never ends: [`communicate`](Self::communicate) reads.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// The child goes on, and can be waited for again.
    ///
    #[doc = process_example!("let late = wait_for(process.wait(), millis(10)).co_await();", "assert!(late.unwrap_err().is_timeout());",
        "process.kill()?;", "assert_eq!(process.wait().co_await()?, -9);")]
    #[track_caller]
    pub fn wait(&self) -> Coroutine<impl FnOnce() -> Result<i32> + use<>> {
        static DEFINITION: Definition = Definition::new("Process.wait", file!(), line!());
        let transport = self.handle.transport.clone();
        Coroutine::named(&DEFINITION, move || transport.wait())
    }

    /// Writes `input` and closes its standard input, reads its outputs to their ends, and waits until it has ended. Gives
    /// what it wrote to its standard output and its error output, where they are pipes.
    ///
    /// That a child does not read its input is no error.
    ///
    /// # Errors
    /// Those of reading.
    ///
    /// # Cancellation
    /// The child goes on. What was read is lost.
    ///
    #[doc = process_example!("let (output, errors) = process.communicate(Some(b\"egg\")).co_await()?;",
        "assert_eq!((output.unwrap(), errors), (b\"egg\".to_vec(), None));")]
    #[track_caller]
    #[expect(clippy::type_complexity, reason = "what was written, twice")]
    pub fn communicate(
        &mut self,
        input: Option<&[u8]>,
    ) -> Coroutine<impl FnOnce() -> Result<(Option<Vec<u8>>, Option<Vec<u8>>)> + use<>> {
        static DEFINITION: Definition = Definition::new("Process.communicate", file!(), line!());
        let feed = self.handle.feed(self.stdin.clone(), input.map(<[u8]>::to_vec));
        let stdout = self.handle.read(1, self.stdout.clone());
        let stderr = self.handle.read(2, self.stderr.clone());
        let transport = self.handle.transport.clone();
        Coroutine::named(&DEFINITION, move || {
            let ((), stdout, stderr) = gather((feed, stdout, stderr)).co_await()?;
            transport.wait()?;
            Ok((stdout, stderr))
        })
    }

    /// Sends it a signal. Between its end and that of its pipes this does nothing.
    ///
    /// # Errors
    /// [`ProcessLookupError`](super::ProcessLookupError) after it has ended; those of the system.
    ///
    #[doc = process_example!("process.send_signal(SignalKind::hangup())?;", "assert_eq!(process.wait().co_await()?, -1);")]
    pub fn send_signal(&self, signal: SignalKind) -> Result<()> {
        self.handle.transport.send_signal(signal)
    }

    /// Asks it to end, by SIGTERM.
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    ///
    #[doc = process_example!("process.terminate()?;", "assert_eq!(process.wait().co_await()?, -15);")]
    pub fn terminate(&self) -> Result<()> {
        self.handle.transport.terminate()
    }

    /// Ends it at once, by SIGKILL.
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    ///
    #[doc = process_example!("process.kill()?;", "assert_eq!(process.wait().co_await()?, -9);")]
    pub fn kill(&self) -> Result<()> {
        self.handle.transport.kill()
    }
}

impl Handle {
    /// What debug mode tells of a communication.
    fn log(&self, what: impl fmt::Display) {
        if self.core.debug.get() {
            report::debug(format_args!("<Process {}> communicate: {what}", self.transport.get_pid()));
        }
    }

    /// Writes `input`, if there is a pipe, and closes that.
    fn feed(
        &self,
        stdin: Option<StreamWriter>,
        input: Option<Vec<u8>>,
    ) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition = Definition::new("Process._feed_stdin", file!(), line!());
        let this = self.clone();
        Coroutine::named(&DEFINITION, move || {
            let Some(stdin) = stdin else { return Ok(()) };
            let fed = input.map_or(Ok(()), |input| {
                let written = stdin.write(&input);
                this.log(format_args!("feed stdin ({} bytes)", input.len()));
                written
            });
            match fed.and_then(|()| stdin.drain().co_await()) {
                Err(error) if is_lost(&error) => this.log(format_args!("stdin got {error}")),
                result => result?,
            }
            this.log("close stdin");
            stdin.close();
            Ok(())
        })
    }

    /// Reads a pipe to its end, if there is one, and closes it.
    fn read(
        &self,
        fd: u32,
        reader: Option<StreamReader>,
    ) -> Coroutine<impl FnOnce() -> Result<Option<Vec<u8>>> + use<>> {
        static DEFINITION: Definition = Definition::new("Process._read_stream", file!(), line!());
        let this = self.clone();
        Coroutine::named(&DEFINITION, move || {
            let Some(mut reader) = reader else { return Ok(None) };
            let name = if fd == 1 { "stdout" } else { "stderr" };
            this.log(format_args!("read {name}"));
            let output = reader.read_to_end().co_await()?;
            this.log(format_args!("close {name}"));
            if let Some(pipe) = this.transport.get_pipe_transport(fd) {
                pipe.close();
            }
            Ok(Some(output))
        })
    }
}

/// Whether nobody reads what is written.
fn is_lost(error: &Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset))
}

impl Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Process {}>", self.pid())
    }
}
