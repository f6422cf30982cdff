"""Count the tokens of texts for one model: by its family's bounds and estimate, or by a counter that is exact."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, SupportsInt

from cfai._errors import ConfigurationError
from cfai.tokens._bounds import count_borders, lower_bound, upper_bound
from cfai.tokens._estimate import estimate_unrounded
from cfai.tokens._families import Family, get_family

# The share of the estimate that the real count of 99 texts in 100 is at least, as measured on the calibration texts.
_LOWEST_ASCII_RATIO = 0.87
_LOWEST_RATIO = 0.71
_LOWEST_UNKNOWN_RATIO = 0.54

_TOKENS_AT_ENDS = 2
"""How many tokens may be fewer than a tokenizer counts, because they reach into what is beside a text."""
_MAX_CACHED_CHARACTERS = 16_000_000
"""The characters of all texts whose counts are cached, about."""
_ENTRY_CHARACTERS = 300
"""The size of an entry of the cache beside its text, in characters, about."""


class TokenCounter(Protocol):
    """Counts tokens exactly, for one model: `cfai.tokenizers.load` makes one, and so may you.

    One that knows the model's chat template as well has a method `count_messages(messages, *, tools, response_format)`,
    all three as they are sent or `None`. Its number takes the place of the estimate.
    """

    def count_text(self, text: str, /) -> SupportsInt:
        """Return the number of tokens of `text`, with nothing put before or behind it."""
        ...


class CountingStrategy(NamedTuple):
    """The strategy by which the tokens of a model's texts are counted."""

    family: Family
    counter: TokenCounter | None = None

    @property
    def is_exact(self) -> bool:
        """Return True if a tokenizer counts, not the estimate."""
        return self.counter is not None

    @property
    def is_certain(self) -> bool:
        """Return True if the bounds hold for the model, not only for a family that it is presumed to be of."""
        return self.family.certain or self.is_exact

    def lowest_ratio(self, is_ascii: bool) -> float:
        """Return the share of an estimate that the real count is at least, 99 times in 100."""
        if self.is_exact:
            return 1.0
        if self.family.name == "default":
            return _LOWEST_UNKNOWN_RATIO
        return _LOWEST_ASCII_RATIO if is_ascii else _LOWEST_RATIO

    def lower_bound(self, text: str) -> int:
        """Return a number of tokens that a text has at least when it stands alone."""
        return self._count_exactly(text) if self.is_exact else _cache(lower_bound, text, self.family.name)

    def count_borders(self, texts: tuple[str, ...]) -> int:
        """Return a number of tokens that end at least inside texts that follow each other, whatever is around them."""
        if self.is_exact:
            return max(0, self._count_exactly("".join(texts)) - _TOKENS_AT_ENDS)
        return _cache(count_borders, texts, self.family.name)

    def estimate(self, text: str) -> float:
        """Estimate the tokens of a text, unrounded: what may be added up."""
        return self._count_exactly(text) if self.is_exact else _cache(estimate_unrounded, text, self.family.name)

    def upper_bound(self, text: str) -> int:
        """Return a number of tokens that a text has at most."""
        return self._count_exactly(text) if self.is_exact else _cache(upper_bound, text, self.family.name)

    def count_messages(self, inputs: Mapping[str, Any]) -> int | None:
        """Return the tokens of the messages of `inputs` with their template, or `None` if no counter knows it."""
        count = getattr(self.counter, "count_messages", None)
        if count is None or not inputs.get("messages"):
            return None
        tools, schema = inputs.get("tools") or None, inputs.get("response_format")
        return _to_number(count(inputs["messages"], tools=tools, response_format=schema), "count_messages")

    def _count_exactly(self, text: str) -> int:
        return _cache(_count_by, text, _identify(self.counter)) if text else 0


def validate_counter(counter: Any, name: str) -> Any:
    """Return a user's counter, given under this name. Raises `ConfigurationError` if it cannot count."""
    if isinstance(counter, type):
        raise ConfigurationError(f"`{name}` must be an object, got the class {counter.__name__}: call it")
    if counter is not None and not callable(getattr(counter, "count_text", None)):
        raise ConfigurationError(f"`{name}` must have a method count_text(text), got {type(counter).__name__}")
    return counter


def count_with(counter: TokenCounter, text: str) -> int:
    """Return the tokens of a text by a counter. Raises `ConfigurationError` if the counter gives no number."""
    return _to_number(counter.count_text(text), "count_text")


def _to_number(count: Any, method: str) -> int:
    try:
        number = int(count)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise ConfigurationError(f"{method} of the token counter must return a number of tokens, got {count!r}")
    return number


_registered: dict[str, TokenCounter] = {}
"""The tokenizers that were loaded, by model."""


def register_counter(counter: TokenCounter, model: str) -> None:
    """Have the tokens of `model` counted by `counter` from now on, wherever none is given."""
    _registered[model] = counter


def unregister_counter(model: str) -> TokenCounter | None:
    """Have `model` counted by its family again, and return its counter if no other model uses it."""
    counter = _registered.pop(model, None)
    if counter is None or any(each is counter for each in _registered.values()):
        return None
    _cache.clear()
    return counter


def get_strategy(model: str, counter: TokenCounter | None = None) -> CountingStrategy:
    """Return how to count for `model`: by `counter`, by a tokenizer that was loaded for it, or by its family."""
    return CountingStrategy(get_family(model), _registered.get(model) if counter is None else counter)


class _Identity:
    """A counter as a key that does not keep it: it may take 350 MB. It need not be hashable."""

    def __init__(self, counter: Any) -> None:
        try:
            self.get_counter: Callable[[], Any] = weakref.ref(counter)
        except TypeError:  # an object with slots, and none for this
            self.get_counter = lambda: counter


_identities: dict[int, _Identity] = {}
"""The identities of counters by their `id`, which another counter may have later."""


def _identify(counter: Any) -> _Identity:
    identity = _identities.get(id(counter))
    if identity is None or identity.get_counter() is not counter:
        identity = _identities[id(counter)] = _Identity(counter)
    return identity


def _count_by(text: str, key: _Identity) -> int:
    return count_with(key.get_counter(), text)


class _Cache:
    """The results of pure functions of texts, so that a conversation pays for its new message only.

    It is emptied when it is full. It has no lock, which a child that was forked meanwhile would wait for for ever.
    Threads that meet in it count a text twice at worst.
    """

    def __init__(self, max_characters: int) -> None:
        self._max = max_characters
        self._results: dict[tuple[Any, ...], Any] = {}
        self._characters = 0

    def __call__(self, function: Callable[[Any, Any], Any], text: str | tuple[str, ...], by: Any) -> Any:
        """Return `function(text, by)`."""
        key = (function, text, by)
        result = self._results.get(key)
        if result is None:
            result = function(text, by)
            size = _ENTRY_CHARACTERS + (len(text) if isinstance(text, str) else sum(map(len, text)))
            if size <= self._max // 8:  # one text does not drive out all others
                if self._characters + size > self._max:
                    self.clear()
                self._results[key] = result
                self._characters += size
        return result

    def clear(self) -> None:
        """Forget all results."""
        self._results.clear()
        self._characters = 0


_cache = _Cache(_MAX_CACHED_CHARACTERS)
