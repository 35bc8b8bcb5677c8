//! A function on a stack of its own, and the chain of frames that says who runs on top of whom.
//!
//! Floor 2. Tasks, generators and coroutines driven by hand are all fibers. This file alone calls corosensei.
//!
//! ```text
//!   TOP ──► frame of a generator ──prev──► frame of the task that drives it ──prev──► (the loop's own) ──► null
//! ```
//!
//! 1. A [`Frame`] lives at the bottom of its fiber's stack. It is in the chain exactly while something runs on
//!    that fiber or above it; only [`Fiber::resume`] links and unlinks it.
//! 2. A fiber that suspends takes all frames above its own with it; they come back, in place, when it is resumed.
//! 3. A suspended fiber is ended by being resumed with the request to unwind. If frames on it have lent something
//!    out, or it refuses to unwind, its stack is leaked: its memory is never used again.
#![allow(unsafe_code)] // the bodies of fibers may borrow; frames are reached through the chain of raw pointers

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Once;

use corosensei::{CoroutineResult, Yielder};

use crate::error::{Error, Result, RuntimeError};
use crate::events::AnyFuture;
use crate::prefetch::prefetch_around;
use crate::report;
use crate::stack::{self, PooledStack};
use crate::unwind;

/// How often a fiber that catches the request to unwind is asked again.
const UNWIND_ATTEMPTS: usize = 16;

/// What a suspended coroutine waits for; what `send` of a coroutine driven by hand gives.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{Awaited, Step, suspend};
///
/// let mut coroutine = coroutine(|| {
///     let answer = suspend(Awaited::Command(Box::new("question")))?;
///     Ok(*answer.unwrap().downcast::<u32>().unwrap())
/// });
/// let Step::Suspended(Awaited::Command(command)) = coroutine.send(None)? else { unreachable!() };
/// assert_eq!(command.downcast_ref::<&str>(), Some(&"question"));
/// let Step::Returned(answer) = coroutine.send(Some(Box::new(42_u32)))? else { unreachable!() };
/// assert_eq!(answer, 42);
/// # Ok::<(), Error>(())
/// ```
pub enum Awaited {
    /// A future or task: go on when it is done.
    Future(AnyFuture),
    /// A bare `yield`: let the others run once, then go on.
    Yield,
    /// A value for a driver that knows it; no loop does.
    Command(Box<dyn Any>),
}

impl Awaited {
    /// The future waited for, if it is one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::{Awaited, Future, Step};
    /// let future = Future::<u32>::new();
    /// let mut waiting = coroutine({ let future = future.clone(); move || future.co_await() });
    /// let Step::Suspended(awaited) = waiting.send(None)? else { unreachable!() };
    /// assert!(awaited.future().unwrap().same(&future.any()));
    /// assert!(Awaited::Yield.future().is_none());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn future(&self) -> Option<&AnyFuture> {
        match self {
            Self::Future(future) => Some(future),
            _ => None,
        }
    }
}

impl fmt::Debug for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Future(future) => future.fmt(f),
            Self::Yield => f.write_str("<bare yield>"),
            Self::Command(_) => f.write_str("<command>"),
        }
    }
}

/// What a driver sends back into a suspended coroutine; a task sends nothing.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Awaited, Sent, Step, suspend};
/// let mut ask = coroutine(|| Ok(suspend(Awaited::Command(Box::new("?")))?.is_some()));
/// ask.send(None)?;
/// let answer: Sent = Some(Box::new(42));
/// assert!(matches!(ask.send(answer)?, Step::Returned(true)));
/// # Ok::<(), Error>(())
/// ```
pub type Sent = Option<Box<dyn Any>>;

