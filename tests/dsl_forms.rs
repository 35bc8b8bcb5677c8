//! The forms of functions that `async_fn!` and `#[stackful]` take: each is used once and gives the right value.
#![allow(
    clippy::multiple_bound_locations,
    clippy::needless_arbitrary_self_type,
    clippy::needless_return,
    clippy::possible_missing_else,
    reason = "each form is written because it is one"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::ops::AddAssign;
use std::pin::Pin;
use std::rc::Rc;

use coro_core::prelude::*;
use coro_core::{Coroutine, FrameState, StopIteration, ValueError};

async_fn! {
    /// One round of the loop, so that every awaited function below really suspends.
    async fn pause() { await!(sleep(millis(1))); }
}

mod signatures {
    use super::*;

    async_fn! {
        async fn generic<T: Display, const N: usize>(items: [T; N]) -> String
        where
            T: Clone,
        {
            let mut text = String::new();
            for item in &items { await!(pause()); text += &item.to_string(); }
            text
        }

        async fn either<'a, 'b: 'a>(first: &'a str, second: &'b str, choose: bool) -> &'a str {
            await!(pause());
            if choose { first } else { second }
        }

        async fn elided(text: &str) -> &str { await!(pause()); text.trim() }

        async fn sum(totals: &mut BTreeMap<String, u32>, name: impl Into<String>, n: u32) -> u32 {
            await!(pause());
            let total = totals.entry(name.into()).or_default();
            *total += n;
            *total
        }

        async fn dynamic(shown: &dyn Debug, call: &mut dyn FnMut(u32)) -> Box<dyn Fn() -> String> {
            await!(pause());
            call(3);
            let text = format!("{shown:?}");
            Box::new(move || text.clone())
        }

        async fn patterns((a, mut b): (u32, u32), [first, .., last]: [u32; 4], Point { x, y: _ }: Point, _: u8) -> u32 {
            b += 1;
            await!(pause());
            a + b + first + last + x
        }

        async fn mutable(mut n: u32, ref text: String, all @ (one, _): (u32, u32)) -> (u32, usize, u32) {
            n += 1;
            await!(pause());
            (n, text.len(), all.0 + one)
        }

        async fn r#match(r#type: u32) -> u32 { await!(pause()); r#type }

        async fn with_attributes(#[allow(unused)] left_alone: u32, #[cfg(any())] absent: NoSuchType) -> u32 { 1 }

        #[allow(clippy::too_many_arguments)]
        #[must_use]
        #[inline]
        async fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 { a + b + c + d + e + f + g + h }

        async fn inner_attributes() -> u32 {
            #![allow(unused_variables)]
            let unused = 1;
            5
        }

        pub(crate) async fn visible() -> u32 { 6 }
        pub(in crate::signatures) async fn visible_here() -> u32 { 7 }

        async fn takes_a_coroutine<A: Awaitable<Output = u32>>(inner: A) -> u32 { await!(inner) + 1 }

        async fn tuple() -> (u32, String) { (1, "a".to_owned()) }
        async fn nothing() {}
        async fn unit() -> () {}
        async fn boxed(depth: u32) -> BoxCoroutine<u32> { numbered(depth).boxed() }
        async fn numbered(n: u32) -> u32 { await!(pause()); n }

        const LIMIT: u32 = 3;
        static NAME: &str = "egg";
        struct Point { x: u32, #[allow(dead_code)] y: u32 }
        fn ordinary() -> u32 { LIMIT + NAME.len() as u32 }
    }

    #[coro_core::test]
    async fn generics_and_lifetimes() {
        assert_eq!(generic([1, 2, 3]).await, "123");
        let second = String::from("second");
        assert_eq!(either("first", &second, false).await, "second");
        assert_eq!(elided(" egg ").await, "egg");
        assert_eq!(takes_a_coroutine(numbered(2)).await, 3);
    }

    #[coro_core::test]
    async fn borrowed_arguments() {
        let mut totals = BTreeMap::new();
        assert_eq!(sum(&mut totals, "egg", 2).await, 2);
        assert_eq!(sum(&mut totals, String::from("egg"), 3).await, 5);
        let mut seen = 0;
        let shown = dynamic(&Some(1), &mut |n| seen = n).await;
        assert_eq!((shown(), seen), ("Some(1)".to_owned(), 3));
    }

    #[coro_core::test]
    async fn patterns_in_arguments() {
        assert_eq!(patterns((1, 2), [10, 0, 0, 20], Point { x: 100, y: 0 }, 0).await, 134);
        assert_eq!(mutable(1, "egg".to_owned(), (4, 5)).await, (2, 3, 8));
        assert_eq!(r#match(4).await, 4);
        assert_eq!(with_attributes(0).await, 1);
        assert_eq!(many(1, 1, 1, 1, 1, 1, 1, 1).await, 8);
    }

    #[coro_core::test]
    async fn other_items_stay_as_they_are() {
        assert_eq!((inner_attributes().await, visible().await, visible_here().await), (5, 6, 7));
        assert_eq!(ordinary(), 6);
        assert_eq!(tuple().await, (1, "a".to_owned()));
        nothing().await;
        unit().await;
        assert_eq!(boxed(3).await.await, 3);
    }

    #[coro_core::test]
    async fn a_coroutine_knows_its_function() {
        let mut coroutine = r#match(1);
        assert!(format!("{coroutine:?}").starts_with("<coroutine object match at "));
        assert_eq!(coroutine.state(), FrameState::Created);
        coroutine.close()?;
    }

    #[test]
    fn nothing_runs_before_it_is_awaited_and_all_arguments_live_as_long() {
        struct Flag(Rc<RefCell<Vec<&'static str>>>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.borrow_mut().push("dropped");
            }
        }
        async_fn! {
            async fn body(_named: Flag, _: Flag, log: Rc<RefCell<Vec<&'static str>>>) {
                log.borrow_mut().push("runs");
                await!(pause());
                log.borrow_mut().push("ends");
            }
        }
        let log = Rc::default();
        let coroutine = body(Flag(Rc::clone(&log)), Flag(Rc::clone(&log)), Rc::clone(&log));
        assert!(log.borrow().is_empty());
        coro_core::run(coroutine).unwrap();
        assert_eq!(*log.borrow(), ["runs", "ends", "dropped", "dropped"]);
    }
}

mod methods {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Pan {
        eggs: Vec<u32>,
    }

    trait Cook {
        const LIMIT: u32;
        type Egg: Debug + Clone;
    }

    async_fn! {
        impl Pan {
            /// An associated function.
            pub async fn with(egg: u32) -> Self { await!(pause()); Self { eggs: vec![egg] } }
            pub async fn count(&self) -> usize { await!(pause()); self.eggs.len() }
            async fn first(&self) -> Option<&u32> { await!(pause()); self.eggs.first() }
            async fn add(&mut self, egg: u32) -> &mut Self { await!(pause()); self.eggs.push(egg); self }
            async fn serve(self) -> Vec<u32> { await!(pause()); self.eggs }
            async fn sorted(mut self) -> Vec<u32> { self.eggs.sort(); await!(pause()); self.eggs }
            async fn shared(self: Rc<Self>) -> usize { await!(self.count()) + Rc::strong_count(&self) }
            async fn boxed_self(self: Box<Self>) -> usize { await!(self.count()) }
            async fn pinned(self: Pin<&mut Self>) -> usize { await!(self.count()) }
            async fn typed(self: &Self, other: &Self) -> bool { await!(pause()); self == other }
            fn each(&self) yields &u32 { for egg in &self.eggs { yield!(egg); } }
            async fn each_boiled(self) yields u32 { for egg in self.eggs { await!(pause()); yield!(egg * 10); } }
            fn ordinary(&self) -> bool { self.eggs.is_empty() }
        }

        trait Kitchen: Cook {
            /// Required.
            async fn boil(&self, egg: u32) -> u32;
            /// Provided, and overridden by one of the two.
            async fn boil_two(&mut self, egg: u32) -> (u32, u32) {
                (await!(self.boil(egg)), await!(self.boil(egg + 1)))
            }
            fn eggs(&self, egg: Self::Egg) yields Self::Egg { for _ in 0..Self::LIMIT { yield!(egg.clone()); } }
        }

        impl Kitchen for Pan {
            async fn boil(&self, egg: u32) -> u32 { await!(pause()); egg + self.eggs.len() as u32 }
        }

        impl<T> Kitchen for Vec<T> {
            async fn boil(&self, egg: u32) -> u32 { await!(pause()); egg * 2 }
            async fn boil_two(&mut self, egg: u32) -> (u32, u32) { self.clear(); (await!(self.boil(egg)), 0) }
        }

        impl<T: Clone + AddAssign> Total<T> {
            async fn add(&mut self, n: &T) -> T { await!(pause()); self.0 += n.clone(); self.0.clone() }
        }

        struct Total<T>(T);

        mod inner {
            use super::*;
            pub async fn nested() -> &'static str { await!(pause()); "nested" }
        }
    }

    impl Cook for Pan {
        const LIMIT: u32 = 2;
        type Egg = u32;
    }

    impl<T> Cook for Vec<T> {
        const LIMIT: u32 = 1;
        type Egg = &'static str;
    }

    #[coro_core::test]
    async fn all_kinds_of_self() {
        let mut pan = Pan::with(3).await;
        pan.add(1).await.add(2).await;
        assert_eq!((pan.count().await, pan.first().await), (3, Some(&3)));
        assert!(pan.typed(&pan.clone()).await && !pan.ordinary());
        assert_eq!(Rc::new(pan.clone()).shared().await, 4);
        assert_eq!(Box::new(pan.clone()).boxed_self().await, 3);
        assert_eq!(Pin::new(&mut pan).pinned().await, 3);
        assert_eq!(pan.clone().sorted().await, [1, 2, 3]);
        assert_eq!(pan.serve().await, [3, 1, 2]);
    }

    async_fn! {
        #[coro_core::test]
        async fn generators_as_methods() {
            let pan = Pan { eggs: vec![1, 2] };
            let mut seen = Vec::new();
            async for egg in pan.each() { seen.push(*egg); }
            async for egg in pan.clone().each_boiled() { seen.push(egg); }
            assert_eq!(seen, [1, 2, 10, 20]);
        }

        #[coro_core::test]
        async fn trait_methods() {
            async fn by_bound<K: Kitchen>(kitchen: &mut K) -> (u32, u32) { await!(kitchen.boil_two(5)) }
            let mut pan = Pan { eggs: vec![1] };
            assert_eq!(await!(by_bound(&mut pan)), (6, 7));
            assert_eq!(await!(by_bound(&mut vec![1])), (10, 0));
            async for egg in pan.eggs(4) { assert_eq!(egg, 4); }
            async for egg in Vec::<u8>::new().eggs("egg") { assert_eq!(egg, "egg"); }
            assert_eq!(await!(Total(3).add(&4)), 7);
            assert_eq!(await!(inner::nested()), "nested");
        }
    }
}

mod recursion {
    use super::*;

    async_fn! {
        async fn factorial(n: u64) -> u64 {
            if n == 0 { return 1; }
            await!(pause());
            n * await!(factorial(n - 1))
        }

        async fn even(n: u32) -> bool { if n == 0 { true } else { await!(odd(n - 1)) } }
        async fn odd(n: u32) -> bool { if n == 0 { false } else { await!(even(n - 1)) } }

        async fn total<T: Copy + AddAssign + Default>(items: &[T]) -> T {
            match items {
                [] => T::default(),
                [first, rest @ ..] => { let mut sum = await!(total(rest)); sum += *first; sum }
            }
        }

        fn hanoi(n: u32, from: char, to: char, over: char) yields (char, char) {
            if n == 0 { return; }
            yield_from!(hanoi(n - 1, from, over, to));
            yield!((from, to));
            yield_from!(hanoi(n - 1, over, to, from));
        }
    }

    #[coro_core::test]
    async fn direct_mutual_and_generic() {
        assert_eq!(factorial(20).await, 2_432_902_008_176_640_000);
        assert!(even(100).await && !even(51).await);
        assert_eq!(total(&[1.5, 2.5]).await, 4.0);
    }

    #[test]
    fn generators() {
        let moves = hanoi(3, 'a', 'c', 'b').collect::<Result<Vec<_>>>().unwrap();
        assert_eq!((moves.len(), moves[0], moves[6]), (7, ('a', 'c'), ('a', 'c')));
    }
}

mod bodies {
    use super::*;

    async_fn! {
        async fn one(n: u32) -> u32 { await!(pause()); n }

        #[coro_core::test]
        async fn sugar_within_other_macros() {
            let made = vec![await!(one(1)), await!(one(2)), try_await!(one(3))?];
            assert_eq!(format!("{} {x}", await!(one(4)), x = await!(one(5))), "4 5");
            assert!(matches!(await!(one(6)), 5 | 6 if await!(one(0)) == 0), "{}", await!(one(7)));
            let nested = vec![vec![await!(one(await!(one(8))))]; 2];
            assert_eq!((made, nested), (vec![1, 2, 3], vec![vec![8], vec![8]]));
        }

        #[coro_core::test]
        async fn sugar_in_all_kinds_of_expressions() {
            let mut n = await!(one(1)) + -(await!(one(2)) as i32) as u32;
            n = n.wrapping_add(2);
            if let 1 = await!(one(1)) && n == 1 { n += 1; }
            while await!(one(n)) < 5 { n += 1; }
            for _ in 0..await!(one(2)) { n += 1; }
            let point = (await!(one(1)), [await!(one(2)); 2], Some(await!(one(3))));
            let (true | false) = await!(one(1)) == 1;
            let Some(three) = point.2 else { raise!("no three") };
            match await!(one(three)) { m if m == await!(one(3)) => n += m, _ => unreachable!() }
            let s = &await!(one(9)).to_string()[..];
            assert_eq!((n, s, point.1), (10, "9", [2, 2]));
        }

        #[coro_core::test]
        async fn closures_keep_their_own_control_flow() {
            let parse = |text: &str| -> Result<u32, std::num::ParseIntError> {
                let n = text.parse::<u32>()?;
                return Ok(n + 1);
            };
            let first = [1, 2, 3].iter().find_map(|&n| { if n < 2 { return None; } Some(n) });
            let wait = move |n: u32| -> Result<u32> { sleep(millis(1)).co_await()?; Ok(one(n).co_await()? + 1) };
            let or = |a: bool, b: bool| a || b;
            assert_eq!((parse("1")?, parse("x").is_err(), first, wait(1)?), (2, true, Some(2), 2));
            assert!(or(false, true) | or(true, false));
        }

        #[coro_core::test]
        async fn functions_within_functions() {
            fn ordinary(n: u32) -> u32 { if n > 1 { return 1; } n }
            async fn inner(n: u32) -> u32 { if n > 1 { return await!(one(n)); } 0 }
            fn numbers() yields u32 { yield!(ordinary(5)); yield!(2); }
            struct Local;
            impl Local { fn five(&self) -> u32 { return 5; } }
            let mut seen = vec![await!(inner(7)), Local.five()];
            async for n in numbers() { seen.push(n); }
            assert_eq!(seen, [7, 5, 1, 2]);
        }

        #[coro_core::test]
        async fn async_blocks_are_rustcs_own() {
            let n = 3;
            let block = async { let inner = async move { n + 1 }; if n > 9 { return 0; } inner.await };
            assert_eq!(await!(block), 4);
            let failing = async { let n: u32 = "x".parse()?; Ok::<u32, std::num::ParseIntError>(n) };
            assert!(await!(failing).is_err());
            let async_closure = async move || n;
            assert_eq!(await!(async_closure()), 3);
        }

        #[coro_core::test]
        async fn both_ways_to_await() {
            assert_eq!(one(1).await + await!(one(2)) + one(3).co_await()?, 6);
            let doubled: Vec<u32> = (1..3).map(|n| one(n).co_await()).collect::<Result<_>>()?;
            assert_eq!(doubled, [1, 2]);
        }

        #[coro_core::test]
        async fn hidden_names_do_not_collide() {
            let (__source, __manager, __item, __value, __entered, __exit) = (1, 2, 3, 4, 5, 6);
            let (__left, __output, __yielder, __error, __returned, __slot0) = (1, 2, 3, 4, 5, 6);
            let lock = Lock::new(0);
            let found = loop {
                async with &lock as mut guard {
                    *guard += __source + __manager + __item + __value + __entered + __exit;
                    break __left + __output + __yielder + __error + __returned + __slot0;
                }
            };
            async fn numbers(__yielder: u32) yields u32 { yield!(__yielder); let __yielder = 7; yield!(__yielder); }
            let mut sum = found;
            async for __item in numbers(6) { sum += __item + __source; }
            assert_eq!((sum, *await!(lock.lock())), (36, 21));
            '__body: { break '__body; }
            '__return: loop { async with &lock as _ { break '__return; } }
        }

