"""Tell what a call costs at most, before it is sent, and how many units of a price list it takes.

Token counts are upper bounds here; images in a prompt are a guess, as everywhere. What nobody knows beforehand, such
as the length of a sound in a compressed file, has no figure: `None`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, NamedTuple

from cfai import tokens
from cfai._config import LimitPolicy
from cfai._json import as_sequence, is_mapping
from cfai._limits.window import MAX_TOKENS_FIELDS, requested_output, shared_limit
from cfai.models import Model
from cfai.tokens import MAX_AROUND_TEXT, MAX_MEDIUM

_DEFAULT = LimitPolicy()

_CLEF = "@cf/cloudflare/clef"
"""The beginning of the names of models that read a state once for each question, as far as anybody knows."""
_CLEF_UNBOUNDED = ("audio", "videos")
"""Their inputs whose tokens are not known."""
_QUESTIONS = ("question", "target")
"""The inputs that only Moondream reads as text."""
_MAX_AROUND_EMBEDDED = 32
"""The tokens that stand around a text to embed or to rank at most, such as an instruction of the model's own."""

_MAX_ANSWERS = 1_000_000
"""More than the service gives."""

_PER_CHARACTERS, _PER_MINUTE, _PER_IMAGES = "per 1k characters", "per audio minute", "per M images"
_TILE = 512
_MEGAPIXEL = 1024 * 1024
"""As the price list has it, whose first megapixel is an image of this size."""
_SIDES = ("width", "height")
_PICTURES = ("input_image_0", "input_image_1", "input_image_2", "input_image_3")


class _ImageDefaults(NamedTuple):
    """The size and the steps of an image if a call names none, as far as that is documented."""

    width: int
    height: int
    steps: int | None = None
    max_steps: int | None = None
    """The most steps that it takes; `None` where nothing says."""
    is_fixed: bool = False
    """True if the number of steps is the same always."""
    ignores_size: bool = False
    """True if it paints this size whatever it is told, as far as anybody knows."""


# Sources: the models' schemas; the changelog of 2025-11-25 and 2026-01-28 for FLUX.2. FLUX.1 takes no size, and paints
# what the price list's example has.
_IMAGE_DEFAULTS = {
    "@cf/black-forest-labs/flux-1-schnell": _ImageDefaults(1024, 1024, 4, 8, ignores_size=True),
    "@cf/black-forest-labs/flux-2-dev": _ImageDefaults(1024, 768),
    "@cf/black-forest-labs/flux-2-klein-4b": _ImageDefaults(1024, 768, 4, 4, is_fixed=True),
    "@cf/black-forest-labs/flux-2-klein-9b": _ImageDefaults(1024, 768, 4, 4, is_fixed=True),
    "@cf/leonardo/lucid-origin": _ImageDefaults(1120, 1120, None, 40),
    "@cf/leonardo/phoenix-1.0": _ImageDefaults(1024, 1024, 25, 50),
}


