"""The answer to each call, and how it goes wrong, drawn from a seed and the call's number: both ends know it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeAlias

Step: TypeAlias = "bytes | float | Literal['read', 'reset', 'close', 'hold']"
"""Bytes to send, seconds to wait, the rest of the request to read, or an end: reset, closed, or silent and open."""

WORDS = ["New", "York", "is", "naïve", "日本語", "😀", "👩‍👩‍👧", "مرحبا", '"quoted"', "\\n", "a\nb"]
WORDS += ["data: [DONE]", "0.10", "{}", " "]
"""Words of answers, with what is cut in two, escaped or taken for something else."""

ERRORS = [(400, 5006), (401, 10000), (403, 5018), (404, 5007), (408, 3046), (413, 3006), (429, 4006)]
ERRORS += [(302, None), (400, None), (402, None), (418, None), (504, None), (524, None)]
"""Errors that are final."""
BUSY = [(429, 3040), (429, None), (500, None), (502, None), (503, None), (520, None)]
"""Errors of a call that was not run."""


@dataclass
class Plan:
    """One call: what is asked, what is answered, and what a caller may make of it."""

    number: int
    chance: random.Random = field(repr=False)
    text: str
    """The right answer."""
    streams: bool
    prompt_size: int = 10
    behaviour: str = "good"
    is_good: bool = False
    """True if the answer must arrive, where nobody interrupts it."""
    is_endless: bool = False
    """True if only a total timeout ends the call."""
    refusals: int = 0
    """How many requests are refused first, in a way that allows to send them again."""
    status: int = 200
    steps: list[Step] = field(default_factory=list[Step], repr=False)

    @property
    def request_id(self) -> str:
        return f"call-{self.number}"


def make_plan(seed: int, number: int) -> Plan:
    """Return the plan of one call."""
    chance = random.Random(f"{seed}/{number}")
    text = " ".join(chance.choices(WORDS, k=chance.randrange(1, 40)))
    plan = Plan(number, chance, text, streams=chance.random() < 0.6)
    if chance.random() < 0.05:
        plan.prompt_size = chance.randrange(500_000)
    plan.behaviour = chance.choices([*BEHAVIOURS], [weight for weight, _ in BEHAVIOURS.values()])[0]
    BEHAVIOURS[plan.behaviour][1](plan)
    return plan


# Right answers, in all their forms


def make_body(plan: Plan, more: bytes = b"") -> tuple[str, bytes]:
    """Return content type and body; `more` are events before the end of a stream."""
    chance = plan.chance
    if not plan.streams or (not more and chance.random() < 0.03):  # some models do not stream
        result = {"response": plan.text}
        if chance.random() < 0.5:
            result = {"choices": [{"index": 0, "message": {"role": "assistant", "content": plan.text}}]}
        return "application/json", to_json(chance, {"result": result, "success": True, "errors": [], "messages": []})
    events = make_events(plan) + more + make_end(plan)
    if chance.random() < 0.1:
        events = b"\xef\xbb\xbf" + events
    if chance.random() < 0.2:
        events = events.replace(b"\n", chance.choice([b"\r\n", b"\r"]))
    return "text/event-stream", events


def make_events(plan: Plan) -> bytes:
    """Return the text as events of one dialect, with comments in between."""
    chance, events, at = plan.chance, b"", 0
    is_native = chance.random() < 0.5
    while at < len(plan.text):
        piece = plan.text[at : at + chance.randrange(1, 12)]
        at += len(piece)
        event: Any = {"choices": [{"index": 0, "delta": {"content": piece}}]}
        if is_native:
            event = {"response": piece, "p": "abc"[: chance.randrange(4)]}
        events += b"data: " + to_json(chance, event) + b"\n\n"
        if chance.random() < 0.1:
            events += chance.choice([b": ping\n\n", b"\n", b"id: 5\n\n", b"event: ping\ndata:\n\n"])
    return events


def make_end(plan: Plan) -> bytes:
    """Return one of the ends of a stream."""
    finish = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    done = [b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"data: [DONE]\n", b"data: [DONE]", b"[DONE]\n\n"]
    return plan.chance.choice([*done, finish, finish + done[0]])


def to_json(chance: random.Random, value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()


def make_head(plan: Plan, status: int = 200, *lines: str) -> bytes:
    """Return the head of an answer, with a few headers that nobody knows."""
    chance = plan.chance
    more = ["x-one: 1", "x-one: 2", "X-Two:", "set-cookie: a=b", "server: \tchaos"]
    more.append("x-long: " + "y" * chance.randrange(8_000))
    named = [f"cf-ray: {plan.request_id}", *chance.sample(more, chance.randrange(4)), *lines]
    chance.shuffle(named)
    return "\r\n".join([f"HTTP/1.1 {status} {chance.choice(['OK', '', 'What ever'])}", *named, "", ""]).encode()


def make_answer(plan: Plan, content_type: str, body: bytes, status: int = 200, encoding: str = "") -> list[Step]:
    """Return an answer in one of HTTP's ways to say how long it is, whole."""
    chance = plan.chance
    lines = [f"content-type: {content_type}"] + ([f"content-encoding: {encoding}"] if encoding else [])
    way = chance.choice(["length", "chunks", "chunks", "close"])
    if way == "length":
        return [make_head(plan, status, *lines, f"content-length: {len(body)}") + body]
    if way == "close":
        return [make_head(plan, status, *lines, "connection: close") + body, "close"]
    wire = make_head(plan, status, *lines, "transfer-encoding: chunked")
    for piece in cut(chance, body, 20):
        extension = b";a=" + b"b" * chance.randrange(50) if chance.random() < 0.1 else b""
        wire += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) if piece else b""
    return [wire + b"0\r\n" + (b"x-trailer: 1\r\n" if chance.random() < 0.1 else b"") + b"\r\n"]


