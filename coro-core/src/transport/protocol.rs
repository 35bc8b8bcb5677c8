//! The traits that users implement, and how their methods are called.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::{DatagramTransport, Transport};
use crate::error::{Error, Panicked, Result};
use crate::events::{ExceptionContext, LoopCore};
use crate::fiber::barrier;
use crate::unwind;

/// What is told of a connection; `asyncio.Protocol`. Every method may be left out.
///
/// The methods are called by the loop, one at a time, and cannot await. They take `&self`, since one can be called
/// while another runs: `transport.write()` may call [`pause_writing`](Self::pause_writing). What changes stands in a
/// `Cell` or `RefCell`. They may do anything with the transport, closing it included.
///
/// # Panics
/// One in `data_received` or `eof_received` is told to the exception handler of the loop, and ends the connection; one in
/// the others is only told.
///
/// ```
/// use coro_core::{Future, Protocol, Transport, prelude::*};
/// use std::cell::RefCell;
///
/// /// Sends back what comes.
/// #[derive(Default)]
/// struct Echo { transport: RefCell<Option<Transport>> }
/// impl Protocol for Echo {
///     fn connection_made(&self, transport: &Transport) {
///         self.transport.replace(Some(transport.clone()));
///     }
///     fn data_received(&self, data: &[u8]) {
///         let transport = self.transport.borrow().clone();
///         transport.unwrap().write(data).unwrap();
///     }
/// }
/// /// Asks once.
/// struct Ask { answer: Future<String> }
/// impl Protocol for Ask {
///     fn connection_made(&self, transport: &Transport) {
///         transport.write(b"hello").unwrap();
///     }
///     fn data_received(&self, data: &[u8]) {
///         let _ = self.answer.set_result(String::from_utf8_lossy(data).into_owned());
///     }
/// }
/// coro_core::run(coroutine(|| {
///     let event_loop = get_running_loop()?;
///     let server = event_loop.create_server(Echo::default, "127.0.0.1:0").co_await()?;
///     let (transport, ask) = event_loop
///         .create_connection(|| Ask { answer: Future::new() }, server.local_addrs()[0])
///         .co_await()?;
///     assert_eq!((&ask.answer).co_await()?, "hello");
///     transport.close();
///     server.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub trait Protocol: Any {
    /// The connection is there. Called once, before all others.
    fn connection_made(&self, transport: &Transport) {
        let _ = transport;
    }

    /// Something was read. `data` is never empty, and has no borders: what was written at once can come in parts.
    fn data_received(&self, data: &[u8]) {
        let _ = data;
    }

    /// The other side writes no more. `true` keeps the connection open for writing; `false`, which is also what happens
    /// without this method, closes it.
    fn eof_received(&self) -> bool {
        false
    }

    /// The connection is over. Called once, as the last: with the error that ended it, or none if it was closed.
    fn connection_lost(&self, error: Option<Error>) {
        let _ = error;
    }

    /// More waits to be written than the limit: better write no more for now.
    fn pause_writing(&self) {}

    /// What waits to be written has become little.
    fn resume_writing(&self) {}
}

/// What is told of a socket of datagrams; `asyncio.DatagramProtocol`. All else is said at [`Protocol`].
///
/// # Panics
/// One in a method is told to the exception handler of the loop, and changes nothing.
///
/// ```
/// use coro_core::{DatagramProtocol, Future, prelude::*};
/// use std::net::SocketAddr;
///
/// struct Take { text: Future<String> }
/// impl DatagramProtocol for Take {
///     fn datagram_received(&self, data: &[u8], _from: SocketAddr) {
///         let _ = self.text.set_result(String::from_utf8_lossy(data).into_owned());
///     }
/// }
/// coro_core::run(coroutine(|| {
///     let event_loop = get_running_loop()?;
///     let (near, take) = event_loop
///         .create_datagram_endpoint(|| Take { text: Future::new() })
///         .local_addr("127.0.0.1:0")
///         .co_await()?;
///     let (far, _) = event_loop
///         .create_datagram_endpoint(|| Take { text: Future::new() })
///         .remote_addr(near.sockname().unwrap())
///         .co_await()?;
///     far.sendto(b"egg", None)?;
///     assert_eq!((&take.text).co_await()?, "egg");
///     near.close();
///     far.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub trait DatagramProtocol: Any {
    /// The socket is there. Called once, before all others.
    fn connection_made(&self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// A datagram came; it may be empty.
    fn datagram_received(&self, data: &[u8], from: SocketAddr) {
        let _ = (data, from);
    }

    /// The system has said that a datagram could not be sent or received. The socket stays open.
    fn error_received(&self, error: Error) {
        let _ = error;
    }

    /// The socket is closed. Called once, as the last: with the error that ended it, or none.
    fn connection_lost(&self, error: Option<Error>) {
        let _ = error;
    }

    /// More waits to be sent than the limit: better send no more for now.
    fn pause_writing(&self) {}

    /// What waits to be sent has become little.
    fn resume_writing(&self) {}
}

/// Calls a method of the user, where nothing may suspend. A panic is the error.
pub(crate) fn call<R>(method: impl FnOnce() -> R) -> Result<R> {
    catch_unwind(AssertUnwindSafe(|| barrier("in a protocol", method))).map_err(|payload| {
        unwind::pass_on(&*payload);
        Error::new(Panicked::new(payload))
    })
}

/// Tells the exception handler.
pub(crate) fn tell(core: &Rc<LoopCore>, message: impl Into<String>, error: Error) {
    core.call_exception_handler(&ExceptionContext {
        message: message.into(),
        exception: Some(error),
        future: None,
        handle: None,
    });
}

/// Calls a method of the user from the loop; a panic is told as that of any callback.
pub(crate) fn call_back(core: &Rc<LoopCore>, name: &str, method: impl FnOnce()) {
    if let Err(error) = call(method) {
        tell(core, format!("Exception in callback {name}()"), error);
    }
}
