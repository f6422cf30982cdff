"""Show models as a table: in a terminal, and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex, overload

if TYPE_CHECKING:
    from cfai.models import Model

_LEFT = "text-align: left"
_HEADINGS = ("name", "task", "context", "price", "capabilities", "retired")


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
        from html import escape  # not sooner: it loads a table of all entities

        # Notebooks put words to the right, as if they were numbers, and break names at their hyphens.
        styles = [_LEFT + "; white-space: nowrap"] * 2 + [_LEFT] * (len(_HEADINGS) - 2)
        rows = [
            "".join(f'<td style="{style}">{escape(cell)}</td>' for style, cell in zip(styles, row, strict=False))
            for row in _format_rows(self)
        ]
        head = rows.pop(0).replace("<td", "<th").replace("</td", "</th")
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _format_rows(models: ModelList) -> list[tuple[str, ...]]:
    """Return the headings and a row a model; without the last column, if none is retired."""
    end = len(_HEADINGS) if any(model.retired_on for model in models) else -1
    return [row[:end] for row in (_HEADINGS, *map(_format_row, models))]


def _format_prices(model: Model) -> str:
    """Return prices, those of tokens as one: `$0.06 input, $0.4 output per M tokens`."""
    amounts = [f"${price.usd:.10f}".rstrip("0").rstrip(".") for price in model.price]
    units = [price.unit for price in model.price]
    if len(units) > 1 and all(unit.startswith("per M ") and unit.endswith(" tokens") for unit in units):
        kinds = [unit.removeprefix("per M ").removesuffix(" tokens") for unit in units]
        return ", ".join(map(" ".join, zip(amounts, kinds, strict=True))) + " per M tokens"
    return "; ".join(map(" ".join, zip(amounts, units, strict=True)))


def _format_row(model: Model) -> tuple[str, ...]:
    context = model.context_length or model.input_length
    return (
        model.name,
        model.task,
        f"{context.value:,}" if context else "",
        _format_prices(model),
        ", ".join(sorted(model.capabilities)),
        str(model.retired_on or ""),
    )
