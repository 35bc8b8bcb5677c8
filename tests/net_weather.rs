//! Sockets in bad weather: peers that leave, reset or are slow, systems without room, closed and reused descriptors.
#![cfg(unix)]

mod common;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Log, assert_well, event_loop, in_child, next_round, quiet_panics, run, run_ordered, silent};
use coro_core::net::{TcpListener, TcpStream, UdpSocket, UnixStream, pipe};
use coro_core::prelude::*;
use coro_core::{Cancelled, Panicked, RunBuilder, RuntimeError};

fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    Ok((near, far))
}

#[track_caller]
fn kind<T>(result: io::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it went well"),
        Err(error) => error.kind(),
    }
}

#[test]
fn a_signal_that_interrupts_is_invisible() {
    extern "C" fn nothing(_: libc::c_int) {}
    // In a process of its own: signals go to all of it.
    let child = in_child("a_signal_that_interrupts_is_invisible", || {
        // SAFETY: a handler that does nothing is sound; without SA_RESTART every system call is interrupted.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, main) = (Arc::clone(&stop), rustix::process::getpid());
        let shooter = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                rustix::process::kill_process(main, rustix::process::Signal::USR1).unwrap();
            }
        });
        RunBuilder::new()
            .run(coroutine(|| {
                for _ in 0..20 {
                    let (mut near, mut far) = pair()?;
                    let reader = create_task(coroutine(move || {
                        let mut all = Vec::new();
                        far.read_to_end(&mut all)?;
                        Ok(all.len())
                    }));
                    near.write_all(&[0; 300_000])?;
                    drop(near);
                    assert_eq!(reader.co_await()?, 300_000);
                }
                Ok(())
            }))
            .unwrap();
        // Off a loop too.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let writer = thread::spawn(move || {
            thread::sleep(millis(20)); // meanwhile the reader is interrupted, again and again
            near.write_all(b"eggs").unwrap();
        });
        assert_eq!(far.read(&mut [0; 10]).unwrap(), 4);
        writer.join().unwrap();
        stop.store(true, Ordering::SeqCst);
        shooter.join().unwrap();
    });
    child.as_ref().into_iter().for_each(assert_well);
}

