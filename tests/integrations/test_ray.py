"""The stages for Ray Data, with stand-ins for Ray and pyarrow. On a cluster they run in `.ci/ray_cluster.py`."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import respx

from cfai import Ai, AuthenticationError, ConfigurationError, NotFoundError, QuotaExceededError, RateLimitError
from cfai.local import Emulator, Fault
from tests.conftest import ACCOUNT, TOKEN, row

SMALL = "@cf/baai/bge-small-en-v1.5"
GLM = "@cf/zai-org/glm-4.7-flash"
URL = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/run/{SMALL}"


def make_ai() -> Ai:
    return Ai(account_id=ACCOUNT, api_token=TOKEN)


class Table:
    """As much of a table of pyarrow as a worker needs."""

    def __init__(self, **columns: list[Any]) -> None:
        self.columns = columns

    @property
    def column_names(self) -> list[str]:
        return [*self.columns]

    def __getitem__(self, name: str) -> Any:
        return SimpleNamespace(to_pylist=lambda: self.columns[name])

    def to_pylist(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, values, strict=True)) for values in zip(*self.columns.values(), strict=True)]

    def append_column(self, name: str, values: list[Any]) -> Table:
        return Table(**self.columns, **{name: values})


class Dataset:
    """As much of a dataset of Ray Data as a stage needs: it works at once, in one block."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows_per_block = 0
        self.options: dict[str, Any] = {}

    def repartition(self, target_num_rows_per_block: int) -> Dataset:
        self.rows_per_block = target_num_rows_per_block
        return self

    def map_batches(self, stage: Any, *, fn_constructor_kwargs: dict[str, Any], **options: Any) -> Dataset:
        assert TOKEN not in repr(fn_constructor_kwargs)
        self.options = options
        self.table = stage(**fn_constructor_kwargs)(self.table)
        return self

    def __getattr__(self, name: str) -> list[Any]:
        return self.table.columns[name]


class Ray(ModuleType):
    """As much of Ray as a stage needs: its actors are objects, and what they return is there."""

    exceptions = SimpleNamespace(RayError=type("RayError", (Exception,), {}))
    data = SimpleNamespace(ActorPoolStrategy=SimpleNamespace)

    def __init__(self) -> None:
        super().__init__("ray")
        self.actors: dict[str, Any] = {}
        self.reserved: list[tuple[float, ...]] = []

    def get(self, value: Any) -> float:
        self.reserved.append(value)
        return 0.0

    def remote(self, kind: Any) -> Any:
        def options(name: str, **_: Any) -> Any:
            reserve = SimpleNamespace(remote=lambda *arguments: arguments)
            return SimpleNamespace(remote=lambda: self.actors.setdefault(name, SimpleNamespace(reserve=reserve)))

        return SimpleNamespace(options=options)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    ray, arrow = Ray(), ModuleType("pyarrow")
    for name in ("float32", "float64", "string", "list_"):
        setattr(arrow, name, lambda *kind: None)
    arrow.array = lambda values, kind: [*values]
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    monkeypatch.delitem(sys.modules, "cfai.integrations.ray", raising=False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return ray


@pytest.fixture
def stages(ray: Ray) -> Any:
    """The module, with the stand-ins in it."""
    return import_module("cfai.integrations.ray")


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "cfai.integrations.ray", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r'cfai\.integrations\.ray needs pyarrow.*"cfai-sdk\[ray\]"'):
        import_module("cfai.integrations.ray")


def test_requests_go_evenly_and_not_while_they_are_held(stages: Any) -> None:
    now = 100.0
    rate = stages.Rate(lambda: now)
    assert [rate.reserve(60) for _ in range(3)] == [0.0, pytest.approx(61 / 60), pytest.approx(2 * 61 / 60)]
    now = 200.0
    assert rate.reserve(60) == 0.0, "what was not used is not made up for"
    assert rate.reserve(60, hold=15.0) == 15.0
    assert rate.reserve(30) == pytest.approx(15 + 61 / 60)
    assert rate.reserve(30) == pytest.approx(15 + 61 / 60 + 61 / 30)


def test_texts_are_embedded_by_the_hundred_and_each_row_has_its_own_vector(stages: Any, local: Emulator) -> None:
    texts = [None if number == 7 else "" if number == 8 else f"text {number}" for number in range(252)]
    done = stages.embed(Dataset(Table(text=texts)), SMALL, "text", inputs={"pooling": "cls"}, make_ai=local.ai)
    sent = [cast("dict[str, Any]", request.inputs) for request in local.requests]
    assert sorted(len(inputs["text"]) for inputs in sent) == [50, 100, 100]
    assert {inputs["pooling"] for inputs in sent} == {"cls"}
    with local.ai() as ai:
        (vector,) = ai.run(SMALL, {"text": ["text 251"], "pooling": "cls"}).data
    assert done.embedding[251] == vector
    assert [number for number, error in enumerate(done.error) if error] == [7, 8]
    assert done.error[7] == "InputError: there is no text"
    assert done.embedding[7] is done.cost[7] is None
    assert done.cost[0] > 0
    assert done.rows_per_block == 4 * 16 * 100
    assert vars(done.options["compute"]) == {"size": 2}


