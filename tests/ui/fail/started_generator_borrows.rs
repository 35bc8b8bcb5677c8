//~ words: "does not live long enough" "one that borrows runs within `lend`"
use coro_core::prelude::*;

async_fn! {
    fn letters(text: &str) yields char {
        for letter in text.chars() { yield!(letter); }
    }
}

fn first() -> Result<coro_core::GeneratorState<char, ()>> {
    let text = String::from("egg");
    letters(&text).start() //~ here
}

fn main() {}
