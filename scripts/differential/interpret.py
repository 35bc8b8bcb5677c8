#!/usr/bin/env python3
"""Runs programs of the differential test on asyncio, under a virtual clock.

    python3 interpret.py < PROGRAMS.jsonl > TRACES.jsonl

One program a line, one trace (a list of lines) a line.  With `--shake` tasks and futures get random hashes, so that
what depends on the iteration order of a set shows itself.

A program is a tree of steps, `["name", arguments...]`; `generate.py` makes them.  `tests/differential/interpret.rs`
is the same interpreter for the library; the two are kept side by side, step by step.

Where asyncio iterates over a set of tasks to cancel them, it does so here in the order in which they were made.
"""
import asyncio
import heapq
import json
import logging
import random
import re
import selectors
import sys
import warnings

WATCHDOG = 60.0     # when a program is cancelled as a whole, for good
LINES = 3000        # how long a trace may get


class Boom(Exception):
    """What programs raise."""


class Deadlock(Exception):
    """Nothing can wake the loop."""


class Tasks(dict):
    """A set of tasks that keeps their order."""

    def add(self, task):
        self[task] = None

    def discard(self, task):
        self.pop(task, None)


class VirtualSelector(selectors.DefaultSelector):
    loop = None

    def select(self, timeout=None):
        if timeout is None:
            raise Deadlock
        if timeout > 0:
            self.loop.now = max(self.loop.now, self.loop._scheduled[0]._when)
        return []


class Timer(asyncio.TimerHandle):
    """A timer that goes after the timers of the same moment that were made earlier."""
    made = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        Timer.made += 1
        self.number = Timer.made

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


class ShakyTask(asyncio.Task):
    def __init__(self, *args, **kwargs):
        self.shaky = random.getrandbits(60)
        super().__init__(*args, **kwargs)

    def __hash__(self):
        return self.shaky


class ShakyFuture(asyncio.Future):
    def __init__(self, *args, **kwargs):
        self.shaky = random.getrandbits(60)
        super().__init__(*args, **kwargs)

    def __hash__(self):
        return self.shaky


