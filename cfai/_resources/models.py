"""The service's list of models, and the schema of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfai._json import is_mapping
from cfai._request import quote_model
from cfai._resources.api import Operation, get_result, read_as, rename_as_internal
from cfai._resources.pages import PagePlan, plan_pages
from cfai.types import ModelFilters, ModelInfo, ModelSchema


def list_models(filters: Mapping[str, Any]) -> PagePlan[ModelInfo]:
    """Plan the list of the models that fit filters. Raises `ConfigurationError` for one that there is not."""
    path = "/ai/models/search"
    return plan_pages(path, ModelInfo, filters, rename_as_internal, known=ModelFilters, get_rows=_get_rows)


def get_schema(model: str) -> Operation[ModelSchema]:
    """Return the operation that asks for a model's schema. Raises `ConfigurationError` for what is no name."""
    quote_model(model)
    return Operation(path="/ai/models/schema", query={"model": model}, read=read_as(ModelSchema))


def _get_rows(body: Any) -> Any:
    # UNCERTAIN: what `format=openrouter` answers. OpenRouter's own lists are an object with their rows in it.
    rows = get_result(body)
    return rows["data"] if is_mapping(rows) and "data" in rows else body
