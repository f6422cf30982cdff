"""Calls over a limit are not sent, and calls within all limits are: every model, every mode, sync and async."""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from cfai import (
    CheckResult,
    ContextLengthError,
    InputError,
    LimitError,
    LimitWarning,
    SequenceLengthError,
    fit_messages,
    models,
    tokens,
)
from cfai.models import Model
from tests.bodies import answering
from tests.conftest import Caller, Service, row
from tests.texts import ByWords, dense, han

if TYPE_CHECKING:
    from cfai.local import Emulator

# Retired models warn at every line; what they say is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")

TEXT_MODELS = [
    entry
    for entry in models.catalogue().values()
    if entry.task == "Text Generation" and entry.window and not re.search("/clef|llama-guard", entry.name)
]
"""Those that take a prompt as well as messages."""
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"
LLAMA_2_FP16 = "@cf/meta/llama-2-7b-chat-fp16"
LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 256 by default
NEMOTRON = "@cf/nvidia/nemotron-3-120b-a12b"  # a presumed tokenizer
BGE = "@cf/baai/bge-base-en-v1.5"  # 512 a text
CHAT = "@cf/zai-org/glm-4.7-flash"
MAX_TOKENS_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"]
PROSE = (
    "The town lay between the river and the hills, and nobody who had been born there could say how old it was. "
    "Every morning the bells were rung by hand, and every evening the market was swept by the same three women. "
)
"""47 tokens of Llama 2."""
PROMPTS = {
    "fits": "Where is New York?",
    "likely fits": han(0.9),
    "likely too long": han(1.2),
    "very likely too long": han(1.6),
    "too long": dense(24_000),
}
"""Prompts for Llama 3.3, by the verdict on them."""
RAISED: dict[Any, set[str]] = {
    "enforce": {"too long"},
    "strict": {"too long", "very likely too long"},
    "warn": set(),
    "off": set(),
}
WARNED = {"likely too long", "very likely too long", "too long"}


def window(entry: Model) -> int:
    """Return how many tokens the model reads and writes together, or reads where that is all that is known."""
    limit = entry.total_length or entry.context_length
    assert limit
    return limit.value


def most(entry: Model) -> int:
    """Return the most output that leaves room for a short prompt."""
    if entry.window == "separate" and entry.sequence_length:
        return entry.sequence_length.value
    return min(window(entry) - 1000, entry.sequence_length.value if entry.sequence_length else window(entry))


def is_certain(entry: Model) -> bool:
    """Return whether a count of this model's tokens is good enough to refuse by."""
    return tokens.get_family(entry.name).certain


