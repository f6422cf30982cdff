"""Facts on answers: headers, media, batches."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

import httpx

from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._probe import (
    Probe,
    decode_body,
    find_refusal,
    find_unrelated_refusal,
    get_content_type,
    get_path,
    join_words,
    judge_output,
    status_text,
)
from cfai.doctor.conformance._requests import HELLO

SDXL = "@cf/bytedance/stable-diffusion-xl-lightning"
MELOTTS = "@cf/myshell-ai/melotts"

_POLLS = 15
_PAUSE = 2.0
"""Seconds between two polls."""

_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def ask_headers(probe: Probe) -> Finding:
    """Return the headers that belong to Cloudflare, and whether the request's id and cost are among them."""
    response = probe.run(EMBEDDING, HELLO)
    if refused := find_refusal(response):
        return refused
    names = sorted(name for name in response.headers if name.startswith("cf-"))
    if not {"cf-ai-req-id", "cf-ray"} & set(names):
        return problem(f"no request id comes: {join_words(names)}", "report it to the project")
    return ok(join_words(names))


def ask_image(probe: Probe) -> Finding:
    """Return what SDXL sends: the media type it declares, and the one that its bytes begin with."""
    inputs = {"prompt": "a grey square", "width": 256, "height": 256, "num_steps": 1}
    response = probe.run(SDXL, inputs)
    if refused := find_refusal(response):
        return refused
    held = next((kind for magic, kind in _MAGIC.items() if response.content.startswith(magic)), "unknown")
    return judge_output(
        f"declared as {get_content_type(response)}, and the bytes are {held}", probe.read(response, SDXL, inputs)
    )


def ask_speech(probe: Probe) -> Finding:
    """Return what melotts sends: audio in JSON, or raw."""
    inputs = {"prompt": "Hi"}
    response = probe.run(MELOTTS, inputs)
    if refused := find_refusal(response):
        return refused
    output = probe.read(response, MELOTTS, inputs)
    held = get_path(decode_body(response), "result", "audio")
    if isinstance(held, str):
        return judge_output(
            f"JSON, with the audio in base64 (it begins with {base64.b64decode(held[:16])[:4].hex()})", output
        )
    return judge_output(f"raw, declared as {get_content_type(response)}", output)


def ask_batch(probe: Probe) -> Finding:
    """Return the statuses while a batch waits, the form of its polls, and the order and depth of its results."""
    texts = [HELLO | {"external_reference": "first"}, {"text": "bye", "external_reference": "second"}]
    submitted = probe.run(EMBEDDING, {"requests": texts}, queue_request=True)
    id = get_path(decode_body(submitted), "result", "request_id")
    if not isinstance(id, str):
        return find_refusal(submitted) or warning(
            f"not found out: handed in ({status_text(submitted)}), and there is no request_id"
        )
    waiting: list[str] = []
    for _ in range(_POLLS):
        polled = probe.run(EMBEDDING, {"request_id": id}, queue_request=True)
        if refused := find_refusal(polled):
            return refused
        if isinstance(rows := get_path(decode_body(polled), "result", "responses"), list):
            plain = probe.run(EMBEDDING, {"request_id": id})
            return ok(
                f"handed in with {status_text(submitted)}; {_describe_waiting(waiting)}; "
                f"done with {_describe_rows(polled, rows)}; {_describe_second_poll(plain)}"
            )
        waiting.append(f"{status_text(polled)} {get_path(decode_body(polled), 'result', 'status')}")
        probe.sleep(_PAUSE)
    return ok(f"handed in with {status_text(submitted)}; {_describe_waiting(waiting)}; not done after {_POLLS} polls")


def _describe_waiting(waiting: list[str]) -> str:
    return f"while it waits {join_words(dict.fromkeys(waiting))}" if waiting else "no poll found it waiting"


def _describe_rows(polled: httpx.Response, rows: Any) -> str:
    ids = [get_path(row, "id") for row in cast("list[Any]", rows)]
    nested = isinstance(get_path(rows, 0, "result", "result"), dict)
    reference = "with" if get_path(rows, 0, "external_reference") else "without"
    depth = "nested twice" if nested else "nested once"
    return f"{status_text(polled)}, results in the order {ids}, {depth}, {reference} their references"


def _describe_second_poll(plain: httpx.Response) -> str:
    return f"a poll without queueRequest gives {status_text(plain)}"


def ask_batch_item(probe: Probe) -> Finding:
    """Return how one bad request of a batch shows."""
    submitted = probe.run(EMBEDDING, {"requests": [HELLO, {"text": 5}]}, queue_request=True)
    id = get_path(decode_body(submitted), "result", "request_id")
    if not isinstance(id, str):
        return ok(f"the whole batch is refused at once with {status_text(submitted)}")
    for _ in range(_POLLS):
        polled = probe.run(EMBEDDING, {"request_id": id}, queue_request=True)
        if not polled.is_success:
            return ok(f"the whole batch is refused later with {status_text(polled)}")
        rows = get_path(decode_body(polled), "result", "responses")
        if isinstance(rows, list):
            bad = next((row for row in cast("list[Any]", rows) if get_path(row, "success") is False), None)
            if bad is None:
                return ok("no row of the batch says that it failed")
            shape = {key: type(value).__name__ for key, value in cast("Mapping[str, Any]", bad).items()}
            return ok(f"its row has {join_words(f'{key} ({kind})' for key, kind in shape.items())}")
        probe.sleep(_PAUSE)
    return warning(f"not found out: not done after {_POLLS} polls")


def ask_queued_alone(probe: Probe) -> Finding:
    """Return what becomes of inputs that are handed in for later without `requests` around them."""
    response = probe.run(EMBEDDING, HELLO, queue_request=True)
    if not response.is_success:
        return find_unrelated_refusal(response) or ok(f"refused with {status_text(response)}")
    waits = isinstance(get_path(decode_body(response), "result", "request_id"), str)
    return ok(f"{status_text(response)}: {'queued like a batch' if waits else 'answered at once'}")
