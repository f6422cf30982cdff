"""Step 5 of a call: how a streamed answer is read, as typed tokens, raw events, or bytes for a browser."""

from cfai._streaming.audio_stream import AsyncAudioStream, AudioStream, aopen_audio_stream, open_audio_stream
from cfai._streaming.call import AsyncCall
from cfai._streaming.event_stream import AsyncEventStream, Dialect, EventStream, aencode_stream, encode_stream
from cfai._streaming.stream import AsyncStream, Stream, aopen_stream, open_stream

__all__ = [
    "AsyncAudioStream",
    "AsyncCall",
    "AsyncEventStream",
    "AsyncStream",
    "AudioStream",
    "Dialect",
    "EventStream",
    "Stream",
    "aencode_stream",
    "aopen_audio_stream",
    "aopen_stream",
    "encode_stream",
    "open_audio_stream",
    "open_stream",
]
