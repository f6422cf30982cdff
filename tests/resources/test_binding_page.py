"""docs/binding.md names every member of the binding once, and what it has for each works against the emulator."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from cfai import AsyncStream, RealtimeSession, Stream
from cfai._resources import AsyncPages, Pages
from cfai.local import Emulator
from tests.conftest import row

Serve = Callable[[], AbstractContextManager[tuple[dict[str, Any], list[object]]]]
"""Gives the names of the page, and a list of the requests that were answered."""

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "binding.md").read_text("utf-8")

_GATEWAY_OPTIONS = "cacheKey, cacheTtl, collectLog, eventId, id, metadata, requestTimeoutMs, retries, skipCache"
MEMBERS = {
    "`env.AI`": "aiGatewayLogId, aiSearch, autorag, gateway, models, run, toMarkdown, fetch, getLogs, lastRequestId, "
    "lastRequestHttpStatusCode, lastRequestInternalStatusCode, websearch",
    "Forms of `run`": "known model, unknown model, streaming, batch, raw response, websocket",
    "Options of `run`": "extraHeaders, gateway, prefix, queueRequest, returnRawResponse, signal, tags, websocket",
    "Parameters of `models`": "author, hide_experimental, page, per_page, search, source, task",
    "`AiGateway`": "getLog, getUrl, patchLog, run",
    "`AiGatewayPatchLog`": "feedback, metadata, score",
    "Options of a gateway": _GATEWAY_OPTIONS,
    "Options of `gateway.run`": _GATEWAY_OPTIONS,
    "`AiSearchNamespace`": "chatCompletions, create, delete, get, list, search",
    "`AiSearchInstance`": "chatCompletions, info, items, jobs, search, stats, update",
    "`AiSearchItems`": "delete, get, list, upload, uploadAndPoll",
    "`AiSearchItem`": "chunks, download, info, logs, sync",
    "`AiSearchJobs`": "create, get, list",
    "`AiSearchJob`": "cancel, info, logs",
    "`AutoRAG`": "aiSearch, list, search",
    "`ToMarkdownService`": "supported, transform",
    "Options of a conversion": "conversionOptions, extraHeaders, gateway",
}
"""The members that workerd has, by the headings of the page: its types/defines at 6552d999 (2026-08-22).

The last six of `env.AI` are in its runtime alone. The forms of `run` are the overloads, in words.
"""

WITHOUT = [
    ("`env.AI`", "fetch"),
    ("`env.AI`", "websearch"),
    ("Options of `run`", "signal"),
    ("Options of `run`", "prefix"),
    ("Options of a conversion", "gateway"),
]
"""What has no counterpart, in the order of the page."""

RENAMED = {
    ("`env.AI`", "aiSearch"): "search",
    ("`env.AI`", "getLogs"): "list_logs",
    ("Forms of `run`", "known model"): "run",
    ("Forms of `run`", "unknown model"): "run",
    ("Forms of `run`", "streaming"): "stream",
    ("Forms of `run`", "batch"): "queue_request",
    ("Forms of `run`", "raw response"): "return_raw_response",
    ("Forms of `run`", "websocket"): "arealtime",
    ("Options of `run`", "websocket"): "arealtime",
    ("Options of `gateway.run`", "id"): "gateway",
    ("`ToMarkdownService`", "supported"): "markdown_formats",
    ("`ToMarkdownService`", "transform"): "to_markdown",
}
"""What an expression has in the place of a member's own name in snake case."""


def read_rows() -> list[tuple[str, str, str]]:
    """Return the rows of all tables: the heading, the name in a Worker, and what is in the column for Python."""
    rows: list[tuple[str, str, str]] = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        table = [line for line in section.splitlines() if line.startswith("|")]
        assert table[:2] == ["| in a Worker | in Python | |", "|---|---|---|"], section
        for line in table[2:]:
            name, expression, _ = (cell.strip() for cell in line.strip("|").split("|"))
            rows.append((section.splitlines()[0], name.strip("`"), expression))
    return rows


