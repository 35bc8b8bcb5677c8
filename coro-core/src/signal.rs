//! Ctrl-C: how `run` on the main thread turns the first SIGINT into a cancellation of its main task.
//!
//! 1. The handler is installed for one `run` and the former disposition is restored at its end.
//! 2. The first SIGINT is counted, and the loop is woken; the loop then cancels main.
//! 3. A second SIGINT, or one that comes when main has ended, restores the former disposition and raises the
//!    signal again: usually it ends the process.
#![allow(unsafe_code)] // installs a signal handler, and reaches the loop's doors from it

use std::rc::Rc;

use crate::events::LoopCore;

/// Handles Ctrl-C until it is dropped.
pub(crate) struct InterruptGuard {
    core: Rc<LoopCore>,
    #[cfg(unix)]
    _installed: Option<unix::Installed>,
}

/// Calls `cancel` from the loop at the first SIGINT. Off the main thread of the program it does nothing.
pub(crate) fn cancel_on_interrupt(core: &Rc<LoopCore>, cancel: impl Fn() + 'static) -> InterruptGuard {
    #[cfg(unix)]
    {
        let installed = unix::install(&core.doors);
        if installed.is_some() {
            *core.interrupt_hook.borrow_mut() = Some(Rc::new(cancel));
        }
        InterruptGuard { core: Rc::clone(core), _installed: installed }
    }
    #[cfg(not(unix))]
    {
        drop(cancel);
        InterruptGuard { core: Rc::clone(core) }
    }
}

impl Drop for InterruptGuard {
    fn drop(&mut self) {
        let hook = self.core.interrupt_hook.take();
        drop(hook);
    }
}

#[cfg(unix)]
mod unix {
    use std::mem::MaybeUninit;
    use std::ptr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

    use parking_lot::Mutex;

    use crate::events::Doors;

    /// The doors of the loop that a SIGINT is for. Counted: it is an `Arc` that `Installed` owns.
    static TARGET: AtomicPtr<Doors> = AtomicPtr::new(ptr::null_mut());
    /// How many handlers are looking at `TARGET` now, on whatever threads.
    static READERS: AtomicUsize = AtomicUsize::new(0);
    /// Whether the next SIGINT is the first.
    static ARMED: AtomicBool = AtomicBool::new(false);
    /// The disposition from before, written before the handler is installed and read only by it and its guard.
    static BEFORE: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());
    /// One `run` at a time handles Ctrl-C.
    static TAKEN: Mutex<bool> = Mutex::new(false);

    pub(super) struct Installed {
        before: Box<libc::sigaction>,
    }

    fn on_main_thread() -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // SAFETY: both calls only read ids of the caller.
        return unsafe { libc::gettid() == libc::getpid() };
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        return std::thread::current().name() == Some("main");
    }

    pub(super) fn install(doors: &Arc<Doors>) -> Option<Installed> {
        if !on_main_thread() || std::mem::replace(&mut *TAKEN.lock(), true) {
            return None;
        }
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: a null new action only asks for the present one, which is written to `before`.
        if unsafe { libc::sigaction(libc::SIGINT, ptr::null(), before.as_mut_ptr()) } != 0 {
            *TAKEN.lock() = false;
            return None;
        }
        // SAFETY: the call succeeded, so it was written.
        let mut before = Box::new(unsafe { before.assume_init() });
        if before.sa_sigaction == libc::SIG_IGN {
            // Whoever started the program wants no SIGINT at all, as `nohup` does.
            *TAKEN.lock() = false;
            return None;
        }
        BEFORE.store(&raw mut *before, Ordering::SeqCst);
        TARGET.store(Arc::into_raw(Arc::clone(doors)).cast_mut(), Ordering::SeqCst);
        ARMED.store(true, Ordering::SeqCst);
        // SAFETY: all-zero is a valid sigaction; the fields that matter are set below.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = on_interrupt as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the action is complete, and the handler is async-signal-safe: atomics, sigaction, raise, write.
        unsafe { libc::sigaction(libc::SIGINT, &raw const action, ptr::null_mut()) };
        Some(Installed { before })
    }

    impl Drop for Installed {
        fn drop(&mut self) {
            ARMED.store(false, Ordering::SeqCst);
            // SAFETY: `before` is the complete action that was in force before.
            unsafe { libc::sigaction(libc::SIGINT, &raw const *self.before, ptr::null_mut()) };
            let target = TARGET.swap(ptr::null_mut(), Ordering::SeqCst);
            BEFORE.store(ptr::null_mut(), Ordering::SeqCst);
            while READERS.load(Ordering::SeqCst) > 0 {
                std::hint::spin_loop(); // a handler on another thread is about to finish
            }
            if !target.is_null() {
                // SAFETY: it came from `Arc::into_raw` in `install`, and no handler looks at it any more.
                drop(unsafe { Arc::from_raw(target.cast_const()) });
            }
            *TAKEN.lock() = false;
        }
    }

    /// Keeps `errno` as the interrupted code left it.
    fn keeping_errno(f: impl FnOnce()) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // SAFETY: the pointer is to this thread's own errno.
            let errno = unsafe { libc::__errno_location() };
            // SAFETY: as above; nothing else writes to it meanwhile but `f`, on this thread.
            let saved = unsafe { errno.read() };
            f();
            // SAFETY: as above.
            unsafe { errno.write(saved) };
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        f();
    }

    extern "C" fn on_interrupt(_signal: libc::c_int) {
        READERS.fetch_add(1, Ordering::SeqCst);
        keeping_errno(|| {
            // SAFETY: while READERS counts us, a target that is not null is alive.
            let doors = unsafe { TARGET.load(Ordering::SeqCst).as_ref() };
            match doors {
                Some(doors) if ARMED.swap(false, Ordering::SeqCst) => {
                    doors.interrupts.fetch_add(1, Ordering::SeqCst);
                    doors.notifier.notify();
                }
                _ => {
                    let before = BEFORE.load(Ordering::SeqCst);
                    if !before.is_null() {
                        // SAFETY: it points into the box that `Installed` keeps until no handler runs.
                        unsafe { libc::sigaction(libc::SIGINT, before, ptr::null_mut()) };
                    }
                    // SAFETY: the signal is blocked while its handler runs; it is delivered on return.
                    unsafe { libc::raise(libc::SIGINT) };
                }
            }
        });
        READERS.fetch_sub(1, Ordering::SeqCst);
    }
}
