"""Inputs are held against the schema of their model before anything is sent."""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cfai import Ai, BadRequestError, InputError, InputWarning, LimitError, LimitWarning, models
from cfai.local import Emulator
from tests.conftest import ACCOUNT, TOKEN, Caller, Service, row
from tests.texts import han

CHAT = "@cf/zai-org/glm-4.7-flash"
NATIVE = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GPT_OSS = "@cf/openai/gpt-oss-20b"
BGE = "@cf/baai/bge-base-en-v1.5"
BGE_M3 = "@cf/baai/bge-m3"
RETRIEVAL = "@cf/qwen/qwen3-embedding-0.6b"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
FLUX_2 = "@cf/black-forest-labs/flux-2-dev"
AURA = "@cf/deepgram/aura-1"
TURBO = "@cf/openai/whisper-large-v3-turbo"
RERANKER = "@cf/baai/bge-reranker-base"
M2M = "@cf/meta/m2m100-1.2b"
CLEF = "@cf/cloudflare/clef-omni"
GUARD = "@cf/meta/llama-guard-3-8b"
HELLO: dict[str, Any] = {"role": "user", "content": "Hello"}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
PICTURE: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, PIXEL]}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # What must be a number.
    (CHAT, {"prompt": "Hello", "temperature": "hot"}, "`temperature` must be a number for @cf/zai-org/glm-4.7-flash"),
    (NATIVE, {"messages": [HELLO], "seed": "abc"}, "got 'abc'. Correct it"),
    # What must be there, and what excludes each other.
    (
        CHAT,
        {},
        "`prompt` or `messages` must be given for @cf/zai-org/glm-4.7-flash, got no inputs. Add what is missing",
    ),
    (CHAT, {"max_tokens": 5}, "`prompt` or `messages` must be given for @cf/zai-org/glm-4.7-flash, got `max_tokens`."),
    (CHAT, {"promt": "Hello"}, "got `promt`: did you mean `prompt`? Correct it"),
    (CHAT, {"mesages": [HELLO], "stream": True}, "got `mesages` and `stream`: did you mean `messages`? Correct it"),
    (GPT_OSS, {"temperature": 1}, "`prompt`, `messages` or `input` must be given"),
    (
        NATIVE,
        {"prompt": "Hello", "messages": [HELLO]},
        "`prompt` and `messages` exclude each other, got both. Take one",
    ),
    (CHAT, {"prompt": "Hello", "messages": [HELLO]}, "`prompt` and `messages` exclude each other, got both. Take one"),
    (GUARD, {"prompt": "Hello"}, "`messages` must be given for @cf/meta/llama-guard-3-8b, got `prompt`."),
    (
        BGE,
        {"texts": ["Hello"]},
        "`text` must be given for @cf/baai/bge-base-en-v1.5, got `texts`: did you mean `text`?",
    ),
    (BGE_M3, {"query": "Hello"}, "`contexts` or `text` must be given for @cf/baai/bge-m3, got `query`."),
    (RERANKER, {"query": "Hello"}, "`contexts` must be given for @cf/baai/bge-reranker-base, got `query`."),
    (RERANKER, {}, "`query` and `contexts` must be given for @cf/baai/bge-reranker-base, got no inputs."),
    (M2M, {"text": "Hello"}, "`target_lang` must be given for @cf/meta/m2m100-1.2b, got `text`."),
    ("@cf/deepgram/nova-3", {"language": "en"}, "`audio` must be given for @cf/deepgram/nova-3, got `language`."),
    ("@cf/pipecat-ai/smart-turn-v2", {}, "`audio` must be given for @cf/pipecat-ai/smart-turn-v2, got no inputs."),
    (TURBO, {"audio": None}, "`audio` must be given for @cf/openai/whisper-large-v3-turbo"),
    ("@cf/openai/whisper", {"source_lang": "en"}, "`audio` must be given for @cf/openai/whisper, got `source_lang`."),
    ("@cf/microsoft/resnet-50", {}, "`image` must be given for @cf/microsoft/resnet-50, got no inputs."),
    ("@cf/facebook/detr-resnet-50", {}, "`image` must be given for @cf/facebook/detr-resnet-50, got no inputs."),
    ("@cf/llava-hf/llava-1.5-7b-hf", {"prompt": "x"}, "`image` must be given for @cf/llava-hf/llava-1.5-7b-hf, got"),
    (FLUX, {"steps": 4}, "`prompt` must be given for @cf/black-forest-labs/flux-1-schnell, got `steps`."),
    # Messages.
    (
        CHAT,
        {"messages": [HELLO, {"content": "Hi"}]},
        "`messages[1]` must have a `role`, such as 'user', got `content`.",
    ),
    (NATIVE, {"messages": [{}]}, "`messages[0]` must have a `role`, such as 'user', got nothing. Add it"),
    (
        NATIVE,
        {"messages": [{"role": "user", "text": "Hi"}]},
        "`messages[0]` must have `content`, got `role` and `text`.",
    ),
    (
        CHAT,
        {"messages": ["Hello"]},
        "`messages[0]` must be an object with `role` and `content`, got str. Wrap it in one",
    ),
    (CHAT, {"messages": HELLO}, "`messages` must be a list, got dict. Put it into one"),
    (NATIVE, {"messages": "Hello"}, "`messages` must be a list, got str. Put it into one"),
    # Images for models that cannot see.
    (
        CHAT,
        {"messages": [HELLO, PICTURE]},
        "`messages[1]` must have no image, since @cf/zai-org/glm-4.7-flash cannot see",
    ),
    (NATIVE, {"messages": [PICTURE]}, "Choose one of models.list(capability='vision', live=True)"),
    (
        GPT_OSS,
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"}]}]},
        "`input[0]` must have no image, since @cf/openai/gpt-oss-20b cannot see",
    ),
    (NATIVE, {"prompt": "What is this?", "image": [137, 80]}, "`image` must be left out, since @cf/meta/llama-3.3"),
    (CHAT, {"requests": [{"prompt": "What?", "image": "AA=="}]}, "`requests[0].image` must be left out, since"),
    # What is in a list.
    (RERANKER, {"query": "a", "contexts": ["b"]}, "`contexts[0]` must be an object with `text` for @cf/baai/bge-rer"),
    (BGE_M3, {"contexts": [{"text": "a"}, {"txt": "b"}]}, "`contexts[1]` must be an object with `text` for"),
    (RETRIEVAL, {"instruction": "Find"}, "`text`, `queries` or `documents` must be given for @cf/qwen/qwen3-embed"),
    # Ranges.
    (NATIVE, {"prompt": "Hello", "temperature": 6}, "`temperature` must be at most 5 for @cf/meta/llama-3.3-70b-instr"),
    (
        CHAT,
        {"messages": [HELLO], "temperature": -0.1},
        "`temperature` must be at least 0 for @cf/zai-org/glm-4.7-flash,",
    ),
    (NATIVE, {"prompt": "Hello", "seed": 10**10}, "`seed` must be at most 9,999,999,999 for"),
    (NATIVE, {"prompt": "Hello", "top_k": 0}, "`top_k` must be at least 1 for"),
    (NATIVE, {"prompt": ""}, "`prompt` must not be empty for @cf/meta/llama-3.3-70b-instruct-fp8-fast. Fill it"),
    (BGE, {"text": ["a", ""]}, "`text[1]` must not be empty for @cf/baai/bge-base-en-v1.5. Take it out"),
    (
        BGE,
        {"text": "Hello", "pooling": "cis"},
        "`pooling` must be one of 'mean', 'cls' for @cf/baai/bge-base-en-v1.5, got",
    ),
    (AURA, {"text": "Hello", "speaker": "lunna"}, "got 'lunna': did you mean 'luna'? Correct it"),
    (FLUX, {"prompt": "a" * 2049}, "`prompt` must have at most 2,048 characters for"),
    (FLUX, {"prompt": "a cat", "steps": 9}, "`steps` must be at most 8 for"),
    (
        CLEF,
        {"state": "a", "questions": {}},
        "`questions` must have 1 to 64 entries for @cf/cloudflare/clef-omni, got 0. Fill it",
    ),
    (
        CLEF,
        {"state": "a", "questions": {str(number): {} for number in range(65)}},
        "`questions` must have 1 to 64 entries for @cf/cloudflare/clef-omni, got 65. Split it",
    ),
    (CLEF, {"state": "a", "questions": {"a": {}}, "model": "clef"}, "`model` must match"),
    (CHAT, {"prompt": "Hello", "functions": []}, "`functions` must have 1 items or more"),
    # What refuses all that it does not know.
    (
        FLUX,
        {"prompt": "a cat", "num_steps": 5},
        "`num_steps` is no input of @cf/black-forest-labs/flux-1-schnell, which refuses",
    ),
    (FLUX, {"prompt": "a cat", "stream": False}, "`stream` is no input of @cf/black-forest-labs/flux-1-schnell, which"),
    # Batches.
    (
        NATIVE,
        {"requests": [{"prompt": "Hello"}, {"prompt": "Hello", "temperature": 6}]},
        "`requests[1].temperature` must be at most 5 for",
    ),
    (NATIVE, {"requests": [{"messages": [{"content": "Hi"}]}]}, "`requests[0].messages[0]` must have a `role`"),
]
"""Inputs that the service is sure to refuse, with a part of the error."""

