"""The verdict table, in both colours: what is raised, what is told, and what goes over the wire."""

from __future__ import annotations

import base64
import json
import struct
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from cfai import (
    Ai,
    CheckResult,
    ConfigurationError,
    ContextLengthError,
    InputError,
    LimitError,
    LimitWarning,
    SequenceLengthError,
    count_tokens,
)
from cfai import tokens as counting
from tests.texts import ByWords, dense

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 256 by default
INT8 = "@cf/meta/llama-2-7b-chat-int8"  # 2048 in, 1800 out, announced
NEMOTRON = "@cf/nvidia/nemotron-3-120b-a12b"  # 256000 together, a presumed tokenizer
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"  # 131000 together, sees images
BGE = "@cf/baai/bge-base-en-v1.5"  # 512 a text
BGE_M3 = "@cf/baai/bge-m3"  # 8192 a text, presumed; 60000 together
NO_FIGURES = "@cf/meta/llama-3.1-8b-instruct-fast"
WINDOW = 24_000

HAN = "我们今天去公园散步然后回家吃饭。"


def han(share: float) -> str:
    """A text whose estimate is that share of the window less the answer."""
    one = counting.estimate(HAN * 50, "llama3") / 50
    return HAN * round((WINDOW - 256) * share / one)


ROWS = {
    "fits": ("Where is New York?", "fits"),
    "likely fits": (han(0.9), "likely fits"),
    "likely too long": (han(1.2), "likely too long"),
    "very likely too long": (han(1.6), "very likely too long"),
    "too long": (dense(WINDOW), "too long"),
}
"""Prompts for Llama 3.3, by the row of the table that they are in."""

RAISED = {"enforce": {"too long"}, "strict": {"too long", "very likely too long"}, "warn": set(), "off": set()}
TOLD = {"likely too long", "very likely too long", "too long"}


@pytest.mark.parametrize("mode", RAISED)
@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_table(callers: Any, service: Any, row: str, mode: Any) -> None:
    prompt, verdict = ROWS[row]
    caller = callers(checks=mode)
    assert caller.ai.check(LLAMA_3_3, {"prompt": prompt}).verdict == verdict
    if verdict in RAISED[mode]:
        with pytest.raises(ContextLengthError) as caught:
            caller.run(LLAMA_3_3, {"prompt": prompt})
        assert caught.value.source == "local"
        assert not service.requests
        return
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        caller.run(LLAMA_3_3, {"prompt": prompt})
    assert [warning.category for warning in told] == [LimitWarning] * (verdict in TOLD and mode != "off")
    assert service.sent == {"prompt": prompt}


@pytest.mark.parametrize(("mode", "raises"), [("enforce", False), ("strict", True), ("warn", False), ("off", False)])
def test_a_presumed_tokenizer_raises_only_where_that_is_asked_for(
    callers: Any, service: Any, mode: Any, raises: bool
) -> None:
    inputs = {"prompt": dense(256_001)}
    caller = callers(checks=mode)
    if raises:
        with pytest.raises(ContextLengthError, match="if its tokenizer is as presumed") as caught:
            caller.run(NEMOTRON, inputs)
        assert not caught.value.certain
        assert not service.requests
    elif mode == "off":
        caller.run(NEMOTRON, inputs)
        assert service.sent == inputs
    else:
        with pytest.warns(LimitWarning, match="if its tokenizer is as presumed"):
            caller.run(NEMOTRON, inputs)
        assert service.sent == inputs


@pytest.mark.parametrize("given", ["for all", "by model"])
@pytest.mark.parametrize(
    ("words", "raised", "told"),
    [(24_000, True, True), (23_746, True, True), (23_740, False, True), (23_700, False, False)],
)
def test_an_exact_count_raises_but_for_what_the_template_may_add(
    callers: Any, service: Any, words: int, raised: bool, told: bool, given: str
) -> None:
    counter: Any = ByWords() if given == "for all" else {LLAMA_3_3: ByWords(), "@cf/other": ByWords()}
    caller = callers(token_counter=counter)
    inputs = {"prompt": "extraordinary " * words}
    fit = caller.ai.check(LLAMA_3_3, inputs)
    assert (fit.tokens.method, fit.tokens.lower) == ("custom", words - 1)
    if raised:
        with pytest.raises(ContextLengthError):
            caller.run(LLAMA_3_3, inputs)
        assert not service.requests
    elif told:
        with pytest.warns(LimitWarning, match="very likely"):
            caller.run(LLAMA_3_3, inputs)
        assert service.sent == inputs
    else:
        caller.run(LLAMA_3_3, inputs)
        assert service.sent == inputs


