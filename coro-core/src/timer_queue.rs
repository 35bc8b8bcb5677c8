//! The queue of timers: the earliest first, those of one moment in the order in which they were made.
//!
//! Floor 0. A heap whose nodes have four children each: a key of moment and number in one, beside the item. What does not
//! fit in there, the moments after 584 years, and what many share, the moments of a timer slack, is kept in a map, one
//! list for each moment.
//!
//! Cancelled entries stay until they come up, or until they are the larger part of the queue.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Below this number of cancelled entries a sweep is not worth its cost.
const SWEEP_FROM: usize = 100;

/// How many children a node of the heap has: they are side by side, and half as deep as two would be.
const CHILDREN: usize = 4;

/// Up to so many entries the heap keeps the memory that it has.
const KEPT: usize = 1 << 16;

struct Entry<T> {
    /// The moment in nanoseconds above, the number below.
    key: u128,
    item: T,
}

impl<T> Entry<T> {
    fn when(&self) -> Duration {
        Duration::from_nanos((self.key >> 64) as u64)
    }
}

pub(crate) struct TimerQueue<T> {
    heap: Vec<Entry<T>>,
    /// No list is empty. Where both have a moment, the heap's entries are the older ones.
    shared: BTreeMap<Duration, VecDeque<T>>,
    /// How many entries `shared` has.
    sharing: usize,
    made: u64,
    cancelled: usize,
}

