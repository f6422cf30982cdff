"""A copy of an `Ai`, whoever makes it, is the same client: its connections, its options and a subclass's attributes."""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import pickle
import ssl
import weakref
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from pydantic import BaseModel, ConfigDict

from cfai import Ai, ConfigurationError
from tests.bodies import OK
from tests.conftest import ACCOUNT, TOKEN, Caller, Callers, Peer, Serve, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO: Any = {"prompt": "Hello"}


@dataclasses.dataclass
class Holder:
    ai: Ai


class HoldingModel(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    ai: Ai


class Team(Ai):
    """A subclass with arguments, attributes, a property and a slot of its own."""

    __slots__ = ("budget",)

    def __init__(self, team: str, *, budget: int = 0, **options: Any) -> None:
        super().__init__(account_id=ACCOUNT, api_token=TOKEN, **options)
        self._team = team
        self.calls: list[str] = []
        self.budget = budget

    @property
    def team(self) -> str:
        return self._team

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        self.calls.append(model)
        return super().run(model, inputs, **options)


class LetterCounter:
    def count_text(self, text: str) -> int:
        return len(text)


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "with_options": lambda ai: ai.with_options(timeout=5),
    "asdict": lambda ai: dataclasses.asdict(Holder(ai))["ai"],
    "replace": lambda ai: dataclasses.replace(Holder(ai)).ai,
    "deepcopy of a holder": lambda ai: copy.deepcopy({"a": [Holder(ai)]})["a"][0].ai,
    "model_copy": lambda ai: HoldingModel(ai=ai).model_copy(deep=True).ai,
    "deepcopy of a method": lambda ai: copy.deepcopy(ai.check).__self__,
    "deepcopy of a partial": lambda ai: copy.deepcopy(functools.partial(ai.check, MODEL)).func.__self__,
    "copy of a copy": lambda ai: copy.copy(copy.deepcopy(ai).with_options(timeout=5)),
}


def answer_each(peer: Peer) -> None:
    while peer.request():
        peer.answer(OK)


def test_a_copy_calls_on_the_same_connection_and_its_close_closes_nothing(
    callers: Callers, serve: Serve, portal: BlockingPortal | None
) -> None:
    for name, make in COPIES.items():
        server = serve(answer_each)
        caller = callers(base_url=server.url)
        caller.run(MODEL, HELLO)
        other = Caller(make(caller.ai), portal)
        with row(name):
            assert other.run(MODEL, HELLO).text == "Hello"
            if other.ai is not caller.ai:
                other.close()
            assert caller.run(MODEL, HELLO).text == "Hello"
            assert server.connections == 1
        caller.close()
        with row(name), pytest.raises(ConfigurationError, match="closed"):
            other.run(MODEL, HELLO)


def test_a_copy_keeps_the_client_that_was_passed_in() -> None:
    sent: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["x-own"])
        return httpx.Response(200, json={"result": {"response": "Hello"}})

    with httpx.Client(headers={"x-own": "1"}, transport=httpx.MockTransport(handle)) as own:
        ai = Ai(account_id=ACCOUNT, api_token=TOKEN, http_client=own)
        for name, make in COPIES.items():
            with row(name):
                assert make(ai).run(MODEL, HELLO).text == "Hello"
    assert sent == ["1"] * len(COPIES)


def test_a_copy_works_whatever_the_options_are() -> None:
    options: dict[str, Any] = {"verify": ssl.create_default_context(), "token_counter": LetterCounter()}
    options |= {"limit_overrides": {MODEL: 10}, "proxy": "http://localhost:9", "default_headers": {"x-a": "b"}}
    ai = Ai(account_id=ACCOUNT, api_token=TOKEN, base_url="https://ai.example/v4", **options)
    verdict = ai.check(MODEL, {"prompt": "Hello" * 3}).verdict
    for name, make in COPIES.items():
        with row(name):
            other = make(ai)
            assert (other.account_id, other.base_url) == (ACCOUNT, "https://ai.example/v4")
            assert other.check(MODEL, {"prompt": "Hello" * 3}).verdict == verdict
            assert TOKEN not in repr(other)


def test_a_subclass_keeps_its_class_and_attributes_in_every_copy() -> None:
    ai = Team("search", budget=3)
    ai.calls.append(MODEL)
    for name, make in {**COPIES, "pickle": lambda ai: pickle.loads(pickle.dumps(ai))}.items():
        other: Team = make(ai)
        with row(name):
            assert type(other) is Team
            assert (other.team, other.calls, other.budget) == ("search", [MODEL], 3)
            assert other.account_id == ACCOUNT


def test_attributes_are_copied_as_deeply_as_they_are_asked_to_be() -> None:
    ai = Team("search")
    ai.itself = ai  # type: ignore[attr-defined]
    shallow, deep = copy.copy(ai), copy.deepcopy(ai)
    assert shallow.calls is ai.calls
    assert deep.calls is not ai.calls
    assert deep.itself is deep  # type: ignore[attr-defined]


def test_a_subclass_that_allows_no_change_can_be_copied() -> None:
    class Frozen(Ai):
        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_"):
                raise AttributeError(name)
            super().__setattr__(name, value)

    ai = Frozen(account_id=ACCOUNT, api_token=TOKEN)
    object.__setattr__(ai, "team", "search")
    for make in (copy.copy, copy.deepcopy):
        assert make(ai).team == "search"  # type: ignore[attr-defined]


def test_an_ai_is_a_key_and_can_be_referred_to_weakly() -> None:
    ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
    ask = functools.lru_cache(lambda each: object())
    assert ask(ai) is ask(ai) is not ask(copy.copy(ai))
    assert (ai == copy.copy(ai), len({ai, ai})) == (False, 1)
    forgotten = weakref.ref(copy.copy(ai))
    gc.collect()
    assert forgotten() is None
