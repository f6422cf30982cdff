"""A server of OpenAI's API behind Workers AI's names: what it is asked, and what comes of what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx

from cfai import Ai, InferenceUpstreamError, StreamError
from cfai._errors import ConfigurationError
from cfai.local import Emulator, OpenAIUpstream

URL = "http://engine.test:11434/v1"
GLM = "@cf/zai-org/glm-4.7-flash"  # chunks of chat completions
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"  # native
LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # both at once
GLM_5_3 = "@cf/zai-org/glm-5.3-flash"  # usage in increments
KIMI = "@cf/moonshotai/kimi-k2.6"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"  # a prompt is answered by a text completion
GPT_OSS = "@cf/openai/gpt-oss-20b"
CHAT = [GLM, LLAMA_2, LLAMA_3_3, GLM_5_3, KIMI, QWEN, GPT_OSS]
USAGE = {"prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24}
WEATHER = {"name": "weather", "description": "Tells the weather.", "parameters": {"type": "object", "properties": {}}}


class Engine:
    """A server with one model: what it was sent, and what it says."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.answer: httpx.Response | Exception = self.says("New", " York", ".")
        router.route(host="127.0.0.1").pass_through()
        router.route(host="engine.test").mock(side_effect=self._answered)

    def _answered(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/")
        self.headers.append(request.headers)
        if path == "models":
            self.requests.append((path, None))
            return httpx.Response(200, json={"object": "list", "data": [{"id": "first"}, {"id": "second"}]})
        self.requests.append((path, json.loads(request.content)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @property
    def sent(self) -> Any:
        return self.requests[-1][1]

    def says(self, *texts: str, reasoning: str = "", finish: str | None = "stop", usage: Any = USAGE) -> httpx.Response:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        deltas += [{"reasoning_content": reasoning}] if reasoning else []
        return self.chunks([*deltas, *({"content": text} for text in texts)], finish, usage)

    def chunks(self, deltas: list[dict[str, Any]], finish: str | None, usage: Any = USAGE) -> httpx.Response:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "first"}
        events: list[Any] = [head | {"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        if finish:
            events.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
            events.append(head | {"choices": [], "usage": usage})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + ("data: [DONE]\n\n" if finish else "")
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body.encode())


@pytest.fixture
def engine() -> Iterator[Engine]:
    with respx.mock(assert_all_called=False) as router:
        yield Engine(router)


@pytest.fixture
def ai(engine: Engine) -> Iterator[Ai]:
    with Emulator(engine=OpenAIUpstream(URL)) as local, local.ai(max_retries=None) as ai:
        yield ai


def said(ai: Ai, model: str, inputs: dict[str, Any], *, stream: bool) -> Any:
    """Return the whole answer, in either way."""
    answer = ai.run(model, inputs | {"stream": stream})
    if stream:
        assert len(list(answer)) > 1
        return answer.result()
    return answer


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", CHAT)
def test_every_family_gives_what_the_engine_says(ai: Ai, engine: Engine, model: str, stream: bool) -> None:
    answer = said(ai, model, {"prompt": "Where is it?", "max_tokens": 9}, stream=stream)
    assert answer.text == "New York."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (21, 3, 24)
    assert answer.finish_reason in ("stop", None)
    path, body = engine.requests[-1]
    assert path == "chat/completions"
    assert body["messages"] == [{"role": "user", "content": "Where is it?"}]
    assert (body["model"], body["stream"], body["max_tokens"]) == ("first", True, 9)
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("stream", [False, True])
def test_the_responses_api_too(ai: Ai, engine: Engine, stream: bool) -> None:
    engine.answer = engine.says("New", " York", reasoning="Hm.")
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]
    answer = said(ai, GPT_OSS, {"input": items, "instructions": "Be brief.", "max_output_tokens": 50}, stream=stream)
    assert (answer.text, answer.reasoning, answer.usage.prompt_tokens) == ("New York", "Hm.", 21)
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    assert engine.sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Where?"}]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    assert engine.sent["max_tokens"] == 50


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_stands_where_its_family_has_it(ai: Ai, engine: Engine, stream: bool) -> None:
    engine.answer = engine.says("New", " York", reasoning="Hm.")
    answer = said(ai, GLM, {"prompt": "Where?"}, stream=stream)
    assert (answer.text, answer.reasoning) == ("New York", "Hm.")
    engine.answer = engine.says("New", " York", reasoning="Hm.")
    assert said(ai, LLAMA_3_3, {"prompt": "Where?"}, stream=stream).text == "<think>Hm.</think>\n\nNew York"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [GLM, LLAMA_3_3])
def test_a_call_of_a_tool_right_behind_what_was_thought_is_not_lost(
    ai: Ai, engine: Engine, model: str, stream: bool
) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    engine.answer = engine.chunks([{"reasoning_content": "Hm."}, {"tool_calls": [call]}], "tool_calls")
    answer = said(ai, model, {"prompt": "Weather?", "tools": [WEATHER]}, stream=stream)
    assert [(call.name, call.parse()) for call in answer.tool_calls] == [("weather", {})]


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_and_text_in_one_chunk_both_arrive(ai: Ai, engine: Engine, stream: bool) -> None:
    chunks = [{"reasoning_content": "H"}, {"reasoning_content": "m.", "content": "New"}, {"content": " York"}]
    engine.answer = engine.chunks(chunks, "stop")
    assert said(ai, LLAMA_3_3, {"prompt": "Where?"}, stream=stream).text == "<think>Hm.</think>\n\nNew York"


def test_only_chat_completions_ask_an_engine_for_several_answers(ai: Ai, engine: Engine) -> None:
    for model, number in ((GLM, 2), (LLAMA_3_3, None)):
        engine.answer = engine.says("New York")
        ai.run(model, {"prompt": "Where?", "n": 2})
        assert engine.sent.get("n") == number, model


def test_json_that_is_no_call_is_the_text(ai: Ai, engine: Engine) -> None:
    inputs = {"prompt": "Where?", "tools": [WEATHER], "tool_choice": "required"}
    for text in ('{"name": "weather"}', "[1]", "sunny"):
        engine.answer = engine.says(text)
        assert said(ai, GLM, inputs, stream=False).text == text


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", CHAT)
def test_two_calls_of_tools_come_whole(ai: Ai, engine: Engine, model: str, stream: bool) -> None:
    head = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"city":', '"Rome"}')]
    second = head | {"index": 1, "id": "c2", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}
    engine.answer = engine.chunks([{"tool_calls": [part]} for part in [head, *parts, second]], "tool_calls")
    inputs = {"messages": [{"role": "user", "content": "Weather?"}], "tools": [WEATHER], "tool_choice": "auto"}
    answer = said(ai, model, inputs, stream=stream)
    assert [(call.name, call.parse()) for call in answer.tool_calls] == [
        ("weather", {"city": "Rome"}),
        ("weather", {"city": "Bonn"}),
    ]
    assert engine.sent["tools"] == [{"type": "function", "function": WEATHER}]
    assert engine.sent["tool_choice"] == "auto"


