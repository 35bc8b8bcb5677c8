//! Cancelling an operation of a socket at each moment loses nothing.

mod common;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::rc::Rc;

use common::{at_each_moment, direct, ended};
use coro_core::net::{TcpListener, TcpStream, UdpSocket};
use coro_core::prelude::*;

fn pair() -> Result<(Rc<TcpStream>, Rc<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    Ok((Rc::new(near), Rc::new(far)))
}

#[test]
fn a_read() {
    at_each_moment(|moment| {
        let (near, far) = pair()?;
        let got = Rc::new(RefCell::new(Vec::new()));
        let (reading, kept) = (far.clone(), got.clone());
        let victim = create_task(coroutine(move || {
            loop {
                let mut buffer = [0; 3];
                let read = (&*reading).read(&mut buffer)?;
                kept.borrow_mut().extend_from_slice(&buffer[..read]);
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        direct(&victim.any_task(), moment, |round| {
            if round % 2 == 1 {
                (&*near).write_all(b"eggs").unwrap();
            }
        })?;
        ended(victim.co_await());
        drop(near);
        let mut rest = Vec::new();
        (&*far).read_to_end(&mut rest)?;
        let mut all = got.take();
        all.extend(rest);
        assert_eq!(all, b"eggseggseggs");
        Ok(())
    });
}

#[test]
fn one_of_two_readers() {
    at_each_moment(|moment| {
        let (near, far) = pair()?;
        let got = Rc::new(Cell::new(0));
        let read = |far: Rc<TcpStream>, got: Rc<Cell<usize>>| {
            create_task(coroutine(move || {
                loop {
                    match (&*far).read(&mut [0; 2])? {
                        0 => return Ok(()),
                        count => got.set(got.get() + count),
                    }
                }
            }))
        };
        let victim = read(far.clone(), got.clone());
        let other = read(far.clone(), got.clone());
        direct(&victim.any_task(), moment, |_| (&*near).write_all(b"egg").unwrap())?;
        drop(near);
        ended(victim.co_await());
        other.co_await()?; // it is never left behind
        assert_eq!(got.get(), 18);
        Ok(())
    });
}

#[test]
fn a_write() {
    at_each_moment(|moment| {
        let (near, far) = pair()?;
        near.set_send_buffer_size(4096)?;
        far.set_read_timeout(Some(millis(1)))?;
        let written = Rc::new(Cell::new(0));
        let (writing, count) = (near.clone(), written.clone());
        let victim = create_task(coroutine(move || {
            loop {
                count.set(count.get() + (&*writing).write(&[7; 100_000])?);
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        let mut read = 0;
        let mut buffer = vec![0; 1_000_000];
        direct(&victim.any_task(), moment, |round| {
            if round > 2 {
                read += (&*far).read(&mut buffer).unwrap_or(0); // nothing is left, perhaps
            }
        })?;
        victim.cancel();
        ended(victim.co_await());
        drop(near);
        let mut rest = Vec::new();
        (&*far).read_to_end(&mut rest)?;
        assert_eq!(read + rest.len(), written.get());
        Ok(())
    });
}

#[test]
fn an_accept() {
    at_each_moment(|moment| {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0")?);
        let address = listener.local_addr()?;
        let accepted = Rc::new(Cell::new(0));
        let (accepting, count) = (listener.clone(), accepted.clone());
        let victim = create_task(coroutine(move || {
            loop {
                accepting.accept()?;
                count.set(count.get() + 1);
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        let mut clients = Vec::new();
        direct(&victim.any_task(), moment, |_| clients.push(TcpStream::connect(address).unwrap()))?;
        ended(victim.co_await());
        for _ in accepted.get()..clients.len() {
            listener.accept()?;
        }
        Ok(())
    });
}

#[test]
fn a_connect() {
    at_each_moment(|moment| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let victim = create_task(coroutine(move || {
            let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            let stream = TcpStream::connect(&[closed, address][..])?;
            stream.set_nodelay(true)?;
            sleep(secs(0)).co_await()?;
            Ok(())
        }));
        direct(&victim.any_task(), moment, |_| {})?;
        ended(victim.co_await());
        assert!(coro_core::all_tasks()?.len() <= 2, "attempts are left");
        // The listener is as good as before.
        let client = TcpStream::connect(address)?;
        while listener.accept()?.1 != client.local_addr()? {}
        Ok(())
    });
}

#[test]
fn a_datagram() {
    at_each_moment(|moment| {
        let far = Rc::new(UdpSocket::bind("127.0.0.1:0")?);
        let near = UdpSocket::bind("127.0.0.1:0")?;
        near.connect(far.local_addr()?)?;
        let got = Rc::new(Cell::new(0));
        let (reading, count) = (far.clone(), got.clone());
        let victim = create_task(coroutine(move || {
            loop {
                reading.recv(&mut [0; 10])?;
                count.set(count.get() + 1);
            }
            #[expect(unreachable_code, reason = "the type of the task")]
            Ok(())
        }));
        direct(&victim.any_task(), moment, |_| drop(near.send(b"egg")))?;
        ended(victim.co_await());
        for _ in got.get()..6 {
            far.recv(&mut [0; 10])?;
        }
        Ok(())
    });
}
