"""What `run` gives back."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from cfai.types import (
    Binary,
    ChatCompletion,
    ListOutput,
    Meta,
    NativeText,
    Output,
    ResponsesOutput,
    TextOutput,
    Token,
    ToolCall,
    ToolCallDelta,
    Usage,
    ValueOutput,
)
from cfai.types._tokens import TextSummary
from tests.conftest import Caller, Service

META = Meta("@cf/some/model", "request-1", 200, 0.5, "log-1", 1.25)
USAGE = Usage.of({"prompt_tokens": 3, "completion_tokens": 4, "neurons": 0.5})


def text_output(kind: type[TextOutput], fields: dict[str, Any]) -> TextOutput:
    """Return an output as the package makes it: the service's fields, and what they come down to."""
    output = kind.model_validate(fields)
    said = TextSummary("Hello", "Hm", [ToolCall("f", "{}", "a")], "stop", USAGE)
    output.__pydantic_private__ = {"_meta": META, "_summary": said}
    return output


def with_meta(output: Any) -> Any:
    output._meta = META
    return output


NATIVE: dict[str, Any] = {"response": "Hello", "usage": {"prompt_tokens": 3}, "new": {"a": [1]}}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "new": 1},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
}
RESPONSES: dict[str, Any] = {
    "object": "response",
    "status": "completed",
    "output": [{"type": "message"}],
    "output_text": "x",
}

OUTPUTS = [
    text_output(NativeText, NATIVE),
    text_output(ChatCompletion, CHAT),
    text_output(ResponsesOutput, RESPONSES),
    with_meta(Output.model_validate({"shape": [1, 2], "data": [[0.5, 0.25]]})),
    with_meta(ListOutput([{"label": "POSITIVE", "score": 0.5}])),
    with_meta(ValueOutput("text")),
    Binary(b"\x89PNG", "image/png", META),
]
SMALL = [
    META,
    USAGE,
    ToolCall("f", "{}", "a"),
    ToolCallDelta(0, "f", "{}", "a"),
    Token("Hi", {"response": "Hi"}, "Hm", (ToolCallDelta(0),), "stop", 1),
]

by_type = pytest.mark.parametrize("value", OUTPUTS + SMALL, ids=lambda value: type(value).__name__)


@by_type
def test_everything_that_comes_back_survives_pickling(value: Any) -> None:
    again = pickle.loads(pickle.dumps(value))
    assert type(again) is type(value)
    assert again == value


@by_type
def test_everything_that_comes_back_can_be_copied(value: Any) -> None:
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda value: type(value).__name__)
def test_what_is_no_field_survives_pickling_too(output: Any) -> None:
    again = pickle.loads(pickle.dumps(output))
    assert again.meta == META
    if isinstance(output, TextOutput):
        assert (again.text, again.reasoning, again.tool_calls) == ("Hello", "Hm", [ToolCall("f", "{}", "a")])
        assert (again.finish_reason, again.usage) == ("stop", USAGE)


def test_a_token_with_half_a_character_in_its_event_survives_pickling() -> None:
    token = Token("", {"response": "\ud83d"})
    assert pickle.loads(pickle.dumps(token)) == token


# Usage.


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, Usage(3, 4, 7)),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4, 7)),
        ({"prompt_tokens": 3}, Usage(3, 0, 3)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}, Usage(3, 4, 9)),
        ({"prompt_tokens": 3.0, "completion_tokens": "4", "total_tokens": None}, Usage(3, 4, 7)),
        ({"prompt_tokens": None, "input_tokens": 3, "neurons": 1}, Usage(3, 0, 3, 1.0)),
        ({"prompt_tokens": True, "completion_tokens": "many", "total_tokens": [], "neurons": "few"}, Usage(0, 0, 0)),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, Usage(0, 0, 0)),
        ({"neurons": 0.99}, Usage(0, 0, 0, 0.99)),
        ({"neurons": 0}, Usage(0, 0, 0, 0.0)),
    ],
)
def test_usage_is_read_under_either_name(report: dict[str, Any], expected: Usage) -> None:
    usage = Usage.of(report)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.neurons) == (
        expected.prompt_tokens,
        expected.completion_tokens,
        expected.total_tokens,
        expected.neurons,
    )
    assert usage.raw == report


@pytest.mark.parametrize("report", [None, {}, [], "", "3", 3, [{"prompt_tokens": 3}], True])
def test_what_is_no_report_is_no_usage(report: Any) -> None:
    assert Usage.of(report) is None


