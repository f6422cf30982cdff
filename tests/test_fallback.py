"""Fallback: which errors lead to another model, what it is sent, and what is told of it."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from cfai import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    CfaiError,
    ConfigurationError,
    InputError,
    InternalServerError,
    LimitError,
    NotFoundError,
    OutputValidationError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    StreamError,
)
from cfai.fallback import _CONTENT, adapt_inputs  # pyright: ignore[reportPrivateUsage]
from cfai.local import Emulator, Fault
from cfai.models import catalogue
from cfai.models.schemas import FLUX_2_FORM, get_schema
from tests.conftest import SYNC_AND_ASYNC, Caller, Service, row

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GLM = "@cf/zai-org/glm-4.7-flash"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"
GPT_OSS = "@cf/openai/gpt-oss-20b"
GEMMA = "@cf/google/gemma-4-26b-a4b-it"
MISTRAL = "@cf/mistralai/mistral-small-3.1-24b-instruct"
VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
KIMI = "@cf/moonshotai/kimi-k2.6"
KLEIN = "@cf/black-forest-labs/flux-2-klein-4b"
PHOENIX = "@cf/leonardo/phoenix-1.0"
GUARD = "@cf/meta/llama-guard-3-8b"
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"
LLAVA = "@cf/llava-hf/llava-1.5-7b-hf"
FORM = {"body": b"--x--", "contentType": "multipart/form-data; boundary=x"}
INDIC = "@cf/ai4bharat/indictrans2-en-indic-1B"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CLOSED = SCHEMA | {"additionalProperties": False}
STRICT = {"name": "Answer", "schema": CLOSED, "strict": True}


class City(BaseModel):
    name: str


@pytest.fixture
def hasty(caller: Caller) -> Caller:
    """A caller that does not try the same model again."""
    return caller.with_options(max_retries=0)


def models_called(service: Service) -> list[str]:
    return [str(request.url).partition("/ai/run/")[2] for request in service.requests]


@SYNC_AND_ASYNC
def test_another_model_answers_where_one_is_gone_busy_or_over_quota(caller: Caller, service: Service) -> None:
    table = [
        ((400, 5007), NotFoundError),
        ((404, 3042), NotFoundError),
        ((410, 5028), NotFoundError),
        ((429, 3040), CapacityError),
        ((429, 3021), RateLimitError),
        ((429, 4006), QuotaExceededError),
        ((402, None), QuotaExceededError),
    ]
    hasty = caller.with_options(max_retries=0)
    for (status, code), kind in table:
        with row((status, code)):
            service.forget()
            service.answers(service.error(status, code), service.result({"response": "Hello"}))
            answer = hasty.run(GLM, {"prompt": "x"}, fallback=[LLAMA])
            assert (answer.text, answer.meta.model) == ("Hello", LLAMA)
            assert models_called(service) == [GLM, LLAMA]
            (error,) = answer.meta.fallback_errors
            assert (type(error), error.model, error.__traceback__) == (kind, GLM, None)
            assert pickle.loads(pickle.dumps(answer)).meta.fallback_errors[0].code == code


def test_no_other_error_leads_to_another_model(hasty: Caller, service: Service) -> None:
    table: list[tuple[Any, type[CfaiError]]] = [
        (service.error(400, 5006), BadRequestError),
        (service.error(401, 10000), AuthenticationError),
        (service.error(500), InternalServerError),
        (service.error(503), InternalServerError),
        (service.error(504), RequestTimeoutError),
        (httpx.ConnectError("refused"), APIConnectionError),
    ]
    for answer, kind in table:
        with row(kind):
            service.forget()
            service.answers(answer, service.result({"response": "Hello"}))
            with pytest.raises(kind):
                hasty.run(GLM, {"prompt": "x"}, fallback=[LLAMA])
            assert models_called(service) == [GLM]


def test_a_model_is_tried_again_before_another_is_called(caller: Caller, service: Service, sleeps: list[float]) -> None:
    busy: Any = service.error(429, 3040)
    service.answers(busy, busy, busy, service.result({"response": "Hello"}))
    caller.run(GLM, {"prompt": "x"}, fallback=[LLAMA])
    assert models_called(service) == [GLM, GLM, GLM, LLAMA]
    assert len(sleeps) == 2


def test_an_answer_of_the_first_model_has_nothing_to_tell(caller: Caller, service: Service) -> None:
    answer = caller.run(GLM, {"prompt": "x"}, fallback=[LLAMA])
    assert (answer.meta.fallback_errors, answer.meta.fallback_left_out) == ((), ())
    assert models_called(service) == [GLM]


def test_if_all_fail_the_last_error_is_raised_with_notes_on_the_others(hasty: Caller, service: Service) -> None:
    service.answers(service.error(410, 5028), service.error(429, 3040), service.error(429, 4006))
    with pytest.raises(QuotaExceededError) as caught:
        hasty.run(GLM, {"prompt": "x"}, fallback=[LLAMA, QWEN])
    assert caught.value.model == QWEN
    first, second = caught.value.__notes__
    assert first.startswith(f"{GLM} was called too: NotFoundError: 5028")
    assert second.startswith(f"{LLAMA} was called too: CapacityError: 3040")
    service.answers(service.error(429, 3040), service.error(500))
    with pytest.raises(InternalServerError) as failed:
        hasty.run(GLM, {"prompt": "x"}, fallback=[LLAMA])
    assert "CapacityError" in failed.value.__notes__[0]


def test_a_fallback_whose_inputs_do_not_fit_is_passed_over(hasty: Caller, service: Service) -> None:
    long = {"prompt": "word " * 60_000, "max_tokens": 10}
    small = "@cf/meta/llama-3.1-8b-instruct-fp8"
    service.answers(service.error(429, 3040), service.result({"response": "Hello"}))
    answer = hasty.run(GLM, long, fallback=[small, "@cf/qwen/qwen3.8-27b"])
    busy, too_long = answer.meta.fallback_errors
    assert (type(busy), type(too_long).__name__, too_long.model) == (CapacityError, "ContextLengthError", small)
    assert len(service.requests) == 2
    service.answers(service.error(429, 3040))
    with pytest.raises(CapacityError) as caught:
        hasty.run(GLM, long, fallback=[small])
    assert caught.value.__notes__[0].startswith(f"{small} was not called: ContextLengthError")


def test_the_first_models_own_misfit_is_raised_at_once(caller: Caller, service: Service) -> None:
    with pytest.raises(LimitError):
        caller.run(LLAMA, {"prompt": "x", "max_tokens": 10**9}, fallback=[GLM])
    assert service.requests == []


@SYNC_AND_ASYNC
def test_a_stream_comes_from_the_model_that_opens_it_and_no_other_takes_over(caller: Caller, service: Service) -> None:
    hasty = caller.with_options(max_retries=0)
    events = service.events(b'data: {"response":"Hel"}\n\n', b'data: {"error":"out of capacity"}\n\n')
    service.answers(service.error(429, 3040), events, service.result({"response": "never"}))
    stream = hasty.run(GLM, {"prompt": "x", "stream": True}, fallback=[LLAMA, QWEN])
    assert stream.meta.model == LLAMA
    assert isinstance(stream.meta.fallback_errors[0], CapacityError)
    with pytest.raises(StreamError):
        list(stream)
    assert models_called(service) == [GLM, LLAMA]


def test_a_schema_goes_to_each_model_in_its_own_form(hasty: Caller, service: Service) -> None:
    service.answers(
        service.error(429, 3040), service.result({"response": "no"}), service.result({"response": {"name": "Oslo"}})
    )
    answer = hasty.run(GLM, {"prompt": "x"}, output_type=City, fallback=[LLAMA])
    assert (answer.output, answer.meta.output_retries) == (City(name="Oslo"), 1)
    first, second, third = (
        json.loads(request.content)["response_format"]["json_schema"] for request in service.requests
    )
    assert first["name"] == "City"
    assert second == third == City.model_json_schema()
    assert models_called(service) == [GLM, LLAMA, LLAMA]
    service.answers(service.result({"response": "no"}))
    with pytest.raises(OutputValidationError):
        hasty.run(LLAMA, {"prompt": "x"}, output_type=City, fallback=[GLM])
    assert models_called(service)[3:] == [LLAMA, LLAMA], "an answer that does not fit is no reason for another model"


def seen(text: str) -> dict[str, Any]:
    """Return a question about an image, as chat models have it."""
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": b"png"}}]
    return {"role": "user", "content": parts}


def named_call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_inputs_are_carried_over_to_the_other_shape() -> None:
    user = {"role": "user", "content": "x"}
    parameters = {"type": "object", "properties": {}}
    tool = {"name": "look", "description": "Look.", "parameters": parameters}
    item_call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    item_output = {"type": "function_call_output", "call_id": "c", "output": "red"}
    chat_call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    parts = [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:,"}]
    chat_parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    chosen = {"type": "function", "function": {"name": "look"}}
    bare = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}
    named = {"response_format": {"type": "json_schema", "json_schema": {"name": "Answer", "schema": SCHEMA}}}
    own = {"name": "free", "description": "Any.", "schema": SCHEMA, "strict": False}
    free = {"response_format": {"type": "json_schema", "json_schema": own}}
    flat_free = {"type": "json_schema", **own}
    strict = {"response_format": {"type": "json_schema", "json_schema": STRICT}}
    table: list[tuple[dict[str, Any], str, dict[str, Any], tuple[str, ...]]] = [
        (
            {"prompt": "x", "stream": True, "temperature": 1},
            LLAMA,
            {"prompt": "x", "stream": True, "temperature": 1},
            (),
        ),
        ({"prompt": "x", "max_tokens": 9}, "openai/gpt-5", {"messages": [user], "max_tokens": 9}, ()),
        ({"messages": [user], "max_completion_tokens": 9}, LLAMA, {"messages": [user], "max_tokens": 9}, ()),
        ({"messages": [user], "max_tokens": 9}, GLM, {"messages": [user], "max_tokens": 9}, ()),
        (
            {"messages": [user], "reasoning_effort": "low", "seed": 1},
            LLAMA,
            {"messages": [user], "seed": 1},
            ("reasoning_effort",),
        ),
        (
            {"messages": [user], "tools": [tool]},
            GLM,
            {"messages": [user], "tools": [{"type": "function", "function": tool}]},
            (),
        ),
        ({"input": "x", "max_output_tokens": 9}, GLM, {"messages": [user], "max_tokens": 9}, ()),
        (
            {"input": "x", "max_output_tokens": 9},
            "@cf/openai/gpt-oss-120b",
            {"input": "x", "max_output_tokens": 9},
            (),
        ),
        (
            {"input": "x", "instructions": "Be brief."},
            LLAMA,
            {"messages": [{"role": "system", "content": "Be brief."}, user]},
            (),
        ),
        ({"input": "x", "reasoning": {"effort": "low"}}, GLM, {"messages": [user], "reasoning_effort": "low"}, ()),
        (
            {"input": "x", "reasoning": {"summary": "auto"}, "truncation": "auto"},
            GLM,
            {"messages": [user]},
            ("reasoning", "truncation"),
        ),
        (
            {"input": "x", "text": {"verbosity": "low"}},
            "@cf/openai/gpt-oss-120b",
            {"input": "x", "text": {"verbosity": "low"}},
            (),
        ),
        (
            {"input": [{"role": "user", "content": parts}]},
            GEMMA,
            {"messages": [{"role": "user", "content": chat_parts}]},
            (),
        ),
        (
            {"input": [user, {"type": "reasoning", "summary": []}, item_call, item_output]},
            GLM,
            {
                "messages": [
                    user,
                    {"role": "assistant", "content": "", "tool_calls": [chat_call]},
                    {"role": "tool", "tool_call_id": "c", "content": "red"},
                ]
            },
            (),
        ),
        (
            {"input": [user, item_call, {"type": "reasoning"}, item_call | {"call_id": "d"}, item_output]},
            GLM,
            {
                "messages": [
                    user,
                    {"role": "assistant", "content": "", "tool_calls": [chat_call, chat_call | {"id": "d"}]},
                    {"role": "tool", "tool_call_id": "c", "content": "red"},
                ]
            },
            (),
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": parts}]},
            GEMMA,
            {"messages": [{"role": "tool", "tool_call_id": "c", "content": chat_parts}]},
            (),
        ),
        (
            {
                "input": "x",
                "tools": [{"type": "function", **tool}],
                "tool_choice": {"type": "function", "name": "look"},
            },
            GLM,
            {"messages": [user], "tools": [{"type": "function", "function": tool}], "tool_choice": chosen},
            (),
        ),
        ({"prompt": "x", **bare}, GLM, {"prompt": "x", **named}, ()),
        ({"prompt": "x", **free}, KIMI, {"prompt": "x", **free}, ()),
        ({"prompt": "x", **free}, LLAMA, {"prompt": "x", **bare}, ()),
        ({"prompt": "x", **bare}, QWEN, {"prompt": "x", **bare}, ()),
        ({"input": "x", "text": {"format": flat_free}}, GLM, {"messages": [user], **free}, ()),
        (
            {"input": "x", "text": {"format": flat_free}},
            "@cf/openai/gpt-oss-120b",
            {"input": "x", "text": {"format": flat_free}},
            (),
        ),
        (
            {"prompt": "x", "chat_template_kwargs": {"enable_thinking": False, "clear_thinking": True}},
            KIMI,
            {"prompt": "x", "chat_template_kwargs": {"thinking": False, "clear_thinking": True}},
            (),
        ),
        (
            {"prompt": "x", "chat_template_kwargs": {"thinking": False}},
            GLM,
            {"prompt": "x", "chat_template_kwargs": {"enable_thinking": False}},
            (),
        ),
        (
            {"prompt": "x", "chat_template_kwargs": {"thinking": False}},
            "@cf/moonshotai/kimi-k2.5",
            {"prompt": "x", "chat_template_kwargs": {"enable_thinking": False}},
            (),
        ),
        (
            {
                "messages": [
                    user,
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [
                            {"name": "look", "arguments": {"at": "x"}},
                            {"name": "hear", "arguments": "{}"},
                            {"name": "look"},
                        ],
                    },
                    {"role": "tool", "name": "hear", "content": "a"},
                    {"role": "tool", "name": "look", "content": "b"},
                    {"role": "tool", "content": "c"},
                    {"role": "tool", "content": "d"},
                ]
            },
            GLM,
            {
                "messages": [
                    user,
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [
                            named_call("000000001", "look", '{"at":"x"}'),
                            named_call("000000002", "hear", "{}"),
                            named_call("000000003", "look", "{}"),
                        ],
                    },
                    {"role": "tool", "name": "hear", "content": "a", "tool_call_id": "000000002"},
                    {"role": "tool", "name": "look", "content": "b", "tool_call_id": "000000001"},
                    {"role": "tool", "content": "c", "tool_call_id": "000000003"},
                    {"role": "tool", "content": "d"},
                ]
            },
            (),
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"id": "a", "name": "hear"}, {"id": "b", "name": "look"}]},
                    {"role": "tool", "tool_call_id": "b", "content": "red"},
                    {"role": "tool", "name": "hear", "content": "loud"},
                ]
            },
            GLM,
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [named_call("a", "hear", "{}"), named_call("b", "look", "{}")],
                    },
                    {"role": "tool", "tool_call_id": "b", "content": "red"},
                    {"role": "tool", "name": "hear", "content": "loud", "tool_call_id": "a"},
                ]
            },
            (),
        ),
        (
            {"messages": [user, {"role": "assistant", "content": "", "tool_calls": [chat_call]}]},
            GLM,
            {"messages": [user, {"role": "assistant", "content": "", "tool_calls": [chat_call]}]},
            (),
        ),
        (
            {"prompt": "x", **strict},
            LLAMA,
            {"prompt": "x", "response_format": {"type": "json_schema", "json_schema": CLOSED}},
            (),
        ),
        ({"prompt": "x", **bare}, "@cf/qwen/qwq-32b", {"prompt": "x", "guided_json": SCHEMA}, ()),
        ({"prompt": "x", "guided_json": SCHEMA}, LLAMA, {"prompt": "x", **bare}, ()),
        (
            {"input": "x", "text": {"format": {"type": "json_object"}}},
            GLM,
            {"messages": [user], "response_format": {"type": "json_object"}},
            (),
        ),
        ({"input": "x", "text": {"verbosity": "low"}}, GLM, {"messages": [user]}, ("text",)),
        ({"input": "x", "text": {"format": {"type": "text"}}}, GLM, {"messages": [user]}, ()),
        ({"input": "x", "text": {"format": None}}, GLM, {"messages": [user]}, ()),
        (
            {"input": "x", "text": {"format": {"type": "json_schema", **STRICT}}},
            GLM,
            {"messages": [user], **strict},
            (),
        ),
        (
            {"prompt": "x", "response_format": {"type": "json_object"}},
            GLM,
            {"prompt": "x", "response_format": {"type": "json_object"}},
            (),
        ),
        (
            {"prompt": "x", "steps": 4},
            "@cf/bytedance/stable-diffusion-xl-lightning",
            {"prompt": "x", "num_steps": 4},
            (),
        ),
        (
            {"prompt": "x", "num_steps": 4, "guidance": 7},
            "@cf/black-forest-labs/flux-1-schnell",
            {"prompt": "x", "steps": 4},
            ("guidance",),
        ),
        ({"prompt": "Hi"}, "@cf/deepgram/aura-1", {"text": "Hi"}, ()),
        ({"text": "Hi", "encoding": "mp3"}, "@cf/myshell-ai/melotts", {"prompt": "Hi"}, ("encoding",)),
        ({"prompt": "x", "image": b"png"}, GEMMA, {"messages": [seen("x")]}, ()),
        ({"image": b"png"}, GEMMA, {"messages": [seen("x") | {"content": seen("x")["content"][1:]}]}, ()),
        (
            {"messages": [user | {"content": chat_parts[:1]}]},
            LLAMA,
            {"messages": [user | {"content": chat_parts[:1]}]},
            (),
        ),
        ({"messages": [seen("x")], "top_k": 9}, MISTRAL, {"messages": [seen("x")], "top_k": 9}, ()),
        (
            {"messages": [user, {"role": "assistant", "content": "y"}], "image": b"png"},
            GEMMA,
            {"messages": [seen("x"), {"role": "assistant", "content": "y"}]},
            (),
        ),
        ({"prompt": "x", "image": b"png"}, "openai/gpt-5", {"messages": [seen("x")]}, ()),
        ({"messages": [user], "image": b"png"}, "openai/gpt-5", {"messages": [seen("x")]}, ()),
        ({"prompt": "x", "image": b"png"}, "@cf/nobody/new", {"prompt": "x", "image": b"png"}, ()),
        ({"prompt": "x", "odd": 1}, "@cf/nobody/new", {"prompt": "x", "odd": 1}, ()),
        ({"messages": ["x", user]}, "@cf/nobody/new", {"messages": ["x", user]}, ()),
    ]
    for inputs, model, expected, left_out in table:
        with row((inputs, model)):
            before = copy.deepcopy(inputs)
            step = adapt_inputs(inputs, model)
            assert dict(step.inputs) == expected
            assert step.left_out == left_out
            assert inputs == before


def test_a_model_that_cannot_be_asked_the_same_is_refused_before_anything_is_sent(
    caller: Caller, service: Service
) -> None:
    table: list[tuple[str, dict[str, Any], str, str]] = [
        ("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_lang": "hi"}, INDIC, "has no input `target_lang`"),
        (INDIC, {"text": "Hi", "target_language": "hin_Deva"}, "@cf/meta/m2m100-1.2b", "no input `target_language`"),
        ("@cf/myshell-ai/melotts", {"prompt": "Hi", "lang": "fr"}, "@cf/deepgram/aura-1", "has no input `lang`"),
        ("@cf/deepgram/aura-1", {"text": "Hi", "speaker": "luna"}, "@cf/myshell-ai/melotts", "no input `speaker`"),
        (GPT_OSS, {"input": [{"type": "web_search_call"}]}, GLM, "items of the type 'web_search_call'"),
        (KLEIN, {"prompt": "Hi", "input_image_0": b"png"}, PHOENIX, "no input `input_image_0`"),
        (KLEIN, {"prompt": "Hi", "input_image_3": Path("a.png")}, PHOENIX, "no input `input_image_3`"),
        (KLEIN, {"multipart": FORM}, PHOENIX, "has no input `multipart`"),
        ("@cf/nobody/new", {"prompt": "Hi", "sketch": b"png"}, PHOENIX, "has no input `sketch`"),
        (MOONDREAM, {"image": b"png", "target": "cat"}, LLAVA, "has no input `target`"),
        (GUARD, {"messages": []}, LLAMA, "which is for moderation and @cf/meta/llama-3.3"),
        (
            GEMMA,
            {"prompt": "Hi"},
            GUARD,
            "which is for Text Generation and @cf/meta/llama-guard-3-8b, which is for mod",
        ),
        (GEMMA, {"prompt": "Hi"}, "@cf/cloudflare/clef-flash", "which is for decisions"),
        (VISION, {"prompt": "x", "image": b"png"}, LLAMA, "cannot see, and the inputs have an image"),
        (
            GEMMA,
            {"messages": [seen("x") | {"content": [{"type": "input_image", "file_id": "f"}]}]},
            LLAMA,
            "cannot see",
        ),
        (GEMMA, {"messages": [seen("x")]}, LLAMA, "cannot see"),
        (GEMMA, {"messages": [{"role": "user", "content": "data:image/png;base64,AA=="}]}, LLAMA, "cannot see"),
        (GEMMA, {"messages": [{"role": "user", "content": ["x", b"png"]}]}, GPT_OSS, "cannot see"),
        (GEMMA, {"messages": [seen("x")]}, VISION, "takes an image as `image`, and not in messages"),
        (VISION, {"messages": [{"role": "system", "content": "x"}], "image": b"png"}, GEMMA, "message of the user"),
    ]
    for model, inputs, other, words in table:
        with row((model, inputs, other)), pytest.raises(ConfigurationError, match=words):
            caller.run(model, inputs, fallback=[other])
    assert service.requests == []


def test_no_medium_of_any_model_is_left_out() -> None:
    schemas = [FLUX_2_FORM, *filter(None, map(get_schema, catalogue()))]
    media = {
        name
        for schema in schemas
        for name, parameter in schema.parameters.items()
        if any(mark in parameter.type for mark in ("binary", "number 0-255", "data URL", "{body:"))
    }
    assert media >= {"input_image_3", "multipart", "mask", "videos", "audio"}
    assert media - {"(body)"} <= _CONTENT


def test_a_form_goes_to_another_model_that_takes_it(hasty: Caller, service: Service) -> None:
    service.answers(service.error(429, 3040), service.result({"image": "iVBORw0KGgo="}))
    hasty.run(KLEIN, {"multipart": FORM}, fallback=["@cf/black-forest-labs/flux-2-klein-9b"])
    assert {request.content for request in service.requests} == {b"--x--"}


def test_an_image_goes_to_the_other_model_in_the_form_of_a_message(hasty: Caller, service: Service) -> None:
    png = b"\x89PNG\r\n\x1a\n"
    for image in (png, [*png]):
        service.forget()
        service.answers(service.error(429, 3040), service.result({"response": "A cat."}))
        hasty.run(VISION, {"prompt": "What is it?", "image": image, "max_tokens": 9}, fallback=[GEMMA])
        part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
        content = [{"type": "text", "text": "What is it?"}, part]
        assert service.sent == {"messages": [{"role": "user", "content": content}], "max_tokens": 9}


def test_an_answer_that_did_not_fit_is_counted_when_another_model_goes_on(hasty: Caller, service: Service) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    unfit, fit = {"response": "no", "usage": usage}, {"response": '{"name": "Oslo"}', "usage": usage}
    service.answers(service.result(unfit), service.error(429, 3040), service.result(fit))
    answer = hasty.run(LLAMA, {"prompt": "x"}, output_type=City, fallback=[GLM])
    assert (answer.output, answer.meta.model, answer.usage.total_tokens) == (City(name="Oslo"), GLM, 30)
    (error,) = answer.meta.fallback_errors
    assert isinstance(error, OutputValidationError)
    assert (error.text, error.model, error.__traceback__) == ("no", LLAMA, None)
    assert isinstance(error.__cause__, CapacityError)
    for last in (service.error(410, 5028), service.error(500)):
        service.answers(service.result(unfit), service.error(429, 3040), last)
        with pytest.raises(OutputValidationError) as caught:
            hasty.run(LLAMA, {"prompt": "x"}, output_type=City, fallback=[GLM])
        assert caught.value.text == "no"
        assert caught.value.__notes__[0].startswith(f"{GLM} was called too: ")


@SYNC_AND_ASYNC
def test_the_total_timeout_is_one_for_all_models(
    caller: Caller, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    busy: Any = service.error(429, 3040)

    def answer_slowly() -> httpx.Response:
        nonlocal now
        now += 6
        return busy()

    service.answers(answer_slowly)
    hasty = caller.with_options(max_retries=0, total_timeout=10)
    with pytest.raises(APITimeoutError, match="total timeout of 10 s") as caught:
        hasty.run(LLAMA, {"prompt": "x"}, fallback=[GLM, QWEN, GPT_OSS])
    assert len(service.requests) == 2
    assert "CapacityError" in caught.value.__notes__[0]


def test_what_was_left_out_is_told(hasty: Caller, service: Service) -> None:
    service.answers(service.error(429, 3040), service.result({"response": "Hello"}))
    answer = hasty.run(GLM, {"prompt": "x", "reasoning_effort": "low"}, fallback=[LLAMA])
    assert answer.meta.fallback_left_out == ("reasoning_effort",)
    assert service.sent == {"prompt": "x"}


def test_what_cannot_work_is_refused_before_anything_is_sent(caller: Caller, service: Service) -> None:
    hi: dict[str, Any] = {"prompt": "x"}
    any_json = {"prompt": "x", "response_format": {"type": "json_object"}}
    any_text = {"input": "x", "text": {"format": {"type": "json_object"}}}
    json_mode = {"prompt": "x", "response_format": {"type": "json_schema", "json_schema": SCHEMA}}
    table: list[tuple[dict[str, Any], Any, dict[str, Any], type[Exception], str]] = [
        (hi, LLAMA, {}, ConfigurationError, r"must be a list of models, got str: write \['@cf/meta"),
        (hi, 5, {}, ConfigurationError, "must be a list of models, got 5$"),
        (hi, [5], {}, ConfigurationError, "`model` must be a name"),
        (hi, ["@cf/../x"], {}, ConfigurationError, "is no model name"),
        (hi, [GLM], {}, ConfigurationError, "got @cf/zai-org/glm-4.7-flash twice"),
        (hi, [LLAMA, LLAMA], {}, ConfigurationError, "twice"),
        (
            hi,
            ["@cf/lykon/dreamshaper-8-lcm"],
            {},
            ConfigurationError,
            f"same task, got {GLM}, which is for Text Generation and @cf/lykon/.*, which is for Text-to-Image: leave",
        ),
        (hi | {"lora": "mine"}, [LLAMA], {}, ConfigurationError, "a fine-tune is of one model"),
        (hi | {"raw": True}, [LLAMA], {}, ConfigurationError, "template of a `raw` prompt is of one"),
        (hi, [LLAMA], {"return_raw_response": True}, ConfigurationError, "`fallback` needs an answer"),
        (hi, [LLAMA], {"queue_request": True}, ConfigurationError, "`fallback` needs an answer"),
        (hi, ["@cf/meta/llama-3.2-1b-instruct"], {"output_type": City}, InputError, "has no JSON mode"),
        (json_mode, ["@cf/meta/llama-3.2-1b-instruct"], {}, InputError, "has no JSON mode"),
        (any_json, ["@cf/meta/llama-3.2-1b-instruct"], {}, InputError, "has no JSON mode"),
        (any_text, ["@cf/meta/llama-3.2-1b-instruct"], {}, InputError, "has no JSON mode"),
        (
            hi | {"image": iter([b"png"])},
            [LLAMA],
            {},
            InputError,
            r"^inputs\['image'\] must be what can be read again, where a call may be made again, got a stream: "
            "pass a Path or bytes$",
        ),
        (hi | {"stream": True}, [LLAMA], {"output_type": City}, InputError, "gives no JSON with a stream"),
    ]
    for inputs, fallback, options, kind, words in table:
        with row((inputs, fallback, options)), pytest.raises(kind, match=words):
            caller.run(GLM, inputs, fallback=fallback, **options)
    assert service.requests == []


def test_an_empty_fallback_is_none(caller: Caller, service: Service) -> None:
    for fallback in ([], (), None):
        assert caller.run(GLM, {"prompt": "x"}, fallback=fallback).text == "Hello"


def test_pictures_and_unknown_models_fall_back_too() -> None:
    with Emulator() as emulator, emulator.ai() as ai:
        emulator.script(Fault(code=5028), "ok")
        image = ai.run(
            "@cf/black-forest-labs/flux-1-schnell",
            {"prompt": "a cat", "steps": 4},
            fallback=["@cf/bytedance/stable-diffusion-xl-lightning"],
        )
        assert (image.media_type.partition("/")[0], image.meta.model) == (
            "image",
            "@cf/bytedance/stable-diffusion-xl-lightning",
        )
        assert emulator.requests[-1].inputs == {"prompt": "a cat", "num_steps": 4}
        assert ai.run("@cf/nobody/gone", {"prompt": "x"}, fallback=[GLM]).meta.model == GLM


def test_options_of_the_call_go_to_every_model(hasty: Caller, service: Service) -> None:
    service.answers(service.error(429, 3040), service.result({"response": "Hello"}))
    hasty.run(GLM, {"prompt": "x"}, fallback=[LLAMA], session_affinity="a", tags=["t"], gateway="mine")
    for request in service.requests:
        assert request.headers["x-session-affinity"] == "a"
        assert "/mine/workers-ai/" in str(request.url)
        assert "t" in str(request.url.query)
