"""The doctor's findings about the way to the service, its answers, and what the token may."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any
from unittest.mock import Mock

import pytest

from cfai.local import Emulator, Fault
from tests.conftest import ACCOUNT, TOKEN, Peer, Script, Serve, row
from tests.doctor.conftest import (
    NOWHERE,
    TLS,
    Answering,
    At,
    enveloped,
    findings,
    get_text,
    no_network,
    problems,
    refused,
    show,
)

JSON = "application/json"
MODELS = ("200 OK", JSON, enveloped([{"name": "@cf/zai-org/glm-4.7-flash"}, {"name": "@cf/new/model"}, {}, 7]))
DENIED = ("403 Forbidden", JSON, refused(10000, "Authentication error"))
VECTOR = ("200 OK", JSON, enveloped({"shape": [1, 1], "data": [[0.5]]}))
TRUSTED = ("200 OK", JSON, enveloped({"id": "0" * 32, "status": "active"}))


# The way there


def test_no_network_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    report = findings()
    assert problems(report) == ["connection"]
    assert report["connection"].message == "the name api.cloudflare.com cannot be resolved"
    unseen = [name for name, finding in report.items() if finding.message.startswith("not looked at")]
    assert unseen == ["clock", "may read", "models", "may run"]


def test_nobody_listens(at: At) -> None:
    at(NOWHERE)
    report = findings()["connection"]
    assert report.message == "nothing listens at 127.0.0.1:9"
    assert "cfai dev" in report.remedy


def hang(peer: Peer) -> None:
    peer.request()
    peer.left()


def drip(peer: Peer) -> None:
    peer.request()
    peer.start("application/json")
    peer.drip(b" ")


def shout(peer: Peer) -> None:
    peer.request()
    peer.send(b"220 mail.example ESMTP\r\n")


def speak_plainly(peer: Peer) -> None:
    peer.connection.recv(1000)
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


SERVERS: list[tuple[Script, str, float, str]] = [
    (hang, "http:", 0.1, "127.0.0.1 was connected to and did not answer in 0.1 s"),
    (drip, "http:", 1.0, "127.0.0.1 answers, and does not come to an end"),
    (shout, "http:", 5.0, "no answer came from 127.0.0.1 ("),
    (speak_plainly, "https:", 5.0, "127.0.0.1: TLS failed ("),
]
"""A server, how it is called, for how long, and how what is found begins."""


def test_a_server_that_does_not_answer_as_it_should_is_given_up(serve: Serve, at: At) -> None:
    for script, scheme, timeout, message in SERVERS:
        server = serve(script)
        at(server.url.replace("http:", scheme))
        report = findings(timeout=timeout)["connection"]
        assert (report.verdict, report.message[: len(message)]) == ("problem", message)
        assert not server.dripped


def test_an_answer_without_an_end_is_not_read_to_it(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai.doctor._installation.MAX_BODY_SIZE", 1000)
    answering({"models/search": ("200 OK", JSON, " " * 2000)})
    assert findings()["connection"].message == "127.0.0.1 answers, and does not come to an end"


def test_a_host_that_takes_no_connection_is_given_up(monkeypatch: pytest.MonkeyPatch, at: At) -> None:
    at("https://api.cloudflare.com/client/v4")
    monkeypatch.setattr(socket, "create_connection", Mock(side_effect=TimeoutError("timed out")))
    report = findings(timeout=2.0)["connection"]
    assert report.message == "api.cloudflare.com could not be connected to in 2 s"


def test_a_redirect_is_not_followed(answering: Answering) -> None:
    server = answering({"": ("302 Found", "text/plain", "")}, head="location: http://login.example/?next\r\n")
    assert findings()["connection"].message == "127.0.0.1 answers with a redirect to login.example"
    assert len(server.requests) == 1


# Answers

PAGE = f"<!DOCTYPE html><html><title>Log in</title>{TOKEN}</html>"
FAILING = ("503 Service Unavailable", JSON, refused(7009))
EMPTY = ("200 OK", JSON, enveloped([]))
SLOW_DOWN = ("429 Too Many", JSON, refused(971, "slow down"))
ANSWERS: list[tuple[dict[str, Any], str, list[str], str, str, str]] = [
    ({"": ("200 OK", "text/html; charset=utf-8", PAGE)}, "", ["connection"], "connection", "problem",
     "HTML page, status 200: that is a proxy or a login page"),
    ({"": ("522 Timed Out", "text/html", "<html></html>")}, "cf-ray: 1234567890abcdef-LHR\r\n", ["connection"],
     "connection", "problem", "that is Cloudflare, not the API"),
    ({"": FAILING}, "", [], "connection", "warning", "127.0.0.1 answers with status 503"),
    ({"": FAILING}, "", [], "may run", "warning", "POST …/ai/run"),
    ({"POST": VECTOR}, "", [], "clock", "warning", "the answer has no date to compare with"),
    ({"GET": MODELS, "POST": VECTOR}, "", [], "may read", "ok", "GET …/ai/models/search was allowed"),
    ({"GET": MODELS, "POST": VECTOR}, "", [], "models", "ok", "; new to it: @cf/new/model"),
    ({"GET": MODELS, "POST": VECTOR}, "", [], "models", "ok", "2 are listed, 1 of the "),
    ({"models/search": EMPTY, "POST": VECTOR}, "", [], "models", "warning", "the list of models is empty"),
    ({"models/search": SLOW_DOWN, "POST": VECTOR}, "", [], "may read", "warning", "slow down"),
    ({"models/search": MODELS, "/user/tokens": TRUSTED, "POST": DENIED}, "", ["may run"], "may run", "problem",
     "give it Workers AI Edit"),
    # A call that fails is told in the words of its error.
    ({"models/search": MODELS, "POST": ("429 Too Many", JSON, refused(4006, "its words"))}, "", [], "may run",
     "warning", "its words"),
    ({"models/search": MODELS, "POST": ("429 Too Many", JSON, refused(3040, "its words"))}, "", [], "may run",
     "warning", "its words"),
    ({"models/search": MODELS, "POST": ("500 Oh", JSON, refused(8005, "its words"))}, "", [], "may run", "warning",
     "its words"),
    ({"models/search": MODELS, "POST": ("403 No", JSON, refused(5035, "its words"))}, "", ["may run"], "may run",
     "problem", "its words"),
]  # fmt: skip
"""Answers and a header; the checks that find a problem; a check, its verdict, and some words of it."""


def test_an_answer_is_judged_and_shows_no_token(answering: Answering) -> None:
    for answers, head, bad, check, verdict, words in ANSWERS:
        answering(answers, head)
        report = findings()
        assert problems(report) == bad, (check, words)
        assert (report[check].verdict, words in get_text(report[check])) == (verdict, True), str(report[check])
        assert TOKEN not in show(report), words


# Certificates that are shown, and the clock

CERTIFICATES = [
    ("localhost.pem", "localhost", None, "the certificate of localhost is not trusted (", "set SSL_CERT_FILE"),
    ("localhost.pem", "localhost", "localhost.pem", "localhost answers (TLSv1.", ""),
    ("localhost.pem", "127.0.0.1", "localhost.pem", "the certificate of 127.0.0.1 is for another host", ""),
    ("expired.pem", "localhost", "expired.pem", "the certificate of localhost has expired", "clock"),
]
"""A certificate, the host that is called, which one is trusted; how what is found begins, and a word of the remedy."""


def test_a_certificate_is_trusted_or_not(at: At, tls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    for shown, host, trusted, message, remedy in CERTIFICATES:
        at(f"{tls(shown).replace('localhost', host)}/client/v4")
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(TLS / trusted))
        report = findings()
        found = report["connection"]
        with row((shown, host, trusted)):
            assert found.message.startswith(message)
            assert remedy in found.remedy
            assert ("certificate by cfai tests" in found.message) is message.startswith("localhost answers")
            if trusted:
                assert report["certificates"].message == "the 1 of SSL_CERT_FILE are trusted, and no others"


@pytest.mark.usefixtures("local")
def test_the_clock_is_held_against_the_servers() -> None:
    for off, verdict, words in ((30.0, "ok", "agrees"), (-7200.0, "warning", "s slow"), (7200.0, "warning", "s fast")):
        report = findings(now=lambda off=off: time.time() + off)["clock"]
        assert (report.verdict, words in report.message) == (verdict, True), off


def test_the_date_is_that_of_the_header(answering: Answering) -> None:
    answering({}, head=f"date: {formatdate(1_000_000, usegmt=True)}\r\n")
    assert findings(now=lambda: 1_000_001.0)["clock"].verdict == "ok"


# Permissions


def test_all_pages_of_the_list_are_read_and_one_without_an_end_is_left(answering: Answering) -> None:
    full = {"page=1&": ("200 OK", JSON, enveloped([{"name": f"@cf/a/{n}"} for n in range(50)])), "page=2&": MODELS}
    endless = {f"page={n}&": ("200 OK", JSON, enveloped([{"name": f"@cf/a/{n}"}])) for n in range(1, 30)}
    for pages, message, requests in (
        (full | {"page=3&": EMPTY}, "52 are listed, 1 of ", 3),
        (endless, "20 are listed", 20),
    ):
        server = answering({**pages, "POST": VECTOR})
        assert findings()["models"].message.startswith(message)
        assert sum(b"models/search" in request for request in server.requests) == requests, message


def resets(part: bytes, get: tuple[str, str, Any], post: tuple[str, str, Any]) -> Script:
    """Return a server that breaks off where a request has that part, and answers the others."""

    def script(peer: Peer) -> None:
        request = peer.request()
        if part in request:
            peer.reset()
        elif request:
            status, _, body = post if request.startswith(b"POST") else get
            peer.answer(json.dumps(body).encode(), status=status)

    return script


def test_an_answer_that_breaks_off_settles_nothing(serve: Serve, at: At) -> None:
    at(serve(resets(b"page=2", MODELS, VECTOR)).url)
    report = findings()["models"]
    assert (report.verdict, report.message) == ("warning", "2 were listed before the list broke off (ReadError)")
    at(serve(resets(b"tokens/verify", DENIED, DENIED)).url)
    report = findings()["may read"]
    assert report.message == "GET …/ai/models/search was refused (403, code 10000)"
    assert report.remedy.startswith("check that CLOUDFLARE_API_TOKEN holds the whole token")


def test_a_refused_token_is_told_from_one_that_may_too_little(answering: Answering) -> None:
    for user, account, words in (
        (TRUSTED, DENIED, "though the token itself is active | give it Workers AI Read"),
        (DENIED, TRUSTED, "though the token itself is active | give it Workers AI Read"),
        (DENIED, DENIED, "the token is not valid | make a token"),
        (("200 OK", JSON, enveloped({"status": "expired"})), DENIED, "the token is expired | make a token"),
        (("200 OK", JSON, enveloped({"status": "disabled"})), DENIED, "the token is disabled | make a token"),
        (("502 Bad Gateway", "text/html", "<html>"), DENIED, "| check that CLOUDFLARE_API_TOKEN holds the whole token"),
    ):
        answering({"models/search": DENIED, "/user/tokens": user, "/tokens/verify": account, "POST": VECTOR})
        report = findings()
        assert problems(report) == ["may read"], words
        assert report["may read"].message.startswith("GET …/ai/models/search was refused (403, code 10000)"), words
        assert words in get_text(report["may read"])


@pytest.mark.usefixtures("local")
def test_wrong_credentials_are_refused_by_the_emulator() -> None:
    for name, value, words, remedy in (
        ("CLOUDFLARE_API_TOKEN", "not-the-token-that-it-wants", "401, code 10000", ""),
        ("CLOUDFLARE_ACCOUNT_ID", "f" * 32, "no such account", "CLOUDFLARE_ACCOUNT_ID"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            report = findings()
        assert "may run" in problems(report), name
        assert words in report["may run"].message, name
        assert remedy in report["may run"].remedy, name
        assert value not in show(report), name


def test_what_a_server_echoes_is_taken_out(answering: Answering) -> None:
    echo = refused(971, f"who is {TOKEN} of {ACCOUNT}?")
    answering({"models/search": ("429 Too Many", JSON, echo), "POST": ("400 Bad Request", JSON, echo)})
    report = findings()
    assert "who is [removed] of [removed]?" in report["may read"].message
    assert [secret for secret in (TOKEN, ACCOUNT) if secret in show(report)] == []


def test_a_fault_of_the_emulator_is_told(local: Emulator) -> None:
    local.script(*[Fault(html=502)] * 20)
    report = findings()
    assert problems(report) == ["connection"]
    assert report["connection"].message.startswith("127.0.0.1 answers with an HTML page, status 502")
    assert report["may run"].message == "not looked at: first mend connection"
