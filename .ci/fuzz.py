"""Fuzzes the decoders and the error parser: `python .ci/fuzz.py SECONDS [SEED]`.

Inputs are wire samples, mutated and spliced, events of any JSON, and strings of the grammar's pieces. For each: nothing
but cfai's own errors is raised, every cut gives the same, and no input takes long. Now and then one of them is made
long, to see whether the work grows faster than the input. The first failure ends the run with exit code 1 and the
input's `repr`.
"""

from __future__ import annotations

import json
import pickle
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from cfai import StreamError
from cfai._response.decoder import Decoder
from cfai._response.errors import build_error
from cfai._response.sse import EventDecoder, EventSplitter
from cfai._streaming.event_stream import encoder_for
from cfai.types import Token

SAMPLES = [path.read_bytes() for path in sorted(Path(__file__).parents[1].glob("tests/wire/*.sse"))]
LONGEST = 20.0
"""Seconds that one small input may take: a thousand times what it does."""

PIECES = [
    b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b"data: ", b"data:", b"event: error\n", b"id: 1\n", b"retry: 9\n",
    b"\0", b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xa8", b"\xf0\x9f", b"[DONE]", b"data: [DONE]\n\n", b"{", b"}",
    b"[", b"]", b",", b'"', b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"null", b"true", b"0", b"0.10", b"-0",
    b"1e999", b"NaN", b"9" * 400, b"9" * 5000, b'"response":', b'"choices":[{"index":0,"delta":{', b'"content":',
    b'"reasoning":', b'"text":', b'"message":', b'"tool_calls":[{"index":', b'"function":{"name":"f","arguments":',
    b'"finish_reason":"error"', b'"usage":{"prompt_tokens":', b'"neurons":', b'"type":"response.completed"',
    b'"type":"error"', b'"output":[{', b'"result":{', b'"success":false', b'"errors":[{"code":',
    b'"message":"AiError: ', b'"error":', b'"internalCode":', b"3040: ", b"<html><title>", b"&#0;", b"[" * 300,
    b'{"a":' * 990, b"[" * 5000,
]  # fmt: skip
HEADERS = ["retry-after", "retry-after-ms", "cf-ray", "cf-ai-req-id", "content-type", "set-cookie", "location"]
VALUES = [
    "", "1", "-1", "1e9", "9" * 400, "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 99 Foo 99999 99:99:99 +9999", "ÿ",
    "a b",
]  # fmt: skip
MODELS = [
    None,
    "",
    "@cf/meta/llama-3.1-8b-instruct",
    "@cf/meta/lama",
    "\ud83d",
    "x" * 300,
    "@cf/meta/llama-2-7b-chat-int8",
]


class Slow(Exception):
    """An input took longer than any should."""


class Uneven(Exception):
    """Two cuts of one input do not give the same."""


KEYS = [
    "response", "choices", "delta", "message", "content", "text", "reasoning", "reasoning_content",
    "tool_calls", "function", "name", "arguments", "id", "call_id", "index", "finish_reason", "usage",
    "metrics", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "cached_tokens",
    "neurons", "result", "success", "error", "errors", "code", "internalCode", "description", "type", "object",
    "output", "item", "output_index", "output_text", "status", "incomplete_details", "reason", "answer",
    "caption", "p", "�",
]  # fmt: skip
TYPES = [
    "response.output_text.delta",
    "response.completed",
    "response.failed",
    "response.output_item.added",
    "function_call",
]
TEXTS = [
    "", "a", "é", "😀", "\ud83d", "\ude00", "\u2028", "[DONE]", "stop", "error", "response", "{}", '{"a":', "f",
    *TYPES,
]  # fmt: skip
NUMBERS = [0, 1, -1, 0.1, 1e300, float("inf"), float("nan"), 10**30, 10**400, True, False, None]


