"""Write `cfai/_client_overloads.py` from the catalogue; `--check` fails if it is stale."""

import argparse
import ast
import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

WIDTH = 120

GROUPS = {
    "NativeModel": "Native inputs, native answers.",
    "NativeChatModel": "Native inputs, answers as of chat completions.",
    "ChatModel": "Chat completions, in and out.",
    "GptOssModel": "Answers in the form that it was asked in.",
    "UntoldModel": "Text models of which no source tells the inputs or the shape of the answer.",
    "UnaskedStreamModel": "Streams unless it is told not to.",
    "OtherModel": "Everything else: its answer is what the service sends.",
}

ANYTHING = "Mapping[str, Any] | BaseModel"
TEXT = "TextModel"
STREAM = "Stream[Token]"
UNKNOWN = f"Output | ListOutput | ValueOutput | Binary | {STREAM}"
PLAIN = "**options: Unpack[PlainOptions]"
WRONG = "A field is misspelt, missing, of another type, or none of this model's."
MISFIT = "these inputs do not fit this model (what is declared as dict[str, Any] is not checked)"
ANSWERS = {
    "NativeModel": "NativeText",
    "NativeChatModel": "ChatCompletion",
    "ChatModel": "ChatCompletion",
    "GptOssModel": "TextOutput",
}


class Overload(NamedTuple):
    """One overload. In `result`, `Stream` stands for the stream of either colour."""

    summary: str
    model: str
    inputs: str
    result: str
    options: str = PLAIN
    deprecated: str = ""


OVERLOADS = [
    # Of several overloads that `Any` fits, pyright takes the widest result if that comes first, and else knows none.
    Overload("Anything, since the inputs are `Any`.", "str", "OnlyAny", UNKNOWN),
    *(
        Overload("A stream, since `stream` is `True`.", model, inputs, STREAM)
        for model, inputs in (
            ("NativeModel | NativeChatModel", "NativeInputsStream"),
            ("ChatModel", "ChatInputsStream"),
            ("GptOssModel", "NativeInputsStream | ChatInputsStream | ResponsesInputStream"),
        )
    ),
    Overload("The answer.", "NativeModel", "NativeInputsPlain", "NativeText"),
    Overload("The answer.", "NativeChatModel", "NativeInputsPlain", "ChatCompletion"),
    Overload("The answer.", "ChatModel", "ChatInputsPlain", "ChatCompletion"),
    Overload("The answer.", "GptOssModel", "NativePromptPlain", "NativeText"),
    Overload("The answer.", "GptOssModel", "NativeMessagesPlain | ChatMessagesPlain", "ChatCompletion"),
    Overload("The answer.", "GptOssModel", "ResponsesInputPlain", "ResponsesOutput"),
    *(
        Overload("A stream or the answer, as `stream` says at run time.", model, inputs, f"{answer} | {STREAM}")
        for model, inputs, answer in (
            ("NativeModel", "NativeInputs", "NativeText"),
            ("NativeChatModel", "NativeInputs", "ChatCompletion"),
            ("ChatModel", "ChatInputs", "ChatCompletion"),
            ("GptOssModel", "NativePrompt", "NativeText"),
            ("GptOssModel", "NativeMessages | ChatMessages", "ChatCompletion"),
            ("GptOssModel", "ResponsesInput", "ResponsesOutput"),
        )
    ),
    Overload(
        "The response as it came.",
        "str",
        ANYTHING,
        "httpx.Response",
        "*, return_raw_response: Literal[True], queue_request: bool = False, **options: Unpack[RunOptions]",
    ),
    Overload(
        "What the service says of a batch job.",
        "str",
        ANYTHING,
        "Output",
        "*, queue_request: Literal[True], return_raw_response: Literal[False] = False, **options: Unpack[RunOptions]",
    ),
    Overload("What the service says of a batch job, asked again.", "str", "BatchPoll", "Output"),
    *(
        Overload("A stream or the answer: inputs declared as `dict[str, Any]` do not say.", model, "Untyped", result)
        for model, result in (
            ("NativeModel", f"NativeText | {STREAM}"),
            ("NativeChatModel | ChatModel", f"ChatCompletion | {STREAM}"),
            ("GptOssModel", f"TextOutput | {STREAM}"),
        )
    ),
    # A trap for each kind of model, so that a union of two kinds falls through to what stands below. They keep the
    # result apart by `stream` as the others do: an editor that does not report them still knows what comes.
    *(
        Overload(f"{WRONG} A stream all the same.", model, "LooseStream", STREAM, deprecated=MISFIT)
        for model in ("NativeModel | NativeChatModel", "ChatModel", "GptOssModel")
    ),
    *(
        Overload(f"{WRONG} The answer.", model, "LoosePlain", answer, deprecated=MISFIT)
        for model, answer in ANSWERS.items()
    ),
    *(
        Overload(f"{WRONG} Either.", model, "Mapping[str, Any]", f"{answer} | {STREAM}", deprecated=MISFIT)
        for model, answer in ANSWERS.items()
    ),
    Overload(
        "A stream, since `stream` is `True`.",
        "str",
        "NativeInputsStream | ChatInputsStream | ResponsesInputStream | LooseStream",
        STREAM,
    ),
    Overload("A stream or the answer of one of several models.", TEXT, ANYTHING, f"TextOutput | {STREAM}"),
    Overload("The answer.", "UntoldModel", "NativeInputsPlain | ChatInputsPlain", "TextOutput"),
    Overload("A stream or the answer.", "UntoldModel", ANYTHING, f"TextOutput | {STREAM}"),
    Overload("A stream, unless `stream` is `False`.", "UnaskedStreamModel", ANYTHING, f"Output | {STREAM}"),
    Overload("The answer: an object, a list or bytes.", "OtherModel", ANYTHING, "Output | ListOutput | Binary"),
    Overload(
        "The answer of a model in a `str`, since a prompt or messages are sent.",
        "str",
        "NativeInputsPlain | ChatInputsPlain | LooseMessages",
        "TextOutput",
    ),
    Overload(
        "A stream or the answer of a model in a `str`, as `stream` says at run time.",
        "str",
        "NativeInputs | ChatInputs",
        f"TextOutput | {STREAM}",
    ),
    Overload(
        "What a model gives that the type checker does not know by name.",
        "str",
        ANYTHING,
        UNKNOWN,
        "*, queue_request: bool = False, return_raw_response: Literal[False] = False, **options: Unpack[RunOptions]",
    ),
    Overload(
        "That, or the response as it came.",
        "str",
        ANYTHING,
        f"httpx.Response | {UNKNOWN}",
        "*, return_raw_response: bool, queue_request: bool = False, **options: Unpack[RunOptions]",
    ),
]

