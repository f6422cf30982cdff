"""Step 4 of a call: what came back. `parse` makes an output of a whole answer, a `Decoder` typed tokens of a stream."""

from cfai._response.accumulator import Accumulator
from cfai._response.decoder import END_MARK, Decoder, is_json_object, split_at_end_mark, split_lone_events
from cfai._response.errors import (
    ErrorBody,
    build_error,
    map_transport_error,
    parse_body,
    parse_error_body,
    redact,
    redact_headers,
)
from cfai._response.extract import reports_error
from cfai._response.parse import (
    ApiResponse,
    build_stream_output,
    is_read_as_stream,
    is_stream,
    media_kind,
    needs_unstreamed,
    parse,
    parse_meta,
    read_whole_stream,
    warn_if_cut,
)
from cfai._response.sse import EventDecoder, EventSplitter, parse_fields

__all__ = [
    "END_MARK",
    "Accumulator",
    "ApiResponse",
    "Decoder",
    "ErrorBody",
    "EventDecoder",
    "EventSplitter",
    "build_error",
    "build_stream_output",
    "is_json_object",
    "is_read_as_stream",
    "is_stream",
    "map_transport_error",
    "media_kind",
    "needs_unstreamed",
    "parse",
    "parse_body",
    "parse_error_body",
    "parse_fields",
    "parse_meta",
    "read_whole_stream",
    "redact",
    "redact_headers",
    "reports_error",
    "split_at_end_mark",
    "split_lone_events",
    "warn_if_cut",
]
