//! A file is read off the loop, in a worker thread.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::path::PathBuf;

async_fn! {
    async fn read_file(filename: PathBuf) {
        let contents = await!(to_thread(move || std::fs::read_to_string(filename)))?;
        for line in contents.lines() {
            trace!("{line}");
        }
    }
}

pub fn scenario() -> Result<()> {
    let name = std::env::temp_dir().join(format!("coro-parity-{}-example.txt", std::process::id()));
    std::fs::write(&name, "test\ntest\n")?;
    let result = run(read_file(name.clone()));
    std::fs::remove_file(name)?;
    result
}
