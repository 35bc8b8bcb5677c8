//! [`Arrivals`]: the signals that have come for a loop, in their order.
//!
//! Floor 1. Signal handlers write here, on whatever thread, and the loop reads: nothing but atomics, and no locks.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};

/// How many may come between two looks of the loop. It is a power of two, so that counters may wrap.
const PLACES: usize = 256;

/// Signals have numbers below this.
pub(crate) const SIGNALS: usize = 128;

/// What came since the loop looked last. Of more than there are places for, one of each kind is kept.
pub(crate) struct Arrivals {
    places: [AtomicU8; PLACES],
    /// How many places were ever taken by a handler, and how many of them were read.
    taken: AtomicUsize,
    read: AtomicUsize,
    /// Signals that found no place.
    spilt: [AtomicBool; SIGNALS],
    /// Whether there may be anything to read.
    any: AtomicBool,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            places: [const { AtomicU8::new(0) }; PLACES],
            taken: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            spilt: [const { AtomicBool::new(false) }; SIGNALS],
            any: AtomicBool::new(false),
        }
    }

    /// Takes note of a signal. Called by signal handlers, which wake the loop afterwards.
    pub(crate) fn put(&self, signal: u8) {
        let place = self.taken.fetch_update(SeqCst, SeqCst, |taken| {
            let free = taken.wrapping_sub(self.read.load(SeqCst)) < PLACES;
            free.then(|| taken.wrapping_add(1))
        });
        match (place, self.spilt.get(usize::from(signal))) {
            (Ok(place), _) => self.places[place % PLACES].store(signal, SeqCst),
            (Err(_), Some(spilt)) => spilt.store(true, SeqCst),
            (Err(_), None) => {}
        }
        self.any.store(true, SeqCst);
    }

    /// What came since the last call. Only the loop's own thread calls it.
    pub(crate) fn collect(&self) -> Vec<u8> {
        // The plain look comes first: it costs nothing on the hot path.
        if !self.any.load(SeqCst) || !self.any.swap(false, SeqCst) {
            return Vec::new();
        }
        let mut signals = Vec::new();
        loop {
            let read = self.read.load(SeqCst);
            if read == self.taken.load(SeqCst) {
                break;
            }
            // An empty one is just being filled, by a handler that will say so when it has done it.
            match self.places[read % PLACES].swap(0, SeqCst) {
                0 => break,
                signal => signals.push(signal),
            }
            self.read.store(read.wrapping_add(1), SeqCst);
        }
        let spilt = (1..).zip(&self.spilt[1..]).filter(|(_, spilt)| spilt.swap(false, SeqCst));
        signals.extend(spilt.map(|(signal, _)| signal));
        signals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_read_once_and_in_order() {
        let arrivals = Arrivals::new();
        assert!(arrivals.collect().is_empty());
        [15, 1, 15].into_iter().for_each(|signal| arrivals.put(signal));
        assert_eq!(arrivals.collect(), [15, 1, 15]);
        assert!(arrivals.collect().is_empty());
    }

    #[test]
    fn more_than_there_is_place_for_comes_once_and_nothing_is_lost() {
        let arrivals = Arrivals::new();
        for _ in 0..3 {
            (0..PLACES + 5).for_each(|_| arrivals.put(10));
            (0..5).for_each(|_| arrivals.put(12));
            let mut expected = vec![10; PLACES + 1];
            expected.push(12);
            assert_eq!(arrivals.collect(), expected);
            assert!(arrivals.collect().is_empty());
        }
    }

    #[test]
    fn a_place_that_is_being_filled_is_read_later() {
        let arrivals = Arrivals::new();
        arrivals.taken.fetch_add(1, SeqCst); // a handler on another thread has come so far
        arrivals.put(12);
        assert!(arrivals.collect().is_empty());
        arrivals.places[0].store(10, SeqCst);
        arrivals.any.store(true, SeqCst);
        assert_eq!(arrivals.collect(), [10, 12]);
    }
}