IGNORED: list[tuple[str, dict[str, Any], str]] = [
    (
        CHAT,
        {"prompt": "Hello", "max_token": 5},
        "`max_token` is no input of @cf/zai-org/glm-4.7-flash by its schema, and ",
    ),
    (CHAT, {"prompt": "Hello", "max_token": 5}, "did you mean `max_tokens`? Correct it"),
    (CHAT, {"prompt": "Hello", "top_k": 5}, "which ignores it at best, and may hang. Leave it out"),
    (NATIVE, {"prompt": "Hello", "zzz": 5}, "likely to be ignored. Leave it out"),
    (NATIVE, {"prompt": "Hello", "presence_penalty": -3}, "`presence_penalty` must be at least -2 for"),
    (AURA, {"text": "Hello", "voice": "luna"}, "did you mean `speaker`?"),
    (NATIVE, {"requests": [{"prompt": "Hello", "topp": 1}] * 9}, "`requests[0].topp` is no input of"),
    (FLUX, {"prompt": "a cat", "width": 512}, "`width` is no input of @cf/black-forest-labs/flux-1-schnell by its"),
    # What is meant: written in another way, cut short, misspelt; no guess beyond that.
    (NATIVE, {"prompt": "Hello", "topK": 5}, "did you mean `top_k`? Correct it"),
    (NATIVE, {"prompt": "Hello", "max-tokens": 5}, "did you mean `max_tokens`? Correct it"),
    (NATIVE, {"prompt": "Hello", "temp": 1}, "did you mean `temperature`? Correct it"),
    (NATIVE, {"prompt": "Hello", "tempreature": 1}, "did you mean `temperature`? Correct it"),
    (TURBO, {"audio": "AA==", "lang": "de"}, "did you mean `language`? Correct it"),
    (NATIVE, {"prompt": "Hello", "stop": ["."]}, "likely to be ignored. Leave it out"),
    (NATIVE, {"prompt": "Hello", "system": "Be brief."}, "likely to be ignored. Leave it out"),
    (AURA, {"text": "Hello", "speed": 2}, "likely to be ignored. Leave it out"),
]
"""Inputs that are likely to be ignored, with a part of the warning."""

