//! [`SignalKind`]: the number of a signal.

use std::fmt::{self, Debug, Display};

use crate::error::{Result, RuntimeError, ValueError};

/// Which signal; the numbers of Python's module `signal`.
///
/// ```
/// use coro_core::signal::SignalKind;
/// assert_eq!(SignalKind::terminate().to_string(), "SIGTERM");
/// assert_eq!(SignalKind::from_raw(SignalKind::hangup().as_raw()), SignalKind::hangup());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalKind(i32);

/// Defines the constructors, and the names for `Display`.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $constructor:ident $name:ident $doc:literal;)+) => {
        impl SignalKind {
            $(
                #[doc = $doc]
                ///
                /// ```
                #[doc = concat!("let kind = coro_core::signal::SignalKind::", stringify!($constructor), "();")]
                #[doc = concat!("assert_eq!(kind.to_string(), \"", stringify!($name), "\");")]
                /// ```
                $(#[$attribute])*
                pub const fn $constructor() -> Self {
                    Self(libc::$name)
                }
            )+

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($(#[$attribute])* libc::$name => Some(stringify!($name)),)+
                    #[cfg(unix)]
                    other => UNCAUGHT.iter().find(|(signal, _)| *signal == other).map(|(_, name)| *name),
                    #[cfg(not(unix))]
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    interrupt SIGINT "Ctrl-C.";
    terminate SIGTERM "The request to end, as `kill` sends it.";
    #[cfg(unix)]
    hangup SIGHUP "The terminal was closed; by custom, the request to read the configuration again. On Unix.";
    #[cfg(unix)]
    quit SIGQUIT "Ctrl-\\\\. On Unix.";
    #[cfg(unix)]
    child SIGCHLD "A child process has ended, stopped or gone on. On Unix.";
    #[cfg(unix)]
    user_defined1 SIGUSR1 "For the program's own purposes. On Unix.";
    #[cfg(unix)]
    user_defined2 SIGUSR2 "For the program's own purposes. On Unix.";
    #[cfg(unix)]
    alarm SIGALRM "A timer of the operating system. On Unix.";
    #[cfg(unix)]
    pipe SIGPIPE "Something was written that nobody reads. Rust programs ignore it from the start. On Unix.";
    #[cfg(unix)]
    io SIGIO "A file descriptor is ready that was told to say so. On Unix.";
    #[cfg(unix)]
    window_change SIGWINCH "The terminal has another size. On Unix.";
    #[cfg(unix)]
    resume SIGCONT "The process goes on after it was stopped. On Unix.";
}

/// What nobody can handle, and faults: their handlers would return to what failed, for ever.
#[cfg(unix)]
const UNCAUGHT: &[(i32, &str)] = &[
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGSTOP, "SIGSTOP"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGTRAP, "SIGTRAP"),
];

impl SignalKind {
    /// The signal of this number. Whether there is such a signal turns out when it is used.
    ///
    /// ```
    /// use coro_core::signal::SignalKind;
    /// assert_eq!(SignalKind::from_raw(2), SignalKind::interrupt());
    /// ```
    pub const fn from_raw(signal: i32) -> Self {
        Self(signal)
    }

    /// Its number.
    ///
    /// ```
    /// assert_eq!(coro_core::signal::SignalKind::interrupt().as_raw(), 2);
    /// ```
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Its number, if it can be handled.
    pub(super) fn checked(self) -> Result<u8> {
        #[cfg(unix)]
        let (valid, caught) =
            (super::table::is_valid(self.0), UNCAUGHT.iter().all(|(signal, _)| *signal != self.0));
        #[cfg(not(unix))]
        let (valid, caught) = (self.name().is_some(), true);
        match u8::try_from(self.0) {
            Ok(signal) if valid && caught && usize::from(signal) < crate::events::SIGNALS => Ok(signal),
            _ if valid => Err(RuntimeError::new(format!("{self} cannot be caught")).into()),
            _ => Err(ValueError::new(format!("invalid signal number {}", self.0)).into()),
        }
    }
}

impl Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}
