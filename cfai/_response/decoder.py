"""The decoder of a stream: finds the JSON in each block, the errors and the end, and gives typed tokens.

Blocks come from an `EventSplitter`, what they add up to is an `Accumulator`. The decoder knows nothing of who feeds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic_core import from_json

from cfai._errors import StreamError, StreamTruncatedError
from cfai._json import as_sequence, is_mapping, loads, to_compact_json
from cfai._response.accumulator import Accumulator
from cfai._response.error_body import ErrorBody, parse_body, parse_error_body, redact, redact_json
from cfai._response.errors import build_stream_error
from cfai._response.extract import find_event_error
from cfai._response.sse import parse_fields
from cfai.types import Token, Usage

_DONE = b"[DONE]"
END_MARK = b"data: " + _DONE
"""The block that ends a stream."""
CUT_HINT = "ask again; if it stays, see whether a proxy on the way cuts answers off"
"""What to do about a stream that ended too early."""

_LINE_STARTS = (b"data: ", b"event: ", b"id: ", b"retry: ", _DONE)
"""The beginnings of lines, of which one that was cut off may have come."""

_UNREADABLE: Any = object()

_MAX_STRAY_LINES = 10_000
"""How many lines that are no fields of events are kept, in case that they are an answer."""


class Decoder:
    """A decoder of one stream, and what it has come to. Made anew for each stream."""

    __slots__ = (
        "_has_data",
        "_inputs",
        "_may_be_cut_off",
        "_model",
        "_request_id",
        "_secrets",
        "_status_code",
        "_stray_lines",
        "accumulator",
        "body_without_events",
        "done",
        "failure",
    )

    def __init__(
        self,
        model: str = "",
        request_id: str | None = None,
        secrets: Iterable[str] = (),
        inputs: Mapping[str, Any] | None = None,
        status_code: int | None = None,
        *,
        thoughts_limit: float | None = None,
    ) -> None:
        self.accumulator = Accumulator(thoughts_limit=thoughts_limit)
        """The answer as far as it has arrived."""
        self.done = False
        """True once `[DONE]`, or the last event of the Responses or the Messages API, was seen."""
        self.failure: StreamError | None = None
        """The error that broke the stream, if any did."""
        self.body_without_events: bytes | None = None
        """The answer, if it came as JSON by itself in the place of a stream."""
        self._model = model
        self._request_id = request_id
        self._status_code = status_code
        self._secrets = tuple(secrets)
        self._inputs = inputs or {}
        self._stray_lines: list[bytes] = []
        self._has_data = False
        self._may_be_cut_off = False

    @property
    def is_whole(self) -> bool:
        """Return True if the end was seen, or a finish reason for every answer that was asked for."""
        several = self._inputs.get("n")
        count = several if isinstance(several, int) else 1
        return self.done or (self.accumulator.is_finished and len(self.accumulator.finish_reasons) >= count)

    @property
    def text(self) -> str:
        """The text so far; of the first answer, where several were asked for."""
        return self.accumulator.get_text(0)

    @property
    def finish_reason(self) -> str | None:
        """The last finish reason that came."""
        return self.accumulator.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The whole call's tokens as far as reported. `None` once the stream broke: nobody knows then."""
        return None if self.failure is not None else self.accumulator.usage

    def feed(self, block: bytes) -> list[Token]:
        """Decode one block: no token, one, or several (`n > 1`). Raises `StreamError` for an error that it reports."""
        # Nearly every block is one line of data.
        if block[:6] == b"data: " and 10 not in block:
            return self._feed_data(block[6:])
        return self._feed_fields(block)

    def finish(self, rest: bytes) -> list[Token]:
        """Decode what no blank line ended, and in a whole answer half a character that never got its other half."""
        tokens: list[Token] = []
        if rest.strip(b"\n"):
            # With an end mark behind it, the rest is complete.
            self._may_be_cut_off = not split_at_end_mark(rest)[1]
            tokens += self.feed(rest)
        if self._stray_lines and not self._has_data and not self.done:
            tokens += self._feed_stray_lines()
        # Of one that is cut off, the other half was still to come.
        return tokens + self.accumulator.flush() if self.is_whole else tokens

    def check(self) -> None:
        """Raise if the stream is not whole: a failure was reported, or it ended before the answer did."""
        if self.failure is not None:
            raise self._with_partial(self.failure)
        if not self.is_whole or (self._stray_lines and self._is_empty()):
            raise self._record_truncation()

    def _is_empty(self) -> bool:
        answer = self.accumulator
        return not (answer.get_text(0) or answer.get_reasoning(0) or answer.get_tool_calls(0))

    def record_failure(self, error: StreamError) -> StreamError:
        """Return `error` as what broke this stream, with what had arrived. Usage is unknown from here on."""
        error.model = self._model or None
        error.request_id = self._request_id
        error.status_code = self._status_code
        self.failure = error
        return self._with_partial(error)

    def _record_truncation(self) -> StreamError:
        """Return the error of a stream that ended too early, with the text that came in the place of an event."""
        lacking = "without an answer" if self.is_whole else "with neither [DONE] nor a finish reason"
        message = f"the stream ended {lacking}"
        lines = [line for line in self._stray_lines if not any(start.startswith(line) for start in _LINE_STARTS)]
        text = redact(b"\n".join(lines), self._secrets).decode("utf-8", "replace").strip()
        if not text:
            return self.record_failure(StreamTruncatedError(f"{message}. What to do: {CUT_HINT}."))
        if parse_error_body(text).code is not None:
            return self._record_error_of_event(text)
        message += f"; what came is no event: {text[:200]!r}. What to do: {CUT_HINT}."
        return self.record_failure(StreamTruncatedError(message, body=text))

    def _with_partial(self, failure: StreamError) -> StreamError:
        failure.partial = self.text
        return failure

    def _feed_fields(self, block: bytes) -> list[Token]:
        block, has_end_mark = split_at_end_mark(block)
        fields = parse_fields(block)
        tokens: list[Token] = []
        if fields.data is not None:
            data = b"\n".join(fields.data)
            if fields.event == b"error" and not self.done:
                raise self._record_error_of_event(parse_body(data))
            tokens = self._feed_data(data)
        elif fields.other_lines and len(self._stray_lines) < _MAX_STRAY_LINES:
            self._stray_lines += fields.other_lines
        if has_end_mark and not self.done:
            if not tokens and self.failure is not None:
                raise self._with_partial(self.failure)
            self.done = True  # the tokens of this block are given first; `check` raises afterwards
        return tokens

    def _feed_data(self, data: bytes) -> list[Token]:
        self._has_data = True
        if self.done:
            return []
        if self.failure is not None:
            raise self._with_partial(self.failure)
        try:
            event = from_json(data)
        except ValueError:
            event = _UNREADABLE
        if event is _UNREADABLE:  # not inside `except`: an error would carry that frame along, and in it the data
            return self._feed_odd_data(data)
        if event.__class__ is not dict:
            return self._feed_event(event, data)
        event.pop("p", None)  # padding
        # The fast parser refuses lone surrogates, so its strings hold whole characters.
        token = self.accumulator.add_plain(event)
        return self._feed_event(event, data) if token is None else [token]

    def _feed_event(self, event: Any, data: bytes) -> list[Token]:
        if not isinstance(event, dict):
            if self._may_be_cut_off:
                return []
            event = redact_json(event, self._secrets)
            raise self.record_failure(
                StreamError(f"an event of the stream is no object: {to_compact_json(event)[:200]}", body=event)
            )
        event = cast("dict[str, Any]", event)
        event.pop("p", None)
        error = find_event_error(event)
        if error is not None:
            raise self._record_error_of_event(error)
        tokens = self.accumulator.add(event, data)
        for token in tokens:
            if token.finish_reason == "error":
                self._record_error_of_finish_reason(token.raw)
        if event.get("type") in ("response.completed", "response.incomplete", "message_stop"):
            self.done = True
        return tokens

    def _feed_odd_data(self, data: bytes) -> list[Token]:
        """Decode what the fast parser refuses: the end mark, nothing, half a surrogate pair, bad UTF-8, or no JSON."""
        stripped = data.strip()
        if stripped == _DONE:
            self.done = True
            return []
        if not stripped:
            return []
        event = _load(data)
        if event is not _UNREADABLE:
            return self._feed_event(event, data)
        if lines := split_lone_events(stripped, self._may_be_cut_off):
            return self._feed_lines(lines)
        if self._may_be_cut_off:
            return []  # cut in the middle of an event: a truncation, and `check` says so
        text = redact(data, self._secrets)[:200].decode("utf-8", "replace")
        raise self.record_failure(StreamError(f"an event of the stream is no JSON: {text!r}", body=text))

    def _feed_lines(self, lines: list[bytes]) -> list[Token]:
        tokens: list[Token] = []
        for line in lines:
            try:
                tokens += self._feed_data(line)
            except StreamError:
                if not tokens:
                    raise
                # What came before it is given first; `check` raises it.
                self.done = True
                return tokens
        return tokens

    def _feed_stray_lines(self) -> list[Token]:
        """Decode a body that has no events: JSON under the wrong content type. Raises `StreamError` for a web page."""
        data = b"\n".join(self._stray_lines)
        event = _load(data)
        if data.lstrip()[:1] == b"<":
            text = redact(data, self._secrets)[:200].decode("utf-8", "replace")
            hint = "a proxy or a network's login page answered: look at it in a browser"
            raise self.record_failure(
                StreamError(f"a web page came in place of a stream: {text!r}. What to do: {hint}.", body=text)
            )
        if not isinstance(event, dict):
            return []
        tokens = self._feed_event(cast("dict[str, Any]", event), data)
        self.done, self.body_without_events = True, data
        return tokens

    def _record_error_of_event(self, event: Any) -> StreamError:
        event = redact_json(event, self._secrets)
        reason = parse_error_body(event)
        opening = "the service reported an error inside the stream"
        return self._record_reported(opening, reason, event)

    def _record_error_of_finish_reason(self, event: dict[str, Any]) -> None:
        """Raise nothing yet: the event's own token is given first."""
        event = redact_json(event, self._secrets)
        choices = as_sequence(event.get("choices"))
        errors = [choice["error"] for choice in choices if is_mapping(choice) and choice.get("error")]
        source = errors[0] if errors else event if event.keys() & {"message", "detail"} else None
        reason = ErrorBody(parse_error_body(source).message)
        opening = "the model stopped with an error"
        self._record_reported(opening, reason, event)

    def _record_reported(self, opening: str, reason: ErrorBody, event: Any) -> StreamError:
        error = build_stream_error(
            opening, reason, event, model=self._model, inputs=self._inputs, request_id=self._request_id
        )
        return self.record_failure(error)


