"""Where calls go and with which credentials."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from cfai import Ai, ConfigurationError
from cfai import _credentials as _account

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


def resolve_credentials(environment: dict[str, str], *given: Any, **options: Any) -> _account.Credentials:
    """Return the account of an `Ai` with these arguments."""
    return _account.resolve_credentials(
        _account.EnvironmentVariables(environment), *map(_account.parse_secret, given), **options
    )


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        resolve_credentials(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", TOKEN_NAMES)
def test_each_name_of_the_token_is_read(name: str) -> None:
    assert resolve_credentials({name: TOKEN}, ID).token.value == TOKEN


@pytest.mark.parametrize(("first", "second"), list(pairwise(TOKEN_NAMES)))
def test_names_of_the_token_are_asked_in_order(first: str, second: str) -> None:
    assert resolve_credentials({second: "later", first: TOKEN}, ID).token.value == TOKEN


@pytest.mark.parametrize("name", ACCOUNT_NAMES)
def test_each_name_of_the_account_is_read(name: str) -> None:
    assert resolve_credentials({name: ID}, None, TOKEN).id == ID


def test_names_of_the_account_are_asked_in_order() -> None:
    assert resolve_credentials({"CF_ACCOUNT_ID": OTHER_ID, "CLOUDFLARE_ACCOUNT_ID": ID}, None, TOKEN).id == ID


@pytest.mark.parametrize("name", BASE_URL_NAMES)
def test_each_name_of_the_base_url_is_read(name: str) -> None:
    assert resolve_credentials({name: "https://a.example/v4"}, ID, TOKEN).base_url == "https://a.example/v4"


@pytest.mark.parametrize(("first", "second"), list(pairwise(BASE_URL_NAMES)))
def test_names_of_the_base_url_are_asked_in_order(first: str, second: str) -> None:
    environment = {second: "https://later.example", first: "https://first.example"}
    assert resolve_credentials(environment, ID, TOKEN).base_url == "https://first.example"


def test_without_a_base_url_calls_go_to_cloudflare() -> None:
    assert resolve_credentials({}, ID, TOKEN).base_url == "https://api.cloudflare.com/client/v4"


def test_arguments_win_over_the_environment() -> None:
    environment = {
        "CLOUDFLARE_ACCOUNT_ID": OTHER_ID,
        "CLOUDFLARE_API_TOKEN": "other",
        "CLOUDFLARE_API_BASE_URL": "https://other.example",
    }
    account = resolve_credentials(environment, ID, TOKEN, "https://given.example")
    assert (account.id, account.token.value, account.base_url) == (ID, TOKEN, "https://given.example")


def test_blanks_around_a_value_are_taken_off() -> None:
    account = resolve_credentials(
        {"CLOUDFLARE_API_TOKEN": f" {TOKEN}\n", "CF_API_BASE_URL": " https://a.example\t"}, f"{ID}\n"
    )
    assert (account.id, account.token.value, account.base_url) == (ID, TOKEN, "https://a.example")


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_value_counts_as_unset(blank: str) -> None:
    environment = {"CLOUDFLARE_API_TOKEN": blank, "CF_API_TOKEN": TOKEN, "CF_ACCOUNT_ID": ID}
    account = resolve_credentials(environment, blank, blank, blank)
    assert (account.id, account.token.value) == (ID, TOKEN)


def test_a_missing_account_is_named() -> None:
    said = refusal({}, None, TOKEN)
    assert "account_id" in said
    assert "CLOUDFLARE_ACCOUNT_ID" in said


def test_a_missing_token_is_named() -> None:
    said = refusal({}, ID)
    assert "api_token" in said
    assert "CLOUDFLARE_API_TOKEN" in said


def test_the_global_key_is_not_taken_for_a_token() -> None:
    said = refusal({"CLOUDFLARE_API_KEY": "the-global-key", "CLOUDFLARE_EMAIL": "a@b.example"}, ID)
    assert "CLOUDFLARE_EMAIL" in said
    assert "global key" in said
    assert "the-global-key" not in said


def test_beside_an_email_the_other_names_are_still_read() -> None:
    environment = {"CLOUDFLARE_AUTH_TOKEN": TOKEN, "CLOUDFLARE_API_KEY": "key", "CLOUDFLARE_EMAIL": "a@b.example"}
    assert resolve_credentials(environment, ID).token.value == TOKEN


def test_a_blank_email_does_not_make_a_global_key() -> None:
    assert resolve_credentials({"CLOUDFLARE_API_KEY": TOKEN, "CLOUDFLARE_EMAIL": " "}, ID).token.value == TOKEN


@pytest.mark.parametrize("id", ["abc", ID[:-1], ID + "0", "g" * 32, f"{ID[:-1]}\u0661", "a-name"])
@pytest.mark.parametrize("url", [None, "https://api.cloudflare.com/client/v4", "https://API.fed.cloudflare.com/v4"])
def test_an_account_of_cloudflare_is_32_hexadecimal_digits(id: str, url: str | None) -> None:
    said = refusal({}, id, TOKEN, url)
    assert "32 hexadecimal digits" in said
    assert id not in said


def test_a_token_in_the_place_of_the_account_is_hinted_at_and_not_shown() -> None:
    secret = "v1.0-0123456789abcdef0123456789abcdef01234567"
    said = refusal({}, secret, TOKEN)
    assert "looks like an API token" in said
    assert secret not in said


def test_an_account_may_be_written_in_capitals() -> None:
    assert resolve_credentials({}, ID.upper(), TOKEN).id == ID.upper()


@pytest.mark.parametrize(
    "url",
    [
        "https://ai.example/client/v4",
        "https://cloudflare.com.example",
        "https://notcloudflare.com",
        "http://localhost:1",
    ],
)
def test_other_hosts_take_any_account(url: str) -> None:
    assert resolve_credentials({}, "local", TOKEN, url).id == "local"


@pytest.mark.parametrize("id", ["a/b", ".", "..", "a b", "a\nb", "café"])
def test_no_account_climbs_out_of_the_path(id: str) -> None:
    assert "account id" in refusal({}, id, TOKEN, "http://localhost")


@pytest.mark.parametrize(
    "token", ["top secret", "top\nsecret", "top\r\nx: secret", "top\0secret", "töp-secret", "secret\x7f"]
)
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    said = refusal({}, ID, token)
    assert "API token" in said
    assert token not in said


@pytest.mark.parametrize("place", [0, 1, 2])
def test_values_that_are_no_text_are_refused(place: int) -> None:
    arguments: list[Any] = [ID, TOKEN, None]
    arguments[place] = b"bytes"
    assert "got bytes" in refusal({}, *arguments)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8787",
        "http://127.0.0.1/client/v4",
        "http://127.9.9.9",
        "http://[::1]:80",
        "http://ai.localhost",
    ],
)
def test_plain_http_goes_to_this_machine(url: str) -> None:
    assert resolve_credentials({}, ID, TOKEN, url).base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ai.example",
        "http://localhost.example",
        "http://192.168.0.1",
        "http://127.0.0.1.example",
        "http://0.0.0.0",
    ],
)
def test_plain_http_goes_to_no_other_host(url: str) -> None:
    said = refusal({}, ID, TOKEN, url)
    assert "allow_http" in said


def test_plain_http_can_be_allowed() -> None:
    assert resolve_credentials({}, ID, TOKEN, "http://ai.example", allow_http=True).base_url == "http://ai.example"


def test_a_slash_at_the_end_of_the_base_url_is_taken_off() -> None:
    assert resolve_credentials({}, ID, TOKEN, "https://a.example/client/v4/").base_url == "https://a.example/client/v4"


@pytest.mark.parametrize(
    "url",
    [
        "api.cloudflare.com",
        "ftp://a.example",
        "https://",
        "https:///path",
        "https://a.example:99999",
        "https://a.example:port",
        "https://[::1",
        "https://a.example/a b",
        "https://a.example/\x00",
        "https://a.example\n.b.example",
        "https://a.example?x=1",
        "https://a.example#x",
        "https://user@a.example",
    ],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    assert "base_url" in refusal({}, ID, TOKEN, url)


def test_a_password_in_the_base_url_is_refused_and_not_shown() -> None:
    said = refusal({}, ID, TOKEN, "https://user:secret@a.example")
    assert "secret" not in said


def test_gateways_of_cloudflare_have_a_host_of_their_own() -> None:
    assert resolve_credentials({}, ID, TOKEN).gateway_url == "https://gateway.ai.cloudflare.com/v1"


def test_gateways_of_another_server_are_beside_its_api() -> None:
    assert (
        resolve_credentials({}, ID, TOKEN, "http://localhost:8787/client/v4").gateway_url == "http://localhost:8787/v1"
    )


def test_a_gateway_transport_is_one_of_two() -> None:
    options: dict[str, Any] = {"gateway_route": "carrier pigeon"}
    assert "carrier pigeon" in refusal({}, ID, TOKEN, **options)


def test_the_token_does_not_show() -> None:
    account = resolve_credentials({}, ID, TOKEN)
    assert TOKEN not in repr(account) + str(account)


def test_headers_that_may_be_credentials_do_not_show() -> None:
    account = resolve_credentials({}, ID, TOKEN, default_headers={"cf-access-client-secret": "another"})
    assert "another" not in repr(account)


# `Ai` itself


def test_ai_takes_its_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ID)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://a.example/v4/")
    ai = Ai()
    assert (ai.account_id, ai.base_url) == (ID, "https://a.example/v4")


def test_ai_can_be_told_to_leave_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ID)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_ACCOUNT_ID"):
        Ai(trust_env=False)


def test_what_is_missing_is_told_by_the_constructor() -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_API_TOKEN"):
        Ai(account_id=ID)


def test_refusals_are_value_errors_too() -> None:
    with pytest.raises(ValueError, match="account"):
        Ai(account_id=None, api_token=TOKEN)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", True),
        ("timeout", "30"),
        ("timeout", float("nan")),
        ("total_timeout", 0),
        ("total_timeout", -1),
        ("total_timeout", True),
        ("total_timeout", "30"),
        ("total_timeout", float("nan")),
        ("max_retries", -1),
        ("max_retries", True),
        ("max_retries", "3"),
        ("max_retries", 1.5),
        ("checks", "loose"),
        ("checks", None),
        ("gateway_route", "x"),
        ("default_headers", {"bad name": "x"}),
        ("http_client", object()),
        ("async_http_client", object()),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=option):
        Ai(account_id=ID, api_token=TOKEN, **{option: value})


@pytest.mark.parametrize(
    "option", ["timeout", "total_timeout", "max_retries", "checks", "gateway_route", "default_headers"]
)
def test_options_of_a_copy_are_checked_as_well(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option):
        Ai(account_id=ID, api_token=TOKEN).with_options(
            **{option: {"bad name": "x"} if option == "default_headers" else "x"}
        )


@pytest.mark.parametrize("option", ["timeout", "total_timeout", "max_retries", "checks"])
def test_options_of_a_call_are_checked_as_well(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option):
        Ai(account_id=ID, api_token=TOKEN).run("@cf/zai-org/glm-4.7-flash", {"prompt": "x"}, **{option: "x"})


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": float("inf")},
        {"timeout": float("nan")},
        {"total_timeout": float("inf")},
        {"proxy": "user:password@host:1"},
        {"proxy": "ftp://host"},
        {"proxy": "nothing"},
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Ai(account_id=ID, api_token=TOKEN, **options)
    assert "password" not in str(caught.value)
