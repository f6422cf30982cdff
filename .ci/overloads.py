"""Write the types of `run`: `cfai/_client_overloads.py` from the catalogue, and a stub of the text inputs.

`--check` writes nothing, and fails if one of them is stale. A method has an overload for each answer that the model,
its inputs or the options tell apart; for pyright those once more that its messages and an editor's offers come from,
and for mypy one that keeps its messages short.
"""

import argparse
import ast
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import indent as indent_lines
from typing import Any, NamedTuple

WIDTH = 120

GROUPS = {
    "TextModel": "Models that answer with text.",
    "ResponsesModel": "Of these, the ones that are also called as in OpenAI's Responses API.",
    "EmbeddingModel": "Models that embed texts.",
    "RetrievalModel": "Models that embed queries and documents in different ways.",
    "ContextModel": "Models that embed texts and contexts, and rank these.",
    "RerankingModel": "Models that rank contexts.",
    "TranslationModel": "Models that translate, by two codes of languages.",
    "IndicTranslationModel": "Models that translate English into languages of India.",
    "TextClassificationModel": "Models that classify texts.",
    "ImageClassificationModel": "Models that classify images.",
    "ObjectDetectionModel": "Models that find objects in images.",
    "WhisperModel": "Models that write down speech: Whisper.",
    "WhisperTurboModel": "Models that write down speech: Whisper large v3 turbo.",
    "NovaModel": "Models that write down speech: Deepgram's.",
    "AuraModel": "Models that speak: Deepgram's.",
    "MeloModel": "Models that speak: MeloTTS.",
    "StableDiffusionModel": "Models that draw, and go by an image if there is one.",
    "FluxModel": "Models that draw: FLUX.1.",
    "Flux2Model": "Models that draw: FLUX.2.",
    "LeonardoModel": "Models that draw: Leonardo's.",
    "ImageToTextModel": "Models that describe images.",
    "MoondreamModel": "Models that answer questions on images, and find what is in them.",
    "TurnModel": "Models that hear that somebody has finished.",
    "GuardModel": "Models that judge conversations.",
    "ClefModel": "Models that decide.",
}

STREAM = "Stream[Token]"
ANYTHING = "Mapping[str, Any] | BaseModel"
UNKNOWN = f"Output | ListResult[Any] | Binary | {STREAM} | AudioStream"
PLAIN = "**options: Unpack[PlainOptions]"
OPTIONS = "**options: Unpack[FallbackOptions]"


class Overload(NamedTuple):
    """One overload. In `result`, `Stream` stands for the sync stream and for the async one."""

    model: str
    inputs: str
    result: str
    options: str = PLAIN


# The models of one task that are called alike.
TASKS = [
    Overload("EmbeddingModel", "EmbeddingsInputs", "Embeddings"),
    Overload("RetrievalModel", "EmbeddingsInputs | RetrievalInputs | DocumentsInputs", "Embeddings"),
    Overload("ContextModel", "QueryInputs", "Reranking"),
    Overload("ContextModel", "EmbeddingsInputs | ContextsInputs", "Embeddings"),
    Overload("RerankingModel", "RerankingInputs", "Reranking"),
    Overload("TranslationModel", "TranslationInputs", "Translation"),
    Overload("IndicTranslationModel", "IndicTranslationInputs", "Translation"),
    Overload("TextClassificationModel", "TextClassificationInputs", "Classification"),
    Overload("ImageClassificationModel", "ImageClassificationInputs", "Classification"),
    Overload("ObjectDetectionModel", "ImageClassificationInputs", "DetectedObjects"),
    Overload("WhisperModel", "WhisperInputs", "Transcription"),
    Overload("WhisperTurboModel", "WhisperTurboInputs", "Transcription"),
    Overload("NovaModel", "NovaInputs", "Transcription"),
    Overload("AuraModel", "AuraInputsStream", "AudioStream"),
    Overload("AuraModel", "AuraInputs", "Audio"),
    Overload("MeloModel", "MeloInputsStream", "AudioStream"),
    Overload("MeloModel", "MeloInputs", "Audio"),
    Overload("StableDiffusionModel", "StableDiffusionInputs", "Image"),
    Overload("FluxModel", "FluxInputs", "Image"),
    Overload("Flux2Model", "Flux2Inputs | Flux2Form", "Image"),
    Overload("LeonardoModel", "LeonardoInputs", "Image"),
    Overload("ImageToTextModel", "LlavaInputs", "ImageDescription"),
    Overload("MoondreamModel", "MoondreamInputsStream", STREAM),
    Overload("MoondreamModel", "MoondreamInputs", "VisionAnswer"),
    Overload("TurnModel", "SmartTurnInputs", "TurnDetection"),
    Overload("GuardModel", "GuardInputs", "Moderation"),
    Overload("ClefModel", "ClefInputs", "ClefOutput"),
]

