"""The cost of calls: one by one in `meta`, and all together in `ai.usage`."""

from __future__ import annotations

import base64
import copy
import gc
import io
import pickle
import subprocess
import sys
import threading
import wave
from functools import partial
from typing import Any

import pytest

from cfai import Ai, APIResponseValidationError, CfaiError, ClientUsage, ModelUsage, StreamError
from cfai._usage import MOST_WAITING, UsageLedger
from cfai.local import Emulator
from cfai.models import USD_PER_NEURON
from cfai.types import Meta, Usage
from tests.bodies import CHAT_ANSWER, DONE, HELLO, PNG, event, native
from tests.conftest import SYNC_AND_ASYNC, Caller, Service, row

LLAMA = "@cf/meta/llama-3.2-1b-instruct"
GLM = "@cf/zai-org/glm-5.3"
BGE = "@cf/baai/bge-m3"
SCHNELL = "@cf/black-forest-labs/flux-1-schnell"
PHOENIX = "@cf/leonardo/phoenix-1.0"
AURA = "@cf/deepgram/aura-1"
WHISPER, TURBO = "@cf/openai/whisper", "@cf/openai/whisper-large-v3-turbo"
LIST = "Workers AI pricing page, 2026-08-28"
PROMPT = {"prompt": "Hello"}
TOLD = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
LLAMA_COST = (1000 * 2457 + 500 * 18252) / 1e6 * USD_PER_NEURON


def wav(seconds: int) -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(bytes(seconds * 32_000))
        return file.getvalue()


@SYNC_AND_ASYNC
def test_the_cost_of_a_call_is_the_service_s_figure_else_the_price_of_its_tokens(
    caller: Caller, service: Service
) -> None:
    cached = {**TOLD, "prompt_tokens_details": {"cached_tokens": 800}}
    glm = (200 * 127273 + 800 * 23636 + 500 * 400000) / 1e6 * USD_PER_NEURON
    for model, usage, headers, cost, source in (
        (LLAMA, TOLD, {"cf_ai_neurons": "12.5"}, 12.5 * USD_PER_NEURON, "neurons"),
        (LLAMA, {**TOLD, "neurons": 2.5}, {}, 2.5 * USD_PER_NEURON, "neurons"),
        (LLAMA, {**TOLD, "neurons": 2.5}, {"cf_ai_neurons": "3"}, 3 * USD_PER_NEURON, "neurons"),
        (LLAMA, TOLD, {}, LLAMA_COST, LIST),
        (LLAMA, cached, {}, LLAMA_COST, LIST),  # no price of its own for what was cached
        (GLM, cached, {}, glm, LIST),
        (LLAMA, TOLD, {"cf_aig_cache_status": "HIT"}, 0.0, "gateway cache"),
        (LLAMA, TOLD, {"cf_aig_cache_status": "HIT", "cf_ai_neurons": "3"}, 0.0, "gateway cache"),
        (LLAMA, TOLD, {"cf_aig_cache_status": "MISS"}, LLAMA_COST, LIST),
        (LLAMA, None, {}, None, None),
        ("@cf/swiss-ai/apertus-v1.5-8b", TOLD, {}, None, None),  # no price
        ("@cf/some/model-of-tomorrow", TOLD, {}, None, None),
    ):
        with row((model, usage, headers)):
            answers = [{"response": "Hello"}, {**CHAT_ANSWER}]
            for answer in answers:
                answer.pop("usage", None)
                service.answers(service.result({**answer, **({"usage": usage} if usage else {})}, **headers))
                meta = caller.run(model, PROMPT).meta
                assert meta.cost == (None if cost is None else pytest.approx(cost, rel=1e-9))
                assert meta.cost_source == source


