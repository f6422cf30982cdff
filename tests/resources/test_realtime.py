"""`ai.arealtime`: what sessions with the models of speech say, how they open, and how they end."""

from __future__ import annotations

import json
import pickle
import queue
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import anyio
import numpy as np
import pytest
from wsproto.events import CloseConnection, Event, TextMessage

from cfai import (
    Ai,
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InputError,
    InputWarning,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    RealtimeError,
    models,
)
from cfai.local import Emulator, Fault
from cfai.models.schemas import get_schema
from cfai.types import (
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
from tests.conftest import Peer, Serve, row
from tests.resources.sessions import (
    AURA,
    FLUX,
    LINEAR,
    NOVA,
    SECOND,
    SENTENCE,
    SMART_TURN,
    Go,
    Service,
    make_client,
    read,
)

# The models, as the emulator speaks them


def test_flux_tells_turns_whose_words_come_again(ai: Ai, go: Go, local: Emulator) -> None:
    async def main() -> None:
        async with ai.arealtime(
            FLUX, **{**LINEAR, "sample_rate": np.int64(16000)}, eager_eot_threshold=0.4, keyterm=["cfai", "emulated"]
        ) as session:
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
        async with make_client(server.url) as ai:
            for messages, code, heard in rows:
                async with ai.arealtime(FLUX, **LINEAR) as session:
                    texts: list[str] = []
                    with row(messages), pytest.raises(RealtimeError) if code == 1011 else nullcontext():
                        async for text in session.transcripts():
                            texts.append(text)
                    with row(messages):
                        assert texts == heard

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
            assert repr(session) == f"<RealtimeSession with {FLUX}: open, iterate with `async for`>"
            await session.finish()
            await session.finish()
            with pytest.raises(ConfigurationError, match="nothing can be sent after `finish`"):
                await session.send_audio(SECOND)
            assert [event async for event in session]
            assert repr(session) == f"<RealtimeSession with {FLUX}: closed with 1000>"
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
        async with make_client(server.url) as ai:
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
        async with make_client(server.url) as ai:
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
        async with make_client(server.url) as ai, ai.arealtime(AURA) as session:
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
        async with make_client(server.url) as ai, ai.arealtime(FLUX, **LINEAR) as session:
            for fields, confidence in rows:
                event = await anext(session)
                with row(fields):
                    assert isinstance(event, TurnInfo)
                    assert [(word.word, word.confidence) for word in event.words] == [("hello", confidence)]
                    assert all(event[name] == fields[name] for name in fields if name != "words")
            assert [text async for text in session.transcripts()] == ["hello"] * 4 + ["7", "hello"]

    go(main)
