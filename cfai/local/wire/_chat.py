"""Chat completions and text completions, as OpenAI's API has them."""

from __future__ import annotations

import time

from cfai.local.wire._generation import (
    GLM_TRAILER,
    KIMI,
    GeneratedChoice,
    Generation,
    Payload,
    Payloads,
    UsageIncrements,
    count_usage,
    new_id,
    reasoning_field,
    to_openai_call,
)
from cfai.local.wire._native import make_padding
from cfai.types import Token


def build_completion(generation: Generation) -> Payload:
    """Return an answer that does not stream."""
    choices = [
        {"index": index, **_build_content(generation, choice), "finish_reason": choice.finish, "logprobs": None}
        for index, choice in enumerate(generation.choices)
    ]
    return {**_build_head(generation), "choices": choices, "usage": generation.usage(details=True)}


def _build_content(generation: Generation, choice: GeneratedChoice) -> Payload:
    text = "".join(choice.text)
    if generation.form == "completion":
        return {"text": text}
    message: Payload = {"role": "assistant", "content": text or None}
    if choice.reasoning:
        message[reasoning_field(generation.model)] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [to_openai_call(call) for call in choice.calls]
    return {"message": message}


def _build_head(generation: Generation, suffix: str = "") -> Payload:
    is_text = generation.form == "completion"
    return {
        "id": new_id("cmpl-" if is_text else "chatcmpl-"),
        "object": "text_completion" if is_text else f"chat.completion{suffix}",
        "created": int(time.time()),
        "model": generation.model.name,
    }


class ChatWriter:
    """Writes the chunks of a chat completion, or of a text completion."""

    def __init__(self, generation: Generation) -> None:
        name = generation.model.name
        self._generation = generation
        self._is_text = generation.form == "completion"
        self._begun: set[int] = set()
        self._head = _build_head(generation, ".chunk")
        # GLM-5.3 Flash says "" where the others say null.
        self._unfinished = "" if name == GLM_TRAILER else None
        self._increments = UsageIncrements(generation) if name == GLM_TRAILER else None
        self._reports_usage = not name.startswith(KIMI)
        self._sent = 0

    def feed(self, token: Token) -> Payloads:
        yield from self._begin(token.choice)
        if self._is_text:
            if token.text:
                yield self._chunk(token.choice, 1, {"text": token.text})
            return
        for tokens, delta in self._list_deltas(token):
            yield self._chunk(token.choice, tokens, {"delta": delta})

    def end(self) -> Payloads:
        for index, choice in enumerate(self._generation.choices):
            yield from self._begin(index)
            yield self._chunk(index, 0, {"text": ""} if self._is_text else {"delta": {}}, choice.finish)
        usage = self._generation.usage(details=True)
        if self._increments is None and self._reports_usage:
            yield 0, {**self._head, "choices": [], "usage": usage}
            return
        # Zeros where the chunks before were increments.
        last = self._increments.count(0) if self._increments else usage
        yield 0, {**self._head, "choices": [], "usage": last, "p": make_padding()}
        yield 0, {"response": "", "usage": usage}

    def _begin(self, index: int) -> Payloads:
        if index not in self._begun and not self._is_text:
            self._begun.add(index)
            yield self._chunk(index, 0, {"delta": {"role": "assistant", "content": ""}})

    def _list_deltas(self, token: Token) -> Payloads:
        if token.reasoning:
            yield 1, {reasoning_field(self._generation.model): token.reasoning}
        if token.text:
            yield 1, {"content": token.text}
        for part in token.tool_calls:
            if part.name:
                call = self._generation.choices[token.choice].calls[part.index]
                function = {"name": part.name, "arguments": ""}
                yield (
                    0,
                    {"tool_calls": [{"index": part.index, "id": call.id, "type": "function", "function": function}]},
                )
            if part.arguments:
                function = {"arguments": part.arguments}
                yield 1, {"tool_calls": [{"index": part.index, "id": None, "function": function}]}

    def _chunk(self, index: int, tokens: int, part: Payload, finish: str | None = None) -> tuple[int, Payload]:
        entry = {"index": index, **part, "logprobs": None, "finish_reason": finish or self._unfinished}
        return tokens, {**self._head, "choices": [entry], **self._report_usage(tokens)}

    def _report_usage(self, tokens: int) -> Payload:
        """Return the `usage` entry of a chunk, if it has one."""
        self._sent += tokens
        if self._increments:
            return {"usage": self._increments.count(tokens)}
        prompt = self._generation.prompt_tokens
        return {"usage": count_usage(prompt, self._sent)} if self._reports_usage and prompt is not None else {}