@SYNC_AND_ASYNC
def test_a_stream_knows_its_cost_at_its_end(caller: Caller, service: Service) -> None:
    usage = event('{"response":"","usage":{"prompt_tokens":1000,"completion_tokens":500}}')
    service.answers(service.events(*native("Hel", "lo"), usage, DONE))
    with caller.stream(LLAMA) as stream:
        assert next(iter(stream)).text == "Hel"
        assert stream.meta.cost is None
        assert stream.result().meta.cost == pytest.approx(LLAMA_COST)
        assert (stream.meta.cost_source, stream.meta.usage.total_tokens) == (LIST, 1500)


@SYNC_AND_ASYNC
def test_what_is_not_priced_by_tokens_costs_its_units_where_they_are_certain(caller: Caller, service: Service) -> None:
    picture = service.result({"image": base64.b64encode(PNG).decode()})
    sound = service.raw(b"ID3" + bytes(30), "audio/mpeg")
    info = {"text": "Hello", "transcription_info": {"duration": 90.0}}
    for model, inputs, answer, neurons in (
        (SCHNELL, {"prompt": "a house"}, picture, 4 * 4.80 + 4 * 9.60),
        (SCHNELL, {"prompt": "a house", "steps": 2}, picture, 4 * 4.80 + 2 * 9.60),
        (PHOENIX, {"prompt": "a house"}, service.raw(PNG, "image/jpeg"), 4 * 530 + 25 * 10),
        ("@cf/leonardo/lucid-origin", {"prompt": "a house"}, picture, None),  # no default of steps is documented
        ("@cf/black-forest-labs/flux-2-klein-4b", {"prompt": "winter", "input_image_0": PNG}, picture, 109.57),
        ("@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a house"}, service.raw(PNG, "image/png"), None),
        (AURA, {"text": "x" * 250}, sound, 1363.64 / 4),
        (AURA, {"text": "x" * 250, "stream": True}, sound, 1363.64 / 4),
        ("@cf/myshell-ai/melotts", {"prompt": "Hello"}, sound, None),
        ("@cf/myshell-ai/melotts", {"prompt": "Hello"}, service.raw(wav(30), "audio/mpeg"), 18.63 / 2),
        (WHISPER, {"audio": b"ID3" + bytes(30)}, service.result({"text": "Hello"}), None),
        (WHISPER, {"audio": wav(30)}, service.result({"text": "Hello"}), 41.14 / 2),
        (TURBO, {"audio": b"ID3" + bytes(30)}, service.result(info), 46.63 * 1.5),
        (TURBO, {"audio": wav(30)}, service.result(info), 46.63 * 1.5),
        (TURBO, {"audio": wav(30)}, service.result({"text": "Hello", "transcription_info": {"duration": "x"}}), 23.315),
        ("@cf/deepgram/nova-3", {"audio": wav(30)}, service.result({"results": {"channels": []}}), 472.73 / 2),
        ("@cf/microsoft/resnet-50", {"image": PNG}, service.result([{"label": "cat", "score": 0.9}]), 0.228055),
    ):
        with row((model, str(inputs)[:80])):
            service.answers(answer)
            output = caller.run(model, inputs)
            if inputs.get("stream"):
                output = output.result() if caller.portal is None else caller.portal.call(output.aresult)
            meta = output.meta
            assert meta.cost == (None if neurons is None else pytest.approx(neurons * USD_PER_NEURON, rel=1e-3))
            assert meta.cost_source == (None if neurons is None else LIST)
            assert (meta.units is None) == (neurons is None)


@SYNC_AND_ASYNC
def test_a_batch_counts_once_with_the_usage_of_all_its_answers(caller: Caller, service: Service) -> None:
    responses = [{"id": 0, "success": True, "result": {"response": "Hello"}}]
    service.answers(
        service.result({"status": "queued", "request_id": "abc", "model": LLAMA}),
        service.result({"status": "queued", "request_id": "abc"}),
        service.result({"status": "running", "request_id": "abc"}),
        service.result({"responses": responses, "usage": TOLD}),
    )
    caller.run(LLAMA, {"requests": [PROMPT]}, queue_request=True, checks="off")
    for _ in range(3):
        assert caller.ai.usage.calls == 0
        caller.run(LLAMA, {"request_id": "abc"}, queue_request=True)
    usage = caller.ai.usage
    assert (usage.calls, usage.total_tokens, usage.unpriced_calls) == (1, 1500, 0)
    assert usage.cost == pytest.approx(LLAMA_COST)


