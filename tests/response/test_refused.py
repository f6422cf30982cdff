"""A refusal for length: one error, with the same fields, whether cfai, the gateway or the model found it."""

from __future__ import annotations

import json
import pickle
from itertools import product
from typing import Any

import pytest

from cfai import (
    BadRequestError,
    ContextLengthError,
    LimitError,
    StreamError,
)
from cfai._errors import (
    RefusedContextLengthError,
    RefusedSequenceLengthError,
    StreamContextLengthError,
    StreamSequenceLengthError,
)
from cfai._response.error_body import parse_error_body
from cfai._response.errors import build_error, build_stream_error
from tests.bodies import DONE, event, native
from tests.conftest import Caller, Service, row
from tests.texts import dense

# Retired models warn at every line; what they say is told elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
KIMI = "@cf/moonshotai/kimi-k2.6"
GLM = "@cf/zai-org/glm-5.2"
INT8 = "@cf/meta/llama-2-7b-chat-int8"
FP16 = "@cf/meta/llama-2-7b-chat-fp16"
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


def test_a_refusal_is_the_error_of_its_call(caller: Caller, service: Service) -> None:
    for status, code, message, kind in (
        (413, 5021, GATEWAY, RefusedContextLengthError),
        (400, 3030, VLLM, RefusedContextLengthError),
        (400, 3030, OUTPUT, RefusedSequenceLengthError),
    ):
        service.forget()
        service.answers(service.error(status, code, message))
        with row((status, code, message)):
            with pytest.raises(kind) as caught:
                caller.run(KIMI, {"prompt": "Hi"}, checks="off")
            assert (caught.value.status_code, caught.value.code) == (status, code)
            assert caller.ai.last_request_internal_status_code == code
            assert len(service.requests) == 1


def test_the_fields_are_those_of_an_error_found_before_sending(caller: Caller, service: Service) -> None:
    with pytest.raises(ContextLengthError) as local:
        caller.run(LLAMA_3_3, {"prompt": dense(24_001)})
    service.answers(service.error(413, 5021, GATEWAY))
    with pytest.raises(ContextLengthError) as refused:
        caller.run(LLAMA_3_3, {"prompt": "Hi"})
    assert vars(local.value).keys() <= vars(refused.value).keys()
    for name in ("model", "field", "value", "limit", "limit_source", "source", "input_tokens", "output_tokens"):
        assert getattr(local.value, name) not in (None, ""), name
        assert getattr(refused.value, name) not in (None, ""), name


def test_other_errors_are_no_refusal_whatever_their_words() -> None:
    for status, code, message, is_refusal in (
        (413, 3006, "AiError: Request too large", False),
        (400, 5006, "AiError: Bad input: required properties at '/' are 'prompt'", False),
        (429, 3040, f"AiError: Capacity temporarily exceeded, please try again. {VLLM}", False),
        (500, 8005, GATEWAY, False),
        *((status, 3030, VLLM, status == 499) for status in (499, 500, 503)),
        (500, 5021, VLLM, True),
    ):
        error = build_error(status, {}, json.dumps({"errors": [{"message": message, "code": code}]}).encode())
        assert (isinstance(error, LimitError), str(code) in str(error)) == (is_refusal, True), (status, code)


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
        service.answers(service.events(*native("Hel"), event(json.dumps(problem)), DONE))
        with row(problem), pytest.raises(StreamContextLengthError) as caught:
            list(caller.run(KIMI, inputs, checks="off"))
        error = caught.value
        assert isinstance(error, StreamError)
        assert (error.source, error.field, error.partial, error.max_tokens) == ("gateway", "prompt", "Hel", 2144)
        assert error.body in (problem, problem.get("response"))
        assert len(service.requests) == 1, problem
        told = b"".join(caller.run(KIMI, inputs, checks="off").to_event_stream())
        assert b"event: error\ndata: {" in told, problem
        assert told.endswith(DONE), problem


def test_an_error_of_another_code_inside_a_stream_is_no_refusal(caller: Caller, service: Service) -> None:
    for code in (3040, 3036):
        problem = {"errors": [{"code": code, "message": f"{code}: {GATEWAY}"}]}
        service.answers(service.events(event(json.dumps(problem))))
        with pytest.raises(StreamError) as caught:
            list(caller.run(KIMI, {"prompt": dense(300_000), "stream": True}, checks="off"))
        assert type(caught.value) is StreamError
        assert str(caught.value).count(str(code)) == 1


NOTHING: dict[str, Any] = {"source": "model", "input_tokens": None, "output_tokens": None, "total_tokens": None}
TOGETHER = "shorten the input or lower max_tokens: together they may be"


def line(model: str, field: str, limit: int) -> str:
    """Return the line to set, as the advice ends with it."""
    return f'; Ai(limit_overrides={{"{model}": {{"{field}": {limit}}}}}) has it checked before sending.'


