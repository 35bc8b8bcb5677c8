//! What the programs of this workspace share: how work is named, how it is metered, how a figure is handed over.
//!
//! ```text
//!   src/main.rs      the driver: runs the programs in turns, and tells medians, ratios and a chart
//!   src/bin/*.rs     one program per runtime, written as its users would write it; the one for coro is in coro/
//!   src/floor.rs     the least that a stackful scheduler could be
//!   src/hello.rs     what the HTTP servers answer
//!   go/, python/     the same work in other languages
//! ```
//!
//! A program is called as `coro yield 100 10000 [variant]`: the work, two numbers that say how much of it, and which
//! way of writing it. It answers with one line of numbers. Status [`UNSUPPORTED`] says that it has no such work.

pub mod floor;
pub mod hello;

use std::net::SocketAddr;
use std::time::Duration;
use std::{env, fs, mem};

/// The exit status of a program that was asked for work it does not do.
pub const UNSUPPORTED: i32 = 3;

/// What sleeping tasks sleep: nobody waits for it.
pub const HOUR: Duration = Duration::from_secs(3600);

/// How many awaits lie on top of each other in the works about depth.
pub const DEPTH: usize = 100;

/// What the command line asks for.
pub struct Work {
    pub name: String,
    /// The two numbers. Their meaning is the work's: tasks and rounds of each, or times alone.
    pub size: (usize, usize),
    /// The way it is written, where a runtime has more than one.
    pub variant: String,
}

impl Work {
    /// Reads the command line.
    pub fn asked() -> Self {
        let mut arguments = env::args().skip(1);
        let name = arguments.next().unwrap_or_default();
        let mut number = || arguments.next().map_or(1, |text| text.parse().expect("sizes are numbers"));
        let size = (number(), number());
        Self { name, size, variant: arguments.next().unwrap_or_default() }
    }

    /// Says that this program has no such work.
    pub fn unsupported(&self) -> ! {
        eprintln!("no such work here: {} {}", self.name, self.variant);
        leave(UNSUPPORTED)
    }
}

/// What the process used up since a moment: all its threads, in user mode and in the kernel.
///
/// CPU time is what is compared: on a machine with other things to do it changes far less than the wall clock, and
/// a runtime with helper threads pays for them.
pub struct Meter {
    cpu: Duration,
    kernel: Duration,
    faults: i64,
}

impl Meter {
    pub fn start() -> Self {
        let usage = usage();
        let kernel = duration(usage.ru_stime);
        Self { kernel, faults: usage.ru_minflt, cpu: cpu_time() }
    }

    pub fn cpu(&self) -> Duration {
        cpu_time() - self.cpu
    }

    /// Nanoseconds of CPU for each of `times` operations.
    pub fn ns_per(&self, times: usize) -> f64 {
        self.cpu().as_nanos() as f64 / times as f64
    }

    /// What a burst of tasks cost each: nanoseconds of CPU, those of them in the kernel, page faults.
    pub fn burst(&self, tasks: usize) -> [f64; 3] {
        let cpu = self.ns_per(tasks);
        let usage = usage();
        let kernel = (duration(usage.ru_stime) - self.kernel).as_nanos() as f64 / tasks as f64;
        [cpu, kernel, (usage.ru_minflt - self.faults) as f64 / tasks as f64]
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000)
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes one timespec.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "the clock of this process");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn usage() -> libc::rusage {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: it writes one rusage.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    assert_eq!(status, 0, "the usage of this process");
    usage
}

/// Bytes of memory that this process holds: its resident pages, and the page tables of all it has mapped.
pub fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells of processes");
    let kib = |key: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel counts it");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    };
    (kib("VmRSS:") + kib("VmPTE:")) * 1024
}

/// Watches tasks being put to sleep: what each holds, and what it cost to get there.
pub struct Dormitory {
    memory: usize,
    meter: Meter,
}

impl Dormitory {
    /// Before the first task is made.
    pub fn open() -> Self {
        Self { memory: memory(), meter: Meter::start() }
    }

    /// When all are asleep: prints bytes per task and microseconds of CPU per task, and ends the process. Nobody is
    /// woken.
    pub fn all_asleep(&self, tasks: usize) -> ! {
        let start = self.meter.ns_per(tasks) / 1_000.0;
        answer(&[(memory() - self.memory) as f64 / tasks as f64, start]);
        leave(0)
    }
}

/// Ends the process at once: nothing is unwound, dropped or reported.
fn leave(status: i32) -> ! {
    // SAFETY: it does not return, and what it leaves behind is the kernel's.
    unsafe { libc::_exit(status) }
}

/// How long a task sleeps for the `n`-th time: 1 to 10 ms, scattered, the same in every language.
pub fn nap(task: usize, n: usize) -> Duration {
    let scattered = (task as u64 * 1_000_003 + n as u64).wrapping_mul(2_654_435_761) & 0xffff_ffff;
    Duration::from_micros(1_000 + scattered % 9_001)
}

/// Hands the figures over.
pub fn answer(figures: &[f64]) {
    let texts: Vec<String> = figures.iter().map(f64::to_string).collect();
    println!("{}", texts.join(" "));
}

/// Tells the driver where a server listens.
pub fn announce(address: SocketAddr) {
    println!("{}", address.port());
}
