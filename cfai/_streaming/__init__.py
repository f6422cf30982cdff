"""Step 5 of a call: how a streamed answer is read, as typed tokens, raw events, or bytes for a browser."""

from cfai._streaming.audio_stream import (
    AsyncAudioStream,
    AudioStream,
    ChunkSplitter,
    aopen_audio_stream,
    open_audio_stream,
)
from cfai._streaming.call import AsyncCall
from cfai._streaming.event_stream import AsyncEventStream, Dialect, EventStream, aencode_stream, encode_stream
from cfai._streaming.stream import AsyncReading, AsyncStream, Stream, SyncReading, aopen_stream, open_stream

__all__ = [
    "AsyncAudioStream",
    "AsyncCall",
    "AsyncEventStream",
    "AsyncReading",
    "AsyncStream",
    "AudioStream",
    "ChunkSplitter",
    "Dialect",
    "EventStream",
    "Stream",
    "SyncReading",
    "aencode_stream",
    "aopen_audio_stream",
    "aopen_stream",
    "encode_stream",
    "open_audio_stream",
    "open_stream",
]