/// Who drives a stack, for reports.
pub(crate) trait Describe {
    /// Writes who it is. Called from the handler of a stack overflow: it neither allocates nor locks.
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

/// The inside of a fiber whose awaits go to the one who resumes it: a task's, or that of a coroutine driven by hand.
pub(crate) type Driven = Suspender<Result<Sent>, Awaited>;

/// Where an await on this stack hands its wait, and who that is.
#[derive(Clone, Copy)]
struct Driver {
    suspender: *const Driven,
    who: *const dyn Describe,
}

/// What a frame is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A task: awaits above it park the task.
    Task,
    /// A coroutine driven by hand: awaits above it go to the driver.
    ByHand,
    /// A generator: awaits pass through it to the frames below.
    Generator,
    /// A place where nothing may suspend; the text says which.
    Barrier(&'static str),
}

/// One entry of the chain.
pub(crate) struct Frame {
    prev: Cell<*const Frame>,
    kind: Kind,
    driver: Cell<Option<Driver>>,
    /// Made when something is opened here for the first time. Guards may outlive the frame, so they share it.
    counts: OnceCell<Rc<Counts>>,
    unwinding: Cell<bool>,
}

/// What is open on a frame.
#[derive(Default)]
struct Counts {
    /// Scopes, timeouts and runs that are open: while there are any, no generator may yield past the frame.
    open: Cell<usize>,
    /// Tasks that borrow from the frame's stack: while there are any, it may not be unwound by force.
    lent: Cell<usize>,
}

thread_local! {
    static TOP: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Self {
            prev: Cell::new(ptr::null()),
            kind,
            driver: Cell::new(None),
            counts: OnceCell::new(),
            unwinding: Cell::new(false),
        }
    }

    fn is_open(&self) -> bool {
        self.counts.get().is_some_and(|counts| counts.open.get() > 0)
    }

    fn is_lent(&self) -> bool {
        self.counts.get().is_some_and(|counts| counts.lent.get() > 0)
    }
}

/// The frames in the chain from `from` on.
///
/// # Safety
/// `from` is null or in the chain of this thread, and stays there while the iterator is used.
unsafe fn frames<'a>(from: *const Frame) -> impl Iterator<Item = &'a Frame> {
    // SAFETY: frames in the chain are alive (rule 1), and so are those they point to.
    std::iter::successors(unsafe { from.as_ref() }, |frame| unsafe { frame.prev.get().as_ref() })
}

/// Hands `awaited` to the nearest driver, and returns what it sends back. Every suspension goes through here.
///
/// # Errors
/// What is thrown in; [`RuntimeError`] where nothing can suspend: during a panic, in a callback, with no task.
#[inline(always)] // as `Suspender::suspend`
pub(crate) fn suspend_to_driver(awaited: Awaited) -> Result<Sent> {
    if std::thread::panicking() {
        return Err(refused_in_a_panic());
    }
    // SAFETY: TOP is null, or a frame in the chain, and so alive.
    let top = unsafe { TOP.get().as_ref() };
    let driver = match top.and_then(|frame| frame.driver.get()) {
        Some(driver) => driver,
        None => find_driver()?,
    };
    // SAFETY: a driver lives on its frame's stack, below everything that runs above it: until the call returns.
    unsafe { &*driver.suspender }.suspend(awaited)
}

#[cold]
fn refused_in_a_panic() -> Error {
    RuntimeError::new("cannot await while the thread is unwinding from a panic").into()
}

/// The nearest driver where the topmost frame has none: it is a generator's, or a place where nothing may suspend.
#[inline(never)]
fn find_driver() -> Result<Driver> {
    // SAFETY: TOP is the head of this thread's chain, and nothing is unlinked before `find_map` ends.
    let found = unsafe { frames(TOP.get()) }.find_map(|frame| match (frame.kind, frame.driver.get()) {
        (Kind::Barrier(place), _) => Some(Err(RuntimeError::new(format!("cannot await {place}")))),
        // Code that caught a forced unwind may suspend: its stack is asked again, a bounded number of times.
        (_, driver) => driver.map(Ok),
    });
    let nobody = "no running event loop: await inside a task, or drive the coroutine by hand";
    Ok(found.unwrap_or_else(|| Err(RuntimeError::new(nobody)))?)
}

/// Whether an await here would reach somebody.
pub(crate) fn has_driver() -> bool {
    // SAFETY: TOP is the head of this thread's chain.
    let found = unsafe { frames(TOP.get()) }.find_map(|frame| match frame.kind {
        Kind::Barrier(_) => Some(false),
        _ => frame.driver.get().map(|_| true),
    });
    found == Some(true) && !std::thread::panicking()
}

