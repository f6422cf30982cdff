"""Everything that cfai raises.

```
CfaiError
├── ConfigurationError                 what `Ai` or a call was given cannot work; nothing was sent   (also ValueError)
│   └── AutoRAGNameNotSetError         `ai.autorag()` without a name was asked for more than its list
├── InputError                         the inputs cannot be sent, or not to this model; nothing was  (also TypeError)
├── LimitError                         the inputs are over a limit of the model                     (also ValueError)
│   ├── SequenceLengthError            more output tokens are asked for than the model gives
│   └── ContextLengthError             more input tokens than the model reads
├── APIConnectionError                 no answer came
│   └── APITimeoutError                no answer came in time
│       └── BatchTimeoutError          a batch was not done in time; `.batch_id` finds it again
├── InferenceUpstreamError             the service answered with an error; `APIStatusError` is the same class
│   ├── BadRequestError                400, 405, 413, 422 and other 4xx: the request itself is wrong
│   ├── AuthenticationError            401: the token is missing, wrong or expired
│   ├── PermissionDeniedError          403: the token, the account or the plan does not allow it
│   │   └── AutoRAGUnauthorizedError   401 or 403 of AutoRAG                               (also AuthenticationError)
│   ├── NotFoundError                  404: no such model, or no such account
│   │   ├── AiGatewayLogNotFound       404: no such log of an AI Gateway
│   │   ├── AiSearchNotFoundError      no such instance, item or job of AI Search
│   │   └── AutoRAGNotFoundError       no such AutoRAG
│   ├── RequestTimeoutError            408, 504, 524: gave up; it may have been billed          (also APITimeoutError)
│   ├── RateLimitError                 429: too many requests in a minute
│   │   ├── QuotaExceededError         the daily allocation, or the prepaid balance, is used up
│   │   └── CapacityError              the model is busy
│   └── AiInternalError                the fault is on the service's side
│       ├── AiSearchInternalError      AI Search failed
│       ├── AutoRAGInternalError       AutoRAG failed
│       ├── InternalServerError        5xx
│       ├── AiGatewayInternalError     5xx from the logs and addresses of an AI Gateway
│       └── APIResponseValidationError a 2xx answer that cannot be read, or breaks off
├── OutputValidationError              the answer does not fit `output_type`                        (also ValueError)
├── ToolLoopError                      `run_with_tools` made `max_rounds` rounds, and the model wants more tools
├── EmbeddingsError                    some texts were embedded, others not: `.partial`, `.missing`
├── ConversionError                    one of many documents was not converted: `.result`
├── RealtimeError                      a realtime session ended before it should: `.code`, `.reason`
└── StreamError                        an error after a stream began; `.partial` has what had arrived
    └── StreamTruncatedError           the stream ended before the answer did
```

`InferenceUpstreamError`, `AiInternalError` and the two that begin with `AiGateway` are the binding's own names. A
length that the service refuses is a `ContextLengthError` or `SequenceLengthError` and a `BadRequestError`; inside a
stream, a `StreamError`. A stream that fell silent is a `StreamTruncatedError` and an `APITimeoutError`; an answer that
broke off is an `APIResponseValidationError` and an `APIConnectionError`. What is both is a class of its own, which
nobody needs to catch by its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic_core import CoreSchema, core_schema

from cfai._escape import escape_controls
from cfai._json import to_compact_json

DONE_EVENT = b"data: [DONE]\n\n"
"""The event that ends a stream for a browser: without it, an `EventSource` would connect again, and pay again."""


_NOT_SET_UP = "This service is not set up correctly. Please tell whoever runs it."
_NOT_TAKEN = "The model cannot take this message. Change it, or choose another model."
_TOO_LATE = "The answer took too long. Try again, or ask for something shorter."
_BROKE_OFF = "The answer broke off. Please ask again."


class CfaiError(Exception):
    """The base of everything that cfai raises."""

    _user_message = "Something went wrong. Please try again."
    """The `user_message` of the class, with `{when}` for the wait that the service asks for."""

    def __init__(
        self,
        message: str = "",
        *,
        retryable: bool = False,
        model: str | None = None,
        code: int | str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(escape_controls(message))  # it may quote the service, and a traceback shows it on a terminal
        self.retryable = retryable
        """True if the same call may succeed later, and is safe to send again: it was not run, so it was not billed."""
        self.model = model
        """The model that was called."""
        self.code = code
        """The service's own code, such as 3040, or `None` if it gave none."""
        self.status_code = status_code
        """The HTTP status, where an answer came."""
        self.request_id = request_id
        """`cf-ai-req-id`, else `cf-ray`, else the id at the end of the message: quote it to Cloudflare's support."""
        self.retry_after = retry_after
        """Seconds that the service asks to wait, or `None`."""
        self.body = body
        """The body of the answer, or the event of a stream that reported the error: parsed if it was JSON, else its
        text; without credentials, and a body cut at 1 MiB."""
        self.headers = dict(headers or {})
        """The headers of the answer, names in lower case, without cookies and credentials."""
        self.steps: list[Any] = []
        """Of `run_with_tools`: each `cfai.types.Step` that was done before the error, so that nothing is lost."""
        self.meta: Any = None
        """The facts of an answer that may have been billed, though it could not be used; with `output_type`, of all
        answers that did not fit, with their usage and cost together. `None` if there was none."""
        self.batch_id = ""
        """Of a batch: the `request_id` of what was handed in before the error. Empty if nothing was."""

    @property
    def user_message(self) -> str:
        """One or two plain sentences for the person in front of a page, who can change neither program nor account.

        They are the same for all errors of a class, but for the wait that the service asks for: nothing of the request,
        the answer or the account is in them. The error's own message is for whoever reads the log.
        """
        return self._user_message.format(when=_describe_wait(self.retry_after))

    def _render_traceback_(self) -> list[str]:
        """Show the error in a notebook and in IPython, which call this: in a few lines, the whole traceback folded."""
        from cfai._display import render_error  # not sooner: nothing else needs it

        return render_error(self)

    def to_event_stream(self) -> bytes:
        """Return the error for a browser: an event named `error`, with code and message, then `[DONE]`.

        `user_message` is in it too: that is what a page shows.
        """
        body = to_compact_json({"code": self.code, "message": str(self), "user_message": self.user_message})
        return b"event: error\ndata: " + body.encode("utf-8", "replace") + b"\n\n" + DONE_EVENT

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Let a field of a pydantic model hold an error; in JSON it is its message."""
        message = core_schema.to_string_ser_schema(when_used="json")
        return core_schema.is_instance_schema(cls, serialization=message)


class ConfigurationError(CfaiError, ValueError):
    """An option of `Ai`, or of a call, cannot work."""

    _user_message = _NOT_SET_UP


class AutoRAGNameNotSetError(ConfigurationError):
    """`ai.autorag()` was given no name, which all needs but its `list`."""


class InputError(CfaiError, TypeError):
    """The inputs hold what JSON cannot, or what the model is sure to refuse. The message names it; nothing was sent."""

    _user_message = _NOT_TAKEN


class LimitError(CfaiError, ValueError):
    """The inputs are over a limit of the model: cfai found it before anything was sent, or the service refused them."""

    _user_message = "This is more than the model takes. Shorten it, and try again."

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        value: int = 0,
        limit: int = 0,
        limit_source: str = "",
        source: Literal["local", "gateway", "model"] = "local",
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        total_tokens: int | None = None,
        certain: bool = True,
        max_tokens: int | None = None,
        limit_kind: Literal["context", "sequence", "input", "batch", "items"] = "context",
        **answer: Any,
    ) -> None:
        super().__init__(message, **answer)  # the model, and what the service answered with, where it was asked
        self.field = field
        """The input that is too large, such as `max_tokens` or `messages`."""
        self.value = value
        """How large it is, in tokens or items: at least, or about where the error is not `certain`."""
        self.limit = limit
        """How large it may be, in tokens or items."""
        self.limit_source = limit_source
        """Who published the limit, and when."""
        self.source: Literal["local", "gateway", "model"] = source
        """Who found it: `local`, before anything was sent; the `gateway`, by its own estimate; or the `model`."""
        self.input_tokens = input_tokens
        """The prompt's tokens, as far as they were told apart."""
        self.output_tokens = output_tokens
        """The tokens of output that were asked for, or held free."""
        self.certain = certain
        """True if the service is sure to refuse, or did."""
        self.max_tokens = max_tokens
        """The largest `max_tokens` that fits, where there is one."""
        self.limit_kind: Literal["context", "sequence", "input", "batch", "items"] = limit_kind
        """The subject of the limit: the context, the output, one text of an embedding call, all of them together, or
        the number of items in a list."""
        self.total_tokens = total_tokens
        """Input and output together, where both are known."""
        if total_tokens is None and input_tokens is not None and output_tokens is not None:
            self.total_tokens = input_tokens + output_tokens


