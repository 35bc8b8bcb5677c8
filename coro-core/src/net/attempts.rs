//! Several addresses, of which one is enough: in which order they are tried, one after the other or staggered, and what
//! is raised when none will do. For sockets, and for the transports above them.
//!
//! Staggered is happy eyeballs (RFC 8305), in the steps of asyncio's `staggered_race`: an attempt begins as soon as the
//! one before it has failed or had its head start, whatever those before that one do.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::combinators::{ReturnWhen, wait};
use crate::coroutine::{Awaitable, Coroutine};
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::events::running_core;
use crate::task::{Task, cleanup, create_task};

/// What came of an attempt, or of several: what was wanted, or why it could not be had, in the order of beginning.
pub(crate) type Outcome<T> = std::result::Result<T, Vec<Error>>;

/// Parts what the system refuses from what ends everything, such as a cancellation.
pub(crate) fn outcome<T>(result: std::result::Result<T, impl Into<Error>>) -> Result<Outcome<T>> {
    match result.map_err(Into::into) {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.is::<io::Error>() => Ok(Err(vec![error])),
        Err(error) => Err(error),
    }
}

/// The families in turn, after the first `count` addresses of the family that is first; with 0 all stay where they are.
pub(crate) fn interleave(addresses: Vec<SocketAddr>, count: usize) -> Vec<SocketAddr> {
    if count == 0 || addresses.is_empty() {
        return addresses;
    }
    let first_is_v4 = addresses[0].is_ipv4();
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed: Vec<SocketAddr> = first.by_ref().take(count - 1).collect();
    while first.len() + second.len() > 0 {
        mixed.extend(first.next());
        mixed.extend(second.next());
    }
    mixed
}

/// Makes an attempt with one of `all` after the other, until one succeeds.
pub(crate) fn in_turn<A, T>(
    all: impl IntoIterator<Item = A>,
    mut attempt: impl FnMut(A) -> Result<Outcome<T>>,
) -> Result<Outcome<T>> {
    let mut failures = Vec::new();
    for one in all {
        match attempt(one)? {
            Ok(value) => return Ok(Ok(value)),
            Err(why) => failures.extend(why),
        }
    }
    Ok(Err(failures))
}

/// Makes attempts with `all` in tasks of their own, each begun when the one before has failed or `delay` has passed. The
/// first success is taken; the others are cancelled, and have ended when this returns.
pub(crate) fn staggered<A, T>(
    definition: &'static Definition,
    delay: Duration,
    all: impl IntoIterator<Item = A>,
    attempt: impl Fn(A) -> Result<Outcome<T>> + 'static,
) -> Result<Outcome<T>>
where
    A: 'static,
    T: 'static,
{
    let core = running_core()?;
    let attempt = Rc::new(attempt);
    let mut left = all.into_iter().peekable();
    let mut running = Running(Vec::new());
    let mut failures: Vec<Vec<Error>> = Vec::new();
    let mut due = Duration::ZERO;
    loop {
        if due <= core.clock.now()
            && let Some(one) = left.next()
        {
            let attempt = Rc::clone(&attempt);
            let task = create_task(Coroutine::named(definition, move || attempt(one)));
            running.0.push((failures.len(), task));
            failures.push(Vec::new());
            due = core.clock.now().saturating_add(delay);
        }
        if running.0.is_empty() {
            return Ok(Err(failures.into_iter().flatten().collect()));
        }
        let mut first = wait(running.0.iter().map(|(_, task)| task)).return_when(ReturnWhen::FirstCompleted);
        if left.peek().is_some() {
            first = first.timeout(due.saturating_sub(core.clock.now()));
        }
        first.co_await().map(drop)?;
        while let Some(place) = running.0.iter().position(|(_, task)| task.done()) {
            let (number, task) = running.0.remove(place);
            match task.co_await()? {
                Ok(value) => {
                    running.end()?;
                    return Ok(Ok(value));
                }
                Err(why) => failures[number] = why,
            }
            if number + 1 == failures.len() {
                due = Duration::ZERO; // nobody waits for a head start that is over
            }
        }
    }
}

/// Attempts that run, each with its number. They have ended when this is gone.
struct Running<T: 'static>(Vec<(usize, Task<Outcome<T>>)>);

