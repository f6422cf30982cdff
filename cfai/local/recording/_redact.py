"""Redact exchanges: credentials and ids, replaced by stand-ins that are as long, wherever chunks are cut."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise

from cfai.local.recording._exchange import (
    TOKEN_PATTERNS,
    BinaryChunk,
    Exchange,
    ExchangeResponse,
    ExchangeTimes,
    RawExchange,
    parse_request,
)
from cfai.local.server import CREDENTIAL_HEADERS

_MIN_SECRET_LENGTH = 12
"""Characters that a secret has at least: a local server's account may be called `me`, and so may much else."""

_UUID = rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])"
_WORD = rb"(?<![0-9A-Za-z])[0-9A-Za-z]{12,64}(?![0-9A-Za-z])"
_ID_PATTERNS = (
    # Behind an error, as members of a JSON object, as engines name their answers, and on pages of Cloudflare's edge.
    rb"\((" + _UUID + rb")\)",
    rb'(?i)"(?:request|req|ray|log|run|trace|event)[_-]?id"\s*:\s*"([^"\\]{6,})"',
    rb"(?<![0-9A-Za-z])(?:chatcmpl-|cmpl-|resp_)([0-9A-Za-z]{12,64})(?![0-9A-Za-z])",
    rb"(?i)ray id:?[^0-9a-f]{0,3}(?:<[^>]*>\s*)?([0-9a-f]{16})(?![0-9a-f])",
)
_POLLED_ID = rb'"request_id"\s*:\s*"(' + _UUID + rb')"'

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_ID_HEADER = r"(?:.*-)?(?:id|ray|uuid)"
_CREDENTIAL_PATTERN = r"(?<!^www-)auth|token$|secret|api-?key"
"""The names of other headers that hold a credential."""

_RECORDED_HEADER = (
    r"content-(?:type|length|disposition|language)|retry-after|location|allow|www-authenticate"
    r"|cf-ray|cf-aig?-.*|(?:x-)?ratelimit.*"
)
_TEXT_TYPE = r"text/|json|xml|javascript"


class Redactor:
    """Knows the secrets of a recording, and the ids that it has met: the same id always gets the same stand-in."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Begin with `secrets`, each with what it is filled in with, as often as its length needs."""
        self._secrets: dict[bytes, bytes] = {}
        """Fillers by the pattern of a secret."""
        self._ids: dict[bytes, bytes] = {}
        """Stand-ins by the id in lower case."""
        self._counts: Counter[int] = Counter()
        for secret, filler in secrets.items():
            self._secrets |= _build_secret_patterns(secret, filler)

    def hide_credentials(self, headers: Mapping[str, str]) -> None:
        """From here on, replace what a request's `headers` hold as credentials."""
        for credential in _find_credentials(headers):
            self._secrets |= _build_secret_patterns(credential)

    def redact(self, exchange: RawExchange) -> Exchange:
        """Return the exchange as it may be written down."""
        path, query, content_type = (
            text.encode("latin-1") for text in (exchange.path, exchange.query, exchange.request_content_type or "")
        )
        # From here on, the tokens for other providers are replaced wherever they are echoed.
        for token in (*_find_tokens(query), *_find_tokens(exchange.request_body)):
            self._secrets |= _build_secret_patterns(token.decode("utf-8", "replace"))
        for id in re.findall(_POLLED_ID, exchange.request_body):
            # Another recorder may have handed the batch in.
            if id not in self._ids.values():
                self._make_stand_in(id, exchange.number)
        redacted = [self.redact_request(part).decode("latin-1") for part in (path, query, content_type)]
        request = parse_request(
            exchange.method, redacted[0], redacted[1], redacted[2] or None, self.redact_request(exchange.request_body)
        )
        headers, chunks = self._redact_response(exchange, b"\n".join([path, query, exchange.request_body]))
        response = ExchangeResponse(
            status=exchange.status,
            headers=headers,
            cut=exchange.cut,
            times=ExchangeTimes(head=exchange.head_time, chunks=list(exchange.chunk_times)),
            chunks=[BinaryChunk.encode(chunk) for chunk in chunks],
        )
        return Exchange(format=1, request=request, response=response)

    def redact_request(self, data: bytes) -> bytes:
        """Redact a part of a request. Ids of earlier answers become what they became there."""
        return self._replace_known_ids(_replace_secrets(data, self._secrets))

    def _redact_response(self, exchange: RawExchange, requested: bytes) -> tuple[dict[str, str], list[bytes]]:
        """Return the headers that matter, and the body in the chunks in which it came."""
        secrets = dict(self._secrets)
        for cookie in _find_credentials(exchange.response_headers):
            secrets |= _build_secret_patterns(cookie)
        header_ids: dict[bytes, bytes] = {}
        for name, value in exchange.response_headers.items():
            if re.fullmatch(_ID_HEADER, name) and value:
                # The id in `cf-ray` is followed by the name of a data centre, which is left off in bodies.
                id = re.sub(r"(?<=[0-9a-f]{16})-[A-Z]{3}$", "", value).encode("latin-1")
                header_ids[id.lower()] = self._make_stand_in(id, exchange.number)

        def substitute(data: bytes, ids: Mapping[bytes, bytes]) -> bytes:
            return _replace_values(_replace_secrets(data, secrets), ids)

        headers = {
            name: self._replace_known_ids(substitute(value.encode("latin-1"), header_ids)).decode("latin-1")
            for name, value in exchange.response_headers.items()
            if re.fullmatch(_RECORDED_HEADER, name) and not _is_credential(name)
        }
        long_ids = {id: stand_in for id, stand_in in header_ids.items() if len(id) >= _MIN_SECRET_LENGTH}
        body = substitute(b"".join(exchange.response_chunks), long_ids)
        if re.search(_TEXT_TYPE, exchange.response_headers.get("content-type", "text/")):
            body = self._replace_known_ids(self._replace_new_ids(body, exchange, requested))
        cuts = accumulate(map(len, exchange.response_chunks), initial=0)
        return headers, [body[start:end] for start, end in pairwise(cuts)]

    def _replace_known_ids(self, data: bytes) -> bytes:
        for pattern in (_UUID, _WORD):
            data = re.sub(pattern, lambda match: self._ids.get(match[0].lower(), match[0]), data)
        return data

    def _replace_new_ids(self, body: bytes, exchange: RawExchange, requested: bytes) -> bytes:
        ids = [match[1] for pattern in _ID_PATTERNS for match in re.finditer(pattern, body)]
        if exchange.method == "POST" or exchange.status >= 400:
            # Any UUID is a request's id then; in lists of what exists it may be anything.
            ids += re.findall(_UUID, body)
        stand_ins, requested = set(self._ids.values()), requested.lower()
        new = [id for id in dict.fromkeys(ids) if id not in stand_ins and id.lower() not in requested]
        return _replace_values(body, {id.lower(): self._make_stand_in(id, exchange.number) for id in new})

    def _make_stand_in(self, value: bytes, number: int) -> bytes:
        """Return zeros in the shape of `value`, which end in the exchange's number and a number of its own."""
        if (known := self._ids.get(value.lower())) is not None:
            return known
        self._counts[number] += 1
        digits = reversed(f"{number:04d}{self._counts[number]:03d}".encode())
        shape = bytearray(re.sub(rb"[0-9A-Za-z]", b"0", value))
        for at in reversed(range(len(shape))):
            if shape[at] == ord("0"):
                shape[at] = next(digits, ord("0"))
        self._ids[value.lower()] = bytes(shape)
        return bytes(shape)


