//! The standard streams: reading suspends the task, writing into a full pipe does too.
//!
//! Each stream has a thread of its own, made when it is first used. Nobody waits for that thread at the end of `run`
//! or of the process, since a read may never return. Off any loop these streams block, as std's do; in a callback, or in a
//! task made from a std future, they give an error instead.
//!
//! They share buffers and locks with [`std::io`]: what `println!` and [`stdout`] print comes in the order of the calls,
//! and while the thread is stuck in a full pipe, or waits for input, std's own stream of that name blocks.
//!
//! # Errors
//! As those of std; and a [`RuntimeError`](crate::RuntimeError) where nothing can suspend.
//!
//! # Cancellation
//! It comes as an `io::Error` that leads to [`Cancelled`](crate::Cancelled). What arrives for a cancelled read is kept
//! for the next one. A write that has begun goes on to its end; if it fails, the next one raises the error. A task
//! that reads or writes holds a virtual clock; a cancelled one no longer.
//!
//! ```
//! use coro_core::{prelude::*, stdio};
//! use std::io::Write;
//! async_fn! {
//!     async fn program() {
//!         writeln!(stdio::stdout(), "your name?")?;
//!         for line in stdio::stdin().lines() {
//!             writeln!(stdio::stdout(), "hello, {}", line?)?; // other tasks run while it waits
//!         }
//!     }
//! }
//! coro_core::run(program())?;
//! # Ok::<(), Error>(())
//! ```
//
// Floor: above the library.

use std::fmt::Arguments;
use std::io::{self, IoSliceMut, Read, Write};
use std::sync::LazyLock;

use crate::async_iter::AsyncIterator;
use crate::error::Result;
use crate::in_place::{self, CHUNK, Failure, Shared, Source, Unread, Worker, more, write_out};

/// As much as std's own buffer holds.
const LINE_CHUNK: usize = 8 * 1024;

#[derive(Default)]
struct Input(Unread);

static INPUT: LazyLock<Shared<Input>> = LazyLock::new(|| Shared::new(Input::default()));
static INPUT_THREAD: Worker = Worker::new("coro-stdin");

impl Source for Input {
    fn unread(&mut self) -> &mut Unread {
        &mut self.0
    }

    fn refill(&mut self, limit: usize) -> io::Result<usize> {
        self.0.fill(io::stdin(), limit)
    }

    fn in_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        INPUT_THREAD.run(job)
    }
}

/// The standard input of the process.
///
/// ```
/// use coro_core::{prelude::*, stdio};
/// coro_core::run(coroutine(|| {
///     let text = std::io::read_to_string(stdio::stdin())?;
///     println!("{} bytes", text.len());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn stdin() -> Stdin {
    Stdin(())
}

/// The standard input; made by [`stdin`]. It implements `Read`, on `&Stdin` too. All of them read one stream, one after
/// the other.
///
/// # Cancellation
/// As the [module](self) says: nothing that arrives is lost.
///
/// ```
/// use coro_core::{prelude::*, stdio};
/// use std::io::Read;
/// coro_core::run(coroutine(|| {
///     let mut stdin: stdio::Stdin = stdio::stdin();
///     let count = stdin.read(&mut [0; 64])?;
///     println!("{count} bytes have come; none at the end of the input");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Stdin(());

impl Stdin {
    /// Adds the next line to `line`, with its end. How many bytes; none at the end of the input.
    ///
    /// # Errors
    /// As the [module](self) says; of kind `InvalidData` for a line that is not UTF-8, which is skipped.
    ///
    /// # Cancellation
    /// A part of a line that came stays for the next read.
    ///
    /// ```
    /// use coro_core::{prelude::*, stdio};
    /// coro_core::run(coroutine(|| {
    ///     let mut line = String::new();
    ///     while stdio::stdin().read_line(&mut line)? > 0 {
    ///         println!("{}", line.trim_end());
    ///         line.clear();
    ///     }
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn read_line(&self, line: &mut String) -> io::Result<usize> {
        let mut turn = INPUT.turn()?;
        let mut looked_at = 0;
        let length = loop {
            let unread = turn.0.as_slice();
            let end = unread[looked_at..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                break looked_at + end + 1;
            }
            looked_at = unread.len();
            let (next, count) = more(turn, LINE_CHUNK)?;
            turn = next;
            if count == 0 {
                break looked_at;
            }
        };
        let bytes = turn.0.take(length);
        drop(turn);
        line.push_str(&in_place::into_text(bytes)?);
        Ok(length)
    }

    /// The lines, without their ends, up to the end of the input.
    ///
    /// ```
    /// use coro_core::{prelude::*, stdio};
    /// async_fn! {
    ///     async fn echo() {
    ///         async for line in stdio::stdin().lines() {
    ///             println!("{line}");
    ///         }
    ///     }
    /// }
    /// coro_core::run(echo())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lines(self) -> Lines {
        Lines(self)
    }
}

