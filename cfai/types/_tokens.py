"""The small things that results and streams are made of. No pydantic here: importing cfai is to cost little."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, ClassVar, TypeVar, cast

from cfai import models
from cfai._errors import CfaiError
from cfai._json import loads
from cfai._repr import short_repr

T = TypeVar("T")

_MAX_TOKENS = 10**15
"""More than any call has, and few enough to be reckoned with."""


@dataclass(slots=True)
class Meta:
    """The facts of a call that the answer's headers tell, and its usage."""

    __repr__ = short_repr

    model: str = ""
    """The model that was called."""

    request_id: str | None = None
    """`cf-ai-req-id`, else `cf-ray`: what Cloudflare's support asks for."""

    status_code: int = 0
    """The HTTP status."""

    neurons: float | None = None
    """The charge of the call, in neurons ($0.011 per 1,000), from `cf-ai-neurons` or the usage; `None` if unsaid.

    As the service tells it, also of an answer from a gateway's cache, whose `cost` is 0.
    """

    gateway_log_id: str | None = None
    """`cf-aig-log-id`, when a gateway logged the call."""

    gateway_cache_status: str | None = None
    """`HIT` if a gateway answered from its cache, `MISS` if it did not; `None` if it does not say."""

    gateway_step: int | None = None
    """The place of the provider or model that answered among those a gateway was to try, from 0; `None` if unsaid."""

    elapsed: float = 0.0
    """Seconds from sending to the answer's headers; once a stream has ended, to its end."""

    usage: Usage | None = None
    """Tokens of the call, if the service said; of a stream, at its end."""

    units: Mapping[str, float] | None = None
    """Of a model that is not priced by tokens: how many of each unit of its `price` the call took.

    Such as `{"per 1k characters": 0.25}`. `None` where that is not known for certain.
    """

    output_retries: int = 0
    """How often an answer that fits `output_type` was asked for again. `usage`, `neurons` and `cost` are of all."""

    fallback_errors: tuple[CfaiError, ...] = ()
    """Why the models before this one did not answer, in their order, where the call had a `fallback`."""

    fallback_left_out: tuple[str, ...] = ()
    """The inputs that were left out, since this model of a `fallback` does not have them."""

    gateway_model: str | None = None
    """The model that answered for a dynamic route of a gateway; `None` if it does not say."""

    gateway_provider: str | None = None
    """The provider of that model, such as `workers-ai`; `None` if the gateway does not say."""

    _sum: tuple[float | None, str | None] | None = field(default=None, repr=False)
    """The cost of several calls, and its sources; `None` for one call."""

    @property
    def cost(self) -> float | None:
        """Return what the call cost, in US dollars, or `None` if that is not known.

        It is the service's own figure, `neurons`; else the tokens of `usage`, or `units`, at the catalogue's prices:
        `cost_source` says which. An answer from a gateway's cache costs nothing. What the account has for free is not
        taken off.
        """
        if self._sum is not None:
            return self._sum[0]
        if self.gateway_cache_status == "HIT":
            return 0.0
        if self.neurons is not None:
            return self.neurons * models.USD_PER_NEURON
        model = models.catalogue().get(self.model)
        if model is None:
            return None
        if self.units is not None:
            return model.estimate_cost(self.units)
        usage = self.usage
        if (
            usage is None
            or not 0 <= usage.prompt_tokens < _MAX_TOKENS
            or not 0 <= usage.completion_tokens < _MAX_TOKENS
        ):
            return None
        return model.estimate_token_cost(
            usage.prompt_tokens, usage.completion_tokens, cached_tokens=usage.cached_tokens
        )

    @property
    def cost_source(self) -> str | None:
        """Return the source of `cost`: `neurons`, `gateway cache`, or a price list and its date; `None` without one.

        Of several calls, the sources of all.
        """
        if self._sum is not None:
            return self._sum[1]
        if self.gateway_cache_status == "HIT":
            return "gateway cache"
        if self.neurons is not None:
            return "neurons"
        return None if self.cost is None else models.catalogue()[self.model].price_source


def add_up(parts: Iterable[T | None]) -> T | None:
    """Return the usage, the neurons or the cost of several calls together; `None` unless each is known.

    >>> add_up([1.5, 2.0]), add_up([1.5, None]), add_up([])
    (3.5, None, None)
    """
    total: Any = None
    for number, part in enumerate(parts):
        if part is None:
            return None
        total = total + part if number else part
    return total


