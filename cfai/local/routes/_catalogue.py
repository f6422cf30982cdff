"""Lists of what there is: models, their schemas, tasks and authors, from the catalogue of this package."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cfai import models
from cfai.local._models import Parameter, get_schema
from cfai.local.routes._route import Route
from cfai.local.wire import ErrorResponse, build_envelope, make_input_error
from cfai.models import Model

_DEPRECATION_PERIOD = timedelta(days=92)
"""How long `include_deprecated` still lists a model: three months."""

_PER_PAGE = 50

_TASKS = {
    "Text Generation": "c329a1f9-323d-4e91-b2aa-582dd4188d34",
    "Text Embeddings": "0137cdcf-162a-4108-94f2-1ca59e8c65ee",
    "Automatic Speech Recognition": "dfce1c48-2a81-462e-a7fd-de97ce985207",
    "Text-to-Speech": "b52660a1-9a95-4ab2-8b1d-f232be34604a",
    "Text-to-Image": "3d6e1f35-341b-4915-a6c8-9a7142a9033a",
    "Image-to-Text": "882a91d1-c331-4eec-bdad-834c919942a8",
}
"""The service's ids, where they are known."""


class Listing(Route):
    """A route that runs no model. `build_page` takes the query, and the time in seconds since 1970."""

    method = "GET"

    def __init__(self, build_page: Callable[[Mapping[str, str], float], Any]) -> None:
        self.build_page = build_page


def _list_models(query: Mapping[str, str], now: float) -> Any:
    matching = [model for model in models.catalogue().values() if _matches(model, query, now)]
    page, size = _parse_number(query, "page", 1), _parse_number(query, "per_page", _PER_PAGE)
    rows = matching[(page - 1) * size :][:size]
    if query.get("format") == "openrouter":
        # UNCERTAIN: what `format=openrouter` answers. So are the lists that OpenRouter asks for.
        return {"data": [_build_openrouter_entry(model) for model in rows]}
    info = {"count": len(rows), "page": page, "per_page": size, "total_count": len(matching)}
    return build_envelope([_build_model_entry(model) for model in rows]) | {"result_info": info}


def _describe_schema(query: Mapping[str, str], now: float) -> Any:
    model = models.catalogue().get(query.get("model", ""))
    if model is None:
        raise ErrorResponse(5007, f"No such model: No such model {query.get('model', '')} or task")
    return build_envelope({"input": _build_input_schema(model), "output": _build_output_schema(model)})


def _list_tasks(query: Mapping[str, str], now: float) -> Any:
    # UNCERTAIN: what an entry of `tasks/search` is; it is taken to be what a model has for its task.
    return build_envelope(
        [_build_task_entry(name) for name in sorted({model.task for model in models.catalogue().values()})]
    )


def _list_authors(query: Mapping[str, str], now: float) -> Any:
    # UNCERTAIN: what an entry of `authors/search` is.
    names = {_get_author(model) for model in models.catalogue().values()}
    return build_envelope([{"id": _build_id(name), "name": name} for name in sorted(names)])


def _list_for_openai(query: Mapping[str, str], now: float) -> Any:
    """Return everything that still runs, on one page."""
    rows = [
        {"id": model.name, "object": "model", "created": _parse_created_at(model), "owned_by": _get_author(model)}
        for model in models.catalogue().values()
        if model.retired_on is None
    ]
    return {"object": "list", "data": rows}


LISTINGS: Mapping[str, Listing] = {
    "models/search": Listing(_list_models),
    "models/schema": Listing(_describe_schema),
    "tasks/search": Listing(_list_tasks),
    "authors/search": Listing(_list_authors),
    "v1/models": Listing(_list_for_openai),
}
"""The listings by what stands behind `/ai/`."""


