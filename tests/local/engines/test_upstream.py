"""A server of OpenAI's API behind Workers AI's names: what it is asked, and what comes of what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import respx

from cfai import Ai, BadRequestError, CfaiError, InferenceUpstreamError, InternalServerError, StreamError
from cfai._errors import ConfigurationError
from cfai.local import Emulator, OpenAIUpstream
from tests.conftest import row
from tests.local.conftest import PNG, PNG_URL, Service, check

URL = "http://engine.test:11434/v1"
GLM = "@cf/zai-org/glm-4.7-flash"  # chunks of chat completions
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"  # native
LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # both at once
GLM_5_3 = "@cf/zai-org/glm-5.3-flash"  # usage in increments
KIMI = "@cf/moonshotai/kimi-k2.6"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"  # a prompt is answered by a text completion
VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
GPT_OSS = "@cf/openai/gpt-oss-20b"
CHAT = [GLM, LLAMA_2, LLAMA_3_3, GLM_5_3, KIMI, QWEN, GPT_OSS]
BGE = "@cf/baai/bge-base-en-v1.5"
USAGE = {"prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24}
WEATHER = {"name": "weather", "description": "Tells the weather.", "parameters": {"type": "object", "properties": {}}}
TOOLS: dict[str, Any] = {"messages": [{"role": "user", "content": "Weather?"}], "tools": [WEATHER]}


class Engine:
    """A server with one model: what it was sent, and what it answers until something else is set."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.error: Exception | None = None
        self.says("New", " York", ".")
        router.route(host="127.0.0.1").pass_through()
        router.route(host="engine.test").mock(side_effect=self._respond)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/")
        self.headers.append(request.headers)
        if path == "models":
            self.requests.append((path, None))
            return httpx.Response(200, json={"object": "list", "data": [{"id": "first"}, {"id": "second"}]})
        self.requests.append((path, json.loads(request.content)))
        if self.error is not None:
            raise self.error
        return httpx.Response(self._status, headers={"content-type": self._content_type}, content=self._content)

    @property
    def sent(self) -> Any:
        return self.requests[-1][1]

    def answers(self, content: str, *, status: int = 200, content_type: str = "text/event-stream") -> None:
        self._content, self._status, self._content_type = content.encode(), status, content_type

    def embeds(self, *vectors: list[float]) -> None:
        # The last comes first.
        rows = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)][::-1]
        self.answers(json.dumps({"data": rows}), content_type="application/json")

    def says(self, *texts: str, reasoning: str = "", finish: str | None = "stop") -> None:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        deltas += [{"reasoning_content": reasoning}] if reasoning else []
        self.streams([*deltas, *({"content": text} for text in texts)], finish)

    def streams(self, deltas: list[dict[str, Any]], finish: str | None) -> None:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "first"}
        events: list[Any] = [head | {"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        if finish:
            events.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
            events.append(head | {"choices": [], "usage": USAGE})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self.answers(body + ("data: [DONE]\n\n" if finish else ""))


@pytest.fixture
def engine() -> Iterator[Engine]:
    with respx.mock(assert_all_called=False) as router:
        yield Engine(router)


@contextmanager
def connect(checks: Any = "enforce", **options: Any) -> Iterator[Ai]:
    """Give a client of an emulator whose engine has these options."""
    with Emulator(engine=OpenAIUpstream(URL, **options)) as local, local.ai(max_retries=None, checks=checks) as ai:
        yield ai


@pytest.fixture
def ai(engine: Engine) -> Iterator[Ai]:
    with connect() as ai:
        yield ai


def run_both(ai: Ai, model: str, inputs: dict[str, Any]) -> Iterator[Any]:
    """Give the whole answer, first of a call that does not stream and then of one that does."""
    yield ai.run(model, inputs)
    stream = ai.run(model, inputs | {"stream": True})
    assert len(list(stream)) > 1
    yield stream.result()


def calls_of(answer: Any) -> list[tuple[str, Any]]:
    return [(call.name, call.parse()) for call in answer.tool_calls]


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
def test_every_family_gives_what_the_engine_says(ai: Ai, engine: Engine) -> None:
    for model in CHAT:
        for answer in run_both(ai, model, {"prompt": "Where is it?", "max_tokens": 9}):
            usage = answer.usage
            assert answer.text == "New York.", model
            assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (21, 3, 24), model
            assert answer.finish_reason in ("stop", None), model
            path, body = engine.requests[-1]
            assert path == "chat/completions"
            assert body["messages"] == [{"role": "user", "content": "Where is it?"}]
            assert (body["model"], body["stream"], body["max_tokens"]) == ("first", True, 9)
            assert body["stream_options"] == {"include_usage": True}


def test_items_of_the_responses_api_are_messages(ai: Ai, engine: Engine) -> None:
    engine.says("New", " York", reasoning="Hm.")
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    inputs = {"input": items, "instructions": "Be brief.", "max_output_tokens": 50}
    for answer in run_both(ai, GPT_OSS, inputs):
        assert (answer.text, answer.reasoning, answer.usage.prompt_tokens) == ("New York", "Hm.", 21)
        assert engine.sent["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Where?"}]},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ]
        assert engine.sent["max_tokens"] == 50


