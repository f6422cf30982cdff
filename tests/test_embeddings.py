"""Any number of texts is embedded: split, a few calls at a time, in order, and what is done is never lost."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
import time
import tracemalloc
from array import array
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from math import isnan
from types import SimpleNamespace
from typing import Any

import anyio.lowlevel
import anyio.to_thread
import httpx
import numpy as np
import pytest

from cfai import (
    Ai,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    ConfigurationError,
    ContextLengthError,
    EmbeddingsError,
    InferenceUpstreamError,
    InputError,
    InputWarning,
    InternalServerError,
    LimitWarning,
)
from cfai._config import LimitPolicy
from cfai._credentials import Secret
from cfai._pacing import Turns
from cfai.embeddings import aembed, embed
from cfai.local import Emulator
from cfai.types import Embeddings, Vectors
from tests.conftest import BACKENDS, LONG, SYNC_AND_ASYNC, Caller, Service, row
from tests.frames import show_error

M3 = "@cf/baai/bge-m3"
BASE = "@cf/baai/bge-base-en-v1.5"
QWEN = "@cf/qwen/qwen3-embedding-0.6b"
PLAMO = "@cf/pfnet/plamo-embedding-1b"
NUMBERS = [str(number) for number in range(250)]


def run_embed(caller: Caller, model: str, texts: Any, **options: Any) -> Vectors:
    """Embed with `embed`, or with `aembed` on the caller's event loop."""
    if caller.portal is None:
        return caller.ai.embed(model, texts, **options)
    return caller.portal.call(partial(caller.ai.aembed, model, texts, **options))


def answer_with(service: Service, answer: Callable[[list[str]], Any] | None = None, **headers: str) -> None:
    """Have the service answer `[number, 0.5]` to a text that is a number, or else what `answer` makes of the texts."""

    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def reply(request: httpx.Request) -> httpx.Response:
        service.requests.append(request)
        inputs = json.loads(request.content)
        texts = next(inputs[field] for field in ("text", "queries", "documents") if field in inputs)
        result = answer(texts) if answer else None
        if isinstance(result, httpx.Response):
            return result
        vectors = result if result is not None else [[float(text), 0.5] for text in texts]
        return httpx.Response(200, json={"result": {"data": vectors}, "success": True}, headers=named)

    service.router.route().mock(side_effect=reply)


def fail(status: int, code: int, retry_after: int | None = None) -> httpx.Response:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    body = {"success": False, "errors": [{"code": code, "message": "it failed"}]}
    return httpx.Response(status, json=body, headers=headers)


def sent(service: Service) -> list[list[str]]:
    """Return the texts of each call, in the order of their first."""
    return sorted(
        (json.loads(request.content)["text"] for request in service.requests), key=lambda texts: int(texts[0])
    )


@SYNC_AND_ASYNC
def test_options_that_would_give_other_vectors_or_none_are_refused(caller: Caller, service: Service) -> None:
    answer_with(service)
    for options in (
        {"fallback": [BASE]},
        {"return_raw_response": True},
        {"queue_request": True},
        {"output_type": dict},
        {"nonsense": 1},
    ):
        with (
            row(options),
            pytest.raises(TypeError, match=f"embed.. got an unexpected keyword argument '{next(iter(options))}'"),
        ):
            run_embed(caller, M3, ["1"], **options)
    assert service.requests == []


@SYNC_AND_ASYNC
def test_texts_that_the_firewall_blocks_stop_no_others(caller: Caller, service: Service) -> None:
    answer_with(service, lambda texts: fail(403, 1020) if "100" in texts else None)
    texts = [str(number) for number in range(1000)]
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, texts, concurrency=1)
    assert caught.value.missing == [100]
    assert len(service.requests) == 10 + 12


@SYNC_AND_ASYNC
def test_a_text_that_is_refused_costs_the_others_nothing(caller: Caller, service: Service) -> None:
    bad = [100, 117, 118, 199, *range(230, 250)]
    texts = NUMBERS[:]
    for number in bad:
        texts[number] = f"-{number}"
    answer_with(service, lambda texts: fail(400, 3030) if any(text[0] == "-" for text in texts) else None)
    resume = None
    for _ in range(2):
        with pytest.raises(
            EmbeddingsError, match=r"^24 of 250 texts have no vector, .* `texts\[100\]`: 3030"
        ) as caught:
            run_embed(caller, BASE, texts, resume=resume)
        assert caught.value.missing == bad
        assert isinstance(caught.value.__cause__, BadRequestError)
        resume = caught.value.partial
        assert all(resume[number] == [float(number), 0.5] for number in range(250) if number not in bad)
    texts[117] = "117"
    service.requests.clear()
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, texts, resume=resume)
    assert caught.value.missing == [number for number in bad if number != 117], "behind others that are refused"


@SYNC_AND_ASYNC
def test_what_is_refused_in_every_text_is_told_after_a_few(caller: Caller, service: Service) -> None:
    answer_with(service, lambda texts: fail(400, 5006))
    with pytest.raises(BadRequestError):
        run_embed(caller, BASE, NUMBERS[:100])
    assert len(service.requests) <= 25