TEXT = [
    Overload("TextModel", "TextInputsStream | ResponsesInputStream", STREAM),
    Overload("TextModel", "TextInputsPlain | ResponsesInputPlain", "TextOutput"),
    Overload("TextModel", "TextInputs | ResponsesInput", f"TextOutput | {STREAM}"),
]

# Of a model that is only a `str` the inputs tell. What several tasks take is text, then embeddings, unless it is
# declared as the inputs of one.
BY_INPUTS = [
    *(text._replace(model="str") for text in TEXT),
    Overload("str", "GuardInputs", "Moderation"),
    Overload("str", "RerankingInputs | QueryInputs", "Reranking"),
    Overload("str", "EmbeddingsInputs | RetrievalInputs | DocumentsInputs | ContextsInputs", "Embeddings"),
    Overload("str", "TextClassificationInputs", "Classification"),
    Overload("str", "TranslationInputs | IndicTranslationInputs", "Translation"),
    Overload("str", "SummarizationInputs", "Summary"),
    Overload("str", "ImageAlone", "Classification | DetectedObjects"),
    Overload("str", "WhisperInputs | WhisperTurboInputs | NovaInputs", "Transcription"),
    Overload("str", "AuraInputsStream", "AudioStream"),
    Overload("str", "AuraInputs | MeloInputs", "Audio"),
    Overload("str", "StableDiffusionInputs | FluxInputs | Flux2Inputs | Flux2Form | LeonardoInputs", "Image"),
    Overload("str", "MoondreamInputsStream", STREAM),
    Overload("str", "MoondreamInputs", "VisionAnswer"),
    Overload("str", "LlavaInputs", "ImageDescription"),
    Overload("str", "ImageClassificationInputs", "Classification | DetectedObjects"),
    Overload("str", "SmartTurnInputs", "TurnDetection"),
    Overload("str", "ClefInputs", "ClefOutput"),
]

# The name of a known model is a `str` too. No overload that fits can be an error, so this one gives what is of no use,
# and of a type that is not known: checkers complain where it is assigned, passed on or awaited.
ANOTHER = Overload("KnownModel", "AnyInputs", "InputsOfAnotherModel[T]")
ANY_INPUTS = [*dict.fromkeys(name for overload in BY_INPUTS for name in overload.inputs.split(" | "))]
ANY_INPUTS.remove("ImageAlone")

# The answer as an object of a type that is given. A `Literal` or a union is no `type`, and its objects are of any.
TYPED = "*, output_type: {}, output_retries: int = 1, **options: Unpack[AnswerOptions]"


def structured(declared: str, output: str, stream: str) -> list[Overload]:
    """The overloads for an `output_type` that is so declared."""
    results = {
        "InputOfThisModel": f"{output} | {stream}",
        "TextInputsStream | ResponsesInputStream": stream,
        "TextInputsPlain | ResponsesInputPlain": output,
        "TextInputs | ResponsesInput": f"{output} | {stream}",
        "Untyped": f"{output} | {stream}",
    }
    return [Overload("str", inputs, result, TYPED.format(declared)) for inputs, result in results.items()]


