#!/usr/bin/env python3
"""Compares random programs between the library and asyncio, both under virtual time.

    python3 scripts/differential/run.py --count 10000

Makes programs from consecutive seeds, runs each with `interpret.py` and with the interpreter in `tests/differential`,
and compares the traces line by line.  Of a program that disagrees it prints the seed, the first lines that differ,
and the smallest program that still disagrees.  Programs whose trace in Python depends on the order of a set (which
asyncio leaves open) are left out, and counted.  Exits with 1 if any disagreed.

    --seed N          the first seed (default 1)
    --jobs N          how many batches at once (default: one for each processor)
    --python PATH     a CPython of 3.13 or later (default python3)
    --rust-bin PATH   the test `differential`, built (default: built by cargo first)
    --no-shrink       do not look for smaller programs
    --record N        write a new corpus of N programs that agree, chosen for what they do; regressions stay in it
    --add FILE        add the programs of a file to the corpus as regressions, and compare those alone: lines
                      {"seed": ..., "program": ...}, as they are printed for programs that disagree
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # no __pycache__ in the tree
from generate import generate  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[1] / "tests" / "differential" / "corpus.jsonl"
BATCH = 100


class Failed(Exception):
    """A whole batch could not be run."""


def run_python(python, programs, shake=False):
    text = "".join(json.dumps(program) + "\n" for program in programs)
    command = [python, str(HERE / "interpret.py"), *(["--shake"] if shake else [])]
    env = {**os.environ, "PYTHONHASHSEED": "1" if shake else "0"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, env=env)
    if done.returncode:
        raise SystemExit(f"interpret.py failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_rust_batch(rust, programs):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
        with open(source, "w") as file:
            file.writelines(json.dumps(program) + "\n" for program in programs)
        env = {**os.environ, "CORO_DIFFERENTIAL_IN": source, "CORO_DIFFERENTIAL_OUT": target}
        try:
            done = subprocess.run([rust, "--exact", "programs_of_a_file", "--nocapture"], capture_output=True,
                                  text=True, timeout=60 + len(programs), env=env)
        except subprocess.TimeoutExpired:
            raise Failed("it did not end") from None
        if done.returncode:
            raise Failed((done.stdout + done.stderr)[-3000:])
        with open(target) as file:
            return [json.loads(line) for line in file]


def run_rust(rust, programs):
    try:
        return run_rust_batch(rust, programs)
    except Failed as error:
        if len(programs) == 1:
            return [["the process failed", *str(error).splitlines()]]
        half = len(programs) // 2
        return run_rust(rust, programs[:half]) + run_rust(rust, programs[half:])


CANCELLED = re.compile(r"CancelledError(\([^)]*\))?")


def agrees(recorded, printed):
    """CPython tells the message of a task's cancellation once, to the first who asks; the library tells it always."""
    if recorded == printed:
        return True
    if CANCELLED.sub("CancelledError", recorded) != CANCELLED.sub("CancelledError", printed):
        return False
    return all(not told or told == ours
               for told, ours in zip(CANCELLED.findall(recorded), CANCELLED.findall(printed)))


def difference(recorded, printed):
    """The index of the first line in which two traces differ."""
    for index in range(max(len(recorded), len(printed))):
        if index >= min(len(recorded), len(printed)) or not agrees(recorded[index], printed[index]):
            return index
    return None


def compare(args, programs):
    """For each program: its trace, and the trace of the library if that disagrees; None where asyncio is open."""
    plain = run_python(args.python, programs)
    shaken = run_python(args.python, programs, shake=True)
    ours = run_rust(args.rust_bin, programs)
    result = []
    for program, one, other, mine in zip(programs, plain, shaken, ours, strict=True):
        wrong = difference(one, mine) is not None
        if one != other or one[-1:] == ["TOO LONG"]:
            result.append(None)
        elif wrong and any(trace != one for trace in run_python(args.python, [program] * 8, shake=True)):
            result.append(None)
        else:
            result.append((one, mine if wrong else None))
    return result


# Shrinking

BODIES = {"spawn": [2], "gspawn": [3], "call": [2], "loop": [2], "try": [1, 3, 4], "timeout": [3], "group": [2],
          "lock": [2], "sem": [2], "cond": [2], "cb": [3], "soon": [2], "later": [3]}


def bodies(step):
    """The lists of steps in a step."""
    found = [step[index] for index in BODIES.get(step[0], [])]
    items = {"shield": step[1:2], "mkshield": step[1:2], "waitfor": step[2:3]}.get(step[0], [])
    if step[0] in ("gather", "mkgather"):
        items = step[2]
    return found + [item[1] for item in items if isinstance(item, list)]


def places(steps):
    """Every list of steps in the program, with every index."""
    for index, step in enumerate(steps):
        yield steps, index
        for body in bodies(step):
            yield from places(body)


