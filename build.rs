//! Collects the programs of README and book that stand before their output, so that `src/lib.rs` can run them and
//! compare.
//!
//! A program is a fence that begins with `rust`; its output is a fence `text` right after it. Lines that begin with
//! `# ` are hidden in the book, as rustdoc does it, and belong to the program. Tests that a page shows become tests.
//!
//! It also makes the copies of the examples that `tests/examples.rs` includes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

#[path = "tests/common/pages.rs"]
mod pages;

fn main() {
    println!("cargo::rerun-if-changed=README.md");
    println!("cargo::rerun-if-changed=book/src");
    let pages = ["README.md".to_owned()].into_iter().chain(pages::chapters(Path::new("")));
    let (mut modules, mut table) = (String::new(), String::new());
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page that was just listed can be read");
        for program in programs(&text) {
            let name = format!("{page}:{}", program.line);
            let module = format!("{}_{}", identifier(Path::new(&page)), program.line);
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

fn programs(page: &str) -> Vec<Program> {
    let fences = pages::fences(page);
    let mut programs = Vec::new();
    for (index, fence) in fences.iter().enumerate().filter(|(_, fence)| fence.info == "rust") {
        let output = pages::adjacent(page, &fences, index + 1).next().filter(|next| next.info == "text");
        let code = fence.code();
        if output.is_some() || code.contains(TEST) {
            let output = output.map(pages::Fence::text).unwrap_or_default();
            programs.push(Program { line: fence.line, code, output });
        }
    }
    programs
}

fn identifier(page: &Path) -> String {
    let stem = page.file_stem().unwrap_or_default().to_string_lossy();
    format!("p_{}", stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase())
}