def test_reasoning_stands_where_its_family_has_it_and_a_call_behind_it_is_not_lost(ai: Ai, engine: Engine) -> None:
    engine.says("New", " York", reasoning="Hm.")
    for answer in run_both(ai, GLM, {"prompt": "Where?"}):
        assert (answer.text, answer.reasoning) == ("New York", "Hm.")
    mixed = [{"reasoning_content": "H"}, {"reasoning_content": "m.", "content": "New"}, {"content": " York"}]
    for deltas in ([{"reasoning_content": "Hm."}, {"content": "New"}, {"content": " York"}], mixed):
        engine.streams(deltas, "stop")
        for answer in run_both(ai, LLAMA_3_3, {"prompt": "Where?"}):
            assert answer.text == "<think>Hm.</think>\n\nNew York", deltas
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    engine.streams([{"reasoning_content": "Hm."}, {"tool_calls": [call]}], "tool_calls")
    for model in (GLM, LLAMA_3_3):
        for answer in run_both(ai, model, {"prompt": "Weather?", "tools": [WEATHER]}):
            assert calls_of(answer) == [("weather", {})], model


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
def test_two_calls_of_tools_come_whole(ai: Ai, engine: Engine) -> None:
    head = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"city":', '"Rome"}')]
    second = head | {"index": 1, "id": "c2", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}
    engine.streams([{"tool_calls": [part]} for part in [head, *parts, second]], "tool_calls")
    for model in CHAT:
        for answer in run_both(ai, model, TOOLS | {"tool_choice": "auto"}):
            assert calls_of(answer) == [("weather", {"city": "Rome"}), ("weather", {"city": "Bonn"})], model
            assert engine.sent["tools"] == [{"type": "function", "function": WEATHER}]
            assert engine.sent["tool_choice"] == "auto"


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
FLAT_CALL = {"id": "c1", "name": "weather", "arguments": {}}
PART = {"type": "image_url", "image_url": {"url": PNG_URL}}
HI = {"role": "user", "content": "Hi"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
NAMES = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 7, "repetition_penalty": 1.1, "frequency_penalty": 1}
TEXT = '{"city": "Rome"}'
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
SCHEMA = "response_format.json_schema.schema"
WRAPPED = {"type": "json_schema", "json_schema": {"name": "a", "schema": CITY}}
SENT: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "several answers of chat completions": (GLM, {"prompt": "Where?", "n": 2}, {"n": 2}),
    "one answer of native models": (LLAMA_3_3, {"prompt": "Where?", "n": 2}, {"*": lambda names: "n" not in names}),
    # The last is the service's default for this model.
    "names of the engine": (LLAMA_3_3, {"prompt": "Hi", **NAMES}, NAMES | {"repeat_penalty": 1.1, "max_tokens": 256}),
    "developer": (GLM, {"messages": [HI, {"role": "developer", "content": "Be brief."}]}, {
        "messages.1": {"role": "system", "content": "Be brief."}}),
    "flat call": (GLM, {"messages": [HI, {"role": "assistant", "content": None, "tool_calls": [FLAT_CALL]}]}, {
        "messages.1": {"role": "assistant", "content": "", "tool_calls": [CALL]}}),
    "parts": (GLM, {"messages": [HI, PARTS]}, {"messages.1": PARTS}),
    "image beside the prompt": (VISION, {"prompt": "What is it?", "image": list(PNG)}, {
        "messages": lambda messages: messages[-1]["content"] == [{"type": "text", "text": "What is it?"}, PART]}),
    **{f"tool {number}": (LLAMA_3_3, TOOLS | {"tools": [tool]}, {"tools": [{"type": "function", "function": WEATHER}]})
        for number, tool in enumerate([WEATHER, {"type": "function", **WEATHER},
                                       {"type": "function", "function": WEATHER}])},
    "schema in an envelope": (GLM, {"prompt": "A city", "response_format": WRAPPED}, {SCHEMA: CITY}),
    "bare schema": (LLAMA_3_3, {"prompt": "A city", "response_format": WRAPPED | {"json_schema": CITY}}, {
        SCHEMA: CITY}),
    "guided_json": (LLAMA_3_3, {"prompt": "A city", "guided_json": CITY}, {SCHEMA: CITY}),
}  # fmt: skip
"""A model and its inputs, and what of it stands where in the request that the engine gets."""


