"""Environments and arguments in which nothing can work, or in which it must: what is said, and what is not shown."""

from __future__ import annotations

import base64
import inspect
import os
import re
import select
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import certifi
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import Ai, CfaiError, ConfigurationError, Retry, Timeout
from cfai._request import GatewayOptions, GatewayRetries
from cfai.doctor import examine
from tests.bodies import answering
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, TOKEN, Caller, Callers, Peer, Serve, Service, row
from tests.frames import show_error

MODEL = "@cf/zai-org/glm-4.7-flash"
HELLO = {"prompt": "Hello"}
MARK = "hidden-word-that-must-not-show-4711"
"""A part of what is secret: in no message, no cause, and no variable of a frame."""
WORD = "word-that-no-message-repeats-4711"
"""A part of what is no secret, but may be put in the place of one: in no message."""
API = "https://api.cloudflare.com/client/v4"
LONG = 100_000
HEX = "0123456789abcdef"


class Case(NamedTuple):
    """One environment: what is set and given, and the name that the error has, or nothing if it must work."""

    name: str
    variables: dict[str, str] = {}  # noqa: RUF012
    options: dict[str, Any] = {}  # noqa: RUF012
    call: dict[str, Any] = {}  # noqa: RUF012
    words: str = ""


def tokens() -> Iterator[Case]:
    variable = "CLOUDFLARE_API_TOKEN"
    whole = f"{MARK}-{TOKEN}"
    for value in (
        *(f"{mark}{whole}{mark}" for mark in ('"', "'", "`")),
        *(f"\u201c{whole}\u201d", f"\u2018{whole}\u2019", f"\u00ab{whole}\u00bb", f"\"'{whole}'\"", f' " {whole} " '),
        *(
            f"{whole}\r",
            f"{whole}\r\n",
            f"\ufeff{whole}",
            f"\u200b{whole}\u200b",
            f"\u00a0{whole}\u2060",
            f"\t{whole}\n",
        ),
    ):
        yield Case("", {variable: value})
        yield Case("", {}, {"api_token": value})
    for value, words in (
        (f"Bearer {whole}", "'Bearer'"),
        (f"bearer\t{whole}", "'Bearer'"),
        (f"Authorization: Bearer {whole}", "'Bearer'"),
        (f"<{MARK}>", "placeholder"),
        ("<your-token>", "placeholder"),
        ("YOUR_API_TOKEN", "placeholder"),
        ("your-api-token", "placeholder"),
        ("xxxxx", "placeholder"),
        ("x" * 40, "placeholder"),
        ("\u2026", "placeholder"),
        ("...", "placeholder"),
        ("****", "placeholder"),
        ("$CLOUDFLARE_API_TOKEN", "placeholder"),
        ("${CLOUDFLARE_API_TOKEN}", "placeholder"),
        ("$(cat token)", "placeholder"),
        ("%CLOUDFLARE_API_TOKEN%", "placeholder"),
        ("{{ secrets.TOKEN }}", "placeholder"),
        ("CLOUDFLARE_API_TOKEN", "placeholder"),
        ("None", "placeholder"),
        ("changeme", "placeholder"),
        *((f"{shell}CLOUDFLARE_API_TOKEN={whole}", "equals sign") for shell in ("", "export ", "set ")),
        (f"{whole} # {MARK}", "a comment"),
        (f'"{whole}', "quote mark"),
        (f"{whole}'", "quote mark"),
        (f"{whole} {whole}", "a blank"),
        (f"{MARK}\n{whole}", "a line break"),
        (f"{MARK}\r\nx: {whole}", "a line break"),
        (f"{MARK}\x7f{whole}", "a character"),
        (f"{MARK}\u200b{whole}", "a character"),
        (f"{MARK}\u00a0{whole}", "a character"),
        (f"\u00ef\u00bb\u00bf{whole}", "a character"),
        (f"{MARK}\u00e9{whole}", "a character"),
        (f"{MARK}\udcff{whole}", "a character"),
        (MARK + "x" * LONG, "characters"),
        *((value, "an address, a path or a list") for value in (f"{MARK}@a.example", f"/run/{MARK}", f"op://{MARK}")),
        *((value, "an address, a path or a list") for value in (f"{MARK},", f"{MARK};", f"@{MARK}", f"a:{MARK}")),
        (ACCOUNT, "account id"),
        (ACCOUNT.upper(), "account id"),
        ((HEX * 3)[:37], "global key"),
    ):
        yield Case(variable, {variable: value}, words=words)
        yield Case("`api_token`", {}, {"api_token": value}, words=words)
    yield Case("CF_AI_API_TOKEN", {"CLOUDFLARE_API_TOKEN": '""', "CF_AI_API_TOKEN": f"<{MARK}>"})
    key = {"CLOUDFLARE_API_TOKEN": "", "CLOUDFLARE_API_KEY": MARK, "CLOUDFLARE_EMAIL": "a@b.example"}
    yield Case("CLOUDFLARE_API_TOKEN", key, words="global key")
    yield Case("CLOUDFLARE_API_TOKEN", {variable: ""}, words="pass api_token")
    yield Case("CLOUDFLARE_API_TOKEN", {variable: "''"}, words="pass api_token")
    for value in (5, True, f"{MARK}".encode(), [MARK], {"token": MARK}):
        yield Case("`api_token`", {}, {"api_token": value}, words="must be a string")
    elsewhere = {"CLOUDFLARE_BASE_URL": "https://a.example"}
    yield Case(variable, {**elsewhere, variable: "xxx"}, words="placeholder")
    for value in ("none", "x", ACCOUNT, f"{MARK}:a@b/c;"):
        yield Case("", {**elsewhere, variable: value})


