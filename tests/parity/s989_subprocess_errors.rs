//! What cannot be started; cancelled waits and communicates; a process that nobody waits for.

use crate::harness::{bytes, run, show, trace, type_name_of};
use coro_core::prelude::*;
use coro_core::process::{PIPE, Process, STDOUT, create_subprocess_exec, create_subprocess_shell};
use coro_core::{ValueError, all_tasks};
use std::io;

fn output(output: Option<Vec<u8>>) -> String {
    output.map_or_else(|| "None".to_owned(), |output| bytes(&output))
}

fn returncode(proc: &Process) -> String {
    proc.returncode().map_or_else(|| "None".to_owned(), |code| code.to_string())
}

async_fn! {
    async fn main() {
        for program in ["no-such-program", "/dev/null"] {
            match try_await!(create_subprocess_exec(program, ["x"])) {
                Err(e) if e.is::<io::Error>() => trace!("{}", type_name_of(&e)),
                other => drop(other?),
            }
        }
        match try_await!(create_subprocess_exec("true", [""; 0]).current_dir("/no/such/folder")) {
            Err(e) if e.is::<io::Error>() => {
                trace!("{} {}", type_name_of(&e), e.to_string().split(':').next().unwrap());
            }
            other => drop(other?),
        }
        match try_await!(create_subprocess_exec("true", [""; 0]).stdout(STDOUT)) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        let proc = await!(create_subprocess_shell("no-such-program 2>/dev/null; exit $?"));
        trace!("{}", await!(proc.wait()));
        // A read or communicate that is cancelled leaves the process alone.
        let mut proc = await!(create_subprocess_exec("cat", [""; 0]).stdin(PIPE).stdout(PIPE));
        let task = create_task(proc.stdout.as_mut().unwrap().read_to_end());
        await!(sleep(millis(10)));
        task.cancel();
        let results = await!(gather_return_exceptions([task]));
        let results: Vec<&str> = results.iter().map(|result| type_name_of(result.as_ref().unwrap_err())).collect();
        trace!("{results:?} {}", returncode(&proc));
        proc.stdin.as_ref().unwrap().close();
        let (out, err) = await!(proc.communicate(None));
        trace!("({}, {}) {}", output(out), output(err), returncode(&proc));
        trace!("{}", bytes(&await!(proc.stdout.as_mut().unwrap().read_to_end())));
        let mut proc = await!(create_subprocess_shell("exec sleep 60").stdout(PIPE).stderr(PIPE));
        let task = create_task(proc.communicate(None));
        await!(sleep(millis(10)));
        task.cancel();
        match try_await!(task) {
            Err(e) if e.is_cancelled() => trace!("cancelled {}", returncode(&proc)),
            other => drop(other?),
        }
        proc.kill()?;
        let (out, err) = await!(proc.communicate(None));
        trace!("({}, {}) {}", output(out), output(err), returncode(&proc));
        // A start that is cancelled kills the child.
        let task = create_task(create_subprocess_exec("sleep", ["60"]).stdout(PIPE));
        await!(sleep(secs(0)));
        task.cancel();
        match try_await!(task) {
            Err(e) if e.is_cancelled() => trace!("start cancelled {}", all_tasks()?.len()),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
