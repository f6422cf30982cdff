"""AI Search: `ai.search()`, its requests as they are sent, and what the emulator makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
import respx

from cfai import (
    Ai,
    AiSearchInstance,
    AiSearchInternalError,
    AiSearchNotFoundError,
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    CfaiError,
    ConfigurationError,
    InputError,
    RateLimitError,
)
from cfai.local import Emulator
from tests.conftest import ACCOUNT, TOKEN, row
from tests.resources.conftest import Invoke, list_requests

API = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai-search/namespaces"
DOCS = f"{API}/default/instances/docs"
QUESTION = {"messages": [{"role": "user", "content": "Where is New York?"}]}
SEVERAL = {"ai_search_options": {"instance_ids": ["docs", "blog"] * 5}}
CHUNK = {
    "id": "c1",
    "type": "text",
    "score": 0.85,
    "text": "New York is a city.",
    "item": {"key": "a.md", "timestamp": 1775925540000, "metadata": {"folder": "docs/"}},
    "scoring_details": {"vector_score": 0.85, "keyword_rank": 3},
}


@pytest.fixture
def docs(ai: Ai) -> AiSearchInstance:
    """An instance of the emulator with two documents in it, indexed."""
    instance = ai.search().create({"id": "docs", "custom_metadata": [{"field_name": "year", "data_type": "number"}]})
    instance.items.upload("usa.md", "New York is a city.\n\nBoston is another.", metadata={"year": 2024})
    instance.items.upload(
        "france/paris.md", "Paris is a city in France.", metadata={"year": 2020}, wait_for_completion=True
    )
    instance.info()
    return instance


def envelope(result: Any, **info: Any) -> httpx.Response:
    rest = {"result_info": info} if info else {}
    return httpx.Response(200, json={"success": True, "result": result, "errors": [], "messages": [], **rest})


# The requests


@respx.mock
def test_every_operation_sends_its_request(remote: Ai, invoke: Invoke) -> None:
    namespace = remote.search()
    docs = namespace.get("docs")
    item, job = docs.items.get("i 1"), docs.jobs.get("j1")
    config = {"id": "docs", "max_num_results": 50, "score_threshold": 1, "brand_new": True}
    rows: list[tuple[Any, str, tuple[Any, ...], dict[str, Any], str, str, Any]] = [
        (namespace, "create", (config,), {}, "POST", "/default/instances", config),
        (namespace, "delete", ("docs",), {}, "DELETE", "/default/instances/docs", None),
        (docs, "info", (), {}, "GET", "/default/instances/docs", None),
        (docs, "update", ({"cache": False},), {}, "PUT", "/default/instances/docs", {"cache": False}),
        (docs, "stats", (), {}, "GET", "/default/instances/docs/stats", None),
        (
            docs,
            "search",
            ({"query": "x", "new": 1},),
            {},
            "POST",
            "/default/instances/docs/search",
            {"query": "x", "new": 1},
        ),
        (docs, "search", (QUESTION,), {}, "POST", "/default/instances/docs/search", QUESTION),
        (docs, "chat_completions", (QUESTION,), {}, "POST", "/default/instances/docs/chat/completions", QUESTION),
        (namespace, "search", ({"query": "x", **SEVERAL},), {}, "POST", "/default/search", {"query": "x", **SEVERAL}),
        (
            namespace,
            "chat_completions",
            (QUESTION | SEVERAL,),
            {},
            "POST",
            "/default/chat/completions",
            QUESTION | SEVERAL,
        ),
        (docs.items, "delete", ("i1",), {}, "DELETE", "/default/instances/docs/items/i1", None),
        (item, "info", (), {}, "GET", "/default/instances/docs/items/i%201", None),
        (item, "sync", (), {}, "PATCH", "/default/instances/docs/items/i%201", {"next_action": "INDEX"}),
        (
            docs.jobs,
            "create",
            (),
            {"description": "now"},
            "POST",
            "/default/instances/docs/jobs",
            {"description": "now"},
        ),
        (docs.jobs, "create", (), {}, "POST", "/default/instances/docs/jobs", {}),
        (job, "info", (), {}, "GET", "/default/instances/docs/jobs/j1", None),
        (job, "cancel", (), {}, "PATCH", "/default/instances/docs/jobs/j1", {"action": "cancel"}),
    ]
    route = respx.route().mock(return_value=envelope({"id": "x", "choices": []}))
    for owner, name, arguments, options, method, path, body in rows:
        with row((name, path)):
            # `a` before `sync` would be a keyword.
            twin = {"sync": "sync"} if name != "sync" else {"sync": "async_"}
            invoke(_Renamed(owner, twin["sync"]) if name == "sync" else owner, name, *arguments, **options)
            request = route.calls.last.request
            assert (request.method, str(request.url)) == (method, API + path)
            assert (json.loads(request.content) if request.content else None) == body
            assert request.headers["authorization"] == f"Bearer {TOKEN}"


class _Renamed:
    """An item whose awaited `sync` has the name that `invoke` looks for."""

    def __init__(self, item: Any, twin: str) -> None:
        self.sync = item.sync
        setattr(self, "async", getattr(item, twin))


@respx.mock
def test_every_list_sends_its_filters_and_follows_its_pages(remote: Ai, invoke: Invoke) -> None:
    docs = remote.search("other").get("docs")
    base = "/other/instances"
    rows: list[tuple[Any, str, dict[str, Any], str]] = [
        (
            remote.search("other"),
            "list",
            {"search": "d", "order_by": "created_at"},
            f"{base}?search=d&order_by=created_at",
        ),
        (docs.items, "list", {"status": "error", "key": "a.md"}, f"{base}/docs/items?status=error&key=a.md"),
        (
            docs.items,
            "list",
            {
                "metadata_filter": {"year": {"$gte": 2024}},
                "sort_by": "modified_at",
                "source": "builtin",
                "item_id": "i",
            },
            f"{base}/docs/items?metadata_filter=%7B%22year%22%3A%7B%22%24gte%22%3A2024%7D%7D"
            "&sort_by=modified_at&source=builtin&item_id=i",
        ),
        (docs.jobs, "list", {}, f"{base}/docs/jobs?"),
        (docs.jobs.get("j"), "logs", {}, f"{base}/docs/jobs/j/logs?"),
    ]
    for owner, name, filters, address in rows:
        with row(address):
            pages = [envelope([{"id": "1"}, {"id": "2"}]), envelope([{"id": "3"}])]
            route = respx.get(url__startswith=API).mock(side_effect=pages)
            assert [each.id for each in invoke(owner, name, **filters, per_page=2)] == ["1", "2", "3"]
            joint = "" if address.endswith("?") else "&"
            sent = [str(request.url) for request in list_requests(route)[-2:]]
            ends = [f"page={page}&per_page=2" for page in (1, 2)]
            assert [sorted(each.partition("?")[2].split("&")) for each in sent] == [
                sorted(f"{address}{joint}{end}".partition("?")[2].split("&")) for end in ends
            ]
            assert sent[0].partition("?")[0] == API + address.partition("?")[0]
            route.mock(side_effect=[envelope([{"id": "9"}] * 2), envelope([{"id": "8"}])])
            alone = invoke(owner, name, **filters, per_page=2, page=np.int64(7))
            assert len(alone) == 2, "one page that is asked for is alone"
            assert route.calls.last.request.url.params["page"] == "7"


def test_getting_and_naming_sends_nothing(remote: Ai) -> None:
    namespace = remote.search()
    assert namespace.name == "default"
    instance = namespace.get("my-docs")
    with respx.mock:
        assert instance.items.get("i").id == "i"
        assert instance.jobs.get("j").id == "j"
        assert repr([namespace, instance, instance.items]) == (
            "[<AiSearchNamespace default>, <AiSearchInstance my-docs>, "
            "<AiSearchItems of /ai-search/namespaces/default/instances/my-docs/items>]"
        )
        assert namespace.get("7my_docs-" + "7" * 23).id == "7my_docs-77777777777777777777777"
        assert TOKEN not in repr(vars(instance))


def test_what_is_sure_to_be_refused_is_not_sent(remote: Ai, invoke: Invoke) -> None:
    namespace, docs = remote.search(), remote.search().get("docs")

    def retrieval(**options: Any) -> dict[str, Any]:
        return {"query": "x", "ai_search_options": {"retrieval": options}}

    many = {"ai_search_options": {"instance_ids": ["docs"] * 11}}
    rows: list[tuple[Any, str, Any, type[Exception], str]] = [
        (docs, "search", {}, InputError, "either `query` or `messages`, got neither: pass one"),
        (docs, "search", {"query": "x", **QUESTION}, InputError, "either `query` or `messages`, got both: pass one"),
        (docs, "search", {"query": " "}, InputError, "`query` must be a string that is not empty, got ' '"),
        (docs, "search", "Where?", InputError, r"must be a dict such as \{'query'"),
        (
            docs,
            "search",
            {"messages": [{"role": "system", "content": "x"}]},
            InputError,
            "not empty, got 1 others: add",
        ),
        (
            docs,
            "chat_completions",
            {"messages": [{"role": "user", "content": ""}]},
            InputError,
            "a message of the user",
        ),
        (
            docs,
            "chat_completions",
            {"query": "x"},
            InputError,
            "a message of the user that is not empty, got None: add",
        ),
        (
            docs,
            "search",
            retrieval(max_num_results=51),
            InputError,
            r"`ai_search_options.retrieval.max_num_results` must be .* 1 to 50, got 51",
        ),
        (docs, "search", retrieval(max_num_results=2.5), InputError, "must be a whole number from 1 to 50, got 2.5"),
        (docs, "search", retrieval(context_expansion=0.5), InputError, "must be a whole number from 0 to 3, got 0.5"),
        (docs, "search", retrieval(max_num_results=0), InputError, "from 1 to 50, got 0"),
        (docs, "search", retrieval(match_threshold=1.1), InputError, "from 0 to 1, got 1.1"),
        (docs, "search", retrieval(match_threshold=float("nan")), InputError, "from 0 to 1, got nan"),
        (docs, "search", retrieval(max_num_results=True), InputError, "got True"),
        (docs, "search", retrieval(context_expansion=4), InputError, "from 0 to 3, got 4"),
        (
            docs,
            "search",
            {"query": "x", "ai_search_options": {"reranking": {"match_threshold": 1.1}}},
            InputError,
            "from 0 to 1, got 1.1",
        ),
        (
            docs,
            "search",
            {"query": "x", "ai_search_options": []},
            InputError,
            "`ai_search_options` must be a dict, got list",
        ),
        (namespace, "search", {"query": "x"}, InputError, "must name 1 to 10 instances in a list, got 0"),
        (
            namespace,
            "search",
            {"query": "x", "ai_search_options": {"instance_ids": "docs"}},
            InputError,
            "must name 1 to 10 instances in a list, got 'docs'",
        ),
        (namespace, "search", {"query": "x", **many}, InputError, "must name 1 to 10 instances in a list, got 11"),
        (namespace, "chat_completions", QUESTION | many, InputError, "must name 1 to 10 .*, got 11"),
        (namespace, "create", {"id": "x" * 33}, ConfigurationError, "1 to 32 .* got 33 characters"),
        (
            namespace,
            "search",
            {"query": "x", "ai_search_options": {"instance_ids": ["My docs"]}},
            ConfigurationError,
            "got 'My docs'",
        ),
        (namespace, "create", {}, ConfigurationError, "an instance's id must have 1 to 32 .* got None"),
        (namespace, "create", "docs", InputError, r"must be a dict such as \{'id'"),
        (
            namespace,
            "create",
            {"id": "docs", "score_threshold": 2},
            InputError,
            "`score_threshold` .* from 0 to 1, got 2",
        ),
        (docs, "update", {"max_num_results": 99}, InputError, "from 1 to 50, got 99"),
        (namespace, "delete", "a--b", ConfigurationError, "got 'a--b'"),
    ]
    with respx.mock:
        for owner, name, params, kind, said in rows:
            with row((name, params)), pytest.raises(kind, match=said):
                invoke(owner, name, params)
        for id in ("", "A", "a b", "-a", "a-", "a--b", "x" * 33, "a/b", "..", "é"):
            with row(id), pytest.raises(ConfigurationError, match="an instance's id must have"):
                namespace.get(id)
        with pytest.raises(ConfigurationError, match="there is no filter 'state', known are search, key, item_id"):
            docs.items.list(state="error")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        with pytest.raises(ConfigurationError, match="an id must be a string without '/'"):
            remote.search("a/b")


@respx.mock
def test_errors_have_the_names_of_the_binding(remote: Ai, invoke: Invoke) -> None:
    body = {"success": False, "errors": [{"code": 7777, "message": "instance not found"}]}
    rows: list[tuple[int, Any, type[Exception], str]] = [
        (404, body, AiSearchNotFoundError, "AiSearchNotFoundError"),
        (500, body, AiSearchInternalError, "AiSearchInternalError"),
        (503, body, AiSearchInternalError, "AiSearchInternalError"),
        # These say more by their class, and have the binding's name beside it.
        (400, body, BadRequestError, "AiSearchInternalError"),
        (401, body, AuthenticationError, "AiSearchInternalError"),
        (429, body, RateLimitError, "AiSearchInternalError"),
    ]
    docs = remote.search().get("docs")
    calls: list[tuple[Any, str, Any]] = [
        (docs, "search", {"query": "x"}),
        (docs, "chat_completions", QUESTION),
        (docs, "chat_completions", QUESTION | {"stream": True}),
        (docs.items, "delete", "i"),
        (docs.jobs.get("j"), "cancel", None),
        (docs.items.get("i"), "download", None),
        (docs.items, "list", None),
    ]
    for status, content, kind, name in rows:
        respx.route().respond(status, json=content)
        for owner, method, params in calls:
            with row((status, method)), pytest.raises(kind, match="instance not found") as caught:
                invoke(owner, method, *([] if params is None else [params]))
            assert caught.value.name == name  # pyright: ignore[reportAttributeAccessIssue]
            assert TOKEN not in str(caught.value)


@respx.mock
def test_what_a_token_lacks_and_what_is_not_there_is_told(remote: Ai, invoke: Invoke) -> None:
    for status, code, said in (
        (401, 10000, "of AI Search, AI Search Edit"),
        (400, 7000, "name or id of what was called"),
        (400, 7001, "compare what was passed with Cloudflare's reference of this call"),
        (524, None, "it took too long, but may have been done all the same: try again, with less at a time"),
        (404, 7777, "check account_id, base_url, and the name or id of what was called"),
    ):
        respx.route().respond(status, json={"success": False, "errors": [{"code": code, "message": "no"}]})
        with row(code), pytest.raises(CfaiError, match=said):
            invoke(remote.search().get("docs"), "info")


@respx.mock
def test_a_result_stays_usable_whatever_is_missing_null_or_new(remote: Ai, invoke: Invoke) -> None:
    docs = remote.search().get("docs")
    rows: list[tuple[Any, str, tuple[Any, ...], Any, Callable[[Any], object], object]] = [
        (docs, "search", ({"query": "x"},), {}, lambda it: it.chunks, []),
        (docs, "search", ({"query": "x"},), {"chunks": None, "search_query": None}, lambda it: it.chunks, []),
        (docs, "search", ({"query": "x"},), {"chunks": [{"id": None, "new": 1}]}, lambda it: it.chunks[0]["new"], 1),
        (docs, "search", ({"query": "x"},), {"chunks": [CHUNK]}, lambda it: it.chunks[0].item.timestamp, 1775925540000),
        (docs, "search", ({"query": "x"},), {"chunks": [{"item": None}]}, lambda it: it.chunks[0].item.key, None),
        (docs, "search", ({"query": "x"},), {"chunks": [{"text": None}]}, lambda it: it.chunks[0].text, ""),
        (docs, "search", ({"query": "x"},), {"query_kind": "image"}, lambda it: it.query_kind, "image"),
        (docs, "stats", (), {}, lambda it: it.completed, None),
        (docs, "stats", (), {"engine": {"r2": {}}, "degraded": True}, lambda it: it["degraded"], True),
        (docs, "info", (), {"id": "docs", "type": None, "new": "x"}, lambda it: it["new"], "x"),
        (docs.items.get("i"), "info", (), {"status": "new", "chunks_count": None}, lambda it: it.status, "new"),
        (docs.jobs.get("j"), "info", (), {"ended_at": None}, lambda it: it.ended_at, None),
    ]  # fmt: skip
    for owner, name, arguments, result, read, expected in rows:
        respx.route().mock(return_value=envelope(result))
        with row((name, result)):
            assert read(invoke(owner, name, *arguments)) == expected
    item = docs.items.get("i")
    for owner, name in ((docs, "info"), (docs.items, "list"), (item, "chunks"), (item, "logs"), (docs.jobs, "list")):
        respx.route().respond(200, text="<html>")
        with row(name), pytest.raises(APIResponseValidationError, match="the answer is no JSON"):
            invoke(owner, name)
        respx.route().mock(return_value=envelope([7]))
        with row(name), pytest.raises(APIResponseValidationError, match="was answered with what cannot be read"):
            invoke(owner, name)
    respx.route().respond(200, text="<html>")
    with pytest.raises(APIResponseValidationError, match="the answer is no JSON"):
        invoke(remote.search(), "create", {"id": "docs"})


# What the emulator makes of them


def test_a_question_is_answered_from_what_is_found(docs: AiSearchInstance, invoke: Invoke) -> None:
    results = invoke(docs, "search", {"query": "Where is New York?"})
    assert [chunk.text for chunk in results.chunks] == ["New York is a city."]
    assert (results.search_query, results.chunks[0].score, results.chunks[0].item.key) == (
        "Where is New York?",
        0.75,
        "usa.md",
    )
    answer = invoke(docs, "chat_completions", QUESTION)
    assert str(answer) == (
        "This is an emulated answer to “Where is New York?”: no model has read it. What was found is in usa.md."
    )
    assert answer.choices[0].message.role == "assistant"
    assert answer.finish_reason == "stop"
    assert [chunk.id for chunk in answer.chunks] == [results.chunks[0].id]
    assert results.meta.request_id
    assert answer.meta.status_code == 200


def test_a_search_is_narrowed_by_its_options(docs: AiSearchInstance, invoke: Invoke) -> None:
    rows: list[tuple[dict[str, Any], list[str]]] = [
        ({"match_threshold": 0}, ["usa.md", "france/paris.md", "usa.md"]),
        ({"match_threshold": 0, "max_num_results": 1}, ["usa.md"]),
        ({"match_threshold": np.float32(0), "max_num_results": np.int64(1)}, ["usa.md"]),
        ({"match_threshold": 0, "filters": {"year": 2020}}, ["france/paris.md"]),
        ({"match_threshold": 0, "filters": {"year": {"$gt": 2020}}}, ["usa.md", "usa.md"]),
        ({"match_threshold": 0, "filters": {"folder": "france/"}}, ["france/paris.md"]),
        ({"match_threshold": 0, "metadata_only": True, "filters": {"year": {"$in": [2020]}}}, ["france/paris.md"]),
    ]
    for options, keys in rows:
        params = {"query": "is New York a city", "ai_search_options": {"retrieval": options}}
        with row(options):
            assert [chunk.item.key for chunk in invoke(docs, "search", params).chunks] == keys
    params = {"query": "France, Texas, Berlin", "ai_search_options": {"retrieval": {"match_threshold": 0.4}}}
    assert invoke(docs, "search", params).chunks == []
    params = {"query": "x", "ai_search_options": {"retrieval": {"filters": {"year": {"$near": 1}}}}}
    with pytest.raises(BadRequestError, match=r"there is no \$near"):
        invoke(docs, "search", params)


def test_several_instances_are_searched_and_those_that_fail_are_named(
    ai: Ai, docs: AiSearchInstance, invoke: Invoke
) -> None:
    namespace = ai.search()
    namespace.create({"id": "blog"}).items.upload("b.md", "New York again", wait_for_completion=True)
    options = {"ai_search_options": {"instance_ids": ["docs", "blog", "gone"]}}
    results = invoke(namespace, "search", {"query": "New York", **options})
    assert [(chunk.instance_id, chunk.text) for chunk in results.chunks] == [
        ("docs", "New York is a city."),
        ("blog", "New York again"),
    ]
    assert [(error.instance_id, error.message) for error in results.errors] == [("gone", "Instance not found")]
    answer = invoke(namespace, "chat_completions", QUESTION | options)
    assert {chunk.instance_id for chunk in answer.chunks} == {"docs", "blog"}
    assert answer.errors[0].instance_id == "gone"
    assert "emulated" in answer.text


def test_an_instance_is_made_changed_listed_and_deleted(ai: Ai, invoke: Invoke) -> None:
    namespace = ai.search()
    made = invoke(namespace, "create", {"id": "docs", "score_threshold": 0.2})
    assert isinstance(made, AiSearchInstance)
    assert made.id == "docs"
    with pytest.raises(BadRequestError, match="docs is there already"):
        invoke(namespace, "create", {"id": "docs"})
    assert invoke(made, "update", {"cache": True})["cache"] is True
    info = invoke(made, "info")
    assert (info.id, info.namespace, info["score_threshold"], info["cache"]) == ("docs", "default", 0.2, True)
    invoke(namespace, "create", {"id": "blog"})
    assert [each.id for each in invoke(namespace, "list", search="doc")] == ["docs"]
    assert [each.id for each in invoke(namespace, "list", per_page=1, order_by_direction="desc")] == ["blog", "docs"]
    invoke(namespace, "delete", "docs")
    with pytest.raises(AiSearchNotFoundError, match="instance docs"):
        invoke(made, "info")
    with pytest.raises(AiSearchNotFoundError, match="namespace none"):
        invoke(ai.search("none"), "list")


def test_jobs_begin_end_and_are_cancelled(docs: AiSearchInstance, invoke: Invoke) -> None:
    job = docs.jobs.get(invoke(docs.jobs, "create", description="now").id)
    begun = invoke(job, "info")
    assert (begun.source, begun.description, begun.ended_at) == ("user", "now", None)
    assert begun.started_at
    assert invoke(job, "cancel").end_reason == "cancelled"
    assert [log.message for log in invoke(job, "logs")] == ["The emulated job began", "The emulated job ended"]
    other = docs.jobs.get(docs.jobs.create().id)
    assert [invoke(other, "info").end_reason for _ in range(2)] == [None, "completed"]
    assert [each.id for each in invoke(docs.jobs, "list")] == [job.id, other.id]
    with pytest.raises(AiSearchNotFoundError, match="job none"):
        invoke(docs.jobs.get("none"), "cancel")


def test_an_instance_can_be_asked_with_several_calls_at_once(docs: AiSearchInstance) -> None:
    async def main() -> list[int]:
        found: list[int] = []

        async def ask() -> None:
            found.append(len((await docs.asearch({"query": "New York"})).chunks))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
        return found

    assert anyio.run(main) == [1] * 5


def test_the_default_namespace_stays_and_only_an_empty_one_is_deleted(local: Emulator) -> None:
    headers = {"authorization": f"Bearer {local.api_token}"}
    url = f"{local.base_url}/accounts/{local.account_id}/ai-search/namespaces"
    with httpx.Client(headers=headers) as client:
        assert [each["name"] for each in client.get(url).json()["result"]] == ["default"]
        assert client.delete(f"{url}/default").status_code == 400
        assert client.put(f"{url}/default", json={"description": "x"}).status_code == 400
        assert client.post(url, json={"name": "other", "description": "mine"}).json()["result"]["description"] == "mine"
        assert client.post(url, json={"name": "other"}).status_code == 400
        assert client.post(f"{url}/other/instances", json={"id": "docs"}).status_code == 200
        assert client.delete(f"{url}/other").status_code == 400
        assert client.delete(f"{url}/other/instances/docs").status_code == 200
        assert client.delete(f"{url}/other").status_code == 200
        assert client.get(f"{url}/other").status_code == 404
        assert client.get(f"{url}/default/instances?page=x").status_code == 400
        assert client.get(f"{url}/default/instances?per_page=0").status_code == 400
        assert client.post(f"{url}/default/instances", json={"id": "Docs"}).status_code == 400
        assert client.post(f"{url}/default/instances", json={"id": "d", "max_num_results": 51}).status_code == 400
        assert client.post(f"{url}/default/instances", content=b"{").status_code == 400
        assert client.get(f"{url}/default/nothing").json()["errors"][0]["code"] == 7000


def test_the_emulator_refuses_what_the_service_would(local: Emulator) -> None:
    with local.ai() as ai:
        item = ai.search().create({"id": "docs"}).items.upload("a.md", "x")
    headers = {"authorization": f"Bearer {local.api_token}"}
    url = f"{local.base_url}/accounts/{local.account_id}/ai-search/namespaces/default"
    docs, options = f"{url}/instances/docs", {"ai_search_options": {"retrieval": {"max_num_results": 51}}}
    file = {"file": ("a.md", b"x")}
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{docs}/search", {"json": {}}),
        ("POST", f"{docs}/search", {"json": {"query": "x", **QUESTION}}),
        ("POST", f"{docs}/search", {"json": {"query": ""}}),
        ("POST", f"{docs}/search", {"json": {"query": 7}}),
        ("POST", f"{docs}/search", {"json": {"query": "x", **options}}),
        ("POST", f"{docs}/search", {"json": ["x"]}),
        ("POST", f"{docs}/chat/completions", {"json": {"query": "x"}}),
        ("POST", f"{url}/search", {"json": {"query": "x"}}),
        ("POST", f"{url}/search", {"json": {"query": "x", "ai_search_options": {"instance_ids": [[]]}}}),
        ("POST", f"{docs}/items", {"json": {}}),
        ("POST", f"{docs}/items", {"files": {"other": ("a.md", b"x")}}),
        ("POST", f"{docs}/items", {"files": file, "data": {"metadata": "[1]"}}),
        ("POST", f"{docs}/items", {"files": file, "data": {"metadata": "{"}}),
        ("POST", f"{docs}/items", {"files": {"file": ("x" * 129, b"x")}}),
        ("GET", f"{docs}/items/{item.id}/chunks?limit=101", {}),
        ("GET", f"{docs}/items/{item.id}/chunks?offset=-1", {}),
        ("GET", f"{docs}/items/{item.id}/logs?cursor=x", {}),
        ("GET", f"{docs}/items?sort_by=key", {}),
        ("PATCH", f"{docs}/items/{item.id}", {"json": {"next_action": "DELETE"}}),
        ("PUT", docs, {"json": {"score_threshold": 2}}),
    ]
    refused: list[Any] = [
        "x",
        {"retrieval": "x"},
        {"cache": [1]},
        {"retrieval": {"max_num_results": 2.5}},
        {"retrieval": {"max_num_results": True}},
        {"retrieval": {"context_expansion": 0.5}},
        {"retrieval": {"retrieval_type": "foo"}},
        {"retrieval": {"fusion_method": ["rrf"]}},
        {"retrieval": {"keyword_match_mode": "xor"}},
        {"retrieval": {"boost_by": "year"}},
        {"retrieval": {"boost_by": [{"field": "year"}] * 4}},
        {"retrieval": {"boost_by": [{"direction": "asc"}]}},
        {"retrieval": {"boost_by": [{"field": "year", "direction": "up"}]}},
        {"cache": {"cache_threshold": "foo"}},
        {"cache": {"enabled": 1}},
        {"retrieval": {"metadata_only": "yes"}},
        {"retrieval": {"filters": [1]}},
        {"retrieval": {"filters": {"year": {"$or": [1]}}}},
        {"custom_metadata": {"a": 1, "b": 2, "c": 3}},
        {"custom_metadata": {"task": "x"}},
        {"custom_metadata": {"cf.x": "x"}},
        {"custom_metadata": "x"},
    ]
    rows += [("POST", f"{docs}/search", {"json": {"query": "x", "ai_search_options": each}}) for each in refused]
    configs: list[dict[str, Any]] = [
        {"type": "s3"},
        {"fusion_method": "sum"},
        {"cache_threshold": "foo"},
        {"cache_ttl": 60},
        {"sync_interval": 60},
        {"indexing_options": {"keyword_tokenizer": "foo"}},
        {"retrieval_options": {"keyword_match_mode": "xor"}},
        {"custom_metadata": [{"field_name": "year", "data_type": "int"}]},
    ]
    rows += [("POST", f"{url}/instances", {"json": {"id": "new", **each}}) for each in configs]
    taken: dict[str, Any] = {
        "custom_metadata": {"team": "a", "user": 7},
        "retrieval": {"retrieval_type": "hybrid", "boost_by": [{"field": "year", "direction": "asc"}] * 3},
        "cache": {"cache_threshold": "close_enough"},
    }
    taken["retrieval"]["max_num_results"] = 2.0
    with httpx.Client(headers=headers) as client:
        for method, address, request in rows:
            with row((method, address, request)):
                response = client.request(method, address, **request)
                assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 7001)
        assert (
            client.post(f"{docs}/search", json={"query": "x"} | options | {"ai_search_options": None}).status_code
            == 200
        )
        assert client.post(f"{docs}/search", json={"query": "x", "ai_search_options": taken}).status_code == 200
        nulls = {"retrieval": {"match_threshold": None, "max_num_results": None, "filters": None}}
        assert client.post(f"{docs}/search", json={"query": "x", "ai_search_options": nulls}).status_code == 200
        assert client.delete(f"{docs}/items").status_code == 405
