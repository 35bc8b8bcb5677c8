//! When file descriptors have run out: servers go on when there are some again, and what is closed is closed.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::mpsc;

use common::{assert_well, in_child};
use coro_core::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use coro_core::{LoopBuilder, Workers, prelude::*};
use socket2::{Domain, Socket, Type};

/// Allows so many numbers of file descriptors, and gives how many there were.
fn set_limit(numbers: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it is given room for what it writes.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    let before = std::mem::replace(&mut limit.rlim_cur, numbers as _);
    // SAFETY: it only reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    before as u64
}

/// Runs `f` while no file descriptor is free.
fn without_descriptors<R>(f: impl FnOnce() -> R) -> R {
    let before = set_limit(64);
    let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!taken.is_empty());
    let result = f();
    drop(taken);
    set_limit(before);
    result
}

/// Runs `program` in a process of its own.
fn alone(test: &str, program: fn() -> Result<()>) {
    let run = || {
        coro_core::run(coroutine(program)).unwrap();
    };
    if let Some(output) = in_child(test, run) {
        assert_well(&output);
    }
}

#[test]
fn workers_go_on_when_file_descriptors_are_free_again() {
    let program = || {
        let (tell, told) = mpsc::channel();
        let handler = move |stream: TcpStream, _: SocketAddr| {
            let tell = tell.clone();
            get_running_loop()?.set_exception_handler(move |_, context| {
                tell.send(context.message.clone()).unwrap();
            });
            let mut text = String::new();
            (&stream).read_to_string(&mut text)?;
            (&stream).write_all(text.as_bytes())?;
            Ok(())
        };
        let ask = |client: &Socket, text: &str| {
            let mut client = client;
            client.write_all(text.as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, text);
        };
        // The worker rests for a second of its own.
        let workers = Workers::new(1).event_loop(LoopBuilder::new().virtual_clock());
        let serving = workers.start("127.0.0.1:0", handler).unwrap();
        let address = serving.local_addr().into();
        let [early, late] = [(); 2].map(|()| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
        early.connect(&address).unwrap();
        ask(&early, "eggs");
        let before = set_limit(3);
        late.connect(&address).unwrap();
        assert_eq!(told.recv().unwrap(), "socket.accept() out of system resource");
        set_limit(before);
        ask(&late, "more eggs");
        serving.shut_down();
        serving.wait().unwrap();
        assert!(told.try_recv().is_err(), "it is told once");
    };
    if let Some(output) = in_child("workers_go_on_when_file_descriptors_are_free_again", program) {
        assert_well(&output);
    }
}

#[test]
fn what_is_closed_leads_nowhere_also_without_file_descriptors() {
    alone("what_is_closed_leads_nowhere_also_without_file_descriptors", || {
        for exhausted in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let near = TcpStream::connect(address)?;
            let (mut far, _) = listener.accept()?;
            let datagrams = UdpSocket::bind("127.0.0.1:0")?;
            let datagrams_at = datagrams.local_addr()?;
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("eggs");
            let unix_listener = UnixListener::bind(&path)?;
            let (unix_near, mut unix_far) = UnixStream::pair()?;
            let (unix_datagrams, post) = (UnixDatagram::unbound()?, folder.path().join("post"));
            let _office = UnixDatagram::bind(&post)?;
            let (mut reader, writer) = pipe()?;
            let close = || {
                near.close()?;
                listener.close()?;
                datagrams.close()?;
                unix_listener.close()?;
                unix_near.close()?;
                unix_datagrams.close()?;
                writer.close()
            };
            match exhausted {
                true => without_descriptors(close)?,
                false => close()?,
            }
            let mut buffer = [0; 8];
            assert_eq!(far.read(&mut buffer)?, 0);
            assert_eq!(unix_far.read(&mut buffer)?, 0);
            assert_eq!(reader.read(&mut buffer)?, 0);
            assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            assert!(std::os::unix::net::UnixStream::connect(&path).is_err());
            UdpSocket::bind(datagrams_at)?; // it is free again
            // The numbers are taken still, and lead nowhere.
            assert!((&near).read(&mut buffer).is_err() && (&near).write(b"eggs").is_err());
            assert!((&unix_near).read(&mut buffer).is_err() && (&writer).write(b"eggs").is_err());
            assert!(listener.accept().is_err() && unix_listener.accept().is_err());
            assert!(datagrams.recv(&mut buffer).is_err() && unix_datagrams.recv(&mut buffer).is_err());
            assert!(
                datagrams.send_to(b"eggs", address).is_err()
                    && unix_datagrams.send_to(b"eggs", &post).is_err()
            );
            assert!(unix_datagrams.connect(&post).is_err());
        }
        Ok(())
    });
}

#[test]
fn transports_and_servers_end_without_file_descriptors_though_their_sockets_are_held() {
    alone("transports_and_servers_end_without_file_descriptors_though_their_sockets_are_held", || {
        let heard = coro_core::Future::new();
        let hear = heard.clone();
        let serve = move |mut reader: StreamReader, writer: StreamWriter| {
            let hear = hear.clone();
            coroutine(move || {
                hear.set_result(reader.read_to_end().co_await()?)?;
                writer.close();
                Ok(())
            })
        };
        let server = start_server(serve, "127.0.0.1:0").co_await()?;
        let address = server.local_addrs()[0];
        let (_reader, writer) = open_connection(address).co_await()?;
        writer.write(b"eggs")?;
        sleep(millis(1)).co_await()?; // it is accepted
        let held = (writer.socket(), server.sockets());
        without_descriptors(|| {
            writer.close();
            server.close();
            writer.wait_closed().co_await()
        })?;
        assert_eq!(wait_for(heard, secs(9)).co_await()?, b"eggs");
        assert!(open_connection(address).co_await().is_err());
        drop(held);
        Ok(())
    });
}

#[test]
fn a_connection_whose_number_is_above_the_limit_is_ended_when_it_is_closed() {
    alone("a_connection_whose_number_is_above_the_limit_is_ended_when_it_is_closed", || {
        let (near, mut far) = UnixStream::pair()?;
        let before = set_limit(near.as_raw_fd() as u64);
        let closed = near.close();
        set_limit(before);
        closed?;
        let mut buffer = [0; 8];
        assert_eq!(far.read(&mut buffer)?, 0);
        assert!((&near).write(b"eggs").is_err());
        Ok(())
    });
}
