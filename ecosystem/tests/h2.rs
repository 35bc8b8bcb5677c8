//! h2, HTTP/2 without hyper: it asks for tokio's traits, which the crate tokio-util makes of those of futures-io. Nothing
//! of tokio runs.

use std::net::SocketAddr;

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server,
};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, client, server};
use http::{Request, Response};
use hyper::body::Bytes;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// Everything that is sent, which frees the room for what follows.
async fn collect(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    pause: Duration,
) -> Result<(), Error> {
    let path = request.uri().path().to_owned();
    if path == "/toast" {
        respond.send_reset(Reason::ENHANCE_YOUR_CALM);
        return Ok(());
    }
    let body = collect(request.into_body()).await?;
    sleep(pause).await?;
    let mut stream = respond.send_response(Response::new(()), false)?;
    Ok(stream.send_data([path.as_bytes(), &body].concat().into(), true)?)
}

/// Each request is a task without a stack.
fn serve(stream: TcpStream, pause: Duration) -> Result<()> {
    let mut connection = server::handshake(stream.compat()).co_await()??;
    while let Some(request) = connection.accept().co_await()? {
        let (request, respond) = request?;
        create_task(async move { drop(answer(request, respond, pause).await) });
    }
    Ok(())
}

fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>> {
    let stream: Compat<TcpStream> = TcpStream::connect(address)?.compat();
    let (sender, connection) = client::handshake(stream).co_await()??;
    // What goes wrong with the connection, the one who asks is told as well.
    create_task(async { drop(connection.await) });
    Ok(sender)
}

fn ask(sender: &SendRequest<Bytes>, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
    let mut sender = sender.clone().ready().co_await()??;
    let request = Request::post(format!("http://kitchen{path}")).body(())?;
    let (response, mut stream) = sender.send_request(request, false)?;
    stream.send_data(body.into(), true)?;
    let response = response.co_await()??;
    Ok(collect(response.into_body()).co_await()??)
}

#[test]
fn fifty_connections_with_four_streams_each_are_used_at_once() {
    run(|| {
        with_server(
            |stream| serve(stream, millis(1)),
            |address| {
                at_once(50, move |number| {
                    let sender = connect(address)?;
                    at_once(4, move |stream| {
                        let body = vec![b'x'; number * stream * 500];
                        let answer = ask(&sender, "/eggs", body.clone())?;
                        assert!(answer == [b"/eggs", body.as_slice()].concat());
                        Ok(())
                    })
                })?;
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_an_answer_is_waited_for() {
    run(|| {
        with_server(
            |stream| serve(stream, PAUSE),
            |address| beside_another_task(|| ask(&connect(address)?, "/eggs", Vec::new())),
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_a_request() {
    run(|| {
        with_server(say_nothing, |address| {
            ends_when_broken_off(move || ask(&connect(address)?, "/eggs", Vec::new()))
        })
    });
}

#[test]
fn what_goes_wrong_is_an_error_of_h2() {
    run(|| {
        with_server(
            |stream| serve(stream, millis(0)),
            |address| {
                let sender = connect(address)?;
                let result = ask(&sender, "/toast", Vec::new());
                let error: &h2::Error = error_of(&result);
                assert!(error.is_remote() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM), "{error:?}");
                assert_eq!(ask(&sender, "/eggs", Vec::new())?, b"/eggs"); // only that stream has ended
                Ok(())
            },
        )?;
        with_server(
            |stream| {
                sleep(secs(1)).co_await()?;
                stream.set_linger(Some(secs(0)))?; // its end is a reset
                Ok(())
            },
            |address| {
                let result = ask(&connect(address)?, "/eggs", Vec::new());
                assert!(error_of::<h2::Error, _>(&result).is_io());
                Ok(())
            },
        )
    });
}
