"""The promises of the package about itself."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import cfai
import cfai._transport.pool
import cfai.local
from cfai import Ai, AsyncStream, AsyncStructuredStream, Stream, StructuredStream
from cfai._streaming import AsyncCall
from tests.conftest import Caller, Service

PACKAGE = Path(cfai.__file__).parent
_SEND = sys.modules["cfai._transport.send"]


ORDER = (
    ("_version", "_lazy", "_json", "_escape", "_repr", "_threads", "_warnings"),
    ("_display",),
    ("_errors",),
    ("models", "types"),
    ("tokens", "tokenizers"),
    ("_config", "_credentials", "_preload", "_log", "_usage"),
    ("_limits",),
    ("_request",),
    ("_response",),
    ("_transport",),
    ("_streaming",),
    ("_resources", "_binding"),
    ("_pacing",),
    ("chat", "embeddings", "fallback", "many", "structured", "tools"),
    ("_client_options", "_client_overloads", "_client"),
    ("__init__",),
    ("integrations",),
    ("local",),
    ("testing", "doctor", "cli", "_pyinstaller", "__main__"),
)
"""Every room, and the rooms that it may import from: those of its own row, and of the rows before it."""

PRIVATE_ROOMS = ("_limits", "_request", "_response", "_transport", "_streaming", "_display", "_pacing")
"""Rooms that others import by their package, not by a module inside it."""


def rooms() -> set[str]:
    """Return the modules and packages of cfai."""
    files = {path.stem for path in PACKAGE.glob("*.py")}
    return files | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def imports_of(room: str) -> Iterator[tuple[str, str]]:
    """Return the modules of cfai that a room imports, and in which file, under `TYPE_CHECKING` and in functions too."""
    for file in sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            modules: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module == "cfai":
                modules = [f"cfai.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            yield from ((module, file.name) for module in modules if module.startswith("cfai."))


def test_imports_point_one_way_and_a_private_room_is_imported_by_its_package() -> None:
    assert rooms() == {room for row in ORDER for room in row}
    wrong: list[str] = []
    for position, row in enumerate(ORDER):
        later = rooms() - {room for earlier in ORDER[: position + 1] for room in earlier}
        for room in row:
            for module, file in imports_of(room):
                target = module.split(".")[1]
                if (room, target) == ("_client", "local"):
                    continue  # `Ai.local` makes a client of that room, and imports it inside the function
                is_inside = target in PRIVATE_ROOMS and target != room and module.count(".") > 1
                if is_inside or (target in later and position < ORDER.index(("local",))):
                    wrong.append(f"{room}/{file} imports {module}")
    assert wrong == []


def test_the_first_line_of_a_docstring_names_what_it_is_or_does() -> None:
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    wrong: list[str] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            line = (ast.get_docstring(node) or "").partition("\n")[0] if isinstance(node, described) else ""
            if line.startswith(("What ", "Where ", "Whether ", "The same ")):
                wrong.append(f"{file.relative_to(PACKAGE)}: {line}")
    assert wrong == []


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_nothing_that_it_can_do_without() -> None:
    # httpx brings its own command line along where it can.
    alone = "import sys; before = set(sys.modules); import cfai; print(*(set(sys.modules) - before))"
    assert {name for name in run(alone).split() if name.startswith(("cfai", "httpx", "pydantic"))} == {
        "cfai",
        "cfai._lazy",
        "cfai._version",
    }
    needed = "import sys, httpx, httpx_sse, pydantic, anyio; before = set(sys.modules); from cfai import Ai; "
    loaded = set(run(needed + "print(*(set(sys.modules) - before))").split())
    assert "cfai._client" in loaded
    heavy = {"starlette", "uvicorn", "typer", "rich", "numpy", "trio", "openai", "fastapi", "respx", "pytest", "httpx2"}
    heavy |= {"tokenizers", "huggingface_hub", "asyncio", "cfai.local", "cfai.testing", "cfai.doctor", "cfai.cli"}
    heavy |= {"cfai.tokenizers", "cfai.tokens._bounds", "cfai.tokens._estimate", "cfai.tokens._count"}
    heavy |= {"cfai.types._inputs", "cfai.structured", "cfai.fallback", "cfai.embeddings", "cfai.tools", "griffe"}
    heavy |= {"IPython", "html", "cfai._display.html", "wsproto", "cfai._resources.realtime"}
    assert loaded & heavy == set()


def test_importing_the_package_reads_no_catalogue_and_opens_nothing() -> None:
    code = """
