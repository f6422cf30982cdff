"""Facts about a model beyond the catalogue: its schema as the service lists it, and whether it writes text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from cfai._lazy import read_data
from cfai.models import Model

_CHAT_MODEL = "@cf/zai-org/glm-4.7-flash"
"""The model whose schema stands in for chat models without one."""

_JSON_TYPES = {"string", "number", "integer", "boolean", "null", "object", "array"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a model."""

    type: str
    """Its type, in the words of the listing."""

    kinds: frozenset[str]
    """JSON types it may have; empty where any will do."""

    rules: dict[str, Any]
    """The other rules of its schema: `minimum`, `enum`, `required`, ..."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a model: what it takes, and in words what it gives."""

    parameters: dict[str, Parameter]
    output: str

    @property
    def raw_input(self) -> str | None:
        """The name of the input that may be the whole body, as bytes: `audio`, `image` or `multipart`."""
        for name in ("audio", "image", "multipart"):
            parameter = self.parameters.get(name)
            if parameter and ("(body)" in self.parameters or parameter.type.startswith("object {body:")):
                return name
        return None


def is_text_model(model: Model) -> bool:
    """Return True if `model` writes text: all of that task do, but those that judge texts."""
    is_judge = model.name.startswith("@cf/cloudflare/clef") or model.name == "@cf/meta/llama-guard-3-8b"
    return model.task == "Text Generation" and not is_judge


@cache
def get_schema(model: str) -> Schema:
    """Return the schema of `model`, batches apart; a chat model's, if the listing has none."""
    row: dict[str, Any] = _load_rows()[model]
    listed = row["input_params"] or _load_rows()[_CHAT_MODEL]["input_params"]
    parameters: dict[str, Parameter] = {}
    for name, rules in listed.items():
        if name != "requests":
            many = re.search(r"\(maxItems (\d+)\)", rules["type"])
            size = {"maxItems": int(many[1])} if many else {}
            parameters[name] = Parameter(rules["type"], _parse_types(rules["type"]), rules | size)
    return Schema(parameters, row["output"] or "")


@cache
def _load_rows() -> dict[str, Any]:
    return json.loads(read_data("cfai.models", "schemas.json"))


@cache
def _parse_types(described: str) -> frozenset[str]:
    """Return the JSON types in a description such as `array<{role:string}>|null`."""
    flat, before = described, ""
    while flat != before:
        before = flat
        flat = re.sub(r"<[^<>{}]*>", "", re.sub(r"\{[^<>{}]*\}", "object", flat))
    flat = re.sub(r"\([^()]*\)", "", flat)
    parts = [part.strip() for part in flat.split("|")]
    types = frozenset("string" if part.startswith("'") else part.partition(" ")[0] for part in parts)
    return types if types <= _JSON_TYPES else frozenset()
