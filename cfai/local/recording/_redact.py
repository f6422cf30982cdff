"""Redact recordings: credentials and ids, replaced by stand-ins that are as long, wherever chunks are cut."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from urllib.parse import quote

_SHORTEST = 12
"""Characters that a secret has at least: a local server's account may be called `me`, and so may much else."""

_UUID = rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])"
_WORD = rb"(?<![0-9A-Za-z])[0-9A-Za-z]{12,64}(?![0-9A-Za-z])"
_NAMED = (
    # Behind an error, as members of a JSON object, as engines name their answers, and on pages of Cloudflare's edge.
    rb"\((" + _UUID + rb")\)",
    rb'(?i)"(?:request|req|ray|log|run|trace|event)[_-]?id"\s*:\s*"([^"\\]{6,})"',
    rb"(?<![0-9A-Za-z])(?:chatcmpl-|cmpl-|resp_)([0-9A-Za-z]{12,64})(?![0-9A-Za-z])",
    rb"(?i)ray id:?[^0-9a-f]{0,3}(?:<[^>]*>\s*)?([0-9a-f]{16})(?![0-9a-f])",
)
_FOLLOWED = rb'"request_id"\s*:\s*"(' + _UUID + rb')"'

_TOKEN = (
    # Behind the word, as members of a JSON object, as parameters of a query.
    rb"(?i)bearer ([0-9A-Za-z._~+/=-]{8,})",
    rb'(?i)"(?:[\w-]*[_-])?(?:api[_-]?key|authorization|token|secret)"\s*:\s*"([^"\\\s]{16,})"',
    rb"(?i)(?:^|[&?])(?:[\w-]*[_-])?(?:key|apikey|token|secret)=([^&#\s]{16,})",
)

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_ID_HEADER = r"(?:.*-)?(?:id|ray|uuid)"
_CREDENTIAL = r"(?<!^www-)auth|token$|secret|api-?key"
_KEPT = (
    r"content-(?:type|length|disposition|language)|retry-after|location|allow|www-authenticate"
    r"|cf-ray|cf-aig?-.*|(?:x-)?ratelimit.*"
)
_TEXT = r"text/|json|xml|javascript"


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as it came."""

    number: int
    """The number of the exchange that it belongs to."""

    request: bytes
    """The path, query and body of the request."""

    names_ids: bool
    """Whether a UUID in it that the request did not name is a request's id: so it is, but for lists of what exists."""

    headers: Mapping[str, str]
    """Names in lower case."""

    chunks: Sequence[bytes]


