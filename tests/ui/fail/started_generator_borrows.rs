//~ words: "does not live long enough"
use coro_core::prelude::*;

async_fn! {
    fn letters(text: &str) yields char {
        for letter in text.chars() { yield!(letter); }
    }
}

fn first() -> Option<Result<char>> {
    let text = String::from("egg");
    letters(&text).next() //~ here
}

fn main() {}
