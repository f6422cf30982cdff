"""Messages of the service about a length, and what they say."""

from __future__ import annotations

import doctest
import json
import re
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfai._response import error_codes
from cfai._response import parsed_limit as _refusal
from cfai._response.errors import _ADVICE
from cfai._response.parsed_limit import ParsedLimit, parse_limit
from cfai.local.wire import _errors

UUID = "3a1f9e1c-0b7d-4f0e-9a54-8f2f6c1f4b11"

# Seen on the wire

GATEWAY = (
    "Ai: The estimated number of input and maximum output tokens ({total}) exceeded this model context window limit "
    "({limit})."
)
VLLM = (
    "This model's maximum context length is {limit} tokens. However, you requested {output} output tokens and your "
    "prompt contains at least {input} input tokens, for a total of at least {total} tokens. Please reduce the length "
    "of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=769)"
)
OLD_VLLM = (
    "This model's maximum context length is {limit} tokens. However, you requested {total} tokens ({input} in the "
    "messages, {output} in the completion). Please reduce the length of the messages or completion."
)
SGLANG = (
    "Requested token count exceeds the model's maximum context length of {limit} tokens. You requested a total of "
    "{total} tokens: {input} tokens from the input messages and {output} tokens for the completion. Please reduce the "
    "number of tokens in the input messages or the completion to fit within the limit."
)
CAP = "max_completion_tokens is too large: {output}. This model supports at most {limit} completion tokens."
TEXT = "Sequence too long: {input} > {limit}"
BATCH = "Max context reached {input} tokens but model supports only {limit}"

SEEN = [
    (GATEWAY.format(total=263008, limit=262144), ParsedLimit("context", "gateway", 262144, None, None, 263008)),
    (VLLM.format(limit=131072, output=16000, input=115073, total=131073),
     ParsedLimit("context", "model", 131072, 115073, 16000, 131073, at_least=True)),
    (OLD_VLLM.format(limit=8192, total=9224, input=1224, output=8000),
     ParsedLimit("context", "model", 8192, 1224, 8000, 9224)),
    (SGLANG.format(limit=256000, total=256878, input=31216, output=225662),
     ParsedLimit("context", "model", 256000, 31216, 225662, 256878)),
    (CAP.format(output=262144, limit=256000), ParsedLimit("sequence", "model", 256000, None, 262144)),
    (TEXT.format(input=9003, limit=8192), ParsedLimit("input", "model", 8192, 9003)),
    (BATCH.format(input=85920, limit=60000), ParsedLimit("batch", "model", 60000, 85920)),
]  # fmt: skip


# What the same engines say in other releases, and others that the service may call

