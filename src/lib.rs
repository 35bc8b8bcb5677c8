//! The root package holds the examples, the integration tests and, as doctests, the README and the book.

/// Every page as the documentation of a module of its own, so that a doctest that fails is named after its page.
#[cfg(doctest)]
mod pages {
    macro_rules! pages {
        ($($name:ident: $file:literal),+ $(,)?) => {$(#[doc = include_str!($file)] mod $name {})+};
    }

    pages! {
        readme: "../README.md",
        architecture: "../ARCHITECTURE.md",
        introduction: "../book/src/introduction.md",
        concurrency: "../book/src/concurrency.md",
        hello: "../book/src/hello.md",
        tasks: "../book/src/tasks.md",
        gather: "../book/src/gather.md",
        egg_boiler: "../book/src/egg-boiler.md",
        event_loop: "../book/src/event-loop.md",
        futures: "../book/src/futures.md",
        cancellation: "../book/src/cancellation.md",
        groups: "../book/src/groups.md",
        locks: "../book/src/locks.md",
        generators: "../book/src/generators.md",
        async_generators: "../book/src/async-generators.md",
        context_managers: "../book/src/context-managers.md",
        awaitables: "../book/src/awaitables.md",
        context: "../book/src/context.md",
        runner: "../book/src/runner.md",
        files: "../book/src/files.md",
        scraper: "../book/src/scraper.md",
        sockets: "../book/src/sockets.md",
        streams: "../book/src/streams.md",
        processes: "../book/src/processes.md",
        threads: "../book/src/threads.md",
        pitfalls: "../book/src/pitfalls.md",
        performance: "../book/src/performance.md",
        api: "../book/src/api.md",
        differences: "../book/src/differences.md",
        testing: "../book/src/testing.md",
        debugging: "../book/src/debugging.md",
        inside: "../book/src/inside.md",
        migrating: "../book/src/migrating.md",
        glossary: "../book/src/glossary.md",
    }
}

/// The first names in the second column of the book's table of asyncio's names are exported by coro-core.
#[cfg(test)]
#[test]
fn names_in_the_table_of_the_book_exist() {
    let exports = include_str!("../coro-core/src/lib.rs").lines();
    let exports: Vec<&str> = exports.filter(|line| !line.trim_start().starts_with("//")).collect();
    let exports = exports.join("\n");
    let words: Vec<&str> = exports.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let rows = include_str!("../book/src/api.md").lines().filter(|line| line.starts_with("| `"));
    let mut checked = 0;
    for ours in rows.filter_map(|row| row.split('|').nth(2)) {
        for name in ours.split('`').skip(1).step_by(2) {
            let first = name.split("::").next().unwrap_or_default();
            assert!(words.contains(&first), "coro_core exports no `{first}`, which the book names");
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} names were found in the table");
}

/// The programs of README and book print what the pages say. `build.rs` collects them.
#[cfg(test)]
mod outputs {
    use std::fmt::Write;
    use std::process::{Command, ExitCode};

    #[allow(warnings, clippy::all, clippy::pedantic)] // written to be read in the book, one program at a time
    mod programs {
        include!(concat!(env!("OUT_DIR"), "/programs.rs"));
    }

    type Program = (&'static str, fn() -> ExitCode, &'static str);

    const PROGRAMS: &[Program] = include!(concat!(env!("OUT_DIR"), "/table.rs"));
    const CHOICE: &str = "CORO_PROGRAM";
    const BEGIN: &str = "\n-- the program begins --\n";
    const END: &str = "-- the program has ended --";

    /// Not a test of its own: what the children of the next one run.
    #[test]
    fn child() {
        let Ok(choice) = std::env::var(CHOICE) else { return };
        let Some((_, run, _)) = PROGRAMS.iter().find(|(name, ..)| *name == choice) else {
            panic!("no {choice}")
        };
        print!("{BEGIN}");
        run();
        println!("{END}");
    }

    #[test]
    fn programs_print_what_the_pages_say() {
        let me = std::env::current_exe().expect("a running program has a file");
        let mut wrong = String::new();
        for (name, _, expected) in PROGRAMS {
            let mut child = Command::new(&me);
            let output = child.args(["--exact", "outputs::child", "--nocapture"]).env(CHOICE, name).output();
            let output = output.expect("the test program can be started");
            let text = String::from_utf8_lossy(&output.stdout);
            let printed = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
            let Some((printed, _)) = printed else {
                panic!("{name} did not end well:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
            };
            if without_places(printed.trim_end()) != without_places(expected) {
                let _ = write!(wrong, "\n{name} should print\n{expected}\nand prints\n{printed}\n");
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    /// Source files and lines differ here from those that a reader has.
    fn without_places(text: &str) -> String {
        let line = |line: &str| {
            let mut kept = String::new();
            let mut rest = line;
            while let Some((before, place)) = rest.split_once(" at ") {
                let end =
                    place.find(|c: char| c.is_whitespace() || ">,)]".contains(c)).unwrap_or(place.len());
                let is_place = place[..end].contains(".rs:");
                kept.push_str(before);
                kept.push_str(if is_place { " at FILE:LINE" } else { " at " });
                rest = if is_place { &place[end..] } else { place };
            }
            kept + rest
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }
}
