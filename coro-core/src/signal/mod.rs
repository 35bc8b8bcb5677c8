//! Signals: callbacks of the loop, an awaitable for Ctrl-C, and streams of signals.
//!
//! [`run`](crate::run) turns the first Ctrl-C into a cancellation of its main task. A program that wants another end
//! waits for signals itself:
//!
//! ```
//! use coro_core::prelude::*;
//! use coro_core::signal::{SignalKind, signal};
//!
//! async_fn! {
//!     /// Serves until it is told to end, then in good order.
//!     async fn serve() -> &'static str {
//!         let mut ends = signal(SignalKind::terminate())?;
//!         let server = create_task(sleep(secs(3600)));
//!         # raise(15);
//!         await!(coroutine(|| ends.anext()));
//!         server.cancel();
//!         "ended"
//!     }
//! }
//! # unsafe extern "C" { safe fn raise(signal: i32) -> i32; }
//! assert_eq!(coro_core::run(serve())?, "ended");
//! # Ok::<(), Error>(())
//! ```
//!
//! Callbacks are added with [`add_signal_handler`](crate::EventLoop::add_signal_handler). On Windows there are SIGINT and
//! SIGTERM.

mod handlers;
mod interrupt;
mod kind;
mod stream;
mod table;

pub(crate) use interrupt::cancel_on_interrupt;
pub use kind::SignalKind;
pub use stream::{CtrlC, Signals, ctrl_c, signal};
