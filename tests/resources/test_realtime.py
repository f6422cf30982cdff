"""`ai.arealtime`: sessions with the models of speech, over the emulator and over scripted bytes."""

from __future__ import annotations

import gc
import io
import json
import pickle
import queue
import re
import ssl
import sys
import threading
import warnings
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import httpx
import numpy as np
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.utilities import generate_accept_token

from cfai import (
    Ai,
    AiInternalError,
    APIConnectionError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InputError,
    InputWarning,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    RealtimeError,
    RealtimeSession,
    models,
)
from cfai._resources.websocket import WebSocket
from cfai._transport import BackgroundReader
from cfai.local import Emulator, Fault, Recorder
from cfai.models.schemas import get_schema
from cfai.types import (
    Audio,
    RealtimeEvent,
    RealtimeInputs,
    SessionMetadata,
    SessionOpened,
    SpeechAudio,
    SpeechFlushed,
    SpeechResults,
    SpeechStarted,
    TurnInfo,
    TurnVerdict,
    UtteranceEnd,
)
from tests.conftest import ACCOUNT, TOKEN, Peer, Serve, row
from tests.test_environment import pass_on

FLUX, NOVA, AURA = "@cf/deepgram/flux", "@cf/deepgram/nova-3", "@cf/deepgram/aura-2-en"
SMART_TURN = "@cf/pipecat-ai/smart-turn-v2"
LINEAR: dict[str, Any] = {"encoding": "linear16", "sample_rate": 16000}
SECOND = bytes(32_000)
"""A second of sound at that rate."""
SENTENCE = "This transcript is emulated by cfai."

