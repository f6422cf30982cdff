"""A refusal for length: one error, with the same fields, whether cfai, the gateway or the model found it."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from cfai import (
    BadRequestError,
    ContextLengthError,
    LimitError,
    SequenceLengthError,
    StreamError,
)
from cfai._errors import (
    RefusedContextLengthError,
    RefusedSequenceLengthError,
    StreamContextLengthError,
    StreamSequenceLengthError,
)
from cfai._response.errors import build_error, build_stream_error, parse_error_body
from tests.conftest import Caller, Service, row
from tests.texts import dense

# Retired models warn at every line; what they say is told elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
KIMI = "@cf/moonshotai/kimi-k2.6"
GLM = "@cf/zai-org/glm-5.2"
INT8 = "@cf/meta/llama-2-7b-chat-int8"
BGE_M3 = "@cf/baai/bge-m3"

GATEWAY = (
    "AiError: Ai: The estimated number of input and maximum output tokens (263008) exceeded this model context window "
    "limit (262144). (0d8fa1a6-8a3c-4b4e-9a27-2c7b32d3a7a0)"
)
VLLM = (
    "AiError: This model's maximum context length is 131072 tokens. However, you requested 16000 output tokens and "
    "your prompt contains at least 115073 input tokens, for a total of at least 131073 tokens. Please reduce the "
    "length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=769)"
)
OLDER_VLLM = (
    "This model's maximum context length is 8192 tokens. However, you requested 9224 tokens (1224 in the messages, "
    "8000 in the completion). Please reduce the length of the messages or completion."
)
SGLANG = (
    "Requested token count exceeds the model's maximum context length of 256000 tokens. You requested a total of "
    "256878 tokens: 31216 tokens from the input messages and 225662 tokens for the completion."
)
OUTPUT = "max_completion_tokens is too large: 262144. This model supports at most 256000 completion tokens."
ONE_TEXT = "AiError: Sequence too long: 9003 > 8192"
ALL_TEXTS = "AiError: Max context reached 85920 tokens but model supports only 60000"


def refuse(service: Service, status: int, code: int, message: str) -> None:
    body = {"errors": [{"message": message, "code": code}], "success": False, "result": {}, "messages": []}
    service.answers(service.json(body, status))


CASES: list[tuple[int, int, str, str, Any, dict[str, Any]]] = [
    (413, 5021, GATEWAY, "gateway", {"prompt": "Hi", "max_tokens": 3008}, {"limit": 262_144, "total_tokens": 263_008,
     "output_tokens": 3008, "input_tokens": 260_000, "max_tokens": 2144}),
    (400, 3010, GATEWAY, "gateway", {"prompt": "Hi"},
     {"limit": 262_144, "total_tokens": 263_008, "output_tokens": 1, "input_tokens": 263_007, "max_tokens": None}),
    (400, 3030, VLLM, "model", {"prompt": "Hi", "max_tokens": 16_000},
     {"limit": 131_072, "output_tokens": 16_000, "input_tokens": 115_073, "max_tokens": None}),
    (400, 8001, OLDER_VLLM, "model", {"prompt": "Hi", "max_tokens": 8000},
     {"limit": 8192, "total_tokens": 9224, "input_tokens": 1224, "output_tokens": 8000, "max_tokens": 6968}),
    (400, 3030, SGLANG, "model", {"prompt": "Hi", "max_tokens": 225_662}, {"limit": 256_000, "total_tokens": 256_878,
     "input_tokens": 31_216, "output_tokens": 225_662, "max_tokens": 224_784}),
]  # fmt: skip


def test_a_context_that_is_refused(caller: Caller, service: Service) -> None:
    for status, code, message, source, inputs, expected in CASES:
        service.forget()
        refuse(service, status, code, message)
        with row((status, code, message)), pytest.raises(ContextLengthError) as caught:
            caller.run(KIMI, inputs, checks="off")
        error = caught.value
        assert isinstance(error, BadRequestError)
        assert (error.source, error.model, error.field, error.certain) == (source, KIMI, "prompt", True), message
        assert {name: getattr(error, name) for name in expected} == expected, message
        assert (error.status_code, error.code, error.retryable) == (status, code, False), message
        assert f"together they may be {error.limit:,} tokens" in str(error)
        assert len(service.requests) == 1
        assert caller.ai.last_request_internal_status_code == code


def test_an_output_that_is_refused(caller: Caller, service: Service) -> None:
    refuse(service, 400, 3030, OUTPUT)
    for field in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        with pytest.raises(SequenceLengthError) as caught:
            caller.run(GLM, {"prompt": "Hi", field: 262_144}, checks="off")
        error = caught.value
        assert isinstance(error, RefusedSequenceLengthError)
        assert (error.source, error.limit, error.output_tokens, error.field) == ("model", 256_000, 262_144, field)
        assert "lower max_tokens to 256,000 or less" in str(error)


def test_the_fields_are_those_of_an_error_found_before_sending(caller: Caller, service: Service) -> None:
    with pytest.raises(ContextLengthError) as local:
        caller.run(LLAMA_3_3, {"prompt": dense(24_001)})
    refuse(service, 413, 5021, GATEWAY)
    with pytest.raises(ContextLengthError) as refused:
        caller.run(LLAMA_3_3, {"prompt": "Hi"})
    assert vars(local.value).keys() <= vars(refused.value).keys()
    for name in ("model", "field", "value", "limit", "limit_source", "source", "input_tokens", "output_tokens"):
        assert getattr(local.value, name) not in (None, ""), name
        assert getattr(refused.value, name) not in (None, ""), name


def test_other_refusals_are_none_of_these(caller: Caller, service: Service) -> None:
    for status, code, message in (
        (413, 3006, "AiError: Request too large"),
        (400, 5006, "AiError: Bad input: required properties at '/' are 'prompt'"),
        (429, 3040, "AiError: Capacity temporarily exceeded, please try again. maximum context length is 5 tokens"),
        (500, 8005, "The estimated number of input and maximum output tokens (9) exceeded this model's limit (8)"),
    ):
        refuse(service, status, code, message)
        with pytest.raises(Exception, match=str(code)) as caught:
            caller.run(LLAMA_3_3, {"prompt": "Hi"}, max_retries=None)
        assert not isinstance(caught.value, LimitError), message


# Inside a stream


def event(problem: Any) -> bytes:
    return b"data: " + json.dumps(problem).encode() + b"\n\n"


IN_A_STREAM: list[Any] = [
    {"errors": [{"code": 5021, "message": GATEWAY}], "success": False, "result": {}, "messages": []},
    {"error": {"message": GATEWAY, "type": "BadRequestError", "code": 400}},
    {"error": f"5021: {GATEWAY}"},
    {"type": "error", "code": "context_length_exceeded", "message": GATEWAY},
    {"type": "response.failed", "response": {"object": "response", "status": "failed", "error": {"message": GATEWAY}}},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}], "message": GATEWAY},
]


def test_a_refusal_inside_a_stream_is_the_same_error(caller: Caller, service: Service) -> None:
    inputs = {"prompt": dense(300_000), "max_tokens": 3008, "stream": True}
    for problem in IN_A_STREAM:
        service.forget()
        service.answers(service.events(event({"response": "Hel"}), event(problem), b"data: [DONE]\n\n"))
        with row(problem), pytest.raises(ContextLengthError) as caught:
            list(caller.run(KIMI, inputs, checks="off"))
        error = caught.value
        assert isinstance(error, StreamContextLengthError)
        assert isinstance(error, StreamError)
        assert (error.source, error.model, error.field, error.partial) == ("gateway", KIMI, "prompt", "Hel"), problem
        assert (error.input_tokens, error.output_tokens, error.total_tokens) == (260_000, 3008, 263_008), problem
        assert (error.limit, error.max_tokens, error.limit_kind) == (262_144, 2144, "context"), problem
        assert (error.certain, error.retryable) == (True, False), problem
        assert error.body in (problem, problem.get("response"))
        assert "together they may be 262,144 tokens" in str(error), problem
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error), problem
        assert len(service.requests) == 1, problem


def test_an_output_refused_inside_a_stream_is_a_sequence_length_error(caller: Caller, service: Service) -> None:
    service.answers(service.events(event({"error": {"code": 3030, "message": OUTPUT.replace("256000", "9000")}})))
    inputs = {"prompt": "Hi", "max_completion_tokens": 10_000, "stream": True}
    with pytest.raises(StreamSequenceLengthError) as caught:
        list(caller.run(LLAMA_3_3, inputs))
    error = caught.value
    assert isinstance(error, SequenceLengthError)
    assert (error.field, error.limit, error.code, error.partial) == ("max_completion_tokens", 9000, 3030, "")
    line = f'Ai(limit_overrides={{"{LLAMA_3_3}": {{"sequence_length": 9000}}}})'
    assert str(error).endswith(f"lower max_tokens to 9,000 or less; {line} has it checked before sending.")


def test_a_browser_is_told_of_a_refusal(caller: Caller, service: Service) -> None:
    service.answers(service.events(event(IN_A_STREAM[0])))
    stream = caller.run(KIMI, {"prompt": dense(300_000), "stream": True}, checks="off")
    told = b"".join(stream.to_event_stream())
    assert told.startswith(b'event: error\ndata: {"code":5021,')
    assert told.endswith(b"data: [DONE]\n\n")


def test_an_error_of_another_code_inside_a_stream_is_no_refusal(caller: Caller, service: Service) -> None:
    for code in (3040, 3036):
        service.answers(service.events(event({"errors": [{"code": code, "message": f"{code}: {GATEWAY}"}]})))
        with pytest.raises(StreamError) as caught:
            list(caller.run(KIMI, {"prompt": dense(300_000), "stream": True}, checks="off"))
        assert type(caught.value) is StreamError
        assert str(caught.value).count(str(code)) == 1


def test_a_refusal_pickles_with_all_that_is_on_it(caller: Caller, service: Service) -> None:
    refuse(service, 413, 5021, GATEWAY)
    with pytest.raises(ContextLengthError) as caught:
        caller.run(LLAMA_3_3, {"prompt": "Hi"})
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is RefusedContextLengthError
    assert vars(again) == vars(caught.value)


# Every figure, and the line to set

NOTHING: dict[str, Any] = {"source": "model", "input_tokens": None, "output_tokens": None, "total_tokens": None}
TOGETHER = "shorten the input or lower max_tokens: together they may be"

FIGURES: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    (LLAMA_3_3, GATEWAY, {"prompt": "x"},
     {"field": "prompt", "value": 263_008, "limit": 262_144, "source": "gateway", "input_tokens": 262_752,
      "limit_source": "the gateway's refusal", "output_tokens": 256, "total_tokens": 263_008, "max_tokens": None,
      "limit_kind": "context"},
     f"{TOGETHER} 262,144 tokens."),
    (LLAMA_3_3, VLLM, {"messages": [], "max_tokens": 16_000},
     {"field": "messages", "value": 131_073, "limit": 131_072, "limit_source": "the model's refusal",
      "input_tokens": 115_073, "output_tokens": 16_000, "total_tokens": 131_073, "max_tokens": None},
     f"{TOGETHER} 131,072 tokens."),
    (INT8, OLDER_VLLM, {"prompt": "x", "max_tokens": 8000},
     {"value": 9224, "input_tokens": 1224, "output_tokens": 8000, "total_tokens": 9224, "max_tokens": 6968},
     f'{TOGETHER} 8,192 tokens; Ai(limit_overrides={{"{INT8}": {{"total_length": 8192}}}}) has it checked before '
     "sending."),
    (KIMI, OUTPUT, {"prompt": "x", "max_tokens": 5, "max_completion_tokens": 262_144},
     NOTHING | {"field": "max_completion_tokens", "value": 262_144, "limit": 256_000, "output_tokens": 262_144,
      "max_tokens": 256_000, "limit_kind": "sequence"},
     "lower max_tokens to 256,000 or less."),
    (KIMI, OUTPUT, {}, NOTHING | {"field": "max_tokens", "output_tokens": 262_144},
     "lower max_tokens to 256,000 or less."),
    (BGE_M3, ONE_TEXT, {"text": ["x"]},
     NOTHING | {"field": "text", "value": 9003, "input_tokens": 9003, "max_tokens": None, "limit_kind": "input"},
     "split the text: one may have 8,192 tokens."),
    (BGE_M3, ALL_TEXTS, {"text": ["x"]},
     NOTHING | {"field": "text", "value": 85_920, "input_tokens": 85_920, "limit_kind": "batch"},
     "send fewer texts in one call: together they may have 60,000 tokens."),
    # Engines of text models use the words of those that embed.
    (LLAMA_3_3, ONE_TEXT, {"prompt": "x"},
     {"value": 9003, "input_tokens": 9003, "output_tokens": 256, "total_tokens": 9259, "max_tokens": None,
      "limit_kind": "context"},
     f'{TOGETHER} 8,192 tokens; Ai(limit_overrides={{"{LLAMA_3_3}": {{"context_length": 8192}}}}) has it checked '
     "before sending."),
    (LLAMA_3_3, ALL_TEXTS, {"prompt": "x"},
     {"input_tokens": 85_920, "output_tokens": 256, "total_tokens": 86_176, "limit_kind": "context"},
     f"{TOGETHER} 60,000 tokens."),
    ("@cf/some/model", ONE_TEXT, {"input": "x"},
     NOTHING | {"field": "input", "value": 9003, "input_tokens": 9003, "limit_kind": "input"},
     'split the text: one may have 8,192 tokens; Ai(limit_overrides={"@cf/some/model": {"input_length": 8192}}) has it '
     "checked before sending."),
    # A count that stopped at the limit says nothing of the output that would fit.
    (LLAMA_3_3, "The maximum context length is 8192 tokens. However, you requested at least 8193 tokens.",
     {"prompt": "x", "max_tokens": 2000}, {"total_tokens": 8193, "output_tokens": 2000, "max_tokens": None},
     f'{TOGETHER} 8,192 tokens; Ai(limit_overrides={{"{LLAMA_3_3}": {{"context_length": 8192}}}}) has it checked '
     "before sending."),
    ("", ONE_TEXT, {}, NOTHING | {"field": "", "value": 9003, "input_tokens": 9003},
     "split the text: one may have 8,192 tokens."),
]  # fmt: skip
"""Model, message, inputs; the error's fields; the advice, which ends in the line where the catalogue differs."""