def test_one_text_that_is_refused_costs_the_others_nothing(stages: Any, local: Emulator) -> None:
    texts = [f"text {number}" for number in range(100)]
    texts[41] = "long " * 9000
    done = stages.embed(Dataset(Table(text=texts)), "@cf/baai/bge-m3", "text", make_ai=lambda: local.ai(checks="off"))
    assert [number for number, error in enumerate(done.error) if error] == [41]
    assert "Sequence too long" in done.error[41]
    assert [number for number, vector in enumerate(done.embedding) if vector is None] == [41]


def test_one_text_that_the_firewall_blocks_costs_the_others_nothing(stages: Any, respx_mock: respx.MockRouter) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        texts = json.loads(request.content)["text"]
        if "bad" in texts:
            return httpx.Response(403, json={"errors": [{"code": 1020, "message": "Access denied"}], "success": False})
        return httpx.Response(200, json={"result": {"data": [[1.0]] * len(texts)}, "success": True})

    respx_mock.post(URL).mock(side_effect=answer)
    done = stages.embed(Dataset(Table(text=["a", "b", "bad", "c"])), SMALL, "text", make_ai=make_ai)
    assert [error is None for error in done.error] == [True, True, False, True]
    assert "1020" in done.error[2]


def test_an_answer_that_lacks_vectors_is_an_error_of_its_rows(stages: Any, respx_mock: respx.MockRouter) -> None:
    bodies = [
        json.dumps({"result": result, "success": True})
        for result in (
            {"data": [[1.0]]},
            {"data": []},
            {"name": "x"},
            {"data": [[1.0], [1.0, 2.0]]},
            {"data": [[1.0], ["x"]]},
            {"data": [[1.0], [None]]},
        )
    ]
    headers = {"content-type": "application/json", "cf-ai-neurons": "3"}
    for body in (*bodies, '{"result":{"da'):
        with row(body):
            respx_mock.post(URL).mock(return_value=httpx.Response(200, text=body, headers=headers))
            done = stages.embed(Dataset(Table(text=["a", "b"])), SMALL, "text", make_ai=make_ai)
            assert done.embedding == [None, None]
            assert all(done.error)
            assert sum(done.cost) == pytest.approx(3 * 0.011 / 1000), "it was billed"
    assert json.loads(respx_mock.calls[0].request.content) == {"text": ["a", "b"]}


