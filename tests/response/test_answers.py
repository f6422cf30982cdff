"""Answers of the service, and what each becomes, whatever its shape and its content type."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
import zlib
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from itertools import product
from typing import Any

import httpx
import pytest

import cfai
from cfai import AiInternalError, APIResponseValidationError, APITimeoutError, AsyncStream, CapacityError, Stream
from cfai.types import (
    Audio,
    Binary,
    ChatCompletion,
    Classification,
    DetectedObjects,
    Embeddings,
    Image,
    ImageDescription,
    MessagesOutput,
    NativeText,
    Output,
    ProviderOutput,
    Reranking,
    ResponsesOutput,
    TextOutput,
    VisionAnswer,
)
from tests.bodies import (
    ANTHROPIC_ANSWER,
    CHAT_ANSWER,
    COMPLETION_ANSWER,
    COUNTS,
    DONE,
    NATIVE_ANSWER,
    PNG,
    RESPONSES_ANSWER,
)
from tests.conftest import SYNC_AND_ASYNC, Answer, Caller, Service, row, stream_of

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}
TEXTS: list[tuple[dict[str, Any], type[TextOutput], str, str | None]] = [
    (NATIVE_ANSWER, NativeText, "", None),
    (CHAT_ANSWER, ChatCompletion, "Greet.", "stop"),
    (COMPLETION_ANSWER, ChatCompletion, "", "stop"),
    (RESPONSES_ANSWER, ResponsesOutput, "Greet.", "stop"),
    (ANTHROPIC_ANSWER, MessagesOutput, "Greet.", "stop"),
]
"""Each answer, its class, its reasoning and its finish reason."""


def envelope(result: Any) -> dict[str, Any]:
    return {"result": result, "success": True, "errors": [], "messages": []}


@SYNC_AND_ASYNC
def test_a_text_answer_is_read_in_each_of_its_shapes_with_all_its_fields(caller: Caller, service: Service) -> None:
    for body, kind, reasoning, finish_reason in TEXTS:
        body = {**body, "unheard_of": {"a": [1]}}
        warned = {**envelope(body), "errors": [{"message": "careful"}]}
        for answer in (*map(service.json, (body, warned, {"result": body})), service.result(body)):
            with row(kind):
                service.answers(answer)
                assert caller.stream(MODEL).result().text == "Hello"
                service.answers(answer)
                output = caller.run(MODEL, HELLO)
                assert type(output) is kind
                assert output.text == str(output) == "Hello"
                usage = output.usage
                assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 2, 5)
                assert (output.reasoning, output.finish_reason) == (reasoning, finish_reason)
                assert (output.tool_calls, output.meta.model) == ([], MODEL)
                assert [field for field in body if field not in output] == []
                assert output["unheard_of"] == output.unheard_of == output.model_dump()["unheard_of"] == {"a": [1]}
    service.answers(service.result({"response": "par", "finish_reason": "error", "usage": COUNTS}))
    answer = caller.run(MODEL, HELLO)
    assert (answer.finish_reason, answer.usage.total_tokens) == ("error", 5)


def test_a_tool_call_is_read_in_each_of_its_shapes(caller: Caller, service: Service) -> None:
    flat = {"name": "get_weather", "arguments": {"city": "Paris"}}
    text = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    wrapped = {"id": "call_1", "type": "function", "function": text}
    choice = {"message": {"content": None, "tool_calls": [wrapped]}, "finish_reason": "tool_calls"}
    item = {"type": "function_call", "call_id": "call_1", **text}
    block = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}}
    for name, result, id, arguments in (
        ("flat", {"response": None, "tool_calls": [flat]}, None, '{"city":"Paris"}'),
        ("wrapped", {"tool_calls": [wrapped]}, "call_1", text["arguments"]),
        ("behind null", {"response": "", "tool_calls": [None, wrapped]}, "call_1", text["arguments"]),
        ("chat", {"choices": [choice]}, "call_1", text["arguments"]),
        ("Responses API", {"object": "response", "output": [item]}, "call_1", text["arguments"]),
        ("Anthropic", {"type": "message", "content": [block]}, "call_1", '{"city":"Paris"}'),
    ):
        with row(name):
            service.answers(service.result(result))
            answer = caller.run(MODEL, HELLO)
            [call] = answer.tool_calls
            assert (call.name, call.id, call.arguments) == ("get_weather", id, arguments)
            assert (call.parse(), answer.text) == ({"city": "Paris"}, "")


def test_what_stands_in_the_place_of_text_becomes_text(caller: Caller, service: Service) -> None:
    bodies = (
        b'{"result":{"response":%b},"success":true,"errors":[],"messages":[]}',
        b'{"response":%b}',
        b'{"result":{"choices":[{"message":{"content":%b}}]}}',
        b'{"choices":[{"text":%b}]}',
    )
    for value, text in (
        *((number, number.decode()) for number in (b"0.10", b"0", b"1e3", b"-0", b"12345678901234567890", b"1.0")),
        *((b"null", ""), (b'""', ""), (b"true", "true"), (b'"two\\nlines"', "two\nlines")),
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\ude00b"', "\ufffdb"),
        (rb'"\ud83d\ude00 \u00e9"', "😀 é"),
    ):
        for body in bodies:
            with row((body, value)):
                service.answers(service.json(body % value))
                answer = caller.run(MODEL, HELLO)
                assert isinstance(answer, TextOutput)
                assert answer.text == text
    for body, text in ((rb'{"response":"a\ud83d","id":1}', "a\ufffd"), (b'"Hello"', "Hello"), (b'{"result":{}}', "")):
        service.answers(service.json(body))
        assert caller.run(MODEL, HELLO).text == text, body


def test_a_text_answer_that_nobody_has_seen_yet_is_given_in_full(caller: Caller, service: Service) -> None:
    for result in (
        {"choices": [{"message": "Hello"}], "usage": {"prompt_tokens": 1}},
        {"choices": ["Hello", {"message": {"content": "Hello"}, "index": "first"}]},
        {"object": "response", "output": ["Hello"], "status": 5},
        {"response": [1, 2]},
        {"response_text": "Hello"},
        {"response": {"city": "Paris"}},
    ):
        with row(result):
            service.answers(service.result(result))
            answer = caller.run(MODEL, HELLO)
            assert isinstance(answer, TextOutput)
            service.answers(service.result(result))
            assert caller.stream(MODEL).result().text == answer.text
            assert {field: answer[field] for field in result} == result
            assert isinstance(answer.text, str)
    assert json.loads(answer.text) == {"city": "Paris"}


def test_a_result_that_is_no_text_keeps_its_own_shape(caller: Caller, service: Service) -> None:
    for result, kind in (
        ([{"label": "POSITIVE", "score": 0.9}, {"label": "NEGATIVE", "score": 0.1}], Classification),
        ({"shape": [1, 3], "data": [[0.1, 0.2, 0.3]], "pooling": "mean"}, Embeddings),
        ({"response": [{"id": 0, "score": 0.5}]}, Reranking),
        ({"status": "queued", "request_id": "768f15b7", "model": MODEL}, Output),
        ({"image": "https://a.example/cat.png"}, Output),
        ({"state": "Completed", "result": {"url": "https://a.example"}}, ProviderOutput),
        ({"result": 1, "model": "only resembles the envelope"}, Output),
        ({"result": 1, "success": True, "new": "only resembles the envelope"}, Output),
        ({"copy": 1, "model_dump": 2, "meta": 3, "schema": 4}, Output),
        ({"a\ud83d": 1, "b": 2}, Output),
    ):
        for answer in (service.json(result), service.result(result)):
            with row(result):
                service.answers(answer)
                output = caller.run("@cf/baai/bge-m3", {"text": "x"})
                assert type(output) is kind
                fields = dict(output) if isinstance(result, dict) else [*output]
                assert json.loads(json.dumps(fields, default=dict)) == result


def test_the_answer_of_a_provider_is_within_its_state(caller: Caller, service: Service) -> None:
    model = "google/nano-banana"
    rows: list[tuple[Any, Any]] = [
        ({"image": "https://a.example/cat.png"}, {"image": "https://a.example/cat.png"}),
        ({"data": [[0.1]], "shape": [1, 1]}, {"data": [[0.1]], "shape": [1, 1]}),
        (["a"], ["a"]),
        (None, None),
    ]
    for inner, output in rows:
        body = {"state": "Completed", "result": inner, "gatewayMetadata": {"keySource": "BYOK"}}
        for answer in (service.json(body), service.result(body)):
            with row(inner):
                service.answers(answer)
                result = caller.run(model, HELLO)
                assert (result.state, result.result, result.gatewayMetadata) == (
                    "Completed",
                    inner,
                    body["gatewayMetadata"],
                )
                assert (dict(result.output) if isinstance(output, dict) else result.output) == output
    service.answers(service.json({"state": "Completed", "result": {"image": "x"}}))
    assert caller.run(model, HELLO).output.image == "x"


def test_a_provider_that_failed_is_an_error(caller: Caller, service: Service) -> None:
    failed = {"state": "Failed", "error": {"code": "provider_unavailable", "message": "it is down"}, "model": "x/y"}
    for status, body in ((200, failed), (200, envelope(failed)), (502, failed)):
        service.answers(service.json(body, status))
        with row((status, body)), pytest.raises(AiInternalError, match="it is down") as caught:
            caller.run("google/nano-banana", HELLO, max_retries=None)
        assert caught.value.code == "provider_unavailable"


def test_an_answer_with_less_in_it_is_still_that_of_its_task(caller: Caller, service: Service) -> None:
    for model, result, kind in (
        ("@cf/facebook/detr-resnet-50", [], DetectedObjects),  # nothing was found
        ("@cf/microsoft/resnet-50", [], Classification),
        ("@cf/huggingface/distilbert-sst-2-int8", [], Classification),
        ("@cf/baai/bge-base-en-v1.5", {"data": [[0.5, 1]]}, Embeddings),
        ("@cf/baai/bge-m3", {"response": [[0.5, 1]]}, Embeddings),
        ("@cf/moondream/moondream3.1-9B-A2B", {"objects": []}, VisionAnswer),
        ("@cf/moondream/moondream3.1-9B-A2B", {"points": [{"x": 0.5, "y": 1}]}, VisionAnswer),
        ("@cf/somebody/unheard-of", [], Output),
        ("@cf/somebody/unheard-of", {"data": [["a"]]}, Output),
        ("@cf/somebody/unheard-of", {"data": []}, Output),
    ):
        with row((model, result)):
            service.answers(service.result(result))
            output = caller.run(model, {"text": "x"}, checks="off")
            assert type(output) is kind
            if kind in (Classification, DetectedObjects):
                assert [*output] == []


def test_media_are_read_from_base64_in_lines_and_from_data_urls(caller: Caller, service: Service) -> None:
    encoded = b64encode(PNG).decode()
    for image in (encoded, encodebytes(PNG).decode(), f"data:image/webp;base64,{encoded}"):
        service.answers(service.result({"image": image}))
        output = caller.run("@cf/black-forest-labs/flux-1-schnell", HELLO)
        assert (type(output), output.content, output.media_type) == (Image, PNG, "image/png")


def test_json_and_events_are_read_under_any_type_that_may_hold_them(caller: Caller, service: Service) -> None:
    json_types = ("application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json")
    text_types = ("text/plain", "text/plain; charset=utf-8", None)
    for content_type in (*json_types, *text_types):
        with row(content_type):
            service.answers(service.raw(b'\xef\xbb\xbf{"response":"Hello"}', content_type))
            assert caller.run(MODEL, HELLO).text == "Hello"
    service.answers(service.raw(gzip.compress(b'{"response":"Hello"}'), json_types[0], content_encoding="gzip"))
    assert caller.run(MODEL, HELLO).text == "Hello"
    for content_type, requested in (*product(text_types, (True, False)), ("application/octet-stream", True)):
        with row((content_type, requested)):
            service.answers(service.raw(EVENTS, content_type))
            stream = caller.run(MODEL, {"prompt": "x", "stream": requested})
            assert [str(token) for token in stream] == ["Hel", "lo"]


def test_prose_that_begins_like_an_event_is_no_stream(caller: Caller, service: Service) -> None:
    for text in (": ) hi", "id: 5 is it", "data: are here", "event: today"):
        service.answers(service.raw(text.encode(), content_type="text/plain"))
        assert bytes(caller.run(MODEL, {"prompt": "x"})) == text.encode(), text
    for body in (EVENTS, b'data: {"response":"Hello"}', b"data: [DONE]\n\n"):
        service.answers(service.raw(body, content_type="text/plain"))
        with caller.run(MODEL, {"prompt": "x"}) as stream:
            assert isinstance(stream_of(stream), Stream | AsyncStream), body


@SYNC_AND_ASYNC
def test_other_types_are_bytes_that_say_what_they_are(caller: Caller, service: Service) -> None:
    for content, declared, media_type in (
        (PNG, "image/png", "image/png"),
        (PNG, "image/jpeg", "image/png"),
        (b"ID3\x04", "audio/mpeg", "audio/mpeg"),
        (b"nothing known", "Audio/L16; rate=8000", "audio/l16"),
        (b"just words", "text/plain", "text/plain"),
        (b"\0\1", "application/octet-stream", "application/octet-stream"),
    ):
        with row((content, declared)):
            service.answers(service.raw(content, declared))
            output = caller.run(MODEL, HELLO)
            assert type(output) is {"image": Image, "audio": Audio}.get(media_type.partition("/")[0], Binary)
            assert (output.content, output.media_type) == (content, media_type)


ERROR = b'{"errors":[{"code":3040,"message":"AiError: Capacity temporarily exceeded"}],"success":false,"result":{}}'


@SYNC_AND_ASYNC
def test_json_and_pages_are_read_as_what_they_are_whatever_they_are_declared_as(
    caller: Caller, service: Service
) -> None:
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256))
    wrapped = json.dumps({"result": {"image": b64encode(PNG).decode()}, "success": True}).encode()
    for declared in ("image/png", "audio/mpeg", "Video/MP4; codecs=x"):
        with row(declared):
            service.answers(service.raw(ERROR, declared))
            with pytest.raises(CapacityError, match="Capacity temporarily exceeded") as caught:
                caller.run(MODEL, HELLO)
            assert (caught.value.code, caught.value.status_code, caught.value.retryable) == (3040, 200, False)
            for content in (wrapped, b"\xef\xbb\xbf \n" + wrapped):
                service.answers(service.raw(content, declared))
                output = caller.run(MODEL, HELLO)
                assert (type(output), output.content, output.media_type) == (Image, PNG, "image/png")
            service.answers(service.raw(PAGE, declared))
            with pytest.raises(APIResponseValidationError, match="an HTML page"):
                caller.run(MODEL, HELLO)
            service.answers(service.raw(b'{"' + jpeg, declared))
            assert caller.run(MODEL, HELLO).content == b'{"' + jpeg
    for declared in ("application/json", "application/problem+json"):
        service.answers(service.raw(jpeg, declared))
        output = caller.run(MODEL, HELLO)
        assert (type(output), output.content, output.media_type) == (Image, jpeg, "image/jpeg")


@SYNC_AND_ASYNC
def test_base64_of_media_is_read_in_either_alphabet_and_without_padding(caller: Caller, service: Service) -> None:
    for field, content, kind in (
        ("image", b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"\xff\xfe", Image),
        ("image", PNG, Image),
        ("audio", b"ID3\x04" + bytes(range(256)) + b"\xff\xfe", Audio),
    ):
        plain, for_urls = b64encode(content).decode(), urlsafe_b64encode(content).decode()
        for text in (
            plain,
            for_urls,
            plain.rstrip("="),
            for_urls.rstrip("="),
            "data:x/y;base64," + for_urls.rstrip("="),
        ):
            service.answers(service.result({field: text}))
            output = caller.run(MODEL, HELLO)
            with row(text):
                assert (type(output), output.content) == (kind, content)
    for text in ("https://a.example/cat.png", "123e4567-e89b-12d3-a456-426614174000", "img_1", "a small cat"):
        service.answers(service.result({"image": text}))
        output = caller.run(MODEL, HELLO)
        assert (type(output), output["image"]) == (Output, text)


PAGE = b"<html><title>Log in</title></html>"
UTF_16 = '{"result":{"response":"Hé"}}'.encode("utf-16")

UNREADABLE: list[tuple[bytes, str | None, str]] = [
    # The body and its declared type, and words on it.
    *((PAGE, declared, "an HTML page") for declared in ("Text/HTML; charset=utf-8", "application/json", "text/html")),
    (b" \n<!DOCTYPE HTML><p>Log in", "application/json", "an HTML page"),
    (b"\xef\xbb\xbf<!doctype html>", "application/octet-stream", "an HTML page"),
    (b"please log in", "text/html", "an HTML page"),
    *((b"", declared, "the answer is empty") for declared in ("application/json", "image/png", "text/html")),
    (b" \n", "application/json", "the answer is empty"),
    *((b"{", declared, "breaks off, and is no JSON") for declared in ("application/json", "application/problem+json")),
    (b'{"result":', "application/json", "breaks off, and is no JSON"),
    (b'{"result":{"response":"Hel', "application/json", "breaks off, and is no JSON"),
    (UTF_16[:-4], "application/json; charset=utf-16", "breaks off, and is no JSON"),
    *((text, "application/json", "the answer is no JSON, though it says so") for text in (b"Hello", b'{"a":1} x')),
    (b'{"result":' * 3000 + b"1" + b"}" * 3000, "application/json", "the answer is no JSON, though it says so"),
    *((content, "application/json", "neither an object nor text") for content in (b"[]", b'["a"]', b"5", b"true")),
]


def test_an_answer_that_cannot_be_read_says_where_it_came_from_and_what_to_do(caller: Caller, service: Service) -> None:
    for content, content_type, problem in UNREADABLE:
        for stream in (False, True):
            service.forget()
            headers = {"cf_ai_req_id": "id-1", "set_cookie": "__cf_bm=secret", "x_a": "b"}
            service.answers(service.raw(content, content_type, **headers))
            with row((content, content_type, stream)):
                with pytest.raises(APIResponseValidationError, match=problem) as caught:
                    caller.run(MODEL, {**HELLO, "stream": stream})
                error, words = caught.value, str(caught.value)
                assert f"(status 200, request id id-1, model {MODEL}). What to do: " in words
                assert ("api.cloudflare.com" in words) is bool(content.strip())
                assert len(words) < 1000
                assert (error.status_code, error.request_id, error.model) == (200, "id-1", MODEL)
                assert (error.retryable, len(service.requests)) == (False, 1)
                assert error.body in (content.decode("utf-8-sig", "replace"), content.decode("utf-16", "replace"))
                assert error.headers["x-a"] == "b"
                assert "set-cookie" not in error.headers


@SYNC_AND_ASYNC
def test_a_compressed_answer_that_breaks_off_is_not_taken_for_a_whole_one(caller: Caller, service: Service) -> None:
    image, text = PNG + bytes(range(256)) * 100, b'{"result":{"response":"Hello"}}'
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        for content, declared, kept in ((image, "image/png", 300), (image, "image/png", 10), (text, "text/plain", 20)):
            service.answers(service.events(compress(content)[:kept], content_type=declared, content_encoding=encoding))
            with row((encoding, declared, kept)), pytest.raises(APIResponseValidationError, match="breaks off in the"):
                caller.run(MODEL, HELLO)
        for missing in (0, 4):  # of the check sum
            packed = compress(text)[: -missing or None]
            service.answers(service.events(packed, content_type="application/json", content_encoding=encoding))
            with row((encoding, missing)):
                assert caller.run(MODEL, HELLO).text == "Hello"


LOGIN_PAGE = (
    r"a web page came in place of a stream: '<.*'\. "
    r"What to do: a proxy or a network's login page answered: look at it in a browser\."
)


@SYNC_AND_ASYNC
def test_a_web_page_in_the_place_of_a_stream_is_told_as_one(caller: Caller, service: Service) -> None:
    for content_type in ("text/plain", "text/event-stream", None):
        for page in (PAGE, b"<!DOCTYPE html>\n<html>\n<head>\n\n<title>Log in: now</title>\n" + b"<p>x</p>\n" * 100):
            service.answers(service.raw(page, content_type, cf_ai_req_id="id-1"))
            with row((content_type, page)), pytest.raises(cfai.StreamError, match=LOGIN_PAGE) as caught:
                list(caller.stream(MODEL))
            assert type(caught.value) is cfai.StreamError, content_type
            assert (caught.value.request_id, caught.value.partial, caught.value.retryable) == ("id-1", "", False)
            assert caught.value.body.startswith("<"), content_type


@SYNC_AND_ASYNC
def test_an_answer_of_status_204_is_an_empty_one(caller: Caller, service: Service) -> None:
    for stream in (False, True):
        service.answers(service.raw(b"", None, 204))
        with pytest.raises(APIResponseValidationError, match=r"the answer is empty \(status 204, model"):
            caller.run(MODEL, {**HELLO, "stream": stream})


def test_json_is_read_in_every_encoding_and_under_types_that_proxies_give_it(caller: Caller, service: Service) -> None:
    text = '{"result":{"response":"Hé"},"success":true}'
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        for content_type in ("application/json", f"application/json; charset={encoding}", "text/plain", None):
            service.answers(service.raw(text.encode(encoding), content_type))
            assert caller.run(MODEL, HELLO).text == "Hé", (encoding, content_type)
        service.answers(service.raw(text.encode(encoding), "application/json"))
        assert [str(token) for token in caller.stream(MODEL)] == ["Hé"], encoding
        refusal = '{"errors":[{"code":3030,"message":"AiError: no é"}]}'.encode(encoding)
        service.answers(service.raw(refusal, "application/json", 400))
        with row(encoding), pytest.raises(cfai.BadRequestError, match="3030 UpstreamRejected: no é ") as caught:
            caller.run(MODEL, HELLO)
        assert caught.value.body == {"errors": [{"code": 3030, "message": "AiError: no é"}]}
    for content_type in ("text/html", "text/html; charset=utf-8", "application/octet-stream", "application/x-json"):
        service.answers(service.raw(text.encode(), content_type))
        assert caller.run(MODEL, HELLO).text == "Hé", content_type
        assert caller.stream(MODEL).result().text == "Hé", content_type
    for odd, said in (
        (b'{"response":NaN}', "NaN"),
        (b'{"response":1e999}', "1e999"),
        (b'{"response":"a","response":"b"}', "b"),
        (b'{"response":0.10,"response":0.20}', "0.20"),
        (b'{"response":"a","x":' + b"[" * 100 + b"]" * 100 + b"}", "a"),
    ):
        service.answers(service.json(odd))
        assert caller.run(MODEL, HELLO).text == said, odd


def test_an_empty_result_of_a_text_model_is_an_empty_answer(caller: Caller, service: Service) -> None:
    for body in (
        *(envelope(result) for result in (None, {}, "", {"response": None}, {"response": ""}, {"tool_calls": []})),
        *({"result": result} for result in (None, {}, "", {"response": None})),
        *({}, None, "", {"response": None}, {"response": ""}),
        {"success": True, "errors": [], "messages": []},
    ):
        for retries in (2, None):
            with row((body, retries)):
                service.answers(service.json(body, cf_ai_req_id="id-1"))
                answer = caller.run(MODEL, HELLO, max_retries=retries)
                assert isinstance(answer, TextOutput)
                assert (answer.text, answer.tool_calls, answer.meta.request_id) == ("", [], "id-1")
                if retries is None and body in ({}, {"result": {}}, envelope({})):
                    continue  # it does not stream, and may not be asked again
                stream = caller.stream(MODEL, max_retries=retries)
                assert "".join(map(str, stream)) == stream.result().text == ""
                assert isinstance(stream.result(), TextOutput)


@SYNC_AND_ASYNC
def test_an_answer_that_reports_an_error_is_one(caller: Caller, service: Service) -> None:
    failed = {"object": "response", "status": "failed", "error": {"code": "e", "message": "boom"}, "output": []}
    headers = {"cf_ai_req_id": "id-1", "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    for answer, kind, code, message in (
        (service.error(200, 3040, "no room", **headers), CapacityError, 3040, "no room"),
        (service.error(200, message="something broke", **headers), AiInternalError, None, "something broke"),
        (service.json({"success": "false", "result": None}, **headers), AiInternalError, None, '"success":"false"'),
        *((service.json(body, **headers), cfai.APIStatusError, "e", "boom") for body in (failed, envelope(failed))),
    ):
        for stream in (False, True):
            service.forget()
            service.answers(answer)
            with row((message, stream)):
                with pytest.raises(kind, match=message) as caught:
                    caller.run(MODEL, {**HELLO, "stream": stream})
                error = caught.value
                assert (error.status_code, error.code, error.request_id) == (200, code, "id-1")
                assert (error.retry_after, error.retryable, len(service.requests)) == (0, False, 1)


@SYNC_AND_ASYNC
def test_every_result_knows_its_call(caller: Caller, service: Service) -> None:
    headers = {"cf_ai_req_id": "id-1", "cf_ray": "ray", "cf_ai_neurons": "12.65", "cf_aig_log_id": "log-1"}
    headers |= {"cf_aig_cache_status": "HIT", "cf_aig_step": "1"}
    headers |= {"cf_aig_model": "gpt-4.1", "cf_aig_provider": "openai"}
    for name, answer in (
        ("text", service.result(NATIVE_ANSWER, **headers)),
        ("list", service.result([1], **headers)),
        ("value", service.result(5, **headers)),
        ("bytes", service.raw(PNG, "image/png", **headers)),
        ("stream", service.events(DONE, **headers)),
    ):
        with row(name):
            service.answers(answer)
            output = caller.run(MODEL, HELLO)
            meta = output.meta
            if name == "stream":
                output.close()
            assert (meta.model, meta.request_id, meta.status_code) == (MODEL, "id-1", 200)
            assert (meta.neurons, meta.gateway_log_id) == (12.65, "log-1")
            assert (meta.gateway_cache_status, meta.gateway_step) == ("HIT", 1)
            assert (meta.gateway_model, meta.gateway_provider) == ("gpt-4.1", "openai")
            assert 0 < meta.elapsed < 60
    # The ray stands in for a request id; neurons that are no number are unknown, and those of the usage count.
    counted = {"response": "x", "usage": {"prompt_tokens": 1, "neurons": 0.99}}
    for result, headers, known in (
        (NATIVE_ANSWER, {"cf_ray": "ray-1"}, ("ray-1", None)),
        *((NATIVE_ANSWER, {"cf_ai_neurons": value}, (None, None)) for value in ("", "many", "nan", "inf")),
        (counted, {}, (None, 0.99)),
    ):
        service.answers(service.result(result, **headers))
        meta = caller.run(MODEL, HELLO).meta
        assert (meta.request_id, meta.neurons) == known, headers
        assert (meta.gateway_log_id, meta.gateway_cache_status, meta.gateway_step) == (None, None, None), headers
    for value, step in (("0", 0), ("12", 12), ("", None), ("first", None), ("-1", None), ("9" * 50, None)):
        service.answers(service.result(NATIVE_ANSWER, cf_aig_step=value))
        assert caller.run(MODEL, HELLO).meta.gateway_step == step, value
    service.answers(service.error(400, 5006, cf_aig_cache_status="MISS", cf_aig_step="1"))
    with pytest.raises(cfai.BadRequestError) as caught:
        caller.run(MODEL, HELLO)
    assert caught.value.headers["cf-aig-step"] == "1"


EVENTS = b'data: {"response":"Hel"}\n\ndata: {"response":"lo"}\n\ndata: [DONE]\n\n'


@SYNC_AND_ASYNC
def test_a_stream_that_was_not_asked_for_is_a_stream(caller: Caller, service: Service) -> None:
    service.answers(service.events(EVENTS))
    stream = caller.run("@cf/moondream/moondream3.1-9B-A2B", {"image": "https://a.example/b.png"})
    assert [str(token) for token in stream] == ["Hel", "lo"]
    assert stream.result().text == "Hello"


@SYNC_AND_ASYNC
def test_json_in_the_place_of_a_stream_gives_the_output_without_streaming(caller: Caller, service: Service) -> None:
    for answer, kind in (
        *((body, kind) for body, kind, _, _ in TEXTS),
        ({"response": {"safe": True, "categories": []}}, NativeText),
        ({"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}, NativeText),
        ({"choices": [{"index": 0, "message": {"content": "Hi", "refusal": None}, "stop_reason": 5}]}, ChatCompletion),
        ({"points": [{"x": 0.1, "y": 0.2}]}, VisionAnswer),
        ({"url": "https://a.example"}, Output),
        ({"description": "a cat"}, ImageDescription),
    ):
        for body in (answer, envelope(answer), {"result": answer, "success": True}):
            service.forget()
            service.answers(service.json(body, cf_ai_req_id="id-1"))
            with row(body):
                stream = caller.run("@cf/moondream/moondream3.1-9B-A2B", {"question": "Hello", "stream": True})
                [token] = stream
                assert len(service.requests) == 1
                result, plain = stream.result(), caller.run("@cf/moondream/moondream3.1-9B-A2B", {"question": "Hello"})
                assert type(result) is type(plain) is kind
                assert result.model_dump() == plain.model_dump() == kind.model_validate(answer).model_dump()
                assert result.meta.request_id == stream.meta.request_id == "id-1"
                if isinstance(plain, TextOutput):
                    assert token.text == stream.text == result.text == plain.text
                    assert stream.usage == plain.usage


def test_whatever_json_came_makes_one_token_and_other_types_stay_so(caller: Caller, service: Service) -> None:
    laid_out = json.dumps({"result": {"response": "two\nlines"}}, indent=2).encode()
    for body, text, kind in (
        (b'"Hi"', "Hi", NativeText),
        (b'{"result":5}', "5", Output),
        (b'{"result":["a"]}', '["a"]', Output),
        (b'\xef\xbb\xbf{"response":"Hi"}', "Hi", NativeText),
        (laid_out, "two\nlines", NativeText),
        (laid_out.replace(b"\n", b"\r\n"), "two\nlines", NativeText),
    ):
        with row(body):
            service.answers(service.json(body))
            stream = caller.stream(MODEL)
            assert [token.text for token in stream] == [text]
            assert type(stream.result()) is kind
    service.answers(service.raw(PNG, "image/png"))
    assert caller.stream(MODEL).content == PNG
    service.answers(service.result({}), service.raw(b'hello "there"\n', "text/plain"))
    assert caller.stream(MODEL).result().text == 'hello "there"', "asked for a second time"


def test_json_under_another_name_is_read_in_the_place_of_a_stream(caller: Caller, service: Service) -> None:
    for content_type in ("text/plain", "text/event-stream", None):
        with row(content_type):
            service.answers(service.raw(json.dumps(envelope(NATIVE_ANSWER), indent=2).encode(), content_type))
            assert caller.stream(MODEL).result().text == "Hello"
            service.answers(service.raw(b'{"success":false,"errors":[{"code":3040,"message":"busy"}]}', content_type))
            with pytest.raises(cfai.StreamError, match="busy") as caught:
                list(caller.stream(MODEL))
            assert caught.value.code == 3040


@SYNC_AND_ASYNC
@pytest.mark.parametrize("empty", [{}, None])
def test_an_empty_result_in_the_place_of_a_stream_is_asked_again(caller: Caller, service: Service, empty: Any) -> None:
    service.answers(service.result(empty), service.result(NATIVE_ANSWER, cf_ai_req_id="id-2"))
    inputs = {"prompt": "Hello", "stream": True, "seed": 5}
    stream = caller.run(MODEL, inputs, session_affinity="s", tags=iter(["a", "b"]))
    assert [str(token) for token in stream] == ["Hello"]
    assert [json.loads(request.content)["stream"] for request in service.requests] == [True, False]
    assert [request.url.params["tags"] for request in service.requests] == ["a,b", "a,b"]
    assert service.sent == {"prompt": "Hello", "stream": False, "seed": 5}
    assert service.request.headers["x-session-affinity"] == "s"
    assert stream.meta.request_id == "id-2"


def test_asking_again_costs_a_retry(caller: Caller, service: Service, sleeps: list[float]) -> None:
    empty, full, busy = service.result({}), service.result(NATIVE_ANSWER), service.error(503)
    no_stream, failed = APIResponseValidationError, cfai.InternalServerError
    for name, answers, retries, requests, kind in (
        *(("no retries", [empty, full], retries, 1, no_stream) for retries in (None, 0)),
        ("empty, busy", [empty, busy], 1, 2, failed),
        ("busy, empty, busy", [busy, empty, busy], 2, 3, failed),
        ("empty, busy twice", [empty, busy, busy], 2, 3, failed),
        ("busy, empty", [busy, empty], 1, 2, no_stream),
    ):
        service.forget()
        service.answers(*answers)
        with row(name), pytest.raises(kind, match="does not stream" if kind is no_stream else None):
            caller.stream(MODEL, max_retries=retries)
        assert len(service.requests) == requests, name


def test_asking_again_has_the_rest_of_the_total_timeout(caller: Caller, service: Service, sleeps: list[float]) -> None:
    def after_15_seconds(answer: Callable[[], httpx.Response]) -> Answer:
        def answer_late() -> httpx.Response:
            sleeps.append(15)  # which the clock moves on by
            return answer()

        return answer_late

    service.answers(after_15_seconds(service.result({})), after_15_seconds(service.result(NATIVE_ANSWER)))
    with pytest.raises(APITimeoutError, match=r"total timeout of 25 s passed: raise total_timeout="):
        caller.run(MODEL, {**HELLO, "stream": True}, total_timeout=25)
    assert sleeps == [15, 15]


def test_an_answer_has_its_text_where_nothing_was_called() -> None:
    answer = cfai.types.NativeText(response="Hello")
    code = f"import pickle; print(pickle.loads({pickle.dumps(answer)!r}).text)"
    made = "from cfai import types; print(types.NativeText(response='Hello'))"
    for program in (code, made):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("Hello\n", "")
