"""The callers: each call is made in a way drawn by chance, and its outcome held against the plan."""

from __future__ import annotations

import errno
import gc
import json
import os
import random
import threading
from collections.abc import Iterator
from typing import Any

import anyio

from cfai import (
    Ai,
    APIConnectionError,
    APIResponseValidationError,
    AsyncStream,
    CfaiError,
    InferenceUpstreamError,
    Retry,
    Stream,
    StreamError,
    Timeout,
)
from cfai.types import TextOutput
from chaos.plan import Plan, make_plan

MODEL = "@cf/zai-org/glm-4.7-flash"
MAX_ANSWER = 4 * 1024 * 1024
DONE = b"data: [DONE]\n\n"


class Wrong(Exception):
    """A call came out in a way that cannot be right."""


def make_client(port: int) -> Ai:
    return Ai(
        account_id="0" * 32,
        api_token="chaos-token-that-must-not-show",
        base_url=f"http://127.0.0.1:{port}/client/v4",
        timeout=Timeout(connect=5, first_byte=4, read=4, write=5),
        max_retries=Retry(base=0.01),
        max_answer_bytes=MAX_ANSWER,
        trust_env=False,
    )


class Lost(Wrong):
    """A good answer did not arrive; which is right where its request did not."""


class Call:
    """One call: what is asked, what has come, and how it ended."""

    def __init__(self, seed: int, number: int) -> None:
        self.plan: Plan = make_plan(seed, number)
        self.chance = random.Random(f"{seed}/{number}/caller")
        self.given = ""
        self.is_interrupted = False
        """True once its caller has left it, so that any end is right."""
        self.inputs: Any = {"prompt": "x" * self.plan.prompt_size, "stream": self.plan.streams}
        total = 1.5 if self.plan.is_endless else self.chance.choice([None, None, 10.0])
        self.options: Any = {"extra_headers": {"x-chaos": str(number)}, "total_timeout": total}

    def take(self, text: str) -> None:
        """Note the next piece of text."""
        self.given += text
        if self.plan.behaviour != "no answer" and not self.plan.text.startswith(self.given):
            raise Wrong(f"{self.given!r} is no beginning of the answer")

    def end(self, meta: Any) -> str:
        """Check an answer that came to its end."""
        if self.plan.behaviour != "no answer" and self.given != self.plan.text:
            raise Wrong(f"a quiet end after {self.given!r}")
        if meta is not None and meta.request_id not in (None, self.plan.request_id):
            raise Wrong(f"the request id is {meta.request_id!r}")
        return "answer"

    def end_whole(self, answer: Any) -> str:
        """Check an answer that came at once."""
        if self.plan.behaviour == "no answer":
            return "answer"
        if isinstance(answer, TextOutput):
            self.take(answer.text.removeprefix(self.given))
        elif self.plan.behaviour == "garbage" and hasattr(answer, "content"):
            return "bytes"  # a head of garbage may be one without a type: what follows, if anything, is a file
        return self.end(answer.meta)

    def fail(self, error: Exception) -> str:
        """Check an exception."""
        plan = self.plan
        if not isinstance(error, CfaiError):
            raise Wrong(f"{error!r} is none of cfai's") from error
        if type(error) is APIConnectionError and os.strerror(errno.EBADF) in str(error):
            return "closed here"  # httpcore closes surplus connections, now and then one that was just taken
        if plan.is_good and not self.is_interrupted:
            kind = Lost if type(error) is APIConnectionError or plan.refusals else Wrong
            raise kind(f"the answer was good, and this was raised: {error!r}") from error
        if error.request_id not in (None, plan.request_id):
            raise Wrong(f"the request id is {error.request_id!r}") from error
        is_text_known = plan.behaviour != "no answer"
        if isinstance(error, StreamError) and is_text_known and not plan.text.startswith(error.partial):
            raise Wrong(f"the partial text is {error.partial!r}") from error
        if isinstance(error, StreamError) and not error.partial.startswith(self.given):
            raise Wrong(f"{self.given!r} was given, the partial text is {error.partial!r}") from error
        is_answer = isinstance(error, InferenceUpstreamError) and not isinstance(error, APIResponseValidationError)
        if plan.behaviour == "error" and is_answer and error.status_code != plan.status:
            raise Wrong(f"the status was {plan.status}, the error has {error.status_code}") from error
        return type(error).__name__

    def read_browser_events(self, content: bytes) -> None:
        """Take the text of the events for a browser, which must have an end."""
        if not content.endswith(DONE):
            raise Wrong(f"the event stream ends in {content[-100:]!r}")
        for block in content.removesuffix(DONE).split(b"\n\n"):
            if block.startswith(b"event: error"):
                self.is_interrupted = True
                raise InferenceUpstreamError(block.decode(), status_code=self.plan.status)
            data = block.partition(b"data: ")[2]
            self.take(json.loads(data).get("response") or "" if data else "")


