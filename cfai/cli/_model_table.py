"""Models as people and machines read them: a table of many, all that is known of one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from cfai import ConfigurationError, models
from cfai.cli._attach import get_parameters, takes_messages
from cfai.cli._catalogue import known_models
from cfai.cli._terminal import print_text, write
from cfai.models import LIMIT_FIELDS, Model

_USD_DIGITS = 6


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
    abilities = ", ".join(filter(None, [*sorted(model.capabilities), status]))
    return (model.name, model.task, f"{length.value:,}" if length else "", _format_price(model), abilities)


def _format_price(model: Model) -> str:
    """Return what a model costs, tokens as input and output: `$0.06 / $0.4`."""
    by_unit = {price.unit: f"${price.usd:.{_USD_DIGITS}f}".rstrip("0").rstrip(".") for price in model.price}
    tokens = [by_unit[unit] for unit in ("per M input tokens", "per M output tokens") if unit in by_unit]
    return " / ".join(tokens) if tokens else ", ".join(f"{usd} {unit}" for unit, usd in by_unit.items())


def _print_table(found: Sequence[Model]) -> None:
    """Print a table for each task, no wider than the terminal."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for task, group in groupby(found, lambda model: model.task):
        rows = [(row[0], row[2], row[3], row[4]) for row in map(_format_row, group)]
        price = "in / out, per M tokens" if any(" / " in row[2] for row in rows) else "price"
        headings = (task, "tokens" if any(row[1] for row in rows) else "", price, "can")
        widths = [max(len(row[at]) for row in (headings, *rows)) for at in range(4)]
        for row in (headings, *rows):
            name, length, price, abilities = row
            line = f"{name:{widths[0]}}  {length:>{widths[1]}}  {price:{widths[2]}}  {abilities}".rstrip()
            print_text(console, _cut(line, console.width), "bold" if row is headings else "")
        print_text(console, "")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def print_model(name: str, *, as_json: bool) -> None:
    """Print all that is known of a model. Raises `ConfigurationError` for one that nobody knows."""
    model = known_models().get(name)
    if model is None:
        near = models.suggest(name)
        hint = f": did you mean {' or '.join(near)}?" if near else ": cfai models lists them"
        raise ConfigurationError(f"there is no model {name!r}{hint}")
    write(
        json.dumps(_to_dict(model), indent=2) + "\n" if as_json else "".join(f"{line}\n" for line in _describe(model))
    )


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
    parameters = [name for name in get_parameters(model.name) if name != "(body)"]
    if parameters:
        yield f"  {'takes':20}{', '.join(parameters)}"
    yield f"  {'run it':20}{_make_example(model)}"


def _format_usd(amount: float) -> str:
    return f"${amount:.{_USD_DIGITS}f}".rstrip("0").rstrip(".")


def _make_example(model: Model) -> str:
    """Return a command that runs a model, for its task."""
    short = model.name.rpartition("/")[2]
    taken = get_parameters(model.name)
    if takes_messages(model.name):
        return f'cfai run {short} "where is new york?"'
    example = {
        "Text-to-Image": '"a cat" -o cat.jpg',
        "Text-to-Speech": '"good morning" -o morning.mp3',
        "Automatic Speech Recognition": "-a talk.mp3",
        "Image Classification": "-a photo.jpg",
        "Object Detection": "-a photo.jpg",
        "Image-to-Text": '"what is this?" -a photo.jpg',
        "Voice Activity Detection": "-a talk.wav",
    }.get(model.task, '"a text"')
    needed = [name for name in ("target_lang", "target_language", "questions") if name in taken]
    needed += ["contexts"] if "contexts" in taken and "text" not in taken else []
    values = {"contexts": "@texts.json", "questions": "@questions.json"}
    return " ".join([f"cfai run {short} {example}", *(f"-i {name}={values.get(name, 'french')}" for name in needed)])


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
