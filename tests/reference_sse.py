"""A server-sent events decoder for comparison: whole bodies only, slow, and as near to the words of the standard as
Python gets. Written from https://html.spec.whatwg.org/#parsing-an-event-stream and https://encoding.spec.whatwg.org/#utf-8
and from nothing else: it must not share an author's mistake, or a line, with the package's own.
"""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """What a dispatched event has; `retry` is the reconnection time, in milliseconds, that its own lines set."""

    event: str
    data: str
    id: str
    retry: int | None


def events(body: bytes) -> list[Event]:
    """Return the events of a whole body."""
    dispatched: list[Event] = []
    data = event_type = last_event_id = ""
    retry: int | None = None
    for line in lines(utf8(body)):
        if line == "":
            if data != "":
                dispatched.append(Event(event_type or "message", data[:-1], last_event_id, retry))
            data = event_type = ""
            retry = None
            continue
        if line[0] == ":":
            continue
        field, value = line, ""
        if ":" in line:
            colon = line.index(":")
            field, value = line[:colon], line[colon + 1 :]
            if value[:1] == " ":
                value = value[1:]
        if field == "event":
            event_type = value
        elif field == "data":
            data += value + "\n"
        elif field == "id":
            if "\0" not in value:
                last_event_id = value
        elif field == "retry" and value and all(character in "0123456789" for character in value):
            retry = 0
            for character in value:
                retry = 10 * retry + "0123456789".index(character)
    return dispatched


def lines(text: str) -> list[str]:
    """Return the lines that have an end. What stands after the last end cannot make an event, so it is left out."""
    found: list[str] = []
    line = ""
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\r":
            if text[position : position + 1] == "\n":
                position += 1
        elif character != "\n":
            line += character
            continue
        found.append(line)
        line = ""
    return found


def utf8(body: bytes) -> str:
    """UTF-8 decode: one byte-order mark is taken off, and each maximal wrong part becomes U+FFFD."""
    text = ""
    position = 3 if body[:3] == b"\xef\xbb\xbf" else 0
    code_point = seen = needed = 0
    lower, upper = 0x80, 0xBF
    while position < len(body):
        byte = body[position]
        position += 1
        if needed == 0:
            if byte <= 0x7F:
                text += chr(byte)
            elif 0xC2 <= byte <= 0xDF:
                needed, code_point = 1, byte & 0x1F
            elif 0xE0 <= byte <= 0xEF:
                lower = 0xA0 if byte == 0xE0 else 0x80
                upper = 0x9F if byte == 0xED else 0xBF
                needed, code_point = 2, byte & 0xF
            elif 0xF0 <= byte <= 0xF4:
                lower = 0x90 if byte == 0xF0 else 0x80
                upper = 0x8F if byte == 0xF4 else 0xBF
                needed, code_point = 3, byte & 0x7
            else:
                text += "\ufffd"
            continue
        if not lower <= byte <= upper:
            code_point = seen = needed = 0
            lower, upper = 0x80, 0xBF
            position -= 1
            text += "\ufffd"
            continue
        lower, upper = 0x80, 0xBF
        code_point = (code_point << 6) | (byte & 0x3F)
        seen += 1
        if seen == needed:
            text += chr(code_point)
            code_point = seen = needed = 0
    return text + ("\ufffd" if needed else "")
