//! A SubprocessProtocol: which callbacks come, and in which order; close kills; the pipes' transports.

use crate::harness::{bytes, optional, run, trace, type_name_of};
use coro_core::process::{DEVNULL, ProcessLookupError, Redirect, SubprocessProtocol, SubprocessTransport};
use coro_core::{Future, prelude::*};
use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

struct P {
    lost: Future<()>,
    data: RefCell<Vec<u8>>,
    ended: RefCell<Vec<String>>,
    transport: RefCell<Option<SubprocessTransport>>,
}

impl P {
    fn new() -> Self {
        let (data, ended, transport) = Default::default();
        Self { lost: Future::new(), data, ended, transport }
    }
}

fn returncode(transport: &SubprocessTransport) -> String {
    transport.get_returncode().map_or_else(|| "None".to_owned(), |code| code.to_string())
}

impl SubprocessProtocol for P {
    fn connection_made(&self, transport: &SubprocessTransport) {
        let pipes: Vec<bool> = (0..4).map(|fd| transport.get_pipe_transport(fd).is_some()).collect();
        let pipes = format!("{pipes:?}").replace("true", "True").replace("false", "False");
        trace!("made {pipes} {}", returncode(transport));
        self.transport.replace(Some(transport.clone()));
    }
    fn pipe_data_received(&self, _fd: u32, data: &[u8]) {
        self.data.borrow_mut().extend(data);
    }
    fn pipe_connection_lost(&self, fd: u32, exc: Option<Error>) {
        self.ended.borrow_mut().push(format!("({fd}, {})", optional(exc.as_ref())));
    }
    fn process_exited(&self) {
        let returncode = returncode(self.transport.borrow().as_ref().unwrap());
        self.ended.borrow_mut().push(format!("('exited', {returncode})"));
    }
    fn connection_lost(&self, exc: Option<Error>) {
        let mut ended = self.ended.take();
        ended.sort();
        trace!("lost {} [{}]", optional(exc.as_ref()), ended.join(", "));
        self.transport.take();
        self.lost.set_result(()).unwrap();
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let arguments = ["-c", "read line; echo got $line; exit 2"];
        let (transport, protocol) = await!(event_loop.subprocess_exec(P::new, "sh", arguments));
        let found: Rc<dyn Any> = transport.get_protocol().unwrap();
        let same = found.downcast::<P>().is_ok_and(|found| Rc::ptr_eq(&found, &protocol));
        trace!("{same} {}", transport.is_closing());
        transport.get_pipe_transport(0).unwrap().write(b"egg\n")?;
        await!(&protocol.lost);
        trace!("{} {} {}", bytes(&protocol.data.take()), returncode(&transport), transport.is_closing());
        transport.close();
        match transport.kill() {
            Err(e) if e.is::<ProcessLookupError>() => trace!("{}", type_name_of(&e)),
            other => other?,
        }
        let start = event_loop.subprocess_shell(P::new, "sleep 60").stdin(DEVNULL);
        let (transport, protocol) = await!(start.stdout(Redirect::Inherit).stderr(Redirect::Inherit));
        transport.close();
        trace!("closing {} {}", transport.is_closing(), returncode(&transport));
        await!(&protocol.lost);
        trace!("{}", returncode(&transport));
        // One that is waited for twice through its pipes: closed input ends it.
        let start = event_loop.subprocess_exec(P::new, "cat", [""; 0]).stderr(Redirect::Inherit);
        let (transport, protocol) = await!(start);
        let stdin = transport.get_pipe_transport(0).unwrap();
        stdin.write(b"one ")?;
        stdin.write(b"two")?;
        stdin.close();
        await!(&protocol.lost);
        trace!("{}", bytes(&protocol.data.take()));
        transport.close();
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
