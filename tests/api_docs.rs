//! The sections of the API documentation, by rustdoc's JSON: what returns a `Result` has *Errors*, what is awaited has
//! *Errors* and *Cancellation*, and every item has an example.
//!
//! `CORO_RUSTDOC_JSON` is the file; without it there is nothing to check. `scripts/check` makes it, and reads it here: its
//! form is that of the nightly toolchain which `scripts/api` pins. (That an item has documentation at all is seen to by
//! the lint `missing_docs`.)

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What is started when it is made: what its awaits do is said at the type.
const STARTED: &[&str] = &["Coroutine", "EnsuredFuture", "Future", "ScopedTask", "SharedCoroutine", "Task"];

struct Item<'a> {
    path: String,
    value: &'a Value,
    /// A method of a trait, whose example may be that of the trait.
    of: Option<&'a Value>,
}

fn docs(item: &Value) -> &str {
    item["docs"].as_str().unwrap_or_default()
}

/// What kind of item it is, and what is in it.
fn inner(item: &Value) -> (&str, &Value) {
    let (kind, inner) =
        item["inner"].as_object().and_then(|inner| inner.iter().next()).expect("an item is something");
    (kind, inner)
}

/// The last name of the path of a type.
fn type_name(r#type: &Value) -> &str {
    r#type["resolved_path"]["path"].as_str().and_then(|path| path.rsplit("::").next()).unwrap_or_default()
}

struct Crate<'a> {
    index: &'a Map<String, Value>,
    seen: BTreeSet<u64>,
    items: Vec<Item<'a>>,
}

impl<'a> Crate<'a> {
    fn get(&self, id: &Value) -> Option<&'a Value> {
        self.index.get(&id.to_string())
    }

    fn module(&mut self, module: &'a Value, path: &str) {
        for id in inner(module).1["items"].as_array().into_iter().flatten() {
            let Some(mut item) = self.get(id) else { continue };
            let mut name = item["name"].as_str().unwrap_or_default();
            if item["visibility"] != "public" {
                continue;
            }
            if let ("use", exported) = inner(item) {
                let Some(target) = self.get(&exported["id"]) else { continue };
                item = target;
                name = exported["name"].as_str().unwrap_or_default();
            }
            let path = format!("{path}::{name}");
            if inner(item).0 == "module" {
                // What is in the prelude is found where it is.
                if item["visibility"] == "public" && name != "prelude" {
                    self.module(item, &path);
                }
            } else if self.seen.insert(item["id"].as_u64().expect("ids are numbers")) {
                self.item(item, path);
            }
        }
    }

    fn item(&mut self, item: &'a Value, path: String) {
        let (kind, content) = inner(item);
        let ids = |list: &'a Value| list.as_array().into_iter().flatten();
        if kind == "trait" {
            for method in ids(&content["items"]).filter_map(|id| self.get(id)).collect::<Vec<_>>() {
                let path = format!("{path}::{}", method["name"].as_str().unwrap_or_default());
                if inner(method).0 == "function" {
                    self.items.push(Item { path, value: method, of: Some(item) });
                }
            }
        }
        for block in ids(&content["impls"])
            .filter_map(|id| self.get(id))
            .map(|block| inner(block).1)
            .collect::<Vec<_>>()
        {
            if block["trait"].is_null() {
                for method in ids(&block["items"]).filter_map(|id| self.get(id)).collect::<Vec<_>>() {
                    if method["visibility"] == "public" {
                        let path = format!("{path}::{}", method["name"].as_str().unwrap_or_default());
                        self.items.push(Item { path, value: method, of: None });
                    }
                }
            }
        }
        self.items.push(Item { path, value: item, of: None });
    }
}

#[test]
fn every_item_has_its_sections() {
    let Some(file) = std::env::var_os("CORO_RUSTDOC_JSON") else { return };
    let json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let index =
        json["index"].as_object().expect("the form of rustdoc's JSON is the one of the pinned toolchain");
    let mut all = Crate { index, seen: BTreeSet::new(), items: Vec::new() };
    let root = all.get(&json["root"]).unwrap();
    all.module(root, "coro_core");

    let implementations = index.values().filter(|item| inner(item).0 == "impl").map(|item| inner(item).1);
    let awaitable: BTreeSet<u64> = implementations
        .filter(|block| block["trait"]["path"].as_str().is_some_and(|path| path.ends_with("Awaitable")))
        .filter(|block| !STARTED.contains(&type_name(&block["for"])))
        .filter_map(|block| block["for"]["resolved_path"]["id"].as_u64())
        .collect();

    let mut wrong = Vec::new();
    let (mut results, mut awaited) = (0, 0);
    for Item { path, value, of } in &all.items {
        let text = docs(value);
        if !text.contains("```") && !of.is_some_and(|of| docs(of).contains("```")) {
            wrong.push(format!("{path} has no example"));
        }
        let ("function", function) = inner(value) else { continue };
        let output = &function["sig"]["output"];
        let is_result = type_name(output) == "Result";
        let waits = output["resolved_path"]["id"].as_u64().is_some_and(|id| awaitable.contains(&id));
        results += usize::from(is_result);
        awaited += usize::from(waits);
        if (is_result || waits) && !text.contains("# Errors") {
            wrong.push(format!("{path} has no section Errors"));
        }
        if waits && !text.contains("# Cancellation") {
            wrong.push(format!("{path} has no section Cancellation"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(results > 300 && awaited > 30, "only {results} results and {awaited} awaitables were found");
}
