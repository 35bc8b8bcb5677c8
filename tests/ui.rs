//! What the compiler says about programs that use the macros: `ui/fail` holds misuses, `ui/pass` what must work.
//!
//! All of them are the binaries of one generated project, which cargo builds once. A misuse tells in its head which
//! words its error must have, and marks each line that must have one:
//!
//! ```text
//! //~ words: "write `await!(boil)`"
//! async_fn! {
//!     async fn cook() { await boil(3); } //~ here
//! }
//! ```
//!
//! There must be exactly one error for each marked line (two for `//~ here, twice`), at that line, and none elsewhere.
//! What passes must give no warning either, and is run. The edition is 2024, unless a head says `//~ edition: 2021`.
//!
//! With `CORO_UI_EXACT=1` whole messages are compared too, with `NAME.stderr` next to the misuse. They differ from
//! one rustc to the next, so only the toolchain of `rust-version` does so. `CORO_UI_BLESS=1` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

#[path = "common/scratch.rs"]
mod scratch;

use scratch::{cargo, root, write_changed};

/// A file of `ui/fail` or `ui/pass`.
struct Case {
    /// Also the name of the binary: `fail_await_in_closure`.
    name: String,
    path: PathBuf,
    edition: String,
    words: Vec<String>,
    /// The lines marked `//~ here`, counted from one.
    marked: Vec<u64>,
}

impl Case {
    fn read(kind: &str, path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a file that was just listed can be read");
        let head = |key: &str| text.lines().find_map(|line| line.strip_prefix("//~ ")?.strip_prefix(key));
        let words = head("words: ").unwrap_or_default();
        // A quoted word holds no quote, so every second piece is one.
        let words = words.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let marked = (1..).zip(text.lines()).flat_map(|(at, line)| match line.split_once("//~ here") {
            Some((_, "")) => vec![at],
            Some((_, ", twice")) => vec![at, at],
            _ => vec![],
        });
        Self {
            name: format!("{kind}_{}", path.file_stem().expect("it ends with .rs").to_string_lossy()),
            edition: head("edition: ").unwrap_or("2024").to_owned(),
            words,
            marked: marked.collect(),
            path,
        }
    }

    fn all(kind: &str) -> Vec<Self> {
        let folder = root().join("tests/ui").join(kind);
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .expect("it exists")
            .map(|entry| entry.expect("it can be listed").path())
            .collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
        paths.sort();
        paths.into_iter().map(|path| Self::read(kind, path)).collect()
    }
}

/// What became of one binary.
#[derive(Default)]
struct Outcome {
    messages: Vec<Value>,
    executable: Option<PathBuf>,
}

impl Outcome {
    fn errors(&self) -> impl Iterator<Item = &Value> {
        // The last one, "aborting due to …", is at no place.
        self.messages.iter().filter(|message| message["level"] == "error" && !spans(message).is_empty())
    }

    fn rendered(&self) -> String {
        self.messages.iter().filter_map(|message| message["rendered"].as_str()).collect()
    }
}

fn spans(message: &Value) -> &[Value] {
    message["spans"].as_array().map_or(&[], Vec::as_slice)
}

/// Runs `check` on every case, and fails with all that it finds.
#[track_caller]
fn check_all(cases: &[Case], check: impl Fn(&Case, &Outcome) -> Result<(), String>) {
    let outcomes = build();
    let mut found = String::new();
    for case in cases {
        let nothing = Outcome::default();
        let outcome = outcomes.get(&case.name).unwrap_or(&nothing);
        if let Err(problem) = check(case, outcome) {
            let _ = writeln!(found, "── {}: {problem}\n{}", case.path.display(), outcome.rendered());
        }
    }
    assert!(found.is_empty(), "\n{found}");
    println!("{} programs", cases.len());
}

