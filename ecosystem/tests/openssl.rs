//! OpenSSL, by the crate openssl: a library in C that reads and writes through callbacks. Where those wait, the task is
//! suspended with C's frames on its stack.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::OnceLock;

use coro_core::LoopBuilder;
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, is_echoed, run, say_nothing,
    with_server,
};
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, HandshakeError, ShutdownResult, SslAcceptor, SslConnector, SslMethod, SslStream,
};
use openssl::x509::X509;

/// Those of the client that trusts the server, and of the server. The certificate is made for the moment.
fn configurations() -> &'static (SslConnector, SslAcceptor) {
    static MADE: OnceLock<(SslConnector, SslAcceptor)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()]).unwrap();
        let certificate = X509::from_der(made.cert.der()).unwrap();
        let key = PKey::private_key_from_der(&made.signing_key.serialize_der()).unwrap();
        let mut server = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        server.set_private_key(&key).unwrap();
        server.set_certificate(&certificate).unwrap();
        let mut client = SslConnector::builder(SslMethod::tls()).unwrap();
        client.cert_store_mut().add_cert(certificate).unwrap();
        (client.build(), server.build())
    })
}

fn connect(address: SocketAddr) -> Result<SslStream<TcpStream>> {
    Ok(configurations().0.connect("kitchen", TcpStream::connect(address)?)?)
}

/// Says everything again, until the client ends its direction.
fn echo(stream: TcpStream, pause: Duration) -> Result<()> {
    let mut stream = configurations().1.accept(stream)?;
    let mut buffer = [0; 10_000];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            stream.shutdown()?;
            return Ok(());
        }
        sleep(pause).co_await()?;
        stream.write_all(&buffer[..read])?;
    }
}

fn close(mut stream: SslStream<TcpStream>) -> Result<()> {
    assert_eq!(stream.shutdown()?, ShutdownResult::Sent);
    assert_eq!(stream.read(&mut [0])?, 0);
    Ok(())
}

/// A server that shakes hands and is silent then, until its client has left.
fn only_shake_hands(stream: TcpStream) -> Result<()> {
    let mut stream = configurations().1.accept(stream)?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}

fn read(address: SocketAddr) -> Result<usize> {
    let mut stream = connect(address)?;
    stream.write_all(b"eggs?")?;
    Ok(stream.read(&mut [0; 10])?)
}

#[test]
fn fifty_clients_are_served_at_once() {
    run(|| {
        with_server(
            |stream| echo(stream, millis(1)),
            |address| {
                at_once(50, move |number| {
                    let mut stream = connect(address)?;
                    is_echoed(&mut stream, number)?;
                    close(stream)
                })?;
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_c_waits() {
    run(|| {
        with_server(
            |stream| {
                sleep(PAUSE).co_await()?; // the client is in the handshake
                echo(stream, PAUSE)
            },
            |address| {
                beside_another_task(|| {
                    let mut stream = connect(address)?;
                    beside_another_task(|| {
                        stream.write_all(b"eggs")?;
                        Ok(stream.read_exact(&mut [0; 4])?)
                    })?;
                    close(stream)
                })
            },
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_the_handshake_and_a_read() {
    run(|| {
        for silent in [say_nothing, only_shake_hands] {
            with_server(silent, |address| ends_when_broken_off(move || read(address)))?;
        }
        Ok(())
    });
}

#[test]
fn a_loop_that_ends_by_force_unwinds_a_task_through_the_frames_of_c() {
    let event_loop = LoopBuilder::new().virtual_clock().build().unwrap();
    let held = Rc::new(());
    let kept = held.clone();
    let main = coroutine(move || {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        create_task(coroutine(move || only_shake_hands(listener.accept()?.0)));
        create_task(coroutine(move || {
            let _kept = kept;
            read(address)
        }));
        sleep(secs(1)).co_await()
    });
    event_loop.run_until_complete(main).unwrap();
    assert_eq!(Rc::strong_count(&held), 2);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn what_goes_wrong_is_an_error_of_openssl() {
    run(|| {
        with_server(
            |stream| {
                let result = configurations().1.accept(stream).map_err(Error::from);
                let error: &HandshakeError<TcpStream> = error_of(&result);
                assert!(error.to_string().contains("unknown ca"), "{error}");
                Ok(())
            },
            |address| {
                let stranger = SslConnector::builder(SslMethod::tls())?.build();
                let result = stranger.connect("kitchen", TcpStream::connect(address)?).map_err(Error::from);
                let error: &HandshakeError<TcpStream> = error_of(&result);
                assert!(error.to_string().contains("certificate verify failed"), "{error}");
                sleep(secs(1)).co_await() // until the server has heard of it
            },
        )?;
        with_server(
            |stream| {
                let mut stream = configurations().1.accept(stream)?;
                assert_ne!(stream.read(&mut [0; 10])?, 0);
                stream.get_ref().set_linger(Some(secs(0)))?; // its end is a reset
                Ok(())
            },
            |address| {
                let mut stream = connect(address)?;
                stream.write_all(b"eggs?")?;
                let error = stream.ssl_read(&mut [0; 10]).unwrap_err();
                assert_eq!(error.code(), ErrorCode::SYSCALL);
                assert_eq!(error.io_error().map(io::Error::kind), Some(io::ErrorKind::ConnectionReset));
                Ok(())
            },
        )
    });
}
