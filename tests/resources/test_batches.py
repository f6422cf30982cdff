"""`ai.batch` and `run(queue_request=True)`: over the emulator, and with answers as the documentation has them."""

from __future__ import annotations

import base64
import inspect
import json
import pickle
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
import respx

import cfai
from cfai import (
    Ai,
    APIConnectionError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    BatchTimeoutError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
    InternalServerError,
    LimitError,
    NotFoundError,
)
from cfai._resources import batches
from cfai.local import Emulator, Fault
from cfai.types import Audio, Embeddings, NativeText, Output, Reranking, Translation, TurnDetection
from tests.conftest import row

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
BGE = "@cf/baai/bge-small-en-v1.5"
M3 = "@cf/baai/bge-m3"
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
SOON: dict[str, Any] = {"poll": 0.001}
ID = "768f15b7-4fd6-4498-906e-ad94ffc7f8d2"
QUEUED = {"status": "queued", "request_id": ID, "model": LLAMA}
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


class Batches:
    """Batches of a client, called alike sync and async: on an event loop, which each method has for itself."""

    def __init__(self, ai: Ai, backend: str) -> None:
        self.ai = ai
        self.backend = backend

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._call(self.ai.batch, self.ai.abatch, *arguments, **options)

    def run(self, *arguments: Any, **options: Any) -> Any:
        return self._call(self.ai.run, self.ai.arun, *arguments, **options)

    def wait(self, batch: Any, **options: Any) -> Any:
        return self._call(batch.wait, batch.wait, **{**SOON, **options})

    def status(self, batch: Any) -> Any:
        return self._call(batch.status, batch.status)

    def _call(self, sync: Any, asynchronous: Any, *arguments: Any, **options: Any) -> Any:
        if self.backend == "sync":
            return sync(*arguments, **options)

        async def main() -> Any:
            return await asynchronous(*arguments, **options)

        return anyio.run(main, backend=self.backend)