class Redactor:
    """Knows the secrets of a recording, and the ids that it has met: the same id always gets the same stand-in."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Begin with `secrets`, each with what it is filled in with, as often as its length needs."""
        self._secrets: dict[bytes, bytes] = {}
        self._ids: dict[bytes, bytes] = {}
        self._given: set[bytes] = set()
        self._counts: Counter[int] = Counter()
        self._escaped: dict[bytes, bytes] = {}
        for secret, filler in secrets.items():
            self._add_secret(secret, filler)

    def hide_credentials(self, headers: Mapping[str, str]) -> None:
        """From here on, replace what a request's `headers` hold as credentials."""
        for credential in _find_credentials(headers):
            self._add_secret(credential, "x")

    def hide_tokens(self, data: bytes) -> None:
        """From here on, replace the tokens that a request's query or body holds for other providers."""
        for token in _find_tokens(data):
            self._add_secret(token.decode("utf-8", "replace"), "x")

    def register_polled_id(self, data: bytes, exchange: int) -> None:
        """Take the id by which a request's body asks for an earlier one as such, whoever was told it."""
        for id in re.findall(_FOLLOWED, data):
            if id not in self._given:
                self._make_stand_in(id, exchange)

    def redact_request(self, data: bytes) -> bytes:
        """Redact a part of a request. Ids of earlier answers become what they became there."""
        return self._replace_known(self._replace(data, self._secrets))

    def redact_response(self, answer: RawResponse) -> tuple[dict[str, str], list[bytes]]:
        """Return the headers that matter, and the body in the chunks in which it came."""
        secrets = dict(self._secrets)
        for cookie in _find_credentials(answer.headers):
            secrets |= _secret_forms(cookie, "x")
        own: dict[bytes, bytes] = {}
        for name, value in answer.headers.items():
            if re.fullmatch(_ID_HEADER, name) and value:
                # The id in `cf-ray` is followed by the name of a data centre, which is left off in bodies.
                id = re.sub(r"(?<=[0-9a-f]{16})-[A-Z]{3}$", "", value).encode("latin-1")
                own[id.lower()] = self._make_stand_in(id, answer.number)
        headers = {
            name: self._replace_known(self._replace(value.encode("latin-1"), secrets | own)).decode("latin-1")
            for name, value in answer.headers.items()
            if re.fullmatch(_KEPT, name) and not re.search(_CREDENTIAL, name)
        }
        long = {id: stand_in for id, stand_in in own.items() if len(id) >= _SHORTEST}
        body = self._replace(b"".join(answer.chunks), secrets | long)
        if re.search(_TEXT, answer.headers.get("content-type", "text/")):
            body = self._replace_known(self._replace_new_ids(body, answer))
        cuts = accumulate(map(len, answer.chunks), initial=0)
        return headers, [body[start:end] for start, end in pairwise(cuts)]

    def _add_secret(self, secret: str, filler: str) -> None:
        self._secrets |= _secret_forms(secret, filler)
        if len(secret) >= _SHORTEST:
            self._escaped[_escape_pattern(secret)] = filler.encode()

    def _replace(self, data: bytes, values: Mapping[bytes, bytes]) -> bytes:
        data = _replace_values(data, values)
        if b"%" not in data and b"\\" not in data:
            return data
        for pattern in sorted(self._escaped, key=len, reverse=True):
            if found := re.findall(pattern, data):
                filler = self._escaped[pattern]
                data = _replace_values(data, {each.lower(): (filler * len(each))[: len(each)] for each in found})
        return data

    def _replace_known(self, data: bytes) -> bytes:
        for pattern in (_UUID, _WORD):
            data = re.sub(pattern, lambda found: self._ids.get(found[0].lower(), found[0]), data)
        return data

    def _replace_new_ids(self, body: bytes, answer: RawResponse) -> bytes:
        found = [match[1] for pattern in _NAMED for match in re.finditer(pattern, body)]
        if answer.names_ids:
            found += re.findall(_UUID, body)
        asked = answer.request.lower()
        new = [id for id in dict.fromkeys(found) if id not in self._given and id.lower() not in asked]
        return _replace_values(body, {id.lower(): self._make_stand_in(id, answer.number) for id in new})

    def _make_stand_in(self, id: bytes, exchange: int) -> bytes:
        """Zeros in the shape of `id`, which end in the exchange's number and a number of its own."""
        if (known := self._ids.get(id.lower())) is not None:
            return known
        self._counts[exchange] += 1
        digits = reversed(f"{exchange:04d}{self._counts[exchange]:03d}".encode())
        shape = bytearray(re.sub(rb"[0-9A-Za-z]", b"0", id))
        for at in reversed(range(len(shape))):
            if shape[at] == ord("0"):
                shape[at] = next(digits, ord("0"))
        stand_in = bytes(shape)
        self._ids[id.lower()] = stand_in
        self._given.add(stand_in)
        return stand_in


def remove_tokens(data: bytes) -> bytes:
    """Return a request's text without the tokens that it may hold for other providers.

    >>> remove_tokens(b'{"headers": {"Authorization": "Bearer sk-12345678"}}')
    b'{"headers": {"Authorization": "Bearer xxxxxxxxxxx"}}'
    """
    for pattern in _TOKEN:
        data = re.sub(pattern, _remove_group, data)
    return data


def _remove_group(found: re.Match[bytes]) -> bytes:
    start, end = (at - found.start() for at in found.span(1))
    return found[0][:start] + b"x" * (end - start) + found[0][end:]


def _find_tokens(data: bytes) -> Iterator[bytes]:
    for pattern in _TOKEN:
        # Without a digit it is a word: "bearer authentication".
        yield from (token for token in re.findall(pattern, data) if re.search(rb"\d", token))


def _find_credentials(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name == "set-cookie":
            # Its attributes are no secrets: a domain, say.
            yield from re.findall(r"(?:^|,\s*)[^=;,\s]+=([^;,\s]+)", value)
        elif re.search(_CREDENTIAL, name):
            yield value.rpartition(" ")[2]


def _secret_forms(secret: str, filler: str) -> dict[bytes, bytes]:
    """Return a secret as it is, as in a URL, as in JSON and in base64, with what to put there."""
    value = secret.encode("utf-8", "replace")
    forms = [value, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()]
    for before in range(3):
        # Base64 depends on where in three bytes a text begins. Characters that hold neighbours' bits are left off.
        coded = base64.b64encode(bytes(before) + value)[-(-4 * before // 3) : 4 * (before + len(value)) // 3]
        forms += [coded, coded.translate(_URL_SAFE)]
    return {form.lower(): (filler.encode() * len(form))[: len(form)] for form in forms if len(value) >= _SHORTEST}


def _escape_pattern(secret: str) -> bytes:
    """Return a pattern of a secret with any of its characters written as URLs or JSON may write it."""
    characters = secret.encode("utf-8", "replace")
    forms = (rb"(?:\\*%s|%%%02x|\\+u00%02x)" % (re.escape(bytes([each])), each, each) for each in characters)
    return b"(?i)" + b"".join(forms)


def _replace_values(data: bytes, values: Mapping[bytes, bytes]) -> bytes:
    """Return `data` with each of `values`, keys in lower case, replaced; the longest first."""
    if not values:
        return data
    pattern = b"(?i)" + b"|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.sub(pattern, lambda found: values[found[0].lower()], data)
