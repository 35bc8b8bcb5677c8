//! TLS: what both sides say arrives and nothing else does, whatever the other side, the network or a cancellation does.
#![cfg(unix)]

mod common;

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use common::{Log, at_each_moment, direct, ended, quiet_panics, reported, run, silent};
use coro_core::net;
use coro_core::tls::{Tls, TlsStream, rustls};
use coro_core::{ExceptionContext, Future, Protocol, RunBuilder, Transport, ValueError, prelude::*};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error as TlsError, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};

type Side = (StreamReader, StreamWriter);

fn certificate() -> &'static (CertificateDer<'static>, Vec<u8>) {
    static MADE: OnceLock<(CertificateDer<'static>, Vec<u8>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()]).unwrap();
        (made.cert.der().clone(), made.signing_key.serialize_der())
    })
}

fn server_config() -> ServerConfig {
    let (certificate, key) = certificate();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.clone()).into())
        .unwrap()
}

fn client_config(trusts: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if trusts {
        roots.add(certificate().0.clone()).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn server() -> Tls {
    Tls::server(Arc::new(server_config()))
}

fn client() -> Tls {
    Tls::client(Arc::new(client_config(true)), "kitchen")
}

/// Both ends of an encrypted connection: the client's, the server's.
fn pair() -> Result<(Side, Side)> {
    let (near, far) = UnixStream::pair()?;
    gather((open_connection(near).tls(client()), open_connection(far).tls(server()))).co_await()
}

/// Both ends of a connection that is not encrypted.
fn plain_pair() -> Result<(Side, Side)> {
    let (near, far) = UnixStream::pair()?;
    Ok((open_connection(near).co_await()?, open_connection(far).co_await()?))
}

/// The end of an encrypted connection, and what is below the other one, for tests that play rustls themselves.
fn raw_server() -> Result<(Side, TlsStream<ServerConnection, net::UnixStream>)> {
    let (near, far) = net::UnixStream::pair()?;
    let mut stream = TlsStream::new(ServerConnection::new(Arc::new(server_config()))?, far);
    let shaken = create_task(coroutine(move || {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }));
    let side = open_connection(near).tls(client()).co_await()?;
    Ok((side, shaken.co_await()?))
}

fn kind(error: &Error) -> Option<io::ErrorKind> {
    Some(error.downcast_ref::<io::Error>()?.kind())
}

/// What rustls has said.
fn tls_error(error: &Error) -> Option<&TlsError> {
    error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 31 + index / 251) as u8).collect()
}

