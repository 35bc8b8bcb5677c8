//! Every way out of `async with` and `async for`: falling through, `return`, `break`, `continue`, labels, `?`,
//! `raise!`, a panic, a cancellation; alone, nested both ways, in loops, match arms and generators; with an exit that
//! fails or swallows, and an enter that fails.
//!
//! A log tells what happened: `+a` entered, `-a` left, `-a(text)` left with an error that the exit was shown.
#![allow(clippy::possible_missing_else, reason = "short bodies stand on one line")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use coro_core::prelude::*;
use coro_core::{Panicked, ValueError};

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn say(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    fn door(&self, name: &'static str) -> Door {
        Door { log: self.clone(), name, plan: Plan::Plain }
    }

    fn planned(&self, name: &'static str, plan: Plan) -> Door {
        Door { log: self.clone(), name, plan }
    }

    #[track_caller]
    fn was(&self, expected: &str) {
        assert_eq!(self.0.take().join(" "), expected);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Plan {
    Plain,
    Swallow,
    EnterFails,
    ExitFails,
}

/// A context manager that suspends on both sides.
struct Door {
    log: Log,
    name: &'static str,
    plan: Plan,
}

impl AsyncContextManager for Door {
    type Value = &'static str;

    fn aenter(&mut self) -> Result<&'static str> {
        sleep(millis(1)).co_await()?;
        if self.plan == Plan::EnterFails {
            raise!("{} is locked", self.name);
        }
        self.log.say(format!("+{}", self.name));
        Ok(self.name)
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        sleep(millis(1)).co_await()?;
        match error {
            Some(error) if error.is::<GeneratorExit>() => self.log.say(format!("-{}(closed)", self.name)),
            Some(error) if error.is_cancelled() => self.log.say(format!("-{}(cancelled)", self.name)),
            Some(error) if error.is::<Panicked>() => self.log.say(format!("-{}(panic)", self.name)),
            Some(error) => self.log.say(format!("-{}({error})", self.name)),
            None => self.log.say(format!("-{}", self.name)),
        }
        match self.plan {
            Plan::ExitFails => Err(Error::msg(format_args!("{} is stuck", self.name))),
            plan => Ok(plan == Plan::Swallow),
        }
    }
}

/// Says so when it is dropped.
struct Flag(Log, &'static str);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.say(format!("~{}", self.1));
    }
}

#[track_caller]
fn raised<T>(result: Result<T>, text: &str) {
    assert_eq!(result.map(drop).unwrap_err().to_string(), text);
}

/// Awaits something that panics.
#[track_caller]
fn panicked<T>(awaitable: impl Awaitable<Output = T>) {
    let caught = catch_unwind(AssertUnwindSafe(|| awaitable.co_await().map(drop)));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "dropped an egg");
}

async_fn! {
    /// Numbers from 1 on, which says when it ends, and how.
    async fn numbers(log: Log, until: u32) yields u32 {
        let _flag = Flag(log.clone(), "numbers");
        for n in 1..=until {
            await!(sleep(millis(1)));
            if let Err(error) = try_yield!(n) {
                log.say(if error.is::<GeneratorExit>() { "closed" } else { "thrown" });
                raise!(error);
            }
        }
        log.say("end");
    }
}

mod with {
    use super::*;

