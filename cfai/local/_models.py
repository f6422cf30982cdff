"""Facts about a model beyond the catalogue: its schema as the service lists it, and whether it writes text."""

from __future__ import annotations

from dataclasses import replace

from cfai.models import Model, schemas
from cfai.models.schemas import Parameter, Schema

__all__ = ["Parameter", "Schema", "can_see", "get_schema", "is_text_model"]

_CHAT_MODEL = "@cf/zai-org/glm-4.7-flash"
"""The model whose schema stands in for chat models without one."""


def is_text_model(model: Model) -> bool:
    """Return True if `model` writes text: all of that task do, but those that judge texts."""
    is_judge = model.name.startswith("@cf/cloudflare/clef") or model.name == "@cf/meta/llama-guard-3-8b"
    return model.task == "Text Generation" and not is_judge


def can_see(model: Model) -> bool:
    """Return True if `model` takes images: by the listing, or by a schema of its own."""
    known = get_schema(model.name).parameters
    messages = known["messages"].type if "messages" in known else ""
    # The schema that chat models share, a message for each role, has images in it for all of them.
    in_messages = "image_url" in messages and not messages.startswith("array<oneOf by role")
    return "vision" in model.capabilities or "image" in known or in_messages


def get_schema(model: str) -> Schema:
    """Return the schema of `model`; a chat model's inputs, if the listing has none."""
    known, other = schemas.get_schema(model), schemas.get_schema(_CHAT_MODEL)
    assert other is not None
    return known or replace(other, output="")
