"""Rewrite the events of a stream: where the parts of an answer stand in them, and how to change those.

What a rewriting needs in a stream is looked for before it is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, cast

from cfai.local.wire import DONE_EVENT, Payload, encode_event

DecodedEvent = tuple[int, Payload | bytes]
"""How many tokens an event carries, and its JSON object; its bytes, if it holds none."""

Rewrite = Callable[[list[DecodedEvent], Payload], list[DecodedEvent]]
"""From the events of a stream, and what the call comes to in tokens, to other events."""

_DELTA_FIELDS = ("role", "content", "reasoning_content", "refusal", "function_call", "tool_calls")
_SHARED_FIELDS = ("tool_calls", "reasoning_content", "reasoning")
"""The fields that the native dialect and the deltas of chat completions call by the same name."""

_OTHER_NAMES = {"reasoning_content": "reasoning", "reasoning": "reasoning_content"}


def decode_event(data: bytes) -> Payload | bytes:
    """Return the JSON object in an event, or its bytes if it holds none."""
    text = data.partition(b"data: ")[2]
    return json.loads(text) if text.startswith(b"{") else data


def encode(event: Payload | bytes) -> bytes:
    """Return the bytes of an event."""
    return event if isinstance(event, bytes) else encode_event(event)


# Places in an event.


def _list_objects(payload: Payload, name: str) -> list[Payload]:
    items = payload.get(name)
    return [item for item in cast("list[Any]", items) if isinstance(item, dict)] if isinstance(items, list) else []


def _list_deltas(payload: Payload) -> list[Payload]:
    return [choice["delta"] for choice in _list_objects(payload, "choices") if "delta" in choice]


def find_texts(payload: Payload) -> list[tuple[Payload, str]]:
    """Return where the text of an event stands, as holder and key: in two places, if it speaks two dialects."""
    places = [(delta, "content") for delta in _list_deltas(payload)]
    places += [(choice, "text") for choice in _list_objects(payload, "choices")]
    if is_native_or_chat(payload):
        # In the Responses API that name is one of an object.
        places.append((payload, "response"))
    elif payload["type"] == "response.output_text.delta":
        places.append((payload, "delta"))
    return [(holder, key) for holder, key in places if holder.get(key) not in (None, "")]


def list_calls(payload: Payload) -> list[tuple[tuple[Any, Any], Payload]]:
    """Return the tool calls in an event, or pieces of them, each with its choice and its index."""
    choices = [(each.get("index"), each["delta"]) for each in _list_objects(payload, "choices") if "delta" in each]
    return [
        ((choice, call.get("index")), call)
        for choice, holder in [(0, payload), *choices]
        for call in _list_objects(holder, "tool_calls")
    ]


def has_reasoning(payload: Payload) -> bool:
    """Return True if an event of a chat completion has reasoning."""
    return any(delta.keys() & _OTHER_NAMES.keys() for delta in _list_deltas(payload))


def is_native_or_chat(payload: Payload) -> bool:
    """Return True if it is an event of the native dialect or of chat completions, not of the Responses API."""
    return "type" not in payload


def iter_payloads(events: Iterable[DecodedEvent]) -> Iterator[Payload]:
    """Return the JSON objects of the events."""
    return (event for _, event in events if isinstance(event, dict))


def _find_position(events: Iterable[DecodedEvent], is_wanted: Callable[[Payload], Any]) -> int | None:
    return next((at for at, (_, event) in enumerate(events) if isinstance(event, dict) and is_wanted(event)), None)


# Rewritings of several kinds.


def edit_bytes(change: Callable[[bytes], bytes]) -> Rewrite:
    """Change the bytes of every event."""
    return lambda events, _: [(tokens, change(encode(event))) for tokens, event in events]


def edit_payloads(change: Callable[[Payload], object]) -> Rewrite:
    """Change the payload of every event, in place."""

    def rewrite(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
        for payload in iter_payloads(events):
            change(payload)
        return events

    return rewrite


def insert_copies(*changes: Callable[[Payload], Payload | bytes]) -> Rewrite:
    """Send more events behind the first one with text: that one without its usage, and with one of the changes."""

    def rewrite(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
        at = _find_position(events, find_texts) or 0
        copies: list[DecodedEvent] = [(0, change(_copy_without_usage(events[at][1]))) for change in changes]
        return [*events[: at + 1], *copies, *events[at + 1 :]]

    return rewrite


def fail_with(event: Payload | bytes, *, done: bool = False) -> Rewrite:
    """Keep the first tokens, then send this event, and nothing of the rest."""
    last: list[DecodedEvent] = [(0, event), *([(0, DONE_EVENT)] if done else [])]
    return lambda events, _: _take_first_tokens(events) + last


def _copy_without_usage(event: Payload | bytes) -> Payload:
    """Return a copy of an event, without the usage that it has reported already."""
    items = event.items() if isinstance(event, dict) else ()
    return {name: deepcopy(value) for name, value in items if name != "usage"}


def _take_first_tokens(events: list[DecodedEvent], number: int = 3) -> list[DecodedEvent]:
    """Return the events up to the third token, or to the last one of a shorter answer."""
    sent, end = 0, 1
    for at, (tokens, _) in enumerate(events):
        if tokens and sent < number:
            sent, end = sent + tokens, at + 1
    return events[:end]


# Text.


def replace_text(value: Any) -> Callable[[Payload], Payload]:
    """Put another value in the place of an event's text."""

    def change(payload: Payload) -> Payload:
        for holder, key in find_texts(payload):
            holder[key] = value
        return payload

    return change