impl<T: 'static> Running<T> {
    fn end(&mut self) -> Result<()> {
        let tasks: Vec<Task<Outcome<T>>> = self.0.drain(..).map(|(_, task)| task).collect();
        for task in &tasks {
            task.cancel();
        }
        let left: Vec<&Task<Outcome<T>>> = tasks.iter().filter(|task| !task.done()).collect();
        let result = if left.is_empty() { Ok(()) } else { cleanup(|| wait(left).co_await().map(drop)) };
        // That it failed too is of no interest.
        tasks.iter().for_each(|task| drop(task.exception()));
        result
    }
}

impl<T: 'static> Drop for Running<T> {
    fn drop(&mut self) {
        // A cancellation that comes meanwhile is raised by the next await.
        let _ = self.end();
    }
}

/// What is raised when every attempt has failed, as asyncio does: the one error, or what all of them say.
pub(crate) fn all_failed(mut failures: Vec<Error>) -> Error {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    match &texts[..] {
        [] => nowhere().into(),
        [first, others @ ..] if others.iter().all(|text| text == first) => failures.swap_remove(0),
        texts => {
            let kind = |error: &Error| error.downcast_ref::<io::Error>().map(io::Error::kind);
            let first = kind(&failures[0]);
            let common = first.filter(|_| failures.iter().all(|error| kind(error) == first));
            let message = format!("Multiple exceptions: {}", texts.join(", "));
            io::Error::new(common.unwrap_or(io::ErrorKind::Other), message).into()
        }
    }
}

