"""Sound of every kind, as a realtime session sends it."""

from __future__ import annotations

import gc
import io
import warnings
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import numpy as np
import pytest

from cfai import Ai, InputError
from cfai.types import Audio
from tests.conftest import ACCOUNT, TOKEN, row
from tests.resources.sessions import AURA, FLUX, LINEAR, NOVA, SECOND, SMART_TURN, Go


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
            with pytest.raises(InputError, match="opened in binary mode, got str: open it with 'rb'"):
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
    mp3 = tmp_path / "speech.mp3"
    mp3.write_bytes(b"\xff\xf3\x60\xc4" + SECOND)
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
        (mp3, "or its samples, got audio/mpeg. Convert it"),
        (Audio(content=mp3.read_bytes(), media_type="audio/mpeg"), "or its samples, got audio/mpeg. Convert it"),
    ]

    async def main() -> None:
        for sound, said in rows:
            with row(said), pytest.raises(InputError, match=said):
                await heard(sound)

    go(main)


def test_sound_in_another_encoding_goes_as_it_is(ai: Ai, go: Go) -> None:
    async def main() -> None:
        async with ai.arealtime(NOVA, encoding="opus") as session:
            with pytest.raises(
                InputError,
                match="an array must go as `linear16`, got 'opus': open the session with encoding='linear16'",
            ):
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
