"""The events of a stream that gets a defect: where the parts of an answer stand in them, and how to change those."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, cast

from cfai.local.wire import DONE_EVENT, Payload, encode_event

Event = tuple[int, Payload | bytes]
"""How many tokens an event carries, and its JSON object; its bytes, if it holds none."""

Usage = Mapping[str, Any]
Rewrite = Callable[[list[Event], Usage], list[Event]]
"""From the events of a stream, and what the call comes to in tokens, to other events."""


def decode_event(data: bytes) -> Payload | bytes:
    """Return the JSON object in an event, or its bytes if it holds none."""
    text = data.partition(b"data: ")[2]
    return json.loads(text) if text.startswith(b"{") else data


def encode(event: Payload | bytes) -> bytes:
    """Return the bytes of an event."""
    return event if isinstance(event, bytes) else encode_event(event)


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


def list_calls(payload: Payload) -> list[tuple[tuple[Any, Any], Payload]]:
    """Return the tool calls in an event, or pieces of them, each with its choice and its index."""
    choices = [(each.get("index"), each["delta"]) for each in list_objects(payload, "choices") if "delta" in each]
    return [
        ((choice, call.get("index")), call)
        for choice, holder in [(0, payload), *choices]
        for call in list_objects(holder, "tool_calls")
    ]


def has_reasoning(payload: Payload) -> bool:
    """Return whether an event of a chat completion has reasoning."""
    return any(delta.keys() & {"reasoning_content", "reasoning"} for delta in list_deltas(payload))


def is_native_or_chat(payload: Payload) -> bool:
    """Return whether it is an event of the native dialect or of chat completions, not of the Responses API."""
    return "type" not in payload


def find_position(events: Iterable[Event], is_wanted: Callable[[Payload], Any]) -> int | None:
    """Return where the first event stands that is wanted."""
    return next((at for at, (_, event) in enumerate(events) if isinstance(event, dict) and is_wanted(event)), None)


def iter_payloads(events: Iterable[Event]) -> Iterator[Payload]:
    """Return the JSON objects of the events."""
    return (event for _, event in events if isinstance(event, dict))


def edit_bytes(change: Callable[[bytes], bytes]) -> Rewrite:
    """Change the bytes of every event."""
    return lambda events, _: [(tokens, change(encode(event))) for tokens, event in events]


def edit_payloads(change: Callable[[Payload], object]) -> Rewrite:
    """Change the payload of every event, in place."""

    def rewrite(events: list[Event], usage: Usage) -> list[Event]:
        for payload in iter_payloads(events):
            change(payload)
        return events

    return rewrite


def insert_copies(*changes: Callable[[Payload], Payload | bytes]) -> Rewrite:
    """Send more events behind the first one with text: that one without its usage, and with one of the changes."""

    def rewrite(events: list[Event], usage: Usage) -> list[Event]:
        at = find_position(events, find_texts) or 0
        copies: list[Event] = [(0, change(copy_without_usage(events[at][1]))) for change in changes]
        return [*events[: at + 1], *copies, *events[at + 1 :]]

    return rewrite


def replace_text(value: Any) -> Callable[[Payload], Payload]:
    """Put another value in the place of an event's text."""

    def change(payload: Payload) -> Payload:
        for holder, key in find_texts(payload):
            holder[key] = value
        return payload

    return change


def copy_without_usage(event: Payload | bytes) -> Payload:
    """Return a copy of an event, without the usage that it has reported already."""
    return (
        {name: deepcopy(value) for name, value in event.items() if name != "usage"} if isinstance(event, dict) else {}
    )


def take_first_tokens(events: list[Event], number: int = 3) -> list[Event]:
    """Return the events up to the third token, or to the last one of a shorter answer."""
    sent, end = 0, 1
    for at, (tokens, _) in enumerate(events):
        if tokens and sent < number:
            sent, end = sent + tokens, at + 1
    return events[:end]


def fail_with(event: Payload | bytes, *, done: bool = False) -> Rewrite:
    """Keep the first tokens, then send this event, and nothing of the rest."""
    last: list[Event] = [(0, event), *([(0, DONE_EVENT)] if done else [])]
    return lambda events, _: take_first_tokens(events) + last