import builtins, io, pathlib, socket, ssl, threading
import httpx, httpx_sse, pydantic, anyio
read = []
def spy(kind):
    original = getattr(pathlib.Path, kind)
    def method(self, *arguments, **options):
        read.append(str(self))
        return original(self, *arguments, **options)
    setattr(pathlib.Path, kind, method)
for kind in ("read_bytes", "read_text", "open"):
    spy(kind)
ssl.create_default_context = socket.create_connection = None
before = threading.active_count()
import cfai
cfai.Ai(account_id="0" * 32, api_token="token")
assert threading.active_count() == before
print(*read)
"""
    assert "models.json" not in run(code)


def test_only_four_libraries_are_needed() -> None:
    needed = importlib.metadata.requires("cfai-sdk") or []
    names = sorted(line.partition(">")[0] for line in needed if "extra ==" not in line)
    assert names == ["anyio", "httpx", "httpx-sse", "pydantic"]
    assert (PACKAGE / "py.typed").exists()
    assert cfai.__version__ == importlib.metadata.version("cfai-sdk")


PUBLIC_MODULES = {"models", "tokenizers", "types"}


def test_all_is_exact() -> None:
    found = {name: getattr(cfai, name) for name in dir(cfai) if not name.startswith("_")}
    modules = {name for name, value in found.items() if isinstance(value, ModuleType)} - PUBLIC_MODULES
    for_ipython = {"load_ipython_extension"}  # which asks for it by this name, and nobody else does
    assert set(cfai.__all__) == {*found, "__version__"} - modules - {"TYPE_CHECKING", "lazy_exports"} - for_ipython
    assert len(cfai.__all__) == len(set(cfai.__all__))
    assert [name for name in cfai.types.__all__ if not hasattr(cfai.types, name)] == []
    with pytest.raises(AttributeError, match=r"'cfai.types' has no attribute 'Nothing'"):
        _ = cfai.types.Nothing


def test_a_public_name_says_what_it_is_and_an_error_where_it_is_from() -> None:
    public = set(cfai.__all__) - {"__version__", *PUBLIC_MODULES}
    assert [name for name in public if not (inspect.getdoc(getattr(cfai, name)) or "").strip()] == []
    errors = [name for name in public if name.endswith(("Error", "Warning"))]
    assert [name for name in errors if getattr(cfai, name).__module__ != "cfai"] == []
    for kind in (Ai, Stream, AsyncStream, StructuredStream, AsyncStructuredStream):
        members = [(name, member) for name, member in inspect.getmembers(kind) if not name.startswith("_")]
        assert [name for name, member in members if not inspect.getdoc(member)] == [], kind


def test_every_input_and_every_field_of_an_answer_has_a_docstring() -> None:
    fields = 0
    for path in Path(cfai.types.__path__[0]).glob("*.py"):
        for kind in ast.parse(path.read_text(encoding="utf-8")).body:
            for field, next_one in pairwise([*kind.body, ast.Pass()]) if isinstance(kind, ast.ClassDef) else ():
                if isinstance(field, ast.AnnAssign) and not ast.unparse(field.target).startswith("_"):
                    is_described = isinstance(next_one, ast.Expr) and isinstance(next_one.value, ast.Constant)
                    assert is_described, f"{kind.name}.{ast.unparse(field.target)} in {path.name}"
                    fields += 1
    assert fields > 300


def test_a_name_of_the_local_room_says_what_it_is_and_that_it_is_from_its_door() -> None:
    public = {name: getattr(cfai.local, name) for name in cfai.local.__all__}
    assert public.keys() <= set(dir(cfai.local))
    named = {name: value for name, value in public.items() if name != "SCENARIOS"}
    assert [name for name, value in named.items() if value.__module__ != "cfai.local"] == []
    assert [name for name, value in named.items() if not (inspect.getdoc(value) or "").strip()] == []
    others = "print(cfai.local.Fault.__module__, cfai.local.ErrorResponse.__module__)"
    assert run(f"import cfai.local; {others}").split() == ["cfai.local"] * 2, "before any other room is loaded"


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    signature = inspect.signature(function)
    return [(each.name, each.kind, each.default) for each in signature.parameters.values()]


def test_run_and_arun_have_one_signature_with_the_options_that_were_promised_by_name_alone() -> None:
    assert parameters(Ai.run) == parameters(Ai.arun)
    run, arun = (inspect.signature(function).parameters for function in (Ai.run, Ai.arun))
    assert [each.annotation for each in run.values()] == [each.annotation for each in arun.values()]
    assert issubclass(AsyncCall, Coroutine)
    model, inputs, *options = [*run.values()][1:]
    assert (model.name, inputs.name) == ("model", "inputs")
    assert {option.kind for option in options} == {inspect.Parameter.KEYWORD_ONLY}
    client = "account_id api_token base_url timeout total_timeout max_retries checks proxy verify default_headers"
    assert list(inspect.signature(Ai).parameters)[:11] == [*client.split(), "http_client"]
    call = "output_type output_retries fallback gateway return_raw_response queue_request tags extra_headers "
    call += "session_affinity reject_if_busy timeout total_timeout max_retries checks"
    assert {*run} >= {*call.split()}
    assert "total_timeout: 'float | None' = NOT_GIVEN" in str(inspect.signature(Ai.run))


TWINS = {
    "close": "aclose",
    "events": "aevents",
    "to_event_stream": "ato_event_stream",
    "result": "aresult",
    "partials": "apartials",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
}


def members_of(kind: type) -> set[str]:
    """Return the members that a class has for its user, inherited ones included."""
    wanted = {*TWINS, *TWINS.values()}
    return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_") or name in wanted}


def test_twins_have_one_signature() -> None:
    assert {TWINS.get(name, name) for name in members_of(Stream)} | {"result"} == members_of(AsyncStream)
    structured = members_of(StructuredStream)
    assert {TWINS.get(name, name) for name in structured} | {"result"} == members_of(AsyncStructuredStream)
    for sync, asynchronous in TWINS.items():
        twins_of = (getattr(StructuredStream, sync), getattr(AsyncStructuredStream, asynchronous))
        assert parameters(twins_of[0]) == parameters(twins_of[1]), sync
    for sync, asynchronous in (("close", "aclose"), ("__exit__", "__aexit__")):
        assert parameters(getattr(Ai, sync)) == parameters(getattr(Ai, asynchronous)), sync
        assert inspect.iscoroutinefunction(getattr(Ai, asynchronous)), sync
    functions = dict(inspect.getmembers(_SEND, inspect.isfunction))
    twins = [
        name
        for name, each in functions.items()
        if each.__module__ == _SEND.__name__
        and (inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each))
        and name.lstrip("_").startswith("a")
    ]
    assert twins
    for name in twins:
        wanted = [each[0] for each in parameters(functions[name])]
        assert [each[0] for each in parameters(functions[name.replace("a", "", 1)])][: len(wanted)] == wanted, name


def test_the_tests_and_the_client_run_with_the_library_that_was_asked_for(
    request: pytest.FixtureRequest, caller: Caller, service: Service
) -> None:
    plugins = [name for name, _ in request.config.pluginmanager.list_name_plugin()]
    wanted = "httpx2" if any(name.endswith("httpx2_alias") for name in plugins) else "httpx"
    response = caller.run("@cf/zai-org/glm-4.7-flash", {"prompt": "x"}, return_raw_response=True)
    kinds = (cfai._transport.pool.httpx.Client, type(response))
    assert [httpx.__name__, *(kind.__module__.partition(".")[0] for kind in kinds)] == [wanted] * 3


def test_with_the_alias_it_is_httpx2() -> None:
    plugin = Path(__file__).parent / "plugins"
    code = f"""
import sys
sys.path.insert(0, {str(plugin)!r})
import httpx2_alias, cfai._transport.pool
from tests.conftest import Caller, Service
print(cfai._transport.pool.httpx.Client.__module__.partition(".")[0], *httpx2_alias.pytest_report_header().split()[:2])
"""
    assert run(code).split() == ["httpx2", "httpx:", "httpx2"]
