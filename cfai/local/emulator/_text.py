"""Text of emulated models: the same words for the same question, which say that they are nobody's answer."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, cast

from cfai.local.emulator._sentences import find_topics, is_plain, write_sentences
from cfai.local.wire import split_into_tokens

TextKind = Literal["readable", "hostile"]
"""The kind of emulated text: sentences, or what clients lose or break on its way."""

MAX_WORDS = 100_000
"""Words that one answer has at most."""

_HOSTILE_BEGINNING = ("42", "words", "cost", "$0.10.", "🙂", "مرحبا", "a\u2028b")
_HOSTILE_WORDS = (
    # Digits alone are sent as JSON numbers, and may be taken for such behind a sign or in parts.
    *("3", "7", "10", "0", "007", "64", "2026", "0.5", "$0.005", "100%", "x=1", "1e3", "-0"),
    # JSON, Unix lines and HTML have marks of their own, and so have streams and models.
    *("null", "true", "[]", "{}", '"', "'", "\\n", "\\u0041", "a\\b", "<b>", "&amp;", "a\tb", "a  b"),
    *("[DONE]", "a\n\ndata: [DONE]\n\nb", "<|im_end|>"),
    # What is more than one code point, or more than one unit of UTF-16, or written from right to left.
    *("café", "naïve", "Ωmega", "мир", "東京", "שלום", "हिन्दी", "ไทย", "e\u0301", "🇪🇺", "👩\u200d👩\u200d👧\u200d👦"),
    # What some take for the end of a line, and what is not seen.
    *("a\u2029b", "a\u0085b", "\ufeff", "a\u200bb", "\u202eabc\u202c", "\ufffd", "\0", "\x1b[31mred\x1b[0m"),
)

_PROMPT_INPUTS = ("prompt", "messages", "input", "instructions", "question", "tools", "image")
_MEDIA = {"image", "image_b64", "image_url", "images", "mask", "input_audio", "audio", "file", "video_url", "videos"}
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
        elif isinstance(item, bytes):
            total += _MEDIUM_TOKENS
        else:
            total += len(split_into_tokens(str(item)))
    return total


def write_answer(question: str, *, key: str, kind: TextKind = "readable") -> str:
    """Return the answer to `question`; another `key` (model, seed, choice, ...) gives other words.

    It begins with a sentence that says what it is and quotes the question. A question that asks for `N words` gets N of
    them after that, so that a caller can see a long answer cut off.
    """
    requested = re.search(r"\b(\d{1,9})\s+words\b", question, re.IGNORECASE)
    number = min(int(requested[1]), MAX_WORDS) if requested else None
    chance = _make_random(key)
    introduction = introduce("answer", question)
    if kind == "hostile":
        words = [*_HOSTILE_BEGINNING, *chance.choices(_HOSTILE_WORDS, k=number or 40)]
        return f"{introduction} {' '.join(words[:number])}"
    return f"{introduction} {write_sentences(chance, find_topics(question), number)}"


def write_reasoning(question: str) -> str:
    """Return the emulated reasoning on `question`."""
    return f"This is emulated reasoning about “{quote(question)}”: no model thinks here, so any words will do."


def introduce(kind: str, question: str) -> str:
    """Return the sentence that says what a text is: an emulated answer, summary, ...

    >>> introduce("answer", "Where is New York?")
    'This is an emulated answer to “Where is New York?”: no model has read it.'
    """
    preposition = "to" if kind == "answer" else "of"
    quoted = f" {preposition} “{quote(question)}”" if question.strip() else ""
    return f"This is an emulated {kind}{quoted}: no model has read it."


def quote(question: str) -> str:
    """Return the first words of a question."""
    words = question.split()
    short = " ".join(words[:12])[:100]
    return short if short == " ".join(words) else f"{short}…"


def split_emoji(token: str) -> list[str]:
    """Return the two halves of an emoji, a surrogate pair in JSON, as some tokenizers cut it; else the token."""
    units = token.encode("utf-16-be", "surrogatepass")
    return [token] if len(token) != 1 or len(units) == 2 else [chr(int.from_bytes(units[at : at + 2])) for at in (0, 2)]


def build_vector(text: str, size: int, space: str = "") -> list[float]:
    """Return a vector of length 1, which is near those of texts with the same words, and far from all of another space.

    Each word and each run of three of its letters adds to some places of the vector, as in feature hashing. All texts
    have something in common, as with real models, so that no two are opposites; and no two texts are the same.
    """
    values = [0.0] * size
    for name, weight in _weigh_features(text.casefold()).items():
        for place, sign in _choose_places(f"{space}\0{name}", size):
            values[place] += sign * weight
    own = _build_direction(f"{space}\0{text}", size, 0.15)
    common = _build_direction(space, size, 0.6)
    norm = math.hypot(*values) or 1.0
    values = [sum(parts) for parts in zip((value / norm for value in values), own, common, strict=True)]
    norm = math.hypot(*values)
    return [round(value / norm, 6) for value in values]


def _weigh_features(text: str) -> dict[str, float]:
    """Return the words of a text and the runs of letters in them, with their weights: `the` and the like weigh less."""
    weights: dict[str, float] = {}
    for word in dict.fromkeys(re.findall(r"\w+", text)):
        if is_plain(word):
            weights[word] = 0.2
            continue
        weights[word] = 1.0
        padded = f" {word} "
        for run in dict.fromkeys(padded[at : at + 3] for at in range(len(word))):
            weights[run] = weights.get(run, 0.0) + 0.3
    return weights


@lru_cache(maxsize=100_000)
def _choose_places(name: str, size: int) -> list[tuple[int, int]]:
    """Return the places of a vector that a feature adds to, each with the sign."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    numbers = [int.from_bytes(digest[at : at + 4]) for at in range(0, 32, 4)]
    return [(number // 2 % size, 1 if number % 2 else -1) for number in numbers]


@lru_cache(maxsize=100)
def _build_direction(key: str, size: int, length: float) -> list[float]:
    """Return a vector of this length in a direction of chance."""
    chance = _make_random(key)
    values = [chance.gauss(0, 1) for _ in range(size)]
    norm = math.hypot(*values) / length
    return [value / norm for value in values]


def build_score(*texts: str) -> float:
    """Return a number from 0 to 1 that depends on the texts."""
    return round(_make_random("\0".join(texts)).random(), 6)


def find_question(inputs: Mapping[str, Any]) -> str:
    """Return the question of a call: the prompt, or the text of the last message."""
    value = inputs.get("prompt") or inputs.get("messages") or inputs.get("input") or inputs.get("question") or ""
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
