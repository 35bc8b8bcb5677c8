//! Small random programs (tasks, locks, queues, limits, cancellations, groups), each compared line by line with what
//! CPython 3.13 printed for it.
//!
//! `corpus.jsonl` holds recorded programs, one a line: the seed, the program, its trace. New ones are made, run on
//! both sides and compared by `scripts/differential/run.py`, which runs this test with `CORO_DIFFERENTIAL_IN` (a file
//! of programs) and `CORO_DIFFERENTIAL_OUT` (where their traces go).

mod interpret;

use std::fs;

use serde_json::{Value, json};

/// Nobody needs the reports of the library here.
fn quietly<T>(f: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), f)
}

fn trace_of(program: &Value) -> Vec<String> {
    interpret::run(program).unwrap_or_else(|error| vec![format!("the loop failed: {error}")])
}

#[test]
fn programs_of_the_corpus_print_what_cpython_printed() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("corpus.jsonl").lines() {
        let entry: Value = serde_json::from_str(line).expect("an entry of the corpus is JSON");
        let texts = entry["trace"].as_array().expect("a trace").iter();
        let recorded: Vec<String> = texts.map(|line| line.as_str().expect("a line").to_owned()).collect();
        let printed = quietly(|| trace_of(&entry["program"]));
        if let Some(index) = interpret::difference(&recorded, &printed) {
            let (recorded, printed) = (recorded.get(index), printed.get(index));
            wrong.push(format!(
                "seed {}, line {index}: CPython {recorded:?}, here {printed:?}",
                entry["seed"]
            ));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count} programs disagree:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 300, "only {count} programs");
}

/// Runs the programs of a file, for the script; does nothing without one.
#[test]
fn programs_of_a_file() {
    let (Ok(input), Ok(output)) =
        (std::env::var("CORO_DIFFERENTIAL_IN"), std::env::var("CORO_DIFFERENTIAL_OUT"))
    else {
        return;
    };
    let programs = fs::read_to_string(input).expect("the programs can be read");
    let mut traces = String::new();
    for line in programs.lines() {
        let program: Value = serde_json::from_str(line).expect("a program is JSON");
        traces += &json!(quietly(|| trace_of(&program))).to_string();
        traces.push('\n');
    }
    fs::write(output, traces).expect("the traces can be written");
}
