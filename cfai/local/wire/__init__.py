"""The wire of the service: an answer as JSON or as events, in the shape of each family of models, and its refusals."""

from cfai.local.wire._answers import build_result
from cfai.local.wire._errors import (
    EDGE,
    EmulatorError,
    ErrorResponse,
    GatewayErrorResponse,
    envelope,
    make_error,
    make_input_error,
)
from cfai.local.wire._generation import (
    GeneratedCall,
    GeneratedChoice,
    Generation,
    complete,
    compute_neurons,
    split_into_tokens,
)
from cfai.local.wire._streams import Event, encode_error, encode_events, encode_live_events, take_parts

__all__ = [
    "EDGE",
    "EmulatorError",
    "ErrorResponse",
    "Event",
    "GatewayErrorResponse",
    "GeneratedCall",
    "GeneratedChoice",
    "Generation",
    "build_result",
    "complete",
    "compute_neurons",
    "encode_error",
    "encode_events",
    "encode_live_events",
    "envelope",
    "make_error",
    "make_input_error",
    "split_into_tokens",
    "take_parts",
]
