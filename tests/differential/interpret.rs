//! Runs programs of the differential test on the library, under a virtual clock.
//!
//! A program is a tree of steps, `["name", arguments...]`. `scripts/differential/interpret.py` is the same
//! interpreter for asyncio; the two are kept side by side, step by step.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};
use std::time::Duration;

use coro_core::prelude::*;
use coro_core::{
    AnyTask, Barrier, BoundedSemaphore, BrokenBarrier, CallbackId, Cancelled, Condition, ConditionGuard,
    Elapsed, EnsuredFuture, EventLoop, Future, Handle, InvalidState, LifoQueue, LoopBuilder, Permit,
    PriorityQueue, Queue, QueueEmpty, QueueFull, QueueShutDown, ReturnWhen, RunBuilder, Runner, TimerHandle,
    all_tasks, as_completed, current_task, ensure_future, wait,
};
use serde_json::Value;

/// When a program is cancelled as a whole, for good.
const WATCHDOG: Duration = Duration::from_secs(60);

/// How long a trace may get.
const LINES: usize = 3000;

/// The steps that wait.
const WAITS: &[&str] = &[
    "sleep",
    "await",
    "shield",
    "waitfor",
    "gather",
    "wait",
    "completed",
    "acquire",
    "cwait",
    "cwaitfor",
    "evwait",
    "meet",
    "babort",
    "breset",
    "put",
    "get",
    "join",
];

/// The steps that do not wait whose errors are raised; those of others are only traced.
const RAISES: &[&str] = &["raise", "result"];

type Steps = &'static [Value];

/// What steps end with: the value of a `return`, or nothing.
type Outcome = Result<Option<String>>;

/// What programs raise.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Boom(String);

enum Semaphores {
    Plain(Semaphore),
    Bounded(BoundedSemaphore),
}

impl Semaphores {
    fn new(permits: i64) -> Self {
        let count = usize::try_from(permits.abs()).expect("is small");
        match permits < 0 {
            true => Self::Bounded(BoundedSemaphore::new(count)),
            false => Self::Plain(Semaphore::new(count)),
        }
    }

    fn acquire(&self) -> Result<Permit<'_>> {
        match self {
            Self::Plain(semaphore) => semaphore.acquire().co_await(),
            Self::Bounded(semaphore) => semaphore.acquire().co_await(),
        }
    }

    fn release(&self) -> Result<()> {
        match self {
            Self::Plain(semaphore) => semaphore.release(),
            Self::Bounded(semaphore) => semaphore.release()?,
        }
        Ok(())
    }
}

impl Debug for Semaphores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(semaphore) => semaphore.fmt(f),
            Self::Bounded(semaphore) => semaphore.fmt(f),
        }
    }
}

enum Queues {
    Fifo(Queue<i64>),
    Lifo(LifoQueue<i64>),
    Priority(PriorityQueue<i64>),
}

/// The same expression for each kind of queue.
macro_rules! queue {
    ($queue:expr, $name:ident => $value:expr) => {
        match $queue {
            Queues::Fifo($name) => $value,
            Queues::Lifo($name) => $value,
            Queues::Priority($name) => $value,
        }
    };
}

impl Queues {
    fn new(kind: &str, size: usize) -> Self {
        match kind {
            "fifo" => Self::Fifo(Queue::bounded(size)),
            "lifo" => Self::Lifo(LifoQueue::bounded(size)),
            "prio" => Self::Priority(PriorityQueue::bounded(size)),
            other => panic!("no queue is called {other}"),
        }
    }
}

impl Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        queue!(self, queue => queue.fmt(f))
    }
}

/// What a slot holds.
enum Slot {
    Main(AnyTask),
    Task(Task<String>),
    One(Future<String>),
    All(Future<Vec<String>>),
    Settled(Future<Vec<Result<String>>>),
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        match self {
            Self::Main(task) => Self::Main(task.clone()),
            Self::Task(task) => Self::One(task.future()),
            Self::One(future) => Self::One(future.clone()),
            Self::All(future) => Self::All(future.clone()),
            Self::Settled(future) => Self::Settled(future.clone()),
        }
    }
}

/// The same expression for the future of each kind of slot; `$main` for the main task.
macro_rules! future {
    ($slot:expr, $name:ident => $value:expr, $main:pat => $other:expr) => {
        match $slot {
            Slot::Main($main) => $other,
            Slot::Task(task) => {
                let $name = task.future();
                $value
            }
            Slot::One($name) => $value,
            Slot::All($name) => $value,
            Slot::Settled($name) => $value,
        }
    };
}

/// How results are shown.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl Shown for Vec<String> {
    fn shown(&self) -> String {
        format!("[{}]", self.join(", "))
    }
}

