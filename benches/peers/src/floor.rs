//! The floor: the least that a single-threaded scheduler of stackful tasks could be, over corosensei alone.
//!
//! A queue of ready tasks, a heap of timers, one epoll descriptor, pooled stacks carved from slabs. It has no
//! cancellation, no errors, no names, no reports, no wake-up from other threads, and no panics: it is not a runtime to
//! use, but what one is compared with.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, Yielder};

/// The room of a stack: guard, usable part and colour.
const STRIDE: usize = 64 * 1024;
const PAGE: usize = 4096;
const STACKS_PER_SLAB: usize = 1024;
const MADV_GUARD_INSTALL: i32 = 102;

/// After so many rounds the clock and the poller are asked although tasks are ready.
const ROUNDS_BETWEEN_POLLS: u32 = 61;

type Timers = BinaryHeap<Reverse<(Instant, u64)>>;

/// The scheduler of a thread.
struct Loop {
    ready: RefCell<VecDeque<Rc<Task>>>,
    timers: RefCell<Timers>,
    /// The sleepers, by the second half of the timers' key.
    sleepers: RefCell<Vec<Option<Rc<Task>>>>,
    free_sleepers: RefCell<Vec<u64>>,
    current: Cell<*const Task>,
    stacks: RefCell<Vec<usize>>,
    poller: RawFd,
    events: RefCell<Vec<libc::epoll_event>>,
    sockets: Cell<usize>,
}

thread_local! {
    /// Made at the first use, and never freed.
    static LOOP: Cell<Option<&'static Loop>> = const { Cell::new(None) };
}

#[inline]
fn this_loop() -> &'static Loop {
    LOOP.get().unwrap_or_else(make_loop)
}

#[cold]
fn make_loop() -> &'static Loop {
    // SAFETY: it takes no pointer.
    let poller = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(poller >= 0, "{}", io::Error::last_os_error());
    let made: &'static Loop = Box::leak(Box::new(Loop {
        ready: RefCell::default(),
        timers: RefCell::default(),
        sleepers: RefCell::default(),
        free_sleepers: RefCell::default(),
        current: Cell::new(ptr::null()),
        stacks: RefCell::default(),
        poller,
        events: RefCell::new(vec![libc::epoll_event { events: 0, u64: 0 }; 1024]),
        sockets: Cell::new(0),
    }));
    LOOP.set(Some(made));
    made
}

/// A stack; dropped, it goes back to the pool.
struct PooledStack {
    base: usize,
}

impl PooledStack {
    fn take() -> Self {
        let mut stacks = this_loop().stacks.borrow_mut();
        if stacks.is_empty() {
            map_slab(&mut stacks);
        }
        Self { base: stacks.pop().expect("a slab has stacks") }
    }
}

#[cold]
fn map_slab(stacks: &mut Vec<usize>) {
    // One more, so that the first can begin at a multiple of the stride: `limit` relies on it.
    let (protection, len) = (libc::PROT_READ | libc::PROT_WRITE, (STACKS_PER_SLAB + 1) * STRIDE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, which nobody knows yet.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    assert_ne!(start, libc::MAP_FAILED, "{}", io::Error::last_os_error());
    // SAFETY: advice for that mapping; one touched byte shall not make 2 MiB resident.
    unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
    let skipped = start.addr().next_multiple_of(STRIDE) - start.addr();
    for index in (0..STACKS_PER_SLAB).rev() {
        // SAFETY: inside the mapping.
        let limit = unsafe { start.byte_add(skipped + index * STRIDE) };
        // SAFETY: the lowest page of a stack that nobody uses yet.
        let guarded = unsafe {
            libc::madvise(limit, PAGE, MADV_GUARD_INSTALL) == 0
                || libc::mprotect(limit, PAGE, libc::PROT_NONE) == 0
        };
        assert!(guarded, "{}", io::Error::last_os_error());
        // The colour: busy tops do not all fall into the same cache sets.
        stacks.push(limit as usize + STRIDE - index % 16 * 64);
    }
}

impl Drop for PooledStack {
    fn drop(&mut self) {
        this_loop().stacks.borrow_mut().push(self.base);
    }
}

// SAFETY: `base` is a multiple of 64, `limit` of a page; between them is memory that nobody else uses, with a guard at
// its low end, and it is never unmapped.
unsafe impl Stack for PooledStack {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.base).expect("no mapping begins at 0")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new((self.base - 1) & !(STRIDE - 1)).expect("no mapping begins at 0")
    }
}

struct Task {
    coroutine: UnsafeCell<Option<Coroutine<(), (), (), PooledStack>>>,
    yielder: Cell<*const Yielder<(), ()>>,
    result: Cell<Option<usize>>,
    waiter: Cell<Option<Rc<Task>>>,
}

/// A task that was made; it runs whether or not somebody waits.
pub struct Join(Rc<Task>);

