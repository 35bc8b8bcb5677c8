"""gdb commands that show the tasks of a coro loop, in a live process or in a core; for x86_64.

    (gdb) source scripts/gdb_tasks.py
    (gdb) coro tasks          all tasks of the selected thread
    (gdb) coro bt cook        where the parked task of that name (or number) stands; without a name: all of them
    (gdb) coro select cook    from now on bt, up and info locals are about that task
    (gdb) coro select         ... and about the thread again

The program must have full debug information (`debug = true`): the script reads the library's own types, as they are
in this version of the library. Nothing in the process is changed, and nothing of it is called.

A parked task is a stack with three words on top that its switch has saved: rip, rbx, rbp (corosensei,
`arch/x86_64.rs`). gdb is told that these are the registers of the caller of the innermost frame.
"""

import gdb
from gdb.unwinder import Unwinder

TASKS = "coro_core::task::registry::TASKS::{constant#0}::{closure#0}::__RUST_STD_INTERNAL_VAL"
WORD = 8


def word(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("u64").pointer()).dereference())


def number(value):
    """The number in a wrapper of wrappers: a NonNull, an Option<NonNull>, a Cell."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [field for field in value.type.fields() if not field.artificial]
        if not fields:
            return 0
        value = value[fields[0]]
    return int(value)


def variant(value):
    """The name and the contents of the variant that an enum has."""
    field = next(field for field in value.type.fields() if not field.artificial)
    return field.name.split("::")[-1], value[field]


def in_cell(value):
    return value["value"]["value"]


def text(value):
    """A &str, a NonNull<str> or a String."""
    if value.type.name.startswith("core::ptr::non_null"):
        value = value["pointer"]
    if any(field.name == "data_ptr" for field in value.type.fields()):
        start, length = int(value["data_ptr"]), int(value["length"])
    else:
        vec = value["vec"]
        start, length = number(vec["buf"]["inner"]["ptr"]), int(vec["len"])
    return gdb.selected_inferior().read_memory(start, length).tobytes().decode(errors="replace") if length else ""


class Task:
    def __init__(self, any_task):
        fat = any_task["object"]["ptr"]["pointer"]
        counts, vtable = (int(fat[field]) for field in fat.type.fields())
        align = word(vtable + 2 * WORD)
        address = counts + max(2 * WORD, align)
        drop = gdb.block_for_pc(word(vtable)).function.name
        kind = gdb.lookup_type(drop[drop.index("<") + 1 : drop.rindex(">")])
        self.inner = gdb.Value(address).cast(kind.pointer()).dereference()
        self.control = self.inner["control"]
        self.number = int(self.control["number"])

    @property
    def name(self):
        kind, rare = variant(in_cell(self.control["rare"]))
        kind, name = variant(rare["__0"].dereference()["name"]) if kind == "Some" else (kind, None)
        return text(name["__0"]) if kind == "Some" else f"Task-{self.number}"

    @property
    def coroutine(self):
        kind, value = variant(self.control["origin"])
        if kind == "Function":
            definition = value["__0"].dereference()
            return f"{text(definition['name'])}() at {text(definition['file'])}:{int(definition['line'])}"
        # The name is given by a function, and nothing is called here: its symbol tells enough.
        symbol = str(value["__0"]).partition("<")[2].rpartition(">")[0]
        if "short_name<" in symbol:
            name = symbol.partition("short_name<")[2].partition("<")[0].rpartition("::")[2].rstrip(">")
        else:
            name = symbol.partition("::{")[0].rpartition("::")[2]
        kind, place = variant(value["__1"])
        if kind == "None":
            return name
        place = place["__0"].dereference()
        return f"{name}() at {text(place['filename'])}:{int(place['line'])}"

    @property
    def progress(self):
        return variant(in_cell(self.inner["progress"]))

    @property
    def state(self):
        state = self.progress[0]
        # A task that runs is borrowed.
        if number(self.inner["progress"]["borrow"]) != 0:
            return "running"
        return {"New": "not started", "NewStackless": "not started"}.get(state, state.lower())

    def registers(self):
        """What its switch has saved, and where the frames of its own stack end; None if it is not parked."""
        state, value = self.progress
        if state != "Parked":
            return None
        coroutine = value["__0"]["coroutine"]["value"]
        if coroutine.type.name.startswith("core::mem::maybe_dangling"):
            coroutine = coroutine["__0"]
        rsp = number(coroutine["stack_ptr"])
        base = number(coroutine["stack"]["base"])
        if rsp == 0 or self.state == "running":
            return None
        saved = {"rip": word(rsp), "rbx": word(rsp + WORD), "rbp": word(rsp + 2 * WORD), "rsp": rsp + 3 * WORD}
        return saved, base - 2 * WORD


def tasks():
    symbol = gdb.lookup_static_symbol(TASKS) or gdb.lookup_global_symbol(TASKS)
    if symbol is None:
        raise gdb.GdbError("no tasks of coro are known: is this the program, with full debug information?")
    slab = in_cell(symbol.value()["val"]["value"])["__0"]
    vec = slab["entries"]
    entry = gdb.lookup_type("slab::Entry<coro_core::task::control::AnyTask>")
    first = gdb.Value(number(vec["buf"]["inner"]["ptr"])).cast(entry.pointer())
    entries = [variant(first[index]) for index in range(int(vec["len"]))]
    return sorted((Task(value["__0"]) for kind, value in entries if kind == "Occupied"), key=lambda task: task.number)


def named(argument):
    for task in tasks():
        if argument in (task.name, str(task.number)):
            return task
    raise gdb.GdbError(f"no task has the name or number {argument}")


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Parked(Unwinder):
    """Says that what called the innermost frame is the parked task."""

    def __init__(self):
        super().__init__("coro: the selected task")
        self.thread = self.saved = self.rsp = None

    def select(self, saved):
        self.thread = self.rsp = self.saved = None
        gdb.invalidate_cached_frames()
        if saved is not None:
            gdb.newest_frame().select()
            self.rsp = int(gdb.newest_frame().read_register("rsp"))
            self.thread = gdb.selected_thread().ptid
            self.saved = saved
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.saved is None or gdb.selected_thread() is None or gdb.selected_thread().ptid != self.thread:
            return None
        if int(pending.read_register("rsp")) != self.rsp:
            return None
        # Frames must lie one above the other: this one is said to lie below those of the task.
        below = gdb.Value(self.saved["rsp"] - 3 * WORD)
        unwound = pending.create_unwind_info(FrameId(below, pending.read_register("rip")))
        for name, value in self.saved.items():
            kind = pending.read_register(name).type
            unwound.add_saved_register(name, gdb.Value(value).cast(kind))
        return unwound


PARKED = Parked()
gdb.unwinder.register_unwinder(None, PARKED, replace=True)


def first_frame():
    """The innermost frame of the selected task. Before it come the thread's innermost function and what is inlined."""
    frame = gdb.newest_frame()
    while frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame.older()


