"""What is refused before a model runs, in the service's words."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"
GLM = "@cf/zai-org/glm-4.7-flash"
OSS = "@cf/openai/gpt-oss-20b"
CLEF = "@cf/cloudflare/clef"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
BGE = "@cf/baai/bge-base-en-v1.5"
M3 = "@cf/baai/bge-m3"
VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
NEITHER = "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', "


def hi(**more: Any) -> dict[str, Any]:
    return {"prompt": "hi", **more}


def clef(questions: int = 1) -> dict[str, Any]:
    asked = {f"q{number}": {"type": "noul", "instructions": "Is it?"} for number in range(questions)}
    return {"model": "clef", "state": "It is.", "questions": asked}


@pytest.mark.parametrize(
    ("model", "inputs", "problem"),
    [
        (LLAMA, hi(temperature=6.0), "'/temperature' must be <= 5"),
        (LLAMA, hi(temperature=-1), "'/temperature' must be >= 0"),
        (GLM, hi(temperature=3), "'/temperature' must be <= 2"),
        (LLAMA, hi(max_tokens="10"), "Type mismatch of '/max_tokens', 'string' not in 'integer'"),
        (LLAMA, hi(max_tokens=1.5), "Type mismatch of '/max_tokens', 'number' not in 'integer'"),
        (LLAMA, hi(max_tokens=None), "Type mismatch of '/max_tokens', 'null' not in 'integer'"),
        (LLAMA, hi(max_tokens=True), "Type mismatch of '/max_tokens', 'boolean' not in 'integer'"),
        (LLAMA, hi(max_tokens=0), "'/max_tokens' must be >= 1"),
        (LLAMA, hi(stream="yes"), "Type mismatch of '/stream', 'string' not in 'boolean'"),
        (LLAMA, {}, NEITHER + "required properties at '/' are 'messages'"),
        (OSS, {}, NEITHER + "required properties at '/' are 'messages', required properties at '/' are 'input'"),
        (LLAMA, [], "Type mismatch of '/', 'array' not in 'object'"),
        (LLAMA, {"prompt": ""}, "Length of '/prompt' must be >= 1"),
        (LLAMA, {"prompt": 5}, "Type mismatch of '/prompt', 'integer' not in 'string'"),
        (LLAMA, {"messages": "hi"}, "Type mismatch of '/messages', 'string' not in 'array'"),
        (
            LLAMA,
            {"messages": [{"role": "user", "content": "x"}, {"role": "user"}]},
            NEITHER + "required properties at '/messages/1' are 'role,content'",
        ),
        (
            LLAMA,
            {"messages": [{"role": "user", "content": 5}]},
            NEITHER + "Type mismatch of '/messages/0/content', 'integer' not in 'string'",
        ),
        (LLAMA, {"messages": ["hi"]}, NEITHER + "Type mismatch of '/messages/0', 'string' not in 'object'"),
        (CLEF, {"state": "x"}, "required properties at '/' are 'model,state,questions'"),
        ("@cf/black-forest-labs/flux-2-dev", hi(), "required properties at '/' are 'multipart'"),
        (FLUX, {"prompt": "x" * 2049}, "Length of '/prompt' must be <= 2048"),
        (FLUX, hi(steps=9), "'/steps' must be <= 8"),
        (BGE, {"text": ["x"] * 101}, "Length of '/text' must be <= 100"),
        (BGE, {"text": "x", "pooling": "max"}, "'/pooling' must be one of 'mean,cls'"),
        (BGE, {"text": ["x", ""]}, "Length of '/text/1' must be >= 1"),
        (BGE, {"text": ["x", 1]}, "Type mismatch of '/text/1', 'integer' not in 'string'"),
        (CLEF, clef() | {"questions": {}}, "'/questions' must have 1 to 64 properties"),
        (CLEF, clef(65), "'/questions' must have 1 to 64 properties"),
        (CLEF, clef() | {"model": "other"}, r"'/model' must match pattern '^\s*(clef|clef-flash)\s*$'"),
        ("@cf/openai/whisper", {"audio": "UklGRg=="}, "Type mismatch of '/audio', 'string' not in 'array'"),
    ],
)
def test_bad_inputs_are_named_by_code_5006(service: Service, model: str, inputs: Any, problem: str) -> None:
    assert service.error(model, inputs) == (400, 5006, f"AiError: Bad input: Error: {problem}")


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (LLAMA, hi(max_tokens=20, temperature=5, top_k=50, unknown={"new": 1}, options={"rejectIfBusy": True})),
        (LLAMA, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
        (LLAMA, {"messages": [{"role": "assistant", "content": None}, {"role": "user", "content": "hi"}]}),
        (GLM, {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}, {"role": "user", "content": "hi"}]}),
        (GLM, hi(max_tokens=None, temperature=None, stop=["a"], tool_choice="auto")),
        (BGE, {"text": ["x"] * 100}),
        (CLEF, clef(64)),
        (GLM, hi(stop=["", "a"])),
        (OSS, {"input": [{"role": "user", "content": "hi"}]}),
        ("@cf/swiss-ai/apertus-v1.5-8b", hi()),
    ],
)
def test_inputs_that_the_service_takes_are_taken(service: Service, model: str, inputs: Any) -> None:
    assert service.run(model, inputs).status_code == 200


def test_prompt_and_messages_exclude_each_other(service: Service) -> None:
    both = hi(messages=[{"role": "user", "content": "hi"}])
    assert service.error(LLAMA, both) == (400, 1001, "AiError: prompt and messages are mutually exclusive")


def test_tool_choice_any_is_invalid(service: Service) -> None:
    assert service.error(GLM, hi(tool_choice="any")) == (400, 8001, "AiError: Invalid input")


@pytest.mark.parametrize("body", ["{", '{"prompt": NaN}', "[" * 100_000])
def test_what_is_no_json_is_bad_input(service: Service, body: str) -> None:
    response = service.http.post(service.url(LLAMA), content=body)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 5006)


def test_no_body_is_an_incomplete_request(service: Service) -> None:
    response = service.http.post(service.url(LLAMA))
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 3003)


def test_a_body_can_be_too_large(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai.local.server._application.MAX_BODY_SIZE", 100)
    assert service.run(LLAMA, hi()).status_code == 200
    assert service.error(LLAMA, hi(lora="x" * 100))[:2] == (413, 3006)


def test_json_needs_no_content_type(service: Service) -> None:
    content = b'{"prompt": "hi"}'
    assert service.http.post(service.url(LLAMA), content=content).json() == service.run(LLAMA, hi()).json()


def over_the_window(tokens: int, window: int) -> tuple[int, int, str]:
    """Return how the gateway refuses so many tokens."""
    return (
        413,
        5021,
        f"AiError: Ai: The estimated number of input and maximum output tokens ({tokens}) exceeded this model context "
        f"window limit ({window}).",
    )


def test_input_and_output_together_must_fit_the_window(service: Service) -> None:
    # {"prompt":"..."} of 92,000 characters, and 24,000 tokens in all.
    inputs = {"prompt": "x" * (92_000 - 13), "max_tokens": 1000}
    assert service.run(LLAMA, inputs).status_code == 200
    assert service.error(LLAMA, inputs | {"max_tokens": 1001}) == over_the_window(24_001, 24_000)


def test_the_default_of_max_tokens_counts_against_the_window(service: Service) -> None:
    # 23,744 and the 256 that nobody asked for.
    assert service.run(LLAMA, {"prompt": "x" * (94_976 - 13)}).status_code == 200
    assert service.error(LLAMA, {"prompt": "x" * (94_977 - 13)})[1] == 5021


def test_media_are_text_to_the_gateway(service: Service) -> None:
    image = {"prompt": "what is this?", "image": "A" * 600_000}
    assert service.error(VISION, image)[:2] == (413, 5021)


def seen(kilobytes: int) -> dict[str, Any]:
    """Return a question about an image of that size."""
    url = "data:image/jpeg;base64," + base64.b64encode(bytes(kilobytes * 1000)).decode()
    text = {"type": "text", "text": "what is this?"}
    content = [text, {"type": "image_url", "image_url": {"url": url}}]
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("model", "window", "kilobytes"),
    [(VISION, 128_000, 300), ("@cf/google/gemma-4-26b-a4b-it", 131_072, 380)],
)
def test_an_image_that_the_model_would_take_is_refused_for_its_base64(
    service: Service, model: str, window: int, kilobytes: int
) -> None:
    inputs = seen(kilobytes)
    estimate = -(-len(json.dumps(inputs, separators=(",", ":"))) // 4)
    assert kilobytes * 1000 // 3 < estimate < window
    answer = service.result(model, inputs | {"max_tokens": window - estimate})
    assert answer["usage"]["prompt_tokens"] < 1000
    assert service.error(model, inputs | {"max_tokens": window - estimate + 1}) == over_the_window(window + 1, window)


def test_what_the_gateway_lets_pass_the_model_may_refuse(service: Service) -> None:
    # A token for every two characters, and seven for what is around them.
    words = {"prompt": " a" * 20_000, "max_tokens": 24_000 - 20_003}
    assert service.result(LLAMA, words)["usage"]["prompt_tokens"] == 20_003
    assert service.error(LLAMA, words | {"max_tokens": 24_000 - 20_002}) == (
        400,
        3030,
        "AiError: AiError: This model's maximum context length is 24000 tokens. However, you requested 3998 output "
        "tokens and your prompt contains at least 20003 input tokens, for a total of at least 24001 tokens. Please "
        "reduce the length of the input prompt or the number of requested output tokens. "
        "(parameter=input_tokens, value=20003)",
    )


def test_the_default_of_max_tokens_counts_for_the_model_too(service: Service) -> None:
    assert service.run(LLAMA, {"prompt": " a" * (23_744 - 3)}).status_code == 200
    assert service.error(LLAMA, {"prompt": " a" * (23_744 - 2)})[1] == 3030


def test_the_model_does_not_say_how_far_a_prompt_is_over(service: Service) -> None:
    for length in (30_000, 40_000):
        message = service.error(LLAMA, {"prompt": " a" * length, "max_tokens": 1000})[2]
        assert "at least 23001 input tokens, for a total of at least 24001 tokens" in message


@pytest.mark.parametrize("unit", ["word ", "東京", "x=1;", " " * 9, "🙂", "A" * 100])
def test_every_prompt_meets_the_gateway_or_the_model(service: Service, unit: str) -> None:
    long = unit * (100_000 // len(unit))
    assert service.error(LLAMA, {"prompt": long})[1] in (5021, 3030)
    assert service.run(LLAMA, {"prompt": long[:20_000]}).status_code == 200


def test_separate_limits_are_not_added_up(service: Service) -> None:
    model = "@cf/meta/llama-2-7b-chat-int8"
    long = {"prompt": "x" * (2048 * 4 - 13)}
    assert service.run(model, long | {"max_tokens": 1800}).status_code == 200
    assert service.error(model, {"prompt": "x" * (2048 * 4 - 12)})[:2] == (413, 5021)
    words = {"prompt": " a" * (2048 - 3), "max_tokens": 1800}
    assert service.run(model, words).status_code == 200
    status, code, message = service.error(model, words | {"prompt": " a" * (2048 - 2)})
    assert (status, code) == (400, 3030)
    assert "requested 0 output tokens and your prompt contains at least 2049 input tokens" in message


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_more_output_than_the_sequence_length_is_refused(service: Service, name: str) -> None:
    message = "AiError: AiError: max_completion_tokens is too large: 16385. "
    message += "This model supports at most 16384 completion tokens."
    assert service.error("@cf/google/gemma-4-26b-a4b-it", hi(**{name: 16385})) == (400, 3030, message)


@pytest.mark.parametrize(
    ("model", "texts", "problem"),
    [
        (M3, ["x" * 8 * 8193], "Sequence too long: 8193 > 8192"),
        (M3, ["x" * 8 * 7501] * 8, "Max context reached 60008 tokens but model supports only 60000"),
        (BGE, ["fine", "x" * 8 * 513], "Sequence too long: 513 > 512"),
    ],
)
def test_embeddings_have_limits_for_each_text_and_for_all(
    service: Service, model: str, texts: list[str], problem: str
) -> None:
    assert service.error(model, {"text": texts}) == (400, 3030, f"AiError: AiError: {problem}")


def test_truncated_inputs_are_never_too_long(service: Service) -> None:
    inputs = {"contexts": [{"text": "x" * 8 * 9000}]}
    assert service.error(M3, inputs)[1] == 3030
    assert service.run(M3, inputs | {"truncate_inputs": True}).status_code == 200
