"""Realtime sessions: sound or text goes in while events come out, over a WebSocket."""

from __future__ import annotations

import io
import math
import mimetypes
import os
import re
import sys
import wave
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import anyio

from cfai import types
from cfai._config import LimitPolicy
from cfai._credentials import Secret, describe
from cfai._errors import ConfigurationError, InputError, LimitError, RealtimeError
from cfai._json import as_number, is_mapping, loads
from cfai._lazy import explain_missing
from cfai._limits import find_input_problems, format_warning, make_input_error
from cfai._request import encode_samples, is_array, parse_gateway, parse_headers, quote_model
from cfai._resources.api import AccountApi, Operation, encode_json, read_nothing
from cfai._response import event_reports_error
from cfai._threads import run_in_thread
from cfai._warnings import InputWarning, warn
from cfai.models import Model
from cfai.models.schemas import get_schema

if TYPE_CHECKING:
    from cfai._resources.websocket import WebSocket
else:
    WebSocket = Any  # so that hints resolve without wsproto

_SENT_LATER = {"audio": "send_audio", "text": "speak"}
"""The inputs of `run` that a session is sent once it is open, and by what."""
_MORE_INPUTS = {"@cf/deepgram/nova-3": {"sample_rate"}, "@cf/pipecat-ai/smart-turn-v2": {"sample_rate"}}
"""Inputs that a session takes, which the schema lacks."""
_COUNTS = ("sample_rate", "channels")
"""Whole numbers from 1, of which the schemas say less."""
_RANGES = {"eot_threshold": (0.5, 0.9), "eager_eot_threshold": (0.3, 0.9)}
"""The ranges of Flux's thresholds."""

_SPEAKERS = "@cf/deepgram/aura"
"""How the names of models begin that take text."""
_LISTENERS = ("@cf/deepgram/flux", "@cf/deepgram/nova", "@cf/pipecat-ai/smart-turn")
"""How the names of models begin that are known to take sound alone."""
_LAST_MESSAGES: Mapping[str, list[str]] = {
    "@cf/deepgram/flux": ["CloseStream"],
    "@cf/deepgram/nova": ["Finalize", "CloseStream"],
    # UNCERTAIN: whether Aura knows `Close`, as Deepgram's own API does. `Flushed` ends a session, too.
    "@cf/deepgram/aura": ["Flush", "Close"],
}
"""The messages that finish a session, by how the names of models begin. The others are told by the WebSocket's own."""
_LAST_WAIT = 5.0
"""Seconds of silence, after which such another model is taken to have answered all that it will."""

_PIECE = 8 * 1024
"""The bytes of sound that are sent at once: a quarter of a second at 16,000 samples a second."""
_WAVE_HEAD = 1024 * 1024
"""The bytes of a WAV file in which its samples begin: titles and pictures may stand before them."""
_ANY_SIZE = b"\xff\xff\xff\x7f"
"""What stands for the size of a WAV: it is not believed."""
_WAVE_FORM = "a WAV of {} bits a sample, {} samples a second, channels: {}"

# UNCERTAIN: the names `SpeechStarted` and `UtteranceEnd`, so case and underscores do not count.
_EVENTS: Mapping[str, type[types.RealtimeEvent]] = {
    "connected": types.SessionOpened,
    "turninfo": types.TurnInfo,
    "results": types.SpeechResults,
    "speechstarted": types.SpeechStarted,
    "utteranceend": types.UtteranceEnd,
    "metadata": types.SessionMetadata,
    "flushed": types.SpeechFlushed,
}
_EVENTS_BY_FIELD: Mapping[str, type[types.RealtimeEvent]] = {
    "turn_index": types.TurnInfo,
    "channel": types.SpeechResults,
    "is_complete": types.TurnVerdict,
}
"""For messages without a type: by the schemas, those of Flux and of Smart Turn have none."""


def open_session(
    api: AccountApi, model: str, inputs: Mapping[str, Any], *, gateway: Secret, extra_headers: Secret
) -> RealtimeSession:
    """Return a session that is not open yet. Raises `InputError` and `ConfigurationError` for what cannot work."""
    with explain_missing("arealtime", extra="realtime"):
        import_module("wsproto")  # it is missed here, and not once the session is opened
    path = f"/ai/run/{quote_model(model)}"
    query = _check_inputs(model, inputs, api.config.limit_policy)
    headers = dict(parse_headers("extra_headers", extra_headers).value)
    if gateway.value is not None:
        parsed = parse_gateway(gateway)
        headers |= {**parsed.headers, "cf-aig-gateway-id": parsed.id}
    return RealtimeSession(api, Operation(path=path, query=query, headers=headers, model=model, read=read_nothing))


