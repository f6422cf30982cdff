"""A model's limits: what in the inputs is certain to be over one of them, before anything is sent.

A legal prompt is never refused, so only text counts that every chat template must put before the model: what templates
drop, rewrite or may ignore counts nothing. Where the tokenizer is only presumed, or the limit not certain to be
enforced, the finding says so, and is good for a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cfai import models
from cfai._errors import LimitError

_SPELLINGS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_TEMPLATE = 430
"""The most tokens that a chat template adds of its own: a date, a default system prompt."""
_TURN = 20
"""The most tokens that it adds for each message."""
_IMAGE = 3000
"""The most tokens that one image takes, where that is known."""

# Templates trim messages, in Python's sense of white space or in JavaScript's.
_BLANK = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_END_OF_THOUGHT = re.compile(r"</think>|\[/THINK\]|<channel\|>")
_THOUGHT = re.compile(r"<think>|\[THINK\]|<\|channel")
# ASCII that JSON writes as it is; a last character is left out if a mark may be composed with it.
_PLAIN = re.compile(r"[ !#-%(-;=?-\[\]-~]+(?![^\x00-\x7f])")


@dataclass(frozen=True, slots=True)
class Finding:
    """That inputs are over a limit."""

    error: LimitError
    """The error to raise, or to warn with."""

    certain: bool
    """Whether the service is sure to refuse. If not, the tokenizer or the limit is only presumed."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What a model is to read, under the input that it came in."""

    field: str
    texts: tuple[Sequence[str], ...]
    """Texts that count, message by message."""


def check(model: str, inputs: Mapping[str, Any]) -> Finding | None:
    """The first limit of `model` that `inputs` are over, those first that are certain; `None` if nothing is known.

    Each of the `requests` of a batch is checked like inputs of its own.

    >>> str(check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1801}).error)[:67]
    'max_tokens is 1,801, but @cf/meta/llama-2-7b-chat-int8 gives 1,800 '
    >>> check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1800}) is None
    True
    """
    entry = models.get(model)
    if entry is None:
        return None
    first: Finding | None = None
    for one in _calls(inputs):
        for finding in _findings(entry, one):
            if finding.certain:
                return finding
            first = first or finding
    return first


def resolve_max_tokens(model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """`inputs` with a number for `"max"`: the model's sequence length, or what its window leaves if that is less.

    What the prompt takes of a shared window is guessed, and rather too high. Raises `ConfigurationError` if no source
    gives a figure for the model.

    >>> resolve_max_tokens("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": "max"})
    {'prompt': 'Hi', 'max_tokens': 1800}
    """
    changed = {key: _largest(model, inputs) for key in _SPELLINGS if inputs.get(key) == "max"}
    requests = inputs.get("requests")
    if isinstance(requests, list):
        items = cast("list[Any]", requests)
        resolved = [
            resolve_max_tokens(model, cast("Any", item)) if isinstance(item, Mapping) else item for item in items
        ]
        if any(new is not old for new, old in zip(resolved, items, strict=True)):
            changed["requests"] = resolved
    return {**inputs, **changed} if changed else inputs
