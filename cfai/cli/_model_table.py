"""Models as people and machines read them: a table of many, all that is known of one."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from cfai import ConfigurationError, models
from cfai.cli._attach import get_parameters, takes_messages
from cfai.cli._catalogue import known_models
from cfai.cli._terminal import print_text, write
from cfai.models import LIMIT_FIELDS, Model
from cfai.models.schemas import get_schema
from cfai.types._media_types import SUFFIXES

_USD_DIGITS = 6
_INDENT = 22
"""Where the facts of a model begin."""


def filter_models(
    *, task: str | None = None, author: str | None = None, capability: str | None = None, retired: bool = False
) -> list[Model]:
    """Return the models of a task, an author and with a capability, by their tasks.

    Neither case nor the blanks and hyphens in words matter. Raises `ConfigurationError` for what no model has.
    """
    known = models.list(task=task, author=author, capability=capability, live=None if retired else True)
    wanted = [_to_slug(each) for each in (task, author, capability) if each is not None]
    new = [
        model
        for name, model in known_models().items()
        if name not in models.catalogue()
        and {*wanted} <= {_to_slug(each) for each in (model.task, model.author, *model.capabilities)}
    ]
    return sorted([*known, *new], key=lambda model: (model.task, model.name.lower()))


def search_by_words(words: Iterable[str], *, retired: bool) -> list[Model]:
    """Return the models whose name, task or capabilities have all the words, by their tasks."""
    slugs = [_to_slug(word) for part in words for word in part.split()]
    found = filter_models(retired=retired)
    return [
        model
        for model in found
        if all(slug in _to_slug(" ".join([model.name, model.task, *model.capabilities])) for slug in slugs)
    ]


def _to_slug(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def print_models(found: Sequence[Model], *, as_json: bool) -> None:
    """Print models: a table on a terminal, one that can be cut by tabs through a pipe, or JSON."""
    if as_json:
        write(json.dumps([_to_dict(model) for model in found], indent=2) + "\n")
    elif sys.stdout.isatty():
        _print_table(found)
    else:
        write("".join("\t".join(_format_row(model)) + "\n" for model in found))


def _format_row(model: Model) -> tuple[str, ...]:
    length = model.context_length or model.input_length
    status = f"retired {model.retired_on}" if model.retired_on else ""
    abilities = ", ".join(filter(None, [status, *sorted(model.capabilities)]))
    return (model.name, model.task, f"{length.value:,}" if length else "", _format_price(model), abilities)


def _format_price(model: Model) -> str:
    """Return what a model costs, tokens as input and output: `$0.06 / $0.4`."""
    by_unit = {price.unit: f"${price.usd:.{_USD_DIGITS}f}".rstrip("0").rstrip(".") for price in model.price}
    tokens = [by_unit[unit] for unit in ("per M input tokens", "per M output tokens") if unit in by_unit]
    return " / ".join(tokens) if tokens else ", ".join(f"{usd} {unit}" for unit, usd in by_unit.items())


def _print_table(found: Sequence[Model]) -> None:
    """Print a table for each task, no wider than the terminal.

    What does not fit beside a model stands below it: what it can, on a narrow terminal its length and price too.
    Retired ones are dim.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for task, group in groupby(found, lambda model: model.task):
        rows = [(row[0], row[2], row[3], row[4]) for row in map(_format_row, group)]
        price = "in / out, per M tokens" if any(" / " in row[2] for row in rows) else "price"
        headings = (task, "tokens" if any(row[1] for row in rows) else "", price, "can")
        widths = [max(len(row[at]) for row in (headings, *rows)) for at in range(4)]
        beside = next(
            count for count in (4, 3, 1) if count == 1 or sum(widths[:count]) + 2 * (count - 1) <= console.width
        )
        for row in (headings, *rows):
            name, length, price, abilities = row
            style = "bold" if row is headings else "dim" if abilities.startswith("retired") else ""
            cells = (f"{name:{widths[0]}}", f"{length:>{widths[1]}}", f"{price:{widths[2]}}", abilities)
            print_text(console, "  ".join(cells[:beside]).rstrip(), style)
            unit = f" {headings[2]}" if " / " in price else " per M tokens" if price and " " not in price else ""
            facts = " · ".join(filter(None, (f"{length} tokens" if length else "", f"{price}{unit}")))
            below = () if row is headings else ((), (facts, abilities), (), (abilities,), ())[beside]
            for text in filter(None, below):
                print_text(console, wrap(f"  {text}", console.width, indent=2), style)
        print_text(console, "")


def wrap(text: str, width: int, *, indent: int) -> str:
    """Return text in lines of a width, broken between words, all but the first behind an indent."""
    lines = textwrap.wrap(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)
    return "\n".join(lines)


