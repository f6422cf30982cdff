"""Show models as a table: in a terminal, and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cfai.models import Model

_HEADINGS = ("name", "task", "context", "price", "capabilities", "retired")


class ModelList(list["Model"]):
    """Models in a list like any other, but for how it shows: as a table."""

    def __repr__(self) -> str:
        rows = [_HEADINGS, *map(_format_row, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        from html import escape  # not sooner: it loads a table of all entities

        head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
        rows = ["".join(f"<td>{escape(cell)}</td>" for cell in _format_row(model)) for model in self]
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _format_row(model: Model) -> tuple[str, ...]:
    context = model.context_length or model.input_length
    return (
        model.name,
        model.task,
        f"{context.value:,}" if context else "",
        "; ".join(f"${price.usd:.10f}".rstrip("0").rstrip(".") + f" {price.unit}" for price in model.price),
        ", ".join(sorted(model.capabilities)),
        str(model.retired_on or ""),
    )
