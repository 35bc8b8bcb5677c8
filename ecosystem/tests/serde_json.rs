//! serde_json: values written to a socket and read from it, one after the other.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr};

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Order {
    table: usize,
    dishes: Vec<String>,
}

fn order(table: usize) -> Order {
    Order { table, dishes: vec!["eggs".to_owned(); table] }
}

/// Answers each order with itself, and one table further.
fn kitchen(stream: TcpStream, pause: Duration) -> Result<()> {
    // A `Deserializer` asks for byte after byte.
    let input = io::BufReader::new(&stream);
    for order in serde_json::Deserializer::from_reader(input).into_iter() {
        let mut order: Order = order?;
        sleep(pause).co_await()?;
        order.table += 1;
        let mut output = io::BufWriter::new(&stream);
        serde_json::to_writer(&mut output, &order)?;
        output.flush()?;
    }
    Ok(())
}

/// Sends one order, and ends its direction.
fn ask(address: SocketAddr, order: &Order) -> Result<Order> {
    let stream = TcpStream::connect(address)?;
    serde_json::to_writer(&stream, order)?;
    stream.shutdown(Shutdown::Write)?;
    Ok(serde_json::from_reader(&stream)?)
}

#[test]
fn a_hundred_tables_order_at_once() {
    run(|| {
        with_server(
            |stream| kitchen(stream, millis(1)),
            |address| {
                at_once(100, move |table| {
                    assert_eq!(ask(address, &order(table))?, Order { table: table + 1, ..order(table) });
                    let stream = TcpStream::connect(address)?;
                    let input = io::BufReader::new(&stream);
                    let mut answers = serde_json::Deserializer::from_reader(input).into_iter::<Order>();
                    for course in 0..5 {
                        serde_json::to_writer(&stream, &order(course))?;
                        // Its closing bracket ends a value: nothing has to follow.
                        assert_eq!(answers.next().expect("an answer")?.table, course + 1);
                    }
                    Ok(())
                })?;
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_a_value_is_waited_for() {
    run(|| {
        with_server(
            |stream| kitchen(stream, PAUSE),
            |address| beside_another_task(|| ask(address, &order(3))),
        )
    });
}

#[test]
fn a_cancellation_and_a_limit_end_a_read() {
    fn read(address: SocketAddr) -> Result<Order> {
        Ok(serde_json::from_reader(TcpStream::connect(address)?)?)
    }
    run(|| with_server(say_nothing, |address| ends_when_broken_off(move || read(address))));
}

#[test]
fn a_connection_that_ends_midway_is_an_error_of_serde_json() {
    fn leave(mut stream: TcpStream) -> Result<()> {
        stream.write_all(br#"{"table": 4, "dis"#)?;
        stream.shutdown(Shutdown::Write)?;
        say_nothing(stream)
    }
    fn reset(mut stream: TcpStream) -> Result<()> {
        stream.write_all(br#"{"table": 4, "dis"#)?;
        sleep(secs(1)).co_await()?;
        Ok(stream.set_linger(Some(secs(0)))?)
    }
    run(|| {
        with_server(leave, |address| {
            let result = ask(address, &order(4));
            assert!(error_of::<serde_json::Error, _>(&result).is_eof());
            Ok(())
        })?;
        with_server(reset, |address| {
            let result = ask(address, &order(4));
            let kind = error_of::<serde_json::Error, _>(&result).io_error_kind();
            assert_eq!(kind, Some(io::ErrorKind::ConnectionReset));
            Ok(())
        })
    });
}
