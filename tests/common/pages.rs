//! The pages and their fences, as `build.rs` and the tests of the pages read them.
#![allow(dead_code)] // nobody uses all of it

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub const BOOK: &str = "book/src";

/// What the pages outside of the book are.
pub const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benches/peers/README.md",
    "ecosystem/README.md",
    "examples/README.md",
];

/// The pages of the book, by their paths from the root, `SUMMARY.md` too.
pub fn chapters(root: &Path) -> BTreeSet<String> {
    fn collect(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(&root.join(BOOK), root, &mut found);
    found
}

/// Every page: its path from the root, and its text.
pub fn all(root: &Path) -> Vec<(String, String)> {
    let names = PAGES.iter().map(|page| (*page).to_owned()).chain(chapters(root));
    let read = |name: String| {
        let text = fs::read_to_string(root.join(&name)).unwrap();
        (name, text)
    };
    names.map(read).collect()
}

/// A fenced block of a page.
pub struct Fence<'a> {
    /// The line of the backticks that open it, counted from one, and of those that close it.
    pub line: usize,
    pub end: usize,
    /// What follows the backticks.
    pub info: &'a str,
    pub body: Vec<&'a str>,
}

impl Fence<'_> {
    pub fn text(&self) -> String {
        self.body.join("\n")
    }

    /// The program, with the lines that the book hides.
    pub fn code(&self) -> String {
        let shown = self.body.iter().map(|line| match line.strip_prefix('#') {
            Some("") => "",
            Some(rest) if rest.starts_with(' ') => &rest[1..],
            Some(rest) if rest.starts_with('#') => rest,
            _ => line,
        });
        shown.collect::<Vec<_>>().join("\n")
    }
}

pub fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut fences = Vec::new();
    let mut open: Option<Fence<'_>> = None;
    for (line, text) in (1..).zip(text.lines()) {
        match (&mut open, text.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Fence { line, end: line, info, body: Vec::new() }),
            (Some(_), Some(_)) => fences.extend(open.take().map(|fence| Fence { end: line, ..fence })),
            (Some(fence), None) => fence.body.push(text),
            (None, None) => {}
        }
    }
    fences
}

/// The fences from `from` on with nothing but empty lines before each.
pub fn adjacent<'a>(page: &str, fences: &'a [Fence<'a>], from: usize) -> impl Iterator<Item = &'a Fence<'a>> {
    let lines: Vec<bool> = page.lines().map(str::is_empty).collect();
    let pairs = fences[from - 1..].windows(2);
    pairs
        .take_while(move |pair| lines[pair[0].end..pair[1].line - 1].iter().all(|empty| *empty))
        .map(|pair| &pair[1])
}
