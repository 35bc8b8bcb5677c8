//! How a child is started in asyncio's manner: [`Redirect`], and the builder of [`EventLoop::subprocess_exec`].

use std::ffi::OsStr;
use std::fmt::{self, Debug};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;

use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::Origin;
use crate::error::{Result, ValueError};
use crate::events::{EventLoop, LoopCore, running_core};
use crate::in_place::place;

use super::running::Running;
use super::transport::{SubprocessProtocol, SubprocessTransport};
use super::{ChildStderr, ChildStdin, ChildStdout, Command};

/// Where a standard stream of a child leads; what asyncio's `stdin=`, `stdout=` and `stderr=` take. Files and pipes
/// convert into it.
///
/// ```
/// use coro_core::{prelude::*, process::{DEVNULL, PIPE, Redirect, STDOUT, create_subprocess_shell}};
/// coro_core::run(coroutine(|| {
///     let (reader, writer) = std::io::pipe()?;
///     let one = create_subprocess_shell("echo egg").stdout(Redirect::from(writer)).co_await()?;
///     assert_eq!(one.wait().co_await()?, 0);
///     let mut two = create_subprocess_shell("cat; echo burnt >&2").stdin(reader).stdout(PIPE).stderr(STDOUT).co_await()?;
///     let (output, errors) = two.communicate(None).co_await()?;
///     assert_eq!((output.unwrap(), errors), (b"egg\nburnt\n".to_vec(), None));
///     let quiet = create_subprocess_shell("echo egg").stdout(DEVNULL).co_await()?;
///     quiet.wait().co_await()?;
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Redirect {
    /// To that of this process; asyncio's `None`.
    Inherit,
    /// Through a pipe to this process.
    Pipe,
    /// To nothing.
    Devnull,
    /// To where the standard output of the child leads; for its error output alone.
    Stdout,
    /// To this file, pipe or socket.
    Fd(OwnedFd),
}

/// Through a pipe to this process; `asyncio.subprocess.PIPE`.
///
/// ```
/// # use coro_core::{prelude::*, process::{PIPE, create_subprocess_exec}};
/// # coro_core::run(coroutine(|| {
/// let mut process = create_subprocess_exec("echo", ["egg"]).stdout(PIPE).co_await()?;
/// assert_eq!(process.communicate(None).co_await()?.0.unwrap(), b"egg\n");
/// # Ok(())
/// # }))?;
/// # Ok::<(), Error>(())
/// ```
pub const PIPE: Redirect = Redirect::Pipe;

/// To nothing; `asyncio.subprocess.DEVNULL`.
///
/// ```
/// # use coro_core::{prelude::*, process::{DEVNULL, create_subprocess_exec}};
/// # coro_core::run(coroutine(|| {
/// let process = create_subprocess_exec("cat", [""; 0]).stdin(DEVNULL).co_await()?;
/// assert_eq!(process.wait().co_await()?, 0);
/// # Ok(())
/// # }))?;
/// # Ok::<(), Error>(())
/// ```
pub const DEVNULL: Redirect = Redirect::Devnull;

/// For the error output: to where the output leads; `asyncio.subprocess.STDOUT`.
///
/// ```
/// # use coro_core::{prelude::*, process::{PIPE, STDOUT, create_subprocess_shell}};
/// # coro_core::run(coroutine(|| {
/// let mut process = create_subprocess_shell("echo burnt >&2").stdout(PIPE).stderr(STDOUT).co_await()?;
/// assert_eq!(process.communicate(None).co_await()?.0.unwrap(), b"burnt\n");
/// # Ok(())
/// # }))?;
/// # Ok::<(), Error>(())
/// ```
pub const STDOUT: Redirect = Redirect::Stdout;

/// What leads somewhere already.
macro_rules! leads_there {
    ($($type:ty)*) => {$(
        impl From<$type> for Redirect {
            fn from(there: $type) -> Self {
                Self::Fd(there.into())
            }
        }
    )*};
}

leads_there!(OwnedFd File PipeReader PipeWriter ChildStdin ChildStdout ChildStderr);

impl Redirect {
    fn stdio(self) -> Result<Stdio> {
        Ok(match self {
            Self::Inherit => Stdio::inherit(),
            Self::Pipe => Stdio::piped(),
            Self::Devnull => Stdio::null(),
            Self::Fd(fd) => fd.into(),
            Self::Stdout => return Err(ValueError::new("STDOUT can only be used for stderr").into()),
        })
    }
}

/// A child that is to be started.
pub(super) struct Plan {
    pub(super) command: Command,
    /// Its standard input, output and error output.
    pub(super) streams: [Redirect; 3],
}

/// This process's ends of the pipes that were asked for.
#[derive(Default)]
pub(super) struct Pipes {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// A child that was started.
pub(super) struct Spawned {
    pub(super) running: Arc<Running>,
    pub(super) pipes: Pipes,
    pub(super) program: String,
}

impl Plan {
    pub(super) fn exec(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self { command, streams: [Redirect::Inherit, Redirect::Inherit, Redirect::Inherit] }
    }

