"""Bodies of answers: as JSON or text, without echoed credentials, and what one that tells an error says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from json import detect_encoding
from typing import Any, NamedTuple, cast

from cfai._json import as_sequence, is_mapping, loads, to_compact_json
from cfai._response.error_codes import CODES, EDGE_PAGE_CODES


class ErrorBody(NamedTuple):
    """An error body, whichever of its shapes it came in."""

    message: str
    code: int | str | None = None
    name: str = ""


_TEXT_KEYS = ("description", "error_description", "message", "detail", "error", "errors", "title", "msg")
"""The fields of an error that may hold its text, the best first."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
UUID_AT_END = r"\(?\b([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\b\)?\s*$"
_PREFIXES = r"\A(?:(?:AiError|AiGatewayError|InferenceUpstreamError): \s*)+"
# "3040: …", and behind a word: "error code: 1015", "AiError 3043", "[code: 9109]". A port is none.
_CODE_IN_TEXT = r"(?<![\w.:/])([0-9]{3,5}):|(?:error|code)\W{1,4}([0-9]{3,5})\b"
_CODE_IN_PAGE = r"(?i)(?:error(?: code)?[ :]{1,2}|cf-error-code[^<>]{0,20}>\s{0,9}|\|\s)([0-9]{4})\b"
_TAG = r"<[^<>]*>"
_TITLE = r"(?i)<title[^<>]*>\s*([^<\s][^<]{0,300})"
_NO_TEXT = r"(?is)<(style|script)\b.*?(?:</\1[^<>]*>|\Z)|<!--.*?(?:-->|\Z)"
# The host alone is no mark: a firewall's page names the address that it blocks.
_EDGE_MARKS = r"(?i)cf-(?:error|wrapper|ray)|cdn-cgi|cloudflare ray id|cloudflare to restrict|[>|]\s?cloudflare\b"
_MAX_PAGE = 20_000
"""The characters of a web page that are read."""
_SHORTEST_SECRET = 8
"""A shorter one is no real token, and would be found in the middle of words."""
_MAX_LENGTH = 500
"""The characters of a body that go into a message; the whole of it is in `.body`."""


def redact(content: bytes, secrets: Iterable[str]) -> bytes:
    """Return `content` without the credentials that a server or proxy echoed."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            content = content.replace(secret.encode(), b"[removed]")
    return content


def redact_headers(headers: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """Return `headers` without cookies, and without the credentials that a server or proxy echoed."""
    return {name: redact(value.encode(), secrets).decode() for name, value in headers.items() if name != "set-cookie"}


def redact_json(value: Any, secrets: Iterable[str]) -> Any:
    """Return a JSON value without the credentials that a server echoed; itself if it has none."""
    content = to_compact_json(value).encode("utf-8", "replace")
    redacted = redact(content, secrets)
    return value if redacted == content else parse_body(redacted)


def parse_redacted_body(content: bytes, secrets: Sequence[str]) -> Any:
    """Return a body as JSON if it is JSON, else as text, without the credentials that a server echoed.

    >>> parse_redacted_body(b'{"error": "no /topsecret"}', ["/topsecret"])
    {'error': 'no [removed]'}
    """
    body = parse_body(content)
    if isinstance(body, str):
        return redact(body.encode("utf-8", "replace"), secrets).decode()
    return redact_json(body, secrets)  # parsed: JSON may escape any character


def to_utf8(content: bytes) -> bytes:
    """Return a body of text in UTF-8 without a byte-order mark, if it was one in UTF-16 or UTF-32 as JSON may be.

    >>> to_utf8('{"a": 1}'.encode("utf-16-le")), to_utf8(b"\\xef\\xbb\\xbf{}")
    (b'{"a": 1}', b'{}')
    """
    encoding = detect_encoding(content)
    try:
        return content if encoding == "utf-8" else content.decode(encoding).encode()
    except ValueError:
        return content  # other bytes that begin like it


def parse_body(content: bytes) -> Any:
    """Return a body as JSON if it is JSON, else as text."""
    try:
        return loads(to_utf8(content))
    except ValueError:
        return to_utf8(content).decode("utf-8", "replace")


def parse_error_body(body: Any) -> ErrorBody:
    """Return what an error body says: the first error that has a message, in any of the shapes the service uses.

    >>> parse_error_body({"errors": [{"code": 3040, "message": "AiError: Capacity temporarily exceeded"}]})
    ErrorBody(message='Capacity temporarily exceeded', code=3040, name='')
    >>> parse_error_body({"internalCode": 1001, "name": "InvalidInput", "description": "prompt and messages"})
    ErrorBody(message='prompt and messages', code=1001, name='InvalidInput')
    >>> parse_error_body("<html><title>502 Bad Gateway</title></html>")
    ErrorBody(message='502 Bad Gateway', code=None, name='')
    """
    if isinstance(body, str):
        return _parse_error_text(body)
    errors = [_parse_error(item) for item in _list_errors(body)]
    error = next((error for error in errors if error.message), errors[0] if errors else ErrorBody(""))
    if error.code is None:  # it may stand beside the error
        error = error._replace(code=next((error.code for error in errors if error.code is not None), None))
    if error.message or error.code is not None:
        return error
    return error._replace(message="" if body in (None, {}, []) else truncate(to_compact_json(body)))


def is_foreign_page(body: str) -> bool:
    """Return True for a web page that is not of Cloudflare's edge."""
    page = body.lstrip()[:_MAX_PAGE]
    return page[:1] == "<" and not re.search(_EDGE_MARKS, page)


