"""Reprs are short: nothing that cfai gives prints more than 300 characters."""

from __future__ import annotations

import dataclasses
import inspect
import io
from array import array
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.pretty import Pretty

import cfai
import cfai.local
import cfai.types
from cfai import types
from cfai._display.pictures import Picture
from cfai._repr import MAX_LENGTH
from cfai.local import Emulator
from tests.conftest import row

LONG = "a long text " * 1000
HOSTILE = "\x1b]0;title\x07\u202e"
GLM = "@cf/zai-org/glm-4.7-flash"
MESSAGE = {"role": "user", "content": LONG}
CALL = types.ToolCall("name", LONG, "id")
ANSWER = types.NativeText(response=LONG)
META = types.Meta(LONG[:60], LONG[:60], 200, 1.0, LONG[:60], "HIT", 0, 1.0, types.Usage(1, 2, 3), {"per step": 1.0}, 1)
LABEL = {"label": LONG, "score": 0.5}
BOX = {"xmin": 1, "ymin": 1, "xmax": 1, "ymax": 1}


def make_model(kind: type[Any]) -> Any:
    """Return an output with much in every field, known or not."""
    fields: dict[type[Any], Any] = {
        types.Classification: [LABEL] * 500,
        types.DetectedObjects: [{**LABEL, "box": BOX}] * 500,
        types.Label: LABEL,
        types.Box: BOX,
        types.DetectedObject: {**LABEL, "box": BOX},
        types.ClefAnswer: {"type": "choice", "choice": LONG, "probabilities": dict.fromkeys(map(str, range(200)), 0.5)},
        types.ClefOutput: {"answers": {str(each): {"type": "noul", "noul": 0.5} for each in range(200)}},
        types.Embeddings: {"data": [[0.123456] * 1024] * 3, "shape": [3, 1024]},
        types.ImageDescription: {"description": LONG},
        types.Point: {"x": 0.5, "y": 0.5},
        types.Region: dict.fromkeys(("x_min", "y_min", "x_max", "y_max"), 0.5),
        types.VisionAnswer: {"points": [{"x": 0.1234567, "y": 0.5}] * 500, "answer": LONG},
        types.Binary: {"content": b"x" * 10_000, "media_type": f"application/{LONG}"},
        types.Image: {"content": b"x" * 10_000, "media_type": f"image/{HOSTILE}"},
        types.Audio: {"content": b"x" * 10_000, "media_type": f"audio/{HOSTILE}"},
        types.RankedContext: {"id": 1, "score": 0.5},
        types.Reranking: {"response": [{"id": each, "score": 0.123456} for each in range(500)]},
        types.Transcription: {"text": LONG, "words": [{"word": "a", "start": 0, "end": 1}] * 500},
        types.Summary: {"summary": LONG},
        types.ChatCompletion: {"choices": [{"message": {"content": LONG}}] * 20},
        types.Choice: {"message": {"content": LONG}},
        types.Message: {"content": LONG},
        types.NativeText: {"response": LONG, "usage": {"prompt_tokens": 1}},
        types.Moderation: {"response": LONG},
        types.ResponsesOutput: {"output": [{"type": "message", "content": [{"type": "output_text", "text": LONG}]}]},
        types.StructuredOutput: {"response": LONG},
        types.TextOutput: {"response": LONG},
        types.ToolsOutput: {"response": LONG},
        types.Output: {"result": LONG, "others": [LONG] * 100, LONG: LONG},
        types.GatewayLog: dict.fromkeys(("id", "model", "request_head", "response_head"), LONG),
        types.MessagesOutput: {"content": [{"type": "text", "text": LONG}] * 20},
        types.ModelInfo: {"name": LONG, "description": LONG, "tags": [LONG] * 20},
        types.ModelSchema: {"input": {LONG: LONG}, "output": {LONG: LONG}},
        types.ModelTask: {"name": LONG, "description": LONG},
        types.ProviderOutput: {"state": "Completed", "result": {"image": LONG}},
        types.Translation: {"translated_text": LONG},
        types.TurnDetection: {"is_complete": True, "probability": 0.5},
        types.ConversionResult: {"name": LONG, "data": LONG, "format": "markdown"},
        types.MarkdownFormat: {"extension": LONG, "mimeType": LONG},
        types.Finetune: {"name": LONG, "model": LONG, "description": LONG},
    }
    value = fields.get(kind, {})  # all fields of the others may be missing
    return kind.model_validate(
        value if isinstance(value, list) else {**value, "extra": [LONG] * 100} if kind not in BINARY else value
    )


BINARY = (types.Binary, types.Image, types.Audio)


