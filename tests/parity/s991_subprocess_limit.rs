//! A line longer than the limit; how many tasks communicate makes; env, cwd, the repr of a process.

use crate::harness::{bytes, run, trace, type_name_of};
use coro_core::prelude::*;
use coro_core::process::{PIPE, create_subprocess_exec, create_subprocess_shell};

fn number(name: String) -> usize {
    name["Task-".len()..].parse().unwrap()
}

async_fn! {
    async fn echo(n: u32) -> u32 {
        let mut proc = await!(create_subprocess_exec("echo", [n.to_string()]).stdout(PIPE));
        let (out, _) = await!(proc.communicate(None));
        String::from_utf8(out.unwrap())?.trim().parse()?
    }

    async fn main() {
        let mut proc = await!(create_subprocess_shell("echo 0123456789; echo ok").stdout(PIPE).limit(4));
        let stdout = proc.stdout.as_mut().unwrap();
        match try_await!(stdout.readline()) {
            Err(e) => trace!("{}", type_name_of(&e)),
            Ok(line) => trace!("{}", bytes(&line)),
        }
        let rest = await!(stdout.read_to_end());
        trace!("{} {}", bytes(&rest), await!(proc.wait()));
        let shell = create_subprocess_shell("echo $EGGS in $PWD").stdout(PIPE).current_dir("/").env("EGGS", "six");
        let mut proc = await!(shell);
        trace!("{}", bytes(&await!(proc.communicate(None)).0.unwrap()));
        let none = |is_none: bool| if is_none { "None" } else { "a stream" };
        let same = format!("{proc:?}") == format!("<Process {}>", proc.pid());
        trace!("{same} {} {}", none(proc.stdin.is_none()), none(proc.stderr.is_none()));
        let before = number(create_task(sleep(secs(0))).get_name());
        let mut proc = await!(create_subprocess_exec("true", [""; 0]).stdout(PIPE));
        await!(proc.communicate(None));
        let after = number(create_task(sleep(secs(0))).get_name());
        trace!("{}", after - before);
        // Several at once.
        trace!("{:?}", await!(gather((0..10).map(echo))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
