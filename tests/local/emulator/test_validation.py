"""Refusals before a model runs, in the service's words."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import row
from tests.local.conftest import PNG, PNG_URL, WAV_BASE64

if TYPE_CHECKING:
    from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"
GEMMA = "@cf/google/gemma-4-26b-a4b-it"
GLM = "@cf/zai-org/glm-4.7-flash"
OSS = "@cf/openai/gpt-oss-20b"
CLEF = "@cf/cloudflare/clef"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
BGE = "@cf/baai/bge-base-en-v1.5"
M3 = "@cf/baai/bge-m3"
VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
WHISPER = "@cf/openai/whisper"
ODD = {"type": "json_schema", "json_schema": {"enum": {"a": 1}}}
ODD_TOOL = {"name": "f", "description": "d", "parameters": {"enum": {"a": 1}}}
ODD_TEXT = "tool f: not a JSON schema"
TURBO = "@cf/openai/whisper-large-v3-turbo"
NOVA = "@cf/deepgram/nova-3"
SMART_TURN = "@cf/pipecat-ai/smart-turn-v2"
DETR = "@cf/facebook/detr-resnet-50"
QWEN_EMBEDDING = "@cf/qwen/qwen3-embedding-0.6b"
GUARD = "@cf/meta/llama-guard-3-8b"
STREAM = {"body": {}, "contentType": "audio/wav"}
EXTRA = "Additional or unevaluated properties"
ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."
NEITHER = "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', "
NO_CONTENT = NEITHER + "required properties at '/messages/1' are 'role,content'"


def hi(**more: Any) -> dict[str, Any]:
    return {"prompt": "hi", **more}


def says(*contents: Any) -> dict[str, Any]:
    """Return a chat of messages with these contents."""
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def asks(**question: Any) -> dict[str, Any]:
    """Return inputs for Clef with this question."""
    return {"model": "clef", "state": "It is.", "questions": {"q": {"instructions": "Is it?", **question}}}


def clef(questions: int = 1, **more: Any) -> dict[str, Any]:
    asked = {f"q{number}": {"type": "noul", "instructions": "Is it?"} for number in range(questions)}
    return {"model": "clef", "state": "It is.", "questions": asked, **more}


def test_inputs_that_are_nested_too_deeply_are_refused(service: Service) -> None:
    # How deep is too deep depends on the Python: some of these are not even read, others not looked at to their end.
    for depth in (950, 5_000, 200_000):
        content = b'{"messages":[{"role":"user","content":' + b"[" * depth + b"]" * depth + b"}]}"
        response = service.http.post(service.url(LLAMA), content=content, headers={"content-type": "application/json"})
        assert response.status_code in (200, 400) if depth < 1_000 else response.status_code == 400, depth
        assert [error["code"] for error in response.json()["errors"]] in ([], [5006]), depth


def test_the_content_of_a_message_may_be_one_part_where_the_schema_has_it(service: Service) -> None:
    part = {"type": "text", "text": "hi"}
    assert service.result("@cf/meta/llama-4-scout-17b-16e-instruct", says(part))["response"]
    assert service.error(LLAMA, says(part))[1] == 5006


def test_bad_inputs_are_named_by_code_5006(service: Service) -> None:
    for model, inputs, problem in (
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
        (LLAMA, {"messages": [*says("x")["messages"], {"role": "user"}]}, NO_CONTENT),
        (LLAMA, says(5), NEITHER + "Type mismatch of '/messages/0/content', 'integer' not in 'string'"),
        (LLAMA, {"messages": ["hi"]}, NEITHER + "Type mismatch of '/messages/0', 'string' not in 'object'"),
        (CLEF, {"state": "x"}, "required properties at '/' are 'model,state,questions'"),
        ("@cf/black-forest-labs/flux-2-dev", hi(), "required properties at '/' are 'multipart'"),
        ("@cf/black-forest-labs/flux-2-dev", {"multipart": STREAM}, "required properties at '/' are 'multipart'"),
        (NOVA, {"audio": STREAM}, "required properties at '/' are 'audio'"),
        (SMART_TURN, {"audio": STREAM}, "required properties at '/' are 'audio'"),
        (DETR, {}, "required properties at '/' are 'image'"),
        (FLUX, hi(width=512, height=512), f"{EXTRA} '/width, /height' at '/' not allowed"),
        (QWEN_EMBEDDING, {"text": ["x"] * 33}, "Length of '/text' must be <= 32"),
        (QWEN_EMBEDDING, {"queries": ["x"], "documents": ["x"] * 33}, "Length of '/documents' must be <= 32"),
        (QWEN_EMBEDDING, {}, "anyOf at '/' not met: required properties at '/' are 'text'"),
        (M3, {"contexts": ["x"]}, "Type mismatch of '/contexts/0', 'string' not in 'object'"),
        (M3, {"contexts": [{}]}, "required properties at '/contexts/0' are 'text'"),
        (M3, {"contexts": [{"text": ""}]}, "Length of '/contexts/0/text' must be >= 1"),
        (CLEF, asks(type="other"), "'/questions/q/type' must be one of 'noul,choice,score'"),
        (CLEF, asks(type="choice"), "required properties at '/questions/q' are 'instructions,criteria'"),
        (CLEF, asks(type="choice", criteria=[]), "Type mismatch of '/questions/q/criteria', 'array' not in 'object'"),
        (CLEF, asks(type="score", criteria={}), "Type mismatch of '/questions/q/criteria', 'object' not in 'array'"),
        (CLEF, asks(type="choice", criteria={"a": ""}), "'/questions/q/criteria' must have 2 to 255 properties"),
        (CLEF, asks(type="score", criteria=["a"] * 11), "'/questions/q/criteria' must have 2 to 10 items"),
        (FLUX, {"prompt": "x" * 2049}, "Length of '/prompt' must be <= 2048"),
        (FLUX, hi(steps=9), "'/steps' must be <= 8"),
        (BGE, {"text": ["x"] * 101}, "Length of '/text' must be <= 100"),
        (BGE, {"text": "x", "pooling": "max"}, "'/pooling' must be one of 'mean,cls'"),
        (BGE, {"text": ["x", ""]}, "Length of '/text/1' must be >= 1"),
        (BGE, {"text": ["x", 1]}, "Type mismatch of '/text/1', 'integer' not in 'string'"),
        (CLEF, clef(0), "'/questions' must have 1 to 64 properties"),
        (CLEF, clef(65), "'/questions' must have 1 to 64 properties"),
        (CLEF, clef(model="other"), r"'/model' must match pattern '^\s*(clef|clef-flash)\s*$'"),
        (WHISPER, {"audio": [0, 256]}, "'/audio/1' must be <= 255"),
        (WHISPER, {"audio": [-1]}, "'/audio/0' must be >= 0"),
        (WHISPER, {"audio": [True]}, "Type mismatch of '/audio/0', 'boolean' not in 'number'"),
        (VISION, hi(image=[1, "a"]), "Type mismatch of '/image/1', 'string' not in 'number'"),
        (WHISPER, {"audio": "UklGRg=="}, "Type mismatch of '/audio', 'string' not in 'array'"),
    ):
        with row(problem):
            assert service.error(model, inputs) == (400, 5006, f"AiError: Bad input: Error: {problem}")


def test_inputs_that_the_service_takes_are_taken(service: Service) -> None:
    for name, model, inputs in (
        ("unknown ones", LLAMA, hi(max_tokens=20, temperature=5, top_k=50, unknown={}, options={"rejectIfBusy": True})),
        ("a LoRA", "@cf/mistral/mistral-7b-instruct-v0.2-lora", hi(lora="cf-public-magicoder")),
        ("base64 in lines", TURBO, {"audio": f"{WAV_BASE64[:60]}\n{WAV_BASE64[60:]}\n"}),
        ("parts of a message", LLAMA, says([{"type": "text", "text": "hi"}])),
        ("no content", LLAMA, says(None, "hi")),
        ("tool calls for content", GLM, {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}),
        ("null for the default", GLM, hi(max_tokens=None, temperature=None, stop=["", "a"], tool_choice="auto")),
        ("as many as may be", BGE, {"text": ["x"] * 100}),
        ("as many properties as may be", CLEF, clef(64)),
        ("a seed that its schema lacks", FLUX, hi(seed=1, steps=4)),
        ("as many texts as Qwen takes", QWEN_EMBEDDING, {"queries": ["x"] * 32, "documents": "x"}),
        ("a conversation", GUARD, {"messages": [{"role": role, "content": "hi"} for role in ("user", "assistant")]}),
        ("the Responses API", OSS, {"input": [{"role": "user", "content": "hi"}]}),
        ("a model without a schema", "@cf/swiss-ai/apertus-v1.5-8b", hi()),
        ("too long, but truncated", M3, {"contexts": [{"text": "x" * 8 * 9000}], "truncate_inputs": True}),
    ):
        with row(name):
            assert service.run(model, inputs).status_code == 200


def test_what_the_service_names_by_a_code_of_its_own(service: Service) -> None:
    too_much = "AiError: AiError: max_completion_tokens is too large: 16385. This model supports at most 16384 "
    for model, inputs, refusal in (
        (LLAMA, hi(**says("hi")), (400, 1001, "AiError: prompt and messages are mutually exclusive")),
        (LLAMA, hi(response_format=ODD), (400, 5024, "AiError: JSON Mode couldn't be met: not a JSON schema")),
        (LLAMA, hi(tools=[ODD_TOOL], tool_choice="required"), (400, 8001, f"AiError: Invalid input: {ODD_TEXT}")),
        (GLM, hi(tools=[{"name": "f", "description": False}]), (400, 8001, "AiError: Invalid input")),
        (GLM, hi(tools=[{"function": {"name": "f", "description": False}}]), (400, 8001, "AiError: Invalid input")),
        (LLAMA, hi(lora="mine"), (405, 5005, "AiError: Model does not support LoRA")),
        (GUARD, says("hi", "hi"), (400, 3030, f"AiError: AiError: {ALTERNATE}")),
        (GUARD, {"messages": []}, (400, 3030, f"AiError: AiError: {ALTERNATE}")),
        (GLM, hi(tool_choice="any"), (400, 8001, "AiError: Invalid input")),
        (GEMMA, hi(max_tokens=16385), (400, 3030, too_much + "completion tokens.")),
        (GEMMA, hi(max_completion_tokens=16385), (400, 3030, too_much + "completion tokens.")),
    ):
        with row(refusal):
            assert service.error(model, inputs) == refusal


def test_a_body_is_json_not_too_large_of_any_content_type(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for body, code in (("{", 5006), ('{"prompt": NaN}', 5006), ("[" * 100_000, 5006), ("", 3003)):
        with row(body[:20]):
            response = service.http.post(service.url(LLAMA), content=body)
            assert (response.status_code, response.json()["errors"][0]["code"]) == (400, code)
    content = b'{"prompt": "hi"}'
    assert service.http.post(service.url(LLAMA), content=content).json() == service.run(LLAMA, hi()).json()
    monkeypatch.setattr("cfai.local.server._application.MAX_BODY_SIZE", 100)
    assert service.run(LLAMA, hi()).status_code == 200
    assert service.error(LLAMA, hi(lora="x" * 100))[:2] == (413, 3006)


# The window


Refusal = tuple[int, int, str]


def gateway(tokens: int, window: int) -> Refusal:
    """Return how the gateway refuses so many tokens."""
    estimate = f"The estimated number of input and maximum output tokens ({tokens}) exceeded this model context "
    return 413, 5021, f"AiError: Ai: {estimate}window limit ({window})."


def model(reserved: int, prompt: int, window: int) -> Refusal:
    """Return how a model refuses a prompt of at least so many tokens."""
    return (
        400,
        3030,
        f"AiError: AiError: This model's maximum context length is {window} tokens. However, you requested {reserved} "
        f"output tokens and your prompt contains at least {prompt} input tokens, for a total of at least {window + 1} "
        "tokens. Please reduce the length of the input prompt or the number of requested output tokens. "
        f"(parameter=input_tokens, value={prompt})",
    )


def characters(number: int, max_tokens: int | None = None) -> dict[str, Any]:
    """Return inputs whose prompt is so many characters of JSON: the gateway takes four of them for a token."""
    return {"prompt": "x" * (number - len('{"prompt":""}')), **({"max_tokens": max_tokens} if max_tokens else {})}


def tokens(number: int, max_tokens: int | None = None) -> dict[str, Any]:
    """Return inputs whose prompt is so many tokens to the model, three of which are around the text."""
    return characters(13, max_tokens) | {"prompt": " a" * (number - 3)}


def test_one_token_more_than_the_window_is_refused(service: Service) -> None:
    for name, of, prompt, fits, too_long, refusal in (
        ("input and output together", LLAMA, characters, [92_000, 1000], [92_000, 1001], gateway(24_001, 24_000)),
        # 23,744 and the 256 that nobody asked for.
        ("with the default of max_tokens", LLAMA, characters, [94_976], [94_977], gateway(24_001, 24_000)),
        ("input and output apart", LLAMA_2, characters, [8192, 1800], [8193], gateway(2049, 2048)),
        ("what the gateway lets pass", LLAMA, tokens, [20_003, 3997], [20_003, 3998], model(3998, 20_003, 24_000)),
        ("the default for the model too", LLAMA, tokens, [23_744], [23_745], model(256, 23_745, 24_000)),
        ("apart for the model too", LLAMA_2, tokens, [2048, 1800], [2049, 1800], model(0, 2049, 2048)),
        ("how far it is over is not said", LLAMA, tokens, [4], [40_000, 1000], model(1000, 23_001, 24_000)),
    ):
        with row(name):
            assert service.run(of, prompt(*fits)).status_code == 200
            assert service.error(of, prompt(*too_long)) == refusal
    assert service.result(LLAMA, tokens(20_003, 1))["usage"]["prompt_tokens"] == 20_003


def test_an_image_that_the_model_would_take_is_refused_for_its_base64(service: Service) -> None:
    for name, window, kilobytes in ((VISION, 128_000, 300), (GEMMA, 131_072, 380)):
        with row(name):
            url = "data:image/png;base64," + base64.b64encode(PNG.ljust(kilobytes * 1000)).decode()
            inputs = says([{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}}])
            estimate = -(-len(json.dumps(inputs, separators=(",", ":"))) // 4)
            assert kilobytes * 1000 // 3 < estimate < window
            answer = service.result(name, inputs | {"max_tokens": window - estimate})
            assert answer["usage"]["prompt_tokens"] < 1000
            over = service.error(name, inputs | {"max_tokens": window - estimate + 1})
            assert over == gateway(window + 1, window)
    assert service.error(VISION, {"prompt": "what is this?", "image": "A" * 600_000})[:2] == (413, 5021)


def test_an_image_is_counted_wherever_it_stands(service: Service) -> None:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    for place, inputs in (
        ("a message", says([{"type": "text", "text": "what is this?"}, image])),
        ("beside the prompt", {"prompt": "what is this?", "image": PNG_URL}),
        ("in numbers", {"prompt": "what is this?", "image": list(PNG)}),
    ):
        with row(place):
            assert 576 < service.result(VISION, inputs)["usage"]["prompt_tokens"] < 650


def test_every_prompt_meets_the_gateway_or_the_model(service: Service) -> None:
    for unit in ("word ", "東京", "x=1;", " " * 9, "🙂", "A" * 100):
        with row(unit):
            long = unit * (100_000 // len(unit))
            assert service.error(LLAMA, {"prompt": long})[1] in (5021, 3030)
            assert service.run(LLAMA, {"prompt": long[:20_000]}).status_code == 200


def test_embeddings_have_limits_for_each_text_and_for_all(service: Service) -> None:
    for model, inputs, problem in (
        (M3, {"text": ["x" * 8 * 8193]}, "Sequence too long: 8193 > 8192"),
        (M3, {"contexts": [{"text": "x" * 8 * 9000}]}, "Sequence too long: 9000 > 8192"),
        (M3, {"text": ["x" * 8 * 7501] * 8}, "Max context reached 60008 tokens but model supports only 60000"),
        (BGE, {"text": ["fine", "x" * 8 * 513]}, "Sequence too long: 513 > 512"),
    ):
        with row(problem):
            assert service.error(model, inputs) == (400, 3030, f"AiError: AiError: {problem}")