def print_model(name: str, *, as_json: bool) -> None:
    """Print all that is known of a model. Raises `ConfigurationError` for one that nobody knows."""
    model = known_models().get(name)
    if model is None:
        near = models.suggest(name)
        hint = f": did you mean {' or '.join(near)}?" if near else ": cfai models lists them"
        raise ConfigurationError(f"there is no model {name!r}{hint}")
    if as_json:
        write(json.dumps(_to_dict(model), indent=2) + "\n")
        return
    width = shutil.get_terminal_size().columns
    for line in _describe(model):
        is_wrapped = sys.stdout.isatty() and width > 2 * _INDENT
        write(f"{wrap(line, width, indent=_INDENT) if is_wrapped else line}\n")
    write(f"  {'run it':20}{_make_example(model)}\n")  # in one piece, to be copied


def _describe(model: Model) -> Iterable[str]:
    yield model.name
    yield f"  {'task':20}{model.task}"
    if model.retirement:
        yield f"  {'retired':20}{model.retirement}"
    for field in LIMIT_FIELDS:
        limit = getattr(model, field)
        if limit is not None:
            label = field.replace("_length", "").replace("_", " ")
            yield f"  {label:20}{limit.value:,} tokens ({limit.source}, {limit.date})"
    for price in model.price:
        yield f"  {'price':20}{_format_usd(price.usd)} {price.unit} ({price.source}, {price.date})"
    if model.requests_per_minute:
        yield f"  {'rate':20}{model.requests_per_minute:,} requests a minute"
    if model.capabilities:
        yield f"  {'can':20}{', '.join(sorted(model.capabilities))}"
    if parameters := get_parameters(model.name):
        yield f"  {'takes':20}{', '.join(parameters)}"


def _format_usd(amount: float) -> str:
    return f"${amount:.{_USD_DIGITS}f}".rstrip("0").rstrip(".")


def _make_example(model: Model) -> str:
    """Return a command that runs a model, for its task, or a sentence if none can."""
    if model.is_realtime_only:
        return "only through a WebSocket, which cfai does not open"
    short = model.name.rpartition("/")[2]
    if takes_messages(model.name):
        return f'cfai run {short} "where is new york?"'
    taken = get_parameters(model.name)
    example = {
        "Text-to-Image": '"a cat"',
        "Text-to-Speech": '"good morning"',
        "Automatic Speech Recognition": "-a talk.mp3",
        "Image Classification": "-a photo.jpg",
        "Object Detection": "-a photo.jpg",
        "Image-to-Text": '"what is this?" -a photo.jpg',
        "Voice Activity Detection": "-a talk.wav",
    }.get(model.task, '"a text"' if "questions" not in taken else f"-i model={short}")
    wanted = [name for name in EXAMPLE_INPUTS if name in taken and not (name == "contexts" and "text" in taken)]
    needed = [f"-i {name}={EXAMPLE_INPUTS[name]}" for name in wanted]
    if "inpainting" in short:
        needed.append("-a photo.jpg -i mask=@mask.png")
    elif "img2img" in short:
        needed.append("-a photo.jpg")
    return " ".join(filter(None, [f"cfai run {short} {example}", *needed, _name_output(model)]))


EXAMPLE_INPUTS = {
    "target_lang": "french",
    "target_language": "hin_Deva",
    "contexts": """'[{"text": "a river"}, {"text": "a town"}]'""",
    "state": '"where is my parcel?"',
    "questions": """'{"angry": {"type": "noul", "instructions": "Is the customer angry?"}}'""",
}
"""Inputs that a command has to give, in the form of a shell."""


def _name_output(model: Model) -> str:
    """Return the option that names a file for a picture or a sound, where its kind is known beforehand."""
    schema = get_schema(model.name)
    output = schema.output if schema else ""
    found = re.search(r"contentType (\w+/\w+), format binary", output)
    media_type = found[1] if found else "image/jpeg" if "{image:string(base64)}" in output else ""
    name = {"image": "cat", "audio": "morning"}.get(media_type.partition("/")[0])
    return f"-o {name}{SUFFIXES[media_type]}" if name else ""


def _to_dict(model: Model) -> dict[str, Any]:
    """Return a model as JSON can hold it; what is not known is left out."""
    limits = {field: getattr(model, field) for field in LIMIT_FIELDS}
    return {
        "name": model.name,
        "task": model.task,
        **{field: limit.value for field, limit in limits.items() if limit is not None},
        "price": [{"usd": price.usd, "unit": price.unit, "neurons": price.neurons} for price in model.price],
        "capabilities": sorted(model.capabilities),
        **({"retired_on": str(model.retired_on)} if model.retired_on else {}),
    }
