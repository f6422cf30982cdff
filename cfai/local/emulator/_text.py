"""Text of emulated models: the same words for the same question, and plainly marked as nobody's answer."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from typing import Any, cast

from cfai.local.wire import split_into_tokens

MARK = "[emulated by cfai, not by a model]"
"""How every emulated text begins."""

MAX_WORDS = 100_000
"""Words that one answer has at most."""

_DEFAULT_WORDS = 40
_VOCABULARY = (
    "a the one this some that light water paper stone river window garden morning answer question small open warm "
    "quiet early slow bright between under after with without near reads turns holds asks gives finds café naïve über "
    "Ωmega мир 東京 مرحبا 🙂 3 7 10 64 2026 0.5 $0.005 100% x=1 is and or to in of"
)

_PROMPT_INPUTS = ("prompt", "messages", "input", "instructions", "tools", "image")
_MEDIA = {"image", "image_url", "input_audio", "audio", "file", "video_url"}
_MEDIUM_TOKENS = 576
"""Tokens of an image, as LLaVA has them, and of any other medium."""


def select_prompt_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a text model's inputs that make up its prompt."""
    return {name: inputs[name] for name in _PROMPT_INPUTS if name in inputs}


def count_emulated(value: Any) -> int:
    """Return how many emulated tokens are in a text, or in everything that a JSON value holds.

    This is what the emulated models read: names and braces count, and an image is 576 tokens, however long its base64
    is. The client counts by other rules: two that share an author agree too easily.
    """
    total, left = 0, [value]
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            holder = cast(Mapping[str, Any], item)
            media = _MEDIA & holder.keys()
            total += 2 + _MEDIUM_TOKENS * len(media)
            left += [*holder, *(holder[name] for name in holder if name not in media)]
        elif isinstance(item, list):
            left += cast(list[Any], item)
        else:
            total += len(split_into_tokens(str(item)))
    return total


def write_answer(question: str, *, key: str) -> str:
    """Return the answer to `question`; another `key` (model, seed, choice, ...) gives other words.

    It quotes the beginning of the question. A question that asks for `N words` gets N of them after that, so that a
    caller can see a long answer cut off.
    """
    requested = re.search(r"\b(\d{1,9})\s+words\b", question, re.IGNORECASE)
    number = min(int(requested[1]), MAX_WORDS) if requested else _DEFAULT_WORDS
    chance = _make_random(key)
    words = chance.choices(_VOCABULARY.split(), k=number)
    words[11::12] = [f"{word}." for word in words[11::12]]
    # Lone digits and a number in parts are here for good: they are the tokens that clients lose.
    return f"{MARK} “{quote(question)}”: 42 words cost $0.10. {' '.join(words)}"


def write_reasoning(question: str) -> str:
    """Return the emulated reasoning on `question`."""
    return f"[emulated reasoning] The question begins with “{quote(question)}”. No model is here, so any words will do."


def quote(question: str) -> str:
    """Return the first words of a question."""
    return " ".join(question.split()[:12])[:100]


def build_vector(text: str, size: int) -> list[float]:
    """Return a vector of length 1 that depends on `text` alone."""
    chance = _make_random(text)
    values = [chance.gauss(0, 1) for _ in range(size)]
    norm = sum(value * value for value in values) ** 0.5
    return [round(value / norm, 6) for value in values]


def build_score(*texts: str) -> float:
    """Return a number from 0 to 1 that depends on the texts."""
    return round(_make_random("\0".join(texts)).random(), 6)


def find_question(inputs: Mapping[str, Any]) -> str:
    """Return the question of a call: the prompt, or the text of the last message."""
    value = inputs.get("prompt") or inputs.get("messages") or inputs.get("input") or ""
    return _extract_text(value[-1:] if isinstance(value, list) else value)


def _extract_text(value: Any) -> str:
    """Return the text in a message, in its content, or in the parts of that."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, map(_extract_text, cast(list[Any], value))))
    if isinstance(value, Mapping):
        holder = cast(Mapping[str, Any], value)
        return _extract_text(holder.get("text") or holder.get("content") or holder.get("output"))
    return ""


def _make_random(key: str) -> random.Random:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