def split_lone_events(data: bytes, may_be_cut_off: bool = False) -> list[bytes]:
    """Split an event's data into lines that each are an event of its own, with no blank line between them; else `[]`.

    At the end of a body the last line may be cut off, and is left out.
    """
    lines = data.strip().split(b"\n")
    if may_be_cut_off and not is_json_object(lines[-1]):
        del lines[-1]
    elif len(lines) == 1:
        return []
    return lines if all(map(is_json_object, lines)) else []


def is_json_object(data: bytes) -> bool:
    """Return True if `data` is a JSON object, as all events are but the end mark."""
    return isinstance(_load(data), dict)


def split_at_end_mark(block: bytes) -> tuple[bytes, bool]:
    """Return what stands in a block before the end mark, a line of its own, and whether there is one."""
    if _DONE in block:
        lines = block.split(b"\n")
        for position, line in enumerate(lines):
            if is_end_mark(line):
                return b"\n".join(lines[:position]), True
    return block, False


def is_end_mark(line: bytes) -> bool:
    """Return True if a line is `data: [DONE]`, or the bare `[DONE]` that some engines send."""
    return line.removeprefix(b"data:").strip() == _DONE


def _load(data: bytes) -> Any:
    # Raised from inside `except`, an error would carry the decoder's, and with it the whole text.
    try:
        return loads(data)
    except ValueError:
        return _UNREADABLE
