"""Members of the binding beside `run`: each answers the request that stands for it over REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cfai import Ai, AiInternalError, AuthenticationError, ConfigurationError, InferenceUpstreamError, NotFoundError
from cfai._resources import AccountApi
from cfai._resources.api import Operation, read_body, read_result
from tests.conftest import row
from tests.worker.conftest import Open
from tests.worker.javascript import JSON, JsException, Promise, Response, to_python
from tests.worker.runtime import reply

STEP = {"provider": "workers-ai", "endpoint": "@cf/a/b", "headers": {}, "query": {"prompt": None}}
STEPS = [STEP, {**STEP, "provider": "groq"}]
QUERY = {"query": "Where?", "max_num_results": 3}


class Members:
    """A binding that notes which member was called with what, and gives `value`, or raises it."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.called: list[Any] = []

    def run(self, *arguments: Any) -> Any:
        return self.__getattr__("run")(*arguments)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.called.append([name, *map(to_python, arguments)])
            # These three give an object, and not a promise.
            return self if name in ("gateway", "autorag", "toMarkdown") else Promise(self._answer())

        return call

    async def _answer(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        if self.value is None or isinstance(self.value, Response):
            return self.value
        return JSON.parse(json.dumps(self.value))


def call(binding: Members, **operation: Any) -> Any:
    ai = Ai.from_binding(binding, max_retries=0)
    api: AccountApi = ai._api
    return asyncio.run(api.acall(Operation(**{"read": read_result, **operation})))


@pytest.mark.usefixtures("open_worker")
def test_a_member_is_called_as_the_binding_has_it_and_its_value_is_the_result() -> None:
    log = {"id": "log 1", "cached": False, "created_at": "2019-08-24T14:15:22.000Z"}
    logs = "/ai-gateway/gateways/mine/logs/log%201"
    rows: list[tuple[dict[str, Any], Any, list[Any]]] = [
        ({"path": "/ai/tomarkdown/supported"}, [{"extension": ".md"}], [["toMarkdown"], ["supported"]]),
        (
            {"path": "/ai-gateway/gateways/mine/url/openai"},
            "https://gateway/openai",
            [["gateway", "mine"], ["getUrl", "openai"]],
        ),
        ({"path": logs}, log, [["gateway", "mine"], ["getLog", "log 1"]]),
        (
            {"method": "PATCH", "path": logs, "json": {"feedback": -1, "score": None}},
            None,
            [["gateway", "mine"], ["patchLog", "log 1", {"feedback": -1, "score": None}]],
        ),
        ({"path": "/autorag/rags"}, [{"id": "docs"}], [["autorag"], ["list"]]),
        (
            {"method": "POST", "path": "/autorag/rags/docs/search", "json": QUERY},
            {"data": []},
            [["autorag", "docs"], ["search", QUERY]],
        ),
        (
            {"method": "POST", "path": "/autorag/rags/docs/ai-search", "json": QUERY},
            {"response": "here"},
            [["autorag", "docs"], ["aiSearch", QUERY]],
        ),
    ]
    for operation, value, called in rows:
        with row(operation["path"]):
            binding = Members(value)
            assert call(binding, **operation) == value
            assert binding.called == called


def test_a_universal_call_goes_to_the_gateway_with_its_options_as_headers(open_worker: Open) -> None:
    open_worker({})
    binding = Members(reply({"response": "Hi"}, cf_aig_step="1"))
    path, headers = "https://workers-binding.ai/v1/binding/mine", {"cf-aig-skip-cache": "true", "x-custom": "stuff"}
    request = {"json": STEPS, "headers": {**headers, "accept-encoding": "identity"}, "read": read_body}
    body = call(binding, method="POST", path=path, token_header="cf-aig-authorization", **request)
    assert body == {"response": "Hi"}
    gateway, (name, steps, options) = binding.called
    assert (gateway, name, steps) == (["gateway", "mine"], "run", STEPS)
    assert options == {"extraHeaders": headers, "signal": {"aborted": False}}, "no token, and nothing of a network"


def test_steps_have_headers_which_the_binding_needs_and_no_token_of_a_client_without_one(open_worker: Open) -> None:
    open_worker({})
    step: dict[str, Any] = {"provider": "workers-ai", "endpoint": "@cf/a/b", "query": {}}
    binding = Members(reply({"response": "Hi"}))
    gateway = Ai.from_binding(binding).gateway("mine")
    for headers in ({}, {"headers": None}, {"headers": {}}, {"headers": {"Authorization": "Bearer own"}}):
        assert asyncio.run(gateway.arun({**step, **headers})).json() == {"response": "Hi"}
        assert binding.called.pop()[1] == [{**step, "headers": headers.get("headers") or {}}]
        binding.value = reply({"response": "Hi"})
    binding.called.clear()
    with pytest.raises(ConfigurationError, match=r"no API token to put into a step\."):
        asyncio.run(gateway.arun([{**step, "provider": "groq"}, step], authorize=True))
    with pytest.raises(ConfigurationError, match="token: the binding of a Worker takes none") as caught:
        asyncio.run(gateway.arun(step, token="secret-4711"))
    assert "4711" not in str(caught.value)
    assert [name for name, *_ in binding.called] == ["gateway", "gateway"]


def test_a_stream_of_autorag_is_read_as_it_comes(open_worker: Open) -> None:
    open_worker({})
    events = [b'data: {"response":"Hel"}\n\n', b'data: {"response":"lo"}\n\ndata: [DONE]\n\n']
    binding = Members(reply(events, content_type="text/event-stream"))

    async def main() -> list[str]:
        async with Ai.from_binding(binding).autorag("docs").aai_search({**QUERY, "stream": True}) as stream:
            return [token.text async for token in stream]

    assert asyncio.run(main()) == ["Hel", "lo"]
    assert binding.called == [["autorag", "docs"], ["aiSearch", {**QUERY, "stream": True}]]


def test_documents_are_blobs_and_their_options_those_of_the_binding(open_worker: Open, tmp_path: Path) -> None:
    open_worker({})
    path = tmp_path / "b.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    results = [{"name": name, "format": "markdown", "data": name} for name in ("a.html", "b.png")]
    binding = Members(results)
    ai = Ai.from_binding(binding)
    options: dict[str, Any] = {"conversion_options": {"pdf": {"metadata": False}}, "extra_headers": {"X-Team": "a"}}
    found = asyncio.run(ai.ato_markdown([("a.html", b"<p>"), path], **options))
    assert [result.data for result in found] == ["a.html", "b.png"]
    page, picture = ("text/html", b"<p>"), ("image/png", path.read_bytes())
    documents = [{"name": "a.html", "blob": page}, {"name": "b.png", "blob": picture}]
    given = {"conversionOptions": {"pdf": {"metadata": False}}, "extraHeaders": {"x-team": "a"}}
    assert binding.called == [["toMarkdown"], ["transform", documents, given]]
    binding = Members(results[:1])
    assert asyncio.run(Ai.from_binding(binding).ato_markdown(("a.html", b"<p>"))).data == "a.html"
    assert binding.called[-1] == ["transform", documents[:1]]
    refusing = Members(JsException("AiInternalError", "too many"))
    with pytest.raises(AiInternalError, match="too many"):
        asyncio.run(Ai.from_binding(refusing, max_retries=0).ato_markdown(("a.html", b"<p>")))


def test_documents_go_through_a_gateway_as_the_binding_has_it(open_worker: Open) -> None:
    open_worker({})
    binding = Members([{"name": "a.html", "format": "markdown", "data": "A"}])
    ai = Ai.from_binding(binding)
    rows: list[tuple[Any, dict[str, Any]]] = [
        ("mine", {"id": "mine"}),
        ({"id": "mine", "cache_ttl": 0, "metadata": {"user_id": None}}, {"metadata": {"user_id": None}, "cacheTtl": 0}),
        ({"id": "mine", "retries": {"max_attempts": 2}}, {"retries": {"maxAttempts": 2}}),
    ]
    for gateway, given in rows:
        with row(gateway):
            assert asyncio.run(ai.ato_markdown(("a.html", b"<p>"), gateway=gateway)).data == "A"
            assert binding.called[-1][2] == {"gateway": {"id": "mine", **given}}
    binding.called.clear()
    for gateway, words in (
        ({"id": "mine", "token": "secret-4711"}, "token: the binding of a Worker takes none"),
        ({"id": "mine", "zdr": True}, "gateway zdr: the binding of a Worker has no such option"),
        ({"id": "mine", "zone": 1}, "no option 'zone'"),
    ):
        with row(words), pytest.raises(ConfigurationError, match=words):
            asyncio.run(ai.ato_markdown(("a.html", b"<p>"), gateway=gateway))
    assert [name for name, *_ in binding.called if name == "transform"] == []


def test_what_a_member_throws_has_the_status_that_it_stands_for(open_worker: Open) -> None:
    open_worker({})
    rows: list[tuple[str, type[InferenceUpstreamError], int]] = [
        ("AiGatewayLogNotFound", NotFoundError, 404),
        ("AiGatewayInternalError", AiInternalError, 500),
        ("AutoRAGNotFoundError", NotFoundError, 404),
        ("AutoRAGUnauthorizedError", AuthenticationError, 401),
        ("AutoRAGInternalError", AiInternalError, 500),
    ]
    for name, kind, status in rows:
        with row(name), pytest.raises(kind, match="the reason") as caught:
            call(Members(JsException(name, "the reason")), path="/ai-gateway/gateways/mine/logs/1")
        assert (caught.value.status_code, caught.value.name) == (status, name)
        assert caught.value.body["errors"][0]["message"] == "the reason", "as over REST"


def test_what_has_no_member_is_said(open_worker: Open) -> None:
    open_worker({})
    rows: list[dict[str, Any]] = [
        {"path": "/ai/models/schema", "query": {"model": "@cf/a/b"}},
        {"path": "/ai-gateway/gateways/mine/logs"},
        {"method": "DELETE", "path": "/ai-gateway/gateways/mine/logs/1"},
        {"path": "/ai-search/namespaces/default/instances"},
        {"path": "/ai/finetunes"},
    ]
    for operation in rows:
        binding = Members({})
        words = f"has nothing for {operation.get('method', 'GET')} {operation['path'][1:]}: make an `Ai` with"
        with row(operation), pytest.raises(ConfigurationError, match=words):
            call(binding, **operation)
        assert binding.called == []
