"""A server-sent events decoder for comparison: whole bodies only, slow, and as near to the words of the standard as
Python gets. Written from https://html.spec.whatwg.org/#parsing-an-event-stream and from nothing else: it must not share
an author's mistake with the package's own. Python replaces wrong UTF-8 as the standard does: a rule of `test_sse.py`.
"""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """A dispatched event; `retry` is the reconnection time, in milliseconds, that its own lines set."""

    event: str
    data: str
    id: str
    retry: int | None


def events(body: bytes) -> list[Event]:
    """Return the events of a whole body."""
    dispatched: list[Event] = []
    data = event_type = last_event_id = ""
    retry: int | None = None
    for line in lines(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")):
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
