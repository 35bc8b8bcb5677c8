//! Sockets in fair weather: they do what std's do, and tasks share them.

mod common;

use std::cell::{Cell, RefCell};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::thread;

use common::{next_round, run, run_ordered};
use coro_core::net::{SocketOptions, TcpListener, TcpStream, UdpSocket};
use coro_core::prelude::*;

fn pair() -> Result<(Rc<TcpStream>, Rc<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    Ok((Rc::new(near), Rc::new(far)))
}

fn cancel(tasks: &[Task<()>]) {
    for task in tasks {
        task.cancel();
    }
}

#[test]
fn sockets_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<TcpListener>();
    check::<TcpStream>();
    check::<UdpSocket>();
    check::<SocketOptions>();
    #[cfg(unix)]
    {
        use coro_core::net::{PipeReader, PipeWriter, UnixDatagram, UnixListener, UnixStream};
        check::<UnixListener>();
        check::<UnixStream>();
        check::<UnixDatagram>();
        check::<PipeReader>();
        check::<PipeWriter>();
    }
}

#[test]
fn a_hundred_clients_are_served_at_once() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || {
            TaskGroup::scope(|clients| -> Result<()> {
                for stream in listener.incoming() {
                    let mut stream = stream?;
                    clients.create_task(coroutine(move || {
                        let mut text = String::new();
                        stream.read_to_string(&mut text)?;
                        Ok(stream.write_all(text.to_uppercase().as_bytes())?)
                    }));
                }
                Ok(())
            })
        }));
        let ask = |n: u32| {
            coroutine(move || {
                let mut stream = TcpStream::connect(address)?;
                write!(stream, "egg {n}")?;
                stream.shutdown(Shutdown::Write)?;
                Ok(std::io::read_to_string(stream)?)
            })
        };
        let answers = gather((0..100).map(ask)).co_await()?;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, format!("EGG {n}"));
        }
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn two_tasks_read_and_write_one_socket_at_once() {
    run(|| {
        const SIZE: usize = 3_000_000; // more than the buffers of the system hold
        let (near, far) = pair()?;
        let both = [near, far].map(|stream| {
            let writing = stream.clone();
            let writer = create_task(coroutine(move || {
                let mut writing = &*writing;
                writing.write_all(&vec![7; SIZE])?;
                Ok(writing.shutdown(Shutdown::Write)?)
            }));
            let reader = create_task(coroutine(move || {
                let mut all = Vec::new();
                (&*stream).read_to_end(&mut all)?;
                Ok(all.len())
            }));
            (reader, writer)
        });
        for (reader, writer) in both {
            writer.co_await()?;
            assert_eq!(reader.co_await()?, SIZE);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn readers_are_served_in_the_order_of_coming() {
    run_ordered(|| {
        let (near, far) = pair()?;
        let log = Rc::new(RefCell::new(Vec::new()));
        let readers: Vec<_> = (0..4)
            .map(|reader| {
                let (far, log) = (far.clone(), log.clone());
                create_task(coroutine(move || {
                    for _ in 0..3 {
                        let mut egg = [0];
                        (&*far).read_exact(&mut egg)?;
                        log.borrow_mut().push((reader, egg[0]));
                    }
                    Ok(())
                }))
            })
            .collect();
        next_round()?;
        for egg in 0..12 {
            (&*near).write_all(&[egg])?;
            if egg % 5 == 0 {
                sleep(millis(1)).co_await()?;
            }
        }
        gather(readers).co_await()?;
        let expected: Vec<_> = (0..12).map(|egg| (egg % 4, egg)).collect();
        // Who was served goes behind all who wait.
        assert_eq!(*log.borrow(), expected);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_who_comes_later_does_not_overtake_one_who_was_woken() {
    run_ordered(|| {
        let (near, far) = pair()?;
        let log = Rc::new(RefCell::new(Vec::new()));
        let read = |name: &'static str| {
            let (far, log) = (far.clone(), log.clone());
            move || {
                (&*far).read_exact(&mut [0])?;
                log.borrow_mut().push(name);
                Ok(())
            }
        };
        let first = create_task(coroutine(read("first")));
        next_round()?;
        (&*near).write_all(b"ab")?;
        while !first.done() {
            // In each round somebody new comes before the one who was woken in it.
            let (late, log) = (read("late"), log.clone());
            get_running_loop()?.call_soon(move || {
                drop(create_task(coroutine(move || if log.borrow().is_empty() { late() } else { Ok(()) })))
            });
            next_round()?;
        }
        (&*near).write_all(&[0; 100])?;
        sleep(millis(10)).co_await()?;
        assert_eq!(log.borrow()[0], "first");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_reader_that_leaves_in_its_turn_passes_it_on() {
    run_ordered(|| {
        let (near, far) = pair()?;
        let served = Rc::new(Cell::new(0));
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let (far, served) = (far.clone(), served.clone());
                create_task(coroutine(move || {
                    (&*far).read_exact(&mut [0])?;
                    served.set(served.get() + 1);
                    Ok(())
                }))
            })
            .collect();
        next_round()?;
        (&*near).write_all(b"egg")?;
        // The first is told; it, and the next three, leave before they look.
        while served.get() == 0 {
            cancel(&readers[..4]);
            next_round()?;
        }
        sleep(millis(20)).co_await()?;
        assert_eq!(served.get(), 3);
        assert!(readers[4..7].iter().all(|reader| reader.done()));
        cancel(&readers);
        Ok(())
    })
    .unwrap();
}

#[test]
fn many_accept_on_one_listener_in_turn() {
    run_ordered(|| {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0")?);
        let address = listener.local_addr()?;
        let log = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (listener, log) = (listener.clone(), log.clone());
                create_task(coroutine(move || {
                    let (_, peer) = listener.accept()?;
                    log.borrow_mut().push((n, peer));
                    Ok(())
                }))
            })
            .collect();
        next_round()?;
        let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(address)).collect::<Result<_, _>>()?;
        gather(tasks).co_await()?;
        let expected: Vec<_> =
            clients.iter().enumerate().map(|(n, client)| (n, client.local_addr().unwrap())).collect();
        assert_eq!(*log.borrow(), expected);
        Ok(())
    })
    .unwrap();
}

#[test]
fn vectored_reads_and_writes_go_through() {
    run(|| {
        let (near, far) = pair()?;
        let parts = vec![b"ab".to_vec(); 3000]; // more than one system call takes
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut sent = 0;
        while sent < 6000 {
            let skip = sent / 2;
            let now = (&*near).write_vectored(&slices[skip..])?;
            assert_eq!(now % 2, 0);
            sent += now;
        }
        let (mut first, mut second) = ([0; 100], [0; 5900]);
        let mut read = 0;
        while read < 6000 {
            read += match read {
                0 => {
                    (&*far).read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)])?
                }
                _ => (&*far).read(&mut second)?,
            };
        }
        assert_eq!(&first[..4], b"abab");
        Ok(())
    })
    .unwrap();
}

#[test]
fn peek_takes_nothing_and_waits() {
    run(|| {
        let (near, far) = pair()?;
        let peeking = create_task(coroutine(move || {
            let mut buffer = [0; 10];
            let peeked = far.peek(&mut buffer)?;
            let read = (&*far).read(&mut buffer)?;
            Ok((peeked, read))
        }));
        next_round()?;
        (&*near).write_all(b"eggs")?;
        assert_eq!(peeking.co_await()?, (4, 4));
        Ok(())
    })
    .unwrap();
}

#[test]
fn limits_end_a_wait_by_the_clock_of_the_loop() {
    run(|| {
        let (near, far) = pair()?;
        let event_loop = get_running_loop()?;
        far.set_read_timeout(Some(secs(5)))?;
        let before = event_loop.time();
        let error = (&*far).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert!(Error::new(error).is_timeout());
        assert_eq!(event_loop.time() - before, secs(5));
        // It is as good as before.
        (&*near).write_all(b"e")?;
        assert_eq!((&*far).read(&mut [0])?, 1);

        near.set_write_timeout(Some(secs(5)))?;
        let before = event_loop.time();
        let error = (&*near).write_all(&vec![0; 10_000_000]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(event_loop.time() - before, secs(5));
        Ok(())
    })
    .unwrap();
}

#[test]
fn limits_end_a_wait_of_a_thread_without_a_loop() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(millis(1))).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert!(stream.set_read_timeout(Some(secs(0))).is_err());
    stream.set_read_timeout(None).unwrap();
    assert_eq!(stream.read_timeout().unwrap(), None);
}

