"""Makes small random programs for the differential test."""
import random

MESSAGES = [None, None, None, "m1", "m2"]
DELAYS = [0, 0, 1, 1, 2, 3, 0.5]
DEEPEST = 9     # how deep bodies are nested; a parser of JSON does not go down for ever
KINDS = ["any", "error", "cancelled", "timeout", "boom", "group"]
# Steps that may wait for long; most stand under a limit.
PATIENT = {"await", "shield", "gather", "wait", "completed", "acquire", "cwait", "cwaitfor", "evwait", "meet", "put",
           "get", "join", "waitfor", "lock", "sem"}
OBJECTS = [("locks", "locks"), ("semaphores", "sems"), ("events", "events"), ("conditions", "conds"),
           ("barriers", "barriers"), ("queues", "queues")]


class Generator:
    """Slots are numbered, and nobody awaits a slot with a number that is not greater than that of his own task: a
    circle of tasks that await each other could not be cancelled in Python either."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        r = self.random
        self.left = r.choice([10, 20, 35, 60, 100, 160, 250, 400])
        self.slots = r.choice([3, 5, 8, 12, 16])
        self.used = 0
        self.names = {"g": 0, "o": 0, "b": 0, "c": 0, "h": 0}
        self.program = {
            "locks": r.randint(0, 2),
            "sems": [r.choice([0, 1, 1, 2, -1, -2]) for _ in range(r.randint(0, 2))],
            "events": r.randint(0, 2),
            "conds": r.randint(0, 2),
            "barriers": [r.randint(1, 3) for _ in range(r.randint(0, 1))],
            "queues": [[r.choice(["fifo", "fifo", "lifo", "prio"]), r.choice([0, 1, 1, 2])]
                       for _ in range(r.randint(0, 2))],
            "futures": r.randint(0, 3),
        }
        # Each program has its own taste, so that rare steps come in clusters.
        self.taste = {name: r.choice([0, 0.3, 1, 1, 3]) for name in [*self.MAKERS]}

    def make(self):
        steps = [["spawn", slot, self.body(int(slot[1:]), [], 1, least=2)]
                 for slot in [self.fresh_slot(0) for _ in range(self.random.randint(1, 6))] if slot]
        steps += self.body(0, [], 0, least=4)
        if self.random.random() < 0.7:
            steps.append(["sleep", self.random.randint(1, 5)])
        self.program["main"] = steps
        return self.program

    def name(self, kind):
        self.names[kind] += 1
        return f"{kind}{self.names[kind]}"

    def any_name(self, kind):
        return f"{kind}{self.random.randint(1, max(1, self.names[kind] + 1))}"

    def body(self, own, held, depth, sync=False, least=0):
        """A list of steps for a task of number `own` that holds the conditions `held`."""
        r = self.random
        longest = [9, 8, 6, 4, 3, 2][min(depth, 5)]
        steps = []
        for _ in range(max(least, r.randint(0 if depth > 1 else 1, longest))):
            if self.left <= 0 or depth > DEEPEST:
                break
            step = self.step(own, held, depth, sync)
            if step:
                steps.append(step)
        if not sync and depth and r.random() < 0.15:
            steps.append(["raise", f"e{r.randint(1, 9)}"] if r.random() < 0.5 else ["return", f"v{r.randint(1, 9)}"])
        return steps

    def step(self, own, held, depth, sync):
        r = self.random
        makers = [(make, weight * self.taste[name]) for name, (make, weight, is_sync) in self.MAKERS.items()
                  if is_sync or not sync]
        if sum(weight for _, weight in makers) == 0:
            return None
        make = r.choices([make for make, _ in makers], [weight for _, weight in makers])[0]
        self.left -= 1
        step = make(self, own, held, depth)
        if not step or step[0] not in PATIENT:
            return step
        if r.random() < (0.6 if own == 0 else 0.45):
            step = ["timeout", self.delay(), self.name("o"), [step]]
        if r.random() < (0.7 if own == 0 else 0.35):
            step = ["try", [step], r.choice(["error", "error", "error", "any", "cancelled"]), [], []]
        return step

    # Parts

    def delay(self):
        return self.random.choice(DELAYS)

    def index(self, kind):
        many = self.program[kind]
        many = many if isinstance(many, int) else len(many)
        return self.random.randrange(many) if many else None

    def future(self):
        count = self.program["futures"]
        return f"f{self.random.randrange(count)}" if count else None

    def later_slot(self, own):
        """A slot that a task of number `own` may await."""
        future = self.future()
        if future and self.random.random() < 0.3:
            return future
        return f"t{self.random.randint(own + 1, self.slots)}" if own < self.slots else future

    def any_slot(self, own):
        slot = self.random.random()
        if slot < 0.12:
            return "main"
        if slot < 0.3 and self.future():
            return self.future()
        return f"t{self.random.randint(1, self.slots)}"

    def fresh_slot(self, own):
        if self.used >= self.slots:
            return None
        self.used = max(self.used, own) + 1
        return f"t{self.used}" if self.used <= self.slots else None

    def item(self, own, depth):
        if self.random.random() < 0.5:
            return self.later_slot(own)
        return [self.name("b"), self.body(own, [], depth + 1)]

    def items(self, own, depth):
        items = [self.item(own, depth) for _ in range(self.random.choice([0, 1, 2, 2, 3]))]
        return None if None in items else items

    def later_slots(self, own):
        slots = {self.later_slot(own) for _ in range(self.random.randint(1, 4))}
        return None if None in slots else sorted(slots)

    # Steps

    def block(self, *args):
        return [*args]

    def sleep(self, own, held, depth):
        return ["sleep", self.delay()]

    def trace(self, own, held, depth):
        return ["trace", self.random.randint(1, 9)]

    def spawn(self, own, held, depth):
        slot = self.fresh_slot(own)
        return slot and ["spawn", slot, self.body(int(slot[1:]), [], depth + 1)]

    def gspawn(self, own, held, depth):
        slot = self.fresh_slot(own)
        return slot and ["gspawn", self.any_name("g"), slot, self.body(int(slot[1:]), [], depth + 1)]

    def group(self, own, held, depth):
        name = self.name("g")
        steps = []
        for _ in range(self.random.randint(0, 3)):
            slot = self.fresh_slot(own)
            if slot:
                steps.append(["gspawn", name, slot, self.body(int(slot[1:]), [], depth + 2)])
        return ["group", name, steps + self.body(own, held, depth + 1)]

    def mkshield(self, own, held, depth):
        slot = self.fresh_slot(own)
        item = slot and self.item(int(slot[1:]), depth)
        return item and ["mkshield", item, slot]

    def mkgather(self, own, held, depth):
        slot = self.fresh_slot(own)
        items = slot and self.items(int(slot[1:]), depth)
        return items and ["mkgather", self.random.random() < 0.5, items, slot]

    def awaits(self, own, held, depth):
        slot = self.later_slot(own)
        return slot and ["await", slot]

    def shield(self, own, held, depth):
        item = self.item(own, depth)
        return item and ["shield", item]

    def waitfor(self, own, held, depth):
        item = self.item(own, depth)
        return item and ["waitfor", self.delay(), item]

    def gather(self, own, held, depth):
        items = self.items(own, depth)
        return items is not None and ["gather", self.random.random() < 0.5, items] or None

    def wait(self, own, held, depth):
        slots = self.later_slots(own)
        when = self.random.choice(["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"])
        return slots and ["wait", slots, when, self.random.choice([None, None, *DELAYS])]

    def completed(self, own, held, depth):
        slots = self.later_slots(own)
        r = self.random
        return slots and ["completed", slots, r.choice([None, None, *DELAYS]), r.random() < 0.5, r.choice([0, 1, 2])]

    def cancel(self, own, held, depth):
        return ["cancel", self.any_slot(own), self.random.choice(MESSAGES)]

    def cself(self, own, held, depth):
        return ["cself", self.random.choice(MESSAGES)]

    def uncancel(self, own, held, depth):
        return ["uncancel"]

    def cancelling(self, own, held, depth):
        return [self.random.choice(["cancelling", "cancelling", "uncancelother"]), self.any_slot(own)]

    def state(self, own, held, depth):
        return ["state", self.any_slot(own)]

    def result(self, own, held, depth):
        return [self.random.choice(["result", "exception"]), self.any_slot(own)]

    def settle(self, own, held, depth):
        slot = self.future()
        if not slot:
            return None
        kind = self.random.random()
        if kind < 0.15:
            return ["refuture", slot]
        return ["fset", slot, f"r{self.random.randint(1, 9)}"] if kind < 0.7 else ["fexc", slot, f"x{self.random.randint(1, 9)}"]

    def cb(self, own, held, depth):
        return ["cb", self.any_slot(own), self.name("c"), self.body(own, [], depth + 2, sync=True)]

    def uncb(self, own, held, depth):
        return ["uncb", self.any_name("c")]

    def soon(self, own, held, depth):
        return ["soon", self.name("h"), self.body(own, [], depth + 2, sync=True)]

    def later(self, own, held, depth):
        return ["later", self.delay(), self.name("h"), self.body(own, [], depth + 2, sync=True)]

    def hcancel(self, own, held, depth):
        return ["hcancel", self.any_name("h")]

    def timeout(self, own, held, depth):
        return ["timeout", self.random.choice([None, *DELAYS]), self.name("o"), self.body(own, held, depth + 1)]

    def resched(self, own, held, depth):
        return ["resched", self.any_name("o"), self.random.choice([None, *DELAYS])]

    def limit(self, own, held, depth):
        return ["limit", self.any_name("o")]

    def lock(self, own, held, depth):
        index = self.index("locks")
        return index is not None and ["lock", index, self.body(own, held, depth + 1)] or None

    def sem(self, own, held, depth):
        index = self.index("sems")
        return index is not None and ["sem", index, self.body(own, held, depth + 1)] or None

    def semstep(self, own, held, depth):
        index = self.index("sems")
        return index is not None and ["acquire", index] or None

    def semrel(self, own, held, depth):
        index = self.index("sems")
        return index is not None and ["semrel", index] or None

    def cond(self, own, held, depth):
        index = self.index("conds")
        if index is None or index in held:
            return None
        steps = self.body(own, [*held, index], depth + 1)
        if self.random.random() < 0.5:
            wait = ["cwait", index] if self.random.random() < 0.6 else ["cwaitfor", index, self.random.randint(0, 2)]
            steps.insert(self.random.randint(0, len(steps)), wait)
        return ["cond", index, steps]

    def condstep(self, own, held, depth):
        if not held:
            return None
        index = self.random.choice(held)
        r = self.random.random()
        return ["cwait", index] if r < 0.7 else ["cwaitfor", index, self.random.randint(0, 2)]

    def notify(self, own, held, depth):
        index = self.index("conds")
        if index is None:
            return None
        return ["notify", index, self.random.choice([1, 1, 2, 9])] if self.random.random() < 0.6 else ["cadd", index]

    def evwait(self, own, held, depth):
        index = self.index("events")
        return index is not None and ["evwait", index] or None

    def evstep(self, own, held, depth):
        index = self.index("events")
        return index is not None and [self.random.choice(["evset", "evset", "evclear"]), index] or None

    def barrier(self, own, held, depth):
        index = self.index("barriers")
        if index is None:
            return None
        return [self.random.choice(["meet", "meet", "meet", "meet", "meet", "babort", "breset"]), index]

    def queue(self, own, held, depth):
        index = self.index("queues")
        if index is None:
            return None
        kind = self.random.choice(["put", "put", "get", "get", "get", "join"])
        return ["put", index, self.random.randint(1, 9)] if kind == "put" else [kind, index]

    def queuestep(self, own, held, depth):
        index = self.index("queues")
        if index is None:
            return None
        kind = self.random.choice(["putn", "putn", "getn", "tdone", "tdone", "qstate", "shutdown"])
        if kind == "putn":
            return ["putn", index, self.random.randint(1, 9)]
        if kind == "shutdown":
            return ["shutdown", index, self.random.random() < 0.5] if self.random.random() < 0.3 else ["getn", index]
        return [kind, index]

    def show(self, own, held, depth):
        if self.names["g"] and self.random.random() < 0.4:
            return ["repr", "group", self.any_name("g")]
        kind, many = self.random.choice(OBJECTS)
        index = self.index(many)
        return index is not None and ["repr", kind, index] or None

    def attempt(self, own, held, depth):
        r = self.random
        return ["try", self.body(own, held, depth + 1, least=1), r.choice(KINDS),
                self.body(own, held, depth + 2), self.body(own, held, depth + 2) if r.random() < 0.4 else []]

    def loop(self, own, held, depth):
        return ["loop", self.random.randint(2, 3), self.body(own, held, depth + 2)]

    def call(self, own, held, depth):
        return ["call", self.name("b"), self.body(own, held, depth + 1)]

    # name: (maker, weight, whether a callback may do it)
    MAKERS = {
        "sleep": (sleep, 9, False),
        "trace": (trace, 1, True),
        "spawn": (spawn, 9, True),
        "gspawn": (gspawn, 3, True),
        "group": (group, 3, False),
        "mkshield": (mkshield, 1, True),
        "mkgather": (mkgather, 1, True),
        "await": (awaits, 5, False),
        "shield": (shield, 2, False),
        "waitfor": (waitfor, 4, False),
        "gather": (gather, 3, False),
        "wait": (wait, 2, False),
        "completed": (completed, 2, False),
        "cancel": (cancel, 6, True),
        "cself": (cself, 1, True),
        "uncancel": (uncancel, 1, True),
        "cancelling": (cancelling, 2, True),
        "state": (state, 2, True),
        "result": (result, 1, True),
        "settle": (settle, 3, True),
        "cb": (cb, 2, True),
        "uncb": (uncb, 1, True),
        "soon": (soon, 2, True),
        "later": (later, 2, True),
        "hcancel": (hcancel, 1, True),
        "timeout": (timeout, 4, False),
        "resched": (resched, 2, True),
        "limit": (limit, 1, True),
        "lock": (lock, 4, False),
        "sem": (sem, 4, False),
        "semstep": (semstep, 1, False),
        "semrel": (semrel, 1, True),
        "cond": (cond, 4, False),
        "condstep": (condstep, 4, False),
        "notify": (notify, 4, True),
        "evwait": (evwait, 3, False),
        "evstep": (evstep, 3, True),
        "barrier": (barrier, 3, False),
        "queue": (queue, 5, False),
        "queuestep": (queuestep, 5, True),
        "show": (show, 2, True),
        "try": (attempt, 8, False),
        "loop": (loop, 2, False),
        "call": (call, 2, False),
    }


def generate(seed):
    """The program of a seed: the same on every machine."""
    return Generator(seed).make()
