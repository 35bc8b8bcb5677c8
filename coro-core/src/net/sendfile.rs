//! [`sendfile`].

use std::io::{self, Write};

use super::TcpStream;
use crate::fs::File;

/// How much one system call sends at most: the others of the loop wait meanwhile.
const CHUNK: u64 = 1 << 18;

/// Sends a part of a file, from `offset` on: `count` bytes, or all there are. Gives how many it were, which are fewer
/// where the file ends. `loop.sock_sendfile()`, `loop.sendfile()`.
///
/// On Linux the kernel copies from the file to the socket; elsewhere, and for what is no plain file, it is read and
/// written. The place where the file is read stays as it is.
///
/// # Errors
/// The system's.
///
/// # Cancellation
/// A part may have been sent.
///
/// ```
/// use coro_core::{fs, net::{TcpListener, TcpStream, sendfile}, prelude::*};
/// use std::io::Read;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("eggs");
/// coro_core::run(coroutine(|| {
///     fs::write(&path, "six brown eggs")?;
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let near = TcpStream::connect(listener.local_addr()?)?;
///     let (far, _) = listener.accept()?;
///     assert_eq!(sendfile(&near, &fs::File::open(&path)?, 4, None)?, 10);
///     drop(near);
///     assert_eq!(std::io::read_to_string(far)?, "brown eggs");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn sendfile(stream: &TcpStream, file: &File, offset: u64, count: Option<u64>) -> io::Result<u64> {
    let mut sent = 0;
    loop {
        let left = count.map_or(CHUNK, |count| CHUNK.min(count - sent));
        if left == 0 {
            return Ok(sent);
        }
        match send_some(stream, file, offset + sent, left)? {
            0 => return Ok(sent),
            more => sent += more,
        }
    }
}

fn send_some(stream: &TcpStream, file: &File, offset: u64, count: u64) -> io::Result<u64> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match by_kernel(stream, file, offset, count) {
        // No plain file.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::ESPIPE)) => {}
        result => return result,
    }
    let mut buffer = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut buffer, offset)?;
    let mut stream = stream;
    stream.write_all(&buffer[..read])?;
    Ok(read as u64)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn by_kernel(stream: &TcpStream, file: &File, offset: u64, count: u64) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let send = |stream: &std::net::TcpStream| {
        let mut place = offset;
        Ok(rustix::fs::sendfile(stream, file, Some(&mut place), count)?)
    };
    // Fewer than was asked for may be the end of the file.
    let sent = stream.io.run(crate::io::Side::Write, send, |_| false)?;
    Ok(sent as u64)
}