def test_a_counter_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="count_text"):
        Ai("0" * 32, "token", token_counter=len)  # pyright: ignore[reportArgumentType]  # what is tested


def test_a_warning_is_told_once_for_each_line_that_calls(callers: Any, service: Any) -> None:
    caller = callers()
    prompt = ROWS["likely too long"][0]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            caller.run(LLAMA_3_3, {"prompt": prompt})
        assert len(told) == 1
        for _ in range(2):
            caller.ai.run(LLAMA_3_3, {"prompt": prompt})
        assert len(told) == 2
        caller.ai.run(LLAMA_3_3, {"prompt": prompt})
        assert [warning.filename for warning in told[1:]] == [__file__, __file__]
        assert told[1].lineno != told[2].lineno
    assert len(service.requests) == 6


def test_the_warning_says_everything(caller: Any, service: Any) -> None:
    prompt = ROWS["likely too long"][0]
    fit = caller.ai.check(LLAMA_3_3, {"prompt": prompt})
    with pytest.warns(LimitWarning) as told:
        caller.run(LLAMA_3_3, {"prompt": prompt})
    message = str(told[0].message)
    for part in (
        LLAMA_3_3,
        f"likely {fit.tokens.estimate:,} tokens",
        f"at least {fit.tokens.lower:,}",
        f"at most {fit.tokens.upper:,}",
        "24,000",
        "Workers AI model listing, context_window",
        "Shorten prompt",
        "checks='off'",
    ):
        assert part in message


# `check`


def test_check_says_how_much_fits_and_sends_nothing(caller: Any, service: Any) -> None:
    fit = caller.ai.check(LLAMA_3_3, {"prompt": "Where is New York?", "max_tokens": 1000})
    assert isinstance(fit, CheckResult)
    assert fit
    assert (fit.verdict, fit.certain, fit.error) == ("fits", False, None)
    assert fit.tokens.lower <= 5 <= fit.tokens.estimate <= fit.tokens.upper
    assert (fit.reserve, fit.limit.value) == (1000, 24_000)
    assert fit.limit.source == "Workers AI model listing, context_window"
    assert 23_900 < fit.max_tokens < 24_000
    assert not service.requests


def test_what_was_announced_fits_for_certain(caller: Any) -> None:
    fit = caller.ai.check(INT8, {"prompt": "Where is New York?"})
    assert (fit.verdict, fit.certain, fit.max_tokens) == ("fits", True, 1800)


def test_what_is_too_long_has_its_error(caller: Any, service: Any) -> None:
    fit = caller.ai.check(LLAMA_3_3, {"messages": [{"role": "user", "content": dense(24_001)}]})
    assert not fit
    assert (fit.verdict, fit.certain, fit.max_tokens) == ("too long", True, 0)
    assert isinstance(fit.error, ContextLengthError)
    assert (fit.error.source, fit.error.input_tokens, fit.error.output_tokens) == ("local", 24_001, 256)
    assert fit.error.total_tokens == 24_257
    assert fit.error.max_tokens is None
    assert not service.requests


@pytest.mark.parametrize("model", [NO_FIGURES, "@cf/somebody/unheard-of"])
def test_without_a_figure_nothing_is_known(caller: Any, model: str) -> None:
    fit = caller.ai.check(model, {"prompt": "Hi"})
    assert fit
    assert (fit.verdict, fit.limit, fit.max_tokens) == ("unknown", None, None)