def _matches(model: Model, query: Mapping[str, str], now: float) -> bool:
    if model.retired_on is not None:
        today = datetime.fromtimestamp(now, UTC).date()
        if query.get("include_deprecated") != "true" or today > model.retired_on + _DEPRECATION_PERIOD:
            return False
    if query.get("hide_experimental") == "true" and "beta" in model.capabilities:
        return False
    if query.get("task") and query["task"] not in (model.task, _build_task_entry(model.task)["id"]):
        return False
    if query.get("author") and query["author"].lower() != _get_author(model):
        return False
    # All that is listed here is the service's own: its source is 1.
    return query.get("source", "1") == "1" and query.get("search", "").lower() in model.name.lower()


def _build_model_entry(model: Model) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(sorted(model.capabilities), "true")
    if model.context_length:
        values["context_window"] = str(model.context_length.value)
    if model.input_length:
        values["max_input_tokens"] = str(model.input_length.value)
    if model.price:
        values["price"] = [{"unit": each.unit, "price": each.usd, "currency": "USD"} for each in model.price]
    rows = [{"property_id": name, "value": value} for name, value in (values | dict(model.properties)).items()]
    return {
        "id": _build_id(model.name),
        "source": 1,
        "name": model.name,
        "description": f"{model.name.rpartition('/')[2]} by {_get_author(model)}: {model.task}.",
        "task": _build_task_entry(model.task),
        "created_at": model.created_at,
        "tags": [],
        "properties": rows,
    }


def _build_openrouter_entry(model: Model) -> dict[str, Any]:
    length = model.context_length.value if model.context_length else None
    name, created = model.name.rpartition("/")[2], _parse_created_at(model)
    return {"id": model.name, "name": name, "created": created, "context_length": length}


def _build_input_schema(model: Model) -> dict[str, Any]:
    """Return a JSON Schema of the inputs, with a branch for each of its variants."""
    parameters = get_schema(model.name).parameters
    variants = dict.fromkeys(each.rules["variant"] for each in parameters.values() if "variant" in each.rules)
    if not variants:
        return _build_branch_schema(parameters, None)
    branches = [{"title": variant, **_build_branch_schema(parameters, variant)} for variant in variants]
    return {"type": "object", "oneOf": branches}


def _build_branch_schema(parameters: Mapping[str, Parameter], variant: str | None) -> dict[str, Any]:
    """Return a schema of the inputs that this variant has."""
    known = {name: each for name, each in parameters.items() if each.rules.get("variant", variant) == variant}
    properties = {name: _build_property_schema(parameter) for name, parameter in known.items()}
    required = [name for name, parameter in known.items() if parameter.rules.get("required")]
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _build_property_schema(parameter: Parameter) -> dict[str, Any]:
    types = sorted(parameter.kinds)
    others = ("type", "variant", "required", "normalized")
    rules = {name: value for name, value in parameter.rules.items() if name not in others}
    # What the listing says of the type in words is more than its JSON types.
    words = {"description": parameter.type} if parameter.type not in types else {}
    return ({"type": types[0] if len(types) == 1 else types} if types else {}) | words | rules


def _build_output_schema(model: Model) -> dict[str, Any]:
    words = get_schema(model.name).output
    binary = re.search(r"contentType ([a-z]+/[a-z]+)", words)
    if binary and words.startswith("binary"):
        return {"type": "string", "contentType": binary[1], "format": "binary", "description": words}
    content_type = {"contentType": "application/json"} if words else {}
    return {"type": "array" if words.startswith("[") else "object", **content_type, "description": words}


def _build_task_entry(name: str) -> dict[str, str]:
    return {"id": _TASKS.get(name) or _build_id(name), "name": name, "description": f"Models for {name}."}


def _get_author(model: Model) -> str:
    return model.name.split("/")[1].lower()


def _parse_created_at(model: Model) -> int:
    """Return seconds since 1970; where the day is not known, the one on which Workers AI began."""
    day = date.fromisoformat(model.created_at[:10]) if model.created_at else date(2023, 9, 27)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _build_id(name: str) -> str:
    """Return an id that is the same every time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _parse_number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", value, re.ASCII):
        raise make_input_error(f"'/{name}' must be >= 1")
    return int(value)
