"""Refusals of inputs, read from what the service's validator says: which input is wrong, of all that it lists.

The validator tries the inputs against each of a model's schemas, and lists what each of them misses (`anyOf at '/' not
met: …`), those for other kinds of inputs too: in thousands of characters, one sentence is about what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from cfai._json import is_mapping


class InputProblem(NamedTuple):
    """A problem with the inputs that were sent, and what to do; no advice where the problem says all."""

    reason: str
    hint: str = ""


class _Problem(NamedTuple):
    """One sentence of the validator about an input that was sent."""

    path: tuple[str, ...]
    reason: str
    """The problem, as the end of a sentence that begins with the input's name."""
    missing: tuple[str, ...] = ()
    """The names that must be there, if that is the problem."""
    type_name: str = ""
    """The JSON type that came, if another must come."""
    is_choice: bool = False
    """True if a value of a few must come: mostly it tells kinds of inputs apart, and others list what came."""


_MAX_CHARACTERS = 200_000
"""Characters of a page that are read."""

_MAX_REASONS = 3
"""The problems that are told."""

_MAX_SENT = 6
"""The names of inputs that are told."""

# Patterns stay strings: `re` compiles them at first use. Every repetition is bounded.
_PATH = r"'(?P<{}>/[^']{{0,300}})'"
_SENTENCE = "|".join(
    (
        rf"required propert(?:y|ies) at {_PATH.format('holder')} (?:are|is) '(?P<missing>[^']{{1,500}})'",
        rf"Type mismatch of {_PATH.format('typed')}, '(?P<came>[^']{{1,30}})' not in '(?P<types>[^']{{1,100}})'",
        rf"Additional or unevaluated properties {_PATH.format('extra')}",
        rf"enum [^']{{1,100}} not in (?P<choices>[^']{{1,500}}) at {_PATH.format('chosen')}",
        rf"(?P<length>Length of )?{_PATH.format('bounded')} (?P<rule>must [^',]{{1,80}}(?:'[^']{{0,300}}')?)",
    )
)

_TOOL = 'a tool is {"type": "function", "function": {"name": …, "description": …, "parameters": …}}'
_MESSAGE = 'a message is {"role": "user", "content": "…"}'
_TOOL_MESSAGE = 'the result of a tool is {"role": "tool", "tool_call_id": call.id, "content": "…"}'
_TEXT_ONLY = "this model takes nothing but text there: join the parts into one string, or use a model that sees"
_FORM = "this model takes a form and no JSON: pass it as {'multipart': {'body': {'prompt': …}}}"


def find_input_problem(message: str, inputs: Mapping[str, Any]) -> InputProblem | None:
    """Return what of a validator's page is about the `inputs` that were sent; `None` if nothing of it is.

    >>> page = (
    ...     "anyOf at '/' not met: required properties at '/audio' are 'voice,format', required properties at "
    ...     "'/tools/0/function' are 'name', required properties at '/' are 'prompt'"
    ... )
    >>> find_input_problem(page, {"messages": [], "tools": [{"type": "function", "name": "get"}]}).reason
    '`tools[0].function` lacks `name`'
    >>> find_input_problem("oneOf at '/' not met: required properties at '/' are 'prompt'", {"text": "Hi"}).reason
    '`prompt` is missing; what came is `text`'
    """
    problems = list(_list_problems(" ".join(message[:_MAX_CHARACTERS].split()), inputs))
    # What all inputs together lack belongs to another of the schemas, if one of the inputs is wrong.
    within = sorted((problem for problem in problems if problem.path), key=lambda problem: -len(problem.path))
    within = [problem for problem in within if not problem.is_choice] or within
    if not within:
        return _describe_root(problems, inputs)
    # Thirty tools that are wrong in one way are one problem.
    alike: dict[tuple[tuple[str, ...], str], list[_Problem]] = {}
    for problem in within:
        shape = tuple("#" if step.isdigit() else step for step in problem.path)
        alike.setdefault((shape, problem.reason), []).append(problem)
    reasons = [_describe_alike(group) for group in alike.values()]
    more = f"; and {len(reasons) - _MAX_REASONS} more" if len(reasons) > _MAX_REASONS else ""
    return InputProblem("; ".join(reasons[:_MAX_REASONS]) + more, _advise(within[0]))


