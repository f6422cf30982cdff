"""Facts on answers: headers, media, batches."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

import httpx

from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._probe import Probe, body_of, get_path, how, judged, kind_of, listed, refusal, unrelated
from cfai.doctor.conformance._requests import HELLO

SDXL = "@cf/bytedance/stable-diffusion-xl-lightning"
MELOTTS = "@cf/myshell-ai/melotts"

_POLLS = 15
_PAUSE = 2.0
"""Seconds between two polls."""

_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def headers(bench: Probe) -> Finding:
    """The headers that belong to Cloudflare, and whether the request's id and cost are among them."""
    response = bench.run(EMBEDDING, HELLO)
    if refused := refusal(response):
        return refused
    names = sorted(name for name in response.headers if name.startswith("cf-"))
    if not {"cf-ai-req-id", "cf-ray"} & set(names):
        return problem(f"no request id comes: {listed(names)}", "report it to the project")
    return ok(listed(names))


def image(bench: Probe) -> Finding:
    """Return what SDXL sends: the media type it declares, and the one that its bytes begin with."""
    inputs = {"prompt": "a grey square", "width": 256, "height": 256, "num_steps": 1}
    response = bench.run(SDXL, inputs)
    if refused := refusal(response):
        return refused
    held = next((kind for magic, kind in _MAGIC.items() if response.content.startswith(magic)), "unknown")
    return judged(f"declared as {kind_of(response)}, and the bytes are {held}", bench.read(response, SDXL, inputs))


def speech(bench: Probe) -> Finding:
    """Return what melotts sends: audio in JSON, or raw."""
    inputs = {"prompt": "Hi"}
    response = bench.run(MELOTTS, inputs)
    if refused := refusal(response):
        return refused
    output = bench.read(response, MELOTTS, inputs)
    held = get_path(body_of(response), "result", "audio")
    if isinstance(held, str):
        return judged(
            f"JSON, with the audio in base64 (it begins with {base64.b64decode(held[:16])[:4].hex()})", output
        )
    return judged(f"raw, declared as {kind_of(response)}", output)


def batch(bench: Probe) -> Finding:
    """The statuses while a batch waits, the form of its polls, and the order and depth of its results."""
    texts = [HELLO | {"external_reference": "first"}, {"text": "bye", "external_reference": "second"}]
    submitted = bench.run(EMBEDDING, {"requests": texts}, queue_request=True)
    id = get_path(body_of(submitted), "result", "request_id")
    if not isinstance(id, str):
        return refusal(submitted) or warning(f"not found out: handed in ({how(submitted)}), and there is no request_id")
    waiting: list[str] = []
    for _ in range(_POLLS):
        polled = bench.run(EMBEDDING, {"request_id": id}, queue_request=True)
        if refused := refusal(polled):
            return refused
        if isinstance(rows := get_path(body_of(polled), "result", "responses"), list):
            plain = bench.run(EMBEDDING, {"request_id": id})
            return ok(
                f"handed in with {how(submitted)}; {_waited(waiting)}; done with {_rows(polled, rows)}; {_again(plain)}"
            )
        waiting.append(f"{how(polled)} {get_path(body_of(polled), 'result', 'status')}")
        bench.sleep(_PAUSE)
    return ok(f"handed in with {how(submitted)}; {_waited(waiting)}; not done after {_POLLS} polls")


def _waited(waiting: list[str]) -> str:
    return f"while it waits {listed(dict.fromkeys(waiting))}" if waiting else "no poll found it waiting"


def _rows(polled: httpx.Response, rows: Any) -> str:
    ids = [get_path(row, "id") for row in cast("list[Any]", rows)]
    nested = isinstance(get_path(rows, 0, "result", "result"), dict)
    reference = "with" if get_path(rows, 0, "external_reference") else "without"
    depth = "nested twice" if nested else "nested once"
    return f"{how(polled)}, results in the order {ids}, {depth}, {reference} their references"


def _again(plain: httpx.Response) -> str:
    return f"a poll without queueRequest gives {how(plain)}"


def batch_item(bench: Probe) -> Finding:
    """Return how one bad request of a batch shows."""
    submitted = bench.run(EMBEDDING, {"requests": [HELLO, {"text": 5}]}, queue_request=True)
    id = get_path(body_of(submitted), "result", "request_id")
    if not isinstance(id, str):
        return ok(f"the whole batch is refused at once with {how(submitted)}")
    for _ in range(_POLLS):
        polled = bench.run(EMBEDDING, {"request_id": id}, queue_request=True)
        if not polled.is_success:
            return ok(f"the whole batch is refused later with {how(polled)}")
        rows = get_path(body_of(polled), "result", "responses")
        if isinstance(rows, list):
            bad = next((row for row in cast("list[Any]", rows) if get_path(row, "success") is False), None)
            if bad is None:
                return ok("no row of the batch says that it failed")
            shape = {key: type(value).__name__ for key, value in cast("Mapping[str, Any]", bad).items()}
            return ok(f"its row has {listed(f'{key} ({kind})' for key, kind in shape.items())}")
        bench.sleep(_PAUSE)
    return warning(f"not found out: not done after {_POLLS} polls")


def queued_alone(bench: Probe) -> Finding:
    """Return what becomes of inputs that are handed in for later without `requests` around them."""
    response = bench.run(EMBEDDING, HELLO, queue_request=True)
    if not response.is_success:
        return unrelated(response) or ok(f"refused with {how(response)}")
    waits = isinstance(get_path(body_of(response), "result", "request_id"), str)
    return ok(f"{how(response)}: {'queued like a batch' if waits else 'answered at once'}")