def accounts() -> Iterator[Case]:
    variable = "CLOUDFLARE_ACCOUNT_ID"
    for value in (f'"{ACCOUNT}"', f"'{ACCOUNT}'\r", f"\ufeff{ACCOUNT}", f"\u201c{ACCOUNT}\u201d", ACCOUNT.upper()):
        yield Case("", {variable: value})
        yield Case("", {}, {"account_id": value})
    for value, words in (
        (f"{MARK}@mail.example", "e-mail"),
        (f"{MARK[:20]}.example", "a domain"),
        (f"{MARK}-{TOKEN}", "looks like an API token"),
        (f"https://dash.cloudflare.com/{ACCOUNT}/{MARK}", "looks like a URL"),
        (f"{ACCOUNT}/{MARK}", "looks like a URL"),
        ("..", "looks like a URL"),
        (ACCOUNT[:-1], "32 hexadecimal digits"),
        (f"{HEX[:8]}-{HEX[:4]}-{HEX[:4]}-{HEX[:4]}-{HEX[:12]}", "32 hexadecimal digits"),
        (f"<{MARK}>", "placeholder"),
        ("<account_id>", "placeholder"),
        ("YOUR_ACCOUNT_ID", "placeholder"),
        ("$CLOUDFLARE_ACCOUNT_ID", "placeholder"),
        (f"CLOUDFLARE_ACCOUNT_ID={MARK}", "equals sign"),
        (f"{ACCOUNT}\t#{MARK}", "a comment"),
        (f"{MARK}\n{ACCOUNT}", "a line break"),
        (f"{MARK}\u00e9", "a character"),
        (f"{MARK}\udcff", "a character"),
        (MARK + "0" * LONG, "characters"),
    ):
        yield Case(variable, {variable: value}, words=words)
        yield Case("`account_id`", {}, {"account_id": value}, words=words)
    yield Case("CF_ACCOUNT_ID", {variable: "", "CF_ACCOUNT_ID": f"{MARK}@mail.example"})
    yield Case("CLOUDFLARE_ACCOUNT_ID", {variable: " "}, words="pass account_id")
    for value in (5, MARK.encode(), [MARK]):
        yield Case("`account_id`", {}, {"account_id": value}, words="must be a string")


