"""What an answer of the service becomes, whatever its shape and its content type."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import cfai
from cfai import AiInternalError, APIResponseValidationError, APITimeoutError, CapacityError
from cfai.types import Binary, ChatCompletion, ListOutput, NativeText, Output, ResponsesOutput, TextOutput, ValueOutput
from tests.conftest import SYNC_AND_ASYNC as SYNC_AND_ASYNC
from tests.conftest import Caller, Service

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
CHAT_MODEL = "@cf/zai-org/glm-4.7-flash"
HELLO = {"prompt": "Hello"}
NATIVE = {"response": "Hello", "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": CHAT_MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "reasoning_content": "Greet."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
RESPONSES = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Greet."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
TEXTS = [(NATIVE, NativeText), (CHAT, ChatCompletion), (RESPONSES, ResponsesOutput), (COMPLETION, ChatCompletion)]


@SYNC_AND_ASYNC
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(("body", "kind"), TEXTS)
def test_a_text_answer_is_read_in_each_of_its_shapes(
    caller: Caller, service: Service, body: dict[str, Any], kind: type[TextOutput], bare: bool
) -> None:
    service.answers(service.json(body) if bare else service.result(body))
    answer = caller.run(MODEL, HELLO)
    assert type(answer) is kind
    assert answer.text == str(answer) == "Hello"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 2, 5)
    assert answer.tool_calls == []
    assert answer.meta.model == MODEL


@pytest.mark.parametrize(
    ("body", "reasoning", "finish_reason"),
    [(NATIVE, "", None), (CHAT, "Greet.", "stop"), (RESPONSES, "Greet.", "stop"), (COMPLETION, "", "stop")],
)
def test_reasoning_and_finish_reason_are_the_same_in_every_dialect(
    caller: Caller, service: Service, body: Any, reasoning: str, finish_reason: str | None
) -> None:
    service.answers(service.result(body))
    answer = caller.run(MODEL, HELLO)
    assert (answer.reasoning, answer.finish_reason) == (reasoning, finish_reason)


@pytest.mark.parametrize(("body", "kind"), TEXTS)
def test_the_fields_of_the_service_are_all_there(
    caller: Caller, service: Service, body: dict[str, Any], kind: Any
) -> None:
    service.answers(service.result({**body, "unheard_of": {"a": [1]}}))
    answer = caller.run(MODEL, HELLO)
    for field in body:
        assert field in answer
    assert answer["unheard_of"] == answer.unheard_of == {"a": [1]}
    assert answer.model_dump()["unheard_of"] == {"a": [1]}


CALL = {"name": "get_weather", "arguments": {"city": "Paris"}}
WRAPPED_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}


@pytest.mark.parametrize(
    ("result", "id", "arguments"),
    [
        ({"response": None, "tool_calls": [CALL]}, None, '{"city":"Paris"}'),
        ({"tool_calls": [WRAPPED_CALL]}, "call_1", '{"city": "Paris"}'),
        ({"response": "", "tool_calls": [None, WRAPPED_CALL]}, "call_1", '{"city": "Paris"}'),
        (
            {"choices": [{"message": {"content": None, "tool_calls": [WRAPPED_CALL]}, "finish_reason": "tool_calls"}]},
            "call_1",
            '{"city": "Paris"}',
        ),
        (
            {
                "object": "response",
                "output": [
                    {
                        "type": "function_call",
                        "call_id": "call_1",
                        "name": "get_weather",
                        "arguments": '{"city":"Paris"}',
                    }
                ],
            },
            "call_1",
            '{"city":"Paris"}',
        ),
    ],
)
def test_a_tool_call_is_read_in_each_of_its_shapes(
    caller: Caller, service: Service, result: Any, id: str | None, arguments: str
) -> None:
    service.answers(service.result(result))
    answer = caller.run(MODEL, HELLO)
    [call] = answer.tool_calls
    assert (call.name, call.id, call.arguments, call.parse()) == ("get_weather", id, arguments, {"city": "Paris"})
    assert answer.text == ""


def test_an_object_of_json_mode_stays_an_object(caller: Caller, service: Service) -> None:
    service.answers(service.result({"response": {"city": "Paris"}}))
    answer = caller.run(MODEL, HELLO)
    assert answer.response == {"city": "Paris"}
    assert json.loads(answer.text) == {"city": "Paris"}


@pytest.mark.parametrize("number", ["0.10", "0", "1e3", "-0", "12345678901234567890", "1.0"])
@pytest.mark.parametrize(
    "body",
    [
        '{"result":{"response":%s},"success":true,"errors":[],"messages":[]}',
        '{"response":%s}',
        '{"result":{"choices":[{"message":{"content":%s}}]}}',
        '{"choices":[{"text":%s}]}',
    ],
)
def test_a_number_keeps_its_digits(caller: Caller, service: Service, number: str, body: str) -> None:
    service.answers(service.json((body % number).encode()))
    assert caller.run(MODEL, HELLO).text == number


@pytest.mark.parametrize(
    ("result", "text"),
    [({"response": None}, ""), ({"response": ""}, ""), ({"response": True}, "true"), ("Hello", "Hello")],
)
def test_what_stands_in_the_place_of_text_becomes_text(
    caller: Caller, service: Service, result: Any, text: str
) -> None:
    service.answers(service.result(result))
    answer = caller.run(MODEL, HELLO)
    assert isinstance(answer, TextOutput)
    assert answer.text == text


def test_the_binding_s_way_of_reading_an_answer_works(caller: Caller, service: Service) -> None:
    service.answers(service.result(NATIVE))
    answer = caller.run(MODEL, HELLO)
    assert answer["response"] == answer.response == answer.get("response") == "Hello"
    assert answer.get("missing", 5) == 5
    with pytest.raises(KeyError):
        answer["missing"]


@pytest.mark.parametrize("bare", [False, True])
def test_a_list_stays_a_list(caller: Caller, service: Service, bare: bool) -> None:
    labels = [{"label": "POSITIVE", "score": 0.9}, {"label": "NEGATIVE", "score": 0.1}]
    service.answers(service.json(labels) if bare else service.result(labels))
    output = caller.run("@cf/huggingface/distilbert-sst-2-int8", {"text": "x"})
    assert isinstance(output, ListOutput)
    assert list(output) == labels
    assert output[0]["label"] == "POSITIVE"
    assert output[-1:] == labels[1:]
    assert len(output) == 2


@pytest.mark.parametrize("value", [None, 5, 0.5, True])
def test_a_bare_value_is_there_too(caller: Caller, service: Service, value: Any) -> None:
    service.answers(service.result(value))
    output = caller.run(MODEL, HELLO)
    assert isinstance(output, ValueOutput)
    assert output.root == value


@pytest.mark.parametrize(
    "result",
    [
        {"shape": [1, 3], "data": [[0.1, 0.2, 0.3]], "pooling": "mean"},
        {"response": [{"id": 0, "score": 0.5}]},
        {"status": "queued", "request_id": "768f15b7", "model": MODEL},
        {"image": "aGVsbG8="},
        {"state": "Completed", "result": {"url": "https://a.example"}},
        {"copy": 1, "model_dump": 2, "meta": 3, "schema": 4},
    ],
)
def test_a_result_of_unknown_shape_is_there_in_full(caller: Caller, service: Service, result: dict[str, Any]) -> None:
    service.answers(service.result(result))
    output = caller.run("@cf/baai/bge-m3", {"text": "x"})
    assert type(output) is Output
    assert {field: output[field] for field in result} == result


@pytest.mark.parametrize(
    "result",
    [
        {"choices": [{"message": "Hello"}], "usage": {"prompt_tokens": 1}},
        {"choices": ["Hello", {"message": {"content": "Hello"}, "index": "first"}]},
        {"object": "response", "output": ["Hello"], "status": 5},
    ],
)
def test_a_text_answer_that_nobody_has_seen_yet_is_given_in_full(
    caller: Caller, service: Service, result: dict[str, Any]
) -> None:
    service.answers(service.result(result))
    answer = caller.run(MODEL, HELLO)
    assert isinstance(answer, TextOutput)
    assert {field: answer[field] for field in result} == result
    assert isinstance(answer.text, str)


def test_an_object_that_only_resembles_the_envelope_is_a_result(caller: Caller, service: Service) -> None:
    service.answers(service.json({"result": 1, "model": "x"}))
    output = caller.run("@cf/baai/bge-m3", {"text": "x"})
    assert (output["result"], output["model"]) == (1, "x")


def test_an_envelope_needs_no_more_than_a_result(caller: Caller, service: Service) -> None:
    service.answers(service.json({"result": {"response": "Hello"}}))
    assert caller.run(MODEL, HELLO).text == "Hello"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"]
)
def test_json_is_known_by_its_type(caller: Caller, service: Service, content_type: str) -> None:
    service.answers(service.raw(b'{"response":"Hello"}', content_type))
    assert caller.run(MODEL, HELLO).text == "Hello"


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain; charset=utf-8", None])
def test_json_that_says_it_is_plain_text_is_read_too(
    caller: Caller, service: Service, content_type: str | None
) -> None:
    service.answers(service.raw(b'{"result":{"response":"Hello"}}', content_type))
    assert caller.run(MODEL, HELLO).text == "Hello"


def test_a_compressed_answer_is_read(caller: Caller, service: Service) -> None:
    body = gzip.compress(b'{"response":"Hello"}')
    service.answers(service.raw(body, "application/json", content_encoding="gzip"))
    assert caller.run(MODEL, HELLO).text == "Hello"


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@SYNC_AND_ASYNC
def test_other_types_are_bytes(caller: Caller, service: Service) -> None:
    service.answers(service.raw(PNG, "image/png", cf_ai_req_id="id-1"))
    image = caller.run("@cf/lykon/dreamshaper-8-lcm", HELLO)
    assert isinstance(image, Binary)
    assert image.content == bytes(image) == PNG
    assert len(image) == len(PNG)
    assert image.meta.request_id == "id-1"


@pytest.mark.parametrize(
    ("content", "declared", "media_type"),
    [
        (PNG, "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/png", "image/jpeg"),
        (b"GIF89a", "image/png", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/png", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/mpeg", "audio/wav"),
        (b"ID3\x04", "audio/mpeg", "audio/mpeg"),
        (b"\xff\xfb\x90", "application/octet-stream", "audio/mpeg"),
        (b"OggS\0", "audio/mpeg", "audio/ogg"),
        (b"fLaC\0", "audio/mpeg", "audio/flac"),
        (b"nothing known", "Audio/L16; rate=8000", "audio/l16"),
        (b"", "application/octet-stream", "application/octet-stream"),
    ],
)
def test_the_bytes_themselves_say_what_they_are(
    caller: Caller, service: Service, content: bytes, declared: str, media_type: str
) -> None:
    service.answers(service.raw(content, declared))
    assert caller.run("@cf/deepgram/aura-1", {"text": "x"}).media_type == media_type


def test_bytes_can_be_saved(caller: Caller, service: Service, tmp_path: Path) -> None:
    service.answers(service.raw(PNG, "image/png"))
    path = caller.run(MODEL, HELLO).save(tmp_path / "image.png")
    assert path == tmp_path / "image.png"
    assert path.read_bytes() == PNG


def test_an_image_shows_itself_in_a_notebook(caller: Caller, service: Service) -> None:
    service.answers(service.raw(PNG, "image/png"), service.raw(b"ID3", "audio/mpeg"))
    assert caller.run(MODEL, HELLO)._repr_mimebundle_() == {"image/png": PNG}
    assert caller.run(MODEL, HELLO)._repr_mimebundle_() == {}


def test_plain_text_that_is_nothing_else_is_bytes(caller: Caller, service: Service) -> None:
    service.answers(service.raw(b"just words", "text/plain"))
    output = caller.run(MODEL, HELLO)
    assert (output.content, output.media_type) == (b"just words", "text/plain")


@pytest.mark.parametrize("content", [b"", b"{", b"<html>", b'{"result":'])
def test_json_that_is_none_is_the_services_fault(caller: Caller, service: Service, content: bytes) -> None:
    service.answers(service.json(content, cf_ai_req_id="id-1"))
    with pytest.raises(APIResponseValidationError) as caught:
        caller.run(MODEL, HELLO)
    assert caught.value.body == content.decode()
    assert (caught.value.status_code, caught.value.request_id, caught.value.model) == (200, "id-1", MODEL)
    assert len(service.requests) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"<html>"])
def test_an_answer_that_cannot_be_read_in_place_of_a_stream_is_an_error(
    caller: Caller, service: Service, content: bytes
) -> None:
    service.answers(service.json(content))
    with pytest.raises(APIResponseValidationError):
        caller.stream(MODEL)
    assert len(service.requests) == 1


@SYNC_AND_ASYNC
def test_an_answer_that_reports_an_error_is_one(caller: Caller, service: Service) -> None:
    service.answers(service.error(200, 3040, "no room", cf_ai_req_id="id-1"))
    with pytest.raises(CapacityError, match="no room") as caught:
        caller.run(MODEL, HELLO)
    assert (caught.value.status_code, caught.value.code, caught.value.request_id) == (200, 3040, "id-1")
    assert len(service.requests) == 1


def test_an_error_without_a_code_in_a_good_answer_is_an_internal_one(caller: Caller, service: Service) -> None:
    service.answers(service.error(200, message="something broke"))
    with pytest.raises(AiInternalError, match="something broke"):
        caller.run(MODEL, HELLO)


def test_warnings_beside_a_result_are_no_error(caller: Caller, service: Service) -> None:
    service.answers(
        service.json({"result": NATIVE, "success": True, "errors": [{"message": "careful"}], "messages": []})
    )
    assert caller.run(MODEL, HELLO).text == "Hello"


def test_an_answer_without_text_is_an_empty_text(caller: Caller, service: Service) -> None:
    service.answers(service.result({}))
    assert caller.run(MODEL, HELLO).text == ""


# What else is known of an answer


@SYNC_AND_ASYNC
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda service, **headers: service.result(NATIVE, **headers), id="text"),
        pytest.param(lambda service, **headers: service.result([1], **headers), id="list"),
        pytest.param(lambda service, **headers: service.result(5, **headers), id="value"),
        pytest.param(lambda service, **headers: service.raw(PNG, "image/png", **headers), id="bytes"),
        pytest.param(lambda service, **headers: service.events(b"data: [DONE]\n\n", **headers), id="stream"),
    ],
)
def test_every_result_knows_its_call(caller: Caller, service: Service, answer: Callable[..., Any]) -> None:
    headers = {"cf_ai_req_id": "id-1", "cf_ray": "ray", "cf_ai_neurons": "12.65", "cf_aig_log_id": "log-1"}
    service.answers(answer(service, **headers))
    output = caller.run(MODEL, HELLO)
    meta = output.meta
    if hasattr(output, "close"):
        output.close()
    assert (meta.model, meta.request_id, meta.status_code) == (MODEL, "id-1", 200)
    assert (meta.neurons, meta.gateway_log_id) == (12.65, "log-1")
    assert 0 < meta.elapsed < 60


def test_the_ray_stands_in_for_a_request_id(caller: Caller, service: Service) -> None:
    service.answers(service.result(NATIVE, cf_ray="ray-1"))
    assert caller.run(MODEL, HELLO).meta.request_id == "ray-1"


@pytest.mark.parametrize("value", ["", "many", "nan", "inf"])
def test_neurons_that_are_no_number_are_unknown(caller: Caller, service: Service, value: str) -> None:
    service.answers(service.result(NATIVE, cf_ai_neurons=value))
    assert caller.run(MODEL, HELLO).meta.neurons is None


def test_neurons_may_stand_in_the_usage(caller: Caller, service: Service) -> None:
    service.answers(service.result({"response": "x", "usage": {"prompt_tokens": 1, "neurons": 0.99}}))
    assert caller.run(MODEL, HELLO).meta.neurons == 0.99


# Models that stream, or do not


@SYNC_AND_ASYNC
def test_a_stream_that_was_not_asked_for_is_a_stream(caller: Caller, service: Service) -> None:
    service.answers(service.events(b'data: {"response":"Hel"}\n\ndata: {"response":"lo"}\n\n', b"data: [DONE]\n\n"))
    stream = caller.run("@cf/moondream/moondream3.1-9B-A2B", {"image": "https://a.example/b.png"})
    assert [str(token) for token in stream] == ["Hel", "lo"]
    assert stream.result().text == "Hello"


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain; charset=utf-8", None])
@pytest.mark.parametrize("asked", [True, False])
def test_plain_text_that_holds_events_is_a_stream(
    caller: Caller, service: Service, content_type: str | None, asked: bool
) -> None:
    service.answers(service.raw(b'data: {"response":"Hello"}\n\ndata: [DONE]\n\n', content_type))
    stream = caller.run(MODEL, {"prompt": "x", "stream": asked})
    assert [str(token) for token in stream] == ["Hello"]


@SYNC_AND_ASYNC
@pytest.mark.parametrize(
    "body",
    [
        {"result": {"response": "Hello", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}, "success": True},
        {"response": "Hello", "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
        {"result": CHAT, "success": True, "errors": [], "messages": []},
        {"result": RESPONSES, "success": True, "errors": [], "messages": []},
    ],
)
def test_json_in_the_place_of_a_stream_is_a_stream_of_one(caller: Caller, service: Service, body: Any) -> None:
    service.answers(service.json(body, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    assert [str(token) for token in stream] == ["Hello"]
    assert stream.text == stream.result().text == "Hello"
    assert stream.usage.prompt_tokens >= 1
    assert stream.meta.request_id == "id-1"
    assert len(service.requests) == 1


@pytest.mark.parametrize("indent", [None, 2])
def test_however_it_is_laid_out(caller: Caller, service: Service, indent: int | None) -> None:
    body = json.dumps({"result": {"response": "two\nlines"}}, indent=indent).encode()
    service.answers(service.json(body.replace(b"\n", b"\r\n")))
    assert caller.stream(MODEL).result().text == "two\nlines"


@SYNC_AND_ASYNC
def test_an_error_in_the_place_of_a_stream_is_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.error(200, 3040, "no room"))
    with pytest.raises(CapacityError):
        caller.stream(MODEL)
    assert len(service.requests) == 1


@SYNC_AND_ASYNC
@pytest.mark.parametrize("empty", [{}, None])
def test_an_empty_result_in_the_place_of_a_stream_is_asked_for_once_more(
    caller: Caller, service: Service, empty: Any
) -> None:
    service.answers(service.result(empty), service.result(NATIVE, cf_ai_req_id="id-2"))
    stream = caller.run(MODEL, {"prompt": "Hello", "stream": True, "seed": 5}, session_affinity="s")
    assert [str(token) for token in stream] == ["Hello"]
    assert [json.loads(request.content)["stream"] for request in service.requests] == [True, False]
    assert service.sent == {"prompt": "Hello", "stream": False, "seed": 5}
    assert service.request.headers["x-session-affinity"] == "s"
    assert stream.meta.request_id == "id-2"


def test_if_that_is_empty_too_it_is_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.result({}))
    with pytest.raises(APIResponseValidationError, match="does not stream"):
        caller.stream(MODEL)
    assert len(service.requests) == 2


@pytest.mark.parametrize("retry", [None, 0])
def test_nothing_is_asked_for_again_without_retries(caller: Caller, service: Service, retry: Any) -> None:
    service.answers(service.result({}), service.result(NATIVE))
    with pytest.raises(APIResponseValidationError, match="does not stream"):
        caller.stream(MODEL, max_retries=retry)
    assert len(service.requests) == 1


def test_asking_again_costs_a_retry(caller: Caller, service: Service, sleeps: list[float]) -> None:
    service.answers(service.result({}), service.error(503))
    with pytest.raises(cfai.InternalServerError):
        caller.stream(MODEL, max_retries=1)
    assert len(service.requests) == 2


def test_asking_again_has_what_is_left_of_the_total_timeout(
    caller: Caller, service: Service, sleeps: list[float]
) -> None:
    def after_15_seconds(answer: Callable[[], httpx.Response]) -> Callable[[], httpx.Response]:
        def answer_late() -> httpx.Response:
            time.sleep(15)  # moves the clock, and waits for nothing
            return answer()

        return answer_late

    service.answers(after_15_seconds(service.result({})), after_15_seconds(service.result({"response": "Hello"})))
    with pytest.raises(APITimeoutError, match=r"total timeout of 25 s passed: raise total_timeout="):
        caller.run(MODEL, {**HELLO, "stream": True}, total_timeout=25)
    assert sleeps == [15, 15]


def test_asking_again_keeps_tags_that_can_be_iterated_once(caller: Caller, service: Service) -> None:
    service.answers(service.result({}), service.result({"response": "Hello"}))
    assert caller.run(MODEL, {**HELLO, "stream": True}, tags=iter(["a", "b"])).result().text == "Hello"
    assert [request.url.params["tags"] for request in service.requests] == ["a,b", "a,b"]


def test_plain_text_in_the_place_of_a_second_answer_is_the_text(caller: Caller, service: Service) -> None:
    service.answers(service.result({}), service.raw(b'hello "there"\n', "text/plain"))
    assert caller.stream(MODEL).result().text == 'hello "there"'


def test_half_a_character_in_a_whole_answer_is_replaced(caller: Caller, service: Service) -> None:
    for body, text in (
        (rb'{"response": "a\ud83d"}', "a\ufffd"),
        (rb'{"response": "a\ud83d", "id": 1}', "a\ufffd"),
        (rb'{"response": "\ud83d\ude00 \u00e9"}', "\U0001f600 \xe9"),
        (rb'{"choices": [{"message": {"content": "\ude00b"}}]}', "\ufffdb"),
    ):
        service.answers(service.json(body))
        assert caller.run(MODEL, HELLO).text == text, body


def test_an_image_in_the_place_of_a_stream_is_an_image(caller: Caller, service: Service) -> None:
    service.answers(service.raw(PNG, "image/png"))
    assert caller.stream(MODEL).content == PNG
