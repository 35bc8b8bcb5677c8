//! Collects the programs of README and book that stand before their output, so that `src/lib.rs` can run them and
//! compare.
//!
//! A program is a fence that begins with `rust`; its output is a fence `text` right after it. Lines that begin with
//! `# ` are hidden in the book, as rustdoc does it, and belong to the program. Tests that a page shows become tests.
//!
//! It also makes the copies of the examples that `tests/examples.rs` includes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=README.md");
    println!("cargo::rerun-if-changed=book/src");
    let mut pages: Vec<PathBuf> = vec!["README.md".into()];
    pages.extend(std::fs::read_dir("book/src").into_iter().flatten().flatten().map(|entry| entry.path()));
    pages.sort();
    let (mut modules, mut table) = (String::new(), String::new());
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(page).expect("a page that was just listed can be read");
        for program in programs(&text) {
            let name = format!("{}:{}", page.display(), program.line);
            let module = format!("{}_{}", identifier(page), program.line);
            if program.code.contains(TEST) {
                let _ = writeln!(modules, "mod {module} {{\n{}\n}}", program.code);
                continue;
            }
            assert!(
                program.code.contains("fn main()"),
                "{name}: what has an output is a whole program with a main"
            );
            let _ = write!(
                modules,
                "pub(crate) mod {module} {{\n{}\n\
                 pub(crate) fn run() -> std::process::ExitCode {{ std::process::Termination::report(main()) }}\n}}\n",
                program.code
            );
            let _ = writeln!(table, "({name:?}, programs::{module}::run, {:?}),", program.output);
        }
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("programs.rs"), modules).expect("OUT_DIR can be written");
    std::fs::write(out.join("table.rs"), format!("&[\n{table}]")).expect("OUT_DIR can be written");
    copy_examples(&out);
}

/// Copies the examples for `tests/examples.rs`, which includes them: an included file cannot begin with `//!`.
fn copy_examples(out: &Path) {
    println!("cargo::rerun-if-changed=examples");
    for folder in ["examples", "examples/contract", "examples/support"] {
        std::fs::create_dir_all(out.join(folder)).expect("OUT_DIR can be written");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.path();
            if file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a file that was just listed can be read");
            let lines = text.lines().map(|line| if line.starts_with("//!") { "" } else { line });
            let copied = lines.collect::<Vec<_>>().join("\n");
            std::fs::write(out.join(&file), copied).expect("OUT_DIR can be written");
        }
    }
}

/// By this a listing is known to hold a test.
const TEST: &str = "#[coro_core::test";

/// A program of a page, with what the page says it prints.
struct Program {
    line: usize,
    code: String,
    output: String,
}

/// The fenced blocks of `text`: where each begins, what follows the backticks, and what is in it.
fn fences(text: &str) -> Vec<(usize, usize, &str, Vec<&str>)> {
    let mut fences = Vec::new();
    let mut open: Option<(usize, &str, Vec<&str>)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((number + 1, info, Vec::new())),
            (Some(_), Some(_)) => {
                fences.extend(open.take().map(|(at, info, body)| (at, number + 1, info, body)))
            }
            (Some((_, _, body)), None) => body.push(line),
            (None, None) => {}
        }
    }
    fences
}

fn programs(text: &str) -> Vec<Program> {
    let fences = fences(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut programs = Vec::new();
    for (index, (line, end, info, body)) in fences.iter().enumerate() {
        let output = fences.get(index + 1).filter(|(next, _, info, _)| {
            let between = &lines[*end..next - 1];
            *info == "text" && between.iter().all(|line| line.is_empty())
        });
        let code = unhide(body);
        if *info == "rust" && (output.is_some() || code.contains(TEST)) {
            let output = output.map(|(.., body)| body.join("\n")).unwrap_or_default();
            programs.push(Program { line: *line, code, output });
        }
    }
    programs
}

fn unhide(lines: &[&str]) -> String {
    let shown = lines.iter().map(|line| match line.strip_prefix('#') {
        Some("") => "",
        Some(rest) if rest.starts_with(' ') => &rest[1..],
        Some(rest) if rest.starts_with('#') => rest,
        _ => line,
    });
    shown.collect::<Vec<_>>().join("\n")
}

fn identifier(page: &Path) -> String {
    let stem = page.file_stem().unwrap_or_default().to_string_lossy();
    format!("p_{}", stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase())
}