def use_decimal(payload: Payload) -> bytes:
    """Return the event with a number that no JSON encoder writes."""
    return encode(replace_text("\0")(payload)).replace(b'"\\u0000"', b"0.10")


def remove_text(payload: Payload) -> Payload:
    """Return the event without the field in which its text stands."""
    for holder, key in find_texts(payload):
        del holder[key]
    return payload


def continue_after_done(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Send text behind the end mark."""
    text = _copy_without_usage(events[_find_position(events, find_texts) or 0][1])
    return [*events, (0, replace_text("leaked")(text)), (0, DONE_EVENT)]


# Reasoning and tool calls.


def rename_reasoning(payload: Payload) -> None:
    """Put reasoning under its other name."""
    for delta in _list_deltas(payload):
        for name in delta.keys() & _OTHER_NAMES.keys():
            delta[_OTHER_NAMES[name]] = delta.pop(name)


def edit_calls(change: Callable[[Payload], object]) -> Rewrite:
    """Change every tool call, or piece of one, in place."""
    return edit_payloads(lambda payload: [change(call) for _, call in list_calls(payload)])


def put_arguments_first(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Put the first arguments of a tool call before its name."""
    at = _find_position(events, list_calls) or 0
    keys = {key for payload in iter_payloads(events[at : at + 1]) for key, _ in list_calls(payload)}
    after = _find_position(events[at + 1 :], lambda payload: any(key in keys for key, _ in list_calls(payload)))
    if after is not None:
        events.insert(at, events.pop(at + 1 + after))
    return events


def join_calls(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Put all of a tool call into its first event, with the arguments as an object."""
    arguments: dict[tuple[Any, Any], str] = {}
    for payload in iter_payloads(events):
        for key, call in list_calls(payload):
            function: Payload = call.get("function") or {}
            arguments[key] = arguments.get(key, "") + (function.get("arguments") or "")
    joined: list[DecodedEvent] = []
    for tokens, event in events:
        calls = list_calls(event) if isinstance(event, dict) else []
        is_first = False
        for key, call in calls:
            function = call.get("function") or {}
            # Llama 3.3 ends its calls with a piece that names nothing.
            if key in arguments and function.get("name"):
                function["arguments"] = json.loads(arguments.pop(key) or "{}")
                is_first = True
        if is_first or not calls:
            joined.append((tokens, event))
    return joined


# Dialects and usage.


def add_null_fields(payload: Payload) -> None:
    """Fill in every field of the dialect, those that say nothing as `null`."""
    for choice in _list_objects(payload, "choices"):
        choice.update({name: None for name in ("stop_reason", "matched_stop") if name not in choice})
    for delta in _list_deltas(payload):
        delta.update({name: None for name in _DELTA_FIELDS if name not in delta})
    if "response" in payload:
        payload.update({name: None for name in ("finish_reason", "tool_calls", "usage") if not payload.get(name)})


def double_text(payload: Payload) -> None:
    """Give the text in both dialects."""
    for choice in _list_objects(payload, "choices"):
        part: Payload = choice.get("delta") or choice
        text = part.get("content") or part.get("text")
        if text and "response" not in payload and not choice.get("index"):
            payload["response"] = text
    if "choices" not in payload and payload.get("response") not in (None, ""):
        delta = {"content": str(payload["response"])}
        payload["choices"] = [{"index": 0, "delta": delta, "finish_reason": None}]


def mix_dialects(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Put every second event into the other dialect."""
    for payload in list(iter_payloads(events))[1::2]:
        _swap_dialect(payload)
    return events


def _swap_dialect(payload: Payload) -> None:
    choices = _list_objects(payload, "choices")
    if "choices" not in payload and "type" not in payload:
        delta = {name: value for name in _SHARED_FIELDS if (value := payload.pop(name, None))}
        text = payload.pop("response", "")
        delta |= {"content": str(text)} if text != "" else {}
        payload["choices"] = [{"index": 0, "delta": delta, "finish_reason": payload.pop("finish_reason", None)}]
        payload |= {"id": "chatcmpl-mixed", "object": "chat.completion.chunk"}
    elif len(choices) == 1 and not choices[0].get("index") and "response" not in payload:
        part = choices[0].get("delta") or choices[0]
        native: Payload = {"response": part.get("content") or part.get("text") or ""}
        native |= {name: part[name] for name in _SHARED_FIELDS if part.get(name)}
        native |= {name: payload[name] for name in ("usage", "p") if name in payload}
        if choices[0].get("finish_reason"):
            native["finish_reason"] = choices[0]["finish_reason"]
        payload.clear()
        payload.update(native)
    elif "response" in payload and choices:
        finish = choices[0].get("finish_reason")
        payload |= {"finish_reason": finish} if finish else {}
        del payload["choices"]


def replace_usage(report: Callable[[int, int, int], Payload | None] | None, trailer: str = "") -> Rewrite:
    """Give every event with tokens what `report` makes of the prompt's tokens, those sent before, and its own.

    `trailer` names the field of one more event, with the total.
    """

    def rewrite(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
        sent = 0
        for tokens, event in events:
            if isinstance(event, dict):
                event.pop("usage", None)
                if tokens and report:
                    event["usage"] = report(usage["prompt_tokens"], sent, tokens)
            sent += tokens
        if trailer == "metrics":
            usage = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
        if trailer:
            events.insert(-1, (0, {"response": "", trailer: usage}))
        return events

    return rewrite


# Finish reasons and the end.


def finish_after(number: int, reason: str, *, is_last: bool) -> Rewrite:
    """Finish behind so many tokens, with an event like the last one that has nothing else; then end, or go on."""

    def rewrite(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
        first = _take_first_tokens(events, number)
        payload = _copy_without_usage(first[-1][1])
        for choice in _list_objects(payload, "choices"):
            choice |= {"text": ""} if "text" in choice else {"delta": {}}
            choice["finish_reason"] = reason
        payload.pop("tool_calls", None)
        if "choices" not in payload or "response" in payload:
            payload |= {"response": "", "finish_reason": reason}
        return [*first, (0, payload), *([(0, DONE_EVENT)] if is_last else events[len(first) :])]

    return rewrite


def empty_finish_reason(payload: Payload) -> None:
    """Give the empty string where there is no finish reason."""
    for holder in [*_list_objects(payload, "choices"), *([payload] if "response" in payload else [])]:
        holder["finish_reason"] = holder.get("finish_reason") or ""


def cut_last_event(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Cut the event behind the first tokens in half, and send no more."""
    first = _take_first_tokens(events)
    cut = [encode(event) for _, event in events[len(first) : len(first) + 1]]
    return first + [(0, data[: len(data) // 2]) for data in cut]


# Framing.


def split_characters(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Send each event in two pieces, cut inside its first character of several bytes."""
    pieces: list[DecodedEvent] = []
    for tokens, event in events:
        data = encode(event)
        cut = next((at + 1 for at, byte in enumerate(data) if byte >= 0xC0), None)
        pieces += [(tokens, data)] if cut is None else [(tokens, data[:cut]), (0, data[cut:])]
    return pieces


def mix_line_ends(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Send another line end with each event, by turns."""
    ends = (b"\n", b"\r\n", b"\r")
    return [(tokens, encode(event).replace(b"\n", ends[at % 3])) for at, (tokens, event) in enumerate(events)]


def split_over_lines(events: list[DecodedEvent], usage: Payload) -> list[DecodedEvent]:
    """Split the JSON of each event over several lines of data."""
    return [(tokens, encode_event(event, indent=1) if isinstance(event, dict) else event) for tokens, event in events]
