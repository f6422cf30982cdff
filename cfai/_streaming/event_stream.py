"""Tokens, or the events they came in, as events for a browser's `EventSource`."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from cfai._errors import ConfigurationError
from cfai._json import compact
from cfai._response.accumulator import as_list
from cfai._response.decoder import END_MARK, Decoder, before_end, is_json_object, lone_lines
from cfai._response.sse import fields
from cfai.types import Token

Dialect = Literal["native", "original"]

# Workers AI pads its own streams with these, so that the length of an encrypted event does not give its token away:
# https://blog.cloudflare.com/ai-side-channel-attack-mitigated/
_PADDING = "abdefghijklmnoprstuvxyz1234567890"


def feeder_for(dialect: Dialect, decoder: Decoder) -> Native | Original:
    """What makes browser events of blocks."""
    if dialect == "native":
        return Native(decoder)
    if dialect == "original":
        return Original(decoder)
    raise ConfigurationError(f"dialect is 'native' or 'original', not {dialect!r}")


class _Browser:
    """Events for a browser, while `decoder` watches for the end and for errors."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    @property
    def done(self) -> bool:
        return self._decoder.done

    def ends_with(self, line: bytes) -> bool:
        return self._decoder.ends_with(line)

    def check(self) -> None:
        self._decoder.check()


class Native(_Browser):
    """`{"response": "…"}` whatever the model's own dialect."""

    def feed(self, block: bytes) -> list[bytes]:
        return self._events(self._decoder.feed(block))

    def finish(self, rest: bytes) -> list[bytes]:
        return self._events(self._decoder.finish(rest))

    def _events(self, fed: Token | list[Token] | None) -> list[bytes]:
        # A page that shows one answer has no use for the second of several.
        return [_native_event(token) for token in as_list(fed) if token.choice == 0]


class Original(_Browser):
    """The events as they came, each with padding put in."""

    def feed(self, block: bytes) -> bytes | list[bytes] | None:
        if self._decoder.done:
            return None
        if 10 not in block and b"[DONE]" not in block:
            return self._event(block)
        block, ended = before_end(block)
        sent = [event for part in _apart(block) if (event := self._event(part))]
        if ended:
            self._decoder.feed(END_MARK)  # ours goes out in its place
        return sent

    def finish(self, rest: bytes) -> list[bytes]:
        if self._decoder.done:
            return []
        rest, ended = before_end(rest.strip(b"\n"))
        *parts, last = _apart(rest, at_end=not ended)
        sent = [event for part in parts if (event := self._event(part))]
        self._decoder.finish(last + b"\n" + END_MARK if ended else last)
        # What is cut off is no event.
        return [*sent, padded(last) + b"\n\n"] if is_json_object(b"\n".join(fields(last).data or [])) else sent

    def _event(self, block: bytes) -> bytes | None:
        if self._decoder.done or not block:
            return None
        self._decoder.feed(block)
        return padded(block) + b"\n\n"


def _apart(block: bytes, at_end: bool = False) -> list[bytes]:
    """The block, as one for each of its events if the blank lines between them are missing."""
    data = fields(block).data or []
    lines = lone_lines(b"\n".join(data), at_end) if len(data) > 1 else []
    return [b"data: " + line for line in lines] or [block]


def _native_event(token: Token) -> bytes:
    event: dict[str, Any] = {"response": token.text}
    if token.reasoning:
        event["reasoning"] = token.reasoning
    if token.tool_calls:
        event["tool_calls"] = [
            {"index": call.index, "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            for call in token.tool_calls
        ]
    if token.finish_reason:
        event["finish_reason"] = token.finish_reason
    if usage := token.usage:
        event["usage"] = dict(usage.raw)
    return b"data: " + compact({**event, "p": _padding()}).encode("utf-8", "replace") + b"\n\n"


def padded(block: bytes) -> bytes:
    """A block with fresh padding before the last brace of its JSON: decoding it would lose how numbers were written.

    >>> padded(b'data: {"response":0.10}').startswith(b'data: {"response":0.10,"p":"')
    True
    """
    lines = block.split(b"\n")
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position].rstrip()
        if line.startswith(b"data:") and line.endswith(b"}"):
            head = line[:-1]
            before = b"".join(part[5:] for part in (*lines[:position], head) if part.startswith(b"data:"))
            comma = b"" if before.rstrip().endswith(b"{") else b","
            lines[position] = head + comma + b'"p":"' + _padding().encode() + b'"}'
            break
    return b"\n".join(lines)


def _padding() -> str:
    return _PADDING[: 1 + secrets.randbelow(len(_PADDING))]
