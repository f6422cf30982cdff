"""A generation as server-sent events, in the dialect of its family."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from cfai.local.wire._answers import build_response, finish_item, new_id, new_item
from cfai.local.wire._errors import ErrorResponse
from cfai.local.wire._generation import GLM_TRAILER, KIMI, Generation, complete, compute_neurons, reasoning_field
from cfai.types import Token, ToolCallDelta, Usage

Event = tuple[int, bytes]
"""How many tokens an event carries, and its bytes."""

Payload = dict[str, Any]
Payloads = Iterator[tuple[int, Payload]]

_PADDING = "abdefghijklmnoprstuvxyz1234567890" * 2
_BARE = re.compile(r"0|[1-9][0-9]*")
_DONE = b"data: [DONE]\n\n"


class _EventWriter(Protocol):
    """Writes one answer in one dialect, token by token."""

    def feed(self, token: Token) -> Payloads:
        """Return the events of a token."""
        ...

    def end(self) -> Payloads:
        """Return the events behind the last token, when the generation is complete."""
        ...


def encode_events(generation: Generation) -> Iterator[Event]:
    """Return every event of the stream, `[DONE]` included."""
    writer = _make_writer(generation)
    for token in generation.iter_tokens():
        yield from _encode_payloads(writer.feed(token))
    yield from _encode_payloads(writer.end())
    yield 0, _DONE


async def encode_live_events(
    generation: Generation, parts: AsyncGenerator[Token | Usage, None], request_id: str
) -> AsyncGenerator[Event, None]:
    """Yield the events of an answer that an engine is giving. If it breaks off, the last event is an error."""
    writer = _make_writer(generation)
    try:
        async with aclosing(take_parts(generation, parts)) as tokens:
            async for token in tokens:
                for event in _encode_payloads(writer.feed(token)):
                    yield event
    except ErrorResponse as no:
        yield 0, encode_error(generation, no, request_id)
        return
    complete(generation, json_mode=False)
    for event in _encode_payloads(writer.end()):
        yield event
    yield 0, _DONE


async def take_parts(generation: Generation, parts: AsyncGenerator[Token | Usage, None]) -> AsyncGenerator[Token, None]:
    """Yield what an engine gives, token by token as `generation` takes it in. With no place for reasoning,
    that stands in the text, between the marks that the models of this form use.
    """
    reasons_in_text, thinking = generation.form in ("native", "dual", "completion"), set[int]()
    async with aclosing(parts):
        async for part in parts:
            if isinstance(part, Usage):
                generation.add(part)
                continue
            if reasons_in_text:
                part = replace(part, text=_mark_reasoning(part, thinking), reasoning="")
            generation.add(part)
            yield part


def _mark_reasoning(part: Token, thinking: set[int]) -> str:
    """Return a part's reasoning and text as one text; `thinking` has the choices whose reasoning is not over."""
    text = ""
    if part.reasoning:
        text = part.reasoning if part.choice in thinking else f"<think>{part.reasoning}"
        thinking.add(part.choice)
    if part.choice in thinking and (part.text or not part.reasoning):
        thinking.remove(part.choice)
        text += "</think>\n\n"
    return text + part.text


def encode_error(generation: Generation, refusal: ErrorResponse, request_id: str) -> bytes:
    """Return a failure after the headers: the ordinary envelope as an event, or the Responses API's own event."""
    if generation.form != "responses":
        return _encode_data(refusal.to_body(request_id))
    payload = {"type": "error", "code": str(refusal.code), "message": refusal.message, "param": None}
    return b"event: error\n" + _encode_data(payload)


def _make_writer(generation: Generation) -> _EventWriter:
    return {"native": _NativeWriter, "dual": _DualWriter, "responses": _ResponsesWriter}.get(
        generation.form, _ChunkWriter
    )(generation)


def _encode_payloads(payloads: Payloads) -> Iterator[Event]:
    for tokens, payload in payloads:
        name = f"event: {payload['type']}\n".encode() if "sequence_number" in payload else b""
        yield tokens, name + _encode_data(payload)


def _encode_data(payload: Payload) -> bytes:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, echoed from a prompt, has no bytes in UTF-8.
    return f"data: {text}\n\n".encode("utf-8", "replace")


def _make_padding() -> str:
    return _PADDING[: random.randint(4, 40)]


def _response_payload(text: str) -> str | int:
    # The real service sends a token of digits alone as a JSON number.
    return int(text) if _BARE.fullmatch(text) else text


