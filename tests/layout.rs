//! The floors of the code: imports point downwards, `unsafe` stays in the files that are named for it, files stay short;
//! and how wide the pages are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "common/pages.rs"]
mod pages;

/// The floors, from the bottom up. A file uses floors below its own, and its own folder.
const FLOORS: &[&[&str]] = &[
    &["clock", "error", "prefetch", "reactor", "stack", "timer_queue", "unwind"],
    &["report"],
    &["context", "definition"],
    &["events"],
    &["waker"],
    &["fiber"],
    &["generator"],
    &["coroutine"],
    &["future", "io"],
    &["task"],
    &["compat", "event_loop"],
    &["async_iter"],
    &["async_context"],
    &["cancel_scope", "exit_stack", "sync", "task_group", "thread"],
    &["queue"],
    &["combinators"],
    &["call_graph", "in_place", "reflect", "signal"],
    &["dns", "fs", "stdio"],
    &["net"],
    &["transport"],
    &["tls"],
    &["stream"],
    &["process"],
    &["runner"],
    &["channel"],
    &["workers"],
    &["lib", "private"],
];

/// The files that may contain `unsafe`, each because of what it says at its head. (Tests of `stack/` are part of
/// the files that they test.)
const UNSAFE: &[&str] = &[
    "context.rs",
    "coroutine/by_hand.rs",
    "coroutine/object.rs",
    "fiber.rs",
    "generator/core.rs",
    "generator/yielder.rs",
    "prefetch.rs",
    "private.rs",
    "process/running.rs",
    "reactor/epoll.rs",
    "reactor/portable.rs",
    "reactor/socket.rs",
    "reactor/watch.rs",
    "runner.rs",
    "signal/table.rs",
    "stack/fallback.rs",
    "stack/guard.rs",
    "stack/list.rs",
    "stack/overflow.rs",
    "stack/pool.rs",
    "stack/slab.rs",
    "task/borrowed.rs",
    "task/current.rs",
    "task/step.rs",
    "task_group/scope.rs",
];

/// Lines of a file that are not documentation.
const LONGEST: usize = 700;

/// Characters in a line of a page.
const WIDEST: usize = 120;

/// Of those, in a program: what the book shows without scrolling (`book/book.css`).
const WIDEST_PROGRAM: usize = 98;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("coro-core/src")
}

/// Every file of the library: its path below `src`, and its text.
fn files() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(source()).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    collect(&source(), &mut files);
    files.sort();
    files
}

/// The module at the top that a file belongs to: `task` for `task/step.rs`.
fn module(name: &str) -> &str {
    name.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The lines of code, without comments and documentation.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// What a line names below `crate::`: modules, or what `lib.rs` re-exports.
fn uses(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).zip(line.match_indices("crate::")).filter_map(|(rest, (start, _))| {
        let from_a_macro = line[..start].ends_with('$');
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        (!from_a_macro).then(|| &rest[..end])
    })
}

#[test]
fn every_file_has_a_floor() {
    let modules: BTreeSet<String> = files().iter().map(|(name, _)| module(name).to_owned()).collect();
    let known: BTreeSet<String> =
        FLOORS.iter().flat_map(|floor| floor.iter().map(|name| (*name).to_owned())).collect();
    assert_eq!(modules, known);
}

#[test]
fn imports_point_downwards() {
    let mut upwards = Vec::new();
    for (name, text) in files() {
        let own = module(&name);
        for line in code(&text) {
            for used in uses(line).filter(|used| *used != own && own != "lib") {
                // What is not a module is a name at the top, or a list: it hides which floor it comes from.
                if floor(used).is_none_or(|used| used >= floor(own).unwrap()) {
                    upwards.push(format!("{name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

#[test]
fn unsafe_code_stays_in_the_files_that_are_named_for_it() {
    let allows = |text: &str| code(text).any(|line| line.contains("allow(unsafe_code"));
    let with_unsafe: Vec<String> =
        files().into_iter().filter(|(_, text)| allows(text)).map(|(name, _)| name).collect();
    assert_eq!(with_unsafe, UNSAFE);
}

/// The rows of ARCHITECTURE.md between two of its lines.
fn rows(from: &str, to: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = fs::read_to_string(page).unwrap();
    let lines = page.lines().skip_while(|line| *line != from).take_while(|line| *line != to);
    lines.filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_architecture_names_every_file_once() {
    let rows = rows("## The floors", "## One await, all the way");
    let named: Vec<&str> = rows.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")).collect();
    let mut sorted = named.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, files().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
}

#[test]
fn the_architecture_says_why_a_file_has_unsafe_code() {
    let rows = rows("## `unsafe`", "## Checking it");
    let missing =
        UNSAFE.iter().filter(|name| !name.starts_with("stack/") && !rows.contains(&format!("`{name}`")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn files_are_short_enough_to_read() {
    for (name, text) in files() {
        let lines = code(&text).count();
        assert!(lines <= LONGEST, "{name} has {lines} lines besides documentation: split it");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (name, text) in files() {
        assert!(text.starts_with("//!") || name.ends_with("_tests.rs"), "{name} has no head");
    }
}

/// Rows of tables cannot be broken. The book breaks output and reports at its margin, so they are as they are printed.
#[test]
fn pages_are_narrow_enough() {
    let mut wide = Vec::new();
    for (name, text) in pages::all(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let fences = pages::fences(&text);
        for (number, line) in (1..).zip(text.lines()) {
            let fence = fences.iter().find(|fence| fence.line < number && number < fence.end);
            let limit = match fence {
                Some(fence) if fence.info == "text" || fence.info == "console" => continue,
                Some(_) => WIDEST_PROGRAM,
                None if line.starts_with('|') => continue,
                None => WIDEST,
            };
            let width = line.chars().count();
            if width > limit {
                wide.push(format!("{name}:{number} has {width} characters, and {limit} are the limit"));
            }
        }
    }
    assert!(wide.is_empty(), "\n{}", wide.join("\n"));
}
