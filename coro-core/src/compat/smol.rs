//! [`smol-timeout`](https://docs.rs/smol-timeout): a time limit on a std future, as a method.
//!
//! `future.timeout(limit)` is a std future again, of `Some(value)`, or of `None` if the limit was reached first. A task awaits
//! it like any other std future; it works inside an `async` block too, and in code that knows nothing of this library.
//!
//! What is different from [`wait_for`](crate::wait_for):
//! - The limit is by the real clock, which a thread of async-io keeps. The loop's own clock, a virtual one too, has
//!   no say in it.
//! - A limit that is reached is `None`, a value; no [`Elapsed`](crate::Elapsed) is raised.
//! - The future is dropped where it stands, with the `TimeoutExt` around it; `wait_for` raises
//!   [`Cancelled`](crate::Cancelled) in what it awaits, and waits until that has cleaned up. So `wait_for` is for
//!   coroutines and tasks, and this is for futures of other libraries.
//!
//! It comes with the feature `smol-timeout`, which is on by default; without it, async-io is not built.
//!
//! # Cancellation
//! The task that awaits it is cancelled at that await, and drops the future with its limit.
//!
//! ```
//! use coro_core::compat::smol::TimeoutExt;
//! use coro_core::prelude::*;
//!
//! coro_core::run(coroutine(|| {
//!     let task = create_task(coroutine(|| {
//!         let prompt = std::future::ready("eggs").timeout(secs(5)).co_await()?;
//!         let never = std::future::pending::<&str>().timeout(millis(5)).co_await()?;
//!         Ok((prompt, never))
//!     }));
//!     assert_eq!(task.co_await()?, (Some("eggs"), None));
//!     let limited = wait_for(std::future::pending::<()>(), millis(5)); // by the loop's clock
//!     assert!(limited.co_await().unwrap_err().is_timeout());
//!     Ok(())
//! }))?;
//! # Ok::<(), Error>(())
//! ```

pub use smol_timeout::TimeoutExt;
