"""Facts on lists: the pages of the models, schemas, and what the entries of other lists are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx

from cfai.doctor._finding import Finding, ok
from cfai.doctor.conformance._answers import SDXL
from cfai.doctor.conformance._probe import Probe, decode_body, find_refusal, get_path, join_words, status_text


def ask_models(probe: Probe) -> Finding:
    """Return the pages of the list of models."""
    first, second, past = (probe.ask("GET", f"/models/search?page={page}&per_page=5") for page in (1, 2, 1000))
    if refused := find_refusal(first):
        return refused
    row, info = (get_path(decode_body(first), *path) for path in (("result", 0), ("result_info",)))
    other = "the same ones" if get_path(decode_body(second), "result", 0) == row else "others"
    keys, info_keys = join_words(_list_keys(row)), join_words(_list_keys(info))
    says = f"a page of 5 has {_get_count(first)} rows of {keys}; result_info has {info_keys}"
    return ok(f"{says}; the next page has {other}; past the end {status_text(past)} with {_get_count(past)} rows")


def ask_schema(probe: Probe) -> Finding:
    """Return whether a schema says what its answer is."""
    response = probe.ask("GET", f"/models/schema?model={SDXL}")
    if refused := find_refusal(response):
        return refused
    result = get_path(decode_body(response), "result")
    output = get_path(result, "output")
    says = f"has {join_words(_list_keys(result))}; the output says contentType {get_path(output, 'contentType')}"
    return ok(f"{says}, format {get_path(output, 'format')}")


def ask_tasks(probe: Probe) -> Finding:
    """Return what an entry of the list of tasks is."""
    return _ask_entry(probe, "/tasks/search", "result")


def ask_authors(probe: Probe) -> Finding:
    """Return what an entry of the list of authors is."""
    return _ask_entry(probe, "/authors/search", "result")


def ask_openai_list(probe: Probe) -> Finding:
    """Return whether there is a list of models in the form of OpenAI, and what its entries are."""
    return _ask_entry(probe, "/v1/models", "data")


def _ask_entry(probe: Probe, path: str, place: str) -> Finding:
    response = probe.ask("GET", path)
    if response.status_code in (400, 404, 405):
        return ok(f"there is no such list: {status_text(response)}")
    if refused := find_refusal(response):
        return refused
    body = decode_body(response)
    rows = get_path(body, place)
    if not isinstance(rows, list):
        return ok(f"no list as {place}, but {_describe_shape(body)}")
    return ok(f"{len(cast('list[Any]', rows))} rows under {place}; the first is {_describe_shape(get_path(rows, 0))}")


def _describe_shape(value: Any) -> str:
    """Return the keys of an object with the kinds of their values, or the kind of what is none."""
    if not isinstance(value, dict):
        return type(value).__name__
    held = cast("Mapping[str, Any]", value)
    return join_words(f"{key} ({type(each).__name__})" for key, each in sorted(held.items()))


def _get_count(response: httpx.Response) -> int | str:
    rows = get_path(decode_body(response), "result")
    return len(cast("list[Any]", rows)) if isinstance(rows, list) else "no"


def _list_keys(value: Any) -> list[str]:
    return sorted(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else []