# Where a model is called in several ways, all its keys in one type.
MISFITS = [
    Overload("TextModel | str", "PromptOrMessages", f"TextOutput | {STREAM}"),
    Overload("ResponsesModel", "PromptMessagesOrInput", f"TextOutput | {STREAM}"),
    Overload("str", "PromptMessagesOrInput", "StructuredOutput[Any]", TYPED.format("object")),
    *(
        task._replace(inputs=task.inputs.partition(" | ")[0])
        for task in TASKS
        if task.model not in ("RetrievalModel", "ContextModel") and not task.inputs.endswith("Stream")
    ),
    Overload("RetrievalModel", "TextOrRetrieval", "Embeddings"),
    Overload("ContextModel", "TextOrContexts", "Reranking | Embeddings"),
]
RAW = "*, return_raw_response: {}, queue_request: bool = False, " + OPTIONS
QUEUED = "*, queue_request: {}, return_raw_response: Literal[False] = False, " + OPTIONS


def untyped() -> Iterator[Overload]:
    """The overloads for inputs that are declared as `dict[str, Any]`: the model alone tells what comes."""
    results: dict[str, list[str]] = {}
    """By group: its results."""
    for model, _, result, _ in TASKS:
        found = results.setdefault(model, [])
        if result not in found:
            found.append(result)
    groups: dict[str, list[str]] = {}
    for group, found in results.items():
        groups.setdefault(" | ".join(found), []).append(group)
    for result, names in groups.items():
        yield Overload(" | ".join(names), "Untyped", result)
    yield Overload("TextModel", "Untyped", f"TextOutput | {STREAM}")
    yield Overload("str", "Untyped", UNKNOWN)


# Of several overloads that `Any` fits, pyright takes the widest result if it comes first, and else knows none.
FIRST = [
    (
        "The answer as an object of the type that is asked for.",
        structured("type[Out]", "StructuredOutput[Out]", "StructuredStream[Out]"),
    ),
    ("Anything, since the inputs are `Any`.", [Overload("str", "InputOfThisModel", UNKNOWN)]),
    (
        "The response as it came; a batch, and what the service says of one.",
        [
            Overload("str", ANYTHING, "httpx.Response", RAW.format("Literal[True]")),
            Overload("str", "BatchInputs", "Batch[Any]", QUEUED.format("Literal[True]")),
            Overload("str", "BatchPoll", "Output", QUEUED.format("Literal[True]")),
            Overload("str", ANYTHING, "Batch[Any] | Output", QUEUED.format("Literal[True]")),
            Overload("str", "BatchPoll", "Output"),
        ],
    ),
]
EITHER = (
    "Either, as an option says at run time.",
    [
        Overload("str", ANYTHING, f"Batch[Any] | {UNKNOWN}", QUEUED.format("bool")),
        Overload("str", ANYTHING, f"httpx.Response | Batch[Any] | {UNKNOWN}", RAW.format("bool")),
    ],
)
# The models that take batches, by groups in which there are some.
BATCHED = ("TextModel", "EmbeddingModel", "ContextModel", "TranslationModel", "AuraModel", "TurnModel")
ANSWERS = [
    ("The answer of a task, by the model.", TASKS),
    ("Text: a stream if `stream` is `True`, the answer, or either as `stream` says at run time.", TEXT),
    ("Nothing: a known model with the inputs of others.", [ANOTHER]),
    ("The answer of a task, by the inputs.", BY_INPUTS),
    ("Inputs declared as `dict[str, Any]`, which are not checked.", list(untyped())),
    ("An object of what is no class.", structured("object", "StructuredOutput[Any]", "StructuredStream[Any]")),
]


def batched() -> Iterator[tuple[str, str]]:
    """The models that take batches, and what their items have."""
    for group in BATCHED:
        results = [task.result for task in [*TASKS, *TEXT] if task.model == group and "Stream" not in task.result]
        yield group, " | ".join(dict.fromkeys(results))
    yield "str", "Any"


def for_pyright() -> list[tuple[str, list[Overload]]]:
    """The overloads, with a comment on each kind."""
    why = "Once more: of the overloads whose model fits, pyright tells of the last one why its inputs do not."
    return [*FIRST, *ANSWERS, EITHER, (why, MISFITS)]