@SYNC_AND_ASYNC
def test_an_empty_answer_in_place_of_a_stream_counts_beside_the_one_that_is_asked_for_again(
    caller: Caller, service: Service
) -> None:
    service.answers(service.result({}, cf_ai_neurons="5"), service.result({"response": "Hello"}, cf_ai_neurons="7"))
    assert caller.stream(LLAMA).result().text == "Hello"
    assert (caller.ai.usage.calls, caller.ai.usage.neurons) == (2, 12.0)
    service.answers(service.result({}, cf_ai_neurons="5"))
    with pytest.raises(APIResponseValidationError, match="does not stream"):
        caller.run(LLAMA, {**PROMPT, "stream": True}, max_retries=0)
    assert (caller.ai.usage.calls, caller.ai.usage.neurons) == (3, 17.0)


@SYNC_AND_ASYNC
def test_a_job_that_is_queued_costs_nothing_that_is_known(caller: Caller, service: Service) -> None:
    service.answers(service.result({"status": "queued", "request_id": "abc", "model": AURA}))
    requests = {"requests": [{"text": "Hello"}]}
    assert caller.run(AURA, requests, queue_request=True).meta.cost is None
    assert caller.run("@cf/microsoft/resnet-50", {"request_id": "abc"}, checks="off").meta.cost is None


