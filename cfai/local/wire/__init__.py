"""The wire of the service: an answer as JSON or as events, in the shape of each family of models, and its refusals."""

from cfai.local.wire._errors import (
    CODES_BY_STATUS,
    MESSAGES,
    RESOURCE_CODES_BY_STATUS,
    ErrorResponse,
    build_envelope,
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
from cfai.local.wire._generation import (
    DUAL,
    KIMI,
    Form,
    GeneratedCall,
    GeneratedChoice,
    Generation,
    Payload,
    compute_neurons,
    count_usage,
    is_new_kimi,
    split_into_tokens,
)

ErrorResponse.__module__ = "cfai.local"

__all__ = [
    "CODES_BY_STATUS",
    "DONE_EVENT",
    "DUAL",
    "KIMI",
    "MESSAGES",
    "RESOURCE_CODES_BY_STATUS",
    "ErrorResponse",
    "Event",
    "Form",
    "GeneratedCall",
    "GeneratedChoice",
    "Generation",
    "Parts",
    "Payload",
    "build_envelope",
    "build_result",
    "compute_neurons",
    "count_usage",
    "encode_error",
    "encode_event",
    "encode_events",
    "encode_live_events",
    "is_new_kimi",
    "make_input_error",
    "split_into_tokens",
    "take_parts",
]
