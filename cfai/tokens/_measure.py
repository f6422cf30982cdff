"""How texts are measured: by a family's bounds and estimate, or by a counter that knows the tokenizer.

What a text was found to take is kept, so that a conversation pays for its new message only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple, Protocol, SupportsInt

from cfai._errors import ConfigurationError
from cfai.tokens._bounds import bounded, lower, upper
from cfai.tokens._estimate import cost
from cfai.tokens._families import Family, family_of

_MOST_KEPT = 8_000_000
"""How many characters the texts have together whose counts are kept."""
_ENTRY = 300
"""How many characters an entry costs beside its text, about."""

_SURE = 0.87
_SURE_OF_OTHERS = 0.71
_SURE_OF_UNKNOWN = 0.54
_AT_THE_ENDS = 2
"""How many tokens may be fewer than a tokenizer counts, because they reach into what stands beside a text."""


class TokenCounter(Protocol):
    """Counts tokens exactly, for one model: `cfai.tokenizers.load` makes one, and so may you.

    One that knows the model's chat template as well has a method `count_messages(messages, *, tools, response_format)`,
    all three as they are sent or `None`. What it gives takes the place of the estimate.
    """

    def count_text(self, text: str, /) -> SupportsInt:
        """How many tokens `text` is, with nothing put before or behind it."""
        ...


class CountingStrategy(NamedTuple):
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

    def conversation(self, inputs: Mapping[str, Any]) -> int | None:
        """How many tokens the messages of `inputs` are with their template, if the counter knows it."""
        count = getattr(self.counter, "count_messages", None)
        if count is None or not inputs.get("messages"):
            return None
        tools, schema = inputs.get("tools") or None, inputs.get("response_format")
        return _number(count(inputs["messages"], tools=tools, response_format=schema), "count_messages")

    def _exact(self, text: str) -> int:
        return _kept(_counted, text, _Same(self.counter)) if text else 0


def checked_counter(counter: Any, name: str) -> Any:
    """What a user gave as a counter, under this name. Raises `ConfigurationError`."""
    if isinstance(counter, type):
        raise ConfigurationError(f"{name} is a class: give an object of it, {counter.__name__}()")
    if counter is not None and not callable(getattr(counter, "count_text", None)):
        raise ConfigurationError(f"{name} has a method count_text(text), which {type(counter).__name__} has not")
    return counter


def counted(counter: TokenCounter, text: str) -> int:
    """What `counter` makes of a text. Raises `ConfigurationError` if that is no number of tokens."""
    return _number(counter.count_text(text), "count_text")


def _number(count: Any, method: str) -> int:
    try:
        number = int(count)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if number < 0:
        raise ConfigurationError(f"{method} of the token counter gave {count!r}: it gives a number of tokens")
    return number


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


def counting_strategy(model: str, counter: TokenCounter | None = None, correction: float = 1.0) -> CountingStrategy:
    """How texts are counted for `model`: by `counter`, by a tokenizer that was loaded for it, or by its family."""
    counter = _loaded.get(model) if counter is None else counter
    return CountingStrategy(family_of(model), counter, correction if counter is None else 1.0)


class _Same:
    """A counter as a key, whether or not it is hashable itself."""

    def __init__(self, counter: Any) -> None:
        self.counter = counter

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.counter is other.counter

    def __hash__(self) -> int:
        return id(self.counter)


def _counted(text: str, same: _Same) -> int:
    return counted(same.counter, text)


class _Memory:
    """What functions of a text came to, the newest of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str | tuple[str, ...], dict[tuple[Any, Any], Any]] = {}
        self._size = 0
        self._lock = Lock()

    def __call__(self, function: Callable[[Any, Any], Any], text: str | tuple[str, ...], about: Any) -> Any:
        kept = self._found.get(text)
        found = None if kept is None else kept.get((function, about))
        if found is None:
            found = function(text, about)
            if _length(text) <= self._most // 2:  # one text does not drive out all others
                with self._lock:
                    self._keep(text, (function, about), found)
        return found

    def drop(self, about: Any) -> None:
        """Forgets what was found with `about`."""
        with self._lock:
            for text, kept in [*self._found.items()]:
                for key in [key for key in kept if key[1] == about]:
                    del kept[key]
                if not kept:
                    self._remove(text)

    def _keep(self, text: str | tuple[str, ...], key: tuple[Any, Any], found: Any) -> None:
        kept = self._found.get(text)
        if kept is None:
            kept = self._found[text] = {}
            self._size += _length(text)
        kept[key] = found
        while self._size > self._most:
            self._remove(next(iter(self._found)))

    def _remove(self, text: str | tuple[str, ...]) -> None:
        del self._found[text]
        self._size -= _length(text)


def _length(text: str | tuple[str, ...]) -> int:
    return _ENTRY + (len(text) if isinstance(text, str) else sum(map(len, text)))


_kept = _Memory(_MOST_KEPT)
