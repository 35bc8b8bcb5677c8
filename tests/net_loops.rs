//! Sockets and loops: moved between threads, shared by loops, and what a wait for them means to a virtual clock.

mod common;

use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use common::{next_round, run};
use coro_core::RunBuilder;
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;

fn pair() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    Ok((near, far))
}

/// A loop on the real clock, in this thread.
fn on_a_loop<T>(main: impl FnOnce() -> Result<T>) -> T {
    let mut result = None;
    RunBuilder::new()
        .handle_interrupts(false)
        .run(coroutine(|| {
            result = Some(main()?);
            Ok(())
        }))
        .unwrap();
    result.unwrap()
}

#[test]
fn a_socket_moves_between_two_loops_again_and_again() {
    // It goes to and fro between two threads, each with a loop; one byte is read at each stop.
    const TRIPS: u32 = 500;
    let (near, far) = pair().unwrap();
    let (to_here, here) = channel::<TcpStream>();
    let (to_there, there) = channel::<TcpStream>();
    let echo = thread::spawn(move || {
        on_a_loop(|| {
            let mut near = near;
            for _ in 0..2 * TRIPS {
                let mut egg = [0];
                near.read_exact(&mut egg)?;
                near.write_all(&egg)?;
            }
            Ok(())
        });
    });
    let other = thread::spawn(move || {
        on_a_loop(|| {
            for mut far in there {
                far.write_all(b"b")?;
                far.read_exact(&mut [0])?; // it waits on this loop
                if to_here.send(far).is_err() {
                    break;
                }
            }
            Ok(())
        });
    });
    on_a_loop(move || {
        let mut far = far;
        for _ in 0..TRIPS {
            far.write_all(b"a")?;
            far.read_exact(&mut [0])?;
            to_there.send(far)?;
            far = here.recv()?;
        }
        Ok(())
    });
    other.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn two_loops_share_a_listener_without_taking_it_from_each_other() {
    const CLIENTS: usize = 200;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let (said, heard) = channel();
    let servers: Vec<_> = (0..2)
        .map(|_| {
            let (listener, said) = (listener.clone(), said.clone());
            thread::spawn(move || {
                on_a_loop(|| {
                    while let Ok((mut stream, _)) = listener.accept() {
                        stream.write_all(b"e")?;
                        said.send(())?;
                    }
                    Ok(())
                });
                cpu_time()
            })
        })
        .collect();
    let started = Instant::now();
    on_a_loop(|| {
        for _ in 0..CLIENTS {
            TcpStream::connect(address)?.read_exact(&mut [0])?;
        }
        sleep(millis(200)).co_await()
    });
    assert_eq!(heard.iter().take(CLIENTS).count(), CLIENTS);
    let took = started.elapsed();
    listener.close().unwrap(); // wakes both
    for server in servers {
        let busy = server.join().unwrap();
        assert!(busy < took / 2, "a loop that waits is busy: {busy:?} of {took:?}");
    }
}

/// Of this thread.
fn cpu_time() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix_time();
        Duration::new(time.0, time.1)
    }
    #[cfg(not(unix))]
    Duration::ZERO
}

#[cfg(unix)]
fn rustix_time() -> (u64, u32) {
    // SAFETY: the time is written to `time`, which lives.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        assert_eq!(libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time), 0);
        (time.tv_sec as u64, time.tv_nsec as u32)
    }
}

#[test]
fn one_loop_reads_what_another_one_writes_through_the_same_socket() {
    let (near, far) = pair().unwrap();
    let far = Arc::new(far);
    let writing = far.clone();
    const SIZE: usize = 5_000_000;
    let writer = thread::spawn(move || {
        on_a_loop(|| Ok((&*writing).write_all(&vec![1; SIZE])?));
    });
    let echo = thread::spawn(move || {
        on_a_loop(|| {
            let (mut reading, mut near) = (&near, &near);
            let mut buffer = vec![0; 100_000];
            let mut left = SIZE;
            while left > 0 {
                let read = reading.read(&mut buffer)?;
                near.write_all(&buffer[..read])?;
                left -= read;
            }
            Ok(())
        });
    });
    on_a_loop(|| {
        let mut all = vec![0; SIZE];
        (&*far).read_exact(&mut all)?;
        assert!(all.iter().all(|byte| *byte == 1));
        Ok(())
    });
    writer.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn a_socket_can_be_dropped_on_another_thread_while_its_loop_waits_for_something_else() {
    on_a_loop(|| {
        for _ in 0..50 {
            let (near, far) = pair()?;
            let far = Arc::new(far);
            let reading = far.clone();
            let reader = create_task(coroutine(move || Ok((&*reading).read(&mut [0])?)));
            next_round()?; // it is registered here
            reader.cancel();
            assert!(reader.co_await().is_err());
            to_thread(move || drop(far)).co_await()?;
            assert_eq!((&near).read(&mut [0])?, 0);
        }
        Ok(())
    });
}

#[test]
fn a_silent_connection_inside_the_loop_does_not_hold_a_virtual_clock() {
    run(|| {
        let started = Instant::now();
        let (_near, mut far) = pair()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let accepting = create_task(coroutine(move || listener.accept().map(drop).map_err(Into::into)));
        let reader = create_task(coroutine(move || Ok(far.read(&mut [0])?)));
        sleep(secs(60 * 60)).co_await()?;
        assert!(started.elapsed() < secs(60));
        assert!(!reader.done() && !accepting.done());
        reader.cancel();
        accepting.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_sent_inside_the_loop_arrives_before_the_clock_moves() {
    run(|| {
        let event_loop = get_running_loop()?;
        let (mut near, mut far) = pair()?;
        let timer = create_task(sleep(millis(1)));
        for _ in 0..100 {
            let mut far = far.try_clone()?;
            let reader = create_task(coroutine(move || Ok(far.read_exact(&mut [0])?)));
            next_round()?;
            near.write_all(b"e")?;
            reader.co_await()?;
        }
        assert_eq!(event_loop.time(), secs(0));
        timer.co_await()?;
        drop(near);
        assert_eq!(far.read(&mut [0])?, 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_connection_to_a_thread_holds_a_virtual_clock() {
    run(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (go, gone) = channel::<()>();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            gone.recv().unwrap();
            thread::sleep(millis(50)); // real time
            stream.write_all(b"eggs").unwrap();
        });
        let mut stream = TcpStream::connect(address)?;
        let event_loop = get_running_loop()?;
        let limited = create_task(sleep(secs(30)));
        go.send(())?;
        let before = event_loop.time();
        assert_eq!(stream.read(&mut [0; 10])?, 4);
        assert_eq!(event_loop.time(), before);
        assert!(!limited.done());
        thread.join().unwrap();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_wait_for_a_connection_that_moved_to_this_loop_is_no_deadlock() {
    let (near, mut far) = pair().unwrap();
    on_a_loop(|| {
        far.set_read_timeout(Some(millis(1)))?;
        assert!(far.read(&mut [0]).is_err()); // it waits on this loop
        Ok(())
    });
    far.set_read_timeout(None).unwrap();
    let thread = thread::spawn(move || (&near).write_all(b"eggs").unwrap());
    let far = Rc::new(far);
    let read = on_a_loop(|| Ok((&*far).read(&mut [0; 10])?));
    assert_eq!(read, 4);
    thread.join().unwrap();
}