LIKELY = [
    ("The estimated number of tokens for this request (30,000) exceeded the context window limit of 24,000.",
     ParsedLimit("context", "gateway", 24000, None, None, 30000)),
    ("'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 8192 "
     "tokens and your request has 1224 input tokens (8000 > 8192 - 1224).",
     ParsedLimit("context", "model", 8192, 1224, 8000, 9224)),
    ("This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens. Please "
     "reduce the length of the input messages.", ParsedLimit("context", "model", 8192, 9000)),
    ("This model's maximum context length is 8192 tokens. However, you requested 9224 tokens in the messages, "
     "Please reduce the length of the messages.", ParsedLimit("context", "model", 8192, 9224)),
    ("You passed 120000 input tokens and requested 16000 output tokens. However, the model's context length is "
     "only 131072 tokens, resulting in a maximum input length of 115072 tokens. Please reduce the length of the "
     "input prompt. (parameter=input_tokens, value=120000)",
     ParsedLimit("context", "model", 131072, 120000, 16000, 136000)),
    ("This model's maximum context length is 131072 tokens. However, you requested 16000 output tokens and your "
     "prompt contains 9000000 characters (more than 7000000 characters, which is the upper bound for 115072 input "
     "tokens). Please reduce the length of the input prompt.", ParsedLimit("context", "model", 131072, None, 16000)),
    ("The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that "
     "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens.",
     ParsedLimit("context", "model", 8192, 9000)),
    ("The prompt (total length 9000) is too long to fit into the model (context length 8192).",
     ParsedLimit("context", "model", 8192, 9000)),
    ("The input (9000 tokens) is longer than the model's context length (8192 tokens).",
     ParsedLimit("context", "model", 8192, 9000)),
    ("Input length (9000 tokens) exceeds the maximum allowed length (8186 tokens). Use a shorter input or enable "
     "--allow-auto-truncate.", ParsedLimit("context", "model", 8186, 9000)),
    ("the request exceeds the available context size (4096 tokens), try increasing it",
     ParsedLimit("context", "model", 4096)),
    ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
     ParsedLimit("context", "model", 4096, 5000)),
    ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 256 `max_new_tokens`",
     ParsedLimit("context", "model", 4096, 4000, 256, 4256)),
    ("This model's maximum context length is 8192 tokens, however you requested 8300 tokens (8000 in your prompt; "
     "300 for the completion). Please reduce your prompt; or completion length.",
     ParsedLimit("context", "model", 8192, 8000, 300, 8300)),
    ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (500 in the completion).",
     ParsedLimit("context", "model", 8192, 8500, 500, 9000)),
    ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens (8500 in "
     "the messages, 501 in the functions). Please reduce the length of the messages or functions.",
     ParsedLimit("context", "model", 8192, 9001)),
    ("Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)",
     ParsedLimit("context", "model", 131072, None, None, 140000)),
    ("prompt is too long: 215000 tokens > 200000 maximum", ParsedLimit("context", "model", 200000, 215000)),
    ("input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000, decrease input length or "
     "`max_tokens` and try again", ParsedLimit("context", "model", 200000, 198000, 8192, 206192)),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
     ParsedLimit("context", "model", 1048576, 1200000)),
    ("max_tokens is too large: 20000. This model supports at most 16384 completion tokens, whereas you provided "
     "20000.", ParsedLimit("sequence", "model", 16384, None, 20000)),
    ("max_output_tokens is too large: 20,000. This model supports at most 16,384 output tokens.",
     ParsedLimit("sequence", "model", 16384, None, 20000)),
    ("max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens",
     ParsedLimit("sequence", "model", 8192, None, 100000)),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", ParsedLimit("sequence", "model", 8192)),
    ("This model's maximum context length is 512 tokens. However, you requested 600 tokens in the input for "
     "embedding generation. Please reduce the length of the input.", ParsedLimit("input", "model", 512, 600)),
    ("`inputs` must have less than 512 tokens. Given: 600", ParsedLimit("input", "model", 512, 600)),
    ("`inputs` must have less than 512 tokens. Given: 512", ParsedLimit("input", "model", 512, 512)),
    ("Invalid 'input': maximum input length is 8192 tokens.", ParsedLimit("input", "model", 8192)),
    ("Input is too long: it may have a maximum of 512 tokens.", ParsedLimit("input", "model", 512)),
    ("The input is too long (600 tokens): the maximum is 512 tokens.", ParsedLimit("input", "model", 512, 600)),
    ("Maximum context reached: 70000 tokens, but this model supports 60000 tokens.",
     ParsedLimit("batch", "model", 60000, 70000)),
]  # fmt: skip


def test_what_was_seen_is_read_and_what_is_likely() -> None:
    for message, limit in [*SEEN, *LIKELY]:
        assert parse_limit(message) == limit, message


# Any numbers, and however the message is wrapped


class Shape(NamedTuple):
    """A template, and what its numbers stand for."""

    template: str
    kind: Literal["context", "sequence", "input", "batch"]
    source: Literal["gateway", "model"] = "model"
    at_least: bool = False