        #[coro_core::test]
        async fn names_of_the_prelude_may_be_shadowed() {
            #[derive(Debug, PartialEq)]
            #[allow(dead_code)]
            enum Mine { Ok(u32), Err(u32), Some(u32), None }
            use Mine::*;
            async fn shadowed(way: u32) -> Mine {
                let lock = Lock::new(1);
                async with &lock as guard { if way == 1 { return Ok(*guard); } if way == 2 { raise!("two"); } }
                async for n in crate::bodies::pair() { if n == 2 { return Err(n); } }
                None
            }
            mod core { #![allow(dead_code)] pub mod result {} }
            mod std { #![allow(dead_code)] pub fn format() {} }
            assert_eq!((await!(shadowed(1)), await!(shadowed(0))), (Ok(1), Err(2)));
            assert!(try_await!(shadowed(2)).is_err());
        }

        pub(crate) async fn pair() yields u32 { yield!(1); yield!(2); }
    }
}

mod results {
    use super::*;

    type Outcome<T> = std::result::Result<T, ValueError>;

    async_fn! {
        async fn plain(text: &str) -> u32 { text.parse()? }
        async fn declared(text: &str) -> Result<u32> { let n: u32 = text.parse()?; Ok(n) }
        async fn with_error(text: &str) -> Result<u32, std::num::ParseIntError> { text.parse() }
        async fn io(text: &str) -> std::io::Result<usize> { text.parse().map_err(std::io::Error::other) }
        async fn boxed(text: &str) -> Result<u32, Box<dyn std::error::Error>> { await!(pause()); Ok(text.parse()?) }
        async fn sent(text: &str) -> std::result::Result<u32, Box<dyn std::error::Error + Send + Sync>> {
            Ok(text.parse()?)
        }
        async fn formatted(good: bool) -> std::fmt::Result { if good { Ok(()) } else { Err(std::fmt::Error) } }
        async fn aliased(good: bool) -> Outcome<u32> { if good { Ok(1) } else { Err(ValueError::new("bad")) } }
        async fn nothing(good: bool) -> Result<()> { if !good { raise!("bad"); } Ok(()) }

        async fn raising(way: u32) {
            let text = String::from("text");
            match way {
                0 => raise!("plain"),
                1 => raise!("{text} {way}"),
                2 => raise!("{} {w:?}", text.len(), w = way),
                3 => raise!(ValueError::new("value")),
                4 => raise!(Error::msg("error")),
                5 => { let closure = || -> Result<()> { raise!("in the closure") }; closure()?; }
                6 => raise!(std::io::Error::other("io")),
                _ => { let boxed: Box<dyn std::error::Error + Send + Sync> = "boxed".into(); raise!(boxed) }
            }
        }
        async fn raising_io(good: bool) -> std::io::Result<()> { if !good { raise!("not {}", "good"); } Ok(()) }
    }

