"""Warnings stand at the caller's line, and come once for each."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from cfai import Ai, CutAnswerWarning, LimitWarning, RetiredModelWarning, models
from tests.conftest import ACCOUNT, Caller, Service, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
RETIRED = "@cf/meta/llama-2-7b-chat-int8"
REASONING = "@cf/zai-org/glm-4.7-flash"
R1 = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b"
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


def test_a_warning_stands_at_the_line_of_the_call(service: Service, told: list[Any], ai: Ai) -> None:
    service.answers(service.result(cut()))
    for model, inputs, options, kind in (
        (RETIRED, {"prompt": "x", "max_tokens": 5}, {}, RetiredModelWarning),
        (MODEL, HELLO, {}, CutAnswerWarning),
        (MODEL, {"prompt": "x", "max_tokens": 10**9}, {"checks": "warn"}, LimitWarning),
    ):
        line = here() + 1
        ai.run(model, inputs, **options)
        [warning] = told
        told.clear()
        assert (warning.category, warning.filename, warning.lineno) == (kind, __file__, line)
        assert service.sent == inputs, kind


def test_a_warning_stands_at_the_line_of_a_call_in_a_coroutine_or_a_task(service: Service, told: list[Any]) -> None:
    async def main() -> int:
        async with Ai(account_id=ACCOUNT, api_token="token") as ai:
            line = here() + 1
            await ai.arun(RETIRED, HELLO)
        return line

    async def gather() -> None:
        async with Ai(account_id=ACCOUNT, api_token="token") as ai:
            await asyncio.gather(ai.arun(RETIRED, HELLO), ai.arun(RETIRED, HELLO))

    lines = [asyncio.run(main()), trio.run(main)]
    assert [(warning.filename, warning.lineno) for warning in told] == [(__file__, lines[0])]
    asyncio.run(gather())
    assert {warning.filename for warning in told[1:]} == {__file__}


def test_a_warning_comes_once_for_a_line_and_a_model_of_a_client(service: Service, told: list[Any], ai: Ai) -> None:
    for each in (ai, ai, ai.with_options(timeout=5)):
        each.run(RETIRED, HELLO)
    assert len(told) == 1
    for model in (RETIRED, "@cf/meta/llama-2-7b-chat-fp16"):
        ai.run(model, HELLO)
    assert len(told) == 3
    service.answers(service.events(stream_of()))
    for _ in range(3):
        ai.run(MODEL, {"prompt": "x", "stream": True}).result()
    assert len(told) == 4
    warnings.simplefilter("always")
    service.answers(service.result(cut(1)))
    for other in (ai, Ai(account_id=ai.account_id, api_token="token")):
        other.run(RETIRED, HELLO)
    assert len(told) == 6


def test_a_warning_can_be_switched_off_or_made_an_error_by_its_class(service: Service, told: list[Any], ai: Ai) -> None:
    warnings.simplefilter("ignore", RetiredModelWarning)
    ai.run(RETIRED, HELLO)
    assert told == []
    warnings.simplefilter("error", RetiredModelWarning)
    with pytest.raises(RetiredModelWarning):
        ai.run(RETIRED, HELLO)
    assert len(service.requests) == 1
    for kind, base in ((RetiredModelWarning, FutureWarning), (CutAnswerWarning, UserWarning)):
        assert issubclass(kind, base)
    assert issubclass(LimitWarning, UserWarning)


def test_a_retired_model_names_the_day_and_one_that_lives(service: Service, told: list[Any], ai: Ai) -> None:
    ai.run(RETIRED, HELLO)
    said = str(told[0].message)
    entry = models.get(RETIRED)
    assert entry is not None
    assert str(entry.retired_on) in said
    instead = models.get(said.rpartition("use ")[2])
    assert instead is not None
    assert instead.retired_on is None


def test_every_retired_model_is_told_of_and_called_all_the_same(service: Service, told: list[Any], ai: Ai) -> None:
    retired = [name for name, entry in models.catalogue().items() if entry.retired_on]
    others: dict[str, dict[str, Any]] = {
        "@cf/facebook/bart-large-cnn": {"input_text": "Hello"},
        "@cf/unum/uform-gen2-qwen-500m": {"image": [137, 80], "prompt": "Hello"},
    }
    for model in retired:
        ai.run(model, others.get(model, HELLO))
        assert [warning.category for warning in told] == [RetiredModelWarning], model
        assert "None" not in str(told.pop().message), model
    assert len(service.requests) == len(retired) > 0


def test_an_answer_that_the_default_cut_says_what_to_pass(service: Service, told: list[Any], caller: Caller) -> None:
    warnings.simplefilter("always")
    for finish_reason in (None, "length"):
        service.answers(service.result(cut(finish_reason=finish_reason)))
        caller.run(MODEL, HELLO)
        [warning] = told
        told.clear()
        assert warning.category is CutAnswerWarning, finish_reason
        assert [word for word in ("256", "max_tokens", '"max"') if word not in str(warning.message)] == []


def thought(reason: str | None = "length", tokens: int = 50, **message: Any) -> dict[str, Any]:
    """Return an answer of a chat model that thought for so many tokens."""
    message = {"role": "assistant", "content": None, "reasoning_content": "Hmm", **message}
    usage = {"prompt_tokens": 3, "completion_tokens": tokens}
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


def test_an_answer_without_text_since_reasoning_used_up_its_tokens_says_so(
    service: Service, told: list[Any], caller: Caller
) -> None:
    warnings.simplefilter("always")
    for model, inputs, answer in [
        (REASONING, {"prompt": "x", "max_tokens": 50}, thought()),
        (REASONING, HELLO, thought()),
        (REASONING, HELLO, thought(reasoning_content=None)),
        (REASONING, {"prompt": "x", "max_completion_tokens": 50}, thought(None, content="\n")),
        ("@cf/somebody/unheard-of", {"prompt": "x"}, thought()),
        (R1, HELLO, {"response": "", "reasoning": "Hmm", "usage": {"prompt_tokens": 3, "completion_tokens": 256}}),
    ]:
        with row((model, inputs)):
            service.answers(service.result(answer))
            caller.run(model, inputs)
            [warning] = told
            told.clear()
            assert warning.category is CutAnswerWarning
            assert f"{model} used up its max_tokens for reasoning, and the text is empty" in str(warning.message)


def test_a_stream_without_text_since_reasoning_used_up_its_tokens_says_so(
    service: Service, told: list[Any], caller: Caller
) -> None:
    chunks = [
        b'{"choices":[{"index":0,"delta":{"reasoning_content":"Hmm"},"finish_reason":null}]}',
        b'{"choices":[{"index":0,"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}',
        b"[DONE]",
    ]
    service.answers(service.events(*(b"data: " + chunk + b"\n\n" for chunk in chunks)))
    assert caller.run(REASONING, {"prompt": "x", "max_tokens": 5, "stream": True}).result().text == ""
    [warning] = told
    assert "used up its max_tokens for reasoning" in str(warning.message)


def test_reasoning_before_a_text_or_a_tool_call_or_an_end_of_its_own_says_nothing(
    service: Service, told: list[Any], ai: Ai
) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for answer in [
        thought(content="Hello"),
        thought(tool_calls=[call]),
        thought("stop"),
        thought(None, tokens=49),
    ]:
        with row(answer):
            service.answers(service.result(answer))
            ai.run(REASONING, {"prompt": "x", "max_tokens": 50})
            assert told == []
    service.answers(service.result(thought(reasoning_content=None)))
    ai.run(MODEL, {"prompt": "x", "max_tokens": 50})  # a model that does not reason
    assert told == []


def test_a_stream_is_told_of_at_the_line_that_reads_it(service: Service, told: list[Any], ai: Ai) -> None:
    service.answers(service.events(stream_of()))
    stream = ai.run(MODEL, {"prompt": "x", "stream": True})
    assert told == []
    line = here() + 1
    assert stream.result().text == "Hello"
    [warning] = told
    assert (warning.category, warning.filename, warning.lineno) == (CutAnswerWarning, __file__, line)


def test_an_answer_that_something_else_ended_says_nothing(service: Service, told: list[Any], ai: Ai) -> None:
    table: list[tuple[str, Any, Any]] = [
        (MODEL, HELLO, cut(255)),
        (MODEL, HELLO, cut(finish_reason="stop")),
        (MODEL, HELLO, {"response": "Hello"}),
        (MODEL, {**HELLO, "max_tokens": 256}, cut()),
        (MODEL, {**HELLO, "max_completion_tokens": 256}, cut()),
        (MODEL, {**HELLO, "max_tokens": "max"}, cut()),
        # The default of these models is not known.
        ("@cf/zai-org/glm-4.7-flash", HELLO, cut()),
        ("@cf/somebody/unheard-of", HELLO, cut()),
        ("openai/gpt-5-mini", HELLO, cut()),
    ]
    for model, inputs, result in table:
        service.answers(service.result(result))
        ai.run(model, inputs)
        assert told == [], (model, inputs, result)


def test_a_stream_for_a_browser_warns_and_one_left_does_not(service: Service, told: list[Any], caller: Caller) -> None:
    service.answers(service.events(stream_of()))
    with caller.stream(MODEL) as stream:
        next(stream)
    assert told == []
    list(caller.stream(MODEL).to_event_stream())
    assert [warning.category for warning in told] == [CutAnswerWarning]
