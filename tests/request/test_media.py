"""Images and sounds in inputs: what of each kind of source each model gets on the wire, and what is refused."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import io
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import wave
from base64 import b64decode, b64encode, encodebytes
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import anyio
import anyio.lowlevel
import httpx
import httpx2
import numpy as np
import PIL.Image
import pytest
from pydantic import BaseModel, ConfigDict, Field

from cfai import Ai, BadRequestError, CfaiError, InputError, types
from cfai._request import StreamedFile, open_medium
from tests.bodies import read_form
from tests.conftest import ASYNC, SYNC_AND_ASYNC, Caller, Callers, Peer, Serve, Service, row

NOVA = "@cf/deepgram/nova-3"
WHISPER = "@cf/openai/whisper"
TURBO = "@cf/openai/whisper-large-v3-turbo"
RESNET = "@cf/microsoft/resnet-50"
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"
FLUX = "@cf/black-forest-labs/flux-2-dev"
INPAINTING = "@cf/runwayml/stable-diffusion-v1-5-inpainting"
OMNI = "@cf/cloudflare/clef-omni"
UNKNOWN = "@cf/somebody/new-ears"
TEXT = "@cf/zai-org/glm-4.7-flash"
OTHERS = "somebody/ears"


def encode_wave(samples: bytes = b"\0\1" * 400, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


def encode_image(kind: str = "PNG", size: tuple[int, int] = (3, 2)) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, (200, 10, 30)).save(file, kind)
    return file.getvalue()


WAV = encode_wave()
PNG = encode_image()
JPEG = encode_image("JPEG")
MP3 = b"ID3\4\0\0" + bytes(300)
WAV_URL = f"data:audio/wav;base64,{b64encode(WAV).decode()}"
PNG_URL = f"data:image/png;base64,{b64encode(PNG).decode()}"
JPEG_URL = f"data:image/jpeg;base64,{b64encode(JPEG).decode()}"
CAT: dict[str, Any] = {"prompt": "a cat"}
CLEF: dict[str, Any] = {"model": "clef-omni", "state": "x", "questions": {"a": {"type": "noul", "instructions": "x"}}}


class Pipe(io.RawIOBase):
    """A file that cannot be read twice."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)


class AnyPath:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def in_pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 50):
        yield content[start : start + 50]


async def in_awaited_pieces(content: bytes) -> AsyncIterator[bytes]:
    for piece in in_pieces(content):
        await anyio.lowlevel.checkpoint()
        yield piece


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(WAV)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    return path


# What each model gets


def test_nova_gets_the_sound_as_the_body_and_the_rest_in_the_query(
    caller: Caller, service: Service, sound: Path
) -> None:
    service.answers(service.result({"results": {"channels": []}}))
    caller.run(
        NOVA,
        {
            "audio": sound,
            "language": "en",
            "punctuate": True,
            "diarize": False,
            "utt_split": 0.8,
            "keyterm": ["New York", "é&="],
            "redact": None,
        },
        tags=["team:a"],
    )
    query = "language=en&punctuate=true&diarize=false&utt_split=0.8&keyterm=New%20York&keyterm=%C3%A9%26%3D&tags=team:a"
    assert service.url.endswith(f"/ai/run/{NOVA}?{query}")
    assert service.request.content == WAV
    assert service.request.headers["content-type"] == "audio/wav"
    assert service.request.headers["content-length"] == str(len(WAV))
    assert "transfer-encoding" not in service.request.headers
    caller.run(NOVA, {"audio": MP3})
    assert (service.url.partition("?")[2], service.request.headers["content-type"]) == ("", "audio/mpeg")


def test_whisper_gets_a_sound_alone_as_the_body_and_integers_beside_other_inputs(
    caller: Caller, service: Service, sound: Path
) -> None:
    service.answers(service.result({"text": "Hello"}))
    for model in (WHISPER, "@cf/openai/whisper-tiny-en"):
        for audio in (sound, WAV, WAV_URL):
            caller.run(model, {"audio": audio})
            assert (service.request.content, service.request.headers["content-type"]) == (WAV, "audio/wav")
        for inputs, options in (({"source_lang": "en"}, {}), ({}, {"gateway": "mine"}), ({}, {"queue_request": True})):
            caller.run(model, {"audio": sound, **inputs}, **options)
            assert service.sent == {"audio": [*WAV], **inputs}
            assert service.request.headers["content-type"] == "application/json"
        caller.run(model, {"audio": [*WAV]})
        assert service.sent == {"audio": [*WAV]}
    caller.run(WHISPER, {"audio": sound}, reject_if_busy=True)
    assert service.sent == {"audio": [*WAV], "options": {"rejectIfBusy": True}}


def test_each_model_gets_media_in_its_own_encoding(
    caller: Caller, service: Service, sound: Path, picture: Path
) -> None:
    service.answers(service.result({"description": "x"}))
    base64_sound, base64_image = b64encode(WAV).decode(), b64encode(PNG).decode()
    sounds_and_images = {"images": [PNG_URL, PNG_URL], "audio": [WAV_URL], "videos": ["data:video/mp4;base64,AAAA"]}
    rows: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        (TURBO, {"audio": sound, "task": "translate"}, {"audio": base64_sound, "task": "translate"}),
        ("@cf/pipecat-ai/smart-turn-v2", {"audio": sound}, {"audio": base64_sound}),
        (RESNET, {"image": picture}, {"image": [*PNG]}),
        ("@cf/facebook/detr-resnet-50", {"image": picture}, {"image": [*PNG]}),
        ("@cf/llava-hf/llava-1.5-7b-hf", {"image": picture, "prompt": "x"}, {"image": [*PNG], "prompt": "x"}),
        (
            "@cf/meta/llama-3.2-11b-vision-instruct",
            {"image": picture, "prompt": "x"},
            {"image": base64_image, "prompt": "x"},
        ),
        (MOONDREAM, {"image": picture, "stream": False}, {"image": PNG_URL, "stream": False}),
        (MOONDREAM, {"image": "https://a.b/c.png"}, {"image": "https://a.b/c.png", "stream": False}),
        (
            OMNI,
            {
                **CLEF,
                "images": [picture, {"content_type": "image/png", "base64": "AAAA"}],
                "audio": sound,
                "videos": ["data:video/mp4;base64,AAAA"],
            },
            {**CLEF, **sounds_and_images, "images": [PNG_URL, {"content_type": "image/png", "base64": "AAAA"}]},
        ),
        (INPAINTING, {**CAT, "image": picture, "mask": picture}, {**CAT, "image_b64": base64_image, "mask": [*PNG]}),
        (INPAINTING, {**CAT, "image": [*PNG], "image_b64": PNG}, {**CAT, "image": [*PNG], "image_b64": base64_image}),
    ]
    for model, inputs, expected in rows:
        with row((model, [*inputs])):
            before = dict(inputs)
            caller.run(model, inputs)
            assert service.sent == expected
            assert inputs == before
            assert service.url.endswith(f"/{model}")


