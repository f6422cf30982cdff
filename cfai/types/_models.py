"""Models as the service lists them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

from cfai.types._output import AS_LIST, Fields, Output, TextField


class ModelFilters(TypedDict, total=False):
    """Which models are listed. Each narrows the list."""

    search: str
    """A part of the name."""
    task: str
    """The name of a task, such as `Text Generation`."""
    author: str
    """Such as `meta`."""
    source: int
    """1 for the service's own models."""
    hide_experimental: bool
    """True to leave out those in beta."""
    include_deprecated: bool
    """True for those too that were retired in the last three months."""
    format: Literal["openrouter"]
    """Gives each model as OpenRouter has it, where the name to call it by is the `id`."""
    page: int
    """This page alone, from 1."""
    per_page: int
    """How many models a page has, by default 50."""


class ModelTask(Fields):
    """The task of a model."""

    id: str = ""
    """The service's own id for it."""
    name: str = ""
    """Such as `Text Generation`."""
    description: str = ""
    """A sentence."""


class ModelInfo(Fields):
    """A model, as the service lists it. Fields: https://developers.cloudflare.com/api/resources/ai/subresources/models."""

    name: str = ""
    """The name to call it by, such as `@cf/zai-org/glm-4.7-flash`."""
    id: str = ""
    """The service's own id for it, which `run` does not take."""
    description: TextField = ""
    """A sentence or more."""
    task: ModelTask | None = None
    """What it is for."""
    tags: Annotated[list[str], AS_LIST] = Field(default_factory=list[str])
    """Words that it was given."""
    created_at: str | None = None
    """When it came, such as `2023-09-25 19:21:11.898`."""

    @property
    def properties(self) -> dict[str, Any]:
        """The properties by their names: text such as `"true"` or `"64000"`, but `price`, a list of prices."""
        rows: Any = (self.model_extra or {}).get("properties") or []
        return {row.get("property_id", ""): row.get("value") for row in rows}


class ModelSchema(Output):
    """The JSON schemas of a model's inputs and outputs."""

    input: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Of what `run` takes."""
    output: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Of what it gives."""
