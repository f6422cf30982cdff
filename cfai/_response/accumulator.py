"""Accumulate what has arrived of one answer from its events, in every dialect the service speaks.

Workers AI has three dialects, and mixes them inside one stream: its own (`{"response": "Hel"}`), chunks of chat
completions, and the events of the Responses API. A gateway passes on a fourth, that of Anthropic's Messages API. An
`Accumulator` takes any of them, and a whole answer as one event.
It knows no errors and no end: a `Decoder` looks for those.
"""

from __future__ import annotations

from typing import Any, cast

from cfai._json import split_surrogate
from cfai._response.extract import (
    Delta,
    extract_block,
    extract_choice,
    extract_message,
    extract_native,
    extract_response,
    is_anthropic_message,
    is_responses_object,
    keep_raw_arguments,
    to_text,
    unwrap,
)
from cfai._response.thoughts import ThoughtSplitter
from cfai._response.tool_calls import ToolCallAccumulator
from cfai._response.usage import UsageAccumulator
from cfai.types import Token, ToolCall, ToolCallDelta, Usage

_NATIVE_KEYS = frozenset({"response", "usage", "tool_calls"})
_CHAT_CHUNK_KEYS = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"},
)
"""The keys of a plain event, native or a chunk. An event with any other goes the long way."""

_STREAMED_TEXTS = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "reasoning_summary_text": "text",
}
"""The parts of a Responses stream that are text, and the field in which the event at their end repeats it."""

_FINISH_REASONS = {
    "model_length": "length",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}
"""The names of chat completions for those of some engines, and of Anthropic."""

_MESSAGE_EVENTS = ("message_start", "content_block_start", "content_block_delta", "message_delta")
"""The events of the Messages API that say something: https://docs.anthropic.com/en/api/messages-streaming."""


