"""Chat completions and text completions, as OpenAI's API has them."""

from __future__ import annotations

import time

from cfai.local.wire._generation import (
    GLM_TRAILER,
    KIMI,
    Generation,
    Payload,
    Payloads,
    UsageIncrements,
    count_usage,
    is_new_kimi,
    new_id,
    to_openai_call,
)
from cfai.local.wire._native import make_padding
from cfai.types import Token


def build_completion(generation: Generation) -> Payload:
    """Return an answer that does not stream."""
    choices: list[Payload] = []
    for index, choice in enumerate(generation.choices):
        text = "".join(choice.text)
        message: Payload = {"role": "assistant", "content": text or None}
        if choice.reasoning:
            message[_get_reasoning_field(generation)] = "".join(choice.reasoning)
        if choice.calls:
            message["tool_calls"] = [to_openai_call(call) for call in choice.calls]
        content = {"text": text} if generation.form == "completion" else {"message": message}
        choices.append({"index": index, **content, "finish_reason": choice.finish, "logprobs": None})
    return {**_build_head(generation), "choices": choices, "usage": generation.usage(details=True)}


def _build_head(generation: Generation, suffix: str = "") -> Payload:
    is_text = generation.form == "completion"
    return {
        "id": new_id("cmpl-" if is_text else "chatcmpl-"),
        "object": "text_completion" if is_text else f"chat.completion{suffix}",
        "created": int(time.time()),
        "model": generation.model.name,
    }


def _get_reasoning_field(generation: Generation) -> str:
    return "reasoning" if is_new_kimi(generation.model.name) else "reasoning_content"


class ChatWriter:
    """Writes the chunks of a chat completion, or of a text completion."""

    def __init__(self, generation: Generation) -> None:
        name = generation.model.name
        self._generation = generation
        self._is_text = generation.form == "completion"
        self._begun: set[int] = set()
        self._head = _build_head(generation, ".chunk")
        self._increments = UsageIncrements(generation) if name == GLM_TRAILER else None
        self._reports_usage = not name.startswith(KIMI)
        self._sent = 0

    def feed(self, token: Token) -> Payloads:
        yield from self._begin(token.choice)
        if self._is_text:
            if token.text:
                yield self._chunk(token.choice, 1, {"text": token.text})
            return
        if token.reasoning:
            yield self._delta(token, 1, {_get_reasoning_field(self._generation): token.reasoning})
        if token.text:
            yield self._delta(token, 1, {"content": token.text})
        for part in token.tool_calls:
            if part.name:
                call = self._generation.choices[token.choice].calls[part.index]
                function = {"name": part.name, "arguments": ""}
                head = {"index": part.index, "id": call.id, "type": "function", "function": function}
                yield self._delta(token, 0, {"tool_calls": [head]})
            if part.arguments:
                fragment = {"index": part.index, "id": None, "function": {"arguments": part.arguments}}
                yield self._delta(token, 1, {"tool_calls": [fragment]})

    def end(self) -> Payloads:
        for index, choice in enumerate(self._generation.choices):
            yield from self._begin(index)
            yield self._chunk(index, 0, {"text": ""} if self._is_text else {"delta": {}}, choice.finish)
        usage = self._generation.usage(details=True)
        last: Payload = {**self._head, "choices": [], "usage": usage}
        is_openai = self._generation.includes_usage is not None
        has_trailer = self._increments is not None or not self._reports_usage
        if has_trailer:
            last["p"] = make_padding()
            if self._increments and not is_openai:
                # Zeros, as the chunks before were increments.
                last["usage"] = self._increments.count(0)
        if self._generation.includes_usage is not False:
            yield 0, last
        # The native event that GLM-5.3 Flash and Kimi send behind their chunks was seen on some route; on OpenAI's it
        # would break the clients, so what it counts stands in the last chunk instead.
        if has_trailer and not is_openai:
            yield 0, {"response": "", "usage": usage}

    def _begin(self, index: int) -> Payloads:
        if index not in self._begun and not self._is_text:
            self._begun.add(index)
            yield self._chunk(index, 0, {"delta": {"role": "assistant", "content": ""}})

    def _delta(self, token: Token, tokens: int, delta: Payload) -> tuple[int, Payload]:
        return self._chunk(token.choice, tokens, {"delta": delta})

    def _chunk(self, index: int, tokens: int, part: Payload, finish: str | None = None) -> tuple[int, Payload]:
        self._sent += tokens
        # GLM-5.3 Flash says "" where the others say null.
        finish = finish or ("" if self._increments else None)
        chunk = {**self._head, "choices": [{"index": index, **part, "logprobs": None, "finish_reason": finish}]}
        if self._generation.includes_usage is False:
            # UNCERTAIN: on OpenAI's route the service may tell it only if asked to.
            return tokens, chunk
        if self._increments:
            chunk["usage"] = self._increments.count(tokens)
        elif self._reports_usage and self._generation.prompt_tokens is not None:
            chunk["usage"] = count_usage(self._generation.prompt_tokens, self._sent)
        return tokens, chunk
