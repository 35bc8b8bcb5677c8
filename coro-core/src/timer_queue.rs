//! The queue of timers: the earliest first, those of one moment in the order in which they were made.
//!
//! Floor 0. Cancelled entries stay in the heap until they come up, or until they are the larger part of it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Below this number of cancelled entries a sweep is not worth its cost.
const SWEEP_FROM: usize = 100;

struct Entry<T> {
    when: Duration,
    number: u64,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    /// Reversed, since `BinaryHeap` gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.when, other.number).cmp(&(self.when, self.number))
    }
}

pub(crate) struct TimerQueue<T> {
    heap: BinaryHeap<Entry<T>>,
    made: u64,
    cancelled: usize,
}

impl<T> TimerQueue<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), made: 0, cancelled: 0 }
    }

    pub(crate) fn push(&mut self, when: Duration, item: T) {
        self.made += 1;
        self.heap.push(Entry { when, number: self.made, item });
    }

    /// The moment of the earliest entry, cancelled ones included.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.when)
    }

    pub(crate) fn peek(&self) -> Option<&T> {
        self.heap.peek().map(|entry| &entry.item)
    }

    /// Takes the earliest entry if it is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next_time()? > now {
            return None;
        }
        self.pop()
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|entry| entry.item)
    }

    /// Notes that one entry was cancelled. True when it is time to call [`sweep`](Self::sweep).
    pub(crate) fn note_cancelled(&mut self) -> bool {
        self.cancelled += 1;
        self.cancelled > SWEEP_FROM && self.cancelled * 2 > self.heap.len()
    }

    /// Notes that a cancelled entry left the heap by itself.
    pub(crate) fn note_gone(&mut self) {
        self.cancelled = self.cancelled.saturating_sub(1);
    }

    /// Takes out all entries for which `dead` holds, to be dropped when the queue is no longer borrowed.
    pub(crate) fn sweep(&mut self, dead: impl Fn(&T) -> bool) -> Vec<T> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.heap).into_iter().partition(|entry| dead(&entry.item));
        self.heap = kept.into();
        self.cancelled = 0;
        gone.into_iter().map(|entry| entry.item).collect()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn entries_of_one_moment_come_in_the_order_they_were_made() {
        let mut queue = TimerQueue::new();
        for (when, name) in [(2, "c"), (1, "a"), (1, "b"), (2, "d")] {
            queue.push(at(when), name);
        }
        assert_eq!(queue.pop_due(at(0)), None);
        assert_eq!(
            (queue.pop_due(at(1)), queue.pop_due(at(1)), queue.pop_due(at(1))),
            (Some("a"), Some("b"), None)
        );
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some("c"), Some("d"), None));
    }

    #[test]
    fn a_sweep_is_asked_for_only_when_most_entries_are_dead() {
        let mut queue = TimerQueue::new();
        (0..300).for_each(|n| queue.push(at(n), n));
        let asked = (0..300).map(|_| queue.note_cancelled()).position(|asked| asked);
        assert_eq!(asked, Some(150));
        assert_eq!(queue.sweep(|n| n % 3 != 0).len(), 200);
        assert_eq!((queue.len(), queue.pop()), (100, Some(0)));
    }
}
