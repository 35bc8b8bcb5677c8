//! Parity with asyncio where Ctrl-C is concerned: only the main thread of a process is interrupted as Python's is, and
//! a test of libtest runs on another one. So this test brings its own `main`.

#[allow(dead_code, unused_imports, unused_macros, reason = "the other scenarios use the rest")]
#[path = "parity/harness.rs"]
mod harness;
#[path = "parity/s245_sigint_cleans_others.rs"]
mod s245_sigint_cleans_others;
#[path = "parity/s311_sigint_handler_replaces.rs"]
mod s311_sigint_handler_replaces;
#[path = "parity/s66_keyboard_interrupt.rs"]
mod s66_keyboard_interrupt;

use std::process::ExitCode;

type Scenario = fn() -> coro_core::Result<()>;

/// Name, recorded trace and scenario.
macro_rules! scenarios {
    ($($name:ident)*) => {
        [$((stringify!($name), include_str!(concat!("parity/", stringify!($name), ".trace")), $name::scenario as Scenario)),*]
    };
}

#[allow(unsafe_code)]
fn main() -> ExitCode {
    // Who is started in the background by a shell ignores SIGINT, and `run` would leave it so.
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    let scenarios =
        scenarios! { s245_sigint_cleans_others s311_sigint_handler_replaces s66_keyboard_interrupt };
    println!("\nrunning {} tests", scenarios.len());
    let mut failed = 0;
    for (name, recorded, scenario) in scenarios {
        match harness::compare(name, recorded, &harness::lines_of(scenario)) {
            Ok(()) => println!("test {name} ... ok"),
            Err(report) => {
                println!("test {name} ... FAILED\n\n{report}");
                failed += 1;
            }
        }
    }
    let (result, passed) = (if failed == 0 { "ok" } else { "FAILED" }, scenarios.len() - failed);
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