SHAPES = [
    Shape(GATEWAY, "context", "gateway"),
    Shape(VLLM, "context", at_least=True),
    Shape(OLD_VLLM, "context"),
    Shape(SGLANG, "context"),
    Shape(CAP, "sequence"),
    Shape(CAP.replace("completion", "output"), "sequence"),
    Shape(CAP.replace("_completion", "").replace("max_tokens", "`max_tokens`"), "sequence"),
    Shape(TEXT, "input"),
    Shape(BATCH, "batch"),
]
WRAPPED: dict[str, Callable[[str], str]] = {
    "as it is": lambda message: message,
    "AiError": lambda message: f"AiError: AiError: {message}",
    "with its id": lambda message: f"{message} ({UUID})",
    "as JSON": lambda message: json.dumps({"object": "error", "message": message, "code": 400}),
    "as JSON in JSON": lambda message: json.dumps({"message": json.dumps({"message": message})}),
    "in JSON that is safe in HTML": lambda message: (
        json.dumps({"message": message}).replace(">", "\\u003e").replace("'", "\\u0027")
    ),
    "as HTML": lambda message: message.replace(">", "&gt;").replace("'", "&#39;"),
    "in capitals": str.upper,
    "on lines of its own": lambda message: message.replace(". ", ".\n").replace(" tokens", "\n  tokens"),
    "after a code": lambda message: f"InferenceUpstreamError: 5021: {message}",
    "before other words": lambda message: f"{message} See request 12345 of 2026-09-17.",
    "after other words": lambda message: f"Upstream said 400 at 17:30 (try 2): {message}",
}
WRITTEN: dict[str, Callable[[int], str]] = {
    "plain": str,
    "with commas": "{:,}".format,
    "with underscores": "{:_}".format,
    "with narrow spaces": lambda number: f"{number:,}".replace(",", "\u202f"),
    "with apostrophes": lambda number: f"{number:,}".replace(",", "'"),
}
counts = st.integers(1, 10**8)


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@given(
    limit=counts, over=counts, output=counts, wrapped=st.sampled_from([*WRAPPED]), written=st.sampled_from([*WRITTEN])
)
def test_the_numbers_of_a_message_come_back(
    shape: Shape, limit: int, over: int, output: int, wrapped: str, written: str
) -> None:
    total = limit + over if shape.kind == "context" else None
    output = limit + over if shape.kind == "sequence" else min(output, limit)
    given = total - output if total else limit + over
    numbers = {"limit": limit, "input": given, "output": output, "total": total}
    message = shape.template.format(**{name: WRITTEN[written](number or 0) for name, number in numbers.items()})
    says_all = shape.source != "gateway"  # it tells the total alone
    assert parse_limit(WRAPPED[wrapped](message)) == ParsedLimit(
        kind=shape.kind,
        source=shape.source,
        limit=limit,
        input_tokens=None if shape.kind == "sequence" or not says_all else given,
        output_tokens=output if shape.kind in ("context", "sequence") and says_all else None,
        total_tokens=total,
        at_least=shape.at_least,
    )


def test_of_a_message_that_may_be_cut_the_last_number_is_not_believed() -> None:
    for template in (GATEWAY, SGLANG, TEXT, BATCH, CAP):
        message = template.format(total=263_008, input=263_000, output=263_007, limit=262_144)
        whole = parse_limit(message)
        assert whole is not None, template
        cut = {parse_limit(message[:end], is_whole=False) for end in range(len(message) + 1)}
        assert {limit.limit for limit in cut if limit is not None} <= {whole.limit}, template
        assert parse_limit(f"{message} (id)", is_whole=False) == whole, template
    at_its_thousands = GATEWAY.format(total="263,008", limit="262,144").partition("144")[0]
    assert parse_limit(at_its_thousands, is_whole=False) is None
    assert parse_limit(at_its_thousands) is not None


# Everything else

