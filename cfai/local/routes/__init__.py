"""The ways to reach one service: its own REST API, OpenAI's, lists of what there is, and the binding of a Worker.

A route says what is asked for, and writes the answer or the refusal as whoever asked expects it.
"""

from cfai.local.routes._catalogue import Listing
from cfai.local.routes._match import MatchedRoute, match_route
from cfai.local.routes._route import BINDING_HOST, REST, ResourceRoute, Route, RoutedCall, unwrap_request
from cfai.local.routes._universal import UniversalRoute

__all__ = [
    "BINDING_HOST",
    "REST",
    "Listing",
    "MatchedRoute",
    "ResourceRoute",
    "Route",
    "RoutedCall",
    "UniversalRoute",
    "match_route",
    "unwrap_request",
]
