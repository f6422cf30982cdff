"""Mutation testing: breaks the pure modules one place at a time, and counts how often a test notices.

    python .ci/mutation.py --at-least 85 [--processes 2] [--only _retry]

Run it at the root of a copy of the checkout, with cfai's `dev` extra and mutmut installed. The mutants are mutmut's,
and two kinds more: a condition turned round, a statement left out. Its runner is not used, as it leaves out whatever
has a decorator, properties for example, and whatever runs at import, such as the table of error codes.

A mutant in a function is put in place of that function in a fork of a process that has collected the tests already;
then those tests run that come by the place, the module's own first, until one fails. A mutant of a module's variable
is put in place the same way. Where that goes unnoticed, and for all else that acts at import, the module's own tests
run in a fork that has not imported cfai yet. A mutant that hangs counts as noticed.
"""

import __future__

import argparse
import ast
import gc
import importlib
import importlib.util
import inspect
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import hypothesis
import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

_DECODING = [
    "tests/response/test_decoder.py",
    "tests/response/test_decoder_ends.py",
    "tests/response/test_decoder_samples.py",
    "tests/response/test_decoder_at_random.py",
]
_LIMITS = ["tests/limits/test_check.py", "tests/limits/test_limits.py", "tests/limits/test_calls.py"]

MODULES = {
    "_response.sse": ["tests/response/test_sse.py"],
    "_response.decoder": [*_DECODING, "tests/response/test_tool_calls.py"],
    "_response.accumulator": [*_DECODING, "tests/response/test_tool_calls.py"],
    "_response.extract": _DECODING,
    "_response.tool_calls": ["tests/response/test_tool_calls.py", *_DECODING],
    "_response.usage": ["tests/response/test_tool_calls.py", *_DECODING],
    "_response.errors": ["tests/response/test_errors.py", "tests/response/test_errors_in_words.py"],
    "_response.parsed_limit": ["tests/response/test_parsed_limit.py", "tests/response/test_refused.py"],
    "_transport.retry": ["tests/transport/test_retry.py"],
    "_limits.check": _LIMITS,
    "_limits.verdict": _LIMITS,
    "_limits.window": _LIMITS,
    "_limits.messages": _LIMITS,
    "_limits.shorten": ["tests/limits/test_fit_messages.py", "tests/limits/test_truncate.py"],
    "tokens._prompt": ["tests/tokens/test_count.py", *_LIMITS],
}
"""The modules, and the tests that are theirs."""

OTHERS = [
    "tests/streaming",
    "tests/transport/test_failures.py",
    "tests/response/test_outputs.py",
    "tests/response/test_refused.py",
    "tests/request/test_build.py",
]
"""Tests that enter these modules as well, through `Ai`."""

EXAMPLES = 50
"""How many examples hypothesis tries at most."""

_CLOCKS = {"process_time", "perf_counter", "thread_time"}

LONGEST = 3.0
"""Seconds of tests that one mutant may take after the tests of its own module: the slowest are left out."""

ARGUMENTS = ["-p", "no:terminal", "-p", "no:logging", "-W", "ignore::pytest.PytestAssertRewriteWarning"]

HEAVY = (
    "anyio.from_thread",
    "httpx",
    "httpx_sse",
    "pydantic",
    "pydantic_core",
    "respx",
    "trio",
    "hypothesis.strategies",
)
"""What the tests import besides cfai, imported once for all mutants."""


def _file(module: str) -> Path:
    return Path("cfai", *module.split(".")).with_suffix(".py")


class Mutant(NamedTuple):
    module: str
    line: int
    place: str
    """The function it is in, by its qualified name; nothing if it acts at import."""
    statement: int
    """The line on which the innermost statement around it starts."""
    assigns: bool
    """Whether it is in an assignment at the top level of the module."""
    was: str
    now: str
    source: str
    """The mutated statement, one of those at the top level of the module."""
    start: int
    """The index of that statement."""

    def __str__(self) -> str:
        return f"{_file(self.module)}:{self.line}: {_short(self.was)}  ->  {_short(self.now)}"


