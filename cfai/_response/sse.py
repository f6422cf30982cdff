"""Server-sent events from bytes in any cut, as the WHATWG standard has them.

https://html.spec.whatwg.org/#event-stream-interpretation. `EventSplitter` cuts a body into *blocks*, the bytes between
blank lines; `parse_fields` reads the fields of one. A `Decoder` takes blocks as they are, since nearly all of them are
one `data: ` line; `EventDecoder` makes whole events of them. Only LF, CRLF and CR end a line: U+2028 and its like are
text.
"""

from __future__ import annotations

from dataclasses import dataclass

from httpx_sse import ServerSentEvent

from cfai._errors import StreamError

BOM = b"\xef\xbb\xbf"
_LONGEST_END_MARK = 64
"""More bytes than an end mark has, so that a long event is not joined anew for every chunk of it."""

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""How many bytes one event may have before the stream is given up."""


class EventSplitter:
    """A splitter of bytes into blocks, every line end turned into LF. Linear in the bytes, however they are cut."""

    __slots__ = (
        "_after_cr",
        "_has_oversized_event",
        "_largest",
        "_may_begin_with_bom",
        "_parts",
        "_size",
        "is_between_events",
    )

    def __init__(self, largest: int = MAX_EVENT_BYTES) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._may_begin_with_bom = True
        self._largest = largest
        self._has_oversized_event = False
        self.is_between_events = False
        """True if the blocks returned are all there was so far, so that the next byte begins one."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the blocks that `chunk` completes. Raises `StreamError` once an event is larger than the bound."""
        if self.is_between_events:
            # Nearly every chunk is one block of one line. Bytes look for a number five times as fast as for bytes.
            block = chunk[:-2]
            if 10 not in block and chunk[-2:] == b"\n\n" and 13 not in block and len(block) <= self._largest:
                return [block]
        if self._has_oversized_event:
            raise self._too_large()
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
                if self._size > self._largest:
                    raise self._too_large()
                return []
            chunk = b"".join(parts)
            parts.clear()
        blocks = chunk.split(b"\n\n")
        rest = blocks.pop()
        if self._may_begin_with_bom and blocks:
            self._may_begin_with_bom = False
            blocks[0] = blocks[0].removeprefix(BOM)
        if rest:
            parts.append(rest)
        self._size = len(rest)
        self.is_between_events = not rest and not self._after_cr
        return blocks if len(chunk) <= self._largest else self._before_too_large(blocks)

    def rest(self) -> bytes:
        """Return what the last blank line left over."""
        if self._has_oversized_event or self._size > self._largest:
            raise self._too_large()
        rest = b"".join(self._parts)
        return rest.removeprefix(BOM) if self._may_begin_with_bom else rest

    def last_line(self) -> bytes:
        """Return the line that is still open, or the last one behind the last blank line; nothing if it is long."""
        last = b""
        for part in reversed(self._parts):
            last = part[-_LONGEST_END_MARK:] + last
            line = last.rstrip(b"\n")
            if b"\n" in line:
                return line.rpartition(b"\n")[2]
            if len(last) >= _LONGEST_END_MARK:
                return b""
        line = last.rstrip(b"\n")
        return line.removeprefix(BOM) if self._may_begin_with_bom else line

    def _before_too_large(self, blocks: list[bytes]) -> list[bytes]:
        """Return the blocks before the first that is too large, which is raised for when they have been given."""
        for position, block in enumerate(blocks):
            if len(block) > self._largest:
                self._has_oversized_event = True
                self.is_between_events = False
                if position == 0:
                    raise self._too_large()
                return blocks[:position]
        return blocks

    def _too_large(self) -> StreamError:
        return StreamError(f"one event of the stream is larger than {self._largest:,} bytes")


@dataclass(slots=True, eq=False)
class EventFields:
    """The fields of one block, as bytes."""

    event: bytes = b""
    data: list[bytes] | None = None
    id: bytes | None = None
    retry: int | None = None
    other_lines: list[bytes] | None = None
    """Lines that are neither a field of the standard nor a comment, which the standard ignores."""


def parse_fields(block: bytes) -> EventFields:
    """Parse the fields of a block: the last of each, but every `data`."""
    fields = EventFields()
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            fields.data = fields.data or []
            fields.data.append(value)
        elif name == b"event":
            fields.event = value
        elif name == b"id":
            if b"\0" not in value:
                fields.id = value
        elif name == b"retry":
            # Python refuses to convert thousands of digits; no clock has as many as this.
            if value.isdigit() and len(value) < 100:
                fields.retry = int(value)
        elif name:
            fields.other_lines = fields.other_lines or []
            fields.other_lines.append(line)
    return fields


class EventDecoder:
    """A decoder of blocks to whole events. What is left at the end without its blank line is no event."""

    def __init__(self) -> None:
        self._last_id = ""

    def feed(self, block: bytes) -> list[ServerSentEvent]:
        """Return the event of a block, if it is one."""
        fields = parse_fields(block)
        if fields.id is not None:
            self._last_id = _decode(fields.id)
        if fields.data is None:
            return []
        event = ServerSentEvent(
            event=_decode(fields.event) or "message",
            data=_decode(b"\n".join(fields.data)),
            id=self._last_id,
            retry=fields.retry,
        )
        return [event]

    def finish(self, rest: bytes) -> list[ServerSentEvent]:
        """Return nothing: `rest` has no blank line behind it."""
        return []


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")
