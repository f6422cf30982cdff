"""What the doctor finds wrong with the way to the service, its answers, and what the token may."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from cfai.local import Emulator, Fault
from tests.conftest import Peer
from tests.doctor.conftest import (
    ACCOUNT,
    NOWHERE,
    TLS,
    TOKEN,
    Answering,
    At,
    Serve,
    enveloped,
    findings,
    get_text,
    no_network,
    problems,
    refused,
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
    assert [name for name, finding in report.items() if finding.message.startswith("not looked at")] == [
        "clock",
        "may read",
        "models",
        "may run",
    ]


def test_nobody_listens(at: At) -> None:
    at(NOWHERE)
    report = findings()["connection"]
    assert report.message == "nothing listens at 127.0.0.1:9"
    assert "cfai dev" in report.remedy


def test_a_server_that_hangs_is_given_up(serve: Serve, at: At) -> None:
    def hang(peer: Peer) -> None:
        peer.request()
        peer.left()

    at(serve(hang).url)
    report = findings(timeout=0.1)["connection"]
    assert report.message == "127.0.0.1 was connected to and did not answer in 0.1 s"


def test_a_server_that_does_not_come_to_an_end_is_given_up(serve: Serve, at: At) -> None:
    def drip(peer: Peer) -> None:
        peer.request()
        peer.start("application/json")
        peer.drip(b" ")

    server = serve(drip)
    at(server.url)
    report = findings(timeout=1.0)["connection"]
    assert (report.verdict, report.message) == ("problem", "127.0.0.1 answers, and does not come to an end")
    assert not server.dripped


def test_an_answer_without_an_end_is_not_read_to_it(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai.doctor._installation.MAX_BODY_SIZE", 1000)
    answering({"models/search": ("200 OK", JSON, " " * 2000)})
    assert findings()["connection"].message == "127.0.0.1 answers, and does not come to an end"


def test_a_host_that_takes_no_connection_is_given_up(monkeypatch: pytest.MonkeyPatch, at: At) -> None:
    at("https://api.cloudflare.com/client/v4")

    def never(*_: Any, **__: Any) -> Any:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", never)
    report = findings(timeout=2.0)["connection"]
    assert report.message == "api.cloudflare.com could not be connected to in 2 s"


def test_what_is_no_http_is_told(serve: Serve, at: At) -> None:
    def shout(peer: Peer) -> None:
        peer.request()
        peer.send(b"220 mail.example ESMTP\r\n")

    at(serve(shout).url)
    assert findings()["connection"].message.startswith("no answer came from 127.0.0.1 (")


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
        assert TOKEN not in "".join(map(str, report.values())), words


# Certificates that are shown


def test_a_certificate_that_is_not_trusted(at: At, tls: Callable[[str], str]) -> None:
    at(f"{tls('localhost.pem')}/client/v4")
    report = findings()["connection"]
    assert report.message.startswith("the certificate of localhost is not trusted (")
    assert "set SSL_CERT_FILE" in report.remedy


def test_an_authority_of_ones_own_is_trusted(
    at: At, tls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(f"{tls('localhost.pem')}/client/v4")
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "localhost.pem"))
    report = findings()
    assert report["certificates"].message == "the 1 of SSL_CERT_FILE are trusted, and no others"
    assert report["connection"].message.startswith("localhost answers (TLSv1.")
    assert "certificate by cfai tests" in report["connection"].message


def test_a_certificate_that_has_expired(at: At, tls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    at(f"{tls('expired.pem')}/client/v4")
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "expired.pem"))
    report = findings()["connection"]
    assert report.message == "the certificate of localhost has expired"
    assert "clock" in report.remedy


def test_a_certificate_of_another_host(at: At, tls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    at(f"{tls('localhost.pem').replace('localhost', '127.0.0.1')}/client/v4")
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "localhost.pem"))
    assert findings()["connection"].message == "the certificate of 127.0.0.1 is for another host"


def test_a_server_without_tls(serve: Serve, at: At) -> None:
    def plain(peer: Peer) -> None:
        peer.connection.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    at(serve(plain).url.replace("http:", "https:"))
    assert findings()["connection"].message.startswith("127.0.0.1: TLS failed (")


# The clock


@pytest.mark.usefixtures("local")
def test_the_clock_is_held_against_the_servers() -> None:
    for off, verdict, words in ((30.0, "ok", "agrees"), (-7200.0, "warning", "s slow"), (7200.0, "warning", "s fast")):
        report = findings(now=lambda off=off: time.time() + off)["clock"]
        assert (report.verdict, words in report.message) == (verdict, True), off


def test_the_date_is_that_of_the_header(answering: Answering) -> None:
    answering({}, head=f"date: {formatdate(1_000_000, usegmt=True)}\r\n")
    assert findings(now=lambda: 1_000_001.0)["clock"].verdict == "ok"


# Permissions


def test_all_pages_of_the_list_are_read(answering: Answering) -> None:
    server = answering(
        {"page=1&": ("200 OK", JSON, enveloped([{"name": f"@cf/a/{n}"} for n in range(50)])), "page=2&": MODELS}
        | {"page=3&": ("200 OK", JSON, enveloped([])), "POST": VECTOR}
    )
    assert findings()["models"].message.startswith("52 are listed, 1 of ")
    assert sum(b"models/search" in request for request in server.requests) == 3


def test_a_list_that_breaks_off_is_told(serve: Serve, at: At) -> None:
    def script(peer: Peer) -> None:
        request = peer.request()
        if b"page=2" in request:
            peer.reset()
        elif request:
            peer.answer(json.dumps(VECTOR[2] if request.startswith(b"POST") else MODELS[2]).encode())

    at(serve(script).url)
    report = findings()["models"]
    assert (report.verdict, report.message) == ("warning", "2 were listed before the list broke off (ReadError)")


def test_a_list_without_an_end_is_left(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {f"page={n}&": ("200 OK", JSON, enveloped([{"name": f"@cf/a/{n}"}])) for n in range(1, 30)}
    server = answering({**pages, "POST": VECTOR})
    assert findings()["models"].message.startswith("20 are listed")
    assert sum(b"models/search" in request for request in server.requests) == 20


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


def test_a_question_about_the_token_that_is_not_answered_settles_nothing(serve: Serve, at: At) -> None:
    def script(peer: Peer) -> None:
        request = peer.request()
        if b"tokens/verify" in request:
            peer.reset()
        elif request:
            peer.answer(json.dumps(DENIED[2]).encode(), status=DENIED[0])

    at(serve(script).url)
    report = findings()["may read"]
    assert report.message == "GET …/ai/models/search was refused (403, code 10000)"
    assert report.remedy.startswith("check that CLOUDFLARE_API_TOKEN holds the whole token")


def test_a_wrong_token_is_refused_by_the_emulator(local: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "not-the-token-that-it-wants")
    report = findings()
    assert "may run" in problems(report)
    assert "not-the-token-that-it-wants" not in "".join(map(str, report.values()))
    assert "401, code 10000" in report["may run"].message


def test_a_wrong_account_is_refused_by_the_emulator(local: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "f" * 32)
    report = findings()
    assert "no such account" in report["may run"].message
    assert "CLOUDFLARE_ACCOUNT_ID" in report["may run"].remedy
    assert "f" * 32 not in "".join(map(str, report.values()))


def test_what_a_server_echoes_is_taken_out(answering: Answering) -> None:
    echo = refused(971, f"who is {TOKEN} of {ACCOUNT}?")
    answering({"models/search": ("429 Too Many", JSON, echo), "POST": ("400 Bad Request", JSON, echo)})
    report = findings()
    assert "who is [removed] of [removed]?" in report["may read"].message
    shown = "".join(map(str, report.values()))
    assert TOKEN not in shown
    assert ACCOUNT not in shown


def test_a_fault_of_the_emulator_is_told(local: Emulator) -> None:
    local.script(*[Fault(html=502)] * 20)
    report = findings()
    assert problems(report) == ["connection"]
    assert report["connection"].message.startswith("127.0.0.1 answers with an HTML page, status 502")
    assert report["may run"].message == "not looked at: first mend connection"
