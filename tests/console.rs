//! The fences `console` of the pages: what programs print to standard error, and commands.
//!
//! `src/lib.rs` compares what goes to standard output, inside one program for all pages. Reports name files, and the
//! crate of the task that is shown; so here the crate is made that the introduction tells the reader to make, and each
//! program that has a report, or prints places in `src/main.rs`, is built and run in it. Both streams are compared
//! line by line. Not compared are addresses, seconds that were measured, and the lines of the library's own files,
//! which every edit of them moves. A `…` on a page stands for anything.
//!
//! A fence that begins with `$ ` is a session. The one with gdb is played where `CORO_GDB=1` asks for it. The other
//! fences are commands, each of which must be known here.
#![cfg(unix)] // elsewhere paths are spelled in another way

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "common/pages.rs"]
mod pages;
#[path = "common/scratch.rs"]
mod scratch;

use pages::{Fence, adjacent, fences};
use scratch::{cargo, root, write_changed};

const INTRODUCTION: &str = "book/src/introduction.md";

/// What is not run by `cargo test` alone: the page, the first line, and why.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "book/src/debugging.md",
        "$ gdb -p $(pgrep -x kitchen)",
        "needs gdb, and full debug information: `a_session_with_gdb_is_as_on_the_page`, which scripts/check asks for",
    ),
    ("CONTRIBUTING.md", "scripts/check", "runs this test"),
    ("benches/peers/README.md", "scripts/peers", "takes 40 minutes; that the script is there is checked"),
    ("ecosystem/README.md", "scripts/ecosystem", "compiles much; that the script is there is checked"),
];

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("the page is there")
}

/// A program of a page, with what the page says of its streams.
struct Program {
    place: String,
    code: String,
    stdout: String,
    stderr: String,
    /// The lines of its fences `console`.
    claimed: Vec<usize>,
}

/// The programs of a page that have a report, or say where in their file something is.
fn programs(name: &str, text: &str) -> Vec<Program> {
    let fences = fences(text);
    let mut programs = Vec::new();
    for (index, fence) in fences.iter().enumerate() {
        if !["rust", "rust,no_run"].contains(&fence.info) {
            continue;
        }
        let shown: Vec<&Fence> = adjacent(text, &fences, index + 1)
            .take_while(|next| next.info == "text" || next.info == "console" && !is_session(next))
            .collect();
        let of = |info| shown.iter().filter(move |fence| fence.info == info);
        let joined = |info| of(info).map(|fence| fence.text()).collect::<Vec<_>>().join("\n");
        let (stdout, stderr) = (joined("text"), joined("console"));
        if !stderr.is_empty() || stdout.contains("src/main.rs:") {
            programs.push(Program {
                place: format!("{name}:{}", fence.line),
                code: fence.code(),
                stdout,
                stderr,
                claimed: of("console").map(|fence| fence.line).collect(),
            });
        }
    }
    programs
}

fn is_session(fence: &Fence) -> bool {
    fence.body.first().is_some_and(|line| line.starts_with("$ "))
}

/// The crate of a reader. Each test has one of its own name, since they run at the same time.
struct Crate {
    name: &'static str,
    folder: PathBuf,
    full_debug_information: bool,
}

impl Crate {
    /// Does what the introduction says, but for the name.
    fn new(name: &'static str) -> Self {
        let text = page(INTRODUCTION);
        let fences = fences(&text);
        let at = fences.iter().position(|fence| fence.info == "console").expect("it has commands");
        let toml = fences[at..].iter().find(|fence| fence.info == "toml").expect("it names the dependency");
        assert_eq!(fences[at].body, ["cargo new breakfast", "cd breakfast"], "the commands that follow here");

        // In a folder that is in no workspace and no repository, since cargo adds to what it finds above.
        let elsewhere = tempfile::tempdir().expect("there is a place for temporary files");
        let made = cargo(elsewhere.path()).args(["new", name]).output().expect("cargo runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let manifest =
            fs::read_to_string(elsewhere.path().join(name).join("Cargo.toml")).expect("it was made");
        let manifest =
            manifest.trim_end().strip_suffix("[dependencies]").expect("a new crate depends on nothing");
        let checkout = root().to_str().expect("a path that can be written into a manifest");
        let dependencies = toml.text().replace("../coro/", &format!("{checkout}/"));
        assert!(dependencies.contains(checkout), "the introduction depends on the checkout by a path");

        // Always in the same folder, so that cargo builds it anew in place of another one.
        let folder = scratch::folder("pages").join(name);
        write_changed(&folder.join("Cargo.toml"), &format!("{manifest}{dependencies}\n\n[workspace]\n"));
        scratch::lock(&folder);
        Self { name, folder, full_debug_information: false }
    }

    /// Gives the program that `src/main.rs` becomes.
    fn build(&self, code: &str) -> PathBuf {
        write_changed(&self.folder.join("src/main.rs"), code);
        let mut cargo = cargo(&self.folder);
        if self.full_debug_information {
            cargo.env("CARGO_PROFILE_DEV_DEBUG", "true");
        }
        let output = cargo.args(["build", "--offline"]).output().expect("cargo runs");
        assert!(output.status.success(), "{}\n{code}", String::from_utf8_lossy(&output.stderr));
        scratch::target().join("debug").join(self.name)
    }

    /// What a program prints.
    fn run(&self, code: &str) -> [String; 2] {
        let mut program = Command::new(self.build(code));
        program.env_remove("RUST_BACKTRACE").env_remove("CORO_TEST_SEED").current_dir(&self.folder);
        let output = program.output().expect("it was built");
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("programs print UTF-8"))
    }
}