HEAD = '''\
"""The types of `Ai.run` and `Ai.arun`: what the model's name, its inputs and the options say of the result.

Written by `python .ci/overloads.py` from the catalogue. Do not edit it by hand.
"""

# A `stream` that may be `None` fits two overloads, of which the narrower one comes first.
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal, NotRequired, Required, TypeVar, Unpack, overload

    import httpx
    from pydantic import BaseModel
    from typing_extensions import TypedDict, deprecated

    from cfai._config import CheckMode, Retry, Timeout
    from cfai._request import GatewayOptions
    from cfai._streaming import AsyncCall, AsyncStream, Stream
    from cfai.types import (
{names}
    )
    from cfai.types._inputs import OnlyAny, Untyped

    class RunOptions(TypedDict, total=False):
        """The options of a call; `Ai.run` says what they do."""

        gateway: str | GatewayOptions | None
        tags: Iterable[str]
        extra_headers: Mapping[str, str] | None
        session_affinity: str | None
        reject_if_busy: bool
        timeout: float | httpx.Timeout | Timeout | None
        total_timeout: float | None
        max_retries: Retry | int | None
        checks: CheckMode

    class PlainOptions(RunOptions, total=False):
        """The options of a call whose result is the model's."""

        return_raw_response: Literal[False]
        queue_request: Literal[False]

    class LooseStream(TypedDict, extra_items=Any):
        """Any object that asks for a stream."""

        stream: Required[Literal[True]]

    class LooseMessages(TypedDict, extra_items=Any):
        """Messages of any type, and no word of a stream."""

        messages: Required[Sequence[Any]]
        stream: NotRequired[Literal[False]]

    class LoosePlain(TypedDict, extra_items=Any):
        """Any object that asks for none."""

        stream: NotRequired[Literal[False] | None]
'''

TAIL = '''\
    Signatures = TypeVar("Signatures")

    def _signed(signatures: Signatures) -> Callable[[Callable[..., Any]], Signatures]: ...

    typed_run = _signed(run)
    typed_arun = _signed(arun)
else:

    def typed_run(method):
        """Gives `Ai.run` its overloads, for type checkers alone: the method stays as it is."""
        return method

    typed_arun = typed_run
'''

TYPES = (
    "BatchPoll",
    "Binary",
    "ChatCompletion",
    "ChatInputs",
    "ChatInputsPlain",
    "ChatInputsStream",
    "ChatMessages",
    "ChatMessagesPlain",
    "ListOutput",
    "NativeInputs",
    "NativeInputsPlain",
    "NativeInputsStream",
    "NativeMessages",
    "NativeMessagesPlain",
    "NativePrompt",
    "NativePromptPlain",
    "NativeText",
    "Output",
    "ResponsesInput",
    "ResponsesInputPlain",
    "ResponsesInputStream",
    "ResponsesOutput",
    "TextOutput",
    "Token",
    "ValueOutput",
)