Go = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture(params=["asyncio", "trio"])
def go(request: pytest.FixtureRequest) -> Go:
    """Run an asynchronous function to its end, on either kind of event loop, and give up on one that hangs."""

    def run(function: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            with anyio.fail_after(20):
                return await function()

        return anyio.run(main, backend=request.param)

    return run


async def read(session: RealtimeSession) -> list[RealtimeEvent]:
    return [event async for event in session]


# The models, as the emulator speaks them


def test_flux_tells_turns_whose_words_come_again(ai: Ai, go: Go, local: Emulator) -> None:
    async def main() -> None:
        async with ai.arealtime(FLUX, **LINEAR, eager_eot_threshold=0.4, keyterm=["cfai", "emulated"]) as session:
            assert session.close_code is None
            await session.send_audio(SECOND * 4)
            await session.finish()
            opened, *turns = await read(session)
            assert isinstance(opened, SessionOpened)
            assert opened.request_id == turns[0]["request_id"]
            assert all(isinstance(turn, TurnInfo) for turn in turns)
            first = [turn for turn in turns if turn["turn_index"] == 0]
            assert [turn["event"] for turn in first] == ["StartOfTurn", *["Update"] * 5, "EagerEndOfTurn", "EndOfTurn"]
            assert [turn.text for turn in first[:3]] == ["This", "This transcript", "This transcript is"]
            assert [turn.text for turn in turns if turn.is_final_text] == [SENTENCE, "This transcript"]
            assert [word.word for word in first[-1].words] == SENTENCE.split()
            assert first[-1].end_of_turn_confidence == 0.9
            assert (session.close_code, session.close_reason, session.model) == (1000, "", FLUX)
            assert session.request_id

    go(main)
    [request] = local.requests
    assert request.query == {
        "encoding": "linear16",
        "sample_rate": "16000",
        "eager_eot_threshold": "0.4",
        "keyterm": ["cfai", "emulated"],
    }


def test_nova_tells_stretches_of_speech(ai: Ai, go: Go) -> None:
    async def main() -> list[RealtimeEvent]:
        options: dict[str, Any] = {"interim_results": True, "vad_events": True, "utterance_end_ms": 1000}
        async with ai.arealtime(NOVA, **LINEAR, **options, language="en") as session:
            await session.send_message({"type": "KeepAlive"})
            await session.send_audio(SECOND)
            await session.finish()
            return await read(session)

    started, *interim, final, ended, metadata = go(main)
    assert isinstance(started, SpeechStarted)
    assert [(each.text, each.is_final_text) for each in interim] == [("This", False), ("This transcript", False)]
    assert isinstance(final, SpeechResults)
    assert (final.transcript, final.is_final, final.speech_final) == ("This transcript", True, True)
    assert (final.start, final.duration, final.words[1]["start"]) == (0.0, 1.0, 0.5)
    assert isinstance(ended, UtteranceEnd)
    assert ended.last_word_end == 1.0
    assert isinstance(metadata, SessionMetadata)
    assert metadata.duration == 1.0


def test_aura_speaks_what_was_sent_at_each_flush(ai: Ai, go: Go) -> None:
    async def stream() -> AsyncIterator[str]:
        for piece in ("and ", "", "good bye"):
            yield piece

    async def main() -> None:
        async with ai.arealtime(AURA, encoding="linear16", sample_rate=24000, speaker="luna") as session:
            await session.speak("hello")
            await session.flush()
            await session.speak(stream())
            await session.finish()
            events = await read(session)
            sound = b"".join(event.audio for event in events if isinstance(event, SpeechAudio))
            flushed = [event.sequence_id for event in events if isinstance(event, SpeechFlushed)]
            assert (len(events) - 2, flushed) == (sum(isinstance(event, SpeechAudio) for event in events), [0, 1])
            speech = await ai.arun(
                AURA, {"text": "x", "encoding": "linear16", "container": "none", "sample_rate": 24000}
            )
            assert sound == speech.content * 2

    go(main)


def test_smart_turn_judges_each_piece(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(SMART_TURN, dtype="float32") as session:
            await session.send_audio(SECOND * 2)
            await session.finish()
            assert [type(event) for event in await read(session)] == [TurnVerdict] * 8
            assert session.close_code == 1000
        async with ai.arealtime(SMART_TURN, dtype="float32") as session:
            await session.send_audio(SECOND[:4000])
            event = await anext(session)
            assert isinstance(event, TurnVerdict)
            assert (event.is_complete, event.probability) == (True, 0.9)
            await session.finish()
            assert await read(session) == []

    go(main)


def test_transcripts_are_the_final_texts_alone(ai: Ai, go: Go) -> None:
    async def main() -> None:
        rows: list[tuple[str, dict[str, Any]]] = [(FLUX, {}), (NOVA, {"interim_results": True})]
        for model, options in rows:
            with row(model):
                async with ai.arealtime(model, **LINEAR, **options) as session:
                    await session.send_audio(SECOND * 7)
                    await session.finish()
                    assert [text async for text in session.transcripts()] == [SENTENCE, SENTENCE, "This transcript"]

    go(main)


def test_what_a_session_ends_in_the_middle_of_is_the_last_transcript(serve: Serve, go: Go) -> None:
    update, end = ({"type": "TurnInfo", "event": event, "transcript": "hello"} for event in ("Update", "EndOfTurn"))
    noise = {"type": "Results", "is_final": True, "channel": {"alternatives": [{"transcript": ""}]}}
    rows: list[tuple[list[dict[str, Any]], int, list[str]]] = [
        ([update, {**update, "transcript": "hello there"}, {"type": "Metadata"}], 1000, ["hello there"]),
        ([update, end, update], 1000, ["hello", "hello"]),
        ([update, end], 1000, ["hello"]),
        ([update, noise], 1000, []),
        ([update], 1011, []),
    ]
    sessions = iter(rows)

    def script(peer: Peer) -> None:
        service = Service(peer)
        messages, code, _ = next(sessions)
        service.say(*messages)
        service.send(CloseConnection(code))

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai:
            for messages, code, heard in rows:
                async with ai.arealtime(FLUX, **LINEAR) as session:
                    texts: list[str] = []
                    with row(messages), pytest.raises(RealtimeError) if code == 1011 else nullcontext():
                        async for text in session.transcripts():
                            texts.append(text)
                    with row(messages):
                        assert texts == heard

    go(main)


# Sound


def make_wave(rate: int = 16000, seconds: float = 1.0, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(b"\1\2" * int(rate * seconds * channels * width / 2))
    return file.getvalue() + b"LIST\4\0\0\0more"  # what other programs write behind the samples


async def heard(sound: Any, **inputs: Any) -> bytes:
    """Return the bytes that a session sends for a sound."""
    messages: list[bytes] = []
    ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
    session = ai.arealtime(FLUX, **{**LINEAR, **inputs})

    async def send(message: bytes) -> None:
        messages.append(message)

    session._socket = SimpleNamespace(send=send)
    await session.send_audio(sound)
    assert all(0 < len(message) <= 8192 for message in messages)
    return b"".join(messages)


def test_every_form_of_sound_is_sent_as_samples(go: Go, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(make_wave())
    samples = b"\1\2" * 16000

    async def microphone() -> AsyncIterator[Any]:
        yield b"\1\2"
        yield np.array([0x0201], "int16")

    async def main() -> None:
        with path.open("rb") as file:
            rows: list[tuple[str, Any, bytes]] = [
                ("bytes", SECOND, SECOND),
                ("bytes like the first of an MP3", b"\xff\xfb\0\0", b"\xff\xfb\0\0"),
                ("bytearray", bytearray(b"\1\2"), b"\1\2"),
                ("a model's answer", Audio(content=make_wave(), media_type="audio/wav"), samples),
                ("int16", np.array([1, -2], "int16"), b"\1\0\xfe\xff"),
                ("big-endian", np.array([1, -2], ">i2"), b"\1\0\xfe\xff"),
                ("float32", np.array([0, 1, -1, 1.5], "float32"), b"\0\0\xff\x7f\x01\x80\xff\x7f"),
                ("path", path, samples),
                ("file", file, samples),
                ("WAV in bytes", make_wave(), samples),
                ("BytesIO", io.BytesIO(make_wave(seconds=0.1)), samples[:3200]),
                ("iterable", microphone(), b"\1\2\1\2"),
            ]
            for name, sound, sent in rows:
                with row(name):
                    assert await heard(sound) == sent
            assert not file.closed
        assert await heard(make_wave(channels=2), channels=2, checks="off") == samples * 2

    go(main)


class CountedFile(io.BytesIO):
    """A file that keeps how many bytes it was asked for at once."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.asked: set[int | None] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked.add(size)
        return super().read(size)


def test_the_samples_of_a_wav_are_found_wherever_they_begin_and_whatever_size_it_states(go: Go, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    samples = b"\1\2" * 16000
    head = make_wave()[:36]
    rows: list[tuple[str, bytes, bytes, int]] = [
        ("size 0", b"\0\0\0\0", b"", 0),
        ("largest size", b"\xff\xff\xff\xff", b"", 0xFFFFFFFF),
        ("a picture", head[4:8], b"LIST" + (200_000).to_bytes(4, "little") + b"data" * 50_000, 32_000),
        ("up to the end of a piece", head[4:8], b"LIST" + (8140).to_bytes(4, "little") + bytes(8140), 32_000),
    ]

    async def main() -> None:
        for name, riff_size, chunk, size in rows:
            content = b"RIFF" + riff_size + head[8:] + chunk + b"data" + size.to_bytes(4, "little") + samples
            path.write_bytes(content)
            file = CountedFile(content)
            with row(name):
                assert await heard(content) == samples
                assert await heard(path) == samples
                assert await heard(file) == samples
                assert file.asked == {8192}, "it is never in memory as a whole"

    go(main)


def test_a_file_is_sent_while_it_is_read(go: Go) -> None:
    async def main() -> None:
        for content in (make_wave(), SECOND):
            file, places = io.BytesIO(content), list[int]()

            async def send(_: bytes, file: io.BytesIO = file, places: list[int] = places) -> None:
                places.append(file.tell())

            session = Ai(account_id=ACCOUNT, api_token=TOKEN).arealtime(FLUX, **LINEAR)
            session._socket = SimpleNamespace(send=send)
            await session.send_audio(file)
            assert places[:2] == [8192, 16_384]

    go(main)


def test_asynchronous_files_are_sent(go: Go, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(make_wave())

    async def main() -> None:
        async with await anyio.open_file(path, "rb") as file:
            assert await heard(file) == b"\1\2" * 16000
        async with await anyio.open_file(path, encoding="latin-1") as text:
            with pytest.raises(InputError, match="opened in binary mode"):
                await heard(text)

    go(main)


def test_a_file_is_closed_when_sending_it_is_cancelled(go: Go, tmp_path: Path) -> None:
    path = tmp_path / "speech.raw"
    path.write_bytes(SECOND)

    async def main() -> None:
        session = Ai(account_id=ACCOUNT, api_token=TOKEN).arealtime(FLUX, **LINEAR)

        async def send(_: bytes) -> None:
            scope.cancel()
            await anyio.lowlevel.checkpoint()

        session._socket = SimpleNamespace(send=send)
        with anyio.CancelScope() as scope:
            await session.send_audio(path)
        assert scope.cancelled_caught

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        go(main)
        gc.collect()
    assert [str(warning.message) for warning in caught if "unclosed file" in str(warning.message)] == []


def test_what_is_no_sound_for_the_session_is_refused_before_it_is_sent(go: Go, tmp_path: Path) -> None:
    rows: list[tuple[Any, str]] = [
        ("speech.wav", "audio must be bytes, an array of numpy, a Path, .* got"),
        ([b"x"], "audio must be bytes"),
        (7, "audio must be bytes.* got 7"),
        (tmp_path / "none.wav", "audio: No such file or directory: .*none.wav"),
        (tmp_path, "audio: Is a directory"),
        (io.StringIO("x"), "opened in binary mode"),
        (np.zeros((2, 2), "int16"), "^audio must be a mono array .* got int16 of shape"),
        (np.zeros(2, "int64"), "mono array .* got int64"),
        (np.array([100.0], "float32"), "samples from -1 to 1"),
        (make_wave(rate=44100), "16000 samples a second, channels: 1, .* got a WAV of 16 bits a sample, 44100"),
        (make_wave(channels=2), "channels: 2. Convert it"),
        (make_wave(width=1), "got a WAV of 8 bits"),
        (make_wave()[:20], "got a WAV that is cut off. Convert it"),
        (io.BytesIO(make_wave()[:20]), "got a WAV that is cut off. Convert it"),
        (b"ID3\4" + SECOND, "audio must be a WAV of 16 bits .* or its samples, got audio/mpeg. Convert it"),
        (io.BytesIO(b"OggS" + SECOND), "got audio/ogg"),
    ]

    async def main() -> None:
        for sound, said in rows:
            with row(said), pytest.raises(InputError, match=said):
                await heard(sound)

    go(main)


def test_sound_in_another_encoding_goes_as_it_is(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(NOVA, encoding="opus") as session:
            with pytest.raises(InputError, match="open the session with encoding='linear16'"):
                await session.send_audio(np.zeros(2, "int16"))
            await session.send_audio(make_wave(rate=8000))
        async with ai.arealtime(AURA) as session:
            with pytest.raises(InputError, match="takes text, no sound: call `speak`") as caught:
                await session.send_audio(SECOND)
            assert caught.value.model == AURA
            with pytest.raises(InputError, match="text must be a string"):
                await session.speak(7)
            with pytest.raises(InputError, match="a message must be a dict"):
                await session.send_message("Flush")
            with pytest.raises(InputError, match=r"message\['a'\]"):
                await session.send_message({"a": {1}})
        for model in (FLUX, NOVA, SMART_TURN):
            async with ai.arealtime(model, **(LINEAR if model != SMART_TURN else {})) as session:
                for use in (lambda: session.speak("hello"), session.flush):
                    with row(model), pytest.raises(InputError, match="takes sound, no text: call `send_audio`"):
                        await use()

    go(main)


# What opens a session


def test_parameters_are_refused_before_anything_is_sent(ai: Ai, local: Emulator) -> None:
    rows: list[tuple[str, dict[str, Any], str]] = [
        (FLUX, {}, "`encoding` and `sample_rate` must be given"),
        (FLUX, {**LINEAR, "interim_results": True}, "`interim_results` is no parameter of a session .* It takes "),
        (FLUX, {**LINEAR, "language": "en"}, "`language` is no parameter"),
        (FLUX, {"encoding": "opus", "sample_rate": 16000}, "`encoding` must be one of 'linear16'"),
        (FLUX, {"encoding": "linear16", "sample_rate": "16k"}, r"`sample_rate` must match \^\[0-9\]\+\$"),
        (FLUX, {**LINEAR, "eot_threshold": 1.5}, "`eot_threshold` must be a number from 0.5 to 0.9, got 1.5"),
        (FLUX, {**LINEAR, "eager_eot_threshold": "low"}, "from 0.3 to 0.9, got low"),
        (FLUX, {**LINEAR, "keyterms": "x"}, "did you mean `keyterm`"),
        (FLUX, {**LINEAR, "audio": b"x"}, "`audio` must be a string, a number"),
        (FLUX, {**LINEAR, "tag": {"a": 1}}, "`tag` must be a string, a number"),
        (NOVA, {"audio": "x"}, r"`audio` is sent in a session.*session.send_audio\(…\)"),
        (AURA, {"text": "hello"}, r"`text` is sent in a session.*session.speak\(…\)"),
        (NOVA, {**LINEAR, "sample_rate": "abc"}, "`sample_rate` must be a whole number from 1, got abc"),
        (NOVA, {**LINEAR, "sample_rate": 16000.5}, "`sample_rate` must be a whole number from 1, got 16000.5"),
        (NOVA, {**LINEAR, "sample_rate": -5}, "`sample_rate` must be a whole number"),
        (NOVA, {**LINEAR, "channels": 0}, "`channels` must be a whole number from 1, got 0"),
        (FLUX, {"encoding": "linear16", "sample_rate": 0}, "`sample_rate` must be a whole number"),
        (AURA, {"encoding": "linear24"}, "`encoding` must be one of"),
        (NOVA, {"mode": "legal"}, "`mode` must be one of"),
        ("@cf/openai/whisper", {}, "takes no calls by WebSocket: call `run`"),
    ]
    for model, inputs, said in rows:
        with row((model, inputs)), pytest.raises(InputError, match=said):
            ai.arealtime(model, **inputs)
    with pytest.raises(ConfigurationError, match="is no model name"):
        ai.arealtime("../x")
    with pytest.raises(ConfigurationError, match="`gateway` must have the 'id'"):
        ai.arealtime(FLUX, **LINEAR, gateway="")
    with pytest.warns(InputWarning, match="`language` is no parameter"):
        ai.arealtime(FLUX, **LINEAR, language="en", checks="warn")
    assert ai.arealtime(FLUX, checks="off").model == FLUX
    assert ai.arealtime("@cf/deepgram/flux-9", anything="x").model == "@cf/deepgram/flux-9"
    assert local.requests == []


def test_every_parameter_of_the_models_of_sessions_has_its_type() -> None:
    models_of_sessions = models.list(capability="realtime")
    assert len(models_of_sessions) == 6
    schemas = [get_schema(model.name) for model in models_of_sessions]
    listed = {name for schema in schemas if schema for name in schema.parameters} - {"audio", "text"}
    assert listed <= RealtimeInputs.__annotations__.keys()


def test_without_its_package_a_session_names_the_extra(ai: Ai, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wsproto", None)
    with pytest.raises(ModuleNotFoundError, match=r'arealtime needs wsproto, .*: pip install "cfai-sdk\[realtime\]"'):
        ai.arealtime(FLUX, **LINEAR)


def test_a_session_is_asynchronous_and_says_how_it_is_used(ai: Ai, go: Go) -> None:
    with pytest.raises(ConfigurationError, match=r"a realtime session is asynchronous: `async with ai\.arealtime"):
        ai.realtime(FLUX, **LINEAR)

    async def main() -> None:
        session = ai.arealtime(FLUX, **LINEAR)
        assert repr(session) == f"<RealtimeSession with {FLUX}: open it with `async with`, iterate with `async for`>"
        with pytest.raises(ConfigurationError, match="the session is not open"):
            await session.send_audio(SECOND)
        with pytest.raises(ConfigurationError, match="the session is not open"):
            await anext(session)
        async with session:
            await session.finish()
            await session.finish()
            with pytest.raises(ConfigurationError, match="nothing can be sent after `finish`"):
                await session.send_audio(SECOND)
        with pytest.raises(ConfigurationError, match="is opened once: call `arealtime` again"):
            await session.__aenter__()
        with pytest.raises(ValueError, match="my own"):
            async with ai.arealtime(FLUX, **LINEAR):
                raise ValueError("my own")

    go(main)


def test_a_refusal_is_the_error_that_run_would_raise(local: Emulator, go: Go, sleeps: list[float]) -> None:
    async def main() -> None:
        rows: list[tuple[str, str, dict[str, Any], Any, type[Exception], str]] = [
            ("token", FLUX, {"api_token": "wrong-token-wrong-token"}, "ok", AuthenticationError, "10000"),
            ("model", "@cf/deepgram/none", {}, "ok", NotFoundError, "5007"),
            ("parameters", FLUX, {"checks": "off"}, "ok", BadRequestError, "5006 .*language"),
            ("no session", "@cf/openai/whisper", {"checks": "off"}, "ok", BadRequestError, "5006"),
            ("rate", FLUX, {}, "rate-limited", RateLimitError, f"3021 .*{FLUX}"),
            ("quota", FLUX, {}, "quota-exceeded", QuotaExceededError, "4006"),
            ("page", FLUX, {}, Fault(html=403), Exception, "403"),
            ("nobody", FLUX, {}, "hang-up", APIConnectionError, "no answer from"),
            ("streams", FLUX, {}, "hold", BadRequestError, "happens to bodies of answers"),
        ]
        for name, model, options, fault, kind, said in rows:
            local.script(fault)
            inputs = {**LINEAR, **({"language": "en"} if name == "parameters" else {})}
            with row(name):
                async with local.ai(max_retries=0, **options) as ai:
                    with pytest.raises(kind, match=said):
                        async with ai.arealtime(model, **inputs):
                            pass
            local.reset()
        for fault in ("rate-limited,retry-after=0", "hang-up"):  # for nothing was billed
            local.script(fault, "ok")
            async with local.ai(max_retries=1) as ai, ai.arealtime(FLUX, **LINEAR) as session:
                assert isinstance(await anext(session), SessionOpened)

    go(main)


def test_the_emulator_refuses_numbers_with_which_no_sound_can_be_read(local: Emulator, go: Go) -> None:
    async def main() -> None:
        async with local.ai(checks="off", max_retries=0) as ai:
            for name, value in [("sample_rate", "abc"), ("sample_rate", 16000.5), ("sample_rate", 0), ("channels", 0)]:
                with row((name, value)), pytest.raises(BadRequestError, match=f"5006.*{name}' must be a whole number"):
                    async with ai.arealtime(NOVA, **{**LINEAR, name: value}):
                        pass

    go(main)


def test_the_emulator_limits_sessions_as_it_limits_calls(go: Go) -> None:
    async def main() -> None:
        async with Emulator(daily_neurons=1, tokens_per_second=None) as local, local.ai(max_retries=0) as ai:
            async with ai.arealtime(FLUX, **LINEAR) as session:
                await session.send_audio(SECOND)
                await session.finish()
                await read(session)
            with pytest.raises(QuotaExceededError):
                async with ai.arealtime(FLUX, **LINEAR):
                    pass

    go(main)


# How a session ends


def test_an_early_end_raises_its_code_and_its_reason_after_what_had_come(local: Emulator, ai: Ai, go: Go) -> None:
    async def main() -> None:
        rows: list[tuple[Fault, int, Any, str]] = [
            (Fault(close_code=1011, message="no room", truncate_after=3), 3, 1011, "no room"),
            (Fault(close_code=4000), 0, 4000, ""),
            (Fault(drop_after=3), 3, 1006, "the connection ended"),
            (Fault(error_after=3, message="it broke"), 3, "INTERNAL_SERVER_ERROR", "it broke"),
            (Fault(error_after=2, code=3040), 2, 3040, "the model failed"),
        ]
        for fault, count, code, reason in rows:
            local.script(fault)
            with row(fault):
                async with ai.arealtime(FLUX, **LINEAR) as session:
                    events: list[RealtimeEvent] = []
                    with pytest.raises(RealtimeError) as caught:  # noqa: PT012
                        if count:
                            await session.send_audio(SECOND[: 16384 * (count - 1)])  # of which all is heard before
                        async for event in session:
                            events.append(event)
                    error = caught.value
                    assert (len(events), error.code, error.reason, error.model) == (count, code, reason, FLUX)
                    assert error.request_id == session.request_id
                    assert str(code) in str(error)
                    copied = pickle.loads(pickle.dumps(error))
                    assert (copied.code, copied.reason, str(copied)) == (code, reason, str(error))
        local.script(Fault(truncate_after=1))
        async with ai.arealtime(FLUX, **LINEAR) as session:
            assert len(await read(session)) == 1
            assert session.close_code == 1000
            with pytest.raises(RealtimeError, match=r"the session with .* is over: 1000 without a reason"):
                await session.send_audio(SECOND)
            await session.finish()

    go(main)


def test_a_fault_that_closes_a_websocket_is_none_of_another_call(local: Emulator, ai: Ai) -> None:
    with pytest.raises(ValueError, match="close_code must be 1000 to 4999, got 99"):
        Fault(close_code=99)
    local.script("close-code=1011")
    with pytest.raises(BadRequestError, match="happens to WebSockets alone"):
        ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"})


def test_a_message_that_the_model_does_not_know_is_an_error(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(FLUX, **LINEAR) as session:
            await session.send_message({"type": "Finalize"})
            with pytest.raises(RealtimeError, match=r"reported an error: DATA-0000: .*Finalize"):
                await read(session)
            with pytest.raises(RealtimeError, match="1008 DATA-0000"):
                await read(session)

    go(main)


def test_a_session_that_is_cancelled_or_left_closes_its_connection(local: Emulator, ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(FLUX, **LINEAR) as session:
            await anext(session)
        assert await anyio.to_thread.run_sync(local.wait_for_disconnects, 1)
        with anyio.CancelScope() as scope:
            async with ai.arealtime(FLUX, **LINEAR) as session:
                await anext(session)
                scope.cancel()
                await anext(session)
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(local.wait_for_disconnects, 2)
        await session.__aexit__()  # a second time

    go(main)


def test_a_session_that_is_left_says_goodbye_and_closes_its_connection(serve: Serve, go: Go) -> None:
    said: list[Event | None] = []
    are_left: queue.Queue[bool] = queue.Queue()

    def script(peer: Peer) -> None:
        service = Service(peer)
        said.append(service.receive())
        peer.left()
        are_left.put(True)

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai:
            for is_cancelled in (False, True):
                with anyio.CancelScope() as scope:
                    async with ai.arealtime(FLUX, **LINEAR):
                        if is_cancelled:
                            scope.cancel()
                assert await anyio.to_thread.run_sync(are_left.get, True, 10)

    go(main)
    assert said == [CloseConnection(1000, "")] * 2


def test_each_model_is_told_the_end_in_its_own_words(serve: Serve, go: Go) -> None:
    said: list[Any] = []
    are_over: queue.Queue[bool] = queue.Queue()

    def script(peer: Peer) -> None:
        service = Service(peer)
        while isinstance(received := service.receive(), TextMessage):
            said.append(json.loads(received.data)["type"])
        said.append(received)
        are_over.put(True)

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai:
            for model in (FLUX, NOVA, SMART_TURN):
                async with ai.arealtime(model, **(LINEAR if model != SMART_TURN else {})) as session:
                    await session.finish()
                await anyio.to_thread.run_sync(are_over.get, True, 10)

    go(main)
    goodbye = CloseConnection(1000, "")
    assert said == ["CloseStream", goodbye, "Finalize", "CloseStream", goodbye, goodbye]


def test_aura_is_done_when_all_was_flushed_whether_or_not_it_closes(serve: Serve, go: Go) -> None:
    kinds: list[str] = []

    def script(peer: Peer) -> None:
        service = Service(peer)
        while isinstance(received := service.receive(), TextMessage):
            kinds.append(json.loads(received.data)["type"])
            if kinds[-1] == "Flush":
                service.say({"type": "Flushed"})
        is_over.set()

    server, is_over = serve(script), threading.Event()

    async def stream() -> AsyncIterator[str | None]:
        for piece in (None, "two"):  # many clients' last pieces have no text
            yield piece

    async def main() -> None:
        async with remote(server.url) as ai, ai.arealtime(AURA) as session:
            await session.speak("one")
            await session.speak("")
            await session.flush()
            await session.speak(stream())
            await session.finish()
            assert [type(event) for event in await read(session)] == [SpeechFlushed, SpeechFlushed]
            assert session.close_code is None

    go(main)
    assert is_over.wait(10)
    assert kinds == ["Speak", "Flush", "Speak", "Flush", "Close"]


def test_closing_the_client_ends_its_sessions(local: Emulator, go: Go) -> None:
    async def main() -> None:
        ai = local.ai()
        async with ai.arealtime(FLUX, **LINEAR) as session:
            await anext(session)
            await ai.aclose()
            with pytest.raises(RealtimeError, match="1006 the Ai was closed"):
                await read(session)

    go(main)


def test_a_wait_that_is_cancelled_loses_no_event(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(FLUX, **LINEAR) as session:
            await anext(session)
            for _ in range(3):
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await anext(session)
                assert scope.cancelled_caught
            await session.send_audio(SECOND[:16000])
            assert (await anext(session)).text == "This"

    go(main)


def test_one_wrong_field_loses_neither_the_turn_nor_its_text(serve: Serve, go: Go) -> None:
    turn = {"type": "TurnInfo", "event": "EndOfTurn", "transcript": "hello"}
    rows: list[tuple[dict[str, Any], Any]] = [
        ({"words": [{"word": "hello", "confidence": None}]}, 0.0),
        ({"words": [{"word": "hello", "confidence": "high"}]}, "high"),
        ({"words": [{"word": "hello", "confidence": 1}], "turn_index": {}, "audio_window_end": "late"}, 1.0),
    ]

    def script(peer: Peer) -> None:
        service = Service(peer)
        for _ in range(2):
            service.say(*({**turn, **fields} for fields, _ in rows))
        service.say({**turn, "words": "hello"}, {**turn, "transcript": 7}, {**turn, "event": ["EndOfTurn"]})
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai, ai.arealtime(FLUX, **LINEAR) as session:
            for fields, confidence in rows:
                event = await anext(session)
                with row(fields):
                    assert isinstance(event, TurnInfo)
                    assert [(word.word, word.confidence) for word in event.words] == [("hello", confidence)]
                    assert all(event[name] == fields[name] for name in fields if name != "words")
            assert [text async for text in session.transcripts()] == ["hello"] * 4 + ["7", "hello"]

    go(main)


# Bytes


class Service:
    """The server's end of a WebSocket, in a script."""

    def __init__(self, peer: Peer, head: str = "", accept: str = "") -> None:
        self.peer = peer
        self.head = peer.request().decode()
        [key] = re.findall(r"(?im)^sec-websocket-key: (\S+)", self.head)
        accept = accept or generate_accept_token(key.encode()).decode()
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-accept: {accept}\r\n{head}\r\n".encode()
        )
        self.connection = Connection(ConnectionType.SERVER)

    def send(self, *events: Event) -> None:
        self.peer.send(b"".join(map(self.connection.send, events)))

    def say(self, *messages: Any) -> None:
        self.send(*(TextMessage(json.dumps(message)) for message in messages))

    def receive(self) -> Event | None:
        """Return the next event, or nothing once the client is gone."""
        while True:
            for event in self.connection.events():
                return event
            data = self.peer.connection.recv(65536)
            if not data:
                return None
            self.connection.receive_data(data)


def remote(url: str, **options: Any) -> Ai:
    return Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=url, trust_env=False, max_retries=0, **options)


def test_a_session_is_opened_with_the_token_the_gateway_and_its_parameters(serve: Serve, go: Go) -> None:
    heads: list[str] = []

    def script(peer: Peer) -> None:
        service = Service(peer, head="cf-ai-req-id: req-1\r\n")
        heads.append(service.head)
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai:
            session = ai.arealtime(
                NOVA, **LINEAR, punctuate=True, gateway={"id": "my", "skipCache": True}, extra_headers={"x-team": "a"}
            )
            assert TOKEN not in repr(session) + repr(vars(session))
            async with session:
                assert await read(session) == []
                assert session.request_id == "req-1"

    go(main)
    [head] = heads
    line, *fields = head.split("\r\n")
    query = "encoding=linear16&sample_rate=16000&punctuate=true"
    assert line == f"GET /client/v4/accounts/{ACCOUNT}/ai/run/{NOVA}?{query} HTTP/1.1"
    lower = {field.partition(": ")[0].lower(): field.partition(": ")[2] for field in fields}
    assert lower["authorization"] == f"Bearer {TOKEN}"
    assert (lower["connection"], lower["upgrade"], lower["sec-websocket-version"]) == ("Upgrade", "websocket", "13")
    assert (lower["cf-aig-gateway-id"], lower["cf-aig-skip-cache"], lower["x-team"]) == ("my", "true", "a")
    assert lower["user-agent"].startswith("cfai/")


def test_a_session_goes_through_a_proxy_and_trusts_own_certificates(
    serve: Serve, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = Path(__file__).parents[1] / "doctor" / "tls" / "localhost.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def script(peer: Peer) -> None:
        with context.wrap_socket(peer.connection, server_side=True) as peer.connection:
            service = Service(peer)
            received = service.receive()
            assert isinstance(received, BytesMessage)
            service.send(BytesMessage(received.data), CloseConnection(1000))
            service.receive()

    def carry(peer: Peer) -> None:
        pass_on(peer.connection, peer.request().split()[1])

    server, proxy = serve(script), serve(carry)

    async def main() -> None:
        url, through = f"https://localhost:{server.port}/client/v4", f"http://me:secret-word@localhost:{proxy.port}"
        for option in ({}, {"proxy": through}):
            async with remote(url, verify=pem, **option) as ai, ai.arealtime(FLUX, **LINEAR) as session:
                await session.send_audio(SECOND[:8192])
                [event] = await read(session)
                assert event["audio"] == SECOND[:8192]

    go(main)
    assert [request.split()[0] for request in proxy.requests] == [b"CONNECT"]


def test_a_client_that_is_passed_in_opens_a_session_if_it_can(local: Emulator, go: Go) -> None:
    async def main() -> None:
        async with (
            httpx.AsyncClient() as client,
            local.ai(async_http_client=client) as ai,
            ai.arealtime(FLUX, **LINEAR) as session,
        ):
            assert isinstance(await anext(session), SessionOpened)
        transport = httpx.MockTransport(lambda _: httpx.Response(101))
        async with httpx.AsyncClient(transport=transport) as client, local.ai(async_http_client=client) as ai:
            with pytest.raises(ConfigurationError, match="must be a client with httpx's own transport"):
                async with ai.arealtime(FLUX, **LINEAR):
                    pass

    go(main)


def test_what_records_calls_opens_no_session(local: Emulator, go: Go, tmp_path: Path) -> None:
    credentials = {"upstream_account_id": local.account_id, "upstream_token": local.api_token}

    async def main() -> None:
        recorder = Recorder(tmp_path, upstream_url=local.base_url, **credentials)
        async with recorder, recorder.ai(max_retries=0) as ai:
            with pytest.raises(AiInternalError, match="WebSockets are neither recorded nor played back"):
                async with ai.arealtime(FLUX, **LINEAR):
                    pass

    go(main)


def test_a_message_in_any_form_becomes_an_event_and_none_is_lost(serve: Serve, go: Go) -> None:
    rows: list[tuple[Any, type[RealtimeEvent], dict[str, Any]]] = [
        ({"type": "TurnInfo"}, TurnInfo, {"text": "", "words": [], "is_final_text": False}),
        ({"type": "TurnInfo", "transcript": None, "words": None, "new": 1}, TurnInfo, {"transcript": "", "new": 1}),
        ({"turn_index": 3, "event": "EndOfTurn", "transcript": "a"}, TurnInfo, {"text": "a", "is_final_text": True}),
        ({"type": "Results"}, SpeechResults, {"transcript": "", "words": []}),
        ({"type": "Results", "channel": {"alternatives": []}, "is_final": True}, SpeechResults, {"text": ""}),
        ({"type": "Results", "channel": [{"alternatives": [{"transcript": "b"}]}]}, SpeechResults, {"text": "b"}),
        ({"channel": {"alternatives": [{"transcript": "c"}]}}, SpeechResults, {"text": "c", "type": ""}),
        ({"type": "speech_started"}, SpeechStarted, {"timestamp": 0.0}),
        ({"type": "UtteranceEnd", "last_word_end": 2}, UtteranceEnd, {"last_word_end": 2.0}),
        ({"is_complete": False, "probability": 0.2}, TurnVerdict, {"probability": 0.2}),
        ({"type": "TurnInfo", "turn_index": "first"}, TurnInfo, {"type": "TurnInfo", "turn_index": "first"}),
        ({"type": "Results", "is_final": "perhaps"}, SpeechResults, {"is_final": "perhaps", "is_final_text": False}),
        ({"type": "Warning", "code": "W1"}, RealtimeEvent, {"type": "Warning", "code": "W1", "text": ""}),
        ({"type": "New", "channel": [0]}, RealtimeEvent, {"type": "New", "channel": [0]}),
        ({"type": 7, "a": 1}, RealtimeEvent, {"type": "7", "a": 1}),
        ({}, RealtimeEvent, {"type": ""}),
        ([1, 2], RealtimeEvent, {"message": [1, 2]}),
        ("a word", RealtimeEvent, {"message": "a word"}),
    ]

    def script(peer: Peer) -> None:
        service = Service(peer)
        service.say(*(message for message, _, _ in rows))
        service.send(TextMessage("{no JSON"), TextMessage('{"type": "Res', message_finished=False))
        service.send(TextMessage('ults"}'), BytesMessage(b'{"type": "Results"}'), BytesMessage(b"{}!"))
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> list[RealtimeEvent]:
        async with remote(server.url) as ai, ai.arealtime(FLUX, **LINEAR) as session:
            return await read(session)

    *events, broken, parts, as_bytes, sound = go(main)
    for (message, kind, fields), event in zip(rows, events, strict=True):
        with row(message):
            assert type(event) is kind
            assert {name: getattr(event, name) for name in fields} == fields
    assert (type(broken), broken["message"]) == (RealtimeEvent, "{no JSON")
    assert type(parts) is type(as_bytes) is SpeechResults
    assert (type(sound), sound.audio) == (SpeechAudio, b"{}!")


def test_an_error_in_any_form_is_raised_without_the_token(serve: Serve, go: Go) -> None:
    rows: list[tuple[Any, Any, str]] = [
        ({"type": "Error", "code": "NET-0001", "description": f"no sound, {TOKEN}"}, "NET-0001", "no sound, [removed]"),
        ({"type": "error", "message": "bad"}, None, "bad"),
        ({"success": False, "errors": [{"code": 3040, "message": "busy"}]}, 3040, "busy"),
        ({"error": "it broke"}, None, "it broke"),
    ]
    messages = iter(rows)

    def script(peer: Peer) -> None:
        service = Service(peer)
        message = json.dumps(next(messages)[0])
        service.send(BytesMessage(message.encode()) if "broke" in message else TextMessage(message))
        service.send(CloseConnection(1011, f"for {TOKEN}"))

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai:
            for message, code, reason in rows:
                async with ai.arealtime(FLUX, **LINEAR) as session:
                    with row(message), pytest.raises(RealtimeError) as caught:
                        await read(session)
                    assert (caught.value.code, caught.value.reason) == (code, reason)
                    assert TOKEN not in str(caught.value)
                    assert caught.value.body == json.loads(json.dumps(message).replace(TOKEN, "[removed]"))
                    with row(message), pytest.raises(RealtimeError, match=r"1011 for \[removed\]"):
                        await read(session)

    go(main)


def test_what_is_no_websocket_is_told(serve: Serve, go: Go) -> None:
    def open_wrongly(peer: Peer) -> None:
        Service(peer, accept="x")
        peer.left()

    def broken(data: bytes) -> Callable[[Peer], Any]:
        return lambda peer: (Service(peer).peer.send(data), peer.left())

    rows: list[tuple[Callable[[Peer], Any], type[Exception], str]] = [
        (
            lambda peer: Service(peer, accept="x").peer.left(),
            APIResponseValidationError,
            "its sec-websocket-accept does not fit",
        ),
        (lambda peer: (peer.request(), peer.answer(b"{}")), APIResponseValidationError, "no WebSocket was opened"),
        (lambda peer: Service(peer).peer.reset(), RealtimeError, "1006"),
        (broken(b"\xff\xff\xff"), RealtimeError, "is over: 100"),
        (broken(b"\x81\x02\xff\xff"), RealtimeError, "is over: 1007"),
    ]

    async def main() -> None:
        for script, kind, said in rows:
            server = serve(script)
            async with remote(server.url) as ai:
                with row(said), pytest.raises(kind, match=said) as caught:
                    async with ai.arealtime(FLUX, **LINEAR) as session:
                        await read(session)
                if "accept" in said:
                    assert await anyio.to_thread.run_sync(server.was_left.wait, 10)
            assert TOKEN not in str(caught.value)

    go(main)


def test_pings_are_answered_while_nobody_reads(serve: Serve, go: Go) -> None:
    was_answered = threading.Event()

    def script(peer: Peer) -> None:
        service = Service(peer)
        service.send(Ping(b"there?"))
        pong = service.receive()
        assert isinstance(pong, Pong)
        assert pong.payload == b"there?"
        was_answered.set()
        assert isinstance(service.receive(), BytesMessage)
        service.send(CloseConnection(1000))
        closed = service.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1000

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai, ai.arealtime(FLUX, **LINEAR) as session:
            await anyio.to_thread.run_sync(was_answered.wait)
            await session.send_audio(b"\0\0")
            assert await read(session) == []

    go(main)


def test_a_message_that_is_too_large_ends_a_session(serve: Serve, go: Go) -> None:
    def script(peer: Peer) -> None:
        service = Service(peer)
        service.send(BytesMessage(bytes(3000), message_finished=False), BytesMessage(bytes(3000)))
        closed = service.receive()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1009
        peer.left()

    async def main() -> None:
        ai = remote(serve(script).url, max_answer_bytes=5000)
        async with ai, ai.arealtime(FLUX, **LINEAR) as session:
            for use in (lambda: read(session), lambda: session.send_audio(SECOND)):
                with pytest.raises(RealtimeError, match=f"{FLUX} is over: 1009 .* larger than max_answer_bytes"):
                    await use()

    go(main)


def test_a_service_that_is_silent_after_the_end_is_not_waited_for(serve: Serve, go: Go) -> None:
    def script(peer: Peer) -> None:
        Service(peer)
        peer.left()

    server = serve(script)

    async def main() -> None:
        async with remote(server.url, timeout=0.05) as ai:
            async with ai.arealtime(FLUX, **LINEAR) as session:
                await session.finish()
                with pytest.raises(RealtimeError, match=r"was silent for 0.05 s after finish\(\)"):
                    await anext(session)
            async with ai.arealtime(FLUX, **LINEAR) as session, anyio.create_task_group() as tasks:
                tasks.start_soon(session.finish)  # while somebody waits already
                with pytest.raises(RealtimeError, match="was silent"):
                    await anext(session)

    go(main)


def test_a_model_that_answers_fewer_pieces_is_told_the_end_after_a_silence(
    serve: Serve, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfai._resources.realtime._LAST_WAIT", 0.05)

    def script(peer: Peer) -> None:
        service = Service(peer)
        assert isinstance(service.receive(), BytesMessage)
        service.say({"is_complete": False})
        assert isinstance(service.receive(), BytesMessage)
        assert isinstance(service.receive(), CloseConnection)
        late = Connection(ConnectionType.SERVER)  # before it agrees, for which wsproto has no words
        service.peer.send(late.send(Ping(b"there?")) + late.send(TextMessage('{"is_complete": true}')))
        service.send(CloseConnection(1000))

    server = serve(script)

    async def main() -> None:
        async with remote(server.url) as ai, ai.arealtime(SMART_TURN) as session:
            await session.send_audio(bytes(16_384))
            await session.finish()
            assert [event["is_complete"] for event in await read(session)] == [False, True]

    go(main)


def test_a_second_reader_is_refused_and_the_first_goes_on(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(FLUX, **LINEAR) as session:
            await anext(session)
            events: list[RealtimeEvent] = []

            async def collect() -> None:
                events.extend(await read(session))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(collect)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(ConfigurationError, match="another task waits for the session's events"):
                    await anext(session)
                await session.send_audio(SECOND)
                await session.finish()
            assert events[-1].is_final_text
            assert await read(session) == []

    go(main)


# A network of its own


class Network:
    """A connection that does what a test says."""

    def __init__(self, incoming: Callable[[], Awaitable[bytes]]) -> None:
        self.written: list[Event] = []
        self.reads = 0
        self.may_write: Any = anyio.Event()
        self.may_write.set()
        self._incoming = incoming
        self._service = Connection(ConnectionType.SERVER)

    async def read(self, _: int, timeout: float) -> bytes:  # noqa: ASYNC109  # httpcore's
        assert timeout == 20, "a read without one would notice no end"
        self.reads += 1
        return await self._incoming()

    async def write(self, data: bytes, timeout: float) -> None:  # noqa: ASYNC109  # httpcore's
        assert timeout == 60
        await self.may_write.wait()
        self._service.receive_data(data)
        self.written += self._service.events()


def make_socket(network: Network) -> WebSocket:
    config = Ai(account_id=ACCOUNT, api_token=TOKEN)._config
    closed: list[Any] = []

    async def close(http: Any) -> None:
        closed.append(http)

    http = SimpleNamespace(extensions={"network_stream": network})
    http_client = SimpleNamespace(open_responses={}, aclose_response=close)
    response: Any = SimpleNamespace(
        http=HashableNamespace(http), pooled_client=http_client, pool=SimpleNamespace(is_closed=False), meta=Meta()
    )
    request: Any = SimpleNamespace(config=config, model=FLUX, secrets=[])
    return WebSocket(response, request)


class HashableNamespace:
    def __init__(self, namespace: SimpleNamespace) -> None:
        self.extensions: Mapping[str, Any] = namespace.extensions


class Meta:
    request_id = "req-1"


def test_a_finish_that_was_cancelled_can_be_called_again(go: Go) -> None:
    async def main() -> None:
        ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
        for model, kinds in ((NOVA, ["Finalize", "CloseStream"]), (AURA, ["Flush", "Close"])):
            network = Network(anyio.sleep_forever)
            session = ai.arealtime(model, **LINEAR)
            session._socket = make_socket(network)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await session.finish()
            assert scope.cancelled_caught
            await session.send_message({"type": "KeepAlive"})  # nothing was said, so more may be
            await session.finish()
            with pytest.raises(ConfigurationError, match="nothing can be sent after"):
                await session.send_message({"type": "KeepAlive"})
            await session.finish()
            said = [json.loads(event.data)["type"] for event in network.written if isinstance(event, TextMessage)]
            with row(model):
                assert said == ["KeepAlive", *kinds]
                assert session._unanswered == (model == AURA)
            await session._socket.aclose()

    go(main)


def test_a_finish_that_was_cut_off_within_a_message_says_so_when_called_again(go: Go) -> None:
    async def main() -> None:
        for model in (NOVA, SMART_TURN):
            network = Network(anyio.sleep_forever)
            network.may_write = anyio.Event()
            session = Ai(account_id=ACCOUNT, api_token=TOKEN).arealtime(
                model, **(LINEAR if model == NOVA else {"dtype": "uint8"})
            )
            session._socket = make_socket(network)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(session.finish)
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()
            with row(model), pytest.raises(RealtimeError, match="a message was cancelled while it was sent"):
                await session.finish()
            await session._socket.aclose()

    go(main)


def test_the_size_of_a_message_is_counted_once_for_each_fragment(go: Go) -> None:
    asked: list[str] = []

    class Fragment(str):
        def __len__(self) -> int:
            asked.append(self)
            return super().__len__()

    async def main() -> None:
        socket = make_socket(Network(anyio.sleep_forever))
        count = 100
        events = [TextMessage(Fragment("a"), message_finished=number == count) for number in range(1, count + 1)]
        socket._connection = SimpleNamespace(events=lambda: iter(events))
        assert await anext(socket) == "a" * count
        assert len(asked) <= 2 * count

    go(main)


def test_silence_is_met_with_a_ping_and_a_second_one_is_the_end(go: Go) -> None:
    async def main() -> None:
        service = Connection(ConnectionType.SERVER)
        answers: list[bytes | None] = [None, service.send(Pong(b"cfai")), service.send(TextMessage("1")), None, None]

        async def incoming() -> bytes:
            if (answer := answers.pop(0)) is None:
                raise httpcore.ReadTimeout
            return answer

        network = Network(incoming)
        socket = make_socket(network)
        assert await socket.receive() == "1"
        with pytest.raises(RealtimeError, match="1006 ReadTimeout"):
            await socket.receive()
        assert [type(event) for event in network.written] == [Ping, Ping]

    go(main)


def test_nothing_is_sent_once_the_network_has_failed(go: Go) -> None:
    async def main() -> None:
        async def incoming() -> bytes:
            raise httpcore.ReadError("it broke")

        network = Network(incoming)
        socket = make_socket(network)
        uses: list[tuple[Callable[[], Awaitable[Any]], type[Any]]] = [
            (socket.receive, httpcore.ReadError),
            (lambda: socket.send("a"), type(None)),
        ]
        for use, cause in uses:
            with pytest.raises(RealtimeError, match="1006 it broke") as caught:
                await use()
            assert caught.value.reason == "it broke"
            assert type(caught.value.__cause__) is cause
        await socket.aclose()
        assert network.written == []

    go(main)


def test_a_slow_reader_slows_the_service(go: Go) -> None:
    async def main() -> None:
        service = Connection(ConnectionType.SERVER)

        async def incoming() -> bytes:
            await anyio.lowlevel.checkpoint()
            return service.send(BytesMessage(bytes(10_000)))

        network = Network(incoming)
        socket = make_socket(network)
        await anyio.wait_all_tasks_blocked()
        assert network.reads == 7
        for _ in range(8):
            await socket.receive()
        await anyio.wait_all_tasks_blocked()
        assert 8 <= network.reads <= 16

    go(main)


def test_a_slow_network_slows_whoever_sends_and_a_message_in_parts_is_the_last(go: Go) -> None:
    async def main() -> None:
        network = Network(anyio.sleep_forever)
        network.may_write = anyio.Event()
        socket, sent = make_socket(network), list[str]()

        async def send(text: str) -> None:
            await socket.send(text)
            sent.append(text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, "a")
            tasks.start_soon(send, "b")
            await anyio.wait_all_tasks_blocked()
            assert sent == []
            network.may_write.set()
        assert [event.data for event in network.written if isinstance(event, TextMessage)] == sent
        network.may_write = anyio.Event()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send, "c")
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        with pytest.raises(RealtimeError, match="a message was cancelled while it was sent"):
            await socket.send("d")
        await socket.aclose()

    go(main)


def test_what_had_come_is_read_after_a_message_could_not_be_sent(go: Go) -> None:
    async def main() -> None:
        service = Connection(ConnectionType.SERVER)
        messages = [service.send(TextMessage(f"{number:10000}")) for number in range(20)]
        content = [b"".join(messages) + service.send(CloseConnection(1011, "no room"))]

        async def incoming() -> bytes:
            return content.pop()

        async def fail() -> None:
            raise httpcore.WriteError("it broke")

        network = Network(incoming)
        socket = make_socket(network)
        await anyio.wait_all_tasks_blocked()
        network.may_write = SimpleNamespace(wait=fail)
        with pytest.raises(RealtimeError, match="1006 it broke"):
            await socket.send("a")
        assert [int(await socket.receive() or "") for _ in range(20)] == list(range(20))
        with pytest.raises(RealtimeError, match="1011 no room"):
            await socket.receive()
        assert socket.closed == (1011, "no room")
        await socket.aclose()

    go(main)


def test_all_is_read_while_a_message_waits_to_be_sent_and_nobody_reads(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai._transport.background_reader._UNTAKEN_AFTER", 0.01)

    async def main() -> None:
        service = Connection(ConnectionType.SERVER)

        async def incoming() -> bytes:
            if network.reads == 30:
                network.may_write.set()  # it takes no more before it has said all that it has to say
                await may_read.wait()
            await anyio.lowlevel.checkpoint()
            return service.send(BytesMessage(bytes(10_000)))

        network, may_read = Network(incoming), anyio.Event()
        network.may_write = anyio.Event()
        socket = make_socket(network)
        await socket.send("a")
        assert network.reads == 30
        await socket.receive()  # from here on it is slowed again
        may_read.set()
        await anyio.wait_all_tasks_blocked()
        assert network.reads == 30
        await socket.aclose()

    go(main)


def test_whoever_takes_something_now_and_then_slows_the_service_whatever_waits_to_be_sent(
    go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[anyio.CancelScope] = []

    def wait_at_most(seconds: float) -> anyio.CancelScope:
        assert seconds == 7
        waits.append(anyio.CancelScope())
        return waits[-1]

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            await anyio.lowlevel.checkpoint()
            yield bytes(10_000)

    async def main() -> None:
        waits.clear()
        reader = BackgroundReader(chunks(), must_go_on=lambda: True)
        reader.start()

        async def pass_time() -> None:
            """End the wait for room, and return once another is begun, or all is read."""
            count = len(waits)
            for wait in waits[-1:]:
                wait.cancel()
            while len(waits) == count and not reader.is_over:
                await anyio.lowlevel.checkpoint()

        await pass_time()
        for left in (7, 6, 5):
            assert (len(reader.received), reader.is_over) == (left, False)
            reader.take()
            await pass_time()
        await pass_time()  # in which nothing is taken
        assert (len(reader.received), reader.is_over) == (27, True)

    monkeypatch.setattr("cfai._transport.background_reader._UNTAKEN_AFTER", 7)
    monkeypatch.setattr("cfai._transport.background_reader.anyio.move_on_after", wait_at_most)
    go(main)


def test_pings_and_the_end_are_noticed_while_a_message_waits_to_be_sent(go: Go) -> None:
    ping, text, end = Ping(b"there?"), TextMessage("1"), CloseConnection(1000)
    rows: list[tuple[list[Event], bool, list[type[Event]]]] = [
        ([ping, text], False, [TextMessage, Pong]),
        ([text, end], False, [TextMessage, CloseConnection]),
        ([ping, text, end], True, []),  # nothing follows a message that was sent in part
    ]

    async def main() -> None:
        for said, is_cancelled, answers in rows:
            service, may_read = Connection(ConnectionType.SERVER), anyio.Event()
            content = [b"".join(map(service.send, said))]

            async def incoming(content: list[bytes] = content, may_read: anyio.Event = may_read) -> bytes:
                await may_read.wait()
                if not content:
                    await anyio.sleep_forever()
                return content.pop()

            network = Network(incoming)
            network.may_write = anyio.Event()
            socket = make_socket(network)
            sending = anyio.CancelScope()

            async def send(socket: WebSocket = socket, sending: anyio.CancelScope = sending) -> None:
                with sending:
                    await socket.send("a")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                await anyio.wait_all_tasks_blocked()
                if is_cancelled:
                    sending.cancel()
                may_read.set()
                assert await socket.receive() == "1"
                if end in said:
                    assert await socket.receive() is None
                network.may_write.set()
            with row(said):
                assert [type(event) for event in network.written] == answers
            await socket.aclose()

    go(main)
