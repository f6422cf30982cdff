"""The native dialect of Workers AI, by itself and beside chat chunks in one event."""

from __future__ import annotations

import random
import re

from cfai.local.wire._generation import (
    SCOUT,
    Generation,
    Payload,
    Payloads,
    UsageIncrements,
    compute_neurons,
    to_openai_call,
)
from cfai.types import Token

_PADDING = "abdefghijklmnoprstuvxyz1234567890" * 2
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]*")


def build_native(generation: Generation) -> Payload:
    """Return an answer that does not stream."""
    choice = generation.choices[0]
    usage = generation.usage()
    if not choice.calls:
        is_value = choice.parsed is not None and choice.finish == "stop"
        return {"response": choice.parsed if is_value else "".join(choice.text), "usage": usage}
    if generation.model.name == SCOUT:
        # No `response` key at all, and OpenAI's form of a call: its schema says otherwise.
        return {"tool_calls": [to_openai_call(call) for call in choice.calls], "usage": usage}
    calls = [{"name": call.name, "arguments": call.arguments} for call in choice.calls]
    return {"response": "".join(choice.text) or None, "tool_calls": calls, "usage": usage}


class NativeWriter:
    """Writes the events of the native dialect.

    In the form `dual` an event has its text in a chat chunk too, with usage in increments and no total at the end.
    """

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._increments = UsageIncrements(generation) if generation.form == "dual" else None

    def feed(self, token: Token) -> Payloads:
        if token.text:
            # The real service sends a token of digits alone as a JSON number.
            value = int(token.text) if _WHOLE_NUMBER.fullmatch(token.text) else token.text
            rest: Payload = {"tool_calls": []}
            if self._increments:
                usage = self._increments.count(1)
                neurons = compute_neurons(self._generation.model, usage["prompt_tokens"], 1)
                delta = {"index": 0, "delta": {"content": token.text}, "finish_reason": None}
                rest = {"choices": [delta], "usage": usage | {"neurons": neurons}}
            yield 1, {"response": value, **rest, "p": make_padding()}
        for part in token.tool_calls:
            if part.name:
                call = self._generation.choices[0].calls[part.index]
                head = {"id": call.id, "type": "function", "index": part.index, "function": {"name": part.name}}
                yield 0, {"tool_calls": [head], "p": make_padding()}
            if part.arguments:
                fragment = {"index": part.index, "function": {"arguments": part.arguments}}
                yield 1, {"tool_calls": [fragment], "p": make_padding()}

    def end(self) -> Payloads:
        choice = self._generation.choices[0]
        last: Payload = {"usage": self._generation.usage()}
        if choice.calls:
            nothing = {"id": None, "type": None, "function": {"name": None, "arguments": ""}}
            yield 0, {"tool_calls": [nothing], "p": make_padding()}
            finish = "length" if choice.finish == "length" else "tool_calls"
            yield 0, {"finish_reason": finish, "p": make_padding()}
        elif self._increments:
            last = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": choice.finish}]}
            if not self._increments.has_prompt:
                # An engine says only now how long the prompt was, so this is the whole call's.
                last["usage"] = self._generation.usage(details=True)
        yield 0, {"response": "", **last, "p": make_padding()}


def make_padding() -> str:
    """Return as many characters as the service puts into an event to hide how long a token is."""
    return _PADDING[: random.randint(4, 40)]
