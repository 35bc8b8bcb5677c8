//! kill and terminate give negative return codes; signalling a finished process is an error.

use crate::harness::{run, trace, type_name_of};
use coro_core::prelude::*;
use coro_core::process::{ProcessLookupError, create_subprocess_exec};
use coro_core::signal::SignalKind;

async_fn! {
    async fn main() {
        let mut last = None;
        for act in ["kill", "terminate", "send_signal"] {
            let proc = await!(create_subprocess_exec("sleep", ["60"]));
            match act {
                "send_signal" => proc.send_signal(SignalKind::hangup())?,
                "kill" => proc.kill()?,
                _ => proc.terminate()?,
            }
            trace!("{act} {} {}", await!(proc.wait()), proc.returncode().unwrap());
            last = Some(proc);
        }
        match last.unwrap().kill() {
            Err(e) if e.is::<ProcessLookupError>() => trace!("{}", type_name_of(&e)),
            other => other?,
        }
    }
}

#[allow(unsafe_code)]
pub fn scenario() -> Result<()> {
    // A program inherits which signals are ignored: `nohup` would make the children deaf to it.
    // SAFETY: no handler is set.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    run(main())
}
