//! Files without blocking the loop: the names of `std::fs`, and everything that reads a `Read`.
//!
//! ```sh
//! cargo run --example read_file
//! ```
//! ```text
//! the kitchen is open
//! 6 brown eggs
//! 4 white eggs
//! 10 eggs in 16 bytes
//! no_such_file.txt: not found
//! ```
use coro_core::{
    fs::{self, File},
    prelude::*,
};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

/// Plain code of std: it suspends the task wherever the file has to be read.
fn count_eggs(path: &Path) -> std::io::Result<u32> {
    let mut eggs = 0;
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        println!("{line} eggs");
        eggs += line.split(' ').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    }
    Ok(eggs)
}

async_fn! {
    async fn kitchen() {
        println!("the kitchen is open");
    }

    async fn program() {
        let path = std::env::temp_dir().join(format!("coro-read-file-{}.txt", std::process::id()));
        let kitchen = create_task(kitchen()); // runs while a thread makes the file
        let mut file = File::create(&path)?;
        writeln!(file, "6 brown")?;
        writeln!(file, "{} white", 2 + 2)?;
        await!(kitchen);

        let eggs = count_eggs(&path)?;
        println!("{eggs} eggs in {} bytes", fs::metadata(&path)?.len());
        fs::remove_file(&path)?;

        match fs::read_to_string("no_such_file.txt") {
            Err(error) if error.kind() == ErrorKind::NotFound => println!("no_such_file.txt: not found"),
            result => println!("{result:?}"),
        }
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
