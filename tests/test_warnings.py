"""Warnings stand at the caller's line, and come once for each."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from cfai import Ai, CutAnswerWarning, LimitError, LimitWarning, RetiredModelWarning, models
from tests.conftest import Caller, Callers, Service

ACCOUNT = "0123456789abcdef0123456789abcdef"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
RETIRED = "@cf/meta/llama-2-7b-chat-int8"
HELLO: Any = {"prompt": "Hello"}


@pytest.fixture
def told() -> Iterator[list[warnings.WarningMessage]]:
    """The warnings that Python shows if it is told nothing else."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        yield shown


@pytest.fixture
def ai() -> Iterator[Ai]:
    with Ai(account_id=ACCOUNT, api_token="token") as ai:
        yield ai


def cut(tokens: int = 256, **more: Any) -> dict[str, Any]:
    """Return an answer of so many tokens."""
    return {"response": "Hello", "usage": {"prompt_tokens": 3, "completion_tokens": tokens}, **more}


def stream_of(tokens: int = 256) -> bytes:
    return (
        b'data: {"response":"Hello"}\n\n'
        b'data: {"response":"","usage":{"prompt_tokens":3,"completion_tokens":%d}}\n\ndata: [DONE]\n\n' % tokens
    )


def here() -> int:
    """Return the line of the caller."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


# Where, and how often


def test_a_warning_stands_at_the_line_of_the_call(service: Service, told: list[Any], ai: Ai) -> None:
    line = here() + 1
    ai.run(RETIRED, HELLO)
    [warning] = told
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert warning.category is RetiredModelWarning


def test_a_warning_stands_at_the_line_of_a_call_in_a_coroutine(service: Service, told: list[Any]) -> None:
    async def main() -> int:
        async with Ai(account_id=ACCOUNT, api_token="token") as ai:
            line = here() + 1
            await ai.arun(RETIRED, HELLO)
        return line

    lines = [asyncio.run(main()), trio.run(main)]
    assert [(warning.filename, warning.lineno) for warning in told] == [(__file__, lines[0])]


def test_a_warning_stands_at_the_line_of_a_call_in_a_task(service: Service, told: list[Any]) -> None:
    async def main() -> None:
        async with Ai(account_id=ACCOUNT, api_token="token") as ai:
            await asyncio.gather(ai.arun(RETIRED, HELLO), ai.arun(RETIRED, HELLO))

    asyncio.run(main())
    assert {warning.filename for warning in told} == {__file__}


def test_a_warning_comes_once_for_a_line(service: Service, told: list[Any], ai: Ai) -> None:
    for _ in range(3):
        ai.run(RETIRED, HELLO)
    assert len(told) == 1


def test_a_warning_comes_again_at_another_line(service: Service, told: list[Any], ai: Ai) -> None:
    ai.run(RETIRED, HELLO)
    ai.run(RETIRED, HELLO)
    assert len(told) == 2


def test_another_client_tells_it_again(service: Service, told: list[Any], ai: Ai) -> None:
    warnings.simplefilter("always")
    for other in (ai, Ai(account_id=ai.account_id, api_token="token")):
        other.run(RETIRED, HELLO)
    assert len(told) == 2


def test_a_warning_comes_again_for_another_model(service: Service, told: list[Any], ai: Ai) -> None:
    for model in (RETIRED, "@cf/meta/llama-2-7b-chat-fp16"):
        ai.run(model, HELLO)
    assert len(told) == 2


def test_a_copy_tells_it_at_the_same_line(service: Service, told: list[Any], ai: Ai) -> None:
    for copy in (ai, ai.with_options(timeout=5)):
        copy.run(RETIRED, HELLO)
    assert len(told) == 1


def test_a_warning_can_be_switched_off_by_its_class(service: Service, told: list[Any], ai: Ai) -> None:
    warnings.simplefilter("ignore", RetiredModelWarning)
    ai.run(RETIRED, HELLO)
    assert told == []


def test_a_warning_that_is_an_error_keeps_the_call_from_being_sent(service: Service, told: list[Any], ai: Ai) -> None:
    warnings.simplefilter("error", RetiredModelWarning)
    with pytest.raises(RetiredModelWarning):
        ai.run(RETIRED, HELLO)
    assert not service.requests


def test_python_shows_it_if_it_is_told_nothing() -> None:
    assert issubclass(RetiredModelWarning, FutureWarning)
    assert issubclass(CutAnswerWarning, UserWarning)
    assert issubclass(LimitWarning, UserWarning)


# Retired models


def test_a_retired_model_names_the_day_and_one_that_lives(service: Service, told: list[Any], ai: Ai) -> None:
    ai.run(RETIRED, HELLO)
    said = str(told[0].message)
    entry = models.get(RETIRED)
    assert entry is not None
    assert str(entry.retired_on) in said
    instead = models.get(said.rpartition("use ")[2])
    assert instead is not None
    assert instead.retired_on is None


@pytest.mark.parametrize("model", sorted(name for name, entry in models.catalogue().items() if entry.retired_on))
def test_every_retired_model_is_told_of_and_called_all_the_same(
    service: Service, told: list[Any], ai: Ai, model: str
) -> None:
    ai.run(model, HELLO)
    assert [warning.category for warning in told] == [RetiredModelWarning]
    assert "None" not in str(told[0].message)
    assert len(service.requests) == 1


@pytest.mark.parametrize("model", [MODEL, "@cf/somebody/unheard-of", "openai/gpt-5-mini"])
def test_others_are_not(service: Service, told: list[Any], ai: Ai, model: str) -> None:
    ai.run(model, HELLO)
    assert told == []


# Answers cut by the default


@pytest.mark.parametrize("finish_reason", [None, "length"])
def test_an_answer_that_the_default_cut_says_what_to_pass(
    service: Service, told: list[Any], caller: Caller, finish_reason: str | None
) -> None:
    service.answers(service.result(cut(finish_reason=finish_reason)))
    caller.run(MODEL, HELLO)
    [warning] = told
    assert warning.category is CutAnswerWarning
    assert "256" in str(warning.message)
    assert "max_tokens" in str(warning.message)
    assert '"max"' in str(warning.message)


def test_a_cut_answer_is_told_at_the_line_of_the_call(service: Service, told: list[Any], ai: Ai) -> None:
    service.answers(service.result(cut()))
    line = here() + 1
    ai.run(MODEL, HELLO)
    assert (told[0].filename, told[0].lineno) == (__file__, line)


def test_a_stream_is_told_of_at_the_line_that_reads_it(service: Service, told: list[Any], ai: Ai) -> None:
    service.answers(service.events(stream_of()))
    stream = ai.run(MODEL, {"prompt": "x", "stream": True})
    assert told == []
    line = here() + 1
    assert stream.result().text == "Hello"
    [warning] = told
    assert (warning.category, warning.filename, warning.lineno) == (CutAnswerWarning, __file__, line)


def test_once_for_a_line_of_streams(service: Service, told: list[Any], caller: Caller) -> None:
    service.answers(service.events(stream_of()))
    for _ in range(3):
        caller.stream(MODEL).result()
    assert len(told) == 1


def test_a_cut_stream_that_goes_to_a_browser_warns(service: Service, told: list[Any], caller: Caller) -> None:
    service.answers(service.events(stream_of()))
    list(caller.stream(MODEL).to_event_stream())
    assert [warning.category for warning in told] == [CutAnswerWarning]


@pytest.mark.parametrize(
    ("inputs", "result"),
    [
        (HELLO, cut(255)),
        (HELLO, cut(finish_reason="stop")),
        (HELLO, {"response": "Hello"}),
        ({**HELLO, "max_tokens": 256}, cut()),
        ({**HELLO, "max_completion_tokens": 256}, cut()),
        ({**HELLO, "max_tokens": "max"}, cut()),
    ],
)
def test_an_answer_that_something_else_ended_says_nothing(
    service: Service, told: list[Any], ai: Ai, inputs: Any, result: Any
) -> None:
    service.answers(service.result(result))
    ai.run(MODEL, inputs)
    assert told == []


@pytest.mark.parametrize("model", ["@cf/zai-org/glm-4.7-flash", "@cf/somebody/unheard-of", "openai/gpt-5-mini"])
def test_a_model_without_a_known_default_warns_of_no_cut_answer(
    service: Service, told: list[Any], ai: Ai, model: str
) -> None:
    service.answers(service.result(cut()))
    ai.run(model, HELLO)
    assert told == []


def test_a_stream_that_was_left_says_nothing(service: Service, told: list[Any], caller: Caller) -> None:
    service.answers(service.events(stream_of()))
    with caller.stream(MODEL) as stream:
        next(stream)
    assert told == []


def test_a_warning_that_was_made_an_error_goes_through_a_stream(
    service: Service, told: list[Any], caller: Caller
) -> None:
    warnings.simplefilter("error", CutAnswerWarning)
    service.answers(service.events(stream_of()))
    stream = caller.stream(MODEL)
    with pytest.raises(CutAnswerWarning):
        list(stream)
    assert stream.text == "Hello"
    assert service.bodies[0].closed


# Limits that warn


@pytest.mark.parametrize("inputs", [{"prompt": "x", "max_tokens": 10**9}, {"prompt": "word " * 200_000}])
def test_limits_can_warn_instead(service: Service, told: list[Any], callers: Callers, inputs: Any) -> None:
    callers(checks="warn").run(MODEL, inputs)
    [warning] = told
    assert warning.category is LimitWarning
    assert MODEL in str(warning.message)
    assert len(service.requests) == 1


def test_for_one_call_as_well(service: Service, told: list[Any], ai: Ai) -> None:
    line = here() + 1
    ai.run(MODEL, {"prompt": "x", "max_tokens": 10**9}, checks="warn")
    [warning] = told
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert service.sent["max_tokens"] == 10**9


def test_a_limit_warning_says_what_the_error_would_and_how_to_silence_it(
    service: Service, told: list[Any], ai: Ai
) -> None:
    inputs = {"prompt": "x", "max_tokens": 10**9}
    with pytest.raises(LimitError) as caught:
        ai.run(MODEL, inputs)
    ai.run(MODEL, inputs, checks="warn")
    begin, advice, _ = str(caught.value).partition("or pass checks=")
    assert str(told[0].message) == f"{begin}{advice}'off' to send it without a word."


def test_they_can_be_switched_off(service: Service, told: list[Any], callers: Callers) -> None:
    callers(checks="off").run(MODEL, {"prompt": "x", "max_tokens": 10**9})
    assert told == []
    assert len(service.requests) == 1
