"""The growth of the cost of a byte, and of a token, with how much came before it: there should be none."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

from cfai._response.decoder import Decoder
from cfai._response.sse import EventSplitter

from .measure import Report, Target, cpu_us, in_turns
from .server import cut, event, large, words
from .streaming import opened


def one_event(report: Report, server: str, rounds: int, megabytes: int = 5) -> None:
    """Return one large event in pieces of 1 KB, by itself and over the wire."""
    sizes = (megabytes, 2 * megabytes, 4 * megabytes)
    bodies = {f"{size} MB": cut(event("native", large(size)), 1024) for size in sizes}
    values = in_turns({name: _decoding(body, sum(map(len, body))) for name, body in bodies.items()}, rounds)
    linear = Target("linear", f"{sizes[-1]} MB", 1.3, f"{sizes[0]} MB")
    report.table("CPU, one event in pieces of 1 KB, decoder alone", "ns a byte", values, linear)

    with opened(server, "large", megabytes, is_async=False) as clients:
        names = ("floor, native", "cfai, native", "httpx-sse, native")
        runs = {name: _reading(name, clients[name][0], megabytes) for name in names}
        values = in_turns(runs, max(2, rounds // 3))
    report.table(f"CPU, one event of {megabytes} MB over the wire", "ms", values, baseline="floor, native")


def many_tokens(report: Report, server: str, rounds: int, count: int = 200_000) -> None:
    """Return the first and the last tenth of a long stream's tokens, and the memory that a token leaves behind."""
    slices: dict[str, list[float]] = {"first tenth": [], "last tenth": []}
    blocks = [event("chat", text, number)[:-2] for number, text in enumerate(words(count))]
    tenth = count // 10
    for _ in range(rounds):
        decoder = Decoder()
        times = [time.process_time_ns()]
        for start in range(0, count, tenth):
            for block in blocks[start : start + tenth]:
                decoder.feed(block)
            times.append(time.process_time_ns())
        costs = [(lazy_exports - earlier) / 1000 / tenth for earlier, lazy_exports in pairwise(times)]
        slices["first tenth"].append(costs[0])
        slices["last tenth"].append(costs[-1])
    same = Target("the same", "last tenth", 1.15, "first tenth")
    report.table(f"CPU, decoding a stream of {count:,} tokens", "µs a token", slices, same)

    texts = [f" word{number}" for number in range(count)]
    blocks = [event("native", text)[:-2] for text in texts]
    tracemalloc.start()
    decoder = Decoder()
    for block in blocks:
        decoder.feed(block)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    if decoder.text != "".join(texts):
        raise AssertionError("the decoder gave another text")
    size = {"text": [float(len(decoder.text))], "kept": [float(kept)]}
    report.table(f"memory, {count:,} tokens, no two alike", "bytes", size, baseline="text")


def _decoding(pieces: list[bytes], per: int) -> Callable[[], float]:
    def work() -> None:
        blocks, decoder = EventSplitter(), Decoder()
        tokens = [decoder.feed(block) for piece in pieces for block in blocks.feed(piece)]
        if len(tokens) != 1:
            raise AssertionError(f"{len(tokens)} tokens of one event")

    return lambda: cpu_us(work, per) * 1000


def _reading(name: str, read: Callable[..., list[str]], megabytes: int) -> Callable[[], float]:
    def work() -> None:
        texts = read()
        if not name.startswith("floor") and [len(text) for text in texts] != [len(large(megabytes))]:
            raise AssertionError(f"{name} gave another text")

    return lambda: cpu_us(work, 1) / 1000
