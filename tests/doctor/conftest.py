"""An environment without settings of the machine's own, and servers that are not what they should be."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cfai.doctor import Finding, examine
from tests.conftest import ACCOUNT, TOKEN, Peer, Serve, Server

NOWHERE = "http://127.0.0.1:9/client/v4"
"""A base URL at which nothing listens."""

TLS = Path(__file__).parent / "tls"
"""Certificates of `localhost` with their keys, signed by themselves: one is good for a century, one has expired."""

Answers = dict[str, tuple[str, str, Any]]
"""By a part of the request's first line: status, content type, and a body, as JSON unless it is a text."""
At = Callable[..., None]
Answering = Callable[..., Server]
"""The types of the fixtures of these names."""


@pytest.fixture(autouse=True)
def _trusts_the_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def findings(**options: Any) -> dict[str, Finding]:
    """Return what the doctor finds, by the name of the check."""
    return {finding.check: finding for finding in examine(**{"timeout": 5.0, **options})}


def show(report: dict[str, Finding]) -> str:
    """Return all that a report says."""
    return "".join(map(str, report.values()))


def problems(report: dict[str, Finding]) -> list[str]:
    """Return the names of the checks that found a problem."""
    return [name for name, finding in report.items() if finding.verdict == "problem"]


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


def get_text(finding: Finding) -> str:
    return f"{finding.message} | {finding.remedy}"


def enveloped(result: Any) -> dict[str, Any]:
    return {"result": result, "success": True, "errors": [], "messages": []}


def refused(code: int, message: str = "no") -> dict[str, Any]:
    return {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}


def point_at(patch: pytest.MonkeyPatch, url: str, account: str = ACCOUNT, token: str = TOKEN) -> None:
    """Set the environment's base URL, account id and token."""
    patch.setenv("CLOUDFLARE_API_BASE_URL", url)
    patch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
    patch.setenv("CLOUDFLARE_API_TOKEN", token)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    return partial(point_at, monkeypatch)


@pytest.fixture
def answering(serve: Serve, at: At) -> Answering:
    """Starts a server that answers as it is told, with headers if any are given, and points the environment at it."""

    def start(answers: Answers, head: str = "") -> Server:
        def script(peer: Peer) -> None:
            while request := peer.request():
                line = request.partition(b"\r\n")[0].decode()
                other = ("400 Bad Request", "application/json", refused(7000))
                status, kind, body = next((answer for part, answer in answers.items() if part in line), other)
                content = body if isinstance(body, str) else json.dumps(body)
                peer.answer(content.encode(), kind, status, head)

        server = serve(script)
        at(server.url)
        return server

    return start


@pytest.fixture
def tls(serve: Serve) -> Callable[[str], str]:
    """Starts a server with the certificate of that name: its origin, by the name `localhost`."""

    def start(certificate: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / certificate)

        def script(peer: Peer) -> None:
            # A client that does not trust it leaves in the middle.
            with context.wrap_socket(peer.connection, server_side=True) as peer.connection:
                while peer.request():
                    peer.answer(json.dumps(refused(7000)).encode(), status="400 Bad Request")

        return f"https://localhost:{serve(script).port}"

    return start
