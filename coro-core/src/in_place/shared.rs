//! [`Shared`]: one at a time, in the order of coming, between the tasks of any loops and plain threads.

use std::collections::VecDeque;
use std::future::Future as StdFuture;
use std::ops::{Deref, DerefMut};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as PollContext, Poll, Wake, Waker};

use parking_lot::Mutex;

use super::{Place, place};
use crate::coroutine::Awaitable;
use crate::error::Result;

/// A value that one may use at a time. A clone is another handle on the same value.
pub(crate) struct Shared<S>(Arc<Mutex<Queue<S>>>);

struct Queue<S> {
    /// `None` while somebody has it.
    value: Option<S>,
    /// Those who wait, the first to come first.
    waiting: VecDeque<(u64, Waker)>,
    next: u64,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Shared<S> {
    pub(crate) fn new(value: S) -> Self {
        Self(Arc::new(Mutex::new(Queue { value: Some(value), waiting: VecDeque::new(), next: 0 })))
    }

    /// Waits for the turn: suspends the task, or blocks where no loop runs.
    ///
    /// # Errors
    /// Those of [`place`], also where it need not wait; [`Cancelled`](crate::Cancelled).
    pub(crate) fn turn(&self) -> Result<Turn<S>> {
        let place = place()?;
        let mut ticket = Ticket { shared: self, number: None };
        match (ticket.take(Waker::noop()), place) {
            (Some(turn), _) => Ok(turn),
            (None, Place::Thread) => Ok(block_on(ticket)),
            (None, Place::Task(_)) => ticket.co_await(),
        }
    }
}

/// The right to use a [`Shared`] value; dropping it gives the next one the turn.
pub(crate) struct Turn<S> {
    value: Option<S>,
    shared: Shared<S>,
}

impl<S> Deref for Turn<S> {
    type Target = S;

    fn deref(&self) -> &S {
        match &self.value {
            Some(value) => value,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<S> DerefMut for Turn<S> {
    fn deref_mut(&mut self) -> &mut S {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<S> Drop for Turn<S> {
    fn drop(&mut self) {
        let mut queue = self.shared.0.lock();
        queue.value = self.value.take();
        let next = queue.first();
        drop(queue);
        next.inspect(Waker::wake_by_ref);
    }
}

impl<S> Queue<S> {
    /// The waker of the first who waits, if it is that one's turn.
    fn first(&self) -> Option<Waker> {
        self.value.as_ref().and(self.waiting.front()).map(|(_, waker)| waker.clone())
    }
}

/// A place in the queue, from the first time on that the turn is not had at once.
struct Ticket<'a, S> {
    shared: &'a Shared<S>,
    number: Option<u64>,
}

impl<S> Ticket<'_, S> {
    /// The turn; if it is not there yet, `waker` is woken when it is.
    fn take(&mut self, waker: &Waker) -> Option<Turn<S>> {
        let queue = &mut *self.shared.0.lock();
        let own = self.number.and_then(|number| queue.waiting.iter().position(|(other, _)| *other == number));
        // Before those who wait nobody is let in.
        if own.unwrap_or(queue.waiting.len()) == 0
            && let Some(value) = queue.value.take()
        {
            if own.is_some() {
                queue.waiting.pop_front();
            }
            self.number = None;
            return Some(Turn { value: Some(value), shared: self.shared.clone() });
        }
        match own {
            Some(index) => queue.waiting[index].1 = waker.clone(),
            None => {
                queue.waiting.push_back((queue.next, waker.clone()));
                self.number = Some(queue.next);
                queue.next += 1;
            }
        }
        None
    }
}

impl<S> StdFuture for Ticket<'_, S> {
    type Output = Turn<S>;

    fn poll(mut self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<Turn<S>> {
        self.take(context.waker()).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S> Drop for Ticket<'_, S> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut queue = self.shared.0.lock();
        queue.waiting.retain(|(other, _)| *other != number);
        // The wake-up may have been for this one.
        let next = queue.first();
        drop(queue);
        next.inspect(Waker::wake_by_ref);
    }
}

/// Blocks this thread, on which no loop runs.
fn block_on<T>(future: impl StdFuture<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut PollContext::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_goes_round_in_the_order_of_coming() {
        let shared = Shared::new(Vec::new());
        let first = shared.turn().unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Ticket { shared: &shared, number: None }).collect();
        for ticket in &mut waiting {
            assert!(ticket.take(Waker::noop()).is_none());
        }
        drop(first);
        assert!(waiting[1].take(Waker::noop()).is_none(), "it is not its turn");
        assert!(Ticket { shared: &shared, number: None }.take(Waker::noop()).is_none(), "it came later");
        for (number, mut ticket) in waiting.into_iter().enumerate() {
            ticket.take(Waker::noop()).unwrap().push(number);
        }
        assert_eq!(*shared.turn().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn one_who_leaves_the_queue_passes_the_wake_up_on() {
        struct Woken(std::sync::atomic::AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let shared = Shared::new(());
        let turn = shared.turn().unwrap();
        let mut first = Ticket { shared: &shared, number: None };
        assert!(first.take(Waker::noop()).is_none());
        let mut second = Ticket { shared: &shared, number: None };
        let woken = Arc::new(Woken(false.into()));
        assert!(second.take(&Waker::from(Arc::clone(&woken))).is_none());
        drop(turn);
        assert!(!woken.0.load(std::sync::atomic::Ordering::SeqCst));
        drop(first);
        assert!(woken.0.load(std::sync::atomic::Ordering::SeqCst));
        assert!(second.take(Waker::noop()).is_some());
    }

    #[test]
    fn plain_threads_wait_by_blocking() {
        let shared = Shared::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        *shared.turn().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*shared.turn().unwrap(), 4_000);
    }
}
