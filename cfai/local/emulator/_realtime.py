"""Realtime sessions: what the models of speech say over a WebSocket. The words are those of every emulated transcript.

A word is heard in each half second of sound, whatever it is, and six words are a sentence, or a turn.
"""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from cfai.local._json import as_object, loads_strictly
from cfai.local.emulator._media import build_speech
from cfai.local.emulator._tasks import TRANSCRIPT
from cfai.local.faults import Fault
from cfai.local.server import WebSocketConnection
from cfai.models import USD_PER_NEURON, Model

Message = Mapping[str, Any] | bytes

_WORDS = TRANSCRIPT.split()
_SECONDS_PER_WORD = 0.5
_AUDIO_PIECE = 16 * 1024
_POLICY, _INTERNAL = 1008, 1011
"""The codes with which a WebSocket is closed for what a client did, and for what failed here."""


class UnknownMessageError(Exception):
    """A message came that a model does not know."""


class Session(ABC):
    """The side of a model: each message that comes is answered with none, one or several."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = parameters
        self.is_over = False
        """True once the service closes the session."""
        self.units = 0.0
        """Minutes of sound, or thousands of characters."""
        self.request_id = str(uuid.uuid4())

    def begin(self) -> Iterator[Message]:
        """Yield what is said at the beginning."""
        return iter(())

    @abstractmethod
    def hear(self, sound: bytes) -> Iterator[Message]:
        """Yield the answers to a piece of sound."""

    @abstractmethod
    def read(self, kind: str, message: Mapping[str, Any]) -> Iterator[Message]:
        """Yield the answers to a message of a type. Raises `UnknownMessageError`."""

    def answer(self, message: str | bytes) -> Iterator[Message]:
        """Yield the answers to a message."""
        if isinstance(message, bytes | bytearray):
            yield from self.hear(bytes(message))
            return
        body: Any = None
        with suppress(ValueError):
            body = as_object(loads_strictly(message.encode()))
        yield from self.read(str(as_object(body).get("type")), as_object(body))


class _Listener(Session):
    """A model that writes down what it hears."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters)
        rate = int(parameters.get("sample_rate", "16000")) * int(parameters.get("channels", "1"))
        self._bytes_per_second = rate * (2 if parameters.get("encoding", "linear16") == "linear16" else 1)
        self._size = 0
        self._number = 0
        """How many words were heard."""

    def hear(self, sound: bytes) -> Iterator[Message]:
        self._size += len(sound)
        self.units = self.seconds / 60
        while (self._number + 1) * _SECONDS_PER_WORD <= self.seconds:
            yield from self._hear_word()

    @property
    def seconds(self) -> float:
        return self._size / self._bytes_per_second

    @property
    def sentence(self) -> list[dict[str, Any]]:
        """The words of the sentence so far, with their times; all of them at its end."""
        first = (self._number - 1) // len(_WORDS) * len(_WORDS)
        numbers = range(first, self._number)
        return [
            {
                "word": _WORDS[number % len(_WORDS)],
                "start": number * _SECONDS_PER_WORD,
                "end": (number + 1) * _SECONDS_PER_WORD,
                "confidence": 1.0,
            }
            for number in numbers
        ]

    @property
    def is_inside(self) -> bool:
        """True in the middle of a sentence."""
        return self._number % len(_WORDS) > 0

    def _hear_word(self) -> Iterator[Message]:
        self._number += 1
        yield from self.report_word(is_first=self._number % len(_WORDS) == 1)
        if not self.is_inside:
            yield from self.report_end()

    def hear_rest(self) -> Iterator[Message]:
        """Yield what is left when no more sound will come: half a word counts, and the sentence is over."""
        if self._number * _SECONDS_PER_WORD < self.seconds:
            yield from self._hear_word()
        if self.is_inside:
            yield from self.report_end()
            self._number += -self._number % len(_WORDS)

    @abstractmethod
    def report_word(self, *, is_first: bool) -> Iterator[Message]: ...

    @abstractmethod
    def report_end(self) -> Iterator[Message]: ...