/// Whether a stack that runs now is being unwound by force, at a point where the unwinding was caught.
pub(crate) fn is_unwinding() -> bool {
    // SAFETY: TOP is the head of this thread's chain.
    unsafe { frames(TOP.get()) }.any(|frame| frame.unwinding.get())
}

/// Writes who runs on this thread now, for the report of a stack overflow.
#[cfg(unix)]
fn describe_running(out: &mut dyn fmt::Write) {
    // SAFETY: TOP is the head of this thread's chain, which is never half linked: linking is one store.
    let driver = unsafe { frames(TOP.get()) }.find_map(|frame| frame.driver.get());
    let written = match driver {
        // SAFETY: a driver lives on its frame's stack, and something runs above it now.
        Some(driver) => unsafe { &*driver.who }.describe(out),
        None => out.write_str("a generator"),
    };
    // The buffer of the report is full: what fits is in it.
    let _ = written;
}

/// Something open on the present stack: until it is dropped, no generator may yield past it.
pub(crate) struct Open {
    counts: Option<Rc<Counts>>,
}

impl Open {
    pub(crate) fn new() -> Self {
        // A barrier is left before the fiber it stands on suspends, so it is the fiber that counts.
        // SAFETY: TOP is the head of this thread's chain.
        let frame = unsafe { frames(TOP.get()) }.find(|frame| !matches!(frame.kind, Kind::Barrier(_)));
        let counts = frame.map(|frame| Rc::clone(frame.counts.get_or_init(Rc::default)));
        if let Some(counts) = &counts {
            counts.open.set(counts.open.get() + 1);
        }
        Self { counts }
    }

    /// Counts one more borrower of this stack, or one less.
    pub(crate) fn lend(&self, more: bool) {
        if let Some(counts) = &self.counts {
            let lent = counts.lent.get();
            counts.lent.set(if more { lent + 1 } else { lent - 1 });
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(counts) = &self.counts {
            counts.open.set(counts.open.get() - 1);
        }
    }
}

/// Runs `f` where nothing may suspend: an await in it is an error that names `place`.
pub(crate) fn barrier<T>(place: &'static str, f: impl FnOnce() -> T) -> T {
    struct Unlink<'a>(&'a Frame);
    impl Drop for Unlink<'_> {
        fn drop(&mut self) {
            TOP.set(self.0.prev.get());
        }
    }
    let frame = Frame::new(Kind::Barrier(place));
    frame.prev.set(TOP.replace(&frame));
    let _unlink = Unlink(&frame);
    f()
}

enum Resume<I> {
    Start,
    Send(I),
    Unwind,
}

/// The inside of a fiber: what its body suspends it with.
pub(crate) struct Suspender<I, Y> {
    yielder: *const Yielder<Resume<I>, Y>,
    frame: *const Frame,
}

impl<I, Y> Suspender<I, Y> {
    fn frame(&self) -> &Frame {
        // SAFETY: both live at the bottom of the same stack, the frame below the suspender.
        unsafe { &*self.frame }
    }

    /// Suspends the fiber with `value`, from its own stack or from one that runs above it.
    #[inline(always)] // each call between the switch and the one who waits is a return that is mispredicted
    pub(crate) fn suspend(&self, value: Y) -> I {
        // SAFETY: the yielder lives at the bottom of this fiber's stack as long as the body runs.
        match unsafe { &*self.yielder }.suspend(value) {
            Resume::Send(input) => input,
            Resume::Unwind => unwind::begin(),
            Resume::Start => unreachable!("a fiber starts once"),
        }
    }

    /// Whether the fiber may suspend here on its own account, as a generator does.
    ///
    /// # Errors
    /// [`RuntimeError`] if something that must be left first is open between here and the fiber's frame, or if
    /// the fiber is not running on this stack at all.
    #[inline(always)]
    pub(crate) fn check_may_yield(&self) -> Result<()> {
        let plain = ptr::eq(TOP.get(), self.frame) && !self.frame().is_open() && !std::thread::panicking();
        if plain { Ok(()) } else { self.look_whether_may_yield() }
    }