impl Shown for Vec<Result<String>> {
    fn shown(&self) -> String {
        let results: Vec<String> =
            self.iter().map(|result| result.as_ref().map_or_else(show, String::clone)).collect();
        results.shown()
    }
}

/// An exception as CPython names it.
fn show(error: &Error) -> String {
    if !error.errors().is_empty() {
        return format!("Group[{}]", error.errors().iter().map(show).collect::<Vec<_>>().join(", "));
    }
    let silent = error.is::<Elapsed>()
        || error.is::<QueueEmpty>()
        || error.is::<QueueFull>()
        || error.is::<QueueShutDown>();
    let text = match error.downcast_ref::<Cancelled>() {
        Some(cancelled) => cancelled.message().unwrap_or_default().to_owned(),
        None if silent => String::new(),
        None => error.to_string().split(": <").next().unwrap_or_default().to_owned(),
    };
    let name = match error.type_name() {
        "Cancelled" => "CancelledError",
        "Elapsed" => "TimeoutError",
        "Deadlock" => return "Deadlock".to_owned(),
        _ if error.is::<InvalidState>() => "InvalidStateError",
        _ if error.is::<BrokenBarrier>() => "BrokenBarrierError",
        other => other,
    };
    if text.is_empty() { name.to_owned() } else { format!("{name}({text})") }
}

/// A value as Python prints it.
fn python(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// The part of a representation that is in brackets; a queue's as a whole, but for its items.
fn show_object(thing: &dyn Debug) -> String {
    let mut text = format!("{thing:?}");
    if let (Some(start), Some(end)) = (text.find(" _queue=["), text.find(']')) {
        text.replace_range(start..=end, "");
    }
    match (text.find('['), text.rfind(']')) {
        (Some(start), Some(end)) if !text.contains("maxsize") => text[start + 1..end].to_owned(),
        _ => text,
    }
}

fn matches(kind: &str, error: &Error) -> bool {
    match kind {
        "any" => true,
        "error" => !error.is::<Cancelled>(),
        "cancelled" => error.is::<Cancelled>(),
        "timeout" => error.is::<Elapsed>(),
        "boom" => error.is::<Boom>(),
        "group" => !error.errors().is_empty(),
        other => panic!("no kind of error is called {other}"),
    }
}

/// A condition whose lock the task holds, and those that it took before.
struct Held<'a> {
    index: usize,
    guard: RefCell<ConditionGuard<'static, ()>>,
    outer: Option<&'a Held<'a>>,
}

impl Held<'_> {
    fn find(&self, index: usize) -> &RefCell<ConditionGuard<'static, ()>> {
        match self.outer {
            _ if self.index == index => &self.guard,
            Some(outer) => outer.find(index),
            None => panic!("condition {index} is not held"),
        }
    }
}

enum Scheduled {
    Soon(Handle),
    Later(TimerHandle),
}

/// A program that runs, with its objects. It is leaked: every task of it refers to it.
struct Program {
    event_loop: EventLoop,
    lines: RefCell<Vec<String>>,
    /// Whether lines are still taken.
    open: Cell<bool>,
    /// No exception is caught any more.
    closing: Cell<bool>,
    locks: Vec<Lock<()>>,
    semaphores: Vec<Semaphores>,
    events: Vec<Event>,
    conditions: Vec<Condition<()>>,
    counters: Vec<Cell<u64>>,
    barriers: Vec<Barrier>,
    queues: Vec<Queues>,
    slots: RefCell<BTreeMap<String, Slot>>,
    groups: RefCell<BTreeMap<String, TaskGroup>>,
    limits: RefCell<BTreeMap<String, Timeout>>,
    handles: RefCell<BTreeMap<String, Scheduled>>,
    callbacks: RefCell<BTreeMap<String, (Slot, CallbackId)>>,
}

fn text(value: &'static Value) -> &'static str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("is small")
}

fn steps(value: &'static Value) -> Steps {
    value.as_array().expect("steps")
}

fn duration(value: &Value) -> Option<Duration> {
    value.as_f64().map(Duration::from_secs_f64)
}

/// A step, or an item that is no slot, that is no list is a mistake of the generator.
fn parts(step: &'static Value) -> (&'static str, Steps) {
    let step = steps(step);
    (text(&step[0]), &step[1..])
}

const NOTHING: &str = "nothing";

