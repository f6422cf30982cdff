"""Pages of the validator of inputs, each boiled down to the input that was sent and is wrong."""

from __future__ import annotations

import doctest
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfai import BadRequestError
from cfai._response import schema_problems
from cfai._response.errors import build_error
from cfai._response.schema_problems import find_input_problem
from cfai.local import Emulator
from tests.conftest import SYNC_AND_ASYNC, Callers, Service, row

KIMI = "@cf/moonshotai/kimi-k2.6"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
BGE = "@cf/baai/bge-m3"
UUID = "d5e2a21f-c80f-4978-8e43-ef219c8c25fe"

SAID = [{"role": "user", "content": "hi"}]
FLAT = {"type": "function", "name": "get", "parameters": {"type": "object"}}
PAGE_OF_TOOLS = (
    "AiError: Bad input: Error: anyOf at '/' not met: required properties at '/audio' are 'voice,format', "
    + "".join(f"required properties at '/tools/{index}/function' are 'name', " for index in range(30))
    + "required properties at '/' are 'prompt'"
)
"""As it was recorded, for thirty tools."""

A_TOOL = 'a tool is {"type": "function", "function": {"name": …'
NEITHER = "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', "
TEXT_OR_BATCH = (
    "oneOf at '/' not met, 0 matches: required properties at '/' are 'text', required properties at '/' are 'requests'"
)

