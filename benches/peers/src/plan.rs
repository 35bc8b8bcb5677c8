//! What is measured, on what, and what this project aims at.

use std::fmt;

/// A runtime, or one way of writing for it.
pub struct Contender {
    pub key: &'static str,
    pub label: &'static str,
    pub program: Program,
    pub variant: &'static str,
    pub role: Role,
}

/// How a contender is started.
#[derive(Clone, Copy, PartialEq)]
pub enum Program {
    /// A program of this workspace, and the crate whose version is told.
    Rust(&'static str, &'static str),
    Go,
    Python,
}

/// What a contender is compared as.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// This project.
    Ours,
    /// No runtime to use, but the least there could be.
    Floor,
    Peer,
}

pub const CONTENDERS: &[Contender] = &[
    contender("coro", "coro", Program::Rust("coro", "coro-core"), "", Role::Ours),
    contender("coro-futures", "coro, std futures", Program::Rust("coro", "coro-core"), "futures", Role::Ours),
    contender("floor", "floor", Program::Rust("floor", "corosensei"), "", Role::Floor),
    contender("epoll", "bare epoll", Program::Rust("epoll", "libc"), "", Role::Floor),
    contender("tokio", "tokio", Program::Rust("tokio", "tokio"), "", Role::Peer),
    contender("tokio-tuned", "tokio, tuned", Program::Rust("tokio", "tokio"), "tuned", Role::Peer),
    contender("smol", "smol", Program::Rust("smol", "smol"), "", Role::Peer),
    contender("may", "may", Program::Rust("may", "may"), "", Role::Peer),
    contender("go", "Go", Program::Go, "", Role::Peer),
    contender("asyncio", "asyncio", Program::Python, "", Role::Peer),
    contender("uvloop", "uvloop", Program::Python, "uvloop", Role::Peer),
];

const fn contender(
    key: &'static str,
    label: &'static str,
    program: Program,
    variant: &'static str,
    role: Role,
) -> Contender {
    Contender { key, label, program, variant, role }
}