ORDINARY = [
    *(known.hint for known in error_codes.CODES.values()),
    *(known.hint for known in error_codes.STATUSES.values()),
    *_ADVICE.values(),
    *_errors.MESSAGES.values(),
    "",
    "Sequence too long",
    "Max context reached",
    "This model's maximum context length is 8192 tokens.",
    "Input is too long for requested model.",
    "Your input exceeds the context window of this model.",
    "context window exceeded (code 5021, request 12345)",
    "maximum context length exceeded: see https://example.com/errors/8192",
    # Bytes and characters.
    "Request is too large",
    "Request is too large: 10485761 bytes, the limit is 10485760",
    "Request entity too large: the maximum is 10 MB",
    "Length of '/prompt' must be <= 6144",
    "Length of '/messages/0/content' must be <= 131072",
    "The prompt is too long: it has 7000 characters, the maximum is 6144 characters",
    "The maximum context length is 6144 characters. However, you requested 7000 characters.",
    "The context length (10 MB) exceeds what is allowed",
    "Exceeded character limit (7000 > 6144)",
    # What schemas, rates and other limits say.
    "Bad input: Error: '/max_tokens' must be >= 1",
    "Bad input: Error: '/max_tokens' must be <= 4096",
    "Type mismatch of '/max_tokens', 'string' not in 'integer'",
    "max_tokens must be at least 1, got -5.",
    "'/temperature' must be <= 5",
    "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt'",
    "Length of '/text' must be <= 100",
    "rate limiting: inference request per min rate reached",
    "Rate limit reached for tokens per minute: limit 30000, used 29500, requested 1200 tokens",
    "You have exceeded your token limit: 10000 tokens a day",
    "you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's Workers Paid plan",
    "too many images: 3 > 1",
    "Image is too large: 5000 > 4096",
    "At most 1 image(s) may be provided in one prompt.",
    "output has been flagged",
    "No such model: @cf/meta/llama-2-7b-chat-int8-2048-context-length",
    "Capacity temporarily exceeded, please try again.",
    "3040: Capacity temporarily exceeded",
    "Forced tool call did not fit max_tokens",
    "<html><title>502 Bad Gateway</title></html>",
    "Could not route to /accounts/x/ai/run, perhaps your object identifier is invalid?",
]


def test_other_messages_are_no_refusal_of_a_length() -> None:
    for message in ORDINARY:
        assert parse_limit(message) is None, message
        assert parse_limit(f"AiError: {message} ({UUID})") is None, message


def test_a_limit_that_none_can_be_is_no_limit_and_what_fits_was_not_refused() -> None:
    for shape in SHAPES:
        for limit in (0, 10**9 + 1, 10**29, 10**50):
            message = shape.template.format(limit=limit, input=10**9, output=10**9, total=10**9)
            assert parse_limit(message) is None, (shape.template, limit)
        assert parse_limit(shape.template.format(limit=4096, input=9, output=10, total=19)) is None, shape.template


def test_other_numbers_that_are_too_large_are_not_told() -> None:
    for template in (CAP, TEXT, BATCH, GATEWAY):
        limit = parse_limit(template.format(limit=4096, input=10**12, output=10**12, total=10**12))
        assert limit is not None, template
        assert limit[2:] == (4096, None, None, None, False), template


# From a hand that means harm


@given(st.text() | st.lists(st.sampled_from(re.findall(r"\w+|\W", " ".join(s.template for s in SHAPES)))).map("".join))
def test_any_text_is_read_without_an_error(message: str) -> None:
    refusal = parse_limit(message)
    assert refusal is None or refusal.limit > 0


def test_only_the_beginning_of_a_message_is_read_and_no_number_that_it_cuts_off() -> None:
    for number in ("8192", "8,192", "8\u202f192", "8\\u202f192", "8&#44;192"):
        message = f"Sequence too long: 9003 > {number} and more"
        limits = [parse_limit("x" * (4000 - cut) + message) for cut in range(len(message))]
        assert {limit and limit.limit for limit in limits} == {None, 8192}, number
    failed, attempted = doctest.testmod(_refusal)
    assert (failed, attempted > 0) == (0, True)


def test_a_long_message_costs_no_more_than_a_short_one() -> None:
    for unit in (
        "1", "1,", "1 ", " ", "\\", "\\u003e", "&", "&#", "max_tokens ", "max_tokens too large 1 ",
        "input too long 1 maximum ", "input too long maximum ", "estimated number of tokens ",
        "estimated number of 1 context ", "context length ", "context length is ",
        "context length of the model is (1 > ", "exceeded 1 tokens context length 1 ", "inputs must have less than ",
        "requested at least ",
    ):  # fmt: skip
        message = (unit * 1_000_000)[:1_000_000]
        started = time.process_time()
        assert parse_limit(message) == parse_limit(message[:4001]), unit
        assert time.process_time() - started < 0.5, unit
