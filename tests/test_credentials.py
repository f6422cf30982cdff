"""The addresses that calls go to, and their credentials."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from cfai import Ai, ConfigurationError
from cfai._credentials import Credentials, EnvironmentVariables, Secret, parse_setting, resolve_credentials
from tests.conftest import row

ID = "0123456789abcdef0123456789abcdef"
OTHER_ID = "f" * 32
TOKEN = "the-token"
TOKEN_NAMES = ["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CF_AI_API_TOKEN", "CLOUDFLARE_AUTH_TOKEN", "CLOUDFLARE_API_KEY"]
ACCOUNT_NAMES = ["CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID"]
BASE_URL_NAMES = ["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL", "CF_API_BASE_URL"]
API = "https://api.cloudflare.com/client/v4"


def resolve(
    id: Any = ID, token: Any = TOKEN, url: Any = None, environment: dict[str, str] | None = None, **options: Any
) -> Credentials:
    """Return the credentials of an `Ai` with these arguments."""
    options_by_name = {"account_id": id, "api_token": token, "base_url": url}
    arguments = [parse_setting(option, Secret(value)) for option, value in options_by_name.items()]
    return resolve_credentials(EnvironmentVariables(environment or {}), *arguments, **options)


def error_of(*arguments: Any, **options: Any) -> str:
    with row((arguments, options)), pytest.raises(ConfigurationError) as caught:
        resolve(*arguments, **options)
    return str(caught.value)


def test_each_name_is_read_and_in_order() -> None:
    known = {"CLOUDFLARE_ACCOUNT_ID": ID, "CLOUDFLARE_API_TOKEN": TOKEN}
    rows: list[tuple[list[str], str, str, Callable[[Credentials], str]]] = [
        (TOKEN_NAMES, "first", "later", lambda credentials: credentials.token.value),
        (ACCOUNT_NAMES, ID, OTHER_ID, lambda credentials: credentials.account_id),
        (BASE_URL_NAMES, "https://a.example", "https://b.example", lambda credentials: credentials.base_url),
    ]
    for names, first, later, read in rows:
        others = {name: value for name, value in known.items() if name not in names}
        for name, next_name in pairwise([*names, "ANOTHER"]):
            credentials = resolve(None, None, environment=others | {next_name: later, name: first})
            assert read(credentials) == first, name


def test_arguments_win_over_the_environment_and_blanks_count_for_nothing() -> None:
    given, token = "https://given.example", {"CLOUDFLARE_API_TOKEN": "other", "CLOUDFLARE_ACCOUNT_ID": OTHER_ID}
    unset = {"CF_API_TOKEN": TOKEN, "CF_ACCOUNT_ID": ID}
    for arguments, environment, url in (
        ((ID, TOKEN, given), {**token, BASE_URL_NAMES[0]: "https://b.c"}, given),
        ((f"{ID}\n", None, None), {"CLOUDFLARE_API_TOKEN": f" {TOKEN}\n", "CF_API_BASE_URL": f" {given}\t"}, given),
        *(((blank,) * 3, {"CLOUDFLARE_API_TOKEN": blank, **unset}, API) for blank in ("", "  ", "\n")),
    ):
        credentials = resolve(*arguments, environment)
        seen = (credentials.account_id, credentials.token.value, credentials.base_url)
        assert seen == (ID, TOKEN, url), arguments


def test_without_an_account_the_error_names_what_starts_the_same_program() -> None:
    for arguments in ((None, TOKEN, None), (ID, None, None)):
        assert "without an account, start the program with cfai dev -- python app.py" in error_of(*arguments)


def test_the_global_key_is_not_taken_for_a_token() -> None:
    key, email = {"CLOUDFLARE_API_KEY": "the-global-key"}, {"CLOUDFLARE_EMAIL": "a@b.example"}
    message = error_of(token=None, environment=key | email)
    assert "CLOUDFLARE_EMAIL" in message
    assert "global key" in message
    assert "the-global-key" not in message
    # Beside an e-mail address the other names are still read, and a blank one makes no global key.
    assert resolve(token=None, environment=key | email | {"CLOUDFLARE_AUTH_TOKEN": TOKEN}).token.value == TOKEN
    assert resolve(token=None, environment=key | {"CLOUDFLARE_EMAIL": " "}).token.value == "the-global-key"


def test_an_account_of_cloudflare_is_32_hexadecimal_digits() -> None:
    token = "v1.0-0123456789abcdef0123456789abcdef01234567"
    for id in ("abc", ID[:-1], ID + "0", "g" * 32, f"{ID[:-1]}-", "a-name", token):
        for url in (None, API, "https://API.fed.cloudflare.com/v4"):
            message = error_of(id, url=url)
            assert ("looks like an API token" if id == token else "32 hexadecimal digits") in message, (id, url)
            assert id not in message
    assert resolve(ID.upper()).account_id == ID.upper()


def test_other_hosts_take_any_account_that_stays_in_its_place_in_the_path() -> None:
    for host in ("https://ai.example/client/v4", "https://cloudflare.com.example", "https://notcloudflare.com"):
        assert resolve("local", url=host).account_id == "local", host
    for id in ("a/b", ".", "..", "a b", "a\nb", "café"):
        assert "account id" in error_of(id, url="http://localhost"), id


def test_a_token_that_no_header_can_carry_is_refused_and_not_shown() -> None:
    for token in ("top secret", "top\nsecret", "top\r\nx: secret", "top\0secret", "töp-secret", "secret\x7f"):
        message = error_of(token=token)
        assert "API token" in message, repr(token)
        assert token not in message
    for option, value, message in (
        *((option, b"bytes", "got bytes") for option in ("id", "token", "url")),
        ("gateway_route", "carrier pigeon", "carrier pigeon"),
    ):
        assert message in error_of(**{option: value}), option


def test_plain_http_goes_to_this_machine_alone_unless_it_is_allowed() -> None:
    for host in ("localhost:8787", "127.0.0.1/client/v4", "127.9.9.9", "[::1]:80", "ai.localhost"):
        assert resolve("local", url=f"http://{host}").base_url == f"http://{host}", host
    for host in ("ai.example", "localhost.example", "192.168.0.1", "127.0.0.1.example", "0.0.0.0"):
        for scheme in ("http", "HTTP"):
            assert "allow_http" in error_of(url=f"{scheme}://{host}"), host
        assert resolve(url=f"http://{host}", allow_http=True).base_url == f"http://{host}", host
    credentials = resolve("local", url="HTTP://127.0.0.1:8787/Path")
    assert (credentials.base_url, credentials.is_direct) == ("http://127.0.0.1:8787/Path", True)
    assert resolve(url="https://a.example/client/v4/").base_url == "https://a.example/client/v4"


def test_what_is_no_base_url_is_refused() -> None:
    for url in (
        *("api.cloudflare.com", "ftp://a.example", "https://", "https:///path", "https://[::1"),
        *(f"https://a.example:{port}" for port in ("99999", "port", "0")),
        "https://999.1.1.1/client/v4",
        *(f"https://a.example{rest}" for rest in ("/a b", "/\x00", "\n.b.example", "?x=1", "#x")),
        *("https://user@a.example", "https://user:secret@a.example"),
    ):
        message = error_of(url=url)
        assert "base_url" in message, url
        assert "secret" not in message


def test_gateways_of_cloudflare_have_a_host_of_their_own_and_no_credentials_show() -> None:
    assert resolve().gateway_url == "https://gateway.ai.cloudflare.com/v1"
    assert resolve(url="http://localhost:8787/client/v4").gateway_url == "http://localhost:8787/v1", "beside the API"
    credentials = resolve(default_headers=Secret({"cf-access-client-secret": "another"}))
    for secret in (TOKEN, "another"):
        assert secret not in repr(credentials) + str(credentials)


def test_ai_takes_its_credentials_from_the_environment_if_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    for options, argument, variable in (
        ({"account_id": ID}, "api_token", "CLOUDFLARE_API_TOKEN"),
        ({"api_token": TOKEN}, "account_id", "CLOUDFLARE_ACCOUNT_ID"),
    ):
        with row(argument), pytest.raises(ConfigurationError, match=variable) as caught:
            Ai(**options)
        assert argument in str(caught.value)
        assert isinstance(caught.value, ValueError)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ID)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://a.example/v4/")
    ai = Ai()
    assert (ai.account_id, ai.base_url) == (ID, "https://a.example/v4")
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_ACCOUNT_ID"):
        Ai(trust_env=False)


def test_an_option_that_cannot_work_is_refused_by_name() -> None:
    seconds = (0, -1, True, "30", float("nan"), float("inf"), 10**400)
    rows: dict[str, tuple[Any, ...]] = {
        "timeout": seconds,
        "total_timeout": seconds,
        "max_retries": (-1, True, "3", 1.5),
        "checks": ("loose", None),
        "gateway_route": ("x",),
        "default_headers": ({"bad name": "x"}, [("a", "b")], "a"),
        "http_client": (object(),),
        "async_http_client": (object(),),
        "proxy": ("user:password@host:1", "ftp://host", "nothing", 5, "http://[::1"),
    }
    for option, values in rows.items():
        for value in values:
            with row((option, value)), pytest.raises(ConfigurationError, match=option) as caught:
                Ai(account_id=ID, api_token=TOKEN, **{option: value})
            assert "password" not in str(caught.value)


def test_certificates_and_proxies_that_cannot_be_used_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    for option, value in (("verify", "/nowhere.pem"), ("proxy", "socks5://user:password@127.0.0.1:1")):
        ai = Ai(account_id=ID, api_token=TOKEN, **{option: value})
        with row(option), pytest.raises(ConfigurationError, match=f"`{option}`") as caught:
            ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "x"})
        assert "password" not in "".join(traceback.format_exception(caught.value))


def test_a_counter_that_is_changed_later_changes_nothing() -> None:
    class Counter:
        def count_text(self, text: str) -> int:
            return len(text)

    model = "@cf/zai-org/glm-4.7-flash"
    counters: dict[str, Any] = {model: Counter()}
    ai = Ai(account_id=ID, api_token=TOKEN, token_counter=counters)
    counters[model] = "none"
    assert int(ai.check(model, {"prompt": "Hello"}).tokens) > 0


def test_options_of_a_copy_and_of_a_call_are_checked_as_well() -> None:
    ai = Ai(account_id=ID, api_token=TOKEN)
    of_a_call: dict[str, Any] = dict.fromkeys(("timeout", "total_timeout", "max_retries", "checks"), "x")
    for option, value in {**of_a_call, "gateway_route": "x", "default_headers": {"bad name": "x"}}.items():
        with row(option), pytest.raises(ConfigurationError, match=option):
            ai.with_options(**{option: value})
        if option in of_a_call:
            with row(option), pytest.raises(ConfigurationError, match=option):
                ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "x"}, **{option: value})
