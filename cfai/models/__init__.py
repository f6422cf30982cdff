"""Look up what is known of each model before anything is sent: the catalogue.

The figures are data, in `models.json` beside this file, and are read at first use. Each limit carries its source and
date; where no source gives a figure there is `None`, never a guess.

>>> from cfai import models
>>> models.get("@cf/meta/llama-2-7b-chat-int8").context_length.value
2048
>>> models.suggest("@cf/meta/lama-3.3-70b-instruct")[0]
'@cf/meta/llama-3.3-70b-instruct-fp8-fast'
>>> [model.name for model in models.list(task="automatic speech recognition", author="OpenAI", live=True)]
['@cf/openai/whisper', '@cf/openai/whisper-large-v3-turbo', '@cf/openai/whisper-tiny-en']
"""

from __future__ import annotations

import builtins
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from cfai._errors import ConfigurationError
from cfai._lazy import read_data
from cfai._repr import short_repr
from cfai.models._table import ModelList, render_models

__all__ = ["USD_PER_NEURON", "Limit", "Model", "Price", "catalogue", "get", "list", "suggest"]

USD_PER_NEURON = 0.011 / 1000
"""What a neuron costs, in US dollars. Source: the Workers AI pricing page of 2026-08-28."""

_INPUT, _CACHED_INPUT, _OUTPUT = "per M input tokens", "per M cached input tokens", "per M output tokens"

LIMIT_FIELDS = (
    "context_length",
    "sequence_length",
    "total_length",
    "input_length",
    "batch_length",
    "default_max_tokens",
)
"""The fields of a `Model` that are limits."""