def test_each_row_is_answered_with_the_options_of_run(stages: Any, local: Emulator) -> None:
    table = Table(id=[1, 2], question=["Where is Oslo?", "Where is Rome?"])

    def make_inputs(row: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": row["question"], "max_tokens": 100 * row["id"]}

    def read(answer: Any) -> str:
        return f"{answer.meta.model}: {answer.text}"

    done = stages.run(Dataset(table), GLM, make_inputs, read=read, gateway="g", workers=3, make_ai=local.ai)
    assert done.error == [None, None]
    for answer, city in zip(done.answer, ["Oslo", "Rome"], strict=True):
        assert answer.startswith(f"{GLM}: ")
        assert city in answer
    sent = [cast("dict[str, Any]", request.inputs) for request in local.requests]
    assert sorted(inputs["max_tokens"] for inputs in sent) == [100, 200]
    assert done.id == [1, 2]
    assert {request.gateway for request in local.requests} == {"g"}
    assert vars(done.options["compute"]) == {"size": 3}


def test_what_goes_wrong_for_one_row_stands_in_its_error(stages: Any, local: Emulator) -> None:
    local.script([500, "ok"])
    table = Table(text=["fails once", None, "is good", "cannot be read"])

    def read(answer: Any) -> str:
        if "cannot be read" in answer.text:
            raise ValueError("no JSON")
        return answer.text

    def make_inputs(row: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": row["text"][:100]}

    done = stages.run(Dataset(table), GLM, make_inputs, read=read, make_ai=local.ai, concurrency=1)
    errors = [error and error.partition(":")[0] for error in done.error]
    assert errors == [None, "TypeError", None, "ValueError"]
    assert [answer is None for answer in done.answer] == [False, True, False, True]
    assert [cost is None for cost in done.cost] == [False, True, False, False], "what was answered was paid for"
    assert len(local.requests) == 4


def test_a_request_too_many_holds_all_and_never_fails_its_row(stages: Any, ray: Ray, local: Emulator) -> None:
    local.script(["rate-limited"] * 12, "rate-limited,retry-after=2", [503, "ok"])
    done = stages.run(Dataset(Table(text=["x"])), GLM, lambda row: {"prompt": row["text"]}, make_ai=local.ai)
    assert done.error == [None]
    assert [hold for _, hold in ray.reserved] == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 8, 0.0]
    assert {pace for pace, _ in ray.reserved} == {300}


def test_a_rate_that_is_refused_for_long_ends_the_job(stages: Any, ray: Ray, local: Emulator) -> None:
    hours, again = Fault(status=429, code=3021, retry_after=86_400), Fault(status=429, code=3021, retry_after=600)
    local.script([hours, *[again] * 20])
    for count in (1, 20):
        ray.reserved.clear()
        with row(count), pytest.raises(RateLimitError, match="3021"):
            stages.run(Dataset(Table(text=["x"])), GLM, lambda row: {"prompt": row["text"]}, make_ai=local.ai)
        assert len(ray.reserved) == count


def test_a_row_is_given_up_after_eight_retries(stages: Any, local: Emulator) -> None:
    local.script([503] * 9)
    done = stages.run(Dataset(Table(text=["x", "y"])), GLM, lambda row: {"prompt": row["text"]},
                      make_ai=local.ai, concurrency=1)  # fmt: skip
    assert [error is None for error in done.error] == [False, True]
    assert "InternalServerError" in done.error[0]


def test_what_every_row_would_meet_ends_the_job(stages: Any, local: Emulator) -> None:
    for fault, kind in ((401, AuthenticationError), (Fault(code=4006), QuotaExceededError)):
        local.script([fault])
        with row(fault), pytest.raises(kind):
            stages.run(Dataset(Table(text=["x"])), GLM, lambda row: {"prompt": row["text"]}, make_ai=local.ai)


def test_an_error_of_the_cluster_is_none_of_a_row(stages: Any, ray: Ray, local: Emulator) -> None:
    def get(value: Any) -> float:
        raise ray.exceptions.RayError("the actor is gone")

    ray.get = get
    with pytest.raises(ray.exceptions.RayError):
        stages.embed(Dataset(Table(text=["x"])), SMALL, "text", make_ai=local.ai)


def test_models_that_the_service_counts_together_share_a_rate(stages: Any, ray: Ray, local: Emulator) -> None:
    table = Table(text=["x"])
    for model in (SMALL, "@cf/baai/bge-m3", "@cf/baai/bge-large-en-v1.5"):
        stages.embed(Dataset(table), model, "text", make_ai=local.ai)
    with pytest.raises(NotFoundError):
        stages.run(Dataset(table), "@cf/not/known", lambda row: row, make_ai=local.ai, requests_per_minute=600)
    assert [*ray.actors] == ["Text Embeddings", "@cf/baai/bge-large-en-v1.5", "@cf/not/known"]


def test_what_cannot_work_is_refused_before_anything_is_read(stages: Any, local: Emulator) -> None:
    dataset = Dataset(Table(text=["x"], error=[None]))

    def run(model: str = GLM, **options: Any) -> Any:
        return stages.run(dataset, model, dict, **options)

    with local.ai() as ai:
        for message, call in {
            "requests_per_minute.*@cf/not/known, got 0": lambda: run("@cf/not/known"),
            "requests_per_minute.*got -1": lambda: run(requests_per_minute=-1),
            "make_ai.*function": lambda: run(make_ai=ai),
            "embeds texts, got @cf/zai-org/glm-4.7-flash": lambda: stages.embed(dataset, GLM, "text"),
            "has a column `error` already": lambda: stages.embed(dataset, SMALL, "text", make_ai=local.ai),
        }.items():
            with row(message), pytest.raises(ConfigurationError, match=message):
                call()
    for option in ("num_cpu", "max_retries"):
        with row(option), pytest.raises(TypeError, match=option):
            run(**{option: 1})
    for option in ("fallback", "output_type", "return_raw_response", "queue_request", "max_retries"):
        with row(option), pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
            stages.embed(dataset, SMALL, "text", make_ai=local.ai, **{option: 1})
    for option in ("return_raw_response", "queue_request"):
        with row(option), pytest.raises(TypeError, match=option):
            run(**{option: True})
    assert local.requests == []


def test_a_worker_without_credentials_says_what_is_missing(stages: Any) -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_ACCOUNT_ID"):
        stages.embed(Dataset(Table(text=["x"])), SMALL, "text")
