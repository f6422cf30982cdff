"""The binding of a Worker, as workerd sends it and as miniflare passes it on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest

from cfai.local import Emulator, Fault
from tests.conftest import row
from tests.local.conftest import DONE, WAV, read

if TYPE_CHECKING:
    from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"
GLM = "@cf/zai-org/glm-4.7-flash"
HELLO = {"prompt": "hello"}
HOST = "https://workers-binding.ai"


class Binding:
    """Sends what the binding sends, in one of the two forms, with the credentials that workerd or the address has."""

    def __init__(self, local: Emulator, form: str) -> None:
        self.local = local
        self._form = form
        self.http = httpx.Client(timeout=20, trust_env=False)

    def fetch(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """Return what the binding's own `fetch` does for a path of its host."""
        sent = dict(headers or {})
        origin = self.local.base_url.removesuffix("/client/v4")
        if self._form == "workerd":
            sent = {"authorization": f"Bearer {self.local.api_token}", **sent, "host": "workers-binding.ai"}
            return self.http.request(method, f"{origin}{path}", headers=sent, **options)
        proxied = {f"MF-Header-{name}": value for name, value in sent.items()}
        proxied |= {"MF-URL": f"{HOST}{path}", "MF-Binding": "AI"}
        return self.http.request(method, self.local.binding_url, headers=proxied, **options)

    def run(
        self, model: str, inputs: Any, options: Any = None, path: str = "/run?version=3", **headers: str
    ) -> httpx.Response:
        """Return `env.AI.run(model, inputs, options)`."""
        own = {"content-type": "application/json", "cf-consn-sdk-version": "2.0.0", "cf-consn-model-id": model}
        body = json.dumps({"inputs": inputs, "options": options or {}})
        return self.fetch("POST", path, headers=own | headers, content=body)


@pytest.fixture(params=["workerd", "miniflare"])
def binding(request: pytest.FixtureRequest, service: Service) -> Any:
    binding = Binding(service.local, request.param)
    with binding.http:
        yield binding


def test_the_answer_is_the_bare_result_bytes_or_a_list(binding: Binding, service: Service) -> None:
    response = binding.run(LLAMA, HELLO)
    assert response.status_code == 200
    # The binding compares the content type as it stands.
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cf-ai-req-id"]
    assert response.json() == service.result(LLAMA, HELLO)
    received = service.local.requests[-2]
    assert (received.model, received.inputs, received.path) == (LLAMA, HELLO, "/run")
    assert received.headers["cf-consn-model-id"] == LLAMA
    assert binding.run(f"team:{LLAMA}", HELLO).status_code == 200
    assert service.local.requests[-1].model == LLAMA, "a prefix is left out"
    image = binding.run("@cf/leonardo/phoenix-1.0", HELLO)
    assert image.headers["content-type"] == "image/jpeg"
    assert image.content.startswith(b"\xff\xd8")
    found = binding.fetch("GET", "/ai-api/models/search?search=glm-4.7&per_page=1")
    assert [row["name"] for row in found.json()["result"]] == [GLM]


def test_a_stream_is_that_of_the_rest_api_and_a_readable_one_the_body(binding: Binding, service: Service) -> None:
    for model in (LLAMA, GLM):
        response = binding.run(model, HELLO | {"stream": True})
        assert response.headers["content-type"] == "text/event-stream", model
        *events, last = read(response.text)
        assert last.data == DONE, model
        assert len(events) > 10, model
    query = urlencode({"version": "3", "userInputs": json.dumps({"language": "en", "punctuate": True})})
    headers = {"content-type": "audio/mpeg", "cf-consn-model-id": "@cf/deepgram/nova-3"}
    response = binding.fetch("POST", f"/run?{query}", headers=headers, content=WAV)
    assert response.json()["results"]["channels"]
    received = service.local.requests[-1]
    assert received.inputs == WAV
    assert received.query == {"language": "en", "punctuate": "true"}


