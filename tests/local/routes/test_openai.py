"""OpenAI's routes, with OpenAI's own client in both colours, and on the wire."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import AsyncGenerator, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from cfai.local import Emulator, Fault
from cfai.local.wire import ErrorResponse
from cfai.types import Token, Usage
from tests.conftest import row
from tests.local.conftest import check, join, read
from tests.local.dialects import CHAT, DUAL, KIMI, TOOL, TRAILER

if TYPE_CHECKING:
    from tests.local.conftest import Service

GPT_OSS = "@cf/openai/gpt-oss-120b"
BGE = "@cf/baai/bge-base-en-v1.5"
ASKED = [{"role": "user", "content": "where is new york?"}]
CALL = [{"role": "user", "content": "call get_weather"}]


class Client:
    """OpenAI's client in one portal: answers come whole, streams as lists."""

    def __init__(self, client: Any, portal: BlockingPortal | None) -> None:
        self._client = client
        self._portal = portal

    def ask(self, name: str, **options: Any) -> Any:
        """Return what the method of this name comes to."""
        method = attrgetter(name)(self._client)
        if self._portal is not None:
            return self._portal.call(self._asked, method, options)
        answer = method(**options)
        return list(answer) if isinstance(answer, openai.Stream) else answer

    async def _asked(self, method: Any, options: Any) -> Any:
        answer = await method(**options)
        return [event async for event in answer] if isinstance(answer, openai.AsyncStream) else answer

    def chat(self, model: str = CHAT, messages: Any = ASKED, **options: Any) -> Any:
        return self.ask("chat.completions.create", model=model, messages=messages, **options)


def key(local: Emulator) -> dict[str, Any]:
    return {"api_key": local.api_token, "base_url": local.openai_url, "max_retries": 0}


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[Client]:
    if request.param == "sync":
        with openai.OpenAI(**key(service.local)) as sync:
            yield Client(sync, None)
        return
    with start_blocking_portal("asyncio") as portal:
        asynchronous = openai.AsyncOpenAI(**key(service.local))
        yield Client(asynchronous, portal)
        portal.call(asynchronous.close)


def post(service: Service, path: str, body: Any, **headers: str) -> httpx.Response:
    return service.http.post(f"{service.local.openai_url}/{path}", json=body, headers=headers)


# Chat


def test_every_text_model_answers_with_a_chat_completion_and_is_listed_if_live(
    client: Client, service: Service
) -> None:
    for model in (CHAT, DUAL, GPT_OSS, "@cf/meta/llama-4-scout-17b-16e-instruct"):
        answer = client.chat(model)
        assert (answer.object, answer.model) == ("chat.completion", model)
        assert answer.choices[0].message.content.startswith("This is an emulated"), model
        assert answer.choices[0].finish_reason == "stop", model
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0, model
        received = service.local.requests[-1]
        assert (received.model, received.inputs["messages"]) == (model, ASKED)
        assert "model" not in received.inputs
    rows = {model.id: model for model in client.ask("models.list").data}
    assert rows[CHAT].owned_by == "zai-org"
    assert rows[CHAT].created > 1_700_000_000
    assert "@cf/meta/llama-2-7b-chat-int8" not in rows


def test_a_stream_says_the_same_as_the_whole_answer(client: Client) -> None:
    for model in (CHAT, DUAL, KIMI, TRAILER, GPT_OSS):
        whole = client.chat(model)
        *chunks, last = client.chat(model, stream=True, stream_options={"include_usage": True})
        text = join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == whole.choices[0].message.content, model
        assert chunks[0].choices[0].delta.role == "assistant", model
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"], model
        assert last.choices == [], model
        assert last.usage.completion_tokens == whole.usage.completion_tokens, model
        assert last.usage.prompt_tokens == whole.usage.prompt_tokens, model


