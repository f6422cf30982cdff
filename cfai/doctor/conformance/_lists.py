"""Facts on lists: the pages of the models, schemas, and what the entries of other lists are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx

from cfai.doctor._finding import Finding, ok
from cfai.doctor.conformance._answers import SDXL
from cfai.doctor.conformance._probe import Probe, body_of, get_path, how, listed, refusal


def models(bench: Probe) -> Finding:
    """The pages of the list of models."""
    first, second, past = (bench.ask("GET", f"/models/search?page={page}&per_page=5") for page in (1, 2, 1000))
    if refused := refusal(first):
        return refused
    row, info = (get_path(body_of(first), *path) for path in (("result", 0), ("result_info",)))
    other = "the same ones" if get_path(body_of(second), "result", 0) == row else "others"
    says = f"a page of 5 has {_count(first)} rows of {listed(_keys(row))}; result_info has {listed(_keys(info))}"
    return ok(f"{says}; the next page has {other}; past the end {how(past)} with {_count(past)} rows")


def schema(bench: Probe) -> Finding:
    """Return whether a schema says what its answer is."""
    response = bench.ask("GET", f"/models/schema?model={SDXL}")
    if refused := refusal(response):
        return refused
    result = get_path(body_of(response), "result")
    output = get_path(result, "output")
    says = f"has {listed(_keys(result))}; the output says contentType {get_path(output, 'contentType')}"
    return ok(f"{says}, format {get_path(output, 'format')}")


def tasks(bench: Probe) -> Finding:
    """Return what an entry of the list of tasks is."""
    return _entry(bench, "/tasks/search", "result")


def authors(bench: Probe) -> Finding:
    """Return what an entry of the list of authors is."""
    return _entry(bench, "/authors/search", "result")


def openai(bench: Probe) -> Finding:
    """Return whether there is a list of models in the form of OpenAI, and what its entries are."""
    return _entry(bench, "/v1/models", "data")


def _entry(bench: Probe, path: str, place: str) -> Finding:
    response = bench.ask("GET", path)
    if response.status_code in (400, 404, 405):
        return ok(f"there is no such list: {how(response)}")
    if refused := refusal(response):
        return refused
    body = body_of(response)
    rows = get_path(body, place)
    if not isinstance(rows, list):
        return ok(f"no list as {place}, but {_shape(body)}")
    return ok(f"{len(cast('list[Any]', rows))} rows under {place}; the first is {_shape(get_path(rows, 0))}")


def _shape(value: Any) -> str:
    """The keys of an object with the kinds of their values, or the kind of what is none."""
    if not isinstance(value, dict):
        return type(value).__name__
    held = cast("Mapping[str, Any]", value)
    return listed(f"{key} ({type(each).__name__})" for key, each in sorted(held.items()))


def _count(response: httpx.Response) -> int | str:
    rows = get_path(body_of(response), "result")
    return len(cast("list[Any]", rows)) if isinstance(rows, list) else "no"


def _keys(value: Any) -> list[str]:
    return sorted(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else []
