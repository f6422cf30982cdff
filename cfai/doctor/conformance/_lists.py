"""Facts on lists: the pages of the models, schemas, and what the entries of other lists are."""

from __future__ import annotations

from typing import Any, cast

from cfai._json import is_mapping
from cfai.doctor._finding import Finding, report_ok
from cfai.doctor.conformance._inputs import SDXL
from cfai.doctor.conformance._probe import Probe, ProbeResponse, get_path, join_words, list_keys


def ask_models(probe: Probe) -> Finding:
    """Report the pages of the list of models."""
    first, second, past = (probe.ask("GET", f"/models/search?page={page}&per_page=5") for page in (1, 2, 1000))
    row, info = first.require_success().get("result", 0), first.get("result_info")
    other = "the same ones" if second.get("result", 0) == row else "others"
    form = f"a page of 5 has {_count_rows(first)} rows of {join_words(list_keys(row))}"
    form += f"; result_info has {join_words(list_keys(info))}; the next page has {other}"
    return report_ok(f"{form}; past the end {past.status_text} with {_count_rows(past)} rows")


def ask_schema(probe: Probe) -> Finding:
    """Report whether a schema names the type of its output."""
    result = probe.ask("GET", f"/models/schema?model={SDXL}").require_success().get("result")
    kind, format = get_path(result, "output", "contentType"), get_path(result, "output", "format")
    return report_ok(f"has {join_words(list_keys(result))}; the output says contentType {kind}, format {format}")


def ask_list(probe: Probe, path: str, place: str, under: str = "ai") -> Finding:
    """Report whether there is a list at `path`, and the form of its entries."""
    response = probe.ask("GET", path, under=under)
    if response.status in (400, 404, 405):
        return report_ok(f"there is no such list: {response.status_text}")
    rows = response.require_success().get(place)
    if not isinstance(rows, list):
        return report_ok(f"no list as {place}, but {_describe_shape(response.body)}")
    return report_ok(
        f"{len(cast('list[Any]', rows))} rows under {place}; the first is {_describe_shape(get_path(rows, 0))}"
    )


def _describe_shape(value: Any) -> str:
    """Return the keys of an object with the kinds of their values, or the kind of what is none."""
    if not is_mapping(value):
        return type(value).__name__
    return join_words(f"{key} ({type(each).__name__})" for key, each in sorted(value.items()))


def _count_rows(response: ProbeResponse) -> int | str:
    rows = response.get("result")
    return len(cast("list[Any]", rows)) if isinstance(rows, list) else "no"
