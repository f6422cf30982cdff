"""The rewritings that take more than a line. What each needs in a stream is looked for before it is called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from cfai.local.faults._events import (
    DONE,
    Event,
    Payload,
    Rewrite,
    Usage,
    build_event,
    edit_each_payload,
    edit_payload,
    find_position,
    find_texts,
    get_function,
    list_calls,
    list_calls_by_key,
    list_deltas,
    list_objects,
    parse_payload,
    replace_text,
)

AFTER = 3
"""How many tokens come before a failure."""

_CHAT = ("role", "content", "reasoning_content", "refusal", "function_call", "tool_calls")
_SHARED = ("tool_calls", "reasoning_content", "reasoning")
"""What the native dialect and the deltas of chat completions call the same."""


# Text.


def use_decimal(data: bytes) -> list[bytes]:
    """Return the event with a number that no JSON encoder writes."""
    return [replace_text(data, "\0").replace(b'"\\u0000"', b"0.10")]


def remove_text(data: bytes) -> list[bytes]:
    """Return the event without the field in which its text stands."""
    payload = parse_payload(data) or {}
    payload.pop("usage", None)
    for holder, key in find_texts(payload):
        del holder[key]
    return [build_event(payload, data)]


def add_null_fields(payload: Payload) -> None:
    """Fill in every field of the dialect, those that say nothing as `null`."""
    for choice in list_objects(payload, "choices"):
        choice.update({name: None for name in ("stop_reason", "matched_stop") if name not in choice})
    for delta in list_deltas(payload):
        delta.update({name: None for name in _CHAT if name not in delta})
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
    turns = count()
    return [
        (tokens, edit_payload(data, lambda payload: next(turns) % 2 and _swap_dialect(payload)))
        for tokens, data in events
    ]


def _swap_dialect(payload: Payload) -> None:
    choices = list_objects(payload, "choices")
    if "choices" not in payload and "type" not in payload:
        delta = {name: value for name in _SHARED if (value := payload.pop(name, None))}
        text = payload.pop("response", "")
        delta |= {"content": str(text)} if text != "" else {}
        payload["choices"] = [{"index": 0, "delta": delta, "finish_reason": payload.pop("finish_reason", None)}]
        payload |= {"id": "chatcmpl-mixed", "object": "chat.completion.chunk"}
    elif len(choices) == 1 and not choices[0].get("index") and "response" not in payload:
        said = choices[0].get("delta") or choices[0]
        native: Payload = {"response": said.get("content") or said.get("text") or ""}
        native |= {name: said[name] for name in _SHARED if said.get(name)}
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
    """Reasoning under its other name."""
    for delta in list_deltas(payload):
        for name, other in (("reasoning_content", "reasoning"), ("reasoning", "reasoning_content")):
            if name in delta:
                delta[other] = delta.pop(name)
                break


# Tool calls.


def flatten_calls(payload: Payload) -> None:
    """Give name and arguments without a `function` around them."""
    for call in list_calls(payload):
        call.update(call.pop("function", {}))


def put_arguments_first(events: list[Event], usage: Usage) -> list[Event]:
    """Put the first arguments of a tool call before its name."""
    keys = [[key for key, _ in list_calls_by_key(parse_payload(data) or {})] for _, data in events]
    at = next((at for at, those in enumerate(keys) if those), 0)
    following = next((place for place in range(at + 1, len(keys)) if set(keys[place]) & set(keys[at])), None)
    if following is None:
        return events
    return [*events[:at], events[following], *events[at:following], *events[following + 1 :]]


def join_calls(events: list[Event], usage: Usage) -> list[Event]:
    """Put all of a tool call into its first event, with the arguments as an object."""
    payloads = [parse_payload(data) or {} for _, data in events]
    arguments: dict[tuple[Any, Any], str] = {}
    for payload in payloads:
        for key, call in list_calls_by_key(payload):
            arguments[key] = arguments.get(key, "") + (get_function(call).get("arguments") or "")
    joined: list[Event] = []
    for (tokens, data), payload in zip(events, payloads, strict=True):
        pieces = list_calls_by_key(payload)
        # Llama 3.3 ends its calls with a piece that names nothing.
        first = [
            (arguments.pop(key), call) for key, call in pieces if key in arguments and get_function(call).get("name")
        ]
        for text, call in first:
            get_function(call)["arguments"] = json.loads(text or "{}")
        if first:
            joined.append((tokens, build_event(payload, data)))
        elif not pieces:
            joined.append((tokens, data))
    return joined


def remove_call_field(name: str) -> Rewrite:
    """Tool calls that lack a field."""
    return edit_each_payload(lambda payload: [call.pop(name, None) for call in list_calls(payload)])


# Usage.


def replace_usage(reports: Callable[[Usage, list[int]], Iterator[Payload | None]], trailer: str = "") -> Rewrite:
    """Usage as `reports` has it, a report for each event that holds tokens; `trailer` names an event with the total."""

    def rewrite(events: list[Event], usage: Usage) -> list[Event]:
        following = reports(usage, [tokens for tokens, _ in events if tokens])

        def report(payload: Payload, tokens: int) -> None:
            payload.pop("usage", None)
            if tokens:
                payload.update(usage=next(following))
                if payload["usage"] == {}:
                    del payload["usage"]

        told = [(tokens, edit_payload(data, lambda payload, n=tokens: report(payload, n))) for tokens, data in events]
        if trailer == "metrics":
            usage = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
        if trailer:
            told.insert(-1, (0, build_event({"response": "", trailer: usage})))
        return told

    return rewrite


def report_cumulative(usage: Usage, tokens: list[int]) -> Iterator[Payload]:
    """Return the tokens so far."""
    sent = 0
    for number in tokens:
        sent += number
        yield _build_counts(usage["prompt_tokens"], sent)


def report_incremental(usage: Usage, tokens: list[int]) -> Iterator[Payload]:
    """Return the tokens of the event, the prompt's in the first."""
    prompt = usage["prompt_tokens"]
    for number in tokens:
        yield _build_counts(prompt, number)
        prompt = 0