class VirtualLoop(asyncio.SelectorEventLoop):
    shake = False

    def __init__(self):
        self.now = 0.0
        self.tasks = []
        selector = VirtualSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        return self.now

    def call_at(self, when, callback, *args, context=None):
        self._check_closed()
        timer = Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def create_task(self, coro, *, name=None, context=None):
        self._check_closed()
        kind = ShakyTask if self.shake else asyncio.Task
        task = kind(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

    def create_future(self):
        return ShakyFuture(loop=self) if self.shake else asyncio.Future(loop=self)


def all_tasks(loop=None):
    """The unfinished tasks, in the order in which they were made."""
    loop = loop or asyncio.get_running_loop()
    return [task for task in loop.tasks if not task.done()]


asyncio.tasks.all_tasks = all_tasks


def show(exc):
    if isinstance(exc, BaseExceptionGroup):
        return "Group[" + ", ".join(map(show, exc.exceptions)) + "]"
    text = str(exc).split(": <")[0]
    return f"{type(exc).__name__}({text})" if text else type(exc).__name__


def show_object(thing):
    text = repr(thing)
    if isinstance(thing, asyncio.Queue):
        return re.sub(r" at 0x[0-9a-f]+| _queue=\[.*?\]", "", text)
    state = re.search(r"\[(.*)\]>$", text)
    return state.group(1) if state else text


def show_result(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(show_result, value)) + "]"
    return show(value) if isinstance(value, BaseException) else str(value)


def matches(kind, exc):
    match kind:
        case "any":
            return True
        case "error":
            return not isinstance(exc, asyncio.CancelledError)
        case "cancelled":
            return isinstance(exc, asyncio.CancelledError)
        case "timeout":
            return isinstance(exc, TimeoutError)
        case "boom":
            return isinstance(exc, Boom)
        case "group":
            return isinstance(exc, BaseExceptionGroup)


class Program:
    def __init__(self, loop, program):
        self.loop = loop
        self.lines = []
        self.open = True        # whether lines are still taken
        self.closing = False    # no exception is caught any more
        self.main = program["main"]
        self.locks = [asyncio.Lock() for _ in range(program["locks"])]
        self.semaphores = [asyncio.Semaphore(n) if n >= 0 else asyncio.BoundedSemaphore(-n) for n in program["sems"]]
        self.events = [asyncio.Event() for _ in range(program["events"])]
        self.conditions = [asyncio.Condition() for _ in range(program["conds"])]
        self.counters = [0] * program["conds"]
        self.barriers = [asyncio.Barrier(n) for n in program["barriers"]]
        kinds = {"fifo": asyncio.Queue, "lifo": asyncio.LifoQueue, "prio": asyncio.PriorityQueue}
        self.queues = [kinds[kind](size) for kind, size in program["queues"]]
        self.slots = {f"f{n}": loop.create_future() for n in range(program["futures"])}
        self.many = set()       # the slots with a future of many results
        self.groups, self.limits, self.handles, self.callbacks = {}, {}, {}, {}

    def trace(self, who, text):
        if self.open:
            self.lines.append(f"{self.loop.now:g} {who} {text}")
            if len(self.lines) == LINES:
                self.lines.append("TOO LONG")
            self.open = len(self.lines) < LINES

    # Bodies

    async def body(self, who, steps):
        """What a task, or a coroutine that is awaited, runs."""
        try:
            result = await self.steps(who, steps)
        except BaseException as exc:
            self.trace(who, f"raises {show(exc)}")
            raise
        result = "None" if result is None else result
        self.trace(who, f"ends {result}")
        return result

    async def steps(self, who, steps):
        for step in steps:
            result = await self.step(who, step)
            if result is not None:
                return result
        return None

    def item(self, item):
        """A slot's future, or a coroutine; None if nothing is in the slot."""
        return self.slots.get(item) if isinstance(item, str) else self.body(*item)

    def items(self, items):
        """The futures and coroutines; None if a slot is empty, or holds a future of many results."""
        if all(not isinstance(item, str) or item in self.slots and item not in self.many for item in items):
            return [self.item(item) for item in items]
        return None

    def future(self, slot):
        """A slot's future; None if it is empty, or holds the main task."""
        return None if slot == "main" else self.slots.get(slot)

    def task(self, slot):
        """A slot's task; None if it holds none."""
        return self.slots.get(slot) if isinstance(self.slots.get(slot), asyncio.Task) else None

    async def step(self, who, step):
        name, *args = step
        block = getattr(self, "block_" + name, None)
        if block:
            return await block(who, *args)
        try:
            if name in WAITS:
                text = await getattr(self, "wait_" + name)(who, *args)
            else:
                text = getattr(self, "do_" + name)(who, *args)
        except BaseException as exc:
            self.trace(who, f"{name} !{show(exc)}")
            if name in WAITS or name in RAISES:
                raise
            return None
        self.trace(who, f"{name} {text}")
        return None

    def callback(self, who, steps):
        """What a callback runs: steps that do not wait. What they raise is only traced."""
        self.trace(who, "called")
        for name, *args in steps:
            try:
                self.trace(who, f"{name} {getattr(self, 'do_' + name)(who, *args)}")
            except BaseException as exc:
                self.trace(who, f"{name} !{show(exc)}")

    # Steps with steps inside

    async def block_return(self, who, value):
        return value

    async def block_call(self, who, name, steps):
        await self.body(name, steps)

    async def block_loop(self, who, count, steps):
        for _ in range(count):
            result = await self.steps(who, steps)
            if result is not None:
                return result

    async def block_try(self, who, steps, kind, handler, final):
        try:
            try:
                return await self.steps(who, steps)
            except BaseException as exc:
                if self.closing or not matches(kind, exc):
                    raise
                self.trace(who, f"caught {show(exc)}")
            return await self.steps(who, handler)
        finally:
            if not self.closing and final:
                self.trace(who, "finally")
                result = await self.steps(who, final)
                if result is not None:
                    return result

    async def block_timeout(self, who, delay, name, steps):
        limit = asyncio.timeout(delay)
        self.limits[name] = limit
        try:
            async with limit:
                result = await self.steps(who, steps)
        except BaseException as exc:
            self.trace(who, f"timeout {name} {limit.expired()} !{show(exc)}")
            raise
        self.trace(who, f"timeout {name} {limit.expired()} left")
        return result

    async def block_group(self, who, name, steps):
        group = asyncio.TaskGroup()
        group._tasks = Tasks()
        self.groups[name] = group
        try:
            async with group:
                result = await self.steps(who, steps)
        except BaseException as exc:
            self.trace(who, f"group {name} !{show(exc)}")
            raise
        self.trace(who, f"group {name} left")
        return result

    async def within(self, who, text, manager, steps):
        try:
            await manager.__aenter__()
        except BaseException as exc:
            self.trace(who, f"{text} !{show(exc)}")
            raise
        self.trace(who, f"{text} entered")
        try:
            result = await self.steps(who, steps)
        finally:
            await manager.__aexit__(None, None, None)
        self.trace(who, f"{text} left")
        return result

    async def block_lock(self, who, index, steps):
        return await self.within(who, f"lock {index}", self.locks[index], steps)

    async def block_sem(self, who, index, steps):
        if isinstance(self.semaphores[index], asyncio.BoundedSemaphore):
            return None     # leaving it could raise
        return await self.within(who, f"sem {index}", self.semaphores[index], steps)

    async def block_cond(self, who, index, steps):
        return await self.within(who, f"cond {index}", self.conditions[index], steps)

    # Steps that wait

    async def wait_sleep(self, who, delay):
        await asyncio.sleep(delay)
        return "done"

    async def wait_await(self, who, slot):
        if slot not in self.slots:
            return "nothing"
        return f"{slot} {show_result(await self.slots[slot])}"

    async def wait_shield(self, who, item):
        item = self.item(item)
        return "nothing" if item is None else show_result(await asyncio.shield(item))

    async def wait_waitfor(self, who, delay, item):
        item = self.item(item)
        return "nothing" if item is None else show_result(await asyncio.wait_for(item, delay))

    async def wait_gather(self, who, return_exceptions, items):
        items = self.items(items)
        if items is None:
            return "nothing"
        return show_result(await asyncio.gather(*items, return_exceptions=return_exceptions))

    async def wait_wait(self, who, slots, when, timeout):
        if any(slot not in self.slots for slot in slots):
            return "nothing"
        futures = [self.slots[slot] for slot in slots]
        done, pending = await asyncio.wait(futures, timeout=timeout, return_when=when)
        done = [slot for slot, future in zip(slots, futures) if future in done]
        pending = [slot for slot, future in zip(slots, futures) if future in pending]
        return f"{' '.join(done)} / {' '.join(pending)}"

    async def wait_completed(self, who, slots, timeout, by_task, limit):
        futures = self.items(slots)
        if futures is None:
            return "nothing"
        completed = asyncio.as_completed(futures, timeout=timeout)
        if by_task:
            async for future in completed:
                at = next(slot for slot, other in zip(slots, futures) if other is future)
                self.trace(who, f"completed {at}")
                limit -= 1
                if limit == 0:
                    break
        else:
            for future in completed:
                try:
                    self.trace(who, f"completed {show_result(await future)}")
                except Exception as exc:
                    self.trace(who, f"completed !{show(exc)}")
                limit -= 1
                if limit == 0:
                    break
        return "all"

    async def wait_acquire(self, who, index):
        await self.semaphores[index].acquire()
        return f"{index}"

    async def wait_cwait(self, who, index):
        await self.conditions[index].wait()
        return f"{index}"

    async def wait_cwaitfor(self, who, index, least):
        await self.conditions[index].wait_for(lambda: self.counters[index] >= least)
        return f"{index} {self.counters[index]}"

    async def wait_evwait(self, who, index):
        await self.events[index].wait()
        return f"{index}"

    async def wait_meet(self, who, index):
        return f"{index} {await self.barriers[index].wait()}"

    async def wait_babort(self, who, index):
        await self.barriers[index].abort()
        return f"{index}"

    async def wait_breset(self, who, index):
        await self.barriers[index].reset()
        return f"{index}"

    async def wait_put(self, who, index, value):
        await self.queues[index].put(value)
        return f"{index} {value}"

    async def wait_get(self, who, index):
        return f"{index} {await self.queues[index].get()}"

    async def wait_join(self, who, index):
        await self.queues[index].join()
        return f"{index}"

    # Steps that do not wait

    def do_trace(self, who, value):
        return f"{value}"

    def do_raise(self, who, value):
        raise Boom(value)

    def do_spawn(self, who, slot, steps):
        self.put(slot, asyncio.create_task(self.body(slot, steps)))
        return slot

    def do_gspawn(self, who, group, slot, steps):
        if group not in self.groups:
            return "nothing"
        self.put(slot, self.groups[group].create_task(self.body(slot, steps)))
        return slot

    def do_mkshield(self, who, item, slot):
        many = isinstance(item, str) and item in self.many
        item = self.item(item)
        if item is None:
            return "nothing"
        if isinstance(item, asyncio.Future) and item.done():
            return "done already"    # a shield of what is done is that itself in Python
        self.put(slot, asyncio.shield(item), many)
        return slot

    def put(self, slot, future, many=False):
        self.slots[slot] = future
        (self.many.add if many else self.many.discard)(slot)

    def do_mkgather(self, who, return_exceptions, items, slot):
        items = self.items(items)
        if items is None:
            return "nothing"
        self.put(slot, asyncio.gather(*items, return_exceptions=return_exceptions), True)
        return slot

    def do_cancel(self, who, slot, message):
        if slot not in self.slots:
            return "nothing"
        return f"{slot} {self.slots[slot].cancel(message)}"

    def do_cself(self, who, message):
        task = asyncio.current_task()
        return "nothing" if task is None else f"{task.cancel(message)}"

    def do_uncancel(self, who):
        task = asyncio.current_task()
        return "nothing" if task is None else f"{task.uncancel()}"

    def do_cancelling(self, who, slot):
        task = self.task(slot)
        return "nothing" if task is None else f"{slot} {task.cancelling()}"

    def do_uncancelother(self, who, slot):
        task = self.task(slot)
        return "nothing" if task is None else f"{slot} {task.uncancel()}"

    def do_state(self, who, slot):
        future = self.future(slot)
        if future is None:
            return "nothing"
        if not future.done():
            return f"{slot} pending"
        try:
            return f"{slot} {show_result(future.result())}"
        except BaseException as exc:
            return f"{slot} !{show(exc)}"

    def do_result(self, who, slot):
        future = self.future(slot)
        return "nothing" if future is None else f"{slot} {show_result(future.result())}"

    def do_exception(self, who, slot):
        future = self.future(slot)
        if future is None:
            return "nothing"
        exc = future.exception()
        return f"{slot} {'None' if exc is None else show(exc)}"

    def do_fset(self, who, slot, value):
        self.slots[slot].set_result(value)
        return slot

    def do_fexc(self, who, slot, value):
        self.slots[slot].set_exception(Boom(value))
        return slot

    def do_refuture(self, who, slot):
        self.slots[slot] = asyncio.get_running_loop().create_future()
        return slot

    def do_cb(self, who, slot, name, steps):
        future = self.future(slot)
        if future is None:
            return "nothing"

        def done(future):
            self.trace(name, f"done {'cancelled' if future.cancelled() else 'finished'}")
            self.callback(name, steps)

        future.add_done_callback(done)
        self.callbacks[name] = (future, done)
        return f"{slot} {name}"

    def do_uncb(self, who, name):
        if name not in self.callbacks:
            return "nothing"
        future, done = self.callbacks[name]
        return f"{name} {future.remove_done_callback(done)}"

    def do_soon(self, who, name, steps):
        self.handles[name] = asyncio.get_running_loop().call_soon(self.callback, name, steps)
        return name

    def do_later(self, who, delay, name, steps):
        self.handles[name] = asyncio.get_running_loop().call_later(delay, self.callback, name, steps)
        return name

    def do_hcancel(self, who, name):
        if name not in self.handles:
            return "nothing"
        self.handles[name].cancel()
        return f"{name} {self.handles[name].cancelled()}"

    def do_resched(self, who, name, delta):
        if name not in self.limits:
            return "nothing"
        self.limits[name].reschedule(None if delta is None else self.loop.now + delta)
        return name

    def do_limit(self, who, name):
        if name not in self.limits:
            return "nothing"
        limit = self.limits[name]
        when = limit.when()
        return f"{name} {limit.expired()} {'None' if when is None else f'{when:g}'} {repr(limit).split(' when')[0]}"

    def do_semrel(self, who, index):
        self.semaphores[index].release()
        return f"{index}"

    def do_notify(self, who, index, count):
        self.conditions[index].notify(count)
        return f"{index}"

    def do_cadd(self, who, index):
        self.counters[index] += 1
        return f"{index} {self.counters[index]}"

    def do_evset(self, who, index):
        self.events[index].set()
        return f"{index}"

    def do_evclear(self, who, index):
        self.events[index].clear()
        return f"{index}"

    def do_putn(self, who, index, value):
        self.queues[index].put_nowait(value)
        return f"{index} {value}"

    def do_getn(self, who, index):
        return f"{index} {self.queues[index].get_nowait()}"

    def do_tdone(self, who, index):
        self.queues[index].task_done()
        return f"{index}"

    def do_shutdown(self, who, index, immediate):
        self.queues[index].shutdown(immediate)
        return f"{index}"

    def do_qstate(self, who, index):
        queue = self.queues[index]
        return f"{index} {queue.qsize()} {queue.empty()} {queue.full()}"

    def do_repr(self, who, kind, index):
        if kind == "group":
            return f"{index} {self.groups[index]!r}" if index in self.groups else "nothing"
        return f"{kind} {index} {show_object(getattr(self, kind)[index])}"

    # The whole

    async def run(self):
        self.slots["main"] = asyncio.current_task()

        def watchdog():
            self.trace("watchdog", "cancels all")
            self.closing = True
            for task in all_tasks():
                task.cancel()

        self.loop.call_later(WATCHDOG, watchdog)
        await self.body("main", self.main)
        for kind in ["locks", "semaphores", "events", "conditions", "barriers", "queues"]:
            for index in range(len(getattr(self, kind))):
                self.trace("main", self.do_repr("main", kind, index))
        for slot in sorted(self.slots):
            self.trace("main", self.do_state("main", slot))


WAITS = {name.removeprefix("wait_") for name in dir(Program) if name.startswith("wait_")}

RAISES = {"raise", "result"}    # the steps that do not wait whose errors are raised; those of others are only traced


def run(text):
    loop = VirtualLoop()
    program = Program(loop, json.loads(text))
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(program.run())
    except BaseException as exc:
        program.trace("run", f"!{show(exc)}")
    program.open = False    # what the last references drop is no part of the trace
    return program.lines


def main():
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None     # a program that was given up is closed by force
    logging.getLogger("asyncio").addHandler(logging.NullHandler())
    logging.getLogger("asyncio").propagate = False
    VirtualLoop.shake = "--shake" in sys.argv
    for text in sys.stdin:
        sys.stdout.write(json.dumps(run(text)) + "\n")


if __name__ == "__main__":
    main()
