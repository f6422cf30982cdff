"""Images and sounds in messages: what stands in the parts that are sent, and what is refused."""

from __future__ import annotations

import copy
import io
import wave
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest
from pydantic import BaseModel, ConfigDict

from cfai import Ai, InputError, types
from tests.conftest import Caller, Service, row

GEMMA = "@cf/google/gemma-4-26b-a4b-it"
LLAMA = "@cf/meta/llama-3.2-11b-vision-instruct"
OSS = "@cf/openai/gpt-oss-120b"
UNKNOWN = "@cf/somebody/new-eyes"
WEB = "https://example.com/a.png"


def encode_png() -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (3, 2), (200, 10, 30)).save(file, "PNG")
    return file.getvalue()


def encode_wave() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(80))
    return file.getvalue()


PNG = encode_png()
PNG_TEXT = b64encode(PNG).decode()
PNG_URL = f"data:image/png;base64,{PNG_TEXT}"
WAV = encode_wave()
WAV_TEXT = b64encode(WAV).decode()
MP3 = b"ID3\4\0\0" + bytes(30)
IMAGE = {"type": "image_url", "image_url": {"url": PNG_URL}}
SOUND: dict[str, Any] = {"type": "input_audio", "input_audio": {"data": WAV_TEXT, "format": "wav"}}


