//! Protocols that do what they should not, and transports that nobody closes.
#![cfg(unix)]

mod common;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{Log, assert_well, in_child, quiet_panics, reported, run, stderr};
use coro_core::{
    ContextVar, DatagramProtocol, DatagramTransport, Future, Protocol, Server, StreamWriter, Transport,
    open_unix_connection, prelude::*,
};

type Step<A> = Box<dyn Fn(&Wild, &Transport, A)>;

/// A protocol whose methods are given by the test. Each is noted in a log first.
struct Wild {
    log: Log,
    transport: RefCell<Option<Transport>>,
    made: Step<()>,
    data: Step<Vec<u8>>,
    paused: Step<()>,
    resumed: Step<()>,
    ended: Step<()>,
    keeps_open: bool,
    lost: Future<()>,
}

fn nothing<A: 'static>() -> Step<A> {
    Box::new(|_, _, _| ())
}

impl Wild {
    fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            transport: RefCell::default(),
            made: nothing(),
            data: nothing(),
            paused: nothing(),
            resumed: nothing(),
            ended: nothing(),
            keeps_open: false,
            lost: Future::new(),
        }
    }

    fn transport(&self) -> Transport {
        self.transport.borrow().clone().unwrap()
    }
}

impl Protocol for Wild {
    fn connection_made(&self, transport: &Transport) {
        self.log.push("made");
        self.transport.replace(Some(transport.clone()));
        (self.made)(self, transport, ());
    }

    fn data_received(&self, data: &[u8]) {
        self.log.push(format!("data {}", data.len()));
        (self.data)(self, &self.transport(), data.to_vec());
    }

    fn eof_received(&self) -> bool {
        self.log.push("eof");
        self.keeps_open
    }

    fn connection_lost(&self, error: Option<Error>) {
        self.log
            .push(format!("lost {}", error.map_or("well".to_owned(), |error| error.type_name().to_owned())));
        (self.ended)(self, &self.transport(), ());
        self.lost.set_result(()).unwrap();
    }

    fn pause_writing(&self) {
        self.log.push("pause");
        (self.paused)(self, &self.transport(), ());
    }

    fn resume_writing(&self) {
        self.log.push("resume");
        (self.resumed)(self, &self.transport(), ());
    }
}

/// A transport with that protocol, and the other end, which does not block.
fn connect(protocol: Wild) -> Result<(Transport, Rc<Wild>, UnixStream)> {
    let (near, far) = UnixStream::pair()?;
    far.set_nonblocking(true)?;
    let (transport, protocol) = get_running_loop()?.create_connection(|| protocol, near).co_await()?;
    Ok((transport, protocol, far))
}

/// Reads until there is nothing more, or the end, which `true` stands for.
fn read_all(far: &mut UnixStream) -> (usize, bool) {
    let (mut buffer, mut count) = (vec![0; 1 << 20], 0);
    loop {
        match far.read(&mut buffer) {
            Ok(0) => return (count, true),
            Ok(more) => count += more,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return (count, false),
            Err(_) => return (count, true),
        }
    }
}