impl<T> TimerQueue<T> {
    pub(crate) fn new() -> Self {
        Self { heap: Vec::new(), shared: BTreeMap::new(), sharing: 0, made: 0, cancelled: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, when: Duration, item: T) {
        let Ok(nanoseconds) = u64::try_from(when.as_nanos()) else { return self.push_shared(when, item) };
        self.made += 1;
        self.heap.push(Entry { key: u128::from(nanoseconds) << 64 | u128::from(self.made), item });
        self.rise(self.heap.len() - 1);
    }

    /// As [`push`](Self::push), for a moment that many entries share: what is pushed the one way and the other at
    /// one moment has an order only among its own kind.
    #[inline]
    pub(crate) fn push_shared(&mut self, when: Duration, item: T) {
        self.sharing += 1;
        self.shared.entry(when).or_default().push_back(item);
    }

    /// Whether the earliest entry is in the heap.
    #[inline]
    fn heap_is_first(&self) -> bool {
        match (self.heap.first(), self.shared.first_key_value()) {
            (Some(_), None) => true,
            (Some(entry), Some((when, _))) => entry.when() <= *when,
            (None, _) => false,
        }
    }

    /// The moment of the earliest entry, cancelled ones included.
    #[inline]
    pub(crate) fn next_time(&self) -> Option<Duration> {
        match self.heap_is_first() {
            true => self.heap.first().map(Entry::when),
            false => self.shared.first_key_value().map(|(when, _)| *when),
        }
    }

    pub(crate) fn peek(&self) -> Option<&T> {
        match self.heap_is_first() {
            true => self.heap.first().map(|entry| &entry.item),
            false => self.shared.first_key_value()?.1.front(),
        }
    }

    /// Takes the earliest entry if it is due at `now`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        if self.next_time()? > now {
            return None;
        }
        self.pop()
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.heap_is_first() {
            let first = self.heap.swap_remove(0);
            self.sink(0);
            self.give_back();
            return Some(first.item);
        }
        let mut list = self.shared.first_entry()?;
        let item = list.get_mut().pop_front();
        if list.get().is_empty() {
            list.remove();
        }
        self.sharing -= 1;
        item
    }

    /// After a burst the heap's memory goes back.
    #[inline]
    fn give_back(&mut self) {
        let capacity = self.heap.capacity();
        if capacity > KEPT && self.heap.len() < capacity / 4 {
            self.heap.shrink_to(capacity / 2);
        }
    }

    /// Moves the entry at `index` up to where it belongs.
    #[inline]
    fn rise(&mut self, mut index: usize) {
        let heap = &mut *self.heap;
        while index > 0 {
            let above = (index - 1) / CHILDREN;
            if heap[above].key < heap[index].key {
                return;
            }
            heap.swap(above, index);
            index = above;
        }
    }

    /// Moves the entry at `index` down to where it belongs.
    #[inline]
    fn sink(&mut self, mut index: usize) {
        let heap = &mut *self.heap;
        loop {
            let first = index * CHILDREN + 1;
            let below = match heap.get(first..first + CHILDREN) {
                // Without a branch on what cannot be foretold.
                Some([a, b, c, d]) => {
                    let (left, of_left) = if b.key < a.key { (1, b.key) } else { (0, a.key) };
                    let (right, of_right) = if d.key < c.key { (3, d.key) } else { (2, c.key) };
                    first + if of_right < of_left { right } else { left }
                }
                _ => match (first..heap.len()).min_by_key(|&child| heap[child].key) {
                    Some(child) => child,
                    None => return,
                },
            };
            if heap[index].key < heap[below].key {
                return;
            }
            heap.swap(index, below);
            index = below;
        }
    }

    /// Notes that one entry was cancelled. True when it is time to call [`sweep`](Self::sweep).
    pub(crate) fn note_cancelled(&mut self) -> bool {
        self.cancelled += 1;
        self.cancelled > SWEEP_FROM && self.cancelled * 2 > self.len()
    }

    /// Notes that a cancelled entry left the queue by itself.
    pub(crate) fn note_gone(&mut self) {
        self.cancelled = self.cancelled.saturating_sub(1);
    }

    /// Takes out all entries for which `dead` holds, to be dropped when the queue is no longer borrowed.
    pub(crate) fn sweep(&mut self, dead: impl Fn(&T) -> bool) -> Vec<T> {
        let mut gone: Vec<T> =
            self.heap.extract_if(.., |entry| dead(&entry.item)).map(|entry| entry.item).collect();
        for index in (0..self.heap.len().div_ceil(CHILDREN)).rev() {
            self.sink(index);
        }
        for (when, list) in std::mem::take(&mut self.shared) {
            let (out, kept): (VecDeque<T>, VecDeque<T>) = list.into_iter().partition(&dead);
            gone.extend(out);
            if !kept.is_empty() {
                self.shared.insert(when, kept);
            }
        }
        self.give_back();
        self.sharing = self.shared.values().map(VecDeque::len).sum();
        self.cancelled = 0;
        gone
    }

    fn len(&self) -> usize {
        self.heap.len() + self.sharing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Numbers without a pattern.
    fn scattered(count: u64) -> impl Iterator<Item = u64> {
        (1..=count).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % 1000)
    }

    fn drained<T>(queue: &mut TimerQueue<T>) -> Vec<T> {
        std::iter::from_fn(|| queue.pop()).collect()
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
    fn many_come_out_as_a_stable_sort_has_them() {
        let mut queue = TimerQueue::new();
        let mut expected: Vec<(u64, usize)> = scattered(3000).zip(0..).collect();
        for &(when, n) in &expected {
            match n % 5 {
                // Some of an earlier time come and go between.
                0 => queue.push(at(when + 1), (when, n)),
                _ => {
                    queue.push(at(when + 1), (when, n));
                    queue.push(at(0), (0, 0));
                    assert_eq!(queue.pop(), Some((0, 0)));
                }
            }
        }
        expected.sort_by_key(|&(when, _)| when);
        assert_eq!(drained(&mut queue), expected);
    }

    #[test]
    fn shared_moments_and_others_come_in_the_order_of_time() {
        let mut queue = TimerQueue::new();
        queue.push_shared(at(2), "shared");
        queue.push(at(1), "first");
        queue.push(at(3), "last");
        queue.push_shared(at(2), "after it");
        assert_eq!((queue.next_time(), queue.peek()), (Some(at(1)), Some(&"first")));
        assert_eq!(drained(&mut queue), ["first", "shared", "after it", "last"]);
        assert_eq!((queue.next_time(), queue.peek(), queue.len()), (None, None, 0));
    }

    #[test]
    fn moments_of_any_size_keep_their_order_and_their_value() {
        let mut queue = TimerQueue::new();
        let far = [Duration::MAX, at(u64::MAX / 2), Duration::from_nanos(u64::MAX), Duration::from_nanos(1)];
        far.iter().for_each(|&when| queue.push(when, when));
        let times: Vec<_> = std::iter::from_fn(|| Some((queue.next_time()?, queue.pop()?))).collect();
        let expected: Vec<_> = far.iter().rev().map(|&when| (when, when)).collect();
        assert_eq!(times, expected);
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

    #[test]
    fn the_memory_of_a_burst_goes_back_and_that_of_common_work_stays() {
        let mut queue = TimerQueue::new();
        (0..4 * KEPT as u64).for_each(|n| queue.push(at(n), n));
        let full = queue.heap.capacity();
        assert!(drained(&mut queue).is_sorted());
        assert!((KEPT / 2..=KEPT).contains(&queue.heap.capacity()), "of {full}");
    }

    #[test]
    fn what_a_sweep_leaves_is_in_order() {
        let mut queue = TimerQueue::new();
        for (when, n) in scattered(500).zip(0..) {
            match n % 2 {
                0 => queue.push(at(when), when),
                _ => queue.push_shared(at(when), when),
            }
        }
        let gone = queue.sweep(|when| when % 4 != 0);
        let mut expected: Vec<u64> = scattered(500).filter(|when| when % 4 == 0).collect();
        assert_eq!((gone.len() + expected.len(), queue.len()), (500, expected.len()));
        expected.sort_unstable();
        assert_eq!(drained(&mut queue), expected);
    }
}