def _short(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 150 else line[:150] + "…"


# The mutants.


def _turned_round(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Return the opposite condition, where mutmut has none of its own for that."""
    if not isinstance(node, cst.If | cst.While | cst.CompIf) or isinstance(node.test, cst.UnaryOperation):
        return
    plain = cst.Is | cst.IsNot | cst.In | cst.NotIn | cst.Equal | cst.NotEqual
    if isinstance(node.test, cst.Comparison) and all(isinstance(c.operator, plain) for c in node.test.comparisons):
        return
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def _left_out(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Return nothing in the place of a statement."""
    if not isinstance(node, cst.SimpleStatementLine) or len(node.body) > 1:
        return
    statement = node.body[0]
    if isinstance(statement, cst.Expr):
        if not isinstance(statement.value, cst.SimpleString | cst.ConcatenatedString | cst.Ellipsis):
            yield node.with_changes(body=[cst.Pass()])
    elif isinstance(statement, cst.Raise | cst.Del) or (isinstance(statement, cst.Return) and statement.value):
        yield node.with_changes(body=[cst.Pass()])


_STATEMENTS = cst.SimpleStatementLine | cst.BaseCompoundStatement


class _Finder(cst.CSTVisitor):
    """Finds the mutations of one statement at the top level of a module."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, cst.FunctionDef | None, int, int]] = []
        self._statements = [0]
        self._function: cst.FunctionDef | None = None
        self._signature = False

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Import | cst.ImportFrom | cst.Decorator):
            return False
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
            if node.func.value == "cast":
                # The first argument is for the type checker.
                node.args[1].visit(self)
                return False
            if node.func.value in ("len", "isinstance"):
                return False  # as mutmut does: what is left of them only raises
        if isinstance(node, cst.FunctionDef) and self._function is None:
            self._function = node
        elif self._function is not None and node is self._function.params:
            self._signature = True  # defaults are made where the function is
        within = None if self._signature else self._function
        position = self.get_metadata(PositionProvider, node, None)
        if isinstance(node, _STATEMENTS):
            self._statements.append(position.start.line if position else 0)
        changes = [new for kind, operator in mutation_operators if isinstance(node, kind) for new in operator(node)]
        changes += [*_turned_round(node), *_left_out(node)]
        line = position.start.line if position else 0
        around = self._statements[-1]
        self.found += [(node, new, within, line, around) for new in changes if not _same_codec(node, new)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, _STATEMENTS):
            self._statements.pop()
        if original_node is self._function:
            self._function = None
        elif self._function is not None and original_node is self._function.params:
            self._signature = False


def _same_codec(node: cst.CSTNode, new: cst.CSTNode) -> bool:
    """Return whether only the case of a codec's name differs."""
    strings = cst.SimpleString
    return (
        isinstance(node, strings) and isinstance(new, strings) and node.value.lower() == '"utf-8"' == new.value.lower()
    )


def mutants_of(module: str) -> list[Mutant]:
    """Return every mutant of a module that compiles and is none of the others."""
    wrapper = MetadataWrapper(cst.parse_module(_file(module).read_text()))
    tree = wrapper.module
    positions = wrapper.resolve(PositionProvider)
    found: dict[str, Mutant] = {}
    for start, statement in enumerate(tree.body):
        finder = _Finder()
        finder.metadata = {PositionProvider: positions}
        statement.visit(finder)
        for node, new, function, line, around in finder.found:
            place = ""
            whole: cst.CSTNode = statement
            if function is not None:
                owner = statement.name.value if isinstance(statement, cst.ClassDef) else ""
                place = f"{owner}.{function.name.value}".removeprefix(".")
                # The rest of a class is not needed, and takes long to copy.
                whole = statement.with_changes(body=cst.IndentedBlock([function])) if owner else statement
            before = tree.code_for_node(whole)
            source = tree.code_for_node(new if node is whole else whole.deep_replace(node, new))
            if source == before or source in found or not _compiles(source):
                continue
            was, now = _shown(tree, node), _shown(tree, new)
            if isinstance(node, cst.BaseCompoundStatement):
                was, now = _difference(before, source)
            assigns = isinstance(statement, cst.SimpleStatementLine)
            line = line or positions[statement].start.line
            found[source] = Mutant(module, line, place, around, assigns, was, now, source, start)
    return list(found.values())


def _compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _shown(tree: cst.Module, node: cst.CSTNode) -> str:
    return tree.code_for_node(node).strip() or type(node).__name__


def _difference(before: str, after: str) -> tuple[str, str]:
    """Return the first line that differs."""
    lines = zip(before.splitlines(), after.splitlines(), strict=False)
    return next(((was.strip(), now.strip()) for was, now in lines if was != now), ("", ""))


# Putting one in place.


def put_in_place(mutant: Mutant) -> None:
    """Give the function that has been imported the mutant's code, or the variable the mutant's value."""
    if not mutant.place:
        _assign(mutant)
        return
    path = str(_file(mutant.module))
    code = compile(mutant.source, path, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    function_of(mutant.module, mutant.place).__code__ = _code_named(code, mutant.place)


def _assign(mutant: Mutant) -> None:
    """Run the mutant, and what is assigned from its variable further down; then exchanges it wherever it is known."""
    namespace = vars(importlib.import_module(f"cfai.{mutant.module}"))
    before = dict(namespace)
    changed: set[str] = set()
    tree = cst.parse_module(_file(mutant.module).read_text())
    for index, statement in enumerate(tree.body):
        if index < mutant.start or not isinstance(statement, cst.SimpleStatementLine):
            continue
        source = mutant.source if index == mutant.start else tree.code_for_node(statement)
        code = compile(source, "", "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
        if index == mutant.start or changed.intersection(code.co_names):
            exec(code, namespace)
            changed |= {name for name, value in namespace.items() if value is not before.get(name)}
    for module in list(sys.modules.values()):
        if module.__name__.startswith(("cfai", "tests")):
            for name in changed & vars(module).keys():
                if vars(module)[name] is before.get(name):
                    setattr(module, name, namespace[name])


def _code_named(code: CodeType, name: str) -> CodeType:
    left = [code]
    while left:
        code = left.pop()
        if code.co_qualname == name:
            return code
        left += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    raise LookupError(name)


def function_of(module: str, place: str) -> FunctionType:
    found: Any = importlib.import_module(f"cfai.{module}")
    for name in place.split("."):
        found = inspect.getattr_static(found, name)
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    assert isinstance(found, FunctionType), place
    return found


class _Mutated(SourceFileLoader):
    """Loads a module with one statement exchanged."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(f"cfai.{mutant.module}", str(_file(mutant.module).resolve()))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        tree = cst.parse_module(Path(self.path).read_text())
        body = list(tree.body)
        source = [tree.code_for_node(statement) for statement in body]
        source[self._mutant.start] = self._mutant.source
        header = tree.with_changes(body=[], footer=[]).code
        return compile(header + "".join(source), self.path, "exec", dont_inherit=True)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None


# Running tests.


class _Until:
    """Ends the process at the first failure."""

    def __init__(self, tell: int | None = None) -> None:
        self._tell = tell

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            if self._tell is not None:
                os.write(self._tell, report.nodeid.encode())
            os._exit(1)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            os._exit(1)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        _prepare(items)


def _prepare(items: list[pytest.Item]) -> None:
    """Leave out tests that measure time, which a busy machine can fail, and has hypothesis try a few examples only.

    They are the same each time, and it does not look for the smallest one that fails.
    """
    items[:] = [item for item in items if not _CLOCKS.intersection(_function(item).__code__.co_names)]
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    for item in items:
        function: Any = _function(item)
        settings = getattr(function, "_hypothesis_internal_use_settings", None)
        if settings is not None:
            few = min(EXAMPLES, settings.max_examples)
            function._hypothesis_internal_use_settings = hypothesis.settings(
                settings, max_examples=few, derandomize=True, database=None, phases=phases, total_timeout=None
            )


def _function(item: pytest.Item) -> FunctionType:
    assert isinstance(item, pytest.Function)
    function: Any = item.obj
    return getattr(function, "__func__", function)


class Pool:
    """Forks a process for each mutant, a few at a time."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._running: dict[int, Mutant] = {}
        self.outcomes: dict[Mutant, str] = {}
        self.noticed_by: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._told, self.tell = os.pipe()
        os.set_blocking(self._told, False)

    def run(self, mutant: Mutant, work: Callable[[], int], seconds: float) -> None:
        """Return `work` gives 0 if nothing was noticed. Past `seconds` of its processor's time the process is ended."""
        while len(self._running) >= self._processes:
            self._wait()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            self._running[child] = mutant
            return
        try:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nowhere, descriptor)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            # The clock on the wall is for those that wait for what never comes; others may keep the machine busy.
            signal.alarm(int(60 + 5 * seconds))
            resource.setrlimit(resource.RLIMIT_CPU, (int(10 + 3 * seconds), int(20 + 3 * seconds)))
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
            os._exit(work())
        except BaseException:
            # A mutant that cannot even be put in place, or ends the run, is noticed.
            os._exit(1)

    def finish(self) -> None:
        while self._running:
            self._wait()

    def _wait(self) -> None:
        child, status = os.wait()
        mutant = self._running.pop(child)
        if os.WIFSIGNALED(status):
            self.outcomes[mutant] = "hung"
        else:
            self.outcomes[mutant] = "noticed" if os.WEXITSTATUS(status) else "survived"
        # Of two that end at once the answers may be taken for one: it only makes for an order that is not the best.
        with suppress(BlockingIOError):
            self.noticed_by[mutant.module, mutant.place][os.read(self._told, 65536).decode("utf-8", "replace")] += 1
        if self.outcomes[mutant] == "survived" and mutant.line:
            print(f"survived: {mutant}", flush=True)


def run_at_import(mutants: Sequence[Mutant], pool: Pool) -> None:
    """Mutants that need a fresh import. cfai must not have been imported yet."""
    for name in HEAVY:
        importlib.import_module(name)
    assert "cfai" not in sys.modules
    for mutant in [*map(_unchanged, dict.fromkeys(mutant.module for mutant in mutants)), *mutants]:

        def work(mutant: Mutant = mutant) -> int:
            sys.meta_path.insert(0, _Mutated(mutant))
            return int(pytest.main([*ARGUMENTS, "-x", *MODULES[mutant.module]], plugins=[_Until()]))

        pool.run(mutant, work, LONGEST)
    pool.finish()
    for mutant in [mutant for mutant in pool.outcomes if not mutant.line]:
        if pool.outcomes.pop(mutant) != "survived":
            raise SystemExit(f"the tests of {mutant.module} fail before anything was broken")


def _unchanged(module: str) -> Mutant:
    """Return a mutant that is none."""
    tree = cst.parse_module(_file(module).read_text())
    return Mutant(module, 0, "", 0, False, "", "", tree.code_for_node(tree.body[0]), 0)


class InFunctions:
    """A pytest plugin whose run is the mutants: those that are in functions, against the tests collected."""

    def __init__(self, mutants: Sequence[Mutant], pool: Pool) -> None:
        self._mutants = mutants
        self._pool = pool
        self._failed: list[str] = []
        self._seconds: Counter[str] = Counter()
        self._until: _Until | None = None
        self.ran = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        _prepare(items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._until is not None:
            self._until.pytest_runtest_logreport(report)
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            print(report.longreprtext, file=sys.stderr)
            self._failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise pytest.UsageError("the tests cannot be collected")
        ran: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
        with _watching({(mutant.module, mutant.place) for mutant in self._mutants if mutant.place}) as seen:
            for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                seen.clear()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                for statement in seen:
                    ran[statement].append(item)
        if self._failed:
            raise pytest.UsageError(f"tests fail before anything was broken: {', '.join(self._failed)}")
        seconds = self._seconds.copy()
        print(f"{len(session.items)} tests pass in {sum(seconds.values()):.0f} s", flush=True)
        self._until = _Until(self._pool.tell)
        gc.freeze()  # spares each fork a copy of what a collection would touch
        for mutant in self._mutants:
            found = ran[mutant.module, mutant.statement] if mutant.place else session.items
            items = self._chosen(mutant, found, seconds)

            def work(mutant: Mutant = mutant, items: list[pytest.Item] = items) -> int:
                put_in_place(mutant)
                _run(items)
                return 0

            self._pool.run(mutant, work, sum(seconds[item.nodeid] for item in items))
        self._pool.finish()
        self.ran = True
        return True

    def _chosen(self, mutant: Mutant, items: list[pytest.Item], seconds: Counter[str]) -> list[pytest.Item]:
        own, others = list[pytest.Item](), list[pytest.Item]()
        # What noticed others in the same place comes first.
        known = self._pool.noticed_by[mutant.module, mutant.place]
        for item in sorted(items, key=lambda item: (-known[item.nodeid], seconds[item.nodeid])):
            (own if item.nodeid.partition("::")[0] in MODULES[mutant.module] else others).append(item)
        left = LONGEST if mutant.place else 0
        for item in others:
            left -= seconds[item.nodeid]
            if left > 0:
                own.append(item)
        return own


def in_functions(mutants: Sequence[Mutant], options: argparse.Namespace) -> dict[Mutant, str]:
    """Return the outcomes, from a process of their own: this one must not import cfai."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.close(readable)
        pool = Pool(options.processes)
        files = dict.fromkeys([*(file for module in options.only for file in MODULES[module]), *OTHERS])
        plugin = InFunctions(mutants, pool)
        pytest.main([*ARGUMENTS, *(f"--deselect={name}" for name in options.deselect), *files], plugins=[plugin])
        with open(writable, "wb") as pipe:
            pickle.dump(pool.outcomes if plugin.ran else None, pipe)
        sys.stdout.flush()
        os._exit(0)
    os.close(writable)
    with open(readable, "rb") as pipe:
        outcomes = pickle.load(pipe)
    os.waitpid(child, 0)
    if outcomes is None:
        raise SystemExit("the mutants did not run")
    return outcomes


def _run(items: list[pytest.Item]) -> None:
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


@contextmanager
def _watching(places: set[tuple[str, str]]) -> Iterator[set[tuple[str, int]]]:
    """Have these functions tell which of their statements run: the modules, and the lines on which those start."""
    seen: set[tuple[str, int]] = set()
    codes: dict[FunctionType, CodeType] = {}
    for module in {module for module, _ in places}:
        tree = _Telling(module).visit(ast.parse(_file(module).read_text()))
        code = compile(ast.fix_missing_locations(tree), str(_file(module)), "exec", dont_inherit=True)
        vars(importlib.import_module(f"cfai.{module}"))["_tell"] = seen.add
        for place in [place for owner, place in places if owner == module]:
            function = function_of(module, place)
            codes[function] = function.__code__
            function.__code__ = _code_named(code, place)
    try:
        yield seen
    finally:
        for function, code in codes.items():
            function.__code__ = code


class _Telling(ast.NodeTransformer):
    """Puts a call before every statement of a function."""

    def __init__(self, module: str) -> None:
        self._module = module

    def visit_Module(self, node: ast.Module) -> ast.AST:
        for statement in node.body:
            for function in statement.body if isinstance(statement, ast.ClassDef) else [statement]:
                if isinstance(function, ast.FunctionDef):
                    self.generic_visit(function)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [new for old in statements for new in (self._told(old), self.generic_visit(old))])
        for handler in getattr(node, "handlers", []):
            self.generic_visit(handler)
        return node

    def _told(self, statement: ast.stmt) -> ast.stmt:
        return ast.parse(f"_tell({(self._module, statement.lineno)!r})").body[0]


def report(outcomes: dict[Mutant, str]) -> float:
    """Print the figures, and gives the part of all mutants that was noticed, in per cent."""
    print(f"\n{'':12} {'mutants':>8} {'noticed':>8} {'hung':>6} {'survived':>9} {'per cent':>9}")
    counts = {module: Counter(outcomes[m] for m in outcomes if m.module == module) for module in MODULES}
    counts["together"] = sum(counts.values(), Counter[str]())
    figure = 0.0
    for name, count in counts.items():
        if not count.total():
            continue
        figure = 100 * (count["noticed"] + count["hung"]) / count.total()
        row = f"{count.total():8} {count['noticed']:8} {count['hung']:6} {count['survived']:9} {figure:9.1f}"
        print(f"{name:12} {row}")
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--at-least", type=float, default=0, help="how many per cent of the mutants must be noticed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many run at once")
    parser.add_argument("--only", nargs="+", choices=MODULES, default=list(MODULES), help="these modules")
    parser.add_argument("--deselect", nargs="+", default=[], help="tests that are left out")
    options = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    started = time.monotonic()
    mutants = [mutant for module in options.only for mutant in mutants_of(module)]
    print(f"{len(mutants)} mutants", flush=True)
    outcomes = in_functions([mutant for mutant in mutants if mutant.place or mutant.assigns], options)
    print(f"those in functions and variables took {time.monotonic() - started:.0f} s", flush=True)
    pool = Pool(options.processes)
    run_at_import([mutant for mutant in mutants if not mutant.place and outcomes.get(mutant) != "noticed"], pool)
    outcomes |= pool.outcomes
    figure = report(outcomes)
    print(f"{(time.monotonic() - started) / 60:.0f} minutes")
    if len(outcomes) != len(mutants) or figure < options.at_least:
        print(f"fewer than {options.at_least} % were noticed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
