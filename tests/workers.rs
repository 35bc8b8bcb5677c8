//! `Workers`: one loop for each core on one address, and how they end.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::quiet_panics;
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use coro_core::{Workers, channel, current_task};

fn echo(stream: TcpStream, _: SocketAddr) -> Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match (&stream).read(&mut buffer)? {
            0 => return Ok(()),
            count => (&stream).write_all(&buffer[..count])?,
        }
    }
}

fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = StdStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_worker_serves_whether_listeners_are_shared_or_not() -> Result<()> {
    for shared in [false, true] {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let names = Arc::clone(&seen);
        let handler = move |stream, peer| {
            names.lock().unwrap().insert(std::thread::current().name().map(str::to_owned));
            echo(stream, peer)
        };
        let serving = Workers::new(3).shared_listener(shared).start("127.0.0.1:0", handler)?;
        let mut asked = 0;
        while seen.lock().unwrap().len() < 3 {
            assert_eq!(ask(serving.local_addr(), "eggs"), "eggs");
            asked += 1;
            assert!(asked < 5000, "only {:?} served", seen.lock().unwrap());
        }
        serving.shut_down();
        serving.wait()?;
    }
    Ok(())
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Workers::new(2).start(address, echo).unwrap_err();
    let io = error.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(io.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn connections_that_are_open_go_on_while_it_drains_and_new_ones_are_refused() -> Result<()> {
    let serving = Workers::new(2).start("127.0.0.1:0", echo)?;
    let address = serving.local_addr();
    let mut open = StdStream::connect(address)?;
    let mut buffer = [0; 4];
    open.write_all(b"eggs")?;
    open.read_exact(&mut buffer)?; // it was accepted
    serving.shut_down();
    // The listeners are closed soon.
    while StdStream::connect(address).is_ok() {}
    open.write_all(b"more")?;
    open.read_exact(&mut buffer)?;
    assert_eq!(&buffer, b"more");
    drop(open);
    serving.wait()
}

#[test]
fn connections_that_take_too_long_are_cancelled() -> Result<()> {
    let (told, cancelled) = mpsc::channel();
    let (tell, begun) = mpsc::channel();
    let handler = move |_stream, _peer| {
        tell.send(()).unwrap();
        let result = sleep(secs(1_000_000)).co_await();
        told.send(result.as_ref().is_err_and(Error::is_cancelled)).unwrap();
        result
    };
    for abort in [false, true] {
        let patience = if abort { secs(1_000_000) } else { millis(10) };
        let serving = Workers::new(1).drain_timeout(patience).start("127.0.0.1:0", handler.clone())?;
        let mut open = StdStream::connect(serving.local_addr())?;
        open.write_all(b"x")?;
        begun.recv().unwrap(); // one that was not accepted, or has not begun, is cancelled in silence
        match abort {
            true => serving.abort(),
            false => serving.shut_down(),
        }
        serving.wait()?;
        assert!(cancelled.recv().unwrap());
        assert_eq!(open.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    Ok(())
}

#[test]
fn what_a_handler_raises_ends_its_connection_alone() -> Result<()> {
    quiet_panics();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let handler = move |stream, peer| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::msg("burnt")),
        1 => panic!("meant: burnt"),
        _ => echo(stream, peer),
    };
    let serving = Workers::new(1).start("127.0.0.1:0", handler)?;
    for expected in ["", "", "eggs"] {
        let mut stream = StdStream::connect(serving.local_addr())?;
        let _ = stream.write_all(b"eggs");
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        // The first two may be reset, since they left something unread.
        let _ = stream.read_to_string(&mut answer);
        assert_eq!(answer, expected);
    }
    serving.shut_down();
    serving.wait()
}

#[test]
fn a_task_waits_for_them_without_holding_up_its_loop() -> Result<()> {
    coro_core::run(coroutine(|| {
        let serving = Workers::new(2).start("127.0.0.1:0", echo)?;
        let address = serving.local_addr();
        let ticks = create_task(coroutine(|| {
            for _ in 0..3 {
                sleep(millis(1)).co_await()?;
            }
            Ok(())
        }));
        let client = create_task(coroutine(move || {
            let stream = TcpStream::connect(address)?;
            (&stream).write_all(b"eggs")?;
            stream.shutdown(Shutdown::Write)?;
            let mut answer = String::new();
            (&stream).read_to_string(&mut answer)?;
            Ok(answer)
        }));
        assert_eq!(client.co_await()?, "eggs");
        ticks.co_await()?;
        serving.shut_down();
        serving.wait()
    }))
}

#[test]
#[cfg(unix)]
fn signals_end_it_and_a_second_one_cancels() {
    let output = common::in_child("signals_end_it_and_a_second_one_cancels", || {
        let (accepted, soon) = channel::unbounded();
        let handler = move |_stream, _peer| {
            accepted.send(())?;
            sleep(secs(1_000_000)).co_await()
        };
        // The port must be known to the client before the call that does not return.
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let client = std::thread::spawn(move || {
            let stream = loop {
                if let Ok(stream) = StdStream::connect(address) {
                    break stream;
                }
            };
            soon.recv().unwrap();
            // SAFETY: sends a signal to this process, which handles it.
            unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
            while StdStream::connect(address).is_ok() {}
            // SAFETY: as above.
            unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
            drop(stream);
        });
        Workers::new(2).serve(address, handler).unwrap();
        client.join().unwrap();
        println!("served");
    });
    if let Some(output) = output {
        common::assert_well(&output);
        assert!(String::from_utf8_lossy(&output.stdout).contains("served"));
    }
}

#[test]
#[cfg(unix)]
fn a_cancelled_serve_leaves_no_worker_behind() -> Result<()> {
    let running = Arc::new(AtomicUsize::new(0));
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (told, address) = channel::unbounded();
    let count = Arc::clone(&running);
    let handler = move |stream: TcpStream, _peer| {
        count.fetch_add(1, Ordering::SeqCst);
        let _gone = Gone(Arc::clone(&count));
        told.send(stream.local_addr()?)?;
        sleep(secs(1_000_000)).co_await()
    };
    coro_core::run(coroutine(move || {
        let probe = TcpListener::bind("127.0.0.1:0")?;
        let at = probe.local_addr()?;
        drop(probe);
        let serving = create_task(coroutine(move || Workers::new(2).serve(at, handler)));
        let client = loop {
            sleep(millis(1)).co_await()?;
            if let Ok(client) = TcpStream::connect(at) {
                break client;
            }
        };
        assert_eq!(address.recv()?, at);
        assert_eq!(running.load(Ordering::SeqCst), 1);
        serving.cancel();
        assert!(serving.co_await().unwrap_err().is_cancelled());
        assert_eq!(running.load(Ordering::SeqCst), 0);
        assert!(current_task().is_some());
        drop(client);
        Ok(())
    }))
}
