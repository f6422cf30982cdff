"""A generation as server-sent events, in the dialect of its family."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from cfai.emulator._answers import new_id, response_object
from cfai.emulator._generate import GLM_TRAILER, KIMI, Call, Choice, Generation, neurons, reasoning_field
from cfai.emulator._refusals import Refusal

Event = tuple[int, bytes]
"""How many tokens an event carries, and its bytes."""

Payload = dict[str, Any]

_PADDING = "abdefghijklmnoprstuvxyz1234567890" * 2
_BARE = re.compile(r"0|[1-9][0-9]*")


def events(generation: Generation) -> Iterator[Event]:
    """Every event of the stream, `[DONE]` included."""
    if generation.form == "responses":
        for tokens, payload in _responses(generation):
            yield tokens, f"event: {payload['type']}\n".encode() + _data(payload)
    else:
        stream = {"native": _native, "dual": _dual}.get(generation.form, _chunks)
        for tokens, payload in stream(generation):
            yield tokens, _data(payload)
    yield 0, b"data: [DONE]\n\n"


def error_event(generation: Generation, refusal: Refusal, request_id: str) -> bytes:
    """A failure after the headers: the ordinary envelope as an event, or the Responses API's own event."""
    if generation.form != "responses":
        return _data(refusal.body(request_id))
    payload = {"type": "error", "code": str(refusal.code), "message": refusal.message, "param": None}
    return b"event: error\n" + _data(payload)


def _data(payload: Payload) -> bytes:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, echoed from a prompt, has no bytes in UTF-8.
    return f"data: {text}\n\n".encode("utf-8", "replace")


def _padding() -> str:
    return _PADDING[: random.randint(4, 40)]


def _native(generation: Generation) -> Iterator[tuple[int, Payload]]:
    choice = generation.choices[0]
    for piece in choice.text:
        # The real service sends a token of digits alone as a JSON number.
        response = int(piece) if _BARE.fullmatch(piece) else piece
        yield 1, {"response": response, "tool_calls": [], "p": _padding()}
    if choice.call:
        yield from _native_call(choice.call)
    yield 0, {"response": "", "usage": generation.usage(), "p": _padding()}


def _native_call(call: Call) -> Iterator[tuple[int, Payload]]:
    """Name, then arguments in pieces, then the marker in which everything is null."""
    head = {"id": call.id, "type": "function", "index": 0, "function": {"name": call.name}}
    yield 0, {"tool_calls": [head], "p": _padding()}
    for fragment in call.fragments:
        yield 1, {"tool_calls": [{"index": 0, "function": {"arguments": fragment}}], "p": _padding()}
    nothing = {"id": None, "type": None, "function": {"name": None, "arguments": ""}}
    yield 0, {"tool_calls": [nothing], "p": _padding()}
    yield 0, {"finish_reason": "tool_calls", "p": _padding()}