TAKEN: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [HELLO], "temperature": 2, "tools": [], "reasoning_effort": None, "stream": True}),
    (CHAT, {"messages": [{"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "5"}]}),
    (NATIVE, {"messages": [HELLO], "tool_choice": "auto", "response_format": {"type": "json_object"}}),
    (NATIVE, {"prompt": "a" * 20_000, "temperature": 0, "top_p": 1, "seed": None}),
    (NATIVE, {"prompt": "Hello", "messages": None, "stop": None}),
    (NATIVE, {"request_id": "768f15b7-4fd6-4498-906e-ad94ffc7f8d2"}),
    (NATIVE, {"requests": [{"prompt": "Hello", "external_reference": "a"}]}),
    (CHAT, {"messages": [HELLO], "service_tier": "auto"}),
    ("@cf/zai-org/glm-5.3-flash", {"prompt": "Hello", "reasoning_effort": "medium"}),
    ("@cf/deepseek-ai/deepseek-v4-flash-0731", {"prompt": "Hello", "reasoning_effort": "minimal"}),
    (GPT_OSS, {"input": "Hello", "instructions": "Be brief.", "max_output_tokens": 50, "anything": 1}),
    (GPT_OSS, {"messages": [HELLO], "max_completion_tokens": 50, "reasoning_effort": "low"}),
    ("@cf/meta/llama-3.2-11b-vision-instruct", {"prompt": "Hello", "image": "AA=="}),
    ("@cf/meta/llama-4-scout-17b-16e-instruct", {"messages": [PICTURE]}),
    ("@cf/mistralai/mistral-small-3.1-24b-instruct", {"messages": [PICTURE]}),
    ("@cf/moonshotai/kimi-k2.6", {"messages": [PICTURE]}),
    # What the listing calls blind, though its own schema has images.
    ("@cf/qwen/qwq-32b", {"messages": [PICTURE]}),
    ("@cf/meta/llama-3.1-8b-instruct-fast", {"prompt": "Hello", "image": "AA=="}),
    (BGE, {"text": ["a"] * 100}),
    (RETRIEVAL, {"queries": ["a"] * 32, "documents": ["a"] * 32}),
    (BGE_M3, {"contexts": [{"text": "a"}] * 500, "query": "a"}),
    (TURBO, {"audio": "AA==", "beam_size": 5}),
    ("@cf/openai/whisper", {"audio": [1, 2, 3]}),
    ("@cf/deepgram/nova-3", {"audio": {"body": b"RIFF----WAVE", "contentType": "audio/wav"}, "punctuate": True}),
    (FLUX, {"prompt": "a cat", "seed": 5}),
    (FLUX_2, {"prompt": "a cat", "width": 512, "input_image_0": b"\x89PNG\r\n\x1a\n"}),  # the fields of a form
    (FLUX_2, {"multipart": {"body": {"anything": "a"}}}),
    ("@cf/llava-hf/llava-1.5-7b-hf", {"image": [1, 2], "messages": [HELLO]}),
    (GPT_OSS, {"input": "Hello", "background": False, "conversation": None}),
    (CLEF, {"state": "a", "questions": {"a": {"type": "noul"}}}),  # `model` has a default
    ("@cf/swiss-ai/apertus-v1.5-8b", {"anything": 1}),  # a model without a schema
    ("@cf/somebody/unheard-of", {"anything": 1}),
    ("openai/gpt-4.1", {"promt": 1}),
]
"""Inputs with which nothing is wrong, or that nothing is known of."""


@pytest.fixture
def ai() -> Iterator[Ai]:
    with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
        yield ai


@contextmanager
def told() -> Generator[list[str]]:
    """Collect the messages of warnings, each of which is an `InputWarning` or a `LimitWarning`."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    for warning in caught:
        assert warning.category is (
            LimitWarning if re.search("tokens for|items in", str(warning.message)) else InputWarning
        )
        messages.append(str(warning.message))


def test_what_is_sure_to_be_refused_is_not_sent(caller: Caller, service: Service) -> None:
    for model, inputs, message in REFUSED:
        for checks in ("enforce", "strict"):
            with row((model, inputs)), pytest.raises(InputError, match=re.escape(message)) as caught:
                caller.run(model, inputs, checks=checks)
            assert caught.value.model == model
            assert str(caught.value).endswith(", or pass checks='warn' to send it all the same.")
    assert not service.requests


def test_what_is_sure_to_be_refused_is_sent_with_a_warning_or_without_a_word_if_told_so(
    caller: Caller, service: Service
) -> None:
    for model, inputs, message in REFUSED:
        with row((model, inputs)):
            with told() as warned:
                caller.run(model, inputs, checks="warn")
            assert message in warned[0]
            with told() as warned:
                caller.run(model, inputs, checks="off")
            assert warned == []
            assert service.sent == inputs


def test_what_is_likely_to_be_ignored_is_sent_with_a_warning(caller: Caller, service: Service) -> None:
    for model, inputs, message in IGNORED:
        for checks in ("enforce", "warn"):
            with row((model, inputs)):
                with told() as warned:
                    caller.run(model, inputs, checks=checks)
                [warning] = warned
                assert message in warning
                assert warning.endswith(", or pass checks='off' to send it without a word.")
                assert service.sent == inputs


def test_strict_checks_refuse_what_is_likely_to_be_ignored(caller: Caller, service: Service) -> None:
    for model, inputs, message in IGNORED:
        with row((model, inputs)), pytest.raises(InputError, match=re.escape(message)) as caught:
            caller.run(model, inputs, checks="strict")
        assert caught.value.model == model
    assert not service.requests


def test_inputs_that_a_model_takes_are_sent_without_a_word(caller: Caller, service: Service) -> None:
    for model, inputs in TAKEN:
        with row((model, inputs)):
            caller.run(model, inputs, checks="strict", return_raw_response=True)


def test_a_check_gives_the_verdict_of_the_call(ai: Ai) -> None:
    for model, inputs, message in REFUSED:
        with row((model, inputs)):
            result = ai.check(model, inputs)
            assert (result.verdict, result.certain, bool(result)) == ("wrong input", True, False)
            assert message in str(result.error)
            assert [result.raises(mode) for mode in ("enforce", "strict", "warn", "off")] == [True, True, False, False]
    for model, inputs, message in IGNORED:
        with row((model, inputs)):
            result = ai.check(model, inputs)
            assert (result.verdict, result.certain, bool(result)) == ("wrong input", False, False)
            assert message in str(result.error)
            assert [result.raises(mode) for mode in ("enforce", "strict", "warn", "off")] == [False, True, False, False]
    for model, inputs in TAKEN:
        with row((model, inputs)):
            assert ai.check(model, inputs)


def test_a_check_still_counts_where_an_input_is_wrong(ai: Ai) -> None:
    result = ai.check(NATIVE, {"prompt": "Where is New York?", "temperature": 6})
    assert result.tokens is not None
    assert (result.max_tokens or 0) > 20_000
    certain = ai.check(NATIVE, {"prompt": "Hello", "max_tokens": 10**6, "topp": 1})
    assert (certain.verdict, certain.certain) == ("too long", True)  # worse than what is ignored


def test_more_texts_than_one_call_takes_are_a_limit(caller: Caller, service: Service) -> None:
    cases: list[tuple[str, Any, str, int]] = [
        (BGE, {"text": ["a"] * 101}, "text", 100),
        (BGE_M3, {"text": ["a"] * 250}, "text", 100),
        (RETRIEVAL, {"documents": ["a"] * 33, "queries": ["a"]}, "documents", 32),
        (RETRIEVAL, {"queries": ("a",) * 40}, "queries", 32),
        (BGE, {"requests": [{"text": ["a"]}, {"text": ["a"] * 101}]}, "requests[1].text", 100),
        (CLEF, {"state": "a", "questions": {"a": {}}, "images": ["data:,"] * 5}, "images", 4),
    ]
    service.answers(service.result({"response": "Hi", "request_id": "x"}))
    for model, inputs, field, most in cases:
        with row((model, field)):
            with pytest.raises(LimitError, match=f"must have at most {most} items in one call for {model}") as caught:
                caller.run(model, inputs)
            error = caught.value
            assert (error.field, error.limit, error.limit_kind, error.source) == (field, most, "items", "local")
            assert error.limit_source == "Workers AI model schema, maxItems, 2025-02/2026-10"
            assert error.value > most
            with told() as warned:
                caller.run(model, inputs, checks="warn", queue_request="requests" in inputs)
            assert len(warned) == 1
            assert f"must have at most {most} items" in warned[0]
            result = caller.ai.check(model, inputs)
            assert (result.verdict, result.certain, bool(result)) == ("too long", True, False)
            assert result.limit is not None
            assert (result.limit.value, result.limit.source) == (most, "Workers AI model schema, maxItems")
    assert len(service.requests) == len(cases)  # sent with a warning


def test_both_an_ignored_input_and_a_prompt_that_may_be_too_long_are_told_of(caller: Caller, service: Service) -> None:
    with told() as warned:
        caller.run(NATIVE, {"prompt": han(1.2), "topp": 1})
    assert len(warned) == 2
    assert "`topp` is no input of" in warned[0]
    assert "got likely" in warned[1]
    assert len(service.requests) == 1


def test_the_fields_of_a_form_are_checked_like_any_input(caller: Caller, service: Service) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"promt": "a cat"}, f"`prompt` must be given for {FLUX_2}, got `promt`: did you mean `prompt`?"),
        ({"prompt": "a cat", "width": 255}, f"`width` must be at least 256 for {FLUX_2}, got 255."),
        ({"prompt": "a cat", "height": 1921}, f"`height` must be at most 1,920 for {FLUX_2}, got 1,921."),
    ]
    for inputs, message in refused:
        with row(inputs), pytest.raises(InputError, match=re.escape(message)):
            caller.run(FLUX_2, inputs)
        assert message in str(caller.ai.check(FLUX_2, inputs).error)
    assert not service.requests
    service.answers(service.json({"image": "/9j/AA=="}))
    with told() as warned:
        caller.run(FLUX_2, {"prompt": "a cat", "widht": 512})
    assert (
        f"`widht` is no input of {FLUX_2} by its schema, and likely to be ignored: did you mean `width`?" in warned[0]
    )
    assert b'name="widht"' in service.requests[0].content


def test_a_model_that_takes_websockets_alone_is_not_called(caller: Caller, service: Service) -> None:
    flux: list[dict[str, Any]] = [{"audio": b"RIFF----WAVE"}, {"encoding": "linear16", "sample_rate": "16000"}]
    for inputs in flux:
        with row(inputs), pytest.raises(InputError, match="@cf/deepgram/flux takes calls by WebSocket alone"):
            caller.run("@cf/deepgram/flux", inputs, checks="warn")
    assert not service.requests
    caller.run("@cf/deepgram/flux", flux[1], checks="off")
    assert service.sent == flux[1]


def test_a_warning_of_an_input_comes_once_for_each_line(ai: Ai, service: Service) -> None:
    inputs: dict[str, Any] = {"prompt": "Hello", "topp": 1}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            ai.run(NATIVE, inputs)
        ai.run(NATIVE, inputs)
    assert [(warning.category, warning.filename) for warning in caught] == [(InputWarning, __file__)] * 2
    assert issubclass(InputWarning, UserWarning)


def test_odd_keys_and_numbers_are_named_or_left_to_others(ai: Ai) -> None:
    odd: list[tuple[Any, str]] = [
        ({"prompt": "Hello", 5: 1}, "`5` is no input of"),
        ({"prompt": "Hello", "x" * 10_000: 1}, "`" + "x" * 40 + "` is no input of"),
        ({"prompt": "Hello", "\x1b[31m": 1}, r"`\x1b[31m` is no input of"),
        ({"messages": [{5: 6}]}, "must have a `role`, such as 'user', got `5`"),
        ({"prompt": "Hello", "temperature": 10**30}, "`temperature` must be at most 5"),
    ]
    for inputs, message in odd:
        with row(message):
            assert message in str(ai.check(NATIVE, inputs).error)
    for inputs in ({"prompt": "Hello", "temperature": True}, {"prompt": ["Hello"]}, {"prompt": "a", "top_k": "5"}):
        with row(inputs):
            assert ai.check(NATIVE, inputs)


def test_the_emulator_refuses_what_is_refused_and_takes_what_is_sent() -> None:
    with Emulator() as emulator, emulator.ai(checks="off") as unchecked, emulator.ai(checks="strict") as ai:
        for model, inputs, message in REFUSED:
            if not re.search(r"image|vision|`width`|requests|role", message):
                with row((model, inputs)), pytest.raises(BadRequestError):
                    unchecked.run(model, inputs)
        for model in models.list(live=True, task="text generation"):
            if model.answers:
                assert ai.run(model.name, {"messages": [HELLO]}), model.name
