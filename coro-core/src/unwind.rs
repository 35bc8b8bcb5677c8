//! The forced unwind: how a suspended stack is asked to drop everything on it.
//!
//! Floor 0. It is a panic without a message. Every `catch_unwind` of this library lets it pass.

use std::any::Any;
use std::panic::resume_unwind;

/// The payload of a forced unwind.
struct ForcedUnwind;

/// Begins a forced unwind of the present stack.
pub(crate) fn begin() -> ! {
    resume_unwind(Box::new(ForcedUnwind))
}

/// Whether a caught payload is that of a forced unwind.
pub(crate) fn is_forced(payload: &(dyn Any + Send)) -> bool {
    payload.is::<ForcedUnwind>()
}

/// Lets a forced unwind that a `catch_unwind` of this library caught go on.
pub(crate) fn pass_on(payload: &(dyn Any + Send)) {
    if is_forced(payload) {
        begin();
    }
}
