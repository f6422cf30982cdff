from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import count_tokens, models, tokens
from cfai._errors import ConfigurationError, ContextLengthError, LimitError, SequenceLengthError
from cfai._limits.check import check, resolve_max_tokens
from cfai._limits.policy import LimitPolicy
from cfai._limits.verdict import CheckResult
from cfai.models import Limit
from tests.texts import dense

INT8 = "@cf/meta/llama-2-7b-chat-int8"  # 2048 in, 1800 out
FP16 = "@cf/meta/llama-2-7b-chat-fp16"  # 3072 in, 2500 out
LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 24000 out, 256 by default
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"  # 131000 together, no figure for the output
QWEN = "@cf/qwen/qwq-32b"  # 24000 together
LLAMA_3_1 = "@cf/meta/llama-3.1-8b-instruct-fp8"  # 32000 together, 32000 out, 256 by default
GPT_OSS = "@cf/openai/gpt-oss-20b"  # 128000 together, 16384 out
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"  # 3072 in, 4096 together
NEMOTRON = "@cf/nvidia/nemotron-3-120b-a12b"  # a presumed tokenizer
NO_FIGURES = "@cf/meta/llama-3.1-8b-instruct-fast"

MAX_TOKENS_FIELDS = ["max_tokens", "max_completion_tokens", "max_output_tokens"]
WINDOWS = [model for model in models.catalogue().values() if model.window]
SEQUENCES = [model for model in models.catalogue().values() if model.sequence_length]