def list_values() -> Iterator[Any]:
    """Return a large value of every class of results, and of what else cfai gives."""
    for name in cfai.types.__all__:
        kind = getattr(cfai.types, name)
        if inspect.isclass(kind) and hasattr(kind, "model_validate"):
            yield make_model(kind)
    error = cfai.InputError(LONG)
    yield from (META, CALL, types.Usage(1, 2, 3, 1.0, {"x": LONG}), types.ToolCallDelta(0, LONG, LONG, LONG))
    yield from (
        types.Token(LONG, {"x": LONG}, LONG, (types.ToolCallDelta(0, LONG),) * 20, "stop"),
        types.TextSummary(LONG, LONG),
    )
    yield from (types.Word(LONG, 0.0, 1.0), types.Segment(LONG, 0.0, 1.0))
    result = types.ToolResult(CALL, {"x": LONG}, LONG, LONG, LONG)
    yield from (result, types.Step([MESSAGE] * 50, ANSWER, [result] * 5))
    yield types.ToolsOutput.from_steps([types.Step([MESSAGE] * 50, ANSWER, [result] * 5)], [MESSAGE] * 50)
    yield types.Vectors("@cf/baai/bge-m3", 2, array("f", [0.5] * 4000))
    yield from (cfai.Row(1, {"prompt": LONG}, ANSWER, answer=ANSWER), cfai.Row(1, {}, error=error))
    yield types.BatchItem(1, ANSWER, external_reference=LONG)
    yield types.SearchItemContent(f"text/{LONG}", LONG, 10_000, content=b"x" * 10_000)
    yield cfai.JobReport(1, failures=dict.fromkeys(map(str, range(300)), 1), stopped=LONG)
    yield cfai.FittedMessages([MESSAGE] * 50, [MESSAGE] * 50, cfai.count_tokens(LONG, model=GLM), True)
    yield cfai.CheckResult(GLM, "too long", error=cfai.LimitError(LONG), tokens=cfai.count_tokens(LONG, model=GLM))
    yield from (
        cfai.models.get(GLM),
        cfai.count_tokens(LONG, model=GLM),
        cfai.ClientUsage(by_model={LONG: cfai.ModelUsage(1)}),
    )
    yield cfai.local.Emulator()
    yield Picture(b"x" * 10_000, "image/png", 1, 1)
    with Emulator() as emulator, emulator.ai() as ai:
        yield ai
        chat = ai.chat(GLM, system=LONG)
        chat.send(LONG)
        yield from (chat, emulator.requests[-1], ai.run(GLM, {"prompt": LONG, "stream": True}), chat.stream(LONG))
        yield ai.run_with_tools(GLM, {"prompt": LONG, "stream": True}, tools=[])
        yield ai.run("@cf/deepgram/aura-1", {"text": LONG[:100], "stream": True})
        yield ai.run_many(GLM, [{"prompt": LONG}])
        yield ai.check(GLM, {"prompt": LONG * 60})
        yield ai.usage


def test_nothing_prints_more_than_300_characters_but_the_text_of_a_text() -> None:
    seen: set[type[Any]] = set()
    for value in list_values():
        with row(type(value).__name__):
            seen.add(type(value))
            assert 0 < len(repr(value)) <= MAX_LENGTH
            texts = types.Token | types.ConversionResult | cfai.JobReport | cfai.ClientUsage
            is_text = hasattr(value, "text") or isinstance(value, texts)
            assert is_text or len(str(value)) <= MAX_LENGTH
            assert isinstance(value, cfai.JobReport) or "\x1b" not in repr(value)
            file = io.StringIO()
            Console(file=file, width=10_000).print(Pretty(value))
            assert len(file.getvalue()) <= MAX_LENGTH + 20
    public = {getattr(types, name) for name in types.__all__} | {getattr(cfai, name) for name in cfai.__all__}
    results = {
        kind
        for kind in public
        if inspect.isclass(kind) and (hasattr(kind, "model_validate") or dataclasses.is_dataclass(kind))
    }
    inputs = {cfai.Retry, cfai.Timeout, cfai.GatewayOptions, cfai.GatewayRetries, cfai.ModelUsage}
    assert {kind.__name__ for kind in results - seen - inputs - {types.TextOutput}} == set()


def test_the_text_of_an_answer_is_printed_whole() -> None:
    for answer in (
        ANSWER,
        types.Transcription(text=LONG),
        types.Summary(summary=LONG),
        types.Translation(translated_text=LONG),
    ):  # type: ignore
        assert str(answer) == LONG


def test_a_repr_begins_with_what_is_looked_for() -> None:
    for value, expected in (
        (types.NativeText(response="Hello"), "NativeText(text='Hello')"),
        (ANSWER, "NativeText(text='a long text a long text "),
        (
            types.ChatCompletion(choices=[{"message": {"content": "a"}, "finish_reason": "stop"}]),
            "ChatCompletion(text='a', finish_reason='stop')",
        ),  # type: ignore
        (types.NativeText(response=None), "NativeText(text='')"),
        (types.Output(a=[*range(1000)]), "Output(a=[0, 1, 2, 3,"),
        (types.Output(a={"b": LONG}), "Output(a={'b': 'a long"),
        (types.Meta("m", elapsed=0.5), "Meta(model='m', elapsed=0.5)"),
        (types.Token("a", {}), "Token(text='a')"),
        (types.VisionAnswer(points=[{"x": 0.5, "y": 0.25}]), "VisionAnswer(points=[Point(x=0.5, y=0.25)])"),  # type: ignore
        (
            types.Transcription(text="a", transcription_info={"language": "en", "duration": 3.0}),
            "Transcription(text='a', language='en', duration=3.0)",
        ),  # type: ignore
        (cfai.Row(3, {}, ANSWER), "Row(index=3, output=NativeText(text='a long text"),
        (types.Classification([{"label": "a", "score": 1.0}]), "Classification([Label(label='a', score=1.0)])"),  # type: ignore
        (types.Image(content=b"abc", media_type=f"image/{HOSTILE}"), "Image(image/\\x1b]0;title\\x07\\u202e, 3 bytes)"),
    ):
        with row(expected):
            assert repr(value).startswith(expected)
            assert not expected.endswith(")") or repr(value) == expected


def test_no_repr_has_the_last_digits_of_a_sum() -> None:
    assert repr(cfai.ClientUsage(cost=0.1 + 0.2, neurons=float("inf"))) == "ClientUsage(neurons=inf, cost=0.3)"