    #[inline(never)]
    fn look_whether_may_yield(&self) -> Result<()> {
        if std::thread::panicking() {
            return Err(RuntimeError::new("cannot yield while the thread is unwinding from a panic").into());
        }
        // SAFETY: TOP is the head of this thread's chain.
        for frame in unsafe { frames(TOP.get()) } {
            if frame.is_open() {
                let message = "cannot yield while a scope, a timeout or a loop is open in the generator";
                return Err(RuntimeError::new(message).into());
            }
            match frame.kind {
                _ if ptr::eq(frame, self.frame) => return Ok(()),
                Kind::Task | Kind::Barrier(_) => break,
                Kind::ByHand | Kind::Generator => {}
            }
        }
        Err(RuntimeError::new("cannot yield from a stack that the generator does not run on").into())
    }
}

impl Driven {
    /// Makes awaits above this fiber go to the one who resumes it. `who` lives on this fiber's stack, as this does.
    pub(crate) fn drive(&self, who: &dyn Describe) {
        // SAFETY: only the lifetime in the pointer's type changes; it is used while this stack frame lives.
        let who = unsafe { std::mem::transmute::<*const (dyn Describe + '_), *const dyn Describe>(who) };
        self.frame().driver.set(Some(Driver { suspender: self, who }));
    }
}

/// What resuming a fiber led to.
pub(crate) enum Resumed<Y, R> {
    Suspended(Y),
    Returned(R),
    Panicked(Box<dyn Any + Send>),
}

type Ended<R> = std::thread::Result<R>;

/// Corosensei refuses to put what has more than 1,024 bytes on a new stack, by a panic.
const LARGEST_BODY: usize = 768;

/// A function on a stack of its own, suspended or not started.
pub(crate) struct Fiber<I, Y, R> {
    coroutine: ManuallyDrop<corosensei::Coroutine<Resume<I>, Y, Ended<R>, PooledStack>>,
    /// The frame of this fiber, once it has started.
    root: *const Frame,
    /// The topmost frame of those that were suspended with it.
    top: *const Frame,
}

impl<I, Y, R> Fiber<I, Y, R> {
    /// Prepares `body` to run on a stack of `stack_size` bytes.
    ///
    /// # Errors
    /// [`StackError`](crate::stack::StackError) if there is no such stack.
    ///
    /// # Safety
    /// What `body` borrows must outlive the fiber's stack: the fiber is dropped before the borrow ends, or its
    /// owner cannot be forgotten, or `body` is `'static`.
    pub(crate) unsafe fn new<F>(kind: Kind, stack_size: usize, body: F) -> Result<Self>
    where
        F: FnOnce(&Suspender<I, Y>) -> R,
    {
        // SAFETY: as the caller says, in both cases.
        unsafe {
            if size_of::<F>() > LARGEST_BODY {
                let body = Box::new(body);
                Self::prepare(kind, stack_size, move |suspender: &Suspender<I, Y>| body(suspender))
            } else {
                Self::prepare(kind, stack_size, body)
            }
        }
    }

    /// # Safety
    /// As for [`new`](Self::new).
    unsafe fn prepare<F>(kind: Kind, stack_size: usize, body: F) -> Result<Self>
    where
        F: FnOnce(&Suspender<I, Y>) -> R,
    {
        let stack = stack::take(stack_size)?;
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            #[cfg(unix)]
            stack::set_describe(describe_running);
            report::set_quiet(|report| barrier("in a tracing subscriber", report));
        });
        let run = move |yielder: &Yielder<Resume<I>, Y>, _start: Resume<I>| {
            let frame = Frame::new(kind);
            frame.prev.set(TOP.replace(&frame));
            let suspender = Suspender { yielder, frame: &frame };
            // When this returns, TOP is stale until `resume`, which called us, puts its own value back.
            catch_unwind(AssertUnwindSafe(|| body(&suspender)))
        };
        // SAFETY: the caller vouches for what `run` borrows; `Fiber` never lets go of the coroutine unfinished.
        let coroutine = unsafe { corosensei::Coroutine::with_stack_unchecked(stack, run) };
        Ok(Self { coroutine: ManuallyDrop::new(coroutine), root: ptr::null(), top: ptr::null() })
    }