def cut(chance: random.Random, data: bytes, most: int) -> list[bytes]:
    """Return `data` in pieces."""
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(most)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


# Behaviours: each fills in the steps of a plan


def behave(plan: Plan) -> None:
    """Answer rightly; in pieces, after 1xx answers, packed, slowly, before the request was read, then closing."""
    chance, encoding = plan.chance, ""
    plan.is_good = True
    content_type, body = make_body(plan)
    if chance.random() < 0.2:
        encoding, body = "gzip", gzip.compress(body, mtime=0)
    steps = make_answer(plan, content_type, body, encoding=encoding)
    wire = steps[0]
    assert isinstance(wire, bytes)
    if chance.random() < 0.1:
        wire = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * chance.randrange(1, 4) + wire
    pauses = chance.choice([0.0, 0.0, 0.001, 0.02])
    pieces: list[Step] = [step for piece in cut(chance, wire, 15) for step in (piece, pauses)]
    plan.steps = ["read", *pieces, *steps[1:]]
    if chance.random() < 0.1:
        plan.steps = [*pieces, "read", *steps[1:]]
    if chance.random() < 0.2:
        plan.steps.append("close")


def hold_after_the_end(plan: Plan) -> None:
    """Keep the body open after `[DONE]`."""
    plan.streams = plan.is_good = True
    body = make_events(plan) + b"data: [DONE]\n\n"
    head = make_head(plan, 200, "content-type: text/event-stream", "transfer-encoding: chunked")
    plan.steps = ["read", head + b"%x\r\n%s\r\n" % (len(body), body), "hold"]


def refuse(plan: Plan) -> None:
    """Refuse a few requests because the model is busy, then answer."""
    behave(plan)
    plan.refusals = plan.chance.randrange(1, 4)
    plan.is_good = plan.refusals < 3


def make_refusal(plan: Plan) -> list[Step]:
    status, code = random.Random(plan.number).choice(BUSY)
    problem = {"message": "AiError: busy"} | ({"code": code} if code else {})
    body = json.dumps({"success": False, "errors": [problem]}).encode()
    head = make_head(plan, status, "content-type: application/json", f"content-length: {len(body)}", "retry-after: 0")
    return ["read", head + body]


def cut_off(plan: Plan) -> None:
    """Break off at any byte, in any of three ways."""
    behave(plan)
    plan.is_good = False
    wire = b"".join(step for step in plan.steps if isinstance(step, bytes))
    end: Any = plan.chance.choice(["close", "reset", "hold"])
    plan.steps = ["read", wire[: plan.chance.randrange(len(wire))], plan.chance.choice([0.0, 0.05]), end]


