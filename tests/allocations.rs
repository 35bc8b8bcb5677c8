//! What runs again and again allocates nothing: counted by an allocator of this program's own.
#![allow(unsafe_code)] // an allocator

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;

use coro_core::net::{TcpListener, TcpStream};
use coro_core::{Notify, Queue, RunBuilder, prelude::*};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // The thread may be ending.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does all the work; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; all of this program's memory comes from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises; all of this program's memory comes from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How often each is done before it counts: pools are filled, queues have grown.
const FIRST: usize = 200;
const COUNTED: usize = 1000;

/// How many allocations [`COUNTED`] calls of `operation` take, all tasks of the thread together.
fn counted(mut operation: impl FnMut() -> Result<()>) -> Result<usize> {
    for _ in 0..FIRST {
        operation()?;
    }
    let before = ALLOCATIONS.get();
    for _ in 0..COUNTED {
        operation()?;
    }
    Ok(ALLOCATIONS.get() - before)
}

/// A task that repeats `operation` until it fails or is cancelled.
fn meanwhile(mut operation: impl FnMut() -> Result<()> + 'static) -> Task<()> {
    create_task(coroutine(move || {
        loop {
            operation()?;
        }
    }))
}

/// Runs `main` and expects that it counted `expected` allocations in each call.
fn expect(expected: usize, main: impl FnOnce() -> Result<usize>) {
    let count = RunBuilder::new().virtual_clock().run(coroutine(main)).unwrap();
    assert_eq!(count, expected * COUNTED);
}

fn yield_now() -> Result<()> {
    sleep(Duration::ZERO).co_await()
}

#[test]
fn the_allocator_counts() {
    expect(1, || {
        counted(|| {
            drop(std::hint::black_box(Box::new(6)));
            Ok(())
        })
    });
}

#[test]
fn a_yield() {
    expect(0, || {
        meanwhile(yield_now);
        counted(yield_now)
    });
}

#[test]
fn a_sleep() {
    expect(0, || {
        for n in 1..=10 {
            meanwhile(move || sleep(millis(n)).co_await());
        }
        counted(|| sleep(millis(3)).co_await())
    });
}

#[test]
fn a_sleep_in_an_async_block_takes_one() {
    expect(1, || {
        let block = async {
            for _ in 0..FIRST {
                sleep(millis(1)).await?;
            }
            let before = ALLOCATIONS.get();
            for _ in 0..COUNTED {
                sleep(millis(1)).await?;
            }
            Ok(ALLOCATIONS.get() - before)
        };
        create_task(block).co_await()?
    });
}

#[test]
fn a_yield_in_an_async_block() {
    expect(0, || {
        let block = async {
            let before = ALLOCATIONS.get();
            for _ in 0..COUNTED {
                sleep(Duration::ZERO).await?;
            }
            Ok(ALLOCATIONS.get() - before)
        };
        create_task(block).co_await()?
    });
}

#[test]
fn an_item_handed_over_by_a_queue() {
    expect(0, || {
        let (there, back) = (Rc::new(Queue::<u32>::bounded(1)), Rc::new(Queue::<u32>::bounded(1)));
        meanwhile({
            let (there, back) = (Rc::clone(&there), Rc::clone(&back));
            move || back.put(there.get().co_await()? + 1).co_await()
        });
        counted(|| {
            there.put(6).co_await()?;
            assert_eq!(back.get().co_await()?, 7);
            Ok(())
        })
    });
}

#[test]
fn a_lock_handed_over() {
    expect(0, || {
        let lock = Rc::new(Lock::new(0));
        let add = move || {
            let mut locked = lock.lock().co_await()?;
            yield_now()?; // the others come to wait
            *locked += 1;
            Ok(())
        };
        meanwhile(add.clone());
        meanwhile(add.clone());
        counted(add)
    });
}

#[test]
fn an_event_waited_for() {
    expect(0, || {
        let event = Rc::new(Event::new());
        meanwhile({
            let event = Rc::clone(&event);
            move || {
                event.set();
                yield_now()
            }
        });
        counted(|| {
            event.clear();
            event.wait().co_await().map(drop)
        })
    });
}

#[test]
fn a_notification_waited_for() {
    expect(0, || {
        let notify = Rc::new(Notify::new());
        meanwhile({
            let notify = Rc::clone(&notify);
            move || {
                notify.notify_one();
                yield_now()
            }
        });
        counted(|| notify.notified().co_await().map(drop))
    });
}

#[test]
fn a_future_awaited_that_is_done() {
    expect(0, || {
        let future = coro_core::Future::new();
        future.set_result(6)?;
        counted(|| (&future).co_await().map(drop))
    });
}

/// There and back over a pair of sockets, one end in each of two tasks.
fn round_trips<S>(near: S, far: S) -> Result<usize>
where
    S: 'static,
    for<'a> &'a S: Read + Write,
{
    meanwhile(move || {
        let mut buffer = [0; 64];
        let count = (&far).read(&mut buffer)?;
        Ok((&far).write_all(&buffer[..count])?)
    });
    counted(|| {
        let mut buffer = [6; 64];
        (&near).write_all(&buffer)?;
        Ok((&near).read_exact(&mut buffer)?)
    })
}

#[test]
fn reads_and_writes_of_tcp() {
    let count = RunBuilder::new().run(coroutine(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        round_trips(near, far)
    }));
    assert_eq!(count.unwrap(), 0);
}

#[cfg(unix)]
#[test]
fn reads_and_writes_of_unix_sockets() {
    let count = RunBuilder::new().run(coroutine(|| {
        let (near, far) = coro_core::net::UnixStream::pair()?;
        round_trips(near, far)
    }));
    assert_eq!(count.unwrap(), 0);
}

#[test]
fn a_task_made_and_awaited_takes_one() {
    // Its context is made when somebody asks for it.
    expect(1, || counted(|| create_task(coroutine(|| Ok(()))).co_await()));
}
