//! returncode before and after, wait twice and by many, signals after the end, terminate twice.

use crate::harness::{bytes, run, trace, type_name_of};
use coro_core::prelude::*;
use coro_core::process::{PIPE, Process, ProcessLookupError, create_subprocess_exec, create_subprocess_shell};
use coro_core::signal::SignalKind;

fn returncode(proc: &Process) -> String {
    proc.returncode().map_or_else(|| "None".to_owned(), |code| code.to_string())
}

async_fn! {
    async fn main() {
        for code in [0, 1, 127, 255] {
            let proc = await!(create_subprocess_shell(format!("exit {code}")));
            trace!("{} {}", await!(proc.wait()), returncode(&proc));
        }
        let proc = await!(create_subprocess_shell("kill -USR1 $$"));
        trace!("{} {}", await!(proc.wait()), returncode(&proc));
        let proc = await!(create_subprocess_exec("cat", [""; 0]).stdin(PIPE));
        trace!("{}", returncode(&proc));
        proc.stdin.as_ref().unwrap().close();
        trace!("{} {} {}", await!(proc.wait()), await!(proc.wait()), returncode(&proc));
        let proc = await!(create_subprocess_exec("sleep", ["60"]));
        let waits: Vec<Task<i32>> = (0..3).map(|_| create_task(proc.wait())).collect();
        await!(sleep(secs(0)));
        waits[1].cancel();
        proc.terminate()?;
        proc.terminate()?;
        let results = await!(gather_return_exceptions(waits));
        let results: Vec<String> = results.iter().map(|result| match result {
            Ok(code) => code.to_string(),
            Err(e) => format!("'{}'", type_name_of(e)),
        }).collect();
        trace!("[{}] {}", results.join(", "), returncode(&proc));
        for act in [Process::terminate, Process::kill, |proc: &Process| proc.send_signal(SignalKind::hangup())] {
            match act(&proc) {
                Err(e) if e.is::<ProcessLookupError>() => trace!("{}", type_name_of(&e)),
                other => other?,
            }
        }
        // A child that ignores the request to end.
        let mut proc = await!(create_subprocess_shell("trap '' TERM; echo ready; exec sleep 60").stdout(PIPE));
        trace!("{}", bytes(&await!(proc.stdout.as_mut().unwrap().readline())));
        proc.terminate()?;
        match try_await!(wait_for(proc.wait(), millis(50))) {
            Err(e) if e.is_timeout() => trace!("still there {}", returncode(&proc)),
            other => drop(other?),
        }
        proc.kill()?;
        trace!("{}", await!(proc.wait()));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