# The client warns of what native models ignore.
@pytest.mark.filterwarnings("ignore::cfai.InputWarning")
def test_inputs_in_any_form_are_those_of_chat_completions(ai: Ai, engine: Engine) -> None:
    engine.says(TEXT[:8], TEXT[8:], reasoning="Which {city}?")
    for name, (model, inputs, expected) in SENT.items():
        with row(name):
            answer = ai.run(model, inputs, checks="off")
            check(engine.sent, expected)
            if SCHEMA in expected:
                # Native answers have the value itself in the place of the text.
                assert (answer.text if model == GLM else answer["response"]) == (
                    TEXT if model == GLM else json.loads(TEXT)
                )


def test_json_mode_that_gets_no_json_says_so(ai: Ai, engine: Engine) -> None:
    with pytest.raises(InferenceUpstreamError) as caught:
        ai.run(LLAMA_3_3, {"prompt": "A city", "response_format": {"type": "json_object"}})
    assert caught.value.code == 5024


def test_a_raw_prompt_stays_raw(ai: Ai, engine: Engine) -> None:
    choice = {"index": 0, "text": " Paris", "finish_reason": "stop"}
    engine.answers(f"data: {json.dumps({'object': 'text_completion', 'choices': [choice]})}\n\ndata: [DONE]\n\n")
    assert ai.run(LLAMA_3_3, {"prompt": "The capital is", "raw": True}).text == " Paris"
    assert engine.requests[-1][0] == "completions"
    assert engine.sent["prompt"] == "The capital is"


def test_an_image_that_is_none_reaches_no_engine(engine: Engine) -> None:
    with Emulator(engine=OpenAIUpstream(URL)) as local, (service := Service(local)).http:
        for image, code in (([1, "a"], 5006), ([256], 5006), ([0.5], 8005), (list(b"GIF"), 8005), ("cat.png", 5004)):
            with row(image):
                assert service.error(VISION, {"prompt": "What is it?", "image": image})[1] == code
    assert engine.requests == []


# Embeddings