def for_mypy() -> list[tuple[str, list[Overload]]]:
    """The overloads with few of their options: mypy would print 50 kB with a call that fits none.

    It prints one alone if the types resemble those of the call but for what stands in their brackets, as `last` does.
    """
    last = Overload("str", "Resembling[InputOfThisModel]", UNKNOWN)
    rest = "**options: Any"
    flags = "return_raw_response: Literal[False] = False, queue_request: Literal[False] = False"
    plain = f"*, output_type: None = None, {flags}, {rest}"
    return [
        (
            comment,
            [
                each._replace(options=plain if each.options == PLAIN else each.options.partition("**")[0] + rest)
                for each in kind
            ],
        )
        for comment, kind in [*FIRST, *ANSWERS, EITHER, ("What fits none.", [last])]
    ]


HEAD = '''\
"""The types of `Ai.run` and `Ai.arun`: what the model's name, its inputs and the options say of the result.

Written by `python .ci/overloads.py` from the catalogue. Do not edit it by hand.
"""

# A `stream` that may be `None` fits two overloads, of which the narrower one comes first; some come twice.
# pyright: reportOverlappingOverload=false, reportRedeclaration=false, reportInvalidTypeVarUse=false
# ruff: noqa: E501  # docstrings that stand further left elsewhere

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, Unpack, overload

    import httpx
    from pydantic import BaseModel

    from cfai._client_options import CallOptions, FallbackOptions
    from cfai._resources.batches import AsyncBatch, Batch
    from cfai._streaming import AsyncAudioStream, AsyncCall, AsyncStream, AudioStream, Stream
    from cfai.structured import AsyncStructuredStream, StructuredStream
    from cfai.types import (
{names}
    )
    from cfai.types._classification import ImageAlone
    from cfai.types._embeddings import TextOrContexts, TextOrRetrieval
    from cfai.types._output import ListResult
    from cfai.types._text_inputs import InputOfThisModel, PromptMessagesOrInput, PromptOrMessages, Untyped

    T = TypeVar("T")
    Out = TypeVar("Out")
    T_co = TypeVar("T_co", covariant=True)

    class InputsOfAnotherModel(Generic[T]):
        """The result where a known model is given inputs that only other models take: no answer.

        Nothing tells what `T` is, so that a checker complains where the result is used.
        """

    class Resembling(Protocol[T_co]):
        """A type that every object has but for `T_co`, since `__ne__` of all of them gives a `bool`."""

        def __ne__(self, other: object, /) -> T_co: ...  # type: ignore[override]  # pyright: ignore

    MYPY = False
    """mypy takes this name for true, pyright of two definitions the second."""

    class AnswerOptions(FallbackOptions, total=False):
        """The options of a call whose result is an answer."""

        return_raw_response: Literal[False]
        queue_request: Literal[False]

    class PlainOptions(AnswerOptions, total=False):
        """The options of a call whose result is the model's."""

        output_type: None
'''

TAIL = '''\
    def _signed(signature: T) -> Callable[[Callable[..., Any]], T]: ...

    typed_run = _signed(Signatures.run)
    typed_arun = _signed(Signatures.arun)
    typed_batch = _signed(Signatures.batch)
    typed_abatch = _signed(Signatures.abatch)
else:

    def typed_run(method):
        """Gives a method of `Ai` its overloads, for type checkers alone: the method stays as it is."""
        return method

    typed_arun = typed_batch = typed_abatch = typed_run
'''

TYPES = sorted(
    {"BatchInputs", "BatchPoll", "Binary", "Output", "StructuredOutput", "TextOutput", "Token"}
    | {name for task in TASKS + BY_INPUTS for name in f"{task.inputs} | {task.result}".split(" | ") if "[" not in name}
    - {"AudioStream", "ImageAlone"}
)

