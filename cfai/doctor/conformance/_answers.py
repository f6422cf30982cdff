"""Facts on answers: headers, media, batches."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, cast

from cfai._json import is_mapping
from cfai.doctor._finding import REPORT_REMEDY, Finding, report_ok, report_problem
from cfai.doctor._installation import CHEAPEST_MODEL
from cfai.doctor.conformance._inputs import AURA, HELLO, MELOTTS, SDXL
from cfai.doctor.conformance._probe import InconclusiveError, Probe, ProbeResponse, get_path, join_words, judge_output

_POLLS = 15
_PAUSE = 2.0
"""Seconds between two polls."""

_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def ask_headers(probe: Probe) -> Finding:
    """Report the headers that are Cloudflare's, and check that the request's id is among them."""
    response = probe.run(CHEAPEST_MODEL, HELLO).require_success()
    names = sorted(name for name in response.headers if name.startswith("cf-"))
    if not {"cf-ai-req-id", "cf-ray"} & set(names):
        return report_problem(f"no request id comes: {join_words(names)}", REPORT_REMEDY)
    return report_ok(join_words(names))


def ask_image(probe: Probe) -> Finding:
    """Report the format of an image of SDXL: the media type that is declared, and that of its bytes."""
    inputs = {"prompt": "a grey square", "width": 256, "height": 256, "num_steps": 1}
    response = probe.run(SDXL, inputs).require_success()
    kind = next((kind for magic, kind in _MAGIC.items() if response.content.startswith(magic)), "unknown")
    form = f"declared as {response.content_type}, and the bytes are {kind}"
    return judge_output(form, probe.read(response, SDXL, inputs))


def ask_speech(probe: Probe) -> Finding:
    """Report how melotts sends audio: in JSON, or raw."""
    inputs = {"prompt": "Hi"}
    response = probe.run(MELOTTS, inputs).require_success()
    form = f"raw, declared as {response.content_type}"
    if isinstance(audio := response.get("result", "audio"), str):
        form = f"JSON, with the audio in base64 (it begins with {base64.b64decode(audio[:16])[:4].hex()})"
    return judge_output(form, probe.read(response, MELOTTS, inputs))


def ask_batch(probe: Probe) -> Finding:
    """Report the statuses while a batch waits, the form of its polls, and the order and depth of its results."""
    texts = [HELLO | {"external_reference": "first"}, {"text": "bye", "external_reference": "second"}]
    submitted = probe.run(CHEAPEST_MODEL, {"requests": texts}, queue_request=True)
    id = submitted.get("result", "request_id")
    if not isinstance(id, str):
        submitted.require_success()
        raise InconclusiveError(f"handed in ({submitted.status_text}), and there is no request_id")
    waiting: dict[str, None] = {}
    for polled in _poll(probe, id):
        polled.require_success()
        rows = polled.get("result", "responses")
        if isinstance(rows, list):
            end = f"done with {_describe_rows(polled, rows)}; a poll without queueRequest gives "
            end += probe.run(CHEAPEST_MODEL, {"request_id": id}).status_text
            break
        waiting[f"{polled.status_text} {polled.get('result', 'status')}"] = None
    else:
        end = f"not done after {_POLLS} polls"
    wait = f"while it waits {join_words(waiting)}" if waiting else "no poll found it waiting"
    return report_ok(f"handed in with {submitted.status_text}; {wait}; {end}")


def _describe_rows(polled: ProbeResponse, rows: Any) -> str:
    ids = [get_path(row, "id") for row in cast("list[Any]", rows)]
    depth = "nested twice" if isinstance(get_path(rows, 0, "result", "result"), dict) else "nested once"
    reference = "with" if get_path(rows, 0, "external_reference") else "without"
    return f"{polled.status_text}, results in the order {ids}, {depth}, {reference} their references"


def ask_batch_item(probe: Probe) -> Finding:
    """Report how one bad request of a batch is marked."""
    submitted = probe.run(CHEAPEST_MODEL, {"requests": [HELLO, {"text": 5}]}, queue_request=True).require_verdict()
    id = submitted.get("result", "request_id")
    if not isinstance(id, str):
        return report_ok(f"the whole batch is refused at once with {submitted.status_text}")
    for polled in _poll(probe, id):
        if not polled.require_verdict().is_success:
            return report_ok(f"the whole batch is refused later with {polled.status_text}")
        rows = polled.get("result", "responses")
        if isinstance(rows, list):
            bad = next((row for row in cast("list[Any]", rows) if get_path(row, "success") is False), None)
            if not is_mapping(bad):
                return report_ok("no row of the batch says that it failed")
            return report_ok(
                f"its row has {join_words(f'{key} ({type(value).__name__})' for key, value in bad.items())}"
            )
    raise InconclusiveError(f"not done after {_POLLS} polls")


def ask_batch_sound(probe: Probe) -> Finding:
    """Report how a batch holds speech, which is no JSON."""
    submitted = probe.run(AURA, {"requests": [{"text": "Hi"}]}, queue_request=True).require_success()
    for polled in _poll(probe, str(submitted.get("result", "request_id")), AURA):
        rows = polled.require_success().get("result", "responses")
        if isinstance(rows, list):
            result = get_path(rows, 0, "result")
            shape = {name: type(value).__name__ for name, value in result.items()} if is_mapping(result) else ""
            return report_ok(f"its result is {type(result).__name__} {shape or str(result)[:8]!r}")
    raise InconclusiveError(f"not done after {_POLLS} polls")


def _poll(probe: Probe, id: str, model: str = CHEAPEST_MODEL) -> Iterator[ProbeResponse]:
    for _ in range(_POLLS):
        yield probe.run(model, {"request_id": id}, queue_request=True)
        probe.sleep(_PAUSE)


def ask_queued_alone(probe: Probe) -> Finding:
    """Report how inputs that are queued without `requests` around them are answered."""
    response = probe.run(CHEAPEST_MODEL, HELLO, queue_request=True).require_verdict()
    if not response.is_success:
        return report_ok(f"refused with {response.status_text}")
    waits = isinstance(response.get("result", "request_id"), str)
    return report_ok(f"{response.status_text}: {'queued like a batch' if waits else 'answered at once'}")