class SequenceLengthError(LimitError):
    """More output tokens are asked for than the model gives."""

    _user_message = "The model cannot write so long an answer. Ask for a shorter one."


class ContextLengthError(LimitError):
    """The input, or input and output together, does not fit the model's context."""

    _user_message = "This is too long for the model. Shorten it, or start a new conversation."


class ToolLoopError(CfaiError):
    """`run_with_tools` came to the end of its rounds, and the model wants more tools called.

    `.steps` has all that was done. The calls of the last step's answer were not made.
    """

    _user_message = "The model came to no answer. Ask again in other words."


class APIConnectionError(CfaiError):
    """No answer came: the connection could not be made, or broke first.

    The reason is in the message, and in `__cause__` unless that holds credentials.
    """

    _user_message = "The service cannot be reached. Try again {when}."

    def __init__(self, message: str, *, retryable: bool = True, **answer: Any) -> None:
        super().__init__(message, retryable=retryable, **answer)


class APITimeoutError(APIConnectionError):
    """No answer came in time. A request that had been sent may have been run and billed: then `retryable` is false."""

    _user_message = _TOO_LATE


class BatchTimeoutError(APITimeoutError):
    """A batch was not done in time. It goes on: `ai.batch(model, request_id=error.batch_id)` has it again."""

    def __init__(self, message: str = "", *, batch_id: str = "", **answer: Any) -> None:
        super().__init__(message, **answer)
        self.batch_id = batch_id
        """The `request_id` of the `Batch`."""


