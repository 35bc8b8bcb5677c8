//! Programs of nested loops, labelled blocks, `async with` and `async for`, made at random once and recorded. Each is
//! compiled twice: as it stands, and as a native twin, with guards that are dropped in place of managers that are left.
//! Both must take the same steps, whichever of their jumps are taken. A seed decides that.
#![recursion_limit = "1024"] // `native` takes one token at a time

/// The native twin of a body.
macro_rules! native {
    (@[$($out:tt)*]) => { $($out)* };
    (@[$($out:tt)*] async with $t:ident.door($a:literal) { $($body:tt)* } $($rest:tt)*) => {
        native! { @[$($out)* { let _guard = $t.guard($a); native! { @[] $($body)* } }] $($rest)* }
    };
    (@[$($out:tt)*] async with $t:ident.door($a:literal) as _, $u:ident.door($b:literal) as _x { $($body:tt)* }
     $($rest:tt)*) => {
        native! { @[$($out)* {
            let _first = $t.guard($a);
            let _second = $u.guard($b);
            native! { @[] $($body)* }
        }] $($rest)* }
    };
    (@[$($out:tt)*] async for _ in Numbers($n:literal) $($rest:tt)*) => {
        native! { @[$($out)* for _ in 0..$n] $($rest)* }
    };
    (@[$($out:tt)*] { $($body:tt)* } $($rest:tt)*) => {
        native! { @[$($out)* { native! { @[] $($body)* } }] $($rest)* }
    };
    (@[$($out:tt)*] $token:tt $($rest:tt)*) => { native! { @[$($out)* $token] $($rest)* } };
}

/// Each program in both ways, and the table of them all.
macro_rules! both {
    ($(async fn $name:ident($t:ident: $ty:ty) -> $output:ty { $($body:tt)* })+) => {
        mod dsl {
            use super::*;
            async_fn! { $(pub(super) async fn $name($t: $ty) -> $output { $($body)* })+ }
        }
        mod native_twins {
            use super::*;
            $(pub(super) fn $name($t: $ty) -> $output { native! { @[] $($body)* } })+
        }
        pub(crate) const PROGRAMS: &[super::Program] = &[$(super::Program {
            name: stringify!($name),
            dsl: |t| super::Value::value(coro_core::run(dsl::$name(t)).unwrap()),
            native: |t| super::Value::value(native_twins::$name(t)),
        }),+];
    };
}
use {both, native};

#[allow(clippy::all, clippy::pedantic, warnings)] // what chance wrote
mod programs;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use coro_core::prelude::*;

/// What a program did, and how it decides.
struct Trace {
    steps: RefCell<Vec<i64>>,
    state: Cell<u64>,
    /// How often it may still decide for a jump, or another round: all programs end.
    fuel: Cell<u32>,
}

impl Trace {
    fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self { steps: RefCell::default(), state: Cell::new(seed), fuel: Cell::new(60) })
    }

    fn say(&self, n: i64) {
        self.steps.borrow_mut().push(n);
    }

    /// Yes, in one case of three.
    fn pick(&self, n: i64) -> bool {
        self.say(n * 10);
        let Some(fuel) = self.fuel.get().checked_sub(1) else { return false };
        self.fuel.set(fuel);
        let mut state = self.state.get().wrapping_add(n.unsigned_abs());
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.state.set(state);
        state.is_multiple_of(3)
    }

    fn guard(self: &Rc<Self>, n: i64) -> Guard {
        self.say(1000 + n);
        Guard(Rc::clone(self), n)
    }

    fn door(self: &Rc<Self>, n: i64) -> Door {
        Door(Rc::clone(self), n)
    }
}

struct Guard(Rc<Trace>, i64);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.say(-self.1);
    }
}

struct Door(Rc<Trace>, i64);

impl AsyncContextManager for Door {
    type Value = ();

    fn aenter(&mut self) -> Result<()> {
        self.0.say(1000 + self.1);
        Ok(())
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        self.0.say(-self.1);
        Ok(false)
    }
}

struct Numbers(u32);

impl AsyncIterator for Numbers {
    type Item = u32;

    fn anext(&mut self) -> Result<Option<u32>> {
        Ok(self.0.checked_sub(1).inspect(|&left| self.0 = left))
    }
}

struct Program {
    name: &'static str,
    dsl: fn(&Rc<Trace>) -> i64,
    native: fn(&Rc<Trace>) -> i64,
}

/// What a program returns: a number, or a result that is one.
trait Value {
    fn value(self) -> i64;
}

impl Value for i64 {
    fn value(self) -> i64 {
        self
    }
}

impl Value for Result<i64> {
    fn value(self) -> i64 {
        self.unwrap()
    }
}

#[test]
fn every_program_takes_the_steps_of_its_twin() {
    let mut steps = 0;
    for program in programs::PROGRAMS {
        for seed in 1..200 {
            let (dsl, native) = (Trace::new(seed * 7919), Trace::new(seed * 7919));
            let name = program.name;
            assert_eq!((program.dsl)(&dsl), (program.native)(&native), "{name}, seed {seed}");
            assert_eq!(dsl.steps, native.steps, "{name}, seed {seed}");
            steps += native.steps.borrow().len();
        }
    }
    assert!(
        programs::PROGRAMS.len() == 40 && steps > 50_000,
        "{} programs, {steps} steps",
        programs::PROGRAMS.len()
    );
}