def report_null(usage: Usage, tokens: list[int]) -> Iterator[None]:
    """Return `null` for a report."""
    yield from (None for _ in tokens)


def report_nothing(usage: Usage, tokens: list[int]) -> Iterator[Payload]:
    """No report."""
    yield from ({} for _ in tokens)


def _build_counts(prompt: int, completion: int) -> Payload:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


# Finish reasons and the end.


def finish_early(events: list[Event], usage: Usage) -> list[Event]:
    """Finish behind the first token."""
    return [*(first := take_first_tokens(events, 1)), (0, _build_finish(first[-1][1], "stop")), *events[len(first) :]]


def finish_with_error(events: list[Event], usage: Usage) -> list[Event]:
    """Finish with an error."""
    return [*(first := take_first_tokens(events)), (0, _build_finish(first[-1][1], "error")), (0, DONE)]


def _build_finish(data: bytes, reason: str) -> bytes:
    """Return an event like this one, with a finish reason and nothing else."""
    payload = parse_payload(data) or {}
    for choice in list_objects(payload, "choices"):
        choice |= {"text": ""} if "text" in choice else {"delta": {}}
        choice["finish_reason"] = reason
    for name in ("usage", "tool_calls"):
        payload.pop(name, None)
    if "choices" not in payload or "response" in payload:
        payload |= {"response": "", "finish_reason": reason}
    return build_event(payload, data)


def empty_finish_reason(payload: Payload) -> None:
    """Give the empty string where there is no finish reason."""
    for holder in [*list_objects(payload, "choices"), *([payload] if "response" in payload else [])]:
        holder["finish_reason"] = holder.get("finish_reason") or ""


def remove_done(events: list[Event], usage: Usage) -> list[Event]:
    """No end mark."""
    return [(tokens, data) for tokens, data in events if data != DONE]


def continue_after_done(events: list[Event], usage: Usage) -> list[Event]:
    """Text behind the end mark."""
    return [*events, (0, replace_text(events[find_position(events, find_texts) or 0][1], "leaked")), (0, DONE)]


def remove_last_line_end(events: list[Event], usage: Usage) -> list[Event]:
    """No line end at the end."""
    return [*events[:-1], (events[-1][0], events[-1][1].rstrip(b"\n"))]


def cut_last_event(events: list[Event], usage: Usage) -> list[Event]:
    """Cut the last event in half."""
    first = take_first_tokens(events)
    return first + [(0, data[: len(data) // 2]) for _, data in events[len(first) : len(first) + 1]]


def fail_with(event: Payload | bytes, *, then: bytes = b"") -> Rewrite:
    """Keep the first tokens, then send this event, and nothing of the rest."""
    last = event if isinstance(event, bytes) else build_event(event)
    return lambda events, usage: [*take_first_tokens(events), (0, last + then)]


def take_first_tokens(events: list[Event], number: int = AFTER) -> list[Event]:
    """Return the events up to the third token, or to the last one of a shorter answer."""
    sent, end = 0, 1
    for at, (tokens, _) in enumerate(events):
        if tokens and sent < number:
            sent, end = sent + tokens, at + 1
    return events[:end]


# Framing.


def begin_with(first: bytes) -> Rewrite:
    """Send bytes before the first event."""
    return lambda events, usage: [(0, first), *events]


def join_events(events: list[Event], usage: Usage) -> list[Event]:
    """Send all events at once."""
    return [(sum(tokens for tokens, _ in events), b"".join(data for _, data in events))]


def replace_with(*events: bytes) -> Rewrite:
    """These events instead."""
    return lambda _, usage: [(0, data) for data in events]


def split_characters(events: list[Event], usage: Usage) -> list[Event]:
    """Send each event in two pieces, cut inside its first character of several bytes."""
    pieces: list[Event] = []
    for tokens, data in events:
        cut = next((at + 1 for at, byte in enumerate(data) if byte >= 0xC0), None)
        pieces += [(tokens, data)] if cut is None else [(tokens, data[:cut]), (0, data[cut:])]
    return pieces


def mix_line_ends(events: list[Event], usage: Usage) -> list[Event]:
    """Another line end for each event, by turns."""
    ends = (b"\n", b"\r\n", b"\r")
    return [(tokens, data.replace(b"\n", ends[at % 3])) for at, (tokens, data) in enumerate(events)]


def split_over_lines(data: bytes) -> bytes:
    """Split the JSON over several lines of data."""
    payload: Any = parse_payload(data)
    return data if payload is None else build_event(payload, data, indent=1)
