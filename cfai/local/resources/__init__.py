"""The parts of the API that run no model, a module a surface, each with its state in plain dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cfai.local.resources._gateways import GatewayLogs
from cfai.local.resources._resource import FormPart, ResourceReply, ResourceRequest, Surface

GATEWAYS = ("ai-gateway", "gateways")

SURFACES: Mapping[tuple[str, ...], Callable[[], Surface]] = {GATEWAYS: GatewayLogs}
"""What makes a surface, by the beginning of its paths behind the account."""


def find_surface(path: list[str]) -> tuple[str, ...] | None:
    """Return the beginning of a path that names a surface, if one does."""
    return next((prefix for prefix in SURFACES if tuple(path[: len(prefix)]) == prefix), None)


__all__ = [
    "GATEWAYS",
    "SURFACES",
    "FormPart",
    "GatewayLogs",
    "ResourceReply",
    "ResourceRequest",
    "Surface",
    "find_surface",
]