@pytest.mark.parametrize("wrapped", [False, True])
def test_json_mode_asks_for_the_schema_and_gives_the_value(ai: Ai, engine: Engine, wrapped: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    engine.answer = engine.says('{"city":', ' "Rome"}')
    model = GLM if wrapped else LLAMA_3_3
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema} if wrapped else schema}
    answer = ai.run(model, {"prompt": "A city", "response_format": form})
    # Native answers have the value itself in the place of the text.
    assert (answer.text if wrapped else answer["response"]) == ('{"city": "Rome"}' if wrapped else {"city": "Rome"})
    assert engine.sent["response_format"]["json_schema"]["schema"] == schema


def test_json_mode_reads_on_behind_what_was_thought(ai: Ai, engine: Engine) -> None:
    engine.answer = engine.says('{"city": ', '"New York"}', reasoning="Which {city}?")
    answer = ai.run(LLAMA_3_3, {"prompt": "A city", "response_format": {"type": "json_object"}})
    assert answer["response"] == {"city": "New York"}


def test_json_mode_that_gets_no_json_says_so(ai: Ai, engine: Engine) -> None:
    with pytest.raises(InferenceUpstreamError) as caught:
        ai.run(LLAMA_3_3, {"prompt": "A city", "response_format": {"type": "json_object"}})
    assert caught.value.code == 5024