def smaller(program):
    """Programs with one step less, or with a block replaced by its body."""
    count = sum(1 for _ in places(program["main"]))
    for at in range(count):
        for unfold in (False, True):
            copy = json.loads(json.dumps(program))
            steps, index = list(places(copy["main"]))[at]
            step = steps[index]
            if unfold and (step[0] not in ("try", "timeout", "group", "loop", "lock", "sem", "call")):
                continue
            steps[index:index + 1] = step[BODIES[step[0]][0]] if unfold else []
            yield copy


def shrink(args, program, outcome):
    """The smallest program that still disagrees, with its traces."""
    while True:
        found = None
        candidates = list(smaller(program))
        for start in range(0, len(candidates), BATCH):
            some = candidates[start:start + BATCH]
            found = next((both for both in zip(some, compare(args, some)) if both[1] and both[1][1]), None)
            if found:
                break
        if not found:
            return program, outcome
        program, outcome = found


# The whole

def report(args, seed, program, outcome):
    print(f"\nSEED {seed} DISAGREES")
    if args.shrink:
        program, outcome = shrink(args, program, outcome)
    recorded, printed = outcome
    print(json.dumps({"seed": seed, "program": program}))
    at = difference(recorded, printed)
    for line in recorded[:at][-args.context:]:
        print(f"  {line}")
    for line in recorded[at:at + 4]:
        print(f"- {line}")
    for line in printed[at:at + 4]:
        print(f"+ {line}")
    sys.stdout.flush()


def entry(seed, program, trace, **more):
    return {"seed": seed, **more, "program": program, "trace": trace}


def features(trace):
    """What happens in a trace: each step with how it ended."""
    found = set()
    for line in trace:
        _, who, text = line.split(" ", 2)
        words = text.split(" ")
        found.add((who[0], words[0], *(re.split(r"[(\[]", word)[0] for word in words[1:] if word.startswith("!"))))
    return found


def choose(entries, count):
    """The shortest programs with something that few others do, then some of every length."""
    entries.sort(key=lambda one: len(json.dumps(one)))
    seen, chosen = collections.Counter(), []
    for one in entries:
        found = features(one["trace"])
        if len(chosen) < count and any(seen[feature] < 3 for feature in found):
            seen.update(found)
            chosen.append(one)
    left = [one for one in entries if one not in chosen]
    # The longest tenth would be most of the file.
    left = left[len(left) // 3:len(left) * 9 // 10]
    missing = count - len(chosen)
    return chosen + [left[len(left) * n // missing] for n in range(missing) if missing <= len(left)]


def write_corpus(entries):
    CORPUS.write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in entries))
    print(f"{len(entries)} programs, {CORPUS.stat().st_size} bytes in {CORPUS}")


def read_corpus():
    return [json.loads(line) for line in CORPUS.read_text().splitlines()]


def find_rust():
    command = ["cargo", "test", "--test", "differential", "--no-run", "--message-format=json"]
    done = subprocess.run(command, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(message["executable"] for message in messages
                if message.get("executable") and message["target"]["name"] == "differential")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--python", default="python3")
    parser.add_argument("--rust-bin")
    parser.add_argument("--context", type=int, default=12)
    parser.add_argument("--max-reports", type=int, default=10)
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    parser.add_argument("--record", type=int, metavar="N")
    parser.add_argument("--add", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    version = subprocess.run([args.python, "-c", "import sys; print(sys.version_info >= (3, 13))"],
                             capture_output=True, text=True).stdout.strip()
    if version != "True":
        parser.error(f"{args.python} is no CPython of 3.13 or later: name one with --python")
    args.rust_bin = args.rust_bin or find_rust()
    began = time.monotonic()
    if args.add:
        named = [json.loads(line) for line in args.add.read_text().splitlines()]
        programs_of = {one["seed"]: one["program"] for one in named}
        seeds = list(programs_of)
    else:
        programs_of = None
        seeds = range(args.seed, args.seed + args.count)
    batches = [seeds[start:start + BATCH] for start in range(0, len(seeds), BATCH)]

    def run(batch):
        programs = [programs_of[seed] if programs_of else generate(seed) for seed in batch]
        return list(zip(batch, programs, compare(args, programs)))

    agreed, open_ones, wrong, entries = 0, 0, [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for results in pool.map(run, batches):
            for seed, program, outcome in results:
                if outcome is None:
                    open_ones += 1
                elif outcome[1] is None:
                    agreed += 1
                    if args.add:
                        entries.append(entry(seed, program, outcome[0], regression=True))
                    elif args.record:
                        entries.append(entry(seed, program, outcome[0]))
                else:
                    wrong.append((seed, program, outcome))
                    if len(wrong) <= args.max_reports:
                        report(args, *wrong[-1])
    print(f"\n{agreed} of {agreed + len(wrong)} programs agree ({open_ones} more depend on the order of a set)"
          f" in {time.monotonic() - began:.0f} s")
    if wrong:
        print("seeds that disagree:", *[seed for seed, _, _ in wrong])
    if args.add:
        write_corpus(entries + [one for one in read_corpus() if one["seed"] not in programs_of])
    elif args.record:
        write_corpus([one for one in read_corpus() if one.get("regression")] + choose(entries, args.record))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
