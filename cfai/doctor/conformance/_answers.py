"""Facts on answers: headers, media, batches."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, cast

import httpx

from cfai._json import is_mapping
from cfai.doctor._finding import REPORT, Finding, report_ok, report_problem
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._inputs import HELLO
from cfai.doctor.conformance._models import MELOTTS, SDXL
from cfai.doctor.conformance._probe import (
    InconclusiveError,
    Probe,
    format_status,
    get_content_type,
    get_path,
    join_words,
    judge_output,
    read_path,
    require_success,
    require_verdict,
)

_POLLS = 15
_PAUSE = 2.0
"""Seconds between two polls."""

_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def ask_headers(probe: Probe) -> Finding:
    """Report the headers that are Cloudflare's, and check that the request's id is among them."""
    response = require_success(probe.run(EMBEDDING, HELLO))
    names = sorted(name for name in response.headers if name.startswith("cf-"))
    if not {"cf-ai-req-id", "cf-ray"} & set(names):
        return report_problem(f"no request id comes: {join_words(names)}", REPORT)
    return report_ok(join_words(names))


def ask_image(probe: Probe) -> Finding:
    """Report the format of an image of SDXL: the media type that is declared, and that of its bytes."""
    inputs = {"prompt": "a grey square", "width": 256, "height": 256, "num_steps": 1}
    response = require_success(probe.run(SDXL, inputs))
    kind = next((kind for magic, kind in _MAGIC.items() if response.content.startswith(magic)), "unknown")
    form = f"declared as {get_content_type(response)}, and the bytes are {kind}"
    return judge_output(form, probe.read(response, SDXL, inputs))


def ask_speech(probe: Probe) -> Finding:
    """Report how melotts sends audio: in JSON, or raw."""
    inputs = {"prompt": "Hi"}
    response = require_success(probe.run(MELOTTS, inputs))
    form = f"raw, declared as {get_content_type(response)}"
    if isinstance(audio := read_path(response, "result", "audio"), str):
        form = f"JSON, with the audio in base64 (it begins with {base64.b64decode(audio[:16])[:4].hex()})"
    return judge_output(form, probe.read(response, MELOTTS, inputs))


def ask_batch(probe: Probe) -> Finding:
    """Report the statuses while a batch waits, the form of its polls, and the order and depth of its results."""
    texts = [HELLO | {"external_reference": "first"}, {"text": "bye", "external_reference": "second"}]
    submitted = probe.run(EMBEDDING, {"requests": texts}, queue_request=True)
    id = read_path(submitted, "result", "request_id")
    if not isinstance(id, str):
        require_success(submitted)
        raise InconclusiveError(f"handed in ({format_status(submitted)}), and there is no request_id")
    waiting: dict[str, None] = {}
    for polled in _poll(probe, id):
        require_success(polled)
        rows = read_path(polled, "result", "responses")
        if isinstance(rows, list):
            end = f"done with {_describe_rows(polled, rows)}; a poll without queueRequest gives "
            end += format_status(probe.run(EMBEDDING, {"request_id": id}))
            break
        waiting[f"{format_status(polled)} {read_path(polled, 'result', 'status')}"] = None
    else:
        end = f"not done after {_POLLS} polls"
    wait = f"while it waits {join_words(waiting)}" if waiting else "no poll found it waiting"
    return report_ok(f"handed in with {format_status(submitted)}; {wait}; {end}")


def _describe_rows(polled: httpx.Response, rows: Any) -> str:
    ids = [get_path(row, "id") for row in cast("list[Any]", rows)]
    depth = "nested twice" if isinstance(get_path(rows, 0, "result", "result"), dict) else "nested once"
    reference = "with" if get_path(rows, 0, "external_reference") else "without"
    return f"{format_status(polled)}, results in the order {ids}, {depth}, {reference} their references"


def ask_batch_item(probe: Probe) -> Finding:
    """Report how one bad request of a batch is marked."""
    submitted = require_verdict(probe.run(EMBEDDING, {"requests": [HELLO, {"text": 5}]}, queue_request=True))
    id = read_path(submitted, "result", "request_id")
    if not isinstance(id, str):
        return report_ok(f"the whole batch is refused at once with {format_status(submitted)}")
    for polled in _poll(probe, id):
        if not require_verdict(polled).is_success:
            return report_ok(f"the whole batch is refused later with {format_status(polled)}")
        rows = read_path(polled, "result", "responses")
        if isinstance(rows, list):
            bad = next((row for row in cast("list[Any]", rows) if get_path(row, "success") is False), None)
            if not is_mapping(bad):
                return report_ok("no row of the batch says that it failed")
            return report_ok(
                f"its row has {join_words(f'{key} ({type(value).__name__})' for key, value in bad.items())}"
            )
    raise InconclusiveError(f"not done after {_POLLS} polls")


def _poll(probe: Probe, id: str) -> Iterator[httpx.Response]:
    for _ in range(_POLLS):
        yield probe.run(EMBEDDING, {"request_id": id}, queue_request=True)
        probe.sleep(_PAUSE)


def ask_queued_alone(probe: Probe) -> Finding:
    """Report how inputs that are queued without `requests` around them are answered."""
    response = require_verdict(probe.run(EMBEDDING, HELLO, queue_request=True))
    if not response.is_success:
        return report_ok(f"refused with {format_status(response)}")
    waits = isinstance(read_path(response, "result", "request_id"), str)
    return report_ok(f"{format_status(response)}: {'queued like a batch' if waits else 'answered at once'}")
