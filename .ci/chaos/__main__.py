"""Calls a server that misbehaves, from threads, asyncio, trio and forked processes: `python .ci/chaos --seconds 600`.

The right answer of each call is known: what comes is that, a true beginning of it, or an exception of cfai's. Nothing
hangs, no call is sent again that may have been billed, and at the end no connection is left. `--seed N` repeats a run
as far as threads let it, `--seed N --number M` one call.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.callers import Call, Lost, Wrong, arun, make_client, run
from chaos.plan import Plan

LONGEST = 60.0
"""Seconds that one call may take: ten times what its timeouts allow, since machines stutter."""
MAX_GROWTH = {"sockets": 0, "threads": 0, "MiB of memory": 400}
"""What may be left at the end, beside what there was before the first call."""


class Chaos:
    """One run: the server, the callers, and what they found."""

    def __init__(
        self, seed: int, seconds: float, *, threads: int = 64, tasks: int = 32, on_hang: Callable[[str], Any]
    ) -> None:
        self.seed = seed
        self.threads = threads
        self.tasks = tasks
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []
        self.lost: list[tuple[Plan, str]] = []
        self._on_hang = on_hang
        self._numbers = itertools.count()
        self._running: dict[int, float] = {}
        self._end = time.monotonic() + seconds

    def go(self) -> None:
        """Call until the time is over."""
        with subprocess.Popen(
            [sys.executable, "-m", "chaos.server", str(self.seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
        ) as server:  # fmt: skip
            assert server.stdout is not None
            port = int(server.stdout.readline())
            before = self.measure()
            self.call_from_everywhere(port)
            for name, value in self.measure().items():
                if value > before[name] + MAX_GROWTH[name]:
                    self.problems.append(f"{name}: {value}, at first {before[name]}")
            report = json.loads(server.communicate(timeout=LONGEST)[0])
            self.problems += report["problems"]
            # A connection that the server had just closed may swallow a request, and nobody but the server knows.
            arrived = report["requests"]
            self.problems += [text for plan, text in self.lost if arrived.get(str(plan.number), 0) > plan.refusals]
            self.outcomes["requests"] = sum(arrived.values())

    def call_from_everywhere(self, port: int) -> None:
        with make_client(port) as ai:
            self.call_in_turn(ai)
            callers: list[Callable[[], Any]] = [partial(self.call_in_thread, ai)] * self.threads
            callers += [partial(anyio.run, self.call_in_tasks, ai, backend=each) for each in ("asyncio", "trio")]
            if hasattr(os, "fork"):
                callers.append(partial(self.call_in_children, ai))
            workers = [threading.Thread(target=self.guard, args=[caller], daemon=True) for caller in callers]
            for worker in workers:
                worker.start()
            while any(worker.is_alive() for worker in workers):
                time.sleep(0.5)
                self.look_for_hangs()

    def measure(self) -> dict[str, int]:
        """Return what is in use, in the end after a moment for what ends in the background."""
        gc.collect()
        threads = [each for each in threading.enumerate() if not each.name.startswith("Trio thread")]  # kept for 10 s
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return {"sockets": count_sockets(), "threads": len(threads), "MiB of memory": memory}

    def call_in_turn(self, ai: Any) -> None:
        """Make a few calls before all others, so that all is imported: import locks do not survive a fork."""
        for make in (run, partial(anyio.run, arun)) * 20:
            if call := self.next_call():
                self.note(call, make(ai, call))

    def guard(self, caller: Callable[[], Any]) -> None:
        """Note what a caller raises beside its calls."""
        try:
            caller()
        except BaseException:
            self.problems.append(traceback.format_exc())

    def look_for_hangs(self) -> None:
        for number, started in self._running.copy().items():
            if time.monotonic() - started > LONGEST:
                self._on_hang(f"{Call(self.seed, number).plan} takes longer than {LONGEST} s")

    def next_call(self) -> Call | None:
        if time.monotonic() > self._end:
            return None
        call = Call(self.seed, next(self._numbers))
        self._running[call.plan.number] = time.monotonic()
        return call

    def note(self, call: Call, outcome: str | Wrong) -> None:
        del self._running[call.plan.number]
        if isinstance(outcome, Wrong):
            text = f"{call.plan}: {''.join(traceback.format_exception(outcome))}"
            if isinstance(outcome, Lost):
                self.lost.append((call.plan, text))
            else:
                self.problems.append(text)
        self.outcomes[type(outcome).__name__ if isinstance(outcome, Wrong) else outcome] += 1

    def call_in_thread(self, ai: Any) -> None:
        while call := self.next_call():
            self.note(call, run(ai, call))

    async def call_in_tasks(self, ai: Any) -> None:
        async def call_in_task() -> None:
            while call := self.next_call():
                self.note(call, await arun(ai, call))

        async with anyio.create_task_group() as group:
            for _ in range(self.tasks):
                group.start_soon(call_in_task)

    def call_in_children(self, ai: Any) -> None:
        """Fork in the middle of all this; the child makes a few calls on the same `Ai`."""
        chance = random.Random(self.seed)
        while call := self.next_call():
            del self._running[call.plan.number]
            child = os.fork()
            if child == 0:
                numbers = range(10**9 + 3 * call.plan.number, 10**9 + 3 * call.plan.number + 3)
                call_as_child(ai, [call, *(Call(self.seed, number) for number in numbers)])
            started = time.monotonic()
            while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
                time.sleep(0.05)
                if time.monotonic() - started > LONGEST:
                    os.kill(child, signal.SIGKILL)
            if ended[1] != 0:
                self.problems.append(f"a child that was forked for call {call.plan.number} hung or failed")
            self.outcomes["child"] += 1
            time.sleep(chance.random())


def call_as_child(ai: Any, calls: list[Call]) -> None:
    """Make calls in a forked child, and end it."""
    faulthandler.dump_traceback_later(LONGEST - 5, exit=True)
    code = 1
    try:
        outcomes = [*(run(ai, call) for call in calls[:-1]), anyio.run(arun, ai, calls[-1])]
        wrong = [outcome for outcome in outcomes if isinstance(outcome, Wrong) and not isinstance(outcome, Lost)]
        os.write(2, "".join(f"in a child: {outcome}\n" for outcome in wrong).encode())
        code = len(wrong)
    finally:
        os._exit(code)


def count_sockets() -> int:
    """Return the open sockets of this process, where the system tells."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return 0
    found = 0
    for entry in folder.iterdir():
        try:
            found += os.readlink(entry).startswith("socket:")
        except OSError:
            continue
    return found


def stop_at_a_hang(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=32, help="On each of two event loops.")
    options = parser.parse_args(arguments)
    print(f"chaos for {options.seconds:g} s with seed {options.seed}", flush=True)
    warnings.simplefilter("ignore")
    how_many: Any = {"threads": options.threads, "tasks": options.tasks}
    chaos = Chaos(options.seed, options.seconds, on_hang=stop_at_a_hang, **how_many)
    chaos.go()
    print(json.dumps(chaos.outcomes, indent=1))
    for problem in chaos.problems[:20]:
        print(problem, file=sys.stderr)
    print(f"{len(chaos.problems)} problems with seed {options.seed}")
    return 1 if chaos.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
