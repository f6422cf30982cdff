"""The filters of AI Search and of AutoRAG, over the metadata of documents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local.resources._resource import refuse

_COMPARISONS: Mapping[str, Any] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda value, among: value in among,  # pyright: ignore[reportUnknownLambdaType]
    "$nin": lambda value, among: value not in among,  # pyright: ignore[reportUnknownLambdaType]
}
_AUTORAG_COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte")


def check_filters(filters: Any) -> None:
    """Raise `ErrorResponse` for what is no filter of Vectorize."""
    if not isinstance(filters, dict | None):
        raise refuse("filters: must be an object")
    for wanted in as_object(filters).values():
        if unknown := next((name for name in as_object(wanted) if name not in _COMPARISONS), None):
            raise refuse(f"filters: there is no {unknown}")


def fits_filters(filters: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Return True if metadata fits the filters of Vectorize."""
    for field, wanted in filters.items():
        for name, value in as_object(wanted).items() if isinstance(wanted, dict) else [("$eq", wanted)]:
            try:
                if field not in attributes or not _COMPARISONS[name](attributes[field], value):
                    return False
            except TypeError:
                return False
    return True


def build_filter(filters: Any) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells whether metadata fits the filters of AutoRAG. Raises `ErrorResponse` for what is none."""
    kind = as_object(filters).get("type")
    combine = any if kind == "or" else all
    comparisons = as_sequence(filters.get("filters")) if kind in ("and", "or") else [filters]
    if not comparisons:
        raise refuse("filters: must have one comparison or more")
    converted: list[Mapping[str, Any]] = []
    for each in map(as_object, comparisons if filters else ()):
        if each.get("type") not in _AUTORAG_COMPARISONS or not isinstance(each.get("key"), str):
            raise refuse(f"filters: must have a key, and a type of {', '.join(_AUTORAG_COMPARISONS)}")
        converted.append({each["key"]: {f"${each['type']}": each.get("value")}})
    return lambda attributes: combine(fits_filters(each, attributes) for each in converted)


def get_attributes(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what filters see of an item: its metadata, folder and file name."""
    folder, _, name = info["key"].rpartition("/")
    return {"folder": f"{folder}/" if folder else "", "filename": name, **info["metadata"]}