def test_what_is_encoded_already_stays_and_is_encoded_as_the_model_wants_it(caller: Caller, service: Service) -> None:
    service.answers(service.result({"description": "x"}))
    text = b64encode(PNG).decode()
    llama = "@cf/meta/llama-3.2-11b-vision-instruct"
    for model, image, expected in (
        (RESNET, [*PNG], [*PNG]),
        (RESNET, tuple(PNG), [*PNG]),
        (RESNET, text, [*PNG]),
        (RESNET, PNG_URL, [*PNG]),
        (llama, text, text),
        (llama, [*PNG], [*PNG]),
        (llama, PNG_URL, text),
        (MOONDREAM, PNG_URL, PNG_URL),
        (MOONDREAM, text, PNG_URL),
        (MOONDREAM, [*PNG], PNG_URL),
        (MOONDREAM, "data:,abc", "data:,abc"),
        (RESNET, "data:,a,b", [*b"a,b"]),
    ):
        with row((model, str(image)[:20])):
            caller.run(model, {"image": image, "stream": False}, checks="off")  # without a prompt
            assert service.sent == {"image": expected, "stream": False}
    for audio, expected in (([*WAV], b64encode(WAV).decode()), ("AAAA\r\nAAAA\n", "AAAAAAAA")):
        caller.run(TURBO, {"audio": audio})
        assert service.sent == {"audio": expected}
    for model, inputs in (
        (UNKNOWN, {"audio": "AAAA"}),
        (UNKNOWN, {"image": [1, 2], "images": None}),
        (TEXT, {"prompt": "x", "audio": {"voice": "a", "format": "wav"}}),
        (TEXT, {"prompt": "x", "image": "as it is"}),
    ):
        caller.run(model, inputs, checks="off")
        assert service.sent == inputs


def test_base64_in_lines_is_sent_as_one(caller: Caller, service: Service) -> None:
    service.answers(service.result({"text": "x"}))
    sound, text, url = b64encode(WAV).decode(), encodebytes(WAV).decode(), PNG_URL[:99] + "\r\n" + PNG_URL[99:]
    rows: list[tuple[str, dict[str, Any], Any]] = [
        (TURBO, {"audio": text}, {"audio": sound}),
        (TURBO, {"audio": f"data:audio/wav;base64,{text}"}, {"audio": sound}),
        (OMNI, {**CLEF, "audio": [text], "images": [url]}, {**CLEF, "audio": [WAV_URL], "images": [PNG_URL]}),
        (MOONDREAM, {"image": url, "stream": False}, {"image": PNG_URL, "stream": False}),
        (RESNET, {"image": url}, {"image": [*PNG]}),
    ]
    for model, inputs, expected in rows:
        with row(model):
            caller.run(model, inputs)
            assert service.sent == expected
    caller.run(NOVA, {"audio": f"data:audio/wav;base64,{text}"})
    assert service.request.content == WAV


def test_flux_2_gets_a_form_even_for_a_bare_prompt(caller: Caller, service: Service, picture: Path) -> None:
    service.answers(service.result({"image": b64encode(JPEG).decode()}))
    caller.run(FLUX, {"prompt": "a “cat”"})
    boundary = service.request.headers["content-type"].removeprefix("multipart/form-data; boundary=")
    assert service.request.content == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na “cat”\r\n--{boundary}--\r\n'.encode()
    )
    pillow = PIL.Image.open(io.BytesIO(PNG))
    for image in (picture, PNG, pillow, b64encode(PNG).decode(), PNG_URL, [*PNG], Pipe(PNG), io.BytesIO(PNG)):
        with row(type(image)):
            fields = {"prompt": {"scene": "é"}, "width": 512, "guidance": 2.5, "flag": True, "seed": None}
            output = caller.run(FLUX, {**fields, "input_image_0": image}, checks="off")  # of `flag` it would warn
            assert output.media_type == "image/jpeg"
            *texts, file = read_form(service.request)
            assert texts == [
                ("prompt", None, None, '{"scene":"é"}'.encode()),
                ("width", None, None, b"512"),
                ("guidance", None, None, b"2.5"),
                ("flag", None, None, b"true"),
            ]
            name, file_name, media_type, content = file
            assert (name, file_name, media_type) == ("input_image_0", "input_image_0.png", "image/png")
            assert PIL.Image.open(io.BytesIO(content)).size == (3, 2)
            assert service.request.headers["content-length"] == str(len(service.request.content))
    with tempfile.TemporaryFile() as file:
        file.write(b"something before" + PNG)
        file.seek(len(b"something before"))
        for _ in range(2):
            caller.run(FLUX, {"input_image_0": file}, checks="off")  # without a prompt
            assert read_form(service.request) == [("input_image_0", "input_image_0.png", "image/png", PNG)]
    with picture.open("rb") as file:
        for same in (file, picture, {"body": picture}):
            caller.run(FLUX, {"prompt": "x", "input_image_0": same, "input_image_1": same, "image": None})
            assert [part[3] for part in read_form(service.request)] == [b"x", PNG, PNG]
    caller.run(FLUX, {"prompt": "x", "input_image_0": picture, "input_image_1": JPEG})
    assert [part[1] for part in read_form(service.request)] == [None, "input_image_0.png", "input_image_1.jpg"]


# What is passed


def test_every_kind_of_source_gives_the_same_sound(caller: Caller, service: Service, sound: Path) -> None:
    service.answers(service.result({"text": "x"}))
    with os.scandir(sound.parent) as found:
        entries = list(found)
    with (
        open(sound, "rb") as file,
        tempfile.NamedTemporaryFile() as named,
        tempfile.SpooledTemporaryFile() as spooled,
        tempfile.TemporaryFile() as behind,
        gzip.open(io.BytesIO(gzip.compress(WAV))) as zipped,
    ):
        for each, before in ((named, b""), (spooled, b""), (behind, b"something before")):
            each.write(before + WAV)
            each.seek(len(before))
        sources: list[Any] = [
            WAV,
            bytearray(WAV),
            memoryview(WAV),
            memoryview(np.frombuffer(WAV, "uint8")),
            sound,
            AnyPath(sound),
            *entries,
            file,
            named,
            spooled,
            behind,
            io.BytesIO(WAV),
            types.Audio(content=WAV, media_type="audio/wav"),
            np.frombuffer(WAV, "uint8"),
            WAV_URL,
            "data:audio/x-wav," + "".join(f"%{byte:02x}" for byte in WAV),
            b64encode(WAV).decode(),
            {"body": WAV, "contentType": "audio/wav"},
            {"body": sound},
            {"body": io.BytesIO(WAV), "contentType": "audio/wav"},
            {"body": [WAV[:9], WAV[9:]], "contentType": "audio/wav"},
            zipped,
        ]
        for _ in range(2):  # an open file stands afterwards where it stood
            for source in sources:
                for model, expected in ((NOVA, None), (TURBO, b64encode(WAV).decode())):
                    with row((model, type(source))):
                        caller.run(model, {"audio": source})
                        if expected is None:
                            assert service.request.content == WAV
                            assert service.request.headers["content-type"] == "audio/wav"
                        else:
                            assert service.sent == {"audio": expected}
    pipes: list[Callable[[], Any]] = [
        lambda: Pipe(WAV),
        lambda: {"body": Pipe(WAV), "contentType": "audio/wav"},
        lambda: {"body": in_pieces(WAV)},
        lambda: {"body": iter([b"", WAV[:9], b"", bytearray(WAV[9:])]), "contentType": "audio/wav"},
    ]
    for make in pipes:
        caller.run(NOVA, {"audio": make()})
        assert (service.request.content, service.request.headers["content-type"]) == (WAV, "audio/wav")
        assert service.request.headers["transfer-encoding"] == "chunked"
        caller.run(TURBO, {"audio": make()})
        assert service.sent == {"audio": b64encode(WAV).decode()}


