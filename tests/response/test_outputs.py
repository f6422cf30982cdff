"""Results of `run`: outputs, and the small things that they are made of."""

from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import httpx
import pytest

import cfai.local
from cfai import Ai
from cfai.types import (
    Audio,
    Binary,
    Embeddings,
    Image,
    Meta,
    NativeText,
    Output,
    TextOutput,
    Token,
    ToolCall,
    Usage,
)
from tests.bodies import CHAT_ANSWER, NATIVE_ANSWER, PNG, RESPONSES_ANSWER
from tests.conftest import ACCOUNT, TOKEN, row


def output_of(result: Any) -> Any:
    """Return the output of a call that is answered with `result`."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"result": result}))
    with httpx.Client(transport=transport) as client:
        return Ai(account_id=ACCOUNT, api_token=TOKEN, http_client=client).run("@cf/some/model", {"prompt": "x"})


def test_usage_is_read_under_either_name() -> None:
    huge = 10**400
    for report, expected in (
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, (3, 4, 7, None)),
        ({"input_tokens": 3, "output_tokens": 4}, (3, 4, 7, None)),
        ({"prompt_tokens": 3}, (3, 0, 3, None)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}, (3, 4, 9, None)),
        ({"prompt_tokens": 3.0, "completion_tokens": "4", "total_tokens": None}, (3, 4, 7, None)),
        ({"prompt_tokens": None, "input_tokens": 3, "neurons": 1}, (3, 0, 3, 1.0)),
        ({"prompt_tokens": True, "completion_tokens": "many", "total_tokens": [], "neurons": "few"}, (0, 0, 0, None)),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, (0, 0, 0, None)),
        ({"neurons": 0.99}, (0, 0, 0, 0.99)),
        ({"neurons": 0}, (0, 0, 0, 0.0)),
        ({"prompt_tokens": huge, "neurons": huge}, (huge, 0, huge, None)),
        ({"prompt_tokens": -huge, "neurons": -huge}, (-huge, 0, -huge, None)),
        ({"prompt_tokens": 1e308, "neurons": 1e308}, (int(1e308), 0, int(1e308), None)),
    ):
        usage = Usage.of(report)
        assert usage is not None, report
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.neurons) == expected, report
        assert usage.raw == report


def test_usage_knows_cached_and_reasoning_tokens() -> None:
    cached, reasoning = {"cached_tokens": 5}, {"reasoning_tokens": 6}
    for report, expected in (
        ({"prompt_tokens_details": cached, "completion_tokens_details": reasoning}, (5, 6)),
        ({"input_tokens_details": cached, "output_tokens_details": reasoning}, (5, 6)),
        ({"prompt_tokens_details": None, "completion_tokens_details": {}}, (0, 0)),
        ({"prompt_tokens_details": [1], "completion_tokens_details": "x"}, (0, 0)),
        ({"prompt_tokens": 1}, (0, 0)),
    ):
        usage = Usage.of(report)
        assert usage is not None, report
        assert (usage.cached_tokens, usage.reasoning_tokens) == expected, report
    for report in (None, {}, [], "", "3", 3, [{"prompt_tokens": 3}], True):
        assert Usage.of(report) is None, report
    with pytest.raises(FrozenInstanceError):
        Usage().prompt_tokens = 1


def test_arguments_are_parsed_on_demand_and_say_whose_they_are_if_they_are_no_json() -> None:
    for arguments, parsed in (
        ('{"city": "Paris"}', {"city": "Paris"}),
        *((blank, {}) for blank in ("", " \n")),
        ("[1]", [1]),
        ("null", None),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"a": 12345678901234567890}', {"a": 12345678901234567890}),
    ):
        call = ToolCall("f", arguments)
        assert (call.parse(), call.arguments) == (parsed, arguments)
    for arguments in ('{"city":', "Paris", "{'a': 1}", "[" * 100_000):
        with row(arguments[:9]), pytest.raises(ValueError, match="arguments of 'get_weather' are no JSON") as raised:
            ToolCall("get_weather", arguments).parse()
        assert len(str(raised.value)) < 300


def test_a_token_is_its_text_and_has_the_usage_of_its_event() -> None:
    token = Token("Hi", {"secret": 1})
    assert str(token) == f"{token}" == token.text == "Hi"
    parts = (token.reasoning, token.tool_calls, token.finish_reason, token.usage, token.choice)
    assert parts == ("", (), None, None, 0)
    assert "secret" not in repr(token)
    for raw, total in (
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, 7),
        ({"response": {"usage": {"input_tokens": 3, "output_tokens": 4}}}, 7),
        *((raw, None) for raw in ({"response": "text"}, {"response": None}, {"usage": None}, {})),
    ):
        usage = Token("", raw).usage
        assert (usage and usage.total_tokens) == total, raw


def test_fields_are_attributes_and_items() -> None:
    output: Any = output_of({"shape": [1, 2], "items": [[0.5]], "model": "x", "model_config": 1})
    assert type(output) is Output
    assert output["shape"] == output.shape == output.get("shape") == [1, 2]
    assert (output["model"], output["model_config"]) == ("x", 1)
    assert [name in output for name in ("shape", "other", 5)] == [True, False, False]
    assert (output.get("other"), output.get("other", 5)) == (None, 5)
    with pytest.raises(KeyError, match="other"):
        output["other"]


def test_a_field_that_has_a_name_here_is_an_item_only_if_it_was_sent() -> None:
    assert "response" in NativeText.model_validate({"response": None})
    assert NativeText.model_validate({"response": None})["response"] is None
    assert "response" not in NativeText.model_validate({"tool_calls": []})
    assert "text" not in output_of(NATIVE_ANSWER)
    for output, name in ((NativeText.model_validate({}), "response"), (output_of(NATIVE_ANSWER), "model_dump")):
        with pytest.raises(KeyError, match=name):
            output[name]
    theirs = {"response": "Hello", "text": "theirs", "meta": 1, "usage": {"prompt_tokens": 3}, "tool_calls": []}
    output = output_of(theirs)
    assert (output.text, output.meta.model, output.usage.prompt_tokens) == ("Hello", "@cf/some/model", 3)
    assert {name: output[name] for name in theirs} == theirs


def test_a_text_answer_without_anything_is_empty() -> None:
    output: TextOutput = NativeText.model_validate({})
    summary = (output.text, output.reasoning, output.tool_calls, output.finish_reason, output.usage)
    assert summary == ("", "", [], None, None)
    assert output.meta == Meta()
    assert output.tool_calls is not NativeText.model_validate({}).tool_calls


def test_each_text_answer_has_its_own_fields_and_prints_as_its_text() -> None:
    outputs = [output_of(fields) for fields in (NATIVE_ANSWER, CHAT_ANSWER, RESPONSES_ANSWER)]
    for output, fields in zip(outputs, (NATIVE_ANSWER, CHAT_ANSWER, RESPONSES_ANSWER), strict=True):
        assert str(output) == f"{output}" == "Hello"
        assert output.model_dump(exclude_unset=True) == fields
    native, chat, responses = outputs
    assert native.response == "Hello"
    [choice] = chat.choices
    assert (chat["id"], choice.index, choice.finish_reason, "logprobs" in choice) == ("chatcmpl-1", 0, "stop", True)
    message = choice.message
    assert (message.role, message.content, message.tool_calls) == ("assistant", "Hello", None)
    assert message["reasoning_content"] == "Greet."
    assert (responses.status, responses.output, responses["id"]) == ("completed", RESPONSES_ANSWER["output"], "resp_1")


def test_what_is_no_object_is_a_list_of_labels_or_the_field_result() -> None:
    labels = output_of([{"label": "A", "score": 0.25}, {"label": "B", "score": 0.75}])
    assert [(item.label, item["label"]) for item in labels] == [("A", "A"), ("B", "B")]
    assert (labels[1].score, labels[-1:], len(labels), labels.best.label) == (0.75, [labels[1]], 2, "B")
    shown = "Classification([Label(label='A', score=0.25), Label(label='B', score=0.75)])"
    assert (str(labels), repr(labels)) == (shown, shown)
    for result in ([1, 2], ["a"], [], 5, 0.5, True, None, [{"label": "A"}], [{"label": "A", "score": "high"}]):
        with row(result):
            output: Any = output_of(result)
            assert (type(output), output.result, output["result"]) == (Output, result, result)


def test_the_bytes_say_what_they_are() -> None:
    meta = Meta("@cf/some/model", "request-1")
    for content, declared, media_type in (
        (PNG, "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0\0", "image/png", "image/jpeg"),
        (b"GIF89a", "", "image/gif"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/mpeg", "audio/wav"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "", "image/webp"),
        (b"RIFF\0\0\0\0XXXX", "audio/x-own", "audio/x-own"),
        (b"ID3\x03\0", "", "audio/mpeg"),
        (b"\xff\xfb\x90\0", "application/octet-stream", "audio/mpeg"),
        (b"\xff\xf3\x90\0", "", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "", "audio/aac"),
        (b"OggS\0", "audio/mpeg", "audio/ogg"),
        (b"fLaC\0", "", "audio/flac"),
        (b"%PDF-1.7", "", "application/pdf"),
        (b"what is this", "Video/MP4; codecs=x", "video/mp4"),
        (b"what is this", "", "application/octet-stream"),
        (b"", "image/png", "image/png"),
        (b"", "", "application/octet-stream"),
    ):
        output = Binary.of(content, declared, meta)
        assert (output.media_type, output.content, output.meta) == (media_type, content, meta), (content, declared)


def test_bytes_are_bytes_and_an_image_is_shown_as_it_is() -> None:
    output = Binary.of(b"ID3abc", "", Meta())
    assert type(output) is Audio
    assert (bytes(output), len(output), output.meta) == (b"ID3abc", 6, Meta())
    assert "abc" not in repr(output)
    image = Binary.of(PNG, "", Meta())
    assert isinstance(image, Image)
    assert image._repr_mimebundle_(include=None) == {"image/png": PNG}


def test_bytes_are_saved_under_the_suffix_of_their_type_and_over_nothing_unless_told_to(tmp_path: Path) -> None:
    image, sound = Image(content=PNG, media_type="image/png"), Audio(content=b"ID3", media_type="audio/mpeg")
    assert image.save(tmp_path / "a") == tmp_path / "a.png"
    assert sound.save(str(tmp_path / "a")) == tmp_path / "a.mp3"
    assert image.save(tmp_path / "a.bin").read_bytes() == PNG
    (tmp_path / "b.png").write_bytes(b"what was there before, and longer" + PNG)
    for path in (tmp_path / "b", tmp_path / "b.png"):
        with pytest.raises(FileExistsError, match="overwrite=True"):
            image.save(path)
        assert image.save(path, overwrite=True).read_bytes() == PNG
        path.with_suffix(".png").write_bytes(b"before")
    assert Binary(content=b"x", media_type="x/y").save(tmp_path / "c").name == "c"
    for name in ("v1.2", "2026-10-09T10.15", "no.", ".hidden", "a.b.7"):
        assert image.save(tmp_path / name).name == f"{name}.png"
    for name in ("a.JPG", "v1.2.webp", "a.é"):
        assert image.save(tmp_path / name).name == name


def test_a_directory_is_no_path_to_save_to(tmp_path: Path) -> None:
    image = Image(content=PNG, media_type="image/png")
    (tmp_path / "sub").mkdir()
    for path in (tmp_path / "sub", str(tmp_path / "sub"), f"{tmp_path}/sub/", f"{tmp_path}/other/", "", "."):
        for overwrite in (False, True):
            with (
                row(path),
                pytest.raises(IsADirectoryError, match=r"must be that of a file, and .* is a directory: pass"),
            ):
                image.save(path, overwrite=overwrite)
    assert [*tmp_path.iterdir()] == [tmp_path / "sub"]


def test_an_image_and_a_sound_become_arrays() -> None:
    local = Path(cfai.local.__file__).parent / "emulator" / "media"
    picture = Image(content=(local / "picture.png").read_bytes(), media_type="image/png")
    assert picture.to_pil().size == (512, 512)
    assert (picture.to_numpy().shape, picture.to_numpy().dtype) == ((512, 512, 3), "uint8")
    for name in ("speech.wav", "speech.mp3"):
        speech = Binary.of((local / name).read_bytes(), "", Meta())
        assert isinstance(speech, Audio)
        samples = speech.to_numpy()
        assert (samples.dtype, samples.ndim) == ("float32", 1)
        assert 1 < len(samples) / speech.sample_rate < 60
        assert 0.01 < abs(samples).max() <= 1
    for array in (picture.to_numpy(), samples, Embeddings(data=[[0.5]]).to_numpy()):
        array *= 0  # it can be written to


def test_a_package_that_is_not_installed_is_named_with_the_call_and_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    local = Path(cfai.local.__file__).parent / "emulator" / "media"
    picture = Image(content=(local / "picture.png").read_bytes(), media_type="image/png")
    speech = Audio(content=(local / "speech.wav").read_bytes(), media_type="audio/wav")
    for package, call, use in (
        ("PIL", "Image.to_pil()", picture.to_pil),
        ("PIL", "Image.to_numpy()", picture.to_numpy),
        ("numpy", "Image.to_numpy()", picture.to_numpy),
        ("numpy", "Embeddings.to_numpy()", Embeddings(data=[[0.5]]).to_numpy),
        ("soundfile", "Audio.to_numpy()", speech.to_numpy),
        ("soundfile", "Audio.sample_rate", lambda: speech.sample_rate),
    ):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with row((package, call)), pytest.raises(ModuleNotFoundError) as caught:
                use()
            line = f'{call} needs {package}, which is not installed: pip install "cfai-sdk[media]"'
            assert (str(caught.value), caught.value.name) == (line, package)


def test_a_sound_without_a_header_says_what_to_ask_for() -> None:
    samples = Audio(content=bytes(range(256)), media_type="audio/l16")
    for read in (samples.to_numpy, lambda: samples.sample_rate):
        with pytest.raises(
            ValueError, match=r"cannot read Audio\(audio/l16, 256 bytes\): ask the model for a container"
        ):
            read()


def test_what_has_no_text_shows_its_class_when_it_is_printed() -> None:
    noul = {"type": "noul", "noul": 0.5, "new": 1}
    for result, shown in (
        ({"response": [{"id": 1, "score": 0.5}]}, "Reranking(response=[RankedContext(id=1, score=0.5)])"),
        ({"is_complete": True, "probability": 0.5}, "TurnDetection(is_complete=True, probability=0.5)"),
        ({"answers": {"a": noul}}, "ClefOutput(answers={'a': ClefAnswer(type='noul', noul=0.5, new=1)})"),
        ({"other": 1}, "Output(other=1)"),
        ({"data": [[0.5, 1]]}, "Embeddings(shape=[1, 2], pooling=None)"),
    ):
        output = output_of(result)
        assert str(output) == f"{output}" == repr(output) == shown
    assert str(output_of({"answers": {"a": noul}}).answers["a"]) == "ClefAnswer(type='noul', noul=0.5, new=1)"
    for result in (
        {"summary": "Hi"},
        {"translated_text": "Hi"},
        {"description": "Hi"},
        {"text": "Hi", "vtt": ""},
        "Hi",
    ):
        assert str(output_of(result)) == "Hi", result


def test_vectors_are_counted_where_their_shape_is_not_told() -> None:
    for fields, shape in (
        ({"data": [[0.5, 1], [0, 1]]}, [2, 2]),
        ({"response": [[0.5]], "shape": None}, [1, 1]),
        ({"data": [[0.5]], "shape": [7, 8]}, [7, 8]),
        ({"data": []}, [0, 0]),
        ({}, [0, 0]),
    ):
        assert Embeddings(**fields).shape == shape, fields