    /// Runs the body from its beginning until it suspends or ends.
    #[inline(always)]
    pub(crate) fn start(&mut self) -> Resumed<Y, R> {
        let outer = TOP.get();
        match self.run(Resume::Start) {
            Resumed::Suspended(value) => {
                // SAFETY: the frames from `top` on are those of the suspended stacks, then those of `outer`.
                let own = unsafe { frames(self.top) }.find(|frame| ptr::eq(frame.prev.get(), outer));
                self.root = own.map_or(ptr::null(), ptr::from_ref);
                Resumed::Suspended(value)
            }
            ended => ended,
        }
    }

    /// Runs a suspended fiber until it suspends again or ends.
    #[inline(always)] // as `Suspender::suspend`
    pub(crate) fn resume(&mut self, input: I) -> Resumed<Y, R> {
        self.run(Resume::Send(input))
    }

    #[inline(always)]
    fn run(&mut self, message: Resume<I>) -> Resumed<Y, R> {
        match self.switch(message) {
            CoroutineResult::Yield(value) => Resumed::Suspended(value),
            CoroutineResult::Return(Ok(value)) => Resumed::Returned(value),
            CoroutineResult::Return(Err(payload)) => Resumed::Panicked(payload),
        }
    }

    #[inline(always)]
    fn switch(&mut self, message: Resume<I>) -> CoroutineResult<Y, Ended<R>> {
        let outer = TOP.get();
        // SAFETY: a root frame lives on the fiber's stack, which is suspended: nobody else touches it.
        if let Some(root) = unsafe { self.root.as_ref() } {
            root.prev.set(outer);
            TOP.set(self.top);
        }
        let result = self.coroutine.resume(message);
        let top = TOP.replace(outer);
        if let CoroutineResult::Yield(_) = result {
            self.top = top;
        }
        result
    }

    /// Asks for the part of the stack that the next switch to it looks at.
    pub(crate) fn prefetch(&self) {
        prefetch_around(self.root, 128, 128);
    }

    /// Whether something on this fiber is borrowed from elsewhere, so that it must not be unwound.
    fn is_lent(&self) -> bool {
        let mut next = self.top;
        // SAFETY: the frames from `top` to `root` are those of suspended stacks that this fiber owns. What `root`
        // points to may be gone, and is not looked at.
        while let Some(frame) = unsafe { next.as_ref() } {
            if frame.is_lent() {
                return true;
            }
            if ptr::eq(next, self.root) {
                break;
            }
            next = frame.prev.get();
        }
        false
    }

    /// Unwinds a suspended fiber, so that everything on its stack is dropped.
    ///
    /// # Errors
    /// The reason why the stack had to be leaked instead.
    pub(crate) fn unwind(mut self) -> std::result::Result<(), &'static str> {
        if self.coroutine.done() || !self.coroutine.started() {
            return Ok(()); // `Drop` frees the stack, and drops a body that never ran
        }
        let leak = |fiber: Self, why| {
            std::mem::forget(fiber);
            Err(why)
        };
        if self.root.is_null() {
            return leak(self, "its frames are not known");
        }
        if cfg!(panic = "abort") {
            return leak(self, "it cannot be unwound under panic = \"abort\"");
        }
        if self.is_lent() {
            return leak(self, "other tasks borrow from its stack");
        }
        for _ in 0..UNWIND_ATTEMPTS {
            // SAFETY: the root frame lives as long as the fiber is suspended.
            unsafe { &*self.root }.unwinding.set(true);
            match self.switch(Resume::Unwind) {
                CoroutineResult::Yield(value) => drop(value),
                CoroutineResult::Return(ended) => {
                    let result = ended.map(drop);
                    drop(self);
                    match result {
                        Err(payload) if !unwind::is_forced(&*payload) => resume_unwind(payload),
                        _ => return Ok(()),
                    }
                }
            }
        }
        leak(self, "it catches every attempt to unwind it")
    }
}

impl<I, Y, R> Drop for Fiber<I, Y, R> {
    fn drop(&mut self) {
        if self.coroutine.done() || !self.coroutine.started() {
            // SAFETY: this is the last use of the coroutine; it does not unwind, since it is not suspended.
            unsafe { ManuallyDrop::drop(&mut self.coroutine) };
        } else {
            // Owners unwind their fibers first; whoever could not leaks the stack, and all it lent with it.
            report::error("a suspended stack was leaked: its owner was dropped without unwinding it");
        }
    }
}
