//! What a program does when a system call fails. It goes through its scenarios three times each: `cargo test` without any
//! fault, and `scripts/faults` with faults in the second time. Whatever happens then, each scenario ends, with its result
//! or with an error of the system; the third time all is well, and no file descriptor is left behind.
//!
//!     faults [SCENARIO]

use std::io::{self, Read, Write};
use std::process::exit;
use std::time::{Duration, Instant};

use coro_core::net::{TcpListener, TcpStream, UdpSocket};
use coro_core::prelude::*;

/// It takes a moment where nothing fails.
const TOO_LONG: Duration = Duration::from_secs(20);

/// One after the other comes, says three lines and hears them again.
fn sockets() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    TaskGroup::scope(|group| {
        let server = group.create_task(coroutine(|| {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept_patiently()?;
                let mut line = [0; 5];
                for _ in 0..3 {
                    stream.read_exact(&mut line)?;
                    stream.write_all(&line)?;
                }
            }
            Ok(())
        }));
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address)?;
            for _ in 0..3 {
                stream.write_all(b"eggs\n")?;
                let mut line = [0; 5];
                stream.read_exact(&mut line)?;
                assert_eq!(line, *b"eggs\n");
            }
        }
        server.co_await()
    })
}

/// The same by streams, and much at once.
fn streams() -> Result<()> {
    let echo = |mut reader: StreamReader, writer: StreamWriter| {
        coroutine(move || {
            loop {
                let data = reader.read(1 << 16).co_await()?;
                if data.is_empty() {
                    return writer.close_well();
                }
                writer.write(&data)?;
                writer.drain().co_await()?;
            }
        })
    };
    // What goes wrong at the server is told, and the client learns it from its own side.
    get_running_loop()?.set_exception_handler(|_, _| ());
    let server = start_server(echo, "127.0.0.1:0").co_await()?;
    let talk = coroutine(|| {
        let address = server.local_addrs().first().copied();
        let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let (mut reader, writer) = open_connection(address).co_await()?;
        let data = vec![b'x'; 300_000];
        writer.write(&data)?;
        writer.write_eof();
        let answer = reader.read_to_end().co_await()?;
        if answer != data {
            // The server has lost its side of the connection.
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        writer.close_well()
    });
    let result = talk.co_await();
    server.close();
    server.close_clients();
    server.wait_closed().co_await()?;
    result
}

trait CloseWell {
    fn close_well(&self) -> Result<()>;
}

impl CloseWell for StreamWriter {
    fn close_well(&self) -> Result<()> {
        self.close();
        self.wait_closed().co_await()
    }
}

fn datagrams() -> Result<()> {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let address = far.local_addr()?;
    for _ in 0..3 {
        let mut buffer = [0; 16];
        let receiving = create_task(coroutine({
            let far = far.try_clone()?;
            move || Ok(far.recv_from(&mut buffer)?.0)
        }));
        sleep(millis(1)).co_await()?;
        near.send_to(b"eggs", address)?;
        assert_eq!(receiving.co_await()?, 4);
    }
    Ok(())
}

fn threads() -> Result<()> {
    for number in 0..3 {
        assert_eq!(to_thread(move || number).co_await()?, number);
    }
    gather((0..3).map(|_| sleep(millis(2)))).co_await().map(drop)
}

#[cfg(unix)]
fn processes() -> Result<()> {
    use coro_core::process::Command;
    let output = Command::new("echo").arg("eggs").output()?;
    assert_eq!(output.stdout, b"eggs\n");
    let status = Command::new("sh").args(["-c", "exit 3"]).status()?;
    assert_eq!(status.code(), Some(3));
    Ok(())
}

type Scenario = (&'static str, fn() -> Result<()>);

const SCENARIOS: &[Scenario] = &[
    ("sockets", sockets),
    ("streams", streams),
    ("datagrams", datagrams),
    ("threads", threads),
    #[cfg(unix)]
    ("processes", processes),
];

/// How many file descriptors are open, where that can be seen.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn fail(code: i32, message: impl std::fmt::Display) -> ! {
    eprintln!("FAILED: {message}");
    exit(code)
}

/// Whether it is what the system has said, alone or several times, or comes of that.
fn is_clean(error: &Error) -> bool {
    let of_a_group = !error.errors().is_empty() && error.errors().iter().all(is_clean);
    error.is::<io::Error>() || of_a_group || error.cause().is_some_and(is_clean)
}

/// Three times the same; the second may fail, but only so.
fn go_through((name, scenario): Scenario) {
    let mut open = [0; 3];
    for time in 1..=3 {
        match coro_core::run(coroutine(scenario)) {
            Ok(()) => println!("{name} {time}: well"),
            Err(error) if time == 2 && is_clean(&error) => println!("{name} {time}: {error}"),
            Err(error) => fail(5, format!("{name} {time}: {error:?}")),
        }
        open[time - 1] = open_files();
    }
    // A child that was left alone is waited for by a thread, with a pipe, until it has ended.
    let patience = Instant::now() + Duration::from_secs(2);
    while open_files() > open[0] && Instant::now() < patience {
        std::thread::yield_now();
    }
    if open_files() > open[0] {
        fail(4, format!("{name}: {open:?} file descriptors"));
    }
}

fn main() {
    std::thread::spawn(|| {
        std::thread::sleep(TOO_LONG);
        fail(3, "it hangs");
    });
    // Cargo and its friends give flags of libtest.
    let named = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
    for scenario in SCENARIOS {
        if named.as_ref().is_none_or(|name| name == scenario.0) {
            go_through(*scenario);
        }
    }
}