@SYNC_AND_ASYNC
def test_only_what_may_be_refused_for_one_text_is_halved(caller: Caller, service: Service) -> None:
    for status, code in ((500, 3043), (429, 3040), (408, 3007), (401, 10000), (403, 10000), (404, 5007), (429, 4006)):
        service.requests.clear()
        answer_with(service, lambda texts, status=status, code=code: fail(status, code))
        with row(code), pytest.raises(InferenceUpstreamError):
            run_embed(caller, BASE, NUMBERS[:100], max_retries=None)
        assert len(service.requests) == 1


@SYNC_AND_ASYNC
def test_answers_that_were_billed_and_cannot_be_used_are_in_the_figures(caller: Caller, service: Service) -> None:
    headers = {"content-type": "application/json", "cf-ai-neurons": "7"}
    for content in (b'{"result":{"da', b'{"result":{"data":[[1,2]]},"success":true}'):
        bad = httpx.Response(200, content=content, headers=headers)
        answer_with(service, lambda texts, bad=bad: bad if texts[0] == "100" else None, cf_ai_neurons="2")
        with row(content), pytest.raises(EmbeddingsError) as caught:
            run_embed(caller, BASE, NUMBERS)
        partial = caught.value.partial
        assert (partial.calls, partial.neurons, partial.cost) == (3, 11.0, pytest.approx(11 * 0.011 / 1000))


@SYNC_AND_ASYNC
def test_texts_are_split_into_calls_and_the_vectors_stand_in_their_order(caller: Caller, service: Service) -> None:
    answer_with(service, cf_ai_neurons="2")
    vectors = run_embed(caller, BASE, NUMBERS, inputs={"pooling": "cls"}, extra_headers={"x-a": "b"})
    bodies = sorted(
        (json.loads(request.content) for request in service.requests), key=lambda body: int(body["text"][0])
    )
    parts = (NUMBERS[:100], NUMBERS[100:200], NUMBERS[200:])
    assert bodies == [{"pooling": "cls", "text": part} for part in parts]
    assert {request.headers["x-a"] for request in service.requests} == {"b"}
    assert vectors.data == [[float(number), 0.5] for number in NUMBERS]
    assert (vectors.shape, vectors.model, vectors.calls) == ((250, 2), BASE, 3)


def test_a_thousand_texts_are_one_array_in_their_order(local: Emulator) -> None:
    with Ai() as ai:
        vectors = ai.embed(M3, ["a river", "a garden"] * 500).to_numpy()
        single = ai.run(M3, {"text": ["a river", "a garden"]}).to_numpy()
    assert vectors.shape == (1000, 1024)
    assert vectors.dtype == np.float32
    assert (vectors == np.tile(single, (500, 1))).all()


@SYNC_AND_ASYNC
def test_any_iterable_of_strings_is_taken(caller: Caller, service: Service) -> None:
    answer_with(service)
    expected = [[0.0, 0.5], [1.0, 0.5]]
    rows: dict[str, Any] = {
        "list": ["0", "1"],
        "tuple": ("0", "1"),
        "generator": (text for text in ("0", "1")),
        "array": np.array(["0", "1"]),
        "keys": {"0": 1, "1": 2}.keys(),
        "a column of pyarrow": Column(["0", "1"]),
    }
    for name, texts in rows.items():
        with row(name):
            assert run_embed(caller, BASE, texts).data == expected
    if caller.portal is not None:

        async def generate() -> AsyncIterator[str]:
            for text in NUMBERS:
                yield text

        assert run_embed(caller, BASE, generate()).data == [[float(text), 0.5] for text in NUMBERS]


@SYNC_AND_ASYNC
def test_no_texts_are_an_empty_result_without_a_call(caller: Caller, service: Service) -> None:
    for model, shape in ((BASE, (0, 768)), (M3, (0, 0))):
        vectors = run_embed(caller, model, [])
        assert (vectors.shape, vectors.to_numpy().shape, vectors.data) == (shape, shape, [])
    assert (vectors.usage, vectors.neurons, vectors.cost, vectors.calls) == (None, None, None, 0)
    assert service.requests == []


@SYNC_AND_ASYNC
def test_queries_go_into_their_own_field_with_their_instruction_and_as_many_as_the_model_takes(
    caller: Caller, service: Service
) -> None:
    answer_with(service)
    for field in ("queries", "documents"):
        service.requests.clear()
        vectors = run_embed(caller, QWEN, NUMBERS[:40], field=field, inputs={"instruction": "Find it"})
        bodies = sorted(
            (json.loads(request.content) for request in service.requests), key=lambda body: -len(body[field])
        )
        assert bodies == [
            {"instruction": "Find it", field: NUMBERS[:32]},
            {"instruction": "Find it", field: NUMBERS[32:40]},
        ]
        assert [vector[0] for vector in vectors] == [*range(40)]


@SYNC_AND_ASYNC
def test_texts_are_split_by_tokens_where_the_model_has_a_limit_for_all(caller: Caller, service: Service) -> None:
    texts = [f"{number} " + "word " * 4000 for number in range(30)]
    answer_with(service, lambda texts: [[float(text.split()[0])] for text in texts])
    assert [vector[0] for vector in run_embed(caller, M3, texts)] == [*range(30)]
    lengths = [len(json.loads(request.content)["text"]) for request in service.requests]
    assert sorted(lengths) == [8, 11, 11], "60,000 tokens in a call, of some 4,600 in each and a margin"
    service.requests.clear()
    long = [f"{number} " + "word " * 40_000 for number in range(10)]
    run_embed(caller, M3, long, inputs={"truncate_inputs": True})
    lengths = [len(json.loads(request.content)["text"]) for request in service.requests]
    assert sorted(lengths) == [3, 7], "it is cut to 8,192 tokens"


