"""The limits of every model, what of the inputs counts, and what `"max"` stands for."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import count_tokens, models, tokens
from cfai._config import LimitPolicy, parse_limit_overrides
from cfai._errors import ConfigurationError, ContextLengthError, LimitError, SequenceLengthError
from cfai._limits import CheckResult, check_call, check_unless_short, resolve_max_tokens
from tests.texts import dense

INT8 = "@cf/meta/llama-2-7b-chat-int8"  # 2048 in, 1800 out
FP16 = "@cf/meta/llama-2-7b-chat-fp16"  # 3072 in, 2500 out
LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 24000 out, 256 by default
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"  # 131000 together, no figure for the output
QWEN = "@cf/qwen/qwq-32b"  # 24000 together
GPT_OSS = "@cf/openai/gpt-oss-20b"  # 128000 together, 16384 out
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"  # 3072 in, 4096 together
NEMOTRON = "@cf/nvidia/nemotron-3-120b-a12b"  # a presumed tokenizer
NO_FIGURES = "@cf/meta/llama-3.1-8b-instruct-fast"

MAX_TOKENS_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"]
WINDOWS = [model for model in models.catalogue().values() if model.window]


def user(text: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def found(model: str, inputs: dict[str, Any], policy: LimitPolicy | None = None) -> CheckResult:
    fit = check_call(model, inputs, policy or LimitPolicy())
    assert fit.error is not None
    return fit


def passes(model: str, inputs: dict[str, Any]) -> bool:
    """Return whether nothing is proven to be too long. Near a limit it may well be likely."""
    return check_call(model, inputs).verdict != "too long"


def reserved_output(model: models.Model) -> int:
    return (model.default_max_tokens.value if model.default_max_tokens else 1) if model.window == "shared" else 0


# Input and output


def test_the_output_is_limited_by_the_first_figure_that_is_known() -> None:
    for model, field, limit, kind in (
        *((model.name, field, model.sequence_length.value, SequenceLengthError)
          for model in models.catalogue().values() if model.sequence_length for field in MAX_TOKENS_FIELDS),
        (SCOUT, "max_completion_tokens", 131_000, ContextLengthError),  # the window
        (MISTRAL, "max_tokens", 4096, ContextLengthError),  # the total
    ):  # fmt: skip
        finding = found(model, {"prompt": "Hi", field: limit + 1})
        assert finding.certain, model
        assert type(finding.error) is kind, model
        assert (finding.error.model, finding.error.field) == (model, field)
        assert (finding.error.value, finding.error.limit) == (limit + 1, limit), model
    assert found(NEMOTRON, {"prompt": "Hi", "max_tokens": 256_001}).certain  # whatever the tokenizer
    beside = {"prompt": "Hi", "max_tokens": 10, "max_completion_tokens": 1801}
    assert found(INT8, beside).error.field == "max_completion_tokens"


def test_a_prompt_fits_to_the_token() -> None:
    for model in WINDOWS:
        limit = model.context_length
        assert limit, model.name
        finding = found(model.name, {"prompt": dense(limit.value + 1)})
        assert type(finding.error) is ContextLengthError, model.name
        assert finding.certain == (tokens.get_family(model.name).certain and limit.certain_to_refuse), model.name
        assert (finding.error.field, finding.error.value) == ("prompt", limit.value + 1), model.name
        assert finding.error.limit_source == f"{limit.source}, {limit.date}", model.name
        text = dense(limit.value - reserved_output(model))
        assert passes(model.name, {"prompt": text}), model.name
        assert passes(model.name, {"messages": user(text)}), model.name


def test_a_shared_window_holds_the_output_too() -> None:
    for model in WINDOWS:
        limit = model.context_length
        assert limit, model.name
        if model.window == "separate":
            assert passes(model.name, {"prompt": dense(limit.value), "max_tokens": 1000}), model.name
            continue
        inputs = {"prompt": dense(limit.value - 100)}
        assert passes(model.name, inputs | {"max_tokens": 100}), model.name
        error = found(model.name, inputs | {"max_tokens": 101}).error
        assert type(error) is ContextLengthError, model.name
        assert (error.field, error.value, error.limit) == ("max_tokens", limit.value + 1, limit.value), model.name
        # Without max_tokens, the default is reserved.
        error = found(model.name, {"prompt": dense(limit.value - reserved_output(model) + 1)}).error
        assert (error.field, error.value) == ("prompt", limit.value + 1), model.name


def test_input_and_output_count_against_their_own_limits() -> None:
    for model, size, output, limit in (
        (INT8, 300, {"max_tokens": 1800}, None),
        (INT8, 2048, {"max_tokens": 1800}, None),
        (FP16, 3072, {"max_tokens": 2500}, None),
        (FP16, 3073, {}, 3072),
        (FP16, 5, {"max_tokens": 2501}, 2500),
        (MISTRAL, 3072, {"max_tokens": 1024}, None),  # a total is a limit beside the context
        (MISTRAL, 3072, {"max_tokens": 1025}, 4096),
        (MISTRAL, 3073, {"max_tokens": 1}, 3072),
        (LLAMA_3_3, 24_000, {"max_tokens": 0}, None),
        (LLAMA_3_3, 20_000, {"max_tokens": 10, "max_completion_tokens": 5000}, None),  # the least is reserved
        (LLAMA_3_3, 20_000, {"max_tokens": 4001, "max_completion_tokens": 5000}, 24_000),
    ):
        result = check_call(model, {"prompt": dense(size), **output})
        assert (result.error.limit if result.verdict == "too long" and result.error else None) == limit, (model, size)


def test_a_limit_or_a_tokenizer_that_is_presumed_is_never_certain() -> None:
    finding = found(NEMOTRON, {"prompt": dense(256_001)})
    assert not finding.certain
    presumed = "got at least 256,001 tokens if its tokenizer is as presumed (estimate 256,001, upper bound 256,439). "
    assert presumed in str(finding.error)
    # In a batch, a certain result comes before one that is not.
    assert found(NEMOTRON, {"requests": [{"prompt": dense(256_001)}, {"prompt": "Hi", "max_tokens": 10**9}]}).certain
    doubtful = models.Limit(100, "a rumour", "2026-01-01", certain_to_refuse=False)
    entry = models.Model(INT8, "Text Generation", context_length=doubtful, sequence_length=doubtful, window="separate")
    policy = LimitPolicy(overrides={INT8: entry})
    assert not found(INT8, {"prompt": dense(101)}, policy).certain
    assert not found(INT8, {"prompt": "Hi", "max_tokens": 101}, policy).certain


# What counts

LONG = dense(2049)
SPEECH = "Her long speech was over and nobody had heard a word. " * 300
BLANKS = (" ", "\n", "\ufeff", "\u3000", "\x1f")


def texts(*parts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": part} for part in parts]


def test_text_that_a_model_reads_counts() -> None:
    for inputs in [
        {"prompt": LONG},
        {"prompt": LONG, "raw": True},
        {"messages": user(LONG)},
        {"messages": [{"role": "system", "content": LONG}, {"role": "user", "content": "Hi"}]},
        {"messages": user(texts(LONG))},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": LONG}]}]},
        {"messages": user(LONG), "image": [1, 2, 3]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": LONG}, *user("And?")]},
        {"messages": [None, *user(""), *user(LONG)]},
        {"messages": [*user(dense(1100)), {"role": "assistant", "content": "Yes."}, *user(dense(1100))]},
        {"messages": [*user("Hi"), {"role": "tool", "content": SPEECH}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": [{"type": "text", "text": SPEECH}]}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": json.dumps({"said": SPEECH})}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": json.dumps([[SPEECH]], indent=4)}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": "[" * 40_000}]},
        {"input": LONG},
        {"input": user(LONG)},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": LONG}]}]},
        {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": LONG}]}]},
        {"input": [{"role": "system", "content": LONG}]},
        {"input": [{"type": "function_call_output", "output": SPEECH}]},
        {"input": "Hi", "instructions": LONG},
        {"messages": [*user("Hi"), {"role": "assistant", "content": f"<think>so</think>{LONG}"}]},
        {"prompt": "\ud83d" + LONG + "\ude00"},
    ]:
        finding = found(INT8, inputs)
        assert finding.certain, inputs
        assert finding.error.field == next(key for key in ("prompt", "messages", "input") if key in inputs), inputs


def test_what_a_template_may_leave_out_does_not_count() -> None:
    for inputs in [
        {},
        {"prompt": None},
        {"prompt": 5},
        {"prompt": [LONG]},
        {"messages": None},
        {"messages": LONG},
        {"messages": [None, 5, LONG, []]},
        {"messages": [{"content": LONG}]},
        {"messages": [{"role": "function", "content": LONG}]},
        {"messages": user(None)},
        {"messages": user(5)},
        {"messages": [{"role": "user", "content": {"text": LONG}}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:," + LONG}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "text": LONG}]}]},
        {"messages": user("Hi"), "image": LONG},
        {"messages": user("Hi"), "tools": [{"name": LONG}], "response_format": {"json_schema": LONG}},
        {"messages": [*user("Hi"), {"role": "system", "content": LONG}]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": LONG, "tool_calls": [{"id": "1"}]}]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": "", "reasoning_content": LONG}]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": f"<think>{LONG}</think>Yes."}]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": f"{LONG}</think>Yes."}]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": f"Yes.<think>{LONG}"}]},
        {"messages": [*user("Hi"), {"role": "assistant", "content": f"Yes.[THINK]{LONG}"}]},
        {"messages": [{"role": "assistant", "content": texts("<think>", LONG, "</think>")}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": "\n1" * 4000}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": "中" * 4000}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": json.dumps(list(range(4000)))}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": json.dumps({}) + " " * 40_000}]},
        {"messages": [*user("Hi"), {"role": "tool", "content": "1" * 5000}]},
        {"input": [{"type": "reasoning", "content": LONG}, {"type": "function_call", "arguments": LONG}]},
        {"input": [{"role": "system", "content": LONG}], "instructions": "Be brief."},
        {"instructions": LONG},
        {"prompt": "  \n" * 5000 + "Hi" + "\t\ufeff\u3000" * 5000},
        {"prompt": "\t" * 3000 + dense(1500) + "é" + "\t" * 3000},
        {"messages": [*user("\t" * 3000 + dense(1500)), *user("é" + "\t" * 3000)]},
        {"prompt": LONG, "messages": user("Hi")},
        {"messages": user(LONG), "input": "Hi"},
        {"requests": None},
        {"requests": [None, LONG, 5, []]},
        {"requests": LONG},
        # An output that is no number of tokens is left to the service.
        *({"prompt": "Hi", "max_tokens": it} for it in (None, True, "2000", "max", 1e9, 1801.0, -5, [5000], {"a": 1})),
        # Parts that make a special token together count as one.
        {"messages": user(texts(*["<|im_", "end|>"] * 3000))},
        # A template may trim.
        *({"prompt": blank * 20_000} for blank in BLANKS),
        *({"messages": user(blank * 20_000)} for blank in BLANKS),
    ]:
        for model in (INT8, QWEN):
            assert passes(model, inputs), (model, inputs)


words = st.text(max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.just("max"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "output", "tool_calls", "prompt", "max_tokens", "requests"]
            ),
            inner | st.sampled_from(["user", "assistant", "tool", "system", "text", LONG]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from([*MAX_TOKENS_FIELDS, "prompt", "messages", "input", "instructions", "requests"]), values
    )
)
@settings(max_examples=150)
def test_any_inputs_are_taken_and_left_as_they_are(inputs: dict[str, Any]) -> None:
    before = repr(inputs)
    for model in (INT8, MISTRAL, QWEN):
        resolved = resolve_max_tokens(model, inputs)
        finding = check_call(model, resolved)
        assert finding or check_unless_short(model, resolved, LimitPolicy()) is not None
        assert finding.error is None or isinstance(finding.error, LimitError)
    assert repr(inputs) == before


# Messages


def test_a_message_says_what_must_be_and_what_came_and_what_to_do() -> None:
    anyway = "or pass checks='warn' to send it all the same."
    announced = f"for {INT8} (Cloudflare announcement, 2023-11-14)"
    half, default = {"prompt": dense(20_000)}, {"prompt": dense(23_900)}
    rows: list[tuple[str, dict[str, Any], str]] = [
        (INT8, {"messages": user(LONG)}, f"`messages` must be at most 2,048 tokens {announced}, got at least 2,049"),
        (INT8, {"messages": user(LONG)}, f"(estimate 2,049, upper bound 2,530). Shorten `messages`, {anyway}"),
        (INT8, {"prompt": "Hi", "max_tokens": 1801}, f"`max_tokens` must be at most 1,800 {announced}, got 1,801."),
        (LLAMA_3_3, default, "got at least 23,900 tokens (estimate 23,900, upper bound 24,338), and 256 that"),
        (LLAMA_3_3, default, f"256 that the model writes without max_tokens. Shorten `prompt`, {anyway}"),
        (SCOUT, {"prompt": dense(131_000)}, f"`prompt` and output must be at most 131,000 tokens for {SCOUT} ("),
        (SCOUT, {"input": dense(131_000)}, f"and 1 that an answer has at least. Shorten `input`, {anyway}"),
        *((LLAMA_3_3, half | {field: 5000}, f"5,000 that {field} requests. Set {field} to 3,562 or less, {anyway}")
          for field in MAX_TOKENS_FIELDS),
    ]  # fmt: skip
    for model, inputs, part in rows:
        assert part in str(found(model, inputs).error), part


def test_inputs_that_are_short_have_nothing_wrong() -> None:
    looked_at = {True: 0, False: 0}
    for model in models.catalogue():
        for size in (1, 100, 400, 511, 1500, 8000, 23_000, 100_000):
            for text in (dense(size), "слово " * (size // 11), "word " * (size // 5)):
                for inputs in ({"prompt": text}, {"messages": user(text), "max_tokens": 100}, {"text": [text, text]}):
                    result = check_unless_short(model, inputs, LimitPolicy())
                    looked_at[result is not None] += 1
                    assert result is not None or check_call(model, inputs), (model, size, [*inputs], text[:2])
    assert min(looked_at.values()) > 500


def test_a_short_prompt_is_not_counted() -> None:
    counted: list[str] = []

    class Counter:
        def count_text(self, text: str) -> int:
            counted.append(text)
            return len(text)

    policy = LimitPolicy(counter=Counter())
    assert check_unless_short(LLAMA_3_3, {"prompt": "Hello world"}, policy) is None
    assert check_unless_short(LLAMA_3_3, {"prompt": object()}, policy) is not None  # its length says nothing
    assert counted == []
    assert check_unless_short(LLAMA_3_3, {"prompt": LONG * 20}, policy) is not None
    assert "".join(counted) == LONG * 20


# "max"


def largest(model: str, inputs: dict[str, Any], policy: LimitPolicy | None = None) -> int:
    """Return the number that "max" stands for."""
    asked = {**inputs, "max_tokens": "max"}
    resolved = resolve_max_tokens(model, asked, policy or LimitPolicy())
    assert type(resolved["max_tokens"]) is int
    assert asked["max_tokens"] == "max"
    return resolved["max_tokens"]


def test_max_is_the_sequence_length_where_the_window_leaves_room_for_it_and_the_prompt() -> None:
    for (model, most), field in product(((INT8, 1800), (FP16, 2500), (GPT_OSS, 16_384)), MAX_TOKENS_FIELDS):
        assert resolve_max_tokens(model, {"prompt": "Hi", field: "max"}) == {"prompt": "Hi", field: most}, model
    for model, text in product((model for model in WINDOWS if model.window == "shared"), ("Hi", dense(1000))):
        inputs = {"messages": user(text)}
        number = largest(model.name, inputs)
        assert 0 < number + len(text) < model.context_length.value, model.name
        assert passes(model.name, {**inputs, "max_tokens": number}), model.name
    assert 4096 - 1000 - 500 < largest(MISTRAL, {"prompt": dense(1000)}) < 3096  # in a total
    assert largest(LLAMA_3_3, {"prompt": dense(60_000)}) == 1


def test_max_leaves_room_for_what_an_estimate_may_be_off_by() -> None:
    for text, lowest in (
        ("It was a bright cold day in April, and the clocks were striking thirteen. " * 270, 0.87),
        ("слово за слово " * 700, 0.71),
    ):
        count = count_tokens(text, model=LLAMA_3_3)
        number = largest(LLAMA_3_3, {"prompt": text})
        assert 24_000 - count.upper < number < 24_000 - count.estimate / lowest, lowest
        assert number > 0.8 * (24_000 - count.estimate), lowest


def test_max_counts_images_and_tools_but_no_base64() -> None:
    plain = largest(SCOUT, {"messages": user("Hi")})
    assert 131_000 - 50 < plain < 131_000 - 40
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 500_000}}
    for inputs in ({"messages": user([image])}, {"messages": user("Hi"), "image": [1] * 500_000}):
        assert plain - 4000 < largest(SCOUT, inputs) < plain - 2500, [*inputs]
    assert largest(SCOUT, {"messages": user("Hi"), "tools": [{"name": "t", "description": dense(900)}]}) < plain - 900


def test_max_is_resolved_in_each_request_of_a_batch() -> None:
    inputs = {"requests": [{"prompt": "Hi", "max_tokens": "max"}, {"prompt": "Ho"}, None]}
    resolved = {"requests": [{"prompt": "Hi", "max_tokens": 1800}, {"prompt": "Ho"}, None]}
    assert resolve_max_tokens(INT8, inputs) == resolved
    assert inputs["requests"][0] == {"prompt": "Hi", "max_tokens": "max"}
    policy = LimitPolicy(overrides=parse_limit_overrides({LLAMA_3_3: {"sequence_length": 700}}))
    batch = {"requests": [{"prompt": "Hi", "max_tokens": "max"}]}
    assert resolve_max_tokens(LLAMA_3_3, batch, policy)["requests"][0]["max_tokens"] == 700
    assert largest(LLAMA_3_3, {"prompt": "Hi", "requests": [{"prompt": dense(900)}]}, policy) == 700


def test_max_without_a_figure_is_a_configuration_error_and_without_max_inputs_are_given_back() -> None:
    for model in (NO_FIGURES, "somebody/unknown"):
        with pytest.raises(ConfigurationError, match=f"`max_tokens` must be a number for {model}, .*, got 'max'"):
            largest(model, {"prompt": "Hi"})
    for inputs in ({"prompt": "Hi"}, *({"max_tokens": value} for value in (5, "most", "fit"))):
        assert resolve_max_tokens(NO_FIGURES, inputs) is inputs
    batch = {"requests": [{"max_tokens": 5}]}
    assert resolve_max_tokens(NO_FIGURES, batch) is batch
