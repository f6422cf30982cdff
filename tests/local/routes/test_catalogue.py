"""The service's lists: models, page by page and by what was asked, their schemas, tasks and authors."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from cfai import models
from cfai.local import Emulator, Fault
from tests.local.conftest import Service

TEXT_GENERATION = "c329a1f9-323d-4e91-b2aa-582dd4188d34"
LIVE = [model for model in models.catalogue().values() if model.retired_on is None]


def listing(service: Service, path: str, **query: Any) -> httpx.Response:
    return service.http.get(f"/accounts/{service.local.account_id}/ai/{path}", params=query)


def names(service: Service, **query: Any) -> list[str]:
    response = listing(service, "models/search", per_page=1000, **query)
    assert response.status_code == 200, response.text
    return [row["name"] for row in response.json()["result"]]


def test_pages_are_full_until_one_is_empty_and_say_what_they_are(service: Service) -> None:
    found: list[str] = []
    for page in range(1, 100):
        rows = listing(service, "models/search", page=page, per_page=7).json()["result"]
        if not rows:
            break
        assert len(rows) == 7 or len(found) + len(rows) == len(LIVE)
        found += [row["name"] for row in rows]
    assert found == [model.name for model in LIVE]
    answer = listing(service, "models/search", page=2, per_page=5).json()
    assert answer["success"] is True
    assert answer["result_info"] == {"count": 5, "page": 2, "per_page": 5, "total_count": len(LIVE)}


SEARCHES: list[tuple[dict[str, Any], set[str]]] = [
    ({"search": "GLM-4.7"}, {"@cf/zai-org/glm-4.7-flash"}),
    ({"author": "zai-org"}, {model.name for model in LIVE if "/zai-org/" in model.name}),
    ({"author": "Moonshotai"}, {model.name for model in LIVE if "/moonshotai/" in model.name}),
    ({"task": "Translation"}, {model.name for model in LIVE if model.task == "Translation"}),
    ({"task": TEXT_GENERATION}, {model.name for model in LIVE if model.task == "Text Generation"}),
    ({"hide_experimental": "true"}, {model.name for model in LIVE if "beta" not in model.capabilities}),
    ({"source": 1}, {model.name for model in LIVE}),
    ({"source": 2}, set()),
    ({"search": "nothing like this"}, set()),
]


def test_a_search_finds_what_matches_and_what_the_service_tells_of_it(service: Service) -> None:
    for query, expected in SEARCHES:
        assert sorted(names(service, **query)) == sorted(expected), query
    [row] = listing(service, "models/search", search="kimi-k2.6").json()["result"]
    assert (str(uuid.UUID(row["id"])), row["source"], row["tags"]) == (row["id"], 1, [])
    assert row["task"]["id"] == TEXT_GENERATION
    assert row["created_at"] == "2026-04-20 01:40:35.001"
    properties = {entry["property_id"]: entry["value"] for entry in row["properties"]}
    assert properties["context_window"] == "262144"
    assert properties["require_workers_paid"] == "true"
    assert {"unit": "per M input tokens", "price": 0.95, "currency": "USD"} in properties["price"]


def test_retired_models_are_listed_three_months_longer_on_request() -> None:
    for day, is_listed in (("2026-06-15", True), ("2026-08-30", True), ("2026-08-31", False)):
        noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp()
        with Emulator(clock=lambda noon=noon: noon) as local, Service(local).http as http:
            for requested in ("true", "false"):
                query = {"include_deprecated": requested, "search": "llama-2-7b-chat-int8"}
                rows = http.get(f"/accounts/{local.account_id}/ai/models/search", params=query).json()["result"]
                assert len(rows) == (is_listed and requested == "true"), day


def test_every_model_has_a_schema_with_variants_that_says_what_comes_out(service: Service) -> None:
    rows = [
        ("@cf/leonardo/phoenix-1.0", "string", "image/jpeg"),
        ("@cf/deepgram/aura-1", "string", "audio/mpeg"),
        ("@cf/huggingface/distilbert-sst-2-int8", "array", "application/json"),
        ("@cf/myshell-ai/melotts", "object", "application/json"),
    ]
    for model, json_type, content_type in rows:
        output = listing(service, "models/schema", model=model).json()["result"]["output"]
        assert (output["type"], output["contentType"]) == (json_type, content_type), model
        assert ("format" in output) is (json_type == "string"), model
    for model in models.catalogue():
        inputs = listing(service, "models/schema", model=model).json()["result"]["input"]
        assert inputs["type"] == "object", model
        assert all(branch["properties"] for branch in inputs.get("oneOf", [inputs])), model
    model = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    result = listing(service, "models/schema", model=model).json()["result"]
    branches = {branch["title"]: branch for branch in result["input"]["oneOf"]}
    assert branches["Prompt"]["required"] == ["prompt"]
    assert branches["Messages"]["required"] == ["messages"]
    assert "messages" not in branches["Prompt"]["properties"]
    temperature = branches["Prompt"]["properties"]["temperature"]
    assert (temperature["type"], temperature["maximum"], temperature["default"]) == ("number", 5, 0.6)
    assert result["output"]["contentType"] == "application/json"


def test_tasks_and_authors_are_those_of_the_models_and_odd_queries_are_refused(service: Service) -> None:
    tasks = {row["name"]: row["id"] for row in listing(service, "tasks/search").json()["result"]}
    assert tasks.keys() == {model.task for model in models.catalogue().values()}
    assert tasks["Text Generation"] == TEXT_GENERATION
    authors = [row["name"] for row in listing(service, "authors/search").json()["result"]]
    assert authors == sorted(set(authors))
    assert {"meta", "zai-org"} <= set(authors)
    rows: list[tuple[str, dict[str, Any], int]] = [
        *(("models/search", {"page": page}, 5006) for page in (0, "x", "9" * 5000, "²")),
        ("models/search", {"per_page": -1}, 5006),
        ("models/schema", {}, 5007),
        ("models/schema", {"model": "@cf/no/such-model"}, 5007),
    ]
    for path, query, code in rows:
        response = listing(service, path, **query)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, code), query


def test_a_list_is_no_request_for_a_model_but_meets_faults_and_needs_the_token(service: Service) -> None:
    path = f"/accounts/{service.local.account_id}/ai/models/search"
    assert service.http.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert service.http.post(path).status_code == 405
    before = len(service.local.requests)
    service.local.script(Fault(status=503), Fault(empty=True))
    assert listing(service, "models/search").status_code == 503
    assert listing(service, "models/search").json()["result"] == {}
    assert len(service.local.requests) == before
