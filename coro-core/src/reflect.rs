//! Questions about the type of a value: the `inspect.isawaitable` family.
//!
//! The compiler knows the answers; these macros are for code that shows them, as the tutorials do, and for generic
//! tests. A probe has an inherent method where the answer is yes and a trait's method where it is no; the
//! inherent one is preferred.

use std::marker::PhantomData;

use crate::async_iter::{AsyncGenerator, SharedAsyncGenerator};
use crate::combinators::AsFuture;
use crate::coroutine::{Awaitable, Coroutine, SharedCoroutine};
use crate::generator::{Generator, SharedGenerator};

/// The answer where no inherent method gives one.
pub trait Otherwise {
    fn holds(&self) -> bool {
        false
    }
}

macro_rules! probes {
    ($($probe:ident: $([$($parameter:tt)*] $type:ty),+;)+) => {$(
        pub struct $probe<T>(PhantomData<T>);

        impl<T> $probe<T> {
            pub fn of(_: &T) -> Self {
                Self(PhantomData)
            }
        }

        $(impl<$($parameter)*> $probe<$type> {
            pub fn holds(&self) -> bool {
                true
            }
        })+

        impl<T> Otherwise for $probe<T> {}
    )+};
}

probes! {
    IsAwaitable: [T: Awaitable] T;
    IsFuture: [T: AsFuture] T;
    IsCoroutine: [F] Coroutine<F>, [T] SharedCoroutine<T>;
    IsGenerator: [Y, S, R, F] Generator<Y, S, R, F>, [Y, S, R] SharedGenerator<Y, S, R>;
    IsAsyncGenerator: [Y, S, F] AsyncGenerator<Y, S, F>, [Y, S] SharedAsyncGenerator<Y, S>;
}

/// Whether a value can be awaited; `inspect.isawaitable()`.
///
/// ```
/// use coro_core::{isawaitable, prelude::*};
/// assert!(isawaitable!(sleep(secs(1))) && isawaitable!(async {}));
/// assert!(!isawaitable!(3));
/// ```
#[macro_export]
macro_rules! isawaitable {
    ($value:expr $(,)?) => {
        $crate::__ask!(IsAwaitable, $value)
    };
}

/// Whether a value is a future or task; `asyncio.isfuture()`.
///
/// ```
/// use coro_core::{Future, isfuture, prelude::*};
/// coro_core::run(coroutine(|| {
///     assert!(isfuture!(Future::<u32>::new()) && isfuture!(create_task(sleep(secs(0)))));
///     assert!(!isfuture!(sleep(secs(1))));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! isfuture {
    ($value:expr $(,)?) => {
        $crate::__ask!(IsFuture, $value)
    };
}

/// Whether a value is a coroutine; `inspect.iscoroutine()`.
///
/// ```
/// use coro_core::{iscoroutine, prelude::*};
/// let mut coroutine = coroutine(|| Ok(1));
/// assert!(iscoroutine!(coroutine) && !iscoroutine!(1));
/// coroutine.close()?;
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! iscoroutine {
    ($value:expr $(,)?) => {
        $crate::__ask!(IsCoroutine, $value)
    };
}

/// Whether a value is a generator; `inspect.isgenerator()`.
///
/// ```
/// use coro_core::{Yielder, generator, isgenerator};
/// assert!(isgenerator!(generator(|y: &Yielder<u32>| y.yield_(1))) && !isgenerator!(1));
/// ```
#[macro_export]
macro_rules! isgenerator {
    ($value:expr $(,)?) => {
        $crate::__ask!(IsGenerator, $value)
    };
}

/// Whether a value is an asynchronous generator; `inspect.isasyncgen()`.
///
/// ```
/// use coro_core::{Yielder, async_generator, isasyncgen};
/// assert!(isasyncgen!(async_generator(|y: &Yielder<u32>| y.yield_(1))) && !isasyncgen!(1));
/// ```
#[macro_export]
macro_rules! isasyncgen {
    ($value:expr $(,)?) => {
        $crate::__ask!(IsAsyncGenerator, $value)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __ask {
    ($probe:ident, $value:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::Otherwise as _;
        $crate::__private::$probe::of(&$value).holds()
    }};
}
