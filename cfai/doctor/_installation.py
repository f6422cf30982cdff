"""The installation that checks look at: the environment, and the answers of the service, each fetched once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies

import httpx

from cfai import Ai, ConfigurationError, Timeout
from cfai._credentials import (
    ACCOUNT_NAMES,
    BASE_URL_NAMES,
    TOKEN_NAMES,
    Credentials,
    EnvironmentVariables,
    clean,
    is_cloudflare,
    parse_base_url,
    resolve_credentials,
)
from cfai._json import is_mapping
from cfai._response import build_error, parse_body, parse_error_body
from cfai._transport import make_client

CHEAPEST_MODEL = "@cf/baai/bge-small-en-v1.5"
"""The model of the cheapest call there is: a hundredth of a neuron."""

MAX_BODY_SIZE = 8 * 1024 * 1024
"""Bytes of an answer that are read."""

_MIN_SECRET_LENGTH = 4
"""Characters: a shorter one is in too many words."""

FETCH_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""Exceptions where no answer comes; a `ConfigurationError` for a proxy or certificates is a `ValueError`."""


@dataclass(frozen=True, slots=True)
class ServiceResponse:
    """An answer of whoever answered. `tls` has the protocol and who issued the certificate."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    at: float
    """When it came, in seconds of the clock of this machine."""

    tls: str = ""
    whole: bool = True
    """True if all of the body came in time."""

    @property
    def is_html(self) -> bool:
        kind = self.headers.get("content-type", "").lower()
        return kind.startswith("text/html") or self.content.lstrip()[:9].lower() in (b"<!doctype", b"<html")

    @property
    def body(self) -> Any:
        """The body as JSON if it is JSON, else its text."""
        return parse_body(self.content)

    @property
    def code(self) -> int | str | None:
        """The service's own code of an error."""
        return parse_error_body(self.body).code

    @property
    def result(self) -> Any:
        """The value of `result`, or `None`."""
        return self.body.get("result") if is_mapping(self.body) else None


class Installation:
    """One installation of cfai, looked at once. What is secret stays in `Secret`s, and out of every text."""

    def __init__(self, timeout: float, now: Callable[[], float]) -> None:
        self.timeout = timeout
        self.now = now
        self.environment = EnvironmentVariables(os.environ)
        self._answers: dict[tuple[str, bool], ServiceResponse | Exception] = {}
        self.token_variables = self.environment.find_tokens()
        """The variables that hold a token; the first one counts."""
        self.account_variables = self.environment.find(ACCOUNT_NAMES)
        """The variables that hold an account id; the first one counts."""
        self.address_variables = self.environment.find(BASE_URL_NAMES)
        """The variables that hold a base URL; the first one counts."""
        self.token_name = self.token_variables[0][0] if self.token_variables else TOKEN_NAMES[0]
        """The variable that the token comes from, or should."""
        self.account_name = self.account_variables[0][0] if self.account_variables else ACCOUNT_NAMES[0]
        """The variable that the account id comes from, or should."""

    @cached_property
    def base_url(self) -> str:
        """The base URL of calls. Raises `ConfigurationError` for one that cannot work."""
        return parse_base_url(next(iter(self.address_variables), None), allow_http=False)

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_direct(self) -> bool:
        """True if calls go to this machine in the clear, past any proxy."""
        return self.base_url.startswith("http:")

    @property
    def is_cloudflare(self) -> bool:
        return is_cloudflare(self.base_url)

    @cached_property
    def credentials(self) -> Credentials | None:
        """The account that `Ai()` would use, or `None` if it would refuse."""
        try:
            return resolve_credentials(self.environment)
        except ConfigurationError:
            return None

    def make_client(self) -> Ai:
        """Return a client with the environment's credentials, which does not retry and gives up soon."""
        wait = self.timeout
        return Ai(timeout=Timeout(wait, wait, wait, wait, wait), total_timeout=3 * wait, max_retries=None)

    def get(self, path: str, *, with_token: bool = True) -> ServiceResponse:
        """Get `path` under the base URL, once. Raises what httpx raises, again for the same path."""
        if (path, with_token) not in self._answers:
            try:
                self._answers[path, with_token] = self._fetch(path, with_token)
            except FETCH_ERRORS as error:
                self._answers[path, with_token] = error
        answer = self._answers[path, with_token]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get_first_response(self) -> ServiceResponse:
        """Return the answer that shows whether there is a way to the service: with the token, if there is one."""
        if self.credentials is None:
            return self.get("", with_token=False)
        return self.get(self.build_models_path(1))

    def build_models_path(self, page: int) -> str:
        """Return the path of a page of the account's list of models."""
        return self.build_account_path(f"/ai/models/search?page={page}&per_page=50")

    def build_account_path(self, path: str) -> str:
        """Return a path of the account."""
        account = self.credentials
        return f"/accounts/{quote(account.account_id, safe='')}{path}" if account else path

    def describe_error(self, answer: ServiceResponse) -> str:
        """Return the message of an answer that is no success, in a line."""
        return str(build_error(answer.status, answer.headers, answer.content, now=self.now(), secrets=self.secrets))

    @cached_property
    def secrets(self) -> list[str]:
        """The strings that must not show."""
        names = (*TOKEN_NAMES, *ACCOUNT_NAMES, "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_USER_SERVICE_KEY")
        values = [os.environ.get(name, "") for name in names]
        for proxy in getproxies().values():
            login = proxy.rpartition("@")[0].rpartition("//")[2]
            values += [login, login.partition(":")[2]]
        values += [clean(value) for value in values]
        values += [quote(value, errors="replace") for value in values] + [unquote(value) for value in values]
        # A placeholder can be the name of the variable itself, which is to be named.
        secrets = {value for value in values if len(value) >= _MIN_SECRET_LENGTH and value not in names}
        return sorted(secrets, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """Return `text` without any of them, should a server or a library have put one there."""
        for secret in self.secrets:
            text = text.replace(secret, "[removed]")
        return text

    def _fetch(self, path: str, with_token: bool) -> ServiceResponse:
        account = self.credentials
        headers = {"accept-encoding": "identity"}
        if with_token and account:
            headers["authorization"] = f"Bearer {account.token.value}"
        client = make_client(httpx.Client, urls=[self.base_url], trust_env=not self.is_direct)
        client.timeout = self.timeout
        content, end = bytearray(), time.monotonic() + 2 * self.timeout
        whole = True
        with client, client.stream("GET", self.base_url + path, headers=headers) as response:
            at, tls = self.now(), _describe_tls(response)
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_BODY_SIZE or time.monotonic() > end:
                    whole = False
                    break
        lower = {name.lower(): value for name, value in response.headers.items()}
        return ServiceResponse(response.status_code, lower, bytes(content), at, tls, whole)


def _describe_tls(response: httpx.Response) -> str:
    """Return the protocol and the issuer of the certificate: a company's proxy that looks inside names itself there."""
    stream = response.extensions.get("network_stream")
    tls: Any = stream.get_extra_info("ssl_object") if stream is not None else None
    if tls is None:
        return ""
    certificate = cast("dict[str, Any]", tls.getpeercert() or {})
    names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    issuer = names.get("organizationName") or names.get("commonName") or "nobody who is named"
    return f"{tls.version()}, certificate by {issuer}"
