//! rustls by hand: `StreamOwned` over a `TcpStream`, and `complete_io`. (coro's own module `tls` is another thing.)

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, OnceLock};

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, is_echoed, run, say_nothing,
    with_server,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned,
};

/// Those of the client, and of the server. The certificate is made for the moment.
fn configurations() -> &'static (Arc<ClientConfig>, Arc<ServerConfig>) {
    static MADE: OnceLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        (client_that_trusts(&[made.cert.der().clone()]), Arc::new(server))
    })
}

fn client_that_trusts(certificates: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    certificates.iter().for_each(|certificate| roots.add(certificate.clone()).unwrap());
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

type Client = StreamOwned<ClientConnection, TcpStream>;

/// The handshake is part of the first read or write.
fn connect_with(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Client> {
    let connection = ClientConnection::new(config, "kitchen".try_into()?)?;
    Ok(StreamOwned::new(connection, TcpStream::connect(address)?))
}

fn connect(address: SocketAddr) -> Result<Client> {
    connect_with(address, configurations().0.clone())
}

fn accept(stream: TcpStream) -> Result<StreamOwned<ServerConnection, TcpStream>> {
    Ok(StreamOwned::new(ServerConnection::new(configurations().1.clone())?, stream))
}

/// Says everything again, until the client ends its direction.
fn echo(stream: TcpStream, pause: Duration) -> Result<()> {
    let mut stream = accept(stream)?;
    let mut buffer = [0; 10_000];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            stream.conn.send_close_notify();
            return Ok(stream.flush()?);
        }
        sleep(pause).co_await()?;
        stream.write_all(&buffer[..read])?;
    }
}

fn close(mut stream: Client) -> Result<()> {
    stream.conn.send_close_notify();
    stream.flush()?;
    assert_eq!(stream.read(&mut [0])?, 0);
    Ok(())
}

#[test]
fn a_hundred_clients_are_served_at_once() {
    run(|| {
        with_server(
            |stream| echo(stream, millis(1)),
            |address| {
                at_once(100, move |number| {
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
fn other_tasks_go_on_during_the_handshake_and_during_a_read() {
    fn late(stream: TcpStream) -> Result<()> {
        sleep(PAUSE).co_await()?; // the client is in the handshake
        echo(stream, millis(0))
    }
    fn ask(address: SocketAddr) -> Result<()> {
        let mut stream = connect(address)?;
        stream.write_all(b"eggs")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"eggs");
        close(stream)
    }
    run(|| {
        with_server(late, |address| beside_another_task(|| ask(address)))?;
        with_server(|stream| echo(stream, PAUSE), |address| beside_another_task(|| ask(address)))
    });
}

#[test]
fn a_cancellation_and_a_limit_end_the_handshake() {
    fn shake_hands(address: SocketAddr) -> Result<()> {
        let mut stream = connect(address)?;
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(())
    }
    run(|| with_server(say_nothing, |address| ends_when_broken_off(move || shake_hands(address))));
}

#[test]
fn a_cancellation_and_a_limit_end_a_read() {
    fn say_nothing_more(stream: TcpStream) -> Result<()> {
        let mut stream = accept(stream)?;
        // The client does not say that it leaves.
        match io::copy(&mut stream, &mut io::sink()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            result => panic!("{result:?}"),
        }
    }
    fn read(address: SocketAddr) -> Result<usize> {
        let mut stream = connect(address)?;
        stream.write_all(b"eggs?")?;
        Ok(stream.read(&mut [0; 10])?)
    }
    run(|| with_server(say_nothing_more, |address| ends_when_broken_off(move || read(address))));
}

#[test]
fn half_a_record_is_not_lost_to_a_limit() {
    fn send_in_halves(mut stream: TcpStream) -> Result<()> {
        let mut connection = ServerConnection::new(configurations().1.clone())?;
        connection.complete_io(&mut stream)?;
        connection.writer().write_all(b"six eggs")?;
        let mut records = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut records)?;
        }
        let (half, rest) = records.split_at(records.len() - 10);
        stream.write_all(half)?;
        sleep(secs(10)).co_await()?;
        stream.write_all(rest)?;
        stream.shutdown(Shutdown::Write)?;
        say_nothing(stream)
    }
    run(|| {
        with_server(send_in_halves, |address| {
            let mut stream = connect(address)?;
            let mut answer = [0; 8];
            let late = timeout(secs(1), || Ok(stream.read_exact(&mut answer)?)).unwrap_err();
            assert!(late.is_timeout());
            stream.read_exact(&mut answer)?;
            assert_eq!(&answer, b"six eggs");
            Ok(())
        })
    });
}

#[test]
fn what_goes_wrong_is_an_error_of_rustls() {
    fn refused(stream: TcpStream) -> Result<()> {
        let result = echo(stream, millis(0));
        let error: &io::Error = error_of(&result);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert!(matches!(inner, Some(rustls::Error::AlertReceived(_))), "{error:?}");
        Ok(())
    }
    fn leave(stream: TcpStream) -> Result<()> {
        let mut stream = accept(stream)?;
        stream.read_exact(&mut [0; 4])?;
        stream.write_all(b"six ")?;
        Ok(()) // without saying so
    }
    run(|| {
        with_server(refused, |address| {
            let mut stranger = connect_with(address, client_that_trusts(&[]))?;
            let result = stranger.write_all(b"eggs").map_err(Error::from);
            let error: &io::Error = error_of(&result);
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
            assert_eq!(inner, Some(&unknown));
            sleep(secs(1)).co_await() // until the server has heard of it
        })?;
        with_server(leave, |address| {
            let mut stream = connect(address)?;
            stream.write_all(b"eggs")?;
            let error = stream.read_exact(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(error.to_string().contains("close_notify"), "{error}");
            Ok(())
        })
    });
}