impl Program {
    fn new(event_loop: EventLoop, program: &Value) -> &'static Self {
        let count = |name: &str| number(&program[name]);
        let list = |name: &str| program[name].as_array().expect("a list");
        let futures = (0..count("futures")).map(|n| (format!("f{n}"), Slot::One(event_loop.create_future())));
        Box::leak(Box::new(Self {
            lines: RefCell::default(),
            open: Cell::new(true),
            closing: Cell::new(false),
            locks: (0..count("locks")).map(|_| Lock::new(())).collect(),
            semaphores: list("sems").iter().map(|n| Semaphores::new(n.as_i64().expect("a number"))).collect(),
            events: (0..count("events")).map(|_| Event::new()).collect(),
            conditions: (0..count("conds")).map(|_| Condition::new(())).collect(),
            counters: (0..count("conds")).map(|_| Cell::new(0)).collect(),
            barriers: list("barriers").iter().map(|n| Barrier::new(number(n)).expect("not 0")).collect(),
            queues: list("queues")
                .iter()
                .map(|queue| Queues::new(queue[0].as_str().expect("a kind"), number(&queue[1])))
                .collect(),
            slots: RefCell::new(futures.collect()),
            groups: RefCell::default(),
            limits: RefCell::default(),
            handles: RefCell::default(),
            callbacks: RefCell::default(),
            event_loop,
        }))
    }

    fn trace(&self, who: &str, text: impl fmt::Display) {
        if !self.open.get() {
            return;
        }
        let (time, text) = (self.event_loop.time().as_secs_f64(), text.to_string());
        let mut lines = self.lines.borrow_mut();
        // Nothing can wake the loop: here the tasks are told, CPython's loop would wait for ever.
        let stuck = text.contains("!Deadlock");
        lines.push(if stuck { format!("{time} run !Deadlock") } else { format!("{time} {who} {text}") });
        if lines.len() == LINES {
            lines.push("TOO LONG".to_owned());
        }
        self.open.set(!stuck && lines.len() < LINES);
    }

    /// What a task, or a coroutine that is awaited, runs.
    fn body(&'static self, who: &'static str, held: Option<&Held<'_>>, steps: Steps) -> Result<String> {
        let result = self.steps(who, held, steps);
        match &result {
            Ok(value) => self.trace(who, format_args!("ends {}", value.as_deref().unwrap_or("None"))),
            Err(error) => self.trace(who, format_args!("raises {}", show(error))),
        }
        result.map(|value| value.unwrap_or_else(|| "None".to_owned()))
    }

    fn coroutine(&'static self, who: &'static str, steps: Steps) -> BoxCoroutine<String> {
        coroutine(move || self.body(who, None, steps)).boxed()
    }

    fn steps(&'static self, who: &'static str, held: Option<&Held<'_>>, steps: Steps) -> Outcome {
        for step in steps {
            let result = self.step(who, held, step)?;
            if result.is_some() {
                return Ok(result);
            }
        }
        Ok(None)
    }

    /// A slot's future, or a coroutine made into a task; none if the slot is empty or holds many results.
    fn is_there(&self, item: &Value) -> bool {
        item.as_str().is_none_or(|slot| matches!(self.get(slot), Some(Slot::One(_))))
    }

    fn items(&'static self, items: &'static Value) -> Option<Vec<EnsuredFuture<String>>> {
        let items = steps(items);
        if !items.iter().all(|item| self.is_there(item)) {
            return None;
        }
        let ensure = |item: &'static Value| match item.as_str().and_then(|slot| self.get(slot)) {
            Some(Slot::One(future)) => ensure_future(future),
            _ => {
                let (name, body) = parts(item);
                ensure_future(self.coroutine(name, steps(&body[0])))
            }
        };
        Some(items.iter().map(ensure).collect())
    }

    /// What a slot holds; a task as its future.
    fn get(&self, slot: &str) -> Option<Slot> {
        self.slots.borrow().get(slot).cloned()
    }

    /// The task that a slot holds.
    fn task(&self, slot: &str) -> Option<AnyTask> {
        match self.slots.borrow().get(slot) {
            Some(Slot::Main(task)) => Some(task.clone()),
            Some(Slot::Task(task)) => Some(task.any_task()),
            _ => None,
        }
    }

    /// What a slot holds is replaced, and dropped when nothing is borrowed.
    fn put(&self, slot: &str, future: Slot) -> String {
        let old = self.slots.borrow_mut().insert(slot.to_owned(), future);
        drop(old);
        slot.to_owned()
    }

    fn step(&'static self, who: &'static str, held: Option<&Held<'_>>, step: &'static Value) -> Outcome {
        let (name, args) = parts(step);
        if let Some(outcome) = self.block(who, held, name, args) {
            return outcome;
        }
        let waits = WAITS.contains(&name);
        let done = match waits {
            true => self.wait(who, held, name, args),
            false => self.act(name, args),
        };
        match done {
            Ok(text) => self.trace(who, format_args!("{name} {text}")),
            Err(error) => {
                self.trace(who, format_args!("{name} !{}", show(&error)));
                if waits || RAISES.contains(&name) {
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// What a callback runs: steps that do not wait. What they raise is only traced.
    fn callback(&'static self, who: &'static str, steps: Steps) {
        self.trace(who, "called");
        for step in steps {
            let (name, args) = parts(step);
            match self.act(name, args) {
                Ok(text) => self.trace(who, format_args!("{name} {text}")),
                Err(error) => self.trace(who, format_args!("{name} !{}", show(&error))),
            }
        }
    }

    /// Steps with steps inside.
    fn block(
        &'static self,
        who: &'static str,
        held: Option<&Held<'_>>,
        name: &'static str,
        args: Steps,
    ) -> Option<Outcome> {
        let run = |steps: Steps| self.steps(who, held, steps);
        Some(match name {
            "return" => Ok(Some(text(&args[0]).to_owned())),
            "call" => self.body(text(&args[0]), held, steps(&args[1])).map(|_| None),
            "loop" => self.repeat(number(&args[0]), || run(steps(&args[1]))),
            "try" => self.attempt(who, held, args),
            "timeout" => self.timeout(who, args, run),
            "group" => self.group(who, args, run),
            "lock" => {
                let text = format!("lock {}", args[0]);
                let enter = || self.locks[number(&args[0])].lock().co_await();
                self.within(who, &text, enter, |_guard| run(steps(&args[1])))
            }
            "sem" => match &self.semaphores[number(&args[0])] {
                Semaphores::Bounded(_) => Ok(None), // leaving it could raise in Python
                Semaphores::Plain(semaphore) => {
                    let text = format!("sem {}", args[0]);
                    self.within(who, &text, || semaphore.acquire().co_await(), |_permit| run(steps(&args[1])))
                }
            },
            "cond" => {
                let index = number(&args[0]);
                let enter = || self.conditions[index].lock().co_await();
                self.within(who, &format!("cond {index}"), enter, |guard| {
                    let held = Held { index, guard: RefCell::new(guard), outer: held };
                    self.steps(who, Some(&held), steps(&args[1]))
                })
            }
            _ => return None,
        })
    }

    fn repeat(&self, count: usize, run: impl Fn() -> Outcome) -> Outcome {
        for _ in 0..count {
            let result = run()?;
            if result.is_some() {
                return Ok(result);
            }
        }
        Ok(None)
    }

    fn attempt(&'static self, who: &'static str, held: Option<&Held<'_>>, args: Steps) -> Outcome {
        let [body, kind, handler, last] = args else { panic!("a try of four parts") };
        let mut outcome = self.steps(who, held, steps(body));
        let caught = |error: &&Error| !self.closing.get() && matches(text(kind), error);
        if let Some(error) = outcome.as_ref().err().filter(caught) {
            self.trace(who, format_args!("caught {}", show(error)));
            outcome = self.steps(who, held, steps(handler));
        }
        if !self.closing.get() && !steps(last).is_empty() {
            self.trace(who, "finally");
            let result = self.steps(who, held, steps(last))?;
            if result.is_some() {
                return Ok(result);
            }
        }
        outcome
    }

    fn timeout(&self, who: &str, args: Steps, run: impl Fn(Steps) -> Outcome) -> Outcome {
        let name = text(&args[1]);
        let mut limit = duration(&args[0]).map_or_else(|| Timeout::at(None), Timeout::new);
        self.limits.borrow_mut().insert(name.to_owned(), limit.clone());
        let outcome = limit.aenter().and_then(|_| run(steps(&args[2])));
        let left = limit.aexit(outcome.as_ref().err());
        let outcome = left.and(outcome);
        let expired = python(limit.expired());
        match &outcome {
            Ok(_) => self.trace(who, format_args!("timeout {name} {expired} left")),
            Err(error) => self.trace(who, format_args!("timeout {name} {expired} !{}", show(error))),
        }
        outcome
    }

    fn group(&self, who: &str, args: Steps, run: impl Fn(Steps) -> Outcome) -> Outcome {
        let name = text(&args[0]);
        let mut group = TaskGroup::new();
        self.groups.borrow_mut().insert(name.to_owned(), group.clone());
        let outcome = group.aenter().and_then(|_| run(steps(&args[1])));
        let left = group.aexit(outcome.as_ref().err());
        let outcome = left.and(outcome);
        match &outcome {
            Ok(_) => self.trace(who, format_args!("group {name} left")),
            Err(error) => self.trace(who, format_args!("group {name} !{}", show(error))),
        }
        outcome
    }

    /// Runs `body` with what `enter` gives, which `body` drops.
    fn within<G>(
        &self,
        who: &str,
        text: &str,
        enter: impl FnOnce() -> Result<G>,
        body: impl FnOnce(G) -> Outcome,
    ) -> Outcome {
        let guard = enter().inspect_err(|error| self.trace(who, format_args!("{text} !{}", show(error))))?;
        self.trace(who, format_args!("{text} entered"));
        let outcome = body(guard)?;
        self.trace(who, format_args!("{text} left"));
        Ok(outcome)
    }

    /// Steps that wait.
    fn wait(
        &'static self,
        who: &'static str,
        held: Option<&Held<'_>>,
        name: &'static str,
        args: Steps,
    ) -> Result<String> {
        let nothing = || Ok(NOTHING.to_owned());
        let index = || number(&args[0]);
        Ok(match name {
            "sleep" => {
                sleep(duration(&args[0]).expect("a time")).co_await()?;
                "done".to_owned()
            }
            "await" => match self.get(text(&args[0])) {
                None => return nothing(),
                Some(slot) => {
                    let result =
                        future!(slot, future => (&future).co_await()?.shown(), _ => return nothing());
                    format!("{} {result}", text(&args[0]))
                }
            },
            "shield" => match args[0].as_str() {
                None => shield(self.inner(&args[0])).co_await()?,
                Some(slot) => match self.get(slot) {
                    None => return nothing(),
                    Some(slot) => {
                        future!(slot, future => shield(future).co_await()?.shown(), _ => return nothing())
                    }
                },
            },
            "waitfor" => {
                let limit = duration(&args[0]).expect("a time");
                match args[1].as_str() {
                    None => wait_for(self.inner(&args[1]), limit).co_await()?,
                    Some(slot) => match self.get(slot) {
                        None => return nothing(),
                        Some(slot) => {
                            future!(slot, future => wait_for(future, limit).co_await()?.shown(), _ => return nothing())
                        }
                    },
                }
            }
            "gather" => match self.items(&args[1]) {
                None => return nothing(),
                Some(items) if args[0] == true => gather_return_exceptions(items).co_await()?.shown(),
                Some(items) => gather(items).co_await()?.shown(),
            },
            "wait" => return self.wait_for_some(args),
            "completed" => return self.completed(who, args),
            "acquire" => {
                self.semaphores[index()].acquire()?.forget();
                index().to_string()
            }
            "cwait" => {
                let guard = held.expect("is held").find(index());
                guard.borrow_mut().wait().co_await()?;
                index().to_string()
            }
            "cwaitfor" => {
                let (guard, counter) = (held.expect("is held").find(index()), &self.counters[index()]);
                let least = args[1].as_u64().expect("a number");
                guard.borrow_mut().wait_for(|()| counter.get() >= least).co_await()?;
                format!("{} {}", index(), counter.get())
            }
            "evwait" => {
                self.events[index()].wait().co_await()?;
                index().to_string()
            }
            "meet" => format!("{} {}", index(), self.barriers[index()].wait().co_await()?),
            "babort" => {
                self.barriers[index()].abort()?;
                index().to_string()
            }
            "breset" => {
                self.barriers[index()].reset()?;
                index().to_string()
            }
            "put" => {
                let value = args[1].as_i64().expect("a number");
                queue!(&self.queues[index()], queue => queue.put(value).co_await()?);
                format!("{} {value}", index())
            }
            "get" => {
                format!("{} {}", index(), queue!(&self.queues[index()], queue => queue.get().co_await()?))
            }
            "join" => {
                queue!(&self.queues[index()], queue => queue.join().co_await()?);
                index().to_string()
            }
            other => panic!("no step is called {other}"),
        })
    }

    /// The coroutine that stands in place of a slot.
    fn inner(&'static self, item: &'static Value) -> BoxCoroutine<String> {
        let (name, body) = parts(item);
        self.coroutine(name, steps(&body[0]))
    }

    fn wait_for_some(&self, args: Steps) -> Result<String> {
        let slots: Vec<&str> = steps(&args[0]).iter().map(text).collect();
        let mut futures = Vec::new();
        for slot in &slots {
            match self.get(slot) {
                None => return Ok(NOTHING.to_owned()),
                Some(slot) => futures.push(future!(slot, future => future.any(), task => task.any())),
            }
        }
        let when = match text(&args[1]) {
            "FIRST_COMPLETED" => ReturnWhen::FirstCompleted,
            "FIRST_EXCEPTION" => ReturnWhen::FirstException,
            _ => ReturnWhen::AllCompleted,
        };
        let waiting = wait(&futures).return_when(when);
        let (done, _) = match duration(&args[2]) {
            Some(limit) => waiting.timeout(limit).co_await()?,
            None => waiting.co_await()?,
        };
        let (mut ready, mut pending) = (Vec::new(), Vec::new());
        for (slot, future) in slots.iter().zip(&futures) {
            match done.iter().any(|other| other.same(future)) {
                true => ready.push(*slot),
                false => pending.push(*slot),
            }
        }
        Ok(format!("{} / {}", ready.join(" "), pending.join(" ")))
    }

    fn completed(&'static self, who: &'static str, args: Steps) -> Result<String> {
        let Some(futures) = self.items(&args[0]) else { return Ok(NOTHING.to_owned()) };
        let (slots, handles) = (steps(&args[0]), futures.iter().map(|future| (**future).clone()));
        let handles: Vec<_> = handles.collect();
        let mut limit = args[3].as_i64().expect("a number");
        let mut completed = as_completed(futures);
        if let Some(limit) = duration(&args[1]) {
            completed = completed.timeout(limit);
        }
        let mut enough = move || {
            limit -= 1;
            limit == 0
        };
        if args[2] == true {
            while let Some(future) = AsyncIterator::anext(&mut completed)? {
                let index = handles.iter().position(|other| other.same(&future)).expect("one of them");
                self.trace(who, format_args!("completed {}", text(&slots[index])));
                if enough() {
                    break;
                }
            }
        } else {
            for next in completed.by_ref() {
                match next.co_await() {
                    Ok(value) => self.trace(who, format_args!("completed {value}")),
                    Err(error) if error.is::<Cancelled>() => return Err(error),
                    Err(error) => self.trace(who, format_args!("completed !{}", show(&error))),
                }
                if enough() {
                    break;
                }
            }
        }
        Ok("all".to_owned())
    }

    /// Steps that do not wait.
    fn act(&'static self, name: &'static str, args: Steps) -> Result<String> {
        let nothing = || Ok(NOTHING.to_owned());
        let slot = || text(&args[0]);
        let index = || number(&args[0]);
        Ok(match name {
            "trace" => args[0].to_string(),
            "raise" => return Err(Boom(text(&args[0]).to_owned()).into()),
            "spawn" => {
                let task = create_task(self.coroutine(slot(), steps(&args[1])));
                self.put(slot(), Slot::Task(task))
            }
            "gspawn" => {
                let group = self.groups.borrow().get(slot()).cloned();
                let Some(group) = group else { return nothing() };
                let task = group.create_task(self.coroutine(text(&args[1]), steps(&args[2])));
                if task.done() {
                    task.result()?;
                }
                self.put(text(&args[1]), Slot::Task(task))
            }
            "mkshield" => return self.make_shield(args),
            "mkgather" => {
                let Some(items) = self.items(&args[1]) else { return nothing() };
                let slot = match args[0] == true {
                    true => Slot::Settled(gather_return_exceptions(items).clone()),
                    false => Slot::All(gather(items).clone()),
                };
                self.put(text(&args[2]), slot)
            }
            "cancel" => {
                let Some(future) = self.get(slot()) else { return nothing() };
                let cancelled = match args[1].as_str() {
                    None => future!(future, future => future.cancel(), task => task.cancel()),
                    Some(message) => {
                        future!(future, future => future.cancel_with(message), task => task.cancel_with(message))
                    }
                };
                format!("{} {}", slot(), python(cancelled))
            }
            "cself" => {
                let Some(task) = current_task() else { return nothing() };
                let cancelled = args[0].as_str().map_or_else(|| task.cancel(), |text| task.cancel_with(text));
                python(cancelled).to_owned()
            }
            "uncancel" => {
                let Some(task) = current_task() else { return nothing() };
                task.uncancel().to_string()
            }
            "cancelling" => {
                let Some(task) = self.task(slot()) else { return nothing() };
                format!("{} {}", slot(), task.cancelling())
            }
            "uncancelother" => {
                let Some(task) = self.task(slot()) else { return nothing() };
                format!("{} {}", slot(), task.uncancel())
            }
            "state" => return Ok(self.state(slot())),
            "result" => {
                let Some(future) = self.get(slot()) else { return nothing() };
                let result = future!(future, future => future.result()?.shown(), _ => return nothing());
                format!("{} {result}", slot())
            }
            "exception" => {
                let Some(future) = self.get(slot()) else { return nothing() };
                let error = future!(future, future => future.exception()?, _ => return nothing());
                format!("{} {}", slot(), error.as_ref().map_or_else(|| "None".to_owned(), show))
            }
            "fset" | "fexc" => {
                let Some(Slot::One(future)) = self.get(slot()) else { panic!("{} is no future", slot()) };
                match name {
                    "fset" => future.set_result(text(&args[1]).to_owned())?,
                    _ => future.set_exception(Boom(text(&args[1]).to_owned()))?,
                }
                slot().to_owned()
            }
            "refuture" => self.put(slot(), Slot::One(Future::new())),
            "cb" => return Ok(self.add_callback(args)),
            "uncb" => {
                let added = self.callbacks.borrow().get(slot()).cloned();
                let Some((future, id)) = added else { return nothing() };
                let removed = future!(future, future => future.remove_done_callback(id), _ => 0);
                format!("{} {removed}", slot())
            }
            "soon" => {
                let handle = self.event_loop.call_soon(move || self.callback(slot(), steps(&args[1])));
                self.handles.borrow_mut().insert(slot().to_owned(), Scheduled::Soon(handle));
                slot().to_owned()
            }
            "later" => {
                let (delay, name) = (duration(&args[0]).expect("a time"), text(&args[1]));
                let handle = self.event_loop.call_later(delay, move || self.callback(name, steps(&args[2])));
                self.handles.borrow_mut().insert(name.to_owned(), Scheduled::Later(handle));
                name.to_owned()
            }
            "hcancel" => {
                let handles = self.handles.borrow();
                let cancelled = match handles.get(slot()) {
                    None => return nothing(),
                    Some(Scheduled::Soon(handle)) => {
                        handle.cancel();
                        handle.cancelled()
                    }
                    Some(Scheduled::Later(handle)) => {
                        handle.cancel();
                        handle.cancelled()
                    }
                };
                format!("{} {}", slot(), python(cancelled))
            }
            "resched" => {
                let limit = self.limits.borrow().get(slot()).cloned();
                let Some(limit) = limit else { return nothing() };
                limit.reschedule(duration(&args[1]).map(|delta| self.event_loop.time() + delta))?;
                slot().to_owned()
            }
            "limit" => {
                let limit = self.limits.borrow().get(slot()).cloned();
                let Some(limit) = limit else { return nothing() };
                let when =
                    limit.when().map_or_else(|| "None".to_owned(), |when| when.as_secs_f64().to_string());
                let shown = format!("{limit:?}");
                let shown = shown.split(" when").next().unwrap_or_default();
                format!("{} {} {when} {shown}", slot(), python(limit.expired()))
            }
            "semrel" => {
                self.semaphores[index()].release()?;
                index().to_string()
            }
            "notify" => {
                self.conditions[index()].notify(number(&args[1]))?;
                index().to_string()
            }
            "cadd" => {
                let counter = &self.counters[index()];
                counter.set(counter.get() + 1);
                format!("{} {}", index(), counter.get())
            }
            "evset" => {
                self.events[index()].set();
                index().to_string()
            }
            "evclear" => {
                self.events[index()].clear();
                index().to_string()
            }
            "putn" => {
                let value = args[1].as_i64().expect("a number");
                queue!(&self.queues[index()], queue => queue.put_nowait(value)?);
                format!("{} {value}", index())
            }
            "getn" => format!("{} {}", index(), queue!(&self.queues[index()], queue => queue.get_nowait()?)),
            "tdone" => {
                queue!(&self.queues[index()], queue => queue.task_done()?);
                index().to_string()
            }
            "shutdown" => {
                queue!(&self.queues[index()], queue => queue.shutdown(args[1] == true));
                index().to_string()
            }
            "qstate" => queue!(&self.queues[index()], queue => {
                format!("{} {} {} {}", index(), queue.qsize(), python(queue.empty()), python(queue.full()))
            }),
            "repr" if args[0] == "group" => {
                let group = self.groups.borrow().get(text(&args[1])).cloned();
                let Some(group) = group else { return nothing() };
                format!("{} {group:?}", text(&args[1]))
            }
            "repr" => self.show(text(&args[0]), number(&args[1])),
            other => panic!("no step is called {other}"),
        })
    }

    fn make_shield(&'static self, args: Steps) -> Result<String> {
        let slot = match args[0].as_str() {
            None => Slot::One(shield(self.inner(&args[0])).clone()),
            Some(slot) => {
                let Some(inner) = self.get(slot) else { return Ok(NOTHING.to_owned()) };
                if future!(&inner, future => future.done(), task => task.done()) {
                    return Ok("done already".to_owned());
                }
                match inner {
                    Slot::Main(_) | Slot::Task(_) => panic!("{slot} is not shielded"),
                    Slot::One(future) => Slot::One(shield(future).clone()),
                    Slot::All(future) => Slot::All(shield(future).clone()),
                    Slot::Settled(future) => Slot::Settled(shield(future).clone()),
                }
            }
        };
        Ok(self.put(text(&args[1]), slot))
    }

    fn add_callback(&'static self, args: Steps) -> String {
        let [slot, name, body] = args else { panic!("a callback of three parts") };
        let (slot, name) = (text(slot), text(name));
        let Some(future) = self.get(slot) else { return NOTHING.to_owned() };
        let done = move |cancelled: bool| {
            self.trace(name, format_args!("done {}", if cancelled { "cancelled" } else { "finished" }));
            self.callback(name, steps(body));
        };
        let id = future!(
            &future,
            future => future.add_done_callback(move |future| done(future.cancelled())),
            _ => return NOTHING.to_owned()
        );
        self.callbacks.borrow_mut().insert(name.to_owned(), (future, id));
        format!("{slot} {name}")
    }

    fn state(&self, slot: &str) -> String {
        let Some(future) = self.get(slot) else { return NOTHING.to_owned() };
        future!(
            future,
            future => match future.done().then(|| future.result()) {
                None => format!("{slot} pending"),
                Some(Ok(value)) => format!("{slot} {}", value.shown()),
                Some(Err(error)) => format!("{slot} !{}", show(&error)),
            },
            _ => NOTHING.to_owned()
        )
    }

    fn show(&self, kind: &str, index: usize) -> String {
        let thing: &dyn Debug = match kind {
            "locks" => &self.locks[index],
            "semaphores" => &self.semaphores[index],
            "events" => &self.events[index],
            "conditions" => &self.conditions[index],
            "barriers" => &self.barriers[index],
            "queues" => &self.queues[index],
            other => panic!("no objects are called {other}"),
        };
        format!("{kind} {index} {}", show_object(thing))
    }

    /// The whole.
    fn run(&'static self, main: Steps) -> Result<()> {
        self.put("main", Slot::Main(current_task().expect("is a task")));
        self.event_loop.call_later(WATCHDOG, move || {
            self.trace("watchdog", "cancels all");
            self.closing.set(true);
            for task in all_tasks().expect("a loop runs") {
                task.cancel();
            }
        });
        self.body("main", None, main)?;
        let objects = [
            ("locks", self.locks.len()),
            ("semaphores", self.semaphores.len()),
            ("events", self.events.len()),
            ("conditions", self.conditions.len()),
            ("barriers", self.barriers.len()),
            ("queues", self.queues.len()),
        ];
        for (kind, count) in objects {
            (0..count).for_each(|index| self.trace("main", self.show(kind, index)));
        }
        let slots: Vec<String> = self.slots.borrow().keys().cloned().collect();
        slots.iter().for_each(|slot| self.trace("main", self.state(slot)));
        Ok(())
    }
}

/// The trace of a program.
pub fn run(program: &Value) -> Result<Vec<String>> {
    let builder = LoopBuilder::new().virtual_clock().stack_size(1 << 20);
    let mut runner = Runner::with(RunBuilder::new().event_loop(builder).handle_interrupts(false));
    let event_loop = runner.get_loop()?;
    event_loop.set_exception_handler(|_, _| ()); // exceptions that nobody retrieves are no matter here
    let main: Steps = steps(Box::leak(Box::new(program["main"].clone())));
    let program = Program::new(event_loop, program);
    let result = runner.run(coroutine(move || program.run(main)));
    runner.close()?;
    if let Err(error) = result {
        program.trace("run", format_args!("!{}", show(&error)));
    }
    program.open.set(false); // what the last references drop is no part of the trace
    Ok(program.lines.take())
}

/// A trace without the messages of cancellations.
///
/// CPython tells the message of a task's cancellation once, to the first who asks; the library tells it always.
fn without_messages(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once("CancelledError(") {
        let _ = write!(out, "{before}CancelledError");
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Whether a line is the one that was recorded, but for messages of cancellations that CPython has forgotten.
fn agrees(recorded: &str, printed: &str) -> bool {
    let messages = |line: &str| {
        line.split("CancelledError")
            .skip(1)
            .map(|part| part.starts_with('(').then(|| part.split(')').next().unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    recorded == printed
        || without_messages(recorded) == without_messages(printed)
            && messages(recorded)
                .iter()
                .zip(messages(printed))
                .all(|(told, ours)| told.is_none() || *told == ours)
}

/// The index of the first line in which two traces differ.
pub fn difference(recorded: &[String], printed: &[String]) -> Option<usize> {
    let differs = |&index: &usize| match (recorded.get(index), printed.get(index)) {
        (Some(recorded), Some(printed)) => !agrees(recorded, printed),
        _ => true,
    };
    (0..recorded.len().max(printed.len())).find(differs)
}
