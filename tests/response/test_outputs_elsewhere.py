"""Outputs inside other people's objects: models of pydantic, routes of FastAPI, JSON, and copies."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import pickle
from collections.abc import Iterator
from typing import Any

import fastapi
import httpx
import pytest
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import FastAPIError, ResponseValidationError
from fastapi.testclient import TestClient
from pydantic import TypeAdapter, ValidationError, create_model

import cfai
from cfai import Ai, AsyncStream, CheckResult, Stream, Token
from cfai.types import (
    Binary,
    ChatCompletion,
    Classification,
    Embeddings,
    Image,
    MessagesOutput,
    NativeText,
    Output,
    ResponsesOutput,
    TextOutput,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.bodies import CHAT_ANSWER, NATIVE_ANSWER, PNG, RESPONSES_ANSWER
from tests.conftest import ACCOUNT, TOKEN, row

MODEL = "@cf/zai-org/glm-4.7-flash"
TOOL_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
TEXTS: list[dict[str, Any]] = [
    NATIVE_ANSWER,
    CHAT_ANSWER,
    RESPONSES_ANSWER,
    {"tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
    {"response": {"a": [1, None]}, "new": {"b": 1}},
    {"choices": [{"message": {"content": None, "tool_calls": [TOOL_CALL]}, "new": 1}], "id": "x"},
]
OBJECTS: list[dict[str, Any]] = [*TEXTS, {"shape": [1, 2], "data": [[0.5]]}]
OTHERS: list[Any] = [[{"label": "A", "score": 0.5}], 5, "Hello", None]


def answered(*results: Any) -> list[Any]:
    """Return the outputs of calls that are answered with `results`."""
    left = [json.dumps({"result": result}).encode() for result in results]
    headers = {"cf-ai-req-id": "id-1", "content-type": "application/json"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=left.pop(0)))
    with httpx.Client(transport=transport) as client:
        ai = Ai(account_id=ACCOUNT, api_token=TOKEN, http_client=client)
        return [ai.run("@cf/some/model", {"prompt": "x"}) for _ in results]


def image() -> Image:
    return Image(content=PNG, media_type="image/png")


def get(result: Any, returns: Any, **options: Any) -> Any:
    """Return what a route of FastAPI makes of a result, with a return type or without one."""
    app = fastapi.FastAPI()

    def ask() -> Any:
        return result

    ask.__annotations__ = {} if returns is None else {"return": returns}
    app.get("/", **options)(ask)
    assert app.openapi()["paths"]["/"]
    response = TestClient(app).get("/")
    assert response.status_code == 200
    return response.json()


def summary(answer: Any) -> Any:
    names = ("text", "reasoning", "tool_calls", "finish_reason", "usage")
    return str(answer), [getattr(answer, name) for name in names]


def test_an_answer_gives_its_data_whatever_base_class_is_declared() -> None:
    for fields, answer in zip(OBJECTS, answered(*OBJECTS), strict=True):
        bases = [base for base in (Output, TextOutput, type(answer)) if isinstance(answer, base)]
        for declared in (*bases, *(base | None for base in bases), Output | Classification | Binary, Any):
            with row((fields, declared)):
                data = answer.model_dump()
                model: Any = create_model("Mine", field=(declared, ...), others=(list[declared], ...))
                mine = model(field=answer, others=[answer])
                assert json.loads(TypeAdapter(declared).dump_json(answer)) == data
                assert TypeAdapter(dict[str, declared]).dump_python({"a": answer}) == {"a": data}
                assert mine.model_dump() == {"field": data, "others": [data]} == mine.model_dump(mode="json")
                assert json.loads(mine.model_dump_json(by_alias=True)) == mine.model_dump()
                assert mine.model_dump(exclude_unset=True)["field"] == fields
                held: Any = dataclasses.make_dataclass("Held", [("answer", declared)])
                assert get(held(answer), held) == {"answer": data}
                assert dataclasses.asdict(held(answer)) == {"answer": answer}
                assert get(answer, declared) == data
                assert get([answer], list[declared]) == [data]
        with row(fields):
            assert get(answer, None) == get(answer, None, response_model=Output) == data
            assert get(answer, None, response_model=Output, response_model_exclude_unset=True) == fields
            assert jsonable_encoder(answer) == json.loads(json.dumps(answer.model_dump())) == data


def test_options_of_a_dump_reach_an_answer_under_its_base_class() -> None:
    chat, native = answered(CHAT_ANSWER, {"response": None, "usage": {"total_tokens": 5}})
    model: Any = create_model("Mine", chat=(Output, ...), native=(TextOutput | None, None))
    mine = model(chat=chat, native=native)
    for options, expected in (
        (
            {"include": {"chat": {"choices": {0: {"finish_reason"}}}}},
            {"chat": {"choices": [{"finish_reason": "stop"}]}},
        ),
        ({"exclude": {"chat": True, "native": {"response"}}}, {"native": {"usage": {"total_tokens": 5}}}),
        ({"exclude_none": True, "include": {"native"}}, {"native": {"usage": {"total_tokens": 5}}}),
        ({"round_trip": True, "include": {"native"}}, {"native": native.model_dump()}),
    ):
        with row(options):
            assert mine.model_dump(**options) == json.loads(mine.model_dump_json(**options)) == expected


def test_an_answer_is_made_again_from_its_data() -> None:
    for fields, answer in zip(TEXTS, answered(*TEXTS), strict=True):
        model: Any = create_model("Mine", field=(Output | None, None))
        mine = model(field=answer)
        for way, back in (
            ("dict", TextOutput.model_validate(answer.model_dump())),
            ("JSON", TextOutput.model_validate_json(answer.model_dump_json())),
            ("unset", TextOutput.model_validate(answer.model_dump(exclude_unset=True))),
            ("own class", type(answer).model_validate_json(answer.model_dump_json())),
            ("base class", Output.model_validate(answer.model_dump())),
            ("list", TypeAdapter(list[Output]).validate_python([answer.model_dump()])[0]),
            ("field", model.model_validate(mine.model_dump()).field),
            ("field, JSON", model.model_validate_json(mine.model_dump_json()).field),
            ("keywords", TextOutput(**answer.model_dump())),
            ("mapping", TextOutput.model_validate(dict(answer))),
            ("itself", TextOutput.model_validate(answer)),
            ("model_copy", answer.model_copy()),
            ("deep model_copy", answer.model_copy(deep=True)),
            ("copy", copy.copy(answer)),
            ("deepcopy", copy.deepcopy(answer)),
            ("pickle", pickle.loads(pickle.dumps(answer))),
        ):
            with row((fields, way)):
                assert type(back) is type(answer)
                assert back == answer
                assert summary(back) == summary(answer)
                assert back.model_dump() == answer.model_dump()


def test_other_results_are_made_again_from_their_data() -> None:
    for result in (*answered(*OTHERS, OBJECTS[-1]), image(), Binary(content=b"", media_type="x/y")):
        kind = type(result)
        for way, back in (
            ("dict", kind.model_validate(result.model_dump())),
            ("JSON", kind.model_validate_json(result.model_dump_json())),
            ("model_copy", result.model_copy()),
            ("deepcopy", copy.deepcopy(result)),
            ("pickle", pickle.loads(pickle.dumps(result))),
        ):
            with row((result, way)):
                assert type(back) is kind
                assert back == result


def test_a_union_of_outputs_takes_each_for_what_it_is() -> None:
    adapter: Any = TypeAdapter(Output | Classification)
    for result in answered(*OTHERS, *OBJECTS):
        for back in (
            adapter.validate_python(adapter.dump_python(result)),
            adapter.validate_json(adapter.dump_json(result)),
        ):
            with row(result):
                assert type(back) is type(result)
                assert back == result


def test_data_made_into_an_answer_again_has_no_facts_of_a_call() -> None:
    [answer] = answered(NATIVE_ANSWER)
    back = TextOutput.model_validate(answer.model_dump())
    assert (answer.meta.request_id, back.meta.request_id) == ("id-1", None)
    assert back == answer != TextOutput.model_validate({**NATIVE_ANSWER, "new": 1})
    assert answer != answer.model_dump()
    assert Image(content=b"", media_type="x/y") != Binary(content=b"", media_type="x/y")


def test_a_copy_with_another_text_says_so() -> None:
    [answer] = answered(NATIVE_ANSWER)
    changed = answer.model_copy(update={"response": "Goodbye"})
    assert (changed.text, answer.text, changed.usage) == ("Goodbye", "Hello", answer.usage)


def test_an_answer_made_by_hand_has_the_class_and_text_of_its_shape() -> None:
    choices = [{"message": {"content": "Hi"}}]
    for answer, kind in (
        (TextOutput(response="Hi"), NativeText),
        (Output(choices=choices), ChatCompletion),
        (NativeText(response="Hi"), NativeText),
        (NativeText.model_construct(response="Hi"), NativeText),
        (ChatCompletion.model_construct(choices=choices), ChatCompletion),
        (TextOutput(type="message", content=[{"type": "text", "text": "Hi"}]), MessagesOutput),
        (TextOutput(object="response", output=[{"content": [{"type": "output_text", "text": "Hi"}]}]), ResponsesOutput),
    ):
        with row(answer):
            assert type(answer) is kind
            assert str(answer) == "Hi"


def test_half_a_surrogate_pair_reads_the_same_from_data() -> None:
    [answer] = answered({"response": "a\ud83d"})
    assert TextOutput.model_validate(answer.model_dump()).text == answer.text == "a\ufffd"


def test_an_object_is_a_mapping_of_what_was_sent() -> None:
    for fields, answer in zip(OBJECTS, answered(*OBJECTS), strict=True):
        with row(fields):
            assert (
                json.loads(TypeAdapter(dict).dump_json(TypeAdapter(dict).validate_python(answer))).keys()
                == fields.keys()
            )
            assert dict(answer).keys() == {**answer}.keys() == set(answer) == fields.keys()
            assert len(answer) == len(fields)
            assert get(answer, dict).keys() == get(answer, dict[str, Any]).keys() == fields.keys()


def test_a_result_of_another_kind_than_declared_is_refused_rather_than_emptied() -> None:
    text, embeddings, labels = answered(NATIVE_ANSWER, OBJECTS[-1], OTHERS[0])
    for result, declared in (
        (labels, Output),
        (image(), Output),
        (embeddings, TextOutput),
        (text, ChatCompletion),
        (text, Classification),
        (text, Embeddings),
        (labels, Binary),
    ):
        with row((result, declared)):
            with pytest.raises(ResponseValidationError):
                get(result, declared)
            with pytest.raises(ValidationError):
                create_model("Mine", field=(declared, ...))(field=result)


def test_an_image_in_json_is_base64() -> None:
    result = image()
    encoded = {"content": base64.b64encode(PNG).decode(), "media_type": "image/png"}
    model: Any = create_model("Mine", field=(Binary, ...))
    for way, data in (
        ("dump", result.model_dump(mode="json")),
        ("JSON", json.loads(result.model_dump_json())),
        ("field", model(field=result).model_dump(mode="json")["field"]),
        ("encoder", jsonable_encoder(result)),
        *((repr(returns), get(result, returns)) for returns in (Binary, Binary | None, Any, None)),
    ):
        with row(way):
            assert data == encoded
    assert result.model_dump() == {"content": PNG, "media_type": "image/png"}
    assert model.model_validate({"field": encoded}).field == result
    with pytest.raises(ValidationError, match="content"):
        Binary.model_validate({**encoded, "content": "no base64!"})


def test_the_schema_of_a_route_says_what_comes() -> None:
    app = fastapi.FastAPI()
    for index, returns in enumerate(
        (Output, TextOutput, ChatCompletion, Classification, Binary, Usage, ToolCall, Token)
    ):

        def ask() -> Any: ...

        ask.__annotations__ = {"return": returns}
        app.get(f"/{index}")(ask)
    schemas: Any = app.openapi()["components"]["schemas"]
    for name in ("Output", "TextOutput"):
        assert (schemas[name]["type"], schemas[name]["additionalProperties"]) == ("object", True)
    assert schemas["ChatCompletion"]["properties"]["choices"]["items"] == {"$ref": "#/components/schemas/Choice"}
    assert schemas["Classification"]["type"] == "array"
    assert schemas["Binary"]["properties"]["content"] == {
        "type": "string",
        "contentEncoding": "base64",
        "title": "Content",
    }
    assert "prompt_tokens" in schemas["Usage"]["properties"]


def test_small_things_go_through_json_and_come_back() -> None:
    ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
    messages = [{"role": "user", "content": "Hi"}]
    for value in (
        Token("x", {"response": "x"}, "thought", (ToolCallDelta(0, "f", "{}", "id"),), "stop", 1),
        ToolCall("f", "{}", "id"),
        Usage.of({"prompt_tokens": 3, "neurons": 0.5}),
        cfai.types.Meta(MODEL, "id-1", 200, 0.5),
        ai.check(MODEL, {"prompt": "Hi"}),
        cfai.count_tokens("Hi", model=MODEL),
        cfai.fit_messages(messages, model=MODEL),
        cfai.models.get("@cf/meta/llama-2-7b-chat-int8"),  # of capabilities the order is none
    ):
        kind = type(value)
        with row(value):
            adapter: Any = TypeAdapter(kind)
            data = adapter.dump_json(value)
            assert adapter.validate_json(data) == value
            assert get(value, kind) == get(value, None) == json.loads(data)
            assert dataclasses.replace(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value  # type: ignore[type-var]


def test_an_error_in_json_is_its_message() -> None:
    result = Ai(account_id=ACCOUNT, api_token=TOKEN).check(MODEL, {"prompt": "Hi", "max_tokens": 10**9})
    model: Any = create_model("Mine", error=(cfai.CfaiError | None, None))
    assert result.error is not None
    assert get(result, CheckResult)["error"] == str(result.error)
    assert model(error=result.error).model_dump(mode="json") == {"error": str(result.error)}
    assert model(error=result.error).model_dump() == {"error": result.error}


def test_a_class_of_the_users_own_keeps_its_fields_and_its_serializer() -> None:
    class Mine(NativeText):
        rating: int = 3

    model: Any = create_model("Holder", field=(Output, ...))
    mine = Mine(response="Hi")
    assert model(field=mine).model_dump() == {"field": {"response": "Hi", "rating": 3}}
    assert mine.text == "Hi"


def test_a_stream_as_a_return_type_is_refused_when_the_route_is_made() -> None:
    for kind in (Stream[Token], AsyncStream[Token], Stream):
        with row(kind), pytest.raises(FastAPIError, match="Stream"):
            get(None, kind)


def test_tokens_can_be_yielded_by_a_route() -> None:
    app, token = fastapi.FastAPI(), Token("x", {"response": "x"})

    def ask() -> Any:
        yield token

    ask.__annotations__ = {"return": Iterator[Token]}
    app.get("/")(ask)
    [line] = TestClient(app).get("/").text.splitlines()
    assert TypeAdapter(Token).validate_json(line) == token
