"""What is over a limit does not go over the wire; what is within all limits does."""

from __future__ import annotations

import json
import threading
from itertools import product
from typing import Any

import pytest
from pydantic import BaseModel

from cfai import (
    ContextLengthError,
    InputError,
    LimitError,
    LimitWarning,
    SequenceLengthError,
    models,
    tokens,
)
from cfai._limits import check as _limits
from cfai.models import Model

# Retired models warn at every line; what they say is told elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")

TEXT_MODELS = [entry for entry in models.catalogue().values() if entry.task == "Text Generation" and entry.window]
SMALL_MODELS = [entry for entry in TEXT_MODELS if entry.context_length and entry.context_length.value < 33_000]
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"
LLAMA_2_FP16 = "@cf/meta/llama-2-7b-chat-fp16"
CHAT = "@cf/zai-org/glm-4.7-flash"
PROSE = (
    "The town lay between the river and the hills, and nobody who had been born there could say how old it was. "
    "Every morning the bells were rung by hand, and every evening the market was swept by the same three women. "
)
"""47 tokens of Llama 2."""
MAX_TOKENS_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"]

every_model = pytest.mark.parametrize("entry", TEXT_MODELS, ids=lambda entry: entry.name)


def window(entry: Model) -> int:
    """How many tokens the model reads and writes together, or reads where that is all that is known."""
    limit = entry.total_length or entry.context_length
    assert limit
    return limit.value


def most(entry: Model) -> int:
    """The most output that leaves room for a short prompt."""
    if entry.window == "separate" and entry.sequence_length:
        return entry.sequence_length.value
    return min(window(entry) - 1000, entry.sequence_length.value if entry.sequence_length else window(entry))


def certain(entry: Model) -> bool:
    """Whether a count of this model's tokens is good enough to refuse by."""
    return tokens.family_of(entry.name).certain


def test_these_are_the_forty_models_of_the_promise_and_more() -> None:
    assert len(TEXT_MODELS) >= 40
    assert len([entry for entry in TEXT_MODELS if entry.retired_on is None]) >= 30


@every_model
def test_more_output_than_a_model_gives_is_not_asked_for(caller: Any, service: Any, entry: Model) -> None:
    for field, stream in product(MAX_TOKENS_FIELDS, [False, True]):
        asked = window(entry) + 1
        with pytest.raises(LimitError) as caught:
            caller.run(entry.name, {"prompt": "x", "stream": stream, field: asked})
        error = caught.value
        assert isinstance(error, SequenceLengthError if entry.sequence_length else ContextLengthError)
        assert (error.model, error.field, error.value) == (entry.name, field, asked)
        assert error.limit < error.value
        assert error.limit_source
        for part in (entry.name, field, f"{error.value:,}", f"{error.limit:,}", error.limit_source):
            assert part in str(error)
    assert not service.requests


@every_model
def test_a_prompt_and_an_answer_that_do_not_fit_together_are_not_sent(caller: Any, service: Any, entry: Model) -> None:
    inputs = {"messages": [{"role": "user", "content": PROSE}], "max_tokens": window(entry) - 5}
    if certain(entry) or most(entry) < window(entry) - 1000:
        with pytest.raises(LimitError) as caught:
            caller.run(entry.name, inputs)
        assert caught.value.model == entry.name
        assert not service.requests
    else:
        with pytest.warns(LimitWarning, match=entry.name):
            caller.run(entry.name, inputs)
        assert service.sent == inputs


