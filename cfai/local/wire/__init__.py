"""The wire of the service: an answer as JSON or as events, in the shape of each family of models, and its refusals."""

from cfai.local.wire._errors import (
    CODES,
    EDGE_CODES,
    EmulatorError,
    ErrorResponse,
    GatewayErrorResponse,
    envelope,
    make_error,
    make_input_error,
)
from cfai.local.wire._events import (
    DONE_EVENT,
    Event,
    Parts,
    build_result,
    encode_error,
    encode_event,
    encode_events,
    encode_live_events,
    take_parts,
)
from cfai.local.wire._generation import Generation, Payload, complete, compute_neurons, count_usage

__all__ = [
    "CODES",
    "DONE_EVENT",
    "EDGE_CODES",
    "EmulatorError",
    "ErrorResponse",
    "Event",
    "GatewayErrorResponse",
    "Generation",
    "Parts",
    "Payload",
    "build_result",
    "complete",
    "compute_neurons",
    "count_usage",
    "encode_error",
    "encode_event",
    "encode_events",
    "encode_live_events",
    "envelope",
    "make_error",
    "make_input_error",
    "take_parts",
]
