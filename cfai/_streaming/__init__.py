"""Step 5 of a call: how a streamed answer is read, as typed tokens, raw events, or bytes for a browser."""

from cfai._streaming.call import AsyncCall
from cfai._streaming.event_stream import AsyncEventStream, Dialect, EventStream
from cfai._streaming.stream import AsyncStream, Stream, aopen_stream, open_stream

__all__ = [
    "AsyncCall",
    "AsyncEventStream",
    "AsyncStream",
    "Dialect",
    "EventStream",
    "Stream",
    "aopen_stream",
    "open_stream",
]