#[test]
fn a_reset_is_an_error_for_one_who_waits() {
    run(|| {
        // The system tells one of two, so that each has a connection of its own.
        let [(near, mut reading), (other, mut writing)] = [pair()?, pair()?];
        let reader = create_task(coroutine(move || Ok(kind(reading.read(&mut [0])))));
        let writer = create_task(coroutine(move || Ok(kind(writing.write_all(&vec![0; 10_000_000])))));
        sleep(millis(10)).co_await()?;
        assert!(!reader.done() && !writer.done());
        for end in [near, other] {
            end.set_linger(Some(secs(0)))?;
            drop(end);
        }
        assert_eq!(reader.co_await()?, ErrorKind::ConnectionReset);
        let kind = writer.co_await()?;
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_half_that_is_closed_leaves_the_other_one() {
    run(|| {
        let (near, mut far) = pair()?;
        near.shutdown(Shutdown::Write)?;
        assert_eq!(far.read(&mut [0; 10])?, 0);
        assert_eq!(far.read(&mut [0; 10])?, 0); // again and again
        far.write_all(b"eggs")?;
        assert_eq!((&near).read(&mut [0; 10])?, 4);
        let waiting = create_task(coroutine(move || Ok((&near).read(&mut [0; 10])?)));
        next_round()?;
        drop(far);
        assert_eq!(waiting.co_await()?, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_shutdown_wakes_who_waits_on_this_side() {
    run(|| {
        let (near, _far) = pair()?;
        let near = Rc::new(near);
        let reading = near.clone();
        let reader = create_task(coroutine(move || Ok((&*reading).read(&mut [0])?)));
        next_round()?;
        near.shutdown(Shutdown::Both)?;
        assert_eq!(reader.co_await()?, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn of_a_writer_that_is_cancelled_every_byte_told_arrives_and_no_other() {
    run(|| {
        let (near, mut far) = pair()?;
        let written = Rc::new(Cell::new(0_u32));
        let count = written.clone();
        let writer = create_task(coroutine(move || {
            let mut next = 0_u32;
            loop {
                let chunk: Vec<u8> = (next..next + 7919).map(|n| n as u8).collect();
                next += u32::try_from((&near).write(&chunk)?)?; // some are short
                count.set(next);
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        sleep(millis(10)).co_await()?;
        assert!(!writer.done());
        writer.cancel();
        assert!(writer.co_await().unwrap_err().is_cancelled());
        let mut all = Vec::new();
        far.read_to_end(&mut all)?;
        assert_eq!(all.len(), written.get() as usize);
        assert!(all.iter().enumerate().all(|(n, byte)| n as u8 == *byte));
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_address_in_use_a_refusal_and_a_name_that_nobody_has_are_told_with_the_address() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let error = TcpListener::bind(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("{address}: ")), "{error}");
        let error = UdpSocket::bind("192.0.2.1:9").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        drop(listener);
        let error = TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("{address}: ")), "{error}");
        let system: Option<&io::Error> =
            std::error::Error::source(error.get_ref().unwrap()).and_then(|source| source.downcast_ref());
        assert_eq!(system.and_then(io::Error::raw_os_error), Some(libc::ECONNREFUSED));
        let error = Error::new(TcpStream::connect("name.invalid:80").unwrap_err());
        assert!(error.is::<coro_core::dns::LookupError>());
        assert!(error.to_string().contains("name.invalid"), "{error}");
        assert_eq!(kind(TcpStream::connect("no port")), ErrorKind::InvalidInput);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_of_several_addresses_that_answers_is_enough() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let good = listener.local_addr()?;
        let closed = || -> Result<_> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?) };
        let (first, second) = (closed()?, closed()?);
        let stream = TcpStream::connect(&[first, second, good][..])?;
        assert_eq!(stream.peer_addr()?, good);
        let error = TcpStream::connect(&[first, second][..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(text.starts_with("Multiple exceptions: "), "{text}");
        assert!(text.contains(&first.to_string()) && text.contains(&second.to_string()), "{text}");
        assert_eq!(kind(TcpStream::connect(&[][..])), ErrorKind::InvalidInput);
        Ok(())
    })
    .unwrap();
}

#[test]
fn connecting_ends_at_its_limit_and_when_it_is_cancelled() {
    RunBuilder::new()
        .handle_interrupts(false)
        .run(coroutine(|| {
            let (listener, clients) = silent()?;
            let address = listener.local_addr()?;
            let error = TcpStream::connect_timeout(&address, millis(5)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(error.to_string().starts_with(&address.to_string()), "{error}");
            assert_eq!(kind(TcpStream::connect_timeout(&address, secs(0))), ErrorKind::InvalidInput);
            let connecting = create_task(coroutine(move || Ok(TcpStream::connect(address)?)));
            sleep(millis(1)).co_await()?;
            connecting.cancel();
            assert!(connecting.co_await().unwrap_err().is_cancelled());
            drop(clients);
            Ok(())
        }))
        .unwrap();
}

#[test]
fn accepting_rests_while_there_is_no_descriptor_left_and_goes_on() {
    let child = in_child("accepting_rests_while_there_is_no_descriptor_left_and_goes_on", || {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let few = rustix::process::Rlimit { current: Some(64), ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
        run(|| {
            let told = Rc::new(RefCell::new(Vec::new()));
            let tell = told.clone();
            let event_loop = get_running_loop()?;
            event_loop
                .set_exception_handler(move |_, context| tell.borrow_mut().push(context.message.clone()));
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let mut client = TcpStream::connect(address)?;
            let mut full = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                full.push(file);
            }
            let error = listener.accept().unwrap_err(); // std's answer
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            let server = create_task(coroutine(move || {
                let mut stream = listener.incoming().next().unwrap()?;
                let mut buffer = [0; 4];
                stream.read_exact(&mut buffer)?;
                Ok((listener, buffer))
            }));
            client.write_all(b"eggs")?;
            sleep(millis(3500)).co_await()?;
            assert!(!server.done());
            assert_eq!(*told.borrow(), ["socket.accept() out of system resource"]);
            full.clear();
            let before = event_loop.time();
            let (listener, buffer) = server.co_await()?;
            assert!(event_loop.time() - before <= secs(1));
            assert_eq!(&buffer, b"eggs");
            drop(client);
            TcpStream::connect(listener.local_addr()?)?;
            listener.accept()?;
            Ok(())
        })
        .unwrap();
    });
    child.as_ref().into_iter().for_each(assert_well);
}

#[test]
fn a_connection_that_was_given_up_before_it_was_accepted_is_no_error() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let gone = TcpStream::connect(listener.local_addr()?)?;
        gone.set_linger(Some(secs(0)))?;
        drop(gone);
        let good = TcpStream::connect(listener.local_addr()?)?;
        // Linux hands out the one that is gone; others pass over it.
        let found = listener.incoming().take(2).any(|stream| {
            stream
                .and_then(|stream| stream.peer_addr())
                .is_ok_and(|peer| Ok(peer) == good.local_addr().map_err(drop))
        });
        assert!(found);
        Ok(())
    })
    .unwrap();
}

#[test]
fn closing_wakes_all_who_wait_and_refuses_who_comes_later() {
    run(|| {
        let (near, far) = pair()?;
        let far = Rc::new(far);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let far = far.clone();
                create_task(coroutine(move || Ok(kind((&*far).read(&mut [0])))))
            })
            .collect();
        let writing = far.clone();
        let writer = create_task(coroutine(move || Ok(kind((&*writing).write_all(&vec![0; 10_000_000])))));
        sleep(millis(5)).co_await()?;
        far.close()?;
        assert_eq!(gather(readers).co_await()?, [ErrorKind::NotConnected; 3]);
        assert_eq!(writer.co_await()?, ErrorKind::NotConnected);
        assert_eq!(kind((&*far).read(&mut [0])), ErrorKind::NotConnected);
        assert_eq!(kind((&*far).write(&[0])), ErrorKind::NotConnected);
        drop(near);

        let listener = Rc::new(TcpListener::bind("127.0.0.1:0")?);
        let accepting = listener.clone();
        let acceptor = create_task(coroutine(move || Ok(kind(accepting.accept()))));
        next_round()?;
        listener.close()?;
        assert_eq!(acceptor.co_await()?, ErrorKind::NotConnected);
        Ok(())
    })
    .unwrap();
}

#[test]
fn closing_from_another_thread_wakes_who_waits() {
    let main = coroutine(|| {
        let (_near, far) = pair()?;
        let far = Arc::new(far);
        let reading = far.clone();
        let reader = create_task(coroutine(move || Ok(kind((&*reading).read(&mut [0])))));
        next_round()?;
        to_thread(move || far.close()).co_await()??;
        assert_eq!(reader.co_await()?, ErrorKind::NotConnected);
        Ok(())
    });
    RunBuilder::new().handle_interrupts(false).run(main).unwrap();
}

#[test]
fn a_number_that_is_used_again_gets_no_events_of_the_old_socket() {
    run(|| {
        for _ in 0..100 {
            let (mut near, far) = UnixStream::pair()?;
            let far = Rc::new(far);
            let reading = far.clone();
            let reader = create_task(coroutine(move || Ok((&*reading).read(&mut [0])?)));
            next_round()?;
            near.write_all(b"e")?; // an event that nobody has collected yet
            reader.cancel();
            assert!(reader.co_await().is_err());
            drop((near, far));
            // The same numbers, most likely: nothing has come there.
            let (mut near, mut far) = UnixStream::pair()?;
            let reader = create_task(coroutine(move || Ok(far.read(&mut [0; 10])?)));
            next_round()?;
            next_round()?;
            assert!(!reader.done());
            near.write_all(b"eggs")?;
            assert_eq!(reader.co_await()?, 4);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn in_a_callback_waiting_is_refused_and_what_is_ready_works() {
    run(|| {
        let (near, far) = pair()?;
        let (near, far) = (Rc::new(near), Rc::new(far));
        (&*near).write_all(b"egg")?;
        let log = Log::new();
        let said = log.clone();
        let reading = far.clone();
        get_running_loop()?.call_soon(move || {
            said.push(format!("{:?}", (&*reading).read(&mut [0; 10]).map_err(|error| error.kind())));
            let error = Error::new((&*reading).read(&mut [0; 10]).unwrap_err());
            assert!(error.is::<RuntimeError>(), "{error:?}");
            said.push(format!("{:?}", (&*reading).write(b"x").is_ok()));
        });
        next_round()?;
        next_round()?;
        assert_eq!(log.take(), ["Ok(3)", "true"]);
        // The socket is as good as before.
        let reader = create_task(coroutine(move || Ok((&*far).read(&mut [0; 10])?)));
        next_round()?;
        (&*near).write_all(b"eggs")?;
        assert_eq!(reader.co_await()?, 4);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_socket_outlives_its_loop_and_works_without_one() {
    let (mut near, mut far) = run(|| {
        let (near, far) = pair()?;
        let far = Rc::new(far);
        let reading = far.clone();
        let reader = create_task(coroutine(move || Ok((&*reading).read(&mut [0])?)));
        next_round()?;
        reader.cancel();
        assert!(reader.co_await().is_err());
        Ok((near, Rc::into_inner(far).unwrap()))
    })
    .unwrap();
    near.write_all(b"eggs").unwrap();
    assert_eq!(far.read(&mut [0; 10]).unwrap(), 4);
    // And on the next loop.
    run(|| {
        let reader = create_task(coroutine(move || Ok(far.read(&mut [0; 10])?)));
        next_round()?;
        near.write_all(b"six")?;
        assert_eq!(reader.co_await()?, 3);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_loop_that_is_closed_unwinds_its_readers_and_lets_their_sockets_go() {
    let event_loop = event_loop();
    let log = Log::new();
    let flag = log.flag("the reader is unwound");
    let near = event_loop
        .run_until_complete(coroutine(move || {
            let (near, far) = pair()?;
            create_task(coroutine(move || {
                let _flag = flag;
                Ok((&far).read(&mut [0])?)
            }));
            next_round()?;
            Ok(near)
        }))
        .unwrap();
    assert!(log.take().is_empty());
    event_loop.close().unwrap();
    drop(event_loop);
    assert_eq!(log.take(), ["the reader is unwound"]);
    assert_eq!((&near).read(&mut [0]).unwrap(), 0); // the other end is gone
}

#[test]
fn a_panic_lets_the_socket_of_its_task_go() {
    quiet_panics();
    run(|| {
        let (near, far) = pair()?;
        let task = create_task(coroutine(move || {
            (&far).read_exact(&mut [0])?;
            if far.peer_addr().is_ok() {
                panic!("meant: the cook has left");
            }
            Ok(())
        }));
        next_round()?;
        (&near).write_all(b"e")?;
        assert!(task.co_await().unwrap_err().is::<Panicked>());
        assert_eq!((&near).read(&mut [0])?, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_that_always_has_data_lets_others_run() {
    run_ordered(|| {
        let (mut near, mut far) = UnixStream::pair()?;
        let steps = Rc::new(Cell::new(0));
        let count = steps.clone();
        let other = create_task(coroutine(move || {
            loop {
                count.set(count.get() + 1);
                next_round()?;
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        // One task that writes and reads, and never has to wait.
        for _ in 0..10_000 {
            near.write_all(b"egg")?;
            far.read_exact(&mut [0; 3])?;
        }
        assert!((100..400).contains(&steps.get()), "{}", steps.get());
        other.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_future_that_always_has_data_lets_others_run() {
    use std::pin::Pin;
    run_ordered(|| {
        let (mut near, far) = UnixStream::pair()?;
        let steps = Rc::new(Cell::new(0));
        let count = steps.clone();
        let other = create_task(coroutine(move || {
            loop {
                count.set(count.get() + 1);
                next_round()?;
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        near.write_all(&[0; 100_000])?;
        let reader = create_task(async move {
            for _ in 0..10_000 {
                let mut buffer = [0];
                std::future::poll_fn(|context| {
                    futures_io::AsyncRead::poll_read(Pin::new(&mut &far), context, &mut buffer)
                })
                .await?;
            }
            Ok::<_, Error>(())
        });
        reader.co_await()??;
        assert!((50..400).contains(&steps.get()), "{}", steps.get());
        other.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_short_read_never_hides_the_end() {
    run(|| {
        for size in [1, 10, 5000] {
            for late in [false, true] {
                let (mut near, mut far) = pair()?;
                let reader = create_task(coroutine(move || {
                    let mut all = Vec::new();
                    far.read_to_end(&mut all)?;
                    Ok(all.len())
                }));
                next_round()?;
                near.write_all(&vec![0; size])?;
                if late {
                    sleep(millis(1)).co_await()?;
                }
                drop(near);
                assert_eq!(reader.co_await()?, size);
            }
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn urgent_data_hides_nothing() {
    run(|| {
        for late in [false, true] {
            let (near, mut far) = pair()?;
            let reader = create_task(coroutine(move || {
                let mut all = Vec::new();
                far.read_to_end(&mut all)?;
                Ok(all)
            }));
            next_round()?;
            let socket = socket2::SockRef::from(&near);
            (&near).write_all(b"six ")?;
            if late {
                sleep(millis(1)).co_await()?;
            }
            socket.send_out_of_band(b"!")?;
            (&near).write_all(b"eggs")?;
            sleep(millis(1)).co_await()?;
            (&near).write_all(b" more")?;
            drop(near);
            assert_eq!(reader.co_await()?, b"six eggs more");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_pipe_without_a_reader_breaks_for_a_writer_that_waits() {
    run(|| {
        let (reader, mut writer) = pipe()?;
        let writing = create_task(coroutine(move || Ok(kind(writer.write_all(&[0; 1_000_000])))));
        sleep(millis(5)).co_await()?;
        assert!(!writing.done());
        drop(reader);
        assert_eq!(writing.co_await()?, ErrorKind::BrokenPipe);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancellation_comes_through_std_as_itself() {
    run(|| {
        let (_near, mut far) = pair()?;
        let reader = create_task(coroutine(move || {
            let error = far.read_exact(&mut [0; 4]).unwrap_err();
            assert_ne!(error.kind(), ErrorKind::Interrupted);
            let error = Error::new(error);
            assert!(error.is::<Cancelled>());
            Err::<(), _>(error)
        }));
        next_round()?;
        reader.cancel();
        assert!(reader.co_await().unwrap_err().is_cancelled());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_forked_child_leaves_the_poller_of_its_parent_alone() {
    let main = coroutine(|| {
        let (mut near, far) = pair()?;
        let far = Rc::new(far);
        let reading = far.clone();
        let reader = create_task(coroutine(move || Ok((&*reading).read(&mut [0; 10])?)));
        next_round()?;
        // SAFETY: the child calls nothing but close and _exit.
        match unsafe { libc::fork() } {
            0 => {
                drop(far.close()); // ends the registration of the child's copy, not of the parent's
                // SAFETY: it never returns.
                unsafe { libc::_exit(0) }
            }
            child => {
                let mut status = 0;
                // SAFETY: it is this process's child.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert_eq!(status, 0);
            }
        }
        near.write_all(b"eggs")?;
        assert_eq!(reader.co_await()?, 4);
        Ok(())
    });
    RunBuilder::new().handle_interrupts(false).run(main).unwrap();
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let child = in_child("ten_thousand_connections_leave_nothing_behind", || {
        let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(20_000);
        let connections = usize::try_from(limit / 2).unwrap().saturating_sub(200).min(10_000);
        RunBuilder::new()
            .run(coroutine(move || {
                let listener = Rc::new(TcpListener::bind("127.0.0.1:0")?);
                let address = listener.local_addr()?;
                let before = descriptors();
                for _ in 0..2 {
                    let mut clients = Vec::with_capacity(connections);
                    let mut readers = Vec::with_capacity(connections);
                    for _ in 0..connections {
                        clients.push(TcpStream::connect(address)?);
                        let (mut stream, _) = listener.accept()?;
                        let task = coro_core::TaskBuilder::new().stack_size(32 * 1024);
                        readers.push(task.create(coroutine(move || Ok(stream.read(&mut [0])?))));
                    }
                    next_round()?;
                    assert_eq!(descriptors(), before + 2 * connections);
                    drop(clients);
                    assert!(gather(readers).co_await()?.into_iter().all(|read| read == 0));
                    assert_eq!(descriptors(), before);
                }
                Ok(())
            }))
            .unwrap();
    });
    child.as_ref().into_iter().for_each(assert_well);
}
