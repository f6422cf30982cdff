"""Media that the emulator gives: the files that stand for every picture and every sound, and speech in the encodings of
Deepgram's Aura.
"""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cfai.local.wire import make_input_error

_FILES = ("picture.jpg", "picture.png", "speech.mp3", "speech.wav", "speech.flac", "speech.ogg")


@dataclass(frozen=True, slots=True)
class Media:
    """A result that is no JSON."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class _Encoding:
    """An encoding of speech."""

    containers: tuple[str, ...]
    """The default first."""
    content_type: str
    """That of the container `none`, or of the file."""
    file: str = ""
    """The file that has it; none where the samples are encoded here."""
    rates: tuple[int, ...] = ()
    """Samples a second, the default first."""
    wav_format: int = 0
    """Its number in the header of a WAV."""


# UNCERTAIN: containers, rates, and what the service declares are those of Deepgram's own API, to which it passes on.
# https://developers.deepgram.com/docs/tts-media-output-settings
_ENCODINGS = {
    "mp3": _Encoding(("none",), "audio/mpeg", "speech.mp3"),
    "flac": _Encoding(("none",), "audio/flac", "speech.flac"),
    "opus": _Encoding(("ogg",), "audio/ogg", "speech.ogg"),
    "linear16": _Encoding(("wav", "none"), "audio/l16", rates=(24000, 8000, 16000, 32000, 48000), wav_format=1),
    "mulaw": _Encoding(("wav", "none"), "audio/mulaw", rates=(8000, 16000), wav_format=7),
    "alaw": _Encoding(("wav", "none"), "audio/alaw", rates=(8000, 16000), wav_format=6),
}


@cache
def read_media(name: str) -> bytes:
    """Return one of the files that stand for every picture and every sound."""
    return files("cfai.local.emulator").joinpath("media", name).read_bytes()


def read_all_media() -> None:
    """Read the files, so that none is read while a request is answered."""
    for name in _FILES:
        read_media(name)


def build_speech(inputs: Mapping[str, Any]) -> Media:
    """Return speech as `encoding`, `container` and `sample_rate` want it. Raises `ErrorResponse`."""
    name = inputs.get("encoding", "mp3")
    encoding = _ENCODINGS.get(name)
    if encoding is None:
        raise make_input_error(
            f"'/encoding' is {name}, which the emulator cannot write: it has {', '.join(_ENCODINGS)}"
        )
    container = inputs.get("container", encoding.containers[0])
    _check_choice("container", container, encoding.containers)
    if encoding.file:
        return Media(read_media(encoding.file), encoding.content_type)
    rate = inputs.get("sample_rate", encoding.rates[0])
    _check_choice("sample_rate", rate, encoding.rates)
    data = _encode_samples(name, int(rate))
    if container == "none":
        return Media(data, f"{encoding.content_type};rate={int(rate)}")
    return Media(_wrap_in_wav(data, encoding.wav_format, int(rate), 2 if name == "linear16" else 1), "audio/wav")


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise make_input_error(f"'/{name}' must be one of '{','.join(map(str, choices))}'")


@cache
def _encode_samples(name: str, rate: int) -> bytes:
    """Return the sentence as samples without a header: of 16 bits, the lower byte first, or of 8 as on telephones."""
    with wave.open(io.BytesIO(read_media("speech.wav"))) as file:
        own_rate, number = file.getframerate(), file.getnframes()
        own = struct.unpack(f"<{number}h", file.readframes(number))
    samples = [own[at * own_rate // rate] for at in range(number * rate // own_rate)]
    if name == "linear16":
        return struct.pack(f"<{len(samples)}h", *samples)
    return bytes(map(_to_mulaw if name == "mulaw" else _to_alaw, samples))


def _to_mulaw(sample: int) -> int:
    """Return a sample in the μ-law of ITU-T G.711: sign, exponent and mantissa, all bits inverted."""
    size = min(abs(sample), 32635) + 132
    exponent = size.bit_length() - 8
    return ~((sample < 0) << 7 | exponent << 4 | size >> exponent + 3 & 15) & 255


def _to_alaw(sample: int) -> int:
    """Return a sample in the A-law of ITU-T G.711: sign, exponent and mantissa, every other bit inverted."""
    size = min(abs(sample), 32767)
    exponent = max(0, size.bit_length() - 8)
    return ((sample >= 0) << 7 | exponent << 4 | size >> max(exponent, 1) + 3 & 15) ^ 0x55


def _wrap_in_wav(data: bytes, number: int, rate: int, width: int) -> bytes:
    """Return samples of one channel, each of `width` bytes, behind a WAV's header."""
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, number, 1, rate, rate * width, width, 8 * width)
    body = b"WAVE" + header + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