class _NativeWriter:
    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def feed(self, token: Token) -> Payloads:
        if token.text:
            yield 1, self._payload(token.text)
        for part in token.tool_calls:
            if part.name:
                call = self._generation.choices[0].calls[part.index]
                head = {"id": call.id, "type": "function", "index": part.index, "function": {"name": part.name}}
                yield 0, {"tool_calls": [head], "p": _make_padding()}
            if part.arguments:
                fragment = {"index": part.index, "function": {"arguments": part.arguments}}
                yield 1, {"tool_calls": [fragment], "p": _make_padding()}

    def end(self) -> Payloads:
        if self._generation.choices[0].calls:
            nothing = {"id": None, "type": None, "function": {"name": None, "arguments": ""}}
            yield 0, {"tool_calls": [nothing], "p": _make_padding()}
            yield 0, {"finish_reason": "tool_calls", "p": _make_padding()}
        yield 0, {"response": "", "usage": self._generation.usage(), "p": _make_padding()}

    def _payload(self, text: str) -> Payload:
        return {"response": _response_payload(text), "tool_calls": [], "p": _make_padding()}


class _DualWriter(_NativeWriter):
    """Both dialects in one event, and usage in increments: the prompt with the first, and no total at the end."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        self._told = False

    def end(self) -> Payloads:
        choice = self._generation.choices[0]
        if choice.calls:
            yield from super().end()
            return
        finish = [{"index": 0, "delta": {"content": ""}, "finish_reason": choice.finish}]
        # An engine says only now how long the prompt was, so this is the whole call's.
        usage = {} if self._told else {"usage": self._generation.usage(details=True)}
        yield 0, {"response": "", "choices": finish, **usage, "p": _make_padding()}

    def _payload(self, text: str) -> Payload:
        delta = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
        return {"response": _response_payload(text), "choices": delta, "usage": self._usage(1), "p": _make_padding()}

    def _usage(self, tokens: int) -> Payload:
        known = self._generation.prompt_tokens
        prompt = 0 if self._told else known or 0
        self._told = known is not None
        usage: Payload = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
        return usage | {"neurons": compute_neurons(self._generation.model, prompt, tokens)}


class _UsageReporter:
    """Usage as the chunks of one family report it."""

    def __init__(self, generation: Generation) -> None:
        name = generation.model.name
        self._generation = generation
        self._per_chunk = name == GLM_TRAILER
        self.trailer = name == GLM_TRAILER or name.startswith(KIMI)
        self._silent = name.startswith(KIMI)
        self._sent = 0
        self._told = False

    def usage(self, tokens: int) -> Payload:
        """Return the `usage` entry of the next chunk, if it has one."""
        self._sent += tokens
        known = self._generation.prompt_tokens
        if self._silent or (known is None and not self._per_chunk):
            return {}
        prompt = 0 if self._told and self._per_chunk else known or 0
        completion = tokens if self._per_chunk else self._sent
        self._told = known is not None
        counts = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
        return {"usage": counts}

    def last(self) -> Payload:
        """Return the `usage` of the chunk without choices: zeros where the chunks before were increments."""
        if self._per_chunk:
            prompt = 0 if self._told else self._generation.prompt_tokens or 0
            return {"prompt_tokens": prompt, "total_tokens": prompt, "completion_tokens": 0}
        return self._generation.usage(details=True)


class _ChunkWriter:
    """Chunks of a chat completion, or of a text completion."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._meter = _UsageReporter(generation)
        self._plain = generation.form == "completion"
        self._begun: set[int] = set()
        self._head: Payload = {
            "id": new_id("cmpl-" if self._plain else "chatcmpl-"),
            "object": "text_completion" if self._plain else "chat.completion.chunk",
            "created": int(time.time()),
            "model": generation.model.name,
        }
        # GLM-5.3 Flash says "" where the others say null.
        self._unfinished = "" if generation.model.name == GLM_TRAILER else None

    def feed(self, token: Token) -> Payloads:
        yield from self._begin(token.choice)
        if self._plain:
            if token.text:
                yield self._chunk(token.choice, 1, {"text": token.text})
            return
        if token.reasoning:
            field = reasoning_field(self._generation.model)
            yield self._chunk(token.choice, 1, {"delta": {field: token.reasoning}})
        if token.text:
            yield self._chunk(token.choice, 1, {"delta": {"content": token.text}})
        for part in token.tool_calls:
            if part.name:
                yield self._chunk(
                    token.choice, 0, {"delta": {"tool_calls": [self._build_call_start(token.choice, part)]}}
                )
            if part.arguments:
                fragment = {"index": part.index, "id": None, "function": {"arguments": part.arguments}}
                yield self._chunk(token.choice, 1, {"delta": {"tool_calls": [fragment]}})

    def end(self) -> Payloads:
        for index, choice in enumerate(self._generation.choices):
            yield from self._begin(index)
            yield self._chunk(index, 0, {"text": ""} if self._plain else {"delta": {}}, choice.finish)
        padding = {"p": _make_padding()} if self._meter.trailer else {}
        yield 0, {**self._head, "choices": [], "usage": self._meter.last(), **padding}
        if self._meter.trailer:
            yield 0, {"response": "", "usage": self._generation.usage(details=True)}

    def _begin(self, index: int) -> Payloads:
        if index not in self._begun and not self._plain:
            self._begun.add(index)
            yield self._chunk(index, 0, {"delta": {"role": "assistant", "content": ""}})

    def _build_call_start(self, choice: int, part: ToolCallDelta) -> Payload:
        call = self._generation.choices[choice].calls[part.index]
        function = {"name": part.name, "arguments": ""}
        return {"index": part.index, "id": call.id, "type": "function", "function": function}

    def _chunk(self, index: int, tokens: int, part: Payload, finish: str | None = None) -> tuple[int, Payload]:
        entry = {"index": index, **part, "logprobs": None, "finish_reason": finish or self._unfinished}
        return tokens, {**self._head, "choices": [entry], **self._meter.usage(tokens)}


