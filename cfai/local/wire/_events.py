"""A generation as one JSON value or as server-sent events, in the dialect of its family.

A dialect has a writer: `feed` gives the events of a token, `end` those behind the last one, when all is generated.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace

from cfai.local.wire._chat import ChatWriter, build_completion
from cfai.local.wire._errors import ErrorResponse
from cfai.local.wire._generation import Generation, Payload, Payloads
from cfai.local.wire._native import NativeWriter, build_native
from cfai.local.wire._responses import ResponsesWriter
from cfai.local.wire._vision import VisionWriter, build_vision_answer
from cfai.types import Token, Usage

Event = tuple[int, bytes]
"""How many tokens an event carries, and its bytes."""

Parts = Iterable[Event] | AsyncGenerator[Event, None]
"""A body in parts: at hand, or waited for, as what an engine gives."""

DONE_EVENT = b"data: [DONE]\n\n"


def build_result(generation: Generation) -> Payload:
    """Return what stands under `result` for a call that does not stream."""
    match generation.form:
        case "native" | "dual":
            return build_native(generation)
        case "responses":
            # The last event of a stream has all of the answer.
            *_, (_, last) = _write_all(generation)
            return last["response"]
        case "answer" | "caption":
            return build_vision_answer(generation)
        case _:
            return build_completion(generation)


def encode_events(generation: Generation) -> Iterator[Event]:
    """Return every event of the stream, `[DONE]` included."""
    for tokens, payload in _write_all(generation):
        yield tokens, encode_event(payload)
    yield 0, DONE_EVENT


async def encode_live_events(
    generation: Generation, parts: AsyncGenerator[Token | Usage, None], request_id: str
) -> AsyncGenerator[Event, None]:
    """Yield the events of an answer that an engine is giving. If it breaks off, the last event is an error."""
    writer = _WRITERS.get(generation.form, ChatWriter)(generation)
    try:
        async with aclosing(take_parts(generation, parts)) as answer_tokens:
            async for token in answer_tokens:
                for tokens, payload in writer.feed(token):
                    yield tokens, encode_event(payload)
    except ErrorResponse as refusal:
        yield 0, encode_error(generation, refusal, request_id)
        return
    for tokens, payload in writer.end():
        yield tokens, encode_event(payload)
    yield 0, DONE_EVENT


async def take_parts(generation: Generation, parts: AsyncGenerator[Token | Usage, None]) -> AsyncGenerator[Token, None]:
    """Yield what an engine gives, token by token as `generation` takes it in. With no place for reasoning,
    that stands in the text, between the marks that the models of this form use.
    """
    is_thinking = False
    async with aclosing(parts):
        async for part in parts:
            if isinstance(part, Token) and generation.form in ("native", "dual", "completion"):
                # One answer alone: only chat completions ask an engine for several.
                begin = "<think>" if part.reasoning and not is_thinking else ""
                has_ended = (is_thinking or part.reasoning) and (part.text or not part.reasoning)
                end = "</think>\n\n" if has_ended else ""
                is_thinking = not has_ended and (is_thinking or bool(part.reasoning))
                part = replace(part, text=f"{begin}{part.reasoning}{end}{part.text}", reasoning="")
            generation.add(part)
            if isinstance(part, Token):
                yield part


def encode_error(generation: Generation, refusal: ErrorResponse, request_id: str) -> bytes:
    """Return a failure after the headers: the ordinary envelope as an event, or the Responses API's own event."""
    if generation.form != "responses":
        return encode_event(refusal.to_body(request_id))
    code = None if refusal.code is None else str(refusal.code)
    payload = {"type": "error", "code": code, "message": refusal.message, "param": None}
    return b"event: error\n" + encode_event(payload)


def encode_event(payload: Payload, *, indent: int | None = None) -> bytes:
    """Return the event that holds `payload`, with a name if it is one of the Responses API's."""
    name = f"event: {payload['type']}\n" if "sequence_number" in payload else ""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), indent=indent)
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    # Half a surrogate pair has no bytes in UTF-8; what Python puts for it is its escape in JSON too.
    return f"{name}{lines}\n".encode("utf-8", "backslashreplace")


_WRITERS = {
    "native": NativeWriter,
    "dual": NativeWriter,
    "responses": ResponsesWriter,
    "answer": VisionWriter,
    "caption": VisionWriter,
}
"""Writers by form; `ChatWriter` has the others."""


def _write_all(generation: Generation) -> Payloads:
    writer = _WRITERS.get(generation.form, ChatWriter)(generation)
    for token in generation.iter_tokens():
        yield from writer.feed(token)
    yield from writer.end()