def test_of_a_batch_the_worst_decides(caller: Any) -> None:
    requests = [{"prompt": "Hi"}, {"prompt": dense(24_001)}, {"prompt": han(1.2)}]
    assert caller.ai.check(LLAMA_3_3, {"requests": requests}).verdict == "too long"
    assert caller.ai.check(LLAMA_3_3, {"requests": requests[::2]}).verdict == "likely too long"
    assert caller.ai.check(LLAMA_3_3, {"requests": requests[:1]}).verdict == "fits"


def test_the_largest_output_of_check_is_what_fit_asks_for(caller: Any, service: Any) -> None:
    for prompt in ("Hi", han(0.5), dense(9000), "def f(x):\n    return x + 1\n" * 300):
        fit = caller.ai.check(LLAMA_3_3, {"prompt": prompt})
        caller.run(LLAMA_3_3, {"prompt": prompt, "max_tokens": "fit"})
        assert service.sent == {"prompt": prompt, "max_tokens": fit.max_tokens}
        assert caller.ai.check(LLAMA_3_3, service.sent)
        more = caller.ai.check(LLAMA_3_3, {"prompt": prompt, "max_tokens": WINDOW})
        assert not more
        assert more.error.max_tokens == fit.max_tokens


def test_what_fits_but_for_its_output_is_told_so(caller: Any, service: Any) -> None:
    prompt = "It was a bright cold day in April, and the clocks were striking thirteen. " * 800
    count = count_tokens(prompt, model=LLAMA_3_3)
    with pytest.warns(LimitWarning, match="max_tokens asks for 11,100. Set max_tokens to ") as told:
        caller.run(LLAMA_3_3, {"prompt": prompt, "max_tokens": 11_100})
    assert service.sent["max_tokens"] == 11_100
    advised = int(str(told[0].message).partition("Set max_tokens to ")[2].split()[0].replace(",", ""))
    assert 0 < advised < WINDOW - count.estimate


# Images


def picture(width: int, height: int, size: int = 100) -> dict[str, Any]:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    data = base64.b64encode(head + bytes(size)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def seen(*images: Mapping[str, Any], text: str = "What is this?") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, *images]}], "max_tokens": 100}


def test_an_image_is_never_a_reason_to_refuse(callers: Any, service: Any) -> None:
    # 60 images of 17 tiles are more than the window, as far as is known.
    inputs = seen(*[picture(1344, 1344)] * 60)
    with pytest.warns(LimitWarning):
        callers(checks="strict").run(SCOUT, inputs)
    assert service.sent == inputs


def test_a_large_image_may_be_refused_by_the_gateway(caller: Any, service: Any) -> None:
    inputs = seen(picture(1344, 1344, size=600_000))
    fit = caller.ai.check(SCOUT, inputs)
    assert fit.verdict == "likely too long"
    assert fit.tokens.estimate < 4000
    with pytest.warns(LimitWarning, match="Shrink the images or link them"):
        caller.run(SCOUT, inputs)
    assert service.sent == inputs


def test_a_small_image_is_no_reason_for_anything(caller: Any, service: Any) -> None:
    for image in (picture(640, 480), {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}):
        assert caller.ai.check(SCOUT, seen(image)).verdict == "likely fits"
        caller.run(SCOUT, seen(image))
        assert service.sent == seen(image)


def test_text_beside_an_image_is_refused_as_ever(caller: Any, service: Any) -> None:
    with pytest.raises(ContextLengthError):
        caller.run(SCOUT, seen(picture(640, 480), text=dense(131_000)))
    assert not service.requests


def test_base64_that_is_text_counts_as_text(caller: Any, service: Any) -> None:
    text = "data:image/png;base64," + dense(131_000)
    with pytest.raises(ContextLengthError):
        caller.run(SCOUT, {"messages": [{"role": "user", "content": text}]})
    assert not service.requests


# Embeddings and rerankers


def test_a_text_too_long_to_embed_is_not_sent(caller: Any, service: Any) -> None:
    with pytest.raises(ContextLengthError) as caught:
        caller.run(BGE, {"text": ["short", "word " * 513]})
    assert (caught.value.field, caught.value.value, caught.value.limit) == ("text", 513, 512)
    assert "Split text" in str(caught.value)
    assert not service.requests


