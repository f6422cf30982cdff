"""What an answer comes to: its events, as JSON, to typed tokens, in every dialect the service speaks.

Workers AI has three dialects, and mixes them inside one stream: its own (`{"response": "Hel"}`), chunks of chat
completions, and the events of the Responses API. `Answer` takes any of them, a whole answer included: an answer that
came as JSON is a stream of one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from cfai._errors import StreamError, StreamTruncatedError
from cfai._json import compact, split_surrogate
from cfai._response.errors import ErrorBody, hide, parse_error_body, stream_error
from cfai._response.extract import (
    call_of,
    calls_of,
    finish_of,
    loose_text,
    output_of,
    reasoning_of,
    reports_error,
    text_of,
    to_text,
)
from cfai._response.tool_calls import ToolCallAccumulator, UsageAccumulator
from cfai.types import Token, ToolCall, ToolCallDelta, Usage

ENVELOPE = frozenset({"result", "success", "errors", "messages", "result_info"})
"""The keys of the wrapper around a result. An object with any other key is a result itself."""

_SPOKEN = {
    "output_text": ("text", "text"),
    "refusal": ("text", "refusal"),
    "reasoning_text": ("reasoning", "text"),
    "reasoning_summary_text": ("reasoning", "text"),
}
"""What the parts of a Responses stream say, and the field in which the event at their end repeats it."""
_FINISH = {"model_length": "length"}


class Answer:
    """What has arrived of one answer. Made anew for each."""

    __slots__ = (
        "_at_end",
        "_broken",
        "_calls",
        "_failure",
        "_halves",
        "_is_stream",
        "_open",
        "_plain",
        "_reasonings",
        "_tally",
        "_texts",
        "chat",
        "done",
        "finish_reasons",
        "model",
        "native",
        "payload",
        "request_id",
        "secrets",
    )

    def __init__(self, model: str = "", request_id: str | None = None, secrets: Iterable[str] = ()) -> None:
        self.model = model
        self.request_id = request_id
        self.secrets = secrets
        self.done = False
        """Whether `[DONE]`, or the last event of the Responses API, was seen."""
        self.native = False
        """Whether the service's own dialect was seen in more than a trailer."""
        self.chat: dict[str, Any] | None = None
        """The first chunk of a chat completion, for what all its chunks repeat."""
        self.payload: dict[str, Any] | None = None
        """The whole answer, where the stream held one: JSON, or the last event of the Responses API."""
        self.finish_reasons: dict[int, str] = {}
        self._texts: dict[int, list[str]] = {0: []}
        self._reasonings: dict[int, list[str]] = {}
        self._calls: dict[int, ToolCallAccumulator] = {}
        self._tally = UsageAccumulator()
        self._halves: dict[tuple[str, int], str] = {}
        self._open: set[tuple[Any, ...]] = set()
        self._is_stream = False
        self._failure: StreamError | None = None
        self._broken = False
        self._at_end = False
        self._plain = True
        """False once anything asks for the long way: half a character waits, a failure waits, the end was seen."""

    def check(self) -> None:
        """Raises if the stream is not whole: a failure was reported, or it ended before the answer did."""
        self._raise_failure()
        if not self.is_whole:
            raise self.fail(StreamTruncatedError("the stream ended with neither [DONE] nor a finish reason"))

    def fail(self, error: StreamError) -> StreamError:
        """`error`, with what had arrived; usage is unknown from here on."""
        hide(error, self.secrets)
        error.partial = self.text
        error.model = self.model or None
        error.request_id = self.request_id
        self._failure = error
        self._broken = True
        self._plain = False
        return error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._failure.partial = self.text
            raise self._failure

    @property
    def is_whole(self) -> bool:
        """Whether the end was seen, or a finish reason for every answer."""
        return self.done or all(choice in self.finish_reasons for choice in self.choices)

    @property
    def failure(self) -> StreamError | None:
        """What broke the stream, if anything did."""
        return self._failure

    @property
    def text(self) -> str:
        """The text so far; of the first answer, where several were asked for."""
        return self.text_of(0)

    def text_of(self, choice: int) -> str:
        return _joined(self._texts.get(choice))

    def reasoning_of(self, choice: int) -> str:
        return _joined(self._reasonings.get(choice))

    def tool_calls_of(self, choice: int) -> list[ToolCall]:
        return self._calls[choice].whole() if choice in self._calls else []

    @property
    def finish_reason(self) -> str | None:
        """The last reason that was given. A native stream gives none."""
        return self.finish_reasons.get(0)

    @property
    def usage(self) -> Usage | None:
        """The whole call's tokens as far as reported, or `None`: also once the stream broke."""
        return None if self._broken else Usage.of(self._tally.total())

    @property
    def choices(self) -> list[int]:
        """Which answers the stream had."""
        return sorted({*self._texts, *self._reasonings, *self._calls, *self.finish_reasons})

    def feed_object(self, event: Any, data: bytes) -> Token | list[Token] | None:
        """The same of an event that is decoded already; `data` is its JSON, for what decoding lost."""
        if not isinstance(event, dict):
            if self._at_end:
                return None
            raise self.fail(StreamError(f"an event of the stream is no object: {compact(event)[:200]}", body=event))
        event = cast("dict[str, Any]", event)
        event.pop("p", None)
        kind = event.get("type")
        if reports_error(event):
            raise self._reported(event)
        if isinstance(kind, str) and kind.startswith("response."):
            return self._responses(kind, event, data)
        return self.read(event, data)

    def read(self, event: dict[str, Any], data: bytes) -> Token | list[Token] | None:
        """The same of an event, or of a whole answer, that is known to report no error."""
        path: tuple[Any, ...] = ()
        if "result" in event and event.keys() <= ENVELOPE:
            path = ("result",)
            inner = event["result"]
            event = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {"response": inner}
        if event.get("object") == "response" and isinstance(event.get("output"), list):
            if event.get("status") == "failed":
                raise self._reported(event)
            return self._whole_response(event, event, data, path)
        return self._native_or_chat(event, data, path)

    def _native_or_chat(self, event: dict[str, Any], data: bytes, path: tuple[Any, ...]) -> Token | list[Token] | None:
        self._tally.add(event.get("usage") or event.get("metrics"))
        choices = event.get("choices")
        response = event.get("response")
        dual = response is not None and response != ""
        if "response" in event and (dual or (not choices and self.chat is None)):
            self.native = True
        if not isinstance(choices, list):
            choices = []
        elif self.chat is None:
            self.chat = event
        tokens = [
            self._choice(event, cast("dict[str, Any]", item), data, (*path, "choices", position), skip_text=dual)
            for position, item in enumerate(cast("list[Any]", choices))
            if isinstance(item, dict)
        ]
        if not choices or "response" in event or "tool_calls" in event or "finish_reason" in event:
            self._merge_native(tokens, event, data, (*path, "response"))
        return tokens[0] if len(tokens) == 1 else tokens or None

    def _merge_native(self, tokens: list[Token], event: dict[str, Any], data: bytes, path: tuple[Any, ...]) -> None:
        """What stands at the top level of an event: all of it, or beside the choices of a dual one."""
        # The last, so that what is put to it comes last in the text as well.
        beside = next((token for token in reversed(tokens) if token.choice == 0), None)
        token = self._token(
            event,
            0,
            text=to_text(event["response"] if "response" in event else loose_text(event), data, path),
            reasoning=reasoning_of(event, data, path[:-1]) if not (beside and beside.reasoning) else "",
            tool_calls=calls_of(event.get("tool_calls"), data, (*path[:-1], "tool_calls"))
            if not (beside and beside.tool_calls)
            else [],
            finish_reason=event.get("finish_reason") if not (beside and beside.finish_reason) else None,
        )
        if beside is None:
            tokens.append(token)
            return
        beside.text += token.text
        beside.reasoning += token.reasoning
        beside.tool_calls += token.tool_calls
        beside.finish_reason = beside.finish_reason or token.finish_reason

    def _choice(
        self, event: dict[str, Any], choice: dict[str, Any], data: bytes, path: tuple[Any, ...], *, skip_text: bool
    ) -> Token:
        key = "delta" if isinstance(choice.get("delta"), dict) else "message"
        said = choice.get(key)
        part = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
        index = choice.get("index")
        number = index if isinstance(index, int) else 0
        text = ""
        if not (skip_text and number == 0):
            text = text_of(part, data, (*path, key)) if part else to_text(choice.get("text"), data, (*path, "text"))
        reasoning = reasoning_of(part, data, (*path, key))
        calls = calls_of(part.get("tool_calls"), data, (*path, key, "tool_calls"))
        if not calls and "function_call" in part:
            # One call under a name of its own is the older form, which finishes with `function_call`.
            calls = [call_of(part["function_call"], data, (*path, key, "function_call"))]
        finish_reason = choice.get("finish_reason")
        if key == "message" and (finish_reason or number in self.finish_reasons):
            # The whole answer again, after its pieces.
            text = text.removeprefix(self.text_of(number))
            reasoning = reasoning.removeprefix(self.reasoning_of(number))
            calls = [] if number in self._calls else calls
        return self._token(event, number, text=text, reasoning=reasoning, tool_calls=calls, finish_reason=finish_reason)

    def _token(
        self,
        event: dict[str, Any],
        choice: int,
        *,
        text: str = "",
        reasoning: str = "",
        tool_calls: Sequence[Any] = (),
        finish_reason: Any = None,
    ) -> Token:
        if text or self._halves:
            text = self._characters("text", choice, text)
            if text:
                self._texts.setdefault(choice, []).append(text)
        if reasoning or self._halves:
            reasoning = self._characters("reasoning", choice, reasoning)
            if reasoning:
                self._reasonings.setdefault(choice, []).append(reasoning)
        deltas: tuple[ToolCallDelta, ...] = ()
        if tool_calls:
            deltas = self._calls.setdefault(choice, ToolCallAccumulator()).add(tool_calls)
        reason = _FINISH.get(finish_reason, finish_reason) if isinstance(finish_reason, str) and finish_reason else None
        if reason is not None:
            self.finish_reasons[choice] = reason
            if reason == "error":
                said = parse_error_body(event).message if event.keys() & {"message", "detail"} else ""
                self.fail(stream_error("the model stopped with an error", ErrorBody(said), event))
                self._broken = self._is_stream  # an answer that came whole has its usage
        return Token(text, event, reasoning, deltas, reason, choice)

    def _characters(self, kind: str, choice: int, text: str) -> str:
        """`text` in whole characters. An emoji can be cut between two events, half a surrogate pair in each."""
        text, half = split_surrogate(self._halves.pop((kind, choice), "") + text)
        if half:
            self._halves[kind, choice] = half
            self._plain = False
        elif not self._halves and not self.done and self._failure is None:
            self._plain = True
        return text

    # The Responses API.

    def _responses(self, kind: str, event: dict[str, Any], data: bytes) -> Token | None:
        part, _, step = kind.removeprefix("response.").rpartition(".")
        if part in _SPOKEN and step in ("delta", "done"):
            return self._spoken(part, step, event, data)
        if part == "function_call_arguments" and (step == "delta" or self._lacks(_slot(event))):
            key = "delta" if step == "delta" else "arguments"
            arguments = to_text(event.get(key), data, (key,))
            return self._token(event, 0, tool_calls=[{"index": _slot(event), "arguments": arguments}])
        if part == "output_item" and (step == "added" or self._lacks(_slot(event))):
            item: Any = event.get("item")
            if isinstance(item, dict) and cast("dict[str, Any]", item).get("type") == "function_call":
                call = call_of({**cast("dict[str, Any]", item), "index": _slot(event)}, data, ("item",))
                return self._token(event, 0, tool_calls=[call])
        payload = event.get("response")
        if kind == "response.failed":
            raise self._reported(payload if isinstance(payload, dict) else event)
        if kind in ("response.completed", "response.incomplete"):
            answer = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
            token = self._whole_response(answer, event, data, ("response",))
            self._end()
            return token
        return None

    def _spoken(self, part: str, step: str, event: dict[str, Any], data: bytes) -> Token | None:
        """Text, a refusal or reasoning: a piece of it, or all of a part, which counts if no pieces of it came."""
        kind, key = _SPOKEN[part]
        indexes = [event.get(name) for name in ("output_index", "content_index", "summary_index")]
        place = (part, *(index if isinstance(index, int) else None for index in indexes))
        if step == "delta":
            key = "delta"
            self._open.add(place)
        elif place in self._open or (part, None, None, None) in self._open:
            return None
        said = to_text(event.get(key), data, (key,))
        return self._token(event, 0, text=said) if kind == "text" else self._token(event, 0, reasoning=said)

    def _lacks(self, index: int) -> bool:
        return 0 not in self._calls or self._calls[0].lacks(index)

    def _whole_response(
        self, answer: dict[str, Any], event: dict[str, Any], data: bytes, path: tuple[Any, ...]
    ) -> Token:
        """The answer as a whole, of which only what was not streamed before becomes a token."""
        self.payload = answer
        self._tally.add(answer.get("usage"))
        text, reasoning, calls = output_of(answer, data, path)
        reason = finish_of(answer, bool(calls or self._calls))
        return self._token(
            event,
            0,
            text="" if self._texts[0] else text,
            reasoning="" if self._reasonings else reasoning,
            tool_calls=self._calls[0].missing(calls) if 0 in self._calls else calls,
            finish_reason=reason,
        )

    def _reported(self, event: Any) -> StreamError:
        opening = "the service reported an error inside the stream"
        return self.fail(stream_error(opening, parse_error_body(event), event))

    def _end(self) -> None:
        self.done = True
        self._plain = False


def as_list(tokens: Token | list[Token] | None) -> list[Token]:
    """What one block or event came to, as a list."""
    return tokens if isinstance(tokens, list) else [] if tokens is None else [tokens]


def _joined(parts: list[str] | None) -> str:
    if not parts:
        return ""
    if len(parts) > 1:
        parts[:] = ["".join(parts)]
    return parts[0]


def _slot(event: dict[str, Any]) -> int:
    index = event.get("output_index")
    return index if isinstance(index, int) else 0