def estimate_max_cost(model: str, inputs: Mapping[str, Any], policy: LimitPolicy = _DEFAULT) -> float | None:
    """Return what a call costs at most, in US dollars; `None` where no price is known, or how much of it is taken.

    `inputs` are those that would be sent. Requests of a batch add up. Tokens of the prompt are their upper bound, those
    of the answer `max_tokens`, else the model's default, else what the window leaves, times `n`.

    >>> round(estimate_max_cost("@cf/deepgram/aura-1", {"text": "Hello there"}), 6)
    0.000165
    """
    entry = policy.get_model(model)
    if entry is None or not entry.price:
        return None
    if "requests" not in inputs:
        return _estimate_single(entry, inputs, policy)
    costs = [
        _estimate_single(entry, request, policy) if is_mapping(request) else None
        for request in as_sequence(inputs["requests"])
    ]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def count_units(
    model: Model, inputs: Mapping[str, Any], *, seconds: float | None = None, at_most: bool = False
) -> dict[str, float] | None:
    """Return how many of each unit of a model's price a call takes, by unit; `None` if that is not certain.

    `seconds` are those of the sound that goes in or comes out, if an answer says so, else those of a WAV that goes in.
    `at_most` counts the most where the service's default is not known. Parts of a tile and of a megapixel count as
    whole ones. For models that are priced by tokens it is `None`.

    >>> from cfai import models
    >>> count_units(models.get("@cf/black-forest-labs/flux-1-schnell"), {"prompt": "a lighthouse", "steps": 2})
    {'per 512x512 tile': 4, 'per step': 2}
    """
    priced = {price.unit for price in model.price}
    if not priced or "requests" in inputs or "request_id" in inputs:  # handed in, or asked after
        return None
    if not any(price.usd for price in model.price):  # free, while it is in beta
        return dict.fromkeys(priced, 0.0)
    if _PER_CHARACTERS in priced:
        text = inputs.get("text")
        return {_PER_CHARACTERS: len(text) / 1000} if isinstance(text, str) else None
    if _PER_MINUTE in priced:
        seconds = _count_seconds(inputs.get("audio")) if seconds is None else seconds
        return None if seconds is None else {_PER_MINUTE: seconds / 60}
    if _PER_IMAGES in priced:
        return {_PER_IMAGES: 1e-6}
    if model.name in _IMAGE_DEFAULTS and "multipart" not in inputs:
        return _count_image_units(_IMAGE_DEFAULTS[model.name], inputs, priced, at_most=at_most)
    return None


def count_wav_seconds(head: bytes, size: int) -> float | None:
    """Return how long a sound of `size` bytes is that begins with `head`, by the head of its WAV file; else `None`.

    >>> count_wav_seconds(b"RIFF....WAVEfmt " + bytes([16, 0, 0, 0, 1, 0, 1, 0]) + bytes([128, 62, 0, 0, 0, 125, 0, 0]),
    ... 64_044)
    2.0
    """
    if head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt " or len(head) < 32:
        return None
    bytes_a_second = int.from_bytes(head[28:32], "little")
    return max(0, size - 44) / bytes_a_second if bytes_a_second else None


def _estimate_single(entry: Model, inputs: Mapping[str, Any], policy: LimitPolicy) -> float | None:
    if (units := count_units(entry, inputs, at_most=True)) is not None:
        return entry.estimate_cost(units)
    if entry.estimate_token_cost(0) is None:
        return None
    strategy = policy.get_strategy(entry.name)
    if entry.name.startswith(_CLEF):
        prompt = _bound_clef(inputs, strategy)
        return None if prompt is None else entry.estimate_token_cost(prompt)
    if entry.task not in ("Text Generation", "Image-to-Text"):
        # A translation is as long as it is: nothing published bounds it.
        is_written = entry.task == "Translation"
        return None if is_written else entry.estimate_token_cost(_bound_texts(inputs, strategy))
    size = tokens.measure_prompt(inputs, strategy)
    questions = [value for name in _QUESTIONS if isinstance(value := inputs.get(name), str)]
    upper = size.upper_bound + sum(map(strategy.upper_bound, questions))
    output = _bound_output(entry, inputs, size.lower_bound)
    if output is None:
        return None
    window = entry.context_length
    return entry.estimate_token_cost(upper if window is None else min(upper, window.value), output)


def _bound_output(entry: Model, inputs: Mapping[str, Any], prompt: int) -> int | None:
    """Return the most tokens that a model writes, over all its answers, beside at least `prompt` tokens of input."""
    requested = requested_output(inputs)
    bounds: list[int] = []
    if requested:
        bounds.append(max(requested.values()))  # UNCERTAIN: which one of several is read
    elif entry.default_max_tokens and "input" not in inputs and not any(map(inputs.get, MAX_TOKENS_FIELDS)):
        bounds.append(entry.default_max_tokens.value)
    if (window := shared_limit(entry)) is not None:
        bounds.append(max(0, window.value - prompt))
    if entry.sequence_length is not None:
        bounds.append(entry.sequence_length.value)
    count = inputs.get("n")
    answers = min(count, _MAX_ANSWERS) if isinstance(count, int) and count > 0 else 1
    return answers * min(bounds) if bounds else None