EXPRESSIONS = [(heading, name, cell.strip("`")) for heading, name, cell in read_rows() if cell != "none"]


def find_twin(expression: str, names: dict[str, Any]) -> str | None:
    """Return an expression with the awaited twin of the method that it calls, or `None` if there is none."""
    call = ast.parse(expression, mode="eval").body
    if not isinstance(call, ast.Call):
        return None
    assert isinstance(call.func, ast.Attribute)
    twin = f"a{call.func.attr}"
    call.func.attr = f"{twin}_" if keyword.iskeyword(twin) else twin
    owner = eval(ast.unparse(call.func.value), names)
    return ast.unparse(call) if hasattr(owner, call.func.attr) else None


def read(result: Any) -> None:
    """Read a result to its end."""
    assert not callable(result), "a method must be called"
    if isinstance(result, Pages):
        list(result)
    elif isinstance(result, Stream):
        with result:
            assert list(result)
    elif isinstance(result, httpx.Response):
        assert result.status_code == 200, result.text


async def aread(result: Any) -> None:
    """Read what an awaited twin gave, or what is entered, to its end."""
    if isinstance(result, AsyncPages):
        _ = [each async for each in result]
    elif isinstance(result, RealtimeSession):
        async with result:
            await result.finish()
    elif isinstance(result := await result, AsyncStream):
        async with result:
            assert [token async for token in result]
    else:
        read(result)


async def acall(expression: str | None, names: dict[str, Any]) -> None:
    """Await an expression, if there is one, and close the client of this event loop."""
    async with names["ai"]:
        if expression is not None:
            await aread(eval(expression, names))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Make the names of the page by its own block, with an emulator of their own."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(ROOT / "examples")  # where the picture is

    @contextmanager
    def serve() -> Iterator[tuple[dict[str, Any], list[object]]]:
        names: dict[str, Any] = {}
        answered: list[object] = []  # whole when the emulator has stopped
        local = Emulator(tokens_per_second=None)
        local.log_request = answered.append
        with local:
            monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", local.base_url)
            monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", local.account_id)
            monkeypatch.setenv("CLOUDFLARE_API_TOKEN", local.api_token)
            exec(block, names)
            with names["ai"]:
                yield names, answered

    return serve


def test_every_member_of_the_binding_has_a_row_under_its_heading() -> None:
    rows = [(heading, name) for heading, name, _ in read_rows()]
    members = [(heading, name) for heading, names in MEMBERS.items() for name in names.split(", ")]
    assert sorted(rows) == sorted(members)
    assert [(heading, name) for heading, name, cell in read_rows() if cell == "none"] == WITHOUT


def test_an_expression_has_the_name_of_its_member_in_snake_case() -> None:
    for heading, name, expression in EXPRESSIONS:
        with row(f"{heading}: {name}"):
            word = RENAMED.get((heading, name)) or re.sub(r"(?=[A-Z])", "_", name).lower()
            assert re.search(rf"\b{word}\b", expression)


def test_an_expression_calls_the_service_if_it_has_an_awaited_twin_and_else_sends_nothing(serve: Serve) -> None:
    with serve() as (_, before):
        pass
    for heading, name, expression in EXPRESSIONS:
        with row(f"{heading}: {name}"):
            with serve() as (names, answered):
                twin = find_twin(expression, names)
                read(eval(expression, names))
            assert (len(answered) > len(before)) == (twin is not None)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_awaited_twin_calls_the_service(serve: Serve, backend: str) -> None:
    with serve() as (_, before):
        pass
    for heading, name, expression in EXPRESSIONS:
        with row(f"{heading}: {name}"):
            with serve() as (names, answered):
                twin = expression if ".arealtime(" in expression else find_twin(expression, names)
                anyio.run(acall, twin, names, backend=backend)
            assert (len(answered) > len(before)) == (twin is not None)
