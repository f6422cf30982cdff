"""Who gets through to a model, and what the others are told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cfai.local import Emulator
from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
HELLO = {"prompt": "hello"}


def edge(code: int, message: str) -> object:
    return {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}


def test_a_success_has_the_envelope_and_the_headers_of_the_service(service: Service) -> None:
    response = service.run(LLAMA, HELLO)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(UUID, response.headers["cf-ai-req-id"])
    assert re.fullmatch(r"[0-9a-f]{16}-[A-Z]{3}", response.headers["cf-ray"])
    assert list(response.json()) == ["result", "success", "errors", "messages"]
    assert response.json() | {"result": None} == {"result": None, "success": True, "errors": [], "messages": []}
    usage = response.json()["result"]["usage"]
    # 13778 and 26128 neurons a million tokens.
    expected = (usage["prompt_tokens"] * 13778 + usage["completion_tokens"] * 26128) / 1e6
    assert float(response.headers["cf-ai-neurons"]) == pytest.approx(expected, abs=1e-6)


def test_an_unknown_model_is_named_in_the_inference_envelope_with_the_request_id(service: Service) -> None:
    response = service.run("@cf/meta/no-such-model", HELLO)
    message = "AiError: No such model: No such model @cf/meta/no-such-model or task"
    errors = [{"message": f"{message} ({response.headers['cf-ai-req-id']})", "code": 5007}]
    assert response.status_code == 400
    assert response.json() == {"errors": errors, "success": False, "result": {}, "messages": []}
    for refused in (response, service.run(LLAMA, {})):
        assert "cf-ai-neurons" not in refused.headers


def test_an_emulator_may_be_more_lenient_or_stricter(service: Service) -> None:
    retired = "@cf/meta/llama-2-7b-chat-int8"
    assert service.run(retired, HELLO).status_code == 200
    rows: list[tuple[dict[str, Any], str, dict[str, str], tuple[int, list[int]]]] = [
        ({"lenient_paths": True}, "@cf%2Fmeta%2Fllama-3.1-8b-instruct-fp8", {}, (200, [])),
        ({"retired": "refuse"}, retired, {}, (410, [5028])),
        ({"allow_remote": True}, LLAMA, {"host": "emulator.lan"}, (200, [])),
    ]
    for options, model, headers, expected in rows:
        with Emulator(**options) as local, Service(local).http as http:
            response = http.post(f"/accounts/{local.account_id}/ai/run/{model}", json=HELLO, headers=headers)
        codes = [error["code"] for error in response.json()["errors"]]
        assert (response.status_code, codes) == expected, options


NO_ROUTE = edge(7000, "No route for that URI")
UNAUTHORIZED = edge(10000, "Authentication error")


def test_a_request_that_does_not_get_through_has_the_envelope_of_the_edge(service: Service) -> None:
    run = f"/accounts/{service.local.account_id}/ai/run"
    other = f"/accounts/{'0' * 32}/ai/run/{LLAMA}"
    unroutable = f"Could not route to /client/v4{other}, perhaps your object identifier is invalid?"
    rows: list[tuple[str, str, dict[str, str], int, object]] = [
        ("POST", f"{run}/@cf%2Fmeta%2Fllama-3.1-8b-instruct-fp8", {}, 400, NO_ROUTE),
        ("POST", f"{run}/@cf/meta%2fllama-3.1-8b-instruct-fp8", {}, 400, NO_ROUTE),
        *(("POST", path, {}, 400, NO_ROUTE) for path in ("/user", "/accounts/a/ai/run/", "/accounts/a/ai")),
        ("POST", service.local.base_url.removesuffix("/client/v4") + "/", {}, 400, NO_ROUTE),
        *(
            ("POST", f"{run}/{LLAMA}", {"authorization": header}, 401, UNAUTHORIZED)
            for header in ("Bearer wrong", "Basic cfai-emulator-token", "")
        ),
        ("POST", other, {}, 400, edge(7003, unroutable)),
        ("GET", f"{run}/{LLAMA}", {}, 405, edge(7001, "Method GET not available for that URI.")),
    ]
    for method, path, headers, status, body in rows:
        response = service.http.request(method, path, headers=headers, json=HELLO)
        assert (response.status_code, response.json()) == (status, body), (method, path, headers)
        assert response.headers["content-type"] == "application/json"


def test_only_a_loopback_name_is_answered(service: Service) -> None:
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", ""):
        response = service.run(LLAMA, HELLO, headers={"host": host})
        assert (response.status_code, response.headers["content-type"]) == (403, "text/plain"), host
    for host in ("localhost", "LOCALHOST:8787", "127.0.0.1", "127.0.0.1:80", "[::1]:80"):
        assert service.run(LLAMA, HELLO, headers={"host": host}).status_code == 200, host


def test_the_gateway_host_gives_the_same_answer_and_the_default_wants_a_credential(service: Service) -> None:
    direct = service.run(LLAMA, HELLO)
    assert "cf-aig-log-id" not in direct.headers
    for form in ("workers-ai", "workers-ai/run"):
        url = f"{service.local.gateway_url}/{service.local.account_id}/my-gateway/{form}/{LLAMA}"
        response = service.http.post(url, json=HELLO)
        assert response.json() == direct.json(), form
        assert response.headers["cf-aig-cache-status"] == "MISS", form
        assert response.headers["cf-aig-log-id"], form
        assert service.local.requests[-1].gateway == "my-gateway", form
    url = f"{service.local.gateway_url}/{service.local.account_id}/default/workers-ai/{LLAMA}"
    refused = service.http.post(url, json=HELLO)
    errors = [{"code": 2009, "message": "Unauthorized"}]
    assert refused.status_code == 401
    name = {"name": "AiGatewayError", "httpCode": 401, "internalCode": 2009, "message": "Unauthorized"}
    assert refused.json() == {"success": False, "result": [], "messages": [], "error": errors, **name}
    token = {"cf-aig-authorization": f"Bearer {service.local.api_token}"}
    assert service.http.post(url, json=HELLO, headers=token).status_code == 200


def test_a_model_in_the_body_needs_a_gateway_id_and_its_input(service: Service) -> None:
    url = f"/accounts/{service.local.account_id}/ai/run"
    body = {"model": LLAMA, "input": HELLO}
    assert service.http.post(url, json=body).json()["errors"][0]["code"] == 3003
    through = service.http.post(url, json=body, headers={"cf-aig-gateway-id": "default"})
    assert through.json() == service.run(LLAMA, HELLO).json()
    assert through.headers["cf-aig-log-id"]
    bare = service.http.post(url, json={"model": LLAMA})
    assert "required properties at '/' are 'model,input'" in bare.json()["errors"][0]["message"]


def test_what_was_received_is_told_without_the_credentials(service: Service) -> None:
    names = ("cf-aig-authorization", "x-auth-key", "x-auth-email", "x-auth-user-service-key", "cookie")
    headers = {"x-session-affinity": "abc", **dict.fromkeys(names, "Bearer secret")}
    service.run(LLAMA, {"prompt": "note this"}, headers=headers, params={"tags": "one"})
    request = service.local.requests[-1]
    assert (request.model, request.inputs, request.query) == (LLAMA, {"prompt": "note this"}, {"tags": "one"})
    assert request.headers["x-session-affinity"] == "abc"
    assert not {"authorization", *names} & request.headers.keys()
    assert service.local.api_token not in repr(request)
    assert "secret" not in repr(request)