def test_inputs_have_the_names_that_the_engine_knows(ai: Ai, engine: Engine) -> None:
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 7, "repetition_penalty": 1.1, "frequency_penalty": 1}
    ai.run(LLAMA_3_3, {"prompt": "Hello", **given})
    for name, value in given.items():
        assert engine.sent[name] == value
    assert engine.sent["repeat_penalty"] == 1.1
    assert engine.sent["max_tokens"] == 256  # the service's default for this model


def test_a_raw_prompt_stays_raw(ai: Ai, engine: Engine) -> None:
    body = {
        "id": "x",
        "object": "text_completion",
        "choices": [{"index": 0, "text": " Paris", "finish_reason": "stop"}],
    }
    content = f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n".encode()
    engine.answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=content)
    assert ai.run(LLAMA_3_3, {"prompt": "The capital is", "raw": True}).text == " Paris"
    assert engine.requests[-1][0] == "completions"
    assert engine.sent["prompt"] == "The capital is"


def test_an_image_beside_the_prompt_is_a_part(ai: Ai, engine: Engine) -> None:
    ai.run("@cf/meta/llama-3.2-11b-vision-instruct", {"prompt": "What is it?", "image": [137, 80, 78, 71]})
    text, image = engine.sent["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}


# Embeddings


def test_texts_are_embedded_in_their_order(ai: Ai, engine: Engine) -> None:
    rows = [{"index": 1, "embedding": [0.0, 2.0]}, {"index": 0, "embedding": [1.0, 0.0]}]
    engine.answer = httpx.Response(200, json={"data": rows})
    answer = ai.run("@cf/baai/bge-base-en-v1.5", {"text": ["a", "b"]})
    assert (answer.shape, answer.data) == ([2, 2], [[1.0, 0.0], [0.0, 2.0]])
    assert (engine.requests[-1][0], engine.sent["input"]) == ("embeddings", ["a", "b"])


def test_contexts_are_ranked_by_their_vectors(ai: Ai, engine: Engine) -> None:
    vectors = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    rows = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    engine.answer = httpx.Response(200, json={"data": rows})
    answer = ai.run("@cf/baai/bge-reranker-base", {"query": "q", "contexts": [{"text": "far"}, {"text": "near"}]})
    assert answer["response"] == [{"id": 1, "score": 0.707107}, {"id": 0, "score": 0.0}]
    assert engine.sent["input"] == ["q", "far", "near"]


def test_too_few_vectors_are_an_error(ai: Ai, engine: Engine) -> None:
    engine.answer = httpx.Response(200, json={"data": []})
    with pytest.raises(InferenceUpstreamError, match="gave 0 vectors for 1 texts"):
        ai.run("@cf/baai/bge-base-en-v1.5", {"text": "a"})


# Which model


def test_the_first_model_is_looked_up_once(ai: Ai, engine: Engine) -> None:
    for _ in range(2):
        engine.answer = engine.says("a")
        ai.run(GLM, {"prompt": "Hello"})
    assert [path for path, _ in engine.requests] == ["models", "chat/completions", "chat/completions"]


def test_a_map_says_which_model_stands_for_which(engine: Engine) -> None:
    upstream = OpenAIUpstream(URL + "/", models={GLM: "small", "*": "large"}, api_key="engine-key")
    with Emulator(engine=upstream) as local, local.ai(max_retries=None) as ai:
        for model, stands in ((GLM, "small"), (LLAMA_3_3, "large")):
            engine.answer = engine.says("a")
            ai.run(model, {"prompt": "Hello"})
            assert engine.sent["model"] == stands
    assert engine.headers[-1]["authorization"] == "Bearer engine-key"
    assert "engine-key" not in repr(upstream)


def test_one_name_is_the_model_for_all(engine: Engine) -> None:
    with Emulator(engine=OpenAIUpstream(URL, models="only")) as local, local.ai(max_retries=None) as ai:
        ai.run(GLM, {"prompt": "Hello"})
    assert engine.sent["model"] == "only"


def test_an_upstream_can_be_used_again_after_it_was_closed(engine: Engine) -> None:
    local = Emulator(engine=OpenAIUpstream(URL))
    for _ in range(2):
        with local, local.ai(max_retries=None) as ai:
            assert ai.run(GLM, {"prompt": "Hello"}).text == "New York."


def test_a_proxy_of_the_environment_is_not_used(ai: Ai, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://which.no.client.takes")
    assert ai.run(GLM, {"prompt": "Hello"}).text == "New York."


def test_what_is_no_text_or_embedding_stays_emulated(ai: Ai, engine: Engine) -> None:
    assert "[emulated" in ai.run("@cf/meta/m2m100-1.2b", {"text": "Hello", "target_lang": "fr"}).translated_text
    assert engine.requests == []


def test_a_batch_is_answered_in_earnest(ai: Ai, engine: Engine) -> None:
    queued = ai.run(LLAMA_3_3, {"requests": [{"prompt": "Where?"}]}, queue_request=True)
    ai.run(LLAMA_3_3, {"request_id": queued["request_id"]})
    done = ai.run(LLAMA_3_3, {"request_id": queued["request_id"]})
    assert done["responses"][0]["result"]["response"] == "New York."


# What goes wrong


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_is_not_there_is_told(ai: Ai, engine: Engine, stream: bool) -> None:
    engine.answer = httpx.ConnectError("All connection attempts failed")
    with pytest.raises(
        InferenceUpstreamError, match=r"engine\.test:11434/v1 cannot be reached: .* Is the server running"
    ) as e:
        ai.run(GLM, {"prompt": "Hello", "stream": stream})
    assert e.value.status_code == 502


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"error": {"message": "no such model"}}', "no such model"),
        ('{"error": "no such model"}', "no such model"),
        ('{"detail": [1]}', r"\[1\]"),
        ("<h1>no</h1>", "<h1>no</h1>"),
    ],
)
def test_what_the_server_refuses_is_said_with_its_status(
    ai: Ai, engine: Engine, body: str, text: str, stream: bool
) -> None:
    engine.answer = httpx.Response(404, content=body.encode())
    with pytest.raises(InferenceUpstreamError, match=f"chat/completions refused: {text}") as caught:
        ai.run(GLM, {"prompt": "Hello", "stream": stream})
    assert caught.value.status_code == 404