    pub(super) fn shell(line: impl AsRef<OsStr>) -> Self {
        let mut plan = Self::exec("/bin/sh", ["-c"]);
        plan.command.arg(line);
        plan
    }

    /// The pipes that `subprocess_exec` of a loop gives where nothing is said.
    fn piped(mut self) -> Self {
        self.streams = [Redirect::Pipe, Redirect::Pipe, Redirect::Pipe];
        self
    }

    /// Starts it.
    pub(super) fn spawn(self) -> Result<Spawned> {
        let Self { mut command, streams: [stdin, stdout, stderr] } = self;
        command.stdin(stdin.stdio()?);
        let mut shared = None;
        match (stdout, stderr) {
            (Redirect::Pipe, Redirect::Stdout) => {
                let (reader, writer) = io::pipe()?;
                command.stdout(writer.try_clone()?).stderr(writer);
                shared = Some(reader);
            }
            (Redirect::Inherit, Redirect::Stdout) => {
                command.stderr(io::stdout());
            }
            (Redirect::Devnull, Redirect::Stdout) => {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
            (Redirect::Fd(fd), Redirect::Stdout) => {
                command.stdout(fd.try_clone()?).stderr(fd);
            }
            (stdout, stderr) => {
                command.stdout(stdout.stdio()?).stderr(stderr.stdio()?);
            }
        }
        let mut child = command.start()?;
        let pipes = Pipes {
            stdin: child.stdin.take().map(OwnedFd::from),
            stdout: child.stdout.take().map(OwnedFd::from).or(shared.map(OwnedFd::from)),
            stderr: child.stderr.take().map(OwnedFd::from),
        };
        let program = command.get_program().to_string_lossy().into_owned();
        Ok(Spawned { running: command.running(child), pipes, program })
    }
}

/// Nothing is started where nothing can wait for the pipes to be connected.
pub(super) fn check_place(core: &LoopCore) -> Result<()> {
    running_core()?;
    place()?;
    core.check_open()
}

/// The options of a child, for both builders. The examples have a `builder`, and after it what gives `code`.
macro_rules! options {
    ($before:literal, $after:literal) => {
        /// Where the child's standard input comes from.
        ///
        #[doc = example!($before, "let builder = builder.stdin(DEVNULL);", $after)]
        pub fn stdin(mut self, stdin: impl Into<Redirect>) -> Self {
            self.plan.streams[0] = stdin.into();
            self
        }

        /// Where the child's standard output goes.
        ///
        #[doc = example!($before, "let builder = builder.stdout(DEVNULL);", $after)]
        pub fn stdout(mut self, stdout: impl Into<Redirect>) -> Self {
            self.plan.streams[1] = stdout.into();
            self
        }

        /// Where the child's standard error output goes.
        ///
        #[doc = example!($before, "let builder = builder.stderr(STDOUT);", $after)]
        pub fn stderr(mut self, stderr: impl Into<Redirect>) -> Self {
            self.plan.streams[2] = stderr.into();
            self
        }

        /// Sets a variable of the child's environment, which has those of this process too; see
        /// [`env_clear`](Self::env_clear).
        ///
        #[doc = example!($before, "let builder = builder.env(\"EGGS\", \"six\");", $after)]
        pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
            self.plan.command.env(name, value);
            self
        }

        /// Takes all variables out of the child's environment, so that it has only those that are set after this;
        /// `env={...}` is this and [`env`](Self::env).
        ///
        #[doc = example!($before, "let builder = builder.env_clear().env(\"PATH\", \"/bin:/usr/bin\");", $after)]
        pub fn env_clear(mut self) -> Self {
            self.plan.command.env_clear();
            self
        }

        /// Where the child runs; `cwd=`.
        ///
        #[doc = example!($before, "let builder = builder.current_dir(\"/\");", $after)]
        pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
            self.plan.command.current_dir(folder);
            self
        }

        /// The process group the child belongs to; of 0 it leads a new one.
        ///
        #[doc = example!($before, "let builder = builder.process_group(0);", $after)]
        pub fn process_group(mut self, group: i32) -> Self {
            self.plan.command.process_group(group);
            self
        }

        /// The command of std behind this, for its extensions, such as `arg0`, `uid` and `pre_exec`.
        ///
        #[doc = example!($before, "let mut builder = builder;", "builder.as_std_mut().arg(\"egg\");", $after)]
        pub fn as_std_mut(&mut self) -> &mut std::process::Command {
            self.plan.command.as_std_mut()
        }

        /// Waits by a thread even where the system has pidfds, so that tests can do so.
        #[doc(hidden)]
        pub fn wait_in_thread(mut self, in_thread: bool) -> Self {
            self.plan.command.wait_in_thread(in_thread);
            self
        }
    };
}
pub(super) use options;

