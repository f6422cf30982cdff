"""The overloads of `run` and `arun` are those of the catalogue. What they come to is checked in `tests/typing`."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
import sys
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

import cfai
from cfai import Ai, models, types
from cfai._client_options import ManyOptions
from cfai._client_overloads import typed_arun, typed_run
from cfai.local import Emulator
from tests.conftest import row
from tests.local.conftest import PNG, WAV
from tests.typing.catalogue import arun_every_model, run_every_model

PACKAGE = Path(cfai.__file__).parent
TYPING = Path(__file__).parent / "typing"
OVERLOADS, STUB = PACKAGE / "_client_overloads.py", PACKAGE / "types" / "_text_inputs.pyi"
GENERATED = OVERLOADS.read_text(encoding="utf-8")
LIVE = {name for name, model in models.catalogue().items() if model.retired_on is None}
BY_WEBSOCKET = {"@cf/deepgram/flux"}


def _overloads_of(name: str, branch: str) -> list[ast.FunctionDef]:
    """Return the overloads of a method, those for mypy or those for pyright."""
    (signatures,) = (
        node for node in ast.walk(ast.parse(GENERATED)) if isinstance(node, ast.ClassDef) and node.name == "Signatures"
    )
    (switch,) = (node for node in signatures.body if isinstance(node, ast.If))
    functions = {"mypy": switch.body, "pyright": switch.orelse}[branch]
    return [node for node in functions if isinstance(node, ast.FunctionDef) and node.name == name][:-1]


def _groups() -> dict[str, list[str]]:
    """Return the literals of the generated file: the models of each group."""
    literals = {
        node.targets[0].id: node.value.slice
        for node in ast.walk(ast.parse(GENERATED))
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Subscript)
        and ast.unparse(node.value.value) == "Literal"
    }
    return {
        group: [item.value for item in (names.elts if isinstance(names, ast.Tuple) else [names])]
        for group, names in literals.items()
    }


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("overloads", Path(__file__).parents[1] / ".ci" / "overloads.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _input_types(names: str) -> Iterator[Any]:
    """Return the classes of a declaration of inputs."""
    for name in names.split(" | "):
        declared = getattr(types, name)
        yield from typing.get_args(declared) or [declared]


def _inputs_of(generator: ModuleType, group: str) -> dict[str, list[Any]]:
    """Return all that the models of a group take: the types of each key."""
    found: dict[str, list[Any]] = {}
    for overload in [*generator.TASKS, *generator.TEXT]:
        for inputs in _input_types(overload.inputs) if overload.model == group else ():
            for key, declared in typing.get_type_hints(inputs).items():
                found.setdefault(key, []).append(declared)
    return found


def test_the_generated_files_are_fresh_and_a_stale_one_fails_the_check_with_a_diff_until_it_is_written(
    generator: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("models/models.json", "models/schemas.json", "types/_text_inputs.py", "_client.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PACKAGE / name, tmp_path / name)
    stale, stub, options = tmp_path / OVERLOADS.name, tmp_path / "types" / STUB.name, ["--package", str(tmp_path)]
    stale.write_text(GENERATED.replace('"@cf/zai-org/glm-4.7-flash"', '"@cf/zai-org/glm-4.7"'))
    stub.write_text("")
    assert generator.fresh(PACKAGE) == {path: path.read_text(encoding="utf-8") for path in (OVERLOADS, STUB)}
    assert generator.main(["--check", *options]) == 1
    diff = capsys.readouterr().out.splitlines()
    assert '+        "@cf/zai-org/glm-4.7-flash",' in diff
    assert "+class PromptInputs(TypedDict, total=False):" in diff
    assert generator.main(options) == 0
    assert stale.read_text(encoding="utf-8") == GENERATED
    assert generator.main(["--check", *options]) == 0
    assert capsys.readouterr().out == ""


def test_every_model_that_lives_is_in_exactly_one_group_and_no_other_is_offered(generator: ModuleType) -> None:
    groups = _groups()
    assert groups.keys() == generator.GROUPS.keys()
    responses = groups.pop("ResponsesModel")
    assert {*responses} <= {*groups["TextModel"]}
    assert responses == [name for name, model in models.catalogue().items() if model.answers == "by input"]
    assert Counter(name for group in groups.values() for name in group) == Counter(LIVE - BY_WEBSOCKET)


def test_a_model_is_grouped_by_what_it_takes() -> None:
    groups = _groups()
    for model, group in (
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "TextModel"),
        ("@cf/zai-org/glm-4.7-flash", "TextModel"),
        ("@cf/openai/gpt-oss-120b", "TextModel"),
        ("@cf/baai/bge-base-en-v1.5", "EmbeddingModel"),
        ("@cf/baai/bge-m3", "ContextModel"),
        ("@cf/qwen/qwen3-embedding-0.6b", "RetrievalModel"),
        ("@cf/baai/bge-reranker-base", "RerankingModel"),
        ("@cf/openai/whisper-large-v3-turbo", "WhisperTurboModel"),
        ("@cf/openai/whisper-tiny-en", "WhisperModel"),
        ("@cf/deepgram/aura-2-es", "AuraModel"),
        ("@cf/leonardo/phoenix-1.0", "LeonardoModel"),
        ("@cf/black-forest-labs/flux-2-klein-9b", "Flux2Model"),
        ("@cf/moondream/moondream3.1-9B-A2B", "MoondreamModel"),
        ("@cf/meta/llama-guard-3-8b", "GuardModel"),
        ("@cf/cloudflare/clef-omni", "ClefModel"),
    ):
        with row(model):
            assert model in groups[group]


def test_run_and_arun_have_the_same_overloads_in_the_same_order() -> None:
    def spelled(name: str, branch: str) -> list[tuple[str, str]]:
        return [
            (
                ast.unparse(overload.args),
                re.sub(
                    r"^AsyncCall\[(.*)\]$",
                    r"\1",
                    ast.unparse(overload.returns or overload)
                    .replace("AsyncStream[", "Stream[")
                    .replace("AsyncStructuredStream[", "StructuredStream[")
                    .replace("AsyncAudioStream", "AudioStream")
                    .replace("AsyncBatch[", "Batch["),
                ),
            )
            for overload in _overloads_of(name, branch)
        ]

    for branch in ("mypy", "pyright"):
        with row(branch):
            assert spelled("run", branch)
            assert spelled("run", branch) == spelled("arun", branch)


def test_there_are_as_many_overloads_as_there_are_answers_to_tell_apart(generator: ModuleType) -> None:
    kinds = {comment: len(overloads) for comment, overloads in generator.for_pyright()}
    assert kinds == {
        "The answer as an object of the type that is asked for.": 5,
        "Anything, since the inputs are `Any`.": 1,
        "The response as it came; a batch, and what the service says of one.": 5,
        "The answer of a task, by the model.": 27,  # one for each answer of each group of models
        "Text: a stream if `stream` is `True`, the answer, or either as `stream` says at run time.": 3,
        "Nothing: a known model with the inputs of others.": 1,
        "The answer of a task, by the inputs.": 20,  # one for each answer, the three of text, and an image by itself
        "Inputs declared as `dict[str, Any]`, which are not checked.": 16,  # one for each answer
        "An object of what is no class.": 5,
        "Either, as an option says at run time.": 2,
        "Once more: of the overloads whose model fits, pyright tells of the last one why its inputs do not.": 26,
    }
    assert len(_overloads_of("run", "pyright")) == sum(kinds.values())
    assert len(_overloads_of("run", "mypy")) == sum(kinds.values()) - 26 + 1


def test_no_overload_is_deprecated() -> None:
    assert "deprecated" not in GENERATED.lower()


def test_the_typed_options_are_those_of_the_methods_which_stay_as_they_are_at_run_time() -> None:
    fields: dict[str, set[str]] = {
        node.name: {ast.unparse(field.target) for field in node.body if isinstance(field, ast.AnnAssign)}
        for node in ast.walk(ast.parse(GENERATED))
        if isinstance(node, ast.ClassDef)
    }
    for method in (Ai.run, Ai.arun):
        options = inspect.signature(method).parameters.values()
        keywords = {option.name for option in options if option.kind == option.KEYWORD_ONLY}
        assert {*ManyOptions.__annotations__, *fields["AnswerOptions"], "output_type"} == keywords
        assert typed_run(method) is typed_arun(method) is method
    assert fields["PlainOptions"] == {"output_type"}


def test_every_key_of_every_schema_has_its_place_in_the_inputs_of_its_model(generator: ModuleType) -> None:
    schemas = json.loads((PACKAGE / "models" / "schemas.json").read_bytes())
    groups = {model: group for group, names in _groups().items() for model in names if group != "ResponsesModel"}
    assert groups.keys() <= schemas.keys()
    for model, group in groups.items():
        keys = _inputs_of(generator, group)
        with row(model):
            # A batch is what `queue_request` is for; cfai makes a body of bytes out of the key for media.
            assert schemas[model]["input_params"].keys() - {"requests", "(body)"} <= keys.keys()
            for key, schema in schemas[model]["input_params"].items():
                assert {*schema.get("enum", ())} <= {*_literals(keys.get(key))} or key in ("(body)", "requests"), key


def _literals(declared: Any) -> Iterator[Any]:
    """Return the values of all literals in a type."""
    if typing.get_origin(declared) is typing.Literal:
        yield from typing.get_args(declared)
    else:
        for part in declared if isinstance(declared, list) else typing.get_args(declared):
            yield from _literals(part)


def test_every_key_of_the_inputs_has_a_docstring_of_its_own(generator: ModuleType) -> None:
    declared = {name for overload in generator.TASKS + generator.TEXT for name in overload.inputs.split(" | ")}
    names = {inputs.__name__ for name in declared for inputs in _input_types(name)}
    names |= {"PromptOrMessages", "PromptMessagesOrInput"}
    classes = {
        node.name: node
        for path in [*(PACKAGE / "types").glob("*.py"), STUB]  # the stub comes last: it is what an editor reads
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    for name in sorted(names):
        body = classes[name].body
        keys = [index for index, node in enumerate(body) if isinstance(node, ast.AnnAssign)]
        with row(name):
            assert keys
            assert [ast.unparse(base) for base in classes[name].bases] == ["TypedDict"]
            assert [ast.unparse(body[i]) for i in keys if i + 1 == len(body) or i + 1 in keys] == []


def test_the_stub_has_the_keys_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module, stub = sys.modules[types.PromptInputs.__module__], ModuleType("stub")
    monkeypatch.setitem(sys.modules, "stub", stub)
    exec(compile(STUB.read_text(encoding="utf-8"), str(STUB), "exec", dont_inherit=True), vars(stub))
    typed = {name: value for name, value in vars(module).items() if typing.is_typeddict(value) and name[0] != "_"}
    assert {"PromptInputs", "ResponsesInputStream", "UserMessage"} <= typed.keys()
    for name, inputs in typed.items():
        with row(name):
            assert getattr(stub, name).__required_keys__ == inputs.__required_keys__
            assert getattr(stub, name).__optional_keys__ == inputs.__optional_keys__


def test_every_input_type_can_be_imported_from_types(generator: ModuleType) -> None:
    for overload in [*generator.TASKS, *generator.TEXT, *generator.BY_INPUTS]:
        for name in f"{overload.inputs} | {overload.result}".split(" | "):
            with row(name):
                assert name in (generator.STREAM, "AudioStream", "ImageAlone") or name in types.__all__


def test_inputs_require_only_what_a_model_cannot_do_without() -> None:
    required: Mapping[Any, set[str]] = {
        types.PromptInputs: {"prompt"},
        types.PromptInputsStream: {"prompt", "stream"},
        types.MessagesInputsPlain: {"messages"},
        types.MessagesInputsStream: {"messages", "stream"},
        types.ResponsesInput: {"input"},
        types.EmbeddingsInputs: {"text"},
        types.RetrievalInputs: {"queries"},
        types.NovaInputs: {"audio"},
        types.Flux2Inputs: {"prompt"},
        types.ClefInputs: {"model", "state", "questions"},
        types.UserMessage: {"role", "content"},
        types.AssistantMessage: {"role"},
    }
    for inputs, keys in required.items():
        with row(inputs.__name__):
            hints = typing.get_type_hints(inputs, include_extras=True)
            assert {key for key, hint in hints.items() if typing.get_origin(hint) is typing.Required} == keys


def test_a_call_of_every_model_that_lives_is_type_checked_sync_and_async() -> None:
    calls = [
        (ast.unparse(node.func), node.args[0].value)
        for node in ast.walk(ast.parse((TYPING / "catalogue.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) != "assert_type" and node.args
        if isinstance(node.args[0], ast.Constant)
    ]
    for method in ("ai.run", "ai.arun"):
        assert Counter(model for name, model in calls if name == method) == Counter(LIVE - BY_WEBSOCKET)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_declared_of_every_model_comes(backend: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"model_type": "gemma", "r": 8}')
    (tmp_path / "adapter_model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with Emulator() as emulator, emulator.ai() as ai:
        ai.finetunes.upload(tmp_path, model="@cf/google/gemma-2b-it-lora", name="mine")
        run_every_model(ai, PNG, WAV)
        anyio.run(arun_every_model, ai, PNG, WAV, backend=backend)


def test_pyright_names_the_key_that_does_not_fit(tmp_path: Path) -> None:
    calls = {
        'ai.run("@cf/zai-org/glm-4.7-flash", {"promt": "Hi"})': '"promt" is an undefined item',
        'ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hi", "max_token": 1})': '"max_token" is an undefined item',
        'ai.run("@cf/zai-org/glm-4.7-flash", {"temperature": 1})': '"prompt" is required',
        'ai.run("@cf/openai/gpt-oss-20b", {"input": "Hi", "max_tokn": 1})': '"max_tokn" is an undefined item',
        'ai.run("@cf/baai/bge-base-en-v1.5", {"text": "Hi", "poolin": "cls"})': '"poolin" is an undefined item',
        'ai.run("@cf/baai/bge-m3", {"contexts": [{"txt": "Hi"}]})': '"txt" is an undefined item in type "Context"',
        'ai.run("@cf/openai/whisper-large-v3-turbo", {"audio": b"", "lang": "en"})': '"lang" is an undefined item',
        'ai.run("@cf/deepgram/aura-1", {"speaker": "luna"})': '"text" is required',
        'ai.run("@cf/black-forest-labs/flux-2-dev", {"prompt": "Hi", "hight": 512})': '"hight" is an undefined item',
    }
    program = tmp_path / "program.py"
    program.write_text("\n".join(["from cfai import Ai", "ai = Ai()", *calls]))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", program.name]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300).stdout
    found: dict[int, list[dict[str, Any]]] = {}
    for diagnostic in json.loads(printed)["generalDiagnostics"]:
        found.setdefault(diagnostic["range"]["start"]["line"], []).append(diagnostic)
    for line, (call, message) in enumerate(calls.items(), 2):
        with row(call):
            assert {diagnostic["rule"] for diagnostic in found[line]} == {"reportCallIssue", "reportArgumentType"}
            assert message in "\n".join(diagnostic["message"] for diagnostic in found[line])
            assert "deprecated" not in str(found[line])