    async_fn! {
        #[coro_core::test]
        async fn falling_through() {
            let log = Log::default();
            async with log.door("a") as name { log.say(name); }
            log.was("+a a -a");
        }

        #[coro_core::test]
        async fn return_without_a_value() {
            async fn f(log: &Log) {
                async with log.door("a") { if log.0.borrow().len() == 1 { return; } log.say("not here"); }
                log.say("nor here");
            }
            let log = Log::default();
            await!(f(&log));
            log.was("+a -a");
        }

        #[coro_core::test]
        async fn return_with_a_value() {
            async fn f(log: &Log) -> String {
                async with log.door("a") as name { return name.to_uppercase(); }
                "not here".to_owned()
            }
            let log = Log::default();
            assert_eq!(await!(f(&log)), "A");
            log.was("+a -a");
        }

        #[coro_core::test]
        async fn return_of_a_result() {
            async fn f(log: &Log, good: bool) -> Result<u32, Error> {
                async with log.door("a") {
                    if good { return Ok(1) }
                    return Err(ValueError::new("bad").into());
                }
                Ok(2)
            }
            let log = Log::default();
            assert_eq!(await!(f(&log, true)), 1);
            log.was("+a -a");
            raised(try_await!(f(&log, false)), "bad");
            log.was("+a -a(bad)");
        }

        #[coro_core::test]
        async fn a_body_whose_every_way_returns() {
            async fn f(log: &Log, up: bool) -> u32 {
                async with log.door("a") { if up { return 1; } else { return 2; } }
                0 // an exit may swallow an error, so rustc asks for a value here
            }
            let log = Log::default();
            assert_eq!((await!(f(&log, true)), await!(f(&log, false))), (1, 2));
            log.was("+a -a +a -a");
        }

        #[coro_core::test]
        async fn break_and_continue() {
            let log = Log::default();
            for n in 0..4 {
                async with log.door("a") {
                    if n == 1 { continue; }
                    if n == 2 { break }
                    log.say("body");
                }
                log.say("after");
            }
            log.was("+a body -a after +a -a +a -a");
        }

        #[coro_core::test]
        async fn labels_of_outer_loops() {
            let log = Log::default();
            'rows: for row in 0..3 {
                for column in 0..3 {
                    async with log.door("a") {
                        if column == 1 && row == 0 { continue 'rows; }
                        if row == 1 { break 'rows; }
                    }
                    log.say(format!("{row}{column}"));
                }
            }
            log.was("+a -a 00 +a -a +a -a");
        }

        #[coro_core::test]
        async fn a_loop_within_keeps_its_own_jumps() {
            let log = Log::default();
            async with log.door("a") {
                let mut n = 0;
                while n < 5 { n += 1; if n == 2 { continue; } if n == 4 { break; } log.say(n.to_string()); }
            }
            log.was("+a 1 3 -a");
        }

        #[coro_core::test]
        async fn break_with_a_value() {
            let log = Log::default();
            let mut n = 0;
            let found = loop {
                n += 1;
                async with log.door("a") { if n == 2 { break n * 10; } }
            };
            let block = 'block: {
                async with log.door("b") { if found == 20 { break 'block "twenty"; } }
                "other"
            };
            assert_eq!((found, block), (20, "twenty"));
            log.was("+a -a +a -a +b -b");
        }

        #[coro_core::test]
        async fn a_label_of_its_own() {
            let log = Log::default();
            'with: async with log.door("a") { if log.0.borrow().len() == 1 { break 'with; } log.say("not here"); }
            log.was("+a -a");
        }

        #[coro_core::test]
        async fn question_mark() {
            async fn f(log: &Log, text: &str) -> u32 {
                let mut n = 0;
                async with log.door("a") { n = text.parse::<u32>()?; log.say("parsed"); }
                n
            }
            let log = Log::default();
            assert_eq!(await!(f(&log, "3")), 3);
            log.was("+a parsed -a");
            let error = try_await!(f(&log, "x")).unwrap_err();
            assert!(error.is::<std::num::ParseIntError>());
            log.was("+a -a(invalid digit found in string)");
        }

        #[coro_core::test]
        async fn question_mark_in_a_function_with_an_error_type_of_its_own() {
            async fn f(log: &Log, text: &str) -> std::io::Result<u32> {
                let mut n = 0;
                async with log.door("a") { n = text.parse::<u32>().map_err(std::io::Error::other)?; }
                Ok(n)
            }
            let log = Log::default();
            assert_eq!(await!(f(&log, "3")), 3);
            assert!(try_await!(f(&log, "x")).is_err());
            log.was("+a -a +a -a(invalid digit found in string)");
        }

        #[coro_core::test]
        async fn raise_and_awaited_errors() {
            async fn f(log: &Log, way: u32) {
                async with log.door("a") {
                    match way {
                        0 => raise!("text {way}"),
                        1 => raise!(ValueError::new("value")),
                        _ => await!(wait_for(sleep(secs(9)), millis(2))),
                    }
                }
                log.say("not here");
            }
            let log = Log::default();
            raised(try_await!(f(&log, 0)), "text 0");
            raised(try_await!(f(&log, 1)), "value");
            assert!(try_await!(f(&log, 2)).unwrap_err().is_timeout());
            let words = log.0.take();
            assert_eq!(words[..4], ["+a", "-a(text 0)", "+a", "-a(value)"]);
            assert!(words.len() == 6 && words[5].starts_with("-a("));
        }

        #[coro_core::test]
        async fn a_panic() {
            async fn f(log: &Log) -> u32 {
                let _flag = Flag(log.clone(), "inner");
                async with log.door("a") { async with log.planned("b", Plan::Swallow) { panic!("dropped an egg"); } }
                log.say("not here");
                1
            }
            let log = Log::default();
            panicked(f(&log));
            log.was("+a +b -b(panic) -a(panic) ~inner");
        }

        #[coro_core::test]
        async fn a_cancellation() {
            async fn f(log: Log) { async with log.door("a") { await!(sleep(secs(3600))); } }
            let log = Log::default();
            let task = create_task(f(log.clone()));
            await!(sleep(millis(5)));
            task.cancel();
            assert!(try_await!(task).unwrap_err().is_cancelled());
            log.was("+a -a(cancelled)");
        }
    }
}

