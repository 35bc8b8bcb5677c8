//! stdin closed, broken, and written to afterwards; the end of stdout before and after the end of the process.

use crate::harness::{bytes, run, trace, type_name_of};
use coro_core::prelude::*;
use coro_core::process::{PIPE, create_subprocess_exec, create_subprocess_shell};

async_fn! {
    async fn main() {
        // The output ends first: the process is still there.
        let line = "echo one; exec >&-; read line; exit 4";
        let mut proc = await!(create_subprocess_shell(line).stdin(PIPE).stdout(PIPE));
        let stdout = proc.stdout.as_mut().unwrap();
        let output = await!(stdout.read_to_end());
        let ended = stdout.at_eof();
        let returncode = proc.returncode().map_or("None", |_| "ended");
        trace!("{} {ended} {returncode}", bytes(&output));
        let stdin = proc.stdin.as_ref().unwrap();
        stdin.write(b"go\n")?;
        await!(stdin.drain());
        trace!("{}", await!(proc.wait()));
        stdin.close();
        await!(stdin.wait_closed());
        trace!("closed {}", stdin.is_closing());
        // The process ends first, its output stays to be read.
        let mut proc = await!(create_subprocess_shell("echo two; echo three; exit 5").stdout(PIPE));
        trace!("{} {}", await!(proc.wait()), proc.returncode().unwrap());
        let stdout = proc.stdout.as_mut().unwrap();
        let mut lines = Vec::new();
        for _ in 0..3 {
            lines.push(bytes(&await!(stdout.readline())));
        }
        trace!("{} {}", lines.join(" "), stdout.at_eof());
        // The child closes its input.
        let line = "exec <&-; echo ready; exec sleep 60";
        let mut proc = await!(create_subprocess_shell(line).stdin(PIPE).stdout(PIPE));
        trace!("{}", bytes(&await!(proc.stdout.as_mut().unwrap().readline())));
        let stdin = proc.stdin.as_ref().unwrap();
        stdin.write(&[b'x'; 10])?;
        loop {
            match try_await!(stdin.drain()) {
                // Another child that is just being forked still holds the pipe: that takes real time.
                Ok(()) => {
                    std::thread::sleep(millis(1));
                    await!(sleep(Duration::ZERO));
                }
                Err(e) => {
                    trace!("{}", type_name_of(&e));
                    break;
                }
            }
        }
        proc.kill()?;
        trace!("{}", await!(proc.wait()));
        // write_eof ends the input.
        let mut proc = await!(create_subprocess_exec("cat", [""; 0]).stdin(PIPE).stdout(PIPE));
        let stdin = proc.stdin.as_ref().unwrap();
        stdin.writelines([b"a", b"b"])?;
        trace!("{}", stdin.can_write_eof());
        stdin.write_eof();
        let output = await!(proc.stdout.as_mut().unwrap().read_to_end());
        trace!("{} {}", bytes(&output), await!(proc.wait()));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