def test_what_is_over_a_limit_is_not_sent(caller: Caller, service: Service) -> None:
    for entry in TEXT_MODELS:
        kind = SequenceLengthError if entry.sequence_length else ContextLengthError
        over: list[tuple[type[LimitError], dict[str, Any]]] = [
            (kind, {field: window(entry) + 1, "prompt": "x"}) for field in MAX_TOKENS_FIELDS
        ]
        if is_certain(entry) or most(entry) < window(entry) - 1000:
            both = {"messages": [{"role": "user", "content": PROSE}], "max_tokens": window(entry) - 5}
            over.append((LimitError, both))
        if is_certain(entry) and entry.context_length and entry.context_length.value < 33_000:
            text = PROSE * (window(entry) // 20)
            over += [
                (ContextLengthError, {"prompt": text}),
                (ContextLengthError, {"messages": [{"role": "user", "content": text}]}),
            ]
        for (kind, inputs), stream in product(over, [False, True]):
            with row((entry.name, [*inputs], stream)):
                with pytest.raises(kind) as caught:
                    caller.run(entry.name, {**inputs, "stream": stream})
                error = caught.value
                assert error.model == entry.name
                assert error.field in inputs
                assert error.limit < error.value
                for part in (entry.name, error.field, f"{error.limit:,}", error.limit_source):
                    assert part
                    assert part in str(error)
                if error.field == next(iter(inputs)) and isinstance(requested := inputs[error.field], int):
                    assert error.value == requested
                    assert f"{requested:,}" in str(error)
    assert not service.requests


def test_a_legal_call_is_sent_as_it_is(caller: Caller, service: Service) -> None:
    assert len(TEXT_MODELS) >= 40
    assert len([entry for entry in TEXT_MODELS if entry.retired_on is None]) >= 30
    for entry, stream in product(TEXT_MODELS, [False, True]):
        inputs = {"messages": [{"role": "user", "content": PROSE}], "max_tokens": most(entry), "stream": stream}
        caller.run(entry.name, inputs)
        assert service.sent == inputs, entry.name


def test_the_most_that_a_model_gives_is_requested_by_its_number(caller: Caller, service: Service) -> None:
    for entry in TEXT_MODELS:
        caller.run(entry.name, {"prompt": PROSE, "max_tokens": "max"})
        requested = service.sent["max_tokens"]
        assert type(requested) is int, entry.name
        limit = entry.sequence_length.value if entry.sequence_length else window(entry)
        assert 0 < requested <= limit, entry.name
        caller.run(entry.name, {"prompt": PROSE, "max_tokens": requested})
    assert len(service.requests) == 2 * len(TEXT_MODELS)


def test_the_largest_output_of_a_check_is_what_max_requests(caller: Caller, service: Service) -> None:
    for prompt in ("Hi", han(0.5), dense(9000), "def f(x):\n    return x + 1\n" * 300):
        result = caller.ai.check(LLAMA_3_3, {"prompt": prompt})
        caller.run(LLAMA_3_3, {"prompt": prompt, "max_tokens": "max"})
        assert service.sent == {"prompt": prompt, "max_tokens": result.max_tokens}
        assert caller.ai.check(LLAMA_3_3, service.sent)
        more = caller.ai.check(LLAMA_3_3, {"prompt": prompt, "max_tokens": 24_000})
        assert more.error is not None
        assert more.error.max_tokens == result.max_tokens


def test_llama_2_reads_and_gives_what_was_announced_and_no_more(caller: Caller, service: Service) -> None:
    rows: list[tuple[str, int, int | None, tuple[str, int] | None]] = [
        # The model, how often it reads the prose, the output; the kind and the figure of the limit, if it is passed.
        (LLAMA_2, 6, 1800, None),
        (LLAMA_2, 1, 1801, ("sequence", 1800)),
        (LLAMA_2_FP16, 6, 2500, None),
        (LLAMA_2_FP16, 1, 2501, ("sequence", 2500)),
        (LLAMA_2, 40, 1800, None),  # 1900 tokens
        (LLAMA_2, 52, None, ("context", 2048)),  # 2400 tokens
        (LLAMA_2_FP16, 52, None, None),
    ]
    for model, times, output, limit in rows:
        inputs = {"prompt": PROSE * times} | ({} if output is None else {"max_tokens": output})
        service.forget()
        with row((model, times, output)), pytest.raises(LimitError) if limit else nullcontext() as caught:
            caller.run(model, inputs)
        assert len(service.requests) == (limit is None), (model, times, output)
        if caught is not None and limit is not None:
            error = caught.value
            assert type(error) is (SequenceLengthError if output else ContextLengthError), (model, times, output)
            assert (error.limit_kind, error.limit) == limit, (model, times, output)
            assert error.value == output if output else error.value > limit[1], (model, times, output)


# Modes


def test_a_verdict_raises_or_warns_by_the_mode(callers: Callable[..., Caller], service: Service) -> None:
    for mode, (verdict, prompt) in product(RAISED, PROMPTS.items()):
        caller, sent, name = callers(checks=mode), len(service.requests), (mode, verdict)
        assert caller.ai.check(LLAMA_3_3, {"prompt": prompt}).verdict == verdict
        if verdict in RAISED[mode]:
            with pytest.raises(ContextLengthError) as caught:
                caller.run(LLAMA_3_3, {"prompt": prompt})
            assert caught.value.source == "local", name
            assert len(service.requests) == sent, name
            continue
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            caller.run(LLAMA_3_3, {"prompt": prompt})
        expected = [LimitWarning] * (verdict in WARNED and mode != "off")
        assert [warning.category for warning in warned] == expected, name
        assert service.sent == {"prompt": prompt}, name


def test_a_presumed_tokenizer_raises_only_under_strict(callers: Callable[..., Caller], service: Service) -> None:
    inputs = {"prompt": dense(256_001)}
    with pytest.raises(ContextLengthError, match="if its tokenizer is as presumed") as caught:
        callers(checks="strict").run(NEMOTRON, inputs)
    assert not caught.value.certain
    assert not service.requests
    for mode in ("enforce", "warn"):
        with pytest.warns(LimitWarning, match="if its tokenizer is as presumed"):
            callers(checks=mode).run(NEMOTRON, inputs)
    callers(checks="off").run(NEMOTRON, inputs)
    assert len(service.requests) == 3


@pytest.mark.filterwarnings("ignore::cfai.LimitWarning")
def test_limits_can_be_lifted_and_put_back(callers: Callable[..., Caller], service: Service) -> None:
    inputs = {"prompt": PROSE * 60, "max_tokens": 10**6}
    for mode in ("warn", "off"):
        for way, caller, options in (
            ("client", callers(checks=mode), {}),
            ("copy", callers().with_options(checks=mode), {}),
            ("call", callers(), {"checks": mode}),
        ):
            with row((way, mode)):
                caller.run(LLAMA_2, inputs, **options)
                assert service.sent == inputs
    assert len(service.requests) == 6
    with pytest.raises(LimitError):
        callers(checks="off").run(LLAMA_2, {"prompt": "x", "max_tokens": 1801}, checks="enforce")
    assert len(service.requests) == 6


def test_a_warning_is_told_once_a_line_or_stops_every_call(callers: Callable[..., Caller], service: Service) -> None:
    caller, prompt = callers(), PROMPTS["likely too long"]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        for _ in range(3):
            caller.run(LLAMA_3_3, {"prompt": prompt})
        assert len(warned) == 1
        for _ in range(2):
            caller.ai.run(LLAMA_3_3, {"prompt": prompt})
        assert len(warned) == 2
        caller.ai.run(LLAMA_3_3, {"prompt": prompt})
        assert [warning.filename for warning in warned[1:]] == [__file__, __file__]
        assert warned[1].lineno != warned[2].lineno
        warnings.simplefilter("error", LimitWarning)
        for _ in range(3):
            with pytest.raises(LimitWarning):
                caller.run(LLAMA_3_3, {"prompt": prompt})
    assert len(service.requests) == 6


def test_a_warning_says_what_the_error_would_and_how_to_silence_it(caller: Caller, service: Service) -> None:
    for inputs in ({"prompt": PROMPTS["likely too long"]}, {"prompt": "x", "max_tokens": 10**9}):
        result = caller.ai.check(LLAMA_3_3, inputs)
        with pytest.warns(LimitWarning) as warned:
            caller.run(LLAMA_3_3, inputs, checks="warn")
        begin, advice, _ = str(result.error).partition("or pass checks=")
        assert str(warned[0].message) == f"{begin}{advice}'off' to send it without a word.", [*inputs]
    count = caller.ai.check(LLAMA_3_3, {"prompt": PROMPTS["likely too long"]}).tokens
    with pytest.warns(LimitWarning) as warned:
        caller.run(LLAMA_3_3, {"prompt": PROMPTS["likely too long"]})
    assert count is not None
    for part in (
        f"24,000 tokens for {LLAMA_3_3} (Workers AI model listing, context_window",
        f"likely {count.estimate:,} tokens (lower bound {count.lower:,}, upper bound {count.upper:,})",
        "Shorten `prompt`",
    ):
        assert part in str(warned[0].message), part
    assert len(service.requests) == 3


def test_a_call_is_checked_by_its_overrides(callers: Callable[..., Caller], service: Service) -> None:
    caller = callers(limit_overrides={LLAMA_3_3: 5000})
    for each in (caller, caller.with_options(timeout=5)):
        with pytest.raises(ContextLengthError):
            each.run(LLAMA_3_3, {"prompt": dense(5000)})
    assert not service.requests
    caller.run(LLAMA_3_3, {"prompt": dense(4000)})
    with pytest.raises(ContextLengthError):  # a short call is not only checked by the catalogue
        callers(limit_overrides={BGE: 100}).run(BGE, {"text": ["word " * 102]})
    wider = callers(limit_overrides={LLAMA_3_3: {"context_length": 100_000, "sequence_length": 100_000}})
    wider.run(LLAMA_3_3, {"prompt": dense(50_000), "max_tokens": 40_000})
    assert len(service.requests) == 2


def test_a_call_means_the_same_whatever_was_answered_before(callers: Callable[..., Caller], service: Service) -> None:
    caller, inputs = callers(checks="off"), {"prompt": han(0.6)}

    def checked() -> CheckResult:
        return caller.ai.check(LLAMA_3_3, inputs)

    before = checked()
    service.answers(service.result({"response": "Hi", "usage": {"prompt_tokens": 20_000}}))
    for _ in range(6):
        caller.run(LLAMA_3_3, inputs)
    assert checked() == before
    message = "The estimated number of input and maximum output tokens (30000) exceeded this model context window limit"
    service.answers(service.error(413, 5021, f"{message} (5000)."))
    with pytest.raises(ContextLengthError):
        caller.run(LLAMA_3_3, {"prompt": dense(30_000)})
    assert checked() == before


# Options, and places of the text


def test_limits_hold_for_every_option_and_every_text(callers: Callable[..., Caller], serve: Callable[..., Any]) -> None:
    server = serve(answering)
    caller, long = callers(base_url=server.url), {"role": "user", "content": PROSE * 30}
    options: tuple[dict[str, Any], ...] = (
        *({"return_raw_response": True}, {"gateway": "g"}, {"queue_request": True}),
        *({"max_retries": None}, {"total_timeout": 50}, {"reject_if_busy": True}),
    )
    rows: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
        *((LLAMA_2, {"prompt": "x", "max_tokens": 1801}, option, "max_tokens") for option in options),
        (LLAMA_2, {"messages": [{**long, "role": "system"}, {**long, "content": PROSE * 60}]}, {}, "messages"),
        (LLAMA_2, {"messages": [{"role": "user", "content": [{"type": "text", "text": PROSE * 60}]}]}, {}, "messages"),
        (LLAMA_2, {"messages": [long, long]}, {}, "messages"),
        (LLAMA_2, {"requests": [{"prompt": "x"}, {"prompt": PROSE * 60}]}, {}, "prompt"),
        (LLAMA_2, {"messages": [Message(role="user", content="word " * 3000)]}, {}, "messages"),
        (LLAMA_2, {"prompt": "x", "max_tokens": Number(1801)}, {}, "max_tokens"),
        (BGE, {"text": ["short", "word " * 513]}, {}, "Split `text`"),
        ("@cf/baai/bge-m3", {"text": ["word " * 7000] * 10}, {}, "at most 60,000 tokens in all texts together"),
    ]
    for model, inputs, option, message in rows:
        with row((message, option)), pytest.raises(LimitError, match=message):
            caller.run(model, inputs, **option)
    assert server.connections == 0
    assert caller.ai.last_request_http_status_code is None
    for inputs in ({"text": "word " * 500}, {"text": ["word " * 500] * 100}, {"text": [5, None]}):
        caller.run(BGE, inputs)
        assert json.loads(server.requests[-1].partition(b"\r\n\r\n")[2]) == inputs