    #[coro_core::test]
    async fn a_declared_result_is_the_output_and_its_error() {
        assert_eq!((plain("1").await, declared("2").await, with_error("3").await), (1, 2, 3));
        assert_eq!((io("4").await, boxed("5").await, sent("6").await), (4, 5, 6));
        formatted(true).await;
        nothing(true).await;
        for error in [
            try_await!(plain("x")).unwrap_err(),
            try_await!(declared("x")).unwrap_err(),
            try_await!(with_error("x")).unwrap_err(),
        ] {
            assert!(error.is::<std::num::ParseIntError>(), "{error:?}");
        }
        assert!(try_await!(io("x")).unwrap_err().is::<std::io::Error>());
        assert_eq!(try_await!(boxed("x")).unwrap_err().to_string(), "invalid digit found in string");
        assert_eq!(try_await!(sent("x")).unwrap_err().to_string(), "invalid digit found in string");
        assert!(try_await!(formatted(false)).unwrap_err().is::<std::fmt::Error>());
        assert_eq!(try_await!(nothing(false)).unwrap_err().to_string(), "bad");
    }

    #[coro_core::test]
    async fn an_alias_by_another_name_is_an_ordinary_value() {
        assert_eq!(aliased(true).await.unwrap(), 1);
        let value: Outcome<u32> = aliased(false).await;
        assert!(value.is_err());
    }

