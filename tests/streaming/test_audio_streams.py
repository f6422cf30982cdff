"""Speech as bytes while it comes, from a model that speaks, sync and async."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
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
    StreamError,
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


WAV = b"RIFF\xec\x01\0\0WAVEfmt " + bytes(500)


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
        peer.chunk(MP3[:20])
        assert go_on.wait(LONG)
        peer.chunk(MP3[20:])
        peer.chunk(b"")

    server = serve(script)
    with make_ai(server.url) as ai, ai.run(AURA, HELLO) as speech:
        assert isinstance(speech, AudioStream)
        assert next(speech) == MP3[:20]
        assert (speech.content, speech.media_type) == (MP3[:20], "audio/mpeg")
        go_on.set()
        assert b"".join(speech) == MP3[20:]
        result = speech.result()
        assert (type(result), result.content, result.media_type) == (Audio, MP3, "audio/mpeg")
        go_on.clear()

    async def work(ai: Ai) -> None:
        async with ai.arun(AURA, HELLO) as speech:
            assert isinstance(speech, AsyncAudioStream)
            assert await anext(speech) == MP3[:20]
            with anyio.move_on_after(0.05):
                await anext(speech)
            go_on.set()
            assert b"".join([chunk async for chunk in speech]) == MP3[20:]
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


def read_all(url: str, read: Callable[[AudioStream], Any], aread: Callable[[AsyncAudioStream], Awaitable[Any]]) -> Any:
    """Return what a reading gives, sync and async, or the error that it raises."""
    with make_ai(url) as ai:
        try:
            yield read(ai.run(AURA, HELLO))
        except Exception as error:
            yield error

    async def work(ai: Ai) -> Any:
        try:
            return await aread(await ai.arun(AURA, HELLO))
        except Exception as error:
            return error

    yield run_async(url, work)


def test_the_whole_is_an_audio_whatever_it_is_declared_as(serve: Serve) -> None:
    for content_type in ("application/octet-stream", "audio/l16", "video/mp4"):
        server = serve(partial(speak, pieces=[bytes(100)], content_type=content_type))
        for result in read_all(server.url, lambda speech: speech.result(), lambda speech: speech.aresult()):
            with row(content_type):
                assert (type(result), result.content, result.media_type) == (Audio, bytes(100), content_type)
                assert (result.meta.model, result.meta.status_code) == (AURA, 200)


def test_speech_without_a_byte_is_an_answer_that_never_came(serve: Serve, tmp_path: Path) -> None:
    server = serve(partial(speak, pieces=[]))
    path = tmp_path / "a.mp3"
    for read, aread in (
        (lambda speech: list(speech), lambda speech: anext(speech)),
        (lambda speech: speech.result(), lambda speech: speech.aresult()),
        (lambda speech: speech.save(path), lambda speech: speech.asave(path)),
    ):
        for error in read_all(server.url, read, aread):
            assert type(error) is StreamTruncatedError
            assert "without a sound" in str(error)
            assert (error.model, error.status_code) == (AURA, 200)
    assert not path.exists()


def test_the_type_is_read_from_bytes_that_came_in_crumbs(serve: Serve, tmp_path: Path) -> None:
    for number, pieces in enumerate([[WAV[:5], WAV[5:]], [WAV[index : index + 1] for index in range(20)]]):
        server = serve(partial(speak, pieces=pieces))
        save = partial(AudioStream.save, path=tmp_path / f"a{number}")
        asave = partial(AsyncAudioStream.asave, path=tmp_path / f"b{number}")
        for path in read_all(server.url, save, asave):
            assert (path.suffix, path.read_bytes()) == (".wav", b"".join(pieces))
    for cut in (False, True):  # fewer bytes than tell a type are given at the end
        server = serve(partial(speak, pieces=[b"ID", b"3"], is_cut=cut))
        with make_ai(server.url) as ai:
            speech = ai.run(AURA, HELLO)
            assert (next(speech), speech.content, speech.media_type) == (b"ID3", b"ID3", "audio/mpeg")
            with pytest.raises(StreamTruncatedError if cut else StopIteration):
                next(speech)


def test_json_or_a_page_that_is_declared_as_speech_is_read_as_what_it_is(serve: Serve) -> None:
    sound = json.dumps({"result": {"audio": base64.b64encode(MP3).decode()}}).encode()
    server = serve(partial(speak, pieces=[sound[:9], sound[9:5000], sound[5000:]]))
    for result in read_all(server.url, lambda speech: speech.result(), lambda speech: speech.aresult()):
        assert (type(result), result.content, result.media_type) == (Audio, MP3, "audio/mpeg")
    samples = b'{"' + bytes(range(256)) * 10
    server = serve(partial(speak, pieces=[samples[:100], samples[100:]], content_type="audio/l16"))
    for result in read_all(server.url, lambda speech: speech.result(), lambda speech: speech.aresult()):
        assert result.content == samples
    busy = json.dumps({"errors": [{"code": 3040, "message": "no capacity"}], "success": False}).encode()
    page = b"<!DOCTYPE html><title>Log in</title>"
    for body, code, words in (
        (busy, 3040, "no capacity"),
        (b'{"result": {"other": 1}}', None, "and Output came"),
        (page, None, "HTML page"),
    ):
        for cut in (False, True):
            server = serve(partial(speak, pieces=[body[:8], body[8:]], is_cut=cut))
            for error in read_all(server.url, lambda speech: list(speech), lambda speech: speech.aresult()):
                with row((body, cut)):
                    assert isinstance(error, StreamError)
                    assert words in str(error)
                    assert (error.code, error.status_code, error.model, error.retryable) == (code, 200, AURA, False)


BLOCKING = """
import asyncio, os, sys
from blockbuster import blockbuster_ctx
from cfai import Ai

async def main():
    async with Ai(account_id="local", api_token="token", base_url=sys.argv[1]) as ai:
        inputs = {"text": "Hello", "stream": True}
        await (await ai.arun("@cf/deepgram/aura-1", inputs)).aresult()  # the first call, which imports
        for _ in range(2):
            path = await (await ai.arun("@cf/deepgram/aura-1", inputs)).asave(sys.argv[2], overwrite=True)
        try:
            await (await ai.arun("@cf/deepgram/aura-1", inputs)).asave(sys.argv[2])
        except FileExistsError:
            print(path.name)

with blockbuster_ctx():
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # blockbuster leaves an interpreter behind that crashes when it ends
"""


def test_saving_speech_does_not_block_an_event_loop(serve: Serve, tmp_path: Path) -> None:
    server = serve(speak)
    command = [sys.executable, "-c", BLOCKING, server.url, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "a.mp3\n", done.stderr


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