@pytest.fixture(params=["sync", "asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def batch(ai: Ai, backend: str) -> Batches:
    """Batches of the emulator."""
    return Batches(ai, backend)


class Wire:
    """A mocked service: it answers in turn, the last answer for ever, and keeps what was sent."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.requests: list[httpx.Request] = []

    def result(self, *results: Any, status: int = 200) -> None:
        """Answer with results in their envelope."""
        self.answers += [
            httpx.Response(
                status,
                json={"result": result, "success": True, "errors": [], "messages": []},
                headers={"cf-ai-req-id": "req-1"},
            )
            for result in results
        ]

    def rows(self, *rows: Any, **others: Any) -> None:
        """Answer with the rows of a batch that is done."""
        self.result({"responses": list(rows), "usage": USAGE, **others})

    def fail(self, status: int, code: int = 0, **headers: str) -> None:
        body = {"success": False, "errors": [{"code": code, "message": "no"}], "result": None}
        self.answers.append(httpx.Response(status, json=body, headers=headers))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def sent(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


@pytest.fixture
def wire() -> Iterator[Wire]:
    with respx.mock(assert_all_called=False) as router:
        wire = Wire()
        router.route().mock(side_effect=wire.answer)
        yield wire


@pytest.fixture
def mocked(wire: Wire, backend: str) -> Iterator[Batches]:
    """Batches of the mocked service."""
    with Ai(account_id="a" * 32, api_token="secret-token", max_retries=0) as ai:
        yield Batches(ai, backend)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses between polls, none of which is made; one that is longer than an hour is interrupted."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if seconds > 3600:
            raise KeyboardInterrupt

    async def asleep(seconds: float) -> None:
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(anyio, "sleep", asleep)
    return pauses


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"Question {number}", "external_reference": f"ref {number}"} for number in range(count)]


def text(id: Any, response: str = "Hi", **others: Any) -> dict[str, Any]:
    """Return a row of a batch that is done."""
    return {"id": id, "result": {"response": response}, "success": True, "external_reference": None, **others}


# Over the emulator


def test_a_batch_is_queued_then_done_with_the_answers_in_the_order_of_its_requests(
    local: Emulator, ai: Ai, batch: Batches
) -> None:
    handed_in = batch(LLAMA, prompts(3))
    assert (handed_in.model, handed_in.meta.usage) == (LLAMA, None)
    assert repr(handed_in) == (
        f"{type(handed_in).__name__}(model='{LLAMA}', request_id='{handed_in.request_id}', status='queued')"
    )
    assert batch.status(handed_in) == "queued"
    items = batch.wait(handed_in)
    assert [item.index for item in items] == [0, 1, 2]
    assert [item.external_reference for item in items] == ["ref 0", "ref 1", "ref 2"]
    for number, item in enumerate(items):
        assert item.ok
        assert item.output == ai.run(LLAMA, {"prompt": f"Question {number}"})
        assert item.output.meta.usage.total_tokens > 0
    sent = len(local.requests)
    assert batch.status(handed_in) == "done"
    assert batch.wait(handed_in) == items
    assert len(local.requests) == sent, "what is done is not asked after again"
    assert "status='done'" in repr(handed_in)


def test_results_are_what_the_same_calls_of_run_give(ai: Ai, batch: Batches) -> None:
    contexts = [{"text": "a river"}, {"text": "a garden"}]
    rows: list[tuple[str, Any, Any]] = [
        (LLAMA, {"messages": [{"role": "user", "content": "Hi"}]}, NativeText),
        ("@cf/qwen/qwen3-30b-a3b-fp8", {"prompt": "Hi"}, cfai.types.ChatCompletion),
        (BGE, {"text": ["a river", "a garden"]}, Embeddings),
        (M3, {"query": "water", "contexts": contexts}, Reranking),
        ("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_lang": "fr"}, Translation),
        ("@cf/deepgram/aura-1", {"text": "Hi"}, Audio),
    ]
    for model, inputs, kind in rows:
        with row(model):
            [item] = batch.wait(batch(model, [inputs]))
            assert type(item.output) is kind
            alone: Any = ai.run(model, inputs)
            if kind is Audio:
                assert item.output.content == alone.content
            elif kind is not cfai.types.ChatCompletion:  # which has an id of its own
                assert item.output == alone


def test_media_of_a_request_are_encoded_as_json(local: Emulator, batch: Batches) -> None:
    sound = {"audio": WAV, "external_reference": "a"}
    [item] = batch.wait(batch("@cf/pipecat-ai/smart-turn-v2", [sound]))
    assert isinstance(item.output, TurnDetection)
    encoded = base64.b64encode(WAV).decode()
    assert local.requests[0].inputs["requests"] == [{"audio": encoded, "external_reference": "a"}]


def test_the_emulator_takes_no_batch_for_a_model_without_a_queue(batch: Batches) -> None:
    for inputs in ({"requests": [{"prompt": "Hi"}]}, {"request_id": ID}):
        with row(inputs), pytest.raises(BadRequestError, match="5006"):
            batch.run("@cf/zai-org/glm-4.7-flash", inputs, queue_request=True, checks="off")


def test_a_request_that_fails_has_its_error_and_the_others_their_answers(batch: Batches) -> None:
    items = batch.wait(batch(LLAMA, [{"prompt": "Hi"}, {"nothing": 1, "external_reference": "b"}], checks="off"))
    good, bad = items
    assert (good.ok, bad.ok, bad.output, bad.external_reference) == (True, False, None, "b")
    assert isinstance(bad.error, BadRequestError)
    assert bad.error.code == 5006
    assert bad.error.retryable is False
    assert bad.error.request_id


def test_an_interim_answer_may_have_status_202(local: Emulator, batch: Batches) -> None:
    running = json.dumps({"result": {"status": "running"}, "success": True}).encode()
    local.script("ok", Fault(status=202, body=running), "ok", "ok")
    handed_in = batch(LLAMA, prompts(1))
    assert batch.status(handed_in) == "running"
    assert batch.wait(handed_in)[0].ok
    assert [request.fault for request in local.requests].count("ok") == 3


def test_a_batch_is_found_again_by_its_id(batch: Batches) -> None:
    stored = json.loads(json.dumps(batch(LLAMA, prompts(2)).request_id))
    again = batch(LLAMA, request_id=f" {stored}\n")  # out of a file
    assert "status='unknown'" in repr(again), "nothing was asked yet"
    assert again.request_id == stored
    items = batch.wait(again)
    assert [(item.index, item.external_reference) for item in items] == [(0, "ref 0"), (1, "ref 1")]


def test_a_batch_pickles_with_its_client_and_its_items_without(ai: Ai) -> None:
    again = pickle.loads(pickle.dumps(ai.batch(LLAMA, prompts(2))))
    token = ai._config.credentials.token.value.encode()
    assert token in pickle.dumps(again)
    assert token not in pickle.dumps(again.wait())


def test_an_id_that_the_service_does_not_know_is_refused_with_what_it_was(batch: Batches) -> None:
    unknown = batch(LLAMA, request_id="none")
    with pytest.raises(BadRequestError) as caught:
        batch.wait(unknown)
    assert caught.value.__notes__ == [f"ai.batch('{LLAMA}', request_id='none') asks after the batch again."]
    with pytest.raises(BadRequestError):
        batch.status(unknown)


def test_run_with_queue_request_gives_a_batch_and_a_raw_response_stays_one(batch: Batches) -> None:
    inputs = {"requests": prompts(1)}
    handed_in = batch.run(LLAMA, inputs, queue_request=True)
    assert type(handed_in) is (cfai.Batch if batch.backend == "sync" else cfai.AsyncBatch)
    poll = {"request_id": handed_in.request_id}
    for options in ({}, {"queue_request": True}):
        assert isinstance(batch.run(LLAMA, poll, **options), Output)
    [item] = batch.wait(handed_in)
    assert item.ok
    raw = batch.run(LLAMA, inputs, queue_request=True, return_raw_response=True)
    assert raw.json()["result"]["status"] == "queued"


def test_more_than_a_payload_holds_is_sent_in_parts_and_is_one_batch(
    local: Emulator, batch: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_PAYLOAD", 300)
    handed_in = batch(LLAMA, prompts(9), tags=iter(["team:a"]))
    sent = [len(request.inputs["requests"]) for request in local.requests]
    assert len(sent) > 1
    assert sum(sent) == 9
    assert all(
        len(json.dumps(request.inputs, separators=(",", ":"))) < batches.MAX_PAYLOAD for request in local.requests
    )
    assert [request.query["tags"] for request in local.requests] == ["team:a"] * len(sent)
    for one in (handed_in, batch(LLAMA, request_id=handed_in.request_id)):
        items = batch.wait(one)
        assert [(item.index, item.external_reference) for item in items] == [(n, f"ref {n}") for n in range(9)]
        assert all(f"Question {item.index}" in item.output.text for item in items)
        total = sum(item.output.usage.total_tokens for item in items)
        assert one.meta.usage.total_tokens == total
    assert batch.ai.usage.calls == 2 * len(sent)


def test_a_batch_in_parts_is_warned_of_once(wire: Wire, mocked: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_PAYLOAD", 150)
    wire.result(QUEUED)
    with pytest.warns(cfai.InputWarning, match=r"requests\[0\]\.temprature.*did you mean") as warned:
        mocked(LLAMA, [{**each, "temprature": 1} for each in prompts(3)])
    assert (len(warned), len(wire.requests)) == (1, 3)


def test_a_batch_of_a_retired_model_is_warned_of_once(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED, QUEUED)
    wire.rows(text(0))
    with pytest.warns(cfai.RetiredModelWarning) as warned:
        mocked.wait(mocked("@cf/meta/llama-2-7b-chat-int8", prompts(1), checks="off"))
    assert (len(warned), len(wire.requests)) == (1, 3), "no poll is warned of"


def test_a_bar_shows_how_far_it_is(batch: Batches, capsys: pytest.CaptureFixture[str]) -> None:
    batch.wait(batch(LLAMA, [{"prompt": "Hi"}, {"bad": 1}], checks="off"), progress=True)
    shown = capsys.readouterr().err
    assert LLAMA in shown
    assert "$" in shown
    assert "1 failed" in shown


def test_the_synchronous_and_the_asynchronous_batch_have_the_same_members() -> None:
    names = {name for name in dir(cfai.Batch) if not name.startswith("_")}
    assert names == {name for name in dir(cfai.AsyncBatch) if not name.startswith("_")}
    assert names == {"meta", "model", "request_id", "status", "wait"}
    for name in ("status", "wait"):
        twins = [inspect.signature(getattr(kind, name)) for kind in (cfai.Batch, cfai.AsyncBatch)]
        assert twins[0] == twins[1]
    assert inspect.signature(Ai.batch).parameters == inspect.signature(Ai.abatch).parameters


# What is sent


def test_requests_are_sent_as_documented_and_polled_at_the_same_address(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    wire.result(QUEUED, status=202)
    wire.result({"status": "running", "request_id": ID}, status=202)
    wire.rows(text(0))
    options = {"tags": ["a"], "reject_if_busy": True, "extra_headers": {"x-mine": "1"}}
    [item] = mocked.wait(mocked(LLAMA, [{"prompt": "Hi", "external_reference": "b"}], **options))
    assert (item.output.text, item.external_reference) == ("Hi", "b"), "that of the request, where the answer has none"
    handed_in, *polls = wire.requests
    path = f"/client/v4/accounts/{'a' * 32}/ai/run/{LLAMA}?queueRequest=true"
    assert handed_in.url.raw_path.decode() == f"{path}&tags=a"
    assert wire.sent[0]["requests"] == [{"prompt": "Hi", "external_reference": "b"}]
    assert [poll.url.raw_path.decode() for poll in polls] == [path] * 3
    assert wire.sent[1:] == [{"request_id": ID}] * 3
    assert {poll.headers["x-mine"] for poll in polls} == {"1"}


def test_through_a_gateway_a_batch_is_polled_at_the_gateway(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    wire.rows(text(0))
    for options in ({}, {"request_id": ID}):
        mocked.wait(mocked(LLAMA, *([] if options else [prompts(1)]), gateway="mine", **options))
    assert {request.url.host for request in wire.requests} == {"gateway.ai.cloudflare.com"}
    assert {request.url.query for request in wire.requests} == {b"queueRequest=true"}


def test_what_cannot_be_part_of_a_batch_is_refused_before_anything_is_sent(wire: Wire, mocked: Batches) -> None:
    good = {"prompt": "Hi"}
    for requests, error, message in (
        ([], InputError, r"`requests` must be a list of inputs, such as \[\{'prompt': '...'\}\], got an empty list"),
        ("Hi", InputError, "`requests` must be a list of inputs, .* got str"),
        (good, InputError, "`requests` must be a list of inputs, .* got dict"),
        ([good, "Hi"], InputError, r"^requests\[1\] must be a dict such as .*, got 'Hi'"),
        ([good, {**good, "stream": True}], InputError, r"^requests\[1\]: a batch has no streams: leave out 'stream'"),
        ([{**good, "external_reference": 5}], InputError, r"^requests\[0\]\['external_reference'\] must be a string"),
        ([good, {"nothing": 1}], InputError, r"requests\[1\]\.prompt"),
        ([good, {**good, "max_tokens": 10**9}], LimitError, r"^requests\[1\]: "),
        ([good, {"prompt": "a, " * 150_000}], LimitError, r"^requests\[1\]: "),
        ([{"prompt": object()}], InputError, r"inputs\['requests'\]\[0\]\['prompt'\]"),
        ([good, {"prompt": "x" * 10_000_000}], InputError, r"^requests\[1\] must have less than 9,999,98. bytes"),
    ):
        checks = "off" if "bytes" in message else "enforce"
        with row(message), pytest.raises(error, match=message):
            mocked(LLAMA, requests, checks=checks)
    with pytest.raises(InputError, match=r"glm-4.7-flash takes no batch: .* `async_queue`, such as @cf/.*llama-3.3"):
        mocked("@cf/zai-org/glm-4.7-flash", [good])
    with pytest.raises(InputError, match=r"whisper takes no batch: .*, such as @cf/baai/bge"):
        mocked("@cf/openai/whisper", [{"audio": WAV}])
    with pytest.raises(
        InputError, match=r"\['requests'\]\[1\]\['audio'\]: .*nova-3 .* cannot be part of a batch: call it once"
    ):
        mocked("@cf/deepgram/nova-3", [{"text": "Hi"}, {"audio": WAV}])
    with pytest.raises(InputError, match=r"^a batch has no streams: leave out 'stream'"):
        mocked.run(LLAMA, {"requests": [good], "stream": True}, queue_request=True)
    with pytest.raises(InputError, match=r"`requests` must be a list of inputs, .* got None"):
        mocked.run(LLAMA, {"requests": None}, queue_request=True)
    with pytest.raises(InputError, match="takes no batch"):
        mocked.run("@cf/zai-org/glm-4.7-flash", {"requests": [good]}, queue_request=True)
    for request_id, message in (
        ("", "`request_id` must be that of a Batch, a string, got ''"),
        (5, "got 5"),
        ("a:1,b", "each of several ids with ':' and a number, got 'b' among them"),
        ("a:1,b:x", "got 'b:x' among them: pass it as it was kept"),
    ):
        with row(message), pytest.raises(ConfigurationError, match=message):
            mocked(LLAMA, request_id=request_id)
    with pytest.raises(ConfigurationError, match="leave out `requests`"):
        mocked(LLAMA, [good], request_id=ID)
    with pytest.raises(TypeError, match=r"batch\(\) got an unexpected keyword argument 'fallback'"):
        mocked(LLAMA, [good], fallback=[LLAMA])
    assert wire.requests == []


def test_a_model_that_the_catalogue_does_not_know_or_with_checks_off_is_called(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    mocked("@cf/none/such", prompts(1))
    mocked("@cf/zai-org/glm-4.7-flash", prompts(1), checks="off")
    assert len(wire.requests) == 2


def test_an_error_between_two_parts_names_what_was_handed_in(
    wire: Wire, mocked: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_PAYLOAD", 100)
    wire.result(QUEUED)
    wire.fail(500)
    with pytest.raises(InternalServerError) as caught:
        mocked(LLAMA, prompts(2))
    assert caught.value.__notes__ == [
        f"Handed in before it: the first 1 of the requests, which ai.batch({LLAMA!r}, request_id={ID!r}) has."
    ]
    assert caught.value.batch_id == ID


# What comes back


def test_every_form_of_an_answer_is_read(wire: Wire, mocked: Batches) -> None:
    hi = {"response": "Hi"}
    for form, answer in (
        ("as documented", text(0)),
        ("nested twice", text(0, result={"result": hi})),
        ("nested, in an envelope", text(0, result={"result": hi, "success": True, "errors": []})),
        ("nested more than twice", text(0, result={"result": {"result": {"result": hi}}})),
        ("new keys", text(0, duration=5)),
        ("no success, no reference", {"id": 0, "result": hi}),
        ("an id as a string", text("0")),
        ("an id of floating point", text(0.0)),
        ("no id, of one request", {"result": hi}),
        ("no result around it", {"id": 0, "response": "Hi", "external_reference": None}),
        ("a text", text(0, result="Hi")),
    ):
        with row(form):
            wire.answers = []
            wire.result(QUEUED)
            wire.rows(answer)
            [item] = mocked.wait(mocked(LLAMA, [{"prompt": "Hi"}]))
            assert (item.index, item.ok, item.output.text) == (0, True, "Hi")
            assert not {"id", "external_reference"} & item.output.keys()


def test_answers_beside_a_status_of_waiting_are_not_all(wire: Wire, mocked: Batches) -> None:
    for rows in ([], [text(1)], None):
        with row(rows):
            wire.answers = []
            wire.result(QUEUED, QUEUED | {"responses": rows}, {"status": "running", "responses": rows})
            wire.rows(text(1), text(0), status="completed")
            items = mocked.wait(mocked(LLAMA, [{"prompt": "Hi"}] * 2))
            assert [item.ok for item in items] == [True, True]


def test_as_many_answers_as_requests_are_all_whatever_the_status(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED, {"status": "running", "responses": [text(1), text(0)]})
    items = mocked.wait(mocked(LLAMA, [{"prompt": "Hi"}] * 2), timeout=1)
    assert [item.index for item in items] == [0, 1]
    assert len(wire.requests) == 2


def test_every_form_of_a_failed_item_is_an_error_of_its_request(wire: Wire, mocked: Batches) -> None:
    for form, answer, kind in (
        ("errors", {"success": False, "errors": [{"code": 3040, "message": "busy"}]}, cfai.CapacityError),
        ("error", {"error": "Bad input: no"}, BadRequestError),
        ("an error inside", {"result": {"success": False, "errors": [{"code": 5007}]}}, NotFoundError),
        ("a message alone", {"message": "Bad input: no"}, BadRequestError),
        ("no reason", {"success": False, "result": None}, InferenceUpstreamError),
    ):
        with row(form):
            wire.answers = []
            wire.result(QUEUED)
            wire.rows(text(1, "Ho"), {"id": 0, **answer})
            bad, good = mocked.wait(mocked(LLAMA, prompts(2)))
            assert isinstance(bad.error, kind)
            assert (bad.error.retryable, bad.error.request_id) == (False, "req-1")
            assert (bad.ok, bad.output, bad.external_reference) == (False, None, "ref 0")
            assert good.output.text == "Ho"


def test_ids_that_are_missing_doubled_or_unknown_are_told_and_no_answer_is_dropped(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    wire.rows(text("0"), text("0"), text(1, "a"), text(1, "b"), text(None, "c"), text(9, "d"), "e")
    zero, one, two, *strays = mocked.wait(mocked(LLAMA, prompts(3)))
    assert zero.output.text == "Hi", "the same answer twice is one"
    for item, problem, body in (
        (one, "has 2 answers for the request with the id 1", [text(1, "a"), text(1, "b")]),
        (two, "has no answers for the request with the id 2", [text(None, "c"), text(9, "d"), "e"]),
    ):
        assert isinstance(item.error, APIResponseValidationError)
        assert problem in str(item.error)
        assert item.error.body == body
    assert two.external_reference == "ref 2"
    assert [(stray.index, stray.output.text) for stray in strays] == [(None, "c"), (None, "d"), (None, "e")]


def test_an_answer_without_an_id_is_matched_by_a_reference_that_only_one_request_has(
    wire: Wire, mocked: Batches
) -> None:
    requests = [{"prompt": "Hi", "external_reference": each} for each in ("a", "twice", "twice", "b")]
    wire.result(QUEUED)
    answers = [{**text(None, each), "external_reference": each} for each in ("b", "twice", "a", "none")]
    wire.rows(*answers, text(True), text(1.5), text(2.0, "by its id"))
    items = mocked.wait(mocked(LLAMA, requests))
    assert [item.output.text if item.ok else None for item in items[:4]] == ["a", None, "by its id", "b"]
    assert [(item.index, item.output.text) for item in items[4:]] == [
        (None, each) for each in ("twice", "none", "Hi", "Hi")
    ]


def test_without_the_requests_a_gap_is_told_and_no_id_makes_a_list_too_long(wire: Wire, mocked: Batches) -> None:
    wire.rows(text(2), text(0), text(10**9))
    items = mocked.wait(mocked(LLAMA, request_id=ID))
    assert [(item.index, item.ok) for item in items] == [(0, True), (1, False), (2, True), (None, True)]


def test_usage_and_cost_are_counted_once_and_of_the_whole_batch(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED, QUEUED, {"status": "scheduled", "request_id": ID})
    wire.rows(text(0), text(1))
    handed_in = mocked(LLAMA, prompts(2))
    assert mocked.ai.usage.calls == 0
    for _ in range(2):
        mocked.wait(handed_in)
    usage = mocked.ai.usage
    assert (usage.calls, usage.total_tokens, usage.unpriced_calls) == (1, 15, 0)
    assert handed_in.meta.usage.total_tokens == 15
    assert usage.cost == handed_in.meta.cost > 0


# What goes wrong while it waits


def test_a_poll_that_fails_for_a_while_is_made_again(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    handed_in = mocked(LLAMA, prompts(1))
    wire.answers = [httpx.ConnectError("gone"), httpx.ReadTimeout("slow"), httpx.Response(200, text="<html>")]
    for status, code in ((429, 3021), (429, 3040), (500, 0), (503, 0), (504, 0), (524, 0)):
        wire.fail(status, code)
    wire.rows(text(0))
    [item] = mocked.wait(handed_in)
    assert item.output.text == "Hi"
    assert len(wire.requests) == 11


def test_polls_that_fail_are_counted_from_the_last_that_did_not(
    wire: Wire, mocked: Batches, pauses: list[float]
) -> None:
    for _ in range(2):
        for _ in range(19):
            wire.fail(503)
        wire.result(QUEUED)
    wire.rows(text(0))
    assert mocked.wait(mocked(LLAMA, request_id=ID))[0].ok
    assert len(pauses) == 40


def test_a_poll_that_always_fails_ends_the_wait_with_the_id(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    handed_in = mocked(LLAMA, prompts(1))
    wire.answers = [httpx.ConnectError("gone")]
    with pytest.raises(APIConnectionError) as caught:
        mocked.wait(handed_in)
    assert len(wire.requests) == 1 + 20
    assert ID in caught.value.__notes__[0]
    wire.answers = []
    wire.rows(text(0))
    assert mocked.wait(handed_in)[0].ok, "waiting again is possible"


def test_an_error_that_will_not_pass_ends_the_wait_at_once(wire: Wire, mocked: Batches) -> None:
    for status, code, kind in (
        (401, 10000, AuthenticationError),
        (404, 7002, NotFoundError),
        (400, 5006, BadRequestError),
        (429, 4006, cfai.QuotaExceededError),
    ):
        with row(kind):
            wire.answers, wire.requests = [], []
            wire.fail(status, code)
            with pytest.raises(kind) as caught:
                mocked.wait(mocked(LLAMA, request_id=ID))
            assert len(wire.requests) == 1
            assert ID in caught.value.__notes__[0]


def test_a_batch_that_ended_without_answers_is_an_error(wire: Wire, mocked: Batches) -> None:
    for status in ("failed", "Expired", "cancelled"):
        with row(status):
            wire.answers = []
            wire.result({"status": status, "request_id": ID, "error": None})
            with pytest.raises(InferenceUpstreamError, match=f"the batch ended as '{status}', without") as caught:
                mocked.wait(mocked(LLAMA, request_id=ID))
            error = caught.value
            assert (error.name, error.status_code, error.request_id, error.model) == (status, 200, "req-1", LLAMA)
            assert error.body == {"status": status, "request_id": ID, "error": None}


def test_an_error_about_one_part_ends_the_wait_and_makes_nothing_final(wire: Wire, mocked: Batches) -> None:
    ids = "one:1,two:2,three:1"
    handed_in = mocked(LLAMA, request_id=ids)
    wire.rows(text(0, "a"))
    wire.fail(400, 5007)
    with pytest.raises(NotFoundError) as caught:
        mocked.wait(handed_in)
    assert caught.value.batch_id == ids
    assert caught.value.__notes__ == [
        f"ai.batch({LLAMA!r}, request_id={ids!r}) asks after the batch again.",
        f"It came when two was asked after: ai.batch({LLAMA!r}, request_id='one:1,three:1') has the other requests.",
    ]
    assert "status='running'" in repr(handed_in)
    wire.answers, wire.requests = [], []
    wire.rows(text(1, "c"), text(0, "b"))
    wire.rows(text(0, "d"))
    items = mocked.wait(handed_in)
    assert [(item.index, item.output.text) for item in items] == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
    assert [sent["request_id"] for sent in wire.sent] == ["two", "three"], "what is done is not asked after again"


def test_a_part_that_ended_without_answers_is_an_error_of_the_wait(wire: Wire, mocked: Batches) -> None:
    wire.result({"status": "failed", "request_id": "one"})
    with pytest.raises(InferenceUpstreamError, match="the batch ended as 'failed'") as caught:
        mocked.wait(mocked(LLAMA, request_id="one:1,two:2"))
    assert "request_id='two') has the other requests" in caught.value.__notes__[1]


def test_an_answer_without_an_id_or_a_status_is_an_error_with_what_came(wire: Wire, mocked: Batches) -> None:
    wire.result({"status": "queued"})
    with pytest.raises(APIResponseValidationError, match="the answer has no request_id") as caught:
        mocked(LLAMA, prompts(1))
    assert caught.value.body == {"status": "queued"}
    wire.answers = []
    wire.result({"request_id": ID})
    with pytest.raises(APIResponseValidationError, match="no status came"):
        mocked.wait(mocked(LLAMA, request_id=ID))


def test_a_wait_that_takes_too_long_raises_an_error_with_the_id(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    handed_in = mocked(LLAMA, prompts(1))
    with pytest.raises(
        BatchTimeoutError, match=rf"not done in 0\.02 s: it goes on, and ai\.batch\('{LLAMA}'"
    ) as caught:
        mocked.wait(handed_in, timeout=0.02)
    assert caught.value.batch_id == ID
    assert isinstance(caught.value, cfai.APITimeoutError)
    for name, seconds in (("timeout", 0), ("poll", -1)):
        with pytest.raises(ConfigurationError, match=f"`{name}` must be a positive number of seconds"):
            mocked.wait(handed_in, **{name: seconds})


def test_polls_come_less_and_less_often_or_as_told(wire: Wire, mocked: Batches, pauses: list[float]) -> None:
    for poll, expected in (
        (None, [1, 1.5, 2.25, 3.375, *[pytest.approx(1.5**n) for n in range(4, 9)], 30, 30]),
        (4, [4] * 11),
    ):
        wire.answers = []
        pauses.clear()
        wire.result(*[QUEUED] * 11)
        wire.rows(text(0))
        mocked.wait(mocked(LLAMA, request_id=ID), poll=poll)
        assert pauses == expected


def test_a_poll_waits_as_long_as_the_service_asks_and_no_longer_than_the_timeout(
    wire: Wire, mocked: Batches, pauses: list[float]
) -> None:
    wire.fail(429, 3021, **{"retry-after": "7"})
    wire.fail(429, 3021, **{"retry-after": "70"})
    wire.rows(text(0))
    mocked.wait(mocked(LLAMA, request_id=ID), poll=2, timeout=60)
    assert pauses == [7, pytest.approx(60, abs=9)]


def test_an_interrupt_leaves_the_batch_as_it_is(wire: Wire, mocked: Batches, pauses: list[float]) -> None:
    wire.result(QUEUED)
    handed_in = mocked(LLAMA, prompts(1))
    with pytest.raises(KeyboardInterrupt):
        mocked.wait(handed_in, poll=4000)
    assert len(pauses) == 1
    wire.answers = []
    wire.rows(text(0))
    assert mocked.wait(handed_in)[0].ok


def test_no_secret_shows_in_a_batch_or_an_error(wire: Wire, mocked: Batches) -> None:
    wire.result(QUEUED)
    wire.rows({"id": 0, "success": False, "errors": [{"message": "token secret-token is bad"}]})
    handed_in = mocked(LLAMA, prompts(1), extra_headers={"x-api-key": "another-secret"})
    [item] = mocked.wait(handed_in)
    shown = f"{handed_in!r} {item!r} {item.error} {item.error.body} {vars(handed_in)!r}"
    assert "secret-token" not in shown
    assert "another-secret" not in shown