def truncate(text: str) -> str:
    text = " ".join(text[: 4 * _MAX_LENGTH].split())
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "…"


def _list_errors(body: Any) -> Iterable[Any]:
    if isinstance(body, list):
        yield from cast("list[Any]", body)
    if not is_mapping(body):
        return
    result = body.get("result")
    for value in (body.get("errors"), body.get("error"), result if is_mapping(result) and "error" in result else None):
        if isinstance(value, list):
            yield from cast("list[Any]", value)
        elif is_mapping(value):
            yield value
    if any(key in body for key in (*_TEXT_KEYS, "internalCode", "code", "name")):
        yield body


def _parse_error(item: Any, depth: int = 0) -> ErrorBody:
    if isinstance(item, str):
        return _parse_error_text(item)
    first = next(iter(as_sequence(item)), None)
    if is_mapping(first) and "msg" in first:
        # FastAPI's list of what is wrong with a request, which engines answer with.
        return ErrorBody(": ".join((".".join(map(str, as_sequence(first.get("loc")))), str(first["msg"]))).lstrip(": "))
    if first is not None and depth <= 3:
        return _parse_error(first, depth + 1)
    if not is_mapping(item) or depth > 3:
        return ErrorBody("" if item is None else truncate(to_compact_json(item)))
    text = next((item[key] for key in _TEXT_KEYS if item.get(key) and item[key] is not True), "")
    inner = _parse_error_text(text) if isinstance(text, str) else _parse_error(text, depth + 1)
    message, title = inner.message, item.get("title")
    if isinstance(title, str) and title != message:
        message = f"{title}: {message}"
    # The API says in a chain what it means: "Invalid request headers", for "Invalid format for Authorization header".
    chain = [link.get("message") for link in as_sequence(item.get("error_chain")) if is_mapping(link)]
    message = ": ".join([message, *(link for link in chain if isinstance(link, str))])
    code = next((item[key] for key in ("internalCode", "code", "error_code") if item.get(key) is not None), inner.code)
    # In problem+json (RFC 9457) the type is the URI of a page about the error, and no name of it.
    name = next((name for name in (item.get("name"), item.get("type")) if name and ":" not in str(name)), "")
    return ErrorBody(message, _parse_code(code), name if isinstance(name, str) else "")


def _parse_error_text(text: str) -> ErrorBody:
    message = re.sub(_PREFIXES, "", text.strip())
    if message[:1] == "<":
        page = _parse_page(message[:_MAX_PAGE])
        id_at_end = re.search(UUID_AT_END, message[-100:])
        return page._replace(message=f"{page.message} ({id_at_end[1]})") if id_at_end else page
    end = message.rfind("}") + 1
    if message[:1] == "{" and is_mapping(upstream := parse_body(message[:end].encode("utf-8", "replace"))):
        inner = parse_error_body(upstream)
        code = inner.code if inner.code in CODES else None
        return ErrorBody(inner.message + message[end:], code, inner.name)
    # The binding writes "3040: text", sometimes behind a class name: only a code that is known counts.
    found = (int(digits) for match in re.findall(_CODE_IN_TEXT, message[:200]) for digits in match if digits)
    return ErrorBody(message, next((code for code in found if code in CODES), None))


def _parse_page(page: str) -> ErrorBody:
    """Return what a web page says: its title, else its text, and the code of an error of Cloudflare's edge."""
    title = re.search(_TITLE, page)
    text = title[1] if title else re.sub(_TAG, " ", re.sub(_NO_TEXT, " ", page))
    found = map(int, re.findall(_CODE_IN_PAGE, page)) if re.search(_EDGE_MARKS, page) else ()
    return ErrorBody(truncate(unescape(text)), next((code for code in found if code in EDGE_PAGE_CODES), None))


def _parse_code(value: Any) -> int | str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    text = str(value)[:100].strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None