def test_no_native_event_is_among_the_chunks_and_usage_is_unless_refused(service: Service, client: Client) -> None:
    for model in (DUAL, KIMI, TRAILER):
        response = post(service, "chat/completions", {"model": model, "messages": ASKED, "stream": True})
        *chunks, done = read(response.text)
        assert done.data == "[DONE]", model
        assert {chunk.json["object"] for chunk in chunks} == {"chat.completion.chunk"}, model
        assert all("response" not in chunk.json for chunk in chunks), model
    rows: list[tuple[dict[str, Any], bool]] = [({}, True), ({"stream_options": {"include_usage": False}}, False)]
    for options, has_usage in rows:
        chunks = client.chat(TRAILER, stream=True, **options)
        assert any(chunk.usage for chunk in chunks) is has_usage, options
        assert (chunks[-1].choices == []) is has_usage, options


FORCED = {"type": "function", "function": {"name": "get_weather"}}
CALLED = "choices.0.message.tool_calls"
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reasoning beside the content": ({"model": "@cf/qwen/qwq-32b"}, {
        "choices.0.message.reasoning_content": lambda text: text.startswith("This is emulated reasoning")}),
    "cut": ({"model": DUAL, "max_tokens": 5}, {"choices.0.finish_reason": "length"}),
    "several choices": ({"n": 2}, {
        "choices.#": 2, "choices.0.index": 0, "choices.1.index": 1,
        "choices": lambda choices: choices[0]["message"]["content"] != choices[1]["message"]["content"]}),
    **{f"forced tool of {model}": ({"model": model, "tools": [TOOL], "tool_choice": FORCED}, {
        "choices.0.finish_reason": "tool_calls", f"{CALLED}.#": 1, f"{CALLED}.0.function.name": "get_weather",
        f"{CALLED}.0.function.arguments.json": {"city": "emulated"}}) for model in (CHAT, DUAL)},
}  # fmt: skip
"""Options of a chat, and what stands where in the answer."""


def test_a_chat_has_what_its_options_ask_for(client: Client) -> None:
    for name, (options, expected) in ANSWERS.items():
        with row(name):
            check(client.chat(**options).model_dump(), expected)


