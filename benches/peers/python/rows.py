"""The work on asyncio, and with the variant `uvloop` on uvloop's loop: called and answering as the programs in src/bin."""

import asyncio
import os
import resource
import sys
import time

DEPTH = 100
HOUR = 3600
UNSUPPORTED = 3


class Meter:
    def __init__(self):
        self.usage, self.start = resource.getrusage(resource.RUSAGE_SELF), time.process_time_ns()

    def ns_per(self, times):
        return (time.process_time_ns() - self.start) / times

    def burst(self, tasks):
        now = resource.getrusage(resource.RUSAGE_SELF)
        kernel = (now.ru_stime - self.usage.ru_stime) * 1e9
        return [self.ns_per(tasks), kernel / tasks, (now.ru_minflt - self.usage.ru_minflt) / tasks]


def answer(*figures):
    print(*figures, flush=True)


def memory():
    with open("/proc/self/status") as status:
        return sum(int(line.split()[1]) for line in status if line.startswith(("VmRSS:", "VmPTE:"))) * 1024


def nap(task, n):
    scattered = (task * 1_000_003 + n) * 2_654_435_761 & 0xFFFF_FFFF
    return (1_000 + scattered % 9_001) / 1e6


async def spin(times):
    for _ in range(times):
        await asyncio.sleep(0)
    return times


async def number(n):
    return n


async def parking(n):
    await asyncio.sleep(0)
    return n


async def descend(depth, times):
    if depth == 0:
        return await spin(times)
    return await descend(depth - 1, times) + 1


async def metered(task, each):
    """The first task meters: from when all have begun until its own last yield."""
    await spin(2)
    meter = Meter() if task == 0 else None
    assert await spin(each) == each
    return meter.ns_per(1) if meter else 0


async def yields(tasks, each):
    answer(sum(await asyncio.gather(*(metered(task, each) for task in range(tasks)))) / (tasks * each))


async def round_trip(times, _):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def echo():
        for _ in range(times):
            await back.put(await there.get() + 1)

    meter = Meter()
    task = asyncio.create_task(echo())
    for n in range(times):
        await there.put(n)
        assert await back.get() == n + 1
    await task
    answer(meter.ns_per(times))


async def spawn_await(times, _):
    meter = Meter()
    for n in range(times):
        assert await asyncio.create_task(number(n)) == n
    answer(meter.ns_per(times))


async def burst(tasks, body):
    meter = Meter()
    handles = [asyncio.create_task(body(n)) for n in range(tasks)]
    total = 0
    for handle in handles:
        total += await handle
    assert total == tasks * (tasks - 1) // 2
    return meter.burst(tasks)


async def spawn_all(tasks, _):
    answer(*await burst(tasks, number), *await burst(tasks, number))


async def park_all(tasks, _):
    answer(*await burst(tasks, parking), *await burst(tasks, parking))


async def yield_below(times, _):
    meter = Meter()
    assert await descend(DEPTH, times) == times + DEPTH
    answer(meter.ns_per(times))


async def descents(times, _):
    meter = Meter()
    for _ in range(times):
        assert await descend(DEPTH, 1) == 1 + DEPTH
    answer(meter.ns_per(times))


async def contended(tasks, each):
    lock, count = asyncio.Lock(), 0

    async def work():
        nonlocal count
        for _ in range(each):
            async with lock:
                before = count
                await asyncio.sleep(0)
                count = before + 1

    meter = Meter()
    await asyncio.gather(*(work() for _ in range(tasks)))
    assert count == tasks * each
    answer(meter.ns_per(tasks * each))


async def sleeping(tasks, _):
    started = 0

    async def sleeper():
        nonlocal started
        started += 1
        await asyncio.sleep(HOUR)

    before, meter = memory(), Meter()
    handles = [asyncio.create_task(sleeper()) for _ in range(tasks)]
    while started < tasks:
        await asyncio.sleep(0)
    start = meter.ns_per(tasks) / 1000
    answer((memory() - before) / len(handles), start)
    os._exit(0)


async def sleeps(tasks, each):
    async def work(task):
        for n in range(each):
            await asyncio.sleep(nap(task, n))
        return each

    meter = Meter()
    assert sum(await asyncio.gather(*(work(task) for task in range(tasks)))) == tasks * each
    answer(meter.ns_per(tasks * each))


async def timeouts(alive, times):
    loop = asyncio.get_running_loop()
    for _ in range(alive):
        loop.call_later(HOUR, print)
    meter, done = Meter(), 0
    for _ in range(times):
        async with asyncio.timeout(HOUR):
            done += await spin(1)
    assert done == times
    answer(meter.ns_per(times))


async def echo(*_):
    async def serve(reader, writer):
        while data := await reader.read(1024):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    answer(server.sockets[0].getsockname()[1])
    await server.serve_forever()


WORK = {
    "yield": yields,
    "round_trip": round_trip,
    "spawn_await": spawn_await,
    "spawn_all": spawn_all,
    "park_all": park_all,
    "yield_below": yield_below,
    "descend": descents,
    "lock": contended,
    "sleeping": sleeping,
    "sleeps": sleeps,
    "timeouts": timeouts,
    "echo": echo,
}


def main():
    name, a, b, *variant = sys.argv[1:]
    factory = None
    if variant == ["uvloop"]:
        import uvloop

        factory = uvloop.new_event_loop
    if name == "version":
        print(uvloop.__version__ if factory else f"CPython {sys.version.split()[0]}")
    elif name in WORK:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(WORK[name](int(a), int(b)))
    else:
        sys.exit(UNSUPPORTED)


main()
