//! async-tungstenite, the WebSocket for futures: it asks for the traits of futures-io, which a `TcpStream` has.

use std::net::SocketAddr;

use async_tungstenite::tungstenite::error::ProtocolError;
use async_tungstenite::tungstenite::{Error as WebSocketError, Message};
use async_tungstenite::{WebSocketStream, accept_async, client_async};
use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{PAUSE, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server};
use futures_util::StreamExt;

type Socket = WebSocketStream<TcpStream>;

async fn connect(address: SocketAddr) -> Result<Socket> {
    // `connect` suspends, for which it needs a stack: a task of its own.
    let stream = coroutine(move || Ok(TcpStream::connect(address)?)).into_future().await?;
    Ok(client_async(format!("ws://{address}/"), stream).await?.0)
}

/// Says everything again, after `pause`.
async fn echo(stream: TcpStream, pause: Duration) -> Result<()> {
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            sleep(pause).await?;
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn close(mut socket: Socket) -> Result<()> {
    socket.close(None).await?;
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}

async fn only_shake_hands(stream: TcpStream) -> Result<()> {
    let mut socket = accept_async(stream).await?;
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}

/// What this gives waits without an end.
async fn wait_for_a_message(address: SocketAddr) -> Result<Option<Message>> {
    Ok(connect(address).await?.next().await.transpose()?)
}

#[test]
fn a_hundred_clients_talk_at_once_without_stacks() {
    run(|| {
        with_server(
            |stream| echo(stream, millis(1)).co_await()?,
            |address| {
                let clients = (0..100).map(|number| {
                    create_task(async move {
                        let mut socket = connect(address).await?;
                        for round in 0..10 {
                            let text = Message::text(format!("{number}: ").repeat(1 + number * round));
                            socket.send(text.clone()).await?;
                            assert_eq!(socket.next().await.transpose()?, Some(text));
                        }
                        close(socket).await
                    })
                });
                gather(clients).co_await()?.into_iter().collect::<Result<()>>()
            },
        )
    });
}

#[test]
fn one_task_sends_while_another_one_receives() {
    run(|| {
        with_server(
            |stream| echo(stream, millis(0)).co_await()?,
            |address| {
                let (mut sender, mut receiver) = connect(address).co_await()??.split();
                // More than the system keeps: it comes to an end only if both directions go on.
                let sending = create_task(coroutine(move || {
                    for number in 0..100 {
                        sender.send(Message::binary(vec![number; 50_000])).co_await()??;
                    }
                    Ok(sender.close(None).co_await()??)
                }));
                for number in 0..100 {
                    let message = receiver.next().co_await()?.expect("an echo")?;
                    assert!(message == Message::binary(vec![number; 50_000]));
                }
                sending.co_await()
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_a_message_is_waited_for() {
    run(|| {
        with_server(
            |stream| echo(stream, PAUSE).co_await()?,
            |address| {
                beside_another_task(|| {
                    let mut socket = connect(address).co_await()??;
                    socket.send("eggs".into()).co_await()??;
                    assert_eq!(socket.next().co_await()?.transpose()?, Some("eggs".into()));
                    close(socket).co_await()?
                })
            },
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_the_handshake_and_a_wait_for_a_message() {
    run(|| {
        for silent in [say_nothing, |stream| only_shake_hands(stream).co_await()?] {
            with_server(silent, |address| {
                ends_when_broken_off(move || wait_for_a_message(address).co_await()?)
            })?;
        }
        Ok(())
    });
}

#[test]
fn a_connection_that_ends_midway_is_an_error_of_tungstenite() {
    run(|| {
        with_server(
            |stream| accept_async(stream).co_await()?.map(drop).map_err(Error::from),
            |address| {
                let result = wait_for_a_message(address).co_await()?;
                match error_of(&result) {
                    WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ok(()),
                    other => panic!("{other:?}"),
                }
            },
        )
    });
}