def test_a_stream_that_breaks_off_is_no_answer(ai: Ai, engine: Engine) -> None:
    engine.answer = engine.says("New", finish=None)
    with pytest.raises(InferenceUpstreamError, match="ended before its answer did"):
        ai.run(GLM, {"prompt": "Hello"})
    engine.answer = engine.says("New", finish=None)
    with pytest.raises(StreamError, match="ended before its answer did") as caught:
        list(ai.run(GLM, {"prompt": "Hello", "stream": True}))
    assert caught.value.partial == "New"


def test_a_defect_happens_to_an_engine_s_stream(engine: Engine) -> None:
    with Emulator(engine=OpenAIUpstream(URL)) as local, local.ai(max_retries=None) as ai:
        inputs = {"prompt": "Where is it?", "stream": True}
        local.script("decimal-token", "tool-call-flat", "error-event-done")
        assert [token.text for token in ai.run(GLM, inputs) if token.text] == ["New", "0.10", " York", "."]
        with pytest.raises(InferenceUpstreamError, match="tool-call-flat needs a stream with a tool call"):
            ai.run(GLM, inputs)
        with pytest.raises(StreamError, match="3040") as caught:
            list(ai.run(GLM, inputs))
    assert caught.value.partial == "New York."


def test_an_event_that_is_no_json_is_no_answer(ai: Ai, engine: Engine) -> None:
    engine.answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"data: {no\n\n")
    with pytest.raises(InferenceUpstreamError, match=r"engine\.test"):
        ai.run(GLM, {"prompt": "Hello"})