def test_a_text_that_fits_is_embedded(caller: Any, service: Any) -> None:
    for inputs in ({"text": "word " * 500}, {"text": ["word " * 500] * 100}):
        caller.run(BGE, inputs)
        assert service.sent == inputs


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": ["word " * 9000]},
        {"contexts": [{"text": "word " * 9000}]},
        {"query": "word " * 9000, "contexts": [{"text": "a"}]},
    ],
    ids=["text", "contexts", "query"],
)
def test_a_limit_that_is_presumed_is_only_told_of(caller: Any, service: Any, inputs: Any) -> None:
    with pytest.warns(LimitWarning, match="8,192 at most of one text"):
        caller.run(BGE_M3, inputs)
    assert service.sent == inputs


def test_texts_too_long_together_are_not_sent(caller: Any, service: Any) -> None:
    with pytest.raises(ContextLengthError, match="60,000 at most of all texts together"):
        caller.run(BGE_M3, {"text": ["word " * 7000] * 10})
    assert not service.requests


@pytest.mark.parametrize("inputs", [{}, {"text": []}, {"text": 5}, {"text": [5, None]}, {"contexts": [{"text": 5}]}])
def test_what_is_no_text_to_embed_is_left_to_the_service(caller: Any, service: Any, inputs: Any) -> None:
    caller.run(BGE_M3, inputs)
    assert service.sent == inputs


def test_texts_that_the_service_is_to_cut_are_sent(caller: Any, service: Any) -> None:
    inputs = {"text": ["word " * 9000] * 10, "truncate_inputs": True}
    caller.run(BGE_M3, inputs)
    assert service.sent == inputs


# What you know better


def test_an_override_is_enforced(callers: Any, service: Any) -> None:
    caller = callers(limit_overrides={LLAMA_3_3: 5000, NO_FIGURES: {"context_length": 1000, "sequence_length": 50}})
    with pytest.raises(ContextLengthError) as caught:
        caller.run(LLAMA_3_3, {"prompt": dense(5000)})
    assert (caught.value.limit, caught.value.limit_source) == (5000, "limit_overrides, given by you")
    with pytest.raises(SequenceLengthError):
        caller.run(NO_FIGURES, {"prompt": "Hi", "max_tokens": 51})
    with pytest.raises(ContextLengthError):
        caller.run(NO_FIGURES, {"prompt": dense(1000)})
    assert not service.requests
    caller.run(LLAMA_3_3, {"prompt": dense(4000)})
    assert caller.ai.check(LLAMA_3_3, {"prompt": "Hi"}).certain


def test_an_override_lifts_a_limit(callers: Any, service: Any) -> None:
    caller = callers(limit_overrides={LLAMA_3_3: {"context_length": 100_000, "sequence_length": 100_000}})
    caller.run(LLAMA_3_3, {"prompt": dense(50_000), "max_tokens": 40_000})
    assert len(service.requests) == 1


def test_copies_and_pickles_keep_their_overrides(callers: Any, service: Any) -> None:
    caller = callers(limit_overrides={LLAMA_3_3: 5000})
    with pytest.raises(LimitError):
        caller.with_options(timeout=5).run(LLAMA_3_3, {"prompt": dense(5000)})
    assert not service.requests


@pytest.mark.parametrize(
    "given",
    [{LLAMA_3_3: 0}, {LLAMA_3_3: "many"}, {LLAMA_3_3: True}, {LLAMA_3_3: {"window": 5}}, {LLAMA_3_3: {"context": 5}}],
)
def test_an_override_that_says_nothing_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="limit_overrides"):
        Ai("0" * 32, "token", limit_overrides=given)


# What answers say of their prompts


def used(service: Any, tokens: int, stream: bool) -> Any:
    usage = {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1}
    if not stream:
        return service.result({"response": "Hi", "usage": usage})
    return service.events(b'data: {"response":"Hi","usage":%s}\n\ndata: [DONE]\n\n' % json.dumps(usage).encode())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("real", "factor"), [(1.2, 1.2), (0.9, 0.9), (1.9, 1.5), (0.5, 0.7)])
