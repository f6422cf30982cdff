"""Requests of the rest of the binding: what they are, how their errors are raised, and what their lists do."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
import respx

from cfai import (
    Ai,
    AiInternalError,
    APIConnectionError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
    NotFoundError,
    RateLimitError,
)
from cfai._resources.api import Operation, build_path, read_result
from cfai.local import Emulator
from tests.conftest import ACCOUNT, TOKEN, Serve, row
from tests.resources.conftest import Invoke

SEARCH = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/models/search"


@respx.mock
def test_a_request_has_the_account_the_token_and_its_parameters(remote: Ai, invoke: Invoke) -> None:
    route = respx.get(SEARCH).respond(json={"success": True, "result": [{"name": "@cf/a/b"}], "errors": []})
    listed = invoke(remote, "models", search="a & b", include_deprecated=False, per_page=3, page=1)
    assert [model.name for model in listed] == ["@cf/a/b"]
    request = route.calls.last.request
    assert request.url.query == b"search=a+%26+b&include_deprecated=false&per_page=3&page=1"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "content-type" not in request.headers


@respx.mock
def test_pages_are_fetched_when_they_are_come_to(remote: Ai) -> None:
    full = [{"name": f"@cf/a/{number}"} for number in range(50)]
    pages = [httpx.Response(200, json={"result": rows}) for rows in (full, [{"name": "@cf/a/last"}])]
    route = respx.get(SEARCH).mock(side_effect=pages)
    models = iter(remote.models())
    assert route.call_count == 0
    assert next(models).name == "@cf/a/0"
    assert route.call_count == 1
    assert [model.name for model in models][-1] == "@cf/a/last"
    assert [call.request.url.params["page"] for call in route.calls] == ["1", "2"]


@respx.mock
@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_a_page_that_failed_is_asked_for_by_whoever_iterates_on(remote: Ai, backend: str) -> None:
    pages = [httpx.Response(200, json={"result": [{"name": name}]}) for name in ("a", "b")]
    replies = [pages[0], httpx.Response(429), pages[1], httpx.Response(200, json={"result": []})]
    route = respx.get(SEARCH).mock(side_effect=replies)
    if backend == "sync":
        models = iter(remote.models(per_page=1))
        names = [next(models).name]
        with pytest.raises(RateLimitError):
            next(models)
        names += [model.name for model in models]
    else:

        async def main() -> list[str]:
            models = aiter(remote.amodels(per_page=1))
            names = [(await anext(models)).name]
            with pytest.raises(RateLimitError):
                await anext(models)
            return names + [model.name async for model in models]

        names = anyio.run(main, backend=backend)
    assert names == ["a", "b"]
    assert [call.request.url.params["page"] for call in route.calls] == ["1", "2", "2", "3"]


@respx.mock
def test_a_service_that_knows_no_pages_is_asked_twice_at_most(remote: Ai, invoke: Invoke) -> None:
    route = respx.get(SEARCH).respond(json={"result": [{"name": "@cf/a/b"}] * 50})
    assert len(invoke(remote, "models")) == 50
    assert route.call_count == 2


@respx.mock
def test_a_service_that_gives_fewer_a_page_is_asked_for_all_it_reports(remote: Ai, invoke: Invoke) -> None:
    def answer(request: httpx.Request, size: int, reported: int | None, total: int) -> httpx.Response:
        rows = [{"name": f"@cf/a/{number}", "id": str(number)} for number in range(75)]
        start = (int(request.url.params["page"]) - 1) * size
        info = {"total_count": total, "per_page": reported}
        return httpx.Response(200, json={"success": True, "result": rows[start:][:size], "result_info": info})

    gateway = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai-gateway/gateways/mine/logs"
    instance = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai-search/namespaces/default/instances/docs"
    lists: list[tuple[str, Any, str]] = [
        (SEARCH, remote, "models"),
        (gateway, remote.gateway("mine"), "list_logs"),
        (f"{instance}/items", remote.search().get("docs").items, "list"),
        (f"{instance}/jobs", remote.search().get("docs").jobs, "list"),
    ]
    for url, owner, name in lists:
        # What is reported of the pages need not be true: the list is whole, with a request more.
        for size, reported, total, requests in ((20, 20, 75, 4), (20, 50, 75, 5), (50, 50, 75, 2), (50, None, 75, 2)):
            route = respx.get(url).mock(side_effect=partial(answer, size=size, reported=reported, total=total))
            before = route.call_count
            with row((url, size, reported)):
                assert len(invoke(owner, name, per_page=50)) == 75
                assert route.call_count - before == requests
        with row(url):
            assert len(invoke(owner, name, page=2, per_page=50)) == 25
            assert route.calls.last.request.url.params["page"] == "2"
    respx.get(SEARCH).mock(side_effect=partial(answer, size=20, reported=20, total=75))
    assert len(invoke(remote, "models", page=1)) == 20


def test_errors_of_the_service_are_those_of_run(local: Emulator, invoke: Invoke) -> None:
    rows: list[tuple[Any, type[InferenceUpstreamError]]] = [
        ("rate-limited", RateLimitError),
        (500, AiInternalError),
        ("404", NotFoundError),
    ]
    for fault, kind in rows:
        local.script([fault])
        with row(fault), local.ai(max_retries=0) as ai, pytest.raises(kind):
            invoke(ai, "model_schema", "@cf/zai-org/glm-4.7-flash")
        local.script([fault])
        with row(fault), local.ai(max_retries=0) as ai, pytest.raises(kind) as caught:
            invoke(ai, "models")
        assert caught.value.name == "AiInternalError", "as in the binding, which has no other"
    for status, code, kind in (
        (404, 7002, NotFoundError),
        (429, 971, RateLimitError),
        (401, 10000, AuthenticationError),
    ):
        local.script([status])
        with row(status), local.ai(max_retries=0) as ai, pytest.raises(kind) as caught:
            invoke(ai.search().get("docs"), "info")
        assert (caught.value.code, "model" in str(caught.value)) == (code, False), "no model is run"
    local.script(["rate-limited", "ok"])
    with local.ai(max_retries=1) as ai:
        assert invoke(ai, "model_schema", "@cf/zai-org/glm-4.7-flash").input


@respx.mock
def test_what_is_no_answer_is_told(remote: Ai, invoke: Invoke) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        (
            {"html": "<html>"},
            f"^GET {SEARCH} was answered with what cannot be read: "
            r"the answer is no JSON: '<html>' \(status 200\)\. What to do: ask again",
        ),
        ({"json": {"result": {"a": 1}}}, "the result must be a list, got dict"),
        ({"json": {"result": [7]}}, "the result: Input should be a valid dictionary or instance of ModelInfo"),
        ({}, "the result must be a list, got NoneType"),
    ]
    for response, said in rows:
        respx.get(SEARCH).respond(**response)
        with row(response), pytest.raises(APIResponseValidationError, match=said):
            invoke(remote, "models")
    respx.get(SEARCH).respond(json={"success": False, "errors": [{"code": 7000, "message": f"No route, {TOKEN}"}]})
    with pytest.raises(BadRequestError, match="No route") as caught:
        invoke(remote, "models")
    assert caught.value.name == "AiInternalError"
    assert TOKEN not in str(caught.value) + str(caught.value.body)


@respx.mock
def test_what_is_done_is_answered_with_an_object_or_nothing(remote: Ai, invoke: Invoke) -> None:
    calls = (
        (remote.gateway("g"), "patch_log", "l"),
        (remote.search().get("docs").items, "delete", "i"),
        (remote.search(), "delete", "docs"),
        (remote.search(), "create", {"id": "docs"}),
    )
    for owner, name, argument in calls:
        options = {"score": 1} if name == "patch_log" else {}
        for content in ("", "null", '{"success": true, "result": 0}'):
            respx.route().respond(200, text=content)
            with row((name, content)):
                invoke(owner, name, argument, **options)
        for content in ("0", "[]", '"done"'):
            respx.route().respond(200, text=content)
            with row((name, content)), pytest.raises(APIResponseValidationError, match="must be an object, got"):
                invoke(owner, name, argument, **options)


@respx.mock
def test_bytes_that_are_no_characters_cost_no_answer(remote: Ai, invoke: Invoke) -> None:
    route = respx.get(SEARCH)
    for name in (rb"a \ud83d b", b"a \xff b", rb"a \ude00\ud83d b"):
        route.respond(content=b'{"result":[{"name":"%b"},{"name":"\\ud83d\\ude00"},{"name":"c","task":NaN}]}' % name)
        with row(name):
            first, second, third = invoke(remote, "models")
            assert first.name.replace("\ufffd\ufffd", "\ufffd") == "a \ufffd b"
            assert (second.name, third.name) == ("😀", "c")


@respx.mock
def test_null_is_a_list_without_items(remote: Ai, invoke: Invoke) -> None:
    respx.route().respond(json={"success": True, "result": None, "errors": [], "messages": []})
    docs = remote.search().get("docs")
    item, job = docs.items.get("i"), docs.jobs.get("j")
    lists = [(owner, "list") for owner in (remote.search(), docs.items, docs.jobs, remote.autorag())]
    lists += [
        (remote, "models"),
        (remote.gateway("mine"), "list_logs"),
        (job, "logs"),
        (item, "logs"),
        (item, "chunks"),
    ]
    for owner, name in lists:
        with row((owner, name)):
            assert invoke(owner, name) == []


@respx.mock
def test_what_is_no_answer_shows_no_token(remote: Ai, invoke: Invoke) -> None:
    respx.get(SEARCH).respond(text=f"hello {TOKEN}", headers={"x-echo": TOKEN})
    with pytest.raises(APIResponseValidationError) as caught:
        invoke(remote, "models")
    assert "hello" in str(caught.value.body)
    assert TOKEN not in repr(vars(caught.value)) + str(caught.value)


@respx.mock
def test_a_field_of_another_type_costs_no_other(remote: Ai, invoke: Invoke) -> None:
    account = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}"
    docs = remote.search().get("docs")
    files = [("a.csv", b"1"), ("b.csv", b"2")]
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    rows: list[tuple[Any, str, tuple[Any, ...], Any, Any]] = [
        (remote, "models", (), [{"name": "@cf/a/b", "tags": None, "description": None}], ("@cf/a/b", [], "")),
        (remote, "models", (), [{"name": 7, "tags": ["a", 1], "task": "chat"}], (7, ["a", 1], "")),
        (
            remote,
            "to_markdown",
            (files,),
            [{"name": "a.csv", "tokens": 12.5, "data": "A"}, {"name": "b.csv", "error": {"code": 1}}],
            [("A", 12.5, None), ("", None, {"code": 1})],
        ),
        (
            docs,
            "chat_completions",
            (chat,),
            {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}}],
                "chunks": [{"id": 1, "score": "high", "text": "t", "item": {"key": 2, "new": 3}}, {"score": 0.5}],
            },
            ("Yes", 1, "high", "t", 2, 3, 0.5),
        ),
        (docs.items.get("i"), "info", (), {"id": "i", "metadata": "{}", "last_seen_at": 7}, ("i", "{}", 7)),
        (docs, "search", ({"query": "x"},), {"search_query": "x", "chunks": [7]}, ("x", [7])),
        (remote.gateway("mine"), "get_log", ("x",), {"id": "x", "duration": "long"}, ("x", "long")),
    ]
    show: dict[str, Any] = {
        "models": lambda models: (models[0].name, models[0].tags, models[0].description),
        "to_markdown": lambda results: [(each.data, each.tokens, each.error) for each in results],
        "chat_completions": lambda answer: (
            str(answer),
            *(getattr(answer.chunks[0], name) for name in ("id", "score", "text")),
            answer.chunks[0].item.key,
            answer.chunks[0].item.new,
            answer.chunks[1]["score"],
        ),
        "info": lambda item: (item.id, item["metadata"], item.last_seen_at),
        "search": lambda found: (found.search_query, found.chunks),
        "get_log": lambda log: (log.id, log.duration),
    }
    for owner, name, arguments, result, expected in rows:
        respx.route(url__startswith=account).respond(
            json=result if name == "chat_completions" else {"success": True, "result": result, "new": 1}
        )
        with row((name, result)):
            assert show[name](invoke(owner, name, *arguments)) == expected


def test_a_path_holds_no_other_path() -> None:
    assert build_path("ai-gateway", "gateways", "a b?", "@x") == "/ai-gateway/gateways/a%20b%3F/@x"
    bad: list[Any] = ["", ".", "..", "a/b", 7, None]
    for segment in bad:
        with row(segment), pytest.raises(ConfigurationError, match="an id must be a string without '/'"):
            build_path("gateways", segment)


@respx.mock
def test_what_no_request_can_hold_is_refused_with_its_name(remote: Ai, invoke: Invoke) -> None:
    docs = remote.search().get("docs")
    lists: list[tuple[Any, str]] = [
        (remote, "models"),
        (remote.gateway("mine"), "list_logs"),
        (docs.items, "list"),
        (docs.jobs, "list"),
        (docs.jobs.get("j"), "logs"),
    ]
    bad: list[Any] = ["10", 0, -1, 2.5, True]
    for owner, name in lists:
        for option in ("page", "per_page"):
            for value in bad:
                must = f"`{option}` must be a whole number of 1 or more, got {value!r}"
                with row((name, option, value)), pytest.raises(ConfigurationError, match=must):
                    invoke(owner, name, **{option: value})
    rows: list[tuple[Any, str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        (remote, "models", (), {"search": "\ud800"}, InputError, "search: the text has half of a surrogate pair"),
        (remote, "models", (), {"search": b"a"}, InputError, "search: bytes cannot be sent"),
        (docs.items, "upload", ("y.md", "\ud800"), {}, InputError, "`content`: the text has half"),
        (docs.items, "upload", ("\ud800.md", "y"), {}, InputError, "`name`: the text has half"),
        (docs.items, "delete", ("\ud800",), {}, ConfigurationError, "an id: the text has half"),
    ]
    for owner, name, arguments, options, kind, said in rows:
        with row((name, said)), pytest.raises(kind, match=said):
            invoke(owner, name, *arguments, **options)
    assert not respx.calls


@respx.mock
def test_a_line_of_the_log_names_the_request(remote: Ai, invoke: Invoke, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cfai")
    respx.get(SEARCH).respond(json={"result": []})
    invoke(remote, "models")
    assert caplog.messages[-1].startswith("GET api.cloudflare.com/client/v4/accounts/")
    assert "/ai/models/search status=200" in caplog.messages[-1]
    assert TOKEN not in caplog.text


def test_what_json_cannot_hold_is_refused_before_it_is_sent(remote: Ai) -> None:
    operation = Operation(method="POST", path="/x", json={"a": {1, 2}}, read=read_result)
    with pytest.raises(TypeError, match=r"inputs\['a'\]"):
        remote._api.call(operation)  # pyright: ignore[reportPrivateUsage]


def test_what_only_asks_is_asked_again_where_the_connection_broke(
    invoke: Invoke, serve: Serve, sleeps: list[float]
) -> None:
    server = serve(lambda peer: peer.request())
    with Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=server.url, trust_env=False) as ai:
        with pytest.raises(APIConnectionError) as caught:
            invoke(ai.gateway("my"), "get_log", "log-1")
        assert "billed" not in str(caught.value)
        assert (caught.value.retryable, len(server.requests), len(sleeps)) == (True, 3, 2)


def test_the_emulator_refuses_a_number_that_is_out_of_range_in_every_list(local: Emulator) -> None:
    url = f"{local.base_url}/accounts/{local.account_id}"
    paths = ("ai-gateway/gateways/x/logs?page=", "ai/finetunes/public?offset=", "ai-search/namespaces?per_page=")
    with httpx.Client(headers={"authorization": f"Bearer {local.api_token}"}) as http:
        for path in paths:
            for number in ("-1", "x", "٣", "9" * 5000):
                with row((path, number[:9])):
                    response = http.get(f"{url}/{path}{number}")
                    assert response.status_code == 400
                    assert "must be from" in response.json()["errors"][0]["message"]