@pytest.mark.parametrize("entry", SMALL_MODELS, ids=lambda entry: entry.name)
def test_a_prompt_that_is_too_long_is_not_sent(callers: Any, service: Any, entry: Model) -> None:
    prompt = PROSE * (window(entry) // 20)
    for inputs in ({"prompt": prompt}, {"messages": [{"role": "user", "content": prompt}], "stream": True}):
        caller = callers()
        if certain(entry):
            with pytest.raises(ContextLengthError) as caught:
                caller.run(entry.name, inputs)
            error = caught.value
            assert (error.model, error.field) == (entry.name, next(iter(inputs)))
            assert error.value > error.limit or error.value > window(entry)
            assert not service.requests
        else:
            with pytest.warns(LimitWarning, match=entry.name):
                caller.run(entry.name, inputs, return_raw_response=True)
            assert service.sent == inputs


@every_model
def test_a_legal_call_is_sent_as_it_is(caller: Any, service: Any, entry: Model) -> None:
    for stream in (False, True):
        inputs = {"messages": [{"role": "user", "content": PROSE}], "max_tokens": most(entry), "stream": stream}
        caller.run(entry.name, inputs)
        assert service.sent == inputs


@every_model
def test_the_most_that_a_model_gives_is_asked_for_by_its_number(caller: Any, service: Any, entry: Model) -> None:
    caller.run(entry.name, {"prompt": PROSE, "max_tokens": "max"})
    asked = service.sent["max_tokens"]
    assert type(asked) is int
    assert 0 < asked <= (entry.sequence_length.value if entry.sequence_length else window(entry))
    caller.run(entry.name, {"prompt": PROSE, "max_tokens": asked})
    assert len(service.requests) == 2


def test_unknown_models_have_no_limits(caller: Any, service: Any) -> None:
    caller.run("@cf/somebody/unheard-of", {"prompt": "x" * 10_000, "max_tokens": 10**9})
    assert len(service.requests) == 1


# The announcement of 2023


@pytest.mark.parametrize(("model", "given"), [(LLAMA_2, 1800), (LLAMA_2_FP16, 2500)])
def test_llama_2_gives_what_was_announced_and_no_more(caller: Any, service: Any, model: str, given: int) -> None:
    caller.run(model, {"prompt": PROSE * 6, "max_tokens": given})
    assert len(service.requests) == 1
    with pytest.raises(SequenceLengthError) as caught:
        caller.run(model, {"prompt": "x", "max_tokens": given + 1})
    assert (caught.value.value, caught.value.limit) == (given + 1, given)
    assert len(service.requests) == 1


def test_prose_of_2400_tokens_is_not_sent_to_a_model_of_2048(caller: Any, service: Any) -> None:
    with pytest.raises(ContextLengthError) as caught:
        caller.run(LLAMA_2, {"prompt": PROSE * 52})
    assert caught.value.limit == 2048
    assert caught.value.value > 2048
    assert not service.requests


def test_but_is_to_one_of_3072(caller: Any, service: Any) -> None:
    caller.run(LLAMA_2_FP16, {"prompt": PROSE * 52})
    assert len(service.requests) == 1


def test_prose_of_1900_tokens_is_sent(caller: Any, service: Any) -> None:
    caller.run(LLAMA_2, {"prompt": PROSE * 40, "max_tokens": 1800})
    assert len(service.requests) == 1


# Whatever the way


@pytest.mark.parametrize(
    "options",
    [
        {"return_raw_response": True},
        {"gateway": "g"},
        {"queue_request": True},
        {"max_retries": None},
        {"total_timeout": 50},
        {"reject_if_busy": True},
    ],
)
def test_limits_hold_whatever_the_options(caller: Any, service: Any, options: Any) -> None:
    with pytest.raises(LimitError):
        caller.run(LLAMA_2, {"prompt": "x", "max_tokens": 1801}, **options)
    assert not service.requests


@pytest.mark.parametrize(
    "inputs",
    [
        {"messages": [{"role": "system", "content": PROSE * 60}, {"role": "user", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": PROSE * 60}]}]},
        {"messages": [{"role": "user", "content": PROSE * 30}, {"role": "user", "content": PROSE * 30}]},
        {"requests": [{"prompt": "x"}, {"prompt": PROSE * 60}]},
    ],
)
def test_limits_hold_wherever_the_text_stands(caller: Any, service: Any, inputs: Any) -> None:
    with pytest.raises(ContextLengthError):
        caller.run(LLAMA_2, inputs)
    assert not service.requests


def test_nothing_is_opened_for_a_call_that_is_refused(callers: Any, serve: Any) -> None:
    server = serve(lambda peer: peer.request())
    caller = callers(base_url=server.url)
    with pytest.raises(LimitError):
        caller.run(LLAMA_2, {"prompt": "x", "max_tokens": 1801})
    assert server.connections == 0
    assert caller.ai.last_request_http_status_code is None


@pytest.mark.filterwarnings("ignore::cfai.LimitWarning")
@pytest.mark.parametrize("way", ["client", "copy", "call"])
@pytest.mark.parametrize("mode", ["warn", "off"])
def test_limits_can_be_lifted(callers: Any, service: Any, way: str, mode: str) -> None:
    caller = callers(checks=mode) if way == "client" else callers()
    caller = caller.with_options(checks=mode) if way == "copy" else caller
    caller.run(LLAMA_2, {"prompt": PROSE * 60, "max_tokens": 10**6}, **({"checks": mode} if way == "call" else {}))
    assert json.loads(service.request.content)["max_tokens"] == 10**6


def test_and_put_back_for_a_call(callers: Any, service: Any) -> None:
    with pytest.raises(LimitError):
        callers(checks="off").run(LLAMA_2, {"prompt": "x", "max_tokens": 1801}, checks="enforce")
    assert not service.requests


class Number:
    dtype = "int64"

    def __init__(self, value: int) -> None:
        self.value = value

    def tolist(self) -> int:
        return self.value


class Message(BaseModel):
    role: str
    content: str


def test_limits_see_what_will_be_sent(caller: Any, service: Any) -> None:
    with pytest.raises(SequenceLengthError):
        caller.run(LLAMA_2, {"prompt": "x", "max_tokens": Number(1801)})
    with pytest.raises(ContextLengthError):
        caller.run(LLAMA_2, {"messages": [Message(role="user", content="word " * 3000)]})
    assert not service.requests


def test_inputs_are_never_changed(caller: Any, service: Any) -> None:
    inputs = {"messages": [Message(role="user", content="x")], "seed": Number(5), "plain": [{"a": (1, 2)}]}
    before = dict(inputs)
    caller.run(CHAT, inputs)
    assert inputs == before
    assert service.sent == {"messages": [{"role": "user", "content": "x"}], "seed": 5, "plain": [{"a": [1, 2]}]}


def test_what_holds_itself_is_refused(caller: Any) -> None:
    holding: dict[str, Any] = {}
    holding["itself"] = holding
    with pytest.raises(InputError):
        caller.run(CHAT, {"prompt": "x", "more": holding})


# Odd inputs


def test_a_long_prompt_is_counted_beside_the_event_loop(
    caller: Any, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting: list[int] = []

    def spied(*given: Any) -> Any:
        counting.append(threading.get_ident())
        return check_long(*given)

    check_long = _limits.check_long
    monkeypatch.setattr(_limits, "check_long", spied)
    loop = threading.get_ident() if caller.portal is None else caller.portal.call(threading.get_ident)
    for content in ("x", "x" * 100_001):
        caller.run("@cf/some/model", {"messages": [{"role": "user", "content": content}]})
    assert counting[0] == loop
    assert (counting[1] == loop) is (caller.portal is None)


def test_a_number_of_thousands_of_digits_is_too_large_for_any_model(caller: Any, service: Any) -> None:
    with pytest.raises(SequenceLengthError, match="max_tokens is 1,000,000,000,000,000,000, but"):
        caller.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"prompt": "Hello", "max_tokens": 10**5000})
    with pytest.raises(InputError, match=r"inputs\['max_tokens'\]: a number of that many digits cannot be sent"):
        caller.run("@cf/some/model", {"prompt": "Hello", "max_tokens": 10**5000})
    assert not service.requests


def test_check_says_what_cannot_be_sent(callers: Any) -> None:
    with pytest.raises(InputError, match=r"inputs\['messages'\]\[0\]\['content'\]: bytes cannot be sent as JSON"):
        callers().ai.check(CHAT, {"messages": [{"role": "user", "content": b"Hello"}]})


def test_a_total_alone_is_a_limit_of_a_model_that_nothing_is_known_of(callers: Any, service: Any) -> None:
    caller = callers(limit_overrides={"@cf/some/model": {"total_length": 100}})
    with pytest.raises(ContextLengthError, match=r"max_tokens is 101, but .* reads and writes 100 tokens at most"):
        caller.run("@cf/some/model", {"prompt": "Hello", "max_tokens": 101})
    with pytest.warns(LimitWarning, match="prompt is"):
        caller.run("@cf/some/model", {"prompt": PROSE * 5, "max_tokens": 10})
    assert len(service.requests) == 1