def test_after_five_answers_the_estimate_is_corrected_by_their_usage(
    caller: Any, service: Any, stream: bool, real: float, factor: float
) -> None:
    inputs = {"prompt": han(0.6), "stream": stream}
    before = caller.ai.check(LLAMA_3_3, inputs).tokens
    service.answers(used(service, round(before.estimate * real), stream))
    for _ in range(5):
        assert caller.ai.check(LLAMA_3_3, inputs).tokens == before
        answer = caller.run(LLAMA_3_3, inputs)
        if stream:
            list(answer)
    after = caller.ai.check(LLAMA_3_3, inputs).tokens
    assert after.estimate == pytest.approx(before.estimate * factor, rel=0.01)
    assert (after.lower, after.upper) == (before.lower, before.upper)
    assert caller.with_options(timeout=5).ai.check(LLAMA_3_3, inputs).tokens == after
    # It stays there, whatever was estimated meanwhile.
    for _ in range(5):
        answer = caller.run(LLAMA_3_3, inputs)
        if stream:
            list(answer)
    assert caller.ai.check(LLAMA_3_3, inputs).tokens == after


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0}, {"prompt_tokens": "many"}])
def test_usage_that_says_nothing_corrects_nothing(caller: Any, service: Any, usage: Any) -> None:
    inputs = {"prompt": han(0.6)}
    before = caller.ai.check(LLAMA_3_3, inputs).tokens
    service.answers(service.result({"response": "Hi", "usage": usage}))
    for _ in range(6):
        caller.run(LLAMA_3_3, inputs)
    assert caller.ai.check(LLAMA_3_3, inputs).tokens == before


def test_a_correction_is_of_one_model(caller: Any, service: Any) -> None:
    inputs = {"prompt": han(0.6)}
    other = "@cf/meta/llama-3.2-3b-instruct"
    before = caller.ai.check(other, inputs).tokens
    service.answers(used(service, 100_000, stream=False))
    for _ in range(6):
        caller.run(LLAMA_3_3, inputs)
    assert caller.ai.check(other, inputs).tokens == before


EMBEDDING = "@cf/qwen/qwen3-embedding-0.6b"  # 8192 a text


@pytest.mark.parametrize(
    ("model", "texts", "verdict", "certain"),
    [
        (BGE, ["word " * 512], "likely fits", False),
        (BGE, ["a", "word " * 100], "fits", False),
        (BGE, ["a", "word " * 513], "too long", True),
        (BGE_M3, ["word " * 8193], "too long", False),
        (BGE_M3, ["word " * 1000] * 12, "likely fits", False),
        (BGE_M3, ["word " * 7000] * 9, "too long", True),
        (EMBEDDING, ["слово " * 2000], "likely fits", False),
        (EMBEDDING, [HAN * 1000], "likely too long", False),
        (EMBEDDING, ["a", HAN * 1300], "very likely too long", False),
        (EMBEDDING, [dense(8192)], "fits", False),
        (EMBEDDING, [dense(8193)], "too long", True),
    ],
)
def test_texts_to_embed_have_verdicts_too(
    caller: Any, model: str, texts: list[str], verdict: str, certain: bool
) -> None:
    fit = caller.ai.check(model, {"text": texts})
    assert (fit.model, fit.verdict, fit.certain) == (model, verdict, certain)
    assert (fit.reserve, fit.max_tokens, bool(fit.error)) == (0, None, "too" in verdict)
    assert fit.limit.value in (512, 8192, 60_000)


def test_what_is_wrong_with_a_text_is_said(caller: Any) -> None:
    source = "Workers AI model listing, max_input_tokens, 2025-02/2026-10"
    error = caller.ai.check(BGE, {"text": ["short", "word " * 513]}).error
    assert str(error) == (
        f"text is at least 513 tokens (about 513, at most 2,052), but {BGE} reads 512 at most of one text ({source}). "
        "Split text, or pass checks='warn' or checks='off' to send it all the same."
    )
    assert (error.model, error.field, error.value, error.limit) == (BGE, "text", 513, 512)
    assert (error.limit_source, error.input_tokens, error.certain, error.limit_kind) == (source, 513, True, "input")