@pytest.mark.parametrize("huge", [10**400, -(10**400), float("1e308")])
def test_numbers_too_large_for_a_float_break_no_usage(huge: float) -> None:
    usage = Usage.of({"prompt_tokens": huge, "neurons": huge})
    assert usage is not None
    assert usage.prompt_tokens == huge


@pytest.mark.parametrize(
    ("report", "cached", "reasoning"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 6}}, 5, 6),
        ({"input_tokens_details": {"cached_tokens": 5}, "output_tokens_details": {"reasoning_tokens": 6}}, 5, 6),
        ({"prompt_tokens_details": None, "completion_tokens_details": {}}, 0, 0),
        ({"prompt_tokens_details": [1], "completion_tokens_details": "x"}, 0, 0),
        ({"prompt_tokens": 1}, 0, 0),
    ],
)
def test_usage_knows_cached_and_reasoning_tokens(report: dict[str, Any], cached: int, reasoning: int) -> None:
    usage = Usage.of(report)
    assert usage is not None
    assert (usage.cached_tokens, usage.reasoning_tokens) == (cached, reasoning)


def test_usage_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Usage().prompt_tokens = 1


# Tool calls.


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ('{"city": "Paris"}', {"city": "Paris"}),
        ("", {}),
        (" \n", {}),
        ("[1]", [1]),
        ("null", None),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"a": 12345678901234567890}', {"a": 12345678901234567890}),
    ],
)
def test_arguments_are_parsed_on_demand(arguments: str, parsed: Any) -> None:
    call = ToolCall("f", arguments)
    assert call.parse() == parsed
    assert call.arguments == arguments


@pytest.mark.parametrize("arguments", ['{"city":', "Paris", "{'a': 1}", "[" * 100_000])
def test_arguments_that_are_no_json_say_whose_they_are(arguments: str) -> None:
    with pytest.raises(ValueError, match="arguments of 'get_weather' are no JSON") as raised:
        _ = ToolCall("get_weather", arguments).parse()
    assert len(str(raised.value)) < 300


# Tokens.


def test_a_token_is_its_text() -> None:
    token = Token("Hi", {"response": "Hi"})
    assert (str(token), f"{token}", token.text) == ("Hi", "Hi", "Hi")
    assert (token.reasoning, token.tool_calls, token.finish_reason, token.usage, token.choice) == (
        "",
        (),
        None,
        None,
        0,
    )


def test_a_token_does_not_show_its_event() -> None:
    assert "secret" not in repr(Token("Hi", {"secret": 1}))


@pytest.mark.parametrize(
    ("raw", "total"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, 7),
        ({"response": {"usage": {"input_tokens": 3, "output_tokens": 4}}}, 7),
        ({"response": "text"}, None),
        ({"response": None}, None),
        ({"usage": None}, None),
        ({}, None),
    ],
)
def test_a_token_has_the_usage_of_its_event(raw: dict[str, Any], total: int | None) -> None:
    usage = Token("", raw).usage
    assert (usage and usage.total_tokens) == total


# Outputs.


def test_fields_are_attributes_and_items() -> None:
    output = Output.model_validate({"shape": [1, 2], "data": [[0.5]], "model": "x", "model_config": 1})
    extra: Any = output
    assert output["shape"] == extra.shape == [1, 2]
    assert output["model"] == "x"
    assert output["model_config"] == 1
    assert "data" in output
    assert "other" not in output
    assert 5 not in output
    assert output.get("other") is None
    assert output.get("other", 5) == 5
    assert output.get("shape") == [1, 2]
    with pytest.raises(KeyError, match="other"):
        output["other"]


def test_a_field_that_has_a_name_here_is_an_item_only_if_it_was_sent() -> None:
    assert "response" in NativeText.model_validate({"response": None})
    assert NativeText.model_validate({"response": None})["response"] is None
    assert "response" not in NativeText.model_validate({"tool_calls": []})
    with pytest.raises(KeyError, match="response"):
        NativeText.model_validate({})["response"]


def test_a_field_is_never_a_method_or_a_property() -> None:
    assert "text" not in text_output(NativeText, NATIVE)
    with pytest.raises(KeyError, match="model_dump"):
        text_output(NativeText, NATIVE)["model_dump"]


