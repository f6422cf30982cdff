"""`Ai.from_binding`: what the binding is given, and what becomes of its answers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import date
from types import MappingProxyType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from pydantic import BaseModel

from cfai import (
    Ai,
    AiInternalError,
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    StreamError,
    StreamTruncatedError,
    Timeout,
)
from cfai.local import Emulator
from tests.conftest import row
from tests.worker.conftest import Open
from tests.worker.javascript import JsException, ReadableStream, Response
from tests.worker.runtime import HOST, Request, reply

GLM = "@cf/zai-org/glm-4.7-flash"
NOVA = "@cf/deepgram/nova-3"
KLEIN = "@cf/black-forest-labs/flux-2-klein-4b"
HELLO = {"prompt": "Hello"}
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(24)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
EVENTS = b'data: {"response":"Hel"}\n\ndata: {"response":"lo"}\n\ndata: [DONE]\n\n'
STREAM = {"body": ReadableStream([WAV]), "contentType": "audio/wav"}
HEADERS_ALONE: list[tuple[str, str, dict[str, Any]]] = [
    ("collectLogPayload", "cf-aig-collect-log-payload", {"collect_log_payload": False}),
    ("customCost", "cf-aig-custom-cost", {"custom_cost": {"per_token_in": 0.1}}),
    ("byokAlias", "cf-aig-byok-alias", {"byok_alias": "mine"}),
    ("zdr", "cf-aig-zdr", {"zdr": True}),
    ("noWholesale", "cf-aig-no-wholesale", {"no_wholesale": True}),
]
"""Options of a gateway that the binding has no name for, with their headers."""


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(main)


def test_an_answer_is_typed_and_the_last_call_is_remembered(open_worker: Open) -> None:
    headers = {"cf_ai_req_id": "3a19", "cf_aig_log_id": "log-1", "cf_aig_cache_status": "HIT"}
    ai, binding = open_worker(reply({"response": "Hi"}, **headers), {"response": "again"})
    answer = run(ai.arun(GLM, HELLO))
    assert (answer.text, answer.meta.gateway_cache_status) == ("Hi", "HIT")
    assert (ai.last_request_id, ai.ai_gateway_log_id, ai.last_request_http_status_code) == ("3a19", "log-1", 200)
    assert binding.requests[0].url == f"{HOST}/run?version=3"
    assert binding.requests[0].json == {"inputs": HELLO, "options": {"returnRawResponse": True}}
    assert {name: value for name, value in binding.requests[0].headers.items() if "cf-" not in name} == {
        "content-type": "application/json"
    }
    run(ai.arun(GLM, HELLO))
    assert (ai.last_request_id, ai.ai_gateway_log_id) == (None, None)
    assert repr(ai) == "Ai(account_id='binding', base_url='https://workers-binding.ai/client/v4')"


def test_what_the_content_type_says_decides_how_an_answer_is_read(open_worker: Open) -> None:
    rows: list[tuple[str, str, dict[str, Any], list[bytes], Any]] = [
        ("with a charset", GLM, HELLO, [b'{"response": "Hi"}'], "Hi"),
        ("an image", "@cf/leonardo/phoenix-1.0", HELLO, [PNG[:9], PNG[9:]], PNG),
        ("speech", "@cf/deepgram/aura-1", {"text": "Hi"}, [b"ID3", b"sound"], b"ID3sound"),
        ("no body", "@cf/deepgram/aura-1", {"text": "Hi"}, [b"ID3"], b"ID3"),
    ]
    types = ["application/json; charset=utf-8", "image/png", "audio/mpeg", "audio/mpeg"]
    for (name, model, inputs, pieces, expected), content_type in zip(rows, types, strict=True):
        with row(name):
            # The runtime has unpacked the body, and says of it what was before.
            packed = {"content_encoding": "gzip", "content_length": "7"}
            ai, _ = open_worker(reply(pieces, content_type=content_type, **packed))
            answer = run(ai.arun(model, inputs))
            assert (answer.text if model == GLM else answer.content) == expected


def test_a_bare_list_and_an_answer_without_a_body_are_read_as_over_rest(open_worker: Open) -> None:
    ai, _ = open_worker(reply([{"label": "POSITIVE", "score": 0.9}]), Response(None, status=200))
    labels = run(ai.arun("@cf/huggingface/distilbert-sst-2-int8", {"text": "good"}))
    assert [each.label for each in labels] == ["POSITIVE"]
    with pytest.raises(AiInternalError, match="200"):
        run(ai.arun(GLM, HELLO, max_retries=0))


def test_a_stream_is_read_as_it_comes_and_the_model_stops_when_it_is_left(open_worker: Open) -> None:
    streams = [ReadableStream([EVENTS[:30], EVENTS[30:]]), ReadableStream([EVENTS[:26], asyncio.Event().wait()])]
    answers = [Response(each, headers={"content-type": "text/event-stream"}) for each in streams]
    ai, binding = open_worker(*answers)

    async def main() -> None:
        stream = await ai.arun(GLM, {**HELLO, "stream": True})
        assert [token.text async for token in stream] == ["Hel", "lo"]
        assert binding.requests[0].json["inputs"] == {**HELLO, "stream": True}
        async with ai.arun(GLM, {**HELLO, "stream": True}) as left:
            assert (await anext(left)).text == "Hel"
            assert not streams[1].is_cancelled
        assert streams[1].is_cancelled

    run(main())


def test_inputs_are_given_as_json_has_them(open_worker: Open) -> None:
    ai, binding = open_worker({"response": "Hi"})
    message = {"role": "assistant", "content": None, "tool_calls": []}
    inputs = {"messages": [message, {"role": "user", "content": "ä\u2028"}], "temperature": 0.5, "seed": 2**40}
    run(ai.arun(GLM, inputs, checks="off"))
    assert binding.requests[0].json["inputs"] == inputs, "null is not undefined"


def test_every_option_goes_where_the_binding_has_it(open_worker: Open) -> None:
    ai, binding = open_worker({"response": "Hi"}, default_headers={"X-Team": "a", "x-other": "b"})
    gateway = {
        "id": "mine",
        "skip_cache": True,
        "cacheTtl": 0,
        "metadata": MappingProxyType({"user_id": 7}),
        "request_timeout_ms": 5,
        "event_id": None,
        "retries": {"max_attempts": 2, "retryDelayMs": 10, "backoff": "linear"},
    }
    run(
        ai.arun(
            GLM,
            HELLO,
            gateway=gateway,  # type: ignore[arg-type]
            extra_headers={"x-Team": "c", "X-Session-Affinity": "s-0"},
            session_affinity="s-1",
            tags=iter(["one", "two", "one"]),
            reject_if_busy=True,
        )
    )
    request = binding.requests[0]
    assert request.url == f"{HOST}/ai-gateway/run?version=3"
    assert request.json == {
        "inputs": HELLO,
        "options": {
            "returnRawResponse": True,
            "gateway": {
                "id": "mine",
                "skipCache": True,
                "cacheTtl": 0,
                "metadata": {"user_id": 7},
                "requestTimeoutMs": 5,
                "retries": {"maxAttempts": 2, "retryDelayMs": 10, "backoff": "linear"},
            },
            "tags": ["one", "two"],
            "rejectIfBusy": True,
        },
    }
    assert request.headers == {
        "x-team": "c",
        "x-other": "b",
        "x-session-affinity": "s-1",
        "content-type": "application/json",
        "cf-consn-sdk-version": "2.0.0",
        "cf-consn-model-id": GLM,
    }


def test_a_batch_and_a_gateway_by_its_id_are_options_too(open_worker: Open) -> None:
    ai, binding = open_worker({"status": "queued", "request_id": "r"}, {"response": "Hi"})
    run(ai.arun("@cf/baai/bge-m3", {"requests": [{"text": "one"}]}, queue_request=True))
    run(ai.arun("openai/gpt-4.1", {"messages": []}, gateway="mine"))
    assert binding.requests[0].json["options"] == {"returnRawResponse": True, "queueRequest": True}
    assert binding.requests[1].json == {
        "inputs": {"messages": []},
        "options": {"returnRawResponse": True, "gateway": {"id": "mine"}},
    }
    assert binding.requests[1].model == "openai/gpt-4.1"


def test_batches_documents_and_items_need_no_thread(open_worker: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = {"responses": [{"id": 0, "result": {"data": [[1, 0]], "shape": [1, 2]}, "success": True}]}
    queued = {"status": "queued", "request_id": "r"}
    ai, binding = open_worker(queued, done, queued, done)

    async def wait(call: Any) -> Any:
        return await (await call).wait()

    requests = [{"text": "one"}]
    for call in (
        lambda: ai.abatch("@cf/baai/bge-m3", requests),
        lambda: ai.arun("@cf/baai/bge-m3", {"requests": requests}, queue_request=True),
    ):
        [item] = run(wait(call()))
        assert item.output.shape == [1, 2]
    queues = ["queueRequest" in request.json["options"] for request in binding.requests]
    assert queues == [True, False, True, False], "to ask after a batch is none, as in a Worker"

    def answer(request: httpx.Request) -> httpx.Response:
        is_item = request.url.path.endswith("/items")
        result = {"id": "i", "key": "a.md"} if is_item else [{"name": "a.md", "format": "markdown", "data": "# A"}]
        return httpx.Response(200, json={"success": True, "result": result})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    over_rest = Ai(account_id="a" * 32, api_token="t", async_http_client=http)
    assert run(over_rest.ato_markdown(("a.md", b"# A"))).data == "# A"
    assert run(over_rest.search().get("docs").items.aupload("a.md", b"# A")).key == "a.md"


def test_a_medium_is_a_stream_with_its_content_type_or_base64_as_over_rest(open_worker: Open) -> None:
    heard = {"results": {"channels": [{"alternatives": [{"transcript": "hi"}]}]}}
    ai, binding = open_worker(heard, heard, {"text": "hi"}, {"image": "aGk="})
    run(ai.arun(NOVA, {"audio": WAV, "language": "en", "punctuate": True}))
    sent = binding.requests[0]
    assert (sent.body, sent.headers["content-type"]) == (WAV, "audio/wav")
    query = parse_qs(urlsplit(sent.url).query)
    assert query["version"] == ["3"]
    assert json.loads(query["userInputs"][0]) == {"language": "en", "punctuate": True}, "as they are, and not as text"

    async def pieces() -> AsyncIterator[bytes]:
        yield WAV[:20]
        yield WAV[20:]

    run(ai.arun(NOVA, {"audio": {"body": pieces(), "contentType": "audio/x-mine"}}))
    assert (binding.requests[1].body, binding.requests[1].headers["content-type"]) == (WAV, "audio/x-mine")
    run(ai.arun("@cf/openai/whisper-large-v3-turbo", {"audio": WAV}))
    assert binding.requests[2].json["inputs"]["audio"].startswith("UklGR")
    run(ai.arun(KLEIN, {"prompt": "a cat", "steps": 4}))
    form = binding.requests[3]
    assert form.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="prompt"\r\n\r\na cat' in form.body
    assert json.loads(parse_qs(urlsplit(form.url).query)["userInputs"][0]) == {}, "all inputs are in the form"


def test_the_stream_of_a_request_goes_through_without_being_read(open_worker: Open) -> None:
    body = ReadableStream([WAV])
    seen: list[Any] = []

    class Spy:
        async def run(self, model: str, inputs: Any, options: Any) -> Response:
            seen.append(inputs.audio)
            return reply({"results": {"channels": []}})

    open_worker({})
    run(Ai.from_binding(Spy()).arun(NOVA, {"audio": {"body": body, "contentType": "audio/wav"}}))
    assert seen[0].body is body
    assert seen[0].contentType == "audio/wav"
    assert not body.is_locked


def test_the_wrapper_of_the_sdk_is_taken_off(open_worker: Open) -> None:
    class Wrapper:
        def __init__(self, binding: Any) -> None:
            self._binding = binding

        def run(self, *_: Any) -> None:
            raise AssertionError("it would give a response of its own")

    _, binding = open_worker({"response": "Hi"})
    assert run(Ai.from_binding(Wrapper(binding)).arun(GLM, HELLO)).text == "Hi"


def test_what_the_binding_cannot_carry_is_said_before_it_is_called(open_worker: Open) -> None:
    ai, binding = open_worker({})
    rows: list[tuple[Any, type[Exception], str]] = [
        (lambda: ai.arun(GLM, HELLO, gateway={"id": "g", "token": "secret-4711"}), ConfigurationError, "token"),
        *(
            (
                lambda option=option: ai.arun(GLM, HELLO, gateway={"id": "g", **option}),
                ConfigurationError,
                f"{name}: .* has no such option: leave it out, or try the header '{header}'",
            )
            for name, header, option in HEADERS_ALONE
        ),
        (lambda: ai.arun(NOVA, {"audio": WAV}, gateway="g"), InputError, "leave out `gateway`"),
        (lambda: ai.arun(NOVA, {"audio": {"body": ReadableStream([])}}), InputError, "must have a 'contentType'"),
        (lambda: ai.arun(NOVA, {"audio": STREAM, "image": STREAM}), InputError, "can have one stream at most"),
        (lambda: ai.amodel_schema(GLM), ConfigurationError, "has nothing for GET ai/models/schema"),
    ]
    for call, kind, words in rows:

        async def main(call: Any = call) -> None:
            await call()

        with row(words), pytest.raises(kind, match=words) as caught:
            run(main())
        assert "secret-4711" not in str(caught.value)
    for call in (lambda: ai.run(GLM, HELLO), lambda: ai.chat(GLM).send("Hello"), lambda: [*ai.models()]):
        with pytest.raises(ConfigurationError, match="call `arun`"):
            call()
    with pytest.raises(ConfigurationError, match="no URL for other clients"):
        _ = ai.openai_base_url
    assert binding.requests == []


def test_what_is_no_binding_and_options_of_a_network_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"self\.env\.AI.*got dict"):
        Ai.from_binding({})

    class Anything:
        run = None

    with pytest.raises(ConfigurationError, match="leave out `api_token`, `proxy`") as caught:
        Ai.from_binding(Anything(), proxy="http://secret-4711", api_token="secret-4711")  # type: ignore[call-arg]
    assert "4711" not in str(caught.value)


def test_errors_that_are_answered_are_mapped_as_over_rest(open_worker: Open) -> None:
    known = {"internalCode": 1001, "name": "InvalidInput", "description": "prompt is wrong", "message": "x"}
    busy = {"errors": [{"code": 3040, "message": "Capacity temporarily exceeded"}], "success": False}
    rows: list[tuple[Response, type[InferenceUpstreamError], Any, str]] = [
        (reply(known, 400), BadRequestError, 1001, "1001 InvalidInput: prompt is wrong"),
        (reply(busy, 429), CapacityError, 3040, "3040"),
        (reply({"internalCode": 5007, "description": "No such model"}, 400), NotFoundError, 5007, "No such model"),
        (reply([b"Unknown error"], 400, content_type="text/plain"), BadRequestError, None, "Unknown error"),
        (reply({"odd": True}, 500), AiInternalError, None, '{"odd":true}'),
    ]
    for answer, kind, code, words in rows:
        with row(words):
            ai, _ = open_worker(answer, max_retries=0)
            with pytest.raises(InferenceUpstreamError) as caught:
                run(ai.arun(GLM, HELLO))
            assert isinstance(caught.value, kind)
            assert caught.value.code == code
            assert words in str(caught.value)
            assert ai.last_request_internal_status_code == code
    ai, _ = open_worker(reply(known, 400, content_length="7"))
    raw = run(ai.arun(GLM, HELLO, return_raw_response=True))
    assert isinstance(raw, httpx.Response)
    assert (raw.status_code, raw.json(), "content-length" in raw.headers) == (400, known, False)
    ai, binding = open_worker(reply(busy, 429, retry_after="0"), {"response": "Hi"})
    assert run(ai.arun(GLM, HELLO)).text == "Hi"
    assert len(binding.requests) == 2, "a model that was busy is asked again"


def test_errors_that_are_thrown_are_the_services_or_those_of_a_network(open_worker: Open) -> None:
    rows: list[tuple[Exception, type[Exception], str]] = [
        (JsException("InvalidInput", "1001: prompt is wrong"), BadRequestError, "1001 InvalidInput: prompt is wrong"),
        (JsException("InferenceUpstreamError", "3040: no room"), CapacityError, "3040"),
        (JsException("Error", "InferenceUpstreamError: 3040: no room"), CapacityError, "3040"),
        (JsException("Error", "AiError: AiError: 4006: used up"), QuotaExceededError, "4006"),
        (JsException("Error", "971: too many"), RateLimitError, "971"),
        (JsException("Error", "10000: who is it?"), AuthenticationError, "10000"),
        (JsException("Error", "9999: brand new"), BadRequestError, "9999"),
        (JsException("Error", "connect to host:8080: refused"), APIConnectionError, "refused"),
        (JsException("InferenceUpstreamError", "Unknown error"), BadRequestError, "Unknown error"),
        (JsException("AiInternalError", "Internal Error"), AiInternalError, "Internal Error"),
        (JsException("Error", "Network connection lost."), APIConnectionError, "Network connection lost"),
    ]
    for error, kind, words in rows:

        async def fetch(_: Request, error: Exception = error) -> Response:
            raise error

        with row(words):
            ai, binding = open_worker(fetch, max_retries=0)
            with pytest.raises(kind, match=words):
                run(ai.arun(GLM, HELLO))
    assert len(binding.requests) == 1
    ai, _ = open_worker(reply([b'{"resp', JsException("TypeError", "gone")], content_type="application/json"))
    with pytest.raises(AiInternalError, match="gone"):
        run(ai.arun(GLM, HELLO))
    ai, _ = open_worker(reply([EVENTS[:30], JsException("TypeError", "gone")], content_type="text/event-stream"))

    async def read() -> None:
        async for _ in ai.arun(GLM, {**HELLO, "stream": True}):
            pass

    with pytest.raises(StreamTruncatedError, match="gone") as caught:
        run(read())
    assert caught.value.partial == "Hel"


def test_a_call_that_is_cancelled_or_out_of_time_ends_at_the_binding_too(open_worker: Open) -> None:
    asked = asyncio.Event()

    async def fetch(_: Request) -> Response:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    ai, binding = open_worker(fetch, timeout=Timeout(first_byte=0.001), max_retries=0)
    with pytest.raises(APITimeoutError, match=r"workers-binding\.ai did not answer in time"):
        run(ai.arun(GLM, HELLO))
    assert binding.requests[0].signal.aborted
    with pytest.raises(APITimeoutError, match=r"total timeout of 0\.001 s passed"):
        run(ai.arun(GLM, HELLO, timeout=None, total_timeout=0.001))
    assert binding.requests[-1].signal.aborted

    async def main() -> None:
        asked.clear()
        task = asyncio.create_task(ai.arun(GLM, HELLO, timeout=None))
        await asked.wait()
        assert not binding.requests[-1].signal.aborted
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert binding.requests[-1].signal.aborted

    run(main())
    silent = ReadableStream([EVENTS[:30], anyio.sleep_forever()])
    ai, _ = open_worker(Response(silent, headers={"content-type": "text/event-stream"}), timeout=Timeout(read=0.001))

    async def read() -> None:
        async for _ in ai.arun(GLM, {**HELLO, "stream": True}):
            pass

    with pytest.raises(StreamError, match=r"silent for 0\.001 s"):
        run(read())
    assert silent.is_cancelled


class EarlyLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers come early, and which then sets no other: the time has passed. So may Pyodide's."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Any] = []

    def call_at(self, when: float, callback: Any, *arguments: Any, **options: Any) -> Any:
        if callback in self.known:
            raise ValueError("Can't schedule in the past")
        self.known.append(callback)
        return super().call_at(when - 0.005, callback, *arguments, **options)


def test_time_limits_hold_where_a_timer_comes_a_moment_early(open_worker: Open) -> None:
    async def fetch(_: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    def open_stream() -> Response:
        pieces = [EVENTS[:30], anyio.sleep_forever()]
        return Response(ReadableStream(pieces), headers={"content-type": "text/event-stream"})

    async def main(ai: Ai, **limits: Any) -> None:
        async with asyncio.timeout(10):
            async for _ in ai.arun(GLM, {**HELLO, "stream": True}, **limits):
                pass

    for limits in ({"timeout": Timeout(connect=3600, read=0.02, first_byte=0.02)}, {"total_timeout": 0.02}):
        for answer in (fetch, open_stream()):
            ai, _ = open_worker(answer, max_retries=0)
            with row(limits), asyncio.Runner(loop_factory=EarlyLoop) as runner:
                runner.get_loop().set_exception_handler(lambda *_: None)  # anyio's own timers fail
                with pytest.raises(APITimeoutError):
                    runner.run(main(ai, **limits))


def test_a_wait_that_begins_late_is_over_with_its_call(open_worker: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(_: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    async def main(ai: Ai) -> None:
        async with asyncio.timeout(10):
            await ai.arun(GLM, HELLO, total_timeout=3600)

    ai, _ = open_worker(fetch, max_retries=0)
    late = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
    monkeypatch.setattr(sys.modules["cfai._binding"], "time", late)
    with pytest.raises(APITimeoutError):
        run(main(ai))


def test_models_are_those_of_the_binding(open_worker: Open) -> None:
    rows = [{"id": str(number), "name": f"@cf/a/{number}"} for number in range(3)]
    pages = [{"result": rows[:2]}, {"result": rows[2:]}, reply({"errors": [{"message": "Broken"}]}, 400)]
    ai, binding = open_worker(*pages, max_retries=0)

    async def main(**filters: Any) -> list[str]:
        return [model.name async for model in ai.amodels(**filters)]

    assert run(main(search="a b", per_page=2)) == ["@cf/a/0", "@cf/a/1", "@cf/a/2"]
    assert [request.url for request in binding.requests] == [
        f"{HOST}/ai-api/models/search?search=a+b&per_page=2&page={page}" for page in (1, 2)
    ]
    with pytest.raises(AiInternalError, match="Broken"):
        run(main())


def test_a_stand_in_of_python_takes_the_place_of_a_binding_outside_of_a_worker() -> None:
    class Reader:
        def __init__(self) -> None:
            self.pieces = [b'{"response":', b'"Hi"}']

        async def read(self) -> Any:
            return type("Piece", (), {"done": not self.pieces, "value": self.pieces and self.pieces.pop(0)})

        async def cancel(self) -> None: ...

    class Binding:
        async def run(self, model: str, inputs: dict[str, Any], options: dict[str, Any]) -> Any:
            seen.append((model, inputs, options))
            body = type("Body", (), {"getReader": lambda self: Reader()})()
            headers = type("Headers", (), {"entries": lambda self: HEADERS})()
            return type("Response", (), {"status": 200, "headers": headers, "body": body})

        async def models(self, parameters: dict[str, Any]) -> Any:
            return [{"name": parameters["search"], "created_at": date(2026, 1, 2)}]

    HEADERS = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]
    seen: list[Any] = []
    ai = Ai.from_binding(Binding())
    assert run(ai.arun(GLM, HELLO, tags=["one"])).text == "Hi"
    assert seen == [(GLM, HELLO, {"returnRawResponse": True, "tags": ["one"]})]
    assert run(anext(aiter(ai.amodels(search="a")))).created_at == "2026-01-02"
    with pytest.raises(ConfigurationError, match="gateway token"):
        run(ai.arun(GLM, HELLO, gateway={"id": "g", "token": "secret-4711"}))


def test_a_stand_in_that_answers_with_no_response_is_told_what_one_is() -> None:
    whole = SimpleNamespace(status=200, headers=SimpleNamespace(entries=list), body=b"Hi")
    for answer, found in (({"response": "Hi"}, "dict"), (None, "NoneType"), (b"Hi", "bytes"), (whole, "SimpleName")):

        class Binding:
            async def run(self, *_: Any, answer: Any = answer) -> Any:
                return answer

        message = rf"`headers\.entries\(\)`.*got {found}.*has no attribute"
        with row(answer), pytest.raises(ConfigurationError, match=message):
            run(Ai.from_binding(Binding()).arun(GLM, HELLO))


def test_a_client_without_a_network_shows_no_placeholder_as_a_secret(
    open_worker: Open, caplog: pytest.LogCaptureFixture
) -> None:
    ai, _ = open_worker({"response": "Hi"}, {"response": "Hi"})
    with caplog.at_level(logging.DEBUG, "cfai"):
        run(ai.arun(GLM, HELLO, extra_headers={"x-token": "secret-4711"}))
    assert "secret-4711" not in caplog.text
    with pytest.raises(ConfigurationError, match="call `arun`"):
        ai.with_options(max_retries=0).run(GLM, HELLO)
    assert run(ai.with_options(max_retries=0).arun(GLM, HELLO)).text == "Hi"


def test_everything_that_stands_on_arun_gives_what_it_gives_over_rest(open_worker: Open) -> None:
    class City(BaseModel):
        name: str

    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        return f"7 °C in {city}"

    async def calls(ai: Ai) -> list[Any]:
        chat = ai.chat(GLM)
        tools = await ai.arun_with_tools(GLM, {"prompt": "Weather in Oslo?"}, tools=[get_weather])
        rows = [each async for each in ai.arun_many(GLM, [HELLO, {"prompt": "Bye"}], ordered=True)]
        return [
            (await chat.asend("Hello")).text,
            [token.text async for token in chat.astream("And then?")],
            (tools.text, [[call.content for call in step.calls] for step in tools.steps]),
            [*(await ai.aembed("@cf/baai/bge-m3", ["one", "two", "three"]))[0]],
            [each.output.text for each in rows],
            (await ai.arun(GLM, HELLO, output_type=City)).output.name,
            (await ai.arun(GLM, HELLO, fallback=["@cf/openai/gpt-oss-20b"])).text,
            [each.score for each in (await ai.arun("@cf/baai/bge-reranker-base", RERANK)).response],
            (await ai.arun(NOVA, {"audio": WAV})).text,
        ]

    RERANK = {"query": "a", "contexts": [{"text": "a"}, {"text": "b"}]}
    with Emulator() as local, httpx.Client(trust_env=False) as http:

        async def fetch(request: Request) -> Response:
            host = {"host": "workers-binding.ai", "authorization": f"Bearer {local.api_token}"}
            url = request.url.replace(HOST, local.base_url.removesuffix("/client/v4"))
            answer = await asyncio.to_thread(
                http.request, request.method, url, headers=request.headers | host, content=request.body, timeout=20
            )
            return Response(ReadableStream([answer.content]), status=answer.status_code, headers=answer.headers)

        with local.ai() as ai:
            expected = run(calls(ai))
        worker, _ = open_worker(fetch)
        assert run(calls(worker)) == expected