class RealtimeSession:
    """A live session with a model: `send_audio` or `speak` while its events come. It is opened by `async with`.

    ```python
    async with ai.arealtime("@cf/deepgram/flux", encoding="linear16", sample_rate=16000) as session:
        await session.send_audio(Path("speech.wav"))
        await session.finish()
        async for event in session:
            print(event)
    ```

    Sending and iterating are for two tasks, or for one after the other. Both wait for the network: whoever reads slowly
    slows down the service, and a slow network slows down whoever sends. Leaving the block closes the WebSocket.
    """

    def __init__(self, api: AccountApi, operation: Operation[Any]) -> None:
        self._api = api
        self._operation = operation
        self._socket: WebSocket | None = None
        self._is_finished = False
        self._is_over = False
        self._last_messages = [
            kind for start in _LAST_MESSAGES if self.model.startswith(start) for kind in _LAST_MESSAGES[start]
        ]
        """The messages that `finish` has still to send."""
        self._ends_by_closing = not self._last_messages
        self._unanswered = 0
        """How many flushes of Aura were not answered, or pieces of sound of a model that answers each."""
        self._waiting: anyio.CancelScope | None = None

    async def __aenter__(self) -> Self:
        """Open the WebSocket. Raises what `run` does where the service refuses it, or cannot be reached."""
        if self._socket is not None:
            raise ConfigurationError("a realtime session is opened once: call `arealtime` again")
        from cfai._resources.websocket import open_websocket

        self._socket = await open_websocket(self._api, self._operation)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the WebSocket, whatever was under way."""
        await self._get_socket().aclose()

    def __repr__(self) -> str:
        if self._socket is None:
            state = "open it with `async with`, iterate with `async for`"
        else:
            state = f"closed with {self._socket.closed[0]}" if self._socket.closed else "open, iterate with `async for`"
        return f"<{type(self).__name__} with {self.model}: {state}>"

    @property
    def model(self) -> str:
        """The model that is called."""
        return self._operation.model

    @property
    def request_id(self) -> str | None:
        """The id of the request that opened it: what Cloudflare's support asks for."""
        return self._get_socket().request_id

    @property
    def close_code(self) -> int | None:
        """The code with which the service closed it, such as 1000; 1006 if the connection broke; `None` until then."""
        closed = self._get_socket().closed
        return closed[0] if closed else None

    @property
    def close_reason(self) -> str:
        """The reason that the service, or the network, gave for the end; mostly empty."""
        closed = self._get_socket().closed
        return closed[1] if closed else ""

    async def send_audio(self, audio: Any) -> None:
        """Send sound, and return when the network has taken it.

        `audio` is bytes; a mono array of numpy, int16 or float32 from -1 to 1; a `Path` or a file opened with `"rb"`,
        which is read piece by piece; or an asynchronous iterable of any of these, such as a microphone. Bytes go as
        they are, in the `encoding` of the session: for `linear16` 16 bits a sample, the lower byte first. Of a WAV file
        only the samples go, if it fits the session. Raises `InputError` for what cannot be sent, `RealtimeError` if the
        session is over.
        """
        self._check_model(_SPEAKERS, "takes text, no sound: call `speak`")
        if is_array(audio):
            if not self._is_linear:
                got = describe(self._operation.query.get("encoding"))
                raise InputError(
                    f"an array must go as `linear16`, got {got}: open the session with encoding='linear16'"
                )
            await self._send_pieces(encode_samples(audio, "audio"))
        elif isinstance(audio, os.PathLike) or hasattr(audio, "read"):
            await self._send_file(audio)
        elif isinstance(audio, bytes | bytearray | memoryview) or hasattr(audio, "__bytes__"):
            content = bytes(cast("bytes", audio))
            start, size = self._find_samples(content, getattr(cast("Any", audio), "media_type", None))
            await self._send_pieces(content[start : start + size])
        elif isinstance(audio, AsyncIterable):
            async for piece in cast("AsyncIterable[Any]", audio):
                await self.send_audio(piece)
        else:
            must = "audio must be bytes, an array of numpy, a Path, an open binary file or an asynchronous iterable"
            raise InputError(f"{must} of these, got {describe(audio)}")

    async def speak(self, text: str | AsyncIterable[Any]) -> None:
        """Send text to be spoken, for Aura. What has gathered is spoken at `flush` and at `finish`.

        `text` may be a stream of another model's answer: `await session.speak(ai.arun(…))` reads it aloud as it comes.
        """
        self._check_model(_LISTENERS, "takes sound, no text: call `send_audio`")
        if isinstance(text, AsyncIterable):
            async for piece in text:
                await self.speak("" if piece is None else str(piece))
        elif isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            if text:
                await self.send_message({"type": "Speak", "text": text})
        else:
            raise InputError(f"text must be a string or an asynchronous iterable of strings, got {describe(text)}")

    async def flush(self) -> None:
        """Have all text spoken that was sent so far, for Aura."""
        self._check_model(_LISTENERS, "takes sound, no text: call `send_audio`")
        await self.send_message({"type": "Flush"})

    async def send_message(self, message: Mapping[str, Any]) -> None:
        """Send any other message of the model's, such as `{"type": "Finalize"}`, as JSON.

        UNCERTAIN: whether Nova 3 takes Deepgram's `{"type": "KeepAlive"}` here, so it is sent by nobody but you.
        """
        if not is_mapping(message):
            raise InputError(f"a message must be a dict such as {{'type': 'Flush'}}, got {describe(message)}")
        self._check_is_open()
        await self._send_json(message)

    async def finish(self) -> None:
        """Say that nothing more will be sent. What the model still has comes, and then the iteration ends.

        It sends what the model ends with: `Finalize` and `CloseStream` to Nova 3, `CloseStream` to Flux, `Flush` and
        `Close` to Aura; else the WebSocket's own end, once each piece of sound was answered, or nothing came for
        5 seconds. From then on the service may be silent for `timeout.read` seconds (60 by default), after which the
        iteration raises `RealtimeError`. One that is cancelled can be called again.
        """
        socket = self._get_socket()
        if socket.has_ended_well:
            return
        was_finished, count = self._is_finished, len(self._last_messages)
        self._is_finished = True  # before the last flush, whose answer may come while this still sends
        while self._last_messages:
            kind = self._last_messages.pop(0)
            try:
                await self._send_json({"type": kind})
            except BaseException:
                self._last_messages.insert(0, kind)
                self._is_finished = was_finished or len(self._last_messages) < count
                raise
        if self._ends_by_closing and self._unanswered <= 0:
            await socket.end()
        if self._waiting is not None:
            self._waiting.deadline = anyio.current_time() + self._patience

    def __aiter__(self) -> AsyncIterator[types.RealtimeEvent]:
        return self

    async def __anext__(self) -> types.RealtimeEvent:
        """Return the next event. Raises `RealtimeError` for an error that is reported, and for an end that is none.

        A wait that is cancelled loses no event.
        """
        socket, message = self._get_socket(), None
        if self._waiting is not None:
            raise ConfigurationError("another task waits for the session's events: iterate in one, and pass them on")
        try:
            message = None if self._is_over else await self._receive(socket)
        finally:
            self._waiting = None
        if message is None:
            raise StopAsyncIteration
        message = _find_text(message)
        event = _parse_event(message)
        if event is None:
            raise socket.make_reported_error(message)
        if isinstance(event, types.SpeechFlushed | types.TurnVerdict):
            self._unanswered -= 1
        if isinstance(event, types.SpeechFlushed):
            self._is_over = self._is_finished and self._unanswered <= 0
        return event

    def transcripts(self) -> AsyncIterator[str]:
        """Iterate over what was said: each turn of Flux, each stretch of Nova 3, once its text is final.

        The events are read, and those about something else passed over. What the session ends in the middle of comes
        last, as far as it was heard.
        """
        return _Transcripts(self)

    async def _receive(self, socket: WebSocket) -> str | bytes | None:
        """Return the next message, or `None` at the end, which is told to a model that knows no other."""
        while True:
            with anyio.CancelScope(deadline=anyio.current_time() + self._patience) as self._waiting:
                if self._is_finished and self._ends_by_closing and self._unanswered <= 0:
                    with suppress(RealtimeError):  # what has come is read nevertheless
                        await socket.end()
                return await socket.receive()
            if self._ends_by_closing and self._unanswered > 0:
                self._unanswered = 0
                continue
            silence = f"was silent for {self._patience:g} s after finish()"
            raise RealtimeError(f"{self.model} {silence}", model=self.model)

    @property
    def _patience(self) -> float:
        """Seconds to wait for an event: forever, but once all was sent."""
        if not self._is_finished:
            return math.inf
        if self._ends_by_closing and self._unanswered > 0:
            return _LAST_WAIT
        seconds = self._api.config.timeout.read
        return math.inf if seconds is None else seconds

    @property
    def _is_linear(self) -> bool:
        return self._operation.query.get("encoding") == "linear16"

    def _get_socket(self) -> WebSocket:
        if self._socket is None:
            raise ConfigurationError("the session is not open: `async with ai.arealtime(…) as session`")
        return self._socket

    def _check_model(self, others: str | tuple[str, ...], reason: str) -> None:
        if self.model.startswith(others):
            raise InputError(f"{self.model} {reason}", model=self.model)

    def _check_is_open(self) -> None:
        if self._is_finished:
            raise ConfigurationError("nothing can be sent after `finish`: open another session")

    async def _send_json(self, message: Mapping[str, Any]) -> None:
        is_answered = message.get("type") == "Flush"
        await self._send(encode_json(message, "message").decode(), is_answered=is_answered)

    async def _send(self, message: str | bytes, *, is_answered: bool) -> None:
        self._unanswered += is_answered  # before its answer can come
        try:
            await self._get_socket().send(message)
        except BaseException:
            self._unanswered -= is_answered
            raise

    async def _send_pieces(self, content: bytes) -> None:
        for at in range(0, len(content), _PIECE):
            self._check_is_open()
            await self._send(content[at : at + _PIECE], is_answered=self._ends_by_closing)

    async def _send_file(self, source: Any) -> None:
        """Send a file, which is read in a thread beside the event loop."""
        problem = ""
        try:
            if isinstance(source, os.PathLike):
                path = Path(os.fsdecode(cast("os.PathLike[Any]", source)))
                with await run_in_thread(path.open, "rb") as file:
                    await self._send_open_file(file)
            else:
                await self._send_open_file(source)
        except OSError as error:
            problem = f"audio: {error.strerror or error}: {error.filename or 'the open file'}"
        if problem:
            raise InputError(problem)

    async def _send_open_file(self, file: Any) -> None:
        # That of an asynchronous file, as anyio's and asyncio's are, is awaited.
        read = file.read if iscoroutinefunction(file.read) else partial(run_in_thread, file.read)
        head = await read(_PIECE)
        if not isinstance(head, bytes):
            raise InputError(
                f"audio must be a file opened in binary mode, got {type(head).__name__}: open it with 'rb'"
            )
        while self._is_wave(head) and isinstance(_read_wave_head(head), str) and len(head) < _WAVE_HEAD:
            if not (more := await read(_PIECE)):
                break
            head += more
        name = getattr(file, "name", "")  # of a file without one it is a number
        start, left = self._find_samples(head, mimetypes.guess_type(name)[0] if isinstance(name, str) else None)
        piece = head[start:] or await read(_PIECE)
        while piece and left > 0:
            await self._send_pieces(piece[: int(min(left, len(piece)))])
            left -= len(piece)
            piece = await read(_PIECE)

    def _is_wave(self, head: bytes) -> bool:
        """Return True for a WAV of which the samples alone are sent."""
        return self._is_linear and head[:4] == b"RIFF" and head[8:12] == b"WAVE"

    def _find_samples(self, head: bytes, declared: str | None) -> tuple[int, int]:
        """Return where the samples of a WAV begin, and how many bytes they are. Any other sound is sent whole.

        `declared` is the media type by its name, or that of a model's answer.
        """
        query = self._operation.query
        wanted = _WAVE_FORM.format(16, query.get("sample_rate"), query.get("channels") or 1)
        if not self._is_wave(head):
            media_type = types.find_media_type(head) if self._is_linear else None
            # Samples may begin as an MP3 does, so that it has to be declared as well.
            if media_type and (media_type == declared or not head.startswith(b"\xff")):
                raise InputError(f"audio must be {wanted}, or its samples, got {media_type}. Convert it")
            return 0, sys.maxsize
        found = _read_wave_head(head)
        got = found if isinstance(found, str) else found[0]
        if isinstance(found, str) or got != wanted:
            must = f"audio must be {wanted}, as the session was opened for"
            raise InputError(f"{must}, got {got}. Convert it, or open the session for it")
        return found[1:]