#[test]
fn a_protocol_may_close_in_data_received_and_hears_nothing_more_but_the_end() {
    let log = Log::new();
    run(|| {
        let mut wild = Wild::new(&log);
        wild.data = Box::new(|_, transport, _| {
            transport.write(b"good bye").unwrap();
            transport.close();
            transport.close();
        });
        let (_, wild, mut far) = connect(wild)?;
        far.write_all(b"one")?;
        sleep(millis(1)).co_await()?;
        let _ = far.write_all(b"two"); // nobody reads it
        (&wild.lost).co_await()?;
        assert_eq!(read_all(&mut far), (8, true));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["made", "data 3", "lost well"]);
}

#[test]
fn a_protocol_may_abort_in_every_callback() {
    for place in ["made", "data", "pause", "resume", "lost"] {
        let log = Log::new();
        run(|| {
            let mut wild = Wild::new(&log);
            match place {
                "made" => wild.made = Box::new(|_, transport, ()| transport.abort()),
                "data" => wild.data = Box::new(|_, transport, _| transport.abort()),
                "pause" => wild.paused = Box::new(|_, transport, ()| transport.abort()),
                "resume" => wild.resumed = Box::new(|_, transport, ()| transport.abort()),
                _ => wild.ended = Box::new(|_, transport, ()| transport.abort()),
            }
            let (transport, wild, mut far) = connect(wild)?;
            let _ = far.write_all(b"one");
            sleep(millis(1)).co_await()?;
            transport.write(&vec![0; 3_000_000])?;
            for _ in 0..100 {
                read_all(&mut far);
                sleep(millis(1)).co_await()?;
            }
            transport.abort();
            (&wild.lost).co_await()?;
            assert!(transport.is_closing() && transport.get_protocol().is_none());
            assert_eq!(transport.get_write_buffer_size(), 0);
            assert!(read_all(&mut far).1);
            Ok(())
        })
        .unwrap();
        let heard = log.take();
        assert_eq!(heard.iter().filter(|what| what.starts_with("lost")).count(), 1, "{place}: {heard:?}");
        assert_eq!(heard.last().unwrap(), "lost well", "{place}: {heard:?}");
    }
}

#[test]
fn a_protocol_that_pauses_in_data_received_gets_the_rest_when_it_resumes() {
    let log = Log::new();
    run(|| {
        let mut wild = Wild::new(&log);
        wild.data = Box::new(|_, transport, _| {
            // Only the last of these counts.
            transport.pause_reading();
            transport.resume_reading();
            transport.resume_reading();
            transport.pause_reading();
        });
        let (transport, _, mut far) = connect(wild)?;
        for part in ["one", "four", "seven"] {
            far.write_all(part.as_bytes())?;
            sleep(secs(1)).co_await()?;
            assert!(!transport.is_reading());
        }
        transport.resume_reading();
        sleep(secs(1)).co_await()?;
        transport.abort();
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["made", "data 3", "data 9", "lost well"]);
}

#[test]
fn another_protocol_can_be_set_in_data_received_and_the_old_one_may_use_the_transport_when_it_is_dropped() {
    struct Last {
        transport: RefCell<Option<Transport>>,
    }
    impl Protocol for Last {
        fn connection_made(&self, transport: &Transport) {
            self.transport.replace(Some(transport.clone()));
        }

        fn data_received(&self, _: &[u8]) {
            let transport = self.transport.take().unwrap();
            let next = Rc::new(Wild::new(&Log::new()));
            next.transport.replace(Some(transport.clone()));
            transport.set_protocol(next);
            self.transport.replace(Some(transport));
        }
    }
    impl Drop for Last {
        fn drop(&mut self) {
            let transport = self.transport.take().unwrap();
            assert!(transport.get_protocol().is_some());
            transport.write(b"dropped").unwrap();
        }
    }
    run(|| {
        let (near, mut far) = UnixStream::pair()?;
        far.set_nonblocking(true)?;
        let (transport, last) = get_running_loop()?
            .create_connection(|| Last { transport: RefCell::default() }, near)
            .co_await()?;
        drop(last);
        far.write_all(b"one")?;
        sleep(millis(1)).co_await()?;
        assert_eq!(read_all(&mut far), (7, false));
        far.write_all(b"two")?;
        sleep(millis(1)).co_await()?;
        let wild =
            (transport.get_protocol().unwrap() as Rc<dyn std::any::Any>).downcast::<Wild>().ok().unwrap();
        assert_eq!(wild.log.take(), ["data 3"]);
        transport.abort();
        (&wild.lost).co_await()
    })
    .unwrap();
}

#[test]
fn a_protocol_that_writes_in_pause_and_resume_loses_nothing() {
    let log = Log::new();
    run(|| {
        let mut wild = Wild::new(&log);
        wild.paused = Box::new(|_, transport, ()| transport.write(&[1; 1000]).unwrap());
        let more = Cell::new(3);
        wild.resumed = Box::new(move |_, transport, ()| {
            if more.get() > 0 {
                more.set(more.get() - 1);
                transport.write(&vec![2; 1_000_000]).unwrap();
            }
        });
        let (transport, wild, mut far) = connect(wild)?;
        transport.write(&vec![0; 1_000_000])?;
        let mut count = 0;
        while count < 4_004_000 {
            count += read_all(&mut far).0;
            sleep(millis(1)).co_await()?;
        }
        transport.close();
        (&wild.lost).co_await()?;
        assert_eq!((count, read_all(&mut far)), (4_004_000, (0, true)));
        Ok(())
    })
    .unwrap();
    let heard = log.take();
    assert_eq!(heard.iter().filter(|what| *what == "pause").count(), 4, "{heard:?}");
    assert_eq!(heard.iter().filter(|what| *what == "resume").count(), 4, "{heard:?}");
}

#[test]
fn nothing_can_be_awaited_in_a_protocol_even_if_a_task_calls_it() {
    let said = Rc::new(RefCell::new(Vec::new()));
    run(|| {
        let mut wild = Wild::new(&Log::new());
        let (heard, noted) = (said.clone(), said.clone());
        let note = move |said: &RefCell<Vec<String>>| {
            said.borrow_mut().push(sleep(secs(1)).co_await().unwrap_err().to_string())
        };
        wild.data = Box::new(move |_, _, _| note(&heard));
        wild.paused = Box::new(move |_, _, ()| note(&noted));
        let (transport, wild, mut far) = connect(wild)?;
        transport.write(&vec![0; 3_000_000])?; // by this task
        far.write_all(b"one")?;
        sleep(millis(1)).co_await()?;
        transport.abort();
        (&wild.lost).co_await()
    })
    .unwrap();
    assert_eq!(*said.borrow(), ["cannot await in a protocol", "cannot await in a protocol"]);
}

#[test]
fn a_protocol_that_keeps_its_side_open_after_the_end_can_write_on() {
    let log = Log::new();
    run(|| {
        let mut wild = Wild::new(&log);
        wild.keeps_open = true;
        let (transport, wild, mut far) = connect(wild)?;
        far.shutdown(std::net::Shutdown::Write)?;
        sleep(millis(1)).co_await()?;
        transport.write(b"still here")?;
        assert_eq!(read_all(&mut far), (10, false));
        transport.close();
        (&wild.lost).co_await()?;
        assert_eq!(read_all(&mut far), (0, true));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["made", "eof", "lost well"]);
}

#[test]
fn what_is_open_when_the_loop_closes_is_closed_and_reported_in_debug_mode() {
    let (far, reports) = reported(|| {
        let mut kept = Vec::new();
        let runner = coro_core::RunBuilder::new().debug(true);
        let keep = &mut kept;
        runner
            .run(coroutine(move || {
                let log = Log::new();
                let (_, reading, far) = connect(Wild::new(&log))?;
                let (paused, _, far_too) = connect(Wild::new(&log))?;
                paused.pause_reading();
                let server =
                    get_running_loop()?.create_server(|| Wild::new(&Log::new()), "127.0.0.1:0").co_await()?;
                keep.push((far, reading, None));
                keep.push((far_too, Rc::new(Wild::new(&log)), Some((paused, server))));
                Ok(())
            }))
            .unwrap();
        for (far, wild, others) in &mut kept {
            assert_eq!(read_all(far), (0, true));
            wild.transport.take().inspect(|transport| {
                transport.write(b"late").unwrap();
                transport.close();
                assert!(transport.get_protocol().is_none());
            });
            if let Some((paused, server)) = others {
                paused.resume_reading();
                assert!(paused.is_closing() && !server.is_serving());
            }
        }
        kept
    });
    drop(far);
    let unclosed: Vec<&String> = reports.iter().filter(|report| report.starts_with("unclosed")).collect();
    assert_eq!(
        unclosed.iter().filter(|report| report.starts_with("unclosed transport <Transport")).count(),
        2
    );
    assert_eq!(unclosed.iter().filter(|report| report.starts_with("unclosed <Server")).count(), 1);
}

#[test]
fn a_paused_transport_without_a_handle_is_closed_and_reported_in_debug_mode() {
    let ((), reports) = reported(|| {
        let main = coroutine(|| {
            struct Quiet;
            impl Protocol for Quiet {}
            let (near, mut far) = UnixStream::pair()?;
            far.set_nonblocking(true)?;
            let (transport, _) = get_running_loop()?.create_connection(|| Quiet, near).co_await()?;
            transport.pause_reading();
            sleep(millis(1)).co_await()?;
            drop(transport);
            assert_eq!(read_all(&mut far), (0, true));
            Ok(())
        });
        coro_core::RunBuilder::new().debug(true).run(main).unwrap();
    });
    assert!(reports.iter().any(|report| report.starts_with("unclosed transport <Transport")), "{reports:?}");
}

#[test]
fn a_connection_ends_when_it_is_closed_whoever_holds_its_socket() {
    run(|| {
        let (transport, wild, mut far) = connect(Wild::new(&Log::new()))?;
        let socket = transport.socket().unwrap();
        transport.close();
        (&wild.lost).co_await()?;
        assert_eq!(read_all(&mut far), (0, true));
        assert!(transport.socket().is_none());
        assert_eq!(socket.peer_addr(), None);
        Ok(())
    })
    .unwrap();
}

#[test]
fn protocols_see_the_context_in_which_their_transport_was_made() {
    static USER: ContextVar<&str> = ContextVar::new("user");
    let seen = Rc::new(RefCell::new(Vec::new()));
    run(|| {
        let mut wild = Wild::new(&Log::new());
        let (made, data) = (seen.clone(), seen.clone());
        wild.made = Box::new(move |_, _, ()| made.borrow_mut().push(USER.get().ok()));
        wild.data = Box::new(move |_, _, _| data.borrow_mut().push(USER.get().ok()));
        USER.set("ada");
        let (transport, wild, mut far) = connect(wild)?;
        USER.set("bob");
        far.write_all(b"one")?;
        sleep(millis(1)).co_await()?;
        transport.abort();
        (&wild.lost).co_await()
    })
    .unwrap();
    assert_eq!(*seen.borrow(), [Some("ada"), Some("ada")]);
}

struct Quiet;
impl Protocol for Quiet {}

#[test]
fn a_server_goes_on_when_no_handle_is_left_and_its_clients_when_it_is_closed() {
    run(|| {
        struct Greet;
        impl Protocol for Greet {
            fn connection_made(&self, transport: &Transport) {
                transport.write(b"good morning\n").unwrap();
            }
        }
        let server = get_running_loop()?.create_server(|| Greet, "127.0.0.1:0").co_await()?;
        let address = server.local_addrs()[0];
        drop(server);
        let (mut reader, writer) = open_connection(address).co_await()?;
        assert_eq!(reader.readline().co_await()?, b"good morning\n");
        writer.close();
        writer.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn a_factory_that_panics_is_told_and_the_next_client_is_served() {
    quiet_panics();
    let told = Log::new();
    run(|| {
        let heard = told.clone();
        get_running_loop()?.set_exception_handler(move |_, context| heard.push(context.message.clone()));
        let first = Cell::new(true);
        let factory = move || {
            assert!(!first.replace(false), "meant: the first is refused");
            Quiet
        };
        let server = get_running_loop()?.create_server(factory, "127.0.0.1:0").co_await()?;
        let address = server.local_addrs()[0];
        let (mut refused, _writer) = open_connection(address).co_await()?;
        assert_eq!(refused.read_to_end().co_await()?, b"");
        let (_reader, writer) = open_connection(address).co_await()?;
        sleep(secs(1)).co_await()?;
        server.close();
        let waiting = create_task(server.wait_closed());
        sleep(secs(1)).co_await()?;
        assert!(!waiting.done()); // for the second
        writer.close();
        waiting.co_await()
    })
    .unwrap();
    assert_eq!(told.take(), ["Error on transport creation for incoming connection"]);
}

#[test]
fn a_server_can_be_closed_by_the_protocol_of_its_first_client() {
    run(|| {
        thread_local! { static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) }; }
        struct Closes;
        impl Protocol for Closes {
            fn connection_made(&self, transport: &Transport) {
                let server = SERVER.take().unwrap();
                server.close();
                server.abort_clients();
                assert!(transport.is_closing());
            }
        }
        let server = get_running_loop()?.create_server(|| Closes, "127.0.0.1:0").co_await()?;
        SERVER.set(Some(server.clone()));
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).co_await()?;
        assert_eq!(reader.read_to_end().co_await()?, b"");
        server.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn without_file_descriptors_accepting_pauses_for_a_second_and_the_listener_survives() {
    let Some(output) =
        in_child("without_file_descriptors_accepting_pauses_for_a_second_and_the_listener_survives", || {
            let log = Log::new();
            run(|| {
                let event_loop = get_running_loop()?;
                let heard = log.clone();
                event_loop.set_exception_handler(move |event_loop, context| {
                    heard.push(format!("{} at {}", context.message, event_loop.time().as_secs()));
                });
                let server = event_loop.create_server(|| Wild::new(&Log::new()), "127.0.0.1:0").co_await()?;
                let address = server.local_addrs()[0];
                let client = TcpStream::connect(address)?;
                client.set_nonblocking(true)?;
                // The client waits to be accepted; now there is no descriptor left for it.
                let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                // SAFETY: it is given room for what it writes.
                assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
                let few = libc::rlimit { rlim_cur: 3, ..limit };
                // SAFETY: it only reads.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) }, 0);
                sleep(millis(2500)).co_await()?;
                // SAFETY: as above.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
                sleep(millis(1000)).co_await()?;
                let clients = server.clone();
                clients.close();
                let closed = create_task(clients.wait_closed());
                sleep(millis(1)).co_await()?;
                assert!(!closed.done(), "the client was accepted");
                drop(client);
                closed.co_await()
            })
            .unwrap();
            let message = "socket.accept() out of system resource";
            assert_eq!(log.take(), [0, 1, 2].map(|second| format!("{message} at {second}")));
        })
    else {
        return;
    };
    assert_well(&output);
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn a_pipe_is_one_way() {
    run(|| {
        let event_loop = get_running_loop()?;
        let (reads, writes) = std::io::pipe()?;
        let (reading, _) = event_loop.connect_read_pipe(|| Quiet, reads).co_await()?;
        let (writing, _) = event_loop.connect_write_pipe(|| Quiet, writes).co_await()?;
        assert!(reading.write(b"x").is_err() && !reading.can_write_eof());
        assert!(writing.can_write_eof());
        writing.pause_reading(); // has no effect: the other end is still watched
        reading.abort();
        sleep(secs(1)).co_await()?;
        assert!(writing.is_closing());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_datagram_protocol_may_panic_close_and_send_in_its_callbacks() {
    quiet_panics();
    struct Echo {
        transport: RefCell<Option<DatagramTransport>>,
        lost: Future<()>,
    }
    impl DatagramProtocol for Echo {
        fn connection_made(&self, transport: &DatagramTransport) {
            self.transport.replace(Some(transport.clone()));
        }

        fn datagram_received(&self, data: &[u8], from: SocketAddr) {
            let transport = self.transport.borrow().clone().unwrap();
            assert!(data != b"panic", "meant: to panic");
            transport.sendto(data, Some(from)).unwrap();
            if data == b"close" {
                transport.close();
            }
        }

        fn connection_lost(&self, _: Option<Error>) {
            self.lost.set_result(()).unwrap();
        }
    }
    let told = Log::new();
    run(|| {
        let event_loop = get_running_loop()?;
        let heard = told.clone();
        event_loop.set_exception_handler(move |_, context| heard.push(context.message.clone()));
        let echo = || Echo { transport: RefCell::default(), lost: Future::new() };
        let (transport, echo) =
            event_loop.create_datagram_endpoint(echo).local_addr("127.0.0.1:0").co_await()?;
        let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
        client.set_read_timeout(Some(secs(5)))?;
        for data in ["panic", "", "one", "close"] {
            client.send_to(data.as_bytes(), transport.sockname().unwrap())?;
        }
        (&echo.lost).co_await()?;
        let mut buffer = [0; 9];
        for data in ["", "one", "close"] {
            let count = client.recv(&mut buffer)?;
            assert_eq!(&buffer[..count], data.as_bytes());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(told.take(), ["Exception in callback DatagramProtocol::datagram_received()"]);
}

#[test]
fn connecting_is_cancelled_at_any_moment_and_leaves_nothing_behind() {
    common::at_each_moment(|moment| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let task = create_task(coroutine(move || {
            let (transport, _) = get_running_loop()?.create_connection(|| Quiet, address).co_await()?;
            transport.abort();
            Ok(())
        }));
        common::direct(&task.any_task(), moment, |_| ())?;
        common::ended(task.co_await());
        sleep(millis(1)).co_await()?;
        // Whoever was accepted has gone.
        while let Ok((mut client, _)) = listener.accept() {
            client.set_nonblocking(false)?;
            assert!(matches!(client.read(&mut [0; 9]), Ok(0) | Err(_)));
        }
        Ok(())
    });
}

#[test]
fn making_a_server_is_cancelled_at_any_moment_and_its_socket_closed() {
    common::at_each_moment(|moment| {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        let place = path.clone();
        let task = create_task(coroutine(move || {
            let server = get_running_loop()?.create_unix_server(|| Quiet, place).co_await()?;
            next_round_of(&server)?;
            server.close();
            Ok(())
        }));
        common::direct(&task.any_task(), moment, |_| ())?;
        let made = task.co_await();
        if made.is_ok() {
            assert!(!path.exists());
        }
        common::ended(made);
        if path.exists() {
            // It was cancelled while it served: it goes on, until it is closed.
            let (_, writer): (_, StreamWriter) = open_unix_connection(&path).co_await()?;
            writer.close();
        }
        Ok(())
    });
}

fn next_round_of(server: &Server) -> Result<()> {
    assert!(server.is_serving());
    common::next_round()
}

#[test]
fn what_a_written_pipe_is_told_for_nothing_is_told_once() {
    run(|| {
        let event_loop = get_running_loop()?;
        let (near, mut far) = UnixStream::pair()?;
        let mut same = near.try_clone()?;
        let end = std::os::fd::OwnedFd::from(near);
        let (transport, _) = event_loop.connect_write_pipe(|| Quiet, end).co_await()?;
        // It can be read, which would be the end of a pipe, and when it is looked at it cannot.
        for _ in 0..10 {
            far.write_all(b"x")?;
            sleep(secs(0)).co_await()?;
            let _ = same.read(&mut [0]);
            sleep(secs(0)).co_await()?;
        }
        sleep(secs(3600)).co_await()?; // the clock stands still while the loop is told of something
        // Where an event comes late, it finds the next byte, and takes that for the end.
        assert!(!transport.is_closing() || cfg!(coro_poller = "faulty"));
        transport.close();
        Ok(())
    })
    .unwrap();
}
