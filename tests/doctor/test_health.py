"""The doctor's findings about this machine, which show nothing secret."""

from __future__ import annotations

import doctest
import platform
import re
import sys
import time
from importlib import metadata
from unittest.mock import Mock

import httpx
import pytest

import cfai
from cfai.doctor import CHECKS, _machine
from cfai.doctor._installation import Installation
from cfai.local import Emulator
from tests.conftest import ACCOUNT, TOKEN, Peer, Serve
from tests.doctor.conftest import NOWHERE, TLS, At, findings, get_text, no_network, problems, show

# A healthy installation


@pytest.mark.usefixtures("local")
def test_every_check_has_a_line_and_none_is_a_problem() -> None:
    report = findings()
    assert list(report) == [check.name for check in CHECKS]
    assert problems(report) == []
    assert [str(finding).count("\n") for finding in report.values()] == [0] * len(CHECKS)


def test_the_credentials_are_described_and_not_shown_and_one_cheap_call_is_made(local: Emulator) -> None:
    report = findings()
    assert report["token"].message == f"from CLOUDFLARE_API_TOKEN, {len(local.api_token)} characters"
    assert report["account id"].message == "from CLOUDFLARE_ACCOUNT_ID, 32 characters"
    assert [secret for secret in (local.api_token, local.account_id) if secret in show(report)] == []
    assert [request.model for request in local.requests] == ["@cf/baai/bge-small-en-v1.5"]


# What is installed


@pytest.mark.usefixtures("local")
def test_a_library_that_is_too_old_or_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "anyio":
            raise metadata.PackageNotFoundError(name)
        return "2.8.2" if name == "pydantic" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    report = findings()["versions"]
    assert report.verdict == "problem"
    for old in ("pydantic 2.8.2 (needs 2.", "anyio is missing (needs 4."):
        assert old in report.message.partition("too old: ")[2], old
    assert re.fullmatch(r'pip install "anyio>=4[.\d]+" "pydantic>=2[.\d]+"', report.remedy or "")


@pytest.mark.usefixtures("local")
def test_versions_are_those_that_are_installed_and_one_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    says = findings()["versions"].message
    for name in ("httpx", "pydantic", "anyio"):
        assert f"{name} {metadata.version(name)}" in says
    assert f"cfai {cfai.__version__}, Python {platform.python_version()}" in says
    real = metadata.version
    somebody_elses = "cfai"
    monkeypatch.setattr(metadata, "version", lambda name: "0.3" if name == somebody_elses else real(name))
    report = findings()["versions"]
    assert (report.verdict, report.remedy) == ("problem", "pip uninstall cfai")
    monkeypatch.setattr(metadata, "version", real)
    monkeypatch.setattr(metadata, "requires", Mock(side_effect=metadata.PackageNotFoundError("cfai-sdk")))
    assert findings()["versions"].verdict == "ok", "without metadata none is too old"
    monkeypatch.setattr(metadata, "requires", lambda name: ["pytest>=8.0"])
    report = findings()["versions"]
    assert (report.verdict, f"pytest {metadata.version('pytest')}" in report.message) == ("ok", True)


@pytest.mark.usefixtures("local")
def test_an_extra_that_is_missing_is_named_and_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {*_machine.EXTRAS, "dev", "docs"} == set(metadata.metadata("cfai-sdk").get_all("Provides-Extra", []))
    monkeypatch.setattr("cfai.doctor._machine.find_spec", lambda name: None if name == "tokenizers" else True)
    report = findings()["extras"]
    message = "installed: cli, emulator, llama, media, aiohttp, tools, ray, realtime; not installed: tokenizers"
    assert (report.verdict, report.message) == ("ok", message)


def test_the_examples_of_the_machines_checks_hold() -> None:
    failed, attempted = doctest.testmod(_machine)
    assert (failed, attempted) == (0, 1)


# Credentials