def inputs(chance: random.Random) -> bytes:
    """Return one input: a sample with a few changes, events of any JSON, or pieces of the grammar."""
    kind = chance.random()
    if kind < 0.15:
        return b"".join(chance.choices(PIECES, k=chance.randrange(1, 25)))
    if kind < 0.5:
        events = [
            json.dumps(an_object(chance, 0), ensure_ascii=chance.random() < 0.7) for _ in range(chance.randrange(1, 6))
        ]
        data = bytearray(b"".join(b"data: " + event.encode("utf-8", "replace") + b"\n\n" for event in events))
        if chance.random() < 0.5:
            return bytes(data) + b"data: [DONE]\n\n"
    else:
        data = bytearray(chance.choice(SAMPLES))
    for _ in range(chance.choice((0, 1, 1, 2, 3, 6))):
        change(data, chance)
    return bytes(data[:20_000])


def an_object(chance: random.Random, depth: int) -> dict[str, Any]:
    """Return an object with names that the service uses, and with any values."""
    return {key: a_value(key, chance, depth + 1) for key in chance.sample(KEYS, chance.randrange(1, 5))}


def a_value(key: str, chance: random.Random, depth: int) -> Any:
    """Most often what stands under that name; else anything."""
    kind = chance.random()
    if depth < 5 and (key in ("choices", "tool_calls", "errors", "output", "content") and kind < 0.7):
        return [an_object(chance, depth) for _ in range(chance.randrange(4))]
    if depth < 5 and kind < (
        0.8 if key in ("delta", "message", "function", "usage", "result", "item", "error") else 0.1
    ):
        return an_object(chance, depth)
    if key == "type" and kind < 0.8:
        return chance.choice(TYPES)
    return chance.choice(TEXTS) if kind < 0.75 else chance.choice(NUMBERS)