class Number:
    dtype = "int64"

    def __init__(self, value: int) -> None:
        self.value = value

    def tolist(self) -> int:
        return self.value


class Message(BaseModel):
    role: str
    content: str


def test_a_number_that_has_too_many_digits_is_refused(caller: Caller, service: Service) -> None:
    for model, kind, message in (
        ("@cf/some/model", InputError, r"inputs\['max_tokens'\]: a number of that many digits cannot be sent"),
        (LLAMA_3_3, SequenceLengthError, "got 1,000,000,000,000,000,000"),
    ):
        with row(message), pytest.raises(kind, match=message):
            caller.run(model, {"prompt": "x", "max_tokens": 10**5000})
    assert not service.requests


class Where(ByWords):
    """Notes the threads in which it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def count_text(self, text: str, /) -> int:
        self.threads.append(threading.get_ident())
        return super().count_text(text)


def test_a_long_prompt_is_counted_beside_the_event_loop(callers: Callable[..., Caller], service: Service) -> None:
    counter = Where()
    caller = callers(token_counter=counter)
    loop = threading.get_ident() if caller.portal is None else caller.portal.call(threading.get_ident)
    for size, is_in_loop in ((90_000, True), (110_000, caller.portal is None)):
        counter.threads.clear()
        caller.run(LLAMA_3_3, {"messages": [{"role": "user", "content": "x" * size}]})
        assert {thread == loop for thread in counter.threads} == {is_in_loop}, size


# The emulator's gateway, which estimates as Cloudflare's does


GOVERNMENT = "international cooperation between governments requires transparent administration and communication. "


def test_the_gateway_refuses_neither_what_max_requests_nor_what_is_left_of_a_conversation(local: Emulator) -> None:
    talk = [{"role": "user" if turn % 2 == 0 else "assistant", "content": GOVERNMENT * 5} for turn in range(601)]
    fit = fit_messages(talk, model=LLAMA_3_3, max_tokens=1000)
    assert fit.dropped
    with local.ai(max_retries=None) as ai:
        for prompt in ("word " * 700, GOVERNMENT * 700):
            assert ai.run(LLAMA_3_3, {"prompt": prompt, "max_tokens": "max"}).text
            requested = local.requests[-1].inputs["max_tokens"]
            estimate = ceil(len(json.dumps({"prompt": prompt}, separators=(",", ":"))) / 4)
            assert 1000 < requested <= 24_000 - estimate
        assert ai.run(LLAMA_3_3, {"messages": fit.messages, "max_tokens": 1000}).text
    own = fit_messages(talk, model=LLAMA_3_3, limit=24_000, max_tokens=1000)
    assert len(own.messages) > len(fit.messages)  # the gateway knows nothing of a limit of one's own
