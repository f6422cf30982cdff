"""Operations of AI Search: the names of their errors, their pages, and what is refused before it is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from cfai._credentials import describe
from cfai._errors import (
    AiSearchInternalError,
    AiSearchNotFoundError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
)
from cfai._json import as_number, as_sequence, is_mapping
from cfai._request import ApiRequest
from cfai._resources.api import Operation, rename
from cfai._resources.pages import PagePlan, plan_pages
from cfai._response import ApiResponse

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_INSTANCE_ID = r"[a-z0-9_]+(?:-[a-z0-9_]+)*"
_MAX_ID = 32
_MAX_INSTANCES = 10

Ranges = Mapping[str, tuple[float, float]]
"""The least and the greatest value of numbers, by their places."""

_OPTION_RANGES: Ranges = {
    "retrieval.max_num_results": (1, 50),
    "retrieval.match_threshold": (0, 1),
    "retrieval.context_expansion": (0, 3),
    "reranking.match_threshold": (0, 1),
}
_CONFIG_RANGES: Ranges = {"max_num_results": (1, 50), "score_threshold": (0, 1)}
_COUNTS = ("max_num_results", "context_expansion")
"""The names of numbers that must be whole."""


def map_error(error: InferenceUpstreamError) -> Exception:
    """Return an error under the name that the binding has for it."""
    return rename(error, {404: AiSearchNotFoundError, None: AiSearchInternalError})


def build_operation(path: str, read: Callable[[ApiResponse, ApiRequest], T], **request: Any) -> Operation[T]:
    """Return an operation of AI Search. `request` are other fields of it."""
    return Operation(path=path, read=read, map_error=map_error, **request)


def list_pages(path: str, kind: type[M], filters: Mapping[str, Any], known: type | None = None) -> PagePlan[M]:
    """Plan a list of AI Search. Raises `ConfigurationError` for a filter that is not in `known`, and for a bad page."""
    return plan_pages(path, kind, filters, map_error, known=known)


# Checks


def check_instance_id(value: Any) -> str:
    """Return the id of an instance. Raises `ConfigurationError` for one that the service would refuse."""
    if not isinstance(value, str) or len(value) > _MAX_ID or not re.fullmatch(_INSTANCE_ID, value):
        must = (
            f"an instance's id must have 1 to {_MAX_ID} small letters, digits and _, with single hyphens between them"
        )
        got = f"{len(value)} characters" if isinstance(value, str) and len(value) > _MAX_ID else describe(value)
        raise ConfigurationError(f"{must}, got {got}")
    return value


def check_search(params: Any, *, several: bool) -> Mapping[str, Any]:
    """Return the parameters of a search, of `several` instances or of one. Raises `InputError` for what cannot work."""
    check_mapping(params, "{'query': 'How do I …?'}")
    has_query, has_messages = (params.get(name) is not None for name in ("query", "messages"))
    if has_query == has_messages:
        got = "both" if has_query else "neither"
        raise InputError(f"a search must have either `query` or `messages`, got {got}: pass one of them")
    if has_query:
        check_query(params)
    else:
        _check_messages(params["messages"])
    _check_options(params.get("ai_search_options"), several=several)
    return params


def check_chat(params: Any, *, several: bool) -> Mapping[str, Any]:
    """Return the parameters of a chat completion. Raises `InputError` for what cannot work."""
    check_mapping(params, "{'messages': [{'role': 'user', 'content': 'How do I …?'}]}")
    _check_messages(params.get("messages"))
    _check_options(params.get("ai_search_options"), several=several)
    return params


def check_query(params: Mapping[str, Any]) -> None:
    """Raise `InputError` for a query that is no string, or empty."""
    query = params.get("query")
    if not isinstance(query, str) or not query.strip():
        raise InputError(f"`query` must be a string that is not empty, got {describe(query)}")


def check_ranges(params: Mapping[str, Any], ranges: Ranges, place: str = "") -> None:
    """Raise `InputError` for a number that is out of its range, no number, or a fraction where things are counted."""
    for path, (least, most) in ranges.items():
        *parents, name = path.split(".")
        parent: Any = params
        for each in parents:
            parent = parent.get(each) if is_mapping(parent) else None
        value = as_number(parent.get(name)) if is_mapping(parent) else None
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
        if not is_number or (name in _COUNTS and value % 1):
            must = "a whole number" if name in _COUNTS else "a number"
            raise InputError(f"`{place}{path}` must be {must} from {least} to {most}, got {describe(value)}")


def check_config(config: Any) -> Mapping[str, Any]:
    """Return the configuration of an instance. Raises `InputError` for what cannot work."""
    check_mapping(config, "{'id': 'my-docs'}")
    check_ranges(config, _CONFIG_RANGES)
    return config


def check_mapping(params: Any, example: str) -> None:
    """Raise `InputError` for parameters that are no dict, with an `example` of one."""
    if not is_mapping(params):
        raise InputError(f"the parameters must be a dict such as {example}, got {describe(params)}")


def _check_messages(messages: Any) -> None:
    questions = [each for each in as_sequence(messages) if is_mapping(each) and each.get("role") == "user"]
    if not any(each.get("content") for each in questions):
        got = f"{len(as_sequence(messages))} others" if as_sequence(messages) else describe(messages)
        must = "`messages` must be a list with a message of the user that is not empty"
        raise InputError(f"{must}, got {got}: add {{'role': 'user', 'content': 'How do I …?'}}")


def _check_options(options: Any, *, several: bool) -> None:
    if options is not None and not is_mapping(options):
        raise InputError(f"`ai_search_options` must be a dict, got {describe(options)}")
    options = options or {}
    check_ranges(options, _OPTION_RANGES, "ai_search_options.")
    if several:
        instance_ids: Any = options.get("instance_ids") or []
        ids = as_sequence(instance_ids)
        if not 1 <= len(ids) <= _MAX_INSTANCES:
            must = f"`ai_search_options.instance_ids` must name 1 to {_MAX_INSTANCES} instances in a list"
            raise InputError(f"{must}, got {describe(instance_ids) if instance_ids and not ids else len(ids)}")
        for each in ids:
            check_instance_id(each)