@SYNC_AND_ASYNC
def test_what_cannot_work_is_refused_before_anything_is_sent(caller: Caller, service: Service) -> None:
    texts_must = "`texts` must be a list or another iterable of strings, got"
    other = Vectors(M3, 2, vectors_of([1, 2]))
    rows: list[tuple[type[Exception], str, Any, dict[str, Any]]] = [
        (InputError, f"{texts_must} str: put it into a list", "a river", {}),
        (InputError, f"{texts_must} bytes", b"a", {}),
        (InputError, f"{texts_must} dict: pass its values", {"a": "b"}, {}),
        (InputError, f"{texts_must} Frame: pass its values, or one column", Frame(), {}),
        (InputError, f"{texts_must} int", 5, {}),
        (InputError, f"{texts_must} ndarray", np.array("a"), {}),
        (InputError, "`texts[2]` must be a string, got NoneType", ["a", "b", None], {}),
        (InputError, "`texts[0]` must be a string, got ndarray", np.array([["a"]]), {}),
        (InputError, "`texts[1]` must not be empty", ["a", ""], {}),
        (InputError, "`texts[150]`: the text has half of a surrogate pair", ["a"] * 150 + ["\ud800"], {}),
        (ContextLengthError, "`texts[1]` must have at most 512 tokens in each text", ["a", "a, " * 700], {}),
        (ConfigurationError, "`concurrency` must be a number of 1 or more, got 0", ["a"], {"concurrency": 0}),
        (ConfigurationError, "`concurrency` must be a number of 1 or more, got True", ["a"], {"concurrency": True}),
        (ConfigurationError, "`requests_per_minute` must be 1 or more, or", ["a"], {"requests_per_minute": 0}),
        (ConfigurationError, "`field` must be one of text, queries, documents, got 'query'", ["a"], {"field": "query"}),
        (ConfigurationError, "`resume` must be the `.partial` of an EmbeddingsError, got list", ["a"], {"resume": []}),
        (ConfigurationError, f"`resume` must be of {BASE}, got vectors of {M3}", ["a"], {"resume": other}),
        (InputError, "`inputs` must be a dict such as", ["a"], {"inputs": "cls"}),
        *(
            (InputError, f"`inputs` must not have '{name}'", ["a"], {"inputs": {name: "b"}})
            for name in ("text", "queries", "documents", "query", "contexts", "requests", "stream")
        ),
        (InputError, "`pooling` must be one of 'mean', 'cls'", ["a"], {"inputs": {"pooling": "max"}}),
        (InputError, "`text` must be given", ["a"], {"field": "queries"}),
        (ConfigurationError, "`checks` must be", ["a"], {"checks": "never"}),
        (ConfigurationError, "timeout", ["a"], {"timeout": "soon"}),
    ]
    for kind, message, texts, options in rows:
        with row(message), pytest.raises(kind) as caught:
            run_embed(caller, BASE, texts, **options)
        assert str(caught.value).startswith(message) or kind is ConfigurationError
        assert message in str(caught.value)
    with pytest.raises(ContextLengthError) as too_long:
        run_embed(caller, BASE, ["a", "a, " * 700])
    assert (too_long.value.field, too_long.value.limit, too_long.value.limit_kind) == ("texts[1]", 512, "input")
    with pytest.raises(ConfigurationError, match="`model` must be a name such as"):
        run_embed(caller, [BASE], ["a"])  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"must be one that embeds texts, .*, got '@cf/zai-org/glm-4.7-flash'"):
        run_embed(caller, "@cf/zai-org/glm-4.7-flash", ["a"])
    with pytest.raises(ConfigurationError, match="`resume` must be of the same texts: it has 2 rows, they are 1"):
        run_embed(caller, M3, ["a"], resume=Vectors(M3, 1, vectors_of([1, 2])))
    if caller.portal is None:

        async def generate() -> AsyncIterator[str]:
            yield "a"

        with pytest.raises(InputError, match="which is asynchronous: call `aembed`"):
            caller.ai.embed(BASE, generate())  # type: ignore[arg-type]
    assert service.requests == []