/// Makes a task. It starts in the next round.
pub fn spawn(body: impl FnOnce() -> usize + 'static) -> Join {
    let task = Rc::new(Task {
        coroutine: UnsafeCell::new(None),
        yielder: Cell::new(ptr::null()),
        result: Cell::new(None),
        waiter: Cell::new(None),
    });
    let inside = Rc::as_ptr(&task);
    let coroutine = Coroutine::with_stack(PooledStack::take(), move |yielder: &Yielder<(), ()>, ()| {
        // SAFETY: who resumes a task holds it.
        let task = unsafe { &*inside };
        task.yielder.set(yielder);
        task.result.set(Some(body()));
    });
    // SAFETY: nobody else knows the task yet.
    unsafe { *task.coroutine.get() = Some(coroutine) };
    this_loop().ready.borrow_mut().push_back(Rc::clone(&task));
    Join(task)
}

impl Join {
    /// Waits for its result.
    pub fn wait(self) -> usize {
        while self.0.result.get().is_none() {
            self.0.waiter.set(Some(current()));
            park();
        }
        self.0.result.take().expect("looked at above")
    }
}

fn current() -> Rc<Task> {
    let task = this_loop().current.get();
    assert!(!task.is_null(), "outside a task");
    // SAFETY: it runs, so the loop holds it, and it was made by `Rc::new`.
    unsafe {
        Rc::increment_strong_count(task);
        Rc::from_raw(task)
    }
}

/// Suspends the task; somebody has it and will wake it.
#[inline]
fn park() {
    // SAFETY: it runs, so the loop holds it; the yielder lies at the bottom of the stack that this runs on.
    unsafe { (*(*this_loop().current.get()).yielder.get()).suspend(()) }
}

fn wake(task: Option<Rc<Task>>) {
    if let Some(task) = task {
        this_loop().ready.borrow_mut().push_back(task);
    }
}

/// Lets the other ready tasks run.
#[inline]
pub fn yield_now() {
    wake(Some(current()));
    park();
}

/// Suspends the task for a while.
pub fn sleep(duration: Duration) {
    let this = this_loop();
    let when = Instant::now() + duration;
    let slot = this.free_sleepers.borrow_mut().pop();
    let slot = slot.unwrap_or_else(|| {
        let mut sleepers = this.sleepers.borrow_mut();
        sleepers.push(None);
        sleepers.len() as u64 - 1
    });
    this.sleepers.borrow_mut()[slot as usize] = Some(current());
    this.timers.borrow_mut().push(Reverse((when, slot)));
    park();
}

/// Runs a task to its end, and the others as long.
pub fn run(main: impl FnOnce() -> usize + 'static) -> usize {
    let (this, main) = (this_loop(), spawn(main));
    let mut until_poll = ROUNDS_BETWEEN_POLLS;
    loop {
        let round = this.ready.borrow().len();
        for _ in 0..round {
            let task = this.ready.borrow_mut().pop_front().expect("only this takes from it");
            step(this, &task);
        }
        if let Some(result) = main.0.result.get() {
            return result;
        }
        until_poll -= 1;
        let idle = this.ready.borrow().is_empty();
        if idle || until_poll == 0 {
            until_poll = ROUNDS_BETWEEN_POLLS;
            wait(this, idle);
        }
    }
}

#[inline]
fn step(this: &Loop, task: &Rc<Task>) {
    this.current.set(Rc::as_ptr(task));
    // SAFETY: a task is in the ready queue once at most, and not while it runs: nobody else has its coroutine.
    let coroutine = unsafe { &mut *task.coroutine.get() };
    let done = coroutine.as_mut().is_some_and(|coroutine| coroutine.resume(()).as_return().is_some());
    if done {
        *coroutine = None;
        wake(task.waiter.take());
    }
}

