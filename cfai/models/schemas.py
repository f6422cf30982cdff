"""Look up the inputs of a model: its schema as the service lists it, abridged.

The schemas are data, in `schemas.json` beside this file, and are read at first use. They are of February 2025 to
October 2026, and age: a model may take inputs that its schema here does not have.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from cfai._lazy import read_data
from cfai.models import catalogue

__all__ = ["Parameter", "Schema", "get_schema", "load", "parse_types"]

_JSON_TYPES = {"string", "number", "integer", "boolean", "null", "object", "array"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a model."""

    type: str
    """Its type, in the words of the listing."""

    kinds: frozenset[str]
    """JSON types it may have; empty where any will do."""

    rules: dict[str, Any]
    """The other rules of its schema: `minimum`, `enum`, `required`, ...; `normalized` is taken beside `enum`."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a model: what it takes, and in words what it gives."""

    parameters: dict[str, Parameter]

    output: str

    is_closed: bool = False
    """True if the model refuses every other input."""

    @property
    def raw_input(self) -> str | None:
        """The name of the input that may be the whole body, as bytes: `audio`, `image` or `multipart`."""
        for name in ("audio", "image", "multipart"):
            parameter = self.parameters.get(name)
            if parameter and ("(body)" in self.parameters or parameter.type.startswith("object {body:")):
                return name
        return None


def _make_form_field(kind: str, **rules: Any) -> Parameter:
    return Parameter(kind, frozenset({kind}), rules)


FLUX_2_FORM = Schema(
    {
        "prompt": _make_form_field("string", required=True, minLength=1),
        "width": _make_form_field("integer", minimum=256, maximum=1920),
        "height": _make_form_field("integer", minimum=256, maximum=1920),
        "steps": _make_form_field("integer", minimum=1),
        "guidance": _make_form_field("number"),
        "seed": _make_form_field("integer"),
        **{f"input_image_{number}": Parameter("string(binary)", frozenset(), {}) for number in range(4)},
    },
    "",
)
"""The fields of the form that FLUX.2 takes, of which its listing says nothing.

Source: Cloudflare's changelog of 2025-11-25, 2026-01-15 and 2026-01-28.
"""


@cache
def get_schema(model: str) -> Schema | None:
    """Return the schema of `model`, batches apart, or `None` where the listing has none."""
    row: dict[str, Any] = load().get(model, {})
    listed: dict[str, dict[str, Any]] = row.get("input_params") or {}
    parameters: dict[str, Parameter] = {}
    for name, rules in listed.items():
        if name != "requests":
            many = re.search(r"\(maxItems (\d+)\)", rules["type"])
            size = {"maxItems": int(many[1])} if many else {}
            parameters[name] = Parameter(rules["type"], parse_types(rules["type"]), rules | size)
    if "reasoning_effort" in parameters and (entry := catalogue().get(model)) is not None:
        # Efforts that the model does not have, and the service makes into one that it has.
        parameters["reasoning_effort"].rules["normalized"] = [
            *entry.properties.get("reasoning_effort", {}).get("normalizes_to", ())
        ]
    is_closed = any("additionalProperties false" in variant for variant in row.get("input_variants", ()))
    return Schema(parameters, row["output"] or "", is_closed) if parameters else None


@cache
def load() -> dict[str, Any]:
    """Return the rows of the data, by model: in less than a millisecond, at first use."""
    return json.loads(read_data("cfai.models", "schemas.json"))


@cache
def parse_types(described: str) -> frozenset[str]:
    """Return the JSON types in a description such as `array<{role:string}>|null`."""
    flat, before = described, ""
    while flat != before:
        before = flat
        flat = re.sub(r"<[^<>{}]*>", "", re.sub(r"\{[^<>{}]*\}", "object", flat))
    flat = re.sub(r"\([^()]*\)", "", flat)
    parts = [part.strip() for part in flat.split("|")]
    types = frozenset("string" if part.startswith("'") else part.partition(" ")[0] for part in parts)
    return types if types <= _JSON_TYPES else frozenset()
