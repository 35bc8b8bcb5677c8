//! csv: a table that is written into one end of a connection while it is read from the other.

use std::io::{self, Write};
use std::net::SocketAddr;

use coro_core::move_on_after;
use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server,
};

type Row = (usize, String, f64);

fn row(number: usize) -> Row {
    (number, format!("egg, \"{number}\""), number as f64 / 4.0)
}

/// Sends so many rows, with a pause after each hundred.
fn send(stream: TcpStream, rows: usize, pause: Duration) -> Result<()> {
    let mut table = csv::Writer::from_writer(stream);
    table.write_record(["number", "name", "weight"])?;
    for number in 0..rows {
        table.serialize(row(number))?;
        if number % 100 == 99 {
            table.flush()?;
            sleep(pause).co_await()?;
        }
    }
    Ok(table.flush()?)
}

fn read(address: SocketAddr) -> Result<Vec<Row>> {
    // It has no `source()`: a cancellation would not be known as one.
    Error::see_into::<csv::Error>(|error| match error.kind() {
        csv::ErrorKind::Io(error) => Some(error),
        _ => None,
    });
    let mut table = csv::Reader::from_reader(TcpStream::connect(address)?);
    table.headers()?; // `deserialize` keeps their error to itself, a cancellation as well, and gives no row
    Ok(table.deserialize().collect::<Result<_, csv::Error>>()?)
}

#[test]
fn forty_tables_are_read_at_once() {
    run(|| {
        with_server(
            |stream| send(stream, 1000, millis(1)),
            |address| {
                for rows in at_once(40, move |_| read(address))? {
                    assert!(rows.into_iter().eq((0..1000).map(row)));
                }
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_a_row_is_waited_for() {
    run(|| with_server(|stream| send(stream, 101, PAUSE), |address| beside_another_task(|| read(address))));
}

#[test]
fn a_cancellation_and_a_limit_end_a_read() {
    run(|| with_server(say_nothing, |address| ends_when_broken_off(move || read(address))));
}

/// Sends more than the buffers of the system take.
fn write_too_much(address: SocketAddr) -> Result<()> {
    send(TcpStream::connect(address)?, 10_000_000, millis(0))
}

fn read_nothing(stream: TcpStream) -> Result<()> {
    sleep(secs(30)).co_await()?;
    drop(stream);
    Ok(())
}

#[test]
fn a_scope_that_is_cancelled_ends_a_write() {
    run(|| {
        with_server(read_nothing, |address| {
            let event_loop = get_running_loop()?;
            let began = event_loop.time();
            // A `Writer` that is dropped tries once more: in there a cancellation of the scope holds too.
            assert_eq!(move_on_after(secs(5), |_| write_too_much(address))?, None);
            assert_eq!(event_loop.time() - began, secs(5));
            Ok(())
        })
    });
}

#[test]
fn a_task_that_is_cancelled_waits_once_more_in_the_destructor_of_a_writer() {
    run(|| {
        with_server(read_nothing, |address| {
            let writer = create_task(coroutine(move || write_too_much(address)));
            sleep(secs(1)).co_await()?;
            writer.cancel();
            sleep(secs(1)).co_await()?;
            assert!(!writer.done());
            writer.cancel();
            sleep(secs(1)).co_await()?;
            assert!(writer.cancelled(), "{writer:?}");
            Ok(())
        })
    });
}

#[test]
fn what_goes_wrong_is_an_error_of_csv() {
    fn short(mut stream: TcpStream) -> Result<()> {
        Ok(stream.write_all(b"number,name,weight\n1,egg\n")?)
    }
    fn reset(mut stream: TcpStream) -> Result<()> {
        stream.write_all(b"number,name,weight\n1,egg")?;
        sleep(secs(1)).co_await()?;
        Ok(stream.set_linger(Some(secs(0)))?)
    }
    run(|| {
        with_server(short, |address| {
            let result = read(address);
            let error: &csv::Error = error_of(&result);
            assert!(matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. }), "{error}");
            Ok(())
        })?;
        with_server(reset, |address| {
            let result = read(address);
            match error_of::<csv::Error, _>(&result).kind() {
                csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
                other => panic!("{other:?}"),
            }
        })
    });
}
