"""The client against the emulator. What it makes of the wire is tested elsewhere, on bytes from another hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import cfai
from cfai import Ai
from cfai.local import Emulator, Fault
from tests.conftest import row
from tests.local.dialects import DUAL, MODELS, NATIVE


@pytest.fixture
def ai(local: Emulator) -> Iterator[Ai]:
    with local.ai(max_retries=cfai.Retry(base=0)) as ai:
        yield ai


def test_a_stream_and_a_whole_answer_say_the_same(ai: Ai) -> None:
    inputs = {"messages": [{"role": "user", "content": "where is new york?"}]}
    # The model is no literal here, so its name cannot tell the type.
    run: Any = ai.run
    for model in MODELS:
        with row(model):
            whole = run(model, inputs)
            with run(model, inputs | {"stream": True}) as stream:
                text = "".join(str(token) for token in stream)
            assert text == whole.text
            assert text.startswith("This is an emulated answer to “where is new york?”: no model has read it. ")
            assert (stream.reasoning or "") == (whole.reasoning or "")
            assert stream.usage.prompt_tokens == whole.usage.prompt_tokens
            assert stream.usage.completion_tokens == whole.usage.completion_tokens


@pytest.mark.anyio
async def test_the_async_client_gets_the_same_answer(ai: Ai, local: Emulator) -> None:
    whole = ai.run(NATIVE, {"prompt": "hi"})
    async with local.ai() as other:
        assert (await other.arun(NATIVE, {"prompt": "hi"})).text == whole.text
        async with await other.arun(NATIVE, {"prompt": "hi", "stream": True}) as stream:
            assert "".join([str(token) async for token in stream]) == whole.text


def test_leaving_a_stream_stops_the_answer(ai: Ai, local: Emulator) -> None:
    local.script(Fault(silence_after=2))
    with ai.run(NATIVE, {"prompt": "hi", "stream": True}) as stream:
        next(iter(stream))
    assert local.wait_for_disconnects(1)


def test_a_gateway_is_on_the_same_server_and_options_of_the_client_win(ai: Ai, local: Emulator) -> None:
    answer = ai.run(NATIVE, {"prompt": "hi"}, gateway="default")
    assert answer.meta.gateway_log_id
    assert local.requests[-1].gateway == "default"
    with local.ai(api_token="wrong") as ai, pytest.raises(cfai.AuthenticationError):
        ai.run(NATIVE, {"prompt": "hi"})


# An image that is too long for the gateway is worth a warning before it is sent.
@pytest.mark.filterwarnings("ignore::cfai.LimitWarning")
def test_what_the_client_lets_pass_the_gateway_or_the_model_may_refuse(ai: Ai, local: Emulator) -> None:
    url = "data:image/jpeg;base64," + "A" * 400_000
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    with pytest.raises(cfai.ContextLengthError) as caught:
        ai.run("@cf/meta/llama-3.2-11b-vision-instruct", {"messages": [image], "max_tokens": 30_000})
    error = caught.value
    assert (error.status_code, error.code, error.source, error.limit) == (413, 5021, "gateway", 128_000)
    assert error.total_tokens == 130_028
    assert len(local.requests) == 1
    with pytest.raises(cfai.ContextLengthError) as caught:
        ai.run(DUAL, {"prompt": " a" * 20_000, "max_tokens": 5000}, checks="warn")
    error = caught.value
    assert (error.status_code, error.code, error.source, error.limit) == (400, 3030, "model", 24_000)
    assert len(local.requests) == 2
