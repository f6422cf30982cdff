"""Step 4 of a call: what came back. `parse` makes an output of a whole answer, a `Decoder` typed tokens of a stream."""

from cfai._response.accumulator import Accumulator
from cfai._response.decoder import (
    CUT_HINT,
    END_MARK,
    Decoder,
    is_end_mark,
    is_json_object,
    split_at_end_mark,
    split_lone_events,
)
from cfai._response.error_body import ErrorBody, parse_body, parse_error_body, redact, redact_headers, to_utf8
from cfai._response.error_codes import CODES as ERROR_CODES
from cfai._response.error_codes import EDGE_PAGE_CODES
from cfai._response.errors import build_error, concerns_all_calls
from cfai._response.extract import body_reports_error, event_reports_error, unwrap
from cfai._response.parse import (
    ApiResponse,
    build_broken_error,
    build_response,
    build_response_error,
    build_stream_output,
    build_unreadable_error,
    convert_to_events,
    count_priced_units,
    is_body_streamed,
    is_stream,
    make_too_large_error,
    parse,
    parse_result,
    should_resend_unstreamed,
    warn_if_cut,
)
from cfai._response.sse import EventDecoder, EventSplitter, parse_fields
from cfai._response.transport_errors import describe_transport_error, find_cause, map_transport_error

__all__ = [
    "CUT_HINT",
    "EDGE_PAGE_CODES",
    "END_MARK",
    "ERROR_CODES",
    "Accumulator",
    "ApiResponse",
    "Decoder",
    "ErrorBody",
    "EventDecoder",
    "EventSplitter",
    "body_reports_error",
    "build_broken_error",
    "build_error",
    "build_response",
    "build_response_error",
    "build_stream_output",
    "build_unreadable_error",
    "concerns_all_calls",
    "convert_to_events",
    "count_priced_units",
    "describe_transport_error",
    "event_reports_error",
    "find_cause",
    "is_body_streamed",
    "is_end_mark",
    "is_json_object",
    "is_stream",
    "make_too_large_error",
    "map_transport_error",
    "parse",
    "parse_body",
    "parse_error_body",
    "parse_fields",
    "parse_result",
    "redact",
    "redact_headers",
    "should_resend_unstreamed",
    "split_at_end_mark",
    "split_lone_events",
    "to_utf8",
    "unwrap",
    "warn_if_cut",
]