mod nested {
    use super::*;

    async_fn! {
        #[coro_core::test]
        async fn each_way_passes_both_exits() {
            async fn f(log: &Log, way: u32) -> u32 {
                'outer: for _ in 0..2 {
                    async with log.door("a") {
                        async with log.door("b") {
                            match way {
                                0 => return 10,
                                1 => break,
                                2 => continue,
                                3 => break 'outer,
                                4 => raise!("four"),
                                _ => {}
                            }
                            log.say("b's end");
                        }
                        log.say("a's end");
                    }
                }
                20
            }
            let log = Log::default();
            assert_eq!(await!(f(&log, 0)), 10);
            log.was("+a +b -b -a");
            assert_eq!(await!(f(&log, 1)), 20);
            log.was("+a +b -b -a");
            assert_eq!(await!(f(&log, 2)), 20);
            log.was("+a +b -b -a +a +b -b -a");
            assert_eq!(await!(f(&log, 3)), 20);
            log.was("+a +b -b -a");
            raised(try_await!(f(&log, 4)), "four");
            log.was("+a +b -b(four) -a(four)");
            assert_eq!(await!(f(&log, 5)), 20);
            log.was("+a +b b's end -b a's end -a +a +b b's end -b a's end -a");
        }

        #[coro_core::test]
        async fn several_managers_in_one_statement() {
            async fn f(log: &Log) -> String {
                async with log.door("a") as a, log.door("b"), log.door("c") as c { return format!("{a}{c}"); }
                String::new()
            }
            let log = Log::default();
            assert_eq!(await!(f(&log)), "ac");
            log.was("+a +b +c -c -b -a");
        }

        #[coro_core::test]
        async fn a_jump_that_passes_one_of_two() {
            let log = Log::default();
            async with log.door("a") {
                for n in 0..3 {
                    async with log.door("b") { if n == 1 { break; } log.say(n.to_string()); }
                }
                log.say("still in a");
            }
            log.was("+a +b 0 -b +b -b still in a -a");
        }

        #[coro_core::test]
        async fn values_that_pass_two() {
            let log = Log::default();
            let found = 'search: loop {
                async with log.door("a") {
                    for n in 0.. { async with log.door("b") { if n == 1 { break 'search n; } } }
                }
            };
            assert_eq!(found, 1);
            log.was("+a +b -b +b -b -a");
        }

        #[coro_core::test]
        async fn in_match_arms_and_conditions() {
            async fn f(log: &Log, way: Option<u32>) -> u32 {
                match way {
                    Some(n) if n > 5 => { async with log.door("a") { return n; } }
                    Some(0) => async with log.door("b") { log.say("zero"); },
                    Some(n) => if n == 1 { async with log.door("c") { let Some(_) = None::<u32> else { return 1 }; } },
                    None => { async with log.door("d") { if way.is_none() { return 9; } } }
                }
                0
            }
            let log = Log::default();
            let mut results = Vec::new();
            for way in [Some(7), Some(0), Some(1), Some(2), None] { results.push(await!(f(&log, way))); }
            assert_eq!(results, [7, 0, 1, 0, 9]);
            log.was("+a -a +b zero -b +c -c +d -d");
        }

        #[coro_core::test]
        async fn a_closure_in_the_body_keeps_its_return() {
            let log = Log::default();
            async with log.door("a") {
                let half = |n: u32| { if n % 2 == 1 { return None; } Some(n / 2) };
                let parse = |text: &str| -> Result<u32> { Ok(text.parse::<u32>()?) };
                log.say(format!("{:?} {:?} {}", half(4), half(3), parse("x").is_err()));
            }
            log.was("+a Some(2) None true -a");
        }
    }
}

mod managers_that_interfere {
    use super::*;