/// One call of a program.
#[derive(Clone, Copy, PartialEq)]
pub enum Job {
    /// Work with its two numbers, and which of them is a number of repetitions.
    Work(&'static str, usize, usize, Repeats),
    /// Requests to a server over so many connections, and what is counted.
    Requests(Service, usize, Count),
}

/// What a server does.
#[derive(Clone, Copy, PartialEq)]
pub enum Service {
    /// Gives back what it gets.
    Echo,
    /// Answers each request with a greeting.
    Http,
}

impl Service {
    /// The work that the programs are asked for.
    pub fn work(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Http => "http",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum Repeats {
    First,
    Second,
    /// The sizes are what it is about.
    Neither,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Count {
    Cpu,
    SystemCalls,
    Instructions,
}

impl Job {
    /// The two numbers: a tenth of the repetitions where `quick`, a tenth again for interpreters.
    pub fn size(self, quick: bool, interpreted: bool) -> (usize, usize) {
        let Job::Work(_, a, b, repeats) = self else { return (1, 1) };
        let part = if quick { 10 } else { 1 } * if interpreted { 10 } else { 1 };
        match repeats {
            Repeats::First => ((a / part).max(1), b),
            Repeats::Second => (a, (b / part).max(1)),
            Repeats::Neither => (a, b),
        }
    }

    /// Whether a quick run leaves it out.
    pub fn slow(self) -> bool {
        match self {
            Job::Work(_, a, ..) => a >= 1_000_000 && self.size(true, false).0 == a,
            Job::Requests(_, connections, count) => connections != 50 && count != Count::Cpu,
        }
    }

    /// How much memory must be free for it, in bytes.
    pub fn memory(self) -> u64 {
        match self {
            Job::Work("sleeping" | "timeouts", tasks, ..) => tasks as u64 * 8_000,
            _ => 0,
        }
    }

    /// Whether it is counted rather than timed, so that one round is enough.
    pub fn once(self) -> bool {
        matches!(self, Job::Requests(.., Count::SystemCalls | Count::Instructions))
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Job::Work(name, a, b, _) => write!(f, "{name} {a} {b}"),
            Job::Requests(service, connections, count) => {
                let count = match count {
                    Count::Cpu => "CPU",
                    Count::SystemCalls => "system calls",
                    Count::Instructions => "instructions",
                };
                write!(f, "{} over {connections}, {count}", service.work())
            }
        }
    }
}

/// A line of the table.
pub struct Row {
    pub key: &'static str,
    pub label: &'static str,
    pub unit: &'static str,
    pub job: Job,
    /// Which of the figures that the job gives.
    pub figure: usize,
    pub goals: &'static [Goal],
    /// In which part of the chart it is drawn.
    pub panel: Option<Panel>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Panel {
    Time,
    Memory,
}

/// What a contender of ours should not exceed.
pub struct Goal {
    pub ours: &'static str,
    pub most: Most,
}

pub enum Most {
    /// So much, whatever others need.
    Figure(f64),
    /// So many times what that contender needs, and so much more.
    Peer(&'static str, f64, f64),
    /// So many times what the same contender needs in another row.
    Row(&'static str, f64),
}

const fn coro(most: Most) -> Goal {
    Goal { ours: "coro", most }
}

const fn futures(most: Most) -> Goal {
    Goal { ours: "coro-futures", most }
}

const fn row(
    key: &'static str,
    label: &'static str,
    unit: &'static str,
    job: Job,
    figure: usize,
    goals: &'static [Goal],
) -> Row {
    Row { key, label, unit, job, figure, goals, panel: None }
}

impl Row {
    const fn drawn(mut self, panel: Panel) -> Row {
        self.panel = Some(panel);
        self
    }
}

use Count::{Cpu, Instructions, SystemCalls};
use Job::{Requests, Work};
use Most::{Figure, Peer};
use Repeats::{First, Neither, Second};
use Service::{Echo, Http};

const YIELD_10: Job = Work("yield", 10, 100_000, Second);
const SPAWN_ALL: Job = Work("spawn_all", 100_000, 1, Neither);
const PARK_ALL: Job = Work("park_all", 100_000, 1, Neither);
const ASLEEP_100K: Job = Work("sleeping", 100_000, 1, Neither);
const ASLEEP_1M: Job = Work("sleeping", 1_000_000, 1, Neither);

pub const ROWS: &[Row] = &[
    row(
        "yield-1",
        "yield, one task",
        "ns",
        Work("yield", 1, 1_000_000, Second),
        0,
        &[coro(Peer("floor", 1.6, 0.0))],
    )
    .drawn(Panel::Time),
    row("yield-10", "yield, 10 tasks", "ns", YIELD_10, 0, &[]),
    row(
        "yield-100",
        "yield, 100 tasks",
        "ns",
        Work("yield", 100, 10_000, Second),
        0,
        &[coro(Peer("floor", 1.55, 0.0))],
    )
    .drawn(Panel::Time),
    row("yield-1k", "yield, 1,000 tasks", "ns", Work("yield", 1_000, 1_000, Second), 0, &[]),
    row("yield-10k", "yield, 10,000 tasks", "ns", Work("yield", 10_000, 200, Second), 0, &[])
        .drawn(Panel::Time),
    row(
        "yield-100k",
        "yield, 100,000 tasks",
        "ns",
        Work("yield", 100_000, 40, Second),
        0,
        &[coro(Most::Row("yield-10", 2.0))],
    ),
    row(
        "round-trip",
        "round trip over two queues of one",
        "ns",
        Work("round_trip", 300_000, 1, First),
        0,
        &[coro(Peer("floor", 1.4, 0.0))],
    )
    .drawn(Panel::Time),
    row(
        "spawn-await",
        "create a task and await it",
        "ns",
        Work("spawn_await", 300_000, 1, First),
        0,
        &[coro(Peer("floor", 1.43, 0.0))],
    )
    .drawn(Panel::Time),
    row(
        "spawn-all",
        "create 100,000 tasks, then await all: each",
        "ns",
        SPAWN_ALL,
        3,
        &[coro(Peer("smol", 0.52, 0.0))],
    )
    .drawn(Panel::Time),
    row("spawn-all-first", "… in a fresh process", "ns", SPAWN_ALL, 0, &[coro(Peer("smol", 0.52, 0.0))]),
    row("park-all", "… that each suspend once: each", "ns", PARK_ALL, 3, &[coro(Peer("go", 2.0, 0.0))])
        .drawn(Panel::Time),
    row("park-all-first", "… in a fresh process", "ns", PARK_ALL, 0, &[coro(Peer("go", 2.0, 0.0))]),
    row("park-all-kernel", "… of that in the kernel", "ns", PARK_ALL, 1, &[]),
    row("park-all-faults", "… page faults", "each", PARK_ALL, 2, &[]),
    row(
        "yield-below",
        "yield below 100 nested awaits",
        "ns",
        Work("yield_below", 1_000_000, 1, First),
        0,
        &[coro(Peer("floor", 1.72, 0.0))],
    )
    .drawn(Panel::Time),
    row("descend", "100 nested awaits, a yield, and back", "ns", Work("descend", 20_000, 1, First), 0, &[])
        .drawn(Panel::Time),
    row(
        "lock",
        "contended lock, 100 tasks, a yield inside",
        "ns",
        Work("lock", 100, 2_000, Second),
        0,
        &[coro(Peer("floor", 1.89, 0.0))],
    )
    .drawn(Panel::Time),
    row(
        "sleeps",
        "10,000 tasks sleep for 1 to 10 ms: each sleep",
        "ns",
        Work("sleeps", 10_000, 100, Second),
        0,
        &[coro(Peer("floor", 0.97, 0.0))],
    )
    .drawn(Panel::Time),
    row(
        "sleeps-late",
        "… each up to 1 ms late",
        "ns",
        Work("sleeps_late", 10_000, 100, Second),
        0,
        &[coro(Peer("tokio", 1.0, 0.0))],
    ),
    row(
        "timeouts-1k",
        "a limit set and lifted, 1,000 timers alive",
        "ns",
        Work("timeouts", 1_000, 100_000, Second),
        0,
        &[],
    ),
    row(
        "timeouts-1m",
        "a limit set and lifted, 1,000,000 timers alive",
        "ns",
        Work("timeouts", 1_000_000, 100_000, Neither),
        0,
        &[coro(Most::Row("timeouts-1k", 2.0))],
    ),
    row(
        "asleep-100k",
        "100,000 tasks asleep: memory each",
        "bytes",
        ASLEEP_100K,
        0,
        &[coro(Figure(4_400.0)), futures(Figure(400.0))],
    ),
    row("asleep-100k-cpu", "… CPU to get there", "µs", ASLEEP_100K, 1, &[coro(Figure(3.0))]),
    row(
        "asleep-1m",
        "1,000,000 tasks asleep: memory each",
        "bytes",
        ASLEEP_1M,
        0,
        &[coro(Figure(4_400.0)), futures(Figure(400.0))],
    )
    .drawn(Panel::Memory),
    row("asleep-1m-cpu", "… CPU to get there", "µs", ASLEEP_1M, 1, &[coro(Figure(3.0))]),
    row(
        "echo-1",
        "TCP echo, 1 connection: CPU of a request",
        "µs",
        Requests(Echo, 1, Cpu),
        0,
        &[coro(Peer("epoll", 1.05, 0.0))],
    ),
    row(
        "echo-50",
        "TCP echo, 50 connections: CPU of a request",
        "µs",
        Requests(Echo, 50, Cpu),
        0,
        &[coro(Peer("epoll", 1.05, 0.0))],
    ),
    row(
        "echo-1000",
        "TCP echo, 1,000 connections: CPU of a request",
        "µs",
        Requests(Echo, 1_000, Cpu),
        0,
        &[coro(Peer("epoll", 1.05, 0.0))],
    ),
    row(
        "echo-1-calls",
        "TCP echo, 1 connection: system calls",
        "each",
        Requests(Echo, 1, SystemCalls),
        0,
        &[coro(Peer("epoll", 1.0, 0.05))],
    ),
    row(
        "echo-50-calls",
        "TCP echo, 50 connections: system calls",
        "each",
        Requests(Echo, 50, SystemCalls),
        0,
        &[coro(Peer("epoll", 1.0, 0.05))],
    ),
    row(
        "echo-1000-calls",
        "TCP echo, 1,000 connections: system calls",
        "each",
        Requests(Echo, 1_000, SystemCalls),
        0,
        &[coro(Peer("epoll", 1.0, 0.05))],
    ),
    row(
        "echo-1-instructions",
        "TCP echo, 1 connection: instructions",
        "each",
        Requests(Echo, 1, Instructions),
        0,
        &[coro(Peer("epoll", 1.5, 0.0))],
    ),
    row(
        "echo-50-instructions",
        "TCP echo, 50 connections: instructions",
        "each",
        Requests(Echo, 50, Instructions),
        0,
        &[coro(Peer("epoll", 1.5, 0.0))],
    ),
    row(
        "echo-1000-instructions",
        "TCP echo, 1,000 connections: instructions",
        "each",
        Requests(Echo, 1_000, Instructions),
        0,
        &[coro(Peer("epoll", 1.5, 0.0))],
    ),
    row(
        "http-1",
        "HTTP hello, 1 connection: CPU of a request",
        "µs",
        Requests(Http, 1, Cpu),
        0,
        &[coro(Peer("tokio", 1.0, 0.0))],
    ),
    row(
        "http-50",
        "HTTP hello, 50 connections: CPU of a request",
        "µs",
        Requests(Http, 50, Cpu),
        0,
        &[coro(Peer("tokio", 1.0, 0.0))],
    ),
    row(
        "http-500",
        "HTTP hello, 500 connections: CPU of a request",
        "µs",
        Requests(Http, 500, Cpu),
        0,
        &[coro(Peer("tokio", 1.0, 0.0))],
    ),
    row(
        "http-1-calls",
        "HTTP hello, 1 connection: system calls",
        "each",
        Requests(Http, 1, SystemCalls),
        0,
        &[],
    ),
    row(
        "http-50-calls",
        "HTTP hello, 50 connections: system calls",
        "each",
        Requests(Http, 50, SystemCalls),
        0,
        &[],
    ),
    row(
        "http-500-calls",
        "HTTP hello, 500 connections: system calls",
        "each",
        Requests(Http, 500, SystemCalls),
        0,
        &[],
    ),
    row(
        "http-1-instructions",
        "HTTP hello, 1 connection: instructions",
        "each",
        Requests(Http, 1, Instructions),
        0,
        &[],
    ),
    row(
        "http-50-instructions",
        "HTTP hello, 50 connections: instructions",
        "each",
        Requests(Http, 50, Instructions),
        0,
        &[],
    ),
    row(
        "http-500-instructions",
        "HTTP hello, 500 connections: instructions",
        "each",
        Requests(Http, 500, Instructions),
        0,
        &[],
    ),
];