def test_vectors_are_those_of_the_texts_in_their_order(ai: Ai, engine: Engine) -> None:
    engine.embeds([1.0, 0.0], [0.0, 2.0])
    answer = ai.run(BGE, {"text": ["a", "b"]})
    assert (answer.shape, answer.data) == ([2, 2], [[1.0, 0.0], [0.0, 2.0]])
    assert (engine.requests[-1][0], engine.sent["input"]) == ("embeddings", ["a", "b"])
    engine.embeds([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])
    answer = ai.run("@cf/baai/bge-reranker-base", {"query": "q", "contexts": [{"text": "far"}, {"text": "near"}]})
    assert [(context.id, context.score) for context in answer.response] == [(1, 0.707107), (0, 0.0)]
    assert engine.sent["input"] == ["q", "far", "near"]


def test_vectors_that_are_too_few_or_no_numbers_are_an_error(ai: Ai, engine: Engine) -> None:
    for rows, message in (
        ([{"index": 0, "embedding": [None]}], "gave vectors that are no numbers"),
        ([{"index": 0, "embedding": ["a"]}], "gave vectors that are no numbers"),
        ([{"index": 0, "embedding": [1.0]}, {"index": None, "embedding": [1.0]}], "gave vectors that are no numbers"),
        ([], "gave 0 vectors for 1 texts"),
    ):
        engine.answers(json.dumps({"data": rows}), content_type="application/json")
        with row(rows), pytest.raises(InferenceUpstreamError, match=message) as caught:
            ai.run(BGE, {"text": "a"})
        assert caught.value.status_code == 502, rows


# Which model


def test_the_first_model_is_looked_up_once_unless_a_map_says_which_stands_for_which(ai: Ai, engine: Engine) -> None:
    for _ in range(2):
        ai.run(GLM, {"prompt": "Hello"})
    assert [path for path, _ in engine.requests] == ["models", "chat/completions", "chat/completions"]
    with connect(models={GLM: "small", "*": "large"}, api_key="engine-key") as ai:
        for model, name in ((GLM, "small"), (LLAMA_3_3, "large")):
            ai.run(model, {"prompt": "Hello"})
            assert engine.sent["model"] == name
    assert engine.headers[-1]["authorization"] == "Bearer engine-key"
    assert repr(OpenAIUpstream(f"{URL}/", api_key="engine-key")) == f"OpenAIUpstream({URL!r})"
    with connect(models="only") as ai:
        ai.run(GLM, {"prompt": "Hello"})
    assert engine.sent["model"] == "only"


