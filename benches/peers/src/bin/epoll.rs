//! A bare loop over epoll, without tasks: what an echo server costs when nothing stands between it and the kernel.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use peers::Work;

const LISTENER: u64 = u64::MAX;

fn watch(poller: i32, socket: &impl AsRawFd, events: i32, key: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: key };
    // SAFETY: two open descriptors and one event.
    match unsafe { libc::epoll_ctl(poller, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn serve() -> io::Result<()> {
    // SAFETY: it takes no pointer.
    let poller = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    watch(poller, &listener, libc::EPOLLIN, LISTENER)?;
    peers::announce(listener.local_addr()?);
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 1024];
    let mut buffer = [0; 1024];
    loop {
        // SAFETY: it writes at most so many events.
        let count = unsafe { libc::epoll_wait(poller, events.as_mut_ptr(), events.len() as i32, -1) };
        assert!(count >= 0 || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted);
        for event in &events[..count.max(0) as usize] {
            let key = event.u64;
            if key == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                watch(
                    poller,
                    &stream,
                    libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET,
                    streams.len() as u64,
                )?;
                streams.push(Some(stream));
                continue;
            }
            // A request is shorter than the buffer: what is read is all there was.
            let Some(stream) = &mut streams[key as usize] else { continue };
            match stream.read(&mut buffer) {
                Ok(count @ 1..) => stream.write_all(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => streams[key as usize] = None,
            }
        }
    }
}

fn main() {
    let work = Work::asked();
    match work.name.as_str() {
        "echo" => serve().expect("it listens"),
        _ => work.unsupported(),
    }
}