class Column:
    """A column, as pyarrow has it: it iterates values that are no strings."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __iter__(self) -> Iterator[object]:
        return iter([object()])

    def to_pylist(self) -> list[str]:
        return self.texts


class Frame:
    """A table, as pandas has it: it iterates the names of its columns."""

    columns = ("a", "b")

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)


def vectors_of(numbers: Iterable[float]) -> array[float]:
    return array("f", numbers)


@SYNC_AND_ASYNC
def test_a_text_that_may_be_too_long_is_sent_with_one_warning_at_the_line_of_the_call(
    caller: Caller, service: Service
) -> None:
    answer_with(service, lambda texts: [[1.0]] * len(texts))
    likely, certain = "a " * 9000, "a, " * 700
    rows: list[tuple[str, str, list[str], str, type[Warning]]] = [
        (M3, "enforce", ["a", likely, likely], r"`texts\[1\]` must have at most 8,192 tokens", LimitWarning),
        (BASE, "warn", ["a", certain], r"`texts\[1\]` must have at most 512 tokens", LimitWarning),
        (BASE, "warn", ["", "a"], r"`texts\[0\]` must not be empty", InputWarning),
    ]
    for model, checks, texts, message, category in rows:
        for iterable in (texts, iter(texts)):
            with row((message, type(iterable))), pytest.warns(category, match=message) as warned:
                assert len(run_embed(caller, model, iterable, checks=checks)) == len(texts)
            assert len(warned) == 1
            assert caller.portal is not None or warned[0].filename == __file__
    with pytest.raises(ContextLengthError):
        run_embed(caller, M3, ["a", likely], checks="strict")
    assert len(run_embed(caller, BASE, ["", certain], checks="off")) == 2


@SYNC_AND_ASYNC
def test_a_call_that_fails_leaves_the_others_and_a_second_call_embeds_what_is_missing(
    caller: Caller, service: Service
) -> None:
    answer_with(service, lambda texts: fail(400, 5006) if "100" in texts else None, cf_ai_neurons="2")
    with pytest.raises(
        EmbeddingsError, match=r"^1 of 250 texts have no vector, the first is `texts\[100\]`: 5006"
    ) as caught:
        run_embed(caller, BASE, NUMBERS)
    error = caught.value
    assert error.missing == [100]
    assert isinstance(error.__cause__, BadRequestError)
    assert (error.code, error.status_code, error.model) == (5006, 400, BASE)
    assert error.partial.shape == (250, 2)
    assert error.partial[99] == [99.0, 0.5]
    assert all(isnan(number) for number in error.partial[100])
    assert [*np.flatnonzero(np.isnan(error.partial.to_numpy()[:, 0]))] == error.missing
    assert pickle.loads(pickle.dumps(error)).partial.numbers[:2] == error.partial.numbers[:2]

    service.requests.clear()
    answer_with(service, cf_ai_neurons="2")
    vectors = run_embed(caller, BASE, NUMBERS, resume=error.partial)
    assert sent(service) == [NUMBERS[100:101]]
    assert vectors.data == [[float(number), 0.5] for number in NUMBERS]
    assert (vectors.neurons, vectors.calls) == (18.0, 9)
    assert isnan(error.partial[100][0]), "it is not changed"
    # Nothing is missing any more, so nothing is sent.
    service.requests.clear()
    assert run_embed(caller, BASE, NUMBERS, resume=vectors).data == vectors.data
    assert service.requests == []


@SYNC_AND_ASYNC
def test_a_failure_that_every_call_would_meet_is_raised_by_the_first_call_alone(
    caller: Caller, service: Service
) -> None:
    for status, code, kind in ((401, 10000, AuthenticationError), (410, 5028, Exception), (429, 4006, Exception)):
        service.requests.clear()
        answer_with(service, lambda texts, status=status, code=code: fail(status, code))
        with row(code), pytest.raises(kind) as caught:
            run_embed(caller, BASE, NUMBERS, max_retries=None)
        assert not isinstance(caught.value, EmbeddingsError)
        assert len(service.requests) == 1


@SYNC_AND_ASYNC
def test_a_token_that_expires_stops_the_work_and_what_is_done_is_kept(caller: Caller, service: Service) -> None:
    texts = [str(number) for number in range(10_000)]
    answer_with(service, lambda texts: fail(401, 10000) if int(texts[0]) >= 1000 else None)
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, texts, concurrency=2)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    # A call that was to be sent when the other failed is not sent any more.
    done = {int(text) for texts in sent(service) if int(texts[0]) < 1000 for text in texts}
    assert caught.value.missing == [number for number in range(10_000) if number not in done]
    assert len(done) >= 800
    assert len(caught.value.partial) == 10_000
    assert len(service.requests) <= 12
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, iter(texts), concurrency=2)
    assert 1000 < len(caught.value.partial) <= 1301, "of texts without a number, those that were read"


class Bar:
    """An iterable that can be read once, and says how much it hopes to give, as a progress bar does."""

    def __init__(self, texts: Iterable[str], hoped: int) -> None:
        self.texts = iter(texts)
        self.hoped = hoped

    def __len__(self) -> int:
        return self.hoped

    def __iter__(self) -> Iterator[str]:
        return self.texts


@SYNC_AND_ASYNC
def test_an_iterable_with_a_length_is_read_once_and_its_length_is_not_trusted(caller: Caller, service: Service) -> None:
    answer_with(service)
    for hoped in (1000, 10):
        assert run_embed(caller, BASE, Bar(NUMBERS, hoped)).data == [[float(text), 0.5] for text in NUMBERS]


@SYNC_AND_ASYNC
def test_the_cause_is_what_stopped_the_work_rather_than_a_call_that_failed_before(
    caller: Caller, service: Service
) -> None:
    failures = {"100": fail(400, 5006), "300": fail(401, 10000)}
    answer_with(service, lambda texts: failures.get(texts[0]))
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, map(str, range(1000)), concurrency=1)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    assert caught.value.missing[0] == 100


@SYNC_AND_ASYNC
def test_many_failures_in_a_row_stop_the_work(caller: Caller, service: Service) -> None:
    answer_with(service, lambda texts: fail(500, 3043))
    with pytest.raises(InternalServerError):
        run_embed(caller, BASE, map(str, range(10_000)), concurrency=1, max_retries=None)
    assert len(service.requests) == 16
    service.requests.clear()
    answer_with(service, lambda texts: fail(500, 3043) if int(texts[0]) % 1000 else None)
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, map(str, range(10_000)), concurrency=1, max_retries=None)
    assert len(service.requests) == 100, "those with successes between them do not"
    assert len(caught.value.missing) == 9000


@SYNC_AND_ASYNC
def test_too_many_requests_let_all_calls_wait_and_none_fails_for_them(
    caller: Caller, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfai._pacing.pace._FIRST_PAUSE", 0.0)
    refused: set[str] = set()

    def refuse_once(texts: list[str]) -> httpx.Response | None:
        if len(service.requests) > 1 and texts[0] not in refused:
            refused.add(texts[0])
            return fail(429, 3021, retry_after=0)
        return None

    answer_with(service, refuse_once)
    texts = [str(number) for number in range(2000)]
    vectors = run_embed(caller, BASE, texts, max_retries=0)
    assert [vector[0] for vector in vectors] == [*range(2000)]
    assert (len(refused), len(service.requests)) == (19, 20 + 19)


@SYNC_AND_ASYNC
def test_a_rate_that_is_refused_for_hours_stops_the_work_and_what_is_done_is_kept(
    caller: Caller, service: Service
) -> None:
    answer_with(service, lambda texts: fail(429, 3021, retry_after=86_400) if int(texts[0]) >= 1000 else None)
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, map(str, range(100_000)), concurrency=2)
    assert caught.value.retry_after == 86400
    assert len(service.requests) <= 12
    answered = sum(int(json.loads(request.content)["text"][0]) < 1000 for request in service.requests)
    assert len({*range(1000)}.difference(caught.value.missing)) == 100 * answered > 0


@SYNC_AND_ASYNC
def test_a_call_that_meets_a_busy_model_is_made_again_up_to_five_times(caller: Caller, service: Service) -> None:
    left = {"0": 6, "100": 7, "200": 0}

    def answer(texts: list[str]) -> httpx.Response | None:
        left[texts[0]] -= 1
        if left[texts[0]] == 2:
            return fail(429, 3021, retry_after=0)  # is none of the five
        return fail(429, 3040, retry_after=0) if left[texts[0]] >= 0 else None

    answer_with(service, answer)
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, NUMBERS)
    assert caught.value.missing == [*range(100, 200)]
    assert len(service.requests) == 7 + 7 + 1


@SYNC_AND_ASYNC
def test_a_bad_text_of_an_iterator_is_left_out_and_told_at_the_end(caller: Caller, service: Service) -> None:
    answer_with(service)
    texts: list[Any] = [*NUMBERS]
    texts[120], texts[130] = None, ""
    with pytest.raises(EmbeddingsError, match=r"2 of 250 texts have no vector, .* must be a string") as caught:
        run_embed(caller, BASE, iter(texts))
    assert caught.value.missing == [120, 130]
    assert isinstance(caught.value.__cause__, InputError)
    assert run_embed(caller, BASE, NUMBERS, resume=caught.value.partial).data[119:122] == [
        [119, 0.5],
        [120, 0.5],
        [121, 0.5],
    ]
    service.requests.clear()
    read: list[int] = []
    with pytest.raises(InputError, match="must be a string, got int"):
        run_embed(caller, BASE, (read.append(number) or number for number in range(1000)))
    assert len(read) == 1000
    assert service.requests == []


@SYNC_AND_ASYNC
def test_bad_texts_of_a_generator_stop_nothing_however_many_they_are(caller: Caller, service: Service) -> None:
    answer_with(service)
    bad = {*range(7, 2000, 50), *range(500, 600)}
    texts: list[Any] = ["" if number in bad else str(number) for number in range(2000)]
    resume = None
    for sends in (True, False):
        service.requests.clear()
        with pytest.raises(EmbeddingsError, match=rf"^{len(bad)} of 2,000 texts have no vector") as caught:
            run_embed(caller, BASE, iter(texts), resume=resume)
        resume = caught.value.partial
        assert bool(service.requests) == sends
        assert (len(resume), caught.value.missing) == (2000, sorted(bad))


@SYNC_AND_ASYNC
def test_failures_between_texts_that_are_done_do_not_keep_resume_from_the_rest(
    caller: Caller, service: Service
) -> None:
    def refuse_every_other(texts: list[str]) -> httpx.Response | None:
        number = int(texts[0])
        if number >= 5000 and expires:
            return fail(401, 10000)
        return fail(500, 3043) if number < 5000 and number % 200 else None

    expires = True
    answer_with(service, refuse_every_other)
    texts = [str(number) for number in range(6000)]
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, texts, concurrency=1, max_retries=None)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    expires, resume = False, caught.value.partial
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, texts, concurrency=1, resume=resume, max_retries=None)
    assert caught.value.missing == [number for number in range(5000) if number // 100 % 2]


@SYNC_AND_ASYNC
def test_what_is_missing_is_what_the_partial_result_lacks_where_the_work_stops_again_sooner(
    caller: Caller, service: Service
) -> None:
    answer_with(service, lambda texts: fail(400, 5006) if texts[0] in ("100", "700") else None)
    with pytest.raises(EmbeddingsError) as caught:
        run_embed(caller, BASE, map(str, range(1000)))
    answer_with(service, lambda texts: fail(401, 10000))
    resume = caught.value.partial
    with pytest.raises(EmbeddingsError, match=r"^2 of 1,000 texts") as caught:
        run_embed(caller, BASE, map(str, range(1000)), resume=resume, concurrency=1)
    lacking = [index for index, vector in enumerate(caught.value.partial) if isnan(vector[0])]
    assert caught.value.missing == lacking == [100, 700]


@SYNC_AND_ASYNC
def test_an_error_of_the_iterable_keeps_what_is_done(caller: Caller, service: Service) -> None:
    answer_with(service)

    def read(count: int) -> Iterator[str]:
        yield from NUMBERS[:count]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        run_embed(caller, BASE, read(50))
    with pytest.raises(EmbeddingsError, match="the disk is gone") as caught:
        run_embed(caller, BASE, read(250))
    assert caught.value.missing == [*range(200, 250)]
    assert isinstance(caught.value.__cause__, OSError)
    done = run_embed(caller, BASE, NUMBERS)
    with pytest.raises(
        EmbeddingsError, match=r"^`texts` raised OSError: the disk is gone, after 250 texts\. "
    ) as caught:
        run_embed(caller, BASE, read(250), resume=done)
    assert (caught.value.missing, caught.value.partial.data) == ([], done.data)


@SYNC_AND_ASYNC
def test_an_answer_without_one_vector_a_text_is_an_error_and_never_a_shift(caller: Caller, service: Service) -> None:
    rows: dict[str, Any] = {
        "99 vectors came for 100 texts": [[1.0, 2.0]] * 99,
        "101 vectors came for 100 texts": [[1.0, 2.0]] * 101,
        "one length, got 1 and 2 numbers": [[1.0, 2.0]] * 99 + [[1.0]],
        "there are no vectors in it": [[]] * 100,
        "hold what is no number": [[1.0, None]] * 100,
        "hold what is no number of float32": [[1.0, 1e300]] * 100,
        "is no number of float32": [[1.0, "b"]] * 100,
        "no number of float32": [[1.0, [2.0]]] * 100,
        "no vectors in it": [],
        "have 3 numbers, those before had 2": [[1.0, 2.0, 3.0]] * 100,
        "got 0 and 2 numbers": [[1.0, 2.0]] * 99 + [None],
    }
    for message, vectors in rows.items():
        answer_with(service, lambda texts, vectors=vectors: vectors if texts[0] == "100" else None)
        with row(message), pytest.raises(EmbeddingsError) as caught:
            run_embed(caller, BASE, NUMBERS)
        cause = caught.value.__cause__
        assert isinstance(cause, APIResponseValidationError)
        assert message in str(cause)
        assert "`texts[100]` to `texts[199]`" in str(cause)
        assert caught.value.missing == [*range(100, 200)]
        assert caught.value.partial[200] == [200.0, 0.5]
    nan = httpx.Response(200, content=b'{"result":{"data":[[NaN,1]]}}', headers={"content-type": "application/json"})
    text = httpx.Response(200, json={"result": {"response": "Hello"}})
    for name, answer, message in (("NaN", nan, "hold NaN"), ("text", text, "there are no vectors in it")):
        answer_with(service, lambda texts, answer=answer: answer)
        with row(name), pytest.raises(APIResponseValidationError, match=message):
            run_embed(caller, BASE, ["1"])


@SYNC_AND_ASYNC
def test_usage_neurons_and_cost_add_up_and_are_unknown_if_one_call_does_not_say(
    caller: Caller, service: Service
) -> None:
    usage = {"prompt_tokens": 7, "total_tokens": 7}

    def answer(texts: list[str]) -> httpx.Response:
        vectors = [[1.0]] * len(texts)
        return httpx.Response(200, json={"result": {"data": vectors, "usage": usage}}, headers={"cf-ai-neurons": "0.5"})

    answer_with(service, answer)
    vectors = run_embed(caller, BASE, NUMBERS)
    assert vectors.usage is not None
    assert (vectors.usage.prompt_tokens, vectors.neurons) == (21, 1.5)
    assert vectors.cost == pytest.approx(1.5 * 0.011 / 1000)
    answer_with(service, lambda texts: [[1.0]] * len(texts) if "100" in texts else answer(texts))
    vectors = run_embed(caller, BASE, NUMBERS)
    assert (vectors.usage, vectors.neurons, vectors.cost) == (None, None, None)


@SYNC_AND_ASYNC
def test_a_bar_tells_how_many_texts_are_done(
    caller: Caller, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(service, cf_ai_neurons="1000")
    run_embed(caller, BASE, NUMBERS, progress=True)
    shown = capsys.readouterr().err
    assert all(part in shown for part in ("Embedding", "250/250", "$0.033")), shown
    run_embed(caller, BASE, NUMBERS)
    assert capsys.readouterr().err == ""


@SYNC_AND_ASYNC
def test_no_frame_of_an_error_shows_the_secrets_of_its_options(caller: Caller, service: Service) -> None:
    secret = "gateway-token-that-must-not-show"
    for status, checks in ((401, "enforce"), (400, "enforce"), (200, "never")):
        answer_with(service, lambda texts, status=status: fail(status, 5006) if "100" in texts else None)
        options: dict[str, Any] = {"gateway": {"id": "g", "token": secret}, "extra_headers": {"x-key": secret}}
        with row(status), pytest.raises((EmbeddingsError, ConfigurationError)) as caught:
            run_embed(caller, BASE, NUMBERS, checks=checks, **options)
        assert secret not in show_error(caught.value)


# Without a service: calls in flight, cancellation, memory


class StandIn:
    """Run no model, but give a vector for each text, and count the calls."""

    def __init__(self, dimensions: int = 2) -> None:
        self.dimensions = dimensions
        self.active = self.most = self.calls = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self.active += 1
            self.calls += 1
            self.most = max(self.most, self.active)

    def end(self, inputs: dict[str, Any]) -> Embeddings:
        with self._lock:
            self.active -= 1
        size = self.dimensions
        return Embeddings.model_validate(
            {"data": [[float(text)] + [n * 0.5 for n in range(1, size)] for text in inputs["text"]]}
        )

    def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
        self.begin()
        return self.end(inputs)

    async def arun(self, model: str, inputs: Any, **options: Any) -> Embeddings:
        self.begin()
        await anyio.lowlevel.checkpoint()
        return self.end(inputs)


def embed_with(runner: Any, texts: Any, **options: Any) -> Vectors:
    return embed(runner, LimitPolicy(), BASE, texts, options=Secret({}), **options)


async def aembed_with(runner: Any, texts: Any, **options: Any) -> Vectors:
    return await aembed(runner, LimitPolicy(), BASE, texts, options=Secret({}), **options)


def embed_on(backend: str | None, runner: Any, texts: Any, **options: Any) -> Vectors:
    """Embed with `embed`, or with `aembed` on an event loop of this kind."""
    if backend is None:
        return embed_with(runner, texts, **options)
    return anyio.run(partial(aembed_with, runner, texts, **options), backend=backend)


def count_read(runner: StandIn, read: list[int], ahead: list[int]) -> Iterator[str]:
    """Give texts, and note how far they are ahead of the calls that were made."""
    for number in range(3100):
        read.append(number)
        ahead.append(len(read) - 100 * runner.calls)
        yield str(number)


def test_threads_make_as_many_calls_as_are_allowed_and_read_little_ahead() -> None:
    class Together(StandIn):
        barrier = threading.Barrier(3, timeout=LONG)

        def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            self.begin()
            if self.calls > 1:
                self.barrier.wait()  # until three are here
            return self.end(inputs)

    runner, read, ahead = Together(), list[int](), list[int]()
    before = threading.active_count()
    vectors = embed_with(runner, count_read(runner, read, ahead), concurrency=3)
    assert [vector[0] for vector in vectors] == [*range(3100)]
    assert (runner.most, runner.calls) == (3, 31)
    assert max(ahead) <= 3 * 100 + 101
    for thread in threading.enumerate():
        if thread.name == "cfai-embed":
            thread.join(LONG)
    assert threading.active_count() == before


@BACKENDS
def test_tasks_make_as_many_calls_as_are_allowed_and_read_little_ahead(backend: str) -> None:
    class Together(StandIn):
        waiting: list[anyio.Event]

        async def arun(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            self.begin()
            if self.calls > 1:
                self.waiting.append(event := anyio.Event())
                if len(self.waiting) == 3:
                    for each in self.waiting:
                        each.set()
                    self.waiting = []
                await event.wait()
            return self.end(inputs)

    async def main() -> None:
        runner, read, ahead = Together(), list[int](), list[int]()
        runner.waiting = []
        with anyio.fail_after(LONG):
            vectors = await aembed_with(runner, count_read(runner, read, ahead), concurrency=3)
        assert [vector[0] for vector in vectors] == [*range(3100)]
        assert (runner.most, runner.calls) == (3, 31)
        assert max(ahead) <= 3 * 100 + 101

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_calls_keep_to_the_rate_of_the_model_or_to_the_one_given(
    monkeypatch: pytest.MonkeyPatch, backend: str | None
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)

    def wait(self: Turns, seconds: float) -> None:
        clock.now += seconds

    async def await_(self: Turns, seconds: float) -> None:
        wait(self, seconds)

    monkeypatch.setattr("cfai._pacing.turns.time", clock)
    monkeypatch.setattr(Turns, "_sleep", wait)
    monkeypatch.setattr(Turns, "_asleep", await_)
    rows: list[tuple[dict[str, Any], float]] = [
        ({}, 59 * 61 / 3000),  # 360 calls, of which 300 may go at once, and the first after these
        ({"requests_per_minute": 10}, 359 * 6.1),
        ({"requests_per_minute": float("inf")}, 0.0),
    ]
    for options, seconds in rows:
        clock.now = 0.0
        with row(options):
            vectors = embed_on(backend, StandIn(), map(str, range(36_000)), **options)
            assert (vectors.calls, clock.now) == (360, pytest.approx(seconds, abs=0.1))


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_all_jobs_of_a_client_keep_to_the_rate_together(monkeypatch: pytest.MonkeyPatch, backend: str | None) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)

    def wait(self: Turns, seconds: float) -> None:
        clock.now += max(0.0, seconds)

    async def await_(self: Turns, seconds: float) -> None:
        wait(self, seconds)

    monkeypatch.setattr("cfai._pacing.turns.time", clock)
    monkeypatch.setattr(Turns, "_sleep", wait)
    monkeypatch.setattr(Turns, "_asleep", await_)
    runner = StandIn()
    for _ in range(4):
        embed_on(backend, runner, map(str, range(1500)), requests_per_minute=100, concurrency=1)
    assert clock.now == pytest.approx(50 * 0.61)


class Busy(StandIn):
    """Have one call wait for another attempt, while another meets what all would meet."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
        if inputs["text"][0] == "100":
            self.waits.set()
            raise CapacityError("busy", retryable=True, retry_after=60.0)
        if inputs["text"][0] == "200":
            assert self.waits.wait(LONG)
            raise AuthenticationError("no")
        return super().run(model, inputs)

    async def arun(self, model: str, inputs: Any, **options: Any) -> Embeddings:
        return await anyio.to_thread.run_sync(self.run, model, inputs)


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_a_call_that_waits_for_another_attempt_waits_no_longer_than_the_work(backend: str | None) -> None:
    started, runner = time.monotonic(), Busy()
    with pytest.raises(EmbeddingsError) as caught:
        embed_on(backend, runner, NUMBERS)
    assert isinstance(caught.value.__cause__, AuthenticationError)
    assert caught.value.missing == [*range(100, 250)]
    assert time.monotonic() - started < LONG
    assert runner.calls == 1