CREDENTIALS: list[tuple[dict[str, str], str, str, str]] = [
    ({}, "token", "problem", "no API token is set"),
    ({}, "account id", "problem", "no account id is set"),
    ({"CLOUDFLARE_API_TOKEN": " \t"}, "token", "problem", "no API token is set"),
    ({"CF_API_TOKEN": f" {TOKEN}\n"}, "token", "ok", f"from CF_API_TOKEN, {len(TOKEN)} characters"),
    ({"CLOUDFLARE_API_TOKEN": f"Bearer {TOKEN}"}, "token", "problem", "starts with 'Bearer'"),
    ({"CLOUDFLARE_API_TOKEN": f"'{TOKEN}'"}, "token", "ok", f"{len(TOKEN)} characters"),
    ({"CLOUDFLARE_API_TOKEN": f"'{TOKEN}"}, "token", "problem", "a quote mark"),
    ({"CLOUDFLARE_API_TOKEN": f"{TOKEN[:9]}\n{TOKEN[9:]}"}, "token", "problem", "a line break"),
    ({"CLOUDFLARE_API_TOKEN": ACCOUNT}, "token", "problem", "looks like an account id"),
    ({"CLOUDFLARE_API_TOKEN": "0123456789abcdef" * 2 + "abcde"}, "token", "problem", "global key"),
    ({"CLOUDFLARE_API_TOKEN": "q"}, "token", "problem", "1 character: it is too short to be one"),
    ({"CLOUDFLARE_API_TOKEN": TOKEN[:19]}, "token", "problem", "19 characters: it is too short to be one"),
    ({"CLOUDFLARE_API_TOKEN": TOKEN[:20]}, "token", "ok", "20 characters"),
    ({"CLOUDFLARE_API_KEY": TOKEN, "CLOUDFLARE_EMAIL": "a@b.example"}, "token", "problem", "is the global key"),
    ({"CLOUDFLARE_API_KEY": TOKEN}, "token", "ok", "from CLOUDFLARE_API_KEY"),
    ({"CLOUDFLARE_API_TOKEN": TOKEN, "CF_API_TOKEN": "another-token"}, "token", "warning", "CF_API_TOKEN holds"),
    ({"CLOUDFLARE_API_TOKEN": TOKEN, "CF_API_TOKEN": TOKEN}, "token", "ok", ""),
    ({"CLOUDFLARE_ACCOUNT_ID": ACCOUNT}, "account id", "ok", "32 characters"),
    ({"CLOUDFLARE_ACCOUNT_ID": TOKEN}, "account id", "problem", "32 hexadecimal digits"),
    ({"CLOUDFLARE_ACCOUNT_ID": "q" * 40}, "account id", "problem", "looks like an API token"),
    ({"CLOUDFLARE_ACCOUNT_ID": "somebody@mail.example"}, "account id", "problem", "looks like an e-mail address"),
    ({"CLOUDFLARE_ACCOUNT_ID": f"dash.cloudflare.com/{ACCOUNT}"}, "account id", "problem", "looks like a URL"),
    ({"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CF_ACCOUNT_ID": "0" * 32}, "account id", "warning", "CF_ACCOUNT_ID holds"),
]
"""The environment; a check, its verdict, and some words of it."""


def test_what_is_wrong_with_credentials_is_told_without_showing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    for variables, check, verdict, words in CREDENTIALS:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            report = findings(timeout=0.2)
        assert (report[check].verdict, words in report[check].message) == (verdict, True), report[check]
        shown = show(report)
        assert [value for value in variables.values() if len(value) > 3 and value.strip() in shown] == [], variables
    for name, check in (("CLOUDFLARE_API_TOKEN", "token"), ("CF_ACCOUNT_ID", "account id")):
        monkeypatch.setenv(name, '"')
        assert findings(timeout=0.2)[check].remedy.endswith(name)


def test_a_token_is_taken_out_with_and_without_the_quote_marks_around_it(at: At) -> None:
    at(NOWHERE, token=f"'{TOKEN}'")
    assert Installation(5.0, time.time).redact(f"'{TOKEN}', {TOKEN}") == "[removed], [removed]"


# The address