# By task, and where its models are called in several ways by a part of the name.
GROUP_BY_TASK = {
    "Text Generation": {"llama-guard": "GuardModel", "llamaguard": "GuardModel", "/clef": "ClefModel", "": "TextModel"},
    "Text Embeddings": {"qwen3-embedding": "RetrievalModel", "bge-m3": "ContextModel", "": "EmbeddingModel"},
    "Text Classification": {"reranker": "RerankingModel", "": "TextClassificationModel"},
    "Translation": {"indictrans": "IndicTranslationModel", "": "TranslationModel"},
    "Summarization": {"": ""},  # no model that lives
    "Image Classification": {"": "ImageClassificationModel"},
    "Object Detection": {"": "ObjectDetectionModel"},
    "Automatic Speech Recognition": {
        "deepgram/flux": "",  # by WebSocket alone
        "deepgram": "NovaModel",
        "turbo": "WhisperTurboModel",
        "": "WhisperModel",
    },
    "Text-to-Speech": {"melotts": "MeloModel", "": "AuraModel"},
    "Text-to-Image": {
        "flux-1": "FluxModel",
        "flux-2": "Flux2Model",
        "leonardo": "LeonardoModel",
        "": "StableDiffusionModel",
    },
    "Image-to-Text": {"moondream": "MoondreamModel", "": "ImageToTextModel"},
    "Voice Activity Detection": {"": "TurnModel"},
}


def group_of(model: Mapping[str, Any]) -> str:
    """Return which group a model of the catalogue belongs to; an empty name for one that `run` cannot call."""
    groups = GROUP_BY_TASK[model["task"]]
    return next(group for part, group in groups.items() if part in model["name"])


