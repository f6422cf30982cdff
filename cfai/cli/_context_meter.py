"""How full a model's context is: a line below each answer of a chat."""

from __future__ import annotations

from cfai import Ai, Chat
from cfai.cli._stats import format_usd

_WIDTH = 20
_HIGH, _FULL = 0.75, 0.9
"""The shares of the context from which the meter is yellow, and red."""


def format_meter(ai: Ai, chat: Chat, *, is_billed: bool, is_cost_whole: bool = True) -> tuple[str, str]:
    """Return the tokens that the next question finds in the model's context, and their cost so far; and a style.

    They are those of the messages that are still sent, by the count of `ai.check`. The cost is not whole after an
    answer that was stopped: the service says at its end what one took.
    """
    dropped = {id(message) for message in chat.dropped}
    sent = [message for message in chat.messages if id(message) not in dropped]
    result = ai.check(chat.model, {**chat.inputs, "messages": sent})
    parts: list[str] = []
    style = "dim"
    if result.tokens is not None and result.limit is not None:
        tokens, limit = int(result.tokens), result.limit.value
        share = min(tokens / limit, 1.0)
        style = "red" if share >= _FULL else "yellow" if share >= _HIGH else "dim"
        filled = int(share * _WIDTH)
        about = "" if result.tokens.exact else "about "
        parts.append(f"{'━' * filled}{'─' * (_WIDTH - filled)} {share:.0%}")
        parts.append(f"{about}{tokens:,} of {limit:,} tokens")
    if dropped:
        parts.append(f"the {len(chat.dropped)} oldest messages are not sent any more")
    if is_billed and chat.cost is not None:
        parts.append(f"{'' if is_cost_whole else 'more than '}{format_usd(chat.cost)}")
    return " · ".join(parts), style
