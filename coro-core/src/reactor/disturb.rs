//! A wait that goes wrong in every way that is allowed, for tests: `--cfg coro_poller="faulty"`.
//!
//! What a loop may rely on is that each event is told at some time, and that a wait that has events to tell does not
//! wait. All else happens here, as a seed says (`CORO_FAULTS_SEED`, 1 if nothing is said): waits that are interrupted, that
//! end early or late, events told later than they came, twice, in another order, for what has gone meanwhile, and sockets
//! that are said to be ready and are not.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use super::{Happened, Key};

/// How long a wait may be late.
const LATE: Duration = Duration::from_micros(200);

/// So many events of registrations that have gone, perhaps, may be told once more.
const ROOM: usize = 128;

/// Not asleep: a sleep that is interrupted again and again goes on and on.
fn be_late() {
    let end = Instant::now() + LATE;
    while Instant::now() < end {
        std::thread::yield_now();
    }
}

pub(super) struct Disturber {
    state: Cell<u64>,
    /// What is told now.
    told: Vec<(Key, Happened)>,
    /// Events that came, and are to be told by the next wait.
    withheld: Vec<(Key, Happened)>,
    sockets: Vec<Key>,
    /// Registrations of which there were events; some have gone since.
    seen: Vec<Key>,
}

impl Disturber {
    /// Each one of a process is another, and the same in each run.
    #[cfg(coro_poller = "faulty")]
    pub(super) fn new() -> Self {
        use std::sync::OnceLock;
        use std::sync::atomic::{AtomicU64, Ordering};
        static SEED: OnceLock<u64> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let seed = *SEED.get_or_init(|| {
            let given = std::env::var("CORO_FAULTS_SEED").ok();
            given.and_then(|seed| seed.parse().ok()).unwrap_or(1)
        });
        Self::seeded(seed << 32 | NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn seeded(seed: u64) -> Self {
        // With room: the tests count allocations.
        Self {
            state: Cell::new(seed),
            told: Vec::with_capacity(ROOM),
            withheld: Vec::with_capacity(ROOM),
            sockets: Vec::with_capacity(ROOM),
            seen: Vec::with_capacity(ROOM),
        }
    }

    /// The next number of SplitMix64.
    fn random(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&self, count: u64) -> bool {
        self.random().is_multiple_of(count)
    }

    fn below(&self, limit: usize) -> usize {
        (self.random() % limit as u64) as usize
    }

    /// How long the next wait may take.
    ///
    /// # Errors
    /// `EINTR`, in place of the wait.
    pub(super) fn limit(&self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        if self.one_in(8) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if !self.withheld.is_empty() {
            return Ok(Some(Duration::ZERO));
        }
        if timeout.is_none_or(|timeout| timeout > LATE) {
            match self.random() % 8 {
                0 => return Ok(Some(LATE / 2)), // it ends before its time
                1 => be_late(),                 // it ends after its time
                _ => {}
            }
        }
        Ok(timeout)
    }

    /// What is told of what came. The `sockets` that are registered may be said to be ready when they are not; what else
    /// is registered is told once for each event.
    pub(super) fn told(
        &mut self,
        came: impl Iterator<Item = (Key, Happened)>,
        sockets: impl Iterator<Item = Key>,
    ) -> std::vec::Drain<'_, (Key, Happened)> {
        self.sockets.clear();
        self.sockets.extend(sockets);
        let mut told = std::mem::take(&mut self.told);
        told.append(&mut self.withheld);
        for event in came {
            // A wait that has something to tell tells something.
            if !told.is_empty() && self.one_in(4) {
                self.withheld.push(event);
                continue;
            }
            told.push(event);
            if self.sockets.contains(&event.0) {
                self.seen.push(event.0);
                if self.one_in(4) {
                    told.push(event);
                }
            }
        }
        if !self.sockets.is_empty() && self.one_in(4) {
            told.push((self.sockets[self.below(self.sockets.len())], self.anything()));
        }
        if !self.seen.is_empty() && self.one_in(4) {
            let at = self.below(self.seen.len());
            told.push((self.seen.swap_remove(at), self.anything()));
        }
        while self.seen.len() >= ROOM {
            self.seen.swap_remove(self.below(self.seen.len()));
        }
        for at in (1..told.len()).rev() {
            told.swap(at, self.below(at + 1));
        }
        self.told = told;
        self.told.drain(..)
    }

    fn anything(&self) -> Happened {
        let bits = self.random();
        Happened { readable: bits & 1 != 0, writable: bits & 2 != 0, keep_reading: bits & 4 != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(key: usize) -> (Key, Happened) {
        (Key::from_bits(key), Happened { readable: true, writable: false, keep_reading: false })
    }

    #[test]
    fn every_event_is_told_by_the_next_wait_and_each_kind_of_fault_happens() {
        let sockets: Vec<Key> = (0..4).map(Key::from_bits).collect();
        let [mut late, mut twice, mut false_alarms, mut gone, mut interrupted, mut early] = [0; 6];
        for seed in 0..500 {
            let mut disturber = Disturber::seeded(seed);
            match disturber.limit(None) {
                Err(_) => interrupted += 1,
                Ok(Some(_)) => early += 1,
                Ok(None) => {}
            }
            let mut told = Vec::from_iter(disturber.told((1..4).map(readable), sockets.iter().copied()));
            assert!(!told.is_empty());
            late += usize::from(!disturber.withheld.is_empty());
            twice += usize::from(
                (1..4).any(|key| told.iter().filter(|event| **event == readable(key)).count() > 1),
            );
            false_alarms += usize::from(told.iter().any(|event| event.0 == Key::from_bits(0)));
            if !disturber.withheld.is_empty() {
                assert!(disturber.limit(None).ok().is_none_or(|limit| limit == Some(Duration::ZERO)));
            }
            let later = Vec::from_iter(disturber.told(std::iter::empty(), std::iter::empty())); // all have gone
            gone += usize::from(later.iter().any(|event| !told.contains(event)));
            told.extend(later);
            assert!((1..4).all(|key| told.contains(&readable(key))), "seed {seed}: {told:?}");
        }
        for happened in [late, twice, false_alarms, gone, interrupted, early] {
            assert!(happened > 10, "{:?}", [late, twice, false_alarms, gone, interrupted, early]);
        }
    }

    #[test]
    fn what_is_no_socket_is_told_once_for_each_event() {
        for seed in 0..200 {
            let mut disturber = Disturber::seeded(seed);
            let mut told = Vec::from_iter(disturber.told((1..4).map(readable), std::iter::empty()));
            told.extend(disturber.told(std::iter::empty(), std::iter::empty()));
            told.sort_by_key(|event| event.0.to_bits());
            assert_eq!(told, [readable(1), readable(2), readable(3)]);
        }
    }

    #[test]
    fn a_seed_gives_the_same_again() {
        let all = |seed| {
            let mut disturber = Disturber::seeded(seed);
            let sockets = || (1..3).map(Key::from_bits);
            let mut told = || Vec::from_iter(disturber.told((1..4).map(readable), sockets()));
            Vec::from_iter((0..50).flat_map(|_| told()))
        };
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }
}