class Flux(_Listener):
    """Deepgram's Flux: turns, whose words come again with each event."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters)
        self._sequence = 0
        self._turn = 0

    def begin(self) -> Iterator[Message]:
        yield {"type": "Connected", "request_id": self.request_id, "sequence_id": self._sequence}

    def report_word(self, *, is_first: bool) -> Iterator[Message]:
        yield self._describe_turn("StartOfTurn" if is_first else "Update", 0.1)

    def report_end(self) -> Iterator[Message]:
        if "eager_eot_threshold" in self.parameters:
            yield self._describe_turn("EagerEndOfTurn", 0.6)
        yield self._describe_turn("EndOfTurn", 0.9)
        self._turn += 1

    def _describe_turn(self, event: str, confidence: float) -> Message:
        self._sequence += 1
        words = self.sentence
        return {
            "type": "TurnInfo",
            "request_id": self.request_id,
            "sequence_id": self._sequence,
            "event": event,
            "turn_index": self._turn,
            "audio_window_start": words[0]["start"],
            "audio_window_end": self.seconds,
            "transcript": " ".join(word["word"] for word in words),
            "words": [{"word": word["word"], "confidence": word["confidence"]} for word in words],
            "end_of_turn_confidence": confidence,
        }

    def read(self, kind: str, message: Mapping[str, Any]) -> Iterator[Message]:
        if kind != "CloseStream":
            raise UnknownMessageError(kind)
        yield from self.hear_rest()
        self.is_over = True


class Nova(_Listener):
    """Deepgram's Nova 3: stretches of speech, with interim results if they are asked for."""

    def report_word(self, *, is_first: bool) -> Iterator[Message]:
        if is_first and self._is_on("vad_events"):
            yield {"type": "SpeechStarted", "channel": [0], "timestamp": self.sentence[0]["start"]}
        if self._is_on("interim_results"):
            yield self._build_results(is_final=False)

    def report_end(self) -> Iterator[Message]:
        yield self._build_results(is_final=True)
        if "utterance_end_ms" in self.parameters:
            yield {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": self.sentence[-1]["end"]}

    def _is_on(self, name: str) -> bool:
        return self.parameters.get(name) == "true"

    def _build_results(self, *, is_final: bool) -> Message:
        words = self.sentence
        text = " ".join(word["word"] for word in words)
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": words[0]["start"],
            "duration": words[-1]["end"] - words[0]["start"],
            "is_final": is_final,
            "speech_final": is_final,
            "channel": {"alternatives": [{"transcript": text, "confidence": 1.0, "words": words}]},
        }

    def read(self, kind: str, message: Mapping[str, Any]) -> Iterator[Message]:
        if kind not in ("Finalize", "CloseStream", "KeepAlive"):
            raise UnknownMessageError(kind)
        if kind != "KeepAlive":
            yield from self.hear_rest()
        if kind == "CloseStream":
            yield {"type": "Metadata", "request_id": self.request_id, "duration": self.seconds, "channels": 1}
            self.is_over = True


class Aura(Session):
    """Deepgram's Aura: text comes in, and sound goes out for each flush."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters)
        self._text = ""
        self._flushes = 0

    def hear(self, sound: bytes) -> Iterator[Message]:
        raise UnknownMessageError("sound")

    def read(self, kind: str, message: Mapping[str, Any]) -> Iterator[Message]:
        if kind == "Speak":
            self._text += str(message.get("text") or "")
        elif kind == "Flush":
            yield from self._speak()
        elif kind == "Close":
            self.is_over = True
        else:
            raise UnknownMessageError(kind)

    def _speak(self) -> Iterator[Message]:
        if self._text:
            numbers = {name: float(self.parameters[name]) for name in ("sample_rate",) if name in self.parameters}
            sound = build_speech({"container": "none", **self.parameters, **numbers}).content
            yield from (sound[at : at + _AUDIO_PIECE] for at in range(0, len(sound), _AUDIO_PIECE))
        self.units += len(self._text) / 1000
        self._text = ""
        # UNCERTAIN: the messages beside the sound. This one is of Deepgram's own API.
        yield {"type": "Flushed", "sequence_id": self._flushes}
        self._flushes += 1


class SmartTurn(Session):
    """Pipecat's Smart Turn: a verdict on each piece of sound. UNCERTAIN: no page shows its messages."""

    def hear(self, sound: bytes) -> Iterator[Message]:
        yield {"is_complete": True, "probability": 0.9}

    def read(self, kind: str, message: Mapping[str, Any]) -> Iterator[Message]:
        raise UnknownMessageError(kind)


_SESSIONS: Mapping[str, type[Session]] = {
    "@cf/deepgram/flux": Flux,
    "@cf/deepgram/nova-3": Nova,
    "@cf/deepgram/aura": Aura,
    "@cf/pipecat-ai/smart-turn": SmartTurn,
}
"""By how the names of models begin."""


def find_session(model: Model) -> type[Session] | None:
    """Return the class of a model's sessions, or `None` if it has none."""
    return next((kind for start, kind in _SESSIONS.items() if model.name.startswith(start)), None)


def compute_neurons(model: Model, session: Session) -> float:
    """Return what a session cost."""
    prices = sorted(model.price, key=lambda price: "websocket" not in price.unit)
    return session.units * prices[0].usd / USD_PER_NEURON if prices else 0.0


async def hold_session(websocket: WebSocketConnection, session: Session, fault: Fault) -> None:
    """Answer until one side ends it, or the fault does after so many messages."""
    ending, after = fault.ending or ("truncate" if fault.close_code else None, 0)
    sent, messages = 0, session.begin()
    while True:
        try:
            for message in messages:
                if ending and sent >= after:
                    return await _end_early(websocket, ending, fault)
                await websocket.send(message if isinstance(message, bytes) else json.dumps(message))
                sent += 1
        except UnknownMessageError as error:
            # UNCERTAIN: how a message is refused. This is the form of Deepgram's own API.
            description = f"a message of an unknown type: {error}"
            await websocket.send(json.dumps({"type": "Error", "code": "DATA-0000", "description": description}))
            return await websocket.close(_POLICY, "DATA-0000")
        if session.is_over:
            return await websocket.close(1000)
        if ending and sent >= after:
            return await _end_early(websocket, ending, fault)
        incoming = await websocket.receive()
        if incoming is None:
            return
        messages = session.answer(incoming)


async def _end_early(websocket: WebSocketConnection, ending: str, fault: Fault) -> None:
    if ending in ("drop", "reset"):
        await websocket.cut(reset=ending == "reset")
    elif ending == "silence":
        while await websocket.receive() is not None:
            pass
    elif ending == "error":
        description = fault.message or "the model failed"
        error = {"type": "Error", "code": fault.code or "INTERNAL_SERVER_ERROR", "description": description}
        await websocket.send(json.dumps(error))
        await websocket.close(_INTERNAL)
    else:
        await websocket.close(fault.close_code or 1000, fault.message or "")