def test_a_server_without_models_says_what_to_do(engine: Engine) -> None:
    with (
        respx.mock as router,
        Emulator(engine=OpenAIUpstream("http://empty.test")) as local,
        local.ai(max_retries=None) as ai,
    ):
        router.route(host="127.0.0.1").pass_through()
        router.get("http://empty.test/models").respond(json={"data": []})
        with pytest.raises(InferenceUpstreamError, match="has no model: load one"):
            ai.run(GLM, {"prompt": "Hello"})


def test_a_url_is_one() -> None:
    with pytest.raises(ConfigurationError, match="'localhost:11434' is no URL of a server"):
        OpenAIUpstream("localhost:11434")
    assert repr(OpenAIUpstream(URL)) == f"OpenAIUpstream({URL!r})"


# Tools that have to be called


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_tool_is_written_by_a_schema(engine: Engine, choice: Any, stream: bool) -> None:
    engine.answer = engine.says('{"name": "weather", ', '"arguments": {"city": "Rome"}}')
    with Emulator(engine=OpenAIUpstream(URL, force_tools=True)) as local, local.ai(max_retries=None) as ai:
        inputs = {"messages": [{"role": "user", "content": "Weather?"}], "tools": [WEATHER], "tool_choice": choice}
        answer = said(ai, GLM, inputs, stream=stream)
    assert [(call.name, call.parse()) for call in answer.tool_calls] == [("weather", {"city": "Rome"})]
    assert (answer.text, answer.finish_reason, answer.usage.prompt_tokens) == ("", "tool_calls", 21)
    assert "tools" not in engine.sent
    schema = engine.sent["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"name": {"const": "weather"}, "arguments": WEATHER["parameters"]}
    assert engine.sent["messages"][1] == {"role": "user", "content": "Weather?"}


def test_a_forced_tool_that_is_cut_is_text(engine: Engine) -> None:
    engine.answer = engine.says('{"name": "wea', finish="length")
    with Emulator(engine=OpenAIUpstream(URL, force_tools=True)) as local, local.ai(max_retries=None) as ai:
        inputs = {"messages": [{"role": "user", "content": "W?"}], "tools": [WEATHER], "tool_choice": "required"}
        answer = ai.run(GLM, inputs)
    assert (answer.text, answer.tool_calls, answer.finish_reason) == ('{"name": "wea', [], "length")


def test_several_tools_are_alternatives_and_free_ones_stay_free(engine: Engine) -> None:
    other = WEATHER | {"name": "time"}
    with Emulator(engine=OpenAIUpstream(URL, force_tools=True)) as local, local.ai(max_retries=None) as ai:
        inputs: dict[str, Any] = {"messages": [{"role": "user", "content": "W?"}], "tools": [WEATHER, other]}
        engine.answer = engine.says('{"name": "time", "arguments": {}}')
        assert ai.run(GLM, inputs | {"tool_choice": "required"}).tool_calls[0].name == "time"
        assert len(engine.sent["response_format"]["json_schema"]["schema"]["anyOf"]) == 2
        engine.answer = engine.says("Rain.")
        assert ai.run(GLM, inputs | {"tool_choice": "auto"}).text == "Rain."
        assert len(engine.sent["tools"]) == 2