# Not the program's own.
OWN = ("coro_core::", "corosensei::", "core::", "std::", "alloc::", "__rust_try", "stack_init_trampoline")


def calls(task):
    """The calls of a parked task, innermost first: name, file and line."""
    found = task.registers()
    if found is None:
        return []
    saved, link = found
    before = PARKED.thread, PARKED.saved, PARKED.rsp
    PARKED.select(saved)
    frames = []
    try:
        frame = first_frame()
        # The oldest frame of the task's own stack; behind it would come a loop that is elsewhere now.
        while frame is not None:
            if frame.type() == gdb.SIGTRAMP_FRAME and int(frame.read_register("rbp")) == link:
                break
            place = frame.find_sal()
            file = place.symtab.filename if place.symtab else "?"
            frames.append((frame.name() or "?", f"{file}:{place.line}"))
            frame = frame.older()
    finally:
        PARKED.thread, PARKED.saved, PARKED.rsp = before
        gdb.invalidate_cached_frames()
    return frames


def backtrace(task):
    print(f"{task.number} {task.name}: {task.coroutine}, {task.state}")
    # Calls of the program, and what each of them calls in the library or in std.
    frames = [(name, place) for name, place in calls(task) if not name.startswith("coro_core::__private::")]
    only_own = all(name.startswith(OWN) for name, _ in frames)
    for (name, place), (caller, _) in zip(frames, [*frames[1:], ("", "")]):
        if only_own or not name.startswith(OWN) or (not caller.startswith(OWN) and caller):
            print(f"    {without_generics(name)} at {place}")


def without_generics(name):
    short, depth = "", 0
    for at, char in enumerate(name):
        depth += char == "<"
        short += char if depth == 0 else ""
        depth -= char == ">" and name[at - 1] != "-"
    return short or name


class Coro(gdb.Command):
    """The tasks of a coro loop."""

    def __init__(self):
        super().__init__("coro", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """coro tasks: all tasks of the selected thread."""

    def __init__(self):
        super().__init__("coro tasks", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        for task in tasks():
            print(f"{task.number:>4}  {task.name:<12} {task.state:<12} {task.coroutine}")


class Backtrace(gdb.Command):
    """coro bt [task]: where parked tasks stand, innermost call first."""

    def __init__(self):
        super().__init__("coro bt", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        for task in [named(argument.strip())] if argument.strip() else tasks():
            backtrace(task)


class Select(gdb.Command):
    """coro select [task]: bt, up and info locals are about that parked task; without one, about the thread."""

    def __init__(self):
        super().__init__("coro select", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        if not argument.strip():
            return PARKED.select(None)
        found = named(argument.strip()).registers()
        if found is None:
            raise gdb.GdbError("that task is not parked")
        PARKED.select(found[0])
        first_frame().select()


Coro()
Tasks()
Backtrace()
Select()