    async_fn! {
        #[coro_core::test]
        async fn an_enter_that_fails() {
            async fn f(log: &Log) {
                async with log.door("a"), log.planned("b", Plan::EnterFails) { log.say("not here"); }
                log.say("nor here");
            }
            let log = Log::default();
            raised(try_await!(f(&log)), "b is locked");
            log.was("+a -a(b is locked)");
        }

        #[coro_core::test]
        async fn an_exit_that_fails_takes_the_place_of_each_way() {
            async fn f(log: &Log, way: u32) -> u32 {
                loop {
                    async with log.planned("a", Plan::ExitFails) {
                        match way {
                            0 => return 1,
                            1 => break,
                            2 => continue,
                            3 => raise!("three"),
                            _ => {}
                        }
                    }
                    log.say("not here");
                }
                2
            }
            let log = Log::default();
            for way in 0..5 { raised(try_await!(f(&log, way)), "a is stuck"); }
            log.was("+a -a +a -a +a -a +a -a(three) +a -a");
        }

        #[coro_core::test]
        async fn an_outer_exit_sees_the_error_of_the_inner() {
            async fn f(log: &Log) -> u32 {
                async with log.door("a") { async with log.planned("b", Plan::ExitFails) { return 1; } }
                0
            }
            let log = Log::default();
            raised(try_await!(f(&log)), "b is stuck");
            log.was("+a +b -b -a(b is stuck)");
        }

        #[coro_core::test]
        async fn an_exit_that_swallows() {
            async fn f(log: &Log, text: &str) -> u32 {
                async with log.planned("a", Plan::Swallow) {
                    async with log.door("b") { return text.parse::<u32>()?; }
                }
                log.say("after");
                0
            }
            let log = Log::default();
            assert_eq!(await!(f(&log, "3")), 3);
            log.was("+a +b -b -a");
            assert_eq!(await!(f(&log, "x")), 0);
            log.was("+a +b -b(invalid digit found in string) -a(invalid digit found in string) after");
        }

        #[coro_core::test]
        async fn swallowing_within_a_loop() {
            let log = Log::default();
            for n in 0..3 {
                async with log.planned("a", Plan::Swallow) { if n == 1 { raise!("one"); } log.say(n.to_string()); }
            }
            log.was("+a 0 -a +a -a(one) +a 2 -a");
        }

        #[coro_core::test]
        async fn return_of_err_is_raised_and_can_be_swallowed() {
            async fn f(log: &Log) -> Result<u32> {
                async with log.planned("a", Plan::Swallow) { return Err(Error::msg("bad")); }
                Ok(5)
            }
            let log = Log::default();
            assert_eq!(await!(f(&log)), 5);
            log.was("+a -a(bad)");
        }

        #[coro_core::test]
        async fn a_cancellation_that_is_swallowed() {
            async fn f(log: Log) -> u32 {
                async with log.planned("a", Plan::Swallow) { await!(sleep(secs(3600))); }
                await!(sleep(millis(1)));
                7
            }
            let log = Log::default();
            let task = create_task(f(log.clone()));
            await!(sleep(millis(5)));
            task.cancel();
            assert_eq!(await!(task), 7);
            log.was("+a -a(cancelled)");
        }
    }
}

mod generators {
    use super::*;

