"""Tokens, or the events they came in, as events for a browser's `EventSource`."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from cfai._dialects import TokenDecoder, lone_lines
from cfai._errors import ConfigurationError
from cfai._json import compact
from cfai._sse import fields
from cfai.types import Token

Dialect = Literal["native", "original"]

# Workers AI pads its own streams with these, so that the length of an encrypted event does not give its token away:
# https://blog.cloudflare.com/ai-side-channel-attack-mitigated/
_PADDING = "abdefghijklmnoprstuvxyz1234567890"


def feeder_for(dialect: Dialect, decoder: TokenDecoder) -> Native | Original:
    """What makes browser events of blocks."""
    if dialect == "native":
        return Native(decoder)
    if dialect == "original":
        return Original(decoder)
    raise ConfigurationError(f"dialect is 'native' or 'original', not {dialect!r}")


class _Browser:
    """Events for a browser, while `decoder` watches for the end and for errors."""

    def __init__(self, decoder: TokenDecoder) -> None:
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
        tokens = fed if isinstance(fed, list) else [fed] if fed else []
        # A page that shows one answer has no use for the second of several.
        return [_native_event(token) for token in tokens if token.choice == 0]


class Original(_Browser):
    """The events as they came, each with padding put in."""

    def feed(self, block: bytes) -> bytes | list[bytes] | None:
        if 10 in block:
            sent = [self._event(part) for part in _apart(block)]
            return [event for event in sent if event is not None]
        return self._event(block)

    def finish(self, rest: bytes) -> list[bytes]:
        *parts, last = _apart(rest.strip(b"\n"), at_end=True)
        sent = [self._event(part) for part in parts]
        tokens = self._decoder.finish(last)
        if tokens and last and not _is_end_mark(last):
            sent.append(padded(last) + b"\n\n")
        return [event for event in sent if event is not None]

    def _event(self, block: bytes) -> bytes | None:
        if self._decoder.done:
            return None
        self._decoder.feed(block)
        return None if not block or (self._decoder.done and _is_end_mark(block)) else padded(block) + b"\n\n"


def _apart(block: bytes, at_end: bool = False) -> list[bytes]:
    """The block, as one for each of its events if the blank lines between them are missing."""
    data = fields(block).data or []
    lines = lone_lines(b"\n".join(data), at_end) if len(data) > 1 else []
    return [b"data: " + line for line in lines] or [block]


def _is_end_mark(block: bytes) -> bool:
    """Whether the block that ended a stream says nothing else: ours goes out in its place."""
    data = fields(block).data
    return data is None or b"\n".join(data).strip() == b"[DONE]"


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