def test_an_upstream_can_be_used_again_and_needs_no_proxy(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://which.no.client.takes")
    local = Emulator(engine=OpenAIUpstream(f"{URL}/"))
    for _ in range(2):
        with local, local.ai(max_retries=None) as ai:
            assert ai.run(GLM, {"prompt": "Hello"}).text == "New York."


def test_a_batch_is_answered_in_earnest_and_what_is_no_text_or_embedding_stays_emulated(ai: Ai, engine: Engine) -> None:
    assert (
        "emulated translation" in ai.run("@cf/meta/m2m100-1.2b", {"text": "Hello", "target_lang": "fr"}).translated_text
    )
    assert engine.requests == []
    [item] = ai.batch(LLAMA_3_3, [{"prompt": "Where?"}]).wait(poll=0.001)
    assert item.output.text == "New York."


# What goes wrong

REFUSALS = {
    '{"error": {"message": "no such model"}}': "no such model",
    '{"error": "no such model"}': "no such model",
    '{"detail": [1]}': r"\[1\]",
    "<h1>no</h1>": "<h1>no</h1>",
}


def test_an_engine_that_does_not_answer_is_reported_with_its_status(ai: Ai, engine: Engine) -> None:
    for stream in (False, True):
        for body, message in REFUSALS.items():
            engine.answers(body, status=404)
            with pytest.raises(InferenceUpstreamError, match=f"chat/completions refused: {message}") as caught:
                ai.run(GLM, {"prompt": "Hello", "stream": stream})
            assert caught.value.status_code == 404, body
        engine.answers('{"error": {"message": "out of memory"}}', status=500)
        with pytest.raises(InternalServerError, match="chat/completions failed: out of memory") as caught:
            ai.run(GLM, {"prompt": "Hello", "stream": stream}, max_retries=0)
        assert caught.value.status_code == 500
        assert "the model refused" not in str(caught.value)
        blind = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
        engine.answers(json.dumps({"error": {"code": 500, "message": blind}}), status=500)
        with pytest.raises(BadRequestError, match=r"this model cannot see images: .* cfai run --emulated"):
            ai.run(GLM, {"prompt": "Hello", "stream": stream})
    engine.error = httpx.ConnectError("All connection attempts failed")
    for stream in (False, True):
        message = r"engine\.test:11434/v1 cannot be reached: .* Is the server running"
        with pytest.raises(InferenceUpstreamError, match=message) as caught:
            ai.run(GLM, {"prompt": "Hello", "stream": stream})
        assert caught.value.status_code == 502


def test_a_stream_that_breaks_off_or_has_no_json_is_no_answer(ai: Ai, engine: Engine) -> None:
    engine.says("New", finish=None)
    with pytest.raises(InferenceUpstreamError, match="ended before its answer did"):
        ai.run(GLM, {"prompt": "Hello"})
    with pytest.raises(StreamError, match="ended before its answer did") as caught:
        list(ai.run(GLM, {"prompt": "Hello", "stream": True}))
    assert caught.value.partial == "New"
    engine.answers("data: {no\n\n")
    with pytest.raises(InferenceUpstreamError, match=r"engine\.test"):
        ai.run(GLM, {"prompt": "Hello"})


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


def test_an_error_without_a_code_has_null_for_it_in_the_responses_api(engine: Engine) -> None:
    engine.says("New", finish=None)
    with Emulator(engine=OpenAIUpstream(URL)) as local:
        body = {"model": GPT_OSS, "input": "Where is it?", "stream": True}
        headers = {"authorization": f"Bearer {local.api_token}"}
        answer = httpx.post(f"{local.openai_url}/responses", json=body, headers=headers, trust_env=False)
    name, _, data = answer.text.rstrip().rpartition("\n\n")[2].partition("\ndata: ")
    assert (name, json.loads(data)["code"]) == ("event: error", None)


def test_a_server_without_models_or_without_a_url_is_told() -> None:
    with (
        respx.mock as router,
        Emulator(engine=OpenAIUpstream("http://empty.test")) as local,
        local.ai(max_retries=None) as ai,
    ):
        router.route(host="127.0.0.1").pass_through()
        router.get("http://empty.test/models").respond(json={"data": []})
        with pytest.raises(InferenceUpstreamError, match="has no model: load one"):
            ai.run(GLM, {"prompt": "Hello"})
    for url in ("localhost:11434", "http://127.0.0.1:abc/v1", "http://", "ftp://127.0.0.1/v1"):
        with pytest.raises(ConfigurationError, match=f"'{url}' is no URL of a server"):
            OpenAIUpstream(url)


def test_a_login_in_the_url_is_sent_and_never_shown() -> None:
    for url, shown in (
        ("http://me:secret@server.test/v1?key=secret", "http://server.test/v1"),
        ("http://server.test/v1#secret", "http://server.test/v1"),
        ("http://me:se/secret@server.test:abc", "http://server.test:abc"),
        ("me:secret@server.test", "server.test"),
    ):
        with row(url), pytest.raises(ConfigurationError, match=f"'{re.escape(shown)}' is no URL of a server"):
            OpenAIUpstream(url)
    engine = OpenAIUpstream("http://me:secret@server.test/v1", models=SERVED)
    assert repr(engine) == "OpenAIUpstream('http://server.test/v1')"
    with respx.mock as router, Emulator(engine=engine) as local, local.ai(max_retries=None) as ai:
        router.route(host="127.0.0.1").pass_through()
        for answer in (httpx.ConnectError("refused"), httpx.Response(400, json={"error": "no"})):
            route = router.post("http://me:secret@server.test/v1/chat/completions").mock(side_effect=[answer])
            with row(answer):
                with pytest.raises(InferenceUpstreamError, match=r"http://server\.test/v1") as caught:
                    ai.run(GLM, {"prompt": "Hello"})
                assert "secret" not in str(caught.value)
                assert route.calls.last.request.headers["authorization"].startswith("Basic ")


# A server whose connection stays open

SERVED = "@cf/meta/llama-3.2-1b-instruct"


@contextmanager
def connect_to_emulator(**options: Any) -> Iterator[tuple[Emulator, Emulator]]:
    """Give an emulator as a real server of OpenAI's API, and one that has it for its engine."""
    with Emulator(**options) as server:
        engine = OpenAIUpstream(server.openai_url, models=SERVED, api_key=server.api_token)
        with Emulator(engine=engine) as local:
            yield server, local


def test_an_answer_is_whole_at_its_end_mark_and_one_that_nobody_reads_not_generated_on() -> None:
    with connect_to_emulator() as (server, local), local.ai(max_retries=None, timeout=5) as ai:
        server.script("held-open")
        assert "emulated" in ai.run(GLM, {"prompt": "Hello"}).text
    inputs: dict[str, Any] = {"prompt": "write 3000 words", "stream": True, "max_tokens": 4000}
    for name, fault in (
        ("the connection is cut", "connection-closed"),
        ("the connection is reset", "connection-reset"),
        ("no HTTP answer", "not-http"),
        ("the client leaves before the status line", "delay=600"),
        ("the client leaves before the first token", "slow_first=600"),
    ):
        with connect_to_emulator(tokens_per_second=20) as (server, local):
            local.script(fault)
            with local.ai(max_retries=None, timeout=0.5) as ai, pytest.raises(CfaiError):
                list(ai.run(GLM, inputs))
            assert server.wait_for_disconnects(), name


# Tools that have to be called


def test_a_forced_tool_is_written_by_a_schema(engine: Engine) -> None:
    engine.says('{"name": "weather", ', '"arguments": {"city": "Rome"}}')
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        with connect(force_tools=True) as ai:
            for answer in run_both(ai, GLM, TOOLS | {"tool_choice": choice}):
                assert calls_of(answer) == [("weather", {"city": "Rome"})], choice
                assert (answer.text, answer.finish_reason, answer.usage.prompt_tokens) == ("", "tool_calls", 21)
                assert "tools" not in engine.sent
                schema = engine.sent["response_format"]["json_schema"]["schema"]
                assert schema["properties"] == {"name": {"const": "weather"}, "arguments": WEATHER["parameters"]}
                assert engine.sent["messages"][1] == {"role": "user", "content": "Weather?"}


def test_what_is_no_call_of_the_forced_tool_is_text_and_several_are_alternatives(engine: Engine) -> None:
    rows = (('{"name": "wea', "length"), ('{"name": "weather"}', "stop"), ("[1]", "stop"), ("sunny", "stop"))
    with connect(force_tools=True) as ai:
        for text, finish in rows:
            engine.says(text, finish=finish)
            answer = ai.run(GLM, TOOLS | {"tool_choice": "required"})
            assert (answer.text, answer.tool_calls, answer.finish_reason) == (text, [], finish)
    inputs = TOOLS | {"tools": [WEATHER, WEATHER | {"name": "time"}]}
    with connect(force_tools=True) as ai:
        engine.says('{"name": "time", "arguments": {}}')
        assert calls_of(ai.run(GLM, inputs | {"tool_choice": "required"})) == [("time", {})]
        assert len(engine.sent["response_format"]["json_schema"]["schema"]["anyOf"]) == 2
        engine.says("Rain.")
        assert ai.run(GLM, inputs | {"tool_choice": "auto"}).text == "Rain."
        assert len(engine.sent["tools"]) == 2
