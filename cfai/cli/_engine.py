"""Models that really run on this machine, as options name them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cfai.local import Engine


def parse_engine(gguf: str | None, upstream: str | None, model_map: Iterable[str] | None) -> Engine | None:
    """Return the engine that was asked for, if one was. Raises `ConfigurationError` for what cannot be."""
    from cfai import ConfigurationError

    if gguf is not None and upstream is not None:
        raise ConfigurationError("--gguf runs a model on this machine, --upstream asks a server: give either")
    models = dict(map(_parse_pair, model_map or ()))
    if models and upstream is None:
        raise ConfigurationError("--model-map names models of a server: give --upstream as well")
    if gguf is None and upstream is None:
        return None
    from cfai.local import LlamaCpp, OpenAIUpstream

    return LlamaCpp(gguf) if gguf is not None else OpenAIUpstream(upstream or "", models=models)


def _parse_pair(text: str) -> tuple[str, str]:
    from cfai import ConfigurationError

    name, equals, model = text.partition("=")
    if not (name and equals and model):
        raise ConfigurationError(f"--model-map must be such as '@cf/zai-org/glm-4.7-flash=llama3.2', got {text!r}")
    return name, model
