"""Where calls go and with which credentials."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from cfai import Ai, ConfigurationError
from cfai._credentials import Credentials, EnvironmentVariables, parse_secret, resolve_credentials
from tests.conftest import row

ID = "0123456789abcdef0123456789abcdef"
OTHER_ID = "f" * 32
TOKEN = "the-token"
TOKEN_NAMES = [
    "CLOUDFLARE_API_TOKEN",
    "CF_API_TOKEN",
    "CF_AI_API_TOKEN",
    "CLOUDFLARE_AUTH_TOKEN",
    "CLOUDFLARE_API_KEY",
]
ACCOUNT_NAMES = ["CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID"]
BASE_URL_NAMES = ["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL", "CF_API_BASE_URL"]
API = "https://api.cloudflare.com/client/v4"


def resolve(
    id: Any = ID, token: Any = TOKEN, url: Any = None, environment: dict[str, str] | None = None, **options: Any
) -> Credentials:
    """Return the credentials of an `Ai` with these arguments."""
    arguments = map(parse_secret, (id, token, url))
    return resolve_credentials(EnvironmentVariables(environment or {}), *arguments, **options)


def error_of(*arguments: Any, **options: Any) -> str:
    with row((arguments, options)), pytest.raises(ConfigurationError) as caught:
        resolve(*arguments, **options)
    return str(caught.value)


# The environment


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


def test_arguments_win_over_the_environment() -> None:
    environment = {"CLOUDFLARE_ACCOUNT_ID": OTHER_ID, "CLOUDFLARE_API_TOKEN": "other", BASE_URL_NAMES[0]: "https://b.c"}
    credentials = resolve(ID, TOKEN, "https://given.example", environment)
    assert (credentials.account_id, credentials.token.value, credentials.base_url) == (
        ID,
        TOKEN,
        "https://given.example",
    )


def test_blanks_around_a_value_are_taken_off() -> None:
    environment = {"CLOUDFLARE_API_TOKEN": f" {TOKEN}\n", "CF_API_BASE_URL": " https://a.example\t"}
    credentials = resolve(f"{ID}\n", None, environment=environment)
    assert (credentials.account_id, credentials.token.value, credentials.base_url) == (ID, TOKEN, "https://a.example")


def test_a_blank_value_counts_as_unset() -> None:
    for blank in ("", "  ", "\n"):
        environment = {"CLOUDFLARE_API_TOKEN": blank, "CF_API_TOKEN": TOKEN, "CF_ACCOUNT_ID": ID}
        credentials = resolve(blank, blank, blank, environment)
        assert (credentials.account_id, credentials.token.value, credentials.base_url) == (ID, TOKEN, API), repr(blank)


def test_what_is_missing_is_named() -> None:
    for arguments, parts in (
        ((None, TOKEN), ("account_id", "CLOUDFLARE_ACCOUNT_ID")),
        ((ID, None), ("api_token", "CLOUDFLARE_API_TOKEN")),
    ):
        message = error_of(*arguments)
        assert all(part in message for part in parts), message


def test_the_global_key_is_not_taken_for_a_token() -> None:
    key, email = {"CLOUDFLARE_API_KEY": "the-global-key"}, {"CLOUDFLARE_EMAIL": "a@b.example"}
    message = error_of(token=None, environment=key | email)
    assert "CLOUDFLARE_EMAIL" in message
    assert "global key" in message
    assert "the-global-key" not in message
    # Beside an e-mail address the other names are still read, and a blank one makes no global key.
    assert resolve(token=None, environment=key | email | {"CLOUDFLARE_AUTH_TOKEN": TOKEN}).token.value == TOKEN
    assert resolve(token=None, environment=key | {"CLOUDFLARE_EMAIL": " "}).token.value == "the-global-key"


# Accounts and tokens


def test_an_account_of_cloudflare_is_32_hexadecimal_digits() -> None:
    for id in ("abc", ID[:-1], ID + "0", "g" * 32, f"{ID[:-1]}\u0661", "a-name"):
        for url in (None, API, "https://API.fed.cloudflare.com/v4"):
            message = error_of(id, url=url)
            assert "32 hexadecimal digits" in message, (id, url)
            assert id not in message
    assert resolve(ID.upper()).account_id == ID.upper()


def test_a_token_in_the_place_of_the_account_is_hinted_at_and_not_shown() -> None:
    secret = "v1.0-0123456789abcdef0123456789abcdef01234567"
    message = error_of(secret)
    assert "looks like an API token" in message
    assert secret not in message


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


def test_values_that_are_no_text_are_refused() -> None:
    for option in ("id", "token", "url"):
        assert "got bytes" in error_of(**{option: b"bytes"}), option


# Base URLs


def test_plain_http_goes_to_this_machine_alone_unless_it_is_allowed() -> None:
    for host in ("localhost:8787", "127.0.0.1/client/v4", "127.9.9.9", "[::1]:80", "ai.localhost"):
        assert resolve("local", url=f"http://{host}").base_url == f"http://{host}", host
    for host in ("ai.example", "localhost.example", "192.168.0.1", "127.0.0.1.example", "0.0.0.0"):
        assert "allow_http" in error_of(url=f"http://{host}"), host
        assert resolve(url=f"http://{host}", allow_http=True).base_url == f"http://{host}", host


def test_a_slash_at_the_end_of_the_base_url_is_taken_off() -> None:
    assert resolve(url="https://a.example/client/v4/").base_url == "https://a.example/client/v4"


def test_a_scheme_in_capitals_is_the_same_scheme() -> None:
    credentials = resolve("local", url="HTTP://127.0.0.1:8787/Path")
    assert (credentials.base_url, credentials.is_direct) == ("http://127.0.0.1:8787/Path", True)
    assert "allow_http" in error_of(url="HTTP://ai.example")


def test_what_is_no_base_url_is_refused() -> None:
    for url in (
        "api.cloudflare.com",
        "ftp://a.example",
        "https://",
        "https:///path",
        "https://a.example:99999",
        "https://a.example:port",
        "https://a.example:0",
        "https://999.1.1.1/client/v4",
        "https://[::1",
        "https://a.example/a b",
        "https://a.example/\x00",
        "https://a.example\n.b.example",
        "https://a.example?x=1",
        "https://a.example#x",
        "https://user@a.example",
        "https://user:secret@a.example",
    ):
        message = error_of(url=url)
        assert "base_url" in message, url
        assert "secret" not in message


def test_gateways_of_cloudflare_have_a_host_of_their_own_and_others_are_beside_the_api() -> None:
    assert resolve().gateway_url == "https://gateway.ai.cloudflare.com/v1"
    assert resolve(url="http://localhost:8787/client/v4").gateway_url == "http://localhost:8787/v1"


def test_a_gateway_route_is_one_of_two() -> None:
    assert "carrier pigeon" in error_of(gateway_route="carrier pigeon")


def test_neither_the_token_nor_headers_that_may_be_credentials_show() -> None:
    credentials = resolve(default_headers={"cf-access-client-secret": "another"})
    for secret in (TOKEN, "another"):
        assert secret not in repr(credentials) + str(credentials)


# `Ai` itself


def test_ai_takes_its_credentials_from_the_environment_unless_it_is_told_to_leave_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ID)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://a.example/v4/")
    ai = Ai()
    assert (ai.account_id, ai.base_url) == (ID, "https://a.example/v4")
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_ACCOUNT_ID"):
        Ai(trust_env=False)


def test_what_is_missing_is_told_by_the_constructor() -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_API_TOKEN"):
        Ai(account_id=ID)
    with pytest.raises(ValueError, match="account"):
        Ai(account_id=None, api_token=TOKEN)


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


def test_certificates_and_proxies_that_cannot_be_used_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
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
    for option in ("timeout", "total_timeout", "max_retries", "checks"):
        with row(option), pytest.raises(ConfigurationError, match=option):
            ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "x"}, **{option: "x"})
        with row(option), pytest.raises(ConfigurationError, match=option):
            ai.with_options(**{option: "x"})
    with pytest.raises(ConfigurationError, match="gateway_route"):
        ai.with_options(gateway_route="x")  # pyright: ignore[reportArgumentType]  # what is tested
    with pytest.raises(ConfigurationError, match="default_headers"):
        ai.with_options(default_headers={"bad name": "x"})