PAGES: list[tuple[str, dict[str, Any], str, str]] = [
    # What the validator says, what was sent; what is wrong, and words of the advice.
    (PAGE_OF_TOOLS, {"messages": SAID, "tools": [FLAT]}, "`tools[0].function` lacks `name`", A_TOOL),
    (
        PAGE_OF_TOOLS,
        {"messages": SAID, "tools": [FLAT] * 3},
        "`tools[0].function` lacks `name` (and 2 more like it)",
        A_TOOL,
    ),
    (
        PAGE_OF_TOOLS,
        {"messages": SAID, "tools": [{"type": "function", "function": {"name": "f"}}, FLAT], "audio": {"voice": "x"}},
        "`tools[1].function` lacks `name`; `audio` lacks `format`",
        A_TOOL,
    ),
    (
        "anyOf at '/' not met: required properties at '/tools/0/function' are 'name', enum function not in custom at "
        "'/tools/0/type', required properties at '/' are 'prompt'",
        {"messages": SAID, "tools": [FLAT]},
        "`tools[0].function` lacks `name`",
        A_TOOL,
    ),
    (
        f"{NEITHER}enum xml not in json_object,json_schema at '/response_format/type'",
        {"messages": SAID, "response_format": {"type": "xml"}},
        "`response_format.type` must be `json_object` or `json_schema`",
        "schema",
    ),
    (
        f"{TEXT_OR_BATCH}, Type mismatch of '/text/1', 'null' not in 'string'",
        {"text": ["a", None]},
        "`text[1]` is null, and must be a string",
        "schema",
    ),
    (
        f"{NEITHER}required properties at '/messages/1' are 'tool_call_id'",
        {"messages": [*SAID, {"role": "tool", "content": "5"}]},
        "`messages[1]` lacks `tool_call_id`",
        '{"role": "tool", "tool_call_id": call.id',
    ),
    (
        "required properties at '/messages/0/content/0/image_url' are 'url'",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"uri": "x"}}]}]},
        "`messages[0].content[0].image_url` lacks `url`",
        "compare the inputs",
    ),
    (
        "anyOf at '/' not met: required properties at '/tools/0' are 'function', required properties at '/' are 'text'",
        {"messages": SAID, "tools": [FLAT]},
        "`tools[0]` lacks `function`",
        A_TOOL,
    ),
    (
        NEITHER + "required properties at '/' are 'messages', required properties at '/' are 'requests'",
        {"text": "hi", "top_p": 1},
        "`prompt` or `messages` is missing; what came is `text` and `top_p`",
        "it is for Text Generation",
    ),
    (NEITHER + "required properties at '/' are 'messages'", {}, "`prompt` or `messages` is missing", "schema"),
    (
        NEITHER + "Type mismatch of '/messages/0/content', 'array' not in 'string'",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        "`messages[0].content` is an array, and must be a string",
        "join the parts into one string",
    ),
    (
        NEITHER + "Type mismatch of '/messages/1/content', 'null' not in 'string', required properties at "
        "'/messages/17' are 'role,content'",
        {"messages": [*SAID, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
        "`messages[1].content` is null, and must be a string",
        'send ""',
    ),
    (
        NEITHER + "Type mismatch of '/messages/0/content', 'object' not in 'array,string'",
        {"messages": [{"role": "user", "content": {}}]},
        "`messages[0].content` is an object, and must be an array or a string",
        "schema",
    ),
    (
        NEITHER + "required properties at '/messages/1' are 'role,content'",
        {"messages": [*SAID, {"role": "user"}]},
        "`messages[1]` lacks `content`",
        'a message is {"role": "user"',
    ),
    (
        "Type mismatch of '/messages', 'string' not in 'array'",
        {"messages": "hi"},
        "`messages` is a string, and must be an array",
        "schema",
    ),
    (
        "Type mismatch of '/', 'array' not in 'object'",
        {"a": 1},
        "the body is an array, and must be an object",
        "schema",
    ),
    (
        "required properties at '/' are 'multipart'",
        {"prompt": "a cat"},
        "`multipart` is missing",
        "this model takes a form and no JSON",
    ),
    (
        "required properties at '/' are 'model,state,questions'",
        {"state": "x"},
        "`model` and `questions` are missing; what came is `state`",
        "schema",
    ),
    (
        "required properties at '/' are 'model,state,questions'",
        {"prompt": "hi"},
        "`model`, `state` and `questions` are missing; what came is `prompt`",
        "schema",
    ),
    (
        TEXT_OR_BATCH,
        {"prompt": "hi"},
        "`text` is missing; what came is `prompt`",
        "schema",
    ),
    ("'/steps' must be <= 8", {"prompt": "x", "steps": 9}, "`steps` must be <= 8", "schema"),
    ("'/max_tokens' must be >= 1", {"prompt": "x", "max_tokens": 0}, "`max_tokens` must be >= 1", "schema"),
    (
        "oneOf at '/' not met: Length of '/prompt' must be <= 2048, required properties at '/' are 'messages'",
        {"prompt": "x" * 2049},
        "`prompt` has a length that must be <= 2048",
        "schema",
    ),
    (
        "'/pooling' must be one of 'mean,cls', '/other' must be one of 'a,b'",
        {"text": "x", "pooling": "max"},
        "`pooling` must be one of 'mean,cls'",
        "schema",
    ),
    (
        "Additional or unevaluated properties '/width, /height' at '/' not allowed",
        {"prompt": "x", "width": 9, "height": 9},
        "`width` is not an input of this model; `height` is not an input of this model",
        "schema",
    ),
    (
        "Additional or unevaluated properties '/seed'",
        {"prompt": "x", "seed": 9},
        "`seed` is not an input of this model",
        "schema",
    ),
    (
        ", ".join(f"'/i{index}' must be <= {index}" for index in range(5)),
        {f"i{index}": 10 for index in range(5)},
        "`i0` must be <= 0; `i1` must be <= 1; `i2` must be <= 2; and 2 more",
        "schema",
    ),
]


def refuse(message: str, inputs: dict[str, Any], model: str = LLAMA) -> BadRequestError:
    body = {"errors": [{"message": f"{message} ({UUID})", "code": 5006}], "success": False, "result": {}}
    error = build_error(400, {}, json.dumps(body).encode(), model=model, inputs=inputs)
    assert type(error) is BadRequestError
    assert (error.body, error.request_id) == (body, UUID)
    return error


def test_a_page_names_the_input_that_was_sent_and_is_wrong() -> None:
    for page, inputs, problem, advice in PAGES:
        for message in (
            page,
            f"AiError: Bad input: Error: {page}",
            f"AiError: AiError: Bad input: {page}".replace(", required", ",\n  required").replace(", Type", ",\nType"),
        ):
            with row((message, inputs)):
                words = str(refuse(message, inputs))
                assert words.startswith(f"5006 InvalidInput: {problem} (status 400, request id {UUID}")
                assert advice in words.partition("What to do: ")[2]
                assert len(words) < 700


def test_the_recorded_body_of_a_page_names_the_flat_tool(service: Service, callers: Callers) -> None:
    service.answers(service.json({"error": {"message": PAGE_OF_TOOLS}}, 400))
    with pytest.raises(BadRequestError) as caught:
        callers().run(KIMI, {"messages": SAID, "tools": [FLAT]})
    assert "`tools[0].function` lacks `name`" in str(caught.value)
    assert "audio" not in str(caught.value)
    assert "prompt" not in str(caught.value)
    assert A_TOOL in str(caught.value)
    assert caught.value.body == {"error": {"message": PAGE_OF_TOOLS}}


def test_a_page_that_is_about_nothing_that_was_sent_is_told_as_it_came() -> None:
    for page, inputs in (
        ("anyOf at '/' not met: required properties at '/audio' are 'voice,format'", {"prompt": "x"}),
        ("required properties at '/messages/3' are 'role,content'", {"messages": SAID}),
        ("required properties at '/' are 'prompt'", {"prompt": "x"}),
        ("it is wrong at '/prompt'", {"prompt": "x"}),
        ("'/steps' must be <= 8", {"prompt": "x"}),
    ):
        assert f": Bad input: Error: {page} (status 400" in str(refuse(f"Bad input: Error: {page}", inputs)), page


def test_a_page_of_any_length_is_read_and_the_message_stays_short() -> None:
    page = "anyOf at '/' not met: " + ", ".join(
        f"required properties at '/tools/{index}/function' are 'name'" for index in range(3000)
    )
    words = str(refuse(page, {"messages": SAID, "tools": [FLAT] * 3000}))
    assert "`tools[0].function` lacks `name` (and 2999 more like it)" in words
    assert len(words) < 700
    for hard in (
        "required properties at '/" * 20_000,
        "'/" * 100_000,
        "'/a' must " * 20_000,
        "Type mismatch of '" * 9_000,
    ):
        assert len(str(refuse(hard, {"a": 1}))) < 1000, hard[:20]


@SYNC_AND_ASYNC
def test_the_emulator_s_page_is_boiled_down_too(callers: Callers, local: Emulator) -> None:
    caller = callers(local.account_id, local.api_token, base_url=local.base_url, trust_env=False, checks="off")
    for model, inputs, problem in (
        (KIMI, {"messages": SAID, "tools": [FLAT]}, "`tools[0].function` lacks `name` ("),
        (LLAMA, {"text": "hi"}, "`prompt` or `messages` is missing; what came is `text` ("),
        (LLAMA, {"messages": [*SAID, {"role": "user"}]}, "`messages[1]` lacks `content` ("),
        (LLAMA, {"messages": [{"role": "user", "content": 5}]}, "`messages[0].content` is an integer, and must be"),
        (LLAMA, {"prompt": "hi", "temperature": 6}, "`temperature` must be <= 5 ("),
        (BGE, {"prompt": "hi"}, "what came is `prompt` ("),
    ):
        with row(inputs), pytest.raises(BadRequestError) as caught:
            caller.run(model, inputs)
        assert problem in str(caught.value), inputs
        assert caught.value.code == 5006


def test_the_examples_in_docstrings_hold() -> None:
    failed, attempted = doctest.testmod(schema_problems)
    assert (failed, attempted > 0) == (0, True)


@given(
    st.lists(st.sampled_from([*(page for page, *_ in PAGES), "'/", "/a'", " must be ", "required properties at '/"])),
    st.dictionaries(st.sampled_from(["a", "tools", "messages"]), st.none() | st.lists(st.none() | st.just(FLAT))),
)
def test_no_page_breaks_the_reader(pieces: list[str], inputs: dict[str, Any]) -> None:
    problem = find_input_problem("".join(pieces), inputs)
    assert problem is None or problem.reason