def test_a_tool_call_streams_in_parts_and_its_result_gets_words(client: Client) -> None:
    for model in (CHAT, DUAL):
        chunks = client.chat(model, CALL, tools=[TOOL], stream=True)
        parts = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
        assert [part.function.name for part in parts if part.function.name] == ["get_weather"], model
        arguments = "".join(part.function.arguments for part in parts)
        assert json.loads(arguments) == {"city": "emulated"}, model
    call = client.chat(messages=CALL, tools=[TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny"}
    messages = [*CALL, call.model_dump(exclude_none=True), result]
    assert client.chat(messages=messages, tools=[TOOL]).choices[0].finish_reason == "stop"


def test_json_mode_takes_the_envelope_of_a_schema(client: Client) -> None:
    rules = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": rules}}
    for model in (CHAT, DUAL):
        whole = client.chat(model, response_format=wanted).choices[0].message.content
        chunks = client.chat(model, response_format=wanted, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert json.loads(whole) == json.loads(streamed) == {"n": 3}, model


def test_an_answer_has_no_envelope_and_shows_that_it_went_through_a_gateway(service: Service) -> None:
    # A body says itself whether to wait for capacity.
    body = {"model": CHAT, "messages": ASKED, "options": {"rejectIfBusy": True}}
    response = post(service, "chat/completions", body, **{"cf-aig-gateway-id": "mine"})
    assert list(response.json()) == ["id", "object", "created", "model", "choices", "usage"]
    assert float(response.headers["cf-ai-neurons"]) > 0
    assert response.headers["cf-aig-log-id"]
    assert service.local.requests[-1].gateway == "mine"
    service.local.script(Fault(empty=True))
    assert post(service, "chat/completions", body).json() == {}


def test_the_gateway_host_has_these_routes_too(service: Service) -> None:
    for path, model in (("workers-ai/v1/chat/completions", CHAT), ("compat/chat/completions", f"workers-ai/{CHAT}")):
        url = f"{service.local.gateway_url}/{service.local.account_id}/mine/{path}"
        response = service.http.post(url, json={"model": model, "messages": ASKED})
        assert response.json()["object"] == "chat.completion", path
        assert response.headers["cf-aig-step"] == "0", path
        received = service.local.requests[-1]
        assert (received.model, received.gateway) == (CHAT, "mine"), path


class Engine:
    """Stands in for a model that really runs."""

    async def answer(self, model: str, inputs: Any, most: int | None) -> AsyncGenerator[Token | Usage, None]:
        async def parts() -> AsyncGenerator[Token | Usage, None]:
            yield Token("one", {})
            if "break off" in str(inputs):
                raise ErrorResponse(3040)
            yield Token(" two", {}, finish_reason="stop")
            if inputs.get("n"):
                yield Token("another", {}, choice=1)
            yield Usage(prompt_tokens=7, completion_tokens=2)

        return parts()

    async def aclose(self) -> None:
        pass


def test_what_an_engine_says_comes_in_chunks_too() -> None:
    for model in (CHAT, DUAL, TRAILER, GPT_OSS):
        with Emulator(engine=Engine(), daily_neurons=1e-9) as local, openai.OpenAI(**key(local)) as client:
            call: dict[str, Any] = {"model": model, "messages": ASKED}
            *chunks, last = client.chat.completions.create(**call, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two", model
            assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (7, 2), model
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(**call)
            assert caught.value.response.json()["errors"][0]["code"] == 4006, model


def test_an_engine_may_give_several_answers() -> None:
    with Emulator(engine=Engine()) as local, openai.OpenAI(**key(local)) as client:
        call: dict[str, Any] = {"model": CHAT, "messages": ASKED, "n": 2}
        several = client.chat.completions.create(**call)
        assert [choice.message.content for choice in several.choices] == ["one two", "another"]


def test_an_engine_that_breaks_off_says_so_in_the_stream() -> None:
    with Emulator(engine=Engine()) as local, openai.OpenAI(**key(local)) as client:
        asked: Any = [{"role": "user", "content": "break off"}]
        *_, last = client.chat.completions.create(model=CHAT, messages=asked, stream=True)
        assert last.model_extra["errors"][0]["code"] == 3040


# Embeddings


def test_vectors_are_the_same_in_every_encoding(client: Client, service: Service) -> None:
    expected = service.result(BGE, {"text": ["one", "two"]})["data"]
    for options in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
        answer = client.ask("embeddings.create", model=BGE, input=["one", "two"], **options)
        assert ([row.index for row in answer.data], answer.model) == ([0, 1], BGE), options
        assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0, options
        for each, vector in zip(answer.data, expected, strict=True):
            # What a caller asks for in base64 itself, the client leaves as it is.
            packed = each.embedding if isinstance(each.embedding, str) else None
            numbers = each.embedding if packed is None else array("f", base64.b64decode(packed)).tolist()
            assert numbers == pytest.approx(vector, abs=1e-6), options
    assert len(client.ask("embeddings.create", model=BGE, input="one").data[0].embedding) == 768
    assert service.local.requests[-1].inputs == {"text": "one"}
    wire = post(service, "embeddings", {"model": BGE, "input": "one", "encoding_format": "base64"}).json()["data"][0]
    assert isinstance(wire["embedding"], str)


# Responses


def test_a_response_has_its_text_streams_in_numbered_events_and_calls_a_tool(client: Client) -> None:
    whole = client.ask("responses.create", model=GPT_OSS, input="where is new york?")
    assert whole.status == "completed"
    assert whole.output_text.startswith("This is an emulated")
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens > 0
    events = client.ask("responses.create", model=GPT_OSS, input="where is new york?", stream=True)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    text = join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    tool = {"type": "function", **TOOL["function"], "strict": None}
    answer = client.ask("responses.create", model=GPT_OSS, input="call get_weather", tools=[tool])
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "emulated"})


# Models


# Refusals


def test_what_cannot_be_is_refused_in_the_envelope_or_in_the_form_of_openai(service: Service) -> None:
    rows: list[tuple[str, Any, int]] = [
        ("chat/completions", {"messages": ASKED}, 5006),
        ("chat/completions", {"model": CHAT}, 5006),
        ("chat/completions", {"model": 1, "messages": ASKED}, 5006),
        ("chat/completions", [], 5006),
        ("chat/completions", {"model": "@cf/meta/no-such-model", "messages": ASKED}, 5007),
        ("chat/completions", {"model": "openai/gpt-5", "messages": ASKED}, 5007),
        ("chat/completions", {"model": BGE, "messages": ASKED}, 5007),
        ("chat/completions", {"model": CHAT, "messages": ASKED, "tool_choice": "any"}, 8001),
        ("embeddings", {"model": CHAT, "input": "x"}, 5007),
        ("embeddings", {"model": BGE}, 5006),
        *(("embeddings", {"model": BGE, "input": value}, 5006) for value in ([1, 2], [], "")),
        ("embeddings", {"model": BGE, "input": "x", "encoding_format": "hex"}, 5006),
    ]
    for path, body, code in rows:
        response = post(service, path, body)
        error = response.json()["errors"][0]
        assert (response.status_code, error["code"]) == (400, code), body
        assert response.headers["cf-ai-req-id"] in error["message"], body
    for body in ({"model": GPT_OSS}, {"model": CHAT, "input": "x"}):
        response = post(service, "responses", body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_prompt"), body
        assert response.json()["error"]["message"].startswith("AiError: "), body


def test_faults_reach_a_client_of_openai_also_inside_a_stream(client: Client, service: Service) -> None:
    rows: list[tuple[Fault, type[openai.APIStatusError], str]] = [
        (Fault(code=3040), openai.RateLimitError, "rate_limit_exceeded"),
        (Fault(status=500), openai.InternalServerError, "server_error"),
        (Fault(code=5035), openai.PermissionDeniedError, "invalid_request"),
    ]
    for fault, kind, code in rows:
        service.local.script(fault, fault)
        with pytest.raises(kind) as caught:
            client.ask("responses.create", model=GPT_OSS, input="x")
        assert caught.value.code == code
        with pytest.raises(kind):
            client.chat()
    service.local.script(Fault(error_after=3))
    chunks = client.chat(stream=True)
    assert sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content) <= 3
    assert chunks[-1].errors[0]["code"] == 3040


def test_a_request_that_does_not_get_through_has_the_envelope_of_the_edge(service: Service) -> None:
    wrong = {"authorization": "Bearer wrong"}
    rows: list[tuple[str, str, dict[str, str], int, int]] = [
        *(("POST", path, wrong, 401, 10000) for path in ("chat/completions", "embeddings", "responses")),
        *(("POST", path, {}, 400, 7000) for path in ("", "chat", "completions", "chat/completions/x", "models/x")),
        ("GET", "chat/completions", {}, 405, 7001),
        ("POST", "models", {}, 405, 7001),
    ]
    for method, path, headers, status, code in rows:
        response = service.http.request(method, f"{service.local.openai_url}/{path}", headers=headers, json={})
        assert (response.status_code, response.json()["errors"][0]["code"]) == (status, code), (method, path)
    for path in ("chat/completions", "responses"):
        service.local.script(Fault(status=401))
        body = {"model": GPT_OSS, "messages": ASKED, "input": "x"}
        assert post(service, path, body).json()["errors"][0]["code"] == 10000


def test_the_chunks_of_this_route_can_have_a_defect(service: Service) -> None:
    for defect, has_usage in (("usage-missing", False), ("usage-null", False), ("empty-token", True)):
        service.local.script(defect)
        response = post(service, "chat/completions", {"model": CHAT, "messages": ASKED, "stream": True})
        *chunks, done = read(response.text)
        assert done.data == "[DONE]", defect
        assert bool(chunks[-1].json.get("usage")) is has_usage, defect
