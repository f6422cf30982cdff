"""Speech as bytes while it comes, from a model that speaks, sync and async."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import cfai.local
from cfai import (
    Ai,
    APIResponseValidationError,
    AsyncAudioStream,
    AudioStream,
    ConfigurationError,
    InferenceUpstreamError,
    StreamTruncatedError,
)
from cfai.local import Emulator
from cfai.types import Audio
from tests.conftest import ACCOUNT, LONG, TOKEN, Peer, Serve, row

AURA = "@cf/deepgram/aura-1"
MELO = "@cf/myshell-ai/melotts"
HELLO = {"text": "Hello", "stream": True}
MP3 = b"ID3\x04" + bytes(range(256)) * 40
PIECES = [MP3[:1], MP3[1:5000], MP3[5000:]]
SPEECH = Path(cfai.local.__file__).parent / "emulator" / "media" / "speech.mp3"


def make_ai(url: str) -> Ai:
    return Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=url, max_retries=0)


def run_async(url: str, work: Callable[[Ai], Awaitable[Any]], backend: str = "asyncio") -> Any:
    async def call() -> Any:
        async with make_ai(url) as ai:
            return await work(ai)

    return anyio.run(call, backend=backend)


def speak(peer: Peer, *, pieces: list[bytes] = PIECES, content_type: str = "audio/mpeg", is_cut: bool = False) -> None:
    request = peer.request()
    assert json.loads(request.partition(b"\r\n\r\n")[2]) == {"text": "Hello"}  # no `stream`: the schema has none
    peer.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        % content_type.encode()
    )
    for piece in pieces:
        peer.chunk(piece)
    if not is_cut:
        peer.chunk(b"")


def test_speech_comes_in_pieces_before_it_is_whole(serve: Serve) -> None:
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        peer.chunk(MP3[:10])
        assert go_on.wait(LONG)
        peer.chunk(MP3[10:])
        peer.chunk(b"")

    server = serve(script)
    with make_ai(server.url) as ai, ai.run(AURA, HELLO) as speech:
        assert isinstance(speech, AudioStream)
        assert next(speech) == MP3[:10]
        assert (speech.content, speech.media_type) == (MP3[:10], "audio/mpeg")
        go_on.set()
        assert b"".join(speech) == MP3[10:]
        result = speech.result()
        assert (type(result), result.content, result.media_type) == (Audio, MP3, "audio/mpeg")
        go_on.clear()

    async def work(ai: Ai) -> None:
        async with ai.arun(AURA, HELLO) as speech:
            assert isinstance(speech, AsyncAudioStream)
            assert await anext(speech) == MP3[:10]
            with anyio.move_on_after(0.05):
                await anext(speech)
            go_on.set()
            assert b"".join([chunk async for chunk in speech]) == MP3[10:]
            assert (await speech.aresult()).content == MP3
        go_on.clear()

    for backend in ("asyncio", "trio"):
        run_async(server.url, work, backend)


def test_speech_is_saved_while_it_comes_from_its_beginning(serve: Serve, tmp_path: Path) -> None:
    server = serve(speak)
    with make_ai(server.url) as ai:
        assert ai.run(AURA, HELLO).save(tmp_path / "a").read_bytes() == MP3
        assert (tmp_path / "a.mp3").exists()
        begun = ai.run(AURA, HELLO)
        next(begun)
        assert begun.save(tmp_path / "b.bin").read_bytes() == MP3
        with ai.run(AURA, HELLO) as third, pytest.raises(FileExistsError, match="overwrite=True"):
            third.save(tmp_path / "a")
        assert ai.run(AURA, HELLO).save(tmp_path / "a", overwrite=True).read_bytes() == MP3

    async def work(ai: Ai) -> None:
        path = await (await ai.arun(AURA, HELLO)).asave(tmp_path / "c")
        assert (path.name, path.read_bytes()) == ("c.mp3", MP3)

    run_async(server.url, work)


def test_speech_that_breaks_off_is_told_and_what_came_is_kept(serve: Serve, tmp_path: Path) -> None:
    server = serve(partial(speak, is_cut=True))
    with make_ai(server.url) as ai:
        speech = ai.run(AURA, HELLO)
        with pytest.raises(StreamTruncatedError, match="the connection broke"):
            list(speech)
        assert speech.content == MP3
        for again in (partial(next, speech), speech.result):
            with pytest.raises(StreamTruncatedError):
                again()
        with pytest.raises(StreamTruncatedError):
            ai.run(AURA, HELLO).save(tmp_path / "a.mp3")
        assert (tmp_path / "a.mp3").read_bytes() == MP3
        left = ai.run(AURA, HELLO)
        next(left)
        left.close()
        with pytest.raises(StreamTruncatedError, match="left before its end"):
            left.result()

    async def work(ai: Ai) -> None:
        speech = await ai.arun(AURA, HELLO)
        with pytest.raises(StreamTruncatedError, match="the connection broke"):
            [chunk async for chunk in speech]
        assert speech.content == MP3

    run_async(server.url, work)


def test_speech_that_comes_as_json_is_a_stream_of_one_piece_and_an_error_is_raised(serve: Serve) -> None:
    encoded = base64.b64encode(MP3).decode()
    bodies = [
        {"result": {"audio": encoded}, "success": True},
        {"result": {"other": 1}, "success": True},
        {"errors": [{"code": 3030, "message": "no"}], "success": False, "result": {}},
    ]

    def script(peer: Peer) -> None:
        for body in bodies:
            assert b"stream" not in peer.request()
            peer.answer(json.dumps(body).encode())

    server = serve(script)
    inputs = {"prompt": "Hello", "stream": True}
    with make_ai(server.url) as ai:
        speech = ai.run(MELO, inputs)
        assert (list(speech), speech.result().content) == ([MP3], MP3)
        with pytest.raises(APIResponseValidationError, match="a stream of sound was asked for, and Output came"):
            ai.run(MELO, inputs)
        with pytest.raises(InferenceUpstreamError):
            ai.run(MELO, inputs)


def test_a_web_page_in_the_place_of_speech_is_told_as_one(serve: Serve) -> None:
    page = b"<!DOCTYPE html><title>Log in</title>"

    def script(peer: Peer) -> None:
        for content_type in ("text/html", "text/html; charset=utf-8", "application/xhtml+xml", "text/plain"):
            peer.request()
            peer.answer(page, content_type)

    server = serve(script)
    with make_ai(server.url) as ai:
        for _ in range(4):
            with pytest.raises(APIResponseValidationError, match="HTML page"):
                ai.run(AURA, HELLO)


def test_without_stream_speech_is_an_audio_and_a_stream_is_read_in_one_way(serve: Serve) -> None:
    server = serve(speak)
    with make_ai(server.url) as ai:
        for inputs in ({"text": "Hello"}, {"text": "Hello", "stream": False}):
            with row(inputs):
                answer = ai.run(AURA, inputs)
                assert (type(answer), answer.content) == (Audio, MP3)
        response = ai.run(AURA, HELLO, return_raw_response=True)
        assert response.read() == MP3
        with pytest.raises(ConfigurationError, match="cannot be copied"):
            ai.run(AURA, HELLO).__getstate__()


def test_the_emulator_speaks_in_a_stream() -> None:
    with Emulator() as local, local.ai() as ai:
        for model, inputs in ((AURA, HELLO), (MELO, {"prompt": "Hello", "stream": True})):
            with row(model), ai.run(model, inputs) as speech:
                assert len(b"".join(speech)) > 1000
                assert isinstance(speech.result(), Audio)
