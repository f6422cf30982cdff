"""The parts of the API that run no model, a module a surface, each with its state in plain dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cfai.local.resources._finetunes import Finetunes
from cfai.local.resources._gateways import GatewayLogs
from cfai.local.resources._markdown import Markdown
from cfai.local.resources._resource import ResourceReply, ResourceRequest, Surface, format_time
from cfai.local.resources._search import Search

GATEWAYS = ("ai-gateway", "gateways")

SURFACES: Mapping[tuple[str, ...], Callable[[], Surface]] = {
    ("ai", "finetunes"): Finetunes,
    ("ai", "tomarkdown"): Markdown,
    GATEWAYS: GatewayLogs,
    ("ai-search",): Search,
    ("autorag",): Search,
}
"""What makes a surface, by the beginning of its paths behind the account. One that has several is made once."""


def find_surface(path: list[str]) -> tuple[str, ...] | None:
    """Return the beginning of a path that names a surface, if one does."""
    return next((prefix for prefix in SURFACES if tuple(path[: len(prefix)]) == prefix), None)


__all__ = [
    "GATEWAYS",
    "SURFACES",
    "Finetunes",
    "GatewayLogs",
    "ResourceReply",
    "ResourceRequest",
    "find_surface",
    "format_time",
]
