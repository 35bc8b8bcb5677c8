//! Every example runs as a test, and prints what its header says. Those that wait do so under the virtual clock,
//! but for the one whose threads wait too.
//!
//! An example is included here as a module, from a copy without the `//!` lines that `build.rs` makes. It runs in
//! a child process, this very test program, so that all it prints can be compared. The one about Ctrl-C needs the
//! main thread of a program: `tests/interrupt.rs` runs it.
#![allow(clippy::duplicate_mod)] // each example has its own support

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Termination};

use coro_core::{Awaitable, Result, RunBuilder};

/// Tells a child which example to run.
const CHOICE: &str = "CORO_EXAMPLE";
const BEGIN: &str = "\n-- the example begins --\n";
const END: &str = "-- the example has ended --\n";

/// The picture in the book is the output of an example.
const TIMELINE: &str = include_str!("../book/src/images/timeline.svg");

/// For each example its name, its file and how to run it; and what those print whose headers do not say so.
macro_rules! examples {
    ($($name:ident in $file:literal: $run:expr $(, prints $stdout:tt $($stderr:literal)?)?;)*) => {
        $(
            #[allow(dead_code)] // `main`, where it is run without it
            mod $name {
                include!(concat!(env!("OUT_DIR"), "/", $file));

                pub(super) fn run() -> impl std::process::Termination {
                    $run
                }
            }

            #[test]
            fn $name() {
                let said: &[&str] = &[$($stdout, $($stderr)?)?];
                check(stringify!($name), $file, said);
            }
        )*

        const FILES: &[&str] = &[$($file),*];

        /// The other half of the tests: runs one example, in a child process.
        #[test]
        #[ignore = "run by the other tests"]
        fn child() -> std::process::ExitCode {
            let choice = std::env::var(CHOICE).unwrap_or_default();
            print!("{BEGIN}");
            let code = match choice.as_str() {
                $(stringify!($name) => $name::run().report(),)*
                _ => std::process::ExitCode::SUCCESS, // somebody runs all ignored tests
            };
            print!("{END}");
            code
        }
    };
}