def test_errors_have_the_form_that_the_binding_reads(binding: Binding) -> None:
    rows: list[tuple[str, Any, tuple[int, int, str]]] = [
        (LLAMA, {"prompt": "x", "messages": []}, (400, 1001, "InvalidInput")),
        (LLAMA, {}, (400, 5006, "InferenceUpstreamError")),
        (LLAMA, [], (400, 5006, "InferenceUpstreamError")),
        ("@cf/meta/no-such-model", HELLO, (400, 5007, "InferenceUpstreamError")),
        ("", HELLO, (400, 5007, "InferenceUpstreamError")),
    ]
    for model, inputs, expected in rows:
        response = binding.run(model, inputs)
        error = response.json()
        assert (response.status_code, error["internalCode"], error["name"]) == expected, (model, inputs)
        assert error["message"] == f"{error['name']}: {error['description']}"
        assert sorted(error) == ["description", "internalCode", "message", "name"]
    audio = {"content-type": "audio/mpeg", "cf-consn-model-id": "@cf/deepgram/nova-3"}
    rows = [("/run", {"cf-consn-model-id": LLAMA}, b'{"prompt": "x"}'), ("/run?userInputs=%7B", audio, b"sound")]
    for path, headers, content in rows:
        response = binding.fetch("POST", path, headers=headers, content=content)
        assert response.json()["internalCode"] == 5006, path


def test_a_gateway_and_a_batch_are_options(binding: Binding, service: Service) -> None:
    response = binding.run(LLAMA, HELLO, {"gateway": {"id": "mine"}}, "/ai-gateway/run?version=3")
    assert response.headers["cf-aig-log-id"]
    assert service.local.requests[-1].gateway == "mine"
    queued = binding.run("@cf/baai/bge-m3", {"requests": [{"text": "one"}]}, {"queueRequest": True}).json()
    assert queued["status"] == "queued"
    polled = [binding.run("@cf/baai/bge-m3", {"request_id": queued["request_id"]}).json() for _ in range(2)]
    assert polled[0]["status"] == "queued"
    assert polled[1]["responses"][0]["success"] is True


def test_faults_are_had_by_the_header_or_the_script_and_other_requests_get_the_edges_errors(
    binding: Binding, service: Service
) -> None:
    rows: list[tuple[str, str, dict[str, str], int]] = [
        # A web page can send a plain POST to this machine, but not this header.
        ("POST", "/run?version=3", {}, 7000),
        ("POST", "/to-everything/markdown/transformer", {"cf-consn-model-id": LLAMA}, 7000),
        ("GET", "/run", {"cf-consn-model-id": LLAMA}, 7001),
        ("GET", "/client/v4/accounts/a/ai/models/search", {"authorization": "Bearer wrong"}, 10000),
    ]
    for method, path, headers, code in rows:
        response = binding.fetch(method, path, headers=headers, content=b"{}")
        assert response.json()["errors"][0]["code"] == code, (method, path)
    assert binding.run(LLAMA, HELLO, **{"cfai-emulate": "code=3040"}).json()["internalCode"] == 3040
    service.local.script(Fault(status=500), Fault(empty=True))
    assert binding.run(LLAMA, HELLO).json()["errors"][0]["message"].startswith("AiError: ")
    assert binding.run(LLAMA, HELLO).json() == {}


def test_the_binding_needs_the_token_which_workerd_adds_and_miniflares_address_holds() -> None:
    for remote in (False, True):
        with row(remote), Emulator(allow_remote=remote) as local, Binding(local, "workerd").http as http:
            asked = {"cf-consn-model-id": LLAMA, "host": "workers-binding.ai"}
            body = {"inputs": HELLO, "options": {}}
            origin = local.base_url.removesuffix("/client/v4")
            proxied = {"MF-URL": f"{HOST}/run", "MF-Header-cf-consn-model-id": LLAMA}
            for url, headers, status in (
                (f"{origin}/run", asked, 401),
                (f"{origin}/run", asked | {"authorization": "Bearer wrong"}, 401),
                (f"{origin}/run", asked | {"authorization": f"Bearer {local.api_token}"}, 200),
                (f"{origin}/", proxied, 401),
                (f"{local.binding_url}x", proxied, 401),
                (local.binding_url, proxied, 200),
            ):
                with row((url, headers)):
                    response = http.post(url, headers=headers, json=body)
                    assert response.status_code == status
                    assert status == 200 or response.json()["errors"][0]["code"] == 10000
            listing = http.get(f"{origin}/ai-api/models/search", headers={"host": "workers-binding.ai"})
            assert listing.status_code == 401
    with Emulator(api_token="secret") as local:
        assert local.binding_url == f"http://127.0.0.1:{local.port}/?token=secret"
        assert "secret" not in repr(local)


def test_what_miniflare_asks_for_beside_has_no_route(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    url = service.local.binding_url
    websocket = service.http.get(f"{url}&MF-Binding=AI", headers=headers)
    for response in (websocket, service.http.post(url, headers={"mf-url": "http://["})):
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 7000), response.request.method
    assert caplog.records == []