/// What [`EventLoop::subprocess_exec`] and [`EventLoop::subprocess_shell`] return.
///
/// # Errors
/// When awaited: those of [`Command::spawn`]; [`ValueError`] for [`STDOUT`] in a wrong place.
///
/// # Cancellation
/// The child is killed and waited for.
///
/// ```
/// use coro_core::process::SubprocessProtocol;
/// use coro_core::prelude::*;
/// struct Quiet;
/// impl SubprocessProtocol for Quiet {}
/// coro_core::run(coroutine(|| {
///     let starting = get_running_loop()?.subprocess_exec(|| Quiet, "no such program", [""; 0]);
///     let error = starting.co_await().err().unwrap();
///     assert!(error.to_string().starts_with("no such program: "));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the child is started only when this is awaited"]
pub struct StartSubprocess<F> {
    core: Rc<LoopCore>,
    plan: Plan,
    factory: F,
}

/// An example of an option.
macro_rules! example {
    ($before:literal, $($line:literal),+) => {
        concat!(
            "```\n# use coro_core::prelude::*;\n# use coro_core::process::*;\n",
            "# struct Quiet;\n# impl SubprocessProtocol for Quiet {}\n# coro_core::run(coroutine(|| {\n",
            $before, "\n", $($line, "\n",)+
            "# Ok(())\n# })).unwrap();\n```"
        )
    };
}
pub(super) use example;

impl<F> StartSubprocess<F> {
    options!(
        "let builder = get_running_loop()?.subprocess_exec(|| Quiet, \"true\", [\"\"; 0]);",
        "let (transport, _) = builder.co_await()?;\n# transport.close();"
    );
}

impl<F, P> Awaitable for StartSubprocess<F>
where
    F: FnOnce() -> P,
    P: SubprocessProtocol,
{
    type Output = (SubprocessTransport, Rc<P>);

    fn co_await(self) -> Result<(SubprocessTransport, Rc<P>)> {
        let Self { core, plan, factory } = self;
        check_place(&core)?;
        let protocol = Rc::new(factory());
        let told = Rc::clone(&protocol) as Rc<dyn SubprocessProtocol>;
        let transport = SubprocessTransport::start(&core, plan.spawn()?, told)?;
        Ok((transport, protocol))
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "subprocess_exec"))
    }
}

into_future! {
    [F: FnOnce() -> P + 'static, P: SubprocessProtocol] StartSubprocess<F> => (SubprocessTransport, Rc<P>);
}

impl<F> Debug for StartSubprocess<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StartSubprocess {:?}>", self.plan.command)
    }
}

impl EventLoop {
    /// Starts a program, whose pipes and end are told to the protocol that `factory` makes;
    /// `loop.subprocess_exec(factory, program, *args)`. All three standard streams are pipes where nothing else is said.
    ///
    /// # Errors
    /// When awaited: those of [`Command::spawn`](super::Command::spawn); [`RuntimeError`](crate::RuntimeError) outside of a
    /// loop's tasks, and on a closed loop.
    ///
    /// # Cancellation
    /// The child is killed and waited for.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::SubprocessProtocol};
    /// # struct Quiet;
    /// # impl SubprocessProtocol for Quiet {}
    /// # coro_core::run(coroutine(|| {
    /// let starting = get_running_loop()?.subprocess_exec(|| Quiet, "echo", ["six", "eggs"]);
    /// let (transport, _protocol) = starting.co_await()?;
    /// transport.close();
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn subprocess_exec<F, P>(
        &self,
        factory: F,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> StartSubprocess<F>
    where
        F: FnOnce() -> P,
        P: SubprocessProtocol,
    {
        StartSubprocess { core: Rc::clone(&self.core), plan: Plan::exec(program, arguments).piped(), factory }
    }

    /// Runs a line of the shell `/bin/sh`; `loop.subprocess_shell(factory, cmd)`. All else is said at
    /// [`subprocess_exec`](Self::subprocess_exec).
    ///
    /// What comes from elsewhere does not belong into the line: the shell would obey it.
    ///
    /// # Errors
    /// When awaited: as [`subprocess_exec`](Self::subprocess_exec). That the line cannot be run is no error here, but of the
    /// shell.
    ///
    /// # Cancellation
    /// As there: the shell is killed and waited for.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::SubprocessProtocol};
    /// # struct Quiet;
    /// # impl SubprocessProtocol for Quiet {}
    /// # coro_core::run(coroutine(|| {
    /// let (transport, _protocol) = get_running_loop()?.subprocess_shell(|| Quiet, "echo six; echo eggs").co_await()?;
    /// transport.close();
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn subprocess_shell<F, P>(&self, factory: F, line: impl AsRef<OsStr>) -> StartSubprocess<F>
    where
        F: FnOnce() -> P,
        P: SubprocessProtocol,
    {
        StartSubprocess { core: Rc::clone(&self.core), plan: Plan::shell(line).piped(), factory }
    }
}
