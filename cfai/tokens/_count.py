"""What a count is, and how texts and prompts come to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cfai._errors import ConfigurationError
from cfai.tokens._estimate import known_families
from cfai.tokens._families import Family
from cfai.tokens._measure import CountingStrategy, TokenCounter, checked_counter, counting_strategy
from cfai.tokens._prompt import PromptSize, measure_prompt


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens something is. `int(count)` is the estimate."""

    lower: int
    """At least so many, whatever the model's template does. Certain for families whose vocabulary was read."""

    estimate: int
    """About so many; for a conversation with what its template likely puts around the messages."""

    upper: int
    """At most so many, with the most that a template is known to add, and images as a guess."""

    family: str
    """The tokenizer family that was counted for, `default` if the model's is not known."""

    certain: bool
    """Whether the model is known to use this family's vocabulary, not only presumed to; or a tokenizer counted."""

    exact: bool = False
    """Whether the three are equal, counted by the tokenizer itself."""

    images: int = 0
    """How many images are in it: what they take is a guess, and their base64 counts nothing."""

    method: Literal["estimator", "tokenizers", "custom"] = "estimator"
    """What counted the texts: the estimator, a tokenizer that was loaded, or a counter of yours."""

    template: tuple[int, int, int] = (0, 0, 0)
    """What of `lower`, `estimate` and `upper` stands for the chat template around the texts."""

    def __int__(self) -> int:
        return self.estimate

    def __add__(self, other: TokenCount) -> TokenCount:
        """Both in one prompt, with something between them: there a token may reach from one into the other."""
        return TokenCount(
            max(self.lower, other.lower, self.lower + other.lower - 1),
            self.estimate + other.estimate,
            self.upper + other.upper,
            self.family if self.family == other.family else "default",
            self.certain and other.certain and self.family == other.family,
            images=self.images + other.images,
            method=self.method if self.method == other.method else "estimator",
            template=(0, self.template[1] + other.template[1], self.template[2] + other.template[2]),
        )


def measure_for(caller: str, model: str | None, family: str | None, counter: TokenCounter | None) -> CountingStrategy:
    """How texts are counted for `model`, or else for `family`. Raises `ConfigurationError`, for the `caller`."""
    checked_counter(counter, "counter")
    if model is not None and not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"a model name is a text such as '@cf/zai-org/glm-4.7-flash', not {model!r}")
    if model is not None and family is None:
        return counting_strategy(model, counter)
    if family is None or model is not None:
        raise ConfigurationError(f"{caller} needs either model= or family=")
    if family not in known_families():
        raise ConfigurationError(f"unknown tokenizer family {family!r}: one of {', '.join(known_families())}")
    return CountingStrategy(Family(family, certain=True), counter)


def count_text(text: str, measure: CountingStrategy) -> TokenCount:
    """How many tokens a text is that stands alone."""
    least, most = measure.least(text), measure.most(text)
    estimate = min(most, max(least, round(measure.about(text))))
    exact = measure.is_exact
    return TokenCount(least, estimate, most, measure.family.name, measure.is_certain, exact, method=_method(measure))


def count(inputs: Mapping[str, Any], measure: CountingStrategy) -> TokenCount:
    """How many tokens the prompt of `inputs` is, with its chat template."""
    return count_of(measure_prompt(inputs, measure), measure)


def count_of(weight: PromptSize, measure: CountingStrategy) -> TokenCount:
    """The same, of a prompt that was weighed."""
    return TokenCount(
        weight.least,
        weight.estimate,
        weight.most,
        measure.family.name,
        measure.is_certain,
        images=weight.images,
        method=_method(measure),
        template=(0, round(weight.template), weight.template_most),
    )


def _method(measure: CountingStrategy) -> Literal["estimator", "tokenizers", "custom"]:
    if not measure.is_exact:
        return "estimator"
    return "tokenizers" if type(measure.counter).__module__ == "cfai.tokenizers" else "custom"