pub(super) fn nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::combinators::{millis, sleep};

    /// The order in which addresses are tried, each named by its last character.
    fn order(list: &str, count: usize) -> String {
        let address = |name: char| match name {
            '0'..='9' => format!("1.1.1.{name}:1"),
            _ => format!("[::{name}]:1"),
        };
        let addresses = list.chars().map(|name| address(name).parse().unwrap()).collect();
        let name = |address: SocketAddr| address.ip().to_string().pop().unwrap();
        interleave(addresses, count).into_iter().map(name).collect()
    }

    #[test]
    fn the_families_are_tried_in_turn_beginning_with_that_of_the_first() {
        assert_eq!(order("abc12", 1), "a1b2c");
        assert_eq!(order("12", 1), "12");
        assert_eq!(order("123ab", 2), "12a3b");
        assert_eq!(order("12a3b", 0), "12a3b");
        assert_eq!(order("a1", 9), "a1");
        assert_eq!(order("1abc", 3), "1abc");
        assert_eq!(order("", 1), "");
    }

    /// The name of an attempt, how many milliseconds it takes, and whether it succeeds.
    type Plan = (&'static str, u64, bool);

    type Log = Rc<RefCell<Vec<String>>>;

    /// An attempt that says when it begins, ends and is cancelled.
    fn attempts(log: &Log) -> impl Fn(Plan) -> Result<Outcome<&'static str>> + use<> {
        let log = Rc::clone(log);
        move |(name, takes, well)| {
            let say = |what: &str| {
                let now = running_core().unwrap().clock.now().as_millis();
                log.borrow_mut().push(format!("{now} {name} {what}"));
            };
            say("begins");
            if let Err(error) = sleep(millis(takes)).co_await() {
                say("is cancelled");
                return Err(error);
            }
            say("ends");
            outcome(if well { Ok(name) } else { Err(io::Error::new(io::ErrorKind::ConnectionRefused, name)) })
        }
    }

    static DEFINITION: Definition = Definition::new("race", file!(), line!());

    fn race(delay: u64, plans: Vec<Plan>, log: &Log) -> Result<&'static str> {
        staggered(&DEFINITION, millis(delay), plans, attempts(log))?.map_err(all_failed)
    }

    /// What comes of `f`, and what was said.
    fn run<T: 'static>(f: impl FnOnce(&Log) -> Result<T> + 'static) -> (Result<T>, Vec<String>) {
        let log = Log::default();
        let own = Rc::clone(&log);
        let event_loop = crate::event_loop::LoopBuilder::new().virtual_clock().build().unwrap();
        let result = event_loop.run_until_complete(crate::coroutine(move || f(&own)));
        (result, log.take())
    }

    /// The steps are what CPython 3.13's `create_connection` does with sockets that behave so.
    #[track_caller]
    fn goes(delay: u64, plans: &[Plan], end: &str, steps: &[&str]) {
        let plans = plans.to_vec();
        let (result, log) = run(move |log| race(delay, plans, log));
        assert_eq!(result.unwrap_or_else(|error| error.to_string().leak()), end);
        assert_eq!(log, steps);
    }

    #[test]
    fn the_first_success_wins_and_the_others_are_cancelled() {
        goes(
            250,
            &[("a", 1000, true), ("b", 300, true), ("c", 5000, true), ("d", 1, true)],
            "b",
            &[
                "0 a begins",
                "250 b begins",
                "500 c begins",
                "550 b ends",
                "550 a is cancelled",
                "550 c is cancelled",
            ],
        );
    }

    #[test]
    fn a_failure_lets_the_next_one_begin_at_once() {
        goes(
            250,
            &[("a", 100, false), ("b", 500, true)],
            "b",
            &["0 a begins", "100 a ends", "100 b begins", "600 b ends"],
        );
        goes(
            250,
            &[("a", 5000, true), ("b", 1, false), ("c", 1, false), ("d", 5000, true), ("e", 10, true)],
            "e",
            &[
                "0 a begins",
                "250 b begins",
                "251 b ends",
                "251 c begins",
                "252 c ends",
                "252 d begins",
                "502 e begins",
                "512 e ends",
                "512 a is cancelled",
                "512 d is cancelled",
            ],
        );
    }

    #[test]
    fn a_failure_of_an_earlier_one_takes_nothing_from_the_head_start_of_the_last() {
        goes(
            250,
            &[("a", 300, false), ("b", 1000, true), ("c", 100, true)],
            "c",
            &["0 a begins", "250 b begins", "300 a ends", "500 c begins", "600 c ends", "600 b is cancelled"],
        );
    }

    #[test]
    fn without_a_head_start_all_begin_at_once() {
        goes(
            0,
            &[("a", 5000, true), ("b", 300, true), ("c", 100, true)],
            "c",
            &[
                "0 a begins",
                "0 b begins",
                "0 c begins",
                "100 c ends",
                "100 a is cancelled",
                "100 b is cancelled",
            ],
        );
    }

    #[test]
    fn all_errors_are_told_in_the_order_of_beginning_in_one_that_has_their_kind() {
        let plans = vec![("a", 2000, false), ("b", 500, false)];
        let (result, _) = run(|log| race(250, plans, log));
        let error = io::Error::from(result.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "Multiple exceptions: a, b");
        goes(250, &[("alone", 5, false)], "alone", &["0 alone begins", "5 alone ends"]);
        goes(
            250,
            &[("same", 5, false); 2],
            "same",
            &["0 same begins", "5 same ends", "5 same begins", "10 same ends"],
        );
        goes(250, &[], "could not resolve to any addresses", &[]);
    }

    #[test]
    fn what_is_no_failure_of_an_attempt_ends_all_of_them() {
        let (result, log) = run(|log| {
            let attempt = attempts(log);
            let plans = [("a", 5000, true), ("b", 100, true), ("c", 1, true)];
            staggered(&DEFINITION, millis(250), plans, move |plan| match attempt(plan)? {
                Ok("b") => Err(Error::msg("burnt")),
                outcome => Ok(outcome),
            })
        });
        assert_eq!(result.unwrap_err().to_string(), "burnt");
        assert_eq!(log, ["0 a begins", "250 b begins", "350 b ends", "350 a is cancelled"]);
    }

    #[test]
    fn a_cancellation_ends_all_attempts_before_it_goes_on() {
        let plans = vec![("a", 5000, true), ("b", 5000, true)];
        let (result, log) = run(|log| {
            let own = Rc::clone(log);
            let task = create_task(crate::coroutine(move || race(250, plans, &own)));
            sleep(millis(300)).co_await()?;
            task.cancel();
            task.co_await()
        });
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(log, ["0 a begins", "250 b begins", "300 a is cancelled", "300 b is cancelled"]);
    }
}