    #[coro_core::test]
    async fn ways_to_raise() {
        let texts = ["plain", "text 1", "4 2", "value", "error", "in the closure", "io", "boxed"];
        for (way, text) in (0..).zip(texts) {
            assert_eq!(try_await!(raising(way)).unwrap_err().to_string(), text);
        }
        assert_eq!(try_await!(raising_io(false)).unwrap_err().to_string(), "not good");
        raising_io(true).await;
        let error = try_await!(raising(3)).unwrap_err();
        assert_eq!(error.location().file(), file!());
    }
}

mod generators {
    use super::*;

    async_fn! {
        fn adder(start: i32) yields i32 receives Option<i32> -> String {
            let mut total = start;
            while let Some(n) = yield!(total) { total += n; }
            format!("total {total}")
        }

        fn stubborn() yields &'static str {
            for _ in 0..2 {
                match try_yield!("ready") {
                    Ok(()) => {}
                    Err(error) if error.is::<ValueError>() => { yield!("caught"); }
                    Err(error) => raise!(error),
                }
            }
        }

        fn empty() yields u32 {}
        fn ticks() yields () { yield!(); yield!(()); }
        fn inner() yields u32 -> &'static str { yield!(1); yield!(2); "inner" }
        fn catching() yields u32 -> String {
            let caught = try_yield_from!(failing()).unwrap_err();
            let gone = try_yield_from!([5]);
            format!("{caught} {gone:?}")
        }
        fn outer() yields u32 -> String { let from = yield_from!(inner()); yield!(3); from.to_uppercase() }
        fn failing() yields u32 -> Result<u32> { yield!(1); let n: u32 = "x".parse()?; Ok(n) }
        fn pairs<'a, T: Clone, const N: usize>(items: &'a [T; N]) yields (usize, T) where T: Debug {
            for (i, item) in items.iter().enumerate() { yield!((i, item.clone())); }
        }
        async fn echo() yields u32 receives u32 {
            let mut sent = yield!(0);
            loop { await!(pause()); sent = yield!(sent * 2); }
        }
    }

    #[test]
    fn values_are_sent_and_returned() {
        let mut adder = adder(1);
        assert_eq!(adder.start().unwrap(), GeneratorState::Yielded(1));
        assert_eq!(adder.send(Some(4)).unwrap(), GeneratorState::Yielded(5));
        assert_eq!(adder.send(None).unwrap(), GeneratorState::Returned("total 5".to_owned()));
        assert!(adder.send(None).unwrap_err().is::<StopIteration>());
    }

    #[test]
    fn errors_are_thrown_in_and_caught() {
        let mut stubborn = stubborn();
        assert_eq!(stubborn.start().unwrap(), GeneratorState::Yielded("ready"));
        assert_eq!(stubborn.throw(ValueError::new("v").into()).unwrap(), GeneratorState::Yielded("caught"));
        assert_eq!(stubborn.send(()).unwrap(), GeneratorState::Yielded("ready"));
        assert_eq!(stubborn.throw(Error::msg("other")).unwrap_err().to_string(), "other");
    }

    #[test]
    fn all_forms_of_yielding() {
        assert_eq!(empty().count(), 0);
        assert_eq!(ticks().count(), 2);
        let mut outer = outer();
        assert_eq!(outer.by_ref().collect::<Result<Vec<_>>>().unwrap(), [1, 2, 3]);
        assert_eq!(outer.returned(), Some(&"INNER".to_owned()));
        assert_eq!(failing().map(|step| step.is_ok()).collect::<Vec<_>>(), [true, false]);
        let items = pairs(&["a", "b"]).lend(|lent| lent.collect::<Result<Vec<_>>>());
        assert_eq!(items.unwrap(), [(0, "a"), (1, "b")]);
    }

    #[test]
    fn an_error_of_a_delegation_is_caught() {
        let mut catching = catching();
        assert_eq!(catching.by_ref().collect::<Result<Vec<_>>>().unwrap(), [1, 5]);
        assert_eq!(catching.returned().unwrap(), "invalid digit found in string Ok(())");
    }

    #[coro_core::test]
    async fn asynchronous_generators_receive_too() {
        let mut echo = echo();
        assert_eq!(echo.start()?, Some(0));
        assert_eq!(echo.asend(21)?, Some(42));
        echo.aclose()?;
    }
}