def user(text: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def found(model: str, inputs: dict[str, Any]) -> CheckResult:
    fit = check(model, inputs)
    assert fit.error is not None
    return fit


def passes(model: str, inputs: dict[str, Any]) -> bool:
    """Whether nothing is proven to be too long. Near a limit it may well be likely."""
    return check(model, inputs).verdict != "too long"


def reserved_output(model: models.Model) -> int:
    return (model.default_max_tokens.value if model.default_max_tokens else 1) if model.window == "shared" else 0


def by_name(model: models.Model) -> str:
    return model.name


def test_the_tables_are_long_enough() -> None:
    assert len(WINDOWS) >= 40


# Output


@pytest.mark.parametrize("model", SEQUENCES, ids=by_name)
@pytest.mark.parametrize("field", MAX_TOKENS_FIELDS)
def test_more_output_than_the_model_gives_is_a_sequence_length_error(model: models.Model, field: str) -> None:
    limit = model.sequence_length
    assert limit
    finding = found(model.name, {"prompt": "Hi", field: limit.value + 1})
    assert type(finding.error) is SequenceLengthError
    assert finding.certain
    assert (finding.error.model, finding.error.field) == (model.name, field)
    assert (finding.error.value, finding.error.limit) == (limit.value + 1, limit.value)
    assert limit.source in finding.error.limit_source
    assert limit.date in finding.error.limit_source


@pytest.mark.parametrize("model", SEQUENCES, ids=by_name)
def test_as_much_output_as_the_model_gives_is_fine_where_the_window_leaves_it(model: models.Model) -> None:
    limit, window = model.sequence_length, model.context_length
    assert limit
    asked = limit.value
    if model.window == "shared" and window and window.value <= limit.value:
        asked = window.value - 2
    assert passes(model.name, {"prompt": "Hi", "max_tokens": asked})


def test_without_a_sequence_length_the_window_bounds_the_output() -> None:
    error = found(SCOUT, {"prompt": "Hi", "max_completion_tokens": 131_001}).error
    assert type(error) is ContextLengthError
    assert (error.field, error.value, error.limit) == ("max_completion_tokens", 131_001, 131_000)
    assert f"{SCOUT} reads and writes 131,000 tokens at most" in str(error)


def test_the_total_bounds_the_output_where_that_is_the_figure_known() -> None:
    error = found(MISTRAL, {"prompt": "Hi", "max_tokens": 4097}).error
    assert type(error) is ContextLengthError
    assert error.limit == 4096


@pytest.mark.parametrize("value", [None, True, "2000", "max", 1e9, 1801.0, -5, [5000], {"a": 1}])
def test_what_is_no_count_of_tokens_is_left_to_the_service(value: object) -> None:
    assert passes(INT8, {"prompt": "Hi", "max_tokens": value})


def test_any_spelling_over_the_limit_is_found_beside_one_that_is_not() -> None:
    error = found(INT8, {"prompt": "Hi", "max_tokens": 10, "max_completion_tokens": 1801}).error
    assert error.field == "max_completion_tokens"


# Input


@pytest.mark.parametrize("model", WINDOWS, ids=by_name)
def test_a_prompt_one_token_too_long_is_found(model: models.Model) -> None:
    limit = model.context_length
    assert limit
    finding = found(model.name, {"prompt": dense(limit.value + 1)})
    assert type(finding.error) is ContextLengthError
    assert finding.certain == (tokens.family_of(model.name).certain and limit.certain_to_refuse)
    assert finding.error.field == "prompt"
    assert (finding.error.value, finding.error.limit) == (limit.value + 1, limit.value)
    assert finding.error.limit_source == f"{limit.source}, {limit.date}"


@pytest.mark.parametrize("model", WINDOWS, ids=by_name)
def test_a_prompt_that_fits_to_the_token_is_not_found(model: models.Model) -> None:
    assert model.context_length
    text = dense(model.context_length.value - reserved_output(model))
    assert passes(model.name, {"prompt": text})
    assert passes(model.name, {"messages": user(text)})


@pytest.mark.parametrize("model", [model for model in WINDOWS if model.window == "shared"], ids=by_name)
def test_a_shared_window_holds_the_output_too(model: models.Model) -> None:
    assert model.context_length
    text = dense(model.context_length.value - 100)
    assert passes(model.name, {"prompt": text, "max_tokens": 100})
    error = found(model.name, {"prompt": text, "max_tokens": 101}).error
    assert type(error) is ContextLengthError
    assert (error.field, error.value, error.limit) == (
        "max_tokens",
        model.context_length.value + 1,
        model.context_length.value,
    )


@pytest.mark.parametrize("model", [model for model in WINDOWS if model.default_max_tokens], ids=by_name)
def test_the_default_output_is_held_free_in_a_shared_window_where_none_is_asked_for(model: models.Model) -> None:
    assert model.context_length
    if model.window == "shared":
        error = found(model.name, {"prompt": dense(model.context_length.value - reserved_output(model) + 1)}).error
        assert error.field == "prompt"
        assert error.value == model.context_length.value + 1
    else:
        assert passes(model.name, {"prompt": dense(model.context_length.value)})


def test_two_limits_are_two_limits() -> None:
    assert passes(INT8, {"prompt": dense(300), "max_tokens": 1800})
    assert passes(INT8, {"prompt": dense(2048), "max_tokens": 1800})
    assert passes(FP16, {"prompt": dense(3072), "max_tokens": 2500})
    assert type(found(FP16, {"prompt": dense(3073)}).error) is ContextLengthError
    assert type(found(FP16, {"prompt": "Hi", "max_tokens": 2501}).error) is SequenceLengthError


def test_of_several_spellings_the_least_is_held_free() -> None:
    inputs = {"prompt": dense(20_000), "max_tokens": 10, "max_completion_tokens": 5000}
    assert passes(LLAMA_3_3, inputs)
    assert found(LLAMA_3_3, {**inputs, "max_tokens": 4001}).error.field == "max_tokens"


def test_no_output_needs_no_room() -> None:
    assert passes(LLAMA_3_3, {"prompt": dense(24_000), "max_tokens": 0})


def test_a_total_is_a_limit_beside_the_context() -> None:
    assert passes(MISTRAL, {"prompt": dense(3072), "max_tokens": 1024})
    assert found(MISTRAL, {"prompt": dense(3072), "max_tokens": 1025}).error.limit == 4096
    assert found(MISTRAL, {"prompt": dense(3073), "max_tokens": 1}).error.limit == 3072


def test_a_presumed_tokenizer_is_never_certain() -> None:
    finding = found(NEMOTRON, {"prompt": dense(256_001)})
    assert not finding.certain
    assert str(finding.error).startswith(
        "prompt is at least 256,001 tokens if its tokenizer is as presumed (about 256,001, at most 256,439), "
        f"but {NEMOTRON} reads 256,000"
    )


def test_an_output_is_certain_whatever_the_tokenizer() -> None:
    assert found(NEMOTRON, {"prompt": "Hi", "max_tokens": 256_001}).certain


def test_a_limit_that_may_not_be_enforced_is_never_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    doubtful = models.Limit(100, "a rumour", "2026-01-01", certain_to_refuse=False)
    entry = models.Model(INT8, "Text Generation", context_length=doubtful, sequence_length=doubtful, window="separate")
    monkeypatch.setattr(models, "get", lambda name: entry)
    assert not found(INT8, {"prompt": dense(101)}).certain
    assert not found(INT8, {"prompt": "Hi", "max_tokens": 101}).certain


def test_what_is_certain_comes_before_what_is_not() -> None:
    assert not found(NEMOTRON, {"prompt": dense(256_001)}).certain
    assert found(NEMOTRON, {"requests": [{"prompt": dense(256_001)}, {"prompt": "Hi", "max_tokens": 10**9}]}).certain


@pytest.mark.parametrize(
    "model",
    ["@cf/baai/bge-m3", "@cf/openai/whisper", "@cf/facebook/bart-large-cnn", NO_FIGURES, "somebody/unknown", ""],
)
def test_where_no_figure_is_known_nothing_is_found(model: str) -> None:
    assert passes(model, {"prompt": dense(3_000_000), "text": dense(3_000_000), "max_tokens": 10**9})


def test_each_request_of_a_batch_is_checked_like_inputs_of_its_own() -> None:
    assert passes(INT8, {"requests": [{"prompt": dense(1500)}, {"prompt": dense(1500)}]})
    assert found(INT8, {"requests": [{"prompt": "Hi"}, {"prompt": dense(2049)}]}).error.field == "prompt"
    assert found(INT8, {"requests": [{"prompt": "Hi", "max_tokens": 1801}]}).error.field == "max_tokens"


@pytest.mark.parametrize("letter", ["X", "x"])
def test_letters_count_from_the_first_to_the_last(letter: str) -> None:
    assert found(INT8, {"prompt": f"{letter} " * 8000}).error.field == "prompt"


# What counts

LONG = dense(2049)
SPEECH = "Her long speech was over and nobody had heard a word. " * 300


@pytest.mark.parametrize(
    "inputs",
    [
        {"prompt": LONG},
        {"prompt": LONG, "raw": True},
        {"messages": user(LONG)},
        {"messages": [{"role": "system", "content": LONG}, {"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]},
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
    ],
)
def test_text_that_a_model_reads_counts(inputs: dict[str, Any]) -> None:
    finding = found(INT8, inputs)
    assert finding.certain
    assert finding.error.field == next(key for key in ("prompt", "messages", "input") if key in inputs)


@pytest.mark.parametrize(
    "inputs",
    [
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
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "<think>"},
                        {"type": "text", "text": LONG},
                        {"type": "text", "text": "</think>"},
                    ],
                }
            ]
        },
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
    ],
)
def test_what_a_template_may_leave_out_does_not_count(inputs: dict[str, Any]) -> None:
    assert passes(INT8, inputs)


