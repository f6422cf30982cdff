"""`%%ai`: a cell that is a prompt, in notebooks and in IPython. `%load_ext cfai` brings it. See docs/notebooks.md."""

from __future__ import annotations

import json
import re
import shlex
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from cfai import Ai, AudioStream, ConfigurationError, Stream, models
from cfai._display import read_stream, show
from cfai.models.schemas import get_schema

_PROMPT_FIELDS = ("prompt", "text", "input_text")
"""The inputs that a cell may be, in the order in which they are looked for among those of a model."""
_NAME = r"(?P<double>\{)?\{([A-Za-z_]\w*)\}(?(double)\})"


def load_ipython_extension(shell: Any) -> None:
    """Give IPython the cell magic `%%ai`. `%load_ext cfai` calls it."""
    arguments: Any = import_module("IPython.core.magic_arguments")
    magic = _Magic(shell)

    def run_cell(line: str, cell: str) -> None:
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise ConfigurationError(f"the line of %%ai must have its quotes in pairs, got {line!r}") from error
        magic.run(ai.parser.parse_args(words), cell)

    run_cell.__doc__ = _HELP
    options = (
        arguments.argument("model", help="the model, such as @cf/zai-org/glm-4.7-flash; its last part will do"),
        arguments.argument("-s", "--system", metavar="TEXT", help="the instructions that go before the prompt"),
        arguments.argument("-v", "--var", metavar="NAME", help="the variable that keeps the answer"),
        arguments.argument(
            "-i", "--input", action="append", default=[], metavar="KEY=VALUE", help="another input of the model"
        ),
    )
    ai: Any = run_cell
    for option in reversed(options):
        ai = option(ai)
    ai = arguments.magic_arguments("%ai")(ai)
    shell.register_magic_function(ai, "cell", "ai")
    shell.set_hook("complete_command", _list_names, str_key="%%ai")


def _list_names(*_: Any) -> list[str]:
    return [model.name for model in models.list(live=True)]


_HELP = """Run a model with the cell as its prompt, and show the answer while it comes.

`{name}` stands for the value of a variable, and `{{name}}` for `{name}`; what names no variable stays as it is. The
client is the variable `ai`, if it is one, else one with the credentials of the environment.
"""


class _Magic:
    """The magic of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._client: Ai | None = None

    def run(self, arguments: Any, cell: str) -> None:
        """Run a cell, show the answer, and keep it under a name if one is given."""
        variables = self._shell.user_ns
        model = find_model(arguments.model)
        inputs = build_inputs(model, fill_in(cell.strip(), variables), arguments.system, arguments.input)
        if arguments.var is not None and not str(arguments.var).isidentifier():
            raise ConfigurationError(f"--var must be the name of a variable, got {arguments.var!r}")
        with _warnings_alone():
            answer: Any = self._find_client(variables).run(model, inputs)
            if isinstance(answer, Stream | AudioStream):
                answer = read_stream(answer)
            else:
                show(answer)
        if arguments.var is not None:
            variables[arguments.var] = answer

    def _find_client(self, variables: Mapping[str, Any]) -> Ai:
        client = variables.get("ai")
        if isinstance(client, Ai):
            return client
        self._client = self._client or Ai()
        return self._client


@contextmanager
def _warnings_alone() -> Generator[None]:
    """Print warnings without the line of code that they name: it is one of IPython's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print(message, file=sys.stderr)


def find_model(name: str) -> str:
    """Return the whole name of a model, of which the last part will do."""
    model = models.get(name)
    return name if model is None else model.name


def fill_in(text: str, variables: Mapping[str, Any]) -> str:
    """Return a prompt with the values of the variables that it names.

    >>> fill_in("{greeting} {{greeting}} {nobody} {{nobody}}", {"greeting": "Hello"})
    'Hello {greeting} {nobody} {{nobody}}'
    """

    def replace(found: re.Match[str]) -> str:
        if found[2] not in variables:
            return found[0]
        return found[0][1:-1] if found[1] else str(variables[found[2]])

    return re.sub(_NAME, replace, text)


def build_inputs(model: str, prompt: str, system: str | None, others: list[str]) -> dict[str, Any]:
    """Return the inputs of a call: the prompt under the model's own name for it, and others as `key=value`.

    A value is JSON, or else a text. What writes text is streamed. Raises `ConfigurationError`.
    """
    if not prompt:
        raise ConfigurationError("the cell must have a prompt under its first line, got nothing")
    entry, schema = models.get(model), get_schema(model)
    writes = entry is None or entry.task == "Text Generation"
    inputs: dict[str, Any] = {"stream": True} if writes else {}
    if system is not None:
        if not writes:
            raise ConfigurationError(f"--system is for models that write text, which {model} does not: leave it out")
        inputs["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    else:
        known = {"prompt"} if writes or schema is None else schema.parameters.keys()
        field = next((name for name in _PROMPT_FIELDS if name in known), None)
        if field is None:
            raise ConfigurationError(f"{model} takes no text alone, so a cell cannot be its prompt: call ai.run")
        inputs[field] = prompt
    for other in others:
        name, equals, value = other.partition("=")
        if not equals:
            raise ConfigurationError(f"--input must be key=value, such as max_tokens=100, got {other!r}")
        try:
            inputs[name] = json.loads(value)
        except ValueError:
            inputs[name] = value
    return inputs