def change(data: bytearray, chance: random.Random) -> None:
    """Return one mutation, in place."""
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice((1, 2, 5, 20, 200)))
    kind = chance.randrange(7)
    if kind == 0:
        del data[at:to]
    elif kind == 1:
        data[at:at] = chance.choice(PIECES)
    elif kind == 2:
        data[at:to] = chance.choice(PIECES)
    elif kind == 3:
        data[at:at] = data[at:to] * chance.randrange(1, 4)
    elif kind == 4:
        data[at:to] = bytes(chance.randrange(256) for _ in range(min(4, to - at)))
    elif kind == 5:
        data[at:] = chance.choice(SAMPLES)[at:]
    else:
        data[:] = data.replace(b"\n", chance.choice((b"\r", b"\r\n")))


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Return `data` in up to eight pieces."""
    at = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(8)))
    return [data[start:end] for start, end in pairwise([0, *at, len(data)])]


def raw_events(pieces: Iterable[bytes]) -> list[Any]:
    """Return what the event decoder says."""
    blocks, decoder = EventSplitter(), EventDecoder()
    found = [event for piece in pieces for block in blocks.feed(piece) for event in decoder.feed(block)]
    return [(event.event, event.data, event.id, event.retry) for event in found]


def tokens(pieces: Iterable[bytes]) -> list[str]:
    """Return what the token decoder says, and all that it has afterwards; as text, since NaN differs from NaN."""
    blocks, decoder = EventSplitter(), Decoder("@cf/some/model", "request-1")
    found: list[Token] = []
    said: list[Any] = []
    try:
        for piece in pieces:
            for block in blocks.feed(piece):
                found += decoder.feed(block)
        found += decoder.finish(blocks.rest())
        decoder.check()
    except StreamError as error:
        pickle.dumps(error)
        said.append((type(error), str(error), error.partial, error.code))
    for choice in decoder.accumulator.choices:
        text = "".join(token.text for token in found if token.choice == choice)
        if text != decoder.accumulator.get_text(choice):
            raise Uneven(f"the tokens say {text!r}, the text is {decoder.accumulator.get_text(choice)!r}")
        said += [text, decoder.accumulator.get_reasoning(choice), decoder.accumulator.get_tool_calls(choice)]
    return [repr(each) for each in (*((token, token.raw, token.usage) for token in found), *said, decoder.usage)]


def browser(pieces: list[bytes]) -> None:
    """Both dialects for a browser, of which the native one must be JSON that a browser can read."""
    for dialect in ("native", "original"):
        decoder, blocks = Decoder(), EventSplitter()
        encoder = encoder_for(dialect, decoder)
        sent: list[bytes] = []
        try:
            for piece in pieces:
                for block in blocks.feed(piece):
                    sent += encoder.feed(block)
            sent += encoder.finish(blocks.rest())
            decoder.check()
        except StreamError as error:
            sent.append(error.to_event_stream())
        for item in sent:
            if not item.endswith(b"\n\n"):
                raise Uneven(f"an event without its end went out: {item!r}")
            lines = item.decode("utf-8", "replace" if dialect == "original" else "strict").split("\n")
            if dialect == "native":
                json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))


def error_of(data: bytes, chance: random.Random) -> None:
    """Return the error parser, on the input and on each of its data lines."""
    headers = {name: chance.choice(VALUES) for name in chance.sample(HEADERS, chance.randrange(4))}
    for content in (data, *(line[5:] for line in data.split(b"\n") if line[:5] == b"data:")):
        status = chance.choice((0, 200, 302, 400, 401, 403, 404, 408, 429, 500, 502, 529, 999))
        error = build_error(status, headers, content, model=chance.choice(MODELS), now=1e9)
        pickle.loads(pickle.dumps(error))
        error.to_event_stream().decode()
        if len(str(error)) > 5_000 or "\n" in str(error):
            raise Uneven(f"a message of {len(str(error)):,} characters, or of several lines: {str(error)[:500]!r}")


def try_one(data: bytes, chance: random.Random) -> None:
    """Return one input through everything."""
    pieces = cut(data, chance)
    if raw_events(pieces) != raw_events([data]):
        raise Uneven(f"raw events differ in the cut {pieces!r}")
    if tokens(pieces) != tokens([data]):
        raise Uneven(f"tokens differ in the cut {pieces!r}")
    browser(pieces)
    error_of(data, chance)


def grows_evenly(data: bytes, chance: random.Random) -> None:
    """Eight times the input may not take more than thirty times as long; twice in a row, since machines stutter."""
    data = data[:2_000] or b"x"
    if chance.random() < 0.5:  # as one line
        data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    size = chance.choice((1, 64, 1024))
    ways: list[Callable[[bytes], object]] = [
        lambda body: raw_events([body[at : at + size] for at in range(0, len(body), size)]),
        lambda body: tokens([body[at : at + size] for at in range(0, len(body), size)]),
        lambda body: build_error(500, {}, body),
    ]
    for way in ways:
        repeats = 1 + 30_000 // len(data)
        ratios = [spent(way, data * repeats * 8) / max(spent(way, data * repeats), 0.002) for _ in range(2)]
        if min(ratios) > 30:
            raise Slow(f"8 times {repeats} inputs, in pieces of {size}, took {min(ratios):.0f} times as long")


def spent(way: Callable[[bytes], object], data: bytes) -> float:
    """Return seconds of this process."""
    start = time.process_time()
    way(data)
    return time.process_time() - start


@contextmanager
def alarm(seconds: float) -> Generator[None]:
    """Raise `Slow` in whatever is still running then. Not on Windows, which has no such signal."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Slow(f"still running after {seconds} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(seed: int, going: Callable[[int], bool], *, long_every: int = 200) -> int:
    """Try inputs while `going(how many)`, and return how many there were. Raises what an input raised."""
    chance = random.Random(seed)
    number = 0
    while going(number):
        number += 1
        data = inputs(chance)
        try:
            with alarm(LONGEST):
                try_one(data, chance)
            if long_every and number % long_every == 0:
                with alarm(3 * LONGEST):
                    grows_evenly(data, chance)
        except Exception as error:
            error.add_note(f"input {number} of seed {seed}: {data!r}")
            raise
    return number


def main(arguments: list[str]) -> int:
    seconds = float(arguments[0]) if arguments else 60.0
    seed = int(arguments[1]) if len(arguments) > 1 else 20261122
    print(f"fuzzing for {seconds:g} s with seed {seed}", flush=True)
    end = time.monotonic() + seconds
    try:
        number = run(seed, lambda _: time.monotonic() < end)
    except Exception:
        traceback.print_exc()
        return 1
    print(f"{number:,} inputs, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
