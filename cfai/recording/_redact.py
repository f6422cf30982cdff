"""What must not be kept: credentials and ids, replaced by stand-ins that are as long, wherever chunks are cut."""

from __future__ import annotations

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
_BEARER = rb"(?i)(?<=bearer )[0-9A-Za-z._~+/=-]{8,}"

_ID_HEADER = r"(?:.*-)?(?:id|ray|uuid)"
_CREDENTIAL = r"(?<!^www-)auth|token$|secret|api-?key"
_KEPT = (
    r"content-(?:type|length|disposition|language)|retry-after|location|allow|www-authenticate"
    r"|cf-ray|cf-aig?-.*|(?:x-)?ratelimit.*"
)
_TEXT = r"text/|json|xml|javascript"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as it came."""

    exchange: int
    """The number of the exchange that it belongs to."""

    asked: bytes
    """The path, query and body of the request."""

    names_ids: bool
    """Whether a UUID in it that the request did not name is a request's id: so it is, but for lists of what exists."""

    headers: Mapping[str, str]
    """Names in lower case."""

    chunks: Sequence[bytes]


class Redactor:
    """Knows the secrets of a recording, and the ids that it has met: the same id always gets the same stand-in."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets` says what each is filled in with, as often as its length needs."""
        self._secrets: dict[bytes, bytes] = {}
        self._ids: dict[bytes, bytes] = {}
        self._given: set[bytes] = set()
        self._counts: Counter[int] = Counter()
        for secret, filler in secrets.items():
            self._secrets |= _forms(secret, filler)

    def hide_credentials(self, headers: Mapping[str, str]) -> None:
        """From here on, replace what a request's `headers` hold as credentials."""
        for credential in _credentials(headers):
            self._secrets |= _forms(credential, "x")

    def asked(self, data: bytes) -> bytes:
        """A request's path, query, content type or body. Ids of earlier answers become what they became there."""
        return self._known(_replaced(data, self._secrets))

    def answered(self, answer: Answer) -> tuple[dict[str, str], list[bytes]]:
        """The headers that matter, and the body in the chunks in which it came."""
        secrets = dict(self._secrets)
        for cookie in _credentials(answer.headers):
            secrets |= _forms(cookie, "x")
        own: dict[bytes, bytes] = {}
        for name, value in answer.headers.items():
            if re.fullmatch(_ID_HEADER, name) and value:
                # The id in `cf-ray` is followed by the name of a data centre, which is left off in bodies.
                id = re.sub(r"(?<=[0-9a-f]{16})-[A-Z]{3}$", "", value).encode("latin-1")
                own[id.lower()] = self._stand_in(id, answer.exchange)
        headers = {
            name: self._known(_replaced(value.encode("latin-1"), secrets | own)).decode("latin-1")
            for name, value in answer.headers.items()
            if re.fullmatch(_KEPT, name) and not re.search(_CREDENTIAL, name)
        }
        long = {id: stand_in for id, stand_in in own.items() if len(id) >= _SHORTEST}
        body = _replaced(b"".join(answer.chunks), secrets | long)
        if re.search(_TEXT, answer.headers.get("content-type", "text/")):
            body = self._known(self._without_new_ids(body, answer))
        cuts = accumulate(map(len, answer.chunks), initial=0)
        return headers, [body[start:end] for start, end in pairwise(cuts)]

    def _known(self, data: bytes) -> bytes:
        for pattern in (_UUID, _WORD):
            data = re.sub(pattern, lambda found: self._ids.get(found[0].lower(), found[0]), data)
        return data

    def _without_new_ids(self, body: bytes, answer: Answer) -> bytes:
        found = [match[1] for pattern in _NAMED for match in re.finditer(pattern, body)]
        if answer.names_ids:
            found += re.findall(_UUID, body)
        asked = answer.asked.lower()
        new = [id for id in dict.fromkeys(found) if id not in self._given and id.lower() not in asked]
        return _replaced(body, {id.lower(): self._stand_in(id, answer.exchange) for id in new})

    def _stand_in(self, id: bytes, exchange: int) -> bytes:
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


def without_bearers(data: bytes) -> bytes:
    """A request's text without the tokens that it may hold for other providers.

    >>> without_bearers(b'{"headers": {"Authorization": "Bearer sk-12345678"}}')
    b'{"headers": {"Authorization": "Bearer xxxxxxxxxxx"}}'
    """
    return re.sub(_BEARER, lambda found: b"x" * len(found[0]), data)


def _credentials(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name == "set-cookie":
            # Its attributes are no secrets: a domain, say.
            yield from re.findall(r"(?:^|,\s*)[^=;,\s]+=([^;,\s]+)", value)
        elif re.search(_CREDENTIAL, name):
            yield value.rpartition(" ")[2]


def _forms(secret: str, filler: str) -> dict[bytes, bytes]:
    """A secret as it is, as in a URL and as in JSON, with what to put there."""
    forms = (form.encode("utf-8", "replace") for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]))
    return {form.lower(): (filler.encode() * len(form))[: len(form)] for form in forms if len(form) >= _SHORTEST}


def _replaced(data: bytes, values: Mapping[bytes, bytes]) -> bytes:
    """`data` with each of `values`, keys in lower case, replaced; the longest first."""
    if not values:
        return data
    pattern = b"(?i)" + b"|".join(map(re.escape, sorted(values, key=len, reverse=True)))
    return re.sub(pattern, lambda found: values[found[0].lower()], data)