class Accumulator:
    """An accumulator of one answer: all that has arrived of it. Made anew for each."""

    __slots__ = (
        "_calls",
        "_halves",
        "_reasonings",
        "_streamed_parts",
        "_texts",
        "_thoughts",
        "_thoughts_limit",
        "_usage",
        "finish_reasons",
        "first_chat_chunk",
        "has_native_text",
        "message_object",
        "response_object",
    )

    def __init__(self, *, thoughts_limit: float | None = None) -> None:
        self.has_native_text = False
        """True once the service's own dialect was seen in more than a trailer."""
        self.first_chat_chunk: dict[str, Any] | None = None
        """The first chunk of a chat completion, for what all its chunks repeat."""
        self.response_object: dict[str, Any] | None = None
        """The whole answer of the Responses API, where the stream held one."""
        self.message_object: dict[str, Any] | None = None
        """The answer of the Messages API, where the stream held one: all but its content."""
        self.finish_reasons: dict[int, str] = {}
        """The last finish reason of each choice that has one."""
        self._texts: dict[int, list[str]] = {0: []}
        self._reasonings: dict[int, list[str]] = {}
        self._calls: dict[int, ToolCallAccumulator] = {}
        self._usage: UsageAccumulator | None = None
        self._halves: dict[tuple[str, int], str] = {}
        """Halves of surrogate pairs that wait for the other, by channel (text or reasoning) and choice."""
        self._streamed_parts: set[tuple[Any, ...]] = set()
        """Parts of a Responses stream that came in pieces."""
        self._thoughts = None if thoughts_limit is None else ThoughtSplitter()
        self._thoughts_limit = thoughts_limit or 0
        """Tokens at which an answer that begins with thoughts is cut."""

    @classmethod
    def read(cls, body: Any, content: bytes, *, thoughts_limit: float | None = None) -> Accumulator:
        """Return what a whole JSON answer holds; `body` is decoded from `content`."""
        answer = cls(thoughts_limit=thoughts_limit)
        result = unwrap(body)
        # An escape may be half of a surrogate pair, which only the long way handles.
        is_plain = isinstance(result, dict) and b"\\u" not in content
        if not is_plain or answer.add_plain(cast("dict[str, Any]", result)) is None:
            answer.add_answer(cast("dict[str, Any]", body) if isinstance(body, dict) else {"response": body}, content)
            answer.flush()
        return answer

    @property
    def finish_reason(self) -> str | None:
        """The last finish reason of the first answer. A native stream seldom gives one."""
        return self.finish_reasons.get(0)

    @property
    def usage(self) -> Usage | None:
        """The whole call's tokens, as far as reported."""
        return None if self._usage is None else Usage.of(self._usage.total())

    @property
    def choices(self) -> list[int]:
        """The numbers of the answers seen, the first always among them."""
        return sorted({*self._texts, *self._reasonings, *self._calls, *self.finish_reasons})

    @property
    def is_finished(self) -> bool:
        """Return True if every answer seen has a finish reason."""
        return all(choice in self.finish_reasons for choice in self.choices)

    def get_text(self, choice: int) -> str:
        """Return the text of one answer so far."""
        return _join(self._texts.get(choice))

    def get_reasoning(self, choice: int) -> str:
        """Return the reasoning of one answer so far."""
        return _join(self._reasonings.get(choice))

    def get_tool_calls(self, choice: int) -> list[ToolCall]:
        """Return the tool calls of one answer so far."""
        return self._calls[choice].build_result() if choice in self._calls else []

    def add_plain(self, event: dict[str, Any]) -> Token | None:
        """Add an event that holds nothing but text, reasoning and usage, and return its token; `None` for any other.

        Streams consist of these, and most whole answers are one. Measured, the long way alone makes a token cost twice
        as much.
        """
        if self._halves or self._thoughts is not None:
            return None
        text: Any = event.get("response")
        reasoning: Any = ""
        finish_reason: Any = None
        if text.__class__ is str:
            if len(event) > 1 and (event.get("tool_calls") or not _NATIVE_KEYS.issuperset(event)):
                return None
            self.has_native_text = self.has_native_text or text != "" or self.first_chat_chunk is None
        else:
            choices: Any = event.get("choices")
            if text is not None or choices.__class__ is not list or len(choices) != 1:
                return None
            choice = choices[0]
            if choice.__class__ is not dict or choice.get("index") or not _CHAT_CHUNK_KEYS.issuperset(event):
                return None
            delta: Any = choice.get("delta")
            if delta.__class__ is not dict and not (self._texts[0] or self._reasonings):
                delta = choice.get("message")
            finish_reason = choice.get("finish_reason")
            if delta.__class__ is not dict or finish_reason not in (None, "stop", "length"):
                return None
            text = delta.get("content")
            if text is None or len(delta) != 1:
                # Reasoning; or the habit of some engines to send every field every time, most of them null.
                if not delta or delta.get("tool_calls") or delta.get("function_call") or delta.get("refusal"):
                    return None
                if "thought" in delta:
                    return None
                reasoning = delta.get("reasoning_content")
                if reasoning is None or reasoning == "":
                    reasoning = delta.get("reasoning")
                text, reasoning = "" if text is None else text, "" if reasoning is None else reasoning
            if text.__class__ is not str or reasoning.__class__ is not str or event.get("object") == "error":
                return None  # numbers, whose digits the long way keeps
            if reasoning:
                self._reasonings.setdefault(0, []).append(reasoning)
            if finish_reason:
                self.finish_reasons[0] = finish_reason
            if self.first_chat_chunk is None:
                self.first_chat_chunk = event
        if text:
            self._texts[0].append(text)
        if len(event) > 1 and (usage := event.get("usage")):
            self._add_usage(usage)
        return Token(text, event, reasoning, (), finish_reason)

    def add(self, event: dict[str, Any], data: bytes) -> list[Token]:
        """Add any event, and return its tokens; `data` is its JSON, for what decoding lost."""
        event_type = event.get("type")
        if event_type in _MESSAGE_EVENTS:
            return [self._add_message_event(event_type, event, data)]
        if not (isinstance(event_type, str) and event_type.startswith("response.")):
            return self.add_answer(event, data)
        token = self._add_response_event(event_type.removeprefix("response."), event, data)
        return [] if token is None else [token]

    def add_answer(self, event: dict[str, Any], data: bytes) -> list[Token]:
        """Add a native event, a chunk of a chat completion, or a whole answer of any dialect, and return its tokens."""
        path: tuple[str | int, ...] = ()
        result = unwrap(event)
        if result is not event:
            path = ("result",)
            event = cast("dict[str, Any]", result) if isinstance(result, dict) else {"response": result}
        if is_responses_object(event):
            return [self._add_response(event, event, data, path)]
        if is_anthropic_message(event):
            self._add_usage(event.get("usage"))
            return [self._add_delta(extract_message(event, data, path), 0, event)]
        self._add_usage(event.get("usage") or event.get("metrics"))
        choices: Any = event.get("choices")
        response = event.get("response")
        has_response = response is not None and response != ""
        if "response" in event and (has_response or (not choices and self.first_chat_chunk is None)):
            self.has_native_text = True
        if not isinstance(choices, list):
            choices = []
        elif self.first_chat_chunk is None:
            self.first_chat_chunk = event
        tokens: list[Token] = []
        for position, choice in enumerate(cast("list[Any]", choices)):
            if not isinstance(choice, dict):
                continue
            choice = cast("dict[str, Any]", choice)
            index = choice.get("index")
            number = index if isinstance(index, int) and not isinstance(index, bool) else 0
            delta = extract_choice(choice, data, (*path, "choices", position))
            if has_response and number == 0:
                delta = delta._replace(text="")  # an event of both dialects has its text twice
            if not choice.get("delta"):
                delta = self._without_repeats(delta, number)
            tokens.append(self._add_delta(delta, number, event))
        if not choices or "response" in event or "tool_calls" in event or "finish_reason" in event:
            self._add_native(tokens, event, data, path)
        return tokens

    def flush(self) -> list[Token]:
        """Return tokens for what was held back: a half of a character that never got its other half becomes U+FFFD."""
        tokens: list[Token] = []
        if self._thoughts is not None:
            is_over = self.usage is not None and self.usage.completion_tokens >= self._thoughts_limit
            for choice, held in self._thoughts.flush().items():
                is_cut = is_over or self.finish_reasons.get(choice) == "length"
                if is_cut or self._thoughts.is_open(choice):
                    delta = Delta(reasoning=held)
                else:  # they never ended, so they were none: they are the text
                    delta = Delta(_join(self._reasonings.pop(choice, [])) + held)
                tokens.append(self._add_delta(delta, choice, {}))
        if self._halves:
            halves, self._halves = self._halves, {}
            for channel, choice in halves:
                tokens.append(self._add_delta(Delta()._replace(**{channel: "\ufffd"}), choice, {}))
        return tokens

    def _without_repeats(self, delta: Delta, choice: int) -> Delta:
        """Return a message without what came in pieces before: some engines end with the whole answer again."""
        if not (delta.finish_reason or choice in self.finish_reasons):
            return delta
        return delta._replace(
            text=delta.text.removeprefix(self.get_text(choice)),
            reasoning=delta.reasoning.removeprefix(self.get_reasoning(choice)),
            tool_calls=[] if choice in self._calls else delta.tool_calls,
        )

    def _add_native(self, tokens: list[Token], event: dict[str, Any], data: bytes, path: tuple[str | int, ...]) -> None:
        """Add what stands at the top level of an event: a token of its own, or part of that of the first choice."""
        delta = extract_native(event, data, path)
        # The last token of the first choice, so that the text stays in order.
        token = next((token for token in reversed(tokens) if token.choice == 0), None)
        if token is None:
            tokens.append(self._add_delta(delta, 0, event))
            return
        added = self._add_delta(
            Delta(
                delta.text,
                "" if token.reasoning else delta.reasoning,
                [] if token.tool_calls else delta.tool_calls,
                None if token.finish_reason else delta.finish_reason,
            ),
            0,
            event,
        )
        token.text += added.text
        token.reasoning += added.reasoning
        token.tool_calls += added.tool_calls
        token.finish_reason = token.finish_reason or added.finish_reason

    def _add_delta(self, delta: Delta, choice: int, event: dict[str, Any]) -> Token:
        text, reasoning = delta.text, delta.reasoning
        if text and self._thoughts is not None:
            thoughts, text = self._thoughts.split(choice, text)
            reasoning += thoughts
        if text or self._halves:
            text = self._join_halves("text", choice, text)
            if text:
                self._texts.setdefault(choice, []).append(text)
        if reasoning or self._halves:
            reasoning = self._join_halves("reasoning", choice, reasoning)
            if reasoning:
                self._reasonings.setdefault(choice, []).append(reasoning)
        calls: tuple[ToolCallDelta, ...] = ()
        if delta.tool_calls:
            calls = self._calls.setdefault(choice, ToolCallAccumulator()).add(delta.tool_calls)
        reason = delta.finish_reason if isinstance(delta.finish_reason, str) and delta.finish_reason else None
        if reason is not None:
            self.finish_reasons[choice] = reason = _FINISH_REASONS.get(reason, reason)
        return Token(text, event, reasoning, calls, reason, choice)

    def _add_usage(self, report: Any) -> None:
        if report:
            self._usage = self._usage or UsageAccumulator()
            self._usage.add(report)

    def _join_halves(self, channel: str, choice: int, text: str) -> str:
        """Return `text` in whole characters. An emoji can be cut between two events, half a surrogate pair in each."""
        text, half = split_surrogate(self._halves.pop((channel, choice), "") + text)
        if half:
            self._halves[channel, choice] = half
        return text

    # The Messages API.

    def _add_message_event(self, event_type: str, event: dict[str, Any], data: bytes) -> Token:
        key = {"message_start": "message", "content_block_start": "content_block"}.get(event_type, "delta")
        value: Any = event.get(key)
        part = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if not event_type.startswith("message"):
            return self._add_delta(extract_block(part, data, (key,), event.get("index")), 0, event)
        self.message_object = {**(self.message_object or {}), **part}
        usage: Any = part.get("usage") or event.get("usage")
        if isinstance(usage, dict):
            # The first report counts the prompt, each further one the answer so far.
            self._add_usage({**(self.usage.raw if self.usage else {}), **cast("dict[str, Any]", usage)})
        return self._add_delta(Delta(finish_reason=part.get("stop_reason")), 0, event)

    # The Responses API.

    def _add_response_event(self, event_type: str, event: dict[str, Any], data: bytes) -> Token | None:
        part, _, step = event_type.rpartition(".")
        index = event.get("output_index")
        index = index if isinstance(index, int) else 0
        if part in _STREAMED_TEXTS and step in ("delta", "done"):
            return self._add_streamed_text(part, step, event, data)
        if part == "function_call_arguments" and (step == "delta" or self._is_missing_call(index)):
            key = "delta" if step == "delta" else "arguments"
            call = {"index": index, "arguments": to_text(event.get(key), data, (key,))}
            return self._add_delta(Delta(tool_calls=[call]), 0, event)
        if part == "output_item" and (step == "added" or self._is_missing_call(index)):
            item: Any = event.get("item")
            if isinstance(item, dict) and cast("dict[str, Any]", item).get("type") == "function_call":
                call = keep_raw_arguments({**cast("dict[str, Any]", item), "index": index}, data, ("item",))
                return self._add_delta(Delta(tool_calls=[call]), 0, event)
        if event_type in ("completed", "incomplete"):
            answer: Any = event.get("response")
            answer = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
            return self._add_response(answer, event, data, ("response",))
        return None

    def _add_streamed_text(self, part: str, step: str, event: dict[str, Any], data: bytes) -> Token | None:
        """Add a piece of a text, or at its end the whole, which counts if no pieces of it came."""
        indexes = [event.get(name) for name in ("output_index", "content_index", "summary_index")]
        place = (part, *(index if isinstance(index, int) else None for index in indexes))
        if step == "delta":
            key = "delta"
            self._streamed_parts.add(place)
        elif place in self._streamed_parts or (part, None, None, None) in self._streamed_parts:
            return None
        else:
            key = _STREAMED_TEXTS[part]
        text = to_text(event.get(key), data, (key,))
        delta = Delta(reasoning=text) if part.startswith("reasoning") else Delta(text)
        return self._add_delta(delta, 0, event)

    def _is_missing_call(self, index: int) -> bool:
        return 0 not in self._calls or self._calls[0].is_missing(index)

    def _add_response(
        self, answer: dict[str, Any], event: dict[str, Any], data: bytes, path: tuple[str | int, ...]
    ) -> Token:
        """Add an answer as a whole, of which only what was not streamed before becomes a token."""
        self.response_object = answer
        self._add_usage(answer.get("usage"))
        delta = extract_response(answer, data, path)
        has_calls = bool(delta.tool_calls or self._calls)
        return self._add_delta(
            Delta(
                _select_unstreamed(delta.text, self.get_text(0)),
                _select_unstreamed(delta.reasoning, self.get_reasoning(0)),
                self._calls[0].select_missing(delta.tool_calls) if 0 in self._calls else delta.tool_calls,
                "tool_calls" if has_calls and delta.finish_reason == "stop" else delta.finish_reason,
            ),
            0,
            event,
        )


def _select_unstreamed(text: str, streamed: str) -> str:
    """Return what a whole text has beyond the part that was streamed; nothing if that is another text."""
    return text.removeprefix(streamed) if text.startswith(streamed) else ""


def _join(parts: list[str] | None) -> str:
    """Return the parts as one string, which then takes their place."""
    if not parts:
        return ""
    if len(parts) > 1:
        parts[:] = ["".join(parts)]
    return parts[0]