# Requests per minute, as https://developers.cloudflare.com/workers-ai/platform/limits/ gave them on 2026-09-17.
_RATES_BY_TASK = {
    "Automatic Speech Recognition": 720,
    "Image Classification": 3000,
    "Image-to-Text": 720,
    "Object Detection": 3000,
    "Summarization": 1500,
    "Text Classification": 2000,
    "Text Embeddings": 3000,
    "Text Generation": 300,
    "Text-to-Image": 720,
    "Translation": 720,
}
_RATES_BY_MODEL = {"@cf/baai/bge-large-en-v1.5": 1500, "@cf/runwayml/stable-diffusion-v1-5-img2img": 1500}
_PAID_RATE, _PREPAID_RATE = 20, 50
"""For each text model that requires Workers Paid: with standard billing, and with prepaid credits of AI Gateway."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A published limit, in tokens, and how far it can be trusted."""

    value: int
    """The limit in tokens."""

    source: str
    """Who published the figure."""

    date: str
    """When: an ISO date, or `from/to` for a listing that was read over a span of time."""

    certain_to_refuse: bool = True
    """True if more than `value` is sure to be refused. Published figures are such: corrections only lowered them."""

    certain_to_fit: bool = False
    """True if `value` is sure to be accepted. False but for figures that were measured, or announced as enforced."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one unit."""

    unit: str
    """The unit as the service names it, such as `per M input tokens`."""

    usd: float
    """US dollars a unit."""

    neurons: float | None
    """Neurons a unit, where the price list gives them. Neurons cost $0.011 per 1,000."""

    source: str
    """Who published the figure."""

    date: str
    """When: an ISO date, or `from/to`."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the catalogue. Lengths are in tokens."""

    __repr__ = short_repr

    name: str
    """The name to call it by, such as `@cf/zai-org/glm-4.7-flash`."""

    task: str
    """The task as the service names it, such as `Text Generation`."""

    created_at: str | None = None
    """When the service listed it, or `None` where only an older listing is known."""

    context_length: Limit | None = None
    """Tokens of input; with a shared window, of input and output together."""

    sequence_length: Limit | None = None
    """Tokens of output: the largest `max_tokens`."""

    total_length: Limit | None = None
    """Tokens of input and output together, where that is published beside a separate `context_length`."""

    window: Literal["shared", "separate"] | None = None
    """`shared` if input and output share `context_length`, `separate` if each has a limit, `None` if not known."""

    input_length: Limit | None = None
    """Tokens of one text, for embeddings and rerankers."""

    batch_length: Limit | None = None
    """Tokens of all texts of one call together, for embeddings."""

    default_max_tokens: Limit | None = None
    """The `max_tokens` that the service takes when none is sent. `None`: whatever the window leaves, or not known."""

    answers: Literal["native", "chat", "by input"] | None = None
    """The shape of a text answer: `{"response": ...}`, a chat completion, or whichever fits the input sent."""

    reasoning_in_text: bool = False
    """True if its text begins with its thoughts, which end in `</think>`: cfai takes them out of the text."""

    streams_by_default: bool = False
    """True if the service streams the answer unless it is told not to. cfai tells it, unless a stream is asked for."""

    is_realtime_only: bool = False
    """True if the service takes it by WebSocket alone, and not by `run`."""

    capabilities: frozenset[str] = frozenset()
    """The model's abilities in the listing: `function_calling`, `reasoning`, `lora`, `async_queue`, ...

    `vision` stands here too where only the documentation of a model says it.
    """

    price: tuple[Price, ...] = ()
    """Prices by unit; empty where none is known."""

    retired_on: date | None = None
    """The day the service retired it, if it did. Calling it is answered with error 5028, or 5007."""

    replaced_by: str | None = None
    """The model that the service put in its place, if it named one."""

    successor: str | None = None
    """A live model that this project suggests instead of a retired one: same task, nearest size."""

    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Everything else that the listing says, unchanged."""

    def _repr_html_(self) -> str:
        """Show its row of the table in a notebook."""
        return render_models(ModelList([self]))

    @property
    def author(self) -> str:
        """Return the author as the name has it: `meta` of `@cf/meta/llama-3.2-1b-instruct`."""
        return self.name.rpartition("/")[0].rpartition("/")[2]

    def estimate_cost(self, units: Mapping[str, float]) -> float | None:
        """Return what `units` cost in US dollars at the prices in `price`, by their neurons; `None` if none has one.

        Keys are units as `price` names them, values how many there are of each. Where one has no price, as output of
        an embedding model, it is free.

        >>> round(get("@cf/black-forest-labs/flux-1-schnell").estimate_cost({"per 512x512 tile": 4, "per step": 4}), 7)
        0.0006336
        """
        # Neurons are what is billed: where the list has them, its dollars are rounded.
        costs = [_get_usd(price) * units[price.unit] for price in self.price if price.unit in units]
        return sum(costs, 0.0) if costs else None

    def estimate_token_cost(
        self, prompt_tokens: int, completion_tokens: int = 0, *, cached_tokens: int = 0
    ) -> float | None:
        """Return what tokens cost in US dollars; `None` for a model that is not priced by tokens.

        `cached_tokens` are those of the prompt that came from the prompt cache: cheaper, where the model has a price
        for them.

        >>> round(get("@cf/zai-org/glm-5.3").estimate_token_cost(1000, 500, cached_tokens=800), 6)
        0.002688
        """
        prices = {price.unit: _get_usd(price) / 1e6 for price in self.price}
        if _INPUT not in prices:
            return None
        cached = min(cached_tokens, prompt_tokens) if _CACHED_INPUT in prices else 0
        return (
            (prompt_tokens - cached) * prices[_INPUT]
            + cached * prices.get(_CACHED_INPUT, 0.0)
            + completion_tokens * prices.get(_OUTPUT, 0.0)
        )

    @property
    def price_source(self) -> str | None:
        """Return who published the prices, and when; `None` where none is known."""
        return f"{self.price[0].source}, {self.price[0].date}" if self.price else None

    @property
    def requests_per_minute(self) -> int | None:
        """Return how many requests a minute an account may send, or `None` where nothing is published.

        The limit is one for all models of a task together, but for `bge-large-en-v1.5`, `stable-diffusion-v1-5-img2img`
        and the text models that require Workers Paid, which have one each. Those in beta may have lower ones. Source:
        the Workers AI limits page of 2026-09-17.
        """
        return _PAID_RATE if self._has_paid_rate else _RATES_BY_MODEL.get(self.name, _RATES_BY_TASK.get(self.task))

    @property
    def prepaid_requests_per_minute(self) -> int | None:
        """Return `requests_per_minute` of an account that pays with prepaid credits of AI Gateway."""
        return _PREPAID_RATE if self._has_paid_rate else self.requests_per_minute

    @property
    def _has_paid_rate(self) -> bool:
        return self.task == "Text Generation" and "require_workers_paid" in self.capabilities

    @property
    def retirement(self) -> str | None:
        """Return when a model was retired, and what to use instead; `None` for one that is not."""
        if self.retired_on is None:
            return None
        instead = self.replaced_by or self.successor
        return f"{self.name} was retired on {self.retired_on}" + (f": use {instead}" if instead else "")


def _get_usd(price: Price) -> float:
    return price.usd if price.neurons is None else price.neurons * USD_PER_NEURON


def get(name: str) -> Model | None:
    """Return the catalogue's entry for `name`, or `None`. Names are case-sensitive, as they are for the service.

    The last part of a live model's name will do, such as `glm-4.7-flash`, if no other live model has the same. `run`
    takes whole names alone.
    """
    if name in catalogue() or "/" in name:
        return catalogue().get(name)
    same = [model for model in catalogue().values() if not model.retired_on and model.name.endswith(f"/{name}")]
    return same[0] if len(same) == 1 else None


def list(
    *, task: str | None = None, author: str | None = None, live: bool | None = None, capability: str | None = None
) -> ModelList:
    """Return the models of a task, an author and with a capability, as a list that shows as a table; live ones first.

    `live=True` leaves out those that were retired, `live=False` all others. Neither case nor the blanks, hyphens and
    underscores in `task` and `capability` matter: `"text-to-image"` and `"Text to Image"` are one. Raises
    `ConfigurationError` for a task, an author or a capability that no model has.
    """
    known = catalogue().values()
    task = _find_known("task", task, (model.task for model in known))
    author = _find_known("author", author, (model.author for model in known))
    capability = _find_known("capability", capability, (each for model in known for each in model.capabilities))
    chosen = [
        model
        for model in known
        if task in (None, model.task)
        and author in (None, model.author)
        and (capability is None or capability in model.capabilities)
        and live in (None, model.retired_on is None)
    ]
    return ModelList(sorted(chosen, key=lambda model: model.retired_on is not None))


def _find_known(option: str, value: str | None, known: Iterable[str]) -> str | None:
    """Return the name that `value` stands for, as it is written in the catalogue."""
    if value is None:
        return None
    by_slug = {_to_slug(name): name for name in sorted({*known})}
    typed = _to_slug(str(value))
    if typed in by_slug:
        return by_slug[typed]
    near = difflib.get_close_matches(typed, by_slug, 1)
    hint = f": did you mean {by_slug[near[0]]!r}?" if near else ""
    raise ConfigurationError(f"`{option}` must be one of {', '.join(by_slug.values())}, got {value!r}{hint}")


def _to_slug(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


@cache
def catalogue() -> Mapping[str, Model]:
    """Return every known model by name, retired ones included."""
    rows = json.loads(read_data(__name__, "models.json"))
    return MappingProxyType({row["name"]: _parse_model(row) for row in rows})


def suggest(name: str, count: int = 3) -> builtins.list[str]:
    """Suggest up to `count` live models whose names look most like `name`, best first."""
    typed = re.sub(r"[-_. ]", "", name.lower())
    likeness = {
        model.name: _compute_likeness(typed, re.sub(r"[-_. ]", "", model.name.lower()))
        for model in catalogue().values()
        if not model.retired_on
    }
    near = sorted((full for full in likeness if typed and likeness[full] > 0.6), key=lambda full: -likeness[full])
    return near[:count]


def _compute_likeness(typed: str, name: str) -> float:
    """Return how alike two names are, 0 to 1. A name without its author, or its last words, is still like the whole."""
    if "/" not in typed:
        name = name.rsplit("/", 1)[-1]
    matcher = difflib.SequenceMatcher(b=typed, autojunk=False)
    matcher.set_seq1(name)
    whole = matcher.ratio()
    matcher.set_seq1(name[: len(typed)])
    return (whole + 3 * matcher.ratio()) / 4


def _parse_model(row: Mapping[str, Any]) -> Model:
    fields = dict(row)
    for name in LIMIT_FIELDS:
        if name in row:
            fields[name] = Limit(**row[name])
    if "retired_on" in row:
        fields["retired_on"] = date.fromisoformat(row["retired_on"])
    fields["price"] = tuple(Price(**price) for price in row.get("price", ()))
    fields["capabilities"] = frozenset(row.get("capabilities", ()))
    return Model(**fields)