class Tensor:
    """An array of another package than numpy, which numpy can read if it lies on this machine."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.ndim, self.dtype = 3, "uint8"

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self._array is None:
            raise RuntimeError("it has a gradient")
        return self._array

    def tolist(self) -> Any:
        return self._array.tolist()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(WAV)
    return path


def send(caller: Caller, service: Service, content: Any, model: str = GEMMA) -> Any:
    """Return the content that the service gets for that of a message."""
    caller.run(model, {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": content}]})
    first, second = service.sent["messages"]
    assert (first, second["role"]) == ({"role": "system", "content": "x"}, "user")
    return second["content"]


def test_every_kind_of_image_is_a_part_by_itself_or_by_its_name(
    caller: Caller, service: Service, picture: Path
) -> None:
    pixels = np.asarray(PIL.Image.open(io.BytesIO(PNG)))
    with picture.open("rb") as file:
        sources: list[Any] = [
            picture,
            PNG,
            bytearray(PNG),
            memoryview(PNG),
            file,
            io.BytesIO(PNG),
            types.Image(content=PNG, media_type="image/png"),
            PIL.Image.open(io.BytesIO(PNG)),
            pixels,
            Tensor(pixels),
            {"body": picture, "contentType": "image/png"},
        ]
        for source in sources:
            with row(type(source)):
                assert send(caller, service, ["What is it?", source]) == [
                    {"type": "text", "text": "What is it?"},
                    IMAGE,
                ]
                assert send(caller, service, source) == [IMAGE]
                assert send(caller, service, (source,)) == [IMAGE]
        for source in [*sources, PNG_URL, PNG_TEXT]:
            for part in (
                {"type": "image_url", "image_url": {"url": source, "detail": "low"}},
                {"type": "image_url", "image_url": source},
                {"type": "image_url", "image_url": {"url": source}},
            ):
                before = {**part}
                (sent,) = send(caller, service, [part])
                assert sent["type"] == "image_url"
                assert sent["image_url"]["url"] == PNG_URL
                assert ("detail" in sent["image_url"]) is (str(part).find("'detail'") > 0)
                assert part == before


class Url(BaseModel):
    url: Any
    detail: str | None = None


class Part(BaseModel):
    model_config = ConfigDict(extra="allow")
    type: str


class Message(BaseModel):
    role: str
    content: Any
    name: str | None = None


class Conversation(BaseModel):
    messages: list[Message]
    max_tokens: int = 5


def test_messages_and_parts_may_be_pydantic_models_with_media_in_them(
    caller: Caller, service: Service, picture: Path, sound: Path
) -> None:
    text, sources = {"type": "text", "text": "What?"}, [picture, PNG, PIL.Image.open(picture), PNG_TEXT]
    images: list[tuple[Any, Any]] = [
        *((source, IMAGE) for source in sources[:3]),
        *((Part(type="image_url", image_url=source), IMAGE) for source in sources),  # pyright: ignore[reportCallIssue]
        *((Part(type="image_url", image_url={"url": source}), IMAGE) for source in sources),  # pyright: ignore[reportCallIssue]
        *((Part(type="image_url", image_url=Url(url=source)), IMAGE) for source in sources),  # pyright: ignore[reportCallIssue]
        *(({"type": "image_url", "image_url": Url(url=source)}, IMAGE) for source in sources),
        *((Part(type="input_audio", input_audio=source), SOUND) for source in (sound, WAV)),  # pyright: ignore[reportCallIssue]
        ({"type": "input_audio", "input_audio": Part(type="x", data=sound)}, None),  # pyright: ignore[reportCallIssue]
    ]
    for part, expected in images:
        with row(part):
            message = Message(role="user", content=["What?", part])
            sent = [{"role": "user", "content": [text, expected]}]
            if expected is None:
                audio = {"format": "wav", "type": "x", "data": WAV_TEXT}
                sent[0]["content"] = [text, {"type": "input_audio", "input_audio": audio}]
            caller.run(GEMMA, {"messages": [message]})
            assert service.sent == {"messages": sent}
            caller.run(GEMMA, {"messages": [{"role": "user", "content": ["What?", part]}]})
            assert service.sent == {"messages": sent}
            for batch in ({"requests": [Conversation(messages=[message])]}, Conversation(messages=[message])):
                caller.run(GEMMA, batch)
                conversation = service.sent["requests"][0] if "requests" in service.sent else service.sent
                assert conversation == {"messages": sent, "max_tokens": 5}
            caller.run(OSS, {"input": [Message(role="user", content=["What?", picture])]}, checks="off")
            assert service.sent["input"][0]["content"][1] == {"type": "input_image", "image_url": PNG_URL}
    caller.run(GEMMA, {"messages": [Message(role="user", content=picture), Message(role="user", content=["a"])]})
    assert [message["content"] for message in service.sent["messages"]] == [[IMAGE], [{"type": "text", "text": "a"}]]
    odd = [Message(role="user", content=["a", tuple]), Message(role="user", content={"thing": PNG})]
    for message in odd:
        with pytest.raises(InputError, match=r"^inputs\['messages'\]\[0\]"):
            caller.run(GEMMA, {"messages": [message]})


def test_sounds_and_videos_are_parts_too(caller: Caller, service: Service, sound: Path, tmp_path: Path) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"\0\0\0\x20ftypisom" + bytes(9))
    video_url = f"data:video/mp4;base64,{b64encode(video.read_bytes()).decode()}"
    rows: list[tuple[Any, Any]] = [
        *((source, SOUND) for source in (sound, WAV, types.Audio(content=WAV, media_type="audio/wav"))),
        (MP3, {"type": "input_audio", "input_audio": {"data": b64encode(MP3).decode(), "format": "mp3"}}),
        *(
            ({"type": "input_audio", "input_audio": data}, SOUND)
            for data in (sound, WAV, {"data": sound}, {"data": f"data:audio/wav;base64,{WAV_TEXT}"}, {"data": WAV_TEXT})
        ),
        (SOUND, SOUND),
        (
            {"type": "input_audio", "input_audio": {"data": WAV, "format": "pcm16"}},
            {"type": "input_audio", "input_audio": {"data": WAV_TEXT, "format": "pcm16"}},
        ),
        *(
            (part, {"type": "video_url", "video_url": {"url": video_url}})
            for part in (video, {"type": "video_url", "video_url": {"url": video}})
        ),
    ]
    for part, expected in rows:
        with row(part):
            assert send(caller, service, [part]) == [expected]


def test_a_data_url_among_the_parts_is_its_medium_and_other_text_stays(caller: Caller, service: Service) -> None:
    video = b64encode(b"\0\0\0\x20ftypisom" + bytes(9)).decode()
    text = "data: 5 apples"
    rows: list[tuple[str, Any]] = [
        (PNG_URL, IMAGE),
        (PNG_URL[:90] + "\n" + PNG_URL[90:], IMAGE),
        (f"data:audio/x-wav;codecs=1;base64,{WAV_TEXT}", SOUND),
        (
            f"data:video/mp4;base64,{video}",
            {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{video}"}},
        ),
        (f"data:audio/mp4;base64,{video}", {"type": "input_audio", "input_audio": {"data": video, "format": "mp4"}}),
        *((each, {"type": "text", "text": each}) for each in (WEB, text, "data:image/png, a type", PNG_TEXT, "data:")),
    ]
    for part, expected in rows:
        with row(part[:40]):
            assert send(caller, service, ["x", part]) == [{"type": "text", "text": "x"}, expected]
    assert send(caller, service, text) == text
    caller.run(OSS, {"input": [{"role": "user", "content": [PNG_URL]}]}, checks="off")
    assert service.sent["input"][0]["content"] == [{"type": "input_image", "image_url": PNG_URL}]
    with pytest.raises(InputError, match=r"\['content'\]\[1\] must be an image, got audio/wav"):
        send(caller, service, ["x", f"data:image/png;base64,{WAV_TEXT}"])


def test_samples_in_a_part_have_their_rate_beside_them(caller: Caller, service: Service) -> None:
    samples = np.zeros(40, "int16")
    for data in (samples, {"body": samples}):
        (part,) = send(caller, service, [{"type": "input_audio", "input_audio": {"data": data, "sample_rate": 8000}}])
        assert part == SOUND
    for data, rate in ((WAV, 8000), (WAV_TEXT, 8000)):
        fields = {"data": data, "format": "wav", "sample_rate": rate}
        (part,) = send(caller, service, [{"type": "input_audio", "input_audio": fields}])
        assert part["input_audio"] == {**SOUND["input_audio"], "sample_rate": 8000}  # what it means the model may know
    for fields in ({"data": samples}, {"data": samples, "sample_rate": 8000.0}):
        with pytest.raises(InputError, match=r"\['input_audio'\].*`sample_rate`"):
            send(caller, service, [{"type": "input_audio", "input_audio": fields}])


def test_base64_in_lines_is_sent_as_one(caller: Caller, service: Service) -> None:
    url, sound = PNG_URL[:90] + "\n" + PNG_URL[90:], WAV_TEXT[:40] + "\r\n" + WAV_TEXT[40:]
    for part, expected in (
        ({"type": "image_url", "image_url": {"url": url}}, IMAGE),
        ({"type": "image_url", "image_url": url.partition(",")[2]}, IMAGE),
        ({"type": "input_audio", "input_audio": {"data": sound}}, SOUND),
    ):
        assert send(caller, service, [part]) == [expected]


def test_what_is_of_the_wire_already_is_sent_as_it_is(caller: Caller, service: Service) -> None:
    parts = [
        {"type": "text", "text": "a"},
        IMAGE,
        {"type": "image_url", "image_url": {"url": WEB, "detail": "high"}},
        {"type": "file", "file": {"file_id": "x"}},
        {"type": "new", "thing": 1},
        {"type": "image_url"},
        {"type": "image_url", "image_url": {"detail": "low"}},
    ]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "{}", "tool_call_id": "x"},
    ]
    for model in (GEMMA, UNKNOWN, "somebody/eyes"):
        before = copy.deepcopy(messages)
        caller.run(model, {"messages": messages}, checks="off")
        sent = service.sent if "messages" in service.sent else service.sent["input"]
        assert sent["messages"] == messages == before
    for odd in ("text", 5, None, {"a": 1}, [5, "x", {"role": "user"}]):
        caller.run(GEMMA, {"messages": odd}, checks="off")
        assert service.sent == {"messages": odd}


def test_parts_of_the_responses_api_have_its_names(caller: Caller, service: Service, picture: Path) -> None:
    # None of the models that have this API can see, which is checked elsewhere.
    image = {"type": "input_image", "image_url": PNG_URL}
    for part in (picture, PNG, {"type": "input_image", "image_url": picture}, image):
        caller.run(OSS, {"input": [{"role": "user", "content": ["Hello", part]}]}, checks="off")
        assert service.sent["input"][0]["content"] == [{"type": "input_text", "text": "Hello"}, image]
    odd = [{"role": "user", "content": [{"type": "input_image", "image_url": {"detail": "low"}}]}]
    for whole in ("Hello", ["Hello", "there"], odd):
        caller.run(OSS, {"input": whole}, checks="off")
        assert service.sent == {"input": whole}


def test_messages_of_a_batch_are_encoded_too(caller: Caller, service: Service, picture: Path) -> None:
    service.answers(service.result({"status": "queued", "request_id": "x"}))
    requests = [{"messages": [{"role": "user", "content": [picture]}]}, {"prompt": "x"}]
    caller.run(GEMMA, {"requests": requests}, queue_request=True)
    assert service.sent == {"requests": [{"messages": [{"role": "user", "content": [IMAGE]}]}, {"prompt": "x"}]}


def test_images_go_through_a_gateway_and_with_every_option(caller: Caller, service: Service, picture: Path) -> None:
    messages = [{"role": "user", "content": ["x", picture]}]
    for options in ({"gateway": "mine"}, {"reject_if_busy": True}, {"tags": ["a"]}, {"return_raw_response": True}):
        answer = caller.run(GEMMA, {"messages": messages}, **options)
        assert service.sent["messages"][0]["content"][1] == IMAGE
        assert isinstance(answer, httpx.Response) is ("return_raw_response" in options)
    stream = service.events(b'data: {"response":"Hi"}\n\n', b"data: [DONE]\n\n")
    service.answers(stream)
    with caller.run(GEMMA, {"messages": messages, "stream": True}) as tokens:
        assert "".join(map(str, tokens)) == "Hi"
    assert service.sent["messages"][0]["content"][1] == IMAGE


def test_an_address_on_the_web_is_refused_for_models_of_the_native_schema(caller: Caller, service: Service) -> None:
    part = {"type": "image_url", "image_url": {"url": WEB}}
    with pytest.raises(InputError, match=r"\[0\]\['image_url'\]: .*vision-instruct takes no address .*: download the"):
        send(caller, service, [part], LLAMA)
    with pytest.raises(InputError, match="takes no address on the web"):
        caller.run(LLAMA, {"prompt": "x", "image": WEB})
    assert service.requests == []
    assert send(caller, service, [IMAGE], LLAMA) == [IMAGE]


def test_what_is_no_medium_is_refused_by_its_place_and_never_shown(
    caller: Caller, service: Service, tmp_path: Path
) -> None:
    place = r"^inputs\['messages'\]\[1\]\['content'\]"
    rows: list[tuple[Any, str]] = [
        ([tmp_path / "none.png"], r"\[0\]: No such file or directory"),
        (tmp_path, " must be a file, got a directory"),
        (["a", b""], r"\[1\] must not be empty"),
        ([b"secret-words"], r"\[0\] must be an image, a video or a sound, got application/octet-stream"),
        ([{"type": "image_url", "image_url": {"url": "cat.png"}}], r"\[0\]\['image_url'\] must be .*pass Path\('…'\)"),
        ([{"type": "image_url", "image_url": "cat.png"}], r"\[0\]\['image_url'\] must be base64"),
        ([{"type": "image_url", "image_url": {"url": 5}}], r"\[0\]\['image_url'\] must be bytes, a Path"),
        ([{"type": "image_url", "image_url": {"url": WAV}}], r"\[0\]\['image_url'\] must be an image, got audio/wav"),
        ([{"type": "input_audio", "input_audio": {"data": PNG}}], r"\[0\]\['input_audio'\] must be a sound, got"),
        (
            [{"type": "input_audio", "input_audio": {"data": WEB}}],
            r"\[0\]\['input_audio'\]: this model takes no address",
        ),
        ([np.zeros((2, 2), "float32")], r"\[0\] must be an array \(height, width, 3\)"),
        ([{"type": "new", "thing": PNG}], r"\[0\]\['thing'\]: bytes cannot be sent as JSON"),
        *(
            (["a", odd], r"\[1\] must be text, an image, a sound, a video or an object, got")
            for odd in (object(), 5, None, True, [[[1, 2, 3]]], {1}, np.float64(1), tuple)
        ),
        (["a", 5], r"\[1\] must be text, an image, a sound, a video or an object, got 5$"),
        (["a", Part(type="x", thing=object())], r"\[1\]: Part cannot be sent as JSON: "),  # pyright: ignore[reportCallIssue]
        *(
            ([{"type": name, name: Part(type="x", thing=object())}], rf"\[0\]\['{name}'\]: Part cannot be sent")  # pyright: ignore[reportCallIssue]
            for name in ("image_url", "input_audio")
        ),
        ([Tensor(np.zeros((2, 2), "float32"))], r"\[0\] must be an array \(height, width, 3\)"),
        ([Tensor(None)], r"\[0\]: numpy cannot read this Tensor: it has a gradient"),
    ]
    for content, problem in rows:
        with row(problem), pytest.raises(InputError, match=place + problem) as caught:
            send(caller, service, content)
        assert "secret-words" not in str(caught.value)
    assert service.requests == []


def test_a_check_counts_images_however_they_are_passed(picture: Path) -> None:
    with Ai(account_id="0" * 32, api_token="t") as ai:
        results = [
            ai.check(GEMMA, {"messages": [{"role": "user", "content": ["What is it?", part]}]})
            for part in (picture, IMAGE, PIL.Image.open(picture))
        ]
        assert len({str(result) for result in results}) == 1
        assert results[0].tokens is not None
        text = ai.check(GEMMA, {"messages": [{"role": "user", "content": ["What is it?"]}]}).tokens
        assert text is not None
        assert int(results[0].tokens) > int(text) + 100
