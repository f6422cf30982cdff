"""What cfai chooses itself fits, also by the gateway's estimate; and limits of one's own."""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest

from cfai import ContextLengthError, InputError, LimitWarning, count_tokens, fit_messages

if TYPE_CHECKING:
    from cfai.local.emulator import Emulator

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 256 by default

GOVERNMENT = "international cooperation between governments requires transparent administration and communication. "


@pytest.mark.parametrize("prompt", ["word " * 700, GOVERNMENT * 700])
def test_the_gateway_does_not_refuse_what_fit_asks_for(local: Emulator, prompt: str) -> None:
    with local.ai(max_retries=None) as ai:
        answer = ai.run(LLAMA_3_3, {"prompt": prompt, "max_tokens": "fit"})
    assert answer.text
    asked = local.requests[-1].inputs["max_tokens"]
    assert asked + ceil(len(json.dumps({"prompt": prompt}, separators=(",", ":"))) / 4) <= 24_000
    assert asked > 1000


def test_the_gateway_does_not_refuse_what_is_left_of_a_conversation(local: Emulator) -> None:
    talk = [{"role": "user" if turn % 2 == 0 else "assistant", "content": GOVERNMENT * 5} for turn in range(601)]
    fit = fit_messages(talk, model=LLAMA_3_3, max_tokens=1000)
    assert fit.dropped
    with local.ai(max_retries=None) as ai:
        assert ai.run(LLAMA_3_3, {"messages": fit.messages, "max_tokens": 1000}).text
    own = fit_messages(talk, model=LLAMA_3_3, limit=24_000, max_tokens=1000)
    assert len(own.messages) > len(fit.messages)  # the gateway knows nothing of a limit of one's own


def test_where_the_gateway_refuses_anyway_the_estimate_decides(caller: Any) -> None:
    fit = caller.ai.check(LLAMA_3_3, {"prompt": "hello " * 19_000, "max_tokens": 10})
    assert 1000 < fit.max_tokens < 5000


def test_an_image_in_numbers_draws_the_gateway_s_warning(caller: Any, service: Any) -> None:
    inputs = {"prompt": "hi", "image": [200] * 400_000}
    with pytest.warns(LimitWarning, match="1,600,001 characters of images"):
        caller.run("@cf/meta/llama-3.2-11b-vision-instruct", inputs)
    assert len(service.requests) == 1


def test_numbers_with_a_point_are_fine(caller: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "number", "minimum": 0.5}}}
    inputs = {"messages": [{"role": "user", "content": "Hello", "weight": 0.5}], "temperature": 0.7, "tools": [tool]}
    assert caller.ai.check(LLAMA_3_3, inputs).verdict == "fits"
    assert count_tokens(inputs["messages"], model=LLAMA_3_3, tools=[tool]).lower > 0
    assert fit_messages(inputs["messages"], model=LLAMA_3_3, tools=[tool]).messages == inputs["messages"]
    with pytest.raises(InputError, match=r"inputs\['prompt'\]: the text has half of a surrogate pair"):
        caller.run(LLAMA_3_3, {"temperature": 0.7, "prompt": "\ud800"})


# Limits of one's own


def test_a_total_is_of_input_and_output(callers: Any) -> None:
    check = callers(limit_overrides={LLAMA_3_3: {"total_length": 4000}}).ai.check
    assert check(LLAMA_3_3, {"prompt": "hello " * 2000, "max_tokens": 3000}).verdict == "too long"
    assert check(LLAMA_3_3, {"prompt": "hello " * 500, "max_tokens": 1500}).verdict == "likely fits"


def test_a_number_alone_is_the_length_of_a_text_to_embed(callers: Any) -> None:
    check = callers(limit_overrides={"@cf/baai/bge-m3": 100}).ai.check
    assert check("@cf/baai/bge-m3", {"text": ["hello " * 200]}).limit.value == 100


def test_of_what_was_given_and_what_was_learnt_the_less_holds(callers: Any, service: Any) -> None:
    refusal = "Ai: The estimated number of input and maximum output tokens ({}) exceeded this model context "
    for given, named, holds in ((5000, 20_000, 5000), (20_000, 5000, 5000)):
        caller = callers(limit_overrides={LLAMA_3_3: {"context_length": given}}, checks="warn", max_retries=None)
        message = (refusal + "window limit ({}).").format(30_000, named)
        service.answers(service.error(413, 5021, message))
        with pytest.raises(ContextLengthError), pytest.warns(LimitWarning):
            caller.run(LLAMA_3_3, {"prompt": "hello " * 30_000})
        assert caller.ai.check(LLAMA_3_3, {"prompt": "x"}).limit.value == holds


def test_what_is_left_beside_a_prompt_is_said_whatever_is_asked_for(caller: Any) -> None:
    assert caller.ai.check(LLAMA_3_3, {"prompt": "word " * 10_000, "max_tokens": 0}).max_tokens < 14_000
    fit = caller.ai.check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "word " * 3000})
    assert (fit.verdict, fit.max_tokens, fit.error.max_tokens) == ("too long", 0, None)
