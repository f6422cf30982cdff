"""What a client holds its calls to: the mode, and what is known of its models beyond the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from cfai import models, tokens
from cfai._errors import ConfigurationError
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai.tokens import CountingStrategy, TokenCounter

CheckMode = Literal["enforce", "strict", "warn", "off"]

FIELDS = ("context_length", "sequence_length", "total_length", "input_length", "batch_length", "default_max_tokens")
"""The figures of a model, as `limit_overrides` and a refusal name them."""

_ENOUGH = 5
"""How many answers it takes before their usage corrects the estimate."""
_LEAST_BY, _MOST_BY = 0.7, 1.5


class Seen(NamedTuple):
    """How far the estimates of a model's prompts were off, by what its answers said of their usage."""

    answers: int = 0
    ratio: float = 0.0
    """The mean of real by estimated tokens."""

    def after(self, real: int, estimate: float) -> Seen:
        """The same with one answer more."""
        return Seen(self.answers + 1, self.ratio + (real / estimate - self.ratio) / (self.answers + 1))

    @property
    def correction(self) -> float:
        """What later estimates are multiplied by: little is believed of few answers, and of odd ones.

        >>> Seen(4, 1.1).correction, Seen(5, 1.1).correction, Seen(5, 9.0).correction
        (1.0, 1.1, 1.5)
        """
        return 1.0 if self.answers < _ENOUGH else min(_MOST_BY, max(_LEAST_BY, self.ratio))


class LimitPolicy(NamedTuple):
    """What a client holds its calls to."""

    mode: CheckMode = "enforce"
    overrides: Mapping[str, Mapping[str, Limit]] = {}
    """By model and field: what the user gave, in place of the catalogue's."""
    learnt: Mapping[str, Mapping[str, Limit]] = {}
    """The same, as the service said in a refusal. It knows best."""
    counter: TokenCounter | Mapping[str, TokenCounter] | None = None
    seen: Mapping[str, Seen] = {}
    """By model, how far estimates were off."""

    def model(self, name: str) -> Model | None:
        """What is known of a model, with what was given and learnt."""
        entry = models.get(name)
        given, learnt = self.overrides.get(name, {}), self.learnt.get(name, {})
        if given or learnt:
            entry = entry or Model(name, "")
            if entry.window == "separate" and "context_length" in learnt:
                # The service speaks of input and output together.
                learnt = {("total_length" if key == "context_length" else key): learnt[key] for key in learnt}
            # The service knows best, but may be asked for less.
            figures = {
                key: min(filter(None, (given.get(key), learnt.get(key))), key=lambda limit: limit.value)
                for key in {**given, **learnt}
            }
            entry = replace(entry, **cast("Any", figures), window=entry.window or _window_of(figures))
        return entry

    def measure(self, name: str) -> CountingStrategy:
        """How the tokens of a model's texts are counted."""
        counter = self.counter.get(name) if isinstance(self.counter, Mapping) else self.counter
        return tokens.counting_strategy(name, counter, self.correction(name))

    def correction(self, name: str) -> float:
        """What estimates of a model's prompts are multiplied by."""
        return self.seen[name].correction if name in self.seen else 1.0


def _window_of(figures: Mapping[str, Limit]) -> Literal["shared", "separate"] | None:
    """How the figures given for a model that nothing is known of are meant."""
    if "context_length" in figures:
        return "shared"
    return "separate" if "total_length" in figures else None


NO_RULES = LimitPolicy()
"""The catalogue's figures, enforced."""


def overrides_from(given: Any) -> dict[str, dict[str, Limit]]:
    """What a user gave for `limit_overrides`, checked. Raises `ConfigurationError`."""
    found: dict[str, dict[str, Limit]] = {}
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(f"limit_overrides is a mapping by model, not {type(given).__name__}")
    for model, given_figures in cast("Mapping[str, Any]", given or {}).items():
        if not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
            raise ConfigurationError(f"limit_overrides is a mapping by model, and {model!r} is no model's name")
        figures = cast("Mapping[str, Any]", given_figures)
        if not isinstance(given_figures, Mapping):
            figures = {_length_of(model): given_figures}
        for field, value in figures.items():
            if field not in FIELDS:
                raise ConfigurationError(f"limit_overrides has {field!r} for {model}: one of {', '.join(FIELDS)}")
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"limit_overrides has {value!r} as {field} of {model}: a number of tokens")
            found.setdefault(model, {})[field] = Limit(value, "limit_overrides", "given by you", True, True)
    return found


def _length_of(model: str) -> str:
    """What a number alone is of a model."""
    entry = models.get(model)
    return "input_length" if entry is not None and entry.window is None and entry.input_length else "context_length"


def checked_counter(counter: Any) -> Any:
    """What a user gave for `token_counter`, checked. Raises `ConfigurationError`."""
    if isinstance(counter, Mapping):
        for model, one in cast("Mapping[str, Any]", counter).items():
            tokens.checked_counter(one, f"token_counter[{model!r}]")
        return cast("Any", counter)
    return None if counter is None else tokens.checked_counter(counter, "token_counter")
