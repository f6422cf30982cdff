"""A proxy that does not let a call through: it is named, and what logs in to it is not shown."""

from __future__ import annotations

import base64
import pickle
import traceback
from functools import partial

import pytest

from cfai import APIConnectionError, APITimeoutError
from tests.conftest import SYNC_AND_ASYNC, Callers, Peer, Serve, row
from tests.frames import list_errors, show

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}
PASSWORD = "pass-word-4711"
SECRETS = (PASSWORD, base64.b64encode(f"me:{PASSWORD}".encode()).decode())

TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
ENDS = {
    "wants a login": (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 1, "407 .* a user and a password that"),
    "sends to a login page": (
        b"HTTP/1.1 302 Found\r\nlocation: http://login.example/\r\n\r\n",
        1,
        "302 .* ask",
    ),
    "forbids": (b"HTTP/1.1 403 Forbidden\r\n\r\n", 1, "403 Forbidden.* ask whoever"),
    "echoes": (b"HTTP/1.1 403 me:%s %s\r\n\r\n" % (SECRETS[0].encode(), SECRETS[1].encode()), 1, "403 me:.removed"),
    "is busy": (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", 3, "429"),
    "cannot reach": (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 3, "502"),
    "is none": (b"SSH-2.0-OpenSSH_9.9\r\n", 3, ""),
    "sends a page in the tunnel": (TUNNEL + b"<html>Log in</html>", 3, ""),
    "closes the tunnel": (TUNNEL, 3, ""),
    "closes": (b"", 3, ""),
}
"""What a proxy sends, how often it is asked, and the words of the error."""


def send(peer: Peer, answer: bytes) -> None:
    peer.request()
    peer.send(answer)


def show_all(error: BaseException) -> str:
    """Return all that an error and its causes say, and the variables of all their frames but those of tests."""
    shown = [str(error), repr(pickle.dumps(error))]
    for each in list_errors(error):
        shown += [str(each), show(vars(each))]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "tests" not in frame.f_code.co_filename:
                shown += [f"{frame.f_code.co_name}: {name} = {show(value)}" for name, value in frame.f_locals.items()]
    return "\n".join(shown)


@SYNC_AND_ASYNC
def test_a_proxy_that_does_not_let_a_call_through_is_named_and_its_password_not_shown(
    callers: Callers, serve: Serve, sleeps: list[float]
) -> None:
    for name, (answer, times, words) in ENDS.items():
        server = serve(partial(send, answer=answer))
        caller = callers(base_url="https://ai.example", proxy=f"http://me:{PASSWORD}@127.0.0.1:{server.port}")
        through = rf"ai\.example through `proxy` \(127\.0\.0\.1:{server.port}\): {words}"
        with row(name), pytest.raises(APIConnectionError, match=through) as caught:
            caller.run(MODEL, HELLO)
        assert (len(server.requests), caught.value.retryable) == (times, times > 1), name
        shown = show_all(caught.value)
        assert [secret for secret in (*SECRETS, caller.token) if secret in shown] == [], name
        assert "ConnectError" not in str(caught.value), name


@SYNC_AND_ASYNC
def test_a_proxy_that_says_nothing_has_had_no_request_either(callers: Callers, serve: Serve) -> None:
    pytest.importorskip("socksio")
    for scheme in ("http", "socks5"):
        server = serve(Peer.left)
        proxy = f"{scheme}://127.0.0.1:{server.port}"
        caller = callers(base_url="https://ai.example", proxy=proxy, timeout=0.2, max_retries=0)
        with row(scheme), pytest.raises(APITimeoutError, match=r"could not connect to .* through `proxy`") as caught:
            caller.run(MODEL, HELLO)
        assert caught.value.retryable
        assert "billed" not in str(caught.value)


@SYNC_AND_ASYNC
def test_a_socks_proxy_that_refuses_a_login_is_asked_once(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    pytest.importorskip("socksio")

    def refuse(peer: Peer) -> None:
        peer.connection.recv(65536)
        peer.send(b"\x05\x02")
        peer.connection.recv(65536)
        peer.send(b"\x01\x01")

    for login in (f"me:{PASSWORD}@", ""):
        server = serve(refuse)
        caller = callers(base_url="https://ai.example", proxy=f"socks5://{login}127.0.0.1:{server.port}")
        with row(login), pytest.raises(APIConnectionError, match="a user and a password that the proxy takes"):
            caller.run(MODEL, HELLO)
        assert server.connections == 1, login


@SYNC_AND_ASYNC
def test_the_variable_that_names_a_proxy_is_named_unless_it_is_not_used(
    callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(partial(send, answer=b""))
    monkeypatch.setenv("HTTPS_PROXY", server.origin)
    for no_proxy, words in (("", "through HTTPS_PROXY"), ("localhost", "no answer from localhost:1: ")):
        monkeypatch.setenv("NO_PROXY", no_proxy)
        with row(no_proxy), pytest.raises(APIConnectionError, match=words):
            callers(base_url="https://localhost:1", max_retries=0).run(MODEL, HELLO)
