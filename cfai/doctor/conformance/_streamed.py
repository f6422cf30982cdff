"""Facts on streams: their frame, their end, what their events are made of, and errors inside them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from cfai import CfaiError, InferenceUpstreamError, StreamError
from cfai._json import is_mapping
from cfai._response import event_reports_error
from cfai.doctor._finding import REPORT_REMEDY, Finding, report_ok, report_problem
from cfai.doctor.conformance._inputs import GLM, GPT, MOONDREAM, SMALL_MODEL, encode_data_url, make_png
from cfai.doctor.conformance._probe import InconclusiveError, Probe, get_path, join_words, judge_output


def ask_frame(probe: Probe) -> Finding:
    """Report content type, line ends, comments, event names and padding of a native stream."""
    inputs = {"prompt": "Count to three.", "max_tokens": 16, "stream": True}
    response = probe.run(SMALL_MODEL, inputs).require_success()
    lines = response.lines
    extras = {
        "CRLF": b"\r\n" in response.content,
        "comments": any(line.startswith(":") for line in lines),
        "event names": any(line.startswith("event:") for line in lines),
        "padding": any("p" in event for event in response.events),
    }
    names = join_words(name for name, is_present in extras.items() if is_present)
    form = f"{response.content_type}, with {names}; ends with {response.last_line}"
    return judge_output(form, probe.read(response, SMALL_MODEL, inputs))


def ask_text(probe: Probe, model: str, inputs: dict[str, Any]) -> Finding:
    """Report where text and reasoning stand in a model's events, and how its usage is counted."""
    inputs = {**inputs, "stream": True}
    response = probe.run(model, inputs).require_success()
    events = response.events
    keys = [key for key in ("response", "choices") if any(key in event for event in events)]
    both = any(event.get("response") and get_path(event, "choices", 0, "delta", "content") for event in events)
    deltas = [get_path(event, "choices", 0, "delta") for event in events]
    keys += [key for key in ("reasoning_content", "reasoning") if any(get_path(delta, key) for delta in deltas)]
    form = f"{response.content_type}: {' and '.join(keys) or 'neither response nor choices'}"
    form += f"{', both in one event' if both else ''}; {_describe_usage(events)}"
    return judge_output(f"{form}; ends with {response.last_line}", probe.read(response, model, inputs))


def _describe_usage(events: list[Mapping[str, Any]]) -> str:
    """Return how usage is reported: once, growing, or in parts that have to be added up."""
    names = ("prompt_tokens", "completion_tokens")
    counts = [tuple(_count_tokens(get_path(event, "usage", name)) for name in names) for event in events]
    usages = [count for count in counts if any(count)]
    if len(usages) < 2:
        return "usage once" if usages else "no usage"
    if not usages[-1][0] and usages[0][0]:
        return "usage in increments"
    grows = all(before[1] <= after[1] for before, after in pairwise(usages[:-1])) and usages[0][0] == usages[1][0]
    return "usage that grows" if grows else "usage in increments and a total at the end"


def _count_tokens(value: Any) -> int:
    return value if isinstance(value, int) else 0


def ask_responses(probe: Probe, *, at_own_address: bool = False) -> Finding:
    """Report whether `[DONE]` ends a stream of the Responses API, called as cfai does or at its own address."""
    inputs = {"input": "Say hi.", "max_output_tokens": 32, "stream": True}
    if at_own_address:
        response = probe.ask("POST", "/v1/responses", json={"model": GPT, **inputs})
    else:
        response = probe.run(GPT, inputs)
    output = probe.read(response.require_success(), GPT, inputs)
    events = response.events
    if not events:
        return judge_output(f"no events, {response.content_type}", output)
    form = f"{response.content_type}: the last event is {events[-1].get('type')}"
    return judge_output(f"{form}; ends with {response.last_line}", output)


def ask_moondream(probe: Probe) -> Finding:
    """Report the fields of moondream's chunks."""
    inputs = _build_moondream_inputs(make_png(32))
    response = probe.run(MOONDREAM, inputs).require_success()
    output = probe.read(response, MOONDREAM, inputs)
    events = response.events
    if not events:
        places = _list_places(response.get("result"))
        return judge_output(f"no events, {response.content_type} with {join_words(places)}", output)
    places = dict.fromkeys(place for event in events for place in _list_places(event))
    form = f"{response.content_type}: events of {join_words(places)}; ends with {response.last_line}"
    if not isinstance(output, CfaiError) and not str(output):
        return report_problem(f"{form}; cfai finds no text in them", REPORT_REMEDY)
    return judge_output(form, output)


def ask_error_inside(probe: Probe) -> Finding:
    """Report the shape of an error inside a stream, provoked by a picture that is none."""
    inputs = _build_moondream_inputs(b"this is no image")
    response = probe.run(MOONDREAM, inputs)
    event = next((event for event in response.events if event_reports_error(dict(event))), None)
    if event is not None:
        output = probe.read(response, MOONDREAM, inputs)
        places = join_words(_list_places(event))
        form = f"an event of {places}, after which it ends with {response.last_line}"
        if isinstance(output, StreamError | InferenceUpstreamError):
            return report_ok(f"{form}; in cfai {type(output).__name__}")
        return report_problem(f"{form}; cfai takes it for an answer", REPORT_REMEDY)
    if response.require_verdict().is_success:
        raise InconclusiveError("none could be provoked")
    return report_ok(f"no image is refused before the stream: {response.status_text}, {response.content_type}")


def ask_chat_v1(probe: Probe) -> Finding:
    """Report whether chunks at OpenAI's address have their usage by default, and whether native events are there."""
    inputs = {"messages": [{"role": "user", "content": "Say hi."}], "max_completion_tokens": 16, "stream": True}
    with_usage = inputs | {"stream_options": {"include_usage": True}}
    default, requested = (
        probe.ask("POST", "/v1/chat/completions", json={"model": GLM, **each}).require_success()
        for each in (inputs, with_usage)
    )
    events = requested.events
    form = f"{_describe_usage(default.events)} unasked, {_describe_usage(events)} if asked for"
    native = "a native event" if any("response" in event for event in events) else "no native event"
    form = f"{requested.content_type}: {form}; {native} among them; ends with {requested.last_line}"
    return judge_output(form, probe.read(requested, GLM, with_usage))


def _build_moondream_inputs(picture: bytes) -> dict[str, Any]:
    image = encode_data_url(picture)
    return {"task": "caption", "image": image, "caption_length": "short", "max_tokens": 8, "stream": True}


def _list_places(value: Any) -> list[str]:
    """Return the keys of an object, those of objects inside it behind a dot."""
    if not is_mapping(value):
        return []
    places: list[str] = []
    for key, inner in value.items():
        places += [f"{key}.{place}" for place in _list_places(get_path(inner, 0) or inner)] or [key]
    return places
