"""The Python client for Cloudflare Workers AI: `env.AI`, with typed streams and limits checked before sending."""

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports
from cfai._version import __version__

if TYPE_CHECKING:
    from cfai import models, tokenizers, types
    from cfai._client import Ai
    from cfai._config import Retry, Timeout
    from cfai._errors import (
        AiGatewayInternalError,
        AiGatewayLogNotFound,
        AiInternalError,
        AiSearchInternalError,
        AiSearchNotFoundError,
        APIConnectionError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        AutoRAGInternalError,
        AutoRAGNameNotSetError,
        AutoRAGNotFoundError,
        AutoRAGUnauthorizedError,
        BadRequestError,
        BatchTimeoutError,
        CapacityError,
        CfaiError,
        ConfigurationError,
        ContextLengthError,
        ConversionError,
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
    from cfai._request import GatewayCost, GatewayOptions, GatewayRetries, UniversalGatewayOptions
    from cfai._resources.autorag import AutoRAG
    from cfai._resources.batches import AsyncBatch, Batch
    from cfai._resources.gateway import AiGateway
    from cfai._resources.realtime import RealtimeSession
    from cfai._resources.search import AiSearchInstance, AiSearchNamespace
    from cfai._resources.search_items import AiSearchItem, AiSearchItems
    from cfai._resources.search_jobs import AiSearchJob, AiSearchJobs
    from cfai._resources.search_stream import AsyncSearchStream, SearchStream
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
    from cfai.types import BatchItem, Token

__all__ = [
    "APIConnectionError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "Ai",
    "AiGateway",
    "AiGatewayInternalError",
    "AiGatewayLogNotFound",
    "AiInternalError",
    "AiSearchInstance",
    "AiSearchInternalError",
    "AiSearchItem",
    "AiSearchItems",
    "AiSearchJob",
    "AiSearchJobs",
    "AiSearchNamespace",
    "AiSearchNotFoundError",
    "AsyncAudioStream",
    "AsyncBatch",
    "AsyncChatStream",
    "AsyncJob",
    "AsyncSearchStream",
    "AsyncStream",
    "AsyncStructuredStream",
    "AsyncToolsStream",
    "AudioStream",
    "AuthenticationError",
    "AutoRAG",
    "AutoRAGInternalError",
    "AutoRAGNameNotSetError",
    "AutoRAGNotFoundError",
    "AutoRAGUnauthorizedError",
    "BadRequestError",
    "Batch",
    "BatchItem",
    "BatchTimeoutError",
    "BudgetWarning",
    "CapacityError",
    "CfaiError",
    "Chat",
    "ChatStream",
    "CheckResult",
    "ClientUsage",
    "ConfigurationError",
    "ContextLengthError",
    "ConversionError",
    "CutAnswerWarning",
    "EmbeddingsError",
    "FittedMessages",
    "GatewayCost",
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
    "SearchStream",
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
    "UniversalGatewayOptions",
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
        "_errors": ("AiGatewayLogNotFound", *(name for name in __all__ if name.endswith("Error"))),
        "_limits": ("CheckResult", "FittedMessages", "fit_messages", "truncate"),
        "_resources.batches": ("AsyncBatch", "Batch"),
        "_request": ("GatewayCost", "GatewayOptions", "GatewayRetries", "UniversalGatewayOptions"),
        "_resources.gateway": ("AiGateway",),
        "_resources.autorag": ("AutoRAG",),
        "_resources.search": ("AiSearchInstance", "AiSearchNamespace"),
        "_resources.search_items": ("AiSearchItem", "AiSearchItems"),
        "_resources.search_jobs": ("AiSearchJob", "AiSearchJobs"),
        "_resources.search_stream": ("AsyncSearchStream", "SearchStream"),
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
        "types": ("BatchItem", "Token", "types"),
    },
)