def test_a_refusal_has_every_figure_and_the_line_to_set() -> None:
    for model, message, inputs, expected, advice in FIGURES:
        body = json.dumps({"errors": [{"message": message, "code": 3030}]}).encode()
        error = build_error(400, {}, body, model=model, inputs=inputs)
        assert {name: getattr(error, name) for name in expected} == expected, (model, message)
        assert str(error).partition("What to do: ")[2] == advice, (model, message)
        inside = build_stream_error("it failed", parse_error_body(json.loads(body)), {}, model=model, inputs=inputs)
        assert {name: getattr(inside, name) for name in expected} == expected, (model, message)
        assert str(inside).partition("What to do: ")[2] == advice, (model, message)


def test_a_failure_of_the_service_is_no_refusal_whatever_its_words() -> None:
    for status, code, is_refusal in ((499, 3030, True), (500, 3030, False), (503, 3030, False), (500, 5021, True)):
        body = json.dumps({"errors": [{"message": VLLM, "code": code}]}).encode()
        assert isinstance(build_error(status, {}, body, model=KIMI), LimitError) is is_refusal, (status, code)


# What the call adds


def test_a_limit_that_the_catalogue_does_not_know_comes_with_the_line_to_set(caller: Caller, service: Service) -> None:
    refuse(
        service,
        400,
        3030,
        "This model's maximum context length is 9000 tokens. However, your request has 9001 input tokens.",
    )
    for model, has_line in ((LLAMA_3_3, True), ("@cf/some/model", True), ("@cf/meta/llama-2-7b-chat-fp16", False)):
        with pytest.raises(ContextLengthError) as caught:
            caller.run(model, {"prompt": "Hi"}, checks="off")
        assert (f'Ai(limit_overrides={{"{model}": {{"context_length": 9000}}}})' in str(caught.value)) is has_line, (
            model
        )


def test_the_same_call_means_the_same_after_a_refusal(caller: Caller, service: Service) -> None:
    before = caller.ai.check(KIMI, {"prompt": "Hi"})
    refuse(service, 413, 5021, GATEWAY.replace("262144", "9000"))
    for _ in range(2):
        with pytest.raises(ContextLengthError) as caught:
            caller.run(KIMI, {"prompt": "Hi"})
        assert caught.value.source == "gateway"
    assert caller.ai.check(KIMI, {"prompt": "Hi"}) == before


def test_a_refusal_that_tells_the_input_alone_is_completed_by_the_output_held_free(
    caller: Caller, service: Service
) -> None:
    refuse(service, 400, 8001, "The input token count (9000) exceeds the maximum of 8192.")
    for wanted, held in (({}, 256), ({"max_tokens": 500}, 500)):
        with pytest.raises(RefusedContextLengthError) as caught:
            caller.run(LLAMA_3_3, {"prompt": "Hi"} | wanted)
        error = caught.value
        assert (error.input_tokens, error.output_tokens, error.total_tokens) == (9000, held, 9000 + held)
