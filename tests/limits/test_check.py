"""The verdicts of a check: on prompts, images and texts to embed, by the catalogue's limits and by the user's own."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cfai import Ai, CheckResult, ConfigurationError, ContextLengthError, InputError, SequenceLengthError, tokens
from cfai import count_tokens as count
from cfai._config import LimitPolicy, parse_limit_overrides, parse_token_counter
from cfai._limits import check_call
from tests.conftest import row
from tests.texts import HAN, ByWords, dense, han

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"  # 24000 together, 256 by default
INT8 = "@cf/meta/llama-2-7b-chat-int8"  # 2048 in, 1800 out, announced
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"  # 131000 together, sees images
BGE = "@cf/baai/bge-base-en-v1.5"  # 512 a text
BGE_M3 = "@cf/baai/bge-m3"  # 8192 a text, presumed; 60000 together
EMBEDDING = "@cf/qwen/qwen3-embedding-0.6b"  # 8192 a text
NO_FIGURES = "@cf/meta/llama-3.1-8b-instruct-fast"
WINDOW = 24_000


def limited(**figures: int) -> LimitPolicy:
    """Return a policy in which these are the limits of the models without figures."""
    return LimitPolicy(overrides=parse_limit_overrides({NO_FIGURES: figures, LLAMA_3_3: figures}))


# Prompts


def test_a_result_says_how_much_fits() -> None:
    result = Ai(account_id="0" * 32, api_token="token").check(
        LLAMA_3_3, {"prompt": "Where is New York?", "max_tokens": 1000}
    )
    assert isinstance(result, CheckResult)
    assert result
    assert (result.verdict, result.certain, result.error, result.reserve) == ("fits", False, None, 1000)
    assert result.tokens is not None
    assert result.tokens.lower <= 5 <= result.tokens.estimate <= result.tokens.upper
    assert result.limit is not None
    assert (result.limit.value, result.limit.source) == (WINDOW, "Workers AI model listing, context_window")
    assert 23_900 < (result.max_tokens or 0) < WINDOW
    result = check_call(LLAMA_3_3, {"messages": [{"role": "user", "content": dense(24_001)}]})
    assert not result
    assert (result.verdict, result.certain, result.max_tokens) == ("too long", True, 0)
    assert isinstance(result.error, ContextLengthError)
    assert (result.error.source, result.error.input_tokens, result.error.output_tokens) == ("local", 24_001, 256)
    assert (result.error.total_tokens, result.error.max_tokens) == (24_257, None)
    announced = check_call(INT8, {"prompt": "Where is New York?"})
    assert (announced.verdict, announced.certain, announced.max_tokens) == ("fits", True, 1800)


def test_without_a_figure_nothing_is_known() -> None:
    for model in (NO_FIGURES, "@cf/somebody/unheard-of", "@cf/facebook/bart-large-cnn", "@cf/openai/whisper", ""):
        result = check_call(model, {"prompt": dense(3_000_000), "text": dense(3_000_000), "max_tokens": 10**9})
        assert result, model
        assert (result.verdict, result.limit, result.max_tokens) == ("unknown", None, None), model


def test_the_worst_request_of_a_batch_decides() -> None:
    assert check_call(INT8, {"requests": [{"prompt": dense(1500)}, {"prompt": dense(1500)}]})
    assert check_call(INT8, {"requests": ({"prompt": "Hi", "max_tokens": 1801},)}).verdict == "too long"
    requests = [{"prompt": "Hi"}, {"prompt": dense(24_001)}, {"prompt": han(1.2)}]
    for some, verdict in ((requests, "too long"), (requests[::2], "likely too long"), (requests[:1], "fits")):
        assert check_call(LLAMA_3_3, {"requests": some}).verdict == verdict


def test_the_verdict_changes_at_the_limit_itself() -> None:
    prompt = HAN * 400
    upper = tokens.measure_prompt({"prompt": prompt}, tokens.get_strategy(NO_FIGURES)).upper_bound
    counts = count([{"role": "user", "content": prompt}], model=NO_FIGURES)
    for edge, limit, verdict in (
        ("lower", counts.lower, "very likely too long"),
        ("lower", counts.lower - 1, "too long"),
        ("estimate", counts.estimate, "likely fits"),
        ("estimate", counts.estimate - 2, "likely too long"),
        ("upper", upper, "fits"),
        ("upper", upper - 1, "likely fits"),
    ):
        result = check_call(NO_FIGURES, {"prompt": prompt, "max_tokens": 7}, limited(context_length=limit + 7))
        assert result.verdict == verdict, (edge, limit)


def test_an_output_that_leaves_no_room_is_advised_of_one_that_does() -> None:
    advised: set[bool] = set()
    for words in range(19_000, 24_000, 250):
        inputs = {"prompt": "hello " * words, "max_tokens": 5000}
        result = check_call(LLAMA_3_3, inputs)
        assert (f"Set max_tokens to {result.max_tokens:,} or less" in str(result.error)) == bool(result.max_tokens)
        advised.add(bool(result.max_tokens))
        fitting = check_call(LLAMA_3_3, inputs | {"max_tokens": result.max_tokens})
        assert not result.max_tokens or "too long" not in fitting.verdict, words
    assert advised == {True, False}


def test_the_largest_output_is_told_whatever_is_requested() -> None:
    assert (check_call(LLAMA_3_3, {"prompt": "word " * 10_000, "max_tokens": 0}).max_tokens or 0) < 14_000
    assert check_call(INT8, {"prompt": dense(2048)}).max_tokens == 1800  # a prompt that fills its own limit
    result = check_call(INT8, {"prompt": "word " * 3000})
    assert result.error is not None
    assert (result.verdict, result.max_tokens, result.error.max_tokens) == ("too long", 0, None)
    # Where the gateway's own estimate leaves nothing, it refuses anyway, and the estimate decides.
    assert 1000 < (check_call(LLAMA_3_3, {"prompt": "hello " * 19_000, "max_tokens": 10}).max_tokens or 0) < 5000


def test_the_reserved_output_is_the_default_or_one_token() -> None:
    for model, inputs, reserved in (
        (LLAMA_3_3, {"prompt": "Hi"}, 256),
        (LLAMA_3_3, {"input": "Hi"}, 1),  # the Responses API has no default of its own
        ("@cf/zai-org/glm-4.7-flash", {"prompt": "Hi"}, 1),
    ):
        assert check_call(model, inputs).reserve == reserved, (model, inputs)
    error = check_call(NO_FIGURES, {"prompt": "a"}, limited(context_length=1)).error
    assert "got at least 1 token (" in str(error)


def test_inputs_that_cannot_be_sent_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    pair: list[Any] = []
    pair += [pair, pair]
    image: dict[str, Any] = {"type": "image_url"}
    image["image_url"] = image
    ai = Ai(account_id="0" * 32, api_token="token")
    for value in (circle, pair, [{"role": "user", "content": [image]}]):
        for field in ("messages", "prompt", "input", "tools"):
            with pytest.raises(InputError):
                ai.check(LLAMA_3_3, {field: value})
    for value in (circle, pair):
        with pytest.raises(InputError, match="holds itself"):
            count([{"role": "user", "content": value}], family="llama3")
    with pytest.raises(InputError, match=r"inputs\['messages'\]\[0\]\['content'\] must be an image"):
        ai.check(LLAMA_3_3, {"messages": [{"role": "user", "content": b"Hello"}]})


def test_the_same_check_has_the_same_result_whatever_was_checked_before() -> None:
    inputs = {"prompt": "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(50_000))}
    before = check_call(LLAMA_3_3, inputs)
    check_call(LLAMA_3_3, {"prompt": str(inputs["prompt"])[::-1]})
    tokens.register_counter(ByWords(), "@cf/other")
    tokens.unregister_counter("@cf/other")  # which empties the cache of counts
    after = check_call(LLAMA_3_3, inputs)
    assert (after.tokens, after.verdict, str(after.error)) == (before.tokens, before.verdict, str(before.error))


# Images


def picture(width: int, height: int, size: int = 100) -> dict[str, Any]:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    data = base64.b64encode(head + bytes(size)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def shown(*images: Mapping[str, Any], text: str = "What is this?") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, *images]}], "max_tokens": 100}


def test_an_image_is_never_a_reason_to_refuse_as_text_beside_it_is() -> None:
    # 60 images of 17 tiles are more than the window, as far as is known.
    result = check_call(SCOUT, shown(*[picture(1344, 1344)] * 60))
    assert not result
    assert not result.raises("strict")
    base64_as_text = [{"role": "user", "content": "data:image/png;base64," + dense(131_000)}]
    for inputs in (shown(picture(640, 480), text=dense(131_000)), {"messages": base64_as_text}):
        assert check_call(SCOUT, inputs).raises("enforce")


def test_only_a_large_image_may_be_refused_by_the_gateway() -> None:
    for inputs, characters in (
        (shown(picture(1344, 1344, size=600_000)), "800,"),
        ({"prompt": "hi", "image": [200] * 400_000}, "1,600,001"),
    ):
        result = check_call(SCOUT, inputs)
        assert result.verdict == "likely too long"
        assert result.tokens is not None
        assert result.tokens.estimate < 4000
        for part in (f" and {characters}", "characters of images", "Shrink the images or link them"):
            assert part in str(result.error), characters
    for image in (picture(640, 480), {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}):
        assert check_call(SCOUT, shown(image)).verdict == "likely fits"


def test_the_gateway_counts_a_quarter_of_the_characters_of_an_image() -> None:
    inputs = shown(picture(640, 480, size=40_000))
    size = tokens.measure_prompt(inputs, tokens.get_strategy(NO_FIGURES))
    edge = int(size.text_estimate + size.inline_characters / 4 + 100)
    for limit, verdict in ((edge + 2, "likely fits"), (edge - 2, "likely too long")):
        result = check_call(NO_FIGURES, inputs, limited(context_length=limit))
        assert (result.verdict, result.certain) == (verdict, False), limit
    assert f"count as {size.inline_characters // 4:,} tokens" in str(result.error)


# Texts to embed


def test_texts_to_embed_have_verdicts_too() -> None:
    for model, texts, verdict, certain in (
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
    ):
        name = (model, texts[-1][:5], len(texts[-1]))
        result = check_call(model, {"text": texts})
        assert (result.model, result.verdict, result.certain) == (model, verdict, certain), name
        assert (result.reserve, result.max_tokens, bool(result.error)) == (0, None, "too" in verdict), name
        assert result.limit is not None
        assert result.limit.value in (512, 8192, 60_000), name


def test_an_error_of_texts_says_what_must_be_and_what_came() -> None:
    source = "Workers AI model listing, max_input_tokens, 2025-02/2026-10"
    anyway = "or pass checks='warn' to send it all the same."
    error = check_call(BGE, {"text": ["short", "word " * 513]}).error
    assert error is not None
    assert str(error) == (
        f"`text` must have at most 512 tokens in each text for {BGE} ({source}), got at least 513 tokens "
        f"(estimate 513, upper bound 2,052). Split `text`, {anyway}"
    )
    assert (error.model, error.field, error.value, error.limit) == (BGE, "text", 513, 512)
    assert (error.limit_source, error.input_tokens, error.certain, error.limit_kind) == (source, 513, True, "input")

    error = check_call(BGE_M3, {"contexts": [{"text": "word " * 7000}] * 9}).error
    assert error is not None
    assert (error.field, error.value, error.limit, error.limit_kind) == ("contexts", 63_000, 60_000, "batch")
    assert f"`contexts` must have at most 60,000 tokens in all texts together for {BGE_M3}" in str(error)
    assert "Send fewer texts in one call" in str(error)

    result = check_call(EMBEDDING, {"text": HAN * 1300})
    assert result.error is not None
    assert result.tokens is not None
    assert (
        f"got very likely {result.tokens.estimate:,} tokens (lower bound {result.tokens.lower:,}, upper bound "
        f"{result.tokens.upper:,})" in str(result.error)
    )
    assert (result.error.value, result.error.certain) == (result.tokens.estimate, False)


def test_texts_in_every_input_are_checked_unless_the_service_is_to_cut_them() -> None:
    for inputs in (
        {"text": ["word " * 9000]},
        {"contexts": [{"text": "word " * 9000}]},
        {"query": "word " * 9000, "contexts": [{"text": "a"}]},
    ):
        result = check_call(BGE_M3, inputs)
        assert not result, inputs
        assert not result.raises("enforce"), inputs  # the limit is presumed
        assert check_call(BGE_M3, inputs | {"truncate_inputs": True}), inputs
    for inputs in ({}, {"text": []}, {"text": 5}, {"text": [5, None]}, {"contexts": [{"text": 5}]}):
        assert check_call(BGE_M3, inputs), inputs


# Limits and counters of the user's


def test_an_override_without_figures_changes_nothing() -> None:
    policy = LimitPolicy(overrides=parse_limit_overrides({"@cf/some/model": {}, LLAMA_3_3: {}}))
    for model in ("@cf/some/model", LLAMA_3_3):
        assert check_call(model, {"prompt": "Hi"}, policy) == check_call(model, {"prompt": "Hi"}), model


def test_an_override_takes_the_place_of_the_catalogue() -> None:
    figures = {LLAMA_3_3: 5000, BGE_M3: 100, NO_FIGURES: {"context_length": 1000, "sequence_length": 50}}
    policy = LimitPolicy(overrides=parse_limit_overrides(figures))
    for model, inputs, kind, limit in (
        (LLAMA_3_3, {"prompt": dense(5000)}, ContextLengthError, 5000),
        (NO_FIGURES, {"prompt": "Hi", "max_tokens": 51}, SequenceLengthError, 50),
        (NO_FIGURES, {"prompt": dense(1000)}, ContextLengthError, 1000),
        (BGE_M3, {"text": ["hello " * 200]}, ContextLengthError, 100),  # a number alone is the length of a text there
    ):
        error = check_call(model, inputs, policy).error
        assert isinstance(error, kind), (model, limit)
        assert (error.limit, error.limit_source) == (limit, "limit_overrides, given by you"), model
    assert check_call(LLAMA_3_3, {"prompt": "Hi"}, policy).certain
    total = limited(total_length=4000)  # of input and output
    for words, output, verdict in ((2000, 3000, "too long"), (500, 1500, "likely fits")):
        inputs = {"prompt": "hello " * words, "max_tokens": output}
        assert check_call(LLAMA_3_3, inputs, total).verdict == verdict, words
    alone = check_call(NO_FIGURES, {"prompt": "Hello", "max_tokens": 4001}, total).error
    assert "`max_tokens` must be at most 4,000 for" in str(alone)


def test_an_override_that_says_nothing_and_a_counter_that_cannot_count_are_refused() -> None:
    method, of_model = r"must have a method count_text\(text\)", f"context_length in `limit_overrides` of {LLAMA_3_3}"
    rows: list[tuple[Callable[[Any], Any], Any, str]] = [
        (parse_limit_overrides, 5, "`limit_overrides` must be a mapping by model, got int"),
        (parse_limit_overrides, {5: 100}, "names of models as keys, got 5"),
        (parse_limit_overrides, {LLAMA_3_3: 0}, f"{of_model} must be 1 or more, got 0"),
        (parse_limit_overrides, {LLAMA_3_3: "many"}, "must be 1 or more, got 'many'"),
        (parse_limit_overrides, {LLAMA_3_3: True}, "must be 1 or more, got True"),
        (parse_limit_overrides, {LLAMA_3_3: {"window": 5}}, "must be of context_length, .*, got 'window'"),
        (parse_token_counter, len, f"`token_counter` {method}, got builtin_function_or_method"),
        (parse_token_counter, ByWords, "`token_counter` must be an object, got the class ByWords: call it"),
        (parse_token_counter, {LLAMA_3_3: 5}, f"{method}, got int"),
    ]
    for parse, given, message in rows:
        with row(given), pytest.raises(ConfigurationError, match=message):
            parse(given)


def test_an_exact_count_is_certain_but_for_what_the_template_may_add() -> None:
    for counter in (ByWords(), {LLAMA_3_3: ByWords(), "@cf/other": ByWords()}):
        for words, verdict, raises in (
            (24_000, "too long", True),
            (23_746, "too long", True),
            (23_740, "very likely too long", False),
            (23_700, "likely fits", False),
        ):
            result = check_call(LLAMA_3_3, {"prompt": "extraordinary " * words}, LimitPolicy(counter=counter))
            assert result.tokens is not None
            assert (result.tokens.method, result.tokens.lower) == ("custom", words - 1)
            assert (result.verdict, result.raises("enforce")) == (verdict, raises), words
