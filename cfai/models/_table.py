"""Show models as a table: in a terminal, and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex, overload

if TYPE_CHECKING:
    from cfai.models import Model

_HEADINGS = ("name", "price", "context", "task", "capabilities")
_KINDS = {"per M input tokens": "in", "per M cached input tokens": "cached", "per M output tokens": "out"}


class ModelList(list["Model"]):
    """Models in a list like any other, but for how it shows: as a table."""

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Model: ...
    @overload
    def __getitem__(self, index: slice, /) -> ModelList: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Model | ModelList:
        return ModelList(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def __repr__(self) -> str:
        rows = _format_rows(self)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        return render_models(self)


def render_models(models: ModelList) -> str:
    """Return models as a table of HTML."""
    from cfai._display import render_table

    headings, *rows = _format_rows(models)
    return render_table(headings, rows, numbers=[2], unbroken=[0])


def _format_rows(models: ModelList) -> list[tuple[str, ...]]:
    """Return the headings and a row a model."""
    return [_HEADINGS, *map(_format_row, models)]


def _format_prices(model: Model) -> str:
    """Return prices, those of tokens as one: `$0.06 in, $0.4 out per M tokens`."""
    amounts = [f"${price.usd:.10f}".rstrip("0").rstrip(".") for price in model.price]
    units = [price.unit for price in model.price]
    if len(units) > 1 and all(unit.startswith("per M ") and unit.endswith(" tokens") for unit in units):
        kinds = [_KINDS.get(unit, unit) for unit in units]
        return ", ".join(map(" ".join, zip(amounts, kinds, strict=True))) + " per M tokens"
    return "; ".join(map(" ".join, zip(amounts, units, strict=True)))


def _format_row(model: Model) -> tuple[str, ...]:
    context = model.context_length or model.input_length
    return (
        model.name,
        f"retired {model.retired_on}" if model.retired_on else _format_prices(model),
        f"{context.value:,}" if context else "",
        model.task,
        ", ".join(sorted(model.capabilities)),
    )