/// Without what is not compared; see the head of this file.
fn comparable(text: &str) -> String {
    let text = text.replace(&format!("{}/", root().display()), "");
    let text = after_each(&text, "0x", |rest| without(rest, |c| c.is_ascii_hexdigit()));
    let text = after_each(&text, " took ", |rest| without(rest, |c| c.is_ascii_digit() || c == '.'));
    // `coro-core/src/event_loop/mod.rs:473` and its like.
    after_each(&text, "coro-core/src/", |rest| match rest.split_once(".rs:") {
        Some((file, line)) => format!("{file}.rs:{}", without(line, |c| c.is_ascii_digit())),
        None => rest.to_owned(),
    })
}

/// Changes what stands behind each `mark`, up to the next one.
fn after_each(text: &str, mark: &str, change: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + mark + &change(part))
}

/// `…` in place of the characters that it begins with.
fn without(text: &str, left_out: impl Fn(char) -> bool) -> String {
    format!("…{}", text.trim_start_matches(left_out))
}

/// Whether each line is as the page says, where `…` stands for anything.
fn agree(page: &str, printed: &str) -> bool {
    let (page, printed) = (comparable(page), comparable(printed));
    let (page, printed): (Vec<&str>, Vec<&str>) = (page.lines().collect(), printed.lines().collect());
    page.len() == printed.len() && page.iter().zip(&printed).all(|(page, line)| line_agrees(page, line))
}