def change_bytes(plan: Plan) -> None:
    """Put garbage into the head or the framing of an answer; its text stays whole."""
    chance = plan.chance
    content_type, body = make_body(plan)
    kind = f"content-type: {content_type}"
    head = make_head(plan, 200, kind, "transfer-encoding: chunked")
    chunk = b"%x\r\n%s\r\n" % (len(body), body)
    garbage = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200)))
    steps: list[Any] = chance.choice(
        [
            [garbage, "close"],
            [b"SSH-2.0-OpenSSH_9.6\r\n", "hold"],
            [b"HTTP/1.1 2", "close"],
            [b"HTTP/1.1 200 OK\r\n" + garbage + b"\r\n\r\n", "close"],
            [b"HTTP/1.1 200 OK\r\n\0bad: 1\r\n\r\n" + body, "close"],
            [b"HTTP/3.7 200 OK\r\ncontent-length: 0\r\n\r\n", "close"],
            [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n", "close"],
            [head + b"zz\r\n" + chunk, "close"],
            [head + chunk[:-2] + b"??" + b"0\r\n\r\n", "close"],
            [head + chunk, 0.02, garbage, "close"],
            [head + b"f" * 400 + b"\r\n" + body, "close"],
            [make_head(plan, 200, kind, "content-length: x") + body, "close"],
            [make_head(plan, 200, kind, "content-length: 3", "content-length: 4") + body, "close"],
            [make_head(plan, 200, kind, f"content-length: {len(body) // 2}", "connection: close") + body, "close"],
            [make_head(plan, 200, kind, f"content-length: {len(body) + 100}") + body, "close"],
            [make_head(plan, 200, kind, f"content-length: {len(body) + 100}") + body, "hold"],
            [make_head(plan, 200, kind, "content-encoding: gzip", f"content-length: {len(body)}") + body],
            [make_head(plan, 200, kind, "content-encoding: nonsense", f"content-length: {len(body)}") + body],
            [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "hold"],
        ]
    )
    plan.steps = ["read", *steps]


def mislead(plan: Plan) -> None:
    """Say 200, and send something that is no answer."""
    chance = plan.chance
    bodies = [b"", b"<html><title>Sign in</title></html>", b"null", b"[]", b"{", b'{"result":null}']
    bodies += [
        b'{"success":false}',
        b"data: {}\n\n",
        b"data: [DONE]\n\n",
        b": ping\n\n",
        b"data: nonsense\n\n",
        b"\xff\xfe\0{",
    ]
    kinds = ["application/json", "text/event-stream", "text/html", "text/plain", "", "image/png"]
    plan.text = ""
    plan.steps = ["read", *make_answer(plan, chance.choice(kinds), chance.choice(bodies))]


def fail(plan: Plan) -> None:
    """Answer with an error that is final, in one of its shapes, whole or not."""
    chance = plan.chance
    plan.status, code = chance.choice(ERRORS)
    error = {"message": "AiError: it failed", **({"code": code} if code else {})}
    bodies: list[Any] = [{"success": False, "errors": [error]}, {"error": error}, error, [error]]
    body = json.dumps(chance.choice(bodies)).encode()
    if code is None and chance.random() < 0.5:
        body = b"<html><title>nginx</title>"
    steps = make_answer(plan, "application/json", body, plan.status)
    plan.steps = ["read", *steps] if chance.random() < 0.8 else [*steps, "close"]


def fail_inside(plan: Plan) -> None:
    """Report an error inside a stream, after the text so far."""
    plan.streams, chance = True, plan.chance
    events = [b'data: {"error":{"message":"it failed","code":3050}}\n\n', b'data: {"resp\n\n']
    events += [b'event: error\ndata: {"message":"it failed"}\n\n']
    events += [b'data: {"errors":[{"code":3040,"message":"busy"}],"success":false}\n\n']
    content_type, body = make_body(plan, chance.choice(events))
    plan.steps = ["read", *make_answer(plan, content_type, body)]


def do_nothing(plan: Plan) -> None:
    """Read the request or not, and answer nothing."""
    end: Any = plan.chance.choice(["close", "reset", "hold"])
    plan.steps = ["read", plan.chance.choice([0.0, 0.05]), end] if plan.chance.random() < 0.7 else [end]


def trickle(plan: Plan) -> None:
    """Send a byte now and then, for longer than anybody waits, at a place where nothing looks at the time."""
    chance, kind = plan.chance, "content-type: text/event-stream"
    plan.is_endless, plan.streams = True, True
    head = make_head(plan, 200, kind, "transfer-encoding: chunked")
    packed = make_head(plan, 200, kind, "content-encoding: gzip", "connection: close")
    start, drop = chance.choice(
        [
            (b"HTTP/1.1 200 OK\r\nx-slow: ", b"y"),
            (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
            (head + b"5;a=", b"b"),
            (head, b"3\r\n:\n\n\r\n"),
            (packed + b"\x1f\x8b\x08\x08\0\0\0\0\0\0", b"n"),
            (head, b"2\r\nda\r\n"),
        ]
    )
    plan.steps = ["read", start, *[drop, 0.1] * 100]


def bomb(plan: Plan) -> None:
    """Send an answer that is far larger than its bytes."""
    plan.text = "nothing"
    kinds = ("comment", "events") if plan.streams else ("json",)
    packed = make_bomb(plan.chance.choice(kinds))
    kind = "text/event-stream" if plan.streams else "application/json"
    plan.steps = ["read", *make_answer(plan, kind, packed, encoding="gzip")]


@cache
def make_bomb(kind: str) -> bytes:
    """Return 30 MB, packed."""
    if kind == "json":
        return gzip.compress(b'{"result":{"response":"' + b"x" * 30_000_000 + b'"}}', 1, mtime=0)
    event = json.dumps({"response": "", "p": "x" * 50_000}).encode()
    return gzip.compress(
        b": " + b"x" * 30_000_000 if kind == "comment" else (b"data: " + event + b"\n\n") * 600, 1, mtime=0
    )


BEHAVIOURS: dict[str, tuple[float, Callable[[Plan], None]]] = {
    "good": (50, behave),
    "held": (2, hold_after_the_end),
    "busy": (6, refuse),
    "cut": (15, cut_off),
    "garbage": (8, change_bytes),
    "no answer": (4, mislead),
    "error": (7, fail),
    "error inside": (4, fail_inside),
    "nothing": (3, do_nothing),
    "trickle": (0.7, trickle),
    "bomb": (0.1, bomb),
}
"""Each with how often it is drawn."""
