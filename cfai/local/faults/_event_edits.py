"""The rewritings that take more than a line. What each needs in a stream is looked for before it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cfai.local.faults._events import (
    Event,
    Rewrite,
    Usage,
    copy_without_usage,
    encode,
    find_position,
    find_texts,
    iter_payloads,
    list_calls,
    list_deltas,
    list_objects,
    replace_text,
    take_first_tokens,
)
from cfai.local.wire import DONE_EVENT, Payload, encode_event

_DELTA_FIELDS = ("role", "content", "reasoning_content", "refusal", "function_call", "tool_calls")
_SHARED_FIELDS = ("tool_calls", "reasoning_content", "reasoning")
"""What the native dialect and the deltas of chat completions call the same."""

_OTHER_NAMES = {"reasoning_content": "reasoning", "reasoning": "reasoning_content"}


# Text.


def use_decimal(payload: Payload) -> bytes:
    """Return the event with a number that no JSON encoder writes."""
    return encode(replace_text("\0")(payload)).replace(b'"\\u0000"', b"0.10")


def remove_text(payload: Payload) -> Payload:
    """Return the event without the field in which its text stands."""
    for holder, key in find_texts(payload):
        del holder[key]
    return payload


def add_null_fields(payload: Payload) -> None:
    """Fill in every field of the dialect, those that say nothing as `null`."""
    for choice in list_objects(payload, "choices"):
        choice.update({name: None for name in ("stop_reason", "matched_stop") if name not in choice})
    for delta in list_deltas(payload):
        delta.update({name: None for name in _DELTA_FIELDS if name not in delta})
    if "response" in payload:
        payload.update({name: None for name in ("finish_reason", "tool_calls", "usage") if not payload.get(name)})


def double_text(payload: Payload) -> None:
    """Give the text in both dialects."""
    for choice in list_objects(payload, "choices"):
        part: Payload = choice.get("delta") or choice
        text = part.get("content") or part.get("text")
        if text and "response" not in payload and not choice.get("index"):
            payload["response"] = text
    if "choices" not in payload and payload.get("response") not in (None, ""):
        delta = {"content": str(payload["response"])}
        payload["choices"] = [{"index": 0, "delta": delta, "finish_reason": None}]


def mix_dialects(events: list[Event], usage: Usage) -> list[Event]:
    """Put every second event into the other dialect."""
    for payload in list(iter_payloads(events))[1::2]:
        _swap_dialect(payload)
    return events


def _swap_dialect(payload: Payload) -> None:
    choices = list_objects(payload, "choices")
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


def rename_reasoning(payload: Payload) -> None:
    """Put reasoning under its other name."""
    for delta in list_deltas(payload):
        for name in delta.keys() & _OTHER_NAMES.keys():
            delta[_OTHER_NAMES[name]] = delta.pop(name)


# Tool calls.


def flatten_calls(payload: Payload) -> None:
    """Give name and arguments without a `function` around them."""
    for _, call in list_calls(payload):
        call.update(call.pop("function", {}))


def remove_call_field(name: str) -> Callable[[Payload], None]:
    """Remove a field of the tool calls."""

    def change(payload: Payload) -> None:
        for _, call in list_calls(payload):
            call.pop(name, None)

    return change


def put_arguments_first(events: list[Event], usage: Usage) -> list[Event]:
    """Put the first arguments of a tool call before its name."""
    at = find_position(events, list_calls) or 0
    keys = {key for payload in iter_payloads(events[at : at + 1]) for key, _ in list_calls(payload)}
    after = find_position(events[at + 1 :], lambda payload: any(key in keys for key, _ in list_calls(payload)))
    if after is not None:
        events.insert(at, events.pop(at + 1 + after))
    return events


def join_calls(events: list[Event], usage: Usage) -> list[Event]:
    """Put all of a tool call into its first event, with the arguments as an object."""
    arguments: dict[tuple[Any, Any], str] = {}
    for payload in iter_payloads(events):
        for key, call in list_calls(payload):
            arguments[key] = arguments.get(key, "") + (_get_function(call).get("arguments") or "")
    joined: list[Event] = []
    for tokens, event in events:
        calls = list_calls(event) if isinstance(event, dict) else []
        # Llama 3.3 ends its calls with a piece that names nothing.
        first = [(key, call) for key, call in calls if key in arguments and _get_function(call).get("name")]
        for key, call in first:
            call["function"]["arguments"] = json.loads(arguments.pop(key) or "{}")
        if first or not calls:
            joined.append((tokens, event))
    return joined


def _get_function(call: Payload) -> Payload:
    """Return name and arguments of a tool call."""
    return call.get("function") or {}


# Usage.


def replace_usage(report: Callable[[int, int, int], Payload | None] | None, trailer: str = "") -> Rewrite:
    """Give every event with tokens what `report` makes of the prompt's tokens, those sent before, and its own.

    `trailer` names the field of one more event, with the total.
    """

    def rewrite(events: list[Event], usage: Usage) -> list[Event]:
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


def finish_early(events: list[Event], usage: Usage) -> list[Event]:
    """Finish behind the first token."""
    first = take_first_tokens(events, 1)
    return [*first, (0, _build_finish(first[-1][1], "stop")), *events[len(first) :]]


def finish_with_error(events: list[Event], usage: Usage) -> list[Event]:
    """Finish with an error."""
    first = take_first_tokens(events)
    return [*first, (0, _build_finish(first[-1][1], "error")), (0, DONE_EVENT)]


def _build_finish(event: Payload | bytes, reason: str) -> Payload:
    """Return an event like this one, with a finish reason and nothing else."""
    payload = copy_without_usage(event)
    for choice in list_objects(payload, "choices"):
        choice |= {"text": ""} if "text" in choice else {"delta": {}}
        choice["finish_reason"] = reason
    payload.pop("tool_calls", None)
    if "choices" not in payload or "response" in payload:
        payload |= {"response": "", "finish_reason": reason}
    return payload


def empty_finish_reason(payload: Payload) -> None:
    """Give the empty string where there is no finish reason."""
    for holder in [*list_objects(payload, "choices"), *([payload] if "response" in payload else [])]:
        holder["finish_reason"] = holder.get("finish_reason") or ""


def continue_after_done(events: list[Event], usage: Usage) -> list[Event]:
    """Send text behind the end mark."""
    text = copy_without_usage(events[find_position(events, find_texts) or 0][1])
    return [*events, (0, replace_text("leaked")(text)), (0, DONE_EVENT)]


def remove_last_line_end(events: list[Event], usage: Usage) -> list[Event]:
    """Send no line end at the end."""
    return [*events[:-1], (events[-1][0], encode(events[-1][1]).rstrip(b"\n"))]


def cut_last_event(events: list[Event], usage: Usage) -> list[Event]:
    """Cut the event behind the first tokens in half, and send no more."""
    first = take_first_tokens(events)
    cut = [encode(event) for _, event in events[len(first) : len(first) + 1]]
    return first + [(0, data[: len(data) // 2]) for data in cut]


# Framing.


def join_events(events: list[Event], usage: Usage) -> list[Event]:
    """Send all events at once."""
    return [(sum(tokens for tokens, _ in events), b"".join(encode(event) for _, event in events))]


def split_characters(events: list[Event], usage: Usage) -> list[Event]:
    """Send each event in two pieces, cut inside its first character of several bytes."""
    pieces: list[Event] = []
    for tokens, event in events:
        data = encode(event)
        cut = next((at + 1 for at, byte in enumerate(data) if byte >= 0xC0), None)
        pieces += [(tokens, data)] if cut is None else [(tokens, data[:cut]), (0, data[cut:])]
    return pieces


def mix_line_ends(events: list[Event], usage: Usage) -> list[Event]:
    """Send another line end with each event, by turns."""
    ends = (b"\n", b"\r\n", b"\r")
    return [(tokens, encode(event).replace(b"\n", ends[at % 3])) for at, (tokens, event) in enumerate(events)]


def split_over_lines(events: list[Event], usage: Usage) -> list[Event]:
    """Split the JSON of each event over several lines of data."""
    return [(tokens, encode_event(event, indent=1) if isinstance(event, dict) else event) for tokens, event in events]
