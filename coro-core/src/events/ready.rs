//! [`Ready`]: what runs in the next round.
//!
//! Floor 1.

use std::rc::Rc;

use super::Runnable;

/// For so many entries an idle loop keeps the memory.
const KEPT: usize = 4096;

type Slots = Vec<Option<Rc<dyn Runnable>>>;

/// The entries of the next round, in the order in which they came.
///
/// The slots are made before they are filled, which is less work at each entry than `Vec::push`.
#[derive(Default)]
pub(crate) struct Ready {
    /// The first `len` are full, the others empty.
    slots: Slots,
    len: usize,
    /// All are empty: what is ready in the next round but one goes into them.
    spare: Slots,
}

impl Ready {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts `item` at the end.
    #[inline(always)]
    pub(crate) fn push(&mut self, item: Rc<dyn Runnable>) {
        match self.slots.get_mut(self.len) {
            // It is empty: there is nothing to be dropped.
            Some(slot) => std::mem::forget(slot.replace(item)),
            None => self.push_into_new(item),
        }
        self.len += 1;
    }

    #[cold]
    #[inline(never)]
    fn push_into_new(&mut self, item: Rc<dyn Runnable>) {
        self.slots.push(Some(item));
        let made = self.slots.capacity();
        self.slots.resize_with(made, || None);
    }

    /// Takes out the only one there is.
    #[inline(always)]
    pub(crate) fn take_only(&mut self) -> Option<Rc<dyn Runnable>> {
        self.len = 0;
        self.slots.first_mut()?.take()
    }

    /// Takes out all there are. [`give_back`](Self::give_back) returns the memory.
    pub(crate) fn take_round(&mut self) -> Round {
        let slots = std::mem::replace(&mut self.slots, std::mem::take(&mut self.spare));
        Round { slots, len: std::mem::take(&mut self.len), next: 0 }
    }

    /// Takes back what was taken out. What was not run becomes the first of the next round.
    pub(crate) fn give_back(&mut self, mut round: Round) {
        if round.next < round.len {
            let newer = std::mem::take(self);
            let left = round.slots.drain(round.next..round.len).chain(newer.slots).flatten();
            left.for_each(|item| self.push(item));
            round.slots.truncate(round.next);
        }
        self.spare = round.slots;
    }

    /// Gives back what only a burst needed.
    pub(crate) fn trim(&mut self) {
        let kept = self.len.max(KEPT);
        for slots in [&mut self.slots, &mut self.spare] {
            slots.truncate(kept);
            slots.shrink_to_fit();
        }
    }
}

/// The entries of one round, taken out.
#[derive(Default)]
pub(crate) struct Round {
    /// Those from `next` to `len` are full.
    slots: Slots,
    len: usize,
    next: usize,
}

impl Round {
    /// The entries that were not taken out yet.
    pub(crate) fn left(&mut self) -> &mut [Option<Rc<dyn Runnable>>] {
        &mut self.slots[self.next..self.len]
    }
}

/// How many entries before its turn the memory of one is asked for, and then that of its stack.
const AHEAD: usize = 5;
const STACK_AHEAD: usize = 2;

impl Round {
    /// Asks for memory of those who come soon.
    pub(crate) fn prefetch(&self) {
        if let Some(Some(item)) = self.slots.get(self.next + AHEAD) {
            item.prefetch();
        }
        if let Some(Some(item)) = self.slots.get(self.next + STACK_AHEAD) {
            item.prefetch_stack();
        }
    }
}

impl Iterator for Round {
    type Item = Rc<dyn Runnable>;

    #[inline(always)]
    fn next(&mut self) -> Option<Rc<dyn Runnable>> {
        if self.next == self.len {
            return None;
        }
        let item = self.slots.get_mut(self.next)?.take();
        self.next += 1;
        item
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::super::LoopCore;
    use super::*;

    struct Numbered(usize);

    impl Runnable for Numbered {
        fn run(self: Rc<Self>, _: &Rc<LoopCore>) {}

        fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.0)
        }
    }

    fn ready(numbers: impl IntoIterator<Item = usize>) -> Ready {
        let mut ready = Ready::default();
        numbers.into_iter().for_each(|number| ready.push(Rc::new(Numbered(number))));
        ready
    }

    fn number(item: &Rc<dyn Runnable>) -> usize {
        struct Text<'a>(&'a dyn Runnable);
        impl fmt::Display for Text<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.describe(f)
            }
        }
        Text(&**item).to_string().parse().unwrap()
    }

    /// Takes out all that is left, in as many rounds as it takes.
    fn drained(ready: &mut Ready) -> Vec<usize> {
        let mut numbers = Vec::new();
        while !ready.is_empty() {
            let mut round = ready.take_round();
            numbers.extend(round.by_ref().map(|item| number(&item)));
            ready.give_back(round);
        }
        numbers
    }

    #[test]
    fn entries_come_out_in_the_order_in_which_they_came() {
        let mut ready = ready(0..100);
        assert_eq!(ready.len(), 100);
        assert_eq!(drained(&mut ready), Vec::from_iter(0..100));
        assert_eq!(drained(&mut ready), []);
    }

    #[test]
    fn the_only_one_is_taken_out_alone() {
        let mut ready = ready([7]);
        assert_eq!(ready.take_only().as_ref().map(number), Some(7));
        assert!(ready.is_empty() && ready.take_only().is_none());
    }

    #[test]
    fn what_a_round_adds_comes_in_the_next_one() {
        let mut ready = ready(0..3);
        let mut round = ready.take_round();
        for number in 10..13 {
            assert!(round.next().is_some());
            ready.push(Rc::new(Numbered(number)));
        }
        assert!(round.next().is_none());
        ready.give_back(round);
        assert_eq!(drained(&mut ready), [10, 11, 12]);
    }

    #[test]
    fn what_a_round_leaves_comes_before_what_it_added() {
        for run in 0..4 {
            let mut ready = ready(0..4);
            let mut round = ready.take_round();
            assert_eq!(round.by_ref().take(run).count(), run);
            ready.push(Rc::new(Numbered(9)));
            ready.give_back(round);
            assert_eq!(ready.len(), 5 - run);
            assert_eq!(drained(&mut ready), Vec::from_iter((run..4).chain([9])));
        }
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back_and_nothing_else() {
        let mut ready = ready(0..100_000);
        assert_eq!(drained(&mut ready).len(), 100_000);
        ready.push(Rc::new(Numbered(5)));
        ready.trim();
        assert!(ready.slots.capacity() <= KEPT && ready.spare.capacity() <= KEPT);
        assert_eq!(drained(&mut ready), [5]);
    }

    #[test]
    fn dropped_it_drops_its_entries() {
        let item: Rc<dyn Runnable> = Rc::new(Numbered(0));
        let mut ready = Ready::default();
        for _ in 0..5 {
            ready.push(Rc::clone(&item));
        }
        let mut round = ready.take_round();
        ready.push(Rc::clone(&item));
        drop(round.next());
        assert_eq!(Rc::strong_count(&item), 6);
        drop((ready, round));
        assert_eq!(Rc::strong_count(&item), 1);
    }
}