    async_fn! {
        async fn items(log: Log) yields u32 {
            async with log.door("a") {
                yield!(1);
                async with log.door("b") { yield!(2); if log.0.borrow().len() > 9 { return; } }
                yield!(3);
            }
            log.say("end");
        }

        fn plain(log: Log) yields u32 receives u32 -> u32 {
            async with log.planned("a", Plan::Swallow) {
                let mut sent = yield!(0);
                loop { if sent > 9 { return sent; } sent = yield!(sent + 1); }
            }
            5
        }

        #[coro_core::test]
        async fn exhausted() {
            let log = Log::default();
            async for n in items(log.clone()) { log.say(n.to_string()); }
            log.was("+a 1 +b 2 -b 3 -a end");
        }

        #[coro_core::test]
        async fn closed_at_a_yield() {
            let log = Log::default();
            async for n in items(log.clone()) { if n == 2 { break; } }
            log.was("+a +b -b(closed) -a(closed)");
            async for _ in items(log.clone()) { break; }
            log.was("+a -a(closed)");
        }

        #[coro_core::test]
        async fn return_in_a_generator() {
            let log = Log::default();
            for _ in 0..8 { log.say("."); }
            async for n in items(log.clone()) { log.say(n.to_string()); }
            log.was(". . . . . . . . +a 1 +b 2 -b -a");
        }

        #[coro_core::test]
        async fn a_plain_generator_is_sent_values_and_errors() {
            let log = Log::default();
            let mut generator = plain(log.clone());
            assert_eq!(generator.start()?, GeneratorState::Yielded(0));
            assert_eq!(generator.send(4)?, GeneratorState::Yielded(5));
            assert_eq!(generator.send(10)?, GeneratorState::Returned(10));
            log.was("+a -a");
            let mut generator = plain(log.clone());
            generator.start()?;
            assert_eq!(generator.throw(Error::msg("in"))?, GeneratorState::Returned(5));
            log.was("+a -a(in)");
        }

        #[coro_core::test]
        async fn a_context_manager_made_from_a_generator() {
            async fn kitchen(log: Log) yields &'static str {
                log.say("open");
                if let Err(error) = try_yield!("hob") { log.say(format!("caught {error}")); }
                log.say("close");
            }
            async fn f(log: &Log, way: u32) -> u32 {
                for _ in 0..1 {
                    async with context_manager(kitchen(log.clone())) as hob {
                        match way { 0 => return 1, 1 => break, 2 => raise!("fire at the {hob}"), _ => {} }
                    }
                }
                2
            }
            let log = Log::default();
            let mut results = Vec::new();
            for way in 0..4 { results.push(await!(f(&log, way))); }
            assert_eq!(results, [1, 2, 2, 2]);
            log.was("open close open close open caught fire at the hob close open close");
        }
    }
}

mod async_for {
    use super::*;

    async_fn! {
        #[coro_core::test]
        async fn exhaustion_ends_the_generator() {
            let log = Log::default();
            async for n in numbers(log.clone(), 2) { log.say(n.to_string()); }
            log.say("after");
            log.was("1 2 end ~numbers after");
        }

        #[coro_core::test]
        async fn each_way_out_closes_the_generator() {
            async fn f(log: &Log, way: u32) -> u32 {
                'outer: for round in 0..2 {
                    async for n in numbers(log.clone(), 3) {
                        if n == 1 { continue; }
                        match way {
                            0 => return n,
                            1 => break,
                            2 => break 'outer,
                            3 => continue 'outer,
                            4 => raise!("four"),
                            5 => { "x".parse::<u32>()?; }
                            6 => panic!("dropped an egg"),
                            _ => await!(wait_for(sleep(secs(9)), millis(1))),
                        }
                    }
                    log.say(format!("after {round}"));
                }
                log.say("end of f");
                0
            }
            let log = Log::default();
            assert_eq!(await!(f(&log, 0)), 2);
            log.was("closed ~numbers");
            assert_eq!(await!(f(&log, 1)), 0);
            log.was("closed ~numbers after 0 closed ~numbers after 1 end of f");
            assert_eq!(await!(f(&log, 2)), 0);
            log.was("closed ~numbers end of f");
            assert_eq!(await!(f(&log, 3)), 0);
            log.was("closed ~numbers closed ~numbers end of f");
            raised(try_await!(f(&log, 4)), "four");
            log.was("closed ~numbers");
            raised(try_await!(f(&log, 5)), "invalid digit found in string");
            log.was("closed ~numbers");
            panicked(f(&log, 6));
            log.was("~numbers"); // a panic unwinds it: nothing can be awaited then
            assert!(try_await!(f(&log, 7)).unwrap_err().is_timeout());
            log.was("closed ~numbers");
        }