#[test]
fn without_a_loop_sockets_block_as_those_of_std() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
    });
    let mut stream = TcpStream::connect(("localhost", address.port())).unwrap();
    stream.write_all(b"eggs").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(stream).unwrap(), "eggs");
    server.join().unwrap();
}

#[test]
fn what_becomes_one_of_std_blocks_again() {
    run(|| {
        let (near, far) = pair()?;
        let far: std::net::TcpStream = Rc::into_inner(far).unwrap().try_into()?;
        assert!(!socket2::SockRef::from(&far).nonblocking()?);
        (&*near).write_all(b"eggs")?;
        let (read, far) = to_thread(move || ((&far).read(&mut [0; 4]), far)).co_await()?;
        assert_eq!(read?, 4);
        let far = TcpStream::try_from(far)?;
        (&*near).write_all(b"six")?;
        assert_eq!((&far).read(&mut [0; 10])?, 3);
        Ok(())
    })
    .unwrap();
}

#[test]
fn clones_are_of_one_socket() {
    run(|| {
        let (near, far) = pair()?;
        let clone = far.try_clone()?;
        let (first, second) = (
            create_task(coroutine(move || Ok((&*far).read(&mut [0; 2])?))),
            create_task(coroutine(move || Ok((&clone).read(&mut [0; 2])?))),
        );
        next_round()?;
        (&*near).write_all(b"eggs")?;
        assert_eq!((first.co_await()?, second.co_await()?), (2, 2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn options_reach_the_system() {
    run(|| {
        let (near, _far) = pair()?;
        near.set_nodelay(true)?;
        assert!(near.nodelay()?);
        near.set_keepalive(Some(secs(77)))?;
        assert_eq!(near.keepalive()?, Some(secs(77)));
        near.set_keepalive(None)?;
        assert_eq!(near.keepalive()?, None);
        near.set_linger(Some(secs(0)))?;
        assert_eq!(near.linger()?, Some(secs(0)));
        near.set_ttl(33)?;
        assert_eq!(near.ttl()?, 33);
        let options = SocketOptions::new().reuse_port(true).backlog(3).recv_buffer_size(30_000);
        let first = options.listen("127.0.0.1:0")?;
        let second = options.listen(first.local_addr()?)?;
        assert_eq!(second.local_addr()?, first.local_addr()?);
        assert!(TcpListener::bind(first.local_addr()?).is_err());
        let local = SocketOptions::new().local("127.0.0.1:0".parse()?).connect(first.local_addr()?)?;
        assert_eq!(local.local_addr()?.ip(), first.local_addr()?.ip());
        Ok(())
    })
    .unwrap();
}

#[test]
fn datagrams_keep_their_edges_and_an_empty_one_is_one() {
    run(|| {
        let far = UdpSocket::bind("127.0.0.1:0")?;
        let near = UdpSocket::bind("127.0.0.1:0")?;
        near.connect(far.local_addr()?)?;
        let reader = create_task(coroutine(move || {
            let mut lengths = Vec::new();
            let mut buffer = [0; 10];
            for _ in 0..4 {
                lengths.push(far.recv(&mut buffer)?);
            }
            Ok(lengths)
        }));
        next_round()?;
        for datagram in [&b""[..], b"egg", b"", b"more than ten bytes"] {
            near.send(datagram)?;
        }
        assert_eq!(reader.co_await()?, [0, 3, 0, 10]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn futures_poll_streams() {
    use std::future::poll_fn;
    use std::pin::Pin;
    run(|| {
        let (near, far) = pair()?;
        let reader = create_task(async move {
            let mut buffer = [0; 10];
            let mut total = 0;
            loop {
                let read = poll_fn(|context| {
                    futures_io::AsyncRead::poll_read(Pin::new(&mut &*far), context, &mut buffer)
                });
                match read.await? {
                    0 => return Ok::<_, Error>(total),
                    count => total += count,
                }
            }
        });
        for _ in 0..3 {
            sleep(millis(1)).co_await()?;
            (&*near).write_all(&[0; 55])?;
        }
        let closing = poll_fn(|context| futures_io::AsyncWrite::poll_close(Pin::new(&mut &*near), context));
        closing.co_await()??;
        assert_eq!(reader.co_await()??, 165);
        Ok(())
    })
    .unwrap();
}

#[cfg(unix)]
mod unix {
    use coro_core::net::{UnixDatagram, UnixListener, UnixStream, pipe, sendfile};
    use std::os::fd::{AsFd, OwnedFd};

    use super::*;

    #[test]
    fn connections_by_path_and_pairs() {
        run(|| {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("kitchen");
            let listener = UnixListener::bind(&path)?;
            let server = create_task(coroutine(move || {
                let (mut stream, _) = listener.accept()?;
                let mut text = String::new();
                stream.read_to_string(&mut text)?;
                Ok(text)
            }));
            let mut stream = UnixStream::connect(&path)?;
            stream.write_all(b"eggs")?;
            assert_eq!(stream.peer_addr()?.as_pathname(), Some(&*path));
            drop(stream);
            assert_eq!(server.co_await()?, "eggs");
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_listener_that_is_full_is_waited_for() {
        run(|| {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("kitchen");
            let listener = UnixListener::bind(&path)?;
            rustix_listen(&listener, 0);
            let clients: Vec<_> = (0..5)
                .map(|_| {
                    let path = path.clone();
                    create_task(coroutine(move || Ok(UnixStream::connect(path)?)))
                })
                .collect();
            sleep(secs(1)).co_await()?;
            assert!(clients.iter().any(|client| !client.done()));
            let accepted: Vec<_> = listener.incoming().take(5).collect::<Result<_, _>>()?;
            assert_eq!(gather(clients).co_await()?.len(), accepted.len());
            Ok(())
        })
        .unwrap();
    }

    /// Makes the queue of a listener shorter.
    fn rustix_listen(listener: &UnixListener, backlog: i32) {
        socket2::SockRef::from(listener).listen(backlog).unwrap();
    }

    #[test]
    fn datagrams_wait_for_a_peer_that_is_full() {
        run(|| {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("kitchen");
            let cook = UnixDatagram::bind(&path)?;
            let customer = UnixDatagram::unbound()?;
            let connected = UnixDatagram::unbound()?;
            connected.connect(&path)?;
            let sending = create_task(coroutine(move || {
                (0..1000).try_for_each(|_| customer.send_to(b"egg", &path).map(drop))?;
                Ok((0..1000).try_for_each(|_| connected.send(b"").map(drop))?)
            }));
            sleep(millis(100)).co_await()?;
            assert!(!sending.done());
            let mut lengths = 0;
            for _ in 0..2000 {
                lengths += cook.recv(&mut [0; 10])?;
            }
            assert_eq!(lengths, 3000);
            sending.co_await()
        })
        .unwrap();
    }

    #[test]
    fn a_message_with_a_boundary_does_not_hide_what_follows() {
        // What comes with a file descriptor ends a read, though there is more.
        run(|| {
            let (near, far) = UnixStream::pair()?;
            let reader = create_task(coroutine(move || {
                let mut far = &far;
                let mut total = 0;
                while total < 7 {
                    total += far.read(&mut [0; 100])?;
                }
                Ok(total)
            }));
            next_round()?;
            send_with_fd(&near, b"egg");
            (&near).write_all(b"eggs")?;
            assert_eq!(reader.co_await()?, 7);
            Ok(())
        })
        .unwrap();
    }

    fn send_with_fd(stream: &UnixStream, text: &[u8]) {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let fds = [stream.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let sent = sendmsg(stream, &[IoSlice::new(text)], &mut control, SendFlags::empty());
        assert_eq!(sent.unwrap(), text.len());
    }

    #[test]
    fn a_pipe_that_is_full_holds_its_writer() {
        run(|| {
            let (mut reader, mut writer) = pipe()?;
            let written = Rc::new(Cell::new(0));
            let count = written.clone();
            let writing = create_task(coroutine(move || {
                while count.get() < 1_000_000 {
                    count.set(count.get() + writer.write(&[0; 5000])?);
                }
                Ok(())
            }));
            sleep(millis(10)).co_await()?;
            assert!(!writing.done() && written.get() > 0);
            let mut all = Vec::new();
            reader.read_to_end(&mut all)?;
            writing.co_await()?;
            assert_eq!(all.len(), written.get());
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn descriptors_go_in_and_come_out() {
        run(|| {
            let (reader, writer) = pipe()?;
            let (reader, writer) = (OwnedFd::try_from(reader)?, OwnedFd::try_from(writer)?);
            let mut reader = coro_core::net::PipeReader::try_from(reader)?;
            let mut writer = coro_core::net::PipeWriter::try_from(writer)?;
            writer.write_all(b"eggs")?;
            assert_eq!(reader.read(&mut [0; 10])?, 4);
            let (near, far) = UnixStream::pair()?;
            let near = UnixStream::try_from(OwnedFd::try_from(near)?)?;
            (&near).write_all(b"eggs")?;
            assert_eq!((&far).read(&mut [0; 10])?, 4);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_file_is_sent_by_the_kernel_in_parts_and_from_the_middle() {
        run(|| {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("eggs");
            let text: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
            coro_core::fs::write(&path, &text)?;
            for (offset, count) in [(0, None), (1_000_001, None), (10, Some(700_000)), (1_999_999, Some(5))] {
                let (near, far) = pair()?;
                let file = coro_core::fs::File::open(&path)?;
                let reader = create_task(coroutine(move || {
                    let mut all = Vec::new();
                    (&*far).read_to_end(&mut all)?;
                    Ok(all)
                }));
                let sent = sendfile(&near, &file, offset, count)?;
                drop(near);
                let start = usize::try_from(offset)?;
                let end = count.map_or(text.len(), |count| text.len().min(start + count as usize));
                assert_eq!(sent as usize, end - start);
                assert!(reader.co_await()? == text[start..end]);
            }
            Ok(())
        })
        .unwrap();
    }
}
