//! Where the system keeps apart what was written: a read ends at the end of a line, of a packet, or before what came with
//! a file descriptor, and there is more. Nothing may be left behind, and nobody may wait for what is there.
#![cfg(target_os = "linux")]

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use coro_core::prelude::*;
use coro_core::process::ChildStdout;
use coro_core::{StreamReader, StreamReaderProtocol, Transport, net, open_connection, run};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};

/// Nothing here takes long.
const LIMIT: Duration = Duration::from_secs(10);

fn read(reading: impl Awaitable<Output = Vec<u8>>) -> Result<String> {
    Ok(String::from_utf8(wait_for(reading, LIMIT).co_await()?)?)
}

fn read_pipe(end: OwnedFd) -> Result<(StreamReader, Transport)> {
    let reader = StreamReader::new();
    let protocol = StreamReaderProtocol::new(&reader);
    let (transport, _) = get_running_loop()?.connect_read_pipe(|| protocol, end).co_await()?;
    Ok((reader, transport))
}

/// Sends pieces that are kept apart, one alone and several at once, each time when the reader has read all before.
fn all_comes(reader: &mut StreamReader, mut send: impl FnMut(&str) -> Result<()>) -> Result<()> {
    for pieces in [&["zero"][..], &["one", "two", "three"], &["four"], &["five", "six"]] {
        let all = pieces.concat();
        // It waits by then, and is told of them one after the other, or of all at once.
        let mut waiting = reader.clone();
        let task = create_task(waiting.readexactly(all.len()));
        sleep(Duration::ZERO).co_await()?;
        sleep(millis(2)).co_await()?;
        pieces.iter().try_for_each(|piece| send(piece))?;
        assert_eq!(read(task)?, all);
    }
    Ok(())
}

fn pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

fn send_packet(socket: &OwnedFd, text: &str) -> Result<()> {
    assert_eq!(rustix::io::write(socket, text.as_bytes())?, text.len());
    Ok(())
}

/// A pipe that keeps what each write has written apart.
fn packet_pipe() -> Result<(OwnedFd, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: it takes numbers only.
    let result = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_DIRECT) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    Ok((reader.into(), writer))
}

