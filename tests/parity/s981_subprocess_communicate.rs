//! communicate: with input and without, what is not piped is None, outputs apart and together, a child that reads nothing.

use crate::harness::{bytes, run, trace};
use coro_core::prelude::*;
use coro_core::process::{DEVNULL, PIPE, Process, STDOUT, create_subprocess_exec, create_subprocess_shell};

fn show(output: Option<Vec<u8>>) -> String {
    output.map_or_else(|| "None".to_owned(), |output| bytes(&output))
}

async_fn! {
    async fn communicate(mut proc: Process, input: Option<&[u8]>) {
        let (out, err) = await!(proc.communicate(input));
        trace!("({}, {}) {}", show(out), show(err), proc.returncode().unwrap());
    }

    async fn main() {
        let proc = await!(create_subprocess_exec("cat", [""; 0]).stdin(PIPE).stdout(PIPE));
        await!(communicate(proc, Some(b"egg\n")));
        let proc = await!(create_subprocess_shell("cat; echo burnt >&2; exit 3").stdin(PIPE).stdout(PIPE).stderr(PIPE));
        await!(communicate(proc, None));
        let proc = await!(create_subprocess_shell("echo out; echo err >&2; echo out").stdout(PIPE).stderr(STDOUT));
        await!(communicate(proc, None));
        let proc = await!(create_subprocess_shell("echo out; echo err >&2").stdout(DEVNULL).stderr(PIPE));
        await!(communicate(proc, None));
        let proc = await!(create_subprocess_exec("true", [""; 0]));
        await!(communicate(proc, None));
        // More than a pipe holds, for a child that never reads it.
        let proc = await!(create_subprocess_exec("true", [""; 0]).stdin(PIPE).stdout(PIPE));
        await!(communicate(proc, Some(&[b'x'; 1_000_000])));
        // And there and back.
        let mut proc = await!(create_subprocess_exec("cat", [""; 0]).stdin(PIPE).stdout(PIPE));
        let (out, err) = await!(proc.communicate(Some(&[b'x'; 1_000_000])));
        trace!("{} {} {}", out.unwrap().len(), show(err), proc.returncode().unwrap());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