class InferenceUpstreamError(CfaiError):
    """The service answered with an error."""

    _user_message = "The service could not answer. Try again {when}."

    def __init__(self, message: str, *, name: str = "", retryable: bool = False, **answer: Any) -> None:
        super().__init__(message, retryable=retryable, **answer)
        self.name = name
        """The service's name for the error if it gave one, else this project's name for the code."""


APIStatusError = InferenceUpstreamError
"""The name that other clients have for it."""


class BadRequestError(InferenceUpstreamError):
    """The service refused the request as it was: 400, 405, 413, 422 and any other 4xx without a class of its own."""

    _user_message = _NOT_TAKEN


class RefusedSequenceLengthError(SequenceLengthError, BadRequestError):
    """The service refused the output asked for: a `SequenceLengthError` with its status, code and body."""


class RefusedContextLengthError(ContextLengthError, BadRequestError):
    """The service refused the input for its length: a `ContextLengthError` with its status, code and body."""


class AuthenticationError(InferenceUpstreamError):
    """The token is missing, wrong or expired: 401, or code 10000."""

    _user_message = _NOT_SET_UP


class PermissionDeniedError(InferenceUpstreamError):
    """The token, the account or its plan does not allow this call: 403."""

    _user_message = "This service may not use the model. Choose another one, or tell whoever runs the service."


class NotFoundError(InferenceUpstreamError):
    """There is no such model or account: 404, or codes 5007 and 3042."""

    _user_message = "This model is not available. Choose another one."


class AiGatewayLogNotFound(NotFoundError):  # the binding's name
    """There is no such log of an AI Gateway: 404, mostly 7002. One may appear a moment after its answer."""


class AiSearchNotFoundError(NotFoundError):
    """AI Search has no such namespace, instance, item or job."""

    _user_message = _NOT_SET_UP


class AutoRAGNotFoundError(NotFoundError):
    """There is no AutoRAG of this name."""

    _user_message = _NOT_SET_UP


class AutoRAGUnauthorizedError(PermissionDeniedError, AuthenticationError):
    """The token may not use this AutoRAG: 401, or 403."""

    _user_message = _NOT_SET_UP


class RequestTimeoutError(InferenceUpstreamError, APITimeoutError):
    """The service, or the edge before it, gave up on the call: 408, 504, 524, code 3046.

    It may have been billed, so it is not sent again.
    """

    _user_message = _TOO_LATE


class RateLimitError(InferenceUpstreamError):
    """Too many requests in a minute: 429."""

    _user_message = "Too much is being asked just now. Try again {when}."


class QuotaExceededError(RateLimitError):
    """The daily free allocation (codes 3036 and 4006) or the gateway's balance (402) is used up. Never retried."""

    _user_message = "This service has used up what it may spend for now. Please come back later."


class CapacityError(RateLimitError):
    """The model is busy: code 3040."""

    _user_message = "The model is busy. Try again {when}, or choose another one."


class AiInternalError(InferenceUpstreamError):
    """The fault is on the service's side."""

    _user_message = "The service has trouble answering. Try again {when}."


class AiGatewayInternalError(AiInternalError):
    """The logs or the addresses of an AI Gateway could not be asked for: 5xx, or a 404 that is not the service's."""


class AiSearchInternalError(AiInternalError):
    """AI Search failed."""


class AutoRAGInternalError(AiInternalError):
    """AutoRAG failed, or what stands before it answered."""


class InternalServerError(AiInternalError):
    """The service failed: 5xx."""


