//! The DSL of coro: [`async_fn!`], [`#[stackful]`](macro@stackful), [`#[main]`](macro@main) and
//! [`#[test]`](macro@test).
//!
//! Users reach these through `coro_core`, which exports them all. They turn a function that awaits or yields into an
//! ordinary function that returns a coroutine or generator; everything else is the library's.
//!
//! | file | what it does |
//! | --- | --- |
//! | `items.rs` | finds the functions among the items of `async_fn!` |
//! | `function.rs` | signature and body → a constructor |
//! | `attribute.rs` | the attribute forms |
//! | `rewrite.rs` | the walk through a body's tokens |
//! | `control_flow.rs` | loops, `async for`, `async with`, and the jumps between them |
//! | `scan.rs` | questions about tokens |
//! | `diagnostic.rs` | compile errors and spans |

mod attribute;
mod control_flow;
mod diagnostic;
mod function;
mod items;
mod rewrite;
mod scan;
#[cfg(test)]
mod tests;

use attribute::Entry;
use proc_macro::TokenStream;

/// Functions that await and yield, in Python's words.
///
/// The macro takes items. `async fn` becomes a coroutine function, `fn … yields` a generator function,
/// `async fn … yields` an asynchronous generator function, also within `impl`, `trait` and `mod`; all other items
/// stay as they are.
///
/// ```
/// use coro_core::prelude::*;
///
/// async_fn! {
///     /// Boils one egg.
///     async fn boil(egg: u32) -> u32 {
///         await!(sleep(Duration::from_millis(3)));
///         egg
///     }
///
///     /// An asynchronous generator.
///     async fn eggs(amount: u32) yields u32 {
///         for egg in 1..=amount { yield!(egg); }
///     }
///
///     async fn cook() {
///         async for egg in eggs(4) { await!(boil(egg)); }
///     }
/// }
///
/// fn main() -> Result<()> { coro_core::run(cook()) }
/// ```
///
/// # Signatures
///
/// | written | a call gives |
/// | --- | --- |
/// | `async fn f(..) -> T` | a coroutine; awaiting it gives a `T` |
/// | `async fn f(..) -> Result<T, E>` | a coroutine; awaiting it gives a `T`; the body ends in `Ok` or `Err` |
/// | `fn f(..) yields Y -> R` | a generator |
/// | `fn f(..) yields Y receives S -> R` | a generator that is sent values |
/// | `async fn f(..) yields Y receives S` | an asynchronous generator |
///
/// Whether a return type is a `Result` is told by its spelling: its last path segment is `Result`. An alias by
/// another name is an ordinary value. `-> impl Trait` and `-> !` cannot be had, nor can `const`, `unsafe` and
/// `extern`. A body owns its arguments, as that of any `async fn` does.
///
/// # In a body
///
/// | written | meaning |
/// | --- | --- |
/// | `await!(e)`, or `e.await` | awaits `e`; an error leaves the function |
/// | `try_await!(e)` | awaits `e` and gives a `Result` |
/// | `yield!(e)` | yields `e` and gives what was sent; an error thrown in leaves the function |
/// | `try_yield!(e)` | the same, as a `Result` |
/// | `yield_from!(g)` | yields all that the generator or iterator `g` yields, and gives what it returns |
/// | `try_yield_from!(g)` | the same, as a `Result` |
/// | `raise!(e)`, `raise!("text {x}")` | leaves the function with an error |
/// | `async for x in e { }` | a loop over an asynchronous iterator or generator |
/// | `async with e as x, f as y { }` | a block with an entry and an exit; `as x` may be left out |
///
/// They work within the arguments of other macros too. `return`, `break`, `continue`, labels, `?` and `raise!` leave
/// an `async with` through its exit. In a closure or a nested function `return` and `?` are its own, and one awaits
/// there by `.co_await()?`.
///
/// # Limits
///
/// - The body of an `async with` is a closure behind the scenes, and cannot be the first to assign a variable that is
///   declared before it: give it a value there, such as `let mut x = None;`.
/// - An `async with` has no value, and code must follow it even if each way through its body returns, since the exit
///   may swallow an error.
/// - In a function that returns `Result<T, E>`, an error that crosses an `async with` becomes a `coro_core::Error`,
///   since the exit must be shown one. So `E` must be convertible from that; the original error is found in it by
///   `downcast_ref`.
/// - `.await` is a method call to rustc, and what it says of a receiver that cannot be awaited is that it is no future.
///   The error of `await!` says what can be awaited.
///
/// ```
/// # use coro_core::prelude::*;
/// async_fn! {
///     async fn length(lock: Lock<String>) -> usize {
///         let mut length = None;
///         async with &lock as text { length = Some(text.len()); }
///         length.unwrap_or(0)
///     }
/// }
/// assert_eq!(coro_core::run(length(Lock::new("egg".to_owned())))?, 3);
/// # Ok::<(), Error>(())
/// ```
#[proc_macro]
pub fn async_fn(items: TokenStream) -> TokenStream {
    items::translate(items.into()).into()
}

/// Makes an `async fn` of ordinary Rust a coroutine function.
///
/// `.await` takes the place of `await!`; `raise!` and `try_await!` work too. What `.await` means within closures and
/// `async { }` blocks stays as it is: rustc's own business. A nested function that shall be stackful needs an
/// attribute of its own. All that is said of signatures at [`async_fn!`] holds here.
///
/// ```
/// use coro_core::prelude::*;
///
/// #[stackful]
/// async fn boil(egg: u32) -> u32 {
///     sleep(Duration::from_millis(3)).await;
///     egg
/// }
///
/// fn main() -> Result<()> {
///     assert_eq!(coro_core::run(boil(7))?, 7);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn stackful(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute::stackful(options.into(), item.into()).into()
}

/// Runs `async fn main` on an event loop.
///
/// The body is written as under [`#[stackful]`](macro@stackful). Options: `debug` for debug mode, and
/// `stack_size = N` for the number of bytes of a task's stack.
///
/// ```
/// use coro_core::prelude::*;
///
/// #[coro_core::main(debug, stack_size = 128 * 1024)]
/// async fn main() -> Result<()> {
///     sleep(Duration::from_millis(3)).await;
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute::entry(Entry::Main, options.into(), item.into()).into()
}

/// Makes an `async fn` a test, which runs on an event loop of its own with a virtual clock.
///
/// The body is written as under [`#[stackful]`](macro@stackful). Options: `real_clock`, `debug`, `seed = N` for the
/// order in which tasks run, `ordered`, `stack_size = N`. Other attributes, such as `#[ignore]` and `#[should_panic]`,
/// work as usual; under `#[should_panic]` an error counts as a panic.
///
/// The environment variable `CORO_TEST_SEED` gives the seed of the tests that name none. A test that is about the
/// order itself says `ordered`: it always runs in the usual one.
///
/// ```
/// use coro_core::prelude::*;
///
/// #[coro_core::test]
/// async fn an_hour_takes_no_time() {
///     sleep(Duration::from_secs(3600)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute::entry(Entry::Test, options.into(), item.into()).into()
}
