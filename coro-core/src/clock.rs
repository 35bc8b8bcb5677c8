//! Clocks: the monotonic one of the system, and the virtual one of tests.
//!
//! Floor 0. Both give the time since an origin of their own as a `Duration`.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Where a loop gets its time from.
pub(crate) enum Clock {
    /// Real time since the loop was made.
    Monotonic(Instant),
    /// Time that stands still until somebody moves it.
    Virtual(Cell<Duration>),
}

impl Clock {
    pub(crate) fn monotonic() -> Self {
        Self::Monotonic(Instant::now())
    }

    pub(crate) fn virtual_from(start: Duration) -> Self {
        Self::Virtual(Cell::new(start))
    }

    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Monotonic(origin) => origin.elapsed(),
            Self::Virtual(now) => now.get(),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// Moves a virtual clock forward to `target`; real time moves by itself.
    pub(crate) fn advance_to(&self, target: Duration) {
        if let Self::Virtual(now) = self {
            now.set(now.get().max(target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_only_when_told_and_never_back() {
        let clock = Clock::virtual_from(Duration::ZERO);
        assert_eq!(clock.now(), Duration::ZERO);
        clock.advance_to(Duration::from_secs(2));
        clock.advance_to(Duration::from_secs(1));
        assert_eq!(clock.now(), Duration::from_secs(2));
    }

    #[test]
    fn a_monotonic_clock_cannot_be_moved() {
        let clock = Clock::monotonic();
        clock.advance_to(Duration::from_secs(1_000_000));
        assert!(clock.now() < Duration::from_secs(1_000));
    }
}