def _list_problems(page: str, inputs: Mapping[str, Any]) -> Iterator[_Problem]:
    """Yield the problems of a page that are about inputs that were sent."""
    for match in re.finditer(_SENTENCE, page):
        if match["holder"]:
            path = _split(match["holder"])
            holder = _look_up(inputs, path)
            names = tuple(name for name in match["missing"].split(",") if not (is_mapping(holder) and name in holder))
            if names and _was_sent(inputs, path):
                yield _Problem(path, f"lacks {_join(names)}", missing=names)
        elif match["typed"]:
            path, types = _split(match["typed"]), match["types"].split(",")
            if _was_sent(inputs, path):
                came = match["came"]
                yield _Problem(path, f"is {_name_type(came)}, and must be {_join_types(types)}", type_name=came)
        elif match["chosen"]:
            if _was_sent(inputs, path := _split(match["chosen"])):
                choices = " or ".join(f"`{choice}`" for choice in match["choices"].split(","))
                yield _Problem(path, f"must be {choices}", is_choice=True)
        elif match["extra"]:
            for path in map(_split, match["extra"].split(", ")):
                if _was_sent(inputs, path):
                    yield _Problem(path, "is not an input of this model")
        elif _was_sent(inputs, path := _split(match["bounded"])):
            length = "has a length that " if match["length"] else ""
            yield _Problem(path, f"{length}{match['rule']}")


def _split(pointer: str) -> tuple[str, ...]:
    return tuple(step for step in pointer.split("/") if step)


def _look_up(inputs: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path, or `None`."""
    value = inputs
    for step in path:
        if isinstance(value, list | tuple) and step.isdecimal() and len(step) < 10:
            items = cast("list[Any]", value)
            value = items[int(step)] if int(step) < len(items) else None
        else:
            value = value.get(step) if is_mapping(value) else None
    return value


def _was_sent(inputs: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Return True if a path begins with an input that was sent, and no item on it is beyond the end of its list."""
    for position, step in enumerate(path):
        holder = _look_up(inputs, path[:position])
        if position == 0 and step not in inputs:
            return False
        if isinstance(holder, list | tuple) and step.isdecimal() and not int(step[:9]) < len(cast("list[Any]", holder)):
            return False
    return True


def _describe_root(problems: list[_Problem], inputs: Mapping[str, Any]) -> InputProblem | None:
    """Return the problem of inputs that fit none of the schemas, for what each lacks."""
    choices = list(dict.fromkeys(problem.missing for problem in problems if problem.missing))
    # A batch is another way to call a model, which nobody meant who sent none.
    choices = [names for names in choices if names != ("requests",)] or choices
    if not choices:
        return InputProblem(f"the body {problems[0].reason}") if problems else None
    if ("multipart",) in choices:
        return InputProblem("`multipart` is missing", _FORM)
    verb = "are" if len(choices) == 1 and len(choices[0]) > 1 else "is"
    sent = f"; what came is {_join(tuple(inputs)[:_MAX_SENT])}" if inputs else ""
    return InputProblem(f"{' or '.join(map(_join, choices))} {verb} missing{sent}")


def _describe_alike(problems: list[_Problem]) -> str:
    more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
    return f"`{_name(problems[0].path)}` {problems[0].reason}{more}"


def _name(path: tuple[str, ...]) -> str:
    """Return a path as Python would write it: `tools[0].function`."""
    steps = [f"[{step}]" if step.isdecimal() or step == "*" else f".{step}" for step in path]
    return "".join(steps).removeprefix(".")


def _join(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)


def _name_type(name: str) -> str:
    if name == "null":
        return name
    return f"{'an' if name[0] in 'aio' else 'a'} {name}"


def _join_types(names: list[str]) -> str:
    return " or ".join(_name_type(name.strip()) for name in names)


def _advise(problem: _Problem) -> str:
    path = problem.path
    if path[0] == "tools":
        return _TOOL
    if path[0] != "messages":
        return ""
    if path[-1] == "content":
        return {"array": _TEXT_ONLY, "null": 'send "" for no content'}.get(problem.type_name, "")
    if "tool_call_id" in problem.missing:
        return _TOOL_MESSAGE
    return _MESSAGE if {"role", "content"} & {*problem.missing} else ""
