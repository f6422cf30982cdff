"""Errors of the network: an exception of an HTTP client, or of what carries it, becomes an error of cfai's.

They are known by the names of their classes. A client may come from httpx or from its fork, whose trees are unrelated;
under it may be aiohttp, or a transport of its owner's that lets the exceptions of sockets, TLS and HTTP/2 through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cfai._errors import APIConnectionError, APITimeoutError
from cfai._response.error_body import redact

_OF_THE_NETWORK = {
    "RequestError",  # httpx
    "NetworkError", "ProtocolError", "TimeoutException",  # httpcore; h11 and h2 have a `ProtocolError` too
    "ClientError", "HttpProcessingError",  # aiohttp, above and below its parser
    "OSError", "EOFError",  # sockets, TLS, asyncio's streams
    "BrokenResourceError", "ClosedResourceError", "EndOfStream",  # anyio and trio
}  # fmt: skip
_TIMEOUTS = {"TimeoutException", "TimeoutError"}
_CONNECT_TIMEOUTS = {"ConnectTimeout", "ConnectionTimeoutError"}
_READ_TIMEOUTS = {"ReadTimeout", "TimeoutError"}
_NEVER_SENT = {
    "ConnectError", "ProxyError", "WriteError", "UnsupportedProtocol", "LocalProtocolError",
    "ClientConnectorError", "ClientHttpProxyError", "ServerFingerprintMismatch", "InvalidURL",
    "ConnectionRefusedError", "gaierror",
}  # fmt: skip
"""The exceptions of a request that did not leave whole, whatever a connection tells of it."""
_NEVER_RETRYABLE = {"UnsupportedProtocol", "LocalProtocolError", "DecodingError", "InvalidURL"}
_MAX_LENGTH = 500
"""The characters of an exception that go into a message: it may quote what a server sent."""


def map_transport_error(
    exception: Exception,
    model: str,
    host: str,
    *,
    may_be_billed: bool = False,
    is_unsent: bool = False,
    secrets: Sequence[str] = (),
) -> APIConnectionError | None:
    """Return the error for what an HTTP client raised, or `None` if it is none of the network's.

    With `may_be_billed` the request came so far that the model may have run: it is not safe to send again. With
    `is_unsent` it certainly did not. What the server echoed of `secrets` is taken out.
    """
    names = _list_names(exception)
    if not names & _OF_THE_NETWORK:
        return None
    reason = describe_transport_error(exception, secrets)
    is_connecting = bool(names & _CONNECT_TIMEOUTS or (names & _READ_TIMEOUTS and is_unsent))
    retryable = not names & (_NEVER_RETRYABLE | _READ_TIMEOUTS) or is_connecting
    if "PoolTimeout" in names:
        message = f"no connection to {host} came free in time: {reason}"
    elif is_connecting:
        message = f"could not connect to {host} in time: {reason}"
    elif names & _READ_TIMEOUTS:
        billed = "the call may have been billed, so it was not sent again; raise timeout=, or stream the answer"
        message = f"{host} did not answer in time ({reason}): {billed if may_be_billed else 'raise timeout='}"
    elif names & _TIMEOUTS:
        message = f"could not send to {host} in time: {reason}"
    elif "ProxyError" in names and re.match("407|Invalid username|Requested .* from proxy", reason):
        retryable = False
        message = f"no answer from {host}: {reason}. Put a user and a password that the proxy takes into its URL"
    elif "ProxyError" in names and re.match("[34]", reason) and not reason.startswith("429"):
        retryable = False
        message = f"no answer from {host}: {reason}. The proxy does not let this call through: ask whoever runs it"
    elif "CERTIFICATE_VERIFY_FAILED" in reason:
        retryable = False
        hint = "pass verify= with your own certificates if a proxy puts its own in between"
        message = f"{host} is not trusted: {reason}. {hint}"
    elif may_be_billed and not names & _NEVER_SENT:
        retryable = False
        hint = "the request was sent whole, so it may have been billed; it was not sent again"
        message = f"no answer from {host}: {reason} ({hint})"
    else:
        message = f"no answer from {host}: {reason}"
    kind = APITimeoutError if names & _TIMEOUTS else APIConnectionError
    return kind(message, model=model, retryable=retryable)


def find_cause(exception: Exception, secrets: Sequence[str] = ()) -> Exception | None:
    """Return the exception to stand behind the error for it: itself, unless it holds credentials.

    aiohttp's exceptions have the headers of the request. The frames of any library have them, and those for a proxy,
    so it stands there without its traceback, and without what it was raised in.
    """
    for each in _chain(exception):
        if _is_aiohttp(each) or any(secret in str(each) for secret in secrets):
            return None
        each.__traceback__ = each.__context__ = None
    return exception


def _chain(exception: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and its causes. Its context may be anything that its caller was at."""
    seen = set[int]()  # one that is raised again may be its own cause; those of JavaScript have no hash
    while exception is not None and id(exception) not in seen:
        seen.add(id(exception))
        yield exception
        exception = exception.__cause__


def _is_aiohttp(exception: BaseException) -> bool:
    return type(exception).__module__.partition(".")[0] == "aiohttp"


def describe_transport_error(exception: BaseException, secrets: Sequence[str]) -> str:
    """Return what an HTTP client raised, in words."""
    origin, names = _find_origin(exception), _list_names(exception)
    text = str(origin)
    if "ClientResponseError" in names:
        text = getattr(origin, "message", text)  # the rest of it reads like a status that the service sent
    elif "ServerDisconnectedError" in names:
        text = "the server disconnected"  # else half an answer, as an object
    elif not text and "ConnectError" in names:
        text = "the connection was closed"  # anyio's end of a stream has no words
    text = redact(" ".join(text.split()).encode("utf-8", "replace"), secrets).decode()
    return text[:_MAX_LENGTH] or type(origin).__name__


def _find_origin(exception: BaseException) -> BaseException:
    """Return what aiohttp itself raised, if it did: httpx-aiohttp takes a lost connection for one that was not made."""
    return next(filter(_is_aiohttp, _chain(exception)), exception)


def _list_names(exception: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(_find_origin(exception)).__mro__}