def test_parts_that_make_a_special_token_together_count_as_one() -> None:
    halves = [{"type": "text", "text": half} for _ in range(3000) for half in ("<|im_", "end|>")]
    assert passes(QWEN, {"messages": [{"role": "user", "content": halves}]})


def test_tuples_are_lists() -> None:
    listed, tupled = (found(INT8, {"messages": kind(user(LONG))}) for kind in (list, tuple))
    assert (tupled.verdict, str(tupled.error)) == (listed.verdict, str(listed.error))


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
@settings(max_examples=150, deadline=None)
def test_any_inputs_are_taken_and_left_as_they_are(inputs: dict[str, Any]) -> None:
    before = repr(inputs)
    for model in (INT8, MISTRAL, QWEN):
        finding = check(model, resolve_max_tokens(model, inputs))
        assert finding.error is None or isinstance(finding.error, LimitError)
    assert repr(inputs) == before


@pytest.mark.parametrize("blank", [" ", "\n", "\ufeff", "\u3000", "\x1f"])
@pytest.mark.parametrize("what", ["prompt", "messages"])
def test_what_a_template_may_trim_counts_nothing(what: str, blank: str) -> None:
    text = blank * 20_000
    assert passes(INT8, {what: text if what == "prompt" else user(text)})


# Messages


