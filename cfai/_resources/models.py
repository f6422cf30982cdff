"""The service's list of models, and the schema of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from cfai._json import is_mapping
from cfai._request import ApiRequest, quote_model
from cfai._resources.api import AccountApi, Operation, read_as, read_body, rename_as_internal, validate_rows
from cfai._resources.pages import AsyncPages, Page, Pages, check_filters, find_next_page
from cfai._response import ApiResponse, unwrap
from cfai.types import ModelFilters, ModelInfo, ModelSchema

_PER_PAGE = 50


def list_models(api: AccountApi, filters: Mapping[str, Any]) -> Pages[ModelInfo]:
    """Return the models that fit filters. Raises `ConfigurationError` for one that there is not."""
    check_filters(filters, ModelFilters)
    return Pages(api, partial(_build_page, filters), filters.get("page") or 1)


def alist_models(api: AccountApi, filters: Mapping[str, Any]) -> AsyncPages[ModelInfo]:
    """Return the models that fit filters, awaited. Raises `ConfigurationError` for one that there is not."""
    check_filters(filters, ModelFilters)
    return AsyncPages(api, partial(_build_page, filters), filters.get("page") or 1)


def get_schema(model: str) -> Operation[ModelSchema]:
    """Return the operation that asks for a model's schema. Raises `ConfigurationError` for what is no name."""
    quote_model(model)
    return Operation(path="/ai/models/schema", query={"model": model}, read=read_as(ModelSchema))


def _build_page(filters: Mapping[str, Any], number: int) -> Operation[Page[ModelInfo]]:
    per_page = filters.get("per_page") or _PER_PAGE

    def read(response: ApiResponse, request: ApiRequest) -> Page[ModelInfo]:
        body = read_body(response, request)
        rows = unwrap(body)
        # UNCERTAIN: what `format=openrouter` answers. OpenRouter's own lists are an object with their rows in it.
        is_object = is_mapping(rows) and "data" in rows
        items = validate_rows(ModelInfo, rows["data"] if is_object else body, response, request)
        is_alone = filters.get("page") is not None
        return Page(items, None if is_alone else find_next_page(number, len(items), per_page, body))

    query = {**filters, "page": number, "per_page": per_page}
    return Operation(path="/ai/models/search", query=query, read=read, map_error=rename_as_internal)