fn line_agrees(page: &str, line: &str) -> bool {
    let Some((first, rest)) = page.split_once('…') else { return page == line };
    let Some(mut line) = line.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('…').unwrap_or(("", rest));
    for part in between.split('…') {
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    line.ends_with(last)
}

#[test]
fn programs_report_what_the_pages_say() {
    let mut wrong = String::new();
    let reader = Crate::new("reader");
    let programs = pages::all(root()).into_iter().flat_map(|(name, text)| programs(&name, &text));
    let mut run = 0;
    for program in programs {
        let printed = reader.run(&program.code);
        run += 1;
        let streams = [("output", &program.stdout), ("errors", &program.stderr)];
        for ((stream, said), printed) in streams.into_iter().zip(&printed) {
            if !agree(said, printed) {
                let place = &program.place;
                let _ = write!(
                    wrong,
                    "\n{place}, standard {stream}: the page says\n{said}\nand it is\n{printed}\n"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(run >= 6, "only {run} programs were found");
}

/// The first program of the book, in the crate that the introduction tells the reader to make.
#[test]
fn the_first_program_runs_where_the_introduction_says() {
    let text = page("book/src/hello.md");
    let fences = fences(&text);
    let hello = fences.iter().position(|fence| fence.info == "rust").expect("it has a program");
    let printed = Crate::new("breakfast").run(&fences[hello].code());
    assert_eq!(fences[hello + 1].info, "text");
    assert_eq!(printed, [format!("{}\n", fences[hello + 1].text()), String::new()]);
}

#[test]
fn every_console_fence_is_proved_or_is_said_not_to_be() {
    let (mut unknown, mut used) = (Vec::new(), BTreeSet::new());
    for (name, text) in pages::all(root()) {
        let claimed: Vec<usize> =
            programs(&name, &text).into_iter().flat_map(|program| program.claimed).collect();
        let fences = fences(&text);
        let consoles: Vec<&Fence> = fences.iter().filter(|fence| fence.info == "console").collect();
        let marks = text.lines().filter(|line| line.contains("```console")).count();
        assert_eq!(marks, consoles.len(), "a fence of {name} does not begin its line");
        for fence in consoles.into_iter().filter(|fence| !claimed.contains(&fence.line)) {
            for line in &fence.body {
                let elsewhere = ELSEWHERE.iter().position(|(page, first, _)| *page == name && first == line);
                used.extend(elsewhere);
                if elsewhere.is_some() && is_session(fence) {
                    break;
                }
                if elsewhere.is_none() && !is_known(&name, line) {
                    unknown.push(format!("{name}:{}: {line}", fence.line));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "neither run nor listed:\n{}", unknown.join("\n"));
    assert_eq!(used.len(), ELSEWHERE.len(), "an exception is not used: {used:?}");
    for (_, line, _) in ELSEWHERE.iter().filter(|(_, line, _)| line.starts_with("scripts/")) {
        assert!(root().join(line).exists(), "there is no {line}");
    }
}

/// A command that is proved: why.
fn is_known(page: &str, command: &str) -> bool {
    // Every example is run there, and compared with what its header says.
    let examples = include_str!("examples.rs");
    let is_example = |name| examples.contains(&format!(" in \"examples/{name}.rs\": "));
    command == "cargo test --workspace" // which runs this
        || page == INTRODUCTION && ["cargo new breakfast", "cd breakfast"].contains(&command) // `Crate::new`
        || command.strip_prefix("cargo run --example ").is_some_and(is_example)
}

#[test]
fn a_session_with_gdb_is_as_on_the_page() {
    if env::var_os("CORO_GDB").is_none() {
        println!("not compared: CORO_GDB is not set");
        return;
    }
    let text = page("book/src/debugging.md");
    let fences = fences(&text);
    let at = fences.iter().position(is_session).expect("it has a session");
    let session = &fences[at].body;
    let mut kitchen = Crate::new("kitchen");
    kitchen.full_debug_information = true;
    let program = kitchen.build(&fences[at - 1].code());

    let mut arguments = vec!["-batch".to_owned(), "-nx".to_owned()];
    let commands = session.iter().filter_map(|line| line.strip_prefix("(gdb) "));
    for command in commands.clone() {
        arguments.extend([
            "-ex".to_owned(),
            format!("echo (gdb) {command}\\n"),
            "-ex".to_owned(),
            command.into(),
        ]);
    }
    assert!(commands.count() > 3, "the page has commands");
    let mut process = Command::new(program).stdin(Stdio::null()).spawn().expect("it was built");
    let said = session[1..].join("\n");
    let (mut printed, mut errors);
    // It has to come to its sleep first.
    let began = Instant::now();
    loop {
        let gdb = Command::new("gdb")
            .current_dir(root())
            .args(["-p", &process.id().to_string()])
            .args(&arguments)
            .output()
            .expect("CORO_GDB says that gdb is installed");
        let all = String::from_utf8_lossy(&gdb.stdout).into_owned();
        printed = match all.find("(gdb) ") {
            Some(start) => all[start..].split("[Inferior ").next().unwrap_or_default().trim_end().to_owned(),
            None => all,
        };
        errors = String::from_utf8_lossy(&gdb.stderr).into_owned();
        if agree(&said, &printed) || began.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    process.kill().and_then(|()| process.wait()).expect("it sleeps for an hour");
    assert!(agree(&said, &printed), "the page says\n{said}\nand it is\n{printed}\ngdb's errors:\n{errors}");
}

/// The session above is only compared where gdb is; what the script knows of the library can be seen everywhere.
#[test]
fn the_script_for_gdb_names_what_there_is() {
    let mut found = 0;
    for rest in page("scripts/gdb_tasks.py").split("coro_core::").skip(1) {
        let path = rest.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)).next().unwrap_or_default();
        let names: Vec<&str> = path.split("::").collect();
        let Some(at) = names.iter().position(|name| name.starts_with(|c: char| c.is_uppercase())) else {
            continue;
        };
        let (file, item) = (format!("coro-core/src/{}.rs", names[..at].join("/")), names[at]);
        let is_defined =
            ["static", "struct"].iter().any(|kind| page(&file).contains(&format!("{kind} {item}")));
        assert!(is_defined, "scripts/gdb_tasks.py names {path}, and {file} does not define {item}");
        found += 1;
    }
    assert!(found >= 2, "only {found} names were found");
    let script = page("scripts/gdb_tasks.py");
    let fields = script.split("self.control[\"").skip(1).filter_map(|rest| rest.split('"').next());
    for field in fields {
        let is_there = page("coro-core/src/task/control.rs").contains(&format!(" {field}: "));
        assert!(is_there, "scripts/gdb_tasks.py reads a field {field}, which a task's control does not have");
    }
}

#[test]
fn what_is_compared_and_what_is_not() {
    assert!(agree("a 0x7f35 b", "a 0x1 b"));
    assert!(agree("it took 0.030 seconds", "it took 0.031 seconds"));
    let library = format!("at {}/coro-core/src/task/mod.rs:7", root().display());
    assert!(agree("at coro-core/src/task/mod.rs:5", &library));
    assert!(agree("a = {b: …}, … c", "a = {b: 1}, d c"));
    assert!(!agree("at src/main.rs:5", "at src/main.rs:7"));
    assert!(!agree("it took 60 ms", "it took 0.060 seconds"));
    assert!(!agree("a", "a\nb"));
    assert!(!agree("a … c", "a b"));
}
