"""Answers that are not what was asked for, or do not end as they should: nothing is lost, nothing hangs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import pytest

from cfai import Ai, APIResponseValidationError, CapacityError, StreamError, StreamTruncatedError
from cfai.types import ChatCompletion, NativeText, Output, ValueOutput
from tests.conftest import SYNC_AND_ASYNC as SYNC_AND_ASYNC
from tests.conftest import Caller, Callers, Peer, Serve, Service

MODEL = "@cf/zai-org/glm-4.7-flash"
ACCOUNT = "0123456789abcdef0123456789abcdef"
HI = b'data: {"response":"Hi"}\n\n'


def enveloped(result: Any) -> bytes:
    return json.dumps({"result": result, "success": True, "errors": [], "messages": []}).encode()


# Bodies that do not end


async def silent() -> AsyncIterator[bytes]:
    yield HI
    await anyio.sleep_forever()


async def failed() -> AsyncIterator[bytes]:
    yield HI + b'data: {"errors":[{"code":3040,"message":"busy"}]}\n\n'
    await anyio.sleep_forever()


async def endless() -> AsyncIterator[bytes]:
    yield HI + b"data: [DONE]\n\n"
    while True:
        yield b": ping\n\n"


def answering(body: AsyncIterator[bytes]) -> Ai:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Ai(account_id=ACCOUNT, api_token="token", async_http_client=client)


async def read(body: AsyncIterator[bytes], how: str) -> list[str]:
    stream: Any = await answering(body).arun("@cf/a/b", {"prompt": "x", "stream": True})
    found: list[str] = []
    items = {"tokens": lambda: stream, "events": stream.aevents, "sse": stream.ato_event_stream}[how]()
    async with stream, aclosing(items):
        async for item in items:
            found.append(str(item))
            if body.__name__ == "silent":
                break
    return found


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("how", ["tokens", "events", "sse"])
def test_leaving_a_silent_stream_waits_for_nothing(backend: str, how: str) -> None:
    assert len(anyio.run(within, read, silent(), how, backend=backend)) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_error_in_a_stream_that_is_held_open_is_raised_at_once(backend: str) -> None:
    with pytest.raises(StreamError, match="busy"):
        anyio.run(within, read, failed(), "tokens", backend=backend)


def test_a_body_that_goes_on_for_ever_behind_its_end_holds_nobody() -> None:
    assert anyio.run(within, read, endless(), "tokens") == ["Hi"]


async def within(call: Any, *given: Any) -> Any:
    with anyio.fail_after(20):
        return await call(*given)


# The end mark, in pieces


@SYNC_AND_ASYNC
@pytest.mark.parametrize("mark", ["data: [DONE]", "data:[DONE]", "[DONE]", "event: x\ndata: [DONE]", "data: [DONE]\n"])
@pytest.mark.parametrize("breaks", [None, httpx.ReadError("reset")])
def test_the_end_mark_is_the_end_wherever_it_is_cut(
    caller: Caller, service: Service, mark: str, breaks: Exception | None
) -> None:
    for cut in range(1, len(mark)):
        service.answers(service.events(HI, mark[:cut].encode(), mark[cut:].encode(), breaks=breaks))
        assert [token.text for token in caller.stream(MODEL)] == ["Hi"], cut


@pytest.mark.parametrize(
    "rest",
    [
        b'[DONE]\ndata: {"response":"late"}\n\n',
        b'data: [DONE]\ndata: {"response":"late"}\n\n',
        b"data: [DONE]\ndata: garbage\n\n",
        b"data: [DONE]\nevent: error\ndata: x\n\n",
        b'data: [DONE]\n\ndata: {"response":"late"}\n\n',
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_what_follows_the_end_mark_is_nothing(caller: Caller, service: Service, rest: bytes, size: int) -> None:
    body = HI + rest
    service.answers(service.events(*(body[at : at + size] for at in range(0, len(body), size))))
    assert [token.text for token in caller.stream(MODEL)] == ["Hi"]


@pytest.mark.parametrize("size", [1, 2, 5, 20, 1000])
def test_a_text_that_ends_like_the_end_mark_does_not_end_the_stream(
    caller: Caller, service: Service, size: int
) -> None:
    text = "a" + " " * 70 + "[DONE]"
    body = b'data: {"response":"%b"}\n\ndata: {"response":"z"}\n\ndata: [DONE]\n\n' % text.encode()
    service.answers(service.events(*(body[at : at + size] for at in range(0, len(body), size))))
    assert caller.stream(MODEL).result().text == text + "z"


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_garbage_before_the_end_mark_is_an_error_wherever_it_is_cut(
    caller: Caller, service: Service, size: int
) -> None:
    body = HI + b"data: [1\ndata: [DONE]\n\n"
    service.answers(service.events(*(body[at : at + size] for at in range(0, len(body), size))))
    with pytest.raises(StreamError, match="no JSON") as caught:
        list(caller.stream(MODEL))
    assert type(caught.value) is StreamError


def test_of_several_answers_each_has_to_end(caller: Caller, service: Service) -> None:
    first = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    second = b'data: {"choices":[{"index":1,"delta":{"content":"half"},"finish_reason":null}]}\n\n'
    service.answers(service.events(second, first))
    with pytest.raises(StreamTruncatedError):
        list(caller.stream(MODEL))


def test_what_came_before_an_error_in_one_block_is_given_first(caller: Caller, service: Service) -> None:
    lines = b'data: {"response":"a"}\ndata: {"response":"b"}\ndata: {"errors":[{"code":3040,"message":"busy"}]}\n\n'
    service.answers(service.events(lines))
    stream = caller.stream(MODEL)
    assert [next(stream).text, next(stream).text] == ["a", "b"]
    with pytest.raises(StreamError, match="busy") as caught:
        next(stream)
    assert caught.value.partial == "ab"


# JSON where a stream was asked for

ANSWERS: list[tuple[Any, type]] = [
    ({"response": "Hi", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}, NativeText),
    ({"response": {"safe": True, "categories": []}}, NativeText),
    ({"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}, NativeText),
    ({"choices": [{"index": 0, "message": {"content": "Hi", "refusal": None}, "stop_reason": 5}]}, ChatCompletion),
    ({"object": "text_completion", "choices": [{"index": 0, "text": "Hi"}]}, ChatCompletion),
    ({"points": [{"x": 0.1, "y": 0.2}]}, Output),
    ({"description": "a cat"}, Output),
]


@pytest.mark.parametrize(("answer", "kind"), ANSWERS)
@pytest.mark.parametrize("is_enveloped", [True, False])
def test_the_result_is_the_output_of_the_call_without_streaming(
    caller: Caller, service: Service, answer: Any, kind: type, is_enveloped: bool
) -> None:
    service.answers(service.json(enveloped(answer) if is_enveloped else answer, cf_ai_req_id="id-1"))
    stream = caller.stream("@cf/moondream/moondream3.1-9B-A2B")
    assert len(list(stream)) == 1
    result, plain = stream.result(), caller.run("@cf/moondream/moondream3.1-9B-A2B", {"prompt": "x"})
    assert type(result) is type(plain) is kind
    assert result.model_dump() == plain.model_dump() == kind.model_validate(answer).model_dump()
    assert result.meta.request_id == "id-1"
    assert getattr(result, "text", None) == getattr(plain, "text", None)


@pytest.mark.parametrize(
    ("body", "text"),
    [(b'"Hi"', "Hi"), (b"5", "5"), (b'["a"]', '["a"]'), (b'\xef\xbb\xbf{"response":"Hi"}', "Hi")],
)
def test_whatever_json_came_makes_one_token(caller: Caller, service: Service, body: bytes, text: str) -> None:
    service.answers(service.raw(body, "application/json"))
    stream = caller.stream(MODEL)
    (token,) = list(stream)
    assert token.text == text
    assert type(stream.result()) in (NativeText, ValueOutput, type(caller.run(MODEL, {"prompt": "x"})))


@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream", None])
def test_json_under_another_name_is_read_all_the_same(
    caller: Caller, service: Service, content_type: str | None
) -> None:
    service.answers(service.raw(json.dumps({"result": {"response": "Hi"}}, indent=2).encode(), content_type))
    assert caller.stream(MODEL).result().text == "Hi"
    service.answers(service.raw(b'{"success":false,"errors":[{"code":3040,"message":"busy"}]}', content_type))
    with pytest.raises(StreamError, match="busy") as caught:
        list(caller.stream(MODEL))
    assert caught.value.code == 3040


@pytest.mark.parametrize("stream", [True, False])
def test_an_html_page_is_no_answer(caller: Caller, service: Service, stream: bool) -> None:
    service.answers(service.raw(b"<html><title>Log in</title></html>", "Text/HTML; charset=utf-8"))
    with pytest.raises(APIResponseValidationError, match="an HTML page"):
        caller.run(MODEL, {"prompt": "x", "stream": stream})
    with pytest.raises(APIResponseValidationError, match="an HTML page"):
        caller.run("@cf/somebody/new", {"prompt": "x", "stream": stream})


def test_events_are_a_stream_whatever_they_say_they_are(caller: Caller, service: Service) -> None:
    service.answers(service.raw(HI + b"data: [DONE]\n\n", "application/octet-stream"))
    assert caller.stream(MODEL).result().text == "Hi"


FAILED = {"object": "response", "status": "failed", "error": {"code": "server_error", "message": "boom"}, "output": []}


@pytest.mark.parametrize("body", [FAILED, {"result": FAILED, "success": True, "errors": [], "messages": []}])
@pytest.mark.parametrize("stream", [True, False])
def test_a_response_that_failed_is_an_error(caller: Caller, service: Service, body: Any, stream: bool) -> None:
    service.answers(service.json(body))
    with pytest.raises(Exception, match="boom") as caught:
        caller.run(MODEL, {"input": "x", "stream": stream})
    assert caught.value.code == "server_error"


def test_an_answer_that_ended_with_an_error_has_its_usage(caller: Caller, service: Service) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    service.answers(service.result({"response": "par", "finish_reason": "error", "usage": usage}))
    answer = caller.run(MODEL, {"prompt": "x"})
    assert (answer.finish_reason, answer.usage.total_tokens) == ("error", 3)


def test_an_error_under_200_says_how_long_to_wait_from_now_on(caller: Caller, service: Service) -> None:
    body = b'{"success":false,"errors":[{"code":3040,"message":"busy"}]}'
    service.answers(service.raw(body, "application/json", retry_after="Wed, 21 Oct 2015 07:28:00 GMT"))
    with pytest.raises(CapacityError) as caught:
        caller.run(MODEL, {"prompt": "x"})
    assert caught.value.retry_after == 0
    assert not caught.value.retryable


# The Responses API


def responses(*events: dict[str, Any]) -> list[bytes]:
    return [
        b"data: " + json.dumps({**event, "type": f"response.{event['type']}"}).encode() + b"\n\n" for event in events
    ]


def test_parts_that_come_in_turn_are_told_apart(caller: Caller, service: Service) -> None:
    parts = [
        *(
            {"type": "output_text.delta", "output_index": 0, "content_index": at, "delta": text}
            for at, text in enumerate("AB")
        ),
        *(
            {"type": "output_text.done", "output_index": 0, "content_index": at, "text": text}
            for at, text in enumerate("AB")
        ),
        {"type": "completed", "response": {"object": "response", "status": "completed", "output": []}},
    ]
    service.answers(service.events(*responses(*parts)))
    assert caller.stream(MODEL).result().text == "AB"


def test_a_call_that_came_in_pieces_is_not_taken_again_from_the_whole(caller: Caller, service: Service) -> None:
    calls = [
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "id": "fc_2", "call_id": "b", "name": "g", "arguments": "[]"},
    ]
    parts: list[dict[str, Any]] = [
        {"type": "output_item.added", "output_index": 1, "item": {**calls[0], "arguments": ""}},
        {"type": "function_call_arguments.delta", "output_index": 1, "delta": "{}"},
        {"type": "completed", "response": {"object": "response", "status": "completed", "output": calls}},
    ]
    service.answers(service.events(*responses(*parts)))
    found = caller.stream(MODEL).result().tool_calls
    assert [(call.name, call.arguments, call.id) for call in found] == [("f", "{}", "a"), ("g", "[]", "b")]


# For browsers


@pytest.mark.parametrize("cut", range(1, 90, 7))
def test_nothing_goes_on_to_a_browser_behind_the_end(caller: Caller, service: Service, cut: int) -> None:
    body = b'data: {"response":"b\\ud83d"}\n\ndata: [DONE]\n\ndata: {"response":{"safe":true}}\n\n'
    service.answers(service.events(body[:cut], body[cut:]))
    sent = b"".join(caller.stream(MODEL).to_event_stream("original"))
    assert sent.count(b"data: ") == 2
    assert sent.endswith(b"\n\ndata: [DONE]\n\n")


# Clients that were passed in


def test_a_body_that_a_hook_has_read_is_read_all_the_same(callers: Callers, serve: Serve) -> None:
    def play(peer: Peer) -> None:
        peer.request()
        peer.answer(HI + b"data: [DONE]\n\n", "text/event-stream")

    async def aread(response: httpx.Response) -> None:
        await response.aread()

    server = serve(play)
    with httpx.Client(event_hooks={"response": [httpx.Response.read]}) as client:
        async_client = httpx.AsyncClient(event_hooks={"response": [aread]})
        caller = callers(base_url=server.url, http_client=client, async_http_client=async_client)
        assert caller.stream(MODEL).result().text == "Hi"
        if caller.portal is not None:
            caller.portal.call(async_client.aclose)