def _read_wave_head(head: bytes) -> tuple[str, int, int] | str:
    """Return the form of a WAV, where its samples begin and how many bytes they are, or what is wrong with it."""
    # Who records to a pipe does not know the sizes, and writes 0 or the largest number.
    file = io.BytesIO(head[:4] + _ANY_SIZE + head[8:])
    try:
        with wave.open(file) as reader:
            form = _WAVE_FORM.format(reader.getsampwidth() * 8, reader.getframerate(), reader.getnchannels())
            size = reader.getnframes() * reader.getsampwidth() * reader.getnchannels()
            return form, file.tell(), size or sys.maxsize
    except (wave.Error, EOFError) as error:
        return str(error) or "a WAV that is cut off"


class _Transcripts(AsyncIterator[str]):
    """The final texts among the events. No generator, of which trio complains when it is left early."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session
        self._unfinished = ""
        """UNCERTAIN: whether Flux ends the last turn at `CloseStream`, and Nova 3 the last stretch."""

    async def __anext__(self) -> str:
        async for event in self._session:
            if event.is_final_text:
                self._unfinished = ""
                if event.text:
                    return event.text
            elif event.text:
                self._unfinished = event.text
        text, self._unfinished = self._unfinished, ""
        if text:
            return text
        raise StopAsyncIteration


def _find_text(message: str | bytes) -> str | bytes:
    """Return a message that is a JSON object as text.

    UNCERTAIN: whether those come as text always. As bytes they would be taken for sound, and nothing would be heard.
    """
    if not isinstance(message, str) and message.startswith(b"{"):
        with suppress(ValueError):
            loads(bytes(message))
            return message.decode()
    return message


def _parse_event(message: str | bytes) -> types.RealtimeEvent | None:
    """Return the event that a message is, or `None` if it reports an error. What is not understood is kept as it is."""
    if not isinstance(message, str):
        return types.SpeechAudio(audio=bytes(message))
    try:
        body = loads(message.encode())
    except ValueError:
        body = message
    if not is_mapping(body):
        return types.RealtimeEvent.model_validate({"message": body})
    name = str(body.get("type") or "")
    folded = name.replace("_", "").lower()
    if folded == "error" or event_reports_error(body):
        return None
    by_field = next((kind for field, kind in _EVENTS_BY_FIELD.items() if field in body and not name), None)
    kind = _EVENTS.get(folded) or by_field or types.RealtimeEvent
    return kind.model_validate(body)


# What a session is opened with


def _check_inputs(model: str, inputs: Mapping[str, Any], policy: LimitPolicy) -> dict[str, Any]:
    """Return the parameters of the URL. Raises `InputError`, or warns, as `checks` says."""
    texts = {name: _to_text(name, value) for name, value in inputs.items() if value is not None}
    for error in _find_problems(policy.get_model(model), texts) if policy.mode != "off" else ():
        if policy.mode != "warn":
            raise error
        warn(format_warning(error), InputWarning)
    return texts


def _to_text(name: str, value: Any) -> str | list[str]:
    """Return a parameter as the URL has it; a list has its name several times."""
    value = as_number(value)
    if isinstance(value, list | tuple):
        return [str(_to_text(name, each)) for each in cast("list[Any]", value)]
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise InputError(f"`{name}` must be a string, a number, True or False, or a list, got {describe(value)}")
    return str(value)


def _find_problems(entry: Model | None, texts: Mapping[str, Any]) -> Iterator[InputError | LimitError]:
    """Yield what a model has against its parameters; nothing of one that is not known."""
    schema = entry and get_schema(entry.name)
    if entry is None or schema is None:
        return
    if "realtime" not in entry.capabilities:
        advice = "call `run`, or choose one of models.list(capability='realtime')"
        yield make_input_error(entry.name, f"{entry.name} takes no calls by WebSocket: {advice}")
        return
    later = schema.parameters.keys() & _SENT_LATER.keys()
    known = sorted({*schema.parameters, *_MORE_INPUTS.get(entry.name, ())} - later)
    for name in texts:
        if name in _SENT_LATER:
            advice = f"open the session without it, then `await session.{_SENT_LATER[name]}(…)`"
            yield make_input_error(entry.name, f"`{name}` is sent in a session, and does not open one: {advice}")
        elif name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"Leave it out. It takes {', '.join(known)}"
            yield make_input_error(entry.name, f"`{name}` is no parameter of a session with {entry.name}. {advice}")
    # What is sent later stands in for itself.
    for problem in find_input_problems(entry, {**texts, **dict.fromkeys(later, "later")}):
        if problem.certain:
            yield problem.error
    for name in _COUNTS:
        if name in texts and not re.fullmatch("[1-9][0-9]*", str(texts[name])):
            must = f"`{name}` must be a whole number from 1"
            yield make_input_error(entry.name, f"{must}, got {texts[name]}. Correct it")
    for name, (lowest, highest) in _RANGES.items():
        value = texts.get(name, highest)
        with suppress(ValueError):
            if lowest <= float(value) <= highest:
                continue
        must = f"`{name}` must be a number from {lowest} to {highest}"
        yield make_input_error(entry.name, f"{must}, got {value}. Correct it")
