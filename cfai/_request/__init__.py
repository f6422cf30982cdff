"""Step 1 of a call, after its limits: what is sent. `prepare` checks the inputs and builds the request."""

from cfai._request.build import ApiRequest, RunOptions, quote_model
from cfai._request.encode import check_sendable, inputs_to_builtins
from cfai._request.gateway import GatewayOptions, GatewayRetries
from cfai._request.headers import CREDENTIAL_HEADERS, parse_headers
from cfai._request.prepare import PreparedCall, aprepare, prepare, prepare_unstreamed

__all__ = [
    "CREDENTIAL_HEADERS",
    "ApiRequest",
    "GatewayOptions",
    "GatewayRetries",
    "PreparedCall",
    "RunOptions",
    "aprepare",
    "check_sendable",
    "inputs_to_builtins",
    "parse_headers",
    "prepare",
    "prepare_unstreamed",
    "quote_model",
]
