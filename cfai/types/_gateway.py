"""The types of an AI Gateway, beside answers: the steps of a call, and its logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Required, TypeAlias, TypedDict

from pydantic import field_validator

from cfai._json import is_mapping
from cfai.types._output import Fields, Output

GatewayProvider: TypeAlias = Literal[
    "workers-ai",
    "anthropic",
    "aws-bedrock",
    "azure-openai",
    "google-vertex-ai",
    "huggingface",
    "openai",
    "perplexity-ai",
    "replicate",
    "groq",
    "cohere",
    "google-ai-studio",
    "mistral",
    "grok",
    "openrouter",
    "deepseek",
    "cerebras",
    "cartesia",
    "elevenlabs",
    "adobe-firefly",
]
"""The providers that the binding's types name. Any other word is taken as well, such as `compat`."""


class GatewayStepConfig(TypedDict, total=False):
    """How long the gateway tries one step, under the names that it reads."""

    requestTimeout: int
    """Milliseconds to the first byte."""
    maxAttempts: int
    """1 to 5."""
    retryDelay: int
    """Milliseconds, at most 5000."""
    backoff: Literal["constant", "linear", "exponential"]
    """How the delay grows."""


class GatewayStep(TypedDict, total=False):
    """One request to a provider, as `AIGatewayUniversalRequest` is in the binding."""

    provider: Required[GatewayProvider | str]
    """Such as `workers-ai` or `openai`."""
    endpoint: Required[str]
    """The path at the provider, such as `chat/completions`; of Workers AI the model."""
    headers: Mapping[str, Any]
    """For the provider and the gateway. Numbers, booleans and objects are sent as text."""
    query: Any
    """The body for the provider."""
    config: GatewayStepConfig
    """Timeout and retries of this step."""


class GatewayLogFilters(TypedDict, total=False):
    """Which logs are listed. Each narrows the list.

    https://developers.cloudflare.com/api/resources/ai_gateway/subresources/logs
    """

    search: str
    """A part of what was sent or answered."""
    success: bool
    """True for calls that were answered, False for those that failed."""
    cached: bool
    """True for answers from the cache."""
    provider: str
    """Such as `workers-ai`."""
    model: str
    """Such as `@cf/zai-org/glm-4.7-flash`."""
    model_type: str
    """The task of the model."""
    request_content_type: str
    """Such as `application/json`."""
    response_content_type: str
    """Such as `text/event-stream`."""
    start_date: datetime | str
    """No earlier than this; a `datetime` without a zone is of this machine's."""
    end_date: datetime | str
    """No later than this."""
    feedback: Literal[0, 1]
    """1 for liked, 0 for disliked, which `patch_log` sets as -1."""
    min_cost: float
    """In US dollars."""
    max_cost: float
    """In US dollars."""
    min_duration: float
    """In milliseconds."""
    max_duration: float
    """In milliseconds."""
    min_tokens_in: float
    """Tokens of the request."""
    max_tokens_in: float
    """Tokens of the request."""
    min_tokens_out: float
    """Tokens of the answer."""
    max_tokens_out: float
    """Tokens of the answer."""
    min_total_tokens: float
    """Tokens of both."""
    max_total_tokens: float
    """Tokens of both."""
    order_by: Literal["created_at", "provider", "model", "model_type", "success", "cached"]
    """The field that the list is sorted by."""
    order_by_direction: Literal["asc", "desc"]
    """`desc` has the largest first."""
    meta_info: bool
    """True to have the service count what it found, which costs it time."""
    page: int
    """This page alone, from 1."""
    per_page: int
    """How many logs a page has, by default 50."""


class GatewayLog(Fields):
    """The log of one call through a gateway.

    Fields: https://developers.cloudflare.com/api/resources/ai_gateway/subresources/logs/methods/get
    """

    id: str = ""
    """The id of the log, which is `meta.gateway_log_id` of the answer."""
    provider: str | None = None
    """Such as `workers-ai`."""
    model: str | None = None
    """The model that answered."""
    model_type: str | None = None
    """The task of the model."""
    path: str | None = None
    """The path at the provider."""
    created_at: datetime | None = None
    """When the call came, with its time zone: UTC, if the service names none."""
    duration: int | float | None = None
    """Milliseconds to the end of the answer."""
    success: bool | None = None
    """False if the provider, or the gateway itself, answered with an error."""
    cached: bool | None = None
    """True if the answer came from the gateway's cache."""
    status_code: int | None = None
    """The HTTP status of the answer."""
    step: int | None = None
    """The place of the step that answered, from 0."""
    tokens_in: int | None = None
    """Tokens of the request."""
    tokens_out: int | None = None
    """Tokens of the answer."""
    cost: float | None = None
    """US dollars, by the gateway's prices."""
    custom_cost: bool | None = None
    """True if the cost is your own figure."""
    metadata: Any = None
    """The metadata as it came: over REST that is JSON text."""
    feedback: int | None = None
    """1 or -1 after `patch_log`, where the service tells it."""
    score: float | None = None
    """Your own number after `patch_log`, where the service tells it."""
    request_type: str | None = None
    """What was asked for, in the gateway's words."""
    request_content_type: str | None = None
    """Such as `application/json`."""
    request_size: int | None = None
    """Bytes of the request."""
    request_head: str | None = None
    """The beginning of the request."""
    request_head_complete: bool | None = None
    """True if that is all of it."""
    response_content_type: str | None = None
    """Such as `text/event-stream`."""
    response_size: int | None = None
    """Bytes of the answer."""
    response_head: str | None = None
    """The beginning of the answer."""
    response_head_complete: bool | None = None
    """True if that is all of it."""

    @field_validator("created_at")
    @classmethod
    def _add_zone(cls, value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class ProviderOutput(Output):
    """The answer of another author's model for pictures or sound: `{"state": "Completed", "result": {...}}`.

    The binding leaves `result` in there, and so does `run`; `answer.output` is what is in it.
    """

    state: str | None = None
    """`Completed`."""
    result: Any = None
    """The provider's own answer."""
    gatewayMetadata: dict[str, Any] | None = None
    """`{"keySource": "Unified"}`, or `BYOK` if a key of yours paid."""

    @property
    def output(self) -> Any:
        """The provider's own answer: an object with its fields as attributes, or whatever else came."""
        return Output.model_validate(self.result) if is_mapping(self.result) else self.result