def test_what_is_wrong_with_the_address(at: At) -> None:
    for url, verdict, words in (
        ("http://example.com/client/v4", "problem", "in the clear"),
        ("https://user:hidden-word@example.com/client/v4", "problem", "no user, password"),
        ("example.com", "problem", "must be a URL such as"),
        ("http://127.0.0.1:9", "warning", "end in /client/v4"),
        (f"http://127.0.0.1:9/client/v4/accounts/{ACCOUNT}/ai", "problem", "take off /accounts"),
        (NOWHERE, "ok", "from CLOUDFLARE_API_BASE_URL"),
    ):
        at(url)
        report = findings(timeout=0.2)
        assert (report["address"].verdict, words in get_text(report["address"])) == (verdict, True), url
        assert [word for word in ("hidden-word", ACCOUNT) if word in show(report)] == [], url
        if "example.com" in url:
            assert problems(report) == ["address"], url
            assert report["connection"].message == "not looked at: first mend address", url


# Settings of certificates


def test_settings_of_certificates(at: At) -> None:
    at("https://127.0.0.1:9/client/v4")
    for name, value, verdict, words in (
        ("SSL_CERT_FILE", "/no/such/file.pem", "problem", "names no file that is there"),
        ("SSL_CERT_FILE", __file__, "problem", "SSL_CERT_FILE cannot be used"),
        ("SSL_CERT_DIR", "/no/such/folder", "problem", "names no folder that is there"),
        ("SSL_CERT_DIR", str(TLS), "ok", "those of SSL_CERT_DIR are trusted"),
        ("REQUESTS_CA_BUNDLE", "/a/file.pem", "ok", "REQUESTS_CA_BUNDLE is not read"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            report = findings()
        assert (report["certificates"].verdict, words in report["certificates"].message) == (verdict, True), value
        assert report["connection"].verdict == "problem", value


# Proxies


def test_what_is_wrong_with_a_proxy(monkeypatch: pytest.MonkeyPatch, at: At) -> None:
    at("https://api.cloudflare.com/client/v4")
    for value, words in (
        ("http://127.0.0.1:9", "127.0.0.1:9, from HTTPS_PROXY, cannot be reached"),
        ("http://somebody:hidden-word@127.0.0.1:9", "127.0.0.1:9, from HTTPS_PROXY, with a login, cannot be reached"),
        ("ftp://somebody:hidden-word@127.0.0.1", "HTTPS_PROXY must be a URL such as"),
        ("http://somebody:hidden-word@127.0.0.1:x", "HTTPS_PROXY must be a URL such as"),
    ):
        monkeypatch.setenv("HTTPS_PROXY", value)
        report = findings()
        assert problems(report) == ["proxy", "connection"], value
        assert report["proxy"].message.startswith(words), value
        assert "HTTPS_PROXY" in report["proxy"].remedy, value
        assert "hidden-word" not in show(report), value
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "socksio", None)
    report = findings()  # without the package that SOCKS needs
    assert 'pip install "httpx[socks]"' in report["proxy"].message
    assert report["connection"].verdict == "problem"


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, serve: Serve, at: At) -> None:
    def refuse(peer: Peer) -> None:
        if peer.request():
            peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    proxy = serve(refuse)
    at("https://api.cloudflare.com/client/v4")
    monkeypatch.setenv("https_proxy", proxy.origin)
    report = findings()
    assert report["proxy"].message == f"127.0.0.1:{proxy.port}, from https_proxy, can be reached"
    assert "407 Proxy Authentication Required" in report["connection"].message
    assert [request.split()[1] for request in proxy.requests] == [b"api.cloudflare.com:443"]


def test_a_host_that_is_exempt_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, at: At) -> None:
    no_network(monkeypatch)
    at("https://api.cloudflare.com/client/v4")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "cloudflare.com")
    report = findings()
    assert report["proxy"].message == "none is used: NO_PROXY exempts api.cloudflare.com"
    assert "cannot be resolved" in report["connection"].message


@pytest.mark.usefixtures("local")
def test_a_proxy_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    report = findings()
    assert problems(report) == []
    assert report["proxy"].message == "none is used for an address on this machine"


# Errors of one's own


def test_a_mistake_of_the_doctors_own_is_not_hidden(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    at(NOWHERE)
    monkeypatch.setattr(httpx, "Client", Mock(side_effect=ZeroDivisionError))
    with pytest.raises(ZeroDivisionError):
        findings()