def grouped(models: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the names of the models that live, by group.

    One that is retired is any `str`: an editor offers all names in the order of the alphabet, and so would offer it in
    the place of one that lives.
    """
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for model in models:
        if "retired_on" in model:
            continue
        if group := group_of(model):
            groups[group].append(model["name"])
        if model.get("answers") == "by input":
            groups["ResponsesModel"].append(model["name"])
    return groups


def source(models: Sequence[Mapping[str, Any]], docstrings: Mapping[str, str]) -> str:
    """Return the text of `cfai/_client_overloads.py`."""
    names = "\n".join(f"        {name}," for name in TYPES)
    return "\n".join(
        [
            HEAD.format(names=names),
            *definitions(grouped(models)),
            "    class Signatures:",
            "        if MYPY:",
            *method("run", "Stream", "", for_mypy()),
            *method("arun", "AsyncStream", "", for_mypy()),
            "        else:",
            *method("run", "Stream", docstrings["run"], for_pyright()),
            *method("arun", "AsyncStream", docstrings["arun"], for_pyright()),
            *batch_method("batch", "Batch[{}]", docstrings["batch"]),
            *batch_method("abatch", "Coroutine[Any, Any, AsyncBatch[{}]]", docstrings["abatch"]),
            TAIL,
        ]
    )


def definitions(groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for group, models in groups.items():
        if len(models) == 1:
            yield f'    {group} = Literal["{models[0]}"]'
        else:
            yield f"    {group} = Literal["
            yield from (f'        "{model}",' for model in models)
            yield "    ]"
        yield f'    """{GROUPS[group]}"""'
        yield ""
    yield from ("    KnownModel = TypeVar(", '        "KnownModel",')
    yield from (f"        {group}," for group in groups if group != "ResponsesModel")
    yield from ("    )", '    """A model of one group: what may be of several is any `str`."""', "")
    yield from ("    AnyInputs: TypeAlias = (", f"        {ANY_INPUTS[0]}")
    yield from (f"        | {name}" for name in ANY_INPUTS[1:])
    yield from ("    )", "")


def method(name: str, stream: str, docstring: str, kinds: Sequence[tuple[str, Sequence[Overload]]]) -> Iterator[str]:
    """The overloads of a method. What an editor shows of the method is the docstring of what stands below them."""
    indent = " " * 12
    for comment, group in kinds:
        yield f"{indent}# {comment}"
        for overload in group:
            yield f"{indent}@overload"
            parameters = f"self: Any, model: {overload.model}, inputs: {overload.inputs}, {overload.options}"
            result = re.sub(r"(\w*)Stream\[", stream.replace("Stream", r"\1Stream["), overload.result)
            if name == "arun" and overload.result != ANOTHER.result:
                result = result.replace("AudioStream", "AsyncAudioStream").replace("Batch[", "AsyncBatch[")
                result = f"AsyncCall[{result}]"
            yield from signature(f"{indent}def {name}(", parameters, f") -> {result}: ...")
            yield ""
    head = f"{indent}def {name}(self: Any, *arguments: Any, **options: Any) -> Any:"
    if docstring:
        yield head
        yield f"{indent}    {indent_lines(docstring, ' ' * 8).lstrip()}"
    else:
        yield f"{head} ..."
    yield ""


def batch_method(name: str, result: str, docstring: str) -> Iterator[str]:
    """The overloads of a method that gives a batch."""
    indent = " " * 8
    requests = f"requests: Iterable[{ANYTHING}] = (), *, request_id: str | None = None"
    for model, output in batched():
        parameters = f"self: Any, model: {model}, {requests}, **options: Unpack[CallOptions]"
        yield f"{indent}@overload"
        yield from signature(f"{indent}def {name}(", parameters, f") -> {result.format(output)}: ...", indent)
        yield ""
    yield f"{indent}def {name}(self: Any, *arguments: Any, **options: Any) -> Any:"
    yield f"{indent}    {indent_lines(docstring, ' ' * 4).lstrip()}"
    yield ""


def signature(start: str, parameters: str, end: str, indent: str = " " * 12) -> Iterator[str]:
    """Return a signature as the formatter would lay it out."""
    if len(start + parameters + end) <= WIDTH:
        yield start + parameters + end
        return
    yield start
    if len(indent + parameters) + 4 <= WIDTH:
        yield f"{indent}    {parameters}"
    else:
        yield from (f"{indent}    {parameter}," for parameter in split(parameters))
    last = f"{indent}{end}"
    if len(last) <= WIDTH:
        yield last
        return
    head, _, result = last.partition("[")
    yield f"{head}["
    result = result.removesuffix("]: ...")
    if len(indent + result) + 4 <= WIDTH:
        yield f"{indent}    {result}"
    else:
        yield f"{indent}    " + result.replace(" | ", f"\n{indent}    | ")
    yield f"{indent}]: ..."


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


STUB_HEAD = """\
# Written by `python .ci/overloads.py` from the file of this name that ends in `.py`. Do not edit it by hand.
# Every class has all its keys itself: an editor shows no docstring of an inherited one.
"""


def flatten(code: str) -> str:
    """Return a module of `TypedDict`s in which none inherits."""
    classes = {node.name: node for node in ast.parse(code).body if isinstance(node, ast.ClassDef)}
    lines = code.splitlines(keepends=True)

    def bases(node: ast.ClassDef) -> list[ast.ClassDef]:
        return [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]

    def keys(node: ast.ClassDef) -> str:
        first = next(statement for statement in node.body if isinstance(statement, ast.AnnAssign))
        return "".join(map(keys, bases(node))) + "".join(lines[first.lineno - 1 : node.end_lineno])

    flat: list[str] = []
    end = 0
    for node in classes.values():
        private = node.name.startswith("_")
        if private or bases(node):
            flat += lines[end : node.lineno - 1]
            end = node.end_lineno or 0
        if bases(node) and not private:
            docstring = "".join(lines[node.lineno : node.body[0].end_lineno])
            flat += [f"class {node.name}(TypedDict, total=False):\n", docstring, "\n", keys(node)]
    return STUB_HEAD + re.sub("\n{3,}", "\n\n", "".join(flat + lines[end:]))


def fresh(package: Path) -> dict[Path, str]:
    """Return the generated files of a package as they ought to be."""
    overloads = source(
        json.loads((package / "models" / "models.json").read_bytes()),
        docstrings((package / "_client.py").read_text(encoding="utf-8")),
    )
    inputs = package / "types" / "_text_inputs.py"
    return {
        package / "_client_overloads.py": overloads,
        inputs.with_suffix(".pyi"): flatten(inputs.read_text(encoding="utf-8")),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff if the file is stale")
    parser.add_argument("--package", type=Path, default=Path(__file__).resolve().parents[1] / "cfai")
    options = parser.parse_args(arguments)
    stale = False
    for path, text in fresh(options.package).items():
        if not options.check:
            path.write_text(text, encoding="utf-8")
            continue
        lines = [each.splitlines(keepends=True) for each in (path.read_text(encoding="utf-8"), text)]
        diff = list(difflib.unified_diff(*lines, f"{path.name} as it is", "as python .ci/overloads.py writes it"))
        sys.stdout.writelines(diff)
        stale = stale or bool(diff)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
