"""The fixtures and the mark, as the tests of any project use them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import unittest
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx
import trio

from cfai import Ai, InternalServerError
from cfai.local import Fault
from cfai.testing import WorkersAI

MODEL = "@cf/zai-org/glm-4.7-flash"
HELLO = {"prompt": "Hello"}


def test_code_with_other_names_for_it_finds_the_server(monkeypatch: pytest.MonkeyPatch, workers_ai: WorkersAI) -> None:
    monkeypatch.setenv("CF_API_TOKEN", "real")
    monkeypatch.setenv("CF_ACCOUNT_ID", "0" * 32)
    monkeypatch.setenv("CF_API_BASE_URL", "https://api.example.com/client/v4")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Ai() as ai:
        ai.run(MODEL, HELLO)
    workers_ai.assert_sent(MODEL, HELLO, times=1)


@pytest.mark.workers_ai(faults=["out-of-capacity", 503])
def test_the_client_tries_again_without_waiting(ai: Ai, workers_ai: WorkersAI, sleeps: list[float]) -> None:
    ai.run(MODEL, HELLO)
    workers_ai.assert_sent(times=3)
    assert sum(sleeps) == 0


@pytest.mark.workers_ai(faults=[503, Fault(truncate_after=1), 503])
@pytest.mark.parametrize("again", [1, 2])
def test_nothing_of_a_test_reaches_the_next(ai: Ai, workers_ai: WorkersAI, again: int) -> None:
    workers_ai.assert_not_sent()
    assert len(workers_ai.faults) == 3
    workers_ai.script(Fault(hang_up=True))
    with pytest.raises(InternalServerError):
        ai.run(MODEL, {"prompt": f"{again}"}, max_retries=None)
    workers_ai.assert_sent(inputs={"prompt": f"{again}"}, times=1)


class TestOfItsOwn:
    """A fixture of the same name comes first, and may build on what it stands for."""

    @pytest.fixture
    def ai(self, workers_ai: WorkersAI) -> Iterator[Ai]:
        with workers_ai.ai(max_retries=None) as ai:
            yield ai

    @pytest.mark.workers_ai(faults=[503])
    def test_a_fixture_is_built_on_ours(self, ai: Ai, workers_ai: WorkersAI) -> None:
        with pytest.raises(InternalServerError):
            ai.run(MODEL, HELLO)
        workers_ai.assert_sent(times=1)

    @pytest.mark.parametrize("ai", ["an argument"])
    def test_an_argument_is_no_fixture(self, ai: str) -> None:
        assert ai == "an argument"


# Beside others


def test_a_mocked_client_needs_no_server(respx_mock: respx.MockRouter) -> None:
    answer = {"result": {"response": "mocked"}, "success": True}
    route = respx_mock.post(host="api.cloudflare.com").respond(json=answer)
    with Ai(account_id="0" * 32, api_token="token") as ai:
        assert ai.run(MODEL, HELLO).text == "mocked"
    assert route.call_count == 1


def test_mocks_and_a_server_do_in_one_test(ai: Ai, workers_ai: WorkersAI, respx_mock: respx.MockRouter) -> None:
    respx_mock.get("https://example.com/").respond(text="mocked")
    respx_mock.route(host="127.0.0.1").pass_through()
    ai.run(MODEL, {"prompt": httpx.get("https://example.com/").text})
    workers_ai.assert_sent(inputs={"prompt": "mocked"}, times=1)


@pytest.fixture
def nothing_is_left_open() -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.usefixtures("nothing_is_left_open")
def test_a_test_may_run_loops_of_its_own(ai: Ai, workers_ai: WorkersAI) -> None:
    # Before what keeps a loop: while one is there, anyio takes every other for one of its kind.
    async def answered() -> str:
        return (await ai.arun(MODEL, HELLO)).text

    assert asyncio.run(answered()) == asyncio.run(answered()) == trio.run(answered)
    workers_ai.assert_sent(times=3)


@pytest.fixture(scope="module")
async def a_loop_for_all() -> AsyncIterator[None]:
    """While it is there, the event loop goes on from one test to the next."""
    yield  # noqa: PT022 -- what returns at once keeps none


async def run_in_every_way(ai: Ai, workers_ai: WorkersAI, prompt: str) -> None:
    """Run a call in every way, and check that it was sent."""
    text = (await ai.arun(MODEL, {"prompt": prompt})).text
    async with await ai.arun(MODEL, {"prompt": prompt, "stream": True}) as stream:
        assert "".join([token.text async for token in stream]) == text
    async with await ai.arun(MODEL, {"prompt": prompt, "stream": True}) as stream:
        assert text.startswith((await anext(stream)).text)
    assert ai.run(MODEL, {"prompt": prompt}).text == text
    workers_ai.assert_sent(MODEL, {"prompt": prompt}, times=4)


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_is_left_open")
class TestAsynchronous:
    async def test_the_client_serves_both_loops(self, ai: Ai, workers_ai: WorkersAI, anyio_backend_name: str) -> None:
        await run_in_every_way(ai, workers_ai, anyio_backend_name)

    async def test_a_client_of_its_own_serves_both_loops(self, workers_ai: WorkersAI, anyio_backend_name: str) -> None:
        async with Ai() as ai:
            await run_in_every_way(ai, workers_ai, anyio_backend_name)

    @pytest.mark.usefixtures("a_loop_for_all")
    @pytest.mark.parametrize("again", [1, 2])
    async def test_a_loop_outlives_it(self, ai: Ai, workers_ai: WorkersAI, anyio_backend_name: str, again: int) -> None:
        await run_in_every_way(ai, workers_ai, f"{anyio_backend_name} {again}")


# The mark


@pytest.mark.workers_ai(faults=[503, "out-of-capacity", "status=429, code=3036", Fault(empty=True), "ok"])
def test_faults_are_told_in_any_form(workers_ai: WorkersAI) -> None:
    made = [Fault(status=503), Fault(code=3040), Fault(status=429, code=3036), Fault(empty=True), Fault()]
    assert workers_ai.faults == made


@pytest.mark.workers_ai(api_token="abc", account_id="f" * 32, keep_requests=1)
def test_the_mark_takes_the_options_of_the_emulator(workers_ai: WorkersAI) -> None:
    with Ai() as ai:
        ai.run(MODEL, HELLO)
        ai.run(MODEL, HELLO)
    assert (os.environ["CLOUDFLARE_API_TOKEN"], os.environ["CLOUDFLARE_ACCOUNT_ID"]) == ("abc", "f" * 32)
    workers_ai.assert_sent(times=1)


@pytest.mark.workers_ai(faults=[500], api_token="of-the-class", account_id="e" * 32)
class TestMarks:
    """The nearest mark wins, and the others add to it."""

    @pytest.mark.workers_ai(faults=[502], api_token="of-the-test")
    def test_a_test_has_its_own(self, workers_ai: WorkersAI) -> None:
        assert workers_ai.faults == [Fault(status=502)]
        assert (workers_ai.api_token, workers_ai.account_id) == ("of-the-test", "e" * 32)

    def test_a_test_has_those_of_its_class(self, workers_ai: WorkersAI) -> None:
        assert workers_ai.faults == [Fault(status=500)]
        assert workers_ai.api_token == "of-the-class"


class TestWithoutNaming:
    """A marked test has the server, before what it names and after what it has anyway."""

    @pytest.fixture(autouse=True)
    def _nothing_of_the_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)

    @pytest.fixture
    def code(self) -> Iterator[Ai]:
        with Ai(max_retries=None) as ai:
            yield ai

    @pytest.mark.workers_ai(faults=[503, "ok"])
    def test_the_server_is_there_before_an_argument(self, code: Ai) -> None:
        with pytest.raises(InternalServerError):
            code.run(MODEL, HELLO)
        assert code.run(MODEL, HELLO).text.startswith("This is an emulated")

    @pytest.mark.workers_ai(faults=[503])
    @pytest.mark.usefixtures("code")
    def test_the_server_is_there_before_a_fixture_in_use(self) -> None:
        with Ai(max_retries=None) as ai, pytest.raises(InternalServerError):
            ai.run(MODEL, HELLO)

    @pytest.mark.workers_ai
    def test_the_server_is_there_without_any_fixture(self) -> None:
        with Ai() as ai:
            assert ai.run(MODEL, HELLO).text.startswith("This is an emulated")

    @pytest.mark.parametrize("marked", [pytest.param(True, marks=pytest.mark.workers_ai()), False])
    def test_one_case_can_be_marked(self, marked: bool) -> None:
        assert ("CLOUDFLARE_API_TOKEN" in os.environ) == marked


class TestOfUnittest(unittest.TestCase):
    @pytest.mark.workers_ai(faults=[503])
    def test_the_server_is_there_for_a_marked_class(self) -> None:
        with Ai(max_retries=None) as ai, pytest.raises(InternalServerError):
            ai.run(MODEL, HELLO)


mark = pytest.mark.workers_ai
PARAMETERS = ", ".join(inspect.signature(WorkersAI).parameters)
REMOTE = "pass allow_remote=True, or --allow-remote, to be reachable from other machines"


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (mark(503, "ok"), "faults must be passed by name: faults=[503, 'ok']"),
        (mark(fautls=[503]), "there is no option fautls: did you mean faults?"),
        (mark(fault=[503]), "there is no option fault: did you mean faults?"),
        (mark(colour=1), f"there is no option colour: it has faults and {PARAMETERS}"),
        (mark(faults=503), "faults must be a list, got 503"),
        (mark(faults="ok"), "faults must be a list, got 'ok'"),
        (mark(faults=[99]), "cfai-emulate: status must be 200 to 599, got 99"),
        (
            mark(faults=["sometimes"]),
            "cfai-emulate: there is no scenario 'sometimes'. All are listed by: cfai dev --scenarios",
        ),
        (mark(faults=[True]), "a fault must be a Fault, a status, the name of a scenario or several of them, got True"),
        (mark(host="0.0.0.0"), f"'0.0.0.0' is not loopback: {REMOTE}"),
    ],
)
def test_a_mark_of_no_sense_says_so(request: pytest.FixtureRequest, mark: pytest.MarkDecorator, message: str) -> None:
    request.node.add_marker(mark)
    with pytest.raises(pytest.fail.Exception) as caught:
        request.getfixturevalue("workers_ai")
    assert caught.value.msg == f"@pytest.mark.workers_ai: {message}"
