"""The overloads of `run` and `arun` are those of the catalogue. What they come to is checked in `tests/typing`."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cfai
from cfai import Ai, models, types
from cfai._client_overloads import typed_arun, typed_run
from cfai.types import _inputs

PACKAGE = Path(cfai.__file__).parent
GENERATED = (PACKAGE / "_client_overloads.py").read_text(encoding="utf-8")
TEXT_GROUPS = {"NativeModel", "NativeChatModel", "ChatModel", "GptOssModel", "UntoldModel"}


def _overloads_of(name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    functions = [
        node for node in ast.walk(ast.parse(GENERATED)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [function for function in functions if function.name == name and function.decorator_list]


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


def _model_of(overload: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    annotation = overload.args.args[1].annotation
    assert annotation is not None
    return ast.unparse(annotation)


def _is_trap(overload: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("deprecated" in ast.unparse(decorator) for decorator in overload.decorator_list)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("overloads", Path(__file__).parents[1] / ".ci" / "overloads.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_file_is_fresh_and_a_stale_one_fails_the_check_with_a_diff_until_it_is_written(
    generator: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    for name in ("models/models.json", "models/schemas.json", "_client.py"):
        shutil.copy(PACKAGE / name, tmp_path / name)
    stale, options = tmp_path / "_client_overloads.py", ["--package", str(tmp_path)]
    stale.write_text(GENERATED.replace('"@cf/zai-org/glm-4.7-flash"', '"@cf/zai-org/glm-4.7"'))
    assert generator.fresh(PACKAGE) == GENERATED
    assert generator.main(["--check", *options]) == 1
    assert '+        "@cf/zai-org/glm-4.7-flash",' in capsys.readouterr().out.splitlines()
    stale.write_text("")
    assert generator.main(options) == 0
    assert stale.read_text(encoding="utf-8") == GENERATED
    assert generator.main(["--check", *options]) == 0
    assert capsys.readouterr().out == ""


def test_every_model_of_the_catalogue_is_in_exactly_one_group_by_what_it_answers() -> None:
    catalogue, groups = models.catalogue(), _groups()
    assert Counter(name for group in groups.values() for name in group) == Counter(list(catalogue))
    texts = {name for name, model in catalogue.items() if model.task == "Text Generation"}
    decides = {name for name in texts if name.startswith("@cf/cloudflare/clef")}
    assert {name for group in TEXT_GROUPS for name in groups[group]} == texts - decides
    answers = {"NativeModel": "native", "NativeChatModel": "chat", "ChatModel": "chat", "GptOssModel": "by input"}
    for group, shape in answers.items():
        assert [name for name in groups[group] if catalogue[name].answers != shape] == [], group


def test_a_model_is_grouped_by_what_it_takes_and_answers() -> None:
    for model, group in (
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "NativeModel"),
        ("@cf/meta/llama-2-7b-chat-int8", "NativeModel"),
        ("@cf/qwen/qwen3-30b-a3b-fp8", "NativeChatModel"),
        ("@cf/zai-org/glm-4.7-flash", "ChatModel"),
        ("@cf/moonshotai/kimi-k2.5", "ChatModel"),
        ("@cf/openai/gpt-oss-120b", "GptOssModel"),
        ("@cf/swiss-ai/apertus-v1.5-8b", "UntoldModel"),
        ("@cf/moondream/moondream3.1-9B-A2B", "UnaskedStreamModel"),
        ("@cf/cloudflare/clef-omni", "OtherModel"),
        ("@cf/baai/bge-m3", "OtherModel"),
    ):
        assert model in _groups()[group], model


def test_run_and_arun_have_the_same_overloads_in_the_same_order() -> None:
    def spelled(name: str) -> list[tuple[list[str], str, str]]:
        return [
            (
                [ast.unparse(decorator) for decorator in overload.decorator_list],
                ast.unparse(overload.args),
                ast.unparse(overload.returns or overload)
                .replace("AsyncStream[", "Stream[")
                .removeprefix("AsyncCall[")
                .removesuffix("]" if name == "arun" else ""),
            )
            for overload in _overloads_of(name)
        ]

    assert spelled("run")
    assert spelled("run") == spelled("arun")


def test_a_trap_for_misfits_stands_after_all_that_fits_and_the_fallback_comes_last() -> None:
    last = _overloads_of("run")[-2:]
    assert [(_model_of(overload), _is_trap(overload)) for overload in last] == [("str", False)] * 2
    for group in ("NativeModel", "NativeChatModel", "ChatModel", "GptOssModel"):
        overloads = [overload for overload in _overloads_of("run") if group in _model_of(overload).split(" | ")]
        traps = [_is_trap(overload) for overload in overloads]
        assert (traps, sum(traps)) == (sorted(traps), 3), group
        inputs = [ast.unparse(overload.args.args[2].annotation or overload) for overload in overloads]
        assert inputs[-3:] == ["LooseStream", "LoosePlain", "Mapping[str, Any]"], group


def test_the_typed_options_are_those_of_the_methods_which_stay_as_they_are_at_run_time() -> None:
    fields: dict[str, set[str]] = {
        node.name: {ast.unparse(field.target) for field in node.body if isinstance(field, ast.AnnAssign)}
        for node in ast.walk(ast.parse(GENERATED))
        if isinstance(node, ast.ClassDef)
    }
    for method in (Ai.run, Ai.arun):
        options = inspect.signature(method).parameters.values()
        keywords = {option.name for option in options if option.kind == option.KEYWORD_ONLY}
        assert fields["RunOptions"] | fields["PlainOptions"] == keywords
        assert typed_run(method) is typed_arun(method) is method
    assert fields["PlainOptions"] == {"return_raw_response", "queue_request"}


def test_every_input_type_can_be_imported_from_types() -> None:
    public = {
        name
        for name, value in vars(_inputs).items()
        if getattr(value, "__module__", None) == _inputs.__name__ and not name.startswith("_")
    }
    assert public - set(types.__all__) == {"OnlyAny"}
    for name in types._INPUTS:
        assert getattr(types, name) is getattr(_inputs, name)


def test_inputs_require_only_what_a_model_cannot_do_without() -> None:
    required: dict[Any, set[str]] = {
        types.NativePrompt: {"prompt"},
        types.NativePromptStream: {"prompt", "stream"},
        types.NativeMessagesPlain: {"messages"},
        types.ChatMessagesStream: {"messages", "stream"},
        types.ResponsesInput: {"input"},
        types.UserMessage: {"role", "content"},
        types.AssistantMessage: {"role"},
    }
    for inputs, keys in required.items():
        assert inputs.__required_keys__ == keys, inputs
