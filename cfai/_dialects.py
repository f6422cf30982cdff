"""Events to typed tokens, in every shape the service sends.

Workers AI has three dialects, and mixes them inside one stream: its own (`{"response": "Hel"}`), chunks of chat
completions, and the events of the Responses API. `TokenDecoder` takes any of them, a whole answer included: an answer
that came as JSON is a stream of one event. It knows nothing of who feeds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from pydantic_core import from_json

from cfai._errors import StreamError, StreamTruncatedError, hide, parsed, problem_in
from cfai._json import carried, compact, loads
from cfai._pieces import Tally, ToolCalls
from cfai._repeats import Repeat, repeat_of
from cfai._shapes import (
    call_of,
    calls_of,
    finish_of,
    loose_text,
    output_of,
    reasoning_of,
    reports_error,
    text_of,
    words_of,
)
from cfai._sse import fields
from cfai.types import Token, ToolCall, ToolCallDelta, Usage

ENVELOPE = frozenset({"result", "success", "errors", "messages", "result_info"})
"""The keys of the wrapper around a result. An object with any other key is a result itself."""

_DONE = b"[DONE]"
END_MARK = b"data: " + _DONE
"""The block that ends a stream."""
_UNREADABLE = object()
_CHUNK = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
"""What stands in a chunk of a chat completion as a rule. Any other key sends it the long way."""

_SPOKEN = {
    "output_text": ("text", "text"),
    "refusal": ("text", "refusal"),
    "reasoning_text": ("reasoning", "text"),
    "reasoning_summary_text": ("reasoning", "text"),
}
"""What the parts of a Responses stream say, and the field in which the event at their end repeats it."""
_MOST_LOOSE = 10_000
"""How many lines that are no fields of events are kept, in case that they are an answer."""
_MOST_UNLIKE = 20
"""How many plain chunks that are unlike the ones before are compared with those to come."""
_FINISH = {"model_length": "length"}


class TokenDecoder:
    """Decodes one stream, and remembers what it came to. Made anew for each stream."""

    __slots__ = (
        "_at_end",
        "_broken",
        "_calls",
        "_created",
        "_failure",
        "_halves",
        "_is_stream",
        "_loose",
        "_open",
        "_plain",
        "_reasonings",
        "_repeat",
        "_tally",
        "_texts",
        "_unlike",
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
        self._calls: dict[int, ToolCalls] = {}
        self._tally = Tally()
        self._halves: dict[tuple[str, int], str] = {}
        self._open: set[tuple[Any, ...]] = set()
        self._loose: list[bytes] = []
        self._is_stream = False
        self._failure: StreamError | None = None
        self._broken = False
        self._at_end = False
        self._repeat: Repeat | None = None
        self._unlike = 0
        self._plain = True
        # False once anything asks for the long way: half a character waits, a failure waits, the end was seen.

    def feed(self, block: bytes) -> Token | list[Token] | None:
        """What one block of the stream says: a token, several (`n > 1`), or nothing."""
        if block[:6] == b"data: " and 10 not in block:
            self._is_stream = True
            data = block[6:]
        else:
            return self._feed_fields(block)
        if not self._plain:
            return self._feed_data(data)
        repeat = self._repeat
        if repeat is not None and block.startswith(repeat.head):
            text = repeat.text_in(block)
            if text:
                return self._repeated(text, data, repeat)
        try:
            event: Any = from_json(data)
        except ValueError:
            return self._feed_odd(data)
        # The events that streams mostly consist of go straight through; measured, this saves up to three quarters.
        if event.__class__ is dict:
            event.pop("p", None)
            text = event.get("response")
            if text.__class__ is str:
                if len(event) == 1 or self._is_plain(event, text):
                    if text:
                        self._texts[0].append(text)
                    self.native = self.native or text != "" or self.chat is None
                    return Token(text, event)
            else:
                token = self._plain_chunk(event)
                if token is not None:
                    if self.chat is None:
                        self.chat = event
                    if self._unlike < _MOST_UNLIKE:
                        self._learn(block, token)
                    return token
        return self.feed_object(event, data)

    def _repeated(self, text: str, data: bytes, repeat: Repeat) -> Token:
        if repeat.is_reasoning:
            self._reasonings.setdefault(0, []).append(text)
            return Token("", data, text)
        self._texts[0].append(text)
        return Token(text, data)

    def _learn(self, block: bytes, token: Token) -> None:
        """Takes a plain chunk for one that others will repeat. What counts usage is to be read each time."""
        if token.raw.get("usage") or not (token.text or token.reasoning):
            return
        if not token.reasoning:
            repeat = repeat_of(block, "content", token.text)
        elif not token.text:
            key = "reasoning_content" if b'"reasoning_content"' in block else "reasoning"
            repeat = repeat_of(block, key, token.reasoning)
        else:
            return
        if repeat is not None and repeat != self._repeat:
            self._repeat = repeat
            self._unlike += 1

    def _is_plain(self, event: dict[str, Any], text: str) -> bool:
        """Whether a native event has nothing beside its text but usage, and an empty list of tool calls."""
        usage = event.get("usage")
        if len(event) != 1 + (usage.__class__ is dict) + (event.get("tool_calls") == []):
            return False
        if usage:
            if not text:
                return False  # perhaps only a trailer
            self._tally.add(usage)
        return True

    def _plain_chunk(self, event: dict[str, Any]) -> Token | None:
        """The token of a chunk that has nothing but text, reasoning and usage; `None` sends the chunk the long way."""
        choices: Any = event.get("choices")
        if choices.__class__ is not list or len(choices) != 1:
            return None
        if not _CHUNK.issuperset(event) or event.get("object") == "error":
            return None
        choice = choices[0]
        delta: Any = choice.get("delta") if choice.__class__ is dict else None
        if delta.__class__ is not dict or choice.get("index") or choice.get("finish_reason"):
            return None
        text = delta.get("content")
        thought = ""
        if text is None or len(delta) != 1:
            # Reasoning; or the habit of some engines to send every field every time, most of them null.
            if not delta or delta.get("tool_calls") or delta.get("function_call") or delta.get("refusal"):
                return None
            thought = delta.get("reasoning_content")
            if thought is None or thought == "":
                thought = delta.get("reasoning")
            if thought is None:
                thought = ""
            if text is None:
                text = ""
        if text.__class__ is not str or thought.__class__ is not str:
            return None
        usage = event.get("usage")
        if usage:
            self._tally.add(usage)
        if text:
            self._texts[0].append(text)
        if thought:
            self._reasonings.setdefault(0, []).append(thought)
        return Token(text, event, thought)

    def finish(self, rest: bytes) -> list[Token]:
        """The tokens in what no blank line ended, and half a character that never got its other half."""
        tokens: list[Token] = []
        # Behind the end mark nothing is cut off.
        self._at_end = not before_end(rest)[1]
        if rest.strip(b"\n"):
            token = self.feed(rest)
            tokens += token if isinstance(token, list) else [token] if token else []
        if self._loose and not self._is_stream and not self.done:
            token = self._feed_loose(b"\n".join(self._loose))
            tokens += token if isinstance(token, list) else [token] if token else []
        for kind, choice in list(self._halves):
            del self._halves[kind, choice]
            tokens.append(self._token({}, choice, **{kind: "\ufffd"}))
        return tokens

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

    def ends_with(self, line: bytes) -> bool:
        """Whether `line`, which no blank line has ended yet, is the end mark all the same."""
        return line.removeprefix(b"data:").strip() == _DONE

    @property
    def choices(self) -> list[int]:
        """Which answers the stream had."""
        return sorted({*self._texts, *self._reasonings, *self._calls, *self.finish_reasons})

    # From block to JSON.

    def _feed_fields(self, block: bytes) -> Token | list[Token] | None:
        block, ended = before_end(block)
        found = fields(block)
        token = None
        if found.data is not None:
            data = b"\n".join(found.data)
            if found.event == b"error" and not self.done:
                raise self._reported(parsed(data))
            token = self._feed_data(data)
        elif found.other and not self._is_stream and len(self._loose) < _MOST_LOOSE:
            self._loose += found.other
        if ended and not self.done:
            if token is None:
                self._raise_failure()
            self._end()  # what this block says is given first, and `check` raises
        return token

    def _feed_data(self, data: bytes) -> Token | list[Token] | None:
        self._is_stream = True
        if self.done:
            return None
        self._raise_failure()
        try:
            event = from_json(data)
        except ValueError:
            return self._feed_odd(data)
        return self.feed_object(event, data)

    def _feed_odd(self, data: bytes) -> Token | list[Token] | None:
        """What the fast decoder refuses: the end mark, nothing, half a surrogate pair, bad UTF-8, or no JSON."""
        stripped = data.strip()
        if stripped == _DONE:
            self._end()
            return None
        if not stripped:
            return None
        event = _loaded(data)
        if event is _UNREADABLE:
            if lines := lone_lines(stripped, self._at_end):
                return self._feed_lines(lines)
            if self._at_end:
                return None  # cut in the middle of an event: a truncation, and `check` says so
            text = data[:200].decode("utf-8", "replace")
            raise self.fail(StreamError(f"an event of the stream is no JSON: {text!r}", body=text))
        return self.feed_object(event, data)

    def _feed_lines(self, lines: list[bytes]) -> list[Token]:
        tokens: list[Token] = []
        for line in lines:
            try:
                token = self._feed_data(line)
            except StreamError:
                if not tokens:
                    raise
                # What came before it is given first; `check` raises it.
                self._end()
                return tokens
            tokens += token if isinstance(token, list) else [token] if token else []
        return tokens

    def _feed_loose(self, data: bytes) -> Token | list[Token] | None:
        """A body that has no events: an answer, or an error, that came as JSON under the wrong content type."""
        event = _loaded(data)
        if not isinstance(event, dict):
            return None
        token = self.feed_object(event, data)
        self._end()
        return token

    def _end(self) -> None:
        self.done = True
        self._plain = False

    # From JSON to tokens.

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
            text=words_of(event["response"] if "response" in event else loose_text(event), data, path),
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
            text = text_of(part, data, (*path, key)) if part else words_of(choice.get("text"), data, (*path, "text"))
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
            deltas = self._calls.setdefault(choice, ToolCalls()).add(tool_calls)
        reason = _FINISH.get(finish_reason, finish_reason) if isinstance(finish_reason, str) and finish_reason else None
        if reason is not None:
            self.finish_reasons[choice] = reason
            if reason == "error":
                said = problem_in(event).message if event.keys() & {"message", "detail"} else ""
                self.fail(StreamError(f"the model stopped with an error: {said or 'no reason given'}", body=event))
                self._broken = self._is_stream  # an answer that came whole has its usage
        return Token(text, event, reasoning, deltas, reason, choice)

    def _characters(self, kind: str, choice: int, text: str) -> str:
        """`text` in whole characters. An emoji can be cut between two events, half a surrogate pair in each."""
        text, half = carried(self._halves.pop((kind, choice), "") + text)
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
            arguments = words_of(event.get(key), data, (key,))
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
        said = words_of(event.get(key), data, (key,))
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
        problem = problem_in(event)
        code = f"{problem.code}: " if problem.code is not None else ""
        said = problem.message or "no reason given"
        return self.fail(
            StreamError(f"the service reported an error inside the stream: {code}{said}", code=problem.code, body=event)
        )


def lone_lines(data: bytes, at_end: bool = False) -> list[bytes]:
    """The lines of an event's data if each is an event of its own, with no blank line between them.

    At the end of a body the last line may be cut off, and is left out.
    """
    lines = data.strip().split(b"\n")
    if at_end and not is_object(lines[-1]):
        del lines[-1]
    elif len(lines) == 1:
        return []
    return lines if all(map(is_object, lines)) else []


def is_object(data: bytes) -> bool:
    """Whether `data` is a JSON object, as all events are but the end mark."""
    return isinstance(_loaded(data), dict)


def before_end(block: bytes) -> tuple[bytes, bool]:
    """What stands in a block before the end mark, a line of its own with `data:` or bare, and whether there is one."""
    if _DONE in block:
        lines = block.split(b"\n")
        for position, line in enumerate(lines):
            if line.removeprefix(b"data:").strip() == _DONE:
                return b"\n".join(lines[:position]), True
    return block, False


def _loaded(data: bytes) -> Any:
    # Raised from inside `except`, an error would carry the decoder's, and with it the whole text.
    try:
        return loads(data)
    except ValueError:
        return _UNREADABLE


def _joined(parts: list[str] | None) -> str:
    if not parts:
        return ""
    if len(parts) > 1:
        parts[:] = ["".join(parts)]
    return parts[0]


def _slot(event: dict[str, Any]) -> int:
    index = event.get("output_index")
    return index if isinstance(index, int) else 0