def group_of(model: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return which group a model of the catalogue belongs to, by its answers and by the fields of its schema."""
    fields: Mapping[str, Any] = schema.get("input_params") or {}
    match model.get("answers"):
        case "native":
            return "NativeModel"
        case "chat":
            # Only native schemas have it.
            return "NativeChatModel" if "raw" in fields else "ChatModel"
        case "by input":
            return "GptOssModel"
        case _:
            pass
    if model["task"] == "Text Generation" and not fields:
        return "UntoldModel"
    return "UnaskedStreamModel" if fields.get("stream", {}).get("default") else "OtherModel"


def grouped(models: Sequence[Mapping[str, Any]], schemas: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of all models by group, in the catalogue's order."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for model in models:
        groups[group_of(model, schemas.get(model["name"], {}))].append(model["name"])
    return groups


def source(models: Sequence[Mapping[str, Any]], schemas: Mapping[str, Any], docstrings: Mapping[str, str]) -> str:
    """Return the text of `cfai/_client_overloads.py`."""
    names = "\n".join(f"        {name}," for name in TYPES)
    return "\n".join(
        [
            HEAD.format(names=names),
            *literals(grouped(models, schemas)),
            *method("run", "def", "Stream", docstrings["run"]),
            *method("arun", "def", "AsyncStream", docstrings["arun"]),
            TAIL,
        ]
    )


def literals(groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for group, models in groups.items():
        if len(models) == 1:
            yield f'    {group} = Literal["{models[0]}"]'
        else:
            yield f"    {group} = Literal["
            yield from (f'        "{model}",' for model in models)
            yield "    ]"
        yield f'    """{GROUPS[group]}"""'
        yield ""
    yield f"    {TEXT} = NativeModel | NativeChatModel | ChatModel | GptOssModel"
    yield '    """Text models whose inputs are known."""'
    yield ""


def method(name: str, keyword: str, stream: str, docstring: str) -> Iterator[str]:
    """The overloads of a method. What an editor shows of the method is the docstring of what stands below them."""
    summary = ""
    for overload in OVERLOADS:
        if overload.summary != summary:
            summary = overload.summary
            yield f"    # {summary}"
        yield "    @overload"
        if overload.deprecated:
            yield f'    @deprecated("{overload.deprecated}")'
        parameters = f"self: Any, model: {overload.model}, inputs: {overload.inputs}, {overload.options}"
        result = overload.result.replace("Stream[", f"{stream}[")
        if name == "arun":
            result = f"AsyncCall[{result}]"
        yield from signature(f"    {keyword} {name}(", parameters, f") -> {result}: ...")
        yield ""
    yield f"    {keyword} {name}(self: Any, *arguments: Any, **options: Any) -> Any:"
    yield f"        {docstring}"
    yield ""


def signature(start: str, parameters: str, end: str) -> Iterator[str]:
    """Return a signature as the formatter would lay it out."""
    if len(start + parameters + end) <= WIDTH:
        yield start + parameters + end
        return
    yield start
    if len(parameters) + 8 <= WIDTH:
        yield f"        {parameters}"
    else:
        yield from (f"        {parameter}," for parameter in split(parameters))
    yield f"    {end}"


def split(parameters: str) -> Iterator[str]:
    """Return the parameters one by one. Commas inside brackets separate none."""
    depth = start = 0
    for index, character in enumerate(parameters):
        depth += (character in "[(") - (character in "])")
        if character == "," and not depth:
            yield parameters[start:index].strip()
            start = index + 1
    yield parameters[start:].strip()


def docstrings(code: str) -> dict[str, str]:
    """Return the docstrings of the methods of `Ai` as they stand in its source, quotes included."""
    (ai,) = (node for node in ast.parse(code).body if isinstance(node, ast.ClassDef) and node.name == "Ai")
    methods = (node for node in ai.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {method.name: ast.get_source_segment(code, method.body[0]) or "" for method in methods}


def fresh(package: Path) -> str:
    """Return `_client_overloads.py` as it ought to be in a package."""
    return source(
        json.loads((package / "models" / "models.json").read_bytes()),
        json.loads((package / "models" / "schemas.json").read_bytes()),
        docstrings((package / "_client.py").read_text(encoding="utf-8")),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff if the file is stale")
    parser.add_argument("--package", type=Path, default=Path(__file__).resolve().parents[1] / "cfai")
    options = parser.parse_args(arguments)
    package: Path = options.package
    target = package / "_client_overloads.py"
    if not options.check:
        target.write_text(fresh(package), encoding="utf-8")
        return 0
    lines = [text.splitlines(keepends=True) for text in (target.read_text(encoding="utf-8"), fresh(package))]
    diff = list(difflib.unified_diff(*lines, "as it is", "as python .ci/overloads.py writes it"))
    sys.stdout.writelines(diff)
    return int(bool(diff))


if __name__ == "__main__":
    sys.exit(main())
