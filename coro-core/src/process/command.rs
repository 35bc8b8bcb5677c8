//! [`Command`]: a program that can be started.

use std::ffi::OsStr;
use std::fmt::{self, Debug};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};
use std::sync::Arc;

use crate::error::io_context;

use super::Child;
use super::running::Running;

/// A program with its arguments and surroundings; `std::process::Command`, with its methods.
///
/// What it has not, such as `pre_exec` or `uid`, is reached through [`as_std_mut`](Self::as_std_mut).
///
/// ```
/// use coro_core::{prelude::*, process::Command};
/// coro_core::run(coroutine(|| {
///     let output = Command::new("sh").args(["-c", "echo $EGGS"]).env("EGGS", "six").output()?;
///     assert_eq!(output.stdout, b"six\n");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct Command {
    std: process::Command,
    kill_on_drop: bool,
    /// Which of the three standard streams were given.
    given: [bool; 3],
    in_thread: bool,
}

impl Command {
    /// The program of this name, found by `PATH` unless there is a slash in it.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// assert!(coro_core::run(coroutine(|| Ok(Command::new("true").status()?)))?.success());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// let mut command = Command::new("echo");
    /// command.arg("six").arg("eggs");
    /// assert_eq!(command.get_args().count(), 2);
    /// ```
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(argument);
        self
    }

    /// Adds arguments.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// let mut command = Command::new("echo");
    /// command.args(["six", "eggs"]);
    /// assert_eq!(command.get_args().count(), 2);
    /// ```
    pub fn args(&mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> &mut Self {
        self.std.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let output = Command::new("sh").args(["-c", "echo $EGGS"]).env("EGGS", "six").output()?;
    /// assert_eq!(output.stdout, b"six\n");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(name, value);
        self
    }

    /// Sets variables of its environment.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// let mut command = Command::new("env");
    /// command.envs([("EGGS", "six"), ("SALT", "some")]);
    /// assert_eq!(command.get_envs().count(), 2);
    /// ```
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        self.std.envs(variables);
        self
    }

    /// Takes a variable out of its environment.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let output = Command::new("sh").args(["-c", "echo ${HOME-none}"]).env_remove("HOME").output()?;
    /// assert_eq!(output.stdout, b"none\n");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(name);
        self
    }

    /// Takes all variables out of its environment.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let output = Command::new("/usr/bin/env").env_clear().env("EGGS", "six").output()?;
    /// assert_eq!(output.stdout, b"EGGS=six\n");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// Where it runs.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let output = Command::new("pwd").current_dir("/").output()?;
    /// assert_eq!(output.stdout, b"/\n");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(folder);
        self
    }

    /// Its standard input: this process's own if nothing is said, nothing under [`output`](Self::output).
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::{Command, Stdio}};
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("cat").stdin(Stdio::null()).spawn()?;
    /// assert!(child.wait()?.success());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.given[0] = true;
        self.std.stdin(stdin);
        self
    }

    /// Its standard output: this process's own if nothing is said, a pipe under [`output`](Self::output).
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::{Command, Stdio}};
    /// # coro_core::run(coroutine(|| {
    /// let mut child = Command::new("echo").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(std::io::read_to_string(child.stdout.take().unwrap())?, "\n");
    /// # child.wait()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.given[1] = true;
        self.std.stdout(stdout);
        self
    }

    /// Its standard error output: this process's own if nothing is said, a pipe under [`output`](Self::output).
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::{Command, Stdio}};
    /// # coro_core::run(coroutine(|| {
    /// let status = Command::new("sh").args(["-c", "echo burnt >&2"]).stderr(Stdio::null()).status()?;
    /// assert!(status.success());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.given[2] = true;
        self.std.stderr(stderr);
        self
    }

    /// Whether a [`Child`] that is dropped is killed, by SIGKILL. It is not if nothing is said, as in std.
    ///
    /// So a child ends with the task that waits for it, or the block that holds it.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let sleeper = || Ok(Command::new("sleep").arg("60").kill_on_drop(true).status()?);
    /// assert!(wait_for(coroutine(sleeper), millis(10)).co_await().is_err()); // and `sleep` is gone
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// The process group it belongs to; of 0 it leads a new one, which a Ctrl-C at the terminal does not reach.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command, signal::SignalKind};
    /// # coro_core::run(coroutine(|| {
    /// let child = Command::new("sh").args(["-c", "sleep 60; true"]).process_group(0).spawn()?;
    /// child.send_signal_to_group(SignalKind::terminate())?;
    /// child.wait()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.std.process_group(group);
        self
    }

    /// Waits by a thread even where the system has pidfds, so that tests can do so.
    #[doc(hidden)]
    pub fn wait_in_thread(&mut self, in_thread: bool) -> &mut Self {
        self.in_thread = in_thread;
        self
    }

    /// Starts it. This holds the loop up until the program is loaded, about as long as std's `spawn` does: some tenths of
    /// a millisecond.
    ///
    /// # Errors
    /// Those of std, with the name of the program before the message, or that of the folder it was to run in.
    ///
    /// ```
    /// use coro_core::{prelude::*, process::Command};
    /// coro_core::run(coroutine(|| {
    ///     let child = Command::new("true").spawn()?;
    ///     assert!(child.wait()?.success());
    ///     let error = Command::new("no such program").spawn().unwrap_err();
    ///     assert!(error.to_string().starts_with("no such program: "));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        let child = self.start()?;
        Ok(Child::new(child, self.kill_on_drop, self.in_thread))
    }

    /// Starts it, and gives std's own child.
    pub(super) fn start(&mut self) -> io::Result<process::Child> {
        self.std.spawn().map_err(|error| match self.missing_folder(&error) {
            Some(folder) => io_context(error, folder.display()),
            None => io_context(error, self.get_program().display()),
        })
    }

    /// A child of this command, without its streams.
    pub(super) fn running(&self, child: process::Child) -> Arc<Running> {
        Running::new(child, self.in_thread)
    }

    /// The folder it should run in, if that explains the error.
    fn missing_folder(&self, error: &io::Error) -> Option<&Path> {
        let told = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        self.get_current_dir().filter(|folder| told && !folder.is_dir())
    }

    /// Starts it and waits until it has ended.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancellation
    /// The child goes on, unless [`kill_on_drop`](Self::kill_on_drop) was set.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// assert_eq!(Command::new("false").status()?.code(), Some(1)); // other tasks run meanwhile
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Starts it, waits until it has ended, and gives what it wrote. If nothing else is said it has no input, and what it
    /// writes to its standard error output is kept too.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Cancellation
    /// As [`status`](Self::status). What was read is lost.
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// # coro_core::run(coroutine(|| {
    /// let output = Command::new("sh").args(["-c", "echo six; echo burnt >&2; exit 2"]).output()?;
    /// assert_eq!((output.stdout, output.stderr), (b"six\n".to_vec(), b"burnt\n".to_vec()));
    /// assert_eq!(output.status.code(), Some(2));
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn output(&mut self) -> io::Result<Output> {
        let [stdin, stdout, stderr] = self.given;
        self.or_default(!stdin, Stdio::null, !stdout, !stderr, Stdio::piped);
        let child = self.spawn();
        self.or_default(!stdin, Stdio::inherit, !stdout, !stderr, Stdio::inherit);
        child?.wait_with_output()
    }

    /// Sets the standard streams that were not given.
    fn or_default(
        &mut self,
        stdin: bool,
        input: fn() -> Stdio,
        stdout: bool,
        stderr: bool,
        output: fn() -> Stdio,
    ) {
        if stdin {
            self.std.stdin(input());
        }
        if stdout {
            self.std.stdout(output());
        }
        if stderr {
            self.std.stderr(output());
        }
    }

    /// The program.
    ///
    /// ```
    /// assert_eq!(coro_core::process::Command::new("cat").get_program(), "cat");
    /// ```
    pub fn get_program(&self) -> &OsStr {
        self.std.get_program()
    }

    /// The arguments.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// assert_eq!(Command::new("echo").arg("six").get_args().next().unwrap(), "six");
    /// ```
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.std.get_args()
    }

    /// The variables that were set, or taken out.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// assert_eq!(Command::new("env").env("EGGS", "six").get_envs().count(), 1);
    /// ```
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.std.get_envs()
    }

    /// Where it runs, if that was said.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// assert_eq!(Command::new("pwd").get_current_dir(), None);
    /// ```
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.std.get_current_dir()
    }

    /// The command of std behind this one.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// assert_eq!(Command::new("cat").as_std().get_program(), "cat");
    /// ```
    pub fn as_std(&self) -> &process::Command {
        &self.std
    }

    /// The command of std behind this one: for its extensions, such as `arg0`, `uid`, `gid`, `pre_exec`. Standard streams
    /// that are set there are not seen by [`output`](Self::output).
    ///
    /// ```
    /// # use coro_core::{prelude::*, process::Command};
    /// use std::os::unix::process::CommandExt;
    /// # coro_core::run(coroutine(|| {
    /// let mut shell = Command::new("sh");
    /// shell.as_std_mut().arg0("egg");
    /// let output = shell.args(["-c", "echo $0"]).output()?;
    /// assert_eq!(output.stdout, b"egg\n");
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn as_std_mut(&mut self) -> &mut process::Command {
        &mut self.std
    }

    /// The command of std behind this one.
    ///
    /// ```
    /// # use coro_core::process::Command;
    /// let command: std::process::Command = Command::new("cat").into_std();
    /// assert_eq!(command.get_program(), "cat");
    /// ```
    pub fn into_std(self) -> process::Command {
        self.std
    }
}

impl From<process::Command> for Command {
    fn from(std: process::Command) -> Self {
        Self { std, kill_on_drop: false, given: [false; 3], in_thread: false }
    }
}

impl Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