/// Builds all cases, once for all tests.
fn build() -> &'static BTreeMap<String, Outcome> {
    static OUTCOMES: OnceLock<BTreeMap<String, Outcome>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let project = scratch::folder("ui");
        generate(&project);
        let output = cargo(&project)
            .args(["build", "--workspace", "--offline", "--keep-going", "--message-format=json"])
            .stderr(Stdio::piped())
            .output()
            .expect("cargo runs");
        let log = String::from_utf8_lossy(&output.stderr);
        let mut outcomes = BTreeMap::<String, Outcome>::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(mut message) = serde_json::from_str::<Value>(line) else { continue };
            let target = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            match message["reason"].as_str() {
                Some("compiler-message") => {
                    outcomes.entry(target).or_default().messages.push(message["message"].take());
                }
                Some("compiler-artifact") => {
                    let executable = message["executable"].as_str().map(PathBuf::from);
                    outcomes.entry(target).or_default().executable = executable;
                }
                _ => {}
            }
        }
        assert!(outcomes.contains_key("coro_core"), "coro-core did not compile:\n{log}");
        outcomes
    })
}

/// Writes a workspace with one package for each edition, whose binaries are the cases.
fn generate(project: &Path) {
    let mut packages = BTreeMap::<String, String>::new();
    for case in Case::all("fail").iter().chain(&Case::all("pass")) {
        let manifest = packages.entry(case.edition.clone()).or_insert_with(|| {
            format!(
                "[package]\nname = \"ui-{0}\"\nversion = \"0.0.0\"\nedition = \"{0}\"\n\n\
                 [dependencies]\ncoro-core = {{ path = {1:?} }}\n",
                case.edition,
                root().join("coro-core"),
            )
        });
        let _ = write!(manifest, "\n[[bin]]\nname = {:?}\npath = {:?}\n", case.name, case.path);
    }
    let members: Vec<&String> = packages.keys().collect();
    let workspace = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
    write_changed(&project.join("Cargo.toml"), &workspace);
    for (edition, manifest) in &packages {
        write_changed(&project.join(edition).join("Cargo.toml"), manifest);
    }
    scratch::lock(project);
}

/// There is one error at each marked line, none elsewhere, and together they have the telling words.
fn is_refused(case: &Case, outcome: &Outcome) -> Result<(), String> {
    if case.words.is_empty() || case.marked.is_empty() {
        return Err("it names no telling words, or marks no line".to_owned());
    }
    let mut lines = Vec::new();
    for error in outcome.errors() {
        let mut places = Vec::new();
        for span in spans(error).iter().filter(|span| span["is_primary"] == true) {
            let in_this_file = span["file_name"].as_str().is_some_and(|name| Path::new(name) == case.path);
            if !in_this_file || span["line_start"] != span["line_end"] {
                return Err("an error is not at a place within one line of the program".to_owned());
            }
            places.push(span["line_start"].as_u64().unwrap_or(0));
        }
        places.dedup();
        lines.append(&mut places);
    }
    lines.sort_unstable();
    if lines != case.marked {
        return Err(format!("errors at the lines {lines:?}, expected at {:?}", case.marked));
    }
    let text: String = outcome.errors().filter_map(|error| error["rendered"].as_str()).collect();
    match case.words.iter().find(|words| !text.contains(*words)) {
        Some(words) => Err(format!("no error says {words:?}")),
        None => Ok(()),
    }
}

/// It compiles without a warning, and its `main` ends well.
fn is_accepted(_: &Case, outcome: &Outcome) -> Result<(), String> {
    if !outcome.messages.is_empty() {
        return Err("the compiler has something to say".to_owned());
    }
    let Some(executable) = &outcome.executable else { return Err("it was not built".to_owned()) };
    let output = Command::new(executable).output().map_err(|error| format!("it cannot be run: {error}"))?;
    if output.status.success() && output.stderr.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Whether this toolchain is the one whose messages are recorded.
fn is_pinned_toolchain() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs");
    String::from_utf8_lossy(&version.stdout).starts_with(concat!(
        "rustc ",
        env!("CARGO_PKG_RUST_VERSION"),
        "."
    ))
}

