//! tungstenite, the blocking WebSocket: `accept` and `client` over a `TcpStream`.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr};

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server,
};
use tungstenite::error::ProtocolError;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::{HandshakeError, Message, WebSocket};

type Socket = WebSocket<TcpStream>;

fn connect(address: SocketAddr) -> Result<Socket> {
    // It has no `source()`: a cancellation in the handshake would not be known as one.
    Error::see_into::<HandshakeError<ClientHandshake<TcpStream>>>(|error| match error {
        HandshakeError::Failure(error) => Some(error),
        HandshakeError::Interrupted(_) => None,
    });
    Ok(tungstenite::client(format!("ws://{address}/"), TcpStream::connect(address)?)?.0)
}

/// The next message; `None` after the other side has closed in good order.
fn next(socket: &mut Socket) -> Result<Option<Message>> {
    match socket.read() {
        Err(tungstenite::Error::ConnectionClosed) => Ok(None),
        message => Ok(Some(message?)),
    }
}

/// Says everything again, after `pause`.
fn echo(stream: TcpStream, pause: Duration) -> Result<()> {
    let mut socket = tungstenite::accept(stream)?;
    while let Some(message) = next(&mut socket)? {
        if message.is_text() || message.is_binary() {
            sleep(pause).co_await()?;
            socket.send(message)?;
        }
    }
    Ok(())
}

/// Ends the connection in good order, and waits until the other side has.
fn close(mut socket: Socket) -> Result<()> {
    socket.close(None)?;
    while next(&mut socket)?.is_some() {}
    Ok(())
}

/// A server that shakes hands and is silent then, until its client has left.
fn only_shake_hands(stream: TcpStream) -> Result<()> {
    let mut socket = tungstenite::accept(stream)?;
    while socket.read().is_ok() {}
    Ok(())
}

#[test]
fn a_hundred_clients_talk_at_once() {
    run(|| {
        with_server(
            |stream| echo(stream, millis(1)),
            |address| {
                let event_loop = get_running_loop()?;
                let began = event_loop.time();
                at_once(100, move |number| {
                    let mut socket = connect(address)?;
                    for round in 0..10 {
                        let text = Message::text(format!("{number}: ").repeat(1 + number * round));
                        socket.send(text.clone())?;
                        assert_eq!(next(&mut socket)?, Some(text));
                    }
                    close(socket)
                })?;
                assert!(event_loop.time() - began < millis(100), "they were served one by one");
                Ok(())
            },
        )
    });
}

#[test]
fn messages_larger_than_the_buffers_of_the_system_go_both_ways() {
    run(|| {
        with_server(
            |stream| echo(stream, millis(0)),
            |address| {
                let mut socket = connect(address)?;
                let message = Message::binary(vec![7; 5_000_000]);
                socket.send(message.clone())?;
                assert!(next(&mut socket)? == Some(message));
                close(socket)
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_a_message_is_waited_for() {
    run(|| {
        with_server(
            |stream| echo(stream, PAUSE),
            |address| {
                beside_another_task(|| {
                    let mut socket = connect(address)?;
                    socket.send("eggs".into())?;
                    assert_eq!(next(&mut socket)?, Some("eggs".into()));
                    close(socket)
                })
            },
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_the_handshake() {
    run(|| with_server(say_nothing, |address| ends_when_broken_off(move || connect(address))));
}

#[test]
fn a_cancellation_and_a_limit_end_a_wait_for_a_message() {
    run(|| {
        with_server(only_shake_hands, |address| ends_when_broken_off(move || Ok(connect(address)?.read()?)))
    });
}

#[test]
fn half_a_message_is_not_lost_to_a_limit() {
    fn send_in_halves(mut stream: TcpStream) -> Result<()> {
        let socket = tungstenite::accept(stream.try_clone()?)?;
        stream.write_all(&[0x81, 8, b's', b'i', b'x'])?; // a text of eight bytes, unmasked
        sleep(secs(10)).co_await()?;
        stream.write_all(b" eggs")?;
        drop(socket);
        stream.shutdown(Shutdown::Write)?;
        say_nothing(stream)
    }
    run(|| {
        with_server(send_in_halves, |address| {
            let mut socket = connect(address)?;
            let late = timeout(secs(1), || next(&mut socket)).unwrap_err();
            assert!(late.is_timeout());
            assert_eq!(next(&mut socket)?, Some("six eggs".into()));
            Ok(())
        })
    });
}

#[test]
fn a_connection_that_ends_midway_is_an_error_of_tungstenite() {
    fn leave(stream: TcpStream, by_reset: bool) -> Result<()> {
        let socket = tungstenite::accept(stream)?;
        if by_reset {
            socket.get_ref().set_linger(Some(secs(0)))?;
        }
        Ok(())
    }
    run(|| {
        with_server(
            |stream| leave(stream, false),
            |address| {
                let result = connect(address).and_then(|mut socket| next(&mut socket));
                match error_of(&result) {
                    tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ok(()),
                    other => panic!("{other:?}"),
                }
            },
        )?;
        with_server(
            |stream| leave(stream, true),
            |address| {
                let mut socket = connect(address)?;
                let result = next(&mut socket);
                match error_of(&result) {
                    tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
                    other => panic!("{other:?}"),
                }
            },
        )
    });
}
