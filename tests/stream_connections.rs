//! Streams under bad weather: cancelled at every moment, dropped, slow, cut off, left open.
#![cfg(unix)]

mod common;

use std::cell::RefCell;
use std::io::{BufRead, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{Log, at_each_moment, direct, ended, quiet_panics, reported, run};
use coro_core::{BoxCoroutine, open_unix_connection, prelude::*};

type Side = (StreamReader, StreamWriter);

fn pair() -> Result<(Side, Side)> {
    let (near, far) = UnixStream::pair()?;
    Ok((open_connection(near).co_await()?, open_connection(far).co_await()?))
}

/// Cancels a read at each moment, while "one\ntwo\n" comes in pieces, and looks whether all of it is there.
fn loses_nothing(read: impl Fn(&mut StreamReader) -> BoxCoroutine<Vec<u8>>) {
    at_each_moment(|moment| {
        let ((mut reader, _near), (_far, writer)) = pair()?;
        let task = create_task(read(&mut reader));
        let pieces = ["on", "e\nt", "wo", "\n"];
        direct(&task.any_task(), moment, |round| {
            if let Some(piece) = pieces.get(round as usize) {
                writer.write(piece.as_bytes()).unwrap();
            }
        })?;
        writer.close();
        let taken = task.co_await();
        let mut all = taken.clone().unwrap_or_default();
        ended(taken);
        all.extend(reader.read_to_end().co_await()?);
        assert_eq!(all.escape_ascii().to_string(), "one\\ntwo\\n");
        Ok(())
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    loses_nothing(|reader| reader.read(3).boxed());
}

#[test]
fn a_cancelled_read_to_the_end_loses_nothing() {
    loses_nothing(|reader| reader.read_to_end().boxed());
}

#[test]
fn a_cancelled_readline_loses_nothing() {
    loses_nothing(|reader| reader.readline().boxed());
}

#[test]
fn a_cancelled_readexactly_loses_nothing() {
    loses_nothing(|reader| reader.readexactly(7).boxed());
}

#[test]
fn a_cancelled_readuntil_loses_nothing() {
    loses_nothing(|reader| reader.readuntil("two").boxed());
}

#[test]
fn a_read_through_std_that_is_cancelled_loses_nothing() {
    at_each_moment(|moment| {
        let ((mut reader, _near), (_far, writer)) = pair()?;
        let copied = Rc::new(RefCell::new(Vec::new()));
        let (mut own, line) = (reader.clone(), copied.clone());
        // What std has copied by then is the caller's, and stands in the reader no more.
        let task =
            create_task(coroutine(move || Ok(own.as_std().read_until(b'\n', &mut line.borrow_mut())?)));
        let pieces = ["on", "e\nt", "wo", "\n"];
        direct(&task.any_task(), moment, |round| {
            if let Some(piece) = pieces.get(round as usize) {
                writer.write(piece.as_bytes()).unwrap();
            }
        })?;
        writer.close();
        ended(task.co_await());
        let rest = reader.read_to_end().co_await()?;
        assert_eq!([copied.take(), rest].concat().escape_ascii().to_string(), "one\\ntwo\\n");
        Ok(())
    });
}

#[test]
fn drains_are_cancelled_at_any_moment_and_what_was_written_is_sent() {
    at_each_moment(|moment| {
        let ((_near, writer), (mut reader, far)) = pair()?;
        far.transport().pause_reading();
        writer.write(&vec![b'x'; 1_000_000])?;
        let task = create_task(writer.drain());
        direct(&task.any_task(), moment, |round| {
            if round == 2 {
                far.transport().resume_reading();
            }
        })?;
        writer.close();
        assert_eq!(reader.read_to_end().co_await()?.len(), 1_000_000);
        ended(task.co_await());
        Ok(())
    });
}

#[test]
fn waiting_for_the_end_is_cancelled_at_any_moment() {
    at_each_moment(|moment| {
        let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").co_await()?;
        let (_reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;
        let tasks = [
            create_task(writer.wait_closed()).any_task(),
            create_task(server.wait_closed()).any_task(),
            create_task(server.serve_forever()).any_task(),
        ];
        for task in &tasks {
            direct(task, moment, |_| ())?;
        }
        writer.close();
        server.close();
        sleep(secs(1)).co_await()?;
        assert!(tasks.iter().all(|task| task.done()));
        server.wait_closed().co_await()
    });
}

#[test]
fn serve_forever_cancelled_at_any_moment_closes_the_server() {
    at_each_moment(|moment| {
        let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").co_await()?;
        let began = Rc::new(RefCell::new(false));
        let (serving, begins) = (server.clone(), began.clone());
        let task = create_task(coroutine(move || {
            begins.replace(true);
            serving.serve_forever().co_await()
        }));
        direct(&task.any_task(), moment, |_| ())?;
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert_eq!(server.is_serving(), !*began.borrow());
        server.close();
        Ok(())
    });
}

#[test]
fn serve_forever_ends_with_the_second_cancellation() {
    run(|| {
        let serve = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || {
                let _open = writer;
                reader.read_to_end().co_await().map(drop)
            })
        };
        let server = start_server(serve, "127.0.0.1:0").co_await()?;
        let (_reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;
        sleep(millis(1)).co_await()?;
        let serving = create_task(server.serve_forever());
        sleep(millis(1)).co_await()?;
        serving.cancel_with("one");
        sleep(millis(1)).co_await()?;
        assert!(!serving.done(), "it waits for the client");
        serving.cancel_with("two");
        let error = (&serving).co_await().unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.to_string(), "two");
        writer.close();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_backlog_of_zero_stands_for_one() {
    run(|| {
        let serve = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || writer.write(&reader.readline().co_await()?))
        };
        let server = start_server(serve, "127.0.0.1:0").backlog(0).co_await()?;
        for _ in 0..3 {
            let (mut reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;
            writer.write(b"eggs\n")?;
            assert_eq!(wait_for(reader.readline(), secs(9)).co_await()?, b"eggs\n");
        }
        Ok(())
    })
    .unwrap();
}

/// In CPython `write_eof` raises ENOTCONN; the rest is as here.
#[test]
fn write_eof_after_a_reset_leaves_it_to_reading_to_tell() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        for reads in [true, false] {
            let (mut reader, writer) = open_connection(listener.local_addr()?).co_await()?;
            writer.transport().pause_reading();
            let (far, _) = listener.accept()?;
            socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO))?;
            drop(far);
            sleep(millis(1)).co_await()?;
            writer.write_eof();
            assert!(!writer.is_closing());
            writer.drain().co_await()?;
            let is_reset = |error: Error| error.to_string().contains("Connection reset by peer");
            if reads {
                writer.transport().resume_reading();
                assert!(is_reset(reader.read(9).co_await().unwrap_err()));
            }
            writer.close();
            let closed = writer.wait_closed().co_await();
            assert_eq!(closed.is_err_and(is_reset), reads);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_client_task_that_is_cancelled_or_panics_ends_its_connection() {
    quiet_panics();
    let told = Log::new();
    run(|| {
        let heard = told.clone();
        get_running_loop()?.set_exception_handler(move |_, context| {
            heard.push(format!("{}: {}", context.message, context.exception.as_ref().unwrap()));
        });
        let serve = |mut reader: StreamReader, writer: StreamWriter| {
            coroutine(move || {
                let kept = writer.clone();
                get_running_loop()?.call_later(secs(60), move || drop(kept)); // that the drop is not what closes it
                match &*reader.readline().co_await()? {
                    b"cancel\n" => {
                        coro_core::current_task().unwrap().cancel();
                        sleep(secs(1)).co_await()
                    }
                    _ => panic!("meant: to panic"),
                }
            })
        };
        let server = start_server(serve, "127.0.0.1:0").co_await()?;
        for line in ["cancel\n", "panic\n"] {
            let (mut reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;
            writer.write(line.as_bytes())?;
            let clock = get_running_loop()?;
            let before = clock.time();
            assert_eq!(reader.read_to_end().co_await()?, b"");
            assert!(clock.time() - before < secs(1));
        }
        server.close();
        Ok(())
    })
    .unwrap();
    assert_eq!(told.take(), ["Unhandled exception in client_connected_cb: panicked: meant: to panic"]);
}

#[test]
fn the_last_writer_that_is_dropped_closes_the_connection_and_says_so_in_debug_mode() {
    let ((), reports) = reported(|| {
        let main = coroutine(|| {
            let ((_near, writer), (mut reader, _far)) = pair()?;
            let other = writer.clone();
            writer.write(b"good bye")?;
            drop(writer);
            assert!(!other.is_closing());
            drop(other);
            assert_eq!(reader.read_to_end().co_await()?, b"good bye");
            Ok(())
        });
        coro_core::RunBuilder::new().debug(true).run(main).unwrap();
    });
    assert!(
        reports.iter().any(|report| report.starts_with("unclosed <StreamWriter transport=<Transport")),
        "{reports:?}"
    );
}

#[test]
fn what_comes_when_nobody_holds_the_reader_is_dropped() {
    run(|| {
        let (near, mut far) = UnixStream::pair()?;
        let mut reader = StreamReader::new();
        let protocol = coro_core::StreamReaderProtocol::new(&reader);
        let (transport, _) = get_running_loop()?.create_connection(|| protocol, near).co_await()?;
        far.write_all(b"one\n")?;
        assert_eq!(reader.readline().co_await()?, b"one\n");
        drop(reader);
        far.write_all(&vec![0; 100_000])?;
        sleep(secs(1)).co_await()?;
        transport.write(b"still here")?;
        far.read_exact(&mut [0; 10])?;
        transport.close();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_slow_reader_holds_the_writer_back_at_twice_its_limit() {
    run(|| {
        let (near, far) = UnixStream::pair()?;
        let (_near, writer) = open_connection(near).co_await()?;
        let (mut reader, _far) = open_connection(far).limit(1000).co_await()?;
        writer.write(&vec![b'x'; 10_000_000])?;
        sleep(secs(1)).co_await()?;
        let waiting = writer.transport().get_write_buffer_size();
        assert!(waiting > 9_000_000, "{waiting}");
        assert!(format!("{reader:?}").ends_with("paused>"), "{reader:?}");
        let mut count = 0;
        while count < 10_000_000 {
            count += reader.readexactly(100_000).co_await()?.len();
        }
        writer.close();
        assert_eq!(reader.read_to_end().co_await()?, b"");
        Ok(())
    })
    .unwrap();
}

#[test]
fn lines_of_ten_megabytes_are_read_or_refused() {
    run(|| {
        let line = [vec![b'x'; 10_000_000], b"\nnext\n".to_vec()].concat();
        let (near, far) = UnixStream::pair()?;
        let (_near, writer) = open_connection(near).co_await()?;
        let (mut reader, _far) = open_connection(far).limit(20_000_000).co_await()?;
        writer.write(&line)?;
        assert_eq!(reader.readline().co_await()?.len(), 10_000_001);
        assert_eq!(reader.readline().co_await()?, b"next\n");
        let ((_near, writer), (mut reader, _far)) = pair()?;
        writer.write(&line)?;
        writer.write_eof();
        let mut refused = 0;
        loop {
            match reader.readline().co_await() {
                Err(error) if error.is::<coro_core::ValueError>() => refused += 1,
                line => break assert_eq!(line?, b"next\n"),
            }
        }
        assert!(refused > 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_peer_that_resets_ends_what_is_read_and_drained() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (mut reader, writer) = open_connection(listener.local_addr()?).co_await()?;
        let peer = listener.accept()?.0;
        writer.write(&vec![0; 10_000_000])?;
        let draining = create_task(writer.drain());
        sleep(millis(1)).co_await()?;
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        let kind = |error: Error| error.downcast_ref::<std::io::Error>().unwrap().kind();
        assert_eq!(kind(reader.read(1).co_await().unwrap_err()), std::io::ErrorKind::ConnectionReset);
        assert_eq!(kind(draining.co_await().unwrap_err()), std::io::ErrorKind::ConnectionReset);
        assert_eq!(kind(writer.wait_closed().co_await().unwrap_err()), std::io::ErrorKind::ConnectionReset);
        assert_eq!(writer.transport().get_write_buffer_size(), 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn std_reads_and_writes_through_a_stream_and_what_it_does_not_read_is_left() {
    run(|| {
        let ((_near, mut writer), (mut reader, _far)) = pair()?;
        writeln!(writer, "one {}", 1)?;
        writer.write_all(b"two\nthree\n")?;
        let parts = [std::io::IoSlice::new(b"fo"), std::io::IoSlice::new(b"ur\n")];
        assert_eq!((&writer).write_vectored(&parts)?, 5);
        writer.flush()?;
        let mut lines = reader.as_std().lines();
        assert_eq!(lines.next().unwrap()?, "one 1");
        assert_eq!(lines.next().unwrap()?, "two");
        drop(lines);
        assert_eq!(reader.readline().co_await()?, b"three\n");
        let mut some = [0; 3];
        reader.as_std().read_exact(&mut some)?;
        assert_eq!(&some, b"fou");
        writer.write_eof();
        assert!(writeln!(writer, "more").is_err());
        let mut rest = String::new();
        reader.as_std().read_to_string(&mut rest)?;
        assert_eq!(rest, "r\n");
        Ok(())
    })
    .unwrap();
}

#[test]
fn of_several_addresses_the_first_that_answers_is_taken() {
    run(|| {
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").co_await()?;
        let addresses = [nobody, server.local_addrs()[0]];
        let (_reader, writer) = open_connection(&addresses[..]).co_await()?;
        assert_eq!(writer.peername(), Some(addresses[1]));
        let refused = open_connection(&[nobody, "127.0.0.1:1".parse()?][..]).co_await().err().unwrap();
        assert!(refused.to_string().starts_with(&format!("Multiple exceptions: {nobody}: ")), "{refused}");
        let kind = refused.downcast_ref::<std::io::Error>().unwrap().kind();
        assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
        server.close();
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_address_in_use_and_a_path_that_is_not_there_are_named() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let error = start_server(|_, _| coroutine(|| Ok(())), address).co_await().err().unwrap();
        assert!(
            error.to_string().starts_with(&format!("error while attempting to bind on address {address}: "))
        );
        assert_eq!(error.downcast_ref::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::AddrInUse);
        let error = open_unix_connection("/no/such/socket").co_await().err().unwrap();
        assert!(error.to_string().starts_with("/no/such/socket: "), "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn streams_can_be_awaited_in_async_blocks() {
    let main = async {
        let server =
            start_server(|_, writer| coroutine(move || writer.write(b"good morning\n")), "127.0.0.1:0")
                .await?;
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
        let line = reader.readline().await?;
        server.close();
        Ok::<_, Error>(line)
    };
    assert_eq!(coro_core::run(main).unwrap().unwrap(), b"good morning\n");
}

#[test]
fn hundreds_of_clients_are_served_at_once() {
    let most = Rc::new(RefCell::new((0, 0)));
    run(|| {
        let count = most.clone();
        let serve = move |mut reader: StreamReader, writer: StreamWriter| {
            let count = count.clone();
            coroutine(move || {
                count.borrow_mut().0 += 1;
                let present = count.borrow().0;
                let most = count.borrow().1.max(present);
                count.borrow_mut().1 = most;
                while let line @ [_, ..] = &*reader.readline().co_await()? {
                    writer.write(line)?;
                    writer.drain().co_await()?;
                }
                count.borrow_mut().0 -= 1;
                Ok(())
            })
        };
        let server = start_server(serve, "127.0.0.1:0").co_await()?;
        let address = server.local_addrs()[0];
        let answers = gather((0..300).map(|n| {
            coroutine(move || {
                let (mut reader, writer) = open_connection(address).co_await()?;
                let mut sum = 0;
                for i in 0..5 {
                    writer.write(format!("{}\n", n * i).as_bytes())?;
                    let line = reader.readline().co_await()?;
                    sum += String::from_utf8_lossy(&line).trim().parse::<usize>()?;
                    sleep(millis(5)).co_await()?;
                }
                writer.close();
                writer.wait_closed().co_await()?;
                Ok(sum)
            })
        }))
        .co_await()?;
        assert_eq!(answers, (0..300).map(|n| n * 10).collect::<Vec<_>>());
        server.close();
        server.wait_closed().co_await()
    })
    .unwrap();
    let (left, most) = *most.borrow();
    assert!(left == 0 && most >= 100, "{left} of {most}");
}