/// A whole message without what differs between machines and with every edit of the library: paths, lines of code that
/// are not the case's own, and the list of the types that would do.
fn normalised(outcome: &Outcome, case: &Case) -> String {
    let file = case.path.file_name().unwrap_or_default().to_string_lossy();
    let rendered = outcome.rendered().replace(&*case.path.to_string_lossy(), &file);
    let mut out = String::new();
    let (mut foreign, mut listing) = (false, false);
    for line in rendered.lines() {
        let gutter = line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        let number = line[..line.len() - gutter.len()].trim();
        let place = gutter.strip_prefix("--> ").or_else(|| gutter.strip_prefix("::: "));
        // The list is what follows in the same note, whether it is of names or of places.
        listing &= line.starts_with(' ') && !gutter.starts_with("= ");
        listing |= gutter.contains("the following other types implement trait");
        if listing {
            continue;
        }
        if let Some(place) = place {
            let path = place.split(':').next().unwrap_or_default();
            foreign = *path != *file;
            let _ = match foreign {
                true => writeln!(out, " {} {}", &gutter[..3], short_path(path)),
                false => writeln!(out, " {gutter}"),
            };
        } else if gutter.starts_with('|') || line.starts_with("...") {
            if !foreign {
                let _ = writeln!(out, "{number:>3} {}", gutter.trim_end());
            }
        } else if gutter.starts_with("= ") {
            let _ = writeln!(out, "    {}", without_numbers(gutter));
        } else {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// A path without what leads to the workspace or to the standard library.
fn short_path(path: &str) -> String {
    let path = Path::new(path);
    match path.strip_prefix(root()) {
        Ok(rest) => rest.display().to_string(),
        Err(_) => {
            let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            let start = parts.iter().rposition(|part| part == "library").unwrap_or(0);
            format!("$RUST/{}", parts[start..].join("/"))
        }
    }
}

/// The name of the file to which rustc writes the full name of a long type has a number in it.
fn without_numbers(line: &str) -> String {
    match line.split_once(".long-type-") {
        Some(_) => "= note: the full name for the type has been written to a file".to_owned(),
        None => line.to_owned(),
    }
}

fn is_exactly(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let path = case.path.with_extension("stderr");
    let says = normalised(outcome, case);
    if env::var_os("CORO_UI_BLESS").is_some() {
        write_changed(&path, &says);
        return Ok(());
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    if recorded == says { Ok(()) } else { Err(format!("it says\n{says}\nbut recorded is\n{recorded}")) }
}

#[test]
fn misuses_are_refused_with_words_that_help() {
    check_all(&Case::all("fail"), is_refused);
}

#[test]
fn what_must_work_compiles_without_a_warning_and_runs() {
    check_all(&Case::all("pass"), is_accepted);
}

#[test]
fn whole_messages_are_as_recorded() {
    if env::var_os("CORO_UI_EXACT").is_none() && env::var_os("CORO_UI_BLESS").is_none() {
        println!("not compared: CORO_UI_EXACT is not set");
        return;
    }
    if !is_pinned_toolchain() {
        println!("not compared: the messages are those of rustc {}", env!("CARGO_PKG_RUST_VERSION"));
        return;
    }
    let cases = Case::all("fail");
    check_all(&cases, is_exactly);
    let known: BTreeSet<PathBuf> = cases.iter().map(|case| case.path.with_extension("stderr")).collect();
    for entry in fs::read_dir(root().join("tests/ui/fail")).expect("it exists") {
        let path = entry.expect("it can be listed").path();
        let belongs = path.extension().is_none_or(|extension| extension != "stderr") || known.contains(&path);
        assert!(belongs, "{} belongs to no misuse", path.display());
    }
}
