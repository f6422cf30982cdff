"""The Python client for Cloudflare Workers AI: `env.AI`, with typed streams and limits checked before sending."""

from typing import TYPE_CHECKING

from cfai import models, types
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
    RequestTimeoutError,
    SequenceLengthError,
    StreamError,
    StreamTruncatedError,
    ToolLoopError,
)
from cfai._lazy import lazy_exports
from cfai._limits import CheckResult
from cfai._request import GatewayOptions, GatewayRetries
from cfai._streaming import AsyncAudioStream, AsyncStream, AudioStream, Stream
from cfai._usage import ClientUsage, ModelUsage
from cfai._version import __version__
from cfai._warnings import (
    BudgetWarning,
    CutAnswerWarning,
    InputWarning,
    LimitWarning,
    RetiredModelWarning,
    UnstoppedStreamWarning,
)
from cfai.types import Token

if TYPE_CHECKING:
    from cfai import tokenizers
    from cfai._limits import FittedMessages, fit_messages, truncate
    from cfai.chat import AsyncChatStream, Chat, ChatStream
    from cfai.many import AsyncJob, Job, JobReport, Row
    from cfai.structured import AsyncStructuredStream, StructuredStream
    from cfai.tokens import TokenCount, TokenCounter, count_tokens
    from cfai.tools import AsyncToolsStream, ToolsStream

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

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "_limits": ("FittedMessages", "fit_messages", "truncate"),
        "structured": ("AsyncStructuredStream", "StructuredStream"),
        "chat": ("AsyncChatStream", "Chat", "ChatStream"),
        "integrations.ipython": ("load_ipython_extension",),
        "many": ("AsyncJob", "Job", "JobReport", "Row"),
        "tokenizers": ("tokenizers",),
        "tokens": ("TokenCount", "TokenCounter", "count_tokens"),
        "tools": ("AsyncToolsStream", "ToolsStream"),
    },
)

# Tracebacks and pickles show the names by which these are imported.
for _public in [globals()[_name] for _name in __all__ if _name.endswith(("Error", "Warning"))]:
    _public.__module__ = "cfai"