/// Takes in what the operating system and the clock have to tell.
fn wait(this: &Loop, idle: bool) {
    let next = this.timers.borrow().peek().map(|Reverse((when, _))| *when);
    if idle || this.sockets.get() > 0 {
        let limit = if idle {
            next.map(|next| next.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        poll(this, limit);
    }
    let Some(_) = next else { return };
    let now = Instant::now();
    let mut timers = this.timers.borrow_mut();
    while let Some(&Reverse((when, slot))) = timers.peek()
        && when <= now
    {
        timers.pop();
        this.free_sleepers.borrow_mut().push(slot);
        wake(this.sleepers.borrow_mut()[slot as usize].take());
    }
}

fn poll(this: &Loop, limit: Option<Duration>) {
    let mut events = this.events.borrow_mut();
    let (room, length) = (events.as_mut_ptr(), events.len() as i32);
    let count = match limit {
        // SAFETY: it writes at most so many events.
        None => unsafe { libc::epoll_wait(this.poller, room, length, -1) },
        // SAFETY: it writes at most so many events.
        Some(Duration::ZERO) => unsafe { libc::epoll_wait(this.poller, room, length, 0) },
        Some(limit) => {
            let limit = libc::timespec {
                tv_sec: limit.as_secs() as libc::time_t,
                tv_nsec: limit.subsec_nanos().into(),
            };
            // SAFETY: it writes at most so many events, and reads the limit.
            unsafe { libc::epoll_pwait2(this.poller, room, length, &limit, ptr::null()) }
        }
    };
    for event in &events[..count.max(0) as usize] {
        let (events, key) = (event.events, event.u64);
        // SAFETY: the address of a registration; it was taken out of the poller before it was freed, by the task, and
        // no task runs between the wait above and this.
        let waiting = unsafe { &*(key as *const Waiting) };
        if events & !(libc::EPOLLOUT as u32) != 0 {
            waiting.readable.set(true);
            wake(waiting.reader.take());
        }
        if events & !(libc::EPOLLIN as u32) != 0 {
            wake(waiting.writer.take());
        }
    }
}

/// Who waits for a socket.
#[derive(Default)]
struct Waiting {
    readable: Cell<bool>,
    reader: Cell<Option<Rc<Task>>>,
    writer: Cell<Option<Rc<Task>>>,
}

/// A socket, registered once and edge-triggered.
pub struct Socket<T: AsRawFd> {
    inner: T,
    waiting: Box<Waiting>,
}

impl<T: AsRawFd> Socket<T> {
    fn register(inner: T) -> io::Result<Self> {
        let waiting = Box::new(Waiting { readable: Cell::new(true), ..Waiting::default() });
        let wanted = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: wanted as u32, u64: ptr::from_ref(&*waiting) as u64 };
        let this = this_loop();
        // SAFETY: two open descriptors and one event.
        match unsafe { libc::epoll_ctl(this.poller, libc::EPOLL_CTL_ADD, inner.as_raw_fd(), &mut event) } {
            0 => this.sockets.set(this.sockets.get() + 1),
            _ => return Err(io::Error::last_os_error()),
        }
        Ok(Self { inner, waiting })
    }

    fn when_readable<R>(&self, mut f: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        loop {
            while !self.waiting.readable.get() {
                self.waiting.reader.set(Some(current()));
                park();
            }
            match f(&self.inner) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.waiting.readable.set(false),
                result => return result,
            }
        }
    }
}

impl<T: AsRawFd> Drop for Socket<T> {
    fn drop(&mut self) {
        let this = this_loop();
        // SAFETY: two open descriptors; there is nothing to read for a deletion.
        unsafe { libc::epoll_ctl(this.poller, libc::EPOLL_CTL_DEL, self.inner.as_raw_fd(), ptr::null_mut()) };
        this.sockets.set(this.sockets.get() - 1);
    }
}

impl Socket<TcpListener> {
    pub fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Self::register(listener)
    }

    pub fn get(&self) -> &TcpListener {
        &self.inner
    }

    pub fn accept(&self) -> io::Result<Socket<TcpStream>> {
        let (stream, _) = self.when_readable(|listener| listener.accept())?;
        stream.set_nonblocking(true)?;
        Socket::register(stream)
    }
}

impl Socket<TcpStream> {
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.when_readable(|mut stream| stream.read(buffer))?;
        if count < buffer.len() && count > 0 {
            self.waiting.readable.set(false); // it is empty: what comes next is told
        }
        Ok(count)
    }

    pub fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&self.inner).write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.waiting.writer.set(Some(current()));
                    park();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A queue for one item.
#[derive(Default)]
pub struct Queue {
    item: Cell<Option<usize>>,
    getters: RefCell<VecDeque<Rc<Task>>>,
    putters: RefCell<VecDeque<Rc<Task>>>,
}

impl Queue {
    pub fn put(&self, item: usize) {
        while self.item.get().is_some() {
            self.putters.borrow_mut().push_back(current());
            park();
        }
        self.item.set(Some(item));
        wake(self.getters.borrow_mut().pop_front());
    }

    pub fn get(&self) -> usize {
        loop {
            if let Some(item) = self.item.take() {
                wake(self.putters.borrow_mut().pop_front());
                return item;
            }
            self.getters.borrow_mut().push_back(current());
            park();
        }
    }
}

/// A lock that is handed from one to the next.
#[derive(Default)]
pub struct Lock {
    locked: Cell<bool>,
    waiters: RefCell<VecDeque<Rc<Task>>>,
}

impl Lock {
    pub fn lock(&self) {
        if self.locked.replace(true) {
            self.waiters.borrow_mut().push_back(current());
            park();
        }
    }

    pub fn unlock(&self) {
        match self.waiters.borrow_mut().pop_front() {
            Some(next) => wake(Some(next)),
            None => self.locked.set(false),
        }
    }
}