def base_urls() -> Iterator[Case]:
    for value in (
        f"{API}/",
        f"{API}//",
        f'"{API}"',
        f"{API}\r",
        f"\ufeff{API}",
        "https://a.example",
        "https://a.example/ai",
    ):
        yield Case("", {"CLOUDFLARE_BASE_URL": value})
        yield Case("", {}, {"base_url": value})
    for value in (
        "https://me.workers.dev/client/v4",
        "https://a.example/accounts/mine/client/v4",
        "HTTPS://A.example:443",
    ):
        yield Case("", {"CLOUDFLARE_BASE_URL": value})
    account = f"{API}/accounts/{MARK}"
    for value, words in (
        ("https://api.cloudflare.com", f"must be '{API}'"),
        ("https://api.cloudflare.com/", f"must be '{API}'"),
        ("https://api.cloudflare.com/client/v5", f"must be '{API}'"),
        ("https://api.cloudflare.com//client/v4", f"must be '{API}'"),
        ("https://api.cloudflare.com/v1/client/v4", f"must be '{API}'"),
        (f"{API}/client/v4", "take off what follows /client/v4"),
        *(
            (f"{account}{rest}", "take off /accounts")
            for rest in ("", "/", "/ai", "/ai/v1", "/ai/run", "/ai/run/@cf/x")
        ),
        (f"{API}/ai/v1", "take off /ai/v1"),
        (f"{API}/ai/run", "take off /ai/run"),
        (f"{API}/ai", "take off what follows /client/v4"),
        (f"https://a.example/{MARK}/ai/v1", "take off /ai/v1"),
        (f"https://a.example/accounts/{MARK}/ai", "take off /accounts"),
        (f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/{MARK}", "gateway="),
        (f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/{MARK}/workers-ai", "gateway="),
        (f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/{MARK}/compat", "gateway="),
        (f"https://dash.cloudflare.com/{ACCOUNT}/{MARK}", "not its API"),
        (f"https://developers.cloudflare.com/{MARK}", "not its API"),
        ("https://cloudflare.com/client/v4", "not its API"),
        (f"{API}?", "no user, password, query or fragment"),
        (f"{API}#", "no user, password, query or fragment"),
        (f"{API}?key={MARK}", "no user, password, query or fragment"),
        (f"https://me:{MARK}@a.example/client/v4", "no user, password, query or fragment"),
        (f"https://{MARK}@a.example/client/v4", "no user, password, query or fragment"),
        ("https://@a.example/client/v4", "no user, password, query or fragment"),
        (f"http://{MARK}.example/client/v4", "allow_http=True"),
        ("http://api.cloudflare.com/client/v4", "allow_http=True"),
        *(
            (value, "must be a URL such as")
            for value in (
                *(f"{MARK}.example/client/v4", f"//{MARK}.example", f"ftp://{MARK}.example", f"file:///{MARK}", MARK),
                *(
                    "https://",
                    "https:///client/v4",
                    "https://:443/client/v4",
                    "https:api.cloudflare.com",
                    f"https://{API}",
                    f"https://http://{MARK}",
                    "https//a.example",
                ),
                *("https://[::1", "https://::1]", "https://[", "https://[]", "https://[x]:1", f"https://[{MARK}]/"),
                *(f"https://a.example:{port}/{MARK}" for port in ("99999", "0", "-1", "port", "1.5", "\u0661")),
                *(
                    f"https://a.example/{MARK}{rest}"
                    for rest in (" x", "\tx", "\nx", "\x00", "\u00e9", "\ud800", "\udcff")
                ),
                *(
                    "https://a b.example",
                    "https://a..example",
                    f"https://{'a' * 64}.example",
                    "https://a.example\\x",
                    "https://.",
                ),
                *(
                    "https://a.example:443:443",
                    "https://999.1.1.1",
                    "$CLOUDFLARE_BASE_URL",
                    "<url>",
                    f"{API}/{MARK}{'x' * LONG}",
                ),
            )
        ),
    ):
        if not {"\x00", "\ud800"} & {*value}:
            yield Case("CLOUDFLARE_BASE_URL", {"CLOUDFLARE_BASE_URL": value}, words=words)
        yield Case("`base_url`", {}, {"base_url": value}, words=words)
    yield Case("CF_API_BASE_URL", {"CF_API_BASE_URL": MARK})
    for value in (5, MARK.encode(), httpx.URL(API)):
        yield Case("`base_url`", {}, {"base_url": value}, words="must be a string")


def proxies() -> Iterator[Case]:
    good = f"http://me:{MARK}@127.0.0.1:9"
    socks = {"ALL_PROXY": f"socks://me:{MARK}@127.0.0.1:9"}
    for value in (
        *("", "http://127.0.0.1:9", "127.0.0.1:9", "https://127.0.0.1:9", "http://[::1]:9/", "HTTP://127.0.0.1:9"),
        *(
            good,
            f"http://me:{MARK}@@127.0.0.1:9",
            f"http://me:{MARK}%23%2F@127.0.0.1:9",
            f"http://me:{MARK}:%@127.0.0.1:9",
        ),
        *('"http://127.0.0.1:9"', "http://127.0.0.1:9\r", "\ufeffhttp://127.0.0.1:9"),
    ):
        yield Case("", {"HTTPS_PROXY": value})
        yield Case("", {"all_proxy": value})
        if value and "://" in value:
            yield Case("", {}, {"proxy": value})
    exempting = (
        "::1/128,api.cloudflare.com",
        "*",
        "cloudflare.com",
        ".cloudflare.com",
        "*.cloudflare.com",
        "api.*",
        "API.Cloudflare.com",
    )
    exempting += (
        "api.cloudflare.com:443",
        "https://api.cloudflare.com",
        API,
        "a.example cloudflare.com",
        " ;cloudflare.com.,",
    )
    for value in exempting:
        yield Case("", {**socks, "NO_PROXY": f"{value},gateway.ai.cloudflare.com"})
    for value in (
        "::1/128",
        "10.0.0.0/8",
        "[::1]",
        "[::1]:8080",
        "a.example:x",
        "a b",
        "http://",
        "\u00e4.example",
        "fe80::1%eth0",
    ):
        yield Case("", {"HTTPS_PROXY": good, "NO_PROXY": value})
    for value in (
        ".",
        "/",
        "::1/999",
        "10.0.0.0/x",
        "a:" + "9" * 5000,
        "[",
        "]:1",
        "<local>",
        "\udcff",
        "(",
        "x" * LONG,
        ",,;",
    ):
        yield Case("", {"HTTPS_PROXY": good, "NO_PROXY": value})
        yield Case("ALL_PROXY", {**socks, "NO_PROXY": value})
    yield Case("", {**socks, "HTTPS_PROXY": good})
    yield Case("", {"HTTP_PROXY": MARK, "FTP_PROXY": MARK})
    yield Case("", {**socks}, {"trust_env": False, "account_id": ACCOUNT, "api_token": TOKEN})
    yield Case("", {**socks}, {"proxy": good})
    for value, words in (
        *((f"http://me:{MARK}{mark}x@127.0.0.1:9", "%23") for mark in "#/?"),
        (f"http://me:12/{MARK}@127.0.0.1:9", "%2F"),
        (f"http://{MARK}#@127.0.0.1:9", "%23"),
        *((f"{scheme}://me:{MARK}@127.0.0.1:9", "socks5://") for scheme in ("socks", "socks4", "socks4a", "SOCKS")),
        *((f"{scheme}://me:{MARK}@127.0.0.1:9", "httpx[socks]") for scheme in ("socks5", "socks5h", "SOCKS5")),
        *((f"http://me:{MARK}@127.0.0.1:{port}", "a port of 1 to 65535") for port in ("99999", "0", "x", "-1", MARK)),
        *((f"{scheme}://me:{MARK}@a.example", "must be a URL such as") for scheme in ("ftp", "htp", "", "file")),
        *(
            (f"http://me:{MARK}@{host}", "must be a URL")
            for host in ("", ":9", "[::1", "a b", "a..b", "a" * 64, "\udcff")
        ),
        (f"http://me:{MARK}@127.0.0.1:9\nx", "must be a URL such as"),
        *((f"http://http{mark}{MARK}:9", "must be a URL such as") for mark in ("://", ":/", ":")),
        (f"http://{MARK}{'x' * LONG}", "must be a URL such as"),
    ):
        yield Case("`proxy`", {}, {"proxy": value}, words=words)
        for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            yield Case(variable, {variable: value}, words=words)
    for value in (MARK, f"me:{MARK}@127.0.0.1:9", "127.0.0.1:9", ""):
        yield Case("`proxy`", {}, {"proxy": value}, words="must be a URL such as")
    for value in (8080, True, MARK.encode(), {"https": good}, httpx.URL(good), httpx.Proxy(good)):
        yield Case("`proxy`", {}, {"proxy": value}, words="must be a URL such as")


def certificates(folder: Path) -> Iterator[Case]:
    (folder / "empty.pem").touch()
    (folder / "words.pem").write_text("no certificate", "utf-8")
    (folder / "cut.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n", "utf-8")
    (folder / "binary.pem").write_bytes(bytes(range(256)))
    (folder / "certificates").mkdir()
    good, missing = certifi.where(), str(folder / "missing.pem")
    for value in (
        good,
        str(folder / "certificates"),
        Path(good),
        folder / "certificates",
        True,
        False,
        ssl.create_default_context(),
    ):
        yield Case("", {}, {"verify": value})
    yield Case("", {"SSL_CERT_FILE": good})
    yield Case("", {"SSL_CERT_FILE": f'"{good}"\r', "SSL_CERT_DIR": missing})
    yield Case("", {"SSL_CERT_DIR": str(folder / "certificates")})
    yield Case("", {"SSL_CERT_DIR": f"{missing}{os.pathsep}{folder}"})
    yield Case("", {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})
    yield Case("", {"SSL_CERT_FILE": missing}, {"verify": good})
    yield Case("", {"SSL_CERT_FILE": missing}, {"trust_env": False, "account_id": ACCOUNT, "api_token": TOKEN})
    yield Case("", {"REQUESTS_CA_BUNDLE": missing, "CURL_CA_BUNDLE": missing, "NODE_EXTRA_CA_CERTS": missing})
    yield Case("", {"SSLKEYLOGFILE": str(folder / "keys.log")})
    yield Case("", {"SSLKEYLOGFILE": missing + "/x"}, {"verify": False})
    for name in ("missing", "empty", "words", "cut", "binary"):
        path = folder / f"{name}.pem"
        yield Case("SSL_CERT_FILE", {"SSL_CERT_FILE": str(path)}, words="PEM certificates")
        for value in (path, str(path)):
            yield Case("`verify`", {}, {"verify": value}, words="PEM certificates")
    yield Case("SSL_CERT_FILE", {"SSL_CERT_FILE": str(folder)}, words="names no file")
    yield Case("SSL_CERT_FILE", {"SSL_CERT_FILE": "~/ca.pem"}, words="names no file")
    yield Case("SSL_CERT_DIR", {"SSL_CERT_DIR": missing}, words="names no folder")
    yield Case("SSL_CERT_DIR", {"SSL_CERT_DIR": good}, words="names no folder")
    for value in (missing + "/x", str(folder)):
        yield Case("SSLKEYLOGFILE", {"SSLKEYLOGFILE": value, "SSL_CERT_FILE": good}, words="unset it")
    for value in ("", "false", "a\0b", "\ud800"):
        yield Case("`verify`", {}, {"verify": value})
    for value in (None, 1, 0, 1.5, b"ca.pem", [good], ssl.SSLContext, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)):
        yield Case("`verify`", {}, {"verify": value}, words="`verify` must be")


def options() -> Iterator[Case]:
    nan, inf = float("nan"), float("inf")
    for value in ("5", WORD, nan, inf, -1, 0, True, 10**400, b"5", [5], (5, 5), {"read": WORD}):
        for option in ("timeout", "total_timeout"):
            yield Case(f"`{option}`", {}, {option: value}, words="positive number of seconds")
            yield Case(f"`{option}`", {}, {}, {option: value}, words="positive number of seconds")
    for value in (1.5, "2", -1, True, nan, [2], WORD.encode()):
        yield Case("`max_retries`", {}, {"max_retries": value}, words="0 or more")
        yield Case("`max_retries`", {}, {}, {"max_retries": value}, words="0 or more")
    for value in ("Strict", "", WORD, None, True, 5, ["off"], b"off"):
        yield Case("`checks`", {}, {"checks": value}, words="'enforce', 'strict', 'warn' or 'off'")
        yield Case("`checks`", {}, {}, {"checks": value}, words="'enforce', 'strict', 'warn' or 'off'")
    for value in ("rest", None, 5, ["api"]):
        yield Case("`gateway_route`", {}, {"gateway_route": value}, words="'gateway' or 'api'")
    for option in ("trust_env", "allow_http"):
        for value in ("false", None, 0, [WORD]):
            yield Case(f"`{option}`", {}, {option: value}, words="True or False")
    for option in ("queue_request", "reject_if_busy", "return_raw_response"):
        for value in ("false", None, 1, [WORD]):
            yield Case(f"`{option}`", {}, {}, {option: value}, words="True or False")
    bad_headers: list[tuple[Any, str]] = [
        *((value, "must be a mapping") for value in ([("x-a", MARK)], MARK, 5, {MARK}, MARK.encode())),
        *(
            ({"x-a": value}, "a header's value")
            for value in (f"{MARK}\nx", f"{MARK}\r", f" {MARK}", f"{MARK}\u00e9", 5, None)
        ),
        *(({"x-b": MARK, "x-a": value}, "a header's value") for value in (MARK.encode(), [MARK], "\ud800")),
        *(
            ({name: MARK}, "no header name")
            for name in ("", "a b", f"Authorization: Bearer {MARK}", "\u00e9", "a\n", 5, None)
        ),
        *(
            ({name: f"Bearer {MARK}"}, "may not set")
            for name in ("Authorization", "authorization", "Content-Type", "HOST")
        ),
    ]
    for value, words in bad_headers:
        yield Case("default_headers", {}, {"default_headers": value}, words=words)
        yield Case("extra_headers", {}, {}, {"extra_headers": value}, words=words)
    yield Case("", {}, {"default_headers": {"cf-access-client-secret": MARK}}, {"extra_headers": {"x-key": MARK}})
    for client in (httpx.Client, object(), 5, WORD, {"http": WORD}):
        yield Case("http_client", {}, {"http_client": client}, words="must be an httpx.Client")
    closed = httpx.Client()
    closed.close()
    yield Case("http_client", {}, {"http_client": closed}, words="passed in is closed")
    for client in (httpx.AsyncClient, httpx.Client(), object(), 5):
        yield Case("async_http_client", {}, {"async_http_client": client}, words="must be an httpx.AsyncClient")
    for value in (
        5,
        [MODEL],
        WORD,
        {5: 5},
        {MODEL: -1},
        {MODEL: "5"},
        {MODEL: {"tokens": 5}},
        {MODEL: {"context_length": None}},
    ):
        yield Case("limit_overrides", {}, {"limit_overrides": value})
    for value in (5, WORD, len, {MODEL: 5}, type("Counter", (), {"count_text": None})):
        yield Case("token_counter", {}, {"token_counter": value})
    for value in ("abc", 5, b"abc", ["a b"], [""], [5], ["a" * 51], [f"{WORD}\n"], list("abcdef"), {"a": {}, "b c": 1}):
        yield Case("`tags`", {}, {}, {"tags": value})
    yield Case("", {}, {}, {"tags": [*"abcde", "a"]})
    for value in (5, f"{WORD}\n", "\u00e9", " x", b"x", ["x"]):
        yield Case("session_affinity", {}, {}, {"session_affinity": value})


def gateways() -> Iterator[Case]:
    secret = {"id": "g", "token": MARK}
    for value in (
        *(
            5,
            "",
            "a/b",
            "..",
            "https://gateway.ai.cloudflare.com/v1/a/g",
            "g\n",
            "\u00e9",
            " g",
            "g" * LONG,
            b"g",
        ),
        *([secret], (secret,), {}, {"token": MARK}, {"id": None, "token": MARK}, {"id": ["g"], "token": MARK}, True),
        *({**secret, "Token": MARK}, {**secret, 5: 5}, {**secret, "cache_TTL": 5}),
        *({"id": "g", "token": token} for token in (f"Bearer {MARK}", f"{MARK}\n", 5, f'"{MARK}"', f"<{MARK}>")),
    ):
        yield Case("gateway", {}, {}, {"gateway": value})
    for name, values in {
        "skip_cache": ("false", 1, [True]),
        "collect_log": ("no", 0),
        "cache_ttl": ("60", -1, 1.5, True, [60], float("nan"), 10**400),
        "request_timeout_ms": ("60", -1, float("inf")),
        "cache_key": (5, "a\n", "\u00e9", ["k"]),
        "event_id": (5, "a\n"),
        "metadata": ("abc", 5, {str(key): key for key in range(6)}, [1]),
        "retries": (
            3,
            "3",
            [3],
            {"max_attempts": "3"},
            {"max_attempts": -1},
            {"backoff": "slow"},
            {"backoff": 5},
            {"x": 1},
        ),
    }.items():
        for value in values:
            yield Case("gateway", {}, {}, {"gateway": {**secret, name: value}})
    yield Case(
        "", {}, {}, {"gateway": {**secret, "cache_ttl": 60, "metadata": {"a": None}, "retries": {"max_attempts": 3}}}
    )


def models() -> Iterator[Case]:
    for name in (
        None,
        "",
        5,
        b"a",
        [MODEL],
        "..",
        "@cf/",
        "/",
        "@cf//x",
        "https://a.example/x",
        "a\nb",
        "a/../b",
        "x" * 10_000,
    ):
        yield Case("model", {}, {}, {"model": name})
    yield Case("model", {}, {}, {"model": "\n" * LONG})


EVERYWHERE: dict[str, Callable[[], Iterator[Case]]] = {
    table.__name__: table for table in (tokens, accounts, base_urls, proxies, options, gateways, models)
}


@pytest.fixture(autouse=True)
def _usual(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)


def check(case: Case, portal: BlockingPortal | None, service: Service) -> None:
    service.forget()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in case.variables.items():
            patch.setenv(name, value)
        call = {"model": MODEL, **case.call}

        def run() -> Any:
            caller = Caller(Ai(**case.options), portal)
            try:
                return caller.run(call.pop("model"), HELLO, **call)
            finally:
                caller.close()

        if not case.name:
            run()
            assert len(service.requests) == 1
            return
        with pytest.raises(ConfigurationError) as caught:
            run()
    message = str(caught.value)
    assert case.name in message
    assert case.words in message
    assert len(message) < 400
    named = {*re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\b(?:https|all)_proxy\b|`[a-z_]+`", message)}
    assert named <= {case.name, f"`{case.name}`", *case.variables}, message
    assert WORD not in message
    assert MARK not in show_error(caught.value)
    assert service.requests == []


@SYNC_AND_ASYNC
@pytest.mark.parametrize("table", EVERYWHERE)
def test_what_cannot_work_is_named_and_not_shown_and_what_can_works(
    portal: BlockingPortal | None, service: Service, table: str
) -> None:
    for case in EVERYWHERE[table]():
        with row(str(case)[:300]):
            check(case, portal, service)


def test_certificates_that_cannot_be_read_are_named_and_others_are_used(
    portal: BlockingPortal | None, service: Service, tmp_path: Path
) -> None:
    for case in certificates(tmp_path):
        with row(str(case)[:300]):
            check(case, portal, service)


class Unprintable:
    """An object that cannot even be described."""

    def __repr__(self) -> str:
        raise RuntimeError(MARK)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError(MARK)

    __hash__ = object.__hash__


class UnprintableInt(int):
    """A number that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError(MARK)

    __str__ = __format__ = __repr__  # type: ignore[assignment]


ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        -0.0,
        10**5000,
        1j,
        UnprintableInt(-5),
        UnprintableInt(5),
    ),
    *(
        "",
        " ",
        WORD,
        f"{WORD}\n",
        f"\ud800{WORD}",
        "\0",
        "\u00e9" * 50,
        WORD.encode(),
        bytearray(b"x"),
        memoryview(b"x"),
    ),
    *(
        [],
        [WORD],
        [None],
        [Unprintable()],
        (),
        (1,),
        {},
        {WORD: WORD},
        {5: 5},
        {None: None},
        {"id": Unprintable()},
        {WORD},
    ),
    *(
        object(),
        object,
        Unprintable(),
        Unprintable,
        len,
        iter([WORD]),
        Ellipsis,
        NotImplemented,
        Path("/x"),
        ValueError(WORD),
    ),
    *(
        {"id": "g", "metadata": {Unprintable(): 1}},
        {"id": "g", "cache_key": Unprintable()},
        {Unprintable(): Unprintable()},
    ),
    *({"x-a": Unprintable()}, {Unprintable(): "x"}, {MODEL: Unprintable()}, {MODEL: {Unprintable(): 5}}, {MODEL: {}}),
]
"""What nobody means, for every option."""


@SYNC_AND_ASYNC
def test_no_exception_but_ours_leaves_whatever_is_given(portal: BlockingPortal | None, service: Service) -> None:
    of_a_client = [*inspect.signature(Ai).parameters]
    of_a_call = [name for name in inspect.signature(Ai.run).parameters if name not in ("self", "inputs")]
    of_a_copy = [name for name in inspect.signature(Ai.with_options).parameters if name != "self"]

    def run(ai: Ai, *, model: Any = MODEL, **options: Any) -> None:
        caller = Caller(ai, portal)
        try:
            caller.run(model, HELLO, **options)
        finally:
            caller.close()

    makers: dict[str, tuple[list[str], Callable[..., Any]]] = {
        "Ai": (of_a_client, lambda **options: run(Ai(**options))),
        "run": (of_a_call, lambda **options: run(Ai(), **options)),
        "with_options": (of_a_copy, lambda **options: run(Ai().with_options(**options))),
        "Timeout": ([*Timeout.__slots__], lambda **options: run(Ai(timeout=Timeout(**options)))),
        "Retry": (["max_retries", "base", "cap", "jitter"], lambda **options: run(Ai(max_retries=Retry(**options)))),
        "gateway": ([*GatewayOptions.__annotations__], lambda **options: run(Ai(), gateway={"id": "g", **options})),
        "retries": (
            [*GatewayRetries.__annotations__],
            lambda **options: run(Ai(), gateway={"id": "g", "retries": options}),
        ),
    }
    messages: list[str] = []
    for place, (names, make) in makers.items():
        for name, value in product(names, ODD):
            with row((place, name, type(value))):
                try:
                    make(**{name: value})
                except CfaiError as error:
                    messages.append(str(error))
    assert len(messages) > 1000
    assert MARK not in "".join(messages)


def test_the_doctor_finds_what_a_client_refuses(
    monkeypatch: pytest.MonkeyPatch, service: Service, tmp_path: Path
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    service.answers(service.error(400, 7000))
    cases = [case for table in EVERYWHERE.values() for case in table()] + [*certificates(tmp_path)]
    of_variables = [case for case in cases if case.variables and not case.options and not case.call]
    assert len(of_variables) > 200
    for case in of_variables:
        with pytest.MonkeyPatch.context() as patch, row(str(case)[:300]):
            for name, value in case.variables.items():
                patch.setenv(name, value)
            report = [*examine(timeout=0.01)]
            settings = [
                finding for finding in report if finding.check in ("address", "token", "account id", "certificates")
            ]
            problems = [str(finding) for finding in report if finding.verdict == "problem"]
            if case.name:
                assert any(case.name in problem for problem in problems), report
            else:
                assert not [finding for finding in settings if finding.verdict == "problem"]
            assert MARK not in "".join(map(str, report))


# A real proxy


def pass_on(client: Any, target: bytes) -> None:
    """Carry bytes between a client and the server that it asked for, until one of them leaves."""
    host, _, port = target.decode().rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            has_more = isinstance(client, ssl.SSLSocket) and client.pending()
            for source in [client] if has_more else select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)


@SYNC_AND_ASYNC
def test_no_proxy_says_by_range_port_and_name_what_goes_past_a_proxy(
    callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(answering), serve(answering)
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    for no_proxy, is_past in (
        *(
            ("", False),
            ("127.0.0.0/8", True),
            ("127.0.0.0/255.0.0.0", True),
            ("0.0.0.0/0", True),
            ("127.0.0.1/32", True),
        ),
        *(("10.0.0.0/8", False), ("::1/128", False), ("::1/128, [::1]:1 127.0.0.0/8", True), ("127.0.0.1", True)),
        *((f"127.0.0.1:{server.port}", True), ("127.0.0.1:1", False), (f"127.0.0.0/8:{server.port}", True)),
        *(("127.*", True), ("*", True), ("localhost", False), ("0.0.1", False), ("http://127.0.0.1", True)),
    ):
        proxy.requests.clear()
        server.requests.clear()
        monkeypatch.setenv("NO_PROXY", no_proxy)
        with row(no_proxy):
            assert callers(base_url=server.url, allow_http=True).run(MODEL, HELLO).text == "Hello"
        assert (len(proxy.requests), len(server.requests)) == (not is_past, is_past), no_proxy


@SYNC_AND_ASYNC
def test_a_proxy_with_a_login_carries_calls_also_over_tls_with_the_certificates_of_the_client(
    callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = Path(__file__).parent / "doctor" / "tls" / "localhost.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def answer(peer: Peer) -> None:
        with context.wrap_socket(peer.connection, server_side=True) as peer.connection:
            answering(peer)

    def carry(peer: Peer) -> None:
        pass_on(peer.connection, peer.request().split()[1])

    def carry_over_tls(peer: Peer) -> None:
        with context.wrap_socket(peer.connection, server_side=True) as peer.connection:
            carry(peer)

    server, login = serve(answer), "me:p%40%23%2Fss"
    target = f"localhost:{server.port}".encode()
    for script, scheme in ((carry, "http"), (carry_over_tls, "https")):
        proxy = serve(script)
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://{login}@localhost:{proxy.port}")
        caller = callers(base_url=f"https://localhost:{server.port}/client/v4", verify=pem)
        with row(scheme):
            assert caller.run(MODEL, HELLO).text == "Hello"
        caller.close()
        [request] = proxy.requests
        assert request.split()[:2] == [b"CONNECT", target]
        assert base64.b64encode(b"me:p@#/ss") in request
    assert len(server.requests) == 2