def test_what_is_wrong_with_all_texts_is_said(caller: Any) -> None:
    fit = caller.ai.check(BGE_M3, {"contexts": [{"text": "word " * 7000}] * 9})
    assert (fit.tokens.lower, fit.limit.value) == (63_000, 60_000)
    assert fit.tokens.lower <= fit.tokens.estimate <= fit.tokens.upper
    assert (fit.error.field, fit.error.value, fit.error.limit_kind) == ("contexts", 63_000, "batch")
    assert "Send fewer texts in one call" in str(fit.error)
    assert f"but {BGE_M3} reads 60,000 at most of all texts together" in str(fit.error)


def test_what_is_likely_wrong_with_a_text_is_said(caller: Any) -> None:
    fit = caller.ai.check(EMBEDDING, {"text": HAN * 1300})
    count = fit.tokens
    expected = f"text is very likely {count.estimate:,} tokens (at least {count.lower:,}, at most {count.upper:,})"
    assert str(fit.error).startswith(expected)
    assert (fit.error.value, fit.error.certain) == (count.estimate, False)


# The output that is held free


def test_the_responses_api_has_no_default_of_its_own(caller: Any) -> None:
    assert caller.ai.check(LLAMA_3_3, {"prompt": "Hi"}).reserve == 256
    assert caller.ai.check(LLAMA_3_3, {"input": "Hi"}).reserve == 1


def test_without_a_default_an_answer_takes_a_token(caller: Any) -> None:
    fit = caller.ai.check("@cf/zai-org/glm-4.7-flash", {"prompt": dense(131_072)})
    assert (fit.reserve, fit.verdict) == (1, "too long")
    assert "and the answer takes one at least. Shorten prompt" in str(fit.error)


def test_one_token_is_no_tokens(caller: Any) -> None:
    error = Ai("0" * 32, "t", limit_overrides={NO_FIGURES: 1}).check(NO_FIGURES, {"prompt": "a"}).error
    assert str(error).startswith("prompt is at least 1 token (about ")


def test_the_verdict_changes_at_the_limit_itself() -> None:
    prompt = HAN * 400
    counts = counting.count({"prompt": prompt}, counting.counting_strategy(NO_FIGURES))
    for least, limit, verdict in (
        ("lower", counts.lower, "very likely too long"),
        ("lower", counts.lower - 1, "too long"),
        ("estimate", counts.estimate, "likely fits"),
        ("estimate", counts.estimate - 2, "likely too long"),
        ("upper", counts.upper, "fits"),
        ("upper", counts.upper - 1, "likely fits"),
    ):
        ai = Ai("0" * 32, "t", limit_overrides={NO_FIGURES: limit + 7})
        assert ai.check(NO_FIGURES, {"prompt": prompt, "max_tokens": 7}).verdict == verdict, (least, limit)


def test_the_gateway_s_check_is_a_quarter_of_the_characters() -> None:
    image = picture(640, 480, size=40_000)
    inputs = seen(image)
    weight = counting.measure_prompt(inputs, counting.counting_strategy(NO_FIGURES))
    inline = weight.inline
    edge = weight.likely + inline / 4 + 100
    for limit, verdict in ((int(edge) + 2, "likely fits"), (int(edge) - 2, "likely too long")):
        ai = Ai("0" * 32, "t", limit_overrides={NO_FIGURES: limit})
        fit = ai.check(NO_FIGURES, inputs)
        assert fit.verdict == verdict
        assert not fit.certain
    assert f"count them as {inline // 4:,} tokens" in str(fit.error)


# What must not hang, or be believed