#[test]
fn streams_talk_and_tell_what_was_agreed_on() {
    run(|| {
        let serve = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || {
                let info = writer.tls().unwrap();
                assert_eq!(info.server_name(), Some("kitchen"));
                assert_eq!(info.alpn_protocol(), Some(&b"eggs/2"[..]));
                let line = reader.readline().co_await()?;
                writer.writelines([&b"you said: "[..], &line])?;
                writer.close();
                writer.wait_closed().co_await()
            })
        };
        let mut config = server_config();
        config.alpn_protocols = vec![b"eggs/2".to_vec(), b"eggs/1".to_vec()];
        let server = start_server(serve, "127.0.0.1:0").tls(Arc::new(config)).co_await()?;
        let mut config = client_config(true);
        config.alpn_protocols = vec![b"eggs/1".to_vec(), b"eggs/2".to_vec()];
        let address = server.local_addrs()[0];
        let (mut reader, writer) = open_connection(address).tls((Arc::new(config), "kitchen")).co_await()?;
        let info = writer.tls().unwrap();
        assert_eq!(info.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(info.peer_certificates(), [certificate().0.clone()]);
        assert_eq!(info.alpn_protocol(), Some(&b"eggs/2"[..]));
        assert_eq!(info.server_name(), None);
        assert_eq!(writer.peername(), Some(address));
        assert!(writer.sockname().is_some() && writer.socket().is_some() && !writer.can_write_eof());
        writer.write(b"six eggs\n")?;
        assert_eq!(reader.read_to_end().co_await()?, b"you said: six eggs\n");
        writer.wait_closed().co_await()?; // the other side has closed, and so has this one
        assert!(writer.is_closing() && writer.socket().is_none());
        assert_eq!((writer.peername(), writer.tls().is_some()), (Some(address), true));
        server.close();
        server.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn tls_1_2_is_spoken_too() {
    run(|| {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate().0.clone())?;
        let config = ClientConfig::builder_with_provider(ring)
            .with_protocol_versions(&[&rustls::version::TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = UnixStream::pair()?;
        let client = open_connection(near).tls((Arc::new(config), "kitchen"));
        let ((_near, writer), (mut reader, _far)) =
            gather((client, open_connection(far).tls(server()))).co_await()?;
        assert_eq!(writer.tls().unwrap().protocol_version(), Some(ProtocolVersion::TLSv1_2));
        writer.write(b"eggs")?;
        writer.close();
        assert_eq!(reader.read_to_end().co_await()?, b"eggs");
        Ok(())
    })
    .unwrap();
}

#[test]
fn much_goes_both_ways_at_once_and_no_more_is_held_than_the_limits_say() {
    const SIZE: usize = 8 << 20;
    run(|| {
        let ((near_reader, near), (far_reader, far)) = pair()?;
        let data: Rc<[u8]> = bytes(SIZE).into();
        let most = Rc::new(Cell::new(0));
        let send = |writer: StreamWriter| {
            let (data, most) = (data.clone(), most.clone());
            coroutine(move || {
                for piece in data.chunks(50_000) {
                    writer.write(piece)?;
                    most.set(most.get().max(writer.transport().get_write_buffer_size()));
                    writer.drain().co_await()?;
                }
                Ok(())
            })
        };
        let receive = |mut reader: StreamReader| coroutine(move || reader.readexactly(SIZE).co_await());
        let (_, _, there, back) =
            gather((send(near.clone()), send(far.clone()), receive(far_reader), receive(near_reader)))
                .co_await()?;
        assert!(there == *data && back == *data);
        let (_, high) = near.transport().get_write_buffer_limits();
        assert!(most.get() <= high + 60_000, "{}", most.get());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_reader_that_does_not_read_holds_the_writer_back() {
    run(|| {
        let ((_near, writer), (mut reader, _far)) = pair()?;
        let sent = Rc::new(Cell::new(0));
        let count = sent.clone();
        let sending = create_task(coroutine(move || {
            for _ in 0..1000 {
                writer.write(&[7; 32 * 1024])?;
                writer.drain().co_await()?;
                count.set(count.get() + 32 * 1024);
            }
            writer.close();
            Ok(())
        }));
        sleep(secs(5)).co_await()?;
        let stalled = sent.get();
        assert!(stalled < 4 << 20, "{stalled}");
        sleep(secs(5)).co_await()?;
        assert_eq!(sent.get(), stalled);
        let all = reader.read_to_end().co_await()?;
        assert!(all.len() == 1000 * 32 * 1024 && all.iter().all(|byte| *byte == 7));
        sending.co_await()
    })
    .unwrap();
}

#[test]
fn a_hundred_connections_at_once() {
    run(|| {
        let serve = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || {
                let line = reader.readline().co_await()?;
                sleep(secs(1)).co_await()?; // until all are there
                writer.write(&line)?;
                writer.close();
                Ok(())
            })
        };
        let server = start_server(serve, "127.0.0.1:0").tls(server()).backlog(200).co_await()?;
        let (address, tls) = (server.local_addrs()[0], client());
        let fetch = |number: u32| {
            let tls = tls.clone();
            coroutine(move || {
                let (mut reader, writer) = open_connection(address).tls(tls).co_await()?;
                writer.write(format!("{number}\n").as_bytes())?;
                let line = reader.read_to_end().co_await()?;
                Ok(String::from_utf8(line)?)
            })
        };
        let answers = gather((0..100).map(fetch)).co_await()?;
        assert!(answers.iter().enumerate().all(|(number, answer)| *answer == format!("{number}\n")));
        server.close();
        server.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn an_encrypted_connection_to_the_address_that_answers() {
    let (full, _clients) = silent().unwrap();
    run(|| {
        let echo = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || writer.write(&reader.readline().co_await()?))
        };
        let server = start_server(echo, "127.0.0.1:0").tls(server()).co_await()?;
        let addresses = [full.local_addr()?, server.local_addrs()[0]];
        let connecting = open_connection(&addresses[..]).tls(client()).local_addr("127.0.0.1:0");
        let (mut reader, writer) = connecting.happy_eyeballs_delay(secs(0)).co_await()?;
        assert_eq!(writer.peername(), Some(addresses[1]));
        writer.write(b"secret\n")?;
        assert_eq!(reader.readline().co_await()?, b"secret\n");
        // An attempt is over when the socket is connected: what the handshake says is final.
        let stranger = Tls::client(Arc::new(client_config(false)), "kitchen");
        let connecting = open_connection(&addresses[..]).happy_eyeballs_delay(secs(0));
        let error = connecting.tls(stranger).co_await().err().unwrap();
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::InvalidData);
        server.close();
        Ok(())
    })
    .unwrap();
}

// Handshakes that fail.

/// Connects as `tls` to a server that echoes, and is none the worse for it. What the client is told.
fn refused(tls: Tls) -> Error {
    run(|| {
        let echo = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || {
                let line = reader.readline().co_await()?;
                writer.write(&line)
            })
        };
        let server = start_server(echo, "127.0.0.1:0").tls(server()).co_await()?;
        let address = server.local_addrs()[0];
        let error = open_connection(address).tls(tls).co_await().err().unwrap();
        let (mut reader, writer) = open_connection(address).tls(client()).co_await()?;
        writer.write(b"still here\n")?;
        assert_eq!(reader.readline().co_await()?, b"still here\n");
        writer.close();
        server.close();
        server.wait_closed().co_await()?;
        Ok(error)
    })
    .unwrap()
}

#[test]
fn a_stranger_is_not_trusted() {
    let error = refused(Tls::client(Arc::new(client_config(false)), "kitchen"));
    assert_eq!(kind(&error), Some(io::ErrorKind::InvalidData));
    assert_eq!(tls_error(&error), Some(&TlsError::InvalidCertificate(CertificateError::UnknownIssuer)));
    assert_eq!(error.to_string(), "invalid peer certificate: UnknownIssuer");
}

#[test]
fn another_name_is_not_accepted() {
    let error = refused(Tls::client(Arc::new(client_config(true)), "cellar"));
    let Some(TlsError::InvalidCertificate(CertificateError::NotValidForNameContext { expected, .. })) =
        tls_error(&error)
    else {
        panic!("{error:?}");
    };
    assert_eq!(*expected, ServerName::try_from("cellar").unwrap());
}

#[test]
fn a_side_that_is_refused_is_told_why() {
    run(|| {
        let (near, far) = UnixStream::pair()?;
        let stranger = Tls::client(Arc::new(client_config(false)), "kitchen");
        let client = create_task(open_connection(near).tls(stranger));
        let error = open_connection(far).tls(server()).co_await().err().unwrap();
        assert_eq!(tls_error(&error), Some(&TlsError::AlertReceived(AlertDescription::UnknownCA)));
        assert!(client.co_await().is_err());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_name_that_is_none_and_a_limit_of_zero_are_refused_before_anything_happens() {
    run(|| {
        let config = Arc::new(client_config(true));
        let error = open_connection("127.0.0.1:1").tls((config.clone(), "no name")).co_await().err().unwrap();
        assert!(error.is::<ValueError>(), "{error:?}");
        let no_time = Tls::client(config.clone(), "kitchen").handshake_timeout(secs(0));
        let error = open_connection("127.0.0.1:1").tls(no_time).co_await().err().unwrap();
        assert_eq!(error.to_string(), "the handshake timeout should be a positive number, got 0");
        // An upgrade that cannot begin leaves the connection, and what waits to be read, as it was.
        let ((_near, writer), (mut reader, far)) = plain_pair()?;
        writer.write(b"hello\n")?;
        sleep(secs(1)).co_await()?;
        let never = Tls::client(config, "kitchen").shutdown_timeout(secs(0));
        assert!(far.start_tls(never).co_await().unwrap_err().is::<ValueError>());
        assert_eq!(reader.readline().co_await()?, b"hello\n");
        Ok(())
    })
    .unwrap();
}

/// What a client or server is told when the other side sends `sent` and then waits, or closes.
fn other_side(tls: Tls, sent: &'static [u8], closes: bool) -> Error {
    run(|| {
        let (near, mut far) = UnixStream::pair()?;
        far.write_all(sent)?;
        if closes {
            far.shutdown(std::net::Shutdown::Write)?;
        }
        let error = open_connection(near).tls(tls).co_await().err().unwrap();
        sleep(secs(1)).co_await()?;
        far.set_nonblocking(true)?;
        while far.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        // Closed by now, not kept by somebody.
        assert!(far.write(b"?").is_err());
        Ok(error)
    })
    .unwrap()
}

#[test]
fn a_side_that_does_not_encrypt_is_an_error() {
    for tls in [client(), server()] {
        let error = other_side(tls, b"GET / HTTP/1.1\r\nHost: kitchen\r\n\r\n", false);
        assert!(matches!(tls_error(&error), Some(TlsError::InvalidMessage(_))), "{error:?}");
    }
}

#[test]
fn a_side_that_closes_midway_is_an_error() {
    // Nothing at all, and the head of a record that does not follow.
    for sent in [&b""[..], b"\x16\x03\x03\x01\x00\x02"] {
        for tls in [client(), server()] {
            let error = other_side(tls, sent, true);
            assert_eq!(kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
            assert_eq!(error.to_string(), "the connection was closed during the TLS handshake");
        }
    }
}

#[test]
fn a_side_that_says_nothing_is_an_error_after_a_minute_or_as_said() {
    for (tls, limit) in [(client(), 60), (server(), 60), (client().handshake_timeout(secs(7)), 7)] {
        run(|| {
            let (near, _far) = UnixStream::pair()?;
            let started = get_running_loop()?.time();
            let error = open_connection(near).tls(tls.clone()).co_await().err().unwrap();
            assert_eq!(get_running_loop()?.time() - started, secs(limit));
            assert_eq!(kind(&error), Some(io::ErrorKind::ConnectionAborted));
            let message =
                format!("TLS handshake is taking longer than {limit} seconds: aborting the connection");
            assert_eq!(error.to_string(), message);
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_client_whose_handshake_fails_is_told_to_nobody() {
    let main = || {
        coroutine(|| {
            get_running_loop()?.set_exception_handler(|_, context: &ExceptionContext| {
                panic!("{}", context.message);
            });
            let never = |_: StreamReader, _: StreamWriter| -> coro_core::BoxCoroutine<()> { unreachable!() };
            let server = start_server(never, "127.0.0.1:0").tls(server()).co_await()?;
            let (mut reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;
            writer.write(b"hello?\n")?;
            reader.read_to_end().co_await().ok();
            writer.close();
            server.close();
            server.wait_closed().co_await()
        })
    };
    let ((), reports) = reported(|| RunBuilder::new().run(main()).unwrap());
    assert!(reports.is_empty(), "{reports:?}");
}

// From plain to encrypted.

#[test]
fn a_connection_becomes_encrypted_and_all_handles_go_on() {
    run(|| {
        let ((mut near_reader, near), (mut far_reader, far)) = plain_pair()?;
        let clone = near.clone();
        near.write(b"start\n")?;
        assert_eq!(far_reader.readline().co_await()?, b"start\n");
        let (both, other) = (create_task(near.start_tls(client())), create_task(far.start_tls(server())));
        both.co_await()?;
        other.co_await()?;
        assert!(clone.tls().is_some() && !clone.transport().can_write_eof());
        clone.write(b"a secret\n")?;
        assert_eq!(far_reader.readline().co_await()?, b"a secret\n");
        far.write(b"kept\n")?;
        assert_eq!(near_reader.readline().co_await()?, b"kept\n");
        far.close();
        assert_eq!(near_reader.read_to_end().co_await()?, b"");
        gather((near.wait_closed(), far.wait_closed())).co_await()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_hurried_client_has_sent_is_part_of_the_handshake() {
    run(|| {
        let ((_reader, near), (mut far_reader, far)) = plain_pair()?;
        near.write(b"start\n")?;
        let hurried = create_task(near.start_tls(client())); // without waiting for an answer
        sleep(secs(1)).co_await()?;
        assert_eq!(far_reader.readline().co_await()?, b"start\n"); // and the reader has the hello, too
        far.start_tls(server()).co_await()?;
        hurried.co_await()?;
        near.write(b"a secret\n")?;
        assert_eq!(far_reader.readline().co_await()?, b"a secret\n");
        Ok(())
    })
    .unwrap();
}

#[test]
fn nobody_slips_in_what_was_not_encrypted() {
    run(|| {
        let ((_reader, near), (mut far_reader, far)) = plain_pair()?;
        near.write(b"start\nDELETE ALL\n")?;
        assert_eq!(far_reader.readline().co_await()?, b"start\n");
        let error = far.start_tls(server()).co_await().unwrap_err();
        assert!(matches!(tls_error(&error), Some(TlsError::InvalidMessage(_))), "{error:?}");
        assert_eq!(far_reader.readline().co_await().ok().unwrap_or_default(), b"");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_second_upgrade_meanwhile_and_one_of_a_closed_connection_are_refused() {
    run(|| {
        let ((_a, near), (_b, far)) = plain_pair()?;
        let first = create_task(near.start_tls(client()));
        sleep(secs(1)).co_await()?;
        let error = near.start_tls(client()).co_await().unwrap_err();
        assert_eq!(error.to_string(), "start_tls() is under way already");
        far.start_tls(server()).co_await()?;
        first.co_await()?;
        let ((_c, near), _far) = plain_pair()?;
        near.close();
        let error = near.start_tls(client()).co_await().unwrap_err();
        assert_eq!(kind(&error), Some(io::ErrorKind::ConnectionReset));
        Ok(())
    })
    .unwrap();
}

#[test]
fn encrypted_connections_can_be_encrypted_again() {
    run(|| {
        let ((_reader, near), (mut reader, far)) = pair()?;
        gather((near.start_tls(client()), far.start_tls(server()))).co_await()?;
        let data = bytes(1 << 20);
        near.write(&data)?;
        near.close();
        assert!(reader.read_to_end().co_await()? == data);
        gather((near.wait_closed(), far.wait_closed())).co_await()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_upgrade_that_fails_ends_the_connection_for_those_who_wait() {
    run(|| {
        let ((_reader, near), (_far_reader, far)) = plain_pair()?;
        let stranger = Tls::client(Arc::new(client_config(false)), "kitchen");
        let failing = create_task(far.start_tls(server()));
        assert!(near.start_tls(stranger).co_await().is_err());
        assert!(failing.co_await().is_err());
        for writer in [near, far] {
            assert!(tls_error(&writer.wait_closed().co_await().unwrap_err()).is_some());
            assert!(writer.drain().co_await().is_err());
        }
        // One that takes too long, too.
        let ((_reader, near), _silent) = plain_pair()?;
        assert!(near.start_tls(client()).co_await().is_err());
        assert_eq!(kind(&near.wait_closed().co_await().unwrap_err()), Some(io::ErrorKind::ConnectionAborted));
        Ok(())
    })
    .unwrap();
}

// Cancellation.

#[test]
fn connecting_is_cancelled_at_any_moment_and_leaves_nothing_open() {
    at_each_moment(|moment| {
        let (near, far) = UnixStream::pair()?;
        let task = create_task(open_connection(near).tls(client()));
        let serving = create_task(open_connection(far).tls(server()));
        direct(&task.any_task(), moment, |_| ())?;
        let outcome = task.co_await().map(|(_reader, writer)| writer.close());
        ended(outcome);
        // The other side either never got through, or reads the end.
        if let Ok((mut reader, writer)) = serving.co_await() {
            let _ = reader.read_to_end().co_await();
            let _ = writer.wait_closed().co_await();
        }
        Ok(())
    });
}

#[test]
fn an_upgrade_is_cancelled_at_any_moment_and_the_connection_ends() {
    at_each_moment(|moment| {
        let ((_reader, near), (mut far_reader, far)) = plain_pair()?;
        let begun = Rc::new(Cell::new(false));
        let (begins, upgrade) = (begun.clone(), near.start_tls(client()));
        let task = create_task(coroutine(move || {
            begins.set(true);
            upgrade.co_await()
        }));
        let serving = create_task(far.start_tls(server()));
        direct(&task.any_task(), moment, |_| ())?;
        let cancelled = task.co_await();
        if cancelled.is_err() && begun.get() {
            assert!(near.is_closing());
            near.wait_closed().co_await()?;
        }
        near.close();
        ended(cancelled);
        let _ = serving.co_await();
        let _ = far_reader.read_to_end().co_await();
        let _ = far.wait_closed().co_await();
        Ok(())
    });
}

#[test]
fn reads_and_drains_are_cancelled_at_any_moment_and_lose_nothing() {
    at_each_moment(|moment| {
        let ((_near, writer), (mut reader, _far)) = pair()?;
        let data = bytes(1_000_000);
        writer.write(&data)?;
        let draining = create_task(writer.drain());
        let mut own = reader.clone();
        let reading = create_task(coroutine(move || own.read(100_000).co_await()));
        draining.cancel();
        direct(&reading.any_task(), moment, |_| ())?;
        ended(draining.co_await());
        writer.close();
        let taken = reading.co_await();
        let mut all = taken.clone().unwrap_or_default();
        ended(taken);
        all.extend(reader.read_to_end().co_await()?);
        assert!(all == data);
        Ok(())
    });
}

// The end.

#[test]
fn close_sends_all_that_was_written_and_says_that_it_is_the_end() {
    run(|| {
        let ((_reader, writer), mut stream) = raw_server()?;
        let data = bytes(3_000_000);
        writer.write(&data)?;
        writer.close();
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?; // an error, without a close_notify
        assert!(all == data);
        stream.conn.send_close_notify();
        stream.flush()?;
        writer.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn a_side_that_does_not_close_too_is_given_half_a_minute() {
    run(|| {
        let ((_reader, writer), stream) = raw_server()?;
        let started = get_running_loop()?.time();
        writer.close();
        let error = writer.wait_closed().co_await().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(error.to_string(), "TLS shutdown timed out");
        assert_eq!(get_running_loop()?.time() - started, secs(30));
        drop(stream);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_comes_after_close_goes_nowhere_and_harms_nobody() {
    run(|| {
        let ((mut reader, writer), mut stream) = raw_server()?;
        writer.close();
        stream.write_all(b"too late")?;
        stream.conn.send_close_notify();
        stream.flush()?;
        writer.wait_closed().co_await()?;
        assert_eq!(reader.read_to_end().co_await()?, b"");
        Ok(())
    })
    .unwrap();
}

#[test]
fn who_writes_no_more_still_gets_all_of_the_answer() {
    run(|| {
        let ((mut reader, writer), mut stream) = raw_server()?;
        let data = bytes(3_000_000);
        writer.write(&data)?; // much of it waits here
        stream.write_all(b"the end")?;
        stream.conn.send_close_notify();
        stream.flush()?;
        assert_eq!(reader.read_to_end().co_await()?, b"the end");
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        assert!(all == data);
        writer.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn an_end_without_notice_is_an_end_as_in_asyncio() {
    for half in [false, true] {
        run(|| {
            let ((mut reader, writer), mut stream) = raw_server()?;
            stream.write_all(b"cut o")?;
            let data = bytes(1_000_000);
            if half {
                writer.write(&data)?;
                stream.sock.shutdown(std::net::Shutdown::Write)?;
            } else {
                drop(stream);
                assert_eq!(reader.read_to_end().co_await()?, b"cut o");
                return writer.wait_closed().co_await();
            }
            assert_eq!(reader.read_to_end().co_await()?, b"cut o");
            let mut all = vec![0; data.len()];
            stream.read_exact(&mut all)?; // what was written is sent all the same
            assert!(all == data);
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            writer.wait_closed().co_await()
        })
        .unwrap();
    }
}

#[test]
fn abort_ends_it_at_once() {
    run(|| {
        let ((mut reader, writer), (mut far_reader, far)) = pair()?;
        writer.write(&bytes(5_000_000))?;
        writer.transport().abort();
        writer.wait_closed().co_await()?;
        assert_eq!(reader.read_to_end().co_await()?, b"");
        assert!(far_reader.read_to_end().co_await().is_ok_and(|all| all.len() < 5_000_000));
        far.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn a_server_closes_its_clients() {
    run(|| {
        let serve = |mut reader: StreamReader, _writer: StreamWriter| {
            coroutine(move || {
                let _ = reader.read_to_end().co_await();
                Ok(())
            })
        };
        let server = start_server(serve, "127.0.0.1:0").tls(server()).co_await()?;
        let address = server.local_addrs()[0];
        let (mut reader, writer) = open_connection(address).tls(client()).co_await()?;
        let (mut silent, _silent) = open_connection(address).co_await()?; // its handshake has not begun
        sleep(secs(1)).co_await()?;
        server.close();
        server.close_clients();
        server.wait_closed().co_await()?;
        assert_eq!(reader.read_to_end().co_await()?, b"");
        assert_eq!(silent.read_to_end().co_await()?, b"");
        writer.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn write_eof_says_that_it_does_nothing() {
    let ((), reports) = reported(|| {
        run(|| {
            let ((_near, writer), (mut reader, _far)) = pair()?;
            writer.write_eof();
            writer.write(b"more")?;
            writer.close();
            assert_eq!(reader.read_to_end().co_await()?, b"more");
            Ok(())
        })
        .unwrap();
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with("write_eof() does nothing"), "{reports:?}");
}

#[test]
fn writes_after_the_end_go_nowhere() {
    run(|| {
        let ((_reader, writer), (_far_reader, far)) = pair()?;
        far.close();
        writer.wait_closed().co_await()?;
        writer.write(b"hello?")?;
        writer.writelines(["hello?"])?;
        assert!(writer.drain().co_await().is_err());
        assert_eq!(writer.transport().get_write_buffer_size(), 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_loop_that_ends_ends_its_connections() {
    let ((), reports) = reported(|| {
        run(|| {
            let (near, far) = pair()?;
            std::mem::forget(near.1.clone()); // a handle that somebody has lost
            near.1.transport().pause_reading();
            near.1.write(&bytes(2_000_000))?;
            drop((near, far));
            Ok(())
        })
        .unwrap();
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn handles_that_outlive_their_loop_are_harmless() {
    let ((), reports) = reported(|| {
        let ((reader, writer), far) = run(pair).unwrap();
        assert!(writer.is_closing());
        writer.write(b"hello?").unwrap();
        writer.close();
        writer.transport().abort();
        writer.transport().resume_reading();
        drop((far, writer, reader));
    });
    assert!(reports.is_empty(), "{reports:?}");
}

// Something in between.

/// What ends the connection of a server when somebody in between changes the byte `at` of what the client sends after
/// the handshake.
fn tampered(at: usize) -> Error {
    run(|| {
        let ((client_end, to_client), (server_end, to_server)) =
            (net::UnixStream::pair()?, net::UnixStream::pair()?);
        let (in_reply, out_reply) = (to_server.try_clone()?, to_client.try_clone()?);
        create_task(coroutine(move || Ok(io::copy(&mut &in_reply, &mut &out_reply).map(drop)?)));
        let armed = Rc::new(Cell::new(false));
        let arm = armed.clone();
        create_task(coroutine(move || {
            let (mut buffer, mut passed) = ([0; 4096], 0);
            loop {
                let count = (&to_client).read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                if armed.get() {
                    if (passed..passed + count).contains(&at) {
                        buffer[at - passed] ^= 1;
                    }
                    passed += count;
                }
                // The other side may have gone.
                if (&to_server).write_all(&buffer[..count]).is_err() {
                    return Ok(());
                }
            }
        }));
        let (client, server) =
            (open_connection(client_end).tls(client()), open_connection(server_end).tls(server()));
        let ((_client_reader, client), (mut reader, server)) = gather((client, server)).co_await()?;
        arm.set(true);
        client.write(&[b'x'; 1000])?;
        assert_eq!(reader.readexactly(1000).co_await()?, [b'x'; 1000]);
        client.write(&[b'y'; 1000])?;
        let error = reader.read(1).co_await().unwrap_err();
        assert!(server.is_closing());
        Ok(error)
    })
    .unwrap()
}

#[test]
fn what_was_changed_on_its_way_is_an_error_and_not_data() {
    let error = tampered(1500);
    assert_eq!(tls_error(&error), Some(&TlsError::DecryptError), "{error:?}");
}

// Protocols.

/// Notes what it is told.
struct Noting {
    log: Log,
    transport: RefCell<Option<Transport>>,
    lost: Future<()>,
    panics: bool,
}

impl Noting {
    fn new(log: &Log, panics: bool) -> Self {
        Self { log: log.clone(), transport: RefCell::default(), lost: Future::new(), panics }
    }

    fn factory(log: &Log, panics: bool) -> impl FnOnce() -> Self + use<> {
        let log = log.clone();
        move || Self::new(&log, panics)
    }
}

impl Protocol for Noting {
    fn connection_made(&self, transport: &Transport) {
        self.log.push("made");
        self.transport.replace(Some(transport.clone()));
    }

    fn data_received(&self, data: &[u8]) {
        self.log.push(format!("data {}", data.escape_ascii()));
        assert!(!self.panics, "meant: to fail");
    }

    fn eof_received(&self) -> bool {
        self.log.push("eof");
        true
    }

    fn connection_lost(&self, error: Option<Error>) {
        self.log.push(format!("lost {}", error.is_some()));
        let _ = self.lost.set_result(());
    }

    fn pause_writing(&self) {
        self.log.push("pause");
    }

    fn resume_writing(&self) {
        self.log.push("resume");
    }
}

#[test]
fn protocols_are_told_in_the_order_of_asyncio() {
    let (ours, theirs) = (Log::new(), Log::new());
    let ((), reports) = reported(|| {
        run(|| {
            let event_loop = get_running_loop()?;
            let log = theirs.clone();
            let server = event_loop
                .create_server(move || Noting::new(&log, false), "127.0.0.1:0")
                .tls(server())
                .co_await()?;
            let connecting =
                event_loop.create_connection(|| Noting::new(&ours, false), server.local_addrs()[0]);
            let (transport, noting) = connecting.tls(client()).co_await()?;
            assert!(transport.same(noting.transport.borrow().as_ref().unwrap()));
            let protocol: Rc<dyn std::any::Any> = transport.get_protocol().unwrap();
            assert!(protocol.downcast::<Noting>().is_ok());
            transport.set_write_buffer_limits(Some(100_000), None)?;
            transport.write(b"one")?;
            sleep(secs(1)).co_await()?;
            transport.close();
            (&noting.lost).co_await()?;
            noting.transport.take();
            server.close();
            server.wait_closed().co_await()
        })
        .unwrap();
    });
    assert_eq!(ours.take(), ["made", "eof", "lost false"]);
    assert_eq!(theirs.take(), ["made", "data one", "eof", "lost false"]);
    let warning = "returning true from eof_received() has no effect when using TLS";
    assert_eq!(reports, [warning; 2]);
}

#[test]
fn a_paused_protocol_is_told_later_and_one_that_closes_never() {
    let log = Log::new();
    run(|| {
        let (near, far) = UnixStream::pair()?;
        let event_loop = get_running_loop()?;
        let noting = event_loop.create_connection(Noting::factory(&log, false), near).tls(client());
        let ((transport, noting), (_reader, writer)) =
            gather((noting, open_connection(far).tls(server()))).co_await()?;
        transport.pause_reading();
        assert!(!transport.is_reading());
        writer.write(b"one")?;
        sleep(secs(1)).co_await()?;
        assert_eq!(log.take(), ["made"]);
        transport.resume_reading();
        sleep(secs(1)).co_await()?;
        assert_eq!(log.take(), ["data one"]);
        // What came unseen, the end of the other side with it, is dropped by closing.
        transport.pause_reading();
        writer.write(b"two")?;
        writer.close();
        sleep(secs(1)).co_await()?;
        assert!(log.take().is_empty());
        transport.close();
        (&noting.lost).co_await()?;
        assert_eq!(log.take(), ["eof", "lost false"]);
        writer.wait_closed().co_await()
    })
    .unwrap();
}

#[test]
fn a_paused_protocol_is_told_the_end_when_it_resumes_or_closes() {
    for resumes in [true, false] {
        let log = Log::new();
        run(|| {
            let (near, far) = net::UnixStream::pair()?;
            let event_loop = get_running_loop()?;
            let noting = event_loop.create_connection(Noting::factory(&log, false), near).tls(client());
            let mut stream = TlsStream::new(ServerConnection::new(Arc::new(server_config()))?, far);
            let writes = coroutine(move || {
                stream.write_all(b"cut o")?;
                Ok(stream)
            });
            let ((transport, noting), stream) = gather((noting, writes)).co_await()?;
            transport.pause_reading();
            drop(stream); // without a notice
            sleep(secs(100)).co_await()?;
            log.take();
            match resumes {
                true => transport.resume_reading(),
                false => transport.close(),
            }
            (&noting.lost).co_await()?;
            Ok(())
        })
        .unwrap();
        assert_eq!(log.take().last().unwrap(), "lost false");
    }
}

#[test]
fn a_protocol_that_panics_loses_its_connection() {
    quiet_panics();
    let (log, told) = (Log::new(), Log::new());
    run(|| {
        let (near, far) = UnixStream::pair()?;
        let event_loop = get_running_loop()?;
        let heard = told.clone();
        event_loop.set_exception_handler(move |_, context| heard.push(context.message.clone()));
        let noting = event_loop.create_connection(Noting::factory(&log, true), near).tls(client());
        let ((_transport, noting), (mut reader, writer)) =
            gather((noting, open_connection(far).tls(server()))).co_await()?;
        writer.write(b"one")?;
        (&noting.lost).co_await()?;
        assert_eq!(reader.read_to_end().co_await()?, b"");
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["made", "data one", "lost true"]);
    assert_eq!(told.take(), ["Fatal error: protocol.data_received() call failed."]);
}

thread_local! {
    static HOSTILE: RefCell<Option<Transport>> = const { RefCell::new(None) };
}

/// Trusts everybody, and does in the middle of it what it should not.
#[derive(Debug)]
enum Hostile {
    Closes,
    Writes,
    Panics,
}

impl ServerCertVerifier for Hostile {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let below = HOSTILE.take();
        let protocol = below.as_ref().unwrap().get_protocol().unwrap();
        match self {
            Self::Closes => below.unwrap().close(),
            // As if more had come in the middle of it.
            Self::Writes => protocol.data_received(b""),
            Self::Panics => panic!("meant: to fail"),
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        unreachable!()
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[test]
fn a_verifier_that_calls_back_or_panics_harms_nobody_else() {
    quiet_panics();
    for hostile in [Hostile::Writes, Hostile::Closes, Hostile::Panics] {
        run(|| {
            get_running_loop()?.set_exception_handler(|_, _| ());
            let (succeeds, fails) = (matches!(hostile, Hostile::Writes), matches!(hostile, Hostile::Panics));
            let config =
                ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                    .with_safe_default_protocol_versions()?
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(hostile))
                    .with_no_client_auth();
            let ((mut near_reader, near), (_far_reader, far)) = plain_pair()?;
            HOSTILE.set(Some(near.transport().clone()));
            let serving = create_task(far.start_tls(server()));
            let outcome = near.start_tls((Arc::new(config), "anybody")).co_await();
            assert!(outcome.is_ok() || !succeeds, "{outcome:?}");
            assert!(outcome.is_err() || !fails);
            if succeeds {
                serving.co_await()?;
                far.write(b"hello\n")?;
                assert_eq!(near_reader.readline().co_await()?, b"hello\n");
            } else {
                let _ = serving.co_await();
                let _ = near.wait_closed().co_await();
                let _ = far.wait_closed().co_await();
            }
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn data_sent_before_the_end_of_the_handshake_arrives_first() {
    run(|| {
        let mut config = server_config();
        config.max_early_data_size = 1024;
        let serving = Tls::server(Arc::new(config));
        let mut config = client_config(true);
        config.enable_early_data = true;
        let config = Arc::new(config);
        // The first connection brings the ticket.
        let (near, far) = UnixStream::pair()?;
        let first = open_connection(near).tls((config.clone(), "kitchen"));
        let ((mut reader, near), (_reader, far)) =
            gather((first, open_connection(far).tls(serving.clone()))).co_await()?;
        far.write(b"hello\n")?;
        reader.readline().co_await()?;
        near.close();
        near.wait_closed().co_await()?;

        let (near, far) = net::UnixStream::pair()?;
        let mut connection = ClientConnection::new(config, "kitchen".try_into()?)?;
        connection.early_data().expect("there is a ticket").write_all(b"early ")?;
        let mut stream = TlsStream::new(connection, near);
        let client = create_task(coroutine(move || {
            stream.write_all(b"and late")?;
            assert!(stream.conn.is_early_data_accepted());
            stream.conn.send_close_notify();
            Ok(stream.flush()?)
        }));
        let (mut reader, _writer) = open_connection(far).tls(serving).co_await()?;
        assert_eq!(reader.read_to_end().co_await()?, b"early and late");
        client.co_await()
    })
    .unwrap();
}

#[test]
fn rustls_works_on_sockets_as_it_is() {
    run(|| {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let data: Rc<[u8]> = bytes(2_000_000).into();
        let server = create_task(coroutine(move || {
            let (socket, _) = listener.accept()?;
            let mut stream = TlsStream::new(ServerConnection::new(Arc::new(server_config()))?, socket);
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            stream.write_all(&all)?;
            stream.conn.send_close_notify();
            Ok(stream.flush()?)
        }));
        let connection = ClientConnection::new(Arc::new(client_config(true)), "kitchen".try_into()?)?;
        let mut stream: TlsStream = TlsStream::new(connection, net::TcpStream::connect(address)?);
        stream.write_all(&data)?;
        stream.conn.send_close_notify();
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        assert!(all == *data);
        server.co_await()
    })
    .unwrap();
}