def _find_tokens(data: bytes) -> Iterator[bytes]:
    for pattern in TOKEN_PATTERNS:
        # Without a digit it is a word: "bearer authentication".
        yield from (token for token in re.findall(pattern, data) if re.search(rb"\d", token))


def _find_credentials(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name == "set-cookie":
            # Its attributes are no secrets: a domain, say.
            yield from re.findall(r"(?:^|,\s*)[^=;,\s]+=([^;,\s]+)", value)
        elif _is_credential(name):
            yield value.rpartition(" ")[2]


def _is_credential(header: str) -> bool:
    return header in CREDENTIAL_HEADERS or re.search(_CREDENTIAL_PATTERN, header) is not None


def _build_secret_patterns(secret: str, filler: str = "x") -> dict[bytes, bytes]:
    """Return patterns of a secret, in base64 and with any character as URLs or JSON may write it, and their filler."""
    value = secret.encode("utf-8", "replace")
    if len(value) < _MIN_SECRET_LENGTH:
        return {}
    characters = (rb"(?:\\*%s|%%%02x|\\+u00%02x)" % (re.escape(bytes([each])), each, each) for each in value)
    patterns = [b"".join(characters)]
    for before in range(3):
        # Base64 depends on where in three bytes a text begins. Characters that hold neighbours' bits are left off.
        coded = base64.b64encode(bytes(before) + value)[-(-4 * before // 3) : 4 * (before + len(value)) // 3]
        patterns += [re.escape(coded), re.escape(coded.translate(_URL_SAFE))]
    return dict.fromkeys(patterns, filler.encode())


def _replace_secrets(data: bytes, secrets: Mapping[bytes, bytes]) -> bytes:
    """Return `data` with fillers in the places of secrets, the longest first."""
    if not secrets:
        return data
    patterns = sorted(secrets, key=len, reverse=True)

    def fill(match: re.Match[bytes]) -> bytes:
        filler = next(secrets[pattern] for pattern in patterns if re.fullmatch(b"(?i)" + pattern, match[0]))
        return (filler * len(match[0]))[: len(match[0])]

    return re.sub(b"(?i)" + b"|".join(patterns), fill, data)


def _replace_values(data: bytes, values: Mapping[bytes, bytes]) -> bytes:
    """Return `data` with each of `values`, keys in lower case, replaced; the longest first."""
    if not values:
        return data
    pattern = b"(?i)" + b"|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.sub(pattern, lambda match: values[match[0].lower()], data)
