"""The events of a stream, as bytes: where the parts of an answer stand in them, and how to change those."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

Event = tuple[int, bytes]
"""How many tokens an event carries, and its bytes."""

Payload = dict[str, Any]
Usage = Mapping[str, Any]
Rewrite = Callable[[list[Event], Usage], list[Event]]
"""From the events of a stream, and what the call comes to in tokens, to other events."""

DONE = b"data: [DONE]\n\n"
_DATA = b"data: "


def parse_payload(data: bytes) -> Payload | None:
    """Return the JSON object in an event, if it holds one."""
    text = data.partition(_DATA)[2]
    return json.loads(text) if text.startswith(b"{") else None


def build_event(payload: Payload, like: bytes = b"", *, indent: int | None = None) -> bytes:
    """Return the event that holds `payload`, under the same name as the event `like`."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), indent=indent)
    # Half a surrogate pair has no bytes in UTF-8, and so has to be escaped.
    lines = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text).encode().split(b"\n")
    return like.partition(_DATA)[0] + b"".join(_DATA + line + b"\n" for line in lines) + b"\n"


def list_objects(payload: Payload, name: str) -> list[Payload]:
    """Return the objects in a list of `payload`."""
    items = payload.get(name)
    return [item for item in cast("list[Any]", items) if isinstance(item, dict)] if isinstance(items, list) else []


def list_deltas(payload: Payload) -> list[Payload]:
    """Return what the chunks of a chat completion say."""
    return [choice["delta"] for choice in list_objects(payload, "choices") if "delta" in choice]


def find_texts(payload: Payload) -> list[tuple[Payload, str]]:
    """Return where the text of an event stands, as holder and key: in two places, if it speaks two dialects."""
    places = [(delta, "content") for delta in list_deltas(payload)]
    places += [(choice, "text") for choice in list_objects(payload, "choices")]
    if is_native_or_chat(payload):
        # In the Responses API that name is one of an object.
        places.append((payload, "response"))
    elif payload["type"] == "response.output_text.delta":
        places.append((payload, "delta"))
    return [(holder, key) for holder, key in places if holder.get(key) not in (None, "")]


def list_calls(payload: Payload) -> list[Payload]:
    """Return the tool calls in an event, or the pieces of them."""
    return [call for holder in [payload, *list_deltas(payload)] for call in list_objects(holder, "tool_calls")]


def list_calls_by_key(payload: Payload) -> list[tuple[tuple[Any, Any], Payload]]:
    """Return the tool calls in an event, each with its choice and its place, which all its pieces have."""
    choices = [(each.get("index"), each["delta"]) for each in list_objects(payload, "choices") if "delta" in each]
    return [
        ((choice, call.get("index")), call)
        for choice, holder in [(0, payload), *choices]
        for call in list_objects(holder, "tool_calls")
    ]


def get_function(call: Payload) -> Payload:
    """Return name and arguments of a tool call."""
    return call.get("function") or {}


def find_reasoning_keys(payload: Payload) -> list[str]:
    """Under what names an event has reasoning."""
    return [name for delta in list_deltas(payload) for name in ("reasoning_content", "reasoning") if name in delta]


def is_native_or_chat(payload: Payload) -> bool:
    """Return whether it is an event of the native dialect or of chat completions, not of the Responses API."""
    return "type" not in payload


def find_position(events: list[Event], wanted: Callable[[Payload], Any]) -> int | None:
    """Return where the first event stands that has what is wanted."""
    payloads = [parse_payload(data) for _, data in events]
    return next((at for at, payload in enumerate(payloads) if payload is not None and wanted(payload)), None)


def edit_each_event(change: Callable[[bytes], bytes]) -> Rewrite:
    """Change the bytes of every event."""

    def rewrite(events: list[Event], usage: Usage) -> list[Event]:
        return [(tokens, change(data)) for tokens, data in events]

    return rewrite


def edit_each_payload(change: Callable[[Payload], object]) -> Rewrite:
    """Change the payload of every event, in place."""
    return edit_each_event(lambda data: edit_payload(data, change))


def edit_payload(data: bytes, change: Callable[[Payload], object]) -> bytes:
    """Return the event, its payload changed."""
    payload = parse_payload(data)
    if payload is None:
        return data
    before = build_event(payload, data)
    change(payload)
    after = build_event(payload, data)
    return data if after == before else after


def insert_values(*values: Any) -> Rewrite:
    """Send more events behind the first one with text, each with one of `values` in its place."""
    return insert_behind_first_text(lambda data: [replace_text(data, value) for value in values])


def insert_behind_first_text(make: Callable[[bytes], list[bytes]]) -> Rewrite:
    """Send more events behind the first one with text, made from that."""

    def rewrite(events: list[Event], usage: Usage) -> list[Event]:
        at = find_position(events, find_texts) or 0
        return [*events[: at + 1], *((0, data) for data in make(events[at][1])), *events[at + 1 :]]

    return rewrite


def replace_text(data: bytes, value: Any) -> bytes:
    """Return the event with another value for its text, and without usage, which it has reported already."""
    payload = parse_payload(data) or {}
    payload.pop("usage", None)
    for holder, key in find_texts(payload):
        holder[key] = value
    return build_event(payload, data)
