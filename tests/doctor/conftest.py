"""An environment without settings of the machine's own, and servers that are not what they should be."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cfai.doctor import Finding, examine

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "token-that-must-not-show-0123456789"

NOWHERE = "http://127.0.0.1:9/client/v4"
"""Where nothing listens."""

TLS = Path(__file__).parent / "tls"
"""Certificates of `localhost` with their keys, signed by themselves: one is good for a century, one has expired."""

Answers = dict[str, tuple[str, str, Any]]
"""By a part of the request's first line: status, content type, and a body, as JSON unless it is a text."""


At = Callable[..., None]
Answering = Callable[..., Any]
Serve = Callable[[Callable[[Any], None]], Any]
"""What the fixtures of these names are."""


@pytest.fixture(autouse=True)
def _trusts_the_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def findings(**options: Any) -> dict[str, Finding]:
    """Return what the doctor finds, by the name of the check."""
    return {finding.check: finding for finding in examine(**{"timeout": 5.0, **options})}


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


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Sets the environment's base URL, account id and token."""

    def set_to(url: str, account: str = ACCOUNT, token: str = TOKEN) -> None:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", token)

    return set_to


@pytest.fixture
def answering(serve: Serve, at: At) -> Answering:
    """Starts a server that answers as it is told, with headers if any are given, and points the environment at it."""

    def start(answers: Answers, head: str = "") -> Any:
        def script(peer: Any) -> None:
            while request := peer.request():
                line = request.partition(b"\r\n")[0].decode()
                part = next((part for part in answers if part in line), None)
                status, kind, body = (
                    answers[part] if part is not None else ("400 Bad Request", "application/json", refused(7000))
                )
                content = body if isinstance(body, str) else json.dumps(body)
                peer.answer(content.encode(), kind, status, head)

        server = serve(script)
        at(server.url)
        return server

    return start


@pytest.fixture
def tls() -> Iterator[Callable[[str], str]]:
    """Starts a server with the certificate of that name: its origin, by the name `localhost`."""
    running: list[tuple[HTTPServer, threading.Thread]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(refused(7000)).encode()
            self.send_response(400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    class Quiet(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that does not trust it leaves in the middle

    def start(certificate: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / certificate)
        server = Quiet(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"https://localhost:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
