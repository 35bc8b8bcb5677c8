//! Parity with asyncio where Ctrl-C is concerned: only the main thread of a process is interrupted as Python's is, and
//! a test of libtest runs on another one. So this test brings its own `main`.

#[allow(dead_code, unused_imports, unused_macros, reason = "the other scenarios use the rest")]
#[path = "parity/harness.rs"]
mod harness;
#[path = "parity/s66_keyboard_interrupt.rs"]
mod s66_keyboard_interrupt;

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = "s66_keyboard_interrupt";
    println!("\nrunning 1 test");
    let printed = harness::lines_of(s66_keyboard_interrupt::scenario);
    match harness::compare(name, include_str!("parity/s66_keyboard_interrupt.trace"), &printed) {
        Ok(()) => {
            println!("test {name} ... ok\n");
            println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n");
            ExitCode::SUCCESS
        }
        Err(report) => {
            println!("test {name} ... FAILED\n\n{report}");
            println!("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n");
            ExitCode::from(101)
        }
    }
}
