"""The Python client for Cloudflare Workers AI: `env.AI`, with typed streams and limits checked before sending."""

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports
from cfai._version import __version__

if TYPE_CHECKING:
    from cfai import models, tokenizers, types
    from cfai._client import Ai
    from cfai._config import Retry, Timeout
    from cfai._errors import (
        AiInternalError,
        APIConnectionError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        CapacityError,
        CfaiError,
        ConfigurationError,
        ContextLengthError,
        EmbeddingsError,
        InferenceUpstreamError,
        InputError,
        InternalServerError,
        LimitError,
        NotFoundError,
        OutputValidationError,
        PermissionDeniedError,
        QuotaExceededError,
        RateLimitError,
        RealtimeError,
        RequestTimeoutError,
        SequenceLengthError,
        StreamError,
        StreamTruncatedError,
        ToolLoopError,
    )
    from cfai._limits import CheckResult, FittedMessages, fit_messages, truncate
    from cfai._request import GatewayOptions, GatewayRetries
    from cfai._resources.realtime import RealtimeSession
    from cfai._streaming import AsyncAudioStream, AsyncStream, AudioStream, Stream
    from cfai._usage import ClientUsage, ModelUsage
    from cfai._warnings import (
        BudgetWarning,
        CutAnswerWarning,
        InputWarning,
        LimitWarning,
        RetiredModelWarning,
        UnstoppedStreamWarning,
    )
    from cfai.chat import AsyncChatStream, Chat, ChatStream
    from cfai.many import AsyncJob, Job, JobReport, Row
    from cfai.structured import AsyncStructuredStream, StructuredStream
    from cfai.tokens import TokenCount, TokenCounter, count_tokens
    from cfai.tools import AsyncToolsStream, ToolsStream
    from cfai.types import Token

__all__ = [
    "APIConnectionError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "Ai",
    "AiInternalError",
    "AsyncAudioStream",
    "AsyncChatStream",
    "AsyncJob",
    "AsyncStream",
    "AsyncStructuredStream",
    "AsyncToolsStream",
    "AudioStream",
    "AuthenticationError",
    "BadRequestError",
    "BudgetWarning",
    "CapacityError",
    "CfaiError",
    "Chat",
    "ChatStream",
    "CheckResult",
    "ClientUsage",
    "ConfigurationError",
    "ContextLengthError",
    "CutAnswerWarning",
    "EmbeddingsError",
    "FittedMessages",
    "GatewayOptions",
    "GatewayRetries",
    "InferenceUpstreamError",
    "InputError",
    "InputWarning",
    "InternalServerError",
    "Job",
    "JobReport",
    "LimitError",
    "LimitWarning",
    "ModelUsage",
    "NotFoundError",
    "OutputValidationError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "RealtimeError",
    "RealtimeSession",
    "RequestTimeoutError",
    "RetiredModelWarning",
    "Retry",
    "Row",
    "SequenceLengthError",
    "Stream",
    "StreamError",
    "StreamTruncatedError",
    "StructuredStream",
    "Timeout",
    "Token",
    "TokenCount",
    "TokenCounter",
    "ToolLoopError",
    "ToolsStream",
    "UnstoppedStreamWarning",
    "__version__",
    "count_tokens",
    "fit_messages",
    "models",
    "tokenizers",
    "truncate",
    "types",
]

# Loaded at first use, so that the command line shows its help, and completes a name, without httpx and pydantic.
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "_client": ("Ai",),
        "_config": ("Retry", "Timeout"),
        "_errors": (name for name in __all__ if name.endswith("Error")),
        "_limits": ("CheckResult", "FittedMessages", "fit_messages", "truncate"),
        "_request": ("GatewayOptions", "GatewayRetries"),
        "_resources.realtime": ("RealtimeSession",),
        "_streaming": ("AsyncAudioStream", "AsyncStream", "AudioStream", "Stream"),
        "_usage": ("ClientUsage", "ModelUsage"),
        "_warnings": (name for name in __all__ if name.endswith("Warning")),
        "chat": ("AsyncChatStream", "Chat", "ChatStream"),
        "integrations.ipython": ("load_ipython_extension",),
        "many": ("AsyncJob", "Job", "JobReport", "Row"),
        "models": ("models",),
        "structured": ("AsyncStructuredStream", "StructuredStream"),
        "tokenizers": ("tokenizers",),
        "tokens": ("TokenCount", "TokenCounter", "count_tokens"),
        "tools": ("AsyncToolsStream", "ToolsStream"),
        "types": ("Token", "types"),
    },
)
