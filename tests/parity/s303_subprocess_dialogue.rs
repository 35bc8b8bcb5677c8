//! Line by line with a child process; closing its stdin ends it.

use crate::harness::{bytes, run, trace};
use coro_core::prelude::*;
use coro_core::process::{PIPE, create_subprocess_shell};

async_fn! {
    async fn main() {
        let line = "while read line; do echo \"got $line\"; done; echo bye";
        let mut proc = await!(create_subprocess_shell(line).stdin(PIPE).stdout(PIPE));
        let (stdin, stdout) = (proc.stdin.take().unwrap(), proc.stdout.as_mut().unwrap());
        for word in ["one", "two"] {
            stdin.write(format!("{word}\n").as_bytes())?;
            await!(stdin.drain());
            trace!("{}", bytes(&await!(stdout.readline())));
        }
        stdin.close();
        let (line, rest) = (await!(stdout.readline()), await!(stdout.read_to_end()));
        trace!("{} {} {}", bytes(&line), bytes(&rest), await!(proc.wait()));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
