"""The lines of the logger `cfai`: one for each call at INFO, headers at DEBUG, and at WARNING one for each retry and
each stream for a browser that breaks off.

A library is silent by default. `CFAI_LOG=info` shows them on standard error; a program may set up the logger itself.
Neither inputs nor answers are logged, and no credentials.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from cfai._credentials import clean, is_secret_header
from cfai._errors import CfaiError, ConfigurationError, StreamTruncatedError
from cfai.types import Meta, Usage

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

logger = logging.getLogger("cfai")
"""Whoever logs a line a call asks it first for the level, which is cheaper than to make the line."""
logger.addHandler(logging.NullHandler())


def show_log(level: str) -> None:
    """Show the log on standard error from a level on. Raises `ConfigurationError` for a level that is none."""
    level = clean(level).lower()
    if level not in LEVELS:
        raise ConfigurationError(f"CFAI_LOG must be {', '.join(LEVELS)} or unset")
    logger.setLevel(LEVELS[level])
    if not any(type(each) is logging.StreamHandler for each in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        # A program that has set up its own logging, be it later, shows the lines by that.
        handler.addFilter(lambda _: not logging.getLogger().handlers)
        logger.addHandler(handler)


def log_call(
    meta: Meta,
    seconds: float,
    attempts: int,
    usage: Usage | None,
    error: Exception | None = None,
    *,
    label: str | None = None,
) -> None:
    """Log a call that was answered, with the error that ended its stream; `label` is what it shows, if no model."""
    tokens = None if usage is None else f"{usage.prompt_tokens}+{usage.completion_tokens}"
    ended = None if error is None else _describe_error(error)
    _log(label or meta.model, meta.status_code, seconds, tokens, meta.neurons, attempts - 1, meta.request_id, ended)


def log_operation(label: str, meta: Meta, seconds: float, attempts: int) -> None:
    """Log an answered request that ran no model, if calls are logged."""
    if logger.isEnabledFor(logging.INFO):
        _log(label, meta.status_code, seconds, None, None, attempts - 1, meta.request_id, None)


def log_dropped(meta: Meta, seconds: float, attempts: int, *, label: str) -> None:
    """Log a call whose stream nobody held any more before its end, if calls are logged."""
    if logger.isEnabledFor(logging.INFO):
        log_call(meta, seconds, attempts, None, StreamTruncatedError(""), label=label)


def log_failure(label: str, seconds: float, attempts: int, error: BaseException) -> None:
    """Log a call that failed, or was cancelled, before its answer could be read."""
    status, request_id = getattr(error, "status_code", None), getattr(error, "request_id", None)
    _log(label, status, seconds, None, None, attempts - 1, request_id, _describe_error(error))


def log_retry(label: str, attempts: int, pause: float, error: CfaiError) -> None:
    """Log that a call is sent again after a pause of so many seconds, and why."""
    message = f"sent again in {pause:.2f} s, retry {attempts}, after {_quote_error(error)}"
    logger.warning("%s", _printable(label, message))


def log_broken_event_stream(error: CfaiError) -> None:
    """Log what ended a stream for a browser, which sees it as an event: the program itself does not."""
    reason, request_id = _quote_error(error), error.request_id or ""
    details = "" if request_id in reason else f" (request id {request_id})"
    logger.warning("%s", _printable(error.model or "", f"an event stream broke off: {reason}{details}"))


def log_headers(subject: str, headers: Mapping[str, str]) -> None:
    """Log the headers of a request or an answer, those that may carry a secret without their values."""
    shown = (f"{name}: {_redact_header(name, value)}" for name, value in headers.items())
    logger.debug("%s", _printable(subject, "headers:", "; ".join(shown)))


def _log(
    label: str,
    status: int | None,
    seconds: float,
    tokens: str | None,
    neurons: float | None,
    retries: int,
    request_id: str | None,
    error: str | None,
) -> None:
    milliseconds = round(seconds * 1000)
    fields = {"status": status, "ms": milliseconds, "tokens": tokens, "neurons": neurons, "retries": retries}
    fields |= {"request_id": request_id, "error": error}
    logger.info("%s", _printable(label, *(f"{name}={value}" for name, value in fields.items() if value is not None)))


def _quote_error(error: CfaiError) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _describe_error(error: BaseException) -> str:
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__}({code})"


def _redact_header(name: str, value: str) -> str:
    return "[removed]" if is_secret_header(name) else value


def _printable(*parts: Any) -> str:
    text = " ".join(parts)
    return text if text.isprintable() else ascii(text)[1:-1]