mod attributes {
    use super::*;

    /// Documented.
    #[stackful]
    #[inline]
    pub(crate) async fn generic<T: Display + ?Sized, const N: usize>(item: &T) -> Result<[String; N]>
    where
        T: Debug,
    {
        sleep(millis(1)).await;
        if N == 0 {
            raise!("nothing");
        }
        Ok(std::array::from_fn(|n| format!("{item}{n}")))
    }

    struct Egg(u32);

    impl Egg {
        #[stackful]
        async fn boil(&mut self, (a, b): (u32, u32)) -> &u32 {
            for n in [a, b] {
                sleep(millis(1)).await;
                self.0 += n;
            }
            &self.0
        }
    }

    trait Boil {
        #[stackful]
        async fn boil_one(&self) -> u32;
    }

    impl Boil for Egg {
        #[stackful]
        async fn boil_one(&self) -> u32 {
            let inner = async { self.0 };
            inner.await + 1
        }
    }

    #[coro_core::test]
    async fn stackful_takes_the_same_forms() {
        assert_eq!(generic::<str, 2>("egg").await, ["egg0", "egg1"]);
        assert_eq!(try_await!(generic::<_, 0>(&1)).unwrap_err().to_string(), "nothing");
        let mut egg = Egg(1);
        assert_eq!(egg.boil((2, 3)).await, &6);
        assert_eq!(egg.boil_one().await, 7);
    }

    #[coro_core::test(seed = 7, stack_size = 128 * 1024, debug)]
    async fn options_are_taken() -> Result<()> {
        let start = get_running_loop()?.time();
        sleep(secs(3600)).await;
        assert!(get_running_loop()?.time() - start >= secs(3600));
        Ok(())
    }

    #[coro_core::test(real_clock)]
    #[should_panic(expected = "raw")]
    async fn an_error_counts_as_a_panic() {
        raise!("raw");
    }

    #[coro_core::test]
    #[allow(clippy::no_effect, unused_variables)]
    async fn other_attributes_stay() {
        let unused = 1;
    }

    #[test]
    fn a_coroutine_is_a_value() {
        fn later(n: u32) -> Coroutine<impl FnOnce() -> Result<u32>> {
            coroutine(move || Ok(n))
        }
        assert_eq!(coro_core::run(later(3)).unwrap(), 3);
    }
}