examples! {
    api_statistics in "examples/api_statistics.rs": super::virtually(program());
    async_generator in "examples/async_generator.rs": super::virtually(program());
    callbacks in "examples/callbacks.rs": super::virtually(program());
    chat_server in "examples/chat_server.rs": super::virtually(program());
    coffee_and_pastry in "examples/coffee_and_pastry.rs": {
        order_blocking();
        // In place of the time that was measured, which a busy machine prolongs.
        println!("blocking: {:.1} seconds", (COFFEE + PASTRY).as_secs_f64());
        super::virtually(order_concurrent())
    };
    comprehension in "examples/comprehension.rs": super::virtually(program());
    context_manager in "examples/context_manager.rs": super::virtually(program());
    custom_awaitable in "examples/custom_awaitable.rs": super::virtually(program());
    echo_server in "examples/echo_server.rs": super::virtually(demonstration());
    egg_boiler in "examples/egg_boiler.rs": super::virtually(kitchen());
    event in "examples/event.rs": super::virtually(program());
    fetch_data in "examples/fetch_data.rs": super::virtually(program());
    future_states in "examples/future_states.rs": super::virtually(program());
    gather in "examples/gather.rs": super::virtually(program());
    graceful_shutdown in "examples/graceful_shutdown.rs": super::virtually(program());
    hello_world in "examples/hello_world.rs": super::virtually(program());
    http_fetch in "examples/http_fetch.rs": super::virtually(program());
    http_server in "examples/http_server.rs": super::virtually(program());
    lock in "examples/lock.rs": super::virtually(program());
    read_file in "examples/read_file.rs": main();
    runner in "examples/runner.rs": main();
    semaphore in "examples/semaphore.rs": super::virtually(program());
    send_and_throw in "examples/send_and_throw.rs": main();
    stackful in "examples/stackful.rs": super::virtually(program());
    stopwatch in "examples/stopwatch.rs": super::virtually(program());
    subprocess_pool in "examples/subprocess_pool.rs": super::virtually(program());
    task_group in "examples/task_group.rs": super::virtually(program());
    tcp_proxy in "examples/tcp_proxy.rs": super::virtually(program());
    threads in "examples/threads.rs": main();
    timeline in "examples/timeline.rs": main(), prints TIMELINE;
    timeouts in "examples/timeouts.rs": super::virtually(program());
    web_scraper in "examples/web_scraper.rs": super::virtually(program());

    contract_awaitables in "examples/contract/awaitables.rs": super::virtually(program()), prints
"Custom Awaitable Done
42
42
42
Initial state: false
Result: Task Completed Task Completed
Final state: true, \"invalid state\"
Cancelled: true
<Task finished name='answer' coro=<nested() done, defined at examples/contract/awaitables.rs:17> result=42>
" "examples/contract/awaitables.rs:39: RuntimeWarning: coroutine 'nested' was never awaited
";
    contract_cancellation in "examples/contract/cancellation.rs": super::virtually(program()), prints
"1
2
stopped at 2: cancelled
cancelled: true
too slow
timed out
Setting up connection
sqlite is ready
Shutting down
the first to fail
";
    contract_control_flow in "examples/contract/control_flow.rs": super::virtually(program()), prints
"inner closed
outer closed
inner closed
outer closed
inner closed
outer closed
inner closed
outer closed
inner closed
outer closed
inner closed
outer closed
inner closed after: invalid digit found in string
outer closed after: invalid digit found in string
inner closed after: forgivable
outer closed
inner closed after: forgivable
outer closed
inner closed after: forgivable
outer closed
inner closed
outer closed
inner closed
outer closed
inner closed
outer closed
";
    contract_generators in "examples/contract/generators.rs": main(), prints
"generators work with no event loop at all
";
    contract_no_colour in "examples/contract/no_colour.rs": main(), prints
"[\"data 0\", \"data 1\", \"data 2\"]
{0: \"data 0\", 1: \"data 1\", 2: \"data 2\"}
[1, 2, 3]
db closed
";
    contract_outside in "examples/contract/outside.rs": main(), prints
"100 answers, the last: echo hello 99
500000500000 7
echo via streams

" "127.0.0.1:PORT: cancelled
";
}

fn virtually<A: Awaitable>(main: A) -> Result<A::Output> {
    RunBuilder::new().virtual_clock().run(main)
}

/// Runs the example in a child, and compares what it prints with what it is said to print.
fn check(name: &str, file: &str, said: &[&str]) {
    let this = std::env::current_exe().expect("a running program has a file");
    let output = Command::new(this)
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(CHOICE, name)
        .output()
        .expect("this very program can be run");
    let copies = format!("{}/examples/", env!("OUT_DIR"));
    let [stdout, stderr] = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).expect("examples print UTF-8").replace(&copies, "examples/"));
    let printed =
        stdout.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(printed, _)| printed);
    let expected = said.first().map_or_else(|| header_of(file), |&stdout| stdout.to_owned());
    assert_eq!(printed, Some(&*expected), "what {file} prints, and what it is said to print; {stderr}");
    assert_eq!(without_ports(&stderr), said.get(1).copied().unwrap_or_default(), "{file} reports something");
    assert!(output.status.success(), "{file} failed: {}", output.status);
}

/// The numbers of ports are the system's choice.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "127.0.0.1:PORT" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
    })
}

/// The output that the header of an example shows.
fn header_of(file: &str) -> String {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it was compiled");
    let lines: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let name = Path::new(file).file_stem().and_then(|stem| stem.to_str()).expect("a file has a name");
    let command = format!(" cargo run --example {name}");
    assert!(lines.contains(&&*command), "the header of {file} says{command}");
    let output =
        lines.iter().skip_while(|line| **line != " ```text").skip(1).take_while(|line| **line != " ```");
    output.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

#[test]
fn every_example_is_tested_and_in_the_index() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = std::fs::read_to_string(root.join("examples/README.md")).expect("the examples have an index");
    let mut missing = BTreeSet::new();
    for folder in ["examples", "examples/contract"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("there are examples") {
            let name = entry.expect("it was listed").file_name().into_string().expect("a plain name");
            let file = format!("{folder}/{name}");
            if name.ends_with(".rs") && name != "keyboard_interrupt.rs" && !FILES.contains(&&*file) {
                missing.insert(format!("{file} is not tested"));
            }
            let link = file.strip_prefix("examples/").unwrap_or(&file);
            if name.ends_with(".rs") && !index.contains(&format!("]({link})")) {
                missing.insert(format!("{file} is not in the index"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