def _bound_texts(inputs: Mapping[str, Any], strategy: tokens.CountingStrategy) -> int:
    """Return the most tokens of the texts of a call that embeds, ranks or classifies."""
    counts: dict[str, list[int]] = {}
    for field, text in tokens.list_embedding_texts(inputs):
        counts.setdefault(field, []).append(strategy.upper_bound(text) + _MAX_AROUND_EMBEDDED)
    # A reranker reads the query beside each of the texts.
    queries = sum(counts.pop("query", ())) * max(1, len(counts.get("contexts", ())))
    instruction = inputs.get("instruction")
    each = strategy.upper_bound(instruction) if isinstance(instruction, str) else 0
    return queries + sum(sum(found) + each * len(found) for found in counts.values())


def _bound_clef(inputs: Mapping[str, Any], strategy: tokens.CountingStrategy) -> int | None:
    """Return the most tokens of a call of Clef: all that it is given, for each of its questions."""
    if any(inputs.get(name) for name in _CLEF_UNBOUNDED):
        return None
    questions = inputs.get("questions")
    texts = [text for name in ("state", "questions") for text in _list_strings(inputs.get(name))]
    size = sum(strategy.upper_bound(text) + MAX_AROUND_TEXT for text in texts)
    size += MAX_MEDIUM * len(as_sequence(inputs.get("images")))
    return size * max(1, len(questions) if is_mapping(questions) else 1)


def _list_strings(value: Any) -> Iterable[str]:
    """Yield all that a JSON value holds, keys and numbers too, as text."""
    if is_mapping(value):
        for key, item in value.items():
            yield str(key)
            yield from _list_strings(item)
    elif isinstance(value, list | tuple):
        for item in as_sequence(value):
            yield from _list_strings(item)
    else:
        yield str(value)


def _count_image_units(
    defaults: _ImageDefaults, inputs: Mapping[str, Any], priced: set[str], *, at_most: bool
) -> dict[str, float] | None:
    width, height = (_find_number(inputs, name, default) for name, default in zip(_SIDES, defaults, strict=False))
    steps = _find_number(inputs, "num_steps", _find_number(inputs, "steps", defaults.steps))
    if defaults.is_fixed:
        steps = defaults.steps
    elif steps is None and at_most:
        steps = defaults.max_steps
    if width is None or height is None:
        return None
    # UNCERTAIN: whether a size is ignored that FLUX.1 does not document.
    if defaults.ignores_size and (width, height) != (defaults.width, defaults.height):
        if not at_most:
            return None
        width, height = max(width, defaults.width), max(height, defaults.height)
    tiles = ceil(width / _TILE) * ceil(height / _TILE)
    megapixels = max(1, ceil(width * height / _MEGAPIXEL))
    # A picture to go by is smaller than a tile.
    pictures = sum(inputs.get(name) is not None for name in _PICTURES)
    units: dict[str, float | None] = {
        "per 512x512 tile": tiles,
        "per output 512x512 tile": tiles,
        "per input 512x512 tile": pictures,
        "per first megapixel": 1,
        "per further megapixel": megapixels - 1,
        "per input megapixel": pictures,
        "per step": steps,
        "per output 512x512 tile, per step": None if steps is None else tiles * steps,
        "per input 512x512 tile, per step": None if steps is None else pictures * steps,
    }
    found = {unit: count for unit, count in units.items() if unit in priced and count is not None}
    return found if found.keys() == priced else None


def _find_number(inputs: Mapping[str, Any], name: str, default: int | None) -> int | None:
    """Return a number among the inputs that may have come as text, as in a form; the default if it is not there."""
    value = inputs.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    return value if isinstance(value, int) and 0 < value < 10**9 else None


def _count_seconds(audio: Any) -> float | None:
    """Return how long a sound is that is to be sent, if its first bytes say; `None` if not."""
    if hasattr(audio, "seconds"):  # a body beside the JSON, which was looked into
        return audio.seconds
    if is_mapping(audio):
        return audio.get("seconds")
    if isinstance(audio, str):
        data = audio.rpartition(",")[2]
        try:
            return count_wav_seconds(base64.b64decode(data[:64]), len(data) * 3 // 4)
        except ValueError:
            return None
    try:
        return count_wav_seconds(bytes(as_sequence(audio)[:48]), len(as_sequence(audio)))
    except (TypeError, ValueError):
        return None
