"""How single texts are measured: by a family's bounds and estimate, or by a counter that knows the tokenizer.

What a text was found to take is kept, so that a conversation pays for its new message only.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple, Protocol, SupportsInt

from cfai.tokens._bounds import bounded, lower, upper
from cfai.tokens._estimate import cost
from cfai.tokens._families import Family, family_of

_MOST_KEPT = 8_000_000
"""How many characters the texts have together whose counts are kept."""

_SURE = 0.87
_SURE_OF_OTHERS = 0.71
_SURE_OF_UNKNOWN = 0.54
_AT_THE_ENDS = 2
"""How many tokens may be fewer than a tokenizer counts, because they reach into what stands beside a text."""


class TokenCounter(Protocol):
    """Counts tokens exactly, for one model: `cfai.tokenizers.load` makes one, and so may you."""

    def count_text(self, text: str, /) -> SupportsInt:
        """How many tokens `text` is, with nothing put before or behind it."""
        ...


class Measure(NamedTuple):
    """How texts are counted for one model."""

    family: Family
    counter: TokenCounter | None = None
    correction: float = 1.0
    """What estimates are multiplied by: the bounds are not."""

    @property
    def is_exact(self) -> bool:
        """Whether a tokenizer counts, not the estimate."""
        return self.counter is not None

    @property
    def is_certain(self) -> bool:
        """Whether the bounds hold for the model, not only for a family that it is presumed to be of."""
        return self.family.certain or self.is_exact

    def sure(self, is_ascii: bool) -> float:
        """How far below the estimate the real count of 99 texts in 100 may be, as a factor."""
        if self.is_exact:
            return 1.0
        if self.family.name == "default":
            return _SURE_OF_UNKNOWN
        return _SURE if is_ascii else _SURE_OF_OTHERS

    def least(self, text: str) -> int:
        """At least so many tokens are in a text that stands alone."""
        return self._exact(text) if self.is_exact else _kept(lower, text, self.family.name)

    def borders(self, texts: tuple[str, ...]) -> int:
        """At least so many tokens end inside texts that follow each other, whatever stands around them."""
        if self.is_exact:
            return max(0, self._exact("".join(texts)) - _AT_THE_ENDS)
        return _kept(bounded, texts, self.family.name)

    def about(self, text: str) -> float:
        """About so many tokens are in a text: what may be added up."""
        return self._exact(text) if self.is_exact else _kept(cost, text, self.family.name)

    def most(self, text: str) -> int:
        """At most so many tokens are in a text."""
        return self._exact(text) if self.is_exact else _kept(upper, text, self.family.name)

    def _exact(self, text: str) -> int:
        return _kept(_counted, text, _Same(self.counter)) if text else 0


_loaded: dict[str, TokenCounter] = {}
"""The tokenizers that were loaded, by model."""


def use(counter: TokenCounter, model: str) -> None:
    """Has the tokens of `model` counted by `counter` from now on, wherever none is given."""
    _loaded[model] = counter


def forget(model: str) -> TokenCounter | None:
    """Has `model` counted by its family again; gives the counter if no other model is counted by it."""
    counter = _loaded.pop(model, None)
    if counter is None or any(each is counter for each in _loaded.values()):
        return None
    _kept.drop(_Same(counter))
    return counter


def measure_of(model: str, counter: TokenCounter | None = None, correction: float = 1.0) -> Measure:
    """How texts are counted for `model`: by `counter`, by a tokenizer that was loaded for it, or by its family."""
    counter = _loaded.get(model) if counter is None else counter
    return Measure(family_of(model), counter, correction if counter is None else 1.0)


class _Same:
    """A counter as a key, whether or not it is hashable itself."""

    def __init__(self, counter: Any) -> None:
        self.counter = counter

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.counter is other.counter

    def __hash__(self) -> int:
        return id(self.counter)


def _counted(text: str, same: _Same) -> int:
    return int(same.counter.count_text(text))


class _Memory:
    """What functions of a text came to, the newest of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[tuple[Any, Any, str | tuple[str, ...]], Any] = {}
        self._size = 0
        self._lock = Lock()

    def __call__(self, function: Callable[[Any, Any], Any], text: str | tuple[str, ...], about: Any) -> Any:
        key = (function, about, text)
        found = self._found.get(key)
        if found is None:
            found = function(text, about)
            with self._lock:
                if key not in self._found:
                    self._found[key] = found
                    self._size += _length(text)
                while self._size > self._most:
                    self._remove(next(iter(self._found)))
        return found

    def drop(self, about: Any) -> None:
        """Forgets what was found with `about`."""
        with self._lock:
            for key in [key for key in self._found if key[1] == about]:
                self._remove(key)

    def _remove(self, key: tuple[Any, Any, str | tuple[str, ...]]) -> None:
        del self._found[key]
        self._size -= _length(key[2])


def _length(text: str | tuple[str, ...]) -> int:
    # An entry costs about as much as a hundred characters.
    return 100 + (len(text) if isinstance(text, str) else sum(map(len, text)))


_kept = _Memory(_MOST_KEPT)