FIGURES: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    (KIMI, GATEWAY, {"prompt": "Hi", "max_tokens": 3008},
     {"limit": 262_144, "total_tokens": 263_008, "output_tokens": 3008, "input_tokens": 260_000, "max_tokens": 2144},
     f"{TOGETHER} 262,144 tokens."),
    (KIMI, GATEWAY, {"prompt": "Hi"},
     {"total_tokens": 263_008, "output_tokens": 1, "input_tokens": 263_007, "max_tokens": None},
     f"{TOGETHER} 262,144 tokens."),
    (KIMI, SGLANG, {"prompt": "Hi", "max_tokens": 225_662},
     {"limit": 256_000, "total_tokens": 256_878, "input_tokens": 31_216, "output_tokens": 225_662,
      "max_tokens": 224_784},
     f"{TOGETHER} 256,000 tokens" + line(KIMI, "context_length", 256_000)),
    *((model, "This model's maximum context length is 9000 tokens. However, your request has 9001 input tokens.",
       {"prompt": "Hi"}, {"limit": 9000, "input_tokens": 9001, "limit_kind": "context"},
       f"{TOGETHER} 9,000 tokens" + line(model, field, 9000))
      for model, field in (
          (FP16, "total_length"), (LLAMA_3_3, "context_length"), ("@cf/some/model", "context_length"),
      )),
    (LLAMA_3_3, OUTPUT.replace("256000", "9000"), {"prompt": "Hi", "max_completion_tokens": 10_000},
     {"field": "max_completion_tokens", "limit": 9000, "limit_kind": "sequence"},
     "lower max_tokens to 9,000 or less" + line(LLAMA_3_3, "sequence_length", 9000)),
    # A refusal that tells the input alone is completed by the output that is reserved.
    *((LLAMA_3_3, "The input token count (9000) exceeds the maximum of 8192.", {"prompt": "Hi"} | wanted,
       {"input_tokens": 9000, "output_tokens": output, "total_tokens": 9000 + output},
       f"{TOGETHER} 8,192 tokens" + line(LLAMA_3_3, "context_length", 8192))
      for wanted, output in (({}, 256), ({"max_tokens": 500}, 500))),
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
     f"{TOGETHER} 8,192 tokens" + line(INT8, "total_length", 8192)),
    *((KIMI, OUTPUT, {"prompt": "x", **fields, field: 262_144},
       NOTHING | {"field": field, "value": 262_144, "limit": 256_000, "output_tokens": 262_144,
        "max_tokens": 256_000, "limit_kind": "sequence"},
       "lower max_tokens to 256,000 or less.")
      for field, fields in (("max_completion_tokens", {"max_tokens": 5}), ("max_tokens", {}),
                            ("max_output_tokens", {}))),
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
     f"{TOGETHER} 8,192 tokens" + line(LLAMA_3_3, "context_length", 8192)),
    (LLAMA_3_3, ALL_TEXTS, {"prompt": "x"},
     {"input_tokens": 85_920, "output_tokens": 256, "total_tokens": 86_176, "limit_kind": "context"},
     f"{TOGETHER} 60,000 tokens."),
    ("@cf/some/model", ONE_TEXT, {"input": "x"},
     NOTHING | {"field": "input", "value": 9003, "input_tokens": 9003, "limit_kind": "input"},
     "split the text: one may have 8,192 tokens" + line("@cf/some/model", "input_length", 8192)),
    # A count that stopped at the limit says nothing of the output that would fit.
    (LLAMA_3_3, "The maximum context length is 8192 tokens. However, you requested at least 8193 tokens.",
     {"prompt": "x", "max_tokens": 2000}, {"total_tokens": 8193, "output_tokens": 2000, "max_tokens": None},
     f"{TOGETHER} 8,192 tokens" + line(LLAMA_3_3, "context_length", 8192)),
    ("", ONE_TEXT, {}, NOTHING | {"field": "", "value": 9003, "input_tokens": 9003},
     "split the text: one may have 8,192 tokens."),
]  # fmt: skip
"""Model, message, inputs; the error's fields; the advice, which ends in the line where the catalogue differs."""


def test_a_refusal_has_every_figure_and_the_line_to_set() -> None:
    context = (RefusedContextLengthError, StreamContextLengthError)
    kinds = {"sequence": (RefusedSequenceLengthError, StreamSequenceLengthError)}
    for (model, message, inputs, expected, advice), code in product(FIGURES, (3010, 3030, 5021, 8001)):
        with row((model, message, code)):
            body = {"errors": [{"message": message, "code": code}]}
            refused = build_error(400, {}, json.dumps(body).encode(), model=model, inputs=inputs)
            inside = build_stream_error("it failed", parse_error_body(body), {}, model=model, inputs=inputs)
            assert (isinstance(refused, BadRequestError), refused.model or "") == (True, model)
            for error, place in ((refused, 0), (inside, 1)):
                assert isinstance(error, LimitError)
                assert type(error) is kinds.get(error.limit_kind, context)[place]
                assert {name: getattr(error, name) for name in expected} == expected
                assert (error.code, error.certain, error.retryable) == (code, True, False)
                assert str(error).partition("What to do: ")[2] == advice
                again = pickle.loads(pickle.dumps(error))
                assert (type(again), vars(again)) == (type(error), vars(error))


def test_the_same_call_means_the_same_after_a_refusal(caller: Caller, service: Service) -> None:
    before = caller.ai.check(KIMI, {"prompt": "Hi"})
    service.answers(service.error(413, 5021, GATEWAY.replace("262144", "9000")))
    for _ in range(2):
        with pytest.raises(ContextLengthError) as caught:
            caller.run(KIMI, {"prompt": "Hi"})
        assert caught.value.source == "gateway"
    assert caller.ai.check(KIMI, {"prompt": "Hi"}) == before