def run(ai: Ai, call: Call) -> str | Wrong:
    """Make a call, and return how it ended."""
    try:
        return make_call(ai, call)
    except Wrong as wrong:
        return wrong


def make_call(ai: Ai, call: Call) -> str:
    try:
        answer = ai.run(MODEL, call.inputs, **call.options)
        if not isinstance(answer, Stream):
            return call.end_whole(answer)
        way = call.chance.choice(["tokens", "tokens", "tokens", "leave", "drop", "cycle", "close", "result", "browser"])
        return read(answer, call, way)
    except Wrong:
        raise
    except Exception as error:
        return call.fail(error)


def read(stream: Any, call: Call, way: str) -> str:
    """Read a stream, or a part of it."""
    if way == "result":
        return call.end_whole(stream.result())
    if way == "browser":
        call.read_browser_events(b"".join(stream.to_event_stream()))
        return call.end(stream.meta)
    count = call.chance.randrange(10)
    if way == "close":  # while another thread reads
        call.is_interrupted = True
        threading.Timer(call.chance.random() / 10, stream.close).start()
    elif way != "tokens":
        call.is_interrupted = True
        stop_after(stream, call, count, way)
        return "left"
    for token in stream:
        call.take(token.text)
    return call.end(stream.meta)


def stop_after(stream: Any, call: Call, count: int, way: str) -> None:
    """Read `count` tokens, and leave the stream properly, by dropping it, or in a cycle for the collector."""
    tokens: Iterator[Any] = iter(stream)
    for _, token in zip(range(count), tokens, strict=False):
        call.take(token.text)
    if way == "leave":
        stream.close()
    elif way == "cycle":
        cycle: list[Any] = [stream]
        cycle.append(cycle)
    if call.chance.random() < 0.05:
        gc.collect()


async def arun(ai: Ai, call: Call) -> str | Wrong:
    """Make a call, and return how it ended."""
    try:
        return await amake_call(ai, call)
    except Wrong as wrong:
        return wrong


async def amake_call(ai: Ai, call: Call) -> str:
    outcome = "cancelled"
    seconds = call.chance.random() / 4 if call.chance.random() < 0.15 else None
    try:
        with anyio.CancelScope() if seconds is None else anyio.move_on_after(seconds):
            answer = await ai.arun(MODEL, call.inputs, **call.options)
            if not isinstance(answer, AsyncStream):
                return call.end_whole(answer)
            ways = ["tokens", "tokens", "waits", "waits", "leave", "drop", "result", "browser"]
            outcome = await aread(answer, call, call.chance.choice(ways))
        return outcome
    except Wrong:
        raise
    except Exception as error:
        return call.fail(error)


async def aread(stream: Any, call: Call, way: str) -> str:
    """Read a stream, or a part of it."""
    if way == "result":
        return call.end_whole(await stream.aresult())
    if way == "browser":
        call.read_browser_events(b"".join([item async for item in stream.ato_event_stream()]))
        return call.end(stream.meta)
    if way in ("leave", "drop"):
        call.is_interrupted = True
        left = call.chance.randrange(10)
        async for token in stream:
            call.take(token.text)
            left -= 1
            if left < 0:
                break
        if way == "leave":
            await stream.aclose()
        return "left"
    while True:
        token = None
        with anyio.move_on_after(0.005 if way == "waits" else 60):
            token = await anext(stream, "end")
        if token == "end":
            return call.end(stream.meta)
        if token is not None:
            call.take(token.text)
