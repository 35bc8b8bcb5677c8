//! What is built from tasks and futures: waiting for time, for several at once, for no longer than a limit.
//!
//! Floor: the library, its highest part. Timers and callbacks go through the loop's interface in `events`; nothing
//! here knows the loop's inside, the reactor or stacks.

mod as_completed;
mod buffered;
mod crew;
mod gather;
mod interval;
mod merge;
mod race;
mod shield;
mod sleep;
mod timeout;
mod wait;

pub use as_completed::{AsCompleted, NextCompleted, as_completed};
pub use gather::{Gathered, IntoGather, Iterated, gather, gather_return_exceptions};
pub use interval::{Interval, interval};
pub use merge::merge;
pub use race::{Race, race};
pub use shield::shield;
pub use sleep::{Sleep, SleepThen, millis, secs, sleep};
pub use timeout::{Timeout, WaitFor, timeout, timeout_at, wait_for};
pub use wait::{AsFuture, ReturnWhen, Wait, wait};