class APIResponseValidationError(AiInternalError):
    """The service said 2xx, and sent something that cannot be read. It may have been billed, and is not sent again."""

    _user_message = "The answer could not be read. Please try again."


class BrokenResponseError(APIResponseValidationError, APIConnectionError):
    """The connection broke while an answer came: an `APIResponseValidationError` whose `.body` is what had come."""

    _user_message = _BROKE_OFF


class OutputValidationError(CfaiError, ValueError):
    """An answer does not fit `output_type`, nor did those that were asked for in its place. It was billed."""

    _user_message = "The answer was not in the form that is needed. Please try again."

    def __init__(
        self,
        message: str = "",
        *,
        text: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        answer: Any = None,
        **call: Any,
    ) -> None:
        super().__init__(message, **call)
        self.text = text
        """The text of the last answer."""
        self.errors = [dict(error) for error in errors]
        """What is wrong with it, as pydantic lists it: each with `type`, `loc`, `msg` and `input`."""
        self.answer = answer
        """The last answer, a `TextOutput`. Its usage is that of all answers together."""


class EmbeddingsError(CfaiError):
    """Some of many texts were embedded, others were not. The reason is in `__cause__`, its facts are here too."""

    _user_message = "Some of the texts could not be read by the model. Please try again."

    def __init__(self, message: str, *, partial: Any = None, missing: Sequence[int] = (), **answer: Any) -> None:
        super().__init__(message, **answer)
        self.partial = partial
        """The `Vectors`, all NaN where a text has none. `embed` goes on from them: `resume=error.partial`."""
        self.missing = list(missing)
        """The indices of the texts that have no vector; of texts that were never read, if their number is known."""


class ConversionError(CfaiError):
    """The service could not convert one of many documents. The message has its reason."""

    _user_message = "The document could not be read. Please try another one."

    def __init__(self, message: str, *, result: Any = None, **answer: Any) -> None:
        super().__init__(message, **answer)
        self.result = result
        """What the service gave for it, a `ConversionResult`."""


class RealtimeError(CfaiError):
    """A realtime session ended before it should: the service closed it or reported an error, or the connection broke.

    `.code` is that of the WebSocket's end, 1006 where the connection broke, or the one of the error that was reported.
    What was heard or said until then has been billed.
    """

    _user_message = "The connection was lost. Please start again."

    def __init__(self, message: str, *, reason: str = "", **session: Any) -> None:
        super().__init__(message, **session)
        self.reason = reason
        """The reason that the service, or the network, gave."""


class StreamError(CfaiError):
    """The service reported an error after the stream had begun, or sent an event that is no JSON."""

    _user_message = _BROKE_OFF

    def __init__(self, message: str, *, partial: str = "", retryable: bool = False, **event: Any) -> None:
        super().__init__(message, retryable=retryable, **event)
        self.message = str(self)
        """The message of the service."""
        self.partial = partial
        """The text that had arrived before the error."""


class StreamSequenceLengthError(SequenceLengthError, StreamError):
    """An event of the stream refused the output asked for: a `SequenceLengthError` with its code and body."""


class StreamContextLengthError(ContextLengthError, StreamError):
    """An event of the stream refused the input for its length: a `ContextLengthError` with its code and body."""


class StreamTruncatedError(StreamError):
    """The stream ended with neither `[DONE]` nor a finish reason: the answer in `.partial` is not whole."""


class StreamTimeoutError(StreamTruncatedError, APITimeoutError):
    """The stream was silent for too long, or the total timeout passed. `.partial` is not the whole answer."""

    _user_message = "The answer stopped coming. Please ask again."


def _describe_wait(seconds: float | None) -> str:
    """Return when to try again, in words: `in a moment` where nobody knows.

    >>> _describe_wait(None), _describe_wait(20), _describe_wait(200), _describe_wait(7201)
    ('in a moment', 'in 20 seconds', 'in 4 minutes', 'in 3 hours')
    """
    if not seconds or seconds <= 1:
        return "in a moment"
    for length, unit in ((1, "seconds"), (60, "minutes"), (3600, "hours")):
        if seconds <= 90 * length:
            return f"in {math.ceil(seconds / length)} {unit}"
    return "later"


_OF_TWO = (
    BrokenResponseError,
    RefusedContextLengthError,
    RefusedSequenceLengthError,
    StreamContextLengthError,
    StreamSequenceLengthError,
    StreamTimeoutError,
)
"""Those that are both of two, which nobody imports."""

# Tracebacks and pickles show the names by which the others are imported.
for _public in [each for each in vars().values() if isinstance(each, type) and issubclass(each, CfaiError)]:
    if _public not in _OF_TWO:
        _public.__module__ = "cfai"
