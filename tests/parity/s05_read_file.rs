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
    let folder = tempfile::tempdir()?; // the scenario may run twice at the same time
    let name = folder.path().join("example.txt");
    std::fs::write(&name, "test\ntest\n")?;
    run(read_file(name))
}
