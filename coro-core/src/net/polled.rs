//! `futures_io::{AsyncRead, AsyncWrite}`: streams that futures poll.
//!
//! Of several futures that poll the same direction of one stream, the last one is woken.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::TcpStream;
use super::macros::AT_ONCE;
#[cfg(unix)]
use super::{PipeReader, PipeWriter, UnixStream};
use crate::io::Side;

macro_rules! reads {
    ($($type:ty),+) => {$(
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let wanted = buffer.len();
                self.io.poll_transfer(context, Side::Read, wanted, |mut io| io.read(buffer))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let wanted = buffers.iter().take(AT_ONCE).map(|buffer| buffer.len()).sum();
                self.io.poll_transfer(context, Side::Read, wanted, |mut io| io.read_vectored(buffers))
            }
        }
    )+};
}

macro_rules! writes {
    ($($type:ty, $close:expr;)+) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.io.poll_transfer(context, Side::Write, buffer.len(), |mut io| io.write(buffer))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let wanted = buffers.iter().take(AT_ONCE).map(|buffer| buffer.len()).sum();
                self.io.poll_transfer(context, Side::Write, wanted, |mut io| io.write_vectored(buffers))
            }

            /// There is nothing to flush.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Ends this direction.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let close: fn(&$type) -> io::Result<()> = $close;
                Poll::Ready(match close(&self) {
                    // The other end was faster.
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                })
            }
        }
    )+};
}

reads!(TcpStream, &TcpStream);
writes! {
    TcpStream, |stream| stream.shutdown(Shutdown::Write);
    &TcpStream, |stream| stream.shutdown(Shutdown::Write);
}
#[cfg(unix)]
reads!(UnixStream, &UnixStream, PipeReader, &PipeReader);
#[cfg(unix)]
writes! {
    UnixStream, |stream| stream.shutdown(Shutdown::Write);
    &UnixStream, |stream| stream.shutdown(Shutdown::Write);
    PipeWriter, |writer| writer.close();
    &PipeWriter, |writer| writer.close();
}
