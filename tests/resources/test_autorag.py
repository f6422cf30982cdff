"""AutoRAG, the older name of AI Search: `ai.autorag(name)`, as the binding's own tests have it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import respx

from cfai import (
    Ai,
    AiInternalError,
    AuthenticationError,
    AutoRAGInternalError,
    AutoRAGNameNotSetError,
    AutoRAGNotFoundError,
    AutoRAGUnauthorizedError,
    BadRequestError,
    ConfigurationError,
    InputError,
    NotFoundError,
    PermissionDeniedError,
)
from tests.conftest import ACCOUNT, row
from tests.resources.conftest import Invoke

RAGS = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/autorag/rags"
RESULT: dict[str, Any] = {
    "object": "vector_store.search_results.page",
    "search_query": "Where?",
    "data": [{"file_id": "f1", "filename": "a.md", "score": 0.45, "content": [{"type": "text", "text": "New York"}]}],
    "has_more": False,
    "next_page": None,
}


@respx.mock
def test_a_search_returns_the_result_without_its_envelope(remote: Ai, invoke: Invoke) -> None:
    route = respx.post(f"{RAGS}/my-rag/search").respond(json={"success": True, "result": RESULT})
    params = {"query": "Where?", "ranking_options": {"score_threshold": 0.3}, "brand_new": 1}
    results = invoke(remote.autorag("my-rag"), "search", params)
    assert results.data[0].content[0].text == "New York"
    assert (results.search_query, results.data[0].attributes, results.response) == ("Where?", None, None)
    assert json.loads(route.calls.last.request.content) == params


@respx.mock
def test_a_question_has_a_response(remote: Ai, invoke: Invoke) -> None:
    answer = {"success": True, "result": {**RESULT, "response": "this is an example result"}}
    route = respx.post(f"{RAGS}/my-rag/ai-search").respond(json=answer)
    params = {"query": "Where?", "model": "@cf/a/b", "stream": False}
    results = invoke(remote.autorag("my-rag"), "ai_search", params)
    assert results.response == "this is an example result"
    assert results["response"] == "this is an example result"
    assert json.loads(route.calls.last.request.content) == params


def test_without_a_name_only_the_list_can_be_asked_for(remote: Ai, invoke: Invoke) -> None:
    with respx.mock:
        for name in ("search", "ai_search"):
            with row(name), pytest.raises(AutoRAGNameNotSetError, match="AutoRAG name not defined") as caught:
                invoke(remote.autorag(), name, {"query": "x"})
            assert isinstance(caught.value, ConfigurationError)
    with respx.mock:
        route = respx.get(RAGS).respond(json={"success": True, "result": [{"id": "my-rag", "paused": False}]})
        assert [each.id for each in invoke(remote.autorag(), "list")] == ["my-rag"]
        assert route.calls.last.request.url.query == b"page=1&per_page=50"


@respx.mock
def test_errors_have_the_names_of_the_binding(remote: Ai, invoke: Invoke) -> None:
    said = {"success": False, "errors": [{"code": 7777, "message": "as it says"}]}
    unsaid: dict[str, Any] = {"success": False, "errors": [{"code": 7777, "message": ""}]}
    empty: dict[str, Any] = {"success": False, "errors": []}
    rows: list[tuple[int, dict[str, Any], type[Exception], type[Exception], str]] = [
        (401, {"json": said}, AutoRAGUnauthorizedError, AuthenticationError, "AutoRAGUnauthorizedError: as it says"),
        (
            401,
            {"json": unsaid},
            AutoRAGUnauthorizedError,
            AuthenticationError,
            r"You don't have access to this AutoRAG \(status 401\)\. What to do: check the token",
        ),
        (403, {"json": said}, AutoRAGUnauthorizedError, PermissionDeniedError, "as it says"),
        (
            403,
            {"json": empty},
            AutoRAGUnauthorizedError,
            PermissionDeniedError,
            "You don't have access to this AutoRAG",
        ),
        (404, {"json": said}, AutoRAGNotFoundError, NotFoundError, "AutoRAGNotFoundError: as it says"),
        (404, {"json": empty}, AutoRAGNotFoundError, NotFoundError, "AutoRAG not found"),
        (500, {"json": said}, AutoRAGInternalError, AiInternalError, "AutoRAGInternalError: as it says"),
        (500, {"json": empty}, AutoRAGInternalError, AiInternalError, "AutoRAGInternalError: Internal Error "),
        (503, {"text": "upstream is gone"}, AutoRAGInternalError, AiInternalError, "upstream is gone"),
    ]
    for status, response, kind, base, message in rows:
        respx.route().respond(status, **response)
        for name, params in (("search", {"query": "x"}), ("ai_search", {"query": "x", "stream": True})):
            with row((status, response, name)), pytest.raises(kind, match=message) as caught:
                invoke(remote.autorag("my-rag"), name, params)
            assert isinstance(caught.value, base)
            assert caught.value.status_code == status  # pyright: ignore[reportAttributeAccessIssue]
            assert caught.value.name == kind.__name__  # pyright: ignore[reportAttributeAccessIssue]
    # A page of a proxy is no word of AutoRAG, and the list knows one name for all.
    for status in (401, 403, 404):
        respx.route().respond(status, text="<html>not here</html>")
        with pytest.raises(AutoRAGInternalError, match="not here") as not_json:
            invoke(remote.autorag("my-rag"), "search", {"query": "x"})
        assert not_json.value.status_code == status
    respx.route().respond(404, json=said)
    with pytest.raises(NotFoundError) as of_list:
        invoke(remote.autorag(), "list")
    assert of_list.value.name == "AutoRAGInternalError"
    respx.route().respond(500, json=said)
    with pytest.raises(AutoRAGInternalError, match="as it says"):
        invoke(remote.autorag(), "list")


def test_what_is_sure_to_be_refused_is_not_sent(remote: Ai, invoke: Invoke) -> None:
    rows: list[tuple[Any, str]] = [
        ("Where?", "must be a dict such as"),
        ({}, "`query` must be a string that is not empty, got None"),
        ({"query": ""}, "`query` must be a string that is not empty"),
        ({"query": "x", "max_num_results": 51}, "`max_num_results` must be a whole number from 1 to 50, got 51"),
        (
            {"query": "x", "ranking_options": {"score_threshold": 1.1}},
            "`ranking_options.score_threshold` must be .* got 1.1",
        ),
    ]
    with respx.mock:
        for params, said in rows:
            for name in ("search", "ai_search"):
                with row(params), pytest.raises(InputError, match=said):
                    invoke(remote.autorag("my-rag"), name, params)
        with pytest.raises(ConfigurationError, match="an id must be a string without '/'"):
            invoke(remote.autorag("a/b"), "search", {"query": "x"})


def test_the_emulator_answers_from_the_same_documents(ai: Ai, invoke: Invoke) -> None:
    docs = ai.search().create({"id": "docs"})
    docs.items.upload("usa/new-york.md", "New York is a city.", metadata={"year": 2024}, wait_for_completion=True)
    docs.items.upload("boston.md", "Boston is a city.", metadata={"year": 2020}, wait_for_completion=True)
    rag = ai.autorag("docs")
    [info] = invoke(rag, "list")
    assert (info.id, info.enable, info.status) == ("docs", True, "ready")
    found = invoke(rag, "search", {"query": "a city", "max_num_results": 1})
    [match] = found.data
    assert (match.filename, match.attributes["folder"]) == ("usa/new-york.md", "usa/")
    assert abs(match.attributes["modified_date"] / 1000 - datetime.now(UTC).timestamp()) < 60
    assert match.attributes["modified_date"] == docs.search({"query": "a city"}).chunks[0].item.timestamp
    filters = [
        {"type": "eq", "key": "year", "value": 2020},
        {"type": "ne", "key": "folder", "value": match.attributes["folder"]},
        {
            "type": "and",
            "filters": [{"type": "gte", "key": "year", "value": 2020}, {"type": "lt", "key": "year", "value": 2021}],
        },
        {"type": "and", "filters": [{"type": "ne", "key": "year", "value": year} for year in (2024, 2030)]},
        {"type": "or", "filters": [{"type": "eq", "key": "year", "value": year} for year in (2020, 2030)]},
    ]
    for each in filters:
        found = invoke(rag, "ai_search", {"query": "a city", "filters": each})
        assert [match.filename for match in found.data] == ["boston.md"]
        assert "emulated answer to “a city”" in found.response
    with pytest.raises(AutoRAGNotFoundError, match="autorag_not_found"):
        invoke(ai.autorag("none"), "search", {"query": "x"})
    comparison = {"type": "eq", "key": "year", "value": 2020}
    for bad in (
        {"type": "or", "filters": []},
        {"type": "or", "filters": [{"type": "and", "filters": [comparison]}]},
        {"type": "in", "key": "year", "value": 2020},
        [comparison],
    ):
        with row(bad), pytest.raises(BadRequestError, match="filters: must"):
            invoke(rag, "search", {"query": "x", "filters": bad})
    rows: list[Any] = [{"type": "in", "key": "year", "value": [2020]}, {"type": "eq"}, {"type": "and", "filters": [{}]}]
    for each in rows:
        with row(each), pytest.raises(BadRequestError, match="a type of eq, ne, gt, gte, lt, lte"):
            invoke(rag, "search", {"query": "x", "filters": each})
