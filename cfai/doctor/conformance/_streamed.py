"""Facts on streams: their frame, their end, what their events are made of, and errors inside them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import httpx

from cfai import CfaiError, InferenceUpstreamError, StreamError
from cfai._response import reports_error
from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor.conformance._probe import (
    Probe,
    body_of,
    ends,
    events,
    get_path,
    how,
    judged,
    kind_of,
    lines,
    listed,
    refusal,
)
from cfai.doctor.conformance._requests import GLM, SMALL, png

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GPT = "@cf/openai/gpt-oss-20b"
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"


def frame(bench: Probe) -> Finding:
    """Content type, line ends, comments, event names and padding of a native stream."""
    inputs = {"prompt": "Count to three.", "max_tokens": 16, "stream": True}
    response = bench.run(SMALL, inputs)
    if refused := refusal(response):
        return refused
    all_lines = lines(response)
    extras = {
        "CRLF": b"\r\n" in response.content,
        "comments": any(line.startswith(":") for line in all_lines),
        "event names": any(line.startswith("event:") for line in all_lines),
        "padding": any("p" in event for event in events(response)),
    }
    says = (
        f"{kind_of(response)}, with {listed(name for name, seen in extras.items() if seen)}; ends with {ends(response)}"
    )
    return judged(says, bench.read(response, SMALL, inputs))


def native(bench: Probe) -> Finding:
    """Return where the text of Llama 3.3 stands, and how its usage is counted."""
    return _text(bench, LLAMA, {"prompt": "Say hi.", "max_tokens": 8, "stream": True})


def chat(bench: Probe) -> Finding:
    """Return where text and reasoning of a chat model stand, and how its usage is counted."""
    messages = [{"role": "user", "content": "Say hi."}]
    return _text(bench, GLM, {"messages": messages, "max_completion_tokens": 32, "stream": True})


def _text(bench: Probe, model: str, inputs: dict[str, Any]) -> Finding:
    response = bench.run(model, inputs)
    if refused := refusal(response):
        return refused
    found = events(response)
    keys = [key for key in ("response", "choices") if any(key in event for event in found)]
    both = any(event.get("response") and get_path(event, "choices", 0, "delta", "content") for event in found)
    deltas = [get_path(event, "choices", 0, "delta") for event in found]
    keys += [key for key in ("reasoning_content", "reasoning") if any(get_path(delta, key) for delta in deltas)]
    says = f"{kind_of(response)}: {' and '.join(keys) or 'neither response nor choices'}"
    says += ", both in one event" if both else ""
    return judged(f"{says}; {_usage(found)}; ends with {ends(response)}", bench.read(response, model, inputs))


def _usage(found: list[Mapping[str, Any]]) -> str:
    """Return how usage is reported: once, growing, or in parts that have to be added up."""
    names = ("prompt_tokens", "completion_tokens")
    counts = [tuple(_tokens(get_path(event, "usage", name)) for name in names) for event in found]
    seen = [count for count in counts if any(count)]
    if len(seen) < 2:
        return "usage once" if seen else "no usage"
    if not seen[-1][0] and seen[0][0]:
        return "usage in increments"
    grows = all(before[1] <= after[1] for before, after in pairwise(seen[:-1])) and seen[0][0] == seen[1][0]
    return "usage that grows" if grows else "usage in increments and a total at the end"


def _tokens(value: Any) -> int:
    return value if isinstance(value, int) else 0


def responses(bench: Probe) -> Finding:
    """Return whether `[DONE]` follows the events of the Responses API on the way that cfai takes."""
    inputs = {"input": "Say hi.", "max_output_tokens": 32, "stream": True}
    return _responses(bench, inputs, bench.run(GPT, inputs))


def responses_v1(bench: Probe) -> Finding:
    """Return whether `[DONE]` follows the events of the Responses API at its own address."""
    inputs = {"input": "Say hi.", "max_output_tokens": 32, "stream": True}
    return _responses(bench, inputs, bench.ask("POST", "/v1/responses", json={"model": GPT, **inputs}))


def _responses(bench: Probe, inputs: Any, response: httpx.Response) -> Finding:
    if refused := refusal(response):
        return refused
    output = bench.read(response, GPT, inputs)
    found = events(response)
    if not found:
        return judged(f"no events, {kind_of(response)}", output)
    last = found[-1].get("type")
    return judged(f"{kind_of(response)}: the last event is {last}; ends with {ends(response)}", output)


def moondream(bench: Probe) -> Finding:
    """Return what the chunks of moondream are made of."""
    inputs = _seen(png(32))
    response = bench.run(MOONDREAM, inputs)
    if refused := refusal(response):
        return refused
    output = bench.read(response, MOONDREAM, inputs)
    found = events(response)
    if not found:
        return judged(
            f"no events, {kind_of(response)} with {listed(_places(get_path(body_of(response), 'result')))}", output
        )
    places = dict.fromkeys(place for event in found for place in _places(event))
    says = f"{kind_of(response)}: events of {listed(places)}; ends with {ends(response)}"
    if not isinstance(output, CfaiError) and not str(output):
        return problem(f"{says}; cfai finds no text in them", "report it to the project")
    return judged(says, output)


def error_inside(bench: Probe) -> Finding:
    """The shape of an error inside a stream: of one that is provoked by a picture that is none."""
    inputs = _seen(b"this is no image")
    response = bench.run(MOONDREAM, inputs)
    inside = [event for event in events(response) if reports_error(dict(event))]
    if inside:
        output = bench.read(response, MOONDREAM, inputs)
        says = f"an event of {listed(_places(inside[0]))}, after which it ends with {ends(response)}"
        if isinstance(output, StreamError | InferenceUpstreamError):
            return ok(f"{says}; in cfai {type(output).__name__}")
        return problem(f"{says}; cfai takes it for an answer", "report it to the project")
    if not response.is_success:
        return ok(f"no image is refused before the stream: {how(response)}, {kind_of(response)}")
    return warning("not found out: none could be provoked")


def chat_v1(bench: Probe) -> Finding:
    """Return whether chunks at OpenAI's address tell their usage unasked, and whether a native event is among them."""
    inputs = {"messages": [{"role": "user", "content": "Say hi."}], "max_completion_tokens": 16, "stream": True}
    asking = inputs | {"stream_options": {"include_usage": True}}
    unasked, asked = (
        bench.ask("POST", "/v1/chat/completions", json={"model": GLM, **each}) for each in (inputs, asking)
    )
    if refused := refusal(unasked) or refusal(asked):
        return refused
    found = events(asked)
    says = f"{kind_of(asked)}: {_usage(events(unasked))} unasked, {_usage(found)} if asked for"
    native = "a native event" if any("response" in event for event in found) else "no native event"
    return judged(f"{says}; {native} among them; ends with {ends(asked)}", bench.read(asked, GLM, asking))


def _seen(picture: bytes) -> dict[str, Any]:
    image = picture_url(picture)
    return {"task": "caption", "image": image, "caption_length": "short", "max_tokens": 8, "stream": True}


def picture_url(picture: bytes) -> str:
    """A picture, or what is said to be one, as models take it."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _places(value: Any) -> list[str]:
    """The keys of an object, those of objects inside it behind a dot."""
    if not isinstance(value, dict):
        return []
    places: list[str] = []
    for key, held in cast("dict[str, Any]", value).items():
        places += [f"{key}.{place}" for place in _places(get_path(held, 0) or held)] or [key]
    return places