impl Read for &Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        in_place::read(INPUT.turn()?, buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        in_place::read_vectored(INPUT.turn()?, buffers)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        in_place::read_to_end(INPUT.turn()?, bytes)
    }

    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        in_place::read_to_string(INPUT.turn()?, text)
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(bytes)
    }

    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(text)
    }
}

/// What [`Stdin::lines`] returns: an `Iterator` of results whose `next` suspends, and an [`AsyncIterator`].
///
/// # Cancellation
/// No line is lost: it can be asked again.
///
/// ```
/// use coro_core::{prelude::*, stdio};
/// coro_core::run(coroutine(|| {
///     let mut lines: stdio::Lines = stdio::stdin().lines();
///     match lines.next() {
///         Some(line) => println!("the first line: {}", line?),
///         None => println!("there is none"),
///     }
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Lines(Stdin);

impl Iterator for Lines {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                if line.ends_with('\n') {
                    line.pop();
                    if line.ends_with('\r') {
                        line.pop();
                    }
                }
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl AsyncIterator for Lines {
    type Item = String;

    fn anext(&mut self) -> Result<Option<String>> {
        Ok(self.next().transpose()?)
    }
}

/// An output of the process: whose turn it is, and the thread that writes.
struct Output {
    turns: LazyLock<Shared<Failure>>,
    thread: Worker,
}

impl Output {
    const fn new(thread: &'static str) -> Self {
        Self { turns: LazyLock::new(|| Shared::new(Failure::default())), thread: Worker::new(thread) }
    }

    fn write(&self, data: &[u8], sink: impl Write + Send + 'static) -> io::Result<usize> {
        let mut turn = self.turns.turn()?;
        turn.check()?;
        let data = data[..data.len().min(CHUNK)].to_vec();
        let (mut turn, written) = self.thread.run(move || {
            let written = write_out(sink, &data, &mut turn);
            (turn, written)
        })?;
        turn.after(written)
    }

    fn flush(&self, mut sink: impl Write + Send + 'static) -> io::Result<()> {
        let mut turn = self.turns.turn()?;
        turn.check()?;
        let (turn, result) = self.thread.run(move || {
            let result = sink.flush();
            (turn, result)
        })?;
        drop(turn);
        result
    }
}

static OUTPUT: Output = Output::new("coro-stdout");
static ERROR_OUTPUT: Output = Output::new("coro-stderr");

/// The outputs differ in their names alone.
macro_rules! outputs {
    ($($(#[$doc:meta])* $function:ident, $type:ident, $output:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// ```
        /// use coro_core::{prelude::*, stdio};
        /// use std::io::Write;
        /// coro_core::run(coroutine(|| {
        #[doc = concat!("    let mut output = stdio::", stringify!($function), "();")]
        ///     writeln!(output, "six eggs")?; // other tasks run while the pipe is full
        ///     output.flush()?;
        ///     Ok(())
        /// }))?;
        /// # Ok::<(), Error>(())
        /// ```
        pub fn $function() -> $type {
            $type(())
        }

        #[doc = concat!("The standard ", $what, "; made by [`", stringify!($function), "`]. It implements `Write`, on `&", stringify!($type), "` too.")]
        ///
        /// Writes of several tasks come out in the order in which they were asked for; one takes at most 256 KiB.
        ///
        /// # Cancellation
        /// As the [module](self) says: a write that has begun goes on to its end.
        ///
        /// ```
        /// use coro_core::{prelude::*, stdio};
        /// use std::io::Write;
        /// coro_core::run(coroutine(|| {
        #[doc = concat!("    let output: stdio::", stringify!($type), " = stdio::", stringify!($function), "();")]
        ///     writeln!(&output, "six eggs")?;
        ///     Ok(())
        /// }))?;
        /// # Ok::<(), Error>(())
        /// ```
        #[derive(Debug)]
        pub struct $type(());

        impl Write for &$type {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                $output.write(data, io::$function())
            }

            fn flush(&mut self) -> io::Result<()> {
                $output.flush(io::$function())
            }

            fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
                self.write_all(text.to_string().as_bytes()) // not torn apart by what others write
            }
        }

        impl Write for $type {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                (&*self).write(data)
            }

            fn flush(&mut self) -> io::Result<()> {
                (&*self).flush()
            }

            fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
                (&*self).write_fmt(text)
            }
        }
    )*};
}

outputs! {
    /// The standard output of the process. Lines go out at their ends, what is between them at a flush.
    stdout, Stdout, OUTPUT, "output";
    /// The standard error output of the process, which has no buffer.
    stderr, Stderr, ERROR_OUTPUT, "error output";
}