def _dual(generation: Generation) -> Iterator[tuple[int, Payload]]:
    """Both dialects in one event, and usage in increments: the prompt in the first, and no total at the end."""
    choice = generation.choices[0]
    if choice.call:
        yield from _native(generation)
        return
    prompt = generation.prompt_tokens
    for piece in choice.text:
        response = int(piece) if _BARE.fullmatch(piece) else piece
        usage: Payload = {"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1}
        usage["neurons"] = neurons(generation.model, prompt, 1)
        delta = [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]
        yield 1, {"response": response, "choices": delta, "usage": usage, "p": _padding()}
        prompt = 0
    end = [{"index": 0, "delta": {"content": ""}, "finish_reason": choice.finish}]
    yield 0, {"response": "", "choices": end, "p": _padding()}


class _Meter:
    """Usage as the chunks of one family report it."""

    def __init__(self, generation: Generation) -> None:
        name = generation.model.name
        self._generation = generation
        self._per_chunk = name == GLM_TRAILER
        self.trailer = name == GLM_TRAILER or name.startswith(KIMI)
        self._silent = name.startswith(KIMI)
        self._sent = 0
        self._first = True

    def usage(self, tokens: int) -> Payload:
        """The `usage` entry of the next chunk, if it has one."""
        self._sent += tokens
        if self._silent:
            return {}
        prompt = self._generation.prompt_tokens if self._first or not self._per_chunk else 0
        completion = tokens if self._per_chunk else self._sent
        self._first = False
        counts = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
        return {"usage": counts}

    def last(self) -> Payload:
        """The `usage` of the chunk without choices: zeros where the chunks before were increments."""
        if self._per_chunk:
            return {"prompt_tokens": 0, "total_tokens": 0, "completion_tokens": 0}
        return self._generation.usage(details=True)


def _chunks(generation: Generation) -> Iterator[tuple[int, Payload]]:
    meter = _Meter(generation)
    plain = generation.form == "completion"
    head: Payload = {
        "id": new_id("cmpl-" if plain else "chatcmpl-"),
        "object": "text_completion" if plain else "chat.completion.chunk",
        "created": int(time.time()),
        "model": generation.model.name,
    }
    # GLM-5.3 Flash says "" where the others say null.
    unfinished = "" if generation.model.name == GLM_TRAILER else None
    queues = [_deltas(generation, choice, plain) for choice in generation.choices]
    for round_ in zip_longest(*queues):
        for index, step in enumerate(round_):
            if step is not None:
                tokens, part, finish = step
                entry = {"index": index, **part, "logprobs": None, "finish_reason": finish or unfinished}
                yield tokens, {**head, "choices": [entry], **meter.usage(tokens)}
    padding = {"p": _padding()} if meter.trailer else {}
    yield 0, {**head, "choices": [], "usage": meter.last(), **padding}
    if meter.trailer:
        yield 0, {"response": "", "usage": generation.usage(details=True)}


def _deltas(generation: Generation, choice: Choice, plain: bool) -> Iterator[tuple[int, Payload, str | None]]:
    """The parts of one choice: tokens, what goes into `choices[0]`, finish reason."""
    if plain:
        for piece in choice.text:
            yield 1, {"text": piece}, None
        yield 0, {"text": ""}, choice.finish
        return
    yield 0, {"delta": {"role": "assistant", "content": ""}}, None
    for piece in choice.reasoning:
        yield 1, {"delta": {reasoning_field(generation.model): piece}}, None
    for piece in choice.text:
        yield 1, {"delta": {"content": piece}}, None
    if choice.call:
        function = {"name": choice.call.name, "arguments": ""}
        call = {"index": 0, "id": choice.call.id, "type": "function", "function": function}
        yield 0, {"delta": {"tool_calls": [call]}}, None
        for fragment in choice.call.fragments:
            call = {"index": 0, "id": None, "function": {"arguments": fragment}}
            yield 1, {"delta": {"tool_calls": [call]}}, None
    yield 0, {"delta": {}}, choice.finish


def _responses(generation: Generation) -> Iterator[tuple[int, Payload]]:
    """The events of the Responses API, numbered."""
    done = response_object(generation, new_id("resp_"))
    started: Payload = done | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    steps: list[tuple[int, Payload]] = [(0, {"type": "response.created", "response": started})]
    choice = generation.choices[0]
    for index, item in enumerate(done["output"]):
        opened = {key: value for key, value in item.items() if key not in ("content", "arguments")}
        steps.append((0, {"type": "response.output_item.added", "output_index": index, "item": opened}))
        steps += _item_steps(choice, item, index)
        steps.append((0, {"type": "response.output_item.done", "output_index": index, "item": item}))
    steps.append((0, {"type": f"response.{done['status']}", "response": done}))
    for number, (tokens, payload) in enumerate(steps):
        yield tokens, payload | {"sequence_number": number}


def _item_steps(choice: Choice, item: Payload, index: int) -> Iterator[tuple[int, Payload]]:
    where = {"item_id": item["id"], "output_index": index}
    if item["type"] == "function_call":
        kind = "response.function_call_arguments"
        for fragment in choice.call.fragments if choice.call else ():
            yield 1, {"type": f"{kind}.delta", **where, "delta": fragment}
        yield 0, {"type": f"{kind}.done", **where, "name": item["name"], "arguments": item["arguments"]}
        return
    reasons = item["type"] == "reasoning"
    kind = "response.reasoning_text" if reasons else "response.output_text"
    where["content_index"] = 0
    for piece in choice.reasoning if reasons else choice.text:
        yield 1, {"type": f"{kind}.delta", **where, "delta": piece, **({} if reasons else {"logprobs": []})}
    yield 0, {"type": f"{kind}.done", **where, "text": item["content"][0]["text"]}
