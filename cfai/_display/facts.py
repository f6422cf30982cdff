"""The facts of a call in a line."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context

_TWO_DIGITS = Context(prec=2, rounding=ROUND_HALF_UP)
_SHORT = 0.095
"""Seconds below which milliseconds say more."""


def format_facts(tokens: int | None, neurons: float | None, cost: float | None, seconds: float) -> str:
    """Return tokens, neurons, US dollars and seconds of a call, as far as they are known.

    >>> format_facts(131, 4.5, 0.0000495, 1.234)
    '131 tokens, 4.5 neurons, $0.00005, 1.2 s'
    >>> format_facts(None, None, 0.0, 0.0)
    '$0'
    """
    facts = [
        None if tokens is None else f"{tokens:,} token{'' if tokens == 1 else 's'}",
        None if neurons is None else f"{_round(neurons)} neurons",
        None if cost is None else f"${cost:,.2f}" if cost >= 1 else f"${_round(cost)}",
        _format_seconds(seconds) if seconds else None,
    ]
    return ", ".join(fact for fact in facts if fact is not None)


def _format_seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds >= _SHORT else f"{seconds * 1000:.0f} ms"


def _round(amount: float) -> str:
    """Return an amount with two digits that matter, or with all before the point.

    >>> _round(0.0000495), _round(4.52), _round(1234.5), _round(0.0)
    ('0.00005', '4.5', '1,234', '0')
    """
    if abs(amount) >= 100:
        return f"{amount:,.0f}"
    # As decimals, in which a half is a half.
    text = f"{_TWO_DIGITS.create_decimal(f'{amount:.12g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