def add_up_meta(calls: Sequence[Meta]) -> Meta:
    """Return the facts of the last of several calls, with the usage, the neurons and the cost of all."""
    if len(calls) == 1:
        return replace(calls[0])
    cost = add_up(call.cost for call in calls)
    sources = dict.fromkeys(call.cost_source or "" for call in calls)
    return replace(
        calls[-1],
        usage=add_up(call.usage for call in calls),
        neurons=add_up(call.neurons for call in calls),
        _sum=(cost, None if cost is None else ", ".join(sources)),
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, under the names of chat completions whatever the service called them."""

    prompt_tokens: int = 0
    """Tokens of the input."""
    completion_tokens: int = 0
    """Tokens of the answer, reasoning included."""
    total_tokens: int = 0
    """Both together."""
    neurons: float | None = None
    """The charge by the usage itself, in neurons ($0.011 per 1,000)."""

    raw: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """The report as the service sent it; the sum of the reports where it sent increments."""

    @classmethod
    def of(cls, report: Any) -> Usage | None:
        """Return the usage of a wire object, or `None`. `input_tokens` and `output_tokens` are known as well.

        >>> Usage.of({"input_tokens": 3, "output_tokens": 4})
        Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7, neurons=None)
        """
        if not isinstance(report, dict) or not report:
            return None
        report = cast("dict[str, Any]", report)
        prompt = _count(report, "prompt_tokens", "input_tokens")
        completion = _count(report, "completion_tokens", "output_tokens")
        neurons = report.get("neurons")
        # No number of neurons has a thousand digits, and a float takes only three hundred.
        charged = float(neurons) if isinstance(neurons, int | float) and abs(neurons) < 1e18 else None
        return cls(prompt, completion, _count(report, "total_tokens") or prompt + completion, charged, report)

    def __add__(self, other: Usage) -> Usage:
        """Return the usage of two calls together; `neurons` if both have them.

        >>> Usage(3, 4, 7) + Usage(1, 1, 2)
        Usage(prompt_tokens=4, completion_tokens=5, total_tokens=9, neurons=None)
        """
        neurons = None if self.neurons is None or other.neurons is None else self.neurons + other.neurons
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            neurons,
            {
                "prompt_tokens_details": {"cached_tokens": self.cached_tokens + other.cached_tokens},
                "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens + other.reasoning_tokens},
            },
        )

    @property
    def cached_tokens(self) -> int:
        """Return how many of the prompt's tokens came from the prompt cache."""
        return self._detail("prompt_tokens_details", "input_tokens_details", name="cached_tokens")

    @property
    def reasoning_tokens(self) -> int:
        """Return how many of the completion's tokens were reasoning."""
        return self._detail("completion_tokens_details", "output_tokens_details", name="reasoning_tokens")

    def _detail(self, *places: str, name: str) -> int:
        details: Any = next((self.raw[place] for place in places if self.raw.get(place)), None)
        return _count(cast("dict[str, Any]", details), name) if isinstance(details, dict) else 0


def _count(report: dict[str, Any], *names: str) -> int:
    """Return the first whole number under one of `names`, or 0. A count that came as a float or as text is read too."""
    for name in names:
        value = report.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            return int(value)
        except (ValueError, OverflowError):
            continue
    return 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called."""

    __repr__ = short_repr

    name: str
    """The name of the tool."""
    arguments: str
    """The arguments as the model sent them: JSON text, if it did as it was told."""

    id: str | None = None
    """To be sent back with the result, unchanged. Some models repeat ids, so do not use it as a key."""

    def parse(self) -> Any:
        """Return the arguments, parsed; `{}` if there is no text. Raises `ValueError` if they are no JSON."""
        if not self.arguments.strip():
            return {}
        try:
            return loads(self.arguments.encode("utf-8", "replace"))
        except ValueError:
            raise ValueError(f"the arguments of {self.name!r} are no JSON: {self.arguments[:200]!r}") from None

    def _as_input(self) -> dict[str, Any]:
        """Return the call as it stands in a message."""
        function = {"name": self.name, "arguments": self.arguments or "{}"}
        return {"id": self.id or _make_id(1), "type": "function", "function": function}


def give_ids(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Return the calls of one message, each with an id of its own: native models send none, and some one for all.

    >>> [call.id for call in give_ids([ToolCall("f", "", "a"), ToolCall("f", "", "a"), ToolCall("g", "")])]
    ['a', '000000001', '000000002']
    """
    ids = {call.id for call in calls}
    free = (id for number in count(1) if (id := _make_id(number)) not in ids)
    seen: set[str] = set()
    named: list[ToolCall] = []
    for call in calls:
        id = call.id if call.id and call.id not in seen else next(free)
        seen.add(id)
        named.append(replace(call, id=id))
    return named


def _make_id(number: int) -> str:
    """Return an id for a call that came without: older models want nine letters or digits."""
    return f"{number:09}"


@dataclass(slots=True)
class TextSummary:
    """The content of a text answer, whichever shape it came in."""

    __repr__ = short_repr

    text: str = ""
    """The answer."""
    reasoning: str = ""
    """The thoughts before it; empty if there are none."""
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    """The tools that the model wants called."""
    finish_reason: str | None = None
    """Why the model stopped; `None` if it does not say."""
    usage: Usage | None = None
    """The tokens of the call; `None` if the service does not say."""

    of: ClassVar[Callable[[Mapping[str, Any]], TextSummary]]
    """Read the fields of an answer. The room `_response`, which knows their shapes, sets it: imports go one way."""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call in a stream. Pieces with one `index` make one call."""

    __repr__ = short_repr

    index: int
    """The number of the call in its answer, from 0."""
    name: str | None = None
    """The name of the tool, in the piece that brings it."""
    arguments: str = ""
    """A piece of the arguments, which are JSON text."""
    id: str | None = None
    """The id of the call, in the piece that brings it."""


@dataclass(slots=True)
class Token:
    """One piece of a streamed answer; `str(token)` is its text."""

    __repr__ = short_repr

    text: str
    """The text; empty in an event that brings something else."""
    raw: dict[str, Any] = field(repr=False)
    """The event as it came, without its padding."""
    reasoning: str = ""
    """A piece of the thoughts."""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    """Pieces of tool calls."""
    finish_reason: str | None = None
    """Why the model stopped, in the event that says so."""
    choice: int = 0
    """The number of the answer that it belongs to, of the `n` that were asked for."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Token, (self.text, self.raw, self.reasoning, self.tool_calls, self.finish_reason, self.choice)

    def __str__(self) -> str:
        return self.text

    @property
    def usage(self) -> Usage | None:
        """Return what this event reports. `Stream.usage` is the whole call's."""
        inner: Any = self.raw.get("response")
        return Usage.of(self.raw.get("usage") or (cast("Any", inner).get("usage") if isinstance(inner, dict) else None))