def test_inputs_that_hold_themselves_are_refused(caller: Any, service: Any) -> None:
    circle: list[Any] = []
    circle.append(circle)
    pair: list[Any] = []
    pair += [pair, pair]
    image: dict[str, Any] = {"type": "image_url"}
    image["image_url"] = image
    for value in (circle, pair, [user_says([image])]):
        for field in ("messages", "prompt", "input", "tools"):
            with pytest.raises(InputError):
                caller.run(LLAMA_3_3, {field: value})
    for value in ([{"role": "user", "content": circle}], [{"role": "user", "content": pair}]):
        with pytest.raises(InputError, match="holds itself"):
            count_tokens(value, family="llama3")
    assert not service.requests


def user_says(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_what_run_does_not_look_at_has_nothing_wrong(callers: Any, service: Any) -> None:
    overrides = {"input_length": 8192, "batch_length": 60_000}
    caller = callers(limit_overrides={LLAMA_3_3: overrides, BGE_M3: {"batch_length": 1000}})
    with pytest.raises(ContextLengthError):
        caller.run(LLAMA_3_3, {"prompt": dense(30_000)})
    with pytest.raises(ContextLengthError):
        caller.run(BGE_M3, {"text": ["word " * 20] * 100})
    assert not service.requests


@pytest.mark.parametrize("real", [10**400, 10**9, 1])
def test_usage_that_cannot_be_true_is_not_believed(caller: Any, service: Any, real: int) -> None:
    inputs = {"prompt": han(0.6)}
    before = caller.ai.check(LLAMA_3_3, inputs).tokens
    service.answers(used(service, real, stream=False))
    for _ in range(6):
        caller.run(LLAMA_3_3, inputs)
    assert caller.ai.check(LLAMA_3_3, inputs).tokens == before


def test_an_exact_count_is_not_corrected(callers: Any, service: Any) -> None:
    caller = callers(token_counter=ByWords(), checks="strict")
    inputs = {"prompt": "extraordinary " * 23_000, "max_tokens": 100}
    service.answers(used(service, 23_600, stream=False))
    for _ in range(6):
        caller.run(LLAMA_3_3, inputs)
    assert caller.ai.check(LLAMA_3_3, {**inputs, "prompt": "extraordinary " * 23_800})


def test_a_warning_that_is_an_error_stops_every_call(caller: Any, service: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LimitWarning)
        for _ in range(3):
            with pytest.raises(LimitWarning):
                caller.run(LLAMA_3_3, {"prompt": ROWS["likely too long"][0]})
    assert not service.requests


def test_what_is_advised_is_what_fits(caller: Any) -> None:
    advised: list[bool] = []
    for words in range(19_000, 24_000, 250):
        inputs = {"prompt": "hello " * words, "max_tokens": 5000}
        fit = caller.ai.check(LLAMA_3_3, inputs)
        assert fit.error is not None
        said = str(fit.error)
        assert ("Set max_tokens to" in said) == bool(fit.max_tokens)
        advised.append(bool(fit.max_tokens))
        if fit.max_tokens:
            assert f"Set max_tokens to {fit.max_tokens:,} or less" in said
            assert "too long" not in caller.ai.check(LLAMA_3_3, inputs | {"max_tokens": fit.max_tokens}).verdict
    assert {*advised} == {True, False}


def test_long_texts_of_other_scripts_take_no_seconds() -> None:
    for text in (
        HAN * 60_000,
        "слово за слово " * 60_000,
        "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(300_000)),
    ):
        looked: list[str] = []
        features = counting._estimate.features

        def spied(piece: str, looked: list[str] = looked, features: Any = features) -> Any:
            looked.append(piece)
            return features(piece)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(counting._estimate, "features", spied)
            counting.cost(text, "gemma2")
        assert sum(map(len, looked)) < 45_000


def test_of_a_long_text_a_part_stands_for_all() -> None:
    letters = "".join(chr(0x4E00 + number * 7919 % 3_000) for number in range(90_000))
    text = "".join(letters[place : place + 9] + "。" for place in range(0, 90_000, 9))
    whole = sum(counting.cost(text[place : place + 10_000], "qwen3_5") for place in range(0, len(text), 10_000))
    counting._estimate._family.cache_clear()
    assert counting.cost(text, "qwen3_5") == pytest.approx(whole, rel=0.03)