def test_fields_of_the_service_under_names_of_ours_stay_items() -> None:
    output = text_output(NativeText, {"text": "theirs", "meta": 1, "usage": {"prompt_tokens": 3}, "tool_calls": []})
    assert (output.text, output.meta, output.usage) == ("Hello", META, USAGE)
    assert (output["text"], output["meta"], output["usage"], output["tool_calls"]) == (
        "theirs",
        1,
        {"prompt_tokens": 3},
        [],
    )


def test_a_text_answer_prints_as_its_text() -> None:
    for output in OUTPUTS[:3]:
        assert str(output) == f"{output}" == "Hello"


def test_a_text_answer_without_anything_is_empty() -> None:
    output = NativeText.model_validate({})
    assert (output.text, output.reasoning, output.tool_calls, output.finish_reason, output.usage) == (
        "",
        "",
        [],
        None,
        None,
    )
    assert output.meta == Meta()
    assert output.tool_calls is not NativeText.model_validate({}).tool_calls


def test_a_native_answer_has_its_fields() -> None:
    output = text_output(NativeText, NATIVE)
    assert isinstance(output, NativeText)
    assert output.response == "Hello"
    assert output["new"] == {"a": [1]}


def test_a_chat_completion_has_its_fields() -> None:
    output = text_output(ChatCompletion, CHAT)
    assert isinstance(output, ChatCompletion)
    message = output.choices[0].message
    assert message is not None
    assert (output["id"], output.choices[0].index, output.choices[0].finish_reason) == ("chatcmpl-1", 0, "stop")
    assert (message.role, message.content, message["new"], message.tool_calls) == ("assistant", "Hello", 1, None)
    assert "logprobs" in output.choices[0]


def test_a_responses_answer_has_its_fields() -> None:
    output = text_output(ResponsesOutput, RESPONSES)
    assert isinstance(output, ResponsesOutput)
    assert (output.status, output.output, output["output_text"]) == ("completed", [{"type": "message"}], "x")


def test_the_fields_come_out_as_they_went_in() -> None:
    for kind, fields in ((NativeText, NATIVE), (ChatCompletion, CHAT), (ResponsesOutput, RESPONSES)):
        assert text_output(kind, fields).model_dump(exclude_unset=True) == fields


def test_a_list_is_a_list() -> None:
    output = ListOutput([{"label": "A"}, {"label": "B"}])
    assert [item["label"] for item in output] == ["A", "B"]
    assert (output[1], output[-2:], len(output)) == ({"label": "B"}, output.root, 2)
    assert output.meta == Meta()


def test_any_other_value_is_in_its_root() -> None:
    assert ValueOutput(None).root is None
    assert ValueOutput(0.5).meta == Meta()


# Binary.

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


@pytest.mark.parametrize(
    ("content", "declared", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0", "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0\0", "image/png", "image/jpeg"),
        (b"GIF89a", "", "image/gif"),
        (WAV, "audio/mpeg", "audio/wav"),
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
    ],
)
def test_the_bytes_say_what_they_are(content: bytes, declared: str, media_type: str) -> None:
    found = Binary.of(content, declared, META)
    assert (found.media_type, found.content, found.meta) == (media_type, content, META)


def test_bytes_are_bytes() -> None:
    found = Binary(b"abc", "audio/mpeg")
    assert (bytes(found), len(found), found.meta) == (b"abc", 3, Meta())


def test_bytes_are_not_shown() -> None:
    assert "abc" not in repr(Binary(b"abc", "audio/mpeg"))


@pytest.mark.parametrize("as_type", [str, Path])
def test_bytes_are_saved_where_they_are_told_to(as_type: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"what was there before, and longer")
    assert Binary(b"\x89PNG", "image/png").save(as_type(target)) == target
    assert target.read_bytes() == b"\x89PNG"


def test_a_notebook_shows_images_and_nothing_else() -> None:
    assert Binary(b"x", "image/png")._repr_mimebundle_(include=None) == {"image/png": b"x"}
    assert Binary(b"x", "audio/mpeg")._repr_mimebundle_() == {}


@pytest.mark.parametrize("body", [b'{"a\\ud83d": 1, "b": 2}', b'{"result": {"a\\ud83d": 1, "b": 2}, "success": true}'])
def test_half_a_character_in_a_name_does_not_lose_the_answer(caller: Caller, service: Service, body: bytes) -> None:
    service.answers(service.json(body))
    output = caller.run("@cf/some/model", {"prompt": "x"})
    assert isinstance(output, Output)
    assert output["b"] == 2
    assert output["a\ud83d"] == 1
