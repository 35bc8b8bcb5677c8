//! redis, its blocking half: its `Connection` opens std's sockets, but commands run on any `ConnectionLike`. This one is a
//! `TcpStream` of coro and the `Parser` of the crate. The server is a small one, or the real one if it is installed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, did_not_run, ends_when_broken_off, error_of, run, say_nothing,
    with_server,
};
use redis::{
    Commands, ConnectionLike, ErrorKind, Parser, RedisError, RedisResult, ServerErrorKind, TypedCommands,
    Value,
};

/// All that it takes.
struct Connection {
    stream: TcpStream,
    parser: Parser,
    /// A wait that was broken off has left an answer on the way: what follows would be given to the wrong command.
    open: bool,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        Ok(Self { stream, parser: Parser::new(), open: true })
    }

    fn converse(&mut self, commands: &[u8], skipped: usize, count: usize) -> RedisResult<Vec<Value>> {
        self.stream.write_all(commands)?;
        let mut answers = Vec::with_capacity(count);
        for index in 0..skipped + count {
            let answer = self.parser.parse_value(&mut self.stream)?;
            if index >= skipped {
                answers.push(answer);
            }
        }
        Ok(answers)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.req_packed_commands(command, 0, 1)?.remove(0).extract_error()
    }

    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        skipped: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        if !self.open {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        let answers = self.converse(commands, skipped, count);
        self.open = answers.is_ok();
        answers
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").query::<String>(self).is_ok()
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

type Store = Rc<RefCell<HashMap<Vec<u8>, Vec<u8>>>>;

/// The next command: `*2\r\n$3\r\nGET\r\n$4\r\neggs\r\n`. `None` if the client has left.
fn next_command(input: &mut impl BufRead) -> Result<Option<Vec<Vec<u8>>>> {
    fn number(input: &mut impl BufRead) -> Result<Option<usize>> {
        let mut line = String::new();
        input.read_line(&mut line)?;
        Ok(line.trim_end().get(1..).map(str::parse).transpose()?)
    }
    let Some(parts) = number(input)? else { return Ok(None) };
    let mut command = Vec::new();
    for _ in 0..parts {
        let length = number(input)?.expect("a length");
        let mut part = vec![0; length + 2];
        input.read_exact(&mut part)?;
        part.truncate(length);
        command.push(part);
    }
    Ok(Some(command))
}

fn serve(stream: &TcpStream, store: &Store) -> Result<()> {
    let (mut input, mut output) = (BufReader::new(stream), io::BufWriter::new(stream));
    while let Some(command) = next_command(&mut input)? {
        let parts: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        match parts[..] {
            [b"PING"] => output.write_all(b"+PONG\r\n")?,
            [b"SET", key, value] => {
                store.borrow_mut().insert(key.to_owned(), value.to_owned());
                output.write_all(b"+OK\r\n")?;
            }
            [b"GET", key] => match store.borrow().get(key).cloned() {
                None => output.write_all(b"$-1\r\n")?,
                Some(value) => {
                    write!(output, "${}\r\n", value.len())?;
                    output.write_all(&value)?;
                    output.write_all(b"\r\n")?;
                }
            },
            [b"INCRBY", key, by] => {
                let mut store = store.borrow_mut();
                let old = store.get(key).map(|old| String::from_utf8_lossy(old).parse::<i64>());
                match old.unwrap_or(Ok(0)) {
                    Err(_) => output.write_all(b"-ERR value is not an integer or out of range\r\n")?,
                    Ok(old) => {
                        let new = old + String::from_utf8_lossy(by).parse::<i64>()?;
                        store.insert(key.to_owned(), new.to_string().into());
                        write!(output, ":{new}\r\n")?;
                    }
                }
            }
            [b"BLPOP", _, _] => {
                sleep(PAUSE).co_await()?;
                output.write_all(b"*-1\r\n")?;
            }
            _ => output.write_all(b"-ERR unknown command\r\n")?,
        }
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    Ok(())
}

/// Runs `client` beside the small server.
fn with_small_server<T>(client: impl FnOnce(SocketAddr) -> Result<T>) -> T {
    run(|| {
        let store = Store::default();
        with_server(move |stream| serve(&stream, &store), client)
    })
}

/// What both servers must do.
fn many_tasks_use_a_server_at_once(address: SocketAddr) -> Result<()> {
    at_once(100, move |number| {
        let mut connection = Connection::open(address)?;
        let key = format!("table {number}");
        let value = "eggs ".repeat(number * number);
        for _ in 0..5 {
            TypedCommands::set(&mut connection, &key, &value)?;
            assert_eq!(TypedCommands::get(&mut connection, &key)?, Some(value.clone()));
            let _: i64 = Commands::incr(&mut connection, "orders", 2)?;
        }
        let (first, second): (i64, Option<String>) =
            redis::pipe().incr("orders", 0).set(&key, "none").ignore().get(&key).query(&mut connection)?;
        assert!(first > 0);
        assert_eq!(second.as_deref(), Some("none"));
        assert!(connection.check_connection());
        Ok(())
    })?;
    let mut connection = Connection::open(address)?;
    assert_eq!(TypedCommands::get(&mut connection, "orders")?, Some("1000".to_owned()));
    assert_eq!(TypedCommands::get(&mut connection, "nothing")?, None);

    // An error of the server ends nothing.
    let result = TypedCommands::incr(&mut connection, "table 1", 1).map_err(Error::from);
    let error: &RedisError = error_of(&result);
    assert_eq!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError), "{error}");
    assert!(connection.is_open() && connection.check_connection());
    Ok(())
}

