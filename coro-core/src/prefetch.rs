//! Memory asked for before it is needed, so that it is there by then.
//!
//! Floor 0.
#![allow(unsafe_code)] // a hint to the processor

/// How far the processor loads at once, in bytes; of most.
const LINE: usize = 64;

/// Asks for the lines of memory from `bytes` before `place` to `bytes` after it. What is not there is not asked for.
#[inline(always)]
pub(crate) fn prefetch_around<T>(place: *const T, before: usize, after: usize) {
    #[cfg(target_arch = "x86_64")]
    for distance in (0..before + after).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let line = place.wrapping_byte_sub(before).wrapping_byte_add(distance);
        // SAFETY: it is a hint, which reads nothing that the program sees, and is ignored where no memory is. Every
        // x86-64 has SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (place, before, after, LINE);
}
