"""Structured output: the schema on the wire, what is read out of an answer, and what happens if it does not fit."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import BaseModel, Field, JsonValue, field_validator
from typing_extensions import TypedDict

import cfai
from cfai import (
    APIConnectionError,
    APITimeoutError,
    AsyncStructuredStream,
    BadRequestError,
    CapacityError,
    CfaiError,
    ConfigurationError,
    CutAnswerWarning,
    InputError,
    InputWarning,
    InternalServerError,
    LimitError,
    OutputValidationError,
    StructuredStream,
    models,
)
from cfai.local import Emulator
from cfai.models.schemas import get_schema
from cfai.structured import OutputFormat, find_form, make_strict
from cfai.structured import _streams as structured_streams
from cfai.structured._format import find_json
from cfai.types import ChatCompletion, Image, NativeText, ResponsesOutput, StructuredOutput, TextOutput
from tests.conftest import SYNC_AND_ASYNC, Caller, Service, row, stream_of

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GLM = "@cf/zai-org/glm-4.7-flash"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"
QWQ = "@cf/qwen/qwq-32b"
GPT_OSS = "@cf/openai/gpt-oss-20b"
PARIS: dict[str, Any] = {"name": "Paris", "population": 2_100_000}


class City(BaseModel):
    name: str
    population: int


class Place(BaseModel):
    """A place, with a field that need not be there."""

    name: str
    country: str = "France"


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Capital(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        if name != "Paris":
            raise ValueError("it is not Paris")
        return name


@dataclass
class River:
    name: str


class Lake(TypedDict):
    name: str


class Anything:
    """A class that pydantic does not know, of which it says so in several lines."""


@dataclass
class Holder:
    anything: Anything


class Question(BaseModel):
    prompt: str = "x"
    response_format: Any = City


SCHEMA = City.model_json_schema()
CLOSED = SCHEMA | {"additionalProperties": False}
ENVELOPE = {"name": "City", "schema": CLOSED, "strict": True}
BARE = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}
WRAPPED = {"response_format": {"type": "json_schema", "json_schema": ENVELOPE}}


def native(response: Any, **fields: Any) -> dict[str, Any]:
    return {"response": response, "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, **fields}


def chat(content: Any, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish_reason,
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "neurons": 0.5}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": GLM, "choices": [choice], "usage": usage}


def responses(text: str) -> dict[str, Any]:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return {"id": "1", "object": "response", "status": "completed", "output": [message]}


def test_each_family_gets_the_schema_in_its_own_form(caller: Caller, service: Service) -> None:
    text = json.dumps(PARIS)
    messages = [{"role": "user", "content": "x"}]
    table: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
        (LLAMA, {"prompt": "x"}, BARE, native(PARIS)),
        (QWEN, {"messages": messages}, BARE, chat(text)),
        ("@cf/meta/llama-4-scout-17b-16e-instruct", {"prompt": "x"}, BARE, native(PARIS)),
        (GLM, {"prompt": "x"}, WRAPPED, chat(text)),
        ("@cf/google/gemma-4-26b-a4b-it", {"messages": messages}, WRAPPED, chat(text)),
        (QWQ, {"prompt": "x"}, {"guided_json": SCHEMA}, native(text)),
        (GPT_OSS, {"prompt": "x"}, BARE, native(text)),
        (GPT_OSS, {"messages": messages}, WRAPPED, chat(text)),
        (GPT_OSS, {"input": "x"}, {"text": {"format": {"type": "json_schema", **ENVELOPE}}}, responses(text)),
        ("@cf/swiss-ai/apertus-v1.5-8b", {"prompt": "x"}, BARE, native(text)),
        ("@cf/nobody/new", {"prompt": "x"}, BARE, native(text)),
        ("@hf/nobody/new", {"prompt": "x"}, BARE, native(text)),
        ("openai/gpt-5", {"messages": messages}, WRAPPED, chat(text)),
        ("openai/gpt-5", {"input": "x"}, {"text": {"format": {"type": "json_schema", **ENVELOPE}}}, responses(text)),
    ]
    for model, inputs, fields, answer in table:
        with row((model, inputs)):
            service.answers(service.result(answer))
            output = caller.run(model, inputs, output_type=City)
            sent = service.sent if model.startswith("@") else service.sent["input"]
            assert sent == inputs | fields
            assert output.output == City(**PARIS)


def test_other_fields_of_text_stay_beside_the_schema(caller: Caller, service: Service) -> None:
    service.answers(service.result(responses(json.dumps(PARIS))))
    caller.run(GPT_OSS, {"input": "x", "text": {"verbosity": "low"}}, output_type=City)
    assert service.sent["text"]["verbosity"] == "low"
    assert service.sent["text"]["format"]["name"] == "City"


def test_only_a_schema_without_optional_fields_is_strict() -> None:
    class Shelf(BaseModel):
        places: list[City]
        best: City | None

    strict = make_strict(Shelf.model_json_schema())
    assert strict is not None
    assert strict["additionalProperties"] is False
    assert strict["$defs"]["City"]["additionalProperties"] is False
    assert Shelf.model_json_schema()["$defs"]["City"] == SCHEMA, "the schema itself stays"
    open_, closed = (
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {}, "additionalProperties": False},
    )
    for make in (
        lambda inner: {"type": "array", "items": inner},
        lambda inner: {"anyOf": [{"const": 1}, {"enum": [2]}, inner]},
        lambda inner: {"$defs": {"a": inner}, "type": "object", "properties": {}, "additionalProperties": False},
    ):
        assert make_strict(make(open_)) == make(closed)
    for part in ({}, {"title": "anything"}, True, {"$ref": "#/$defs/a", "title": "x"}, {"oneOf": [{"const": 1}]}):
        with row(part):
            assert make_strict({"anyOf": [part]}) is None
    for loose in (Place, dict[str, int], Tree, tuple[int, str]):
        with row(loose):
            assert make_strict(OutputFormat.of(loose).schema) is None


def test_a_field_with_a_default_is_sent_as_it_is_and_may_be_missing(caller: Caller, service: Service) -> None:
    service.answers(service.result(chat('{"name": "Paris"}')))
    assert caller.run(GLM, {"prompt": "x"}, output_type=Place).output == Place(name="Paris")
    sent = service.sent["response_format"]["json_schema"]
    assert sent == {"name": "Place", "schema": Place.model_json_schema(), "strict": False}


def test_every_type_of_pydantic_is_taken_and_what_is_no_object_is_sent_inside_one(
    caller: Caller, service: Service
) -> None:
    table: list[tuple[Any, Any, Any]] = [
        (River, {"name": "Seine"}, River("Seine")),
        (Lake, {"name": "Como"}, {"name": "Como"}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Tree, {"name": "a", "children": [{"name": "b"}]}, Tree(name="a", children=[Tree(name="b")])),
        (list[City], {"value": [PARIS]}, [City(**PARIS)]),
        (Literal["good", "bad"], {"value": "good"}, "good"),
        (City | River, {"value": PARIS}, City(**PARIS)),
        (City | None, {"value": None}, None),
        (int, {"value": 10**25}, 10**25),
    ]
    for kind, answer, expected in table:
        with row(kind):
            service.answers(service.result(native(answer)))
            assert caller.run(LLAMA, {"prompt": "x"}, output_type=kind).output == expected
            schema = service.sent["response_format"]["json_schema"]
            assert schema["type"] == "object"
            assert ("value" in schema["properties"] if "properties" in schema else False) == ("value" in answer)
            assert ("$defs" in schema) == ("$ref" in json.dumps(schema))


def test_the_object_is_found_whatever_stands_around_it(caller: Caller, service: Service) -> None:
    text = json.dumps(PARIS)
    table: list[Any] = [
        native(PARIS),
        native(text),
        native(f"```json\n{text}\n```"),
        native(f"Here it is:\n```\n{text}\n```\nAnything else?"),
        native(f"Here it is: {text}."),
        native(f'The schema is {{"type": "object"}}, so {{this}} is it: {text} (see [1])'),
        native(f'I think of {{"name": "London", "population": 1}}.\n</think>\n\n{text}'),
        native(f'For example {{"name": "X", "population": 0}}. The answer: {text}'),
        chat(PARIS),
        chat(f"```json\n{text}\n```", reasoning_content='First {"name": "London", "population": 1}'),
        responses(f"Sure: {text}"),
    ]
    for answer in table:
        with row(answer):
            service.answers(service.result(answer))
            assert caller.run(LLAMA, {"prompt": "x"}, output_type=City).output == City(**PARIS)


def test_a_list_without_its_wrapper_is_read_too(caller: Caller, service: Service) -> None:
    service.answers(service.result(native(f"Here they are: {json.dumps([PARIS])}")))
    assert caller.run(LLAMA, {"prompt": "x"}, output_type=list[City]).output == [City(**PARIS)]


def test_an_answer_is_what_pydantic_makes_of_its_json(caller: Caller, service: Service) -> None:
    checked: list[Decimal] = []

    class Offer(BaseModel):
        decimal: str
        usd: Decimal
        quoted: Decimal
        extra: dict[str, Any]
        raw: JsonValue

        @field_validator("usd")
        @classmethod
        def _check(cls, usd: Decimal) -> Decimal:
            checked.append(usd)
            return usd

    text = '{"decimal": "a", "usd": 0.1, "quoted": "0.12345678901234567890", "extra": {"w": 1.5}, "raw": [1.5]}'
    service.answers(service.result(chat(text)))
    offer = caller.run(GLM, {"prompt": "x"}, output_type=Offer).output
    assert checked == [Decimal("0.1")], "validators run once"
    assert (str(offer.usd), str(offer.quoted)) == ("0.1", "0.12345678901234567890")
    assert [type(value) for value in (offer.extra["w"], offer.raw[0])] == [float, float]


def test_a_text_full_of_braces_is_read_in_linear_time() -> None:
    assert find_json('{"a": ' * 100_000) == []
    assert find_json("{" * 1_000_000) == []
    assert find_json('{"\\"' * 500_000) == []
    assert find_json("[x] " * 200_000) == []
    assert [piece.text for piece in find_json(':"' * 500_000)] == ['":"']
    assert find_json(": " * 500_000) == []
    assert find_json(":" + " *" * 500_000) == []
    assert find_json(':"' + "\\" * 1_000_000) == []


def test_what_stands_inside_something_broken_is_no_piece_of_json() -> None:
    table: list[tuple[str, list[str]]] = [
        ('{x} {"a": "}"} [1, {"b": 2}] "}', ['{"a": "}"}', '[1, {"b": 2}]']),
        ('{"a": 1} and {see "}" [2]} [3]', ['{"a": 1}', "[3]"]),
        ('{"a": 1} {"b": [{"c": 2}],} [3]', ["[3]"]),
        ("{'a': {\"b\": 1}}", []),
        ('[{"a": 1}, {"b": 2},]', []),
        ('{"a": 1} {"b": {"c": 2}', []),
        ('{"a": 1} {"b": "c', []),
    ]
    for text, found in table:
        with row(text):
            assert [piece.text for piece in find_json(text)] == found


CUT = '{"number": "A-17", "items": [{"title": "pen", "price": 1.5}, {"title": "ink", "pri'


class Item(BaseModel):
    title: str
    price: float


class Invoice(BaseModel):
    number: str | None = None
    items: list[Item] = []


def test_no_part_of_a_broken_answer_is_taken_for_the_whole(caller: Caller, service: Service) -> None:
    table: list[tuple[Any, str]] = [
        (Invoice, CUT),
        (Invoice, CUT + 'ce": 2}],}'),
        (Invoice, f'For example {{"number": "X"}}. The answer: {CUT}'),
        (Invoice, f"```json\n{CUT}\n```"),
        (Invoice, '<think>It may be {"number": "A-17"}, or'),
        (Tree, '{"name": "root", "children": [{"name": "a"}, {"name": "b"}, {"na'),
        (dict[str, object], '{"a": {"b": 1}, "c'),
        (list[int], "It is 5 [1]."),
        (list[int], "As [1] says, it is 5.\n[1]: a book"),
        (list[list[int]], '{"value": [[[1]], [[2'),
        (int, "5 or 6"),
        (int, "It is 5."),
        (int, "The codes: 007"),
        (int, '{"value":\n5\n'),
        (int, "[5,\n6\n"),
        (int, '{"value": 7,}\nConfidence: 3'),
        (str, '"\\x"'),
    ]
    for kind, text in table:
        with row((kind, text)):
            service.answers(service.result(chat(text)))
            with pytest.raises(OutputValidationError, match="does not fit") as caught:
                caller.run(GLM, {"prompt": "x"}, output_type=kind, output_retries=0)
            assert caught.value.text == text
            service.answers(stream_chat(service, [text]))
            stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=kind)
            with pytest.raises(OutputValidationError, match="does not fit"):
                stream.result()


def test_an_answer_cut_at_its_limit_is_the_whole_text_or_nothing(caller: Caller, service: Service) -> None:
    text = f"Sure: {json.dumps(PARIS)}"
    usage = {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}
    inputs = {"prompt": "x", "max_tokens": 9}
    for kind, cut in ((City, chat(text, "length")), (City, native(text, usage=usage)), (int, chat("12", "length"))):
        with row(cut):
            service.answers(service.result(cut))
            with pytest.raises(OutputValidationError, match="cut at max_tokens"):
                caller.run(LLAMA, inputs, output_type=kind)
    service.answers(stream_chat(service, [text], "length"))
    with pytest.raises(OutputValidationError, match="cut at max_tokens"):
        caller.run(GLM, inputs | {"stream": True}, output_type=City).result()
    for kind, whole in ((City, PARIS), (int, {"value": 12})):
        with row(whole):
            service.answers(service.result(chat(json.dumps(whole), "length")))
            expected = City(**PARIS) if kind is City else 12
            assert caller.run(LLAMA, inputs, output_type=kind).output == expected


def test_what_is_no_object_may_come_without_one_where_it_has_its_own_line(caller: Caller, service: Service) -> None:
    table: list[tuple[Any, str, Any]] = [
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "```json\n[1, 2]\n```", [1, 2]),
        (list[int], "As [1] says:\n\n[1, 2]\n", [1, 2]),
        (list[int], "**Answer:** [1, 2]\n\nSee [3] for more.", [1, 2]),
        (list[int], 'It is {"value": [1, 2]}, see [3].', [1, 2]),
        (int, "```\n5\n```", 5),
        (int, "Two and three.</think>\n\n5", 5),
        (int, "Answer: 7", 7),
        (int, "Answer: 7\nCode: 007", 7),
        (int, "**Answer:** 7\n\nIt is the best.", 7),
        (int, "Step 1: 3\nStep 2: 4\nSo it is:\n7", 7),
        (int, "Here it is:\n```json\n7\n```\nAnything else?", 7),
        (int, 'It is {"value": 7}.\nConfidence: 3', 7),
        (float, "As [1] says:\n-7.5e0", -7.5),
        (bool, "Is it? Answer: true", True),
        (Literal["good", "bad"], 'Answer: "good"', "good"),
        (City | int, f"{json.dumps(PARIS)}\n5", City(**PARIS)),
        (City | None, f"It is {json.dumps(PARIS)}.", City(**PARIS)),
    ]
    for kind, text, expected in table:
        with row((kind, text)):
            service.answers(service.result(chat(text)))
            assert caller.run(GLM, {"prompt": "x"}, output_type=kind, output_retries=0).output == expected


def test_of_several_objects_the_last_is_the_answer_and_its_errors_are_told(caller: Caller, service: Service) -> None:
    text = 'For example {"name": "X", "population": 0}. The answer: {"name": "Paris", "population": "many"}'
    service.answers(service.result(chat(text)), service.result(chat(json.dumps(PARIS))))
    assert caller.run(GLM, {"prompt": "x"}, output_type=City).output == City(**PARIS)
    assert "- population: Input should be a valid integer" in service.sent["messages"][-1]["content"]


def test_what_does_not_fit_is_asked_for_again_with_what_is_wrong(caller: Caller, service: Service) -> None:
    wrong = '{"name": "Paris", "population": "many"}'
    question = {"role": "user", "content": "x"}
    table: list[tuple[str, dict[str, Any], Any, str]] = [
        (LLAMA, {"prompt": "x", "max_tokens": 99}, native, "messages"),
        (GLM, {"messages": [question]}, chat, "messages"),
        (GPT_OSS, {"input": "x"}, responses, "input"),
        (GPT_OSS, {"input": [question], "instructions": "Be brief."}, responses, "input"),
    ]
    for model, inputs, make, field in table:
        with row((model, inputs)):
            service.forget()
            service.answers(service.result(make(wrong)), service.result(make(json.dumps(PARIS))))
            given = copy.deepcopy(inputs)
            answer = caller.run(model, inputs, output_type=City)
            assert (answer.output, answer.meta.output_retries) == (City(**PARIS), 1)
            assert inputs == given
            sent = service.sent
            first, assistant, complaint = sent[field]
            assert (first, assistant["role"], assistant["content"]) == (question, "assistant", wrong)
            assert complaint["role"] == "user"
            assert "- population: Input should be a valid integer" in complaint["content"]
            assert "pydantic.dev" not in complaint["content"]
            assert "prompt" not in sent
            rest = {name: value for name, value in inputs.items() if name not in ("prompt", field)}
            assert sent.items() >= rest.items()
            assert "response_format" in sent or "text" in sent
    service.answers(service.result(chat('{"items": [{"title": "pen", "price": "low"}]}')), service.result(chat("{}")))
    caller.run(GLM, {"prompt": "x"}, output_type=Invoice)
    assert "\n- items.0.price: Input should be a valid number" in service.sent["messages"][-1]["content"]


def test_what_is_wrong_is_told_in_few_words_which_the_estimate_of_the_cost_counts(
    caller: Caller, service: Service
) -> None:
    class Row(BaseModel):
        tags: list[Literal[tuple(f"category number {number} of the shop" for number in range(300))]]  # type: ignore[misc]

    class Sheet(BaseModel):
        cells: dict[str, int]

    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    table: list[tuple[Any, Any, Any]] = [
        (Row, {"tags": ["other"] * 20}, {"tags": []}),
        (Sheet, {"cells": {"x" * 9_000: "many"}}, {"cells": {}}),
        (Sheet, {"cells": {f"{number}": "many" for number in range(50)}}, {"cells": {}}),
    ]
    for kind, wrong, right in table:
        for inputs in ({"prompt": "x", "max_tokens": 1}, {"prompt": "word " * 99, "max_tokens": 400}):
            with row((kind, inputs)):
                service.answers(service.result(native(wrong, usage=usage)), service.result(native(right, usage=usage)))
                hasty = caller.with_options(checks="off")
                assert hasty.run(LLAMA, inputs, output_type=kind, output_retries=1).meta.output_retries == 1
                complaint = service.sent["messages"][-1]["content"]
                assert 100 < len(complaint) < 550
                assert max(map(len, complaint.splitlines())) <= 202
                first, second = (json.loads(request.content) for request in service.requests[-2:])
                second["messages"][1]["content"] = "x" * inputs["max_tokens"]  # no longer than it may be, a token each
                sent = sum(caller.ai.check(LLAMA, each).max_cost for each in (first, second))
                assert sent <= caller.ai.check(LLAMA, {**inputs, "response_format": kind}).max_cost
                service.answers(service.result(native(wrong, usage=usage)))
                with pytest.raises(OutputValidationError) as caught:
                    hasty.run(LLAMA, inputs, output_type=kind, output_retries=0)
                assert len(str(caught.value)) < 1_000
                assert len(caught.value.errors) in (1, 20, 50), "all of them are there"


def test_gpt_oss_gets_the_schema_of_messages_once_its_prompt_has_become_such(caller: Caller, service: Service) -> None:
    service.answers(service.result(native("no")), service.result(chat(json.dumps(PARIS))))
    caller.run(GPT_OSS, {"prompt": "x"}, output_type=City)
    assert [json.loads(request.content)["response_format"] for request in service.requests] == [
        BARE["response_format"],
        WRAPPED["response_format"],
    ]


def test_the_reasoning_of_an_answer_goes_back_under_its_name(caller: Caller, service: Service) -> None:
    service.answers(service.result(chat("no", reasoning="hm")), service.result(chat(json.dumps(PARIS))))
    caller.run(GLM, {"prompt": "x"}, output_type=City)
    assert service.sent["messages"][1] == {"role": "assistant", "content": "no", "reasoning": "hm"}


def test_a_call_beside_the_text_does_not_go_back(caller: Caller, service: Service) -> None:
    call = {"name": "look", "arguments": {}}
    service.answers(service.result(native('{"x": 1}', tool_calls=[call])), service.result(native(PARIS)))
    caller.run(LLAMA, {"prompt": "x", "tools": [{"name": "look"}]}, output_type=City, checks="off")
    assert service.sent["messages"][1] == {"role": "assistant", "content": '{"x": 1}'}


def test_a_type_is_made_into_a_schema_once(caller: Caller, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = OutputFormat.of
    monkeypatch.setattr(OutputFormat, "of", lambda output_type: made.append(output_type) or make(output_type))

    class Town(BaseModel):
        name: str

    service.answers(service.result(native(PARIS)))
    checked, other = Annotated[Town, ["a note"]], Town | City
    for _ in range(3):
        assert caller.run(LLAMA, {"prompt": "x"}, output_type=Town).output == Town(name="Paris")
        assert caller.run(LLAMA, {"prompt": "x"}, output_type=other).output == City(**PARIS)
        assert caller.run(LLAMA, {"prompt": "x"}, output_type=City | Town).output == City(**PARIS)
        assert caller.run(LLAMA, {"prompt": "x"}, output_type=checked).output == Town(name="Paris")
    assert made == [Town, other, City | Town, checked, checked, checked], "an annotation may have no hash"


def test_usage_and_neurons_are_those_of_all_answers(caller: Caller, service: Service) -> None:
    service.answers(service.result(chat("no")), service.result(chat("no")), service.result(chat(json.dumps(PARIS))))
    answer = caller.run(GLM, {"prompt": "x"}, output_type=City, output_retries=2)
    assert (answer.usage.total_tokens, answer.usage.neurons, answer.meta.neurons) == (45, 1.5, 1.5)
    assert answer.meta.usage == answer.usage
    assert answer.meta.output_retries == 2
    service.answers(service.result(native("no", usage=None)), service.result(native(PARIS)))
    answer = caller.run(LLAMA, {"prompt": "x"}, output_type=City)
    assert (answer.usage, answer.meta.cost) == (None, None), "a part of the sum is unknown"


def test_the_cost_is_that_of_each_answer_by_its_own_source(caller: Caller, service: Service) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    listed = (10 * 26668 + 5 * 204805) * 1e-6
    prices = "Workers AI pricing page, 2026-08-28"
    for told, neurons, source in (
        (
            ({"cf_aig_cache_status": "MISS", "cf_ai_neurons": "5"}, {"cf_aig_cache_status": "HIT"}),
            5,
            "neurons, gateway cache",
        ),
        (
            ({"cf_aig_cache_status": "HIT"}, {"cf_aig_cache_status": "MISS", "cf_ai_neurons": "7"}),
            7,
            "gateway cache, neurons",
        ),
        (({}, {"cf_ai_neurons": "3"}), listed + 3, f"{prices}, neurons"),
        (({}, {}), 2 * listed, prices),
    ):
        with row(source):
            answers = [{**native("no"), "usage": usage}, {**native(PARIS), "usage": usage}]
            service.answers(*(service.result(each, **headers) for each, headers in zip(answers, told, strict=True)))
            before = caller.ai.usage
            meta = caller.run(LLAMA, {"prompt": "x"}, output_type=City).meta
            assert (meta.cost, meta.cost_source) == (pytest.approx(neurons * 0.011e-3), source)
            assert caller.ai.usage.cost - before.cost == pytest.approx(meta.cost)
            assert copy.copy(meta).cost == pickle.loads(pickle.dumps(meta)).cost == meta.cost


def test_an_error_between_the_answers_knows_what_they_took(caller: Caller, service: Service) -> None:
    told = {**native("no"), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "neurons": 2}}
    service.answers(service.result(told), service.error(400, 5006))
    with pytest.raises(OutputValidationError) as caught:
        caller.run(LLAMA, {"prompt": "x"}, output_type=City)
    assert isinstance(caught.value.__cause__, BadRequestError)
    assert (caught.value.meta.usage.total_tokens, caught.value.meta.neurons) == (15, 2)
    with pytest.raises(BadRequestError) as caught:
        caller.run(LLAMA, {"prompt": "x"}, output_type=City)
    assert caught.value.meta is None


def test_an_answer_that_never_fits_is_an_error_with_all_that_is_known(caller: Caller, service: Service) -> None:
    service.answers(service.result(chat('{"name": "Lyon"}'), cf_ray="ray-1"))
    with pytest.raises(OutputValidationError) as caught:
        caller.run(GLM, {"prompt": "x"}, output_type=Capital, output_retries=2)
    error = caught.value
    assert len(service.requests) == 3
    assert isinstance(error, CfaiError)
    assert isinstance(error, ValueError)
    assert (error.model, error.text, error.request_id, error.status_code) == (GLM, '{"name": "Lyon"}', "ray-1", 200)
    assert [(each["loc"], each["type"], each["msg"]) for each in error.errors] == [
        (("name",), "value_error", "Value error, it is not Paris")
    ]
    assert str(error).startswith(f"the answer of {GLM} does not fit Capital after 2 retries: name: Value error, it is")
    assert "What to do: raise output_retries, describe the fields in the prompt, or take a larger model. " in str(error)
    assert (error.answer.usage.total_tokens, error.answer.meta.output_retries) == (45, 2)
    other = pickle.loads(pickle.dumps(error))
    assert (str(other), other.text, other.answer) == (str(error), error.text, error.answer)
    assert other.errors[0]["msg"] == error.errors[0]["msg"]


def test_without_retries_nothing_is_asked_again(caller: Caller, service: Service) -> None:
    service.answers(service.result(native("no JSON at all")))
    with pytest.raises(OutputValidationError, match="does not fit City: the answer: Invalid JSON"):
        caller.run(LLAMA, {"prompt": "x"}, output_type=City, output_retries=0)
    assert len(service.requests) == 1
    with pytest.raises(OutputValidationError, match=r"does not fit list\[.*City\]: the answer: Invalid JSON"):
        caller.run(LLAMA, {"prompt": "x"}, output_type=list[City], output_retries=0)


def test_what_would_be_the_same_again_is_not_asked_again(caller: Caller, service: Service) -> None:
    call, hear = (
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("look", "hear")
    )
    cut_short = native('{"name": "Par', usage={"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10})
    table: list[tuple[str, dict[str, Any], Any, str]] = [
        (GLM, {"prompt": "x", "max_tokens": 9}, chat('{"name": "Par', "length"), "cut at max_tokens: pass a larger"),
        (LLAMA, {"prompt": "x", "max_tokens": 9}, cut_short, "cut at max_tokens: pass a larger"),
        (GLM, {"prompt": "x"}, chat(None, "tool_calls", tool_calls=[call]), r"calls a tool \(look\) and has no text"),
        (GLM, {"prompt": "x"}, chat(None, "tool_calls", tool_calls=[call, hear]), r"calls a tool \(look, hear\) and"),
        (
            GPT_OSS,
            {"input": "x", "max_output_tokens": 16},
            {
                **responses('{"name": "Par'),
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            },
            "cut at max_output_tokens: pass a larger max_output_tokens",
        ),
        (
            LLAMA,
            {"prompt": "x", "raw": True},
            native("no"),
            r"\. What to do: ask again yourself, since only you know the template of a `raw` prompt, or leave out "
            r"`raw`\. Its",
        ),
    ]
    for model, inputs, answer, words in table:
        with row(words):
            service.forget()
            service.answers(service.result(answer))
            with pytest.raises(OutputValidationError, match=words):
                caller.run(model, inputs, output_type=City, output_retries=3)
            assert len(service.requests) == 1


def test_an_answer_cut_at_the_default_says_so_too(caller: Caller, service: Service) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 256, "total_tokens": 257}
    service.answers(service.result(native('{"name": "Par', usage=usage)))
    with pytest.warns(CutAnswerWarning), pytest.raises(OutputValidationError, match="pass a larger max_tokens"):
        caller.run(LLAMA, {"prompt": "x"}, output_type=City)


def test_json_mode_that_the_service_could_not_meet_is_asked_for_again(caller: Caller, service: Service) -> None:
    failed = service.error(400, 5024, "JSON Mode couldn't be met")
    # Documented is the text alone.
    for error in (
        failed,
        service.error(422, None, "AiError: JSON Mode couldn't be met"),
        service.error(400, 9999, "JSON mode couldn't be met"),
        service.error(400, 3030, "AiError: JSON Mode couldn't be met"),
        service.error(400, 5006, "JSON Mode couldn't be met"),
    ):
        service.answers(error, service.result(native(PARIS)))
        answer = caller.run(LLAMA, {"prompt": "x"}, output_type=City)
        assert (answer.output, answer.meta.output_retries) == (City(**PARIS), 1)
    assert service.sent == {"prompt": "x"} | BARE
    service.forget()
    service.answers(failed)
    with pytest.raises(BadRequestError, match="5024"):
        caller.run(LLAMA, {"prompt": "x"}, output_type=City, output_retries=2)
    assert len(service.requests) == 3
    service.answers(service.error(400, 5006, "wrong"), service.result(native(PARIS)))
    with pytest.raises(BadRequestError, match="5006"):
        caller.run(LLAMA, {"prompt": "x"}, output_type=City)


def test_when_asking_again_fails_the_answer_that_was_billed_is_not_lost(caller: Caller, service: Service) -> None:
    hasty = caller.with_options(max_retries=0)
    wrong = '{"name": "Paris", "population": "many"}'
    long = {"prompt": "x", "max_tokens": 16_000}
    table: list[tuple[str, dict[str, Any], str, Any, type[Exception]]] = [
        (LLAMA, {"prompt": "x"}, wrong, service.error(400, 5024, "JSON Mode couldn't be met"), BadRequestError),
        (LLAMA, {"prompt": "x"}, wrong, service.error(500), InternalServerError),
        (LLAMA, {"prompt": "x"}, wrong, service.error(429, 3040), CapacityError),
        (LLAMA, {"prompt": "x"}, wrong, httpx.ConnectError("refused"), APIConnectionError),
        (LLAMA, long, wrong + " word" * 30_000, service.result(native(PARIS)), LimitError),
    ]
    for model, inputs, text, failure, kind in table:
        with row(kind):
            service.forget()
            service.answers(service.result(native(text)), failure)
            with pytest.raises(OutputValidationError, match=f"Asking again failed, {kind.__name__}|Context") as caught:
                hasty.run(model, inputs, output_type=City)
            error = caught.value
            assert isinstance(error.__cause__, kind)
            assert (error.text, error.errors[0]["loc"]) == (text, ("population",))
            assert error.answer.usage.total_tokens == 15
            assert error.model == model
            was_sent = kind is not LimitError
            assert len(service.requests) == 1 + was_sent
            assert (error.meta.output_retries, "after 1 retry" in str(error)) == (was_sent, was_sent)


def test_an_answer_that_did_not_fit_may_be_followed_by_a_failure_of_json_mode(caller: Caller, service: Service) -> None:
    failed = service.error(400, 5024, "JSON Mode couldn't be met")
    service.answers(service.result(native("no")), failed, service.result(native(PARIS)))
    answer = caller.run(LLAMA, {"prompt": "x"}, output_type=City, output_retries=2)
    assert (answer.output, answer.meta.output_retries, answer.usage.total_tokens) == (City(**PARIS), 2, 30)


@SYNC_AND_ASYNC
def test_the_total_timeout_is_one_for_all_requests(
    caller: Caller, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    unfit: Any = service.result(native("no"))

    def answer_slowly() -> httpx.Response:
        nonlocal now
        now += 4
        return unfit()

    hasty = caller.with_options(max_retries=0, total_timeout=10)
    service.answers(answer_slowly)
    with pytest.raises(OutputValidationError) as caught:
        hasty.run(LLAMA, {"prompt": "x"}, output_type=City, output_retries=9)
    assert isinstance(caught.value.__cause__, APITimeoutError)
    assert len(service.requests) == 3


def test_an_answer_that_is_no_text_is_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.raw(b"\x89PNG\r\n\x1a\n", "image/png", cf_ray="ray-1"))
    words = r"answered Image, and no text that could hold City\. What to do: call it without `output_type`$"
    with pytest.raises(OutputValidationError, match=words) as caught:
        caller.run(LLAMA, {"prompt": "x"}, output_type=City)
    assert (caught.value.model, caught.value.status_code, caught.value.meta.model) == (LLAMA, 200, LLAMA)
    assert caught.value.request_id == "ray-1"
    assert isinstance(caught.value.answer, Image)
    image: Any = service.raw(b"\x89PNG\r\n\x1a\n", "image/png", cf_ai_neurons="5")
    service.answers(service.result(native("no"), cf_ai_neurons="2"), image)
    with pytest.raises(OutputValidationError, match="answered Image") as caught:
        caller.run(LLAMA, {"prompt": "x"}, output_type=City)
    assert (caught.value.meta.neurons, caught.value.meta.output_retries) == (7, 1)


def test_every_field_of_the_plain_answer_stays(caller: Caller, service: Service) -> None:
    text = json.dumps(PARIS)
    table: list[tuple[str, dict[str, Any], Any, type[TextOutput]]] = [
        (LLAMA, {"prompt": "x"}, native(PARIS, extra=1), NativeText),
        (GLM, {"prompt": "x"}, chat(text, reasoning_content="hm"), ChatCompletion),
        (GPT_OSS, {"input": "x"}, responses(text), ResponsesOutput),
    ]
    for model, inputs, answer, kind in table:
        with row(model):
            service.answers(service.result(answer, cf_ray="ray-1"))
            plain, structured = caller.run(model, inputs), caller.run(model, inputs, output_type=City)
            assert type(plain) is kind
            assert type(structured) is StructuredOutput
            assert StructuredOutput[City] is StructuredOutput, "at run time"
            assert {name: structured[name] for name in structured} == {name: plain[name] for name in plain}
            assert structured.model_dump() == plain.model_dump()
            for name in ("text", "reasoning", "usage", "message", "finish_reason", "tool_calls"):
                assert getattr(structured, name) == getattr(plain, name), name
            assert (str(structured), structured.meta.request_id) == (str(plain), "ray-1")
            for other in (pickle.loads(pickle.dumps(structured)), copy.copy(structured), copy.deepcopy(structured)):
                assert (other, other.output, other.meta) == (structured, City(**PARIS), structured.meta)


def test_a_class_under_response_format_means_the_same(caller: Caller, service: Service) -> None:
    service.answers(service.result(chat(json.dumps(PARIS))))
    inputs = {"prompt": "x", "response_format": City}
    assert caller.run(GLM, inputs).output == City(**PARIS)
    assert service.sent == {"prompt": "x"} | WRAPPED
    assert inputs["response_format"] is City


def test_what_cannot_work_is_refused_before_anything_is_sent(caller: Caller, service: Service) -> None:
    hi: dict[str, Any] = {"prompt": "x"}
    table: list[tuple[str, dict[str, Any], dict[str, Any], type[Exception], str]] = [
        (
            GLM,
            hi,
            {"output_type": City, "return_raw_response": True},
            ConfigurationError,
            "^`output_type` needs an answer: leave out `return_raw_response` and `queue_request`$",
        ),
        (GLM, hi, {"output_type": City, "queue_request": True}, ConfigurationError, "leave out `return_raw_response`"),
        (GLM, hi | {"response_format": {"type": "text"}}, {"output_type": City}, ConfigurationError, "`response_forma"),
        (GLM, hi | {"response_format": City}, {"output_type": City}, ConfigurationError, "are one"),
        (QWQ, hi | {"guided_json": {}}, {"output_type": City}, ConfigurationError, "`guided_json` itself"),
        (GPT_OSS, {"input": "x", "text": {"format": {}}}, {"output_type": City}, ConfigurationError, "`text.format`"),
        (GLM, hi | {"n": 2}, {"output_type": City}, ConfigurationError, "for one answer, got `n` of 2"),
        (GLM, {"requests": []}, {"output_type": City}, ConfigurationError, "got `requests`"),
        (GLM, {}, {"output_type": City}, ConfigurationError, "got none"),
        (GLM, hi, {"output_type": City, "output_retries": -1}, ConfigurationError, "`output_retries` must be a number"),
        (
            GLM,
            hi,
            {"output_type": City, "output_retries": True},
            ConfigurationError,
            "`output_retries` must be a numbe",
        ),
        (
            GLM,
            hi | {"response_format": list[City]},
            {},
            ConfigurationError,
            r"got list\[.*City\]: pass it as `output_type`",
        ),
        (
            GLM,
            Question(),  # type: ignore[list-item]
            {},
            ConfigurationError,
            "^a class under `response_format` must stand in a dict: pass it as `output_type`$",
        ),
        (LLAMA, hi | BARE | {"stream": True}, {}, InputError, "must not ask for JSON with a stream"),
        (GLM, hi, {"output_type": "City"}, ConfigurationError, "`output_type` must be a type such as"),
        (GLM, hi, {"output_type": City(**PARIS)}, ConfigurationError, "`output_type` must be a type such as"),
        *(
            (GLM, hi, {"output_type": function}, ConfigurationError, "`output_type` must be a type such as")
            for function in (open, len, lambda: 1, partial(int, "7"), "x".join)
        ),
        (GLM, hi, {"output_type": list["City | Nobody"]}, ConfigurationError, "`output_type` must be a type such as"),  # type: ignore[name-defined]  # noqa: F821
        (GLM, hi, {"output_type": Holder}, ConfigurationError, r"such as [^:]*, got Holder: [^\n]*$"),
        (
            LLAMA,
            hi | {"stream": True},
            {"output_type": City},
            InputError,
            f"^{LLAMA} gives no JSON with a stream .code 5023., and got a schema and `stream`. Leave out `stream`, or "
            "take a chat model such as @cf/.*, or pass checks='warn' to send it all the same$",
        ),
        (GPT_OSS, hi | {"stream": True}, {"output_type": City}, InputError, "gives no JSON with a stream"),
        ("@cf/meta/llama-3.2-1b-instruct", hi, {"output_type": City}, InputError, "has no JSON mode.* Take @cf/meta/"),
        ("@cf/meta/llama-guard-3-8b", {"messages": []}, {"output_type": City}, InputError, "has no JSON mode"),
        ("@cf/lykon/dreamshaper-8-lcm", hi, {"output_type": City}, InputError, "which is for Text-to-Image"),
        ("@cf/../x", hi, {"output_type": City}, ConfigurationError, "no model name"),
        (GLM, "x", {"output_type": City}, InputError, "`inputs` must be a dict"),  # type: ignore[list-item]
    ]
    for model, inputs, options, kind, words in table:
        with row((model, inputs, options)), pytest.raises(kind, match=words):
            caller.run(model, inputs, **options)
    assert service.requests == []


def test_a_check_refuses_what_run_refuses_under_response_format(caller: Caller) -> None:
    for wanted in (list[int], Literal["a"], int | None):
        with row(wanted), pytest.raises(ConfigurationError, match=r"must be a class or a dict, got .*as `output_type`"):
            caller.ai.check(LLAMA, {"prompt": "x", "response_format": wanted})


def test_a_stream_that_can_be_read_once_is_refused_where_the_call_may_be_made_again(
    caller: Caller, service: Service
) -> None:
    class Pipe:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it is not read")

    inputs = {"messages": [{"role": "user", "content": ["x", Pipe()]}]}
    with pytest.raises(InputError, match="must be what can be read again"):
        caller.run("@cf/google/gemma-4-26b-a4b-it", inputs, output_type=City)
    assert service.requests == []


def test_the_check_of_a_model_without_json_mode_can_be_turned_down_or_off(caller: Caller, service: Service) -> None:
    # The field report 12: such a model answers in prose.
    service.answers(service.result({"response": "Here it is: a is 1."}))
    model = "@cf/meta/llama-3.2-11b-vision-instruct"
    with (
        pytest.warns(InputWarning, match="has no JSON mode"),
        pytest.raises(OutputValidationError, match="does not fit"),
    ):
        caller.run(model, {"prompt": "hi"}, output_type=City, checks="warn")
    assert service.sent.items() >= BARE.items()
    with pytest.raises(OutputValidationError) as caught:
        caller.run(model, {"prompt": "hi"}, output_type=City, checks="off")
    assert caught.value.text == "Here it is: a is 1."
    assert len(service.requests) == 4


def test_a_model_that_is_suggested_has_json_mode() -> None:
    for name, entry in models.catalogue().items():
        if entry.task == "Text Generation" and entry.retired_on is None and find_form(name, {}) is None:
            with row(name), Emulator() as emulator, emulator.ai() as ai, pytest.raises(InputError) as caught:
                ai.run(name, {"messages": [{"role": "user", "content": "x"}]}, output_type=City)
            named = [each for each in models.catalogue() if f" {each} " in str(caught.value).replace(",", " ")]
            assert any(find_form(each, {}) for each in named), str(caught.value)
    with Emulator() as emulator, emulator.ai() as ai, pytest.raises(InputError) as caught:
        ai.run(LLAMA, {"prompt": "x", "stream": True}, output_type=City)
    assert find_form(str(caught.value).partition("such as ")[2].partition(",")[0], {}) == "envelope"


def test_every_live_model_with_json_mode_gives_an_object_in_the_emulator() -> None:
    forms: set[str | None] = set()
    with Emulator() as emulator, emulator.ai() as ai:
        for name, entry in models.catalogue().items():
            if entry.task != "Text Generation" or entry.retired_on is not None or get_schema(name) is None:
                continue
            shapes: list[dict[str, Any]] = [
                {"prompt": "x", "max_tokens": 300},
                {"messages": [{"role": "user", "content": "x"}], "max_tokens": 300},
                {"input": "x"},
            ]
            for inputs in shapes:
                form = find_form(name, inputs)
                if form is None or ("input" in inputs and entry.answers != "by input"):
                    continue
                forms.add(form)
                with row((name, inputs)):
                    answer = ai.run(name, inputs, output_type=City)
                    assert answer.output == City(name="emulated", population=1)
    assert forms == {"bare", "envelope", "guided", "responses"}


# Streams.


def chunk(**delta: Any) -> bytes:
    event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "choices": [{"index": 0, "delta": delta}]}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def stream_chat(service: Service, pieces: list[str], finish_reason: str = "stop") -> Any:
    last: dict[str, Any] = {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}
    end = b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"
    return service.events(*(chunk(content=piece) for piece in pieces), end)


@SYNC_AND_ASYNC
def test_a_stream_gives_its_tokens_the_growing_object_and_the_whole(caller: Caller, service: Service) -> None:
    pieces = ['{"na', 'me": "Pa', 'ris", "popu', 'lation": 21', "00000}"]
    service.answers(stream_chat(service, pieces))
    inputs = {"prompt": "x", "stream": True}
    with caller.run(GLM, inputs, output_type=City) as stream:
        assert isinstance(stream_of(stream), StructuredStream | AsyncStructuredStream)
        partials = list(stream.partials())
        assert partials[0] == {}
        assert {"name": "Pa"} in partials
        assert partials[-1] == {"name": "Paris", "population": 2100000}
        assert len(partials) == len({json.dumps(partial) for partial in partials})
        answer = stream.result()
    assert (answer.output, answer["choices"][0].finish_reason) == (City(name="Paris", population=2100000), "stop")
    assert service.sent == inputs | WRAPPED
    service.answers(stream_chat(service, pieces))
    stream = caller.run(GLM, inputs, output_type=City)
    assert [str(token) for token in stream][:5] == pieces
    assert stream.result().output.name == "Paris"


def test_what_has_come_before_the_partials_are_asked_for_is_in_them(caller: Caller, service: Service) -> None:
    service.answers(stream_chat(service, ['{"name": ', '"Paris", ', '"population": 1}']))
    stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=City)
    next(stream)
    assert list(stream.partials())[-1] == {"name": "Paris", "population": 1}


def test_partials_are_found_inside_a_fence_and_inside_the_object_that_wraps_a_list(
    caller: Caller, service: Service
) -> None:
    service.answers(stream_chat(service, ["```json\n", '{"value": [1, ', "2, 3", "]}\n```"]))
    stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=list[int])
    partials = list(stream.partials())
    assert (partials[0], partials[-1]) == ([1], [1, 2, 3])
    assert stream.result().output == [1, 2, 3]


def test_what_is_no_object_and_no_list_is_a_partial_at_the_end(caller: Caller, service: Service) -> None:
    table: list[tuple[Any, list[str], list[Any]]] = [
        (int, ["1", "2"], [12]),
        (str, ['"a', 'b"'], ["ab"]),
        (bool, ["Answer: ", "true"], [True]),
        (int, ["<think>4\n", "or 5?</think>", "\n6"], [6]),
        (int, ["Here:\n", '{"value": ', "7", "}"], [None, 7]),
        (City | None, ["null"], [None]),
    ]
    for kind, pieces, partials in table:
        with row(pieces):
            service.answers(stream_chat(service, pieces))
            stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=kind)
            assert [*stream.partials()][-1:] == partials[-1:]
            assert stream.result().output == partials[-1]
    for kind, text in ((int, "5 or 6"), (int, "<think>\n5\n"), (int, '{"value": 7,}\nConfidence: 3'), (City, "12")):
        with row(text):
            service.answers(stream_chat(service, [text]))
            stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=kind)
            assert 5 not in (found := [*stream.partials()])
            assert 3 not in found
            assert 12 not in found


def test_partials_follow_the_last_object_that_began(caller: Caller, service: Service) -> None:
    object_ = ['{"na', 'me": "Paris", ', '"population": 1}']
    whole = {"name": "Paris", "population": 1}
    table: list[tuple[Any, list[str], list[Any]]] = [
        (City, ["Sure [1", "] {so}: ", *object_, " (see [2])"], [{}, {"name": "Paris"}, whole]),
        (City, ["<think>Is it {", '"name": "Lyon"', "}?</th", "ink>\n", *object_], [{}, {"name": "Paris"}, whole]),
        (City, ['Is it {"a":1}</think>', *object_], [{}, {"name": "Paris"}, whole]),
        (City, ['Not {"name": "X"}, ', "but ", *object_], [{"name": "X"}, {}, {"name": "Paris"}, whole]),
        (list[int], ["As [1] says:\n", "[1", ", 2]"], [[1], [1, 2]]),
        (list[int], ["As [1] says: ", '{"value": [1', ", 2]}", " [9]"], [[1], [1, 2]]),
    ]
    for kind, pieces, partials in table:
        with row(pieces):
            service.answers(stream_chat(service, pieces))
            stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=kind)
            assert list(stream.partials()) == partials
            last = stream.result().output
            assert (last.model_dump() if isinstance(last, BaseModel) else last) == partials[-1]


def test_a_stream_whose_answer_does_not_fit_raises_at_its_end_and_is_not_asked_again(
    caller: Caller, service: Service
) -> None:
    for finish_reason, words in (
        ("stop", r"\. What to do: call it without `stream`, which asks again\. Its"),
        ("length", r"\. What to do: it was cut at max_tokens: pass a larger max_tokens\. Its"),
    ):
        with row(finish_reason):
            service.forget()
            service.answers(stream_chat(service, ['{"name": "Paris"'], finish_reason))
            stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=City)
            assert list(stream.partials()) == [{"name": "Paris"}]
            with pytest.raises(OutputValidationError, match=words) as caught:
                stream.result()
            assert caught.value.text == '{"name": "Paris"'
            assert len(service.requests) == 1


def test_a_stream_that_came_whole_has_its_object_too(caller: Caller, service: Service) -> None:
    service.answers(service.result(chat(json.dumps(PARIS))))
    stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=City)
    assert list(stream.partials()) == [PARIS]
    assert stream.result().output == City(**PARIS)


def test_an_empty_answer_to_a_stream_is_asked_for_again_and_stays_structured(caller: Caller, service: Service) -> None:
    service.answers(service.result({}), service.result(chat(json.dumps(PARIS))))
    stream = caller.run(GLM, {"prompt": "x", "stream": True}, output_type=City)
    assert stream.result().output == City(**PARIS)


def test_partials_of_a_long_text_read_it_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps([{"name": f"city {number}", "population": number} for number in range(5_000)])
    growing = structured_streams._GrowingValue(OutputFormat.of(list[City]), "")  # pyright: ignore[reportPrivateUsage]
    read = 0

    def count(text: str, **options: Any) -> Any:
        nonlocal read
        read += len(text)
        return from_json(text, **options)

    from_json = structured_streams.from_json
    monkeypatch.setattr(structured_streams, "from_json", count)
    values = [value for start in range(0, len(text), 4) for value in growing.add(text[start : start + 4])]
    values += growing.finish()
    assert values[-1] == json.loads(text)
    assert len(values) > 500
    assert read < 200 * len(text)


def test_importing_the_package_does_not_load_it_but_its_streams_are_there() -> None:
    assert cfai.StructuredStream is StructuredStream


class Bounded(BaseModel):
    score: int = Field(ge=1, le=5)


def test_a_rule_that_the_schema_has_and_the_model_broke_is_told_in_words(caller: Caller, service: Service) -> None:
    service.answers(service.result(native({"score": 7})), service.result(native({"score": 5})))
    assert caller.run(LLAMA, {"prompt": "x"}, output_type=Bounded).output.score == 5
    assert "- score: Input should be less than or equal to 5" in service.sent["messages"][-1]["content"]