@SYNC_AND_ASYNC
def test_the_tokens_of_other_answers_than_text_count_too(caller: Caller, service: Service) -> None:
    vectors = {"shape": [1, 2], "data": [[0.1, 0.2]]}
    clef = {"model": "clef", "answers": {}, "usage": {"input_tokens": 1000, "output_tokens": 0}}
    moondream = {"answer": "a cat", "metrics": {"input_tokens": 1000, "output_tokens": 10}}
    question = {"a": {"type": "noul", "instructions": "Is it?"}}
    for model, inputs, result, neurons in (
        (BGE, {"text": ["a"]}, vectors, None),
        (BGE, {"text": ["a"]}, {**vectors, "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}, 1.075),
        (BGE, {"text": ["a"]}, {**vectors, "usage": {"prompt_tokens": 1000, "neurons": 2}}, 2),
        ("@cf/cloudflare/clef", {"model": "clef", "state": "x", "questions": question}, clef, 21.818),
        ("@cf/moondream/moondream3.1-9B-A2B", {"image": PNG}, moondream, 27.273 + 0.90909),
    ):
        with row(model):
            service.answers(service.result(result))
            meta = caller.run(model, inputs).meta
            assert meta.cost == (None if neurons is None else pytest.approx(neurons * USD_PER_NEURON, rel=1e-3))


@SYNC_AND_ASYNC
def test_all_calls_add_up_by_model(caller: Caller, service: Service) -> None:
    assert caller.ai.usage == ClientUsage()
    answer = {"response": "Hello", "usage": TOLD}
    service.answers(service.result(answer, cf_ai_neurons="2"), service.result(answer), service.events(*HELLO))
    caller.run(LLAMA, PROMPT)
    before = caller.ai.usage
    caller.run(LLAMA, PROMPT)
    assert caller.stream(GLM).result().text == "Hello"
    usage = caller.ai.usage
    assert before.calls == 1, "it is a copy"
    assert usage.by_model == {
        LLAMA: ModelUsage(2, 2000, 1000, 3000, 2.0, pytest.approx(2 * USD_PER_NEURON + LLAMA_COST), 0),
        GLM: ModelUsage(1, 10, 2, 12, 0.5, 0.5 * USD_PER_NEURON, 0),
    }
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 2010, 1002, 3012)
    assert (usage.neurons, usage.unpriced_calls) == (2.5, 0)
    assert usage.cost == pytest.approx(2.5 * USD_PER_NEURON + LLAMA_COST)
    usage.by_model[LLAMA].calls = 99
    assert caller.ai.usage.calls == 3, "it is a copy"


@SYNC_AND_ASYNC
def test_a_stream_counts_once_however_it_ends(caller: Caller, service: Service) -> None:
    broken = service.events(*native("Hel"), breaks=OSError("gone"))
    cut = service.events(*native("Hel"))
    failed = service.events(*native("Hel"), event('{"error":"it failed"}'), DONE)

    def read_twice(stream: Any) -> None:
        stream.result()
        stream.result()

    def leave(stream: Any) -> None:
        with stream:
            next(iter(stream))

    def leave_unread(stream: Any) -> None:
        with stream:
            pass

    def read(stream: Any) -> None:
        with pytest.raises(StreamError):
            stream.result()
        with pytest.raises(StreamError):
            stream.result()

    whole = service.result({"response": "Hello", "usage": {"prompt_tokens": 10, "completion_tokens": 2}})
    for number, (answer, end, is_known) in enumerate(
        (
            (service.events(*HELLO), read_twice, True),
            (service.events(*HELLO), leave, False),
            (service.events(*HELLO), leave_unread, False),
            (whole, read_twice, True),
            (whole, leave_unread, None),  # it came whole, but nobody read it
            (broken, read, False),
            (cut, read, False),
            (failed, read, False),
            (service.events(*HELLO), lambda stream: list(stream.to_event_stream()), True),
            (service.events(*HELLO), lambda stream: list(stream.events()), False),  # nothing of it is read
        )
    ):
        with row(number):
            before = caller.ai.usage
            service.answers(answer)
            end(caller.stream(LLAMA))
            after = caller.ai.usage
            assert after.calls - before.calls == 1
            if is_known is not None:
                assert after.unpriced_calls - before.unpriced_calls == (not is_known)
                assert after.prompt_tokens - before.prompt_tokens == (10 if is_known else 0)


def test_a_stream_that_nobody_holds_any_more_counts_once(service: Service) -> None:
    service.answers(service.events(*HELLO))
    with Ai(account_id="0" * 32, api_token="token") as ai:
        stream = ai.run(LLAMA, {**PROMPT, "stream": True})
        next(stream)
        del stream
        gc.collect()
        assert ai.usage.calls == 1
        pinging = ai.run(LLAMA, {**PROMPT, "stream": True}).to_event_stream(ping=60)
        next(pinging)
        del pinging
        gc.collect()
        ai.run(LLAMA, {**PROMPT, "stream": True})
        gc.collect()
        assert ai.usage.calls == 3


@SYNC_AND_ASYNC
def test_a_raw_response_counts_with_the_neurons_of_its_headers(caller: Caller, service: Service) -> None:
    answer = {"response": "Hello", "usage": TOLD}
    service.answers(service.result(answer, cf_ai_neurons="2"), service.result(answer), service.error(400, 5006))
    for _ in range(3):
        caller.run(LLAMA, PROMPT, return_raw_response=True)
    usage = caller.ai.usage
    assert (usage.calls, usage.prompt_tokens, usage.neurons, usage.unpriced_calls) == (2, 0, 2.0, 1)


@SYNC_AND_ASYNC
def test_a_call_that_failed_does_not_count_unless_it_was_answered(caller: Caller, service: Service) -> None:
    service.answers(service.error(400, 5006))
    with pytest.raises(CfaiError):
        caller.run(LLAMA, PROMPT)
    with pytest.raises(CfaiError):
        caller.run(LLAMA, {"prompt": "Hello", "max_tokens": 10**9})
    for code in (3040, 3043, 4006, 5006, 5007):
        service.answers(service.error(200, code))
        with row(code), pytest.raises(CfaiError):
            caller.run(LLAMA, PROMPT)
    assert caller.ai.usage.calls == 0, "an error under a 200 is no answer"
    service.answers(service.error(200, 3043, cf_ai_neurons="3"))
    with pytest.raises(CfaiError):
        caller.run(LLAMA, PROMPT)
    usage = caller.ai.usage
    assert (usage.calls, usage.neurons, usage.unpriced_calls) == (1, 3.0, 0), "it says that it was charged"


@SYNC_AND_ASYNC
def test_an_answer_that_cannot_be_read_counts(caller: Caller, service: Service) -> None:
    service.answers(service.json(b"no JSON", cf_ai_neurons="2"))
    for inputs in (PROMPT, {**PROMPT, "stream": True}):
        with pytest.raises(APIResponseValidationError):
            caller.run(LLAMA, inputs)
    assert (caller.ai.usage.calls, caller.ai.usage.neurons) == (2, 4.0)


def test_figures_that_no_call_can_have_break_nothing(caller: Caller, service: Service) -> None:
    for tokens, cost in ((10**400, None), (-5, None), (1e300, None), ("9" * 9000, 0), (float("nan"), 0)):
        with row(str(tokens)[:20]):
            service.answers(
                service.result({"response": "Hello", "usage": {"prompt_tokens": tokens, "total_tokens": 1}})
            )
            assert caller.run(LLAMA, PROMPT).meta.cost == cost
    info = {"text": "Hello", "transcription_info": {"duration": 1e300}}
    service.answers(service.result(info))
    assert caller.run(TURBO, {"audio": b"ID3"}).meta.cost is None
    assert caller.ai.usage.cost == 0


def test_copies_count_into_the_same_and_a_pickle_begins_anew(service: Service) -> None:
    service.answers(service.result({"response": "Hello", "usage": TOLD}))
    with Ai(account_id="0" * 32, api_token="token") as ai:
        for each in (ai.with_options(timeout=5), copy.copy(ai), copy.deepcopy(ai)):
            each.run(LLAMA, PROMPT)
            assert each.usage == ai.usage
        assert ai.usage.calls == 3
        with pickle.loads(pickle.dumps(ai)) as other:
            assert other.usage.calls == 0
            other.run(LLAMA, PROMPT)
            assert (other.usage.calls, ai.usage.calls) == (1, 3)


def test_threads_lose_no_call(service: Service) -> None:
    service.answers(service.result({"response": "Hello", "usage": TOLD}))
    with Ai(account_id="0" * 32, api_token="token") as ai:
        seen: list[int] = []

        def work() -> None:
            for _ in range(100):
                ai.run(LLAMA, PROMPT)
                seen.append(ai.usage.calls)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (ai.usage.calls, ai.usage.total_tokens, max(seen)) == (400, 600_000, 400)


def test_calls_are_added_up_though_nobody_asks(service: Service) -> None:
    service.answers(service.result({"response": "Hello", "usage": TOLD}))
    with Ai(account_id="0" * 32, api_token="token") as ai:
        for _ in range(MOST_WAITING + 1):
            ai.run(LLAMA, PROMPT)
        assert len(ai._pool.usage.answered) == 1
        assert ai.usage.calls == MOST_WAITING + 1


def test_who_asks_in_the_middle_of_the_adding_waits_for_nothing() -> None:
    ledger = UsageLedger()

    class Interrupting(Usage):
        """Tokens during whose adding a signal comes, whose handler asks too."""

        def __getattribute__(self, name: str) -> Any:
            ledger.sum_up()
            return super().__getattribute__(name)

    ledger.answered.extend(Meta(model=LLAMA, usage=Interrupting(1, 2, 3), neurons=1.0) for _ in range(5))
    usage = ledger.sum_up()
    assert (usage.calls, usage.prompt_tokens, usage.total_tokens, usage.neurons) == (5, 5, 15, 5.0)


@pytest.mark.skipif(sys.platform == "win32", reason="cannot fork")
def test_a_forked_child_begins_anew_also_while_another_thread_adds_up() -> None:
    code = f"""
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from cfai import Ai
from cfai.local import Emulator
with Emulator() as service, service.ai() as ai:
    stream = ai.run({LLAMA!r}, {{"prompt": "Hello", "stream": True}})
    next(stream)
    ai.run({LLAMA!r}, {PROMPT!r})
    held = threading.Event()
    def hold():
        with ai._pool.usage._lock:
            held.set()
            released.wait()
    released = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        stream.close()
        print(ai.usage.calls)
        ai.run({LLAMA!r}, {PROMPT!r})
        print(ai.usage.calls, flush=True)
        os._exit(0)
    released.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    stream.close()
    print(ai.usage.calls)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n1\n2\n", "")


def test_usage_shows_as_a_table() -> None:
    ledger = UsageLedger()
    add = ledger.answered.append
    assert str(ledger.sum_up()).splitlines()[1].split() == ["all", "0", "0", "0", "0.000", "$0.000000"]
    add(Meta(model=LLAMA, usage=Usage(1200, 30, 1230), neurons=100.0))
    assert len(str(ledger.sum_up()).splitlines()) == 2, "one model is all there is"
    for _ in range(2):
        add(Meta(model="<b>"))
    assert str(ledger.sum_up()).splitlines() == [
        "model                           calls  input tokens  output tokens  neurons       cost",
        "@cf/meta/llama-3.2-1b-instruct      1         1,200             30  100.000  $0.001100",
        "<b>                                 2             0              0    0.000  $0.000000",
        "all                                 3         1,200             30  100.000  $0.001100",
        "The cost of 2 calls is not known, and not in the sum.",
    ]
    html = ledger.sum_up()._repr_html_()
    assert html.startswith("<table><tr><th ")
    assert ">&lt;b&gt;</td>" in html
    assert html.endswith(">The cost of 2 calls is not known, and not in the sum.</small>")


@SYNC_AND_ASYNC
def test_the_emulator_charges_as_the_price_list_has_it(portal: Any) -> None:
    with Emulator() as service, service.ai() as ai:
        caller = Caller(ai, portal)
        for model, inputs, cost in (
            (SCHNELL, {"prompt": "a house"}, 57.6 * USD_PER_NEURON),
            (AURA, {"text": "x" * 1000}, 1363.64 * USD_PER_NEURON),
        ):
            with row(model):
                assert caller.run(model, inputs).meta.cost == pytest.approx(cost)
        for inputs in (PROMPT, {**PROMPT, "max_tokens": 5}):
            most = ai.check(LLAMA, inputs).max_cost
            assert most is not None
            assert 0 < caller.run(LLAMA, inputs).meta.cost < most
        read = partial(caller.run, LLAMA, {**PROMPT, "stream": True})
        assert read().result().meta.cost > 0
        assert ai.usage.calls == 5


def test_clients_of_openai_s_api_find_the_same_models() -> None:
    for options, url in (
        ({}, "https://api.cloudflare.com/client/v4/accounts/00000000000000000000000000000000/ai/v1"),
        (
            {"base_url": "https://api.fed.cloudflare.com/client/v4/"},
            "https://api.fed.cloudflare.com/client/v4/accounts/00000000000000000000000000000000/ai/v1",
        ),
    ):
        assert Ai(account_id="0" * 32, api_token="token", **options).openai_base_url == url
    with Emulator() as service, service.ai() as ai:
        assert ai.openai_base_url == service.openai_url
    with Ai.local(emulated=True) as ai:
        assert ai.openai_base_url == f"{ai.base_url}/accounts/{ai.account_id}/ai/v1"
        assert "token" not in "".join(name for name in dir(ai) if not name.startswith("_"))
