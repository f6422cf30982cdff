"""What the service writes: an answer as JSON or as events, in the shape of each family of models, and its refusals."""

from cfai.local.wire._answers import answer
from cfai.local.wire._generation import Call, Choice, Generation, complete, neurons, pieces
from cfai.local.wire._refusals import EDGE, ErrorResponse, GatewayRefusal, Misuse, bad_input, envelope, refusal
from cfai.local.wire._streams import Event, error_event, events, live_events, taken

__all__ = [
    "EDGE",
    "Call",
    "Choice",
    "ErrorResponse",
    "Event",
    "GatewayRefusal",
    "Generation",
    "Misuse",
    "answer",
    "bad_input",
    "complete",
    "envelope",
    "error_event",
    "events",
    "live_events",
    "neurons",
    "pieces",
    "refusal",
    "taken",
]
