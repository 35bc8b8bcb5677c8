//! The client of the servers: so many connections, on each a request and its answer, again and again. To an echo server
//! a request is 64 bytes, to one for HTTP it is a GET on a connection that is kept open.
//!
//! The server has a core of its own, and the client another. What is counted is the server's.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use peers::UNSUPPORTED;
use peers::hello::HELLO;

use crate::plan::{Count, Service};
use crate::process::{Cores, Outcome, Running, pin, target};

/// No answer is longer.
const LONGEST: usize = 1024;

impl Service {
    fn request(self) -> &'static [u8] {
        match self {
            Service::Echo => b"the quick brown fox jumps over the lazy dog; it does so 64 times",
            Service::Http => b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: peers\r\nAccept: */*\r\n\r\n",
        }
    }

    /// Whether this is a whole answer, and the right one.
    fn is_whole(self, answer: &[u8]) -> io::Result<bool> {
        let another = || io::Error::new(io::ErrorKind::InvalidData, "the answer is another");
        match self {
            Service::Echo if self.request().starts_with(answer) => Ok(answer.len() == self.request().len()),
            Service::Echo => Err(another()),
            Service::Http => {
                let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                    return if answer.len() < LONGEST { Ok(false) } else { Err(another()) };
                };
                let head = str::from_utf8(&answer[..end]).map_err(|_| another())?;
                let mut lines = head.split("\r\n");
                let status = lines.next().unwrap_or_default();
                let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
                });
                let body = &answer[end + 4..];
                let right = status.starts_with("HTTP/1.1 200 ") && length == Some(HELLO.len());
                match right && HELLO.as_bytes().starts_with(body) {
                    true => Ok(body.len() == HELLO.len()),
                    false => Err(another()),
                }
            }
        }
    }
}

/// Measures one server.
pub fn measure(
    cores: Cores,
    server: Command,
    service: Service,
    connections: usize,
    count: Count,
    native: bool,
    quick: bool,
) -> io::Result<Outcome> {
    pin(cores.client)?;
    let figure = match count {
        Count::Cpu => {
            // One after the other they take long.
            let requests = if connections == 1 { 50_000 } else { 200_000 };
            cpu(cores, server, service, connections, if quick { requests / 10 } else { requests })
        }
        Count::SystemCalls if installed("strace") => system_calls(cores, server, service, connections),
        Count::Instructions if native && installed("valgrind") => {
            let needed = |requests| instructions(cores, &server, service, connections, requests);
            needed(2_000).and_then(|few| Ok((needed(12_000)? - few) / 10_000.0))
        }
        _ => Err(Refusal::Unsupported),
    };
    Ok(match figure {
        Ok(figure) => Outcome::Figures(vec![figure]),
        Err(Refusal::Unsupported) => Outcome::Unsupported,
        Err(Refusal::Failed(reason)) => Outcome::Failed(reason),
    })
}

/// Why there is no figure.
enum Refusal {
    Unsupported,
    Failed(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Failed(error.to_string())
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Refusal::Failed(reason.to_owned())
    }
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Microseconds of CPU for each request.
fn cpu(
    cores: Cores,
    server: Command,
    service: Service,
    connections: usize,
    requests: usize,
) -> Result<f64, Refusal> {
    let mut server = Running::start(server, cores.work)?;
    let mut client = Client::connect(&mut server, service, connections)?;
    client.ask(connections + requests / 10)?;
    let before = cpu_time(server.id())?;
    client.ask(requests)?;
    Ok((cpu_time(server.id())? - before) as f64 / 1_000.0 / requests as f64)
}

/// Nanoseconds that the threads of a process have run for.
fn cpu_time(process: u32) -> io::Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let ran = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        sum += ran.ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(sum)
}

/// System calls for each request, counted by strace.
fn system_calls(cores: Cores, server: Command, service: Service, connections: usize) -> Result<f64, Refusal> {
    const REQUESTS: usize = 10_000;
    let mut server = Running::start(server, cores.work)?;
    let mut client = Client::connect(&mut server, service, connections)?;
    client.ask(connections + 100)?;
    let counts = target().join("peers").join("strace.txt");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-U", "calls,name", "-o"]).arg(&counts).args(["-p", &server.id().to_string()]);
    let mut strace = Attached(strace.stderr(Stdio::null()).stdin(Stdio::null()).spawn()?);
    if !traced(server.id())? {
        return Err("strace may not attach".into());
    }
    client.ask(REQUESTS)?;
    // SAFETY: it takes numbers alone; strace was not waited for, so the number is still its own.
    unsafe { libc::kill(strace.0.id() as libc::pid_t, libc::SIGINT) };
    strace.0.wait()?;
    let text = fs::read_to_string(counts)?;
    let total = text.lines().rev().find(|line| line.trim_end().ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(calls.ok_or("strace counted nothing")? / REQUESTS as f64)
}

/// A tracer; dropped, it lets go.
struct Attached(std::process::Child);

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until all threads of a process have a tracer.
fn traced(process: u32) -> io::Result<bool> {
    for _ in 0..500 {
        let mut all = true;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            all &= !fs::read_to_string(thread?.path().join("status"))?.contains("TracerPid:\t0\n");
        }
        if all {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(false)
}

/// Instructions in user mode that a server needs from its start to the end of so many requests.
fn instructions(
    cores: Cores,
    server: &Command,
    service: Service,
    connections: usize,
    requests: usize,
) -> Result<f64, Refusal> {
    let mut counted = Command::new("valgrind");
    counted.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    counted.arg(server.get_program()).args(server.get_args());
    let mut server = Running::start(counted, cores.work)?;
    let mut client = Client::connect(&mut server, service, connections)?;
    client.ask(requests)?;
    server.signal(libc::SIGTERM);
    server.wait(Duration::from_secs(20))?;
    let errors = server.errors();
    let collected = errors.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, number)| number.trim().parse().ok());
    collected.ok_or("callgrind collected nothing".into())
}

/// The connections to a server. Between two calls of [`Client::ask`] no request is under way.
struct Client {
    service: Service,
    /// Each with what has come of an answer.
    streams: Vec<(TcpStream, Vec<u8>)>,
    poller: OwnedFd,
}

impl Client {
    /// Connects to the port that the server tells.
    fn connect(server: &mut Running, service: Service, connections: usize) -> Result<Self, Refusal> {
        let Ok(port) = server.line()?.parse::<u16>() else {
            let status = server.wait(Duration::from_secs(5))?;
            if status.and_then(|status| status.code()) == Some(UNSUPPORTED) {
                return Err(Refusal::Unsupported);
            }
            let errors = server.errors();
            return Err(Refusal::Failed(format!(
                "no port was told: {}",
                errors.lines().next().unwrap_or_default()
            )));
        };
        // SAFETY: it takes a flag; what it returns is looked at.
        let poller = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if poller < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: just made, and nobody else's.
        let poller = unsafe { OwnedFd::from_raw_fd(poller) };
        let mut streams = Vec::with_capacity(connections);
        for key in 0..connections {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: key as u64 };
            // SAFETY: two open descriptors and one event.
            match unsafe {
                libc::epoll_ctl(poller.as_raw_fd(), libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event)
            } {
                0 => {}
                _ => return Err(io::Error::last_os_error().into()),
            }
            streams.push((stream, Vec::with_capacity(LONGEST)));
        }
        Ok(Self { service, streams, poller })
    }

    /// Sends so many requests, on each connection one after the answer to the last, and takes all the answers.
    fn ask(&mut self, requests: usize) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 1024];
        let request = self.service.request();
        let (mut sent, mut answers) = (0, 0);
        for (stream, _) in self.streams.iter_mut().take(requests) {
            stream.write_all(request)?;
            sent += 1;
        }
        while answers < requests {
            // SAFETY: it writes at most so many events. Ten seconds without an answer are a failure.
            let count = unsafe {
                libc::epoll_wait(self.poller.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, 10_000)
            };
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"));
            }
            for event in &events[..count.max(0) as usize] {
                let (stream, answer) = &mut self.streams[event.u64 as usize];
                let mut buffer = [0; LONGEST];
                match stream.read(&mut buffer) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => answer.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                if self.service.is_whole(answer)? {
                    answer.clear();
                    answers += 1;
                    if sent < requests {
                        stream.write_all(request)?;
                        sent += 1;
                    }
                }
            }
        }
        Ok(())
    }
}