def test_a_pydantic_model_may_have_media_in_its_fields(caller: Caller, service: Service, sound: Path) -> None:
    class Speech(BaseModel):
        audio: Any
        language: Any = None
        task: str = "transcribe"

    service.answers(service.result({"text": "x"}))
    for audio in (sound, WAV, b64encode(WAV).decode()):
        caller.run(TURBO, Speech(audio=audio))
        assert service.sent == {"audio": b64encode(WAV).decode(), "task": "transcribe"}
    with pytest.raises(InputError, match=r"^inputs: Speech cannot be sent as JSON: Unable to"):
        caller.run(TURBO, Speech(audio=WAV, language=object()))
    caller.run(FLUX, type("Prompt", (BaseModel,), {"__annotations__": {"prompt": str}})(prompt="x"))
    assert read_form(service.request) == [("prompt", None, None, b"x")]


def test_media_in_the_fields_of_a_pydantic_model_are_found_by_the_names_of_the_wire(
    caller: Caller, service: Service, sound: Path, picture: Path
) -> None:
    class Speech(BaseModel):
        model_config = ConfigDict(extra="allow")
        recording: Any = Field(alias="audio")
        secret: Any = Field(default=None, exclude=True)

    class Batch(BaseModel):
        requests: list[Speech]

    class Omni(BaseModel):
        images: list[Path]
        state: str = "x"

    service.answers(service.result({"text": "x", "request_id": "x"}))
    expected = {"audio": b64encode(WAV).decode(), "task": "transcribe"}
    for audio in (sound, WAV, np.frombuffer(WAV, "uint8")):
        speech = Speech.model_validate({"audio": audio, "task": "transcribe", "secret": WAV})
        caller.run(TURBO, speech)
        assert service.sent == expected
        caller.run(TURBO, Batch(requests=[speech]), queue_request=True, checks="off")
        assert service.sent == {"requests": [expected]}
    caller.run(OMNI, Omni(images=[picture]), checks="off")
    assert service.sent == {"state": "x", "images": [PNG_URL]}


def test_pictures_of_pillow_and_numpy_are_sent_as_files(caller: Caller, service: Service, tmp_path: Path) -> None:
    service.answers(service.result([]))
    photo = PIL.Image.open(io.BytesIO(JPEG))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned_file = io.BytesIO()
    photo.save(turned_file, "JPEG", exif=exif)
    turned = PIL.Image.open(turned_file)
    pixels = np.arange(4 * 5 * 3, dtype="uint8").reshape(4, 5, 3)
    rows: list[tuple[Any, str, tuple[int, int]]] = [
        (PIL.Image.open(io.BytesIO(PNG)), "PNG", (3, 2)),
        (photo, "JPEG", (3, 2)),
        (turned, "JPEG", (3, 2)),
        (photo.resize((6, 4)), "PNG", (6, 4)),
        (turned.convert("L"), "PNG", (2, 3)),
        *((PIL.Image.new(mode, (3, 2)), "PNG", (3, 2)) for mode in ("L", "RGBA", "P", "CMYK", "1", "YCbCr")),
        (pixels, "PNG", (5, 4)),
        (pixels[:, :, 0], "PNG", (5, 4)),
        (pixels[::2, ::-1], "PNG", (5, 2)),
        (np.frombuffer(JPEG, "uint8"), "JPEG", (3, 2)),
    ]
    for image, kind, size in rows:
        with row((type(image), getattr(image, "mode", getattr(image, "shape", None)))):
            caller.run(RESNET, {"image": image})
            sent = PIL.Image.open(io.BytesIO(bytes(service.sent["image"])))
            assert (sent.format, sent.size) == (kind, size)
            if image is turned:
                assert sent.getexif()[0x0112] == 6
            if image is pixels:
                assert (np.asarray(sent) == pixels).all()


def test_a_picture_of_16_bits_keeps_its_brightness(caller: Caller, service: Service) -> None:
    service.answers(service.result([]))
    pixels = np.array([[0, 300, 13_000], [39_000, 52_000, 65_535]])
    images = [PIL.Image.fromarray(pixels.astype("int32"))]
    for mode, kind in (("I;16", "<u2"), ("I;16L", "<u2"), ("I;16B", ">u2"), ("I;16N", "=u2")):
        images.append(PIL.Image.frombytes(mode, (3, 2), pixels.astype(kind).tobytes()))
    for image in images:
        with row(image.mode):
            caller.run(RESNET, {"image": image})
            sent = PIL.Image.open(io.BytesIO(bytes(service.sent["image"])))
            assert (sent.format, np.asarray(sent).tolist()) == ("PNG", pixels.tolist())
    rows = (
        (PIL.Image.new("F", (3, 2), 0.5), "must be an image whose white is known, got mode 'F': bring it to 0 to 255"),
        (
            PIL.Image.new("I", (3, 2), 70_000),
            r"must be a grey image from 0 \(black\) to 65535 \(white\), got 70000 to 70000: bring",
        ),
        (PIL.Image.new("I", (3, 2), -1), "got -1 to -1"),
    )
    for image, problem in rows:
        with row(problem), pytest.raises(InputError, match=rf"^inputs\['image'\].*{problem}"):
            caller.run(RESNET, {"image": image})


