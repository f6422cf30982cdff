"""Step 2 of a call: what is sent. `prepare` checks the inputs and builds the request."""

from cfai._request.media import encode_media, has_media
from cfai._request.media_source import is_medium, walk
from cfai._request.message_parts import encode_image, encode_messages
from cfai._request.options import CREDENTIAL_HEADERS, GatewayOptions, GatewayRetries, RunOptions, parse_headers
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
from cfai._request.raw_body import RawBody

__all__ = [
    "CREDENTIAL_HEADERS",
    "ApiRequest",
    "GatewayOptions",
    "GatewayRetries",
    "PreparedCall",
    "RawBody",
    "RunOptions",
    "aprepare",
    "encode_image",
    "encode_inputs",
    "encode_media",
    "encode_messages",
    "has_media",
    "inputs_to_builtins",
    "is_medium",
    "parse_headers",
    "prepare",
    "prepare_unstreamed",
    "quote_model",
    "refuse_streams",
    "walk",
]
