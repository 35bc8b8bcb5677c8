//! flate2: what goes into a `GzEncoder` over a socket comes out of a `GzDecoder` over the other end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run_with_stacks_of, say_nothing,
    with_server,
};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Without optimisation an encoder moves its tables over the stack, and 256 KiB are not enough.
fn run<T>(main: impl FnOnce() -> Result<T>) -> T {
    run_with_stacks_of(512 * 1024, main)
}

/// Sends some lines, and after a pause the others.
fn send(stream: TcpStream, lines: usize, pause: Duration) -> Result<()> {
    let mut encoder = GzEncoder::new(stream, Compression::fast());
    for line in 0..lines {
        if line == lines / 2 {
            encoder.flush()?;
            sleep(pause).co_await()?;
        }
        writeln!(encoder, "{}", line.wrapping_mul(0x9E37_79B9))?; // does not become much shorter
    }
    encoder.finish()?;
    Ok(())
}

fn read(address: SocketAddr) -> Result<Vec<String>> {
    let decoder = GzDecoder::new(TcpStream::connect(address)?);
    Ok(BufReader::new(decoder).lines().collect::<io::Result<_>>()?)
}

#[test]
fn forty_streams_are_unpacked_at_once() {
    run(|| {
        with_server(
            |stream| send(stream, 5000, millis(1)),
            |address| {
                let all = at_once(40, move |_| read(address))?;
                assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
                assert_eq!(all[0].len(), 5000);
                assert_eq!(all[0][1], 0x9E37_79B9_usize.to_string());
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_the_rest_is_waited_for() {
    run(|| with_server(|stream| send(stream, 100, PAUSE), |address| beside_another_task(|| read(address))));
}

#[test]
fn what_came_before_a_limit_is_not_lost() {
    run(|| {
        with_server(
            |stream| send(stream, 100, secs(10)),
            |address| {
                let mut lines = BufReader::new(GzDecoder::new(TcpStream::connect(address)?));
                let mut text = String::new();
                let late = timeout(secs(1), || Ok(lines.read_to_string(&mut text)?)).unwrap_err();
                assert!(late.is_timeout());
                lines.read_to_string(&mut text)?;
                assert_eq!(text.lines().count(), 100);
                Ok(())
            },
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_a_read() {
    run(|| with_server(say_nothing, |address| ends_when_broken_off(move || read(address))));
}

#[test]
fn what_goes_wrong_is_the_error_that_flate2_gives() {
    run(|| {
        with_server(
            |mut stream| Ok(stream.write_all(b"these are eggs, and no archive")?),
            |address| {
                let result = read(address);
                assert_eq!(error_of::<io::Error, _>(&result).kind(), io::ErrorKind::InvalidInput);
                Ok(())
            },
        )?;
        with_server(
            |stream| {
                let mut encoder = GzEncoder::new(&stream, Compression::fast());
                encoder.write_all(b"six eggs")?;
                encoder.flush()?;
                std::mem::forget(encoder); // its end is missing
                Ok(())
            },
            |address| {
                let result = read(address);
                assert_eq!(error_of::<io::Error, _>(&result).kind(), io::ErrorKind::UnexpectedEof);
                Ok(())
            },
        )
    });
}