def test_samples_of_numpy_are_sent_as_a_wave_file(caller: Caller, service: Service) -> None:
    service.answers(service.result({"text": "x"}))
    whole = np.array([0, 1, -1, 32767, -32768], "int16")
    fractions = np.array([0, 0.5, -1, 1, 1.01], "float32")
    for samples, expected in ((whole, whole), (fractions, np.array([0, 16384, -32767, 32767, 32767], "int16"))):
        before = samples.copy()
        for rate in (8000, np.int64(8000)):
            caller.run(TURBO, {"audio": samples, "sample_rate": rate, "language": "en"})
            assert [*service.sent] == ["audio", "language"]
            with wave.open(io.BytesIO(b64decode(service.sent["audio"]))) as reader:
                assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (8000, 1, 2)
                assert reader.readframes(99) == expected.tobytes()
        caller.run(NOVA, {"audio": samples, "sample_rate": 8000})
        assert "sample_rate" not in service.url
        assert service.request.content == encode_wave(expected.tobytes(), 8000)
        caller.run(WHISPER, {"audio": samples, "sample_rate": 8000})
        assert service.request.content == encode_wave(expected.tobytes(), 8000)
        caller.run(OMNI, {**CLEF, "audio": [samples], "sample_rate": 8000})
        assert service.sent["audio"][0].startswith("data:audio/wav;base64,UklGR")
        assert "sample_rate" not in service.sent
        assert (samples == before).all()


