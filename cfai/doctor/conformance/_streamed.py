"""Facts on streams: their frame, their end, what their events are made of, and errors inside them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import httpx

from cfai import CfaiError, InferenceUpstreamError, StreamError
from cfai._response import event_reports_error
from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor.conformance._probe import (
    Probe,
    decode_body,
    describe_last_line,
    find_refusal,
    get_content_type,
    get_path,
    join_words,
    judge_output,
    parse_events,
    split_lines,
    status_text,
)
from cfai.doctor.conformance._requests import GLM, SMALL, make_png

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GPT = "@cf/openai/gpt-oss-20b"
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"


def ask_frame(probe: Probe) -> Finding:
    """Content type, line ends, comments, event names and padding of a native stream."""
    inputs = {"prompt": "Count to three.", "max_tokens": 16, "stream": True}
    response = probe.run(SMALL, inputs)
    if refused := find_refusal(response):
        return refused
    all_lines = split_lines(response)
    extras = {
        "CRLF": b"\r\n" in response.content,
        "comments": any(line.startswith(":") for line in all_lines),
        "event names": any(line.startswith("event:") for line in all_lines),
        "padding": any("p" in event for event in parse_events(response)),
    }
    seen = join_words(name for name, is_seen in extras.items() if is_seen)
    says = f"{get_content_type(response)}, with {seen}; ends with {describe_last_line(response)}"
    return judge_output(says, probe.read(response, SMALL, inputs))


def ask_native(probe: Probe) -> Finding:
    """Return where the text of Llama 3.3 stands, and how its usage is counted."""
    return _ask_text(probe, LLAMA, {"prompt": "Say hi.", "max_tokens": 8, "stream": True})


def ask_chat(probe: Probe) -> Finding:
    """Return where text and reasoning of a chat model stand, and how its usage is counted."""
    messages = [{"role": "user", "content": "Say hi."}]
    return _ask_text(probe, GLM, {"messages": messages, "max_completion_tokens": 32, "stream": True})


def _ask_text(probe: Probe, model: str, inputs: dict[str, Any]) -> Finding:
    response = probe.run(model, inputs)
    if refused := find_refusal(response):
        return refused
    found = parse_events(response)
    keys = [key for key in ("response", "choices") if any(key in event for event in found)]
    both = any(event.get("response") and get_path(event, "choices", 0, "delta", "content") for event in found)
    deltas = [get_path(event, "choices", 0, "delta") for event in found]
    keys += [key for key in ("reasoning_content", "reasoning") if any(get_path(delta, key) for delta in deltas)]
    says = f"{get_content_type(response)}: {' and '.join(keys) or 'neither response nor choices'}"
    says += ", both in one event" if both else ""
    return judge_output(
        f"{says}; {_describe_usage(found)}; ends with {describe_last_line(response)}",
        probe.read(response, model, inputs),
    )


def _describe_usage(found: list[Mapping[str, Any]]) -> str:
    """Return how usage is reported: once, growing, or in parts that have to be added up."""
    names = ("prompt_tokens", "completion_tokens")
    counts = [tuple(_count_tokens(get_path(event, "usage", name)) for name in names) for event in found]
    seen = [count for count in counts if any(count)]
    if len(seen) < 2:
        return "usage once" if seen else "no usage"
    if not seen[-1][0] and seen[0][0]:
        return "usage in increments"
    grows = all(before[1] <= after[1] for before, after in pairwise(seen[:-1])) and seen[0][0] == seen[1][0]
    return "usage that grows" if grows else "usage in increments and a total at the end"


def _count_tokens(value: Any) -> int:
    return value if isinstance(value, int) else 0


def ask_responses(probe: Probe) -> Finding:
    """Return whether `[DONE]` follows the events of the Responses API on the way that cfai takes."""
    inputs = {"input": "Say hi.", "max_output_tokens": 32, "stream": True}
    return _describe_responses(probe, inputs, probe.run(GPT, inputs))


def ask_responses_v1(probe: Probe) -> Finding:
    """Return whether `[DONE]` follows the events of the Responses API at its own address."""
    inputs = {"input": "Say hi.", "max_output_tokens": 32, "stream": True}
    return _describe_responses(probe, inputs, probe.ask("POST", "/v1/responses", json={"model": GPT, **inputs}))


def _describe_responses(probe: Probe, inputs: Any, response: httpx.Response) -> Finding:
    if refused := find_refusal(response):
        return refused
    output = probe.read(response, GPT, inputs)
    found = parse_events(response)
    if not found:
        return judge_output(f"no events, {get_content_type(response)}", output)
    last = found[-1].get("type")
    return judge_output(
        f"{get_content_type(response)}: the last event is {last}; ends with {describe_last_line(response)}", output
    )


def ask_moondream(probe: Probe) -> Finding:
    """Return what the chunks of moondream are made of."""
    inputs = _ask_moondream(make_png(32))
    response = probe.run(MOONDREAM, inputs)
    if refused := find_refusal(response):
        return refused
    output = probe.read(response, MOONDREAM, inputs)
    found = parse_events(response)
    if not found:
        return judge_output(
            f"no events, {get_content_type(response)} with "
            f"{join_words(_list_places(get_path(decode_body(response), 'result')))}",
            output,
        )
    places = dict.fromkeys(place for event in found for place in _list_places(event))
    says = f"{get_content_type(response)}: events of {join_words(places)}; ends with {describe_last_line(response)}"
    if not isinstance(output, CfaiError) and not str(output):
        return problem(f"{says}; cfai finds no text in them", "report it to the project")
    return judge_output(says, output)


def ask_error_inside(probe: Probe) -> Finding:
    """Return the shape of an error inside a stream: of one that is provoked by a picture that is none."""
    inputs = _ask_moondream(b"this is no image")
    response = probe.run(MOONDREAM, inputs)
    inside = [event for event in parse_events(response) if event_reports_error(dict(event))]
    if inside:
        output = probe.read(response, MOONDREAM, inputs)
        places = join_words(_list_places(inside[0]))
        says = f"an event of {places}, after which it ends with {describe_last_line(response)}"
        if isinstance(output, StreamError | InferenceUpstreamError):
            return ok(f"{says}; in cfai {type(output).__name__}")
        return problem(f"{says}; cfai takes it for an answer", "report it to the project")
    if not response.is_success:
        return ok(f"no image is refused before the stream: {status_text(response)}, {get_content_type(response)}")
    return warning("not found out: none could be provoked")


def ask_chat_v1(probe: Probe) -> Finding:
    """Return whether chunks at OpenAI's address tell their usage unasked, and whether a native event is among them."""
    inputs = {"messages": [{"role": "user", "content": "Say hi."}], "max_completion_tokens": 16, "stream": True}
    asking = inputs | {"stream_options": {"include_usage": True}}
    unasked, asked = (
        probe.ask("POST", "/v1/chat/completions", json={"model": GLM, **each}) for each in (inputs, asking)
    )
    if refused := find_refusal(unasked) or find_refusal(asked):
        return refused
    found = parse_events(asked)
    unasked_usage, asked_usage = _describe_usage(parse_events(unasked)), _describe_usage(found)
    says = f"{get_content_type(asked)}: {unasked_usage} unasked, {asked_usage} if asked for"
    native = "a native event" if any("response" in event for event in found) else "no native event"
    return judge_output(
        f"{says}; {native} among them; ends with {describe_last_line(asked)}", probe.read(asked, GLM, asking)
    )


def _ask_moondream(picture: bytes) -> dict[str, Any]:
    image = to_data_url(picture)
    return {"task": "caption", "image": image, "caption_length": "short", "max_tokens": 8, "stream": True}


def to_data_url(picture: bytes) -> str:
    """Return a picture, or what is said to be one, as models take it."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _list_places(value: Any) -> list[str]:
    """Return the keys of an object, those of objects inside it behind a dot."""
    if not isinstance(value, dict):
        return []
    places: list[str] = []
    for key, held in cast("dict[str, Any]", value).items():
        places += [f"{key}.{place}" for place in _list_places(get_path(held, 0) or held)] or [key]
    return places
