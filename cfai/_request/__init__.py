"""Step 2 of a call: what is sent. `prepare` checks the inputs and builds the request."""

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

__all__ = [
    "CREDENTIAL_HEADERS",
    "ApiRequest",
    "GatewayOptions",
    "GatewayRetries",
    "PreparedCall",
    "RunOptions",
    "aprepare",
    "encode_inputs",
    "inputs_to_builtins",
    "parse_headers",
    "prepare",
    "prepare_unstreamed",
    "quote_model",
    "refuse_streams",
]