def test_the_media_type_is_read_from_the_bytes_then_the_name_and_a_container_is_what_the_input_is(
    caller: Caller, service: Service, tmp_path: Path
) -> None:
    service.answers(service.result({"text": "x"}))
    webm, mp4, unknown = b"\x1a\x45\xdf\xa3" + bytes(30), b"\0\0\0\x20ftypisom" + bytes(30), b"\1\2\3" * 9
    for name, content, expected in (
        ("a.mp3", WAV, "audio/wav"),
        ("a.mp3", unknown, "audio/mpeg"),
        ("a", unknown, "application/octet-stream"),
        ("a.m4a", mp4, "audio/mp4"),
        ("a.webm", webm, "audio/webm"),
        ("a.raw", b"BM" + unknown, "application/octet-stream"),
        *(("a", magic + unknown, "audio/mpeg") for magic in (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with row((name, content[:4])):
            caller.run(NOVA, {"audio": path})
            assert service.request.headers["content-type"] == expected
            with path.open("rb") as file:
                caller.run(NOVA, {"audio": file})
            assert service.request.headers["content-type"] == expected
            pipe: Any = Pipe(content)
            pipe.name = name
            caller.run(NOVA, {"audio": pipe})
            assert service.request.headers["content-type"] == expected
    caller.run(NOVA, {"audio": {"body": WAV, "contentType": "audio/l16; rate=8000"}})
    assert service.request.headers["content-type"] == "audio/l16; rate=8000"
    caller.run(OMNI, {**CLEF, "videos": [webm, mp4], "audio": [webm]})
    assert [each.partition(";")[0] for each in service.sent["videos"]] == ["data:video/webm", "data:video/mp4"]
    assert service.sent["audio"][0].startswith("data:audio/webm;")


# The forms of a Worker's binding


def test_a_medium_may_be_passed_as_in_a_worker(caller: Caller, service: Service, sound: Path) -> None:
    service.answers(service.result({"text": "x"}))
    for model in (NOVA, UNKNOWN):
        for body in (WAV, sound, io.BytesIO(WAV), in_pieces(WAV)):
            caller.run(model, {"audio": {"body": body, "contentType": "audio/x"}, "language": "en", "channels": 1})
            assert (service.request.content, service.request.headers["content-type"]) == (WAV, "audio/x")
            assert service.url.endswith(f"/{model}?language=en&channels=1")


def test_a_form_may_be_passed_as_in_a_worker(caller: Caller, service: Service, picture: Path) -> None:
    service.answers(service.result({"image": b64encode(JPEG).decode()}))
    declared = "multipart/form-data; boundary=abc"
    form = b'--abc\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nx\r\n--abc--\r\n'
    for model in (FLUX, UNKNOWN):
        for body in (form, form.decode(), io.BytesIO(form), in_pieces(form)):
            caller.run(model, {"multipart": {"body": body, "contentType": declared}})
            assert (service.request.content, service.request.headers["content-type"]) == (form, declared)
        fields = {"prompt": "x", "steps": 4, "input_image_0": picture}
        for content_type in (declared, 'multipart/form-data; boundary="abc"'):
            caller.run(model, {"multipart": {"body": fields, "contentType": content_type}})
            assert service.request.headers["content-type"] == declared
            assert service.request.content.startswith(b"--abc\r\n")
            assert read_form(service.request)[2] == ("input_image_0", "input_image_0.png", "image/png", PNG)
        caller.run(model, {"multipart": {"body": {**fields, "photo": PNG, "voice": WAV}}})
        assert [part[:3] for part in read_form(service.request)] == [
            ("prompt", None, None),
            ("steps", None, None),
            ("input_image_0", "input_image_0.png", "image/png"),
            ("photo", "photo.png", "image/png"),
            ("voice", "voice.wav", "audio/wav"),
        ]
    caller.run(FLUX, {"multipart": {"body": form, "contentType": declared}, "user": "a b"})
    assert service.url.endswith("?user=a%20b")


@ASYNC
def test_a_stream_that_is_awaited_is_sent_by_arun(caller: Caller, service: Service) -> None:
    service.answers(service.result({"text": "x"}))
    caller.run(NOVA, {"audio": {"body": in_awaited_pieces(WAV), "contentType": "audio/wav"}, "language": "en"})
    assert service.request.content == WAV
    for model, inputs, problem in (
        (NOVA, {"body": in_awaited_pieces(WAV)}, "must have a 'contentType'"),
        (TURBO, {"body": in_awaited_pieces(WAV), "contentType": "audio/wav"}, "cannot be sent as a stream"),
    ):
        with pytest.raises(InputError, match=problem):
            caller.run(model, {"audio": inputs})


def test_a_stream_that_is_awaited_is_refused_by_run(service: Service) -> None:
    with Ai(account_id="0" * 32, api_token="token") as ai, pytest.raises(InputError, match="call `arun`"):
        ai.run(NOVA, {"audio": {"body": in_awaited_pieces(WAV), "contentType": "audio/wav"}})
    assert service.requests == []


def test_a_second_stream_is_refused_as_in_a_worker(caller: Caller, service: Service) -> None:
    for first, second in ((io.BytesIO(PNG), io.BytesIO(PNG)), (in_pieces(PNG), in_awaited_pieces(PNG))):
        inputs = {"image": {"body": first, "contentType": "image/png"}, "mask": {"body": second}}
        with pytest.raises(InputError, match=r"one stream at most, got 'image', 'mask'"):
            caller.run(INPAINTING, inputs)
    caller.run(INPAINTING, {**CAT, "image": {"body": PNG}, "mask": {"body": PNG}})
    assert service.sent == {**CAT, "image_b64": b64encode(PNG).decode(), "mask": [*PNG]}


# Refused before anything is sent


def test_what_is_no_medium_is_refused_by_its_name_and_never_shown(
    caller: Caller, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beep").write_bytes(WAV)
    empty, text = tmp_path / "empty.wav", tmp_path / "a.txt"
    empty.write_bytes(b"")
    text.write_text("secret-words")
    with open(text, "rb") as closed:
        pass

    class Upload:
        async def read(self) -> bytes:
            return b"secret-words"

    class Odd:
        def read(self, size: int) -> str:
            return "secret-words"

    class Response:
        def read(self) -> bytes:
            return b"secret-words"

    with open(text) as text_file, tempfile.TemporaryFile("w+") as text_temporary:
        rows: list[tuple[Any, str]] = [
            (tmp_path / "none.wav", "No such file or directory: .*none.wav"),
            (tmp_path, "must be a file, got a directory"),
            (empty, r"must not be empty, got 0 bytes in .*empty\.wav: look at what made it"),
            (Path("a\0b"), "null"),
            (closed, "closed file"),
            *(
                (data, "must not be empty, got 0 bytes: look at what made it")
                for data in (b"", bytearray(), [], "", "data:,", {"body": b""}, {"body": iter([])})
            ),
            *((data, r"got 0 bytes: call its `seek\(0\)` if it was read") for data in (io.BytesIO(), Pipe(b""))),
            (np.zeros(0, "uint8"), "must not be empty, got 0 bytes"),
            (text_file, "opened in binary mode, got one of text: open it with 'rb'"),
            (text_temporary, "opened in binary mode"),
            (io.StringIO("secret-words"), "opened in binary mode"),
            (Upload(), r"must be a file that is not awaited, got Upload: pass its bytes"),
            *(
                (name, r"pass Path\('…'\) if it is the name of a file")
                for name in ("speech.wav", "a/b c", "./x", "é" * 99, "beep")
            ),
            ("file:///tmp/a.wav", r"pass Path\('…'\)"),
            ("https://a.b/c.wav?key=secret-words", "takes no address on the web: download the file"),
            ("data:audio/wav;base64,@@@", "a data: URL must be data:<type>;base64,<base64>, got str$"),
            ("data:nothing", "a data: URL must be"),
            (
                [[1, 2], [3]],
                r"^inputs\['audio'\] must be the bytes of a file as integers from 0 to 255, not pixels or samples: "
                "pass a Path, bytes, or an array of numpy$",
            ),
            ([0.5, -0.5], "integers from 0 to 255"),
            ([1, 256], "integers from 0 to 255"),
            (5, "must be bytes, a Path, an open binary file or base64 text, got 5"),
            (object(), "got object"),
            ({"voice": "x"}, "got dict"),
            ({"body": None}, r"\['body'\] must be bytes"),
            ({"body": ["secret-words"]}, r"\['body'\] must be the bytes"),
            (Response(), r"read\(\) takes 1 positional argument"),
            (codecs.getreader("utf-8")(io.BytesIO(b"secret-words")), "must give bytes when it is read, got str"),
            ({"body": ["secret-words"], "contentType": "audio/wav"}, r"\['body'\] must be the bytes"),
            *((odd, "must give bytes when it is read, got str") for odd in (Odd(), {"body": Odd()})),
            (PNG, "must be a sound, got image/png"),
            (text, "must be a sound, got text/plain"),
            *(
                (page + b"<title>secret-words</title>", "must be a sound, got text/html")
                for page in (b"<!DOCTYPE html>", b"<!doctype HTML>", b"<html>", b"<HTML>")
            ),
            *(
                (b"\0\0\0\x18ftyp" + brand + bytes(9), "must be a sound, got image/heic")
                for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
            ),
            (io.BytesIO(b'{"error": "secret-words"}'), "must be a sound, got application/json"),
            (b64encode(b"%PDF-1.7").decode(), "must be a sound, got application/pdf"),
            (in_pieces(WAV), "must be bytes, a Path"),
        ]
        for model in (NOVA, TURBO, WHISPER):
            for value, problem in rows:
                with row((model, problem)), pytest.raises(InputError, match=problem) as caught:
                    caller.run(model, {"audio": value})
                assert str(caught.value).startswith("inputs['audio']"), str(caught.value)
                assert "secret-words" not in str(caught.value)
                assert len(str(caught.value)) < 400
    assert service.requests == []


def test_a_file_that_stands_at_its_end_is_refused_with_what_to_do(caller: Caller, service: Service) -> None:
    with tempfile.TemporaryFile() as file, tempfile.SpooledTemporaryFile() as spooled:
        sources: list[Any] = [io.BytesIO(), file, spooled]
        for source in sources:
            source.write(WAV)
            for end in (len(WAV), len(WAV) + 9):
                source.seek(end)
                for audio in (source, {"body": source, "contentType": "audio/wav"}):
                    with pytest.raises(InputError, match=r"^inputs\['audio'\].* stands at its end: seek\(0\)"):
                        caller.run(NOVA, {"audio": audio})
    assert service.requests == []


def test_arrays_of_another_shape_or_type_are_refused(caller: Caller, service: Service) -> None:
    sounds: list[tuple[dict[str, Any], str]] = [
        ({"audio": np.zeros((9, 2), "float32"), "sample_rate": 8000}, r"mono array .* got float32 of shape \(9, 2\)"),
        ({"audio": np.zeros(9), "sample_rate": 8000}, "of float32 or int16, got float64"),
        ({"audio": np.zeros(9, "int32"), "sample_rate": 8000}, "of float32 or int16, got int32"),
        (
            {"audio": np.zeros(9, "float32")},
            r"^inputs\['audio'\]: beside an array there must be `sample_rate`, the samples a second such as 16000, "
            "got None$",
        ),
        ({"audio": np.zeros(9, "float32"), "sample_rate": 8000.0}, "`sample_rate` must be an integer, .* got 8000.0"),
        *(
            ({"audio": np.zeros(9, "int16"), "sample_rate": rate}, "`sample_rate`")
            for rate in (0, -1, 8000.5, "8000", True, 2**40)
        ),
        ({"audio": np.array([0, 3000], "float32"), "sample_rate": 8000}, "samples from -1 to 1"),
        ({"audio": np.array([0, np.nan], "float32"), "sample_rate": 8000}, "samples from -1 to 1"),
        ({"audio": np.zeros(0, "float32"), "sample_rate": 8000}, "must not be empty"),
    ]
    for model in (NOVA, TURBO):
        for inputs, problem in sounds:
            with row(problem), pytest.raises(InputError, match=problem):
                caller.run(model, inputs)
    for array in (
        np.zeros((2, 2, 4), "uint8"),
        np.zeros((2, 2, 1), "uint8"),
        np.zeros((1, 2, 2, 3), "uint8"),
        np.zeros((2, 2, 3)),
        np.zeros((2, 2), "bool"),
        np.zeros(5, "float32"),
    ):
        got = rf"\(height, width, 3\) or \(height, width\) of uint8, got {array.dtype} of shape \({array.shape[0]},"
        with row(array.shape), pytest.raises(InputError, match=got):
            caller.run(RESNET, {"image": array})
    with pytest.raises(InputError, match=r"must not be empty, got an array of shape \(0, 5, 3\)"):
        caller.run(RESNET, {"image": np.zeros((0, 5, 3), "uint8")})
    assert service.requests == []


def test_a_picture_that_pillow_cannot_read_is_refused(caller: Caller, service: Service) -> None:
    cut = PIL.Image.open(io.BytesIO(encode_image(size=(300, 300))[:-200]))
    with PIL.Image.open(io.BytesIO(PNG)) as closed:
        pass
    silent: Any = PIL.Image.open(io.BytesIO(JPEG))
    silent.save = Mock(side_effect=EOFError)
    for image, problem in ((cut, "truncated"), (closed, "off: "), (silent, "off: EOFError$")):
        with row(problem), pytest.raises(InputError, match=rf"\['image'\]: Pillow cannot write this image.*{problem}"):
            caller.run(RESNET, {"image": image})


def test_media_that_a_model_does_not_take_are_refused_with_what_it_takes(
    caller: Caller, service: Service, sound: Path, picture: Path
) -> None:
    rows: list[tuple[str, dict[str, Any], str]] = [
        (
            RESNET,
            {"audio": sound},
            "PosixPath cannot be sent, .*resnet-50 takes no 'audio'; it takes media in: 'image'$",
        ),
        (TEXT, {"prompt": "x", "image": picture}, "takes no 'image'; it takes media in: parts of 'messages', if"),
        (TEXT, {"prompt": "x", "audio": WAV}, "bytes cannot be sent, .*takes no 'audio'"),
        (
            "@cf/baai/bge-m3",
            {"text": "x", "image": np.zeros((2, 2), "uint8")},
            "ndarray cannot be .*it takes media in: nothing",
        ),
        (
            UNKNOWN,
            {"audio": sound},
            rf"^inputs\['audio'\]: PosixPath cannot be encoded for {UNKNOWN}, whose schema is not known: pass base64 "
            r"text or a list of integers, as it asks, or \{'body': …, 'contentType': …\} to send it as the whole body$",
        ),
        (UNKNOWN, {"images": [PNG]}, "cannot be encoded"),
        (OTHERS, {"image": PNG}, "cannot be encoded"),
        (INPAINTING, {"mask": WAV}, r"inputs\['mask'\] must be an image, got audio/wav"),
        (OMNI, {**CLEF, "images": [picture, MP3]}, r"inputs\['images'\]\[1\] must be an image, got audio/mpeg"),
        (OMNI, {**CLEF, "videos": [picture]}, r"inputs\['videos'\]\[0\] must be a video, got image/png"),
        (OMNI, {**CLEF, "images": ["https://a.b/c.png"]}, r"inputs\['images'\]\[0\]: this model takes no address"),
        (FLUX, {"prompt": "x", "input_image_0": "https://a.b/c.png"}, "takes no address on the web"),
        (FLUX, {"prompt": "x", "input_image_2": MP3}, r"inputs\['input_image_2'\] must be an image, got audio/mpeg"),
        *(
            (
                FLUX,
                {"prompt": "x", name: image},
                rf"^inputs\['{name}'\]: {FLUX} takes pictures as 'input_image_0' to 'input_image_3' alone, got",
            )
            for name in ("image", "input_image", "input_image_7", "images", "image_b64", "photo")
            for image in (picture, PNG, {"body": picture})
        ),
        (FLUX, {"prompt": "x", "image": PNG_URL}, "takes pictures as 'input_image_0' to 'input_image_3'"),
        (FLUX, {"requests": [{"prompt": "x"}]}, r"^inputs\['requests'\]: .* takes a form, which cannot be part of a"),
        (FLUX, {"prompt": object()}, r"inputs\['prompt'\] cannot be sent as text, got object"),
        (FLUX, {"multipart": b"x"}, r"inputs\['multipart'\] must be \{'body'"),
        (FLUX, {"multipart": {"body": b"x"}}, "there must be 'contentType', with its boundary"),
        (FLUX, {"multipart": {"body": b"x", "contentType": "multipart/form-data"}}, "with its boundary"),
        (NOVA, {"audio": {"body": WAV, "contentType": "audio/wav\r\nx: y"}}, "its content type cannot be sent"),
        (NOVA, {"audio": WAV, "extra": object()}, r"inputs\['extra'\] cannot be sent as text, got object"),
    ]
    for model, inputs, problem in rows:
        with row((model, problem)), pytest.raises(InputError, match=problem):
            caller.run(model, inputs)
    assert service.requests == []


def test_a_body_that_is_not_json_is_refused_where_it_cannot_go(caller: Caller, service: Service, sound: Path) -> None:
    sounds: dict[str, Any] = {"audio": {"body": sound, "contentType": "audio/wav"}}
    rows: list[tuple[dict[str, Any], str]] = [
        ({"gateway": "mine"}, "cannot go through a gateway: leave out `gateway`"),
        ({"queue_request": True}, "cannot be queued: leave out `queue_request`"),
        ({"reject_if_busy": True}, "cannot be sent with `reject_if_busy`"),
    ]
    for options, problem in rows:
        for model, inputs in ((NOVA, sounds), (UNKNOWN, sounds), (FLUX, {"prompt": "x"})):
            with row((model, problem)), pytest.raises(InputError, match=problem):
                caller.run(model, inputs, **options)
    with pytest.raises(InputError, match="cannot be sent for a model of another author"):
        caller.run(OTHERS, sounds)
    with pytest.raises(InputError, match=r"inputs\['requests'\]\[1\]\['audio'\]: .* cannot be part of a batch"):
        caller.run(NOVA, {"requests": [{}, sounds]})
    assert service.requests == []


def test_media_in_a_batch_are_encoded_as_json(caller: Caller, service: Service, sound: Path) -> None:
    service.answers(service.result({"status": "queued", "request_id": "x"}))
    for model, expected in ((TURBO, b64encode(WAV).decode()), (WHISPER, [*WAV])):
        caller.run(model, {"requests": [{"audio": sound}, {"audio": WAV}]}, queue_request=True, checks="off")
        assert service.sent == {"requests": [{"audio": expected}] * 2}


WITHOUT = """
import sys
sys.modules["{module}"] = None
from cfai import Ai, InputError

class Array:
    __array_interface__, ndim = {{}}, 2

if "{module}" == "PIL":
    import numpy
    Array = lambda: numpy.zeros((2, 2, 3), "uint8")
try:
    Ai(account_id="0" * 32, api_token="t").run("@cf/microsoft/resnet-50", {{"image": Array()}})
except InputError as error:
    print(error)
"""


def test_a_package_that_is_missing_is_named_with_its_command() -> None:
    for module, command in (("PIL", "pip install pillow"), ("numpy", "pip install numpy")):
        code = [sys.executable, "-W", "error", "-c", WITHOUT.format(module=module)]
        done = subprocess.run(code, capture_output=True, text=True, timeout=60)
        assert command in done.stdout, done.stdout + done.stderr


# How it is sent


class CountedFile(io.FileIO):
    """A file that knows how much is read of it at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size) or b""
        self.sizes.append(len(content))
        return content


class Drain:
    """A server's script that takes requests in, and keeps only their lengths."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.sizes: list[int] = []

    def __call__(self, peer: Peer) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        self.heads.append(head)
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        size = len(body)
        while size < length:
            size += len(peer.connection.recv(1 << 20))
        self.sizes.append(size)
        peer.answer(b'{"result": {"text": "x"}, "success": true}')


@SYNC_AND_ASYNC
def test_a_large_file_is_streamed_from_disk_and_never_held(callers: Callers, serve: Serve, tmp_path: Path) -> None:
    size, drain = 64 << 20, Drain()
    path = tmp_path / "long.wav"
    path.write_bytes(WAV)
    os.truncate(path, size)
    picture = tmp_path / "large.png"
    picture.write_bytes(PNG)
    os.truncate(picture, size)
    server = serve(lambda peer: [drain(peer) for _ in range(4)])
    caller = callers(base_url=server.url)
    caller.run(NOVA, {"audio": WAV})
    tracemalloc.start()
    try:
        caller.run(NOVA, {"audio": path})
        caller.run(FLUX, {"prompt": "x", "input_image_0": picture})
        with CountedFile(path) as file:
            caller.run(NOVA, {"audio": file})
            assert max(file.sizes) <= 65536
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert drain.sizes[0] == len(WAV)
    assert drain.sizes[1] == drain.sizes[3] == size
    assert size < drain.sizes[2] < size + 1000
    assert peak < 16 << 20
    assert b"transfer-encoding" not in b"".join(drain.heads).lower()


@SYNC_AND_ASYNC
def test_clients_passed_in_stream_too(portal: Any, callers: Callers, serve: Serve, sound: Path) -> None:
    for library in (httpx, httpx2):
        drain = Drain()
        server = serve(drain)
        client, async_client = library.Client(), library.AsyncClient()
        caller = callers(base_url=server.url, http_client=client, async_http_client=async_client)
        caller.run(NOVA, {"audio": sound})
        assert drain.sizes == [len(WAV)]
        client.close()
        if portal is not None:
            portal.call(async_client.aclose)


@pytest.mark.parametrize("portal", ["asyncio"], indirect=True)
def test_aiohttp_streams_too(callers: Callers, serve: Serve, sound: Path, portal: Any) -> None:
    from httpx_aiohttp import HttpxAiohttpClient

    drain = Drain()
    server = serve(drain)

    async def make() -> Any:
        return HttpxAiohttpClient()

    client = portal.call(make)
    callers(base_url=server.url, async_http_client=client).run(NOVA, {"audio": sound})
    assert drain.sizes == [len(WAV)]
    portal.call(client.aclose)


def test_a_file_is_sent_again_from_its_beginning_and_a_pipe_never(
    caller: Caller, service: Service, sleeps: list[float], sound: Path, picture: Path
) -> None:
    busy, done = service.error(429, 3040), service.result({"text": "x"})
    with open(sound, "rb") as file:
        for inputs in ({"audio": sound}, {"audio": WAV}, {"audio": file}, {"audio": {"body": file}}):
            service.answers(busy, busy, done)
            service.forget()
            caller.run(NOVA, inputs)
            assert [request.content for request in service.requests] == [WAV] * 3
    service.answers(busy, done)
    service.forget()
    caller.run(FLUX, {"prompt": "x", "input_image_0": picture})
    first, second = service.requests
    assert first.content == second.content
    for body in (Pipe(WAV), {"body": in_pieces(WAV)}):
        service.answers(busy, done)
        service.forget()
        with pytest.raises(CfaiError):
            caller.run(NOVA, {"audio": body})
        assert [request.content for request in service.requests] == [WAV]


def test_a_file_that_is_gone_when_it_is_to_be_sent_again_is_named(
    caller: Caller, service: Service, sleeps: list[float], sound: Path
) -> None:
    def vanish() -> httpx.Response:
        sound.unlink()
        return busy()

    busy = service.error(429, 3040)
    assert callable(busy)
    service.answers(vanish)
    with pytest.raises(InputError, match=r"inputs\['audio'\]: No such file or directory: .*speech.wav"):
        caller.run(NOVA, {"audio": sound})


def test_a_raw_response_and_an_error_are_as_ever(caller: Caller, service: Service, sound: Path) -> None:
    service.answers(service.error(400, 5006, "bad sound"))
    assert caller.run(NOVA, {"audio": sound}, return_raw_response=True).status_code == 400
    with open(sound, "rb") as file, pytest.raises(BadRequestError, match="bad sound") as caught:
        caller.run(NOVA, {"audio": file, "language": "en"})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_empty_answer_to_a_stream_is_asked_for_again_with_the_same_media(
    caller: Caller, service: Service, sound: Path
) -> None:
    service.answers(service.result({}), service.result({"text": "x"}))
    with suppress(CfaiError):
        caller.run(NOVA, {"audio": sound, "stream": True})
    assert [request.content for request in service.requests] == [WAV, WAV]


def test_check_takes_the_media_that_run_takes(picture: Path, sound: Path) -> None:
    with Ai(account_id="0" * 32, api_token="t") as ai:
        message = {"role": "user", "content": ["What is it?", picture]}
        result = ai.check("@cf/google/gemma-4-26b-a4b-it", {"messages": [message]})
        assert result.verdict == "likely fits"
        assert result.tokens is not None
        bodies = ((NOVA, {"audio": sound}), (WHISPER, {"audio": WAV}), (RESNET, {"image": picture}), (FLUX, CAT))
        for model, inputs in bodies:
            assert ai.check(model, inputs).verdict != "wrong input"
        for model in (NOVA, WHISPER, RESNET, FLUX):
            assert ai.check(model, {}).verdict == "wrong input"
        with pytest.raises(InputError, match="No such file"):
            ai.check(TURBO, {"audio": Path("none.wav")})


def test_check_leaves_unread_what_can_be_read_only_once(caller: Caller, service: Service, tmp_path: Path) -> None:
    service.answers(service.result({"text": "x"}))
    message = {"role": "user", "content": ["x", {"type": "image_url", "image_url": {"url": Pipe(PNG)}}]}

    class Sound(BaseModel):
        audio: Any

    with Ai(account_id="0" * 32, api_token="t") as ai:
        streams: list[tuple[str, Any, str]] = [
            (NOVA, {"audio": Path(os.devnull)}, r"\['audio'\]"),
            (TURBO, Sound(audio=Pipe(WAV)), r"\['audio'\]"),
            (OMNI, {**CLEF, "images": [PNG, Pipe(PNG)]}, r"\['images'\]\[1\]"),
            (
                FLUX,
                {"multipart": {"body": {"input_image_0": Pipe(PNG)}}},
                r"\['multipart'\]\['body'\]\['input_image_0'\]",
            ),
            (TEXT, {"messages": [message]}, r"\['messages'\]\[0\]\['content'\]\[1\]\['image_url'\]\['url'\]"),
            (TURBO, {"requests": [{"audio": Pipe(WAV)}]}, r"\['requests'\]\[0\]\['audio'\]"),
        ]
        for model, inputs, place in streams:
            with row(place), pytest.raises(InputError, match=f"^inputs{place} must .* got a stream: call `run`"):
                ai.check(model, inputs)
        for model in (NOVA, TURBO):
            for make in (
                lambda: Pipe(WAV),
                lambda: {"body": Pipe(WAV), "contentType": "audio/wav"},
                lambda: {"body": in_pieces(WAV), "contentType": "audio/wav"},
            ):
                audio: Any = make()
                with pytest.raises(InputError, match="got a stream"):
                    ai.check(model, {"audio": audio})
                caller.run(model, {"audio": audio})
                assert (service.request.content if model == NOVA else b64decode(service.sent["audio"])) == WAV
        assert ai.check(NOVA, {"audio": {"body": in_awaited_pieces(WAV), "contentType": "audio/wav"}})
        sound = io.BytesIO(WAV)
        assert ai.check(NOVA, {"audio": {"body": sound, "contentType": "audio/wav"}})
        caller.run(NOVA, {"audio": {"body": sound, "contentType": "audio/wav"}})
        assert service.request.content == WAV
        for gone in (io.BytesIO(WAV), tmp_path / "none.wav"):
            if isinstance(gone, io.BytesIO):
                gone.close()
            with pytest.raises(InputError, match=r"closed|No such file"):
                ai.check(NOVA, {"audio": gone})


BLOCKING = """
import asyncio, os, sys
from base64 import b64encode
from pathlib import Path
from blockbuster import blockbuster_ctx
from cfai import Ai

async def main():
    folder = Path(sys.argv[2])
    sound, picture = folder / "speech.wav", folder / "picture.png"
    text = await asyncio.to_thread(lambda: b64encode(sound.read_bytes()).decode())
    image = await asyncio.to_thread(lambda: b64encode(picture.read_bytes()).decode())
    assert len(image) < 250
    async with Ai(account_id="local", api_token="token", base_url=sys.argv[1]) as ai:
        parts = [{"type": "image_url", "image_url": {"url": picture}}, "Hello", picture]
        texts = [{"type": "image_url", "image_url": {"url": image}}, {"type": "image_url", "image_url": image}]
        for model, inputs in (
            ("@cf/google/gemma-4-26b-a4b-it", {"prompt": "the first call, which imports and reads in a thread"}),
            ("@cf/black-forest-labs/flux-2-dev", {"prompt": "x"}),
            ("@cf/openai/whisper-large-v3-turbo", {"audio": text}),
            ("@cf/deepgram/nova-3", {"audio": sound, "language": "en"}),
            ("@cf/openai/whisper", {"audio": sound}),
            ("@cf/openai/whisper-large-v3-turbo", {"audio": sound}),
            ("@cf/microsoft/resnet-50", {"image": picture}),
            ("@cf/black-forest-labs/flux-2-dev", {"prompt": "x", "input_image_0": picture}),
            ("@cf/google/gemma-4-26b-a4b-it", {"messages": [{"role": "user", "content": parts}]}),
            ("@cf/google/gemma-4-26b-a4b-it", {"messages": [{"role": "user", "content": ["Hello"]}]}),
            ("@cf/google/gemma-4-26b-a4b-it", {"messages": [{"role": "user", "content": texts}]}),
        ):
            await ai.arun(model, inputs)
    print("done")

with blockbuster_ctx():
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # blockbuster leaves an interpreter behind that crashes when it ends
"""


def test_media_do_not_block_an_event_loop(sound: Path, picture: Path) -> None:
    from cfai.local import Emulator

    with Emulator() as local:
        url = local.base_url
        program = BLOCKING.replace('"local", api_token="token"', f"{local.account_id!r}, api_token={local.api_token!r}")
        command = [sys.executable, "-c", program, url, str(sound.parent)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr


@ASYNC
def test_an_upload_that_is_cancelled_leaves_nothing_behind(portal: Any, serve: Serve, tmp_path: Path) -> None:
    path, release = tmp_path / "long.wav", threading.Event()
    path.write_bytes(WAV)
    os.truncate(path, 64 << 20)
    server = serve(lambda peer: release.wait(10))

    async def upload() -> bool:
        async with Ai(account_id="0" * 32, api_token="t", base_url=server.url) as ai:
            with anyio.move_on_after(0.3) as scope:
                await ai.arun(NOVA, {"audio": path})
            return scope.cancelled_caught

    try:
        assert portal.call(upload)
    finally:
        release.set()


def test_many_calls_at_the_same_time_read_one_path(serve: Serve, sound: Path) -> None:
    drain = Drain()
    server = serve(drain)

    async def main() -> None:
        async with Ai(account_id="0" * 32, api_token="t", base_url=server.url) as ai:
            await asyncio.gather(*(ai.arun(NOVA, {"audio": sound}) for _ in range(20)))

    asyncio.run(main())
    assert drain.sizes == [len(WAV)] * 20


def test_calls_that_send_one_open_file_read_it_each_from_a_place_of_its_own(tmp_path: Path) -> None:
    path, content = tmp_path / "table.csv", b"".join(b"%07d\n" % number for number in range(30_000))
    path.write_bytes(b"..." + content)

    class Bare:
        """A file that nothing can refer to weakly."""

        __slots__ = ("read", "seek", "seekable", "tell")

        def __init__(self, file: Any) -> None:
            self.read, self.seek, self.seekable, self.tell = file.read, file.seek, file.seekable, file.tell

    with path.open("rb") as file:
        file.seek(3)
        for source in (file, Bare(file)):
            first, second = open_medium(source, "a").content, open_medium(source, "b").content
            assert isinstance(first, StreamedFile)
            assert isinstance(second, StreamedFile)
            by_turns = list(zip(first, second, strict=True))
            assert [b"".join(pieces) for pieces in zip(*by_turns, strict=True)] == [content, content]
            assert (file.tell(), len(by_turns) > 2) == (3, True)


def test_moondream_is_told_not_to_stream_unless_a_stream_is_asked_for(caller: Caller, service: Service) -> None:
    for inputs, stream in (({}, False), ({"stream": False}, False), ({"stream": True}, True)):
        service.answers(service.events(b"data: [DONE]\n\n") if stream else service.result({"answer": "a cat"}))
        caller.run(MOONDREAM, {"image": PNG, **inputs})
        assert service.sent == {"image": PNG_URL, "stream": stream}
