"""Streams of AI Search and AutoRAG: chunks first, then tokens, in each form that they come in."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio
import httpx
import pytest
import respx

from cfai import Ai, AiSearchNotFoundError, AsyncSearchStream, SearchStream, StreamError, StreamTruncatedError
from cfai._resources.search import AiSearchInstance
from tests.conftest import ACCOUNT, TOKEN, row

DOCS = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai-search/namespaces/default/instances/docs"
PARAMS: dict[str, Any] = {"messages": [{"role": "user", "content": "Where is New York?"}], "stream": True}
CHUNKS = [{"id": "c1", "type": "text", "score": 0.8, "text": "New York is …", "item": {"key": "a.md"}}]
CHUNKS_EVENT = f"event: chunks\ndata: {json.dumps(CHUNKS)}\n\n"
DONE = "data: [DONE]\n\n"


class Read(NamedTuple):
    """What came of a stream."""

    stream: SearchStream | AsyncSearchStream
    tokens: list[str]
    result: Any


ReadStream = Callable[..., Read]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def read(request: pytest.FixtureRequest) -> ReadStream:
    """Return what calls a method, and reads the stream that it gives to its end."""

    def read_sync(owner: Any, name: str, params: Any) -> Read:
        with getattr(owner, name)(params) as stream:
            tokens = [str(token) for token in stream]
            return Read(stream, tokens, stream.result())

    def read_async(owner: Any, name: str, params: Any) -> Read:
        async def main() -> Read:
            async with getattr(owner, f"a{name}")(params) as stream:
                tokens = [str(token) async for token in stream]
                return Read(stream, tokens, await stream.aresult())

        return anyio.run(main, backend=request.param)

    return read_sync if request.param == "sync" else read_async


@pytest.fixture
def docs(remote: Ai) -> AiSearchInstance:
    return remote.search().get("docs")


def event(content: str | None, **rest: Any) -> str:
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, **rest}
    chunk = {"id": "1", "object": "chat.completion.chunk", "model": "@cf/a/b", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


def answer_with(text: str | bytes, content_type: str = "text/event-stream") -> respx.Route:
    content = text.encode() if isinstance(text, str) else text
    response = httpx.Response(200, content=content, headers={"content-type": content_type, "cf-ai-req-id": "r-1"})
    return respx.post(f"{DOCS}/chat/completions").mock(return_value=response)


@respx.mock
def test_chunks_come_first_then_tokens_in_every_form(docs: AiSearchInstance, read: ReadStream) -> None:
    tokens = event("In the ") + event("north") + event(None, finish_reason="stop")
    lines = "".join(f"data: {line}\n" for line in json.dumps(CHUNKS, indent=1).split("\n"))
    rows = {
        "named": CHUNKS_EVENT + tokens + DONE,
        "older, unnamed": f"data: {json.dumps({'chunks': CHUNKS})}\n\n" + tokens + DONE,
        "named, with an object": f"event: chunks\ndata: {json.dumps({'chunks': CHUNKS})}\n\n" + tokens + DONE,
        "CRLF": (CHUNKS_EVENT + tokens + DONE).replace("\n", "\r\n"),
        "many lines": f"event: chunks\n{lines}\n" + tokens + DONE,
        "no JSON in between": CHUNKS_EVENT + tokens + "data: {oops\n\n" + DONE,
        "a name that is new": "event: progress\ndata: 7\n\n" + CHUNKS_EVENT + tokens + DONE,
        "comments": ": hello\n\n" + CHUNKS_EVENT + ": ping\n\n" + tokens + DONE,
        "message by name": CHUNKS_EVENT + tokens.replace("data:", "event: message\ndata:") + DONE,
        "no blank line at the end": CHUNKS_EVENT + tokens + "data: [DONE]",
        "no blank line between": CHUNKS_EVENT + tokens.replace("\n\n", "\n") + DONE,
    }
    for name, text in rows.items():
        answer_with(text)
        with row(name):
            came = read(docs, "chat_completions", PARAMS)
            assert "".join(came.tokens) == "In the north"
            assert [(chunk.id, chunk.item and chunk.item.key) for chunk in came.stream.chunks] == [("c1", "a.md")]
            assert came.result.text == "In the north"
            assert came.result.chunks == came.stream.chunks
            assert came.result.choices[0].finish_reason == "stop"
            assert came.result.meta.request_id == "r-1"
    request = respx.calls.last.request
    assert json.loads(request.content) == PARAMS
    assert request.headers["accept-encoding"] == "identity"


@respx.mock
def test_a_stream_without_its_end_is_truncated_whatever_its_tokens_say(
    docs: AiSearchInstance, read: ReadStream
) -> None:
    for text in (
        CHUNKS_EVENT + event("In the ") + event(None, finish_reason="stop"),
        CHUNKS_EVENT + event("In the "),
        CHUNKS_EVENT + event("In the ") + 'data: {"choi',
    ):
        answer_with(text)
        with row(text), pytest.raises(StreamTruncatedError, match="the stream ended with neither") as caught:
            read(docs, "chat_completions", PARAMS)
        assert caught.value.partial == "In the "
    answer_with(CHUNKS_EVENT)
    with pytest.raises(StreamTruncatedError):
        read(docs, "chat_completions", PARAMS)


@respx.mock
def test_an_error_inside_of_a_stream_is_raised(docs: AiSearchInstance, read: ReadStream) -> None:
    for text in (
        'event: error\ndata: {"message": "the model is gone"}\n\n',
        f'data: {{"error": {{"message": "the model is gone with {TOKEN}"}}}}\n\n',
        "event: error\ndata: the model is gone\n\n",
    ):
        answer_with(CHUNKS_EVENT + event("In ") + text + DONE)
        with row(text), pytest.raises(StreamError, match="the model is gone") as caught:
            read(docs, "chat_completions", PARAMS)
        assert (caught.value.partial, caught.value.request_id, caught.value.status_code) == ("In ", "r-1", 200)
        assert TOKEN not in str(caught.value)


@respx.mock
def test_an_answer_that_came_whole_is_a_stream_as_well(docs: AiSearchInstance, read: ReadStream) -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": "North"}}], "chunks": CHUNKS}
    for body in (whole, {"success": True, "result": whole, "errors": []}):
        answer_with(json.dumps(body), "application/json")
        came = read(docs, "chat_completions", PARAMS)
        assert came.tokens == ["North"]
        assert came.result.chunks[0].id == "c1"


@respx.mock
def test_instances_that_failed_are_named_in_a_stream(docs: AiSearchInstance, read: ReadStream) -> None:
    failures = [{"instance_id": "gone", "message": "not found"}]
    whole = {"choices": [{"message": {"role": "assistant", "content": "x"}}], "chunks": CHUNKS, "errors": failures}
    rows = {
        "beside the chunks": f"event: chunks\ndata: {json.dumps({'chunks': CHUNKS, 'errors': failures})}\n\n",
        "beside the chunks, unnamed": f"data: {json.dumps({'chunks': CHUNKS, 'errors': failures})}\n\n",
        "in an event of their own": CHUNKS_EVENT + f"event: errors\ndata: {json.dumps([*failures, 'x'])}\n\n",
        "before others": f"event: errors\ndata: {json.dumps(failures)}\n\nevent: errors\ndata: []\n\n" + CHUNKS_EVENT,
    }
    for name, text in rows.items():
        answer_with(text + event("x") + DONE)
        with row(name):
            came = read(docs, "chat_completions", PARAMS)
            assert [error.instance_id for error in came.stream.errors] == ["gone"]
            assert came.result.errors == came.stream.errors
            assert (came.result.text, len(came.result.chunks)) == ("x", 1)
    answer_with(json.dumps(whole), "application/json")
    came = read(docs, "chat_completions", PARAMS)
    assert (came.tokens, came.result.errors[0].message) == (["x"], "not found")
    answer_with(CHUNKS_EVENT + event("x") + DONE)
    came = read(docs, "chat_completions", PARAMS)
    assert (came.stream.errors, came.result.errors) == ([], None)


@respx.mock
def test_chunks_of_a_shape_that_is_new_are_kept(docs: AiSearchInstance, read: ReadStream) -> None:
    chunks = [{"id": 7, "item": "a.md"}, "no object", {"id": "c2", "new": 1}]
    answer_with(f"event: chunks\ndata: {json.dumps(chunks)}\n\n" + event("x") + DONE)
    came = read(docs, "chat_completions", PARAMS)
    first, second = came.stream.chunks
    assert (first["id"], first["item"], second["new"]) == (7, "a.md", 1)


@respx.mock
def test_a_stream_is_not_in_the_usage_and_in_the_log_by_its_request(
    docs: AiSearchInstance, read: ReadStream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cfai")
    answer_with(CHUNKS_EVENT + event("x") + DONE)
    ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
    came = read(ai.search().get("docs"), "chat_completions", PARAMS)
    assert ai.usage.calls == 0
    assert "of POST api.cloudflare.com/client/v4/accounts/" in repr(came.stream)
    [line] = caplog.messages
    assert line.startswith("POST api.cloudflare.com")
    assert "/docs/chat/completions status=200" in line


@respx.mock
def test_a_refusal_is_raised_before_the_stream(docs: AiSearchInstance, read: ReadStream) -> None:
    respx.post(f"{DOCS}/chat/completions").respond(404, json={"errors": [{"message": "no docs"}], "success": False})
    with pytest.raises(AiSearchNotFoundError, match="no docs"):
        read(docs, "chat_completions", PARAMS)


def test_the_emulator_streams_chunks_and_tokens(ai: Ai, read: ReadStream) -> None:
    instance = ai.search().create({"id": "docs"})
    instance.items.upload("usa.md", "New York is a city.", wait_for_completion=True)
    came = read(instance, "chat_completions", PARAMS)
    assert len(came.tokens) > 5
    assert "".join(came.tokens) == str(instance.chat_completions({**PARAMS, "stream": False}))
    assert [chunk.text for chunk in came.stream.chunks] == ["New York is a city."]
    several = {**PARAMS, "ai_search_options": {"instance_ids": ["docs", "gone"]}}
    assert read(ai.search(), "chat_completions", several).stream.chunks[0].instance_id == "docs"
    came = read(ai.autorag("docs"), "ai_search", {"query": "New York", "stream": True})
    assert "emulated answer to “New York”" in "".join(came.tokens)
    assert came.result.text == "".join(came.tokens)
    assert came.stream.chunks == []


@respx.mock
def test_a_stream_is_sent_to_a_browser(docs: AiSearchInstance) -> None:
    answer_with(CHUNKS_EVENT + event("In the ") + event("north") + DONE)
    with docs.chat_completions({"messages": PARAMS["messages"], "stream": True}) as stream:
        lines = b"".join(stream.to_event_stream()).decode().split("\n\n")
        assert [json.loads(line.removeprefix("data: "))["response"] for line in lines[:-2]] == ["In the ", "north"]
        assert lines[-2] == "data: [DONE]"
    assert stream.chunks[0].id == "c1"