def test_the_message_of_a_prompt_too_long_says_what_and_what_to_do() -> None:
    assert str(found(INT8, {"messages": user(LONG)}).error) == (
        "messages is at least 2,049 tokens (about 2,049, at most 2,530), but @cf/meta/llama-2-7b-chat-int8 reads "
        "2,048 tokens at most "
        "(Cloudflare announcement, 2023-11-14). "
        "Shorten messages, or pass checks='warn' or checks='off' to send it all the same."
    )


def test_the_message_of_an_output_too_long_says_what_and_what_to_do() -> None:
    assert str(found(INT8, {"prompt": "Hi", "max_tokens": 1801}).error) == (
        "max_tokens is 1,801, but @cf/meta/llama-2-7b-chat-int8 writes 1,800 tokens at most "
        "(Cloudflare announcement, 2023-11-14). "
        "Lower max_tokens, or pass checks='warn' or checks='off' to send it all the same."
    )


@pytest.mark.parametrize("field", MAX_TOKENS_FIELDS)
def test_where_only_the_output_does_not_fit_the_message_says_how_much_may(field: str) -> None:
    message = str(found(LLAMA_3_3, {"prompt": dense(20_000), field: 5000}).error)
    counts = "prompt is at least 20,000 tokens (about 20,000, at most 20,438), which leaves 4,000 or less of the 24,000"
    assert message.startswith(counts)
    assert f"{field} asks for 5,000. Set {field} to 3,562 or less, or pass" in message


def test_where_the_default_does_not_fit_the_message_says_so() -> None:
    message = str(found(LLAMA_3_3, {"prompt": dense(23_900)}).error)
    assert "without max_tokens 256 are asked for. Shorten prompt, or pass" in message


def test_where_nothing_is_left_the_message_says_to_shorten() -> None:
    message = str(found(SCOUT, {"prompt": dense(131_000)}).error)
    assert "leaves 0 or less" in message
    assert "Shorten prompt, or pass" in message


def test_the_errors_survive_pickling() -> None:
    error = found(INT8, {"messages": user(LONG)}).error
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ContextLengthError
    assert (str(again), again.field, again.value, again.limit, again.limit_source) == (
        str(error),
        error.field,
        error.value,
        error.limit,
        error.limit_source,
    )


# "max"


@pytest.mark.parametrize("field", MAX_TOKENS_FIELDS)
@pytest.mark.parametrize(("model", "most"), [(INT8, 1800), (FP16, 2500), (GPT_OSS, 16_384)])
def test_max_is_the_sequence_length_where_the_window_leaves_it(model: str, most: int, field: str) -> None:
    assert resolve_max_tokens(model, {"prompt": "Hi", field: "max"}) == {"prompt": "Hi", field: most}


@pytest.mark.parametrize("model", [model for model in WINDOWS if model.window == "shared"], ids=by_name)
def test_max_leaves_room_for_the_prompt_in_a_shared_window(model: models.Model) -> None:
    assert model.context_length
    for text in ("Hi", dense(1000)):
        inputs = resolve_max_tokens(model.name, {"messages": user(text), "max_tokens": "max"})
        assert 0 < inputs["max_tokens"] + len(text) < model.context_length.value
        assert passes(model.name, inputs)


def test_max_leaves_room_in_a_total() -> None:
    assert (
        4096 - 1000 - 500
        < resolve_max_tokens(MISTRAL, {"prompt": dense(1000), "max_tokens": "max"})["max_tokens"]
        < 3096
    )


def test_max_leaves_room_for_what_an_estimate_may_be_off_by() -> None:
    prose = "It was a bright cold day in April, and the clocks were striking thirteen. " * 270
    count = count_tokens(prose, model=LLAMA_3_3)
    asked = resolve_max_tokens(LLAMA_3_3, {"prompt": prose, "max_tokens": "max"})["max_tokens"]
    assert 24_000 - count.upper < asked < 24_000 - count.estimate / 0.87
    assert asked > 0.9 * (24_000 - count.estimate)