        #[coro_core::test]
        async fn a_cancellation_closes_the_generator() {
            async fn f(log: Log) { async for _ in numbers(log.clone(), 3) { await!(sleep(secs(3600))); } }
            let log = Log::default();
            let task = create_task(f(log.clone()));
            await!(sleep(millis(5)));
            task.cancel();
            assert!(try_await!(task).unwrap_err().is_cancelled());
            log.was("closed ~numbers");
        }

        #[coro_core::test]
        async fn a_lent_generator_stays_open() {
            async fn first(log: &Log, source: &mut (impl AsyncIterator<Item = u32> + ?Sized), way: u32) -> u32 {
                async for n in &mut *source {
                    log.say(n.to_string());
                    match way { 0 => return n, 1 => break, _ => raise!("stop") }
                }
                0
            }
            let log = Log::default();
            {
                let mut source = numbers(log.clone(), 5);
                assert_eq!(await!(first(&log, &mut source, 0)), 1);
                assert_eq!(await!(first(&log, &mut source, 1)), 0);
                raised(try_await!(first(&log, &mut source, 2)), "stop");
                log.was("1 2 3");
                let mut rest = Vec::new();
                async for n in &mut source { rest.push(n); if n == 4 { break; } }
                assert_eq!(rest, [4]);
            }
            log.was("closed ~numbers");
        }

        #[coro_core::test]
        async fn an_error_of_the_iterator_ends_the_loop() {
            async fn failing() yields u32 { yield!(1); raise!("no more eggs"); }
            async fn f(log: &Log) { async with log.door("a") { async for n in failing() { log.say(n.to_string()); } } }
            let log = Log::default();
            raised(try_await!(f(&log)), "no more eggs");
            log.was("+a 1 -a(no more eggs)");
        }

        #[coro_core::test]
        async fn loops_within_loops() {
            let log = Log::default();
            'outer: async for a in numbers(log.clone(), 3) {
                async for b in numbers(log.clone(), 3) {
                    if b == 2 && a == 1 { continue 'outer; }
                    if a == 2 { break 'outer; }
                    log.say(format!("{a}{b}"));
                }
            }
            log.was("11 closed ~numbers closed ~numbers closed ~numbers");
        }

        #[coro_core::test]
        async fn with_and_for_within_each_other() {
            async fn f(log: &Log, way: u32) -> u32 {
                async with log.door("a") {
                    'numbers: async for n in numbers(log.clone(), 2) {
                        async with log.door("b") {
                            async for m in numbers(log.clone(), 2) {
                                async with log.door("c") {
                                    match way {
                                        0 => return n * 10 + m,
                                        1 => break 'numbers,
                                        2 => continue 'numbers,
                                        3 => break,
                                        _ => raise!("out"),
                                    }
                                }
                            }
                        }
                    }
                    log.say("in a");
                }
                0
            }
            let log = Log::default();
            let closed = "closed ~numbers";
            assert_eq!(await!(f(&log, 0)), 11);
            log.was(&format!("+a +b +c -c {closed} -b {closed} -a"));
            assert_eq!(await!(f(&log, 1)), 0);
            log.was(&format!("+a +b +c -c {closed} -b {closed} in a -a"));
            for way in [2, 3] {
                assert_eq!(await!(f(&log, way)), 0);
                log.was(&format!("+a +b +c -c {closed} -b +b +c -c {closed} -b end ~numbers in a -a"));
            }
            raised(try_await!(f(&log, 4)), "out");
            log.was(&format!("+a +b +c -c(out) {closed} -b(out) {closed} -a(out)"));
        }

        #[coro_core::test]
        async fn plain_generators_too() {
            fn letters(log: Log, text: &'static str) yields char {
                let _flag = Flag(log, "letters");
                for letter in text.chars() { yield!(letter); }
            }
            let log = Log::default();
            async for letter in letters(log.clone(), "egg") { if letter == 'g' { break; } }
            log.was("~letters");
        }
    }
}