@BACKENDS
def test_cancelling_stops_all_calls_and_reads_no_more(backend: str) -> None:
    cancelled: list[str] = []

    class Hanging(StandIn):
        async def arun(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            self.begin()
            if self.calls == 1:
                return self.end(inputs)
            if self.calls == 4:
                scope.cancel()
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.append(inputs["text"][0])
                raise
            raise AssertionError

    async def main() -> None:
        nonlocal scope
        runner, read = Hanging(), list[int]()
        with anyio.fail_after(LONG), anyio.CancelScope() as scope:
            await aembed_with(runner, count_read(runner, read, []), concurrency=3)
        assert scope.cancelled_caught
        assert sorted(cancelled) == ["100", "200", "300"]
        assert len(read) <= 601

    scope: Any = None
    anyio.run(main, backend=backend)


def test_ctrl_c_ends_the_wait_at_once_while_calls_still_hang() -> None:
    released = threading.Event()

    class Hanging(StandIn):
        def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            self.begin()
            if self.calls == 3:
                os.kill(os.getpid(), signal.SIGINT)
            if self.calls > 1:
                assert released.wait(LONG)
            return self.end(inputs)

    runner = Hanging()
    try:
        with pytest.raises(KeyboardInterrupt):
            embed_with(runner, NUMBERS * 10, concurrency=2)
        assert runner.active == 2
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "cfai-embed")
    finally:
        released.set()
    for thread in threading.enumerate():
        if thread.name == "cfai-embed":
            thread.join(LONG)
    assert runner.calls == 3


