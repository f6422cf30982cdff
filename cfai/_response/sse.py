"""Bytes in any cut to server-sent events, as the WHATWG standard says: https://html.spec.whatwg.org/#event-stream-interpretation.

A body is first cut into *blocks*, the bytes between blank lines, and a block is then read as fields. The token layer
takes blocks as they are, since nearly all of theirs are one `data: ` line; `EventDecoder` makes whole events of them.
Only LF, CRLF and CR end a line here: U+2028 and its like are text.
"""

from __future__ import annotations

from dataclasses import dataclass

from httpx_sse import ServerSentEvent

from cfai._errors import StreamError

_BOM = b"\xef\xbb\xbf"
_MARK = 64
# More bytes than an end mark has, so that a long event is not joined anew for every chunk of it.

LARGEST_EVENT = 32 * 1024 * 1024
"""How many bytes one event may have before the stream is given up."""


class EventSplitter:
    """Cuts bytes into blocks, with every line end turned into LF. Linear in the bytes, however they are cut."""

    __slots__ = ("_after_cr", "_largest", "_over", "_parts", "_size", "_start", "between")

    def __init__(self, largest: int = LARGEST_EVENT) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._start: bytes | None = b""
        self._largest = largest
        self._over = False
        self.between = False
        """Whether the blocks given out are all there was so far, so that the next byte begins one."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The blocks that `chunk` completes. Raises `StreamError` once an event is larger than the bound."""
        if self.between:
            # Nearly every chunk is one block of one line. Bytes look for a number five times as fast as for bytes.
            block = chunk[:-2]
            if 10 not in block and chunk[-2:] == b"\n\n" and 13 not in block and len(block) <= self._largest:
                return [block]
        if self._over:
            raise self._too_large()
        if self._start is not None:
            chunk = self._without_bom(chunk)
        if self._after_cr and chunk:
            # The CR has already ended its line; an LF right behind it belongs to it.
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if 13 in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not chunk:
            return []
        parts = self._parts
        if parts:
            parts.append(chunk)
            self._size += len(chunk)
            if 10 not in chunk or (b"\n\n" not in chunk and not (chunk[:1] == b"\n" and parts[-2][-1:] == b"\n")):
                return self._wait()
            chunk = b"".join(parts)
            parts.clear()
        blocks = chunk.split(b"\n\n")
        rest = blocks.pop()
        if rest:
            parts.append(rest)
        self._size = len(rest)
        self.between = not rest and not self._after_cr
        return blocks if len(chunk) <= self._largest else self._within(blocks)

    def rest(self) -> bytes:
        """What the last blank line left over."""
        if self._over or self._size > self._largest:
            raise self._too_large()
        return (self._start or b"") + b"".join(self._parts)

    def last_line(self) -> bytes:
        """The line that is still open, or the last of what the last blank line left over; nothing, if it is long."""
        last = b""
        for part in reversed(self._parts):
            last = part[-_MARK:] + last
            line = last.rstrip(b"\n")
            if b"\n" in line:
                return line.rpartition(b"\n")[2]
            if len(last) >= _MARK:
                return b""
        return last.rstrip(b"\n")

    def _wait(self) -> list[bytes]:
        if self._size > self._largest:
            raise self._too_large()
        return []

    def _within(self, blocks: list[bytes]) -> list[bytes]:
        """The blocks before the first one that is too large, which is told of when they have been given."""
        for position, block in enumerate(blocks):
            if len(block) > self._largest:
                self._over = True
                self.between = False
                if position == 0:
                    raise self._too_large()
                return blocks[:position]
        return blocks

    def _too_large(self) -> StreamError:
        return StreamError(f"one event of the stream is larger than {self._largest:,} bytes")

    def _without_bom(self, chunk: bytes) -> bytes:
        start = (self._start or b"") + chunk
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)


@dataclass(slots=True, eq=False)
class Fields:
    """What the lines of one block say, as bytes."""

    event: bytes = b""
    data: list[bytes] | None = None
    id: bytes | None = None
    retry: int | None = None
    other: list[bytes] | None = None
    """Lines that are neither a field of the standard nor a comment, which the standard ignores."""


def fields(block: bytes) -> Fields:
    """The fields of a block: the last of each, but every `data`."""
    found = Fields()
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            found.data = found.data or []
            found.data.append(value)
        elif name == b"event":
            found.event = value
        elif name == b"id":
            if b"\0" not in value:
                found.id = value
        elif name == b"retry":
            # Python refuses to convert thousands of digits; no clock has as many as this.
            if value.isdigit() and len(value) < 100:
                found.retry = int(value)
        elif name:
            found.other = found.other or []
            found.other.append(line)
    return found


class EventDecoder:
    """Makes events of blocks. What is left at the end without its blank line is no event, as the standard says."""

    done = False

    def __init__(self) -> None:
        self._last_id = ""

    def feed(self, block: bytes) -> ServerSentEvent | None:
        """The event of a block, if it is one."""
        found = fields(block)
        if found.id is not None:
            self._last_id = _text(found.id)
        if found.data is None:
            return None
        return ServerSentEvent(
            event=_text(found.event) or "message",
            data=_text(b"\n".join(found.data)),
            id=self._last_id,
            retry=found.retry,
        )

    def finish(self, rest: bytes) -> list[ServerSentEvent]:
        """Nothing: `rest` has no blank line behind it."""
        return []

    def ends_with(self, line: bytes) -> bool:
        """Never: the standard knows no end mark."""
        return False

    def check(self) -> None:
        """The standard knows no broken streams."""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
