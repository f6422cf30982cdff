"""Step 2 of a call: what is sent. `prepare` checks the inputs and builds the request."""

from cfai._request.media import encode_media, has_media
from cfai._request.media_source import Medium, StreamedFile, encode_samples, is_array, is_medium, open_medium, walk
from cfai._request.message_parts import encode_image, encode_message
from cfai._request.options import (
    CREDENTIAL_HEADERS,
    GatewayCost,
    GatewayOptions,
    GatewayRetries,
    RunOptions,
    UniversalGatewayOptions,
    find_header_flaw,
    parse_gateway,
    parse_headers,
)
from cfai._request.prepare import (
    ApiRequest,
    PreparedCall,
    aprepare,
    encode_inputs,
    inputs_to_builtins,
    prepare,
    prepare_unstreamed,
    quote_model,
    refuse_streams,
)
from cfai._request.raw_body import RawBody, make_form

__all__ = [
    "CREDENTIAL_HEADERS",
    "ApiRequest",
    "GatewayCost",
    "GatewayOptions",
    "GatewayRetries",
    "Medium",
    "PreparedCall",
    "RawBody",
    "RunOptions",
    "StreamedFile",
    "UniversalGatewayOptions",
    "aprepare",
    "encode_image",
    "encode_inputs",
    "encode_media",
    "encode_message",
    "encode_samples",
    "find_header_flaw",
    "has_media",
    "inputs_to_builtins",
    "is_array",
    "is_medium",
    "make_form",
    "open_medium",
    "parse_gateway",
    "parse_headers",
    "prepare",
    "prepare_unstreamed",
    "quote_model",
    "refuse_streams",
    "walk",
]