class _ResponsesWriter:
    """The events of the Responses API, numbered."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._id = new_id("resp_")
        self._items: list[Payload] = []
        self._number = 0
        self._open: Payload | None = None
        self._text: list[str] = []
        self._call = -1

    def feed(self, token: Token) -> Payloads:
        yield from self._begin()
        for kind, text in (("reasoning", token.reasoning), ("message", token.text)):
            if text:
                yield from self._open_item(kind)
                yield self._delta(text, {} if kind == "reasoning" else {"logprobs": []})
        for part in token.tool_calls:
            yield from self._open_item("function_call", part.index)
            if part.arguments:
                yield self._delta(part.arguments, {})

    def end(self) -> Payloads:
        yield from self._begin()
        yield from self._close()
        done = build_response(self._generation, self._id, self._items)
        yield self._number_event({"type": f"response.{done['status']}", "response": done})

    def _begin(self) -> Payloads:
        if self._number == 0:
            done = build_response(self._generation, self._id, [])
            started: Payload = {"status": "in_progress", "usage": None, "incomplete_details": None}
            yield self._number_event({"type": "response.created", "response": done | started})

    def _open_item(self, kind: Any, call: int = -1) -> Payloads:
        """Open an item of this kind, unless it is open."""
        if self._open is not None and self._open["type"] == kind and self._call == call:
            return
        yield from self._close()
        self._call = call
        self._open = new_item(kind, self._generation.choices[0].calls[call] if call >= 0 else None)
        place = {"output_index": len(self._items), "item": dict(self._open)}
        yield self._number_event({"type": "response.output_item.added", **place})

    def _close(self) -> Payloads:
        if self._open is None:
            return
        text, where = "".join(self._text), self._build_location()
        if self._open["type"] == "function_call":
            where |= {"name": self._open["name"], "arguments": text}
        else:
            where |= {"text": text}
        yield self._number_event({"type": f"{self._event_prefix()}.done", **where})
        item = finish_item(self._open, text)
        yield self._number_event({"type": "response.output_item.done", "output_index": len(self._items), "item": item})
        self._items.append(item)
        self._open, self._text = None, []

    def _delta(self, text: str, more: Payload) -> tuple[int, Payload]:
        self._text.append(text)
        return self._number_event(
            {"type": f"{self._event_prefix()}.delta", **self._build_location(), "delta": text, **more}, 1
        )

    def _event_prefix(self) -> str:
        kinds = {"reasoning": "reasoning_text", "message": "output_text"}
        return f"response.{kinds.get(self._open['type'] if self._open else '', 'function_call_arguments')}"

    def _build_location(self) -> Payload:
        item: Payload = self._open or {}
        where: Payload = {"item_id": item["id"], "output_index": len(self._items)}
        return where if item["type"] == "function_call" else where | {"content_index": 0}

    def _number_event(self, payload: Payload, tokens: int = 0) -> tuple[int, Payload]:
        self._number += 1
        return tokens, payload | {"sequence_number": self._number - 1}