#[test]
fn a_hundred_tasks_use_the_small_server_at_once() {
    with_small_server(many_tasks_use_a_server_at_once);
}

#[test]
fn other_tasks_go_on_while_an_answer_is_waited_for() {
    with_small_server(|address| {
        beside_another_task(|| {
            let mut connection = Connection::open(address)?;
            let popped: Option<(String, String)> = Commands::blpop(&mut connection, "orders", 1.0)?;
            assert_eq!(popped, None);
            Ok(())
        })
    });
}

#[test]
fn a_cancellation_and_a_limit_end_a_command() {
    fn get(address: SocketAddr) -> Result<Option<String>> {
        Ok(TypedCommands::get(&mut Connection::open(address)?, "eggs")?)
    }
    run(|| with_server(say_nothing, |address| ends_when_broken_off(move || get(address))));
}

#[test]
fn a_connection_whose_answer_was_not_waited_for_is_used_no_more() {
    run(|| {
        with_server(say_nothing, |address| {
            let mut connection = Connection::open(address)?;
            let late = timeout(secs(1), || Ok(TypedCommands::get(&mut connection, "eggs")?)).unwrap_err();
            assert!(late.is_timeout());
            assert!(!connection.is_open() && !connection.check_connection());
            Ok(())
        })
    });
}

#[test]
fn a_connection_that_ends_midway_is_an_error_of_redis() {
    fn leave(mut stream: TcpStream) -> Result<()> {
        assert_ne!(stream.read(&mut [0; 1000])?, 0);
        Ok(stream.write_all(b"$8\r\nsix ")?)
    }
    fn talk_nonsense(mut stream: TcpStream) -> Result<()> {
        stream.write_all(b"?eggs\r\n")?;
        say_nothing(stream)
    }
    run(|| {
        with_server(leave, |address| {
            let mut connection = Connection::open(address)?;
            let result = TypedCommands::get(&mut connection, "eggs").map_err(Error::from);
            let error: &RedisError = error_of(&result);
            assert!(error.is_io_error() && error.is_connection_dropped(), "{error:?}");
            Ok(())
        })?;
        with_server(talk_nonsense, |address| {
            let mut connection = Connection::open(address)?;
            let result = TypedCommands::get(&mut connection, "eggs").map_err(Error::from);
            assert_eq!(error_of::<RedisError, _>(&result).kind(), ErrorKind::Parse);
            Ok(())
        })
    });
}

/// The real server, on a port that was free a moment ago.
struct RealServer(Child, SocketAddr);

impl RealServer {
    fn start() -> Result<Option<Self>> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        match command.stdout(Stdio::null()).spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            child => Ok(Some(Self(child?, address))),
        }
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_hundred_tasks_use_the_real_server_at_once() {
    let Some(server) = RealServer::start().unwrap() else {
        return did_not_run("redis-server is not installed");
    };
    coro_core::run(coroutine(|| {
        while let Err(error) = TcpStream::connect(server.1) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            sleep(millis(10)).co_await()?;
        }
        many_tasks_use_a_server_at_once(server.1)
    }))
    .unwrap();
}