def test_max_leaves_more_for_other_scripts() -> None:
    words = "слово за слово " * 700
    count = count_tokens(words, model=LLAMA_3_3)
    asked = resolve_max_tokens(LLAMA_3_3, {"prompt": words, "max_tokens": "max"})["max_tokens"]
    assert 24_000 - count.upper < asked < 24_000 - count.estimate / 0.71


@pytest.mark.parametrize("field", MAX_TOKENS_FIELDS)
def test_fit_is_the_same(field: str) -> None:
    for prompt in ("Hi", dense(1000), "слово " * 3000):
        most = resolve_max_tokens(LLAMA_3_3, {"prompt": prompt, field: "max"})
        assert resolve_max_tokens(LLAMA_3_3, {"prompt": prompt, field: "fit"}) == most


def test_max_is_exact_about_what_a_template_may_add() -> None:
    # About 11 tokens with the template of the family, which may be 32 more.
    asked = resolve_max_tokens(SCOUT, {"prompt": "Hi", "max_tokens": "max"})["max_tokens"]
    assert 131_000 - 50 < asked < 131_000 - 40


def test_max_is_never_less_than_one() -> None:
    assert resolve_max_tokens(LLAMA_3_3, {"prompt": dense(60_000), "max_tokens": "max"})["max_tokens"] == 1


def test_max_counts_images_and_tools_but_no_base64() -> None:
    plain = resolve_max_tokens(SCOUT, {"messages": user("Hi"), "max_tokens": "max"})["max_tokens"]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 500_000}}
    pictured = {"messages": [{"role": "user", "content": [image]}], "max_tokens": "max"}
    assert plain - 4000 < resolve_max_tokens(SCOUT, pictured)["max_tokens"] < plain - 2500
    besides = {"messages": user("Hi"), "image": [1] * 500_000, "max_tokens": "max"}
    assert plain - 4000 < resolve_max_tokens(SCOUT, besides)["max_tokens"] < plain - 2500
    tooled = {"messages": user("Hi"), "tools": [{"name": "t", "description": dense(900)}], "max_tokens": "max"}
    assert resolve_max_tokens(SCOUT, tooled)["max_tokens"] < plain - 900


def test_max_is_resolved_in_each_request_of_a_batch() -> None:
    inputs = {"requests": [{"prompt": "Hi", "max_tokens": "max"}, {"prompt": "Ho"}, None]}
    assert resolve_max_tokens(INT8, inputs) == {
        "requests": [{"prompt": "Hi", "max_tokens": 1800}, {"prompt": "Ho"}, None]
    }
    assert inputs["requests"][0] == {"prompt": "Hi", "max_tokens": "max"}


def test_in_a_batch_what_was_given_counts_too() -> None:
    rules = LimitPolicy(overrides={LLAMA_3_3: {"sequence_length": Limit(700, "limit_overrides", "given by you")}})
    resolved = resolve_max_tokens(LLAMA_3_3, {"requests": [{"prompt": "Hi", "max_tokens": "max"}]}, rules)
    assert resolved["requests"][0]["max_tokens"] == 700
    both = {"prompt": "Hi", "max_tokens": "max", "requests": [{"prompt": dense(900)}]}
    assert resolve_max_tokens(LLAMA_3_3, both, rules)["max_tokens"] == 700


def test_inputs_without_max_are_given_back_as_they_are() -> None:
    for inputs in ({"prompt": "Hi"}, {"max_tokens": 5}, {"requests": [{"max_tokens": 5}]}, {"max_tokens": "most"}):
        assert resolve_max_tokens(NO_FIGURES, inputs) is inputs


@pytest.mark.parametrize("model", [NO_FIGURES, "somebody/unknown"])
def test_max_without_a_figure_is_a_configuration_error(model: str) -> None:
    with pytest.raises(ConfigurationError, match=model):
        resolve_max_tokens(model, {"prompt": "Hi", "max_tokens": "max"})


def test_what_max_stands_for_is_a_whole_number() -> None:
    entry = models.get(LLAMA_3_1)
    assert entry is not None
    assert entry.context_length is not None
    for length in (entry.context_length.value + 1, entry.context_length.value + 2):
        (asked,) = {resolve_max_tokens(LLAMA_3_1, {"prompt": "a" * length, "max_tokens": "max"})["max_tokens"]}
        assert type(asked) is int
