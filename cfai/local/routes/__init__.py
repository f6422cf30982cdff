"""The ways to reach one service: its own REST API, OpenAI's, lists of what there is, and the binding of a Worker.

A route says what is asked for, and writes the answer or the refusal as whoever asked expects it.
"""

from cfai.local.routes._catalogue import LISTINGS, Listing
from cfai.local.routes._openai import OPENAI
from cfai.local.routes._route import REST, UNIFIED, HttpRequest, Route, RoutedCall, unwrap_request
from cfai.local.routes._worker import BINDING_HOST, BINDING_MODEL, WORKER

__all__ = [
    "BINDING_HOST",
    "BINDING_MODEL",
    "LISTINGS",
    "OPENAI",
    "REST",
    "UNIFIED",
    "WORKER",
    "HttpRequest",
    "Listing",
    "Route",
    "RoutedCall",
    "unwrap_request",
]