def test_a_thread_that_is_made_to_end_ends_the_work() -> None:
    class Leaving(StandIn):
        def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            if self.calls:
                raise SystemExit(3)
            return super().run(model, inputs)

    with pytest.raises(EmbeddingsError) as caught:
        embed_with(Leaving(), NUMBERS)
    assert isinstance(caught.value.__cause__, SystemExit)


def test_calls_in_threads_see_the_context_of_the_caller() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[str] = []

    class Looking(StandIn):
        def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            seen.append(variable.get())
            return super().run(model, inputs)

    variable.set("mine")
    embed_with(Looking(), NUMBERS)
    assert seen == ["mine"] * 3


def test_many_texts_take_little_more_memory_than_their_numbers() -> None:
    count, dimensions = 5000, 256
    embed_with(StandIn(dimensions), ["1"])  # imports and caches
    tracemalloc.start()
    try:
        vectors = embed_with(StandIn(dimensions), map(str, range(count)), concurrency=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert vectors.shape == (count, dimensions)
    assert peak < 2 * 4 * count * dimensions, "lists would take eight times as much"


def test_vectors_are_a_sequence_and_an_array_without_a_copy() -> None:
    vectors = Vectors(BASE, 2, vectors_of([1, 2, 3, 4, 5, 6]), cost=0.5)
    assert (len(vectors), vectors.shape, vectors[0], vectors[-1]) == (3, (3, 2), [1, 2], [5, 6])
    assert vectors[1:] == [[3, 4], [5, 6]]
    assert [*vectors] == vectors.data == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(IndexError):
        _ = vectors[3]
    matrix = vectors.to_numpy()
    assert (matrix.shape, matrix.dtype) == ((3, 2), np.float32)
    matrix[0, 0] = 7
    assert vectors[0] == [7, 2]
    assert pickle.loads(pickle.dumps(vectors)).data == vectors.data
    assert repr(vectors) == f"Vectors(shape=(3, 2), model={BASE!r}, cost=0.5)"


def test_a_model_that_nobody_knows_gets_a_hundred_texts_a_call() -> None:
    class Counting(StandIn):
        sizes: list[int]

        def run(self, model: str, inputs: Any, **options: Any) -> Embeddings:
            self.sizes.append(len(inputs["text"]))
            return super().run(model, inputs)

    for model in ("@cf/new/model", PLAMO):
        runner = Counting()
        runner.sizes = []
        embed(runner, LimitPolicy(), model, NUMBERS, options=Secret({}))
        assert sorted(runner.sizes) == [50, 100, 100]