/// The end of a terminal that a person would be at, and the one that a program reads.
fn terminal() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: the two numbers are written, the rest may be null.
    let result = unsafe { libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: they were opened just now, and are nobody else's.
    unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

/// The end of a terminal is an end, or an error, as the system will have it.
fn assert_hung_up(end: Result<Vec<u8>>) {
    match &end {
        Ok(rest) => assert_eq!(rest, b""),
        Err(error) => {
            let error = error.downcast_ref::<io::Error>();
            assert_eq!(error.and_then(io::Error::raw_os_error), Some(libc::EIO), "{end:?}");
        }
    }
}

/// Sends `text`, and a file descriptor with it.
fn send_with_a_file(socket: impl AsFd, text: &str) -> Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let stdin = io::stdin();
    let files = [stdin.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
    let sent = sendmsg(socket, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::empty())?;
    assert_eq!(sent, text.len());
    Ok(())
}

#[test]
fn all_lines_of_a_terminal_are_read() {
    run(coroutine(|| {
        let (person, end) = terminal();
        let mut person = std::fs::File::from(person);
        let (mut reader, transport) = read_pipe(end)?;
        let task = create_task(reader.readexactly(14));
        sleep(millis(2)).co_await()?;
        person.write_all(b"one\ntwo\nthree\n")?;
        assert_eq!(read(task)?, "one\ntwo\nthree\n");
        person.write_all(b"four\n")?;
        assert_eq!(read(reader.readline())?, "four\n");
        drop(person);
        assert_hung_up(wait_for(reader.read(1), LIMIT).co_await());
        transport.close();
        Ok(())
    }))
    .unwrap();
}

#[test]
fn what_a_program_in_a_terminal_wrote_before_it_ended_is_read() {
    run(coroutine(|| {
        let (screen, end) = terminal();
        let (mut reader, _transport) = read_pipe(screen)?;
        let task = create_task(reader.readexactly(17));
        sleep(millis(2)).co_await()?;
        let mut program = std::fs::File::from(end);
        ["one", "two", "three"].iter().try_for_each(|line| writeln!(program, "{line}"))?;
        drop(program);
        assert_eq!(read(task)?, "one\r\ntwo\r\nthree\r\n");
        assert_hung_up(wait_for(reader.read(1), LIMIT).co_await());
        Ok(())
    }))
    .unwrap();
}

#[test]
fn all_packets_are_read_from_what_is_read_as_a_pipe() {
    for kind in [SocketType::SEQPACKET, SocketType::DGRAM, SocketType::STREAM] {
        run(coroutine(move || {
            let (far, near) = pair(kind)?;
            let (mut reader, transport) = read_pipe(near)?;
            all_comes(&mut reader, |piece| send_packet(&far, piece))?;
            drop(far);
            if kind != SocketType::DGRAM {
                assert_eq!(read(reader.read(1))?, "", "{kind:?}");
            }
            transport.close();
            Ok(())
        }))
        .unwrap();
    }
}

#[test]
fn all_packets_are_read_from_a_stream_that_was_made_of_them() {
    run(coroutine(|| {
        let (far, near) = pair(SocketType::SEQPACKET)?;
        let (mut reader, writer) = open_connection(UnixStream::from(near)).co_await()?;
        all_comes(&mut reader, |piece| send_packet(&far, piece))?;
        drop(far);
        assert_eq!(read(reader.read_to_end())?, "");
        writer.close();
        Ok(())
    }))
    .unwrap();
}

#[test]
fn a_pipe_may_keep_writes_apart() {
    run(coroutine(|| {
        let (end, mut writer) = packet_pipe()?;
        let (mut reader, _transport) = read_pipe(end)?;
        all_comes(&mut reader, |piece| Ok(writer.write_all(piece.as_bytes())?))?;
        writer.write_all(b"the ")?;
        writer.write_all(b"end")?;
        drop(writer);
        assert_eq!(read(reader.read_to_end())?, "the end");
        Ok(())
    }))
    .unwrap();
}

#[test]
fn a_child_may_write_into_its_pipe_what_is_kept_apart() {
    run(coroutine(|| {
        let (end, mut writer) = packet_pipe()?;
        let mut stdout = ChildStdout::from(end);
        let task = create_task(coroutine(move || {
            let mut all = [0; 11];
            stdout.read_exact(&mut all)?;
            Ok(all)
        }));
        sleep(millis(2)).co_await()?;
        ["one", "two", "three"].iter().try_for_each(|piece| writer.write_all(piece.as_bytes()))?;
        assert_eq!(&wait_for(task, LIMIT).co_await()?, b"onetwothree");
        drop(writer);
        Ok(())
    }))
    .unwrap();
}

#[test]
fn bytes_behind_a_file_descriptor_are_read() {
    run(coroutine(|| {
        let (near, mut far) = UnixStream::pair()?;
        let (mut reader, writer) = open_connection(near).co_await()?;
        let mut with_a_file = true;
        all_comes(&mut reader, |piece| {
            with_a_file = !with_a_file;
            match with_a_file {
                true => send_with_a_file(&far, piece),
                false => Ok((&far).write_all(piece.as_bytes())?),
            }
        })?;
        send_with_a_file(&far, "hello")?;
        far.write_all(b"world")?;
        assert_eq!(read(reader.readexactly(10))?, "helloworld");
        drop(far);
        assert_eq!(read(reader.read_to_end())?, "");
        writer.close();
        Ok(())
    }))
    .unwrap();
}

#[test]
fn they_are_read_where_std_would_block_too() {
    run(coroutine(|| {
        let (near, mut far) = UnixStream::pair()?;
        let near = net::UnixStream::from_std(near)?;
        near.set_read_timeout(Some(LIMIT))?;
        let task = create_task(coroutine(move || {
            let mut all = [0; 10];
            (&near).read_exact(&mut all)?;
            Ok(all)
        }));
        sleep(millis(2)).co_await()?;
        send_with_a_file(&far, "hello")?;
        far.write_all(b"world")?;
        assert_eq!(&task.co_await()?, b"helloworld");
        Ok(())
    }))
    .unwrap();
}
